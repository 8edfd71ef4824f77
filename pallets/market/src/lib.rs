//! # Market: orders, bids and leases
//!
//! Glossary: a *tenant* places an *order* for capacity with a price ceiling. *Providers* *bid* a
//! rate (planck per served block) until bidding ends; then the chain *clears* the order: it walks
//! from the best bid, skips who is no longer eligible, and makes a *lease* of the first that is. The
//! provider *starts* the lease when the workload runs; a lease ends with a *close reason*.
//!
//! ```text
//! order:  Open → Matched | Cancelled | Expired
//! bid:    Open → Won | Lost | Withdrawn | Evicted
//! lease:  Starting → Active ⇄ Suspended(Dry | ProviderPaused) → Closed(reason)
//!             └─────────────────────────────────────────────↗
//! ```
//!
//! An order may leave the choice to its tenant (`Manual`), or be matched at once with a provider's
//! standing *offer* ([`Call::lease_now`]). It may be for several leases.
//!
//! Bids have no deposit: the provider's bond backs them. They rank by
//! [`leasehold_primitives::math::rank`] with the score that the provider had when it bid; ties go to
//! the earlier bid. An order keeps its best sixteen. A provider may lower its bid. Who overtakes another
//! in the last blocks must do so clearly, and bidding goes on, so that the others can answer.
//!
//! Everything that is waited for has a deadline in the agenda: the end of bidding and of the time to
//! pick, the start, the stream running low and dry, the reserve running out, the notice, the maximal
//! duration, the provider's absence, the retention of the closed record.

#![cfg_attr(not(feature = "std"), no_std)]
#![forbid(unsafe_code)]

pub use pallet::*;

mod bids;
mod changes;
mod clearing;
mod deadlines;
mod leases;
pub mod migrations;
mod orders;
pub mod reads;
mod suspension;
mod try_state;
mod types;
mod weights;
pub use types::*;
pub use weights::WeightInfo;
use weights::MAX_AUDITORS;

// FRAME's macros expand to `expect`.
#[allow(clippy::expect_used)]
#[frame_support::pallet]
pub mod pallet {
	extern crate alloc;

	use super::*;
	use alloc::vec::Vec;
	use frame_support::pallet_prelude::*;
	use frame_system::pallet_prelude::*;
	use leasehold_primitives::{
		terms::Former, Agenda, Balance, BlockNumber, CloseReason, FailureCode, Fault, LeaseId,
		ManifestHash, OrderId, OutcomeObserver, ProviderId, ProviderRegistry, Requirement,
		Resources, ResultHash, Score, Scores, Streams, MAX_FUNDERS,
	};
	use sp_runtime::traits::{IdentifyAccount, Verify};

	const STORAGE_VERSION: StorageVersion = StorageVersion::new(2);

	#[pallet::pallet]
	#[pallet::storage_version(STORAGE_VERSION)]
	pub struct Pallet<T>(_);

	#[pallet::config]
	pub trait Config: frame_system::Config<RuntimeEvent: From<Event<Self>>> {
		/// The providers, their capacity and bond.
		type Registry: ProviderRegistry<Self::AccountId>;
		/// The escrow behind orders and leases: it holds all money.
		type Streams: Streams<Self::AccountId>;
		/// Where deadlines are written down.
		type Agenda: Agenda;
		/// Who hears of ended leases and knows the scores.
		type Reputation: OutcomeObserver<Self::AccountId> + Scores<Self::AccountId>;
		/// Key of an operator.
		type Signer: IdentifyAccount<AccountId = Self::AccountId>;
		/// Signature of an operator under a receipt.
		type Signature: Parameter + Verify<Signer = Self::Signer>;
		/// Who may set terms.
		type AdminOrigin: EnsureOrigin<Self::RuntimeOrigin>;
		/// Weights of the calls.
		type WeightInfo: WeightInfo;
	}

	/// Why this pallet held funds up to version 1; the escrow holds them since.
	#[pallet::composite_enum]
	pub enum HoldReason {
		/// The deposit of an open order.
		Order,
		/// For the records of an order and its lease.
		Record,
	}

	/// The terms in force. A lease carries those that touch its money in its own record.
	#[pallet::storage]
	pub type CurrentTerms<T: Config> = StorageValue<_, Terms, ValueQuery>;

