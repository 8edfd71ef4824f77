//! Measures the chain on one node of its own: see `scripts/bench-chain`.
//!
//! What a call costs is the time that a node takes to execute full blocks of it again
//! (`Core_execute_block` on the state before the block), less that of an empty block, by the number of
//! calls. Every ratio is against transfers in the same run on the same node.

use anyhow::{bail, ensure, Context as _};
use clap::Parser;
use codec::{Compact, Decode, Encode};
use frame_support::dispatch::GetDispatchInfo;
use jsonrpsee::{
	core::{client::ClientT, params::BatchRequestBuilder},
	rpc_params,
	ws_client::{WsClient, WsClientBuilder},
};
use leasehold_primitives::{Balance, PriceSheet, PriceSheetV1, Resources, Score, WorkloadKind};
use leasehold_runtime::{
	weights::overhead::EXTRINSIC_BASE, AccountId, Hash, Header, Runtime, RuntimeCall, RuntimeEvent,
	Signature, SignedPayload, TxExtension, UncheckedExtrinsic, LEASE, VERSION,
};
use leasehold_tests::devnet::program;
use pallet_market::{Asset, Order, OrderV1, Quantity, Selection};
use serde_json::{json, Value};
use sp_core::{crypto::Ss58Codec, sr25519, Pair};
use sp_runtime::{generic::Era, traits::TransactionExtension, MultiAddress};
use std::{
	collections::{HashMap, HashSet},
	path::{Path, PathBuf},
	process::{Child, Command, ExitCode, Stdio},
	time::{Duration, Instant},
};

/// Measures calls, states of many leases, and how many transfers the chain finalizes.
#[derive(Parser)]
struct Arguments {
	/// Few of everything: an answer in five minutes.
	#[arg(long)]
	quick: bool,
	/// Where the table goes.
	#[arg(long, default_value = "bench-out")]
	out: PathBuf,
}

/// A line of the result.
struct Figure {
	figure: String,
	value: f64,
	unit: &'static str,
	baseline: Option<f64>,
	goal: Option<f64>,
	/// Whether more is better.
	rising: bool,
}

impl Figure {
	fn ratio(&self) -> Option<f64> {
		self.baseline.map(|baseline| self.value / baseline)
	}

	fn met(&self) -> Option<bool> {
		let measure = self.ratio().unwrap_or(self.value);
		self.goal.map(|goal| match self.rising {
			true => measure >= goal,
			false => measure <= goal,
		})
	}

	fn json(&self) -> Value {
		json!({
			"figure": self.figure, "value": self.value, "unit": self.unit, "baseline": self.baseline,
			"ratio": self.ratio(), "goal": self.goal, "met": self.met(),
		})
	}
}

fn say(text: impl AsRef<str>) {
	println!("-- {}", text.as_ref());
}

fn key(name: &str, n: usize) -> sr25519::Pair {
	let mut seed = [0u8; 32];
	let text = format!("bench {name} {n}");
	seed[..text.len()].copy_from_slice(text.as_bytes());
	sr25519::Pair::from_seed(&seed)
}

fn account(pair: &sr25519::Pair) -> AccountId {
	pair.public().into()
}

fn extension(nonce: u32) -> TxExtension {
	(
		frame_system::AuthorizeCall::new(),
		frame_system::CheckNonZeroSender::new(),
		frame_system::CheckSpecVersion::new(),
		frame_system::CheckTxVersion::new(),
		frame_system::CheckGenesis::new(),
		frame_system::CheckEra::from(Era::Immortal),
		frame_system::CheckNonce::from(nonce),
		frame_system::CheckWeight::new(),
		pallet_transaction_payment::ChargeTransactionPayment::<Runtime>::from(0),
		frame_metadata_hash_extension::CheckMetadataHash::new(false),
		frame_system::WeightReclaim::new(),
	)
}

