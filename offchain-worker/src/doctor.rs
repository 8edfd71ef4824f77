//! `doctor`: whether all that a provider needs is there, and how to mend what is not.

use crate::{
	config::Config,
	daemon::operator_key,
	executor::{
		container::Container, module_path, wasm::Wasm, Attempt, End, Executor as _, Observed,
	},
	identity::Identity,
	reconcile::unix_now,
	socket,
};
use anyhow::{bail, Context as _};
use clap::Args;
use leasehold_client::{keystore, tls, units, view::View, AccountId32, Standing, H256};
use leasehold_manifest::{FileEntry, Kind, Program, Service, Unit};
use serde::Serialize;
use serde_json::{json, Value};
use sha2::{Digest as _, Sha256};
use std::{
	net::{TcpListener, UdpSocket},
	path::Path,
	sync::Arc,
	time::Duration,
};
use tokio::time::{sleep, timeout, Instant};

/// How long each thing may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// And a program, until it has been compiled and run.
const RUN: Duration = Duration::from_secs(30);
/// Seconds that this machine's clock and the newest block may differ.
const SKEW: u64 = 30;
/// Blocks that finality may be behind.
const LAG: u32 = 100;
/// Below this the operator's balance is short, planck.
const LOW_FUNDS: u128 = 2 * units::LEASE;
/// A module that does nothing.
const NOTHING: &[u8] = b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\x03\x02\x01\0\x07\x0a\x01\x06_start\0\0\x0a\x04\x01\x02\0\x0b";

#[derive(Debug, Args)]
pub struct Doctor {
	/// `text` or `json`.
	#[arg(long, default_value = "text", value_parser = ["text", "json"])]
	output: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
	Ok,
	/// It works, and should be looked at.
	Warning,
	Unusable,
	/// Not configured.
	Unused,
}

/// What was found out about one thing.
#[derive(Debug, Serialize)]
struct Finding {
	what: &'static str,
	state: State,
	says: String,
	/// What to do about it.
	#[serde(skip_serializing_if = "Option::is_none")]
	mend: Option<String>,
}

#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
	fn add(&mut self, what: &'static str, state: State, says: impl Into<String>, mend: &str) {
		self.0.push(Finding {
			what,
			state,
			says: says.into(),
			mend: (!mend.is_empty()).then(|| mend.to_owned()),
		});
	}

	fn ok(&mut self, what: &'static str, says: impl Into<String>) {
		self.add(what, State::Ok, says, "");
	}

	fn warn(&mut self, what: &'static str, says: impl Into<String>, mend: &str) {
		self.add(what, State::Warning, says, mend);
	}

	fn bad(&mut self, what: &'static str, says: impl Into<String>, mend: &str) {
		self.add(what, State::Unusable, says, mend);
	}
}

impl Doctor {
	pub async fn run(self, folder: &Path) -> anyhow::Result<()> {
		let folder = &std::path::absolute(folder)?;
		let mut found = Findings::default();
		look(folder, &mut found).await;
		if self.output == "json" {
			println!("{:#}", json!(found.0));
		} else {
			for Finding {
				what,
				state,
				says,
				mend,
			} in &found.0
			{
				let word = match state {
					State::Ok => "ok",
					State::Warning => "look",
					State::Unusable => "FAILS",
					State::Unused => "-",
				};
				println!("{word:<6} {what:<13} {says}");
				if let Some(mend) = mend {
					println!("{:<20} mend: {mend}", "");
				}
			}
		}
		match found
			.0
			.iter()
			.filter(|one| one.state == State::Unusable)
			.count()
		{
			0 => Ok(()),
			n => bail!("{} cannot be used", units::count(n, "thing")),
		}
	}
}

