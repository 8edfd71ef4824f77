//! Puts files and folders into volumes of services.

use super::{progress, tell_left_out, PAUSE, TRIES};
use crate::{
	gateway::{Gateway, VolumePlace},
	output::Failure,
	Context,
};
use leasehold_client::units;
use leasehold_client::volumes::{
	order, Entry, Kind, ANNOUNCED, MAX_ANNOUNCED, MAX_DEPTH, MAX_LISTED,
};
use leasehold_manifest::files::{digest, is_safe_path};
use serde_json::json;
use std::{
	collections::BTreeMap,
	fs::{self, File},
	io::{self, Read as _, Seek as _, SeekFrom, Write},
	os::unix::fs::PermissionsExt as _,
	path::{Path, PathBuf},
	sync::{
		atomic::{AtomicU64, Ordering},
		Arc, Mutex,
	},
};
use tokio::{sync::mpsc, task::spawn_blocking};
use tokio_stream::wrappers::ReceiverStream;

/// Bytes that are sent at a time, and such pieces that may wait.
const CHUNK: usize = 128 << 10;
const WAITING: usize = 4;

/// What is to be put.
pub struct Announced {
	/// In the order in which they travel, with where they lie here.
	entries: Vec<(Entry, PathBuf)>,
	left_out: Vec<String>,
}

fn local(path: &Path) -> impl Fn(io::Error) -> Failure + '_ {
	move |error| Failure::new(2, format!("{}: {error}", path.display()), "Check the path.")
}

/// Finds what is to be put, and its digests.
pub async fn collect(context: &Context, files: Vec<String>) -> Result<Announced, Failure> {
	context.out.waiting("looking at what is to be put");
	let found = spawn_blocking(move || {
		let mut found = Found::default();
		for file in &files {
			let only_inside = file.ends_with('/') || file == ".";
			let path = Path::new(file);
			let meta = fs::metadata(path).map_err(local(path))?;
			let name = match (only_inside && meta.is_dir(), path.file_name()) {
				(true, _) => String::new(),
				(false, Some(name)) => name.to_string_lossy().into_owned(),
				(false, None) => {
					let what = format!("`{file}` has no name of its own");
					return Err(Failure::new(
						2,
						what,
						"End it with `/`: what is in it is meant.",
					));
				}
			};
			found.add(path, name, &meta, MAX_DEPTH)?;
		}
		let mut entries: Vec<_> = found.entries.into_values().collect();
		entries.sort_by(|(a, _), (b, _)| order(&a.path, &b.path));
		for (entry, path) in &mut entries {
			if entry.kind == Kind::File {
				let (size, sha256) = digest(path).map_err(local(path))?;
				entry.size = size;
				entry.sha256 = Some(hex::encode(sha256));
			}
		}
		Ok(Announced {
			entries,
			left_out: found.left_out,
		})
	});
	found
		.await
		.map_err(|error| Failure::new(1, error.to_string(), ""))?
}

#[derive(Default)]
struct Found {
	entries: BTreeMap<String, (Entry, PathBuf)>,
	left_out: Vec<String>,
}

impl Found {
	fn add(
		&mut self,
		path: &Path,
		name: String,
		meta: &fs::Metadata,
		depth: usize,
	) -> Result<(), Failure> {
		if !meta.is_file() && !meta.is_dir() {
			self.left_out.push(path.display().to_string());
			return Ok(());
		}
		if !name.is_empty() {
			if !is_safe_path(&name) {
				let what = format!(
					"{} cannot be put: its name is too long, or no plain text",
					path.display()
				);
				return Err(Failure::new(2, what, "Give it another name."));
			}
			let entry = Entry {
				path: name.clone(),
				kind: if meta.is_file() {
					Kind::File
				} else {
					Kind::Folder
				},
				size: 0,
				mode: meta.permissions().mode() & 0o777,
				modified: 0,
				sha256: None,
			};
			let twice = self.entries.insert(name.clone(), (entry, path.to_owned()));
			if twice.is_some_and(|(entry, _)| entry.kind == Kind::File || meta.is_file()) {
				let what = format!("`{name}` is named twice");
				return Err(Failure::new(2, what, "Put one of them elsewhere."));
			}
		}
		if self.entries.len() > MAX_LISTED {
			let what = format!("more than {MAX_LISTED} files");
			return Err(Failure::new(
				2,
				what,
				"Put them in parts, or as an archive.",
			));
		}
		if !meta.is_dir() {
			return Ok(());
		}
		let Some(depth) = depth.checked_sub(1) else {
			let what = format!("{}: folders are nested too deeply", path.display());
			return Err(Failure::new(2, what, "Put them as an archive."));
		};
		for entry in fs::read_dir(path).map_err(local(path))? {
			let entry = entry.map_err(local(path))?;
			let inner = entry.path();
			// A link would be followed to wherever it leads.
			let meta = fs::symlink_metadata(&inner).map_err(local(&inner))?;
			let own = entry.file_name();
			let own = own.to_str().ok_or_else(|| {
				let what = format!("{}: its name is no text", inner.display());
				Failure::new(2, what, "Give it another name.")
			})?;
			let name = match name.as_str() {
				"" => own.to_owned(),
				name => format!("{name}/{own}"),
			};
			self.add(&inner, name, &meta, depth)?;
		}
		Ok(())
	}
}

