//! What `pallet_market` costs, as measured on 2026-11-27; written by `scripts/bench-weights`.
//!
//! CPU: AMD EPYC. Steps: 20, repeats: 10. Every figure is picoseconds; a database
//! access costs what `DbWeight` says.

#![cfg_attr(rustfmt, rustfmt_skip)]
#![allow(clippy::all, unused_imports, unused_variables)]

use core::marker::PhantomData;
use frame_support::{traits::Get, weights::Weight};

/// Measured weights.
pub struct WeightInfo<T>(PhantomData<T>);

impl<T: frame_system::Config> pallet_market::WeightInfo for WeightInfo<T> {
	fn place_order() -> Weight {
		// Fastest run: 81_881_000.
		Weight::from_parts(85_206_000, 0)
			.saturating_add(T::DbWeight::get().reads(6))
			.saturating_add(T::DbWeight::get().writes(6))
	}
	/// `b` from 0 to 16.
	fn cancel_order(b: u32, ) -> Weight {
		// Fastest run: 69_583_000.
		Weight::from_parts(105_138_830, 0)
			// ± 181_503
			.saturating_add(Weight::from_parts(4_993_996, 0).saturating_mul(b.into()))
			.saturating_add(T::DbWeight::get().reads(3))
			.saturating_add(T::DbWeight::get().reads((1_u64).saturating_mul(b.into())))
			.saturating_add(T::DbWeight::get().writes(3))
			.saturating_add(T::DbWeight::get().writes((1_u64).saturating_mul(b.into())))
	}
	fn place_bid() -> Weight {
		// Fastest run: 127_218_000.
		Weight::from_parts(133_027_000, 0)
			.saturating_add(T::DbWeight::get().reads(14))
			.saturating_add(T::DbWeight::get().writes(5))
	}
	fn withdraw_bid() -> Weight {
		// Fastest run: 47_340_000.
		Weight::from_parts(50_745_000, 0)
			.saturating_add(T::DbWeight::get().reads(3))
			.saturating_add(T::DbWeight::get().writes(2))
	}
	/// `l` from 1 to 8.
	/// `b` from 0 to 8.
	fn pick(l: u32, b: u32, ) -> Weight {
		// Fastest run: 179_696_000.
		Weight::from_parts(88_079_594, 0)
			// ± 353_959
			.saturating_add(Weight::from_parts(84_928_482, 0).saturating_mul(l.into()))
			// ± 312_257
			.saturating_add(Weight::from_parts(2_208_621, 0).saturating_mul(b.into()))
			.saturating_add(T::DbWeight::get().reads(9))
			.saturating_add(T::DbWeight::get().reads((9_u64).saturating_mul(l.into())))
			.saturating_add(T::DbWeight::get().reads((1_u64).saturating_mul(b.into())))
			.saturating_add(T::DbWeight::get().writes(7))
			.saturating_add(T::DbWeight::get().writes((7_u64).saturating_mul(l.into())))
			.saturating_add(T::DbWeight::get().writes((1_u64).saturating_mul(b.into())))
	}
	fn lease_now() -> Weight {
		// Fastest run: 179_706_000.
		Weight::from_parts(186_246_000, 0)
			.saturating_add(T::DbWeight::get().reads(19))
			.saturating_add(T::DbWeight::get().writes(14))
	}
	fn start_lease() -> Weight {
		// Fastest run: 97_043_000.
		Weight::from_parts(100_468_000, 0)
			.saturating_add(T::DbWeight::get().reads(10))
			.saturating_add(T::DbWeight::get().writes(6))
	}
	fn submit_receipt() -> Weight {
		// Fastest run: 80_399_000.
		Weight::from_parts(84_895_000, 0)
			.saturating_add(T::DbWeight::get().reads(4))
			.saturating_add(T::DbWeight::get().writes(1))
	}
	/// `f` from 1 to 8.
	fn complete_lease(f: u32, ) -> Weight {
		// With a read more than was measured.
		// Fastest run: 316_189_000.
		Weight::from_parts(275_515_404, 0)
			// ± 136_043
			.saturating_add(Weight::from_parts(45_556_533, 0).saturating_mul(f.into()))
			.saturating_add(T::DbWeight::get().reads(20))
			.saturating_add(T::DbWeight::get().reads((2_u64).saturating_mul(f.into())))
			.saturating_add(T::DbWeight::get().writes(19))
			.saturating_add(T::DbWeight::get().writes((2_u64).saturating_mul(f.into())))
	}
	/// `f` from 1 to 8.
	fn fail_lease(f: u32, ) -> Weight {
		// With a read more than was measured.
		// Fastest run: 316_158_000.
		Weight::from_parts(277_317_645, 0)
			// ± 104_898
			.saturating_add(Weight::from_parts(44_805_390, 0).saturating_mul(f.into()))
			.saturating_add(T::DbWeight::get().reads(20))
			.saturating_add(T::DbWeight::get().reads((2_u64).saturating_mul(f.into())))
			.saturating_add(T::DbWeight::get().writes(19))
			.saturating_add(T::DbWeight::get().writes((2_u64).saturating_mul(f.into())))
	}
	/// `f` from 1 to 8.
	fn close_lease(f: u32, ) -> Weight {
		// Fastest run: 231_703_000.
		Weight::from_parts(193_256_597, 0)
			// ± 66_042
			.saturating_add(Weight::from_parts(44_478_365, 0).saturating_mul(f.into()))
			.saturating_add(T::DbWeight::get().reads(14))
			.saturating_add(T::DbWeight::get().reads((2_u64).saturating_mul(f.into())))
			.saturating_add(T::DbWeight::get().writes(15))
			.saturating_add(T::DbWeight::get().writes((2_u64).saturating_mul(f.into())))
	}
	/// `f` from 1 to 8.
	fn report_missing_manifest(f: u32, ) -> Weight {
		// With a read more than was measured.
		// Fastest run: 214_748_000.
		Weight::from_parts(181_916_156, 0)
			// ± 73_588
			.saturating_add(Weight::from_parts(39_241_200, 0).saturating_mul(f.into()))
			.saturating_add(T::DbWeight::get().reads(18))
			.saturating_add(T::DbWeight::get().reads((2_u64).saturating_mul(f.into())))
			.saturating_add(T::DbWeight::get().writes(17))
			.saturating_add(T::DbWeight::get().writes((2_u64).saturating_mul(f.into())))
	}
	/// `f` from 1 to 8.
	fn pause_lease(f: u32, ) -> Weight {
		// Fastest run: 196_000_000.
		Weight::from_parts(158_505_423, 0)
			// ± 99_386
			.saturating_add(Weight::from_parts(44_478_275, 0).saturating_mul(f.into()))
			.saturating_add(T::DbWeight::get().reads(12))
			.saturating_add(T::DbWeight::get().reads((2_u64).saturating_mul(f.into())))
			.saturating_add(T::DbWeight::get().writes(8))
			.saturating_add(T::DbWeight::get().writes((2_u64).saturating_mul(f.into())))
	}
	fn resume_lease() -> Weight {
		// Fastest run: 100_759_000.
		Weight::from_parts(104_334_000, 0)
			.saturating_add(T::DbWeight::get().reads(10))
			.saturating_add(T::DbWeight::get().writes(6))
	}
	/// `f` from 1 to 8.
	fn reclaim_lease(f: u32, ) -> Weight {
		// Fastest run: 178_254_000.
		Weight::from_parts(140_746_073, 0)
			// ± 65_390
			.saturating_add(Weight::from_parts(44_949_050, 0).saturating_mul(f.into()))
			.saturating_add(T::DbWeight::get().reads(11))
			.saturating_add(T::DbWeight::get().reads((2_u64).saturating_mul(f.into())))
			.saturating_add(T::DbWeight::get().writes(6))
			.saturating_add(T::DbWeight::get().writes((2_u64).saturating_mul(f.into())))
	}
	/// `f` from 1 to 8.
	fn abandon_lease(f: u32, ) -> Weight {
		// With a read more than was measured.
		// Fastest run: 314_145_000.
		Weight::from_parts(276_561_996, 0)
			// ± 111_443
			.saturating_add(Weight::from_parts(44_308_096, 0).saturating_mul(f.into()))
			.saturating_add(T::DbWeight::get().reads(20))
			.saturating_add(T::DbWeight::get().reads((2_u64).saturating_mul(f.into())))
			.saturating_add(T::DbWeight::get().writes(19))
			.saturating_add(T::DbWeight::get().writes((2_u64).saturating_mul(f.into())))
	}
	/// `f` from 1 to 8.
	fn report_offline(f: u32, ) -> Weight {
		// With a read more than was measured.
		// Fastest run: 294_757_000.
		Weight::from_parts(254_974_094, 0)
			// ± 85_841
			.saturating_add(Weight::from_parts(44_449_050, 0).saturating_mul(f.into()))
			.saturating_add(T::DbWeight::get().reads(19))
			.saturating_add(T::DbWeight::get().reads((2_u64).saturating_mul(f.into())))
			.saturating_add(T::DbWeight::get().writes(18))
			.saturating_add(T::DbWeight::get().writes((2_u64).saturating_mul(f.into())))
	}
	fn update_manifest() -> Weight {
		// Fastest run: 27_170_000.
		Weight::from_parts(29_093_000, 0)
			.saturating_add(T::DbWeight::get().reads(3))
			.saturating_add(T::DbWeight::get().writes(3))
	}
	fn propose_resize() -> Weight {
		// Fastest run: 23_835_000.
		Weight::from_parts(25_187_000, 0)
			.saturating_add(T::DbWeight::get().reads(2))
			.saturating_add(T::DbWeight::get().writes(1))
	}
	/// `f` from 1 to 8.
	fn accept_resize(f: u32, ) -> Weight {
		// Fastest run: 228_949_000.
		Weight::from_parts(190_871_946, 0)
			// ± 84_296
			.saturating_add(Weight::from_parts(44_690_575, 0).saturating_mul(f.into()))
			.saturating_add(T::DbWeight::get().reads(14))
			.saturating_add(T::DbWeight::get().reads((2_u64).saturating_mul(f.into())))
			.saturating_add(T::DbWeight::get().writes(8))
			.saturating_add(T::DbWeight::get().writes((2_u64).saturating_mul(f.into())))
	}
	fn revoke_access() -> Weight {
		// Fastest run: 17_016_000.
		Weight::from_parts(18_247_000, 0)
			.saturating_add(T::DbWeight::get().reads(1))
			.saturating_add(T::DbWeight::get().writes(1))
	}
	fn set_terms() -> Weight {
		// With a read and a write more than was measured.
		// Fastest run: 8_522_000.
		Weight::from_parts(9_374_000, 0)
			.saturating_add(T::DbWeight::get().reads(2))
			.saturating_add(T::DbWeight::get().writes(2))
	}
	/// `l` from 1 to 8.
	/// `b` from 0 to 8.
	fn visit_order(l: u32, b: u32, ) -> Weight {
		// Fastest run: 437_408_000.
		Weight::from_parts(103_775_492, 0)
			// ± 575_933
			.saturating_add(Weight::from_parts(85_717_538, 0).saturating_mul(l.into()))
			// ± 508_078
			.saturating_add(Weight::from_parts(32_444_319, 0).saturating_mul(b.into()))
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
		// Not measured yet: as `visit_order`, which it does, and undoes.
		Weight::from_parts(103_775_492, 0)
			// ± 575_933
			.saturating_add(Weight::from_parts(85_717_538, 0).saturating_mul(l.into()))
			// ± 508_078
			.saturating_add(Weight::from_parts(32_444_319, 0).saturating_mul(b.into()))
			.saturating_add(T::DbWeight::get().reads(9))
			.saturating_add(T::DbWeight::get().reads((9_u64).saturating_mul(l.into())))
			.saturating_add(T::DbWeight::get().reads((7_u64).saturating_mul(b.into())))
			.saturating_add(T::DbWeight::get().writes(7))
			.saturating_add(T::DbWeight::get().writes((7_u64).saturating_mul(l.into())))
			.saturating_add(T::DbWeight::get().writes((1_u64).saturating_mul(b.into())))
	}
	/// `f` from 1 to 8.
	fn visit_lease(f: u32, ) -> Weight {
		// With a read more than was measured.
		// Fastest run: 290_400_000.
		Weight::from_parts(251_852_512, 0)
			// ± 111_811
			.saturating_add(Weight::from_parts(43_790_816, 0).saturating_mul(f.into()))
			.saturating_add(T::DbWeight::get().reads(19))
			.saturating_add(T::DbWeight::get().reads((2_u64).saturating_mul(f.into())))
			.saturating_add(T::DbWeight::get().writes(18))
			.saturating_add(T::DbWeight::get().writes((2_u64).saturating_mul(f.into())))
	}
	/// `f` from 1 to 8.
	fn visit_dry(f: u32, ) -> Weight {
		// Fastest run: 287_636_000.
		Weight::from_parts(248_549_682, 0)
			// ± 102_066
			.saturating_add(Weight::from_parts(43_997_210, 0).saturating_mul(f.into()))
			.saturating_add(T::DbWeight::get().reads(18))
			.saturating_add(T::DbWeight::get().reads((2_u64).saturating_mul(f.into())))
			.saturating_add(T::DbWeight::get().writes(16))
			.saturating_add(T::DbWeight::get().writes((2_u64).saturating_mul(f.into())))
	}
	fn to_v2() -> Weight {
		// Fastest run: 235_168_000.
		Weight::from_parts(241_187_000, 0)
			.saturating_add(T::DbWeight::get().reads(22))
			.saturating_add(T::DbWeight::get().writes(19))
	}
	fn visit_closed() -> Weight {
		// Fastest run: 51_726_000.
		Weight::from_parts(53_579_000, 0)
			.saturating_add(T::DbWeight::get().reads(3))
			.saturating_add(T::DbWeight::get().writes(3))
	}
	fn visit_watch() -> Weight {
		// With a read more than was measured.
		// Fastest run: 144_203_000.
		Weight::from_parts(148_931_000, 0)
			.saturating_add(T::DbWeight::get().reads(22))
			.saturating_add(T::DbWeight::get().writes(11))
	}
	/// `a` from 0 to 8.
	fn eligible(a: u32, ) -> Weight {
		// Fastest run: 31_426_000.
		Weight::from_parts(34_856_562, 0)
			// ± 18_500
			.saturating_add(Weight::from_parts(13_424_642, 0).saturating_mul(a.into()))
			.saturating_add(T::DbWeight::get().reads(6))
			.saturating_add(T::DbWeight::get().reads((2_u64).saturating_mul(a.into())))
	}
}
