//! `devnet`: a chain, providers and a funded tenant on this machine, and their supervisor.

use crate::{output::Failure, Context};
use clap::Args;
use leasehold_client::{keystore, units::LEASE, AccountId32, Chain};
use rustix::process::{kill_process, Pid, Signal};
use serde_json::{json, Value};
use sha2::{Digest as _, Sha256};
use std::{
	fs::File,
	path::{Path, PathBuf},
	process::Stdio,
	time::Duration,
};
use tokio::process::{Child, Command};

/// How long providers may take to make their offers: those with an engine, and others.
const OFFERED: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(30));
/// How long a part may take to come up.
const UP: Duration = Duration::from_secs(60);
/// How long what runs for the leases of a provider may take to end.
const LEASES: Duration = Duration::from_secs(20);
/// How long a part may take to end by itself.
const DOWN: Duration = Duration::from_secs(10);

#[derive(Debug, Args)]
pub struct Devnet {
	/// Where everything is kept; a temporary folder that goes at the end if left out. Must be new.
	#[arg(long = "at", value_name = "FOLDER")]
	folder: Option<PathBuf>,
	/// How many providers.
	#[arg(long, default_value_t = 2)]
	providers: u32,
	/// Slot length, milliseconds.
	#[arg(long, default_value_t = 1_000)]
	slot_ms: u64,
	/// Blocks for which a lease may wait for its workload.
	#[arg(long, default_value_t = 60)]
	start_deadline: u32,
	/// Blocks between two heartbeats.
	#[arg(long, default_value_t = 10)]
	heartbeat_period: u32,
	/// Blocks for which a provider may be absent.
	#[arg(long, default_value_t = 1_200)]
	max_downtime: u32,
	/// Socket of the container engine that providers use; see `leasehold-provider init --help`.
	#[arg(long)]
	engine: Option<String>,
	/// A registry that providers pull from although its address is not public; with `http://` before it without TLS. May
	/// be repeated.
	#[arg(long = "registry", value_name = "HOST[:PORT]")]
	registries: Vec<String>,
	/// Seconds after which everything ends by itself.
	#[arg(long)]
	for_seconds: Option<u64>,
}

fn failed(what: impl std::fmt::Display) -> Failure {
	Failure::new(
		1,
		what.to_string(),
		"The logs in the devnet's folder may tell more.",
	)
}

/// The program that was installed beside this one.
fn program(name: &str) -> Result<PathBuf, Failure> {
	let this = std::env::current_exe().map_err(failed)?;
	let path = this.with_file_name(name);
	if path.exists() {
		return Ok(path);
	}
	let what = format!("{} is missing", path.display());
	Err(Failure::new(
		1,
		what,
		"Install the whole release: leasehold, leasehold-node, leasehold-provider.",
	))
}

fn free_port() -> Result<u16, Failure> {
	let listener = std::net::TcpListener::bind("127.0.0.1:0").map_err(failed)?;
	Ok(listener.local_addr().map_err(failed)?.port())
}

fn operator_seed(n: u32) -> [u8; 32] {
	Sha256::digest(format!("leasehold devnet operator {n}")).into()
}

fn owner(n: u32) -> String {
	format!("//Provider{n}")
}

fn account_of(uri: &str) -> Result<AccountId32, Failure> {
	Ok(keystore::account(&keystore::from_uri(uri)?))
}

fn operator_of(n: u32) -> Result<AccountId32, Failure> {
	Ok(keystore::account(&keystore::from_seed(operator_seed(n))?))
}

/// Processes that end with the supervisor.
struct Parts {
	folder: PathBuf,
	node: Option<Child>,
	providers: Vec<Child>,
}

impl Parts {
	async fn end(mut self) {
		for provider in &mut self.providers {
			end(provider).await;
		}
		let all = (0..self.providers.len()).map(|n| end_leases(&self.folder, n));
		futures::future::join_all(all).await;
		if let Some(node) = &mut self.node {
			end(node).await;
		}
	}
}

