//! `init`: detects the machine, asks for what nobody can detect, and writes a commented configuration.

use crate::{
	config::{Config, Template, FILE},
	gpus,
};
use anyhow::{bail, Context as _};
use clap::Args;
use leasehold_client::{keystore, units};
use std::{
	io::IsTerminal as _,
	net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
	path::Path,
};

/// What is left for the machine itself: a quarter of its memory, a fifth of its free disk.
const MEMORY_PART: u64 = 4;
const DISK_PART: u64 = 5;
/// Where the gateway listens, and what a core costs an hour, if nobody says otherwise.
const PORT: u16 = 8_443;
const PRICE: &str = "0.5";

#[derive(Debug, Args)]
pub struct Init {
	/// RPC address of the chain node.
	#[arg(long, env = "LEASEHOLD_NODE", default_value = "ws://127.0.0.1:9944")]
	node: String,
	/// Where the gateway listens; if left out, at the port of --url, on loopback if that is there, or else everywhere.
	#[arg(long)]
	listen: Option<SocketAddr>,
	/// How tenants reach the gateway, as HOST or HOST:PORT; where it listens, if left out.
	#[arg(long)]
	url: Option<String>,
	/// Below which services have host names, as SERVICE-LEASE.DOMAIN: all of these must lead to this machine.
	#[arg(long)]
	domain: Option<String>,
	/// Price of a core, LEASE an hour; 0.5 if left out.
	#[arg(long)]
	price: Option<String>,
	/// Ask nothing, also at a terminal: what is not named is detected, or as it usually is.
	#[arg(long, short)]
	yes: bool,
	/// An attribute that orders may require, `key=value`; may be repeated.
	#[arg(long = "attribute", value_name = "KEY=VALUE")]
	attributes: Vec<String>,
	/// CPU to lease out, milli-CPU; detected if left out.
	#[arg(long)]
	cpu_millis: Option<u32>,
	/// Memory to lease out, MiB; detected if left out.
	#[arg(long)]
	memory_mib: Option<u32>,
	/// Storage to lease out, MiB; detected if left out.
	#[arg(long)]
	storage_mib: Option<u32>,
	/// Storage to lease out that outlives a restart, on solid-state disks, MiB.
	#[arg(long)]
	persistent_mib: Option<u32>,
	/// Socket of a container engine, Docker or Podman, as `unix:///run/podman/podman.sock`; where none is named the
	/// usual places are looked at. `none`: run no containers.
	#[arg(long, env = "LEASEHOLD_ENGINE")]
	engine: Option<String>,
	/// A registry that images are pulled from although its address is not public; with `http://` before it without TLS.
	/// May be repeated.
	#[arg(long = "registry", value_name = "HOST[:PORT]")]
	registries: Vec<String>,
	/// The ports of this machine that services may open to the world, as `30000-32767`.
	#[arg(long, value_name = "FIRST-LAST", value_parser = ports)]
	ports: Option<(u16, u16)>,
	/// Secret URI of the operator's key, as `//Name` on a development chain; drawn if left out.
	#[arg(long, hide = true)]
	operator_seed: Option<String>,
}

fn ports(text: &str) -> Result<(u16, u16), String> {
	let pair = text.split_once('-');
	let pair = pair.and_then(|(first, last)| Some((first.parse().ok()?, last.parse().ok()?)));
	pair.ok_or_else(|| format!("`{text}` are no ports; write them as 30000-32767"))
}

/// (milli-CPU, MiB of memory, MiB of disk) that this machine can lease out.
fn detect(folder: &Path) -> anyhow::Result<(u32, u32, u32)> {
	let cores = std::thread::available_parallelism()
		.context("the number of cores")?
		.get();
	let memory = sysinfo::System::new_with_specifics(
		sysinfo::RefreshKind::nothing()
			.with_memory(sysinfo::MemoryRefreshKind::nothing().with_ram()),
	);
	let total = memory
		.cgroup_limits()
		.map_or(memory.total_memory(), |limits| {
			limits.total_memory.min(memory.total_memory())
		});
	let disk = rustix::fs::statvfs(folder).context("the free disk space")?;
	let free = disk.f_bavail.saturating_mul(disk.f_frsize);
	let mib = |bytes: u64, part: u64| {
		let kept = bytes.checked_div(part).unwrap_or(0);
		u32::try_from(bytes.saturating_sub(kept) >> 20).unwrap_or(u32::MAX)
	};
	let millis = u32::try_from(cores.saturating_mul(1_000)).unwrap_or(u32::MAX);
	Ok((millis, mib(total, MEMORY_PART), mib(free, DISK_PART)))
}

/// The socket of a container engine at one of the usual places.
fn detect_engine() -> Option<String> {
	let usual = ["/run/podman/podman.sock", "/var/run/docker.sock"];
	let there = |path: &&str| {
		use std::os::unix::fs::FileTypeExt as _;
		std::fs::metadata(path).is_ok_and(|meta| meta.file_type().is_socket())
	};
	usual
		.into_iter()
		.find(there)
		.map(|path| format!("unix://{path}"))
}

