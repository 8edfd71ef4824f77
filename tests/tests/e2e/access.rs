//! Who is not the tenant gets nothing, and a request counts once.

use crate::{
	setting::{closed, sleeper, File, HELLO},
	Case,
};
use leasehold_client::{
	access::{RequestFacts, Session},
	keystore,
	signer::{Journal, Signer, Wait},
	view::{LeaseRecordNow, OrderNow},
	Call, Chain, Keypair, OrderRequest, Resources, Selection, WorkloadKind, H256,
};
use leasehold_manifest::{FileEntry, Kind, Manifest, Program, Service, Unit};
use leasehold_tests::devnet::Devnet;
use serde_json::{json, Value};
use sha2::{Digest as _, Sha256};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub const CASES: &[Case] = &[
	("a_stranger_gets_neither_log_nor_result", stranger),
	("a_replayed_request_is_refused", replay),
	(
		"a_manifest_must_be_the_ordered_one_and_no_larger",
		manifests,
	),
];

const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn now() -> u64 {
	SystemTime::now()
		.duration_since(UNIX_EPOCH)
		.unwrap()
		.as_secs()
}

fn stranger(devnet: &Devnet) {
	let lease = File {
		module: sleeper(2),
		..Default::default()
	}
	.start(devnet);
	closed(devnet, lease, 60);
	let lease = lease.to_string();
	for arguments in [
		&["logs", &lease][..],
		&["files", "ls", &lease],
		&["files", "get", &lease],
	] {
		let (json, code) = devnet.json("//Stranger", arguments).unwrap();
		assert_eq!(code, 5, "{arguments:?}: {json}");
		assert!(
			json["error"].as_str().unwrap().contains("refused"),
			"{json}"
		);
		let mut tenant = devnet.tenant(arguments).unwrap();
		let output = tenant.current_dir(devnet.folder()).output().unwrap();
		assert!(output.status.success(), "the tenant may: {arguments:?}");
	}
	let (json, code) = devnet.json("//Stranger", &["close", &lease]).unwrap();
	assert_eq!(code, 5, "{json}");
}

/// A provider's gateway as a program of one's own would use it.
struct Raw {
	url: String,
	session: Session,
	operator: leasehold_client::AccountId32,
	lease: u64,
}

impl Raw {
	fn open(devnet: &Devnet, genesis: H256, provider: usize, lease: u64, pair: &Keypair) -> Self {
		let facts = &devnet.facts["providers"][provider];
		Self {
			url: facts["gateway"].as_str().unwrap().to_owned(),
			session: Session::open(pair, genesis, provider as u32, (lease, 0), now()).unwrap(),
			operator: facts["operator"].as_str().unwrap().parse().unwrap(),
			lease,
		}
	}

	async fn submit(&self, manifest: &[u8]) -> Value {
		let body = hex::encode(manifest);
		let digest = hex::encode(Sha256::digest(body.as_bytes()));
		let facts = RequestFacts {
			method: "RPC",
			path: "lease_submitManifest",
			digest: &digest,
			gateway: self.operator,
		};
		let proof = self.session.sign(facts, now()).unwrap();
		let grant = self.session.grant();
		let request = json!({
			"jsonrpc": "2.0", "id": 1, "method": "lease_submitManifest",
			"params": [{ "lease": self.lease, "grant": grant, "proof": proof, "body": body }],
		});
		let client = reqwest::Client::new();
		client
			.post(format!("{}/rpc", self.url))
			.json(&request)
			.send()
			.await
			.unwrap()
			.json()
			.await
			.unwrap()
	}
}

fn replay(devnet: &Devnet) {
	let lease = File {
		module: sleeper(2),
		..Default::default()
	}
	.start(devnet);
	let record = closed(devnet, lease, 60);
	let provider = record["provider"].as_u64().unwrap() as usize;
	tokio::runtime::Runtime::new().unwrap().block_on(async {
		let chain = Chain::connect(&devnet.node(), None).await.unwrap();
		let genesis = chain.connection().await.unwrap().genesis;
		let pair = keystore::from_uri("//Tenant").unwrap();
		let raw = Raw::open(devnet, genesis, provider, lease, &pair);
		let path = format!("/v1/leases/{lease}/logs?from=0&follow=false");
		let facts = RequestFacts {
			method: "GET",
			path: &path,
			digest: EMPTY,
			gateway: raw.operator,
		};
		let proof = raw.session.sign(facts, now()).unwrap();
		let header = |value: Value| hex::encode(value.to_string());
		let send = |path: String| {
			reqwest::Client::new()
				.get(format!("{}{path}", raw.url))
				.header("leasehold-grant", header(json!(raw.session.grant())))
				.header("leasehold-proof", header(json!(proof)))
				.send()
		};
		let first = send(path.clone()).await.unwrap();
		assert_eq!(first.status(), 200);
		assert!(first.text().await.unwrap().contains("stdout"));
		let second = send(path.clone()).await.unwrap();
		assert_eq!(second.status(), 403);
		assert!(second.text().await.unwrap().contains("sent before"));
		let other = send(format!("/v1/leases/{lease}/files")).await.unwrap();
		assert_eq!(other.status(), 403, "a signature holds for one path");
		let bare = reqwest::get(format!("{}{path}", raw.url)).await.unwrap();
		assert_eq!(bare.status(), 403);
		for outside in [
			"..%2f..%2fkeys%2foperator.json",
			"out/..%2f..%2frun%2f1.json",
		] {
			let url = format!("{}/v1/leases/{lease}/files/{outside}", raw.url);
			assert_eq!(reqwest::get(url).await.unwrap().status(), 403);
		}
	});
}

