//! The invariants that concern streams alone.

extern crate alloc;

use crate::{pallet::*, Phase};
use alloc::collections::BTreeMap;
use frame_support::{ensure, traits::fungible::InspectHold};
use leasehold_primitives::{math, Balance};
use sp_runtime::TryRuntimeError;

impl<T: Config> Pallet<T> {
	/// I1 for streams, I4, and I6 as far as a record shows it.
	pub fn do_try_state() -> Result<(), TryRuntimeError> {
		let mut holds = BTreeMap::<T::AccountId, Balance>::new();
		for (_, stream) in StreamsOf::<T>::iter() {
			for funder in &stream.funders {
				let sum = holds.entry(funder.who.clone()).or_default();
				*sum = sum.checked_add(funder.held).ok_or("holds overflow")?;
			}
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
		for (who, sum) in holds {
			let held = T::Currency::balance_on_hold(&HoldReason::Stream.into(), &who);
			ensure!(
				held == sum,
				"I1: the amount on hold is not the sum over the streams"
			);
		}
		Ok(())
	}
}
