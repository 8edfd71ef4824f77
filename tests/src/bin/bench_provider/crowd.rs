//! Many leases of one tenant on one daemon.

use crate::{enlarge, offered, operate, tenant::Tenant, Bench};
use anyhow::{bail, ensure, Context as _};
use futures::{StreamExt as _, TryStreamExt as _};
use leasehold_client::view::{OpenLease, State};
use leasehold_tests::{
	devnet::{computed, wait_until, Devnet, Owned},
	figures::{say, Figure},
};
use serde_json::Value;
use std::{
	collections::HashMap,
	path::{Path, PathBuf},
	time::{Duration, Instant},
};

/// Transactions under way, and manifests.
const AT_ONCE: usize = 48;
const MIB: f64 = (1 << 20) as f64;
/// What the workload itself has: a page of memory.
const OWN: f64 = (64 << 10) as f64;

/// A line of a process' account of its memory, bytes.
fn memory(pid: i32, key: &str) -> anyhow::Result<f64> {
	let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
	let line = text.lines().find_map(|line| line.strip_prefix(key));
	let kib = line.and_then(|rest| rest.split_whitespace().next());
	Ok(kib.context("no such line")?.parse::<f64>()? * 1_024.0)
}

/// Whether a process lives and is the daemon's program: another may have the number by now.
fn is_runner(pid: i32) -> bool {
	let program = std::fs::read_link(format!("/proc/{pid}/exe"));
	program.is_ok_and(|path| path.ends_with("leasehold-provider"))
}

/// The lease and the process of each runner that lives, by the locks that they hold.
pub fn runners(leases: &Path) -> Vec<(u64, i32)> {
	let inside = |folder: PathBuf| std::fs::read_dir(folder).into_iter().flatten().flatten();
	let mut all = Vec::new();
	for lease in inside(leases.to_owned()) {
		for file in inside(lease.path().join("services/main/0/run")) {
			let is_lock = file.path().extension().is_some_and(|end| end == "lock");
			let pid = std::fs::read_to_string(file.path()).unwrap_or_default();
			let id = lease.file_name().to_string_lossy().parse();
			if let (true, Ok(pid), Ok(id)) = (is_lock, pid.trim().parse(), id) {
				if is_runner(pid) {
					all.push((id, pid));
				}
			}
		}
	}
	all
}

/// How many runners say that they run.
fn running(leases: &Path) -> usize {
	let folders = std::fs::read_dir(leases).into_iter().flatten().flatten();
	let well = |folder: PathBuf| folder.join("services/main/0/run/1.well").exists();
	folders.filter(|entry| well(entry.path())).count()
}

