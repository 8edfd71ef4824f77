//! The task that attends to one attempt.
//!
//! What it notes beside the attempt: `started` (the boot of the machine in which it was started; written before
//! the start), `running` (when it was first seen to run, in seconds of [`uptime`]), `limit` (why it is killed; written
//! before the kill), `from` (the log's record with which its output begins) and `end`, once nothing runs any more.
//! Beside the job, or the service's replica, for all its attempts: `brought` (the image that was pulled for it) and for
//! a service `image` (the one it runs).

use super::{
	engine::{Stage, State},
	health,
	held::unlinked,
	life::Life,
	make::{BROUGHT, HEALTH},
	note, noted,
	output::Log,
	place,
	spec::Labels,
	unnote, Common,
};
use crate::{
	executor::{
		folders::{self, SHRINK},
		health::STEADY,
		measure::{measure, MAX_FILES},
		other, uptime, Attempt, End, ExecutorError,
	},
	usage::value,
};
use bollard::models::HealthConfig;
use futures::StreamExt as _;
use leasehold_manifest::Health;
use rustix::process::{pidfd_open, Pid, PidfdFlags};
use std::{
	path::{Path, PathBuf},
	time::Duration,
};
use tokio::{
	io::{unix::AsyncFd, Interest},
	time::{Instant, MissedTickBehavior},
};

const MIB: u64 = 1 << 20;
/// How long the engine is given to see what was seen here.
const MOMENT: Duration = Duration::from_millis(20);
/// How often limits are looked at.
const LOOK: Duration = Duration::from_secs(1);
/// How often the engine is asked what a service has changed of its image, in looks: it may take long to count.
const COUNT: u32 = 4;
/// How long to wait before a step that failed is tried again, at first and at most.
const RETRY: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(10));
/// How often a step other than the pull is tried before the machine counts as failing.
const TRIES: u32 = 10;
/// How long it may take to read what an ended container has written.
const DRAIN: Duration = Duration::from_secs(120);
/// Exit code of what was killed by signal 9.
const KILLED: i64 = 137;

/// What comes after a step.
pub enum Step {
	Again,
	/// It is over, and how.
	End(End),
	/// It was stopped from outside: nobody asks how it ended.
	Stopped,
}

pub struct Attendant<'a> {
	pub life: &'a Life,
	pub common: &'a Common,
	pub labels: Labels,
	pub name: String,
	pub attempt: Attempt,
	/// Failures since something went well.
	pub tries: u32,
	pub born: Instant,
	/// When its output could last not be followed any further.
	pub followed: Instant,
	/// How often the kernel had killed something for want of memory, at the last look but one and at the last.
	oom_kills: [Option<u64>; 2],
}

/// What tells one boot of the machine from another.
fn boot() -> String {
	let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id");
	id.unwrap_or_default().trim().to_owned()
}

/// How often the kernel has killed something on this machine for want of memory.
fn oom_kills() -> Option<u64> {
	value(&std::fs::read_to_string("/proc/vmstat").ok()?, "oom_kill")
}

/// Ends when this process has; never, if it cannot be watched: looks find its end then.
async fn gone(pid: i32) {
	let watched = Pid::from_raw(pid).and_then(|pid| pidfd_open(pid, PidfdFlags::NONBLOCK).ok());
	#[expect(
		deprecated,
		reason = "the safe way to watch a descriptor; that it is owned until the end, as is asked of the other way, \
		          holds here"
	)]
	let watched = watched.and_then(|pid| AsyncFd::with_interest(pid, Interest::READABLE).ok());
	match watched {
		Some(watched) if watched.readable().await.is_ok() => {}
		_ => std::future::pending().await,
	}
}

impl<'a> Attendant<'a> {
	pub fn new(life: &'a Life, common: &'a Common, labels: Labels, attempt: Attempt) -> Self {
		Self {
			life,
			common,
			name: labels.name(),
			labels,
			attempt,
			tries: 0,
			born: Instant::now(),
			followed: Instant::now(),
			oom_kills: [None; 2],
		}
	}
}