	/// The longest manifest deadline before it was lowered.
	#[pallet::storage]
	pub type FormerManifestDeadline<T: Config> = StorageValue<_, Former>;

	/// The id that the next order gets.
	#[pallet::storage]
	pub type NextOrderId<T: Config> = StorageValue<_, OrderId, ValueQuery>;

	/// The id that the next lease gets.
	#[pallet::storage]
	pub type NextLeaseId<T: Config> = StorageValue<_, LeaseId, ValueQuery>;

	/// Open orders.
	#[pallet::storage]
	pub type Orders<T: Config> = StorageMap<_, Identity, OrderId, OrderRecordOf<T>>;

	/// Leases that are not closed. Ids count up, nobody chooses them: they need no hashing.
	#[pallet::storage]
	pub type Leases<T: Config> = StorageMap<_, Identity, LeaseId, LeaseRecordOf<T>>;

	/// Closed leases until their retention ends.
	#[pallet::storage]
	pub type ClosedLeases<T: Config> = StorageMap<_, Identity, LeaseId, ClosedLeaseOf<T>>;

	/// What a tenant has open, by the first half of the manifest's hash: an open order, or the leases
	/// made of it. Keeps a repeated order from being placed twice.
	#[pallet::storage]
	pub type OpenManifests<T: Config> =
		StorageDoubleMap<_, Blake2_128Concat, T::AccountId, Identity, ManifestKey, OpenItem>;

	/// Open leases of a provider.
	#[pallet::storage]
	pub type ProviderLeases<T: Config> =
		StorageDoubleMap<_, Identity, ProviderId, Identity, LeaseId, ()>;

	/// The open bids of a provider, by the leases that they may come to.
	#[pallet::storage]
	pub type OpenBids<T: Config> = StorageMap<_, Twox64Concat, ProviderId, u32, ValueQuery>;

	/// Changes of size that tenants propose; a proposal goes with its lease at the latest.
	#[pallet::storage]
	pub type Resizes<T: Config> = StorageMap<_, Identity, LeaseId, Resize>;

	/// Slices of leases that their providers failed before the start.
	#[pallet::storage]
	pub type KeptSlices<T: Config> = StorageMap<_, Identity, LeaseId, KeptSlice>;

	/// Providers that have leases, and are watched therefore.
	#[pallet::storage]
	pub type Watches<T: Config> = StorageMap<_, Identity, ProviderId, Watch>;

	#[pallet::genesis_config]
	#[derive(frame_support::DefaultNoBound)]
	pub struct GenesisConfig<T: Config> {
		pub terms: TermsV1,
		#[serde(skip)]
		pub _config: core::marker::PhantomData<T>,
	}

	#[pallet::genesis_build]
	impl<T: Config> BuildGenesisConfig for GenesisConfig<T> {
		fn build(&self) {
			let sound = Pallet::<T>::check_terms(&self.terms);
			assert_eq!(sound, Ok(()), "terms of the market");
			CurrentTerms::<T>::put(Terms::V1(self.terms.clone()));
		}
	}

