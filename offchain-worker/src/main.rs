//! `leasehold-provider`: the provider daemon.

#![forbid(unsafe_code)]

mod acme;
mod bidding;
mod closing;
mod config;
mod daemon;
mod diary;
mod doctor;
mod duty;
mod earnings;
mod executor;
mod fetch;
mod firewall;
mod gateway;
mod gpus;
mod identity;
mod init;
mod log;
mod members;
mod metrics;
mod names;
mod offer;
mod operate;
mod pricing;
mod reconcile;
mod results;
mod room;
mod socket;
mod store;
mod trust;
mod update;
mod usage;

use clap::{CommandFactory as _, Parser, Subcommand};
use leasehold_client::ChainError;
use std::{io::IsTerminal as _, path::PathBuf, process::ExitCode};

/// The provider daemon: watches the chain, bids on orders, runs the leased workloads.
///
/// A first start: `init`, then `register` with the owner's key, then `run`.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
	/// The daemon's folder: configuration, keys, data.
	#[arg(
		long,
		global = true,
		env = "LEASEHOLD_PROVIDER_DIR",
		default_value = "leasehold-provider"
	)]
	dir: PathBuf,
	/// How logs are written.
	#[arg(long, global = true, value_enum, default_value = "text")]
	log_format: LogFormat,
	#[command(subcommand)]
	command: Command,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum LogFormat {
	Text,
	Json,
}

#[derive(Debug, Subcommand)]
enum Command {
	/// Detect this machine, write a commented configuration and create the operator's key.
	Init(init::Init),
	/// Register the provider on chain, with its bond. Signed by the owner.
	Register(operate::Register),
	/// Leave the chain: unbond, take no new leases. Signed by the owner.
	Deregister(operate::Deregister),
	/// Serve leases until SIGTERM; workloads go on without the daemon.
	Run,
	/// Put capacity, attributes, URL and keys on chain anew, after a change of the configuration.
	Update,
	/// Have the running daemon put another TLS key in the place of the gateway's; no tenant notices.
	RotateKey,
	/// Have the running daemon take no new leases; those that it has go on.
	Drain(operate::Drain),
	/// Show what the running daemon does.
	Status(operate::Status),
	/// Look whether all that a provider needs is there, and say how to mend what is not.
	Doctor(doctor::Doctor),
	/// Show what leases have brought, and hold that against the chain.
	Earnings(earnings::Command),
	/// Say what the running daemon decided about an order: what it bid, or why it did not.
	Why(operate::Why),
	/// Close the networks of services off from this machine, its network and each other, by a firewall table.
	SetupNetwork(firewall::SetupNetwork),
	/// Write what lets a shell complete the commands.
	Completions { shell: clap_complete::Shell },
	/// Write man pages into a folder.
	Man { folder: PathBuf },
	/// Look what a container gets through to. Started by the daemon, in a container.
	#[command(hide = true)]
	Probe { targets: Vec<String> },
	/// End all that runs for leases, and remove it from the engine. For networks that are thrown away.
	#[command(hide = true)]
	EndLeases { provider: u32 },
	/// Run one attempt of a module. Started by the daemon.
	#[command(hide = true)]
	Runner { folder: PathBuf, attempt: u32 },
}

fn main() -> ExitCode {
	let arguments = Arguments::parse();
	// Before anything else: no runtime, no logs, no keys.
	if let Command::Runner { folder, attempt } = &arguments.command {
		return match executor::wasm::run(folder, *attempt) {
			Ok(()) => ExitCode::SUCCESS,
			Err(error) => {
				eprintln!("the runner failed: {error}");
				ExitCode::FAILURE
			}
		};
	}
	let filter = tracing_subscriber::EnvFilter::try_from_default_env()
		.unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info,subxt=warn,jsonrpsee=warn"));
	let mut logs = tracing_subscriber::fmt()
		.with_env_filter(filter)
		.with_writer(std::io::stderr);
	// In colours at a terminal, unless NO_COLOR is set.
	if !std::io::stderr().is_terminal() {
		logs = logs.with_ansi(false);
	}
	match arguments.log_format {
		LogFormat::Text => logs.init(),
		LogFormat::Json => logs.json().init(),
	}
	let runtime = match tokio::runtime::Builder::new_multi_thread()
		.enable_all()
		.build()
	{
		Ok(runtime) => runtime,
		Err(error) => {
			eprintln!("error: {error}");
			return ExitCode::FAILURE;
		}
	};
	let result = runtime.block_on(async {
		match arguments.command {
			Command::Init(init) => init.run(&arguments.dir),
			Command::Register(register) => register.run(&arguments.dir).await,
			Command::Deregister(deregister) => deregister.run(&arguments.dir).await,
			Command::Drain(drain) => drain.run(&arguments.dir).await,
			Command::Run => daemon::run(&arguments.dir).await,
			Command::Status(status) => status.run(&arguments.dir).await,
			Command::Doctor(doctor) => doctor.run(&arguments.dir).await,
			Command::Earnings(earnings) => earnings.run(&arguments.dir).await,
			Command::Why(why) => why.run(&arguments.dir).await,
			Command::Update => operate::update(&arguments.dir).await,
			Command::RotateKey => operate::rotate_key(&arguments.dir).await,
			Command::SetupNetwork(setup) => setup.run(&arguments.dir),
			Command::Completions { shell } => {
				let (mut command, mut out) = (Arguments::command(), std::io::stdout());
				clap_complete::generate(shell, &mut command, "leasehold-provider", &mut out);
				Ok(())
			}
			Command::Man { folder } => std::fs::create_dir_all(&folder)
				.and_then(|()| clap_mangen::generate_to(Arguments::command(), &folder))
				.map_err(|error| anyhow::anyhow!("{}: {error}", folder.display())),
			Command::Probe { targets } => executor::container::probe(&targets).await,
			Command::EndLeases { provider } => operate::end_leases(&arguments.dir, provider).await,
			Command::Runner { .. } => Ok(()),
		}
	});
	runtime.shutdown_timeout(std::time::Duration::from_secs(1));
	match result {
		Ok(()) => ExitCode::SUCCESS,
		Err(error) => {
			eprintln!("error: {error:#}");
			let known = error
				.chain()
				.find_map(|cause| cause.downcast_ref::<ChainError>());
			if let Some(known) = known {
				eprintln!("  next: {}", known.advice());
			}
			ExitCode::FAILURE
		}
	}
}
