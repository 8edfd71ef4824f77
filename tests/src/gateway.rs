//! A provider's gateway, as a program of one's own would use it.

use anyhow::Context as _;
pub use leasehold_client::access::EMPTY;
use leasehold_client::{
	access::{RequestFacts, RequestProof, Session},
	seal::{self, Place},
	tls,
	view::Provider,
	Keypair, H256,
};
use reqwest::{Method, RequestBuilder};
use serde_json::{json, Value};
use sha2::{Digest as _, Sha256};
use std::time::{SystemTime, UNIX_EPOCH};

/// Unix seconds.
pub fn now() -> u64 {
	let now = SystemTime::now().duration_since(UNIX_EPOCH);
	now.unwrap_or_default().as_secs()
}

/// A client that goes by these TLS keys alone.
pub fn client(keys: &[[u8; 32]]) -> anyhow::Result<reqwest::Client> {
	let tls = tls::pinned(keys)?;
	Ok(reqwest::Client::builder()
		.use_preconfigured_tls(tls)
		.build()?)
}

/// The gateway of one lease.
pub struct Gateway<'a> {
	provider: &'a Provider,
	client: reqwest::Client,
	session: Session,
	place: Place,
}

impl<'a> Gateway<'a> {
	pub fn open(
		provider: &'a Provider,
		client: reqwest::Client,
		genesis: H256,
		pair: &Keypair,
		(lease, epoch): (u64, u32),
	) -> anyhow::Result<Self> {
		let session = Session::open(pair, genesis, provider.id, (lease, epoch), now())?;
		Ok(Self {
			provider,
			client,
			session,
			place: Place {
				genesis,
				provider: provider.id,
				lease,
			},
		})
	}

	/// The address of a path.
	pub fn url(&self, path: &str) -> anyhow::Result<String> {
		let url = self.provider.gateways.first().context("no gateway")?;
		Ok(format!("{}{path}", url.trim_end_matches('/')))
	}

	pub fn sign(&self, method: &str, path: &str, digest: &str) -> anyhow::Result<RequestProof> {
		let facts = RequestFacts {
			method,
			path,
			digest,
			gateway: self.provider.operator,
		};
		Ok(self.session.sign(facts, now())?)
	}

	/// A request of this method and path with that proof.
	pub fn request(
		&self,
		method: Method,
		path: &str,
		digest: &str,
		proof: &RequestProof,
	) -> anyhow::Result<RequestBuilder> {
		let header = |value: Value| hex::encode(value.to_string());
		Ok(self
			.client
			.request(method, self.url(path)?)
			.header("leasehold-grant", header(json!(self.session.grant())))
			.header("leasehold-proof", header(json!(proof)))
			.header("leasehold-digest", digest))
	}

	/// Makes a signed call with a body, as it is.
	pub async fn call(&self, method: &str, body: &str) -> anyhow::Result<Value> {
		let proof = self.sign("RPC", method, &hex::encode(Sha256::digest(body)))?;
		let (grant, lease) = (self.session.grant(), self.place.lease);
		let request = json!({
			"jsonrpc": "2.0", "id": 1, "method": method,
			"params": [{ "lease": lease, "grant": grant, "proof": proof, "body": body }],
		});
		let answer = self.client.post(self.url("/rpc")?).json(&request).send();
		Ok(answer.await?.json().await?)
	}

	/// Seals a manifest and hands it in.
	pub async fn submit(&self, manifest: &[u8]) -> anyhow::Result<Value> {
		let key = self.provider.sealing_key.context("no sealing key")?;
		let sealed = seal::seal(&key, self.place, manifest)?;
		self.call("lease_submitManifest", &hex::encode(sealed))
			.await
	}
}
