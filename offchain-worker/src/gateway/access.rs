//! Who may do what: grants and signed requests.

use super::{forbidden, refused, Gateway, Refused};
use crate::{
	reconcile::{self, unix_now},
	store::LeaseRow,
};
use axum::http::{HeaderMap, StatusCode};
use leasehold_client::access::{
	self, Expected, Grant, Refusal, RequestFacts, RequestProof, Scope, SignedGrant, CLOCK_SKEW,
};
use leasehold_client::view::{LeaseRecordNow, OpenLease};
use std::{
	collections::HashMap,
	sync::Mutex,
	time::{Duration, Instant},
};

/// Most nonces of one session that are remembered at a time; who needs more is too fast.
const MAX_NONCES: usize = 20_000;
/// How long the node is not asked again about a lease that it does not know, or whose grant is another's.
const ASKED: Duration = Duration::from_secs(1);
/// Of how many leases that is remembered.
const MAX_ASKED: usize = 1_000;

/// How often nonces that do not count any more are forgotten, seconds.
const FORGET: u64 = 60;

/// A lease, and the key of a session.
type Whose = (u64, [u8; 32]);

/// By session, each with when it was seen.
#[derive(Default)]
struct Seen {
	nonces: HashMap<Whose, HashMap<String, u64>>,
	forgot: u64,
}

/// Nonces of the last minutes, by session, so that a request counts once. No session uses up what another needs.
pub struct Nonces {
	seen: Mutex<Seen>,
	/// Unix seconds; what was signed before may have been seen by an earlier life.
	begun: u64,
}

/// When the node was last asked about leases in vain: strangers do not have it asked all the time.
#[derive(Default)]
pub struct Asked(Mutex<HashMap<u64, Instant>>);

impl Asked {
	/// Whether it may be asked about a lease now; then it counts as asked.
	fn may(&self, lease: u64) -> bool {
		let Ok(mut asked) = self.0.lock() else {
			return false;
		};
		if asked.len() >= MAX_ASKED {
			asked.retain(|_, at| at.elapsed() < ASKED);
		}
		if asked.len() >= MAX_ASKED || asked.get(&lease).is_some_and(|at| at.elapsed() < ASKED) {
			return false;
		}
		asked.insert(lease, Instant::now());
		true
	}
}

impl Default for Nonces {
	fn default() -> Self {
		Self {
			seen: Mutex::default(),
			begun: unix_now(),
		}
	}
}

impl Nonces {
	/// Refuses a request that is not new, and remembers others.
	pub fn check(&self, whose: Whose, proof: &RequestProof, now: u64) -> Result<(), Refused> {
		let wait = |why: &str| Err(refused(StatusCode::TOO_MANY_REQUESTS, why));
		if proof.time < self.begun.saturating_sub(1) {
			return wait("the request is from before the daemon's start: again, and if that does not help, look at your clock");
		}
		let Ok(mut seen) = self.seen.lock() else {
			return wait("the provider cannot tell");
		};
		let horizon = now.saturating_sub(CLOCK_SKEW.saturating_mul(2));
		if now.saturating_sub(seen.forgot) >= FORGET {
			seen.forgot = now;
			seen.nonces.retain(|_, nonces| {
				nonces.retain(|_, time| *time >= horizon);
				!nonces.is_empty()
			});
		}
		let nonces = seen.nonces.entry(whose).or_default();
		if nonces.len() >= MAX_NONCES {
			return wait("too many requests of one session; wait some minutes");
		}
		match nonces.insert(proof.nonce.clone(), now) {
			None => Ok(()),
			Some(_) => Err(forbidden(Refusal::Replayed)),
		}
	}
}

/// The lease on chain, if it is open and ours.
pub async fn open_lease(gateway: &Gateway, id: u64) -> Result<Option<OpenLease>, Refused> {
	let shared = &gateway.shared;
	let read = async {
		let view = shared.chain.connection().await?.best().await?;
		view.lease(id).await
	};
	match read.await {
		Ok(LeaseRecordNow::Open(lease)) if lease.provider == shared.provider => Ok(Some(*lease)),
		Ok(_) => Ok(None),
		Err(error) => {
			tracing::warn!(%error, "the gateway cannot read the chain");
			let why = "the provider's node does not answer at present";
			Err(refused(StatusCode::SERVICE_UNAVAILABLE, why))
		}
	}
}

/// The row of the lease that has a row's number now, if it is another.
async fn another(gateway: &Gateway, row: &LeaseRow) -> Result<Option<LeaseRow>, Refused> {
	if !gateway.asked.may(row.lease) {
		return Ok(None);
	}
	let Some(lease) = open_lease(gateway, row.lease).await? else {
		return Ok(None);
	};
	if row.is_of(&lease) {
		return Ok(None);
	}
	let met = reconcile::row(&gateway.shared, &lease).await;
	met.map(Some).map_err(|error| {
		tracing::warn!(lease = row.lease, %error, "another's lease waits");
		forbidden("the provider cannot tell")
	})
}

/// The access epoch of a closed lease, as far as the chain knows it still.
async fn closed_epoch(gateway: &Gateway, id: u64) -> u32 {
	let read = async {
		let view = gateway.shared.chain.connection().await?.best().await?;
		view.lease(id).await
	};
	match read.await {
		Ok(LeaseRecordNow::Closed(closed)) => closed.epoch,
		_ => 0,
	}
}

