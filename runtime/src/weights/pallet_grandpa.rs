//! What `pallet_grandpa` costs, as measured on 2026-11-25; written by `scripts/bench-weights`.
//!
//! CPU: AMD EPYC. Steps: 20, repeats: 10. Every figure is picoseconds; a database
//! access costs what `DbWeight` says.

#![cfg_attr(rustfmt, rustfmt_skip)]
#![allow(clippy::all, unused_imports, unused_variables)]

use core::marker::PhantomData;
use frame_support::{traits::Get, weights::Weight};

/// Measured weights.
pub struct WeightInfo<T>(PhantomData<T>);

impl<T: frame_system::Config> pallet_grandpa::WeightInfo for WeightInfo<T> {
	/// `v` from 1 to 100.
	/// `n` from 0 to 1.
	fn report_equivocation(v: u32, n: u32, ) -> Weight {
		// Fastest run: 141_900_000.
		Weight::from_parts(111_707_651, 0)
			// ± 93_827
			.saturating_add(Weight::from_parts(15_763_721, 0).saturating_mul(v.into()))
			// ± 6_301_790
			.saturating_add(Weight::from_parts(37_478_477, 0).saturating_mul(n.into()))
			.saturating_add(T::DbWeight::get().reads(5))
			.saturating_add(T::DbWeight::get().reads((1_u64).saturating_mul(v.into())))
			.saturating_add(T::DbWeight::get().writes(2))
	}
	fn note_stalled() -> Weight {
		// Fastest run: 2_304_000.
		Weight::from_parts(2_664_000, 0)
			.saturating_add(T::DbWeight::get().writes(1))
	}
}
