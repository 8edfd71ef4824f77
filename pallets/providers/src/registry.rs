//! The registry as the other pallets and the agenda see it.

use crate::{pallet::*, AccountIdOf, Status};
use alloc::boxed::Box;
use frame_support::{
	dispatch::DispatchResult,
	ensure,
	traits::{
		fungible::MutateHold,
		tokens::{Fortitude, Precision, Restriction},
	},
};
use leasehold_primitives::{
	resources::has_attributes, terms::Former, AgendaItem, Balance, BlockNumber, Demand, PriceSheet,
	ProviderId, ProviderRegistry, Requirement, Resources,
};
use sp_runtime::DispatchError;

impl<T: Config> Pallet<T> {
	/// The block for which an item of the registry waits.
	pub fn due(item: AgendaItem) -> Option<BlockNumber> {
		match item {
			AgendaItem::Provider(id) => match Providers::<T>::get(id)?.status {
				Status::Unbonding { due, .. } => Some(due),
				_ => None,
			},
			AgendaItem::Attestation(id) => Attestations::<T>::get(id).map(|record| record.due),
			_ => None,
		}
	}

	/// Moves the block for which an item of the registry waits.
	pub fn postpone(item: AgendaItem, to: BlockNumber) {
		match item {
			AgendaItem::Provider(id) => Providers::<T>::mutate(id, |record| {
				if let Some(Status::Unbonding { due, .. }) = record.as_mut().map(|r| &mut r.status)
				{
					*due = to;
				}
			}),
			AgendaItem::Attestation(id) => Attestations::<T>::mutate(id, |record| {
				if let Some(record) = record {
					record.due = to;
				}
			}),
			_ => {}
		}
	}

	/// Handles an item of the registry that is due.
	pub fn visit(item: AgendaItem) -> DispatchResult {
		match item {
			AgendaItem::Provider(id) => Self::end_unbonding(id),
			AgendaItem::Attestation(id) => Self::end_attestation(id),
			_ => Ok(()),
		}
	}
}

impl<T: Config> Pallet<T> {
	/// Replaces what a lease has reserved, if `has` says that the provider has got the sum of all.
	fn replace(
		provider: ProviderId,
		(old, old_slice): (&Resources, Balance),
		(new, new_slice): (&Resources, Balance),
		has: impl FnOnce(&Resources) -> bool,
	) -> DispatchResult {
		Self::change(provider, |record| {
			let rest = record
				.reserved
				.checked_sub(old)
				.ok_or(Error::<T>::NotReserved)?;
			record.reserved = rest
				.checked_add(new)
				.filter(has)
				.ok_or(Error::<T>::CannotReserve)?;
			let rest = record
				.slices
				.checked_sub(old_slice)
				.ok_or(Error::<T>::NotReserved)?;
			record.slices = rest
				.checked_add(new_slice)
				.filter(|sum| *sum <= record.bond || new_slice <= old_slice)
				.ok_or(Error::<T>::BondReserved)?;
			Ok(())
		})
	}
}

impl<T: Config> ProviderRegistry<AccountIdOf<T>> for Pallet<T> {
	fn of_operator(who: &AccountIdOf<T>) -> Option<ProviderId> {
		ByOperator::<T>::get(who)
	}

	fn all(after: Option<ProviderId>) -> Box<dyn Iterator<Item = ProviderId>> {
		match after {
			Some(id) => {
				let key = Providers::<T>::hashed_key_for(id);
				Box::new(Providers::<T>::iter_keys_from(key))
			}
			None => Box::new(Providers::<T>::iter_keys()),
		}
	}

	fn owner(provider: ProviderId) -> Option<AccountIdOf<T>> {
		Providers::<T>::get(provider).map(|record| record.owner)
	}

	fn operator_at(provider: ProviderId, at: BlockNumber) -> Option<AccountIdOf<T>> {
		// In the block of a rotation the former one: the daemon has not seen it yet.
		let mut former = FormerOperators::<T>::get(provider).into_iter();
		former
			.find(|former| at <= former.until)
			.map(|former| former.who)
			.or_else(|| Providers::<T>::get(provider).map(|record| record.operator))
	}

	fn eligible(
		provider: ProviderId,
		demand: &Demand<AccountIdOf<T>>,
	) -> Result<Resources, Requirement> {
		let record = Providers::<T>::get(provider).ok_or(Requirement::Accepting)?;
		let accepting = match record.status {
			Status::Active => true,
			// Pausing is no way to take a bid back.
			Status::Paused => demand.standing,
			Status::Unbonding { .. } => false,
		};
		// Who is absent for too long, or was and has leases of that time, could start none.
		let absent = Self::offline_at(provider) <= Self::now();
		let could_start = !absent || record.leases == 0;
		ensure!(accepting && could_start, Requirement::Accepting);
		let serves = Served::<T>::get(provider).is_none_or(|t| t.contains(demand.tenant));
		ensure!(serves, Requirement::Tenant);
		ensure!(record.bond >= Self::terms().min_bond, Requirement::Bond);
		let free = record.bond.saturating_sub(record.slices);
		ensure!(demand.slice <= free, Requirement::Bond);
		let info = Infos::<T>::get(provider).ok_or(Requirement::Accepting)?;
		let says = has_attributes(&info.v1().attributes, demand.attributes);
		ensure!(says, Requirement::Attributes);
		ensure!(
			Self::attested(provider, demand.attributes, demand.all_of, demand.any_of),
			Requirement::Attestations
		);
		info.v1().capacity.take(&record.reserved, demand.resources)
	}

