//! Changing a lease without leaving it.

use crate::{pallet::*, LeaseState, Resize};
use frame_support::{dispatch::DispatchResult, ensure};
use leasehold_primitives::{pricing, LeaseId, ManifestHash, ProviderRegistry, Resources, Streams};

impl<T: Config> Pallet<T> {
	pub(crate) fn do_update_manifest(
		tenant: T::AccountId,
		id: LeaseId,
		manifest_hash: ManifestHash,
	) -> DispatchResult {
		let mut lease = Self::lease(id)?;
		ensure!(lease.tenant == tenant, Error::<T>::NotTenant);
		ensure!(lease.progress().started, Error::<T>::NotStarted);
		ensure!(
			lease.manifest_hash != manifest_hash,
			Error::<T>::NothingToDo
		);
		Self::manifest_left(&tenant, &lease.manifest_hash, id);
		Self::manifest_taken(&tenant, &manifest_hash, lease.order, id)?;
		lease.manifest_hash = manifest_hash;
		Leases::<T>::insert(id, lease);
		Self::deposit_event(Event::ManifestUpdated {
			lease: id,
			manifest_hash,
		});
		Ok(())
	}

	pub(crate) fn do_propose_resize(
		tenant: T::AccountId,
		id: LeaseId,
		resources: Resources,
	) -> DispatchResult {
		let lease = Self::lease(id)?;
		ensure!(lease.tenant == tenant, Error::<T>::NotTenant);
		ensure!(
			matches!(lease.state, LeaseState::Active { .. }),
			Error::<T>::NotActive
		);
		ensure!(resources.is_sound(), Error::<T>::InvalidResources);
		if resources == lease.taken {
			Resizes::<T>::take(id).ok_or(Error::<T>::NothingToDo)?;
			Self::deposit_event(Event::ResizeWithdrawn { lease: id });
			return Ok(());
		}
		let until = Self::now().saturating_add(Self::terms().resize_window);
		Resizes::<T>::insert(
			id,
			Resize {
				resources: resources.clone(),
				until,
			},
		);
		Self::deposit_event(Event::ResizeProposed {
			lease: id,
			resources,
			until,
		});
		Ok(())
	}

	pub(crate) fn do_accept_resize(
		operator: T::AccountId,
		id: LeaseId,
		resources: Resources,
	) -> DispatchResult {
		let mut lease = Self::operated_lease(&operator, id)?;
		ensure!(
			matches!(lease.state, LeaseState::Active { .. }),
			Error::<T>::NotActive
		);
		let proposed = Resizes::<T>::take(id).ok_or(Error::<T>::NoProposal)?;
		let agreed = proposed.resources == resources && Self::now() <= proposed.until;
		ensure!(agreed, Error::<T>::NoProposal);
		let old = (&lease.taken, lease.slice);
		let (mut rate, mut slice) = (0, 0);
		let taken = T::Registry::resize(lease.provider, old, &resources, |taken| {
			rate = T::Streams::resize(id, |rate| pricing::resized_rate(rate, old.0, taken))?;
			slice = Self::slice(rate, &Self::terms());
			Ok(slice)
		})?;
		(lease.taken, lease.slice) = (taken.clone(), slice);
		let due = Self::next_visit(id, &lease, false);
		Self::put(id, lease, due);
		Self::deposit_event(Event::LeaseResized {
			lease: id,
			taken,
			slice,
			rate,
		});
		Ok(())
	}

	pub(crate) fn do_revoke_access(who: T::AccountId, id: LeaseId) -> DispatchResult {
		let next = |epoch: u32| epoch.checked_add(1).ok_or(Error::<T>::Overflow);
		let epoch = match Leases::<T>::get(id) {
			Some(mut lease) => {
				ensure!(lease.is_accessed_by(&who), Error::<T>::NotTenant);
				lease.epoch = next(lease.epoch)?;
				let epoch = lease.epoch;
				Leases::<T>::insert(id, lease);
				epoch
			}
			// Its logs and results can be fetched for a while.
			None => {
				let mut closed = ClosedLeases::<T>::get(id).ok_or(Error::<T>::UnknownLease)?;
				ensure!(closed.tenant == who, Error::<T>::NotTenant);
				closed.epoch = next(closed.epoch)?;
				let epoch = closed.epoch;
				ClosedLeases::<T>::insert(id, closed);
				epoch
			}
		};
		Self::deposit_event(Event::AccessRevoked { lease: id, epoch });
		Ok(())
	}
}
