//! How results, progress and failures are shown.

use indicatif::{ProgressBar, ProgressStyle};
use leasehold_client::ChainError;
use std::{
	cell::RefCell,
	io::{IsTerminal as _, Write as _},
	sync::{
		atomic::{AtomicBool, Ordering},
		Arc, Mutex,
	},
	time::Duration,
};

/// How results are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
	/// For people.
	Table,
	/// For programs: one JSON value on standard output; one a line where there are several (`logs`, `validate`, `--watch`).
	Json,
}

/// Why a command failed, what to do next, and the exit code.
#[derive(Debug)]
pub struct Failure {
	pub code: u8,
	pub what: String,
	pub advice: String,
}

impl Failure {
	pub fn new(code: u8, what: impl Into<String>, advice: impl Into<String>) -> Self {
		let advice = match (advice.into(), code) {
			(advice, _) if !advice.is_empty() => advice,
			(_, 2) => "`--help` shows what is expected.".into(),
			(_, 4 | 5) => "`leasehold leases` shows how yours stand.".into(),
			(_, 6) => "Try again in a moment.".into(),
			_ => "Try again; `--verbose` shows more.".into(),
		};
		Self {
			code,
			what: what.into(),
			advice,
		}
	}

	/// Tells of it in a result for programs.
	pub fn add_to(&self, json: &mut serde_json::Value) {
		json["error"] = self.what.as_str().into();
		json["advice"] = self.advice.as_str().into();
		json["code"] = self.code.into();
	}
}

impl From<ChainError> for Failure {
	fn from(error: ChainError) -> Self {
		let code = match &error {
			ChainError::Unreachable { .. } | ChainError::ForeignChain { .. } => 6,
			ChainError::Refused(why)
				if ["Funds are unavailable", "balance too low"]
					.iter()
					.any(|known| why.contains(known)) =>
			{
				3
			}
			ChainError::Refused(_) | ChainError::Failed { .. } => 5,
			ChainError::Password(_) => 2,
			_ => 1,
		};
		Self::new(code, error.to_string(), error.advice())
	}
}

/// Writes a line to standard output. Where nobody reads any more the program ends as others do, without a word.
pub fn print(line: &str) {
	if let Err(error) = writeln!(std::io::stdout(), "{line}") {
		if error.kind() == std::io::ErrorKind::BrokenPipe {
			std::process::exit(141);
		}
		eprintln!("error: the result cannot be written: {error}");
		std::process::exit(1);
	}
}

/// Standard output for results, standard error for progress.
pub struct Out {
	format: Format,
	spinner: RefCell<Option<ProgressBar>>,
	interrupted: Arc<Mutex<String>>,
}

impl Out {
	pub fn new(format: Format) -> Self {
		Self {
			format,
			spinner: RefCell::new(None),
			interrupted: Arc::default(),
		}
	}

	pub fn is_json(&self) -> bool {
		self.format == Format::Json
	}

	/// Prints the result in the wanted form.
	pub fn result(&self, json: serde_json::Value, table: impl FnOnce() -> String) {
		self.done();
		ANSWERED.store(true, Ordering::Relaxed);
		if self.is_json() {
			print(&format!("{json:#}"));
		} else {
			let text = table();
			if !text.is_empty() {
				print(text.trim_end());
			}
		}
	}

	/// Prints one of several results: a JSON object on a line of its own, or text.
	pub fn one_of_many(&self, json: serde_json::Value, text: impl FnOnce() -> String) {
		ANSWERED.store(true, Ordering::Relaxed);
		if self.is_json() {
			print(&json.to_string());
		} else {
			let text = text();
			if !text.is_empty() {
				print(text.trim_end());
			}
		}
	}

	/// Shows how something stands now, in the place of how it stood before.
	pub fn frame(&self, json: serde_json::Value, text: impl FnOnce() -> String) {
		self.done();
		if !self.is_json() && std::io::stdout().is_terminal() {
			// The cursor goes home, and what was below is cleared.
			print("\u{1b}[H\u{1b}[2J");
		}
		self.one_of_many(json, text);
	}

	/// A stage that has passed.
	pub fn stage(&self, text: impl AsRef<str>) {
		self.done();
		eprintln!("  {}", text.as_ref());
	}

	/// What is being waited for.
	pub fn waiting(&self, text: impl Into<String>) {
		let mut slot = self.spinner.borrow_mut();
		let bar = slot.get_or_insert_with(|| {
			let bar = ProgressBar::new_spinner();
			if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} ({elapsed})") {
				bar.set_style(style);
			}
			bar.enable_steady_tick(Duration::from_millis(120));
			bar
		});
		bar.set_message(text.into());
	}

	/// Takes the waiting line away.
	pub fn done(&self) {
		if let Some(bar) = self.spinner.borrow_mut().take() {
			bar.finish_and_clear();
		}
	}

	/// Notes what to say should Ctrl-C come from now on.
	pub fn if_interrupted(&self, text: impl Into<String>) {
		if let Ok(mut interrupted) = self.interrupted.lock() {
			*interrupted = text.into();
		}
	}

	/// What to say should Ctrl-C come, for who waits for it.
	pub fn interruption(&self) -> Arc<Mutex<String>> {
		self.interrupted.clone()
	}

	/// Says why a command failed.
	pub fn failure(&self, failure: &Failure) {
		self.done();
		// One value on standard output: where there was a result, it tells.
		if self.is_json() && !has_answered() {
			let mut json = serde_json::json!({});
			failure.add_to(&mut json);
			print(&format!("{json:#}"));
		}
		eprintln!("error: {}", failure.what);
		if !failure.advice.is_empty() {
			eprintln!("  next: {}", failure.advice);
		}
	}
}

/// Whether a result has been printed: no second JSON value follows it.
static ANSWERED: AtomicBool = AtomicBool::new(false);

pub fn has_answered() -> bool {
	ANSWERED.load(Ordering::Relaxed)
}

/// The words of [`Out::interruption`] as they are now.
pub fn said(interruption: &Mutex<String>) -> String {
	interruption
		.lock()
		.map(|text| text.clone())
		.unwrap_or_default()
}

/// A table without frills.
pub fn table(header: &[&str], rows: Vec<Vec<String>>) -> String {
	use comfy_table::{presets, ContentArrangement, Table};
	let mut table = Table::new();
	table
		.load_preset(presets::NOTHING)
		.set_content_arrangement(ContentArrangement::Disabled)
		.set_header(header.to_vec());
	for row in rows {
		table.add_row(row);
	}
	table.trim_fmt()
}
