//! Access to a lease's gateway: a grant signed once by the order's access account for a session
//! key, and each request signed by that key.

use crate::{AccountId32, Keypair, H256};
use subxt_signer::sr25519::{verify, PublicKey, Signature};

/// Longest life of a grant, seconds.
pub const MAX_LIFE: u64 = 30 * 86_400;
/// How far the clocks of a client and a gateway may differ, seconds.
pub const CLOCK_SKEW: u64 = 120;

/// What a grant allows.
#[derive(
	Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
	/// Hand in a manifest and its files.
	Deploy,
	/// Run commands beside the workload.
	Exec,
	/// Read results.
	Files,
	/// Connect to ports of services.
	Forward,
	/// Read logs.
	Logs,
	/// Read the status.
	Status,
}

impl Scope {
	/// All scopes.
	pub const ALL: [Scope; 6] = [
		Scope::Deploy,
		Scope::Exec,
		Scope::Files,
		Scope::Forward,
		Scope::Logs,
		Scope::Status,
	];

	fn name(self) -> &'static str {
		match self {
			Self::Deploy => "deploy",
			Self::Exec => "exec",
			Self::Files => "files",
			Self::Forward => "forward",
			Self::Logs => "logs",
			Self::Status => "status",
		}
	}

	fn from_name(name: &str) -> Option<Self> {
		Self::ALL.into_iter().find(|scope| scope.name() == name)
	}
}

/// A grant, before it is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
	pub genesis: H256,
	pub provider: u32,
	pub lease: u64,
	/// Public session key.
	pub key: [u8; 32],
	pub scopes: Vec<Scope>,
	pub epoch: u32,
	/// Unix seconds.
	pub issued: u64,
	/// Unix seconds.
	pub expires: u64,
}

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
	#[error("the grant or the signature is missing or malformed")]
	Malformed,
	#[error("the grant is for another chain, provider or lease")]
	Foreign,
	#[error("the grant has expired or is not yet valid")]
	Expired,
	#[error("the grant's epoch is void")]
	Revoked,
	#[error("the grant does not allow this")]
	OutOfScope,
	#[error("the grant is signed by another than the lease's access account")]
	BadGrant,
	#[error("the request's signature is wrong")]
	BadSignature,
	#[error("the request is too old; check the clock")]
	Late,
	#[error("the request was sent before")]
	Replayed,
}

impl Grant {
	/// The text that the access account signs, as wallets wrap it.
	pub fn text(&self) -> String {
		let scopes: Vec<_> = self.scopes.iter().map(|scope| scope.name()).collect();
		format!(
			"<Bytes>Leasehold access v1\ngenesis: {:?}\nprovider: {}\nlease: {}\nkey: 0x{}\nscopes: \
			 {}\nepoch: {}\nissued: {}\nexpires: {}</Bytes>",
			self.genesis,
			self.provider,
			self.lease,
			hex::encode(self.key),
			scopes.join(","),
			self.epoch,
			self.issued,
			self.expires,
		)
	}

	/// Reads a grant's text; only the exact form is accepted.
	pub fn parse(text: &str) -> Option<Self> {
		let inner = text.strip_prefix("<Bytes>")?.strip_suffix("</Bytes>")?;
		let mut lines = inner.split('\n');
		if lines.next()? != "Leasehold access v1" {
			return None;
		}
		let mut field = |name: &str| lines.next()?.strip_prefix(name)?.strip_prefix(": ");
		let bytes = |text: &str| {
			let mut bytes = [0u8; 32];
			hex::decode_to_slice(text.strip_prefix("0x")?, &mut bytes).ok()?;
			Some(bytes)
		};
		let grant = Self {
			genesis: H256(bytes(field("genesis")?)?),
			provider: field("provider")?.parse().ok()?,
			lease: field("lease")?.parse().ok()?,
			key: bytes(field("key")?)?,
			scopes: field("scopes")?
				.split(',')
				.map(Scope::from_name)
				.collect::<Option<_>>()?,
			epoch: field("epoch")?.parse().ok()?,
			issued: field("issued")?.parse().ok()?,
			expires: field("expires")?.parse().ok()?,
		};
		(grant.text() == text).then_some(grant)
	}
}

/// A signed grant as it travels.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct SignedGrant {
	pub text: String,
	/// 64 bytes, hexadecimal.
	pub signature: String,
}

