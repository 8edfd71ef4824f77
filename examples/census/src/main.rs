//! Summarizes a CSV file of any size, column by column, in constant memory.
//!
//! `census TABLE.csv`: reads `/in/TABLE.csv`, writes `/out/summary.json`. For each column: how many
//! values there are, how many are empty, how many are numbers; of the numbers the least, the
//! greatest, mean and standard deviation (Welford's method); of all values an estimate of how many
//! differ (linear counting over 2^16 bits), and the commonest (Misra–Gries, sixteen counters).

use serde::Serialize;
use std::{collections::BTreeMap, process::ExitCode};

const COUNTERS: usize = 16;
const BITS: usize = 1 << 16;

#[derive(Default)]
struct Column {
	name: String,
	values: u64,
	empty: u64,
	numbers: u64,
	least: f64,
	greatest: f64,
	mean: f64,
	squares: f64,
	seen: Vec<u64>,
	common: BTreeMap<String, u64>,
}

#[derive(Serialize)]
struct Summary {
	column: String,
	values: u64,
	empty: u64,
	numbers: u64,
	least: Option<f64>,
	greatest: Option<f64>,
	mean: Option<f64>,
	deviation: Option<f64>,
	distinct_estimate: u64,
	commonest: Vec<String>,
}

fn hash(text: &str) -> u64 {
	// FNV-1a, then a finisher, so that all bits count.
	let mut h = text.bytes().fold(0xcbf2_9ce4_8422_2325u64, |h, b| {
		(h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3)
	});
	h ^= h >> 33;
	h = h.wrapping_mul(0xff51_afd7_ed55_8ccd);
	h ^ (h >> 33)
}

impl Column {
	fn new(name: &str) -> Self {
		Self {
			name: name.to_owned(),
			seen: vec![0; BITS / 64],
			..Default::default()
		}
	}

	fn add(&mut self, text: &str) {
		self.values += 1;
		let text = text.trim();
		if text.is_empty() {
			self.empty += 1;
			return;
		}
		let bit = hash(text) as usize % BITS;
		self.seen[bit / 64] |= 1 << (bit % 64);
		if let Some(count) = self.common.get_mut(text) {
			*count += 1;
		} else if self.common.len() < COUNTERS {
			self.common.insert(text.to_owned(), 1);
		} else {
			self.common.retain(|_, count| {
				*count -= 1;
				*count > 0
			});
		}
		if let Some(number) = text.parse::<f64>().ok().filter(|n| n.is_finite()) {
			self.numbers += 1;
			if self.numbers == 1 {
				(self.least, self.greatest) = (number, number);
			}
			self.least = self.least.min(number);
			self.greatest = self.greatest.max(number);
			let step = number - self.mean;
			self.mean += step / self.numbers as f64;
			self.squares += step * (number - self.mean);
		}
	}

	fn summary(self) -> Summary {
		let some = |value: f64| (self.numbers > 0).then_some(value);
		let unset = self
			.seen
			.iter()
			.map(|word| word.count_zeros() as usize)
			.sum::<usize>()
			.max(1);
		let distinct = -(BITS as f64) * (unset as f64 / BITS as f64).ln();
		let mut common: Vec<_> = self.common.iter().collect();
		common.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
		Summary {
			values: self.values,
			empty: self.empty,
			numbers: self.numbers,
			least: some(self.least),
			greatest: some(self.greatest),
			mean: some(self.mean),
			deviation: some((self.squares / self.numbers.max(1) as f64).sqrt()),
			distinct_estimate: distinct.round() as u64,
			commonest: common
				.into_iter()
				.take(5)
				.map(|(text, _)| text.clone())
				.collect(),
			column: self.name,
		}
	}
}

fn run() -> Result<(), String> {
	let arguments: Vec<String> = std::env::args().collect();
	let [_, table] = arguments.as_slice() else {
		return Err("usage: census TABLE.csv".into());
	};
	let path = format!("/in/{table}");
	let mut reader = csv::ReaderBuilder::new()
		.flexible(true)
		.from_path(&path)
		.map_err(|error| format!("{path}: {error}"))?;
	let headers = reader
		.headers()
		.map_err(|error| format!("{path}: {error}"))?;
	let mut columns: Vec<Column> = headers.iter().map(Column::new).collect();
	let mut record = csv::StringRecord::new();
	let mut rows = 0u64;
	while reader
		.read_record(&mut record)
		.map_err(|error| format!("{path}: {error}"))?
	{
		for (column, text) in columns.iter_mut().zip(record.iter()) {
			column.add(text);
		}
		rows += 1;
		if rows.is_multiple_of(100_000) {
			println!("{rows} rows");
		}
	}
	println!("{rows} rows, {} columns", columns.len());
	let summaries: Vec<Summary> = columns.into_iter().map(Column::summary).collect();
	let text = serde_json::to_string_pretty(&summaries).map_err(|error| error.to_string())?;
	std::fs::write("/out/summary.json", text).map_err(|error| format!("/out: {error}"))?;
	println!("wrote /out/summary.json");
	Ok(())
}

fn main() -> ExitCode {
	match run() {
		Ok(()) => ExitCode::SUCCESS,
		Err(error) => {
			eprintln!("error: {error}");
			ExitCode::from(2)
		}
	}
}
