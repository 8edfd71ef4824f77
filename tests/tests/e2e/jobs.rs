//! Jobs that go well, and jobs that misbehave.

use crate::{
	setting::{wasm, with_functions, File},
	Case,
};
use leasehold_tests::devnet::Devnet;
use serde_json::Value;
use std::{
	io::{BufRead as _, BufReader},
	path::{Path, PathBuf},
	process::Stdio,
};

pub const CASES: &[Case] = &[
	("a_job_runs_and_its_result_matches_the_chain", goes_well),
	("the_census_example_counts_a_real_table", census),
	("a_job_may_be_a_component", component),
	("an_interrupted_deployment_is_resumed", resume),
	("an_exit_code_reaches_the_chain", exit_code),
	("what_is_not_wasm_cannot_be_loaded", not_wasm),
	(
		"a_module_with_foreign_imports_cannot_be_loaded",
		foreign_imports,
	),
	(
		"a_module_that_takes_gigabytes_to_compile_is_stopped",
		enormous,
	),
	("a_trap_ends_after_all_attempts", traps),
	("an_endless_loop_is_stopped_at_its_time_limit", loops),
	(
		"endless_allocation_is_stopped_at_the_memory_limit",
		allocates,
	),
	("many_memories_count_together", memories),
	("a_start_section_is_under_the_time_limit_too", start_section),
	("endless_output_is_stopped_at_the_storage_limit", prints),
];

/// Fetches a job's results, which must match the chain: the folder they are in.
pub fn fetch(devnet: &Devnet, lease: &str) -> PathBuf {
	let to = devnet.folder().join(format!("results-{lease}"));
	let arguments = ["files", "get", lease, "--to", to.to_str().unwrap()];
	let (files, code) = devnet.json("//Tenant", &arguments).unwrap();
	assert_eq!(code, 0, "{files}");
	assert_eq!(files["matches_chain"], true);
	to
}

fn goes_well(devnet: &Devnet) {
	let (json, code) = File::default().run(devnet);
	assert_eq!(code, 0, "{json}");
	assert_eq!(json["close_reason"], "Completed");
	let lease = json["lease"].to_string();
	let to = fetch(devnet, &lease);
	assert_eq!(std::fs::read(to.join("greeting.txt")).unwrap(), b"hello\n");
	let log = devnet.tenant(&["logs", &lease]).unwrap().output().unwrap();
	assert_eq!(log.stdout, b"hello\n");
	let (told, _) = devnet.json("//Tenant", &["events", &lease]).unwrap();
	let all = told.as_array().unwrap();
	let names: Vec<_> = all.iter().map(|t| &t["event"]).collect();
	// One time line of both: what happened here, too.
	let times = all.iter().map(|t| t["time"].as_u64().unwrap());
	assert!(times.is_sorted(), "{told}");
	let here = all.iter().filter(|t| t["source"] == "workload");
	let here: Vec<_> = here.map(|t| t["text"].as_str().unwrap()).collect();
	assert_eq!(here.first(), Some(&"the manifest was handed in"), "{told}");
	assert!(here.contains(&"the job is started, attempt 1"), "{told}");
	assert!(
		here.contains(&"attempt 1 ended: it exited with code 0"),
		"{told}"
	);
	let (chain, _) = devnet.json("//Stranger", &["events", &lease]).unwrap();
	let chain = chain.as_array().unwrap();
	assert!(chain.iter().all(|t| t["source"] == "chain"), "{chain:?}");
	assert!(chain.len() < all.len());
	assert_eq!(names.first().unwrap().as_str(), Some("OrderPlaced"));
	assert_eq!(names.last().unwrap().as_str(), Some("LeaseClosed"));
}

fn census(devnet: &Devnet) {
	counts(devnet, "census.wasm");
}

fn component(devnet: &Devnet) {
	counts(devnet, "census.component.wasm");
}

/// Whatever the program is built for.
fn counts(devnet: &Devnet, program: &str) {
	let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
	let module = examples.join(program);
	let module = std::fs::read(module).expect("scripts/examples has built the examples");
	let mut table = String::from("n,square,parity\n");
	for n in 0u64..20_000 {
		table.push_str(&format!(
			"{n},{},{}\n",
			n * n,
			if n % 2 == 0 { "even" } else { "odd" }
		));
	}
	let file = File {
		module,
		args: "[table.csv]".into(),
		inputs: vec![("table.csv", table.into_bytes())],
		..Default::default()
	};
	let (json, code) = file.run(devnet);
	assert_eq!(code, 0, "{json}");
	let to = fetch(devnet, &json["lease"].to_string());
	let summary = std::fs::read(to.join("summary.json")).unwrap();
	let summary: Value = serde_json::from_slice(&summary).unwrap();
	assert_eq!(summary[0]["values"], 20_000);
	assert_eq!(summary[0]["mean"], 9_999.5);
	assert_eq!(summary[1]["greatest"], 19_999.0 * 19_999.0);
	assert_eq!(summary[2]["distinct_estimate"], 2);
}

