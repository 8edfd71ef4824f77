//! What `pallet_sudo` costs, as measured on 2026-11-25; written by `scripts/bench-weights`.
//!
//! CPU: AMD EPYC. Steps: 20, repeats: 10. Every figure is picoseconds; a database
//! access costs what `DbWeight` says.

#![cfg_attr(rustfmt, rustfmt_skip)]
#![allow(clippy::all, unused_imports, unused_variables)]

use core::marker::PhantomData;
use frame_support::{traits::Get, weights::Weight};

/// Measured weights.
pub struct WeightInfo<T>(PhantomData<T>);

impl<T: frame_system::Config> pallet_sudo::WeightInfo for WeightInfo<T> {
	fn set_key() -> Weight {
		// Fastest run: 9_054_000.
		Weight::from_parts(9_795_000, 0)
			.saturating_add(T::DbWeight::get().reads(1))
			.saturating_add(T::DbWeight::get().writes(1))
	}
	fn sudo() -> Weight {
		// Fastest run: 9_985_000.
		Weight::from_parts(10_756_000, 0)
			.saturating_add(T::DbWeight::get().reads(1))
	}
	fn sudo_as() -> Weight {
		// Fastest run: 9_995_000.
		Weight::from_parts(10_816_000, 0)
			.saturating_add(T::DbWeight::get().reads(1))
	}
	fn remove_key() -> Weight {
		// Fastest run: 8_292_000.
		Weight::from_parts(9_004_000, 0)
			.saturating_add(T::DbWeight::get().reads(1))
			.saturating_add(T::DbWeight::get().writes(1))
	}
	fn check_only_sudo_account() -> Weight {
		// Fastest run: 5_027_000.
		Weight::from_parts(5_429_000, 0)
			.saturating_add(T::DbWeight::get().reads(1))
	}
}
