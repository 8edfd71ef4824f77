//! What runs a workload. One trait, one folder an executor.

pub mod clear;
pub mod container;
pub mod folders;
mod health;
pub mod measure;
pub mod wasm;

use crate::usage::Process;
use container::Container;
use leasehold_client::FailureCode;
use leasehold_manifest::{FileEntry, Kind, Program, Protocol, Service};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// A port of a service, and the one of this machine behind which it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Port {
	pub service: String,
	/// In the container.
	pub port: u16,
	pub udp: bool,
	/// Of this machine.
	pub host: u16,
}

impl Port {
	/// Whether it is for a port that a service opens to the world.
	pub fn serves(&self, service: &str, expose: &leasehold_manifest::Expose) -> bool {
		let udp = expose.protocol == Protocol::Udp;
		(self.service.as_str(), self.port, self.udp) == (service, expose.port, udp)
	}
}

/// One attempt to run a job, or a replica of a service.
#[derive(Clone, Debug)]
pub struct Attempt {
	pub lease: u64,
	pub manifest_hash: [u8; 32],
	/// Of a service's replicas, from 0.
	pub replica: u32,
	/// From 1.
	pub number: u32,
	/// The lease's folder, or the replica's in it: `in/`, `out/`, `tmp/`, `logs/`, `run/`.
	pub folder: PathBuf,
	pub service: Service,
	/// Of this machine, for what the service opens to the world.
	pub ports: Vec<Port>,
	/// Of the GPUs that it has: names of the Container Device Interface, or paths.
	pub devices: Vec<String>,
}

impl Attempt {
	/// Whether it is a job's.
	pub fn is_job(&self) -> bool {
		self.service.kind == Kind::Job
	}

	/// The folder of its lease.
	pub fn lease_folder(&self) -> &Path {
		match self.is_job() {
			true => Some(self.folder.as_path()),
			// `services/NAME/REPLICA`
			false => self.folder.ancestors().nth(3),
		}
		.unwrap_or(&self.folder)
	}

	/// Bytes of its log that are kept; of a job's, all.
	pub fn kept_log(&self) -> Option<u64> {
		let storage = u64::from(self.service.unit.storage) << 20;
		(!self.is_job()).then(|| (storage / 4).clamp(64 << 10, 64 << 20))
	}

	/// A file about this attempt.
	pub fn file(&self, ending: &str) -> PathBuf {
		self.folder
			.join("run")
			.join(format!("{}.{ending}", self.number))
	}

	/// Whether its program was started, since this machine was.
	pub fn has_started_since_boot(&self) -> bool {
		let started = std::fs::metadata(self.file("started"));
		let age = started
			.and_then(|started| started.modified())
			.map(|at| at.elapsed());
		// One that is from the future is of now.
		age.is_ok_and(|age| age.map_or(true, |age| age.as_secs() < uptime()))
	}

	/// The end that is written down of it.
	fn end(&self) -> Result<Option<End>, ExecutorError> {
		match std::fs::read(self.file("end")) {
			Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes).unwrap_or_else(
				|error| End::Internal {
					why: format!("the report of its end is damaged: {error}"),
				},
			))),
			Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
			Err(error) => Err(fault("reading how an attempt ended")(error)),
		}
	}
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "end")]
pub enum End {
	/// The program ended by itself.
	Exited {
		code: i32,
	},
	/// The program crashed.
	Crashed {
		why: String,
	},
	/// The module or image cannot be loaded.
	Invalid {
		why: String,
	},
	/// The program was stopped at a limit.
	TimeLimit,
	MemoryLimit,
	StorageLimit,
	/// The machine failed, not the program.
	Internal {
		why: String,
	},
}

impl End {
	/// Whether another attempt may end otherwise.
	pub fn is_worth_another_attempt(&self) -> bool {
		matches!(self, Self::Crashed { .. } | Self::Internal { .. })
	}

	/// What the chain is told; `None` if the program ended by itself.
	pub fn failure(&self) -> Option<FailureCode> {
		match self {
			Self::Exited { .. } => None,
			Self::Crashed { .. } => Some(FailureCode::Crashed),
			Self::Invalid { .. } => Some(FailureCode::InvalidModule),
			Self::TimeLimit => Some(FailureCode::TimeLimit),
			Self::MemoryLimit => Some(FailureCode::MemoryLimit),
			Self::StorageLimit => Some(FailureCode::StorageLimit),
			Self::Internal { .. } => Some(FailureCode::Internal),
		}
	}

	/// In words.
	pub fn why(&self) -> String {
		match self {
			Self::Exited { code } => format!("it exited with code {code}"),
			Self::Crashed { why } => format!("it crashed: {why}"),
			Self::Invalid { why } => format!("it cannot be loaded: {why}"),
			Self::TimeLimit => "it ran longer than the manifest allows".into(),
			Self::MemoryLimit => "it needed more memory than was leased".into(),
			Self::StorageLimit => "files and logs outgrew the storage leased".into(),
			Self::Internal { why } => format!("the machine failed: {why}"),
		}
	}
}

