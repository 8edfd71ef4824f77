//! Placing and cancelling orders.

use crate::{
	pallet::*, LeaseIds, ManifestKey, OpenItem, OrderOf, OrderRecord, OrderRecordOf, OrderV1,
	Selection, Terms, TermsV1, MAX_LEASES,
};
use frame_support::{dispatch::DispatchResult, ensure, BoundedVec};
use leasehold_primitives::{
	terms::Former, Agenda, AgendaItem, Balance, BlockNumber, LeaseId, ManifestHash, OrderId,
	ProviderRegistry, Streams,
};
use sp_runtime::{DispatchError, SaturatedConversion};

impl<T: Config> Pallet<T> {
	pub(crate) fn now() -> BlockNumber {
		frame_system::Pallet::<T>::block_number().saturated_into()
	}

	pub(crate) fn terms() -> TermsV1 {
		let Terms::V1(terms) = CurrentTerms::<T>::get();
		terms
	}

	/// The relations that must hold between these terms, and to those of the providers.
	pub(crate) fn check_terms(terms: &TermsV1) -> Result<(), &'static str> {
		terms.check()?;
		ensure!(
			terms.start_deadline <= T::Registry::max_downtime(),
			"start_deadline must be at most the providers' max_downtime"
		);
		Ok(())
	}

	pub(crate) fn do_set_terms(terms: Terms) -> DispatchResult {
		let Terms::V1(new) = &terms;
		Self::check_terms(new).map_err(|_| Error::<T>::TermsContradict)?;
		let (old, now) = (Self::terms().manifest_deadline, Self::now());
		FormerManifestDeadline::<T>::mutate(|former| {
			*former = Former::noted(*former, old, new.manifest_deadline, now);
		});
		CurrentTerms::<T>::put(&terms);
		Self::deposit_event(Event::TermsSet { terms });
		Ok(())
	}

	pub(crate) fn manifest_key(hash: &ManifestHash) -> ManifestKey {
		let mut key = ManifestKey::default();
		for (to, from) in key.iter_mut().zip(hash) {
			*to = *from;
		}
		key
	}

	/// Notes that a lease of `order` has this manifest. Refused if something else of the tenant has.
	pub(crate) fn manifest_taken(
		tenant: &T::AccountId,
		hash: &ManifestHash,
		order: OrderId,
		lease: LeaseId,
	) -> DispatchResult {
		OpenManifests::<T>::try_mutate(tenant, Self::manifest_key(hash), |item| {
			let mut leases = match item.take() {
				None => LeaseIds::new(),
				Some(OpenItem::Order(id)) if id == order => LeaseIds::new(),
				Some(OpenItem::Leases { order: id, leases }) if id == order => leases,
				Some(_) => return Err(Error::<T>::ManifestInUse.into()),
			};
			leases.try_push(lease).map_err(|_| Error::<T>::Overflow)?;
			*item = Some(OpenItem::Leases { order, leases });
			Ok(())
		})
	}

	/// Notes that a lease no longer has this manifest.
	pub(crate) fn manifest_left(tenant: &T::AccountId, hash: &ManifestHash, lease: LeaseId) {
		OpenManifests::<T>::mutate_exists(tenant, Self::manifest_key(hash), |item| {
			if let Some(OpenItem::Leases { leases, .. }) = item {
				leases.retain(|id| *id != lease);
				if leases.is_empty() {
					*item = None;
				}
			}
		});
	}

	/// What every order must meet, however it is matched.
	pub(crate) fn check(
		tenant: &T::AccountId,
		order: &OrderV1<T::AccountId>,
		terms: &TermsV1,
	) -> DispatchResult {
		let resources = &order.resources;
		ensure!(resources.is_sound(), Error::<T>::InvalidResources);
		ensure!(order.max_rate >= 1, Error::<T>::ZeroRate);
		let quantity = order.quantity;
		let sound = (1..=MAX_LEASES).contains(&u32::from(quantity.leases))
			&& (1..=quantity.leases).contains(&quantity.at_least);
		ensure!(sound, Error::<T>::InvalidQuantity);
		ensure!(
			(1..=terms.max_duration).contains(&order.max_duration),
			Error::<T>::InvalidDuration
		);
		ensure!(order.notice <= terms.max_notice, Error::<T>::InvalidNotice);
		ensure!(
			!OpenManifests::<T>::contains_key(tenant, Self::manifest_key(&order.manifest_hash)),
			Error::<T>::ManifestInUse
		);
		Ok(())
	}

	pub(crate) fn next_order_id() -> Result<OrderId, DispatchError> {
		let id = NextOrderId::<T>::get();
		NextOrderId::<T>::put(id.checked_add(1).ok_or(Error::<T>::Overflow)?);
		Ok(id)
	}

	pub(crate) fn do_place_order(tenant: T::AccountId, spec: OrderOf<T>) -> DispatchResult {
		let terms = Self::terms();
		let order = spec.v1();
		Self::check(&tenant, order, &terms)?;
		ensure!(
			(terms.min_bidding..=terms.max_bidding).contains(&order.bidding),
			Error::<T>::InvalidBidding
		);
		let least = T::Streams::minimal_deposit(order.max_rate, terms.start_deadline)?;
		ensure!(order.deposit >= least, Error::<T>::DepositTooLow);
		let bidding_ends = Self::now()
			.checked_add(order.bidding)
			.ok_or(Error::<T>::Overflow)?;
		let ends = match order.selection {
			Selection::BestBid => bidding_ends,
			Selection::Manual => bidding_ends
				.checked_add(terms.selection_deadline)
				.ok_or(Error::<T>::Overflow)?,
			Selection::Offer { .. } => return Err(Error::<T>::WrongSelection.into()),
		};
		let held = order.held(terms.record_deposit);
		T::Streams::hold(&tenant, held.ok_or(Error::<T>::Overflow)?)?;
		let id = Self::next_order_id()?;
		let key = Self::manifest_key(&order.manifest_hash);
		OpenManifests::<T>::insert(&tenant, key, OpenItem::Order(id));
		Orders::<T>::insert(
			id,
			OrderRecord {
				tenant: tenant.clone(),
				spec: spec.clone(),
				record_deposit: terms.record_deposit,
				cancel_fee: terms.cancel_fee,
				rank_weight: terms.rank_weight,
				bidding_ends,
				locked_from: bidding_ends.saturating_sub(order.locked(&terms)),
				bid_lock: order.bid_lock(&terms),
				ends,
				due: T::Agenda::schedule(AgendaItem::Order(id), ends),
				bids: BoundedVec::new(),
			},
		);
		Self::deposit_event(Event::OrderPlaced {
			order: id,
			tenant,
			spec,
			record_deposit: terms.record_deposit,
			bidding_ends,
		});
		Ok(())
	}

	/// How many bids there were.
	pub(crate) fn do_cancel_order(tenant: T::AccountId, id: OrderId) -> Result<u32, DispatchError> {
		let order = Orders::<T>::get(id).ok_or(Error::<T>::UnknownOrder)?;
		ensure!(order.tenant == tenant, Error::<T>::NotTenant);
		let fee = Self::end_order(id, &order, !order.bids.is_empty())?;
		Self::deposit_event(Event::OrderCancelled { order: id, fee });
		Ok(order.bid_count())
	}

	/// Ends an order that has come to nothing: everything goes back, less the cancel fee if `charge`; the
	/// fee.
	pub(crate) fn end_order(
		id: OrderId,
		order: &OrderRecordOf<T>,
		charge: bool,
	) -> Result<Balance, DispatchError> {
		let (tenant, spec) = (&order.tenant, order.spec.v1());
		let all = spec
			.held(order.record_deposit)
			.ok_or(Error::<T>::Overflow)?;
		let records = order
			.record_deposit
			.saturating_mul(spec.quantity.leases.into());
		let fee = if charge {
			T::Streams::charge(tenant, order.cancel_fee.min(records))?
		} else {
			0
		};
		Self::remove_order(id, order);
		T::Streams::release(tenant, all.saturating_sub(fee))?;
		OpenManifests::<T>::remove(tenant, Self::manifest_key(&spec.manifest_hash));
		Ok(fee)
	}

	/// Removes an order and its bids. What is on hold for it stays so.
	pub(crate) fn remove_order(id: OrderId, order: &OrderRecordOf<T>) {
		Orders::<T>::remove(id);
		for bid in &order.bids {
			Self::forget_bid(bid.provider, order.spec.v1());
		}
	}
}
