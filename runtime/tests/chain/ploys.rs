//! Ploys of those who want a standing, a price or a lease that they have not earned, row by row of
//! `docs/reputation.md`; and what tenants are told of who could serve them.

use crate::harness::*;
use frame_support::{assert_noop, assert_ok, dispatch::DispatchResult};
use leasehold_primitives::{
	receipt, Balance, CloseReason, FailureCode, Fault, LeaseId, OrderId, PriceSheet, PriceSheetV1,
	ProviderId, Requirement, Score, Streams,
};
use leasehold_runtime::{
	configs::ProtocolFees, AccountId, Balances, Escrow, Market, Providers, Reputation, Runtime,
	Signature, System, LEASE,
};
use pallet_market::{
	reads::Candidate, Error, Event, LeaseState, NextLeaseId, NextOrderId, Order, OrderV1, Orders,
	Selection, TermsV1,
};
use pallet_providers::{ProviderInfo, ProviderInfoV1};
use pallet_reputation::{score::ONE, Pairs, ProviderScores, Standing, TenantScores, TermsV2};
use sp_core::{Pair, H256};

type E = Error<Runtime>;
type P = pallet_providers::Error<Runtime>;

pub fn half_life() -> u32 {
	TermsV2::default().half_life
}

fn place_by(who: &str, spec: OrderV1<AccountId>) -> OrderId {
	let id = NextOrderId::<Runtime>::get();
	Market::place_order(signed(who), Order::V1(spec)).unwrap();
	id
}

/// Has provider 0 win a job of `who` at this rate.
pub fn won(who: &str, rate: Balance, blocks: u32) -> LeaseId {
	let lease = NextLeaseId::<Runtime>::get();
	let pallet_market::Terms::V1(terms) = pallet_market::CurrentTerms::<Runtime>::get();
	let least = Escrow::minimal_deposit(rate, terms.start_deadline).unwrap();
	let spec = OrderV1 {
		max_rate: rate,
		deposit: least + rate * Balance::from(blocks),
		..order(1)
	};
	let id = place_by(who, spec);
	bid(0, id, rate).unwrap();
	to_block(now() + 5);
	lease
}

/// A job of `who` that provider 0 runs well for so many blocks.
pub fn served(who: &str, rate: Balance, blocks: u32) {
	let lease = won(who, rate, blocks);
	Market::start_lease(signed("operator0"), lease).unwrap();
	to_block_on_duty(now() + blocks, 0);
	Market::complete_lease(signed("operator0"), lease, 0, [0; 32]).unwrap();
	assert_eq!(closed(lease).paid, rate * Balance::from(blocks));
}

fn standing() -> u64 {
	Reputation::provider_standing(0).value
}

fn tenants_standing() -> u64 {
	Reputation::tenant_standing(account("tenant")).value
}

fn score() -> Score {
	Reputation::provider_standing(0).score(&TermsV2::default())
}

/// Provider 0 is half a life old, and has served nobody.
pub fn grown() {
	register(0);
	leap(now() + half_life());
}

/// Provider 0 and the tenant have standings of twenty.
pub fn reputed() {
	register(0);
	leap(half_life());
	let standing = Standing {
		value: 20 * ONE,
		at: now(),
		..Default::default()
	};
	ProviderScores::<Runtime>::insert(0, standing);
	TenantScores::<Runtime>::insert(account("tenant"), standing);
}

fn records() -> usize {
	let providers = ProviderScores::<Runtime>::iter().count();
	providers + TenantScores::<Runtime>::iter().count() + Pairs::<Runtime>::iter().count()
}

fn fees() -> Balance {
	Balances::free_balance(ProtocolFees::account())
}

/// All that these accounts own, on hold or not.
pub fn wealth(names: &[&str]) -> Balance {
	names.iter().map(|name| free(name) + held(name)).sum()
}

