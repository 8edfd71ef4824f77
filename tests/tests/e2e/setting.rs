//! What the cases start from: manifest files of their own writing, and modules in WebAssembly text.

use leasehold_tests::devnet::{wait_until, Devnet};
use serde_json::Value;
use std::{
	path::{Path, PathBuf},
	sync::atomic::{AtomicU32, Ordering},
	time::Duration,
};

/// A manifest file.
pub struct File {
	pub cpu: &'static str,
	pub memory: &'static str,
	pub storage: &'static str,
	/// More lines of the resources.
	pub more: &'static str,
	pub attributes: &'static str,
	pub args: String,
	pub max_duration: &'static str,
	pub attempts: u32,
	/// (name, content) of inputs.
	pub inputs: Vec<(&'static str, Vec<u8>)>,
	pub module: Vec<u8>,
	/// In place of the module: an image, and more lines of the service.
	pub image: Option<(String, String)>,
}

impl Default for File {
	fn default() -> Self {
		Self {
			cpu: "0.1",
			memory: "64Mi",
			storage: "16Mi",
			more: "",
			attributes: "{ region: local }",
			args: "[]".into(),
			max_duration: "2m",
			attempts: 1,
			inputs: Vec::new(),
			module: wasm(HELLO),
			image: None,
		}
	}
}

impl File {
	/// Writes the file and what it names into a folder of its own.
	pub fn write(&self, devnet: &Devnet) -> PathBuf {
		static NEXT: AtomicU32 = AtomicU32::new(0);
		let n = NEXT.fetch_add(1, Ordering::SeqCst);
		let folder = devnet.folder().join(format!("case-{n}"));
		std::fs::create_dir_all(&folder).unwrap();
		std::fs::write(folder.join("module.wasm"), &self.module).unwrap();
		let mut inputs = String::new();
		for (name, content) in &self.inputs {
			std::fs::write(folder.join(name), content).unwrap();
			inputs.push_str(&format!("{{ from: {name}, path: {name} }}, "));
		}
		let Self {
			cpu,
			memory,
			storage,
			attributes,
			args,
			max_duration,
			attempts,
			more: also,
			..
		} = self;
		let module = ("wasm:module.wasm".to_owned(), String::new());
		let (image, more) = self.image.clone().unwrap_or(module);
		let text = format!(
			"version: \"2.0\"\nservices:\n  job:\n    image: {image:?}\n    args: {args}\n{more}\
			 profiles:\n  compute:\n    p:\n      resources:\n        cpu: {{ units: {cpu} }}\n        \
			 memory: {{ size: {memory} }}\n        storage: {{ size: {storage} }}\n{also}  placement:\n    \
			 here:\n      attributes: {attributes}\n      pricing:\n        p: {{ denom: ulease, \
			 amount: 500 }}\ndeployment:\n  job:\n    here: {{ profile: p, count: 1 }}\nx-leasehold:\n  \
			 version: 1\n  services:\n    job:\n      kind: job\n      inputs: [{inputs}]\n      \
			 max_duration: {max_duration}\n      attempts: {attempts}\n"
		);
		let path = folder.join("deploy.yaml");
		std::fs::write(&path, text).unwrap();
		path
	}

	/// Deploys as the tenant and waits for the end: JSON and exit code.
	pub fn run(&self, devnet: &Devnet) -> (Value, i32) {
		let path = self.write(devnet);
		devnet
			.json("//Tenant", &["deploy", text(&path), "--wait", "--yes"])
			.unwrap()
	}

