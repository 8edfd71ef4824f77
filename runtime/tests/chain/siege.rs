//! The chain under siege: blocks that others fill, balances that are locked, crowds of records, of
//! bids and of funders. What was promised is kept all the same, and lists leave nothing out.

use crate::harness::*;
use codec::Encode;
use frame_support::{
	assert_noop, assert_ok,
	dispatch::{DispatchClass, GetDispatchInfo},
	traits::{Authorize, Hooks},
	weights::{Weight, WeightMeter},
};
use frame_system::CheckWeight;
use leasehold_primitives::{AgendaItem, LeaseId, OrderId, Resources};
use leasehold_runtime::{
	configs::RuntimeBlockWeights, AccountId, Agenda, Escrow, Market, Providers, Runtime,
	RuntimeCall, System, LEASE,
};
use pallet_agenda::WeightInfo as _;
use pallet_market::{
	reads::Page, Call, ClosedLease, ClosedLeases, Error, Event, LeaseState, Leases, OpenBids,
	Order, OrderV1, Orders, Selection, Suspension, WeightInfo as _,
};
use pallet_providers::ProviderInfo;
use sp_runtime::DispatchError;
use std::collections::BTreeSet;

type E = Error<Runtime>;
type Weights = leasehold_runtime::weights::pallet_market::WeightInfo<Runtime>;
type AgendaWeights = leasehold_runtime::weights::pallet_agenda::WeightInfo<Runtime>;

/// The part of a block that the agenda may use before any transaction.
fn quarter() -> Weight {
	RuntimeBlockWeights::get().max_block.saturating_div(4)
}

/// Lets a block begin: the agenda works with its quarter, and keeps to it.
fn begin_block() {
	let next = now() + 1;
	System::set_block_number(next);
	let mut meter = WeightMeter::with_limit(RuntimeBlockWeights::get().max_block);
	Agenda::on_poll(next, &mut meter);
	let used = meter.consumed();
	assert!(used.all_lte(quarter()), "{used} in block {next}");
}

/// Fills the present block with ordinary transactions to the brim.
fn fill_block() {
	frame_system::BlockWeight::<Runtime>::kill();
	let weights = RuntimeBlockWeights::get();
	let most = weights.get(DispatchClass::Normal).max_total.unwrap();
	System::register_extra_weight_unchecked(most, DispatchClass::Normal);
}

/// Whether a transaction of this call still fits into the block; if so, it has its place.
fn fits(call: &RuntimeCall) -> bool {
	let mut info = call.get_dispatch_info();
	info.extension_weight = call.weight_of_authorize();
	let length = call.encoded_size();
	CheckWeight::<Runtime>::do_validate(&info, length)
		.and_then(|(_, next)| CheckWeight::<Runtime>::do_prepare(&info, length, next))
		.is_ok()
}

fn transfer() -> RuntimeCall {
	let value = LEASE;
	let dest = account("friend").into();
	pallet_balances::Call::transfer_keep_alive { dest, value }.into()
}

fn place_by(who: &str, spec: OrderV1<AccountId>) -> OrderId {
	let id = pallet_market::NextOrderId::<Runtime>::get();
	Market::place_order(signed(who), Order::V1(spec)).unwrap();
	id
}

#[test]
fn full_blocks_do_not_keep_a_provider_from_its_duty() {
	run(|| {
		let id = active_lease(1_000);
		let begin = now();
		assert!(fits(&transfer()), "into an empty block it does");
		let mut beats = 0;
		let blocks = providers_terms().max_downtime + 50;
		for n in 1..=blocks {
			begin_block();
			fill_block();
			assert!(!fits(&transfer()), "no ordinary transaction fits any more");
			if n % providers_terms().heartbeat_period == 0 {
				let call = heartbeat_call(0, [0; 16], "operator0");
				assert!(fits(&call), "a heartbeat does");
				submit(call).unwrap();
				beats += 1;
			}
		}
		assert_eq!((now(), beats), (begin + blocks, 35));
		assert!(matches!(lease(id).state, LeaseState::Active { .. }));
		let ended = |event: &Event<Runtime>| {
			matches!(
				event,
				Event::LeaseClosed { .. } | Event::LeaseSuspended { .. }
			)
		};
		assert!(!market_events().iter().any(ended));
		settle(id);
		assert_eq!(stream(id).served_blocks, blocks);
		assert_eq!(stream(id).paid, 1_000 * u128::from(blocks));
	});
}

