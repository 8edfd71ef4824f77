//! The node that is measured.

use crate::calls;
use anyhow::{bail, ensure, Context as _};
use codec::{Compact, Decode, Encode};
use frame_system::{EventRecord, Phase};
use jsonrpsee::{
	core::{client::ClientT, params::BatchRequestBuilder},
	rpc_params,
	ws_client::{WsClient, WsClientBuilder},
};
use leasehold_primitives::Balance;
use leasehold_runtime::{AccountId, Hash, Header, RuntimeEvent};
use leasehold_tests::devnet::program;
use serde_json::{json, Value};
use sp_core::crypto::Ss58Codec;
use std::{
	cell::Cell,
	collections::HashSet,
	path::Path,
	process::{Child, Command, Stdio},
	time::{Duration, Instant},
};

/// How many transactions wait in the node's pool at most: two full blocks of transfers. The node validates
/// all that wait again with each block, before anything new.
const PENDING: usize = 8_000;

/// A block as it stands in the chain.
pub struct Block {
	pub number: u32,
	pub hash: Hash,
	pub parent: Hash,
	/// SCALE, without the seal.
	pub bytes: Vec<u8>,
	pub transactions: Vec<Vec<u8>>,
}

pub struct Node {
	child: Child,
	pub client: WsClient,
	pub url: String,
	pub genesis: Hash,
	_folder: tempfile::TempDir,
}

impl Drop for Node {
	fn drop(&mut self) {
		let _ = self.child.kill();
		let _ = self.child.wait();
	}
}

pub fn hex_of(bytes: &[u8]) -> String {
	format!("0x{}", hex::encode(bytes))
}

pub fn bytes_of(value: &Value) -> anyhow::Result<Vec<u8>> {
	let text = value.as_str().context("not a string")?;
	Ok(hex::decode(text.trim_start_matches("0x"))?)
}

pub fn hash_of(value: &Value) -> anyhow::Result<Hash> {
	let bytes = bytes_of(value)?;
	ensure!(bytes.len() == 32, "not a hash");
	Ok(Hash::from_slice(&bytes))
}

impl Node {
	pub async fn start(
		funded: &[(AccountId, Balance)],
		admin: &AccountId,
		slot_millis: u64,
	) -> anyhow::Result<Self> {
		let folder = tempfile::tempdir()?;
		let spec = folder.path().join("chain.json");
		specification(&spec, funded, admin, slot_millis)?;
		let port = std::net::TcpListener::bind("127.0.0.1:0")?
			.local_addr()?
			.port();
		let log = std::fs::File::create(folder.path().join("node.log"))?;
		let child = Command::new(program("leasehold-node")?)
			.arg("--chain")
			.arg(&spec)
			.arg("--base-path")
			.arg(folder.path().join("data"))
			.args([
				"--alice",
				"--validator",
				"--force-authoring",
				"--no-telemetry",
			])
			.args([
				"--no-prometheus",
				"--no-mdns",
				"--unsafe-force-node-key-generation",
			])
			.args([
				"--listen-addr",
				"/ip4/127.0.0.1/tcp/0",
				"--rpc-methods",
				"unsafe",
			])
			.args([
				"--rpc-port",
				&port.to_string(),
				"--state-pruning",
				"archive",
			])
			.args(["--pool-limit", "60000", "--pool-kbytes", "200000"])
			.args([
				"--rpc-max-request-size",
				"200",
				"--rpc-max-response-size",
				"200",
			])
			.stdin(Stdio::null())
			.stdout(Stdio::null())
			.stderr(log)
			.spawn()?;
		let url = format!("ws://127.0.0.1:{port}");
		let begun = Instant::now();
		let client = loop {
			let client = WsClientBuilder::default()
				.max_request_size(200 << 20)
				.max_response_size(200 << 20)
				.request_timeout(Duration::from_secs(120))
				.build(&url)
				.await;
			match client {
				Ok(client) => break client,
				Err(error) if begun.elapsed() > Duration::from_secs(60) => return Err(error.into()),
				Err(_) => tokio::time::sleep(Duration::from_millis(200)).await,
			}
		};
		let genesis: Value = client.request("chain_getBlockHash", rpc_params![0]).await?;
		Ok(Self {
			child,
			client,
			url,
			genesis: hash_of(&genesis)?,
			_folder: folder,
		})
	}

	pub async fn head(&self) -> anyhow::Result<u32> {
		let header: Header = self
			.client
			.request("chain_getHeader", rpc_params![])
			.await?;
		Ok(header.number)
	}

	pub async fn finalized(&self) -> anyhow::Result<u32> {
		let hash: Value = self
			.client
			.request("chain_getFinalizedHead", rpc_params![])
			.await?;
		let header: Header = self
			.client
			.request("chain_getHeader", rpc_params![hash])
			.await?;
		Ok(header.number)
	}

