//! What `pallet_sudo` costs, as measured on 2026-11-29; written by `scripts/bench-weights`.
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
		// Fastest run: 6_520_000.
		Weight::from_parts(6_991_000, 0)
			.saturating_add(T::DbWeight::get().reads(1))
			.saturating_add(T::DbWeight::get().writes(1))
	}
	fn sudo() -> Weight {
		// Fastest run: 7_270_000.
		Weight::from_parts(7_692_000, 0)
			.saturating_add(T::DbWeight::get().reads(1))
	}
	fn sudo_as() -> Weight {
		// Fastest run: 7_241_000.
		Weight::from_parts(7_672_000, 0)
			.saturating_add(T::DbWeight::get().reads(1))
	}
	fn remove_key() -> Weight {
		// Fastest run: 6_009_000.
		Weight::from_parts(6_450_000, 0)
			.saturating_add(T::DbWeight::get().reads(1))
			.saturating_add(T::DbWeight::get().writes(1))
	}
	fn check_only_sudo_account() -> Weight {
		// Fastest run: 3_856_000.
		Weight::from_parts(4_126_000, 0)
			.saturating_add(T::DbWeight::get().reads(1))
	}
}
