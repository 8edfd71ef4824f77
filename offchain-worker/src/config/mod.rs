//! The daemon's configuration: TOML, `version = 1`, unknown keys are errors.

use ipnet::Ipv4Net;
use leasehold_client::{
	primitives::PersistentStorage, storage_class, units, Attribute, ProviderRequest, Resources,
};
use leasehold_manifest::sdl::CONTAINER;
use serde::Deserialize;
use std::{
	collections::BTreeMap,
	net::{Ipv4Addr, SocketAddr},
	ops::RangeInclusive,
	path::{Path, PathBuf},
	time::Duration,
};

mod template;

pub use template::Template;

/// Name of the configuration file in the daemon's folder.
pub const FILE: &str = "provider.toml";

/// The configuration as it stands in the file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
	pub version: u32,
	/// The node's RPC address.
	pub node: String,
	pub gateway: Gateway,
	pub capacity: Capacity,
	#[serde(default)]
	pub attributes: BTreeMap<String, String>,
	pub pricing: Pricing,
	#[serde(default)]
	pub results: Results,
	/// No containers, if there is no such section.
	pub containers: Option<Containers>,
}

/// The engine that runs containers.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Containers {
	/// Its socket: a path, with or without `unix://` before it.
	pub engine: String,
	/// The OCI runtime to use in place of the engine's own.
	pub runtime: Option<String>,
	/// Hosts from which images are pulled although their addresses are not public.
	#[serde(default)]
	pub allow: Vec<String>,
	/// MiB that an image may have, unpacked.
	#[serde(default = "largest_image")]
	pub max_image_mib: u32,
	/// From which leases have their networks.
	#[serde(default = "networks")]
	pub networks: Ipv4Net,
	/// Where `capacity.ports` once stood; it overrules that.
	ports: Option<(u16, u16)>,
}

fn largest_image() -> u32 {
	16_384
}

fn networks() -> Ipv4Net {
	Ipv4Net::new_assert(Ipv4Addr::new(10, 213, 0, 0), 16)
}

fn ports() -> (u16, u16) {
	(30_000, 32_767)
}

impl Containers {
	/// The path of the engine's socket.
	pub fn socket(&self) -> PathBuf {
		let path = self.engine.strip_prefix("unix://");
		PathBuf::from(path.unwrap_or(&self.engine))
	}
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gateway {
	/// Where the gateway listens.
	pub listen: SocketAddr,
	/// How tenants reach it.
	pub url: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Capacity {
	pub cpu_millis: u32,
	pub memory_mib: u32,
	pub storage_mib: u32,
	/// MiB of storage that outlives a restart, by class: `beta1`, `beta2`, `beta3`.
	#[serde(default)]
	pub persistent_mib: BTreeMap<String, u32>,
	/// The first and the last port of this machine that leases may open to the world.
	#[serde(default = "ports")]
	pub ports: (u16, u16),
}

/// Prices in LEASE an hour.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pricing {
	/// One core.
	pub cpu_core: String,
	/// One GiB of memory.
	pub memory_gib: String,
	/// One GiB of storage.
	pub storage_gib: String,
	/// Is asked what to bid on an order.
	pub program: Option<PathBuf>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Results {
	/// Seconds for which results and logs stay after the close.
	pub retention_seconds: u64,
}

impl Default for Results {
	fn default() -> Self {
		Self {
			retention_seconds: 7 * 86_400,
		}
	}
}

/// What is wrong with a configuration, and where.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {why}")]
pub struct ConfigError {
	pub path: PathBuf,
	pub why: String,
}

/// A price sheet in planck an hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PriceSheet {
	pub cpu_core: u128,
	pub memory_gib: u128,
	pub storage_gib: u128,
}

/// MiB of storage that outlives a restart, of all classes.
pub fn persistent_mib(resources: &Resources) -> u64 {
	let sizes = resources.persistent.iter().map(|one| u64::from(one.size));
	sizes.fold(0, u64::saturating_add)
}

impl PriceSheet {
	/// Planck a block for these resources, rounded up once. `None` on overflow.
	pub fn rate(&self, resources: &Resources, slot_millis: u64) -> Option<u128> {
		// Per hour, in 1000 × 1024 parts of a planck, so that every unit divides evenly.
		let cpu = self
			.cpu_core
			.checked_mul(resources.cpu.into())?
			.checked_mul(1_024)?;
		let memory = self
			.memory_gib
			.checked_mul(resources.memory.into())?
			.checked_mul(1_000)?;
		let stored = persistent_mib(resources).saturating_add(resources.ephemeral.into());
		let storage = self
			.storage_gib
			.checked_mul(stored.into())?
			.checked_mul(1_000)?;
		let hour = cpu.checked_add(memory)?.checked_add(storage)?;
		let parts = hour.checked_mul(slot_millis.into())?;
		Some(parts.div_ceil(1_000 * 1_024 * 3_600_000).max(1))
	}
}

impl Config {
	/// Reads and checks the configuration in a folder.
	pub fn read(folder: &Path) -> Result<Self, ConfigError> {
		let path = folder.join(FILE);
		let wrong = |why: String| ConfigError {
			path: path.clone(),
			why,
		};
		let text = std::fs::read_to_string(&path).map_err(|error| {
			wrong(format!(
				"{error}; run `leasehold-provider init` first, or name another --dir"
			))
		})?;
		let config: Self = toml::from_str(&text).map_err(|error| wrong(error.to_string()))?;
		if config.version != 1 {
			return Err(wrong(format!(
				"version {} is not known, only 1 is",
				config.version
			)));
		}
		config.sound().map_err(wrong)?;
		config.prices().map_err(wrong)?;
		config.attribute_list().map_err(wrong)?;
		Ok(config)
	}

