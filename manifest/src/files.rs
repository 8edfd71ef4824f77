//! Names of files that travel with a lease.

use sha2::{Digest as _, Sha256};
use std::{io::Read, path::Path};

/// Longest path of a file, bytes.
const MAX_PATH: usize = 512;

/// Whether a path stays inside its folder: relative, no `.` or `..`, no empty part, no backslash,
/// no control character.
pub fn is_safe_path(path: &str) -> bool {
	!path.is_empty()
		&& path.len() <= MAX_PATH
		&& !path.chars().any(|c| c == '\\' || c.is_control())
		&& path
			.split('/')
			.all(|part| !part.is_empty() && part != "." && part != "..")
}

/// Longest pattern, bytes.
pub const MAX_PATTERN: usize = 512;
/// Most patterns of a service.
pub const MAX_PATTERNS: usize = 64;

/// Whether `path` matches a pattern: `*` stands for anything but `/`, `**` for anything. Takes time
/// in proportion to the product of both lengths, whatever the pattern.
pub fn matches(pattern: &str, path: &str) -> bool {
	enum Part {
		Byte(u8),
		Within,
		Across,
	}
	let mut parts = Vec::new();
	let mut rest = pattern.as_bytes();
	while let Some((first, tail)) = rest.split_first() {
		rest = tail;
		match (first, tail.first()) {
			(b'*', Some(b'*')) => {
				rest = tail.get(1..).unwrap_or_default();
				rest = rest.strip_prefix(b"/").unwrap_or(rest);
				parts.push(Part::Across);
			}
			(b'*', _) => parts.push(Part::Within),
			(byte, _) => parts.push(Part::Byte(*byte)),
		}
	}
	let path = path.as_bytes();
	// reached[n]: the parts so far match the first n bytes.
	let mut reached = vec![false; path.len().saturating_add(1)];
	if let Some(first) = reached.first_mut() {
		*first = true;
	}
	for part in parts {
		let mut next = vec![false; reached.len()];
		let mut open = false;
		for n in 0..next.len() {
			let here = reached.get(n).copied().unwrap_or(false);
			let before = n.checked_sub(1);
			let byte = before.and_then(|n| path.get(n)).copied();
			let matched = match part {
				Part::Byte(wanted) => {
					byte == Some(wanted)
						&& before.is_some_and(|n| reached.get(n).copied().unwrap_or(false))
				}
				Part::Across => {
					open = open || here;
					open
				}
				Part::Within => {
					open = here || (open && byte != Some(b'/'));
					open
				}
			};
			if let Some(slot) = next.get_mut(n) {
				*slot = matched;
			}
		}
		reached = next;
	}
	reached.last().copied().unwrap_or(false)
}

/// Size and SHA-256 of a file.
pub fn digest(path: &Path) -> std::io::Result<(u64, [u8; 32])> {
	let (size, hasher) = hash(std::fs::File::open(path)?)?;
	Ok((size, hasher.finalize().into()))
}

/// Reads to the end: how many bytes there were, and what goes on with their digest.
pub fn hash(mut from: impl Read) -> std::io::Result<(u64, Sha256)> {
	let (mut size, mut hasher, mut buffer) = (0u64, Sha256::new(), vec![0u8; 1 << 16]);
	loop {
		let n = from.read(&mut buffer)?;
		if n == 0 {
			return Ok((size, hasher));
		}
		hasher.update(buffer.get(..n).unwrap_or_default());
		size = size.saturating_add(u64::try_from(n).unwrap_or(0));
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn only_paths_that_stay_inside_are_safe() {
		for path in ["a", "a/b.txt", "ü/x y"] {
			assert!(is_safe_path(path), "{path}");
		}
		for path in [
			"", "/a", "a//b", "../a", "a/..", "./a", "a\\b", "a\0", "a/\n",
		] {
			assert!(!is_safe_path(path), "{path:?}");
		}
		assert!(!is_safe_path(&"x".repeat(600)));
	}

	#[test]
	fn patterns_match() {
		assert!(matches("**", "a/b/c"));
		assert!(matches("*.png", "a.png"));
		assert!(!matches("*.png", "a/b.png"));
		assert!(matches("**/*.png", "a/b.png"));
		assert!(matches("**/*.png", "b.png"));
		assert!(!matches("a", "ab"));
		assert!(matches("a*c/**/d", "abc/x/y/d"));
		assert!(!matches("a*d", "ab/cd"));
	}

	#[test]
	fn a_hostile_pattern_costs_little() {
		let path = "a".repeat(500);
		assert!(!matches(&format!("{}b", "**a".repeat(160)), &path));
		assert!(matches(&"*".repeat(500), &path));
	}
}
