//! Streams as the market sees them.

use crate::{pallet::*, Funder, StoredAccrual, StreamRecord};
use frame_support::{
	dispatch::DispatchResult,
	ensure,
	traits::{fungible::MutateHold, tokens::Precision},
	BoundedVec,
};
use leasehold_primitives::{
	math, Balance, BlockNumber, LeaseId, ProviderRegistry, StreamOpening, StreamTotals, Streams,
};
use sp_runtime::DispatchError;

impl<T: Config> Pallet<T> {
	/// (storage rate, reserve) of a stream at `rate`, planck.
	fn reserve_of(rate: Balance) -> Result<(Balance, Balance), DispatchError> {
		ensure!(rate >= 1, Error::<T>::ZeroRate);
		let terms = Self::terms();
		let storage_rate = math::storage_rate(rate, terms.storage_rate);
		let reserve = storage_rate
			.checked_mul(terms.suspension_period.into())
			.ok_or(Error::<T>::Overflow)?;
		Ok((storage_rate, reserve))
	}
}

impl<T: Config> Streams<T::AccountId> for Pallet<T> {
	fn minimal_deposit(
		rate: Balance,
		start_deadline: BlockNumber,
	) -> Result<Balance, DispatchError> {
		let (_, reserve) = Self::reserve_of(rate)?;
		math::minimal_deposit(
			rate,
			Self::terms().min_funded_blocks,
			start_deadline,
			reserve,
		)
		.ok_or_else(|| Error::<T>::Overflow.into())
	}

	fn open(opening: StreamOpening<T::AccountId>) -> DispatchResult {
		let StreamOpening {
			lease,
			provider,
			tenant,
			rate,
			deposit,
		} = opening;
		ensure!(
			!StreamsOf::<T>::contains_key(lease),
			Error::<T>::StreamExists
		);
		let (storage_rate, reserve) = Self::reserve_of(rate)?;
		ensure!(deposit > reserve, Error::<T>::DepositTooLow);
		Self::hold(&tenant, deposit)?;
		let mut funders = BoundedVec::new();
		funders
			.try_push(Funder {
				who: tenant.clone(),
				held: deposit,
			})
			.map_err(|_| Error::<T>::TooManyFunders)?;
		StreamsOf::<T>::insert(
			lease,
			StreamRecord {
				provider,
				rate,
				storage_rate,
				reserve,
				fee: Self::terms().fee,
				funders,
				deposited: deposit,
				paid: 0,
				served_blocks: 0,
				accrual: None,
			},
		);
		Self::deposit_event(Event::StreamOpened {
			lease,
			provider,
			tenant,
			rate,
			storage_rate,
			reserve,
			deposit,
		});
		Ok(())
	}

	fn start(lease: LeaseId, deadline: BlockNumber) -> DispatchResult {
		StreamsOf::<T>::try_mutate(lease, |stream| -> DispatchResult {
			let stream = stream.as_mut().ok_or(Error::<T>::UnknownStream)?;
			ensure!(stream.accrual.is_none(), Error::<T>::AlreadyStarted);
			let served_base = T::Registry::served(stream.provider);
			stream.accrual = Some(StoredAccrual {
				served_base,
				base: Self::now(),
				deadline,
			});
			Ok(())
		})?;
		Self::deposit_event(Event::StreamStarted { lease, deadline });
		Ok(())
	}

	fn settle(lease: LeaseId) -> Result<BlockNumber, DispatchError> {
		Self::do_settle(lease)
	}

	fn funded_blocks(lease: LeaseId) -> BlockNumber {
		StreamsOf::<T>::get(lease).map_or(0, |stream| {
			math::funded_blocks(stream.rate, stream.spendable())
		})
	}

	fn close(lease: LeaseId) -> Result<StreamTotals, DispatchError> {
		let mut stream = StreamsOf::<T>::take(lease).ok_or(Error::<T>::UnknownStream)?;
		Self::settle_record(lease, &mut stream)?;
		for funder in &stream.funders {
			let reason = HoldReason::Stream.into();
			T::Currency::release(&reason, &funder.who, funder.held, Precision::Exact)?;
		}
		let totals = StreamTotals {
			paid: stream.paid,
			fees: stream.fees(),
			refunded: stream.held(),
			served_blocks: stream.served_blocks,
		};
		Self::deposit_event(Event::StreamClosed {
			lease,
			served_blocks: totals.served_blocks,
			paid: totals.paid,
			fees: totals.fees,
			refunds: stream.funders,
		});
		Ok(totals)
	}
}
