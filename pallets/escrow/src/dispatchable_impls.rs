//! What the calls do.

use crate::{pallet::*, Funder, Phase, Refill, StoredAccrual, StreamRecordOf, Terms, TermsV1};
use frame_support::{
	dispatch::DispatchResult,
	ensure,
	traits::{
		fungible::{Inspect, MutateHold},
		tokens::{Fortitude, Precision, Provenance, Restriction},
	},
	weights::Weight,
};
use leasehold_primitives::{
	math, Balance, BlockNumber, LeaseId, ProviderRegistry, StreamObserver, Streams, MAX_FUNDERS,
};
use sp_runtime::{DispatchError, SaturatedConversion};

impl<T: Config> Pallet<T> {
	pub(crate) fn now() -> BlockNumber {
		frame_system::Pallet::<T>::block_number().saturated_into()
	}

	pub(crate) fn terms() -> TermsV1 {
		let Terms::V1(terms) = CurrentTerms::<T>::get();
		terms
	}

	pub(crate) fn stream(lease: LeaseId) -> Result<StreamRecordOf<T>, DispatchError> {
		StreamsOf::<T>::get(lease).ok_or_else(|| Error::<T>::UnknownStream.into())
	}

	fn is_tenant(stream: &StreamRecordOf<T>, who: &T::AccountId) -> bool {
		stream
			.funders
			.first()
			.is_some_and(|funder| funder.who == *who)
	}

	/// What a funder has left when `owed` planck are paid; `None` if it is none.
	fn left_of(stream: &StreamRecordOf<T>, who: &T::AccountId, owed: Balance) -> Option<Balance> {
		let mut funders = stream.funders.iter().zip(stream.left(owed));
		funders
			.find(|(funder, _)| funder.who == *who)
			.map(|(_, left)| left)
	}

	/// Puts `amount` planck of `who` on hold and into the record.
	pub(crate) fn add(
		stream: &mut StreamRecordOf<T>,
		who: &T::AccountId,
		amount: Balance,
	) -> DispatchResult {
		stream.deposited = stream
			.deposited
			.checked_add(amount)
			.ok_or(Error::<T>::Overflow)?;
		match stream.funders.iter_mut().find(|funder| funder.who == *who) {
			Some(funder) => {
				funder.held = funder
					.held
					.checked_add(amount)
					.ok_or(Error::<T>::Overflow)?;
			}
			None => {
				stream.drop_spent();
				stream
					.funders
					.try_push(Funder {
						who: who.clone(),
						held: amount,
					})
					.map_err(|_| Error::<T>::TooManyFunders)?;
			}
		}
		<Self as Streams<_>>::hold(who, amount)
	}

	/// What it cost.
	pub(crate) fn do_deposit(
		who: T::AccountId,
		lease: LeaseId,
		amount: Balance,
	) -> Result<Weight, DispatchError> {
		let mut stream = Self::stream(lease)?;
		let least = match Self::is_tenant(&stream, &who) {
			true => 1,
			false => Self::terms().min_top_up,
		};
		ensure!(amount > 0, Error::<T>::ZeroAmount);
		ensure!(amount >= least, Error::<T>::DepositTooLow);
		let stored = matches!(stream.phase, Phase::Stored(_));
		let served = T::Registry::served(stream.provider);
		let (_, owed) = stream.owed(served);
		// What was served past dry is not owed, and does not become so by a top-up. Who has used up
		// what it had must not take over what those after it owe already. And where all places are taken,
		// those who have used up what they had make room.
		let dry = stored || stream.funded_blocks(served) == 0;
		let left = Self::left_of(&stream, &who, owed);
		let used_up = owed > 0 && left == Some(0);
		let crowded = left.is_none() && stream.funder_count() == MAX_FUNDERS;
		let first = dry || used_up || crowded;
		// Those who have used up what they had were paid from, and may be gone now.
		let before = stream.funder_count();
		if first {
			Self::settle_record(lease, &mut stream)?;
		}
		Self::add(&mut stream, &who, amount)?;
		let funded_again = stored
			&& math::funded_blocks(stream.rate, stream.spendable())
				>= Self::terms().min_funded_blocks;
		let funders = stream.funder_count().max(before);
		StreamsOf::<T>::insert(lease, stream);
		Self::deposit_event(Event::Deposited { lease, who, amount });
		if funded_again {
			T::Observer::funded_again(lease)?;
		}
		Ok(Self::depositing(funders, first, funded_again))
	}

