//! The agenda.

use super::setting::{at, caller, now, order_with_bids, short_terms};
use crate::{deadlines::Deadlines, Agenda, Runtime};
use frame_benchmarking::v2::*;
use frame_support::{
	traits::Hooks,
	weights::{Weight, WeightMeter},
};
use leasehold_primitives::{Agenda as _, AgendaClass, AgendaHandler, AgendaItem};
use pallet_market::Selection;

pub struct Pallet<T: Config>(core::marker::PhantomData<T>);
pub trait Config: frame_system::Config {}
impl Config for Runtime {}

#[benchmarks]
mod benchmarks {
	use super::*;

	/// A block in which one full page of entries falls due, all of one item that is gone.
	#[benchmark]
	fn turn_page() {
		at(100);
		for class in [
			AgendaClass::Money,
			AgendaClass::Clearing,
			AgendaClass::Sweeping,
		] {
			pallet_agenda::Cursor::<Runtime>::insert(class, 100);
		}
		for _ in 0..64 {
			Agenda::schedule(AgendaItem::Scores, 101);
		}
		at(101);
		let mut meter = WeightMeter::with_limit(Weight::MAX);
		#[block]
		{
			Agenda::on_poll(101, &mut meter);
		}
		let key = (AgendaClass::Sweeping, 101);
		assert_eq!(pallet_agenda::PageCount::<Runtime>::get(key), 0);
	}

	/// Looking whether the largest of all records waits for this block, and what its visit costs; and whether a
	/// lease does that is gone, which looks in two places.
	#[benchmark]
	fn look() {
		short_terms();
		let tenant = caller();
		let (order, _) = order_with_bids(&tenant, 8, 8, Selection::BestBid);
		let item = AgendaItem::Order(order);
		let found;
		#[block]
		{
			let gone = Deadlines::due(AgendaItem::Lease(u64::MAX));
			found = (Deadlines::due(item).xor(gone), Deadlines::weight(item));
		}
		assert!(found.0.is_some());
		assert!(found.1.ref_time() > 0);
	}

	/// Putting a failed entry down again, on a new page; and looking for a lease's, which is in one of two places.
	#[benchmark]
	fn retry() {
		short_terms();
		let tenant = caller();
		let (order, _) = order_with_bids(&tenant, 8, 8, Selection::BestBid);
		let block = now() + 1_000;
		for n in 0..64 {
			Agenda::schedule(AgendaItem::Order(u64::MAX - n), block);
		}
		#[block]
		{
			let at = Agenda::schedule(AgendaItem::Order(order), block);
			Deadlines::postpone(AgendaItem::Order(order), at);
			Deadlines::postpone(AgendaItem::Lease(u64::MAX), at);
		}
		let key = (AgendaClass::Clearing, block);
		assert_eq!(pallet_agenda::PageCount::<Runtime>::get(key), 2);
	}

	impl_benchmark_test_suite!(
		Pallet,
		crate::benchmarks::setting::externalities(),
		crate::Runtime
	);
}
