//! From an order to leases: by the chain, by the tenant, or at once with a standing offer.

extern crate alloc;

use crate::{
	pallet::*, Bid, LeaseRecord, LeaseState, OrderOf, OrderRecordOf, OrderV1, Picks, RunnerUp,
	Selection, TermsV1, Watch,
};
use alloc::vec::Vec;
use frame_support::{dispatch::DispatchResult, ensure, storage::with_storage_layer};
use leasehold_primitives::{
	Agenda, AgendaItem, Balance, BlockNumber, LeaseId, OrderId, ProviderId, ProviderRegistry,
	Requirement, Resources, StreamOpening, Streams,
};
use sp_runtime::DispatchError;

/// What a lease is made of.
struct Match<'a, AccountId> {
	terms: &'a TermsV1,
	order: OrderId,
	tenant: &'a AccountId,
	spec: &'a OrderV1<AccountId>,
	/// Planck, for the records.
	record_deposit: Balance,
	provider: ProviderId,
	rate: Balance,
	taken: Resources,
	slice: Balance,
	rank: Balance,
}

impl<T: Config> Pallet<T> {
	/// Handles the end of an order: the chain clears it, or the tenant's time to pick is over.
	pub(crate) fn clear(id: OrderId) -> DispatchResult {
		let Some(order) = Orders::<T>::get(id) else {
			return Ok(());
		};
		let spec = order.spec.v1();
		let manual = spec.selection == Selection::Manual;
		let mut skipped = Vec::new();
		let cleared = !manual && {
			// Whatever stands against a lease: the order ends now, and its deposits go back.
			let filled: DispatchResult = with_storage_layer(|| {
				let won = Self::fill(id, &order, None, &mut skipped)?;
				let least = usize::from(spec.quantity.at_least);
				ensure!(won.len() >= least, Error::<T>::NotEligible);
				Ok(())
			});
			filled.is_ok()
		};
		for (provider, requirement) in skipped {
			Self::deposit_event(Event::BidSkipped {
				order: id,
				provider,
				requirement,
			});
		}
		if !cleared {
			let fee = Self::end_order(id, &order, manual && Self::could_pick(id, &order))?;
			Self::deposit_event(Event::OrderExpired { order: id, fee });
		}
		Ok(())
	}

	/// Whether the bids would have filled the order as it stands: what a tenant that did not pick pays for.
	fn could_pick(id: OrderId, order: &OrderRecordOf<T>) -> bool {
		!Self::would_win(id, order).is_empty()
	}

	/// Whose leases the order would be filled with as it stands, each as often as it would have one; none if
	/// they were too few.
	pub(crate) fn would_win(id: OrderId, order: &OrderRecordOf<T>) -> Vec<ProviderId> {
		let mut won = Vec::new();
		// It is filled, and all of that undone.
		let _undone: DispatchResult = with_storage_layer(|| {
			won = Self::fill(id, order, None, &mut Vec::new())?;
			Err(Error::<T>::TooLate.into())
		});
		if won.len() < usize::from(order.spec.v1().quantity.at_least) {
			won.clear();
		}
		won
	}

	/// How many bids there were, and how many auditors the order names.
	pub(crate) fn do_pick(
		tenant: T::AccountId,
		id: OrderId,
		picks: Picks,
	) -> Result<(u32, u32), DispatchError> {
		let order = Orders::<T>::get(id).ok_or(Error::<T>::UnknownOrder)?;
		ensure!(order.tenant == tenant, Error::<T>::NotTenant);
		let spec = order.spec.v1();
		ensure!(
			spec.selection == Selection::Manual,
			Error::<T>::WrongSelection
		);
		ensure!(Self::now() < order.ends, Error::<T>::TooLate);
		let quantity = spec.quantity;
		let wanted = usize::from(quantity.at_least)..=usize::from(quantity.leases);
		ensure!(wanted.contains(&picks.len()), Error::<T>::InvalidQuantity);
		let twice = |(nth, pick): (usize, &ProviderId)| {
			picks
				.iter()
				.skip(nth.saturating_add(1))
				.any(|other| other == pick)
		};
		let apart = !quantity.spread || !picks.iter().enumerate().any(twice);
		ensure!(apart, Error::<T>::InvalidQuantity);
		let has_bid = |pick: &ProviderId| order.bids.iter().any(|bid| bid.provider == *pick);
		ensure!(picks.iter().all(has_bid), Error::<T>::NoBid);
		let won = Self::fill(id, &order, Some(&picks), &mut Vec::new())?;
		ensure!(won.len() == picks.len(), Error::<T>::NotEligible);
		Ok((order.bid_count(), spec.attestors.count()))
	}

