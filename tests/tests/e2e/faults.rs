//! Daemons and nodes that die, come back, or are replaced.

use crate::{
	is_full,
	orders::asks,
	setting::{closed, sleeper, status, text, File},
	suite, Case,
};
use leasehold_tests::{
	devnet::{is_alive, last_json, program, signal, wait_until, Devnet, Owned},
	gateway,
};
use rustix::process::Signal;
use serde_json::Value;
use std::{
	net::TcpStream,
	path::{Path, PathBuf},
	process::{Child, Command, Stdio},
	sync::Mutex,
	time::Duration,
};

const CASES: &[Case] = &[
	(
		"a_killed_daemon_drops_no_request",
		crate::modules::no_request_is_dropped,
	),
	("an_upgrade_refuses_nobody", crate::modules::upgraded),
	("a_lost_store_loses_no_lease", lost_store),
	(
		"a_key_that_changes_or_is_lost_is_known_again",
		crate::gateway::keys,
	),
	("what_the_daemon_does_is_told_in_numbers", metrics),
	("an_owner_who_is_back_has_the_machine", owner_is_back),
	("a_killed_daemon_adopts_the_running_job", killed_daemon),
	(
		"a_killed_daemon_and_runner_begin_another_attempt",
		killed_daemon_and_runner,
	),
	("a_program_names_the_rate_or_passes", priced_by_a_program),
	("a_killed_node_that_is_back_has_lost_nothing", killed_node),
];
/// Beside those, where what takes long is tried, too.
const LONG: &[Case] = &[
	("a_second_daemon_with_the_same_key_waits", second_daemon),
	("an_empty_node_stops_and_wipes_nothing", empty_node),
	(
		"a_node_of_another_chain_stops_and_wipes_nothing",
		foreign_node,
	),
	(
		"a_daemon_killed_while_inputs_come_takes_them_anew",
		killed_upload,
	),
	("what_is_bid_is_reserved_until_it_is_lost", reserved),
];

pub fn cases() -> Vec<Case> {
	match is_full() {
		true => [CASES, LONG].concat(),
		false => CASES.into(),
	}
}

/// Runs the cases; how many passed and failed.
pub fn run() -> (usize, usize) {
	let arguments = ["--providers", "1", "--for-seconds", "1800"];
	suite("faults", &arguments, 1, &cases())
}

/// The first daemon and the node of the devnet that runs, once they have been started anew.
pub static DAEMON: Mutex<Option<Owned>> = Mutex::new(None);
pub static NODE: Mutex<Option<Owned>> = Mutex::new(None);

pub fn start_daemon(devnet: &Devnet) {
	*DAEMON.lock().unwrap() = Some(devnet.start_provider(0).unwrap());
}

/// The process of the daemon, whoever has started it.
pub fn daemon_pid(devnet: &Devnet) -> i32 {
	match DAEMON.lock().unwrap().as_ref() {
		Some(daemon) => i32::try_from(daemon.0.id()).unwrap(),
		None => devnet.provider_pid(0).unwrap(),
	}
}

pub fn kill_daemon(devnet: &Devnet) {
	match DAEMON.lock().unwrap().take() {
		Some(mut daemon) => daemon.kill(),
		None => {
			let pid = devnet.provider_pid(0).unwrap();
			signal(pid, Signal::KILL);
			wait_until(Duration::from_secs(10), "the daemon is dead", || {
				!is_alive(pid)
			})
			.unwrap();
		}
	}
}

/// What the daemon writes to its log from now on.
pub fn said_from_now_on(devnet: &Devnet) -> impl Fn() -> String {
	let log = devnet.provider_folder(0).join("daemon.log");
	let before = std::fs::read_to_string(&log).unwrap().len();
	move || std::fs::read_to_string(&log).unwrap().split_off(before)
}

/// Puts what the provider's file and keys say on chain.
pub fn tell_chain(devnet: &Devnet) {
	let mut update = devnet.provider(0, &["update"]).unwrap();
	wait_until(Duration::from_secs(30), "the chain is told", || {
		update.output().unwrap().status.success()
	})
	.unwrap();
}

