//! Stopping a workload for a while, and resuming it.

use crate::{pallet::*, LeaseRecordOf, LeaseState, Suspension};
use frame_support::{dispatch::DispatchResult, ensure, storage::with_storage_layer};
use leasehold_primitives::{BlockNumber, LeaseId, ProviderRegistry, Streams};

impl<T: Config> Pallet<T> {
	pub(crate) fn do_pause_lease(operator: T::AccountId, id: LeaseId) -> DispatchResult {
		let lease = Self::operated_lease(&operator, id)?;
		let LeaseState::Active { term_end } = lease.state else {
			return Err(Error::<T>::NotActive.into());
		};
		T::Streams::rest(id)?;
		Self::suspend(id, lease, Suspension::ProviderPaused, term_end)
	}

	pub(crate) fn do_resume_lease(operator: T::AccountId, id: LeaseId) -> DispatchResult {
		let lease = Self::operated_lease(&operator, id)?;
		let LeaseState::Suspended {
			why: Suspension::ProviderPaused,
			..
		} = lease.state
		else {
			return Err(Error::<T>::NotPaused.into());
		};
		Self::resume(id, lease)
	}

	/// Gives back what a running workload takes, but not its storage.
	pub(crate) fn suspend(
		id: LeaseId,
		mut lease: LeaseRecordOf<T>,
		why: Suspension,
		term_end: BlockNumber,
	) -> DispatchResult {
		let running = lease.reserved();
		lease.state = LeaseState::Suspended {
			why,
			since: Self::now(),
			term_end,
		};
		let slice = lease.slice;
		T::Registry::exchange(
			lease.provider,
			(&running, slice),
			(&lease.reserved(), slice),
		)?;
		Resizes::<T>::remove(id);
		let due = Self::next_visit(id, &lease, false);
		Self::put(id, lease, due);
		Self::deposit_event(Event::LeaseSuspended { lease: id, why });
		Ok(())
	}

	/// Whether the provider of a suspended lease still has what the workload takes: it is taken, and that undone.
	pub(crate) fn could_resume(lease: &LeaseRecordOf<T>) -> bool {
		let mut could = false;
		let _undone: DispatchResult = with_storage_layer(|| {
			could = Self::take_again(lease).is_ok();
			Err(Error::<T>::CapacityTaken.into())
		});
		could
	}

	/// Reserves for a suspended lease what its workload takes.
	fn take_again(lease: &LeaseRecordOf<T>) -> DispatchResult {
		let stored = lease.taken.storage_only();
		let slice = lease.slice;
		T::Registry::exchange(lease.provider, (&stored, slice), (&lease.taken, slice))
			.map_err(|_| Error::<T>::CapacityTaken.into())
	}

	/// Takes again what a running workload takes, and lets the stream run.
	pub(crate) fn resume(id: LeaseId, mut lease: LeaseRecordOf<T>) -> DispatchResult {
		let LeaseState::Suspended { term_end, .. } = lease.state else {
			return Err(Error::<T>::NotPaused.into());
		};
		let end = lease.ends().map_or(term_end, |(end, _)| end);
		ensure!(Self::now() < end, Error::<T>::TooLate);
		lease.state = LeaseState::Active { term_end };
		lease.low_funds = false;
		Self::take_again(&lease)?;
		T::Streams::accrue(id, end)?;
		let due = Self::next_visit(id, &lease, false);
		Self::put(id, lease, due);
		Self::deposit_event(Event::LeaseResumed { lease: id });
		Ok(())
	}
}
