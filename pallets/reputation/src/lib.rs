//! # Reputation: scores that move on outcomes
//!
//! Glossary: an *outcome* is a lease that ended. A *standing* is a number from 0 upwards for a
//! provider or a tenant ([`score`]): good outcomes add what was paid, in units of the reference value,
//! as far as the terms let it grow; a fault takes off up to one half; it halves in a half-life. A *score* in
//! [0, 1] is what the market reads of it, from a half-life after the party began. A newcomer's is 0,
//! and nobody's is lower: throwing an identity away never pays. Dealings with oneself count nothing good.
//!
//! Of what one tenant and one provider blame on each other, faults weigh up to a cap. Records that
//! have decayed to next to nothing are swept.
//!
//! Outcomes come through [`leasehold_primitives::OutcomeObserver`].

#![cfg_attr(not(feature = "std"), no_std)]
#![forbid(unsafe_code)]

pub use pallet::*;

pub mod migrations;
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
	use sp_runtime::{traits::Convert, Perbill, SaturatedConversion};

	const STORAGE_VERSION: StorageVersion = StorageVersion::new(2);

	#[pallet::pallet]
	#[pallet::storage_version(STORAGE_VERSION)]
	pub struct Pallet<T>(_);

	#[pallet::config]
	pub trait Config: frame_system::Config<RuntimeEvent: From<Event<Self>>> {
		/// Providers with the accounts of their own.
		type SameParty: Contains<(ProviderId, Self::AccountId)>;
		/// The block in which a provider registered.
		type RegisteredAt: Convert<ProviderId, BlockNumber>;
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

	/// Standings of providers. Who has none is a newcomer.
	#[pallet::storage]
	pub type ProviderScores<T: Config> = StorageMap<_, Twox64Concat, ProviderId, Standing>;

	/// Standings of tenants. Who has none is a newcomer.
	#[pallet::storage]
	pub type TenantScores<T: Config> = StorageMap<_, Blake2_128Concat, T::AccountId, Standing>;

	/// Faults between a tenant and a provider.
	#[pallet::storage]
	pub type Pairs<T: Config> = StorageDoubleMap<
		_,
		Twox64Concat,
		ProviderId,
		Blake2_128Concat,
		T::AccountId,
		PairFaults,
		ValueQuery,
	>;

	/// The sweep of spent records; none while there are no records.
	#[pallet::storage]
	pub type Sweeping<T: Config> = StorageValue<_, Sweep>;

	#[pallet::genesis_config]
	#[derive(frame_support::DefaultNoBound)]
	pub struct GenesisConfig<T: Config> {
		pub terms: TermsV2,
		#[serde(skip)]
		pub _config: core::marker::PhantomData<T>,
	}

	#[pallet::genesis_build]
	impl<T: Config> BuildGenesisConfig for GenesisConfig<T> {
		fn build(&self) {
			assert_eq!(self.terms.check(), Ok(()), "terms of reputation");
			CurrentTerms::<T>::put(Terms::V2(self.terms.clone()));
		}
	}

	#[pallet::event]
	#[pallet::generate_deposit(pub(super) fn deposit_event)]
	pub enum Event<T: Config> {
		/// A lease ended: the provider's standing, and the score that follows from it.
		ProviderScored {
			provider: ProviderId,
			standing: Standing,
			score: Score,
		},
		/// A lease ended: the tenant's standing, and the score that follows from it.
		TenantScored {
			tenant: T::AccountId,
			standing: Standing,
			score: Score,
		},
		/// A fault between the two: what their faults weigh by now.
		FaultCounted {
			provider: ProviderId,
			tenant: T::AccountId,
			faults: PairFaults,
		},
		/// The provider's standing had decayed to next to nothing: it is a newcomer's again.
		ProviderForgotten { provider: ProviderId },
		/// The tenant's standing had decayed to next to nothing: it is a newcomer's again.
		TenantForgotten { tenant: T::AccountId },
		/// The faults between the two had decayed to next to nothing.
		FaultsForgotten {
			provider: ProviderId,
			tenant: T::AccountId,
		},
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
		/// Sets the terms, whole. Standings decay by the new half-life from their last outcome on.
		#[pallet::call_index(0)]
		#[pallet::weight(T::WeightInfo::set_terms())]
		pub fn set_terms(origin: OriginFor<T>, terms: Terms) -> DispatchResult {
			T::AdminOrigin::ensure_origin(origin)?;
			let Terms::V2(new) = &terms;
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
				TermsV2::default().check(),
				Ok(()),
				"default terms of reputation"
			);
		}

		#[cfg(feature = "try-runtime")]
		fn try_state(_n: BlockNumberFor<T>) -> Result<(), sp_runtime::TryRuntimeError> {
			Self::do_try_state()
		}
	}

	#[pallet::view_functions]
	impl<T: Config> Pallet<T> {
		/// A provider's standing now. It begins with the registration.
		pub fn provider_standing(provider: ProviderId) -> Standing {
			Self::provider_under(provider, &Self::terms())
		}

		/// A tenant's standing now. It begins with the first outcome.
		pub fn tenant_standing(tenant: T::AccountId) -> Standing {
			Self::tenant_under(&tenant, &Self::terms())
		}
	}

	impl<T: Config> Pallet<T> {
		pub(crate) fn now() -> BlockNumber {
			frame_system::Pallet::<T>::block_number().saturated_into()
		}

		pub(crate) fn terms() -> TermsV2 {
			let Terms::V2(terms) = CurrentTerms::<T>::get();
			terms
		}

		fn provider_under(provider: ProviderId, terms: &TermsV2) -> Standing {
			ProviderScores::<T>::get(provider)
				.unwrap_or_else(|| Standing::new(T::RegisteredAt::convert(provider)))
				.at(Self::now(), terms)
		}

		fn tenant_under(tenant: &T::AccountId, terms: &TermsV2) -> Standing {
			let now = Self::now();
			TenantScores::<T>::get(tenant)
				.unwrap_or(Standing::new(now))
				.at(now, terms)
		}

		/// I8: each score is in [0, 1].
		pub fn do_try_state() -> Result<(), sp_runtime::TryRuntimeError> {
			let (now, terms) = (Self::now(), Self::terms());
			let providers = ProviderScores::<T>::iter_values();
			for standing in providers.chain(TenantScores::<T>::iter_values()) {
				let current = standing.at(now, &terms);
				ensure!(
					current.room <= terms.growth,
					"more room than the terms allow"
				);
				let score = current.score(&terms);
				ensure!(score <= Perbill::one(), "I8: a score is not in [0, 1]");
				ensure!(
					standing.since <= standing.at,
					"a standing from before its party"
				);
				ensure!(standing.at <= now, "a standing from the future");
			}
			Ok(())
		}

		fn moved(standing: Standing, moves: Moves) -> Standing {
			match moves {
				Moves::Good(weight) => standing.after_good(weight),
				Moves::Fault(weight) => standing.after_fault(weight),
			}
		}
	}

	/// What an outcome does to a standing.
	enum Moves {
		/// Adds so much, in parts per billion of one outcome.
		Good(u64),
		/// A fault of this weight.
		Fault(Perbill),
	}

	impl<T: Config> OutcomeObserver<T::AccountId> for Pallet<T> {
		fn observe(outcome: Outcome<T::AccountId>) {
			let Outcome {
				provider,
				tenant,
				fault,
				paid,
				at_stake,
			} = outcome;
			let terms = Self::terms();
			let sum = at_stake.saturating_add(terms.reference_value);
			let full = Perbill::from_rational(at_stake, sum);
			// What weighs nothing leaves no record.
			if full.is_zero() {
				return;
			}
			// Nobody earns a standing by dealing with oneself. Faults count all the same: who operates a
			// provider can change, and a tenant must not become one's own to hide them.
			let own = T::SameParty::contains(&(provider, tenant.clone()));
			let good = paid
				.saturating_mul(score::ONE.into())
				.checked_div(terms.reference_value)
				.and_then(|good| u64::try_from(good).ok())
				.unwrap_or(u64::MAX);
			let blamed = match fault {
				Fault::Nobody => None,
				Fault::Mishap => Some(full / 2),
				Fault::Tenant | Fault::Provider => Some(full),
				Fault::Undecided => Some(full / 4),
			};
			let now = Self::now();
			let blamed = blamed.map(|weight| {
				let mut faults = Pairs::<T>::get(provider, &tenant);
				let counted = faults.count(weight, now, &terms);
				Pairs::<T>::insert(provider, &tenant, faults);
				Self::deposit_event(Event::FaultCounted {
					provider,
					tenant: tenant.clone(),
					faults,
				});
				counted
			});
			let good = || (!own).then_some(Moves::Good(good));
			let bad = || blamed.map(Moves::Fault);
			let (for_provider, for_tenant) = match fault {
				Fault::Nobody => (good(), good()),
				Fault::Mishap => (bad(), None),
				Fault::Tenant => (good(), bad()),
				Fault::Provider => (bad(), good()),
				Fault::Undecided => (bad(), bad()),
			};
			if for_provider.is_none() && for_tenant.is_none() {
				return;
			}
			Self::begin_sweeping();
			if let Some(moves) = for_provider {
				let moved = Self::moved(Self::provider_under(provider, &terms), moves);
				ProviderScores::<T>::insert(provider, moved);
				let score = moved.score(&terms);
				Self::deposit_event(Event::ProviderScored {
					provider,
					standing: moved,
					score,
				});
			}
			if let Some(moves) = for_tenant {
				let moved = Self::moved(Self::tenant_under(&tenant, &terms), moves);
				TenantScores::<T>::insert(&tenant, moved);
				let score = moved.score(&terms);
				Self::deposit_event(Event::TenantScored {
					tenant,
					standing: moved,
					score,
				});
			}
		}
	}

	impl<T: Config> Scores<T::AccountId> for Pallet<T> {
		fn provider(provider: ProviderId) -> Score {
			let terms = Self::terms();
			Self::provider_under(provider, &terms).score(&terms)
		}

		fn provider_for(provider: ProviderId, value: Balance) -> Score {
			let terms = Self::terms();
			Self::provider_under(provider, &terms).score_for(value, &terms)
		}

		fn tenant(tenant: &T::AccountId) -> Score {
			let terms = Self::terms();
			Self::tenant_under(tenant, &terms).score(&terms)
		}
	}
}
