//! What a runner holds itself and its program to.

use super::super::{
	folders::{self, SHRINK},
	measure::{measure, on_disk, MAX_FILES},
	Attempt,
};
use rustix::process::{setrlimit, Resource, Rlimit};
use std::{
	sync::{
		atomic::{AtomicUsize, Ordering},
		Arc,
	},
	time::Instant,
};
use wasmtime::ResourceLimiter;

const MIB: u64 = 1 << 20;
/// Bytes that an element of a table counts for.
const TABLE_ELEMENT: usize = 16;
/// Bytes that a program may have the runner take in one call; 2 GiB is what WASI's own would.
pub const CALL: usize = 1 << 20;
/// Things that an instance of a component may hold open, and bytes of a set of headers.
pub const HANDLES: usize = 1_024;
pub const HEADERS: usize = 64 << 10;
/// Bytes that a runner may take beside its program's memory, and while it compiles at least.
const BESIDE: u64 = 256 << 20;
const COMPILING: u64 = 1 << 30;
/// How much sooner than others it is ended where the machine has no memory left, of 1,000.
const OUT_OF_MEMORY: &str = "500";
/// Most open files: of a job, and of a service, whose requests are files too.
const FILES: (u64, u64) = (256, 4_096);

/// Why a program was stopped.
#[derive(Debug, thiserror::Error)]
pub enum Stop {
	#[error("it needs more memory than was leased")]
	Memory,
	#[error("files and logs outgrew the storage leased")]
	Storage,
}

/// Limits of this process, for good.
pub fn limit_self(attempt: &Attempt) -> std::io::Result<()> {
	let cap = |n| Rlimit {
		current: Some(n),
		maximum: Some(n),
	};
	let unit = &attempt.service.unit;
	let volumes = unit.volumes.iter().map(|volume| volume.size);
	let largest = volumes.fold(unit.storage, u32::max);
	// Above what was leased, so that the measurement sees it first unless it is far too fast.
	let bytes = u64::from(largest)
		.saturating_mul(MIB)
		.saturating_add(16 * MIB);
	// Where the machine runs out of memory, a tenant's program goes before all else; where that cannot be said, by size.
	if let Err(error) = std::fs::write("/proc/self/oom_score_adj", OUT_OF_MEMORY) {
		tracing::debug!(%error, "a runner goes by its size where memory runs out");
	}
	setrlimit(Resource::Fsize, cap(bytes))?;
	setrlimit(Resource::Core, cap(0))?;
	let files = match attempt.is_job() {
		true => FILES.0,
		false => FILES.1,
	};
	setrlimit(Resource::Nofile, cap(files))?;
	Ok(())
}

/// Bytes of files that this process holds open although they have no name any more.
fn unlinked() -> u64 {
	use std::os::unix::fs::MetadataExt as _;
	let Ok(open) = std::fs::read_dir("/proc/self/fd") else {
		return 0;
	};
	open.flatten()
		.filter_map(|entry| std::fs::metadata(entry.path()).ok())
		.filter(|meta| meta.is_file() && meta.nlink() == 0)
		.fold(0, |sum, meta| sum.saturating_add(on_disk(&meta)))
}

/// Bytes of memory that this process has.
fn resident() -> u64 {
	let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
	let mut lines = status.lines();
	let line = lines.find_map(|line| line.strip_prefix("VmRSS:"));
	let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok());
	kib.unwrap_or(0u64).saturating_mul(1 << 10)
}

/// Whether this process takes more memory than its program may explain: there is no limit that counts what the
/// program has the runner do for it.
pub fn is_bloated(attempt: &Attempt, compiling: bool) -> bool {
	let leased = u64::from(attempt.service.unit.memory).saturating_mul(MIB);
	let least = if compiling { COMPILING } else { 0 };
	resident() > leased.max(least).saturating_add(BESIDE)
}

/// The room on disk of one attempt.
pub struct Disk<'a> {
	attempt: &'a Attempt,
	/// Bytes that never change: the module, and what was handed in.
	fixed: u64,
	begun: Instant,
	/// Bytes of its volumes as it began.
	had: Vec<u64>,
}

