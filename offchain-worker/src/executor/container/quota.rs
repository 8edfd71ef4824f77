//! How far the engine itself holds a container to what it may write over its image. What its storage has no quota for,
//! the daemon watches.

use super::{
	engine::{failed, with_all, Engine, Stage, PATIENCE},
	isolation::{self_in, FILL},
	make::is_of_the_quota,
	spec::{list, Labels},
};
use crate::executor::{measure::MAX_FILES, other, ExecutorError};
use bollard::{errors::Error, models::HostConfig};
use leasehold_client::H256;
use std::{
	collections::HashMap,
	fs::File,
	io::{ErrorKind, Write as _},
	path::Path,
	time::Duration,
};

/// What storage begins its name with whose quota is of what is written over an image, and of that alone.
const OVERLAY: &str = "overlay";
/// Stands for a lease; no lease has this number.
const FILLS: u64 = u64::MAX - 2;
/// What the container that tries may write, and how many times as much it tries to.
const BYTES: u64 = 8 << 20;
const FILES: u64 = 128;
const BEYOND: u64 = 8;
/// How long it may take.
const TIME: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(100);
const LOOKING: &str = "looking for the engine's quotas";

/// What the engine's storage keeps to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quota {
	bytes: bool,
	files: bool,
}

impl Quota {
	/// Whether it keeps to anything.
	pub fn holds(self) -> bool {
		self.bytes
	}

	/// In the engine's words.
	pub fn options(self, bytes: u64) -> Option<HashMap<String, String>> {
		let files = self.files.then_some(MAX_FILES);
		self.bytes.then(|| options(bytes, files))
	}

	/// Of a container that was to fill what it may write, by what it says.
	fn told(said: &[String], asked_for_files: bool) -> Self {
		let count = |word: &str| {
			let mut said = said.iter().filter_map(|line| line.strip_prefix(word));
			said.find_map(|count| count.trim().parse::<u64>().ok())
		};
		// A disk that is full is no quota.
		let near = |count: Option<u64>, most: u64| {
			count.is_some_and(|count| (most / 2..=most.saturating_mul(2)).contains(&count))
		};
		Self {
			bytes: near(count("bytes"), BYTES),
			files: asked_for_files && near(count("files"), FILES),
		}
	}
}

fn options(bytes: u64, files: Option<u64>) -> HashMap<String, String> {
	let files = files.map(|files| ("inodes".to_owned(), files.to_string()));
	let size = ("size".to_owned(), bytes.to_string());
	files.into_iter().chain([size]).collect()
}

/// What runs in the container that tries: writes until it may write no more, and says how much it was.
pub fn fill() -> anyhow::Result<()> {
	let own = std::env::current_exe()?;
	anyhow::ensure!(
		own == Path::new("/leasehold-provider"),
		"this is for a container of its own alone: it fills its disk"
	);
	let is_full = |error: &std::io::Error| {
		matches!(
			error.kind(),
			ErrorKind::StorageFull | ErrorKind::QuotaExceeded
		)
	};
	for n in 0..FILES.saturating_mul(BEYOND) {
		match File::create_new(format!("/{n}")) {
			Ok(_) => {}
			Err(error) if is_full(&error) => {
				println!("files {n}");
				break;
			}
			Err(error) => return Err(error.into()),
		}
	}
	let mut file = File::options().write(true).open("/0")?;
	let block = vec![1u8; 1 << 18];
	let mut written = 0u64;
	while written < BYTES.saturating_mul(BEYOND) {
		match file
			.write(&block)
			.and_then(|n| file.sync_data().map(|()| n))
		{
			Ok(n @ 1..) => written = written.saturating_add(u64::try_from(n)?),
			Ok(_) => break,
			Err(error) if is_full(&error) => {
				println!("bytes {written}");
				break;
			}
			Err(error) => return Err(error.into()),
		}
	}
	println!("done");
	Ok(())
}

/// What the engine says if it refuses; an error if it does not answer.
fn refusal<T>(result: Result<T, Error>) -> Result<Result<T, String>, ExecutorError> {
	match result {
		Ok(done) => Ok(Ok(done)),
		Err(Error::DockerResponseServerError { message, .. }) => Ok(Err(message)),
		Err(error) => Err(failed(LOOKING)(error)),
	}
}

impl Engine {
	/// Finds out what the engine's storage keeps to, once.
	pub async fn look_for_quota(&self, genesis: H256, provider: u32) -> Result<(), ExecutorError> {
		let labels = Labels::of_probe(genesis, provider, FILLS, "fills");
		let look = || async {
			let quota = match self.info().await?.driver {
				Some(driver) if driver.starts_with(OVERLAY) => self.try_quota(&labels).await?,
				_ => Err("its storage has none of what is written over an image alone".into()),
			};
			Ok(quota.unwrap_or_else(|why: String| {
				tracing::info!(
					why,
					"no quota of the engine's is used: services are watched"
				);
				Quota::default()
			}))
		};
		self.quota.get_or_try_init(look).await.map(drop)
	}

