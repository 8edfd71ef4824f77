//! The WASM executor: starts a runner process for each attempt, and finds it again after a restart.
//!
//! A runner holds a lock on a file of its attempt for as long as it lives, so that an attempt's
//! state can be read from the disk alone: no lock file, a held lock, or a free one with or without
//! the record of an end. A runner of a service looks itself whether it is well.

mod http;
mod limits;
mod output;
mod peers;
mod program;
mod runner;
mod share;

pub use peers::connect;
pub use runner::run;

use super::{fault, other, uptime, Attempt, End, Executor, ExecutorError, Observed};
use crate::{store::write_whole, usage::Process};
use runner::Task;
use rustix::{
	fs::{flock, FlockOperation},
	process::{kill_process, Pid, Signal},
};
use std::{
	fs::File,
	path::{Path, PathBuf},
	process::Stdio,
	sync::Arc,
	time::Duration,
};
use tokio::sync::Notify;

/// How long a runner may take to come to life.
const BIRTH: Duration = Duration::from_secs(10);

/// How long a service may take to end: the requests that it has begun, and itself.
const GRACE: Duration = http::GRACE.saturating_add(Duration::from_secs(2));

/// This program, also once another one stands in its place on disk.
const PROGRAM: &str = "/proc/self/exe";

/// Runs modules in runner processes, and wakes the loop when one ends.
pub struct Wasm(pub Arc<Notify>);

/// Whether somebody holds the lock of this file; `None` if there is no such file.
fn is_locked(path: &Path) -> std::io::Result<Option<bool>> {
	let file = match File::open(path) {
		Ok(file) => file,
		Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
		Err(error) => return Err(error),
	};
	match flock(&file, FlockOperation::NonBlockingLockShared) {
		Ok(()) => Ok(Some(false)),
		Err(rustix::io::Errno::WOULDBLOCK) => Ok(Some(true)),
		Err(error) => Err(error.into()),
	}
}

/// What is to be said of an attempt whose program has been started.
fn running(attempt: &Attempt) -> Result<Observed, ExecutorError> {
	if attempt.is_job() {
		return Ok(Observed::Running);
	}
	let since = attempt.file("running");
	if !since.exists() {
		let now = uptime().to_string();
		write_whole(&since, now.as_bytes()).map_err(fault("noting when a replica began"))?;
	}
	Ok(match attempt.file("well").exists() {
		true => Observed::Running,
		false => Observed::Unready,
	})
}

/// The locks that runners hold, of a job or a replica with this folder.
fn held(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
	let entries = match std::fs::read_dir(folder.join("run")) {
		Ok(entries) => entries,
		Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
		Err(error) => return Err(error),
	};
	let mut held = Vec::new();
	for entry in entries {
		let path = entry?.path();
		let lock = path.extension().is_some_and(|ending| ending == "lock");
		if lock && is_locked(&path)? == Some(true) {
			held.push(path);
		}
	}
	Ok(held)
}

/// The locks that runners hold, of all attempts in a lease's folder.
fn all_held(lease: &Path) -> std::io::Result<Vec<PathBuf>> {
	let mut all = held(lease)?;
	for replica in crate::members::folders(lease) {
		all.extend(held(&replica)?);
	}
	Ok(all)
}

/// Whether any runner of a lease with this folder lives.
pub fn runs(lease: &Path) -> std::io::Result<bool> {
	Ok(!all_held(lease)?.is_empty())
}

/// Ends all runners of a provider with this folder.
pub fn end_below(provider: &Path) -> anyhow::Result<()> {
	let mut ended = Ok(());
	for lease in std::fs::read_dir(provider.join("leases"))? {
		// One that cannot be ended keeps no other.
		ended = ended.and(end_all(&lease?.path()));
	}
	Ok(ended?)
}

/// Ends all runners of a lease with this folder.
pub fn end_all(lease: &Path) -> Result<(), ExecutorError> {
	for lock in all_held(lease).map_err(fault("looking for runners"))? {
		signal(&lock, Signal::KILL)?;
	}
	Ok(())
}

/// The runner of an attempt, if it lives.
pub fn process(attempt: &Attempt) -> Option<Process> {
	let lock = attempt.file("lock");
	let pid = std::fs::read_to_string(&lock).ok()?.trim().parse().ok()?;
	let process = Process::of(pid, false);
	// As long as it holds the lock the number in the file is its own.
	let lives = is_locked(&lock).is_ok_and(|locked| locked == Some(true));
	process.filter(|_| lives)
}

