//! What is put into a volume.

use super::{
	super::{refused, Refused},
	tree::{digest, find, open_file, wrong, Found, GoesOn, MODE},
};
use crate::executor::{
	clear::empty,
	measure::{ENTRY, MAX_DEPTH, MAX_FILES},
};
use axum::http::StatusCode;
use cap_std::fs::{Dir, File, Metadata, MetadataExt as _};
use leasehold_client::volumes::{Coming, Entry, Kind, Plan, Put, ANNOUNCED, MAX_ANNOUNCED};
use leasehold_manifest::files::is_safe_path;
use rustix::{
	fs::{fchmod, fchown, openat, Gid, Mode, OFlags, Uid},
	io::Errno,
};
use sha2::{Digest as _, Sha256};
use std::{
	collections::{BTreeMap, BTreeSet},
	io::{self, ErrorKind, Read, Seek as _, SeekFrom, Write as _},
	os::fd::AsFd,
};

/// Bytes that are written at a time.
const CHUNK: usize = 64 << 10;
/// What a folder may that is not announced, but needed.
const FOLDER: u32 = 0o755;

/// What a volume may have, and what it has.
#[derive(Clone, Copy, Debug)]
pub struct Room {
	size: u64,
	bytes: u64,
	files: u64,
}

/// Bytes that a file of a size is measured at: whole blocks.
fn cost(size: u64) -> u64 {
	size.div_ceil(ENTRY).max(1).saturating_mul(ENTRY)
}

impl Room {
	/// That of a volume of a size, of which so much is taken.
	pub fn of(size: u64, (bytes, files): (u64, u64)) -> Self {
		Self { size, bytes, files }
	}

	/// Takes what another file or folder is measured at; of what is there a part, measured at so much, may be.
	fn take(&mut self, bytes: u64, there: Option<u64>) -> Result<(), Refused> {
		let all = self.bytes.saturating_sub(there.unwrap_or(0));
		let all = all.saturating_add(bytes);
		let files = self.files.saturating_add(there.is_none().into());
		if all > self.size || files > MAX_FILES {
			let why = format!(
				"the volume has room for {} bytes and {} files more, which is not enough: each file and folder counts \
				 for {ENTRY} bytes at least, and what is replaced is there until the new one is",
				self.size.saturating_sub(self.bytes),
				MAX_FILES.saturating_sub(self.files)
			);
			return Err(refused(StatusCode::PAYLOAD_TOO_LARGE, why));
		}
		(self.bytes, self.files) = (all, files);
		Ok(())
	}

	/// Takes back what something was measured at that is there no more.
	fn give(&mut self, bytes: u64) {
		self.bytes = self.bytes.saturating_sub(bytes);
		self.files = self.files.saturating_sub(1);
	}
}

/// Bytes that something is measured at.
fn measured(meta: &Metadata) -> u64 {
	let blocks = meta.blocks().saturating_mul(512);
	meta.len().max(blocks).max(ENTRY)
}

fn bad(why: impl Into<String>) -> Refused {
	refused(StatusCode::BAD_REQUEST, why)
}

/// What is announced, if it is what was signed.
pub fn announced(bytes: &[u8], signed: &str) -> Result<Vec<Entry>, Refused> {
	if hex::encode(Sha256::digest(bytes)) != signed {
		return Err(bad("what comes is not what was signed"));
	}
	let entries: Vec<Entry> = serde_json::from_slice(bytes)
		.map_err(|error| bad(format!("what is announced is malformed: {error}")))?;
	let is_file = |entry: &Entry| entry.kind == Kind::File;
	for entry in &entries {
		let sound = is_file(entry) || entry.kind == Kind::Folder;
		if !sound || !is_safe_path(&entry.path) || is_file(entry) != entry.sha256.is_some() {
			let why = format!("`{}` cannot be taken: files and folders only", entry.path);
			return Err(bad(why));
		}
	}
	Ok(entries)
}

/// The name of what has come of a file so far. It counts as the volume's, and goes on when the same file is put again.
fn part_name(sha256: &str) -> Result<String, Refused> {
	let start = sha256
		.get(..32)
		.filter(|_| hex::decode(sha256).is_ok_and(|bytes| bytes.len() == 32));
	let start = start.ok_or_else(|| bad("a digest is no SHA-256"))?;
	Ok(format!(".leasehold-{start}.part"))
}