/// Kills the node, whoever has started it.
pub fn kill_node(devnet: &Devnet) {
	match NODE.lock().unwrap().take() {
		Some(mut node) => node.kill(),
		None => {
			let pid = devnet.facts["node_pid"].as_i64().unwrap();
			let pid = i32::try_from(pid).unwrap();
			signal(pid, Signal::KILL);
			wait_until(Duration::from_secs(10), "the node is dead", || {
				!is_alive(pid)
			})
			.unwrap();
		}
	}
}

/// How a node of the devnet's chain is started that authors its blocks.
pub fn validator(spec: &str) -> [&str; 7] {
	[
		"--chain",
		spec,
		"--alice",
		"--validator",
		"--force-authoring",
		"--state-pruning",
		"archive",
	]
}

pub fn start_node(devnet: &Devnet, base: &Path, how: &[&str]) -> Owned {
	let log = std::fs::File::options()
		.create(true)
		.append(true)
		.open(devnet.folder().join("node.log"))
		.unwrap();
	let child = Command::new(program("leasehold-node").unwrap())
		.args(how)
		.arg("--base-path")
		.arg(base)
		.args(["--no-telemetry", "--no-prometheus", "--no-mdns"])
		.args([
			"--unsafe-force-node-key-generation",
			"--listen-addr",
			"/ip4/127.0.0.1/tcp/0",
		])
		.args(["--rpc-port", &devnet.facts["rpc_port"].to_string()])
		.stdin(Stdio::null())
		.stdout(Stdio::null())
		.stderr(log)
		.spawn()
		.unwrap();
	Owned(child)
}

/// Starts the node that authors once more; the daemon believes it.
fn restart_node(devnet: &Devnet) {
	let (spec, own) = (
		devnet.folder().join("chain.json"),
		devnet.folder().join("node"),
	);
	*NODE.lock().unwrap() = Some(start_node(devnet, &own, &validator(text(&spec))));
	believed(devnet);
}

/// Waits until the daemon believes the node.
pub fn believed(devnet: &Devnet) {
	let port = u16::try_from(devnet.rpc_port()).unwrap();
	wait_until(Duration::from_secs(60), "the node answers", || {
		TcpStream::connect(("127.0.0.1", port)).is_ok()
	})
	.unwrap();
	// What the daemon said of it before is not what it says now.
	std::thread::sleep(Duration::from_secs(3));
	wait_until(
		Duration::from_secs(60),
		"the daemon believes the node",
		|| {
			let said = daemon_status(devnet);
			said.is_object() && said["distrust"].is_null() && said["on_duty"] == true
		},
	)
	.unwrap_or_else(|error| panic!("{error}: {}", daemon_status(devnet)));
}

/// The process of a lease's runner.
pub fn runner(devnet: &Devnet, lease: u64, attempt: u32) -> i32 {
	let lock = lease_folder(devnet, lease).join(format!("run/{attempt}.lock"));
	std::fs::read_to_string(lock)
		.unwrap()
		.trim()
		.parse()
		.unwrap()
}

pub fn lease_folder(devnet: &Devnet, lease: u64) -> PathBuf {
	devnet
		.provider_folder(0)
		.join("leases")
		.join(lease.to_string())
}

/// What the daemon says of itself.
pub fn daemon_status(devnet: &Devnet) -> Value {
	status_of(&devnet.provider_folder(0))
}

pub fn status_of(folder: &Path) -> Value {
	let output = Command::new(program("leasehold-provider").unwrap())
		.arg("--dir")
		.arg(folder)
		.args(["status", "--output", "json"])
		.output()
		.unwrap();
	serde_json::from_slice(&output.stdout).unwrap_or_default()
}

