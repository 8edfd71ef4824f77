//! What an empty block and an empty transaction cost: the SDK's figures, until `scripts/bench-weights`
//! writes this file.

use frame_support::weights::{constants::WEIGHT_REF_TIME_PER_NANOS, Weight};

/// An empty block.
pub const BLOCK_EXECUTION: Weight = Weight::from_parts(WEIGHT_REF_TIME_PER_NANOS * 431_614, 0);
/// A transaction that does nothing.
pub const EXTRINSIC_BASE: Weight = Weight::from_parts(WEIGHT_REF_TIME_PER_NANOS * 108_157, 0);
