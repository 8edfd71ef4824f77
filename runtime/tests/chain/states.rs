//! Suspension, pausing, notice, absence, receipts: every way from one state of a lease to the next.

use crate::harness::*;
use frame_support::{assert_noop, assert_ok, dispatch::DispatchResult};
use leasehold_primitives::{receipt, CloseReason, FailureCode, Fault, LeaseId, WorkloadKind};
use leasehold_runtime::{
	configs::ProtocolFees, Balances, Escrow, Market, Runtime, RuntimeOrigin, Signature, System,
	LEASE,
};
use pallet_escrow::Phase;
use pallet_market::{Error, Event, LeaseState, OrderV1, Suspension};
use sp_core::{Pair, H256};
use sp_runtime::DispatchError::BadOrigin;

type E = Error<Runtime>;
type S = pallet_escrow::Error<Runtime>;

const OPERATOR: &str = "operator0";

/// An active service of provider 0 made by `edit` at the highest rate.
pub fn service(edit: impl FnOnce(&mut OrderV1<leasehold_runtime::AccountId>)) -> LeaseId {
	register(0);
	let mut order = order(1);
	order.kind = WorkloadKind::Service;
	edit(&mut order);
	let id = lease_from(order, MAX_RATE);
	Market::start_lease(signed(OPERATOR), id).unwrap();
	id
}

fn pause(who: &str, id: LeaseId) -> DispatchResult {
	plain(Market::pause_lease(signed(who), id))
}

fn resume(who: &str, id: LeaseId) -> DispatchResult {
	plain(Market::resume_lease(signed(who), id))
}

#[test]
fn a_paused_lease_accrues_nothing_and_keeps_its_storage() {
	run(|| {
		let id = service(|_| {});
		register(1);
		to_block_on_duty(now() + 10, 0);
		assert_noop!(Market::pause_lease(RuntimeOrigin::root(), id), BadOrigin);
		assert_noop!(pause("tenant", id), E::NotProvider);
		assert_noop!(pause("operator1", id), E::NotLeaseProvider);
		assert_noop!(pause(OPERATOR, id + 1), E::UnknownLease);
		assert_noop!(resume(OPERATOR, id), E::NotPaused);
		assert_ok!(pause(OPERATOR, id));
		assert_noop!(pause(OPERATOR, id), E::NotActive);
		assert_eq!(stream(id).paid, 10 * MAX_RATE);
		assert_eq!(provider(0).reserved, lease(id).taken.storage_only());
		to_block_on_duty(now() + 50, 0);
		settle(id);
		assert_eq!(stream(id).paid, 10 * MAX_RATE);
		assert_noop!(resume("tenant", id), E::NotProvider);
		assert_noop!(resume("operator1", id), E::NotLeaseProvider);
		assert_ok!(resume(OPERATOR, id));
		to_block_on_duty(now() + 5, 0);
		settle(id);
		assert_eq!(stream(id).paid, 15 * MAX_RATE);
		assert_eq!(provider(0).reserved.cpu, 1_000);
	});
}

#[test]
fn who_pauses_for_too_long_is_offline() {
	run(|| {
		let id = service(|_| {});
		let slice = lease(id).slice;
		let (tenant, bond) = (free("tenant"), provider(0).bond);
		assert_eq!(slice, 100 * MAX_RATE);
		pause(OPERATOR, id).unwrap();
		let since = now();
		to_block_on_duty(since + 299, 0);
		assert_noop!(
			Market::report_offline(signed("stranger"), id),
			E::NotOffline
		);
		to_block_on_duty(since + 300, 0);
		let record = closed(id);
		assert_eq!(
			(record.reason, record.fault),
			(CloseReason::Offline, Fault::Provider)
		);
		assert_eq!(record.compensation, slice);
		assert_eq!(free("tenant") - tenant, record.refunded + slice);
		assert_eq!(provider(0).bond, bond - slice);
		assert_eq!(held("owner0"), bond - slice);
	});
}

