//! The operator's commands.

use crate::{
	config::{Config, Template, FILE},
	daemon::operator_key,
	gpus,
	identity::Identity,
};
use anyhow::{bail, Context as _};
use clap::Args;
use leasehold_client::{
	keystore,
	signer::{Journal, Signer, Wait},
	units, Call, Chain, Keypair,
};
use std::{
	io::IsTerminal as _,
	net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
	path::{Path, PathBuf},
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
	/// A registry that images are pulled from although its address is not public; may be repeated.
	#[arg(long = "registry", value_name = "HOST:PORT")]
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

/// Asks one thing; an empty answer is the usual one.
fn asked(question: &str, usual: &str) -> anyhow::Result<String> {
	eprint!("{question} [{usual}] ");
	let mut answer = String::new();
	std::io::stdin().read_line(&mut answer)?;
	Ok(match answer.trim() {
		"" => usual.to_owned(),
		answer => answer.to_owned(),
	})
}

/// (where to listen, URL) for `HOST` or `HOST:PORT` by which tenants reach this machine, `https://` before it or not.
fn reached_by(text: &str) -> anyhow::Result<(SocketAddr, String)> {
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
		_ => url.port().unwrap_or(PORT),
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
			self.url = Some(asked(question, "127.0.0.1:8443")?);
		}
		if self.price.is_none() {
			let price = asked("What does a core cost, LEASE an hour?", PRICE)?;
			units::parse_amount(&price).map_err(anyhow::Error::msg)?;
			self.price = Some(price);
		}
		if self.attributes.is_empty() {
			let region = asked("In which region is it, as orders may ask for?", "none")?;
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
		units::parse_amount(price).map_err(anyhow::Error::msg)?;
		let (listen, url) = match (&self.url, self.listen) {
			(Some(url), listen) => {
				let (usual, url) = reached_by(url)?;
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
				let pair = text
					.split_once('=')
					.context("write --attribute as key=value")?;
				Ok((pair.0.to_owned(), pair.1.to_owned()))
			})
			.collect::<anyhow::Result<Vec<_>>>()?;
		crate::store::private_folder(folder).with_context(|| folder.display().to_string())?;
		crate::store::private_folder(&folder.join("keys"))
			.with_context(|| folder.display().to_string())?;
		let (cpu, memory, disk) = detect(folder)?;
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
		println!("next: look through the file, send the operator 5 LEASE for its fees, then");
		println!(
			"  leasehold-provider --dir {} register --owner-key FILE --password-file FILE --bond 100",
			folder.display()
		);
		Ok(())
	}
}

/// The owner's key, in whatever way it is named.
#[derive(Debug, Args)]
pub struct Owner {
	/// The owner's key file (see `leasehold keys create`).
	#[arg(long, required_unless_present = "owner_uri")]
	owner_key: Option<PathBuf>,
	/// File with the password of the owner's key.
	#[arg(long, env = "LEASEHOLD_PASSWORD_FILE")]
	password_file: Option<PathBuf>,
	/// Secret URI of the owner, as `//Alice`; for development chains.
	#[arg(long, conflicts_with = "owner_key")]
	owner_uri: Option<String>,
}

impl Owner {
	fn pair(&self) -> anyhow::Result<Keypair> {
		if let Some(uri) = &self.owner_uri {
			return Ok(keystore::from_uri(uri)?);
		}
		let path = self.owner_key.as_ref().context("--owner-key is missing")?;
		let password = match &self.password_file {
			Some(file) => std::fs::read_to_string(file)
				.with_context(|| file.display().to_string())?
				.trim_end_matches('\n')
				.to_owned(),
			None => bail!("name the file with the key's password: --password-file"),
		};
		Ok(keystore::read(path, &password)?)
	}
}

#[derive(Debug, Args)]
pub struct Register {
	#[command(flatten)]
	owner: Owner,
	/// The bond, LEASE.
	#[arg(long)]
	bond: String,
}

impl Register {
	pub async fn run(self, folder: &Path) -> anyhow::Result<()> {
		let config = Config::read(folder)?;
		let operator = keystore::account(&operator_key(folder)?);
		let owner = self.owner.pair()?;
		let bond = units::parse_amount(&self.bond).map_err(anyhow::Error::msg)?;
		let chain = Chain::connect(&config.node, None).await?;
		let view = chain.connection().await?.best().await?;
		let terms = view.terms().await?;
		if bond < terms.min_bond {
			bail!("the bond must be at least {}", units::lease(terms.min_bond));
		}
		let account = keystore::account(&owner);
		if view.owned_by(&account).await?.is_some() {
			bail!("{account} owns a provider already");
		}
		let free = view.account(&account).await?.free;
		if free < bond.saturating_add(terms.existential_deposit) {
			bail!(
				"{account} has {}, which does not cover the bond",
				units::lease(free)
			);
		}
		let info = config.info(&Identity::open(folder, &config.gateway)?)?;
		let journal = Journal::open(&folder.join("owner-transactions"))?;
		let signer = Signer::start(chain.clone(), owner, journal, chain.follow());
		eprintln!("registering; this takes a few blocks …");
		let call = Call::Register {
			operator,
			bond,
			info,
		};
		let receipt = signer.submit(call, Wait::Finalized).await?;
		let view = chain.connection().await?.finalized().await?;
		let provider = view
			.operated_by(&operator)
			.await?
			.context("not registered")?;
		// The daemon serves no other owner: anybody may name this operator on chain.
		let note = folder.join(crate::store::OWNER);
		crate::store::write_whole(&note, account.to_string().as_bytes())
			.with_context(|| note.display().to_string())?;
		println!(
			"provider {provider} is registered in block {}",
			receipt.block.0
		);
		Ok(())
	}
}

