//! What is put into a volume.

use super::{
	super::{internal, refused, Refused},
	tree::{digest, find, open_file, wrong, Found, MODE},
};
use axum::http::StatusCode;
use cap_std::fs::{Dir, File, MetadataExt as _, OpenOptions, Permissions, PermissionsExt as _};
use leasehold_client::volumes::{
	Coming, Entry, Kind, Plan, Put, ANNOUNCED, MAX_ANNOUNCED, MAX_ENTRIES,
};
use leasehold_manifest::files::is_safe_path;
use rustix::fs::{chownat, AtFlags, Gid, Uid};
use sha2::{Digest as _, Sha256};
use std::{
	collections::BTreeMap,
	io::{self, ErrorKind, Read, Seek as _, SeekFrom, Write as _},
};

/// Bytes that are written at a time.
const CHUNK: usize = 64 << 10;

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
	if entries.len() > MAX_ENTRIES {
		return Err(bad(format!("more than {MAX_ENTRIES} files at a time")));
	}
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
		.filter(|_| hex::decode(sha256).is_ok_and(|b| b.len() == 32));
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

/// What of a file is there: all of it, or a part.
fn had(root: &Dir, entry: &Entry) -> Result<Option<u64>, Refused> {
	let wrong = wrong(&entry.path);
	let missing =
		|error: &io::Error| [ErrorKind::NotFound, ErrorKind::NotADirectory].contains(&error.kind());
	let Some(sha256) = &entry.sha256 else {
		return match root.metadata(&entry.path) {
			Ok(meta) => Ok(meta.is_dir().then_some(0)),
			Err(error) if missing(&error) => Ok(None),
			Err(error) => Err(wrong(error)),
		};
	};
	let (folder, name) = split(&entry.path);
	let folder = match folder {
		"" => root.try_clone(),
		folder => root.open_dir(folder),
	};
	let folder = match folder {
		Err(error) if missing(&error) => return Ok(None),
		folder => folder.map_err(&wrong)?,
	};
	let open = |name: &str| match open_file(&folder, name, OpenOptions::new().read(true)) {
		Ok(file) => Ok(Some(file)),
		Err(error) if missing(&error) => Ok(None),
		Err(error) => Err(wrong(error)),
	};
	if let Some(mut file) = open(name)? {
		if length(&file).map_err(&wrong)? == entry.size {
			let found = digest(&mut file, entry.size).map_err(&wrong)?;
			if hex::encode(found.finalize()) == *sha256 {
				return Ok(Some(entry.size));
			}
		}
	}
	match open(&part_name(sha256)?)? {
		// All of it is here, and was not put in its place: it comes anew.
		Some(part) => Ok(Some(length(&part).map_err(&wrong)?).filter(|had| *had < entry.size)),
		None => Ok(None),
	}
}

/// The folder that things are put into, which may not be there yet.
fn target(root: Dir, rest: &str) -> Result<Option<Dir>, Refused> {
	match find(root, rest) {
		Ok(Found::Folder(folder)) => Ok(Some(folder)),
		Ok(Found::File(..)) => Err(refused(StatusCode::CONFLICT, format!("`{rest}` is a file"))),
		Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
		Err(error) => Err(wrong(rest)(error)),
	}
}

/// What of the announced is there already; `room` is what the volume has left.
pub fn plan(root: Dir, rest: &str, entries: &[Entry], room: u64) -> Result<Plan, Refused> {
	let had: Vec<_> = match target(root, rest)? {
		Some(folder) => entries
			.iter()
			.map(|entry| had(&folder, entry))
			.collect::<Result<_, _>>()?,
		None => vec![None; entries.len()],
	};
	let coming = entries.iter().zip(&had);
	let coming = coming.map(|(entry, had)| entry.size.saturating_sub(had.unwrap_or(0)));
	let coming = coming.fold(0, u64::saturating_add);
	if coming > room {
		let why = format!("{coming} bytes are to come, and the volume has room for {room}");
		return Err(refused(StatusCode::PAYLOAD_TOO_LARGE, why));
	}
	Ok(Plan { had })
}

/// Gives what was made to whom the folder around it belongs. Who is not root keeps it.
fn hand_over(around: &Dir, name: &str) -> io::Result<()> {
	let meta = around.dir_metadata()?;
	let (user, group) = (Uid::from_raw(meta.uid()), Gid::from_raw(meta.gid()));
	match chownat(
		around,
		name,
		Some(user),
		Some(group),
		AtFlags::SYMLINK_NOFOLLOW,
	) {
		Err(rustix::io::Errno::PERM) => Ok(()),
		done => Ok(done?),
	}
}