/// Whatever the dashboard shows is there, and right.
fn metrics(devnet: &Devnet) {
	const SECRET: &str = "planted-in-the-arguments";
	let lease = File {
		args: format!("[{SECRET}]"),
		..job(600, 1)
	};
	let lease = lease.start(devnet);
	kill_daemon(devnet);
	let path = devnet.provider_folder(0).join("provider.toml");
	let before = std::fs::read_to_string(&path).unwrap();
	let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
	let listen = port.local_addr().unwrap();
	drop(port);
	let none = "# origins = [";
	assert!(before.contains(none), "{before}");
	let page = "https://page.example";
	let origins = format!("origins = [\"{page}\"] # [");
	let more = before.replace(none, &origins);
	let more = format!("{more}\n[metrics]\nlisten = \"{listen}\"\n");
	std::fs::write(&path, more).unwrap();
	start_daemon(devnet);
	let mut text = String::new();
	let read = |text: &str, name: &str| {
		let mut lines = text.lines();
		let found = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
		found.and_then(|value| value.parse::<f64>().ok())
	};
	wait_until(Duration::from_secs(40), "the numbers are right", || {
		let said = crate::services::page(&listen.to_string(), "/metrics");
		text = said.unwrap_or_default();
		let is = |name: &str, value: f64| read(&text, name) == Some(value);
		is("leasehold_provider_on_duty", 1.0)
			&& is("leasehold_provider_leases{phase=\"running\"}", 1.0)
			&& is("leasehold_provider_reserved_cpu_cores", 0.1)
			&& read(&text, "leasehold_provider_heartbeats_total") >= Some(1.0)
	})
	.unwrap_or_else(|error| panic!("{error}: {text}"));
	status(devnet, lease);
	let answers = "leasehold_provider_gateway_answers_total{class=\"2xx\"}";
	wait_until(Duration::from_secs(5), "the answer is counted", || {
		text = crate::services::page(&listen.to_string(), "/metrics").unwrap();
		read(&text, answers) >= Some(1.0)
	})
	.unwrap_or_else(|error| panic!("{error}: {text}"));
	let dashboard = include_str!("../../../dist/grafana.json");
	let words = dashboard.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
	let names = words.filter(|word| {
		["leasehold_provider_", "process_"]
			.iter()
			.any(|start| word.starts_with(start))
	});
	// Only services have replicas.
	let names: Vec<_> = names
		.filter(|name| *name != "leasehold_provider_replicas")
		.collect();
	let mut missing = Vec::new();
	wait_until(
		Duration::from_secs(20),
		"all that is shown is there",
		|| {
			text = crate::services::page(&listen.to_string(), "/metrics").unwrap();
			let there = |name: &str| text.lines().any(|line| line.starts_with(name));
			missing = names.iter().filter(|name| !there(name)).collect();
			missing.is_empty()
		},
	)
	.unwrap_or_else(|error| panic!("{error}: {missing:?}: {text}"));
	assert!(!text.contains(SECRET), "{text}");
	// Of pages the browser lets those that are named talk to the gateway.
	let allowed = |origin: &str| {
		let asked = async {
			let me = crate::gateway::provider(devnet).await;
			let client = gateway::client(&me.tls_keys).unwrap();
			let asks = client
				.request(reqwest::Method::OPTIONS, format!("{}/rpc", me.gateways[0]))
				.header("origin", origin)
				.header("access-control-request-method", "POST");
			let answer = asks.send().await.unwrap();
			let allowed = answer.headers().get("access-control-allow-origin");
			allowed.map(|origin| origin.to_str().unwrap().to_owned())
		};
		tokio::runtime::Runtime::new().unwrap().block_on(asked)
	};
	assert_eq!(allowed(page).as_deref(), Some(page));
	assert_eq!(allowed("https://other.example"), None);
	kill_daemon(devnet);
	std::fs::write(&path, before).unwrap();
	start_daemon(devnet);
	let (json, code) = devnet
		.json("//Tenant", &["close", &lease.to_string()])
		.unwrap();
	assert_eq!(code, 0, "{json}");
}

fn distrusts(devnet: &Devnet, why: &str) {
	let mut last = Value::Null;
	wait_until(
		Duration::from_secs(40),
		"the daemon does not believe the node",
		|| {
			last = daemon_status(devnet);
			last["distrust"]
				.as_str()
				.is_some_and(|said| said.contains(why))
		},
	)
	.unwrap_or_else(|error| panic!("{error}: {why}; it says {last}"));
}

