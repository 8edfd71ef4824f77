//! SDL: one placement and one service, and what stands under `x-leasehold`.

mod basics;
mod reader;

use crate::{
	manifest::MAX_SECONDS,
	yaml::{self, Node, Place},
	Kind,
};
use std::{path::Path, time::Duration};

/// Longest manifest file, bytes.
pub const MAX_FILE: usize = 1 << 20;
/// What one attempt of a job may take if the file does not say.
const DEFAULT_DURATION: Duration = Duration::from_secs(3_600);
/// Longest attempt of a job.
const MAX_DURATION: Duration = Duration::from_secs(MAX_SECONDS);

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

/// An input file of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
	/// Where it stands, relative to the manifest file.
	pub from: String,
	/// Where the job sees it, relative to `/in`.
	pub path: String,
}

/// A manifest file, understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sdl {
	/// The service's name.
	pub name: String,
	pub placement: String,
	/// The module's path, relative to the manifest file.
	pub module: String,
	pub args: Vec<String>,
	pub env: Vec<(String, String)>,
	/// Replicas.
	pub count: u32,
	/// milli-CPU of one replica.
	pub cpu: u32,
	/// MiB of one replica.
	pub memory: u32,
	/// MiB of one replica.
	pub storage: u32,
	/// What the provider must say about itself.
	pub attributes: Vec<(String, String)>,
	/// Price ceiling of one replica, planck a block; `None` if the file sets none in our token.
	pub max_rate: Option<u128>,
	pub kind: Kind,
	pub inputs: Vec<Input>,
	pub outputs: Vec<String>,
	/// What one attempt may take.
	pub max_duration: Duration,
	pub attempts: u32,
}

/// Reads a manifest file from disk.
pub fn read(path: &Path) -> Result<(Option<Sdl>, Vec<Fault>), std::io::Error> {
	let size = std::fs::metadata(path)?.len();
	if size > MAX_FILE as u64 {
		let reason = format!("the file has {size} bytes, more than {MAX_FILE}");
		return Ok((None, vec![whole_file(reason)]));
	}
	match String::from_utf8(std::fs::read(path)?) {
		Ok(text) => Ok(parse(&text)),
		Err(_) => Ok((None, vec![whole_file("the file is not UTF-8 text".into())])),
	}
}

fn whole_file(reason: String) -> Fault {
	Fault {
		level: Level::Error,
		line: 1,
		column: 1,
		key: "file".into(),
		reason,
	}
}

/// Reads a manifest file. With an error among the faults there is no result.
pub fn parse(text: &str) -> (Option<Sdl>, Vec<Fault>) {
	let mut reader = Reader { faults: Vec::new() };
	let sdl = match yaml::parse(text) {
		Ok(root) => reader.file(&root),
		Err(error) => {
			reader.error(error.at, "file", error.what);
			None
		}
	};
	let refused = reader
		.faults
		.iter()
		.any(|fault| fault.level == Level::Error);
	reader
		.faults
		.sort_by_key(|fault| (fault.line, fault.column));
	(sdl.filter(|_| !refused), reader.faults)
}

struct Reader {
	faults: Vec<Fault>,
}

/// A mapping, with the key under which it stands.
struct Map<'a> {
	at: Place,
	key: String,
	items: &'a [(String, Place, Node)],
}

impl<'a> Map<'a> {
	fn child(&self, key: &str) -> String {
		if self.key.is_empty() {
			key.to_owned()
		} else {
			format!("{}.{key}", self.key)
		}
	}

	fn get(&self, key: &str) -> Option<&'a Node> {
		self.items
			.iter()
			.find(|(k, _, _)| k == key)
			.map(|(_, _, node)| node)
	}
}

/// Whether a name can be a DNS label.
fn is_label(name: &str) -> bool {
	(1..=63).contains(&name.len())
		&& name
			.bytes()
			.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
		&& !name.starts_with('-')
		&& !name.ends_with('-')
}

#[cfg(test)]
mod tests {
	use super::*;
	use proptest::prelude::*;

	const GOOD: &str = r#"version: "2.0"
services:
  render:
    image: "wasm:./render.wasm"
    args: ["scene.json", "--out", "/out/image.png"]
    env: ["QUALITY=high", "EMPTY="]
profiles:
  compute:
    small:
      resources:
        cpu: { units: 0.5 }
        memory: { size: 256Mi }
        storage: { size: 1Gi }
  placement:
    anywhere:
      attributes: { region: eu }
      pricing:
        small: { denom: ulease, amount: 2.5 }
deployment:
  render:
    anywhere: { profile: small, count: 1 }
x-leasehold:
  version: 1
  services:
    render:
      kind: job
      inputs: [{ from: ./scene.json, path: scene.json }]
      outputs: ["**"]
      max_duration: 10m
      attempts: 3
"#;