#[test]
fn dealings_with_oneself_cost_the_fee_and_count_nothing() {
	run(|| {
		grown();
		let own = ["owner0", "operator0"];
		let (before, taken) = (wealth(&own), fees());
		for who in own {
			served(who, LEASE, 10);
		}
		assert_eq!((records(), standing()), (0, 0));
		let fee = 2 * 10 * LEASE / 50;
		assert_eq!((before - wealth(&own), fees() - taken), (fee, fee));
	});
}

#[test]
fn a_friends_leases_cost_the_fee_and_are_capped() {
	run(|| {
		grown();
		let both = ["owner0", "friend"];
		let mut before = wealth(&both);
		let mut wash = |blocks: u32| {
			served("friend", LEASE, blocks);
			let lost = before - wealth(&both);
			before = wealth(&both);
			// A fiftieth of each LEASE that is paid.
			assert_eq!(lost, Balance::from(blocks) * LEASE / 50);
			standing()
		};
		let little = ONE / 100;
		assert_eq!(wash(5), 5 * ONE, "what was paid");
		let full = wash(30);
		let most = TermsV2::default().growth;
		assert!(
			full.abs_diff(most) < little,
			"{full}: no more than there is room for"
		);
		let more = wash(20);
		assert!(more.abs_diff(full) < 2 * little, "{more}: paid for nothing");
		// A half-life later half of it is gone, and there is room for as much again.
		pass(half_life());
		assert!(standing().abs_diff(most / 2) < 2 * little);
		let next = wash(50);
		assert!(next.abs_diff(most / 2 + most) < 2 * little, "{next}");
	});
}

#[test]
fn dust_leases_buy_next_to_nothing() {
	run(|| {
		grown();
		// A few planck leave no record at all.
		served("friend", 5, 1);
		assert_eq!(records(), 0);
		let (count, rate) = (10, LEASE / 1_000);
		for _ in 0..count {
			served("friend", rate, 1);
		}
		assert!(
			(1..=count * ONE / 1_000).contains(&standing()),
			"{}",
			standing()
		);
		assert!(score() < Score::from_percent(1));
	});
}

#[test]
fn one_huge_lease_buys_no_more_than_twenty_leases_worth() {
	run(|| {
		grown();
		let taken = fees();
		served("friend", 10 * LEASE, 100);
		assert_eq!(standing(), 20 * ONE);
		assert_eq!(fees() - taken, 20 * LEASE);
	});
}

#[test]
fn a_fresh_identity_costs_a_bond_and_has_nothing() {
	run(|| {
		reputed();
		let anew = |owner: &str, bond| {
			let info = ProviderInfo::V1(info());
			Providers::register(signed(owner), account("operator2"), bond, info)
		};
		let bond = providers_terms().min_bond;
		assert_noop!(anew("owner0", bond), P::AccountTaken);
		Providers::deregister(signed("owner0")).unwrap();
		assert_noop!(anew("owner0", bond), P::AccountTaken);
		to_block(now() + providers_terms().unbonding_period - 1);
		assert_noop!(anew("owner0", bond), P::AccountTaken);
		// Until then the bond is locked, and another owner needs one of its own.
		assert_noop!(anew("owner1", bond - 1), P::BondTooLow);
		assert_noop!(anew("nobody", bond), P::InsufficientFunds);
		assert_ok!(anew("owner1", bond));
		assert_eq!((held("owner0"), held("owner1")), (1_000 * LEASE, bond));
		next_block();
		assert_eq!(held("owner0"), 0);
		assert_eq!(enlist("owner0", "operator0", info()), 2);
		for id in 1..=2 {
			let fresh = Reputation::provider_standing(id);
			assert_eq!(fresh.value, 0);
			assert_eq!(fresh.score(&TermsV2::default()), Score::zero());
		}
		let fresh = Reputation::provider_standing(2);
		assert_eq!((fresh.room, fresh.since), (0, now()));
	});
}

#[test]
fn an_idle_provider_with_an_offer_loses_half() {
	run(|| {
		reputed();
		Providers::set_offer(signed("operator0"), Some(sheet())).unwrap();
		let (before, owner) = (score(), free("owner0"));
		for _ in 0..4 {
			pass(half_life() / 4);
			beat(0).unwrap();
		}
		assert!(
			standing().abs_diff(10 * ONE) < 10,
			"duty alone is no service"
		);
		assert!(score() < before);
		assert_eq!(free("owner0"), owner);
	});
}

