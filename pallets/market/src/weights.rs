//! What the calls and visits cost, from the parts that were measured.

use crate::{pallet::*, OrderV1, MAX_ATTESTORS, MAX_BIDS};
use frame_support::weights::Weight;
use leasehold_primitives::Agenda;

/// Weights of the calls and visits of this pallet: of orders for `l` leases with `b` bids, and of
/// leases with `f` funders.
pub trait WeightInfo {
	fn place_order() -> Weight;
	fn cancel_order(b: u32) -> Weight;
	fn place_bid() -> Weight;
	fn withdraw_bid() -> Weight;
	/// `l` bids are picked, and `b` are not.
	fn pick(l: u32, b: u32) -> Weight;
	fn lease_now() -> Weight;
	fn start_lease() -> Weight;
	fn submit_receipt() -> Weight;
	fn complete_lease(f: u32) -> Weight;
	fn fail_lease(f: u32) -> Weight;
	fn close_lease(f: u32) -> Weight;
	fn report_missing_manifest(f: u32) -> Weight;
	fn pause_lease(f: u32) -> Weight;
	fn resume_lease() -> Weight;
	fn reclaim_lease(f: u32) -> Weight;
	fn abandon_lease(f: u32) -> Weight;
	fn report_offline(f: u32) -> Weight;
	fn update_manifest() -> Weight;
	fn propose_resize() -> Weight;
	fn accept_resize(f: u32) -> Weight;
	fn revoke_access() -> Weight;
	fn set_terms() -> Weight;
	/// `l` leases are made, and `b` better bids passed over.
	fn visit_order(l: u32, b: u32) -> Weight;
	/// `l` leases would have been made, and `b` better bids passed over, had the tenant picked.
	fn visit_unpicked(l: u32, b: u32) -> Weight;
	fn visit_lease(f: u32) -> Weight;
	/// The last visit of a dry lease, which is refilled in vain.
	fn visit_dry(f: u32) -> Weight;
	/// One record's part of the migration to version 2.
	fn to_v2() -> Weight;
	fn visit_closed() -> Weight;
	fn visit_watch() -> Weight;
	/// The check of one bid, with the statements of `a` auditors.
	fn eligible(a: u32) -> Weight;
}

/// Auditors that an order may name, of both sorts.
pub(crate) const MAX_AUDITORS: u32 = MAX_ATTESTORS * 2;

impl<T: Config> Pallet<T> {
	/// What `auditors` add to each check of a bid.
	fn auditing(auditors: u32) -> Weight {
		T::WeightInfo::eligible(auditors).saturating_sub(T::WeightInfo::eligible(0))
	}

	/// Clearing an order for `leases` that has `bids`. Each lease may take a check of its own besides
	/// those of all bids, where one provider may serve several.
	pub fn clearing(leases: u32, bids: u32, auditors: u32) -> Weight {
		let checks = leases.saturating_add(bids);
		T::WeightInfo::visit_order(leases, bids)
			.max(T::WeightInfo::visit_unpicked(leases, bids))
			.saturating_add(Self::auditing(auditors).saturating_mul(checks.into()))
	}

	/// What a lease leaves to the agenda: a visit, should it never start, its sweep, and the watch of its
	/// provider, should it be the first.
	fn aftermath() -> Weight {
		Self::visiting(1)
			.saturating_add(T::WeightInfo::visit_closed())
			.saturating_add(T::WeightInfo::visit_watch())
	}

	/// Placing an order, clearing it, and what its leases leave. Bids pay for their own part.
	pub(crate) fn placing(order: &OrderV1<T::AccountId>) -> Weight {
		let leases = order.quantity.leases.into();
		T::WeightInfo::place_order()
			.saturating_add(Self::clearing(leases, 0, order.attestors.count()))
			.saturating_add(Self::aftermath().saturating_mul(leases.into()))
	}

	/// A bid, and its part in clearing; if it extends bidding, the agenda's old entry is looked at in vain.
	pub(crate) fn bidding(auditors: u32, extended: bool) -> Weight {
		let passed_over =
			T::WeightInfo::visit_order(1, 1).saturating_sub(T::WeightInfo::visit_order(1, 0));
		T::WeightInfo::place_bid()
			.saturating_add(passed_over)
			.saturating_add(Self::auditing(auditors).saturating_mul(2))
			.saturating_add(if extended {
				T::Agenda::look()
			} else {
				Weight::zero()
			})
	}

	/// Picking `picks` of `bids`.
	pub(crate) fn picking(picks: u32, bids: u32, auditors: u32) -> Weight {
		T::WeightInfo::pick(picks, bids.saturating_sub(picks))
			.saturating_add(Self::auditing(auditors).saturating_mul(picks.into()))
	}

	/// A lease at once, and what it leaves.
	pub(crate) fn leasing(order: &OrderV1<T::AccountId>) -> Weight {
		T::WeightInfo::lease_now()
			.saturating_add(Self::auditing(order.attestors.count()))
			.saturating_add(Self::aftermath())
	}

	/// The most that the visit of a lease costs.
	pub(crate) fn visiting(funders: u32) -> Weight {
		T::WeightInfo::visit_lease(funders).max(T::WeightInfo::visit_dry(funders))
	}

	/// A call that leaves another visit of its lease to the agenda.
	pub(crate) fn with_visit(call: Weight, funders: u32) -> Weight {
		call.saturating_add(Self::visiting(funders))
	}

	/// The most that clearing any order costs.
	pub fn dearest_order() -> Weight {
		Self::clearing(crate::MAX_LEASES, MAX_BIDS, MAX_AUDITORS)
	}

	/// What clearing this order costs.
	pub fn order_weight(id: leasehold_primitives::OrderId) -> Weight {
		Orders::<T>::get(id).map_or_else(Weight::zero, |order| {
			let spec = order.spec.v1();
			let leases = spec.quantity.leases.into();
			Self::clearing(leases, order.bid_count(), spec.attestors.count())
		})
	}
}
