//! Bidding.

use crate::{pallet::*, Bid, OrderV1, TermsV1, MAX_BIDS};
use frame_support::{dispatch::DispatchResult, ensure};
use leasehold_primitives::{
	math, Balance, Demand, OrderId, ProviderId, ProviderRegistry, Requirement, Resources, Scores,
};
use sp_runtime::DispatchError;

impl<T: Config> Pallet<T> {
	pub(crate) fn operated(operator: &T::AccountId) -> Result<ProviderId, DispatchError> {
		T::Registry::of_operator(operator).ok_or_else(|| Error::<T>::NotProvider.into())
	}

	/// The part of the provider's bond that a lease at `rate` reserves.
	pub(crate) fn slice(rate: Balance, terms: &TermsV1) -> Balance {
		math::bond_slice(rate, terms.compensation_blocks, terms.max_slice)
	}

	/// What a lease would take of the provider at this rate, for a new or a standing bid, or what
	/// the provider lacks for it.
	pub(crate) fn eligible(
		tenant: &T::AccountId,
		spec: &OrderV1<T::AccountId>,
		provider: ProviderId,
		slice: Balance,
		standing: bool,
	) -> Result<Resources, Requirement> {
		let allowed = spec.allowed.is_empty() || spec.allowed.contains(&provider);
		ensure!(allowed, Requirement::Allowed);
		let score = || T::Reputation::provider(provider);
		let good = spec.min_score.is_zero() || score() >= spec.min_score;
		ensure!(good, Requirement::Score);
		let demand = Demand {
			tenant,
			resources: &spec.resources,
			attributes: &spec.attributes,
			all_of: &spec.attestors.all_of,
			any_of: &spec.attestors.any_of,
			slice,
			standing,
		};
		T::Registry::eligible(provider, &demand)
	}

	pub(crate) fn refusal(requirement: Requirement) -> Error<T> {
		match requirement {
			Requirement::Score => Error::<T>::ScoreTooLow,
			_ => Error::<T>::NotEligible,
		}
	}

	/// One open bid less.
	pub(crate) fn forget_bid(provider: ProviderId) {
		OpenBids::<T>::mutate_exists(provider, |bids| {
			*bids = bids.map(|n| n.saturating_sub(1)).filter(|n| *n > 0);
		});
	}

	/// How many auditors the order names.
	pub(crate) fn do_place_bid(
		operator: T::AccountId,
		id: OrderId,
		rate: Balance,
	) -> Result<u32, DispatchError> {
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
		Self::eligible(
			&order.tenant,
			order.spec.v1(),
			provider,
			Self::slice(rate, &terms),
			false,
		)
		.map_err(Self::refusal)?;
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
		let auditors = order.spec.v1().attestors.count();
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
		Ok(auditors)
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
