//! The invariants that concern orders and leases.

extern crate alloc;

use crate::{pallet::*, OpenItem};
use alloc::collections::BTreeMap;
use frame_support::ensure;
use leasehold_primitives::{Balance, ProviderId, Resources};
use sp_runtime::TryRuntimeError;

/// What a provider's open leases reserve, as the market's records say.
#[derive(Default, Clone, PartialEq, Eq, Debug)]
pub struct ReservedByLeases {
	pub taken: Resources,
	/// Planck.
	pub slices: Balance,
	pub leases: u32,
}

impl<T: Config> Pallet<T> {
	/// Sums over the open leases and kept slices of each provider, to be held against the registry (I2, I10).
	pub fn reserved_by_leases() -> Result<BTreeMap<ProviderId, ReservedByLeases>, TryRuntimeError> {
		let mut all = BTreeMap::<ProviderId, ReservedByLeases>::new();
		for (_, lease) in Leases::<T>::iter() {
			let sum = all.entry(lease.provider).or_default();
			sum.taken = sum
				.taken
				.checked_add(&lease.reserved())
				.ok_or("capacity overflows")?;
			sum.slices = sum
				.slices
				.checked_add(lease.slice)
				.ok_or("slices overflow")?;
			sum.leases = sum.leases.checked_add(1).ok_or("leases overflow")?;
		}
		for kept in KeptSlices::<T>::iter_values() {
			let sum = all.entry(kept.provider).or_default();
			sum.slices = sum
				.slices
				.checked_add(kept.slice)
				.ok_or("slices overflow")?;
		}
		Ok(all)
	}

	/// What is on hold of each tenant besides its streams, planck: for open orders, and for records (I1).
	pub fn held_for_tenants() -> Result<BTreeMap<T::AccountId, Balance>, TryRuntimeError> {
		let mut all = BTreeMap::<T::AccountId, Balance>::new();
		let mut add = |who, amount: Balance| -> Result<(), TryRuntimeError> {
			let sum = all.entry(who).or_default();
			*sum = sum.checked_add(amount).ok_or("holds overflow")?;
			Ok(())
		};
		for order in Orders::<T>::iter_values() {
			let sum = order.spec.v1().held(order.record_deposit);
			add(order.tenant, sum.ok_or("deposits overflow")?)?;
		}
		for lease in Leases::<T>::iter_values() {
			add(lease.tenant, lease.record_deposit)?;
		}
		for lease in ClosedLeases::<T>::iter_values() {
			add(lease.tenant, lease.record_deposit)?;
		}
		Ok(all)
	}

	/// Bids and the indexes.
	pub fn do_try_state() -> Result<(), TryRuntimeError> {
		let mut bids = BTreeMap::<ProviderId, u32>::new();
		for (id, order) in Orders::<T>::iter() {
			let spec = order.spec.v1();
			for bid in &order.bids {
				let count = bids.entry(bid.provider).or_default();
				*count = count.saturating_add(spec.leases_a_bid());
				ensure!(bid.rate <= spec.max_rate, "a bid above the ceiling");
			}
			ensure!(
				order.bids.is_sorted_by_key(|b| b.rank(order.rank_weight)),
				"bids are not in order"
			);
			let key = Self::manifest_key(&spec.manifest_hash);
			ensure!(
				OpenManifests::<T>::get(&order.tenant, key) == Some(OpenItem::Order(id)),
				"an order without its manifest index"
			);
			ensure!(
				id < NextOrderId::<T>::get(),
				"an order id that was never given"
			);
		}
		for (id, lease) in Leases::<T>::iter() {
			let key = Self::manifest_key(&lease.manifest_hash);
			let indexed = match OpenManifests::<T>::get(&lease.tenant, key) {
				Some(OpenItem::Leases { order, leases }) => {
					order == lease.order && leases.contains(&id)
				}
				_ => false,
			};
			ensure!(indexed, "a lease without its manifest index");
			ensure!(
				Watches::<T>::contains_key(lease.provider),
				"a lease whose provider nobody watches"
			);
			let indexed = ProviderLeases::<T>::contains_key(lease.provider, id);
			ensure!(indexed, "a lease without its provider index");
			ensure!(
				id < NextLeaseId::<T>::get(),
				"a lease id that was never given"
			);
		}
		for id in ClosedLeases::<T>::iter_keys() {
			ensure!(
				!Leases::<T>::contains_key(id),
				"a lease both open and closed"
			);
		}
		let leases = Leases::<T>::iter().count();
		let open = Orders::<T>::iter().count().saturating_add(leases);
		let indexed = OpenManifests::<T>::iter_values().fold(0usize, |sum, item| {
			sum.saturating_add(match item {
				OpenItem::Order(_) => 1,
				OpenItem::Leases { leases, .. } => leases.len(),
			})
		});
		ensure!(indexed == open, "a stray manifest index");
		for id in KeptSlices::<T>::iter_keys() {
			ensure!(
				!Leases::<T>::contains_key(id),
				"a kept slice of an open lease"
			);
		}
		for id in Resizes::<T>::iter_keys() {
			ensure!(
				Leases::<T>::contains_key(id),
				"a proposal without its lease"
			);
		}
		ensure!(
			ProviderLeases::<T>::iter().count() == leases,
			"a stray provider index"
		);
		let counted: BTreeMap<_, _> = OpenBids::<T>::iter().collect();
		ensure!(counted == bids, "open bids are miscounted");
		Ok(())
	}
}
