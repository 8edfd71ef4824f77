//! From the signature to a running workload.

use crate::{offered, tenant::Tenant, Bench};
use anyhow::Context as _;
use leasehold_tests::{
	devnet::Devnet,
	figures::{say, Figure},
};
use serde_json::Value;
use std::time::{Duration, Instant};

/// The block in which a lease was started, once the chain tells.
fn started(devnet: &Devnet, lease: u64) -> anyhow::Result<u32> {
	let begun = Instant::now();
	loop {
		let (told, _) = devnet.json("//Tenant", &["events", &lease.to_string()])?;
		let mut told = told.as_array().into_iter().flatten();
		let found = told.find(|one: &&Value| one["event"] == "LeaseStarted");
		if let Some(block) = found.and_then(|one| one["block"].as_u64()) {
			return Ok(u32::try_from(block)?);
		}
		anyhow::ensure!(
			begun.elapsed() < Duration::from_secs(60),
			"lease {lease} does not start"
		);
		std::thread::sleep(Duration::from_millis(300));
	}
}

pub fn measure(bench: &mut Bench) -> anyhow::Result<()> {
	let devnet = Devnet::start(&["--providers", "1", "--for-seconds", "1800"])?;
	offered(&devnet)?;
	let runtime = tokio::runtime::Runtime::new()?;
	let (tenant, request, manifest) = runtime.block_on(Tenant::of(&devnet, "job"))?;
	let times = if bench.quick { 10 } else { 100 };
	let mut all = Vec::new();
	for _ in 0..times {
		let (signed, lease) = runtime.block_on(async {
			let best = tenant.chain.connection().await?.best().await?;
			let signed = best.number();
			let (order, bytes) = tenant.lease(&request, &manifest).await?;
			let best = tenant.chain.connection().await?.best().await?;
			let (_, leases) = best.open_items(&tenant.account()).await?;
			let lease = leases.into_iter().find(|lease| lease.order == order);
			let lease = lease.context("the order has no lease")?;
			tenant.hand_in(&lease, &bytes).await?;
			Ok::<_, anyhow::Error>((signed, lease.id))
		})?;
		all.push(f64::from(started(&devnet, lease)?.saturating_sub(signed)));
		devnet.json("//Tenant", &["close", &lease.to_string()])?;
	}
	all.sort_by(f64::total_cmp);
	say(format!("blocks from signature to running: {all:?}"));
	for (name, part, goal) in [("p50", 50, 2.0), ("p99", 99, 3.0)] {
		let place = (all.len() * part).div_ceil(100).saturating_sub(1);
		bench.figures.push(Figure {
			figure: format!("an instant lease, signature to running: {name}"),
			value: all.get(place).copied().context("nothing measured")?,
			unit: "blocks",
			baseline: None,
			goal: Some(goal),
			rising: false,
		});
	}
	Ok(())
}
