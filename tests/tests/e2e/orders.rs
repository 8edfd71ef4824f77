//! Orders that nobody can serve or pay for.

use crate::{
	setting::{text, File},
	Case,
};
use leasehold_client::keystore;
use leasehold_tests::{
	devnet::{program, wait_until, Devnet},
	state,
};
use serde_json::Value;
use std::{path::Path, time::Duration};

pub const CASES: &[Case] = &[
	(
		"a_tenant_without_funds_is_refused_before_anything_is_sent",
		without_funds,
	),
	("an_order_that_nobody_fits_says_why", nobody_fits),
	(
		"an_order_that_nobody_takes_expires_and_returns_everything",
		expires,
	),
	("an_input_over_the_storage_is_refused", too_large),
	(
		"transactions_of_another_chain_are_no_hindrance",
		another_chains_transactions,
	),
	("a_file_with_faults_is_refused_with_line_and_column", faults),
	("the_cheapest_standing_offer_is_taken_at_once", at_once),
	("what_nobody_has_agreed_to_is_not_bought", not_agreed),
	(
		"an_empty_block_touches_no_more_than_is_charged_for",
		empty_block,
	),
];

fn empty_block(devnet: &Devnet) {
	let (reads, writes) = state::items(devnet.rpc_port(), 2).unwrap();
	// Those that only transactions touch: two pots, the issuance.
	let (reads, writes) = (reads as u64 + 3, writes as u64 + 3);
	let charged = leasehold_runtime::configs::BLOCK_ITEMS;
	println!("an empty block: {reads} reads, {writes} writes");
	assert!(
		reads <= charged.0 && writes <= charged.1,
		"{reads}, {writes}"
	);
}

/// What each provider asks for a file at once, planck a block; nothing, if it has no offer.
pub fn asks(devnet: &Devnet, file: &Path) -> Vec<Option<u128>> {
	let (all, code) = devnet
		.json("//Tenant", &["providers", "--for", text(file)])
		.unwrap();
	assert_eq!(code, 0, "{all}");
	let asks = |one: &Value| one["asks"].as_str().map(|rate| rate.parse().unwrap());
	all.as_array().unwrap().iter().map(asks).collect()
}

fn at_once(devnet: &Devnet) {
	let file = File::default().write(devnet);
	let mut offers = Vec::new();
	wait_until(
		Duration::from_secs(60),
		"both providers make an offer",
		|| {
			offers = asks(devnet, &file);
			offers.iter().all(Option::is_some)
		},
	)
	.unwrap();
	assert!(offers[0] < offers[1], "{offers:?}");
	let deploy = |more: &[&str]| {
		let arguments = ["deploy", text(&file), "--instant", "--yes"];
		devnet
			.json("//Tenant", &[&arguments, more].concat())
			.unwrap()
	};
	let (json, code) = deploy(&["--max-price", "0.0001"]);
	assert_eq!(code, 4, "{json}");
	let said = json["error"].as_str().unwrap();
	assert!(said.contains("the cheapest standing offer asks"), "{said}");
	let both = ["deploy", text(&file), "--instant", "--bidding", "5"];
	let output = devnet.tenant(&both).unwrap().output().unwrap();
	assert_eq!(output.status.code(), Some(2), "there is no bidding");
	let (json, code) = deploy(&["--wait"]);
	assert_eq!(code, 0, "{json}");
	assert_eq!(
		(&json["close_reason"], &json["provider"]),
		(&"Completed".into(), &0.into())
	);
	let lease = json["lease"].to_string();
	let (told, _) = devnet.json("//Tenant", &["events", &lease]).unwrap();
	let block = |event: &str| {
		let all = told.as_array().unwrap();
		let found = all.iter().find(|t| t["event"] == event);
		found.unwrap_or_else(|| panic!("{event} is not in {told}"))["block"].clone()
	};
	assert_eq!(block("OrderPlaced"), block("OrderMatched"));
}

fn balance(devnet: &Devnet, who: &str) -> (u128, u128) {
	let (json, code) = devnet.json(who, &["balance"]).unwrap();
	assert_eq!(code, 0);
	let read = |key: &str| json[key].as_str().unwrap().parse().unwrap();
	(read("free"), read("held"))
}

/// As after a devnet of yesterday: the account has a transaction on its way to a chain that is gone.
fn another_chains_transactions(devnet: &Devnet) {
	let who = "//Provider0";
	let account = keystore::account(&keystore::from_uri(who).unwrap());
	let folder = devnet
		.folder()
		.join("tenant/transactions")
		.join(account.to_string());
	std::fs::create_dir_all(&folder).unwrap();
	let stored = include_bytes!("../../../client/fixtures/transaction-v1.bin");
	let file = folder.join("000000000005-00.tx");
	std::fs::write(&file, stored).unwrap();
	let tenant = keystore::account(&keystore::from_uri("//Tenant").unwrap());
	let begun = std::time::Instant::now();
	let transfer = ["transfer", &tenant.to_string(), "1"];
	let (json, code) = devnet.json(who, &transfer).unwrap();
	assert_eq!(code, 0, "{json}");
	assert!(
		begun.elapsed().as_secs() < 30,
		"it did not wait for the other one to expire"
	);
	assert_eq!(
		std::fs::read(&file).unwrap(),
		stored,
		"it is that chain's own affair"
	);
}