pub fn job(seconds: u32, attempts: u32) -> File {
	File {
		module: sleeper(seconds),
		attempts,
		max_duration: "5m",
		..Default::default()
	}
}

pub fn dots(devnet: &Devnet, lease: u64) -> usize {
	let log = devnet
		.tenant(&["logs", &lease.to_string()])
		.unwrap()
		.output()
		.unwrap();
	log.stdout.iter().filter(|b| **b == b'.').count()
}

/// A job comes to its end as if nothing had happened: it has run once, and nothing of its log is lost.
fn is_undisturbed(devnet: &Devnet, lease: u64, seconds: usize) {
	let record = closed(devnet, lease, 150);
	assert_eq!(record["close_reason"], "Completed", "{record}");
	assert_eq!(dots(devnet, lease), seconds);
	assert_eq!(status(devnet, lease)["workload"]["attempts"], 1);
}

fn killed_daemon(devnet: &Devnet) {
	let lease = job(12, 1).start(devnet);
	let pid = runner(devnet, lease, 1);
	kill_daemon(devnet);
	assert!(is_alive(pid), "the runner outlives its daemon");
	std::thread::sleep(Duration::from_secs(3));
	start_daemon(devnet);
	is_undisturbed(devnet, lease, 12);
}

/// A copy of the daemon's folder is started beside it: it does nothing as long as the first is on duty.
fn second_daemon(devnet: &Devnet) {
	let begun = job(280, 2).start(devnet);
	let copy = devnet.folder().join("copied-provider");
	let copied = Command::new("cp")
		.arg("-r")
		.arg(devnet.provider_folder(0))
		.arg(&copy)
		.status()
		.unwrap();
	assert!(copied.success());
	let file = copy.join("provider.toml");
	let text = std::fs::read_to_string(&file).unwrap();
	let listen = text
		.lines()
		.find(|line| line.starts_with("listen = "))
		.unwrap();
	std::fs::write(&file, text.replace(listen, "listen = \"127.0.0.1:0\"")).unwrap();
	let mut second = Owned(
		Command::new(program("leasehold-provider").unwrap())
			.arg("--dir")
			.arg(&copy)
			.arg("run")
			.stdin(Stdio::null())
			.stdout(Stdio::null())
			.stderr(std::fs::File::create(devnet.folder().join("copied.log")).unwrap())
			.spawn()
			.unwrap(),
	);
	let says = |on_duty: bool| {
		let mut said = Value::Null;
		wait_until(
			Duration::from_secs(60),
			"the second daemon knows its place",
			|| {
				said = status_of(&copy);
				said["on_duty"] == on_duty
			},
		)
		.unwrap_or_else(|error| panic!("{error}: {said}"));
		said["duty"].clone()
	};
	let why = says(false);
	assert!(
		why.as_str()
			.unwrap()
			.contains("another daemon with the same key"),
		"{why}"
	);
	let lease = job(5, 1).start(devnet);
	let record = closed(devnet, lease, 60);
	assert_eq!(record["close_reason"], "Completed", "{record}");
	assert_eq!(status(devnet, lease)["workload"]["attempts"], 1);
	assert!(
		!copy.join("leases").join(lease.to_string()).exists(),
		"it ran once"
	);
	assert_eq!(daemon_status(devnet)["on_duty"], true);
	// It takes over once the first has missed its turn, with what it knows of.
	let first = daemon_pid(devnet);
	signal(first, Signal::STOP);
	says(true);
	let is_begun_anew = |one: &Value| {
		(&one["lease"], &one["attempts"], &one["phase"])
			== (&begun.into(), &2.into(), &"running".into())
	};
	let mut said = Value::Null;
	wait_until(Duration::from_secs(40), "what ran is begun anew", || {
		said = status_of(&copy);
		let leases = said["leases"].as_array();
		leases.is_some_and(|leases| leases.iter().any(is_begun_anew))
	})
	.unwrap_or_else(|error| panic!("{error}: {said}"));
	signal(first, Signal::CONT);
	wait_until(Duration::from_secs(60), "the first has stopped", || {
		said = daemon_status(devnet);
		let why = said["duty"].as_str().unwrap_or_default();
		said["on_duty"] == false && why.contains("another daemon with the same key")
	})
	.unwrap_or_else(|error| panic!("{error}: {said}"));
	second.kill();
	let lock = copy.join(format!("leases/{begun}/run/2.lock"));
	let pid = std::fs::read_to_string(lock).unwrap();
	signal(pid.trim().parse().unwrap(), Signal::KILL);
	kill_daemon(devnet);
	start_daemon(devnet);
	wait_until(
		Duration::from_secs(60),
		"the first takes over again",
		|| daemon_status(devnet)["on_duty"] == true,
	)
	.unwrap();
	assert_eq!(status(devnet, begun)["workload"]["attempts"], 1);
	crate::services::close(devnet, begun);
	let lease = job(3, 1).start(devnet);
	let record = closed(devnet, lease, 60);
	assert_eq!(record["close_reason"], "Completed", "{record}");
}

