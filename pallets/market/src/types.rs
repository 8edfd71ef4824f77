//! What the market stores.

use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use frame_support::{traits::ConstU32, BoundedVec};
use leasehold_primitives::{
	math, terms, Attributes, Balance, BlockNumber, CloseReason, Fault, LeaseId, ManifestHash,
	OrderId, Progress, ProviderId, Resources, Score, WorkloadKind,
};
use scale_info::TypeInfo;
use sp_runtime::Perbill;

/// One LEASE in planck.
const LEASE: Balance = 1_000_000_000_000;

/// Bids that an order keeps.
pub const MAX_BIDS: u32 = 16;
/// Leases that one order may be for.
pub const MAX_LEASES: u32 = 8;
/// Providers that an order may name.
pub const MAX_ALLOWED: u32 = 16;
/// Auditors that an order may name, of each sort.
pub const MAX_ATTESTORS: u32 = 4;

/// Leases made of one order.
pub type LeaseIds = BoundedVec<LeaseId, ConstU32<MAX_LEASES>>;
/// Providers picked by a tenant.
pub type Picks = BoundedVec<ProviderId, ConstU32<MAX_LEASES>>;

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
	/// Held for the records of an order and its lease, planck.
	pub record_deposit: Balance,
	/// What it costs to cancel an order that has bids, planck.
	pub cancel_fee: Balance,
	/// Shortest bidding, blocks.
	pub min_bidding: BlockNumber,
	/// Longest bidding, blocks.
	pub max_bidding: BlockNumber,
	/// Last blocks of bidding, at least, in which a bid that overtakes another extends it by as many, and no bid
	/// can be withdrawn.
	pub bid_lock: BlockNumber,
	/// Open bids that a provider may have; one that may come to several leases counts as so many.
	pub max_open_bids: u32,
	/// Blocks after the end of bidding within which the tenant must pick, if it wants to.
	pub selection_deadline: BlockNumber,
	/// Blocks from the match within which the workload must run.
	pub start_deadline: BlockNumber,
	/// Blocks from the match after which a provider may say that it was never handed the manifest.
	pub manifest_deadline: BlockNumber,
	/// The part of the rate that a block of waiting in vain costs the tenant.
	pub start_rate: Perbill,
	/// Blocks of funds left at which a lease is refilled, or said to run low.
	pub low_funds: BlockNumber,
	/// Longest notice that an order may ask for, blocks.
	pub max_notice: BlockNumber,
	/// Blocks for which a proposed change of size stands.
	pub resize_window: BlockNumber,
	/// Blocks of its rate that a lease reserves of its provider's bond.
	pub compensation_blocks: BlockNumber,
	/// The most that a lease reserves of its provider's bond, planck.
	pub max_slice: Balance,
	/// Longest lease, blocks.
	pub max_duration: BlockNumber,
	/// Blocks for which a closed lease stays readable.
	pub closed_retention: BlockNumber,
	/// Longest time between two visits of a lease, blocks.
	pub agenda_horizon: BlockNumber,
	/// How much a low score worsens a bid's rank.
	pub rank_weight: Perbill,
}

impl Default for TermsV1 {
	fn default() -> Self {
		Self {
			record_deposit: LEASE / 2,
			cancel_fee: LEASE / 20,
			min_bidding: 2,
			// An hour of 3 s blocks.
			max_bidding: 1_200,
			bid_lock: 1,
			max_open_bids: 256,
			// An hour.
			selection_deadline: 1_200,
			// Ten minutes.
			start_deadline: 200,
			// Five minutes.
			manifest_deadline: 100,
			start_rate: Perbill::from_percent(50),
			// An hour.
			low_funds: 1_200,
			// Thirty days.
			max_notice: 864_000,
			// An hour.
			resize_window: 1_200,
			// An hour.
			compensation_blocks: 1_200,
			max_slice: 50 * LEASE,
			// A year.
			max_duration: 10_512_000,
			// A day.
			closed_retention: 28_800,
			agenda_horizon: 28_800,
			rank_weight: Perbill::from_percent(1),
		}
	}
}