	#[test]
	fn a_good_file_is_understood() {
		let (sdl, faults) = parse(GOOD);
		assert_eq!(faults, []);
		let sdl = sdl.unwrap();
		assert_eq!(
			(sdl.cpu, sdl.memory, sdl.storage, sdl.count),
			(500, 256, 1_024, 1)
		);
		assert_eq!(sdl.max_rate, Some(2_500_000));
		assert_eq!(sdl.module, "./render.wasm");
		assert_eq!(sdl.args.len(), 3);
		assert_eq!(sdl.env[1], ("EMPTY".into(), "".into()));
		assert_eq!(sdl.attributes, [("region".into(), "eu".into())]);
		assert_eq!(sdl.inputs[0].path, "scene.json");
		assert_eq!((sdl.max_duration.as_secs(), sdl.attempts), (600, 3));
	}

	/// The first fault of the good file with `from` replaced by `to`.
	fn fault(from: &str, to: &str) -> Fault {
		assert!(GOOD.contains(from), "{from}");
		let (_, faults) = parse(&GOOD.replacen(from, to, 1));
		faults
			.into_iter()
			.next()
			.unwrap_or_else(|| panic!("no fault for {to}"))
	}

	#[test]
	fn each_fault_says_where_it_stands() {
		let at = |f: Fault| (f.line, f.column, f.key, f.level);
		let error = Level::Error;
		assert_eq!(
			at(fault("\"2.0\"", "\"1.0\"")),
			(1, 10, "version".into(), error)
		);
		let size = "profiles.compute.small.resources.memory.size";
		assert_eq!(at(fault("256Mi", "4GB")), (12, 25, size.into(), error));
		let path = "x-leasehold.services.render.inputs.path";
		assert_eq!(
			at(fault("path: scene.json", "path: ../x")),
			(27, 44, path.into(), error)
		);
		let unknown = fault("x-leasehold:\n", "x-other: 1\nx-leasehold:\n");
		assert_eq!(at(unknown), (22, 1, "x-other".into(), error));
		let ignored = fault("    args:", "    shoes: 1\n    args:");
		assert_eq!(
			at(ignored),
			(5, 5, "services.render.shoes".into(), Level::Warning)
		);
		let foreign = fault("denom: ulease", "denom: uakt");
		assert_eq!(foreign.level, Level::Warning);
		assert_eq!(
			fault("kind: job", "kind: jog").key,
			"x-leasehold.services.render.kind"
		);
		assert_eq!(
			fault("wasm:./render.wasm", "nginx").key,
			"services.render.image"
		);
		assert_eq!(
			fault("count: 1", "count: 0").key,
			"deployment.render.anywhere.count"
		);
		assert_eq!(fault("QUALITY=high", "=high").key, "services.render.env");
		assert_eq!(fault("attempts: 3", "attempts: 11").level, error);
		assert_eq!(fault("version: 1", "version: 2").key, "x-leasehold.version");
		assert_eq!(fault("{ units: 0.5 }", "{ }").reason, "is missing");
	}

	#[test]
	fn what_a_hostile_file_may_try_is_refused() {
		for text in [
			"",
			"[]",
			"a: &x 1\nb: *x",
			"version: \"2.0\"\nversion: \"2.0\"",
			"a: !!int 1",
			"a: 1\n---\nb: 2",
			"\t",
			"{",
			&"[".repeat(5_000),
			&"- ".repeat(5_000),
		] {
			let (sdl, faults) = parse(text);
			assert!(sdl.is_none());
			assert!(faults.iter().any(|f| f.level == Level::Error), "{text:.20}");
		}
	}

	proptest! {
		#[test]
		fn a_damaged_file_never_makes_the_reader_panic(
			at in 0..GOOD.len(), length in 0usize..40, insert in "\\PC{0,8}",
		) {
			let mut text = GOOD.to_owned();
			let end = (at + length).min(text.len());
			if text.is_char_boundary(at) && text.is_char_boundary(end) {
				text.replace_range(at..end, &insert);
			}
			let _ = parse(&text);
		}
	}
}
