//! Calls at the wrong time, by the wrong account or beyond a type's range: each is refused with its own
//! error and leaves no trace.

use crate::harness::*;
use frame_support::{assert_noop, assert_ok, dispatch::DispatchResult};
use leasehold_primitives::{
	CloseReason, FailureCode, LeaseId, PriceSheet, PriceSheetV1, StorageClass,
};
use leasehold_runtime::{
	AccountId, Escrow, Market, Providers, Runtime, RuntimeOrigin, System, EXISTENTIAL_DEPOSIT,
	LEASE,
};
use pallet_escrow::Refill;
use pallet_market::{Error, LeaseState, Leases, Order, OrderV1, Orders, Selection, Suspension};
use pallet_providers::{ProviderInfo, ProviderInfoV1};
use sp_runtime::DispatchError::BadOrigin;

type E = Error<Runtime>;
type P = pallet_providers::Error<Runtime>;
type S = pallet_escrow::Error<Runtime>;
type Spec = OrderV1<AccountId>;

fn resume(who: RuntimeOrigin, id: LeaseId) -> DispatchResult {
	plain(Market::resume_lease(who, id))
}

/// Changes a stored lease.
fn edit(id: LeaseId, change: impl FnOnce(&mut pallet_market::LeaseRecordOf<Runtime>)) {
	Leases::<Runtime>::mutate(id, |lease| change(lease.as_mut().unwrap()));
}

fn offers_capacity(cpu: u32) {
	let mut info = info();
	(info.capacity.cpu, info.capacity.unit_cpu) = (cpu, cpu);
	Providers::update(signed("owner0"), ProviderInfo::V1(info)).unwrap();
}

#[test]
fn resuming_is_refused_with_the_right_error() {
	run(|| {
		let id = active_lease(1_000);
		register(1);
		assert_noop!(resume(RuntimeOrigin::root(), id), BadOrigin);
		assert_noop!(resume(signed("tenant"), id), E::NotProvider);
		assert_noop!(resume(signed("operator0"), id + 1), E::UnknownLease);
		assert_noop!(resume(signed("operator1"), id), E::NotLeaseProvider);
		assert_noop!(resume(signed("operator0"), id), E::NotPaused);
		Market::pause_lease(signed("operator0"), id).unwrap();
		offers_capacity(999);
		assert_noop!(resume(signed("operator0"), id), E::CapacityTaken);
		offers_capacity(4_000);
		let end = lease(id).ends().unwrap().0;
		let at = now();
		System::set_block_number(end);
		assert_noop!(resume(signed("operator0"), id), E::Overdue);
		System::set_block_number(at);
		assert_ok!(resume(signed("operator0"), id));
	});
}

#[test]
fn another_provider_does_nothing_to_a_lease() {
	run(|| {
		let id = active_lease(1_000);
		register(1);
		let starting = lease_from(order(2), 1_000);
		let other = || signed("operator1");
		let size = order(1).resources;
		for call in [
			|other, id, _| plain(Market::start_lease(other, id)),
			|other, id, _| plain(Market::complete_lease(other, id, 0, [0; 32])),
			|other, id, _| plain(Market::fail_lease(other, id, FailureCode::Crashed)),
			|other, id, _| plain(Market::pause_lease(other, id)),
			|other, id, _| plain(Market::reclaim_lease(other, id)),
			|other, id, _| plain(Market::abandon_lease(other, id)),
			|other, id, _| plain(Market::report_missing_manifest(other, id)),
			|other, id, size| plain(Market::accept_resize(other, id, size)),
		]
			as [fn(RuntimeOrigin, LeaseId, leasehold_primitives::Resources) -> DispatchResult; 8]
		{
			for id in [id, starting] {
				assert_noop!(call(other(), id, size.clone()), E::NotLeaseProvider);
			}
			assert_noop!(call(other(), 99, size.clone()), E::UnknownLease);
			assert_noop!(call(signed("tenant"), id, size.clone()), E::NotProvider);
			assert_noop!(call(RuntimeOrigin::root(), id, size.clone()), BadOrigin);
		}
	});
}