	#[pallet::event]
	#[pallet::generate_deposit(pub(super) fn deposit_event)]
	pub enum Event<T: Config> {
		/// An order is open for bids up to block `bidding_ends`.
		OrderPlaced {
			order: OrderId,
			tenant: T::AccountId,
			spec: OrderOf<T>,
			record_deposit: Balance,
			bidding_ends: BlockNumber,
		},
		/// The tenant took an order back; `fee` planck went to the fee destination because there
		/// were bids.
		OrderCancelled { order: OrderId, fee: Balance },
		/// The order ended without a lease: no eligible bids, too few of them, or none picked. All
		/// deposits went back to the tenant, but for the `fee` if it did not pick.
		OrderExpired { order: OrderId, fee: Balance },
		/// A provider bid `rate`, or lowered its bid to it; `rank` follows from the rate and the provider's
		/// score for as many leases of this value as it has open, its bids' among them.
		BidPlaced {
			order: OrderId,
			provider: ProviderId,
			rate: Balance,
			score: Score,
			rank: Balance,
		},
		/// A bid overtook another in the last blocks: bids are taken up to block `bidding_ends`.
		BiddingExtended {
			order: OrderId,
			bidding_ends: BlockNumber,
		},
		/// A provider took its bid back.
		BidWithdrawn {
			order: OrderId,
			provider: ProviderId,
		},
		/// Sixteen better bids pushed this one out.
		BidEvicted {
			order: OrderId,
			provider: ProviderId,
		},
		/// While clearing, a better bid was passed over because its provider no longer meets the
		/// order.
		BidSkipped {
			order: OrderId,
			provider: ProviderId,
			requirement: Requirement,
		},
		/// An order, or a part of it, became a lease: it is `Starting`, and its workload must run by
		/// block `start_deadline`. The runner-up is the next bid in order of rank; with an offer nothing
		/// is ranked, and the rank is the rate.
		OrderMatched {
			order: OrderId,
			lease: LeaseId,
			provider: ProviderId,
			rate: Balance,
			rank: Balance,
			runner_up: Option<RunnerUp>,
			taken: Resources,
			slice: Balance,
			start_deadline: BlockNumber,
		},
		/// The provider reports that the workload runs; the lease ends in block `term_end` at the
		/// latest.
		LeaseStarted {
			lease: LeaseId,
			term_end: BlockNumber,
		},
		/// The tenant put the provider's receipt for the manifest on chain, given in block `block`.
		ReceiptSubmitted { lease: LeaseId, block: BlockNumber },
		/// Funds are left up to block `dry_at`, if the provider stays on duty.
		FundsLow { lease: LeaseId, dry_at: BlockNumber },
		/// The workload stops and its data is kept.
		LeaseSuspended { lease: LeaseId, why: Suspension },
		/// The workload may run again.
		LeaseResumed { lease: LeaseId },
		/// The provider gave notice: it takes its capacity back in block `ends`.
		LeaseReclaimed { lease: LeaseId, ends: BlockNumber },
		/// The tenant runs another manifest from now on.
		ManifestUpdated {
			lease: LeaseId,
			manifest_hash: ManifestHash,
		},
		/// The tenant proposes another size; the provider may accept it up to block `until`.
		ResizeProposed {
			lease: LeaseId,
			resources: Resources,
			until: BlockNumber,
		},
		/// The tenant took its proposal back.
		ResizeWithdrawn { lease: LeaseId },
		/// The lease has another size and rate from now on.
		LeaseResized {
			lease: LeaseId,
			taken: Resources,
			slice: Balance,
			rate: Balance,
		},
		/// All access grants of earlier epochs are void.
		AccessRevoked { lease: LeaseId, epoch: u32 },
		/// New terms are in force.
		TermsSet { terms: Terms },
		/// A lease ended. Amounts in planck; `paid` is gross of `fees`; `refunded` went back to the funders,
		/// with what they withdrew before; `compensation` went to the tenant out of the provider's bond.
		LeaseClosed {
			lease: LeaseId,
			order: OrderId,
			tenant: T::AccountId,
			provider: ProviderId,
			reason: CloseReason,
			fault: Fault,
			served_blocks: BlockNumber,
			paid: Balance,
			fees: Balance,
			refunded: Balance,
			compensation: Balance,
		},
		/// The record of a closed lease is gone, and its record deposit went back to the tenant.
		LeaseSwept {
			lease: LeaseId,
			record_deposit: Balance,
		},
		/// The lease reserves `slice` planck of the bond from its start on: what its own rate asks for.
		SliceReduced { lease: LeaseId, slice: Balance },
		/// The provider failed the lease before it started: its slice stays reserved up to block `until`, for as
		/// long as waiting in vain would have kept it.
		SliceKept {
			lease: LeaseId,
			slice: Balance,
			until: BlockNumber,
		},
		/// A kept slice is free again.
		SliceFreed { lease: LeaseId, slice: Balance },
	}

