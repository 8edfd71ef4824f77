//! Providers: registration, heartbeats, offers, attestations.

use super::setting::{
	at, attributes, caller, info, now, provider, provider_of, resources, rich, root, sheet,
	short_terms, signed,
};
use crate::{AccountId, Providers, Runtime, RuntimeCall, RuntimeOrigin, Signature, System, LEASE};
use frame_benchmarking::v2::*;
use frame_support::{
	dispatch::RawOrigin,
	migrations::SteppedMigration,
	storage::unhashed,
	traits::{Authorize, StorageVersion},
	weights::WeightMeter,
};
use leasehold_primitives::{heartbeat, AgendaItem, ProviderId, ProviderRegistry};
use pallet_providers::{
	migrations::{v1, ToV2},
	Call, Terms, TermsV1, WeightInfo as _,
};
use sp_core::{crypto::KeyTypeId, ecdsa};
use sp_runtime::{
	traits::{Dispatchable, IdentifyAccount},
	transaction_validity::TransactionSource,
	MultiSigner,
};

pub struct Pallet<T: Config>(core::marker::PhantomData<T>);
pub trait Config: frame_system::Config {}
impl Config for Runtime {}

const KEY: KeyTypeId = KeyTypeId(*b"benc");

/// An account with the dearest kind of signature, and its key.
pub(super) fn signer() -> (AccountId, ecdsa::Public) {
	let key = sp_io::crypto::ecdsa_generate(KEY, None);
	let who = MultiSigner::Ecdsa(key).into_account();
	(who, key)
}

pub(super) fn sign(key: &ecdsa::Public, payload: &[u8]) -> Signature {
	Signature::Ecdsa(sp_io::crypto::ecdsa_sign(KEY, key, payload).unwrap())
}

fn beat_call(id: ProviderId, key: &ecdsa::Public) -> RuntimeCall {
	let last_beat = pallet_providers::Heartbeats::<Runtime>::get(id)
		.unwrap()
		.last_beat;
	let instance = [1; 16];
	let genesis = leasehold_primitives::genesis(System::block_hash(0));
	let payload = heartbeat::payload(&genesis, id, &instance, last_beat);
	RuntimeCall::Providers(Call::heartbeat {
		provider: id,
		instance,
		last_beat,
		signature: sign(key, &payload),
	})
}

#[benchmarks]
mod benchmarks {
	use super::*;

	#[benchmark]
	fn register() {
		let (owner, other) = (caller(), rich("operator", 0));
		#[block]
		{
			Providers::register(signed(&owner), other.clone(), 1_000 * LEASE, info(1)).unwrap();
		}
		assert!(Providers::of_operator(&other).is_some());
	}

	/// The fifth rotation: the oldest of the former operators makes room.
	#[benchmark]
	fn rotate_operator() {
		let (owner, next) = (caller(), rich("operator", 5));
		Providers::register(signed(&owner), rich("operator", 0), 1_000 * LEASE, info(1)).unwrap();
		for n in 1..5 {
			Providers::rotate_operator(signed(&owner), rich("operator", n)).unwrap();
		}
		at(now() + 1_000_000);
		#[block]
		{
			Providers::rotate_operator(signed(&owner), next.clone()).unwrap();
		}
		assert!(Providers::of_operator(&next).is_some());
	}

	#[benchmark]
	fn update() {
		let who = caller();
		let id = provider_of(0, who.clone(), &who);
		#[block]
		{
			Providers::update(signed(&who), info(2)).unwrap();
		}
		assert_eq!(pallet_providers::Infos::<Runtime>::get(id), Some(info(2)));
	}

	#[benchmark]
	fn set_paused() {
		let who = caller();
		provider_of(0, who.clone(), &who);
		#[block]
		{
			Providers::set_paused(signed(&who), true).unwrap();
		}
	}

	#[benchmark]
	fn raise_bond() {
		let owner = caller();
		Providers::register(signed(&owner), rich("operator", 0), 1_000 * LEASE, info(1)).unwrap();
		#[block]
		{
			Providers::raise_bond(signed(&owner), LEASE).unwrap();
		}
	}

	#[benchmark]
	fn deregister() {
		let owner = caller();
		Providers::register(signed(&owner), rich("operator", 0), 1_000 * LEASE, info(1)).unwrap();
		#[block]
		{
			Providers::deregister(signed(&owner)).unwrap();
		}
	}

