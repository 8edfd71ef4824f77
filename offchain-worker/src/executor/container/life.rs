//! The task that attends to one attempt.
//!
//! What it notes beside the attempt: `started` (the boot of the machine in which it was started; written before
//! the start), `running` (when it was first seen to run), `limit` (the limit for which it is killed; written
//! before the kill), `from` (the log's record with which its output begins), `image` (what was pulled for it) and
//! `end`, once nothing runs any more.

use super::{
	engine::{PullError, Stage, State},
	folders, note, noted,
	output::Log,
	spec::Labels,
	Common, Image,
};
use crate::{
	executor::{fault, runner::MAX_FILES, Attempt, End, ExecutorError},
	reconcile::unix_now,
};
use futures::StreamExt as _;
use std::{
	sync::{
		atomic::{AtomicBool, Ordering},
		Arc,
	},
	time::Duration,
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

const MIB: u64 = 1 << 20;
/// How often limits are looked at.
const LOOK: Duration = Duration::from_secs(1);
/// How long to wait before a step that failed is tried again, at first and at most.
const RETRY: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(10));
/// How often a step other than the pull is tried before the machine counts as failing.
const TRIES: u32 = 10;
/// How long the image may take, with all tries: less than a lease may wait for its start.
const PULL: Duration = Duration::from_secs(300);
/// How long it may take to read what an ended container has written.
const DRAIN: Duration = Duration::from_secs(120);
/// Exit code of what was killed by signal 9.
const KILLED: i64 = 137;

/// An attempt that is attended to.
pub struct Life {
	lease: u64,
	runs: AtomicBool,
	over: AtomicBool,
	stop: CancellationToken,
}

/// What comes after a step.
enum Step {
	Again,
	/// It is over, and how.
	End(End),
	/// It was stopped from outside: nobody asks how it ended.
	Stopped,
}

/// Says that a task has ended, however it does.
struct Over(Arc<Life>);

impl Drop for Over {
	fn drop(&mut self) {
		self.0.over.store(true, Ordering::SeqCst);
	}
}

impl Life {
	/// Begins to attend.
	pub fn begin(common: Arc<Common>, labels: Labels, attempt: Attempt) -> Arc<Self> {
		let life = Arc::new(Self {
			lease: attempt.lease,
			runs: AtomicBool::new(false),
			over: AtomicBool::new(false),
			stop: CancellationToken::new(),
		});
		let over = Over(life.clone());
		tokio::spawn(async move {
			let name = labels.name();
			Attendant {
				life: &over.0,
				common: &common,
				labels,
				name,
				attempt,
				tries: 0,
				born: Instant::now(),
			}
			.attend()
			.await;
		});
		life
	}

	/// Whose attempt it is.
	pub fn lease(&self) -> u64 {
		self.lease
	}

	/// Whether the tenant's program has been started.
	pub fn runs(&self) -> bool {
		self.runs.load(Ordering::SeqCst)
	}

	pub fn is_over(&self) -> bool {
		self.over.load(Ordering::SeqCst)
	}

	/// Has the container killed and removed.
	pub fn stop(&self) {
		self.stop.cancel();
	}
}

struct Attendant<'a> {
	life: &'a Life,
	common: &'a Common,
	labels: Labels,
	name: String,
	attempt: Attempt,
	/// Failures since something went well.
	tries: u32,
	born: Instant,
}

/// What tells one boot of the machine from another.
fn boot() -> String {
	let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id");
	id.unwrap_or_default().trim().to_owned()
}

