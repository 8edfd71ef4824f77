//! Most of what is tried with Podman, tried with Docker, where it is installed and what takes long is tried.

use crate::{chosen, containers, is_full, is_lane, services, suite, sum, ONE, SIDE_BY_SIDE};
use leasehold_tests::engine::Engine;
use std::process::Command;

pub fn run() -> (usize, usize) {
	if !is_full() {
		return (0, 0);
	}
	let (jobs, job_faults) = containers::with_docker();
	let (open, faults, side_by_side) = services::with_docker();
	let all = [&jobs, &job_faults, &open, &faults, &side_by_side];
	if all.iter().all(|cases| chosen(cases).is_empty()) {
		return (0, 0);
	}
	let is_there = |program: &&str| Command::new(program).arg("--version").output().is_ok();
	// Only a process of its own has an engine of its own.
	if !is_lane() || !["dockerd", "docker"].iter().all(is_there) {
		println!("\nnothing is tried with Docker: it is not installed, or this is not root");
		return (0, 0);
	}
	let engine = containers::engine_of(Engine::start_docker);
	let arguments = [&ONE[..], &engine.each_ref().map(String::as_str)].concat();
	services::remove_table();
	let mut suites = vec![
		suite("Docker: networks", &arguments, 1, &open),
		suite("Docker: containers", &arguments, SIDE_BY_SIDE, &jobs),
		suite("Docker: container faults", &arguments, 1, &job_faults),
	];
	let arguments = [&arguments[..], &["--start-deadline", "30"]].concat();
	suites.push(suite("Docker: service faults", &arguments, 1, &faults));
	suites.push(services::nothing_behind());
	suites.push(suite(
		"Docker: services",
		&arguments,
		SIDE_BY_SIDE,
		&side_by_side,
	));
	services::remove_table();
	sum(&suites)
}
