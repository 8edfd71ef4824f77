//! What `pallet_escrow` costs, as measured on 2026-11-29; written by `scripts/bench-weights`.
//!
//! CPU: AMD EPYC. Steps: 20, repeats: 10. Every figure is picoseconds; a database
//! access costs what `DbWeight` says.

#![cfg_attr(rustfmt, rustfmt_skip)]
#![allow(clippy::all, unused_imports, unused_variables)]

use core::marker::PhantomData;
use frame_support::{traits::Get, weights::Weight};

/// Measured weights.
pub struct WeightInfo<T>(PhantomData<T>);

impl<T: frame_system::Config> pallet_escrow::WeightInfo for WeightInfo<T> {
	fn deposit() -> Weight {
		// Fastest run: 51_827_000.
		Weight::from_parts(54_571_000, 0)
			.saturating_add(T::DbWeight::get().reads(4))
			.saturating_add(T::DbWeight::get().writes(2))
	}
	/// `f` from 1 to 8.
	fn deposit_dry(f: u32, ) -> Weight {
		// Fastest run: 120_630_000.
		Weight::from_parts(91_350_763, 0)
			// ± 36_574
			.saturating_add(Weight::from_parts(35_113_031, 0).saturating_mul(f.into()))
			.saturating_add(T::DbWeight::get().reads(4))
			.saturating_add(T::DbWeight::get().reads((2_u64).saturating_mul(f.into())))
			.saturating_add(T::DbWeight::get().writes(1))
			.saturating_add(T::DbWeight::get().writes((2_u64).saturating_mul(f.into())))
	}
	fn resume() -> Weight {
		// Fastest run: 163_704_000.
		Weight::from_parts(171_196_000, 0)
			.saturating_add(T::DbWeight::get().reads(12))
			.saturating_add(T::DbWeight::get().writes(7))
	}
	/// `f` from 1 to 8.
	fn settle(f: u32, ) -> Weight {
		// Fastest run: 87_371_000.
		Weight::from_parts(57_726_442, 0)
			// ± 38_590
			.saturating_add(Weight::from_parts(34_446_422, 0).saturating_mul(f.into()))
			.saturating_add(T::DbWeight::get().reads(5))
			.saturating_add(T::DbWeight::get().reads((2_u64).saturating_mul(f.into())))
			.saturating_add(T::DbWeight::get().writes(2))
			.saturating_add(T::DbWeight::get().writes((2_u64).saturating_mul(f.into())))
	}
	fn withdraw() -> Weight {
		// Fastest run: 70_235_000.
		Weight::from_parts(74_732_000, 0)
			.saturating_add(T::DbWeight::get().reads(7))
			.saturating_add(T::DbWeight::get().writes(5))
	}
	fn set_refill() -> Weight {
		// Fastest run: 15_863_000.
		Weight::from_parts(17_486_000, 0)
			.saturating_add(T::DbWeight::get().reads(2))
			.saturating_add(T::DbWeight::get().writes(1))
	}
	fn set_terms() -> Weight {
		// Fastest run: 3_386_000.
		Weight::from_parts(3_676_000, 0)
			.saturating_add(T::DbWeight::get().writes(1))
	}
	fn set_fee_destination() -> Weight {
		// Fastest run: 6_209_000.
		Weight::from_parts(6_680_000, 0)
			.saturating_add(T::DbWeight::get().reads(1))
			.saturating_add(T::DbWeight::get().writes(1))
	}
}
