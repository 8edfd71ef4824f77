//! Bringing the records of a map to another version, some a block.

use alloc::vec::Vec;
use codec::{Decode, FullCodec};
use frame_support::{
	migrations::SteppedMigrationError,
	storage::IterableStorageMap,
	traits::ConstU32,
	weights::{Weight, WeightMeter},
	BoundedVec,
};

/// The raw key of the record that came last.
pub type LastKey = BoundedVec<u8, ConstU32<160>>;

/// Where a migration over several maps stands: the map, and the last key in it.
pub type MapCursor = (u8, Option<LastKey>);

/// Goes through maps 0 to `last_map`, one after the other, for as long as the meter lasts: `step` does a
/// part of a map after a key. `None` when the last one is done.
pub fn through_maps(
	cursor: Option<MapCursor>,
	meter: &mut WeightMeter,
	each: Weight,
	last_map: u8,
	mut step: impl FnMut(
		u8,
		Option<LastKey>,
		&mut WeightMeter,
	) -> Result<Option<LastKey>, SteppedMigrationError>,
) -> Result<Option<MapCursor>, SteppedMigrationError> {
	let (mut map, mut last) = cursor.unwrap_or_default();
	if meter.remaining().any_lt(each) {
		return Err(SteppedMigrationError::InsufficientWeight { required: each });
	}
	while meter.remaining().all_gte(each) {
		last = step(map, last, meter)?;
		if last.is_none() {
			if map == last_map {
				return Ok(None);
			}
			map = map.saturating_add(1);
		}
	}
	Ok(Some((map, last)))
}

/// Translates the records of a map after `last` for as long as the meter lasts, `each` a record;
/// `None` if there are no more.
pub fn translate<M, K, O, V>(
	mut last: Option<LastKey>,
	meter: &mut WeightMeter,
	each: Weight,
	mut to: impl FnMut(O) -> V,
) -> Result<Option<LastKey>, SteppedMigrationError>
where
	M: IterableStorageMap<K, V>,
	K: FullCodec,
	O: Decode,
	V: FullCodec,
{
	if meter.remaining().any_lt(each) {
		return Err(SteppedMigrationError::InsufficientWeight { required: each });
	}
	while meter.try_consume(each).is_ok() {
		let from: Option<Vec<u8>> = last.take().map(BoundedVec::into_inner);
		match M::translate_next(from, |_, old| Some(to(old))) {
			Some(key) => {
				let key = key.try_into().map_err(|_| SteppedMigrationError::Failed)?;
				last = Some(key);
			}
			None => return Ok(None),
		}
	}
	Ok(last)
}
