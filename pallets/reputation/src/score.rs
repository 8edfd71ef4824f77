//! The score's mathematics: pure functions, integers only.
//!
//! A *standing* is a number from 0 upwards. Good outcomes add to it; a bad one takes off a part of
//! it (additive increase, multiplicative decrease: Chiu and Jain, 1989); it halves in a half-life.
//! A newcomer has none, and nobody has less: each step keeps the order of two standings, so that
//! whatever happens next an old identity is never worse than a new one. With names that cost nothing
//! no other rule keeps people to theirs (Friedman and Resnick, "The Social Cost of Cheap
//! Pseudonyms", 2001).
//!
//! The market reads a score in [0, 1]: the lower confidence bound, √3 standard deviations below the
//! mean, of a beta distribution over as many good outcomes as the standing (Jøsang and Ismail, "The
//! Beta Reputation System", 2002). With n of them after the uniform prior the mean is
//! m = (n + 1) / (n + 2), the variance m(1 − m) / (n + 3), and at n = 0 the bound is 0.

use leasehold_primitives::{BlockNumber, Score};
use sp_runtime::{traits::IntegerSquareRoot, Perbill};

/// A standing of one good outcome.
pub const ONE: u64 = 1_000_000_000;

/// 2^(−1/2^k) for k = 1..=32, times 2^32, rounded down.
const ROOTS: [u64; 32] = [
	3_037_000_499,
	3_611_622_602,
	3_938_502_375,
	4_112_874_773,
	4_202_935_003,
	4_248_701_964,
	4_271_771_996,
	4_283_353_945,
	4_289_156_690,
	4_292_061_009,
	4_293_513_906,
	4_294_240_539,
	4_294_603_902,
	4_294_785_595,
	4_294_876_444,
	4_294_921_870,
	4_294_944_583,
	4_294_955_939,
	4_294_961_617,
	4_294_964_456,
	4_294_965_876,
	4_294_966_586,
	4_294_966_941,
	4_294_967_118,
	4_294_967_207,
	4_294_967_251,
	4_294_967_273,
	4_294_967_284,
	4_294_967_290,
	4_294_967_293,
	4_294_967_294,
	4_294_967_295,
];

/// `value` × 2^(−age / half_life), rounded down step by step; 0 if `half_life` is 0.
pub fn decay(value: u64, age: BlockNumber, half_life: BlockNumber) -> u64 {
	let (Some(halvings), Some(rest)) = (age.checked_div(half_life), age.checked_rem(half_life))
	else {
		return 0;
	};
	let mut value = value.checked_shr(halvings).unwrap_or(0);
	// rest / half_life as a binary fraction of thirty-two digits.
	let digits = (u64::from(rest) << 32)
		.checked_div(half_life.into())
		.unwrap_or(0);
	for (k, root) in ROOTS.iter().enumerate() {
		if digits & (1 << (31usize.saturating_sub(k))) != 0 {
			let product = u128::from(value).saturating_mul((*root).into()) >> 32;
			value = u64::try_from(product).unwrap_or(u64::MAX);
		}
	}
	value
}

/// The score of a standing, in parts per billion of one outcome.
pub fn lower_bound(standing: u64) -> Score {
	let one = u128::from(ONE);
	let good = u128::from(standing).saturating_add(one);
	let all = good.saturating_add(one);
	let mean = good.saturating_mul(one).checked_div(all).unwrap_or(0);
	let spread = mean
		.saturating_mul(one.saturating_sub(mean))
		.saturating_mul(one.saturating_mul(3));
	let variance_thrice = spread.checked_div(all.saturating_add(one)).unwrap_or(0);
	let bound = mean.saturating_sub(variance_thrice.integer_sqrt());
	Perbill::from_parts(u32::try_from(bound).unwrap_or(0))
}

/// What is left of a standing after a bad outcome: one of full weight halves it.
pub fn after_fault(standing: u64, weight: Perbill) -> u64 {
	standing.saturating_sub((weight / 2).mul_ceil(standing))
}

#[cfg(test)]
mod tests {
	use super::*;
	use proptest::prelude::*;

	#[test]
	fn a_newcomers_score_is_zero_and_good_outcomes_raise_it() {
		assert_eq!(lower_bound(0), Perbill::zero());
		for n in 0..500u64 {
			assert!(lower_bound((n + 1) * ONE) > lower_bound(n * ONE));
		}
		assert!(lower_bound(1_000 * ONE) > Perbill::from_percent(99));
		assert!(lower_bound(u64::MAX) <= Perbill::one());
	}

	#[test]
	fn a_fault_takes_off_up_to_one_half() {
		assert_eq!(after_fault(10 * ONE, Perbill::one()), 5 * ONE);
		assert_eq!(
			after_fault(10 * ONE, Perbill::from_percent(10)),
			9_500_000_000
		);
		assert_eq!(after_fault(0, Perbill::one()), 0);
		assert_eq!(after_fault(1, Perbill::one()), 0);
	}

	#[test]
	fn decay_halves_in_a_half_life() {
		assert_eq!(decay(ONE, 0, 100), ONE);
		assert_eq!(decay(ONE, 100, 100), ONE / 2);
		assert_eq!(decay(ONE, 300, 100), ONE / 8);
		assert_eq!(decay(ONE, 50, 100), 707_106_780);
		assert_eq!(decay(ONE, u32::MAX, 1), 0);
		assert_eq!(decay(ONE, 5, 0), 0);
	}

	#[test]
	fn decay_in_many_steps_is_decay_in_one() {
		let half_life = 864_000;
		let mut value = 20 * ONE;
		for _ in 0..(half_life / 10) {
			value = decay(value, 10, half_life);
		}
		assert!(
			(10 * ONE - ONE / 1_000..=10 * ONE).contains(&value),
			"{value}"
		);
	}

	#[test]
	fn decay_is_monotone_in_time() {
		let mut last = ONE;
		for age in 0..5_000 {
			let now = decay(ONE, age, 997);
			assert!(now <= last, "at {age}");
			last = now;
		}
	}

	proptest! {
		/// Each step keeps the order of two standings: so does any sequence of steps.
		#[test]
		fn every_step_keeps_the_order(
			less in 0..1_000 * ONE,
			more in 0..1_000 * ONE,
			good in 0..100 * ONE,
			fault in 0u32..=1_000_000_000,
			age in 0u32..10_000,
		) {
			let (less, more) = (less.min(more), less.max(more));
			let fault = Perbill::from_parts(fault);
			prop_assert!(less + good <= more + good);
			prop_assert!(after_fault(less, fault) <= after_fault(more, fault));
			prop_assert!(decay(less, age, 1_000) <= decay(more, age, 1_000));
			prop_assert!(lower_bound(less) <= lower_bound(more));
		}
	}
}
