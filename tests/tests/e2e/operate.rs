//! What operators and tenants look after: what leases use and bring, what is offered, what is wrong.

use crate::{
	services::{close, log, ready, start, write, Service, SMALL},
	setting::{closed, sleeper, status, text, File},
	Case,
};
use leasehold_tests::devnet::{last_json, program, wait_until, Devnet, Owned};
use serde_json::{json, Value};
use std::{
	io::Write as _,
	os::unix::fs::PermissionsExt as _,
	path::{Path, PathBuf},
	process::{Command, Stdio},
	time::Duration,
};

pub const CASES: &[Case] = &[
	("earnings_agree_with_the_chain", earnings),
	("a_doctor_finds_what_is_wrong", doctor),
	("bids_show_who_would_win", bids),
	("keys_are_imported_and_contexts_count", contexts),
	("a_computing_module_is_accounted_for", module),
	("shells_and_man_are_told_of_all_commands", written),
	("a_devnet_needs_the_engine_it_is_to_use", without_engine),
];

/// For shells and for `man`, of both tools.
fn written(devnet: &Devnet) {
	for (tool, command) in [("leasehold", "deploy"), ("leasehold-provider", "register")] {
		let said = |arguments: &[&str]| {
			let output = Command::new(program(tool).unwrap())
				.args(arguments)
				.output();
			let output = output.unwrap();
			assert!(output.status.success(), "{tool} {arguments:?}: {output:?}");
			String::from_utf8(output.stdout).unwrap()
		};
		for shell in ["bash", "zsh", "fish"] {
			assert!(
				said(&["completions", shell]).contains(command),
				"{tool} {shell}"
			);
		}
		let folder = devnet.folder().join(format!("man-{tool}"));
		said(&["man", text(&folder)]);
		let page = std::fs::read_to_string(folder.join(format!("{tool}-{command}.1"))).unwrap();
		assert!(page.contains(".TH"), "{page}");
		assert!(
			!said(&["--help"]).contains('\u{1b}'),
			"nothing is coloured in a pipe"
		);
	}
}

fn without_engine(devnet: &Devnet) {
	let at = devnet.folder().join("another");
	let output = Command::new(program("leasehold").unwrap())
		.args(["devnet", "--at", text(&at), "--engine"])
		.arg(format!("unix://{}/nothing.sock", at.display()))
		.output()
		.unwrap();
	let said = String::from_utf8_lossy(&output.stderr).into_owned();
	assert_eq!(output.status.code(), Some(2), "{said}");
	assert!(said.contains("no container engine answers at"), "{said}");
}

/// What the provider's program says, and its exit code.
fn provider(devnet: &Devnet, n: usize, arguments: &[&str]) -> (Value, i32) {
	let output = devnet.provider(n, arguments).unwrap().output().unwrap();
	let code = output.status.code().unwrap();
	(last_json(&output).unwrap(), code)
}

fn earnings(devnet: &Devnet) {
	let lease = File {
		module: sleeper(3),
		..Default::default()
	}
	.start(devnet);
	let record = closed(devnet, lease, 60);
	let n = record["provider"].as_u64().unwrap() as usize;
	let arguments = ["earnings", "--by", "lease", "--output", "json"];
	let mut report = Value::Null;
	wait_until(Duration::from_secs(60), "it is written down", || {
		report = provider(devnet, n, &arguments).0;
		let rows = report["rows"].as_array().unwrap();
		rows.iter().any(|row| row["leases"] == json!([lease]))
	})
	.unwrap();
	let rows = report["rows"].as_array().unwrap();
	let row = rows.iter().find(|row| row["leases"] == json!([lease]));
	let row = row.unwrap();
	assert_eq!(row["gross"], record["paid"], "{row}");
	assert_eq!(row["fees"], record["fees"], "{row}");
	assert_eq!(row["served_blocks"], record["served_blocks"], "{row}");
	assert_eq!(report["checked"]["differ"], json!([]), "{report}");
	assert!(report["checked"]["agree"].as_u64().unwrap() >= 1);
	let csv = |more: &[&str]| {
		let arguments = [&["earnings", "--output", "csv", "--offline"], more].concat();
		let output = devnet.provider(n, &arguments).unwrap().output().unwrap();
		assert!(output.status.success(), "{output:?}");
		String::from_utf8(output.stdout).unwrap()
	};
	let all = csv(&["--by", "entry"]);
	let mut lines = all.lines();
	let columns = lines.next().unwrap().split(',').count();
	assert!(all.starts_with("date,first_block,"), "{all}");
	for line in lines {
		assert_eq!(line.split(',').count(), columns, "{line}");
	}
	assert_eq!(csv(&["--to", "2001-01-01"]).lines().count(), 1);
	let wrong = ["earnings", "--from", "yesterday"];
	let output = devnet.provider(n, &wrong).unwrap().output().unwrap();
	assert_eq!(output.status.code(), Some(2));
}

