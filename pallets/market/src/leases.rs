//! Leases from start to sweep.

use crate::{pallet::*, ClosedLease, KeptSlice, LeaseRecordOf, LeaseState, Suspension};
use frame_support::{dispatch::DispatchResult, ensure, weights::Weight};
use leasehold_primitives::{
	receipt, terms::Former, Agenda, AgendaItem, BlockNumber, CloseReason, FailureCode, Fault,
	LeaseId, Outcome, OutcomeObserver, ProviderRegistry, Resources, ResultHash, StreamObserver,
	Streams, WorkloadKind,
};
use sp_core::H256;
use sp_runtime::{
	traits::{Verify, Zero},
	DispatchError,
};

/// Heartbeat periods between two visits of a lease whose provider serves nothing.
const IDLE_PERIODS: u32 = 32;

impl<T: Config> Pallet<T> {
	pub(crate) fn lease(id: LeaseId) -> Result<LeaseRecordOf<T>, DispatchError> {
		Leases::<T>::get(id).ok_or_else(|| Error::<T>::UnknownLease.into())
	}

	/// The lease, if `operator` operates its provider and it should not be closed by now. Counts as a
	/// heartbeat.
	pub(crate) fn operated_lease(
		operator: &T::AccountId,
		id: LeaseId,
	) -> Result<LeaseRecordOf<T>, DispatchError> {
		let lease = Self::own_lease(operator, id)?;
		let offline_at = T::Registry::beat(lease.provider);
		let overdue = Self::overdue(&lease, || offline_at);
		let in_time = offline_at > Self::now() && overdue.is_none();
		ensure!(in_time, Error::<T>::Overdue);
		Ok(lease)
	}

	/// The lease, if `operator` operates its provider, and why it should be closed by now, if it should.
	/// Counts as a heartbeat, which does not make up for an absence that was too long.
	fn ending_lease(
		operator: &T::AccountId,
		id: LeaseId,
	) -> Result<(LeaseRecordOf<T>, Option<CloseReason>), DispatchError> {
		let lease = Self::own_lease(operator, id)?;
		let offline_at = T::Registry::beat(lease.provider);
		let overdue = Self::overdue(&lease, || offline_at);
		Ok((lease, overdue))
	}

	/// The lease, if `operator` operates its provider.
	fn own_lease(operator: &T::AccountId, id: LeaseId) -> Result<LeaseRecordOf<T>, DispatchError> {
		let provider = Self::operated(operator)?;
		let lease = Self::lease(id)?;
		ensure!(lease.provider == provider, Error::<T>::NotLeaseProvider);
		Ok(lease)
	}

	/// Stores a lease with its next deadline.
	pub(crate) fn put(id: LeaseId, mut lease: LeaseRecordOf<T>, due: BlockNumber) {
		lease.due = T::Agenda::schedule(AgendaItem::Lease(id), due);
		Leases::<T>::insert(id, lease);
	}

	/// When a lease is visited next: at the nearest of its fixed deadlines, or if that comes first
	/// when its stream runs low or dry. The latter no sooner than one heartbeat period from now, and
	/// no later than the horizon: others may change when it is.
	///
	/// While a provider serves nothing its leases are visited more rarely: what is owed is capped by
	/// the funds anyway, and the absent must not make the chain work for nothing.
	pub(crate) fn next_visit(id: LeaseId, lease: &LeaseRecordOf<T>, idle: bool) -> BlockNumber {
		let now = Self::now();
		let terms = Self::terms();
		let end = match (lease.state, lease.ends()) {
			(LeaseState::Starting { deadline, .. }, _) => return deadline,
			(_, Some((end, _))) => end,
			(_, None) => BlockNumber::MAX,
		};
		if let LeaseState::Suspended {
			why: Suspension::ProviderPaused,
			since,
			..
		} = lease.state
		{
			let horizon = now.saturating_add(terms.agenda_horizon);
			let offline = T::Registry::too_long_at(since, since);
			return end.min(offline).min(horizon);
		}
		let period = T::Registry::heartbeat_period();
		let wait = if idle {
			period.saturating_mul(IDLE_PERIODS)
		} else {
			let funded = T::Streams::funded_blocks(id);
			match lease.state {
				// Low from the start is said, too.
				LeaseState::Active { .. } if !lease.low_funds => {
					funded.saturating_sub(terms.low_funds)
				}
				// Its tenant may have money again.
				LeaseState::Suspended { .. } if T::Streams::refills(id) => {
					funded.min(terms.low_funds)
				}
				_ => funded,
			}
		};
		end.min(now.saturating_add(wait.max(period).min(terms.agenda_horizon)))
	}

