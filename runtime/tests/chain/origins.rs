//! Every call of our pallets, by origins that it is not for and by an account to which nothing belongs:
//! each is refused with its own error, and leaves no trace.

use crate::harness::*;
use frame_support::{dispatch::RawOrigin, traits::GetCallMetadata};
use leasehold_primitives::{FailureCode, LeaseId, OrderId};
use leasehold_runtime::{Providers, Runtime, RuntimeCall, RuntimeOrigin, Signature};
use pallet_escrow::Error as S;
use pallet_market::{Error as E, Order};
use pallet_providers::{Error as P, ProviderInfo};
use sp_runtime::{traits::Dispatchable, DispatchError};
use std::collections::BTreeSet;

/// Our pallets that have calls.
const PALLETS: [&str; 4] = ["Providers", "Market", "Escrow", "Reputation"];

/// Who a call is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum For {
	/// A signed account; this error answers one to which nothing belongs.
	Signed(DispatchError),
	/// Root.
	Admin,
	/// A call that carries its own signature.
	Authorized,
}

/// One of each call, on what there is, and who it is for.
fn one_of_each(order_id: OrderId, lease: LeaseId) -> Vec<(RuntimeCall, For)> {
	use pallet_escrow::Call as Escrow;
	use pallet_market::Call as Market;
	use pallet_providers::Call as Providers;
	let nobody = account("nobody");
	let signature = Signature::Sr25519([0; 64].into());
	let info = || ProviderInfo::V1(info());
	let escrow_error = |error: S<Runtime>| For::Signed(error.into());
	let market_error = |error: E<Runtime>| For::Signed(error.into());
	let providers_error = |error: P<Runtime>| For::Signed(error.into());
	let at_once = by_offer(order(9));
	let providers: Vec<(Providers<Runtime>, For)> = vec![
		(
			Providers::register {
				operator: account("f1"),
				bond: providers_terms().min_bond,
				info: info(),
			},
			providers_error(P::InsufficientFunds),
		),
		(
			Providers::rotate_operator {
				operator: nobody.clone(),
			},
			providers_error(P::NotOwner),
		),
		(
			Providers::update { info: info() },
			providers_error(P::NotProvider),
		),
		(
			Providers::set_paused { paused: true },
			providers_error(P::NotProvider),
		),
		(
			Providers::raise_bond { amount: 1 },
			providers_error(P::NotOwner),
		),
		(Providers::deregister {}, providers_error(P::NotOwner)),
		(
			Providers::heartbeat {
				provider: 0,
				instance: [0; 16],
				last_beat: 0,
				signature: signature.clone(),
			},
			For::Authorized,
		),
		(
			Providers::set_offer { sheet: None },
			providers_error(P::NotProvider),
		),
		(
			Providers::set_served { tenants: None },
			providers_error(P::NotProvider),
		),
		(
			Providers::attest {
				provider: 0,
				attributes: attributes(&[("region", "eu")]),
				lifetime: 5,
			},
			providers_error(P::InsufficientFunds),
		),
		(
			Providers::revoke_attestation { attestation: 0 },
			providers_error(P::NotAuditor),
		),
		(
			Providers::set_terms {
				terms: Default::default(),
			},
			For::Admin,
		),
	];
	let resources = order(1).resources;
	let market: Vec<(Market<Runtime>, For)> = vec![
		(
			Market::place_order {
				order: Order::V1(order(9)),
			},
			escrow_error(S::InsufficientFunds),
		),
		(
			Market::cancel_order { order: order_id },
			market_error(E::NotTenant),
		),
		(
			Market::place_bid {
				order: order_id,
				rate: 1,
			},
			market_error(E::NotProvider),
		),
		(
			Market::withdraw_bid { order: order_id },
			market_error(E::NotProvider),
		),
		(Market::start_lease { lease }, market_error(E::NotProvider)),
		(
			Market::complete_lease {
				lease,
				exit_code: 0,
				result_hash: [0; 32],
			},
			market_error(E::NotProvider),
		),
		(
			Market::fail_lease {
				lease,
				code: FailureCode::Crashed,
			},
			market_error(E::NotProvider),
		),
		(Market::close_lease { lease }, market_error(E::NotTenant)),
		(
			Market::pick {
				order: order_id,
				providers: vec![0].try_into().unwrap(),
			},
			market_error(E::NotTenant),
		),
		(
			Market::lease_now {
				order: Order::V1(at_once),
			},
			escrow_error(S::InsufficientFunds),
		),
		(
			Market::submit_receipt {
				lease,
				block: 1,
				signature,
			},
			market_error(E::NotTenant),
		),
		(
			Market::report_missing_manifest { lease },
			market_error(E::NotProvider),
		),
		(Market::pause_lease { lease }, market_error(E::NotProvider)),
		(Market::resume_lease { lease }, market_error(E::NotProvider)),
		(
			Market::reclaim_lease { lease },
			market_error(E::NotProvider),
		),
		(
			Market::abandon_lease { lease },
			market_error(E::NotProvider),
		),
		(
			Market::report_offline { lease },
			market_error(E::NotOffline),
		),
		(
			Market::update_manifest {
				lease,
				manifest_hash: [9; 32],
			},
			market_error(E::NotTenant),
		),
		(
			Market::propose_resize {
				lease,
				resources: resources.clone(),
			},
			market_error(E::NotTenant),
		),
		(
			Market::accept_resize { lease, resources },
			market_error(E::NotProvider),
		),
		(Market::revoke_access { lease }, market_error(E::NotTenant)),
		(
			Market::set_terms {
				terms: Default::default(),
			},
			For::Admin,
		),
	];
	let escrow: Vec<(Escrow<Runtime>, For)> = vec![
		(
			Escrow::deposit {
				lease,
				amount: escrow_terms().min_top_up,
			},
			escrow_error(S::InsufficientFunds),
		),
		(Escrow::settle { lease: 99 }, escrow_error(S::UnknownStream)),
		(
			Escrow::withdraw { lease, amount: 1 },
			escrow_error(S::NotFunder),
		),
		(
			Escrow::set_refill {
				lease,
				refill: None,
			},
			escrow_error(S::NotTenant),
		),
		(
			Escrow::set_terms {
				terms: Default::default(),
			},
			For::Admin,
		),
		(
			Escrow::set_fee_destination {
				to: account("tenant"),
			},
			For::Admin,
		),
	];
	let reputation = vec![(
		pallet_reputation::Call::<Runtime>::set_terms {
			terms: Default::default(),
		},
		For::Admin,
	)];
	let mut all = Vec::new();
	all.extend(providers.into_iter().map(|(call, to)| (call.into(), to)));
	all.extend(market.into_iter().map(|(call, to)| (call.into(), to)));
	all.extend(escrow.into_iter().map(|(call, to)| (call.into(), to)));
	all.extend(reputation.into_iter().map(|(call, to)| (call.into(), to)));
	all
}

