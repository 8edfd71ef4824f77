//! What `frame_system` costs, as measured on 2026-11-29; written by `scripts/bench-weights`.
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
	/// `b` from 0 to 4613734.
	fn remark(b: u32, ) -> Weight {
		// Fastest run: 1_443_000.
		Weight::from_parts(1_492_000, 0)
			// ± 1
			.saturating_add(Weight::from_parts(218, 0).saturating_mul(b.into()))
	}
	/// `b` from 0 to 4613734.
	fn remark_with_event(b: u32, ) -> Weight {
		// Fastest run: 3_785_000.
		Weight::from_parts(3_885_000, 0)
			// ± 3
			.saturating_add(Weight::from_parts(1_859, 0).saturating_mul(b.into()))
	}
	fn set_heap_pages() -> Weight {
		// Fastest run: 2_724_000.
		Weight::from_parts(3_004_000, 0)
			.saturating_add(T::DbWeight::get().writes(1))
	}
	fn set_code() -> Weight {
		// Fastest run: 106_304_724_000.
		Weight::from_parts(110_343_922_000, 0)
			.saturating_add(T::DbWeight::get().reads(1))
			.saturating_add(T::DbWeight::get().writes(1))
	}
	/// `i` from 0 to 1000.
	fn set_storage(i: u32, ) -> Weight {
		// Fastest run: 1_452_000.
		Weight::from_parts(1_512_000, 0)
			// ± 1_658
			.saturating_add(Weight::from_parts(637_545, 0).saturating_mul(i.into()))
			.saturating_add(T::DbWeight::get().writes((1_u64).saturating_mul(i.into())))
	}
	/// `i` from 0 to 1000.
	fn kill_storage(i: u32, ) -> Weight {
		// Fastest run: 1_442_000.
		Weight::from_parts(1_503_000, 0)
			// ± 739
			.saturating_add(Weight::from_parts(448_571, 0).saturating_mul(i.into()))
			.saturating_add(T::DbWeight::get().writes((1_u64).saturating_mul(i.into())))
	}
	/// `p` from 0 to 1000.
	fn kill_prefix(p: u32, ) -> Weight {
		// Fastest run: 2_904_000.
		Weight::from_parts(3_015_000, 0)
			// ± 2_725
			.saturating_add(Weight::from_parts(984_705, 0).saturating_mul(p.into()))
			.saturating_add(T::DbWeight::get().reads((1_u64).saturating_mul(p.into())))
			.saturating_add(T::DbWeight::get().writes((1_u64).saturating_mul(p.into())))
	}
	fn authorize_upgrade() -> Weight {
		// Fastest run: 16_444_000.
		Weight::from_parts(26_209_000, 0)
			.saturating_add(T::DbWeight::get().writes(1))
	}
	fn apply_authorized_upgrade() -> Weight {
		// Fastest run: 115_486_065_000.
		Weight::from_parts(117_411_459_000, 0)
			.saturating_add(T::DbWeight::get().reads(2))
			.saturating_add(T::DbWeight::get().writes(2))
	}
}
