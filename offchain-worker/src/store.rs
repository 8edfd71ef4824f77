//! The daemon's folder: what it knows beyond the chain.
//!
//! `VERSION`, `keys/`, `store.redb` (an index), `manifests/` (encrypted), `leases/ID/…`,
//! `transactions/`. Every format begins with a version; a newer one is refused.

mod row;

pub use row::{LeaseRow, Phase};

use crate::executor::clear::remove_all;
use anyhow::Context as _;
use chacha20poly1305::{
	aead::{Aead, KeyInit, Payload},
	Key, XChaCha20Poly1305, XNonce,
};
use leasehold_client::H256;
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};
use rustix::fs::{flock, FlockOperation};
use std::{
	collections::BTreeSet,
	fs::File,
	path::{Path, PathBuf},
};

/// File with the account that owns the provider.
pub const OWNER: &str = "OWNER";
/// File with the genesis of the folder's chain.
const GENESIS: &str = "GENESIS";
/// Version of the folder's layout.
const LAYOUT: &str = "1";
const META: TableDefinition<&str, &[u8]> = TableDefinition::new("meta");
const LEASES: TableDefinition<u64, &[u8]> = TableDefinition::new("leases");

/// What can go wrong with the folder.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
	#[error("{0}: {1}")]
	File(PathBuf, std::io::Error),
	#[error("the index cannot be used: {0}")]
	Index(String),
	#[error("{0} was written by a newer version of this program; install that one")]
	Newer(PathBuf),
	#[error("another daemon uses {0}")]
	InUse(PathBuf),
	#[error("{0} is damaged: {1}")]
	Damaged(PathBuf, String),
}

/// The daemon's folder.
pub struct Store {
	folder: PathBuf,
	index: Database,
	manifest_key: [u8; 32],
	_lock: File,
}

fn index_error(error: impl Into<redb::Error>) -> StoreError {
	StoreError::Index(error.into().to_string())
}

/// Writes a file whole or not at all.
pub fn write_whole(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
	use std::io::Write as _;
	// Beside it, and no other file's.
	let mut part = path.as_os_str().to_owned();
	part.push(".part");
	let part = PathBuf::from(part);
	let mut file = File::create(&part)?;
	file.write_all(bytes)?;
	file.sync_all()?;
	std::fs::rename(&part, path)
}

/// Writes a file that only its owner may read, whole or not at all, in place of another.
pub fn write_secret(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
	let named = || path.display().to_string();
	let part = path.with_extension("part");
	match std::fs::remove_file(&part) {
		Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
			return Err(error).with_context(named)
		}
		_ => {}
	}
	leasehold_client::keystore::write_secret_file(&part, bytes)?;
	std::fs::rename(&part, path)
		.and_then(|()| sync(path.parent().unwrap_or(path)))
		.with_context(named)
}

/// Has a folder's names outlive a power cut.
pub fn sync(folder: &Path) -> std::io::Result<()> {
	File::open(folder)?.sync_all()
}

/// Makes a folder that only its owner may enter, or makes it so.
pub fn private_folder(path: &Path) -> std::io::Result<()> {
	use std::os::unix::fs::PermissionsExt as _;
	std::fs::create_dir_all(path)?;
	std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700))
}

/// Opens the index, once all of it was held against its checksums.
fn open_index(path: &Path) -> Result<Database, redb::Error> {
	let mut builder = Database::builder();
	builder.set_check_integrity_on_open(true);
	let index = builder.create(path)?;
	let tx = index.begin_write()?;
	tx.open_table(META)?;
	tx.open_table(LEASES)?;
	tx.commit()?;
	Ok(index)
}

/// Whether an error is about what stands in the index, and not about the disk or who may use it.
fn is_damage(error: &redb::Error) -> bool {
	use std::io::ErrorKind::{InvalidData, InvalidInput, UnexpectedEof};
	match error {
		redb::Error::Io(error) => {
			matches!(error.kind(), InvalidData | InvalidInput | UnexpectedEof)
		}
		redb::Error::DatabaseAlreadyOpen
		| redb::Error::LockPoisoned(_)
		| redb::Error::LockProtocolMismatch
		| redb::Error::PreviousIo
		| redb::Error::UpgradeRequired(_) => false,
		_ => true,
	}
}

