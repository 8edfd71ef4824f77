//! What is asked for in an address of the gateway, behind the `?`: written by who asks, read by who answers.

use serde::{Deserialize, Serialize};

/// Which replica of which service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Which {
	/// Needed in a lease of several services.
	#[serde(skip_serializing_if = "Option::is_none")]
	pub service: Option<String>,
	/// From 0.
	#[serde(default)]
	pub replica: u32,
}

/// What part of a log, and whose.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Log {
	/// Bytes to skip: an offset that an earlier answer led to.
	#[serde(default)]
	pub from: u64,
	/// In place of that: the last so many records.
	#[serde(skip_serializing_if = "Option::is_none")]
	pub tail: Option<u64>,
	/// In place of that: what was written from this time on, Unix milliseconds.
	#[serde(skip_serializing_if = "Option::is_none")]
	pub since: Option<u64>,
	/// Whether to go on until the lease is closed.
	#[serde(default)]
	pub follow: bool,
	/// Needed in a lease of several services.
	#[serde(skip_serializing_if = "Option::is_none")]
	pub service: Option<String>,
	/// From 0.
	#[serde(default)]
	pub replica: u32,
}

/// How files of a volume are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Want {
	/// Lines about them, in place of what is in them.
	#[serde(default)]
	pub list: bool,
	/// With what is in folders.
	#[serde(default)]
	pub recursive: bool,
	#[serde(default)]
	pub digests: bool,
	/// The entry to begin at, and how many bytes of it to leave out.
	#[serde(default)]
	pub at: String,
	#[serde(default)]
	pub from: u64,
}

/// How something is put into a volume.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct How {
	/// Only told what of it is there.
	#[serde(default)]
	pub plan: bool,
}

/// An address with what is asked for there.
pub fn with(path: &str, query: &impl Serialize) -> String {
	// Only what has no place in an address fails, and none of these has any of that.
	let query = serde_urlencoded::to_string(query).unwrap_or_default();
	format!("{path}?{query}")
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn what_is_written_is_what_is_read() {
		let which = Which {
			service: Some("a&replica=1 ü%".into()),
			replica: 2,
		};
		let text = with("/exec", &which);
		assert_eq!(text, "/exec?service=a%26replica%3D1+%C3%BC%25&replica=2");
		let (_, query) = text.split_once('?').unwrap();
		assert_eq!(serde_urlencoded::from_str(query), Ok(which));
		assert_eq!(with("/exec", &Which::default()), "/exec?replica=0");
		assert_eq!(serde_urlencoded::from_str(""), Ok(Which::default()));
		assert!(serde_urlencoded::from_str::<Which>("replica=-1").is_err());
		let log = Log {
			tail: Some(5),
			follow: true,
			..Log::default()
		};
		let text = with("/logs", &log);
		assert_eq!(text, "/logs?from=0&tail=5&follow=true&replica=0");
		assert_eq!(with("/a", &How { plan: true }), "/a?plan=true");
	}
}
