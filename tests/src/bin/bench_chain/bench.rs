//! How blocks are measured.

use crate::{
	duty::Duty,
	node::{Block, Node},
	signer::{extension, Signer},
	weights::{own_weight, CLEAR},
};
use anyhow::{anyhow, bail, ensure, Context as _};
use codec::Decode;
use frame_support::dispatch::{DispatchClass, GetDispatchInfo, PerDispatchClass};
use frame_support::weights::Weight;
use leasehold_runtime::{
	configs::RuntimeBlockWeights, weights::overhead::EXTRINSIC_BASE, AccountId, RuntimeCall,
	RuntimeEvent,
};
use leasehold_tests::figures::{median, say, Figure};
use sp_runtime::traits::TransactionExtension;
use std::{collections::HashMap, ops::RangeInclusive};

/// What one kind of transaction came to.
pub struct Measured {
	/// Seconds of execution for each, and for each transfer of the block that was executed by turns with
	/// theirs.
	pub seconds: f64,
	pub transfer: f64,
	/// How many were in a block that held no more, for each second of its slot; `None` without such a block.
	pub counted: Option<f64>,
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
	/// While the provider is on duty.
	pub duty: Option<Duty>,
	/// The fullest block of transfers.
	pub transfers: Option<Block>,
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

	/// Seconds that a block takes beyond an empty one, and what a transfer takes at the same time: this machine
	/// may be faster or slower a minute later.
	pub async fn execution(&self, block: &Block) -> anyhow::Result<(f64, f64)> {
		let (mut own, mut transfers) = (f64::MAX, f64::MAX);
		for _ in 0..self.times() {
			own = own.min(self.node.execution(block, 1).await?);
			if let Some(block) = &self.transfers {
				transfers = transfers.min(self.node.execution(block, 1).await?);
			}
		}
		// One is the timestamp.
		let count = self
			.transfers
			.as_ref()
			.map_or(1, |block| block.transactions.len() - 1);
		Ok((own - self.empty, (transfers - self.empty) / count as f64))
	}

