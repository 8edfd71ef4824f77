//! SDL 2.0 and 2.1, and what stands under `x-leasehold`.
//!
//! Akash's own parser is the measure: what it takes is taken, what it refuses is refused, and totals
//! agree to the byte. What is taken but not honoured is warned about.

mod basics;
mod built;
pub(crate) mod compute;
mod expose;
mod extra;
mod groups;
mod placement;
mod service;
#[cfg(test)]
mod tests;

use crate::{
	manifest::{can_be_run, Service},
	yaml::{self, Node, Place},
};
use std::{path::Path, time::Duration};

/// Longest manifest file, bytes.
pub const MAX_FILE: usize = 1 << 20;

/// Most faults that are told of a file.
const MAX_FAULTS: usize = 200;

/// The attribute of a provider that runs containers: orders with an image require it.
pub const CONTAINER: &str = "executor/container";
/// The attribute of a provider that was attested to run confidential workloads.
pub const TEE: &str = "tee/type";

/// Whether a fault stops the file from being used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
	Warning,
	Error,
}

/// Something in the file that is not honoured.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Fault {
	pub level: Level,
	/// From 1.
	pub line: usize,
	/// From 1, in characters.
	pub column: usize,
	/// The key, with its parents.
	pub key: String,
	pub reason: String,
}

impl std::fmt::Display for Fault {
	fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
		let Self {
			line,
			column,
			key,
			reason,
			..
		} = self;
		write!(f, "{line}:{column}: {key}: {reason}")
	}
}

/// A file on the tenant's disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalFile {
	/// Where it stands, relative to the manifest file.
	pub from: String,
	/// Where the workload sees it, relative to `/in`; for a module its name.
	pub path: String,
}

/// What is asked of one provider: one order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement {
	pub name: String,
	/// What the provider must say about itself.
	pub attributes: Vec<(String, String)>,
	/// Auditors of whom one must have attested these attributes.
	pub any_of: Vec<String>,
	/// Auditors who all must have attested them.
	pub all_of: Vec<String>,
	/// Price ceiling of all replicas, planck a block; `None` if the file sets none in our token.
	pub max_rate: Option<u128>,
	/// By name.
	pub services: Vec<Service<LocalFile>>,
}

/// Sums over all replicas of all placements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
	/// Distinct ones.
	pub services: usize,
	pub cpu_millis: u64,
	pub memory_bytes: u64,
	pub storage_bytes: u64,
	pub gpu_units: u64,
}

impl Sums {
	/// Adds so many replicas; services are counted apart.
	pub(crate) fn add(&mut self, count: u32, replica: Self) {
		let more = |sum: &mut u64, each: u64| {
			*sum = sum.saturating_add(each.saturating_mul(count.into()));
		};
		more(&mut self.cpu_millis, replica.cpu_millis);
		more(&mut self.memory_bytes, replica.memory_bytes);
		more(&mut self.storage_bytes, replica.storage_bytes);
		more(&mut self.gpu_units, replica.gpu_units);
	}
}

/// A manifest file, understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sdl {
	/// By name.
	pub placements: Vec<Placement>,
	/// Least notice before a provider may take its capacity back; `None`: it never may.
	pub notice: Option<Duration>,
	pub sums: Sums,
	/// Why `deploy` refuses a placement so far: warnings, one a placement at most.
	pub unserved: Vec<Fault>,
}

/// Why `deploy` refuses these services so far; `place` knows where one stands, or the whole.
pub(crate) fn unserved(
	services: &[Service<LocalFile>],
	place: impl FnOnce(Option<&str>) -> (Place, String),
) -> Option<Fault> {
	let (service, why) = can_be_run(services).err()?;
	let (at, key) = place(service);
	let reason = format!("`deploy` refuses it so far: {why}");
	Some(Fault::new(Level::Warning, at, &key, reason))
}

