//! What `pallet_escrow` costs, as measured on 2026-11-28; written by `scripts/bench-weights`.
//!
//! CPU: Intel(R) Xeon(R) Processor. Steps: 20, repeats: 10. Every figure is picoseconds; a database
//! access costs what `DbWeight` says.

#![cfg_attr(rustfmt, rustfmt_skip)]
#![allow(clippy::all, unused_imports, unused_variables)]

use core::marker::PhantomData;
use frame_support::{traits::Get, weights::Weight};

/// Measured weights.
pub struct WeightInfo<T>(PhantomData<T>);

impl<T: frame_system::Config> pallet_escrow::WeightInfo for WeightInfo<T> {
	fn deposit() -> Weight {
		// Fastest run: 81_802_000.
		Weight::from_parts(118_971_000, 0)
			.saturating_add(T::DbWeight::get().reads(4))
			.saturating_add(T::DbWeight::get().writes(2))
	}
	/// `f` from 1 to 8.
	fn deposit_dry(f: u32, ) -> Weight {
		// Fastest run: 188_906_000.
		Weight::from_parts(135_075_173, 0)
			// ± 903_804
			.saturating_add(Weight::from_parts(64_252_325, 0).saturating_mul(f.into()))
			.saturating_add(T::DbWeight::get().reads(4))
			.saturating_add(T::DbWeight::get().reads((2_u64).saturating_mul(f.into())))
			.saturating_add(T::DbWeight::get().writes(1))
			.saturating_add(T::DbWeight::get().writes((2_u64).saturating_mul(f.into())))
	}
	fn resume() -> Weight {
		// Fastest run: 253_432_000.
		Weight::from_parts(300_688_000, 0)
			.saturating_add(T::DbWeight::get().reads(12))
			.saturating_add(T::DbWeight::get().writes(7))
	}
	/// `f` from 1 to 8.
	fn settle(f: u32, ) -> Weight {
		// Fastest run: 143_856_000.
		Weight::from_parts(109_714_760, 0)
			// ± 468_725
			.saturating_add(Weight::from_parts(54_594_742, 0).saturating_mul(f.into()))
			.saturating_add(T::DbWeight::get().reads(5))
			.saturating_add(T::DbWeight::get().reads((2_u64).saturating_mul(f.into())))
			.saturating_add(T::DbWeight::get().writes(2))
			.saturating_add(T::DbWeight::get().writes((2_u64).saturating_mul(f.into())))
	}
	fn withdraw() -> Weight {
		// Fastest run: 114_037_000.
		Weight::from_parts(133_477_000, 0)
			.saturating_add(T::DbWeight::get().reads(7))
			.saturating_add(T::DbWeight::get().writes(5))
	}
	fn set_refill() -> Weight {
		// Fastest run: 28_827_000.
		Weight::from_parts(34_678_000, 0)
			.saturating_add(T::DbWeight::get().reads(2))
			.saturating_add(T::DbWeight::get().writes(1))
	}
	fn set_terms() -> Weight {
		// Fastest run: 6_419_000.
		Weight::from_parts(8_297_000, 0)
			.saturating_add(T::DbWeight::get().writes(1))
	}
	fn set_fee_destination() -> Weight {
		// Fastest run: 11_946_000.
		Weight::from_parts(15_261_000, 0)
			.saturating_add(T::DbWeight::get().reads(1))
			.saturating_add(T::DbWeight::get().writes(1))
	}
}
