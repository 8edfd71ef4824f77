//! The daemon's configuration: TOML, `version = 1`, unknown keys are errors.

use crate::identity::{is_url, Identity};
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

mod gpus;
mod prices;
mod template;

pub use gpus::{sorts, Gpu, SHARED};
pub use prices::{persistent_mib, PriceSheet};
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
	/// Those that containers are leased with.
	#[serde(default)]
	pub gpus: Vec<Gpu>,
	/// Whether it serves only while nobody else uses the machine.
	pub idle: Option<Idle>,
	/// Metrics are served, if there is such a section.
	pub metrics: Option<Metrics>,
	#[serde(default)]
	pub energy: Energy,
}

/// What the energy of leases is estimated by where the processor does not count it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Energy {
	/// Of a core that computes.
	pub watts_per_core: f64,
}

impl Default for Energy {
	fn default() -> Self {
		Self {
			watts_per_core: 7.5,
		}
	}
}

impl Energy {
	/// In thousandths.
	pub fn milliwatts(&self) -> u64 {
		(self.watts_per_core * 1_000.0) as u64
	}
}

/// Where a certificate for the gateway's own host is had.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Acme {
	/// Address of the server's directory.
	#[serde(default = "directory")]
	pub directory: String,
	/// Whom the server may write to, as `mailto:you@example.org`.
	pub contact: Option<String>,
	/// Whether the operator agrees to the server's terms.
	#[serde(default)]
	pub terms_agreed: bool,
	/// For how many host names of tenants' own certificates are fetched, too.
	#[serde(default = "certified_names")]
	pub names: usize,
	/// File with the authorities that the server itself goes by; those that this machine trusts, if left out.
	pub roots: Option<PathBuf>,
}

fn certified_names() -> usize {
	50
}

fn directory() -> String {
	"https://acme-v02.api.letsencrypt.org/directory".into()
}

/// Where metrics are served.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metrics {
	pub listen: SocketAddr,
}

/// Serving only while nobody else uses the machine.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Idle {
	/// Since when nobody has typed at a terminal, before it counts as idle.
	pub after_seconds: u64,
	#[serde(default)]
	pub on_return: OnReturn,
	/// Is asked, too: it ends with code 0 if nobody uses the machine.
	pub program: Option<PathBuf>,
}

/// What becomes of leases when somebody uses the machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnReturn {
	/// They go on, and no others are taken.
	#[default]
	Drain,
	/// They are stopped and paused, unbilled, and brought up again later.
	Pause,
}

impl Idle {
	/// Whether leases are paused when somebody uses the machine.
	pub fn pauses(&self) -> bool {
		self.on_return == OnReturn::Pause
	}
}

/// The engine that runs containers.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Containers {
	/// Its socket: a path, with or without `unix://` before it.
	pub engine: String,
	/// The OCI runtime that containers must have.
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
	/// Below which services have host names, as `SERVICE-LEASE.DOMAIN`.
	pub domain: Option<String>,
	/// A certificate for all names below it, with its chain, and the key of that: PEM files.
	pub certificate: Option<PathBuf>,
	pub certificate_key: Option<PathBuf>,
	/// The DNS server that is asked who owns a tenant's own host name, as `127.0.0.1:53`; this machine's, if left out.
	pub resolver: Option<SocketAddr>,
	/// Origins of pages that a browser lets talk to it, as `https://HOST`.
	#[serde(default)]
	pub origins: Vec<String>,
	/// A certificate for the gateway's own host is fetched, if there is such a section.
	pub acme: Option<Acme>,
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
	#[serde(default)]
	pub overcommit: Overcommit,
	#[serde(default)]
	pub reserve: Reserve,
}

/// How many times over what is there is leased out.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Overcommit {
	pub cpu: f64,
	pub memory: f64,
	pub storage: f64,
}

impl Default for Overcommit {
	fn default() -> Self {
		Self {
			cpu: 1.0,
			memory: 1.0,
			storage: 1.0,
		}
	}
}

/// MiB that must be free, or nothing new is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Reserve {
	pub memory_mib: u32,
	pub storage_mib: u32,
}

impl Default for Reserve {
	fn default() -> Self {
		Self {
			memory_mib: 256,
			storage_mib: 1_024,
		}
	}
}

/// Most times that anything is leased out over.
const MOST_TIMES: f64 = 16.0;