/// Index and manifests are gone, and of two jobs one was killed as well.
fn lost_store(devnet: &Devnet) {
	let (goes_on, killed) = (job(40, 1).start(devnet), job(5, 2).start(devnet));
	let (living, dead) = (runner(devnet, goes_on, 1), runner(devnet, killed, 1));
	kill_daemon(devnet);
	signal(dead, Signal::KILL);
	let folder = devnet.provider_folder(0);
	std::fs::remove_file(folder.join("store.redb")).unwrap();
	std::fs::remove_dir_all(folder.join("manifests")).unwrap();
	start_daemon(devnet);
	let mut chain = Value::Null;
	wait_until(
		Duration::from_secs(60),
		"what does not run is paused",
		|| {
			chain = status(devnet, killed)["chain"].take();
			chain["state"] == "suspended (paused)"
		},
	)
	.unwrap_or_else(|error| panic!("{error}: {chain}"));
	let (billed, other) = (chain["paid"].clone(), status(devnet, goes_on));
	assert!(is_alive(living), "what runs goes on");
	assert_eq!(other["chain"]["state"], "active", "{other}");
	assert_eq!(other["workload"]["phase"], "awaiting_manifest", "{other}");
	// Both are handed in again.
	for lease in [killed, goes_on] {
		if lease == killed {
			std::thread::sleep(Duration::from_secs(5));
			assert_eq!(
				status(devnet, killed)["chain"]["paid"],
				billed,
				"nobody pays for it"
			);
		}
		let order = status(devnet, lease)["chain"]["order"].to_string();
		let said = devnet.tenant(&["status", &lease.to_string()]).unwrap();
		let said = { said }.output().unwrap();
		let said = String::from_utf8_lossy(&said.stdout);
		let how = format!("`leasehold deploy --resume {order}` hands it in");
		assert!(said.contains(&how), "{said}");
		let (json, code) = devnet
			.json("//Tenant", &["deploy", "--resume", &order])
			.unwrap();
		assert_eq!(code, 0, "{json}");
	}
	for (lease, attempts, seconds) in [(killed, 2, 5), (goes_on, 1, 40)] {
		let record = closed(devnet, lease, 120);
		assert_eq!(record["close_reason"], "Completed", "{record}");
		assert_eq!(status(devnet, lease)["workload"]["attempts"], attempts);
		assert!(dots(devnet, lease) >= seconds, "the log is whole");
	}
}

