//! What there is in a volume. The service may change it at any time, and put links wherever it likes: no path leads out
//! of the volume, whoever is faster.

use super::super::{internal, refused, Refused};
use axum::http::StatusCode;
use cap_std::{
	ambient_authority,
	fs::{Dir, File, Metadata, MetadataExt as _, OpenOptions, OpenOptionsExt as _},
};
use leasehold_client::volumes::{order, Entry, Kind, MAX_DEPTH, MAX_LISTED};
use leasehold_manifest::files::{hash, is_safe_path};
use rustix::fs::OFlags;
use sha2::{Digest as _, Sha256};
use std::{
	cmp::Ordering,
	io::{self, ErrorKind, Read, Seek as _, SeekFrom, Write},
	path::Path,
};

/// Permissions that a file keeps on its way: nothing gains rights by being copied.
pub const MODE: u32 = 0o777;

/// Whether it may go on; asked all the time, as a file may be endless.
pub type GoesOn<'a> = dyn FnMut() -> io::Result<()> + 'a;

/// What tells that it may not. Readers and writers try again after an interruption, but not after this.
pub const OVER: ErrorKind = ErrorKind::ConnectionAborted;

/// What is read or written for as long as it may go on.
pub struct Going<T, F>(pub T, pub F);

impl<T: Read, F: FnMut() -> io::Result<()>> Read for Going<T, F> {
	fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
		(self.1)()?;
		self.0.read(buffer)
	}
}

impl<T: Write, F: FnMut() -> io::Result<()>> Write for Going<T, F> {
	fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
		(self.1)()?;
		self.0.write(bytes)
	}

	fn flush(&mut self) -> io::Result<()> {
		self.0.flush()
	}
}

/// What was asked for.
#[derive(Debug)]
pub enum Found {
	Folder(Dir),
	/// With its name.
	File(File, String),
}

/// Why a file or folder cannot be had.
pub fn wrong(path: &str) -> impl Fn(io::Error) -> Refused + '_ {
	move |error| match error.kind() {
		ErrorKind::NotFound => refused(StatusCode::NOT_FOUND, format!("there is no `{path}`")),
		ErrorKind::PermissionDenied => {
			let why = format!("`{path}` leads out of the volume, or may not be read");
			refused(StatusCode::NOT_FOUND, why)
		}
		ErrorKind::NotADirectory => {
			let why = format!("a part of `{path}` is no folder");
			refused(StatusCode::CONFLICT, why)
		}
		ErrorKind::IsADirectory => {
			let why = format!("`{path}` is a folder already");
			refused(StatusCode::CONFLICT, why)
		}
		ErrorKind::DirectoryNotEmpty => {
			let why = format!("something is written into `{path}` all the time");
			refused(StatusCode::CONFLICT, why)
		}
		ErrorKind::InvalidFilename => {
			let why = format!("a name in `{path}` is too long");
			refused(StatusCode::BAD_REQUEST, why)
		}
		ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
			let why = "the provider's disk is full";
			refused(StatusCode::INSUFFICIENT_STORAGE, why)
		}
		OVER => refused(StatusCode::CONFLICT, error.to_string()),
		_ => internal(format!("{path}: {error}")),
	}
}

/// A volume.
pub fn open(root: &Path) -> io::Result<Dir> {
	Dir::open_ambient_dir(root, ambient_authority())
}

/// What is at a path in a volume; links within it are followed here, and only here.
pub fn find(root: Dir, rest: &str) -> io::Result<Found> {
	if rest.is_empty() {
		return Ok(Found::Folder(root));
	}
	if root.metadata(rest)?.is_dir() {
		return Ok(Found::Folder(root.open_dir(rest)?));
	}
	let name = rest.rsplit('/').next().unwrap_or(rest);
	Ok(Found::File(open_file(&root, rest)?, name.to_owned()))
}

/// Opens a file to read it, and nothing that one could wait at for ever.
pub fn open_file(folder: &Dir, name: &str) -> io::Result<File> {
	let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or(0);
	let file = folder.open_with(name, OpenOptions::new().read(true).custom_flags(flags))?;
	match file.metadata()?.is_file() {
		true => Ok(file),
		false => Err(ErrorKind::NotFound.into()),
	}
}

/// The digest of the first so many bytes of a file.
pub fn digest(file: &mut File, bytes: u64, goes_on: &mut GoesOn<'_>) -> io::Result<Sha256> {
	file.seek(SeekFrom::Start(0))?;
	Ok(hash(Going(file.take(bytes), goes_on))?.1)
}

fn entry(path: String, meta: &Metadata) -> Entry {
	let kind = match () {
		() if !is_safe_path(&path) => Kind::Other,
		() if meta.is_dir() => Kind::Folder,
		() if meta.is_file() => Kind::File,
		() if meta.is_symlink() => Kind::Link,
		() => Kind::Other,
	};
	let since = meta.modified().ok().map(|time| time.into_std());
	let since = since.and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
	Entry {
		path,
		kind,
		size: if kind == Kind::File { meta.len() } else { 0 },
		mode: meta.mode() & MODE,
		modified: since.unwrap_or_default().as_secs(),
		sha256: None,
	}
}

