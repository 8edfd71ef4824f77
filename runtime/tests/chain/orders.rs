//! Placing, cancelling and expiring orders.

use crate::harness::*;
use frame_support::{assert_noop, assert_ok};
use leasehold_primitives::{GpuUnits, GpuVendor, ResultHash};
use leasehold_runtime::{
	configs::ProtocolFees, AccountId, Balances, Market, Runtime, RuntimeOrigin, System,
};
use pallet_market::{Error, Event, OpenManifests, Order, OrderV1, Orders};
use sp_runtime::DispatchError::BadOrigin;

type E = Error<Runtime>;

const RESULT: ResultHash = [0; 32];

fn try_place(edit: impl FnOnce(&mut OrderV1<AccountId>)) -> Result<(), sp_runtime::DispatchError> {
	let mut order = order(1);
	edit(&mut order);
	Market::place_order(signed("tenant"), Order::V1(order))
}

#[test]
fn an_order_holds_its_deposits() {
	run(|| {
		let before = free("tenant");
		let id = place(order(1));
		let all = 100 * MAX_RATE + market_terms().record_deposit;
		assert_eq!(before - free("tenant"), all);
		assert_eq!(held("tenant"), all);
		assert_eq!(Orders::<Runtime>::get(id).unwrap().bidding_ends, 6);
	});
}

#[test]
fn a_bad_order_is_refused_with_the_right_error() {
	run(|| {
		assert_noop!(
			Market::place_order(RuntimeOrigin::root(), Order::V1(order(1))),
			BadOrigin
		);
		assert_noop!(try_place(|o| o.resources.cpu = 0), E::InvalidResources);
		assert_noop!(try_place(|o| o.resources.memory = 0), E::InvalidResources);
		assert_noop!(
			try_place(|o| o.resources.unit_cpu = 1_001),
			E::InvalidResources
		);
		let no_gpu = GpuUnits {
			vendor: GpuVendor::Amd,
			model: None,
			memory: None,
			units: 0,
		};
		assert_noop!(
			try_place(|o| o.resources.gpu = vec![no_gpu].try_into().unwrap()),
			E::InvalidResources
		);
		assert_noop!(try_place(|o| o.max_rate = 0), E::ZeroRate);
		assert_noop!(try_place(|o| o.max_duration = 0), E::InvalidDuration);
		assert_noop!(try_place(|o| o.max_duration = 10_001), E::InvalidDuration);
		assert_noop!(try_place(|o| o.bidding = 2), E::InvalidBidding);
		assert_noop!(try_place(|o| o.bidding = 51), E::InvalidBidding);
		// 10 funded blocks, 20 to start, and a tenth of the rate for 20 blocks.
		assert_noop!(
			try_place(|o| o.deposit = 32 * MAX_RATE - 1),
			E::DepositTooLow
		);
		let poor = pallet_escrow::Error::<Runtime>::InsufficientFunds;
		assert_noop!(try_place(|o| o.deposit = ENDOWMENT), poor);
		assert_noop!(try_place(|o| o.deposit = u128::MAX), E::Overflow);
		let several = |o: &mut OrderV1<AccountId>| {
			o.quantity.leases = 2;
			o.deposit = u128::MAX;
		};
		assert_noop!(try_place(several), E::Overflow);
		assert_noop!(
			try_place(|o| o.max_rate = u128::MAX),
			pallet_escrow::Error::<Runtime>::Overflow
		);
		assert_ok!(try_place(|o| o.deposit = 32 * MAX_RATE));
	});
}

#[test]
fn a_manifest_is_open_once() {
	run(|| {
		register(0);
		let id = place(order(1));
		assert_noop!(try_place(|_| {}), E::ManifestInUse);
		assert_ok!(Market::place_order(signed("friend"), Order::V1(order(1))));
		bid(0, id, 5).unwrap();
		to_block(6);
		assert_noop!(try_place(|_| {}), E::ManifestInUse);
		Market::start_lease(signed("operator0"), 0).unwrap();
		assert_ok!(Market::complete_lease(signed("operator0"), 0, 0, RESULT));
		assert_ok!(try_place(|_| {}));
	});
}

#[test]
fn an_order_without_bids_expires_and_returns_everything() {
	run(|| {
		let before = free("tenant");
		let id = place(order(1));
		to_block(5);
		assert!(Orders::<Runtime>::contains_key(id));
		to_block(6);
		assert!(!Orders::<Runtime>::contains_key(id));
		assert_eq!(free("tenant"), before);
		System::assert_has_event(Event::OrderExpired { order: id, fee: 0 }.into());
		assert_eq!(OpenManifests::<Runtime>::iter().count(), 0);
	});
}

#[test]
fn cancelling_is_free_until_somebody_has_bid() {
	run(|| {
		register(0);
		let before = free("tenant");
		let fees = Balances::free_balance(ProtocolFees::account());
		let id = place(order(1));
		let cancel = |who: &str, id| Market::cancel_order(signed(who), id);
		assert_noop!(Market::cancel_order(RuntimeOrigin::root(), id), BadOrigin);
		assert_noop!(cancel("stranger", id), E::NotTenant);
		assert_noop!(cancel("tenant", id + 1), E::UnknownOrder);
		assert_ok!(cancel("tenant", id));
		assert_eq!(free("tenant"), before);
		let id = place(order(1));
		bid(0, id, 5).unwrap();
		assert_ok!(cancel("tenant", id));
		let fee = market_terms().cancel_fee;
		assert_eq!(before - free("tenant"), fee);
		assert_eq!(held("tenant"), 0);
		assert_eq!(Balances::free_balance(ProtocolFees::account()) - fees, fee);
		System::assert_last_event(Event::OrderCancelled { order: id, fee }.into());
		assert_noop!(cancel("tenant", id), E::UnknownOrder);
		to_block(20);
	});
}

#[test]
fn without_a_fee_destination_orders_still_end() {
	run(|| {
		register(0);
		let before = free("tenant");
		let id = place(order(1));
		bid(0, id, 5).unwrap();
		pallet_escrow::FeeDestination::<Runtime>::kill();
		assert_ok!(Market::cancel_order(signed("tenant"), id));
		assert_eq!(free("tenant"), before);
		// An account that is not there could not take so little.
		pallet_escrow::FeeDestination::<Runtime>::put(account("nobody"));
		set_market(|terms| terms.cancel_fee = leasehold_runtime::EXISTENTIAL_DEPOSIT - 1);
		let id = place(order(1));
		bid(0, id, 5).unwrap();
		assert_ok!(Market::cancel_order(signed("tenant"), id));
		assert_eq!((free("tenant"), free("nobody")), (before, 0));
	});
}

#[test]
fn ids_do_not_wrap() {
	run(|| {
		pallet_market::NextOrderId::<Runtime>::put(u64::MAX);
		assert_noop!(try_place(|_| {}), E::Overflow);
	});
	run(|| {
		register(0);
		let id = place(order(1));
		bid(0, id, 10).unwrap();
		pallet_market::NextLeaseId::<Runtime>::put(u64::MAX);
		to_block(now() + 5);
		// Nothing of the attempt stays, and the tenant has all back.
		assert_eq!(Orders::<Runtime>::iter().count(), 0);
		assert_eq!(held("tenant"), 0);
	});
}
