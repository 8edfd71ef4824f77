//! What `pallet_reputation` costs, as measured on 2026-11-29; written by `scripts/bench-weights`.
//!
//! CPU: AMD EPYC. Steps: 20, repeats: 10. Every figure is picoseconds; a database
//! access costs what `DbWeight` says.

#![cfg_attr(rustfmt, rustfmt_skip)]
#![allow(clippy::all, unused_imports, unused_variables)]

use core::marker::PhantomData;
use frame_support::{traits::Get, weights::Weight};

/// Measured weights.
pub struct WeightInfo<T>(PhantomData<T>);

impl<T: frame_system::Config> pallet_reputation::WeightInfo for WeightInfo<T> {
	fn set_terms() -> Weight {
		// Fastest run: 3_305_000.
		Weight::from_parts(3_625_000, 0)
			.saturating_add(T::DbWeight::get().writes(1))
	}
	fn visit() -> Weight {
		// Fastest run: 105_468_000.
		Weight::from_parts(109_583_000, 0)
			.saturating_add(T::DbWeight::get().reads(20))
			.saturating_add(T::DbWeight::get().writes(19))
	}
	fn to_v2() -> Weight {
		// Fastest run: 8_974_000.
		Weight::from_parts(9_494_000, 0)
			.saturating_add(T::DbWeight::get().reads(4))
			.saturating_add(T::DbWeight::get().writes(1))
	}
}
