//! What a container writes, in the log.

use super::{note, noted};
use crate::{
	executor::{fault, other, Attempt, ExecutorError},
	log::LogWriter,
};

const MIB: u64 = 1 << 20;

/// The log, and how much of an attempt's output is in it.
pub struct Log {
	writer: LogWriter,
	has: Has,
}

enum Has {
	/// Of a job all parts are read again, and so many are in the log. Nothing is written beyond a number of bytes:
	/// the job is being stopped for it.
	Parts { there: u64, met: u64, cap: u64 },
	/// Of a service the parts are read since a time, and so many of that time are in the log.
	Since { time: u64, there: u64, met: u64 },
}

impl Log {
	/// Opens the log where the attempt's output goes on.
	pub fn open(attempt: &Attempt) -> Result<Self, ExecutorError> {
		let what = "opening the lease's log";
		let service = &attempt.service;
		let writer = LogWriter::of(attempt).map_err(fault(what))?;
		let first = match noted(attempt, "from")? {
			Some(text) => text.parse().map_err(|error| other(what, error))?,
			None => {
				let next = writer.next();
				note(attempt, "from", &next.to_string())?;
				next
			}
		};
		let there = writer.next().saturating_sub(first);
		let has = match (attempt.is_job(), writer.last()) {
			(true, _) => Has::Parts {
				there,
				met: 0,
				cap: u64::from(service.unit.storage).saturating_mul(MIB),
			},
			// What an earlier attempt wrote is not read again.
			(false, (time, same)) => Has::Since {
				time: if there == 0 { 0 } else { time },
				there: same.min(there),
				met: 0,
			},
		};
		Ok(Self { writer, has })
	}

	/// From when on the output is to be read, in seconds of Unix time: from its beginning, if none is named.
	pub fn since(&self) -> Option<i32> {
		match self.has {
			Has::Parts { .. } => None,
			Has::Since { time, .. } => Some(i32::try_from(time / 1_000).unwrap_or(i32::MAX)),
		}
	}

	/// Takes the output's next part: one record each, so that it is known what was taken before.
	pub fn take(&mut self, stream: &str, bytes: &[u8]) -> Result<(), ExecutorError> {
		let wrong = fault("writing the lease's log");
		match &mut self.has {
			Has::Parts { there, met, cap } => {
				*met = met.saturating_add(1);
				if *met <= *there || self.writer.written() > *cap {
					return Ok(());
				}
				self.writer.write(stream, bytes).map_err(wrong)
			}
			Has::Since { time, there, met } => {
				let (at, text) = dated(bytes).unwrap_or((*time, bytes));
				if at < *time {
					return Ok(());
				}
				if at == *time {
					*met = met.saturating_add(1);
					if *met <= *there {
						return Ok(());
					}
				}
				self.writer.write_at(at, stream, text).map_err(wrong)
			}
		}
	}
}

/// The time with which a part begins, in Unix milliseconds, and what follows.
fn dated(bytes: &[u8]) -> Option<(u64, &[u8])> {
	let end = bytes.iter().take(64).position(|byte| *byte == b' ')?;
	let (date, rest) = bytes.split_at_checked(end)?;
	let date = chrono::DateTime::parse_from_rfc3339(std::str::from_utf8(date).ok()?).ok()?;
	let time = u64::try_from(date.timestamp_millis()).ok()?;
	Some((time, rest.get(1..)?))
}

#[cfg(test)]
mod tests {
	use super::*;
	use crate::{executor::tests::attempt, log::segments};
	use leasehold_manifest::Kind;

	#[test]
	fn a_part_begins_with_its_time() {
		let text = dated(b"2026-11-28T01:02:03+01:00 it is");
		assert_eq!(text, Some((1_795_824_123_000, &b"it is"[..])));
		let fine = dated(b"2026-11-28T00:02:03.123456789Z \n").unwrap();
		assert_eq!(fine, (1_795_824_123_123, &b"\n"[..]));
		for none in [&b"no date here"[..], b"", b"2026-11-28T00:02:03Z", b" x"] {
			assert_eq!(dated(none), None);
		}
	}

	#[test]
	fn a_services_log_goes_on_without_a_gap_or_a_double() {
		let folder = tempfile::tempdir().unwrap();
		let mut service = attempt(Kind::Service);
		service.folder = folder.path().to_owned();
		std::fs::create_dir_all(folder.path().join("run")).unwrap();
		let part = |second: u32, text: &str| format!("2026-11-28T00:00:{second:02}Z {text}");
		let all: Vec<_> = (0..12u32).map(|n| part(n / 4, &n.to_string())).collect();
		// Cut off anywhere, the engine tells all since the second of the last again.
		for cut in [0, 1, 4, 6, 8, 11, 12] {
			let mut log = Log::open(&service).unwrap();
			let since = log.since().unwrap();
			let begin = since - 1_795_824_000;
			for one in all.iter().take(cut) {
				let second: i32 = one[17..19].parse().unwrap();
				if second >= begin {
					log.take("stdout", one.as_bytes()).unwrap();
				}
			}
		}
		// Another attempt in the same second.
		service.number += 1;
		let mut log = Log::open(&service).unwrap();
		assert_eq!(log.since(), Some(0));
		log.take("stdout", part(2, "again").as_bytes()).unwrap();
		let (_, path) = segments(&folder.path().join("logs")).unwrap().remove(0);
		let text = std::fs::read_to_string(path).unwrap();
		let texts = text.lines().map(|line| {
			let record: crate::log::Record = serde_json::from_str(line).unwrap();
			record.text.unwrap()
		});
		let wanted = (0..12).map(|n| n.to_string()).chain(["again".into()]);
		assert!(texts.eq(wanted), "{text}");
	}
}