	/// How many funders are left.
	pub(crate) fn do_withdraw(
		who: T::AccountId,
		lease: LeaseId,
		amount: Balance,
	) -> Result<u32, DispatchError> {
		let mut stream = Self::stream(lease)?;
		ensure!(amount > 0, Error::<T>::ZeroAmount);
		// What has accrued stays where it is owed from: it need not be paid out first.
		let (_, owed) = stream.owed(T::Registry::served(stream.provider));
		let left = Self::left_of(&stream, &who, owed).ok_or(Error::<T>::NotFunder)?;
		ensure!(
			amount <= stream.withdrawable(owed).min(left),
			Error::<T>::NotWithdrawable
		);
		let tenant = Self::is_tenant(&stream, &who);
		let funder = stream
			.funders
			.iter_mut()
			.find(|funder| funder.who == who)
			.ok_or(Error::<T>::NotFunder)?;
		funder.held = funder
			.held
			.checked_sub(amount)
			.ok_or(Error::<T>::NotWithdrawable)?;
		// The tenant keeps its place.
		if !tenant {
			stream
				.funders
				.retain(|funder| funder.who != who || funder.held > 0);
		}
		stream.withdrawn = stream
			.withdrawn
			.checked_add(amount)
			.ok_or(Error::<T>::Overflow)?;
		let funders = stream.funder_count();
		StreamsOf::<T>::insert(lease, stream);
		Self::release(&who, amount)?;
		Self::deposit_event(Event::Withdrawn { lease, who, amount });
		T::Observer::funds_left(lease)?;
		Ok(funders)
	}

	pub(crate) fn do_set_refill(
		who: T::AccountId,
		lease: LeaseId,
		refill: Option<Refill>,
	) -> DispatchResult {
		let mut stream = Self::stream(lease)?;
		ensure!(Self::is_tenant(&stream, &who), Error::<T>::NotTenant);
		let sound = refill.is_none_or(|refill| refill.amount > 0 && refill.budget > 0);
		ensure!(sound, Error::<T>::ZeroAmount);
		let least = Self::least_refill(stream.rate);
		let enough = refill.is_none_or(|refill| refill.amount >= least);
		ensure!(enough, Error::<T>::DepositTooLow);
		stream.refill = refill;
		StreamsOf::<T>::insert(lease, stream);
		Self::deposit_event(Event::RefillSet { lease, refill });
		Ok(())
	}

	/// The least amount of a refill at this rate, planck.
	pub(crate) fn least_refill(rate: Balance) -> Balance {
		rate.saturating_mul(T::Observer::refill_blocks().into())
	}

	pub(crate) fn do_set_terms(terms: Terms) -> DispatchResult {
		let Terms::V1(new) = &terms;
		new.check().map_err(|_| Error::<T>::TermsContradict)?;
		CurrentTerms::<T>::put(&terms);
		Self::deposit_event(Event::TermsSet { terms });
		Ok(())
	}

	pub(crate) fn do_set_fee_destination(to: T::AccountId) -> DispatchResult {
		let least = T::Currency::minimum_balance();
		ensure!(
			T::Currency::balance(&to) >= least,
			Error::<T>::EmptyFeeDestination
		);
		FeeDestination::<T>::put(&to);
		Self::deposit_event(Event::FeeDestinationSet { to });
		Ok(())
	}

