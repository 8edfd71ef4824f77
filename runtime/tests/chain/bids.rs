//! Bidding and clearing.

use crate::{harness::*, ploys::reputed};
use frame_support::{assert_noop, assert_ok};
use leasehold_primitives::{Outcome, OutcomeObserver, Requirement, Score, Scores};
use leasehold_runtime::{Market, Providers, Reputation, Runtime, RuntimeOrigin, System, LEASE};
use pallet_market::{Error, Event, Leases, OpenBids, OrderV1, Quantity, RunnerUp};
use pallet_providers::ProviderInfo;
use sp_runtime::{DispatchError::BadOrigin, Perbill};

type E = Error<Runtime>;

#[test]
fn a_bad_bid_is_refused_with_the_right_error() {
	run(|| {
		register(0);
		let id = place(order(1));
		assert_noop!(Market::place_bid(RuntimeOrigin::root(), id, 5), BadOrigin);
		assert_noop!(Market::place_bid(signed("owner0"), id, 5), E::NotProvider);
		assert_noop!(bid(0, id + 1, 5), E::UnknownOrder);
		assert_noop!(bid(0, id, 0), E::ZeroRate);
		assert_noop!(bid(0, id, MAX_RATE + 1), E::RateTooHigh);
		assert_ok!(bid(0, id, MAX_RATE));
		assert_noop!(bid(0, id, MAX_RATE), E::AlreadyBid);
		for manifest in 2..=4 {
			let other = place(order(manifest));
			assert_ok!(bid(0, other, 5));
		}
		let fifth = place(order(5));
		assert_noop!(bid(0, fifth, 5), E::TooManyBids);
	});
}

#[test]
fn a_bid_can_be_lowered_and_never_raised() {
	run(|| {
		register(0);
		register(1);
		let id = place(order(1));
		bid(0, id, 100).unwrap();
		bid(1, id, 90).unwrap();
		assert_noop!(bid(0, id, 101), E::AlreadyBid);
		assert_ok!(bid(0, id, 80));
		assert_eq!(OpenBids::<Runtime>::get(0), 1);
		to_block(now() + 5);
		let winner = Leases::<Runtime>::get(0).unwrap();
		assert_eq!((winner.provider, stream(0).rate), (0, 80));
		assert_eq!(OpenBids::<Runtime>::iter().count(), 0);
	});
}

#[test]
fn a_lower_bid_must_rank_better_by_the_score_of_today() {
	run(|| {
		set_market(|terms| terms.rank_weight = Perbill::from_percent(50));
		reputed();
		register(1);
		let id = place(order(1));
		bid(0, id, 100_000).unwrap();
		bid(1, id, 120_000).unwrap();
		let rank = |place: usize| {
			let order = pallet_market::Orders::<Runtime>::get(id).unwrap();
			(
				order.bids[place].provider,
				order.bids[place].rank(order.rank_weight),
			)
		};
		let before = (rank(0), rank(1));
		assert_eq!((before.0 .0, before.1 .0), (0, 1));
		// It loses what it had: its bid stays as good as it was.
		pallet_reputation::ProviderScores::<Runtime>::remove(0);
		assert_noop!(bid(0, id, 99_999), E::AlreadyBid);
		assert_eq!((rank(0), rank(1)), before);
		assert_ok!(bid(0, id, 50_000));
		assert!(rank(0).1 < before.0 .1);
	});
}

#[test]
fn a_standing_answers_for_all_that_is_open() {
	run(|| {
		reputed();
		let score = |order, leases: u32| {
			let at_stake = u128::from(leases) * 1_000 * LEASE;
			let orders = pallet_market::Orders::<Runtime>::get(order).unwrap();
			let expected = Reputation::provider_for(0, at_stake);
			assert!(expected > Score::zero());
			assert_eq!(orders.bids[0].score, expected);
		};
		// A LEASE a block for a thousand blocks.
		let dear = |manifest| OrderV1 {
			max_rate: LEASE,
			deposit: 33 * LEASE,
			resources: tiny(),
			..order(manifest)
		};
		set_market(|terms| terms.max_open_bids = 5);
		let (first, second) = (place(dear(1)), place(dear(2)));
		let several = place(OrderV1 {
			quantity: Quantity {
				leases: 3,
				at_least: 1,
				spread: false,
			},
			..dear(3)
		});
		bid(0, first, LEASE).unwrap();
		score(first, 1);
		bid(0, second, LEASE).unwrap();
		score(second, 2);
		bid(0, several, LEASE).unwrap();
		score(several, 5);
		assert_eq!(OpenBids::<Runtime>::get(0), 5);
		let fourth = place(dear(4));
		assert_noop!(bid(0, fourth, LEASE), E::TooManyBids);
		// Not even a part of what it may come to is above the limit.
		Market::withdraw_bid(signed("operator0"), second).unwrap();
		bid(0, fourth, LEASE).unwrap();
		Market::withdraw_bid(signed("operator0"), several).unwrap();
		bid(0, second, LEASE).unwrap();
		assert_noop!(bid(0, several, LEASE), E::TooManyBids);
		Market::withdraw_bid(signed("operator0"), fourth).unwrap();
		bid(0, several, LEASE).unwrap();
		// Lowering it, a bid is not counted twice; leases that run are counted.
		Market::withdraw_bid(signed("operator0"), several).unwrap();
		assert_eq!(OpenBids::<Runtime>::get(0), 2);
		to_block(now() + 5);
		assert_eq!(provider(0).leases, 2);
		let third = place(dear(5));
		bid(0, third, LEASE).unwrap();
		score(third, 3);
		bid(0, third, LEASE - 1).unwrap();
		assert_eq!(OpenBids::<Runtime>::get(0), 1);
	});
}

