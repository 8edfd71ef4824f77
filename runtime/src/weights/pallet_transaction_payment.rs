//! What `pallet_transaction_payment` costs, as measured on 2026-11-29; written by `scripts/bench-weights`.
//!
//! CPU: AMD EPYC. Steps: 20, repeats: 10. Every figure is picoseconds; a database
//! access costs what `DbWeight` says.

#![cfg_attr(rustfmt, rustfmt_skip)]
#![allow(clippy::all, unused_imports, unused_variables)]

use core::marker::PhantomData;
use frame_support::{traits::Get, weights::Weight};

/// Measured weights.
pub struct WeightInfo<T>(PhantomData<T>);

impl<T: frame_system::Config> pallet_transaction_payment::WeightInfo for WeightInfo<T> {
	fn charge_transaction_payment() -> Weight {
		// Fastest run: 47_410_000.
		Weight::from_parts(49_564_000, 0)
	}
}
