//! What `pallet_grandpa` costs, as measured on 2026-11-29; written by `scripts/bench-weights`.
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
		// Fastest run: 112_528_000.
		Weight::from_parts(131_665_200, 0)
			// ± 75_855
			.saturating_add(Weight::from_parts(12_967_091, 0).saturating_mul(v.into()))
			.saturating_add(T::DbWeight::get().reads(5))
			.saturating_add(T::DbWeight::get().reads((1_u64).saturating_mul(v.into())))
			.saturating_add(T::DbWeight::get().writes(2))
	}
	fn note_stalled() -> Weight {
		// Fastest run: 1_492_000.
		Weight::from_parts(1_653_000, 0)
			.saturating_add(T::DbWeight::get().writes(1))
	}
}
