//! Faults that were found in running markets, and attacks: each must be impossible here, or cost the
//! attacker more than it harms anybody else.

use crate::harness::*;
use frame_support::{assert_noop, assert_ok, traits::Hooks, weights::WeightMeter};
use leasehold_primitives::{AgendaItem, CloseReason, LeaseId};
use leasehold_runtime::{
	configs::{ProtocolFees, RuntimeBlockWeights},
	Agenda, Balances, Escrow, Market, Providers, Runtime, System, LEASE,
};
use pallet_market::{ClosedLeases, Leases, Order, OrderV1, Orders};

/// A lease so small that a provider can hold hundreds.
fn small(manifest: u8) -> pallet_market::OrderV1<leasehold_runtime::AccountId> {
	let mut spec = order(manifest);
	spec.resources = tiny();
	spec.max_rate = 10;
	spec.deposit = 1_000;
	spec
}

#[test]
fn closing_an_item_touches_no_other_whatever_its_number() {
	run(|| {
		register(0);
		let mut ids = Vec::new();
		for (n, first) in [(0..12u8, 1), (20..22, 256), (22..23, 65_537)] {
			pallet_market::NextLeaseId::<Runtime>::put(first);
			for manifest in n {
				let id = lease_from(small(manifest), 5);
				Market::start_lease(signed("operator0"), id).unwrap();
				ids.push(id);
			}
		}
		while let Some(id) = ids.first().copied() {
			ids.remove(0);
			let others: Vec<_> = ids
				.iter()
				.map(|id| (Leases::<Runtime>::get(id), stream(*id)))
				.collect();
			Market::close_lease(signed("tenant"), id).unwrap();
			let after: Vec<_> = ids
				.iter()
				.map(|id| (Leases::<Runtime>::get(id), stream(*id)))
				.collect();
			assert_eq!(others, after, "closing {id}");
			// Not every number: 1 and 10, 256 and 1, 65537 and 1 share digits or bytes.
			ids.reverse();
		}
	});
}

/// Numbers that share digits or bytes.
const ALIKE: [u64; 6] = [1, 10, 100, 256, 65_537, 16_777_216];

#[test]
fn no_order_or_statement_or_closed_record_ends_with_another() {
	run(|| {
		register(0);
		let mut orders = Vec::new();
		for (n, number) in (0..).zip(ALIKE) {
			pallet_market::NextOrderId::<Runtime>::put(number);
			orders.push(place(small(n)));
		}
		assert_eq!(orders, ALIKE);
		let mut left = orders.clone();
		while !left.is_empty() {
			let gone = left.remove(left.len() / 2);
			Market::cancel_order(signed("tenant"), gone).unwrap();
			let mut now: Vec<_> = Orders::<Runtime>::iter_keys().collect();
			now.sort_unstable();
			assert_eq!(now, left, "without {gone}");
			assert_eq!(left.len(), open_items());
		}
		// Statements on one provider by several, ended one by one.
		let auditors = ["f1", "f2", "f3", "f4", "f5", "friend"];
		for (who, number) in auditors.into_iter().zip(ALIKE) {
			pallet_providers::NextAttestationId::<Runtime>::put(number);
			let eu = attributes(&[("region", "eu")]);
			Providers::attest(signed(who), 0, eu, 100).unwrap();
		}
		let mut left: Vec<_> = auditors.into_iter().zip(ALIKE).collect();
		while !left.is_empty() {
			let (who, gone) = left.remove(left.len() / 2);
			Providers::revoke_attestation(signed(who), gone).unwrap();
			let mut now: Vec<_> = pallet_providers::Attestations::<Runtime>::iter_keys().collect();
			now.sort_unstable();
			assert_eq!(now, left.iter().map(|(_, id)| *id).collect::<Vec<_>>());
		}
		// Records of closed leases, swept one after another.
		for (n, number) in (10..).zip(ALIKE) {
			pallet_market::NextLeaseId::<Runtime>::put(number);
			let id = lease_from(small(n), 5);
			Market::close_lease(signed("tenant"), id).unwrap();
			to_block(now() + 3);
		}
		let mut left = ALIKE.to_vec();
		while !left.is_empty() {
			next_block();
			let mut now: Vec<_> = ClosedLeases::<Runtime>::iter_keys().collect();
			now.sort_unstable();
			if now != left {
				left.remove(0);
				assert_eq!(now, left, "the oldest only");
			}
		}
	});
}

