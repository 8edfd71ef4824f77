//! What happened to a lease's workload on this machine, in words, for its tenant: `diary.jsonl` in the lease's folder, a
//! line each, of which the newest are kept.

use crate::log;
use serde::{Deserialize, Serialize};
use std::{
	fs::File,
	io::{Read as _, Seek as _, SeekFrom, Write as _},
	path::{Path, PathBuf},
};

/// Bytes of the file before it takes the place of the one before it.
const LARGEST: u64 = 64 << 10;
/// Lines that a tenant is told, the newest.
const TOLD: usize = 500;
/// Letters of a line.
const LONGEST: usize = 500;

/// A line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
	/// Unix milliseconds.
	pub time: u64,
	pub text: String,
}

fn place(lease: &Path, former: bool) -> PathBuf {
	let name = if former {
		"diary.1.jsonl"
	} else {
		"diary.jsonl"
	};
	lease.join(name)
}

fn write(lease: &Path, text: &str) -> std::io::Result<()> {
	let note = Note {
		time: log::now(),
		text: text.chars().take(LONGEST).collect(),
	};
	let mut line = serde_json::to_vec(&note)?;
	line.push(b'\n');
	let path = place(lease, false);
	if std::fs::metadata(&path).is_ok_and(|meta| meta.len() >= LARGEST) {
		std::fs::rename(&path, place(lease, true))?;
	}
	std::fs::create_dir_all(lease)?;
	let mut file = File::options()
		.create(true)
		.read(true)
		.append(true)
		.open(&path)?;
	// One that was not written whole takes no other with it.
	let mut last = [b'\n'];
	if file.seek(SeekFrom::End(-1)).is_ok() {
		file.read_exact(&mut last)?;
	}
	if last != *b"\n" {
		line.insert(0, b'\n');
	}
	file.write_all(&line)
}

/// Writes down what happened to a lease with this folder. Nothing waits for it.
pub fn note(lease: &Path, text: impl AsRef<str>) {
	if let Err(error) = write(lease, text.as_ref()) {
		tracing::debug!(folder = %lease.display(), %error, "the diary is not kept");
	}
}

/// What is known of a lease with this folder, the oldest first.
pub fn read(lease: &Path) -> Vec<Note> {
	let text = |former| std::fs::read_to_string(place(lease, former)).unwrap_or_default();
	let text = text(true) + &text(false);
	let notes = text
		.lines()
		.filter_map(|line| serde_json::from_str(line).ok());
	let mut notes: Vec<Note> = notes.collect();
	notes.drain(..notes.len().saturating_sub(TOLD));
	notes
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn the_newest_is_kept_and_there_is_no_end_of_it() {
		let folder = tempfile::tempdir().unwrap();
		let lease = folder.path().join("7");
		assert!(read(&lease).is_empty());
		let long = "long ".repeat(400);
		for n in 0..2_000 {
			note(&lease, format!("{n} {long}"));
		}
		let size = |former| std::fs::metadata(place(&lease, former)).unwrap().len();
		assert!(size(false) + size(true) <= 2 * (LARGEST + 1_024));
		let all = read(&lease);
		assert!(all.len() > 100 && all.len() <= TOLD, "{}", all.len());
		assert!(all.last().unwrap().text.starts_with("1999 "));
		assert_eq!(all.last().unwrap().text.chars().count(), LONGEST);
		assert!(all.windows(2).all(|pair| pair[0].time <= pair[1].time));
		// A line that was not written whole is passed over.
		let mut file = File::options()
			.append(true)
			.open(place(&lease, false))
			.unwrap();
		file.write_all(b"{\"time\":1,\"te").unwrap();
		assert_eq!(read(&lease).last(), all.last());
		note(&lease, "after it");
		assert_eq!(read(&lease).last().unwrap().text, "after it");
	}
}