#[test]
fn bidding_low_and_failing_before_the_start_yields_nothing() {
	run(|| {
		reputed();
		let (tenant, owner) = (wealth(&["tenant"]), wealth(&["owner0"]));
		let lease = won("tenant", LEASE, 10);
		let before = (standing(), tenants_standing());
		Market::fail_lease(signed("operator0"), lease, FailureCode::Internal).unwrap();
		assert_eq!(closed(lease).fault, Fault::Mishap);
		assert_eq!((standing(), tenants_standing()), before, "nothing was paid");
		assert_eq!(wealth(&["tenant"]), tenant);
		// Who just lets the time go by is worse off.
		let lease = won("tenant", LEASE, 10);
		to_block(now() + 20);
		assert_eq!(closed(lease).reason, CloseReason::StartTimeout);
		assert!(standing() < before.0 * 9 / 10);
		assert_eq!(wealth(&["owner0"]), owner, "and has earned nothing");
	});
}

#[test]
fn who_never_sends_a_manifest_gains_nobody_anything() {
	run(|| {
		reputed();
		let (tenant, owner, taken) = (wealth(&["tenant"]), wealth(&["owner0"]), fees());
		let lease = won("tenant", LEASE, 10);
		let before = (standing(), tenants_standing());
		to_block(now() + 20);
		let record = closed(lease);
		assert_eq!(record.reason, CloseReason::StartTimeout);
		assert_eq!((record.fault, record.compensation), (Fault::Undecided, 0));
		let cost = 20 * LEASE / 2;
		assert_eq!((record.paid, record.fees), (cost, cost));
		assert_eq!((tenant - wealth(&["tenant"]), fees() - taken), (cost, cost));
		assert_eq!(wealth(&["owner0"]), owner);
		assert!(standing() < before.0 && tenants_standing() < before.1);
	});
	run(|| {
		// Nor do those who have no standing yet come by one.
		grown();
		won("tenant", LEASE, 10);
		to_block(now() + 20);
		assert_eq!((standing(), tenants_standing()), (0, 0));
	});
}

#[test]
fn closing_while_it_starts_leaves_no_outcome() {
	run(|| {
		grown();
		let (tenant, taken) = (wealth(&["tenant"]), fees());
		let lease = won("tenant", LEASE, 10);
		to_block(now() + 6);
		Market::close_lease(signed("tenant"), lease).unwrap();
		assert_eq!(closed(lease).reason, CloseReason::TenantClosed);
		let cost = 6 * LEASE / 2;
		assert_eq!((tenant - wealth(&["tenant"]), fees() - taken), (cost, cost));
		assert_eq!(records(), 0);
		assert_eq!(pallet_reputation::Sweeping::<Runtime>::get(), None);
	});
}

/// Hands in a receipt of `signer` for `block`.
fn hand_in(signer: &str, id: LeaseId, block: u32) -> DispatchResult {
	let genesis: H256 = System::block_hash(0);
	let payload = receipt::payload(&genesis, id, &lease(id).manifest_hash, block);
	let signature = Signature::Sr25519(pair(signer).sign(&payload));
	Market::submit_receipt(signed("tenant"), id, block, signature)
}

