//! A log: append-only, one JSON record a line.
//!
//! `{"seq":0,"time":1700000000000,"service":"render","stream":"stdout","bytes":"…"}` with
//! milliseconds of Unix time and the bytes in hexadecimal if they are not text, else as `text`.
//!
//! It stands in segments, each named by how many bytes were written before it. A job's log has one; of a
//! service's the oldest go.

use crate::executor::Attempt;
use serde::{Deserialize, Serialize};
use std::{
	fs::File,
	io::{BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _},
	path::{Path, PathBuf},
	time::{SystemTime, UNIX_EPOCH},
};

/// Bytes that are looked through at a time.
const BLOCK: u64 = 64 << 10;

/// A segment, unless it was thrown away a moment ago.
fn open(path: &Path) -> std::io::Result<Option<File>> {
	match File::open(path) {
		Ok(file) => Ok(Some(file)),
		Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
		Err(error) => Err(error),
	}
}

/// How many bytes stand before the last so many records.
pub fn before_last(folder: &Path, records: u64) -> std::io::Result<u64> {
	let found = segments(folder)?;
	let mut ends = 0u64;
	for (start, path) in found.iter().rev() {
		let Some(mut file) = open(path)? else {
			continue;
		};
		let mut at = file.metadata()?.len();
		let mut block = Vec::new();
		while at > 0 {
			let begin = at.saturating_sub(BLOCK);
			block.clear();
			file.seek(SeekFrom::Start(begin))?;
			let mut part = (&file).take(at.saturating_sub(begin));
			part.read_to_end(&mut block)?;
			for (n, _) in block.iter().enumerate().rev().filter(|(_, b)| **b == b'\n') {
				// The end of the record before them.
				if ends == records {
					let n = u64::try_from(n).unwrap_or(0);
					return Ok(start
						.saturating_add(begin)
						.saturating_add(n)
						.saturating_add(1));
				}
				ends = ends.saturating_add(1);
			}
			at = begin;
		}
	}
	Ok(found.first().map_or(0, |(start, _)| *start))
}

/// Where the first record behind a place begins, and when it was written; `None` if there is none.
fn next_record(file: &mut File, at: u64) -> std::io::Result<Option<(u64, u64)>> {
	// A record may begin at the place itself.
	let begin = at.saturating_sub(1);
	file.seek(SeekFrom::Start(begin))?;
	let mut reader = BufReader::new(file);
	let mut line = Vec::new();
	let mut place = begin;
	if at > 0 {
		let skipped = reader.read_until(b'\n', &mut line)?;
		place = place.saturating_add(u64::try_from(skipped).unwrap_or(0));
		line.clear();
	}
	reader.read_until(b'\n', &mut line)?;
	let record: Option<Record> = serde_json::from_slice(&line).ok();
	Ok(record.map(|record| (place, record.time)))
}

/// How many bytes stand before the first record of a time, Unix milliseconds, or later.
pub fn before_time(folder: &Path, time: u64) -> std::io::Result<u64> {
	let found = segments(folder)?;
	let mut here = None;
	for (start, path) in &found {
		let Some(mut file) = open(path)? else {
			continue;
		};
		let first = next_record(&mut file, 0)?;
		if here.is_some() && first.is_none_or(|(_, written)| written >= time) {
			break;
		}
		here = Some((*start, file));
	}
	let Some((start, mut file)) = here else {
		return Ok(0);
	};
	// Records stand in the order of their times.
	let (mut low, mut high) = (0, file.metadata()?.len());
	while low < high {
		let middle = low.midpoint(high);
		match next_record(&mut file, middle)? {
			Some((place, written)) if written < time && place < high => {
				low = place.saturating_add(1);
			}
			_ => high = middle,
		}
	}
	let place = next_record(&mut file, low)?.map(|(place, _)| place);
	let end = file.metadata()?.len();
	Ok(start.saturating_add(place.unwrap_or(end)))
}

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

