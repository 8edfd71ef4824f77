//! Streams that refill themselves, and dry ones whose capacity is gone.

use crate::{harness::*, states::service};
use frame_support::{assert_noop, assert_ok};
use leasehold_primitives::{CloseReason, Fault};
use leasehold_runtime::{
	Balances, Escrow, Market, Providers, Runtime, RuntimeOrigin, System, EXISTENTIAL_DEPOSIT,
};
use pallet_escrow::{Phase, Refill, WeightInfo};
use pallet_market::LeaseState;
use pallet_providers::ProviderInfo;
use sp_runtime::DispatchError::BadOrigin;

type S = pallet_escrow::Error<Runtime>;

#[test]
fn who_cannot_resume_for_want_of_capacity_is_not_at_fault() {
	run(|| {
		let id = service(|order| {
			order.deposit = 32 * MAX_RATE;
			(order.resources.cpu, order.resources.unit_cpu) = (3_000, 3_000);
		});
		let refill = Refill {
			amount: 30 * MAX_RATE,
			budget: 90 * MAX_RATE,
		};
		to_block_on_duty(now() + 30, 0);
		assert!(matches!(stream(id).phase, Phase::Stored(_)));
		// The provider has not got it any more, and no refill is taken.
		let mut less = info();
		(less.capacity.cpu, less.capacity.unit_cpu) = (2_999, 2_999);
		Providers::update(signed("owner0"), ProviderInfo::V1(less)).unwrap();
		assert_ok!(Escrow::set_refill(signed("tenant"), id, Some(refill)));
		to_block_on_duty(now() + 60, 0);
		assert_eq!(closed(id).reason, CloseReason::OutOfFunds);
		assert_eq!(closed(id).fault, Fault::Nobody);
		assert_eq!(closed(id).paid, 32 * MAX_RATE);
	});
}

#[test]
fn a_refill_resumes_with_enough_to_run_on() {
	run(|| {
		let id = service(|order| order.deposit = 32 * MAX_RATE);
		to_block_on_duty(now() + 40, 0);
		// Half of the reserve of twenty blocks at a tenth of the rate is gone.
		let drawn = 2 * MAX_RATE - stream(id).held();
		assert!(matches!(stream(id).phase, Phase::Stored(_)));
		let refill = |budget| Refill {
			amount: 30 * MAX_RATE,
			budget,
		};
		let set = |budget| Escrow::set_refill(signed("tenant"), id, Some(refill(budget)));
		// The budget would leave too little.
		assert_ok!(set(30 * MAX_RATE));
		let visit = || {
			Market::visit(leasehold_primitives::AgendaItem::Lease(id)).unwrap();
		};
		visit();
		settle(id);
		let missing = 2 * MAX_RATE - stream(id).held();
		assert!(missing >= drawn && matches!(stream(id).phase, Phase::Stored(_)));
		let amount = 30 * MAX_RATE + missing;
		System::assert_has_event(pallet_escrow::Event::RefillMissed { lease: id, amount }.into());
		// More than was agreed for once, within the budget.
		assert_ok!(set(60 * MAX_RATE));
		visit();
		assert!(matches!(lease(id).state, LeaseState::Active { .. }));
		assert_eq!(stream(id).spendable(), 30 * MAX_RATE);
		let left = refill(30 * MAX_RATE - missing);
		assert_eq!(stream(id).refill, Some(left));
	});
}

#[test]
fn a_dry_lease_is_refilled_as_soon_as_its_tenant_has_money_again() {
	run(|| {
		let id = service(|order| order.deposit = 32 * MAX_RATE);
		let refill = Refill {
			amount: 30 * MAX_RATE,
			budget: 90 * MAX_RATE,
		};
		assert_ok!(Escrow::set_refill(signed("tenant"), id, Some(refill)));
		let (tenant, keeper) = (account("tenant"), account("f5"));
		let value = free("tenant") - EXISTENTIAL_DEPOSIT;
		let move_to = |from, to: &leasehold_runtime::AccountId| {
			Balances::transfer_keep_alive(signed(from), to.clone().into(), value)
		};
		assert_ok!(move_to("tenant", &keeper));
		to_block_on_duty(now() + 30, 0);
		assert!(matches!(stream(id).phase, Phase::Stored(_)));
		assert_ok!(move_to("f5", &tenant));
		// Not only when the reserve of twenty blocks is gone.
		to_block_on_duty(now() + 15, 0);
		assert!(matches!(lease(id).state, LeaseState::Active { .. }));
	});
}

