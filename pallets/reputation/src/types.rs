//! What reputation stores.

use crate::score;
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use frame_support::{traits::ConstU32, weights::Weight, BoundedVec};
use leasehold_primitives::{
	terms::{self, hand},
	Balance, BlockNumber, Score,
};
use scale_info::TypeInfo;
use sp_runtime::Perbill;

/// One LEASE in planck.
const LEASE: Balance = 1_000_000_000_000;

/// The parameters of this pallet, by version.
#[derive(
	Encode, Decode, DecodeWithMemTracking, Clone, PartialEq, Eq, Debug, TypeInfo, MaxEncodedLen,
)]
pub enum Terms {
	V1(TermsV1),
}

impl Default for Terms {
	fn default() -> Self {
		Self::V1(TermsV1::default())
	}
}

/// The parameters of this pallet.
#[derive(
	Encode,
	Decode,
	DecodeWithMemTracking,
	Clone,
	PartialEq,
	Eq,
	Debug,
	TypeInfo,
	MaxEncodedLen,
	serde::Serialize,
	serde::Deserialize,
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TermsV1 {
	/// Blocks after which an outcome counts half.
	pub half_life: BlockNumber,
	/// The amount at which an outcome weighs one half, planck.
	pub reference_value: Balance,
	/// The most that good, and that bad outcomes of one tenant with one provider count in a
	/// half-life, in parts per billion of one outcome.
	pub pair_cap: u64,
}

impl Default for TermsV1 {
	fn default() -> Self {
		// Thirty days of 3 s blocks.
		Self {
			half_life: 864_000,
			reference_value: 10 * LEASE,
			pair_cap: 2 * score::ONE,
		}
	}
}

impl TermsV1 {
	/// The relations that must hold between the parameters.
	pub fn check(&self) -> Result<(), &'static str> {
		let relations = [
			(self.half_life > 0, "half_life must not be 0"),
			(self.reference_value > 0, "reference_value must not be 0"),
			(self.pair_cap > 0, "pair_cap must not be 0"),
		];
		terms::all_hold(&relations)
	}
}

/// Outcomes below this are next to nothing: a thousandth of one.
pub const EPSILON: u64 = score::ONE / 1_000;

/// Where the sweep of spent records stands.
#[derive(Encode, Decode, Clone, PartialEq, Eq, Debug, TypeInfo, MaxEncodedLen)]
pub struct Sweep {
	/// Block of its agenda entry.
	pub due: BlockNumber,
	/// The map that is being looked through.
	pub map: u8,
	/// The last key that was looked at in it.
	pub key: Option<BoundedVec<u8, ConstU32<160>>>,
}

/// Outcomes so far, in parts per billion of one outcome, as of block `at`.
#[derive(
	Encode,
	Decode,
	DecodeWithMemTracking,
	Clone,
	PartialEq,
	Eq,
	Debug,
	Default,
	TypeInfo,
	MaxEncodedLen,
)]
pub struct ScoreRecord {
	pub good: u64,
	pub bad: u64,
	pub at: BlockNumber,
}

impl ScoreRecord {
	/// The outcomes as they count at block `now`.
	pub fn decayed(&self, now: BlockNumber, half_life: BlockNumber) -> (u64, u64) {
		let age = now.saturating_sub(self.at);
		(
			score::decay(self.good, age, half_life),
			score::decay(self.bad, age, half_life),
		)
	}

	/// What of an outcome still counts, if good and bad ones count up to `cap` each.
	pub(crate) fn room(
		&self,
		(good, bad): (Perbill, Perbill),
		cap: u64,
		now: BlockNumber,
		half_life: BlockNumber,
	) -> (Perbill, Perbill) {
		let (old_good, old_bad) = self.decayed(now, half_life);
		let within = |weight: Perbill, old: u64| {
			let room = u32::try_from(cap.saturating_sub(old)).unwrap_or(u32::MAX);
			weight.min(Perbill::from_parts(room))
		};
		(within(good, old_good), within(bad, old_bad))
	}

	/// Whether the outcomes have decayed to next to nothing.
	pub(crate) fn is_spent(&self, now: BlockNumber, half_life: BlockNumber) -> bool {
		let (good, bad) = self.decayed(now, half_life);
		good.max(bad) < EPSILON
	}

	/// Adds one outcome.
	pub(crate) fn add(
		&mut self,
		(good, bad): (Perbill, Perbill),
		now: BlockNumber,
		half_life: BlockNumber,
	) {
		let (old_good, old_bad) = self.decayed(now, half_life);
		self.good = old_good.saturating_add(good.deconstruct().into());
		self.bad = old_bad.saturating_add(bad.deconstruct().into());
		self.at = now;
	}

	/// The score that the market reads at block `now`.
	pub fn lower_bound(&self, now: BlockNumber, half_life: BlockNumber) -> Score {
		let (good, bad) = self.decayed(now, half_life);
		score::lower_bound(good, bad)
	}
}

/// Weights of the calls and visits of this pallet.
pub trait WeightInfo {
	fn set_terms() -> Weight;
	fn visit() -> Weight;
}

/// Hand figures, not measured, at RocksDB's prices.
impl WeightInfo for () {
	fn set_terms() -> Weight {
		hand(20, 1, 1)
	}
	fn visit() -> Weight {
		hand(200, 20, 20)
	}
}