	fn offer(provider: ProviderId) -> Option<(u32, PriceSheet)> {
		let version = Providers::<T>::get(provider)?.offer_version;
		Offers::<T>::get(provider).map(|sheet| (version, sheet))
	}

	fn leases(provider: ProviderId) -> u32 {
		Providers::<T>::get(provider).map_or(0, |record| record.leases)
	}

	fn reserve(provider: ProviderId, taken: &Resources, slice: Balance) -> DispatchResult {
		let capacity = Infos::<T>::get(provider).ok_or(Error::<T>::UnknownProvider)?;
		Self::change(provider, |record| {
			record.reserved = record
				.reserved
				.checked_add(taken)
				.filter(|sum| capacity.v1().capacity.covers(sum))
				.ok_or(Error::<T>::CannotReserve)?;
			record.slices = record
				.slices
				.checked_add(slice)
				.filter(|sum| *sum <= record.bond)
				.ok_or(Error::<T>::BondReserved)?;
			if record.leases == 0 {
				Self::begin_absence(provider);
			}
			record.leases = record.leases.checked_add(1).ok_or(Error::<T>::Overflow)?;
			Ok(())
		})
	}

	fn exchange(
		provider: ProviderId,
		(old, old_slice): (&Resources, Balance),
		(new, new_slice): (&Resources, Balance),
	) -> DispatchResult {
		Self::replace(provider, (old, old_slice), (new, new_slice), |sum| {
			// Taking less needs nothing that the provider has not got.
			let shrinks = old.checked_sub(new).is_some();
			shrinks || Infos::<T>::get(provider).is_some_and(|info| info.v1().capacity.covers(sum))
		})
	}

	fn resize(
		provider: ProviderId,
		(old, old_slice): (&Resources, Balance),
		request: &Resources,
		slice: impl FnOnce(&Resources) -> Result<Balance, DispatchError>,
	) -> Result<Resources, DispatchError> {
		let record = Providers::<T>::get(provider).ok_or(Error::<T>::UnknownProvider)?;
		let others = record.reserved.checked_sub(old);
		let others = others.ok_or(Error::<T>::NotReserved)?;
		let info = Infos::<T>::get(provider).ok_or(Error::<T>::UnknownProvider)?;
		let taken = info.v1().capacity.take(&others, request);
		let taken = taken.map_err(|_| Error::<T>::CannotReserve)?;
		// May pay the provider: its record is read anew.
		let new_slice = slice(&taken)?;
		Self::replace(provider, (old, old_slice), (&taken, new_slice), |_| true)?;
		Ok(taken)
	}

	fn release(provider: ProviderId, taken: &Resources, slice: Balance) -> DispatchResult {
		Self::change(provider, |record| {
			record.reserved = record
				.reserved
				.checked_sub(taken)
				.ok_or(Error::<T>::NotReserved)?;
			record.slices = record
				.slices
				.checked_sub(slice)
				.ok_or(Error::<T>::NotReserved)?;
			record.leases = record
				.leases
				.checked_sub(1)
				.ok_or(Error::<T>::NotReserved)?;
			if record.leases == 0 {
				let was_absent = Absences::<T>::contains_key(provider);
				// Written in any case, as it is measured.
				Absences::<T>::remove(provider);
				if was_absent {
					Self::deposit_event(Event::AbsenceOver { provider });
				}
			}
			Ok(())
		})
	}

	fn compensate(provider: ProviderId, to: &AccountIdOf<T>, amount: Balance) -> DispatchResult {
		if amount == 0 {
			return Ok(());
		}
		let (owner, bond) = Self::change(provider, |record| {
			ensure!(amount <= record.slices, Error::<T>::NotReserved);
			record.bond = record
				.bond
				.checked_sub(amount)
				.ok_or(Error::<T>::NotReserved)?;
			Ok((record.owner.clone(), record.bond))
		})?;
		let reason = HoldReason::Bond.into();
		if owner == *to {
			T::Currency::release(&reason, to, amount, Precision::Exact)?;
		} else {
			T::Currency::transfer_on_hold(
				&reason,
				&owner,
				to,
				amount,
				Precision::Exact,
				Restriction::Free,
				Fortitude::Force,
			)?;
		}
		Self::deposit_event(Event::Compensated {
			provider,
			to: to.clone(),
			amount,
			bond,
		});
		Ok(())
	}

	fn served(provider: ProviderId) -> BlockNumber {
		Heartbeats::<T>::get(provider).map_or(0, |beat| beat.served(Self::now()))
	}

	fn beat(provider: ProviderId) -> BlockNumber {
		let offline_at = Self::count_beat(provider, None).unwrap_or(0);
		Absences::<T>::get(provider).unwrap_or(offline_at)
	}

	fn on_duty_until(provider: ProviderId) -> BlockNumber {
		Heartbeats::<T>::get(provider).map_or(0, |beat| beat.on_duty_until())
	}

	fn offline_at(provider: ProviderId) -> BlockNumber {
		Absences::<T>::get(provider).unwrap_or_else(|| {
			Heartbeats::<T>::get(provider).map_or(0, |beat| Self::offline_since(&beat))
		})
	}

	fn heartbeat_period() -> BlockNumber {
		Self::terms().heartbeat_period
	}

	fn max_downtime() -> BlockNumber {
		Self::terms().max_downtime
	}

	fn too_long_at(since: BlockNumber, from: BlockNumber) -> BlockNumber {
		let downtime = Self::terms().max_downtime;
		let at = from.saturating_add(downtime);
		// Read where it decides only.
		if Self::now() < at {
			return at;
		}
		from.saturating_add(Former::of(FormerDowntime::<T>::get(), downtime, since))
	}
}
