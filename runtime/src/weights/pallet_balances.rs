//! What `pallet_balances` costs, as measured on 2026-11-25; written by `scripts/bench-weights`.
//!
//! CPU: AMD EPYC. Steps: 20, repeats: 10. Every figure is picoseconds; a database
//! access costs what `DbWeight` says.

#![cfg_attr(rustfmt, rustfmt_skip)]
#![allow(clippy::all, unused_imports, unused_variables)]

use core::marker::PhantomData;
use frame_support::{traits::Get, weights::Weight};

/// Measured weights.
pub struct WeightInfo<T>(PhantomData<T>);

impl<T: frame_system::Config> pallet_balances::WeightInfo for WeightInfo<T> {
	fn transfer_allow_death() -> Weight {
		// Fastest run: 56_183_000.
		Weight::from_parts(58_257_000, 0)
			.saturating_add(T::DbWeight::get().reads(1))
			.saturating_add(T::DbWeight::get().writes(1))
	}
	fn transfer_keep_alive() -> Weight {
		// Fastest run: 44_336_000.
		Weight::from_parts(46_199_000, 0)
			.saturating_add(T::DbWeight::get().reads(1))
			.saturating_add(T::DbWeight::get().writes(1))
	}
	fn force_set_balance_creating() -> Weight {
		// Fastest run: 21_151_000.
		Weight::from_parts(22_363_000, 0)
			.saturating_add(T::DbWeight::get().reads(1))
			.saturating_add(T::DbWeight::get().writes(1))
	}
	fn force_set_balance_killing() -> Weight {
		// Fastest run: 21_602_000.
		Weight::from_parts(22_754_000, 0)
			.saturating_add(T::DbWeight::get().reads(1))
			.saturating_add(T::DbWeight::get().writes(1))
	}
	fn force_transfer() -> Weight {
		// Fastest run: 58_557_000.
		Weight::from_parts(60_630_000, 0)
			.saturating_add(T::DbWeight::get().reads(2))
			.saturating_add(T::DbWeight::get().writes(2))
	}
	fn transfer_all() -> Weight {
		// Fastest run: 55_352_000.
		Weight::from_parts(57_355_000, 0)
			.saturating_add(T::DbWeight::get().reads(1))
			.saturating_add(T::DbWeight::get().writes(1))
	}
	fn force_unreserve() -> Weight {
		// Fastest run: 17_756_000.
		Weight::from_parts(18_898_000, 0)
			.saturating_add(T::DbWeight::get().reads(1))
			.saturating_add(T::DbWeight::get().writes(1))
	}
	/// `u` from 1 to 1000.
	fn upgrade_accounts(u: u32, ) -> Weight {
		// Fastest run: 17_736_000.
		Weight::from_parts(17_816_000, 0)
			// ± 28_309
			.saturating_add(Weight::from_parts(16_434_285, 0).saturating_mul(u.into()))
			.saturating_add(T::DbWeight::get().reads((1_u64).saturating_mul(u.into())))
			.saturating_add(T::DbWeight::get().writes((1_u64).saturating_mul(u.into())))
	}
	fn force_adjust_total_issuance() -> Weight {
		// Fastest run: 5_639_000.
		Weight::from_parts(6_169_000, 0)
	}
	fn burn_allow_death() -> Weight {
		// Fastest run: 33_950_000.
		Weight::from_parts(35_313_000, 0)
	}
	fn burn_keep_alive() -> Weight {
		// Fastest run: 22_223_000.
		Weight::from_parts(23_405_000, 0)
	}
}
