//! Leases from order to close, and transfers.

use crate::{
	bench::{Bench, Measured},
	calls::{self, now, order, resources, transfer, NOTICE, RATE},
	signer::Signer,
	weights::CLEAR,
};
use anyhow::ensure;
use leasehold_primitives::{PriceSheet, PriceSheetV1};
use leasehold_runtime::{AccountId, RuntimeCall, RuntimeEvent, LEASE};
use leasehold_tests::figures::{median, say, Figure};
use pallet_market::Selection;
use std::{
	collections::HashMap,
	time::{Duration, Instant},
};

/// Transfers finalized, from the second block with some to the last but one.
pub async fn transfers(bench: &mut Bench, tenants: &mut [Signer]) -> anyhow::Result<()> {
	let rounds = if bench.quick { 25 } else { 6 };
	let genesis = bench.node.genesis;
	// Four clients at a time.
	let mut lots = vec![Vec::new(); 4];
	for _ in 0..rounds {
		for (n, signed) in calls::transfers(tenants, genesis).into_iter().enumerate() {
			lots[n % 4].push(signed);
		}
	}
	let sent: usize = lots.iter().map(Vec::len).sum();
	let lots: Vec<&[Vec<u8>]> = lots.iter().map(Vec::as_slice).collect();
	let begun = Instant::now();
	let (first, last) = bench.node.include_all(&lots).await?;
	while bench.node.finalized().await? < last {
		tokio::time::sleep(Duration::from_millis(100)).await;
	}
	let all = sent as f64 / begun.elapsed().as_secs_f64();
	let mut blocks = Vec::new();
	for number in first..=last {
		let block = bench.node.block(number).await?;
		// One is the timestamp.
		blocks.push((block.transactions.len().saturating_sub(1), block.hash));
	}
	let fullest = blocks.iter().map(|(count, _)| *count).max().unwrap_or(0);
	let busy = |(count, _): &(usize, _)| *count > 0;
	let from = blocks.iter().position(busy).unwrap_or(0);
	let to = blocks.iter().rposition(busy).unwrap_or(0).saturating_sub(1);
	let counts: Vec<usize> = blocks.iter().map(|(count, _)| *count).collect();
	say(format!("transfers in each block: {counts:?}"));
	ensure!(from < to, "all were in two blocks");
	let count: usize = blocks[from + 1..=to].iter().map(|(count, _)| count).sum();
	let moment = async |(_, hash): (usize, _)| bench.node.moment(hash).await;
	let seconds = moment(blocks[to]).await? - moment(blocks[from]).await?;
	let call: RuntimeCall = transfer(&tenants[0].account()).into();
	bench.transfers = bench.node.fullest((first, last), 1).await?.pop();
	bench.measure("transfer", (first, last), &call).await?;
	for (figure, value, goal) in [
		(
			"transfers finalized, while there are enough",
			count as f64 / seconds,
			Some(1_500.0),
		),
		(
			"transfers finalized, from the first submission to the last's finality",
			all,
			None,
		),
		(
			"transfers in the fullest block, a second of its slot",
			fullest as f64 / bench.slot,
			None,
		),
	] {
		bench.figures.push(Figure {
			figure: figure.into(),
			value,
			unit: "1/s",
			baseline: None,
			goal,
			rising: true,
		});
	}
	Ok(())
}

pub async fn provider(
	bench: &mut Bench,
	owner: &mut Signer,
	operator: &mut Signer,
) -> anyhow::Result<()> {
	use pallet_providers::{Call, ProviderInfo, ProviderInfoV1};
	let genesis = bench.node.genesis;
	let url = b"https://127.0.0.1:1"
		.to_vec()
		.try_into()
		.map_err(|_| anyhow::anyhow!("a long URL"))?;
	let info = ProviderInfo::V1(ProviderInfoV1 {
		gateways: vec![url]
			.try_into()
			.map_err(|_| anyhow::anyhow!("many URLs"))?,
		tls_keys: Default::default(),
		sealing_key: None,
		attributes: Default::default(),
		capacity: resources(1_000_000),
	});
	let sheet = PriceSheet::V1(PriceSheetV1 {
		cpu: 0,
		memory: 1_000 * RATE / 128,
		ephemeral: 0,
		persistent: Default::default(),
		gpu: Default::default(),
		port: 0,
		ip: 0,
	});
	let register = owner.sign(
		Call::register {
			operator: operator.account(),
			bond: 900_000 * LEASE,
			info,
		},
		genesis,
	);
	bench.node.include(&[register]).await?;
	let offer = operator.sign(Call::set_offer { sheet: Some(sheet) }, genesis);
	bench.node.include(&[offer]).await?;
	Ok(())
}

