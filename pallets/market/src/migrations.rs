//! Migrations of what is stored, oldest first.

use crate::{
	pallet::*, Bid, ClosedLeaseOf, LeaseRecordOf, Order, OrderRecord, WeightInfo, MAX_BIDS,
};
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
	Balance, BlockNumber, Streams,
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
}

/// From version 1 to 2: orders carry the cancel fee, the weight of ranks and the lock of bids that they were
/// placed under, taken from the terms in force; and what `C` holds for orders and records is held by the escrow.
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
					let deposits = spec.deposit.saturating_mul(leases);
					let records = old.record_deposit.0.saturating_mul(leases);
					sound &= Self::hand_over(&old.tenant, HoldReason::Order, deposits);
					sound &= Self::hand_over(&old.tenant, HoldReason::Record, records);
					OrderRecord {
						tenant: old.tenant,
						spec: old.spec,
						record_deposit: old.record_deposit.0,
						cancel_fee: terms.cancel_fee,
						rank_weight: terms.rank_weight,
						bidding_ends: old.bidding_ends.0,
						locked_from: old.bidding_ends.0.saturating_sub(locked),
						ends: old.ends.0,
						due: old.due.0,
						bids: old.bids,
					}
				},
			),
			LEASES => translate::<Leases<T>, _, LeaseRecordOf<T>, _>(last, meter, each, |lease| {
				let deposit = lease.record_deposit;
				sound &= Self::hand_over(&lease.tenant, HoldReason::Record, deposit);
				lease
			}),
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
