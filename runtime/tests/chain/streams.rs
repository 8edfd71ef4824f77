//! Deposits, settlement, and payment for service only.

use crate::harness::*;
use frame_support::{
	assert_noop, assert_ok,
	traits::{LockableCurrency, WithdrawReasons},
};
use leasehold_runtime::{configs::ProtocolFees, Balances, Escrow, Market, Runtime, RuntimeOrigin};
use pallet_escrow::Error;
use sp_runtime::DispatchError::BadOrigin;

type E = Error<Runtime>;

fn deposit(who: &str, lease: u64, amount: u128) -> frame_support::dispatch::DispatchResult {
	Escrow::deposit(signed(who), lease, amount)
		.map(|_| ())
		.map_err(|error| error.error)
}

#[test]
fn nothing_accrues_before_the_start() {
	run(|| {
		let lease = starting_lease(1_000);
		to_block(now() + 10);
		settle(lease);
		assert_eq!(stream(lease).paid, 0);
	});
}

#[test]
fn settling_moves_net_to_the_owner_and_the_fee_to_its_destination() {
	run(|| {
		let lease = active_lease(1_000);
		let (owner, fees) = (
			free("owner0"),
			Balances::free_balance(ProtocolFees::account()),
		);
		let tenant = held("tenant");
		to_block(now() + 7);
		settle(lease);
		assert_eq!(free("owner0") - owner, 6_860);
		assert_eq!(Balances::free_balance(ProtocolFees::account()) - fees, 140);
		assert_eq!(tenant - held("tenant"), 7_000);
		settle(lease);
		assert_eq!(
			tenant - held("tenant"),
			7_000,
			"a second settlement finds nothing"
		);
		assert_noop!(Escrow::settle(RuntimeOrigin::root(), lease), BadOrigin);
		assert_noop!(
			Escrow::settle(signed("stranger"), lease + 1),
			E::UnknownStream
		);
	});
}

#[test]
fn absence_costs_at_most_the_grace() {
	run(|| {
		let lease = active_lease(1_000);
		let grace = providers_terms().heartbeat_grace;
		to_block(now() + 80);
		settle(lease);
		assert_eq!(stream(lease).served_blocks, grace);
		// Back on duty: the blocks away are lost, the blocks from now on count.
		beat(0).unwrap();
		to_block(now() + 5);
		settle(lease);
		assert_eq!(stream(lease).served_blocks, grace + 5);
	});
}

#[test]
fn a_provider_on_duty_is_paid_for_every_block() {
	run(|| {
		let lease = active_lease(1_000);
		to_block_on_duty(now() + 80, 0);
		settle(lease);
		assert_eq!(stream(lease).served_blocks, 80);
	});
}

#[test]
fn deposits_are_refused_with_the_right_error() {
	run(|| {
		let lease = active_lease(1_000);
		assert_noop!(
			Escrow::deposit(RuntimeOrigin::root(), lease, 5_000),
			BadOrigin
		);
		assert_noop!(deposit("tenant", lease + 1, 5_000), E::UnknownStream);
		assert_noop!(deposit("tenant", lease, 0), E::ZeroAmount);
		assert_noop!(deposit("friend", lease, 999), E::DepositTooLow);
		assert_noop!(deposit("friend", lease, ENDOWMENT), E::InsufficientFunds);
		assert_noop!(deposit("tenant", lease, u128::MAX), E::Overflow);
		assert_ok!(deposit("tenant", lease, 1));
		for who in ["friend", "stranger", "f1", "f2", "f3", "f4", "f5"] {
			assert_ok!(deposit(who, lease, 1_000));
		}
		assert_noop!(deposit("owner2", lease, 1_000), E::TooManyFunders);
		assert_ok!(deposit("f5", lease, 1_000));
		assert_ok!(deposit("tenant", lease, 5));
		assert_eq!(stream(lease).funders.len(), 8);
	});
}

#[test]
fn funders_are_consumed_in_their_order_and_get_back_the_rest() {
	run(|| {
		register(0);
		let mut poor = order(1);
		poor.deposit = 32 * MAX_RATE;
		let lease = lease_from(poor, MAX_RATE);
		deposit("friend", lease, 5 * MAX_RATE).unwrap();
		deposit("f1", lease, 9 * MAX_RATE).unwrap();
		Market::start_lease(signed("operator0"), lease).unwrap();
		to_block_on_duty(now() + 35, 0);
		settle(lease);
		let left: Vec<u128> = stream(lease).funders.iter().map(|f| f.held).collect();
		assert_eq!(left, [0, 2 * MAX_RATE, 9 * MAX_RATE]);
		Market::close_lease(signed("tenant"), lease).unwrap();
		assert_eq!((held("friend"), held("f1")), (0, 0));
		assert_eq!(free("f1"), ENDOWMENT);
		assert_eq!(free("friend"), ENDOWMENT - 3 * MAX_RATE);
	});
}

