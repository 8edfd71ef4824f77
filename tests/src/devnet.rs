//! A devnet in processes of its own.

use anyhow::{bail, Context as _};
use rustix::process::{kill_process, test_kill_process, Pid, Signal};
use serde_json::Value;
use std::{
	path::{Path, PathBuf},
	process::{Child, Command, Output, Stdio},
	time::{Duration, Instant},
};

/// How long a devnet may take to come up.
const UP: Duration = Duration::from_secs(120);

/// A program that was built beside this one.
pub fn program(name: &str) -> anyhow::Result<PathBuf> {
	let this = std::env::current_exe()?;
	let found = this
		.ancestors()
		.skip(1)
		.take(2)
		.map(|folder| folder.join(name))
		.find(|p| p.exists());
	found.with_context(|| format!("{name} is not built; run scripts/test or scripts/demo"))
}

/// A process that ends when this is dropped.
pub struct Owned(pub Child);

impl Owned {
	/// Kills it.
	pub fn kill(&mut self) {
		let _ = self.0.kill();
		let _ = self.0.wait();
	}
}

impl Drop for Owned {
	fn drop(&mut self) {
		self.kill();
	}
}

/// A running devnet; dropping it ends all its processes.
pub struct Devnet {
	child: Child,
	folder: PathBuf,
	/// What `leasehold devnet` says about itself.
	pub facts: Value,
	_temporary: Option<tempfile::TempDir>,
}

impl Devnet {
	/// Starts a devnet in a temporary folder.
	pub fn start(arguments: &[&str]) -> anyhow::Result<Self> {
		let temporary = tempfile::tempdir()?;
		let folder = temporary.path().join("devnet");
		let mut devnet = Self::start_at(&folder, arguments)?;
		devnet._temporary = Some(temporary);
		Ok(devnet)
	}

	/// Starts a devnet in a folder that stays.
	pub fn start_at(folder: &Path, arguments: &[&str]) -> anyhow::Result<Self> {
		let child = Command::new(program("leasehold")?)
			.args(["devnet", "--output", "json", "--at"])
			.arg(folder)
			.args(arguments)
			.stdin(Stdio::null())
			.stdout(Stdio::null())
			.spawn()?;
		let mut devnet = Self {
			child,
			folder: folder.to_owned(),
			facts: Value::Null,
			_temporary: None,
		};
		let begun = Instant::now();
		let path = folder.join("devnet.json");
		loop {
			if let Some(facts) = std::fs::read(&path)
				.ok()
				.and_then(|bytes| serde_json::from_slice(&bytes).ok())
			{
				devnet.facts = facts;
				return Ok(devnet);
			}
			if let Some(status) = devnet.child.try_wait()? {
				bail!("the devnet ended early: {status}");
			}
			if begun.elapsed() > UP {
				bail!("the devnet did not come up within {UP:?}");
			}
			std::thread::sleep(Duration::from_millis(100));
		}
	}

	/// The devnet's folder.
	pub fn folder(&self) -> &Path {
		&self.folder
	}

	/// The node's RPC address.
	pub fn node(&self) -> String {
		self.facts["node"].as_str().unwrap_or_default().to_owned()
	}

	/// The port of the node's RPC.
	pub fn rpc_port(&self) -> u64 {
		self.facts["rpc_port"].as_u64().unwrap_or_default()
	}

	/// A provider's folder.
	pub fn provider_folder(&self, n: usize) -> PathBuf {
		PathBuf::from(
			self.facts["providers"][n]["dir"]
				.as_str()
				.unwrap_or_default(),
		)
	}

	/// The processes of node and daemons.
	pub fn pids(&self) -> Vec<i32> {
		let providers = self.facts["providers"].as_array().into_iter().flatten();
		let node = &self.facts["node_pid"];
		providers
			.map(|p| &p["pid"])
			.chain([node])
			.filter_map(pid_of)
			.collect()
	}

	/// The process of a provider's daemon, as it was started.
	pub fn provider_pid(&self, n: usize) -> Option<i32> {
		pid_of(&self.facts["providers"][n]["pid"])
	}

	/// A command of a provider.
	pub fn provider(&self, n: usize, arguments: &[&str]) -> anyhow::Result<Command> {
		let mut command = Command::new(program("leasehold-provider")?);
		command
			.arg("--dir")
			.arg(self.provider_folder(n))
			.args(arguments)
			.stdin(Stdio::null());
		Ok(command)
	}

