//! How blocks are measured.

use crate::{
	figures::{median, say, Figure},
	node::Node,
	signer::{extension, Signer},
};
use anyhow::{bail, ensure, Context as _};
use frame_support::dispatch::{DispatchClass, GetDispatchInfo};
use frame_support::weights::Weight;
use leasehold_runtime::{
	configs::RuntimeBlockWeights, weights::overhead::EXTRINSIC_BASE, AccountId, Runtime,
	RuntimeCall, RuntimeEvent,
};
use pallet_escrow::WeightInfo as _;
use pallet_market::WeightInfo as _;
use sp_runtime::traits::TransactionExtension;
use std::{collections::HashMap, ops::RangeInclusive};

/// The measured kinds of transactions, with their blocks.
pub struct Measured {
	pub seconds: f64,
	/// Declared, in picoseconds: before the call, and what the chain kept of it.
	pub declared: f64,
	pub kept: f64,
	/// Of the transaction's extensions.
	pub extension: f64,
}

pub struct Bench {
	pub node: Node,
	pub quick: bool,
	/// Seconds.
	pub slot: f64,
	pub empty: f64,
	/// No two orders of a tenant have the same manifest.
	pub next_manifest: u64,
	pub measured: Vec<(String, Measured)>,
	pub figures: Vec<Figure>,
}

impl Bench {
	pub fn times(&self) -> u32 {
		if self.quick {
			3
		} else {
			7
		}
	}

	/// Executes the fullest blocks between two numbers again.
	pub async fn measure(
		&mut self,
		name: &str,
		(first, last): (u32, u32),
		call: &RuntimeCall,
	) -> anyhow::Result<()> {
		let most = if self.quick { 2 } else { 5 };
		let blocks = self.node.fullest((first, last), most).await?;
		let (mut seconds, mut count, mut kept, mut charged) = (0.0, 0usize, 0.0, 0usize);
		for block in &blocks {
			seconds += self.node.execution(block, self.times()).await? - self.empty;
			// One is the timestamp.
			count += block.transactions.len() - 1;
			for event in self.node.events(block).await? {
				match event {
					RuntimeEvent::System(frame_system::Event::ExtrinsicSuccess {
						dispatch_info,
					}) if dispatch_info.class == DispatchClass::Normal => {
						kept += dispatch_info.weight.ref_time() as f64;
						charged += 1;
					}
					RuntimeEvent::System(frame_system::Event::ExtrinsicFailed {
						dispatch_error,
						..
					}) => {
						bail!("{name}: a call failed: {dispatch_error:?}");
					}
					_ => {}
				}
			}
		}
		ensure!(count > 0 && charged > 0, "{name}: no blocks");
		let base = EXTRINSIC_BASE.ref_time() as f64;
		let mut declared = call.get_dispatch_info();
		declared.extension_weight = extension(0).weight(call);
		let extension = declared.extension_weight.ref_time() as f64;
		self.measured.push((
			name.to_owned(),
			Measured {
				seconds: seconds / count as f64,
				declared: declared.total_weight().ref_time() as f64 + base,
				// With its base.
				kept: kept / charged as f64,
				extension,
			},
		));
		say(format!("{name}: {:.0} µs", seconds / count as f64 * 1e6));
		Ok(())
	}

	/// All events of some blocks, each with its block.
	pub async fn events(
		&self,
		blocks: RangeInclusive<u32>,
	) -> anyhow::Result<Vec<(u32, RuntimeEvent)>> {
		let mut all = Vec::new();
		for number in blocks {
			let block = self.node.block(number).await?;
			let events = self.node.events(&block).await?;
			all.extend(events.into_iter().map(|event| (number, event)));
		}
		Ok(all)
	}

	/// Whose order is which.
	pub async fn placed(
		&self,
		(first, last): (u32, u32),
	) -> anyhow::Result<HashMap<u64, AccountId>> {
		let events = self.events(first..=last).await?.into_iter();
		Ok(events
			.filter_map(|(_, event)| match event {
				RuntimeEvent::Market(pallet_market::Event::OrderPlaced {
					order, tenant, ..
				}) => Some((order, tenant)),
				_ => None,
			})
			.collect())
	}

	/// Signs one call each, includes them and measures them.
	pub async fn kind<C: Into<RuntimeCall> + Clone>(
		&mut self,
		name: &str,
		calls: Vec<(&mut Signer, C)>,
	) -> anyhow::Result<(u32, u32)> {
		let genesis = self.node.genesis;
		let first: RuntimeCall = calls.first().context("no calls")?.1.clone().into();
		let signed: Vec<_> = calls
			.into_iter()
			.map(|(signer, call)| signer.sign(call, genesis))
			.collect();
		let blocks = self.node.include(&signed).await?;
		self.measure(name, blocks, &first).await?;
		Ok(blocks)
	}

	/// Has the operator make these calls, and measures them.
	pub async fn by_operator(
		&mut self,
		name: &str,
		operator: &mut Signer,
		calls: Vec<RuntimeCall>,
	) -> anyhow::Result<(u32, u32)> {
		let genesis = self.node.genesis;
		let first = calls.first().context("no calls")?.clone();
		let signed: Vec<_> = calls
			.into_iter()
			.map(|call| operator.sign(call, genesis))
			.collect();
		let blocks = self.node.include(&signed).await?;
		self.measure(name, blocks, &first).await?;
		Ok(blocks)
	}

	pub fn cost(&self, name: &str) -> f64 {
		self.measured
			.iter()
			.find(|(other, _)| other == name)
			.map_or(f64::NAN, |(_, measured)| measured.seconds)
	}
}

