//! What `pallet_balances` costs, as measured on 2026-11-29; written by `scripts/bench-weights`.
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
		// Fastest run: 44_075_000.
		Weight::from_parts(46_009_000, 0)
			.saturating_add(T::DbWeight::get().reads(1))
			.saturating_add(T::DbWeight::get().writes(1))
	}
	fn transfer_keep_alive() -> Weight {
		// Fastest run: 34_501_000.
		Weight::from_parts(36_204_000, 0)
			.saturating_add(T::DbWeight::get().reads(1))
			.saturating_add(T::DbWeight::get().writes(1))
	}
	fn force_set_balance_creating() -> Weight {
		// Fastest run: 16_364_000.
		Weight::from_parts(17_135_000, 0)
			.saturating_add(T::DbWeight::get().reads(1))
			.saturating_add(T::DbWeight::get().writes(1))
	}
	fn force_set_balance_killing() -> Weight {
		// Fastest run: 16_444_000.
		Weight::from_parts(17_316_000, 0)
			.saturating_add(T::DbWeight::get().reads(1))
			.saturating_add(T::DbWeight::get().writes(1))
	}
	fn force_transfer() -> Weight {
		// Fastest run: 44_626_000.
		Weight::from_parts(47_040_000, 0)
			.saturating_add(T::DbWeight::get().reads(2))
			.saturating_add(T::DbWeight::get().writes(2))
	}
	fn transfer_all() -> Weight {
		// Fastest run: 43_074_000.
		Weight::from_parts(44_987_000, 0)
			.saturating_add(T::DbWeight::get().reads(1))
			.saturating_add(T::DbWeight::get().writes(1))
	}
	fn force_unreserve() -> Weight {
		// Fastest run: 13_481_000.
		Weight::from_parts(14_392_000, 0)
			.saturating_add(T::DbWeight::get().reads(1))
			.saturating_add(T::DbWeight::get().writes(1))
	}
	/// `u` from 1 to 1000.
	fn upgrade_accounts(u: u32, ) -> Weight {
		// Fastest run: 13_740_000.
		Weight::from_parts(13_821_000, 0)
			// ± 23_628
			.saturating_add(Weight::from_parts(13_113_336, 0).saturating_mul(u.into()))
			.saturating_add(T::DbWeight::get().reads((1_u64).saturating_mul(u.into())))
			.saturating_add(T::DbWeight::get().writes((1_u64).saturating_mul(u.into())))
	}
	fn force_adjust_total_issuance() -> Weight {
		// Fastest run: 4_086_000.
		Weight::from_parts(4_397_000, 0)
	}
	fn burn_allow_death() -> Weight {
		// Fastest run: 26_619_000.
		Weight::from_parts(27_711_000, 0)
	}
	fn burn_keep_alive() -> Weight {
		// Fastest run: 17_346_000.
		Weight::from_parts(18_288_000, 0)
	}
}