	pub async fn hash(&self, number: u32) -> anyhow::Result<Hash> {
		let hash: Value = self
			.client
			.request("chain_getBlockHash", rpc_params![number])
			.await?;
		hash_of(&hash)
	}

	pub async fn block(&self, number: u32) -> anyhow::Result<Block> {
		let hash = self.hash(number).await?;
		let got: Value = self
			.client
			.request("chain_getBlock", rpc_params![hex_of(hash.as_bytes())])
			.await?;
		let mut header: Header = serde_json::from_value(got["block"]["header"].clone())?;
		// The seal is put on after the block's execution.
		header.digest.pop();
		let transactions: Vec<Vec<u8>> = got["block"]["extrinsics"]
			.as_array()
			.context("a block without transactions")?
			.iter()
			.map(bytes_of)
			.collect::<Result<_, _>>()?;
		let mut bytes = header.encode();
		Compact(u32::try_from(transactions.len())?).encode_to(&mut bytes);
		bytes.extend(transactions.iter().flatten());
		Ok(Block {
			number,
			hash,
			parent: header.parent_hash,
			bytes,
			transactions,
		})
	}

	/// The blocks with the most transactions between two numbers.
	pub async fn fullest(
		&self,
		(first, last): (u32, u32),
		most: usize,
	) -> anyhow::Result<Vec<Block>> {
		let mut blocks = Vec::new();
		for number in first..=last {
			blocks.push(self.block(number).await?);
		}
		blocks.sort_by_key(|block| std::cmp::Reverse(block.transactions.len()));
		blocks.truncate(most);
		Ok(blocks)
	}

	/// Seconds that executing the block once more takes: the least of some times.
	pub async fn execution(&self, block: &Block, times: u32) -> anyhow::Result<f64> {
		let bytes = hex_of(&block.bytes);
		let mut least = f64::MAX;
		for _ in 0..times {
			let begun = Instant::now();
			let _: String = self
				.client
				.request(
					"state_call",
					rpc_params![
						"Core_execute_block",
						&bytes,
						hex_of(block.parent.as_bytes())
					],
				)
				.await
				.with_context(|| format!("block {}", block.number))?;
			least = least.min(begun.elapsed().as_secs_f64());
		}
		Ok(least)
	}

	/// A value of the state as it stood after a block.
	pub async fn storage(&self, key: &[u8], at: Hash) -> anyhow::Result<Vec<u8>> {
		let value: Value = self
			.client
			.request(
				"state_getStorage",
				rpc_params![hex_of(key), hex_of(at.as_bytes())],
			)
			.await?;
		bytes_of(&value)
	}

	/// The moment of a block, in seconds.
	pub async fn moment(&self, at: Hash) -> anyhow::Result<f64> {
		let key = frame_support::storage::storage_prefix(b"Timestamp", b"Now");
		let millis = u64::decode(&mut &self.storage(&key, at).await?[..])?;
		Ok(millis as f64 / 1e3)
	}

	async fn records(&self, block: &Block) -> anyhow::Result<Vec<EventRecord<RuntimeEvent, Hash>>> {
		let key = frame_support::storage::storage_prefix(b"System", b"Events");
		Ok(Decode::decode(
			&mut &self.storage(&key, block.hash).await?[..],
		)?)
	}

	pub async fn events(&self, block: &Block) -> anyhow::Result<Vec<RuntimeEvent>> {
		let records = self.records(block).await?.into_iter();
		Ok(records.map(|record| record.event).collect())
	}

	/// Sends transactions and waits until all are in blocks, done and not refused: the numbers of the first
	/// and last block that may hold them.
	pub async fn include(&self, transactions: &[Vec<u8>]) -> anyhow::Result<(u32, u32)> {
		self.include_all(&[transactions]).await
	}

	async fn send(&self, transactions: &[Vec<u8>], pending: &Cell<usize>) -> anyhow::Result<()> {
		for part in transactions.chunks(200) {
			while pending.get() + part.len() > PENDING {
				tokio::time::sleep(Duration::from_millis(50)).await;
			}
			pending.set(pending.get() + part.len());
			let mut batch = BatchRequestBuilder::new();
			for transaction in part {
				batch.insert("author_submitExtrinsic", rpc_params![hex_of(transaction)])?;
			}
			let answers = self.client.batch_request::<String>(batch).await?;
			for answer in answers.iter() {
				if let Err(error) = answer {
					bail!("a transaction was refused: {error}");
				}
			}
		}
		Ok(())
	}

