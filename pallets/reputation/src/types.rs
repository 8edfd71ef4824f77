//! What reputation stores.

use crate::score;
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use frame_support::{traits::ConstU32, weights::Weight, BoundedVec};
use leasehold_primitives::{terms, Balance, BlockNumber, Score};
use scale_info::TypeInfo;
use sp_runtime::Perbill;

/// One LEASE in planck.
const LEASE: Balance = 1_000_000_000_000;

/// The parameters of this pallet, by version.
#[derive(
	Encode, Decode, DecodeWithMemTracking, Clone, PartialEq, Eq, Debug, TypeInfo, MaxEncodedLen,
)]
pub enum Terms {
	#[codec(index = 1)]
	V2(TermsV2),
}

impl Default for Terms {
	fn default() -> Self {
		Self::V2(TermsV2::default())
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
pub struct TermsV2 {
	/// Blocks after which a standing is half of what it was.
	pub half_life: BlockNumber,
	/// What must be paid for one good outcome, planck. A fault over as much weighs one half.
	pub reference_value: Balance,
	/// What a standing may grow by in a half-life, in parts per billion of one outcome. Room that nobody
	/// uses adds up for one half-life.
	pub growth: u64,
	/// The most that faults between one tenant and one provider weigh in a half-life, in parts per
	/// billion of one outcome.
	pub pair_cap: u64,
}

impl Default for TermsV2 {
	fn default() -> Self {
		// Thirty days of 3 s blocks.
		Self {
			half_life: 864_000,
			reference_value: LEASE,
			growth: 20 * score::ONE,
			pair_cap: 2 * score::ONE,
		}
	}
}

impl TermsV2 {
	/// The relations that must hold between the parameters.
	pub fn check(&self) -> Result<(), &'static str> {
		let relations = [
			(self.half_life > 0, "half_life must not be 0"),
			(self.reference_value > 0, "reference_value must not be 0"),
			(self.growth > 0, "growth must not be 0"),
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

/// How a party stands, in parts per billion of one outcome, as of block `at`.
#[derive(
	Encode,
	Decode,
	DecodeWithMemTracking,
	Clone,
	Copy,
	PartialEq,
	Eq,
	Debug,
	Default,
	TypeInfo,
	MaxEncodedLen,
)]
pub struct Standing {
	pub value: u64,
	/// What it may grow by now.
	pub room: u64,
	pub at: BlockNumber,
	/// Block in which the party began. Its score counts from a half-life later on.
	pub since: BlockNumber,
}

impl Standing {
	/// That of a party that began in block `since`.
	pub fn new(since: BlockNumber) -> Self {
		Self {
			at: since,
			since,
			..Default::default()
		}
	}

	/// The standing at block `now`. Room that nobody uses adds up for a half-life.
	pub fn at(&self, now: BlockNumber, terms: &TermsV2) -> Self {
		let age = now.saturating_sub(self.at);
		let more = u128::from(terms.growth)
			.saturating_mul(age.into())
			.checked_div(terms.half_life.into())
			.and_then(|more| u64::try_from(more).ok())
			.unwrap_or(u64::MAX);
		Self {
			value: score::decay(self.value, age, terms.half_life),
			room: self.room.saturating_add(more).min(terms.growth),
			at: now,
			since: self.since,
		}
	}

	/// The standing after a good outcome of this weight, as far as there is room.
	pub fn after_good(self, weight: u64) -> Self {
		let weight = weight.min(self.room);
		Self {
			value: self.value.saturating_add(weight),
			room: self.room.saturating_sub(weight),
			..self
		}
	}

	/// The standing after a fault.
	pub fn after_fault(self, weight: Perbill) -> Self {
		Self {
			value: score::after_fault(self.value, weight),
			..self
		}
	}

	/// The score that the market reads: none in the first half-life, so that nothing can be bought
	/// before those who serve have earned theirs.
	pub fn score(&self, terms: &TermsV2) -> Score {
		self.score_for(terms.reference_value, terms)
	}

	/// The score for a dealing over `value` planck: of one that is dearer than the reference value, the
	/// standing counts as many good outcomes as it is worth. What little money buys must not be worth much.
	pub fn score_for(&self, value: Balance, terms: &TermsV2) -> Score {
		if self.at.saturating_sub(self.since) < terms.half_life {
			return Score::zero();
		}
		let of = value.max(terms.reference_value);
		let worth = Balance::from(self.value).saturating_mul(terms.reference_value);
		let outcomes = worth.checked_div(of).unwrap_or(0);
		score::lower_bound(u64::try_from(outcomes).unwrap_or(u64::MAX))
	}

	/// Whether it has decayed to next to nothing.
	pub(crate) fn is_spent(&self, now: BlockNumber, terms: &TermsV2) -> bool {
		let idle = now.saturating_sub(self.at) >= terms.half_life;
		idle && self.at(now, terms).value < EPSILON
	}
}

/// What faults between a tenant and a provider have weighed, as of block `at`.
#[derive(
	Encode,
	Decode,
	DecodeWithMemTracking,
	Clone,
	Copy,
	PartialEq,
	Eq,
	Debug,
	Default,
	TypeInfo,
	MaxEncodedLen,
)]
pub struct PairFaults {
	/// Parts per billion of one outcome.
	pub weight: u64,
	pub at: BlockNumber,
}

impl PairFaults {
	fn weight_at(&self, now: BlockNumber, terms: &TermsV2) -> u64 {
		score::decay(self.weight, now.saturating_sub(self.at), terms.half_life)
	}

	/// Counts a fault; what of its weight the cap leaves.
	pub(crate) fn count(&mut self, weight: Perbill, now: BlockNumber, terms: &TermsV2) -> Perbill {
		let old = self.weight_at(now, terms);
		let room = u32::try_from(terms.pair_cap.saturating_sub(old)).unwrap_or(u32::MAX);
		let weight = weight.min(Perbill::from_parts(room));
		*self = Self {
			weight: old.saturating_add(weight.deconstruct().into()),
			at: now,
		};
		weight
	}

	pub(crate) fn is_spent(&self, now: BlockNumber, terms: &TermsV2) -> bool {
		self.weight_at(now, terms) < EPSILON
	}
}

/// Weights of the calls and visits of this pallet.
pub trait WeightInfo {
	fn set_terms() -> Weight;
	fn visit() -> Weight;
	fn to_v2() -> Weight;
}
