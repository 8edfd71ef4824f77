//! Migrations of what is stored, oldest first.

use crate::{pallet::*, Standing, Terms, TermsV2, WeightInfo};
use codec::{Decode, Encode};
use core::marker::PhantomData;
use frame_support::{
	migrations::{MigrationId, SteppedMigration, SteppedMigrationError},
	traits::{GetStorageVersion, StorageVersion},
	weights::{Weight, WeightMeter},
};
use leasehold_primitives::{
	migration::{through_maps, translate, LastKey, MapCursor},
	Balance, BlockNumber,
};

/// Types of version 1.
pub mod v1 {
	use super::*;

	/// Good and bad outcomes.
	#[derive(Encode, Decode)]
	pub struct ScoreRecord {
		pub good: u64,
		pub bad: u64,
		pub at: BlockNumber,
	}

	/// The parameters, by version.
	#[derive(Encode, Decode)]
	pub enum Terms {
		V1(TermsV1),
	}

	/// The parameters, when good outcomes saturated and were capped by pair.
	#[derive(Encode, Decode)]
	pub struct TermsV1 {
		pub half_life: BlockNumber,
		pub reference_value: Balance,
		pub pair_cap: u64,
	}
}

impl From<v1::ScoreRecord> for Standing {
	/// Good outcomes, less two for each bad one.
	fn from(old: v1::ScoreRecord) -> Self {
		Self {
			value: old.good.saturating_sub(old.bad.saturating_mul(2)),
			room: 0,
			at: old.at,
			since: 0,
		}
	}
}

/// From version 1 to 2: standings in place of good and bad outcomes. Who has outcomes counts as known
/// since genesis.
pub struct ToV2<T>(PhantomData<T>);

/// The maps, in the order in which they are migrated.
const PROVIDERS: u8 = 0;
const TENANTS: u8 = 1;
const PAIRS: u8 = 2;

impl<T: Config> SteppedMigration for ToV2<T> {
	type Cursor = MapCursor;
	type Identifier = MigrationId<17>;

	fn id() -> Self::Identifier {
		MigrationId {
			pallet_id: *b"pallet-reputation",
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
		let cursor = through_maps(cursor, meter, each, PAIRS, |map, last, meter| match map {
			PROVIDERS => {
				translate::<ProviderScores<T>, _, v1::ScoreRecord, _>(last, meter, each, Into::into)
			}
			TENANTS => {
				translate::<TenantScores<T>, _, v1::ScoreRecord, _>(last, meter, each, Into::into)
			}
			_ => Self::end_pairs(last, meter, each),
		})?;
		if cursor.is_none() {
			Self::set_terms()?;
			StorageVersion::new(2).put::<Pallet<T>>();
		}
		Ok(cursor)
	}
}

impl<T: Config> ToV2<T> {
	/// What pairs have counted is forgotten, as much as the meter allows; the last key, if some may be
	/// left. The search goes on from there: it would pass by all that this block has removed.
	fn end_pairs(
		last: Option<LastKey>,
		meter: &mut WeightMeter,
		each: Weight,
	) -> Result<Option<LastKey>, SteppedMigrationError> {
		let mut keys = match last {
			Some(key) => Pairs::<T>::iter_keys_from(key.into_inner()),
			None => Pairs::<T>::iter_keys(),
		};
		let mut last = None;
		while meter.try_consume(each).is_ok() {
			let Some((provider, tenant)) = keys.next() else {
				return Ok(None);
			};
			let key = Pairs::<T>::hashed_key_for(provider, &tenant);
			Pairs::<T>::remove(provider, tenant);
			last = Some(key.try_into().map_err(|_| SteppedMigrationError::Failed)?);
		}
		Ok(last)
	}

	/// Keeps the half-life and the cap. The rest begins at its default: a reference value that weighed
	/// one half of an outcome says nothing about one that is a whole.
	fn set_terms() -> Result<(), SteppedMigrationError> {
		CurrentTerms::<T>::translate::<v1::Terms, _>(|old| {
			old.map(|v1::Terms::V1(old)| {
				Terms::V2(TermsV2 {
					half_life: old.half_life,
					pair_cap: old.pair_cap,
					..Default::default()
				})
			})
		})
		.map_err(|()| SteppedMigrationError::Failed)?;
		Ok(())
	}
}
