//! What `pallet_timestamp` costs, as measured on 2026-11-29; written by `scripts/bench-weights`.
//!
//! CPU: AMD EPYC. Steps: 20, repeats: 10. Every figure is picoseconds; a database
//! access costs what `DbWeight` says.

#![cfg_attr(rustfmt, rustfmt_skip)]
#![allow(clippy::all, unused_imports, unused_variables)]

use core::marker::PhantomData;
use frame_support::{traits::Get, weights::Weight};

/// Measured weights.
pub struct WeightInfo<T>(PhantomData<T>);

impl<T: frame_system::Config> pallet_timestamp::WeightInfo for WeightInfo<T> {
	fn set() -> Weight {
		// Fastest run: 7_271_000.
		Weight::from_parts(7_762_000, 0)
			.saturating_add(T::DbWeight::get().reads(3))
			.saturating_add(T::DbWeight::get().writes(1))
	}
	fn on_finalize() -> Weight {
		// Fastest run: 631_000.
		Weight::from_parts(701_000, 0)
	}
}
