//! Random histories of every call of the market by several accounts, through the runtime, with the
//! invariants checked after each step.
//!
//! `cargo test` runs 200,000 operations from one seed; `scripts/fuzz-market N [SEED]` any number from
//! any. After each operation the items and accounts that its events name are checked, the whole state
//! every thousand operations; at the end of each history everything is closed, retention passes, and
//! the state must be that of genesis, counters and scores aside.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../chain/harness.rs"]
#[allow(dead_code)]
mod harness;
mod model;
mod operations;

use model::History;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::{collections::BTreeMap, process::ExitCode};

/// Operations of one history.
const HISTORY: u64 = 10_000;
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
	let (total, seed): (u64, u64) = match arguments.first().and_then(|n| n.parse::<u64>().ok()) {
		Some(total) => {
			let seed = arguments.get(1).and_then(|seed| seed.parse().ok());
			(total, seed.unwrap_or_else(|| rand::thread_rng().gen()))
		}
		None if arguments.iter().any(|a| a == "--list") => return ExitCode::SUCCESS,
		None => (IN_TEST, 1),
	};
	println!("seed {seed}");
	let mut tally = Tally::default();
	let (mut done, mut violations) = (0u64, 0u64);
	let begun = std::time::Instant::now();
	for nth in 0u64.. {
		if done >= total {
			break;
		}
		let steps = HISTORY.min(total - done);
		let mut random = ChaCha8Rng::seed_from_u64(seed.wrapping_add(nth));
		if let Err(why) = history(&mut random, steps, &mut tally) {
			violations += 1;
			println!(
				"VIOLATION in the history of seed {}: {why}",
				seed.wrapping_add(nth)
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
	println!("operations {done}, accepted {accepted}, refused {refused}, violations {violations}");
	match violations == 0 && complete && accepted * 3 >= done {
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

fn history(random: &mut ChaCha8Rng, steps: u64, tally: &mut Tally) -> Result<(), String> {
	let mut externalities = harness::externalities();
	let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
		externalities.execute_with(|| {
			let mut history = History::new();
			for step in 0..steps {
				let (name, accepted) = operations::step(random, &mut history)?;
				let counted = tally.operations.entry(name).or_default();
				if accepted {
					counted.0 += 1;
				} else {
					counted.1 += 1;
				}
				history
					.check()
					.map_err(|why| format!("step {step}, {name}: {why}"))?;
				if step % 1_000 == 999 {
					history
						.check_all()
						.map_err(|why| format!("step {step}: {why}"))?;
				}
			}
			history.check_all()?;
			history.wind_up()?;
			for (reason, times) in &history.reasons {
				*tally.reasons.entry(reason.clone()).or_default() += times;
			}
			Ok(())
		})
	}));
	match result {
		Ok(result) => result,
		Err(panic) => Err(panic
			.downcast_ref::<String>()
			.cloned()
			.or_else(|| panic.downcast_ref::<&str>().map(|s| s.to_string()))
			.unwrap_or_else(|| "a panic".into())),
	}
}