/// Reads a manifest file from disk: SDL, or Compose if its name says so.
pub fn read(path: &Path) -> Result<(Option<Sdl>, Vec<Fault>), std::io::Error> {
	use std::io::Read as _;
	let mut bytes = Vec::new();
	let most = MAX_FILE as u64;
	std::fs::File::open(path)?
		.take(most.saturating_add(1))
		.read_to_end(&mut bytes)?;
	if bytes.len() > MAX_FILE {
		let reason = format!("the file has more than {MAX_FILE} bytes");
		return Ok((None, vec![whole_file(reason)]));
	}
	match String::from_utf8(bytes) {
		Ok(text) if crate::compose::is_compose(path) => Ok(crate::compose::parse(&text)),
		Ok(text) => Ok(parse(&text)),
		Err(_) => Ok((None, vec![whole_file("the file is not UTF-8 text".into())])),
	}
}

/// What is wrong with a file as a whole.
pub fn whole_file(reason: String) -> Fault {
	Fault {
		level: Level::Error,
		line: 1,
		column: 1,
		key: "file".into(),
		reason,
	}
}

/// Reads an SDL file. With an error among the faults there is no result.
pub fn parse(text: &str) -> (Option<Sdl>, Vec<Fault>) {
	parse_with(text, |reader, root| reader.file(root))
}

/// Reads a file by `read`.
pub(crate) fn parse_with(
	text: &str,
	read: impl FnOnce(&mut Reader, &Map) -> Option<Sdl>,
) -> (Option<Sdl>, Vec<Fault>) {
	let mut reader = Reader::default();
	let sdl = match yaml::parse(text) {
		Ok((root, more)) => {
			if let Some(at) = more {
				let reason = "only the first document is read";
				reader.warn(at, "file", reason);
			}
			let start = Place { line: 1, column: 1 };
			reader
				.map(&root, "", start)
				.and_then(|root| read(&mut reader, &root))
		}
		Err(error) => {
			reader.error(error.at, "file", error.what);
			None
		}
	};
	let refused = reader.has_errors();
	if sdl.is_none() && !refused {
		reader
			.faults
			.push(whole_file("cannot be understood".into()));
	}
	reader
		.faults
		.sort_by_key(|fault| (fault.line, fault.column));
	reader.faults.dedup();
	// Errors first, should there be too many to tell.
	if reader.faults.len() > MAX_FAULTS {
		reader
			.faults
			.sort_by_key(|fault| fault.level == Level::Warning);
		reader.faults.truncate(MAX_FAULTS);
	}
	(sdl.filter(|_| !refused), reader.faults)
}

#[derive(Default)]
pub(crate) struct Reader {
	faults: Vec<Fault>,
}

/// A mapping, with the key under which it stands.
pub(crate) struct Map<'a> {
	/// Where that key stands.
	pub at: Place,
	pub key: String,
	items: &'a [(String, Place, Node)],
}

impl<'a> Map<'a> {
	/// The path of a key in it.
	pub fn child(&self, key: &str) -> String {
		let key = if key.is_empty() { "\"\"" } else { key };
		if self.key.is_empty() {
			key.to_owned()
		} else {
			format!("{}.{key}", self.key)
		}
	}

	/// What stands under a key; `None` also where nothing stands behind it.
	pub fn get(&self, key: &str) -> Option<&'a Node> {
		let (_, _, node) = self.items.iter().find(|(k, _, _)| k == key)?;
		(!node.is_null()).then_some(node)
	}

	/// Whether a key is there, if with nothing behind it.
	pub fn names(&self, key: &str) -> bool {
		self.items.iter().any(|(k, _, _)| k == key)
	}

	/// Where a key stands; where the mapping does, if it is not there.
	pub fn place(&self, key: &str) -> Place {
		let found = self.items.iter().find(|(k, _, _)| k == key);
		found.map_or(self.at, |(_, at, _)| *at)
	}

	/// (key, its place, what stands under it)
	pub fn items(&self) -> impl Iterator<Item = (&'a str, Place, &'a Node)> {
		self.items
			.iter()
			.map(|(key, at, node)| (key.as_str(), *at, node))
	}
}