impl Attendant<'_> {
	pub async fn attend(mut self) {
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
			self.life.is_not_told_of();
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
		self.life.is_looked_at();
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
			// Made when another runtime was named.
			Stage::Fresh if state.runtime != self.common.engine.wanted_runtime => {
				self.common.engine.remove(&self.name).await?;
				// It was not, if that was noted at all.
				let started = place(&self.attempt, "started");
				unnote(&started, "forgetting a note about an attempt")?;
				Ok(Step::Again)
			}
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
	pub fn failed(&mut self, error: ExecutorError) -> Result<(), ExecutorError> {
		self.tries = self.tries.saturating_add(1);
		match self.tries < TRIES {
			true => Err(error),
			false => Ok(()),
		}
	}

	/// Starts what was made. It is noted first: an attempt never runs twice.
	async fn start(&mut self) -> Result<Step, ExecutorError> {
		note(&self.attempt, "started", &boot())?;
		self.oom_kills = [oom_kills(); 2];
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
		self.life.has_begun(state.pid);
		let since = noted(&self.attempt, "running")?.and_then(|text| text.parse().ok());
		// Earlier daemons noted Unix time, which no machine has run for.
		let since = since.filter(|since| *since <= uptime());
		let since = match since {
			Some(since) => since,
			None => {
				let now = uptime();
				note(&self.attempt, "running", &now.to_string())?;
				now
			}
		};
		if let Some(limit) = self.limit()? {
			return Ok(Step::End(limit));
		}
		let running = Duration::from_secs(uptime().saturating_sub(since));
		let (life, engine, name) = (self.life, &self.common.engine, self.name.clone());
		let check = self.check().await?;
		let ill = async {
			match &check {
				Some(check) => {
					health::until_ill(engine, life, &name, state.address, check, running).await
				}
				None => {
					// What ends at once was never well.
					let steady = if self.attempt.is_job() {
						Duration::ZERO
					} else {
						STEADY
					};
					tokio::time::sleep(steady.saturating_sub(running)).await;
					life.is_well();
					std::future::pending().await
				}
			}
		};
		tokio::pin!(ill);
		let mut log = Log::open(&self.attempt)?;
		let mut output = engine.output(&name, true, log.since()).await?;
		let gone = gone(state.pid);
		tokio::pin!(gone);
		let mut look = tokio::time::interval(LOOK);
		// However long a look takes, the output is read between two.
		look.set_missed_tick_behavior(MissedTickBehavior::Delay);
		// What was too large already may be made smaller.
		let volumes = &self.attempt.service.unit.volumes;
		let begin = folders::sizes(&self.attempt.folder, volumes);
		let mut looks = 0u32;
		loop {
			let beyond = tokio::select! {
				biased;
				() = self.life.stop.cancelled() => return Ok(Step::Again),
				_ = look.tick() => {
					looks = looks.wrapping_add(1);
					let [_, last] = self.oom_kills;
					self.oom_kills = [last, oom_kills()];
					let fresh = uptime().saturating_sub(since) < SHRINK.as_secs();
					let had = if fresh { begin.clone() } else { Vec::new() };
					if self.has_ended(state.pid).await? {
						return Ok(Step::Again);
					}
					self.beyond(state, since, had, looks.is_multiple_of(COUNT)).await?
				}
				() = &mut gone => {
					// The engine needs a moment to see it, too.
					let mut wait = MOMENT;
					while !self.life.stop.is_cancelled() && !self.has_ended(state.pid).await? {
						tokio::time::sleep(wait).await;
						wait = wait.saturating_mul(2).min(LOOK);
					}
					return Ok(Step::Again);
				},
				why = &mut ill => Some(End::Crashed { why: format!("it is not well: {why}") }),
				next = output.next() => match next {
					Some(Ok((stream, bytes))) => {
						log.take(stream, &bytes)?;
						self.tries = 0;
						None
					}
					Some(Err(_)) | None => {
						// It has ended, or the engine has: whichever, the next look tells.
						drop(log);
						let soon = self.followed.elapsed() > LOOK;
						self.followed = Instant::now();
						tokio::time::sleep(if soon { MOMENT } else { RETRY.0 }).await;
						return Ok(Step::Again);
					}
				},
			};
			if let Some(end) = beyond {
				let text =
					serde_json::to_string(&end).map_err(|error| other("noting a limit", error))?;
				note(&self.attempt, "limit", &text)?;
				return Ok(Step::End(end));
			}
		}
	}

	/// Whether a container with this first process has ended. Podman may never end the output of one that ends while
	/// it begins to follow it.
	async fn has_ended(&self, first: i32) -> Result<bool, ExecutorError> {
		if Path::new("/proc").join(first.to_string()).exists() {
			return Ok(false);
		}
		let state = self.common.engine.state(&self.labels).await?;
		Ok(!state.is_some_and(|state| state.stage == Stage::Runs))
	}

	/// How it is found out whether a replica is well: as the manifest says, or else its image.
	async fn check(&self) -> Result<Option<Health>, ExecutorError> {
		let service = &self.attempt.service;
		if self.attempt.is_job() {
			return Ok(None);
		}
		if let Some(health) = &service.health {
			return Ok(Some(health.clone()));
		}
		let Some(noted) = noted(&self.attempt, HEALTH)? else {
			return Ok(None);
		};
		let asked = serde_json::from_str::<Option<HealthConfig>>(&noted);
		let asked = asked.map_err(|error| other("reading an image's health check", error))?;
		Ok(asked.as_ref().and_then(health::of_image))
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
		let output = self.common.engine.output(&self.name, false, log.since());
		let mut output = output.await?;
		while let Some(next) = output.next().await {
			let (stream, bytes) =
				next.map_err(|error| other("reading a container's output", error))?;
			log.take(stream, &bytes)?;
		}
		Ok(())
	}

	fn limit(&self) -> Result<Option<End>, ExecutorError> {
		let noted = noted(&self.attempt, "limit")?;
		Ok(noted.and_then(|text| serde_json::from_str(&text).ok()))
	}

	/// The limit that it, running since `since`, has passed, if it has. `had`: what its volumes may have in any case;
	/// `count`: what it has changed of its image, too.
	async fn beyond(
		&self,
		state: &State,
		since: u64,
		had: Vec<u64>,
		count: bool,
	) -> Result<Option<End>, ExecutorError> {
		let service = &self.attempt.service;
		let limit = service.max_duration.min(leasehold_manifest::MAX_SECONDS);
		if self.attempt.is_job() && uptime().saturating_sub(since) >= limit {
			return Ok(Some(End::TimeLimit));
		}
		let changed = match (&state.layer, self.attempt.is_job()) {
			(None, false) if count => self.common.engine.changed(&self.name).await?,
			_ => 0,
		};
		let (folder, state) = (self.attempt.folder.clone(), state.clone());
		let volumes = service.unit.volumes.clone();
		let used = tokio::task::spawn_blocking(move || {
			let layer = state.layer.as_ref();
			let layer = layer.map_or((changed, 0), |layer| measure(layer));
			let overfull = folders::overfull(&folder, &volumes, &had);
			let size = |path: &PathBuf| std::fs::metadata(path).map_or(0, |meta| meta.len());
			// The engine has a copy of the output, which may be ahead of the log.
			let beside = state.files.iter().map(size).fold(0, u64::saturating_add);
			let beside = beside.saturating_add(unlinked(state.pid, &folder));
			let (bytes, files) = folders::used(&folder, size(&state.log), beside);
			let sum = bytes.saturating_add(layer.0);
			(sum, files.saturating_add(layer.1), overfull)
		});
		let (bytes, files, overfull) = used
			.await
			.map_err(|error| other("measuring a lease", error))?;
		let cap = u64::from(service.unit.storage).saturating_mul(MIB);
		let beyond = bytes > cap || files > MAX_FILES || overfull;
		Ok(beyond.then_some(End::StorageLimit))
	}

	fn how_it_ended(&self, state: &State) -> Result<End, ExecutorError> {
		if let Some(limit) = self.limit()? {
			return Ok(limit);
		}
		Ok(match state.exit_code {
			0 => End::Exited { code: 0 },
			_ if state.out_of_memory => End::MemoryLimit,
			KILLED if self.may_have_lacked_memory() => End::MemoryLimit,
			code => End::Exited {
				code: i32::try_from(code).unwrap_or(-1),
			},
		})
	}

	/// Whether what was killed may have been killed for its memory, which not every engine tells: the kernel has killed
	/// something for that lately, or nobody looked.
	fn may_have_lacked_memory(&self) -> bool {
		let [before, _] = self.oom_kills;
		!matches!((before, oom_kills()), (Some(before), Some(now)) if before == now)
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
		self.common.wake.notify_one();
		self.clear().await
	}

	/// Kills the container if it runs, and takes what it wrote last.
	async fn end_it(&self) -> Result<(), ExecutorError> {
		let engine = &self.common.engine;
		let runs = |state: &State| matches!(state.stage, Stage::Runs);
		if !engine.state(&self.labels).await?.as_ref().is_some_and(runs) {
			return Ok(());
		}
		// A limit is no wish.
		match self.attempt.is_job() || self.limit()? == Some(End::StorageLimit) {
			true => engine.kill(&self.name).await?,
			false => engine.end(&self.name).await?,
		}
		if engine.state(&self.labels).await?.as_ref().is_some_and(runs) {
			return Err(other("killing a container", "it still runs"));
		}
		if let Err(error) = self.drain().await {
			tracing::debug!(lease = self.attempt.lease, %error, "the log's end");
		}
		Ok(())
	}

	async fn clear(&self) -> Result<(), ExecutorError> {
		self.common.engine.remove(&self.name).await?;
		// A service is started again: its images go when its lease does.
		if let (true, Some(image)) = (self.attempt.is_job(), noted(&self.attempt, BROUGHT)?) {
			self.common.engine.remove_image(&image).await?;
		}
		Ok(())
	}

	async fn stopped(&self) -> Result<Step, ExecutorError> {
		self.end_it().await?;
		self.clear().await?;
		Ok(Step::Stopped)
	}
}
