//! What `pallet_providers` costs, as measured on 2026-11-28; written by `scripts/bench-weights`.
//!
//! CPU: Intel(R) Xeon(R) Processor. Steps: 20, repeats: 10. Every figure is picoseconds; a database
//! access costs what `DbWeight` says.

#![cfg_attr(rustfmt, rustfmt_skip)]
#![allow(clippy::all, unused_imports, unused_variables)]

use core::marker::PhantomData;
use frame_support::{traits::Get, weights::Weight};

/// Measured weights.
pub struct WeightInfo<T>(PhantomData<T>);

impl<T: frame_system::Config> pallet_providers::WeightInfo for WeightInfo<T> {
	fn register() -> Weight {
		// Fastest run: 88_812_000.
		Weight::from_parts(106_955_000, 0)
			.saturating_add(T::DbWeight::get().reads(7))
			.saturating_add(T::DbWeight::get().writes(7))
	}
	fn rotate_operator() -> Weight {
		// Fastest run: 42_367_000.
		Weight::from_parts(52_186_000, 0)
			.saturating_add(T::DbWeight::get().reads(6))
			.saturating_add(T::DbWeight::get().writes(4))
	}
	fn update() -> Weight {
		// Fastest run: 52_159_000.
		Weight::from_parts(66_444_000, 0)
			.saturating_add(T::DbWeight::get().reads(5))
			.saturating_add(T::DbWeight::get().writes(1))
	}
	fn set_paused() -> Weight {
		// Fastest run: 24_378_000.
		Weight::from_parts(30_653_000, 0)
			.saturating_add(T::DbWeight::get().reads(3))
			.saturating_add(T::DbWeight::get().writes(1))
	}
	fn raise_bond() -> Weight {
		// Fastest run: 69_640_000.
		Weight::from_parts(86_521_000, 0)
			.saturating_add(T::DbWeight::get().reads(3))
			.saturating_add(T::DbWeight::get().writes(2))
	}
	fn deregister() -> Weight {
		// Fastest run: 40_439_000.
		Weight::from_parts(48_706_000, 0)
			.saturating_add(T::DbWeight::get().reads(5))
			.saturating_add(T::DbWeight::get().writes(3))
	}
	fn authorize_heartbeat() -> Weight {
		// Fastest run: 74_770_000.
		Weight::from_parts(89_609_000, 0)
			.saturating_add(T::DbWeight::get().reads(5))
	}
	fn heartbeat() -> Weight {
		// Fastest run: 40_239_000.
		Weight::from_parts(49_930_000, 0)
			.saturating_add(T::DbWeight::get().reads(5))
			.saturating_add(T::DbWeight::get().writes(2))
	}
	fn set_offer() -> Weight {
		// Fastest run: 31_044_000.
		Weight::from_parts(39_939_000, 0)
			.saturating_add(T::DbWeight::get().reads(3))
			.saturating_add(T::DbWeight::get().writes(2))
	}
	fn set_served() -> Weight {
		// Fastest run: 26_592_000.
		Weight::from_parts(33_646_000, 0)
			.saturating_add(T::DbWeight::get().reads(3))
			.saturating_add(T::DbWeight::get().writes(1))
	}
	fn attest() -> Weight {
		// Fastest run: 146_532_000.
		Weight::from_parts(177_166_000, 0)
			.saturating_add(T::DbWeight::get().reads(7))
			.saturating_add(T::DbWeight::get().writes(7))
	}
	fn revoke_attestation() -> Weight {
		// Fastest run: 73_618_000.
		Weight::from_parts(127_237_000, 0)
			.saturating_add(T::DbWeight::get().reads(2))
			.saturating_add(T::DbWeight::get().writes(3))
	}
	fn set_terms() -> Weight {
		// Fastest run: 19_519_000.
		Weight::from_parts(29_300_000, 0)
			.saturating_add(T::DbWeight::get().reads(3))
			.saturating_add(T::DbWeight::get().writes(2))
	}
	fn to_v2() -> Weight {
		// Fastest run: 15_836_000.
		Weight::from_parts(23_152_000, 0)
			.saturating_add(T::DbWeight::get().reads(3))
			.saturating_add(T::DbWeight::get().writes(1))
	}
	fn visit() -> Weight {
		// Fastest run: 76_143_000.
		Weight::from_parts(125_488_000, 0)
			.saturating_add(T::DbWeight::get().reads(3))
			.saturating_add(T::DbWeight::get().writes(10))
	}
	fn visit_attestation() -> Weight {
		// Fastest run: 62_005_000.
		Weight::from_parts(77_534_000, 0)
			.saturating_add(T::DbWeight::get().reads(3))
			.saturating_add(T::DbWeight::get().writes(4))
	}
}
