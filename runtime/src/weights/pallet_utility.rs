//! What `pallet_utility` costs, as measured on 2026-11-25; written by `scripts/bench-weights`.
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
		// Fastest run: 4_707_000.
		Weight::from_parts(10_928_882, 0)
			// ± 2_929
			.saturating_add(Weight::from_parts(3_166_146, 0).saturating_mul(c.into()))
	}
	fn as_derivative() -> Weight {
		// Fastest run: 4_426_000.
		Weight::from_parts(4_848_000, 0)
	}
	/// `c` from 0 to 1000.
	fn batch_all(c: u32, ) -> Weight {
		// Fastest run: 4_647_000.
		Weight::from_parts(20_661_685, 0)
			// ± 2_992
			.saturating_add(Weight::from_parts(3_448_105, 0).saturating_mul(c.into()))
	}
	fn dispatch_as() -> Weight {
		// Fastest run: 6_399_000.
		Weight::from_parts(6_930_000, 0)
	}
	/// `c` from 0 to 1000.
	fn force_batch(c: u32, ) -> Weight {
		// Fastest run: 4_647_000.
		Weight::from_parts(3_667_344, 0)
			// ± 2_412
			.saturating_add(Weight::from_parts(3_052_194, 0).saturating_mul(c.into()))
	}
	fn dispatch_as_fallible() -> Weight {
		// Fastest run: 6_399_000.
		Weight::from_parts(6_960_000, 0)
	}
	fn if_else() -> Weight {
		// Fastest run: 8_202_000.
		Weight::from_parts(8_823_000, 0)
	}
}