#[test]
fn the_watch_ends_the_leases_of_an_absent_provider() {
	run(|| {
		register(0);
		let mut ids = Vec::new();
		for n in 0..12 {
			let mut small = order(n);
			small.resources.cpu = 100;
			small.resources.unit_cpu = 100;
			small.resources.memory = 100;
			small.resources.unit_memory = 100;
			small.deposit = 500 * MAX_RATE;
			let id = lease_from(small, 1_000);
			Market::start_lease(signed(OPERATOR), id).unwrap();
			ids.push(id);
		}
		let gone = now();
		to_block(gone + 15 + 300 + 3);
		for id in ids {
			let record = closed(id);
			assert_eq!(record.reason, CloseReason::Offline);
			assert!(
				record.closed_at <= gone + 15 + 300 + 3,
				"{}",
				record.closed_at
			);
			assert!(record.served_blocks <= 12 * 6 + 15);
		}
	});
}

#[test]
fn anybody_reports_who_is_offline_but_not_while_starting() {
	run(|| {
		let id = service(|_| {});
		let report = |id| Market::report_offline(signed("stranger"), id);
		assert_noop!(Market::report_offline(RuntimeOrigin::root(), id), BadOrigin);
		assert_noop!(report(id + 1), E::UnknownLease);
		assert_noop!(report(id), E::NotOffline);
		let other = lease_from(order(2), 1_000);
		let begun = now() - 5;
		System::set_block_number(begun + 15 + 299);
		assert_noop!(report(id), E::NotOffline);
		System::set_block_number(begun + 15 + 300);
		assert_noop!(report(other), E::NotOffline);
		assert_ok!(report(id));
		assert_eq!(closed(id).reason, CloseReason::Offline);
	});
}

#[test]
fn a_provider_takes_its_capacity_back_after_the_notice_only() {
	run(|| {
		let id = service(|order| order.notice = 30);
		let reclaim = |who: &str, id| Market::reclaim_lease(signed(who), id);
		assert_noop!(Market::reclaim_lease(RuntimeOrigin::root(), id), BadOrigin);
		assert_noop!(reclaim("tenant", id), E::NotProvider);
		assert_noop!(reclaim(OPERATOR, id + 1), E::UnknownLease);
		assert_ok!(reclaim(OPERATOR, id));
		let ends = now() + 30;
		System::assert_last_event(Event::LeaseReclaimed { lease: id, ends }.into());
		assert_noop!(reclaim(OPERATOR, id), E::AlreadyReclaimed);
		to_block_on_duty(ends - 1, 0);
		assert!(matches!(lease(id).state, LeaseState::Active { .. }));
		to_block_on_duty(ends, 0);
		let record = closed(id);
		assert_eq!(
			(record.reason, record.fault),
			(CloseReason::Reclaimed, Fault::Nobody)
		);
		assert_eq!((record.served_blocks, record.compensation), (30, 0));
	});
	run(|| {
		let id = service(|_| {});
		let reclaim = || Market::reclaim_lease(signed(OPERATOR), id);
		assert_noop!(reclaim(), E::NoNotice);
		let starting = lease_from(order(2), 5);
		let reclaim = || Market::reclaim_lease(signed(OPERATOR), starting);
		assert_noop!(reclaim(), E::NotStarted);
	});
}

#[test]
fn leaving_without_notice_costs_the_slice() {
	run(|| {
		let id = service(|order| order.notice = 30);
		let abandon = |who: &str, id| Market::abandon_lease(signed(who), id);
		let tenant = free("tenant");
		assert_noop!(Market::abandon_lease(RuntimeOrigin::root(), id), BadOrigin);
		assert_noop!(abandon("tenant", id), E::NotProvider);
		assert_noop!(abandon(OPERATOR, id + 1), E::UnknownLease);
		let starting = lease_from(order(2), 5);
		assert_noop!(abandon(OPERATOR, starting), E::NotStarted);
		assert_ok!(abandon(OPERATOR, id));
		let record = closed(id);
		assert_eq!(
			(record.reason, record.fault),
			(CloseReason::Abandoned, Fault::Provider)
		);
		assert_eq!(record.compensation, 100 * MAX_RATE);
		let gain = record.refunded + record.compensation;
		let order = order(2);
		let second = order.deposit + market_terms().record_deposit;
		assert_eq!(free("tenant") + second - tenant, gain);
	});
}

