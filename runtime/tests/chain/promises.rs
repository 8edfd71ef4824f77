//! What was agreed holds, whatever the terms and the accounts become since.

use crate::harness::*;
use frame_support::{assert_noop, assert_ok};
use leasehold_primitives::CloseReason;
use leasehold_runtime::{
	Balances, Escrow, Market, Providers, Runtime, RuntimeOrigin, System, EXISTENTIAL_DEPOSIT, LEASE,
};
use pallet_escrow::Refill;
use pallet_market::{Error, Event, LeaseState, Order, Orders, Suspension};
use sp_runtime::Perbill;

type E = Error<Runtime>;

fn set_escrow(change: impl FnOnce(&mut pallet_escrow::TermsV1)) {
	let mut terms = escrow_terms();
	change(&mut terms);
	Escrow::set_terms(RuntimeOrigin::root(), pallet_escrow::Terms::V1(terms)).unwrap();
}

fn set_providers(change: impl FnOnce(&mut pallet_providers::TermsV1)) {
	let mut terms = providers_terms();
	change(&mut terms);
	Providers::set_terms(RuntimeOrigin::root(), pallet_providers::Terms::V1(terms)).unwrap();
}

#[test]
fn an_open_order_ranks_its_bids_by_one_weight() {
	run(|| {
		(0..3).for_each(|n| {
			register(n);
		});
		let id = place(order(1));
		bid(0, id, 100).unwrap();
		set_market(|terms| terms.rank_weight = Perbill::from_percent(90));
		bid(1, id, 90).unwrap();
		let ranks: Vec<u128> = Orders::<Runtime>::get(id)
			.unwrap()
			.bids
			.iter()
			.map(|bid| bid.rank(market_terms().rank_weight))
			.collect();
		assert_eq!(ranks, [91, 101]);
		to_block(now() + 5);
		assert_eq!(lease(0).provider, 1);
		let rank = market_events().into_iter().find_map(|event| match event {
			Event::OrderMatched { rank, .. } => Some(rank),
			_ => None,
		});
		assert_eq!(
			rank,
			Some(91),
			"and the event says the same rank as the bid did"
		);
	});
}

#[test]
fn cancelling_costs_what_it_did_when_the_order_was_placed() {
	run(|| {
		register(0);
		let id = place(order(1));
		bid(0, id, 5).unwrap();
		let fee = market_terms().cancel_fee;
		set_market(|terms| terms.cancel_fee = terms.record_deposit);
		let before = free("tenant") + held("tenant");
		assert_ok!(plain(Market::cancel_order(signed("tenant"), id)));
		assert_eq!(before - free("tenant") - held("tenant"), fee);
	});
}

#[test]
fn an_order_that_can_no_longer_become_a_lease_ends_with_all_its_money() {
	run(|| {
		register(0);
		let before = free("tenant");
		let id = place(order(1));
		bid(0, id, MAX_RATE).unwrap();
		// The reserve is now more than the whole deposit.
		set_escrow(|terms| terms.suspension_period = 10_000);
		to_block(now() + 5);
		assert!(!Orders::<Runtime>::contains_key(id));
		assert!(market_events()
			.iter()
			.any(|event| matches!(event, Event::OrderExpired { fee: 0, .. })));
		assert_eq!((free("tenant"), held("tenant")), (before, 0));
		assert_eq!(provider(0).leases, 0);
	});
}

#[test]
fn another_size_keeps_unit_prices_and_takes_the_shares_that_are_in_force() {
	run(|| {
		let id = active_lease(1_001);
		let old = stream(id);
		set_escrow(|terms| {
			terms.storage_rate = Perbill::from_percent(50);
			terms.suspension_period = 200;
		});
		set_market(|terms| terms.compensation_blocks = 7);
		let mut double = order(1).resources;
		for amount in [
			&mut double.cpu,
			&mut double.memory,
			&mut double.ephemeral,
			&mut double.unit_cpu,
			&mut double.unit_memory,
		] {
			*amount *= 2;
		}
		assert_ok!(Market::propose_resize(signed("tenant"), id, double.clone()));
		assert_ok!(plain(Market::accept_resize(
			signed("operator0"),
			id,
			double
		)));
		// As a new lease would have them: no rounding of the old ones is carried on.
		let new = stream(id);
		assert_eq!((old.rate, old.storage_rate), (1_001, 101));
		assert_eq!((new.rate, new.storage_rate), (2_002, 1_001));
		assert_eq!(new.reserve, 200 * 1_001);
		assert_eq!(lease(id).slice, 7 * 2_002);
		assert_eq!(new.fee, old.fee);
	});
}