/// Folder and name of what is to be put.
fn split(path: &str) -> (&str, &str) {
	path.rsplit_once('/').unwrap_or(("", path))
}

fn length(file: &File) -> io::Result<u64> {
	file.metadata().map(|meta| meta.len())
}

fn is_missing(error: &io::Error) -> bool {
	[ErrorKind::NotFound, ErrorKind::NotADirectory].contains(&error.kind())
}

/// What of something announced is there.
#[derive(Debug, Default)]
struct There {
	/// Bytes of it; all of them: it is there as it was announced.
	had: Option<u64>,
	/// What the part that has come is measured at, and what it is to take the place of.
	part: Option<u64>,
	old: Option<u64>,
}

/// What is at a path, links followed but for the last: nothing, where one on the way leads nowhere.
fn look(root: &Dir, path: &str) -> Result<Option<Metadata>, Refused> {
	match root.symlink_metadata(path) {
		Ok(meta) => Ok(Some(meta)),
		Err(error) if is_missing(&error) => Ok(None),
		Err(error) => Err(wrong(path)(error)),
	}
}

fn there(root: &Dir, entry: &Entry, goes_on: &mut GoesOn<'_>) -> Result<There, Refused> {
	let wrong = wrong(&entry.path);
	let conflict = |why: &str| {
		Err(refused(
			StatusCode::CONFLICT,
			format!("`{}` is {why}", entry.path),
		))
	};
	let Some(sha256) = &entry.sha256 else {
		return match root.metadata(&entry.path) {
			Ok(meta) if meta.is_dir() => Ok(There {
				had: Some(0),
				..There::default()
			}),
			Ok(_) => conflict("there already, and no folder"),
			Err(error) if is_missing(&error) => Ok(There::default()),
			Err(error) => Err(wrong(error)),
		};
	};
	let old = look(root, &entry.path)?;
	match &old {
		Some(meta) if meta.is_dir() => return conflict("a folder already"),
		Some(meta) if meta.is_file() && meta.len() == entry.size => {
			let mut file = open_file(root, &entry.path).map_err(&wrong)?;
			let found = digest(&mut file, entry.size, goes_on).map_err(&wrong)?;
			if hex::encode(found.finalize()) == *sha256 {
				return Ok(There {
					had: Some(entry.size),
					..There::default()
				});
			}
		}
		_ => {}
	}
	let part = part_name(sha256)?;
	let part = match split(&entry.path).0 {
		"" => part,
		folder => format!("{folder}/{part}"),
	};
	let part = look(root, &part)?.filter(|meta| meta.is_file());
	// All of it is here, and was not put in its place: it comes anew.
	let had = part.as_ref().map(Metadata::len);
	Ok(There {
		had: had.filter(|had| *had > 0 && *had < entry.size),
		part: part.as_ref().map(measured),
		old: old.as_ref().map(measured),
	})
}

/// The folder that things are put into, which may not be there yet.
fn target(root: &Dir, rest: &str) -> Result<Option<Dir>, Refused> {
	let root = root.try_clone().map_err(wrong(rest))?;
	match find(root, rest) {
		Ok(Found::Folder(folder)) => Ok(Some(folder)),
		Ok(Found::File(..)) => Err(refused(StatusCode::CONFLICT, format!("`{rest}` is a file"))),
		Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
		Err(error) => Err(wrong(rest)(error)),
	}
}

/// Refuses what would lie too deep in a volume.
fn not_too_deep(rest: &str, path: &str) -> Result<(), Refused> {
	let depth = above(rest).count().saturating_add(above(path).count());
	match depth > MAX_DEPTH {
		true => Err(bad(format!("`{path}` is nested too deeply"))),
		false => Ok(()),
	}
}

/// All folders that a path goes through, it itself the last.
fn above(path: &str) -> impl Iterator<Item = &str> {
	let ends = path.match_indices('/').map(|(at, _)| at);
	let ends = ends.chain([path.len()]);
	ends.filter_map(|end| path.get(..end))
		.filter(|path| !path.is_empty())
}

