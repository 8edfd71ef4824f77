//! What `frame_system` costs, as measured on 2026-11-25; written by `scripts/bench-weights`.
//!
//! CPU: AMD EPYC. Steps: 20, repeats: 10. Every figure is picoseconds; a database
//! access costs what `DbWeight` says.

#![cfg_attr(rustfmt, rustfmt_skip)]
#![allow(clippy::all, unused_imports, unused_variables)]

use core::marker::PhantomData;
use frame_support::{traits::Get, weights::Weight};

/// Measured weights.
pub struct WeightInfo<T>(PhantomData<T>);

impl<T: frame_system::Config> frame_system::WeightInfo for WeightInfo<T> {
	/// `b` from 0 to 3932160.
	fn remark(b: u32, ) -> Weight {
		// Fastest run: 2_043_000.
		Weight::from_parts(18_550_337, 0)
			// ± 1
			.saturating_add(Weight::from_parts(321, 0).saturating_mul(b.into()))
	}
	/// `b` from 0 to 3932160.
	fn remark_with_event(b: u32, ) -> Weight {
		// Fastest run: 5_418_000.
		Weight::from_parts(1_031_469, 0)
			// ± 4
			.saturating_add(Weight::from_parts(1_690, 0).saturating_mul(b.into()))
	}
	fn set_heap_pages() -> Weight {
		// Fastest run: 3_916_000.
		Weight::from_parts(4_337_000, 0)
			.saturating_add(T::DbWeight::get().writes(1))
	}
	fn set_code() -> Weight {
		// Fastest run: 134_360_777_000.
		Weight::from_parts(139_772_325_000, 0)
			.saturating_add(T::DbWeight::get().reads(1))
			.saturating_add(T::DbWeight::get().writes(1))
	}
	/// `i` from 0 to 1000.
	fn set_storage(i: u32, ) -> Weight {
		// Fastest run: 2_243_000.
		Weight::from_parts(2_374_000, 0)
			// ± 2_465
			.saturating_add(Weight::from_parts(879_840, 0).saturating_mul(i.into()))
			.saturating_add(T::DbWeight::get().writes((1_u64).saturating_mul(i.into())))
	}
	/// `i` from 0 to 1000.
	fn kill_storage(i: u32, ) -> Weight {
		// Fastest run: 2_154_000.
		Weight::from_parts(2_384_000, 0)
			// ± 1_059
			.saturating_add(Weight::from_parts(614_568, 0).saturating_mul(i.into()))
			.saturating_add(T::DbWeight::get().writes((1_u64).saturating_mul(i.into())))
	}
	/// `p` from 0 to 1000.
	fn kill_prefix(p: u32, ) -> Weight {
		// Fastest run: 4_357_000.
		Weight::from_parts(4_587_000, 0)
			// ± 2_562
			.saturating_add(Weight::from_parts(1_194_869, 0).saturating_mul(p.into()))
			.saturating_add(T::DbWeight::get().reads((1_u64).saturating_mul(p.into())))
			.saturating_add(T::DbWeight::get().writes((1_u64).saturating_mul(p.into())))
	}
	fn authorize_upgrade() -> Weight {
		// Fastest run: 13_360_000.
		Weight::from_parts(18_167_000, 0)
			.saturating_add(T::DbWeight::get().writes(1))
	}
	fn apply_authorized_upgrade() -> Weight {
		// Fastest run: 142_957_916_000.
		Weight::from_parts(144_804_960_000, 0)
			.saturating_add(T::DbWeight::get().reads(2))
			.saturating_add(T::DbWeight::get().writes(2))
	}
}
