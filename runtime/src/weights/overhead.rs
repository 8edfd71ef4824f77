//! What an empty block and an empty transaction cost; written by `scripts/bench-weights`.

use frame_support::weights::{constants::WEIGHT_REF_TIME_PER_NANOS, Weight};

/// An empty block.
pub const BLOCK_EXECUTION: Weight = Weight::from_parts(WEIGHT_REF_TIME_PER_NANOS * 290746, 0);
/// A transaction that does nothing, without its extensions.
pub const EXTRINSIC_BASE: Weight = Weight::from_parts(WEIGHT_REF_TIME_PER_NANOS * 26750, 0);