/// What of the announced is there already, if there is room for the rest, one after the other.
pub fn plan(
	root: &Dir,
	rest: &str,
	entries: &[Entry],
	mut room: Room,
	goes_on: &mut GoesOn<'_>,
) -> Result<Plan, Refused> {
	let folder = target(root, rest)?;
	if folder.is_none() {
		for here in above(rest) {
			if look(root, here)?.is_none() {
				room.take(cost(0), None)?;
			}
		}
	}
	let (mut parts, mut all) = (BTreeSet::new(), Vec::new());
	for entry in entries {
		not_too_deep(rest, &entry.path)?;
		let mut there = match &folder {
			Some(folder) => there(folder, entry, goes_on)?,
			None => There::default(),
		};
		if there.had == Some(entry.size) {
			all.push(there.had);
			continue;
		}
		// Of two files that are the same one goes on with the part.
		if there.part.is_some() && !parts.insert((split(&entry.path).0, &entry.sha256)) {
			(there.had, there.part) = (None, None);
		}
		room.take(cost(entry.size), there.part)?;
		if let Some(old) = there.old {
			room.give(old);
		}
		all.push(there.had);
	}
	Ok(Plan { had: all })
}

/// Gives what was made to whom the folder around it belongs. Who is not root keeps it.
fn hand_over(made: impl AsFd, around: &Dir) -> io::Result<()> {
	let meta = around.dir_metadata()?;
	let (user, group) = (Uid::from_raw(meta.uid()), Gid::from_raw(meta.gid()));
	match fchown(made, Some(user), Some(group)) {
		Err(Errno::PERM) => Ok(()),
		done => Ok(done?),
	}
}

/// Opens a folder, and makes what of it is missing: of the last this is the mode, whatever this program's mask is.
fn make(root: &Dir, path: &str, mode: u32, room: &mut Room) -> Result<Dir, Refused> {
	let wrong = wrong(path);
	let mut around = root.try_clone().map_err(&wrong)?;
	for here in above(path) {
		// From the volume's root on: a link may lead up.
		match root.open_dir(here) {
			Err(error) if error.kind() == ErrorKind::NotFound => {}
			opened => {
				around = opened.map_err(&wrong)?;
				continue;
			}
		}
		room.take(cost(0), None)?;
		let part = split(here).1;
		match around.create_dir(part) {
			Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(wrong(error)),
			_ => {}
		}
		// A link that has just taken its place is not followed.
		let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
		let made = openat(&around, part, flags, Mode::empty());
		let made = made.map_err(|error| wrong(error.into()))?;
		hand_over(&made, &around).map_err(&wrong)?;
		let mode = if here == path { mode } else { FOLDER };
		fchmod(&made, Mode::from_raw_mode(mode & MODE)).map_err(|error| wrong(error.into()))?;
		around = Dir::from_std_file(made.into());
	}
	Ok(around)
}

/// Opens what has come of a file so far: nobody else's file, and no link to one.
fn open_part(folder: &Dir, name: &str) -> io::Result<File> {
	let flags =
		OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
	let open = || openat(folder, name, flags, Mode::from_raw_mode(0o600));
	for _ in 0..2 {
		match open() {
			Ok(file) => {
				let file = File::from_std(std::fs::File::from(file));
				let meta = file.metadata()?;
				if meta.is_file() && meta.nlink() == 1 {
					return Ok(file);
				}
			}
			Err(Errno::LOOP | Errno::NXIO) => {}
			Err(error) => return Err(error.into()),
		}
		folder.remove_file(name)?;
	}
	Err(io::Error::other(
		"it is made into something else all the time",
	))
}

