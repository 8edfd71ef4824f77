//! What an order is worth to this provider: by its price sheet, or by a program of its operator.
//!
//! The program is asked once for each order, and again if it failed; never by the loop itself, which looks
//! whether the answer is there.

use crate::{
	config::{persistent_mib, PriceSheet},
	daemon::Shared,
};
use leasehold_client::{
	primitives,
	view::{OpenOrder, Terms},
	Resources,
};
use rustix::process::{kill_process_group, Pid, Signal};
use serde::Deserialize;
use serde_json::{json, Value};
use std::{
	collections::BTreeMap,
	path::{Path, PathBuf},
	process::Stdio,
	sync::{Arc, Mutex},
	time::Duration,
};
use tokio::{
	io::{AsyncReadExt as _, AsyncWriteExt as _},
	sync::Semaphore,
};

/// How long the program may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// Programs that run at the same time.
const AT_ONCE: usize = 4;
/// Longest answer, bytes.
const LONGEST: u64 = 64 << 10;
/// Orders whose answers are remembered.
const REMEMBERED: usize = 1_000;
/// Blocks after which a program that failed is asked again.
const RETRY: u32 = 10;

/// How rates are found.
pub struct Pricing {
	sheet: PriceSheet,
	script: Option<Arc<Script>>,
}

struct Script {
	program: PathBuf,
	patience: Duration,
	answers: Mutex<BTreeMap<u64, Answer>>,
	turns: Semaphore,
}

/// What the program says of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Answer {
	Awaited,
	Rate(u128),
	/// It wants nothing of the order, and why.
	Pass(String),
	/// It failed, and in which block.
	Failed(String, u32),
}

/// The program's own words: one of the two.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
enum Said {
	/// Planck a block, as text: JSON's numbers are too small.
	Rate(String),
	Pass(String),
}

/// A rate, planck a block; why there is none; or `None` while it is not known yet.
pub type Quote = Option<Result<u128, String>>;

impl Pricing {
	/// By the sheet, or by a program that is told what the sheet says.
	pub fn new(sheet: PriceSheet, program: Option<&Path>) -> Self {
		let script = program.map(|program| {
			Arc::new(Script {
				program: program.to_owned(),
				patience: PATIENCE,
				answers: Mutex::default(),
				turns: Semaphore::new(AT_ONCE),
			})
		});
		Self { sheet, script }
	}

	/// The sheet as the chain takes it, for what `capacity` has. `None` on overflow.
	pub fn offer(&self, capacity: &Resources, slot_millis: u64) -> Option<primitives::PriceSheet> {
		self.sheet.offer(capacity, slot_millis)
	}

	/// What to ask for an order in block `now`.
	pub fn quote(&self, shared: &Arc<Shared>, order: &OpenOrder, terms: &Terms, now: u32) -> Quote {
		let sheet = self.sheet.rate(&order.resources, terms.slot_millis);
		let Some(script) = &self.script else {
			return Some(
				sheet.ok_or_else(|| "our sheet has no price for it, or one that overflows".into()),
			);
		};
		let mut answers = script.answers.lock().ok()?;
		match answers.get(&order.id) {
			Some(Answer::Awaited) => return None,
			Some(Answer::Rate(rate)) => return Some(Ok(*rate)),
			Some(Answer::Pass(why)) => return Some(Err(format!("our pricing passes: {why}"))),
			Some(Answer::Failed(why, at)) if now < at.saturating_add(RETRY) => {
				return Some(Err(format!("our pricing failed: {why}")));
			}
			Some(Answer::Failed(..)) | None => {}
		}
		answers.insert(order.id, Answer::Awaited);
		while answers.len() > REMEMBERED {
			answers.pop_first();
		}
		let (script, shared, id) = (script.clone(), shared.clone(), order.id);
		let question = question(order, terms, sheet);
		tokio::spawn(async move {
			let answer = match script.ask(&question).await {
				Ok(Said::Pass(why)) => Answer::Pass(why),
				Ok(Said::Rate(rate)) => match rate.parse() {
					Ok(0) | Err(_) => {
						Answer::Failed(format!("`{rate}` is no rate: planck a block"), now)
					}
					Ok(rate) => Answer::Rate(rate),
				},
				Err(why) => Answer::Failed(why, now),
			};
			if let Answer::Failed(why, _) = &answer {
				tracing::warn!(order = id, why, "the pricing program failed");
			}
			if let Ok(mut answers) = script.answers.lock() {
				answers.insert(id, answer);
			}
			shared.wake.notify_one();
		});
		None
	}
}

/// What a program has started ends with it.
pub struct Group(Option<Pid>);

impl Group {
	/// Of a process that was started with a group of its own.
	pub fn of(child: &tokio::process::Child) -> Self {
		Self(child.id().and_then(|id| Pid::from_raw(id.try_into().ok()?)))
	}
}

impl Drop for Group {
	fn drop(&mut self) {
		if let Some(id) = self.0 {
			let _ = kill_process_group(id, Signal::KILL);
		}
	}
}

/// A program of the operator's own, which sees nothing of the daemon's environment.
pub fn operators(program: &Path) -> tokio::process::Command {
	let mut command = tokio::process::Command::new(program);
	command
		.env_clear()
		.env("PATH", "/usr/local/bin:/usr/bin:/bin");
	command
}

