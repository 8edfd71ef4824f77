//! Migrations of what is stored, oldest first.

use crate::{pallet::*, ProviderRecord, Status, WeightInfo};
use codec::{Compact, Decode, Encode};
use core::marker::PhantomData;
use frame_support::{
	migrations::{MigrationId, SteppedMigration, SteppedMigrationError},
	traits::{GetStorageVersion, StorageVersion},
	weights::WeightMeter,
};
use leasehold_primitives::{
	migration::{translate, LastKey},
	Balance, Resources,
};

/// Types of version 1.
pub mod v1 {
	use super::*;

	/// A provider's record, without the block of its registration.
	#[derive(Encode, Decode)]
	pub struct ProviderRecord<AccountId> {
		pub owner: AccountId,
		pub operator: AccountId,
		pub status: Status,
		pub bond: Compact<Balance>,
		pub slices: Compact<Balance>,
		pub leases: Compact<u32>,
		pub reserved: Resources,
		pub offer_version: Compact<u32>,
	}
}

/// From version 1 to 2: providers know when they registered. Those who are there already count as
/// registered in the block of the migration; reputation keeps who has served.
pub struct ToV2<T>(PhantomData<T>);

impl<T: Config> SteppedMigration for ToV2<T> {
	type Cursor = LastKey;
	type Identifier = MigrationId<16>;

	fn id() -> Self::Identifier {
		MigrationId {
			pallet_id: *b"pallet-providers",
			version_from: 1,
			version_to: 2,
		}
	}

	fn step(
		last: Option<LastKey>,
		meter: &mut WeightMeter,
	) -> Result<Option<LastKey>, SteppedMigrationError> {
		if Pallet::<T>::on_chain_storage_version() != 1 {
			return Ok(None);
		}
		let each = T::WeightInfo::to_v2();
		let last = translate::<Providers<T>, _, v1::ProviderRecord<T::AccountId>, _>(
			last,
			meter,
			each,
			|old| ProviderRecord {
				owner: old.owner,
				operator: old.operator,
				status: old.status,
				bond: old.bond.0,
				slices: old.slices.0,
				leases: old.leases.0,
				reserved: old.reserved,
				offer_version: old.offer_version.0,
				registered_at: Pallet::<T>::now(),
			},
		)?;
		if last.is_none() {
			StorageVersion::new(2).put::<Pallet<T>>();
		}
		Ok(last)
	}
}
