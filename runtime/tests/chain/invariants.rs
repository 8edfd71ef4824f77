//! I1, I2, I4, I5, I6, I7 and I9 over random sequences of calls and passing blocks.

use crate::harness::*;
use leasehold_primitives::FailureCode;
use leasehold_runtime::{
	configs::ProtocolFees, invariants, Balances, Escrow, Market, Providers, Runtime,
};
use pallet_market::Order;
use pallet_providers::ProviderInfo;
use proptest::prelude::*;

/// One step of a random history. Ids are taken modulo what there is.
#[derive(Debug, Clone)]
enum Op {
	Register(u8),
	Deregister(u8),
	Pause(u8, bool),
	Resize(u8, u32),
	RaiseBond(u8, u64),
	Place {
		tenant: u8,
		manifest: u8,
		cpu: u32,
		rate: u32,
		blocks: u8,
		duration: u16,
		job: bool,
	},
	Cancel {
		tenant: u8,
		order: u8,
	},
	Bid {
		provider: u8,
		order: u8,
		rate: u32,
	},
	Withdraw {
		provider: u8,
		order: u8,
	},
	Start {
		provider: u8,
		lease: u8,
	},
	Complete {
		provider: u8,
		lease: u8,
	},
	Fail {
		provider: u8,
		lease: u8,
	},
	Close {
		tenant: u8,
		lease: u8,
	},
	Deposit {
		who: u8,
		lease: u8,
		amount: u32,
	},
	Settle {
		lease: u8,
	},
	Beat(u8),
	Pass(u8),
}

fn op() -> impl Strategy<Value = Op> {
	let small = any::<u8>();
	prop_oneof![
		2 => small.prop_map(Op::Register),
		1 => small.prop_map(Op::Deregister),
		1 => (small, any::<bool>()).prop_map(|(p, b)| Op::Pause(p, b)),
		1 => (small, 0u32..6_000).prop_map(|(p, c)| Op::Resize(p, c)),
		1 => (small, any::<u64>()).prop_map(|(p, a)| Op::RaiseBond(p, a)),
		6 => (small, small, 1u32..2_500, 1u32..2_000_000, small, 1u16..300, any::<bool>()).prop_map(
			|(tenant, manifest, cpu, rate, blocks, duration, job)| Op::Place {
				tenant, manifest, cpu, rate, blocks, duration, job,
			}
		),
		1 => (small, small).prop_map(|(tenant, order)| Op::Cancel { tenant, order }),
		8 => (small, small, 1u32..2_000_000)
			.prop_map(|(provider, order, rate)| Op::Bid { provider, order, rate }),
		1 => (small, small).prop_map(|(provider, order)| Op::Withdraw { provider, order }),
		6 => (small, small).prop_map(|(provider, lease)| Op::Start { provider, lease }),
		2 => (small, small).prop_map(|(provider, lease)| Op::Complete { provider, lease }),
		1 => (small, small).prop_map(|(provider, lease)| Op::Fail { provider, lease }),
		1 => (small, small).prop_map(|(tenant, lease)| Op::Close { tenant, lease }),
		3 => (small, small, any::<u32>())
			.prop_map(|(who, lease, amount)| Op::Deposit { who, lease, amount }),
		3 => small.prop_map(|lease| Op::Settle { lease }),
		6 => small.prop_map(Op::Beat),
		12 => (1u8..12).prop_map(Op::Pass),
	]
}

const TENANTS: [&str; 3] = ["tenant", "friend", "owner0"];

fn tenant(n: u8) -> &'static str {
	TENANTS[usize::from(n) % TENANTS.len()]
}

fn hand(n: u8) -> String {
	format!("operator{}", n % 3)
}

fn owner(n: u8) -> String {
	format!("owner{}", n % 3)
}

/// An id near the newest, so that most of them exist.
fn recent(n: u8, next: u64) -> u64 {
	next.saturating_sub(1 + u64::from(n % 6))
}

fn recent_order(n: u8) -> u64 {
	recent(n, pallet_market::NextOrderId::<Runtime>::get())
}

fn recent_lease(n: u8) -> u64 {
	recent(n, pallet_market::NextLeaseId::<Runtime>::get())
}