fn open_items() -> usize {
	pallet_market::OpenManifests::<Runtime>::iter().count()
}

#[test]
fn no_provider_leaves_with_another() {
	run(|| {
		let info = || pallet_providers::ProviderInfo::V1(info());
		let owners = ["owner0", "owner1", "owner2", "f1", "f2", "f3"];
		for (n, number) in (0..).zip(ALIKE) {
			pallet_providers::NextProviderId::<Runtime>::put(number as u32);
			let (owner, operator) = (signed(owners[n]), account(&format!("hand{n}")));
			Providers::register(owner, operator, 100 * LEASE, info()).unwrap();
		}
		let mut left: Vec<_> = owners.into_iter().zip(ALIKE).collect();
		while !left.is_empty() {
			let (who, gone) = left.remove(left.len() / 2);
			Providers::deregister(signed(who)).unwrap();
			to_block(now() + providers_terms().unbonding_period);
			let mut now: Vec<u64> = pallet_providers::Providers::<Runtime>::iter_keys()
				.map(u64::from)
				.collect();
			now.sort_unstable();
			let rest: Vec<u64> = left.iter().map(|(_, id)| *id).collect();
			assert_eq!(now, rest, "without {gone}");
			assert_eq!(held(who), 0);
			assert!(left.iter().all(|(who, _)| held(who) == 100 * LEASE));
		}
	});
}

/// A lease by the standing offer of provider 0, at 1,000 planck a block.
fn lease_at_once(manifest: u8) -> LeaseId {
	offer_cpu(1_000);
	let id = pallet_market::NextLeaseId::<Runtime>::get();
	let spec = by_offer(order(manifest));
	Market::lease_now(signed("tenant"), Order::V1(spec)).unwrap();
	assert_eq!(stream(id).rate, 1_000);
	id
}

#[test]
fn a_provider_earns_nothing_for_a_block_it_did_not_serve() {
	run(|| {
		// Settle and close in one block.
		let id = active_lease(1_000);
		let owner = free("owner0");
		to_block(now() + 5);
		settle(id);
		settle(id);
		Market::close_lease(signed("tenant"), id).unwrap();
		assert_eq!(closed(id).paid, 5_000);
		assert_eq!(free("owner0") - owner, 4_900);
		// Start and close in one block.
		let id = lease_from(order(2), 1_000);
		Market::start_lease(signed("operator0"), id).unwrap();
		Market::close_lease(signed("tenant"), id).unwrap();
		assert_eq!(closed(id).paid, 0);
		// Lease, start and close in one block, or lease and close.
		for (manifest, starts) in [(3, true), (4, false)] {
			let id = lease_at_once(manifest);
			if starts {
				Market::start_lease(signed("operator0"), id).unwrap();
			}
			let before = free("tenant");
			Market::close_lease(signed("tenant"), id).unwrap();
			assert_eq!((closed(id).paid, closed(id).fees), (0, 0));
			assert_eq!(free("tenant") - before, order(manifest).deposit);
		}
		to_block(now() + 50);
		assert_eq!(free("owner0") - owner, 4_900, "nothing comes later");
	});
}

#[test]
fn losing_bids_lock_nothing() {
	run(|| {
		for n in 0..3 {
			register(n);
		}
		let before: Vec<_> = (0..3).map(|n| held(&format!("operator{n}"))).collect();
		let id = place(order(1));
		for n in 0..3 {
			bid(n, id, 10 + u128::from(n)).unwrap();
		}
		to_block(now() + 5);
		let after: Vec<_> = (0..3).map(|n| held(&format!("operator{n}"))).collect();
		assert_eq!(before, after);
		assert_eq!(pallet_market::OpenBids::<Runtime>::iter().count(), 0);
		assert_eq!((provider(1).slices, provider(2).slices), (0, 0));
	});
}

