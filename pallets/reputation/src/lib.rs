//! # Reputation: scores that move on outcomes
//!
//! Glossary: an *outcome* is a lease that ended. A *score* is a number in [0, 1] for a provider or a
//! tenant: the lower confidence bound of a beta distribution over good and bad outcomes. Outcomes
//! decay exponentially in time, so that a score drifts back to the *newcomer's*; each weighs
//! v / (v + reference value) for v planck paid. Dealings with oneself count nothing.
//!
//! Of what one tenant and one provider have with each other, good and bad outcomes count up to a cap
//! each. Records that have decayed to next to nothing are swept.
//!
//! Outcomes come through [`leasehold_primitives::OutcomeObserver`].

#![cfg_attr(not(feature = "std"), no_std)]
#![forbid(unsafe_code)]

pub use pallet::*;

pub mod score;
mod sweep;
mod types;
pub use types::*;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod mock;
#[cfg(test)]
mod tests;

// FRAME's macros expand to `expect`.
#[allow(clippy::expect_used)]
#[frame_support::pallet]
pub mod pallet {
	use super::*;
	use frame_support::{pallet_prelude::*, traits::Contains};
	use frame_system::pallet_prelude::*;
	use leasehold_primitives::{
		Agenda, Balance, BlockNumber, Fault, Outcome, OutcomeObserver, ProviderId, Score, Scores,
	};
	use sp_runtime::{Perbill, SaturatedConversion};

	const STORAGE_VERSION: StorageVersion = StorageVersion::new(1);

	#[pallet::pallet]
	#[pallet::storage_version(STORAGE_VERSION)]
	pub struct Pallet<T>(_);

	#[pallet::config]
	pub trait Config: frame_system::Config<RuntimeEvent: From<Event<Self>>> {
		/// Providers with the accounts of their own.
		type SameParty: Contains<(ProviderId, Self::AccountId)>;
		/// Where the sweep is written down.
		type Agenda: Agenda;
		/// Who may set terms.
		type AdminOrigin: EnsureOrigin<Self::RuntimeOrigin>;
		/// Weights of the calls.
		type WeightInfo: WeightInfo;
	}

	/// The terms in force.
	#[pallet::storage]
	pub type CurrentTerms<T: Config> = StorageValue<_, Terms, ValueQuery>;

	/// Outcomes of providers. Who has none is a newcomer.
	#[pallet::storage]
	pub type ProviderScores<T: Config> =
		StorageMap<_, Twox64Concat, ProviderId, ScoreRecord, ValueQuery>;

	/// Outcomes of tenants. Who has none is a newcomer.
	#[pallet::storage]
	pub type TenantScores<T: Config> =
		StorageMap<_, Blake2_128Concat, T::AccountId, ScoreRecord, ValueQuery>;

	/// What a tenant and a provider have counted with each other.
	#[pallet::storage]
	pub type Pairs<T: Config> = StorageDoubleMap<
		_,
		Twox64Concat,
		ProviderId,
		Blake2_128Concat,
		T::AccountId,
		ScoreRecord,
		ValueQuery,
	>;

