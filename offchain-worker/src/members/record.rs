//! What is kept of a replica between its attempts.

use crate::{executor::End, store::write_whole};
use leasehold_manifest::Service;
use serde::{Deserialize, Serialize};
use std::{
	io::ErrorKind::NotFound,
	path::{Path, PathBuf},
};

/// Seconds before a replica that has ended is started again: at first and at most, doubled each time.
const BACK_OFF: (u64, u64) = (1, 300);
/// Seconds after which a replica has run so long that the next wait is the first again.
const STEADY: u64 = 600;

/// What is known of a replica beyond the engine, in a file of its folder.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
	pub version: u32,
	/// The attempt that runs, or ran last; written before it starts.
	pub attempt: u32,
	/// The last attempt whose end has been met.
	pub ended: u32,
	/// Ends, each soon after its start, since it ran for long.
	pub failures: u32,
	/// Unix seconds before which it is not started again.
	pub not_before: u64,
	pub last: Option<End>,
	/// What its attempt is made of; daemons of before did not note it.
	#[serde(default)]
	pub made: Option<Made>,
}

/// What an attempt is made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Made {
	/// The manifest's hash.
	pub manifest: [u8; 32],
	/// What that says of the service: [`Service::digest`].
	pub digest: [u8; 32],
	/// The digest of its image's name, if it runs an image.
	pub image: Option<[u8; 32]>,
}

impl Made {
	/// What an attempt of a manifest's service is made of.
	pub fn of(manifest: [u8; 32], service: &Service) -> Self {
		Self {
			manifest,
			digest: service.digest(),
			image: service.image_digest(),
		}
	}

	/// Whether this service would be made of the same.
	pub fn is_of(&self, service: &Service) -> bool {
		self.digest == service.digest()
	}
}

impl Record {
	/// Whether its attempt has been begun and not met its end.
	pub fn is_begun(&self) -> bool {
		self.attempt > self.ended
	}

	/// What its attempt, the last or the one that runs, is made of, if that is another service than this.
	pub fn another(&self, service: &Service) -> Option<&Made> {
		self.made.as_ref().filter(|made| !made.is_of(service))
	}

	/// Takes note of what it is made of, if a daemon of before began it, which knew of no other manifest; whether it did.
	pub fn adopt(&mut self, manifest: [u8; 32], service: &Service) -> bool {
		let adopts = self.attempt > 0 && self.made.is_none();
		if adopts {
			self.made = Some(Made::of(manifest, service));
		}
		adopts
	}

	/// Takes note that its attempt was ended on purpose: the next start is none that failed.
	pub fn was_stopped(&mut self) {
		(self.ended, self.failures, self.not_before) = (self.attempt, 0, 0);
		self.last = None;
	}
	fn path(folder: &Path) -> PathBuf {
		folder.join("replica.json")
	}

	/// What is known of a replica; one that was never begun has no attempt.
	pub fn read(folder: &Path) -> std::io::Result<Self> {
		match std::fs::read(Self::path(folder)) {
			Ok(bytes) => {
				let record: Self = serde_json::from_slice(&bytes)?;
				match record.version {
					1 => Ok(record),
					other => Err(std::io::Error::other(format!(
						"a replica's record has version {other}: install a newer daemon"
					))),
				}
			}
			Err(error) if error.kind() == NotFound => Ok(Self {
				version: 1,
				..Default::default()
			}),
			Err(error) => Err(error),
		}
	}

	pub fn write(&self, folder: &Path) -> std::io::Result<()> {
		std::fs::create_dir_all(folder)?;
		write_whole(&Self::path(folder), &serde_json::to_vec(self)?)
	}

	/// Takes note of the end of its attempt, that ran so many seconds.
	pub fn met(&mut self, end: &End, ran: u64, now: u64) {
		self.failures = match ran >= STEADY {
			true => 1,
			false => self.failures.saturating_add(1),
		};
		let doubled = 1u64.checked_shl(self.failures.saturating_sub(1));
		let wait = BACK_OFF.0.saturating_mul(doubled.unwrap_or(u64::MAX));
		self.not_before = now.saturating_add(wait.min(BACK_OFF.1));
		self.ended = self.attempt;
		self.last = Some(end.clone());
	}

	/// Times that it was started again.
	pub fn restarts(&self) -> u32 {
		self.attempt.saturating_sub(1)
	}

	/// Whether it may be started again. A wait that is longer than any is of a clock that has been set back.
	pub fn may_start(&self, now: u64) -> bool {
		now >= self.not_before || self.not_before > now.saturating_add(BACK_OFF.1)
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn waits_double_up_to_a_bound_and_begin_anew_after_a_long_run() {
		let mut record = Record {
			attempt: 1,
			..Default::default()
		};
		let end = End::Exited { code: 1 };
		let mut waits = Vec::new();
		for _ in 0..12 {
			record.met(&end, 3, 1_000);
			waits.push(record.not_before - 1_000);
		}
		assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]);
		record.met(&end, STEADY, 1_000);
		assert_eq!(record.not_before, 1_001);
		assert!(!record.may_start(1_000) && record.may_start(1_001));
		assert!(record.may_start(500), "the clock was set back");
		record.failures = u32::MAX;
		record.met(&end, 0, u64::MAX);
		assert_eq!(record.not_before, u64::MAX);
	}

	#[test]
	fn a_record_outlives_the_daemon_and_a_newer_one_is_not_misread() {
		let folder = tempfile::tempdir().unwrap();
		let place = folder.path().join("web/0");
		assert_eq!(Record::read(&place).unwrap().attempt, 0);
		let mut record = Record {
			version: 1,
			attempt: 3,
			..Default::default()
		};
		record.met(&End::MemoryLimit, 0, 5);
		record.write(&place).unwrap();
		assert_eq!(Record::read(&place).unwrap(), record);
		record.version = 2;
		record.write(&place).unwrap();
		assert!(Record::read(&place).is_err());
		std::fs::write(Record::path(&place), b"{").unwrap();
		assert!(Record::read(&place).is_err());
	}

	#[test]
	fn a_record_of_the_first_version_is_still_read() {
		let folder = tempfile::tempdir().unwrap();
		let text = r#"{"version":1,"attempt":3,"ended":2,"restarts":2,"failures":1,"not_before":7,
			"last":{"end":"exited","code":4}}"#;
		std::fs::write(Record::path(folder.path()), text).unwrap();
		let wanted = Record {
			version: 1,
			attempt: 3,
			ended: 2,
			failures: 1,
			not_before: 7,
			last: Some(End::Exited { code: 4 }),
			..Default::default()
		};
		assert_eq!(Record::read(folder.path()).unwrap(), wanted);
		assert_eq!(wanted.restarts(), 2);
	}
}