async fn look(folder: &Path, found: &mut Findings) {
	let file = folder.join(crate::config::FILE);
	let config = match Config::read(folder) {
		Ok(config) => config,
		Err(error) => {
			let mend = match file.exists() {
				true => "Correct the file.",
				false => "`leasehold-provider init` writes one; --dir names another folder.",
			};
			return found.bad("configuration", error.to_string(), mend);
		}
	};
	found.ok("configuration", file.display().to_string());
	let operator = match operator_key(folder) {
		Ok(pair) => Some(keystore::account(&pair)),
		Err(error) => {
			let mend = "Put keys/operator.json and its password back from your copy.";
			found.bad("operator key", format!("{error:#}"), mend);
			None
		}
	};
	let daemon = socket::ask(folder, "status").await.ok();
	match &daemon {
		Some(status) => said_by_daemon(status, found),
		None => found.warn(
			"daemon",
			"none runs in this folder",
			"`leasehold-provider run`",
		),
	}
	// Nothing is drawn here: whoever has lost keys may have a copy.
	let genesis = std::fs::read_to_string(folder.join("GENESIS")).ok();
	let registered = folder.join(crate::store::OWNER).exists() || genesis.is_some();
	let identity = match Identity::missing(folder) {
		Some(_) if !registered => {
			let says = "not drawn yet: `register` and `run` do that";
			found.add("gateway keys", State::Unused, says, "");
			None
		}
		Some(key) => {
			let mend = "Put it back from your copy; `run` draws another, which `update` must put on chain then.";
			found.bad(
				"gateway keys",
				format!("{} is not there", key.display()),
				mend,
			);
			None
		}
		None => match Identity::open(folder, &config.gateway) {
			Ok(identity) => Some(identity),
			Err(error) => {
				found.bad(
					"gateway keys",
					format!("{error:#}"),
					"Correct or remove what is named.",
				);
				None
			}
		},
	};
	let info = identity
		.as_ref()
		.and_then(|identity| config.info(identity).ok());
	match chain(&config, genesis.as_deref(), found).await {
		Some(view) => {
			if let Err(error) = registration(&view, operator, info, found).await {
				found.warn("registration", format!("{error:#}"), "Ask again.");
			}
		}
		None => found.add(
			"registration",
			State::Unused,
			"not looked at without the chain",
			"",
		),
	}
	gateway(&config, identity.as_ref(), daemon.is_some(), found).await;
	ports(&config, found);
	room(folder, &config, found);
	match module(folder).await {
		Ok(took) => found.ok("modules", format!("a module runs, {} ms", took.as_millis())),
		Err(error) => {
			let mend =
				"Look at the machine's limits for this user (`ulimit -a`), and at its memory.";
			found.bad("modules", format!("{error:#}"), mend);
		}
	}
	containers(folder, &config, daemon.as_ref(), found).await;
	match (config.gpus.len(), config.has_devices()) {
		(0, _) => found.add("GPUs", State::Unused, "none are named in [[gpus]]", ""),
		(n, Ok(())) => found.ok("GPUs", units::count(n, "GPU")),
		(_, Err(why)) => found.bad("GPUs", why, "Correct [[gpus]], or load the driver."),
	}
}

fn said_by_daemon(status: &Value, found: &mut Findings) {
	let text = |key: &str| status[key].as_str();
	match (text("distrust"), text("duty")) {
		(Some(why), _) => {
			let mend = "Bring the node into step; leases go on meanwhile, as they were.";
			found.bad(
				"daemon",
				format!("it does not believe the chain: {why}"),
				mend,
			);
		}
		(None, Some(why)) => {
			let mend = "End the other daemon, or leave the duty to it: keys are for one machine.";
			found.warn("daemon", format!("it is not on duty: {why}"), mend);
		}
		(None, None) => found.ok("daemon", "it runs"),
	}
	if let Some(why) = text("no_certificate") {
		let mend = "If the name was not found to lead here: have its port 443 lead to `listen`. Else see the reason.";
		found.warn("certificate", why, mend);
	}
	if let Some(why) = text("refusal") {
		found.warn(
			"transactions",
			format!("the chain refused the last: {why}"),
			"",
		);
	}
}

