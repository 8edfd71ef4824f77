//! # Escrow: the stream behind a lease
//!
//! Glossary: a *stream* takes deposits in and pays out at a *rate* (planck per served block, gross
//! of the *fee*). Its *funders* are the accounts that deposited: the tenant first, at most eight,
//! consumed in the order of their first deposit. The *reserve* is the part of the balance that a
//! running workload does not use up; what is above it is *spendable*. To *settle* is to pay out what
//! has accrued so far.
//!
//! Every deposit is a hold on its funder's own account. Streams are lazy: nothing happens per block.
//! Settling n times pays what settling once pays: whole blocks at an integer rate, and a fee that is
//! floor(fee × all paid so far).
//!
//! When the balance is down to the reserve the stream is *stored*: it pays the *storage rate* out of
//! the reserve, until a deposit lets it run again or nothing is left.

#![cfg_attr(not(feature = "std"), no_std)]
#![forbid(unsafe_code)]

pub use pallet::*;

mod dispatchable_impls;
mod streams;
mod try_state;
mod types;
pub use types::*;

// FRAME's macros expand to `expect`.
#[allow(clippy::expect_used)]
#[frame_support::pallet]
pub mod pallet {
	use super::*;
	use frame_support::{
		pallet_prelude::*,
		traits::fungible::{Inspect, MutateHold},
	};
	use frame_system::pallet_prelude::*;
	use leasehold_primitives::{
		Balance, BlockNumber, LeaseId, ProviderId, ProviderRegistry, StreamObserver, MAX_FUNDERS,
	};

	const STORAGE_VERSION: StorageVersion = StorageVersion::new(1);

	#[pallet::pallet]
	#[pallet::storage_version(STORAGE_VERSION)]
	pub struct Pallet<T>(_);

	#[pallet::config]
	pub trait Config: frame_system::Config<RuntimeEvent: From<Event<Self>>> {
		/// The chain's token.
		type Currency: Inspect<Self::AccountId, Balance = Balance>
			+ MutateHold<Self::AccountId, Reason = Self::RuntimeHoldReason>;
		/// The runtime's hold reasons.
		type RuntimeHoldReason: From<HoldReason>;
		/// Who is paid, and for how many blocks.
		type Registry: ProviderRegistry<Self::AccountId>;
		/// Who hears of deposits and withdrawals.
		type Observer: StreamObserver;
		/// Who may set terms and the fee destination.
		type AdminOrigin: EnsureOrigin<Self::RuntimeOrigin>;
		/// Weights of the calls.
		type WeightInfo: WeightInfo;
	}

	/// Why this pallet holds funds.
	#[pallet::composite_enum]
	pub enum HoldReason {
		/// For orders and leases: deposits of open orders, what funders have in streams, and the deposits
		/// for records. One reason for all, so that a match moves nothing.
		Stream,
	}

	/// The terms in force. A stream carries those that touch its money in its own record.
	#[pallet::storage]
	pub type CurrentTerms<T: Config> = StorageValue<_, Terms, ValueQuery>;

	/// Where fees go. It holds the existential deposit from genesis on.
	#[pallet::storage]
	pub type FeeDestination<T: Config> = StorageValue<_, T::AccountId>;

	/// Streams by their lease.
	#[pallet::storage]
	pub type StreamsOf<T: Config> = StorageMap<_, Twox64Concat, LeaseId, StreamRecordOf<T>>;

	#[pallet::genesis_config]
	#[derive(frame_support::DefaultNoBound)]
	pub struct GenesisConfig<T: Config> {
		pub terms: TermsV1,
		pub fee_destination: Option<T::AccountId>,
	}

	#[pallet::genesis_build]
	impl<T: Config> BuildGenesisConfig for GenesisConfig<T> {
		fn build(&self) {
			assert_eq!(self.terms.check(), Ok(()), "terms of escrow");
			CurrentTerms::<T>::put(Terms::V1(self.terms.clone()));
			let alive =
				|to: &T::AccountId| T::Currency::balance(to) >= T::Currency::minimum_balance();
			assert!(
				self.fee_destination.as_ref().is_none_or(alive),
				"the fee destination must hold the existential deposit"
			);
			FeeDestination::<T>::set(self.fee_destination.clone());
		}
	}