	/// Executes the fullest blocks between two numbers again.
	pub async fn measure(
		&mut self,
		name: &str,
		(first, last): (u32, u32),
		call: &RuntimeCall,
	) -> anyhow::Result<()> {
		let most = if self.quick { 2 } else { 3 };
		let blocks = self.node.fullest((first, last), most).await?;
		let (mut seconds, mut count, mut kept, mut charged) = (0.0, 0usize, 0.0, 0usize);
		let (mut transfers, mut counted) = (Vec::new(), None);
		for block in &blocks {
			let (own, transfer) = self.execution(block).await?;
			seconds += own;
			transfers.push(transfer);
			// One is the timestamp.
			count += block.transactions.len() - 1;
			if self.is_full(block).await? {
				let here = (block.transactions.len() - 1) as f64 / self.slot;
				counted = Some(here.max(counted.unwrap_or(0.0)));
			}
			for event in self.node.events(block).await? {
				match event {
					RuntimeEvent::System(frame_system::Event::ExtrinsicSuccess {
						dispatch_info,
					}) if dispatch_info.class == DispatchClass::Normal => {
						kept += dispatch_info.weight.ref_time() as f64;
						charged += 1;
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
				transfer: median(transfers),
				counted,
				declared: declared.total_weight().ref_time() as f64 + base,
				// With its base.
				kept: kept / charged as f64,
				extension,
			},
		));
		say(format!("{name}: {:.0} µs", seconds / count as f64 * 1e6));
		Ok(())
	}

	/// The weight of a block.
	pub async fn weight(&self, block: &Block) -> anyhow::Result<PerDispatchClass<Weight>> {
		let key = frame_support::storage::storage_prefix(b"System", b"BlockWeight");
		let weight = self.node.storage(&key, block.hash).await?;
		Ok(Decode::decode(&mut &weight[..])?)
	}

	/// Whether ordinary transactions take up what of a block's weight they may.
	pub async fn is_full(&self, block: &Block) -> anyhow::Result<bool> {
		let class = DispatchClass::Normal;
		let used = self.weight(block).await?.get(class).ref_time();
		let most = RuntimeBlockWeights::get().get(class).max_total;
		Ok(most.is_some_and(|most| used > most.ref_time() / 100 * 98))
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

	/// Has root call something.
	pub async fn by_root(
		&self,
		admin: &mut Signer,
		call: impl Into<RuntimeCall>,
	) -> anyhow::Result<()> {
		let call = pallet_sudo::Call::sudo {
			call: Box::new(call.into()),
		};
		let signed = admin.sign(call, self.node.genesis);
		let (first, last) = self.node.include(&[signed]).await?;
		for (_, event) in self.events(first..=last).await? {
			if let RuntimeEvent::Sudo(pallet_sudo::Event::Sudid { sudo_result }) = event {
				return sudo_result.map_err(|error| anyhow!("root was refused: {error:?}"));
			}
		}
		bail!("root called nothing")
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
		let blocks = self.node.include(&signed).await.context(name.to_owned())?;
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
		let blocks = self.node.include(&signed).await.context(name.to_owned())?;
		self.measure(name, blocks, &first).await?;
		Ok(blocks)
	}

	/// What these take together, and the transfer that makes their ratio the sum of theirs.
	/// `None` if not all were measured.
	fn sum(&self, names: &[&str]) -> Option<(f64, f64)> {
		let all = names.iter().map(|name| {
			let (_, found) = self.measured.iter().find(|(other, _)| other == name)?;
			Some((found.seconds, found.seconds / found.transfer))
		});
		let all: Vec<_> = all.collect::<Option<_>>()?;
		let (seconds, ratio) = all.iter().fold((0.0, 0.0), |(a, b), (c, d)| (a + c, b + d));
		Some((seconds, seconds / ratio))
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
	("report an absence", 3.0),
];

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
		let slot = self.slot;
		let declared = |measured: &Measured| (measured.declared, measured.kept);
		let base = self
			.measured
			.iter()
			.find(|(name, _)| name == "transfer")
			.map(|(_, measured)| declared(measured));
		let transfers = self.measured.iter().find(|(name, _)| name == "transfer");
		let transfers = transfers.and_then(|(_, transfer)| transfer.counted);
		for (name, measured) in &self.measured {
			let goal = GOALS
				.iter()
				.find(|(other, _)| other == name)
				.map(|(_, goal)| *goal);
			self.figures.push(Figure {
				figure: format!("{name}: execution"),
				value: measured.seconds * 1e6,
				unit: "µs",
				baseline: Some(measured.transfer * 1e6),
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
			// GRANDPA finalizes as fast as blocks are made. Of calls that are too few for a full block there is none.
			self.figures.extend(measured.counted.map(|counted| Figure {
				figure: format!("{name}: finalized a second, counted in the fullest block"),
				value: counted,
				unit: "1/s",
				baseline: transfers,
				goal: None,
				rising: true,
			}));
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
			let whole = |own: Weight| {
				let extension = measured.extension + EXTRINSIC_BASE.ref_time() as f64;
				own.ref_time() as f64 + if name == CLEAR { 0.0 } else { extension }
			};
			let own = own_weight(name).map(whole);
			self.figures.push(Figure {
				figure: format!("{name}: execution against its own weight"),
				value: measured.seconds * 1e6,
				unit: "µs",
				baseline: Some(own.unwrap_or(measured.kept) / 1e6),
				goal: Some(1.0),
				rising: false,
			});
		}
		for (figure, way, goal) in [
			(
				"order, one bid and clearing: execution",
				&["place an order", "bid", CLEAR][..],
				Some(4.0),
			),
			(
				"a job's life, order to completion: execution",
				&[
					"place an order",
					"bid",
					CLEAR,
					"start a lease",
					"complete a job",
				],
				None,
			),
			(
				"an instant lease's life: execution",
				&["instant lease", "start a lease", "close a lease"],
				None,
			),
		] {
			self.figures.extend(self.sum(way).map(|sum| Figure {
				figure: figure.into(),
				value: sum.0 * 1e6,
				unit: "µs",
				baseline: Some(sum.1 * 1e6),
				goal,
				rising: false,
			}));
		}
	}
}
