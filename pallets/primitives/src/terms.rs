//! What the records of parameters have in common.

use frame_support::weights::{constants::RocksDbWeight, Weight};

/// The first relation that does not hold, if there is one.
pub fn all_hold(relations: &[(bool, &'static str)]) -> Result<(), &'static str> {
	relations
		.iter()
		.find(|(holds, _)| !holds)
		.map_or(Ok(()), |(_, why)| Err(why))
}

/// A weight by hand, until it is measured: time, and accesses at RocksDB's prices.
pub fn hand(micros: u64, reads: u64, writes: u64) -> Weight {
	let db = RocksDbWeight::get().reads_writes(reads, writes);
	Weight::from_parts(micros.saturating_mul(1_000_000), 0).saturating_add(db)
}