/// Asks one thing, until the answer will do; an empty one is the usual.
fn asked(
	question: &str,
	usual: &str,
	will_do: impl Fn(&str) -> Result<(), String>,
) -> anyhow::Result<String> {
	loop {
		eprint!("{question} [{usual}] ");
		let mut line = String::new();
		if std::io::stdin().read_line(&mut line)? == 0 {
			bail!("nothing was answered; --yes asks nothing");
		}
		let answer = match line.trim() {
			"" => usual,
			answer => answer,
		};
		match will_do(answer) {
			Ok(()) => return Ok(answer.to_owned()),
			Err(why) => eprintln!("{why}"),
		}
	}
}

/// Whether a core may cost that.
fn is_price(text: &str) -> Result<(), String> {
	match units::parse_amount(text)? {
		0 => Err("a core for nothing is everybody's at once; name a price, LEASE an hour".into()),
		_ => Ok(()),
	}
}

/// (where to listen, URL) for `HOST` or `HOST:PORT` by which tenants reach this machine; with `https://` before it the
/// port is 443 if none is named.
fn reached_by(text: &str, usual: u16) -> anyhow::Result<(SocketAddr, String)> {
	let bare = text
		.trim()
		.trim_start_matches("https://")
		.trim_end_matches('/');
	let wrong =
		|| format!("`{text}` is no host; write it as provider.example.org or 203.0.113.7:8443");
	let url = reqwest::Url::parse(&format!("https://{bare}")).with_context(wrong)?;
	// What is more than a host and a port is a mistake.
	let has_more = bare.contains(['/', '@', '?', '#']);
	let host = url.host_str().filter(|_| !has_more).with_context(wrong)?;
	// A URL leaves out the port that it has anyway.
	let port = match bare.rsplit_once(':') {
		Some((_, "443")) => 443,
		_ if text.trim().starts_with("https://") => url.port().unwrap_or(443),
		_ => url.port().unwrap_or(usual),
	};
	let address: Option<IpAddr> = host.trim_matches(['[', ']']).parse().ok();
	let listen = match address {
		Some(ip) if ip.is_loopback() => ip,
		Some(IpAddr::V6(_)) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
		None if host == "localhost" => IpAddr::V4(Ipv4Addr::LOCALHOST),
		_ => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
	};
	Ok((
		SocketAddr::new(listen, port),
		format!("https://{host}:{port}"),
	))
}

impl Init {
	/// Asks for what nobody can detect, where somebody sits at a terminal.
	fn complete(&mut self) -> anyhow::Result<()> {
		if self.yes || !std::io::stdin().is_terminal() {
			return Ok(());
		}
		if self.url.is_none() && self.listen.is_none() {
			let question = "By which host do tenants reach this machine? HOST or HOST:PORT";
			let is_host = |text: &str| {
				let read = reached_by(text, PORT);
				read.map(drop).map_err(|error| error.to_string())
			};
			self.url = Some(asked(question, "127.0.0.1:8443", is_host)?);
		}
		if self.price.is_none() {
			let question = "What does a core cost, LEASE an hour?";
			self.price = Some(asked(question, PRICE, is_price)?);
		}
		if self.attributes.is_empty() {
			let question = "In which region is it, as orders may ask for?";
			let region = asked(question, "none", |_| Ok(()))?;
			if region != "none" {
				self.attributes.push(format!("region={region}"));
			}
		}
		Ok(())
	}