#[test]
fn a_failed_service_counts_as_abandoned_and_a_failed_job_does_not() {
	run(|| {
		let id = service(|_| {});
		Market::fail_lease(signed(OPERATOR), id, FailureCode::Crashed).unwrap();
		assert_eq!(
			(closed(id).fault, closed(id).compensation),
			(Fault::Provider, 100 * MAX_RATE)
		);
	});
	run(|| {
		let id = active_lease(MAX_RATE);
		Market::fail_lease(signed(OPERATOR), id, FailureCode::Crashed).unwrap();
		assert_eq!(
			(closed(id).fault, closed(id).compensation),
			(Fault::Mishap, 0)
		);
	});
}

fn receipt_of(signer: &str, id: LeaseId, block: u32) -> Signature {
	let genesis: H256 = System::block_hash(0);
	let hash = lease(id).manifest_hash;
	let payload = receipt::payload(&genesis, id, &hash, block);
	Signature::Sr25519(pair(signer).sign(&payload))
}

#[test]
fn a_receipt_makes_a_timeout_the_providers_fault() {
	run(|| {
		let id = starting_lease(MAX_RATE);
		let made = now();
		let submit = |who: &str, block, by: &str| {
			let receipt = receipt_of(by, id, block);
			Market::submit_receipt(signed(who), id, block, receipt)
		};
		let good = receipt_of(OPERATOR, id, made);
		let root = RuntimeOrigin::root();
		assert_noop!(
			Market::submit_receipt(root, id, made, good.clone()),
			BadOrigin
		);
		let of = |id| Market::submit_receipt(signed("tenant"), id, made, good.clone());
		assert_noop!(of(id + 1), E::UnknownLease);
		assert_noop!(submit("stranger", made, OPERATOR), E::NotTenant);
		assert_noop!(submit("tenant", made, "owner0"), E::InvalidReceipt);
		assert_noop!(submit("tenant", made - 1, OPERATOR), E::InvalidReceipt);
		assert_noop!(submit("tenant", made + 1, OPERATOR), E::InvalidReceipt);
		assert_ok!(submit("tenant", made, OPERATOR));
		assert_noop!(submit("tenant", made, OPERATOR), E::ReceiptOnChain);
		to_block(made + 10);
		let missing = || Market::report_missing_manifest(signed(OPERATOR), id);
		assert_noop!(missing(), E::ReceiptOnChain);
		to_block(made + 20);
		let record = closed(id);
		assert_eq!(
			(record.reason, record.fault),
			(CloseReason::StartTimeout, Fault::Provider)
		);
		assert_eq!((record.paid, record.refunded), (0, order(1).deposit));
	});
	run(|| {
		let id = active_lease(5);
		let receipt = receipt_of(OPERATOR, id, now());
		let submit = || Market::submit_receipt(signed("tenant"), id, now(), receipt.clone());
		assert_noop!(submit(), E::AlreadyStarted);
	});
	run(|| {
		register(0);
		let mut spec = order(1);
		spec.access = Some(account("friend"));
		let id = lease_from(spec, 5);
		let receipt = receipt_of(OPERATOR, id, now());
		let submit = |who| Market::submit_receipt(signed(who), id, now(), receipt.clone());
		assert_noop!(submit("stranger"), E::NotTenant);
		assert_ok!(submit("friend"));
		assert_noop!(submit("tenant"), E::ReceiptOnChain);
	});
}

#[test]
fn who_never_sends_a_manifest_pays_for_the_wait() {
	run(|| {
		let id = starting_lease(MAX_RATE);
		let made = now();
		let fees = Balances::free_balance(ProtocolFees::account());
		let missing = |who: &str, id| Market::report_missing_manifest(signed(who), id);
		let root = RuntimeOrigin::root();
		assert_noop!(Market::report_missing_manifest(root, id), BadOrigin);
		assert_noop!(missing("tenant", id), E::NotProvider);
		assert_noop!(missing(OPERATOR, id + 1), E::UnknownLease);
		to_block(made + 7);
		assert_noop!(missing(OPERATOR, id), E::TooEarly);
		to_block(made + 8);
		assert_ok!(missing(OPERATOR, id));
		let record = closed(id);
		assert_eq!(
			(record.reason, record.fault),
			(CloseReason::ManifestMissing, Fault::Undecided)
		);
		let cost = 8 * MAX_RATE / 2;
		assert_eq!((record.paid, record.fees), (cost, cost));
		assert_eq!(Balances::free_balance(ProtocolFees::account()) - fees, cost);
		let started = lease_from(order(2), 5);
		Market::start_lease(signed(OPERATOR), started).unwrap();
		assert_noop!(missing(OPERATOR, started), E::AlreadyStarted);
	});
}