/// Somebody who signs, and the nonce that comes next.
struct Signer {
	pair: sr25519::Pair,
	nonce: u32,
}

impl Signer {
	fn new(name: &str, n: usize) -> Self {
		Self {
			pair: key(name, n),
			nonce: 0,
		}
	}

	fn account(&self) -> AccountId {
		account(&self.pair)
	}

	fn sign(&mut self, call: impl Into<RuntimeCall>, genesis: Hash) -> Vec<u8> {
		let extension = extension(self.nonce);
		self.nonce += 1;
		let implicit = (
			(),
			(),
			VERSION.spec_version,
			VERSION.transaction_version,
			genesis,
			genesis,
			(),
			(),
			(),
			None,
			(),
		);
		let call = call.into();
		let payload = SignedPayload::from_raw(call.clone(), extension.clone(), implicit);
		let signature = Signature::Sr25519(payload.using_encoded(|bytes| self.pair.sign(bytes)));
		let address = MultiAddress::Id(self.account());
		UncheckedExtrinsic::new_signed(call, address, signature, extension).encode()
	}
}

/// A block as it stands in the chain.
struct Block {
	number: u32,
	hash: Hash,
	parent: Hash,
	/// SCALE, without the seal.
	bytes: Vec<u8>,
	transactions: Vec<Vec<u8>>,
}

struct Node {
	child: Child,
	client: WsClient,
	genesis: Hash,
	_folder: tempfile::TempDir,
}

impl Drop for Node {
	fn drop(&mut self) {
		let _ = self.child.kill();
		let _ = self.child.wait();
	}
}

fn hex_of(bytes: &[u8]) -> String {
	format!("0x{}", hex::encode(bytes))
}

fn bytes_of(value: &Value) -> anyhow::Result<Vec<u8>> {
	let text = value.as_str().context("not a string")?;
	Ok(hex::decode(text.trim_start_matches("0x"))?)
}

fn hash_of(value: &Value) -> anyhow::Result<Hash> {
	let bytes = bytes_of(value)?;
	ensure!(bytes.len() == 32, "not a hash");
	Ok(Hash::from_slice(&bytes))
}

