//! What the calls do.

use crate::{
	pallet::*, AccountIdOf, FormerOperator, Heartbeat, ProviderInfo, ProviderRecord, Status,
	Tenants, Terms, TermsV1,
};
use frame_support::{
	ensure,
	pallet_prelude::{
		DispatchResult, InvalidTransaction, TransactionValidityError, ValidTransaction,
	},
	traits::{fungible::MutateHold, tokens::Precision, Contains, Get},
};
use leasehold_primitives::{
	heartbeat::{self, Instance},
	math,
	resources::has_attributes,
	terms::Former,
	Agenda, AgendaItem, Balance, BlockNumber, PriceSheet, ProviderId, ProviderRegistry, Resources,
};
use sp_runtime::{
	traits::{Verify, Zero},
	DispatchError, SaturatedConversion,
};

/// Why a heartbeat is not valid, as `InvalidTransaction::Custom`.
pub mod heartbeat_error {
	/// There is no such provider.
	pub const UNKNOWN_PROVIDER: u8 = 1;
	/// The provider has neither lease nor offer, so that nothing is to be counted.
	pub const IDLE: u8 = 2;
}

impl<T: Config> Pallet<T> {
	pub(crate) fn now() -> BlockNumber {
		frame_system::Pallet::<T>::block_number().saturated_into()
	}

	pub(crate) fn terms() -> TermsV1 {
		let Terms::V1(terms) = CurrentTerms::<T>::get();
		terms
	}

	pub(crate) fn hold(
		reason: HoldReason,
		who: &AccountIdOf<T>,
		amount: Balance,
	) -> DispatchResult {
		T::Currency::hold(&reason.into(), who, amount)
			.map_err(|_| Error::<T>::InsufficientFunds.into())
	}

	fn owned(owner: &AccountIdOf<T>) -> Result<ProviderId, DispatchError> {
		ByOwner::<T>::get(owner).ok_or_else(|| Error::<T>::NotOwner.into())
	}

	fn owned_or_operated(who: &AccountIdOf<T>) -> Result<ProviderId, DispatchError> {
		ByOwner::<T>::get(who)
			.or_else(|| ByOperator::<T>::get(who))
			.ok_or_else(|| Error::<T>::NotProvider.into())
	}

	/// Whether the provider has bids that bind it.
	fn bids(provider: ProviderId) -> bool {
		T::Bidders::contains(&provider)
	}

	pub(crate) fn change<R>(
		provider: ProviderId,
		change: impl FnOnce(&mut ProviderRecord<AccountIdOf<T>>) -> Result<R, DispatchError>,
	) -> Result<R, DispatchError> {
		Providers::<T>::try_mutate(provider, |record| {
			change(record.as_mut().ok_or(Error::<T>::UnknownProvider)?)
		})
	}

	pub(crate) fn do_register(
		owner: AccountIdOf<T>,
		operator: AccountIdOf<T>,
		bond: Balance,
		info: ProviderInfo,
	) -> DispatchResult {
		ensure!(
			!ByOwner::<T>::contains_key(&owner),
			Error::<T>::AccountTaken
		);
		ensure!(
			!ByOperator::<T>::contains_key(&owner),
			Error::<T>::AccountTaken
		);
		ensure!(
			!ByOwner::<T>::contains_key(&operator),
			Error::<T>::AccountTaken
		);
		ensure!(
			!ByOperator::<T>::contains_key(&operator),
			Error::<T>::AccountTaken
		);
		ensure!(bond >= Self::terms().min_bond, Error::<T>::BondTooLow);
		ensure!(info.is_valid(), Error::<T>::InvalidInfo);
		let provider = NextProviderId::<T>::get();
		NextProviderId::<T>::put(provider.checked_add(1).ok_or(Error::<T>::Overflow)?);
		Self::hold(HoldReason::Bond, &owner, bond)?;
		ByOwner::<T>::insert(&owner, provider);
		ByOperator::<T>::insert(&operator, provider);
		Infos::<T>::insert(provider, &info);
		Heartbeats::<T>::insert(
			provider,
			Heartbeat {
				last_beat: Self::now(),
				..Default::default()
			},
		);
		Providers::<T>::insert(
			provider,
			ProviderRecord {
				owner: owner.clone(),
				operator: operator.clone(),
				status: Status::Active,
				bond,
				slices: 0,
				leases: 0,
				reserved: Resources::default(),
				offer_version: 0,
				registered_at: Self::now(),
			},
		);
		Self::deposit_event(Event::Registered {
			provider,
			owner,
			operator,
			bond,
			info,
		});
		Ok(())
	}