/// What an executor reports of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Observed {
	/// It was never begun.
	Absent,
	/// It is being made ready; nothing of the tenant's runs yet.
	Preparing,
	/// It runs, and has not been found well yet.
	Unready,
	Running,
	Ended(End),
}

/// Why an executor could not do what it was asked. An error is never an empty answer.
#[derive(Debug, thiserror::Error)]
#[error("{what}: {source}")]
pub struct ExecutorError {
	pub what: &'static str,
	pub source: std::io::Error,
}

/// Where a module stands, once it has been handed in.
pub fn module_path(lease: &Path, kind: Kind, module: &FileEntry) -> PathBuf {
	match kind {
		Kind::Job => lease.join("module.wasm"),
		Kind::Service => {
			let name = format!("{}.wasm", hex::encode(module.sha256));
			lease.join("modules").join(name)
		}
	}
}

/// Seconds since this machine was started. Whoever sets its clock does not reach them.
pub fn uptime() -> u64 {
	let since = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
	u64::try_from(since.tv_sec).unwrap_or(0)
}

fn fault(what: &'static str) -> impl Fn(std::io::Error) -> ExecutorError {
	move |source| ExecutorError { what, source }
}

/// An error that no system call tells.
fn other(
	what: &'static str,
	why: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> ExecutorError {
	fault(what)(std::io::Error::other(why))
}

/// What runs workloads.
#[async_trait::async_trait]
pub trait Executor: Send + Sync {
	/// Begins an attempt; returns when it is on its way.
	async fn start(&self, attempt: &Attempt) -> Result<(), ExecutorError>;
	/// What has become of an attempt, also one that an earlier life of the daemon began.
	async fn observe(&self, attempt: &Attempt) -> Result<Observed, ExecutorError>;
	/// Ends an attempt if it runs. Whether nothing of it runs any more; if not, that is on its way.
	async fn stop(&self, attempt: &Attempt) -> Result<bool, ExecutorError>;
}

/// The executors of this daemon, by what they run.
pub struct Executors {
	pub wasm: wasm::Wasm,
	/// `None` if the operator names no container engine.
	pub container: Option<Container>,
}

impl Executors {
	/// The first process of an attempt that runs.
	pub fn process(&self, attempt: &Attempt) -> Option<Process> {
		match (&attempt.service.program, &self.container) {
			(Program::Module(_), _) => wasm::process(attempt),
			(Program::Image { .. }, Some(container)) => {
				Process::of(container.process(attempt)?, true)
			}
			(Program::Image { .. }, None) => None,
		}
	}

	fn of(&self, attempt: &Attempt) -> Result<&dyn Executor, ExecutorError> {
		match (&attempt.service.program, &self.container) {
			(Program::Module(_), _) => Ok(&self.wasm),
			(Program::Image { .. }, Some(container)) => Ok(container),
			(Program::Image { .. }, None) => Err(ExecutorError {
				what: "running a container",
				source: std::io::Error::other(
					"no container engine is configured any more: see [containers] in provider.toml",
				),
			}),
		}
	}
}

#[async_trait::async_trait]
impl Executor for Executors {
	async fn start(&self, attempt: &Attempt) -> Result<(), ExecutorError> {
		self.of(attempt)?.start(attempt).await
	}

	async fn observe(&self, attempt: &Attempt) -> Result<Observed, ExecutorError> {
		self.of(attempt)?.observe(attempt).await
	}

	async fn stop(&self, attempt: &Attempt) -> Result<bool, ExecutorError> {
		self.of(attempt)?.stop(attempt).await
	}
}

#[cfg(test)]
pub mod tests {
	use super::*;
	use leasehold_manifest::Unit;

	/// An attempt of a small container.
	pub fn attempt(kind: Kind) -> Attempt {
		Attempt {
			lease: 1,
			manifest_hash: [7; 32],
			replica: 0,
			number: 1,
			folder: PathBuf::from("/tmp/lease"),
			ports: Vec::new(),
			devices: Vec::new(),
			service: Service {
				name: "web".into(),
				kind,
				program: Program::Image {
					reference: "box".into(),
					command: Vec::new(),
					credentials: None,
				},
				args: Vec::new(),
				env: Vec::new(),
				count: 1,
				unit: Unit {
					cpu: 100,
					memory: 16,
					storage: 16,
					..Default::default()
				},
				expose: Vec::new(),
				depends_on: Vec::new(),
				health: None,
				inputs: Vec::new(),
				outputs: Vec::new(),
				max_duration: 60,
				attempts: 1,
				read_only: false,
			},
		}
	}
}
