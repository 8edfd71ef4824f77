//! What `pallet_proxy` costs, as measured on 2026-11-25; written by `scripts/bench-weights`.
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
		// Fastest run: 13_550_000.
		Weight::from_parts(14_507_719, 0)
			// ± 829
			.saturating_add(Weight::from_parts(34_519, 0).saturating_mul(p.into()))
			.saturating_add(T::DbWeight::get().reads(1))
	}
	/// `a` from 0 to 31.
	/// `p` from 1 to 31.
	fn proxy_announced(a: u32, p: u32, ) -> Weight {
		// Fastest run: 36_374_000.
		Weight::from_parts(37_773_686, 0)
			// ± 4_084
			.saturating_add(Weight::from_parts(239_589, 0).saturating_mul(a.into()))
			// ± 4_222
			.saturating_add(Weight::from_parts(16_504, 0).saturating_mul(p.into()))
			.saturating_add(T::DbWeight::get().reads(3))
			.saturating_add(T::DbWeight::get().writes(2))
	}
	/// `a` from 0 to 31.
	/// `p` from 1 to 31.
	fn remove_announcement(a: u32, _p: u32, ) -> Weight {
		// Fastest run: 25_397_000.
		Weight::from_parts(26_956_423, 0)
			// ± 2_425
			.saturating_add(Weight::from_parts(221_930, 0).saturating_mul(a.into()))
			.saturating_add(T::DbWeight::get().reads(2))
			.saturating_add(T::DbWeight::get().writes(2))
	}
	/// `a` from 0 to 31.
	/// `p` from 1 to 31.
	fn reject_announcement(a: u32, p: u32, ) -> Weight {
		// Fastest run: 25_368_000.
		Weight::from_parts(26_780_857, 0)
			// ± 2_741
			.saturating_add(Weight::from_parts(223_900, 0).saturating_mul(a.into()))
			// ± 2_834
			.saturating_add(Weight::from_parts(1_560, 0).saturating_mul(p.into()))
			.saturating_add(T::DbWeight::get().reads(2))
			.saturating_add(T::DbWeight::get().writes(2))
	}
	/// `a` from 0 to 31.
	/// `p` from 1 to 31.
	fn announce(a: u32, p: u32, ) -> Weight {
		// Fastest run: 33_139_000.
		Weight::from_parts(34_249_078, 0)
			// ± 3_290
			.saturating_add(Weight::from_parts(223_194, 0).saturating_mul(a.into()))
			// ± 3_402
			.saturating_add(Weight::from_parts(11_251, 0).saturating_mul(p.into()))
			.saturating_add(T::DbWeight::get().reads(3))
			.saturating_add(T::DbWeight::get().writes(2))
	}
	/// `p` from 1 to 31.
	fn add_proxy(p: u32, ) -> Weight {
		// Fastest run: 24_727_000.
		Weight::from_parts(25_764_487, 0)
			// ± 986
			.saturating_add(Weight::from_parts(46_174, 0).saturating_mul(p.into()))
			.saturating_add(T::DbWeight::get().reads(1))
			.saturating_add(T::DbWeight::get().writes(1))
	}
	/// `p` from 1 to 31.
	fn remove_proxy(p: u32, ) -> Weight {
		// Fastest run: 24_807_000.
		Weight::from_parts(25_905_685, 0)
			// ± 983
			.saturating_add(Weight::from_parts(49_590, 0).saturating_mul(p.into()))
			.saturating_add(T::DbWeight::get().reads(1))
			.saturating_add(T::DbWeight::get().writes(1))
	}
	/// `p` from 1 to 31.
	fn remove_proxies(p: u32, ) -> Weight {
		// Fastest run: 24_446_000.
		Weight::from_parts(23_869_110, 0)
			// ± 1_533
			.saturating_add(Weight::from_parts(1_770_115, 0).saturating_mul(p.into()))
			.saturating_add(T::DbWeight::get().reads(1))
			.saturating_add(T::DbWeight::get().writes(1))
	}
	/// `p` from 1 to 31.
	fn create_pure(p: u32, ) -> Weight {
		// Fastest run: 28_392_000.
		Weight::from_parts(29_676_203, 0)
			// ± 1_137
			.saturating_add(Weight::from_parts(30_690, 0).saturating_mul(p.into()))
			.saturating_add(T::DbWeight::get().reads(1))
			.saturating_add(T::DbWeight::get().writes(1))
	}
	/// `p` from 0 to 30.
	fn kill_pure(p: u32, ) -> Weight {
		// Fastest run: 25_958_000.
		Weight::from_parts(27_275_747, 0)
			// ± 1_159
			.saturating_add(Weight::from_parts(38_695, 0).saturating_mul(p.into()))
			.saturating_add(T::DbWeight::get().reads(1))
			.saturating_add(T::DbWeight::get().writes(1))
	}
	fn poke_deposit() -> Weight {
		// Fastest run: 44_876_000.
		Weight::from_parts(46_819_000, 0)
			.saturating_add(T::DbWeight::get().reads(3))
			.saturating_add(T::DbWeight::get().writes(3))
	}
}
