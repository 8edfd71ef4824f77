//! What a container is made of.

use super::users::namespace;
use crate::executor::{
	folders::{Place, Source},
	Attempt, Port,
};
use bollard::models::{
	ContainerCreateBody, DeviceMapping, DeviceRequest, EndpointSettings, HealthConfig, HostConfig,
	HostConfigLogConfig, NetworkingConfig, PortBinding, RestartPolicy, RestartPolicyNameEnum,
};
use leasehold_client::H256;
use leasehold_manifest::{Program, Service};
use std::collections::HashMap;

const MIB: i64 = 1 << 20;
/// Where programs share memory, and the domain in which Podman has the names of services.
const SHARED: &str = "/dev/shm";
const SEARCH: &str = "dns.podman";
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
const SERVICE: &str = "leasehold.service";
/// Of a service; a job has none.
const REPLICA: &str = "leasehold.replica";
/// The OCI runtime that it was made for, if one was named.
pub const RUNTIME: &str = "leasehold.runtime";
/// Which number of this machine the container's root has, if it is told.
pub const USERS: &str = "leasehold.users";

fn short(bytes: &[u8]) -> String {
	hex::encode(bytes.get(..4).unwrap_or_default())
}

/// Whose a container is.
#[derive(Clone, Debug)]
pub struct Labels {
	pub genesis: H256,
	pub provider: u32,
	pub lease: u64,
	manifest: [u8; 32],
	pub service: String,
	/// Of a service.
	replica: Option<u32>,
	attempt: u32,
}

/// Service and replica, as a container's labels say: there is one container of each at a time.
pub fn member_of(labels: &HashMap<String, String>) -> Option<String> {
	let service = labels.get(SERVICE)?;
	Some(match labels.get(REPLICA) {
		Some(replica) => format!("{service}-{replica}"),
		None => service.clone(),
	})
}

/// The name of the lease's network, as a container's labels say.
pub fn network_of(labels: &HashMap<String, String>) -> Option<String> {
	let genesis = labels.get(GENESIS)?.get(..8)?;
	let (provider, lease) = (labels.get(PROVIDER)?, labels.get(LEASE)?);
	Some(format!("leasehold-{genesis}-{provider}-{lease}"))
}

/// What the names of all that a provider has at the engine begin with.
pub fn prefix(genesis: H256, provider: u32) -> String {
	format!("leasehold-{}-{provider}", short(&genesis.0))
}

impl Labels {
	pub fn new(genesis: H256, provider: u32, attempt: &Attempt) -> Self {
		Self {
			genesis,
			provider,
			lease: attempt.lease,
			manifest: attempt.manifest_hash,
			service: attempt.service.name.clone(),
			replica: (!attempt.is_job()).then_some(attempt.replica),
			attempt: attempt.number,
		}
	}

	/// Those of a container in which this program looks at something.
	pub fn of_probe(genesis: H256, provider: u32, lease: u64, service: &str) -> Self {
		Self {
			genesis,
			provider,
			lease,
			manifest: [0; 32],
			service: service.to_owned(),
			replica: Some(0),
			attempt: 1,
		}
	}

	/// What the names of all that a lease has at the engine begin with.
	fn prefix(&self) -> String {
		format!("{}-{}", prefix(self.genesis, self.provider), self.lease)
	}

	/// The container's name, by which it is found again: no other attempt of any lease has it.
	pub fn name(&self) -> String {
		let (manifest, member) = (short(&self.manifest), self.member());
		format!("{}-{manifest}-{member}-{}", self.prefix(), self.attempt)
	}

	/// The name of the lease's network.
	pub fn network(&self) -> String {
		self.prefix()
	}

	/// Service and replica.
	pub fn member(&self) -> String {
		match self.replica {
			Some(replica) => format!("{}-{replica}", self.service),
			None => self.service.clone(),
		}
	}

	/// All of a container's.
	pub fn all(&self) -> HashMap<String, String> {
		let mut all = self.of_network();
		let replica = self.replica.map(|replica| (REPLICA, replica.to_string()));
		let more = [
			("leasehold.manifest", hex::encode(self.manifest)),
			(SERVICE, self.service.clone()),
			("leasehold.attempt", self.attempt.to_string()),
		];
		let more = more.into_iter().chain(replica);
		all.extend(more.map(|(key, value)| (key.to_owned(), value)));
		all
	}