/// Parts in which a log that is kept in part is thrown away.
const PARTS: u64 = 4;

/// (bytes before it, path) of a log's segments, in order.
pub fn segments(folder: &Path) -> std::io::Result<Vec<(u64, PathBuf)>> {
	let mut found = Vec::new();
	for entry in std::fs::read_dir(folder)? {
		let path = entry?.path();
		let start = path.file_name().and_then(|name| name.to_str());
		let start = start.and_then(|name| name.strip_suffix(".jsonl")?.parse().ok());
		found.extend(start.map(|start| (start, path)));
	}
	found.sort();
	Ok(found)
}

/// (bytes before it, path, whether none follows) of the segment in which a log goes on behind so many bytes: the
/// oldest, if they are not kept any more.
pub fn segment_at(folder: &Path, at: u64) -> Option<(u64, PathBuf, bool)> {
	let found = segments(folder).ok()?;
	let here = found
		.iter()
		.rposition(|(start, _)| *start <= at)
		.unwrap_or(0);
	let is_last = here.saturating_add(1) >= found.len();
	let (start, path) = found.get(here)?;
	Some((*start, path.clone(), is_last))
}

/// Throws away the oldest parts of a log that nobody writes, until no more than so many bytes are kept.
pub fn trim(folder: &Path, keep: u64) -> std::io::Result<()> {
	let found = match segments(folder) {
		Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
		found => found?,
	};
	let mut sizes = Vec::new();
	for (_, path) in &found {
		sizes.push(std::fs::metadata(path)?.len());
	}
	let mut sum = sizes.iter().copied().fold(0, u64::saturating_add);
	let last = found.len().saturating_sub(1);
	for (n, ((start, path), size)) in found.iter().zip(sizes).enumerate() {
		if sum <= keep {
			break;
		}
		if n == last {
			// Whoever reads it goes on at its end.
			LogWriter::segment(folder, start.saturating_add(size))?;
		}
		std::fs::remove_file(path)?;
		sum = sum.saturating_sub(size);
	}
	Ok(())
}

/// Where a log goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct End {
	/// Number of the next record.
	next: u64,
	/// Bytes of whole records.
	length: u64,
	/// Time of the last record, and how many have the same.
	last: (u64, u64),
	/// Records that were looked at.
	met: u64,
}

impl End {
	/// Where a segment ends, that goes on from another's end.
	fn of(path: &Path, before: Self) -> std::io::Result<Self> {
		let mut end = Self {
			length: 0,
			..before
		};
		let mut reader = BufReader::new(File::open(path)?);
		let mut line = Vec::new();
		loop {
			line.clear();
			let n = reader.read_until(b'\n', &mut line)?;
			if n == 0 || line.last() != Some(&b'\n') {
				return Ok(end);
			}
			end.length = end.length.saturating_add(u64::try_from(n).unwrap_or(0));
			// One that is damaged still has its place.
			let record = serde_json::from_slice::<Record>(&line).ok();
			end.met(record.map_or((end.next, end.last.0), |r| (r.seq, r.time)));
		}
	}

	fn met(&mut self, (seq, time): (u64, u64)) {
		self.next = seq.saturating_add(1);
		self.met = self.met.saturating_add(1);
		self.last = match self.last {
			(same, count) if same == time => (time, count.saturating_add(1)),
			_ => (time, 1),
		};
	}
}

/// Appends to a log.
pub struct LogWriter {
	folder: PathBuf,
	file: File,
	service: String,
	/// Bytes before the segment.
	start: u64,
	end: End,
	/// Bytes that are kept; all, if none are named.
	keep: Option<u64>,
}

