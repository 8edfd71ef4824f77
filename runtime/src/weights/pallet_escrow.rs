//! What `pallet_escrow` costs, as measured on 2026-11-26; written by `scripts/bench-weights`.
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
		// Fastest run: 73_519_000.
		Weight::from_parts(87_464_000, 0)
			.saturating_add(T::DbWeight::get().reads(4))
			.saturating_add(T::DbWeight::get().writes(2))
	}
	/// `f` from 1 to 8.
	fn deposit_dry(f: u32, ) -> Weight {
		// Fastest run: 169_517_000.
		Weight::from_parts(134_470_597, 0)
			// ± 142_591
			.saturating_add(Weight::from_parts(49_152_391, 0).saturating_mul(f.into()))
			.saturating_add(T::DbWeight::get().reads(4))
			.saturating_add(T::DbWeight::get().reads((2_u64).saturating_mul(f.into())))
			.saturating_add(T::DbWeight::get().writes(1))
			.saturating_add(T::DbWeight::get().writes((2_u64).saturating_mul(f.into())))
	}
	fn resume() -> Weight {
		// Fastest run: 239_675_000.
		Weight::from_parts(263_712_000, 0)
			.saturating_add(T::DbWeight::get().reads(12))
			.saturating_add(T::DbWeight::get().writes(7))
	}
	/// `f` from 1 to 8.
	fn settle(f: u32, ) -> Weight {
		// Fastest run: 128_326_000.
		Weight::from_parts(98_477_123, 0)
			// ± 149_179
			.saturating_add(Weight::from_parts(51_123_833, 0).saturating_mul(f.into()))
			.saturating_add(T::DbWeight::get().reads(5))
			.saturating_add(T::DbWeight::get().reads((2_u64).saturating_mul(f.into())))
			.saturating_add(T::DbWeight::get().writes(2))
			.saturating_add(T::DbWeight::get().writes((2_u64).saturating_mul(f.into())))
	}
	fn withdraw() -> Weight {
		// Fastest run: 110_859_000.
		Weight::from_parts(127_938_000, 0)
			.saturating_add(T::DbWeight::get().reads(7))
			.saturating_add(T::DbWeight::get().writes(5))
	}
	fn set_refill() -> Weight {
		// Fastest run: 27_642_000.
		Weight::from_parts(31_669_000, 0)
			.saturating_add(T::DbWeight::get().reads(2))
			.saturating_add(T::DbWeight::get().writes(1))
	}
	fn set_terms() -> Weight {
		// Fastest run: 6_156_000.
		Weight::from_parts(7_219_000, 0)
			.saturating_add(T::DbWeight::get().writes(1))
	}
	fn set_fee_destination() -> Weight {
		// Fastest run: 11_692_000.
		Weight::from_parts(13_688_000, 0)
			.saturating_add(T::DbWeight::get().reads(1))
			.saturating_add(T::DbWeight::get().writes(1))
	}
}