#[test]
fn a_manifest_with_a_receipt_cannot_be_denied() {
	for rotates in [false, true] {
		run(|| {
			reputed();
			let id = won("tenant", LEASE, 10);
			let made = now();
			let tenant = wealth(&["tenant"]);
			let mut operator = "operator0";
			to_block(made + 2);
			if rotates {
				operator = "operator2";
				Providers::rotate_operator(signed("owner0"), account(operator)).unwrap();
				to_block(made + 4);
				assert_noop!(hand_in("operator0", id, made + 3), E::InvalidReceipt);
				assert_noop!(hand_in(operator, id, made + 1), E::InvalidReceipt);
			}
			assert_ok!(hand_in("operator0", id, made + 1));
			let before = (standing(), tenants_standing());
			to_block(made + market_terms().manifest_deadline);
			let deny = |who: &str| plain(Market::report_missing_manifest(signed(who), id));
			assert_noop!(deny(operator), E::ReceiptOnChain);
			if rotates {
				assert_noop!(deny("operator0"), E::NotProvider);
			}
			to_block(made + 20);
			let record = closed(id);
			assert_eq!(record.reason, CloseReason::StartTimeout);
			assert_eq!((record.fault, record.paid), (Fault::Provider, 0));
			assert_eq!(wealth(&["tenant"]), tenant, "waiting cost it nothing");
			// The slice of fifty LEASE is what it weighs.
			assert!(standing() < before.0 * 6 / 10, "{}", standing());
			assert!(tenants_standing() > before.1 - ONE);
		});
	}
}

/// An order with as much on deposit as default terms ask for.
fn funded(spec: OrderV1<AccountId>) -> OrderV1<AccountId> {
	OrderV1 {
		deposit: 5_000 * spec.max_rate,
		..spec
	}
}

#[test]
fn the_last_block_gives_no_advantage() {
	run_at_default_terms(|| {
		register(0);
		register(1);
		let id = place(funded(order(1)));
		let ends = |id| Orders::<Runtime>::get(id).unwrap().bidding_ends;
		let first = ends(id);
		bid(0, id, 1_000).unwrap();
		to_block(first - 1);
		assert_noop!(bid(1, id, 999), E::LateUndercut);
		assert_ok!(bid(1, id, 980));
		// Nobody takes back what made others go lower.
		let withdraw = |who| Market::withdraw_bid(signed(who), id);
		assert_noop!(withdraw("operator1"), E::BidLocked);
		assert_noop!(withdraw("operator0"), E::BidLocked);
		let extended = now() + TermsV1::default().bid_lock + 1;
		assert_eq!((ends(id), extended), (extended, first + 1));
		let event = Event::BiddingExtended {
			order: id,
			bidding_ends: extended,
		};
		System::assert_has_event(event.into());
		// The other sees it, and can answer.
		to_block(first);
		assert_noop!(bid(0, id, 979), E::LateUndercut);
		assert_ok!(bid(0, id, 960));
		assert_eq!(ends(id), extended + 1);
		to_block(extended);
		assert!(Orders::<Runtime>::contains_key(id));
		to_block(extended + 1);
		assert_eq!((lease(0).provider, stream(0).rate), (0, 960));
	});
}

#[test]
fn the_last_block_gives_no_advantage_in_any_place_that_wins() {
	run_at_default_terms(|| {
		crowd(4, info);
		let bid =
			|n: u32, id, rate| plain(Market::place_bid(signed(&format!("hand{n}")), id, rate));
		let mut spec = order(1);
		(spec.quantity.leases, spec.quantity.at_least) = (2, 2);
		let id = place(funded(spec));
		for (n, rate) in [(0, 500), (1, 1_000), (2, 2_000)] {
			bid(n, id, rate).unwrap();
		}
		let first = Orders::<Runtime>::get(id).unwrap().bidding_ends;
		to_block(first - 1);
		// Behind the two that win nothing is at stake.
		assert_ok!(bid(3, id, 1_999));
		assert_noop!(bid(2, id, 999), E::LateUndercut);
		assert_eq!(Orders::<Runtime>::get(id).unwrap().bidding_ends, first);
		assert_ok!(bid(2, id, 989));
		assert_eq!(Orders::<Runtime>::get(id).unwrap().bidding_ends, first + 1);
		to_block(first + 1);
		let winners = [lease(0).provider, lease(1).provider];
		assert_eq!(winners, [0, 2]);
	});
}

