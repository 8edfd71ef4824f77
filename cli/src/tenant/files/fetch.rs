//! Fetches files and folders of services.

use super::{again, progress, tell_left_out, PAUSE, TRIES};
use crate::{
	gateway::{is_ours, part_of, shown, Gateway, VolumePlace},
	output::Failure,
	Context,
};
use futures::TryStreamExt as _;
use leasehold_client::{
	units,
	volumes::{Coming, Entry, Kind},
};
use leasehold_manifest::files::{digest, hash};
use serde_json::json;
use sha2::Digest as _;
use std::{
	collections::{BTreeMap, BTreeSet},
	fs::{self, OpenOptions, Permissions},
	io::{self, Read, Write as _},
	os::unix::fs::PermissionsExt as _,
	path::{Path, PathBuf},
	sync::{
		atomic::{AtomicU64, Ordering},
		Arc,
	},
};
use tokio::task::spawn_blocking;
use tokio_util::io::{StreamReader, SyncIoBridge};

/// How often a file may change while it is fetched.
const CHANGES: u32 = 5;
/// A file of more bytes that is here already is not waited for.
const SKIPPED: u64 = 1 << 20;
/// Bytes that are read at a time.
const CHUNK: usize = 64 << 10;

/// What came of a stream.
enum Came {
	/// All that was wanted of it, or all there was.
	End,
	/// Much that is here already would come next.
	Enough,
	/// The connection broke off.
	Broken(io::Error),
	/// This machine failed.
	Failed(Failure),
}

/// What is still wanted: by the name that it travels under, where it goes, and its entry.
type Wanted = BTreeMap<String, (PathBuf, Entry)>;

/// How many files these are, folders aside.
fn files(wanted: &Wanted) -> usize {
	let entries = wanted.values();
	entries.filter(|(_, entry)| entry.sha256.is_some()).count()
}

fn local(path: &Path) -> impl Fn(io::Error) -> Failure + '_ {
	move |error| {
		let what = format!("{}: {error}", path.display());
		Failure::new(
			1,
			what,
			"Check the path and the disk; the same command goes on.",
		)
	}
}

/// Whether a file of this size and digest is here already.
pub fn is_here(path: &Path, size: u64, sha256: &str) -> bool {
	let has_size = fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.len() == size);
	has_size && digest(path).is_ok_and(|(_, found)| hex::encode(found) == sha256)
}

/// Fetches what is at these places; of a folder what is in it, if so meant.
pub async fn fetch(
	context: &Context,
	gateway: &Gateway,
	places: Vec<(VolumePlace, bool)>,
	to: &Path,
) -> Result<(), Failure> {
	let mut all = Fetched::default();
	let mut names = BTreeSet::new();
	for (place, only_inside) in &places {
		let name = place.path.rsplit('/').next().unwrap_or_default();
		if !only_inside && !names.insert(name) {
			let what = format!("`{name}` is named twice, and both would go to the same place");
			return Err(Failure::new(2, what, "Fetch one of them elsewhere: --to."));
		}
	}
	for (place, only_inside) in places {
		one(context, gateway, &place, only_inside, to, &mut all).await?;
	}
	let Fetched {
		files,
		bytes,
		here,
		left_out,
	} = all;
	tell_left_out(context, &left_out);
	let json = json!({
		"lease": gateway.lease, "files": files, "bytes": bytes, "already_here": here, "left_out": left_out,
	});
	context.out.result(json, || {
		let had = match here {
			0 => String::new(),
			here => format!("; {here} were here already"),
		};
		let files = units::count(files, "file");
		format!("{files} fetched into {}, {bytes} bytes{had}", to.display())
	});
	Ok(())
}

#[derive(Default)]
struct Fetched {
	files: usize,
	bytes: u64,
	here: usize,
	left_out: Vec<String>,
}

