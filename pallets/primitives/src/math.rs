//! Money mathematics: pure functions, integers only.

use crate::{Balance, BlockNumber, Score};
use sp_runtime::{traits::Saturating, Perbill};

/// Blocks served at block `now` by a provider whose counter stood at `counter` when it last beat
/// in `last_beat`: absence counts for at most `grace` blocks. Monotone in `now`.
pub fn served(
	counter: BlockNumber,
	last_beat: BlockNumber,
	grace: BlockNumber,
	now: BlockNumber,
) -> BlockNumber {
	counter.saturating_add(now.saturating_sub(last_beat).min(grace))
}

/// Blocks up to a provider's next beat, at least, whose last one was given `grace` (0: it is off duty, and
/// may beat at once). A longer period takes effect after that beat only: it must not put a provider off duty
/// whose grace was cut for the shorter one.
pub fn beat_period(period: BlockNumber, grace: BlockNumber) -> BlockNumber {
	period.min(grace.saturating_sub(1))
}

/// Where a stream stands between two settlements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accrual {
	/// Served blocks of the provider when the stream was last settled.
	pub served_base: BlockNumber,
	/// Block in which the stream was last settled.
	pub base: BlockNumber,
	/// Last block that is paid.
	pub deadline: BlockNumber,
}

/// Blocks owed: those served since the base, at most those up to the deadline, at most what
/// `spendable` planck pay for at `rate` (planck a block, ≥ 1).
pub fn owed_blocks(
	accrual: Accrual,
	served_now: BlockNumber,
	rate: Balance,
	spendable: Balance,
) -> BlockNumber {
	let served = served_now.saturating_sub(accrual.served_base);
	let fixed = accrual.deadline.saturating_sub(accrual.base);
	served.min(fixed).min(funded_blocks(rate, spendable))
}

/// Whole blocks that `spendable` planck pay for at `rate`.
pub fn funded_blocks(rate: Balance, spendable: Balance) -> BlockNumber {
	spendable.checked_div(rate).map_or(0, |blocks| {
		BlockNumber::try_from(blocks).unwrap_or(BlockNumber::MAX)
	})
}

/// The fee on all that a stream has paid so far: floor(fee × gross). Settling n times therefore
/// costs the same as settling once.
pub fn fee_on(gross: Balance, fee: Perbill) -> Balance {
	fee.mul_floor(gross)
}

/// What keeping the data costs: ceil(rate × share), at least 1 planck a block.
pub fn storage_rate(rate: Balance, share: Perbill) -> Balance {
	share.mul_ceil(rate).max(1)
}

/// The least first deposit: rate × (min_funded + start_deadline) + reserve. `None` on overflow.
pub fn minimal_deposit(
	rate: Balance,
	min_funded: BlockNumber,
	start_deadline: BlockNumber,
	reserve: Balance,
) -> Option<Balance> {
	let blocks = Balance::from(min_funded).checked_add(start_deadline.into())?;
	rate.checked_mul(blocks)?.checked_add(reserve)
}

/// The part of a provider's bond that a lease reserves: min(rate × blocks, max).
pub fn bond_slice(rate: Balance, compensation_blocks: BlockNumber, max: Balance) -> Balance {
	rate.saturating_mul(compensation_blocks.into()).min(max)
}

/// The part of a provider's bond that a bid's lease reserves: no less than what the wait for a start is worth
/// at the order's ceiling, or a bid of next to nothing would take orders for next to nothing.
pub fn bid_slice(
	rate: Balance,
	max_rate: Balance,
	compensation_blocks: BlockNumber,
	start_deadline: BlockNumber,
	max: Balance,
) -> Balance {
	bond_slice(rate, compensation_blocks, max).max(bond_slice(max_rate, start_deadline, max))
}

/// ceil(a × b / c) without overflow on the way; `None` if the result does not fit or `c` is 0.
pub fn mul_div_ceil(a: Balance, b: Balance, c: Balance) -> Option<Balance> {
	sp_runtime::helpers_128bit::multiply_by_rational_with_rounding(
		a,
		b,
		c,
		sp_runtime::Rounding::Up,
	)
	.filter(|_| c > 0)
}

/// What waiting in vain costs: ceil(rate × share × blocks).
pub fn waiting_cost(rate: Balance, share: Perbill, blocks: BlockNumber) -> Balance {
	share.mul_ceil(rate.saturating_mul(blocks.into()))
}

