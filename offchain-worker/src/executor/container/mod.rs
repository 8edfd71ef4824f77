//! The container executor: Docker or Podman, by the Docker API.
//!
//! Each attempt has one container, found again by its name. While the daemon lives a task attends to it: pulls
//! the image, makes and starts the container, writes its output to the lease's log, stops it at its limits and
//! writes down how it ended. Each of these steps can be taken again: a daemon that comes back goes on where the
//! last one stopped.
//!
//! A job sees `/in` (read-only), `/out` and `/tmp`, which are folders of the lease; the image is read-only, and
//! there is no network.

mod engine;
mod image;
mod life;

pub use image::Image;

use super::{Attempt, End, Executor, ExecutorError, Observed};
use crate::{fetch::Rule, store::write_whole};
use engine::{Engine, Labels};
use leasehold_client::H256;
use life::Life;
use std::{
	collections::HashMap,
	sync::{Arc, Mutex},
};

/// What all attempts share.
struct Common {
	engine: Engine,
	rule: Rule,
}

/// Runs images in containers.
pub struct Container {
	common: Arc<Common>,
	/// Whose objects these are.
	genesis: H256,
	provider: u32,
	/// Attempts that are attended to, by the names of their containers.
	lives: Mutex<HashMap<String, Arc<Life>>>,
}

fn fault(what: &'static str) -> impl Fn(std::io::Error) -> ExecutorError {
	move |source| ExecutorError { what, source }
}

/// The end that is written down of an attempt.
fn written_end(attempt: &Attempt) -> Result<Option<End>, ExecutorError> {
	match std::fs::read(attempt.file("end")) {
		Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes).unwrap_or_else(
			|error| End::Internal {
				why: format!("the report of its end is damaged: {error}"),
			},
		))),
		Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
		Err(error) => Err(fault("reading how an attempt ended")(error)),
	}
}

fn write_end(attempt: &Attempt, end: &End) -> std::io::Result<()> {
	write_whole(&attempt.file("end"), &serde_json::to_vec(end)?)
}

impl Container {
	/// The executor on the engine behind a socket. The engine need not be there yet.
	pub fn new(
		socket: &std::path::Path,
		runtime: Option<String>,
		rule: Rule,
		genesis: H256,
		provider: u32,
	) -> Self {
		Self {
			common: Arc::new(Common {
				engine: Engine::new(socket, runtime),
				rule,
			}),
			genesis,
			provider,
			lives: Mutex::default(),
		}
	}

	/// What the engine calls itself.
	pub async fn engine(&self) -> Result<String, ExecutorError> {
		self.common.engine.describe().await
	}

	fn labels(&self, attempt: &Attempt) -> Labels {
		Labels::new(self.genesis, self.provider, attempt)
	}

	/// The task that attends to an attempt, if there is one.
	fn life(&self, name: &str) -> Option<Arc<Life>> {
		let mut lives = self.lives.lock().ok()?;
		lives.retain(|_, life| !life.is_over());
		lives.get(name).cloned()
	}

	/// Whether some attempt of a lease is attended to.
	fn is_attended(&self, lease: u64) -> bool {
		self.lives.lock().map_or(true, |lives| {
			lives
				.values()
				.any(|life| life.lease() == lease && !life.is_over())
		})
	}

	/// Attends to an attempt from now on.
	fn attend(&self, labels: Labels, attempt: &Attempt) {
		let Ok(mut lives) = self.lives.lock() else {
			return;
		};
		let name = labels.name();
		if lives.get(&name).is_none_or(|life| life.is_over()) {
			lives.insert(
				name,
				Life::begin(self.common.clone(), labels, attempt.clone()),
			);
		}
	}
}

#[async_trait::async_trait]
impl Executor for Container {
	async fn start(&self, attempt: &Attempt) -> Result<(), ExecutorError> {
		let labels = self.labels(attempt);
		// What runs never has its folders emptied under it.
		if self.is_attended(attempt.lease) {
			return Ok(());
		}
		for other in self.common.engine.others(&labels).await? {
			self.common.engine.remove(&other).await?;
		}
		let what = "making the lease's folders";
		for folder in ["run", "in", "out", "tmp", "logs"] {
			std::fs::create_dir_all(attempt.folder.join(folder)).map_err(fault(what))?;
		}
		// What has begun keeps its files.
		if !attempt.file("started").exists() {
			for folder in ["out", "tmp"] {
				let path = attempt.folder.join(folder);
				std::fs::remove_dir_all(&path)
					.and_then(|()| std::fs::create_dir(&path))
					.and_then(|()| open_to_all(&path))
					.map_err(fault("emptying the lease's folders"))?;
			}
		}
		write_whole(&attempt.file("json"), b"{\"version\":1}").map_err(fault(what))?;
		self.attend(labels, attempt);
		Ok(())
	}

	async fn observe(&self, attempt: &Attempt) -> Result<Observed, ExecutorError> {
		if let Some(end) = written_end(attempt)? {
			return Ok(Observed::Ended(end));
		}
		let labels = self.labels(attempt);
		if let Some(life) = self.life(&labels.name()) {
			return Ok(match life.runs() {
				true => Observed::Running,
				false => Observed::Preparing,
			});
		}
		// It may have ended between the two looks.
		if let Some(end) = written_end(attempt)? {
			return Ok(Observed::Ended(end));
		}
		let started = attempt.file("started").exists();
		match self.common.engine.state(&labels.name()).await? {
			None if !started => Ok(Observed::Absent),
			state => {
				// Begun by an earlier life of the daemon.
				self.attend(labels, attempt);
				Ok(match state {
					Some(state) if state.runs => Observed::Running,
					_ => Observed::Preparing,
				})
			}
		}
	}

	async fn stop(&self, attempt: &Attempt) -> Result<(), ExecutorError> {
		let name = self.labels(attempt).name();
		if let Some(life) = self.life(&name) {
			life.stop();
			return Ok(());
		}
		self.common.engine.remove(&name).await
	}
}

/// Lets the image's user write into a folder, whoever that is; the lease's own folder keeps others out.
fn open_to_all(path: &std::path::Path) -> std::io::Result<()> {
	use std::os::unix::fs::PermissionsExt as _;
	std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o777))
}
