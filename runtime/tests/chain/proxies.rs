//! What a proxy of each type may do for its account.

use crate::harness::*;
use frame_support::{assert_noop, assert_ok};
use leasehold_runtime::{
	configs::ProxyType, Balances, Market, Proxy, Runtime, RuntimeCall, RuntimeEvent, System, LEASE,
};
use pallet_market::Order;
use sp_runtime::DispatchResult;

/// What became of a call that `friend` made for `tenant`.
fn made_by_proxy(call: RuntimeCall) -> DispatchResult {
	assert_ok!(Proxy::proxy(
		signed("friend"),
		account("tenant").into(),
		None,
		Box::new(call)
	));
	System::events()
		.into_iter()
		.rev()
		.find_map(|record| match record.event {
			RuntimeEvent::Proxy(pallet_proxy::Event::ProxyExecuted { result }) => Some(result),
			_ => None,
		})
		.unwrap()
}

fn calls() -> [(&'static str, RuntimeCall); 5] {
	let remark = || RuntimeCall::System(frame_system::Call::remark { remark: vec![] });
	[
		(
			"transfer",
			pallet_balances::Call::transfer_keep_alive {
				dest: account("friend").into(),
				value: LEASE,
			}
			.into(),
		),
		(
			"place_order",
			pallet_market::Call::place_order {
				order: Order::V1(order(1)),
			}
			.into(),
		),
		(
			"register",
			pallet_providers::Call::register {
				operator: account("operator0"),
				bond: 100 * LEASE,
				info: pallet_providers::ProviderInfo::V1(info()),
			}
			.into(),
		),
		(
			"transfer in a batch",
			pallet_utility::Call::batch_all {
				calls: vec![pallet_balances::Call::transfer_all {
					dest: account("friend").into(),
					keep_alive: false,
				}
				.into()],
			}
			.into(),
		),
		("remark", remark()),
	]
}

#[test]
fn a_proxy_does_no_more_than_its_type_allows() {
	for (kind, allowed) in [
		(
			ProxyType::Any,
			&[
				"transfer",
				"place_order",
				"register",
				"transfer in a batch",
				"remark",
			][..],
		),
		(ProxyType::NonTransfer, &["remark"]),
		(ProxyType::Tenant, &["place_order"]),
	] {
		for (name, call) in calls() {
			run(|| {
				let tenant = signed("tenant");
				assert_ok!(Proxy::add_proxy(tenant, account("friend").into(), kind, 0));
				let before = free("friend");
				let done = made_by_proxy(call).is_ok();
				assert_eq!(done, allowed.contains(&name), "{kind:?}: {name}");
				assert!(done || free("friend") == before, "{kind:?}: {name}");
			});
		}
	}
}

#[test]
fn a_proxy_cannot_give_itself_more_than_it_has() {
	run(|| {
		let kind = ProxyType::NonTransfer;
		assert_ok!(Proxy::add_proxy(
			signed("tenant"),
			account("friend").into(),
			kind,
			0
		));
		for more in [ProxyType::Tenant, ProxyType::Any] {
			let call = pallet_proxy::Call::<Runtime>::add_proxy {
				delegate: account("friend").into(),
				proxy_type: more,
				delay: 0,
			};
			assert!(made_by_proxy(call.into()).is_err(), "{more:?}");
		}
	});
}

#[test]
fn a_tenants_proxy_places_and_takes_back_for_it() {
	run(|| {
		let kind = ProxyType::Tenant;
		assert_ok!(Proxy::add_proxy(
			signed("tenant"),
			account("friend").into(),
			kind,
			0
		));
		let (place, cancel) = (
			pallet_market::Call::<Runtime>::place_order {
				order: Order::V1(order(1)),
			},
			pallet_market::Call::<Runtime>::cancel_order { order: 0 },
		);
		assert_ok!(made_by_proxy(place.into()));
		let tenant = pallet_market::Orders::<Runtime>::get(0).unwrap().tenant;
		assert_eq!(tenant, account("tenant"));
		// It is not the proxy's own.
		assert_noop!(
			Market::cancel_order(signed("friend"), 0),
			pallet_market::Error::<Runtime>::NotTenant
		);
		assert_ok!(made_by_proxy(cancel.into()));
		assert_eq!(Balances::reserved_balance(account("friend")), 0);
	});
}
