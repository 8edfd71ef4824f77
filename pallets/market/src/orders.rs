//! Placing and cancelling orders.

use crate::{pallet::*, OpenItem, OrderOf, OrderRecord, OrderRecordOf, Terms, TermsV1};
use frame_support::{
	dispatch::DispatchResult,
	ensure,
	traits::{
		fungible::{InspectHold, MutateHold},
		tokens::{Fortitude, Precision, Restriction},
		Get,
	},
	BoundedVec,
};
use leasehold_primitives::{Agenda, AgendaItem, Balance, BlockNumber, OrderId, Streams};
use sp_runtime::SaturatedConversion;

impl<T: Config> Pallet<T> {
	pub(crate) fn now() -> BlockNumber {
		frame_system::Pallet::<T>::block_number().saturated_into()
	}

	pub(crate) fn terms() -> TermsV1 {
		let Terms::V1(terms) = CurrentTerms::<T>::get();
		terms
	}

	pub(crate) fn release(
		reason: HoldReason,
		who: &T::AccountId,
		amount: Balance,
	) -> DispatchResult {
		T::Currency::release(&reason.into(), who, amount, Precision::Exact).map(|_| ())
	}

	pub(crate) fn do_place_order(tenant: T::AccountId, spec: OrderOf<T>) -> DispatchResult {
		let terms = Self::terms();
		let order = spec.v1();
		let resources = &order.resources;
		let sound = resources.cpu > 0 && resources.memory > 0 && resources.is_well_formed();
		ensure!(sound, Error::<T>::InvalidResources);
		ensure!(order.max_rate >= 1, Error::<T>::ZeroRate);
		ensure!(
			(1..=terms.max_duration).contains(&order.max_duration),
			Error::<T>::InvalidDuration
		);
		ensure!(
			(terms.min_bidding..=terms.max_bidding).contains(&order.bidding),
			Error::<T>::InvalidBidding
		);
		let least = T::Streams::minimal_deposit(order.max_rate, terms.start_deadline)?;
		ensure!(order.deposit >= least, Error::<T>::DepositTooLow);
		ensure!(
			!OpenManifests::<T>::contains_key(&tenant, order.manifest_hash),
			Error::<T>::ManifestInUse
		);
		let id = NextOrderId::<T>::get();
		NextOrderId::<T>::put(id.checked_add(1).ok_or(Error::<T>::Overflow)?);
		let (hold, record) = (HoldReason::Order.into(), HoldReason::Record.into());
		let all = order
			.deposit
			.checked_add(terms.record_deposit)
			.ok_or(Error::<T>::Overflow)?;
		ensure!(
			T::Currency::can_hold(&hold, &tenant, all),
			Error::<T>::InsufficientFunds
		);
		T::Currency::hold(&hold, &tenant, order.deposit)?;
		T::Currency::hold(&record, &tenant, terms.record_deposit)?;
		let bidding_ends = Self::now()
			.checked_add(order.bidding)
			.ok_or(Error::<T>::Overflow)?;
		OpenManifests::<T>::insert(&tenant, order.manifest_hash, OpenItem::Order(id));
		Orders::<T>::insert(
			id,
			OrderRecord {
				tenant: tenant.clone(),
				spec: spec.clone(),
				record_deposit: terms.record_deposit,
				bidding_ends,
				due: T::Agenda::schedule(AgendaItem::Order(id), bidding_ends),
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

	pub(crate) fn do_cancel_order(tenant: T::AccountId, id: OrderId) -> DispatchResult {
		let order = Orders::<T>::get(id).ok_or(Error::<T>::UnknownOrder)?;
		ensure!(order.tenant == tenant, Error::<T>::NotTenant);
		let fee = if order.bids.is_empty() {
			0
		} else {
			Self::terms().cancel_fee.min(order.record_deposit)
		};
		if fee > 0 {
			let to = T::FeeDestination::get().ok_or(Error::<T>::NoFeeDestination)?;
			T::Currency::transfer_on_hold(
				&HoldReason::Record.into(),
				&tenant,
				&to,
				fee,
				Precision::Exact,
				Restriction::Free,
				Fortitude::Force,
			)?;
		}
		let rest = order.record_deposit.saturating_sub(fee);
		Self::remove_order(id, &order)?;
		Self::release(HoldReason::Record, &tenant, rest)?;
		OpenManifests::<T>::remove(&tenant, order.spec.v1().manifest_hash);
		Self::deposit_event(Event::OrderCancelled { order: id, fee });
		Ok(())
	}

	/// Removes an order and its bids, and releases its deposit but not the record deposit.
	pub(crate) fn remove_order(id: OrderId, order: &OrderRecordOf<T>) -> DispatchResult {
		Orders::<T>::remove(id);
		for bid in &order.bids {
			Self::forget_bid(bid.provider);
		}
		Self::release(HoldReason::Order, &order.tenant, order.spec.v1().deposit)
	}
}