async fn end(child: &mut Child) {
	let pid = child
		.id()
		.and_then(|id| i32::try_from(id).ok())
		.and_then(Pid::from_raw);
	if let Some(pid) = pid {
		let _ = kill_process(pid, Signal::TERM);
	}
	if tokio::time::timeout(DOWN, child.wait()).await.is_err() {
		let _ = child.kill().await;
	}
}

/// Ends what runs for the leases of a provider; it outlives its daemon on purpose.
async fn end_leases(folder: &Path, n: usize) {
	let Ok(program) = program("leasehold-provider") else {
		return;
	};
	let ended = Command::new(program)
		.arg("--dir")
		.arg(folder.join(format!("provider-{n}")))
		.args(["end-leases", &n.to_string()])
		.kill_on_drop(true)
		.status();
	if tokio::time::timeout(LEASES, ended).await.is_err() {
		tracing::warn!(provider = n, "what runs for its leases is not all ended");
	}
}

impl Devnet {
	pub async fn run(self, context: &Context) -> Result<(), Failure> {
		let temporary = match &self.folder {
			Some(_) => None,
			None => Some(tempfile::tempdir().map_err(failed)?),
		};
		let folder = match (&self.folder, &temporary) {
			(Some(folder), _) => std::path::absolute(folder).map_err(failed)?,
			(None, Some(temporary)) => temporary.path().to_owned(),
			(None, None) => return Err(failed("no folder")),
		};
		std::fs::create_dir_all(&folder).map_err(failed)?;
		// Nothing of anybody's is written over.
		if std::fs::read_dir(&folder).map_err(failed)?.next().is_some() {
			let what = format!("{} is not empty", folder.display());
			return Err(Failure::new(2, what, "Name a new folder with --at."));
		}
		self.has_engine().await?;
		let mut parts = Parts {
			folder: folder.clone(),
			node: None,
			providers: Vec::new(),
		};
		let mut signals = Signals::new().map_err(failed)?;
		let up = tokio::select! {
			up = self.start(context, &folder, &mut parts) => up,
			() = signals.next() => {
				parts.end().await;
				return Err(Failure::new(130, "interrupted before it was ready", "Start it again."));
			},
		};
		let result = match up {
			Ok(facts) => {
				let text = facts.to_string();
				let written = std::fs::write(folder.join("devnet.json"), &text);
				context.out.result(facts.clone(), || describe(&facts));
				match written {
					Ok(()) => self.wait(context, &mut parts, &mut signals).await,
					Err(error) => Err(failed(error)),
				}
			}
			Err(failure) => Err(failure),
		};
		context.out.waiting("ending");
		parts.end().await;
		context.out.done();
		result
	}

	/// Whether somebody listens at the engine's socket.
	async fn has_engine(&self) -> Result<(), Failure> {
		let Some(engine) = &self.engine else {
			return Ok(());
		};
		let path = engine.strip_prefix("unix://").unwrap_or(engine);
		let connected = tokio::time::timeout(DOWN, tokio::net::UnixStream::connect(path)).await;
		connected.map_err(std::io::Error::from).flatten().map_err(|error| {
			let what = format!("no container engine answers at {engine}: {error}");
			let advice = "Start it (`systemctl start podman.socket`, or `podman system service --time 0 unix://PATH &`), or leave \
			              --engine out: modules run without one.";
			Failure::new(2, what, advice)
		})?;
		Ok(())
	}