#[test]
fn another_size_is_refused_with_the_right_error() {
	run(|| {
		let id = active_lease(MAX_RATE);
		let size = |cpu| {
			let mut resources = order(1).resources;
			(resources.cpu, resources.unit_cpu) = (cpu, cpu);
			resources
		};
		let propose = |id, cpu| Market::propose_resize(signed("tenant"), id, size(cpu));
		let accept = |cpu| plain(Market::accept_resize(signed("operator0"), id, size(cpu)));
		assert_noop!(
			Market::propose_resize(RuntimeOrigin::root(), id, size(1)),
			BadOrigin
		);
		assert_noop!(propose(id + 1, 2_000), E::UnknownLease);
		propose(id, 2_000).unwrap();
		Market::pause_lease(signed("operator0"), id).unwrap();
		assert_noop!(accept(2_000), E::NotActive);
		assert_noop!(propose(id, 2_000), E::NotActive);
		Market::resume_lease(signed("operator0"), id).unwrap();
		assert_noop!(accept(2_000), E::NoProposal);
		// The bond has no room for the greater slice.
		propose(id, 2_000).unwrap();
		let slices = provider(0).slices;
		let set = |bond| {
			pallet_providers::Providers::<Runtime>::mutate(0, |record| {
				record.as_mut().unwrap().bond = bond;
			});
		};
		set(slices);
		assert_noop!(accept(2_000), P::BondReserved);
		set(1_000 * LEASE);
		assert_ok!(accept(2_000));
	});
}

fn place_as(edit: impl FnOnce(&mut Spec)) -> DispatchResult {
	let mut spec = order(1);
	edit(&mut spec);
	Market::place_order(signed("tenant"), Order::V1(spec))
}

#[test]
fn an_order_for_an_offer_is_no_order_for_bids() {
	run(|| {
		let root = || Market::place_order(RuntimeOrigin::root(), Order::V1(order(1)));
		assert_noop!(root(), BadOrigin);
		let offer = Selection::Offer {
			provider: 0,
			version: 1,
		};
		assert_noop!(place_as(|o| o.selection = offer), E::WrongSelection);
		assert_noop!(place_as(|o| o.notice = 101), E::InvalidNotice);
		assert_ok!(place_as(|o| o.notice = 100));
		assert_noop!(place_as(|o| o.notice = 100), E::ManifestInUse);
	});
}

#[test]
fn an_instant_lease_is_checked_like_an_order() {
	run(|| {
		register(0);
		let sheet = PriceSheet::V1(PriceSheetV1 {
			cpu: 10_000,
			memory: 1_000,
			..Default::default()
		});
		Providers::set_offer(signed("operator0"), Some(sheet)).unwrap();
		let with = |edit: &dyn Fn(&mut Spec)| {
			let mut spec = Spec {
				selection: Selection::Offer {
					provider: 0,
					version: 1,
				},
				bidding: 0,
				..order(1)
			};
			edit(&mut spec);
			Market::lease_now(signed("tenant"), Order::V1(spec))
		};
		System::set_block_number(now() + 10);
		beat(0).unwrap();
		let persistent = leasehold_primitives::PersistentStorage {
			class: StorageClass::Ssd,
			size: 10,
		};
		let mut roomy = info();
		roomy.capacity.persistent = vec![persistent.clone()].try_into().unwrap();
		Providers::update(signed("owner0"), ProviderInfo::V1(roomy)).unwrap();
		assert_noop!(
			with(&|o| o.resources.persistent = vec![persistent.clone()].try_into().unwrap()),
			E::NotOffered
		);
		assert_noop!(with(&|o| o.max_rate = 0), E::ZeroRate);
		assert_noop!(with(&|o| o.max_duration = 0), E::InvalidDuration);
		assert_noop!(with(&|o| o.max_duration = 10_001), E::InvalidDuration);
		assert_noop!(with(&|o| o.notice = 101), E::InvalidNotice);
		assert_noop!(with(&|o| o.resources.cpu = 0), E::InvalidResources);
		assert_noop!(with(&|o| o.deposit = ENDOWMENT), S::InsufficientFunds);
		assert_noop!(with(&|o| o.deposit = u128::MAX), E::Overflow);
		let others = vec![account("friend")].try_into().unwrap();
		Providers::set_served(signed("owner0"), Some(others)).unwrap();
		assert_noop!(with(&|_| {}), E::NotEligible);
		Providers::set_served(signed("owner0"), None).unwrap();
		assert_noop!(
			with(&|o| o.allowed = vec![7].try_into().unwrap()),
			E::NotEligible
		);
		assert_ok!(with(&|_| {}));
	});
}

