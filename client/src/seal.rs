//! Manifests on their way to a provider, sealed by HPKE (RFC 9180: X25519, HKDF-SHA256, ChaCha20-Poly1305)
//! so that nobody in between reads them, wherever TLS ends.
//!
//! A seal is one byte of version, 32 bytes of encapsulated key, and the ciphertext. It is bound to the chain, the
//! provider and the lease.

use crate::H256;
use hpke::{
	aead::ChaCha20Poly1305, kdf::HkdfSha256, kem::X25519HkdfSha256, rand_core::UnwrapErr,
	single_shot_open, single_shot_seal, Deserializable as _, Kem, OpModeR, OpModeS,
	Serializable as _,
};
use rand_core::OsRng;

const VERSION: u8 = 1;
const INFO: &[u8] = b"Leasehold manifest v1";
const ENCAPSULATED: usize = 32;

/// For whom something is sealed.
#[derive(Clone, Copy, Debug)]
pub struct Place {
	pub genesis: H256,
	pub provider: u32,
	pub lease: u64,
}

impl Place {
	fn bytes(&self) -> Vec<u8> {
		let Self {
			genesis,
			provider,
			lease,
		} = self;
		[
			genesis.0.as_slice(),
			&provider.to_le_bytes(),
			&lease.to_le_bytes(),
		]
		.concat()
	}
}

/// Why a seal does not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
	#[error("the provider's sealing key is none of X25519")]
	BadKey,
	#[error("the seal is of a version that is not known, or too short")]
	Malformed,
	#[error("the seal is broken, or was made for another provider or lease")]
	Broken,
}

/// The public key of a secret one.
pub fn public_key(secret: &[u8; 32]) -> Result<[u8; 32], SealError> {
	type Secret = <X25519HkdfSha256 as Kem>::PrivateKey;
	let secret = Secret::from_bytes(secret).map_err(|_| SealError::BadKey)?;
	Ok(X25519HkdfSha256::sk_to_pk(&secret).to_bytes().into())
}

/// Seals `plain` to the key that a provider has registered.
pub fn seal(key: &[u8; 32], place: Place, plain: &[u8]) -> Result<Vec<u8>, SealError> {
	type Public = <X25519HkdfSha256 as Kem>::PublicKey;
	let key = Public::from_bytes(key).map_err(|_| SealError::BadKey)?;
	let (encapsulated, sealed) =
		single_shot_seal::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256, _>(
			&OpModeS::Base,
			&key,
			INFO,
			plain,
			&place.bytes(),
			&mut UnwrapErr(OsRng),
		)
		.map_err(|_| SealError::BadKey)?;
	Ok([
		[VERSION].as_slice(),
		encapsulated.to_bytes().as_slice(),
		&sealed,
	]
	.concat())
}

/// Opens what was sealed to the public key of `secret`, for the same place.
pub fn open(secret: &[u8; 32], place: Place, bytes: &[u8]) -> Result<Vec<u8>, SealError> {
	type Secret = <X25519HkdfSha256 as Kem>::PrivateKey;
	type Encapsulated = <X25519HkdfSha256 as Kem>::EncappedKey;
	let [VERSION, rest @ ..] = bytes else {
		return Err(SealError::Malformed);
	};
	let (encapsulated, sealed) = rest
		.split_at_checked(ENCAPSULATED)
		.ok_or(SealError::Malformed)?;
	let secret = Secret::from_bytes(secret).map_err(|_| SealError::BadKey)?;
	let encapsulated = Encapsulated::from_bytes(encapsulated).map_err(|_| SealError::Malformed)?;
	single_shot_open::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
		&OpModeR::Base,
		&secret,
		&encapsulated,
		INFO,
		sealed,
		&place.bytes(),
	)
	.map_err(|_| SealError::Broken)
}

#[cfg(test)]
mod tests {
	use super::*;

	const PLACE: Place = Place {
		genesis: H256([3; 32]),
		provider: 4,
		lease: 5,
	};

	#[test]
	fn what_is_sealed_opens_for_its_receiver_and_place_only() {
		let (secret, other) = ([7; 32], [8; 32]);
		let key = public_key(&secret).unwrap();
		let sealed = seal(&key, PLACE, b"a manifest").unwrap();
		assert_eq!(open(&secret, PLACE, &sealed).unwrap(), b"a manifest");
		assert_eq!(open(&other, PLACE, &sealed), Err(SealError::Broken));
		for place in [
			Place { lease: 6, ..PLACE },
			Place {
				provider: 5,
				..PLACE
			},
			Place {
				genesis: H256([4; 32]),
				..PLACE
			},
		] {
			assert_eq!(open(&secret, place, &sealed), Err(SealError::Broken));
		}
		let again = seal(&key, PLACE, b"a manifest").unwrap();
		assert_ne!(sealed, again);
	}

	#[test]
	fn a_seal_that_was_cut_or_changed_does_not_open() {
		let secret = [7; 32];
		let sealed = seal(&public_key(&secret).unwrap(), PLACE, b"a manifest").unwrap();
		for end in 0..sealed.len() {
			assert!(open(&secret, PLACE, &sealed[..end]).is_err(), "{end}");
		}
		for at in 0..sealed.len() {
			let mut changed = sealed.clone();
			changed[at] ^= 1;
			assert!(open(&secret, PLACE, &changed).is_err(), "{at}");
		}
		assert_eq!(open(&secret, PLACE, b""), Err(SealError::Malformed));
		assert_eq!(open(&secret, PLACE, &[2; 90]), Err(SealError::Malformed));
	}

	#[test]
	fn a_key_that_gives_no_secret_is_refused() {
		// A point of low order.
		assert_eq!(seal(&[0; 32], PLACE, b"x"), Err(SealError::BadKey));
	}
}
