//! Access to a lease's gateway: a grant signed once by the order's access account for a session
//! key, and each request signed by that key. The holder of the key may pass a part of it on: to another key, by a grant
//! that is signed by the first.

use crate::{
	keystore::{from_seed, random_seed},
	signature, AccountId32, ChainError, Keypair, H256,
};
use serde::{Deserialize, Serialize};

/// Longest life of a grant, seconds.
pub const MAX_LIFE: u64 = 30 * 86_400;
/// How far the clocks of a client and a gateway may differ, seconds.
pub const CLOCK_SKEW: u64 = 120;
/// SHA-256 of nothing, hexadecimal: what requests without a body are signed over.
pub const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
/// How often a grant may be passed on.
pub const MAX_LINKS: usize = 4;

/// What a grant allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
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

	pub fn name(self) -> &'static str {
		match self {
			Self::Deploy => "deploy",
			Self::Exec => "exec",
			Self::Files => "files",
			Self::Forward => "forward",
			Self::Logs => "logs",
			Self::Status => "status",
		}
	}

	pub fn from_name(name: &str) -> Option<Self> {
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
	#[error("the grant allows more, or for longer, than the one that it was passed on from")]
	Widened,
	#[error("the grant was passed on more often than {MAX_LINKS} times")]
	TooLong,
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedGrant {
	pub text: String,
	/// By the access account or, if it was passed on, by the key of the grant before; hexadecimal.
	pub signature: String,
	/// The grant that it was passed on from.
	#[serde(default, skip_serializing_if = "Option::is_none")]
	pub from: Option<Box<SignedGrant>>,
}

impl SignedGrant {
	/// The grant that the access account signed, and how often it was passed on.
	fn first(&self) -> (&Self, usize) {
		let (mut first, mut links) = (self, 0usize);
		while let Some(from) = &first.from {
			(first, links) = (from, links.saturating_add(1));
		}
		(first, links)
	}
}

/// The signature under one request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestProof {
	/// Unix seconds.
	pub time: u64,
	/// 16 random bytes, hexadecimal.
	pub nonce: String,
	/// 64 bytes, hexadecimal.
	pub signature: String,
}

/// What a call over `/rpc` about a lease carries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
	pub lease: u64,
	pub grant: SignedGrant,
	pub proof: RequestProof,
	/// Hexadecimal; for the calls that take one.
	#[serde(default)]
	pub body: String,
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

/// A new key, and what is to be granted to it: it waits for a signature.
pub struct Asked {
	pub grant: Grant,
	seed: [u8; 32],
}

impl Asked {
	/// Draws a key for a lease (chain, provider, lease, epoch).
	pub fn new(
		(genesis, provider, lease, epoch): (H256, u32, u64, u32),
		scopes: &[Scope],
		now: u64,
		life: u64,
	) -> Result<Self, ChainError> {
		let seed = random_seed()?;
		let grant = Grant {
			genesis,
			provider,
			lease,
			key: from_seed(seed)?.public_key().0,
			scopes: scopes.to_vec(),
			epoch,
			issued: now,
			expires: now.saturating_add(life.min(MAX_LIFE)),
		};
		Ok(Self { grant, seed })
	}

	fn with(&self, signature: String, from: Option<&Session>) -> Result<Session, ChainError> {
		let text = self.grant.text();
		let from = from.map(|from| Box::new(from.grant.clone()));
		Ok(Session {
			grant: SignedGrant {
				text,
				signature,
				from,
			},
			key: from_seed(self.seed)?,
			seed: self.seed,
		})
	}

	/// Signed by the access account's key.
	pub fn signed(self, account: &Keypair) -> Result<Session, ChainError> {
		let signature = hex::encode(account.sign(self.grant.text().as_bytes()).0);
		self.with(signature, None)
	}

	/// With the signature that a wallet gave over the grant's text; `None` if it is not the access account's.
	pub fn signed_by(
		&self,
		access: &AccountId32,
		signature: &str,
	) -> Result<Option<Session>, ChainError> {
		let text = self.grant.text();
		match signature::is_by(access, text.as_bytes(), signature) {
			true => self.with(signature.to_owned(), None).map(Some),
			false => Ok(None),
		}
	}

	/// Passed on by who has a session.
	pub fn passed_on(self, from: &Session) -> Result<Session, ChainError> {
		let signature = hex::encode(from.key.sign(self.grant.text().as_bytes()).0);
		self.with(signature, Some(from))
	}
}

/// A session: a grant and the key it names.
#[derive(Clone)]
pub struct Session {
	grant: SignedGrant,
	key: Keypair,
	seed: [u8; 32],
}

/// A session in a file: whoever has it may do what it allows.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
	version: u32,
	grant: SignedGrant,
	/// The session key's secret, hexadecimal.
	secret: String,
}

