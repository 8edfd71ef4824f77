//! Balances of just the existential deposit, and destinations that cannot be paid.

use crate::harness::*;
use frame_support::{assert_noop, assert_ok};
use leasehold_runtime::{
	Balances, Escrow, Market, Providers, Runtime, RuntimeOrigin, EXISTENTIAL_DEPOSIT, LEASE,
};
use pallet_escrow::Refill;
use pallet_market::Order;

/// Leaves an account with `rest` planck of free balance.
fn leave(who: &str, rest: u128) {
	let value = free(who) - rest;
	let to = account("operator2").into();
	Balances::transfer_keep_alive(signed(who), to, value).unwrap();
}

#[test]
fn an_owner_with_nothing_but_its_bond_is_paid_to_the_last_planck() {
	run(|| {
		let id = active_lease(1);
		leave("owner0", EXISTENTIAL_DEPOSIT);
		for _ in 0..3 {
			next_block();
			settle(id);
		}
		assert_eq!(free("owner0"), EXISTENTIAL_DEPOSIT + 3);
		assert_eq!((stream(id).paid, stream(id).fees), (3, 0));
	});
}

#[test]
fn a_tenant_with_nothing_left_but_its_account_gets_all_that_is_unspent() {
	run(|| {
		register(0);
		let id = place(order(1));
		leave("tenant", EXISTENTIAL_DEPOSIT);
		let held_before = held("tenant");
		bid(0, id, MAX_RATE).unwrap();
		to_block(now() + 5);
		Market::start_lease(signed("operator0"), 0).unwrap();
		to_block(now() + 3);
		Market::close_lease(signed("tenant"), 0).unwrap();
		to_block(now() + market_terms().closed_retention + 1);
		let all = EXISTENTIAL_DEPOSIT + held_before - 3 * MAX_RATE;
		assert_eq!((free("tenant"), held("tenant")), (all, 0));
	});
}

#[test]
fn funders_keep_their_accounts_and_get_refunds_of_any_size() {
	run(|| {
		let id = poor_lease();
		let deposit = 5 * MAX_RATE;
		assert_ok!(Escrow::deposit(signed("friend"), id, deposit));
		let rest = free("friend");
		let away =
			Balances::transfer_allow_death(signed("friend"), account("operator2").into(), rest);
		assert!(away.is_err(), "what is on hold keeps the account");
		Balances::transfer_all(signed("friend"), account("operator2").into(), false).unwrap();
		assert_eq!(free("friend"), EXISTENTIAL_DEPOSIT);
		to_block_on_duty(now() + 34, 0);
		Market::close_lease(signed("tenant"), id).unwrap();
		// Two of five blocks of the friend's are spent; the refund is far below the existential deposit.
		let refund = deposit - 2 * MAX_RATE;
		assert!(refund < EXISTENTIAL_DEPOSIT);
		assert_eq!(
			(free("friend"), held("friend")),
			(EXISTENTIAL_DEPOSIT + refund, 0)
		);
	});
}

#[test]
fn a_fee_destination_that_is_gone_keeps_nobody_from_being_paid() {
	for funders in [1, 2] {
		run(|| {
			let id = poor_lease();
			pallet_escrow::FeeDestination::<Runtime>::put(account("nobody"));
			let owner = free("owner0");
			if funders == 2 {
				assert_ok!(Escrow::deposit(signed("friend"), id, 50 * MAX_RATE));
			}
			let blocks = 20 * funders;
			to_block_on_duty(now() + blocks, 0);
			settle(id);
			assert_ok!(plain(Market::close_lease(signed("tenant"), id)));
			let gross = u128::from(blocks) * MAX_RATE;
			assert_eq!((closed(id).paid, closed(id).fees), (gross, 0));
			assert_eq!(free("owner0") - owner, gross);
			assert_eq!(free("nobody"), 0);
		});
	}
}

#[test]
fn a_start_in_vain_costs_nothing_if_nobody_can_take_it() {
	run(|| {
		let id = starting_lease(MAX_RATE);
		let before = free("tenant");
		pallet_escrow::FeeDestination::<Runtime>::put(account("nobody"));
		to_block(now() + 10);
		assert_ok!(plain(Market::close_lease(signed("tenant"), id)));
		assert_eq!((closed(id).paid, closed(id).fees), (0, 0));
		assert_eq!(free("tenant") - before, order(1).deposit);
		assert_eq!(free("nobody"), 0);
	});
}

