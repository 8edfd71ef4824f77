//! From the signature to a running workload.

use crate::{offered, tenant::Tenant, text, Bench, File, MODULE};
use anyhow::Context as _;
use leasehold_tests::{
	devnet::{Devnet, Owned},
	figures::{median, say, Figure},
};
use serde_json::Value;
use std::{
	io::Read as _,
	process::Stdio,
	time::{Duration, Instant},
};

/// The block in which a lease was started, once the chain tells.
fn started(devnet: &Devnet, lease: u64) -> anyhow::Result<u32> {
	let begun = Instant::now();
	loop {
		let (told, _) = devnet.json("//Tenant", &["events", &lease.to_string(), "--chain"])?;
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

/// Writes a line.
const SPEAKER: &str = r#"(module
	(import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
	(memory (export "memory") 1)
	(data (i32.const 64) "here it is\n")
	(func (export "_start")
		(i32.store (i32.const 0) (i32.const 64))
		(i32.store (i32.const 4) (i32.const 11))
		(drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 16)))))"#;

/// Blocks from the begin of `deploy` to the first line of the log on the tenant's screen.
fn first_line(devnet: &Devnet, best: impl Fn() -> anyhow::Result<u32>) -> anyhow::Result<f64> {
	let file = File {
		image: MODULE,
		more: "",
		kind: "job",
		unit: (100, 16),
	};
	let path = file.write(devnet, &wat::parse_str(SPEAKER)?)?;
	let deploy = ["deploy", text(&path)?, "--instant", "--yes", "--wait"];
	let before = best()?;
	let mut command = devnet.tenant(&deploy)?;
	let child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
	let mut child = Owned(child?);
	let (mut said, mut byte) = (Vec::new(), [0]);
	let stdout = child.0.stdout.as_mut().context("no output")?;
	while !said.ends_with(b"here it is\n") {
		let read = stdout.read(&mut byte)?;
		anyhow::ensure!(read > 0, "no line: {}", String::from_utf8_lossy(&said));
		said.extend(byte);
	}
	let blocks = best()?.saturating_sub(before);
	child.0.wait()?;
	Ok(f64::from(blocks))
}

pub fn measure(bench: &mut Bench) -> anyhow::Result<()> {
	let devnet = Devnet::start(&["--providers", "1", "--for-seconds", "1800"])?;
	offered(&devnet)?;
	let runtime = tokio::runtime::Runtime::new()?;
	let (tenant, request, manifest) = runtime.block_on(Tenant::of(&devnet, "job"))?;
	let best =
		|| runtime.block_on(async { Ok(tenant.chain.connection().await?.best().await?.number()) });
	let lines = (0..if bench.quick { 3 } else { 15 }).map(|_| first_line(&devnet, best));
	bench.figures.push(Figure {
		figure: "an instant lease, `deploy` to the first line of its log".into(),
		value: median(lines.collect::<anyhow::Result<Vec<_>>>()?),
		unit: "blocks",
		baseline: None,
		goal: Some(4.0),
		rising: false,
	});
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