#[test]
fn a_top_up_before_the_lease_runs_dry_keeps_it() {
	run(|| {
		let lease = poor_lease();
		let begin = now();
		to_block_on_duty(begin + 25, 0);
		deposit("friend", lease, 20 * MAX_RATE).unwrap();
		to_block_on_duty(begin + 45, 0);
		assert!(pallet_market::Leases::<Runtime>::contains_key(lease));
		to_block_on_duty(begin + 70, 0);
		assert_eq!(closed(lease).served_blocks, 50);
	});
}

#[test]
fn frozen_and_locked_balances_do_not_stop_a_settlement() {
	run(|| {
		let lease = active_lease(1_000);
		let tenant = account("tenant");
		Balances::set_lock(*b"voting00", &tenant, u128::MAX, WithdrawReasons::all());
		to_block(now() + 5);
		settle(lease);
		assert_eq!(stream(lease).paid, 5_000);
		Market::close_lease(signed("tenant"), lease).unwrap();
	});
}

#[test]
fn the_owner_may_rent_from_itself() {
	run(|| {
		register(0);
		let owner = free("owner0");
		let id = pallet_market::NextOrderId::<Runtime>::get();
		Market::place_order(signed("owner0"), pallet_market::Order::V1(order(1))).unwrap();
		bid(0, id, 1_000).unwrap();
		to_block(now() + 5);
		Market::start_lease(signed("operator0"), 0).unwrap();
		to_block(now() + 10);
		Market::complete_lease(signed("operator0"), 0, 0, [0; 32]).unwrap();
		to_block(now() + market_terms().closed_retention);
		assert_eq!(owner - free("owner0"), 200, "only the fee is gone");
		assert_eq!(
			pallet_reputation::ProviderScores::<Runtime>::iter().count(),
			0
		);
	});
}

#[test]
fn a_top_up_after_dry_pays_nothing_for_the_gap() {
	run(|| {
		let lease = poor_lease();
		let begin = now();
		to_block_on_duty(begin + 29, 0);
		// The lease's visit is held back, as by a backlog; the tenant tops up long after dry.
		for _ in 0..10 {
			leasehold_runtime::System::set_block_number(now() + 1);
			let _ = beat(0);
		}
		deposit("tenant", lease, 20 * MAX_RATE).unwrap();
		assert_eq!(stream(lease).served_blocks, 30);
		settle(lease);
		assert_eq!(stream(lease).served_blocks, 30);
		next_block();
		assert_eq!(stream(lease).served_blocks, 31);
	});
}

#[test]
fn an_absent_provider_does_not_make_the_chain_work() {
	run(|| {
		let lease = poor_lease();
		let mut dues = std::collections::BTreeSet::new();
		for _ in 0..400 {
			next_block();
			dues.extend(pallet_market::Leases::<Runtime>::get(lease).map(|l| l.due));
		}
		assert!(dues.len() <= 6, "visited at {dues:?}");
	});
}

#[test]
fn a_fee_that_its_destination_cannot_take_goes_to_the_provider() {
	run(|| {
		let lease = active_lease(1_000);
		let owner = free("owner0");
		pallet_escrow::FeeDestination::<Runtime>::put(account("nobody"));
		to_block(now() + 5);
		settle(lease);
		assert_eq!(free("owner0") - owner, 5_000);
		assert_eq!((stream(lease).paid, stream(lease).fees), (5_000, 0));
		pallet_escrow::FeeDestination::<Runtime>::kill();
		to_block(now() + 5);
		settle(lease);
		assert_eq!(free("owner0") - owner, 10_000);
		pallet_escrow::FeeDestination::<Runtime>::put(ProtocolFees::account());
		to_block(now() + 5);
		settle(lease);
		assert_eq!(
			stream(lease).fees,
			100,
			"what was let off is not collected later"
		);
	});
}

#[test]
fn a_stream_is_opened_and_started_once() {
	use leasehold_primitives::{StreamOpening, Streams};
	run(|| {
		let lease = active_lease(1_000);
		let opening = |rate, lease, deposit| StreamOpening {
			lease,
			provider: 0,
			tenant: account("friend"),
			rate,
			deposit,
			start_rate: Default::default(),
			notice: 0,
		};
		assert_noop!(Escrow::open(opening(1, lease, 1_000)), E::StreamExists);
		assert_noop!(Escrow::open(opening(0, lease + 1, 1_000)), E::ZeroRate);
		assert_noop!(
			Escrow::open(opening(1_000, lease + 1, 2_000)),
			E::DepositTooLow
		);
		assert_noop!(
			<Escrow as Streams<_>>::hold(&account("friend"), ENDOWMENT),
			E::InsufficientFunds
		);
		assert_noop!(<Escrow as Streams<_>>::accrue(lease, 9), E::AlreadyRunning);
		assert_noop!(
			<Escrow as Streams<_>>::accrue(lease + 1, 9),
			E::UnknownStream
		);
	});
}