/// Leases from order to close.
pub async fn life(
	bench: &mut Bench,
	tenants: &mut [Signer],
	operator: &mut Signer,
) -> anyhow::Result<()> {
	use pallet_market::Call;
	let some = tenants.len().min(if bench.quick { 600 } else { 8_000 });
	let tenants = &mut tenants[..some];
	let bidding = if bench.quick { 25 } else { 60 };
	let place = Call::place_order {
		order: order(0, Selection::BestBid, bidding, NOTICE),
	};
	let calls = tenants.iter_mut().map(|who| (who, place.clone())).collect();
	let (first, last) = bench.kind("place an order", calls).await?;
	let placed = bench.placed((first, last)).await?;
	let ids = || 0..some as u64;
	let bids = ids()
		.map(|order| Call::place_bid { order, rate: RATE }.into())
		.collect();
	let blocks = bench.by_operator("bid", operator, bids).await?;
	ensure!(
		blocks.1 < first + bidding,
		"bidding ended before all bids were in: this machine is too slow for so many"
	);
	let matched = clearing(bench, first + bidding, some).await?;
	// Tenant n has lease n from now on.
	let lease_of: HashMap<&AccountId, u64> = matched
		.iter()
		.filter_map(|(lease, order)| Some((placed.get(order)?, *lease)))
		.collect();
	tenants.sort_by_key(|who| lease_of.get(&who.account()).copied());
	let starts = ids()
		.map(|lease| Call::start_lease { lease }.into())
		.collect();
	bench.by_operator("start a lease", operator, starts).await?;
	let each = |calls: &dyn Fn(u64) -> RuntimeCall| -> Vec<(usize, RuntimeCall)> {
		ids().map(|id| (id as usize, calls(id))).collect()
	};
	for (name, calls) in [
		(
			"settle",
			each(&|lease| pallet_escrow::Call::settle { lease }.into()),
		),
		(
			"deposit",
			each(&|lease| {
				pallet_escrow::Call::deposit {
					lease,
					amount: LEASE,
				}
				.into()
			}),
		),
		(
			"withdraw",
			each(&|lease| {
				pallet_escrow::Call::withdraw {
					lease,
					// So much that the lease is visited sooner.
					amount: LEASE + 5_000 * RATE,
				}
				.into()
			}),
		),
	] {
		let calls = tenants
			.iter_mut()
			.zip(calls)
			.map(|(who, (_, call))| (who, call))
			.collect();
		bench.kind(name, calls).await?;
	}
	let half = some / 2;
	let calls = tenants[..half]
		.iter_mut()
		.enumerate()
		.map(|(lease, who)| {
			(
				who,
				Call::close_lease {
					lease: lease as u64,
				},
			)
		})
		.collect();
	bench.kind("close a lease", calls).await?;
	let ends = (half..some)
		.map(|lease| {
			Call::complete_lease {
				lease: lease as u64,
				exit_code: 0,
				result_hash: [7; 32],
			}
			.into()
		})
		.collect();
	bench.by_operator("complete a job", operator, ends).await?;
	Ok(())
}

/// Measures the blocks in which the agenda cleared orders, in hooks and without transactions; (lease, order)
/// of each.
async fn clearing(bench: &mut Bench, first: u32, orders: usize) -> anyhow::Result<Vec<(u64, u64)>> {
	let (mut seconds, mut transfers, mut all) = (0.0, Vec::new(), Vec::new());
	for number in first..first + 100 {
		if all.len() == orders {
			break;
		}
		let head = bench.node.head().await?;
		bench.node.pass(number.saturating_sub(head)).await?;
		let block = bench.node.block(number).await?;
		let before = all.len();
		for event in bench.node.events(&block).await? {
			if let RuntimeEvent::Market(pallet_market::Event::OrderMatched {
				lease, order, ..
			}) = event
			{
				all.push((lease, order));
			}
		}
		if all.len() > before {
			let (own, transfer) = bench.execution(&block).await?;
			seconds += own;
			transfers.push(transfer);
		}
	}
	let count = all.len();
	ensure!(count == orders, "{count} of {orders} orders were cleared");
	let weight = leasehold_runtime::Market::clearing(1, 1, 0).ref_time() as f64;
	bench.measured.push((
		CLEAR.into(),
		Measured {
			seconds: seconds / count as f64,
			transfer: median(transfers),
			counted: None,
			declared: weight,
			kept: weight,
			extension: 0.0,
		},
	));
	say(format!("{CLEAR}: {:.0} µs", seconds / count as f64 * 1e6));
	Ok(all)
}

pub async fn instant(bench: &mut Bench, tenants: &mut [Signer]) -> anyhow::Result<()> {
	let calls = tenants
		.iter_mut()
		.map(|who| (who, now(1, NOTICE)))
		.collect();
	bench.kind("instant lease", calls).await?;
	Ok(())
}
