//! Signed transactions on disk: stored before they are sent, kept until they are settled.

use crate::error::ChainError;
use codec::{Decode, Encode};
use std::path::{Path, PathBuf};

/// A signed transaction as it is stored. The file is one version byte, then SCALE.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Stored {
	pub bytes: Vec<u8>,
	pub genesis: [u8; 32],
	pub nonce: u64,
	/// Last block that may include it.
	pub expires: u32,
	/// What it does, for people.
	pub what: String,
}

/// Version of a stored transaction's format.
const VERSION: u8 = 1;

impl Stored {
	/// The file's bytes.
	pub fn to_file(&self) -> Vec<u8> {
		(VERSION, self).encode()
	}

	/// Reads a file's bytes.
	pub fn from_file(mut bytes: &[u8]) -> Result<Self, String> {
		match u8::decode(&mut bytes) {
			Ok(VERSION) => Self::decode(&mut bytes).map_err(|error| error.to_string()),
			Ok(other) => Err(format!("version {other} is not known")),
			Err(_) => Err("the file is empty".into()),
		}
	}
}

/// Transactions on their way, a file each.
#[derive(Clone, Debug)]
pub struct Journal {
	folder: PathBuf,
}

impl Journal {
	/// Opens the folder, and makes it if need be.
	pub fn open(folder: &Path) -> Result<Self, ChainError> {
		std::fs::create_dir_all(folder)
			.map_err(|error| ChainError::File(format!("{}: {error}", folder.display())))?;
		Ok(Self {
			folder: folder.to_owned(),
		})
	}

	/// Named by nonce and signature: another process may use the account at the same time.
	fn path(&self, stored: &Stored) -> PathBuf {
		let mark = stored
			.bytes
			.get(40..56)
			.map(hex::encode)
			.unwrap_or_default();
		self.folder.join(format!("{:012}-{mark}.tx", stored.nonce))
	}

	pub(super) fn put(&self, stored: &Stored) -> Result<(), ChainError> {
		let path = self.path(stored);
		let part = path.with_extension("part");
		let write = || -> std::io::Result<()> {
			use std::io::Write as _;
			let mut file = std::fs::File::create(&part)?;
			file.write_all(&stored.to_file())?;
			file.sync_all()?;
			std::fs::rename(&part, &path)
		};
		write().map_err(|error| ChainError::File(format!("{}: {error}", path.display())))
	}

	pub(super) fn remove(&self, stored: &Stored) {
		let _ = std::fs::remove_file(self.path(stored));
	}

	/// Transactions that an earlier life left. A file that cannot be read is put aside.
	pub(super) fn all(&self) -> Vec<Stored> {
		let Ok(folder) = std::fs::read_dir(&self.folder) else {
			return Vec::new();
		};
		let mut all = Vec::new();
		for path in folder.flatten().map(|entry| entry.path()) {
			if path.extension().is_none_or(|e| e != "tx") {
				continue;
			}
			let read = std::fs::read(&path).map_err(|error| error.to_string());
			match read.and_then(|bytes| Stored::from_file(&bytes)) {
				Ok(stored) => all.push(stored),
				Err(why) => {
					tracing::warn!(path = %path.display(), why, "put aside a stored transaction");
					let _ = std::fs::rename(&path, path.with_extension("unreadable"));
				}
			}
		}
		all.sort_by_key(|stored| stored.nonce);
		all
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn a_stored_transaction_of_version_1_is_still_read() {
		let stored = Stored {
			bytes: vec![1, 2, 3],
			genesis: [4; 32],
			nonce: 5,
			expires: 6,
			what: "seven".into(),
		};
		let fixture = include_bytes!("../../fixtures/transaction-v1.bin");
		assert_eq!(Stored::from_file(fixture), Ok(stored.clone()));
		assert_eq!(stored.to_file(), fixture);
	}

	#[test]
	fn a_damaged_file_is_refused() {
		assert!(Stored::from_file(&[]).is_err());
		assert!(Stored::from_file(&[2, 0, 0]).is_err());
		assert!(Stored::from_file(&[1, 255]).is_err());
	}
}