fn finding(report: &Value, what: &str) -> Value {
	let all = report.as_array().unwrap();
	let found = all.iter().find(|one| one["what"] == what);
	found
		.cloned()
		.unwrap_or_else(|| panic!("nothing about {what}: {report}"))
}

fn doctor(devnet: &Devnet) {
	let look = ["doctor", "--output", "json"];
	let (report, _) = provider(devnet, 0, &look);
	for what in [
		"configuration",
		"daemon",
		"chain",
		"clock",
		"registration",
		"funds",
		"gateway",
		"ports",
		"modules",
	] {
		assert_eq!(finding(&report, what)["state"], "ok", "{report}");
	}
	// Another file in the same place: the daemon has read it already.
	let folder = tempfile::tempdir().unwrap();
	let theirs = devnet.provider_folder(0);
	let copied = Command::new("cp")
		.args([
			"-r",
			text(&theirs.join("keys")),
			text(&theirs.join("provider.toml")),
		])
		.arg(text(&theirs.join("GENESIS")))
		.arg(folder.path())
		.status()
		.unwrap();
	assert!(copied.success());
	let file = folder.path().join("provider.toml");
	let config = std::fs::read_to_string(&file).unwrap();
	let at = |config: &str| {
		std::fs::write(&file, config).unwrap();
		let mut command = Command::new(program("leasehold-provider").unwrap());
		let output = command.arg("--dir").arg(folder.path()).args(look).output();
		let output = output.unwrap();
		assert_eq!(output.status.code(), Some(1), "{output:?}");
		last_json(&output).unwrap()
	};
	let report = at(&config.replace(&devnet.node(), "ws://127.0.0.1:1"));
	let chain = finding(&report, "chain");
	assert_eq!(chain["state"], "unusable", "{report}");
	assert!(chain["mend"].as_str().unwrap().contains("node"), "{chain}");
	assert_eq!(finding(&report, "modules")["state"], "ok");
	// Where the other daemon listens nobody else can.
	let report = at(&config);
	assert_eq!(finding(&report, "gateway")["state"], "unusable", "{report}");
	assert_eq!(finding(&report, "daemon")["state"], "warning", "{report}");
	assert_eq!(
		finding(&at("version = 1"), "configuration")["state"],
		"unusable"
	);

	// A fresh folder: what the daemon would refuse is not written, and nothing is amiss before it has run.
	let fresh = tempfile::tempdir().unwrap();
	let at_fresh = |arguments: &[&str]| {
		let mut command = Command::new(program("leasehold-provider").unwrap());
		let command = command.arg("--dir").arg(fresh.path().join("new"));
		command
			.args(arguments)
			.stdin(Stdio::null())
			.output()
			.unwrap()
	};
	let node = devnet.node();
	for wrong in [
		["--ports", "5-1"],
		["--cpu-millis", "0"],
		["--url", "http://x"],
		["--price", "x"],
	] {
		let init = at_fresh(&[&["init", "--node", &node][..], &wrong].concat());
		assert_eq!(init.status.code(), Some(1), "{init:?}");
		assert!(
			!fresh.path().join("new/provider.toml").exists(),
			"{wrong:?}"
		);
	}
	let init = at_fresh(&["init", "--node", &node, "--engine", "none"]);
	assert!(init.status.success(), "{init:?}");
	let report = last_json(&at_fresh(&look)).unwrap();
	assert_eq!(
		finding(&report, "gateway keys")["state"],
		"unused",
		"{report}"
	);
	assert_eq!(
		finding(&report, "registration")["state"],
		"unusable",
		"{report}"
	);
	let earnings = at_fresh(&["earnings"]);
	assert!(earnings.status.success(), "{earnings:?}");

	let (report, code) = devnet.json("//Tenant", &["doctor"]).unwrap();
	assert_eq!(code, 0, "{report}");
	assert_eq!(finding(&report, "node")["ok"], true);
	let (report, code) = devnet.json("nobody", &["doctor"]).unwrap();
	assert_eq!(code, 1, "{report}");
	let account = finding(&report, "account");
	assert!(
		account["mend"].as_str().unwrap().contains("keys create"),
		"{account}"
	);
	let mut command = Command::new(program("leasehold").unwrap());
	let away = command
		.args([
			"doctor",
			"--output",
			"json",
			"--node",
			"ws://127.0.0.1:1",
			"--account",
			"//Alice",
		])
		.arg("--dir")
		.arg(folder.path())
		.output()
		.unwrap();
	assert_eq!(away.status.code(), Some(1));
	assert_eq!(finding(&last_json(&away).unwrap(), "node")["ok"], false);
}

