//! What the tenant hands to the provider: exact bytes whose hash is on chain.

use crate::{
	files::{is_safe_path, MAX_PATTERN, MAX_PATTERNS},
	hostname::is_host,
	result::blake2_256,
	Kind,
};
use codec::{Decode, Encode};
use std::collections::BTreeSet;

mod runs;
mod totals;
mod v1;

pub(crate) use runs::can_be_run;
pub use runs::MAX_REPLICAS;
pub use totals::{totals, GpuTotal, Totals};

/// Versions of the manifest's bytes: the second names, at their end, which services see their images read-only. The first is
/// written where none does, so that daemons of before read it.
const VERSION: u8 = 2;
const READ_ONLY: u8 = 3;
/// Length of the salt.
const SALT: usize = 32;
/// Most attempts of a job.
pub const MAX_ATTEMPTS: u32 = 10;
/// Longest attempt of a job, seconds.
pub const MAX_SECONDS: u64 = 30 * 86_400;
/// Longest time of a health check, seconds.
pub const MAX_HEALTH: u32 = 3_600;
/// Longest manifest, bytes.
pub const MAX_BYTES: usize = 1 << 20;
/// Most services of a manifest.
pub const MAX_SERVICES: usize = 64;
/// Least memory of a container, MiB: engines refuse less.
pub const MIN_CONTAINER_MEMORY: u32 = 8;
/// Most replicas of a service.
pub const MAX_COUNT: u32 = 1_000;

/// A file that the tenant hands in, named by its content.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct FileEntry {
	/// Relative to `/in`; for a module its name.
	pub path: String,
	/// Bytes.
	pub size: u64,
	pub sha256: [u8; 32],
}

/// An account at a registry.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
pub struct Credentials {
	pub host: String,
	pub username: String,
	pub password: String,
}

impl core::fmt::Debug for Credentials {
	fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
		write!(f, "Credentials for {} at {}", self.username, self.host)
	}
}

/// What a service runs; `F` stands for a file.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Program<F = FileEntry> {
	/// A WASM module that the tenant hands in.
	Module(F),
	/// A container image that the provider pulls.
	Image {
		reference: String,
		/// In place of the image's entry point; the image's own, if empty.
		command: Vec<String>,
		credentials: Option<Credentials>,
	},
}

/// Where a volume's data lives.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Medium {
	/// On disk, gone with the replica.
	Ephemeral,
	/// In memory, gone with the replica.
	Memory,
	/// On disk of this class; outlives restart, update and suspension.
	Persistent(String),
}

/// A volume of a replica.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Volume {
	pub name: String,
	/// MiB.
	pub size: u32,
	pub medium: Medium,
	/// Absolute path in the replica; `None`: it is not mounted.
	pub mount: Option<String>,
	pub read_only: bool,
}

/// GPUs of a replica.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Gpu {
	pub units: u32,
	/// `nvidia` or `amd`.
	pub vendor: String,
	/// Any of these will do; any of the vendor, if there are none.
	pub models: Vec<GpuModel>,
}

impl Gpu {
	/// What an order asks for, as the chain matches one model: its name, or any of the vendor, and MiB, 0 for any.
	pub fn asked(&self) -> (Option<&str>, u32) {
		match self.models.as_slice() {
			[model] => {
				let name = Some(model.name.as_str()).filter(|name| !name.is_empty());
				(name, model.memory)
			}
			_ => (None, 0),
		}
	}
}

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct GpuModel {
	/// Empty: any of the vendor.
	pub name: String,
	/// MiB; 0: any.
	pub memory: u32,
}

/// What one replica takes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Unit {
	/// milli-CPU.
	pub cpu: u32,
	/// MiB.
	pub memory: u32,
	/// MiB on disk for image layers written to, files and logs; named volumes aside.
	pub storage: u32,
	pub volumes: Vec<Volume>,
	pub gpu: Option<Gpu>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Protocol {
	Tcp,
	Udp,
}

