//! What `pallet_market` costs, as measured on 2026-11-28; written by `scripts/bench-weights`.
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
		// Fastest run: 94_142_000.
		Weight::from_parts(110_753_000, 0)
			.saturating_add(T::DbWeight::get().reads(6))
			.saturating_add(T::DbWeight::get().writes(6))
	}
	/// `b` from 0 to 16.
	fn cancel_order(b: u32, ) -> Weight {
		// Fastest run: 91_050_000.
		Weight::from_parts(154_874_792, 0)
			// ± 468_473
			.saturating_add(Weight::from_parts(6_408_599, 0).saturating_mul(b.into()))
			.saturating_add(T::DbWeight::get().reads(3))
			.saturating_add(T::DbWeight::get().reads((1_u64).saturating_mul(b.into())))
			.saturating_add(T::DbWeight::get().writes(3))
			.saturating_add(T::DbWeight::get().writes((1_u64).saturating_mul(b.into())))
	}
	fn place_bid() -> Weight {
		// Fastest run: 171_588_000.
		Weight::from_parts(201_748_000, 0)
			.saturating_add(T::DbWeight::get().reads(14))
			.saturating_add(T::DbWeight::get().writes(5))
	}
	fn withdraw_bid() -> Weight {
		// Fastest run: 64_208_000.
		Weight::from_parts(77_683_000, 0)
			.saturating_add(T::DbWeight::get().reads(3))
			.saturating_add(T::DbWeight::get().writes(2))
	}
	/// `l` from 1 to 8.
	/// `b` from 0 to 8.
	fn pick(l: u32, b: u32, ) -> Weight {
		// Fastest run: 238_210_000.
		Weight::from_parts(174_186_178, 0)
			// ± 3_164_587
			.saturating_add(Weight::from_parts(110_748_259, 0).saturating_mul(l.into()))
			.saturating_add(T::DbWeight::get().reads(9))
			.saturating_add(T::DbWeight::get().reads((9_u64).saturating_mul(l.into())))
			.saturating_add(T::DbWeight::get().reads((1_u64).saturating_mul(b.into())))
			.saturating_add(T::DbWeight::get().writes(7))
			.saturating_add(T::DbWeight::get().writes((7_u64).saturating_mul(l.into())))
			.saturating_add(T::DbWeight::get().writes((1_u64).saturating_mul(b.into())))
	}
	fn lease_now() -> Weight {
		// Fastest run: 216_433_000.
		Weight::from_parts(256_857_000, 0)
			.saturating_add(T::DbWeight::get().reads(19))
			.saturating_add(T::DbWeight::get().writes(14))
	}
	fn start_lease() -> Weight {
		// Fastest run: 107_371_000.
		Weight::from_parts(181_140_000, 0)
			.saturating_add(T::DbWeight::get().reads(9))
			.saturating_add(T::DbWeight::get().writes(6))
	}
	fn submit_receipt() -> Weight {
		// Fastest run: 95_923_000.
		Weight::from_parts(110_854_000, 0)
			.saturating_add(T::DbWeight::get().reads(4))
			.saturating_add(T::DbWeight::get().writes(1))
	}
	/// `f` from 1 to 8.
	fn complete_lease(f: u32, ) -> Weight {
		// Fastest run: 365_280_000.
		Weight::from_parts(331_234_308, 0)
			// ± 1_039_787
			.saturating_add(Weight::from_parts(60_937_075, 0).saturating_mul(f.into()))
			.saturating_add(T::DbWeight::get().reads(20))
			.saturating_add(T::DbWeight::get().reads((2_u64).saturating_mul(f.into())))
			.saturating_add(T::DbWeight::get().writes(19))
			.saturating_add(T::DbWeight::get().writes((2_u64).saturating_mul(f.into())))
	}
	/// `f` from 1 to 8.
	fn fail_lease(f: u32, ) -> Weight {
		// Fastest run: 366_807_000.
		Weight::from_parts(351_290_103, 0)
			// ± 1_011_287
			.saturating_add(Weight::from_parts(56_573_061, 0).saturating_mul(f.into()))
			.saturating_add(T::DbWeight::get().reads(20))
			.saturating_add(T::DbWeight::get().reads((2_u64).saturating_mul(f.into())))
			.saturating_add(T::DbWeight::get().writes(19))
			.saturating_add(T::DbWeight::get().writes((2_u64).saturating_mul(f.into())))
	}
	/// `f` from 1 to 8.
	fn close_lease(f: u32, ) -> Weight {
		// Fastest run: 266_650_000.
		Weight::from_parts(234_234_384, 0)
			// ± 692_634
			.saturating_add(Weight::from_parts(57_675_542, 0).saturating_mul(f.into()))
			.saturating_add(T::DbWeight::get().reads(14))
			.saturating_add(T::DbWeight::get().reads((2_u64).saturating_mul(f.into())))
			.saturating_add(T::DbWeight::get().writes(15))
			.saturating_add(T::DbWeight::get().writes((2_u64).saturating_mul(f.into())))
	}
	/// `f` from 1 to 8.
	fn report_missing_manifest(f: u32, ) -> Weight {
		// Fastest run: 264_915_000.
		Weight::from_parts(255_615_804, 0)
			// ± 780_106
			.saturating_add(Weight::from_parts(46_155_834, 0).saturating_mul(f.into()))
			.saturating_add(T::DbWeight::get().reads(18))
			.saturating_add(T::DbWeight::get().reads((2_u64).saturating_mul(f.into())))
			.saturating_add(T::DbWeight::get().writes(17))
			.saturating_add(T::DbWeight::get().writes((2_u64).saturating_mul(f.into())))
	}
	/// `f` from 1 to 8.
	fn pause_lease(f: u32, ) -> Weight {
		// Fastest run: 213_217_000.
		Weight::from_parts(181_363_940, 0)
			// ± 482_768
			.saturating_add(Weight::from_parts(55_747_783, 0).saturating_mul(f.into()))
			.saturating_add(T::DbWeight::get().reads(11))
			.saturating_add(T::DbWeight::get().reads((2_u64).saturating_mul(f.into())))
			.saturating_add(T::DbWeight::get().writes(8))
			.saturating_add(T::DbWeight::get().writes((2_u64).saturating_mul(f.into())))
	}
	fn resume_lease() -> Weight {
		// Fastest run: 116_993_000.
		Weight::from_parts(137_219_000, 0)
			.saturating_add(T::DbWeight::get().reads(10))
			.saturating_add(T::DbWeight::get().writes(6))
	}
	/// `f` from 1 to 8.
	fn reclaim_lease(f: u32, ) -> Weight {
		// Fastest run: 202_566_000.
		Weight::from_parts(172_896_970, 0)
			// ± 533_277
			.saturating_add(Weight::from_parts(54_493_138, 0).saturating_mul(f.into()))
			.saturating_add(T::DbWeight::get().reads(11))
			.saturating_add(T::DbWeight::get().reads((2_u64).saturating_mul(f.into())))
			.saturating_add(T::DbWeight::get().writes(6))
			.saturating_add(T::DbWeight::get().writes((2_u64).saturating_mul(f.into())))
	}
	/// `f` from 1 to 8.
	fn abandon_lease(f: u32, ) -> Weight {
		// Fastest run: 385_672_000.
		Weight::from_parts(394_754_744, 0)
			// ± 1_193_159
			.saturating_add(Weight::from_parts(50_513_303, 0).saturating_mul(f.into()))
			.saturating_add(T::DbWeight::get().reads(20))
			.saturating_add(T::DbWeight::get().reads((2_u64).saturating_mul(f.into())))
			.saturating_add(T::DbWeight::get().writes(19))
			.saturating_add(T::DbWeight::get().writes((2_u64).saturating_mul(f.into())))
	}
	/// `f` from 1 to 8.
	fn report_offline(f: u32, ) -> Weight {
		// Fastest run: 344_659_000.
		Weight::from_parts(342_419_287, 0)
			// ± 1_178_641
			.saturating_add(Weight::from_parts(52_812_948, 0).saturating_mul(f.into()))
			.saturating_add(T::DbWeight::get().reads(19))
			.saturating_add(T::DbWeight::get().reads((2_u64).saturating_mul(f.into())))
			.saturating_add(T::DbWeight::get().writes(18))
			.saturating_add(T::DbWeight::get().writes((2_u64).saturating_mul(f.into())))
	}
	fn update_manifest() -> Weight {
		// Fastest run: 33_911_000.
		Weight::from_parts(41_343_000, 0)
			.saturating_add(T::DbWeight::get().reads(3))
			.saturating_add(T::DbWeight::get().writes(3))
	}
	fn propose_resize() -> Weight {
		// Fastest run: 28_440_000.
		Weight::from_parts(36_178_000, 0)
			.saturating_add(T::DbWeight::get().reads(2))
			.saturating_add(T::DbWeight::get().writes(1))
	}
	/// `f` from 1 to 8.
	fn accept_resize(f: u32, ) -> Weight {
		// Fastest run: 251_395_000.
		Weight::from_parts(238_746_072, 0)
			// ± 558_980
			.saturating_add(Weight::from_parts(49_332_087, 0).saturating_mul(f.into()))
			.saturating_add(T::DbWeight::get().reads(14))
			.saturating_add(T::DbWeight::get().reads((2_u64).saturating_mul(f.into())))
			.saturating_add(T::DbWeight::get().writes(8))
			.saturating_add(T::DbWeight::get().writes((2_u64).saturating_mul(f.into())))
	}
	fn revoke_access() -> Weight {
		// Fastest run: 24_171_000.
		Weight::from_parts(29_407_000, 0)
			.saturating_add(T::DbWeight::get().reads(2))
			.saturating_add(T::DbWeight::get().writes(1))
	}
	fn set_terms() -> Weight {
		// Fastest run: 17_575_000.
		Weight::from_parts(21_863_000, 0)
			.saturating_add(T::DbWeight::get().reads(3))
			.saturating_add(T::DbWeight::get().writes(2))
	}
	/// `l` from 1 to 8.
	/// `b` from 0 to 8.
	fn visit_order(l: u32, b: u32, ) -> Weight {
		// Fastest run: 554_656_000.
		Weight::from_parts(70_566_932, 0)
			// ± 3_180_032
			.saturating_add(Weight::from_parts(116_290_768, 0).saturating_mul(l.into()))
			// ± 2_805_370
			.saturating_add(Weight::from_parts(48_931_408, 0).saturating_mul(b.into()))
			.saturating_add(T::DbWeight::get().reads(9))
			.saturating_add(T::DbWeight::get().reads((9_u64).saturating_mul(l.into())))
			.saturating_add(T::DbWeight::get().reads((7_u64).saturating_mul(b.into())))
			.saturating_add(T::DbWeight::get().writes(7))
			.saturating_add(T::DbWeight::get().writes((7_u64).saturating_mul(l.into())))
			.saturating_add(T::DbWeight::get().writes((1_u64).saturating_mul(b.into())))
	}
	/// `l` from 1 to 8.
	/// `b` from 0 to 8.
	fn visit_unpicked(l: u32, b: u32, ) -> Weight {
		// Fastest run: 395_281_000.
		Weight::from_parts(393_211_390, 0)
			// ± 1_840_671
			.saturating_add(Weight::from_parts(101_843_229, 0).saturating_mul(l.into()))
			.saturating_add(T::DbWeight::get().reads(12))
			.saturating_add(T::DbWeight::get().reads((9_u64).saturating_mul(l.into())))
			.saturating_add(T::DbWeight::get().reads((1_u64).saturating_mul(b.into())))
			.saturating_add(T::DbWeight::get().writes(4))
			.saturating_add(T::DbWeight::get().writes((1_u64).saturating_mul(l.into())))
			.saturating_add(T::DbWeight::get().writes((1_u64).saturating_mul(b.into())))
	}
	/// `f` from 1 to 8.
	fn visit_lease(f: u32, ) -> Weight {
		// Fastest run: 344_552_000.
		Weight::from_parts(357_734_828, 0)
			// ± 1_199_998
			.saturating_add(Weight::from_parts(49_013_831, 0).saturating_mul(f.into()))
			.saturating_add(T::DbWeight::get().reads(19))
			.saturating_add(T::DbWeight::get().reads((2_u64).saturating_mul(f.into())))
			.saturating_add(T::DbWeight::get().writes(18))
			.saturating_add(T::DbWeight::get().writes((2_u64).saturating_mul(f.into())))
	}
	/// `f` from 1 to 8.
	fn visit_dry(f: u32, ) -> Weight {
		// Fastest run: 342_839_000.
		Weight::from_parts(325_917_819, 0)
			// ± 611_065
			.saturating_add(Weight::from_parts(53_564_937, 0).saturating_mul(f.into()))
			.saturating_add(T::DbWeight::get().reads(18))
			.saturating_add(T::DbWeight::get().reads((2_u64).saturating_mul(f.into())))
			.saturating_add(T::DbWeight::get().writes(16))
			.saturating_add(T::DbWeight::get().writes((2_u64).saturating_mul(f.into())))
	}
	fn to_v2() -> Weight {
		// Fastest run: 281_787_000.
		Weight::from_parts(353_947_000, 0)
			.saturating_add(T::DbWeight::get().reads(22))
			.saturating_add(T::DbWeight::get().writes(19))
	}
	fn visit_closed() -> Weight {
		// Fastest run: 59_853_000.
		Weight::from_parts(69_789_000, 0)
			.saturating_add(T::DbWeight::get().reads(3))
			.saturating_add(T::DbWeight::get().writes(3))
	}
	fn visit_watch() -> Weight {
		// Fastest run: 175_412_000.
		Weight::from_parts(202_675_000, 0)
			.saturating_add(T::DbWeight::get().reads(22))
			.saturating_add(T::DbWeight::get().writes(11))
	}
	/// `a` from 0 to 8.
	fn eligible(a: u32, ) -> Weight {
		// Fastest run: 39_357_000.
		Weight::from_parts(46_903_469, 0)
			// ± 91_191
			.saturating_add(Weight::from_parts(17_527_063, 0).saturating_mul(a.into()))
			.saturating_add(T::DbWeight::get().reads(6))
			.saturating_add(T::DbWeight::get().reads((2_u64).saturating_mul(a.into())))
	}
}
