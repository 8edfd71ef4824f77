//! Keys on disk: the JSON files that polkadot-js wallets export and import, encrypted with a
//! password (scrypt, then XSalsa20-Poly1305). `docs/keystore.md` describes the format.

use crate::{error::ChainError, AccountId32, Keypair};
use base64::{engine::general_purpose::STANDARD, Engine as _};
use crypto_secretbox::{
	aead::{Aead, KeyInit},
	Key, Nonce, XSalsa20Poly1305,
};
use schnorrkel::{ExpansionMode, MiniSecretKey};
use std::{io::Write as _, path::Path};

const HEADER: [u8; 16] = [48, 83, 2, 1, 1, 48, 5, 6, 3, 43, 101, 112, 4, 34, 4, 32];
const DIVIDER: [u8; 5] = [161, 35, 3, 33, 0];
/// scrypt: N = 2^15, r = 8, p = 1.
const LOG_N: u8 = 15;
const R: u32 = 8;
const P: u32 = 1;
/// The least length of a file's payload: salt, parameters and nonce.
const PREFIX: usize = 68;

fn wrong(path: &Path, what: impl std::fmt::Display) -> ChainError {
	ChainError::File(format!("{}: {what}", path.display()))
}

/// A new random secret.
pub fn random_seed() -> Result<[u8; 32], ChainError> {
	let mut seed = [0u8; 32];
	getrandom::fill(&mut seed)
		.map_err(|error| ChainError::File(format!("no random numbers: {error}")))?;
	Ok(seed)
}

/// The key pair of a secret.
pub fn from_seed(seed: [u8; 32]) -> Result<Keypair, ChainError> {
	Keypair::from_secret_key(seed)
		.map_err(|error| ChainError::File(format!("not a secret key: {error}")))
}

/// The key pair of a secret URI: a phrase, `0x` and 64 hex digits, or a development name as
/// `//Alice`.
pub fn from_uri(uri: &str) -> Result<Keypair, ChainError> {
	let parsed = uri
		.parse::<subxt_signer::SecretUri>()
		.map_err(|error| ChainError::File(format!("not a secret URI: {error}")))?;
	Keypair::from_uri(&parsed)
		.map_err(|error| ChainError::File(format!("not a secret URI: {error}")))
}

/// The secret of a phrase of 12 to 24 words, without a password, or of `0x` and 64 hex digits.
pub fn seed_of(text: &str) -> Result<[u8; 32], ChainError> {
	let wrong = |why: String| ChainError::File(format!("no secret of a key: {why}"));
	let text = text.trim();
	if let Some(digits) = text.strip_prefix("0x") {
		let mut seed = [0; 32];
		hex::decode_to_slice(digits, &mut seed).map_err(|error| wrong(error.to_string()))?;
		return Ok(seed);
	}
	if text.contains('/') {
		let why =
			"a path behind the phrase cannot be kept; export the account as a file from its wallet";
		return Err(wrong(why.into()));
	}
	let phrase = bip39::Mnemonic::parse(text).map_err(|error| {
		wrong(match error {
			bip39::Error::UnknownWord(n) => {
				format!(
					"word {} of the phrase is none of the list",
					n.saturating_add(1)
				)
			}
			other => other.to_string(),
		})
	})?;
	let mut bytes = [0; 64];
	pbkdf2::pbkdf2_hmac::<sha2::Sha512>(&phrase.to_entropy(), b"mnemonic", 2_048, &mut bytes);
	let (seed, _) = bytes.split_at(32);
	seed.try_into().map_err(|_| wrong("its length".into()))
}

/// The account of a key pair.
pub fn account(pair: &Keypair) -> AccountId32 {
	pair.public_key().to_account_id()
}

/// Writes a secret to a new file that only its owner may read. An existing file is never replaced.
pub fn write(
	path: &Path,
	seed: [u8; 32],
	password: &str,
	name: &str,
) -> Result<AccountId32, ChainError> {
	let secret = MiniSecretKey::from_bytes(&seed)
		.map_err(|error| wrong(path, error))?
		.expand(ExpansionMode::Ed25519);
	let public = secret.to_public().to_bytes();
	let mut plain = Vec::with_capacity(117);
	plain.extend_from_slice(&HEADER);
	plain.extend_from_slice(&secret.to_ed25519_bytes());
	plain.extend_from_slice(&DIVIDER);
	plain.extend_from_slice(&public);

	let (mut salt, mut nonce) = ([0u8; 32], [0u8; 24]);
	let random = |bytes: &mut [u8]| getrandom::fill(bytes).map_err(|error| wrong(path, error));
	random(&mut salt)?;
	random(&mut nonce)?;
	let parameters = scrypt::Params::new(LOG_N, R, P, 32).map_err(|error| wrong(path, error))?;
	let mut key = Key::default();
	scrypt::scrypt(password.as_bytes(), &salt, &parameters, &mut key)
		.map_err(|error| wrong(path, error))?;
	let sealed = XSalsa20Poly1305::new(&key)
		.encrypt(Nonce::from_slice(&nonce), plain.as_slice())
		.map_err(|_| wrong(path, "encryption failed"))?;

	let mut encoded = Vec::with_capacity(201);
	encoded.extend_from_slice(&salt);
	encoded.extend_from_slice(&(1u32 << LOG_N).to_le_bytes());
	encoded.extend_from_slice(&P.to_le_bytes());
	encoded.extend_from_slice(&R.to_le_bytes());
	encoded.extend_from_slice(&nonce);
	encoded.extend_from_slice(&sealed);
	let account = AccountId32(public);
	let json = serde_json::json!({
		"encoded": STANDARD.encode(&encoded),
		"encoding": {
			"content": ["pkcs8", "sr25519"],
			"type": ["scrypt", "xsalsa20-poly1305"],
			"version": "3"
		},
		"address": account.to_string(),
		"meta": { "name": name }
	});
	write_secret_file(path, format!("{json:#}\n").as_bytes())?;
	Ok(account)
}