#[test]
fn what_is_closed_leaves_the_state() {
	run(|| {
		register(0);
		let size = || state_of(&["Market", "Escrow", "Agenda"]).len();
		// The watch and the cursors exist once there was a lease.
		let first = lease_from(small(200), 5);
		Market::close_lease(signed("tenant"), first).unwrap();
		to_block(now() + market_terms().closed_retention + providers_terms().max_downtime + 20);
		let at_rest = size();
		for n in 0..30u8 {
			let id = lease_from(small(n), 5);
			Market::start_lease(signed("operator0"), id).unwrap();
			Market::complete_lease(signed("operator0"), id, 0, [0; 32]).unwrap();
		}
		assert!(size() > at_rest);
		to_block(now() + market_terms().closed_retention + providers_terms().max_downtime + 20);
		assert_eq!(size(), at_rest);
		assert_eq!(ClosedLeases::<Runtime>::iter().count(), 0);
	});
}

#[test]
fn frozen_balances_stop_neither_payment_nor_compensation() {
	run(|| {
		let id = active_lease(MAX_RATE);
		for who in ["tenant", "owner0", "operator0"] {
			lock(who);
		}
		to_block(now() + 5);
		settle(id);
		assert_eq!(stream(id).paid, 5 * MAX_RATE);
		assert_ok!(Market::abandon_lease(signed("operator0"), id));
		assert_eq!(closed(id).compensation, 100 * MAX_RATE);
	});
}

#[test]
fn capacity_that_never_gets_a_manifest_is_paid_for() {
	run(|| {
		register(0);
		let fees = Balances::free_balance(ProtocolFees::account());
		let owner = free("owner0");
		let mut hog = order(1);
		hog.resources.cpu = machine().cpu;
		hog.resources.unit_cpu = machine().cpu;
		let id = lease_from(hog, MAX_RATE);
		to_block(now() + 20);
		assert_eq!(closed(id).reason, CloseReason::StartTimeout);
		let cost = 20 * MAX_RATE / 2;
		assert_eq!(Balances::free_balance(ProtocolFees::account()) - fees, cost);
		assert_eq!(free("owner0"), owner, "nobody earns by it");
	});
}

#[test]
fn dust_keeps_nothing_locked_for_free() {
	run(|| {
		let id = poor_lease();
		let begin = now();
		let owner = free("owner0");
		// A planck a block, for as long as it helps.
		while Leases::<Runtime>::contains_key(id) {
			next_block();
			let _ = beat(0);
			let _ = Escrow::deposit(signed("tenant"), id, 1);
		}
		let blocks = u128::from(now() - begin);
		assert!(blocks < 70, "{blocks}");
		// Thirty blocks at the rate and twenty at a tenth of it, less the fee.
		let earned = free("owner0") - owner;
		assert!(earned >= 32 * MAX_RATE * 98 / 100, "{earned}");
	});
}

#[test]
fn renting_from_oneself_moves_a_bond_to_oneself_only() {
	run(|| {
		// The owner is the tenant: what it gets as compensation is its own bond, less the fees.
		register(0);
		let all = || free("owner0") + held("owner0");
		let before = all();
		let id = pallet_market::NextOrderId::<Runtime>::get();
		Market::place_order(signed("owner0"), Order::V1(order(1))).unwrap();
		bid(0, id, MAX_RATE).unwrap();
		to_block(now() + 5);
		Market::start_lease(signed("operator0"), 0).unwrap();
		to_block(now() + 5);
		Market::abandon_lease(signed("operator0"), 0).unwrap();
		assert_eq!(closed(0).compensation, 100 * MAX_RATE);
		assert_eq!(
			before - all(),
			5 * MAX_RATE / 50,
			"the fee on five blocks is gone"
		);
		assert!(provider(0).bond < 1_000 * LEASE);
	});
}

#[test]
fn strangers_cannot_shut_the_tenant_out() {
	run(|| {
		let id = active_lease(1_000);
		for who in ["friend", "stranger", "f1", "f2", "f3", "f4", "f5"] {
			assert_ok!(Escrow::deposit(signed(who), id, escrow_terms().min_top_up));
		}
		assert_noop!(
			Escrow::deposit(signed("owner2"), id, LEASE),
			pallet_escrow::Error::<Runtime>::TooManyFunders
		);
		assert_ok!(Escrow::deposit(signed("tenant"), id, 1));
		// Even after it has taken everything out.
		let all = stream(id).withdrawable(0).min(stream(id).funders[0].held);
		assert_ok!(Escrow::withdraw(signed("tenant"), id, all));
		assert_ok!(Escrow::deposit(signed("tenant"), id, 1));
		assert_eq!(stream(id).funders[0].who, account("tenant"));
	});
}

