//! What `pallet_proxy` costs, as measured on 2026-11-29; written by `scripts/bench-weights`.
//!
//! CPU: AMD EPYC. Steps: 20, repeats: 10. Every figure is picoseconds; a database
//! access costs what `DbWeight` says.

#![cfg_attr(rustfmt, rustfmt_skip)]
#![allow(clippy::all, unused_imports, unused_variables)]

use core::marker::PhantomData;
use frame_support::{traits::Get, weights::Weight};

/// Measured weights.
pub struct WeightInfo<T>(PhantomData<T>);

impl<T: frame_system::Config> pallet_proxy::WeightInfo for WeightInfo<T> {
	/// `p` from 1 to 31.
	fn proxy(p: u32, ) -> Weight {
		// Fastest run: 9_264_000.
		Weight::from_parts(9_777_688, 0)
			// ± 253
			.saturating_add(Weight::from_parts(10_861, 0).saturating_mul(p.into()))
			.saturating_add(T::DbWeight::get().reads(1))
	}
	/// `a` from 0 to 31.
	/// `p` from 1 to 31.
	fn proxy_announced(a: u32, _p: u32, ) -> Weight {
		// Fastest run: 26_579_000.
		Weight::from_parts(28_273_561, 0)
			// ± 4_069
			.saturating_add(Weight::from_parts(150_560, 0).saturating_mul(a.into()))
			.saturating_add(T::DbWeight::get().reads(3))
			.saturating_add(T::DbWeight::get().writes(2))
	}
	/// `a` from 0 to 31.
	/// `p` from 1 to 31.
	fn remove_announcement(a: u32, _p: u32, ) -> Weight {
		// Fastest run: 18_628_000.
		Weight::from_parts(20_034_387, 0)
			// ± 1_883
			.saturating_add(Weight::from_parts(148_773, 0).saturating_mul(a.into()))
			.saturating_add(T::DbWeight::get().reads(2))
			.saturating_add(T::DbWeight::get().writes(2))
	}
	/// `a` from 0 to 31.
	/// `p` from 1 to 31.
	fn reject_announcement(a: u32, _p: u32, ) -> Weight {
		// Fastest run: 18_518_000.
		Weight::from_parts(19_990_795, 0)
			// ± 1_911
			.saturating_add(Weight::from_parts(154_150, 0).saturating_mul(a.into()))
			.saturating_add(T::DbWeight::get().reads(2))
			.saturating_add(T::DbWeight::get().writes(2))
	}
	/// `a` from 0 to 31.
	/// `p` from 1 to 31.
	fn announce(a: u32, p: u32, ) -> Weight {
		// Fastest run: 24_997_000.
		Weight::from_parts(25_441_511, 0)
			// ± 1_340
			.saturating_add(Weight::from_parts(138_983, 0).saturating_mul(a.into()))
			// ± 1_386
			.saturating_add(Weight::from_parts(12_748, 0).saturating_mul(p.into()))
			.saturating_add(T::DbWeight::get().reads(3))
			.saturating_add(T::DbWeight::get().writes(2))
	}
	/// `p` from 1 to 31.
	fn add_proxy(p: u32, ) -> Weight {
		// Fastest run: 18_628_000.
		Weight::from_parts(19_345_715, 0)
			// ± 364
			.saturating_add(Weight::from_parts(21_153, 0).saturating_mul(p.into()))
			.saturating_add(T::DbWeight::get().reads(1))
			.saturating_add(T::DbWeight::get().writes(1))
	}
	/// `p` from 1 to 31.
	fn remove_proxy(p: u32, ) -> Weight {
		// Fastest run: 18_127_000.
		Weight::from_parts(19_041_050, 0)
			// ± 417
			.saturating_add(Weight::from_parts(23_183, 0).saturating_mul(p.into()))
			.saturating_add(T::DbWeight::get().reads(1))
			.saturating_add(T::DbWeight::get().writes(1))
	}
	/// `p` from 1 to 31.
	fn remove_proxies(p: u32, ) -> Weight {
		// Fastest run: 18_077_000.
		Weight::from_parts(17_462_090, 0)
			// ± 634
			.saturating_add(Weight::from_parts(1_432_033, 0).saturating_mul(p.into()))
			.saturating_add(T::DbWeight::get().reads(1))
			.saturating_add(T::DbWeight::get().writes(1))
	}
	/// `p` from 1 to 31.
	fn create_pure(p: u32, ) -> Weight {
		// Fastest run: 21_141_000.
		Weight::from_parts(22_039_040, 0)
			// ± 545
			.saturating_add(Weight::from_parts(8_004, 0).saturating_mul(p.into()))
			.saturating_add(T::DbWeight::get().reads(1))
			.saturating_add(T::DbWeight::get().writes(1))
	}
	/// `p` from 0 to 30.
	fn kill_pure(p: u32, ) -> Weight {
		// Fastest run: 19_349_000.
		Weight::from_parts(20_380_767, 0)
			// ± 471
			.saturating_add(Weight::from_parts(13_290, 0).saturating_mul(p.into()))
			.saturating_add(T::DbWeight::get().reads(1))
			.saturating_add(T::DbWeight::get().writes(1))
	}
	fn poke_deposit() -> Weight {
		// Fastest run: 33_130_000.
		Weight::from_parts(34_782_000, 0)
			.saturating_add(T::DbWeight::get().reads(3))
			.saturating_add(T::DbWeight::get().writes(3))
	}
}
