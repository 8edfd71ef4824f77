//! What `pallet_babe` costs, as measured on 2026-11-29; written by `scripts/bench-weights`.
//!
//! CPU: AMD EPYC. Steps: 20, repeats: 10. Every figure is picoseconds; a database
//! access costs what `DbWeight` says.

#![cfg_attr(rustfmt, rustfmt_skip)]
#![allow(clippy::all, unused_imports, unused_variables)]

use core::marker::PhantomData;
use frame_support::{traits::Get, weights::Weight};

/// Measured weights.
pub struct WeightInfo<T>(PhantomData<T>);

impl<T: frame_system::Config> pallet_babe::WeightInfo for WeightInfo<T> {
	/// `v` from 1 to 100.
	/// `n` from 0 to 1.
	fn report_equivocation(v: u32, n: u32, ) -> Weight {
		// Fastest run: 114_030_000.
		Weight::from_parts(126_976_951, 0)
			// ± 48_258
			.saturating_add(Weight::from_parts(12_627_469, 0).saturating_mul(v.into()))
			.saturating_add(T::DbWeight::get().reads(6))
			.saturating_add(T::DbWeight::get().reads((1_u64).saturating_mul(v.into())))
			.saturating_add(T::DbWeight::get().writes(2))
	}
	fn plan_config_change() -> Weight {
		// Fastest run: 1_532_000.
		Weight::from_parts(1_683_000, 0)
			.saturating_add(T::DbWeight::get().writes(1))
	}
}