	async fn wait(
		&self,
		context: &Context,
		parts: &mut Parts,
		signals: &mut Signals,
	) -> Result<(), Failure> {
		let limit = Duration::from_secs(self.for_seconds.unwrap_or(u64::from(u32::MAX)));
		let Some(node) = &mut parts.node else {
			return Ok(());
		};
		tokio::select! {
			() = signals.next() => Ok(()),
			() = tokio::time::sleep(limit) => Ok(()),
			// A test may end the node and start it again by itself; only an unasked end is an error.
			status = node.wait() => match status {
				Ok(status) if status.success() => { signals.next().await; Ok(()) },
				Ok(status) => {
					context.out.stage(format!("the node has ended ({status}); Ctrl-C ends the rest"));
					signals.next().await;
					Ok(())
				},
				Err(error) => Err(failed(error)),
			},
		}
	}

	async fn start(
		&self,
		context: &Context,
		folder: &Path,
		parts: &mut Parts,
	) -> Result<Value, Failure> {
		context.out.waiting("making the chain's specification");
		let spec = folder.join("chain.json");
		self.specification(&spec).await?;
		let rpc = free_port()?;
		let node = format!("ws://127.0.0.1:{rpc}");
		context.out.waiting("starting the chain");
		parts.node = Some(start_node(folder, rpc)?);
		let chain = wait_for_node(&node).await?;
		let before = loop {
			let heads = chain.connection().await?.heads().await?;
			if heads.finalized.0 > 0 {
				break heads.finalized.0;
			}
			tokio::time::sleep(Duration::from_millis(200)).await;
		};
		context
			.out
			.stage(format!("the chain authors and finalizes at {node}"));
		let mut providers = Vec::new();
		for n in 0..self.providers {
			context.out.waiting(format!("registering provider {n}"));
			let port = free_port()?;
			let dir = folder.join(format!("provider-{n}"));
			let price = format!("0.{}", n.saturating_add(2));
			self.init_provider(&dir, &node, port, &price, n).await?;
			let child = start_provider(&dir)?;
			let pid = child.id();
			parts.providers.push(child);
			context.out.stage(format!(
				"provider {n} serves at {price} LEASE a core and hour"
			));
			providers.push(json!({
				"id": n, "dir": dir, "owner": account_of(&owner(n))?.to_string(),
				"operator": operator_of(n)?.to_string(), "gateway": format!("https://127.0.0.1:{port}"),
				"domain": domain(n), "pid": pid,
			}));
		}
		context.out.waiting("waiting for the offers");
		let begun = tokio::time::Instant::now();
		let offered = match self.engine {
			Some(_) => OFFERED.0,
			None => OFFERED.1,
		};
		for n in 0..self.providers {
			// One whose containers cannot run yet makes its offer later.
			let offers = loop {
				let offer = chain.connection().await?.best().await?.offer(n).await?;
				if offer.is_some() || begun.elapsed() >= offered {
					break offer.is_some();
				}
				tokio::time::sleep(Duration::from_millis(200)).await;
			};
			if !offers {
				let why = no_offer(&folder.join(format!("provider-{n}"))).await;
				// It may be on its way by now.
				let why = why.filter(|why| why != "stands");
				let why = why.map_or_else(String::new, |why| format!(": {why}"));
				context.out.stage(format!(
					"provider {n} makes no standing offer (`deploy --instant`) yet{why}"
				));
			}
		}
		Ok(json!({
			"node": node, "rpc_port": rpc, "folder": folder, "before_block": before,
			"tenant": "//Tenant", "stranger": "//Stranger", "poor": "//Poor", "providers": providers,
			"node_pid": parts.node.as_ref().and_then(Child::id), "pid": std::process::id(),
		}))
	}

