//! The WASM executor: starts a runner process for each attempt, and finds it again after a restart.
//!
//! A runner holds a lock on a file of its attempt for as long as it lives, so that an attempt's
//! state can be read from the disk alone: no lock file, a held lock, or a free one with or without
//! the record of an end.

use super::{fault, runner::Spec, Attempt, End, Executor, ExecutorError, Observed};
use crate::store::write_whole;
use rustix::{
	fs::{flock, FlockOperation},
	process::{kill_process, Pid, Signal},
};
use std::{
	fs::File,
	os::unix::process::ExitStatusExt as _,
	path::{Path, PathBuf},
	process::Stdio,
	time::Duration,
};

/// How long a runner may take to come to life.
const BIRTH: Duration = Duration::from_secs(10);

/// Runs modules in runner processes.
pub struct Wasm {
	/// This program.
	program: PathBuf,
}

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

impl Wasm {
	/// The executor that starts runners of this very program.
	pub fn new() -> std::io::Result<Self> {
		Ok(Self {
			program: std::env::current_exe()?,
		})
	}

	/// Whether any attempt of the lease has a living runner.
	fn any_alive(&self, attempt: &Attempt) -> Result<bool, ExecutorError> {
		let what = "looking for runners";
		let entries = std::fs::read_dir(attempt.folder.join("run")).map_err(fault(what))?;
		for entry in entries {
			let path = entry.map_err(fault(what))?.path();
			let lock = path.extension().is_some_and(|ending| ending == "lock");
			if lock && is_locked(&path).map_err(fault(what))? == Some(true) {
				return Ok(true);
			}
		}
		Ok(false)
	}
}

#[async_trait::async_trait]
impl Executor for Wasm {
	async fn start(&self, attempt: &Attempt) -> Result<(), ExecutorError> {
		for folder in ["run", "in", "out", "tmp", "logs"] {
			std::fs::create_dir_all(attempt.folder.join(folder))
				.map_err(fault("making the lease's folders"))?;
		}
		// A living runner's folders are never emptied under it.
		if self.any_alive(attempt)? {
			return Ok(());
		}
		for folder in ["out", "tmp"] {
			let path = attempt.folder.join(folder);
			std::fs::remove_dir_all(&path)
				.and_then(|()| std::fs::create_dir(&path))
				.map_err(fault("emptying the lease's folders"))?;
		}
		let spec = Spec::of(attempt);
		let bytes = serde_json::to_vec_pretty(&spec).map_err(|error| ExecutorError {
			what: "writing the runner's task",
			source: error.into(),
		})?;
		write_whole(&attempt.file("json"), &bytes).map_err(fault("writing the runner's task"))?;
		let log =
			File::create(attempt.file("runner.log")).map_err(fault("opening the runner's log"))?;
		let mut child = tokio::process::Command::new(&self.program)
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
		let end = attempt.file("end");
		tokio::spawn(async move {
			// Reaps the child; a runner that was killed for its file size could not say so itself.
			let Ok(status) = child.wait().await else {
				return;
			};
			const SIGXFSZ: i32 = 25;
			if status.signal() == Some(SIGXFSZ) && !end.exists() {
				if let Ok(bytes) = serde_json::to_vec(&End::StorageLimit) {
					let _ = write_whole(&end, &bytes);
				}
			}
		});
		Ok(())
	}

	async fn observe(&self, attempt: &Attempt) -> Result<Observed, ExecutorError> {
		let lock = attempt.file("lock");
		match is_locked(&lock).map_err(fault("looking for the runner"))? {
			None => Ok(Observed::Absent),
			Some(true) if attempt.file("started").exists() => Ok(Observed::Running),
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
		// The runner holds the lock, so the number in its file is still its own.
		let text = std::fs::read_to_string(&lock).map_err(fault("reading the runner's id"))?;
		let Some(pid) = text
			.trim()
			.parse()
			.ok()
			.filter(|pid| *pid > 1)
			.and_then(Pid::from_raw)
		else {
			let what = "reading the runner's id";
			return Err(fault(what)(std::io::ErrorKind::InvalidData.into()));
		};
		match kill_process(pid, Signal::KILL) {
			Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(true),
			Err(error) => Err(fault("stopping the runner")(error.into())),
		}
	}
}