	/// A provider's daemon, to be started once more when it has ended.
	pub fn daemon(&self, n: usize) -> anyhow::Result<Command> {
		let mut log = std::fs::File::options();
		let log = log
			.append(true)
			.open(self.provider_folder(n).join("daemon.log"))?;
		let mut command = self.provider(n, &["run"])?;
		command.stdout(Stdio::null()).stderr(log);
		Ok(command)
	}

	/// Starts a provider's daemon once more.
	pub fn start_provider(&self, n: usize) -> anyhow::Result<Owned> {
		Ok(Owned(self.daemon(n)?.spawn()?))
	}

	/// Ends the daemons as an operator would; the chain goes on.
	pub fn stop_providers(&self) -> anyhow::Result<()> {
		let providers = self.facts["providers"].as_array().into_iter().flatten();
		let pids: Vec<i32> = providers.filter_map(|p| pid_of(&p["pid"])).collect();
		for pid in &pids {
			signal(*pid, Signal::TERM);
		}
		for pid in pids {
			wait_until(Duration::from_secs(15), "a daemon ends", || !is_alive(pid))?;
		}
		Ok(())
	}

	/// A command of the tenant.
	pub fn tenant(&self, arguments: &[&str]) -> anyhow::Result<Command> {
		self.command("//Tenant", arguments)
	}

	/// A command of some account.
	pub fn command(&self, account: &str, arguments: &[&str]) -> anyhow::Result<Command> {
		let mut command = Command::new(program("leasehold")?);
		command
			.args(arguments)
			.args(["--node", &self.node(), "--account", account, "--dir"])
			.arg(self.folder.join("tenant"))
			.stdin(Stdio::null());
		Ok(command)
	}

	/// Runs a command of some account to its end; its JSON and its exit code.
	pub fn json(&self, account: &str, arguments: &[&str]) -> anyhow::Result<(Value, i32)> {
		let output = self
			.command(account, arguments)?
			.args(["--output", "json"])
			.output()?;
		Ok((last_json(&output)?, output.status.code().unwrap_or(-1)))
	}
}

/// The last JSON value that a command wrote.
pub fn last_json(output: &Output) -> anyhow::Result<Value> {
	let text = String::from_utf8_lossy(&output.stdout);
	serde_json::Deserializer::from_str(&text)
		.into_iter::<Value>()
		.filter_map(Result::ok)
		.last()
		.with_context(|| format!("no JSON: {text}{}", String::from_utf8_lossy(&output.stderr)))
}

fn pid_of(value: &Value) -> Option<i32> {
	i32::try_from(value.as_i64()?).ok().filter(|pid| *pid > 1)
}

/// Sends a signal to a process that this devnet started.
pub fn signal(pid: i32, signal: Signal) {
	if let Some(pid) = Pid::from_raw(pid) {
		let _ = kill_process(pid, signal);
	}
}

/// Whether a process lives; one that has ended but was not waited for does not.
pub fn is_alive(pid: i32) -> bool {
	let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
	let dead = stat
		.rsplit(')')
		.next()
		.is_some_and(|rest| rest.trim_start().starts_with('Z'));
	!dead && Pid::from_raw(pid).is_some_and(|pid| test_kill_process(pid).is_ok())
}

/// Seconds that a process has computed.
pub fn computed(pid: i32) -> anyhow::Result<f64> {
	let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
	let rest = stat.rsplit(')').next().unwrap_or_default();
	let field = |n: usize| rest.split_whitespace().nth(n).context("no such field");
	// User and system, in hundredths.
	Ok((field(11)?.parse::<f64>()? + field(12)?.parse::<f64>()?) / 100.0)
}

/// Bytes of memory that a process has.
pub fn resident(pid: i32) -> anyhow::Result<u64> {
	let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
	let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
	let text = line.context("no such field")?.trim();
	let kib: u64 = text.trim_end_matches("kB").trim().parse()?;
	Ok(kib << 10)
}

/// Waits for something, in words.
pub fn wait_until(
	limit: Duration,
	what: &str,
	mut is_so: impl FnMut() -> bool,
) -> anyhow::Result<()> {
	let begun = Instant::now();
	while !is_so() {
		if begun.elapsed() > limit {
			bail!("waited {limit:?} in vain: {what}");
		}
		std::thread::sleep(Duration::from_millis(100));
	}
	Ok(())
}

impl Drop for Devnet {
	fn drop(&mut self) {
		if let Ok(pid) = i32::try_from(self.child.id()) {
			signal(pid, Signal::TERM);
		}
		let begun = Instant::now();
		while begun.elapsed() < Duration::from_secs(40) {
			if !matches!(self.child.try_wait(), Ok(None)) {
				return;
			}
			std::thread::sleep(Duration::from_millis(50));
		}
		let _ = self.child.kill();
	}
}
