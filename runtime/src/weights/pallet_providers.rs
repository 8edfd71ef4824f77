//! What `pallet_providers` costs, as measured on 2026-11-25; written by `scripts/bench-weights`.
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
		// Fastest run: 77_955_000.
		Weight::from_parts(80_690_000, 0)
			.saturating_add(T::DbWeight::get().reads(7))
			.saturating_add(T::DbWeight::get().writes(7))
	}
	fn rotate_operator() -> Weight {
		// Fastest run: 24_776_000.
		Weight::from_parts(26_209_000, 0)
			.saturating_add(T::DbWeight::get().reads(4))
			.saturating_add(T::DbWeight::get().writes(3))
	}
	fn update() -> Weight {
		// Fastest run: 28_172_000.
		Weight::from_parts(29_834_000, 0)
			.saturating_add(T::DbWeight::get().reads(3))
			.saturating_add(T::DbWeight::get().writes(1))
	}
	fn set_paused() -> Weight {
		// Fastest run: 18_708_000.
		Weight::from_parts(19_990_000, 0)
			.saturating_add(T::DbWeight::get().reads(3))
			.saturating_add(T::DbWeight::get().writes(1))
	}
	fn raise_bond() -> Weight {
		// Fastest run: 59_458_000.
		Weight::from_parts(61_651_000, 0)
			.saturating_add(T::DbWeight::get().reads(3))
			.saturating_add(T::DbWeight::get().writes(2))
	}
	fn deregister() -> Weight {
		// Fastest run: 26_259_000.
		Weight::from_parts(27_891_000, 0)
			.saturating_add(T::DbWeight::get().reads(4))
			.saturating_add(T::DbWeight::get().writes(3))
	}
	fn authorize_heartbeat() -> Weight {
		// Fastest run: 65_908_000.
		Weight::from_parts(69_794_000, 0)
			.saturating_add(T::DbWeight::get().reads(5))
	}
	fn heartbeat() -> Weight {
		// Fastest run: 15_794_000.
		Weight::from_parts(18_147_000, 0)
			.saturating_add(T::DbWeight::get().reads(2))
			.saturating_add(T::DbWeight::get().writes(1))
	}
	fn set_offer() -> Weight {
		// Fastest run: 24_647_000.
		Weight::from_parts(26_088_000, 0)
			.saturating_add(T::DbWeight::get().reads(3))
			.saturating_add(T::DbWeight::get().writes(2))
	}
	fn set_served() -> Weight {
		// Fastest run: 16_775_000.
		Weight::from_parts(17_967_000, 0)
			.saturating_add(T::DbWeight::get().reads(2))
			.saturating_add(T::DbWeight::get().writes(1))
	}
	fn attest() -> Weight {
		// Fastest run: 128_281_000.
		Weight::from_parts(133_038_000, 0)
			.saturating_add(T::DbWeight::get().reads(7))
			.saturating_add(T::DbWeight::get().writes(7))
	}
	fn revoke_attestation() -> Weight {
		// Fastest run: 59_168_000.
		Weight::from_parts(61_401_000, 0)
			.saturating_add(T::DbWeight::get().reads(2))
			.saturating_add(T::DbWeight::get().writes(3))
	}
	fn set_terms() -> Weight {
		// Fastest run: 5_038_000.
		Weight::from_parts(5_588_000, 0)
			.saturating_add(T::DbWeight::get().writes(1))
	}
	fn visit() -> Weight {
		// Fastest run: 57_014_000.
		Weight::from_parts(59_018_000, 0)
			.saturating_add(T::DbWeight::get().reads(3))
			.saturating_add(T::DbWeight::get().writes(9))
	}
	fn visit_attestation() -> Weight {
		// Fastest run: 51_246_000.
		Weight::from_parts(53_179_000, 0)
			.saturating_add(T::DbWeight::get().reads(2))
			.saturating_add(T::DbWeight::get().writes(3))
	}
}