#[test]
fn a_new_session_takes_one_block_from_all_but_heartbeats() {
	use pallet_babe::CurrentSlot;
	run(|| {
		active_lease(1_000);
		begin_block();
		let next = now() + 1;
		let none = leasehold_runtime::Session::on_initialize(next);
		assert!(none.all_lt(quarter()), "{none}");
		CurrentSlot::<Runtime>::put(sp_consensus_babe::Slot::from(1_000));
		let whole = RuntimeBlockWeights::get().max_block;
		let taken = leasehold_runtime::Session::on_initialize(next);
		assert_eq!(taken, whole);
		frame_system::BlockWeight::<Runtime>::kill();
		System::register_extra_weight_unchecked(taken, DispatchClass::Mandatory);
		assert!(!fits(&transfer()));
		assert!(fits(&heartbeat_call(0, [0; 16], "operator0")));
		frame_system::BlockWeight::<Runtime>::kill();
		assert!(fits(&transfer()), "the next block is as any");
	});
}

#[test]
fn locked_balances_stop_no_step_of_a_lease() {
	run(|| {
		register(0);
		let mut poor = order(1);
		poor.deposit = 32 * MAX_RATE;
		let ids = [place(poor), place(order(2)), place(order(3))];
		for (id, rate) in ids.into_iter().zip([MAX_RATE, 1_000, 5]) {
			bid(0, id, rate).unwrap();
		}
		lock("tenant");
		lock("owner0");
		let owner = free("owner0");
		// An order that is taken back, for its fee, and two that are cleared.
		assert_ok!(plain(Market::cancel_order(signed("tenant"), ids[2])));
		to_block(now() + 5);
		assert_eq!(Leases::<Runtime>::iter().count(), 2);
		let of = |order| {
			let mut leases = Leases::<Runtime>::iter();
			leases.find(|(_, lease)| lease.order == order).unwrap().0
		};
		let (dear, cheap) = (of(ids[0]), of(ids[1]));
		for id in [dear, cheap] {
			Market::start_lease(signed("operator0"), id).unwrap();
		}
		assert_ok!(plain(Escrow::deposit(signed("f1"), dear, 100 * MAX_RATE)));
		lock("f1");
		// What the tenant had in the first is used up, and three blocks of the funder's.
		to_block_on_duty(now() + 35, 0);
		settle(dear);
		let funders: Vec<_> = stream(dear).funders.iter().map(|f| f.held).collect();
		assert_eq!(stream(dear).paid, 35 * MAX_RATE);
		assert_eq!(funders, [0, 97 * MAX_RATE]);
		assert_ok!(plain(Market::abandon_lease(signed("operator0"), dear)));
		assert_eq!(closed(dear).compensation, 100 * MAX_RATE);
		assert_ok!(plain(Market::close_lease(signed("tenant"), cheap)));
		assert_eq!(closed(cheap).paid, 35 * 1_000);
		assert_eq!(free("owner0") - owner, 35 * (MAX_RATE + 1_000) * 98 / 100);
		assert_eq!(held("owner0"), 1_000 * LEASE - 100 * MAX_RATE);
		assert_eq!((free("f1"), held("f1")), (ENDOWMENT - 3 * MAX_RATE, 0));
		to_block(now() + market_terms().closed_retention + 1);
		assert_eq!(ClosedLeases::<Runtime>::iter().count(), 0);
		let spent = 32 * MAX_RATE + 35 * 1_000 + market_terms().cancel_fee;
		let left = ENDOWMENT + 100 * MAX_RATE - spent;
		assert_eq!((free("tenant"), held("tenant")), (left, 0));
	});
}