	pub(crate) fn do_start_lease(operator: T::AccountId, id: LeaseId) -> DispatchResult {
		let mut lease = Self::operated_lease(&operator, id)?;
		let LeaseState::Starting {
			deadline,
			max_duration,
			slice,
			..
		} = lease.state
		else {
			return Err(Error::<T>::AlreadyStarted.into());
		};
		let now = Self::now();
		ensure!(now <= deadline, Error::<T>::TooLate);
		let term_end = now.checked_add(max_duration).ok_or(Error::<T>::Overflow)?;
		T::Streams::accrue(id, term_end)?;
		// What a wait in vain is worth at the ceiling is no longer at stake.
		if slice < lease.slice {
			let taken = &lease.taken;
			T::Registry::exchange(lease.provider, (taken, lease.slice), (taken, slice))?;
			lease.slice = slice;
			Self::deposit_event(Event::SliceReduced { lease: id, slice });
		}
		lease.state = LeaseState::Active { term_end };
		let due = Self::next_visit(id, &lease, false);
		Self::put(id, lease, due);
		Self::deposit_event(Event::LeaseStarted {
			lease: id,
			term_end,
		});
		Ok(())
	}

	pub(crate) fn do_submit_receipt(
		who: T::AccountId,
		id: LeaseId,
		block: BlockNumber,
		signature: T::Signature,
	) -> DispatchResult {
		let mut lease = Self::lease(id)?;
		ensure!(lease.is_accessed_by(&who), Error::<T>::NotTenant);
		let LeaseState::Starting {
			since,
			receipt,
			deadline,
			..
		} = &mut lease.state
		else {
			return Err(Error::<T>::AlreadyStarted.into());
		};
		ensure!(!*receipt, Error::<T>::ReceiptOnChain);
		ensure!(Self::now() <= *deadline, Error::<T>::TooLate);
		ensure!(
			(*since..=Self::now()).contains(&block),
			Error::<T>::InvalidReceipt
		);
		let payload = receipt::payload(&Self::genesis(), id, &lease.manifest_hash, block);
		let operator = T::Registry::operator_at(lease.provider, block);
		let operator = operator.ok_or(Error::<T>::InvalidReceipt)?;
		ensure!(
			signature.verify(&payload[..], &operator),
			Error::<T>::InvalidReceipt
		);
		*receipt = true;
		Leases::<T>::insert(id, lease);
		Self::deposit_event(Event::ReceiptSubmitted { lease: id, block });
		Ok(())
	}

	fn genesis() -> H256 {
		leasehold_primitives::genesis(frame_system::Pallet::<T>::block_hash(
			frame_system::pallet_prelude::BlockNumberFor::<T>::zero(),
		))
	}

	pub(crate) fn do_report_missing_manifest(
		operator: T::AccountId,
		id: LeaseId,
	) -> DispatchResult {
		let lease = Self::operated_lease(&operator, id)?;
		let LeaseState::Starting {
			since,
			receipt,
			deadline,
			..
		} = lease.state
		else {
			return Err(Error::<T>::AlreadyStarted.into());
		};
		ensure!(!receipt, Error::<T>::ReceiptOnChain);
		let former = FormerManifestDeadline::<T>::get();
		let blocks = Former::of(former, Self::terms().manifest_deadline, since);
		let from = since.saturating_add(blocks);
		ensure!(Self::now() >= from, Error::<T>::TooEarly);
		ensure!(Self::now() <= deadline, Error::<T>::TooLate);
		Self::close(id, lease, CloseReason::ManifestMissing)
	}