#[test]
fn a_refill_takes_what_is_needed_if_the_tenant_has_not_all_that_was_agreed() {
	run(|| {
		let id = service(|order| order.deposit = 32 * MAX_RATE);
		let refill = Refill {
			amount: 100 * MAX_RATE,
			budget: 300 * MAX_RATE,
		};
		assert_ok!(Escrow::set_refill(signed("tenant"), id, Some(refill)));
		// Sixty blocks' worth are left of what thirty are needed of.
		let rest = EXISTENTIAL_DEPOSIT + 60 * MAX_RATE;
		let value = free("tenant") - rest;
		let to = account("f5").into();
		assert_ok!(Balances::transfer_keep_alive(signed("tenant"), to, value));
		to_block_on_duty(now() + 20, 0);
		assert_eq!(stream(id).refill.unwrap().budget, 270 * MAX_RATE);
		assert_eq!(free("tenant"), rest - 30 * MAX_RATE);
		assert!(matches!(stream(id).phase, Phase::Running(_)));
	});
}

#[test]
fn a_stream_refills_itself_within_its_budget() {
	run(|| {
		let id = service(|order| order.deposit = 32 * MAX_RATE);
		let refill = |amount, budget| Some(Refill { amount, budget });
		let set = |who: &str, refill| Escrow::set_refill(signed(who), id, refill);
		let good = refill(30 * MAX_RATE, 30 * MAX_RATE);
		assert_noop!(
			Escrow::set_refill(RuntimeOrigin::root(), id, good),
			BadOrigin
		);
		assert_noop!(
			Escrow::set_refill(signed("tenant"), id + 1, good),
			S::UnknownStream
		);
		assert_noop!(set("friend", good), S::NotTenant);
		assert_noop!(set("tenant", refill(0, 1)), S::ZeroAmount);
		assert_noop!(set("tenant", refill(1, 0)), S::ZeroAmount);
		// Twice the fifteen blocks at which funds are low.
		let less = refill(30 * MAX_RATE - 1, 60 * MAX_RATE);
		assert_noop!(set("tenant", less), S::DepositTooLow);
		assert_ok!(set("tenant", good));
		let begin = now();
		to_block_on_duty(begin + 59, 0);
		assert!(matches!(lease(id).state, LeaseState::Active { .. }));
		assert_eq!(stream(id).deposited, (32 + 30) * MAX_RATE);
		assert_eq!(stream(id).refill, None, "the budget is used up");
		to_block_on_duty(begin + 90, 0);
		assert_eq!(closed(id).reason, CloseReason::OutOfFunds);
		assert_eq!(closed(id).served_blocks, 60);
	});
}

#[test]
fn a_refill_that_the_balance_does_not_cover_is_no_refill() {
	run(|| {
		let id = service(|order| order.deposit = 32 * MAX_RATE);
		let refill = Refill {
			amount: 2 * ENDOWMENT,
			budget: 2 * ENDOWMENT,
		};
		assert_ok!(Escrow::set_refill(signed("tenant"), id, Some(refill)));
		// One planck less than what is needed.
		let value = free("tenant") - EXISTENTIAL_DEPOSIT - 30 * MAX_RATE + 1;
		let to = account("f5").into();
		assert_ok!(Balances::transfer_keep_alive(signed("tenant"), to, value));
		to_block_on_duty(now() + 60, 0);
		assert_eq!(closed(id).reason, CloseReason::OutOfFunds);
	});
}

#[test]
fn a_refill_outlives_a_change_of_size() {
	run(|| {
		let id = service(|order| order.deposit = 60 * MAX_RATE);
		let refill = Refill {
			amount: 30 * MAX_RATE,
			budget: 90 * MAX_RATE,
		};
		assert_ok!(Escrow::set_refill(signed("tenant"), id, Some(refill)));
		let mut more = order(1).resources;
		(more.cpu, more.unit_cpu) = (2_000, 2_000);
		Market::propose_resize(signed("tenant"), id, more.clone()).unwrap();
		Market::accept_resize(signed("operator0"), id, more).unwrap();
		let rate = stream(id).rate;
		assert!(rate > MAX_RATE);
		to_block_on_duty(now() + 50, 0);
		// Twice the fifteen blocks at which funds are low, at the new rate.
		assert_eq!(stream(id).deposited, 60 * MAX_RATE + 30 * rate);
		let left = stream(id).refill.unwrap();
		assert_eq!(
			(left.amount, left.budget),
			(refill.amount, refill.budget - 30 * rate)
		);
	});
}

#[test]
fn a_deposit_is_charged_for_the_funders_that_it_settles() {
	run(|| {
		let id = service(|order| order.deposit = 32 * MAX_RATE);
		for name in ["f1", "f2", "f3", "f4"] {
			Escrow::deposit(signed(name), id, MAX_RATE).unwrap();
		}
		to_block_on_duty(now() + 34, 0);
		assert_eq!(stream(id).funders.len(), 5);
		let post = Escrow::deposit(signed("f5"), id, MAX_RATE).unwrap();
		assert!(stream(id).funders.len() < 5, "the used-up are gone");
		let settling = <Runtime as pallet_escrow::Config>::WeightInfo::deposit_dry(5);
		assert!(post.actual_weight.unwrap().all_gte(settling));
	});
}