#[test]
fn picking_is_over_when_the_order_is() {
	run(|| {
		register(0);
		let mut spec = order(1);
		spec.selection = Selection::Manual;
		let id = place(spec);
		bid(0, id, 5).unwrap();
		let at = now();
		System::set_block_number(Orders::<Runtime>::get(id).unwrap().ends);
		let picks = || vec![0].try_into().unwrap();
		assert_noop!(
			plain(Market::pick(signed("tenant"), id, picks())),
			E::TooLate
		);
		System::set_block_number(at);
		assert_noop!(
			plain(Market::pick(RuntimeOrigin::root(), id, picks())),
			BadOrigin
		);
		assert_ok!(plain(Market::pick(signed("tenant"), id, picks())));
	});
}

#[test]
fn what_is_overdue_is_refused() {
	run(|| {
		let id = starting_lease(1_000);
		let LeaseState::Starting { deadline, .. } = lease(id).state else {
			panic!("it starts");
		};
		let begun = now();
		System::set_block_number(deadline + 1);
		assert_noop!(
			plain(Market::start_lease(signed("operator0"), id)),
			E::TooLate
		);
		let missing = Market::report_missing_manifest(signed("operator0"), id);
		assert_noop!(plain(missing), E::TooLate);
		System::set_block_number(begun);
		Market::start_lease(signed("operator0"), id).unwrap();
		let mut resources = order(1).resources;
		resources.cpu = 2_000;
		Market::propose_resize(signed("tenant"), id, resources.clone()).unwrap();
		System::set_block_number(lease(id).ends().unwrap().0);
		let reclaim = Market::reclaim_lease(signed("operator0"), id);
		assert_noop!(plain(reclaim), E::Overdue);
		let accept = Market::accept_resize(signed("operator0"), id, resources);
		assert_noop!(plain(accept), E::Overdue);
		System::set_block_number(now() - 1);
	});
}

#[test]
fn deadlines_beyond_the_last_block_are_refused() {
	run(|| {
		register(0);
		System::set_block_number(u32::MAX - 4);
		let place = |spec: Spec| Market::place_order(signed("tenant"), Order::V1(spec));
		assert_noop!(place(order(1)), E::Overflow);
		let manual = Spec {
			selection: Selection::Manual,
			bidding: 3,
			..order(1)
		};
		assert_noop!(place(manual), E::Overflow);
		let about = attributes(&[("region", "eu")]);
		assert_noop!(Providers::attest(signed("f1"), 0, about, 10), P::Overflow);
		System::set_block_number(1);
	});
}

