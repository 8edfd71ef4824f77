//! What daemon, command line and web pages ask for in one call.

extern crate alloc;

use crate::{pallet::*, Bid, ManifestKey, OpenItem, OrderRecordOf, OrderV1, Selection};
use alloc::vec::Vec;
use codec::{Decode, Encode};
use leasehold_primitives::{
	Balance, OrderId, ProviderId, ProviderRegistry, Requirement, Score, Scores,
};
use scale_info::TypeInfo;

/// Most entries of one page.
pub const PAGE: u32 = 100;

/// A part of a longer list.
#[derive(Encode, Decode, Clone, PartialEq, Eq, Debug, TypeInfo)]
pub struct Page<Item, Id> {
	pub items: Vec<Item>,
	/// Where the next page begins; `None`: this was the last one.
	pub next: Option<Id>,
}

/// What a provider would ask of an order, or why it cannot serve it.
#[derive(Encode, Decode, Clone, PartialEq, Eq, Debug, TypeInfo)]
pub struct Candidate {
	pub provider: ProviderId,
	pub score: Score,
	/// The first requirement that it does not meet.
	pub lacks: Option<Requirement>,
	/// Whether its daemon is on duty now: without, its offer cannot be taken.
	pub on_duty: bool,
	/// The version of its standing offer, and the rate it asks, planck a block.
	pub offer: Option<(u32, Balance)>,
}

/// A bid on an open order, as it would be if the order ended now.
#[derive(Encode, Decode, Clone, PartialEq, Eq, Debug, TypeInfo)]
pub struct BidReport {
	pub provider: ProviderId,
	/// Planck per served block.
	pub rate: Balance,
	/// The score that it ranks with.
	pub score: Score,
	/// What it ranks by; lower is better.
	pub rank: Balance,
	/// The first requirement that keeps it from having a lease.
	pub lacks: Option<Requirement>,
	/// Leases that it would have; none where the tenant picks.
	pub leases: u8,
}

impl<T: Config> Pallet<T> {
	pub(crate) fn read_bids(id: OrderId) -> Option<Vec<BidReport>> {
		let order = Orders::<T>::get(id)?;
		let (spec, terms) = (order.spec.v1(), Self::terms());
		let won = match spec.selection {
			Selection::Manual => Vec::new(),
			_ => Self::would_win(id, &order),
		};
		let report = |bid: &Bid| {
			let slice = Self::bid_slice(bid.rate, spec.max_rate, &terms);
			let leases = won.iter().filter(|other| **other == bid.provider).count();
			// Nothing that others win is taken of it: it lacks the same when its turn comes.
			let fits = match leases {
				0 => Self::eligible(&order.tenant, spec, bid.provider, slice, true).map(drop),
				_ => Ok(()),
			};
			BidReport {
				provider: bid.provider,
				rate: bid.rate,
				score: bid.score,
				rank: bid.rank(order.rank_weight),
				lacks: fits.err(),
				leases: u8::try_from(leases).unwrap_or(u8::MAX),
			}
		};
		Some(order.bids.iter().map(report).collect())
	}

	pub(crate) fn read_biddable(
		provider: ProviderId,
		after: Option<OrderId>,
		limit: u32,
	) -> Page<(OrderId, OrderRecordOf<T>), OrderId> {
		let (now, terms) = (Self::now(), Self::terms());
		let open = OpenBids::<T>::get(provider);
		let mut orders = match after {
			Some(id) => Orders::<T>::iter_from(Orders::<T>::hashed_key_for(id)),
			None => Orders::<T>::iter(),
		};
		page(
			&mut orders,
			limit,
			|(id, _)| *id,
			|(_, order)| {
				let spec = order.spec.v1();
				let slice = Self::bid_slice(1, spec.max_rate, &terms);
				now < order.bidding_ends
					&& open.saturating_add(spec.leases_a_bid()) <= terms.max_open_bids
					&& order.bids.iter().all(|bid| bid.provider != provider)
					&& Self::eligible(&order.tenant, spec, provider, slice, false).is_ok()
			},
		)
	}

	pub(crate) fn read_candidates(
		tenant: &T::AccountId,
		order: &OrderV1<T::AccountId>,
		after: Option<ProviderId>,
		limit: u32,
	) -> Page<Candidate, ProviderId> {
		let terms = Self::terms();
		page(
			&mut T::Registry::all(after).map(|provider| {
				let with = |slice| Self::eligible(tenant, order, provider, slice, false);
				let asked = T::Registry::offer(provider).and_then(|(version, sheet)| {
					let rate = sheet.rate(&with(0).ok()?)?;
					Some((version, rate))
				});
				let at_its_rate = asked.map(|(_, rate)| with(Self::slice(rate, &terms)));
				let offer = asked.filter(|_| matches!(at_its_rate, Some(Ok(_))));
				let fits = match (order.selection, at_its_rate) {
					(Selection::Offer { .. }, fits) => {
						let below = asked.is_some_and(|(_, rate)| rate <= order.max_rate);
						let lacks = if below {
							Ok(())
						} else {
							Err(Requirement::Offer)
						};
						fits.unwrap_or_else(|| with(0)).and(lacks)
					}
					// As the lowest bid on such an order.
					_ => with(Self::bid_slice(1, order.max_rate, &terms)).map(drop),
				};
				Candidate {
					provider,
					score: T::Reputation::provider(provider),
					lacks: fits.err(),
					on_duty: Self::now() <= T::Registry::on_duty_until(provider),
					offer,
				}
			}),
			limit,
			|candidate| candidate.provider,
			|_| true,
		)
	}

	pub(crate) fn read_open_items(
		tenant: &T::AccountId,
		after: Option<ManifestKey>,
		limit: u32,
	) -> Page<(ManifestKey, OpenItem), ManifestKey> {
		let mut items = match after {
			Some(key) => {
				let from = OpenManifests::<T>::hashed_key_for(tenant, key);
				OpenManifests::<T>::iter_prefix_from(tenant, from)
			}
			None => OpenManifests::<T>::iter_prefix(tenant),
		};
		page(&mut items, limit, |(key, _)| *key, |_| true)
	}
}

/// Looks at no more than ten pages' worth of entries, and takes a page of those that are wanted.
fn page<Item, Id: Copy>(
	all: &mut dyn Iterator<Item = Item>,
	limit: u32,
	id: impl Fn(&Item) -> Id,
	wanted: impl Fn(&Item) -> bool,
) -> Page<Item, Id> {
	let limit = limit.clamp(1, PAGE) as usize;
	let mut items = Vec::new();
	let mut looked_at = 0usize;
	for item in all {
		let at = id(&item);
		looked_at = looked_at.saturating_add(1);
		if wanted(&item) {
			items.push(item);
		}
		if items.len() == limit || looked_at >= (PAGE as usize).saturating_mul(10) {
			return Page {
				items,
				next: Some(at),
			};
		}
	}
	Page { items, next: None }
}
