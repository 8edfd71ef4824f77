//! Amounts and times as people write and read them.

/// Decimals of the token.
pub const DECIMALS: u32 = 12;
/// The token's symbol.
pub const TOKEN: &str = "LEASE";
/// Planck in one LEASE.
pub const LEASE: u128 = 1_000_000_000_000;
/// Planck in one ulease, the denomination of prices in a manifest.
pub const ULEASE: u128 = 1_000_000;

/// An amount in LEASE, without trailing zeros: `12.5 LEASE`.
pub fn lease(planck: u128) -> String {
	format!("{} {TOKEN}", decimal(planck))
}

/// An amount in LEASE without the symbol.
pub fn decimal(planck: u128) -> String {
	let (whole, rest) = (planck / LEASE, planck % LEASE);
	if rest == 0 {
		return whole.to_string();
	}
	let digits = format!("{rest:012}");
	format!("{whole}.{}", digits.trim_end_matches('0'))
}

/// A number of things: `1 block`, `2 blocks`.
pub fn count(number: impl TryInto<u64>, thing: &str) -> String {
	let number = number.try_into().unwrap_or(u64::MAX);
	let plural = if number == 1 { "" } else { "s" };
	format!("{number} {thing}{plural}")
}

/// Reads an amount: `12.5` or `12.5 LEASE` in LEASE, `7 planck` in planck.
pub fn parse_amount(text: &str) -> Result<u128, String> {
	let wrong = || format!("`{text}` is no amount: write `12.5` (LEASE) or `7 planck`");
	let text_trimmed = text.trim();
	if let Some(planck) = text_trimmed.strip_suffix("planck") {
		return planck.trim().replace('_', "").parse().map_err(|_| wrong());
	}
	let number = text_trimmed
		.strip_suffix(TOKEN)
		.unwrap_or(text_trimmed)
		.trim();
	parse_decimal(number, DECIMALS).ok_or_else(wrong)
}

/// Reads a decimal number as an integer of its `decimals`-th part. `None` if it has more decimals,
/// a sign or anything else.
pub fn parse_decimal(number: &str, decimals: u32) -> Option<u128> {
	let (whole, rest) = number.split_once('.').unwrap_or((number, ""));
	let digits_only = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
	if whole.is_empty() && rest.is_empty() || !digits_only(whole) || !digits_only(rest) {
		return None;
	}
	let rest = rest.trim_end_matches('0');
	let missing = decimals.checked_sub(u32::try_from(rest.len()).ok()?)?;
	let whole: u128 = if whole.is_empty() {
		0
	} else {
		whole.parse().ok()?
	};
	let fraction: u128 = if rest.is_empty() {
		0
	} else {
		rest.parse().ok()?
	};
	let scale = 10u128.checked_pow(decimals)?;
	whole
		.checked_mul(scale)?
		.checked_add(fraction.checked_mul(10u128.checked_pow(missing)?)?)
}

/// A Unix time as a date: `2026-03-01 12:00:00Z`.
pub fn date(seconds: u64) -> String {
	let time = i64::try_from(seconds).ok();
	let time = time.and_then(|seconds| chrono::DateTime::from_timestamp(seconds, 0));
	time.map_or_else(
		|| format!("{seconds} s after 1970"),
		|time| time.format("%Y-%m-%d %H:%M:%SZ").to_string(),
	)
}

/// A number of blocks as a time: `about 2 h`.
pub fn blocks_as_time(blocks: u32, slot_millis: u64) -> String {
	let seconds = u64::from(blocks).saturating_mul(slot_millis) / 1_000;
	// To the nearest.
	let of = |unit: u64| seconds.saturating_add(unit / 2) / unit;
	match seconds {
		0..=119 => format!("{seconds} s"),
		120..=7_169 => format!("{} min", of(60)),
		7_170..=170_999 => format!("{} h", of(3_600)),
		_ => format!("{} days", of(86_400)),
	}
}

/// Blocks in an hour.
pub fn blocks_per_hour(slot_millis: u64) -> u128 {
	u128::from(3_600_000u64.checked_div(slot_millis).unwrap_or(0))
}

/// What a rate, planck a block, comes to in an hour.
pub fn hourly(rate: u128, slot_millis: u64) -> u128 {
	rate.saturating_mul(blocks_per_hour(slot_millis))
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn amounts_are_read_and_written() {
		assert_eq!(lease(12_500_000_000_000), "12.5 LEASE");
		assert_eq!(lease(3 * LEASE), "3 LEASE");
		assert_eq!(lease(1), "0.000000000001 LEASE");
		assert_eq!(parse_amount("12.5"), Ok(12_500_000_000_000));
		assert_eq!(parse_amount("0.000000000001 LEASE"), Ok(1));
		assert_eq!(parse_amount("1_000 planck"), Ok(1_000));
		for wrong in ["", ".", "-1", "1e3", "1.2.3", "0.0000000000001", "x planck"] {
			assert!(parse_amount(wrong).is_err(), "{wrong}");
		}
		for planck in [0, 1, 999, LEASE, 123_456_789_012_345_678] {
			assert_eq!(parse_amount(&decimal(planck)), Ok(planck));
		}
	}
}