impl TermsV1 {
	/// The relations that must hold between the parameters.
	pub fn check(&self) -> Result<(), &'static str> {
		let relations = [
			(self.record_deposit > 0, "record_deposit must not be 0"),
			(
				self.cancel_fee <= self.record_deposit,
				"cancel_fee must be at most record_deposit, which pays it",
			),
			(self.min_bidding > 0, "min_bidding must not be 0"),
			(
				self.min_bidding <= self.max_bidding,
				"min_bidding must be at most max_bidding",
			),
			(
				self.bid_lock < self.min_bidding,
				"bid_lock must be shorter than min_bidding",
			),
			(self.max_open_bids > 0, "max_open_bids must not be 0"),
			(
				self.selection_deadline > 0,
				"selection_deadline must not be 0",
			),
			(
				self.manifest_deadline < self.start_deadline,
				"manifest_deadline must come before start_deadline",
			),
			(self.low_funds > 0, "low_funds must not be 0"),
			(self.resize_window > 0, "resize_window must not be 0"),
			(
				self.compensation_blocks > 0,
				"compensation_blocks must not be 0: no lease would reserve anything of the bond",
			),
			(
				self.max_slice > 0,
				"max_slice must not be 0: no lease would reserve anything of the bond",
			),
			(self.max_duration > 0, "max_duration must not be 0"),
			(self.closed_retention > 0, "closed_retention must not be 0"),
			(self.agenda_horizon > 0, "agenda_horizon must not be 0"),
			(
				self.agenda_horizon <= self.closed_retention,
				"agenda_horizon must be at most closed_retention, or stale entries outlive the lease's record",
			),
			(
				self.start_deadline <= self.closed_retention,
				"start_deadline must be at most closed_retention, or stale entries outlive the lease's record",
			),
		];
		terms::all_hold(&relations)
	}
}

/// What an order is paid in.
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
pub enum Asset {
	/// The chain's own token.
	Native,
}

/// How the bid is chosen.
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
pub enum Selection {
	/// By the chain when bidding ends: the best-ranked bid whose provider is still eligible.
	BestBid,
	/// By the tenant, at the latest when its time to pick is over.
	Manual,
	/// At once: a provider's standing price sheet in this version.
	Offer {
		#[codec(compact)]
		provider: ProviderId,
		#[codec(compact)]
		version: u32,
	},
}

/// Auditors whose attestations of all required attributes an order asks for.
#[derive(
	Encode, Decode, DecodeWithMemTracking, Clone, PartialEq, Eq, Debug, TypeInfo, MaxEncodedLen,
)]
pub struct Attestors<AccountId> {
	/// Each of these.
	pub all_of: BoundedVec<AccountId, ConstU32<MAX_ATTESTORS>>,
	/// One of these, unless there are none.
	pub any_of: BoundedVec<AccountId, ConstU32<MAX_ATTESTORS>>,
}

impl<AccountId> Attestors<AccountId> {
	/// How many auditors are named.
	pub(crate) fn count(&self) -> u32 {
		let count = self.all_of.len().saturating_add(self.any_of.len());
		u32::try_from(count).unwrap_or(u32::MAX)
	}
}

impl<AccountId> Default for Attestors<AccountId> {
	fn default() -> Self {
		Self {
			all_of: BoundedVec::new(),
			any_of: BoundedVec::new(),
		}
	}
}

/// How many leases an order is for.
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
pub struct Quantity {
	/// Leases wanted, 1 to 8.
	pub leases: u8,
	/// With fewer the order expires.
	pub at_least: u8,
	/// Whether each must be on a provider of its own.
	pub spread: bool,
}

impl Quantity {
	/// One lease.
	pub const ONE: Self = Self {
		leases: 1,
		at_least: 1,
		spread: true,
	};
}

/// A tenant's call for capacity, by version.
#[derive(
	Encode, Decode, DecodeWithMemTracking, Clone, PartialEq, Eq, Debug, TypeInfo, MaxEncodedLen,
)]
pub enum Order<AccountId> {
	V1(OrderV1<AccountId>),
}

impl<AccountId> Order<AccountId> {
	/// The order in the newest version.
	pub fn v1(&self) -> &OrderV1<AccountId> {
		let Self::V1(order) = self;
		order
	}
}

