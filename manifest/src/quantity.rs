//! Quantities as SDL writes them.

use std::time::Duration;

const MIB: u64 = 1 << 20;

/// A decimal number as Akash reads one, so that totals agree to the byte: in floating point, with an
/// exponent allowed, cut off after scaling. These are sizes; money is never read so.
#[allow(
	clippy::cast_possible_truncation,
	clippy::cast_sign_loss,
	clippy::cast_precision_loss
)]
fn scaled(number: &str, scale: u64) -> Option<u64> {
	let plain = number
		.bytes()
		.all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'+' | b'-' | b'e' | b'E'));
	let value: f64 = number.parse().ok().filter(|_| plain)?;
	let value = value * scale as f64;
	(0.0..u64::MAX as f64)
		.contains(&value)
		.then_some(value as u64)
}

/// CPU in milli-CPU: `0.5`, `2` or `250m`. A part of a milli-CPU is cut off.
pub fn cpu_millis(text: &str) -> Option<u32> {
	match text.strip_suffix('m') {
		Some(millis) if millis.bytes().all(|b| b.is_ascii_digit()) => millis.parse().ok(),
		Some(_) => None,
		None => u32::try_from(scaled(text, 1_000)?).ok(),
	}
}

/// Bytes: a number with one of the suffixes `k`, `M`, `G`, `T`, `P`, `E` or `Ki` … `Ei`, or none.
pub fn bytes(text: &str) -> Option<u64> {
	const SUFFIXES: [(&str, u64); 12] = [
		("Ki", 1 << 10),
		("Mi", 1 << 20),
		("Gi", 1 << 30),
		("Ti", 1 << 40),
		("Pi", 1 << 50),
		("Ei", 1 << 60),
		("k", 1_000),
		("M", 1_000_000),
		("G", 1_000_000_000),
		("T", 1_000_000_000_000),
		("P", 1_000_000_000_000_000),
		("E", 1_000_000_000_000_000_000),
	];
	let found = SUFFIXES
		.iter()
		.find_map(|(suffix, scale)| Some((text.strip_suffix(suffix)?, *scale)));
	let (number, scale) = found.unwrap_or((text, 1));
	scaled(number, scale)
}

/// Bytes in MiB, rounded up.
pub fn mebibytes(bytes: u64) -> Option<u32> {
	u32::try_from(bytes.div_ceil(MIB)).ok()
}

/// A time: `90s`, `10m`, `2h` or `1d`.
pub fn duration(text: &str) -> Option<Duration> {
	let unit = text.chars().last()?;
	let number: u64 = text.strip_suffix(unit)?.parse().ok()?;
	let seconds = match unit {
		's' => 1,
		'm' => 60,
		'h' => 3_600,
		'd' => 86_400,
		_ => return None,
	};
	number
		.checked_mul(seconds)
		.filter(|n| *n > 0)
		.map(Duration::from_secs)
}

/// A time of several parts, as Akash's notice periods are written: `24h`, `1h30m`, `1.5h`, `500ms`.
pub fn long_duration(text: &str) -> Option<Duration> {
	let mut rest = text.strip_prefix('+').unwrap_or(text);
	let mut nanos = 0u128;
	while !rest.is_empty() {
		let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
		let (number, tail) = rest.split_at_checked(end)?;
		let end = tail
			.find(|c: char| c.is_ascii_digit() || c == '.')
			.unwrap_or(tail.len());
		let (unit, tail) = tail.split_at_checked(end)?;
		let scale: u128 = match unit {
			"ns" => 1,
			"us" | "µs" | "μs" => 1_000,
			"ms" => 1_000_000,
			"s" => 1_000_000_000,
			"m" => 60_000_000_000,
			"h" => 3_600_000_000_000,
			_ => return None,
		};
		let (whole, part) = number.split_once('.').unwrap_or((number, ""));
		if (whole.is_empty() && part.is_empty()) || part.len() > 18 || part.contains('.') {
			return None;
		}
		let digits = |text: &str| match text.is_empty() {
			true => Some(0u128),
			false => text.parse().ok(),
		};
		let tens = 10u128.checked_pow(u32::try_from(part.len()).ok()?)?;
		let part = digits(part)?.checked_mul(scale)?.checked_div(tens)?;
		let all = digits(whole)?.checked_mul(scale)?.checked_add(part)?;
		nanos = nanos.checked_add(all)?;
		rest = tail;
	}
	let nanos = u64::try_from(nanos)
		.ok()
		.filter(|n| i64::try_from(*n).is_ok())?;
	(nanos > 0).then(|| Duration::from_nanos(nanos))
}