	pub fn run(mut self, folder: &Path) -> anyhow::Result<()> {
		let path = folder.join(FILE);
		if path.exists() {
			bail!(
				"{} is there already; edit it, or name another --dir",
				path.display()
			);
		}
		self.complete()?;
		let price = self.price.as_deref().unwrap_or(PRICE);
		is_price(price).map_err(anyhow::Error::msg)?;
		let (listen, url) = match (&self.url, self.listen) {
			(Some(url), listen) => {
				let port = listen.map_or(PORT, |listen| listen.port());
				let (usual, url) = reached_by(url, port)?;
				(listen.unwrap_or(usual), url)
			}
			(None, listen) => {
				let listen = listen.unwrap_or(SocketAddr::from(([127, 0, 0, 1], PORT)));
				(listen, format!("https://{listen}"))
			}
		};
		let attributes = self
			.attributes
			.iter()
			.map(|text| {
				let pair = text.split_once('=').filter(|(key, _)| !key.is_empty());
				let (key, value) = pair.context("write --attribute as key=value")?;
				Ok((key.to_owned(), value.to_owned()))
			})
			.collect::<anyhow::Result<Vec<_>>>()?;
		let mut keys: Vec<_> = attributes.iter().map(|(key, _)| key).collect();
		keys.sort_unstable();
		let twice = |two: &[&String]| matches!(two, [one, other] if one == other);
		if let Some([key, _]) = keys.windows(2).find(|two| twice(two)) {
			anyhow::bail!("--attribute names `{key}` twice: an attribute has one value");
		}
		crate::store::private_folder(folder).with_context(|| folder.display().to_string())?;
		crate::store::private_folder(&folder.join("keys"))
			.with_context(|| folder.display().to_string())?;
		let (cpu, memory, disk) = detect(folder)?;
		for (name, named, there, unit) in [
			("--cpu-millis", self.cpu_millis, cpu, "milli-CPU"),
			("--memory-mib", self.memory_mib, memory, "MiB"),
			("--storage-mib", self.storage_mib, disk, "MiB"),
		] {
			if let Some(named) = named.filter(|named| *named > there) {
				eprintln!(
					"look: {name} leases out {named} {unit}, and this machine has {there} to spare"
				);
			}
		}
		let engine = self.engine.clone().or_else(detect_engine);
		let engine = engine.filter(|engine| engine != "none");
		// Without an engine nothing could use them.
		let found = gpus::detect();
		let usable: Vec<_> = found
			.iter()
			.filter(|gpu| engine.is_some() && gpu.is_usable())
			.cloned()
			.collect();
		let text = Template {
			node: &self.node,
			listen,
			url: &url,
			domain: self.domain.as_deref(),
			cpu_millis: self.cpu_millis.unwrap_or(cpu),
			memory_mib: self.memory_mib.unwrap_or(memory),
			storage_mib: self.storage_mib.unwrap_or(disk),
			cpu_core: price,
			attributes: &attributes,
			engine: engine.as_deref(),
			registries: &self.registries,
			persistent_mib: self.persistent_mib,
			ports: self.ports,
			gpus: &usable,
		}
		.render();
		// What the daemon would refuse is not written.
		Config::parse(&text).map_err(anyhow::Error::msg)?;
		let seed = match &self.operator_seed {
			Some(hex_seed) => <[u8; 32]>::try_from(hex::decode(hex_seed)?)
				.map_err(|_| anyhow::anyhow!("the operator's seed must have 32 bytes"))?,
			None => keystore::random_seed()?,
		};
		let password = hex::encode(keystore::random_seed()?);
		let keys = folder.join("keys");
		let operator = keystore::write(
			&keys.join("operator.json"),
			seed,
			&password,
			"leasehold operator",
		)?;
		keystore::write_secret_file(&keys.join("operator.password"), password.as_bytes())?;
		std::fs::write(&path, text).with_context(|| path.display().to_string())?;
		println!("wrote {}", path.display());
		println!("operator: {operator}");
		match &engine {
			Some(engine) => println!("containers run on {engine}"),
			None => println!("no container engine: WASM only"),
		}
		for gpu in &found {
			println!("{}", gpu.in_words(engine.is_some()));
		}
		println!(
			"leases out {} milli-CPU, {} MiB of memory, {} MiB of disk",
			self.cpu_millis.unwrap_or(cpu),
			self.memory_mib.unwrap_or(memory),
			self.storage_mib.unwrap_or(disk)
		);
		if listen.ip().is_loopback() {
			eprintln!(
				"look: {url} is for this machine alone; `--url HOST` names how tenants reach it"
			);
		}
		println!("next: look through the file, send the operator 5 LEASE for its fees, then");
		println!(
			"  leasehold-provider --dir {} register --owner-key FILE --password-file FILE --bond 100",
			folder.display()
		);
		Ok(())
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn whoever_is_reached_from_outside_listens_there() {
		for (text, listen, url) in [
			(
				"p.example.org",
				"0.0.0.0:8443",
				"https://p.example.org:8443",
			),
			(
				"https://p.example.org",
				"0.0.0.0:443",
				"https://p.example.org:443",
			),
			(
				"https://p.example.org:443/",
				"0.0.0.0:443",
				"https://p.example.org:443",
			),
			(
				"203.0.113.7:9000",
				"0.0.0.0:9000",
				"https://203.0.113.7:9000",
			),
			("127.0.0.1:8443", "127.0.0.1:8443", "https://127.0.0.1:8443"),
			("localhost", "127.0.0.1:8443", "https://localhost:8443"),
			("[::1]:1", "[::1]:1", "https://[::1]:1"),
			("[2001:db8::7]", "[::]:8443", "https://[2001:db8::7]:8443"),
		] {
			let (at, said) = reached_by(text, PORT).unwrap();
			assert_eq!(
				(at.to_string().as_str(), said.as_str()),
				(listen, url),
				"{text}"
			);
		}
		for wrong in [
			"",
			"http://p.example.org",
			"p.example.org/x",
			"me@p.example.org",
			"p:99999",
			"a b",
		] {
			assert!(reached_by(wrong, PORT).is_err(), "{wrong}");
		}
	}
}
