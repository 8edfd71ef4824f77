//! Signatures of accounts over text, by whichever kind of key an account has: what wallets give for a text that they
//! were asked to sign as it is.

use crate::AccountId32;
use blake2::{digest::consts::U32, Blake2b, Digest as _};
use k256::ecdsa::{RecoveryId, Signature as Secp256k1, VerifyingKey};
use subxt_signer::sr25519;

/// How a signature begins that says of which kind it is.
const ED25519: u8 = 0;
const SR25519: u8 = 1;
const ECDSA: u8 = 2;

fn blake2_256(bytes: &[u8]) -> [u8; 32] {
	Blake2b::<U32>::digest(bytes).into()
}

/// By an account that is an sr25519 key.
pub(crate) fn is_sr25519(key: [u8; 32], message: &[u8], signature: [u8; 64]) -> bool {
	// By the key of nothing anybody signs.
	if key == [0; 32] {
		return false;
	}
	let key = sr25519::PublicKey(key);
	sr25519::verify(&sr25519::Signature(signature), message, &key)
}

/// By an account that is an Ed25519 key.
fn is_ed25519(key: [u8; 32], message: &[u8], signature: [u8; 64]) -> bool {
	let signature = ed25519_dalek::Signature::from_bytes(&signature);
	let key = ed25519_dalek::VerifyingKey::from_bytes(&key);
	key.is_ok_and(|key| key.verify_strict(message, &signature).is_ok())
}

/// By an account that is the hash of a secp256k1 key: that is recovered from the signature over the text's hash.
fn is_secp256k1(account: [u8; 32], message: &[u8], [rest @ .., v]: [u8; 65]) -> bool {
	let recovered = || {
		let id = RecoveryId::from_byte(v.checked_sub(27).unwrap_or(v))?;
		let signature = Secp256k1::from_slice(&rest).ok()?;
		VerifyingKey::recover_from_prehash(&blake2_256(message), &signature, id).ok()
	};
	let key = recovered().map(|key| key.to_encoded_point(true));
	key.is_some_and(|key| blake2_256(key.as_bytes()) == account)
}

/// The longest text that is signed as it is by whoever signs as transactions are signed: of longer ones it is the hash.
const LONGEST: usize = 256;

/// Whether a signature, in hexadecimal, is an account's over a text. Some wallets put the kind of the key before it;
/// hardware ones sign the hash of a long text.
pub fn is_by(account: &AccountId32, message: &[u8], signature: &str) -> bool {
	let hash = || is_over(account, &blake2_256(message), signature);
	is_over(account, message, signature) || (message.len() > LONGEST && hash())
}

