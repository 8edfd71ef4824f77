//! Files of a job, handed in and fetched.

use super::{away, reason, Gateway};
use crate::output::Failure;
use futures::StreamExt as _;
use leasehold_client::access::EMPTY;
use leasehold_manifest::{files::is_safe_path, result::Output, FileEntry};
use reqwest::{
	header::{self, HeaderMap},
	Method, Response, StatusCode,
};
use rustix::{
	fs::{flock, fstat, stat, FlockOperation},
	io::Errno,
};
use sha2::{Digest as _, Sha256};
use std::{
	fs::File,
	io::{Read as _, Seek as _, SeekFrom, Write as _},
	os::fd::AsFd,
	path::{Path, PathBuf},
};
use tokio::sync::mpsc;

/// Bytes of a file that are sent at a time.
const CHUNK: usize = 128 << 10;
/// Pieces of a file that may wait to be written, and bytes of it that may not be on disk yet.
const WAITING: usize = 64;
const SYNCED: usize = 32 << 20;

/// Where what has come of a file so far is kept beside it.
pub fn part_of(path: &Path, sha256: &str) -> PathBuf {
	let start = sha256.get(..16).unwrap_or(sha256);
	path.with_file_name(format!(".{start}.leasehold-part"))
}

/// Takes a part for this command alone; whether no other has it, or has just put it in its place. Where the file system
/// knows no locks it is so taken.
pub fn is_ours(part: impl AsFd, path: &Path) -> std::io::Result<bool> {
	match flock(&part, FlockOperation::NonBlockingLockExclusive) {
		Err(Errno::WOULDBLOCK) => return Ok(false),
		Err(error) => tracing::debug!(%error, "a part is not locked"),
		Ok(()) => {}
	}
	let (here, there) = (fstat(&part)?, stat(path));
	Ok(there.is_ok_and(|there| (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino)))
}

/// Writes what comes behind so many bytes of a file; ends when all of it is on disk.
fn write_on<B: AsRef<[u8]>>(
	mut file: File,
	had: u64,
	mut parts: mpsc::Receiver<B>,
) -> std::io::Result<()> {
	file.set_len(had)?;
	file.seek(SeekFrom::Start(had))?;
	let mut unsynced = 0usize;
	while let Some(part) = parts.blocking_recv() {
		let part = part.as_ref();
		file.write_all(part)?;
		unsynced = unsynced.saturating_add(part.len());
		if unsynced >= SYNCED {
			file.sync_data()?;
			unsynced = 0;
		}
	}
	file.sync_all()
}

/// The SHA-256 of so many bytes of a file, and of what comes behind them.
fn hash_on<B: AsRef<[u8]>>(
	path: &Path,
	had: u64,
	mut parts: mpsc::Receiver<B>,
) -> std::io::Result<[u8; 32]> {
	let mut hasher = Sha256::new();
	std::io::copy(&mut File::open(path)?.take(had), &mut hasher)?;
	while let Some(part) = parts.blocking_recv() {
		hasher.update(part.as_ref());
	}
	Ok(hasher.finalize().into())
}

impl Gateway {
	/// Hands in the module or an input.
	pub async fn put(&self, place: &str, entry: &FileEntry, file: &Path) -> Result<(), Failure> {
		let open = tokio::fs::File::open(file).await.map_err(|error| {
			Failure::new(2, format!("{}: {error}", file.display()), "Check the path.")
		})?;
		let path = self.path(&format!("files/{place}"));
		let body =
			reqwest::Body::wrap_stream(tokio_util::io::ReaderStream::with_capacity(open, CHUNK));
		let digest = hex::encode(entry.sha256);
		let none = HeaderMap::new();
		self.request(Method::PUT, &path, &digest, none, Some(body))
			.await
			.map(|_| ())
	}

