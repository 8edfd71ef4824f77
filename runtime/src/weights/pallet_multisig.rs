//! What `pallet_multisig` costs, as measured on 2026-11-29; written by `scripts/bench-weights`.
//!
//! CPU: AMD EPYC. Steps: 20, repeats: 10. Every figure is picoseconds; a database
//! access costs what `DbWeight` says.

#![cfg_attr(rustfmt, rustfmt_skip)]
#![allow(clippy::all, unused_imports, unused_variables)]

use core::marker::PhantomData;
use frame_support::{traits::Get, weights::Weight};

/// Measured weights.
pub struct WeightInfo<T>(PhantomData<T>);

impl<T: frame_system::Config> pallet_multisig::WeightInfo for WeightInfo<T> {
	/// `z` from 0 to 10000.
	fn as_multi_threshold_1(z: u32, ) -> Weight {
		// Fastest run: 29_033_000.
		Weight::from_parts(32_706_683, 0)
			// ± 19
			.saturating_add(Weight::from_parts(6_241, 0).saturating_mul(z.into()))
	}
	/// `s` from 2 to 100.
	/// `z` from 0 to 10000.
	fn as_multi_create(s: u32, z: u32, ) -> Weight {
		// Fastest run: 47_201_000.
		Weight::from_parts(23_475_987, 0)
			// ± 1_701
			.saturating_add(Weight::from_parts(262_012, 0).saturating_mul(s.into()))
			// ± 16
			.saturating_add(Weight::from_parts(6_263, 0).saturating_mul(z.into()))
			.saturating_add(T::DbWeight::get().reads(1))
			.saturating_add(T::DbWeight::get().writes(1))
	}
	/// `s` from 3 to 100.
	/// `z` from 0 to 10000.
	fn as_multi_approve(s: u32, z: u32, ) -> Weight {
		// Fastest run: 37_276_000.
		Weight::from_parts(13_809_235, 0)
			// ± 1_722
			.saturating_add(Weight::from_parts(251_162, 0).saturating_mul(s.into()))
			// ± 16
			.saturating_add(Weight::from_parts(6_385, 0).saturating_mul(z.into()))
			.saturating_add(T::DbWeight::get().reads(1))
			.saturating_add(T::DbWeight::get().writes(1))
	}
	/// `s` from 2 to 100.
	/// `z` from 0 to 10000.
	fn as_multi_complete(s: u32, z: u32, ) -> Weight {
		// Fastest run: 59_869_000.
		Weight::from_parts(18_134_911, 0)
			// ± 7_179
			.saturating_add(Weight::from_parts(498_344, 0).saturating_mul(s.into()))
			// ± 70
			.saturating_add(Weight::from_parts(7_169, 0).saturating_mul(z.into()))
			.saturating_add(T::DbWeight::get().reads(2))
			.saturating_add(T::DbWeight::get().writes(2))
	}
	/// `s` from 2 to 100.
	fn approve_as_multi_create(s: u32, ) -> Weight {
		// Fastest run: 22_113_000.
		Weight::from_parts(22_378_178, 0)
			// ± 672
			.saturating_add(Weight::from_parts(240_063, 0).saturating_mul(s.into()))
			.saturating_add(T::DbWeight::get().reads(1))
			.saturating_add(T::DbWeight::get().writes(1))
	}
	/// `s` from 2 to 100.
	fn approve_as_multi_approve(s: u32, ) -> Weight {
		// Fastest run: 11_978_000.
		Weight::from_parts(12_210_354, 0)
			// ± 572
			.saturating_add(Weight::from_parts(249_916, 0).saturating_mul(s.into()))
			.saturating_add(T::DbWeight::get().reads(1))
			.saturating_add(T::DbWeight::get().writes(1))
	}
	/// `s` from 2 to 100.
	fn cancel_as_multi(s: u32, ) -> Weight {
		// Fastest run: 21_833_000.
		Weight::from_parts(22_647_472, 0)
			// ± 686
			.saturating_add(Weight::from_parts(253_472, 0).saturating_mul(s.into()))
			.saturating_add(T::DbWeight::get().reads(1))
			.saturating_add(T::DbWeight::get().writes(1))
	}
	/// `s` from 2 to 100.
	fn poke_deposit(s: u32, ) -> Weight {
		// Fastest run: 20_621_000.
		Weight::from_parts(21_113_973, 0)
			// ± 659
			.saturating_add(Weight::from_parts(251_749, 0).saturating_mul(s.into()))
			.saturating_add(T::DbWeight::get().reads(1))
			.saturating_add(T::DbWeight::get().writes(1))
	}
}