#[test]
fn a_proposal_can_be_taken_back() {
	run(|| {
		let id = active_lease(1_000);
		let (present, mut more) = (lease(id).taken, order(1).resources);
		more.cpu += 1;
		let take_back = || Market::propose_resize(signed("tenant"), id, present.clone());
		assert_noop!(take_back(), E::NothingToDo);
		assert_ok!(Market::propose_resize(signed("tenant"), id, more.clone()));
		assert_ok!(take_back());
		assert_noop!(
			plain(Market::accept_resize(signed("operator0"), id, more)),
			E::NoProposal
		);
	});
}

#[test]
fn a_longer_period_takes_no_provider_off_duty() {
	run(|| {
		let id = active_lease(1_000);
		let begin = now();
		set_providers(|terms| (terms.heartbeat_period, terms.heartbeat_grace) = (30, 40));
		to_block_on_duty(begin + 100, 0);
		settle(id);
		assert_eq!(stream(id).served_blocks, 100);
		let beats = pallet_providers::Heartbeats::<Runtime>::get(0).unwrap();
		assert_eq!(beats.grace, 40);
		assert_eq!(beats.served(now()), 100);
	});
}

#[test]
fn an_absence_that_ends_after_the_term_is_no_absence() {
	run(|| {
		let short = |manifest| {
			let mut spec = order(manifest);
			spec.max_duration = 200;
			spec
		};
		register(0);
		let (reported, failed, abandoned) = (
			lease_from(short(1), 100),
			lease_from(short(2), 100),
			lease_from(short(3), 100),
		);
		for id in [reported, failed, abandoned] {
			Market::start_lease(signed("operator0"), id).unwrap();
		}
		let bond = provider(0).bond;
		// The agenda comes late, and the provider is away for long.
		System::set_block_number(now() + 1_000);
		assert_ok!(plain(Market::report_offline(signed("stranger"), reported)));
		assert_ok!(plain(Market::fail_lease(
			signed("operator0"),
			failed,
			leasehold_primitives::FailureCode::Crashed
		)));
		assert_ok!(plain(Market::abandon_lease(signed("operator0"), abandoned)));
		for id in [reported, failed, abandoned] {
			assert_eq!(closed(id).reason, CloseReason::TermEnded);
			assert_eq!(closed(id).compensation, 0);
		}
		assert_eq!(provider(0).bond, bond);
	});
}

#[test]
fn an_absence_that_came_before_the_end_of_the_term_is_one() {
	run(|| {
		let id = active_lease(1_000);
		// The term is a thousand blocks, the longest downtime three hundred.
		System::set_block_number(now() + 2_000);
		assert_ok!(plain(Market::report_offline(signed("stranger"), id)));
		assert_eq!(closed(id).reason, CloseReason::Offline);
		assert_eq!(closed(id).compensation, 100_000);
	});
}