	/// As [`Self::include`], with several lots at a time: all of one sender's must be in one.
	pub async fn include_all(&self, lots: &[&[Vec<u8>]]) -> anyhow::Result<(u32, u32)> {
		let first = self.head().await? + 1;
		let pending = Cell::new(0);
		let sent = futures::future::try_join_all(lots.iter().map(|lot| self.send(lot, &pending)));
		let included = self.included(first, lots.concat(), &pending);
		let (_, last) = futures::future::try_join(sent, included).await?;
		Ok((first, last))
	}

	/// Waits until all are in blocks, and says which is the last.
	async fn included(
		&self,
		first: u32,
		transactions: Vec<Vec<u8>>,
		pending: &Cell<usize>,
	) -> anyhow::Result<u32> {
		let begun = Instant::now();
		let mut wanted: HashSet<&[u8]> = transactions.iter().map(Vec::as_slice).collect();
		let mut next = first;
		while !wanted.is_empty() {
			ensure!(
				begun.elapsed() < Duration::from_secs(900),
				"{} of {} transactions are in no block",
				wanted.len(),
				transactions.len()
			);
			if next > self.head().await? {
				tokio::time::sleep(Duration::from_millis(200)).await;
				continue;
			}
			let block = self.block(next).await?;
			let ours = |transaction: &Vec<u8>| wanted.remove(transaction.as_slice());
			let ours: Vec<bool> = block.transactions.iter().map(ours).collect();
			let count = ours.iter().filter(|ours| **ours).count();
			pending.set(pending.get().saturating_sub(count));
			for record in self.records(&block).await? {
				if let (
					Phase::ApplyExtrinsic(at),
					RuntimeEvent::System(frame_system::Event::ExtrinsicFailed {
						dispatch_error,
						..
					}),
				) = (record.phase, record.event)
				{
					let is_ours = ours.get(at as usize).is_some_and(|ours| *ours);
					ensure!(
						!is_ours,
						"a call failed in block {next}: {dispatch_error:?}"
					);
				}
			}
			next += 1;
		}
		Ok(next - 1)
	}

	/// How many keys begin with this; a thousand at most.
	pub async fn keys(&self, prefix: &[u8]) -> anyhow::Result<usize> {
		let parameters = rpc_params![hex_of(prefix), 1_000];
		let keys: Vec<String> = self
			.client
			.request("state_getKeysPaged", parameters)
			.await?;
		Ok(keys.len())
	}

	/// Bytes that the market, the escrow and the agenda keep, keys included.
	pub async fn state_bytes(&self) -> anyhow::Result<usize> {
		let mut sum = 0;
		for pallet in [&b"Market"[..], b"Escrow", b"Agenda"] {
			let prefix = hex_of(&sp_io::hashing::twox_128(pallet));
			let pairs: Vec<(String, String)> = self
				.client
				.request("state_getPairs", rpc_params![prefix])
				.await?;
			sum += pairs
				.iter()
				.map(|(k, v)| (k.len() + v.len() - 4) / 2)
				.sum::<usize>();
		}
		Ok(sum)
	}

	pub async fn pass(&self, blocks: u32) -> anyhow::Result<u32> {
		let until = self.head().await? + blocks;
		while self.head().await? < until {
			tokio::time::sleep(Duration::from_millis(200)).await;
		}
		Ok(until)
	}
}

/// A development chain with short deadlines, in which all of `funded` have money.
fn specification(
	path: &Path,
	funded: &[(AccountId, Balance)],
	admin: &AccountId,
	slot_millis: u64,
) -> anyhow::Result<()> {
	let output = Command::new(program("leasehold-node")?)
		.args(["export-chain-spec", "--chain", "dev"])
		.output()?;
	let mut spec: Value = serde_json::from_slice(&output.stdout)?;
	let patch = spec
		.pointer_mut("/genesis/runtimeGenesis/patch")
		.context("the chain specification has another shape than expected")?;
	let balances = patch
		.pointer_mut("/balances/balances")
		.and_then(Value::as_array_mut)
		.context("the chain specification has no balances")?;
	for (who, amount) in funded {
		balances.push(json!([who.to_ss58check(), u64::try_from(*amount)?]));
	}
	patch["sudo"] = json!({ "key": admin.to_ss58check() });
	patch["slots"] = json!({ "slotMillis": slot_millis });
	patch["providers"] = json!({ "terms": { "maxDowntime": calls::DOWNTIME } });
	patch["market"] = json!({ "terms": calls::terms(calls::START, calls::RETAINED) });
	patch["escrow"]["terms"] = json!({ "suspensionPeriod": 10, "minFundedBlocks": 10 });
	std::fs::write(path, serde_json::to_vec(&spec)?)?;
	Ok(())
}
