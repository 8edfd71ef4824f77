//! The score's mathematics: pure functions, integers only.
//!
//! A beta reputation (Jøsang and Ismail, "The Beta Reputation System", 2002) with the uniform prior
//! Beta(1, 1): after g good and b bad outcomes the expected value is (g + 1) / (g + b + 2), and the
//! variance m(1 − m) / (g + b + 3). The market reads the expected value less one standard deviation.

use leasehold_primitives::{BlockNumber, Score};
use sp_runtime::{traits::IntegerSquareRoot, Perbill};

/// One outcome.
pub const ONE: u64 = 1_000_000_000;

/// 2^(−1/2^k) for k = 1..=16, times 2^32, rounded down.
const ROOTS: [u64; 16] = [
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
];

/// `value` × 2^(−age / half_life), rounded down step by step; 0 if `half_life` is 0.
pub fn decay(value: u64, age: BlockNumber, half_life: BlockNumber) -> u64 {
	let (Some(halvings), Some(rest)) = (age.checked_div(half_life), age.checked_rem(half_life))
	else {
		return 0;
	};
	let mut value = value.checked_shr(halvings).unwrap_or(0);
	// rest / half_life as a binary fraction of sixteen digits.
	let digits = (u64::from(rest) << 16)
		.checked_div(half_life.into())
		.unwrap_or(0);
	for (k, root) in ROOTS.iter().enumerate() {
		if digits & (1 << (15usize.saturating_sub(k))) != 0 {
			let product = u128::from(value).saturating_mul((*root).into()) >> 32;
			value = u64::try_from(product).unwrap_or(u64::MAX);
		}
	}
	value
}

/// Expected value less one standard deviation, for outcomes in parts per billion.
pub fn lower_bound(good: u64, bad: u64) -> Score {
	let one = u128::from(ONE);
	let successes = u128::from(good).saturating_add(one);
	let trials = successes.saturating_add(bad.into()).saturating_add(one);
	let mean = successes
		.saturating_mul(one)
		.checked_div(trials)
		.unwrap_or(0);
	let spread = mean
		.saturating_mul(one.saturating_sub(mean))
		.saturating_mul(one);
	let variance = spread.checked_div(trials.saturating_add(one)).unwrap_or(0);
	let bound = mean.saturating_sub(variance.integer_sqrt());
	Perbill::from_parts(u32::try_from(bound).unwrap_or(0))
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn a_newcomer_starts_low() {
		let newcomer = lower_bound(0, 0);
		// 1/2 − sqrt(1/12)
		assert_eq!(newcomer.deconstruct(), 211_324_866);
	}

	#[test]
	fn good_outcomes_raise_and_bad_ones_lower() {
		for n in 0..50u64 {
			assert!(lower_bound((n + 1) * ONE, 0) > lower_bound(n * ONE, 0));
			assert!(lower_bound(ONE, (n + 1) * ONE) < lower_bound(ONE, n * ONE));
		}
		assert!(lower_bound(1_000 * ONE, 0) > Perbill::from_percent(99));
		assert!(lower_bound(u64::MAX, u64::MAX) <= Perbill::one());
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
	fn decay_is_monotone() {
		let mut last = ONE;
		for age in 0..5_000 {
			let now = decay(ONE, age, 997);
			assert!(now <= last, "at {age}");
			last = now;
		}
	}
}
