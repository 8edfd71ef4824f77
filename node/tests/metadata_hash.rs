//! A release's runtime carries the hash of its metadata, so that a hardware wallet can check what it
//! signs. Development builds carry none, so this asks a release: `scripts/release` runs it.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use codec::{Decode, Encode};
use frame_metadata::RuntimeMetadataPrefixed;
use frame_metadata_hash_extension::CheckMetadataHash;
use jsonrpsee::{
	core::client::ClientT,
	http_client::{HttpClient, HttpClientBuilder},
	rpc_params,
};
use leasehold_runtime::{
	Hash, Runtime, RuntimeCall, SignedPayload, TxExtension, UncheckedExtrinsic, VERSION,
};
use merkleized_metadata::{generate_metadata_digest, ExtraInfo};
use sp_keyring::Sr25519Keyring;
use sp_runtime::{
	generic::Era,
	traits::IdentifyAccount,
	transaction_validity::{InvalidTransaction, TransactionSource, TransactionValidity},
	MultiSigner,
};
use std::{
	process::{Child, Command, Stdio},
	time::Duration,
};

struct Node(Child);

impl Drop for Node {
	fn drop(&mut self) {
		let _ = self.0.kill();
		let _ = self.0.wait();
	}
}

async fn asked(client: &HttpClient, call: &str, argument: Vec<u8>) -> Vec<u8> {
	let params = rpc_params![
		call,
		format!("0x{}", sp_core::hexdisplay::HexDisplay::from(&argument))
	];
	let answer: String = client.request("state_call", params).await.unwrap();
	sp_core::bytes::from_hex(&answer).unwrap()
}

/// A remark of Alice's, signed over `hash` as a hardware wallet does.
fn signed(genesis: Hash, hash: [u8; 32]) -> UncheckedExtrinsic {
	let extension: TxExtension = (
		frame_system::AuthorizeCall::new(),
		frame_system::CheckNonZeroSender::new(),
		frame_system::CheckSpecVersion::new(),
		frame_system::CheckTxVersion::new(),
		frame_system::CheckGenesis::new(),
		frame_system::CheckEra::from(Era::Immortal),
		frame_system::CheckNonce::from(0),
		frame_system::CheckWeight::new(),
		pallet_transaction_payment::ChargeTransactionPayment::<Runtime>::from(0),
		CheckMetadataHash::new_with_custom_hash(hash),
		frame_system::WeightReclaim::new(),
	);
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
		Some(hash),
		(),
	);
	let call = RuntimeCall::System(frame_system::Call::remark { remark: vec![1] });
	let alice = Sr25519Keyring::Alice;
	let payload = SignedPayload::from_raw(call.clone(), extension.clone(), implicit);
	let signature = payload.using_encoded(|bytes| alice.sign(bytes));
	let account = MultiSigner::from(alice.public()).into_account();
	UncheckedExtrinsic::new_signed(call, account.into(), signature.into(), extension)
}

#[tokio::test]
#[ignore = "asks a release: scripts/release runs it"]
async fn a_release_checks_the_hash_that_a_wallet_signs() {
	let program = std::env::var_os("LEASEHOLD_NODE_PROGRAM").expect("the path of the node");
	let port = std::net::TcpListener::bind("127.0.0.1:0")
		.and_then(|socket| socket.local_addr())
		.unwrap()
		.port();
	let _node = Node(
		Command::new(program)
			.args([
				"--dev",
				"--tmp",
				"--no-prometheus",
				"--port",
				"0",
				"--rpc-port",
			])
			.arg(port.to_string())
			.stderr(Stdio::null())
			.spawn()
			.unwrap(),
	);
	let client = HttpClientBuilder::default()
		.build(format!("http://127.0.0.1:{port}"))
		.unwrap();
	let mut genesis = None;
	for _ in 0..120 {
		let asked = client
			.request::<Hash, _>("chain_getBlockHash", rpc_params![0])
			.await;
		if let Ok(hash) = asked {
			genesis = Some(hash);
			break;
		}
		tokio::time::sleep(Duration::from_millis(500)).await;
	}
	let genesis = genesis.expect("the node answers within a minute");

	let answer = asked(&client, "Metadata_metadata_at_version", 15u32.encode()).await;
	let opaque = Option::<Vec<u8>>::decode(&mut &answer[..])
		.unwrap()
		.unwrap();
	let metadata = RuntimeMetadataPrefixed::decode(&mut &opaque[..]).unwrap().1;
	let extra = ExtraInfo {
		spec_version: VERSION.spec_version,
		spec_name: VERSION.spec_name.to_string(),
		base58_prefix: 42,
		decimals: 12,
		token_symbol: "LEASE".into(),
	};
	let hash = generate_metadata_digest(&metadata, extra).unwrap().hash();

	for (hash, wanted) in [
		(hash, Ok(())),
		([7; 32], Err(InvalidTransaction::BadProof.into())),
	] {
		let argument = (TransactionSource::External, signed(genesis, hash), genesis).encode();
		let answer = asked(
			&client,
			"TaggedTransactionQueue_validate_transaction",
			argument,
		)
		.await;
		let validity = TransactionValidity::decode(&mut &answer[..]).unwrap();
		assert_eq!(validity.map(|_| ()), wanted);
	}
	println!(
		"the runtime carries its metadata's hash 0x{}",
		sp_core::hexdisplay::HexDisplay::from(&hash)
	);
}