	/// What the chain would refuse, too.
	fn sound(&self) -> Result<(), String> {
		let url = &self.gateway.url;
		let host = ["http://", "https://"]
			.iter()
			.find_map(|scheme| url.strip_prefix(scheme));
		if host.is_none_or(str::is_empty) || !url.bytes().all(|b| b.is_ascii_graphic()) {
			return Err(format!(
				"gateway.url: `{url}` is no address; write it as http://HOST:PORT"
			));
		}
		if url.len() > 128 {
			return Err("gateway.url: at most 128 bytes are allowed".into());
		}
		let Capacity {
			cpu_millis,
			memory_mib,
			storage_mib,
			..
		} = self.capacity;
		for (name, value) in [
			("cpu_millis", cpu_millis),
			("memory_mib", memory_mib),
			("storage_mib", storage_mib),
		] {
			if value == 0 {
				return Err(format!(
					"capacity.{name}: 0 leases nothing out; name what you have"
				));
			}
		}
		for (class, mib) in &self.capacity.persistent_mib {
			if class == "default" || storage_class(class).is_none() || *mib == 0 {
				return Err(format!(
					"capacity.persistent_mib: `{class} = {mib}` is none; write it as {{ beta2 = 10000 }}, of the \
					 classes beta1 (disks), beta2 (solid state) and beta3 (NVMe)"
				));
			}
		}
		let program = self.pricing.program.as_ref();
		if program.is_some_and(|program| !program.is_absolute()) {
			return Err("pricing.program: name it by its whole path".into());
		}
		if let Some(containers) = &self.containers {
			if !containers.socket().is_absolute() {
				return Err(format!(
					"containers.engine: `{}` is no socket; write it as unix:///PATH",
					containers.engine
				));
			}
			let net = containers.networks;
			if net.prefix_len() > 26 || net.addr() != net.network() {
				return Err(format!(
					"containers.networks: `{net}` is no range with room for leases; write it as 10.213.0.0/16"
				));
			}
		}
		let (first, last) = self.first_and_last_port();
		if first == 0 || first > last {
			return Err(format!(
				"capacity.ports: {first} to {last} are no ports; write them as [30000, 32767]"
			));
		}
		Ok(())
	}

	/// What the chain is told about this provider.
	pub fn info(&self) -> Result<ProviderRequest, String> {
		Ok(ProviderRequest {
			gateways: vec![self.gateway.url.clone()],
			attributes: self.attribute_list()?,
			capacity: self.resources(),
		})
	}