#[test]
fn coming_back_after_too_long_makes_up_for_nothing() {
	run(|| {
		register(0);
		let made: Vec<_> = (1..=3).map(|n| lease_from(order(n), 1_000)).collect();
		for id in &made {
			Market::start_lease(signed("operator0"), *id).unwrap();
		}
		let (done, running, paused) = (made[0], made[1], made[2]);
		Market::pause_lease(signed("operator0"), paused).unwrap();
		let bond = provider(0).bond;
		// The agenda comes late.
		System::set_block_number(now() + providers_terms().max_downtime + 20);
		let resume = || plain(Market::resume_lease(signed("operator0"), paused));
		assert_noop!(resume(), E::Overdue);
		let pause = || plain(Market::pause_lease(signed("operator0"), running));
		assert_noop!(pause(), E::Overdue);
		let complete = Market::complete_lease(signed("operator0"), done, 0, [0; 32]);
		assert_ok!(plain(complete));
		assert_eq!(closed(done).reason, CloseReason::Offline);
		assert_eq!(bond - provider(0).bond, closed(done).compensation);
		assert_eq!(closed(done).compensation, 100_000);
		// Closing one made up for nothing either, nor does a heartbeat.
		let _ = beat(0);
		assert_noop!(pause(), E::Overdue);
		to_block(now() + 10);
		for id in [running, paused] {
			assert_eq!(closed(id).reason, CloseReason::Offline);
		}
		// Now it may begin anew.
		let id = lease_from(order(9), 1_000);
		assert_ok!(plain(Market::start_lease(signed("operator0"), id)));
	});
}

#[test]
fn a_heartbeat_in_the_last_moment_comes_too_late_for_all_leases() {
	for late in [0, 1] {
		run(|| {
			register(0);
			let hand = || signed("operator0");
			let mut ids = Vec::new();
			for n in 0..20 {
				let mut spec = order(n);
				(spec.resources.cpu, spec.resources.unit_cpu) = (100, 100);
				(spec.resources.memory, spec.resources.unit_memory) = (100, 100);
				spec.bidding = 3;
				let id = place(spec);
				Market::place_bid(hand(), id, 1_000).unwrap();
				to_block(now() + 3);
				ids.push(u64::from(n));
				Market::start_lease(hand(), u64::from(n)).unwrap();
			}
			let offline_at = now() + 15 + providers_terms().max_downtime;
			to_block(offline_at + late);
			// It comes back, and has a bid out.
			let open = place(order(99));
			submit(heartbeat_call(0, [7; 16], "operator0")).unwrap();
			assert_noop!(
				plain(Market::place_bid(hand(), open, 1_000)),
				E::NotEligible
			);
			to_block(now() + 10);
			for id in ids {
				assert_eq!(closed(id).reason, CloseReason::Offline, "{id}");
				assert_eq!(closed(id).compensation, 100_000);
			}
			assert_ok!(plain(Market::place_bid(hand(), place(order(98)), 1_000)));
		});
	}
}

#[test]
fn who_had_no_lease_was_not_absent() {
	run(|| {
		register(0);
		to_block(now() + 2 * providers_terms().max_downtime);
		let id = lease_from(order(1), 1_000);
		to_block(now() + 10);
		assert_ok!(plain(Market::start_lease(signed("operator0"), id)));
		to_block(now() + 10);
		Market::complete_lease(signed("operator0"), id, 0, [0; 32]).unwrap();
		assert_eq!(closed(id).paid, 10_000);
	});
}

#[test]
fn who_is_absent_for_too_long_wins_nothing() {
	for back in [false, true] {
		run(|| {
			register(0);
			register(1);
			// The second starts after the absence of the first was too long, and keeps it.
			let running = lease_from(order(1), 1_000);
			Market::start_lease(signed("operator0"), running).unwrap();
			let offline_at = now() + 15 + providers_terms().max_downtime;
			to_block(offline_at - 7);
			let waiting = lease_from(order(2), 1_000);
			let open = place(order(3));
			bid(0, open, 900).unwrap();
			bid(1, open, 1_000).unwrap();
			to_block(offline_at + 1);
			if back {
				beat(0).unwrap();
				let away = pallet_providers::Event::AbsenceTooLong {
					provider: 0,
					offline_at,
				};
				System::assert_has_event(away.into());
			}
			assert_eq!(bid(0, place(order(4)), 1_000), Err(E::NotEligible.into()));
			to_block(now() + 5);
			assert_eq!(closed(running).reason, CloseReason::Offline);
			assert_eq!(lease(waiting).provider, 0);
			assert_eq!(lease(waiting + 1).provider, 1, "the absent is passed over");
			to_block(now() + market_terms().start_deadline);
			assert_eq!(closed(waiting).reason, CloseReason::StartTimeout);
			let over = pallet_providers::Event::AbsenceOver { provider: 0 };
			assert_eq!(
				System::events()
					.iter()
					.any(|e| e.event == over.clone().into()),
				back
			);
			assert_ok!(bid(0, place(order(5)), 1_000));
		});
	}
}

