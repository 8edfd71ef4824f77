//! Scores.

use super::setting::{at, root};
use crate::{Reputation, Runtime};
use frame_benchmarking::{account, v2::*};
use pallet_reputation::{PairFaults, Pairs, Sweep, Sweeping, Terms, TermsV2};

pub struct Pallet<T: Config>(core::marker::PhantomData<T>);
pub trait Config: frame_system::Config {}
impl Config for Runtime {}

#[benchmarks]
mod benchmarks {
	use super::*;

	#[benchmark]
	fn set_terms() {
		#[block]
		{
			Reputation::set_terms(root(), Terms::V2(TermsV2::default())).unwrap();
		}
	}

	/// A step of the sweep through the largest map, all of whose records are spent.
	#[benchmark]
	fn visit() {
		for n in 0..32 {
			Pairs::<Runtime>::insert(
				n,
				account::<crate::AccountId>("tenant", n, 0),
				PairFaults { weight: 1, at: 0 },
			);
		}
		at(1);
		Sweeping::<Runtime>::put(Sweep {
			due: 1,
			map: 2,
			key: None,
		});
		#[block]
		{
			Reputation::visit();
		}
		assert_eq!(Pairs::<Runtime>::iter().count(), 16);
	}

	impl_benchmark_test_suite!(
		Pallet,
		crate::benchmarks::setting::externalities(),
		crate::Runtime
	);
}
