//! What `pallet_providers` costs, as measured on 2026-11-29; written by `scripts/bench-weights`.
//!
//! CPU: AMD EPYC. Steps: 20, repeats: 10. Every figure is picoseconds; a database
//! access costs what `DbWeight` says.

#![cfg_attr(rustfmt, rustfmt_skip)]
#![allow(clippy::all, unused_imports, unused_variables)]

use core::marker::PhantomData;
use frame_support::{traits::Get, weights::Weight};

/// Measured weights.
pub struct WeightInfo<T>(PhantomData<T>);

impl<T: frame_system::Config> pallet_providers::WeightInfo for WeightInfo<T> {
	fn register() -> Weight {
		// Fastest run: 55_603_000.
		Weight::from_parts(58_387_000, 0)
			.saturating_add(T::DbWeight::get().reads(7))
			.saturating_add(T::DbWeight::get().writes(7))
	}
	fn rotate_operator() -> Weight {
		// Fastest run: 23_405_000.
		Weight::from_parts(24_637_000, 0)
			.saturating_add(T::DbWeight::get().reads(6))
			.saturating_add(T::DbWeight::get().writes(4))
	}
	fn update() -> Weight {
		// Fastest run: 29_344_000.
		Weight::from_parts(30_826_000, 0)
			.saturating_add(T::DbWeight::get().reads(5))
			.saturating_add(T::DbWeight::get().writes(1))
	}
	fn set_paused() -> Weight {
		// Fastest run: 12_939_000.
		Weight::from_parts(13_791_000, 0)
			.saturating_add(T::DbWeight::get().reads(3))
			.saturating_add(T::DbWeight::get().writes(1))
	}
	fn raise_bond() -> Weight {
		// Fastest run: 43_685_000.
		Weight::from_parts(45_538_000, 0)
			.saturating_add(T::DbWeight::get().reads(3))
			.saturating_add(T::DbWeight::get().writes(2))
	}
	fn deregister() -> Weight {
		// Fastest run: 20_861_000.
		Weight::from_parts(22_013_000, 0)
			.saturating_add(T::DbWeight::get().reads(5))
			.saturating_add(T::DbWeight::get().writes(3))
	}
	fn authorize_heartbeat() -> Weight {
		// Fastest run: 47_972_000.
		Weight::from_parts(52_108_000, 0)
			.saturating_add(T::DbWeight::get().reads(5))
	}
	fn heartbeat() -> Weight {
		// Fastest run: 20_671_000.
		Weight::from_parts(22_724_000, 0)
			.saturating_add(T::DbWeight::get().reads(5))
			.saturating_add(T::DbWeight::get().writes(2))
	}
	fn set_offer() -> Weight {
		// Fastest run: 17_275_000.
		Weight::from_parts(18_147_000, 0)
			.saturating_add(T::DbWeight::get().reads(3))
			.saturating_add(T::DbWeight::get().writes(2))
	}
	fn set_served() -> Weight {
		// Fastest run: 14_391_000.
		Weight::from_parts(15_233_000, 0)
			.saturating_add(T::DbWeight::get().reads(3))
			.saturating_add(T::DbWeight::get().writes(1))
	}
	fn attest() -> Weight {
		// Fastest run: 93_149_000.
		Weight::from_parts(96_464_000, 0)
			.saturating_add(T::DbWeight::get().reads(7))
			.saturating_add(T::DbWeight::get().writes(7))
	}
	fn revoke_attestation() -> Weight {
		// Fastest run: 41_832_000.
		Weight::from_parts(44_195_000, 0)
			.saturating_add(T::DbWeight::get().reads(2))
			.saturating_add(T::DbWeight::get().writes(3))
	}
	fn set_terms() -> Weight {
		// Fastest run: 9_974_000.
		Weight::from_parts(10_576_000, 0)
			.saturating_add(T::DbWeight::get().reads(3))
			.saturating_add(T::DbWeight::get().writes(2))
	}
	fn to_v2() -> Weight {
		// Fastest run: 7_871_000.
		Weight::from_parts(8_392_000, 0)
			.saturating_add(T::DbWeight::get().reads(3))
			.saturating_add(T::DbWeight::get().writes(1))
	}
	fn visit() -> Weight {
		// Fastest run: 41_893_000.
		Weight::from_parts(43_785_000, 0)
			.saturating_add(T::DbWeight::get().reads(3))
			.saturating_add(T::DbWeight::get().writes(10))
	}
	fn visit_attestation() -> Weight {
		// Fastest run: 38_948_000.
		Weight::from_parts(40_651_000, 0)
			.saturating_add(T::DbWeight::get().reads(3))
			.saturating_add(T::DbWeight::get().writes(4))
	}
}
