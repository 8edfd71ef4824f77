//! The runner: the process in which one attempt's module is compiled and run.
//!
//! It has no keys, no store and no environment; it sees the lease's own folder only. It limits its own
//! files, time and memory, writes the program's output to the lease's log, and its end to a file.
//!
//! What it notes beside the attempt: `lock` (its process, held for as long as it lives), `started` (the tenant's
//! code runs), `well` (a service was found well) and `end`.

use super::{
	super::{folders, health::STEADY, module_path, Attempt, End, Port},
	limits::{is_bloated, limit_self, Disk},
	output::LogStream,
	program::execute,
	share::{computed, is_beside, LITTLE},
};
use crate::{log::LogWriter, store::write_whole};
use leasehold_manifest::{Decode, Encode, Service};
use rustix::fs::{flock, FlockOperation};
use serde::{Deserialize, Serialize};
use std::{
	fs::File,
	io::{Error, Write as _},
	path::Path,
	sync::{
		mpsc::{channel, RecvTimeoutError},
		Arc, Mutex,
	},
	time::{Duration, Instant},
};

/// How often limits are looked at.
const LOOK: Duration = Duration::from_millis(100);
/// How often the disk is measured under a service, in looks.
const MEASURE: u32 = 10;
/// What has computed less than [`LITTLE`] since it was looked at cannot have taken much meanwhile, and is looked at once
/// in so many looks only.
const IDLE: u32 = 100;
/// How long a module may take to be compiled.
const PREPARE: Duration = Duration::from_secs(120);
/// How long a look at the lock may be in the way.
const LOCK_PATIENCE: Duration = Duration::from_secs(2);

/// Of a task.
const VERSION: u32 = 2;

/// What a runner is told to do.
#[derive(Debug, Serialize, Deserialize)]
pub struct Task {
	version: u32,
	lease: u64,
	replica: u32,
	/// As the manifest has it; hexadecimal.
	service: String,
	/// Of this machine.
	ports: Vec<Port>,
}

impl Task {
	/// The task for an attempt.
	pub fn of(attempt: &Attempt) -> Self {
		Self {
			version: VERSION,
			lease: attempt.lease,
			replica: attempt.replica,
			service: hex::encode(attempt.service.encode()),
			ports: attempt.ports.clone(),
		}
	}

	fn attempt(self, folder: &Path, number: u32) -> std::io::Result<Attempt> {
		if self.version != VERSION {
			let why = format!("a task of version {} is of another daemon", self.version);
			return Err(Error::other(why));
		}
		let bytes = hex::decode(&self.service).map_err(Error::other)?;
		let service = Service::decode(&mut bytes.as_slice()).map_err(Error::other)?;
		Ok(Attempt {
			lease: self.lease,
			// Nobody asks a runner for it.
			manifest_hash: [0; 32],
			replica: self.replica,
			number,
			folder: folder.to_owned(),
			service,
			ports: self.ports,
			devices: Vec::new(),
		})
	}
}

/// Runs one attempt in this process, and says how it ended in the attempt's file.
pub fn run(folder: &Path, number: u32) -> std::io::Result<()> {
	let file = |ending: &str| folder.join("run").join(format!("{number}.{ending}"));
	// Not truncated before it is ours: another runner's number may stand in it.
	let mut lock = File::options()
		.create(true)
		.truncate(false)
		.write(true)
		.open(file("lock"))?;
	take_lock(&lock)?;
	lock.set_len(0)?;
	write!(lock, "{}", std::process::id())?;
	lock.sync_all()?;
	let task: Task = serde_json::from_slice(&std::fs::read(file("json"))?)?;
	let attempt = task.attempt(folder, number)?;
	let end = to_its_end(&attempt).unwrap_or_else(|error| End::Internal {
		why: error.to_string(),
	});
	write_whole(&file("end"), &serde_json::to_vec(&end)?)?;
	// The module may still sit in a host call that nothing interrupts.
	std::process::exit(0)
}

/// Notes that a service has been found well.
pub fn note_well(attempt: &Attempt) -> std::io::Result<()> {
	let well = attempt.file("well");
	match well.exists() {
		true => Ok(()),
		false => write_whole(&well, b""),
	}
}

fn take_lock(lock: &File) -> std::io::Result<()> {
	let begun = Instant::now();
	loop {
		match flock(lock, FlockOperation::NonBlockingLockExclusive) {
			Ok(()) => return Ok(()),
			Err(error) if begun.elapsed() > LOCK_PATIENCE => return Err(error.into()),
			Err(_) => std::thread::sleep(Duration::from_millis(5)),
		}
	}
}

/// Has writes beyond the largest file fail, in place of ending this process: then the look at the disk says why.
fn outlive_large_files() -> std::io::Result<()> {
	use tokio::signal::unix::{signal, SignalKind};
	const SIGXFSZ: i32 = 25;
	let runtime = tokio::runtime::Builder::new_current_thread()
		.enable_io()
		.build()?;
	// What tokio has once caught it catches for good.
	runtime.block_on(async { signal(SignalKind::from_raw(SIGXFSZ)).map(|_| ()) })
}

/// Makes the folders anew, but for what outlives an attempt.
fn make_folders(attempt: &Attempt) -> std::io::Result<()> {
	folders::empty(attempt).map_err(Error::other)?;
	let places = folders::places(attempt, &[]).map_err(Error::other)?;
	folders::make(attempt, &places, None).map_err(Error::other)
}

