//! What `pallet_utility` costs, as measured on 2026-11-29; written by `scripts/bench-weights`.
//!
//! CPU: AMD EPYC. Steps: 20, repeats: 10. Every figure is picoseconds; a database
//! access costs what `DbWeight` says.

#![cfg_attr(rustfmt, rustfmt_skip)]
#![allow(clippy::all, unused_imports, unused_variables)]

use core::marker::PhantomData;
use frame_support::{traits::Get, weights::Weight};

/// Measured weights.
pub struct WeightInfo<T>(PhantomData<T>);

impl<T: frame_system::Config> pallet_utility::WeightInfo for WeightInfo<T> {
	/// `c` from 0 to 1000.
	fn batch(c: u32, ) -> Weight {
		// Fastest run: 3_335_000.
		Weight::from_parts(3_455_000, 0)
			// ± 1_085
			.saturating_add(Weight::from_parts(2_522_982, 0).saturating_mul(c.into()))
	}
	fn as_derivative() -> Weight {
		// Fastest run: 3_195_000.
		Weight::from_parts(3_435_000, 0)
	}
	/// `c` from 0 to 1000.
	fn batch_all(c: u32, ) -> Weight {
		// Fastest run: 3_305_000.
		Weight::from_parts(3_375_000, 0)
			// ± 1_256
			.saturating_add(Weight::from_parts(2_724_504, 0).saturating_mul(c.into()))
	}
	fn dispatch_as() -> Weight {
		// Fastest run: 4_586_000.
		Weight::from_parts(4_897_000, 0)
	}
	/// `c` from 0 to 1000.
	fn force_batch(c: u32, ) -> Weight {
		// Fastest run: 3_304_000.
		Weight::from_parts(3_446_000, 0)
			// ± 1_020
			.saturating_add(Weight::from_parts(2_527_650, 0).saturating_mul(c.into()))
	}
	fn dispatch_as_fallible() -> Weight {
		// Fastest run: 4_606_000.
		Weight::from_parts(4_917_000, 0)
	}
	fn if_else() -> Weight {
		// Fastest run: 5_708_000.
		Weight::from_parts(6_059_000, 0)
	}
}