	pub(crate) fn do_rotate_operator(owner: AccountIdOf<T>, new: AccountIdOf<T>) -> DispatchResult {
		let provider = Self::owned(&owner)?;
		ensure!(
			!ByOperator::<T>::contains_key(&new),
			Error::<T>::AccountTaken
		);
		let other_owner = ByOwner::<T>::get(&new).is_some_and(|p| p != provider);
		ensure!(!other_owner, Error::<T>::AccountTaken);
		let old = Self::change(provider, |record| {
			Ok(core::mem::replace(&mut record.operator, new.clone()))
		})?;
		Self::remember_operator(provider, &old)?;
		ByOperator::<T>::remove(&old);
		ByOperator::<T>::insert(&new, provider);
		Self::deposit_event(Event::OperatorRotated { provider, old, new });
		Ok(())
	}

	/// Keeps a former operator: what it signed while it was one counts. The oldest makes room, once its
	/// signatures no longer matter.
	fn remember_operator(provider: ProviderId, who: &AccountIdOf<T>) -> DispatchResult {
		let until = Self::now();
		FormerOperators::<T>::try_mutate(provider, |former| {
			let matter = until.saturating_sub(Self::terms().max_downtime);
			if former.is_full() && former.first().is_some_and(|oldest| oldest.until < matter) {
				former.remove(0);
			}
			let who = who.clone();
			former
				.try_push(FormerOperator { who, until })
				.map_err(|_| Error::<T>::TooManyRotations.into())
		})
	}

	pub(crate) fn do_update(who: AccountIdOf<T>, info: ProviderInfo) -> DispatchResult {
		let provider = Self::owned_or_operated(&who)?;
		let record = Providers::<T>::get(provider).ok_or(Error::<T>::UnknownProvider)?;
		ensure!(info.is_valid(), Error::<T>::InvalidInfo);
		ensure!(
			info.v1().capacity.covers(&record.reserved),
			Error::<T>::CapacityInUse
		);
		let old = Infos::<T>::get(provider).ok_or(Error::<T>::UnknownProvider)?;
		let keeps = info.v1().capacity.is_at_least(&old.v1().capacity)
			&& has_attributes(&info.v1().attributes, &old.v1().attributes);
		ensure!(keeps || !Self::bids(provider), Error::<T>::BidsStand);
		Infos::<T>::insert(provider, &info);
		Self::deposit_event(Event::Updated { provider, info });
		Ok(())
	}

	pub(crate) fn do_set_paused(who: AccountIdOf<T>, paused: bool) -> DispatchResult {
		let provider = Self::owned_or_operated(&who)?;
		Self::change(provider, |record| {
			let wanted = if paused {
				Status::Paused
			} else {
				Status::Active
			};
			ensure!(
				!matches!(record.status, Status::Unbonding { .. }),
				Error::<T>::Unbonding
			);
			ensure!(record.status != wanted, Error::<T>::NothingToDo);
			record.status = wanted;
			Ok(())
		})?;
		Self::deposit_event(Event::PauseSet { provider, paused });
		Ok(())
	}

	pub(crate) fn do_set_offer(who: AccountIdOf<T>, sheet: Option<PriceSheet>) -> DispatchResult {
		let provider = Self::owned_or_operated(&who)?;
		ensure!(
			sheet.is_some() || Offers::<T>::contains_key(provider),
			Error::<T>::NothingToDo
		);
		let version = Self::change(provider, |record| {
			record.offer_version = record
				.offer_version
				.checked_add(1)
				.ok_or(Error::<T>::Overflow)?;
			Ok(record.offer_version)
		})?;
		Offers::<T>::set(provider, sheet.clone());
		Self::deposit_event(Event::OfferSet {
			provider,
			version,
			sheet,
		});
		Ok(())
	}

