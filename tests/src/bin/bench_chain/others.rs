//! The calls beside the way from order to close.

use crate::{
	bench::Bench,
	calls::{order, resources, set_downtime, set_terms, DOWNTIME, NOTICE, RATE, RETAINED, START},
	signer::Signer,
};
use codec::Encode;
use leasehold_primitives::{receipt, FailureCode, LeaseId};
use leasehold_runtime::{RuntimeCall, RuntimeEvent, Signature};
use pallet_escrow::{Call as EscrowCall, Refill};
use pallet_market::{Call, Selection};
use sp_core::Pair;
use std::collections::HashMap;

/// Changes, pauses and the other ends of leases that run.
pub async fn changes(
	bench: &mut Bench,
	tenants: &mut [Signer],
	operator: &mut Signer,
) -> anyhow::Result<()> {
	let some = tenants.len().min(if bench.quick { 200 } else { 4_000 });
	let tenants = &mut tenants[..some];
	let leases = bench.one_each(tenants, operator).await?;
	let refill = Refill {
		amount: 100 * RATE,
		budget: 1_000 * RATE,
	};
	type Make = fn(LeaseId, Refill) -> RuntimeCall;
	let by_tenant: [(&str, Make); 4] = [
		("another manifest", |lease, _| {
			let mut manifest_hash = [1; 32];
			manifest_hash[..8].copy_from_slice(&lease.to_be_bytes());
			let call = Call::update_manifest {
				lease,
				manifest_hash,
			};
			call.into()
		}),
		("void all grants", |lease, _| {
			Call::revoke_access { lease }.into()
		}),
		("agree a refill", |lease, refill| {
			let refill = Some(refill);
			EscrowCall::set_refill { lease, refill }.into()
		}),
		("propose a size", |lease, _| {
			let resources = resources(2);
			Call::propose_resize { lease, resources }.into()
		}),
	];
	for (name, call) in by_tenant {
		let calls = tenants.iter_mut().zip(&leases);
		let calls = calls
			.map(|(who, lease)| (who, call(*lease, refill)))
			.collect();
		bench.kind(name, calls).await?;
	}
	let half = some / 2;
	type MakeOne = fn(LeaseId) -> RuntimeCall;
	let by_operator: [(&str, &[LeaseId], MakeOne); 6] = [
		("accept a size", &leases, |lease| {
			let resources = resources(2);
			Call::accept_resize { lease, resources }.into()
		}),
		("pause a lease", &leases, |lease| {
			Call::pause_lease { lease }.into()
		}),
		("resume a lease", &leases, |lease| {
			Call::resume_lease { lease }.into()
		}),
		("give notice", &leases, |lease| {
			Call::reclaim_lease { lease }.into()
		}),
		("abandon a lease", &leases[..half], |lease| {
			Call::abandon_lease { lease }.into()
		}),
		("fail a lease", &leases[half..], |lease| {
			let code = FailureCode::Crashed;
			Call::fail_lease { lease, code }.into()
		}),
	];
	for (name, leases, call) in by_operator {
		let calls = leases.iter().map(|lease| call(*lease)).collect();
		bench.by_operator(name, operator, calls).await?;
	}
	Ok(())
}

