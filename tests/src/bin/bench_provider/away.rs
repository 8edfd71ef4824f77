//! A machine that is off for long: what runs when it is back, and what its provider has earned.

use crate::{
	crowd::{fill, runners},
	enlarge, offered, Bench,
};
use anyhow::{ensure, Context as _};
use leasehold_client::{keystore, view::OpenLease, Chain};
use leasehold_tests::{
	devnet::{wait_until, Devnet},
	figures::{say, Figure},
};
use rustix::process::{kill_process, Pid, Signal};
use serde_json::Value;
use std::{
	collections::BTreeSet,
	time::{Duration, Instant},
};

const LEASES: usize = 10;

/// Planck, as the command line writes them.
fn planck(value: &Value) -> anyhow::Result<u128> {
	Ok(value.as_str().context("no amount")?.parse()?)
}

pub fn measure(bench: &mut Bench) -> anyhow::Result<()> {
	let blocks = if bench.quick { 300 } else { 10_000 };
	let devnet = Devnet::start(&[
		"--providers",
		"1",
		"--for-seconds",
		"5400",
		// The shortest there are.
		"--slot-ms",
		"200",
		"--start-deadline",
		"600",
		"--max-downtime",
		"20000",
	])?;
	offered(&devnet)?;
	let mut daemon = enlarge(&devnet, "1000000")?;
	let leases = devnet.provider_folder(0).join("leases");
	let runtime = tokio::runtime::Runtime::new()?;
	let account = |uri| Ok::<_, anyhow::Error>(keystore::account(&keystore::from_uri(uri)?));
	let (owner, tenant) = (account("//Provider0")?, account("//Tenant")?);
	let chain = runtime.block_on(Chain::connect(&devnet.node(), None))?;
	// The block, the tenant's open leases, and what the owner has.
	let look = || {
		runtime.block_on(async {
			let best = chain.connection().await?.best().await?;
			let (_, open) = best.open_items(&tenant).await?;
			let free = best.account(&owner).await?.free;
			Ok::<_, anyhow::Error>((best.number(), open, free))
		})
	};
	let ids = |open: &[OpenLease]| open.iter().map(|one| one.id).collect::<BTreeSet<_>>();
	// All that was paid, less the protocol's part; the chain does not keep that for so long.
	let mut earned = 0;
	let mut close = |lease: u64| -> anyhow::Result<()> {
		let (json, code) = devnet.json("//Tenant", &["close", &lease.to_string()])?;
		ensure!(code == 0, "lease {lease}: {json}");
		earned += planck(&json["paid"])? - planck(&json["fees"])?;
		Ok(())
	};

	let (_, _, before) = look()?;
	runtime.block_on(fill(&devnet, LEASES))?;
	daemon.kill();
	for pid in runners(&leases)
		.iter()
		.filter_map(|(_, pid)| Pid::from_raw(*pid))
	{
		// It may just have ended.
		let _ = kill_process(pid, Signal::KILL);
	}
	wait_until(Duration::from_secs(10), "no runner lives", || {
		runners(&leases).is_empty()
	})?;
	let (begun, open, _) = look()?;
	let all = ids(&open);
	ensure!(all.len() == LEASES, "{} leases run", all.len());
	// Nobody is there to see it.
	for lease in all.iter().take(LEASES / 2) {
		close(*lease)?;
	}
	say(format!("{blocks} blocks pass"));
	let limit = Duration::from_secs(3_600);
	wait_until(limit, "the blocks pass", || {
		std::thread::sleep(Duration::from_secs(1));
		look().is_ok_and(|(head, ..)| head >= begun + blocks)
	})?;
	let still = ids(&look()?.1);
	ensure!(
		still.len() == LEASES - LEASES / 2,
		"{} leases are left",
		still.len()
	);
	let back = Instant::now();
	let daemon = devnet.start_provider(0)?;
	wait_until(Duration::from_secs(60), "what is leased runs", || {
		let running = runners(&leases).into_iter().map(|(lease, _)| lease);
		running.collect::<BTreeSet<_>>() == still
	})?;
	let seconds = back.elapsed().as_secs_f64();
	bench.figures.push(Figure {
		figure: format!(
			"{blocks} blocks away: from the daemon's start to the {} leases that are left",
			still.len()
		),
		value: seconds,
		unit: "s",
		baseline: None,
		goal: Some(5.0),
		rising: false,
	});
	for lease in still {
		close(lease)?;
	}
	let got = look()?.2 - before;
	ensure!(
		earned > 0 && got == earned,
		"{earned} planck were earned, and {got} have come"
	);
	say(format!("{earned} planck were earned, and have come"));
	drop(daemon);
	Ok(())
}
