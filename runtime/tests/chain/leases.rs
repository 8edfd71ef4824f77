//! Leases from start to sweep.

use crate::harness::lease as lease_record;
use crate::harness::*;
use frame_support::{assert_noop, assert_ok};
use leasehold_primitives::{CloseReason, FailureCode, Fault, WorkloadKind};
use leasehold_runtime::{Market, Runtime, RuntimeOrigin, System};
use pallet_market::{ClosedLeases, Error, Event, LeaseState, Leases, Suspension};
use sp_runtime::DispatchError::BadOrigin;

type E = Error<Runtime>;

const HASH: [u8; 32] = [9; 32];

fn start(who: &str, lease: u64) -> frame_support::dispatch::DispatchResult {
	plain(Market::start_lease(signed(who), lease))
}

fn complete(who: &str, lease: u64) -> frame_support::dispatch::DispatchResult {
	plain(Market::complete_lease(signed(who), lease, 3, HASH))
}

#[test]
fn only_its_provider_starts_a_lease_and_once() {
	run(|| {
		let lease = starting_lease(5);
		register(1);
		assert_noop!(Market::start_lease(RuntimeOrigin::root(), lease), BadOrigin);
		assert_noop!(start("tenant", lease), E::NotProvider);
		assert_noop!(start("operator1", lease), E::NotLeaseProvider);
		assert_noop!(start("operator0", lease + 1), E::UnknownLease);
		assert_noop!(complete("operator0", lease), E::NotStarted);
		assert_ok!(start("operator0", lease));
		assert_noop!(start("operator0", lease), E::AlreadyStarted);
		let term_end = now() + 1_000;
		System::assert_last_event(Event::LeaseStarted { lease, term_end }.into());
	});
}

#[test]
fn a_completed_job_is_paid_for_the_blocks_served() {
	run(|| {
		let owner = free("owner0");
		let lease = active_lease(1_000);
		let bonded = owner - free("owner0");
		to_block(now() + 10);
		assert_noop!(
			Market::complete_lease(RuntimeOrigin::root(), lease, 0, HASH),
			BadOrigin
		);
		assert_noop!(complete("tenant", lease), E::NotProvider);
		assert_noop!(complete("operator0", lease + 1), E::UnknownLease);
		assert_ok!(complete("operator0", lease));
		let record = closed(lease);
		assert_eq!(record.served_blocks, 10);
		assert_eq!(record.paid, 10_000);
		assert_eq!(record.fees, 200);
		assert_eq!(record.refunded, 100 * MAX_RATE - 10_000);
		assert_eq!(
			record.reason,
			CloseReason::Completed {
				exit_code: 3,
				result_hash: HASH
			}
		);
		assert_eq!(record.fault, Fault::Nobody);
		assert_eq!(owner - free("owner0"), bonded - 9_800);
		assert_noop!(complete("operator0", lease), E::UnknownLease);
	});
}

#[test]
fn a_service_cannot_be_completed() {
	run(|| {
		register(0);
		let mut service = order(1);
		service.kind = WorkloadKind::Service;
		let lease = lease_from(service, 5);
		start("operator0", lease).unwrap();
		assert_noop!(complete("operator0", lease), E::NotAJob);
		assert_ok!(Market::fail_lease(
			signed("operator0"),
			lease,
			FailureCode::Crashed
		));
		assert_eq!(closed(lease).fault, Fault::Provider);
	});
}

#[test]
fn the_tenant_closes_at_any_time() {
	run(|| {
		let lease = starting_lease(5);
		let close = |who: &str, lease| Market::close_lease(signed(who), lease);
		assert_noop!(Market::close_lease(RuntimeOrigin::root(), lease), BadOrigin);
		assert_noop!(close("operator0", lease), E::NotTenant);
		assert_noop!(close("tenant", lease + 1), E::UnknownLease);
		assert_ok!(close("tenant", lease));
		assert_eq!(closed(lease).reason, CloseReason::TenantClosed);
		assert_eq!(closed(lease).paid, 0, "nobody has waited yet");
		assert_noop!(close("tenant", lease), E::UnknownLease);
		assert_noop!(start("operator0", lease), E::UnknownLease);
	});
}

#[test]
fn a_provider_says_that_it_cannot_run_the_workload() {
	run(|| {
		let lease = starting_lease(5);
		register(1);
		let code = FailureCode::InvalidModule;
		let fail = |who: &str| Market::fail_lease(signed(who), lease, code);
		assert_noop!(
			Market::fail_lease(RuntimeOrigin::root(), lease, code),
			BadOrigin
		);
		assert_noop!(fail("tenant"), E::NotProvider);
		assert_noop!(fail("operator1"), E::NotLeaseProvider);
		assert_ok!(fail("operator0"));
		assert_eq!(closed(lease).reason, CloseReason::WorkloadFailed(code));
		assert_eq!(closed(lease).fault, Fault::Mishap);
		assert_noop!(fail("operator0"), E::UnknownLease);
	});
}

