//! What `pallet_market` costs, as measured on 2026-11-26; written by `scripts/bench-weights`.
//!
//! CPU: Intel(R) Xeon(R) Processor. Steps: 20, repeats: 10. Every figure is picoseconds; a database
//! access costs what `DbWeight` says.

#![cfg_attr(rustfmt, rustfmt_skip)]
#![allow(clippy::all, unused_imports, unused_variables)]

use core::marker::PhantomData;
use frame_support::{traits::Get, weights::Weight};

/// Measured weights.
pub struct WeightInfo<T>(PhantomData<T>);

impl<T: frame_system::Config> pallet_market::WeightInfo for WeightInfo<T> {
	fn place_order() -> Weight {
		// Fastest run: 91_931_000.
		Weight::from_parts(102_839_000, 0)
			.saturating_add(T::DbWeight::get().reads(6))
			.saturating_add(T::DbWeight::get().writes(6))
	}
	/// `b` from 0 to 16.
	fn cancel_order(b: u32, ) -> Weight {
		// Fastest run: 94_764_000.
		Weight::from_parts(149_873_648, 0)
			// ± 266_531
			.saturating_add(Weight::from_parts(6_139_508, 0).saturating_mul(b.into()))
			.saturating_add(T::DbWeight::get().reads(3))
			.saturating_add(T::DbWeight::get().reads((1_u64).saturating_mul(b.into())))
			.saturating_add(T::DbWeight::get().writes(3))
			.saturating_add(T::DbWeight::get().writes((1_u64).saturating_mul(b.into())))
	}
	fn place_bid() -> Weight {
		// Fastest run: 159_410_000.
		Weight::from_parts(181_969_000, 0)
			.saturating_add(T::DbWeight::get().reads(12))
			.saturating_add(T::DbWeight::get().writes(5))
	}
	fn withdraw_bid() -> Weight {
		// Fastest run: 65_570_000.
		Weight::from_parts(72_901_000, 0)
			.saturating_add(T::DbWeight::get().reads(3))
			.saturating_add(T::DbWeight::get().writes(2))
	}
	/// `l` from 1 to 8.
	/// `b` from 0 to 8.
	fn pick(l: u32, b: u32, ) -> Weight {
		// Fastest run: 235_906_000.
		Weight::from_parts(167_822_355, 0)
			// ± 894_330
			.saturating_add(Weight::from_parts(98_892_803, 0).saturating_mul(l.into()))
			.saturating_add(T::DbWeight::get().reads(9))
			.saturating_add(T::DbWeight::get().reads((8_u64).saturating_mul(l.into())))
			.saturating_add(T::DbWeight::get().reads((1_u64).saturating_mul(b.into())))
			.saturating_add(T::DbWeight::get().writes(7))
			.saturating_add(T::DbWeight::get().writes((6_u64).saturating_mul(l.into())))
			.saturating_add(T::DbWeight::get().writes((1_u64).saturating_mul(b.into())))
	}
	fn lease_now() -> Weight {
		// Fastest run: 187_694_000.
		Weight::from_parts(221_492_000, 0)
			.saturating_add(T::DbWeight::get().reads(18))
			.saturating_add(T::DbWeight::get().writes(13))
	}
	fn start_lease() -> Weight {
		// Fastest run: 82_979_000.
		Weight::from_parts(96_583_000, 0)
			.saturating_add(T::DbWeight::get().reads(7))
			.saturating_add(T::DbWeight::get().writes(5))
	}
	fn submit_receipt() -> Weight {
		// Fastest run: 89_503_000.
		Weight::from_parts(98_854_000, 0)
			.saturating_add(T::DbWeight::get().reads(4))
			.saturating_add(T::DbWeight::get().writes(1))
	}
	/// `f` from 1 to 8.
	fn complete_lease(f: u32, ) -> Weight {
		// Fastest run: 300_734_000.
		Weight::from_parts(279_591_618, 0)
			// ± 276_068
			.saturating_add(Weight::from_parts(52_846_556, 0).saturating_mul(f.into()))
			.saturating_add(T::DbWeight::get().reads(16))
			.saturating_add(T::DbWeight::get().reads((2_u64).saturating_mul(f.into())))
			.saturating_add(T::DbWeight::get().writes(16))
			.saturating_add(T::DbWeight::get().writes((2_u64).saturating_mul(f.into())))
	}
	/// `f` from 1 to 8.
	fn fail_lease(f: u32, ) -> Weight {
		// Fastest run: 360_114_000.
		Weight::from_parts(330_458_971, 0)
			// ± 220_328
			.saturating_add(Weight::from_parts(54_392_889, 0).saturating_mul(f.into()))
			.saturating_add(T::DbWeight::get().reads(18))
			.saturating_add(T::DbWeight::get().reads((2_u64).saturating_mul(f.into())))
			.saturating_add(T::DbWeight::get().writes(18))
			.saturating_add(T::DbWeight::get().writes((2_u64).saturating_mul(f.into())))
	}
	/// `f` from 1 to 8.
	fn close_lease(f: u32, ) -> Weight {
		// Fastest run: 262_937_000.
		Weight::from_parts(254_337_387, 0)
			// ± 259_862
			.saturating_add(Weight::from_parts(52_081_897, 0).saturating_mul(f.into()))
			.saturating_add(T::DbWeight::get().reads(13))
			.saturating_add(T::DbWeight::get().reads((2_u64).saturating_mul(f.into())))
			.saturating_add(T::DbWeight::get().writes(14))
			.saturating_add(T::DbWeight::get().writes((2_u64).saturating_mul(f.into())))
	}
	/// `f` from 1 to 8.
	fn report_missing_manifest(f: u32, ) -> Weight {
		// Fastest run: 250_095_000.
		Weight::from_parts(233_888_833, 0)
			// ± 183_691
			.saturating_add(Weight::from_parts(46_929_368, 0).saturating_mul(f.into()))
			.saturating_add(T::DbWeight::get().reads(16))
			.saturating_add(T::DbWeight::get().reads((2_u64).saturating_mul(f.into())))
			.saturating_add(T::DbWeight::get().writes(16))
			.saturating_add(T::DbWeight::get().writes((2_u64).saturating_mul(f.into())))
	}
	/// `f` from 1 to 8.
	fn pause_lease(f: u32, ) -> Weight {
		// Fastest run: 235_553_000.
		Weight::from_parts(204_969_096, 0)
			// ± 257_342
			.saturating_add(Weight::from_parts(53_010_423, 0).saturating_mul(f.into()))
			.saturating_add(T::DbWeight::get().reads(11))
			.saturating_add(T::DbWeight::get().reads((2_u64).saturating_mul(f.into())))
			.saturating_add(T::DbWeight::get().writes(8))
			.saturating_add(T::DbWeight::get().writes((2_u64).saturating_mul(f.into())))
	}
	fn resume_lease() -> Weight {
		// Fastest run: 109_047_000.
		Weight::from_parts(122_135_000, 0)
			.saturating_add(T::DbWeight::get().reads(9))
			.saturating_add(T::DbWeight::get().writes(6))
	}
	/// `f` from 1 to 8.
	fn reclaim_lease(f: u32, ) -> Weight {
		// Fastest run: 213_209_000.
		Weight::from_parts(186_831_881, 0)
			// ± 212_450
			.saturating_add(Weight::from_parts(52_501_453, 0).saturating_mul(f.into()))
			.saturating_add(T::DbWeight::get().reads(10))
			.saturating_add(T::DbWeight::get().reads((2_u64).saturating_mul(f.into())))
			.saturating_add(T::DbWeight::get().writes(6))
			.saturating_add(T::DbWeight::get().writes((2_u64).saturating_mul(f.into())))
	}
	/// `f` from 1 to 8.
	fn abandon_lease(f: u32, ) -> Weight {
		// Fastest run: 365_489_000.
		Weight::from_parts(337_875_511, 0)
			// ± 291_560
			.saturating_add(Weight::from_parts(53_634_872, 0).saturating_mul(f.into()))
			.saturating_add(T::DbWeight::get().reads(18))
			.saturating_add(T::DbWeight::get().reads((2_u64).saturating_mul(f.into())))
			.saturating_add(T::DbWeight::get().writes(18))
			.saturating_add(T::DbWeight::get().writes((2_u64).saturating_mul(f.into())))
	}
	/// `f` from 1 to 8.
	fn report_offline(f: u32, ) -> Weight {
		// Fastest run: 339_891_000.
		Weight::from_parts(334_851_509, 0)
			// ± 428_841
			.saturating_add(Weight::from_parts(51_723_359, 0).saturating_mul(f.into()))
			.saturating_add(T::DbWeight::get().reads(17))
			.saturating_add(T::DbWeight::get().reads((2_u64).saturating_mul(f.into())))
			.saturating_add(T::DbWeight::get().writes(17))
			.saturating_add(T::DbWeight::get().writes((2_u64).saturating_mul(f.into())))
	}
	fn update_manifest() -> Weight {
		// Fastest run: 33_477_000.
		Weight::from_parts(38_362_000, 0)
			.saturating_add(T::DbWeight::get().reads(3))
			.saturating_add(T::DbWeight::get().writes(3))
	}
	fn propose_resize() -> Weight {
		// Fastest run: 27_481_000.
		Weight::from_parts(32_874_000, 0)
			.saturating_add(T::DbWeight::get().reads(2))
			.saturating_add(T::DbWeight::get().writes(1))
	}
	/// `f` from 1 to 8.
	fn accept_resize(f: u32, ) -> Weight {
		// Fastest run: 255_390_000.
		Weight::from_parts(241_522_165, 0)
			// ± 189_590
			.saturating_add(Weight::from_parts(48_395_881, 0).saturating_mul(f.into()))
			.saturating_add(T::DbWeight::get().reads(13))
			.saturating_add(T::DbWeight::get().reads((2_u64).saturating_mul(f.into())))
			.saturating_add(T::DbWeight::get().writes(8))
			.saturating_add(T::DbWeight::get().writes((2_u64).saturating_mul(f.into())))
	}
	fn revoke_access() -> Weight {
		// Fastest run: 20_223_000.
		Weight::from_parts(24_454_000, 0)
			.saturating_add(T::DbWeight::get().reads(1))
			.saturating_add(T::DbWeight::get().writes(1))
	}
	fn set_terms() -> Weight {
		// Fastest run: 11_029_000.
		Weight::from_parts(12_984_000, 0)
			.saturating_add(T::DbWeight::get().reads(1))
			.saturating_add(T::DbWeight::get().writes(1))
	}
	/// `l` from 1 to 8.
	/// `b` from 0 to 8.
	fn visit_order(l: u32, b: u32, ) -> Weight {
		// Fastest run: 492_103_000.
		Weight::from_parts(127_089_983, 0)
			// ± 1_004_507
			.saturating_add(Weight::from_parts(94_626_355, 0).saturating_mul(l.into()))
			// ± 886_159
			.saturating_add(Weight::from_parts(37_152_110, 0).saturating_mul(b.into()))
			.saturating_add(T::DbWeight::get().reads(9))
			.saturating_add(T::DbWeight::get().reads((8_u64).saturating_mul(l.into())))
			.saturating_add(T::DbWeight::get().reads((5_u64).saturating_mul(b.into())))
			.saturating_add(T::DbWeight::get().writes(7))
			.saturating_add(T::DbWeight::get().writes((6_u64).saturating_mul(l.into())))
			.saturating_add(T::DbWeight::get().writes((1_u64).saturating_mul(b.into())))
	}
	/// `f` from 1 to 8.
	fn visit_lease(f: u32, ) -> Weight {
		// Fastest run: 314_433_000.
		Weight::from_parts(301_994_951, 0)
			// ± 204_214
			.saturating_add(Weight::from_parts(50_359_455, 0).saturating_mul(f.into()))
			.saturating_add(T::DbWeight::get().reads(17))
			.saturating_add(T::DbWeight::get().reads((2_u64).saturating_mul(f.into())))
			.saturating_add(T::DbWeight::get().writes(17))
			.saturating_add(T::DbWeight::get().writes((2_u64).saturating_mul(f.into())))
	}
	/// `f` from 1 to 8.
	fn visit_dry(f: u32, ) -> Weight {
		// Fastest run: 312_759_000.
		Weight::from_parts(323_373_647, 0)
			// ± 453_177
			.saturating_add(Weight::from_parts(46_949_207, 0).saturating_mul(f.into()))
			.saturating_add(T::DbWeight::get().reads(17))
			.saturating_add(T::DbWeight::get().reads((2_u64).saturating_mul(f.into())))
			.saturating_add(T::DbWeight::get().writes(15))
			.saturating_add(T::DbWeight::get().writes((2_u64).saturating_mul(f.into())))
	}
	fn to_v2() -> Weight {
		// Fastest run: 208_476_000.
		Weight::from_parts(225_966_000, 0)
			.saturating_add(T::DbWeight::get().reads(6))
			.saturating_add(T::DbWeight::get().writes(3))
	}
	fn visit_closed() -> Weight {
		// Fastest run: 58_539_000.
		Weight::from_parts(65_769_000, 0)
			.saturating_add(T::DbWeight::get().reads(3))
			.saturating_add(T::DbWeight::get().writes(3))
	}
	fn visit_watch() -> Weight {
		// Fastest run: 163_199_000.
		Weight::from_parts(176_925_000, 0)
			.saturating_add(T::DbWeight::get().reads(20))
			.saturating_add(T::DbWeight::get().writes(11))
	}
	/// `a` from 0 to 8.
	fn eligible(a: u32, ) -> Weight {
		// Fastest run: 29_515_000.
		Weight::from_parts(36_708_874, 0)
			// ± 43_240
			.saturating_add(Weight::from_parts(17_129_890, 0).saturating_mul(a.into()))
			.saturating_add(T::DbWeight::get().reads(4))
			.saturating_add(T::DbWeight::get().reads((2_u64).saturating_mul(a.into())))
	}
}