/// Sends a signal to the runner that holds a lock; whether there still was one.
fn signal(lock: &Path, signal: Signal) -> Result<bool, ExecutorError> {
	// As long as it holds the lock the number in the file is its own.
	let text = std::fs::read_to_string(lock).map_err(fault("reading the runner's id"))?;
	let pid = text.trim().parse().ok().filter(|pid| *pid > 1);
	let Some(pid) = pid.and_then(Pid::from_raw) else {
		let what = "reading the runner's id";
		return Err(fault(what)(std::io::ErrorKind::InvalidData.into()));
	};
	match kill_process(pid, signal) {
		Ok(()) => Ok(true),
		Err(rustix::io::Errno::SRCH) => Ok(false),
		Err(error) => Err(fault("stopping the runner")(error.into())),
	}
}

#[async_trait::async_trait]
impl Executor for Wasm {
	async fn start(&self, attempt: &Attempt) -> Result<(), ExecutorError> {
		for folder in ["run", "logs"] {
			std::fs::create_dir_all(attempt.folder.join(folder))
				.map_err(fault("making the lease's folders"))?;
		}
		// A living runner's folders are never emptied under it.
		let held = held(&attempt.folder).map_err(fault("looking for runners"))?;
		if !held.is_empty() {
			return Ok(());
		}
		let bytes = serde_json::to_vec(&Task::of(attempt))
			.map_err(|error| other("writing the runner's task", error))?;
		write_whole(&attempt.file("json"), &bytes).map_err(fault("writing the runner's task"))?;
		let log =
			File::create(attempt.file("runner.log")).map_err(fault("opening the runner's log"))?;
		let mut child = tokio::process::Command::new(PROGRAM)
			.arg("runner")
			.arg(&attempt.folder)
			.arg(attempt.number.to_string())
			.env_clear()
			.current_dir(&attempt.folder)
			.stdin(Stdio::null())
			.stdout(Stdio::null())
			.stderr(log)
			// It outlives the daemon: no signal to the daemon's group reaches it.
			.process_group(0)
			.kill_on_drop(false)
			.spawn()
			.map_err(fault("starting a runner"))?;
		let born = tokio::time::Instant::now();
		let lock = attempt.file("lock");
		while is_locked(&lock).map_err(fault("looking for the runner"))? != Some(true) {
			let ended = child.try_wait().map_err(fault("waiting for the runner"))?;
			if ended.is_some() || born.elapsed() > BIRTH {
				break;
			}
			tokio::time::sleep(Duration::from_millis(10)).await;
		}
		// Reaps the child.
		let wake = self.0.clone();
		tokio::spawn(async move {
			let _ = child.wait().await;
			wake.notify_one();
		});
		Ok(())
	}

	async fn observe(&self, attempt: &Attempt) -> Result<Observed, ExecutorError> {
		let lock = attempt.file("lock");
		match is_locked(&lock).map_err(fault("looking for the runner"))? {
			None => Ok(Observed::Absent),
			Some(true) if attempt.file("started").exists() => running(attempt),
			Some(true) => Ok(Observed::Preparing),
			Some(false) => Ok(Observed::Ended(attempt.end()?.unwrap_or_else(|| {
				let why = "the runner died without a report".to_owned();
				End::Internal { why }
			}))),
		}
	}

	async fn stop(&self, attempt: &Attempt) -> Result<bool, ExecutorError> {
		let lock = attempt.file("lock");
		if is_locked(&lock).map_err(fault("looking for the runner"))? != Some(true) {
			return Ok(true);
		}
		// A service ends what it has begun.
		let asked = attempt.file("asked");
		let since = std::fs::read_to_string(&asked).ok();
		let since = since.and_then(|text| text.parse().ok());
		let waited = since.map(|since| Duration::from_secs(uptime().saturating_sub(since)));
		let how = match (attempt.is_job(), waited) {
			(false, None) => {
				write_whole(&asked, uptime().to_string().as_bytes())
					.map_err(fault("asking a runner to end"))?;
				Signal::TERM
			}
			(false, Some(waited)) if waited < GRACE => Signal::TERM,
			_ => Signal::KILL,
		};
		let was_there = signal(&lock, how)?;
		Ok(attempt.is_job() || !was_there)
	}
}
