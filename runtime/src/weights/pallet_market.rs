//! What `pallet_market` costs, as measured on 2026-11-29; written by `scripts/bench-weights`.
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
		// Fastest run: 59_478_000.
		Weight::from_parts(62_172_000, 0)
			.saturating_add(T::DbWeight::get().reads(6))
			.saturating_add(T::DbWeight::get().writes(6))
	}
	/// `b` from 0 to 16.
	fn cancel_order(b: u32, ) -> Weight {
		// Fastest run: 51_226_000.
		Weight::from_parts(85_983_415, 0)
			// ± 124_200
			.saturating_add(Weight::from_parts(4_083_689, 0).saturating_mul(b.into()))
			.saturating_add(T::DbWeight::get().reads(3))
			.saturating_add(T::DbWeight::get().reads((1_u64).saturating_mul(b.into())))
			.saturating_add(T::DbWeight::get().writes(3))
			.saturating_add(T::DbWeight::get().writes((1_u64).saturating_mul(b.into())))
	}
	fn place_bid() -> Weight {
		// Fastest run: 92_618_000.
		Weight::from_parts(105_307_000, 0)
			.saturating_add(T::DbWeight::get().reads(14))
			.saturating_add(T::DbWeight::get().writes(5))
	}
	fn withdraw_bid() -> Weight {
		// Fastest run: 33_831_000.
		Weight::from_parts(37_926_000, 0)
			.saturating_add(T::DbWeight::get().reads(3))
			.saturating_add(T::DbWeight::get().writes(2))
	}
	/// `l` from 1 to 8.
	/// `b` from 0 to 8.
	fn pick(l: u32, b: u32, ) -> Weight {
		// Fastest run: 140_579_000.
		Weight::from_parts(78_190_642, 0)
			// ± 462_504
			.saturating_add(Weight::from_parts(67_901_855, 0).saturating_mul(l.into()))
			// ± 408_013
			.saturating_add(Weight::from_parts(2_679_943, 0).saturating_mul(b.into()))
			.saturating_add(T::DbWeight::get().reads(9))
			.saturating_add(T::DbWeight::get().reads((9_u64).saturating_mul(l.into())))
			.saturating_add(T::DbWeight::get().reads((1_u64).saturating_mul(b.into())))
			.saturating_add(T::DbWeight::get().writes(7))
			.saturating_add(T::DbWeight::get().writes((7_u64).saturating_mul(l.into())))
			.saturating_add(T::DbWeight::get().writes((1_u64).saturating_mul(b.into())))
	}
	fn lease_now() -> Weight {
		// Fastest run: 128_341_000.
		Weight::from_parts(134_020_000, 0)
			.saturating_add(T::DbWeight::get().reads(19))
			.saturating_add(T::DbWeight::get().writes(14))
	}
	fn start_lease() -> Weight {
		// Fastest run: 60_710_000.
		Weight::from_parts(63_485_000, 0)
			.saturating_add(T::DbWeight::get().reads(9))
			.saturating_add(T::DbWeight::get().writes(6))
	}
	fn submit_receipt() -> Weight {
		// Fastest run: 57_636_000.
		Weight::from_parts(62_593_000, 0)
			.saturating_add(T::DbWeight::get().reads(4))
			.saturating_add(T::DbWeight::get().writes(1))
	}
	/// `f` from 1 to 8.
	fn complete_lease(f: u32, ) -> Weight {
		// Fastest run: 233_949_000.
		Weight::from_parts(204_364_219, 0)
			// ± 73_766
			.saturating_add(Weight::from_parts(35_137_981, 0).saturating_mul(f.into()))
			.saturating_add(T::DbWeight::get().reads(20))
			.saturating_add(T::DbWeight::get().reads((2_u64).saturating_mul(f.into())))
			.saturating_add(T::DbWeight::get().writes(19))
			.saturating_add(T::DbWeight::get().writes((2_u64).saturating_mul(f.into())))
	}
	/// `f` from 1 to 8.
	fn fail_lease(f: u32, ) -> Weight {
		// Fastest run: 231_536_000.
		Weight::from_parts(203_548_689, 0)
			// ± 75_292
			.saturating_add(Weight::from_parts(34_905_642, 0).saturating_mul(f.into()))
			.saturating_add(T::DbWeight::get().reads(20))
			.saturating_add(T::DbWeight::get().reads((2_u64).saturating_mul(f.into())))
			.saturating_add(T::DbWeight::get().writes(19))
			.saturating_add(T::DbWeight::get().writes((2_u64).saturating_mul(f.into())))
	}
	/// `f` from 1 to 8.
	fn close_lease(f: u32, ) -> Weight {
		// Fastest run: 169_653_000.
		Weight::from_parts(139_825_341, 0)
			// ± 61_945
			.saturating_add(Weight::from_parts(35_078_118, 0).saturating_mul(f.into()))
			.saturating_add(T::DbWeight::get().reads(14))
			.saturating_add(T::DbWeight::get().reads((2_u64).saturating_mul(f.into())))
			.saturating_add(T::DbWeight::get().writes(15))
			.saturating_add(T::DbWeight::get().writes((2_u64).saturating_mul(f.into())))
	}
	/// `f` from 1 to 8.
	fn report_missing_manifest(f: u32, ) -> Weight {
		// Fastest run: 158_237_000.
		Weight::from_parts(134_152_748, 0)
			// ± 49_350
			.saturating_add(Weight::from_parts(30_040_278, 0).saturating_mul(f.into()))
			.saturating_add(T::DbWeight::get().reads(18))
			.saturating_add(T::DbWeight::get().reads((2_u64).saturating_mul(f.into())))
			.saturating_add(T::DbWeight::get().writes(17))
			.saturating_add(T::DbWeight::get().writes((2_u64).saturating_mul(f.into())))
	}
	/// `f` from 1 to 8.
	fn pause_lease(f: u32, ) -> Weight {
		// Fastest run: 132_628_000.
		Weight::from_parts(104_738_915, 0)
			// ± 41_780
			.saturating_add(Weight::from_parts(34_061_204, 0).saturating_mul(f.into()))
			.saturating_add(T::DbWeight::get().reads(11))
			.saturating_add(T::DbWeight::get().reads((2_u64).saturating_mul(f.into())))
			.saturating_add(T::DbWeight::get().writes(8))
			.saturating_add(T::DbWeight::get().writes((2_u64).saturating_mul(f.into())))
	}
	fn resume_lease() -> Weight {
		// Fastest run: 68_792_000.
		Weight::from_parts(72_148_000, 0)
			.saturating_add(T::DbWeight::get().reads(10))
			.saturating_add(T::DbWeight::get().writes(6))
	}
	/// `f` from 1 to 8.
	fn reclaim_lease(f: u32, ) -> Weight {
		// Fastest run: 127_320_000.
		Weight::from_parts(98_960_777, 0)
			// ± 33_366
			.saturating_add(Weight::from_parts(34_103_767, 0).saturating_mul(f.into()))
			.saturating_add(T::DbWeight::get().reads(11))
			.saturating_add(T::DbWeight::get().reads((2_u64).saturating_mul(f.into())))
			.saturating_add(T::DbWeight::get().writes(6))
			.saturating_add(T::DbWeight::get().writes((2_u64).saturating_mul(f.into())))
	}
	/// `f` from 1 to 8.
	fn abandon_lease(f: u32, ) -> Weight {
		// Fastest run: 232_728_000.
		Weight::from_parts(203_648_324, 0)
			// ± 61_303
			.saturating_add(Weight::from_parts(34_092_285, 0).saturating_mul(f.into()))
			.saturating_add(T::DbWeight::get().reads(20))
			.saturating_add(T::DbWeight::get().reads((2_u64).saturating_mul(f.into())))
			.saturating_add(T::DbWeight::get().writes(19))
			.saturating_add(T::DbWeight::get().writes((2_u64).saturating_mul(f.into())))
	}
	/// `f` from 1 to 8.
	fn report_offline(f: u32, ) -> Weight {
		// Fastest run: 218_646_000.
		Weight::from_parts(190_154_268, 0)
			// ± 65_576
			.saturating_add(Weight::from_parts(34_270_426, 0).saturating_mul(f.into()))
			.saturating_add(T::DbWeight::get().reads(19))
			.saturating_add(T::DbWeight::get().reads((2_u64).saturating_mul(f.into())))
			.saturating_add(T::DbWeight::get().writes(18))
			.saturating_add(T::DbWeight::get().writes((2_u64).saturating_mul(f.into())))
	}
	fn update_manifest() -> Weight {
		// Fastest run: 18_498_000.
		Weight::from_parts(19_689_000, 0)
			.saturating_add(T::DbWeight::get().reads(3))
			.saturating_add(T::DbWeight::get().writes(3))
	}
	fn propose_resize() -> Weight {
		// Fastest run: 16_024_000.
		Weight::from_parts(17_086_000, 0)
			.saturating_add(T::DbWeight::get().reads(2))
			.saturating_add(T::DbWeight::get().writes(1))
	}
	/// `f` from 1 to 8.
	fn accept_resize(f: u32, ) -> Weight {
		// Fastest run: 158_496_000.
		Weight::from_parts(128_954_786, 0)
			// ± 52_366
			.saturating_add(Weight::from_parts(35_437_800, 0).saturating_mul(f.into()))
			.saturating_add(T::DbWeight::get().reads(14))
			.saturating_add(T::DbWeight::get().reads((2_u64).saturating_mul(f.into())))
			.saturating_add(T::DbWeight::get().writes(8))
			.saturating_add(T::DbWeight::get().writes((2_u64).saturating_mul(f.into())))
	}
	fn revoke_access() -> Weight {
		// Fastest run: 12_809_000.
		Weight::from_parts(14_011_000, 0)
			.saturating_add(T::DbWeight::get().reads(2))
			.saturating_add(T::DbWeight::get().writes(1))
	}
	fn set_terms() -> Weight {
		// Fastest run: 10_176_000.
		Weight::from_parts(10_806_000, 0)
			.saturating_add(T::DbWeight::get().reads(3))
			.saturating_add(T::DbWeight::get().writes(2))
	}
	/// `l` from 1 to 8.
	/// `b` from 0 to 8.
	fn visit_order(l: u32, b: u32, ) -> Weight {
		// Fastest run: 355_821_000.
		Weight::from_parts(96_594_932, 0)
			// ± 574_937
			.saturating_add(Weight::from_parts(63_316_771, 0).saturating_mul(l.into()))
			// ± 507_200
			.saturating_add(Weight::from_parts(26_474_942, 0).saturating_mul(b.into()))
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
		// Fastest run: 233_979_000.
		Weight::from_parts(176_399_285, 0)
			// ± 552_522
			.saturating_add(Weight::from_parts(66_299_843, 0).saturating_mul(l.into()))
			// ± 487_426
			.saturating_add(Weight::from_parts(3_487_297, 0).saturating_mul(b.into()))
			.saturating_add(T::DbWeight::get().reads(12))
			.saturating_add(T::DbWeight::get().reads((9_u64).saturating_mul(l.into())))
			.saturating_add(T::DbWeight::get().reads((1_u64).saturating_mul(b.into())))
			.saturating_add(T::DbWeight::get().writes(4))
			.saturating_add(T::DbWeight::get().writes((1_u64).saturating_mul(l.into())))
			.saturating_add(T::DbWeight::get().writes((1_u64).saturating_mul(b.into())))
	}
	/// `f` from 1 to 8.
	fn visit_lease(f: u32, ) -> Weight {
		// Fastest run: 216_403_000.
		Weight::from_parts(191_571_246, 0)
			// ± 104_763
			.saturating_add(Weight::from_parts(34_946_998, 0).saturating_mul(f.into()))
			.saturating_add(T::DbWeight::get().reads(19))
			.saturating_add(T::DbWeight::get().reads((2_u64).saturating_mul(f.into())))
			.saturating_add(T::DbWeight::get().writes(18))
			.saturating_add(T::DbWeight::get().writes((2_u64).saturating_mul(f.into())))
	}
	/// `f` from 1 to 8.
	fn visit_dry(f: u32, ) -> Weight {
		// Fastest run: 210_134_000.
		Weight::from_parts(185_968_139, 0)
			// ± 90_297
			.saturating_add(Weight::from_parts(35_007_546, 0).saturating_mul(f.into()))
			.saturating_add(T::DbWeight::get().reads(18))
			.saturating_add(T::DbWeight::get().reads((2_u64).saturating_mul(f.into())))
			.saturating_add(T::DbWeight::get().writes(16))
			.saturating_add(T::DbWeight::get().writes((2_u64).saturating_mul(f.into())))
	}
	fn to_v2() -> Weight {
		// Fastest run: 174_631_000.
		Weight::from_parts(201_311_000, 0)
			.saturating_add(T::DbWeight::get().reads(22))
			.saturating_add(T::DbWeight::get().writes(19))
	}
	fn visit_closed() -> Weight {
		// Fastest run: 38_408_000.
		Weight::from_parts(40_721_000, 0)
			.saturating_add(T::DbWeight::get().reads(3))
			.saturating_add(T::DbWeight::get().writes(3))
	}
	fn visit_watch() -> Weight {
		// Fastest run: 108_421_000.
		Weight::from_parts(112_928_000, 0)
			.saturating_add(T::DbWeight::get().reads(22))
			.saturating_add(T::DbWeight::get().writes(11))
	}
	/// `a` from 0 to 8.
	fn eligible(a: u32, ) -> Weight {
		// Fastest run: 22_383_000.
		Weight::from_parts(24_596_943, 0)
			// ± 11_528
			.saturating_add(Weight::from_parts(10_204_187, 0).saturating_mul(a.into()))
			.saturating_add(T::DbWeight::get().reads(6))
			.saturating_add(T::DbWeight::get().reads((2_u64).saturating_mul(a.into())))
	}
}