	/// The results of the job.
	pub async fn outputs(&self) -> Result<Vec<Output>, Failure> {
		let path = self.path("files");
		let answer = self
			.request(Method::GET, &path, EMPTY, HeaderMap::new(), None)
			.await?;
		let outputs: Vec<Output> = self.read(answer).await?;
		// The provider is not trusted with where files go on this machine.
		if let Some(bad) = outputs.iter().find(|output| !is_safe_path(&output.path)) {
			let what = format!(
				"the provider names a file outside the folder: {:?}",
				bad.path
			);
			return Err(Failure::new(5, what, "Do not trust this provider."));
		}
		Ok(outputs)
	}

	/// Fetches one result, or the rest of it; it must be the one that was announced.
	pub async fn fetch(&self, output: &Output, to: &Path) -> Result<(), Failure> {
		let path = self.path(&format!("files/out/{}", output.path));
		let part = part_of(to, &hex::encode(output.sha256));
		let had = tokio::fs::metadata(&part).await;
		let had = had.map_or(0, |meta| meta.len()).min(output.size);
		let mut more = HeaderMap::new();
		// All of it may be here, unchecked: it is fetched anew then.
		let had = if had < output.size { had } else { 0 };
		if let (1.., Ok(range)) = (had, format!("bytes={had}-").parse()) {
			more.insert(header::RANGE, range);
		}
		let answer = self.request(Method::GET, &path, EMPTY, more, None).await?;
		let broken = |error: std::io::Error| {
			Failure::new(
				1,
				format!("{}: {error}", to.display()),
				"Check the path and the disk.",
			)
		};
		if let Some(folder) = to.parent() {
			tokio::fs::create_dir_all(folder).await.map_err(broken)?;
		}
		let had = match answer.status() {
			StatusCode::PARTIAL_CONTENT => had,
			_ => 0,
		};
		self.receive(answer, (output, had), &part, broken).await?;
		tokio::fs::rename(&part, to).await.map_err(broken)
	}

	async fn receive(
		&self,
		answer: Response,
		(output, had): (&Output, u64),
		part: &Path,
		broken: impl Fn(std::io::Error) -> Failure,
	) -> Result<(), Failure> {
		let mut options = std::fs::OpenOptions::new();
		options.read(true).write(true).create(true).truncate(false);
		let file = options.open(part).map_err(&broken)?;
		if !is_ours(&file, part).map_err(&broken)? {
			let what = format!("{} is being fetched already", part.display());
			return Err(Failure::new(1, what, "Let the other command end."));
		}
		// It is written, and its digest reckoned, beside what comes.
		let (to_write, parts) = mpsc::channel(WAITING);
		let writing = tokio::task::spawn_blocking(move || write_on(file, had, parts));
		let (to_hash, parts) = mpsc::channel(WAITING);
		let path = part.to_owned();
		let hashing = tokio::task::spawn_blocking(move || hash_on(&path, had, parts));
		let (mut size, mut lost) = (had, None);
		let mut stream = answer.bytes_stream();
		while let Some(chunk) = stream.next().await {
			let chunk = match chunk {
				Ok(chunk) => chunk,
				Err(error) => {
					lost = Some(away(&self.door().url, &reason(&error)));
					break;
				}
			};
			size = size.saturating_add(u64::try_from(chunk.len()).unwrap_or(u64::MAX));
			let is_too_long = size > output.size;
			if is_too_long
				|| to_hash.send(chunk.clone()).await.is_err()
				|| to_write.send(chunk).await.is_err()
			{
				break;
			}
		}
		drop((to_hash, to_write));
		let done = async { Ok((writing.await??, hashing.await??)) };
		let ((), sha256) = done.await.map_err(&broken)?;
		if let Some(lost) = lost {
			return Err(lost);
		}
		if size != output.size || sha256 != output.sha256 {
			let _ = tokio::fs::remove_file(part).await;
			let what = format!(
				"{} is not the file that the provider announced",
				output.path
			);
			return Err(Failure::new(5, what, "Fetch it again."));
		}
		Ok(())
	}
}
