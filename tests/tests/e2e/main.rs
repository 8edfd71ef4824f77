//! End-to-end tests over real processes: a node, daemons, runners, the command line.
//!
//! The cases of a suite share one devnet and run side by side on leases of their own, so this is a
//! test program with a main of its own: it ends the devnets when it ends. A word on the command line
//! picks the cases whose names contain it.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod access;
mod containers;
mod faults;
mod jobs;
mod modules;
mod orders;
mod services;
mod setting;

use leasehold_tests::{devnet::Devnet, state};
use std::{
	panic::{catch_unwind, AssertUnwindSafe},
	process::{Command, ExitCode},
	sync::{
		atomic::{AtomicUsize, Ordering},
		Mutex,
	},
	time::Instant,
};

/// A case: its name and what it does.
type Case = (&'static str, fn(&Devnet));

/// Cases of one suite that run at the same time.
const SIDE_BY_SIDE: usize = 4;

/// The cases that were asked for.
fn chosen(cases: &[Case]) -> Vec<&Case> {
	let filter = std::env::args()
		.skip(1)
		.find(|argument| !argument.starts_with('-'));
	cases
		.iter()
		.filter(|(case, _)| {
			filter
				.as_ref()
				.is_none_or(|word| case.contains(word.as_str()))
		})
		.collect()
}

/// Runs the cases of one suite on a devnet of their own; how many passed and failed.
fn suite(name: &str, arguments: &[&str], at_once: usize, cases: &[Case]) -> (usize, usize) {
	let chosen = chosen(cases);
	if chosen.is_empty() {
		return (0, 0);
	}
	println!("\nsuite {name}: {} cases", chosen.len());
	let devnet = Devnet::start(arguments).expect("a devnet comes up");
	let (next, failed) = (AtomicUsize::new(0), Mutex::new(0usize));
	std::thread::scope(|scope| {
		for _ in 0..at_once.min(chosen.len()) {
			scope.spawn(|| {
				while let Some((case, test)) = chosen.get(next.fetch_add(1, Ordering::SeqCst)) {
					let begun = Instant::now();
					let result = catch_unwind(AssertUnwindSafe(|| test(&devnet)));
					let word = if result.is_ok() { "ok" } else { "FAILED" };
					println!(
						"test {name}::{case} ... {word} ({} s)",
						begun.elapsed().as_secs()
					);
					if result.is_err() {
						*failed.lock().unwrap() += 1;
					}
				}
			});
		}
	});
	let mut failed = failed.into_inner().unwrap();
	// The faults end their node, and look for themselves.
	if name != "faults" {
		match state::check(devnet.rpc_port()) {
			Ok(keys) => println!("the state of {keys} keys keeps all invariants"),
			Err(error) => {
				println!("the state: {error:#}");
				failed += 1;
			}
		}
	}
	if failed > 0 {
		setting::show_logs(&devnet);
	}
	(chosen.len().saturating_sub(failed), failed)
}

/// Runs all of it once more in a network namespace, where there is nothing but loopback and what the cases make: no
/// bridge and no firewall table of theirs is left on this machine.
fn in_a_network_of_its_own() -> Option<ExitCode> {
	const MARK: &str = "LEASEHOLD_TESTS_IN_NAMESPACE";
	if std::env::var_os(MARK).is_some() || !rustix::process::getuid().is_root() {
		return None;
	}
	let status = Command::new("unshare")
		.args(["--net", "--", "sh", "-c"])
		.arg("ip link set lo up && exec \"$0\" \"$@\"")
		.arg(std::env::current_exe().unwrap())
		.args(std::env::args_os().skip(1))
		.env(MARK, "1")
		.status()
		.expect("`unshare` starts");
	Some(match status.success() {
		true => ExitCode::SUCCESS,
		false => ExitCode::FAILURE,
	})
}

fn main() -> ExitCode {
	// The bench flag and the list flag of cargo's own harness.
	if std::env::args().any(|argument| argument == "--list") {
		return ExitCode::SUCCESS;
	}
	if let Some(code) = in_a_network_of_its_own() {
		return code;
	}
	let mut passed = 0;
	let mut failed = 0;
	let mut add = |(p, f): (usize, usize)| {
		passed += p;
		failed += f;
	};
	let cases = [orders::CASES, jobs::CASES, access::CASES].concat();
	add(suite(
		"market",
		&["--for-seconds", "900"],
		SIDE_BY_SIDE,
		&cases,
	));
	let one = ["--providers", "1", "--for-seconds", "900"];
	add(suite("faults", &one, 1, faults::CASES));
	add(modules::run(&one));
	add(containers::run(&one));
	let word = if failed == 0 { "ok" } else { "FAILED" };
	println!(
		"\ntest result: {word}. {passed} passed; {failed} failed; 0 ignored; 0 measured; 0 filtered out"
	);
	if failed == 0 {
		ExitCode::SUCCESS
	} else {
		ExitCode::FAILURE
	}
}