	/// The price sheet.
	pub fn prices(&self) -> Result<PriceSheet, String> {
		let price = |name: &str, text: &str| {
			units::parse_amount(text).map_err(|error| format!("pricing.{name}: {error}"))
		};
		Ok(PriceSheet {
			cpu_core: price("cpu_core", &self.pricing.cpu_core)?,
			memory_gib: price("memory_gib", &self.pricing.memory_gib)?,
			storage_gib: price("storage_gib", &self.pricing.storage_gib)?,
		})
	}

	/// The attributes as the chain takes them.
	pub fn attribute_list(&self) -> Result<Vec<Attribute>, String> {
		let mut attributes = self.attributes.clone();
		if attributes.contains_key(CONTAINER) {
			return Err(format!(
				"attributes.{CONTAINER}: is said by the section [containers]"
			));
		}
		if self.containers.is_some() {
			attributes.insert(CONTAINER.to_owned(), "true".to_owned());
		}
		if attributes.len() > 8 {
			return Err(format!(
				"attributes: at most eight are allowed, with `{CONTAINER}`"
			));
		}
		attributes
			.iter()
			.map(|(key, value)| {
				let bounded = |text: &str| {
					text.as_bytes()
						.to_vec()
						.try_into()
						.map_err(|_| format!("attributes.{key}: at most 64 bytes are allowed"))
				};
				Ok(Attribute {
					key: bounded(key)?,
					value: bounded(value)?,
				})
			})
			.collect()
	}

	/// The capacity as the chain takes it.
	pub fn resources(&self) -> Resources {
		let Capacity {
			cpu_millis,
			memory_mib,
			storage_mib,
			..
		} = self.capacity;
		let classes = self.capacity.persistent_mib.iter();
		let persistent: Vec<_> = classes
			.filter_map(|(class, size)| {
				let class = storage_class(class)?;
				Some(PersistentStorage { class, size: *size })
			})
			.collect();
		Resources {
			cpu: cpu_millis,
			memory: memory_mib,
			ephemeral: storage_mib,
			unit_cpu: cpu_millis,
			unit_memory: memory_mib,
			ports: u32::try_from(self.ports().count()).unwrap_or(0),
			persistent: persistent.try_into().unwrap_or_default(),
			..Default::default()
		}
	}

	fn first_and_last_port(&self) -> (u16, u16) {
		let former = self.containers.as_ref().and_then(|c| c.ports);
		former.unwrap_or(self.capacity.ports)
	}

	/// Ports of this machine that leases may open to the world.
	pub fn ports(&self) -> RangeInclusive<u16> {
		let (first, last) = self.first_and_last_port();
		first..=last
	}

