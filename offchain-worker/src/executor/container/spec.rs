//! What a container is made of.

use crate::executor::Attempt;
use bollard::models::{ContainerCreateBody, HostConfig, HostConfigLogConfig};
use leasehold_client::H256;
use leasehold_manifest::{Program, Service};
use std::collections::HashMap;

const MIB: i64 = 1 << 20;
/// Most processes and threads of a container.
const PIDS: i64 = 1_024;
/// What ordinary images need as they drop root's rights: no more of root's powers than these.
const CAPABILITIES: [&str; 9] = [
	"CHOWN",
	"DAC_OVERRIDE",
	"FOWNER",
	"FSETID",
	"KILL",
	"NET_BIND_SERVICE",
	"SETGID",
	"SETPCAP",
	"SETUID",
];

pub const GENESIS: &str = "leasehold.genesis";
pub const PROVIDER: &str = "leasehold.provider";
pub const LEASE: &str = "leasehold.lease";

/// Whose a container is.
#[derive(Clone, Debug)]
pub struct Labels {
	pub genesis: H256,
	pub provider: u32,
	lease: u64,
	manifest: [u8; 32],
	service: String,
	attempt: u32,
}

impl Labels {
	pub fn new(genesis: H256, provider: u32, attempt: &Attempt) -> Self {
		Self {
			genesis,
			provider,
			lease: attempt.lease,
			manifest: attempt.manifest_hash,
			service: attempt.service.name.clone(),
			attempt: attempt.number,
		}
	}

	/// The container's name, by which it is found again: no other attempt of any lease has it.
	pub fn name(&self) -> String {
		let short = |bytes: &[u8]| hex::encode(bytes.get(..4).unwrap_or_default());
		format!(
			"leasehold-{}-{}-{}-{}-{}-{}",
			short(&self.genesis.0),
			self.provider,
			self.lease,
			short(&self.manifest),
			self.service,
			self.attempt,
		)
	}

	/// All of them.
	pub fn all(&self) -> HashMap<String, String> {
		[
			(GENESIS, hex::encode(self.genesis.0)),
			(PROVIDER, self.provider.to_string()),
			(LEASE, self.lease.to_string()),
			("leasehold.manifest", hex::encode(self.manifest)),
			("leasehold.service", self.service.clone()),
			("leasehold.attempt", self.attempt.to_string()),
		]
		.into_iter()
		.map(|(key, value)| (key.to_owned(), value))
		.collect()
	}
}

/// A container for a job.
pub fn body(
	labels: &Labels,
	runtime: Option<&str>,
	image_id: &str,
	attempt: &Attempt,
	volumes: &[(String, String)],
) -> ContainerCreateBody {
	let service = &attempt.service;
	// `Z`: where SELinux rules, for this container alone.
	let bind = |folder: &str, mount: &str, mode: &str| {
		format!("{}/{folder}:{mount}:{mode},Z", attempt.folder.display())
	};
	let own = [
		("in", "/in", "ro"),
		("out", "/out", "rw"),
		("tmp", "/tmp", "rw"),
	];
	let own = own.map(|(folder, mount, mode)| bind(folder, mount, mode));
	let declared = volumes
		.iter()
		.map(|(folder, mount)| bind(folder, mount, "rw"));
	let memory = i64::from(service.unit.memory).saturating_mul(MIB);
	let log_size = format!(
		"{}m",
		u64::from(service.unit.storage)
			.saturating_mul(8)
			.saturating_add(1_024)
	);
	let list = |texts: &[&str]| Some(texts.iter().map(|text| (*text).to_owned()).collect());
	let (entrypoint, cmd) = command_of(service);
	ContainerCreateBody {
		image: Some(image_id.to_owned()),
		entrypoint,
		cmd,
		env: Some(
			service
				.env
				.iter()
				.map(|(name, value)| format!("{name}={value}"))
				.collect(),
		),
		labels: Some(labels.all()),
		host_config: Some(HostConfig {
			binds: Some(own.into_iter().chain(declared).collect()),
			readonly_rootfs: Some(true),
			network_mode: Some("none".into()),
			memory: Some(memory),
			// No swap on top.
			memory_swap: Some(memory),
			nano_cpus: Some(i64::from(service.unit.cpu).saturating_mul(1_000_000)),
			pids_limit: Some(PIDS),
			privileged: Some(false),
			cap_drop: list(&["ALL"]),
			cap_add: list(&CAPABILITIES),
			security_opt: list(&["no-new-privileges"]),
			// Read from where it was left, however long the daemon was away: the job is stopped before the engine
			// begins the file anew.
			log_config: Some(HostConfigLogConfig {
				typ: Some("json-file".into()),
				config: Some(HashMap::from([("max-size".to_owned(), log_size)])),
			}),
			runtime: runtime.map(str::to_owned),
			..Default::default()
		}),
		..Default::default()
	}
}

/// (entry point, arguments): where a command is named the image's own arguments do not count.
fn command_of(service: &Service) -> (Option<Vec<String>>, Option<Vec<String>>) {
	let named = |texts: &[String]| (!texts.is_empty()).then(|| texts.to_vec());
	match &service.program {
		Program::Image { command, .. } => (named(command), named(&service.args)),
		Program::Module(_) => (None, None),
	}
}