/// A tenant's call for capacity.
#[derive(
	Encode, Decode, DecodeWithMemTracking, Clone, PartialEq, Eq, Debug, TypeInfo, MaxEncodedLen,
)]
pub struct OrderV1<AccountId> {
	/// The account whose signature the gateway honours; the tenant if `None`.
	pub access: Option<AccountId>,
	pub manifest_hash: ManifestHash,
	pub kind: WorkloadKind,
	/// Sums over all replicas.
	pub resources: Resources,
	/// What the provider must say about itself.
	pub attributes: Attributes,
	/// Who must have attested it.
	pub attestors: Attestors<AccountId>,
	/// Price ceiling, planck per served block; at least 1.
	#[codec(compact)]
	pub max_rate: Balance,
	pub asset: Asset,
	pub quantity: Quantity,
	/// The least score of the provider.
	pub min_score: Score,
	/// The providers that may serve it; any, if there are none.
	pub allowed: BoundedVec<ProviderId, ConstU32<MAX_ALLOWED>>,
	/// Blocks from the start after which the lease ends.
	#[codec(compact)]
	pub max_duration: BlockNumber,
	/// Blocks of notice after which the provider may take its capacity back; 0: it may not.
	#[codec(compact)]
	pub notice: BlockNumber,
	pub selection: Selection,
	/// Blocks for which bids are taken; 0 with an offer.
	#[codec(compact)]
	pub bidding: BlockNumber,
	/// Goes into each lease's stream, planck.
	#[codec(compact)]
	pub deposit: Balance,
}

impl<AccountId> OrderV1<AccountId> {
	/// On hold for the order, with `record_deposit` for the records of each lease, planck; `None` on
	/// overflow.
	pub(crate) fn held(&self, record_deposit: Balance) -> Option<Balance> {
		let each = self.deposit.checked_add(record_deposit)?;
		each.checked_mul(self.quantity.leases.into())
	}

	/// How many leases a bid may come to.
	pub fn leases_a_bid(&self) -> u32 {
		let Quantity { leases, spread, .. } = self.quantity;
		if spread {
			1
		} else {
			leases.into()
		}
	}

	/// What a lease at `rate` comes to at most, planck.
	pub(crate) fn value(&self, rate: Balance) -> Balance {
		rate.saturating_mul(self.max_duration.into())
	}

	/// For how many of the last blocks of bidding no bid is withdrawn: half of them, so that who was pushed out
	/// by a bid that is taken back has as long again to come back.
	pub(crate) fn locked(&self, terms: &TermsV1) -> BlockNumber {
		self.bidding.div_ceil(2).max(terms.bid_lock)
	}

	/// In how many of the last blocks of bidding a bid that overtakes another extends it: a quarter, so that
	/// keeping the answers to it out takes the longer the longer bidding is.
	pub(crate) fn bid_lock(&self, terms: &TermsV1) -> BlockNumber {
		(self.bidding / 4).max(terms.bid_lock)
	}
}

/// [`Order`] in a runtime.
pub type OrderOf<T> = Order<<T as frame_system::Config>::AccountId>;

/// A provider's price for an order.
#[derive(Encode, Decode, Clone, PartialEq, Eq, Debug, TypeInfo, MaxEncodedLen)]
pub struct Bid {
	#[codec(compact)]
	pub provider: ProviderId,
	/// Planck per served block.
	#[codec(compact)]
	pub rate: Balance,
	/// The provider's score for all that it had open when it bid.
	pub score: Score,
}

impl Bid {
	/// What the bid ranks by; lower is better.
	pub fn rank(&self, rank_weight: Perbill) -> Balance {
		math::rank(self.rate, self.score, rank_weight)
	}
}

/// Of the bids that could have had a lease of the order and got none, the one that ranks best.
#[derive(
	Encode, Decode, DecodeWithMemTracking, Clone, PartialEq, Eq, Debug, TypeInfo, MaxEncodedLen,
)]
pub struct RunnerUp {
	pub provider: ProviderId,
	/// Planck per served block.
	pub rate: Balance,
	pub rank: Balance,
}