/// Writes a new file that only its owner may read. An existing file is never replaced.
pub fn write_secret_file(path: &Path, bytes: &[u8]) -> Result<(), ChainError> {
	use std::os::unix::fs::OpenOptionsExt as _;
	if let Some(folder) = path.parent() {
		std::fs::create_dir_all(folder).map_err(|error| wrong(folder, error))?;
	}
	let mut file = std::fs::OpenOptions::new()
		.write(true)
		.create_new(true)
		.mode(0o600)
		.open(path)
		.map_err(|error| wrong(path, error))?;
	file.write_all(bytes)
		.and_then(|()| file.sync_all())
		.map_err(|error| wrong(path, error))
}

/// Opens a key file.
pub fn read(path: &Path, password: &str) -> Result<Keypair, ChainError> {
	let text = std::fs::read_to_string(path).map_err(|error| wrong(path, error))?;
	let json: serde_json::Value = serde_json::from_str(&text)
		.map_err(|error| wrong(path, format!("not a key file: {error}")))?;
	let encoded = json["encoded"].as_str().unwrap_or_default();
	let length = STANDARD
		.decode(encoded)
		.map(|bytes| bytes.len())
		.unwrap_or(0);
	if length < PREFIX {
		return Err(wrong(path, "not a key file: its payload is truncated"));
	}
	use subxt_signer::polkadot_js_compat::{decrypt_json, Error};
	decrypt_json(&text, password).map_err(|error| match error {
		Error::Secretbox(_) => ChainError::Password(path.display().to_string()),
		other => wrong(path, format!("not a key file: {other}")),
	})
}

/// The account and the name that a key file says it holds; needs no password.
pub fn describe(path: &Path) -> Result<(AccountId32, String), ChainError> {
	let text = std::fs::read_to_string(path).map_err(|error| wrong(path, error))?;
	let json: serde_json::Value = serde_json::from_str(&text)
		.map_err(|error| wrong(path, format!("not a key file: {error}")))?;
	let address = json["address"].as_str().unwrap_or_default();
	let account = address
		.parse()
		.map_err(|_| wrong(path, "not a key file: no address"))?;
	Ok((
		account,
		json["meta"]["name"].as_str().unwrap_or_default().to_owned(),
	))
}

#[cfg(test)]
mod tests {
	use super::*;

	fn scratch(name: &str) -> std::path::PathBuf {
		let folder = std::env::temp_dir().join(format!("leasehold-keys-{}", std::process::id()));
		std::fs::create_dir_all(&folder).unwrap();
		folder.join(name)
	}

	#[test]
	fn a_key_file_opens_with_its_password_only() {
		let path = scratch("a.json");
		let account = write(&path, [7; 32], "correct horse", "me").unwrap();
		assert_eq!(account, super::account(&from_seed([7; 32]).unwrap()));
		let pair = read(&path, "correct horse").unwrap();
		assert_eq!(super::account(&pair), account);
		assert_eq!(describe(&path).unwrap(), (account, "me".to_owned()));
		let error = read(&path, "wrong").unwrap_err();
		assert!(matches!(error, ChainError::Password(_)), "{error}");
		assert!(write(&path, [8; 32], "x", "me").is_err(), "never replaced");
		std::fs::remove_file(path).unwrap();
	}

	#[test]
	fn a_phrase_is_the_secret_that_wallets_make_of_it() {
		let phrase = "bottom drive obey lake curtain smoke basket hold race lonely fit walk";
		let seed = seed_of(&format!(" {phrase}\n")).unwrap();
		let wanted = "fac7959dbfe72f052e5a0c3c8d6530f202b02fd8f9f5ca3580ec8deb7797479e";
		assert_eq!(hex::encode(seed), wanted);
		assert_eq!(seed_of(&format!("0x{wanted}")).unwrap(), seed);
		let pair = from_seed(seed).unwrap();
		assert_eq!(
			super::account(&pair),
			super::account(&from_uri(phrase).unwrap())
		);
		for text in [
			"",
			"0x00",
			"bottom drive",
			"//Alice",
			&format!("{phrase}//1"),
			&phrase.replace("walk", "wall"),
		] {
			assert!(seed_of(text).is_err(), "{text}");
		}
	}

	#[test]
	fn a_damaged_file_is_an_error_not_a_panic() {
		let path = scratch("b.json");
		for text in [
			"",
			"{}",
			"[]",
			r#"{"encoded":"AAAA"}"#,
			r#"{"encoded":"%%"}"#,
		] {
			std::fs::write(&path, text).unwrap();
			assert!(read(&path, "x").is_err(), "{text}");
			assert!(describe(&path).is_err(), "{text}");
		}
		std::fs::remove_file(path).unwrap();
	}
}