#[derive(Debug, Args)]
pub struct Deregister {
	#[command(flatten)]
	owner: Owner,
}

impl Deregister {
	pub async fn run(self, folder: &Path) -> anyhow::Result<()> {
		let config = Config::read(folder)?;
		let owner = self.owner.pair()?;
		let account = keystore::account(&owner);
		let chain = Chain::connect(&config.node, None).await?;
		let view = chain.connection().await?.best().await?;
		let terms = view.terms().await?;
		let Some(id) = view.owned_by(&account).await? else {
			bail!("{account} owns no provider");
		};
		let journal = Journal::open(&folder.join("owner-transactions"))?;
		let signer = Signer::start(chain.clone(), owner, journal, chain.follow());
		eprintln!("deregistering; this takes a few blocks …");
		signer.submit(Call::Deregister, Wait::Finalized).await?;
		let view = chain.connection().await?.finalized().await?;
		let Some(provider) = view.provider(id).await? else {
			println!("provider {id} is gone; its bond is back");
			return Ok(());
		};
		let until = provider.unbonding_until.unwrap_or_default();
		println!(
			"provider {id} takes no new leases; the bond of {} comes back by itself after block {until} (in about \
			 {}), once its last lease has ended",
			units::lease(provider.bond),
			units::blocks_as_time(until.saturating_sub(view.number()), terms.slot_millis)
		);
		let leases = provider.leases;
		if leases > 0 {
			println!("leases that are open: {leases}; keep the daemon running for as long as there are any");
		}
		Ok(())
	}
}

#[derive(Debug, Args)]
pub struct Drain {
	/// Take new leases again.
	#[arg(long)]
	off: bool,
}

impl Drain {
	pub async fn run(self, folder: &Path) -> anyhow::Result<()> {
		let word = if self.off { "undrain" } else { "drain" };
		let answer = ask(folder, word).await?;
		if let Some(why) = answer["error"].as_str() {
			bail!("{why}");
		}
		let since = match answer["block"].as_u64() {
			Some(block) => format!("as of block {block}"),
			None => "as it did already".to_owned(),
		};
		match self.off {
			true => println!("this provider takes new leases again, {since}"),
			false => println!(
				"this provider takes no new leases, {since}; those that it has go on until they end: {}",
				answer["leases"]
			),
		}
		Ok(())
	}
}

#[derive(Debug, Args)]
pub struct Status {
	/// `text` or `json`.
	#[arg(long, default_value = "text", value_parser = ["text", "json"])]
	output: String,
}

impl Status {
	pub async fn run(self, folder: &Path) -> anyhow::Result<()> {
		let status = ask(folder, "status").await?;
		if self.output == "json" {
			println!("{status:#}");
			return Ok(());
		}
		let text = |key: &str| match &status[key] {
			serde_json::Value::String(text) => text.clone(),
			serde_json::Value::Null => "-".into(),
			other => other.to_string(),
		};
		println!("provider    {}", text("provider"));
		println!("operator    {}", text("operator"));
		println!("node        {}", text("node"));
		println!(
			"best        {}   finalized {}",
			text("best"),
			text("finalized")
		);
		let distrust = status["distrust"].as_str();
		let chain = distrust.map_or_else(
			|| "in step".to_owned(),
			|why| format!("not believed at present: {why}"),
		);
		println!("chain       {chain}");
		let duty = match (status["duty"].as_str(), distrust) {
			(Some(why), _) => why,
			(None, Some(_)) => "no heartbeats and no bids while the chain is not believed",
			(None, None) => "on duty",
		};
		println!("duty        {duty}");
		let free = status["free_planck"].as_str().and_then(|n| n.parse().ok());
		let advice = match status["short"] == true {
			true => "; too little for fees: send the operator some",
			false => "",
		};
		println!("funds       {}{advice}", units::lease(free.unwrap_or(0)));
		let containers = match (status["containers"].as_str(), &status["no_containers"]) {
			(Some(engine), _) => format!("run on {engine}"),
			(None, serde_json::Value::String(why)) => format!("cannot run at present: {why}"),
			(None, _) => "none: no engine is configured".to_owned(),
		};
		println!("containers  {containers}");
		let services = match (
			status["networks"] == "closed",
			status["no_services"].as_str(),
		) {
			(true, _) => Some("run: their networks are shut off".to_owned()),
			(false, Some(why)) => Some(format!("cannot run at present: {why}")),
			(false, None) => None,
		};
		if let Some(services) = services {
			println!("services    {services}");
		}
		for (name, key) in [
			("drained", "drained"),
			("offer", "offer"),
			("in use", "in_use"),
			("certificate", "no_certificate"),
			("refused", "refusal"),
			("differs", "differs"),
		] {
			if let Some(what) = status[key].as_str() {
				println!("{name:<11} {what}");
			}
		}
		println!("heartbeats  {}   bids {}", text("heartbeats"), text("bids"));
		for lease in status["leases"].as_array().into_iter().flatten() {
			let why = lease["why"].as_str().unwrap_or_default();
			let when = distrust.map_or("", |_| "(when the chain was last believed) ");
			println!(
				"lease {}: {} {when}{why}",
				lease["lease"],
				lease["phase"].as_str().unwrap_or("?")
			);
		}
		Ok(())
	}
}