#[test]
fn a_top_up_resumes_what_ran_dry_if_the_capacity_is_free() {
	run(|| {
		let id = service(|order| {
			order.deposit = 32 * MAX_RATE;
			order.resources.cpu = 3_000;
			order.resources.unit_cpu = 3_000;
		});
		let begin = now();
		to_block_on_duty(begin + 30, 0);
		let LeaseState::Suspended {
			why: Suspension::Dry,
			since,
			..
		} = lease(id).state
		else {
			panic!("not dry");
		};
		assert_eq!(since, begin + 30);
		to_block_on_duty(begin + 35, 0);
		// Too little to run again: it goes into the reserve.
		assert_ok!(Escrow::deposit(signed("tenant"), id, MAX_RATE));
		assert!(matches!(stream(id).phase, Phase::Stored(_)));
		assert_eq!(stream(id).paid, 30 * MAX_RATE + 5 * MAX_RATE / 10);
		// Another takes the CPU meanwhile.
		let other = lease_from(
			OrderV1 {
				resources: leasehold_primitives::Resources {
					cpu: 2_000,
					unit_cpu: 2_000,
					..order(1).resources
				},
				..order(9)
			},
			5,
		);
		let top_up = || Escrow::deposit(signed("tenant"), id, 20 * MAX_RATE);
		assert_noop!(top_up(), E::CapacityTaken);
		Market::close_lease(signed("tenant"), other).unwrap();
		assert_ok!(top_up());
		assert!(matches!(lease(id).state, LeaseState::Active { .. }));
		assert_eq!(provider(0).reserved.cpu, 3_000);
		let paid = stream(id).paid;
		to_block_on_duty(now() + 5, 0);
		settle(id);
		assert_eq!(stream(id).paid - paid, 5 * MAX_RATE);
	});
}

#[test]
fn funders_take_back_what_is_unspent_beyond_reserve_and_notice() {
	run(|| {
		let id = service(|order| order.notice = 10);
		let withdraw = |who: &str, amount| Escrow::withdraw(signed(who), id, amount);
		Escrow::deposit(signed("friend"), id, 7 * MAX_RATE).unwrap();
		to_block_on_duty(now() + 10, 0);
		let root = RuntimeOrigin::root();
		assert_noop!(Escrow::withdraw(root, id, 1), BadOrigin);
		assert_noop!(
			Escrow::withdraw(signed("tenant"), id + 1, 1),
			S::UnknownStream
		);
		assert_noop!(withdraw("tenant", 0), S::ZeroAmount);
		assert_noop!(withdraw("stranger", 1), S::NotFunder);
		assert_noop!(withdraw("friend", 7 * MAX_RATE + 1), S::NotWithdrawable);
		assert_ok!(withdraw("friend", 7 * MAX_RATE));
		assert_eq!(stream(id).funders.len(), 1);
		assert_eq!(free("friend"), ENDOWMENT);
		// 100 deposited, 10 served, 2 in the reserve, 10 for the notice.
		assert_noop!(withdraw("tenant", 78 * MAX_RATE + 1), S::NotWithdrawable);
		assert_ok!(withdraw("tenant", 78 * MAX_RATE));
		let dry = now() + 10;
		assert!(lease(id).due <= dry, "the deadline moved with the money");
		to_block_on_duty(dry, 0);
		assert!(matches!(lease(id).state, LeaseState::Suspended { .. }));
		assert_noop!(withdraw("tenant", 1), S::NotWithdrawable);
		Market::close_lease(signed("tenant"), id).unwrap();
		assert_eq!(closed(id).refunded, (7 + 78 + 2) * MAX_RATE);
	});
	run(|| {
		let id = starting_lease(5);
		let withdraw = || Escrow::withdraw(signed("tenant"), id, 1);
		assert_noop!(withdraw(), S::NotWithdrawable);
	});
}