async fn one(
	context: &Context,
	gateway: &Gateway,
	place: &VolumePlace,
	only_inside: bool,
	to: &Path,
	all: &mut Fetched,
) -> Result<(), Failure> {
	let name = place.path.rsplit('/').next().unwrap_or_default().to_owned();
	let internal = |error: tokio::task::JoinError| Failure::new(1, error.to_string(), "");
	let (mut changes, mut counted) = (0u32, false);
	loop {
		let looking = format!("{place}: looking at what there is");
		context.out.waiting(looking);
		let (entries, of_folder) = again(|| gateway.entries(place, true, true)).await?;
		let base = match !of_folder || only_inside {
			true => to.to_owned(),
			false => to.join(&name),
		};
		fs::create_dir_all(&base).map_err(local(&base))?;
		let mut wanted = Wanted::new();
		let mut order = Vec::new();
		for entry in entries {
			if !matches!(entry.kind, Kind::File | Kind::Folder) {
				if !counted {
					let path = shown(&entry.path);
					all.left_out.push(format!("{}/{path}", place.path));
				}
				continue;
			}
			order.push(entry.path.clone());
			wanted.insert(entry.path.clone(), (base.join(&entry.path), entry));
		}
		let looked = spawn_blocking(move || {
			let before = files(&wanted);
			wanted.retain(|_, (path, entry)| match &entry.sha256 {
				None => !path.is_dir(),
				Some(sha256) => !is_here(path, entry.size, sha256),
			});
			let had = before.saturating_sub(files(&wanted));
			(wanted, had)
		});
		let (mut wanted, had) = looked.await.map_err(internal)?;
		if !counted {
			all.here = all.here.saturating_add(had);
		}
		counted = true;
		let mut changed: Vec<String> = Vec::new();
		let mut tries = 0u32;
		let total = wanted.values().map(|(_, entry)| entry.size);
		let total = total.fold(0, u64::saturating_add);
		let passed = Arc::new(AtomicU64::new(0));
		while let Some(first) = order
			.iter()
			.find(|path| wanted.contains_key(*path))
			.cloned()
		{
			let part = wanted.get(&first).and_then(|(path, entry)| {
				let part = part_of(path, entry.sha256.as_deref()?);
				Some(fs::metadata(part).ok()?.len().min(entry.size))
			});
			let at = (first.clone(), part.unwrap_or(0));
			let before = (passed.load(Ordering::Relaxed), wanted.len());
			let files_before = files(&wanted);
			let answer = gateway.files_from(place, (&at.0, at.1)).await;
			let came = match answer {
				Err(failure) if failure.code == 6 => Came::Broken(io::Error::other(failure.what)),
				Err(failure) => return Err(failure),
				Ok(answer) => {
					let stream = answer.bytes_stream().map_err(io::Error::other);
					let reader = SyncIoBridge::new(StreamReader::new(Box::pin(stream)));
					let counter = passed.clone();
					let going = spawn_blocking(move || {
						let mut lost = Vec::new();
						let came = receive(reader, &mut wanted, &at, &counter, &mut lost);
						(wanted, lost, came)
					});
					let what = format!("fetching {place}");
					let went = progress(context, &what, (&passed, total), going).await;
					let (rest, lost, came) = went.map_err(internal)?;
					let left = files(&rest).saturating_add(lost.len());
					let took = files_before.saturating_sub(left);
					all.files = all.files.saturating_add(took);
					wanted = rest;
					changed.extend(lost);
					came
				}
			};
			match came {
				Came::Failed(failure) => return Err(failure),
				Came::Enough => {
					if (passed.load(Ordering::Relaxed), wanted.len()) == before {
						// What was to come first is there no more.
						wanted.remove(&first);
						changed.push(first);
					}
				}
				Came::End => {
					// It was there a moment ago.
					changed.extend(wanted.keys().cloned());
					break;
				}
				Came::Broken(error) => {
					let gained = (passed.load(Ordering::Relaxed), wanted.len()) != before;
					tries = if gained { 0 } else { tries.saturating_add(1) };
					if tries >= TRIES {
						let what = format!("the transfer broke off: {error}");
						return Err(Failure::new(6, what, "The same command goes on."));
					}
					tokio::time::sleep(PAUSE).await;
				}
			}
		}
		all.bytes = all.bytes.saturating_add(passed.load(Ordering::Relaxed));
		let Some(path) = changed.first() else {
			return Ok(());
		};
		changes = changes.saturating_add(1);
		if changes >= CHANGES {
			let what = format!("`{path}` changes faster than it can be fetched");
			let advice = "Have the service write a copy, and fetch that.";
			return Err(Failure::new(5, what, advice));
		}
	}
}