	pub(crate) fn do_set_served(
		who: AccountIdOf<T>,
		tenants: Option<Tenants<AccountIdOf<T>>>,
	) -> DispatchResult {
		let provider = Self::owned_or_operated(&who)?;
		ensure!(!Self::bids(provider), Error::<T>::BidsStand);
		Served::<T>::set(provider, tenants.clone());
		Self::deposit_event(Event::ServedSet { provider, tenants });
		Ok(())
	}

	pub(crate) fn do_set_terms(terms: Terms) -> DispatchResult {
		let Terms::V1(new) = &terms;
		let sound = new.check().is_ok() && T::StartDeadline::get() <= new.max_downtime;
		ensure!(sound, Error::<T>::TermsContradict);
		let (old, now) = (Self::terms().max_downtime, Self::now());
		FormerDowntime::<T>::mutate(|former| {
			*former = Former::noted(*former, old, new.max_downtime, now);
		});
		CurrentTerms::<T>::put(&terms);
		Self::deposit_event(Event::TermsSet { terms });
		Ok(())
	}

	pub(crate) fn do_raise_bond(owner: AccountIdOf<T>, amount: Balance) -> DispatchResult {
		let provider = Self::owned(&owner)?;
		ensure!(!amount.is_zero(), Error::<T>::ZeroAmount);
		let bond = Self::change(provider, |record| {
			ensure!(
				!matches!(record.status, Status::Unbonding { .. }),
				Error::<T>::Unbonding
			);
			record.bond = record
				.bond
				.checked_add(amount)
				.ok_or(Error::<T>::Overflow)?;
			Ok(record.bond)
		})?;
		Self::hold(HoldReason::Bond, &owner, amount)?;
		Self::deposit_event(Event::BondRaised {
			provider,
			amount,
			bond,
		});
		Ok(())
	}

	pub(crate) fn do_deregister(owner: AccountIdOf<T>) -> DispatchResult {
		let provider = Self::owned(&owner)?;
		ensure!(!Self::bids(provider), Error::<T>::BidsStand);
		let until = Self::change(provider, |record| {
			ensure!(
				!matches!(record.status, Status::Unbonding { .. }),
				Error::<T>::Unbonding
			);
			let until = Self::now()
				.checked_add(Self::terms().unbonding_period)
				.ok_or(Error::<T>::Overflow)?;
			let due = T::Agenda::schedule(AgendaItem::Provider(provider), until);
			record.status = Status::Unbonding { until, due };
			Ok(until)
		})?;
		Self::deposit_event(Event::UnbondingStarted { provider, until });
		Ok(())
	}

	/// Whether the operator's signature makes this heartbeat valid now.
	pub(crate) fn authorize_heartbeat(
		provider: ProviderId,
		instance: &Instance,
		last_beat: BlockNumber,
		signature: &T::Signature,
	) -> Result<ValidTransaction, TransactionValidityError> {
		let custom = |code| TransactionValidityError::from(InvalidTransaction::Custom(code));
		let record =
			Providers::<T>::get(provider).ok_or(custom(heartbeat_error::UNKNOWN_PROVIDER))?;
		let wanted = record.leases > 0 || Offers::<T>::contains_key(provider);
		ensure!(wanted, custom(heartbeat_error::IDLE));
		let stored = Heartbeats::<T>::get(provider).unwrap_or_default();
		ensure!(last_beat >= stored.last_beat, InvalidTransaction::Stale);
		let terms = Self::terms();
		let period = math::beat_period(terms.heartbeat_period, stored.grace);
		let due = stored.last_beat.saturating_add(period);
		ensure!(
			last_beat == stored.last_beat && Self::now() >= due,
			InvalidTransaction::Future
		);
		let genesis = frame_system::Pallet::<T>::block_hash(
			frame_system::pallet_prelude::BlockNumberFor::<T>::zero(),
		);
		let genesis = leasehold_primitives::genesis(genesis);
		let payload = heartbeat::payload(&genesis, provider, instance, last_beat);
		ensure!(
			signature.verify(&payload[..], &record.operator),
			InvalidTransaction::BadProof
		);
		ValidTransaction::with_tag_prefix("LeaseholdHeartbeat")
			.priority(u64::MAX)
			.and_provides((provider, last_beat))
			.longevity(terms.heartbeat_grace.into())
			.propagate(true)
			.build()
	}