	/// Removes an order and makes leases of its bids, best first or as picked, until it is filled;
	/// whose, lease by lease. What is left of its deposits goes back. Notes the bids that were passed over.
	fn fill(
		id: OrderId,
		order: &OrderRecordOf<T>,
		picks: Option<&Picks>,
		skipped: &mut Vec<(ProviderId, Requirement)>,
	) -> Result<Vec<ProviderId>, DispatchError> {
		let spec = order.spec.v1();
		let terms = Self::terms();
		let weight = order.rank_weight;
		Self::remove_order(id, order);
		let (mut filled, mut all) = (0u8, Vec::new());
		for bid in &order.bids {
			let most = match picks {
				Some(picks) => picks.iter().filter(|pick| **pick == bid.provider).count(),
				None => usize::from(spec.quantity.leases),
			};
			let most = if spec.quantity.spread {
				most.min(1)
			} else {
				most
			};
			for _ in 0..most {
				if filled >= spec.quantity.leases {
					break;
				}
				let slice = Self::bid_slice(bid.rate, spec.max_rate, &terms);
				let tenant = &order.tenant;
				let taken = match Self::eligible(tenant, spec, bid.provider, slice, true) {
					Ok(taken) => taken,
					Err(requirement) => {
						skipped.push((bid.provider, requirement));
						break;
					}
				};
				let made = Match {
					terms: &terms,
					order: id,
					tenant,
					spec,
					record_deposit: order.record_deposit,
					provider: bid.provider,
					rate: bid.rate,
					taken,
					slice,
					rank: bid.rank(weight),
				};
				let lease = Self::make_lease(&made)?;
				all.push((made, lease));
				filled = filled.saturating_add(1);
			}
		}
		// Of those that could have had one.
		let lost = |bid: &&Bid| {
			let won = all.iter().any(|(made, _)| made.provider == bid.provider);
			!won && !skipped.iter().any(|(other, _)| *other == bid.provider)
		};
		let runner_up = order.bids.iter().find(lost).map(|bid| RunnerUp {
			provider: bid.provider,
			rate: bid.rate,
			rank: bid.rank(weight),
		});
		let won = all.iter().map(|(made, _)| made.provider).collect();
		for (made, lease) in all {
			Self::matched(made, lease, runner_up.clone());
		}
		let unfilled = spec.quantity.leases.saturating_sub(filled);
		let rest = spec.deposit.saturating_add(order.record_deposit);
		T::Streams::release(&order.tenant, rest.saturating_mul(unfilled.into()))?;
		Ok(won)
	}

