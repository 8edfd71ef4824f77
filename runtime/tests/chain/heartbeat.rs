//! Heartbeats count once, from the operator only, and cost nothing.

use crate::harness::*;
use frame_support::{
	assert_noop,
	dispatch::{DispatchClass, GetDispatchInfo},
	traits::Authorize,
};
use leasehold_primitives::ProviderRegistry;
use leasehold_runtime::{AccountId, Providers, Runtime, RuntimeCall, RuntimeOrigin};
use pallet_providers::Heartbeats;
use sp_runtime::{
	transaction_validity::{InvalidTransaction, TransactionSource, TransactionValidityError},
	DispatchError::BadOrigin,
};

fn served() -> u32 {
	<Providers as ProviderRegistry<AccountId>>::served(0)
}

/// Why a call is refused, which leaves no trace.
fn refused_of(call: RuntimeCall) -> InvalidTransaction {
	let before = state();
	let invalid = refused(submit(call));
	assert!(
		state() == before,
		"a heartbeat that was refused left a trace"
	);
	invalid
}

fn refused(result: Result<(), TransactionValidityError>) -> InvalidTransaction {
	match result {
		Err(TransactionValidityError::Invalid(invalid)) => invalid,
		other => panic!("not refused: {other:?}"),
	}
}

#[test]
fn a_heartbeat_counts_the_blocks_since_the_last() {
	run(|| {
		active_lease(5);
		let before = served();
		to_block(now() + 12);
		beat(0).unwrap();
		assert_eq!(served() - before, 12);
		let stored = Heartbeats::<Runtime>::get(0).unwrap();
		assert_eq!(
			(stored.last_beat, stored.grace, stored.instance),
			(now(), 15, [0; 16])
		);
		to_block(now() + 100);
		assert_eq!(served() - before, 12 + 15);
	});
}

#[test]
fn it_is_free_operational_and_of_the_highest_priority() {
	run(|| {
		active_lease(5);
		to_block(now() + 10);
		let call = heartbeat_call(0, [1; 16], "operator0");
		let info = call.get_dispatch_info();
		assert_eq!(info.class, DispatchClass::Operational);
		let (valid, _) = call
			.authorize(TransactionSource::External)
			.unwrap()
			.unwrap();
		assert_eq!(valid.priority, u64::MAX);
		assert_eq!(valid.provides.len(), 1);
		assert!(valid.propagate);
	});
}

#[test]
fn each_signature_counts_once() {
	run(|| {
		active_lease(5);
		to_block(now() + 10);
		let call = heartbeat_call(0, [1; 16], "operator0");
		submit(call.clone()).unwrap();
		assert_eq!(refused_of(call.clone()), InvalidTransaction::Stale);
		to_block(now() + 10);
		assert_eq!(refused_of(call), InvalidTransaction::Stale);
	});
}

#[test]
fn too_early_too_late_and_foreign_ones_are_refused() {
	run(|| {
		active_lease(5);
		let start = now();
		to_block(start + 9);
		assert_eq!(
			refused_of(heartbeat_call(0, [0; 16], "operator0")),
			InvalidTransaction::Future,
			"a block too early"
		);
		to_block(start + 10);
		let foreign = heartbeat_call(0, [1; 16], "stranger");
		assert_eq!(refused_of(foreign), InvalidTransaction::BadProof);
		let owner = heartbeat_call(0, [1; 16], "owner0");
		assert_eq!(refused_of(owner), InvalidTransaction::BadProof);
		let ahead = heartbeat_of(0, [1; 16], start + 1, "operator0");
		assert_eq!(refused_of(ahead), InvalidTransaction::Future);
		let unknown = heartbeat_call(7, [1; 16], "operator0");
		assert_eq!(refused_of(unknown), InvalidTransaction::Custom(1));
		beat(0).unwrap();
	});
}

#[test]
fn an_old_signature_is_stale() {
	run(|| {
		active_lease(5);
		to_block(now() + 10);
		let old = heartbeat_of(0, [1; 16], now() - 11, "operator0");
		assert_eq!(refused_of(old), InvalidTransaction::Stale);
	});
}

#[test]
fn who_has_no_lease_does_not_beat() {
	run(|| {
		register(0);
		to_block(now() + 10);
		let idle = heartbeat_call(0, [0; 16], "operator0");
		assert_eq!(refused_of(idle), InvalidTransaction::Custom(2));
	});
}

#[test]
fn a_signed_or_root_origin_is_refused() {
	run(|| {
		active_lease(5);
		to_block(now() + 10);
		let signature = leasehold_runtime::Signature::Sr25519([0; 64].into());
		for origin in [
			signed("operator0"),
			RuntimeOrigin::root(),
			RuntimeOrigin::none(),
		] {
			let call = || Providers::heartbeat(origin, 0, [1; 16], 0, signature.clone());
			assert_noop!(call(), BadOrigin);
		}
	});
}