/// An open order.
#[derive(Encode, Decode, Clone, PartialEq, Eq, Debug, TypeInfo, MaxEncodedLen)]
pub struct OrderRecord<AccountId> {
	pub tenant: AccountId,
	pub spec: Order<AccountId>,
	/// On hold for the records of each lease, planck.
	#[codec(compact)]
	pub record_deposit: Balance,
	/// What it costs to cancel once there are bids, planck.
	#[codec(compact)]
	pub cancel_fee: Balance,
	/// How much a low score worsens a bid's rank.
	pub rank_weight: Perbill,
	/// Block in which bidding ends.
	#[codec(compact)]
	pub bidding_ends: BlockNumber,
	/// From this block on, half of bidding, no bid is withdrawn, and who overtakes another must do so clearly;
	/// it stays where it is when bidding is extended.
	#[codec(compact)]
	pub locked_from: BlockNumber,
	/// A bid that overtakes another in so many last blocks of bidding extends it by as many.
	#[codec(compact)]
	pub bid_lock: BlockNumber,
	/// Block in which the order ends: with bidding, or with the tenant's time to pick.
	#[codec(compact)]
	pub ends: BlockNumber,
	/// Block of its agenda entry.
	#[codec(compact)]
	pub due: BlockNumber,
	/// Best first.
	pub bids: BoundedVec<Bid, ConstU32<MAX_BIDS>>,
}

impl<AccountId> OrderRecord<AccountId> {
	/// How many bids there are.
	pub(crate) fn bid_count(&self) -> u32 {
		u32::try_from(self.bids.len()).unwrap_or(MAX_BIDS)
	}
}

/// [`OrderRecord`] in a runtime.
pub type OrderRecordOf<T> = OrderRecord<<T as frame_system::Config>::AccountId>;

/// The first half of a manifest's hash: tells a tenant's own manifests apart.
pub type ManifestKey = [u8; 16];

/// What a tenant has open under a manifest.
#[derive(Encode, Decode, Clone, PartialEq, Eq, Debug, TypeInfo, MaxEncodedLen)]
pub enum OpenItem {
	Order(OrderId),
	/// Leases of one order.
	Leases {
		#[codec(compact)]
		order: OrderId,
		leases: LeaseIds,
	},
}

/// Why a lease is suspended.
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
pub enum Suspension {
	/// Its stream is down to the reserve.
	Dry,
	/// Its provider paused it.
	ProviderPaused,
}

/// Where a lease stands.
#[derive(Encode, Decode, Clone, Copy, PartialEq, Eq, Debug, TypeInfo, MaxEncodedLen)]
pub enum LeaseState {
	/// Waits for the manifest and the workload since block `since`, at most until block `deadline`.
	Starting {
		#[codec(compact)]
		since: BlockNumber,
		#[codec(compact)]
		deadline: BlockNumber,
		/// Blocks from the start after which the lease ends.
		#[codec(compact)]
		max_duration: BlockNumber,
		/// The receipt for the manifest is on chain.
		receipt: bool,
		/// What its own rate reserves of the bond, planck: the lease's slice once it runs.
		#[codec(compact)]
		slice: Balance,
	},
	/// The workload runs, at most until block `term_end`.
	Active {
		#[codec(compact)]
		term_end: BlockNumber,
	},
	/// The workload is stopped and its data kept, since block `since`.
	Suspended {
		why: Suspension,
		#[codec(compact)]
		since: BlockNumber,
		#[codec(compact)]
		term_end: BlockNumber,
	},
}

/// A lease that is not closed.
#[derive(Encode, Decode, Clone, PartialEq, Eq, Debug, TypeInfo, MaxEncodedLen)]
pub struct LeaseRecord<AccountId> {
	pub tenant: AccountId,
	/// The account whose signature the gateway honours; the tenant if `None`.
	pub access: Option<AccountId>,
	#[codec(compact)]
	pub order: OrderId,
	#[codec(compact)]
	pub provider: ProviderId,
	pub manifest_hash: ManifestHash,
	pub kind: WorkloadKind,
	/// Reserved of the provider's capacity; its storage only, while the lease is suspended.
	pub taken: Resources,
	/// Reserved of the provider's bond, planck; until the start as its order's ceiling asks.
	#[codec(compact)]
	pub slice: Balance,
	/// On hold for the records, planck.
	#[codec(compact)]
	pub record_deposit: Balance,
	pub state: LeaseState,
	/// Block in which the provider takes its capacity back.
	pub reclaim_at: Option<BlockNumber>,
	/// Access grants of an earlier epoch are void.
	#[codec(compact)]
	pub epoch: u32,
	/// It was said that funds run low.
	pub low_funds: bool,
	/// Block of its agenda entry.
	#[codec(compact)]
	pub due: BlockNumber,
}