/// The signature under one request.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct RequestProof {
	/// Unix seconds.
	pub time: u64,
	/// 16 random bytes, hexadecimal.
	pub nonce: String,
	/// 64 bytes, hexadecimal.
	pub signature: String,
}

/// What a request's signature covers.
#[derive(Clone, Copy, Debug)]
pub struct RequestFacts<'a> {
	pub method: &'a str,
	/// Path and query.
	pub path: &'a str,
	/// SHA-256 of the body, hexadecimal.
	pub digest: &'a str,
	/// What the gateway is known by: its operator's account.
	pub gateway: AccountId32,
}

impl RequestFacts<'_> {
	fn message(&self, time: u64, nonce: &str) -> String {
		let Self {
			method,
			path,
			digest,
			gateway,
		} = self;
		format!("Leasehold request v1\n{method}\n{path}\n{digest}\n{time}\n{nonce}\n{gateway}")
	}
}

/// A session: a grant and the key it names.
#[derive(Clone)]
pub struct Session {
	grant: SignedGrant,
	key: Keypair,
}

impl Session {
	/// Opens a session for a lease with a new key on this device.
	pub fn open(
		account: &Keypair,
		genesis: H256,
		provider: u32,
		(lease, epoch): (u64, u32),
		now: u64,
	) -> Result<Self, crate::ChainError> {
		let key = crate::keystore::from_seed(crate::keystore::random_seed()?)?;
		let grant = Grant {
			genesis,
			provider,
			lease,
			key: key.public_key().0,
			scopes: Scope::ALL.to_vec(),
			epoch,
			issued: now,
			expires: now.saturating_add(86_400),
		};
		let text = grant.text();
		let signature = hex::encode(account.sign(text.as_bytes()).0);
		Ok(Self {
			grant: SignedGrant { text, signature },
			key,
		})
	}

	/// The signed grant.
	pub fn grant(&self) -> &SignedGrant {
		&self.grant
	}

	/// Signs one request.
	pub fn sign(&self, facts: RequestFacts, now: u64) -> Result<RequestProof, crate::ChainError> {
		let nonce = hex::encode(&crate::keystore::random_seed()?[..16]);
		let message = facts.message(now, &nonce);
		let signature = hex::encode(self.key.sign(message.as_bytes()).0);
		Ok(RequestProof {
			time: now,
			nonce,
			signature,
		})
	}
}

/// What a gateway knows about the lease that a request concerns.
#[derive(Clone, Copy, Debug)]
pub struct Expected {
	pub genesis: H256,
	pub provider: u32,
	pub lease: u64,
	/// The order's access account.
	pub access: AccountId32,
	pub epoch: u32,
	/// Unix seconds.
	pub now: u64,
}

fn signature_is_right(key: [u8; 32], message: &[u8], signature: &str) -> bool {
	let mut bytes = [0u8; 64];
	hex::decode_to_slice(signature, &mut bytes).is_ok()
		&& verify(&Signature(bytes), message, &PublicKey(key))
}

/// Whether a grant is signed by this account, whatever it says.
pub fn is_signed_by(grant: &SignedGrant, access: AccountId32) -> bool {
	signature_is_right(access.0, grant.text.as_bytes(), &grant.signature)
}

/// Checks a request. That its nonce is new is left to the caller, who remembers nonces for twice
/// [`CLOCK_SKEW`].
pub fn check(
	grant: &SignedGrant,
	proof: &RequestProof,
	facts: RequestFacts,
	scope: Scope,
	expected: &Expected,
) -> Result<(), Refusal> {
	let read = Grant::parse(&grant.text).ok_or(Refusal::Malformed)?;
	let place = (read.genesis, read.provider, read.lease);
	if place != (expected.genesis, expected.provider, expected.lease) {
		return Err(Refusal::Foreign);
	}
	let life = read
		.expires
		.checked_sub(read.issued)
		.ok_or(Refusal::Malformed)?;
	let begun = read.issued <= expected.now.saturating_add(CLOCK_SKEW);
	if life > MAX_LIFE || expected.now >= read.expires || !begun {
		return Err(Refusal::Expired);
	}
	if read.epoch != expected.epoch {
		return Err(Refusal::Revoked);
	}
	if !read.scopes.contains(&scope) {
		return Err(Refusal::OutOfScope);
	}
	if !is_signed_by(grant, expected.access) {
		return Err(Refusal::BadGrant);
	}
	if proof.nonce.len() != 32 {
		return Err(Refusal::Malformed);
	}
	if proof.time.abs_diff(expected.now) > CLOCK_SKEW {
		return Err(Refusal::Late);
	}
	let message = facts.message(proof.time, &proof.nonce);
	if !signature_is_right(read.key, message.as_bytes(), &proof.signature) {
		return Err(Refusal::BadSignature);
	}
	Ok(())
}

