//! Two blocks in one slot.

use super::setting::{caller, root, signed, validators};
use crate::{Babe, Hash, Header, Historical, Runtime};
use alloc::{boxed::Box, vec};
use frame_benchmarking::v2::*;
use frame_support::traits::KeyOwnerProofSystem;
use sp_consensus_babe::{
	digests::{CompatibleDigestItem, NextConfigDescriptor, PreDigest, SecondaryPlainPreDigest},
	AllowedSlots, EquivocationProof, Slot, KEY_TYPE,
};
use sp_runtime::{traits::Header as _, Digest, DigestItem, RuntimeAppPublic};

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
		let key = validators(v).babe;
		let slot = pallet_babe::GenesisSlot::<Runtime>::get();
		let header = |byte: u8| {
			let slot = SecondaryPlainPreDigest {
				authority_index: 0,
				slot,
			};
			let digest = Digest {
				logs: vec![DigestItem::babe_pre_digest(PreDigest::SecondaryPlain(slot))],
			};
			let hash = Hash::repeat_byte(byte);
			let mut header = Header::new(7, hash, hash, hash, digest);
			let signature = RuntimeAppPublic::sign(&key, &header.hash()).unwrap();
			header.digest_mut().push(DigestItem::babe_seal(signature));
			header
		};
		let proof = EquivocationProof {
			offender: key.clone(),
			slot: Slot::from(*slot),
			first_header: header(1),
			second_header: header(2),
		};
		let membership = Historical::prove((KEY_TYPE, key)).unwrap();
		let who = caller();
		#[block]
		{
			Babe::report_equivocation(signed(&who), Box::new(proof), membership).unwrap();
		}
		assert_eq!(pallet_offences::Reports::<Runtime>::iter().count(), 1);
	}

	#[benchmark]
	fn plan_config_change() {
		let config = NextConfigDescriptor::V1 {
			c: (1, 4),
			allowed_slots: AllowedSlots::PrimarySlots,
		};
		#[block]
		{
			Babe::plan_config_change(root(), config).unwrap();
		}
		assert!(pallet_babe::PendingEpochConfigChange::<Runtime>::exists());
	}

	impl_benchmark_test_suite!(
		Pallet,
		crate::benchmarks::setting::externalities(),
		crate::Runtime
	);
}