/// The command line dies between order and lease; its order must not be lost.
fn resume(devnet: &Devnet) {
	let file = File::default().write(devnet);
	let arguments = ["deploy", file.to_str().unwrap(), "--yes", "--bidding", "8"];
	let mut child = devnet
		.tenant(&arguments)
		.unwrap()
		.stderr(Stdio::piped())
		.stdout(Stdio::null())
		.spawn()
		.unwrap();
	let lines = BufReader::new(child.stderr.take().unwrap()).lines();
	let order = lines
		.map_while(Result::ok)
		.find_map(|line| {
			let rest = line.trim().strip_prefix("order ")?.to_owned();
			rest.split_whitespace().next().map(str::to_owned)
		})
		.expect("the order is placed");
	child.kill().unwrap();
	child.wait().unwrap();
	let (json, code) = devnet
		.json("//Tenant", &["deploy", "--resume", &order, "--wait"])
		.unwrap();
	assert_eq!(code, 0, "{json}");
	assert_eq!(json["order"].to_string(), order);
	assert_eq!(json["close_reason"], "Completed");
}

fn exit_code(devnet: &Devnet) {
	let module = wasm(
		r#"(module (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
		(memory (export "memory") 1)
		(func (export "_start") (call $exit (i32.const 200))))"#,
	);
	let (json, code) = File {
		module,
		..Default::default()
	}
	.run(devnet);
	assert_eq!(code, 7, "{json}");
	let record = record(devnet);
	assert!(record.iter().any(|r| r["exit_code"] == 200), "{record:?}");
}

/// The tenant's closed leases.
fn record(devnet: &Devnet) -> Vec<Value> {
	let (json, _) = devnet.json("//Tenant", &["leases", "--all"]).unwrap();
	json["closed"].as_array().cloned().unwrap_or_default()
}

/// Runs a job that fails; what the command line says of it.
pub fn fails(devnet: &Devnet, file: File, says: &str) {
	let (json, code) = file.run(devnet);
	assert_eq!(code, 7, "{json}");
	let said = json["why"].as_str().unwrap_or_default();
	assert!(said.contains(says), "{json} should say: {says}");
	assert_eq!(json["code"], 7, "{json}");
}

fn not_wasm(devnet: &Devnet) {
	let of = |module: &[u8]| File {
		module: module.to_vec(),
		..Default::default()
	};
	// What nobody would run is not paid for.
	let (json, code) = of(b"#!/bin/sh\necho no\n").run(devnet);
	assert_eq!(code, 2, "{json}");
	let said = json["error"].as_str().unwrap_or_default();
	assert!(said.contains("no WebAssembly module"), "{json}");
	// It begins like one.
	let junk = of(b"\0asm\x01\0\0\0echo no");
	fails(devnet, junk, "cannot be loaded");
}

fn foreign_imports(devnet: &Devnet) {
	let module = wasm(r#"(module (import "env" "f" (func)) (func (export "_start")))"#);
	fails(
		devnet,
		File {
			module,
			..Default::default()
		},
		"cannot be loaded",
	);
}

fn enormous(devnet: &Devnet) {
	// Two million sums each.
	let sums = [
		&[0, 0x20, 0][..],
		&[0x20, 0, 0x6a].repeat(2_000_000),
		&[0x0b],
	]
	.concat();
	fails(
		devnet,
		File {
			module: with_functions(2, &sums),
			storage: "64Mi",
			..Default::default()
		},
		"cannot be loaded",
	);
	let told = |n| {
		let log = devnet.provider_folder(n).join("daemon.log");
		let log = std::fs::read_to_string(log).unwrap();
		log.contains("it takes too much memory to compile")
	};
	assert!((0..2).any(told));
}

fn traps(devnet: &Devnet) {
	let module =
		wasm(r#"(module (memory (export "memory") 1) (func (export "_start") unreachable))"#);
	fails(
		devnet,
		File {
			module,
			attempts: 2,
			..Default::default()
		},
		"crashed, or never passed",
	);
}

fn loops(devnet: &Devnet) {
	let module =
		wasm(r#"(module (memory (export "memory") 1) (func (export "_start") (loop $l (br $l))))"#);
	fails(
		devnet,
		File {
			module,
			max_duration: "3s",
			..Default::default()
		},
		"ran longer",
	);
}

fn allocates(devnet: &Devnet) {
	let module = wasm(
		r#"(module (memory (export "memory") 1)
		(func (export "_start") (loop $l (drop (memory.grow (i32.const 16))) (br $l))))"#,
	);
	fails(
		devnet,
		File {
			module,
			..Default::default()
		},
		"needed more memory",
	);
}

fn memories(devnet: &Devnet) {
	// Each is within the 64 MiB ordered; together they are not.
	let module = wasm(
		r#"(module (memory (export "memory") 500) (memory 500) (memory 500)
		(func (export "_start")))"#,
	);
	fails(
		devnet,
		File {
			module,
			..Default::default()
		},
		"needed more memory",
	);
}

fn start_section(devnet: &Devnet) {
	let module = wasm(
		r#"(module (memory (export "memory") 1) (func $s (loop $l (br $l))) (start $s)
		(func (export "_start")))"#,
	);
	fails(
		devnet,
		File {
			module,
			max_duration: "3s",
			..Default::default()
		},
		"ran longer",
	);
}

fn prints(devnet: &Devnet) {
	// A gigabyte, four kilobytes at a time.
	let module = wasm(
		r#"(module
		(import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
		(memory (export "memory") 1)
		(func (export "_start") (local $n i32)
			(memory.fill (i32.const 1024) (i32.const 120) (i32.const 4096))
			(i32.store (i32.const 0) (i32.const 1024))
			(i32.store (i32.const 4) (i32.const 4096))
			(loop $l
				(drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 16)))
				(local.set $n (i32.add (local.get $n) (i32.const 1)))
				(br_if $l (i32.lt_u (local.get $n) (i32.const 262144))))))"#,
	);
	fails(
		devnet,
		File {
			module,
			..Default::default()
		},
		"outgrew the storage",
	);
}