	#[pallet::error]
	pub enum Error<T> {
		/// There is no open order with this id.
		UnknownOrder,
		/// There is no open lease with this id.
		UnknownLease,
		/// The order or lease belongs to another tenant.
		NotTenant,
		/// The caller operates no provider.
		NotProvider,
		/// The lease belongs to another provider.
		NotLeaseProvider,
		/// The resources are empty or contradict themselves.
		InvalidResources,
		/// The price ceiling or the bid is below 1 planck a block.
		ZeroRate,
		/// The maximal duration is 0 or above what the terms allow.
		InvalidDuration,
		/// The bidding period is shorter or longer than the terms allow.
		InvalidBidding,
		/// The deposit would not pay for the least time at the price ceiling.
		DepositTooLow,
		/// An open order or lease of the tenant has this manifest already.
		ManifestInUse,
		/// Bidding is over.
		BiddingEnded,
		/// The bid is above the order's price ceiling.
		RateTooHigh,
		/// The provider has a bid on this order that is as low, or by its score of then ranks as well.
		AlreadyBid,
		/// The provider has as many open bids as it may have.
		TooManyBids,
		/// The order has sixteen better bids.
		OutbidByAll,
		/// The provider has no bid on this order.
		NoBid,
		/// In the second half of bidding no bid is withdrawn.
		BidLocked,
		/// The provider lacks capacity, an attribute or free bond for this order, or takes no new
		/// leases.
		NotEligible,
		/// The provider's score is below what the order asks for.
		ScoreTooLow,
		/// The lease has started already.
		AlreadyStarted,
		/// The lease has not started.
		NotStarted,
		/// The lease is not active.
		NotActive,
		/// The lease is not paused by its provider.
		NotPaused,
		/// The deadline is past.
		TooLate,
		/// The manifest deadline is not yet reached.
		TooEarly,
		/// Only a job can be completed.
		NotAJob,
		/// An order is for 1 to 8 leases, and needs 1 of them at least; with an offer it is for one.
		InvalidQuantity,
		/// The notice is above what the terms allow.
		InvalidNotice,
		/// The order's selection does not go with this call.
		WrongSelection,
		/// The provider has no standing offer.
		NoOffer,
		/// The provider's offer has another version by now.
		OfferChanged,
		/// The provider's offer has no price for something that is asked for.
		NotOffered,
		/// The provider's daemon is not on duty.
		NotOnDuty,
		/// The receipt is on chain.
		ReceiptOnChain,
		/// The receipt is not this provider's for this lease, or from a block when there was none.
		InvalidReceipt,
		/// The order agreed no notice, so the provider may not take its capacity back.
		NoNotice,
		/// The provider has given notice already.
		AlreadyReclaimed,
		/// The provider was on duty within the downtime that the terms allow.
		NotOffline,
		/// Others have the capacity that resuming takes.
		CapacityTaken,
		/// The tenant has not proposed this change of size, or its time is over.
		NoProposal,
		/// Nothing would change.
		NothingToDo,
		/// The terms contradict themselves.
		TermsContradict,
		/// A sum does not fit into its type.
		Overflow,
		/// In the second half of bidding, a bid overtakes another only if it ranks better by a hundredth.
		LateUndercut,
		/// The lease should have ended by now: its time is over, or its provider was absent, or kept it paused, for
		/// too long.
		Overdue,
	}

	#[pallet::call]
	impl<T: Config> Pallet<T> {
		/// Places an order. Its deposit and the record deposit are put on hold; bidding ends by
		/// itself. An order with a manifest that the tenant has open already is refused.
		#[pallet::call_index(0)]
		#[pallet::weight(Pallet::<T>::placing(order.v1()))]
		pub fn place_order(origin: OriginFor<T>, order: OrderOf<T>) -> DispatchResult {
			let tenant = ensure_signed(origin)?;
			Self::do_place_order(tenant, order)
		}

		/// Takes an open order back. Tenant only. Costs the cancel fee if there are bids.
		#[pallet::call_index(1)]
		#[pallet::weight(T::WeightInfo::cancel_order(MAX_BIDS))]
		pub fn cancel_order(origin: OriginFor<T>, order: OrderId) -> DispatchResultWithPostInfo {
			let tenant = ensure_signed(origin)?;
			let bids = Self::do_cancel_order(tenant, order)?;
			Ok(Some(T::WeightInfo::cancel_order(bids)).into())
		}

		/// Bids `rate` planck per served block, or lowers the provider's bid to it. Operator only; the
		/// provider must meet the order now and again when the chain clears it. A bid that overtakes another
		/// in the last blocks extends bidding.
		#[pallet::call_index(2)]
		#[pallet::weight(Pallet::<T>::bidding(MAX_AUDITORS, true))]
		pub fn place_bid(
			origin: OriginFor<T>,
			order: OrderId,
			rate: Balance,
		) -> DispatchResultWithPostInfo {
			let operator = ensure_signed(origin)?;
			let (auditors, extended) = Self::do_place_bid(operator, order, rate)?;
			Ok(Some(Self::bidding(auditors, extended)).into())
		}

