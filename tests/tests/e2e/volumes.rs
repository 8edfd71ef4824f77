//! Files of running services, in and out.

use crate::services::{close, ready, start, write, Service};
use leasehold_tests::devnet::{wait_until, Devnet};
use serde_json::Value;
use std::{collections::BTreeMap, os::unix::fs::PermissionsExt as _, path::Path, time::Duration};

const KEPT: &str =
	"[{ size: 16Mi }, { name: data, size: 24Mi, attributes: { persistent: true, class: beta2 } }]";
const DATA: &str = "    params: { storage: { data: { mount: /data } } }\n";

/// (path, content, may be run) of all below a folder.
fn tree(folder: &Path) -> BTreeMap<String, (Option<Vec<u8>>, bool)> {
	let mut all = BTreeMap::new();
	let mut left = vec![folder.to_owned()];
	while let Some(next) = left.pop() {
		for entry in std::fs::read_dir(next).unwrap() {
			let path = entry.unwrap().path();
			let name = path.strip_prefix(folder).unwrap().display().to_string();
			let meta = std::fs::metadata(&path).unwrap();
			let runs = meta.is_file() && meta.permissions().mode() & 0o100 > 0;
			let content = meta.is_file().then(|| std::fs::read(&path).unwrap());
			all.insert(name, (content, runs));
			if meta.is_dir() {
				left.push(path);
			}
		}
	}
	all
}

/// A folder with a large file, many small ones, an empty folder, and a program.
fn site(folder: &Path) {
	let large: Vec<u8> = (0..3u32 << 20).map(|n| (n / 253 + n) as u8).collect();
	std::fs::create_dir_all(folder.join("many/deep")).unwrap();
	std::fs::create_dir_all(folder.join("empty")).unwrap();
	std::fs::write(folder.join("large"), large).unwrap();
	std::fs::write(folder.join("nothing"), "").unwrap();
	for n in 0..300 {
		std::fs::write(
			folder.join(format!("many/deep/{n} ä?&%.txt")),
			n.to_string(),
		)
		.unwrap();
	}
	let program = folder.join("run.sh");
	std::fs::write(&program, "#!/bin/sh\necho it runs\n").unwrap();
	std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
}

