//! Names of files that travel with a lease.

use sha2::{Digest as _, Sha256};
use std::{io::Read as _, path::Path};

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

/// Whether `path` matches a pattern: `*` stands for anything but `/`, `**` for anything.
pub fn matches(pattern: &str, path: &str) -> bool {
	fn go(pattern: &[u8], path: &[u8]) -> bool {
		match pattern {
			[] => path.is_empty(),
			[b'*', b'*', rest @ ..] => {
				let rest = rest.strip_prefix(b"/").unwrap_or(rest);
				(0..=path.len()).any(|n| go(rest, path.get(n..).unwrap_or_default()))
			}
			[b'*', rest @ ..] => {
				let end = path.iter().position(|b| *b == b'/').unwrap_or(path.len());
				(0..=end).any(|n| go(rest, path.get(n..).unwrap_or_default()))
			}
			[c, rest @ ..] => path
				.split_first()
				.is_some_and(|(d, tail)| c == d && go(rest, tail)),
		}
	}
	go(pattern.as_bytes(), path.as_bytes())
}

/// Size and SHA-256 of a file.
pub fn digest(path: &Path) -> std::io::Result<(u64, [u8; 32])> {
	let mut file = std::fs::File::open(path)?;
	let mut hasher = Sha256::new();
	let mut buffer = vec![0u8; 1 << 16];
	let mut size = 0u64;
	loop {
		let n = file.read(&mut buffer)?;
		if n == 0 {
			return Ok((size, hasher.finalize().into()));
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
	}
}
