//! An archive of an image, as engines load it, made while its layers come.

use super::{damaged, failed, refused, unreached, Described, Layer, Registry};
use crate::executor::container::engine::PullError;
use axum::body::Bytes;
use flate2::read::MultiGzDecoder;
use futures::Stream;
use reqwest::Response;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use std::{
	collections::BTreeMap,
	io::{self, BufReader, Read},
	time::Duration,
};
use tar::Archive;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::io::{StreamReader, SyncIoBridge};

/// Pieces of it that wait for the engine.
const WAITING: usize = 8;
/// Archives are made of blocks.
const BLOCK: usize = 512;
/// What is expected of a file that is packed, or is none.
const GZIP: &[u8] = &[0x1f, 0x8b];
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
/// What follows the first byte of a frame that zstd skips.
const SKIPPED: &[u8] = &[0x2a, 0x4d, 0x18];
/// Bzip2, and xz.
const OTHERS: [&[u8]; 2] = [b"BZh", &[0xfd, b'7', b'z', b'X', b'Z']];
/// Bytes by which these are told apart.
const TELLING: u64 = 8;
/// The most that zstd may remember of what came, as a power of two: what registries' clients pack with takes less.
const WINDOW: u32 = 27;
/// With what pax names begin that say of a file that it has holes.
const SPARSE: &[u8] = b"GNU.sparse.";
/// Bytes that a file takes at least.
const FILE: u64 = 4_096;
/// How often a layer that breaks off is asked for again, and after what pause.
const AGAIN: u32 = 5;
const PAUSE: Duration = Duration::from_millis(500);

/// That the engine has stopped to read: it says why.
pub const UNWANTED: &str = "the engine takes no more of it";

/// Takes the pieces of an archive; why there are no more is told by who makes it.
pub struct Sent(mpsc::Sender<io::Result<Bytes>>);

impl Sent {
	/// Both ends.
	pub fn channel() -> (Self, impl Stream<Item = io::Result<Bytes>>) {
		let (sender, receiver) = mpsc::channel(WAITING);
		(Self(sender), ReceiverStream::new(receiver))
	}

	async fn send(&self, piece: Bytes) -> Result<(), PullError> {
		let sent = self.0.send(Ok(piece)).await;
		sent.map_err(|_| PullError::Failed(UNWANTED.into()))
	}
}

/// What a layer is, and what it takes.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Measured {
	/// Its digest, and that of what comes out of it.
	packed: String,
	content: String,
	/// Bytes on disk, or that come out of it: whatever is more.
	takes: u64,
}

/// Reads, and hashes what is read.
struct Hashed<R> {
	inner: R,
	hash: Sha256,
	/// Bytes read, and how many there may be.
	bytes: u64,
	most: u64,
}

impl<R: Read> Hashed<R> {
	fn new(inner: R, most: u64) -> Self {
		Self {
			inner,
			hash: Sha256::new(),
			bytes: 0,
			most,
		}
	}

	fn digest(self) -> String {
		hex::encode(self.hash.finalize())
	}
}

/// The word for what is too much.
const TOO_LARGE: &str = "too large";

impl<R: Read> Read for Hashed<R> {
	fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
		let read = self.inner.read(into)?;
		self.hash.update(into.get(..read).unwrap_or_default());
		let more = u64::try_from(read).unwrap_or(u64::MAX);
		self.bytes = self.bytes.saturating_add(more);
		match self.bytes > self.most {
			true => Err(io::Error::other(TOO_LARGE)),
			false => Ok(read),
		}
	}
}

/// What comes out of it is too much.
pub fn too_large() -> PullError {
	refused("the image is too large for this provider, unpacked")
}

/// Too much of it, or not what it is said to be.
fn wrong(error: io::Error) -> PullError {
	match error.to_string().contains(TOO_LARGE) {
		true => too_large(),
		false => damaged("a layer of the image"),
	}
}

/// What a layer that comes is packed by, told by how it begins, as engines tell it.
fn unpacked<'a>(begin: &[u8], layer: impl Read + 'a) -> Result<Box<dyn Read + 'a>, PullError> {
	let is_skipped = begin.first().is_some_and(|first| first & 0xf0 == 0x50)
		&& begin.get(1..).is_some_and(|rest| rest.starts_with(SKIPPED));
	if begin.starts_with(GZIP) {
		return Ok(Box::new(MultiGzDecoder::new(layer)));
	}
	if begin.starts_with(ZSTD) || is_skipped {
		let decoder = zstd::stream::read::Decoder::new(layer).and_then(|mut decoder| {
			decoder.window_log_max(WINDOW)?;
			Ok(decoder)
		});
		return Ok(Box::new(decoder.map_err(wrong)?));
	}
	if OTHERS.iter().any(|other| begin.starts_with(other)) {
		let why = "a layer of the image is packed by other than gzip or zstd";
		return Err(refused(why));
	}
	Ok(Box::new(layer))
}