	/// The blocks that were paid, and the funders that paid them.
	pub(crate) fn do_settle(lease: LeaseId) -> Result<(BlockNumber, u32), DispatchError> {
		let mut stream = Self::stream(lease)?;
		let blocks = Self::settle_record(lease, &mut stream)?;
		let funders = stream.funder_count();
		StreamsOf::<T>::insert(lease, stream);
		Ok((blocks, funders))
	}

	/// Pays what is owed and moves the base of the accrual to now. The caller stores the record.
	/// The blocks that were paid.
	pub(crate) fn settle_record(
		lease: LeaseId,
		stream: &mut StreamRecordOf<T>,
	) -> Result<BlockNumber, DispatchError> {
		let served_base = T::Registry::served(stream.provider);
		let (blocks, owed) = stream.owed(served_base);
		let moved = |accrual: StoredAccrual| StoredAccrual {
			served_base,
			base: Self::now(),
			..accrual
		};
		let running = match stream.phase {
			Phase::Starting { .. } | Phase::Resting => return Ok(0),
			Phase::Running(accrual) => {
				stream.phase = Phase::Running(moved(accrual));
				true
			}
			Phase::Stored(accrual) => {
				stream.phase = Phase::Stored(moved(accrual));
				false
			}
		};
		if blocks == 0 {
			return Ok(0);
		}
		let fee_before = math::fee_on(stream.paid, stream.fee);
		stream.paid = stream.paid.checked_add(owed).ok_or(Error::<T>::Overflow)?;
		if running {
			stream.served_blocks = stream
				.served_blocks
				.checked_add(blocks)
				.ok_or(Error::<T>::Overflow)?;
		}
		let fee = math::fee_on(stream.paid, stream.fee)
			.checked_sub(fee_before)
			.ok_or(Error::<T>::Overflow)?;
		let owner = T::Registry::owner(stream.provider).ok_or(Error::<T>::NoPayee)?;
		let fee = Self::pay_fee(stream, fee)?;
		stream.fees = stream.fees.checked_add(fee).ok_or(Error::<T>::Overflow)?;
		let net = owed.checked_sub(fee).ok_or(Error::<T>::Overflow)?;
		Self::pay(stream, &owner, net)?;
		Self::deposit_event(Event::Settled {
			lease,
			blocks,
			paid: owed,
			fee,
		});
		Ok(blocks)
	}

	/// Where a fee goes: nowhere, if the destination cannot take it whole and in parts.
	pub(crate) fn fee_taker(fee: Balance) -> Option<T::AccountId> {
		let to = FeeDestination::<T>::get().filter(|_| fee > 0)?;
		let alive = T::Currency::balance(&to) >= T::Currency::minimum_balance();
		let takes = T::Currency::can_deposit(&to, fee, Provenance::Extant);
		(alive && takes.into_result().is_ok()).then_some(to)
	}

	/// Pays a fee to its destination. A destination that cannot take it gets nothing: that must
	/// not keep a provider from being paid. The planck that were paid.
	pub(crate) fn pay_fee(
		stream: &mut StreamRecordOf<T>,
		fee: Balance,
	) -> Result<Balance, DispatchError> {
		let Some(to) = Self::fee_taker(fee) else {
			return Ok(0);
		};
		Self::pay(stream, &to, fee)?;
		Ok(fee)
	}

	/// Moves `amount` planck out of the hold of `from`.
	pub(crate) fn hand_over(
		from: &T::AccountId,
		to: &T::AccountId,
		amount: Balance,
	) -> Result<Balance, DispatchError> {
		T::Currency::transfer_on_hold(
			&HoldReason::Stream.into(),
			from,
			to,
			amount,
			Precision::Exact,
			Restriction::Free,
			Fortitude::Force,
		)
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
			if funder.who == *to {
				Self::release(to, part)?;
			} else {
				Self::hand_over(&funder.who, to, part)?;
			}
			funder.held = funder.held.saturating_sub(part);
			amount = amount.saturating_sub(part);
		}
		ensure!(amount == 0, Error::<T>::Overflow);
		Ok(())
	}
}