	#[pallet::event]
	#[pallet::generate_deposit(pub(super) fn deposit_event)]
	pub enum Event<T: Config> {
		/// A lease was made, and its tenant's `deposit` was put on hold.
		StreamOpened {
			lease: LeaseId,
			provider: ProviderId,
			tenant: T::AccountId,
			rate: Balance,
			storage_rate: Balance,
			reserve: Balance,
			deposit: Balance,
		},
		/// The stream accrues at its rate from now on; blocks after `deadline` will not be paid.
		StreamRuns {
			lease: LeaseId,
			deadline: BlockNumber,
		},
		/// The balance is down to the reserve: the stream accrues at its storage rate from now on,
		/// out of the `left` planck.
		StreamStored { lease: LeaseId, left: Balance },
		/// The stream accrues nothing for now.
		StreamRests { lease: LeaseId },
		/// The stream accrues at another rate from now on.
		StreamResized {
			lease: LeaseId,
			rate: Balance,
			storage_rate: Balance,
			reserve: Balance,
		},
		/// A funder took back `amount` planck.
		Withdrawn {
			lease: LeaseId,
			who: T::AccountId,
			amount: Balance,
		},
		/// The tenant lets the stream refill itself, or no longer does.
		RefillSet {
			lease: LeaseId,
			refill: Option<Refill>,
		},
		/// `amount` planck were taken from the tenant's free balance; `left` may still be.
		Refilled {
			lease: LeaseId,
			amount: Balance,
			left: Balance,
		},
		/// New terms are in force.
		TermsSet { terms: Terms },
		/// Fees go to another account.
		FeeDestinationSet { to: T::AccountId },
		/// The stream was to be refilled: neither what is left to be taken in all nor the tenant's free
		/// balance may be less than `amount` planck, and one is.
		RefillMissed { lease: LeaseId, amount: Balance },
		/// A funder put `amount` planck more on hold.
		Deposited {
			lease: LeaseId,
			who: T::AccountId,
			amount: Balance,
		},
		/// `blocks` served blocks were paid: `paid` planck gross, of which `fee` went to the fee
		/// destination. Funders are consumed in the order of their first deposit.
		Settled {
			lease: LeaseId,
			blocks: BlockNumber,
			paid: Balance,
			fee: Balance,
		},
		/// The lease ended; each funder got back what it had left. `paid` is gross of `fees`;
		/// deposits = paid + withdrawn + refunds.
		StreamClosed {
			lease: LeaseId,
			served_blocks: BlockNumber,
			paid: Balance,
			fees: Balance,
			withdrawn: Balance,
			refunds: Refunds<T::AccountId>,
		},
	}

	#[pallet::error]
	pub enum Error<T> {
		/// There is no stream for this lease: it is unknown or closed.
		UnknownStream,
		/// The lease has a stream already.
		StreamExists,
		/// The stream runs already.
		AlreadyRunning,
		/// A rate must be at least 1 planck a block.
		ZeroRate,
		/// The deposit is below the least that the terms ask for.
		DepositTooLow,
		/// The stream has as many funders as it may have.
		TooManyFunders,
		/// The funder's balance does not cover the deposit.
		InsufficientFunds,
		/// An amount must be at least 1 planck.
		ZeroAmount,
		/// The amount is more than is unspent beyond the reserve and the notice, or more than the
		/// caller has in the stream.
		NotWithdrawable,
		/// The caller has nothing in this stream.
		NotFunder,
		/// Only the lease's tenant may do this.
		NotTenant,
		/// The terms contradict themselves.
		TermsContradict,
		/// The fee destination must hold at least the existential deposit.
		EmptyFeeDestination,
		/// The provider is unknown, so that nobody can be paid.
		NoPayee,
		/// A sum does not fit into its type.
		Overflow,
	}

	#[pallet::call]
	impl<T: Config> Pallet<T> {
		/// Puts `amount` planck of the caller on hold for a lease. Anybody may; a stranger's deposit
		/// is at least `min_top_up`. What is not spent goes back to the caller when the lease ends.
		#[pallet::call_index(0)]
		#[pallet::weight(Pallet::<T>::depositing(MAX_FUNDERS, true, true))]
		pub fn deposit(
			origin: OriginFor<T>,
			lease: LeaseId,
			amount: Balance,
		) -> DispatchResultWithPostInfo {
			let who = ensure_signed(origin)?;
			let weight = Self::do_deposit(who, lease, amount)?;
			Ok(Some(weight).into())
		}

