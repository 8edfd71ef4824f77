//! Hand figures, not measured, until `scripts/bench-weights` writes this file.

use core::marker::PhantomData;
use frame_support::{traits::Get, weights::Weight};

/// Weights by hand.
pub struct WeightInfo<T>(PhantomData<T>);

impl<T: frame_system::Config> pallet_reputation::WeightInfo for WeightInfo<T> {
	fn set_terms() -> Weight {
		Weight::from_parts(20_000_000, 0).saturating_add(T::DbWeight::get().reads_writes(1, 1))
	}
	fn visit() -> Weight {
		Weight::from_parts(200_000_000, 0).saturating_add(T::DbWeight::get().reads_writes(20, 20))
	}
}