	pub(crate) fn do_complete_lease(
		operator: T::AccountId,
		id: LeaseId,
		exit_code: i32,
		result_hash: ResultHash,
	) -> DispatchResult {
		let (lease, overdue) = Self::ending_lease(&operator, id)?;
		ensure!(lease.kind == WorkloadKind::Job, Error::<T>::NotAJob);
		// Also one that has run dry, or was paused, before this call came.
		ensure!(lease.progress().started, Error::<T>::NotStarted);
		let completed = CloseReason::Completed {
			exit_code,
			result_hash,
		};
		Self::close(id, lease, overdue.unwrap_or(completed))
	}

	pub(crate) fn do_fail_lease(
		operator: T::AccountId,
		id: LeaseId,
		code: FailureCode,
	) -> DispatchResult {
		let (lease, overdue) = Self::ending_lease(&operator, id)?;
		let failed = match lease.state {
			// That is over, only nobody has looked yet.
			LeaseState::Starting { deadline, .. } if Self::now() > deadline => {
				CloseReason::StartTimeout
			}
			_ => CloseReason::WorkloadFailed(code),
		};
		Self::close(id, lease, overdue.unwrap_or(failed))
	}

	pub(crate) fn do_close_lease(tenant: T::AccountId, id: LeaseId) -> DispatchResult {
		let lease = Self::lease(id)?;
		ensure!(lease.tenant == tenant, Error::<T>::NotTenant);
		Self::close(id, lease, CloseReason::TenantClosed)
	}

	pub(crate) fn do_reclaim_lease(operator: T::AccountId, id: LeaseId) -> DispatchResult {
		let mut lease = Self::operated_lease(&operator, id)?;
		ensure!(lease.progress().started, Error::<T>::NotStarted);
		ensure!(lease.reclaim_at.is_none(), Error::<T>::AlreadyReclaimed);
		let notice = T::Streams::notice(id);
		ensure!(notice > 0, Error::<T>::NoNotice);
		let at = Self::now().saturating_add(notice);
		T::Streams::cap(id, at)?;
		lease.reclaim_at = Some(at);
		let due = Self::next_visit(id, &lease, false);
		Self::put(id, lease, due);
		Self::deposit_event(Event::LeaseReclaimed {
			lease: id,
			ends: at,
		});
		Ok(())
	}

	pub(crate) fn do_abandon_lease(operator: T::AccountId, id: LeaseId) -> DispatchResult {
		let (lease, overdue) = Self::ending_lease(&operator, id)?;
		ensure!(lease.progress().started, Error::<T>::NotStarted);
		Self::close(id, lease, overdue.unwrap_or(CloseReason::Abandoned))
	}

	pub(crate) fn do_report_offline(id: LeaseId) -> DispatchResult {
		let lease = Self::lease(id)?;
		let offline_at = || T::Registry::offline_at(lease.provider);
		let reason = Self::overdue(&lease, offline_at).ok_or(Error::<T>::NotOffline)?;
		Self::close(id, lease, reason)
	}

	/// Why a lease should be closed by now, if it should: its time is over, or its provider served
	/// nothing (up to `offline_at`), or kept it paused, for too long; whichever came first.
	pub(crate) fn overdue(
		lease: &LeaseRecordOf<T>,
		offline_at: impl FnOnce() -> BlockNumber,
	) -> Option<CloseReason> {
		let (end, over) = lease.ends()?;
		let paused = match lease.state {
			LeaseState::Suspended {
				why: Suspension::ProviderPaused,
				since,
				..
			} => T::Registry::too_long_at(since, since),
			_ => BlockNumber::MAX,
		};
		let offline = offline_at().min(paused);
		let (at, reason) = if offline < end {
			(offline, CloseReason::Offline)
		} else {
			(end, over)
		};
		(at <= Self::now()).then_some(reason)
	}

