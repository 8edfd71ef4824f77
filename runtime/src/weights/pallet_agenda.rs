//! What `pallet_agenda` costs, as measured on 2026-11-27; written by `scripts/bench-weights`.
//!
//! CPU: AMD EPYC. Steps: 20, repeats: 10. Every figure is picoseconds; a database
//! access costs what `DbWeight` says.

#![cfg_attr(rustfmt, rustfmt_skip)]
#![allow(clippy::all, unused_imports, unused_variables)]

use core::marker::PhantomData;
use frame_support::{traits::Get, weights::Weight};

/// Measured weights.
pub struct WeightInfo<T>(PhantomData<T>);

impl<T: frame_system::Config> pallet_agenda::WeightInfo for WeightInfo<T> {
	fn turn_page() -> Weight {
		// Fastest run: 63_284_000.
		Weight::from_parts(65_998_000, 0)
			.saturating_add(T::DbWeight::get().reads(11))
			.saturating_add(T::DbWeight::get().writes(5))
	}
	fn look() -> Weight {
		// Fastest run: 26_549_000.
		Weight::from_parts(28_813_000, 0)
			.saturating_add(T::DbWeight::get().reads(3))
	}
	fn retry() -> Weight {
		// Fastest run: 39_688_000.
		Weight::from_parts(42_963_000, 0)
			.saturating_add(T::DbWeight::get().reads(5))
			.saturating_add(T::DbWeight::get().writes(5))
	}
}