/// The chain as of its best block, if it can be asked.
async fn chain(config: &Config, genesis: Option<&str>, found: &mut Findings) -> Option<View> {
	let node = &config.node;
	let mend = "Start the node, or correct `node` in provider.toml.";
	let stands = match timeout(PATIENCE, Standing::of(node)).await {
		Ok(Ok(stands)) => stands,
		Ok(Err(error)) => {
			found.bad("chain", format!("{node}: {error}"), mend);
			return None;
		}
		Err(_) => {
			found.bad("chain", format!("{node} gives no answer"), mend);
			return None;
		}
	};
	let (heads, ours, time) = (stands.heads, stands.connection.genesis, stands.time);
	let lag = heads.best.0.saturating_sub(heads.finalized.0);
	let says = format!("{node}: {}", stands.in_words());
	if genesis.is_some_and(|text| text.trim() != hex::encode(ours.0)) {
		let mend = "Name a node of the chain that this folder belongs to.";
		found.bad("chain", format!("{says}; it is another chain"), mend);
		return None;
	} else if heads.syncing || lag > LAG {
		let mend =
			"Wait until the node is in step; without finality nothing is wiped and nobody is paid.";
		found.warn("chain", format!("{says}; it is behind"), mend);
	} else {
		found.ok("chain", says);
	}
	let now = unix_now();
	let away = format!("{} s from the newest block's time", now.abs_diff(time));
	match (
		now.saturating_add(SKEW) < time,
		now > time.saturating_add(SKEW),
	) {
		(true, _) => {
			let mend = "Have the clock set by NTP (`timedatectl set-ntp true`).";
			found.bad("clock", format!("it is behind: {away}"), mend);
		}
		(_, true) => {
			let mend = "The chain stands, the node is behind, or this clock is ahead: `timedatectl` tells which.";
			found.warn("clock", away, mend);
		}
		_ => found.ok("clock", away),
	}
	Some(stands.best)
}

async fn registration(
	view: &View,
	operator: Option<AccountId32>,
	info: Option<leasehold_client::ProviderRequest>,
	found: &mut Findings,
) -> anyhow::Result<()> {
	let Some(operator) = operator else {
		return Ok(());
	};
	let free = view.account(&operator).await?.free;
	let says = format!("{operator} has {}", units::lease(free));
	match free < LOW_FUNDS {
		true => found.bad("funds", says, "Send the operator 5 LEASE for its fees."),
		false => found.ok("funds", says),
	}
	let Some(id) = view.operated_by(&operator).await? else {
		let mend = "`leasehold-provider register`, with the owner's key.";
		found.bad("registration", "no provider has this operator", mend);
		return Ok(());
	};
	let provider = view.provider(id).await?.context("the provider is gone")?;
	let terms = view.terms().await?;
	let says = format!("provider {id}, a bond of {}", units::lease(provider.bond));
	if provider.unbonding_until.is_some() {
		found.warn("registration", format!("{says}; it leaves"), "");
	} else if provider.bond < terms.min_bond {
		let mend = format!("Raise it to {} at least.", units::lease(terms.min_bond));
		found.bad("registration", format!("{says}: too little"), &mend);
	} else if info.is_some_and(|info| !provider.says(&info)) {
		let mend = "`leasehold-provider update`";
		let says = format!("{says}; file and keys say otherwise than the chain");
		found.bad("registration", says, mend);
	} else if provider.absent_from.is_some() {
		let mend = "Keep the daemon running: leases of its absence have to end first.";
		found.warn("registration", format!("{says}; it was absent"), mend);
	} else if !provider.accepting {
		let mend = "`leasehold-provider drain --off`";
		found.warn(
			"registration",
			format!("{says}; it takes no new leases"),
			mend,
		);
	} else {
		found.ok("registration", says);
	}
	Ok(())
}

