//! What `frame_system_extensions` costs, as measured on 2026-11-25; written by `scripts/bench-weights`.
//!
//! CPU: AMD EPYC. Steps: 20, repeats: 10. Every figure is picoseconds; a database
//! access costs what `DbWeight` says.

#![cfg_attr(rustfmt, rustfmt_skip)]
#![allow(clippy::all, unused_imports, unused_variables)]

use core::marker::PhantomData;
use frame_support::{traits::Get, weights::Weight};

/// Measured weights.
pub struct WeightInfo<T>(PhantomData<T>);

impl<T: frame_system::Config> frame_system::ExtensionsWeightInfo for WeightInfo<T> {
	fn check_genesis() -> Weight {
		// Fastest run: 1_913_000.
		Weight::from_parts(2_143_000, 0)
	}
	fn check_mortality_mortal_transaction() -> Weight {
		// Fastest run: 3_976_000.
		Weight::from_parts(4_336_000, 0)
	}
	fn check_mortality_immortal_transaction() -> Weight {
		// Fastest run: 3_996_000.
		Weight::from_parts(4_327_000, 0)
	}
	fn check_non_zero_sender() -> Weight {
		// Fastest run: 580_000.
		Weight::from_parts(711_000, 0)
	}
	fn check_nonce() -> Weight {
		// Fastest run: 7_882_000.
		Weight::from_parts(8_393_000, 0)
			.saturating_add(T::DbWeight::get().reads(1))
			.saturating_add(T::DbWeight::get().writes(1))
	}
	fn check_spec_version() -> Weight {
		// Fastest run: 450_000.
		Weight::from_parts(541_000, 0)
	}
	fn check_tx_version() -> Weight {
		// Fastest run: 441_000.
		Weight::from_parts(541_000, 0)
	}
	fn check_weight() -> Weight {
		// Fastest run: 3_706_000.
		Weight::from_parts(4_036_000, 0)
	}
	fn weight_reclaim() -> Weight {
		// Fastest run: 2_103_000.
		Weight::from_parts(2_354_000, 0)
	}
}