fn manifest(memory: u32) -> Manifest {
	let module = crate::setting::wasm(HELLO);
	Manifest {
		services: vec![Service {
			name: "job".into(),
			kind: Kind::Job,
			program: Program::Module(FileEntry {
				path: "module.wasm".into(),
				size: module.len() as u64,
				sha256: Sha256::digest(&module).into(),
			}),
			args: Vec::new(),
			env: Vec::new(),
			count: 1,
			unit: Unit {
				cpu: 100,
				memory,
				storage: 16,
				..Default::default()
			},
			expose: Vec::new(),
			depends_on: Vec::new(),
			health: None,
			inputs: Vec::new(),
			outputs: vec!["**".into()],
			max_duration: 60,
			attempts: 1,
		}],
	}
}

/// Orders less than the manifest asks for, and hands in that manifest and another one.
fn manifests(devnet: &Devnet) {
	tokio::runtime::Runtime::new().unwrap().block_on(async {
		let chain = Chain::connect(&devnet.node(), None).await.unwrap();
		let connection = chain.connection().await.unwrap();
		// An account of its own: one journal, one nonce.
		let pair = keystore::from_uri("//Alice").unwrap();
		let journal = Journal::open(&devnet.folder().join("by-hand")).unwrap();
		let signer = Signer::start(chain.clone(), pair.clone(), journal, chain.follow());
		let greedy = manifest(128).seal().unwrap();
		let terms = connection.best().await.unwrap().terms().await.unwrap();
		let max_rate = 500_000_000;
		let request = OrderRequest {
			access: None,
			manifest_hash: Manifest::hash(&greedy),
			kind: WorkloadKind::Job,
			resources: Resources {
				cpu: 100,
				memory: 64,
				ephemeral: 16,
				unit_cpu: 100,
				unit_memory: 64,
				..Default::default()
			},
			attributes: Vec::new(),
			any_of: Vec::new(),
			all_of: Vec::new(),
			max_rate,
			min_score: 0,
			max_duration: 100,
			notice: 0,
			selection: Selection::Bids { blocks: 5 },
			deposit: terms.minimal_deposit(max_rate).unwrap(),
		};
		let call = Call::PlaceOrder(Box::new(request));
		let receipt = signer.submit(call, Wait::Best).await.unwrap();
		let view = connection.at_number(receipt.block.0).await.unwrap();
		let order = view.order_placed(&receipt).await.unwrap().unwrap();
		let lease = loop {
			let view = connection.best().await.unwrap();
			if view.order(order).await.unwrap() == OrderNow::Gone {
				let (_, leases) = view.open_items(&keystore::account(&pair)).await.unwrap();
				break leases
					.into_iter()
					.find(|l| l.order == order)
					.expect("a lease");
			}
			tokio::time::sleep(Duration::from_millis(200)).await;
		};
		let raw = Raw::open(
			devnet,
			connection.genesis,
			lease.provider as usize,
			lease.id,
			&pair,
		);
		let other = raw.submit(&manifest(64).seal().unwrap()).await;
		let said = other["error"]["message"].as_str().unwrap();
		assert!(
			said.contains("not the one whose hash stands in the order"),
			"{said}"
		);
		let said = raw.submit(&greedy).await;
		let said = said["error"]["message"].as_str().unwrap();
		assert!(
			said.contains("more memory (MiB) than was ordered: 128 > 64"),
			"{said}"
		);
		let said = raw.submit(b"rubbish").await;
		assert!(said["error"].is_object(), "{said}");
		signer
			.submit(Call::CloseLease { lease: lease.id }, Wait::Finalized)
			.await
			.unwrap();
		let view = chain.connection().await.unwrap().finalized().await.unwrap();
		let LeaseRecordNow::Closed(closed) = view.lease(lease.id).await.unwrap() else {
			panic!("not closed");
		};
		// What never ran is not paid to the provider; the wait costs half the rate, as a fee.
		assert_eq!(closed.served_blocks, 0);
		assert_eq!(closed.paid, closed.fees);
		let blocks = closed.paid.div_ceil(lease.rate / 2);
		assert!((1..60).contains(&blocks), "{}", closed.paid);
	});
}
