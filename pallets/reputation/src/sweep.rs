//! Removing records that have decayed to next to nothing.

extern crate alloc;

use crate::{pallet::*, PairFaults, Standing, Sweep, TermsV2};
use alloc::vec::Vec;
use codec::Codec;
use leasehold_primitives::{Agenda, AgendaItem, BlockNumber};

/// Records that one visit looks at.
pub const LOOKED_AT: usize = 16;
/// Blocks between two visits, if the first found nothing to remove.
pub const PAUSE: BlockNumber = 100;

impl<T: Config> Pallet<T> {
	fn schedule(map: u8, key: Option<Vec<u8>>, pause: BlockNumber) {
		let at = Self::now().saturating_add(pause);
		Sweeping::<T>::put(Sweep {
			due: T::Agenda::schedule(AgendaItem::Scores, at),
			map,
			key: key.and_then(|key| key.try_into().ok()),
		});
	}

	pub(crate) fn begin_sweeping() {
		if !Sweeping::<T>::exists() {
			Self::schedule(0, None, PAUSE);
		}
	}

	/// The block for which the sweep waits.
	pub fn due() -> Option<BlockNumber> {
		Sweeping::<T>::get().map(|sweep| sweep.due)
	}

	/// Moves the block for which the sweep waits.
	pub fn postpone(to: BlockNumber) {
		Sweeping::<T>::mutate(|sweep| {
			if let Some(sweep) = sweep {
				sweep.due = to;
			}
		});
	}

	/// Looks at some records and removes those that are spent. Ends when there are none left.
	pub fn visit() {
		let Some(sweep) = Sweeping::<T>::get() else {
			return;
		};
		let from = sweep.key.map(|key| key.into_inner());
		let (last, removed) = match sweep.map {
			0 => Self::look(
				match &from {
					Some(key) => ProviderScores::<T>::iter_from(key.clone()),
					None => ProviderScores::<T>::iter(),
				},
				Standing::is_spent,
				|id| {
					ProviderScores::<T>::remove(id);
					Self::deposit_event(Event::ProviderForgotten { provider: *id });
				},
				|id| ProviderScores::<T>::hashed_key_for(id),
			),
			1 => Self::look(
				match &from {
					Some(key) => TenantScores::<T>::iter_from(key.clone()),
					None => TenantScores::<T>::iter(),
				},
				Standing::is_spent,
				|who| {
					TenantScores::<T>::remove(who);
					Self::deposit_event(Event::TenantForgotten {
						tenant: who.clone(),
					});
				},
				|who| TenantScores::<T>::hashed_key_for(who),
			),
			_ => Self::look(
				match &from {
					Some(key) => Pairs::<T>::iter_from(key.clone()),
					None => Pairs::<T>::iter(),
				}
				.map(|(provider, tenant, pair)| ((provider, tenant), pair)),
				PairFaults::is_spent,
				|(provider, tenant)| {
					Pairs::<T>::remove(provider, tenant);
					Self::deposit_event(Event::FaultsForgotten {
						provider: *provider,
						tenant: tenant.clone(),
					});
				},
				|(provider, tenant)| Pairs::<T>::hashed_key_for(provider, tenant),
			),
		};
		// As fast as records are spent: they may come faster than a few in each pause.
		let pause = if removed { 1 } else { PAUSE };
		match last {
			Some(key) => Self::schedule(sweep.map, Some(key), pause),
			None if Self::is_empty() => Sweeping::<T>::kill(),
			None => {
				let next = sweep.map.saturating_add(1).checked_rem(3).unwrap_or(0);
				Self::schedule(next, None, pause);
			}
		}
	}

	fn is_empty() -> bool {
		ProviderScores::<T>::iter().next().is_none()
			&& TenantScores::<T>::iter().next().is_none()
			&& Pairs::<T>::iter().next().is_none()
	}

	/// Removes what is spent of the next records; the last one's key, if there may be more, and whether something was
	/// removed.
	fn look<K: Codec, R>(
		records: impl Iterator<Item = (K, R)>,
		is_spent: impl Fn(&R, BlockNumber, &TermsV2) -> bool,
		remove: impl Fn(&K),
		key: impl Fn(&K) -> Vec<u8>,
	) -> (Option<Vec<u8>>, bool) {
		let (now, terms) = (Self::now(), Self::terms());
		let next: Vec<_> = records.take(LOOKED_AT).collect();
		let mut removed = false;
		for (id, record) in &next {
			if is_spent(record, now, &terms) {
				remove(id);
				removed = true;
			}
		}
		let last = next.get(LOOKED_AT.saturating_sub(1)).map(|(id, _)| key(id));
		(last, removed)
	}
}