#[test]
fn two_thousand_sweeps_keep_nobody_waiting() {
	run(|| {
		use leasehold_primitives::Agenda as _;
		const FIRST: u64 = 10_000;
		let real = active_lease(5);
		Market::close_lease(signed("tenant"), real).unwrap();
		// Thirty blocks' worth beyond the reserve.
		let mut poor = order(2);
		poor.deposit = 32 * MAX_RATE;
		let dry = lease_from(poor, MAX_RATE);
		Market::start_lease(signed("operator0"), dry).unwrap();
		let at = now() + 30;
		let mut last = order(3);
		last.bidding = 30;
		let ends = place(last);
		bid(0, ends, 5).unwrap();
		assert_eq!(Orders::<Runtime>::get(ends).unwrap().due, at);
		for id in FIRST..FIRST + 2_000 {
			let record = ClosedLease {
				record_deposit: 0,
				due: Agenda::schedule(AgendaItem::Closed(id), at),
				..closed(real)
			};
			assert_eq!(record.due, at);
			ClosedLeases::<Runtime>::insert(id, record);
		}
		let left = || {
			ClosedLeases::<Runtime>::iter_keys()
				.filter(|id| *id >= FIRST)
				.count()
		};
		let is_dry = || {
			let why = Suspension::Dry;
			let state = lease(dry).state;
			matches!(state, LeaseState::Suspended { why: given, .. } if given == why)
		};
		while now() < at - 1 {
			begin_block();
			let _ = beat(0);
		}
		assert_eq!(left(), 2_000);
		assert!(!is_dry() && Orders::<Runtime>::contains_key(ends));
		begin_block();
		assert!(left() > 0, "one block does not do for all");
		begin_block();
		begin_block();
		assert!(is_dry(), "money does not wait for sweeps");
		assert!(!Orders::<Runtime>::contains_key(ends), "nor do orders");
		assert_eq!(lease(dry + 1).order, ends);
		assert_eq!(stream(dry).paid, 30 * MAX_RATE);
		while left() > 0 {
			begin_block();
			assert!(now() < at + 50, "{} are left", left());
		}
		println!("swept in {} blocks", now() + 1 - at);
	});
}

/// Makes so many leases with the least deposit by the standing offer of provider 0, and starts them, all in this
/// block.
fn many_leases(count: u32, rate: u128) -> Vec<LeaseId> {
	let mut wide = info();
	(wide.capacity.cpu, wide.capacity.memory) = (10 * count, 10 * count);
	Providers::update(signed("owner0"), ProviderInfo::V1(wide)).unwrap();
	offer_cpu(100 * rate);
	let poor = by_offer(OrderV1 {
		resources: tiny(),
		max_rate: rate,
		deposit: 32 * rate,
		..order(0)
	});
	let first = pallet_market::NextLeaseId::<Runtime>::get();
	for n in 0..count {
		let mut spec = poor.clone();
		spec.manifest_hash[..4].copy_from_slice(&(n + 1_000).to_le_bytes());
		Market::lease_now(signed("tenant"), Order::V1(spec)).unwrap();
		Market::start_lease(signed("operator0"), first + u64::from(n)).unwrap();
	}
	(first..first + u64::from(count)).collect()
}

#[test]
fn ten_thousand_streams_that_run_dry_in_one_block_keep_the_budget_and_are_all_met() {
	run(|| {
		const COUNT: u32 = 10_000;
		let rate = 1_000;
		register(0);
		let ids = many_leases(COUNT, rate);
		let begin = now();
		let is_dry = |id: &LeaseId| {
			let lease = Leases::<Runtime>::get(id);
			!lease.is_some_and(|lease| matches!(lease.state, LeaseState::Active { .. }))
		};
		for id in [ids[0], ids[COUNT as usize - 1]] {
			assert_eq!(
				(lease(id).due, stream(id).spendable()),
				(begin + 15, 30 * rate)
			);
		}
		let dry = begin + 30;
		while now() < dry - 1 {
			begin_block();
			let _ = beat(0);
			assert!(fits(&transfer()), "ordinary transactions go on");
		}
		assert!(!ids.iter().any(is_dry));
		// Between these the entry for the start that was in time is looked at, too.
		let visit = Weights::visit_lease(1)
			.saturating_add(AgendaWeights::retry())
			.saturating_add(AgendaWeights::look().saturating_mul(2));
		let a_block = quarter().ref_time() / visit.ref_time();
		let predicted = u64::from(COUNT).div_ceil(a_block);
		let mut blocks = 0;
		while !ids.iter().all(is_dry) {
			begin_block();
			let _ = beat(0);
			assert!(fits(&transfer()), "ordinary transactions go on");
			blocks += 1;
			assert!(blocks <= predicted + 1, "{blocks} of {predicted} blocks");
		}
		println!("met in {blocks} blocks, {predicted} by the weights");
		// Late as they were met, each is paid up to the block in which it ran dry; the first have used up their
		// reserve by now.
		for id in ids {
			match pallet_escrow::StreamsOf::<Runtime>::get(id) {
				Some(stream) => assert_eq!(stream.paid, 30 * rate, "{id}"),
				None => assert_eq!((closed(id).paid, closed(id).refunded), (32 * rate, 0)),
			}
		}
		// What the visits cost was paid for when the leases were made.
		let paid = (Call::<Runtime>::start_lease { lease: 0 }).get_dispatch_info();
		let alone = Weights::start_lease();
		let for_visits = paid.call_weight.saturating_sub(alone);
		assert!(for_visits.all_gte(Weights::visit_lease(1)));
	});
}