/// Takes one file: goes on with the part that is there, and puts it in its place once it is whole.
fn file(
	root: &Dir,
	(entry, sha256): (&Entry, &str),
	coming: &mut tar::Entry<'_, impl Read>,
	room: &mut Room,
	goes_on: &mut GoesOn<'_>,
) -> Result<u64, Refused> {
	let wrong = wrong(&entry.path);
	let size = coming.size();
	let from = entry.size.checked_sub(size);
	let from = from.ok_or_else(|| bad(format!("`{}` is longer than announced", entry.path)))?;
	let (folder, name) = split(&entry.path);
	let folder = make(root, folder, FOLDER, room)?;
	let part_name = part_name(sha256)?;
	let old = look(&folder, name)?;
	if old.as_ref().is_some_and(Metadata::is_dir) {
		let why = format!("`{}` is a folder already", entry.path);
		return Err(refused(StatusCode::CONFLICT, why));
	}
	let there = look(&folder, &part_name)?;
	room.take(cost(entry.size), there.as_ref().map(measured))?;
	let mut part = open_part(&folder, &part_name).map_err(&wrong)?;
	let had = length(&part).map_err(&wrong)?;
	if had < from {
		let why = format!("of `{}` {had} bytes are here, not {from}", entry.path);
		return Err(refused(StatusCode::CONFLICT, why));
	}
	part.set_len(from).map_err(&wrong)?;
	hand_over(&part, &folder).map_err(&wrong)?;
	let mut hasher = digest(&mut part, from, goes_on).map_err(&wrong)?;
	part.seek(SeekFrom::Start(from)).map_err(&wrong)?;
	let mut buffer = vec![0u8; CHUNK];
	let mut taken = 0u64;
	loop {
		let n = coming
			.read(&mut buffer)
			.map_err(|error| bad(format!("the upload broke off: {error}")))?;
		if n == 0 {
			break;
		}
		taken = taken.saturating_add(u64::try_from(n).unwrap_or(u64::MAX));
		let chunk = buffer.get(..n).unwrap_or_default();
		hasher.update(chunk);
		part.write_all(chunk).map_err(&wrong)?;
	}
	if taken != size {
		return Err(bad("the upload broke off"));
	}
	if hex::encode(hasher.finalize()) != sha256 {
		let _ = folder.remove_file(&part_name);
		return Err(bad(format!("`{}` is not what was announced", entry.path)));
	}
	let mode = Mode::from_raw_mode(entry.mode & MODE);
	fchmod(&part, mode).map_err(|error| wrong(error.into()))?;
	if old.is_some() {
		// What it takes the place of is there no more, whatever happens to the machine.
		part.sync_all().map_err(&wrong)?;
	}
	folder.rename(&part_name, &folder, name).map_err(&wrong)?;
	if let Some(old) = old {
		room.give(measured(&old));
	}
	Ok(taken)
}

/// Takes a stream: what is announced in it, and nothing else.
pub fn take(
	root: &Dir,
	rest: &str,
	signed: &str,
	stream: impl Read,
	mut room: Room,
	goes_on: &mut GoesOn<'_>,
) -> Result<Put, Refused> {
	let broken = |error: io::Error| bad(format!("the stream is malformed: {error}"));
	let mut archive = tar::Archive::new(stream);
	let mut coming = Coming::of(&mut archive).map_err(broken)?;
	let first = coming.next_one().map_err(broken)?;
	let (name, first) = first.ok_or_else(|| bad("the stream is empty"))?;
	let most = u64::try_from(MAX_ANNOUNCED).unwrap_or(u64::MAX);
	if name != ANNOUNCED || first.size() > most {
		return Err(bad("the stream does not begin with what comes in it"));
	}
	let mut bytes = Vec::new();
	first.take(most).read_to_end(&mut bytes).map_err(broken)?;
	let entries = announced(&bytes, signed)?;
	drop(bytes);
	let mut left: BTreeMap<&str, &Entry> = entries
		.iter()
		.map(|entry| (entry.path.as_str(), entry))
		.collect();
	let folder = match target(root, rest)? {
		Some(folder) => folder,
		None => make(root, rest, FOLDER, &mut room)?,
	};
	let mut put = Put { files: 0, bytes: 0 };
	while let Some((path, mut one)) = coming.next_one().map_err(broken)? {
		let entry = left
			.remove(path.as_str())
			.ok_or_else(|| bad(format!("`{path}` was not announced, or comes twice")))?;
		not_too_deep(rest, &path)?;
		match &entry.sha256 {
			None => {
				make(&folder, &path, entry.mode, &mut room)?;
			}
			Some(sha256) => {
				let taken = file(&folder, (entry, sha256), &mut one, &mut room, goes_on)?;
				put.bytes = put.bytes.saturating_add(taken);
				put.files = put.files.saturating_add(1);
			}
		}
	}
	Ok(put)
}

/// Removes what is at a path, and all that is in it; of a link the link.
pub fn remove(root: &Dir, path: &str, goes_on: &mut GoesOn<'_>) -> io::Result<()> {
	if !root.symlink_metadata(path)?.is_dir() {
		return root.remove_file(path);
	}
	empty(&root.open_dir(path)?, goes_on)?;
	root.remove_dir(path)
}
