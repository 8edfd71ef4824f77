//! Migrations of what is stored, oldest first.

use crate::{pallet::*, Bid, ClosedLeaseOf, Order, OrderRecord, Suspension, WeightInfo, MAX_BIDS};
use codec::{Compact, Decode, Encode};
use core::marker::PhantomData;
use frame_support::{
	migrations::{MigrationId, SteppedMigration, SteppedMigrationError},
	traits::{
		fungible::{Inspect, MutateHold},
		tokens::Precision,
		ConstU32, GetStorageVersion, StorageVersion,
	},
	weights::WeightMeter,
	BoundedVec,
};
use leasehold_primitives::{
	migration::{through_maps, translate, MapCursor},
	Balance, BlockNumber, ManifestHash, OrderId, ProviderId, Resources, Streams, WorkloadKind,
};

/// Types of version 1.
pub mod v1 {
	use super::*;

	/// An open order, without the terms that it was placed under.
	#[derive(Encode, Decode)]
	pub struct OrderRecord<AccountId> {
		pub tenant: AccountId,
		pub spec: Order<AccountId>,
		pub record_deposit: Compact<Balance>,
		pub bidding_ends: Compact<BlockNumber>,
		pub ends: Compact<BlockNumber>,
		pub due: Compact<BlockNumber>,
		pub bids: BoundedVec<Bid, ConstU32<MAX_BIDS>>,
	}

	/// Where a lease stands: one that starts did not say what it reserves of the bond once it runs.
	#[derive(Encode, Decode)]
	pub enum LeaseState {
		Starting {
			since: Compact<BlockNumber>,
			deadline: Compact<BlockNumber>,
			max_duration: Compact<BlockNumber>,
			receipt: bool,
		},
		Active {
			term_end: Compact<BlockNumber>,
		},
		Suspended {
			why: Suspension,
			since: Compact<BlockNumber>,
			term_end: Compact<BlockNumber>,
		},
	}

	/// A lease that is not closed.
	#[derive(Encode, Decode)]
	pub struct LeaseRecord<AccountId> {
		pub tenant: AccountId,
		pub access: Option<AccountId>,
		pub order: Compact<OrderId>,
		pub provider: Compact<ProviderId>,
		pub manifest_hash: ManifestHash,
		pub kind: WorkloadKind,
		pub taken: Resources,
		pub slice: Compact<Balance>,
		pub record_deposit: Compact<Balance>,
		pub state: LeaseState,
		pub reclaim_at: Option<BlockNumber>,
		pub epoch: Compact<u32>,
		pub low_funds: bool,
		pub due: Compact<BlockNumber>,
	}

	impl<AccountId> From<LeaseRecord<AccountId>> for crate::LeaseRecord<AccountId> {
		fn from(old: LeaseRecord<AccountId>) -> Self {
			Self {
				tenant: old.tenant,
				access: old.access,
				order: old.order.0,
				provider: old.provider.0,
				manifest_hash: old.manifest_hash,
				kind: old.kind,
				taken: old.taken,
				slice: old.slice.0,
				record_deposit: old.record_deposit.0,
				state: match old.state {
					LeaseState::Starting {
						since,
						deadline,
						max_duration,
						receipt,
					} => crate::LeaseState::Starting {
						since: since.0,
						deadline: deadline.0,
						max_duration: max_duration.0,
						receipt,
						// It was reserved by the rate.
						slice: old.slice.0,
					},
					LeaseState::Active { term_end } => crate::LeaseState::Active {
						term_end: term_end.0,
					},
					LeaseState::Suspended {
						why,
						since,
						term_end,
					} => crate::LeaseState::Suspended {
						why,
						since: since.0,
						term_end: term_end.0,
					},
				},
				reclaim_at: old.reclaim_at,
				epoch: old.epoch.0,
				low_funds: old.low_funds,
				due: old.due.0,
			}
		}
	}
}

