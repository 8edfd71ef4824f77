//! Paying for a transaction.

use super::setting::{caller, signed};
use crate::{Runtime, RuntimeCall};
use frame_benchmarking::v2::*;
use frame_support::{
	dispatch::{GetDispatchInfo, PostDispatchInfo},
	weights::Weight,
};
use pallet_transaction_payment::ChargeTransactionPayment;
use sp_runtime::traits::DispatchTransaction;

pub struct Pallet<T: Config>(core::marker::PhantomData<T>);
pub trait Config: frame_system::Config {}
impl Config for Runtime {}

#[benchmarks]
mod benchmarks {
	use super::*;

	/// A call that gives back a part of its weight. The signer's account is paid for with its nonce.
	#[benchmark]
	fn charge_transaction_payment() {
		let who = caller();
		let call: RuntimeCall = frame_system::Call::remark {
			remark: Default::default(),
		}
		.into();
		let extension = ChargeTransactionPayment::<Runtime>::from(1_000);
		let mut info = call.get_dispatch_info();
		info.call_weight = Weight::from_parts(1_000_000_000, 0);
		let left = PostDispatchInfo {
			actual_weight: Some(Weight::from_parts(1_000_000, 0)),
			pays_fee: info.pays_fee,
		};
		let before = crate::Balances::free_balance(&who);
		#[block]
		{
			extension
				.test_run(signed(&who), &call, &info, 150, 0, |_| Ok(left))
				.unwrap()
				.unwrap();
		}
		assert!(crate::Balances::free_balance(&who) < before);
	}

	impl_benchmark_test_suite!(
		Pallet,
		crate::benchmarks::setting::externalities(),
		crate::Runtime
	);
}
