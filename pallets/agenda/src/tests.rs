//! The agenda keeps its promises.

use crate::{mock::*, Event};
use frame_support::{
	traits::Hooks,
	weights::{Weight, WeightMeter},
};
use leasehold_primitives::{Agenda as _, AgendaItem};

fn to(block: u64) {
	while System::block_number() < block {
		let next = System::block_number() + 1;
		System::set_block_number(next);
		Agenda::on_poll(next, &mut WeightMeter::with_limit(Weight::MAX));
	}
}

#[test]
fn an_item_is_visited_in_its_block_once() {
	run(|| {
		put(AgendaItem::Lease(7), 5);
		to(4);
		assert!(visits().is_empty());
		to(9);
		assert_eq!(visits(), [(5, AgendaItem::Lease(7))]);
	});
}

#[test]
fn a_past_deadline_falls_due_in_the_next_block() {
	run(|| {
		to(10);
		put(AgendaItem::Order(1), 3);
		to(11);
		assert_eq!(visits(), [(11, AgendaItem::Order(1))]);
	});
}

#[test]
fn a_moved_deadline_leaves_a_stale_entry_that_does_nothing() {
	run(|| {
		put(AgendaItem::Lease(1), 3);
		put(AgendaItem::Lease(1), 6);
		to(5);
		assert!(visits().is_empty());
		to(6);
		assert_eq!(visits(), [(6, AgendaItem::Lease(1))]);
	});
}

#[test]
fn a_block_is_never_full() {
	run(|| {
		for n in 0..1_000 {
			put(AgendaItem::Order(n), 2);
		}
		to(2);
		assert_eq!(visits().len(), 1_000);
	});
}

#[test]
fn money_goes_before_clearing_before_sweeping() {
	run(|| {
		put(AgendaItem::Provider(1), 2);
		put(AgendaItem::Order(1), 2);
		put(AgendaItem::Lease(1), 2);
		to(2);
		let order: Vec<_> = visits().into_iter().map(|(_, item)| item).collect();
		assert_eq!(
			order,
			[
				AgendaItem::Lease(1),
				AgendaItem::Order(1),
				AgendaItem::Provider(1)
			]
		);
	});
}

#[test]
fn what_does_not_fit_waits_and_nothing_is_lost() {
	run(|| {
		let quarter = Agenda::budget();
		VISIT_WEIGHT.with_borrow_mut(|w| *w = quarter.saturating_div(10));
		for n in 0..100 {
			put(AgendaItem::Lease(n), 2);
		}
		to(2);
		let first = visits().len();
		assert!(
			(1..=10).contains(&first),
			"{first} visits in a quarter of a block"
		);
		put(AgendaItem::Order(0), 3);
		to(40);
		assert_eq!(visits().len(), 101);
		let order = visits()
			.iter()
			.position(|v| v.1 == AgendaItem::Order(0))
			.unwrap();
		assert!(
			(first..99).contains(&order),
			"clearing waits for money, but not for ever"
		);
	});
}

#[test]
fn idle_time_is_used_too() {
	run(|| {
		put(AgendaItem::Lease(1), 2);
		System::set_block_number(2);
		let used = Agenda::on_idle(2, Weight::MAX);
		assert_eq!(visits().len(), 1);
		assert!(used.ref_time() > 0);
		assert_eq!(Agenda::on_idle(2, Weight::zero()), Weight::zero());
	});
}

#[test]
fn a_failing_visit_is_tried_again_with_back_off_and_blocks_nobody() {
	run(|| {
		FAILING.with_borrow_mut(|f| f.push(AgendaItem::Lease(1)));
		put(AgendaItem::Lease(2), 2);
		put(AgendaItem::Lease(1), 2);
		to(10);
		assert!(visits().contains(&(2, AgendaItem::Lease(2))));
		let tries: Vec<_> = visits()
			.iter()
			.filter(|v| v.1 == AgendaItem::Lease(1))
			.map(|v| v.0)
			.collect();
		assert_eq!(tries, [2, 3, 5, 9]);
		System::assert_has_event(
			Event::EntryFailed {
				item: AgendaItem::Lease(1),
				error: sp_runtime::DispatchError::Unavailable,
				retry_at: 3,
			}
			.into(),
		);
		FAILING.with_borrow_mut(|f| f.clear());
		to(17);
		assert_eq!(visits().last(), Some(&(17, AgendaItem::Lease(1))));
		to(100);
		assert_eq!(visits().last(), Some(&(17, AgendaItem::Lease(1))));
	});
}

#[test]
#[should_panic(expected = "more than a quarter of the hook's budget")]
fn a_visit_too_dear_is_refused_by_the_integrity_test() {
	VISIT_WEIGHT.with_borrow_mut(|w| *w = Agenda::budget());
	Agenda::integrity_test();
}

#[test]
fn entries_are_found_where_they_stand() {
	run(|| {
		let at = Agenda::schedule(AgendaItem::Closed(3), 9);
		assert!(Agenda::has_entry(AgendaItem::Closed(3), at));
		assert!(!Agenda::has_entry(AgendaItem::Closed(3), at + 1));
		assert!(!Agenda::has_entry(AgendaItem::Closed(4), at));
		DUE.with_borrow_mut(|d| d.insert(AgendaItem::Closed(3), at));
	});
}
