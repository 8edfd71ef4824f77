//! What `pallet_migrations` costs, as measured on 2026-11-25; written by `scripts/bench-weights`.
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
		// Fastest run: 7_381_000.
		Weight::from_parts(7_932_000, 0)
			.saturating_add(T::DbWeight::get().reads(2))
			.saturating_add(T::DbWeight::get().writes(1))
	}
	fn progress_mbms_none() -> Weight {
		// Fastest run: 2_354_000.
		Weight::from_parts(2_624_000, 0)
			.saturating_add(T::DbWeight::get().reads(1))
	}
	fn exec_migration_completed() -> Weight {
		// Fastest run: 5_508_000.
		Weight::from_parts(5_969_000, 0)
			.saturating_add(T::DbWeight::get().reads(1))
			.saturating_add(T::DbWeight::get().writes(1))
	}
	fn exec_migration_skipped_historic() -> Weight {
		// Fastest run: 10_756_000.
		Weight::from_parts(11_498_000, 0)
			.saturating_add(T::DbWeight::get().reads(2))
	}
	fn exec_migration_advance() -> Weight {
		// Fastest run: 10_435_000.
		Weight::from_parts(11_106_000, 0)
			.saturating_add(T::DbWeight::get().reads(2))
	}
	fn exec_migration_complete() -> Weight {
		// Fastest run: 12_068_000.
		Weight::from_parts(13_050_000, 0)
			.saturating_add(T::DbWeight::get().reads(2))
			.saturating_add(T::DbWeight::get().writes(1))
	}
	fn exec_migration_fail() -> Weight {
		// Fastest run: 12_518_000.
		Weight::from_parts(13_369_000, 0)
			.saturating_add(T::DbWeight::get().reads(2))
			.saturating_add(T::DbWeight::get().writes(1))
	}
	fn on_init_loop() -> Weight {
		// Fastest run: 150_000.
		Weight::from_parts(191_000, 0)
	}
	fn force_set_cursor() -> Weight {
		// Fastest run: 2_414_000.
		Weight::from_parts(2_744_000, 0)
			.saturating_add(T::DbWeight::get().writes(1))
	}
	fn force_set_active_cursor() -> Weight {
		// Fastest run: 2_834_000.
		Weight::from_parts(3_215_000, 0)
			.saturating_add(T::DbWeight::get().writes(1))
	}
	fn force_onboard_mbms() -> Weight {
		// Fastest run: 5_679_000.
		Weight::from_parts(6_139_000, 0)
			.saturating_add(T::DbWeight::get().reads(2))
	}
	/// `n` from 0 to 256.
	fn clear_historic(n: u32, ) -> Weight {
		// Fastest run: 18_057_000.
		Weight::from_parts(18_918_948, 0)
			// ± 6_451
			.saturating_add(Weight::from_parts(1_277_172, 0).saturating_mul(n.into()))
			.saturating_add(T::DbWeight::get().reads(1))
			.saturating_add(T::DbWeight::get().reads((1_u64).saturating_mul(n.into())))
			.saturating_add(T::DbWeight::get().writes((1_u64).saturating_mul(n.into())))
	}
	/// `n` from 0 to 2048.
	fn reset_pallet_migration(n: u32, ) -> Weight {
		// Fastest run: 1_652_000.
		Weight::from_parts(10_507_421, 0)
			// ± 2_623
			.saturating_add(Weight::from_parts(755_366, 0).saturating_mul(n.into()))
			.saturating_add(T::DbWeight::get().reads((1_u64).saturating_mul(n.into())))
			.saturating_add(T::DbWeight::get().writes((1_u64).saturating_mul(n.into())))
	}
}
