//! The invariants that concern orders and leases.

extern crate alloc;

use crate::{pallet::*, OpenItem};
use alloc::collections::BTreeMap;
use frame_support::{ensure, traits::fungible::InspectHold};
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
	/// Sums over the open leases of each provider, to be held against the registry (I2, I10).
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
		Ok(all)
	}

	/// I1 for orders and records, and the indexes.
	pub fn do_try_state() -> Result<(), TryRuntimeError> {
		let mut orders = BTreeMap::<T::AccountId, Balance>::new();
		let mut records = BTreeMap::<T::AccountId, Balance>::new();
		let mut bids = BTreeMap::<ProviderId, u32>::new();
		let add = |map: &mut BTreeMap<T::AccountId, Balance>, who, amount: Balance| {
			let sum = map.entry(who).or_default();
			*sum = sum.saturating_add(amount);
		};
		let weight = Self::terms().rank_weight;
		for (id, order) in Orders::<T>::iter() {
			let spec = order.spec.v1();
			let leases = Balance::from(spec.quantity.leases);
			let (deposits, record) = (spec.deposit, order.record_deposit);
			add(
				&mut orders,
				order.tenant.clone(),
				deposits.saturating_mul(leases),
			);
			add(
				&mut records,
				order.tenant.clone(),
				record.saturating_mul(leases),
			);
			for bid in &order.bids {
				let count = bids.entry(bid.provider).or_default();
				*count = count.saturating_add(1);
				ensure!(bid.rate <= spec.max_rate, "a bid above the ceiling");
			}
			ensure!(
				order.bids.is_sorted_by_key(|b| b.rank(weight)),
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
			add(&mut records, lease.tenant.clone(), lease.record_deposit);
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
		for (id, lease) in ClosedLeases::<T>::iter() {
			add(&mut records, lease.tenant.clone(), lease.record_deposit);
			ensure!(
				!Leases::<T>::contains_key(id),
				"a lease both open and closed"
			);
		}
		let holds = [(HoldReason::Order, orders), (HoldReason::Record, records)];
		for (reason, sums) in holds {
			let reason = reason.into();
			for (who, sum) in sums {
				let held = T::Currency::balance_on_hold(&reason, &who);
				ensure!(
					held == sum,
					"I1: the amount on hold is not the sum over open items"
				);
			}
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
