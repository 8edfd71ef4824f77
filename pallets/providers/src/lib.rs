//! # Providers: registration, bond, capacity and heartbeats
//!
//! Glossary: a *provider* is an index given at registration. Its *owner* account puts up the *bond*
//! and receives payouts; its *operator* account makes the daily calls and moves no money. A *slice*
//! is the part of the bond that a lease reserves. *Served blocks* are blocks during which the
//! provider was on duty by its *heartbeats*: one heartbeat covers all leases of the provider, and
//! absence counts for at most the *grace*.
//!
//! A provider may keep a standing price sheet, its *offer*, to which orders are matched at once, and
//! may name the tenants it serves. *Auditors*, ordinary accounts, *attest* attributes of a provider
//! for a time; an order may ask for the attestations of some.
//!
//! The bond is a hold on the owner's own account. It goes back when the unbonding period is over and
//! the last lease has ended. A provider that is paused or unbonding is given no new leases; those
//! that run go on.
//!
//! A heartbeat is an authorised call: no fee, no nonce, operational, of the highest priority. The
//! operator signs [`leasehold_primitives::heartbeat::payload`]; the signature holds while its
//! `last_beat` is the stored one and at least the heartbeat period old, so each counts once.

#![cfg_attr(not(feature = "std"), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

pub use pallet::*;