/// Does one step; whether the chain accepted it.
fn apply(op: &Op) -> bool {
	match op.clone() {
		Op::Register(p) => Providers::register(
			signed(&owner(p)),
			account(&hand(p)),
			500 * leasehold_runtime::LEASE,
			ProviderInfo::V1(info()),
		)
		.is_ok(),
		// Leaving is rare, or nobody would be left to bid.
		Op::Deregister(p) => p < 64 && Providers::deregister(signed(&owner(p))).is_ok(),
		Op::Pause(p, paused) => Providers::set_paused(signed(&hand(p)), paused).is_ok(),
		Op::Resize(p, cpu) => {
			let mut info = info();
			info.capacity.cpu = cpu;
			info.capacity.unit_cpu = info.capacity.unit_cpu.min(cpu);
			Providers::update(signed(&hand(p)), ProviderInfo::V1(info)).is_ok()
		}
		Op::RaiseBond(p, by) => Providers::raise_bond(signed(&owner(p)), by.into()).is_ok(),
		Op::Place {
			tenant: t,
			manifest,
			cpu,
			rate,
			blocks,
			duration,
			job,
		} => {
			let mut order = order(manifest);
			order.resources.cpu = cpu;
			order.resources.unit_cpu = cpu;
			order.max_rate = rate.into();
			order.deposit = order.max_rate * (32 + u128::from(blocks)) + 20;
			order.max_duration = duration.into();
			if !job {
				order.kind = leasehold_primitives::WorkloadKind::Service;
			}
			Market::place_order(signed(tenant(t)), Order::V1(order)).is_ok()
		}
		Op::Cancel { tenant: t, order } => {
			Market::cancel_order(signed(tenant(t)), recent_order(order)).is_ok()
		}
		Op::Bid {
			provider,
			order,
			rate,
		} => {
			let id = recent_order(order);
			let ceiling = pallet_market::Orders::<Runtime>::get(id)
				.map_or(u128::MAX, |order| order.spec.v1().max_rate);
			let rate = u128::from(rate).min(ceiling);
			Market::place_bid(signed(&hand(provider)), id, rate).is_ok()
		}
		Op::Withdraw { provider, order } => {
			Market::withdraw_bid(signed(&hand(provider)), recent_order(order)).is_ok()
		}
		Op::Start { provider, lease } => {
			Market::start_lease(signed(&hand(provider)), recent_lease(lease)).is_ok()
		}
		Op::Complete { provider, lease } => {
			Market::complete_lease(signed(&hand(provider)), recent_lease(lease), 0, [1; 32]).is_ok()
		}
		Op::Fail { provider, lease } => Market::fail_lease(
			signed(&hand(provider)),
			recent_lease(lease),
			FailureCode::Crashed,
		)
		.is_ok(),
		Op::Close { tenant: t, lease } => {
			Market::close_lease(signed(tenant(t)), recent_lease(lease)).is_ok()
		}
		Op::Deposit { who, lease, amount } => {
			let who = NAMES[usize::from(who) % NAMES.len()];
			Escrow::deposit(signed(who), recent_lease(lease), amount.into()).is_ok()
		}
		Op::Settle { lease } => Escrow::settle(signed("stranger"), recent_lease(lease)).is_ok(),
		Op::Beat(p) => {
			let of = pallet_providers::ByOperator::<Runtime>::get(account(&hand(p)));
			of.is_some_and(|id| submit(heartbeat_call(id, [1; 16], &hand(p))).is_ok())
		}
		Op::Pass(blocks) => {
			(0..blocks).for_each(|_| next_block());
			true
		}
	}
}

/// Dispatchables roll back on failure as they would in a block.
fn apply_in_a_layer(op: &Op) -> bool {
	frame_support::storage::with_storage_layer(|| {
		if apply(op) {
			Ok(())
		} else {
			Err(sp_runtime::DispatchError::Other("refused"))
		}
	})
	.is_ok()
}

/// Closes and sweeps all there is; then nothing but bonds may be on hold.
fn wind_up() {
	let wait = market_terms().max_bidding + market_terms().start_deadline;
	to_block(now() + wait);
	for id in 0..pallet_market::NextLeaseId::<Runtime>::get() {
		if let Some(lease) = pallet_market::Leases::<Runtime>::get(id) {
			let who = leasehold_runtime::RuntimeOrigin::from(
				frame_support::dispatch::RawOrigin::Signed(lease.tenant),
			);
			Market::close_lease(who, id).unwrap();
		}
	}
	for n in 0..3 {
		let _ = Providers::deregister(signed(&owner(n)));
	}
	to_block(now() + market_terms().closed_retention + providers_terms().unbonding_period + 20);
}

fn all_money() -> u128 {
	NAMES
		.iter()
		.map(|name| free(name) + held(name))
		.sum::<u128>()
		+ Balances::free_balance(ProtocolFees::account())
}

/// `PROPTEST_CASES` where it is set, else what fits into the test command.
fn cases() -> u32 {
	std::env::var("PROPTEST_CASES")
		.ok()
		.and_then(|cases| cases.parse().ok())
		.unwrap_or(24)
}

proptest! {
	#![proptest_config(ProptestConfig { cases: cases(), max_shrink_iters: 2_000, ..Default::default() })]

	#[test]
	fn every_history_keeps_the_invariants(ops in proptest::collection::vec(op(), 1..120)) {
		externalities().execute_with(|| {
			let issuance = Balances::total_issuance();
			let money = all_money();
			for n in 0..3 {
				apply_in_a_layer(&Op::Register(n));
			}
			for op in &ops {
				apply_in_a_layer(op);
				invariants::check().unwrap_or_else(|error| panic!("{error:?} after {op:?}"));
				assert_eq!(Balances::total_issuance(), issuance, "I7 after {op:?}");
				assert_eq!(all_money(), money, "money went elsewhere after {op:?}");
			}
			wind_up();
			invariants::check().unwrap();
			for name in NAMES {
				assert_eq!(held(name), 0, "{name} still has something on hold");
			}
			for (what, left) in [
				("market Orders", pallet_market::Orders::<Runtime>::iter().count()),
				("market Leases", pallet_market::Leases::<Runtime>::iter().count()),
				("market ClosedLeases", pallet_market::ClosedLeases::<Runtime>::iter().count()),
				("market OpenManifests", pallet_market::OpenManifests::<Runtime>::iter().count()),
				("market ProviderLeases", pallet_market::ProviderLeases::<Runtime>::iter().count()),
				("market OpenBids", pallet_market::OpenBids::<Runtime>::iter().count()),
				("escrow StreamsOf", pallet_escrow::StreamsOf::<Runtime>::iter().count()),
				("providers Providers", pallet_providers::Providers::<Runtime>::iter().count()),
				("providers Infos", pallet_providers::Infos::<Runtime>::iter().count()),
				("providers Heartbeats", pallet_providers::Heartbeats::<Runtime>::iter().count()),
				("agenda Pages", pallet_agenda::Pages::<Runtime>::iter().count()),
				("agenda PageCount", pallet_agenda::PageCount::<Runtime>::iter().count()),
			] {
				assert_eq!(left, 0, "I9: {what} is left in the state");
			}
		});
	}
}
