//! What `pallet_market` costs, as measured on 2026-11-25; written by `scripts/bench-weights`.
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
		// Fastest run: 120_149_000.
		Weight::from_parts(125_126_000, 0)
			.saturating_add(T::DbWeight::get().reads(6))
			.saturating_add(T::DbWeight::get().writes(6))
	}
	/// `b` from 0 to 16.
	fn cancel_order(b: u32, ) -> Weight {
		// Fastest run: 105_146_000.
		Weight::from_parts(146_904_455, 0)
			// ± 199_885
			.saturating_add(Weight::from_parts(4_717_562, 0).saturating_mul(b.into()))
			.saturating_add(T::DbWeight::get().reads(4))
			.saturating_add(T::DbWeight::get().reads((1_u64).saturating_mul(b.into())))
			.saturating_add(T::DbWeight::get().writes(3))
			.saturating_add(T::DbWeight::get().writes((1_u64).saturating_mul(b.into())))
	}
	fn place_bid() -> Weight {
		// Fastest run: 105_537_000.
		Weight::from_parts(113_359_000, 0)
			.saturating_add(T::DbWeight::get().reads(11))
			.saturating_add(T::DbWeight::get().writes(3))
	}
	fn withdraw_bid() -> Weight {
		// Fastest run: 51_026_000.
		Weight::from_parts(55_652_000, 0)
			.saturating_add(T::DbWeight::get().reads(4))
			.saturating_add(T::DbWeight::get().writes(2))
	}
	/// `l` from 1 to 8.
	/// `b` from 0 to 8.
	fn pick(l: u32, b: u32, ) -> Weight {
		// Fastest run: 279_956_000.
		Weight::from_parts(134_637_024, 0)
			// ± 622_642
			.saturating_add(Weight::from_parts(121_206_555, 0).saturating_mul(l.into()))
			// ± 549_284
			.saturating_add(Weight::from_parts(4_405_191, 0).saturating_mul(b.into()))
			.saturating_add(T::DbWeight::get().reads(10))
			.saturating_add(T::DbWeight::get().reads((8_u64).saturating_mul(l.into())))
			.saturating_add(T::DbWeight::get().reads((1_u64).saturating_mul(b.into())))
			.saturating_add(T::DbWeight::get().writes(8))
			.saturating_add(T::DbWeight::get().writes((6_u64).saturating_mul(l.into())))
			.saturating_add(T::DbWeight::get().writes((1_u64).saturating_mul(b.into())))
	}
	fn lease_now() -> Weight {
		// Fastest run: 208_680_000.
		Weight::from_parts(216_291_000, 0)
			.saturating_add(T::DbWeight::get().reads(18))
			.saturating_add(T::DbWeight::get().writes(13))
	}
	fn start_lease() -> Weight {
		// Fastest run: 67_240_000.
		Weight::from_parts(69_664_000, 0)
			.saturating_add(T::DbWeight::get().reads(7))
			.saturating_add(T::DbWeight::get().writes(5))
	}
	fn submit_receipt() -> Weight {
		// Fastest run: 79_738_000.
		Weight::from_parts(85_386_000, 0)
			.saturating_add(T::DbWeight::get().reads(3))
			.saturating_add(T::DbWeight::get().writes(1))
	}
	/// `f` from 1 to 8.
	fn complete_lease(f: u32, ) -> Weight {
		// Fastest run: 238_284_000.
		Weight::from_parts(181_014_222, 0)
			// ± 102_975
			.saturating_add(Weight::from_parts(62_849_018, 0).saturating_mul(f.into()))
			.saturating_add(T::DbWeight::get().reads(16))
			.saturating_add(T::DbWeight::get().reads((2_u64).saturating_mul(f.into())))
			.saturating_add(T::DbWeight::get().writes(16))
			.saturating_add(T::DbWeight::get().writes((2_u64).saturating_mul(f.into())))
	}
	/// `f` from 1 to 8.
	fn fail_lease(f: u32, ) -> Weight {
		// Fastest run: 286_716_000.
		Weight::from_parts(227_851_862, 0)
			// ± 137_490
			.saturating_add(Weight::from_parts(63_978_010, 0).saturating_mul(f.into()))
			.saturating_add(T::DbWeight::get().reads(18))
			.saturating_add(T::DbWeight::get().reads((2_u64).saturating_mul(f.into())))
			.saturating_add(T::DbWeight::get().writes(18))
			.saturating_add(T::DbWeight::get().writes((2_u64).saturating_mul(f.into())))
	}
	/// `f` from 1 to 8.
	fn close_lease(f: u32, ) -> Weight {
		// Fastest run: 225_075_000.
		Weight::from_parts(169_549_678, 0)
			// ± 125_829
			.saturating_add(Weight::from_parts(63_075_128, 0).saturating_mul(f.into()))
			.saturating_add(T::DbWeight::get().reads(13))
			.saturating_add(T::DbWeight::get().reads((2_u64).saturating_mul(f.into())))
			.saturating_add(T::DbWeight::get().writes(14))
			.saturating_add(T::DbWeight::get().writes((2_u64).saturating_mul(f.into())))
	}
	/// `f` from 1 to 8.
	fn report_missing_manifest(f: u32, ) -> Weight {
		// Fastest run: 196_742_000.
		Weight::from_parts(161_191_619, 0)
			// ± 61_826
			.saturating_add(Weight::from_parts(39_309_835, 0).saturating_mul(f.into()))
			.saturating_add(T::DbWeight::get().reads(16))
			.saturating_add(T::DbWeight::get().reads((2_u64).saturating_mul(f.into())))
			.saturating_add(T::DbWeight::get().writes(16))
			.saturating_add(T::DbWeight::get().writes((2_u64).saturating_mul(f.into())))
	}
	/// `f` from 1 to 8.
	fn pause_lease(f: u32, ) -> Weight {
		// Fastest run: 180_969_000.
		Weight::from_parts(141_650_028, 0)
			// ± 71_118
			.saturating_add(Weight::from_parts(44_041_727, 0).saturating_mul(f.into()))
			.saturating_add(T::DbWeight::get().reads(11))
			.saturating_add(T::DbWeight::get().reads((2_u64).saturating_mul(f.into())))
			.saturating_add(T::DbWeight::get().writes(8))
			.saturating_add(T::DbWeight::get().writes((2_u64).saturating_mul(f.into())))
	}
	fn resume_lease() -> Weight {
		// Fastest run: 87_270_000.
		Weight::from_parts(89_954_000, 0)
			.saturating_add(T::DbWeight::get().reads(9))
			.saturating_add(T::DbWeight::get().writes(6))
	}
	/// `f` from 1 to 8.
	fn reclaim_lease(f: u32, ) -> Weight {
		// Fastest run: 162_301_000.
		Weight::from_parts(122_638_664, 0)
			// ± 45_607
			.saturating_add(Weight::from_parts(44_357_612, 0).saturating_mul(f.into()))
			.saturating_add(T::DbWeight::get().reads(10))
			.saturating_add(T::DbWeight::get().reads((2_u64).saturating_mul(f.into())))
			.saturating_add(T::DbWeight::get().writes(6))
			.saturating_add(T::DbWeight::get().writes((2_u64).saturating_mul(f.into())))
	}
	/// `f` from 1 to 8.
	fn abandon_lease(f: u32, ) -> Weight {
		// Fastest run: 286_675_000.
		Weight::from_parts(229_043_056, 0)
			// ± 148_417
			.saturating_add(Weight::from_parts(63_478_753, 0).saturating_mul(f.into()))
			.saturating_add(T::DbWeight::get().reads(18))
			.saturating_add(T::DbWeight::get().reads((2_u64).saturating_mul(f.into())))
			.saturating_add(T::DbWeight::get().writes(18))
			.saturating_add(T::DbWeight::get().writes((2_u64).saturating_mul(f.into())))
	}
	/// `f` from 1 to 8.
	fn report_offline(f: u32, ) -> Weight {
		// Fastest run: 282_380_000.
		Weight::from_parts(222_512_098, 0)
			// ± 145_102
			.saturating_add(Weight::from_parts(63_623_641, 0).saturating_mul(f.into()))
			.saturating_add(T::DbWeight::get().reads(17))
			.saturating_add(T::DbWeight::get().reads((2_u64).saturating_mul(f.into())))
			.saturating_add(T::DbWeight::get().writes(17))
			.saturating_add(T::DbWeight::get().writes((2_u64).saturating_mul(f.into())))
	}
	fn update_manifest() -> Weight {
		// Fastest run: 27_531_000.
		Weight::from_parts(28_842_000, 0)
			.saturating_add(T::DbWeight::get().reads(3))
			.saturating_add(T::DbWeight::get().writes(3))
	}
	fn propose_resize() -> Weight {
		// Fastest run: 23_695_000.
		Weight::from_parts(25_078_000, 0)
			.saturating_add(T::DbWeight::get().reads(2))
			.saturating_add(T::DbWeight::get().writes(1))
	}
	/// `f` from 1 to 8.
	fn accept_resize(f: u32, ) -> Weight {
		// Fastest run: 212_355_000.
		Weight::from_parts(173_563_046, 0)
			// ± 66_388
			.saturating_add(Weight::from_parts(44_564_124, 0).saturating_mul(f.into()))
			.saturating_add(T::DbWeight::get().reads(13))
			.saturating_add(T::DbWeight::get().reads((2_u64).saturating_mul(f.into())))
			.saturating_add(T::DbWeight::get().writes(8))
			.saturating_add(T::DbWeight::get().writes((2_u64).saturating_mul(f.into())))
	}
	fn revoke_access() -> Weight {
		// Fastest run: 17_125_000.
		Weight::from_parts(18_347_000, 0)
			.saturating_add(T::DbWeight::get().reads(1))
			.saturating_add(T::DbWeight::get().writes(1))
	}
	fn set_terms() -> Weight {
		// Fastest run: 5_067_000.
		Weight::from_parts(5_579_000, 0)
			.saturating_add(T::DbWeight::get().writes(1))
	}
	/// `l` from 1 to 8.
	/// `b` from 0 to 8.
	fn visit_order(l: u32, b: u32, ) -> Weight {
		// Fastest run: 505_361_000.
		Weight::from_parts(175_448_668, 0)
			// ± 614_406
			.saturating_add(Weight::from_parts(115_976_879, 0).saturating_mul(l.into()))
			// ± 542_018
			.saturating_add(Weight::from_parts(29_465_954, 0).saturating_mul(b.into()))
			.saturating_add(T::DbWeight::get().reads(11))
			.saturating_add(T::DbWeight::get().reads((8_u64).saturating_mul(l.into())))
			.saturating_add(T::DbWeight::get().reads((5_u64).saturating_mul(b.into())))
			.saturating_add(T::DbWeight::get().writes(9))
			.saturating_add(T::DbWeight::get().writes((6_u64).saturating_mul(l.into())))
			.saturating_add(T::DbWeight::get().writes((1_u64).saturating_mul(b.into())))
	}
	/// `f` from 1 to 8.
	fn visit_lease(f: u32, ) -> Weight {
		// Fastest run: 279_045_000.
		Weight::from_parts(222_649_481, 0)
			// ± 107_314
			.saturating_add(Weight::from_parts(61_490_261, 0).saturating_mul(f.into()))
			.saturating_add(T::DbWeight::get().reads(17))
			.saturating_add(T::DbWeight::get().reads((2_u64).saturating_mul(f.into())))
			.saturating_add(T::DbWeight::get().writes(17))
			.saturating_add(T::DbWeight::get().writes((2_u64).saturating_mul(f.into())))
	}
	fn visit_closed() -> Weight {
		// Fastest run: 51_366_000.
		Weight::from_parts(53_319_000, 0)
			.saturating_add(T::DbWeight::get().reads(3))
			.saturating_add(T::DbWeight::get().writes(3))
	}
	fn visit_watch() -> Weight {
		// Fastest run: 140_790_000.
		Weight::from_parts(144_875_000, 0)
			.saturating_add(T::DbWeight::get().reads(20))
			.saturating_add(T::DbWeight::get().writes(11))
	}
	/// `a` from 0 to 8.
	fn eligible(a: u32, ) -> Weight {
		// Fastest run: 25_087_000.
		Weight::from_parts(27_947_253, 0)
			// ± 18_216
			.saturating_add(Weight::from_parts(13_112_403, 0).saturating_mul(a.into()))
			.saturating_add(T::DbWeight::get().reads(4))
			.saturating_add(T::DbWeight::get().reads((2_u64).saturating_mul(a.into())))
	}
}