/// A chain with an open order, an active lease, an offer and a statement.
fn populated() -> (OrderId, LeaseId) {
	let lease = active_lease(1_000);
	offer_cpu(1);
	let eu = attributes(&[("region", "eu")]);
	Providers::attest(signed("f1"), 0, eu, 100).unwrap();
	let order_id = place(order(2));
	(order_id, lease)
}

fn refused(call: RuntimeCall, origin: RuntimeOrigin, with: DispatchError) {
	let meta = call.get_call_metadata();
	let before = state();
	let result = call.dispatch(origin.clone()).map_err(|why| why.error);
	assert_eq!(result.err(), Some(with), "{meta:?} by {:?}", origin.caller);
	assert!(
		before == state(),
		"{meta:?} by {:?} left a trace",
		origin.caller
	);
}

#[test]
fn the_table_names_every_call() {
	run(|| {
		let (order, lease) = populated();
		let named: BTreeSet<_> = one_of_each(order, lease)
			.iter()
			.map(|(call, _)| call.get_call_metadata())
			.map(|meta| (meta.pallet_name, meta.function_name))
			.collect();
		let calls: BTreeSet<_> = PALLETS
			.into_iter()
			.flat_map(|pallet| {
				let names = RuntimeCall::get_call_names(pallet);
				names.iter().map(move |name| (pallet, *name))
			})
			.collect();
		assert_eq!(named, calls);
		let ours = RuntimeCall::get_module_names().iter();
		let with_calls = ours.filter(|name| pallet_index(name) >= 50);
		assert_eq!(
			with_calls.collect::<Vec<_>>(),
			PALLETS.iter().collect::<Vec<_>>()
		);
	});
}

fn pallet_index(name: &str) -> usize {
	use frame_support::traits::PalletsInfoAccess;
	let infos = leasehold_runtime::AllPalletsWithSystem::infos();
	infos.iter().find(|info| info.name == name).unwrap().index
}

#[test]
fn no_call_takes_an_origin_that_it_is_not_for() {
	run(|| {
		let (order, lease) = populated();
		for (call, to) in one_of_each(order, lease) {
			let mut others: Vec<RuntimeOrigin> = vec![RawOrigin::None.into()];
			if to != For::Admin {
				others.push(RawOrigin::Root.into());
			}
			if to != For::Authorized {
				others.push(RawOrigin::Authorized.into());
			}
			if !matches!(to, For::Signed(_)) {
				others.push(signed("tenant"));
			}
			for origin in others {
				refused(call.clone(), origin, DispatchError::BadOrigin);
			}
		}
	});
}

#[test]
fn who_has_nothing_here_moves_nothing() {
	run(|| {
		let (order, lease) = populated();
		for (call, to) in one_of_each(order, lease) {
			if let For::Signed(error) = to {
				refused(call, signed("nobody"), error);
			}
		}
	});
}