	/// How long results stay.
	pub fn retention(&self) -> Duration {
		Duration::from_secs(self.results.retention_seconds)
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	fn template() -> String {
		template_with(None, None)
	}

	fn template_with(engine: Option<&str>, ports: Option<(u16, u16)>) -> String {
		Template {
			node: "ws://127.0.0.1:9944",
			listen: "127.0.0.1:8443".parse().unwrap(),
			url: "http://127.0.0.1:8443",
			cpu_millis: 1_500,
			memory_mib: 2_048,
			storage_mib: 10_000,
			cpu_core: "0.5",
			attributes: &[("region".into(), "eu".into())],
			engine,
			registries: &[],
			persistent_mib: None,
			ports,
		}
		.render()
	}

	fn read(text: &str) -> Result<Config, ConfigError> {
		let folder = tempfile::tempdir().unwrap();
		std::fs::write(folder.path().join(FILE), text).unwrap();
		Config::read(folder.path())
	}

	#[test]
	fn what_init_writes_is_read_back() {
		let config = read(&template()).unwrap();
		assert_eq!(config.resources().cpu, 1_500);
		assert_eq!(config.attribute_list().unwrap().len(), 1);
		assert_eq!(config.prices().unwrap().cpu_core, units::LEASE / 2);
		assert!(config.containers.is_none());
		let ports = Some((7, 9));
		let with = template_with(None, ports);
		assert_eq!(read(&with).unwrap().ports(), 7..=9);
		let wrong = template_with(None, Some((9, 8)));
		let error = read(&wrong).unwrap_err().to_string();
		assert!(error.contains("capacity.ports"), "{error}");
	}

	#[test]
	fn an_engine_is_said_on_chain() {
		let mut text = template();
		text.push_str("[containers]\nengine = \"unix:///run/engine.sock\"\n");
		let config = read(&text).unwrap();
		let containers = config.containers.as_ref().unwrap();
		assert_eq!(containers.socket(), Path::new("/run/engine.sock"));
		let said = config.attribute_list().unwrap();
		assert!(said
			.iter()
			.any(|a| a.key.as_slice() == CONTAINER.as_bytes()));
		assert_eq!(
			(config.resources().ports, config.ports().count()),
			(2_768, 2_768)
		);
		for (wrong, says) in [
			(
				text.replace("unix:///run", "tcp://host"),
				"containers.engine",
			),
			(
				format!("{text}networks = \"10.0.0.1/16\"\n"),
				"containers.networks",
			),
			(
				format!("{text}networks = \"10.0.0.0/27\"\n"),
				"containers.networks",
			),
		] {
			let error = read(&wrong).unwrap_err().to_string();
			assert!(error.contains(says), "{error}");
		}
		let former = read(&format!("{text}ports = [40000, 40001]\n")).unwrap();
		assert_eq!(former.ports(), 40_000..=40_001);
		let twice = text.replace(
			"[attributes]",
			"[attributes]\n\"executor/container\" = \"true\"",
		);
		assert!(read(&twice).is_err());
	}

	#[test]
	fn a_wrong_file_is_refused_with_its_place() {
		for (from, to, says) in [
			("version = 1", "version = 2", "version 2 is not known"),
			("[gateway]", "shoes = 1\n[gateway]", "shoes"),
			("cpu_millis = 1500", "cpu_millis = -1", "cpu_millis"),
			("\"0.5\"", "\"cheap\"", "pricing.cpu_core"),
			(
				"[results]",
				"program = \"price\"\n[results]",
				"pricing.program",
			),
			("127.0.0.1:8443\"\n# How", "nowhere\"\n# How", "listen"),
			("\"http://127.0.0.1:8443\"", "\"nowhere\"", "gateway.url"),
			("cpu_millis = 1500", "cpu_millis = 0", "capacity.cpu_millis"),
			(
				"# persistent_mib = { beta2 = 10000 }",
				"persistent_mib = { floppy = 1 }",
				"capacity.persistent_mib",
			),
		] {
			let text = template();
			assert!(text.contains(from), "{from}");
			let error = read(&text.replacen(from, to, 1)).unwrap_err().to_string();
			assert!(error.contains(says), "{error} should name {says}");
		}
		assert!(read("").is_err());
	}

	#[test]
	fn rates_round_up_once() {
		let sheet = PriceSheet {
			cpu_core: 3_600_000,
			memory_gib: 0,
			storage_gib: 0,
		};
		let cpu = |cpu| Resources {
			cpu,
			..Default::default()
		};
		assert_eq!(sheet.rate(&cpu(1_000), 1_000), Some(1_000));
		assert_eq!(sheet.rate(&cpu(1), 1_000), Some(1));
		assert_eq!(sheet.rate(&cpu(1_001), 1_000), Some(1_001));
		let free = PriceSheet {
			cpu_core: 0,
			memory_gib: 0,
			storage_gib: 0,
		};
		assert_eq!(
			free.rate(&cpu(1), 1_000),
			Some(1),
			"a rate is at least one planck"
		);
		let storage = PriceSheet {
			storage_gib: 3_600_000 * 1_024,
			..free
		};
		let kept = Resources {
			ephemeral: 1,
			persistent: vec![PersistentStorage {
				class: storage_class("beta3").unwrap(),
				size: 2,
			}]
			.try_into()
			.unwrap(),
			..Default::default()
		};
		assert_eq!(storage.rate(&kept, 1_000), Some(3_000));
		let dear = PriceSheet {
			cpu_core: u128::MAX,
			memory_gib: 0,
			storage_gib: 0,
		};
		assert_eq!(dear.rate(&cpu(1_000), 1_000), None);
	}
}
