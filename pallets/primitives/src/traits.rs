//! The traits through which the pallets meet.

use crate::{
	AgendaItem, Attributes, Balance, BlockNumber, Fault, LeaseId, PriceSheet, ProviderId,
	Requirement, Resources, Score,
};
use alloc::boxed::Box;
use frame_support::{dispatch::DispatchResult, weights::Weight};
use sp_runtime::{DispatchError, Perbill};

/// The chain's list of deadlines.
pub trait Agenda {
	/// Puts `item` on the list for block `at`, or for the next one if that is past. The record of
	/// the item stores the returned block as its `due`.
	fn schedule(item: AgendaItem, at: BlockNumber) -> BlockNumber;
	/// What an entry costs whose item waits for another block by now.
	fn look() -> Weight;
}

/// Where due items are handled.
pub trait AgendaHandler {
	/// The block for which the item's record waits; `None` if there is no such record any more.
	fn due(item: AgendaItem) -> Option<BlockNumber>;
	/// Handles a due item. It must move the item's `due` or remove its record.
	fn visit(item: AgendaItem) -> DispatchResult;
	/// Moves the `due` of an item whose visit failed, without putting it on the list.
	fn postpone(item: AgendaItem, due: BlockNumber);
	/// The most that one visit of the item costs, as it stands.
	fn weight(item: AgendaItem) -> Weight;
	/// The most that one visit of any item can cost.
	fn dearest() -> Weight;
}

/// What a tenant wants of a provider.
pub struct Demand<'a, AccountId> {
	pub tenant: &'a AccountId,
	pub resources: &'a Resources,
	/// What the provider must say about itself.
	pub attributes: &'a Attributes,
	/// Each of these auditors must have attested all attributes.
	pub all_of: &'a [AccountId],
	/// One of these auditors must have, unless there are none.
	pub any_of: &'a [AccountId],
	/// What the lease would reserve of the bond, planck.
	pub slice: Balance,
	/// A standing bid binds a provider that has paused since.
	pub standing: bool,
}

/// The registry of providers.
pub trait ProviderRegistry<AccountId> {
	/// The provider whose operator `who` is.
	fn of_operator(who: &AccountId) -> Option<ProviderId>;
	/// All providers, or those after this one in the registry's own order.
	fn all(after: Option<ProviderId>) -> Box<dyn Iterator<Item = ProviderId>>;
	/// The account that owns the provider: bond and payouts.
	fn owner(provider: ProviderId) -> Option<AccountId>;
	/// The account that operated the provider in block `at`, as far as that is still known.
	fn operator_at(provider: ProviderId, at: BlockNumber) -> Option<AccountId>;
	/// What a lease would take of the provider, or the first requirement it does not meet.
	fn eligible(provider: ProviderId, demand: &Demand<AccountId>)
		-> Result<Resources, Requirement>;
	/// The provider's standing price sheet and its version.
	fn offer(provider: ProviderId) -> Option<(u32, PriceSheet)>;
	/// How many leases the provider has open.
	fn leases(provider: ProviderId) -> u32;
	/// Reserves what [`Self::eligible`] said, for one lease.
	fn reserve(provider: ProviderId, taken: &Resources, slice: Balance) -> DispatchResult;
	/// Replaces what a lease has reserved. Fails if the provider has not got it.
	fn exchange(
		provider: ProviderId,
		old: (&Resources, Balance),
		new: (&Resources, Balance),
	) -> DispatchResult;
	/// Replaces what a lease has reserved by what `request` would take of the provider if it had not got that,
	/// and its slice by the one that `slice` gives for this. Fails if the provider has not got it.
	fn resize(
		provider: ProviderId,
		old: (&Resources, Balance),
		request: &Resources,
		slice: impl FnOnce(&Resources) -> Result<Balance, DispatchError>,
	) -> Result<Resources, DispatchError>;
	/// Gives back what a lease has reserved.
	fn release(provider: ProviderId, taken: &Resources, slice: Balance) -> DispatchResult;
	/// Pays `amount` planck of a lease's slice to the tenant. The slice must still be reserved.
	fn compensate(provider: ProviderId, to: &AccountId, amount: Balance) -> DispatchResult;
	/// Blocks served by the provider up to now, by its heartbeats.
	fn served(provider: ProviderId) -> BlockNumber;
	/// Counts a call of the provider as a heartbeat. The block in which it had served nothing for too long, or
	/// would have without it: [`Self::offline_at`] as it stood.
	fn beat(provider: ProviderId) -> BlockNumber;
	/// The block from which on the provider serves nothing more, unless it beats.
	fn on_duty_until(provider: ProviderId) -> BlockNumber;
	/// The block in which a provider that serves nothing has done so for too long. Coming back later than that
	/// does not move it for as long as the provider has leases.
	fn offline_at(provider: ProviderId) -> BlockNumber;
	/// Blocks between two heartbeats, at least.
	fn heartbeat_period() -> BlockNumber;
	/// Blocks for which a provider may serve nothing before its leases end.
	fn max_downtime() -> BlockNumber;
	/// The block in which serving nothing, or a pause, that counts from block `from` on has lasted for as long. It began
	/// in block `since`: what the terms allowed then counts, if that was more.
	fn too_long_at(since: BlockNumber, from: BlockNumber) -> BlockNumber;
}

/// Most accounts whose money is in one stream.
pub const MAX_FUNDERS: u32 = 8;