/// The lease's row, made from the chain if this daemon has not met the lease yet.
pub async fn row(gateway: &Gateway, id: u64) -> Result<LeaseRow, Refused> {
	let shared = &gateway.shared;
	let unreadable = |error: String| {
		tracing::error!(error, "the store cannot be read");
		forbidden("the provider cannot tell")
	};
	if let Some(row) = shared
		.store
		.lease(id)
		.map_err(|error| unreadable(error.to_string()))?
	{
		return Ok(row);
	}
	let found = match gateway.asked.may(id) {
		true => open_lease(gateway, id).await?,
		false => None,
	};
	let lease = found.ok_or_else(|| forbidden(Refusal::Foreign))?;
	reconcile::row(shared, &lease)
		.await
		.map_err(|error| unreadable(error.to_string()))
}

/// Checks a request against the lease's access account. The row is returned to who may see it.
pub async fn check(
	gateway: &Gateway,
	id: u64,
	scope: Scope,
	grant: &SignedGrant,
	proof: &RequestProof,
	(method, path, digest): (&str, &str, &str),
) -> Result<LeaseRow, Refused> {
	let mut row = row(gateway, id).await?;
	let shared = &gateway.shared;
	// The node is asked for those only who have been granted something.
	if row.closed_at.is_some() && access::is_signed_by(grant, row.access()) {
		// Nothing else looks at it any more.
		row.epoch = row.epoch.max(closed_epoch(gateway, id).await);
	}
	let facts = RequestFacts {
		method,
		path,
		digest,
		gateway: shared.operator,
	};
	let now = unix_now();
	let expected = |row: &LeaseRow| Expected {
		genesis: shared.genesis,
		provider: shared.provider,
		lease: id,
		access: row.access(),
		epoch: row.epoch,
		now,
	};
	let checked = |row: &LeaseRow| match row.closed_at.is_some() {
		// Of what is over nothing is told to others, not even in what way they are wrong.
		true if !access::is_signed_by(grant, row.access()) => Err(Refusal::BadGrant),
		_ => access::check(grant, proof, facts, scope, &expected(row)),
	};
	match checked(&row) {
		// A fork may have given the number to another's lease, which the loop has not met yet.
		Err(Refusal::BadGrant) => {
			// Whether a lease that is over was ever here is for those alone who had it.
			let unknown = match row.closed_at {
				Some(_) => Refusal::Foreign,
				None => Refusal::BadGrant,
			};
			row = another(gateway, &row)
				.await?
				.ok_or_else(|| forbidden(unknown))?;
			checked(&row).map_err(forbidden)?;
		}
		checked => checked.map_err(forbidden)?,
	}
	let read = Grant::parse(&grant.text).ok_or_else(|| forbidden(Refusal::Malformed))?;
	gateway.nonces.check((id, read.key), proof, now)?;
	Ok(row)
}

/// What a header carries.
fn read<T: serde::de::DeserializeOwned>(headers: &HeaderMap, name: &str) -> Option<T> {
	serde_json::from_slice(&hex::decode(headers.get(name)?.as_bytes()).ok()?).ok()
}

/// [`check`] with grant and proof from a request's headers.
pub async fn check_headers(
	gateway: &Gateway,
	id: u64,
	scope: Scope,
	headers: &HeaderMap,
	(method, path, digest): (&str, &str, &str),
) -> Result<LeaseRow, Refused> {
	let grant = read(headers, "leasehold-grant").ok_or_else(|| forbidden(Refusal::Malformed))?;
	let proof = read(headers, "leasehold-proof").ok_or_else(|| forbidden(Refusal::Malformed))?;
	check(gateway, id, scope, &grant, &proof, (method, path, digest)).await
}

/// For how long what was granted holds.
pub struct Lasting {
	pub lease: u64,
	/// Whose it is: a fork may give the number to another.
	of: (Option<u64>, [u8; 32], [u8; 32]),
	epoch: u32,
	expires: u64,
}

fn whose(row: &LeaseRow) -> (Option<u64>, [u8; 32], [u8; 32]) {
	(row.order, row.tenant, row.access)
}

impl Lasting {
	/// That of a request that was allowed.
	pub fn of(row: &LeaseRow, headers: &HeaderMap) -> Result<Self, Refused> {
		let grant: Option<SignedGrant> = read(headers, "leasehold-grant");
		let grant = grant.and_then(|grant| Grant::parse(&grant.text));
		let Grant { epoch, expires, .. } = grant.ok_or_else(|| forbidden(Refusal::Malformed))?;
		Ok(Self {
			lease: row.lease,
			of: whose(row),
			epoch,
			expires,
		})
	}

	/// Whether it holds now, as far as this daemon knows.
	pub fn holds_now(&self, gateway: &Gateway) -> Result<(), Refusal> {
		let row = gateway.shared.store.lease(self.lease);
		self.holds(row.ok().flatten().as_ref())
	}

	/// Whether it holds still, as far as this daemon knows.
	pub fn holds(&self, row: Option<&LeaseRow>) -> Result<(), Refusal> {
		if unix_now() >= self.expires {
			return Err(Refusal::Expired);
		}
		match row {
			Some(row) if whose(row) != self.of => Err(Refusal::BadGrant),
			Some(row) if row.epoch > self.epoch => Err(Refusal::Revoked),
			// What cannot be read now is read the next time.
			_ => Ok(()),
		}
	}
}