/// Each call that puts money on hold: by whom, how much, and what is refused if the account would be left
/// with less than the existential deposit.
#[test]
fn every_hold_leaves_the_existential_deposit() {
	type Try = fn() -> sp_runtime::DispatchResult;
	let order_deposit = 100 * MAX_RATE + market_terms().record_deposit;
	let bond = providers_terms().min_bond;
	let statement = providers_terms().attestation_deposit;
	let market: sp_runtime::DispatchError =
		pallet_escrow::Error::<Runtime>::InsufficientFunds.into();
	let registry: sp_runtime::DispatchError =
		pallet_providers::Error::<Runtime>::InsufficientFunds.into();
	let cases: [(&str, u128, sp_runtime::DispatchError, Try); 6] = [
		("tenant", order_deposit, market, || {
			Market::place_order(signed("tenant"), Order::V1(order(7)))
		}),
		("tenant", 5_000, market, || {
			plain(Escrow::deposit(signed("tenant"), 0, 5_000))
		}),
		("friend", LEASE, market, || {
			plain(Escrow::deposit(signed("friend"), 0, LEASE))
		}),
		("owner2", bond, registry, || {
			let info = pallet_providers::ProviderInfo::V1(info());
			Providers::register(signed("owner2"), account("f5"), 100 * LEASE, info)
		}),
		("owner0", LEASE, registry, || {
			Providers::raise_bond(signed("owner0"), LEASE)
		}),
		("f1", statement, registry, || {
			Providers::attest(signed("f1"), 0, attributes(&[("a", "b")]), 50)
		}),
	];
	for (who, amount, error, call) in cases {
		for missing in [1, 0] {
			run(|| {
				active_lease(5);
				leave(who, EXISTENTIAL_DEPOSIT + amount - missing);
				if missing > 0 {
					assert_noop!(call(), error);
				} else {
					assert_ok!(call());
					assert_eq!(free(who), EXISTENTIAL_DEPOSIT, "{who}");
				}
			});
		}
	}
}

#[test]
fn a_refill_leaves_the_existential_deposit() {
	for missing in [1, 0] {
		run(|| {
			let id = poor_lease();
			let amount = 30 * MAX_RATE;
			let refill = Refill {
				amount,
				budget: amount,
			};
			Escrow::set_refill(signed("tenant"), id, Some(refill)).unwrap();
			leave("tenant", EXISTENTIAL_DEPOSIT + amount - missing);
			to_block_on_duty(now() + 15, 0);
			let missed = pallet_escrow::Event::RefillMissed { lease: id, amount };
			let taken = stream(id).refill.is_none_or(|refill| refill.budget == 0);
			assert_eq!(taken, missing == 0);
			let was_missed = leasehold_runtime::System::events()
				.iter()
				.any(|record| record.event == missed.clone().into());
			assert_eq!(was_missed, missing == 1);
			let left = free("tenant");
			assert!(left >= EXISTENTIAL_DEPOSIT, "{left}");
			if missing == 0 {
				assert_eq!(left, EXISTENTIAL_DEPOSIT);
			}
		});
	}
}

#[test]
fn compensation_and_refunds_reach_an_account_with_nothing_else() {
	run(|| {
		let id = active_lease(MAX_RATE);
		leave("tenant", EXISTENTIAL_DEPOSIT);
		to_block(now() + 5);
		settle(id);
		let back = stream(id).held();
		assert_ok!(plain(Market::abandon_lease(signed("operator0"), id)));
		let all = EXISTENTIAL_DEPOSIT + back + 100 * MAX_RATE;
		assert_eq!(free("tenant"), all);
	});
}

#[test]
fn the_fee_destination_is_at_least_the_existential_deposit() {
	run(|| {
		let id = active_lease(MAX_RATE);
		let to = account("fresh");
		let set = || Escrow::set_fee_destination(RuntimeOrigin::root(), to.clone());
		let empty = pallet_escrow::Error::<Runtime>::EmptyFeeDestination;
		assert_noop!(set(), empty);
		let give =
			|value| Balances::transfer_keep_alive(signed("friend"), account("fresh").into(), value);
		assert_noop!(
			give(EXISTENTIAL_DEPOSIT - 1),
			sp_runtime::TokenError::BelowMinimum
		);
		assert_ok!(give(EXISTENTIAL_DEPOSIT));
		assert_ok!(set());
		// Fees far below the existential deposit arrive.
		to_block(now() + 1);
		settle(id);
		let fee = MAX_RATE / 50;
		assert!(fee < EXISTENTIAL_DEPOSIT);
		assert_eq!(free("fresh"), EXISTENTIAL_DEPOSIT + fee);
	});
}

#[test]
fn a_stream_whose_provider_is_unknown_pays_nobody() {
	run(|| {
		let id = active_lease(1_000);
		to_block(now() + 3);
		let record = pallet_providers::Providers::<Runtime>::take(0).unwrap();
		assert_noop!(
			plain(Escrow::settle(signed("friend"), id)),
			pallet_escrow::Error::<Runtime>::NoPayee
		);
		pallet_providers::Providers::<Runtime>::insert(0, record);
		settle(id);
		assert_eq!(stream(id).paid, 3_000);
	});
}
