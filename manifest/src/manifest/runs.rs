//! What providers run so far.

use super::{Manifest, Medium, Probe, Program, Protocol, Service, MIN_CONTAINER_MEMORY};
use crate::{image::Image, Kind};

/// Most replicas of all services of a manifest: a lease's network has room for no more.
pub const MAX_REPLICAS: u32 = 29;

/// Bytes of an argument, or of a variable with its name, that Linux gives to a program.
const LONGEST_WORD: usize = (128 << 10) - 1;

/// Whether providers run these services; an error says what they do not, and of which service, if of one.
pub(crate) fn can_be_run<F>(services: &[Service<F>]) -> Result<(), (Option<&str>, String)> {
	for service in services {
		let can = match service.kind {
			Kind::Job => service.can_run_as_job(),
			Kind::Service => service.can_be_served(),
		};
		if let Err(what) = can {
			let name = service.name.as_str();
			return Err((Some(name), format!("`{name}` {what}")));
		}
	}
	let is_module = |service: &Service<F>| service.module().is_some();
	if services.iter().any(is_module) && !services.iter().all(is_module) {
		let what = "modules and images stand side by side: they do not reach each other";
		return Err((None, what.into()));
	}
	let replicas = services
		.iter()
		.fold(0u32, |sum, service| sum.saturating_add(service.count));
	match replicas > MAX_REPLICAS {
		true => {
			let what =
				format!("{replicas} replicas are more than a lease has room for: {MAX_REPLICAS}");
			Err((None, what))
		}
		false => Ok(()),
	}
}

impl Manifest {
	/// Whether providers run it; an error says what they do not.
	pub fn can_be_run(&self) -> Result<(), String> {
		can_be_run(&self.services).map_err(|(_, what)| what)
	}
}

impl<F> Service<F> {
	/// What no provider has, or gives.
	fn lacks(&self) -> Result<(), String> {
		if self.unit.gpu.is_some() && self.module().is_some() {
			return Err("is a WASM module and wants a GPU: only containers have them".into());
		}
		if self.module().is_none() && self.unit.memory < MIN_CONTAINER_MEMORY {
			return Err(format!(
				"is a container and has less than {MIN_CONTAINER_MEMORY} MiB of memory"
			));
		}
		if let Program::Image { command, .. } = &self.program {
			Image::of(&self.program).map_err(|why| format!("has no image: {why}"))?;
			let words = command.iter().chain(&self.args).map(String::len);
			let all = self.env.iter();
			// With `=` between.
			let variables =
				all.map(|(name, value)| name.len().saturating_add(value.len()).saturating_add(1));
			if words.chain(variables).any(|bytes| bytes > LONGEST_WORD) {
				return Err(format!(
					"has an argument or a variable of more than {LONGEST_WORD} bytes: no container can be started with that"
				));
			}
		}
		Ok(())
	}

	fn can_run_as_job(&self) -> Result<(), String> {
		self.lacks()?;
		match self.unit.volumes.is_empty() && self.expose.is_empty() {
			true => Ok(()),
			false => Err("is a job with volumes or ports: only services have them".into()),
		}
	}

	fn can_be_served_as_module(&self) -> Result<(), String> {
		let probe = self.health.as_ref().map(|health| &health.probe);
		if let Some(Probe::Exec(_)) = probe {
			return Err("is a WASM module, and runs no command to see whether it is well".into());
		}
		if self
			.expose
			.iter()
			.any(|port| port.protocol == Protocol::Udp)
		{
			return Err("is a WASM module, and answers HTTP only: it has no UDP".into());
		}
		let volumes = &self.unit.volumes;
		match volumes.iter().any(|v| v.medium == Medium::Memory) {
			true => Err("is a WASM module with a volume in memory".into()),
			false => Ok(()),
		}
	}

	fn can_be_served(&self) -> Result<(), String> {
		self.lacks()?;
		if self.module().is_some() {
			self.can_be_served_as_module()?;
		}
		if !self.inputs.is_empty() {
			return Err("is a service with inputs: only jobs have them".into());
		}
		if self.expose.iter().any(|port| port.ip.is_some()) {
			return Err("wants an address of its own, and providers have none so far".into());
		}
		let mut inner = self.expose.iter().filter(|port| !port.global);
		if let Some(port) = inner.find(|port| port.port != port.external) {
			return Err(format!(
				"opens port {} to other services as {}: they reach it by its own number only",
				port.port, port.external
			));
		}
		let mut global = self.expose.iter().filter(|port| port.global);
		match self.count > 1 && global.any(|port| !port.is_http()) {
			true => Err(
				"has several replicas and a port that is open to the world: only those that go by a host name (port 80) \
				 are asked in turn"
					.into(),
			),
			false => Ok(()),
		}
	}
}