	/// Has a container fill what it may write, and looks whether it can be removed then: one that is full has no room
	/// for what Podman notes in it on the way, and would stay for ever.
	async fn try_quota(&self, labels: &Labels) -> Result<Result<Quota, String>, ExecutorError> {
		self.import_nothing().await?;
		let name = labels.name();
		if let Err(why) = self.remove_full(&name).await? {
			return Ok(Err(why));
		}
		let (mut asked_for_files, mut why) = (true, String::new());
		loop {
			let files = asked_for_files.then_some(FILES);
			let host = HostConfig {
				network_mode: Some("none".into()),
				// The root of an image of nothing is nobody's to write.
				cap_add: list(&["DAC_OVERRIDE"]),
				runtime: self.runtime().await?.map(str::to_owned),
				storage_opt: Some(options(BYTES, files)),
				..Default::default()
			};
			let body = self_in(labels, host, vec![FILL.to_owned()])?;
			match self.create(&name, body).await? {
				Ok(()) => break,
				Err(said) if asked_for_files && is_of_the_quota(&said) => {
					(asked_for_files, why) = (false, said)
				}
				Err(said) if is_of_the_quota(&said) => return Ok(Err(format!("{why}; {said}"))),
				Err(said) => return Err(other(LOOKING, said)),
			}
		}
		let filled = self.filled(labels).await;
		match self.remove_full(&name).await? {
			Ok(true) => {}
			Ok(false) => return Err(other(LOOKING, "the container that tries was removed")),
			Err(why) => return Ok(Err(format!("what is full cannot be removed: {why}"))),
		}
		let quota = Quota::told(&filled?, asked_for_files);
		Ok(match quota.holds() {
			true => Ok(quota),
			false => Err("the engine takes a quota and does not keep to it".into()),
		})
	}

	/// What the container has said at its end.
	async fn filled(&self, labels: &Labels) -> Result<Vec<String>, ExecutorError> {
		let started = self.start(&labels.name()).await?;
		started.map_err(|why| other(LOOKING, why))?;
		let ends = async {
			loop {
				let state = self.state(labels).await?;
				if !state.is_some_and(|state| state.stage == Stage::Runs) {
					return self.said(labels, false).await;
				}
				tokio::time::sleep(LOOK).await;
			}
		};
		let late = |_| other(LOOKING, "it takes too long");
		tokio::time::timeout(TIME, ends).await.map_err(late)?
	}

	/// Whether there was one to remove; or why it stays.
	async fn remove_full(&self, name: &str) -> Result<Result<bool, String>, ExecutorError> {
		let client = self.client(PATIENCE).await?;
		match client.remove_container(name, Some(with_all())).await {
			Err(Error::DockerResponseServerError {
				status_code: 404, ..
			}) => Ok(Ok(false)),
			result => Ok(refusal(result)?.map(|()| true)),
		}
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use crate::executor::{
		container::{
			has_quota,
			make::{DISK, QUOTA, WATCH},
			note,
		},
		tests::attempt,
	};
	use leasehold_manifest::Kind;

	#[test]
	fn a_quota_is_told_as_the_engine_takes_it() {
		let told = |bytes, files| {
			let options = Quota { bytes, files }.options(1 << 20)?;
			let mut all: Vec<_> = options.into_iter().collect();
			all.sort();
			let all = all.into_iter().map(|(key, value)| format!("{key}={value}"));
			Some(all.collect::<Vec<_>>().join(" "))
		};
		assert_eq!(told(false, true), None);
		assert_eq!(told(true, false).as_deref(), Some("size=1048576"));
		let both = told(true, true);
		assert_eq!(both.as_deref(), Some("inodes=100000 size=1048576"));
	}

	#[test]
	fn only_an_end_where_it_was_asked_for_is_a_quota() {
		let told = |lines: &[&str], files| {
			let lines: Vec<_> = lines.iter().map(|line| (*line).to_owned()).collect();
			let quota = Quota::told(&lines, files);
			(quota.bytes, quota.files)
		};
		let both = ["files 120", "bytes 8126464"];
		assert_eq!(told(&both, true), (true, true));
		assert_eq!(told(&both, false), (true, false));
		assert_eq!(told(&[], true), (false, false));
		// The machine's own disk ended.
		assert_eq!(told(&["files 3", "bytes 0"], true), (false, false));
		assert_eq!(told(&["bytes 60000000"], true), (false, false));
		assert_eq!(told(&["bytes nonsense"], true), (false, false));
	}

	#[test]
	fn what_holds_a_replica_is_what_it_was_made_with() {
		let folder = tempfile::tempdir().unwrap();
		let mut one = attempt(Kind::Service);
		one.folder = folder.path().to_owned();
		std::fs::create_dir(folder.path().join("run")).unwrap();
		assert!(!has_quota(folder.path()), "nothing is noted");
		for (how, held) in [(QUOTA, true), (WATCH, false)] {
			note(&one, DISK, how).unwrap();
			assert_eq!(has_quota(folder.path()), held);
		}
	}

	#[test]
	fn nothing_is_filled_but_a_container() {
		let error = fill().unwrap_err().to_string();
		assert!(error.contains("fills its disk"), "{error}");
	}
}
