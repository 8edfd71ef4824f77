//! Deposits and settlement.

use crate::{pallet::*, Funder, StoredAccrual, StreamRecordOf, Terms, TermsV1};
use frame_support::{
	dispatch::DispatchResult,
	ensure,
	traits::{
		fungible::{InspectHold, MutateHold},
		tokens::{Fortitude, Precision, Restriction},
	},
};
use leasehold_primitives::{Balance, BlockNumber, LeaseId, ProviderRegistry};
use sp_runtime::{DispatchError, SaturatedConversion};

impl<T: Config> Pallet<T> {
	pub(crate) fn now() -> BlockNumber {
		frame_system::Pallet::<T>::block_number().saturated_into()
	}

	pub(crate) fn terms() -> TermsV1 {
		let Terms::V1(terms) = CurrentTerms::<T>::get();
		terms
	}

	pub(crate) fn hold(who: &T::AccountId, amount: Balance) -> DispatchResult {
		let reason = HoldReason::Stream.into();
		ensure!(
			T::Currency::can_hold(&reason, who, amount),
			Error::<T>::InsufficientFunds
		);
		T::Currency::hold(&reason, who, amount)
	}

	pub(crate) fn do_deposit(who: T::AccountId, lease: LeaseId, amount: Balance) -> DispatchResult {
		StreamsOf::<T>::try_mutate(lease, |stream| -> DispatchResult {
			let stream = stream.as_mut().ok_or(Error::<T>::UnknownStream)?;
			let is_tenant = stream
				.funders
				.first()
				.is_some_and(|funder| funder.who == who);
			let least = if is_tenant {
				1
			} else {
				Self::terms().min_top_up
			};
			ensure!(amount >= least, Error::<T>::DepositTooLow);
			// What was served past dry is not owed, and does not become so by a top-up.
			Self::settle_record(lease, stream)?;
			stream.deposited = stream
				.deposited
				.checked_add(amount)
				.ok_or(Error::<T>::Overflow)?;
			match stream.funders.iter_mut().find(|funder| funder.who == who) {
				Some(funder) => {
					funder.held = funder
						.held
						.checked_add(amount)
						.ok_or(Error::<T>::Overflow)?;
				}
				None => stream
					.funders
					.try_push(Funder {
						who: who.clone(),
						held: amount,
					})
					.map_err(|_| Error::<T>::TooManyFunders)?,
			}
			Self::hold(&who, amount)
		})?;
		Self::deposit_event(Event::Deposited { lease, who, amount });
		Ok(())
	}

	/// The blocks that were paid.
	pub(crate) fn do_settle(lease: LeaseId) -> Result<BlockNumber, DispatchError> {
		let mut stream = StreamsOf::<T>::get(lease).ok_or(Error::<T>::UnknownStream)?;
		let blocks = Self::settle_record(lease, &mut stream)?;
		StreamsOf::<T>::insert(lease, stream);
		Ok(blocks)
	}

	/// Pays what is owed and moves the base of the accrual to now. The caller stores the record.
	/// The blocks that were paid.
	pub(crate) fn settle_record(
		lease: LeaseId,
		stream: &mut StreamRecordOf<T>,
	) -> Result<BlockNumber, DispatchError> {
		let Some(accrual) = stream.accrual else {
			return Ok(0);
		};
		let served_now = T::Registry::served(stream.provider);
		let blocks = stream.owed_blocks(served_now);
		stream.accrual = Some(StoredAccrual {
			served_base: served_now,
			base: Self::now(),
			..accrual
		});
		if blocks == 0 {
			return Ok(0);
		}
		let owed = stream
			.rate
			.checked_mul(blocks.into())
			.ok_or(Error::<T>::Overflow)?;
		let fees_before = stream.fees();
		stream.paid = stream.paid.checked_add(owed).ok_or(Error::<T>::Overflow)?;
		stream.served_blocks = stream
			.served_blocks
			.checked_add(blocks)
			.ok_or(Error::<T>::Overflow)?;
		let fee = stream
			.fees()
			.checked_sub(fees_before)
			.ok_or(Error::<T>::Overflow)?;
		let net = owed.checked_sub(fee).ok_or(Error::<T>::Overflow)?;
		let owner = T::Registry::owner(stream.provider).ok_or(Error::<T>::NoPayee)?;
		let protocol = FeeDestination::<T>::get().ok_or(Error::<T>::NoPayee)?;
		Self::pay(stream, &protocol, fee)?;
		Self::pay(stream, &owner, net)?;
		Self::deposit_event(Event::Settled {
			lease,
			blocks,
			paid: owed,
			fee,
		});
		Ok(blocks)
	}

	/// Moves `amount` planck out of the funders' holds, first come, first consumed.
	fn pay(
		stream: &mut StreamRecordOf<T>,
		to: &T::AccountId,
		mut amount: Balance,
	) -> Result<(), DispatchError> {
		for funder in stream.funders.iter_mut() {
			let part = funder.held.min(amount);
			if part == 0 {
				continue;
			}
			T::Currency::transfer_on_hold(
				&HoldReason::Stream.into(),
				&funder.who,
				to,
				part,
				Precision::Exact,
				Restriction::Free,
				Fortitude::Force,
			)?;
			funder.held = funder.held.saturating_sub(part);
			amount = amount.saturating_sub(part);
		}
		ensure!(amount == 0, Error::<T>::Overflow);
		Ok(())
	}
}
