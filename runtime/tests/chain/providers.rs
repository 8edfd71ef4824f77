//! Registration, bond and what a provider says about itself.

use crate::harness::*;
use frame_support::{assert_noop, assert_ok};
use leasehold_primitives::{PersistentStorage, ProviderRegistry, Resources, StorageClass};
use leasehold_runtime::{Market, Providers, Runtime, RuntimeOrigin, System, LEASE};
use pallet_providers::{ByOperator, ByOwner, Error, Event, ProviderInfo, ProviderInfoV1, Status};
use sp_runtime::DispatchError::BadOrigin;

type E = Error<Runtime>;

fn register_with(
	owner: &str,
	operator: &str,
	bond: u128,
	info: ProviderInfoV1,
) -> frame_support::dispatch::DispatchResult {
	Providers::register(
		signed(owner),
		account(operator),
		bond,
		ProviderInfo::V1(info),
	)
}

#[test]
fn registering_puts_the_bond_on_hold() {
	run(|| {
		let before = free("owner0");
		let provider = register(0);
		assert_eq!(before - free("owner0"), 1_000 * LEASE);
		assert_eq!(held("owner0"), 1_000 * LEASE);
		assert_eq!(ByOwner::<Runtime>::get(account("owner0")), Some(provider));
		assert_eq!(
			ByOperator::<Runtime>::get(account("operator0")),
			Some(provider)
		);
		assert_eq!(register(1), provider + 1);
	});
}

#[test]
fn registering_is_refused_with_the_right_error() {
	run(|| {
		let bond = 100 * LEASE;
		let call = |origin| {
			Providers::register(origin, account("operator0"), bond, ProviderInfo::V1(info()))
		};
		assert_noop!(call(RuntimeOrigin::root()), BadOrigin);
		assert_noop!(call(RuntimeOrigin::none()), BadOrigin);
		assert_noop!(
			register_with("owner0", "operator0", bond - 1, info()),
			E::BondTooLow
		);
		assert_noop!(
			register_with("owner0", "operator0", ENDOWMENT, info()),
			E::InsufficientFunds
		);
		let wrong = |edit: fn(&mut ProviderInfoV1)| {
			let mut info = info();
			edit(&mut info);
			register_with("owner0", "operator0", 100 * LEASE, info)
		};
		assert_noop!(wrong(|i| i.gateways.clear()), E::InvalidInfo);
		assert_noop!(wrong(|i| i.gateways[0].clear()), E::InvalidInfo);
		assert_noop!(wrong(|i| i.gateways[0][0] = b'\n'), E::InvalidInfo);
		assert_noop!(wrong(|i| i.capacity.cpu = 0), E::InvalidInfo);
		assert_noop!(wrong(|i| i.capacity.memory = 0), E::InvalidInfo);
		assert_noop!(wrong(|i| i.capacity.unit_cpu = 5_000), E::InvalidInfo);
		assert_noop!(
			wrong(|i| {
				let p = PersistentStorage {
					class: StorageClass::Hdd,
					size: 1,
				};
				i.capacity.persistent = vec![p.clone(), p].try_into().unwrap();
			}),
			E::InvalidInfo
		);
		register(0);
		for (owner, operator) in [
			("owner0", "operator1"),
			("operator0", "operator1"),
			("owner1", "owner0"),
			("owner1", "operator0"),
		] {
			assert_noop!(
				register_with(owner, operator, bond, info()),
				E::AccountTaken
			);
		}
	});
}

#[test]
fn only_the_owner_rotates_the_operator() {
	run(|| {
		register(0);
		register(1);
		let rotate = |who: &str, to: &str| Providers::rotate_operator(signed(who), account(to));
		assert_noop!(
			Providers::rotate_operator(RuntimeOrigin::root(), account("f1")),
			BadOrigin
		);
		assert_noop!(rotate("operator0", "f1"), E::NotOwner);
		assert_noop!(rotate("stranger", "f1"), E::NotOwner);
		assert_noop!(rotate("owner0", "operator1"), E::AccountTaken);
		assert_noop!(rotate("owner0", "operator0"), E::AccountTaken);
		assert_noop!(rotate("owner0", "owner1"), E::AccountTaken);
		assert_ok!(rotate("owner0", "f1"));
		assert_eq!(ByOperator::<Runtime>::get(account("f1")), Some(0));
		assert_eq!(ByOperator::<Runtime>::get(account("operator0")), None);
		System::assert_last_event(
			Event::OperatorRotated {
				provider: 0,
				old: account("operator0"),
				new: account("f1"),
			}
			.into(),
		);
	});
}

#[test]
fn owner_and_operator_update() {
	run(|| {
		register(0);
		let mut new = info();
		new.capacity.cpu = 8_000;
		let update = |who: &str, info: &ProviderInfoV1| {
			Providers::update(signed(who), ProviderInfo::V1(info.clone()))
		};
		assert_noop!(
			Providers::update(RuntimeOrigin::root(), ProviderInfo::V1(info())),
			BadOrigin
		);
		assert_noop!(update("stranger", &new), E::NotProvider);
		assert_ok!(update("operator0", &new));
		assert_ok!(update("owner0", &info()));
		new.gateways.clear();
		assert_noop!(update("owner0", &new), E::InvalidInfo);
	});
}