impl<'a> Disk<'a> {
	pub fn new(attempt: &'a Attempt, module: usize) -> Self {
		let (handed_in, _) = measure(&attempt.folder.join("in"));
		let module = u64::try_from(module).unwrap_or(u64::MAX);
		Self {
			attempt,
			fixed: handed_in.saturating_add(module),
			begun: Instant::now(),
			had: folders::sizes(&attempt.folder, &attempt.service.unit.volumes),
		}
	}

	/// Bytes of storage that are left beside what never changes; `None`: not even for that.
	pub fn room(&self) -> Option<u64> {
		self.cap().checked_sub(self.fixed)
	}

	fn cap(&self) -> u64 {
		u64::from(self.attempt.service.unit.storage).saturating_mul(MIB)
	}

	/// Whether more is taken than was leased.
	pub fn is_over(&self) -> bool {
		let folder = &self.attempt.folder;
		let used = ["out", "tmp", "logs"].map(|sub| measure(&folder.join(sub)));
		let (bytes, files) = used.iter().fold((self.fixed, 0u64), |(b, f), (c, g)| {
			(b.saturating_add(*c), f.saturating_add(*g))
		});
		let had: &[u64] = match self.begun.elapsed() < SHRINK {
			true => &self.had,
			false => &[],
		};
		bytes.saturating_add(unlinked()) > self.cap()
			|| files > MAX_FILES
			|| folders::overfull(folder, &self.attempt.service.unit.volumes, had)
	}
}

/// Bytes of memory that all instances of a service share.
#[derive(Debug)]
pub struct Room {
	used: AtomicUsize,
	cap: usize,
}

impl Room {
	/// As much as was leased.
	pub fn of(attempt: &Attempt) -> Arc<Self> {
		let bytes = u64::from(attempt.service.unit.memory).saturating_mul(MIB);
		Arc::new(Self {
			used: AtomicUsize::new(0),
			cap: usize::try_from(bytes).unwrap_or(usize::MAX),
		})
	}

	pub fn cap(&self) -> usize {
		self.cap
	}
}

/// What one instance has of it; given back when it goes.
pub struct Memory {
	room: Arc<Room>,
	mine: usize,
	/// Instances of core modules that it may be made of.
	instances: usize,
}

impl Memory {
	pub fn new(room: Arc<Room>, instances: usize) -> Self {
		Self {
			room,
			mine: 0,
			instances,
		}
	}

	fn grow(&mut self, by: usize) -> anyhow::Result<bool> {
		let cap = self.room.cap;
		let taken = |used: usize| used.checked_add(by).filter(|sum| *sum <= cap);
		let (set, get) = (Ordering::SeqCst, Ordering::SeqCst);
		if self.room.used.fetch_update(set, get, taken).is_err() {
			return Err(Stop::Memory.into());
		}
		self.mine = self.mine.saturating_add(by);
		Ok(true)
	}
}

impl Drop for Memory {
	fn drop(&mut self) {
		self.room.used.fetch_sub(self.mine, Ordering::SeqCst);
	}
}

impl ResourceLimiter for Memory {
	fn memory_growing(
		&mut self,
		current: usize,
		desired: usize,
		_maximum: Option<usize>,
	) -> anyhow::Result<bool> {
		self.grow(desired.saturating_sub(current))
	}

	fn table_growing(
		&mut self,
		current: usize,
		desired: usize,
		_maximum: Option<usize>,
	) -> anyhow::Result<bool> {
		self.grow(
			desired
				.saturating_sub(current)
				.saturating_mul(TABLE_ELEMENT),
		)
	}

	fn instances(&self) -> usize {
		self.instances
	}

	fn tables(&self) -> usize {
		16
	}

	fn memories(&self) -> usize {
		8
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn instances_share_what_was_leased_and_give_it_back() {
		let room = Arc::new(Room {
			used: AtomicUsize::new(0),
			cap: 100,
		});
		let (mut one, mut other) = (Memory::new(room.clone(), 1), Memory::new(room.clone(), 1));
		assert!(one.memory_growing(0, 60, None).unwrap());
		assert!(other.memory_growing(0, 40, None).unwrap());
		assert!(other.memory_growing(40, 41, None).is_err());
		assert!(one.table_growing(0, usize::MAX, None).is_err());
		drop(one);
		assert!(other.memory_growing(40, 100, None).unwrap());
		drop(other);
		assert_eq!(room.used.load(Ordering::SeqCst), 0);
	}
}