/// A port that a service opens.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Expose {
	/// Inside the replica.
	pub port: u16,
	/// What others see it as.
	pub external: u16,
	pub protocol: Protocol,
	/// To the world; otherwise to the lease's other services.
	pub global: bool,
	/// Name of a leased address.
	pub ip: Option<String>,
	/// Host names under which it is to be had.
	pub hosts: Vec<String>,
	pub http: HttpOptions,
}

impl Expose {
	/// Whether it goes by host name through the provider's proxy.
	pub fn is_http(&self) -> bool {
		self.global && self.protocol == Protocol::Tcp && self.external == 80
	}
}

/// What the proxy in front of an HTTP service allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct HttpOptions {
	/// Bytes; the largest number stands for any size.
	pub max_body_size: u32,
	/// Milliseconds.
	pub read_timeout: u32,
	/// Milliseconds.
	pub send_timeout: u32,
}

impl Default for HttpOptions {
	fn default() -> Self {
		Self {
			max_body_size: u32::MAX,
			read_timeout: 60_000,
			send_timeout: 60_000,
		}
	}
}

/// How it is found out whether a replica is well.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Health {
	pub probe: Probe,
	/// Seconds between two probes.
	pub interval: u32,
	/// Seconds that a probe may take.
	pub timeout: u32,
	/// Failures in a row after which the replica is restarted.
	pub retries: u32,
	/// Seconds after the start during which failures do not count.
	pub start_period: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Probe {
	/// A command in the replica; well, if it exits with 0.
	Exec(Vec<String>),
	/// Well, if the port takes a connection.
	Tcp(u16),
	/// Well, if the answer's status is 200 to 399.
	Http { port: u16, path: String },
}

/// One service of a manifest; `F` stands for a file.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Service<F = FileEntry> {
	pub name: String,
	pub kind: Kind,
	pub program: Program<F>,
	pub args: Vec<String>,
	pub env: Vec<(String, String)>,
	/// Replicas.
	pub count: u32,
	pub unit: Unit,
	pub expose: Vec<Expose>,
	/// Services that are started first.
	pub depends_on: Vec<String>,
	pub health: Option<Health>,
	pub inputs: Vec<F>,
	/// Patterns of the files in `/out` that are results.
	pub outputs: Vec<String>,
	/// Seconds that one attempt of a job may take.
	pub max_duration: u64,
	/// Attempts before a job counts as crashed.
	pub attempts: u32,
	/// Whether nothing may be written over its image. A job's never may be.
	#[codec(skip)]
	pub read_only: bool,
}

impl<F> Service<F> {
	/// The module, if it runs one.
	pub fn module(&self) -> Option<&F> {
		match &self.program {
			Program::Module(file) => Some(file),
			Program::Image { .. } => None,
		}
	}

	/// The files that the tenant hands in: a module first.
	pub fn files(&self) -> impl Iterator<Item = &F> + Clone {
		self.module().into_iter().chain(&self.inputs)
	}

	/// The same service with other files; `each` is told whether one is the module.
	pub fn with_files<G, E>(
		self,
		mut each: impl FnMut(F, bool) -> Result<G, E>,
	) -> Result<Service<G>, E> {
		let program = match self.program {
			Program::Module(file) => Program::Module(each(file, true)?),
			Program::Image {
				reference,
				command,
				credentials,
			} => Program::Image {
				reference,
				command,
				credentials,
			},
		};
		let inputs = self.inputs.into_iter().map(|file| each(file, false));
		Ok(Service {
			program,
			inputs: inputs.collect::<Result<_, _>>()?,
			name: self.name,
			kind: self.kind,
			args: self.args,
			env: self.env,
			count: self.count,
			unit: self.unit,
			expose: self.expose,
			depends_on: self.depends_on,
			health: self.health,
			outputs: self.outputs,
			max_duration: self.max_duration,
			attempts: self.attempts,
			read_only: self.read_only,
		})
	}
}

