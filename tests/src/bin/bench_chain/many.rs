//! Many leases at once.

use crate::{
	bench::Bench,
	calls::{now, set_terms, transfers, NOTICE, RATE, RETAINED, START},
	node::Block,
	signer::Signer,
};
use anyhow::{ensure, Context as _};
use frame_support::dispatch::DispatchClass;
use leasehold_primitives::{LeaseId, StreamObserver};
use leasehold_runtime::{
	configs::{AgendaShare, RuntimeBlockWeights},
	AccountId, Market, Runtime, RuntimeEvent,
};
use leasehold_tests::figures::{median, say, Figure};
use pallet_agenda::WeightInfo as _;
use std::collections::HashMap;

/// A lease that runs: whose it is, and since which block.
pub struct Running {
	tenant: AccountId,
	since: u32,
}

impl Bench {
	/// An active lease of each tenant, in their order.
	pub async fn one_each(
		&mut self,
		tenants: &mut [Signer],
		operator: &mut Signer,
	) -> anyhow::Result<Vec<LeaseId>> {
		let running = self
			.active(tenants, operator, tenants.len(), NOTICE)
			.await?;
		let of: HashMap<_, _> = running
			.into_iter()
			.map(|(lease, running)| (running.tenant, lease))
			.collect();
		let found = tenants.iter().map(|who| of.get(&who.account()).copied());
		found
			.collect::<Option<_>>()
			.context("a tenant without a lease")
	}

	/// Makes `count` active leases, and says what they are.
	pub async fn active(
		&mut self,
		tenants: &mut [Signer],
		operator: &mut Signer,
		count: usize,
		notice: u32,
	) -> anyhow::Result<HashMap<LeaseId, Running>> {
		let genesis = self.node.genesis;
		let mut all = HashMap::new();
		while all.len() < count {
			let part = (count - all.len()).min(tenants.len());
			let signed: Vec<_> = tenants[..part]
				.iter_mut()
				.map(|who| {
					let manifest = self.next_manifest;
					self.next_manifest += 1;
					who.sign(now(manifest, notice), genesis)
				})
				.collect();
			let (first, last) = self.node.include(&signed).await?;
			let mut whose = HashMap::new();
			let mut made = HashMap::new();
			for event in self.events(first..=last).await?.into_iter().map(|(_, e)| e) {
				match event {
					RuntimeEvent::Market(pallet_market::Event::OrderPlaced {
						order,
						tenant,
						..
					}) => {
						whose.insert(order, tenant);
					}
					RuntimeEvent::Market(pallet_market::Event::OrderMatched {
						order,
						lease,
						..
					}) => {
						made.insert(lease, whose.remove(&order).context("an order of nobody")?);
					}
					_ => {}
				}
			}
			ensure!(
				made.len() == part,
				"{} of {part} leases were made: is the provider on duty?",
				made.len()
			);
			let signed: Vec<_> = made
				.keys()
				.map(|lease| {
					let lease = *lease;
					operator.sign(pallet_market::Call::start_lease { lease }, genesis)
				})
				.collect();
			let (first, last) = self.node.include(&signed).await?;
			for (since, event) in self.events(first..=last).await? {
				if let RuntimeEvent::Market(pallet_market::Event::LeaseStarted { lease, .. }) =
					event
				{
					if let Some(tenant) = made.remove(&lease) {
						all.insert(lease, Running { tenant, since });
					}
				}
			}
			ensure!(made.is_empty(), "{} leases did not start", made.len());
		}
		Ok(all)
	}

	/// The medians of executing earlier and later blocks, a pair in turn, so that both meet the same
	/// machine.
	async fn compare(
		&self,
		early: &[Block],
		late: &[Block],
		rounds: usize,
	) -> anyhow::Result<(f64, f64)> {
		let (mut before, mut after) = (Vec::new(), Vec::new());
		for _ in 0..rounds {
			for (early, late) in early.iter().zip(late) {
				before.push(self.node.execution(early, 2).await?);
				after.push(self.node.execution(late, 2).await?);
			}
		}
		Ok((median(before), median(after)))
	}

	/// The next blocks with nothing in them: most must be such.
	async fn quiet(&self, count: usize) -> anyhow::Result<Vec<Block>> {
		let mut blocks = Vec::new();
		let mut busy = 0;
		while blocks.len() < count {
			let block = self.node.block(self.node.pass(1).await?).await?;
			let ours = |event: &RuntimeEvent| {
				matches!(event, RuntimeEvent::Market(_) | RuntimeEvent::Escrow(_))
			};
			let worked = self.node.events(&block).await?.iter().any(ours);
			if block.transactions.len() == 1 && !worked {
				blocks.push(block);
				continue;
			}
			// The provider's heartbeat, for example.
			busy += 1;
			ensure!(busy <= 5 + count / 5, "{busy} blocks are not empty");
		}
		Ok(blocks)
	}