/// What is done with each entry; the second argument opens it.
type Each<'a> = dyn FnMut(Entry, &dyn Fn() -> io::Result<File>) -> io::Result<()> + 'a;

/// Goes through what was found.
fn walk(found: &Found, is_deep: bool, each: &mut Each<'_>) -> io::Result<()> {
	match found {
		Found::File(file, name) => {
			let entry = entry(name.clone(), &file.metadata()?);
			each(entry, &|| file.try_clone())
		}
		Found::Folder(folder) => {
			let depth = if is_deep { MAX_DEPTH } else { 0 };
			below(folder, "", depth, &mut { MAX_LISTED }, each)
		}
	}
}

/// Whether something is not there, or not to be had: it is left out.
fn is_away(error: &io::Error) -> bool {
	let away = [
		ErrorKind::NotFound,
		ErrorKind::NotADirectory,
		ErrorKind::PermissionDenied,
	];
	away.contains(&error.kind())
}

fn below(
	folder: &Dir,
	prefix: &str,
	depth: usize,
	left: &mut usize,
	each: &mut Each<'_>,
) -> io::Result<()> {
	let mut names = Vec::new();
	for found in folder.entries()? {
		let too_many = || io::Error::other("there are too many files");
		*left = left.checked_sub(1).ok_or_else(too_many)?;
		names.push(found?.file_name());
	}
	names.sort();
	for name in names {
		let text = name.to_string_lossy();
		let meta = match folder.symlink_metadata(&name) {
			Err(error) if is_away(&error) => continue,
			meta => meta?,
		};
		let path = match prefix {
			"" => text.clone().into_owned(),
			prefix => format!("{prefix}/{text}"),
		};
		let mut entry = entry(path.clone(), &meta);
		// What has no name in letters cannot be told of, let alone fetched.
		if name.to_str().is_none() {
			entry.kind = Kind::Other;
		}
		let inside = match (entry.kind, depth.checked_sub(1)) {
			(Kind::Folder, Some(depth)) => Some(depth),
			_ => None,
		};
		each(entry, &|| open_file(folder, &text))?;
		let Some(depth) = inside else { continue };
		match folder.open_dir(&name) {
			Ok(inner) => below(&inner, &path, depth, left, each)?,
			// It has just become something else.
			Err(error) if is_away(&error) => {}
			Err(error) => return Err(error),
		}
	}
	Ok(())
}

/// Writes what there is, a line of JSON each.
pub fn list(
	found: &Found,
	is_deep: bool,
	with_digests: bool,
	out: &mut impl Write,
	goes_on: &mut GoesOn<'_>,
) -> io::Result<()> {
	walk(found, is_deep, &mut |mut entry, open| {
		goes_on()?;
		if with_digests && entry.kind == Kind::File {
			match open() {
				Ok(mut file) => {
					let hasher = digest(&mut file, entry.size, goes_on)?;
					entry.sha256 = Some(hex::encode(hasher.finalize()));
				}
				Err(error) if is_away(&error) => entry.kind = Kind::Other,
				Err(error) => return Err(error),
			}
		}
		let mut line = serde_json::to_vec(&entry)?;
		line.push(b'\n');
		out.write_all(&line)
	})
}

/// Writes files and folders as tar, from an entry and a byte of it on.
pub fn send(found: &Found, at: &str, from: u64, out: impl Write) -> io::Result<()> {
	let mut archive = tar::Builder::new(out);
	walk(found, true, &mut |entry, open| {
		let place = order(&entry.path, at);
		if !at.is_empty() && place == Ordering::Less {
			return Ok(());
		}
		let mut header = tar::Header::new_gnu();
		header.set_mode(entry.mode);
		header.set_mtime(entry.modified);
		match entry.kind {
			Kind::Folder => {
				header.set_entry_type(tar::EntryType::Directory);
				header.set_size(0);
				archive.append_data(&mut header, &entry.path, io::empty())
			}
			Kind::File => {
				let mut file = match open() {
					Err(error) if is_away(&error) => return Ok(()),
					file => file?,
				};
				let skip = if place == Ordering::Equal { from } else { 0 };
				let skip = skip.min(entry.size);
				let size = entry.size.saturating_sub(skip);
				file.seek(SeekFrom::Start(skip))?;
				header.set_entry_type(tar::EntryType::Regular);
				header.set_size(size);
				// It may have become shorter; whoever gets it sees that by its digest.
				let bytes = file.chain(io::repeat(0)).take(size);
				archive.append_data(&mut header, &entry.path, bytes)
			}
			Kind::Link | Kind::Other => Ok(()),
		}
	})?;
	archive.into_inner()?.flush()
}