/// Takes what is wanted out of a stream, which begins at an entry and a byte of it. What is not as it was told is lost.
fn receive(
	stream: impl Read,
	wanted: &mut Wanted,
	(at, from): &(String, u64),
	passed: &AtomicU64,
	lost: &mut Vec<String>,
) -> Came {
	let mut archive = tar::Archive::new(stream);
	let mut coming = match Coming::of(&mut archive) {
		Ok(coming) => coming,
		Err(error) => return Came::Broken(error),
	};
	while !wanted.is_empty() {
		let (name, mut one) = match coming.next_one() {
			Ok(Some(next)) => next,
			Ok(None) => return Came::End,
			Err(error) => return Came::Broken(error),
		};
		let Some((path, entry)) = wanted.get(&name) else {
			match one.size() > SKIPPED {
				true => return Came::Enough,
				false => continue,
			}
		};
		let done = match &entry.sha256 {
			None => fs::create_dir_all(path)
				.map(|()| true)
				.map_err(|error| Came::Failed(local(path)(error))),
			Some(sha256) => {
				let skipped = if name == *at { *from } else { 0 };
				file(path, entry, sha256, skipped, &mut one, passed)
			}
		};
		match done {
			Ok(true) => {}
			Ok(false) => lost.push(name.clone()),
			Err(came) => return came,
		}
		wanted.remove(&name);
	}
	Came::End
}

/// Takes a file; whether it is the one that was told of.
fn file(
	path: &Path,
	entry: &Entry,
	sha256: &str,
	from: u64,
	coming: &mut tar::Entry<'_, impl Read>,
	passed: &AtomicU64,
) -> Result<bool, Came> {
	if from.checked_add(coming.size()) != Some(entry.size) {
		return Ok(false);
	}
	let failed = |error| Came::Failed(local(path)(error));
	if let Some(folder) = path.parent() {
		fs::create_dir_all(folder).map_err(failed)?;
	}
	let part = part_of(path, sha256);
	let mut options = OpenOptions::new();
	options.read(true).write(true).create(true).truncate(false);
	let mut out = options.open(&part).map_err(failed)?;
	if !is_ours(&out, &part).map_err(failed)? {
		let what = format!("{} is being fetched already", path.display());
		return Err(Came::Failed(Failure::new(
			1,
			what,
			"Let the other command end.",
		)));
	}
	out.set_len(from).map_err(failed)?;
	// It stands at the end of what is here then.
	let (_, mut hasher) = hash(&out).map_err(failed)?;
	let (mut buffer, mut size) = (vec![0u8; CHUNK], from);
	loop {
		let n = match coming.read(&mut buffer) {
			Ok(0) => break,
			Ok(n) => n,
			Err(error) => return Err(Came::Broken(error)),
		};
		let chunk = buffer.get(..n).unwrap_or_default();
		let bytes = u64::try_from(n).unwrap_or(0);
		size = size.saturating_add(bytes);
		passed.fetch_add(bytes, Ordering::Relaxed);
		hasher.update(chunk);
		out.write_all(chunk).map_err(failed)?;
	}
	if size != entry.size {
		return Err(Came::Broken(io::ErrorKind::UnexpectedEof.into()));
	}
	if hex::encode(hasher.finalize()) != sha256 {
		let _ = fs::remove_file(&part);
		return Ok(false);
	}
	if entry.mode & 0o111 > 0 {
		// Whoever may read it may run it; what else it may is this machine's to say.
		let mode = out.metadata().map_err(failed)?.permissions().mode();
		let mode = Permissions::from_mode(mode | ((mode & 0o444) >> 2));
		out.set_permissions(mode).map_err(failed)?;
	}
	out.sync_all().map_err(failed)?;
	fs::rename(&part, path).map_err(failed)?;
	Ok(true)
}