impl<AccountId: PartialEq> LeaseRecord<AccountId> {
	/// Whether `who` is the tenant or the access account.
	pub fn is_accessed_by(&self, who: &AccountId) -> bool {
		self.tenant == *who || self.access.as_ref() == Some(who)
	}
}

impl<AccountId> LeaseRecord<AccountId> {
	/// What the lease reserves of the provider's capacity at present.
	pub fn reserved(&self) -> Resources {
		match self.state {
			LeaseState::Suspended { .. } => self.taken.storage_only(),
			_ => self.taken.clone(),
		}
	}

	/// (block, reason) at which the lease ends by itself, once it has started.
	pub fn ends(&self) -> Option<(BlockNumber, CloseReason)> {
		let term_end = match self.state {
			LeaseState::Starting { .. } => return None,
			LeaseState::Active { term_end } | LeaseState::Suspended { term_end, .. } => term_end,
		};
		Some(match self.reclaim_at {
			Some(at) if at < term_end => (at, CloseReason::Reclaimed),
			_ => (term_end, CloseReason::TermEnded),
		})
	}

	/// How far the lease has come.
	pub fn progress(&self) -> Progress {
		let (started, receipt) = match self.state {
			LeaseState::Starting { receipt, .. } => (false, receipt),
			_ => (true, true),
		};
		Progress {
			kind: self.kind,
			started,
			receipt,
		}
	}
}

/// What a lease that its provider failed before the start still reserves of the bond, up to its start deadline.
#[derive(Encode, Decode, Clone, PartialEq, Eq, Debug, TypeInfo, MaxEncodedLen)]
pub struct KeptSlice {
	#[codec(compact)]
	pub provider: ProviderId,
	/// Planck.
	#[codec(compact)]
	pub slice: Balance,
	/// Block of its agenda entry, which was the lease's.
	#[codec(compact)]
	pub due: BlockNumber,
}

/// A change of size that the tenant proposes.
#[derive(Encode, Decode, Clone, PartialEq, Eq, Debug, TypeInfo, MaxEncodedLen)]
pub struct Resize {
	pub resources: Resources,
	/// The last block in which the provider may accept it.
	#[codec(compact)]
	pub until: BlockNumber,
}

/// The watch over a provider that has leases.
#[derive(Encode, Decode, Clone, PartialEq, Eq, Debug, TypeInfo, MaxEncodedLen)]
pub struct Watch {
	/// Block of its agenda entry.
	#[codec(compact)]
	pub due: BlockNumber,
	/// While its leases are being ended: the last one that was seen to.
	pub done: Option<LeaseId>,
}

/// [`LeaseRecord`] in a runtime.
pub type LeaseRecordOf<T> = LeaseRecord<<T as frame_system::Config>::AccountId>;

/// What is kept of a closed lease: who, why and how much.
#[derive(Encode, Decode, Clone, PartialEq, Eq, Debug, TypeInfo, MaxEncodedLen)]
pub struct ClosedLease<AccountId> {
	pub tenant: AccountId,
	#[codec(compact)]
	pub order: OrderId,
	#[codec(compact)]
	pub provider: ProviderId,
	pub reason: CloseReason,
	pub fault: Fault,
	#[codec(compact)]
	pub served_blocks: BlockNumber,
	/// Gross of the fees, planck.
	#[codec(compact)]
	pub paid: Balance,
	#[codec(compact)]
	pub fees: Balance,
	/// Back to the funders, with what they withdrew before, planck.
	#[codec(compact)]
	pub refunded: Balance,
	/// Paid to the tenant out of the provider's bond, planck.
	#[codec(compact)]
	pub compensation: Balance,
	/// Access grants of an earlier epoch are void.
	#[codec(compact)]
	pub epoch: u32,
	/// On hold until the record goes, planck.
	#[codec(compact)]
	pub record_deposit: Balance,
	#[codec(compact)]
	pub closed_at: BlockNumber,
	/// Block in which the record goes.
	#[codec(compact)]
	pub due: BlockNumber,
}

/// [`ClosedLease`] in a runtime.
pub type ClosedLeaseOf<T> = ClosedLease<<T as frame_system::Config>::AccountId>;
