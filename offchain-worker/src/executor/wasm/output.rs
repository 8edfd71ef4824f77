//! What a program writes, in the lease's log.

use super::limits::Stop;
use crate::log::LogWriter;
use axum::body::Bytes;
use std::{
	pin::Pin,
	sync::{Arc, Mutex},
	task::{Context, Poll},
};
use tokio::io::AsyncWrite;
use wasmtime_wasi::{
	async_trait,
	cli::{IsTerminal, StdoutStream},
	p2::{OutputStream, Pollable, StreamError, StreamResult},
};

/// Standard output or error, into the lease's log.
#[derive(Clone)]
pub struct LogStream {
	log: Arc<Mutex<LogWriter>>,
	stream: &'static str,
	/// Bytes that it may have; of a service's the newest are kept.
	cap: Option<u64>,
}

impl LogStream {
	/// (standard output, standard error); `room`: bytes of a job's log.
	pub fn both(log: &Arc<Mutex<LogWriter>>, job: bool, room: u64) -> (Self, Self) {
		let stream = |stream| Self {
			log: log.clone(),
			stream,
			cap: job.then_some(room),
		};
		(stream("stdout"), stream("stderr"))
	}

	/// Writes a line of the runner's own.
	pub fn note(&self, line: &str) {
		let _ = self.put(format!("{line}\n").as_bytes());
	}

	fn put(&self, bytes: &[u8]) -> Result<(), StreamError> {
		let Ok(mut log) = self.log.lock() else {
			return Err(StreamError::Closed);
		};
		let bytes_after = log
			.written()
			.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
		if self.cap.is_some_and(|cap| bytes_after > cap) {
			return Err(StreamError::Trap(Stop::Storage.into()));
		}
		log.write(self.stream, bytes)
			.map_err(|error| StreamError::LastOperationFailed(error.into()))
	}
}

impl IsTerminal for LogStream {
	fn is_terminal(&self) -> bool {
		false
	}
}

impl StdoutStream for LogStream {
	fn p2_stream(&self) -> Box<dyn OutputStream> {
		Box::new(self.clone())
	}
	fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
		Box::new(self.clone())
	}
}

#[async_trait]
impl Pollable for LogStream {
	async fn ready(&mut self) {}
}

#[async_trait]
impl OutputStream for LogStream {
	fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
		self.put(&bytes)
	}
	fn flush(&mut self) -> StreamResult<()> {
		Ok(())
	}
	fn check_write(&mut self) -> StreamResult<usize> {
		Ok(1 << 16)
	}
}

impl AsyncWrite for LogStream {
	fn poll_write(
		self: Pin<&mut Self>,
		_: &mut Context<'_>,
		bytes: &[u8],
	) -> Poll<std::io::Result<usize>> {
		Poll::Ready(
			self.put(bytes)
				.map(|()| bytes.len())
				.map_err(std::io::Error::other),
		)
	}
	fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
		Poll::Ready(Ok(()))
	}
	fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
		Poll::Ready(Ok(()))
	}
}