/// Decimals that an amount of money may have.
const DECIMALS: u32 = 18;

/// An amount of money as the SDL writes it, in 10^-18 parts of its unit: exact, at most 18 decimals,
/// no exponent.
pub fn amount(text: &str) -> Option<u128> {
	let text = text.strip_prefix('+').unwrap_or(text);
	let (whole, part) = match text.split_once('.') {
		Some((_, "")) | Some(("", _)) => return None,
		Some((whole, part)) => (whole, part),
		None => (text, ""),
	};
	let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
	if !digits(whole) || !(part.is_empty() || digits(part)) {
		return None;
	}
	let missing = DECIMALS.checked_sub(u32::try_from(part.len()).ok()?)?;
	let part: u128 = if part.is_empty() {
		0
	} else {
		part.parse().ok()?
	};
	whole
		.parse::<u128>()
		.ok()?
		.checked_mul(10u128.pow(DECIMALS))?
		.checked_add(part.checked_mul(10u128.pow(missing))?)
}

/// Planck a block of an [`amount`] in ulease (10^6 planck), rounded up.
pub fn planck(ulease: u128) -> u128 {
	ulease.div_ceil(10u128.pow(DECIMALS - 6))
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn quantities_are_read() {
		assert_eq!(cpu_millis("0.5"), Some(500));
		assert_eq!(cpu_millis("2"), Some(2_000));
		assert_eq!(cpu_millis("250m"), Some(250));
		assert_eq!(cpu_millis("0.0109"), Some(10));
		assert_eq!(bytes("512Mi"), Some(512 << 20));
		assert_eq!(bytes("1.1Gi"), Some(1_181_116_006));
		assert_eq!(bytes("1M"), Some(1_000_000));
		assert_eq!(bytes("1e3"), Some(1_000));
		assert_eq!(mebibytes(1_048_577), Some(2));
		assert_eq!(duration("10m"), Some(Duration::from_secs(600)));
		assert_eq!(long_duration("1h30m"), Some(Duration::from_secs(5_400)));
		assert_eq!(long_duration("1.5h"), Some(Duration::from_secs(5_400)));
		assert_eq!(planck(amount("1.5").unwrap()), 1_500_000);
		assert_eq!(planck(amount("0.0000001").unwrap()), 1);
	}

	#[test]
	fn what_is_no_quantity_is_refused() {
		for text in [
			"", "4GB", "1gi", "-1", ".", "inf", "nan", "1 Gi", "0x10", "99Ei",
		] {
			assert_eq!(bytes(text), None, "{text}");
		}
		for text in ["", "m", "-1", "x", "+1m", "1e9"] {
			assert_eq!(cpu_millis(text), None, "{text}");
		}
		for text in ["", "s", "0s", "5", "1w", "é"] {
			assert_eq!(duration(text), None, "{text}");
		}
		for text in ["", "0s", "5", "-1h", "1h5", "1..5h", "9999999999999h", "h"] {
			assert_eq!(long_duration(text), None, "{text}");
		}
		for text in [
			"",
			".5",
			"5.",
			"-1",
			"1e3",
			"1.2.3",
			"0.1234567890123456789",
		] {
			assert_eq!(amount(text), None, "{text}");
		}
	}
}