#[test]
fn what_does_not_fit_its_type_is_refused() {
	run(|| {
		let id = starting_lease(1_000);
		let start = || plain(Market::start_lease(signed("operator0"), id));
		let state = lease(id).state;
		let LeaseState::Starting {
			since,
			deadline,
			slice,
			..
		} = state
		else {
			panic!("it starts");
		};
		edit(id, |lease| {
			lease.state = LeaseState::Starting {
				since,
				deadline,
				max_duration: u32::MAX,
				receipt: false,
				slice,
			}
		});
		assert_noop!(start(), E::Overflow);
		edit(id, |lease| lease.state = state);
		let revoke = || Market::revoke_access(signed("tenant"), id);
		edit(id, |lease| lease.epoch = u32::MAX);
		assert_noop!(revoke(), E::Overflow);
		edit(id, |lease| lease.epoch = 0);
		assert_ok!(revoke());
		let version = |version| {
			pallet_providers::Providers::<Runtime>::mutate(0, |record| {
				record.as_mut().unwrap().offer_version = version;
			});
		};
		let offer = || {
			let sheet = PriceSheet::V1(PriceSheetV1::default());
			Providers::set_offer(signed("operator0"), Some(sheet))
		};
		version(u32::MAX);
		assert_noop!(offer(), P::Overflow);
		version(0);
		assert_ok!(offer());
		let attest = || {
			let about = attributes(&[("region", "eu")]);
			Providers::attest(signed("f1"), 0, about, 10)
		};
		pallet_providers::NextAttestationId::<Runtime>::put(u64::MAX);
		assert_noop!(attest(), P::Overflow);
		pallet_providers::NextAttestationId::<Runtime>::put(0);
		assert_noop!(
			Providers::raise_bond(signed("owner0"), u128::MAX),
			P::Overflow
		);
		let at = now();
		System::set_block_number(u32::MAX - 1);
		assert_noop!(Providers::deregister(signed("owner0")), P::Overflow);
		System::set_block_number(at);
		let deposit = |amount| plain(Escrow::deposit(signed("tenant"), id, amount));
		assert_noop!(deposit(u128::MAX), S::Overflow);
		assert_noop!(deposit(0), S::ZeroAmount);
		assert_ok!(start());
		let withdraw = |who, amount| plain(Escrow::withdraw(signed(who), id, amount));
		assert_noop!(withdraw("tenant", u128::MAX), S::NotWithdrawable);
		assert_noop!(withdraw("tenant", 0), S::ZeroAmount);
		assert_noop!(withdraw("stranger", 1), S::NotFunder);
		let refill = |who, amount, budget| {
			Escrow::set_refill(signed(who), id, Some(Refill { amount, budget }))
		};
		assert_noop!(refill("friend", 1, 1), S::NotTenant);
		assert_noop!(refill("tenant", 0, 1), S::ZeroAmount);
		assert_noop!(refill("tenant", 29_999, 1), S::DepositTooLow);
		assert_ok!(refill("tenant", 30_000, u128::MAX));
		// Twice as large at a rate of which half is all there is.
		let mut size = lease(id).taken;
		(size.cpu, size.memory) = (2 * size.cpu, 2 * size.memory);
		Market::propose_resize(signed("tenant"), id, size.clone()).unwrap();
		let rate = |rate| {
			pallet_escrow::StreamsOf::<Runtime>::mutate(id, |stream| {
				stream.as_mut().unwrap().rate = rate;
			});
		};
		let before = stream(id).rate;
		let accept = || plain(Market::accept_resize(signed("operator0"), id, size.clone()));
		rate(u128::MAX - 1);
		assert_noop!(accept(), S::Overflow);
		rate(before);
		assert_ok!(accept());
	});
}

#[test]
fn no_match_takes_an_id_that_there_is_not() {
	run(|| {
		register(0);
		offer_cpu(1);
		to_block(now() + 10);
		beat(0).unwrap();
		let lease_now = || Market::lease_now(signed("tenant"), Order::V1(by_offer(order(9))));
		pallet_market::NextOrderId::<Runtime>::put(u64::MAX);
		assert_noop!(lease_now(), E::Overflow);
		pallet_market::NextOrderId::<Runtime>::put(0);
		pallet_market::NextLeaseId::<Runtime>::put(u64::MAX);
		assert_noop!(lease_now(), E::Overflow);
		let mut spec = order(1);
		spec.selection = Selection::Manual;
		let id = place(spec);
		bid(0, id, 10).unwrap();
		to_block(now() + 5);
		let pick = || Market::pick(signed("tenant"), id, vec![0].try_into().unwrap());
		assert_noop!(pick(), E::Overflow);
		pallet_market::NextLeaseId::<Runtime>::put(0);
		assert_ok!(pick());
	});
}

#[test]
fn after_its_deadline_a_start_has_timed_out_whoever_says_what() {
	run(|| {
		let id = starting_lease(1_000);
		let LeaseState::Starting { deadline, .. } = lease(id).state else {
			panic!("it starts");
		};
		// The agenda comes late.
		System::set_block_number(deadline + 1);
		let (late, fail) = (E::TooLate, FailureCode::Crashed);
		let missing = || plain(Market::report_missing_manifest(signed("operator0"), id));
		assert_noop!(missing(), late);
		let signature = leasehold_runtime::Signature::Sr25519([0; 64].into());
		let receipt = || Market::submit_receipt(signed("tenant"), id, deadline, signature.clone());
		assert_noop!(receipt(), E::TooLate);
		assert_noop!(
			plain(Market::start_lease(signed("operator0"), id)),
			E::TooLate
		);
		assert_ok!(plain(Market::fail_lease(signed("operator0"), id, fail)));
		assert_eq!(closed(id).reason, CloseReason::StartTimeout);
	});
}