	#[benchmark]
	fn authorize_heartbeat() {
		short_terms();
		let (who, key) = signer();
		let id = provider_of(0, who.clone(), &who);
		at(now() + 100);
		let call = beat_call(id, &key);
		let valid;
		#[block]
		{
			valid = call.authorize(TransactionSource::External);
		}
		assert!(matches!(valid, Some(Ok(_))));
	}

	#[benchmark]
	fn heartbeat() {
		short_terms();
		let (who, key) = signer();
		let id = provider_of(0, who.clone(), &who);
		// After an absence that was too long for a lease that it has.
		pallet_providers::Providers::<Runtime>::mutate(id, |record| {
			record.as_mut().unwrap().leases = 1;
		});
		at(now() + 1_000_000);
		let call = beat_call(id, &key);
		#[block]
		{
			call.dispatch(RuntimeOrigin::from(RawOrigin::Authorized))
				.unwrap();
		}
		assert!(Providers::on_duty_until(id) > now());
		assert!(pallet_providers::Absences::<Runtime>::contains_key(id));
	}

	#[benchmark]
	fn set_offer() {
		let who = caller();
		provider_of(0, who.clone(), &who);
		#[block]
		{
			Providers::set_offer(signed(&who), Some(sheet())).unwrap();
		}
	}

	#[benchmark]
	fn set_served() {
		let who = caller();
		let id = provider_of(0, who.clone(), &who);
		let served = pallet_providers::Served::<Runtime>::get(id);
		#[block]
		{
			Providers::set_served(signed(&who), served).unwrap();
		}
	}

	/// Replaces a statement.
	#[benchmark]
	fn attest() {
		let who = caller();
		let id = provider(0, &who);
		Providers::attest(signed(&who), id, attributes(), 1_000).unwrap();
		#[block]
		{
			Providers::attest(signed(&who), id, attributes(), 2_000).unwrap();
		}
	}

	#[benchmark]
	fn revoke_attestation() {
		let who = caller();
		let id = provider(0, &who);
		let statement = pallet_providers::NextAttestationId::<Runtime>::get();
		Providers::attest(signed(&who), id, attributes(), 1_000).unwrap();
		#[block]
		{
			Providers::revoke_attestation(signed(&who), statement).unwrap();
		}
	}

	#[benchmark]
	fn set_terms() {
		#[block]
		{
			Providers::set_terms(root(), Terms::V1(TermsV1::default())).unwrap();
		}
	}

	/// One record's part of the migration to version 2.
	#[benchmark]
	fn to_v2() {
		let id = provider(0, &caller());
		let record = pallet_providers::Providers::<Runtime>::take(id).unwrap();
		let old = v1::ProviderRecord {
			owner: record.owner,
			operator: record.operator,
			status: record.status,
			bond: record.bond.into(),
			slices: record.slices.into(),
			leases: record.leases.into(),
			reserved: resources(1),
			offer_version: record.offer_version.into(),
		};
		let key = pallet_providers::Providers::<Runtime>::hashed_key_for(id);
		unhashed::put(&key, &old);
		StorageVersion::new(1).put::<Providers>();
		let each = <Runtime as pallet_providers::Config>::WeightInfo::to_v2();
		#[block]
		{
			let meter = &mut WeightMeter::with_limit(each);
			let _ = ToV2::<Runtime>::step(None, meter);
		}
		let record = pallet_providers::Providers::<Runtime>::get(id).unwrap();
		assert_eq!(record.registered_at, now());
	}

	/// The end of unbonding.
	#[benchmark]
	fn visit() {
		short_terms();
		let tenant = caller();
		let id = provider(0, &tenant);
		let owner = pallet_providers::Providers::<Runtime>::get(id)
			.unwrap()
			.owner;
		Providers::deregister(signed(&owner)).unwrap();
		at(now() + 10_000_000);
		#[block]
		{
			Providers::visit(AgendaItem::Provider(id)).unwrap();
		}
		assert!(!pallet_providers::Providers::<Runtime>::contains_key(id));
	}

	#[benchmark]
	fn visit_attestation() {
		let auditor = rich("auditor", 0);
		let id = provider(0, &auditor);
		let statement = pallet_providers::NextAttestationId::<Runtime>::get();
		Providers::attest(signed(&auditor), id, attributes(), 1_000).unwrap();
		#[block]
		{
			Providers::visit(AgendaItem::Attestation(statement)).unwrap();
		}
		assert!(!pallet_providers::Attestations::<Runtime>::contains_key(
			statement
		));
	}

	impl_benchmark_test_suite!(
		Pallet,
		crate::benchmarks::setting::externalities(),
		crate::Runtime
	);
}