impl Store {
	/// Opens the folder, and makes what is missing. An index that cannot be read is put aside: it
	/// is rebuilt from the files and the chain.
	pub fn open(folder: &Path) -> Result<Self, StoreError> {
		let file = |path: &Path| {
			let path = path.to_owned();
			move |error| StoreError::File(path, error)
		};
		for sub in [
			"",
			"keys",
			"manifests",
			"leases",
			"quarantine",
			"transactions",
		] {
			let path = folder.join(sub);
			private_folder(&path).map_err(file(&path))?;
		}
		let version = folder.join("VERSION");
		match std::fs::read_to_string(&version) {
			Ok(text) if text.trim() == LAYOUT => {}
			Ok(_) => return Err(StoreError::Newer(version)),
			Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
				write_whole(&version, LAYOUT.as_bytes()).map_err(file(&version))?
			}
			Err(error) => return Err(StoreError::File(version, error)),
		}
		let lock_path = folder.join("lock");
		let lock = File::create(&lock_path).map_err(file(&lock_path))?;
		flock(&lock, FlockOperation::NonBlockingLockExclusive)
			.map_err(|_| StoreError::InUse(folder.to_owned()))?;
		let manifest_key = Self::manifest_key(&folder.join("keys/manifests.key"))?;
		let path = folder.join("store.redb");
		let index = match open_index(&path) {
			Ok(index) => index,
			Err(error) if is_damage(&error) => {
				let aside = folder.join("store.redb.damaged");
				tracing::warn!(%error, aside = %aside.display(), "the index is rebuilt");
				std::fs::rename(&path, &aside).map_err(file(&path))?;
				open_index(&path).map_err(index_error)?
			}
			Err(redb::Error::Io(error)) => return Err(StoreError::File(path, error)),
			Err(error) => return Err(index_error(error)),
		};
		Ok(Self {
			folder: folder.to_owned(),
			index,
			manifest_key,
			_lock: lock,
		})
	}

	fn manifest_key(path: &Path) -> Result<[u8; 32], StoreError> {
		let damaged = |why: &str| StoreError::Damaged(path.to_owned(), why.to_owned());
		match std::fs::read(path) {
			Ok(bytes) => bytes
				.try_into()
				.map_err(|_| damaged("it is not 32 bytes long")),
			Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
				let key = leasehold_client::keystore::random_seed()
					.map_err(|error| damaged(&error.to_string()))?;
				leasehold_client::keystore::write_secret_file(path, &key)
					.map_err(|error| damaged(&error.to_string()))?;
				Ok(key)
			}
			Err(error) => Err(StoreError::File(path.to_owned(), error)),
		}
	}

	/// The daemon's folder.
	pub fn folder(&self) -> &Path {
		&self.folder
	}

	/// A lease's folder.
	pub fn lease_folder(&self, lease: u64) -> PathBuf {
		self.folder.join("leases").join(lease.to_string())
	}

	fn meta(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
		let tx = self.index.begin_read().map_err(index_error)?;
		let table = tx.open_table(META).map_err(index_error)?;
		let found = table.get(key).map_err(index_error)?;
		Ok(found.map(|value| value.value().to_vec()))
	}

	fn set_meta(&self, key: &str, value: &[u8]) -> Result<(), StoreError> {
		let tx = self.index.begin_write().map_err(index_error)?;
		{
			let mut table = tx.open_table(META).map_err(index_error)?;
			table.insert(key, value).map_err(index_error)?;
		}
		tx.commit().map_err(index_error)
	}

	/// A small file beside the index; `None` if there is none.
	fn note(&self, name: &str) -> Result<Option<String>, StoreError> {
		let path = self.folder.join(name);
		match std::fs::read_to_string(&path) {
			Ok(text) => Ok(Some(text.trim().to_owned())),
			Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
			Err(error) => Err(StoreError::File(path, error)),
		}
	}

	/// The genesis of the chain that this folder belongs to. It outlives the index: what is kept must
	/// never be measured by another chain.
	pub fn genesis(&self) -> Result<Option<H256>, StoreError> {
		let Some(text) = self.note(GENESIS)? else {
			return Ok(None);
		};
		let mut bytes = [0u8; 32];
		match hex::decode_to_slice(text, &mut bytes) {
			Ok(()) => Ok(Some(H256(bytes))),
			Err(error) => Err(StoreError::Damaged(
				self.folder.join(GENESIS),
				error.to_string(),
			)),
		}
	}

	/// Binds the folder to a chain.
	pub fn set_genesis(&self, genesis: H256) -> Result<(), StoreError> {
		let path = self.folder.join(GENESIS);
		write_whole(&path, hex::encode(genesis.0).as_bytes())
			.map_err(|error| StoreError::File(path, error))
	}

	/// The owner that `register` was run for in this folder.
	pub fn owner(&self) -> Result<Option<String>, StoreError> {
		self.note(OWNER)
	}

	/// The highest finalized block ever seen.
	pub fn highest_finalized(&self) -> Result<u32, StoreError> {
		let bytes = self.meta("finalized")?;
		Ok(bytes
			.and_then(|b| <[u8; 4]>::try_from(b).ok())
			.map_or(0, u32::from_le_bytes))
	}

	/// Notes a finalized block.
	pub fn note_finalized(&self, number: u32) -> Result<(), StoreError> {
		self.set_meta("finalized", &number.to_le_bytes())
	}

	/// All rows, by lease.
	pub fn leases(&self) -> Result<Vec<LeaseRow>, StoreError> {
		let tx = self.index.begin_read().map_err(index_error)?;
		let table = tx.open_table(LEASES).map_err(index_error)?;
		let mut rows = Vec::new();
		for entry in table.iter().map_err(index_error)? {
			let (lease, bytes) = entry.map_err(index_error)?;
			match serde_json::from_slice::<LeaseRow>(bytes.value()) {
				Ok(row) => rows.push(row),
				Err(error) => {
					let lease = lease.value();
					tracing::warn!(lease, %error, "a row of the index cannot be read");
				}
			}
		}
		Ok(rows)
	}

	/// One row.
	pub fn lease(&self, lease: u64) -> Result<Option<LeaseRow>, StoreError> {
		let tx = self.index.begin_read().map_err(index_error)?;
		let table = tx.open_table(LEASES).map_err(index_error)?;
		let found = table.get(lease).map_err(index_error)?;
		Ok(found.and_then(|bytes| serde_json::from_slice(bytes.value()).ok()))
	}

	/// Writes a row.
	pub fn put(&self, row: &LeaseRow) -> Result<(), StoreError> {
		let bytes =
			serde_json::to_vec(row).map_err(|error| StoreError::Index(error.to_string()))?;
		let tx = self.index.begin_write().map_err(index_error)?;
		{
			let mut table = tx.open_table(LEASES).map_err(index_error)?;
			table
				.insert(row.lease, bytes.as_slice())
				.map_err(index_error)?;
		}
		tx.commit().map_err(index_error)
	}

	/// Changes a row in one transaction, so that nothing written in between is lost. `None` if there
	/// is no such row, or if `change` leaves it as it is by returning `false`.
	pub fn update(
		&self,
		lease: u64,
		change: impl FnOnce(&mut LeaseRow) -> bool,
	) -> Result<Option<LeaseRow>, StoreError> {
		let damaged = |error: serde_json::Error| StoreError::Index(error.to_string());
		let tx = self.index.begin_write().map_err(index_error)?;
		let changed = {
			let mut table = tx.open_table(LEASES).map_err(index_error)?;
			let bytes = table
				.get(lease)
				.map_err(index_error)?
				.map(|b| b.value().to_vec());
			let Some(bytes) = bytes else { return Ok(None) };
			let mut row: LeaseRow = serde_json::from_slice(&bytes).map_err(damaged)?;
			if !change(&mut row) {
				return Ok(None);
			}
			let bytes = serde_json::to_vec(&row).map_err(damaged)?;
			table.insert(lease, bytes.as_slice()).map_err(index_error)?;
			row
		};
		tx.commit().map_err(index_error)?;
		Ok(Some(changed))
	}

	/// Puts a lease's data aside, in place of what was put aside by this name, and forgets its row: the chain has another
	/// lease of this id, or another job in it.
	pub fn set_aside(&self, row: &LeaseRow, name: &str) -> Result<(), StoreError> {
		let folder = self.lease_folder(row.lease);
		let name = format!("{}-{name}", row.lease);
		let aside = self.folder.join("quarantine").join(name);
		if folder.exists() {
			let _ = remove_all(&aside);
			std::fs::rename(&folder, &aside).map_err(|error| StoreError::File(folder, error))?;
			// Its age counts from now on.
			let mark = aside.join("SET_ASIDE");
			std::fs::write(&mark, []).map_err(|error| StoreError::File(mark, error))?;
		}
		self.forget(row.lease)
	}

	fn forget(&self, lease: u64) -> Result<(), StoreError> {
		let tx = self.index.begin_write().map_err(index_error)?;
		{
			let mut table = tx.open_table(LEASES).map_err(index_error)?;
			table.remove(lease).map_err(index_error)?;
		}
		tx.commit().map_err(index_error)
	}

	/// Removes a row and all data of its lease.
	pub fn wipe(&self, row: &LeaseRow) -> Result<(), StoreError> {
		let folder = self.lease_folder(row.lease);
		if folder.exists() {
			remove_all(&folder).map_err(|error| StoreError::File(folder.clone(), error))?;
		}
		self.keep_manifests(row.lease, &BTreeSet::new())?;
		self.forget(row.lease)
	}

	fn manifest_path(&self, lease: u64, hash: &[u8; 32]) -> PathBuf {
		self.folder
			.join("manifests")
			.join(format!("{lease}-{}.sealed", hex::encode(hash)))
	}

	/// Removes all manifests of a lease but these.
	pub fn keep_manifests(&self, lease: u64, kept: &BTreeSet<[u8; 32]>) -> Result<(), StoreError> {
		let folder = self.folder.join("manifests");
		let file = |error| StoreError::File(folder.clone(), error);
		let kept: Vec<_> = kept
			.iter()
			.map(|hash| self.manifest_path(lease, hash))
			.collect();
		let begin = format!("{lease}-");
		for entry in std::fs::read_dir(&folder).map_err(file)? {
			let entry = entry.map_err(file)?;
			let is_its = |name: &str| name.starts_with(&begin);
			if entry.file_name().to_str().is_some_and(is_its) && !kept.contains(&entry.path()) {
				std::fs::remove_file(entry.path()).map_err(file)?;
			}
		}
		Ok(())
	}

	/// Removes a manifest that cannot be run.
	pub fn remove_manifest(&self, lease: u64, hash: &[u8; 32]) {
		let _ = std::fs::remove_file(self.manifest_path(lease, hash));
	}

	/// The leases that have a folder.
	pub fn folders(&self) -> std::io::Result<std::collections::BTreeSet<u64>> {
		let entries = match std::fs::read_dir(self.folder.join("leases")) {
			Ok(entries) => entries,
			Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
				return Ok(Default::default())
			}
			Err(error) => return Err(error),
		};
		let mut found = std::collections::BTreeSet::new();
		for entry in entries {
			let name = entry?.file_name();
			found.extend(name.to_str().and_then(|name| name.parse::<u64>().ok()));
		}
		Ok(found)
	}

	/// Stores a manifest's bytes, encrypted: one version byte, 24 of nonce, the rest sealed.
	pub fn put_manifest(
		&self,
		lease: u64,
		hash: &[u8; 32],
		plain: &[u8],
	) -> Result<(), StoreError> {
		let path = self.manifest_path(lease, hash);
		let damaged = |why: &str| StoreError::Damaged(path.clone(), why.to_owned());
		let mut nonce = [0u8; 24];
		getrandom::fill(&mut nonce).map_err(|error| damaged(&error.to_string()))?;
		let sealed = XChaCha20Poly1305::new(Key::from_slice(&self.manifest_key))
			.encrypt(
				XNonce::from_slice(&nonce),
				Payload {
					msg: plain,
					aad: hash,
				},
			)
			.map_err(|_| damaged("encryption failed"))?;
		let mut bytes = vec![1u8];
		bytes.extend_from_slice(&nonce);
		bytes.extend_from_slice(&sealed);
		write_whole(&path, &bytes).map_err(|error| StoreError::File(path.clone(), error))
	}

	/// A manifest's bytes; `None` if it has not been handed in.
	pub fn manifest(&self, lease: u64, hash: &[u8; 32]) -> Result<Option<Vec<u8>>, StoreError> {
		let path = self.manifest_path(lease, hash);
		let bytes = match std::fs::read(&path) {
			Ok(bytes) => bytes,
			Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
			Err(error) => return Err(StoreError::File(path, error)),
		};
		let damaged = |why: &str| StoreError::Damaged(path.clone(), why.to_owned());
		let (version, rest) = bytes.split_first().ok_or_else(|| damaged("it is empty"))?;
		if *version != 1 {
			return Err(StoreError::Newer(path));
		}
		let (nonce, sealed) = rest
			.split_at_checked(24)
			.ok_or_else(|| damaged("it is cut off"))?;
		XChaCha20Poly1305::new(Key::from_slice(&self.manifest_key))
			.decrypt(
				XNonce::from_slice(nonce),
				Payload {
					msg: sealed,
					aad: hash,
				},
			)
			.map(Some)
			.map_err(|_| damaged("its seal is broken"))
	}
}

#[cfg(test)]
mod tests;