	/// Those of the lease's network.
	pub fn of_network(&self) -> HashMap<String, String> {
		[
			(GENESIS, hex::encode(self.genesis.0)),
			(PROVIDER, self.provider.to_string()),
			(LEASE, self.lease.to_string()),
		]
		.into_iter()
		.map(|(key, value)| (key.to_owned(), value))
		.collect()
	}
}

/// A container; `root` says which number of this machine its root is to have, if not root's.
pub fn body(
	labels: &Labels,
	runtime: Option<&str>,
	root: Option<u32>,
	image_id: &str,
	attempt: &Attempt,
	places: &[Place],
) -> ContainerCreateBody {
	let (service, job) = (&attempt.service, attempt.is_job());
	let mode = |place: &Place| if place.read_only { "ro" } else { "rw" };
	let binds = places.iter().filter_map(|place| match &place.from {
		// `Z`: where SELinux rules, for this container alone.
		Source::Folder(folder) => Some(format!(
			"{}/{folder}:{}:{},Z",
			attempt.folder.display(),
			place.mount,
			mode(place)
		)),
		Source::Memory(_) => None,
	});
	let in_memory = places.iter().filter_map(|place| match place.from {
		Source::Memory(mib) => {
			let options = format!("{},size={mib}m,mode=1777", mode(place));
			Some((place.mount.clone(), options))
		}
		Source::Folder(_) => None,
	});
	// What lies in memory is ordered as memory, beside the programs' own.
	let beside = places.iter().fold(0i64, |sum, place| match place.from {
		Source::Memory(mib) => sum.saturating_add(mib.into()),
		Source::Folder(_) => sum,
	});
	let memory = i64::from(service.unit.memory)
		.saturating_add(beside)
		.saturating_mul(MIB);
	// A job's is read from where it was left, however long the daemon was away: the job is stopped before the engine
	// begins the file anew.
	let log_size = match attempt.kept_log() {
		None => u64::from(service.unit.storage)
			.saturating_mul(8)
			.saturating_add(1_024)
			.saturating_mul(1_024),
		Some(bytes) => bytes >> 10,
	};
	// With users of its own and a network, a container is told no domain to look for its neighbours in, and Podman's mount
	// of `/dev/shm` may be busy when it is removed: it is given both in another way.
	let apart = !job && root.is_some();
	let has_own = places.iter().any(|place| place.mount == SHARED);
	let shared = (apart && !has_own).then(|| (SHARED.to_owned(), "size=64m,mode=1777".to_owned()));
	// What is not said would be an image's own to say.
	let users = root.map(|root| root.to_string()).unwrap_or_default();
	let users = [(USERS.to_owned(), users)];
	let (entrypoint, cmd) = command_of(service);
	let (paths, named): (Vec<_>, Vec<_>) = attempt
		.devices
		.iter()
		.cloned()
		.partition(|device| device.starts_with('/'));
	let devices = paths.into_iter().map(|path| DeviceMapping {
		path_on_host: Some(path.clone()),
		path_in_container: Some(path),
		cgroup_permissions: Some("rwm".into()),
	});
	let devices = devices.collect();
	ContainerCreateBody {
		image: Some(image_id.to_owned()),
		entrypoint,
		cmd,
		env: Some(environment(service)),
		labels: Some(labels.all().into_iter().chain(users).collect()),
		// The daemon looks itself.
		healthcheck: Some(HealthConfig {
			test: list(&["NONE"]),
			..Default::default()
		}),
		exposed_ports: (!job).then(|| attempt.ports.iter().map(port_name).collect()),
		networking_config: (!job).then(|| in_network(labels)),
		host_config: Some(HostConfig {
			binds: Some(binds.collect()),
			tmpfs: (!job).then(|| in_memory.chain(shared).collect()),
			readonly_rootfs: Some(job || service.read_only),
			network_mode: Some(match job {
				true => "none".into(),
				false => labels.network(),
			}),
			sysctls: (!job).then(sysctls),
			dns_search: apart.then(|| vec![SEARCH.to_owned()]),
			ipc_mode: apart.then(|| "none".to_owned()),
			port_bindings: (!job).then(|| bindings(attempt)),
			restart_policy: Some(RestartPolicy {
				name: Some(RestartPolicyNameEnum::NO),
				maximum_retry_count: None,
			}),
			memory: Some(memory),
			// No swap on top.
			memory_swap: Some(memory),
			nano_cpus: Some(i64::from(service.unit.cpu).saturating_mul(1_000_000)),
			pids_limit: Some(PIDS),
			privileged: Some(false),
			cap_drop: list(&["ALL"]),
			cap_add: list(&CAPABILITIES),
			security_opt: list(&["no-new-privileges"]),
			log_config: Some(HostConfigLogConfig {
				typ: Some("json-file".into()),
				config: Some(HashMap::from([(
					"max-size".to_owned(),
					format!("{log_size}k"),
				)])),
			}),
			runtime: runtime.map(str::to_owned),
			userns_mode: root.map(namespace),
			devices: Some(devices),
			device_requests: (!named.is_empty()).then(|| vec![of_interface(named)]),
			..Default::default()
		}),
		..Default::default()
	}
}

