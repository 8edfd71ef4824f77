//! What the agenda finds due.

use crate::{pallet::*, LeaseState, Suspension, Watch};
use frame_support::{dispatch::DispatchResult, storage::with_storage_layer};
use leasehold_primitives::{
	Agenda, AgendaItem, BlockNumber, CloseReason, LeaseId, ProviderId, ProviderRegistry, Streams,
};
use sp_runtime::DispatchError;

/// Leases that one visit of an absent provider hands to the agenda.
pub const WATCHED: usize = 8;

impl<T: Config> Pallet<T> {
	/// The block for which an item of the market waits.
	pub fn due(item: AgendaItem) -> Option<BlockNumber> {
		match item {
			AgendaItem::Order(id) => Orders::<T>::get(id).map(|order| order.due),
			AgendaItem::Lease(id) => Leases::<T>::get(id)
				.map(|lease| lease.due)
				.or_else(|| KeptSlices::<T>::get(id).map(|kept| kept.due)),
			AgendaItem::Closed(id) => ClosedLeases::<T>::get(id).map(|lease| lease.due),
			AgendaItem::Watch(id) => Watches::<T>::get(id).map(|watch| watch.due),
			_ => None,
		}
	}

	/// Moves the block for which an item of the market waits.
	pub fn postpone(item: AgendaItem, to: BlockNumber) {
		match item {
			AgendaItem::Order(id) => Orders::<T>::mutate_extant(id, |order| order.due = to),
			AgendaItem::Lease(id) => {
				Leases::<T>::mutate_extant(id, |lease| lease.due = to);
				KeptSlices::<T>::mutate_extant(id, |kept| kept.due = to);
			}
			AgendaItem::Closed(id) => ClosedLeases::<T>::mutate_extant(id, |lease| lease.due = to),
			AgendaItem::Watch(id) => Watches::<T>::mutate_extant(id, |watch| watch.due = to),
			_ => {}
		}
	}

	/// Handles an item of the market that is due.
	pub fn visit(item: AgendaItem) -> DispatchResult {
		match item {
			AgendaItem::Order(id) => Self::clear(id),
			AgendaItem::Lease(id) => Self::visit_lease(id),
			AgendaItem::Closed(id) => Self::sweep(id),
			AgendaItem::Watch(id) => {
				Self::visit_watch(id);
				Ok(())
			}
			_ => Ok(()),
		}
	}

	/// Handles a lease that is due.
	fn visit_lease(id: LeaseId) -> DispatchResult {
		let Some(mut lease) = Leases::<T>::get(id) else {
			return Self::free_slice(id);
		};
		let now = Self::now();
		if let LeaseState::Starting { deadline, .. } = lease.state {
			if now >= deadline {
				return Self::close(id, lease, CloseReason::StartTimeout);
			}
			Self::put(id, lease, deadline);
			return Ok(());
		}
		let paid = T::Streams::settle(id)?;
		let offline_at = || T::Registry::offline_at(lease.provider);
		if let Some(reason) = Self::overdue(&lease, offline_at) {
			return Self::close(id, lease, reason);
		}
		match lease.state {
			LeaseState::Active { term_end } => {
				let low = Self::terms().low_funds;
				let mut left = T::Streams::funded_blocks(id);
				if left <= low && T::Streams::refill(id) {
					left = T::Streams::funded_blocks(id);
				}
				if left > low {
					lease.low_funds = false;
				} else if left == 0 {
					let end = lease.ends().map_or(term_end, |(end, _)| end);
					T::Streams::store(id, end)?;
					return Self::suspend(id, lease, Suspension::Dry, term_end);
				} else if !lease.low_funds {
					lease.low_funds = true;
					Self::deposit_event(Event::FundsLow {
						lease: id,
						dry_at: now.saturating_add(left),
					});
				}
			}
			LeaseState::Suspended {
				why: Suspension::Dry,
				..
			} => {
				// Nothing is taken for a lease whose provider has not got the capacity any more.
				let resumed = with_storage_layer(|| {
					let refilled = T::Streams::refill(id);
					if refilled {
						Self::resume(id, lease.clone())?;
					}
					Ok::<_, DispatchError>(refilled)
				});
				if resumed == Ok(true) {
					return Ok(());
				}
				if T::Streams::funded_blocks(id) == 0 {
					return Self::close(id, lease, CloseReason::OutOfFunds);
				}
			}
			_ => {}
		}
		let due = Self::next_visit(id, &lease, paid == 0);
		Self::put(id, lease, due);
		Ok(())
	}

	/// Looks whether a provider with leases is still on duty. If it was not for too long, its leases
	/// are handed to the agenda, a few a block.
	fn visit_watch(provider: ProviderId) {
		let Some(watch) = Watches::<T>::get(provider) else {
			return;
		};
		if ProviderLeases::<T>::iter_key_prefix(provider)
			.next()
			.is_none()
		{
			Watches::<T>::remove(provider);
			return;
		}
		let now = Self::now();
		let offline_at = T::Registry::offline_at(provider);
		if now < offline_at {
			let due = T::Agenda::schedule(AgendaItem::Watch(provider), offline_at);
			Watches::<T>::insert(provider, Watch { due, done: None });
			return;
		}
		let from = watch
			.done
			.map(|lease| ProviderLeases::<T>::hashed_key_for(provider, lease));
		let leases = match from {
			Some(key) => ProviderLeases::<T>::iter_key_prefix_from(provider, key),
			None => ProviderLeases::<T>::iter_key_prefix(provider),
		};
		let mut last = None;
		let mut seen = 0usize;
		for id in leases.take(WATCHED) {
			seen = seen.saturating_add(1);
			last = Some(id);
			if let Some(lease) = Leases::<T>::get(id) {
				let starting = matches!(lease.state, LeaseState::Starting { .. });
				if !starting && lease.due > now.saturating_add(1) {
					Self::put(id, lease, now.saturating_add(1));
				}
			}
		}
		// Done: looked after again when what is left of them may have started.
		let (done, next) = if seen == WATCHED {
			(last, 1)
		} else {
			(None, T::Registry::heartbeat_period())
		};
		let due = T::Agenda::schedule(AgendaItem::Watch(provider), now.saturating_add(next));
		Watches::<T>::insert(provider, Watch { due, done });
	}
}