#[test]
fn who_does_not_meet_the_order_cannot_bid() {
	run(|| {
		register(0);
		let refused = |manifest: u8, edit: fn(&mut pallet_market::OrderV1<_>), error: E| {
			let mut order = order(manifest);
			edit(&mut order);
			let id = place(order);
			assert_noop!(bid(0, id, 5), error);
		};
		refused(1, |o| o.resources.cpu = 4_001, E::NotEligible);
		refused(
			2,
			|o| o.attributes = attributes(&[("region", "us")]),
			E::NotEligible,
		);
		refused(
			3,
			|o| o.min_score = Perbill::from_percent(30),
			E::ScoreTooLow,
		);
		// The slice of the bond: 100 blocks of the rate, at most 50 LEASE.
		let mut dear = order(4);
		dear.max_rate = 10_000_000_000_000;
		dear.deposit = 33 * dear.max_rate;
		let id = place(dear);
		Providers::set_paused(signed("owner0"), true).unwrap();
		assert_noop!(bid(0, id, 5), E::NotEligible);
	});
}

#[test]
fn late_bids_are_refused() {
	run(|| {
		register(0);
		let id = place(order(1));
		to_block(5);
		System::set_block_number(6);
		assert_noop!(bid(0, id, 5), E::BiddingEnded);
	});
}

#[test]
fn a_bid_can_be_withdrawn_until_the_lock() {
	run(|| {
		register(0);
		register(1);
		let id = place(order(1));
		bid(0, id, 5).unwrap();
		assert_noop!(Market::withdraw_bid(RuntimeOrigin::root(), id), BadOrigin);
		assert_noop!(Market::withdraw_bid(signed("tenant"), id), E::NotProvider);
		assert_noop!(Market::withdraw_bid(signed("operator1"), id), E::NoBid);
		assert_noop!(
			Market::withdraw_bid(signed("operator0"), id + 1),
			E::UnknownOrder
		);
		assert_ok!(Market::withdraw_bid(signed("operator0"), id));
		assert_eq!(OpenBids::<Runtime>::get(0), 0);
		bid(0, id, 5).unwrap();
		to_block(5);
		assert_noop!(Market::withdraw_bid(signed("operator0"), id), E::BidLocked);
	});
}

#[test]
fn the_cheapest_of_equals_wins_and_the_event_says_why() {
	run(|| {
		(0..3).for_each(|n| {
			register(n);
		});
		let id = place(order(1));
		bid(0, id, 700).unwrap();
		bid(1, id, 500).unwrap();
		bid(2, id, 500).unwrap();
		to_block(6);
		let rank = |rate: u128| {
			let newcomer = pallet_reputation::score::lower_bound(0);
			leasehold_primitives::math::rank(rate, newcomer, market_terms().rank_weight)
		};
		let matched = market_events()
			.into_iter()
			.find_map(|event| match event {
				Event::OrderMatched {
					order,
					lease,
					provider,
					rate,
					rank,
					runner_up,
					..
				} => Some((order, lease, provider, rate, rank, runner_up)),
				_ => None,
			})
			.unwrap();
		let second = RunnerUp {
			provider: 2,
			rate: 500,
			rank: rank(500),
		};
		assert_eq!(
			matched,
			(id, 0, 1, 500, rank(500), Some(second)),
			"ties go to the earlier"
		);
		assert_eq!(OpenBids::<Runtime>::iter().count(), 0);
	});
}