impl Session {
	/// Opens a session for a lease (number, epoch), for a day and with all scopes, with a new key on this device.
	pub fn open(
		account: &Keypair,
		genesis: H256,
		provider: u32,
		(lease, epoch): (u64, u32),
		now: u64,
	) -> Result<Self, ChainError> {
		let place = (genesis, provider, lease, epoch);
		Asked::new(place, &Scope::ALL, now, 86_400)?.signed(account)
	}

	/// As text for a file that nobody else may read.
	pub fn to_text(&self) -> Result<String, ChainError> {
		let kept = Kept {
			version: 1,
			grant: self.grant.clone(),
			secret: hex::encode(self.seed),
		};
		let text = serde_json::to_string_pretty(&kept);
		let text = text.map_err(|error| ChainError::File(error.to_string()))?;
		Ok(text + "\n")
	}

	/// Of such a text, and what it grants.
	pub fn from_text(text: &str) -> Result<(Self, Grant), ChainError> {
		let wrong = |why: String| ChainError::File(format!("not a file with a grant: {why}"));
		let kept: Kept =
			serde_json::from_str(text).map_err(|_| wrong("it is not written as one".into()))?;
		if kept.version != 1 {
			let why = format!("version {} is not known, only 1 is", kept.version);
			return Err(wrong(why));
		}
		let grant = Grant::parse(&kept.grant.text);
		let grant = grant.ok_or_else(|| wrong("its text is damaged".into()))?;
		let mut seed = [0; 32];
		hex::decode_to_slice(&kept.secret, &mut seed).map_err(|error| wrong(error.to_string()))?;
		let key = from_seed(seed)?;
		if key.public_key().0 != grant.key {
			return Err(wrong("its secret is another key's".into()));
		}
		let session = Self {
			grant: kept.grant,
			key,
			seed,
		};
		Ok((session, grant))
	}

	/// Whether it may be passed on: not more often than gateways allow.
	pub fn may_be_passed_on(&self) -> bool {
		self.grant.first().1 < MAX_LINKS
	}

	/// The signed grant.
	pub fn grant(&self) -> &SignedGrant {
		&self.grant
	}

	/// Signs one request.
	pub fn sign(&self, facts: RequestFacts, now: u64) -> Result<RequestProof, ChainError> {
		let nonce = hex::encode(&random_seed()?[..16]);
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

/// Whether a session key has signed this.
fn is_by_key(key: [u8; 32], message: &[u8], signature: &str) -> bool {
	let mut bytes = [0u8; 64];
	hex::decode_to_slice(signature, &mut bytes).is_ok()
		&& signature::is_sr25519(key, message, bytes)
}

/// Whether a grant, or the one that it was passed on from, is signed by this account, whatever it says.
pub fn is_signed_by(grant: &SignedGrant, access: AccountId32) -> bool {
	let (first, links) = grant.first();
	links <= MAX_LINKS && signature::is_by(&access, first.text.as_bytes(), &first.signature)
}

/// What a grant says, if it holds for this lease now. Whether it is rightly signed is not looked at.
fn holding(grant: &SignedGrant, expected: &Expected) -> Result<Grant, Refusal> {
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
	Ok(read)
}

/// What a grant allows, if each that it was passed on from holds and allows as much.
fn granted(grant: &SignedGrant, expected: &Expected) -> Result<Grant, Refusal> {
	let read = holding(grant, expected)?;
	if grant.first().1 > MAX_LINKS {
		return Err(Refusal::TooLong);
	}
	let (mut inner, mut link) = (read.clone(), grant);
	while let Some(from) = &link.from {
		let outer = holding(from, expected)?;
		let is_part = inner
			.scopes
			.iter()
			.all(|scope| outer.scopes.contains(scope));
		if !is_part || inner.expires > outer.expires {
			return Err(Refusal::Widened);
		}
		if !is_by_key(outer.key, link.text.as_bytes(), &link.signature) {
			return Err(Refusal::BadGrant);
		}
		(inner, link) = (outer, from);
	}
	match signature::is_by(&expected.access, link.text.as_bytes(), &link.signature) {
		true => Ok(read),
		false => Err(Refusal::BadGrant),
	}
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
	let read = granted(grant, expected)?;
	if !read.scopes.contains(&scope) {
		return Err(Refusal::OutOfScope);
	}
	if proof.nonce.len() != 32 {
		return Err(Refusal::Malformed);
	}
	if proof.time.abs_diff(expected.now) > CLOCK_SKEW {
		return Err(Refusal::Late);
	}
	let message = facts.message(proof.time, &proof.nonce);
	if !is_by_key(read.key, message.as_bytes(), &proof.signature) {
		return Err(Refusal::BadSignature);
	}
	Ok(())
}

#[cfg(test)]
mod tests;
