//! What `pallet_agenda` costs, as measured on 2026-11-28; written by `scripts/bench-weights`.
//!
//! CPU: Intel(R) Xeon(R) Processor. Steps: 20, repeats: 10. Every figure is picoseconds; a database
//! access costs what `DbWeight` says.

#![cfg_attr(rustfmt, rustfmt_skip)]
#![allow(clippy::all, unused_imports, unused_variables)]

use core::marker::PhantomData;
use frame_support::{traits::Get, weights::Weight};

/// Measured weights.
pub struct WeightInfo<T>(PhantomData<T>);

impl<T: frame_system::Config> pallet_agenda::WeightInfo for WeightInfo<T> {
	fn turn_page() -> Weight {
		// Fastest run: 79_928_000.
		Weight::from_parts(97_190_000, 0)
			.saturating_add(T::DbWeight::get().reads(11))
			.saturating_add(T::DbWeight::get().writes(5))
	}
	fn look() -> Weight {
		// Fastest run: 35_975_000.
		Weight::from_parts(44_214_000, 0)
			.saturating_add(T::DbWeight::get().reads(3))
	}
	fn retry() -> Weight {
		// Fastest run: 56_972_000.
		Weight::from_parts(71_445_000, 0)
			.saturating_add(T::DbWeight::get().reads(5))
			.saturating_add(T::DbWeight::get().writes(5))
	}
}
