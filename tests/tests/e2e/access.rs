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
	AccountId32, Call, Chain, OrderRequest, Resources, Selection, WorkloadKind,
};
use leasehold_manifest::{FileEntry, Kind, Manifest, Program, Service, Unit};
use leasehold_tests::{
	devnet::{last_json, wait_until, Devnet},
	gateway::{self, Gateway, EMPTY},
};
use reqwest::Method;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use sp_core::{ecdsa, ed25519, Pair as _};
use sp_io::hashing::blake2_256;
use std::{
	io::{Read as _, Write as _},
	os::unix::fs::PermissionsExt as _,
	process::{Command, Stdio},
	time::Duration,
};

pub const CASES: &[Case] = &[
	("a_stranger_gets_neither_log_nor_result", stranger),
	("a_replayed_request_is_refused", replay),
	("wallets_sign_grants_that_are_passed_on", wallets),
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

/// What a wallet does with a text.
type Sign<'a> = dyn Fn(&[u8]) -> Vec<u8> + 'a;

/// A command that asks for a wallet's signature: JSON and exit code.
fn signed_by(mut command: Command, sign: &Sign) -> (Value, i32) {
	let mut child = command
		.args(["--output", "json"])
		.stdin(Stdio::piped())
		.stdout(Stdio::piped())
		.stderr(Stdio::piped())
		.spawn()
		.unwrap();
	let (mut said, mut byte) = (Vec::new(), [0]);
	let stderr = child.stderr.as_mut().unwrap();
	while !said.ends_with(b"hexadecimal:\n") {
		assert_eq!(
			stderr.read(&mut byte).unwrap(),
			1,
			"{}",
			String::from_utf8_lossy(&said)
		);
		said.extend(byte);
	}
	let said = String::from_utf8(said).unwrap();
	let (_, text) = said.split_once("<Bytes>").unwrap();
	let (text, _) = text.split_once("</Bytes>").unwrap();
	let signature = sign(format!("<Bytes>{text}</Bytes>").as_bytes());
	let mut stdin = child.stdin.take().unwrap();
	writeln!(stdin, "0x{}", hex::encode(signature)).unwrap();
	// Nothing more comes.
	drop(stdin);
	let output = child.wait_with_output().unwrap();
	(last_json(&output).unwrap(), output.status.code().unwrap())
}

fn wallets(devnet: &Devnet) {
	let ed = ed25519::Pair::from_seed(&[1; 32]);
	let ecdsa = ecdsa::Pair::from_seed(&[2; 32]);
	let wallets: [(_, &Sign); 2] = [
		(AccountId32(ed.public().0), &|text| ed.sign(text).0.to_vec()),
		(AccountId32(blake2_256(&ecdsa.public().0)), &|text| {
			ecdsa.sign(text).0.to_vec()
		}),
	];
	for (access, sign) in wallets {
		let access = access.to_string();
		let path = File {
			module: sleeper(60),
			..Default::default()
		}
		.write(devnet);
		let deploy = [
			"deploy",
			crate::setting::text(&path),
			"--yes",
			"--access",
			&access,
		];
		let (json, code) = signed_by(devnet.tenant(&deploy).unwrap(), sign);
		assert_eq!(code, 0, "{json}");
		let lease = json["lease"].to_string();
		// The account that pays may not look; who was granted it may, and no more.
		let (json, code) = devnet.json("//Tenant", &["logs", &lease]).unwrap();
		assert_eq!(code, 5, "{json}");
		let folder = tempfile::tempdir().unwrap();
		let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
		let (first, second, third) = (at("first"), at("second"), at("third"));
		let grant = ["grant", &lease, "--to", &first, "--wallet"];
		let command = devnet.command("nobody", &grant).unwrap();
		let (json, code) = signed_by(command, &|_| vec![7; 64]);
		assert_eq!(code, 5, "{json}");
		assert!(
			json["error"].as_str().unwrap().contains("no signature of"),
			"{json}"
		);
		let command = devnet.command("nobody", &grant).unwrap();
		let (json, code) = signed_by(command, sign);
		assert_eq!(code, 0, "{json}");
		assert_eq!(json["scopes"], serde_json::json!(["logs", "status"]));
		let mode = std::fs::metadata(&first).unwrap().permissions().mode();
		assert_eq!(mode & 0o777, 0o600);
		let by = |grant: &str, arguments: &[&str]| {
			let all = [arguments, &["--grant", grant]].concat();
			let (json, code) = devnet.json("nobody", &all).unwrap();
			(json.to_string(), code)
		};
		let (said, code) = by(&first, &["status", &lease]);
		assert_eq!(code, 0, "{said}");
		assert!(said.contains(r#""phase":"running""#), "{said}");
		let (said, code) = by(&first, &["files", "ls", &lease]);
		assert_eq!(code, 5, "{said}");
		assert!(said.contains("does not allow this"), "{said}");
		// A part of it is passed on, and no more than that.
		let wide = ["grant", &lease, "--to", &second, "--scopes", "logs,exec"];
		let (said, code) = by(&first, &wide);
		assert_eq!(code, 2, "{said}");
		let narrow = ["grant", &lease, "--to", &second, "--scopes", "status"];
		let (said, code) = by(&first, &narrow);
		assert_eq!(code, 0, "{said}");
		let (said, code) = by(&second, &["status", &lease]);
		assert_eq!(code, 0, "{said}");
		assert!(said.contains(r#""phase":"running""#), "{said}");
		let (said, code) = by(&second, &["logs", &lease]);
		assert_eq!(code, 5, "{said}");
		// Neither for another lease, nor in a damaged file.
		let (said, code) = by(&second, &["status", "4000000"]);
		assert_ne!(code, 0, "{said}");
		let text = std::fs::read_to_string(&second).unwrap();
		std::fs::write(&third, text.replace("status", "logs")).unwrap();
		let (said, code) = by(&third, &["logs", &lease]);
		assert_eq!(code, 5, "{said}");
		assert!(said.contains("signed by another"), "{said}");
		std::fs::write(&third, &text[..text.len() / 2]).unwrap();
		let (said, code) = by(&third, &["status", &lease]);
		assert_eq!(code, 2, "{said}");
		let (said, code) = by(&second, &["grant", &lease, "--to", &second]);
		assert_eq!(code, 2, "a file is never replaced: {said}");
		// What the account itself must sign is not done by a grant.
		let (said, code) = by(&first, &["close", &lease]);
		assert_eq!(code, 2, "{said}");
		// One extrinsic voids them all.
		let (json, code) = devnet.json("//Tenant", &["revoke", &lease]).unwrap();
		assert_eq!(code, 0, "{json}");
		wait_until(Duration::from_secs(30), "the grants are void", || {
			let looks = [&first, &second].map(|grant| by(grant, &["status", &lease]).0);
			looks.iter().all(|said| said.contains("epoch is void"))
		})
		.unwrap();
		let (json, code) = devnet.json("//Tenant", &["close", &lease]).unwrap();
		assert_eq!(code, 0, "{json}");
	}
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
			read_only: false,
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