fn is_over(account: &AccountId32, message: &[u8], signature: &str) -> bool {
	let text = signature.strip_prefix("0x").unwrap_or(signature);
	let Ok(bytes) = hex::decode(text) else {
		return false;
	};
	let of_key = |bytes: &[u8]| bytes.try_into().ok();
	match bytes.as_slice() {
		[kind @ (ED25519 | SR25519), rest @ ..] if rest.len() == 64 => {
			let by_key = of_key(rest).is_some_and(|rest| match *kind {
				ED25519 => is_ed25519(account.0, message, rest),
				_ => is_sr25519(account.0, message, rest),
			});
			// Those of secp256k1 are as long, and may begin so.
			by_key
				|| bytes
					.try_into()
					.is_ok_and(|all| is_secp256k1(account.0, message, all))
		}
		[ECDSA, rest @ ..] if rest.len() == 65 => rest
			.try_into()
			.is_ok_and(|rest| is_secp256k1(account.0, message, rest)),
		all if all.len() == 64 => of_key(all).is_some_and(|all| {
			is_sr25519(account.0, message, all) || is_ed25519(account.0, message, all)
		}),
		all => all
			.try_into()
			.is_ok_and(|all| is_secp256k1(account.0, message, all)),
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use ed25519_dalek::Signer as _;

	const TEXT: &[u8] = b"<Bytes>a text</Bytes>";

	/// (account, its signature over the text, the byte that names its kind)
	fn accounts() -> [(AccountId32, Vec<u8>, u8); 3] {
		let sr25519 = crate::keystore::from_seed([1; 32]).unwrap();
		let ed25519 = ed25519_dalek::SigningKey::from_bytes(&[2; 32]);
		let ecdsa = k256::ecdsa::SigningKey::from_slice(&[3; 32]).unwrap();
		let (signature, id) = ecdsa.sign_prehash_recoverable(&blake2_256(TEXT)).unwrap();
		let compressed = ecdsa.verifying_key().to_encoded_point(true);
		[
			(
				crate::keystore::account(&sr25519),
				sr25519.sign(TEXT).0.to_vec(),
				SR25519,
			),
			(
				AccountId32(ed25519.verifying_key().to_bytes()),
				ed25519.sign(TEXT).to_bytes().to_vec(),
				ED25519,
			),
			(
				AccountId32(blake2_256(compressed.as_bytes())),
				[signature.to_bytes().as_slice(), &[id.to_byte()]].concat(),
				ECDSA,
			),
		]
	}

	#[test]
	fn accounts_of_all_kinds_sign() {
		for (account, signature, kind) in accounts() {
			let bare = hex::encode(&signature);
			assert!(is_by(&account, TEXT, &bare), "kind {kind}");
			assert!(is_by(&account, TEXT, &format!("0x{bare}")));
			let named = hex::encode([&[kind][..], &signature].concat());
			assert!(is_by(&account, TEXT, &named), "kind {kind}, named");
			assert!(!is_by(&account, b"another text", &bare));
			assert!(!is_by(&AccountId32([9; 32]), TEXT, &bare));
			let other = hex::encode([&[(kind + 1) % 3][..], &signature].concat());
			assert!(!is_by(&account, TEXT, &other), "kind {kind}, named wrongly");
			for place in [0, 31, 63] {
				let mut broken = signature.clone();
				broken[place] ^= 1;
				assert!(!is_by(&account, TEXT, &hex::encode(broken)));
			}
		}
	}

	#[test]
	fn of_a_long_text_the_hash_may_be_signed_and_of_no_other() {
		for length in [256, 257] {
			let text = vec![b'x'; length];
			let ed25519 = ed25519_dalek::SigningKey::from_bytes(&[2; 32]);
			let account = AccountId32(ed25519.verifying_key().to_bytes());
			let signature = hex::encode(ed25519.sign(&blake2_256(&text)).to_bytes());
			assert_eq!(is_by(&account, &text, &signature), length > LONGEST);
			let sr25519 = crate::keystore::from_seed([1; 32]).unwrap();
			let signature = hex::encode(sr25519.sign(&blake2_256(&text)).0);
			let account = crate::keystore::account(&sr25519);
			assert_eq!(is_by(&account, &text, &signature), length > LONGEST);
		}
	}

	#[test]
	fn a_recoverable_signature_may_begin_as_if_it_named_its_kind() {
		let key = k256::ecdsa::SigningKey::from_slice(&[3; 32]).unwrap();
		let point = key.verifying_key().to_encoded_point(true);
		let account = AccountId32(blake2_256(point.as_bytes()));
		let signed = (0u32..).map(|n| {
			let text = n.to_le_bytes();
			let (signature, id) = key.sign_prehash_recoverable(&blake2_256(&text)).unwrap();
			(
				text,
				[signature.to_bytes().as_slice(), &[id.to_byte()]].concat(),
			)
		});
		for kind in [ED25519, SR25519] {
			let (text, signature) = signed.clone().find(|(_, all)| all[0] == kind).unwrap();
			assert!(
				is_by(&account, &text, &hex::encode(&signature)),
				"begins with {kind}"
			);
			// As Ethereum's wallets write the last byte.
			let mut other = signature.clone();
			other[64] += 27;
			assert!(is_by(&account, &text, &hex::encode(other)));
			assert!(!is_by(&account, b"another", &hex::encode(signature)));
		}
	}

	#[test]
	fn what_is_no_signature_is_refused() {
		for (account, signature, _) in accounts() {
			for wrong in [
				&signature[..40],
				&[],
				&[0; 64],
				&[0; 65],
				&[2; 66],
				&[255; 65],
			] {
				assert!(!is_by(&account, TEXT, &hex::encode(wrong)));
			}
			assert!(!is_by(&account, TEXT, "rubbish"));
		}
	}

	/// What a wallet says for `//Alice` of the kind ECDSA.
	#[test]
	fn an_account_is_the_hash_of_a_compressed_key() {
		let secret =
			hex::decode("cb6df9de1efca7a3998a8ead4e02159d5fa99c3e0d4fd6432667390bb4726854");
		let key = k256::ecdsa::SigningKey::from_slice(&secret.unwrap()).unwrap();
		let point = key.verifying_key().to_encoded_point(true);
		let wanted = "020a1091341fe5664bfa1782d5e04779689068c916b04cb365ec3153755684d9a1";
		assert_eq!(hex::encode(point.as_bytes()), wanted);
		let account = AccountId32(blake2_256(point.as_bytes()));
		let address = "5C7C2Z5sWbytvHpuLTvzKunnnRwQxft1jiqrLD5rhucQ5S9X";
		assert_eq!(account.to_string(), address);
	}
}