fn other(
	what: &'static str,
	why: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> ExecutorError {
	fault(what)(std::io::Error::other(why))
}

impl Attendant<'_> {
	async fn attend(mut self) {
		let mut wait = RETRY.0;
		loop {
			let step = match self.life.stop.is_cancelled() {
				true => self.stopped().await,
				false => self.step().await,
			};
			let result = match step {
				Ok(Step::Again) => {
					wait = RETRY.0;
					continue;
				}
				Ok(Step::Stopped) => return,
				Ok(Step::End(end)) => self.ended(&end).await,
				Err(error) => Err(error),
			};
			let Err(error) = result else { return };
			// The engine is started anew, or the disk is full: it is tried until it comes through.
			tracing::warn!(lease = self.attempt.lease, %error, "the container waits");
			tokio::select! {
				() = tokio::time::sleep(wait) => {},
				() = self.life.stop.cancelled(), if !self.life.stop.is_cancelled() => {},
			}
			wait = wait.saturating_mul(2).min(RETRY.1);
		}
	}

	/// Takes the next step, from wherever the attempt stands.
	async fn step(&mut self) -> Result<Step, ExecutorError> {
		let internal = |why: &str| Ok(Step::End(End::Internal { why: why.into() }));
		let started = noted(&self.attempt, "started")?;
		let state = self.common.engine.state(&self.labels).await?;
		let Some(state) = state else {
			return match started {
				Some(_) => internal("its container was removed by another hand"),
				None => self.make().await,
			};
		};
		// Engines forget over a restart of the machine whether a container ran, and how it ended.
		if started.is_some_and(|boot_then| boot_then != boot()) {
			return internal("the machine was restarted");
		}
		match &state.stage {
			Stage::Fresh => self.start().await,
			Stage::Runs => self.watch(&state).await,
			Stage::Exited => {
				if let Err(error) = self.drain().await {
					self.failed(error)?;
				}
				Ok(Step::End(self.how_it_ended(&state)?))
			}
			Stage::Other(stage) => {
				let error = other("looking at a container", format!("it is {stage}"));
				self.failed(error)?;
				internal(&format!("its container is {stage}"))
			}
		}
	}

	/// Something that may come right has failed once more: an error, until that was too often.
	fn failed(&mut self, error: ExecutorError) -> Result<(), ExecutorError> {
		self.tries = self.tries.saturating_add(1);
		match self.tries < TRIES {
			true => Err(error),
			false => Ok(()),
		}
	}

	/// Pulls the image and makes the container.
	async fn make(&mut self) -> Result<Step, ExecutorError> {
		let engine = &self.common.engine;
		let invalid = |why: String| Ok(Step::End(End::Invalid { why }));
		let image = match Image::of(&self.attempt.service.program) {
			Ok(image) => image,
			Err(why) => return invalid(why),
		};
		let lease = self.attempt.lease;
		for (of, name) in engine
			.ours(self.labels.genesis, self.labels.provider)
			.await?
		{
			if of == lease && name != self.name {
				engine.remove(&name).await?;
			}
		}
		folders::empty(&self.attempt)?;
		let before = engine.image(&image.name).await?;
		let time = PULL.saturating_sub(self.born.elapsed());
		let pulled = tokio::select! {
			pulled = self.pull(&image, time) => pulled,
			() = self.life.stop.cancelled() => return Ok(Step::Again),
		};
		match pulled {
			Ok(()) => {}
			Err(PullError::Refused(why)) => return invalid(why),
			Err(PullError::Failed(why)) if self.born.elapsed() < PULL => {
				return Err(other("pulling the image", why));
			}
			Err(PullError::Failed(why)) => {
				tracing::warn!(lease, image = image.name, why, "the image cannot be pulled");
				let minutes = PULL.as_secs() / 60;
				return invalid(format!(
					"the image could not be had within {minutes} minutes"
				));
			}
		}
		let found = engine.image(&image.name).await?;
		let found = found.ok_or_else(|| other("looking at an image", "it is gone"))?;
		// Removed afterwards, unless somebody else has put it there.
		if before.is_none_or(|before| before.id != found.id) {
			note(&self.attempt, "image", &found.id)?;
		}
		let ours = match std::env::consts::ARCH {
			"x86_64" => "amd64",
			"aarch64" => "arm64",
			other => other,
		};
		if found.architecture != ours {
			return invalid(format!(
				"the image is for {}, this machine is {ours}",
				found.architecture
			));
		}
		if found.bytes > self.common.largest_image {
			return invalid(format!(
				"the image has {} MiB, at most {} are taken",
				found.bytes / MIB,
				self.common.largest_image / MIB
			));
		}
		let volumes = match folders::volumes(&found.volumes) {
			Ok(volumes) => volumes,
			Err(why) => return invalid(why),
		};
		folders::make(&self.attempt, &volumes)?;
		tracing::info!(
			lease,
			image = image.name,
			id = found.id,
			digests = found.digests,
			"pulled"
		);
		let made = engine.create(&self.labels, &found.id, &self.attempt, &volumes);
		match made.await? {
			Ok(()) => Ok(Step::Again),
			Err(why) => self.refused("making the container", why),
		}
	}

	async fn pull(&self, image: &Image, time: Duration) -> Result<(), PullError> {
		let lease = self.attempt.lease;
		let pull = async {
			match self.common.rule.check(image.address()).await {
				Ok(()) => {}
				Err(why) if why.may_pass() => return Err(PullError::Failed(why.to_string())),
				Err(why) => return Err(PullError::Refused(why.to_string())),
			}
			tracing::info!(lease, image = image.name, "pulling");
			let say = |status: &str| tracing::debug!(lease, "{}", status.trim());
			let largest = self.common.largest_image;
			self.common.engine.pull(image, largest, say).await
		};
		match tokio::time::timeout(time, pull).await {
			Ok(pulled) => pulled,
			Err(_) => Err(PullError::Failed("it takes too long".into())),
		}
	}

	/// The engine refuses to make or to start the container.
	fn refused(&mut self, what: &'static str, why: String) -> Result<Step, ExecutorError> {
		let lease = self.attempt.lease;
		if is_of_the_image(&why) {
			tracing::info!(lease, why, "the command cannot be started");
			let why = "its command is not in the image, or cannot be started there".into();
			return Ok(Step::End(End::Invalid { why }));
		}
		self.failed(other(what, why.clone()))?;
		tracing::warn!(lease, why, "the engine refuses the container for good");
		let why = format!("the engine failed at {what}");
		Ok(Step::End(End::Internal { why }))
	}

	/// Starts what was made. It is noted first: an attempt never runs twice.
	async fn start(&mut self) -> Result<Step, ExecutorError> {
		note(&self.attempt, "started", &boot())?;
		match self.common.engine.start(&self.name).await? {
			Ok(()) => {
				self.tries = 0;
				Ok(Step::Again)
			}
			Err(why) => self.refused("starting the container", why),
		}
	}

	/// Follows the output of what runs, and its limits, until it ends.
	async fn watch(&mut self, state: &State) -> Result<Step, ExecutorError> {
		self.life.runs.store(true, Ordering::SeqCst);
		let since = noted(&self.attempt, "running")?.and_then(|text| text.parse().ok());
		let since = match since {
			Some(since) => since,
			None => {
				let now = unix_now();
				note(&self.attempt, "running", &now.to_string())?;
				now
			}
		};
		if let Some(limit) = self.limit()? {
			return Ok(Step::End(limit));
		}
		let mut log = Log::open(&self.attempt)?;
		let mut output = self.common.engine.output(&self.name, true).await?;
		let mut met = 0u64;
		let mut look = tokio::time::interval(LOOK);
		loop {
			tokio::select! {
				biased;
				() = self.life.stop.cancelled() => return Ok(Step::Again),
				_ = look.tick() => {
					if let Some(end) = self.beyond(state, since).await? {
						let text = serde_json::to_string(&end).map_err(|error| other("noting a limit", error))?;
						note(&self.attempt, "limit", &text)?;
						return Ok(Step::End(end));
					}
				}
				next = output.next() => match next {
					Some(Ok((stream, bytes))) => {
						log.take(&mut met, stream, &bytes)?;
						self.tries = 0;
					}
					Some(Err(_)) | None => {
						// It has ended, or the engine has: whichever, the next look tells.
						drop(log);
						tokio::time::sleep(RETRY.0).await;
						return Ok(Step::Again);
					}
				},
			}
		}
	}

	/// Writes what an ended container has written and is not in the lease's log yet.
	async fn drain(&self) -> Result<(), ExecutorError> {
		let late = |_| other("reading a container's output", "it takes too long");
		tokio::time::timeout(DRAIN, self.read_on())
			.await
			.map_err(late)?
	}

	async fn read_on(&self) -> Result<(), ExecutorError> {
		let mut log = Log::open(&self.attempt)?;
		let mut output = self.common.engine.output(&self.name, false).await?;
		let mut met = 0;
		while let Some(next) = output.next().await {
			let (stream, bytes) =
				next.map_err(|error| other("reading a container's output", error))?;
			log.take(&mut met, stream, &bytes)?;
		}
		Ok(())
	}

	fn limit(&self) -> Result<Option<End>, ExecutorError> {
		let noted = noted(&self.attempt, "limit")?;
		Ok(noted.and_then(|text| serde_json::from_str(&text).ok()))
	}

	/// The limit that a job, running since `since`, has passed, if it has.
	async fn beyond(&self, state: &State, since: u64) -> Result<Option<End>, ExecutorError> {
		let service = &self.attempt.service;
		let limit = service.max_duration.min(leasehold_manifest::MAX_SECONDS);
		if unix_now().saturating_sub(since) >= limit {
			return Ok(Some(End::TimeLimit));
		}
		let (folder, pid, file) = (self.attempt.folder.clone(), state.pid, state.log.clone());
		let used = tokio::task::spawn_blocking(move || folders::used(&folder, pid, &file));
		let (bytes, files) = used
			.await
			.map_err(|error| other("measuring a lease", error))?;
		let cap = u64::from(service.unit.storage).saturating_mul(MIB);
		Ok((bytes > cap || files > MAX_FILES).then_some(End::StorageLimit))
	}

	fn how_it_ended(&self, state: &State) -> Result<End, ExecutorError> {
		if let Some(limit) = self.limit()? {
			return Ok(limit);
		}
		Ok(match state.exit_code {
			0 => End::Exited { code: 0 },
			_ if state.out_of_memory => End::MemoryLimit,
			// Not every engine tells why something was killed.
			KILLED => End::MemoryLimit,
			code => End::Exited {
				code: i32::try_from(code).unwrap_or(-1),
			},
		})
	}

	/// Ends what may still run, removes the container and what was pulled for it, and writes down how it ended.
	async fn ended(&self, end: &End) -> Result<(), ExecutorError> {
		self.end_it().await?;
		// The first word stands.
		if self.attempt.end()?.is_none() {
			let text =
				serde_json::to_string(end).map_err(|error| other("writing an end", error))?;
			note(&self.attempt, "end", &text)?;
		}
		self.clear().await
	}

	/// Kills the container if it runs, and takes what it wrote last.
	async fn end_it(&self) -> Result<(), ExecutorError> {
		let engine = &self.common.engine;
		let runs = |state: &State| matches!(state.stage, Stage::Runs);
		if !engine.state(&self.labels).await?.as_ref().is_some_and(runs) {
			return Ok(());
		}
		engine.kill(&self.name).await?;
		if engine.state(&self.labels).await?.as_ref().is_some_and(runs) {
			return Err(other("killing a container", "it still runs"));
		}
		if let Err(error) = self.drain().await {
			tracing::debug!(lease = self.attempt.lease, %error, "the log's end");
		}
		Ok(())
	}

	async fn clear(&self) -> Result<(), ExecutorError> {
		let engine = &self.common.engine;
		engine.remove(&self.name).await?;
		if let Some(image) = noted(&self.attempt, "image")? {
			engine.remove_image(&image).await;
		}
		Ok(())
	}

	async fn stopped(&self) -> Result<Step, ExecutorError> {
		self.end_it().await?;
		self.clear().await?;
		Ok(Step::Stopped)
	}
}

/// Whether the engine cannot start what the image and the manifest name: the words of runc, crun, Docker and Podman.
fn is_of_the_image(why: &str) -> bool {
	let lower = why.to_lowercase();
	[
		"exec: \"",
		"executable file",
		"exec format error",
		"command that was not found",
		"no command",
		"unable to find user",
		"chdir",
	]
	.iter()
	.any(|word| lower.contains(word))
}
