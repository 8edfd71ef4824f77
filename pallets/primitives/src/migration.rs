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
