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
		// Fastest run: 69_514_000.
		Weight::from_parts(71_676_000, 0)
			.saturating_add(T::DbWeight::get().reads(4))
			.saturating_add(T::DbWeight::get().writes(2))
	}
	/// `f` from 1 to 8.
	fn deposit_dry(f: u32, ) -> Weight {
		// Fastest run: 159_227_000.
		Weight::from_parts(103_385_874, 0)
			// ± 205_903
			.saturating_add(Weight::from_parts(39_799_222, 0).saturating_mul(f.into()))
			.saturating_add(T::DbWeight::get().reads(5))
			.saturating_add(T::DbWeight::get().reads((2_u64).saturating_mul(f.into())))
			.saturating_add(T::DbWeight::get().writes(2))
			.saturating_add(T::DbWeight::get().writes((2_u64).saturating_mul(f.into())))
	}
	fn resume() -> Weight {
		// Fastest run: 218_003_000.
		Weight::from_parts(222_891_000, 0)
			.saturating_add(T::DbWeight::get().reads(12))
			.saturating_add(T::DbWeight::get().writes(7))
	}
	/// `f` from 1 to 8.
	fn settle(f: u32, ) -> Weight {
		// Fastest run: 116_022_000.
		Weight::from_parts(74_212_450, 0)
			// ± 50_956
			.saturating_add(Weight::from_parts(44_211_353, 0).saturating_mul(f.into()))
			.saturating_add(T::DbWeight::get().reads(5))
			.saturating_add(T::DbWeight::get().reads((2_u64).saturating_mul(f.into())))
			.saturating_add(T::DbWeight::get().writes(2))
			.saturating_add(T::DbWeight::get().writes((2_u64).saturating_mul(f.into())))
	}
	fn withdraw() -> Weight {
		// Fastest run: 94_280_000.
		Weight::from_parts(97_304_000, 0)
			.saturating_add(T::DbWeight::get().reads(7))
			.saturating_add(T::DbWeight::get().writes(5))
	}
	fn set_refill() -> Weight {
		// Fastest run: 23_095_000.
		Weight::from_parts(24_817_000, 0)
			.saturating_add(T::DbWeight::get().reads(2))
			.saturating_add(T::DbWeight::get().writes(1))
	}
	fn set_terms() -> Weight {
		// Fastest run: 4_958_000.
		Weight::from_parts(5_488_000, 0)
			.saturating_add(T::DbWeight::get().writes(1))
	}
	fn set_fee_destination() -> Weight {
		// Fastest run: 8_893_000.
		Weight::from_parts(9_664_000, 0)
			.saturating_add(T::DbWeight::get().reads(1))
			.saturating_add(T::DbWeight::get().writes(1))
	}
}