#[test]
fn what_has_accrued_is_not_withdrawn_from_under_others() {
	run(|| {
		let id = service(|order| order.notice = 0);
		Escrow::deposit(signed("friend"), id, 60 * MAX_RATE).unwrap();
		to_block_on_duty(now() + 90, 0);
		let withdraw = |who: &str, amount| Escrow::withdraw(signed(who), id, amount);
		// Of the tenant's 100, 90 are owed; not all of that is paid.
		assert!(stream(id).paid < 90 * MAX_RATE);
		assert_noop!(withdraw("tenant", 10 * MAX_RATE + 1), S::NotWithdrawable);
		assert_ok!(withdraw("tenant", 10 * MAX_RATE));
		// The reserve is the friend's now.
		assert_noop!(withdraw("friend", 58 * MAX_RATE + 1), S::NotWithdrawable);
		assert_ok!(withdraw("friend", 58 * MAX_RATE));
		Market::close_lease(signed("tenant"), id).unwrap();
		assert_eq!(closed(id).paid, 90 * MAX_RATE);
		assert_eq!(free("friend"), ENDOWMENT);
	});
}

#[test]
fn a_deposit_takes_over_nothing_that_others_owe() {
	run(|| {
		let id = service(|order| order.notice = 0);
		Escrow::deposit(signed("friend"), id, 60 * MAX_RATE).unwrap();
		let begin = now();
		to_block_on_duty(begin + 100, 0);
		Escrow::settle(signed("stranger"), id).unwrap();
		assert_eq!(stream(id).funders[0].held, 0);
		to_block_on_duty(begin + 130, 0);
		// The 30 blocks since are the friend's to pay.
		Escrow::deposit(signed("tenant"), id, 50 * MAX_RATE).unwrap();
		let held: Vec<u128> = stream(id).funders.iter().map(|f| f.held).collect();
		assert_eq!(held, [50 * MAX_RATE, 30 * MAX_RATE]);
		assert_noop!(
			Escrow::withdraw(signed("friend"), id, 30 * MAX_RATE + 1),
			S::NotWithdrawable
		);
	});
}

#[test]
fn a_suspended_lease_still_ends_with_its_term() {
	run(|| {
		let id = service(|order| order.max_duration = 50);
		let begin = now();
		to_block_on_duty(begin + 10, 0);
		pause(OPERATOR, id).unwrap();
		to_block_on_duty(begin + 50, 0);
		assert_eq!(closed(id).reason, CloseReason::TermEnded);
		assert_eq!(closed(id).served_blocks, 10);
	});
}

#[test]
fn compensation_below_the_least_bond_bars_new_leases_only() {
	run(|| {
		let id = service(|order| {
			order.max_rate = 10 * LEASE;
			order.deposit = 40 * order.max_rate;
		});
		// A slice of ten LEASE would be the rate's; the bond is a thousand.
		assert!(lease(id).slice <= market_terms().max_slice);
		let second = lease_from(order(2), 5);
		Market::start_lease(signed(OPERATOR), second).unwrap();
		pallet_providers::Providers::<Runtime>::mutate(0, |record| {
			// As after other compensations.
			let record = record.as_mut().unwrap();
			let drop = record.bond - 100 * LEASE;
			record.bond -= drop;
			use frame_support::traits::{fungible::MutateHold, tokens::Precision};
			let reason = pallet_providers::HoldReason::Bond.into();
			Balances::release(&reason, &record.owner, drop, Precision::Exact).unwrap();
		});
		Market::abandon_lease(signed(OPERATOR), id).unwrap();
		assert!(provider(0).bond < 100 * LEASE);
		let third = place(order(3));
		assert_noop!(bid(0, third, 5), E::NotEligible);
		to_block_on_duty(now() + 5, 0);
		assert!(matches!(lease(second).state, LeaseState::Active { .. }));
	});
}
