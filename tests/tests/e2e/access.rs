//! Who is not the tenant gets nothing, and a request counts once.

use crate::{
	setting::{closed, sleeper, File, HELLO},
	Case,
};
use leasehold_client::{
	keystore,
	seal::{self, Place},
	signer::{Journal, Signer, Wait},
	view::{LeaseRecordNow, OrderNow},
	Call, Chain, OrderRequest, Resources, Selection, WorkloadKind,
};
use leasehold_manifest::{FileEntry, Kind, Manifest, Program, Service, Unit};
use leasehold_tests::{
	devnet::Devnet,
	gateway::{self, Gateway, EMPTY},
};
use reqwest::Method;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::time::Duration;

pub const CASES: &[Case] = &[
	("a_stranger_gets_neither_log_nor_result", stranger),
	("a_replayed_request_is_refused", replay),
	(
		"a_manifest_must_be_the_ordered_one_and_no_larger",
		manifests,
	),
];

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

fn replay(devnet: &Devnet) {
	let lease = File {
		module: sleeper(2),
		..Default::default()
	}
	.start(devnet);
	let record = closed(devnet, lease, 60);
	let provider = record["provider"].as_u64().unwrap() as u32;
	tokio::runtime::Runtime::new().unwrap().block_on(async {
		let chain = Chain::connect(&devnet.node(), None).await.unwrap();
		let connection = chain.connection().await.unwrap();
		let view = connection.best().await.unwrap();
		let provider = view.provider(provider).await.unwrap().unwrap();
		let pair = keystore::from_uri("//Tenant").unwrap();
		let client = gateway::client(&provider.tls_keys).unwrap();
		let (genesis, place) = (connection.genesis, (lease, 0));
		let gateway = Gateway::open(&provider, client.clone(), genesis, &pair, place).unwrap();
		let path = format!("/v1/leases/{lease}/logs?from=0&follow=false");
		let proof = gateway.sign("GET", &path, EMPTY).unwrap();
		let send = |path: String| {
			let request = gateway.request(Method::GET, &path, EMPTY, &proof);
			request.unwrap().send()
		};
		let first = send(path.clone()).await.unwrap();
		assert_eq!(first.status(), 200);
		assert!(first.text().await.unwrap().contains("stdout"));
		let second = send(path.clone()).await.unwrap();
		assert_eq!(second.status(), 403);
		assert!(second.text().await.unwrap().contains("sent before"));
		let other = send(format!("/v1/leases/{lease}/files")).await.unwrap();
		assert_eq!(other.status(), 403, "a signature holds for one path");
		let bare = async |path: &str| {
			let sent = client.get(gateway.url(path).unwrap()).send().await;
			sent.unwrap().status()
		};
		assert_eq!(bare(&path).await, 403);
		for outside in [
			"..%2f..%2fkeys%2foperator.json",
			"out/..%2f..%2frun%2f1.json",
		] {
			let path = format!("/v1/leases/{lease}/files/{outside}");
			assert_eq!(bare(&path).await, 403);
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
		let view = connection.best().await.unwrap();
		let provider = view.provider(lease.provider).await.unwrap().unwrap();
		let client = gateway::client(&provider.tls_keys).unwrap();
		let place = (lease.id, lease.epoch);
		let gateway = Gateway::open(&provider, client, connection.genesis, &pair, place).unwrap();
		let refused = |answer: Value, why: &str| {
			let said = answer["error"]["message"].as_str().unwrap_or_default();
			assert!(said.contains(why), "{answer}");
		};
		let other = manifest(64).seal().unwrap();
		let said = gateway.submit(&other).await.unwrap();
		refused(said, "not the one whose hash stands in the order");
		let said = gateway.submit(&greedy).await.unwrap();
		refused(said, "more memory (MiB) than was ordered: 128 > 64");
		let said = gateway.submit(b"rubbish").await.unwrap();
		refused(said, "not the one whose hash stands in the order");
		// Not sealed, not for this lease, and no hexadecimal.
		let method = "lease_submitManifest";
		let said = gateway.call(method, &hex::encode(&greedy)).await.unwrap();
		refused(said, "the seal is");
		let place = Place {
			genesis: connection.genesis,
			provider: provider.id,
			lease: lease.id + 1,
		};
		let foreign = seal::seal(&provider.sealing_key.unwrap(), place, &greedy).unwrap();
		let said = gateway.call(method, &hex::encode(foreign)).await.unwrap();
		refused(said, "the seal is broken");
		let said = gateway.call(method, "rubbish").await.unwrap();
		refused(said, "not hexadecimal");
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
