//! What providers run so far.

use super::{Manifest, Medium, Probe, Protocol, Service, MIN_CONTAINER_MEMORY};
use crate::Kind;

/// Most replicas of all services of a manifest: a lease's network has room for no more.
pub const MAX_REPLICAS: u32 = 29;

impl Manifest {
	/// Whether providers run it; an error says what they do not.
	pub fn can_be_run(&self) -> Result<(), String> {
		for service in &self.services {
			let can = match service.kind {
				Kind::Job => service.can_run_as_job(),
				Kind::Service => service.can_be_served(),
			};
			can.map_err(|what| format!("`{}` {what}", service.name))?;
		}
		let module = |service: &Service| service.module().is_some();
		if self.has_images() && self.services.iter().any(module) {
			return Err(
				"modules and images stand side by side: they do not reach each other".into(),
			);
		}
		let replicas = self
			.services
			.iter()
			.fold(0u32, |sum, service| sum.saturating_add(service.count));
		match replicas > MAX_REPLICAS {
			true => Err(format!(
				"{replicas} replicas are more than a lease has room for: {MAX_REPLICAS}"
			)),
			false => Ok(()),
		}
	}
}

impl<F> Service<F> {
	/// What no provider has, or gives.
	fn lacks(&self) -> Result<(), String> {
		if let Some(gpu) = &self.unit.gpu {
			if self.module().is_some() {
				return Err("is a WASM module and wants a GPU: only containers have them".into());
			}
			if gpu.models.len() > 1 {
				return Err(
					"names several models of GPU: an order asks for one, or for any of the vendor"
						.into(),
				);
			}
		}
		if self.module().is_none() && self.unit.memory < MIN_CONTAINER_MEMORY {
			return Err(format!(
				"is a container and has less than {MIN_CONTAINER_MEMORY} MiB of memory"
			));
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
		match self.count > 1 && self.expose.iter().any(|port| port.global) {
			true => Err("has several replicas and a port that is open to the world".into()),
			false => Ok(()),
		}
	}
}
