//! What `pallet_providers` costs, as measured on 2026-11-26; written by `scripts/bench-weights`.
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
		// Fastest run: 82_324_000.
		Weight::from_parts(99_550_000, 0)
			.saturating_add(T::DbWeight::get().reads(7))
			.saturating_add(T::DbWeight::get().writes(7))
	}
	fn rotate_operator() -> Weight {
		// Fastest run: 41_372_000.
		Weight::from_parts(48_199_000, 0)
			.saturating_add(T::DbWeight::get().reads(6))
			.saturating_add(T::DbWeight::get().writes(4))
	}
	fn update() -> Weight {
		// Fastest run: 52_344_000.
		Weight::from_parts(62_574_000, 0)
			.saturating_add(T::DbWeight::get().reads(5))
			.saturating_add(T::DbWeight::get().writes(1))
	}
	fn set_paused() -> Weight {
		// Fastest run: 23_643_000.
		Weight::from_parts(28_766_000, 0)
			.saturating_add(T::DbWeight::get().reads(3))
			.saturating_add(T::DbWeight::get().writes(1))
	}
	fn raise_bond() -> Weight {
		// Fastest run: 68_606_000.
		Weight::from_parts(76_589_000, 0)
			.saturating_add(T::DbWeight::get().reads(3))
			.saturating_add(T::DbWeight::get().writes(2))
	}
	fn deregister() -> Weight {
		// Fastest run: 37_501_000.
		Weight::from_parts(45_649_000, 0)
			.saturating_add(T::DbWeight::get().reads(5))
			.saturating_add(T::DbWeight::get().writes(3))
	}
	fn authorize_heartbeat() -> Weight {
		// Fastest run: 75_941_000.
		Weight::from_parts(88_221_000, 0)
			.saturating_add(T::DbWeight::get().reads(5))
	}
	fn heartbeat() -> Weight {
		// Fastest run: 22_585_000.
		Weight::from_parts(26_415_000, 0)
			.saturating_add(T::DbWeight::get().reads(2))
			.saturating_add(T::DbWeight::get().writes(1))
	}
	fn set_offer() -> Weight {
		// Fastest run: 30_643_000.
		Weight::from_parts(35_695_000, 0)
			.saturating_add(T::DbWeight::get().reads(3))
			.saturating_add(T::DbWeight::get().writes(2))
	}
	fn set_served() -> Weight {
		// Fastest run: 25_968_000.
		Weight::from_parts(31_221_000, 0)
			.saturating_add(T::DbWeight::get().reads(3))
			.saturating_add(T::DbWeight::get().writes(1))
	}
	fn attest() -> Weight {
		// Fastest run: 147_046_000.
		Weight::from_parts(169_653_000, 0)
			.saturating_add(T::DbWeight::get().reads(7))
			.saturating_add(T::DbWeight::get().writes(7))
	}
	fn revoke_attestation() -> Weight {
		// Fastest run: 69_920_000.
		Weight::from_parts(78_755_000, 0)
			.saturating_add(T::DbWeight::get().reads(2))
			.saturating_add(T::DbWeight::get().writes(3))
	}
	fn set_terms() -> Weight {
		// Fastest run: 10_802_000.
		Weight::from_parts(12_887_000, 0)
			.saturating_add(T::DbWeight::get().reads(1))
			.saturating_add(T::DbWeight::get().writes(1))
	}
	fn to_v2() -> Weight {
		// Fastest run: 82_324_000.
		Weight::from_parts(99_550_000, 0)
			.saturating_add(T::DbWeight::get().reads(7))
			.saturating_add(T::DbWeight::get().writes(7))
	}
	fn visit() -> Weight {
		// Fastest run: 68_941_000.
		Weight::from_parts(78_005_000, 0)
			.saturating_add(T::DbWeight::get().reads(3))
			.saturating_add(T::DbWeight::get().writes(10))
	}
	fn visit_attestation() -> Weight {
		// Fastest run: 59_375_000.
		Weight::from_parts(68_031_000, 0)
			.saturating_add(T::DbWeight::get().reads(3))
			.saturating_add(T::DbWeight::get().writes(4))
	}
}