/// Opens a folder, and makes what of it is missing.
fn make(root: Dir, path: &str) -> io::Result<Dir> {
	let parts = path.split('/').filter(|part| !part.is_empty());
	parts.into_iter().try_fold(root, |around, part| {
		match around.open_dir(part) {
			Err(error) if error.kind() == ErrorKind::NotFound => {}
			opened => return opened,
		}
		match around.create_dir(part) {
			Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
			_ => {}
		}
		hand_over(&around, part)?;
		around.open_dir(part)
	})
}

/// Takes one file: goes on with the part that is there, and puts it in its place once it is whole.
fn file(
	root: &Dir,
	entry: &Entry,
	sha256: &str,
	coming: &mut tar::Entry<'_, impl Read>,
	room: &mut u64,
) -> Result<u64, Refused> {
	let wrong = wrong(&entry.path);
	let size = coming.size();
	let from = entry.size.checked_sub(size);
	let from = from.ok_or_else(|| bad(format!("`{}` is longer than announced", entry.path)))?;
	let (folder, name) = split(&entry.path);
	let folder = make(root.try_clone().map_err(&wrong)?, folder).map_err(&wrong)?;
	let part_name = part_name(sha256)?;
	let mut options = OpenOptions::new();
	options.read(true).write(true).create(true);
	let mut part = open_file(&folder, &part_name, &mut options).map_err(&wrong)?;
	let had = length(&part).map_err(&wrong)?;
	if had < from {
		let why = format!("of `{}` {had} bytes are here, not {from}", entry.path);
		return Err(refused(StatusCode::CONFLICT, why));
	}
	part.set_len(from).map_err(&wrong)?;
	hand_over(&folder, &part_name).map_err(&wrong)?;
	let mut hasher = digest(&mut part, from).map_err(&wrong)?;
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
		let bytes = u64::try_from(n).unwrap_or(u64::MAX);
		*room = room.checked_sub(bytes).ok_or_else(|| {
			let why = "the volume has no room for it";
			refused(StatusCode::PAYLOAD_TOO_LARGE, why)
		})?;
		taken = taken.saturating_add(bytes);
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
	let mode = Permissions::from_mode(entry.mode & MODE);
	part.set_permissions(mode).map_err(&wrong)?;
	folder.rename(&part_name, &folder, name).map_err(&wrong)?;
	Ok(taken)
}

/// Takes a stream: what is announced in it, and nothing else.
pub fn take(
	root: Dir,
	rest: &str,
	signed: &str,
	stream: impl Read,
	mut room: u64,
) -> Result<Put, Refused> {
	let broken = |error: io::Error| bad(format!("the stream is malformed: {error}"));
	let mut archive = tar::Archive::new(stream);
	let mut coming = Coming::of(&mut archive).map_err(broken)?;
	let first = coming.next_one().map_err(broken)?;
	let (name, first) = first.ok_or_else(|| bad("the stream is empty"))?;
	let mut bytes = Vec::new();
	let most = u64::try_from(MAX_ANNOUNCED).unwrap_or(u64::MAX);
	if name != ANNOUNCED || first.size() > most {
		return Err(bad("the stream does not begin with what comes in it"));
	}
	first.take(most).read_to_end(&mut bytes).map_err(broken)?;
	let entries = announced(&bytes, signed)?;
	let mut left: BTreeMap<&str, &Entry> = entries
		.iter()
		.map(|entry| (entry.path.as_str(), entry))
		.collect();
	let root = make(root, rest).map_err(wrong(rest))?;
	let mut put = Put { files: 0, bytes: 0 };
	while let Some((path, mut one)) = coming.next_one().map_err(broken)? {
		let entry = left
			.remove(path.as_str())
			.ok_or_else(|| bad(format!("`{path}` was not announced, or comes twice")))?;
		match &entry.sha256 {
			None => {
				let root = root.try_clone().map_err(internal)?;
				make(root, &path).map_err(wrong(&path))?;
			}
			Some(sha256) => {
				let taken = file(&root, entry, sha256, &mut one, &mut room)?;
				put.bytes = put.bytes.saturating_add(taken);
				put.files = put.files.saturating_add(1);
			}
		}
	}
	Ok(put)
}
