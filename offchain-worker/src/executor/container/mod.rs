//! The container executor: Docker or Podman, by the Docker API.
//!
//! Each attempt has one container, found again by its name. While the daemon lives a task attends to it: pulls
//! the image, makes and starts the container, writes its output to the lease's log, stops it at its limits and
//! writes down how it ended. Each of these steps can be taken again: a daemon that comes back goes on where the
//! last one stopped.
//!
//! A job sees `/in` (read-only), `/out` and `/tmp`, which are folders of the lease; the image is read-only, and
//! there is no network. A service sees its image, its volumes and the lease's network.

mod about;
mod attend;
mod engine;
mod exec;
mod health;
mod held;
mod isolation;
mod life;
mod make;
mod network;
mod output;
mod quota;
mod registry;
mod spec;
mod users;

pub use exec::{Handle, Input, Inside};
pub use isolation::{probe, Isolation};
pub use network::PREFIX as LEASE_PREFIX;

use super::{fault, Attempt, Executor, ExecutorError, Observed};
use crate::{
	config::{Containers, Gpu},
	fetch::Rule,
	store::write_whole,
};
use engine::{Engine, Stage};
use ipnet::Ipv4Net;
use leasehold_client::H256;
use life::Life;
pub use life::Pulling;
use spec::{Labels, GENESIS, LEASE, PROVIDER};
use std::{
	collections::{BTreeSet, HashMap},
	net::IpAddr,
	path::{Path, PathBuf},
	sync::{Arc, Mutex},
};
use tokio::sync::Notify;

/// What all attempts share.
struct Common {
	engine: Engine,
	rule: Rule,
	/// Bytes that an image may have.
	largest_image: u64,
	/// From which leases have their networks.
	pool: Ipv4Net,
	/// By the lease: held while an image of it is brought.
	turns: Mutex<HashMap<u64, Arc<tokio::sync::Mutex<()>>>>,
	/// By where it came from, and its manifest's digest: the engine's id of an image.
	known: Mutex<HashMap<String, String>>,
	/// Held while a network is made: two leases never have the same range.
	networks: tokio::sync::Mutex<()>,
	/// Which number of this machine root of a lease's containers has, by the lease's network.
	users: tokio::sync::Mutex<HashMap<String, u32>>,
	/// Wakes the loop when a container has ended.
	wake: Arc<Notify>,
}

/// Images of which it is known where they came from.
const KNOWN: usize = 4_096;

impl Common {
	/// A lease's images are brought one after the other.
	fn turn(&self, lease: u64) -> Arc<tokio::sync::Mutex<()>> {
		let Ok(mut all) = self.turns.lock() else {
			return Arc::default();
		};
		all.retain(|_, one| Arc::strong_count(one) > 1);
		all.entry(lease).or_default().clone()
	}

	/// The engine's id of what came from there.
	fn known(&self, origin: &str) -> Option<String> {
		self.known.lock().ok()?.get(origin).cloned()
	}

	fn know(&self, origin: String, id: String) {
		if let Ok(mut known) = self.known.lock() {
			// It is brought once more.
			if known.len() >= KNOWN {
				known.clear();
			}
			known.insert(origin, id);
		}
	}
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

/// Where something is noted: about an attempt, or about all of a job or replica.
fn place(attempt: &Attempt, ending: &str) -> PathBuf {
	match ending {
		make::IMAGE | make::BROUGHT | make::HEALTH | make::ROOT | make::DISK => {
			attempt.folder.join("run").join(ending)
		}
		_ => attempt.file(ending),
	}
}

/// Whether the engine's quota holds what the replica with this folder writes over its image.
pub fn has_quota(replica: &Path) -> bool {
	let note = read_note(&replica.join("run").join(make::DISK));
	note.is_ok_and(|note| note.as_deref() == Some(make::QUOTA))
}

/// Notes something about an attempt.
fn note(attempt: &Attempt, ending: &str, text: &str) -> Result<(), ExecutorError> {
	write_whole(&place(attempt, ending), text.as_bytes())
		.map_err(fault("noting something about an attempt"))
}

/// What was noted about an attempt.
fn noted(attempt: &Attempt, ending: &str) -> Result<Option<String>, ExecutorError> {
	read_note(&place(attempt, ending))
}

/// Takes back what was noted, if it was.
fn unnote(path: &Path, what: &'static str) -> Result<(), ExecutorError> {
	match std::fs::remove_file(path) {
		Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(fault(what)(error)),
		_ => Ok(()),
	}
}

fn read_note(path: &Path) -> Result<Option<String>, ExecutorError> {
	match std::fs::read_to_string(path) {
		Ok(text) => Ok(Some(text.trim().to_owned())),
		Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
		Err(error) => Err(fault("reading a note about an attempt")(error)),
	}
}

impl Container {
	/// The executor on an engine, which need not be there yet.
	pub fn new(configured: &Containers, genesis: H256, provider: u32, wake: Arc<Notify>) -> Self {
		let engine = Engine::new(&configured.socket(), configured.runtime.clone());
		Self {
			common: Arc::new(Common {
				engine,
				rule: Rule::new(&configured.allow),
				largest_image: u64::from(configured.max_image_mib).saturating_mul(1 << 20),
				pool: configured.networks,
				turns: Mutex::default(),
				known: Mutex::default(),
				networks: tokio::sync::Mutex::default(),
				users: tokio::sync::Mutex::default(),
				wake,
			}),
			genesis,
			provider,
			lives: Mutex::default(),
		}
	}