	/// The fullest of the blocks with a transfer of each tenant.
	async fn loaded(&self, tenants: &mut [Signer]) -> anyhow::Result<Vec<Block>> {
		let signed = transfers(tenants, self.node.genesis);
		let blocks = self.node.include(&signed).await?;
		self.node.fullest(blocks, 1).await
	}
}

/// Seconds for each transaction of a block, the timestamp aside.
fn each(seconds: f64, empty: f64, block: &[Block]) -> anyhow::Result<f64> {
	let block = block.first().context("no block")?;
	Ok((seconds - empty) / (block.transactions.len() - 1) as f64)
}

/// What closed leases leave of the state after a short retention.
pub async fn swept(
	bench: &mut Bench,
	tenants: &mut [Signer],
	operator: &mut Signer,
	admin: &mut Signer,
) -> anyhow::Result<()> {
	const RETENTION: u32 = 20;
	let genesis = bench.node.genesis;
	bench
		.by_root(admin, set_terms(RETENTION, RETENTION))
		.await?;
	let count = tenants.len().min(500);
	let tenants = &mut tenants[..count];
	// What one lease leaves is the watch over its provider.
	let mut before = 0;
	for some in [1, count] {
		let leases = bench.one_each(&mut tenants[..some], operator).await?;
		let closes: Vec<_> = tenants
			.iter_mut()
			.zip(leases)
			.map(|(who, lease)| who.sign(pallet_market::Call::close_lease { lease }, genesis))
			.collect();
		bench.node.include(&closes).await?;
		bench.node.pass(RETENTION + 5).await?;
		let bytes = bench.node.state_bytes().await?;
		if some == count {
			bench.figures.push(Figure {
				figure: format!("state left of {count} closed leases after their retention"),
				value: bytes as f64 - before as f64,
				unit: "bytes",
				baseline: None,
				goal: Some(0.0),
				rising: false,
			});
		}
		before = bytes;
	}
	bench.by_root(admin, set_terms(START, RETAINED)).await?;
	Ok(())
}

/// Empty and full blocks beside more and more active leases, and what these take of the state.
pub async fn growth(
	bench: &mut Bench,
	tenants: &mut [Signer],
	operator: &mut Signer,
) -> anyhow::Result<()> {
	let steps: &[usize] = if bench.quick {
		&[1_000, 4_000]
	} else {
		&[1_000, 10_000, 100_000]
	};
	let (count, rounds) = if bench.quick { (5, 8) } else { (200, 1) };
	let open = frame_support::storage::storage_prefix(b"Market", b"Leases");
	let leases = bench.node.keys(&open).await?;
	ensure!(leases == 0, "{leases} leases are open before any was made");
	let begin = bench.node.state_bytes().await?;
	let empty_before = bench.quiet(count).await?;
	let full_before = bench.loaded(tenants).await?;
	let mut active = 0;
	for &goal in steps {
		bench
			.active(tenants, operator, goal - active, NOTICE)
			.await?;
		active = goal;
		say(format!("{active} active leases"));
		let empty_after = bench.quiet(count).await?;
		let full_after = bench.loaded(tenants).await?;
		let (early, late) = bench.compare(&empty_before, &empty_after, rounds).await?;
		bench.figures.push(Figure {
			figure: format!("an empty block beside {active} active leases: execution"),
			value: late * 1e6,
			unit: "µs",
			baseline: Some(early * 1e6),
			goal: Some(1.05),
			rising: false,
		});
		let (full_early, full_late) = bench.compare(&full_before, &full_after, 5).await?;
		bench.figures.push(Figure {
			figure: format!("a transfer beside {active} active leases: execution"),
			value: each(full_late, late, &full_after)? * 1e6,
			unit: "µs",
			baseline: Some(each(full_early, early, &full_before)? * 1e6),
			goal: Some(1.25),
			rising: false,
		});
	}
	let bytes = bench.node.state_bytes().await?;
	bench.figures.push(Figure {
		figure: "state of an active lease, one funder".into(),
		value: (bytes - begin) as f64 / active as f64,
		unit: "bytes",
		baseline: None,
		goal: Some(512.0),
		rising: false,
	});
	Ok(())
}

