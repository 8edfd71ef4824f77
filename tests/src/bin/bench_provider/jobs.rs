//! Jobs through the daemon, and the same without it.

use crate::{deploy, offered, run, Bench, File, MODULE};
use anyhow::Context as _;
use leasehold_tests::{
	devnet::Devnet,
	engine::{Engine, PASSWORD},
	figures::{median, say, Figure},
};
use std::{path::Path, process::Command, time::Instant};

/// Computes for some seconds, and uses what came of it.
const BUSY: &str = r#"(module
	(import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
	(memory (export "memory") 1)
	(func (export "_start") (local $n i64) (local $x i64)
		(local.set $n (i64.const ROUNDS))
		(local.set $x (i64.const 88172645463325252))
		(loop $again
			(local.set $x (i64.xor (local.get $x) (i64.shl (local.get $x) (i64.const 13))))
			(local.set $x (i64.xor (local.get $x) (i64.shr_u (local.get $x) (i64.const 7))))
			(local.set $x (i64.xor (local.get $x) (i64.shl (local.get $x) (i64.const 17))))
			(i64.store (i32.const 8) (local.get $x))
			(local.set $n (i64.sub (local.get $n) (i64.const 1)))
			(br_if $again (i64.ne (local.get $n) (i64.const 0))))
		(call $exit (i64.eqz (local.get $x)))))"#;

/// The seconds of day in a line of the daemon's log.
fn moment(line: &str) -> Option<f64> {
	let time = line.split_whitespace().next()?.split_once('T')?.1;
	let mut parts = time.trim_end_matches('Z').split(':');
	let mut next = || parts.next()?.parse::<f64>().ok();
	Some(next()? * 3_600.0 + next()? * 60.0 + next()?)
}

/// Seconds from when the daemon began a lease's job to when it knew of its end, by its log.
fn through(log: &Path, lease: u64) -> anyhow::Result<f64> {
	let text = std::fs::read_to_string(log)?;
	let of = format!("lease={lease} ");
	let at = |what: &str| {
		let mut lines = text.lines();
		let line = lines.find(|line| line.contains(what) && format!("{line} ").contains(&of));
		line.and_then(moment)
			.with_context(|| format!("the daemon's log does not say `{what}` of lease {lease}"))
	};
	// Once a day midnight is between the two.
	let seconds = at("the workload ended")? - at("starting the workload")?;
	Ok(seconds.rem_euclid(86_400.0))
}

/// Measures a job both ways by turns. `goal`: how many times the bare one, and seconds beyond that.
fn job(
	bench: &mut Bench,
	name: (&str, &str),
	goal: (f64, f64),
	mut own: impl FnMut() -> anyhow::Result<f64>,
	mut bare: impl FnMut() -> anyhow::Result<f64>,
) -> anyhow::Result<()> {
	let times = if bench.quick { 3 } else { 7 };
	let (mut owns, mut bares) = (Vec::new(), Vec::new());
	for _ in 0..times {
		bares.push(bare()?);
		owns.push(own()?);
	}
	let (own, bare) = (median(owns), median(bares));
	say(format!("{}: {own:.2} s, {}: {bare:.2} s", name.0, name.1));
	bench.figures.push(Figure {
		figure: format!("{}, against {}", name.0, name.1),
		value: own * 1e3,
		unit: "ms",
		baseline: Some(bare * 1e3),
		goal: Some(goal.0 + goal.1 / bare),
		rising: false,
	});
	Ok(())
}

pub fn modules(bench: &mut Bench) -> anyhow::Result<()> {
	let devnet = Devnet::start(&["--providers", "1", "--for-seconds", "1800"])?;
	offered(&devnet)?;
	let rounds = if bench.quick {
		"1000000000"
	} else {
		"3000000000"
	};
	let module = wat::parse_str(BUSY.replace("ROUNDS", rounds))?;
	let file = File {
		image: MODULE,
		more: "",
		kind: "job",
		unit: (1_000, 64),
	};
	let file = file.write(&devnet, &module)?;
	let on_disk = file.with_file_name("module.wasm");
	let log = devnet.provider_folder(0).join("daemon.log");
	let wasmtime = bench.wasmtime.clone();
	job(
		bench,
		("a job in WASM", "wasmtime run"),
		(1.05, 0.05),
		|| {
			let json = deploy(&devnet, &file, &["--wait"])?;
			through(&log, json["lease"].as_u64().context("no lease")?)
		},
		|| {
			let begun = Instant::now();
			run(Command::new(&wasmtime).arg("run").arg(&on_disk))?;
			Ok(begun.elapsed().as_secs_f64())
		},
	)
}

pub fn containers(bench: &mut Bench) -> anyhow::Result<()> {
	let engine = Engine::start_both();
	let (socket, registry) = (engine.socket(), engine.registry.clone());
	let devnet = Devnet::start(&[
		"--providers",
		"1",
		"--for-seconds",
		"1800",
		"--engine",
		&socket,
		"--registry",
		&format!("http://{registry}"),
	])?;
	// Without services, whose networks nobody closes here, there is no standing offer.
	let rounds = if bench.quick { 1_000_000 } else { 3_000_000 };
	let script = format!("n=0; while [ $n -lt {rounds} ]; do n=$((n+1)); done");
	let more = format!(
		"    command: [\"/bin/sh\", \"-c\"]\n    args: [{script:?}]\n    credentials: {{ host: {registry:?}, username: \
		 tenant, password: {PASSWORD} }}\n"
	);
	let file = File {
		image: &engine.image(),
		more: &more,
		kind: "job",
		unit: (1_000, 64),
	};
	let file = file.write(&devnet, b"")?;
	let log = devnet.provider_folder(0).join("daemon.log");
	let (image, who) = (engine.image(), format!("tenant:{PASSWORD}"));
	let measured = job(
		bench,
		("a job in a container", "podman run"),
		(1.1, 0.0),
		|| {
			let text = crate::text(&file)?;
			let (json, code) = devnet.json("//Tenant", &["deploy", text, "--wait", "--yes"])?;
			anyhow::ensure!(code == 0, "{json}");
			through(&log, json["lease"].as_u64().context("no lease")?)
		},
		|| {
			// Both pull it each time.
			let begun = Instant::now();
			run(engine.podman().args(["pull", "--creds", &who, &image]))?;
			let limits = ["--network", "none", "--cpus", "1", "--memory", "64m"];
			run(engine
				.podman()
				.args(["run", "--name", "bare"])
				.args(limits)
				.args([&image, "/bin/sh", "-c", &script]))?;
			let seconds = begun.elapsed().as_secs_f64();
			// The daemon's end is told before it removes its own.
			run(engine.podman().args(["rm", "bare"]))?;
			run(engine.podman().args(["rmi", &image]))?;
			Ok(seconds)
		},
	);
	drop(devnet);
	measured
}