#[test]
fn a_match_puts_nobody_on_duty() {
	run(|| {
		register(0);
		offer_cpu(1);
		to_block(now() + 100);
		let at_once = |n| {
			let order = Order::V1(by_offer(order(n)));
			Market::lease_now(signed("tenant"), order)
		};
		assert_noop!(at_once(1), E::NotOnDuty);
		let id = lease_from(order(2), 1_000);
		assert_noop!(at_once(3), E::NotOnDuty);
		let served = || {
			pallet_providers::Heartbeats::<Runtime>::get(0)
				.unwrap()
				.served(now())
		};
		assert_eq!(served(), 0);
		let matched = now();
		// The daemon reports at once.
		beat(0).unwrap();
		assert_ok!(at_once(4));
		assert_eq!(now(), matched);
		assert_ok!(plain(Market::start_lease(signed("operator0"), id)));
	});
}

#[test]
fn what_a_lease_reserves_once_it_runs_is_fixed_at_the_match() {
	for blocks in [1, 1_000] {
		run(|| {
			let id = starting_lease(1_000);
			let ceiling = lease(id).slice;
			set_market(|terms| terms.compensation_blocks = blocks);
			Market::start_lease(signed("operator0"), id).unwrap();
			assert_eq!(lease(id).slice, 100 * 1_000);
			assert!(ceiling > 100 * 1_000);
			Market::abandon_lease(signed("operator0"), id).unwrap();
			assert_eq!(closed(id).compensation, 100 * 1_000);
		});
	}
}

/// A lease that ran dry, with a refill agreed while the tenant had nothing left.
fn dry_with_refill() -> u64 {
	let id = poor_lease();
	let refill = Refill {
		amount: 100 * MAX_RATE,
		budget: 250 * MAX_RATE,
	};
	Escrow::set_refill(signed("tenant"), id, Some(refill)).unwrap();
	let rest = free("tenant") - EXISTENTIAL_DEPOSIT;
	Balances::transfer_keep_alive(signed("tenant"), account("f1").into(), rest).unwrap();
	let dry = |id| {
		matches!(
			lease(id).state,
			LeaseState::Suspended {
				why: Suspension::Dry,
				..
			}
		)
	};
	while !dry(id) {
		next_block();
		let _ = beat(0);
	}
	Balances::transfer_keep_alive(signed("f1"), account("tenant").into(), LEASE).unwrap();
	id
}

#[test]
fn a_dry_lease_is_refilled_once_the_tenant_has_money_again() {
	run(|| {
		let id = dry_with_refill();
		for _ in 0..40 {
			next_block();
			let _ = beat(0);
		}
		assert!(matches!(lease(id).state, LeaseState::Active { .. }));
		assert!(stream(id).deposited >= 132 * MAX_RATE);
	});
}

#[test]
fn nothing_is_taken_for_a_dry_lease_that_cannot_resume() {
	run(|| {
		let id = dry_with_refill();
		// Another tenant takes the whole machine meanwhile.
		let mut hog = order(9);
		hog.resources = machine();
		let other = pallet_market::NextOrderId::<Runtime>::get();
		Market::place_order(signed("friend"), pallet_market::Order::V1(hog)).unwrap();
		let before = free("tenant");
		assert_noop!(bid(0, other, 5), E::NotEligible);
		let mut less = info();
		less.capacity.cpu = 500;
		less.capacity.unit_cpu = 500;
		Providers::update(signed("owner0"), pallet_providers::ProviderInfo::V1(less)).unwrap();
		while pallet_market::Leases::<Runtime>::contains_key(id) {
			next_block();
			let _ = beat(0);
		}
		assert_eq!(closed(id).reason, CloseReason::OutOfFunds);
		assert_eq!(closed(id).paid, 32 * MAX_RATE);
		assert_eq!(free("tenant"), before, "nothing more was taken");
	});
}
