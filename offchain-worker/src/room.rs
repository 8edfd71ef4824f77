//! Whether this machine takes more: what its owner keeps for itself, and whether he uses it just now.

use crate::{
	config::{Config, Idle},
	daemon::Shared,
	executor::uptime,
	pricing::{operators, Group},
	reconcile::unix_now,
};
use leasehold_client::Resources;
use serde::{Serialize, Serializer};
use std::{
	collections::BTreeMap,
	os::unix::fs::MetadataExt as _,
	path::{Path, PathBuf},
	process::Stdio,
	sync::{atomic::Ordering, Arc},
	time::Duration,
};
use tokio::{
	io::{AsyncRead, AsyncReadExt as _},
	process::Command,
};

const MIB: u64 = 1 << 20;
/// How often it is looked whether somebody uses the machine.
const LOOK: Duration = Duration::from_secs(5);
/// How long what is asked for that may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// What is read of an answer, bytes.
const LONGEST: u64 = 512;

/// Who uses this machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Use {
	/// Nobody has looked yet.
	#[default]
	Unknown,
	/// Nobody but leases, or it does not matter.
	Idle,
	/// Somebody does, and how that shows.
	Used(String),
}

impl Serialize for Use {
	/// How it shows that somebody does, or nothing.
	fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
		match self {
			Self::Used(why) => Some(why).serialize(to),
			Self::Unknown | Self::Idle => to.serialize_none(),
		}
	}
}

/// MiB of memory that a new program could have, by the kernel's account.
fn free_memory(account: &str) -> Option<u64> {
	let line = account
		.lines()
		.find_map(|l| l.strip_prefix("MemAvailable:"));
	let kib: u64 = line?.split_whitespace().next()?.parse().ok()?;
	Some(kib >> 10)
}

/// MiB that may still be written below a folder.
fn free_storage(folder: &Path) -> Option<u64> {
	let there = rustix::fs::statvfs(folder).ok()?;
	there.f_bavail.checked_mul(there.f_frsize)?.checked_div(MIB)
}

/// Which part of what this machine keeps for itself would be used up, if somebody took `more`.
fn used_up(config: &Config, folder: &Path, more: &Resources) -> Option<&'static str> {
	let reserve = &config.capacity.reserve;
	let account = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
	let persistent = more.persistent.iter().map(|one| u64::from(one.size));
	let storage = persistent.fold(u64::from(more.ephemeral), u64::saturating_add);
	let parts = [
		(
			"this machine has too little free memory beside it (capacity.reserve)",
			free_memory(&account),
			u64::from(more.memory).saturating_add(reserve.memory_mib.into()),
		),
		(
			"this machine has too little free disk beside it (capacity.reserve)",
			free_storage(folder),
			storage.saturating_add(reserve.storage_mib.into()),
		),
	];
	// What cannot be read keeps nobody waiting.
	let short = |(_, free, wanted): &(_, Option<u64>, u64)| free.is_some_and(|free| free < *wanted);
	parts.into_iter().find(short).map(|(why, ..)| why)
}

/// Terminals of this machine, and when each was last typed at by its own account, in seconds of Unix time.
fn terminals() -> BTreeMap<PathBuf, i64> {
	let number = |name: &str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_digit());
	let mut found = BTreeMap::new();
	for (folder, begin) in [("/dev/pts", ""), ("/dev", "tty")] {
		for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
			let name = entry.file_name();
			let rest = name.to_str().and_then(|name| name.strip_prefix(begin));
			if let (true, Ok(meta)) = (rest.is_some_and(number), entry.metadata()) {
				found.insert(entry.path(), meta.atime());
			}
		}
	}
	found
}

/// When somebody last typed, in seconds of [`uptime`].
#[derive(Default)]
struct Typing {
	seen: Option<BTreeMap<PathBuf, i64>>,
	last: Option<u64>,
}

impl Typing {
	/// Takes note of the terminals as they are now.
	fn met(&mut self, found: BTreeMap<PathBuf, i64>, now: u64, unix: i64) {
		self.last = match &self.seen {
			// A clock that is set changes none of them.
			Some(seen) if found.iter().any(|(path, at)| seen.get(path) != Some(at)) => Some(now),
			Some(_) => self.last,
			// The first look goes by the clock.
			None => {
				let ages = found.values().map(|at| unix.saturating_sub(*at));
				let least = ages.filter_map(|age| u64::try_from(age).ok()).min();
				least.and_then(|age| now.checked_sub(age))
			}
		};
		self.seen = Some(found);
	}

	/// Whether somebody typed within the last seconds.
	fn within(&self, seconds: u64, now: u64) -> bool {
		self.last
			.is_some_and(|last| now.saturating_sub(last) < seconds)
	}
}

