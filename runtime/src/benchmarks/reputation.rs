//! Scores.

use super::setting::{at, root};
use crate::{Reputation, Runtime};
use frame_benchmarking::{account, v2::*};
use frame_support::{
	migrations::SteppedMigration, storage::unhashed, traits::StorageVersion, weights::WeightMeter,
};
use pallet_reputation::{
	migrations::{v1, ToV2},
	PairFaults, Pairs, Sweep, Sweeping, TenantScores, Terms, TermsV2, WeightInfo as _,
};

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

	/// One record's part of the migration to version 2: of the three maps the one whose records are dearest.
	#[benchmark]
	fn to_v2() {
		let tenant = account::<crate::AccountId>("tenant", 0, 0);
		let old = v1::ScoreRecord {
			good: u64::MAX,
			bad: 1,
			at: 1,
		};
		let key = TenantScores::<Runtime>::hashed_key_for(&tenant);
		unhashed::put(&key, &old);
		StorageVersion::new(1).put::<Reputation>();
		let each = <Runtime as pallet_reputation::Config>::WeightInfo::to_v2();
		#[block]
		{
			// The first map is looked through, and then this one.
			let meter = &mut WeightMeter::with_limit(each.saturating_mul(2));
			let _ = ToV2::<Runtime>::step(None, meter);
		}
		let standing = TenantScores::<Runtime>::get(&tenant).unwrap();
		assert_eq!(standing.value, u64::MAX - 2);
	}

	impl_benchmark_test_suite!(
		Pallet,
		crate::benchmarks::setting::externalities(),
		crate::Runtime
	);
}
