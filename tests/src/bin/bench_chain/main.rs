//! Measures the chain on one node of its own: see `scripts/bench-chain`.
//!
//! What a call costs is the time that a node takes to execute full blocks of it again
//! (`Core_execute_block` on the state before the block), less that of an empty block, by the number of
//! calls. Every ratio is against a full block of transfers of the same run, executed by turns with those of
//! the call.

mod bench;
mod calls;
mod duty;
mod life;
mod many;
mod node;
mod others;
mod signer;
mod weights;

use bench::Bench;
use clap::Parser;
use leasehold_runtime::LEASE;
use leasehold_tests::figures::{say, write, Figure};
use node::Node;
use signer::Signer;
use std::{path::PathBuf, process::ExitCode};

/// Measures calls, states of many leases, and how many transfers the chain finalizes. Whether goals are
/// met stands in the table; the exit code says only whether all was measured.
#[derive(Parser)]
struct Arguments {
	/// Few of everything, and neither absence nor dry streams unless they are asked for: an answer in five minutes.
	#[arg(long)]
	quick: bool,
	/// What to measure; everything, if nothing is named.
	parts: Vec<Part>,
	/// Where the table goes.
	#[arg(long, default_value = "bench-out")]
	out: PathBuf,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Part {
	/// How many transfers are finalized.
	Transfers,
	/// The same, and what each call of a lease's life costs against a transfer.
	Calls,
	/// The same of a report that a provider is absent, which takes many blocks.
	Absence,
	/// Many streams that run dry in one block, while transfers go on.
	Dry,
	/// Blocks beside more and more active leases.
	Growth,
}

impl Arguments {
	fn asks_for(&self, part: Part) -> bool {
		match self.parts.is_empty() {
			true => !self.quick || ![Part::Dry, Part::Absence].contains(&part),
			false => self.parts.contains(&part),
		}
	}
}

/// A bench, and the accounts that it works with.
struct Setting {
	bench: Bench,
	tenants: Vec<Signer>,
	owner: Signer,
	operator: Signer,
}

/// A node of its own with nothing but a provider on duty.
async fn begin(arguments: &Arguments, slot_millis: u64) -> anyhow::Result<Setting> {
	let many = if arguments.quick { 1_200 } else { 8_000 };
	let tenants: Vec<Signer> = (0..many).map(|n| Signer::new("tenant", n)).collect();
	let mut owner = Signer::new("owner", 0);
	let mut operator = Signer::new("operator", 0);
	let funded: Vec<_> = tenants
		.iter()
		.map(|who| (who.account(), 1_000 * LEASE))
		// The operator pays for the start of each lease.
		.chain([&owner, &operator].map(|who| (who.account(), 1_000_000 * LEASE)))
		.collect();
	say("starting a node");
	let node = Node::start(&funded, &owner.account(), slot_millis).await?;
	node.pass(3).await?;
	let mut bench = Bench {
		node,
		quick: arguments.quick,
		slot: slot_millis as f64 / 1e3,
		empty: 0.0,
		duty: None,
		transfers: None,
		next_manifest: 2,
		measured: Vec::new(),
		figures: Vec::new(),
	};
	bench.empty = bench.empty_blocks(5).await?;
	say(format!("an empty block: {:.0} µs", bench.empty * 1e6));
	life::provider(&mut bench, &mut owner, &mut operator).await?;
	bench.begin_duty(&operator).await?;
	Ok(Setting {
		bench,
		tenants,
		owner,
		operator,
	})
}

/// What was measured, and what ended that early.
async fn run(arguments: &Arguments) -> (Vec<Figure>, anyhow::Result<()>) {
	let mut figures = Vec::new();
	let calls = [Part::Transfers, Part::Calls, Part::Absence];
	let parts: [(&[Part], bool); 2] = [(&calls, true), (&[Part::Growth, Part::Dry], false)];
	for (parts, first) in parts {
		if !parts.iter().any(|part| arguments.asks_for(*part)) {
			continue;
		}
		// Each on a node of its own: what the calls leave open would stand beside the leases that grow.
		// A block costs the same, however long its slot is; transfers are counted by the second.
		let slot_millis = if first && !arguments.quick {
			3_000
		} else {
			1_000
		};
		let mut setting = match begin(arguments, slot_millis).await {
			Ok(setting) => setting,
			Err(error) => return (figures, Err(error)),
		};
		let outcome = match first {
			true => of_calls(&mut setting, arguments).await,
			false => of_many(&mut setting, arguments).await,
		};
		if [Part::Calls, Part::Absence]
			.iter()
			.any(|part| first && arguments.asks_for(*part))
		{
			setting.bench.report();
		}
		figures.append(&mut setting.bench.figures);
		if outcome.is_err() {
			return (figures, outcome);
		}
	}
	(figures, Ok(()))
}

async fn of_calls(setting: &mut Setting, arguments: &Arguments) -> anyhow::Result<()> {
	let Setting {
		bench,
		tenants,
		owner,
		operator,
	} = setting;
	life::transfers(bench, tenants).await?;
	if arguments.asks_for(Part::Calls) {
		life::life(bench, tenants, operator).await?;
		life::instant(bench, tenants).await?;
		others::changes(bench, tenants, operator).await?;
		others::choices(bench, tenants, operator).await?;
	}
	if arguments.asks_for(Part::Absence) {
		others::absence(bench, tenants, operator, owner).await?;
	}
	Ok(())
}

async fn of_many(setting: &mut Setting, arguments: &Arguments) -> anyhow::Result<()> {
	let Setting {
		bench,
		tenants,
		owner,
		operator,
	} = setting;
	if arguments.asks_for(Part::Growth) {
		many::swept(bench, tenants, operator, owner).await?;
		many::growth(bench, tenants, operator).await?;
	}
	// Last: its leases close one after the other.
	if arguments.asks_for(Part::Dry) {
		many::dry(bench, tenants, operator).await?;
	}
	Ok(())
}

fn main() -> ExitCode {
	let arguments = Arguments::parse();
	let outcome = tokio::runtime::Runtime::new()
		.map_err(anyhow::Error::from)
		.map(|runtime| runtime.block_on(run(&arguments)));
	let written = outcome.and_then(|(figures, outcome)| {
		write(&figures, &arguments.out, "chain.json")?;
		outcome
	});
	match written {
		Ok(()) => ExitCode::SUCCESS,
		Err(error) => {
			eprintln!("error: {error:#}");
			ExitCode::FAILURE
		}
	}
}
