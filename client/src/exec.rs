//! How a command that runs beside a workload is spoken with: messages over a WebSocket.
//!
//! The first message, text, is what is to be run ([`Start`]); the request is signed over its SHA-256. Each later one is
//! binary: a byte that names a channel, and what it carries. The last one of the gateway is an [`Outcome`].

use serde::{Deserialize, Serialize};

/// Channels.
pub const STDIN: u8 = 0;
pub const STDOUT: u8 = 1;
pub const STDERR: u8 = 2;
/// JSON: [`Control`] to the gateway, [`Outcome`] from it.
pub const CONTROL: u8 = 3;
/// Most bytes of a message.
pub const MAX_MESSAGE: usize = 64 << 10;

/// What is to be run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Start {
	/// Program and arguments.
	pub command: Vec<String>,
	/// With a terminal of its own.
	pub terminal: Option<Terminal>,
}

/// The terminal that somebody sits at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Terminal {
	/// What programs know it by, as `xterm-256color`.
	pub name: String,
	pub rows: u16,
	pub columns: u16,
}

/// What is asked of a command that runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Control {
	Resize {
		rows: u16,
		columns: u16,
	},
	/// Send it the signal of this number.
	Signal(i32),
	/// Nothing more comes to its standard input.
	EndOfInput,
}

/// What has become of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Outcome {
	/// It ended with this exit code.
	Exited(i64),
	/// It could not be run, or was lost.
	Failed(String),
}

/// A message of a channel.
pub fn message(channel: u8, bytes: &[u8]) -> Vec<u8> {
	[&[channel], bytes].concat()
}