pub fn files(devnet: &Devnet) {
	ready(devnet);
	let web = "busybox chown 1000:1000 /data; echo begun > /data/begun; ln -s /etc/passwd /data/out; sleep 1000";
	let services = [
		Service("web", web, DATA),
		Service("other", "sleep 1000", &DATA.replace("/data", "/more")),
	];
	let (lease, _) = start(devnet, &write(devnet, &services, KEPT));
	let here = tempfile::tempdir().unwrap();
	let at = |name: &str| here.path().join(name).display().to_string();
	let number = lease.to_string();
	let run = |verb: &str, rest: &[&str]| -> (Value, i32) {
		let arguments = [&["files", verb, &number], rest].concat();
		devnet.json("//Tenant", &arguments).unwrap()
	};
	let good = |verb: &str, rest: &[&str]| -> Value {
		let (json, code) = run(verb, rest);
		assert_eq!(code, 0, "{verb} {rest:?}: {json}");
		json
	};
	let volumes = good("ls", &[]);
	assert_eq!(volumes["volumes"][1]["path"], "/data", "{volumes}");

	site(Path::new(&at("site")));
	std::os::unix::fs::symlink("/etc", at("site/link")).unwrap();
	let json = good("put", &[&at("site"), "/data"]);
	assert_eq!(json["files"], 303, "{json}");
	assert_eq!(json["left_out"].as_array().unwrap().len(), 1, "{json}");
	std::fs::remove_file(at("site/link")).unwrap();
	let json = good("put", &[&at("site"), "/data"]);
	assert_eq!(
		(&json["files"], &json["bytes"]),
		(&0.into(), &0.into()),
		"{json}"
	);
	// The service sees it, and it belongs to whom the volume belongs.
	let run_there = |command: &[&str]| {
		let arguments = ["exec", &number, "--service", "web", "--no-terminal", "--"];
		let mut exec = devnet.tenant(&[]).unwrap();
		let said = exec.args(arguments).args(command).output().unwrap();
		String::from_utf8(said.stdout).unwrap()
	};
	assert_eq!(run_there(&["/data/site/run.sh"]), "it runs\n");
	let modes = [
		("", 755),
		("/many/deep", 755),
		("/run.sh", 755),
		("/large", 644),
	];
	for (path, mode) in modes {
		let path = format!("/data/site{path}");
		let said = run_there(&["busybox", "stat", "-c", "%u %g %a", &path]);
		assert_eq!(said, format!("1000 1000 {mode}\n"), "{path}");
	}

	let json = good("get", &["/data/site", "--to", &at("copy")]);
	assert_eq!(json["files"], 303, "{json}");
	assert_eq!(
		tree(Path::new(&at("copy/site"))),
		tree(Path::new(&at("site")))
	);
	let json = good("get", &["/data/site/", "--to", &at("copy/site")]);
	assert_eq!(
		(&json["files"], &json["bytes"]),
		(&0.into(), &0.into()),
		"{json}"
	);
	let json = good("get", &["/data/begun", "--to", &at("copy")]);
	assert_eq!(json["files"], 1, "{json}");
	assert_eq!(std::fs::read(at("copy/begun")).unwrap(), b"begun\n");
	// What was cut off goes on: a part is here under the name of its digest.
	let large = std::fs::read(at("site/large")).unwrap();
	let digest = hex::encode(<sha2::Sha256 as sha2::Digest>::digest(&large));
	std::fs::remove_file(at("copy/site/large")).unwrap();
	let part = at(&format!("copy/site/.{}.leasehold-part", &digest[..16]));
	std::fs::write(&part, &large[..2 << 20]).unwrap();
	let json = good("get", &["/data/site", "--to", &at("copy")]);
	assert_eq!(
		(&json["files"], &json["bytes"]),
		(&1.into(), &(1 << 20).into()),
		"{json}"
	);
	assert_eq!(
		tree(Path::new(&at("copy/site"))),
		tree(Path::new(&at("site")))
	);
	// A part that is damaged is found out, and all of it comes.
	std::fs::remove_file(at("copy/site/large")).unwrap();
	std::fs::write(&part, vec![7; 2 << 20]).unwrap();
	let json = good("get", &["/data/site", "--to", &at("copy")]);
	assert_eq!(json["files"], 1, "{json}");
	assert_eq!(std::fs::read(at("copy/site/large")).unwrap(), large);

	let listed = good("ls", &["/data", "--recursive"]);
	let kinds: BTreeMap<_, _> = listed["files"]
		.as_array()
		.unwrap()
		.iter()
		.map(|one| (one["path"].as_str().unwrap(), one["kind"].as_str().unwrap()))
		.collect();
	assert_eq!(kinds["out"], "link");
	assert_eq!(kinds["site/empty"], "folder");
	assert_eq!(kinds.len(), 3 + 7 + 300 - 1, "{kinds:?}");

	let bad = |verb: &str, rest: &[&str], code: i32, why: &str| {
		let (json, found) = run(verb, rest);
		assert_eq!(found, code, "{verb} {rest:?}: {json}");
		let error = json["error"].as_str().unwrap();
		assert!(error.contains(why), "{verb} {rest:?}: {error}");
	};
	bad("get", &["/data/out"], 5, "leads out of the volume");
	bad("get", &["/data/none"], 5, "there is no");
	bad("get", &["/etc/passwd"], 2, "in no volume");
	bad("get", &["/data/../etc/passwd"], 2, "no plain path");
	bad("get", &["/"], 2, "in no volume");
	bad("get", &[], 2, "name what is to be fetched");
	bad("get", &["/data/x", "--service", "other"], 5, "in no volume");
	bad("put", &[&at("none"), "/data"], 2, "No such file");
	bad("put", &[&at("site/large"), "/data/begun"], 5, "is a file");
	std::fs::write(at("huge"), vec![1; 23 << 20]).unwrap();
	bad("put", &[&at("huge"), "/data"], 5, "the volume has room for");
	bad(
		"put",
		&[&at("site/large"), "/data/site/many/../many"],
		2,
		"no plain path",
	);
	std::fs::create_dir_all(at("clash/large/x")).unwrap();
	std::fs::write(at("clash/large/x/y"), "y").unwrap();
	bad("put", &[&at("clash/large"), "/data/site"], 5, "already");
	good("rm", &["/data/site/many", "/data/out"]);
	let listed = good("ls", &["/data", "--recursive"]);
	let left = listed["files"].as_array().unwrap();
	assert_eq!(left.len(), 1 + 1 + 4, "{listed}");
	bad("rm", &["/data"], 5, "the volume itself");
	bad("rm", &["/data/site/many"], 5, "there is no");
	let mut stranger = devnet
		.command("//Stranger", &["files", "ls", &number])
		.unwrap();
	assert_eq!(stranger.output().unwrap().status.code(), Some(5));
	close(devnet, lease);
	// The daemon hears of it with the next block.
	wait_until(Duration::from_secs(40), "its files are gone", || {
		let (json, code) = run(
			"get",
			&["/data/begun", "--service", "web", "--to", &at("late")],
		);
		let why = json["error"].as_str().unwrap_or_default();
		code == 5 && why.contains("volumes go with their lease")
	})
	.unwrap();
}
