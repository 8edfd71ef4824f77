//! End-to-end tests over real processes: a node, daemons, runners, the command line.
//!
//! The cases of a suite share one devnet and run side by side on leases of their own, so this is a
//! test program with a main of its own: it ends the devnets when it ends. A word on the command line
//! picks the cases whose names contain it; one that is in no name is an error.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod access;
mod acme;
mod containers;
mod docker;
mod faults;
mod flood;
mod forger;
mod gateway;
mod jobs;
mod modules;
mod names;
mod operate;
mod orders;
mod rare;
mod services;
mod sessions;
mod setting;
mod volumes;

use leasehold_tests::{devnet::Devnet, state};
use std::{
	panic::{catch_unwind, AssertUnwindSafe},
	process::{Command, ExitCode},
	sync::{
		atomic::{AtomicUsize, Ordering},
		Mutex,
	},
	time::{Duration, Instant},
};

/// A case: its name and what it does.
type Case = (&'static str, fn(&Devnet));

/// Cases of one suite that run at the same time.
const SIDE_BY_SIDE: usize = 4;

/// What is to be in the names of the cases; nothing, if all are asked for.
fn word() -> String {
	let mut arguments = std::env::args().skip(1);
	let word = arguments.find(|argument| !argument.starts_with('-'));
	word.unwrap_or_default()
}

/// The cases that were asked for.
fn chosen(cases: &[Case]) -> Vec<&Case> {
	let word = word();
	let asked_for = cases.iter().filter(|(case, _)| case.contains(&word));
	asked_for.collect()
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
	// These end their node, and look for themselves.
	if name != "forks" {
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
	// Who ends the devnet opens the daemon's folder.
	*faults::DAEMON.lock().unwrap() = None;
	*faults::NODE.lock().unwrap() = None;
	(chosen.len().saturating_sub(failed), failed)
}

/// The suites, in lanes that run side by side.
const LANES: [fn() -> (usize, usize); 6] = [
	programs,
	faults::run,
	services::run,
	containers::run,
	acme::run,
	docker::run,
];
/// How long after one another they begin: a chain that is started computes for a while.
const APART: Duration = Duration::from_secs(6);

/// Devnets of one provider.
const ONE: [&str; 4] = ["--providers", "1", "--for-seconds", "900"];

/// The cases that need no devnet of their own.
fn market() -> Vec<Case> {
	[
		orders::CASES,
		jobs::CASES,
		access::CASES,
		gateway::CASES,
		operate::CASES,
	]
	.concat()
}

/// The cases of all lanes, but for those that take too long for now.
fn all() -> Vec<Case> {
	[
		market(),
		faults::cases(),
		modules::CASES.into(),
		acme::CASES.into(),
		containers::cases(),
		services::cases(),
		rare::cases(),
	]
	.concat()
}

fn programs() -> (usize, usize) {
	let arguments = ["--for-seconds", "900"];
	let suites = [
		suite("market", &arguments, SIDE_BY_SIDE, &market()),
		modules::run(),
		rare::forks(),
	];
	sum(&suites)
}

/// Whether what takes long and rarely happens is tried, too.
fn is_full() -> bool {
	std::env::var_os("LEASEHOLD_TESTS_FULL").is_some()
}

fn sum(suites: &[(usize, usize)]) -> (usize, usize) {
	let add = |all: (usize, usize), one: &(usize, usize)| (all.0 + one.0, all.1 + one.1);
	suites.iter().fold((0, 0), add)
}

/// Podman's name server is found by a file below this folder: one of an earlier run, or of this machine, has no part in
/// a lane's networks.
const IN_ITS_OWN: &str = "ip link set lo up && mkdir -p /run/containers && \
                          mount -t tmpfs none /run/containers && exec \"$0\" \"$@\"";

/// Which lane this process is.
const LANE: &str = "LEASEHOLD_TESTS_LANE";

/// Whether this process is a lane, with a network of its own.
fn is_lane() -> bool {
	std::env::var_os(LANE).is_some()
}

/// Runs this program again for each lane, in a network namespace where there is nothing but loopback and what the cases
/// make: no bridge and no firewall table of theirs is left on this machine, and no lane meets another's. `None` if this
/// is a lane, or if only root might do so.
fn lanes_in_networks_of_their_own() -> Option<ExitCode> {
	if is_lane() || !rustix::process::getuid().is_root() {
		return None;
	}
	let start = |lane: usize| {
		Command::new("unshare")
			.args(["--net", "--mount", "--", "sh", "-c"])
			.arg(IN_ITS_OWN)
			.arg(std::env::current_exe().unwrap())
			.args(std::env::args_os().skip(1))
			.env(LANE, lane.to_string())
			.spawn()
			.expect("`unshare` starts")
	};
	let lanes: Vec<_> = (0..LANES.len()).map(start).collect();
	let ends = lanes.into_iter().map(|mut lane| lane.wait().unwrap());
	// All of them are waited for, whatever becomes of one.
	Some(match ends.fold(true, |all, end| all & end.success()) {
		true => ExitCode::SUCCESS,
		false => ExitCode::FAILURE,
	})
}

fn main() -> ExitCode {
	let mut arguments = std::env::args().skip(1);
	if arguments.next().is_some_and(|word| word == flood::WORD) {
		flood::run(arguments);
		return ExitCode::SUCCESS;
	}
	// The bench flag and the list flag of cargo's own harness.
	if std::env::args().any(|argument| argument == "--list") {
		return ExitCode::SUCCESS;
	}
	// A word may be meant for the tests of other programs, but by `scripts/test-faults`.
	if is_full() && chosen(&all()).is_empty() {
		eprintln!("no case has `{}` in its name", word());
		return ExitCode::FAILURE;
	}
	if let Some(code) = lanes_in_networks_of_their_own() {
		return code;
	}
	let lane = std::env::var(LANE)
		.ok()
		.map(|lane| lane.parse::<usize>().unwrap());
	let (passed, failed) = match lane {
		Some(lane) => {
			std::thread::sleep(APART * u32::try_from(lane).unwrap());
			LANES[lane]()
		}
		None => sum(&LANES.map(|lane| lane())),
	};
	containers::end();
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
