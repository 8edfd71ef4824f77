//! The hash that a completed job leaves on chain.

use blake2::{digest::consts::U32, Blake2b, Digest as _};
use codec::Encode as _;

/// One output of a job.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct Output {
	/// Relative to `/out`.
	pub path: String,
	/// Bytes.
	pub size: u64,
	/// SHA-256.
	#[serde(with = "hexadecimal")]
	pub sha256: [u8; 32],
}

/// 32 bytes as hexadecimal digits.
mod hexadecimal {
	use serde::{de::Error as _, Deserialize as _, Deserializer, Serializer};

	pub(super) fn serialize<S: Serializer>(bytes: &[u8; 32], to: S) -> Result<S::Ok, S::Error> {
		to.serialize_str(&hex::encode(bytes))
	}

	pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<[u8; 32], D::Error> {
		let mut bytes = [0u8; 32];
		hex::decode_to_slice(String::deserialize(from)?, &mut bytes).map_err(D::Error::custom)?;
		Ok(bytes)
	}
}

/// blake2-256 of these bytes.
pub fn blake2_256(bytes: &[u8]) -> [u8; 32] {
	Blake2b::<U32>::digest(bytes).into()
}

/// blake2-256 over SCALE of the sorted (path, length, sha256) of the outputs, then the exit code.
pub fn result_hash(outputs: &[Output], exit_code: i32) -> [u8; 32] {
	let mut sorted: Vec<_> = outputs
		.iter()
		.map(|o| (&o.path, o.size, o.sha256))
		.collect();
	sorted.sort();
	blake2_256(&(sorted, exit_code).encode())
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn the_order_of_outputs_does_not_matter_but_everything_else_does() {
		let output = |path: &str, size| Output {
			path: path.into(),
			size,
			sha256: [1; 32],
		};
		let a = [output("a", 1), output("b", 2)];
		let b = [output("b", 2), output("a", 1)];
		assert_eq!(result_hash(&a, 0), result_hash(&b, 0));
		assert_ne!(result_hash(&a, 0), result_hash(&a, 1));
		assert_ne!(result_hash(&a, 0), result_hash(&a[..1], 0));
		assert_ne!(
			result_hash(&[output("a", 1)], 0),
			result_hash(&[output("a", 2)], 0)
		);
	}
}