#[test]
fn a_call_for_another_state_of_a_lease_is_refused() {
	run(|| {
		register(0);
		let id = lease_from(order(1), MAX_RATE);
		let pause = || plain(Market::pause_lease(signed("operator0"), id));
		let complete = || plain(Market::complete_lease(signed("operator0"), id, 0, [0; 32]));
		assert_noop!(pause(), E::NotActive);
		assert_noop!(complete(), E::NotStarted);
		Market::start_lease(signed("operator0"), id).unwrap();
		assert_ok!(pause());
		assert_noop!(pause(), E::NotActive);
		assert_ok!(resume(signed("operator0"), id));
		while matches!(lease(id).state, LeaseState::Active { .. }) {
			to_block_on_duty(now() + 5, 0);
		}
		let dry = matches!(
			lease(id).state,
			LeaseState::Suspended {
				why: Suspension::Dry,
				..
			}
		);
		assert!(dry, "{:?}", lease(id).state);
		assert_noop!(resume(signed("operator0"), id), E::NotPaused);
		assert_noop!(pause(), E::NotActive);
		// The job had ended before its money did.
		assert_ok!(complete());
		let reason = closed(id).reason;
		assert!(
			matches!(reason, CloseReason::Completed { .. }),
			"{reason:?}"
		);
	});
}

#[test]
fn a_provider_is_registered_and_changed_only_as_it_may_be() {
	run(|| {
		register(0);
		let with = |owner: &str, operator: &str, bond, edit: &dyn Fn(&mut ProviderInfoV1)| {
			let mut info = info();
			edit(&mut info);
			let operator = account(operator);
			Providers::register(signed(owner), operator, bond, ProviderInfo::V1(info))
		};
		let (bond, same) = (100 * LEASE, |_: &mut ProviderInfoV1| {});
		for (owner, operator) in [
			("owner0", "f1"),
			("operator0", "f1"),
			("f1", "owner0"),
			("f1", "operator0"),
		] {
			assert_noop!(with(owner, operator, bond, &same), P::AccountTaken);
		}
		assert_noop!(with("f1", "f2", bond - 1, &same), P::BondTooLow);
		let no_gateway = |info: &mut ProviderInfoV1| info.gateways = Default::default();
		assert_noop!(with("f1", "f2", bond, &no_gateway), P::InvalidInfo);
		let unreadable = |info: &mut ProviderInfoV1| {
			let url = b"http://a b".to_vec().try_into().unwrap();
			info.gateways = vec![url].try_into().unwrap();
		};
		assert_noop!(with("f1", "f2", bond, &unreadable), P::InvalidInfo);
		let empty = |info: &mut ProviderInfoV1| info.capacity = Default::default();
		assert_noop!(with("f1", "f2", bond, &empty), P::InvalidInfo);
		let all = ENDOWMENT - EXISTENTIAL_DEPOSIT + 1;
		assert_noop!(with("f1", "f2", all, &same), P::InsufficientFunds);
		let root = || {
			let info = ProviderInfo::V1(info());
			Providers::register(RuntimeOrigin::root(), account("f2"), bond, info)
		};
		assert_noop!(root(), BadOrigin);
		let update = |who: &str, edit: &dyn Fn(&mut ProviderInfoV1)| {
			let mut info = info();
			edit(&mut info);
			Providers::update(signed(who), ProviderInfo::V1(info))
		};
		assert_noop!(update("tenant", &same), P::NotProvider);
		assert_noop!(update("owner0", &empty), P::InvalidInfo);
		lease_from(order(1), 5);
		let little = |info: &mut ProviderInfoV1| {
			(info.capacity.cpu, info.capacity.unit_cpu) = (999, 999);
		};
		assert_noop!(update("operator0", &little), P::CapacityInUse);
		assert_ok!(update("operator0", &same));
	});
}

#[test]
fn operators_change_four_times_in_the_longest_downtime_at_most() {
	run(|| {
		register(0);
		let rotate = |to: &str| Providers::rotate_operator(signed("owner0"), account(to));
		for to in ["f1", "f2", "f3", "f4"] {
			assert_ok!(rotate(to));
		}
		assert_noop!(rotate("f5"), P::TooManyRotations);
		System::set_block_number(now() + providers_terms().max_downtime + 1);
		assert_ok!(rotate("f5"));
		assert_noop!(rotate("f5"), P::AccountTaken);
	});
}
