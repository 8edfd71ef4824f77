//! # Reputation: scores that move on outcomes
//!
//! Glossary: an *outcome* is a lease that ended. A *score* is a number in [0, 1] for a provider or a
//! tenant: the lower confidence bound of a beta distribution over good and bad outcomes. Outcomes
//! decay exponentially in time, so that a score drifts back to the *newcomer's*; each weighs
//! v / (v + reference value) for v planck paid. Dealings with oneself count nothing.
//!
//! This pallet has no calls: outcomes come through [`leasehold_primitives::OutcomeObserver`].

#![cfg_attr(not(feature = "std"), no_std)]
#![forbid(unsafe_code)]

pub use pallet::*;

pub mod score;
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
	use frame_support::pallet_prelude::*;
	use frame_system::pallet_prelude::*;
	use leasehold_primitives::{
		Balance, BlockNumber, Fault, Outcome, OutcomeObserver, ProviderId, ProviderRegistry, Score,
		Scores,
	};
	use sp_runtime::{Perbill, SaturatedConversion};

	const STORAGE_VERSION: StorageVersion = StorageVersion::new(1);

	#[pallet::pallet]
	#[pallet::storage_version(STORAGE_VERSION)]
	pub struct Pallet<T>(_);

	#[pallet::config]
	pub trait Config: frame_system::Config<RuntimeEvent: From<Event<Self>>> {
		/// Tells whether two accounts are one party.
		type Registry: ProviderRegistry<Self::AccountId>;
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
		fn now() -> BlockNumber {
			frame_system::Pallet::<T>::block_number().saturated_into()
		}

		fn terms() -> TermsV1 {
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
			if T::Registry::is_self(provider, &tenant) {
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
			let (now, half_life) = (Self::now(), Self::terms().half_life);
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