/// Many streams that run dry in the same block, while transfers fill the blocks.
pub async fn dry(
	bench: &mut Bench,
	tenants: &mut [Signer],
	operator: &mut Signer,
) -> anyhow::Result<()> {
	let count = if bench.quick { 1_000 } else { 10_000 };
	let genesis = bench.node.genesis;
	let leases = bench.active(tenants, operator, count, 0).await?;
	let mut signers: HashMap<_, _> = tenants.iter_mut().map(|who| (who.account(), who)).collect();
	// Time for the withdrawals, and for the visits at which funds are said to run low.
	let at = bench.node.head().await? + if bench.quick { 75 } else { 100 };
	let mut signed = Vec::new();
	for (lease, running) in &leases {
		let who = signers
			.get_mut(&running.tenant)
			.context("a tenant of nobody")?;
		let (deposit, reserve) = (10_000 * RATE, RATE);
		let needed = RATE * u128::from(at - running.since) + reserve;
		let withdraw = pallet_escrow::Call::withdraw {
			lease: *lease,
			amount: deposit.checked_sub(needed).context("a short deposit")?,
		};
		signed.push(who.sign(withdraw, genesis));
	}
	drop(signers);
	bench.node.include(&signed).await?;
	say(format!("{count} streams run dry in block {at}"));
	// Transfers for all the blocks in which the agenda will be at work.
	let rounds = if bench.quick { 8 } else { 14 };
	let transfers: Vec<_> = (0..rounds)
		.flat_map(|_| transfers(tenants, genesis))
		.collect();
	while bench.node.head().await? + 2 < at {
		bench.node.pass(1).await?;
	}
	let (first, last) = bench.node.include(&transfers).await?;
	let mut suspended = 0;
	let whole = RuntimeBlockWeights::get().max_block;
	let quiet = bench.node.block(bench.node.head().await?).await?;
	let idle = bench
		.weight(&quiet)
		.await?
		.get(DispatchClass::Mandatory)
		.ref_time();
	let mut agenda: Option<u64> = None;
	let (mut work, mut worst, mut most, mut moved) = (0u32, 0f64, 0u64, 0usize);
	for number in first..=last.max(at + 100) {
		while bench.node.head().await? < number {
			bench.node.pass(1).await?;
		}
		let block = bench.node.block(number).await?;
		let here = bench
			.node
			.events(&block)
			.await?
			.iter()
			.filter(|event| {
				matches!(
					event,
					RuntimeEvent::Market(pallet_market::Event::LeaseSuspended { .. })
				)
			})
			.count();
		if here == 0 {
			continue;
		}
		suspended += here;
		work += 1;
		moved += block.transactions.len() - 1;
		let seconds = bench.node.execution(&block, 3).await?;
		let weight = bench.weight(&block).await?;
		let hooks = weight.get(DispatchClass::Mandatory).ref_time();
		// What transactions leave of a block is the agenda's too.
		if bench.is_full(&block).await? {
			agenda = Some(agenda.unwrap_or(0).max(hooks.saturating_sub(idle)));
		}
		let weight = weight.total().ref_time();
		most = most.max(weight);
		worst = worst.max(seconds * 1e12 / weight as f64);
		ensure!(
			suspended == count || weight > whole.ref_time() / 2,
			"block {number} has too few transfers: there must be some for all blocks of the agenda's work"
		);
		if suspended == count {
			break;
		}
	}
	ensure!(
		suspended == count,
		"{suspended} of {count} streams were suspended"
	);
	let budget = (AgendaShare::get() * whole).ref_time() as f64;
	let visit = <Market as StreamObserver>::visit_weight(1)
		.saturating_add(leasehold_runtime::weights::pallet_agenda::WeightInfo::<
			Runtime,
		>::retry())
		.saturating_add(leasehold_runtime::weights::pallet_agenda::WeightInfo::<
			Runtime,
		>::look());
	let predicted = (visit.ref_time() as f64 * count as f64 / budget).ceil();
	for (figure, value, unit, baseline, goal, rising) in [
		(
			format!(
				"blocks in which {count} dry streams were handled, against the weights' prediction"
			),
			f64::from(work),
			"blocks",
			Some(predicted),
			Some(1.0),
			false,
		),
		(
			"the heaviest of these blocks, against the limit".into(),
			most as f64 / 1e6,
			"µs",
			Some(whole.ref_time() as f64 / 1e6),
			Some(1.0),
			false,
		),
		(
			"execution of these blocks against their own weight, the worst".into(),
			worst,
			"",
			None,
			Some(1.0),
			false,
		),
		(
			"transfers in these blocks, a second".into(),
			moved as f64 / f64::from(work) / bench.slot,
			"1/s",
			None,
			None,
			true,
		),
	] {
		bench.figures.push(Figure {
			figure,
			value,
			unit,
			baseline,
			goal,
			rising,
		});
	}
	bench.figures.extend(agenda.map(|agenda| Figure {
		figure: "the agenda in a block full of transfers, the most, against its quarter".into(),
		value: agenda as f64 / 1e6,
		unit: "µs",
		baseline: Some(budget / 1e6),
		goal: Some(1.0),
		rising: false,
	}));
	Ok(())
}
