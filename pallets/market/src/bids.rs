//! Bidding.

use crate::{pallet::*, Bid, OrderRecordOf, MAX_BIDS};
use frame_support::{dispatch::DispatchResult, ensure};
use leasehold_primitives::{
	math, Balance, OrderId, ProviderId, ProviderRegistry, Requirement, Scores,
};
use sp_runtime::DispatchError;

impl<T: Config> Pallet<T> {
	pub(crate) fn operated(operator: &T::AccountId) -> Result<ProviderId, DispatchError> {
		T::Registry::of_operator(operator).ok_or_else(|| Error::<T>::NotProvider.into())
	}

	/// The part of the provider's bond that a lease at `rate` reserves.
	pub(crate) fn slice(rate: Balance) -> Balance {
		let terms = Self::terms();
		math::bond_slice(rate, terms.compensation_blocks, terms.max_slice)
	}

	/// What the provider would lack for the order at this rate, for a new or a standing bid.
	pub(crate) fn eligible(
		order: &OrderRecordOf<T>,
		provider: ProviderId,
		rate: Balance,
		standing: bool,
	) -> Result<(), Requirement> {
		let spec = order.spec.v1();
		ensure!(
			T::Reputation::provider(provider) >= spec.min_score,
			Requirement::Score
		);
		let slice = Self::slice(rate);
		T::Registry::eligible(provider, &spec.resources, &spec.attributes, slice, standing)
	}

	/// One open bid less.
	pub(crate) fn forget_bid(provider: ProviderId) {
		OpenBids::<T>::mutate_exists(provider, |bids| {
			*bids = bids.map(|n| n.saturating_sub(1)).filter(|n| *n > 0);
		});
	}

	pub(crate) fn do_place_bid(
		operator: T::AccountId,
		id: OrderId,
		rate: Balance,
	) -> DispatchResult {
		let provider = Self::operated(&operator)?;
		let mut order = Orders::<T>::get(id).ok_or(Error::<T>::UnknownOrder)?;
		let terms = Self::terms();
		ensure!(Self::now() < order.bidding_ends, Error::<T>::BiddingEnded);
		ensure!(rate >= 1, Error::<T>::ZeroRate);
		ensure!(rate <= order.spec.v1().max_rate, Error::<T>::RateTooHigh);
		ensure!(
			order.bids.iter().all(|b| b.provider != provider),
			Error::<T>::AlreadyBid
		);
		let open = OpenBids::<T>::get(provider);
		ensure!(open < terms.max_open_bids, Error::<T>::TooManyBids);
		Self::eligible(&order, provider, rate, false).map_err(|requirement| match requirement {
			Requirement::Score => Error::<T>::ScoreTooLow,
			_ => Error::<T>::NotEligible,
		})?;
		let bid = Bid {
			provider,
			rate,
			score: T::Reputation::provider(provider),
		};
		let (score, rank) = (bid.score, bid.rank(terms.rank_weight));
		let place = order
			.bids
			.iter()
			.position(|other| other.rank(terms.rank_weight) > rank)
			.unwrap_or(order.bids.len());
		ensure!(place < MAX_BIDS as usize, Error::<T>::OutbidByAll);
		let evicted = order.bids.force_insert_keep_left(place, bid);
		let evicted = evicted.map_err(|_| Error::<T>::OutbidByAll)?;
		Orders::<T>::insert(id, order);
		OpenBids::<T>::insert(provider, open.saturating_add(1));
		if let Some(out) = evicted {
			Self::forget_bid(out.provider);
			Self::deposit_event(Event::BidEvicted {
				order: id,
				provider: out.provider,
			});
		}
		Self::deposit_event(Event::BidPlaced {
			order: id,
			provider,
			rate,
			score,
			rank,
		});
		Ok(())
	}

	pub(crate) fn do_withdraw_bid(operator: T::AccountId, id: OrderId) -> DispatchResult {
		let provider = Self::operated(&operator)?;
		let mut order = Orders::<T>::get(id).ok_or(Error::<T>::UnknownOrder)?;
		let bids = order.bids.len();
		order.bids.retain(|bid| bid.provider != provider);
		ensure!(order.bids.len() < bids, Error::<T>::NoBid);
		let locked_from = order.bidding_ends.saturating_sub(Self::terms().bid_lock);
		ensure!(Self::now() < locked_from, Error::<T>::BidLocked);
		Orders::<T>::insert(id, order);
		Self::forget_bid(provider);
		Self::deposit_event(Event::BidWithdrawn {
			order: id,
			provider,
		});
		Ok(())
	}
}
