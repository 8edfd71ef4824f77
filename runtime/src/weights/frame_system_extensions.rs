//! What `frame_system_extensions` costs, as measured on 2026-11-29; written by `scripts/bench-weights`.
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
		// Fastest run: 1_432_000.
		Weight::from_parts(1_602_000, 0)
	}
	fn check_mortality_mortal_transaction() -> Weight {
		// Fastest run: 3_074_000.
		Weight::from_parts(3_335_000, 0)
	}
	fn check_mortality_immortal_transaction() -> Weight {
		// Fastest run: 3_085_000.
		Weight::from_parts(3_335_000, 0)
	}
	fn check_non_zero_sender() -> Weight {
		// Fastest run: 440_000.
		Weight::from_parts(530_000, 0)
	}
	fn check_nonce() -> Weight {
		// Fastest run: 6_169_000.
		Weight::from_parts(6_580_000, 0)
			.saturating_add(T::DbWeight::get().reads(1))
			.saturating_add(T::DbWeight::get().writes(1))
	}
	fn check_spec_version() -> Weight {
		// Fastest run: 330_000.
		Weight::from_parts(401_000, 0)
	}
	fn check_tx_version() -> Weight {
		// Fastest run: 330_000.
		Weight::from_parts(400_000, 0)
	}
	fn check_weight() -> Weight {
		// Fastest run: 2_865_000.
		Weight::from_parts(3_134_000, 0)
	}
	fn weight_reclaim() -> Weight {
		// Fastest run: 1_602_000.
		Weight::from_parts(1_773_000, 0)
	}
}