	pub(crate) fn close(
		id: LeaseId,
		lease: LeaseRecordOf<T>,
		reason: CloseReason,
	) -> DispatchResult {
		let now = Self::now();
		let progress = lease.progress();
		let fault = match reason {
			// Its tenant could not have resumed it.
			CloseReason::OutOfFunds if !Self::could_resume(&lease) => Fault::Nobody,
			_ => reason.fault(progress),
		};
		let waited = match lease.state {
			LeaseState::Starting {
				since, deadline, ..
			} if reason.costs_the_wait(progress) => now.min(deadline).saturating_sub(since),
			_ => 0,
		};
		let totals = T::Streams::close(id, waited)?;
		// What a start in vain cost bought nothing that speaks for anybody.
		let paid = if progress.started { totals.paid } else { 0 };
		let compensation = if reason.compensates(progress) {
			lease.slice
		} else {
			0
		};
		T::Registry::compensate(lease.provider, &lease.tenant, compensation)?;
		let kept = match (lease.state, reason) {
			(LeaseState::Starting { .. }, CloseReason::WorkloadFailed(_)) => lease.slice,
			_ => 0,
		};
		let released = lease.slice.saturating_sub(kept);
		T::Registry::release(lease.provider, &lease.reserved(), released)?;
		if kept > 0 {
			Self::keep_slice(id, &lease);
		}
		Leases::<T>::remove(id);
		Resizes::<T>::remove(id);
		ProviderLeases::<T>::remove(lease.provider, id);
		Self::manifest_left(&lease.tenant, &lease.manifest_hash, id);
		T::Reputation::observe(Outcome {
			provider: lease.provider,
			tenant: lease.tenant.clone(),
			fault,
			paid,
			// Where the provider is at fault it decides how little was paid.
			at_stake: match fault {
				Fault::Provider => totals.paid.max(lease.slice),
				Fault::Nobody => paid,
				_ => totals.paid,
			},
		});
		let retained_until = now.saturating_add(Self::terms().closed_retention);
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
				compensation,
				epoch: lease.epoch,
				record_deposit: lease.record_deposit,
				closed_at: now,
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
			compensation,
		});
		Ok(())
	}

	/// Keeps the slice of a lease reserved up to its start deadline: else a bond that takes orders and fails them
	/// at once would be free for others in the next block.
	fn keep_slice(id: LeaseId, lease: &LeaseRecordOf<T>) {
		let kept = KeptSlice {
			provider: lease.provider,
			slice: lease.slice,
			due: lease.due,
		};
		KeptSlices::<T>::insert(id, kept);
		Self::deposit_event(Event::SliceKept {
			lease: id,
			slice: lease.slice,
			until: lease.due,
		});
	}

	/// Frees the slice that a failed lease has kept, if it has.
	pub(crate) fn free_slice(id: LeaseId) -> DispatchResult {
		let Some(kept) = KeptSlices::<T>::take(id) else {
			return Ok(());
		};
		let nothing = Resources::default();
		T::Registry::exchange(kept.provider, (&nothing, kept.slice), (&nothing, 0))?;
		Self::deposit_event(Event::SliceFreed {
			lease: id,
			slice: kept.slice,
		});
		Ok(())
	}

	/// Removes the record of a closed lease and returns its record deposit.
	pub(crate) fn sweep(id: LeaseId) -> DispatchResult {
		let Some(lease) = ClosedLeases::<T>::take(id) else {
			return Ok(());
		};
		T::Streams::release(&lease.tenant, lease.record_deposit)?;
		let record_deposit = lease.record_deposit;
		Self::deposit_event(Event::LeaseSwept {
			lease: id,
			record_deposit,
		});
		Ok(())
	}
}

impl<T: Config> StreamObserver for Pallet<T> {
	fn visit_weight(funders: u32) -> Weight {
		Self::visiting(funders)
	}

	fn refill_blocks() -> BlockNumber {
		Self::terms().low_funds.saturating_mul(2)
	}

	fn funded_again(id: LeaseId) -> DispatchResult {
		let lease = Self::lease(id)?;
		match lease.state {
			LeaseState::Suspended {
				why: Suspension::Dry,
				..
			} => Self::resume(id, lease),
			_ => Ok(()),
		}
	}

	fn funds_left(id: LeaseId) -> DispatchResult {
		let lease = Self::lease(id)?;
		let due = Self::next_visit(id, &lease, false);
		if due < lease.due {
			Self::put(id, lease, due);
		}
		Ok(())
	}
}