/// Now, in Unix milliseconds.
pub fn now() -> u64 {
	let now = SystemTime::now().duration_since(UNIX_EPOCH);
	u64::try_from(now.unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
}

impl LogWriter {
	/// Opens the log of an attempt.
	pub fn of(attempt: &Attempt) -> std::io::Result<Self> {
		let folder = attempt.folder.join("logs");
		Self::open(&folder, &attempt.service.name, attempt.kept_log())
	}

	/// Opens the log in a folder; numbers go on where they stopped. A last record that was cut off
	/// is dropped.
	pub fn open(folder: &Path, service: &str, keep: Option<u64>) -> std::io::Result<Self> {
		std::fs::create_dir_all(folder)?;
		let found = segments(folder)?;
		// The last may be new, and of one moment as far as its records go.
		let mut from = found.len().saturating_sub(2);
		let end = loop {
			let mut end = End::default();
			for (_, path) in found.iter().skip(from) {
				end = End::of(path, end)?;
			}
			if from == 0 || end.last.1 < end.met {
				break end;
			}
			from = from.saturating_sub(1);
		};
		let start = found.last().map_or(0, |(start, _)| *start);
		let file = Self::segment(folder, start)?;
		file.set_len(end.length)?;
		Ok(Self {
			folder: folder.to_owned(),
			file,
			service: service.to_owned(),
			start,
			end,
			keep,
		})
	}

	fn segment(folder: &Path, start: u64) -> std::io::Result<File> {
		let path = folder.join(format!("{start:08}.jsonl"));
		File::options().create(true).append(true).open(path)
	}

	/// Number of the next record.
	pub fn next(&self) -> u64 {
		self.end.next
	}

	/// Time of the last record, and how many have the same.
	pub fn last(&self) -> (u64, u64) {
		self.end.last
	}

	/// Bytes written, with those that are gone.
	pub fn written(&self) -> u64 {
		self.start.saturating_add(self.end.length)
	}

	/// Appends one record.
	pub fn write(&mut self, stream: &str, bytes: &[u8]) -> std::io::Result<()> {
		self.write_at(now(), stream, bytes)
	}

	/// Appends one record of this time, Unix milliseconds.
	pub fn write_at(&mut self, time: u64, stream: &str, bytes: &[u8]) -> std::io::Result<()> {
		let full = |keep: u64| self.end.length >= keep / PARTS;
		if self.keep.is_some_and(full) && self.end.length > 0 {
			self.rotate()?;
		}
		let text = std::str::from_utf8(bytes).ok().map(str::to_owned);
		let record = Record {
			seq: self.end.next,
			time,
			service: self.service.clone(),
			stream: stream.to_owned(),
			bytes: text.is_none().then(|| hex::encode(bytes)),
			text,
		};
		let mut line = serde_json::to_vec(&record)?;
		line.push(b'\n');
		self.file.write_all(&line)?;
		self.end.met((record.seq, time));
		let more = u64::try_from(line.len()).unwrap_or(0);
		self.end.length = self.end.length.saturating_add(more);
		Ok(())
	}

	/// Begins a new segment, and throws away the oldest.
	fn rotate(&mut self) -> std::io::Result<()> {
		let start = self.written();
		self.file = Self::segment(&self.folder, start)?;
		(self.start, self.end.length) = (start, 0);
		let kept = self.keep.unwrap_or(u64::MAX);
		let found = segments(&self.folder)?;
		for pair in found.windows(2) {
			if let [(_, path), (next, _)] = pair {
				// What begins within what is kept stays, with a part's room for the newest.
				if start.saturating_sub(*next) > kept.saturating_sub(kept / PARTS) {
					std::fs::remove_file(path)?;
				}
			}
		}
		Ok(())
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	fn records(folder: &Path) -> Vec<Record> {
		let read = |(_, path)| std::fs::read_to_string(path).unwrap();
		let text: String = segments(folder).unwrap().into_iter().map(read).collect();
		text.lines()
			.map(|line| serde_json::from_str(line).unwrap())
			.collect()
	}

	#[test]
	fn numbers_go_on_after_a_restart_and_a_cut_record_is_dropped() {
		let folder = tempfile::tempdir().unwrap();
		let mut log = LogWriter::open(folder.path(), "a", None).unwrap();
		log.write("stdout", b"one\n").unwrap();
		log.write("stderr", &[0xff]).unwrap();
		drop(log);
		let mut file = File::options()
			.append(true)
			.open(folder.path().join("00000000.jsonl"))
			.unwrap();
		file.write_all(b"{\"seq\":2,\"ti").unwrap();
		let mut log = LogWriter::open(folder.path(), "a", None).unwrap();
		log.write("stdout", b"three").unwrap();
		let all = records(folder.path());
		assert_eq!(all.iter().map(|r| r.seq).collect::<Vec<_>>(), [0, 1, 2]);
		assert_eq!(all[0].text.as_deref(), Some("one\n"));
		assert_eq!(all[1].bytes.as_deref(), Some("ff"));
	}

	#[test]
	fn of_a_log_that_is_kept_in_part_the_oldest_segments_go() {
		let folder = tempfile::tempdir().unwrap();
		let open = || LogWriter::open(folder.path(), "a", Some(4_000)).unwrap();
		let mut log = open();
		for n in 0..200u64 {
			log.write_at(n / 10, "stdout", format!("line {n}").as_bytes())
				.unwrap();
			let found = segments(folder.path()).unwrap();
			let on_disk: u64 = found
				.iter()
				.map(|(_, path)| path.metadata().unwrap().len())
				.sum();
			assert!(on_disk <= 5_200, "{on_disk}");
			assert_eq!(found[0].0 + on_disk, log.written());
			let at = |at| segment_at(folder.path(), at).unwrap();
			assert_eq!((at(0).0, at(0).2), (found[0].0, found.len() == 1));
			let (start, _, is_last) = at(log.written());
			assert!(start <= log.written() && is_last);
		}
		let all = records(folder.path());
		let (first, last) = (&all[0], &all[all.len() - 1]);
		assert!(first.seq > 100 && last.seq == 199, "{}", first.seq);
		assert_eq!(last.seq - first.seq + 1, all.len() as u64);
		// Ten records have the last one's time, however the segments lie.
		for more in 0..5 {
			let mut log = open();
			assert_eq!((log.next(), log.last()), (200 + more, (19, 10 + more)));
			log.write_at(19, "stdout", &[b'x'; 200]).unwrap();
		}
	}

	#[test]
	fn places_are_found_by_number_and_by_time() {
		let folder = tempfile::tempdir().unwrap();
		assert_eq!(before_last(folder.path(), 3).unwrap(), 0);
		assert_eq!(before_time(folder.path(), 3).unwrap(), 0);
		let mut log = LogWriter::open(folder.path(), "a", Some(4_000)).unwrap();
		for n in 0..60u64 {
			let text = "x".repeat(usize::try_from(n).unwrap());
			log.write_at(n / 3, "stdout", text.as_bytes()).unwrap();
		}
		drop(log);
		let first = segments(folder.path()).unwrap()[0].0;
		assert!(first > 0, "some are gone");
		let mut at = first;
		// (bytes before it, when it was written)
		let mut all = Vec::new();
		for (_, path) in segments(folder.path()).unwrap() {
			for line in std::fs::read_to_string(path).unwrap().split_inclusive('\n') {
				let record: Record = serde_json::from_str(line).unwrap();
				all.push((at, record.time));
				at += line.len() as u64;
			}
		}
		let end = at;
		for records in 0..=all.len() + 2 {
			let place = before_last(folder.path(), records as u64).unwrap();
			let skipped = all.len().saturating_sub(records);
			let expected = all.get(skipped).map_or(end, |(at, _)| *at);
			assert_eq!(place, expected, "the last {records}");
		}
		for time in 0..=25 {
			let place = before_time(folder.path(), time).unwrap();
			let later = all.iter().find(|(_, written)| *written >= time);
			let expected = later.map_or(end, |(at, _)| *at);
			assert_eq!(place, expected, "from {time} on");
		}
	}
}
