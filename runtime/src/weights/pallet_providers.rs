//! What `pallet_providers` costs, as measured on 2026-11-27; written by `scripts/bench-weights`.
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
		// Fastest run: 76_754_000.
		Weight::from_parts(79_718_000, 0)
			.saturating_add(T::DbWeight::get().reads(7))
			.saturating_add(T::DbWeight::get().writes(7))
	}
	fn rotate_operator() -> Weight {
		// Fastest run: 32_668_000.
		Weight::from_parts(34_641_000, 0)
			.saturating_add(T::DbWeight::get().reads(6))
			.saturating_add(T::DbWeight::get().writes(4))
	}
	fn update() -> Weight {
		// Fastest run: 42_023_000.
		Weight::from_parts(44_706_000, 0)
			.saturating_add(T::DbWeight::get().reads(5))
			.saturating_add(T::DbWeight::get().writes(1))
	}
	fn set_paused() -> Weight {
		// Fastest run: 18_668_000.
		Weight::from_parts(20_040_000, 0)
			.saturating_add(T::DbWeight::get().reads(3))
			.saturating_add(T::DbWeight::get().writes(1))
	}
	fn raise_bond() -> Weight {
		// Fastest run: 58_647_000.
		Weight::from_parts(61_110_000, 0)
			.saturating_add(T::DbWeight::get().reads(3))
			.saturating_add(T::DbWeight::get().writes(2))
	}
	fn deregister() -> Weight {
		// Fastest run: 29_975_000.
		Weight::from_parts(31_737_000, 0)
			.saturating_add(T::DbWeight::get().reads(5))
			.saturating_add(T::DbWeight::get().writes(3))
	}
	fn authorize_heartbeat() -> Weight {
		// Fastest run: 65_287_000.
		Weight::from_parts(68_532_000, 0)
			.saturating_add(T::DbWeight::get().reads(5))
	}
	fn heartbeat() -> Weight {
		// With a read more than was measured.
		// Fastest run: 28_953_000.
		Weight::from_parts(31_898_000, 0)
			.saturating_add(T::DbWeight::get().reads(5))
			.saturating_add(T::DbWeight::get().writes(2))
	}
	fn set_offer() -> Weight {
		// Fastest run: 24_456_000.
		Weight::from_parts(25_908_000, 0)
			.saturating_add(T::DbWeight::get().reads(3))
			.saturating_add(T::DbWeight::get().writes(2))
	}
	fn set_served() -> Weight {
		// Fastest run: 20_470_000.
		Weight::from_parts(21_882_000, 0)
			.saturating_add(T::DbWeight::get().reads(3))
			.saturating_add(T::DbWeight::get().writes(1))
	}
	fn attest() -> Weight {
		// Fastest run: 128_431_000.
		Weight::from_parts(132_336_000, 0)
			.saturating_add(T::DbWeight::get().reads(7))
			.saturating_add(T::DbWeight::get().writes(7))
	}
	fn revoke_attestation() -> Weight {
		// Fastest run: 58_817_000.
		Weight::from_parts(61_401_000, 0)
			.saturating_add(T::DbWeight::get().reads(2))
			.saturating_add(T::DbWeight::get().writes(3))
	}
	fn set_terms() -> Weight {
		// With a read and a write more than was measured.
		// Fastest run: 8_763_000.
		Weight::from_parts(9_645_000, 0)
			.saturating_add(T::DbWeight::get().reads(2))
			.saturating_add(T::DbWeight::get().writes(2))
	}
	fn to_v2() -> Weight {
		// Fastest run: 12_278_000.
		Weight::from_parts(13_329_000, 0)
			.saturating_add(T::DbWeight::get().reads(3))
			.saturating_add(T::DbWeight::get().writes(1))
	}
	fn visit() -> Weight {
		// Fastest run: 59_077_000.
		Weight::from_parts(61_371_000, 0)
			.saturating_add(T::DbWeight::get().reads(3))
			.saturating_add(T::DbWeight::get().writes(11))
	}
	fn visit_attestation() -> Weight {
		// Fastest run: 53_379_000.
		Weight::from_parts(55_863_000, 0)
			.saturating_add(T::DbWeight::get().reads(3))
			.saturating_add(T::DbWeight::get().writes(4))
	}
}