	/// What the engine calls itself; an error says why it cannot be used.
	pub async fn engine(&self, gpus: &[Gpu]) -> Result<String, ExecutorError> {
		let by_cdi = gpus.iter().any(Gpu::is_by_cdi);
		self.common.engine.describe(by_cdi).await
	}

	/// Whether there is an engine at all.
	pub async fn answers(&self) -> bool {
		self.common.engine.name().await.is_ok()
	}

	/// Finds out, once, whether the engine's storage holds services to what they may write over their images.
	pub async fn look_for_quota(&self) -> Result<(), ExecutorError> {
		let engine = &self.common.engine;
		engine.look_for_quota(self.genesis, self.provider).await
	}

	/// (lease, name) of all networks of this provider's leases.
	async fn our_networks(&self) -> Result<Vec<(u64, String)>, ExecutorError> {
		let found = self.common.engine.networks().await?.into_iter();
		let (genesis, provider) = (hex::encode(self.genesis.0), self.provider.to_string());
		let ours = found.filter(|one| {
			let theirs = (one.labels.get(GENESIS), one.labels.get(PROVIDER));
			theirs == (Some(&genesis), Some(&provider))
		});
		let ours = ours.filter_map(|one| Some((one.labels.get(LEASE)?.parse().ok()?, one.name)));
		Ok(ours.collect())
	}

	/// Leases of which the engine has containers or networks.
	pub async fn leases(&self) -> Result<BTreeSet<u64>, ExecutorError> {
		let engine = &self.common.engine;
		let containers = engine.ours(self.genesis, self.provider, None).await?;
		let all = containers.into_iter().map(|one| one.lease);
		let networks = self.our_networks().await?.into_iter();
		Ok(all.chain(networks.map(|(of, _)| of)).collect())
	}

	/// Whether a container of a lease runs.
	pub async fn runs(&self, lease: u64) -> Result<bool, ExecutorError> {
		let engine = &self.common.engine;
		let all = engine
			.ours(self.genesis, self.provider, Some(lease))
			.await?;
		Ok(all.iter().any(|one| one.runs))
	}

	/// Removes the images that were brought for replicas with these folders. Each of them has them by names of its own.
	pub async fn remove_images(&self, of: &[PathBuf]) -> Result<(), ExecutorError> {
		for folder in of {
			if let Some(image) = read_note(&folder.join("run").join(make::BROUGHT))? {
				self.common.engine.remove_image(&image).await?;
			}
		}
		Ok(())
	}

	/// Forgets which image a replica with this folder was started with, and removes it: its next one is another.
	pub async fn forget_image(&self, of: &Path) -> Result<(), ExecutorError> {
		self.remove_images(&[of.to_owned()]).await?;
		for note in [make::IMAGE, make::BROUGHT, make::HEALTH] {
			unnote(&of.join("run").join(note), "forgetting an image")?;
		}
		Ok(())
	}

	/// (lease, name) of the images that were brought for this provider's leases.
	pub async fn images(&self) -> Result<Vec<(u64, String)>, ExecutorError> {
		let begin = spec::prefix(self.genesis, self.provider);
		let begin = format!("{}{begin}-", make::OURS);
		let names = self.common.engine.images(&begin).await?.into_iter();
		let of = |name: String| {
			let lease = name.strip_prefix(&begin)?.split('-').next()?.parse().ok()?;
			Some((lease, name))
		};
		Ok(names.filter_map(of).collect())
	}

	/// Removes an image by its name.
	pub async fn remove_image(&self, name: &str) -> Result<(), ExecutorError> {
		self.common.engine.remove_image(name).await
	}