		/// Takes a bid back. Operator only; not in the second half of bidding.
		#[pallet::call_index(3)]
		#[pallet::weight(T::WeightInfo::withdraw_bid())]
		pub fn withdraw_bid(origin: OriginFor<T>, order: OrderId) -> DispatchResult {
			let operator = ensure_signed(origin)?;
			Self::do_withdraw_bid(operator, order)
		}

		/// Reports that the workload runs: the stream begins to accrue. Operator only, before the
		/// start deadline. Counts as a heartbeat.
		#[pallet::call_index(4)]
		#[pallet::weight(Pallet::<T>::with_visit(T::WeightInfo::start_lease(), MAX_FUNDERS))]
		pub fn start_lease(origin: OriginFor<T>, lease: LeaseId) -> DispatchResultWithPostInfo {
			let operator = ensure_signed(origin)?;
			Self::do_start_lease(operator, lease)?;
			let funders = T::Streams::funders(lease);
			Ok(Some(Self::with_visit(T::WeightInfo::start_lease(), funders)).into())
		}

		/// Reports that a job has exited by itself, whatever its exit code. Operator only.
		#[pallet::call_index(5)]
		#[pallet::weight(T::WeightInfo::complete_lease(MAX_FUNDERS))]
		pub fn complete_lease(
			origin: OriginFor<T>,
			lease: LeaseId,
			exit_code: i32,
			result_hash: ResultHash,
		) -> DispatchResultWithPostInfo {
			let operator = ensure_signed(origin)?;
			let funders = T::Streams::funders(lease);
			Self::do_complete_lease(operator, lease, exit_code, result_hash)?;
			Ok(Some(T::WeightInfo::complete_lease(funders)).into())
		}

		/// Reports that the workload cannot be run. Operator only.
		#[pallet::call_index(6)]
		#[pallet::weight(T::WeightInfo::fail_lease(MAX_FUNDERS))]
		pub fn fail_lease(
			origin: OriginFor<T>,
			lease: LeaseId,
			code: FailureCode,
		) -> DispatchResultWithPostInfo {
			let operator = ensure_signed(origin)?;
			let funders = T::Streams::funders(lease);
			Self::do_fail_lease(operator, lease, code)?;
			Ok(Some(T::WeightInfo::fail_lease(funders)).into())
		}

		/// Ends a lease. Tenant only, at any time.
		#[pallet::call_index(7)]
		#[pallet::weight(T::WeightInfo::close_lease(MAX_FUNDERS))]
		pub fn close_lease(origin: OriginFor<T>, lease: LeaseId) -> DispatchResultWithPostInfo {
			let who = ensure_signed(origin)?;
			let funders = T::Streams::funders(lease);
			Self::do_close_lease(who, lease)?;
			Ok(Some(T::WeightInfo::close_lease(funders)).into())
		}

		/// Picks bids of an order with `Manual` selection: as many as the order needs at least. Tenant
		/// only, until its time to pick is over.
		#[pallet::call_index(8)]
		#[pallet::weight(Pallet::<T>::picking(MAX_LEASES, MAX_BIDS, MAX_AUDITORS))]
		pub fn pick(
			origin: OriginFor<T>,
			order: OrderId,
			providers: Picks,
		) -> DispatchResultWithPostInfo {
			let who = ensure_signed(origin)?;
			let chosen = u32::try_from(providers.len()).unwrap_or(MAX_LEASES);
			let (bids, auditors) = Self::do_pick(who, order, providers)?;
			Ok(Some(Self::picking(chosen, bids, auditors)).into())
		}

		/// Makes a lease at once: the order names a provider, the version of its offer, and by its price
		/// ceiling the most it may cost.
		#[pallet::call_index(9)]
		#[pallet::weight(Pallet::<T>::leasing(order.v1()))]
		pub fn lease_now(origin: OriginFor<T>, order: OrderOf<T>) -> DispatchResult {
			let who = ensure_signed(origin)?;
			Self::do_lease_now(who, order)
		}

