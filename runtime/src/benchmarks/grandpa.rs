//! Votes for two blocks in one round.

use super::setting::{caller, root, signed, validators};
use crate::{Grandpa, Hash, Historical, Runtime};
use alloc::boxed::Box;
use codec::{Decode, Encode};
use frame_benchmarking::v2::*;
use frame_support::traits::KeyOwnerProofSystem;
use sp_consensus_grandpa::{EquivocationProof, KEY_TYPE};
use sp_runtime::RuntimeAppPublic;

pub struct Pallet<T: Config>(core::marker::PhantomData<T>);
pub trait Config: frame_system::Config {}
impl Config for Runtime {}

#[benchmarks]
mod benchmarks {
	use super::*;

	/// A report in the session of the offence, whose trie of `v` validators is made for it. There are no
	/// nominators, `n`.
	#[benchmark]
	fn report_equivocation(v: Linear<1, 100>, n: Linear<0, 1>) {
		let _ = n;
		let key = validators(v).grandpa;
		pallet_grandpa::SetIdSession::<Runtime>::insert(0, 0);
		let (round, set) = (1u64, 0u64);
		let vote = |byte: u8| {
			let vote = (Hash::repeat_byte(byte), 7u32);
			// The message is a prevote: the first of its kind.
			let payload = (0u8, vote, round, set).encode();
			let signature = RuntimeAppPublic::sign(&key, &payload).unwrap();
			(vote, signature)
		};
		let proof = (set, 0u8, round, key.clone(), vote(1), vote(2)).encode();
		let proof = EquivocationProof::decode(&mut &proof[..]).unwrap();
		let membership = Historical::prove((KEY_TYPE, key)).unwrap();
		let who = caller();
		#[block]
		{
			Grandpa::report_equivocation(signed(&who), Box::new(proof), membership).unwrap();
		}
		assert_eq!(pallet_offences::Reports::<Runtime>::iter().count(), 1);
	}

	#[benchmark]
	fn note_stalled() {
		#[block]
		{
			Grandpa::note_stalled(root(), 1_000, 1).unwrap();
		}
		assert!(pallet_grandpa::Stalled::<Runtime>::exists());
	}

	impl_benchmark_test_suite!(
		Pallet,
		crate::benchmarks::setting::externalities(),
		crate::Runtime
	);
}
