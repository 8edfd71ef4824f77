//! What the processes of a workload have used: of a container by its control group, of a module by its runner.

use crate::executor::uptime;
use std::path::{Path, PathBuf};

const PROC: &str = "/proc";
const GROUPS: &str = "/sys/fs/cgroup";

/// What has been used up to now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
	/// Microseconds of a core.
	pub cpu_micros: u64,
	/// At present.
	pub memory_bytes: u64,
	/// Bytes; known where it has a network of its own.
	pub received: Option<u64>,
	pub sent: Option<u64>,
}

/// What came of a look.
pub enum Read {
	Counters(Counters),
	/// It cannot be told at present.
	Unknown,
	/// The process has ended.
	Gone,
}

/// The first process of a workload.
pub struct Process {
	folder: PathBuf,
	/// When it began, in the kernel's ticks: another process may get its number.
	begun: u64,
	group: Option<Group>,
	has_network: bool,
}

/// The files of its control group.
struct Group {
	/// (file, whether it has nanoseconds)
	cpu: (PathBuf, bool),
	/// (bytes, statistics with what could be had back at any time)
	memory: (PathBuf, PathBuf),
}

/// The fields of `stat` behind the program's name, from the third on.
fn stat(folder: &Path) -> Option<Vec<u64>> {
	let text = std::fs::read_to_string(folder.join("stat")).ok()?;
	let rest = text.rsplit_once(')')?.1;
	let fields = rest.split_whitespace();
	Some(fields.map(|field| field.parse().unwrap_or(0)).collect())
}

/// A number behind a word at the begin of a line.
pub fn value(text: &str, key: &str) -> Option<u64> {
	let mut lines = text.lines();
	lines.find_map(|line| {
		let (name, value) = line.split_once(' ')?;
		(name == key).then(|| value.trim().parse().ok())?
	})
}