/// What has been put.
#[derive(Default)]
struct Sums {
	files: usize,
	there: usize,
	bytes: u64,
}

/// As many as are announced at a time.
fn batches(entries: Vec<(Entry, PathBuf)>) -> Vec<Vec<(Entry, PathBuf)>> {
	let (mut all, mut batch, mut bytes) = (Vec::new(), Vec::new(), 2usize);
	for (entry, path) in entries {
		let length = serde_json::to_vec(&entry).map_or(0, |line| line.len());
		let length = length.saturating_add(1);
		if bytes.saturating_add(length) > MAX_ANNOUNCED {
			all.push(std::mem::take(&mut batch));
			bytes = 2;
		}
		bytes = bytes.saturating_add(length);
		batch.push((entry, path));
	}
	all.push(batch);
	all
}

/// Puts what was found at a place.
pub async fn send(
	context: &Context,
	gateway: &Gateway,
	place: &VolumePlace,
	announced: Announced,
) -> Result<(), Failure> {
	let Announced { entries, left_out } = announced;
	let mut sums = Sums::default();
	for batch in batches(entries) {
		one(context, gateway, place, &batch, &mut sums).await?;
	}
	tell_left_out(context, &left_out);
	let Sums {
		files,
		there,
		bytes,
	} = sums;
	let json = json!({
		"lease": gateway.lease, "service": place.service, "replica": place.replica, "path": place.path,
		"files": files, "bytes": bytes, "already_there": there, "left_out": left_out,
	});
	context.out.result(json, || {
		let had = match there {
			0 => String::new(),
			there => format!("; {there} were there already"),
		};
		let files = units::count(files, "file");
		format!("{files} put into {place}, {bytes} bytes{had}")
	});
	Ok(())
}

/// Puts what is announced at once, and goes on where that breaks off.
async fn one(
	context: &Context,
	gateway: &Gateway,
	place: &VolumePlace,
	entries: &[(Entry, PathBuf)],
	sums: &mut Sums,
) -> Result<(), Failure> {
	let listed: Vec<_> = entries.iter().map(|(entry, _)| entry).collect();
	let listed =
		serde_json::to_vec(&listed).map_err(|error| Failure::new(1, error.to_string(), ""))?;
	let is_file = |entry: &Entry| entry.kind == Kind::File;
	let count = entries.iter().filter(|(entry, _)| is_file(entry)).count();
	let (mut tries, mut there, mut last) = (0u32, None, None);
	loop {
		context
			.out
			.waiting(format!("{place}: looking at what is there"));
		let sent = async {
			let plan = gateway.plan(place, &listed).await?;
			if plan.had.len() != entries.len() {
				let what = "the provider answers for other files than were named";
				return Err(Failure::new(5, what, "Do not trust this provider."));
			}
			let pairs = || entries.iter().zip(&plan.had);
			let whole =
				pairs().filter(|((entry, _), had)| is_file(entry) && **had == Some(entry.size));
			there.get_or_insert(whole.count());
			if last
				.replace(plan.had.clone())
				.is_some_and(|last| last != plan.had)
			{
				tries = 0;
			}
			let left = pairs().filter(|((entry, _), had)| **had != Some(entry.size));
			let left: Vec<_> = left
				.map(|((entry, path), had)| (entry.clone(), path.clone(), had.unwrap_or(0)))
				.collect();
			if left.is_empty() {
				return Ok(());
			}
			let total = left
				.iter()
				.map(|(entry, _, had)| entry.size.saturating_sub(*had));
			let total = total.fold(0, u64::saturating_add);
			let files = left.iter().filter(|(entry, ..)| is_file(entry)).count();
			let passed = Arc::new(AtomicU64::new(0));
			let failed = Arc::new(Mutex::new(None));
			let body = stream(listed.clone(), left, passed.clone(), failed.clone());
			let going = gateway.put_files(place, &listed, body);
			let what = format!("putting into {place}");
			let went = progress(context, &what, (&passed, total), going).await;
			sums.bytes = sums.bytes.saturating_add(passed.load(Ordering::Relaxed));
			let failed = failed.lock().ok().and_then(|mut failed| failed.take());
			if let Some(failed) = failed {
				return Err(failed);
			}
			match usize::try_from(went?.files) {
				Ok(n) if n == files => Ok(()),
				_ => Err(Failure::new(6, "the provider has taken a part of it", "")),
			}
		};
		match sent.await {
			Ok(()) => break,
			Err(failure) if failure.code == 6 && tries < TRIES => {
				tries = tries.saturating_add(1);
				tokio::time::sleep(PAUSE).await;
			}
			Err(failure) if failure.code == 6 => {
				return Err(Failure::new(6, failure.what, "The same command goes on."));
			}
			Err(failure) => return Err(failure),
		}
	}
	let there = there.unwrap_or(0);
	sums.there = sums.there.saturating_add(there);
	sums.files = sums.files.saturating_add(count.saturating_sub(there));
	Ok(())
}