/// Whether the gateway is reached as tenants reach it.
async fn gateway(config: &Config, identity: Option<&Identity>, runs: bool, found: &mut Findings) {
	let (url, listen) = (
		config.gateway.url.trim_end_matches('/'),
		config.gateway.listen,
	);
	if !runs {
		match TcpListener::bind(listen) {
			Ok(_) => found.ok("gateway", format!("{listen} is free")),
			Err(error) => {
				let mend = "End what listens there, or name another address in [gateway].";
				found.bad("gateway", format!("{listen}: {error}"), mend);
			}
		}
		return;
	}
	let asked = async {
		let keys = identity.context("the keys are not here")?.tls_keys()?;
		let client = reqwest::Client::builder()
			.use_preconfigured_tls(tls::pinned(&keys)?)
			.timeout(PATIENCE)
			.build()?;
		let request = json!({ "jsonrpc": "2.0", "id": 1, "method": "provider_info", "params": [] });
		let sent = client.post(format!("{url}/rpc")).json(&request).send();
		let answer: Value = sent.await?.json().await?;
		anyhow::Ok(answer["result"]["provider"].is_u64())
	};
	match asked.await {
		Ok(true) => found.ok(
			"gateway",
			format!("{url} answers, with this provider's key"),
		),
		Ok(false) => {
			let mend = "Look what listens there.";
			found.bad("gateway", format!("{url} is something else"), mend);
		}
		Err(error) => {
			let mut why: &dyn std::error::Error = error.as_ref();
			while let Some(source) = why.source() {
				why = source;
			}
			let mend = "Open the port to the world, have the name lead here, and pass TLS through; some routers do not \
			            lead back in from inside.";
			found.bad("gateway", format!("{url} is not reached: {why}"), mend);
		}
	}
}

/// Whether ports that leases may open are free.
fn ports(config: &Config, found: &mut Findings) {
	let ports = config.ports();
	let range = format!("{} to {}", ports.start(), ports.end());
	let all = ports.clone().count();
	let free = ports.filter(|port| {
		let at = ("0.0.0.0", *port);
		TcpListener::bind(at).is_ok() && UdpSocket::bind(at).is_ok()
	});
	match free.count() {
		0 => {
			let mend = "Name others: `ports` in [capacity].";
			found.bad("ports", format!("none of {range} is free"), mend);
		}
		free => found.ok("ports", format!("{free} of {all} are free, {range}")),
	}
}

/// Whether the machine has what is leased out.
fn room(folder: &Path, config: &Config, found: &mut Findings) {
	const MIB: u64 = 1 << 20;
	let capacity = &config.capacity;
	match rustix::fs::statvfs(folder) {
		Ok(disk) => {
			let free = disk.f_bavail.saturating_mul(disk.f_frsize) / MIB;
			let says = format!(
				"{free} MiB are free, {} are leased out",
				capacity.storage_mib
			);
			let mend = "Free some, or lower `storage_mib`: what runs has a part of it already.";
			let (few, files) = (disk.f_favail < 100_000, disk.f_files > 0);
			if free < 1_024 {
				found.bad("disk", says, mend);
			} else if free < u64::from(capacity.storage_mib) {
				found.warn("disk", says, mend);
			} else if few && files {
				let says = format!("{says}; room for {} files", disk.f_favail);
				found.warn("disk", says, "Free some inodes.");
			} else {
				found.ok("disk", says);
			}
		}
		Err(error) => found.bad("disk", error.to_string(), "Look at the folder's disk."),
	}
	let kind = sysinfo::MemoryRefreshKind::nothing().with_ram();
	let kind = sysinfo::RefreshKind::nothing().with_memory(kind);
	let memory = sysinfo::System::new_with_specifics(kind).total_memory() / MIB;
	let says = format!(
		"{memory} MiB, of which {} are leased out",
		capacity.memory_mib
	);
	match memory > u64::from(capacity.memory_mib) {
		true => found.ok("memory", says),
		false => found.warn(
			"memory",
			says,
			"Lower `memory_mib`: the machine needs some itself.",
		),
	}
}

