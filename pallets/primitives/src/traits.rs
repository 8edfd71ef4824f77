//! The traits through which the pallets meet.

use crate::{
	AgendaItem, Attributes, Balance, BlockNumber, Fault, LeaseId, ProviderId, Requirement,
	Resources, Score,
};
use frame_support::{dispatch::DispatchResult, weights::Weight};
use sp_runtime::DispatchError;

/// The chain's list of deadlines.
pub trait Agenda {
	/// Puts `item` on the list for block `at`, or for the next one if that is past. The record of
	/// the item stores the returned block as its `due`.
	fn schedule(item: AgendaItem, at: BlockNumber) -> BlockNumber;
}

/// Where due items are handled.
pub trait AgendaHandler {
	/// The block for which the item's record waits; `None` if there is no such record any more.
	fn due(item: AgendaItem) -> Option<BlockNumber>;
	/// Handles a due item. It must move the item's `due` or remove its record.
	fn visit(item: AgendaItem) -> DispatchResult;
	/// Moves the `due` of an item whose visit failed, without putting it on the list.
	fn postpone(item: AgendaItem, due: BlockNumber);
	/// The most that one visit of the item costs.
	fn weight(item: AgendaItem) -> Weight;
}

/// The registry of providers.
pub trait ProviderRegistry<AccountId> {
	/// The provider whose operator `who` is.
	fn of_operator(who: &AccountId) -> Option<ProviderId>;
	/// The account that owns the provider: bond and payouts.
	fn owner(provider: ProviderId) -> Option<AccountId>;
	/// Whether `who` is the provider's owner or operator.
	fn is_self(provider: ProviderId, who: &AccountId) -> bool;
	/// What the provider would lack for a lease of these resources that reserves `slice` planck of
	/// its bond. A `standing` bid binds a provider that has paused since.
	fn eligible(
		provider: ProviderId,
		request: &Resources,
		attributes: &Attributes,
		slice: Balance,
		standing: bool,
	) -> Result<(), Requirement>;
	/// Reserves capacity and bond for one lease; returns what was taken, to be given back to
	/// `release`.
	fn reserve(
		provider: ProviderId,
		request: &Resources,
		slice: Balance,
	) -> Result<Resources, DispatchError>;
	/// Gives back what `reserve` took.
	fn release(provider: ProviderId, taken: &Resources, slice: Balance) -> DispatchResult;
	/// Blocks served by the provider up to now, by its heartbeats.
	fn served(provider: ProviderId) -> BlockNumber;
	/// Counts a call of the provider as a heartbeat.
	fn beat(provider: ProviderId);
	/// Blocks between two heartbeats, at least.
	fn heartbeat_period() -> BlockNumber;
}

/// What a stream is opened with.
pub struct StreamOpening<AccountId> {
	pub lease: LeaseId,
	pub provider: ProviderId,
	pub tenant: AccountId,
	/// Planck a block, gross of the fee.
	pub rate: Balance,
	/// Planck, held from the tenant's free balance.
	pub deposit: Balance,
}

/// What a stream has moved so far, planck.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct StreamTotals {
	/// Gross of the fee.
	pub paid: Balance,
	/// The protocol's part of `paid`.
	pub fees: Balance,
	/// Returned to the funders.
	pub refunded: Balance,
	/// Blocks that were paid.
	pub served_blocks: BlockNumber,
}

/// The escrow behind leases.
pub trait Streams<AccountId> {
	/// The least first deposit for a stream at `rate` that may wait `start_deadline` blocks.
	fn minimal_deposit(
		rate: Balance,
		start_deadline: BlockNumber,
	) -> Result<Balance, DispatchError>;
	/// Opens a stream at rest: nothing accrues before `start`.
	fn open(opening: StreamOpening<AccountId>) -> DispatchResult;
	/// Begins to accrue; at most the blocks up to `deadline` will ever be paid.
	fn start(lease: LeaseId, deadline: BlockNumber) -> DispatchResult;
	/// Pays out what has accrued; the blocks that were paid.
	fn settle(lease: LeaseId) -> Result<BlockNumber, DispatchError>;
	/// Blocks that the balance above the reserve still pays for.
	fn funded_blocks(lease: LeaseId) -> BlockNumber;
	/// Settles, returns the rest to the funders and removes the stream.
	fn close(lease: LeaseId) -> Result<StreamTotals, DispatchError>;
}

/// How a lease went, for the scores of both parties.
pub struct Outcome<AccountId> {
	pub provider: ProviderId,
	pub tenant: AccountId,
	pub fault: Fault,
	/// Gross amount paid, planck.
	pub value: Balance,
}

/// Hears of each lease that has ended, once.
pub trait OutcomeObserver<AccountId> {
	fn observe(outcome: Outcome<AccountId>);
}

/// Reads scores.
pub trait Scores<AccountId> {
	/// Lower confidence bound of the provider's score.
	fn provider(provider: ProviderId) -> Score;
	/// Lower confidence bound of the tenant's score.
	fn tenant(tenant: &AccountId) -> Score;
}