/// What makes an engine whose runtime is a vendor's own give a container all GPUs of the machine: neither the image nor
/// the tenant may say so.
const ALL_GPUS: [(&str, &str); 2] = [
	("NVIDIA_VISIBLE_DEVICES", "void"),
	("AMD_VISIBLE_DEVICES", "none"),
];

fn environment(service: &Service) -> Vec<String> {
	let theirs = service
		.env
		.iter()
		.map(|(name, value)| (name.as_str(), value.as_str()));
	let theirs = theirs.filter(|(name, _)| ALL_GPUS.iter().all(|(not, _)| not != name));
	theirs
		.chain(ALL_GPUS)
		.map(|(name, value)| format!("{name}={value}"))
		.collect()
}

/// Devices by their names in the Container Device Interface.
fn of_interface(names: Vec<String>) -> DeviceRequest {
	DeviceRequest {
		driver: Some("cdi".into()),
		device_ids: Some(names),
		..Default::default()
	}
}

/// The lease's network, where others find it by the service's name.
pub fn in_network(labels: &Labels) -> NetworkingConfig {
	let endpoint = EndpointSettings {
		aliases: Some(vec![labels.service.clone()]),
		..Default::default()
	};
	NetworkingConfig {
		endpoints_config: Some(HashMap::from([(labels.network(), endpoint)])),
	}
}

/// A lease's network is one of IPv4 alone: by the other a container would reach the machine on the link itself.
pub fn sysctls() -> HashMap<String, String> {
	HashMap::from([("net.ipv6.conf.all.disable_ipv6".to_owned(), "1".to_owned())])
}

/// A list in the engine's words.
pub fn list(texts: &[&str]) -> Option<Vec<String>> {
	Some(texts.iter().map(|text| (*text).to_owned()).collect())
}

/// A port of the container in the engine's words.
fn port_name(port: &Port) -> String {
	let protocol = if port.udp { "udp" } else { "tcp" };
	format!("{}/{protocol}", port.port)
}

/// Behind which ports of the machine the container's stand.
fn bindings(attempt: &Attempt) -> HashMap<String, Option<Vec<PortBinding>>> {
	let binding = |port: &Port| PortBinding {
		host_ip: None,
		host_port: Some(port.host.to_string()),
	};
	let ports = attempt.ports.iter();
	ports
		.map(|port| (port_name(port), Some(vec![binding(port)])))
		.collect()
}

/// (entry point, arguments): where a command is named the image's own arguments do not count.
fn command_of(service: &Service) -> (Option<Vec<String>>, Option<Vec<String>>) {
	let named = |texts: &[String]| (!texts.is_empty()).then(|| texts.to_vec());
	match &service.program {
		Program::Image { command, .. } => (named(command), named(&service.args)),
		Program::Module(_) => (None, None),
	}
}