/// A file that is a number.
pub fn number(path: &Path) -> Option<u64> {
	std::fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// The kernel's ticks in microseconds.
pub fn micros(ticks: u64) -> u64 {
	let hertz = rustix::param::clock_ticks_per_second().max(1);
	let micros = ticks.saturating_mul(1_000_000).checked_div(hertz);
	micros.unwrap_or(0)
}

/// Where a process is among the control groups, of one version or the other.
fn groups(folder: &Path) -> Option<String> {
	std::fs::read_to_string(folder.join("cgroup")).ok()
}

impl Group {
	/// That of a process, if it is another than this program's.
	fn of(folder: &Path, root: &Path) -> Option<Self> {
		let (theirs, ours) = (groups(folder)?, groups(&Path::new(PROC).join("self"))?);
		let named = |text: &str, controller: &str| {
			text.lines().find_map(|line| {
				let mut parts = line.splitn(3, ':');
				let (_, names, path) = (parts.next()?, parts.next()?, parts.next()?);
				let is_it = names.split(',').any(|name| name == controller);
				is_it.then(|| path.trim_start_matches('/').to_owned())
			})
		};
		let its_own = |controller: &str| {
			let path = named(&theirs, controller)?;
			(named(&ours, controller).as_ref() != Some(&path)).then_some(path)
		};
		// The first version, with a tree for each controller, or the second with one for all.
		if let (Some(cpu), Some(memory)) = (its_own("cpuacct"), its_own("memory")) {
			let (cpu, memory) = (
				root.join("cpuacct").join(cpu),
				root.join("memory").join(memory),
			);
			return Some(Self {
				cpu: (cpu.join("cpuacct.usage"), true),
				memory: (
					memory.join("memory.usage_in_bytes"),
					memory.join("memory.stat"),
				),
			});
		}
		let one = root.join(its_own("")?);
		Some(Self {
			cpu: (one.join("cpu.stat"), false),
			memory: (one.join("memory.current"), one.join("memory.stat")),
		})
	}

	fn cpu_micros(&self) -> Option<u64> {
		match &self.cpu {
			(file, true) => Some(number(file)? / 1_000),
			(file, false) => value(&std::fs::read_to_string(file).ok()?, "usage_usec"),
		}
	}

	fn memory_bytes(&self) -> Option<u64> {
		let all = number(&self.memory.0)?;
		let stat = std::fs::read_to_string(&self.memory.1).unwrap_or_default();
		let file = value(&stat, "total_inactive_file").or_else(|| value(&stat, "inactive_file"));
		Some(all.saturating_sub(file.unwrap_or(0)))
	}
}

/// Bytes that came in and went out, over all devices but loopback.
fn network(text: &str) -> (u64, u64) {
	let devices = text.lines().filter_map(|line| line.split_once(':'));
	let devices = devices.filter(|(name, _)| name.trim() != "lo");
	devices.fold((0, 0), |(received, sent), (_, fields)| {
		let fields: Vec<u64> = fields
			.split_whitespace()
			.map(|field| field.parse().unwrap_or(0))
			.collect();
		let field = |n: usize| fields.get(n).copied().unwrap_or(0);
		(
			u64::saturating_add(received, field(0)),
			u64::saturating_add(sent, field(8)),
		)
	})
}

/// Whether a process has a network of its own.
fn has_network(folder: &Path) -> bool {
	let space = |folder: &Path| std::fs::read_link(folder.join("ns/net")).ok();
	let (theirs, ours) = (space(folder), space(&Path::new(PROC).join("self")));
	theirs.is_some() && theirs != ours
}

impl Process {
	/// The process of a number, if there is one; of a container, whose control group counts, or alone.
	pub fn of(pid: i32, of_container: bool) -> Option<Self> {
		let folder = Path::new(PROC).join(pid.to_string());
		let group = || Group::of(&folder, Path::new(GROUPS));
		Some(Self {
			begun: stat(&folder)?.get(19).copied()?,
			group: of_container.then(group).flatten(),
			has_network: has_network(&folder),
			folder,
		})
	}

	/// Seconds since it began.
	pub fn age(&self) -> u64 {
		uptime().saturating_sub(micros(self.begun) / 1_000_000)
	}

	/// What it has used up to now.
	pub fn read(&self) -> Read {
		let Some(stat) = stat(&self.folder) else {
			return Read::Gone;
		};
		let field = |n: usize| stat.get(n).copied().unwrap_or(0);
		if field(19) != self.begun {
			return Read::Gone;
		}
		let used = match &self.group {
			Some(group) => group.cpu_micros().zip(group.memory_bytes()),
			None => {
				let ticks = field(11).saturating_add(field(12));
				let page = u64::try_from(rustix::param::page_size()).unwrap_or(4_096);
				Some((micros(ticks), field(21).saturating_mul(page)))
			}
		};
		let Some((cpu_micros, memory_bytes)) = used else {
			return Read::Unknown;
		};
		let net = || std::fs::read_to_string(self.folder.join("net/dev")).ok();
		let flows = self.has_network.then(net).flatten();
		let flows = flows.map(|text| network(&text));
		Read::Counters(Counters {
			cpu_micros,
			memory_bytes,
			received: flows.map(|(received, _)| received),
			sent: flows.map(|(_, sent)| sent),
		})
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn what_a_network_has_seen_is_read() {
		let text = "Inter-|   Receive                    |  Transmit\n face |bytes    packets errs drop fifo \
		            frame compressed multicast|bytes    packets\n    lo: 900 1 0 0 0 0 0 0 900 1 0 0 0 0 0 0\n  eth0: \
		            1200 9 0 0 0 0 0 0 340 4 0 0 0 0 0 0\n  eth1:5 1 0 0 0 0 0 0 6 1 0 0 0 0 0 0\n";
		assert_eq!(network(text), (1_205, 346));
		assert_eq!(network("rubbish: x"), (0, 0));
	}

	#[test]
	fn groups_of_both_versions_are_read() {
		let root = tempfile::tempdir().unwrap();
		let at = |name: &str| root.path().join(name);
		let process = at("process");
		std::fs::create_dir_all(&process).unwrap();
		let write = |path: &str, text: &str| {
			std::fs::create_dir_all(at(path).parent().unwrap()).unwrap();
			std::fs::write(at(path), text).unwrap();
		};
		write("process/cgroup", "0::/leases/a\n");
		write("leases/a/cpu.stat", "usage_usec 1500\nuser_usec 1000\n");
		write("leases/a/memory.current", "9000\n");
		write("leases/a/memory.stat", "anon 1\ninactive_file 2000\n");
		let two = Group::of(&process, root.path()).unwrap();
		assert_eq!(
			(two.cpu_micros(), two.memory_bytes()),
			(Some(1_500), Some(7_000))
		);
		write(
			"process/cgroup",
			"4:memory:/b\n3:cpu,cpuacct:/b\n1:name=systemd:/b\n",
		);
		write("cpuacct/b/cpuacct.usage", "2500000\n");
		write("memory/b/memory.usage_in_bytes", "500\n");
		write(
			"memory/b/memory.stat",
			"inactive_file 1\ntotal_inactive_file 100\n",
		);
		let one = Group::of(&process, root.path()).unwrap();
		assert_eq!(
			(one.cpu_micros(), one.memory_bytes()),
			(Some(2_500), Some(400))
		);
		write("process/cgroup", &groups(Path::new("/proc/self")).unwrap());
		assert!(
			Group::of(&process, root.path()).is_none(),
			"our own counts for nobody"
		);
	}

	#[test]
	fn a_number_that_another_process_has_is_not_followed() {
		let pid = i32::try_from(std::process::id()).unwrap();
		let mut ours = Process::of(pid, false).unwrap();
		assert!(matches!(ours.read(), Read::Counters(now) if now.memory_bytes > 0));
		assert!(ours.age() < 3_600);
		ours.begun = ours.begun.saturating_add(1);
		assert!(matches!(ours.read(), Read::Gone));
		assert!(Process::of(-1, true).is_none());
	}
}