fn owner(n: u32) -> String {
	format!("many{n}")
}

fn hand(n: u32) -> String {
	format!("hand{n}")
}

#[test]
fn a_crowd_of_bids_binds_nobody_but_the_winner() {
	run(|| {
		const CROWD: u32 = 20;
		let bond = providers_terms().min_bond;
		crowd(CROWD, info);
		let id = place(order(1));
		for n in 0..CROWD {
			let rate = 1_000 - u128::from(n);
			assert_ok!(plain(Market::place_bid(signed(&hand(n)), id, rate)));
		}
		let kept = Orders::<Runtime>::get(id).unwrap().bids;
		let kept: Vec<u32> = kept.iter().map(|bid| bid.provider).collect();
		assert_eq!(kept, (4..CROWD).rev().collect::<Vec<_>>());
		for provider in 0..4 {
			System::assert_has_event(
				Event::BidEvicted {
					order: id,
					provider,
				}
				.into(),
			);
			assert_eq!(OpenBids::<Runtime>::get(provider), 0);
		}
		assert_noop!(
			plain(Market::place_bid(signed(&hand(0)), id, 1_000)),
			E::OutbidByAll
		);
		to_block(now() + 5);
		let winner = CROWD - 1;
		assert_eq!((lease(0).provider, stream(0).rate), (winner, 981));
		assert_eq!(OpenBids::<Runtime>::iter().count(), 0);
		for n in 0..CROWD {
			let record = provider(n);
			assert_eq!((held(&owner(n)), free(&owner(n))), (bond, LEASE), "{n}");
			assert_eq!((held(&hand(n)), free(&hand(n))), (0, 0), "{n}");
			if n != winner {
				assert_eq!((record.leases, record.slices), (0, 0), "{n}");
				assert_eq!(record.reserved, Resources::default(), "{n}");
			}
		}
		assert_eq!(
			held("tenant"),
			order(1).deposit + market_terms().record_deposit
		);
	});
}

#[test]
fn a_strangers_place_lasts_as_long_as_its_money() {
	run(|| {
		register(0);
		let rate = 1_000;
		let mut spec = order(1);
		spec.max_rate = rate;
		spec.deposit = 32 * rate;
		let id = lease_from(spec, rate);
		Market::start_lease(signed("operator0"), id).unwrap();
		let begin = now();
		let strangers = ["friend", "stranger", "f1", "f2", "f3", "f4", "f5"];
		let least = escrow_terms().min_top_up;
		assert_eq!(least, rate);
		for who in strangers {
			let too_little = pallet_escrow::Error::<Runtime>::DepositTooLow;
			assert_noop!(
				plain(Escrow::deposit(signed(who), id, least - 1)),
				too_little
			);
			assert_ok!(plain(Escrow::deposit(signed(who), id, least)));
		}
		let latecomer = || plain(Escrow::deposit(signed("owner2"), id, LEASE));
		let full = pallet_escrow::Error::<Runtime>::TooManyFunders;
		assert_noop!(latecomer(), full);
		// The tenant's own thirty-two blocks come first.
		to_block_on_duty(begin + 32, 0);
		let full = pallet_escrow::Error::<Runtime>::TooManyFunders;
		assert_noop!(latecomer(), full);
		to_block_on_duty(begin + 33, 0);
		assert_ok!(latecomer());
		let funders: Vec<_> = stream(id).funders.into_iter().map(|f| f.who).collect();
		assert_eq!(funders.len(), 8);
		assert!(funders.contains(&account("owner2")));
		assert!(!funders.contains(&account("friend")), "its money is spent");
		to_block_on_duty(begin + 40, 0);
		settle(id);
		assert_eq!(stream(id).paid, 40 * rate);
		for who in strangers {
			assert_eq!((free(who), held(who)), (ENDOWMENT - least, 0), "{who}");
		}
		assert_ok!(plain(Market::close_lease(signed("tenant"), id)));
		assert_eq!(free("owner2"), ENDOWMENT - rate);
	});
}

