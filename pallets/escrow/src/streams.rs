//! Streams as the market sees them.

use crate::{
	pallet::*, Funder, Phase, Refill, StoredAccrual, StreamRecord, StreamRecordOf, TermsV1,
};
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
	fn reserve_of(rate: Balance, terms: &TermsV1) -> Result<(Balance, Balance), DispatchError> {
		ensure!(rate >= 1, Error::<T>::ZeroRate);
		let storage_rate = math::storage_rate(rate, terms.storage_rate);
		let reserve = storage_rate
			.checked_mul(terms.suspension_period.into())
			.ok_or(Error::<T>::Overflow)?;
		Ok((storage_rate, reserve))
	}

	/// What a refill must take: enough for some time, above the reserve if that has been drawn on, planck.
	fn needed_refill(stream: &StreamRecordOf<T>) -> Balance {
		let drawn = stream.reserve.saturating_sub(stream.held());
		let blocks = Self::terms().min_funded_blocks;
		let resuming = stream.rate.saturating_mul(blocks.into());
		Self::least_refill(stream.rate)
			.max(resuming)
			.saturating_add(drawn)
	}

	/// An accrual from now on.
	fn from_now(stream: &StreamRecordOf<T>, deadline: BlockNumber) -> StoredAccrual {
		StoredAccrual {
			served_base: T::Registry::served(stream.provider),
			base: Self::now(),
			deadline,
		}
	}

	/// Settles a stream and changes it.
	fn change<R>(
		lease: LeaseId,
		change: impl FnOnce(&mut StreamRecordOf<T>) -> Result<R, DispatchError>,
	) -> Result<R, DispatchError> {
		let mut stream = Self::stream(lease)?;
		Self::settle_record(lease, &mut stream)?;
		let changed = change(&mut stream)?;
		StreamsOf::<T>::insert(lease, stream);
		Ok(changed)
	}
}

impl<T: Config> Streams<T::AccountId> for Pallet<T> {
	fn minimal_deposit(
		rate: Balance,
		start_deadline: BlockNumber,
	) -> Result<Balance, DispatchError> {
		let terms = Self::terms();
		let (_, reserve) = Self::reserve_of(rate, &terms)?;
		math::minimal_deposit(rate, terms.min_funded_blocks, start_deadline, reserve)
			.ok_or_else(|| Error::<T>::Overflow.into())
	}

	fn hold(who: &T::AccountId, amount: Balance) -> DispatchResult {
		T::Currency::hold(&HoldReason::Stream.into(), who, amount)
			.map_err(|_| Error::<T>::InsufficientFunds.into())
	}

	fn release(who: &T::AccountId, amount: Balance) -> DispatchResult {
		if amount == 0 {
			return Ok(());
		}
		let reason = HoldReason::Stream.into();
		T::Currency::release(&reason, who, amount, Precision::Exact).map(|_| ())
	}

	fn charge(who: &T::AccountId, fee: Balance) -> Result<Balance, DispatchError> {
		let Some(to) = Self::fee_taker(fee).filter(|to| to != who) else {
			return Ok(0);
		};
		Self::hand_over(who, &to, fee)
	}