impl Service {
	/// A digest of all that makes a replica what it is: not of how many there are, nor of what is started first.
	pub fn digest(&self) -> [u8; 32] {
		let alone = Self {
			count: 1,
			depends_on: Vec::new(),
			..self.clone()
		};
		let mut bytes = alone.encode();
		bytes.extend(self.read_only.then_some(1));
		blake2_256(&bytes)
	}

	/// A digest of its image's name, if it runs an image.
	pub fn image_digest(&self) -> Option<[u8; 32]> {
		match &self.program {
			Program::Module(_) => None,
			Program::Image { reference, .. } => Some(blake2_256(reference.as_bytes())),
		}
	}
}

/// What to run.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Manifest {
	pub services: Vec<Service>,
}

/// Why bytes are no manifest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
	/// Longer than [`MAX_BYTES`].
	#[error("the manifest is longer than {MAX_BYTES} bytes")]
	TooLong,
	/// The first byte names a version that this program does not know.
	#[error("manifest version {0} is not known to this program")]
	UnknownVersion(u8),
	/// Cut off or damaged.
	#[error("the manifest is malformed: {0}")]
	Malformed(&'static str),
	/// No random numbers for the salt.
	#[error("no random numbers: {0}")]
	NoRandomness(String),
}

impl Manifest {
	/// The manifest's bytes with a new salt: version, 32 random bytes, SCALE.
	pub fn seal(&self) -> Result<Vec<u8>, ManifestError> {
		let mut salt = [0u8; SALT];
		getrandom::fill(&mut salt)
			.map_err(|error| ManifestError::NoRandomness(error.to_string()))?;
		Ok(self.with_salt(salt))
	}

	/// The manifest's bytes with a given salt.
	pub fn with_salt(&self, salt: [u8; SALT]) -> Vec<u8> {
		let read_only: Vec<u32> = (0..)
			.zip(&self.services)
			.filter_map(|(n, service)| service.read_only.then_some(n))
			.collect();
		let is_plain = read_only.is_empty();
		let mut bytes = vec![if is_plain { VERSION } else { READ_ONLY }];
		bytes.extend_from_slice(&salt);
		self.encode_to(&mut bytes);
		if !is_plain {
			read_only.encode_to(&mut bytes);
		}
		bytes
	}

	/// The hash that stands in the order: blake2-256 of the bytes as they are.
	pub fn hash(bytes: &[u8]) -> [u8; 32] {
		blake2_256(bytes)
	}

	/// Reads a manifest's bytes and checks what a daemon relies on.
	pub fn open(bytes: &[u8]) -> Result<Self, ManifestError> {
		if bytes.len() > MAX_BYTES {
			return Err(ManifestError::TooLong);
		}
		let (version, rest) = bytes
			.split_first()
			.ok_or(ManifestError::Malformed("it is empty"))?;
		let mut body = rest
			.get(SALT..)
			.ok_or(ManifestError::Malformed("it is cut off"))?;
		let manifest = match *version {
			1 => v1::decode(&mut body),
			VERSION => Self::decode(&mut body),
			READ_ONLY => Self::decode(&mut body).and_then(|manifest| manifest.read_only(&mut body)),
			other => return Err(ManifestError::UnknownVersion(other)),
		}
		.map_err(|_| ManifestError::Malformed("it is cut off or damaged"))?;
		if !body.is_empty() {
			return Err(ManifestError::Malformed("bytes follow its end"));
		}
		manifest.check()?;
		Ok(manifest)
	}

	/// Reads which of its services see their images read-only: some do, each named once.
	fn read_only(mut self, body: &mut &[u8]) -> Result<Self, codec::Error> {
		let named = Vec::<u32>::decode(body)?;
		let rises = named.windows(2).all(|pair| pair.first() < pair.last());
		if named.is_empty() || !rises {
			return Err("not how it is written".into());
		}
		for n in named {
			let service = usize::try_from(n).ok();
			let service = service.and_then(|n| self.services.get_mut(n));
			service.ok_or("no such service")?.read_only = true;
		}
		Ok(self)
	}