/// What a call may cost at most, in transfers.
pub const GOALS: &[(&str, f64)] = &[
	("place an order", 2.0),
	("bid", 2.0),
	("start a lease", 2.0),
	("settle", 2.0),
	("deposit", 2.0),
	("withdraw", 2.0),
	("close a lease", 3.0),
	("complete a job", 3.0),
	("instant lease", 2.0),
	("another manifest", 2.0),
	("void all grants", 2.0),
	("agree a refill", 2.0),
	("propose a size", 2.0),
	("accept a size", 2.0),
	("pause a lease", 2.0),
	("resume a lease", 2.0),
	("give notice", 2.0),
	("abandon a lease", 3.0),
	("fail a lease", 3.0),
	("take a bid back", 2.0),
	("cancel an order", 2.0),
	("pick a bid", 2.0),
	("submit a receipt", 2.0),
	("report no manifest", 3.0),
];

/// The step of the agenda among the calls.
pub const CLEAR: &str = "clear an order";

/// The weight of what a call itself does, in blocks with one funder and one bid; `None` for a transfer.
fn own_weight(name: &str) -> Option<Weight> {
	type Market = leasehold_runtime::weights::pallet_market::WeightInfo<Runtime>;
	type Escrow = leasehold_runtime::weights::pallet_escrow::WeightInfo<Runtime>;
	Some(match name {
		"place an order" => Market::place_order(),
		"bid" => Market::place_bid(),
		CLEAR => Market::visit_order(1, 1),
		"start a lease" => Market::start_lease(),
		"settle" => Escrow::settle(1),
		"deposit" => Escrow::deposit(),
		"withdraw" => Escrow::withdraw(),
		"close a lease" => Market::close_lease(1),
		"complete a job" => Market::complete_lease(1),
		"instant lease" => Market::lease_now(),
		"another manifest" => Market::update_manifest(),
		"void all grants" => Market::revoke_access(),
		"agree a refill" => Escrow::set_refill(),
		"propose a size" => Market::propose_resize(),
		"accept a size" => Market::accept_resize(1),
		"pause a lease" => Market::pause_lease(1),
		"resume a lease" => Market::resume_lease(),
		"give notice" => Market::reclaim_lease(1),
		"abandon a lease" => Market::abandon_lease(1),
		"fail a lease" => Market::fail_lease(1),
		"take a bid back" => Market::withdraw_bid(),
		"cancel an order" => Market::cancel_order(1),
		"pick a bid" => Market::pick(1, 0),
		"submit a receipt" => Market::submit_receipt(),
		"report no manifest" => Market::report_missing_manifest(1),
		_ => return None,
	})
}

impl Bench {
	/// Seconds that an empty block takes: the median of the next `count` blocks.
	pub async fn empty_blocks(&self, count: u32) -> anyhow::Result<f64> {
		let last = self.node.pass(count).await?;
		let mut all = Vec::new();
		for number in last + 1 - count..=last {
			let block = self.node.block(number).await?;
			for _ in 0..self.times() {
				all.push(self.node.execution(&block, 1).await?);
			}
		}
		Ok(median(all))
	}

	pub fn report(&mut self) {
		let (transfer, slot) = (self.cost("transfer"), self.slot);
		let declared = |measured: &Measured| (measured.declared, measured.kept);
		let base = self
			.measured
			.iter()
			.find(|(name, _)| name == "transfer")
			.map(|(_, measured)| declared(measured));
		for (name, measured) in &self.measured {
			let goal = GOALS
				.iter()
				.find(|(other, _)| other == name)
				.map(|(_, goal)| *goal);
			self.figures.push(Figure {
				figure: format!("{name}: execution"),
				value: measured.seconds * 1e6,
				unit: "µs",
				baseline: Some(transfer * 1e6),
				goal,
				rising: false,
			});
			if let Some((before, kept)) = base {
				for (what, value, baseline) in [
					("weight up front", measured.declared, before),
					("weight kept", measured.kept, kept),
				] {
					self.figures.push(Figure {
						figure: format!("{name}: {what}"),
						value: value / 1e6,
						unit: "µs",
						baseline: Some(baseline / 1e6),
						goal: None,
						rising: false,
					});
				}
			}
			// Blocks are finalized as fast as they are made.
			let normal = RuntimeBlockWeights::get()
				.get(DispatchClass::Normal)
				.max_total;
			let a_second = |weight: f64| {
				normal.map_or(f64::NAN, |most| most.ref_time() as f64) / weight / slot
			};
			self.figures.push(Figure {
				figure: format!("{name}: finalized a second, at most, by the weight kept"),
				value: a_second(measured.kept),
				unit: "1/s",
				baseline: base.map(|(_, kept)| a_second(kept)),
				goal: None,
				rising: true,
			});
			// Without what it pays for the agenda's later visits.
			let own = own_weight(name).map(|own| {
				let extension = measured.extension + EXTRINSIC_BASE.ref_time() as f64;
				own.ref_time() as f64 + if name == CLEAR { 0.0 } else { extension }
			});
			self.figures.push(Figure {
				figure: format!("{name}: execution against its own weight"),
				value: measured.seconds * 1e6,
				unit: "µs",
				baseline: Some(own.unwrap_or(measured.kept) / 1e6),
				goal: Some(1.0),
				rising: false,
			});
		}
		let way = ["place an order", "bid", CLEAR];
		self.figures.push(Figure {
			figure: "order, one bid and clearing: execution".into(),
			value: way.iter().map(|name| self.cost(name)).sum::<f64>() * 1e6,
			unit: "µs",
			baseline: Some(transfer * 1e6),
			goal: Some(4.0),
			rising: false,
		});
	}
}
