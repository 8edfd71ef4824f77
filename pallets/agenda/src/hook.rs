//! Writing entries down, and working them off.

extern crate alloc;

use crate::{pallet::*, Entry, Page, WeightInfo};
use alloc::vec;
use frame_support::{
	storage::with_storage_layer,
	traits::Get,
	weights::{Weight, WeightMeter},
};
use leasehold_primitives::{Agenda, AgendaClass, AgendaHandler, AgendaItem, BlockNumber};
use sp_runtime::SaturatedConversion;

/// The longest delay before a failed visit is tried again: 2^10 blocks.
const MAX_BACK_OFF: u32 = 10;

impl<T: Config> Pallet<T> {
	pub(crate) fn now() -> BlockNumber {
		frame_system::Pallet::<T>::block_number().saturated_into()
	}

	pub(crate) fn budget() -> Weight {
		T::BlockShare::get() * T::BlockWeights::get().max_block
	}

	/// The most that meeting one entry costs: the visit, and putting the item down once more.
	fn entry_weight(item: AgendaItem) -> Weight {
		T::Handler::weight(item).saturating_add(T::WeightInfo::retry())
	}

	fn push(entry: Entry, at: BlockNumber) -> BlockNumber {
		let at = at.max(Self::now().saturating_add(1));
		let key = (entry.item.class(), at);
		let pages = PageCount::<T>::get(key);
		let last = pages.saturating_sub(1);
		if pages > 0 && Pages::<T>::try_append(key, last, &entry).is_ok() {
			return at;
		}
		Pages::<T>::insert(key, pages, Page::truncate_from(vec![entry]));
		PageCount::<T>::insert(key, pages.saturating_add(1));
		at
	}

	pub(crate) fn work(meter: &mut WeightMeter) {
		let now = Self::now();
		// Money goes first, but never takes all: a quarter of the budget is left for the others.
		let most = meter.remaining().saturating_div(4).saturating_mul(3);
		let mut first = WeightMeter::with_limit(most);
		Self::work_class(AgendaClass::Money, now, &mut first);
		meter.consume(first.consumed());
		for class in [
			AgendaClass::Clearing,
			AgendaClass::Sweeping,
			AgendaClass::Money,
		] {
			if !Self::work_class(class, now, meter) {
				return;
			}
		}
	}

	/// Works off one class. `false` if the budget ended first.
	fn work_class(class: AgendaClass, now: BlockNumber, meter: &mut WeightMeter) -> bool {
		if meter
			.try_consume(T::DbWeight::get().reads_writes(1, 1))
			.is_err()
		{
			return false;
		}
		let start = Cursor::<T>::get(class);
		let mut block = start;
		let mut finished = true;
		while block <= now {
			if meter.try_consume(T::WeightInfo::turn_page()).is_err() {
				finished = false;
				break;
			}
			let pages = PageCount::<T>::get((class, block));
			if pages == 0 {
				block = block.saturating_add(1);
				continue;
			}
			let page = pages.saturating_sub(1);
			if !Self::work_page(class, block, page, now, meter) {
				finished = false;
				break;
			}
			Pages::<T>::remove((class, block), page);
			if page == 0 {
				PageCount::<T>::remove((class, block));
			} else {
				PageCount::<T>::insert((class, block), page);
			}
		}
		if block != start {
			Cursor::<T>::insert(class, block);
		}
		finished
	}

	/// Works off one page. `false` if the budget ended first; what is left stays in the page.
	fn work_page(
		class: AgendaClass,
		block: BlockNumber,
		page: u32,
		now: BlockNumber,
		meter: &mut WeightMeter,
	) -> bool {
		let mut entries = Pages::<T>::get((class, block), page);
		while let Some(entry) = entries.last() {
			// A stale entry costs the look at its record only.
			let looked = meter.try_consume(T::WeightInfo::look()).is_ok();
			let stale = looked && T::Handler::due(entry.item) != Some(block);
			let affordable = stale || meter.try_consume(Self::entry_weight(entry.item)).is_ok();
			if !looked || !affordable {
				Pages::<T>::insert((class, block), page, entries);
				return false;
			}
			if let Some(entry) = entries.pop().filter(|_| !stale) {
				Self::meet(entry, now);
			}
		}
		true
	}

	fn meet(entry: Entry, now: BlockNumber) {
		if let Err(error) = with_storage_layer(|| T::Handler::visit(entry.item)) {
			let delay = 1u32 << u32::from(entry.failures).min(MAX_BACK_OFF);
			let failures = entry.failures.saturating_add(1);
			let item = entry.item;
			let retry_at = Self::push(Entry { item, failures }, now.saturating_add(delay));
			T::Handler::postpone(item, retry_at);
			Self::deposit_event(Event::EntryFailed {
				item,
				error,
				retry_at,
			});
		}
	}

	/// Whether an entry for `item` stands at block `at` (I5).
	pub fn has_entry(item: AgendaItem, at: BlockNumber) -> bool {
		let key = (item.class(), at);
		(0..PageCount::<T>::get(key))
			.any(|page| Pages::<T>::get(key, page).iter().any(|e| e.item == item))
	}

	/// The agenda's own part of the state is sound: pages are counted, in range and ahead of the
	/// cursor, and all but the last are non-empty.
	pub fn do_try_state() -> Result<(), sp_runtime::TryRuntimeError> {
		for ((class, block), count) in PageCount::<T>::iter() {
			frame_support::ensure!(count > 0, "agenda: an empty block is still counted");
			frame_support::ensure!(
				block >= Cursor::<T>::get(class),
				"agenda: a page behind the cursor would never be met"
			);
		}
		for ((class, block), page, entries) in Pages::<T>::iter() {
			frame_support::ensure!(
				page < PageCount::<T>::get((class, block)),
				"agenda: a page that is not counted"
			);
			frame_support::ensure!(!entries.is_empty(), "agenda: an empty page");
			frame_support::ensure!(
				entries.iter().all(|e| e.item.class() == class),
				"agenda: an entry in another class's page"
			);
		}
		Ok(())
	}
}

impl<T: Config> Agenda for Pallet<T> {
	fn schedule(item: AgendaItem, at: BlockNumber) -> BlockNumber {
		Self::push(Entry { item, failures: 0 }, at)
	}

	fn look() -> Weight {
		T::WeightInfo::look()
	}
}
