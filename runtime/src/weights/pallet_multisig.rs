//! What `pallet_multisig` costs, as measured on 2026-11-25; written by `scripts/bench-weights`.
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
		// Fastest run: 37_857_000.
		Weight::from_parts(40_517_511, 0)
			// ± 12
			.saturating_add(Weight::from_parts(6_958, 0).saturating_mul(z.into()))
	}
	/// `s` from 2 to 100.
	/// `z` from 0 to 10000.
	fn as_multi_create(s: u32, z: u32, ) -> Weight {
		// Fastest run: 60_149_000.
		Weight::from_parts(35_211_804, 0)
			// ± 1_928
			.saturating_add(Weight::from_parts(287_273, 0).saturating_mul(s.into()))
			// ± 18
			.saturating_add(Weight::from_parts(6_949, 0).saturating_mul(z.into()))
			.saturating_add(T::DbWeight::get().reads(1))
			.saturating_add(T::DbWeight::get().writes(1))
	}
	/// `s` from 3 to 100.
	/// `z` from 0 to 10000.
	fn as_multi_approve(s: u32, z: u32, ) -> Weight {
		// Fastest run: 45_758_000.
		Weight::from_parts(20_733_694, 0)
			// ± 1_861
			.saturating_add(Weight::from_parts(277_247, 0).saturating_mul(s.into()))
			// ± 18
			.saturating_add(Weight::from_parts(6_972, 0).saturating_mul(z.into()))
			.saturating_add(T::DbWeight::get().reads(1))
			.saturating_add(T::DbWeight::get().writes(1))
	}
	/// `s` from 2 to 100.
	/// `z` from 0 to 10000.
	fn as_multi_complete(s: u32, z: u32, ) -> Weight {
		// Fastest run: 80_149_000.
		Weight::from_parts(33_610_242, 0)
			// ± 12_015
			.saturating_add(Weight::from_parts(513_301, 0).saturating_mul(s.into()))
			// ± 118
			.saturating_add(Weight::from_parts(7_512, 0).saturating_mul(z.into()))
			.saturating_add(T::DbWeight::get().reads(2))
			.saturating_add(T::DbWeight::get().writes(2))
	}
	/// `s` from 2 to 100.
	fn approve_as_multi_create(s: u32, ) -> Weight {
		// Fastest run: 30_706_000.
		Weight::from_parts(32_561_185, 0)
			// ± 1_506
			.saturating_add(Weight::from_parts(290_558, 0).saturating_mul(s.into()))
			.saturating_add(T::DbWeight::get().reads(1))
			.saturating_add(T::DbWeight::get().writes(1))
	}
	/// `s` from 2 to 100.
	fn approve_as_multi_approve(s: u32, ) -> Weight {
		// Fastest run: 17_066_000.
		Weight::from_parts(18_013_425, 0)
			// ± 941
			.saturating_add(Weight::from_parts(279_481, 0).saturating_mul(s.into()))
			.saturating_add(T::DbWeight::get().reads(1))
			.saturating_add(T::DbWeight::get().writes(1))
	}
	/// `s` from 2 to 100.
	fn cancel_as_multi(s: u32, ) -> Weight {
		// Fastest run: 29_864_000.
		Weight::from_parts(31_638_796, 0)
			// ± 1_015
			.saturating_add(Weight::from_parts(274_871, 0).saturating_mul(s.into()))
			.saturating_add(T::DbWeight::get().reads(1))
			.saturating_add(T::DbWeight::get().writes(1))
	}
	/// `s` from 2 to 100.
	fn poke_deposit(s: u32, ) -> Weight {
		// Fastest run: 28_282_000.
		Weight::from_parts(29_765_990, 0)
			// ± 1_078
			.saturating_add(Weight::from_parts(270_822, 0).saturating_mul(s.into()))
			.saturating_add(T::DbWeight::get().reads(1))
			.saturating_add(T::DbWeight::get().writes(1))
	}
}
