//! Hand figures, not measured, until `scripts/bench-weights` writes this file.

use core::marker::PhantomData;
use frame_support::{traits::Get, weights::Weight};

/// Weights by hand.
pub struct WeightInfo<T>(PhantomData<T>);

impl<T: frame_system::Config> pallet_escrow::WeightInfo for WeightInfo<T> {
	fn deposit() -> Weight {
		Weight::from_parts(150_000_000, 0).saturating_add(T::DbWeight::get().reads_writes(8, 5))
	}
	fn deposit_dry(f: u32) -> Weight {
		Weight::from_parts(150_000_000, 0)
			.saturating_add(T::DbWeight::get().reads_writes(8, 5))
			.saturating_add(
				Weight::from_parts(90_000_000, 0)
					.saturating_add(T::DbWeight::get().reads_writes(3, 3))
					.saturating_mul(f.into()),
			)
	}
	fn resume() -> Weight {
		Weight::from_parts(300_000_000, 0).saturating_add(T::DbWeight::get().reads_writes(20, 12))
	}
	fn settle(f: u32) -> Weight {
		Weight::from_parts(120_000_000, 0)
			.saturating_add(T::DbWeight::get().reads_writes(8, 4))
			.saturating_add(
				Weight::from_parts(90_000_000, 0)
					.saturating_add(T::DbWeight::get().reads_writes(3, 3))
					.saturating_mul(f.into()),
			)
	}
	fn withdraw() -> Weight {
		Weight::from_parts(150_000_000, 0).saturating_add(T::DbWeight::get().reads_writes(8, 5))
	}
	fn set_refill() -> Weight {
		Weight::from_parts(30_000_000, 0).saturating_add(T::DbWeight::get().reads_writes(2, 1))
	}
	fn set_terms() -> Weight {
		Weight::from_parts(20_000_000, 0).saturating_add(T::DbWeight::get().reads_writes(1, 1))
	}
	fn set_fee_destination() -> Weight {
		Weight::from_parts(20_000_000, 0).saturating_add(T::DbWeight::get().reads_writes(2, 1))
	}
}
