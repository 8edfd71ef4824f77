//! What the market stores.

use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use frame_support::{
	traits::ConstU32,
	weights::{constants::RocksDbWeight, Weight},
	BoundedVec,
};
use leasehold_primitives::{
	math, Attributes, Balance, BlockNumber, CloseReason, Fault, LeaseId, ManifestHash, OrderId,
	ProviderId, Resources, Score, WorkloadKind,
};
use scale_info::TypeInfo;
use sp_runtime::Perbill;

/// One LEASE in planck.
const LEASE: Balance = 1_000_000_000_000;

/// Bids that an order keeps.
pub const MAX_BIDS: u32 = 16;

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
	/// Last blocks of bidding in which no bid can be withdrawn.
	pub bid_lock: BlockNumber,
	/// Open bids that a provider may have.
	pub max_open_bids: u32,
	/// Blocks from the match within which the workload must run.
	pub start_deadline: BlockNumber,
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
			// Ten minutes.
			start_deadline: 200,
			// An hour.
			compensation_blocks: 1_200,
			max_slice: 50 * LEASE,
			// A year.
			max_duration: 10_512_000,
			// A day.
			closed_retention: 28_800,
			agenda_horizon: 28_800,
			rank_weight: Perbill::from_percent(50),
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
			(self.start_deadline > 0, "start_deadline must not be 0"),
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
		relations
			.iter()
			.find(|(holds, _)| !holds)
			.map_or(Ok(()), |(_, why)| Err(why))
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
	/// Price ceiling, planck per served block; at least 1.
	#[codec(compact)]
	pub max_rate: Balance,
	pub asset: Asset,
	/// The least score of the provider.
	pub min_score: Score,
	/// Blocks from the start after which the lease ends.
	#[codec(compact)]
	pub max_duration: BlockNumber,
	pub selection: Selection,
	/// Blocks for which bids are taken.
	#[codec(compact)]
	pub bidding: BlockNumber,
	/// Goes into the lease's stream, planck.
	#[codec(compact)]
	pub deposit: Balance,
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
	/// The provider's score when it bid.
	pub score: Score,
}

impl Bid {
	/// What the bid ranks by; lower is better.
	pub fn rank(&self, rank_weight: Perbill) -> Balance {
		math::rank(self.rate, self.score, rank_weight)
	}
}

/// The best bid that did not win.
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
	/// On hold for the records, planck.
	#[codec(compact)]
	pub record_deposit: Balance,
	/// Block in which bidding ends.
	#[codec(compact)]
	pub bidding_ends: BlockNumber,
	/// Block of its agenda entry.
	#[codec(compact)]
	pub due: BlockNumber,
	/// Best first.
	pub bids: BoundedVec<Bid, ConstU32<MAX_BIDS>>,
}

/// [`OrderRecord`] in a runtime.
pub type OrderRecordOf<T> = OrderRecord<<T as frame_system::Config>::AccountId>;

/// What a tenant has open under a manifest.
#[derive(Encode, Decode, Clone, Copy, PartialEq, Eq, Debug, TypeInfo, MaxEncodedLen)]
pub enum OpenItem {
	Order(OrderId),
	Lease(LeaseId),
}

/// Where a lease stands.
#[derive(Encode, Decode, Clone, Copy, PartialEq, Eq, Debug, TypeInfo, MaxEncodedLen)]
pub enum LeaseState {
	/// Waits for the manifest and the workload, at most until block `deadline`.
	Starting { deadline: BlockNumber },
	/// The workload runs, at most until block `term_end`.
	Active { term_end: BlockNumber },
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
	/// Reserved of the provider's capacity.
	pub taken: Resources,
	/// Reserved of the provider's bond, planck.
	#[codec(compact)]
	pub slice: Balance,
	/// On hold for the records, planck.
	#[codec(compact)]
	pub record_deposit: Balance,
	/// Blocks from the start after which the lease ends.
	#[codec(compact)]
	pub max_duration: BlockNumber,
	pub state: LeaseState,
	/// Block of its agenda entry.
	#[codec(compact)]
	pub due: BlockNumber,
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
	#[codec(compact)]
	pub refunded: Balance,
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

/// Weights of the calls and visits of this pallet.
pub trait WeightInfo {
	fn place_order() -> Weight;
	fn cancel_order() -> Weight;
	fn place_bid() -> Weight;
	fn withdraw_bid() -> Weight;
	fn start_lease() -> Weight;
	fn close_lease() -> Weight;
	fn visit_order() -> Weight;
	fn visit_lease() -> Weight;
	fn visit_closed() -> Weight;
}

/// Hand figures, not measured: what each call touches at its worst (sixteen bids, eight funders),
/// at RocksDB's prices.
impl WeightInfo for () {
	fn place_order() -> Weight {
		hand(150, 8, 8)
	}
	fn cancel_order() -> Weight {
		hand(250, 25, 25)
	}
	fn place_bid() -> Weight {
		hand(150, 10, 4)
	}
	fn withdraw_bid() -> Weight {
		hand(100, 4, 2)
	}
	fn start_lease() -> Weight {
		hand(150, 10, 8)
	}
	fn close_lease() -> Weight {
		hand(1_800, 50, 50)
	}
	fn visit_order() -> Weight {
		hand(1_000, 90, 40)
	}
	fn visit_lease() -> Weight {
		hand(1_800, 50, 50)
	}
	fn visit_closed() -> Weight {
		hand(80, 3, 3)
	}
}

fn hand(micros: u64, reads: u64, writes: u64) -> Weight {
	let db = RocksDbWeight::get().reads_writes(reads, writes);
	Weight::from_parts(micros.saturating_mul(1_000_000), 0).saturating_add(db)
}