	fn check(&self) -> Result<(), ManifestError> {
		let malformed = |why| Err(ManifestError::Malformed(why));
		if self.services.is_empty() || self.services.len() > MAX_SERVICES {
			return malformed("it has no service, or too many");
		}
		let names: BTreeSet<_> = self.services.iter().map(|s| &s.name).collect();
		if names.len() < self.services.len() {
			return malformed("two services have the same name");
		}
		let jobs = self.services.iter().filter(|s| s.kind == Kind::Job).count();
		if jobs > 0 && self.services.len() > 1 {
			return malformed("a job stands beside other services");
		}
		for service in &self.services {
			service.check()?;
			let others = |other: &&String| names.contains(other) && **other != service.name;
			if !service.depends_on.iter().all(|name| others(&name)) {
				return malformed("a service depends on one that is not there");
			}
		}
		self.in_order().map(|_| ())
	}

	/// The job, which is alone; `None`: these are services.
	pub fn job(&self) -> Option<&Service> {
		self.services
			.iter()
			.find(|service| service.kind == Kind::Job)
	}

	/// Whether any service runs an image.
	pub fn has_images(&self) -> bool {
		self.services
			.iter()
			.any(|service| service.module().is_none())
	}

	/// The files that the tenant hands in, with the services that they are for.
	pub fn files(&self) -> impl Iterator<Item = (&Service, &FileEntry)> {
		let services = self.services.iter();
		services.flat_map(|service| service.files().map(move |file| (service, file)))
	}

	/// The services, each after those that it depends on.
	pub fn in_order(&self) -> Result<Vec<&Service>, ManifestError> {
		in_order(&self.services).ok_or(ManifestError::Malformed("services depend on each other"))
	}

	/// Sums over all replicas. `None` on overflow.
	pub fn totals(&self) -> Option<Totals> {
		totals(&self.services)
	}
}

/// Services, each after those that it depends on; `None` if they depend on each other in a circle.
pub(crate) fn in_order<F>(services: &[Service<F>]) -> Option<Vec<&Service<F>>> {
	let mut placed: BTreeSet<&str> = BTreeSet::new();
	let mut sorted: Vec<&Service<F>> = Vec::new();
	let mut rest: Vec<&Service<F>> = services.iter().collect();
	while !rest.is_empty() {
		let there = |name: &String| placed.contains(name.as_str());
		let (ready, waiting): (Vec<_>, Vec<_>) = rest
			.into_iter()
			.partition(|service| service.depends_on.iter().all(there));
		if ready.is_empty() {
			return None;
		}
		placed.extend(ready.iter().map(|service| service.name.as_str()));
		sorted.extend(ready);
		rest = waiting;
	}
	Some(sorted)
}

