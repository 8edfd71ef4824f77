//! Quantities as SDL writes them.

use std::time::Duration;

const MIB: u128 = 1 << 20;

fn scaled(number: &str, scale: u128) -> Option<u128> {
	let (whole, rest) = number.split_once('.').unwrap_or((number, ""));
	let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
	if (whole.is_empty() && rest.is_empty()) || !digits(whole) || !digits(rest) || rest.len() > 18 {
		return None;
	}
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
	let tens = 10u128.checked_pow(u32::try_from(rest.len()).ok()?)?;
	let part = fraction.checked_mul(scale)?.div_ceil(tens);
	whole.checked_mul(scale)?.checked_add(part)
}

/// CPU in milli-CPU: `0.5`, `2` or `250m`. A part of a milli-CPU counts as a whole one.
pub fn cpu_millis(text: &str) -> Option<u32> {
	let millis = match text.strip_suffix('m') {
		Some(millis) => millis.parse().ok()?,
		None => u32::try_from(scaled(text, 1_000)?).ok()?,
	};
	(millis > 0).then_some(millis)
}

/// Bytes: a number with one of the suffixes `k`, `M`, `G`, `T`, `P`, `E` or `Ki` … `Ei`, or none.
pub fn bytes(text: &str) -> Option<u128> {
	let letters = text.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
	let number = text.strip_suffix(letters)?;
	let scale: u128 = match letters {
		"" => 1,
		"k" => 1_000,
		"Ki" => 1 << 10,
		"M" => 1_000_000,
		"Mi" => 1 << 20,
		"G" => 1_000_000_000,
		"Gi" => 1 << 30,
		"T" => 1_000_000_000_000,
		"Ti" => 1 << 40,
		"P" => 1_000_000_000_000_000,
		"Pi" => 1 << 50,
		"E" => 1_000_000_000_000_000_000,
		"Ei" => 1 << 60,
		_ => return None,
	};
	scaled(number, scale).filter(|bytes| *bytes > 0)
}

/// [`bytes`] in MiB, rounded up.
pub fn mebibytes(text: &str) -> Option<u32> {
	u32::try_from(bytes(text)?.div_ceil(MIB)).ok()
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

/// A price in planck a block: `amount` in ulease (10^6 planck), decimals allowed, rounded up.
pub fn ulease(text: &str) -> Option<u128> {
	scaled(text, 1_000_000)
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn quantities_are_read() {
		assert_eq!(cpu_millis("0.5"), Some(500));
		assert_eq!(cpu_millis("2"), Some(2_000));
		assert_eq!(cpu_millis("250m"), Some(250));
		assert_eq!(cpu_millis("0.0001"), Some(1));
		assert_eq!(mebibytes("512Mi"), Some(512));
		assert_eq!(mebibytes("1Gi"), Some(1_024));
		assert_eq!(mebibytes("1.5Gi"), Some(1_536));
		assert_eq!(mebibytes("1M"), Some(1));
		assert_eq!(mebibytes("1048577"), Some(2));
		assert_eq!(duration("10m"), Some(Duration::from_secs(600)));
		assert_eq!(ulease("1.5"), Some(1_500_000));
		assert_eq!(ulease("1000"), Some(1_000_000_000));
	}

	#[test]
	fn what_is_no_quantity_is_refused() {
		for text in [
			"",
			"4GB",
			"1gi",
			"-1",
			"1e3",
			".",
			"0",
			"999999999999999999999999999999999999Ei",
			"1 Gi",
		] {
			assert_eq!(bytes(text), None, "{text}");
		}
		for text in ["", "m", "-1", "0", "0m", "x", "5000000000"] {
			assert_eq!(cpu_millis(text), None, "{text}");
		}
		for text in ["", "s", "0s", "5", "1w", "é"] {
			assert_eq!(duration(text), None, "{text}");
		}
	}
}
