//! What the command line says of manifest files, without a chain.

#![allow(clippy::unwrap_used)]

use serde_json::Value;
use std::{
	path::Path,
	process::{Command, Output},
};

const GOOD: &str = r#"version: "2.0"
services:
  web:
    image: nginx
    shoes: 1
    expose: [{ port: 80, to: [{ global: true }] }]
profiles:
  compute:
    small:
      resources:
        cpu: { units: 0.5 }
        memory: { size: 1G }
        storage: { size: 1Gi }
  placement:
    anywhere:
      pricing:
        small: { denom: ulease, amount: 1.25 }
deployment:
  web:
    anywhere: { profile: small, count: 4 }
"#;

fn leasehold(folder: &Path, arguments: &[&str]) -> Output {
	Command::new(env!("CARGO_BIN_EXE_leasehold"))
		.args(arguments)
		.current_dir(folder)
		.env_clear()
		.output()
		.unwrap()
}

fn folder() -> tempfile::TempDir {
	let folder = tempfile::tempdir().unwrap();
	let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
	write("good.yaml", GOOD);
	write(
		"bad.yaml",
		&GOOD
			.replace("1G }", "1GB }")
			.replace("image: nginx\n", "image:\n"),
	);
	write("tiny.yaml", &GOOD.replace("1G }", "4Mi }"));
	write(
		"compose.yaml",
		"services: { web: { image: nginx, ports: [\"80\"] } }",
	);
	folder
}

fn text(bytes: &[u8]) -> String {
	String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn a_line_a_fault_and_an_exit_code() {
	let folder = folder();
	let good = leasehold(folder.path(), &["validate", "good.yaml"]);
	assert_eq!(good.status.code(), Some(0));
	let warning = "good.yaml:5:5: services.web.shoes: is not known here and is ignored (warning)\n";
	assert_eq!(text(&good.stdout), warning);
	let both = leasehold(
		folder.path(),
		&["validate", "good.yaml", "bad.yaml", "none.yaml"],
	);
	assert_eq!(both.status.code(), Some(2));
	let lines = text(&both.stdout);
	let size = "bad.yaml:12:25: profiles.compute.small.resources.memory.size: ";
	assert!(lines.lines().any(|line| line.starts_with(size)), "{lines}");
	assert!(
		lines.contains("bad.yaml:3:3: services.web.image: is missing\n"),
		"{lines}"
	);
	assert!(lines.contains("none.yaml:1:1: file: "), "{lines}");
	assert!(text(&both.stderr).contains("2 of 3 files cannot be used"));
}

#[test]
fn what_deploy_refuses_is_a_warning() {
	let folder = folder();
	let tiny = leasehold(folder.path(), &["validate", "tiny.yaml"]);
	assert_eq!(tiny.status.code(), Some(0));
	let lines = text(&tiny.stdout);
	let why = "tiny.yaml:3:3: services.web: `deploy` refuses it so far: `web` is a container and has less than 8 MiB of \
	           memory (warning)";
	let told: Vec<_> = lines.lines().filter(|line| *line == why).collect();
	assert_eq!(told.len(), 1, "{lines}");
	let json = ["validate", "tiny.yaml", "--output", "json"];
	let output = leasehold(folder.path(), &json);
	assert_eq!(output.status.code(), Some(0));
	let value: Value = serde_json::from_slice(&output.stdout).unwrap();
	assert_eq!(
		(&value["ok"], &value["services"]),
		(&true.into(), &1.into())
	);
	let faults = value["faults"].as_array().unwrap();
	assert_eq!(faults.len(), 2);
	assert!(faults.iter().all(|fault| fault["level"] == "warning"));
	assert_eq!(
		(&faults[0]["key"], &faults[0]["line"]),
		(&"services.web".into(), &3.into())
	);
}

#[test]
fn an_object_a_file_on_a_line_of_its_own() {
	let folder = folder();
	let files = [
		"validate",
		"--output",
		"json",
		"good.yaml",
		"bad.yaml",
		"compose.yaml",
	];
	let output = leasehold(folder.path(), &files);
	assert_eq!(output.status.code(), Some(2));
	let lines = text(&output.stdout);
	let all: Vec<Value> = lines
		.lines()
		.map(|line| serde_json::from_str(line).unwrap())
		.collect();
	let [good, bad, compose] = all.as_slice() else {
		panic!("three lines are expected: {lines}")
	};
	assert_eq!(good["file"], "good.yaml");
	assert_eq!((&good["ok"], &good["services"]), (&true.into(), &1.into()));
	assert_eq!(good["cpu_millis"], 2_000);
	assert_eq!(good["memory_bytes"], 4_000_000_000u64);
	assert_eq!(good["storage_bytes"], 4u64 << 30);
	assert_eq!(good["gpu_units"], 0);
	let fault = &good["faults"][0];
	assert_eq!(
		(&fault["level"], &fault["line"]),
		(&"warning".into(), &5.into())
	);
	assert_eq!((&bad["ok"], &bad["services"]), (&false.into(), &0.into()));
	assert_eq!(bad["faults"].as_array().unwrap().len(), 3);
	assert_eq!(compose["ok"], true);
}

#[test]
fn a_price_needs_no_chain() {
	let folder = folder();
	let price = leasehold(folder.path(), &["price", "good.yaml", "--output", "json"]);
	assert_eq!(price.status.code(), Some(0));
	let value: Value = serde_json::from_slice(&price.stdout).unwrap();
	let placement = &value["placements"][0];
	assert_eq!(placement["planck_a_block"], "5000000");
	assert_eq!(placement["planck_an_hour"], "6000000000");
	assert_eq!(placement["memory_mib"], 3_816);
	let shown = text(&leasehold(folder.path(), &["price", "good.yaml"]).stdout);
	assert!(shown.contains("0.006 LEASE an hour"), "{shown}");
	let bad = leasehold(folder.path(), &["price", "bad.yaml"]);
	assert_eq!(bad.status.code(), Some(2));
}
