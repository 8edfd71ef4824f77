//! Random histories of every call of the market by several accounts, through the runtime, with the
//! invariants checked after each step.
//!
//! `cargo test` runs 200,000 operations from one seed; `scripts/fuzz-market N [SEED]` any number from
//! any. After each operation the items and accounts that its events name are checked, the whole state
//! every thousand operations; at the end of each history everything is closed, retention passes, and
//! the state must be that of genesis, counters and scores aside.
//!
//! A step draws from its history's seed and its own number only, so that steps can be left out. A history
//! that violates an invariant is made as short as may be; its line belongs into `regressions.txt`, whose
//! histories are run first, always.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod books;
#[path = "../chain/harness.rs"]
#[allow(dead_code)]
mod harness;
mod model;
mod operations;

use model::History;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::{
	collections::BTreeMap,
	process::ExitCode,
	time::{Duration, Instant},
};

/// Operations of one history.
const HISTORY: u64 = 10_000;
/// Histories that once violated an invariant, or would if a certain fault came back.
const REGRESSIONS: &str = include_str!("regressions.txt");
/// How long a history is shortened for.
const SHRINKING: Duration = Duration::from_secs(300);
/// What `cargo test` runs.
const IN_TEST: u64 = 200_000;

/// How often each operation was accepted and refused, and each close reason occurred.
#[derive(Default)]
struct Tally {
	operations: BTreeMap<&'static str, (u64, u64)>,
	reasons: BTreeMap<String, u64>,
}

fn main() -> ExitCode {
	let arguments: Vec<String> = std::env::args().skip(1).collect();
	if arguments.iter().any(|argument| argument == "--list") {
		return ExitCode::SUCCESS;
	}
	let numbers: Result<Vec<u64>, _> = arguments.iter().map(|text| text.parse()).collect();
	let (total, seed) = match numbers.as_deref() {
		Ok([]) => (IN_TEST, 1),
		Ok([total]) => (*total, rand::thread_rng().gen()),
		Ok([total, seed]) => (*total, *seed),
		// What cargo tells its own harness.
		_ if arguments.iter().all(|argument| argument.starts_with('-')) => (IN_TEST, 1),
		_ => {
			eprintln!(
				"{arguments:?}: name how many operations, and perhaps a seed; both are numbers"
			);
			return ExitCode::from(2);
		}
	};
	println!("seed {seed}");
	let untried = operations::untried();
	if !untried.is_empty() {
		println!("no operation makes these calls: {untried:?}");
		return ExitCode::FAILURE;
	}
	let mut tally = Tally::default();
	let (mut done, mut violations) = (0u64, 0u64);
	let begun = Instant::now();
	for line in REGRESSIONS.lines() {
		let Some((seed, steps, wanted)) = parse(line) else {
			continue;
		};
		let mut tally = Tally::default();
		if let Err(violation) = history(seed, &steps, &mut tally) {
			violations += 1;
			println!("VIOLATION, a regression: {}\n{line}", violation.why);
		}
		let accepted: u64 = tally.operations.values().map(|of| of.0).sum();
		if accepted != wanted {
			violations += 1;
			println!("another history than it was: {accepted} operations are accepted\n{line}");
		}
	}
	for nth in 0u64.. {
		if done >= total {
			break;
		}
		let steps = HISTORY.min(total - done);
		let seed = seed.wrapping_add(nth);
		let all: Vec<u64> = (0..steps).collect();
		if let Err(violation) = history(seed, &all, &mut tally) {
			violations += 1;
			println!("VIOLATION in the history of seed {seed}: {}", violation.why);
			println!("leaving out what does not matter, for {SHRINKING:?} at most");
			let upto = violation.place.map_or(&all[..], |place| &all[..=place]);
			let (steps, why) = shrink(seed, upto, violation.why);
			let steps: Vec<String> = steps.iter().map(u64::to_string).collect();
			println!(
				"{why}\n# for regressions.txt, with how many are accepted once it is mended:\n{seed}: {} = ?",
				steps.join(" ")
			);
		}
		done += steps;
		if nth % 100 == 99 {
			let rate = done as f64 / begun.elapsed().as_secs_f64();
			println!("{done} operations, {rate:.0} a second, violations {violations}");
		}
	}
	let complete = report(&tally, total >= IN_TEST);
	let (accepted, refused) = tally
		.operations
		.values()
		.fold((0, 0), |(a, r), (x, y)| (a + x, r + y));
	// To let blocks pass is always accepted.
	let passed = tally.operations.get("pass blocks").map_or(0, |of| of.0);
	let enough = (accepted - passed) * 3 >= done - passed;
	if !enough {
		println!("less than a third was accepted, block passages aside");
	}
	println!("operations {done}, accepted {accepted}, refused {refused}, violations {violations}");
	match violations == 0 && complete && enough {
		true => ExitCode::SUCCESS,
		false => ExitCode::FAILURE,
	}
}