	pub(crate) fn do_lease_now(tenant: T::AccountId, spec: OrderOf<T>) -> DispatchResult {
		let terms = Self::terms();
		let order = spec.v1();
		let Selection::Offer { provider, version } = order.selection else {
			return Err(Error::<T>::WrongSelection.into());
		};
		Self::check(&tenant, order, &terms)?;
		ensure!(order.quantity.leases == 1, Error::<T>::InvalidQuantity);
		ensure!(order.bidding == 0, Error::<T>::InvalidBidding);
		let (current, sheet) = T::Registry::offer(provider).ok_or(Error::<T>::NoOffer)?;
		ensure!(current == version, Error::<T>::OfferChanged);
		ensure!(
			Self::now() <= T::Registry::on_duty_until(provider),
			Error::<T>::NotOnDuty
		);
		// What is taken tells the rate, and the rate what it takes of the bond.
		let taken = Self::eligible(&tenant, order, provider, 0, false).map_err(Self::refusal)?;
		let rate = sheet.rate(&taken).ok_or(Error::<T>::NotOffered)?;
		ensure!(rate <= order.max_rate, Error::<T>::RateTooHigh);
		let least = T::Streams::minimal_deposit(rate, terms.start_deadline)?;
		ensure!(order.deposit >= least, Error::<T>::DepositTooLow);
		let held = order.held(terms.record_deposit);
		T::Streams::hold(&tenant, held.ok_or(Error::<T>::Overflow)?)?;
		let id = Self::next_order_id()?;
		Self::deposit_event(Event::OrderPlaced {
			order: id,
			tenant: tenant.clone(),
			spec: spec.clone(),
			record_deposit: terms.record_deposit,
			bidding_ends: Self::now(),
		});
		let made = Match {
			terms: &terms,
			order: id,
			tenant: &tenant,
			spec: order,
			record_deposit: terms.record_deposit,
			provider,
			rate,
			taken,
			slice: Self::slice(rate, &terms),
			// Nobody bid, so nothing was ranked.
			rank: rate,
		};
		let lease = Self::make_lease(&made)?;
		Self::matched(made, lease, None);
		Ok(())
	}

	/// Says that a lease was made, which must start by a block.
	fn matched(
		made: Match<T::AccountId>,
		(lease, start_deadline): (LeaseId, BlockNumber),
		runner_up: Option<RunnerUp>,
	) {
		let Match {
			order,
			provider,
			rate,
			rank,
			taken,
			slice,
			..
		} = made;
		Self::deposit_event(Event::OrderMatched {
			order,
			lease,
			provider,
			rate,
			rank,
			runner_up,
			taken,
			slice,
			start_deadline,
		});
	}

	/// Makes a lease; its number, and the block by which it must start.
	fn make_lease(made: &Match<T::AccountId>) -> Result<(LeaseId, BlockNumber), DispatchError> {
		let &Match {
			terms,
			order,
			tenant,
			spec,
			record_deposit,
			provider,
			rate,
			ref taken,
			slice,
			rank: _,
		} = made;
		let lease = NextLeaseId::<T>::get();
		NextLeaseId::<T>::put(lease.checked_add(1).ok_or(Error::<T>::Overflow)?);
		// What of the bond is free was asked before by all but an offer, whose rate is known just now.
		T::Registry::reserve(provider, taken, slice).map_err(|_| Error::<T>::NotEligible)?;
		T::Streams::open(StreamOpening {
			lease,
			provider,
			tenant: tenant.clone(),
			rate,
			deposit: spec.deposit,
			start_rate: terms.start_rate,
			notice: spec.notice,
		})?;
		let since = Self::now();
		let deadline = since.saturating_add(terms.start_deadline);
		Self::manifest_taken(tenant, &spec.manifest_hash, order, lease)?;
		ProviderLeases::<T>::insert(provider, lease, ());
		Self::watch(provider);
		Leases::<T>::insert(
			lease,
			LeaseRecord {
				tenant: tenant.clone(),
				access: spec.access.clone(),
				order,
				provider,
				manifest_hash: spec.manifest_hash,
				kind: spec.kind,
				taken: taken.clone(),
				slice,
				record_deposit,
				state: LeaseState::Starting {
					since,
					deadline,
					max_duration: spec.max_duration,
					receipt: false,
					slice: Self::slice(rate, terms).min(slice),
				},
				reclaim_at: None,
				epoch: 0,
				low_funds: false,
				due: T::Agenda::schedule(AgendaItem::Lease(lease), deadline),
			},
		);
		Ok((lease, deadline))
	}

	/// Begins to watch a provider that has its first lease.
	fn watch(provider: ProviderId) {
		if !Watches::<T>::contains_key(provider) {
			let at = T::Registry::offline_at(provider);
			let due = T::Agenda::schedule(AgendaItem::Watch(provider), at);
			Watches::<T>::insert(provider, Watch { due, done: None });
		}
	}
}