		/// Puts the provider's receipt for the manifest on chain: should the lease not start, that is
		/// the provider's fault. Tenant or access account.
		#[pallet::call_index(10)]
		#[pallet::weight(T::WeightInfo::submit_receipt())]
		pub fn submit_receipt(
			origin: OriginFor<T>,
			lease: LeaseId,
			block: BlockNumber,
			signature: T::Signature,
		) -> DispatchResult {
			let who = ensure_signed(origin)?;
			Self::do_submit_receipt(who, lease, block, signature)
		}

		/// Ends a lease that was never handed its manifest. Operator only, after the manifest deadline,
		/// and not against a receipt on chain.
		#[pallet::call_index(11)]
		#[pallet::weight(T::WeightInfo::report_missing_manifest(MAX_FUNDERS))]
		pub fn report_missing_manifest(
			origin: OriginFor<T>,
			lease: LeaseId,
		) -> DispatchResultWithPostInfo {
			let who = ensure_signed(origin)?;
			let funders = T::Streams::funders(lease);
			Self::do_report_missing_manifest(who, lease)?;
			Ok(Some(T::WeightInfo::report_missing_manifest(funders)).into())
		}

		/// Suspends a lease whose workload is down: nothing accrues. Operator only. After the longest
		/// downtime the lease ends as `Offline`.
		#[pallet::call_index(12)]
		#[pallet::weight(Pallet::<T>::with_visit(T::WeightInfo::pause_lease(MAX_FUNDERS), MAX_FUNDERS))]
		pub fn pause_lease(origin: OriginFor<T>, lease: LeaseId) -> DispatchResultWithPostInfo {
			let who = ensure_signed(origin)?;
			let funders = T::Streams::funders(lease);
			Self::do_pause_lease(who, lease)?;
			Ok(Some(Self::with_visit(
				T::WeightInfo::pause_lease(funders),
				funders,
			))
			.into())
		}

		/// Resumes a lease that its provider paused. Operator only.
		#[pallet::call_index(13)]
		#[pallet::weight(Pallet::<T>::with_visit(T::WeightInfo::resume_lease(), MAX_FUNDERS))]
		pub fn resume_lease(origin: OriginFor<T>, lease: LeaseId) -> DispatchResultWithPostInfo {
			let who = ensure_signed(origin)?;
			Self::do_resume_lease(who, lease)?;
			let funders = T::Streams::funders(lease);
			Ok(Some(Self::with_visit(T::WeightInfo::resume_lease(), funders)).into())
		}

		/// Gives the notice that the order agreed; then the lease ends as `Reclaimed`. Operator only.
		#[pallet::call_index(14)]
		#[pallet::weight(Pallet::<T>::with_visit(T::WeightInfo::reclaim_lease(MAX_FUNDERS), MAX_FUNDERS))]
		pub fn reclaim_lease(origin: OriginFor<T>, lease: LeaseId) -> DispatchResultWithPostInfo {
			let who = ensure_signed(origin)?;
			let funders = T::Streams::funders(lease);
			Self::do_reclaim_lease(who, lease)?;
			Ok(Some(Self::with_visit(
				T::WeightInfo::reclaim_lease(funders),
				funders,
			))
			.into())
		}

		/// Ends a lease without notice; the tenant is compensated out of the bond. Operator only.
		#[pallet::call_index(15)]
		#[pallet::weight(T::WeightInfo::abandon_lease(MAX_FUNDERS))]
		pub fn abandon_lease(origin: OriginFor<T>, lease: LeaseId) -> DispatchResultWithPostInfo {
			let who = ensure_signed(origin)?;
			let funders = T::Streams::funders(lease);
			Self::do_abandon_lease(who, lease)?;
			Ok(Some(T::WeightInfo::abandon_lease(funders)).into())
		}

		/// Ends a lease whose provider was away, or kept it paused, for too long. Anybody may.
		#[pallet::call_index(16)]
		#[pallet::weight(T::WeightInfo::report_offline(MAX_FUNDERS))]
		pub fn report_offline(origin: OriginFor<T>, lease: LeaseId) -> DispatchResultWithPostInfo {
			ensure_signed(origin)?;
			let funders = T::Streams::funders(lease);
			Self::do_report_offline(lease)?;
			Ok(Some(T::WeightInfo::report_offline(funders)).into())
		}

