//! An attempt that is attended to, as others see it.

use super::{attend::Attendant, spec::Labels, Common};
use crate::executor::Attempt;
use serde::Serialize;
use std::{
	path::{Path, PathBuf},
	sync::{
		atomic::{AtomicBool, AtomicI32, AtomicU8, Ordering},
		Arc, Mutex,
	},
};
use tokio_util::sync::CancellationToken;

/// An attempt that is attended to.
pub struct Life {
	folder: PathBuf,
	lease: u64,
	service: String,
	replica: u32,
	/// Of its first process; 0 while nothing runs.
	process: AtomicI32,
	/// Of its first process, as it was last known.
	first: AtomicI32,
	/// How far the pull of its image is, percent; see [`Pull`].
	pulled: AtomicU8,
	/// Why its image was not had at the last try.
	unpulled: Mutex<Option<String>>,
	runs: AtomicBool,
	well: AtomicBool,
	over: AtomicBool,
	pub stop: CancellationToken,
}

/// What stands for no pull, and for one of which it is not told how far it is.
const NO_PULL: u8 = 255;
const UNTOLD: u8 = 254;

/// An image that is being pulled, or is to be pulled again.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Pulling {
	service: String,
	replica: u32,
	/// How far it is, if that is told.
	percent: Option<u8>,
	/// Why the last try came to nothing, until the next one is begun.
	why: Option<String>,
}

/// A pull that goes on.
pub struct Pull<'a>(&'a Life);

impl Pull<'_> {
	/// So many bytes of so many are here.
	pub fn is_at(&self, here: u64, all: u64) {
		let percent = here.saturating_mul(100).checked_div(all);
		let percent = percent.and_then(|percent| u8::try_from(percent.min(100)).ok());
		self.0
			.pulled
			.store(percent.unwrap_or(UNTOLD), Ordering::SeqCst);
	}
}

impl Drop for Pull<'_> {
	fn drop(&mut self) {
		self.0.pulled.store(NO_PULL, Ordering::SeqCst);
	}
}

/// Says that a task has ended, however it does.
struct Over(Arc<Life>, Arc<Common>);

impl Drop for Over {
	fn drop(&mut self) {
		self.0.over.store(true, Ordering::SeqCst);
		self.1.wake.notify_one();
	}
}

impl Life {
	/// Begins to attend.
	pub fn begin(common: Arc<Common>, labels: Labels, attempt: Attempt) -> Arc<Self> {
		let life = Arc::new(Self {
			folder: attempt.folder.clone(),
			lease: attempt.lease,
			service: attempt.service.name.clone(),
			replica: attempt.replica,
			process: AtomicI32::new(0),
			first: AtomicI32::new(0),
			pulled: AtomicU8::new(NO_PULL),
			unpulled: Mutex::default(),
			runs: AtomicBool::new(false),
			well: AtomicBool::new(false),
			over: AtomicBool::new(false),
			stop: CancellationToken::new(),
		});
		let over = Over(life.clone(), common);
		tokio::spawn(async move {
			Attendant::new(&over.0, &over.1, labels, attempt)
				.attend()
				.await;
		});
		life
	}

	/// The folder of its attempt.
	pub fn folder(&self) -> &Path {
		&self.folder
	}

	pub fn lease(&self) -> u64 {
		self.lease
	}

	/// Its first process, if it runs.
	pub fn process(&self) -> Option<i32> {
		let process = self.process.load(Ordering::SeqCst);
		(process > 1 && !self.is_over()).then_some(process)
	}

	/// Its image, while it is being pulled or waits for the next try.
	pub fn pull(&self) -> Option<Pulling> {
		let pulled = self.pulled.load(Ordering::SeqCst);
		let waits = pulled == NO_PULL;
		let why = self.unpulled().filter(|_| waits);
		let pulls = (!waits || why.is_some()) && !self.is_over();
		pulls.then(|| Pulling {
			service: self.service.clone(),
			replica: self.replica,
			percent: (pulled <= 100).then_some(pulled),
			why,
		})
	}

	/// What is to be said of it, if its image has not come and its lease ends.
	pub fn not_had(&self) -> Option<String> {
		let pull = self.pull()?;
		let why = self.unpulled().map(|why| format!(": {why}"));
		let why = why.unwrap_or_default();
		Some(format!(
			"the image of `{}` has not come in time{why}",
			pull.service
		))
	}

	/// Why its image was not had at the last try, until it is.
	pub fn unpulled(&self) -> Option<String> {
		self.unpulled.lock().ok()?.clone()
	}

	/// Its image was not had at this try, or was.
	pub fn has_tried(&self, why_not: Option<String>) {
		if let Ok(mut unpulled) = self.unpulled.lock() {
			*unpulled = why_not;
		}
	}

	/// Its image is being pulled, until what is returned goes.
	pub fn begin_pull(&self) -> Pull<'_> {
		self.pulled.store(UNTOLD, Ordering::SeqCst);
		Pull(self)
	}

	/// The tenant's program has been started: its first process.
	pub fn has_begun(&self, process: i32) {
		self.process.store(process, Ordering::SeqCst);
		self.first.store(process, Ordering::SeqCst);
		self.runs.store(true, Ordering::SeqCst);
	}

	/// It is looked whether it runs still: until that is known, no process is its first.
	pub fn is_looked_at(&self) {
		self.process.store(0, Ordering::SeqCst);
	}

	/// The engine cannot be asked: what has no first process any more does not run.
	pub fn is_not_told_of(&self) {
		let first = self.first.load(Ordering::SeqCst);
		if !Path::new("/proc").join(first.to_string()).exists() {
			self.runs.store(false, Ordering::SeqCst);
			self.well.store(false, Ordering::SeqCst);
		}
	}

	/// Whether the tenant's program runs.
	pub fn runs(&self) -> bool {
		self.runs.load(Ordering::SeqCst)
	}

	/// Whether it has been found well since.
	pub fn has_been_well(&self) -> bool {
		self.well.load(Ordering::SeqCst)
	}

	/// It is found well.
	pub fn is_well(&self) {
		self.well.store(true, Ordering::SeqCst);
	}

	pub fn is_over(&self) -> bool {
		self.over.load(Ordering::SeqCst)
	}

	/// Has the container killed and removed.
	pub fn stop(&self) {
		self.stop.cancel();
	}
}