	/// The sweep of spent records; none while there are no records.
	#[pallet::storage]
	pub type Sweeping<T: Config> = StorageValue<_, Sweep>;

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
			assert_eq!(self.terms.check(), Ok(()), "terms of reputation");
			CurrentTerms::<T>::put(Terms::V1(self.terms.clone()));
		}
	}

	#[pallet::event]
	#[pallet::generate_deposit(pub(super) fn deposit_event)]
	pub enum Event<T: Config> {
		/// A lease ended, and the provider's score is now `score`.
		ProviderScored { provider: ProviderId, score: Score },
		/// A lease ended, and the tenant's score is now `score`.
		TenantScored { tenant: T::AccountId, score: Score },
		/// New terms are in force.
		TermsSet { terms: Terms },
	}

	#[pallet::error]
	pub enum Error<T> {
		/// The terms contradict themselves.
		TermsContradict,
	}

	#[pallet::call]
	impl<T: Config> Pallet<T> {
		/// Sets the terms, whole. Outcomes so far decay by the new half-life from now on.
		#[pallet::call_index(0)]
		#[pallet::weight(T::WeightInfo::set_terms())]
		pub fn set_terms(origin: OriginFor<T>, terms: Terms) -> DispatchResult {
			T::AdminOrigin::ensure_origin(origin)?;
			let Terms::V1(new) = &terms;
			new.check().map_err(|_| Error::<T>::TermsContradict)?;
			CurrentTerms::<T>::put(&terms);
			Self::deposit_event(Event::TermsSet { terms });
			Ok(())
		}
	}

	#[pallet::hooks]
	impl<T: Config> Hooks<BlockNumberFor<T>> for Pallet<T> {
		fn integrity_test() {
			assert_eq!(
				TermsV1::default().check(),
				Ok(()),
				"default terms of reputation"
			);
		}

		#[cfg(feature = "try-runtime")]
		fn try_state(_n: BlockNumberFor<T>) -> Result<(), sp_runtime::TryRuntimeError> {
			Self::do_try_state()
		}
	}

	impl<T: Config> Pallet<T> {
		pub(crate) fn now() -> BlockNumber {
			frame_system::Pallet::<T>::block_number().saturated_into()
		}

		pub(crate) fn terms() -> TermsV1 {
			let Terms::V1(terms) = CurrentTerms::<T>::get();
			terms
		}

		/// What an outcome of `value` planck weighs: value / (value + reference value).
		fn weight(value: Balance) -> Perbill {
			let sum = value.saturating_add(Self::terms().reference_value);
			Perbill::from_rational(value, sum)
		}

		/// I8: each score is in [0, 1].
		pub fn do_try_state() -> Result<(), sp_runtime::TryRuntimeError> {
			let (now, half_life) = (Self::now(), Self::terms().half_life);
			let providers = ProviderScores::<T>::iter_values();
			for record in providers.chain(TenantScores::<T>::iter_values()) {
				let bound = record.lower_bound(now, half_life);
				ensure!(bound <= Perbill::one(), "I8: a score is not in [0, 1]");
				ensure!(record.at <= now, "a score from the future");
			}
			Ok(())
		}
	}

	impl<T: Config> OutcomeObserver<T::AccountId> for Pallet<T> {
		fn observe(outcome: Outcome<T::AccountId>) {
			let Outcome {
				provider,
				tenant,
				fault,
				value,
			} = outcome;
			if T::SameParty::contains(&(provider, tenant.clone())) {
				return;
			}
			let full = Self::weight(value);
			// What weighs nothing leaves no record.
			if full.is_zero() {
				return;
			}
			let (half, quarter) = (full / 2, full / 4);
			let none = Perbill::zero();
			// (good, bad) for the provider, (good, bad) for the tenant.
			let (for_provider, for_tenant) = match fault {
				Fault::Nobody => ((full, none), (full, none)),
				Fault::Mishap => ((none, half), (none, none)),
				Fault::Tenant => ((full, none), (none, full)),
				Fault::Provider => ((none, full), (full, none)),
				Fault::Undecided => ((none, quarter), (none, quarter)),
			};
			let TermsV1 {
				half_life,
				pair_cap,
				..
			} = Self::terms();
			let now = Self::now();
			// (good, bad) between the two, as far as the cap leaves room.
			let (for_provider, for_tenant) = Pairs::<T>::mutate(provider, &tenant, |pair| {
				let good = for_provider.0.max(for_tenant.0);
				let bad = for_provider.1.max(for_tenant.1);
				let (good, bad) = pair.room((good, bad), pair_cap, now, half_life);
				pair.add((good, bad), now, half_life);
				let capped = |of: (Perbill, Perbill)| (of.0.min(good), of.1.min(bad));
				(capped(for_provider), capped(for_tenant))
			});
			Self::begin_sweeping();
			let score = ProviderScores::<T>::mutate(provider, |record| {
				record.add(for_provider, now, half_life);
				record.lower_bound(now, half_life)
			});
			Self::deposit_event(Event::ProviderScored { provider, score });
			let score = TenantScores::<T>::mutate(&tenant, |record| {
				record.add(for_tenant, now, half_life);
				record.lower_bound(now, half_life)
			});
			Self::deposit_event(Event::TenantScored { tenant, score });
		}
	}

	impl<T: Config> Scores<T::AccountId> for Pallet<T> {
		fn provider(provider: ProviderId) -> Score {
			ProviderScores::<T>::get(provider).lower_bound(Self::now(), Self::terms().half_life)
		}

		fn tenant(tenant: &T::AccountId) -> Score {
			TenantScores::<T>::get(tenant).lower_bound(Self::now(), Self::terms().half_life)
		}
	}
}