/// What a stream is opened with.
pub struct StreamOpening<AccountId> {
	pub lease: LeaseId,
	pub provider: ProviderId,
	pub tenant: AccountId,
	/// Planck a block, gross of the fee.
	pub rate: Balance,
	/// Planck, of what [`Streams::hold`] took of the tenant.
	pub deposit: Balance,
	/// The part of the rate that a block of waiting in vain costs.
	pub start_rate: Perbill,
	/// Blocks of the rate that no funder may withdraw.
	pub notice: BlockNumber,
}

/// What a stream has moved so far, planck.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct StreamTotals {
	/// Gross of the fee; with what a failed start cost.
	pub paid: Balance,
	/// The protocol's part of `paid`.
	pub fees: Balance,
	/// Returned to the funders, with what they withdrew before.
	pub refunded: Balance,
	/// Blocks that were paid at the full rate.
	pub served_blocks: BlockNumber,
}

/// The escrow behind leases.
pub trait Streams<AccountId> {
	/// The least first deposit for a stream at `rate` that may wait `start_deadline` blocks.
	fn minimal_deposit(
		rate: Balance,
		start_deadline: BlockNumber,
	) -> Result<Balance, DispatchError>;
	/// Puts `amount` planck of `who` on hold for its orders and leases. All that is held for these is
	/// under one reason, so that a match moves nothing.
	fn hold(who: &AccountId, amount: Balance) -> DispatchResult;
	/// Gives back `amount` planck of what [`Self::hold`] took.
	fn release(who: &AccountId, amount: Balance) -> DispatchResult;
	/// Pays a fee out of what [`Self::hold`] took. A destination that cannot take it gets nothing: that
	/// must not keep an order from ending. The planck that were taken.
	fn charge(who: &AccountId, fee: Balance) -> Result<Balance, DispatchError>;
	/// Opens a stream at rest: nothing accrues before `accrue`.
	fn open(opening: StreamOpening<AccountId>) -> DispatchResult;
	/// Begins to accrue at the full rate; at most the blocks up to `deadline` will ever be paid.
	fn accrue(lease: LeaseId, deadline: BlockNumber) -> DispatchResult;
	/// Settles, and accrues at the storage rate from now on.
	fn store(lease: LeaseId, deadline: BlockNumber) -> DispatchResult;
	/// Settles, and accrues nothing from now on.
	fn rest(lease: LeaseId) -> DispatchResult;
	/// Pays nothing for blocks after `deadline`.
	fn cap(lease: LeaseId, deadline: BlockNumber) -> DispatchResult;
	/// Settles, and accrues at what `resized` makes of the rate from now on, with the storage rate and reserve
	/// of the terms in force. The balance must cover the new reserve and the least time at the new rate, which
	/// is returned.
	fn resize(
		lease: LeaseId,
		resized: impl FnOnce(Balance) -> Option<Balance>,
	) -> Result<Balance, DispatchError>;
	/// Pays out what has accrued; the blocks that were paid.
	fn settle(lease: LeaseId) -> Result<BlockNumber, DispatchError>;
	/// Blocks of notice that were agreed; 0 if none were.
	fn notice(lease: LeaseId) -> BlockNumber;
	/// Accounts whose money is in the stream; 0 if there is no such stream.
	fn funders(lease: LeaseId) -> u32;
	/// Blocks that the balance still pays for as it accrues now (above the reserve unless stored),
	/// beyond those that are owed.
	fn funded_blocks(lease: LeaseId) -> BlockNumber;
	/// Takes the next refill from the tenant's free balance, if one was agreed and the balance
	/// covers it; whether something was taken. It pays for the least time at the full rate, even if more than
	/// was agreed for once must be taken of the budget. The stream must have been settled in this block, or
	/// blocks past dry would become owed.
	fn refill(lease: LeaseId) -> bool;
	/// Whether refills are agreed, and not used up.
	fn refills(lease: LeaseId) -> bool;
	/// Settles, charges for `waited` blocks of a start that came to nothing, returns the rest to the
	/// funders and removes the stream.
	fn close(lease: LeaseId, waited: BlockNumber) -> Result<StreamTotals, DispatchError>;
}

/// Hears of deposits and withdrawals.
pub trait StreamObserver {
	/// The most that the agenda's next visit of a lease with so many funders costs.
	fn visit_weight(funders: u32) -> Weight;
	/// Blocks that a refill must at least pay for, so that it does not call for visit after visit.
	fn refill_blocks() -> BlockNumber;
	/// A suspended stream is funded again as a new one would be: its lease resumes.
	fn funded_again(lease: LeaseId) -> DispatchResult;
	/// Funds were withdrawn: the stream may run dry sooner than was noted.
	fn funds_left(lease: LeaseId) -> DispatchResult;
}

/// How a lease went, for the scores of both parties.
pub struct Outcome<AccountId> {
	pub provider: ProviderId,
	pub tenant: AccountId,
	pub fault: Fault,
	/// Gross amount paid, planck: what a good outcome counts.
	pub paid: Balance,
	/// What a fault weighs by, planck; at least what was paid.
	pub at_stake: Balance,
}

/// Hears of each lease that has ended, once.
pub trait OutcomeObserver<AccountId> {
	fn observe(outcome: Outcome<AccountId>);
}

/// Reads scores.
pub trait Scores<AccountId> {
	/// Lower confidence bound of the provider's score.
	fn provider(provider: ProviderId) -> Score;
	/// The same for a dealing over `value` planck, against which what was earned is small if it is dear.
	fn provider_for(provider: ProviderId, value: Balance) -> Score;
	/// Lower confidence bound of the tenant's score.
	fn tenant(tenant: &AccountId) -> Score;
}