/// Reads all, and keeps the beginning.
async fn beginning(mut of: impl AsyncRead + Unpin) -> std::io::Result<String> {
	let mut bytes = Vec::new();
	(&mut of).take(LONGEST).read_to_end(&mut bytes).await?;
	tokio::io::copy(&mut of, &mut tokio::io::sink()).await?;
	Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// What a program writes first, and whether it ended with code 0.
async fn ask(mut command: Command) -> std::io::Result<(bool, String)> {
	let asked = async {
		let mut child = command
			.stdin(Stdio::null())
			.stdout(Stdio::piped())
			.stderr(Stdio::null())
			.process_group(0)
			.spawn()?;
		let _group = Group::of(&child);
		let text = match child.stdout.take() {
			Some(output) => beginning(output).await?,
			None => String::new(),
		};
		Ok((child.wait().await?.success(), text))
	};
	match tokio::time::timeout(PATIENCE, asked).await {
		Ok(answer) => answer,
		Err(_) => Err(std::io::ErrorKind::TimedOut.into()),
	}
}

/// Whether all sessions have been idle for so many seconds, by what logind says; `None` if it says nothing.
fn sessions_idle(said: &str, seconds: u64, now: Duration) -> Option<bool> {
	let mut lines = said.lines();
	if lines.next()? != "b true" {
		return Some(false);
	}
	let since: u64 = lines.next()?.strip_prefix("t ")?.parse().ok()?;
	let idle = now.saturating_sub(Duration::from_micros(since));
	Some(idle.as_secs() >= seconds)
}

async fn at_work(seconds: u64) -> bool {
	let mut command = Command::new("busctl");
	command.args([
		"--system",
		"get-property",
		"org.freedesktop.login1",
		"/org/freedesktop/login1",
		"org.freedesktop.login1.Manager",
		"IdleHint",
		"IdleSinceHintMonotonic",
	]);
	let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
	let now = Duration::from_secs(u64::try_from(now.tv_sec).unwrap_or(0));
	match ask(command).await {
		Ok((true, said)) => sessions_idle(&said, seconds, now) == Some(false),
		_ => false,
	}
}

/// Why the machine counts as in use; `None` if it has been idle for long enough.
async fn in_use(idle: &Idle, typing: &mut Typing) -> Option<String> {
	let (now, seconds) = (uptime(), idle.after_seconds);
	let unix = i64::try_from(unix_now()).unwrap_or(i64::MAX);
	typing.met(terminals(), now, unix);
	if typing.within(seconds, now) {
		return Some("somebody typed at a terminal".into());
	}
	if seconds > 0 && at_work(seconds).await {
		return Some("a session is not idle".into());
	}
	let program = idle.program.as_ref()?;
	let said = match ask(operators(program)).await {
		Ok((true, _)) => return None,
		Ok((false, said)) => said.lines().next().unwrap_or_default().to_owned(),
		Err(error) => error.to_string(),
	};
	Some(match said.is_empty() {
		true => format!("{} says so", program.display()),
		false => format!("{}: {said}", program.display()),
	})
}

/// Looks again and again whether somebody uses this machine, if that matters.
pub async fn watch(shared: Arc<Shared>) {
	let idle = shared.config.idle.clone();
	let mut typing = Typing::default();
	loop {
		let found = match &idle {
			Some(idle) => match in_use(idle, &mut typing).await {
				Some(why) => Use::Used(why),
				None => Use::Idle,
			},
			None => Use::Idle,
		};
		let mut before = Use::Unknown;
		shared.note(|s| before = std::mem::replace(&mut s.in_use, found.clone()));
		let is = |one: &Use| matches!(one, Use::Used(_));
		if before == Use::Unknown || is(&before) != is(&found) {
			match &found {
				Use::Used(why) => tracing::info!("this machine is in use: {why}"),
				_ if idle.is_some() => tracing::info!("this machine is idle"),
				_ => {}
			}
			shared.look_soon.store(true, Ordering::Relaxed);
			shared.wake.notify_one();
		}
		if idle.is_none() {
			return;
		}
		tokio::time::sleep(LOOK).await;
	}
}

impl Shared {
	/// Who uses this machine.
	pub fn used(&self) -> Use {
		let status = self.status.lock();
		status.map_or(Use::Unknown, |status| status.in_use.clone())
	}

	/// Why `more` is not taken at present.
	pub fn has_no_room(&self, more: &Resources) -> Option<String> {
		match self.used() {
			Use::Unknown => Some("nobody has looked yet whether this machine is in use".into()),
			Use::Used(why) => Some(format!("this machine is in use: {why}")),
			Use::Idle => used_up(&self.config, self.store.folder(), more).map(str::to_owned),
		}
	}

	/// Whether leases are paused because somebody uses this machine.
	pub fn pauses(&self) -> bool {
		let pause = self.config.idle.as_ref().is_some_and(Idle::pauses);
		pause && matches!(self.used(), Use::Used(_))
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use crate::config::tests::template;

	#[test]
	fn what_is_free_is_read() {
		let account = "MemTotal:       24689764 kB\nMemAvailable:   19922944 kB\n";
		assert_eq!(free_memory(account), Some(19_456));
		for none in ["", "MemAvailable:", "MemAvailable: many kB"] {
			assert_eq!(free_memory(none), None);
		}
		assert!(free_storage(Path::new("/")).is_some());
		assert_eq!(free_storage(Path::new("/no/such/folder")), None);
	}

	#[test]
	fn what_an_order_takes_counts_against_the_reserve() {
		let config = |line: &str| -> Config {
			toml::from_str(&template().replace("# reserve = ", line)).unwrap()
		};
		let none = config("reserve = { memory_mib = 0, storage_mib = 0 }\n# ");
		let here = Path::new("/");
		let small = Resources {
			memory: 1,
			ephemeral: 1,
			..Default::default()
		};
		assert_eq!(used_up(&none, here, &small), None);
		for (memory, ephemeral, word) in [(u32::MAX, 1, "memory"), (1, u32::MAX, "disk")] {
			let large = Resources {
				memory,
				ephemeral,
				..Default::default()
			};
			assert!(used_up(&none, here, &large).unwrap().contains(word));
		}
		let all = config("reserve = { memory_mib = 4294967295, storage_mib = 0 }\n# ");
		assert!(used_up(&all, here, &small).unwrap().contains("memory"));
	}

	#[test]
	fn typing_is_seen_whatever_the_clock_says() {
		let at = |time: i64| BTreeMap::from([(PathBuf::from("/dev/pts/0"), time)]);
		let mut typing = Typing::default();
		// Typed 100 seconds ago.
		typing.met(at(9_900), 5_000, 10_000);
		assert!(typing.within(101, 5_000) && !typing.within(100, 5_000));
		// The clock is set back, and forward.
		for unix in [100, 1_000_000] {
			typing.met(at(9_900), 5_050, unix);
			assert!(typing.within(151, 5_050) && !typing.within(150, 5_050));
		}
		// Typed while it is wrong; and a terminal is opened.
		typing.met(at(500), 5_100, 600);
		assert!(typing.within(1, 5_100));
		typing.met(BTreeMap::new(), 6_000, 600);
		assert!(!typing.within(900, 6_000));
		typing.met(at(600), 6_100, 600);
		assert!(typing.within(1, 6_100));
		// A first look at a clock that is behind tells nothing.
		let mut typing = Typing::default();
		typing.met(at(9_900), 5_000, 100);
		assert!(!typing.within(u64::MAX, 5_000));
	}

	#[test]
	fn logind_is_asked_since_when() {
		let now = Duration::from_secs(1_000);
		let said = |text: &str| sessions_idle(text, 900, now);
		assert_eq!(said("b false\nt 0\n"), Some(false));
		assert_eq!(said("b true\nt 100000000\n"), Some(true));
		assert_eq!(said("b true\nt 100000001\n"), Some(false));
		assert_eq!((said(""), said("b true\n")), (None, None));
	}

	#[tokio::test]
	async fn a_program_says_whether_the_machine_is_in_use() {
		let folder = tempfile::tempdir().unwrap();
		let program = folder.path().join("idle");
		let mut idle = Idle {
			after_seconds: 0,
			on_return: Default::default(),
			program: Some(program.clone()),
		};
		let mut typing = Typing::default();
		for (script, says) in [
			("exit 0", None),
			("echo a game; exit 1", Some("a game")),
			("exit 3", Some("says so")),
			("head -c 200000 /dev/zero; exit 0", None),
			("sleep 60", Some("timed out")),
		] {
			use std::os::unix::fs::PermissionsExt as _;
			let part = folder.path().join("part");
			std::fs::write(&part, format!("#!/bin/sh\n{script}\n")).unwrap();
			std::fs::set_permissions(&part, std::fs::Permissions::from_mode(0o700)).unwrap();
			std::fs::rename(&part, &program).unwrap();
			let why = in_use(&idle, &mut typing).await;
			match says {
				None => assert_eq!(why, None, "{script}"),
				Some(says) => assert!(why.as_ref().unwrap().contains(says), "{script}: {why:?}"),
			}
		}
		idle.program = Some(folder.path().join("none"));
		let why = in_use(&idle, &mut typing).await.unwrap();
		assert!(why.contains("No such file"), "{why}");
		idle.program = None;
		assert_eq!(in_use(&idle, &mut typing).await, None);
	}
}
