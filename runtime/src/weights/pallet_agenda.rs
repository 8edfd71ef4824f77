//! Hand figures, not measured, until `scripts/bench-weights` writes this file.

use core::marker::PhantomData;
use frame_support::{traits::Get, weights::Weight};

/// Weights by hand.
pub struct WeightInfo<T>(PhantomData<T>);

impl<T: frame_system::Config> pallet_agenda::WeightInfo for WeightInfo<T> {
	fn turn_page() -> Weight {
		Weight::from_parts(30_000_000, 0).saturating_add(T::DbWeight::get().reads_writes(4, 4))
	}
	fn look() -> Weight {
		Weight::from_parts(15_000_000, 0).saturating_add(T::DbWeight::get().reads_writes(2, 0))
	}
	fn retry() -> Weight {
		Weight::from_parts(20_000_000, 0).saturating_add(T::DbWeight::get().reads_writes(4, 3))
	}
}