	async fn specification(&self, path: &Path) -> Result<(), Failure> {
		let output = Command::new(program("leasehold-node")?)
			.args(["export-chain-spec", "--chain", "dev"])
			.output()
			.await
			.map_err(failed)?;
		if !output.status.success() {
			return Err(failed(String::from_utf8_lossy(&output.stderr)));
		}
		let mut spec: Value = serde_json::from_slice(&output.stdout).map_err(failed)?;
		spec["name"] = json!("Leasehold devnet");
		spec["id"] = json!("leasehold_devnet");
		// Each devnet is a chain of its own, so that nobody mistakes one for another.
		let salt = hex::encode(keystore::random_seed()?);
		let Some(patch) = spec.pointer_mut("/genesis/runtimeGenesis/patch") else {
			return Err(failed(
				"the node's chain specification has another shape than expected",
			));
		};
		let mut funded = vec![
			(account_of("//Tenant")?, 10_000 * LEASE),
			(account_of("//Stranger")?, 1_000 * LEASE),
			(account_of("//Poor")?, LEASE),
			(account_of(&format!("//{salt}"))?, LEASE),
		];
		for n in 0..self.providers {
			funded.push((account_of(&owner(n))?, 10_000 * LEASE));
			funded.push((operator_of(n)?, 100 * LEASE));
		}
		if let Some(balances) = patch
			.pointer_mut("/balances/balances")
			.and_then(Value::as_array_mut)
		{
			for (account, amount) in funded {
				let amount = u64::try_from(amount).map_err(failed)?;
				balances.push(json!([account.to_string(), amount]));
			}
		}
		let grace = self.heartbeat_period.saturating_mul(3) / 2;
		patch["slots"] = json!({ "slotMillis": self.slot_ms });
		patch["providers"] = json!({ "terms": {
			"unbondingPeriod": 200,
			"maxDowntime": self.max_downtime,
			"heartbeatPeriod": self.heartbeat_period,
			"heartbeatGrace": grace.max(self.heartbeat_period.saturating_add(1)),
		}});
		patch["market"] = json!({ "terms": {
			"startDeadline": self.start_deadline,
			"manifestDeadline": self.start_deadline / 2,
			"lowFunds": 20,
			"closedRetention": 3_600,
			"agendaHorizon": 3_600,
			"compensationBlocks": 600,
		}});
		patch["escrow"]["terms"] = json!({ "suspensionPeriod": 300, "minFundedBlocks": 30 });
		let text = serde_json::to_vec_pretty(&spec).map_err(failed)?;
		std::fs::write(path, text).map_err(failed)
	}

	async fn init_provider(
		&self,
		dir: &Path,
		node: &str,
		port: u16,
		price: &str,
		n: u32,
	) -> Result<(), Failure> {
		let program = program("leasehold-provider")?;
		let engine = self.engine.iter().flat_map(|engine| ["--engine", engine]);
		let registries = self
			.registries
			.iter()
			.flat_map(|registry| ["--registry", registry]);
		run_to_end(
			Command::new(&program)
				.arg("--dir")
				.arg(dir)
				.args(["init", "--node", node, "--price", price])
				.args(["--listen", &format!("127.0.0.1:{port}")])
				// Browsers and curl take all names below `localhost` for this machine.
				.args(["--domain", &domain(n)])
				.args([
					"--attribute",
					"region=local",
					"--attribute",
					&format!("provider=number-{n}"),
				])
				.args([
					"--cpu-millis",
					"8000",
					"--memory-mib",
					"8192",
					"--storage-mib",
					"16384",
					"--persistent-mib",
					"16384",
				])
				.args(["--operator-seed", &hex::encode(operator_seed(n))])
				.args(["--ports", &ports_of(n)])
				.args(engine)
				.args(registries),
		)
		.await?;
		run_to_end(Command::new(&program).arg("--dir").arg(dir).args([
			"register",
			"--owner-uri",
			&owner(n),
			"--bond",
			"1000",
		]))
		.await
	}
}

/// Below which a provider's services have names.
fn domain(n: u32) -> String {
	format!("provider-{n}.localhost")
}

/// The ports of this machine that a provider's services may open: none of another's.
fn ports_of(n: u32) -> String {
	let first = 30_000u32.saturating_add(n.saturating_mul(100)).min(65_000);
	format!("{first}-{}", first.saturating_add(99))
}

