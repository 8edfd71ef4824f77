//! Who may do what: grants and signed requests.

use super::{forbidden, Gateway, Refused};
use crate::{
	reconcile::{self, unix_now},
	store::LeaseRow,
};
use axum::http::HeaderMap;
use leasehold_client::access::{
	self, Expected, Refusal, RequestFacts, RequestProof, Scope, SignedGrant, CLOCK_SKEW,
};
use leasehold_client::view::{LeaseRecordNow, OpenLease};
use std::{collections::HashMap, sync::Mutex};

/// Most nonces that are remembered at a time.
const MAX_NONCES: usize = 100_000;

/// Nonces of the last minutes, so that a request counts once.
#[derive(Default)]
pub struct Nonces(Mutex<HashMap<String, u64>>);

impl Nonces {
	/// Whether the nonce is new. It is remembered.
	pub fn is_new(&self, nonce: &str, now: u64) -> bool {
		let Ok(mut nonces) = self.0.lock() else {
			return false;
		};
		let horizon = now.saturating_sub(CLOCK_SKEW.saturating_mul(2));
		if nonces.len() >= MAX_NONCES {
			nonces.retain(|_, time| *time >= horizon);
		}
		nonces.len() < MAX_NONCES
			&& nonces
				.insert(nonce.to_owned(), now)
				.is_none_or(|t| t < horizon)
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
			Ok(None)
		}
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
	let Some(lease) = open_lease(gateway, id).await? else {
		return Err(forbidden(Refusal::Foreign));
	};
	reconcile::row(shared, &lease).map_err(|error| unreadable(error.to_string()))
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
	let row = row(gateway, id).await?;
	let shared = &gateway.shared;
	let facts = RequestFacts {
		method,
		path,
		digest,
		gateway: shared.operator,
	};
	let now = unix_now();
	let expected = Expected {
		genesis: shared.genesis,
		provider: shared.provider,
		lease: id,
		access: row.access(),
		epoch: 0,
		now,
	};
	access::check(grant, proof, facts, scope, &expected).map_err(forbidden)?;
	if !gateway.nonces.is_new(&proof.nonce, now) {
		return Err(forbidden(Refusal::Replayed));
	}
	Ok(row)
}

/// [`check`] with grant and proof from a request's headers.
pub async fn check_headers(
	gateway: &Gateway,
	id: u64,
	scope: Scope,
	headers: &HeaderMap,
	(method, path, digest): (&str, &str, &str),
) -> Result<LeaseRow, Refused> {
	fn read<T: serde::de::DeserializeOwned>(headers: &HeaderMap, name: &str) -> Option<T> {
		serde_json::from_slice(&hex::decode(headers.get(name)?.as_bytes()).ok()?).ok()
	}
	let grant = read(headers, "leasehold-grant").ok_or_else(|| forbidden(Refusal::Malformed))?;
	let proof = read(headers, "leasehold-proof").ok_or_else(|| forbidden(Refusal::Malformed))?;
	check(gateway, id, scope, &grant, &proof, (method, path, digest)).await
}