/// Reads a layer to its end, and says what it is; an error if it takes more than `most`.
fn measure(layer: impl Read, most: u64) -> Result<Measured, PullError> {
	let mut layer = Hashed::new(layer, u64::MAX);
	let mut begin = Vec::new();
	let told = (&mut layer).take(TELLING).read_to_end(&mut begin);
	told.map_err(wrong)?;
	let whole = begin.as_slice().chain(&mut layer);
	let mut content = Hashed::new(unpacked(&begin, BufReader::new(whole))?, most);
	let mut on_disk = 0u64;
	let mut archive = Archive::new(&mut content);
	for file in archive.entries().map_err(wrong)? {
		let mut file = file.map_err(wrong)?;
		let mut is_sparse = file.header().entry_type().is_gnu_sparse();
		for more in file.pax_extensions().map_err(wrong)?.into_iter().flatten() {
			is_sparse |= more.map_err(wrong)?.key_bytes().starts_with(SPARSE);
		}
		if is_sparse {
			return Err(refused("a layer of the image has files with holes in them"));
		}
		// With what it takes to know of it.
		let blocks = file.size().div_ceil(FILE).saturating_add(1);
		on_disk = on_disk.saturating_add(blocks.saturating_mul(FILE));
		if on_disk > most {
			return Err(too_large());
		}
	}
	io::copy(&mut content, &mut io::sink()).map_err(wrong)?;
	let takes = content.bytes.max(on_disk);
	let content = content.digest();
	io::copy(&mut layer, &mut io::sink()).map_err(wrong)?;
	Ok(Measured {
		packed: layer.digest(),
		content,
		takes,
	})
}

/// The head of a file in an archive.
fn head(name: &str, size: u64) -> Result<Bytes, PullError> {
	let mut header = tar::Header::new_ustar();
	header.set_size(size);
	header.set_mode(0o644);
	header.set_entry_type(tar::EntryType::Regular);
	header
		.set_path(name)
		.map_err(|error| failed(error.to_string()))?;
	header.set_cksum();
	Ok(Bytes::copy_from_slice(header.as_bytes()))
}

/// What fills the last block of a file.
fn padding(size: u64) -> Bytes {
	let over = usize::try_from(size % BLOCK as u64).unwrap_or(0);
	let missing = BLOCK.saturating_sub(over) % BLOCK;
	Bytes::from(vec![0; missing])
}

/// The file of a layer.
fn file_of(layer: &Layer) -> String {
	format!("{}.tar", layer.digest)
}

