//! What `pallet_agenda` costs, as measured on 2026-11-29; written by `scripts/bench-weights`.
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
		// Fastest run: 49_364_000.
		Weight::from_parts(51_146_000, 0)
			.saturating_add(T::DbWeight::get().reads(11))
			.saturating_add(T::DbWeight::get().writes(5))
	}
	fn look() -> Weight {
		// Fastest run: 19_519_000.
		Weight::from_parts(26_199_000, 0)
			.saturating_add(T::DbWeight::get().reads(3))
	}
	fn retry() -> Weight {
		// Fastest run: 29_124_000.
		Weight::from_parts(36_705_000, 0)
			.saturating_add(T::DbWeight::get().reads(5))
			.saturating_add(T::DbWeight::get().writes(5))
	}
}
