//! Session keys.

use super::setting::{caller, session_keys, signed};
use crate::{Runtime, Session};
use frame_benchmarking::v2::*;

pub struct Pallet<T: Config>(core::marker::PhantomData<T>);
pub trait Config: frame_system::Config {}
impl Config for Runtime {}

#[benchmarks]
mod benchmarks {
	use super::*;

	/// All keys are changed for others.
	#[benchmark]
	fn set_keys() {
		let who = caller();
		let (keys, proof) = session_keys(&who, 0);
		Session::set_keys(signed(&who), keys, proof).unwrap();
		let (keys, proof) = session_keys(&who, 1);
		#[block]
		{
			Session::set_keys(signed(&who), keys.clone(), proof).unwrap();
		}
		assert_eq!(
			pallet_session::NextKeys::<Runtime>::get(&who).unwrap(),
			keys
		);
	}

	#[benchmark]
	fn purge_keys() {
		let who = caller();
		let (keys, proof) = session_keys(&who, 0);
		Session::set_keys(signed(&who), keys, proof).unwrap();
		#[block]
		{
			Session::purge_keys(signed(&who)).unwrap();
		}
		assert!(!pallet_session::NextKeys::<Runtime>::contains_key(&who));
	}

	impl_benchmark_test_suite!(
		Pallet,
		crate::benchmarks::setting::externalities(),
		crate::Runtime
	);
}
