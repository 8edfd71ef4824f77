//! What the agenda stores.

use codec::{Decode, Encode, MaxEncodedLen};
use frame_support::{traits::ConstU32, weights::Weight, BoundedVec};
use leasehold_primitives::AgendaItem;
use scale_info::TypeInfo;

/// Entries in one page.
pub const PAGE_SIZE: u32 = 64;

/// An item written down for a block.
#[derive(Encode, Decode, Clone, PartialEq, Eq, Debug, TypeInfo, MaxEncodedLen)]
pub struct Entry {
	pub item: AgendaItem,
	/// Visits that have failed so far.
	pub failures: u8,
}

/// Weights of the hook's steps.
pub trait WeightInfo {
	/// Working off a page of entries, without looking at their records.
	fn turn_page() -> Weight;
	/// Looking at the record of an entry.
	fn look() -> Weight;
	/// Putting an entry down once more.
	fn retry() -> Weight;
}

/// One page of entries.
pub type Page = BoundedVec<Entry, ConstU32<PAGE_SIZE>>;