impl Registry<'_> {
	/// Brings the image's layers, and makes an archive of them by which an engine knows the image by this name. Says how
	/// many bytes are here. One that comes to more than `largest`, packed or unpacked, is given up, and what is not what it
	/// is said to be: what names the image comes last, so that the engine has none until all of it was seen.
	pub async fn bring(
		&mut self,
		image: &Described,
		name: &str,
		largest: u64,
		to: Sent,
		at: impl Fn(u64),
	) -> Result<(), PullError> {
		if image.packed() > largest {
			return Err(refused("the image is too large for this provider"));
		}
		let brought = self.layers(image, largest, &to, at).await;
		if let Err(error) = brought {
			// The engine is not left to think that this was all.
			let _ = to.0.send(Err(io::Error::other("given up"))).await;
			return Err(error);
		}
		let (id, about) = &image.config;
		let config = format!("{id}.json");
		let layers: Vec<_> = image.layers.iter().map(file_of).collect();
		let manifest = json!([{ "Config": config, "RepoTags": [name], "Layers": layers }]);
		let manifest = manifest.to_string().into_bytes();
		for (name, contents) in [(config.as_str(), about), ("manifest.json", &manifest)] {
			let size = u64::try_from(contents.len()).unwrap_or(u64::MAX);
			to.send(head(name, size)?).await?;
			to.send(Bytes::copy_from_slice(contents)).await?;
			to.send(padding(size)).await?;
		}
		to.send(Bytes::from(vec![0; 2 * BLOCK])).await
	}

	async fn layers(
		&mut self,
		image: &Described,
		largest: u64,
		to: &Sent,
		at: impl Fn(u64),
	) -> Result<(), PullError> {
		let (mut here, mut left) = (0u64, largest);
		let mut seen: BTreeMap<&String, Measured> = BTreeMap::new();
		for (layer, content) in image.layers.iter().zip(&image.contents) {
			// One that is there twice is sent once, and unpacked twice.
			let measured = match seen.get(&layer.digest) {
				Some(measured) => measured.clone(),
				None => {
					to.send(head(&file_of(layer), layer.size)?).await?;
					let measured = self.layer(layer, left, to, |came| {
						at(here.saturating_add(came));
					});
					let measured = measured.await?;
					here = here.saturating_add(layer.size);
					to.send(padding(layer.size)).await?;
					measured
				}
			};
			if measured.packed != layer.digest || measured.content != *content {
				return Err(damaged("a layer of the image"));
			}
			let rest = left.checked_sub(measured.takes);
			left = rest.ok_or_else(too_large)?;
			seen.insert(&layer.digest, measured);
		}
		Ok(())
	}

	/// Brings a layer that may take so much.
	async fn layer(
		&mut self,
		layer: &Layer,
		most: u64,
		to: &Sent,
		at: impl Fn(u64),
	) -> Result<Measured, PullError> {
		let (feed, fed) = mpsc::channel::<io::Result<Bytes>>(WAITING);
		let reader = SyncIoBridge::new(StreamReader::new(ReceiverStream::new(fed)));
		let measured = tokio::task::spawn_blocking(move || measure(reader, most));
		let came = self.pieces(layer, to, &feed, at).await;
		drop(feed);
		let measured = measured.await.map_err(|error| failed(error.to_string()))?;
		match (came, measured) {
			// What is wrong with what came is why no more of it was taken, unless it only broke off.
			(Ok(()), measured) => measured,
			(Err(Ended::Unread), Err(error)) => Err(error),
			(Err(Ended::Unread), Ok(_)) => Err(damaged("a layer of the image")),
			(Err(Ended::By(error)), _) => Err(error),
		}
	}

	/// Passes a layer on, piece by piece; one that breaks off goes on where it was.
	async fn pieces(
		&mut self,
		layer: &Layer,
		to: &Sent,
		feed: &mpsc::Sender<io::Result<Bytes>>,
		at: impl Fn(u64),
	) -> Result<(), Ended> {
		let (mut came, mut again) = (0u64, AGAIN);
		let mut answer = None;
		while came < layer.size || answer.is_none() {
			let piece = match &mut answer {
				Some(answer) => Response::chunk(answer).await.map_err(unreached),
				None => match self.blob(&layer.digest, came).await {
					Ok(found) => {
						answer = Some(found);
						continue;
					}
					Err(error) => Err(error),
				},
			};
			let why = match piece {
				Ok(Some(piece)) => {
					let size = u64::try_from(piece.len()).unwrap_or(u64::MAX);
					came = came.saturating_add(size);
					if came > layer.size {
						return Err(damaged("a layer of the image").into());
					}
					let fed = feed.send(Ok(piece.clone())).await;
					fed.map_err(|_| Ended::Unread)?;
					to.send(piece).await?;
					at(came);
					continue;
				}
				Ok(None) => failed("a layer of the image broke off"),
				Err(error @ PullError::Refused(_)) => return Err(error.into()),
				Err(error) => error,
			};
			if again == 0 {
				return Err(why.into());
			}
			again = again.saturating_sub(1);
			answer = None;
			tokio::time::sleep(PAUSE).await;
		}
		let more = match &mut answer {
			Some(answer) => answer.chunk().await.ok().flatten(),
			None => None,
		};
		match more {
			Some(piece) if !piece.is_empty() => Err(damaged("a layer of the image").into()),
			_ => Ok(()),
		}
	}
}

/// Why no more of a layer is passed on.
enum Ended {
	/// Nobody reads it any more: who did knows why.
	Unread,
	By(PullError),
}