	/// Deploys as the tenant and returns when the workload runs: the lease.
	pub fn start(&self, devnet: &Devnet) -> u64 {
		let path = self.write(devnet);
		let (json, code) = devnet
			.json("//Tenant", &["deploy", text(&path), "--yes"])
			.unwrap();
		assert_eq!(code, 0, "{json}");
		json["lease"].as_u64().unwrap()
	}
}

pub fn text(path: &Path) -> &str {
	path.to_str().unwrap()
}

/// A module from WebAssembly text.
pub fn wasm(text: &str) -> Vec<u8> {
	wat::parse_str(text).unwrap()
}

/// A number as modules have it.
pub fn number(mut n: usize) -> Vec<u8> {
	let mut bytes = Vec::new();
	while n > 0x7f {
		bytes.push((n & 0x7f) as u8 | 0x80);
		n >>= 7;
	}
	bytes.push(n as u8);
	bytes
}

/// A module that does nothing, with so many functions of this body: (i32) -> (i32).
pub fn with_functions(count: usize, body: &[u8]) -> Vec<u8> {
	let section = |id: u8, content: &[u8]| [&[id][..], &number(content.len()), content].concat();
	let function = |body: &[u8]| [&number(body.len()), body].concat();
	let all = number(count + 1);
	let types = [&all[..], &[0], &vec![1; count]].concat();
	let code = [
		&all[..],
		&function(&[0, 0x0b]),
		&function(body).repeat(count),
	]
	.concat();
	[
		&b"\0asm\x01\0\0\0"[..],
		&section(1, &[2, 0x60, 0, 0, 0x60, 1, 0x7f, 1, 0x7f]),
		&section(3, &types),
		&section(7, b"\x01\x06_start\0\0"),
		&section(10, &code),
	]
	.concat()
}

/// Writes a line and a result file, then ends with code 0.
pub const HELLO: &str = r#"(module
	(import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
	(import "wasi_snapshot_preview1" "path_open"
		(func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
	(memory (export "memory") 1)
	(data (i32.const 64) "hello\n")
	(data (i32.const 96) "greeting.txt")
	(func (export "_start")
		(i32.store (i32.const 0) (i32.const 64))
		(i32.store (i32.const 4) (i32.const 6))
		(drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 16)))
		;; folder 4 is /out; create, all rights that writing needs
		(drop (call $open (i32.const 4) (i32.const 0) (i32.const 96) (i32.const 12) (i32.const 1)
			(i64.const 64) (i64.const 0) (i32.const 0) (i32.const 20)))
		(drop (call $write (i32.load (i32.const 20)) (i32.const 0) (i32.const 1) (i32.const 16)))))"#;

/// Sleeps for so many seconds, a second at a time, and writes a dot after each.
pub fn sleeper(seconds: u32) -> Vec<u8> {
	wasm(&format!(
		r#"(module
	(import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
	(import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
	(memory (export "memory") 1)
	(data (i32.const 64) ".\n")
	(func (export "_start") (local $n i32)
		(i32.store (i32.const 0) (i32.const 64))
		(i32.store (i32.const 4) (i32.const 2))
		;; a subscription to the monotonic clock, one second from now
		(i32.store (i32.const 216) (i32.const 1))
		(i64.store (i32.const 224) (i64.const 1000000000))
		(loop $again
			(drop (call $poll (i32.const 200) (i32.const 320) (i32.const 1) (i32.const 400)))
			(drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 16)))
			(local.set $n (i32.add (local.get $n) (i32.const 1)))
			(br_if $again (i32.lt_u (local.get $n) (i32.const {seconds}))))))"#
	))
}

/// What the chain and the provider say of a lease.
pub fn status(devnet: &Devnet, lease: u64) -> Value {
	devnet
		.json("//Tenant", &["status", &lease.to_string()])
		.map(|(json, _)| json)
		.unwrap_or_default()
}

/// Waits until the lease is closed; its record.
pub fn closed(devnet: &Devnet, lease: u64, seconds: u64) -> Value {
	let mut last = Value::Null;
	wait_until(Duration::from_secs(seconds), "the lease is closed", || {
		last = status(devnet, lease)["chain"].take();
		last["state"] == "closed"
	})
	.unwrap_or_else(|error| panic!("{error}; last seen: {last}"));
	last
}

/// The ends of the logs, for who reads a failure.
pub fn show_logs(devnet: &Devnet) {
	let mut logs = vec![devnet.folder().join("node.log")];
	for n in 0..2 {
		logs.push(devnet.provider_folder(n).join("daemon.log"));
	}
	for log in logs {
		let Ok(text) = std::fs::read_to_string(&log) else {
			continue;
		};
		let lines: Vec<_> = text.lines().collect();
		println!("--- {}", log.display());
		// What went wrong may have gone wrong long before the end.
		let (before, last) = lines.split_at(lines.len().saturating_sub(60));
		let bad = |line: &&&str| line.contains(" WARN ") || line.contains(" ERROR ");
		let bad: Vec<_> = before.iter().filter(bad).collect();
		for line in bad.into_iter().rev().take(60).rev().chain(last) {
			println!("{line}");
		}
	}
}
