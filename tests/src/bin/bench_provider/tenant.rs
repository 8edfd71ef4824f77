//! A tenant that leases without the command line, and faster.

use crate::{deploy, File, MODULE};
use anyhow::{ensure, Context as _};
use leasehold_client::{
	keystore,
	signer::{Journal, Signer, Wait},
	view::{OpenLease, Provider, View},
	AccountId32, Call, Chain, Keypair, OrderRequest, Selection, H256,
};
use leasehold_manifest::Manifest;
use leasehold_tests::{
	devnet::Devnet,
	gateway::{self, Gateway},
};
use reqwest::Method;
use serde_json::Value;

/// Sleeps for an hour.
const SLEEPER: &str = r#"(module
	(import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
	(memory (export "memory") 1)
	(func (export "_start")
		(i32.store (i32.const 216) (i32.const 1))
		(i64.store (i32.const 224) (i64.const 3600000000000))
		(drop (call $poll (i32.const 200) (i32.const 320) (i32.const 1) (i32.const 400)))))"#;

/// A tenant that deploys the same again and again.
pub struct Tenant {
	pair: Keypair,
	genesis: H256,
	provider: Provider,
	client: reqwest::Client,
	signer: Signer,
	pub chain: Chain,
	module: Vec<u8>,
}

impl Tenant {
	/// Deploys once by the command line; what it asked for, and of what manifest, to be leased again.
	pub async fn of(devnet: &Devnet, kind: &str) -> anyhow::Result<(Self, OrderRequest, Manifest)> {
		let file = File {
			image: MODULE,
			more: "",
			kind,
			unit: (10, 16),
		};
		let module = wat::parse_str(SLEEPER)?;
		let path = file.write(devnet, &module)?;
		let first = deploy(devnet, &path, &[])?;
		let deployments = devnet.folder().join("tenant/deployments");
		let kept = std::fs::read_dir(deployments)?
			.next()
			.context("no file")??;
		let kept: Value = serde_json::from_slice(&std::fs::read(kept.path())?)?;
		let manifest = hex::decode(kept["manifest"].as_str().unwrap_or_default())?;
		let manifest = Manifest::open(&manifest)?;

		let chain = Chain::connect(&devnet.node(), None).await?;
		let connection = chain.connection().await?;
		let view = connection.best().await?;
		let pair = keystore::from_uri("//Tenant")?;
		let (_, leases) = view.open_items(&keystore::account(&pair)).await?;
		let like = leases.into_iter().find(|one| first["lease"] == one.id);
		let like = like.context("the first lease is not open")?;
		let provider = view.provider(like.provider).await?.context("no provider")?;
		let mut request = OrderRequest {
			access: None,
			manifest_hash: [0; 32],
			kind: like.kind,
			resources: like.taken.clone(),
			attributes: Vec::new(),
			any_of: Vec::new(),
			all_of: Vec::new(),
			max_rate: like.rate,
			min_score: 0,
			max_duration: 86_400,
			notice: 0,
			selection: Selection::Offer {
				provider: like.provider,
				version: 0,
			},
			deposit: like.held.saturating_add(like.paid),
		};
		let candidates = view.candidates(&keystore::account(&pair), &request).await?;
		let ours = candidates.iter().find(|one| one.provider == like.provider);
		let offer = ours.and_then(|ours| ours.offer);
		let (version, rate) = offer.context("the provider has no offer")?;
		request.max_rate = rate;
		request.selection = Selection::Offer {
			provider: like.provider,
			version,
		};
		let journal = Journal::open(&devnet.folder().join("crowd"))?;
		let signer = Signer::start(chain.clone(), pair.clone(), journal, chain.follow());
		let tenant = Self {
			pair,
			genesis: connection.genesis,
			client: gateway::client(&provider.tls_keys)?,
			provider,
			signer,
			chain,
			module,
		};
		Ok((tenant, request, manifest))
	}

	pub fn account(&self) -> AccountId32 {
		keystore::account(&self.pair)
	}

	/// Hands a manifest and its module in.
	pub async fn hand_in(&self, lease: &OpenLease, bytes: &[u8]) -> anyhow::Result<()> {
		let place = (lease.id, lease.epoch);
		let client = self.client.clone();
		let gateway = Gateway::open(&self.provider, client, self.genesis, &self.pair, place)?;
		let answer = gateway.submit(bytes).await?;
		ensure!(answer["error"].is_null(), "lease {}: {answer}", lease.id);
		let manifest = Manifest::open(bytes)?;
		let (_, entry) = manifest.files().next().context("no module")?;
		let path = format!("/v1/leases/{}/files/module/{}", lease.id, entry.path);
		let digest = hex::encode(entry.sha256);
		let proof = gateway.sign("PUT", &path, &digest)?;
		let answer = gateway
			.request(Method::PUT, &path, &digest, &proof)?
			.body(self.module.clone())
			.send()
			.await?;
		ensure!(
			answer.status().is_success(),
			"lease {}: {}",
			lease.id,
			answer.text().await?
		);
		Ok(())
	}

	/// Leases once more what was leased before, with a manifest of its own: its order.
	pub async fn lease(
		&self,
		like: &OrderRequest,
		manifest: &Manifest,
	) -> anyhow::Result<(u64, Vec<u8>)> {
		let bytes = manifest.seal()?;
		let order = OrderRequest {
			manifest_hash: Manifest::hash(&bytes),
			..like.clone()
		};
		let call = Call::PlaceOrder(Box::new(order));
		let receipt = self.signer.submit(call, Wait::Best).await?;
		let connection = self.chain.connection().await?;
		let view = View::from(connection.at(receipt.block.1).await?);
		let order = view.order_placed(&receipt).await?;
		Ok((order.context("no order")?, bytes))
	}
}
