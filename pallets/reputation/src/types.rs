//! What reputation stores.

use crate::score;
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use leasehold_primitives::{Balance, BlockNumber, Score};
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
}

impl Default for TermsV1 {
	fn default() -> Self {
		// Thirty days of 3 s blocks.
		Self {
			half_life: 864_000,
			reference_value: 10 * LEASE,
		}
	}
}

impl TermsV1 {
	/// The relations that must hold between the parameters.
	pub fn check(&self) -> Result<(), &'static str> {
		let relations = [
			(self.half_life > 0, "half_life must not be 0"),
			(self.reference_value > 0, "reference_value must not be 0"),
		];
		relations
			.iter()
			.find(|(holds, _)| !holds)
			.map_or(Ok(()), |(_, why)| Err(why))
	}
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