		/// Runs another manifest in a lease that has started. Tenant only.
		#[pallet::call_index(17)]
		#[pallet::weight(T::WeightInfo::update_manifest())]
		pub fn update_manifest(
			origin: OriginFor<T>,
			lease: LeaseId,
			manifest_hash: ManifestHash,
		) -> DispatchResult {
			let who = ensure_signed(origin)?;
			Self::do_update_manifest(who, lease, manifest_hash)
		}

		/// Proposes another size for an active lease, at its own unit prices; the size that it has takes
		/// a proposal back. Tenant only.
		#[pallet::call_index(18)]
		#[pallet::weight(T::WeightInfo::propose_resize())]
		pub fn propose_resize(
			origin: OriginFor<T>,
			lease: LeaseId,
			resources: Resources,
		) -> DispatchResult {
			let who = ensure_signed(origin)?;
			Self::do_propose_resize(who, lease, resources)
		}

		/// Accepts the size that the tenant proposed. Operator only.
		#[pallet::call_index(19)]
		#[pallet::weight(Pallet::<T>::with_visit(T::WeightInfo::accept_resize(MAX_FUNDERS), MAX_FUNDERS))]
		pub fn accept_resize(
			origin: OriginFor<T>,
			lease: LeaseId,
			resources: Resources,
		) -> DispatchResultWithPostInfo {
			let who = ensure_signed(origin)?;
			let funders = T::Streams::funders(lease);
			Self::do_accept_resize(who, lease, resources)?;
			Ok(Some(Self::with_visit(
				T::WeightInfo::accept_resize(funders),
				funders,
			))
			.into())
		}

		/// Makes every access grant issued so far void. Tenant or access account.
		#[pallet::call_index(20)]
		#[pallet::weight(T::WeightInfo::revoke_access())]
		pub fn revoke_access(origin: OriginFor<T>, lease: LeaseId) -> DispatchResult {
			let who = ensure_signed(origin)?;
			Self::do_revoke_access(who, lease)
		}

		/// Sets the terms, whole. What touches money in a lease stays as it was when it was made.
		#[pallet::call_index(21)]
		#[pallet::weight(T::WeightInfo::set_terms())]
		pub fn set_terms(origin: OriginFor<T>, terms: Terms) -> DispatchResult {
			T::AdminOrigin::ensure_origin(origin)?;
			Self::do_set_terms(terms)
		}
	}

	#[pallet::view_functions]
	impl<T: Config> Pallet<T> {
		/// Open orders that a provider could bid on now, at the order's own ceiling: a page of at most
		/// 100, after an order of the page before.
		pub fn biddable(
			provider: ProviderId,
			after: Option<OrderId>,
			limit: u32,
		) -> reads::Page<(OrderId, OrderRecordOf<T>), OrderId> {
			Self::read_biddable(provider, after, limit)
		}

		/// All providers, with what each lacks for an order of `tenant` and what its offer asks: a page
		/// of at most 100, after a provider of the page before.
		pub fn candidates(
			tenant: T::AccountId,
			order: OrderOf<T>,
			after: Option<ProviderId>,
			limit: u32,
		) -> reads::Page<reads::Candidate, ProviderId> {
			Self::read_candidates(&tenant, order.v1(), after, limit)
		}

		/// The bids on an open order, best first, as they would fare if it ended now.
		pub fn bids(order: OrderId) -> Option<Vec<reads::BidReport>> {
			Self::read_bids(order)
		}

		/// What a tenant has open, by manifest: a page of at most 100, after one of the page before.
		pub fn open_items(
			tenant: T::AccountId,
			after: Option<ManifestKey>,
			limit: u32,
		) -> reads::Page<(ManifestKey, OpenItem), ManifestKey> {
			Self::read_open_items(&tenant, after, limit)
		}
	}

	#[pallet::hooks]
	impl<T: Config> Hooks<BlockNumberFor<T>> for Pallet<T> {
		fn integrity_test() {
			let sound = Self::check_terms(&TermsV1::default());
			assert_eq!(sound, Ok(()), "default terms of the market");
		}

		#[cfg(feature = "try-runtime")]
		fn try_state(_n: BlockNumberFor<T>) -> Result<(), sp_runtime::TryRuntimeError> {
			Self::do_try_state()
		}
	}
}
