//! Leases from start to sweep.

use crate::{pallet::*, ClosedLease, LeaseRecordOf, LeaseState};
use frame_support::{dispatch::DispatchResult, ensure};
use leasehold_primitives::{
	Agenda, AgendaItem, BlockNumber, CloseReason, FailureCode, LeaseId, Outcome, OutcomeObserver,
	ProviderRegistry, ResultHash, Streams, WorkloadKind,
};
use sp_runtime::DispatchError;

/// Heartbeat periods between two visits of a lease whose provider serves nothing.
const IDLE_PERIODS: u32 = 32;

impl<T: Config> Pallet<T> {
	/// The lease, if `operator` operates its provider.
	fn operated_lease(
		operator: &T::AccountId,
		id: LeaseId,
	) -> Result<LeaseRecordOf<T>, DispatchError> {
		let provider = Self::operated(operator)?;
		let lease = Leases::<T>::get(id).ok_or(Error::<T>::UnknownLease)?;
		ensure!(lease.provider == provider, Error::<T>::NotLeaseProvider);
		Ok(lease)
	}

	/// When an active lease is visited next: at the end of its term or, if that comes first, when
	/// its stream may have run dry; no sooner than one heartbeat period from now unless the term
	/// ends, and no later than the horizon.
	///
	/// While a provider serves nothing its leases are visited more rarely: what is owed is capped by
	/// the funds anyway, and the absent must not make the chain work for nothing.
	fn next_visit(id: LeaseId, term_end: BlockNumber, idle: bool) -> BlockNumber {
		let now = Self::now();
		if idle {
			let pause = T::Registry::heartbeat_period().saturating_mul(IDLE_PERIODS);
			return term_end.min(now.saturating_add(pause.min(Self::terms().agenda_horizon)));
		}
		let funded = T::Streams::funded_blocks(id).max(T::Registry::heartbeat_period());
		let horizon = now.saturating_add(Self::terms().agenda_horizon);
		term_end.min(now.saturating_add(funded)).min(horizon)
	}

	pub(crate) fn do_start_lease(operator: T::AccountId, id: LeaseId) -> DispatchResult {
		let mut lease = Self::operated_lease(&operator, id)?;
		let LeaseState::Starting { deadline } = lease.state else {
			return Err(Error::<T>::AlreadyStarted.into());
		};
		let now = Self::now();
		ensure!(now <= deadline, Error::<T>::TooLate);
		let term_end = now
			.checked_add(lease.max_duration)
			.ok_or(Error::<T>::Overflow)?;
		T::Registry::beat(lease.provider);
		T::Streams::start(id, term_end)?;
		lease.state = LeaseState::Active { term_end };
		let due = Self::next_visit(id, term_end, false);
		lease.due = T::Agenda::schedule(AgendaItem::Lease(id), due);
		Leases::<T>::insert(id, lease);
		Self::deposit_event(Event::LeaseStarted {
			lease: id,
			term_end,
		});
		Ok(())
	}

	pub(crate) fn do_complete_lease(
		operator: T::AccountId,
		id: LeaseId,
		exit_code: i32,
		result_hash: ResultHash,
	) -> DispatchResult {
		let lease = Self::operated_lease(&operator, id)?;
		ensure!(lease.kind == WorkloadKind::Job, Error::<T>::NotAJob);
		ensure!(
			matches!(lease.state, LeaseState::Active { .. }),
			Error::<T>::NotStarted
		);
		T::Registry::beat(lease.provider);
		Self::close(
			id,
			lease,
			CloseReason::Completed {
				exit_code,
				result_hash,
			},
		)
	}

	pub(crate) fn do_fail_lease(
		operator: T::AccountId,
		id: LeaseId,
		code: FailureCode,
	) -> DispatchResult {
		let lease = Self::operated_lease(&operator, id)?;
		T::Registry::beat(lease.provider);
		Self::close(id, lease, CloseReason::WorkloadFailed(code))
	}

	pub(crate) fn do_close_lease(tenant: T::AccountId, id: LeaseId) -> DispatchResult {
		let lease = Leases::<T>::get(id).ok_or(Error::<T>::UnknownLease)?;
		ensure!(lease.tenant == tenant, Error::<T>::NotTenant);
		Self::close(id, lease, CloseReason::TenantClosed)
	}

	/// Handles a lease that is due.
	pub(crate) fn visit_lease(id: LeaseId) -> DispatchResult {
		let Some(mut lease) = Leases::<T>::get(id) else {
			return Ok(());
		};
		let now = Self::now();
		let next = match lease.state {
			LeaseState::Starting { deadline } if now >= deadline => {
				return Self::close(id, lease, CloseReason::StartTimeout);
			}
			LeaseState::Starting { deadline } => deadline,
			LeaseState::Active { term_end } => {
				let paid = T::Streams::settle(id)?;
				if now >= term_end {
					return Self::close(id, lease, CloseReason::TermEnded);
				}
				if T::Streams::funded_blocks(id) == 0 {
					return Self::close(id, lease, CloseReason::OutOfFunds);
				}
				Self::next_visit(id, term_end, paid == 0)
			}
		};
		lease.due = T::Agenda::schedule(AgendaItem::Lease(id), next);
		Leases::<T>::insert(id, lease);
		Ok(())
	}

	fn close(id: LeaseId, lease: LeaseRecordOf<T>, reason: CloseReason) -> DispatchResult {
		let started = matches!(lease.state, LeaseState::Active { .. });
		let fault = reason.fault(lease.kind, started);
		let totals = T::Streams::close(id)?;
		T::Registry::release(lease.provider, &lease.taken, lease.slice)?;
		Leases::<T>::remove(id);
		ProviderLeases::<T>::remove(lease.provider, id);
		OpenManifests::<T>::remove(&lease.tenant, lease.manifest_hash);
		T::Reputation::observe(Outcome {
			provider: lease.provider,
			tenant: lease.tenant.clone(),
			fault,
			value: totals.paid,
		});
		let closed_at = Self::now();
		let retained_until = closed_at.saturating_add(Self::terms().closed_retention);
		ClosedLeases::<T>::insert(
			id,
			ClosedLease {
				tenant: lease.tenant.clone(),
				order: lease.order,
				provider: lease.provider,
				reason,
				fault,
				served_blocks: totals.served_blocks,
				paid: totals.paid,
				fees: totals.fees,
				refunded: totals.refunded,
				record_deposit: lease.record_deposit,
				closed_at,
				due: T::Agenda::schedule(AgendaItem::Closed(id), retained_until),
			},
		);
		Self::deposit_event(Event::LeaseClosed {
			lease: id,
			order: lease.order,
			tenant: lease.tenant,
			provider: lease.provider,
			reason,
			fault,
			served_blocks: totals.served_blocks,
			paid: totals.paid,
			fees: totals.fees,
			refunded: totals.refunded,
		});
		Ok(())
	}

	/// Removes the record of a closed lease and returns its record deposit.
	pub(crate) fn sweep(id: LeaseId) -> DispatchResult {
		let Some(lease) = ClosedLeases::<T>::take(id) else {
			return Ok(());
		};
		Self::release(HoldReason::Record, &lease.tenant, lease.record_deposit)?;
		let record_deposit = lease.record_deposit;
		Self::deposit_event(Event::LeaseSwept {
			lease: id,
			record_deposit,
		});
		Ok(())
	}
}