#[test]
fn what_never_starts_is_closed() {
	run(|| {
		let lease = starting_lease(5);
		let before = held("tenant");
		let LeaseState::Starting { deadline, .. } = lease_record(lease).state else {
			panic!("not starting");
		};
		to_block(deadline - 1);
		assert!(Leases::<Runtime>::contains_key(lease));
		System::set_block_number(deadline + 1);
		assert_noop!(start("operator0", lease), E::TooLate);
		System::set_block_number(deadline - 1);
		to_block(deadline);
		assert_eq!(closed(lease).reason, CloseReason::StartTimeout);
		assert_eq!(closed(lease).fault, Fault::Undecided);
		// Half the rate for each of the twenty blocks that the provider waited.
		assert_eq!(closed(lease).fees, 50);
		assert_eq!(closed(lease).refunded, 100 * MAX_RATE - 50);
		assert_eq!(before - held("tenant"), 100 * MAX_RATE);
	});
}

#[test]
fn a_lease_ends_at_its_maximal_duration() {
	run(|| {
		register(0);
		let mut short = order(1);
		short.max_duration = 40;
		let lease = lease_from(short, 1_000);
		start("operator0", lease).unwrap();
		let end = now() + 40;
		to_block_on_duty(end, 0);
		assert_eq!(closed(lease).reason, CloseReason::TermEnded);
		assert_eq!(closed(lease).served_blocks, 40);
		assert_eq!(closed(lease).closed_at, end);
	});
}

#[test]
fn a_lease_that_is_low_from_its_start_on_says_so() {
	run(|| {
		set_market(|terms| terms.low_funds = 40);
		register(0);
		let mut poor = order(1);
		poor.deposit = 32 * MAX_RATE;
		let lease = lease_from(poor, MAX_RATE);
		start("operator0", lease).unwrap();
		let begin = now();
		to_block_on_duty(begin + 10, 0);
		let dry_at = begin + 30;
		System::assert_has_event(Event::FundsLow { lease, dry_at }.into());
	});
}

#[test]
fn a_stream_that_has_run_dry_suspends_its_lease_and_then_ends_it() {
	run(|| {
		register(0);
		let mut poor = order(1);
		poor.deposit = 32 * MAX_RATE + 7;
		let lease = lease_from(poor, MAX_RATE);
		let before = free("tenant");
		start("operator0", lease).unwrap();
		let begin = now();
		to_block_on_duty(begin + 15, 0);
		System::assert_has_event(
			Event::FundsLow {
				lease,
				dry_at: begin + 30,
			}
			.into(),
		);
		to_block_on_duty(begin + 30, 0);
		let why = Suspension::Dry;
		System::assert_has_event(Event::LeaseSuspended { lease, why }.into());
		assert_eq!(
			provider(0).reserved,
			lease_record(lease).taken.storage_only()
		);
		assert_eq!(stream(lease).paid, 30 * MAX_RATE);
		// The reserve pays a tenth of the rate for 20 blocks.
		to_block_on_duty(begin + 50, 0);
		let record = closed(lease);
		assert_eq!(record.reason, CloseReason::OutOfFunds);
		assert_eq!(record.fault, Fault::Tenant);
		assert_eq!(record.served_blocks, 30);
		assert_eq!(record.paid, 32 * MAX_RATE);
		assert_eq!(record.refunded, 7);
		assert_eq!(record.closed_at, begin + 50);
		assert_eq!(free("tenant") - before, record.refunded);
	});
}

#[test]
fn a_closed_record_is_swept_and_its_deposit_returned() {
	run(|| {
		let before = free("tenant");
		let lease = starting_lease(5);
		Market::close_lease(signed("tenant"), lease).unwrap();
		let record_deposit = market_terms().record_deposit;
		assert_eq!(before - free("tenant"), record_deposit);
		to_block(now() + market_terms().closed_retention - 1);
		assert!(ClosedLeases::<Runtime>::contains_key(lease));
		next_block();
		assert!(!ClosedLeases::<Runtime>::contains_key(lease));
		assert_eq!(free("tenant"), before);
		System::assert_last_event(
			Event::LeaseSwept {
				lease,
				record_deposit,
			}
			.into(),
		);
	});
}

#[test]
fn a_long_lease_is_visited_within_the_horizon() {
	run(|| {
		register(0);
		let mut long = order(1);
		long.deposit = 10_000 * MAX_RATE;
		long.max_duration = 9_000;
		let lease = lease_from(long, 10);
		start("operator0", lease).unwrap();
		let (begin, horizon) = (now(), market_terms().agenda_horizon);
		assert_eq!(Leases::<Runtime>::get(lease).unwrap().due, begin + horizon);
		to_block_on_duty(begin + horizon, 0);
		assert_eq!(
			stream(lease).paid,
			10 * u128::from(horizon),
			"a visit settles"
		);
		assert_eq!(
			Leases::<Runtime>::get(lease).unwrap().due,
			begin + 2 * horizon
		);
	});
}
