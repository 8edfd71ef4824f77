//! What a container writes, in the lease's log.

use super::{note, noted};
use crate::{
	executor::{fault, Attempt, ExecutorError},
	log::LogWriter,
};

/// The lease's log, and how much of an attempt's output is in it.
pub struct Log {
	writer: LogWriter,
	/// Parts of this attempt's output that are in the log.
	has: u64,
	/// Bytes beyond which nothing is written: the job is being stopped for it.
	cap: u64,
}

impl Log {
	/// Opens the lease's log where the attempt's output goes on.
	pub fn open(attempt: &Attempt) -> Result<Self, ExecutorError> {
		let what = "opening the lease's log";
		let writer = LogWriter::open(&attempt.folder.join("logs"), &attempt.service.name)
			.map_err(fault(what))?;
		let first = match noted(attempt, "from")? {
			Some(text) => text
				.parse()
				.map_err(|error| fault(what)(std::io::Error::other(error)))?,
			None => {
				let next = writer.next();
				note(attempt, "from", &next.to_string())?;
				next
			}
		};
		let has = writer.next().saturating_sub(first);
		let cap = u64::from(attempt.service.unit.storage).saturating_mul(1 << 20);
		Ok(Self { writer, has, cap })
	}

	/// Takes the output's next part: one record each, so that what was taken before is known by its number.
	pub fn take(&mut self, met: &mut u64, stream: &str, bytes: &[u8]) -> Result<(), ExecutorError> {
		*met = met.saturating_add(1);
		if *met > self.has && self.writer.written() <= self.cap {
			self.writer
				.write(stream, bytes)
				.map_err(fault("writing the lease's log"))?;
			self.has = *met;
		}
		Ok(())
	}
}
