//! # Agenda: the chain's own list of what falls due in which block
//!
//! Glossary: an *item* is something with a deadline (a lease, an order, a closed lease, a provider
//! that unbonds). An *entry* is an item written down for a block. The record of the item, kept by
//! its own pallet, stores the block as `due`; an entry for any other block is *stale* and is
//! dropped when met. A *visit* is the handling of an item whose entry was met.
//!
//! Entries stand in pages `(class, block, page) → at most 64 entries`, so that adding one costs the
//! same however many there are, and no block is ever full. Moving a deadline is a write to the
//! record and one more entry. Classes are worked off in order: money, clearing, sweeping.
//!
//! The hook is `on_poll` with at most a quarter of the block, and `on_idle` with what the block has
//! left; what does not fit waits for the next block. Each visit runs in its own storage layer: one
//! that fails changes nothing, emits [`Event::EntryFailed`], is tried again with a growing delay and
//! never keeps the next one waiting.
//!
//! This pallet has no calls: entries come through [`leasehold_primitives::Agenda`].

#![cfg_attr(not(feature = "std"), no_std)]
#![forbid(unsafe_code)]

pub use pallet::*;

mod hook;
mod types;
pub use types::*;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod mock;
#[cfg(test)]
mod tests;

// FRAME's macros expand to `expect`.
#[allow(clippy::expect_used)]
#[frame_support::pallet]
pub mod pallet {
	use super::*;
	use frame_support::{pallet_prelude::*, weights::WeightMeter};
	use frame_system::pallet_prelude::*;
	use leasehold_primitives::{AgendaClass, AgendaHandler, AgendaItem, BlockNumber};
	use sp_runtime::Perbill;

	const STORAGE_VERSION: StorageVersion = StorageVersion::new(1);

	#[pallet::pallet]
	#[pallet::storage_version(STORAGE_VERSION)]
	pub struct Pallet<T>(_);

	#[pallet::config]
	pub trait Config: frame_system::Config<RuntimeEvent: From<Event<Self>>> {
		/// Who handles the items.
		type Handler: AgendaHandler;
		/// The share of a block that the hook may use before any transaction.
		#[pallet::constant]
		type BlockShare: Get<Perbill>;
		/// Weights of the hook's steps.
		type WeightInfo: WeightInfo;
	}

	/// How many pages a class has for a block.
	#[pallet::storage]
	pub type PageCount<T: Config> =
		StorageMap<_, Twox64Concat, (AgendaClass, BlockNumber), u32, ValueQuery>;

	/// The entries of a class for a block.
	#[pallet::storage]
	pub type Pages<T: Config> = StorageDoubleMap<
		_,
		Twox64Concat,
		(AgendaClass, BlockNumber),
		Twox64Concat,
		u32,
		Page,
		ValueQuery,
	>;

	/// The first block that a class has not finished.
	#[pallet::storage]
	pub type Cursor<T: Config> = StorageMap<_, Twox64Concat, AgendaClass, BlockNumber, ValueQuery>;

	#[pallet::event]
	#[pallet::generate_deposit(pub(super) fn deposit_event)]
	pub enum Event<T: Config> {
		/// A visit failed and left no trace; it will be tried again in block `retry_at`.
		EntryFailed {
			item: AgendaItem,
			error: DispatchError,
			retry_at: BlockNumber,
		},
	}

	#[pallet::hooks]
	impl<T: Config> Hooks<BlockNumberFor<T>> for Pallet<T> {
		fn on_poll(_n: BlockNumberFor<T>, meter: &mut WeightMeter) {
			let budget = Self::budget().min(meter.remaining());
			let mut own = WeightMeter::with_limit(budget);
			Self::work(&mut own);
			meter.consume(own.consumed());
		}

		fn on_idle(_n: BlockNumberFor<T>, remaining: Weight) -> Weight {
			let mut meter = WeightMeter::with_limit(remaining);
			Self::work(&mut meter);
			meter.consumed()
		}

		fn integrity_test() {
			// What is left to clearing and sweeping while there is money to be moved.
			let quarter = Self::budget().saturating_div(4);
			let weight = T::Handler::dearest().saturating_add(T::WeightInfo::retry());
			assert!(
				weight.all_lte(quarter),
				"one visit may cost {weight}, more than a quarter of the hook's budget, {quarter}",
			);
		}

		#[cfg(feature = "try-runtime")]
		fn try_state(_n: BlockNumberFor<T>) -> Result<(), sp_runtime::TryRuntimeError> {
			Self::do_try_state()
		}
	}
}