#[test]
fn a_good_score_beats_a_slightly_lower_price() {
	run(|| {
		register(0);
		register(1);
		leap(pallet_reputation::TermsV2::default().half_life + 1);
		Reputation::observe(Outcome {
			provider: 1,
			tenant: account("customer"),
			fault: leasehold_primitives::Fault::Nobody,
			paid: 100 * leasehold_runtime::LEASE,
			at_stake: 100 * leasehold_runtime::LEASE,
		});
		let id = place(order(1));
		bid(0, id, 1_000).unwrap();
		bid(1, id, 1_005).unwrap();
		to_block(now() + 5);
		assert_eq!(Leases::<Runtime>::get(0).unwrap().provider, 1);
		let id = place(order(2));
		bid(0, id, 1_000).unwrap();
		bid(1, id, 1_100).unwrap();
		to_block(now() + 5);
		assert_eq!(Leases::<Runtime>::get(1).unwrap().provider, 0);
	});
}

#[test]
fn who_is_no_longer_eligible_is_skipped() {
	run(|| {
		register(0);
		register(1);
		let id = place(order(1));
		bid(1, id, 9).unwrap();
		bid_and_fill_up(id, 5);
		to_block(6);
		assert_eq!(Leases::<Runtime>::get(1).unwrap().provider, 1);
		let skipped = Event::BidSkipped {
			order: id,
			provider: 0,
			requirement: Requirement::Cpu,
		};
		System::assert_has_event(skipped.into());
	});
}

#[test]
fn an_order_expires_when_every_bidder_has_become_unfit() {
	run(|| {
		register(0);
		let before = free("tenant");
		let id = place(order(1));
		let other = bid_and_fill_up(id, 5);
		to_block(6);
		System::assert_has_event(Event::OrderExpired { order: id, fee: 0 }.into());
		assert_eq!(
			before - free("tenant"),
			order(99).deposit + lease(other).record_deposit
		);
	});
}

#[test]
fn bids_bind_what_they_rest_on() {
	type P = pallet_providers::Error<Runtime>;
	run(|| {
		register(0);
		let id = place(order(1));
		bid(0, id, 5).unwrap();
		let update = |edit: fn(&mut pallet_providers::ProviderInfoV1)| {
			let mut info = info();
			edit(&mut info);
			Providers::update(signed("operator0"), ProviderInfo::V1(info))
		};
		assert_noop!(update(|i| i.capacity.ephemeral -= 1), P::BidsStand);
		assert_noop!(update(|i| i.capacity.unit_cpu -= 1), P::BidsStand);
		assert_noop!(update(|i| i.attributes = Default::default()), P::BidsStand);
		assert_noop!(Providers::set_served(signed("owner0"), None), P::BidsStand);
		assert_noop!(Providers::deregister(signed("owner0")), P::BidsStand);
		// More is no harm to anybody.
		assert_ok!(update(|i| i.capacity.cpu += 1));
		to_block(6);
		assert_eq!(Leases::<Runtime>::get(0).unwrap().provider, 0);
		assert_ok!(update(|i| i.attributes = Default::default()));
		assert_ok!(Providers::set_served(signed("owner0"), None));
		assert_ok!(Providers::deregister(signed("owner0")));
	});
}

#[test]
fn pausing_does_not_take_a_bid_back() {
	run(|| {
		register(0);
		let id = place(order(1));
		bid(0, id, 5).unwrap();
		Providers::set_paused(signed("owner0"), true).unwrap();
		to_block(6);
		assert_eq!(Leases::<Runtime>::get(0).unwrap().provider, 0);
	});
}

#[test]
fn an_order_keeps_its_sixteen_best_bids() {
	run(|| {
		crowd(19, info);
		let id = place(order(1));
		let by_hand = |n: usize, rate| Market::place_bid(signed(&format!("hand{n}")), id, rate);
		for n in 0..16 {
			assert_ok!(by_hand(n, 1_000 - n as u128));
		}
		assert_noop!(by_hand(16, 1_000), E::OutbidByAll);
		assert_ok!(by_hand(17, 1));
		System::assert_has_event(
			Event::BidEvicted {
				order: id,
				provider: 0,
			}
			.into(),
		);
		assert_eq!(OpenBids::<Runtime>::get(0), 0);
		to_block(6);
		assert_eq!(Leases::<Runtime>::get(0).unwrap().provider, 17);
	});
}

#[test]
fn matched_capacity_never_exceeds_what_was_declared() {
	run(|| {
		register(0);
		// Four of five fit.
		for manifest in 1..=4 {
			let id = place(order(manifest));
			bid(0, id, 5).unwrap();
		}
		to_block(6);
		assert_eq!(Leases::<Runtime>::iter().count(), 4);
		let id = place(order(5));
		assert_noop!(bid(0, id, 5), E::NotEligible);
		assert_ok!(Market::close_lease(signed("tenant"), 0));
		assert_ok!(bid(0, id, 5));
	});
}