fn describe(facts: &Value) -> String {
	let text = |key: &str| facts[key].as_str().unwrap_or_default().to_owned();
	let (node, folder) = (text("node"), text("folder"));
	format!(
		"\nready. In another terminal:\n  export LEASEHOLD_NODE={node} LEASEHOLD_ACCOUNT=//Tenant\n  \
		 leasehold providers\n  leasehold deploy FILE --wait\n\nlogs and data: {folder}\nCtrl-C ends \
		 everything."
	)
}

/// Starts the node of the devnet in a folder.
fn start_node(folder: &Path, rpc: u16) -> Result<Child, Failure> {
	let log = File::create(folder.join("node.log")).map_err(failed)?;
	Command::new(program("leasehold-node")?)
		.arg("--chain")
		.arg(folder.join("chain.json"))
		.arg("--base-path")
		.arg(folder.join("node"))
		.args([
			"--alice",
			"--validator",
			"--force-authoring",
			"--unsafe-force-node-key-generation",
		])
		.args([
			"--no-telemetry",
			"--no-prometheus",
			"--no-mdns",
			"--state-pruning",
			"archive",
		])
		.args(["--listen-addr", "/ip4/127.0.0.1/tcp/0"])
		.args(["--rpc-port", &rpc.to_string()])
		.stdin(Stdio::null())
		.stdout(Stdio::null())
		.stderr(log)
		.process_group(0)
		.kill_on_drop(true)
		.spawn()
		.map_err(failed)
}

async fn wait_for_node(url: &str) -> Result<Chain, Failure> {
	let begun = tokio::time::Instant::now();
	loop {
		match Chain::connect(url, None).await {
			Ok(chain) => return Ok(chain),
			Err(error) if begun.elapsed() > UP => return Err(error.into()),
			Err(_) => tokio::time::sleep(Duration::from_millis(200)).await,
		}
	}
}

async fn run_to_end(command: &mut Command) -> Result<(), Failure> {
	let output = command
		.stdin(Stdio::null())
		.kill_on_drop(true)
		.output()
		.await
		.map_err(failed)?;
	if output.status.success() {
		return Ok(());
	}
	Err(failed(String::from_utf8_lossy(&output.stderr)))
}

/// Why the daemon in a folder makes no standing offer.
async fn no_offer(dir: &Path) -> Option<String> {
	let asked = Command::new(program("leasehold-provider").ok()?)
		.arg("--dir")
		.arg(dir)
		.args(["status", "--output", "json"])
		.kill_on_drop(true)
		.output();
	let answer = tokio::time::timeout(DOWN, asked).await.ok()?.ok()?;
	let said: Value = serde_json::from_slice(&answer.stdout).ok()?;
	Some(said["offer"].as_str()?.to_owned())
}

/// Starts the daemon in a folder.
fn start_provider(dir: &Path) -> Result<Child, Failure> {
	let log = File::options()
		.create(true)
		.append(true)
		.open(dir.join("daemon.log"))
		.map_err(failed)?;
	Command::new(program("leasehold-provider")?)
		.arg("--dir")
		.arg(dir)
		.arg("run")
		.stdin(Stdio::null())
		.stdout(Stdio::null())
		.stderr(log)
		.process_group(0)
		.kill_on_drop(true)
		.spawn()
		.map_err(failed)
}

struct Signals {
	terminate: tokio::signal::unix::Signal,
	interrupt: tokio::signal::unix::Signal,
	hangup: tokio::signal::unix::Signal,
}

impl Signals {
	fn new() -> std::io::Result<Self> {
		use tokio::signal::unix::{signal, SignalKind};
		Ok(Self {
			terminate: signal(SignalKind::terminate())?,
			interrupt: signal(SignalKind::interrupt())?,
			hangup: signal(SignalKind::hangup())?,
		})
	}

	async fn next(&mut self) {
		tokio::select! {
			_ = self.terminate.recv() => {},
			_ = self.interrupt.recv() => {},
			_ = self.hangup.recv() => {},
		}
	}
}