		/// Pays out what a stream has accrued so far. Anybody may.
		#[pallet::call_index(1)]
		#[pallet::weight(T::WeightInfo::settle(MAX_FUNDERS))]
		pub fn settle(origin: OriginFor<T>, lease: LeaseId) -> DispatchResultWithPostInfo {
			ensure_signed(origin)?;
			let (_, funders) = Self::do_settle(lease)?;
			Ok(Some(T::WeightInfo::settle(funders)).into())
		}

		/// Takes back `amount` planck of the caller's deposits: what is unspent beyond the reserve
		/// and the notice. Funders only; nothing while the lease starts, or is dry.
		#[pallet::call_index(2)]
		#[pallet::weight(Pallet::<T>::withdrawing(MAX_FUNDERS))]
		pub fn withdraw(
			origin: OriginFor<T>,
			lease: LeaseId,
			amount: Balance,
		) -> DispatchResultWithPostInfo {
			let who = ensure_signed(origin)?;
			let funders = Self::do_withdraw(who, lease, amount)?;
			Ok(Some(Self::withdrawing(funders)).into())
		}

		/// Lets the stream take `amount` planck from the caller's free balance whenever it runs
		/// low, `budget` planck in all; or no longer. Tenant only. An amount must pay for twice the
		/// blocks at which funds are low; a last one that does not is not taken.
		#[pallet::call_index(3)]
		#[pallet::weight(T::WeightInfo::set_refill())]
		pub fn set_refill(
			origin: OriginFor<T>,
			lease: LeaseId,
			refill: Option<Refill>,
		) -> DispatchResult {
			let who = ensure_signed(origin)?;
			Self::do_set_refill(who, lease, refill)
		}

		/// Sets the terms, whole. Streams that run keep those they were opened with.
		#[pallet::call_index(4)]
		#[pallet::weight(T::WeightInfo::set_terms())]
		pub fn set_terms(origin: OriginFor<T>, terms: Terms) -> DispatchResult {
			T::AdminOrigin::ensure_origin(origin)?;
			Self::do_set_terms(terms)
		}

		/// Sends fees to another account, which must hold the existential deposit.
		#[pallet::call_index(5)]
		#[pallet::weight(T::WeightInfo::set_fee_destination())]
		pub fn set_fee_destination(origin: OriginFor<T>, to: T::AccountId) -> DispatchResult {
			T::AdminOrigin::ensure_origin(origin)?;
			Self::do_set_fee_destination(to)
		}
	}

	impl<T: Config> Pallet<T> {
		/// A deposit. It makes the agenda's visits of its lease dearer by one funder; one that resumes
		/// the lease leaves a visit besides.
		pub(crate) fn depositing(funders: u32, dry: bool, resumed: bool) -> Weight {
			let visit = T::Observer::visit_weight;
			let deposit = match dry {
				true => T::WeightInfo::deposit_dry(funders),
				false => T::WeightInfo::deposit(),
			};
			let more = match resumed {
				true => T::WeightInfo::resume()
					.saturating_sub(T::WeightInfo::deposit_dry(1))
					.saturating_add(visit(funders)),
				false => visit(2).saturating_sub(visit(1)),
			};
			deposit.saturating_add(more)
		}

		/// A withdrawal, and the visit that it leaves to the agenda.
		fn withdrawing(funders: u32) -> Weight {
			T::WeightInfo::withdraw().saturating_add(T::Observer::visit_weight(funders))
		}
	}

	#[pallet::view_functions]
	impl<T: Config> Pallet<T> {
		/// Where the stream of a lease stands now; `None` if there is none.
		pub fn balance(lease: LeaseId) -> Option<StreamBalance> {
			let stream = StreamsOf::<T>::get(lease)?;
			let served = T::Registry::served(stream.provider);
			let (_, accrued) = stream.owed(served);
			let left = stream.funded_blocks(served);
			Some(StreamBalance {
				rate: stream.rate,
				accrued,
				paid: stream.paid,
				remaining: stream.held().saturating_sub(accrued),
				dry_at: stream
					.accrual()
					.map(|(accrual, _, _)| Self::now().saturating_add(left).min(accrual.deadline)),
			})
		}
	}

	#[pallet::hooks]
	impl<T: Config> Hooks<BlockNumberFor<T>> for Pallet<T> {
		fn integrity_test() {
			assert_eq!(
				TermsV1::default().check(),
				Ok(()),
				"default terms of escrow"
			);
		}

		#[cfg(feature = "try-runtime")]
		fn try_state(_n: BlockNumberFor<T>) -> Result<(), sp_runtime::TryRuntimeError> {
			Self::do_try_state()
		}
	}
}
