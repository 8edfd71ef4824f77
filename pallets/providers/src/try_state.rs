//! The invariants that concern the registry alone.

use crate::{pallet::*, Status};
use frame_support::{ensure, traits::fungible::InspectHold};
use sp_runtime::TryRuntimeError;

impl<T: Config> Pallet<T> {
	/// I1 for bonds, I2 and I10 as far as one record shows them, and the indexes.
	pub fn do_try_state() -> Result<(), TryRuntimeError> {
		let mut count = 0u32;
		for (provider, record) in Providers::<T>::iter() {
			count = count.saturating_add(1);
			// One account owns at most one provider, so its hold is the one bond.
			let held = T::Currency::balance_on_hold(&HoldReason::Bond.into(), &record.owner);
			ensure!(
				held == record.bond,
				"I1: the bond on hold is not the bond in the record"
			);
			ensure!(record.slices <= record.bond, "I10: slices exceed the bond");
			let info = Infos::<T>::get(provider).ok_or("a provider without info")?;
			ensure!(
				info.v1().capacity.covers(&record.reserved),
				"I2: more is reserved than was declared"
			);
			ensure!(
				ByOwner::<T>::get(&record.owner) == Some(provider),
				"owner index"
			);
			ensure!(
				ByOperator::<T>::get(&record.operator) == Some(provider),
				"operator index"
			);
			ensure!(
				Heartbeats::<T>::contains_key(provider),
				"a provider without heartbeat"
			);
			ensure!(
				provider < NextProviderId::<T>::get(),
				"an id that was never given"
			);
			if let Status::Unbonding { due, .. } = record.status {
				ensure!(due > 0, "unbonding without a deadline");
			}
		}
		for indexed in [
			ByOwner::<T>::iter().count(),
			ByOperator::<T>::iter().count(),
			Infos::<T>::iter().count(),
			Heartbeats::<T>::iter().count(),
		] {
			ensure!(
				indexed == count as usize,
				"an index of the registry has a stray entry"
			);
		}
		Ok(())
	}
}