#[test]
fn a_drained_bond_still_covers_the_strangers_slice() {
	run(|| {
		register(0);
		let most = market_terms().max_slice;
		let rate = most / u128::from(market_terms().compensation_blocks);
		let dear = |blocks: u128| OrderV1 {
			max_rate: rate,
			deposit: blocks * rate,
			..order(1)
		};
		let stranger = lease_from(dear(200), rate);
		Market::start_lease(signed("operator0"), stranger).unwrap();
		assert_eq!(lease(stranger).slice, most);
		// The provider breaks its word to a tenant of its own, until nobody may lease from it.
		let mut drained = 0;
		let refused = loop {
			let id = place_by("friend", dear(32));
			if let Err(refused) = bid(0, id, rate) {
				break refused;
			}
			let own = pallet_market::NextLeaseId::<Runtime>::get();
			to_block(now() + 5);
			Market::start_lease(signed("operator0"), own).unwrap();
			Market::abandon_lease(signed("operator0"), own).unwrap();
			assert_eq!(closed(own).compensation, most);
			drained += most;
			assert!(provider(0).bond >= provider(0).slices);
		};
		assert_eq!(refused, DispatchError::from(E::NotEligible));
		assert_eq!(drained, 950 * LEASE);
		assert_eq!((provider(0).bond, provider(0).slices), (most, most));
		assert_eq!(lease(stranger).slice, most);
		let before = free("tenant");
		let back = stream(stranger).held();
		Market::abandon_lease(signed("operator0"), stranger).unwrap();
		let record = closed(stranger);
		assert_eq!(record.compensation, most, "whole");
		assert_eq!(free("tenant") - before, most + record.refunded);
		assert!(record.refunded <= back);
		assert_eq!((provider(0).bond, held("owner0")), (0, 0));
	});
}

#[test]
fn closing_costs_less_than_what_it_ends() {
	let closing = Weights::close_lease(1).ref_time();
	let made = Weights::place_order().saturating_add(Weights::visit_order(1, 1));
	assert!(closing < made.ref_time());
	// What a lease leaves to the agenda is paid for when it is made.
	let paid = |call: Call<Runtime>| {
		let call = RuntimeCall::from(call);
		call.get_dispatch_info().call_weight.ref_time()
	};
	let placed = Order::V1(order(1));
	let at_once = Order::V1(OrderV1 {
		selection: Selection::Offer {
			provider: 0,
			version: 1,
		},
		bidding: 0,
		..order(1)
	});
	assert!(closing < paid(Call::place_order { order: placed }));
	assert!(closing < paid(Call::lease_now { order: at_once }));
	// Nor is it the dearest of all ends.
	for other in [Weights::abandon_lease(1), Weights::report_offline(1)] {
		assert!(closing < other.ref_time());
	}
}

/// All pages of a list, of at most `limit` entries each.
fn walk<Item, Id>(limit: u32, read: impl Fn(Option<Id>, u32) -> Page<Item, Id>) -> Vec<Item> {
	let (mut all, mut after) = (Vec::new(), None);
	loop {
		let page = read(after, limit);
		assert!(page.items.len() <= limit as usize);
		all.extend(page.items);
		after = page.next;
		if after.is_none() {
			return all;
		}
	}
}

/// A list of 103 entries comes in pages of 1 to 100, without repeats.
fn check<Item, Id, Key: Ord>(
	read: impl Fn(Option<Id>, u32) -> Page<Item, Id>,
	key: impl Fn(&Item) -> Key,
) {
	let first = [0, 1, 101, u32::MAX].map(|limit| read(None, limit).items.len());
	assert_eq!(first, [1, 1, 100, 100]);
	for limit in [1, 10, 100] {
		let seen = walk(limit, &read);
		let distinct: BTreeSet<_> = seen.iter().map(&key).collect();
		assert_eq!((seen.len(), distinct.len()), (103, 103), "{limit} a page");
	}
}

#[test]
fn lists_of_crowds_come_in_pages_without_repeats() {
	run(|| {
		let who = account("tenant");
		crowd(103, info);
		let read =
			|after, limit| Market::candidates(who.clone(), Order::V1(order(1)), after, limit);
		check(read, |candidate| candidate.provider);
		for manifest in 0..103 {
			place(OrderV1 {
				bidding: 40,
				..order(manifest)
			});
		}
		check(
			|after, limit| Market::biddable(0, after, limit),
			|(id, _)| *id,
		);
		let read = |after, limit| Market::open_items(who.clone(), after, limit);
		check(read, |(key, _)| *key);
		let others = Market::open_items(account("friend"), None, 100);
		assert_eq!((others.items.len(), others.next), (0, None));
	});
}
