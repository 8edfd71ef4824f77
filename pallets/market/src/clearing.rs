//! Clearing an order: from the best bid to a lease.

use crate::{pallet::*, Bid, LeaseRecord, LeaseState, OpenItem, OrderRecordOf, RunnerUp};
use frame_support::dispatch::DispatchResult;
use leasehold_primitives::{
	Agenda, AgendaItem, BlockNumber, OrderId, ProviderRegistry, StreamOpening, Streams,
};

impl<T: Config> Pallet<T> {
	/// Handles the end of bidding: the best-ranked bid whose provider is still eligible wins; with
	/// none the order expires and everything goes back.
	pub(crate) fn clear(id: OrderId) -> DispatchResult {
		let Some(order) = Orders::<T>::get(id) else {
			return Ok(());
		};
		let mut bids = order.bids.iter();
		let winner = loop {
			let Some(bid) = bids.next() else { break None };
			match Self::eligible(&order, bid.provider, bid.rate, true) {
				Ok(()) => break Some(bid),
				Err(requirement) => Self::deposit_event(Event::BidSkipped {
					order: id,
					provider: bid.provider,
					requirement,
				}),
			}
		};
		Self::remove_order(id, &order)?;
		match winner {
			Some(bid) => Self::make_lease(id, &order, bid, bids.next()),
			None => {
				OpenManifests::<T>::remove(&order.tenant, order.spec.v1().manifest_hash);
				Self::release(HoldReason::Record, &order.tenant, order.record_deposit)?;
				Self::deposit_event(Event::OrderExpired { order: id });
				Ok(())
			}
		}
	}

	fn make_lease(
		id: OrderId,
		order: &OrderRecordOf<T>,
		bid: &Bid,
		runner_up: Option<&Bid>,
	) -> DispatchResult {
		let spec = order.spec.v1();
		let terms = Self::terms();
		let lease = NextLeaseId::<T>::get();
		NextLeaseId::<T>::put(lease.checked_add(1).ok_or(Error::<T>::Overflow)?);
		let slice = Self::slice(bid.rate);
		let taken = T::Registry::reserve(bid.provider, &spec.resources, slice)?;
		T::Streams::open(StreamOpening {
			lease,
			provider: bid.provider,
			tenant: order.tenant.clone(),
			rate: bid.rate,
			deposit: spec.deposit,
		})?;
		let deadline = Self::now().saturating_add(terms.start_deadline);
		Leases::<T>::insert(
			lease,
			LeaseRecord {
				tenant: order.tenant.clone(),
				access: spec.access.clone(),
				order: id,
				provider: bid.provider,
				manifest_hash: spec.manifest_hash,
				kind: spec.kind,
				taken: taken.clone(),
				slice,
				record_deposit: order.record_deposit,
				max_duration: spec.max_duration,
				state: LeaseState::Starting { deadline },
				due: T::Agenda::schedule(AgendaItem::Lease(lease), deadline),
			},
		);
		ProviderLeases::<T>::insert(bid.provider, lease, ());
		OpenManifests::<T>::insert(&order.tenant, spec.manifest_hash, OpenItem::Lease(lease));
		let rank = |bid: &Bid| bid.rank(terms.rank_weight);
		Self::deposit_event(Event::OrderMatched {
			order: id,
			lease,
			provider: bid.provider,
			rate: bid.rate,
			rank: rank(bid),
			runner_up: runner_up.map(|other| RunnerUp {
				provider: other.provider,
				rate: other.rate,
				rank: rank(other),
			}),
			taken,
			slice,
			start_deadline: deadline,
		});
		Ok(())
	}

	/// The block for which an item of the market waits.
	pub fn due(item: AgendaItem) -> Option<BlockNumber> {
		match item {
			AgendaItem::Order(id) => Orders::<T>::get(id).map(|order| order.due),
			AgendaItem::Lease(id) => Leases::<T>::get(id).map(|lease| lease.due),
			AgendaItem::Closed(id) => ClosedLeases::<T>::get(id).map(|lease| lease.due),
			AgendaItem::Provider(_) => None,
		}
	}

	/// Moves the block for which an item of the market waits.
	pub fn postpone(item: AgendaItem, to: BlockNumber) {
		match item {
			AgendaItem::Order(id) => Orders::<T>::mutate(id, |o| {
				if let Some(order) = o {
					order.due = to;
				}
			}),
			AgendaItem::Lease(id) => Leases::<T>::mutate(id, |l| {
				if let Some(lease) = l {
					lease.due = to;
				}
			}),
			AgendaItem::Closed(id) => ClosedLeases::<T>::mutate(id, |l| {
				if let Some(lease) = l {
					lease.due = to;
				}
			}),
			AgendaItem::Provider(_) => {}
		}
	}

	/// Handles an item of the market that is due.
	pub fn visit(item: AgendaItem) -> DispatchResult {
		match item {
			AgendaItem::Order(id) => Self::clear(id),
			AgendaItem::Lease(id) => Self::visit_lease(id),
			AgendaItem::Closed(id) => Self::sweep(id),
			AgendaItem::Provider(_) => Ok(()),
		}
	}
}
