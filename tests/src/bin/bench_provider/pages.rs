//! Pages served by a component.

use crate::{deploy, offered, run, Bench, File, MODULE};
use anyhow::Context as _;
use leasehold_tests::{
	devnet::{wait_until, Devnet, Owned},
	figures::{median, say, Figure},
};
use std::{
	net::{TcpListener, TcpStream},
	path::Path,
	process::{Command, Stdio},
	time::Duration,
};

/// Requests answered a second.
fn asked(address: &str, seconds: u32) -> anyhow::Result<f64> {
	let output = run(Command::new("wrk")
		.args(["-t", "1", "-c", "16", "-d", &seconds.to_string()])
		.arg(format!("http://{address}/name")))?;
	let text = String::from_utf8(output.stdout)?;
	anyhow::ensure!(
		!text.contains("Non-2xx") && !text.contains("Socket errors"),
		"{text}"
	);
	let line = text
		.lines()
		.find_map(|line| line.strip_prefix("Requests/sec:"));
	Ok(line.with_context(|| text.clone())?.trim().parse()?)
}

pub fn measure(bench: &mut Bench) -> anyhow::Result<()> {
	let module = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/hostile.wasm");
	let bytes = std::fs::read(&module).context("scripts/examples builds the examples")?;
	let devnet = Devnet::start(&["--providers", "1", "--for-seconds", "1800"])?;
	offered(&devnet)?;
	let file = File {
		image: MODULE,
		more: "    env: [NAME=hello]\n    expose:\n      - port: 8080\n        to: [{ global: true }]\n",
		kind: "service",
		unit: (2_000, 512),
	};
	let json = deploy(&devnet, &file.write(&devnet, &bytes)?, &[])?;
	let address = json["addresses"][0]["address"].as_str();
	let own = address.with_context(|| json.to_string())?;
	let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
	let bare = format!("127.0.0.1:{port}");
	let _server = Owned(
		Command::new(&bench.wasmtime)
			.args(["serve", "-S", "cli", "--env", "NAME=hello", "--addr", &bare])
			.arg(&module)
			.stdin(Stdio::null())
			.stdout(Stdio::null())
			.stderr(Stdio::null())
			.spawn()?,
	);
	wait_until(Duration::from_secs(60), "wasmtime serves", || {
		TcpStream::connect(&bare).is_ok()
	})?;
	let seconds = if bench.quick { 5 } else { 10 };
	let (mut owns, mut bares) = (Vec::new(), Vec::new());
	for _ in 0..if bench.quick { 1 } else { 3 } {
		owns.push(asked(own, seconds)?);
		bares.push(asked(&bare, seconds)?);
	}
	let (own, bare) = (median(owns), median(bares));
	say(format!(
		"pages a second: {own:.0}, wasmtime serve: {bare:.0}"
	));
	bench.figures.push(Figure {
		figure: "a service in WASM: requests, against wasmtime serve".into(),
		value: own,
		unit: "1/s",
		baseline: Some(bare),
		goal: Some(0.9),
		rising: true,
	});
	Ok(())
}