impl Node {
	async fn start(funded: &[(AccountId, Balance)]) -> anyhow::Result<Self> {
		let folder = tempfile::tempdir()?;
		let spec = folder.path().join("chain.json");
		specification(&spec, funded)?;
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
		let begun = Instant::now();
		let client = loop {
			let client = WsClientBuilder::default()
				.max_request_size(200 << 20)
				.max_response_size(200 << 20)
				.request_timeout(Duration::from_secs(120))
				.build(format!("ws://127.0.0.1:{port}"))
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
			genesis: hash_of(&genesis)?,
			_folder: folder,
		})
	}

	async fn head(&self) -> anyhow::Result<u32> {
		let header: Header = self
			.client
			.request("chain_getHeader", rpc_params![])
			.await?;
		Ok(header.number)
	}

	async fn finalized(&self) -> anyhow::Result<u32> {
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

	async fn hash(&self, number: u32) -> anyhow::Result<Hash> {
		let hash: Value = self
			.client
			.request("chain_getBlockHash", rpc_params![number])
			.await?;
		hash_of(&hash)
	}

	async fn block(&self, number: u32) -> anyhow::Result<Block> {
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

	/// Seconds that executing the block once more takes: the least of some times.
	async fn execution(&self, block: &Block, times: u32) -> anyhow::Result<f64> {
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

	async fn events(&self, block: &Block) -> anyhow::Result<Vec<RuntimeEvent>> {
		let key = frame_support::storage::storage_prefix(b"System", b"Events");
		let value: Value = self
			.client
			.request(
				"state_getStorage",
				rpc_params![hex_of(&key), hex_of(block.hash.as_bytes())],
			)
			.await?;
		let records = Vec::<frame_system::EventRecord<RuntimeEvent, Hash>>::decode(
			&mut &bytes_of(&value)?[..],
		)?;
		Ok(records.into_iter().map(|record| record.event).collect())
	}

	/// Sends transactions and waits until all are in blocks: the numbers of the first and last block
	/// that may hold them.
	async fn include(&self, transactions: &[Vec<u8>]) -> anyhow::Result<(u32, u32)> {
		let first = self.head().await? + 1;
		for part in transactions.chunks(500) {
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
			for transaction in &self.block(next).await?.transactions {
				wanted.remove(transaction.as_slice());
			}
			next += 1;
		}
		Ok((first, next - 1))
	}

	/// Bytes that the market, the escrow and the agenda keep, keys included.
	async fn state_bytes(&self) -> anyhow::Result<usize> {
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

	async fn pass(&self, blocks: u32) -> anyhow::Result<u32> {
		let until = self.head().await? + blocks;
		while self.head().await? < until {
			tokio::time::sleep(Duration::from_millis(200)).await;
		}
		Ok(until)
	}
}

/// A development chain with short deadlines, in which all of `funded` have money.
fn specification(path: &Path, funded: &[(AccountId, Balance)]) -> anyhow::Result<()> {
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
	patch["providers"] = json!({ "terms": { "maxDowntime": 100_000 } });
	patch["market"] =
		json!({ "terms": { "maxOpenBids": 100_000, "startDeadline": 2_000, "lowFunds": 5 } });
	patch["escrow"]["terms"] = json!({ "suspensionPeriod": 10, "minFundedBlocks": 10 });
	std::fs::write(path, serde_json::to_vec(&spec)?)?;
	Ok(())
}

fn resources(share: u32) -> Resources {
	Resources {
		cpu: 100 * share,
		memory: 128 * share,
		ephemeral: 100 * share,
		unit_cpu: 100,
		unit_memory: 128,
		..Default::default()
	}
}

const RATE: Balance = 1_000_000;

fn order(manifest: u64, selection: Selection, bidding: u32) -> Order<AccountId> {
	let mut manifest_hash = [0; 32];
	manifest_hash[..8].copy_from_slice(&manifest.to_be_bytes());
	Order::V1(OrderV1 {
		access: None,
		manifest_hash,
		kind: WorkloadKind::Job,
		resources: resources(1),
		attributes: Default::default(),
		attestors: Default::default(),
		max_rate: RATE,
		asset: Asset::Native,
		quantity: Quantity::ONE,
		min_score: Score::zero(),
		allowed: Default::default(),
		max_duration: 1_000_000,
		notice: 0,
		selection,
		bidding,
		deposit: 10_000 * RATE,
	})
}

/// The measured kinds of transactions, with their blocks.
struct Measured {
	seconds: f64,
	/// Declared, in picoseconds: before the call, and what the chain kept of it.
	declared: f64,
	kept: f64,
}

struct Bench {
	node: Node,
	quick: bool,
	empty: f64,
	measured: Vec<(String, Measured)>,
	figures: Vec<Figure>,
}

impl Bench {
	fn times(&self) -> u32 {
		if self.quick {
			3
		} else {
			7
		}
	}

	/// Executes the fullest blocks between two numbers again.
	async fn measure(
		&mut self,
		name: &str,
		(first, last): (u32, u32),
		call: &RuntimeCall,
	) -> anyhow::Result<()> {
		let mut blocks = Vec::new();
		for number in first..=last {
			blocks.push(self.node.block(number).await?);
		}
		blocks.sort_by_key(|block| std::cmp::Reverse(block.transactions.len()));
		blocks.truncate(if self.quick { 2 } else { 5 });
		let (mut seconds, mut count, mut kept, mut charged) = (0.0, 0usize, 0.0, 0usize);
		for block in &blocks {
			seconds += self.node.execution(block, self.times()).await? - self.empty;
			// One is the timestamp.
			count += block.transactions.len() - 1;
			for event in self.node.events(block).await? {
				match event {
					RuntimeEvent::System(frame_system::Event::ExtrinsicSuccess {
						dispatch_info,
					}) if dispatch_info.class == frame_support::dispatch::DispatchClass::Normal => {
						kept += dispatch_info.weight.ref_time() as f64;
						charged += 1;
					}
					RuntimeEvent::System(frame_system::Event::ExtrinsicFailed {
						dispatch_error,
						..
					}) => {
						bail!("{name}: a call failed: {dispatch_error:?}");
					}
					_ => {}
				}
			}
		}
		ensure!(count > 0 && charged > 0, "{name}: no blocks");
		let base = EXTRINSIC_BASE.ref_time() as f64;
		let mut declared = call.get_dispatch_info();
		declared.extension_weight = extension(0).weight(call);
		self.measured.push((
			name.to_owned(),
			Measured {
				seconds: seconds / count as f64,
				declared: declared.total_weight().ref_time() as f64 + base,
				// With its base.
				kept: kept / charged as f64,
			},
		));
		say(format!("{name}: {:.0} µs", seconds / count as f64 * 1e6));
		Ok(())
	}

	/// Whose order is which.
	async fn placed(&self, (first, last): (u32, u32)) -> anyhow::Result<HashMap<u64, AccountId>> {
		let mut placed = HashMap::new();
		for number in first..=last {
			let block = self.node.block(number).await?;
			for event in self.node.events(&block).await? {
				if let RuntimeEvent::Market(pallet_market::Event::OrderPlaced {
					order,
					tenant,
					..
				}) = event
				{
					placed.insert(order, tenant);
				}
			}
		}
		Ok(placed)
	}

	/// Signs one call each, includes them and measures them.
	async fn kind<C: Into<RuntimeCall> + Clone>(
		&mut self,
		name: &str,
		calls: Vec<(&mut Signer, C)>,
	) -> anyhow::Result<(u32, u32)> {
		let genesis = self.node.genesis;
		let first: RuntimeCall = calls.first().context("no calls")?.1.clone().into();
		let signed: Vec<_> = calls
			.into_iter()
			.map(|(signer, call)| signer.sign(call, genesis))
			.collect();
		let blocks = self.node.include(&signed).await?;
		self.measure(name, blocks, &first).await?;
		Ok(blocks)
	}

	fn cost(&self, name: &str) -> f64 {
		self.measured
			.iter()
			.find(|(other, _)| other == name)
			.map_or(f64::NAN, |(_, measured)| measured.seconds)
	}
}

/// What a call may cost at most, in transfers.
const GOALS: &[(&str, f64)] = &[
	("place an order", 2.0),
	("bid", 2.0),
	("start a lease", 2.0),
	("settle", 2.0),
	("deposit", 2.0),
	("withdraw", 2.0),
	("close a lease", 3.0),
	("complete a job", 3.0),
	("instant lease", 2.0),
];

async fn run(arguments: &Arguments) -> anyhow::Result<Vec<Figure>> {
	let many = if arguments.quick { 1_200 } else { 4_000 };
	let mut tenants: Vec<Signer> = (0..many).map(|n| Signer::new("tenant", n)).collect();
	let mut owner = Signer::new("owner", 0);
	let mut operator = Signer::new("operator", 0);
	let funded: Vec<_> = tenants
		.iter()
		.chain([&operator])
		.map(|who| (who.account(), 1_000 * LEASE))
		.chain([(owner.account(), 1_000_000 * LEASE)])
		.collect();
	say("starting a node");
	let node = Node::start(&funded).await?;
	node.pass(3).await?;
	let mut bench = Bench {
		node,
		quick: arguments.quick,
		empty: 0.0,
		measured: Vec::new(),
		figures: Vec::new(),
	};
	bench.empty = bench.empty_blocks(5).await?;
	say(format!("an empty block: {:.0} µs", bench.empty * 1e6));

	transfers(&mut bench, &mut tenants).await?;
	provider(&mut bench, &mut owner, &mut operator).await?;
	life(&mut bench, &mut tenants, &mut operator).await?;
	instant(&mut bench, &mut tenants).await?;
	bench.report();
	growth(&mut bench, &mut tenants).await?;
	Ok(bench.figures)
}

impl Bench {
	/// Seconds that an empty block takes: the median of the next `count` blocks.
	async fn empty_blocks(&self, count: u32) -> anyhow::Result<f64> {
		let last = self.node.pass(count).await?;
		let mut all = Vec::new();
		for number in last + 1 - count..=last {
			let block = self.node.block(number).await?;
			for _ in 0..self.times() {
				all.push(self.node.execution(&block, 1).await?);
			}
		}
		Ok(median(all))
	}

	fn report(&mut self) {
		let transfer = self.cost("transfer");
		let declared = |measured: &Measured| (measured.declared, measured.kept);
		let base = self
			.measured
			.iter()
			.find(|(name, _)| name == "transfer")
			.map(|(_, measured)| declared(measured));
		for (name, measured) in &self.measured {
			let goal = GOALS
				.iter()
				.find(|(other, _)| other == name)
				.map(|(_, goal)| *goal);
			self.figures.push(Figure {
				figure: format!("{name}: execution"),
				value: measured.seconds * 1e6,
				unit: "µs",
				baseline: Some(transfer * 1e6),
				goal,
				rising: false,
			});
			if let Some((before, kept)) = base {
				for (what, value, baseline) in [
					("weight up front", measured.declared, before),
					("weight kept", measured.kept, kept),
				] {
					self.figures.push(Figure {
						figure: format!("{name}: {what}"),
						value: value / 1e6,
						unit: "µs",
						baseline: Some(baseline / 1e6),
						goal: None,
						rising: false,
					});
				}
			}
			self.figures.push(Figure {
				figure: format!("{name}: execution against its weight"),
				value: measured.seconds * 1e6,
				unit: "µs",
				baseline: Some(measured.kept / 1e6),
				goal: Some(1.0),
				rising: false,
			});
		}
		let way = ["place an order", "bid", "clear an order"];
		self.figures.push(Figure {
			figure: "order, one bid and clearing: execution".into(),
			value: way.iter().map(|name| self.cost(name)).sum::<f64>() * 1e6,
			unit: "µs",
			baseline: Some(transfer * 1e6),
			goal: Some(4.0),
			rising: false,
		});
	}
}

fn median(mut all: Vec<f64>) -> f64 {
	all.sort_by(f64::total_cmp);
	all.get(all.len() / 2).copied().unwrap_or(f64::NAN)
}

async fn transfers(bench: &mut Bench, tenants: &mut [Signer]) -> anyhow::Result<()> {
	let to: Vec<_> = tenants.iter().map(Signer::account).rev().collect();
	let calls = |tenants: &mut [Signer], genesis, rounds: usize| {
		let mut signed = Vec::new();
		for _ in 0..rounds {
			for (who, dest) in tenants.iter_mut().zip(&to) {
				let call = transfer(dest);
				signed.push(who.sign(call, genesis));
			}
		}
		signed
	};
	let rounds = if bench.quick { 5 } else { 10 };
	let signed = calls(tenants, bench.node.genesis, rounds);
	let begun = Instant::now();
	let (first, last) = bench.node.include(&signed).await?;
	while bench.node.finalized().await? < last {
		tokio::time::sleep(Duration::from_millis(100)).await;
	}
	let seconds = begun.elapsed().as_secs_f64();
	let mut fullest = 0;
	for number in first..=last {
		fullest = fullest.max(bench.node.block(number).await?.transactions.len() - 1);
	}
	let call: RuntimeCall = transfer(&to[0]).into();
	bench.measure("transfer", (first, last), &call).await?;
	bench.figures.push(Figure {
		figure: "transfers finalized, from the first submission on".into(),
		value: signed.len() as f64 / seconds,
		unit: "1/s",
		baseline: None,
		goal: None,
		rising: true,
	});
	bench.figures.push(Figure {
		figure: "transfers in the fullest block, a second of its slot".into(),
		value: fullest as f64 / 3.0,
		unit: "1/s",
		baseline: None,
		goal: Some(1_500.0),
		rising: true,
	});
	Ok(())
}

fn transfer(dest: &AccountId) -> pallet_balances::Call<Runtime> {
	pallet_balances::Call::transfer_keep_alive {
		dest: dest.clone().into(),
		value: LEASE / 1_000,
	}
}

async fn provider(
	bench: &mut Bench,
	owner: &mut Signer,
	operator: &mut Signer,
) -> anyhow::Result<()> {
	use pallet_providers::{Call, ProviderInfo, ProviderInfoV1};
	let genesis = bench.node.genesis;
	let url = b"http://127.0.0.1:1"
		.to_vec()
		.try_into()
		.map_err(|_| anyhow::anyhow!("a long URL"))?;
	let info = ProviderInfo::V1(ProviderInfoV1 {
		gateways: vec![url]
			.try_into()
			.map_err(|_| anyhow::anyhow!("many URLs"))?,
		tls_keys: Default::default(),
		sealing_key: None,
		attributes: Default::default(),
		capacity: resources(1_000_000),
	});
	let sheet = PriceSheet::V1(PriceSheetV1 {
		cpu: 0,
		memory: 1_000 * RATE / 128,
		ephemeral: 0,
		persistent: Default::default(),
		gpu: Default::default(),
		port: 0,
		ip: 0,
	});
	let register = owner.sign(
		Call::register {
			operator: operator.account(),
			bond: 900_000 * LEASE,
			info,
		},
		genesis,
	);
	bench.node.include(&[register]).await?;
	let offer = operator.sign(Call::set_offer { sheet: Some(sheet) }, genesis);
	bench.node.include(&[offer]).await?;
	Ok(())
}

/// Leases from order to close.
async fn life(
	bench: &mut Bench,
	tenants: &mut [Signer],
	operator: &mut Signer,
) -> anyhow::Result<()> {
	use pallet_market::Call;
	let some = tenants.len().min(if bench.quick { 600 } else { 2_000 });
	let tenants = &mut tenants[..some];
	let bidding = if bench.quick { 25 } else { 50 };
	let place = Call::place_order {
		order: order(0, Selection::BestBid, bidding),
	};
	let calls = tenants.iter_mut().map(|who| (who, place.clone())).collect();
	let (first, last) = bench.kind("place an order", calls).await?;
	let placed = bench.placed((first, last)).await?;
	let genesis = bench.node.genesis;
	let mut by_operator = |calls: Vec<RuntimeCall>| -> Vec<Vec<u8>> {
		calls
			.into_iter()
			.map(|call| operator.sign(call, genesis))
			.collect()
	};
	let ids = || 0..some as u64;
	let bids: Vec<RuntimeCall> = ids()
		.map(|order| Call::place_bid { order, rate: RATE }.into())
		.collect();
	let blocks = bench.node.include(&by_operator(bids.clone())).await?;
	bench.measure("bid", blocks, &bids[0]).await?;
	ensure!(
		blocks.1 < first + bidding,
		"bidding ended before all bids were in: this machine is too slow for so many"
	);
	// Clearing: in the hooks of blocks without transactions.
	let last = bench
		.node
		.pass((first + bidding + 25).saturating_sub(blocks.1))
		.await?;
	let matched = clearing(bench, (first + bidding, last), some).await?;
	// Tenant n has lease n from now on.
	let lease_of: HashMap<&AccountId, u64> = matched
		.iter()
		.filter_map(|(lease, order)| Some((placed.get(order)?, *lease)))
		.collect();
	tenants.sort_by_key(|who| lease_of.get(&who.account()).copied());
	let starts: Vec<RuntimeCall> = ids()
		.map(|lease| Call::start_lease { lease }.into())
		.collect();
	let blocks = bench.node.include(&by_operator(starts.clone())).await?;
	bench.measure("start a lease", blocks, &starts[0]).await?;
	let each = |calls: &dyn Fn(u64) -> RuntimeCall| -> Vec<(usize, RuntimeCall)> {
		ids().map(|id| (id as usize, calls(id))).collect()
	};
	for (name, calls) in [
		(
			"settle",
			each(&|lease| pallet_escrow::Call::settle { lease }.into()),
		),
		(
			"deposit",
			each(&|lease| {
				pallet_escrow::Call::deposit {
					lease,
					amount: LEASE,
				}
				.into()
			}),
		),
		(
			"withdraw",
			each(&|lease| {
				pallet_escrow::Call::withdraw {
					lease,
					amount: LEASE / 2,
				}
				.into()
			}),
		),
	] {
		let calls = tenants
			.iter_mut()
			.zip(calls)
			.map(|(who, (_, call))| (who, call))
			.collect();
		bench.kind(name, calls).await?;
	}
	let half = some / 2;
	let calls = tenants[..half]
		.iter_mut()
		.enumerate()
		.map(|(lease, who)| {
			(
				who,
				Call::close_lease {
					lease: lease as u64,
				},
			)
		})
		.collect();
	bench.kind("close a lease", calls).await?;
	let ends: Vec<RuntimeCall> = (half..some)
		.map(|lease| {
			Call::complete_lease {
				lease: lease as u64,
				exit_code: 0,
				result_hash: [7; 32],
			}
			.into()
		})
		.collect();
	let blocks = bench.node.include(&by_operator(ends.clone())).await?;
	bench.measure("complete a job", blocks, &ends[0]).await?;
	Ok(())
}

/// Measures the blocks in which the agenda cleared orders; (lease, order) of each.
async fn clearing(
	bench: &mut Bench,
	(first, last): (u32, u32),
	orders: usize,
) -> anyhow::Result<Vec<(u64, u64)>> {
	let (mut seconds, mut all) = (0.0, Vec::new());
	for number in first..=last {
		let block = bench.node.block(number).await?;
		let before = all.len();
		for event in bench.node.events(&block).await? {
			if let RuntimeEvent::Market(pallet_market::Event::OrderMatched {
				lease, order, ..
			}) = event
			{
				all.push((lease, order));
			}
		}
		if all.len() > before {
			seconds += bench.node.execution(&block, bench.times()).await? - bench.empty;
		}
	}
	let count = all.len();
	ensure!(count == orders, "{count} of {orders} orders were cleared");
	let weight = leasehold_runtime::Market::clearing(1, 1, 0).ref_time() as f64;
	bench.measured.push((
		"clear an order".into(),
		Measured {
			seconds: seconds / count as f64,
			declared: weight,
			kept: weight,
		},
	));
	say(format!(
		"clear an order: {:.0} µs",
		seconds / count as f64 * 1e6
	));
	Ok(all)
}

fn now(manifest: u64) -> pallet_market::Call<Runtime> {
	pallet_market::Call::lease_now {
		order: order(
			manifest,
			Selection::Offer {
				provider: 0,
				version: 1,
			},
			0,
		),
	}
}

async fn instant(bench: &mut Bench, tenants: &mut [Signer]) -> anyhow::Result<()> {
	let calls = tenants.iter_mut().map(|who| (who, now(1))).collect();
	bench.kind("instant lease", calls).await?;
	Ok(())
}

/// Empty and full blocks beside more and more active leases, and what these take of the state.
async fn growth(bench: &mut Bench, tenants: &mut [Signer]) -> anyhow::Result<()> {
	let steps: &[u64] = if bench.quick {
		&[1_000, 5_000]
	} else {
		&[1_000, 10_000, 100_000]
	};
	let genesis = bench.node.genesis;
	let mut active = tenants.len() as u64;
	let mut next = 2;
	let begin = bench.node.state_bytes().await?;
	let before = active;
	let loaded = |bench: &Bench| bench.cost("transfer");
	let (empty, full) = (bench.empty, loaded(bench));
	for &goal in steps {
		while active < goal {
			let part = usize::try_from(goal - active)?.min(tenants.len());
			let calls: Vec<_> = tenants[..part]
				.iter_mut()
				.map(|who| who.sign(now(next), genesis))
				.collect();
			bench.node.include(&calls).await?;
			next += 1;
			active += part as u64;
		}
		let at = bench.empty_blocks(if bench.quick { 5 } else { 30 }).await?;
		bench.figures.push(Figure {
			figure: format!("an empty block beside {active} leases"),
			value: at * 1e6,
			unit: "µs",
			baseline: Some(empty * 1e6),
			goal: Some(1.05),
			rising: false,
		});
		let to: Vec<_> = tenants.iter().map(Signer::account).rev().collect();
		let signed: Vec<_> = tenants
			.iter_mut()
			.zip(&to)
			.map(|(who, dest)| who.sign(transfer(dest), genesis))
			.collect();
		let blocks = bench.node.include(&signed).await?;
		let call: RuntimeCall = transfer(&to[0]).into();
		let name = format!("transfer beside {active} leases");
		bench.measure(&name, blocks, &call).await?;
		bench.figures.push(Figure {
			figure: format!("{name}: execution"),
			value: bench.cost(&name) * 1e6,
			unit: "µs",
			baseline: Some(full * 1e6),
			goal: Some(1.25),
			rising: false,
		});
	}
	let bytes = bench.node.state_bytes().await?;
	bench.figures.push(Figure {
		figure: "state of a lease, one funder".into(),
		value: (bytes - begin) as f64 / (active - before) as f64,
		unit: "bytes",
		baseline: None,
		goal: Some(512.0),
		rising: false,
	});
	Ok(())
}

/// A table with a bar for each ratio.
fn table(figures: &[Figure]) -> comfy_table::Table {
	let mut table = comfy_table::Table::new();
	table.load_preset(comfy_table::presets::UTF8_BORDERS_ONLY);
	table.set_header(["figure", "value", "unit", "ratio", "", "goal", "met"]);
	for figure in figures {
		let ratio = figure.ratio();
		let bar = ratio.map_or(String::new(), |ratio| {
			let width = (ratio * 8.0).round().clamp(0.0, 40.0) as usize;
			"▇".repeat(width.max(1))
		});
		let text = |number: Option<f64>| number.map_or(String::new(), |n| format!("{n:.2}"));
		let met = figure
			.met()
			.map_or("", |met| if met { "yes" } else { "NO" });
		table.add_row([
			figure.figure.clone(),
			format!("{:.1}", figure.value),
			figure.unit.to_owned(),
			text(ratio),
			bar,
			text(figure.goal),
			met.to_owned(),
		]);
	}
	table
}

fn main() -> ExitCode {
	let arguments = Arguments::parse();
	let outcome = tokio::runtime::Runtime::new()
		.map_err(Into::into)
		.and_then(|runtime| runtime.block_on(run(&arguments)));
	let written = outcome.and_then(|figures| {
		println!("{}", table(&figures));
		std::fs::create_dir_all(&arguments.out)?;
		let path = arguments.out.join("chain.json");
		let all: Vec<_> = figures.iter().map(Figure::json).collect();
		std::fs::write(&path, serde_json::to_vec_pretty(&all)?)?;
		println!("written to {}", path.display());
		Ok(())
	});
	match written {
		Ok(()) => ExitCode::SUCCESS,
		Err(error) => {
			eprintln!("error: {error:#}");
			ExitCode::FAILURE
		}
	}
}
