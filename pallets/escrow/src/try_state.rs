//! The invariants that concern streams alone.

extern crate alloc;

use crate::{pallet::*, Phase};
use alloc::collections::BTreeMap;
use frame_support::{ensure, traits::fungible::InspectHold};
use leasehold_primitives::{math, Balance};
use sp_runtime::TryRuntimeError;

impl<T: Config> Pallet<T> {
	/// What each funder has in streams, planck (I1).
	pub fn held_by_streams() -> Result<BTreeMap<T::AccountId, Balance>, TryRuntimeError> {
		let mut all = BTreeMap::<T::AccountId, Balance>::new();
		for stream in StreamsOf::<T>::iter_values() {
			for funder in stream.funders {
				let sum = all.entry(funder.who).or_default();
				*sum = sum.checked_add(funder.held).ok_or("holds overflow")?;
			}
		}
		Ok(all)
	}

	/// I1 as far as streams go, I4, and I6 as far as a record shows it. Orders and records have a part
	/// in the same holds: the runtime knows the whole.
	pub fn do_try_state() -> Result<(), TryRuntimeError> {
		for (_, stream) in StreamsOf::<T>::iter() {
			let accounted = stream
				.paid
				.checked_add(stream.held())
				.and_then(|sum| sum.checked_add(stream.withdrawn))
				.ok_or("paid and held overflow")?;
			ensure!(
				stream.deposited == accounted,
				"I4: deposits are not paid + fees + refunded + held"
			);
			let most = math::fee_on(stream.paid, stream.fee);
			ensure!(stream.fees <= most, "I4: more fees than the terms allow");
			let unpaid = matches!(stream.phase, Phase::Starting { .. });
			ensure!(!unpaid || stream.paid == 0, "I6: paid before the start");
		}
		for (who, sum) in Self::held_by_streams()? {
			let held = T::Currency::balance_on_hold(&HoldReason::Stream.into(), &who);
			ensure!(held >= sum, "I1: less is on hold than streams have");
		}
		Ok(())
	}
}
