//! The invariants that concern the registry alone.

use crate::{pallet::*, Status};
use alloc::collections::BTreeMap;
use frame_support::{ensure, traits::fungible::InspectHold};
use leasehold_primitives::Balance;
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
				record.leases > 0 || !Absences::<T>::contains_key(provider),
				"an absence that keeps no lease from going on"
			);
			ensure!(
				provider < NextProviderId::<T>::get(),
				"an id that was never given"
			);
			if let Status::Unbonding { due, .. } = record.status {
				ensure!(due > 0, "unbonding without a deadline");
			}
		}
		let mut holds = BTreeMap::<T::AccountId, Balance>::new();
		let mut attestations = 0usize;
		for (id, record) in Attestations::<T>::iter() {
			attestations = attestations.saturating_add(1);
			let sum = holds.entry(record.auditor.clone()).or_default();
			*sum = sum.saturating_add(record.deposit);
			ensure!(
				AttestedBy::<T>::get(record.provider, &record.auditor) == Some(id),
				"a statement without its index"
			);
			ensure!(
				id < NextAttestationId::<T>::get(),
				"an id that was never given"
			);
		}
		ensure!(
			AttestedBy::<T>::iter().count() == attestations,
			"a stray index of statements"
		);
		for (who, sum) in holds {
			let held = T::Currency::balance_on_hold(&HoldReason::Attestation.into(), &who);
			ensure!(
				held == sum,
				"I1: the amount on hold is not the sum over statements"
			);
		}
		let extras = Offers::<T>::iter_keys()
			.chain(Served::<T>::iter_keys())
			.chain(Absences::<T>::iter_keys());
		for provider in extras {
			ensure!(
				Providers::<T>::contains_key(provider),
				"an offer, a list of tenants or an absence without its provider"
			);
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