mod attestations;
mod dispatchable_impls;
pub mod migrations;
mod registry;
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
		traits::{
			fungible::{Inspect, MutateHold},
			Contains,
		},
	};
	use frame_system::pallet_prelude::*;
	use leasehold_primitives::{
		heartbeat::Instance, terms::Former, Agenda, AttestationId, Attributes, Balance,
		BlockNumber, PriceSheet, ProviderId,
	};
	use sp_runtime::traits::{IdentifyAccount, Verify};

	const STORAGE_VERSION: StorageVersion = StorageVersion::new(2);

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
		/// Where the end of unbonding is written down.
		type Agenda: Agenda;
		/// Blocks within which a lease must start. Operators of the past are remembered for `max_downtime`,
		/// which is no less: receipts of a lease that has not started are theirs.
		type StartDeadline: Get<BlockNumber>;
		/// The providers whose bids stand: they stand by what these rest on.
		type Bidders: Contains<ProviderId>;
		/// Key of an operator.
		type Signer: IdentifyAccount<AccountId = Self::AccountId>;
		/// Signature of an operator under a heartbeat.
		type Signature: Parameter + Verify<Signer = Self::Signer>;
		/// Who may set terms.
		type AdminOrigin: EnsureOrigin<Self::RuntimeOrigin>;
		/// Weights of the calls.
		type WeightInfo: WeightInfo;
	}

	/// Why this pallet holds funds.
	#[pallet::composite_enum]
	pub enum HoldReason {
		/// The bond of a provider, on its owner's account.
		Bond,
		/// For an auditor's statement; comes back with its end.
		Attestation,
	}

	/// The terms in force.
	#[pallet::storage]
	pub type CurrentTerms<T: Config> = StorageValue<_, Terms, ValueQuery>;

	/// The longest downtime before it was lowered.
	#[pallet::storage]
	pub type FormerDowntime<T: Config> = StorageValue<_, Former>;

	/// The id that the next provider gets.
	#[pallet::storage]
	pub type NextProviderId<T: Config> = StorageValue<_, ProviderId, ValueQuery>;

	/// The registry.
	#[pallet::storage]
	pub type Providers<T: Config> = StorageMap<_, Twox64Concat, ProviderId, ProviderRecordOf<T>>;

	/// What a provider says about itself.
	#[pallet::storage]
	pub type Infos<T: Config> = StorageMap<_, Twox64Concat, ProviderId, ProviderInfo>;

	/// Heartbeats.
	#[pallet::storage]
	pub type Heartbeats<T: Config> = StorageMap<_, Twox64Concat, ProviderId, Heartbeat>;

	/// Providers that came back after an absence that was too long, with the block in which it was: their leases
	/// of that time end all the same. Until then they get no new ones.
	#[pallet::storage]
	pub type Absences<T: Config> = StorageMap<_, Twox64Concat, ProviderId, BlockNumber>;

	/// The provider that an account owns.
	#[pallet::storage]
	pub type ByOwner<T: Config> = StorageMap<_, Blake2_128Concat, T::AccountId, ProviderId>;

	/// The provider that an account operates.
	#[pallet::storage]
	pub type ByOperator<T: Config> = StorageMap<_, Blake2_128Concat, T::AccountId, ProviderId>;

	/// Who operated a provider before: receipts that they signed while they did still count.
	#[pallet::storage]
	pub type FormerOperators<T: Config> =
		StorageMap<_, Identity, ProviderId, crate::Former<T::AccountId>, ValueQuery>;

	/// Standing price sheets.
	#[pallet::storage]
	pub type Offers<T: Config> = StorageMap<_, Twox64Concat, ProviderId, PriceSheet>;

	/// The tenants that a provider serves; all, if there is no entry.
	#[pallet::storage]
	pub type Served<T: Config> = StorageMap<_, Twox64Concat, ProviderId, Tenants<T::AccountId>>;

	/// The id that the next attestation gets.
	#[pallet::storage]
	pub type NextAttestationId<T: Config> = StorageValue<_, AttestationId, ValueQuery>;

	/// Auditors' statements.
	#[pallet::storage]
	pub type Attestations<T: Config> =
		StorageMap<_, Twox64Concat, AttestationId, AttestationRecordOf<T>>;

	/// The statement of an auditor about a provider.
	#[pallet::storage]
	pub type AttestedBy<T: Config> = StorageDoubleMap<
		_,
		Twox64Concat,
		ProviderId,
		Blake2_128Concat,
		T::AccountId,
		AttestationId,
	>;

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
			assert_eq!(self.terms.check(), Ok(()), "terms of providers");
			CurrentTerms::<T>::put(Terms::V1(self.terms.clone()));
		}
	}

	#[pallet::event]
	#[pallet::generate_deposit(pub(super) fn deposit_event)]
	pub enum Event<T: Config> {
		/// A provider registered, and `bond` planck were put on hold.
		Registered {
			provider: ProviderId,
			owner: T::AccountId,
			operator: T::AccountId,
			bond: Balance,
			info: ProviderInfo,
		},
		/// The owner named another operator.
		OperatorRotated {
			provider: ProviderId,
			old: T::AccountId,
			new: T::AccountId,
		},
		/// A provider changed what it says about itself.
		Updated {
			provider: ProviderId,
			info: ProviderInfo,
		},
		/// A provider stopped or began again to take new leases.
		PauseSet { provider: ProviderId, paused: bool },
		/// The owner put `amount` planck more on hold; the bond is now `bond`.
		BondRaised {
			provider: ProviderId,
			amount: Balance,
			bond: Balance,
		},
		/// The owner asked to leave; the bond is free in block `until` at the earliest.
		UnbondingStarted {
			provider: ProviderId,
			until: BlockNumber,
		},
		/// Unbonding is over, `bond` planck went back to the owner, and the record is gone.
		Deregistered {
			provider: ProviderId,
			owner: T::AccountId,
			bond: Balance,
		},
		/// A daemon reported for duty; the provider has now served `served` blocks.
		HeartbeatReceived {
			provider: ProviderId,
			instance: Instance,
			served: BlockNumber,
			grace: BlockNumber,
		},
		/// The tenant of a lease was compensated out of its slice; the bond is now `bond`.
		Compensated {
			provider: ProviderId,
			to: T::AccountId,
			amount: Balance,
			bond: Balance,
		},
		/// A provider's standing price sheet changed; `None`: it has none any more.
		OfferSet {
			provider: ProviderId,
			version: u32,
			sheet: Option<PriceSheet>,
		},
		/// A provider names the tenants it serves; `None`: all.
		ServedSet {
			provider: ProviderId,
			tenants: Option<Tenants<T::AccountId>>,
		},
		/// An auditor vouches for attributes of a provider up to block `expires`.
		Attested {
			attestation: AttestationId,
			auditor: T::AccountId,
			provider: ProviderId,
			attributes: Attributes,
			expires: BlockNumber,
			deposit: Balance,
		},
		/// A statement no longer counts: its auditor revoked or replaced it, or it expired. Its
		/// deposit went back.
		AttestationEnded {
			attestation: AttestationId,
			auditor: T::AccountId,
			provider: ProviderId,
			deposit: Balance,
		},
		/// New terms are in force.
		TermsSet { terms: Terms },
		/// A provider is back after an absence that was too long from block `offline_at` on: the leases of that
		/// time end, and until they have it gets no new ones.
		AbsenceTooLong {
			provider: ProviderId,
			offline_at: BlockNumber,
		},
		/// The last lease of a provider's absence has ended.
		AbsenceOver { provider: ProviderId },
		/// A provider that is off duty got its first lease: it had served `served` blocks, and its absence counts
		/// from here on.
		DutyBegan {
			provider: ProviderId,
			served: BlockNumber,
		},
	}

	#[pallet::error]
	pub enum Error<T> {
		/// The account owns or operates a provider already.
		AccountTaken,
		/// The account owns no provider.
		NotOwner,
		/// The account neither owns nor operates a provider.
		NotProvider,
		/// There is no such provider.
		UnknownProvider,
		/// The bond is below the minimum.
		BondTooLow,
		/// The owner's balance does not cover the bond.
		InsufficientFunds,
		/// No gateway, an empty or unreadable URL, a resource that stands twice, or no capacity.
		InvalidInfo,
		/// The new capacity is below what running leases have reserved.
		CapacityInUse,
		/// The provider is unbonding.
		Unbonding,
		/// The provider is in the asked state already.
		NothingToDo,
		/// The provider lacks capacity for the lease.
		CannotReserve,
		/// What is given back was never reserved.
		NotReserved,
		/// There is no such statement.
		UnknownAttestation,
		/// The statement is another auditor's.
		NotAuditor,
		/// The statement is empty, or lives longer than the terms allow.
		InvalidAttestation,
		/// The terms contradict themselves.
		TermsContradict,
		/// A sum does not fit into its type.
		Overflow,
		/// The operator changed four times within the longest downtime: what the first of them signed may
		/// still matter.
		TooManyRotations,
		/// The provider's bids stand by its capacity, attributes, tenants and bond: withdraw them, or pause
		/// and wait until their orders have ended.
		BidsStand,
		/// Other leases have reserved what of the bond this one would.
		BondReserved,
		/// The amount is 0.
		ZeroAmount,
	}

	#[pallet::call]
	impl<T: Config> Pallet<T> {
		/// Registers the caller as owner of a new provider and puts `bond` planck on hold.
		///
		/// The operator and the owner must not belong to another provider.
		#[pallet::call_index(0)]
		#[pallet::weight(T::WeightInfo::register())]
		pub fn register(
			origin: OriginFor<T>,
			operator: T::AccountId,
			bond: Balance,
			info: ProviderInfo,
		) -> DispatchResult {
			let owner = ensure_signed(origin)?;
			Self::do_register(owner, operator, bond, info)
		}

		/// Names another operator. Owner only; the old operator's heartbeats stop counting at once.
		#[pallet::call_index(1)]
		#[pallet::weight(T::WeightInfo::rotate_operator())]
		pub fn rotate_operator(origin: OriginFor<T>, operator: T::AccountId) -> DispatchResult {
			let owner = ensure_signed(origin)?;
			Self::do_rotate_operator(owner, operator)
		}

		/// Replaces what the provider says about itself. Owner or operator; the capacity must cover
		/// what running leases have reserved, and while bids stand nothing that they rest on goes.
		#[pallet::call_index(2)]
		#[pallet::weight(T::WeightInfo::update())]
		pub fn update(origin: OriginFor<T>, info: ProviderInfo) -> DispatchResult {
			let who = ensure_signed(origin)?;
			Self::do_update(who, info)
		}

		/// Stops (`true`) or begins again to take new leases. Owner or operator.
		#[pallet::call_index(3)]
		#[pallet::weight(T::WeightInfo::set_paused())]
		pub fn set_paused(origin: OriginFor<T>, paused: bool) -> DispatchResult {
			let who = ensure_signed(origin)?;
			Self::do_set_paused(who, paused)
		}

		/// Puts `amount` planck more on hold. Owner only.
		#[pallet::call_index(4)]
		#[pallet::weight(T::WeightInfo::raise_bond())]
		pub fn raise_bond(origin: OriginFor<T>, amount: Balance) -> DispatchResult {
			let owner = ensure_signed(origin)?;
			Self::do_raise_bond(owner, amount)
		}

		/// Starts unbonding. Owner only. The bond comes back by itself when the unbonding period is
		/// over and the last lease has ended.
		#[pallet::call_index(5)]
		#[pallet::weight(T::WeightInfo::deregister().saturating_add(T::WeightInfo::visit()))]
		pub fn deregister(origin: OriginFor<T>) -> DispatchResult {
			let owner = ensure_signed(origin)?;
			Self::do_deregister(owner)
		}

		/// Reports a daemon for duty. An authorised call: the operator's signature inside it stands
		/// for the origin, and it costs nothing.
		#[pallet::call_index(6)]
		// An authorised origin is not charged; a signed one fails, and pays for it.
		#[pallet::weight((T::WeightInfo::heartbeat(), DispatchClass::Operational))]
		#[pallet::authorize(|_source, provider, instance, last_beat, signature| {
			Pallet::<T>::authorize_heartbeat(*provider, instance, *last_beat, signature)
				.map(|valid| (valid, Weight::zero()))
		})]
		#[pallet::weight_of_authorize(T::WeightInfo::authorize_heartbeat())]
		pub fn heartbeat(
			origin: OriginFor<T>,
			provider: ProviderId,
			instance: Instance,
			_last_beat: BlockNumber,
			_signature: T::Signature,
		) -> DispatchResult {
			ensure_authorized(origin)?;
			Self::do_heartbeat(provider, instance)
		}

		/// Sets the standing price sheet, to which tenants may be matched at once; `None` takes it
		/// back. Owner or operator. Running leases keep their rate.
		#[pallet::call_index(7)]
		#[pallet::weight(T::WeightInfo::set_offer())]
		pub fn set_offer(origin: OriginFor<T>, sheet: Option<PriceSheet>) -> DispatchResult {
			let who = ensure_signed(origin)?;
			Self::do_set_offer(who, sheet)
		}

		/// Names the tenants that the provider serves; `None`: all. Owner or operator. Running leases
		/// go on.
		#[pallet::call_index(8)]
		#[pallet::weight(T::WeightInfo::set_served())]
		pub fn set_served(
			origin: OriginFor<T>,
			tenants: Option<Tenants<T::AccountId>>,
		) -> DispatchResult {
			let who = ensure_signed(origin)?;
			Self::do_set_served(who, tenants)
		}

		/// Vouches for attributes of a provider for `lifetime` blocks. Anybody may; what it is worth
		/// is for tenants to say. Replaces the caller's former statement about the provider. A deposit
		/// is held until it ends.
		#[pallet::call_index(9)]
		#[pallet::weight(T::WeightInfo::attest().saturating_add(T::WeightInfo::visit_attestation()))]
		pub fn attest(
			origin: OriginFor<T>,
			provider: ProviderId,
			attributes: Attributes,
			lifetime: BlockNumber,
		) -> DispatchResult {
			let auditor = ensure_signed(origin)?;
			Self::do_attest(auditor, provider, attributes, lifetime)
		}

		/// Ends a statement of the caller; new matches no longer see it.
		#[pallet::call_index(10)]
		#[pallet::weight(T::WeightInfo::revoke_attestation())]
		pub fn revoke_attestation(
			origin: OriginFor<T>,
			attestation: AttestationId,
		) -> DispatchResult {
			let auditor = ensure_signed(origin)?;
			Self::do_revoke_attestation(auditor, attestation)
		}

		/// Sets the terms, whole. New heartbeat parameters count from each provider's next beat.
		#[pallet::call_index(11)]
		#[pallet::weight(T::WeightInfo::set_terms())]
		pub fn set_terms(origin: OriginFor<T>, terms: Terms) -> DispatchResult {
			T::AdminOrigin::ensure_origin(origin)?;
			Self::do_set_terms(terms)
		}
	}

	#[pallet::hooks]
	impl<T: Config> Hooks<BlockNumberFor<T>> for Pallet<T> {
		fn integrity_test() {
			assert_eq!(
				TermsV1::default().check(),
				Ok(()),
				"default terms of providers"
			);
		}

		#[cfg(feature = "try-runtime")]
		fn try_state(_n: BlockNumberFor<T>) -> Result<(), sp_runtime::TryRuntimeError> {
			Self::do_try_state()
		}
	}
}