#[test]
fn bids_that_are_taken_back_give_no_advantage() {
	run_at_default_terms(|| {
		crowd(18, info);
		let hand = |n: u32| signed(&format!("hand{n}"));
		let bid = |n, id, rate| plain(Market::place_bid(hand(n), id, rate));
		let id = place(funded(OrderV1 {
			bidding: 10,
			..order(1)
		}));
		// Sixteen of one party fill the book at prices that nobody can serve at.
		for n in 0..16 {
			assert_ok!(bid(n, id, 1));
		}
		assert_noop!(bid(16, id, 500_000), E::OutbidByAll);
		let placed = Orders::<Runtime>::get(id).unwrap();
		let half = placed.bidding_ends - 5;
		to_block(half - 1);
		for n in 1..16 {
			assert_ok!(Market::withdraw_bid(hand(n), id));
		}
		// One at the ceiling is to win in their place; but half of bidding is left to the others.
		assert_ok!(bid(17, id, MAX_RATE));
		to_block(half);
		assert_noop!(Market::withdraw_bid(hand(0), id), E::BidLocked);
		assert_ok!(bid(16, id, 500_000));
		to_block(placed.bidding_ends - 1);
		assert_noop!(Market::withdraw_bid(hand(17), id), E::BidLocked);
		to_block(placed.bidding_ends);
		// Whose bid was not taken back in time must serve at it, or lose the slice.
		assert_eq!((lease(0).provider, stream(0).rate), (0, 1));
		let waits = TermsV1::default().start_deadline;
		assert_eq!(lease(0).slice, Balance::from(waits) * MAX_RATE);
	});
}

#[test]
fn orders_are_not_taken_for_next_to_nothing() {
	run(|| {
		// Bids of one planck by a provider with the least bond.
		let least = providers_terms().min_bond;
		let hog = enlist("owner0", "operator0", info());
		register(1);
		let mut spec = order(1);
		spec.max_rate = LEASE;
		spec.deposit = 32 * LEASE;
		let id = place(spec.clone());
		assert_ok!(bid(0, id, 1));
		to_block(now() + 5);
		let taken = lease(0);
		assert_eq!(taken.provider, hog);
		// Each keeps as much of its bond as the wait is worth at the ceiling.
		assert_eq!(
			taken.slice,
			Balance::from(market_terms().start_deadline) * LEASE
		);
		let slices = least / taken.slice;
		assert_eq!(slices, 5);
		spec.bidding = 3;
		(spec.resources.cpu, spec.resources.unit_cpu) = (100, 100);
		for manifest in 2..=5 {
			spec.manifest_hash = [manifest; 32];
			let id = place(spec.clone());
			assert_ok!(bid(1, id, LEASE / 2));
			assert_ok!(bid(0, id, 1));
			to_block(now() + 3);
			assert_eq!(lease(u64::from(manifest) - 1).provider, hog);
		}
		spec.manifest_hash = [6; 32];
		let id = place(spec.clone());
		assert_ok!(bid(1, id, LEASE / 2));
		assert_noop!(bid(0, id, 1), E::NotEligible);
		to_block(now() + 3);
		assert_eq!(lease(5).provider, 1, "for who serves");
		// Nor does failing one at once free what it reserved of the bond.
		let LeaseState::Starting { deadline, .. } = lease(4).state else {
			panic!("it starts");
		};
		let slice = lease(4).slice;
		let fail = Market::fail_lease(signed("operator0"), 4, FailureCode::Internal);
		assert_ok!(plain(fail));
		let until = deadline;
		System::assert_has_event(
			Event::SliceKept {
				lease: 4,
				slice,
				until,
			}
			.into(),
		);
		assert_eq!((provider(hog).leases, provider(hog).slices), (4, 5 * slice));
		spec.manifest_hash = [7; 32];
		let id = place(spec);
		assert_noop!(bid(0, id, 1), E::NotEligible);
		Providers::deregister(signed("owner0")).unwrap();
		to_block(deadline - 1);
		assert_eq!(provider(hog).slices, slice, "all others have timed out");
		assert_eq!(held("owner0"), least);
		to_block(deadline);
		assert_eq!((provider(hog).leases, provider(hog).slices), (0, 0));
		System::assert_has_event(Event::SliceFreed { lease: 4, slice }.into());
		to_block(now() + providers_terms().unbonding_period);
		assert_eq!(held("owner0"), 0);
	});
}