fn bids(devnet: &Devnet) {
	let path = File::default().write(devnet);
	let deploy = ["deploy", text(&path), "--yes", "--bidding", "40"];
	let mut command = devnet.command("//Charlie", &deploy).unwrap();
	let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
	let waits = Owned(child.unwrap());
	let json = |arguments: &[&str]| devnet.json("//Charlie", arguments).unwrap();
	let mut order = Value::Null;
	wait_until(Duration::from_secs(30), "the order is open", || {
		order = json(&["orders", "--mine"]).0[0]["order"].clone();
		order.is_u64()
	})
	.unwrap();
	let number = order.clone();
	let order = order.to_string();
	let (everybodys, _) = json(&["orders"]);
	assert!(everybodys
		.as_array()
		.unwrap()
		.iter()
		.any(|one| one["order"] == number));
	let mut shown = Value::Null;
	wait_until(Duration::from_secs(30), "both providers bid", || {
		shown = json(&["bids", &order]).0;
		shown["bids"].as_array().is_some_and(|bids| bids.len() == 2)
	})
	.unwrap();
	let why = |n: usize| shown["bids"][n]["why"].as_str().unwrap().to_owned();
	assert!(why(0).starts_with("would win: it asks for less"), "{shown}");
	assert!(why(1).starts_with("would not win"), "{shown}");
	drop(waits);
	let (said, code) = json(&["close", "--order", &order]);
	assert_eq!(code, 0, "{said}");
	let fee = pallet_market::TermsV1::default().cancel_fee.to_string();
	assert_eq!(said["fee"], fee, "{said}");
	let deposit = said["deposit"].as_str().unwrap();
	assert!(deposit.parse::<u128>().unwrap() > 0, "{said}");
	let (said, code) = json(&["bids", &order]);
	assert_eq!(code, 5, "{said}");
	assert_eq!(json(&["bids", "4000000"]).1, 5);
}

