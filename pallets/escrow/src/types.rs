//! What the escrow stores.

use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use frame_support::{traits::ConstU32, weights::Weight, BoundedVec};
use leasehold_primitives::{
	math::{self, Accrual},
	terms, Balance, BlockNumber, ProviderId, MAX_FUNDERS,
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
	/// The protocol's part of what is paid.
	pub fee: Perbill,
	/// What keeping a suspended lease's data costs, as a part of its rate.
	pub storage_rate: Perbill,
	/// Blocks for which the reserve pays the storage rate.
	pub suspension_period: BlockNumber,
	/// Blocks of service that the first deposit must at least pay for.
	pub min_funded_blocks: BlockNumber,
	/// Least deposit of somebody who is not the tenant, planck.
	pub min_top_up: Balance,
}

impl Default for TermsV1 {
	fn default() -> Self {
		Self {
			fee: Perbill::from_percent(2),
			storage_rate: Perbill::from_percent(10),
			// A day of 3 s blocks.
			suspension_period: 28_800,
			// Five minutes.
			min_funded_blocks: 100,
			min_top_up: LEASE / 10,
		}
	}
}

impl TermsV1 {
	/// The relations that must hold between the parameters.
	pub fn check(&self) -> Result<(), &'static str> {
		let relations = [
			(
				self.fee <= Perbill::from_percent(50),
				"fee must be at most one half",
			),
			(
				self.suspension_period > 0,
				"suspension_period must not be 0",
			),
			(
				self.min_funded_blocks > 0,
				"min_funded_blocks must not be 0",
			),
			(self.min_top_up > 0, "min_top_up must not be 0"),
		];
		terms::all_hold(&relations)
	}
}

/// One funder of a stream.
#[derive(
	Encode, Decode, DecodeWithMemTracking, Clone, PartialEq, Eq, Debug, TypeInfo, MaxEncodedLen,
)]
pub struct Funder<AccountId> {
	pub who: AccountId,
	/// Still on hold for this stream, planck.
	#[codec(compact)]
	pub held: Balance,
}

/// What each funder got back, in the order of their first deposits.
pub type Refunds<AccountId> = BoundedVec<Funder<AccountId>, ConstU32<MAX_FUNDERS>>;

/// Lets a stream refill itself from its tenant's free balance.
#[derive(
	Encode,
	Decode,
	DecodeWithMemTracking,
	Clone,
	Copy,
	PartialEq,
	Eq,
	Debug,
	TypeInfo,
	MaxEncodedLen,
)]
pub struct Refill {
	/// Taken at a time, planck: more or less, if so much is needed, or no more is there, to run on.
	#[codec(compact)]
	pub amount: Balance,
	/// Still to be taken in all, planck.
	#[codec(compact)]
	pub budget: Balance,
}

/// Where a stream stands now.
#[derive(Encode, Decode, Clone, PartialEq, Eq, Debug, TypeInfo)]
pub struct StreamBalance {
	/// Planck a block, at the full rate.
	pub rate: Balance,
	/// Owed and not yet paid, planck.
	pub accrued: Balance,
	/// Paid so far, gross of fees, planck.
	pub paid: Balance,
	/// On hold, less what is owed, planck.
	pub remaining: Balance,
	/// The block in which it runs dry if the provider stays on duty; `None` while nothing accrues.
	pub dry_at: Option<BlockNumber>,
}

/// What a stream pays for at present.
#[derive(Encode, Decode, Clone, Copy, PartialEq, Eq, Debug, TypeInfo, MaxEncodedLen)]
pub enum Phase {
	/// Nothing yet. Should the start come to nothing, each block of waiting costs this part of the
	/// rate.
	Starting { start_rate: Perbill },
	/// The rate, out of what is above the reserve.
	Running(StoredAccrual),
	/// The storage rate, out of all that is left.
	Stored(StoredAccrual),
	/// Nothing for now.
	Resting,
}

/// A stream. The terms that touch its money stand in the record, so that new terms never change a
/// running lease.
#[derive(Encode, Decode, Clone, PartialEq, Eq, Debug, TypeInfo, MaxEncodedLen)]
pub struct StreamRecord<AccountId> {
	#[codec(compact)]
	pub provider: ProviderId,
	/// Planck per served block, gross of the fee; at least 1.
	#[codec(compact)]
	pub rate: Balance,
	/// Planck per served block while the lease is suspended; at least 1.
	#[codec(compact)]
	pub storage_rate: Balance,
	/// The part of the balance that running does not use up, planck.
	#[codec(compact)]
	pub reserve: Balance,
	/// Blocks of the rate that no funder may withdraw.
	#[codec(compact)]
	pub notice: BlockNumber,
	/// The protocol's part of what is paid.
	pub fee: Perbill,
	/// The tenant first.
	pub funders: BoundedVec<Funder<AccountId>, ConstU32<MAX_FUNDERS>>,
	/// All deposits so far, planck.
	#[codec(compact)]
	pub deposited: Balance,
	/// Withdrawn by funders so far, planck.
	#[codec(compact)]
	pub withdrawn: Balance,
	/// Paid so far, gross of the fee, planck.
	#[codec(compact)]
	pub paid: Balance,
	/// The protocol's part of `paid`, planck.
	#[codec(compact)]
	pub fees: Balance,
	/// Blocks paid so far at the full rate.
	#[codec(compact)]
	pub served_blocks: BlockNumber,
	pub phase: Phase,
	pub refill: Option<Refill>,
}

