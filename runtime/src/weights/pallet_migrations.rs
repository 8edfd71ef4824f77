//! What `pallet_migrations` costs, as measured on 2026-11-29; written by `scripts/bench-weights`.
//!
//! CPU: AMD EPYC. Steps: 20, repeats: 10. Every figure is picoseconds; a database
//! access costs what `DbWeight` says.

#![cfg_attr(rustfmt, rustfmt_skip)]
#![allow(clippy::all, unused_imports, unused_variables)]

use core::marker::PhantomData;
use frame_support::{traits::Get, weights::Weight};

/// Measured weights.
pub struct WeightInfo<T>(PhantomData<T>);

impl<T: frame_system::Config> pallet_migrations::WeightInfo for WeightInfo<T> {
	fn onboard_new_mbms() -> Weight {
		// Fastest run: 5_618_000.
		Weight::from_parts(5_989_000, 0)
			.saturating_add(T::DbWeight::get().reads(2))
			.saturating_add(T::DbWeight::get().writes(1))
	}
	fn progress_mbms_none() -> Weight {
		// Fastest run: 1_853_000.
		Weight::from_parts(2_003_000, 0)
			.saturating_add(T::DbWeight::get().reads(1))
	}
	fn exec_migration_completed() -> Weight {
		// Fastest run: 4_086_000.
		Weight::from_parts(4_436_000, 0)
			.saturating_add(T::DbWeight::get().reads(1))
			.saturating_add(T::DbWeight::get().writes(1))
	}
	fn exec_migration_skipped_historic() -> Weight {
		// Fastest run: 7_932_000.
		Weight::from_parts(8_473_000, 0)
			.saturating_add(T::DbWeight::get().reads(2))
	}
	fn exec_migration_advance() -> Weight {
		// Fastest run: 7_831_000.
		Weight::from_parts(8_253_000, 0)
			.saturating_add(T::DbWeight::get().reads(2))
	}
	fn exec_migration_complete() -> Weight {
		// Fastest run: 9_003_000.
		Weight::from_parts(9_524_000, 0)
			.saturating_add(T::DbWeight::get().reads(2))
			.saturating_add(T::DbWeight::get().writes(1))
	}
	fn exec_migration_fail() -> Weight {
		// Fastest run: 9_304_000.
		Weight::from_parts(9_905_000, 0)
			.saturating_add(T::DbWeight::get().reads(2))
			.saturating_add(T::DbWeight::get().writes(1))
	}
	fn on_init_loop() -> Weight {
		// Fastest run: 120_000.
		Weight::from_parts(150_000, 0)
	}
	fn force_set_cursor() -> Weight {
		// Fastest run: 1_652_000.
		Weight::from_parts(1_842_000, 0)
			.saturating_add(T::DbWeight::get().writes(1))
	}
	fn force_set_active_cursor() -> Weight {
		// Fastest run: 2_033_000.
		Weight::from_parts(2_253_000, 0)
			.saturating_add(T::DbWeight::get().writes(1))
	}
	fn force_onboard_mbms() -> Weight {
		// Fastest run: 4_056_000.
		Weight::from_parts(4_377_000, 0)
			.saturating_add(T::DbWeight::get().reads(2))
	}
	/// `n` from 0 to 256.
	fn clear_historic(n: u32, ) -> Weight {
		// Fastest run: 10_926_000.
		Weight::from_parts(24_880_078, 0)
			// ± 5_431
			.saturating_add(Weight::from_parts(1_113_518, 0).saturating_mul(n.into()))
			.saturating_add(T::DbWeight::get().reads(1))
			.saturating_add(T::DbWeight::get().reads((1_u64).saturating_mul(n.into())))
			.saturating_add(T::DbWeight::get().writes((1_u64).saturating_mul(n.into())))
	}
	/// `n` from 0 to 2048.
	fn reset_pallet_migration(n: u32, ) -> Weight {
		// Fastest run: 1_111_000.
		Weight::from_parts(1_142_000, 0)
			// ± 2_236
			.saturating_add(Weight::from_parts(664_664, 0).saturating_mul(n.into()))
			.saturating_add(T::DbWeight::get().reads((1_u64).saturating_mul(n.into())))
			.saturating_add(T::DbWeight::get().writes((1_u64).saturating_mul(n.into())))
	}
}