fn times(value: u32, factor: f64) -> u32 {
	// Beyond the largest it is the largest.
	(f64::from(value) * factor) as u32
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
	/// One GPU, by model; `default` for all that are not named.
	#[serde(default)]
	pub gpu: BTreeMap<String, String>,
	/// Is asked what to bid on an order.
	pub program: Option<PathBuf>,
	/// Whether orders may be matched at once, at these prices; they may, unless a program names the rates.
	pub instant: Option<bool>,
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
		Self::parse(&text).map_err(wrong)
	}

	/// What stands in a text.
	pub fn parse(text: &str) -> Result<Self, String> {
		let config: Self = toml::from_str(text).map_err(|error| error.to_string())?;
		if config.version != 1 {
			return Err(format!(
				"version {} is not known, only 1 is",
				config.version
			));
		}
		config.sound()?;
		config.prices()?;
		config.attribute_list()?;
		Ok(config)
	}

	/// What the chain would refuse, too.
	fn sound(&self) -> Result<(), String> {
		let url = &self.gateway.url;
		if !is_url(url) || !url.bytes().all(|b| b.is_ascii_graphic()) {
			return Err(format!(
				"gateway.url: `{url}` is no address; write it as https://HOST:PORT"
			));
		}
		let Gateway {
			domain,
			certificate,
			certificate_key,
			..
		} = &self.gateway;
		let is_name = |domain: &String| {
			let small = domain.bytes().all(|b| !b.is_ascii_uppercase());
			small && domain.len() <= 180 && domain.split('.').all(leasehold_manifest::is_label)
		};
		if let Some(domain) = domain.as_ref().filter(|domain| !is_name(domain)) {
			return Err(format!(
				"gateway.domain: `{domain}` is none; write it as leases.example.org"
			));
		}
		if certificate.is_some() != certificate_key.is_some()
			|| (certificate.is_some() && domain.is_none())
		{
			return Err(
				"gateway.certificate: it needs `certificate_key` and `domain` beside it".into(),
			);
		}
		if let Some(acme) = &self.gateway.acme {
			let host = crate::identity::host(url).unwrap_or_default();
			if !host.contains('.') || host.parse::<std::net::IpAddr>().is_ok() {
				return Err(format!(
					"gateway.acme: certificates are for names, and `{host}` in gateway.url is none"
				));
			}
			if !acme.terms_agreed {
				return Err(format!(
					"gateway.acme.terms_agreed: read the terms of {}, and say `true`",
					acme.directory
				));
			}
			if !acme.directory.starts_with("https://") {
				return Err("gateway.acme.directory: write it as https://HOST/PATH".into());
			}
		}
		for origin in &self.gateway.origins {
			let page = reqwest::Url::parse(origin);
			if !page.is_ok_and(|page| page.origin().ascii_serialization() == *origin) {
				return Err(format!(
					"gateway.origins: `{origin}` is none; write it as https://HOST or https://HOST:PORT"
				));
			}
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
		let Overcommit {
			cpu,
			memory,
			storage,
		} = self.capacity.overcommit;
		for (name, factor) in [("cpu", cpu), ("memory", memory), ("storage", storage)] {
			if !(1.0..=MOST_TIMES).contains(&factor) {
				return Err(format!(
					"capacity.overcommit.{name}: {factor} is none; from 1.0 to {MOST_TIMES} times may be leased out"
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
		let asked = self.idle.as_ref().and_then(|idle| idle.program.as_ref());
		for (name, program) in [("pricing", program), ("idle", asked)] {
			if program.is_some_and(|program| !program.is_absolute()) {
				return Err(format!("{name}.program: name it by its whole path"));
			}
		}
		if program.is_some() && self.pricing.instant == Some(true) {
			return Err(
				"pricing.instant: an offer goes by the sheet, and `program` names other rates"
					.into(),
			);
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
		gpus::sound(self)?;
		let watts = self.energy.watts_per_core;
		if !(0.0..=1_000.0).contains(&watts) {
			return Err(format!(
				"energy.watts_per_core: {watts} is none; write it as 7.5"
			));
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
	pub fn info(&self, identity: &Identity) -> anyhow::Result<ProviderRequest> {
		Ok(ProviderRequest {
			gateways: vec![self.gateway.url.clone()],
			tls_keys: identity.tls_keys()?,
			sealing_key: Some(identity.sealing_key()?),
			attributes: self.attribute_list().map_err(anyhow::Error::msg)?,
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
			gpu: self
				.pricing
				.gpu
				.iter()
				.map(|(model, text)| Ok((model.clone(), price(&format!("gpu.{model}"), text)?)))
				.collect::<Result<_, String>>()?,
		})
	}

	/// Whether the devices of GPUs are there.
	pub fn has_devices(&self) -> Result<(), String> {
		gpus::are_there(&self.gpus)
	}

	/// Whether there is a standing offer.
	pub fn is_instant(&self) -> bool {
		let pricing = &self.pricing;
		pricing.instant.unwrap_or(pricing.program.is_none())
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
		let over = self.capacity.overcommit;
		Resources {
			cpu: times(cpu_millis, over.cpu),
			memory: times(memory_mib, over.memory),
			ephemeral: times(storage_mib, over.storage),
			// A single workload never has more than there is.
			unit_cpu: cpu_millis,
			unit_memory: memory_mib,
			ports: u32::try_from(self.ports().count()).unwrap_or(0),
			persistent: persistent.try_into().unwrap_or_default(),
			gpu: gpus::sorts(&self.gpus).try_into().unwrap_or_default(),
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
pub mod tests;
