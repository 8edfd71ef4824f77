//! Measures the provider daemon on devnets of its own: see `scripts/bench-provider`.

mod away;
mod crowd;
mod flow;
mod jobs;
mod pages;
mod starts;
mod tenant;

use clap::Parser;
use leasehold_tests::{
	devnet::{wait_until, Devnet, Owned},
	figures::{write, Figure},
};
use serde_json::Value;
use std::{
	path::{Path, PathBuf},
	process::{Command, ExitCode, Output, Stdio},
	sync::atomic::{AtomicU32, Ordering},
	time::Duration,
};

/// Measures jobs, starts, many leases and pages served, each against the same without the daemon. Whether goals are
/// met stands in the table; the exit code says only whether all was measured.
#[derive(Parser)]
struct Arguments {
	/// Fewer of everything: an answer in five minutes.
	#[arg(long)]
	quick: bool,
	/// What to measure; everything, if nothing is named.
	parts: Vec<Part>,
	/// The `wasmtime` to measure against.
	#[arg(long, default_value = "wasmtime")]
	wasmtime: PathBuf,
	/// Where the table goes.
	#[arg(long, default_value = "bench-out")]
	out: PathBuf,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Part {
	/// A job in WASM, against `wasmtime run`.
	Job,
	/// A job in a container, against `podman run`.
	Container,
	/// From the signature to a running workload, with instant leases.
	Starts,
	/// Many leases on one daemon.
	Crowd,
	/// A machine that is off for many blocks, and back.
	Away,
	/// A service in WASM, against `wasmtime serve`.
	Pages,
	/// Pages by host name, a file and a log through the gateway, against bare servers; readers of a log who stop.
	Flow,
}

/// What all parts work with.
struct Bench {
	quick: bool,
	wasmtime: PathBuf,
	figures: Vec<Figure>,
}

/// A file of one service for `deploy`.
struct File<'a> {
	image: &'a str,
	/// More lines of the service.
	more: &'a str,
	/// `job` or `service`.
	kind: &'a str,
	/// Millicores, MiB.
	unit: (u32, u32),
}

impl File<'_> {
	/// Writes it into a folder of its own, with a module beside it.
	fn write(&self, devnet: &Devnet, module: &[u8]) -> anyhow::Result<PathBuf> {
		static NEXT: AtomicU32 = AtomicU32::new(0);
		let n = NEXT.fetch_add(1, Ordering::SeqCst);
		let folder = devnet.folder().join(format!("file-{n}"));
		std::fs::create_dir_all(&folder)?;
		std::fs::write(folder.join("module.wasm"), module)?;
		let Self {
			image,
			more,
			kind,
			unit: (cpu, memory),
		} = self;
		let limits = match *kind {
			"job" => "      max_duration: 10m\n",
			_ => "",
		};
		let text = format!(
			"version: \"2.0\"\nservices:\n  main:\n    image: {image:?}\n{more}profiles:\n  compute:\n    p:\n      \
			 resources:\n        cpu: {{ units: {cpu}m }}\n        memory: {{ size: {memory}Mi }}\n        storage: {{ \
			 size: 16Mi }}\n  placement:\n    here:\n      pricing:\n        p: {{ denom: ulease, amount: 500 \
			 }}\ndeployment:\n  main:\n    here: {{ profile: p, count: 1 }}\nx-leasehold:\n  version: 1\n  services:\n    \
			 main:\n      kind: {kind}\n{limits}"
		);
		let path = folder.join("deploy.yaml");
		std::fs::write(&path, text)?;
		Ok(path)
	}
}

const MODULE: &str = "wasm:module.wasm";

fn text(path: &Path) -> anyhow::Result<&str> {
	path.to_str()
		.ok_or_else(|| anyhow::anyhow!("{}: no text", path.display()))
}

/// Deploys a file as the tenant; what the command says.
fn deploy(devnet: &Devnet, file: &Path, more: &[&str]) -> anyhow::Result<Value> {
	let arguments = [&["deploy", text(file)?, "--instant", "--yes"], more].concat();
	let (json, code) = devnet.json("//Tenant", &arguments)?;
	anyhow::ensure!(code == 0, "`deploy` failed with {code}: {json}");
	Ok(json)
}

/// Waits until the daemon says that its offer stands on chain.
fn offered(devnet: &Devnet) -> anyhow::Result<()> {
	wait_until(Duration::from_secs(60), "there is an offer", || {
		let said = operate(devnet, &["status", "--output", "json"]);
		said.is_ok_and(|output| {
			let said: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
			said["offer"] == "stands" && said["on_duty"] == true
		})
	})?;
	// It was just sent.
	std::thread::sleep(Duration::from_secs(3));
	Ok(())
}

/// Runs a command of the provider.
fn operate(devnet: &Devnet, arguments: &[&str]) -> anyhow::Result<Output> {
	Ok(devnet.provider(0, arguments)?.output()?)
}

/// Runs a command that must succeed.
fn run(command: &mut Command) -> anyhow::Result<Output> {
	let output = command.stdin(Stdio::null()).output()?;
	let error = String::from_utf8_lossy(&output.stderr);
	anyhow::ensure!(output.status.success(), "{command:?}: {error}");
	Ok(output)
}

/// Has the daemon lease out more than the devnet's providers do.
fn enlarge(devnet: &Devnet, to: &str) -> anyhow::Result<Owned> {
	let path = devnet.provider_folder(0).join("provider.toml");
	let text = std::fs::read_to_string(&path)?;
	let larger = text.lines().map(|line| match line.split_once(" = ") {
		Some((key @ ("cpu_millis" | "memory_mib" | "storage_mib"), _)) => format!("{key} = {to}"),
		_ => line.to_owned(),
	});
	std::fs::write(&path, larger.collect::<Vec<_>>().join("\n"))?;
	devnet.stop_providers()?;
	let daemon = devnet.start_provider(0)?;
	let mut last = String::new();
	let updated = wait_until(
		Duration::from_secs(60),
		"the provider is updated",
		|| match operate(devnet, &["update"]) {
			Ok(output) => {
				last = String::from_utf8_lossy(&output.stderr).into_owned();
				output.status.success()
			}
			Err(error) => {
				last = error.to_string();
				false
			}
		},
	);
	updated.map_err(|error| error.context(last))?;
	Ok(daemon)
}

fn all(bench: &mut Bench, arguments: &Arguments) -> anyhow::Result<()> {
	type Measure = fn(&mut Bench) -> anyhow::Result<()>;
	let parts: [(Part, Measure); 7] = [
		(Part::Job, jobs::modules),
		(Part::Container, jobs::containers),
		(Part::Starts, starts::measure),
		(Part::Pages, pages::measure),
		(Part::Flow, flow::measure),
		(Part::Crowd, crowd::measure),
		(Part::Away, away::measure),
	];
	for (part, measure) in parts {
		if arguments.parts.is_empty() || arguments.parts.contains(&part) {
			measure(bench)?;
		}
	}
	Ok(())
}

fn main() -> ExitCode {
	let arguments = Arguments::parse();
	let mut bench = Bench {
		quick: arguments.quick,
		wasmtime: arguments.wasmtime.clone(),
		figures: Vec::new(),
	};
	let measured = all(&mut bench, &arguments);
	let written = write(&bench.figures, &arguments.out, "provider.json");
	match measured.and(written) {
		Ok(()) => ExitCode::SUCCESS,
		Err(error) => {
			eprintln!("error: {error:#}");
			ExitCode::FAILURE
		}
	}
}