fn read_module(attempt: &Attempt) -> std::io::Result<Vec<u8>> {
	let module = attempt.service.module();
	let module = module.ok_or_else(|| Error::other("the service runs no module"))?;
	std::fs::read(module_path(
		attempt.lease_folder(),
		attempt.service.kind,
		module,
	))
}

/// What is looked at when.
#[derive(Default)]
struct Looks {
	count: u32,
	/// What the program had computed when its memory was looked at last.
	computed: Duration,
	/// Whether the disk has been measured since.
	measured: bool,
}

struct Look {
	memory: bool,
	disk: bool,
}

impl Looks {
	fn next(&mut self, computed: Duration, compiling: bool, job: bool) -> Look {
		self.count = self.count.wrapping_add(1);
		let idle = computed.saturating_sub(self.computed) < LITTLE;
		let memory = compiling || !idle || self.count.is_multiple_of(IDLE);
		if memory {
			(self.computed, self.measured) = (computed, false);
		}
		let disk = !self.measured && (job || self.count.is_multiple_of(MEASURE));
		self.measured |= disk;
		Look { memory, disk }
	}
}

fn to_its_end(attempt: &Attempt) -> std::io::Result<End> {
	outlive_large_files()?;
	make_folders(attempt)?;
	limit_self(attempt)?;
	let module = read_module(attempt)?;
	let disk = Disk::new(attempt, module.len());
	let Some(room) = disk.room() else {
		return Ok(End::StorageLimit);
	};
	let log = Arc::new(Mutex::new(LogWriter::of(attempt)?));
	let output = LogStream::both(&log, attempt.is_job(), room);
	let (sender, receiver) = channel();
	let task = attempt.clone();
	std::thread::Builder::new()
		.name("module".into())
		.spawn(move || {
			let _ = sender.send(execute(&task, &module, output));
		})?;
	let born = Instant::now();
	let mut started: Option<Instant> = None;
	// Of a job.
	let limit = attempt.service.max_duration;
	let limit = Duration::from_secs(limit.min(leasehold_manifest::MAX_SECONDS));
	let is_quiet = !attempt.is_job() && attempt.service.health.is_none();
	let mut looks = Looks::default();
	loop {
		match receiver.recv_timeout(LOOK) {
			Ok(end) => return Ok(end),
			Err(RecvTimeoutError::Disconnected) => {
				return Ok(End::Crashed {
					why: "the runner's thread ended".into(),
				})
			}
			Err(RecvTimeoutError::Timeout) => {}
		}
		if started.is_none() && attempt.file("started").exists() {
			started = Some(Instant::now());
		}
		is_beside();
		let looks_at = looks.next(computed(), started.is_none(), attempt.is_job());
		let bloated = looks_at.memory && is_bloated(attempt, started.is_none());
		match started {
			None if bloated => {
				let why = "it takes too much memory to compile".into();
				return Ok(End::Invalid { why });
			}
			Some(_) if bloated => return Ok(End::MemoryLimit),
			None if born.elapsed() > PREPARE => {
				return Ok(End::Invalid {
					why: format!("it took longer than {PREPARE:?} to compile"),
				});
			}
			None => {}
			Some(since) if attempt.is_job() && since.elapsed() >= limit => {
				return Ok(End::TimeLimit);
			}
			// What is asked whether it is well says so itself.
			Some(since) if is_quiet && since.elapsed() >= STEADY => note_well(attempt)?,
			Some(_) => {}
		}
		if looks_at.disk && disk.is_over() {
			return Ok(End::StorageLimit);
		}
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	/// How often memory and disk are looked at in so many looks, if so much is computed before each.
	fn counted(times: u32, each: Duration, job: bool) -> (usize, usize) {
		let mut looks = Looks::default();
		let all = (1..=times).map(|n| looks.next(each * n, false, job));
		all.fold((0, 0), |(memory, disk), look| {
			(
				memory + usize::from(look.memory),
				disk + usize::from(look.disk),
			)
		})
	}

	#[test]
	fn what_computes_is_looked_at_each_time() {
		assert_eq!(counted(50, LITTLE, true), (50, 50));
		assert_eq!(counted(50, LITTLE, false), (50, 5));
	}

	#[test]
	fn a_trickle_adds_up() {
		// The disk once more, as it begins.
		assert_eq!(counted(2_000, LITTLE / 50, true), (40, 41));
		assert_eq!(counted(2_000, Duration::ZERO, true), (20, 21));
		assert_eq!(counted(2_000, Duration::ZERO, false), (20, 21));
	}

	#[test]
	fn what_is_written_between_two_measurements_is_measured() {
		let mut looks = Looks::default();
		let first = looks.next(LITTLE, false, false);
		assert!(first.memory && !first.disk);
		let rest: Vec<_> = (2..=20).map(|_| looks.next(LITTLE, false, false)).collect();
		assert!(rest.iter().all(|look| !look.memory));
		let measured: Vec<_> = (2..=20)
			.zip(&rest)
			.filter(|(_, look)| look.disk)
			.map(|(n, _)| n)
			.collect();
		assert_eq!(measured, [10]);
	}
}