	pub(crate) fn do_heartbeat(provider: ProviderId, instance: Instance) -> DispatchResult {
		Self::count_beat(provider, Some(instance)).ok_or(Error::<T>::UnknownProvider)?;
		Ok(())
	}

	/// Who had no lease had no duty: if it is off duty, its absence begins now.
	pub(crate) fn begin_absence(provider: ProviderId) {
		let now = Self::now();
		Heartbeats::<T>::mutate(provider, |stored| {
			if let Some(beat) = stored.as_mut().filter(|beat| beat.on_duty_until() < now) {
				beat.counter = beat.served(now);
				beat.last_beat = now.saturating_sub(1);
				beat.grace = 0;
				Self::deposit_event(Event::DutyBegan {
					provider,
					served: beat.counter,
				});
			}
		});
	}

	/// The block in which a provider that sends no more heartbeats will have served nothing for too long.
	pub(crate) fn offline_since(beat: &Heartbeat) -> BlockNumber {
		<Self as ProviderRegistry<_>>::too_long_at(beat.last_beat, beat.on_duty_until())
	}

	/// Stores what has been served up to now. The block in which an absence since the beat before is too long;
	/// `None` if there is no such provider.
	pub(crate) fn count_beat(
		provider: ProviderId,
		instance: Option<Instance>,
	) -> Option<BlockNumber> {
		let beat = Heartbeats::<T>::get(provider)?;
		let now = Self::now();
		let terms = Self::terms();
		let offline_at = Self::offline_since(&beat);
		let has_leases = || Providers::<T>::get(provider).is_some_and(|record| record.leases > 0);
		if offline_at <= now && !Absences::<T>::contains_key(provider) && has_leases() {
			Absences::<T>::insert(provider, offline_at);
			Self::deposit_event(Event::AbsenceTooLong {
				provider,
				offline_at,
			});
		}
		let beat = Heartbeat {
			counter: beat.served(now),
			last_beat: now,
			grace: terms.heartbeat_grace,
			instance: instance.unwrap_or(beat.instance),
		};
		Self::deposit_event(Event::HeartbeatReceived {
			provider,
			instance: beat.instance,
			served: beat.counter,
			grace: beat.grace,
		});
		Heartbeats::<T>::insert(provider, beat);
		Some(offline_at)
	}

	/// The end of unbonding: returns the bond once the last lease has ended and nothing of it is reserved.
	pub(crate) fn end_unbonding(provider: ProviderId) -> DispatchResult {
		let Some(record) = Providers::<T>::get(provider) else {
			return Ok(());
		};
		let Status::Unbonding { until, .. } = record.status else {
			return Ok(());
		};
		if record.leases > 0 || record.slices > 0 || Self::now() < until {
			// Leases may last long: not every few blocks.
			let wait = (Self::terms().unbonding_period / 8).max(1);
			let next = Self::now().saturating_add(wait).max(until);
			let due = T::Agenda::schedule(AgendaItem::Provider(provider), next);
			return Self::change(provider, |record| {
				record.status = Status::Unbonding { until, due };
				Ok(())
			});
		}
		T::Currency::release(
			&HoldReason::Bond.into(),
			&record.owner,
			record.bond,
			Precision::Exact,
		)?;
		Providers::<T>::remove(provider);
		Infos::<T>::remove(provider);
		Offers::<T>::remove(provider);
		Served::<T>::remove(provider);
		Heartbeats::<T>::remove(provider);
		FormerOperators::<T>::remove(provider);
		ByOwner::<T>::remove(&record.owner);
		ByOperator::<T>::remove(&record.operator);
		Self::deposit_event(Event::Deregistered {
			provider,
			owner: record.owner,
			bond: record.bond,
		});
		Ok(())
	}
}
