//! What a read and a write of the database cost; written by `scripts/bench-weights`.

use frame_support::weights::{constants::WEIGHT_REF_TIME_PER_NANOS, RuntimeDbWeight};

/// ParityDB with a million items: see `leasehold-bench-database`.
pub const DATABASE: RuntimeDbWeight = RuntimeDbWeight {
	read: WEIGHT_REF_TIME_PER_NANOS * 5512,
	write: WEIGHT_REF_TIME_PER_NANOS * 48861,
};