impl From<PullError> for Ended {
	fn from(error: PullError) -> Self {
		Self::By(error)
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use std::io::Write as _;

	/// An archive of these files, with one that says of itself in pax' own words what is not so.
	fn archive(files: &[(&str, &[u8])], pax: &[(&str, &str)]) -> Vec<u8> {
		let mut builder = tar::Builder::new(Vec::new());
		for (name, content) in files {
			let pax = pax.iter().map(|(key, value)| (*key, value.as_bytes()));
			builder.append_pax_extensions(pax).unwrap();
			let mut header = tar::Header::new_ustar();
			header.set_size(content.len() as u64);
			builder.append_data(&mut header, name, *content).unwrap();
		}
		builder.into_inner().unwrap()
	}

	fn gzip(bytes: &[u8]) -> Vec<u8> {
		let mut encoder = flate2::write::GzEncoder::new(Vec::new(), Default::default());
		encoder.write_all(bytes).unwrap();
		encoder.finish().unwrap()
	}

	/// A reader that gives little at a time.
	struct Slow<'a>(&'a [u8]);

	impl Read for Slow<'_> {
		fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
			let most = into.len().min(3);
			self.0.read(&mut into[..most])
		}
	}

	fn why(measured: Result<Measured, PullError>) -> String {
		match measured {
			Err(PullError::Refused(why)) => why,
			other => panic!("{other:?}"),
		}
	}

	#[test]
	fn layers_are_measured_as_they_come() {
		let plain = archive(&[("a", &[0; 1 << 20])], &[]);
		let bytes = plain.len() as u64;
		let zstd = zstd::encode_all(&plain[..], 0).unwrap();
		let skipped = [b"\x5a\x2a\x4d\x18\x04\0\0\0abcd", &zstd[..]].concat();
		let (half, rest) = plain.split_at(plain.len() / 2);
		let twice = [gzip(half), gzip(rest)].concat();
		for layer in [plain.clone(), gzip(&plain), twice, zstd, skipped] {
			let measured = measure(Slow(&layer), 1 << 21).unwrap();
			assert_eq!(measured.packed, hex::encode(Sha256::digest(&layer)));
			assert_eq!(measured.content, hex::encode(Sha256::digest(&plain)));
			assert_eq!(measured.takes, bytes.max((1 << 20) + 4_096));
			assert_eq!(measure(&layer[..], measured.takes), Ok(measured.clone()));
			let said = why(measure(&layer[..], measured.takes - 1));
			assert!(said.contains("too large"), "{said}");
		}
	}

	#[test]
	fn what_is_small_in_an_archive_and_large_on_disk_counts_as_that() {
		let names: Vec<_> = (0..100).map(|n| n.to_string()).collect();
		let empty: Vec<_> = names.iter().map(|name| (name.as_str(), &b""[..])).collect();
		let many = measure(&archive(&empty, &[])[..], 1 << 20).unwrap();
		assert_eq!(many.takes, 100 * 4_096);
		let pax = [
			("GNU.sparse.major", "1"),
			("GNU.sparse.realsize", "1000000000000"),
		];
		let said = why(measure(&archive(&[("a", b"x")], &pax)[..], 1 << 20));
		assert!(said.contains("holes"), "{said}");
		let mut sparse = tar::Header::new_gnu();
		sparse.set_entry_type(tar::EntryType::GNUSparse);
		sparse.set_path("a").unwrap();
		sparse.set_size(0);
		sparse.set_cksum();
		let sparse = [sparse.as_bytes(), &[0; 1_024][..]].concat();
		assert!(measure(&sparse[..], 1 << 20).is_err());
	}

	#[test]
	fn what_is_damaged_or_packed_otherwise_is_refused() {
		let plain = archive(&[("a", b"something")], &[]);
		let mut cut = gzip(&plain);
		cut.truncate(cut.len() - 9);
		let mut broken = gzip(&plain);
		broken[30] ^= 1;
		let mut short = zstd::encode_all(&plain[..], 0).unwrap();
		short.truncate(short.len() - 1);
		let more = [gzip(&plain), b"more".to_vec()].concat();
		for wrong in [cut, broken, short, more, vec![b'x'; 2_000]] {
			let said = why(measure(&wrong[..], 1 << 30));
			assert!(said.contains("not what the registry says"), "{said}");
		}
		for other in [&b"BZh"[..], b"\xfd7zXZ\0\0\0\0"] {
			let said = why(measure(other, 1 << 30));
			assert!(said.contains("other than gzip"), "{said}");
		}
	}

	#[test]
	fn files_fill_whole_blocks() {
		for (size, missing) in [(0, 0), (1, 511), (511, 1), (512, 0), (513, 511)] {
			assert_eq!(padding(size).len(), missing);
		}
		let name = format!("{}.tar", "a".repeat(64));
		assert_eq!(head(&name, 16 << 30).unwrap().len(), BLOCK);
	}
}