fn contexts(devnet: &Devnet) {
	let folder = tempfile::tempdir().unwrap();
	let password = folder.path().join("password");
	std::fs::write(&password, "a password\n").unwrap();
	let run = |arguments: &[&str], input: &str| {
		let mut command = Command::new(program("leasehold").unwrap());
		let mut child = command
			.args(arguments)
			.args(["--output", "json", "--dir"])
			.arg(folder.path())
			.stdin(Stdio::piped())
			.stdout(Stdio::piped())
			.stderr(Stdio::piped())
			.spawn()
			.unwrap();
		child
			.stdin
			.take()
			.unwrap()
			.write_all(input.as_bytes())
			.unwrap();
		let output = child.wait_with_output().unwrap();
		(last_json(&output).unwrap(), output.status.code().unwrap())
	};
	let password = text(&password);
	let phrase = "bottom drive obey lake curtain smoke basket hold race lonely fit walk";
	let import = ["keys", "import", "mine", "--password-file", password];
	let (key, code) = run(&import, phrase);
	assert_eq!(code, 0, "{key}");
	let account = "5DfhGyQdFobKM8NsWvEeAKk5EQQgYe9AydgJ7rMB6E1EqRzV";
	assert_eq!(key["account"], account);
	let (again, code) = run(&import, phrase);
	assert_eq!(code, 2, "{again}");
	let (wrong, code) = run(
		&["keys", "import", "other", "--password-file", password],
		"no phrase",
	);
	assert_ne!(code, 0, "{wrong}");
	assert!(
		!wrong.to_string().contains("no phrase"),
		"it is not told on: {wrong}"
	);
	let file = folder.path().join("keys/mine.json");
	let by_file = [
		"keys",
		"import",
		"copy",
		"--password-file",
		password,
		"--file",
		text(&file),
	];
	let (copy, code) = run(&by_file, "");
	assert_eq!(
		(copy["account"].as_str(), code),
		(Some(account), 0),
		"{copy}"
	);
	let (keys, _) = run(&["keys", "list"], "");
	assert_eq!(keys.as_array().unwrap().len(), 2, "{keys}");

	let set = [
		"context",
		"set",
		"here",
		"--node",
		&devnet.node(),
		"--account",
		"mine",
	];
	let (set, code) = run(&set, "");
	assert_eq!((set["current"].as_str(), code), (Some("here"), 0), "{set}");
	let (balance, code) = run(&["balance"], "");
	assert_eq!(
		(balance["account"].as_str(), code),
		(Some(account), 0),
		"{balance}"
	);
	// What is named counts before it.
	let (balance, _) = run(&["balance", "--account", "//Bob"], "");
	assert_ne!(balance["account"], account);
	let (_, code) = run(
		&["context", "set", "away", "--node", "ws://127.0.0.1:1"],
		"",
	);
	assert_eq!(code, 0);
	assert_eq!(
		run(&["balance", "--context", "away", "--account", "mine"], "").1,
		6
	);
	assert_eq!(run(&["balance", "--context", "nowhere"], "").1, 2);
	assert_eq!(run(&["context", "use", "nowhere"], "").1, 2);
	assert_eq!(run(&["context", "use", "away"], "").1, 0);
	let (all, _) = run(&["context", "list"], "");
	assert_eq!(all[0]["current"], true, "{all}");
	assert_eq!(run(&["context", "remove", "away"], "").1, 0);
	assert_eq!(run(&["context", "remove", "away"], "").1, 2);
	std::fs::write(folder.path().join("config.toml"), "rubbish").unwrap();
	assert_eq!(run(&["balance"], "").1, 2);
}

/// Computes until it is ended.
const BUSY: &str = r#"(module
	(memory (export "memory") 1)
	(func (export "_start") (loop $on (br $on))))"#;

fn module(devnet: &Devnet) {
	let lease = File {
		module: crate::setting::wasm(BUSY),
		cpu: "0.5",
		..Default::default()
	}
	.start(devnet);
	let mut used = Value::Null;
	wait_until(Duration::from_secs(60), "it is seen to compute", || {
		used = status(devnet, lease)["workload"]["usage"].clone();
		used["energy_joules"].as_u64().unwrap() >= 10
	})
	.unwrap();
	assert!(used["cpu_seconds"].as_u64().unwrap() >= 1, "{used}");
	assert!(used["energy_method"].as_str().unwrap().len() > 10, "{used}");
	let member = &used["members"][0];
	let millis = member["cpu_millis"].as_u64().unwrap();
	// It is held to half a core, over some time.
	assert!((50..=1_000).contains(&millis), "{used}");
	assert!(member["memory_bytes"].as_u64().unwrap() > 1 << 20, "{used}");
	assert_eq!(member["received"], Value::Null, "a module has no network");
	close(devnet, lease);
}

/// The same of a service in a container.
pub fn service(devnet: &Devnet) {
	ready(devnet);
	let script = "while :; do :; done";
	let path = write(devnet, &[Service("busy", script, "")], SMALL);
	let (lease, _) = start(devnet, &path);
	let used = |said: &Value| {
		let usage = &said["workload"]["usage"];
		let member = usage["members"][0].clone();
		(usage["energy_joules"].as_u64().unwrap_or(0), member)
	};
	let mut member = Value::Null;
	wait_until(Duration::from_secs(60), "it is seen to compute", || {
		let (joules, now) = used(&status(devnet, lease));
		member = now;
		joules >= 2
			&& member["cpu_millis"]
				.as_u64()
				.is_some_and(|millis| millis >= 20)
	})
	.unwrap();
	// It has a tenth of a core.
	assert!(member["cpu_millis"].as_u64().unwrap() <= 300, "{member}");
	assert!(member["memory_bytes"].as_u64().unwrap() > 0, "{member}");
	assert!(
		member["received"].is_u64() && member["sent"].is_u64(),
		"{member}"
	);
	close(devnet, lease);
}