#[cfg(test)]
mod tests {
	use super::*;
	use crate::keystore::{account, from_seed};

	fn setting() -> (Session, Expected, AccountId32) {
		let tenant = from_seed([1; 32]).unwrap();
		let gateway = account(&from_seed([2; 32]).unwrap());
		let expected = Expected {
			genesis: H256([3; 32]),
			provider: 4,
			lease: 5,
			access: account(&tenant),
			epoch: 0,
			now: 1_000_000,
		};
		let session = Session::open(&tenant, expected.genesis, 4, (5, 0), 1_000_000).unwrap();
		(session, expected, gateway)
	}

	fn facts(gateway: AccountId32) -> RequestFacts<'static> {
		RequestFacts {
			method: "GET",
			path: "/v1/leases/5/logs",
			digest: "00",
			gateway,
		}
	}

	#[test]
	fn a_good_request_passes() {
		let (session, expected, gateway) = setting();
		let proof = session.sign(facts(gateway), expected.now).unwrap();
		let checked = check(
			session.grant(),
			&proof,
			facts(gateway),
			Scope::Logs,
			&expected,
		);
		assert_eq!(checked, Ok(()));
	}

	#[test]
	fn every_other_request_is_refused_with_its_reason() {
		let (session, good, gateway) = setting();
		let with = |edit: &dyn Fn(&mut Expected)| {
			let mut expected = good;
			edit(&mut expected);
			let proof = session.sign(facts(gateway), good.now).unwrap();
			check(
				session.grant(),
				&proof,
				facts(gateway),
				Scope::Logs,
				&expected,
			)
		};
		assert_eq!(with(&|e| e.lease = 6), Err(Refusal::Foreign));
		assert_eq!(with(&|e| e.provider = 6), Err(Refusal::Foreign));
		assert_eq!(with(&|e| e.genesis = H256([9; 32])), Err(Refusal::Foreign));
		assert_eq!(with(&|e| e.epoch = 1), Err(Refusal::Revoked));
		assert_eq!(with(&|e| e.now += 90_000), Err(Refusal::Expired));
		assert_eq!(with(&|e| e.now += 1_000), Err(Refusal::Late));
		assert_eq!(with(&|e| e.now -= 1_000), Err(Refusal::Expired));
		assert_eq!(
			with(&|e| e.access = AccountId32([8; 32])),
			Err(Refusal::BadGrant)
		);

		let proof = session.sign(facts(gateway), good.now).unwrap();
		let other = RequestFacts {
			path: "/v1/leases/6/logs",
			..facts(gateway)
		};
		let checked = check(session.grant(), &proof, other, Scope::Logs, &good);
		assert_eq!(checked, Err(Refusal::BadSignature));
		let mut widened = session.grant().clone();
		widened.text = widened.text.replace("expires: 1", "expires: 2");
		let checked = check(&widened, &proof, facts(gateway), Scope::Logs, &good);
		assert!(matches!(checked, Err(Refusal::Expired | Refusal::BadGrant)));
		let rubbish = SignedGrant {
			text: "x".into(),
			signature: "y".into(),
		};
		let checked = check(&rubbish, &proof, facts(gateway), Scope::Logs, &good);
		assert_eq!(checked, Err(Refusal::Malformed));
	}

	#[test]
	fn a_grant_reads_back_and_only_its_exact_form_counts() {
		let (session, ..) = setting();
		let text = &session.grant().text;
		assert_eq!(Grant::parse(text).unwrap().text(), *text);
		assert_eq!(Grant::parse(&text.replace("lease: 5", "lease: 05")), None);
		assert_eq!(Grant::parse(&text.replace("files", "everything")), None);
		assert_eq!(Grant::parse(text.trim_end_matches("</Bytes>")), None);
	}
}