/// Orders whose tenants choose, and leases that do not start.
pub async fn choices(
	bench: &mut Bench,
	tenants: &mut [Signer],
	operator: &mut Signer,
) -> anyhow::Result<()> {
	let some = tenants.len().min(if bench.quick { 300 } else { 6_000 });
	let tenants = &mut tenants[..some];
	let genesis = bench.node.genesis;
	let spec = order(u64::MAX, Selection::Manual, 100, NOTICE);
	let signed: Vec<_> = tenants
		.iter_mut()
		.map(|who| {
			let order = spec.clone();
			who.sign(Call::place_order { order }, genesis)
		})
		.collect();
	let blocks = bench.node.include(&signed).await?;
	let placed = bench.placed(blocks).await?;
	let of: HashMap<_, u64> = placed
		.into_iter()
		.map(|(order, who)| (who, order))
		.collect();
	let orders: Vec<u64> = tenants.iter().map(|who| of[&who.account()]).collect();
	let bids: Vec<_> = orders
		.iter()
		.map(|order| {
			operator.sign(
				Call::place_bid {
					order: *order,
					rate: RATE,
				},
				genesis,
			)
		})
		.collect();
	bench.node.include(&bids).await?;
	let third = some / 3;
	let withdrawn = orders[..third]
		.iter()
		.map(|order| Call::withdraw_bid { order: *order }.into())
		.collect();
	bench
		.by_operator("take a bid back", operator, withdrawn)
		.await?;
	let cancelled = tenants[third..2 * third]
		.iter_mut()
		.zip(&orders[third..])
		.map(|(who, order)| (who, Call::cancel_order { order: *order }))
		.collect();
	bench.kind("cancel an order", cancelled).await?;
	let picking = &mut tenants[2 * third..];
	let providers: pallet_market::Picks = vec![0]
		.try_into()
		.map_err(|_| anyhow::anyhow!("one pick"))?;
	let picked = picking
		.iter_mut()
		.zip(&orders[2 * third..])
		.map(|(who, order)| {
			let (order, providers) = (*order, providers.clone());
			(who, Call::pick { order, providers })
		})
		.collect();
	let (first, last) = bench.kind("pick a bid", picked).await?;
	let mut lease_of = HashMap::new();
	for (_, event) in bench.events(first..=last).await? {
		if let RuntimeEvent::Market(pallet_market::Event::OrderMatched { lease, order, .. }) = event
		{
			lease_of.insert(order, lease);
		}
	}
	let leases: Vec<LeaseId> = orders[2 * third..]
		.iter()
		.map(|order| lease_of[order])
		.collect();
	let half = leases.len() / 2;
	let block = bench.node.head().await?;
	let manifest = spec.v1().manifest_hash;
	let receipts = picking[..half]
		.iter_mut()
		.zip(&leases)
		.map(|(who, lease)| {
			let payload = receipt::payload(&genesis, *lease, &manifest, block);
			let signature = Signature::Sr25519(operator.pair.sign(&payload));
			let lease = *lease;
			(
				who,
				Call::submit_receipt {
					lease,
					block,
					signature,
				},
			)
		})
		.collect();
	bench.kind("submit a receipt", receipts).await?;
	// The manifest's deadline passes.
	bench.node.pass(6).await?;
	let missing = leases[half..]
		.iter()
		.map(|lease| Call::report_missing_manifest { lease: *lease }.into())
		.collect();
	bench
		.by_operator("report no manifest", operator, missing)
		.await?;
	Ok(())
}

/// Leases whose provider stays away for too long.
pub async fn absence(
	bench: &mut Bench,
	tenants: &mut [Signer],
	operator: &mut Signer,
	admin: &mut Signer,
) -> anyhow::Result<()> {
	const DEADLINE: u32 = 20;
	let providers = pallet_providers::TermsV1::default();
	// The shortest that there may be.
	let downtime = 2 * providers.heartbeat_period + 1;
	let some = tenants.len().min(800);
	let tenants = &mut tenants[..some];
	let mut leases = bench.one_each(tenants, operator).await?;
	bench.by_root(admin, set_terms(DEADLINE, RETAINED)).await?;
	bench.by_root(admin, set_downtime(downtime)).await?;
	// An absence that began before has the former downtime.
	bench.node.pass(providers.heartbeat_period + 2).await?;
	bench.duty = None;
	let absent = providers.heartbeat_grace + downtime;
	bench.node.pass(absent).await?;
	// The agenda ends a few in each block, in this order.
	leases.sort_by_key(Encode::encode);
	let reports = tenants.iter_mut().zip(leases.split_off(some / 4));
	let reports = reports
		.map(|(who, lease)| (who, Call::report_offline { lease }))
		.collect();
	bench.kind("report an absence", reports).await?;
	bench.by_root(admin, set_downtime(DOWNTIME)).await?;
	bench.by_root(admin, set_terms(START, RETAINED)).await?;
	bench.begin_duty(operator).await
}