fn without_funds(devnet: &Devnet) {
	let file = File {
		max_duration: "1h",
		..Default::default()
	}
	.write(devnet);
	let before = balance(devnet, "//Poor");
	let (json, code) = devnet
		.json("//Poor", &["deploy", text(&file), "--yes"])
		.unwrap();
	assert_eq!(code, 3, "{json}");
	assert!(
		json["error"].as_str().unwrap().contains("are missing"),
		"{json}"
	);
	assert_eq!(balance(devnet, "//Poor"), before);
}

fn nobody_fits(devnet: &Devnet) {
	let file = File {
		memory: "1Ti",
		..Default::default()
	}
	.write(devnet);
	let output = devnet
		.tenant(&["deploy", text(&file), "--yes"])
		.unwrap()
		.output()
		.unwrap();
	let said = String::from_utf8_lossy(&output.stderr).into_owned();
	assert_eq!(output.status.code(), Some(4), "{said}");
	assert!(said.contains("provider 0 lacks memory: "), "{said}");
	assert!(said.contains("provider 1 lacks memory: "), "{said}");
}

/// What provider 0 decided about an order.
fn why(devnet: &Devnet, order: &str) -> Value {
	let output = std::process::Command::new(program("leasehold-provider").unwrap())
		.arg("--dir")
		.arg(devnet.provider_folder(0))
		.args(["why", order, "--output", "json"])
		.output()
		.unwrap();
	serde_json::from_slice(&output.stdout).unwrap_or_default()
}

fn expires(devnet: &Devnet) {
	let file = File {
		attributes: "{ region: moon }",
		..Default::default()
	}
	.write(devnet);
	let who = "//Stranger";
	let before = balance(devnet, who);
	let arguments = ["deploy", text(&file), "--yes", "--anyway"];
	let output = devnet.command(who, &arguments).unwrap().output().unwrap();
	let said = String::from_utf8_lossy(&output.stderr).into_owned();
	assert_eq!(output.status.code(), Some(4), "{said}");
	assert!(said.contains("provider 0 lacks attribute "), "{said}");
	assert!(said.contains("ended without a lease"), "{said}");
	let (_, rest) = said.rsplit_once("order ").unwrap();
	let order = rest.split(' ').next().unwrap();
	let why = why(devnet, order);
	assert_eq!(why["decided"]["decision"], "passed", "{why}");
	let reason = why["decided"]["why"].as_str().unwrap();
	assert!(reason.contains("attribute"), "{why}");
	assert!(why["open"].is_null(), "{why}");
	let after = balance(devnet, who);
	assert_eq!(after.1, before.1, "nothing stays on hold");
	let fee = before.0 - after.0;
	assert!(
		fee > 0 && fee < 500_000_000_000,
		"only the transaction's fee is gone, not {fee}"
	);
}

fn too_large(devnet: &Devnet) {
	let inputs = vec![("big.bin", vec![7u8; 17 << 20])];
	let file = File {
		inputs,
		..Default::default()
	}
	.write(devnet);
	let (json, code) = devnet
		.json("//Tenant", &["deploy", text(&file), "--yes"])
		.unwrap();
	assert_eq!(code, 2, "{json}");
	assert!(
		json["error"]
			.as_str()
			.unwrap()
			.contains("the storage ordered has"),
		"{json}"
	);
}

fn faults(devnet: &Devnet) {
	let file = File {
		memory: "4GB",
		..Default::default()
	}
	.write(devnet);
	let output = devnet
		.tenant(&["deploy", text(&file), "--yes"])
		.unwrap()
		.output()
		.unwrap();
	let said = String::from_utf8_lossy(&output.stderr).into_owned();
	assert_eq!(output.status.code(), Some(2), "{said}");
	assert!(said.contains("deploy.yaml:11:"), "{said}");
	assert!(
		said.contains("profiles.compute.p.resources.memory.size"),
		"{said}"
	);
}

/// Where nobody can be asked, and nothing says that it is agreed, the price is shown and nothing is done.
fn not_agreed(devnet: &Devnet) {
	let path = File::default().write(devnet);
	let output = devnet.command("//Stranger", &["deploy", text(&path)]);
	let output = output.unwrap().output().unwrap();
	assert_eq!(output.status.code(), Some(2), "{output:?}");
	let told = String::from_utf8(output.stderr).unwrap();
	for words in [
		"an hour",
		"deposit",
		"it lasts",
		"has not been confirmed",
		"--yes",
	] {
		assert!(told.contains(words), "{words}: {told}");
	}
	assert!(!told.contains("is placed"), "{told}");
}
