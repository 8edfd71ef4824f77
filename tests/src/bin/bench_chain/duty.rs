//! The provider's heartbeats, as its daemon would send them.

use crate::{
	bench::Bench,
	node::{bytes_of, hex_of},
	signer::{extension, Signer},
};
use anyhow::Context as _;
use codec::{Decode, Encode};
use jsonrpsee::{
	core::client::ClientT,
	rpc_params,
	ws_client::{WsClient, WsClientBuilder},
};
use leasehold_primitives::{heartbeat, ProviderId};
use leasehold_runtime::{Hash, Header, Runtime, Signature, UncheckedExtrinsic};
use serde_json::Value;
use sp_core::{sr25519, Pair};
use std::time::Duration;
use tokio::task::JoinHandle;

/// The one life of the daemon whose place this takes.
const INSTANCE: heartbeat::Instance = [1; 16];

/// Beats until it is dropped.
pub struct Duty(JoinHandle<()>);

impl Drop for Duty {
	fn drop(&mut self) {
		self.0.abort();
	}
}

impl Bench {
	/// Puts the provider on duty.
	pub async fn begin_duty(&mut self, operator: &Signer) -> anyhow::Result<()> {
		let duty = Duty::begin(&self.node.url, self.node.genesis, 0, operator).await?;
		self.duty = Some(duty);
		Ok(())
	}
}

impl Duty {
	/// Begins to beat, over a connection of its own, and comes back once a beat has counted.
	async fn begin(
		url: &str,
		genesis: Hash,
		provider: ProviderId,
		operator: &Signer,
	) -> anyhow::Result<Self> {
		let client = WsClientBuilder::default().build(url).await?;
		let pair = operator.pair.clone();
		let (counted, first) = tokio::sync::oneshot::channel();
		let task = tokio::spawn(async move {
			let mut counted = Some(counted);
			loop {
				// What fails, or is sent twice, is tried again; a provider off duty is seen by what is
				// refused then.
				let _ = beat(&client, genesis, provider, &pair).await;
				tokio::time::sleep(Duration::from_secs(1)).await;
				let stored = stored_beat(&client, provider).await;
				if stored.is_ok_and(|beat| beat.instance == INSTANCE) {
					counted.take().map(|counted| counted.send(()));
				}
			}
		});
		let duty = Self(task);
		tokio::time::timeout(Duration::from_secs(180), first)
			.await
			.context("no heartbeat has counted within three minutes")??;
		Ok(duty)
	}
}

async fn stored(client: &WsClient, key: &[u8]) -> anyhow::Result<Option<Vec<u8>>> {
	let value: Option<Value> = client
		.request("state_getStorage", rpc_params![hex_of(key)])
		.await?;
	value.as_ref().map(bytes_of).transpose()
}

async fn stored_beat(
	client: &WsClient,
	provider: ProviderId,
) -> anyhow::Result<pallet_providers::Heartbeat> {
	let key = pallet_providers::Heartbeats::<Runtime>::hashed_key_for(provider);
	let value = stored(client, &key)
		.await?
		.context("the provider is not registered")?;
	Ok(Decode::decode(&mut &value[..])?)
}

/// Sends a heartbeat if one is due.
async fn beat(
	client: &WsClient,
	genesis: Hash,
	provider: ProviderId,
	pair: &sr25519::Pair,
) -> anyhow::Result<()> {
	let key = pallet_providers::CurrentTerms::<Runtime>::hashed_key();
	let pallet_providers::Terms::V1(terms) = match stored(client, &key).await? {
		Some(bytes) => Decode::decode(&mut &bytes[..])?,
		None => Default::default(),
	};
	let head: Header = client.request("chain_getHeader", rpc_params![]).await?;
	let last = stored_beat(client, provider).await?.last_beat;
	if head.number < last + terms.heartbeat_period {
		return Ok(());
	}
	let payload = heartbeat::payload(&genesis, provider, &INSTANCE, last);
	let call = pallet_providers::Call::<Runtime>::heartbeat {
		provider,
		instance: INSTANCE,
		last_beat: last,
		signature: Signature::Sr25519(pair.sign(&payload)),
	};
	let bytes = UncheckedExtrinsic::new_transaction(call.into(), extension(0)).encode();
	let _: String = client
		.request("author_submitExtrinsic", rpc_params![hex_of(&bytes)])
		.await?;
	Ok(())
}