/// What a tenant hands in that nobody else is to see. In letters, for it is looked for in hexadecimal, too.
const SECRET: &str = "planted-and-to-be-found-nowhere";

/// Files below a folder that hold something, as it is or in hexadecimal; with whether others may read them.
fn holding(folder: &Path, what: &str, closed: bool, found: &mut Vec<(PathBuf, bool)>) {
	let (plain, hexadecimal) = (what.as_bytes(), hex::encode(what));
	let has = |bytes: &[u8], part: &[u8]| bytes.windows(part.len()).any(|window| window == part);
	for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
		let path = entry.path();
		let Ok(meta) = std::fs::symlink_metadata(&path) else {
			continue;
		};
		let closed = closed || meta.permissions().mode() & 0o077 == 0;
		if meta.is_dir() {
			holding(&path, what, closed, found);
		} else if meta.is_file() {
			let bytes = std::fs::read(&path).unwrap_or_default();
			if has(&bytes, plain) || has(&bytes, hexadecimal.as_bytes()) {
				found.push((path, !closed));
			}
		}
	}
}

/// A secret in a service's environment and a registry's password, through a whole life.
pub fn secrets(devnet: &Devnet) {
	ready(devnet);
	let env = format!("    env:\n      - TOKEN={SECRET}\n");
	// It uses its secret, and does not tell it.
	let script = "test ${#TOKEN} = 31 && echo it is here; exec sleep 1000";
	let path = write(devnet, &[Service("web", script, &env)], SMALL);
	let (lease, _) = start(devnet, &path);
	wait_until(Duration::from_secs(30), "it has its secret", || {
		log(devnet, lease, "web").contains("it is here")
	})
	.unwrap();
	let mut said = status(devnet, lease).to_string();
	let run = |arguments: &[&str]| {
		let output = devnet.tenant(arguments).unwrap().output().unwrap();
		[output.stdout, output.stderr].concat()
	};
	let (number, more) = (lease.to_string(), ["update", "validate", "price"]);
	for arguments in [
		vec!["events", &number],
		vec!["leases", "--verbose"],
		vec!["exec", &number, "--verbose", "--", "true"],
		vec![more[0], &number, &path, "--verbose"],
		vec![more[1], &path],
		vec![more[2], &path],
	] {
		said += &String::from_utf8_lossy(&run(&arguments));
	}
	// Faults beside it are told without it.
	let faulty = devnet.folder().join("faulty.yaml");
	let text = std::fs::read_to_string(&path).unwrap();
	std::fs::write(&faulty, text.replace("size: 32Mi", "size: 32Mib")).unwrap();
	let told = String::from_utf8(run(&["validate", faulty.to_str().unwrap()])).unwrap();
	assert!(told.contains("size"), "{told}");
	said += &told;
	std::fs::remove_file(&faulty).unwrap();
	said += &provider(devnet, 0, &["status", "--output", "json"])
		.0
		.to_string();
	for process in std::fs::read_dir("/proc").unwrap().flatten() {
		let line = std::fs::read(process.path().join("cmdline"));
		said += &String::from_utf8_lossy(&line.unwrap_or_default());
	}
	assert!(said.contains("running"), "{said}");
	for secret in [SECRET, leasehold_tests::engine::PASSWORD] {
		assert!(!said.contains(secret), "{secret} is told");
		let mut found = Vec::new();
		holding(devnet.folder(), secret, false, &mut found);
		let own = |path: &Path| {
			let name = path.file_name().and_then(|name| name.to_str());
			path.parent() == Some(devnet.folder()) && name.unwrap().starts_with("services-")
		};
		found.retain(|(path, _)| !own(path));
		let (tenant, runs) = (
			devnet.folder().join("tenant"),
			devnet.provider_folder(0).join("leases"),
		);
		assert!(
			found.iter().any(|(path, _)| path.starts_with(&tenant)),
			"it was handed in"
		);
		for (path, open) in &found {
			let may = path.starts_with(&tenant) || path.starts_with(&runs);
			assert!(may && !open, "{secret} stands in {}", path.display());
		}
	}
	close(devnet, lease);
}