/// [`Accrual`] as it is stored.
#[derive(Encode, Decode, Clone, Copy, PartialEq, Eq, Debug, TypeInfo, MaxEncodedLen)]
pub struct StoredAccrual {
	#[codec(compact)]
	pub served_base: BlockNumber,
	#[codec(compact)]
	pub base: BlockNumber,
	#[codec(compact)]
	pub deadline: BlockNumber,
}

impl From<StoredAccrual> for Accrual {
	fn from(a: StoredAccrual) -> Self {
		Self {
			served_base: a.served_base,
			base: a.base,
			deadline: a.deadline,
		}
	}
}

/// [`StreamRecord`] in a runtime.
pub type StreamRecordOf<T> = StreamRecord<<T as frame_system::Config>::AccountId>;

impl<AccountId> StreamRecord<AccountId> {
	/// On hold for this stream, planck.
	pub fn held(&self) -> Balance {
		self.funders
			.iter()
			.fold(0, |sum, funder| sum.saturating_add(funder.held))
	}

	/// How many funders there are.
	pub(crate) fn funder_count(&self) -> u32 {
		u32::try_from(self.funders.len()).unwrap_or(MAX_FUNDERS)
	}

	/// Gives up the places of those who have nothing left; the tenant keeps its own.
	pub(crate) fn drop_spent(&mut self) {
		let mut first = true;
		self.funders
			.retain(|funder| core::mem::take(&mut first) || funder.held > 0);
	}

	/// What a running workload may still use up, planck.
	pub fn spendable(&self) -> Balance {
		self.held().saturating_sub(self.reserve)
	}

	/// What funders may take back when `owed` planck have accrued, planck.
	pub fn withdrawable(&self, owed: Balance) -> Balance {
		match self.phase {
			Phase::Running(_) | Phase::Resting => self
				.spendable()
				.saturating_sub(owed)
				.saturating_sub(self.rate.saturating_mul(self.notice.into())),
			Phase::Starting { .. } | Phase::Stored(_) => 0,
		}
	}

	/// What each funder has left when `owed` planck are paid, planck: the first are consumed first.
	pub fn left(&self, mut owed: Balance) -> impl Iterator<Item = Balance> + '_ {
		self.funders.iter().map(move |funder| {
			let part = funder.held.min(owed);
			owed = owed.saturating_sub(part);
			funder.held.saturating_sub(part)
		})
	}

	/// (accrual, planck a block, planck it may use up), while something accrues.
	pub fn accrual(&self) -> Option<(StoredAccrual, Balance, Balance)> {
		match self.phase {
			Phase::Running(accrual) => Some((accrual, self.rate, self.spendable())),
			Phase::Stored(accrual) => Some((accrual, self.storage_rate, self.held())),
			Phase::Starting { .. } | Phase::Resting => None,
		}
	}

	/// Blocks that the balance still pays for as it accrues now, beyond those owed when the
	/// provider's counter stands at `served_now`; as it would if it ran, while nothing accrues.
	pub fn funded_blocks(&self, served_now: BlockNumber) -> BlockNumber {
		let (rate, left) = match self.accrual() {
			Some((_, rate, left)) => (rate, left),
			None => (self.rate, self.spendable()),
		};
		math::funded_blocks(rate, left).saturating_sub(self.owed(served_now).0)
	}

	/// (blocks, planck) owed when the provider's counter stands at `served_now`.
	pub fn owed(&self, served_now: BlockNumber) -> (BlockNumber, Balance) {
		self.accrual().map_or((0, 0), |(accrual, rate, left)| {
			let blocks = math::owed_blocks(accrual.into(), served_now, rate, left);
			(blocks, rate.saturating_mul(blocks.into()))
		})
	}
}

/// Weights of the calls of this pallet, for streams with `f` funders.
pub trait WeightInfo {
	fn deposit() -> Weight;
	/// A deposit before which the stream is settled: it is dry or stored, or the depositor has used up
	/// what it had.
	fn deposit_dry(f: u32) -> Weight;
	/// A deposit that resumes a suspended lease.
	fn resume() -> Weight;
	fn settle(f: u32) -> Weight;
	fn withdraw() -> Weight;
	fn set_refill() -> Weight;
	fn set_terms() -> Weight;
	fn set_fee_destination() -> Weight;
}