/// The machine serves only while it is idle, and pauses what it runs when its owner is back.
fn owner_is_back(devnet: &Devnet) {
	let folder = devnet.provider_folder(0);
	let (file, program) = (folder.join("provider.toml"), folder.join("is-idle"));
	let says = |script: &str| script_at(&program, script);
	says("exit 0");
	let before = std::fs::read_to_string(&file).unwrap();
	let idle =
		format!("\n[idle]\nafter_seconds = 0\non_return = \"pause\"\nprogram = {program:?}\n");
	std::fs::write(&file, format!("{before}{idle}")).unwrap();
	kill_daemon(devnet);
	start_daemon(devnet);
	let lease = job(30, 2).start(devnet);
	let pid = runner(devnet, lease, 1);
	// A daemon that has not looked yet pauses nothing.
	kill_daemon(devnet);
	start_daemon(devnet);
	wait_until(Duration::from_secs(30), "it is found idle", || {
		let said = daemon_status(devnet);
		said["on_duty"] == true && said["offer"] == "stands"
	})
	.unwrap_or_else(|error| panic!("{error}: {}", daemon_status(devnet)));
	assert!(is_alive(pid), "what runs goes on");
	says("echo a game; exit 1");
	let state = |wanted: &str| {
		let mut last = Value::Null;
		wait_until(Duration::from_secs(60), wanted, || {
			last = status(devnet, lease)["chain"].take();
			last["state"] == wanted
		})
		.unwrap_or_else(|error| panic!("{error}: {last}"));
		last["paid"].clone()
	};
	let paid = state("suspended (paused)");
	assert!(!is_alive(pid), "nothing of it runs");
	wait_until(Duration::from_secs(40), "the offer is taken back", || {
		let said = daemon_status(devnet)["offer"].take();
		said.as_str().is_some_and(|said| said.contains("a game"))
	})
	.unwrap_or_else(|error| panic!("{error}: {}", daemon_status(devnet)));
	let (json, code) = job(3, 1).run(devnet);
	assert_eq!(code, 4, "{json}");
	assert_eq!(state("suspended (paused)"), paid, "nobody pays for it");
	says("exit 0");
	state("active");
	// It has no attempt left: it goes on to its end.
	says("echo a game; exit 1");
	let record = closed(devnet, lease, 150);
	assert_eq!(record["close_reason"], "Completed", "{record}");
	assert_eq!(status(devnet, lease)["workload"]["attempts"], 2);
	std::fs::write(&file, before).unwrap();
	kill_daemon(devnet);
	start_daemon(devnet);
}

/// Writes a shell script in one step: what runs meanwhile is the one or the other.
fn script_at(path: &Path, script: &str) {
	use std::os::unix::fs::PermissionsExt as _;
	let part = path.with_extension("part");
	std::fs::write(&part, format!("#!/bin/sh\n{script}\n")).unwrap();
	std::fs::set_permissions(&part, std::fs::Permissions::from_mode(0o700)).unwrap();
	std::fs::rename(&part, path).unwrap();
}