/// From version 1 to 2: orders carry the cancel fee, the weight of ranks and the lock of bids that they were
/// placed under, taken from the terms in force; leases that start say what they reserve once they run; bids count
/// by what they may come to; and what `C` holds for orders and records is held by the escrow.
pub struct ToV2<T, C>(PhantomData<(T, C)>);

/// The maps, in the order in which they are migrated.
const ORDERS: u8 = 0;
const LEASES: u8 = 1;
const CLOSED: u8 = 2;

impl<T, C> ToV2<T, C>
where
	T: Config,
	C: Inspect<T::AccountId, Balance = Balance>
		+ MutateHold<T::AccountId, Reason: From<HoldReason>>,
{
	/// Hands a hold over to the escrow; whether that went well.
	fn hand_over(who: &T::AccountId, reason: HoldReason, amount: Balance) -> bool {
		C::release(&reason.into(), who, amount, Precision::Exact).is_ok()
			&& T::Streams::hold(who, amount).is_ok()
	}
}

impl<T, C> SteppedMigration for ToV2<T, C>
where
	T: Config,
	C: Inspect<T::AccountId, Balance = Balance>
		+ MutateHold<T::AccountId, Reason: From<HoldReason>>,
{
	type Cursor = MapCursor;
	type Identifier = MigrationId<13>;

	fn id() -> Self::Identifier {
		MigrationId {
			pallet_id: *b"pallet-market",
			version_from: 1,
			version_to: 2,
		}
	}

	fn step(
		cursor: Option<Self::Cursor>,
		meter: &mut WeightMeter,
	) -> Result<Option<Self::Cursor>, SteppedMigrationError> {
		if Pallet::<T>::on_chain_storage_version() != 1 {
			return Ok(None);
		}
		let each = T::WeightInfo::to_v2();
		let terms = Pallet::<T>::terms();
		let mut sound = true;
		let cursor = through_maps(cursor, meter, each, CLOSED, |map, last, meter| match map {
			ORDERS => translate::<Orders<T>, _, v1::OrderRecord<T::AccountId>, _>(
				last,
				meter,
				each,
				|old| {
					let spec = old.spec.v1();
					let (leases, locked) = (spec.quantity.leases.into(), spec.locked(&terms));
					let bid_lock = spec.bid_lock(&terms);
					let deposits = spec.deposit.saturating_mul(leases);
					let records = old.record_deposit.0.saturating_mul(leases);
					sound &= Self::hand_over(&old.tenant, HoldReason::Order, deposits);
					sound &= Self::hand_over(&old.tenant, HoldReason::Record, records);
					// A bid counted once, whatever it may come to.
					let more = spec.leases_a_bid().saturating_sub(1);
					for bid in old.bids.iter().filter(|_| more > 0) {
						OpenBids::<T>::mutate(bid.provider, |n| *n = n.saturating_add(more));
					}
					OrderRecord {
						tenant: old.tenant,
						spec: old.spec,
						record_deposit: old.record_deposit.0,
						cancel_fee: terms.cancel_fee,
						rank_weight: terms.rank_weight,
						bidding_ends: old.bidding_ends.0,
						locked_from: old.bidding_ends.0.saturating_sub(locked),
						bid_lock,
						ends: old.ends.0,
						due: old.due.0,
						bids: old.bids,
					}
				},
			),
			LEASES => translate::<Leases<T>, _, v1::LeaseRecord<T::AccountId>, _>(
				last,
				meter,
				each,
				|old| {
					let deposit = old.record_deposit.0;
					sound &= Self::hand_over(&old.tenant, HoldReason::Record, deposit);
					old.into()
				},
			),
			_ => translate::<ClosedLeases<T>, _, ClosedLeaseOf<T>, _>(last, meter, each, |lease| {
				let deposit = lease.record_deposit;
				sound &= Self::hand_over(&lease.tenant, HoldReason::Record, deposit);
				lease
			}),
		})?;
		if !sound {
			return Err(SteppedMigrationError::Failed);
		}
		if cursor.is_none() {
			StorageVersion::new(2).put::<Pallet<T>>();
		}
		Ok(cursor)
	}
}
