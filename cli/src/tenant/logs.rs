//! What a workload writes: its log.

use super::{connect, session};
use crate::{
	gateway::{From, Gateway},
	output::Failure,
	Context,
};
use clap::Args;
use futures::StreamExt as _;
use std::{
	io::Write as _,
	time::{Duration, SystemTime, UNIX_EPOCH},
};

/// Bytes that may come before a record has ended: records are of some KiB, and several come at once.
const MAX_PART: usize = 4 << 20;
/// How often a log that broke off is gone on with, without anything gained in between, and after how long.
const TRIES: u32 = 30;
const PAUSE: Duration = Duration::from_secs(1);

#[derive(Debug, Args)]
pub struct Logs {
	/// Number of the lease.
	lease: u64,
	/// Go on until the job has ended, or the lease of a service.
	#[arg(long, short)]
	follow: bool,
	/// Only the last so many lines.
	#[arg(long, value_name = "LINES")]
	tail: Option<u64>,
	/// Only what was written so long ago or later, as `10m` or `2d`.
	#[arg(long, value_name = "TIME", conflicts_with = "tail", value_parser = crate::deploy::duration)]
	since: Option<Duration>,
	/// Whose log, in a lease of several services.
	#[arg(long)]
	service: Option<String>,
	/// Which of a service's replicas, from 0.
	#[arg(long, default_value_t = 0)]
	replica: u32,
}

impl Logs {
	pub async fn run(self, context: &Context) -> Result<(), Failure> {
		let (chain, connection) = connect(context).await?;
		let (gateway, _) = session(context, &chain, &connection, self.lease).await?;
		let replica = (self.service, self.replica);
		let now = SystemTime::now().duration_since(UNIX_EPOCH);
		let millis = |since: Duration| {
			let then = now.unwrap_or_default().saturating_sub(since);
			u64::try_from(then.as_millis()).unwrap_or(0)
		};
		let from = match (self.tail, self.since) {
			(Some(records), _) => From::Last(records),
			(None, Some(since)) => From::Time(millis(since)),
			(None, None) => From::Offset(0),
		};
		let out = std::io::stdout();
		show_log(context, &gateway, from, self.follow, &replica, out).await
	}
}

/// Writes a log to standard output and standard error as the job did; as JSON records to `records`
/// if wanted.
pub async fn show_log(
	context: &Context,
	gateway: &Gateway,
	mut from: From,
	follow: bool,
	replica: &(Option<String>, u32),
	mut records: impl std::io::Write,
) -> Result<(), Failure> {
	let mut tries = 0u32;
	loop {
		let answer = match gateway.log(&from, follow, replica).await {
			Ok(answer) => answer,
			// A provider that restarts comes back; the offset keeps the place.
			Err(failure) if failure.code == 6 && follow && tries < TRIES => {
				if tries == 0 {
					context.out.stage(format!("{}; trying again", failure.what));
				}
				tries = tries.saturating_add(1);
				tokio::time::sleep(PAUSE).await;
				continue;
			}
			Err(failure) => return Err(failure),
		};
		// Where it begins, if that was not named by bytes.
		let begin = answer.headers().get("leasehold-offset");
		let begin = begin.and_then(|value| value.to_str().ok()?.parse().ok());
		let mut offset = match from {
			From::Offset(offset) => offset,
			_ => begin.unwrap_or(0),
		};
		let mut stream = answer.bytes_stream();
		let mut rest = Vec::new();
		let mut broken = false;
		while let Some(chunk) = stream.next().await {
			let Ok(chunk) = chunk else {
				broken = true;
				break;
			};
			tries = 0;
			rest.extend_from_slice(&chunk);
			if rest.len() > MAX_PART {
				let what = "the provider sends what is no log: a record without an end";
				return Err(Failure::new(5, what, "Do not trust this provider."));
			}
			while let Some(end) = rest.iter().position(|b| *b == b'\n') {
				let line: Vec<u8> = rest.drain(..=end).collect();
				let length = u64::try_from(line.len()).unwrap_or(0);
				let gap = show_record(context, &line, &mut records);
				offset = offset.saturating_add(gap.unwrap_or(length));
			}
		}
		from = From::Offset(offset);
		match (broken, follow) {
			(true, true) if tries < TRIES => {
				tries = tries.saturating_add(1);
				tokio::time::sleep(PAUSE).await;
			}
			(true, _) => {
				return Err(Failure::new(
					6,
					"the log broke off",
					"Try again; the provider may be restarting.",
				));
			}
			(false, _) => return Ok(()),
		}
	}
}

/// Shows a record; the bytes of the log that it stands for, if they are gone.
fn show_record(context: &Context, line: &[u8], records: &mut impl std::io::Write) -> Option<u64> {
	let record = serde_json::from_slice::<serde_json::Value>(line).ok();
	let gap = record.as_ref().and_then(|record| record["gap"].as_u64());
	if context.out.is_json() {
		// Nothing but JSON, whatever the provider sends.
		if let Some(record) = &record {
			let _ = writeln!(records, "{record}");
		}
		return gap;
	}
	if let Some(gap) = gap {
		context.out.stage(format!(
			"{gap} bytes of the log are gone: it is kept in part"
		));
		return Some(gap);
	}
	let record = record?;
	let bytes = match (record["text"].as_str(), record["bytes"].as_str()) {
		(Some(text), _) => text.as_bytes().to_vec(),
		(None, Some(bytes)) => hex::decode(bytes).unwrap_or_default(),
		(None, None) => return None,
	};
	let _ = if record["stream"] == "stderr" {
		std::io::stderr().write_all(&bytes)
	} else {
		std::io::stdout()
			.write_all(&bytes)
			.and_then(|()| std::io::stdout().flush())
	};
	None
}