fn priced_by_a_program(devnet: &Devnet) {
	let folder = devnet.provider_folder(0);
	let (file, program) = (folder.join("provider.toml"), folder.join("price"));
	let says = |what: &str| script_at(&program, &format!("echo '{what}'"));
	let before = std::fs::read_to_string(&file).unwrap();
	let off = "# program = \"/usr/local/bin/price\"";
	assert!(before.contains(off));
	let on = format!("program = {program:?}");
	std::fs::write(&file, before.replace(off, &on)).unwrap();
	says(r#"{"pass": "not on Sundays"}"#);
	let small = job(3, 1).write(devnet);
	let offers = |there: bool| {
		let what = "the offer follows the file";
		wait_until(Duration::from_secs(60), what, || {
			asks(devnet, &small)[0].is_some() == there
		})
		.unwrap();
	};
	offers(true);
	kill_daemon(devnet);
	start_daemon(devnet);
	offers(false);
	let (json, code) = job(3, 1).run(devnet);
	assert_eq!(code, 4, "{json}");
	let log = std::fs::read_to_string(folder.join("daemon.log")).unwrap();
	assert!(log.contains("our pricing passes: not on Sundays"));
	says(r#"{"rate": "12345"}"#);
	let lease = job(6, 1).start(devnet);
	assert_eq!(status(devnet, lease)["chain"]["rate"], "12345");
	let record = closed(devnet, lease, 60);
	assert_eq!(record["close_reason"], "Completed", "{record}");
	std::fs::write(&file, before).unwrap();
	kill_daemon(devnet);
	start_daemon(devnet);
	offers(true);
}

fn killed_daemon_and_runner(devnet: &Devnet) {
	let lease = job(6, 2).start(devnet);
	let pid = runner(devnet, lease, 1);
	kill_daemon(devnet);
	signal(pid, Signal::KILL);
	let before = status(devnet, lease)["chain"]["until"].as_u64().unwrap();
	assert!(before > 0);
	// Longer than the grace of 15 blocks: what is beyond it is not billed.
	std::thread::sleep(Duration::from_secs(25));
	start_daemon(devnet);
	let record = closed(devnet, lease, 60);
	assert_eq!(record["close_reason"], "Completed", "{record}");
	assert_eq!(status(devnet, lease)["workload"]["attempts"], 2);
	let served = record["served_blocks"].as_u64().unwrap();
	let closed_at = record["closed_at"].as_u64().unwrap();
	let (told, _) = devnet
		.json("//Tenant", &["events", &lease.to_string()])
		.unwrap();
	let started = told
		.as_array()
		.unwrap()
		.iter()
		.find(|t| t["event"] == "LeaseStarted")
		.and_then(|t| t["block"].as_u64())
		.unwrap();
	let (lived, grace) = (closed_at - started, 15);
	assert!(lived >= 25, "{lived}");
	// Blocks on duty before and after the gap, and at most the grace of the gap.
	assert!(
		served <= lived - 25 + grace,
		"{served} of {lived} blocks were billed"
	);
}

/// The daemon is killed while a tenant hands in what the job needs.
fn killed_upload(devnet: &Devnet) {
	let names = ["a", "b", "c", "d", "e", "f", "g", "h"];
	let file = File {
		inputs: names.map(|name| (name, vec![7; 24 << 20])).into(),
		storage: "256Mi",
		..Default::default()
	};
	let path = file.write(devnet);
	let mut deploy = devnet
		.tenant(&["deploy", text(&path), "--wait", "--yes", "--output", "json"])
		.unwrap();
	let deploy = deploy.stdout(Stdio::piped()).stderr(Stdio::null());
	let said = said_from_now_on(devnet);
	let deploy = deploy.spawn().unwrap();
	wait_until(Duration::from_secs(60), "files are handed in", || {
		said().contains("the manifest is handed in")
	})
	.unwrap();
	kill_daemon(devnet);
	assert!(!said().contains("starting the workload"), "all was there");
	std::thread::sleep(Duration::from_secs(2));
	start_daemon(devnet);
	let ended = deploy.wait_with_output().unwrap();
	let json = last_json(&ended).unwrap();
	assert_eq!(ended.status.code(), Some(0), "{json}");
	let seen = status(devnet, json["lease"].as_u64().unwrap());
	assert_eq!(seen["workload"]["attempts"], 1, "{seen}");
}

/// Two orders of which there is room for one: the second is bid on once the first is gone.
fn reserved(devnet: &Devnet) {
	believed(devnet);
	let (all, _) = devnet.json("//Tenant", &["providers"]).unwrap();
	let cpu = all[0]["cpu_millis"].as_u64().unwrap() * 6 / 10;
	let cpu: &'static str = format!("{}.{:03}", cpu / 1_000, cpu % 1_000).leak();
	let place = |cpu: &'static str, name: &'static str| {
		let file = File {
			cpu,
			args: format!("[{name}]"),
			..Default::default()
		};
		let path = file.write(devnet);
		let arguments = ["deploy", text(&path), "--yes", "--bidding", "60"];
		let mut deploy = devnet.tenant(&arguments).unwrap();
		let deploy = deploy.stdout(Stdio::null()).stderr(Stdio::null());
		Owned(deploy.spawn().unwrap())
	};
	let orders = || {
		let (orders, _) = devnet.json("//Tenant", &["orders", "--mine"]).unwrap();
		let ids = orders.as_array().unwrap().iter();
		ids.map(|one| one["order"].to_string()).collect::<Vec<_>>()
	};
	let why = |order: &str| {
		let mut why = devnet
			.provider(0, &["why", order, "--output", "json"])
			.unwrap();
		let said = why.output().unwrap();
		serde_json::from_slice::<Value>(&said.stdout).unwrap_or_default()["decided"].take()
	};
	let decided = |order: &str, decision: &str| {
		wait_until(Duration::from_secs(30), decision, || {
			why(order)["decision"] == decision
		})
		.unwrap_or_else(|error| panic!("{error}: {}", why(order)));
	};
	let _first = place(cpu, "first");
	wait_until(Duration::from_secs(30), "the first is open", || {
		orders().len() == 1
	})
	.unwrap();
	let first = orders().remove(0);
	decided(&first, "bid");
	let _second = place(cpu, "second");
	wait_until(Duration::from_secs(30), "the second is open", || {
		orders().len() == 2
	})
	.unwrap();
	let second = orders().into_iter().find(|order| *order != first).unwrap();
	decided(&second, "passed");
	assert!(why(&second)["why"].as_str().unwrap().contains("CPU"));
	let (said, code) = devnet
		.json("//Tenant", &["close", "--order", &first, "--yes"])
		.unwrap();
	assert_eq!(code, 0, "{said}");
	decided(&second, "bid");
	let (said, code) = devnet
		.json("//Tenant", &["close", "--order", &second, "--yes"])
		.unwrap();
	assert_eq!(code, 0, "{said}");
}

/// A `deploy --wait` whose job runs, as lease `lease`.
fn deploy_and_wait(devnet: &Devnet, lease: u64) -> Child {
	let file = job(15, 1).write(devnet);
	let child = devnet
		.tenant(&["deploy", text(&file), "--wait", "--yes", "--output", "json"])
		.unwrap()
		.stdout(Stdio::piped())
		.stderr(Stdio::null())
		.spawn()
		.unwrap();
	wait_until(Duration::from_secs(60), "the second job runs", || {
		status(devnet, lease)["chain"]["state"] == "active"
	})
	.unwrap();
	child
}

/// The node is killed and started anew: who waits for a job meanwhile goes on.
fn killed_node(devnet: &Devnet) {
	let lease = job(80, 1).start(devnet);
	let pid = runner(devnet, lease, 1);
	let waiting = deploy_and_wait(devnet, lease.saturating_add(1));
	kill_node(devnet);
	distrusts(devnet, "cannot be reached");
	restart_node(devnet);
	assert!(is_alive(pid));
	assert_eq!(status(devnet, lease)["chain"]["state"], "active");
	let output = waiting.wait_with_output().unwrap();
	let told = last_json(&output).unwrap();
	assert!(output.status.success(), "{told}");
	assert_eq!(told["close_reason"], "Completed", "{told}");
	is_undisturbed(devnet, lease, 80);
}

/// Another node takes the place of the one that authors, for a while.
fn misled(devnet: &Devnet, folder: &str, how: &[&str], why: &str) {
	let lease = job(60, 1).start(devnet);
	let pid = runner(devnet, lease, 1);
	kill_node(devnet);
	distrusts(devnet, "cannot be reached");
	let mut other = start_node(devnet, &devnet.folder().join(folder), how);
	distrusts(devnet, why);
	assert!(is_alive(pid), "nothing is stopped");
	let module = lease_folder(devnet, lease).join("module.wasm");
	assert!(module.exists(), "nothing is wiped");
	other.kill();
	restart_node(devnet);
	is_undisturbed(devnet, lease, 60);
}

/// One of the same chain: it knows no lease.
fn empty_node(devnet: &Devnet) {
	let spec = devnet.folder().join("chain.json");
	misled(
		devnet,
		"empty",
		&["--chain", text(&spec)],
		"was seen before",
	);
}

fn foreign_node(devnet: &Devnet) {
	misled(devnet, "foreign", &["--dev"], "another chain");
}
