//! From an image's name to a container.

use super::{
	attend::{Attendant, Step},
	engine::{says, Found, PullError},
	note, noted,
	registry::{self, Described, Registry, Sent, UNWANTED},
	spec::{body, RUNTIME},
};
use crate::diary;
use crate::executor::{folders, other, End, ExecutorError};
use bollard::models::ContainerCreateBody;
use leasehold_manifest::image::Image;
use std::time::Duration;
use tokio::time::Instant;

const MIB: u64 = 1 << 20;
/// How long the image may take, with all tries: less than a lease may wait for its start.
const PULL: Duration = Duration::from_secs(420);
/// Notes of the image that an attempt runs, of its name if it was brought for it, and of its health check.
pub const IMAGE: &str = "image";
pub const BROUGHT: &str = "brought";
pub const HEALTH: &str = "health";
/// With what the names of images begin that are brought.
pub const OURS: &str = "localhost/";
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
			// Daemons of before have not noted what it says of its health.
			Some(id) if noted(&self.attempt, HEALTH)?.is_some() => engine.image(&id).await?,
			_ => None,
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
		// A name of its own: it is removed by it, whoever else needs the same image.
		let name = match noted(&self.attempt, BROUGHT)? {
			Some(name) if !self.attempt.is_job() && name.starts_with(OURS) => name,
			_ => format!("{OURS}{}:latest", self.name),
		};
		note(&self.attempt, BROUGHT, &name)?;
		let turn = self.common.turn(lease);
		let waits = Instant::now();
		let _turn = tokio::select! {
			turn = turn.lock() => turn,
			() = self.life.stop.cancelled() => return Ok(Err(Step::Again)),
		};
		self.born += waits.elapsed();
		let time = PULL.saturating_sub(self.born.elapsed());
		let pulled = tokio::select! {
			pulled = tokio::time::timeout(time, self.pull(&image, &name)) => pulled,
			() = self.life.stop.cancelled() => return Ok(Err(Step::Again)),
		};
		let late = |_| Err(PullError::Failed("it takes too long".into()));
		let described = match pulled.unwrap_or_else(late) {
			Ok(described) => described,
			Err(PullError::Refused(why)) => {
				self.life.has_tried(None);
				tracing::info!(lease, image = image.name, why, "the image cannot be run");
				return invalid(why);
			}
			Err(PullError::Failed(why)) if self.born.elapsed() < PULL => {
				if self.life.unpulled().as_ref() != Some(&why) {
					let what = format!(
						"{} cannot be pulled yet, and is tried again: {why}",
						image.name
					);
					diary::note(self.attempt.lease_folder(), what);
					self.life.has_tried(Some(why.clone()));
				}
				return Err(other("pulling the image", why));
			}
			Err(PullError::Failed(why)) => {
				tracing::warn!(lease, image = image.name, why, "the image cannot be pulled");
				let minutes = PULL.as_secs() / 60;
				return invalid(format!(
					"the image could not be had within {minutes} minutes: {why}"
				));
			}
		};
		self.life.has_tried(None);
		let found = engine.image(&name).await?;
		let found = found.ok_or_else(|| other("looking at an image", "it is gone"))?;
		if found.bytes > self.common.largest_image {
			return invalid(format!(
				"the image has {} MiB, at most {} are taken",
				found.bytes / MIB,
				self.common.largest_image / MIB
			));
		}
		let health = serde_json::to_string(&described.health());
		let health = health.map_err(|error| other("noting an image's health check", error))?;
		note(&self.attempt, HEALTH, &health)?;
		let (id, manifest) = (&found.id, &described.manifest);
		let index = described.index.as_deref().unwrap_or("none");
		tracing::info!(lease, image = image.name, id, manifest, index, "pulled");
		let of_index = described.index.as_ref();
		let of_index = of_index.map_or_else(String::new, |index| format!(" of index {index}"));
		let what = format!(
			"pulled {}: image {id} for {}, manifest {manifest}{of_index}",
			image.name,
			registry::ours()
		);
		diary::note(self.attempt.lease_folder(), what);
		Ok(Ok(found))
	}

	/// Has the engine have an image by this name, if its registry lets this lease have it.
	async fn pull(&self, image: &Image, name: &str) -> Result<Described, PullError> {
		let lease = self.attempt.lease;
		tracing::info!(lease, image = image.name, "pulling");
		// Tries that follow are told of by what came of them.
		if self.life.unpulled().is_none() {
			let what = format!("pulling {}", image.name);
			diary::note(self.attempt.lease_folder(), what);
		}
		let mut registry = Registry::new(&self.common.rule, image)?;
		let described = registry.describe().await?;
		let engine = &self.common.engine;
		let failed = |error: ExecutorError| PullError::Failed(error.to_string());
		// What came from there as this is had by another name. Whoever knows what describes an image may not have it.
		let origin = format!("{}/{}@{}", image.host, image.repository, described.manifest);
		let there = match self.common.known(&origin) {
			Some(id) => engine.image(&id).await.map_err(failed)?,
			None => None,
		};
		if let Some(there) = there {
			// Of an attempt that came to nothing.
			let before = engine.image(name).await.map_err(failed)?;
			if before.is_none_or(|before| before.id != there.id) {
				engine.remove_image(name).await.map_err(failed)?;
				engine.tag(&there.id, name).await.map_err(failed)?;
			}
			return Ok(described);
		}
		engine.remove_image(name).await.map_err(failed)?;
		let (pull, all) = (self.life.begin_pull(), described.packed());
		let at = |here| pull.is_at(here, all);
		let (to, archive) = Sent::channel();
		let largest = self.common.largest_image;
		let both = async {
			tokio::join!(
				registry.bring(&described, name, largest, to, at),
				engine.load(archive)
			)
		};
		let (brought, loaded) = tokio::select! {
			both = both => both,
			() = engine.filled_by(largest) => return Err(registry::too_large()),
		};
		match (brought, loaded) {
			// Why the engine takes no more of it is known to itself.
			(Err(PullError::Failed(why)), Err(error)) if why == UNWANTED => return Err(error),
			(Err(error), _) | (Ok(()), Err(error)) => return Err(error),
			(Ok(()), Ok(())) => {}
		}
		let found = engine.image(name).await.map_err(failed)?;
		if let Some(found) = found {
			self.common.know(origin, found.id);
		}
		Ok(described)
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
