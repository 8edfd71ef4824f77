//! A lease's log: append-only, one JSON record a line.
//!
//! `{"seq":0,"time":1700000000000,"service":"render","stream":"stdout","bytes":"…"}` with
//! milliseconds of Unix time and the bytes in hexadecimal if they are not text, else as `text`.

use serde::{Deserialize, Serialize};
use std::{
	fs::File,
	io::{BufRead as _, BufReader, Write as _},
	path::{Path, PathBuf},
	time::{SystemTime, UNIX_EPOCH},
};

/// One record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
	pub seq: u64,
	/// Unix milliseconds.
	pub time: u64,
	pub service: String,
	pub stream: String,
	#[serde(default, skip_serializing_if = "Option::is_none")]
	pub text: Option<String>,
	/// Hexadecimal; what is not UTF-8.
	#[serde(default, skip_serializing_if = "Option::is_none")]
	pub bytes: Option<String>,
}

/// The log's only segment, so far.
pub fn segment(folder: &Path) -> PathBuf {
	folder.join("00000000.jsonl")
}

/// Appends to a lease's log.
pub struct LogWriter {
	file: File,
	service: String,
	next: u64,
	written: u64,
}

impl LogWriter {
	/// Opens the log in a folder; numbers go on where they stopped. A last record that was cut off
	/// is dropped.
	pub fn open(folder: &Path, service: &str) -> std::io::Result<Self> {
		std::fs::create_dir_all(folder)?;
		let path = segment(folder);
		let (mut next, mut length) = (0u64, 0u64);
		if let Ok(file) = File::open(&path) {
			let mut reader = BufReader::new(file);
			let mut line = Vec::new();
			loop {
				line.clear();
				let n = reader.read_until(b'\n', &mut line)?;
				if n == 0 || line.last() != Some(&b'\n') {
					break;
				}
				next = next.saturating_add(1);
				length = length.saturating_add(u64::try_from(n).unwrap_or(0));
			}
		}
		let file = File::options().create(true).append(true).open(&path)?;
		file.set_len(length)?;
		Ok(Self {
			file,
			service: service.to_owned(),
			next,
			written: length,
		})
	}

	/// Number of the next record.
	pub fn next(&self) -> u64 {
		self.next
	}

	/// Bytes on disk.
	pub fn written(&self) -> u64 {
		self.written
	}

	/// Appends one record.
	pub fn write(&mut self, stream: &str, bytes: &[u8]) -> std::io::Result<()> {
		let now = SystemTime::now()
			.duration_since(UNIX_EPOCH)
			.unwrap_or_default();
		let text = std::str::from_utf8(bytes).ok().map(str::to_owned);
		let record = Record {
			seq: self.next,
			time: u64::try_from(now.as_millis()).unwrap_or(u64::MAX),
			service: self.service.clone(),
			stream: stream.to_owned(),
			bytes: text.is_none().then(|| hex::encode(bytes)),
			text,
		};
		let mut line = serde_json::to_vec(&record)?;
		line.push(b'\n');
		self.file.write_all(&line)?;
		self.next = self.next.saturating_add(1);
		self.written = self
			.written
			.saturating_add(u64::try_from(line.len()).unwrap_or(0));
		Ok(())
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	fn records(folder: &Path) -> Vec<Record> {
		let text = std::fs::read_to_string(segment(folder)).unwrap();
		text.lines()
			.map(|line| serde_json::from_str(line).unwrap())
			.collect()
	}

	#[test]
	fn numbers_go_on_after_a_restart_and_a_cut_record_is_dropped() {
		let folder = tempfile::tempdir().unwrap();
		let mut log = LogWriter::open(folder.path(), "a").unwrap();
		log.write("stdout", b"one\n").unwrap();
		log.write("stderr", &[0xff]).unwrap();
		drop(log);
		let mut file = File::options()
			.append(true)
			.open(segment(folder.path()))
			.unwrap();
		file.write_all(b"{\"seq\":2,\"ti").unwrap();
		let mut log = LogWriter::open(folder.path(), "a").unwrap();
		log.write("stdout", b"three").unwrap();
		let all = records(folder.path());
		assert_eq!(all.iter().map(|r| r.seq).collect::<Vec<_>>(), [0, 1, 2]);
		assert_eq!(all[0].text.as_deref(), Some("one\n"));
		assert_eq!(all[1].bytes.as_deref(), Some("ff"));
	}
}