#[test]
fn capacity_in_use_cannot_be_taken_away() {
	run(|| {
		starting_lease(5);
		let mut less = info();
		less.capacity = Resources {
			cpu: 999,
			unit_cpu: 999,
			..machine()
		};
		let update =
			|info: ProviderInfoV1| Providers::update(signed("operator0"), ProviderInfo::V1(info));
		assert_noop!(update(less.clone()), E::CapacityInUse);
		less.capacity = Resources {
			cpu: 1_000,
			unit_cpu: 1_000,
			..machine()
		};
		assert_ok!(update(less));
	});
}

#[test]
fn a_paused_provider_gets_no_new_leases_and_keeps_the_old() {
	run(|| {
		let lease = active_lease(5);
		let pause = |who: &str, to| Providers::set_paused(signed(who), to);
		assert_noop!(
			Providers::set_paused(RuntimeOrigin::root(), true),
			BadOrigin
		);
		assert_noop!(pause("stranger", true), E::NotProvider);
		assert_noop!(pause("owner0", false), E::NothingToDo);
		assert_ok!(pause("operator0", true));
		assert_noop!(pause("operator0", true), E::NothingToDo);
		let id = place(order(2));
		assert_noop!(bid(0, id, 5), pallet_market::Error::<Runtime>::NotEligible);
		assert_ok!(Market::complete_lease(
			signed("operator0"),
			lease,
			0,
			[0; 32]
		));
		assert_ok!(pause("owner0", false));
		assert_ok!(bid(0, id, 5));
	});
}

#[test]
fn the_bond_can_be_raised() {
	run(|| {
		register(0);
		let raise = |who: &str, by| Providers::raise_bond(signed(who), by);
		assert_noop!(Providers::raise_bond(RuntimeOrigin::root(), 1), BadOrigin);
		assert_noop!(raise("operator0", 1), E::NotOwner);
		assert_noop!(raise("owner0", 0), E::ZeroAmount);
		assert_noop!(raise("owner0", ENDOWMENT), E::InsufficientFunds);
		assert_noop!(raise("owner0", u128::MAX), E::Overflow);
		assert_ok!(raise("owner0", 7));
		assert_eq!(held("owner0"), 1_000 * LEASE + 7);
	});
}

#[test]
fn the_bond_comes_back_by_itself() {
	run(|| {
		register(0);
		let before = free("owner0");
		assert_noop!(Providers::deregister(RuntimeOrigin::root()), BadOrigin);
		assert_noop!(Providers::deregister(signed("operator0")), E::NotOwner);
		assert_ok!(Providers::deregister(signed("owner0")));
		assert_noop!(Providers::deregister(signed("owner0")), E::Unbonding);
		assert_noop!(Providers::set_paused(signed("owner0"), true), E::Unbonding);
		assert_noop!(Providers::raise_bond(signed("owner0"), 1), E::Unbonding);
		let id = place(order(1));
		assert_noop!(bid(0, id, 5), pallet_market::Error::<Runtime>::NotEligible);
		to_block(100);
		assert_eq!(held("owner0"), 1_000 * LEASE);
		to_block(101);
		assert_eq!(free("owner0") - before, 1_000 * LEASE);
		System::assert_has_event(
			Event::Deregistered {
				provider: 0,
				owner: account("owner0"),
				bond: 1_000 * LEASE,
			}
			.into(),
		);
		assert_noop!(Providers::deregister(signed("owner0")), E::NotOwner);
		assert_eq!(register(0), 1, "ids are never reused");
	});
}

#[test]
fn the_bond_stays_while_a_lease_is_open() {
	run(|| {
		let lease = active_lease(5);
		assert_ok!(Providers::deregister(signed("owner0")));
		to_block_on_duty(150, 0);
		let record = pallet_providers::Providers::<Runtime>::get(0).unwrap();
		assert!(matches!(record.status, Status::Unbonding { until, .. } if until < now()));
		assert_ok!(Market::close_lease(signed("tenant"), lease));
		to_block(now() + providers_terms().heartbeat_grace);
		assert!(pallet_providers::Providers::<Runtime>::get(0).is_none());
		assert_eq!(held("owner0"), 0);
	});
}

#[test]
fn what_the_market_asks_of_the_registry_is_refused_with_the_right_error() {
	run(|| {
		let taken = Resources {
			cpu: 1_000,
			..order(1).resources
		};
		let reserve = |id, cpu, slice| {
			let taken = Resources {
				cpu,
				..taken.clone()
			};
			<Providers as ProviderRegistry<_>>::reserve(id, &taken, slice)
		};
		assert_noop!(reserve(0, 1_000, LEASE), E::UnknownProvider);
		let provider = register(0);
		let all = machine().cpu;
		assert_noop!(reserve(provider, all + 1, LEASE), E::CannotReserve);
		assert_noop!(reserve(provider, 1_000, 1_001 * LEASE), E::BondReserved);
		assert_ok!(reserve(provider, 1_000, LEASE));
		let release = |id, slice| <Providers as ProviderRegistry<_>>::release(id, &taken, slice);
		assert_noop!(release(provider + 1, LEASE), E::UnknownProvider);
		assert_noop!(release(provider, LEASE + 1), E::NotReserved);
		assert_ok!(release(provider, LEASE));
		assert_noop!(release(provider, 0), E::NotReserved);
	});
}

#[test]
fn provider_ids_do_not_wrap() {
	run(|| {
		pallet_providers::NextProviderId::<Runtime>::put(u32::MAX);
		assert_noop!(
			register_with("owner0", "operator0", 100 * LEASE, info()),
			E::Overflow
		);
	});
}