pub fn measure(bench: &mut Bench) -> anyhow::Result<()> {
	let devnet = Devnet::start(&[
		"--providers",
		"1",
		"--for-seconds",
		"3600",
		"--start-deadline",
		"600",
	])?;
	offered(&devnet)?;
	let mut daemon = enlarge(&devnet, "1000000")?;
	std::thread::sleep(Duration::from_secs(15));
	let pid = |daemon: &Owned| i32::try_from(daemon.0.id());
	let idle = memory(pid(&daemon)?, "Rss:")?;
	bench.figures.push(Figure {
		figure: "the daemon without leases: memory".into(),
		value: idle / MIB,
		unit: "MiB",
		baseline: None,
		goal: Some(80.0),
		rising: false,
	});
	let many = if bench.quick { 100 } else { 1_000 };
	let leases = devnet.provider_folder(0).join("leases");
	let runtime = tokio::runtime::Runtime::new()?;
	let begun = Instant::now();
	runtime.block_on(fill(&devnet, many))?;
	wait_until(Duration::from_secs(600), "all leases run", || {
		running(&leases) >= many
	})?;
	say(format!(
		"{many} leases run after {:.0} s",
		begun.elapsed().as_secs_f64()
	));
	let runners = runners(&leases);
	ensure!(
		runners.len() == many,
		"{} of {many} leases run in their first attempt",
		runners.len()
	);
	// With its part of what the daemon needs for all of them.
	let mut sum = memory(pid(&daemon)?, "Rss:")? - idle;
	for (_, runner) in &runners {
		sum += memory(*runner, "Pss:")? - OWN;
	}
	let all = || -> anyhow::Result<f64> { runners.iter().map(|(_, pid)| computed(*pid)).sum() };
	let before = all()?;
	std::thread::sleep(Duration::from_secs(10));
	let after = all()?;
	bench.figures.push(Figure {
		figure: format!("{many} leases in WASM that do nothing: CPU of all"),
		value: (after - before) * 10.0,
		unit: "% of a core",
		baseline: None,
		goal: None,
		rising: false,
	});
	bench.figures.push(Figure {
		figure: format!("{many} leases in WASM: memory of each beyond its own"),
		value: sum / many as f64 / MIB,
		unit: "MiB",
		baseline: None,
		goal: Some(2.0),
		rising: false,
	});
	bench.figures.push(Figure {
		figure: format!("the daemon with {many} leases: memory"),
		value: memory(pid(&daemon)?, "Rss:")? / MIB,
		unit: "MiB",
		baseline: None,
		goal: None,
		rising: false,
	});
	daemon.kill();
	let begun = Instant::now();
	let daemon = devnet.start_provider(0)?;
	reconciled(&devnet, many)?;
	bench.figures.push(Figure {
		figure: format!("a daemon with {many} leases, killed: from its start to all reconciled"),
		value: begun.elapsed().as_secs_f64(),
		unit: "s",
		baseline: None,
		goal: Some(5.0),
		rising: false,
	});
	drop(daemon);
	Ok(())
}

/// Waits until the daemon says of all leases that they run.
fn reconciled(devnet: &Devnet, many: usize) -> anyhow::Result<()> {
	let begun = Instant::now();
	loop {
		let output = operate(devnet, &["status", "--output", "json"])?;
		let said: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
		let leases = said["leases"].as_array().map_or(0, |leases| {
			let runs = leases.iter().filter(|lease| lease["phase"] == "running");
			runs.count()
		});
		if leases >= many && said["on_duty"] == true {
			return Ok(());
		}
		if begun.elapsed() > Duration::from_secs(120) {
			bail!("{leases} of {many} leases are reconciled: {said}");
		}
		std::thread::sleep(Duration::from_millis(50));
	}
}

/// Leases until the tenant has so many.
pub async fn fill(devnet: &Devnet, many: usize) -> anyhow::Result<()> {
	let (tenant, request, manifest) = Tenant::of(devnet, "service").await?;
	let tenant = &tenant;
	let placed: Vec<(u64, Vec<u8>)> = futures::stream::iter(1..many)
		.map(|_| tenant.lease(&request, &manifest))
		.buffer_unordered(AT_ONCE)
		.try_collect()
		.await?;
	say(format!("{} orders are placed", placed.len()));
	let mut of: HashMap<u64, Vec<u8>> = placed.into_iter().collect();
	let best = tenant.chain.connection().await?.best().await?;
	let (_, leases) = best.open_items(&tenant.account()).await?;
	let waiting: Vec<_> = leases
		.iter()
		.filter_map(|lease| Some((lease, of.remove(&lease.order)?)))
		.collect();
	ensure!(of.is_empty(), "{} orders have no lease", of.len());
	futures::stream::iter(waiting)
		.map(|(lease, bytes)| async move { tenant.hand_in(lease, &bytes).await })
		.buffer_unordered(AT_ONCE)
		.try_collect::<Vec<_>>()
		.await?;
	// The chain must know, too.
	let begun = Instant::now();
	loop {
		let best = tenant.chain.connection().await?.best().await?;
		let (_, leases) = best.open_items(&tenant.account()).await?;
		let active = |lease: &&OpenLease| matches!(lease.state, State::Active { .. });
		let active = leases.iter().filter(active).count();
		if active >= many {
			return Ok(());
		}
		ensure!(
			begun.elapsed() < Duration::from_secs(600),
			"only {active} leases run, by the chain"
		);
		tokio::time::sleep(Duration::from_secs(1)).await;
	}
}
