//! From an image's name to a container.

use super::{
	attend::{Attendant, Step},
	engine::{says, Found, PullError},
	note, noted,
	spec::{body, RUNTIME},
	Image,
};
use crate::diary;
use crate::executor::{folders, other, End, ExecutorError};
use bollard::models::ContainerCreateBody;
use std::time::Duration;
use tokio::time::Instant;

const MIB: u64 = 1 << 20;
/// How long the image may take, with all tries: less than a lease may wait for its start.
const PULL: Duration = Duration::from_secs(300);
/// Notes of the image that an attempt runs, and of the one that was brought for it.
pub const IMAGE: &str = "image";
pub const BROUGHT: &str = "brought";
/// What keeps a service to its disk.
pub const DISK: &str = "disk";
pub const QUOTA: &str = "quota";
pub const WATCH: &str = "watch";
/// Which number of this machine root has in a job's containers.
pub const ROOT: &str = "root";

impl Attendant<'_> {
	/// Pulls the image and makes the container.
	pub(super) async fn make(&mut self) -> Result<Step, ExecutorError> {
		let engine = &self.common.engine;
		let (job, lease) = (self.attempt.is_job(), self.attempt.lease);
		let (genesis, provider) = (self.labels.genesis, self.labels.provider);
		let asked = async {
			let runtime = engine.runtime().await?;
			let ours = engine.ours(genesis, provider, Some(lease)).await?;
			Ok((runtime, ours))
		};
		let (runtime, ours) = match asked.await {
			Ok(answers) => answers,
			// The time for the image begins when the engine can be used.
			Err(error) => {
				self.born = Instant::now();
				return Err(error);
			}
		};
		let earlier = ours
			.iter()
			.filter(|one| one.name != self.name)
			.filter(|one| job || one.member == self.labels.member());
		for one in earlier {
			engine.remove(&one.name).await?;
		}
		folders::empty(&self.attempt)?;
		// What a service was started with it is started with again, whatever has become of its registry.
		let had = match job {
			true => None,
			false => noted(&self.attempt, IMAGE)?,
		};
		let had = match had {
			Some(id) => engine.image(&id).await?,
			None => None,
		};
		let found = match had {
			Some(found) => found,
			None => match self.have().await? {
				Ok(found) => found,
				Err(step) => return Ok(step),
			},
		};
		let invalid = |why: String| Ok(Step::End(End::Invalid { why }));
		let places = match folders::places(&self.attempt, &found.volumes) {
			Ok(places) => places,
			Err(why) => return invalid(why),
		};
		let root = self.root().await?;
		folders::make(&self.attempt, &places, root)?;
		if !job {
			note(&self.attempt, IMAGE, &found.id)?;
			self.common.network(&self.labels).await?;
		}
		let body = body(
			&self.labels,
			runtime,
			root,
			&found.id,
			&self.attempt,
			&places,
		);
		match self.create(body).await? {
			Ok(()) => Ok(Step::Again),
			Err(why) => self.refused("making the container", why),
		}
	}

	/// Has the engine make the container, with a quota for what it writes over its image if that has one.
	async fn create(
		&self,
		mut body: ContainerCreateBody,
	) -> Result<Result<(), String>, ExecutorError> {
		let engine = &self.common.engine;
		if let Some(labels) = &mut body.labels {
			// What is not said would be an image's own to say.
			let wanted = engine.wanted_runtime.clone();
			labels.insert(RUNTIME.to_owned(), wanted.unwrap_or_default());
		}
		// A job's image is read-only.
		if self.attempt.is_job() {
			return engine.create(&self.name, body).await;
		}
		let quota = engine.quota.get().copied().unwrap_or_default();
		// Its log takes of the same, and what is full to the brim would be ended for a few bytes more.
		let storage = u64::from(self.attempt.service.unit.storage).saturating_mul(MIB);
		let beside = self.attempt.kept_log().unwrap_or_default();
		let most = storage.saturating_sub(beside).saturating_sub(storage / 16);
		if let (Some(host), Some(options)) = (&mut body.host_config, quota.options(most)) {
			host.storage_opt = Some(options);
			note(&self.attempt, DISK, QUOTA)?;
			match engine.create(&self.name, body.clone()).await? {
				Err(why) if is_of_the_quota(&why) => {
					tracing::warn!(why, "the engine's storage has lost its quotas: watched");
				}
				made => return Ok(made),
			}
		}
		if let Some(host) = &mut body.host_config {
			host.storage_opt = None;
		}
		note(&self.attempt, DISK, WATCH)?;
		engine.create(&self.name, body).await
	}

	/// Which number of this machine root of this job or replica has, if not root's: the same for as long as its volumes stay.
	async fn root(&self) -> Result<Option<u32>, ExecutorError> {
		// The files of devices belong to groups of this machine.
		let may = self.attempt.devices.is_empty();
		if !may || !self.common.engine.maps_users().await? {
			return Ok(None);
		}
		if let Some(root) = noted(&self.attempt, ROOT)? {
			return Ok(root.parse().ok().filter(|root| *root > 0));
		}
		let root = match folders::has_kept(&self.attempt) {
			// The machine's own root has begun them.
			true => None,
			false => self.common.users(&self.labels).await?,
		};
		let text = root.map_or_else(|| "0".into(), |root| root.to_string());
		note(&self.attempt, ROOT, &text)?;
		Ok(root)
	}

	/// Pulls the image and looks whether it can be run; otherwise what comes next.
	async fn have(&mut self) -> Result<Result<Found, Step>, ExecutorError> {
		let engine = &self.common.engine;
		let invalid = |why: String| Ok(Err(Step::End(End::Invalid { why })));
		let image = match Image::of(&self.attempt.service.program) {
			Ok(image) => image,
			Err(why) => return invalid(why),
		};
		let lease = self.attempt.lease;
		let before = engine.image(&image.name).await?;
		let time = PULL.saturating_sub(self.born.elapsed());
		let pulled = tokio::select! {
			pulled = self.pull(&image, time) => pulled,
			() = self.life.stop.cancelled() => return Ok(Err(Step::Again)),
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
			note(&self.attempt, BROUGHT, &found.id)?;
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
		tracing::info!(
			lease,
			image = image.name,
			id = found.id,
			digests = found.digests,
			"pulled"
		);
		// The image itself is this platform's; among the digests may be that of an index.
		let (id, digests) = (&found.id, &found.digests);
		let what = format!("pulled {}: image {id} for {ours}, {digests}", image.name);
		diary::note(self.attempt.lease_folder(), what);
		Ok(Ok(found))
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
			let what = format!("pulling {}", image.name);
			diary::note(self.attempt.lease_folder(), what);
			let say = |status: &str| tracing::debug!(lease, "{}", status.trim());
			let (largest, pull) = (self.common.largest_image, self.life.begin_pull());
			let at = |here, all| pull.is_at(here, all);
			let engine = &self.common.engine;
			tokio::select! {
				pulled = engine.pull(image, largest, say, at) => pulled,
				() = engine.filled_by(largest) => {
					// Again it would do so, too.
					Err(PullError::Refused("the image is too large for this provider, unpacked".into()))
				}
			}
		};
		match tokio::time::timeout(time, pull).await {
			Ok(pulled) => pulled,
			Err(_) => Err(PullError::Failed("it takes too long".into())),
		}
	}

	/// The engine refuses to make or to start the container.
	pub(super) fn refused(
		&mut self,
		what: &'static str,
		why: String,
	) -> Result<Step, ExecutorError> {
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
}

/// Whether the engine refuses a quota: the words of Docker, Podman and their storage.
pub fn is_of_the_quota(why: &str) -> bool {
	let words = [
		"storage-opt",
		"storage option",
		"unknown option",
		"size option",
		"quota",
	];
	says(why, &words)
}

/// Whether the engine cannot start what the image and the manifest name: the words of runc, crun, Docker and Podman.
fn is_of_the_image(why: &str) -> bool {
	let words = [
		"exec: \"",
		"executable file",
		"exec format error",
		"argument list too long",
		"command that was not found",
		"no command",
		"unable to find user",
		"not a directory",
		"duplicate mount",
		"chdir",
		"doesn't map uid",
		"doesn't map gid",
	];
	says(why, &words)
}
