//! The task that attends to one attempt.

use super::{
	engine::{Labels, PullError, State},
	write_end, written_end, Common, Image,
};
use crate::{
	executor::{runner::measure, Attempt, End, ExecutorError},
	log::LogWriter,
	reconcile::unix_now,
};
use futures::StreamExt as _;
use std::{
	collections::HashSet,
	os::unix::fs::MetadataExt as _,
	path::Path,
	sync::{
		atomic::{AtomicBool, Ordering},
		Arc,
	},
	time::Duration,
};
use tokio_util::sync::CancellationToken;

const MIB: u64 = 1 << 20;
/// How often limits are looked at.
const LOOK: Duration = Duration::from_secs(1);
/// How long to wait before a step that failed is tried again, at first and at most.
const RETRY: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(10));
/// How often a pull or a start is tried before the machine counts as failing.
const TRIES: u32 = 10;
/// Most files that a job may leave.
const MAX_FILES: u64 = 100_000;
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

impl Life {
	/// Begins to attend.
	pub fn begin(common: Arc<Common>, labels: Labels, attempt: Attempt) -> Arc<Self> {
		let life = Arc::new(Self {
			lease: attempt.lease,
			runs: AtomicBool::new(false),
			over: AtomicBool::new(false),
			stop: CancellationToken::new(),
		});
		let this = life.clone();
		tokio::spawn(async move {
			let name = labels.name();
			Attendant {
				life: &this,
				common: &common,
				labels,
				name,
				attempt,
				tries: 0,
			}
			.attend()
			.await;
			this.over.store(true, Ordering::SeqCst);
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
	/// Of what failed last.
	tries: u32,
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
		let engine = &self.common.engine;
		match engine.state(&self.name).await? {
			None if self.attempt.file("started").exists() => {
				let why = "its container was removed by another hand".to_owned();
				Ok(Step::End(End::Internal { why }))
			}
			None => self.make().await,
			Some(state) if state.fresh => self.start().await,
			Some(state) if state.runs => self.watch(&state).await,
			Some(state) => {
				self.drain().await?;
				Ok(Step::End(self.how_it_ended(&state)))
			}
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
		let fetch = async {
			match self.common.rule.check(image.address()).await {
				Ok(()) => {}
				Err(why) if why.may_pass() => return Err(PullError::Failed(why.to_string())),
				Err(why) => return Err(PullError::Refused(why.to_string())),
			}
			tracing::info!(lease, image = image.name, "pulling");
			let say = |status: &str| tracing::debug!(lease, "{}", status.trim());
			engine.pull(&image, say).await
		};
		let pulled = tokio::select! {
			pulled = fetch => pulled,
			() = self.life.stop.cancelled() => return Ok(Step::Again),
		};
		match pulled {
			Ok(()) => self.tries = 0,
			Err(PullError::Refused(why)) => return invalid(why),
			Err(PullError::Failed(why)) => return self.failed("pulling the image", why),
		}
		let found = engine.image(&image.name).await?;
		let theirs = found.architecture.unwrap_or_default();
		let ours = match std::env::consts::ARCH {
			"x86_64" => "amd64",
			"aarch64" => "arm64",
			other => other,
		};
		if theirs != ours {
			return invalid(format!("the image is for {theirs}, this machine is {ours}"));
		}
		let id = found.id.unwrap_or_default();
		tracing::info!(
			lease,
			image = image.name,
			id,
			digests = found.repo_digests.unwrap_or_default().join(" "),
			"pulled"
		);
		engine.create(&self.labels, &id, &self.attempt).await?;
		Ok(Step::Again)
	}

	/// Starts what was made. It is written down first: an attempt never runs twice.
	async fn start(&mut self) -> Result<Step, ExecutorError> {
		let started = self.attempt.file("started");
		if !started.exists() {
			let now = unix_now().to_string();
			crate::store::write_whole(&started, now.as_bytes())
				.map_err(super::fault("writing down a start"))?;
		}
		match self.common.engine.start(&self.name).await? {
			Ok(()) => {
				self.tries = 0;
				Ok(Step::Again)
			}
			Err(why) if is_of_the_image(&why) => Ok(Step::End(End::Invalid { why })),
			Err(why) => self.failed("starting the container", why),
		}
	}

	/// Something that may come right failed once more.
	fn failed(&mut self, what: &'static str, why: String) -> Result<Step, ExecutorError> {
		self.tries = self.tries.saturating_add(1);
		if self.tries >= TRIES {
			let why = format!("{what}: {why}");
			return Ok(Step::End(End::Internal { why }));
		}
		Err(super::fault(what)(std::io::Error::other(why)))
	}

	/// Follows the output of what runs, and its limits, until it ends.
	async fn watch(&mut self, state: &State) -> Result<Step, ExecutorError> {
		self.life.runs.store(true, Ordering::SeqCst);
		let mut log = self.log()?;
		let mut output = self.common.engine.output(&self.name, true)?;
		let mut met = 0u64;
		let mut look = tokio::time::interval(LOOK);
		loop {
			tokio::select! {
				biased;
				() = self.life.stop.cancelled() => return Ok(Step::Again),
				_ = look.tick() => {
					if let Some(end) = self.beyond(state.pid).await? {
						return Ok(Step::End(end));
					}
				}
				next = output.next() => match next {
					Some(Ok((stream, bytes))) => log.take(&mut met, stream, &bytes)?,
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
		let late = |_| {
			let late = std::io::ErrorKind::TimedOut;
			super::fault("reading a container's output")(late.into())
		};
		tokio::time::timeout(DRAIN, self.read_on())
			.await
			.map_err(late)?
	}

	async fn read_on(&self) -> Result<(), ExecutorError> {
		let mut log = self.log()?;
		let mut output = self.common.engine.output(&self.name, false)?;
		let mut met = 0;
		while let Some(next) = output.next().await {
			let (stream, bytes) = next.map_err(|error| {
				super::fault("reading a container's output")(std::io::Error::other(error))
			})?;
			log.take(&mut met, stream, &bytes)?;
		}
		Ok(())
	}

	fn log(&self) -> Result<Log, ExecutorError> {
		Log::open(&self.attempt).map_err(super::fault("opening the lease's log"))
	}

	/// The limit that a running job has passed, if it has.
	async fn beyond(&self, pid: i32) -> Result<Option<End>, ExecutorError> {
		let service = &self.attempt.service;
		let begun = std::fs::read_to_string(self.attempt.file("started"))
			.ok()
			.and_then(|text| text.trim().parse::<u64>().ok());
		let limit = service.max_duration.min(leasehold_manifest::MAX_SECONDS);
		if begun.is_some_and(|begun| unix_now().saturating_sub(begun) >= limit) {
			return Ok(Some(End::TimeLimit));
		}
		let folder = self.attempt.folder.clone();
		let used = tokio::task::spawn_blocking(move || {
			let parts = ["in", "out", "tmp", "logs"].map(|part| measure(&folder.join(part)));
			let (bytes, files) = parts.iter().fold((0u64, 0u64), |(b, f), (c, g)| {
				(b.saturating_add(*c), f.saturating_add(*g))
			});
			(bytes.saturating_add(unlinked(pid)), files)
		});
		let (bytes, files) = used
			.await
			.map_err(|error| super::fault("measuring a lease")(std::io::Error::other(error)))?;
		let cap = u64::from(service.unit.storage).saturating_mul(MIB);
		Ok((bytes > cap || files > MAX_FILES).then_some(End::StorageLimit))
	}

	fn how_it_ended(&self, state: &State) -> End {
		match state.exit_code {
			// Not every engine tells why something was killed; what else kills it is written down before.
			_ if state.out_of_memory => End::MemoryLimit,
			KILLED => End::MemoryLimit,
			code => End::Exited {
				code: i32::try_from(code).unwrap_or(-1),
			},
		}
	}

	/// Writes down how it ended, and removes the container.
	async fn ended(&self, end: &End) -> Result<(), ExecutorError> {
		let write = || match written_end(&self.attempt)? {
			// The first word stands.
			Some(_) => Ok(()),
			None => write_end(&self.attempt, end).map_err(super::fault("writing down an end")),
		};
		// What is killed for a limit must not look like a program that was killed for its memory.
		let at_limit = matches!(end, End::TimeLimit | End::StorageLimit);
		if at_limit {
			write()?;
		}
		self.kill().await?;
		if !at_limit {
			write()?;
		}
		self.common.engine.remove(&self.name).await
	}

	/// Kills what runs, and takes what it wrote last.
	async fn kill(&self) -> Result<(), ExecutorError> {
		self.common.engine.kill(&self.name).await?;
		// The container may be gone, too.
		if let Err(error) = self.drain().await {
			tracing::debug!(lease = self.attempt.lease, %error, "the log's end");
		}
		Ok(())
	}

	async fn stopped(&self) -> Result<Step, ExecutorError> {
		let engine = &self.common.engine;
		if engine.state(&self.name).await?.is_some() {
			self.kill().await?;
			engine.remove(&self.name).await?;
		}
		Ok(Step::Stopped)
	}
}

/// The lease's log, and how much of an attempt's output is in it.
struct Log {
	writer: LogWriter,
	/// Records of this attempt that are in the log.
	has: u64,
}

impl Log {
	fn open(attempt: &Attempt) -> std::io::Result<Self> {
		let writer = LogWriter::open(&attempt.folder.join("logs"), &attempt.service.name)?;
		// The record with which the attempt's output begins.
		let from = attempt.file("from");
		let first = match std::fs::read_to_string(&from) {
			Ok(text) => text.trim().parse().unwrap_or(0),
			Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
				let next = writer.next();
				crate::store::write_whole(&from, next.to_string().as_bytes())?;
				next
			}
			Err(error) => return Err(error),
		};
		let has = writer.next().saturating_sub(first);
		Ok(Self { writer, has })
	}

	/// Takes the output's next part: one record each, so that what was taken before is known by its number.
	fn take(&mut self, met: &mut u64, stream: &str, bytes: &[u8]) -> Result<(), ExecutorError> {
		*met = met.saturating_add(1);
		if *met > self.has {
			self.writer
				.write(stream, bytes)
				.map_err(super::fault("writing the lease's log"))?;
			self.has = *met;
		}
		Ok(())
	}
}

/// Whether the engine could not start what the image and the manifest name.
fn is_of_the_image(why: &str) -> bool {
	let lower = why.to_lowercase();
	[
		"exec: \"",
		"executable file not found",
		"exec format error",
		"no command",
		"unable to find user",
		"chdir to cwd",
	]
	.iter()
	.any(|word| lower.contains(word))
}

/// Bytes of files that a container's processes hold open although they have no name any more.
fn unlinked(init: i32) -> u64 {
	let space = |pid: &Path| std::fs::read_link(pid.join("ns/pid")).ok();
	let Some(ours) = space(Path::new(&format!("/proc/{init}"))).filter(|_| init > 1) else {
		return 0;
	};
	let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
	let mut seen = HashSet::new();
	let mut sum = 0u64;
	for process in processes.map(|entry| entry.path()) {
		if space(&process).as_ref() != Some(&ours) {
			continue;
		}
		let open = std::fs::read_dir(process.join("fd"));
		for file in open.into_iter().flatten().flatten() {
			let Ok(meta) = std::fs::metadata(file.path()) else {
				continue;
			};
			if meta.is_file() && meta.nlink() == 0 && seen.insert((meta.dev(), meta.ino())) {
				let bytes = meta.len().max(meta.blocks().saturating_mul(512));
				sum = sum.saturating_add(bytes);
			}
		}
	}
	sum
}