/// Runs a module that does nothing, as a lease would; how long it took.
async fn module(folder: &Path) -> anyhow::Result<Duration> {
	let place = folder.join("doctor");
	let _ = std::fs::remove_dir_all(&place);
	crate::store::private_folder(&place).with_context(|| place.display().to_string())?;
	let ran = run_module(&place).await;
	let _ = std::fs::remove_dir_all(&place);
	ran
}

async fn run_module(place: &Path) -> anyhow::Result<Duration> {
	let module = FileEntry {
		path: "module.wasm".into(),
		size: u64::try_from(NOTHING.len())?,
		sha256: Sha256::digest(NOTHING).into(),
	};
	for sub in ["in", "out", "tmp"] {
		std::fs::create_dir_all(place.join(sub))?;
	}
	std::fs::write(module_path(place, Kind::Job, &module), NOTHING)?;
	let attempt = Attempt {
		lease: 0,
		manifest_hash: [0; 32],
		replica: 0,
		number: 1,
		folder: place.to_owned(),
		service: Service {
			name: "doctor".into(),
			kind: Kind::Job,
			program: Program::Module(module),
			args: Vec::new(),
			env: Vec::new(),
			count: 1,
			unit: Unit {
				cpu: 1_000,
				memory: 64,
				storage: 16,
				..Default::default()
			},
			expose: Vec::new(),
			depends_on: Vec::new(),
			health: None,
			inputs: Vec::new(),
			outputs: Vec::new(),
			max_duration: RUN.as_secs(),
			attempts: 1,
			read_only: false,
		},
		ports: Vec::new(),
		devices: Vec::new(),
	};
	let begun = Instant::now();
	let wasm = Wasm(Arc::default());
	wasm.start(&attempt).await?;
	loop {
		match wasm.observe(&attempt).await? {
			Observed::Ended(End::Exited { code: 0 }) => return Ok(begun.elapsed()),
			Observed::Ended(end) => bail!("a module does not run: {}", end.why()),
			_ if begun.elapsed() > RUN => {
				wasm.stop(&attempt).await?;
				bail!(
					"a module does not come to its end within {} s",
					RUN.as_secs()
				);
			}
			_ => sleep(Duration::from_millis(5)).await,
		}
	}
}

async fn containers(folder: &Path, config: &Config, daemon: Option<&Value>, found: &mut Findings) {
	let Some(configured) = &config.containers else {
		let says = "no engine is named in [containers]: modules only";
		return found.add("containers", State::Unused, says, "");
	};
	// Whoever runs has the engine's objects; another one only asks.
	let container = Container::new(configured, H256::default(), 0, Arc::default());
	match timeout(PATIENCE, container.engine(&config.gpus)).await {
		Ok(Ok(engine)) => found.ok("containers", engine),
		Ok(Err(error)) => {
			let mend = match container.answers().await {
				true => "The engine answers: set it, or [containers] in provider.toml, as it is said.",
				false => "Start the engine (`systemctl start podman.socket`), or correct `engine` in [containers].",
			};
			return found.bad("containers", error.to_string(), mend);
		}
		Err(_) => return found.bad("containers", "the engine gives no answer", "Start it anew."),
	}
	let Some(status) = daemon else {
		let says = "whether services are shut off is looked at by the daemon";
		return found.add("networks", State::Unused, says, "");
	};
	match (status["networks"].as_str(), status["no_services"].as_str()) {
		(Some("closed"), _) => found.ok("networks", "services are shut off from this machine"),
		(Some("open"), Some(why)) => {
			let folder = folder.display();
			let mend = format!("`sudo leasehold-provider --dir {folder} setup-network`");
			found.bad("networks", why, &mend);
		}
		(_, Some(why)) => {
			let mend = "Have the engine run containers as it is said; the daemon looks again by itself, and starts no \
			            services until then.";
			found.bad("networks", why, mend);
		}
		_ => found.warn("networks", "not looked at yet", "Ask again in a moment."),
	}
}

#[cfg(test)]
mod tests;