	fn open(opening: StreamOpening<T::AccountId>) -> DispatchResult {
		let StreamOpening {
			lease,
			provider,
			tenant,
			rate,
			deposit,
			start_rate,
			notice,
		} = opening;
		ensure!(
			!StreamsOf::<T>::contains_key(lease),
			Error::<T>::StreamExists
		);
		let terms = Self::terms();
		let (storage_rate, reserve) = Self::reserve_of(rate, &terms)?;
		ensure!(deposit > reserve, Error::<T>::DepositTooLow);
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
				notice,
				fee: terms.fee,
				funders,
				deposited: deposit,
				withdrawn: 0,
				paid: 0,
				fees: 0,
				served_blocks: 0,
				phase: Phase::Starting { start_rate },
				refill: None,
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

	fn accrue(lease: LeaseId, deadline: BlockNumber) -> DispatchResult {
		Self::change(lease, |stream| {
			let running = matches!(stream.phase, Phase::Running(_));
			ensure!(!running, Error::<T>::AlreadyRunning);
			stream.phase = Phase::Running(Self::from_now(stream, deadline));
			Self::deposit_event(Event::StreamRuns { lease, deadline });
			Ok(())
		})
	}

	fn store(lease: LeaseId, deadline: BlockNumber) -> DispatchResult {
		Self::change(lease, |stream| {
			stream.phase = Phase::Stored(Self::from_now(stream, deadline));
			Self::deposit_event(Event::StreamStored {
				lease,
				left: stream.held(),
			});
			Ok(())
		})
	}

	fn rest(lease: LeaseId) -> DispatchResult {
		Self::change(lease, |stream| {
			stream.phase = Phase::Resting;
			Self::deposit_event(Event::StreamRests { lease });
			Ok(())
		})
	}

	fn cap(lease: LeaseId, deadline: BlockNumber) -> DispatchResult {
		Self::change(lease, |stream| {
			if let Phase::Running(accrual) | Phase::Stored(accrual) = &mut stream.phase {
				accrual.deadline = accrual.deadline.min(deadline);
			}
			Ok(())
		})
	}

	fn resize(
		lease: LeaseId,
		resized: impl FnOnce(Balance) -> Option<Balance>,
	) -> Result<Balance, DispatchError> {
		Self::change(lease, |stream| {
			let rate = resized(stream.rate).ok_or(Error::<T>::Overflow)?;
			let terms = Self::terms();
			let (storage_rate, reserve) = Self::reserve_of(rate, &terms)?;
			let least = math::minimal_deposit(rate, terms.min_funded_blocks, 0, reserve)
				.ok_or(Error::<T>::Overflow)?;
			ensure!(stream.held() >= least, Error::<T>::DepositTooLow);
			(stream.rate, stream.storage_rate, stream.reserve) = (rate, storage_rate, reserve);
			Self::deposit_event(Event::StreamResized {
				lease,
				rate,
				storage_rate,
				reserve,
			});
			Ok(rate)
		})
	}

	fn settle(lease: LeaseId) -> Result<BlockNumber, DispatchError> {
		Self::do_settle(lease).map(|(blocks, _)| blocks)
	}

	fn notice(lease: LeaseId) -> BlockNumber {
		StreamsOf::<T>::get(lease).map_or(0, |stream| stream.notice)
	}

	fn funders(lease: LeaseId) -> u32 {
		StreamsOf::<T>::get(lease).map_or(0, |stream| stream.funder_count())
	}

	fn funded_blocks(lease: LeaseId) -> BlockNumber {
		StreamsOf::<T>::get(lease).map_or(0, |stream| {
			stream.funded_blocks(T::Registry::served(stream.provider))
		})
	}

	fn refills(lease: LeaseId) -> bool {
		StreamsOf::<T>::get(lease).is_some_and(|stream| stream.refill.is_some())
	}

	fn refill(lease: LeaseId) -> bool {
		let Some(stream) = StreamsOf::<T>::get(lease) else {
			return false;
		};
		let Some(Refill { amount, budget }) = stream.refill else {
			return false;
		};
		let Some(who) = stream.funders.first().map(|tenant| tenant.who.clone()) else {
			return false;
		};
		let needed = Self::needed_refill(&stream);
		let with = |taken| {
			let mut stream = stream.clone();
			Self::add(&mut stream, &who, taken).ok()?;
			Some((stream, taken))
		};
		// What was agreed, or at least what is needed, if the tenant has no more.
		let agreed = || with(amount.max(needed).min(budget)).or_else(|| with(needed));
		let Some((mut stream, taken)) = (needed <= budget).then(agreed).flatten() else {
			Self::deposit_event(Event::RefillMissed {
				lease,
				amount: needed,
			});
			return false;
		};
		let left = budget.saturating_sub(taken);
		stream.refill = (left > 0).then_some(Refill {
			amount,
			budget: left,
		});
		StreamsOf::<T>::insert(lease, stream);
		Self::deposit_event(Event::Refilled {
			lease,
			amount: taken,
			left,
		});
		true
	}

	fn close(lease: LeaseId, waited: BlockNumber) -> Result<StreamTotals, DispatchError> {
		let mut stream = StreamsOf::<T>::take(lease).ok_or(Error::<T>::UnknownStream)?;
		Self::settle_record(lease, &mut stream)?;
		if let Phase::Starting { start_rate } = stream.phase {
			let cost = math::waiting_cost(stream.rate, start_rate, waited).min(stream.held());
			let cost = Self::pay_fee(&mut stream, cost)?;
			stream.paid = stream.paid.saturating_add(cost);
			stream.fees = stream.fees.saturating_add(cost);
		}
		for funder in &stream.funders {
			Self::release(&funder.who, funder.held)?;
		}
		let totals = StreamTotals {
			paid: stream.paid,
			fees: stream.fees,
			refunded: stream.held().saturating_add(stream.withdrawn),
			served_blocks: stream.served_blocks,
		};
		Self::deposit_event(Event::StreamClosed {
			lease,
			served_blocks: totals.served_blocks,
			paid: totals.paid,
			fees: totals.fees,
			withdrawn: stream.withdrawn,
			refunds: stream.funders,
		});
		Ok(totals)
	}
}