	/// Removes all that the engine has of a lease.
	pub async fn remove(&self, lease: u64) -> Result<(), ExecutorError> {
		let engine = &self.common.engine;
		for one in engine
			.ours(self.genesis, self.provider, Some(lease))
			.await?
		{
			engine.remove(&one.name).await?;
		}
		for (of, name) in self.our_networks().await? {
			if of == lease {
				engine.remove_network(&name).await?;
			}
		}
		let labels = Labels::of_probe(self.genesis, self.provider, lease, "");
		self.common.users.lock().await.remove(&labels.network());
		Ok(())
	}

	/// The address of an attempt's container in its lease's network, if it runs.
	pub async fn address(&self, attempt: &Attempt) -> Result<Option<IpAddr>, ExecutorError> {
		let state = self.common.engine.state(&self.labels(attempt)).await?;
		Ok(state.and_then(|state| state.address))
	}

	/// The first process of an attempt that is attended to and runs.
	pub fn process(&self, attempt: &Attempt) -> Option<i32> {
		self.life(&self.labels(attempt).name())?.process()
	}

	/// The images of a lease that are being pulled, or are to be pulled again.
	pub fn pulls(&self, lease: u64) -> Vec<Pulling> {
		let Ok(lives) = self.lives.lock() else {
			return Vec::new();
		};
		let ours = lives.values().filter(|life| life.lease() == lease);
		let mut pulls: Vec<_> = ours.filter_map(|life| life.pull()).collect();
		pulls.sort();
		pulls
	}

	/// Which image of a lease has not come, if one has not, and why.
	pub fn not_had(&self, lease: u64) -> Option<String> {
		let lives = self.lives.lock().ok()?;
		let mut ours = lives.values().filter(|life| life.lease() == lease);
		ours.find_map(|life| life.not_had())
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

	/// Whether some attempt with this folder is attended to.
	fn is_attended(&self, folder: &Path) -> bool {
		self.lives.lock().map_or(true, |lives| {
			lives
				.values()
				.any(|life| life.folder() == folder && !life.is_over())
		})
	}

	/// Attends to an attempt from now on.
	fn attend(&self, labels: Labels, attempt: &Attempt) -> Option<Arc<Life>> {
		let mut lives = self.lives.lock().ok()?;
		let name = labels.name();
		if lives.get(&name).is_none_or(|life| life.is_over()) {
			let life = Life::begin(self.common.clone(), labels, attempt.clone());
			lives.insert(name.clone(), life);
		}
		lives.get(&name).cloned()
	}
}

#[async_trait::async_trait]
impl Executor for Container {
	async fn start(&self, attempt: &Attempt) -> Result<(), ExecutorError> {
		// What runs never has its folders emptied under it.
		if self.is_attended(&attempt.folder) {
			return Ok(());
		}
		std::fs::create_dir_all(attempt.folder.join("run"))
			.map_err(fault("making the lease's folders"))?;
		note(attempt, "json", "{\"version\":1}")?;
		self.attend(self.labels(attempt), attempt);
		Ok(())
	}

	async fn observe(&self, attempt: &Attempt) -> Result<Observed, ExecutorError> {
		if let Some(end) = attempt.end()? {
			// A service's next attempt begins when all of the last is gone.
			return Ok(
				match !attempt.is_job() && self.is_attended(&attempt.folder) {
					true => Observed::Preparing,
					false => Observed::Ended(end),
				},
			);
		}
		let labels = self.labels(attempt);
		if let Some(life) = self.life(&labels.name()) {
			return Ok(match (life.runs(), life.has_been_well()) {
				(false, _) => Observed::Preparing,
				(true, false) => Observed::Unready,
				(true, true) => Observed::Running,
			});
		}
		// It may have ended between the two looks.
		if let Some(end) = attempt.end()? {
			return Ok(Observed::Ended(end));
		}
		let started = attempt.file("started").exists();
		let state = match self.common.engine.state(&labels).await {
			Ok(state) => state,
			// It is attended to from now on: whether it runs will be known once the engine answers.
			Err(error) => {
				tracing::debug!(lease = attempt.lease, %error, "not known whether it runs");
				self.start(attempt).await?;
				return Ok(Observed::Preparing);
			}
		};
		match state {
			None if !started => Ok(Observed::Absent),
			state => {
				// Begun by an earlier life of the daemon.
				self.attend(labels, attempt);
				Ok(match state.map(|state| state.stage) {
					Some(Stage::Runs) => Observed::Unready,
					_ => Observed::Preparing,
				})
			}
		}
	}

	async fn stop(&self, attempt: &Attempt) -> Result<bool, ExecutorError> {
		let labels = self.labels(attempt);
		let life = match self.life(&labels.name()) {
			Some(life) => life,
			None if self.common.engine.state(&labels).await?.is_none() => return Ok(true),
			None => match self.attend(labels, attempt) {
				Some(life) => life,
				None => return Ok(false),
			},
		};
		life.stop();
		Ok(life.is_over())
	}
}