#[test]
fn a_ceiling_far_above_the_price_binds_no_bond_once_the_lease_runs() {
	run(|| {
		register(0);
		let rate = 1_000;
		let spec = OrderV1 {
			max_rate: LEASE,
			deposit: 32 * LEASE,
			..order(1)
		};
		let id = place(spec);
		assert_ok!(bid(0, id, rate));
		to_block(now() + 5);
		let waiting = Balance::from(market_terms().start_deadline) * LEASE;
		assert_eq!((lease(0).slice, provider(0).slices), (waiting, waiting));
		Market::start_lease(signed("operator0"), 0).unwrap();
		let slice = Balance::from(market_terms().compensation_blocks) * rate;
		assert_eq!((lease(0).slice, provider(0).slices), (slice, slice));
		System::assert_has_event(Event::SliceReduced { lease: 0, slice }.into());
		Market::abandon_lease(signed("operator0"), 0).unwrap();
		assert_eq!(closed(0).compensation, slice);
	});
}

fn enlist(owner: &str, operator: &str, info: ProviderInfoV1) -> ProviderId {
	let id = pallet_providers::NextProviderId::<Runtime>::get();
	let bond = providers_terms().min_bond;
	let info = ProviderInfo::V1(info);
	Providers::register(signed(owner), account(operator), bond, info).unwrap();
	id
}

fn sheet() -> PriceSheet {
	PriceSheet::V1(PriceSheetV1 {
		cpu: 10_000,
		memory: 1_000,
		..Default::default()
	})
}

/// Who could serve an order of the tenant, by number.
fn candidates(spec: OrderV1<AccountId>) -> Vec<Candidate> {
	let page = Market::candidates(account("tenant"), Order::V1(spec), None, 100);
	assert_eq!(page.next, None);
	let mut all = page.items;
	all.sort_by_key(|one| one.provider);
	all
}

#[test]
fn candidates_name_what_they_lack_and_ask_what_they_charge() {
	run(|| {
		let plain_info = ProviderInfoV1 {
			attributes: Default::default(),
			..info()
		};
		let good = enlist("owner0", "operator0", info());
		let silent = enlist("owner1", "operator1", plain_info.clone());
		let choosy = enlist("owner2", "operator2", info());
		let paused = enlist("f1", "f2", plain_info);
		for operator in ["operator0", "operator1", "operator2", "f2"] {
			Providers::set_offer(signed(operator), Some(sheet())).unwrap();
		}
		let friends = vec![account("friend")].try_into().unwrap();
		Providers::set_served(signed("owner2"), Some(friends)).unwrap();
		Providers::set_paused(signed("f1"), true).unwrap();
		let all = candidates(order(1));
		let lacks: Vec<_> = all.iter().map(|one| (one.provider, one.lacks)).collect();
		// The last one lacks an attribute as well.
		assert_eq!(
			lacks,
			[
				(good, None),
				(silent, Some(Requirement::Attributes)),
				(choosy, Some(Requirement::Tenant)),
				(paused, Some(Requirement::Accepting)),
			]
		);
		let offers: Vec<_> = all.iter().map(|one| one.offer.is_some()).collect();
		assert_eq!(offers, [true, false, false, false]);
		let (version, rate) = all[0].offer.unwrap();
		let at_once = OrderV1 {
			selection: Selection::Offer {
				provider: good,
				version,
			},
			bidding: 0,
			..order(1)
		};
		assert!(all[0].on_duty);
		assert_ok!(Market::lease_now(signed("tenant"), Order::V1(at_once)));
		assert_eq!(stream(0).rate, rate);
	});
	run(|| {
		reputed();
		register(1);
		let all = candidates(OrderV1 {
			min_score: Score::from_percent(30),
			..order(1)
		});
		assert_eq!(all[0].lacks, None);
		assert_eq!(all[1].lacks, Some(Requirement::Score));
	});
}
