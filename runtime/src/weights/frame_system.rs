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
	/// `b` from 0 to 4456448.
	fn remark(b: u32, ) -> Weight {
		// Fastest run: 2_214_000.
		Weight::from_parts(2_333_000, 0)
			// ± 2
			.saturating_add(Weight::from_parts(414, 0).saturating_mul(b.into()))
	}
	/// `b` from 0 to 4456448.
	fn remark_with_event(b: u32, ) -> Weight {
		// Fastest run: 5_779_000.
		Weight::from_parts(5_839_000, 0)
			// ± 4
			.saturating_add(Weight::from_parts(1_834, 0).saturating_mul(b.into()))
	}
	fn set_heap_pages() -> Weight {
		// Fastest run: 3_976_000.
		Weight::from_parts(4_457_000, 0)
			.saturating_add(T::DbWeight::get().writes(1))
	}
	fn set_code() -> Weight {
		// Fastest run: 137_481_272_000.
		Weight::from_parts(141_314_826_000, 0)
			.saturating_add(T::DbWeight::get().reads(1))
			.saturating_add(T::DbWeight::get().writes(1))
	}
	/// `i` from 0 to 1000.
	fn set_storage(i: u32, ) -> Weight {
		// Fastest run: 2_273_000.
		Weight::from_parts(2_383_000, 0)
			// ± 2_293
			.saturating_add(Weight::from_parts(861_344, 0).saturating_mul(i.into()))
			.saturating_add(T::DbWeight::get().writes((1_u64).saturating_mul(i.into())))
	}
	/// `i` from 0 to 1000.
	fn kill_storage(i: u32, ) -> Weight {
		// Fastest run: 2_274_000.
		Weight::from_parts(2_354_000, 0)
			// ± 1_157
			.saturating_add(Weight::from_parts(610_667, 0).saturating_mul(i.into()))
			.saturating_add(T::DbWeight::get().writes((1_u64).saturating_mul(i.into())))
	}
	/// `p` from 0 to 1000.
	fn kill_prefix(p: u32, ) -> Weight {
		// Fastest run: 4_487_000.
		Weight::from_parts(4_687_000, 0)
			// ± 2_438
			.saturating_add(Weight::from_parts(1_212_226, 0).saturating_mul(p.into()))
			.saturating_add(T::DbWeight::get().reads((1_u64).saturating_mul(p.into())))
			.saturating_add(T::DbWeight::get().writes((1_u64).saturating_mul(p.into())))
	}
	fn authorize_upgrade() -> Weight {
		// Fastest run: 14_452_000.
		Weight::from_parts(18_677_000, 0)
			.saturating_add(T::DbWeight::get().writes(1))
	}
	fn apply_authorized_upgrade() -> Weight {
		// Fastest run: 138_467_607_000.
		Weight::from_parts(142_409_712_000, 0)
			.saturating_add(T::DbWeight::get().reads(2))
			.saturating_add(T::DbWeight::get().writes(2))
	}
}