#[test]
fn a_late_cancellation_costs_the_fee() {
	run(|| {
		register(0);
		let before = free("tenant") + held("tenant");
		for n in 0..10 {
			let id = place(order(n));
			bid(0, id, 5).unwrap();
			to_block(now() + 4);
			Market::cancel_order(signed("tenant"), id).unwrap();
		}
		let lost = before - free("tenant") - held("tenant");
		assert_eq!(lost, 10 * market_terms().cancel_fee);
		assert_eq!(provider(0).slices, 0, "bids lock nothing");
	});
}

#[test]
fn ten_thousand_entries_of_one_block_keep_the_budget_and_are_all_met() {
	run(|| {
		use leasehold_primitives::Agenda as _;
		let at = now() + 1;
		for id in 0..10_000 {
			Agenda::schedule(AgendaItem::Closed(id), at);
		}
		let id = place(order(1));
		let ends = Orders::<Runtime>::get(id).unwrap().ends;
		let budget = RuntimeBlockWeights::get().max_block;
		let mut blocks = 0;
		while pallet_agenda::Pages::<Runtime>::iter().next().is_some() {
			let next = now() + 1;
			System::set_block_number(next);
			let mut meter = WeightMeter::with_limit(budget);
			Agenda::on_poll(next, &mut meter);
			let quarter = budget.saturating_div(4);
			assert!(meter.consumed().all_lte(quarter), "{:?}", meter.consumed());
			blocks += 1;
			assert!(blocks < 200);
		}
		assert!(
			now() >= ends && !Orders::<Runtime>::contains_key(id),
			"others are not kept waiting"
		);
		println!("met in {blocks} blocks");
	});
}

/// The provider raises its offer in front of the tenant that takes it: the tenant pays the fee of a refused call and
/// keeps the rest; the provider pays for each change, and its offer is the dearer for everybody.
#[test]
fn an_offer_raised_in_front_of_who_takes_it_costs_a_fee_and_no_more() {
	run(|| {
		register(0);
		offer_cpu(1_000);
		let spec = by_offer(order(1));
		let take = || Market::lease_now(signed("tenant"), Order::V1(spec.clone()));
		offer_cpu(90_000);
		let before = state();
		assert_noop!(take(), pallet_market::Error::<Runtime>::OfferChanged);
		assert!(state() == before);
		let fee = |call: leasehold_runtime::RuntimeCall| {
			use frame_support::dispatch::GetDispatchInfo;
			let info = call.get_dispatch_info();
			let length = codec::Encode::encoded_size(&call) as u32;
			leasehold_runtime::TransactionPayment::compute_fee(length, &info, 0)
		};
		let taken = fee(pallet_market::Call::lease_now {
			order: Order::V1(spec.clone()),
		}
		.into());
		let raised = fee(pallet_providers::Call::set_offer { sheet: None }.into());
		println!("a refused lease_now costs {taken} planck at most, a changed offer {raised}");
		assert!(raised > 0 && taken < leasehold_runtime::LEASE / 10);
		// Whoever names what stands now gets it, at the rate that it sees.
		let again = by_offer(OrderV1 {
			max_rate: MAX_RATE.max(90_000),
			..order(1)
		});
		assert_ok!(Market::lease_now(signed("tenant"), Order::V1(again)));
	});
}

#[test]
fn the_last_bidder_has_no_advantage_nor_has_a_second_account() {
	run(|| {
		for n in 0..3 {
			register(n);
		}
		// Equal bids: the earlier wins, however late the other comes.
		let id = place(order(1));
		bid(1, id, 10).unwrap();
		to_block(now() + 4);
		bid(0, id, 10).unwrap();
		next_block();
		assert_eq!(lease(0).provider, 1);
		assert_eq!(
			stream(0).rate,
			10,
			"each pays what it bid, not what others did"
		);
		// Owners 1 and 2 belong together: their better bid wins, the other one changes nothing.
		let id = place(order(2));
		for (n, rate) in [(0, 12), (1, 11), (2, 30)] {
			bid(n, id, rate).unwrap();
		}
		to_block(now() + 5);
		assert_eq!((lease(1).provider, stream(1).rate), (1, 11));
	});
}