/// Prints the table; whether nothing is missing in it.
fn report(tally: &Tally, all: bool) -> bool {
	println!("\n{:<28}{:>12}{:>12}", "operation", "accepted", "refused");
	for (name, (accepted, refused)) in &tally.operations {
		println!("{name:<28}{accepted:>12}{refused:>12}");
	}
	println!("\n{:<28}{:>12}", "close reason", "leases");
	for (reason, times) in &tally.reasons {
		println!("{reason:<28}{times:>12}");
	}
	let mut missing: Vec<&str> = operations::ALL
		.iter()
		.copied()
		.filter(|name| {
			tally
				.operations
				.get(name)
				.is_none_or(|(accepted, _)| *accepted == 0)
		})
		.collect();
	missing.extend(
		model::REASONS
			.iter()
			.copied()
			.filter(|reason| !tally.reasons.contains_key(*reason)),
	);
	if all && !missing.is_empty() {
		println!("\nnever happened: {missing:?}");
	}
	!all || missing.is_empty()
}

/// The seed, the steps and how many of them are accepted, of a line; `None` if there are none.
fn parse(line: &str) -> Option<(u64, Vec<u64>, u64)> {
	let line = line.split('#').next()?.trim();
	if line.is_empty() {
		return None;
	}
	let (seed, rest) = line.split_once(':').expect("SEED: STEP... = ACCEPTED");
	let (steps, accepted) = rest.split_once('=').expect("SEED: STEP... = ACCEPTED");
	let number = |text: &str| text.trim().parse().expect("a number");
	let steps = steps.split_whitespace().map(number).collect();
	Some((number(seed), steps, number(accepted)))
}

/// A violation, and the place of the step after which it showed; `None` if only in the end.
struct Violation {
	place: Option<usize>,
	why: String,
}

/// Leaves out steps for as long as some invariant is still violated: parts of half the history, of a
/// quarter, down to single steps.
fn shrink(seed: u64, steps: &[u64], why: String) -> (Vec<u64>, String) {
	let begun = Instant::now();
	let (mut steps, mut why) = (steps.to_vec(), why);
	let mut part = steps.len().div_ceil(2);
	let hook = std::panic::take_hook();
	std::panic::set_hook(Box::new(|_| ()));
	while part > 0 && begun.elapsed() < SHRINKING {
		let before = steps.len();
		let mut place = 0;
		while place < steps.len() && begun.elapsed() < SHRINKING {
			let end = steps.len().min(place + part);
			let fewer = [&steps[..place], &steps[end..]].concat();
			match history(seed, &fewer, &mut Tally::default()) {
				Ok(()) => place = end,
				Err(violation) => {
					let upto = violation.place.map_or(fewer.len(), |place| place + 1);
					steps = fewer[..upto].to_vec();
					why = violation.why;
				}
			}
		}
		// Single steps again and again, until none can go.
		if part > 1 || steps.len() == before {
			part /= 2;
		}
	}
	std::panic::set_hook(hook);
	(steps, why)
}

fn history(seed: u64, steps: &[u64], tally: &mut Tally) -> Result<(), Violation> {
	let mut externalities = harness::externalities();
	let source = ChaCha8Rng::seed_from_u64(seed);
	let mut at = None;
	let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
		externalities.execute_with(|| {
			let mut history = History::new();
			for (place, step) in steps.iter().enumerate() {
				at = Some(place);
				let mut random = source.clone();
				random.set_stream(*step);
				let (name, accepted) = operations::step(&mut random, &mut history)?;
				let counted = tally.operations.entry(name).or_default();
				if accepted {
					counted.0 += 1;
				} else {
					counted.1 += 1;
				}
				history
					.check()
					.map_err(|why| format!("step {step}, {name}: {why}"))?;
				if place % 1_000 == 999 {
					history
						.check_all()
						.map_err(|why| format!("step {step}: {why}"))?;
				}
			}
			at = None;
			history.check_all()?;
			history.wind_up()?;
			for (reason, times) in &history.reasons {
				*tally.reasons.entry(reason.clone()).or_default() += times;
			}
			Ok(())
		})
	}));
	let why = match result {
		Ok(Ok(())) => return Ok(()),
		Ok(Err(why)) => why,
		Err(panic) => panic
			.downcast_ref::<String>()
			.cloned()
			.or_else(|| panic.downcast_ref::<&str>().map(|s| s.to_string()))
			.unwrap_or_else(|| "a panic".into()),
	};
	Err(Violation { place: at, why })
}
