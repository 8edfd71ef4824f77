//! Bidding.

use crate::{pallet::*, Bid, OrderRecordOf, OrderV1, TermsV1, MAX_BIDS};
use frame_support::{dispatch::DispatchResult, ensure};
use leasehold_primitives::{
	math, Agenda, AgendaItem, Balance, Demand, OrderId, ProviderId, ProviderRegistry, Requirement,
	Resources, Scores,
};
use sp_runtime::DispatchError;

/// In the second half of bidding a bid overtakes another by this part of its rank, at least: a hundredth.
const UNDERCUT: Balance = 100;

/// Whether a rank is so much better than another.
fn undercuts(rank: Balance, other: Balance) -> bool {
	rank.saturating_add(other.div_ceil(UNDERCUT)) <= other
}

impl<T: Config> Pallet<T> {
	pub(crate) fn operated(operator: &T::AccountId) -> Result<ProviderId, DispatchError> {
		T::Registry::of_operator(operator).ok_or_else(|| Error::<T>::NotProvider.into())
	}

	/// The part of the provider's bond that a lease at `rate` reserves.
	pub(crate) fn slice(rate: Balance, terms: &TermsV1) -> Balance {
		math::bond_slice(rate, terms.compensation_blocks, terms.max_slice)
	}

	/// The part that a bid's lease reserves.
	pub(crate) fn bid_slice(rate: Balance, max_rate: Balance, terms: &TermsV1) -> Balance {
		let (blocks, start) = (terms.compensation_blocks, terms.start_deadline);
		math::bid_slice(rate, max_rate, blocks, start, terms.max_slice)
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
	pub(crate) fn forget_bid(provider: ProviderId, spec: &OrderV1<T::AccountId>) {
		OpenBids::<T>::mutate_exists(provider, |bids| {
			let left = bids.map(|n| n.saturating_sub(spec.leases_a_bid()));
			*bids = left.filter(|n| *n > 0);
		});
	}

	/// How many auditors the order names, and whether bidding was extended.
	pub(crate) fn do_place_bid(
		operator: T::AccountId,
		id: OrderId,
		rate: Balance,
	) -> Result<(u32, bool), DispatchError> {
		let provider = Self::operated(&operator)?;
		let mut order = Orders::<T>::get(id).ok_or(Error::<T>::UnknownOrder)?;
		let terms = Self::terms();
		ensure!(Self::now() < order.bidding_ends, Error::<T>::BiddingEnded);
		ensure!(rate >= 1, Error::<T>::ZeroRate);
		let spec = order.spec.v1();
		ensure!(rate <= spec.max_rate, Error::<T>::RateTooHigh);
		let slice = Self::bid_slice(rate, spec.max_rate, &terms);
		Self::eligible(&order.tenant, spec, provider, slice, false).map_err(Self::refusal)?;
		let (places, auditors) = (usize::from(spec.quantity.leases), spec.attestors.count());
		let own = order.bids.iter().position(|bid| bid.provider == provider);
		let old = own.map(|own| order.bids.remove(own));
		let mut open = OpenBids::<T>::get(provider);
		if own.is_none() {
			open = open.saturating_add(spec.leases_a_bid());
			ensure!(open <= terms.max_open_bids, Error::<T>::TooManyBids);
			OpenBids::<T>::insert(provider, open);
		}
		// The standing answers for all that the provider has open, as if each came to as much as this one.
		let all = open.saturating_add(T::Registry::leases(provider));
		let at_stake = spec.value(rate).saturating_mul(all.into());
		let bid = Bid {
			provider,
			rate,
			score: T::Reputation::provider_for(provider, at_stake),
		};
		let (score, rank) = (bid.score, bid.rank(order.rank_weight));
		// Also with the score of today.
		let improves = |old: &Bid| rate < old.rate && rank < old.rank(order.rank_weight);
		ensure!(old.as_ref().is_none_or(improves), Error::<T>::AlreadyBid);
		let place = order
			.bids
			.iter()
			.position(|other| other.rank(order.rank_weight) > rank)
			.unwrap_or(order.bids.len());
		ensure!(place < MAX_BIDS as usize, Error::<T>::OutbidByAll);
		let overtakes = place < places && own.is_none_or(|own| place < own);
		let other = order.bids.get(place).filter(|_| overtakes);
		let other = other.map(|other| other.rank(order.rank_weight));
		let evicted = order.bids.force_insert_keep_left(place, bid);
		let evicted = evicted.map_err(|_| Error::<T>::OutbidByAll)?;
		let extended = match other {
			Some(other) => Self::overtaken(id, &mut order, rank, other)?,
			None => false,
		};
		if let Some(out) = evicted {
			Self::forget_bid(out.provider, order.spec.v1());
			Self::deposit_event(Event::BidEvicted {
				order: id,
				provider: out.provider,
			});
		}
		Orders::<T>::insert(id, order);
		Self::deposit_event(Event::BidPlaced {
			order: id,
			provider,
			rate,
			score,
			rank,
		});
		Ok((auditors, extended))
	}

	/// A bid has overtaken another in one of the places that win. In the second half of bidding that must be by
	/// a hundredth of the rank, and in the last blocks bidding goes on for as long again: who bids last has no
	/// advantage over those who can still answer. As no bid is withdrawn any more each step takes off a
	/// hundredth, and there is an end to it. Whether bidding was extended.
	fn overtaken(
		id: OrderId,
		order: &mut OrderRecordOf<T>,
		rank: Balance,
		other: Balance,
	) -> Result<bool, DispatchError> {
		let now = Self::now();
		if now < order.locked_from {
			return Ok(false);
		}
		ensure!(undercuts(rank, other), Error::<T>::LateUndercut);
		let ends = now.saturating_add(order.bid_lock).saturating_add(1);
		let more = ends.saturating_sub(order.bidding_ends);
		if more > 0 {
			order.bidding_ends = ends;
			order.ends = order.ends.saturating_add(more);
			order.due = T::Agenda::schedule(AgendaItem::Order(id), order.ends);
			Self::deposit_event(Event::BiddingExtended {
				order: id,
				bidding_ends: ends,
			});
		}
		Ok(more > 0)
	}

	pub(crate) fn do_withdraw_bid(operator: T::AccountId, id: OrderId) -> DispatchResult {
		let provider = Self::operated(&operator)?;
		let mut order = Orders::<T>::get(id).ok_or(Error::<T>::UnknownOrder)?;
		let bids = order.bids.len();
		order.bids.retain(|bid| bid.provider != provider);
		ensure!(order.bids.len() < bids, Error::<T>::NoBid);
		ensure!(Self::now() < order.locked_from, Error::<T>::BidLocked);
		Self::forget_bid(provider, order.spec.v1());
		Orders::<T>::insert(id, order);
		Self::deposit_event(Event::BidWithdrawn {
			order: id,
			provider,
		});
		Ok(())
	}
}

#[cfg(test)]
mod tests {
	use super::undercuts;

	#[test]
	fn late_bids_come_to_an_end() {
		let (mut rank, mut steps) = (1_000_000_000_000u128, 0);
		while rank > 1 {
			// The least step that counts.
			let next = rank.div_ceil(100);
			assert!(undercuts(rank - next, rank));
			assert!(next > 0 && !undercuts(rank - next + 1, rank));
			rank -= next;
			steps += 1;
		}
		assert_eq!(steps, 2_348, "as docs/market.md says");
		assert!(undercuts(0, 1) && !undercuts(1, 1));
	}
}