impl Script {
	async fn ask(&self, question: &Value) -> Result<Said, String> {
		let _turn = self.turns.acquire().await.map_err(|e| e.to_string())?;
		match tokio::time::timeout(self.patience, self.answer(question)).await {
			Ok(said) => said,
			Err(_) => Err(format!("it took longer than {:?}", self.patience)),
		}
	}

	async fn answer(&self, question: &Value) -> Result<Said, String> {
		let said = |error: std::io::Error| error.to_string();
		let mut child = operators(&self.program)
			.stdin(Stdio::piped())
			.stdout(Stdio::piped())
			.stderr(Stdio::piped())
			.process_group(0)
			.spawn()
			.map_err(|error| format!("{}: {error}", self.program.display()))?;
		let _group = Group::of(&child);
		let question = question.to_string();
		let mut input = child.stdin.take().ok_or("it has no input")?;
		let output = child.stdout.take().ok_or("it has no output")?;
		let errors = child.stderr.take().ok_or("it has no error output")?;
		let (mut answer, mut complaint) = (String::new(), Vec::new());
		let (mut output, mut errors) = (output.take(LONGEST), errors.take(LONGEST));
		let write = async {
			// It need not read what it does not care for.
			let _ = input.write_all(question.as_bytes()).await;
			drop(input);
		};
		let (_, read, _) = tokio::join!(
			write,
			output.read_to_string(&mut answer),
			errors.read_to_end(&mut complaint)
		);
		read.map_err(said)?;
		let status = child.wait().await.map_err(said)?;
		if !status.success() {
			let complaint = String::from_utf8_lossy(&complaint);
			let first = complaint.lines().next().unwrap_or_default();
			return Err(format!("{status}: {first}"));
		}
		serde_json::from_str(&answer).map_err(|error| {
			format!("it must answer {{\"rate\": \"PLANCK\"}} or {{\"pass\": \"WHY\"}}: {error}")
		})
	}
}

/// What the program reads.
fn question(order: &OpenOrder, terms: &Terms, sheet: Option<u128>) -> Value {
	let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
	let wanted = &order.resources;
	let attributes: BTreeMap<String, String> = order
		.attributes
		.iter()
		.map(|attribute| (text(&attribute.key), text(&attribute.value)))
		.collect();
	json!({
		"version": 1,
		"order": order.id,
		"tenant": order.tenant.to_string(),
		"ceiling": order.max_rate.to_string(),
		"sheet": sheet.map(|rate| rate.to_string()),
		"block_millis": terms.slot_millis,
		"max_duration_blocks": order.max_duration,
		"cpu_millis": wanted.cpu,
		"memory_mib": wanted.memory,
		"storage_mib": wanted.ephemeral,
		"persistent_mib": persistent_mib(wanted),
		"ports": wanted.ports,
		"gpus": wanted.gpu.iter().map(|gpu| json!({
			"vendor": format!("{:?}", gpu.vendor).to_lowercase(),
			"model": gpu.model.as_ref().map(|model| text(model)),
			"memory_mib": gpu.memory,
			"units": gpu.units,
		})).collect::<Vec<_>>(),
		"attributes": attributes,
	})
}

#[cfg(test)]
mod tests {
	use super::*;
	use std::os::unix::fs::PermissionsExt as _;

	async fn asked(text: &str) -> Result<Said, String> {
		let folder = tempfile::tempdir().unwrap();
		let program = folder.path().join("price");
		std::fs::write(&program, format!("#!/bin/sh\n{text}\n")).unwrap();
		std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o700)).unwrap();
		let script = Script {
			program,
			patience: Duration::from_millis(500),
			answers: Mutex::default(),
			turns: Semaphore::new(1),
		};
		script.ask(&json!({ "order": 7, "sheet": "40" })).await
	}

	#[tokio::test]
	async fn a_program_names_a_rate_or_passes() {
		let said = asked("grep -q '\"order\":7' && echo '{\"rate\": \"41\"}'").await;
		assert!(matches!(said, Ok(Said::Rate(rate)) if rate == "41"));
		let said = asked("echo '{\"pass\": \"too dull\"}'").await;
		assert!(matches!(said, Ok(Said::Pass(why)) if why == "too dull"));
	}

	#[tokio::test]
	async fn a_program_that_fails_says_how() {
		for (text, says) in [
			("echo broken >&2; exit 3", "broken"),
			("echo '{\"rate\": 41}'", "must answer"),
			("echo rubbish", "must answer"),
			("true", "must answer"),
			("sleep 60", "longer than"),
			("yes", "longer than"),
		] {
			let why = asked(text).await.unwrap_err();
			assert!(why.contains(says), "{text}: {why}");
		}
	}

	#[tokio::test]
	async fn a_program_that_is_not_there_says_so() {
		let script = Script {
			program: "/nowhere/price".into(),
			patience: PATIENCE,
			answers: Mutex::default(),
			turns: Semaphore::new(1),
		};
		let why = script.ask(&Value::Null).await.unwrap_err();
		assert!(why.contains("/nowhere/price"), "{why}");
	}
}
