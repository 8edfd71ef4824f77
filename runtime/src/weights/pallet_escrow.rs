//! What `pallet_escrow` costs, as measured on 2026-11-25; written by `scripts/bench-weights`.
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
		// Fastest run: 69_753_000.
		Weight::from_parts(72_087_000, 0)
			.saturating_add(T::DbWeight::get().reads(4))
			.saturating_add(T::DbWeight::get().writes(2))
	}
	/// `f` from 1 to 8.
	fn deposit_dry(f: u32, ) -> Weight {
		// Fastest run: 156_412_000.
		Weight::from_parts(117_682_396, 0)
			// ± 45_431
			.saturating_add(Weight::from_parts(43_683_252, 0).saturating_mul(f.into()))
			.saturating_add(T::DbWeight::get().reads(4))
			.saturating_add(T::DbWeight::get().reads((2_u64).saturating_mul(f.into())))
			.saturating_add(T::DbWeight::get().writes(1))
			.saturating_add(T::DbWeight::get().writes((2_u64).saturating_mul(f.into())))
	}
	fn resume() -> Weight {
		// Fastest run: 217_814_000.
		Weight::from_parts(223_062_000, 0)
			.saturating_add(T::DbWeight::get().reads(12))
			.saturating_add(T::DbWeight::get().writes(7))
	}
	/// `f` from 1 to 8.
	fn settle(f: u32, ) -> Weight {
		// Fastest run: 115_671_000.
		Weight::from_parts(74_602_072, 0)
			// ± 39_811
			.saturating_add(Weight::from_parts(44_037_734, 0).saturating_mul(f.into()))
			.saturating_add(T::DbWeight::get().reads(5))
			.saturating_add(T::DbWeight::get().reads((2_u64).saturating_mul(f.into())))
			.saturating_add(T::DbWeight::get().writes(2))
			.saturating_add(T::DbWeight::get().writes((2_u64).saturating_mul(f.into())))
	}
	fn withdraw() -> Weight {
		// Fastest run: 93_729_000.
		Weight::from_parts(96_733_000, 0)
			.saturating_add(T::DbWeight::get().reads(7))
			.saturating_add(T::DbWeight::get().writes(5))
	}
	fn set_refill() -> Weight {
		// Fastest run: 22_774_000.
		Weight::from_parts(24_085_000, 0)
			.saturating_add(T::DbWeight::get().reads(2))
			.saturating_add(T::DbWeight::get().writes(1))
	}
	fn set_terms() -> Weight {
		// Fastest run: 4_707_000.
		Weight::from_parts(5_308_000, 0)
			.saturating_add(T::DbWeight::get().writes(1))
	}
	fn set_fee_destination() -> Weight {
		// Fastest run: 8_723_000.
		Weight::from_parts(9_484_000, 0)
			.saturating_add(T::DbWeight::get().reads(1))
			.saturating_add(T::DbWeight::get().writes(1))
	}
}