/// What a bid ranks by, lower is better: rate × (1 + k × (1 − score)), rounded up.
pub fn rank(rate: Balance, score: Score, k: Perbill) -> Balance {
	let markup = k * Perbill::one().saturating_sub(score);
	if markup.is_zero() {
		return rate;
	}
	rate.saturating_add(markup.mul_ceil(rate))
}

#[cfg(test)]
mod tests {
	use super::*;
	use proptest::prelude::*;

	proptest! {
		#[test]
		fn served_is_monotone_and_bounded(
			counter in 0u32..1 << 30, last in 0u32..1 << 30, grace in 0u32..10_000,
			a in 0u32..1 << 20, b in 0u32..1 << 20,
		) {
			let (early, late) = (last + a.min(b), last + a.max(b));
			let (s, t) = (served(counter, last, grace, early), served(counter, last, grace, late));
			prop_assert!(s <= t);
			prop_assert!(t - s <= late - early);
			prop_assert!(t - counter <= grace);
		}

		#[test]
		fn a_beat_never_takes_back(
			counter in 0u32..1 << 30, last in 0u32..1 << 30, grace in 0u32..10_000, d in 0u32..1 << 20,
		) {
			let now = last + d;
			let before = served(counter, last, grace, now);
			prop_assert_eq!(served(before, now, grace, now), before);
		}

		#[test]
		fn settling_often_pays_what_settling_once_pays(
			rate in 1u128..1 << 70, balance in 0u128..1 << 90,
			steps in proptest::collection::vec(0u32..500, 1..20), deadline in 0u32..5_000,
			fee in 0u32..=1_000_000_000,
		) {
			let fee = Perbill::from_parts(fee);
			let end: u32 = steps.iter().sum();
			let once = owed_blocks(
				Accrual { served_base: 0, base: 0, deadline }, end, rate, balance,
			);
			let (mut now, mut gross, mut fees, mut blocks) = (0u32, 0u128, 0u128, 0u32);
			let mut accrual = Accrual { served_base: 0, base: 0, deadline };
			for step in steps {
				now += step;
				let more = owed_blocks(accrual, now, rate, balance - gross);
				gross += rate * u128::from(more);
				fees += fee_on(gross, fee) - fees;
				blocks += more;
				accrual = Accrual { served_base: now, base: now, deadline };
			}
			prop_assert_eq!(blocks, once);
			prop_assert!(gross <= balance);
			prop_assert_eq!(fees, fee_on(rate * u128::from(once), fee));
		}

		#[test]
		fn a_better_score_never_ranks_worse(
			rate in 1u128..1 << 80, a in 0u32..=1_000_000_000, b in 0u32..=1_000_000_000,
			k in 0u32..=1_000_000_000,
		) {
			let k = Perbill::from_parts(k);
			let (low, high) = (Perbill::from_parts(a.min(b)), Perbill::from_parts(a.max(b)));
			prop_assert!(rank(rate, high, k) <= rank(rate, low, k));
			prop_assert!(rank(rate, low, k) >= rate && rank(rate, low, k) <= 2 * rate);
			prop_assert!(rank(rate, high, k) <= rank(rate + 1, high, k));
		}

		#[test]
		fn a_bid_takes_no_less_of_the_bond_than_the_wait_at_the_ceiling(
			rate in 1u128..1 << 60, max_rate in 1u128..1 << 60, blocks in 0u32..5_000,
			start in 0u32..5_000, max in 0u128..1 << 70,
		) {
			let taken = bid_slice(rate, max_rate, blocks, start, max);
			prop_assert!(taken <= max);
			prop_assert!(taken >= bond_slice(rate, blocks, max));
			prop_assert!(taken == max || taken >= max_rate * u128::from(start));
		}

		#[test]
		fn storage_rate_is_an_integer_of_at_least_one(
			rate in 1u128..1 << 80, share in 0u32..=1_000_000_000,
		) {
			let got = storage_rate(rate, Perbill::from_parts(share));
			prop_assert!(got >= 1 && got <= rate);
		}
	}

	#[test]
	fn a_huge_rate_overflows_into_none() {
		assert_eq!(minimal_deposit(Balance::MAX, 1, 1, 0), None);
		assert_eq!(minimal_deposit(2, 3, 4, 5), Some(19));
		assert_eq!(bond_slice(Balance::MAX, 2, 7), 7);
	}
}
