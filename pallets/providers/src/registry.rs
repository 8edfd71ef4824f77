//! The registry as the other pallets and the agenda see it.

use crate::{pallet::*, AccountIdOf, Status};
use frame_support::{dispatch::DispatchResult, ensure};
use leasehold_primitives::{
	resources::has_attributes, Attributes, Balance, BlockNumber, ProviderId, ProviderRegistry,
	Requirement, Resources,
};
use sp_runtime::DispatchError;

impl<T: Config> Pallet<T> {
	/// What `request` would take of the provider, or the first requirement it does not meet.
	fn take(
		provider: ProviderId,
		request: &Resources,
		attributes: &Attributes,
		slice: Balance,
		standing: bool,
	) -> Result<Resources, Requirement> {
		let record = Providers::<T>::get(provider).ok_or(Requirement::Accepting)?;
		let accepting = match record.status {
			Status::Active => true,
			// Pausing is no way to take a bid back.
			Status::Paused => standing,
			Status::Unbonding { .. } => false,
		};
		ensure!(accepting, Requirement::Accepting);
		ensure!(record.bond >= Self::terms().min_bond, Requirement::Bond);
		let free = record.bond.saturating_sub(record.slices);
		ensure!(slice <= free, Requirement::Bond);
		let info = Infos::<T>::get(provider).ok_or(Requirement::Accepting)?;
		ensure!(
			has_attributes(&info.v1().attributes, attributes),
			Requirement::Attributes
		);
		info.v1().capacity.take(&record.reserved, request)
	}

	/// The block for which the end of a provider's unbonding waits.
	pub fn due(provider: ProviderId) -> Option<BlockNumber> {
		match Providers::<T>::get(provider)?.status {
			Status::Unbonding { due, .. } => Some(due),
			_ => None,
		}
	}

	/// Moves the block for which the end of a provider's unbonding waits.
	pub fn postpone(provider: ProviderId, to: BlockNumber) {
		Providers::<T>::mutate(provider, |record| {
			if let Some(Status::Unbonding { due, .. }) = record.as_mut().map(|r| &mut r.status) {
				*due = to;
			}
		});
	}

	/// Handles the end of a provider's unbonding.
	pub fn visit(provider: ProviderId) -> DispatchResult {
		Self::end_unbonding(provider)
	}
}

impl<T: Config> ProviderRegistry<AccountIdOf<T>> for Pallet<T> {
	fn of_operator(who: &AccountIdOf<T>) -> Option<ProviderId> {
		ByOperator::<T>::get(who)
	}

	fn owner(provider: ProviderId) -> Option<AccountIdOf<T>> {
		Providers::<T>::get(provider).map(|record| record.owner)
	}

	fn is_self(provider: ProviderId, who: &AccountIdOf<T>) -> bool {
		Providers::<T>::get(provider).is_some_and(|r| r.owner == *who || r.operator == *who)
	}

	fn eligible(
		provider: ProviderId,
		request: &Resources,
		attributes: &Attributes,
		slice: Balance,
		standing: bool,
	) -> Result<(), Requirement> {
		Self::take(provider, request, attributes, slice, standing).map(|_| ())
	}

	fn reserve(
		provider: ProviderId,
		request: &Resources,
		slice: Balance,
	) -> Result<Resources, DispatchError> {
		let taken = Self::take(provider, request, &Attributes::default(), slice, true)
			.map_err(|_| Error::<T>::CannotReserve)?;
		Self::change(provider, |record| {
			record.reserved = record
				.reserved
				.checked_add(&taken)
				.ok_or(Error::<T>::Overflow)?;
			record.slices = record
				.slices
				.checked_add(slice)
				.ok_or(Error::<T>::Overflow)?;
			record.leases = record.leases.checked_add(1).ok_or(Error::<T>::Overflow)?;
			Ok(())
		})?;
		Self::deposit_event(Event::Reserved {
			provider,
			taken: taken.clone(),
			slice,
		});
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
			Ok(())
		})?;
		Self::deposit_event(Event::Released {
			provider,
			taken: taken.clone(),
			slice,
		});
		Ok(())
	}

	fn served(provider: ProviderId) -> BlockNumber {
		Heartbeats::<T>::get(provider).map_or(0, |beat| beat.served(Self::now()))
	}

	fn beat(provider: ProviderId) {
		Self::count_beat(provider, None);
	}

	fn heartbeat_period() -> BlockNumber {
		Self::terms().heartbeat_period
	}
}
