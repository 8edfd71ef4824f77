//! The main job, end to end, on this machine: see `scripts/demo`.

use anyhow::{bail, Context as _};
use clap::Parser;
use leasehold_client::{keystore, view::LeaseRecordNow, Chain};
use leasehold_tests::{
	devnet::{last_json, Devnet},
	ledger::Ledger,
};
use std::{
	path::{Path, PathBuf},
	process::ExitCode,
	time::{Duration, Instant},
};

/// Runs the main job: a chain, two providers, a tenant who deploys a job by one command.
#[derive(Parser)]
struct Arguments {
	/// Leave the network running and say what to try next.
	#[arg(long)]
	keep: bool,
	/// Where the artefacts go.
	#[arg(long, default_value = "demo-out")]
	out: PathBuf,
	/// The manifest file to deploy.
	#[arg(long, default_value = "examples/render/deploy.yaml")]
	manifest: PathBuf,
}

fn say(text: impl AsRef<str>) {
	println!("\n\x1b[1m-- {}\x1b[0m", text.as_ref());
}

fn main() -> ExitCode {
	let runtime = match tokio::runtime::Runtime::new() {
		Ok(runtime) => runtime,
		Err(error) => {
			eprintln!("error: {error}");
			return ExitCode::FAILURE;
		}
	};
	let arguments = Arguments::parse();
	let interrupted = async {
		use tokio::signal::unix::{signal, SignalKind};
		if let (Ok(mut int), Ok(mut term)) = (
			signal(SignalKind::interrupt()),
			signal(SignalKind::terminate()),
		) {
			tokio::select! { _ = int.recv() => {}, _ = term.recv() => {} }
		}
	};
	let result = runtime.block_on(async {
		tokio::select! {
			result = demo(&arguments) => result,
			() = interrupted => bail!("interrupted; everything has ended"),
		}
	});
	runtime.shutdown_timeout(Duration::from_secs(45));
	match result {
		Ok(()) => ExitCode::SUCCESS,
		Err(error) => {
			eprintln!("error: {error:#}");
			ExitCode::FAILURE
		}
	}
}

async fn demo(arguments: &Arguments) -> anyhow::Result<()> {
	let begun = Instant::now();
	let out = &arguments.out;
	std::fs::create_dir_all(out)?;
	say("A chain and two providers with different prices");
	let folder = tempfile::Builder::new()
		.prefix("leasehold-demo-")
		.tempdir()?;
	let place = folder.path().join("devnet");
	let devnet = tokio::task::spawn_blocking(move || Devnet::start_at(&place, &[])).await??;
	let before = devnet.facts["before_block"]
		.as_u64()
		.and_then(|n| u32::try_from(n).ok());
	let before = before.context("the devnet names no first block")?;

	say(format!(
		"The tenant deploys {} by one command",
		arguments.manifest.display()
	));
	let manifest = arguments.manifest.to_string_lossy().into_owned();
	println!("$ leasehold deploy {manifest} --wait --yes");
	let deploy = devnet.tenant(&["deploy", &manifest, "--wait", "--yes"])?;
	let status = tokio::process::Command::from(deploy)
		.kill_on_drop(true)
		.status()
		.await?;
	if !status.success() {
		bail!(
			"the deployment failed: {status}; logs are in {}",
			devnet.folder().display()
		);
	}
	let leases = json(&devnet, &["leases", "--all"]).await?;
	let lease = leases["closed"][0]["lease"]
		.as_u64()
		.context("no closed lease")?
		.to_string();

	say("The tenant fetches the result; it must match the hash on chain");
	println!("$ leasehold files get {lease} --to {}", out.display());
	let to = out.to_string_lossy().into_owned();
	let files = json(&devnet, &["files", "get", &lease, "--to", &to]).await?;
	if files["matches_chain"] != true {
		bail!("the results were not checked: {files}");
	}
	for file in files["files"].as_array().into_iter().flatten() {
		println!(
			"{} ({} bytes)",
			out.join(file["path"].as_str().unwrap_or("?")).display(),
			file["size"]
		);
	}

	say("What happened, in words");
	let told = json(&devnet, &["events", &lease]).await?;
	let words: String = told
		.as_array()
		.into_iter()
		.flatten()
		.map(|t| {
			let text = t["text"].as_str().unwrap_or_default();
			match t["block"].as_u64() {
				Some(block) => format!("block {block}: {text}\n"),
				None => format!("the provider: {text}\n"),
			}
		})
		.collect();
	print!("{words}");
	std::fs::write(out.join("events.txt"), words)?;
	let log = tokio::process::Command::from(devnet.tenant(&["logs", &lease])?)
		.output()
		.await?;
	std::fs::write(out.join("job.log"), log.stdout)?;

	if !arguments.keep {
		say("The daemons stop; the chain says who paid what");
		devnet.stop_providers()?;
	} else {
		say("Who paid what");
	}
	let id = lease.parse()?;
	let ledger = settle(&devnet, before, id).await?;
	std::fs::write(out.join("ledger.json"), format!("{:#}\n", ledger.json()))?;
	println!("{}", ledger.table());
	println!(
		"free balances in LEASE, between the finalized blocks {} and {}; {} served blocks",
		ledger.blocks.0, ledger.blocks.1, ledger.lease.served_blocks
	);
	println!("each row: before - after = paid + tx fees + bonded + held - received");
	println!(
		"all rows: paid = received (of which {} planck protocol fee)",
		ledger.lease.fees
	);
	ledger.check()?;
	println!(
		"\nthe sums are right to the last planck; {} s",
		begun.elapsed().as_secs()
	);
	println!("artefacts: {}", list(out)?);
	if arguments.keep {
		keep(&devnet).await;
	}
	Ok(())
}