/// What the daemon that runs in a folder answers.
async fn ask(folder: &Path, words: &str) -> anyhow::Result<serde_json::Value> {
	crate::socket::ask(folder, words).await.with_context(|| {
		format!(
			"no daemon answers in {}; start it with `run`",
			folder.display()
		)
	})
}

#[derive(Debug, Args)]
pub struct Why {
	/// The order's number.
	order: u64,
	/// `text` or `json`.
	#[arg(long, default_value = "text", value_parser = ["text", "json"])]
	output: String,
}

impl Why {
	pub async fn run(self, folder: &Path) -> anyhow::Result<()> {
		let answer = ask(folder, &format!("why {}", self.order)).await?;
		if let Some(why) = answer["error"].as_str() {
			bail!("{why}");
		}
		if self.output == "json" {
			println!("{answer:#}");
			return Ok(());
		}
		println!("{}", in_words(&answer));
		Ok(())
	}
}

/// What the daemon decided about an order, and where that stands, as it is said to the operator.
fn in_words(answer: &serde_json::Value) -> String {
	let (order, decided) = (&answer["order"], &answer["decided"]);
	let why = decided["why"].as_str().unwrap_or("?");
	let block = &decided["block"];
	let decision = match decided["decision"].as_str() {
		Some("bid") => {
			let rate = decided["rate"].as_str().and_then(|rate| rate.parse().ok());
			let rate = units::lease(rate.unwrap_or(0));
			format!("order {order}: bid {rate} a block, in block {block}")
		}
		Some("passed") => format!("order {order}: not bid on, as of block {block}: {why}"),
		Some("refused") => {
			format!("order {order}: the chain refused the bid of block {block}: {why}")
		}
		_ if answer["open"] == "unknown" => {
			return format!("there is no order {order}: no such number has been given yet")
		}
		_ => format!(
			"order {order}: this daemon has decided nothing about it since its start: it was never open \
			 meanwhile, or for less time than a bid takes"
		),
	};
	let open = &answer["open"];
	if let Some(error) = answer["unasked"].as_str() {
		return format!("{decision}\nthe chain cannot be asked where it stands: {error}");
	}
	let stand = match (open.is_null(), open["place"].as_u64()) {
		(true, _) => "it is not open any more".to_owned(),
		(false, Some(place)) => format!(
			"our bid is number {place} of {}; bidding ends in block {}, now is {}",
			open["bids"], open["biddingEnds"], open["now"]
		),
		(false, None) => format!(
			"it has {} bids, none of them ours; bidding ends in block {}, now is {}",
			open["bids"], open["biddingEnds"], open["now"]
		),
	};
	format!("{decision}\n{stand}")
}

/// Has the running daemon read its file again and put on chain what the chain is to know of it.
pub async fn update(folder: &Path) -> anyhow::Result<()> {
	Config::read(folder)?;
	let answer = ask(folder, "update").await?;
	match (answer["block"].as_u64(), answer["error"].as_str()) {
		(Some(block), _) => {
			println!("capacity, attributes, URL and keys are on chain as of block {block}");
			println!("prices and the gateway's address are read at the next start of `run`");
			Ok(())
		}
		(None, why) => bail!("{}", why.unwrap_or("the daemon gave no answer")),
	}
}

/// Has the running daemon put another TLS key in the place of the gateway's.
pub async fn rotate_key(folder: &Path) -> anyhow::Result<()> {
	eprintln!(
		"both keys must be final on chain before the new one is used; this takes a few blocks …"
	);
	let answer = ask(folder, "rotate-key").await?;
	let why = answer["error"].as_str();
	let block = answer["block"].as_u64().with_context(|| {
		let why = why.unwrap_or("the daemon gave no answer");
		format!("{why}; to go on, call it again")
	})?;
	println!("the gateway has a new TLS key; the former one is off the chain as of block {block}");
	Ok(())
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
			let (at, said) = reached_by(text).unwrap();
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
			assert!(reached_by(wrong).is_err(), "{wrong}");
		}
	}
}