impl Service {
	fn check(&self) -> Result<(), ManifestError> {
		let malformed = |why| Err(ManifestError::Malformed(why));
		if !is_label(&self.name) {
			return malformed("a service's name is no label");
		}
		if !self.files().all(|file| is_safe_path(&file.path)) {
			return malformed("a file's path leaves its folder");
		}
		let mut paths: Vec<_> = self.inputs.iter().map(|file| &file.path).collect();
		paths.sort();
		if paths.windows(2).any(|pair| pair.first() == pair.last()) {
			return malformed("two inputs have the same path");
		}
		if self.read_only && self.module().is_some() {
			return malformed("a module has no image");
		}
		let command = match &self.program {
			Program::Image {
				reference, command, ..
			} => {
				if reference.is_empty() || reference.len() > 512 || reference.contains('\0') {
					return malformed("an image's name is empty or too long");
				}
				command.as_slice()
			}
			Program::Module(_) => &[],
		};
		if self
			.env
			.iter()
			.any(|(k, v)| k.contains(['=', '\0']) || v.contains('\0'))
			|| self
				.args
				.iter()
				.chain(command)
				.any(|arg| arg.contains('\0'))
		{
			return malformed("a variable or an argument contains a forbidden character");
		}
		if self.count == 0 || self.attempts == 0 || self.max_duration == 0 {
			return malformed("a count is 0");
		}
		if self.unit.cpu == 0 || self.unit.memory == 0 {
			return malformed("a service has no CPU, or no memory");
		}
		if self.count > MAX_COUNT || (self.kind == Kind::Job && self.count > 1) {
			return malformed("too many replicas");
		}
		if self.attempts > MAX_ATTEMPTS || self.max_duration > MAX_SECONDS {
			return malformed("too many attempts, or too long a time");
		}
		let long = |pattern: &String| pattern.len() > MAX_PATTERN;
		if self.outputs.len() > MAX_PATTERNS || self.outputs.iter().any(long) {
			return malformed("too many or too long patterns of outputs");
		}
		if self.depends_on.len() > MAX_SERVICES {
			return malformed("too many dependencies");
		}
		if self.inputs.len() > 10_000 || self.expose.len() > 256 || self.unit.volumes.len() > 64 {
			return malformed("too many inputs, ports or volumes");
		}
		let mut mounts = BTreeSet::new();
		let mut names = BTreeSet::new();
		for volume in &self.unit.volumes {
			let bare = |mount: &String| mount.trim_end_matches('/').to_owned();
			let safe = |mount: &String| is_mount(mount) && mounts.insert(bare(mount));
			if !volume.mount.as_ref().is_none_or(safe) {
				return malformed("a volume's mount is no path of its own");
			}
			if !is_volume_name(&volume.name) || !names.insert(&volume.name) {
				return malformed("a volume's name is no name of its own");
			}
		}
		if let Some(health) = &self.health {
			if health.interval == 0 || health.timeout == 0 || health.retries == 0 {
				return malformed("a health check's number is 0");
			}
			let longest = health.interval.max(health.timeout);
			if longest.max(health.start_period) > MAX_HEALTH || health.retries > 100 {
				return malformed("a health check's number is too large");
			}
			let sound = match &health.probe {
				Probe::Exec(command) => {
					!command.is_empty() && !command.iter().any(|arg| arg.contains('\0'))
				}
				Probe::Tcp(port) => *port > 0,
				Probe::Http { port, path } => {
					let plain = path.bytes().all(|b| b.is_ascii_graphic());
					*port > 0 && path.starts_with('/') && plain
				}
			};
			if !sound {
				return malformed("a health check names no command, port or path");
			}
		}
		if self
			.expose
			.iter()
			.any(|port| port.port == 0 || port.external == 0)
		{
			return malformed("a port is 0");
		}
		let mut hosts = self.expose.iter().flat_map(|port| &port.hosts);
		if !hosts.all(|host| is_host(host)) {
			return malformed("a host name is none");
		}
		Ok(())
	}
}

/// Whether a name can be a DNS label that begins with a letter.
pub fn is_label(name: &str) -> bool {
	name.len() <= 63
		&& name.starts_with(|c: char| c.is_ascii_lowercase())
		&& !name.ends_with('-')
		&& name
			.bytes()
			.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

/// Whether a volume may have this name.
pub fn is_volume_name(name: &str) -> bool {
	(1..=63).contains(&name.len())
		&& !name.starts_with('.')
		&& name
			.bytes()
			.all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

/// Whether something can be mounted there: an absolute path without `.` and `..`, not the root, and
/// not where the system's own files live.
pub fn is_mount(path: &str) -> bool {
	let Some(inner) = path.strip_prefix('/') else {
		return false;
	};
	let inner = inner.strip_suffix('/').unwrap_or(inner);
	let first = inner.split('/').next();
	let system = matches!(first, Some("proc" | "sys" | "dev")) && inner != "dev/shm";
	is_safe_path(inner) && !system && !inner.contains(':')
}

#[cfg(test)]
mod tests;