async fn json(devnet: &Devnet, arguments: &[&str]) -> anyhow::Result<serde_json::Value> {
	let mut command = devnet.tenant(arguments)?;
	command.args(["--output", "json"]);
	let output = tokio::process::Command::from(command)
		.kill_on_drop(true)
		.output()
		.await?;
	if !output.status.success() {
		bail!("{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
	}
	last_json(&output)
}

async fn settle(devnet: &Devnet, before: u32, lease: u64) -> anyhow::Result<Ledger> {
	let chain = Chain::connect(&devnet.node(), None).await?;
	let connection = chain.connection().await?;
	// All that the daemons sent before they stopped must be finalized.
	let best = connection.heads().await?.best.0;
	let after = loop {
		let finalized = connection.heads().await?.finalized.0;
		if finalized > best {
			break finalized;
		}
		tokio::time::sleep(Duration::from_millis(300)).await;
	};
	let view = connection.at_number(after).await?;
	let LeaseRecordNow::Closed(closed) = view.lease(lease).await? else {
		bail!("lease {lease} is not closed");
	};
	let fees = view
		.fee_destination()
		.await?
		.context("no fee destination")?;
	let tenant = keystore::account(&keystore::from_uri("//Tenant")?);
	let mut parties = vec![("tenant".to_owned(), "tenant", vec![tenant])];
	for provider in view.providers().await? {
		let accounts = vec![provider.owner, provider.operator];
		parties.push((format!("provider {}", provider.id), "provider", accounts));
	}
	parties.push(("fee destination".to_owned(), "fee destination", vec![fees]));
	Ledger::read(&connection, (before, after), closed, parties).await
}

fn list(folder: &Path) -> anyhow::Result<String> {
	let mut names: Vec<String> = std::fs::read_dir(folder)?
		.flatten()
		.map(|entry| folder.join(entry.file_name()).display().to_string())
		.collect();
	names.sort();
	Ok(names.join(" "))
}

async fn keep(devnet: &Devnet) {
	say("The network goes on. In another terminal:");
	let program = leasehold_tests::devnet::program("leasehold").unwrap_or_default();
	let tenant = devnet.folder().join("tenant");
	println!(
		"  export LEASEHOLD_NODE={} LEASEHOLD_ACCOUNT=//Tenant",
		devnet.node()
	);
	println!("  export LEASEHOLD_DIR={}", tenant.display());
	println!("  alias leasehold={}", program.display());
	println!("  leasehold providers");
	println!("  leasehold deploy examples/census/deploy.yaml --wait");
	println!("  leasehold leases --all");
	println!("  leasehold balance");
	println!("Ctrl-C ends it.");
	std::future::pending::<()>().await;
}
