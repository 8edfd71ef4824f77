//! The invariants that concern streams alone.

extern crate alloc;

use crate::pallet::*;
use alloc::collections::BTreeMap;
use frame_support::{ensure, traits::fungible::InspectHold};
use leasehold_primitives::Balance;
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
				.ok_or("paid and held overflow")?;
			ensure!(
				stream.deposited == accounted,
				"I4: deposits are not paid + fees + held"
			);
			ensure!(stream.fees() <= stream.paid, "I4: more fees than payments");
			let served = stream
				.rate
				.checked_mul(stream.served_blocks.into())
				.ok_or("rate times blocks overflows")?;
			ensure!(
				stream.paid == served,
				"I6: paid is not rate times served blocks"
			);
			ensure!(!stream.funders.is_empty(), "a stream without its tenant");
			ensure!(
				stream.rate >= 1 && stream.storage_rate >= 1,
				"a rate below 1 planck"
			);
			ensure!(
				stream.held() >= stream.reserve,
				"a running workload has used up some of the reserve"
			);
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