/// What waits to be sent.
struct Out {
	sender: mpsc::Sender<io::Result<Vec<u8>>>,
}

impl Write for Out {
	fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
		let sent = self.sender.blocking_send(Ok(bytes.to_vec()));
		sent.map_err(|_| io::ErrorKind::BrokenPipe)?;
		Ok(bytes.len())
	}

	fn flush(&mut self) -> io::Result<()> {
		Ok(())
	}
}

/// A stream of what is announced, then of (entry, file, bytes of it to leave out).
fn stream(
	announced: Vec<u8>,
	left: Vec<(Entry, PathBuf, u64)>,
	passed: Arc<AtomicU64>,
	failed: Arc<Mutex<Option<Failure>>>,
) -> reqwest::Body {
	let (sender, receiver) = mpsc::channel(WAITING);
	spawn_blocking(move || {
		let end = sender.clone();
		let out = io::BufWriter::with_capacity(CHUNK, Out { sender });
		let note = |failure: Failure| {
			if let Ok(mut failed) = failed.lock() {
				*failed = Some(failure);
			}
		};
		if let Err(error) = write(out, &announced, &left, &passed, &note) {
			// The gateway must not take it for the whole.
			let _ = end.blocking_send(Err(error));
		}
	});
	reqwest::Body::wrap_stream(ReceiverStream::new(receiver))
}

fn write(
	out: impl Write,
	announced: &[u8],
	left: &[(Entry, PathBuf, u64)],
	passed: &AtomicU64,
	note: &dyn Fn(Failure),
) -> io::Result<()> {
	let mut archive = tar::Builder::new(out);
	let mut header = tar::Header::new_gnu();
	header.set_mode(0o600);
	header.set_size(u64::try_from(announced.len()).unwrap_or(u64::MAX));
	archive.append_data(&mut header, ANNOUNCED, announced)?;
	for (entry, path, skip) in left {
		let mut header = tar::Header::new_gnu();
		header.set_mode(entry.mode);
		if entry.kind == Kind::Folder {
			header.set_entry_type(tar::EntryType::Directory);
			header.set_size(0);
			archive.append_data(&mut header, &entry.path, io::empty())?;
			continue;
		}
		let size = entry.size.saturating_sub(*skip);
		header.set_size(size);
		let opened = File::open(path).and_then(|mut file| {
			file.seek(SeekFrom::Start(*skip))?;
			Ok(file)
		});
		let file = match opened {
			Ok(file) => file,
			Err(error) => {
				note(local(path)(io::Error::new(error.kind(), error.to_string())));
				return Err(error);
			}
		};
		// It may have become shorter since it was announced; the gateway sees that by its digest.
		let bytes = file.chain(io::repeat(0)).take(size);
		archive.append_data(&mut header, &entry.path, Counted(bytes, passed))?;
	}
	archive.into_inner()?.flush()
}

/// Counts what is read.
struct Counted<'a, R>(R, &'a AtomicU64);

impl<R: io::Read> io::Read for Counted<'_, R> {
	fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
		let n = self.0.read(buffer)?;
		self.1
			.fetch_add(u64::try_from(n).unwrap_or(0), Ordering::Relaxed);
		Ok(n)
	}
}
