//! Services in WASM: what they answer, what they reach, and what becomes of those that misbehave.

use crate::{
	faults::{kill_daemon, runner, start_daemon, DAEMON},
	gateway::{address as address_of, provider},
	services::{close, deploy, log, page, replica, start, until},
	sessions::forwarded,
	setting::{sleeper, status, text, wasm, File},
	suite, Case, ONE,
};
use leasehold_tests::{
	devnet::{computed, last_json, signal, wait_until, Devnet, Owned},
	gateway,
};
use rustix::process::{kill_process, Pid, Signal};
use serde_json::Value;
use std::{
	io::{Read as _, Write as _},
	net::{TcpListener, TcpStream},
	os::fd::OwnedFd,
	path::Path,
	process::{Command, Stdio},
	sync::atomic::{AtomicBool, AtomicU32, Ordering},
	time::{Duration, Instant},
};

pub const CASES: &[Case] = &[
	("services_in_wasm_answer_and_reach_each_other", reach),
	("a_killed_service_in_wasm_keeps_its_volume", again),
	("a_part_of_a_core_is_no_whole_one", part_of_a_core),
	("replicas_of_a_service_are_asked_in_turn", in_turn),
	("an_update_of_modules_keeps_what_is_the_same", updated),
	("money_goes_into_a_lease_and_out_of_it", money),
	("a_request_that_misbehaves_disturbs_no_other", misbehaves),
	("a_service_in_wasm_that_fills_its_disk_is_told_so", disk),
	(
		"a_service_in_wasm_that_is_never_well_ends_the_lease",
		never_well,
	),
	(
		"what_wasm_cannot_serve_is_refused_before_it_is_paid_for",
		refused,
	),
];

/// Runs the cases; how many passed and failed.
pub fn run() -> (usize, usize) {
	let arguments = [&ONE, &["--start-deadline", "30"][..]].concat();
	suite("modules", &arguments, CASES.len(), CASES)
}

/// A service: its name, its module, more lines of it, and what is said of it under `x-leasehold`.
struct Service<'a>(&'a str, Vec<u8>, &'a str, &'a str);

const OPEN: &str = "    expose:\n      - port: 8080\n        to: [{ global: true }]\n";

/// The component that does as its request's path asks.
fn hostile() -> Vec<u8> {
	let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/hostile.wasm");
	std::fs::read(path).expect("`scripts/examples` has built it")
}

/// Writes a manifest file of services, and their modules beside it.
fn write(devnet: &Devnet, services: Vec<Service>) -> String {
	static NEXT: AtomicU32 = AtomicU32::new(0);
	let n = NEXT.fetch_add(1, Ordering::SeqCst);
	let folder = devnet.folder().join(format!("modules-{n}"));
	std::fs::create_dir_all(&folder).unwrap();
	let volume = match services.iter().any(|service| service.2.contains(VOLUME)) {
		true => ", { name: data, size: 5Mi, attributes: { persistent: true, class: beta2 } }",
		false => "",
	};
	let (mut head, mut deployment, mut own) = (String::new(), String::new(), String::new());
	for Service(name, module, more, said) in services {
		std::fs::create_dir_all(folder.join(name)).unwrap();
		// All have the same name, which is no reason to mix them up.
		std::fs::write(folder.join(name).join("module.wasm"), module).unwrap();
		head += &format!("  {name}:\n    image: \"wasm:{name}/module.wasm\"\n{more}");
		deployment += &format!("  {name}:\n    here: {{ profile: p, count: 1 }}\n");
		own += &format!("    {name}:\n      kind: service\n{said}");
	}
	let content = format!(
		"version: \"2.0\"\nservices:\n{head}profiles:\n  compute:\n    p:\n      resources:\n        \
		 cpu: {{ units: 0.1 }}\n        memory: {{ size: 32Mi }}\n        storage: [{{ size: 16Mi \
		 }}{volume}]\n  placement:\n    \
		 here:\n      attributes: {{ region: local }}\n      pricing:\n        p: {{ denom: ulease, amount: \
		 500 }}\ndeployment:\n{deployment}x-leasehold:\n  version: 1\n  services:\n{own}"
	);
	let path = folder.join("deploy.yaml");
	std::fs::write(&path, content).unwrap();
	text(&path).to_owned()
}

/// A manifest file of one service, `web`, that sleeps.
pub fn sleeping(devnet: &Devnet) -> String {
	write(devnet, vec![Service("web", sleeper(1_000), "", "")])
}

/// Starts a service, `web`, that is to be had under host names of its own, and answers `/name` with a name.
pub fn open_service(devnet: &Devnet, name: &str, hosts: &[&str]) -> u64 {
	let hosts = hosts.join(", ");
	let more = format!(
		"    env: [NAME={name}]\n    expose:\n      - port: 8080\n        as: 80\n        accept: [{hosts}]\n        \
		 to: [{{ global: true }}]\n"
	);
	let file = write(devnet, vec![Service("web", hostile(), &more, "")]);
	start(devnet, &file).0
}

/// Where a service is to be had.
fn address(json: &Value, service: &str) -> String {
	let addresses = json["addresses"].as_array().unwrap();
	let found = addresses
		.iter()
		.find(|one| one["service"] == service && one["port"] == 8_080);
	let address = found.and_then(|one| one["address"].as_str());
	address.unwrap_or_else(|| panic!("{json}")).to_owned()
}

/// (status, body) of an answer.
fn ask(address: &str, path: &str) -> (u16, String) {
	let text = page(address, path).unwrap_or_else(|error| panic!("{path}: {error}"));
	let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
	let status = head.split(' ').nth(1).and_then(|word| word.parse().ok());
	(status.unwrap_or(0), body.to_owned())
}

fn said(address: &str, path: &str) -> String {
	let (status, body) = ask(address, path);
	assert_eq!(status, 200, "{path}: {body}");
	body
}

fn reach(devnet: &Devnet) {
	let front = format!("    env: [NAME=front]\n    depends_on: [back]\n{OPEN}");
	let back =
		"    env: [NAME=back]\n    expose:\n      - port: 80\n        to: [{ service: front }]\n";
	let services = vec![
		Service("front", hostile(), &front, ""),
		Service("back", hostile(), back, ""),
		Service("worker", sleeper(1_000), "", ""),
	];
	let (lease, json) = start(devnet, &write(devnet, services));
	let front = address(&json, "front");
	assert_eq!(said(&front, "/name"), "front");
	assert_eq!(said(&front, "/fetch/back/name"), "back");
	// Wherever the machine listens, and whatever is not the lease's.
	let here = TcpListener::bind("127.0.0.1:0").unwrap();
	let here = here.local_addr().unwrap().to_string();
	for other in [
		here.as_str(),
		"169.254.169.254",
		"localhost:9944",
		"..",
		"nobody",
	] {
		let why = said(&front, &format!("/fetch/{other}/"));
		assert!(why.contains("HttpRequestDenied"), "{other}: {why}");
	}
	let why = said(&front, "/fetch/back:81/name");
	assert!(why.contains("ConnectionRefused"), "{why}");
	wait_until(Duration::from_secs(20), "the worker works", || {
		log(devnet, lease, "worker").contains(".\n.\n")
	})
	.unwrap();
	assert!(log(devnet, lease, "front").contains("/name: 5 bytes"));
	// What is not open to the world is to its tenant.
	let (_forwards, local) = forwarded(devnet, lease, &["0:80", "--service", "back"]);
	assert_eq!(said(&local, "/name"), "back");
	let several = ["port-forward", &lease.to_string(), "80"];
	let (json, code) = devnet.json("//Tenant", &several).unwrap();
	assert_eq!(code, 2, "{json}");
	assert!(
		json["error"]
			.as_str()
			.unwrap()
			.contains("back, front, worker"),
		"{json}"
	);
	let lease_text = lease.to_string();
	let inside = ["exec", &lease_text, "--service", "back", "--", "true"];
	let output = devnet.tenant(&[]).unwrap().args(inside).output().unwrap();
	let error = String::from_utf8_lossy(&output.stderr);
	assert_eq!(output.status.code(), Some(5), "{error}");
	assert!(error.contains("a module has nothing"), "{error}");
	close(devnet, lease);
	wait_until(Duration::from_secs(40), "the port is closed", || {
		page(&front, "/name").is_err()
	})
	.unwrap();
}

const VOLUME: &str = "    params: { storage: { data: { mount: /data } } }\n";

fn again(devnet: &Devnet) {
	let more = format!("{OPEN}{VOLUME}");
	let services = vec![Service("web", hostile(), &more, "")];
	let (lease, json) = start(devnet, &write(devnet, services));
	let web = address(&json, "web");
	assert_eq!(said(&web, "/write/once"), "written");
	let run = devnet.provider_folder(0);
	let run = run.join(format!("leases/{lease}/services/web/0/run"));
	let pid = std::fs::read_to_string(run.join("1.lock")).unwrap();
	let pid = Pid::from_raw(pid.parse().unwrap()).unwrap();
	kill_process(pid, Signal::KILL).unwrap();
	let seen = until(devnet, lease, "a restart", |seen| {
		seen["restarts"] == 1 && seen["state"] == "running"
	});
	let last = seen["last"].as_str().unwrap();
	assert!(last.contains("died without a report"), "{last}");
	assert_eq!(said(&web, "/read/note"), "once");
	for depth in 1..8 {
		let why = said(&web, &format!("/read/{}etc+passwd", "..+".repeat(depth)));
		assert!(!why.contains("root:"), "{why}");
	}
	close(devnet, lease);
}

fn updated(devnet: &Devnet) {
	let named = |name: &str| format!("    env: [NAME={name}]\n{OPEN}{VOLUME}");
	let (first, second) = (named("first"), named("second"));
	let worker = || Service("worker", sleeper(1_000), VOLUME, "");
	let services = vec![
		Service("web", hostile(), &first, ""),
		worker(),
		Service("old", sleeper(1_001), VOLUME, ""),
	];
	let (lease, json) = start(devnet, &write(devnet, services));
	let web = address(&json, "web");
	assert_eq!(said(&web, "/name"), "first");
	assert_eq!(said(&web, "/write/once"), "written");
	let folder = devnet.provider_folder(0).join(format!("leases/{lease}"));
	let lock = folder.join("services/worker/0/run/1.lock");
	let pid = std::fs::read_to_string(&lock).unwrap();
	let modules = || std::fs::read_dir(folder.join("modules")).unwrap().count();
	assert_eq!(modules(), 3);
	// Its module is called as the others are.
	let young = Service("young", sleeper(1_002), VOLUME, "");
	let services = vec![Service("web", hostile(), &second, ""), worker(), young];
	let arguments = ["update", &lease.to_string(), &write(devnet, services)];
	let mut update = devnet.tenant(&arguments).unwrap();
	let output = update.args(["--output", "json"]).output().unwrap();
	let told = String::from_utf8_lossy(&output.stderr);
	assert!(output.status.success(), "{told}");
	let goes = "of `old` goes, with all that is in it";
	assert_eq!(told.matches(goes).count(), 1, "{told}");
	assert_eq!(told.matches("with all that is in it").count(), 1, "{told}");
	let json = last_json(&output).unwrap();
	assert_eq!(address(&json, "web"), web, "the same port");
	assert_eq!(said(&web, "/name"), "second");
	assert_eq!(said(&web, "/read/note"), "once");
	assert_eq!(std::fs::read_to_string(&lock).unwrap(), pid);
	wait_until(
		Duration::from_secs(30),
		"what was before is removed",
		|| !folder.join("services/old/0").exists() && modules() == 3,
	)
	.unwrap();
	let (told, _) = devnet
		.json("//Tenant", &["events", &lease.to_string()])
		.unwrap();
	let removed = "old.0 and all it had are removed";
	assert!(told.to_string().contains(removed), "{told}");
	// As it is already.
	let (json, code) = devnet.json("//Tenant", &arguments).unwrap();
	assert_eq!(code, 0, "{json}");
	assert_eq!(replica(devnet, lease, 0)["restarts"], 1);
	// Two of the same new module; at once after the last.
	let third = named("third");
	let twin = |name| Service(name, sleeper(1_003), VOLUME, "");
	let services = vec![
		Service("web", hostile(), &third, ""),
		twin("one"),
		twin("two"),
	];
	let arguments = ["update", &lease.to_string(), &write(devnet, services)];
	let (json, code) = devnet.json("//Tenant", &arguments).unwrap();
	assert_eq!(code, 0, "{json}");
	assert_eq!(said(&web, "/name"), "third");
	assert_eq!(said(&web, "/read/note"), "once");
	wait_until(
		Duration::from_secs(30),
		"what was before is removed",
		|| !folder.join("services/worker/0").exists() && modules() == 2,
	)
	.unwrap();
	let manifests = std::fs::read_dir(devnet.provider_folder(0).join("manifests")).unwrap();
	let ours = manifests.flatten().filter(|entry| {
		let name = entry.file_name();
		name.to_str().unwrap().starts_with(&format!("{lease}-"))
	});
	assert_eq!(ours.count(), 1);
	let broken = Service("web", b"\0asm\x01\0\0\0no module".to_vec(), &third, "");
	let arguments = ["update", &lease.to_string(), &write(devnet, vec![broken])];
	let (json, code) = devnet.json("//Tenant", &arguments).unwrap();
	assert_eq!(code, 7, "{json}");
	close(devnet, lease);
}

fn money(devnet: &Devnet) {
	let (lease, _) = start(devnet, &sleeping(devnet));
	let id = lease.to_string();
	let tell = |arguments: &[&str]| devnet.json("//Tenant", arguments).unwrap();
	let done = |arguments: &[&str]| {
		let (json, code) = tell(arguments);
		assert_eq!(code, 0, "{arguments:?}: {json}");
		json
	};
	let held = |json: &Value| -> i128 { json["held"].as_str().unwrap().parse().unwrap() };
	const LEASE: i128 = 1_000_000_000_000;
	let before = status(devnet, lease)["chain"].take();
	let after = done(&["top-up", &id, "10", "--yes"]);
	let more = held(&after) - held(&before);
	assert!((9 * LEASE..=10 * LEASE).contains(&more), "{before} {after}");
	let after = done(&["withdraw", &id, "9.5"]);
	let more = held(&after) - held(&before);
	assert!((0..LEASE).contains(&more), "{before} {after}");
	let (json, code) = tell(&["withdraw", &id, "1000"]);
	assert_eq!(code, 5, "{json}");
	// It is paid for up to its term, an hour, which is all that can be paid for.
	let again = done(&["top-up", &id, "--until", "30d"]);
	assert_eq!(
		(&again["amount"], &again["until"]),
		(&"0".into(), &after["until"])
	);
	done(&["refill", &id, "--amount", "1", "--budget", "3", "--yes"]);
	done(&["refill", &id, "--off"]);
	done(&["revoke", &id]);
	assert!(status(devnet, lease)["workload"]["phase"].is_string());
	let told = done(&["events", &id]).to_string();
	for event in ["Deposited", "Withdrawn", "RefillSet", "AccessRevoked"] {
		assert!(told.contains(event), "{event}: {told}");
	}
	let (json, code) = tell(&["refill", &id, "--amount", "3", "--budget", "1", "--yes"]);
	assert_eq!(code, 2, "{json}");
	let least = "0.000000000001";
	let (json, code) = tell(&["refill", &id, "--amount", least, "--budget", "1", "--yes"]);
	assert_eq!(code, 2, "{json}");
	assert!(json["error"].as_str().unwrap().contains("no less than"));
	close(devnet, lease);
	let (json, code) = tell(&["top-up", &id, "1", "--yes"]);
	assert_eq!(code, 5, "{json}");
}

fn part_of_a_core(devnet: &Devnet) {
	let endless = File {
		cpu: "0.2",
		module: wasm("(module (func (export \"_start\") (loop $again (br $again))))"),
		..Default::default()
	};
	let lease = endless.start(devnet);
	let pid = runner(devnet, lease, 1);
	std::thread::sleep(Duration::from_secs(2));
	let (begun, before) = (Instant::now(), computed(pid).unwrap());
	std::thread::sleep(Duration::from_secs(6));
	let share = (computed(pid).unwrap() - before) / begun.elapsed().as_secs_f64();
	assert!((0.05..0.25).contains(&share), "it has {share:.2} of a core");
	close(devnet, lease);
}

fn misbehaves(devnet: &Devnet) {
	let open =
		"    expose:\n      - port: 8080\n        http_options: { read_timeout: 3000, send_timeout: 2000 }\n        \
	            to: [{ global: true }]\n    env: [NAME=web]\n";
	let services = vec![Service("web", hostile(), open, "")];
	let (lease, json) = start(devnet, &write(devnet, services));
	let web = &address(&json, "web");
	std::thread::scope(|scope| {
		// One core computes for all of them.
		let spins: Vec<_> = (0..3).map(|_| scope.spawn(|| ask(web, "/spin"))).collect();
		std::thread::sleep(Duration::from_millis(500));
		let begun = Instant::now();
		assert_eq!(said(web, "/name"), "web");
		assert!(
			begun.elapsed() < Duration::from_secs(2),
			"it was kept waiting"
		);
		for spin in spins {
			assert_eq!(spin.join().unwrap().0, 504);
		}
	});
	// Who does not read is cut off.
	let mut slow = TcpStream::connect(web.as_str()).unwrap();
	slow.write_all(b"GET /large HTTP/1.0\r\n\r\n").unwrap();
	std::thread::sleep(Duration::from_secs(5));
	let mut got = Vec::new();
	let _ = slow.read_to_end(&mut got);
	assert!(
		!got.is_empty() && got.len() < 64 << 20,
		"{} bytes",
		got.len()
	);
	// It breaks off, with or without its beginning.
	let half = page(web, "/half").unwrap_or_default();
	assert!(half.is_empty() || half.ends_with("a beginning"), "{half}");
	for bad in ["/panic", "/memory"] {
		assert_eq!(ask(web, bad).0, 500, "{bad}");
		assert_eq!(said(web, "/name"), "web", "after {bad}");
	}
	let output = devnet.tenant(&["logs", &lease.to_string()]).unwrap();
	let output = { output }.output().unwrap();
	let told = String::from_utf8_lossy(&output.stderr);
	for why in [
		"GET /spin: no answer in 3000 ms",
		"as it was asked to",
		"GET /panic: wasm trap: wasm `unreachable`",
		"GET /memory: it needs more memory than was leased",
		"GET /half: wasm trap: wasm `unreachable`",
	] {
		assert!(told.contains(why), "{why}: {told}");
	}
	assert_eq!(replica(devnet, lease, 0)["restarts"], 0);
	close(devnet, lease);
}

fn disk(devnet: &Devnet) {
	let services = vec![Service("web", hostile(), OPEN, "")];
	let (lease, json) = start(devnet, &write(devnet, services));
	let web = address(&json, "web");
	for (n, how) in [(1, "/disk/one"), (2, "/disk/many")] {
		let _ = page(&web, how);
		let seen = until(devnet, lease, "a restart for its storage", |seen| {
			seen["restarts"].as_u64() >= Some(n) && seen["state"] == "running"
		});
		let last = seen["last"].as_str().unwrap();
		assert!(last.contains("outgrew the storage"), "{how}: {last}");
	}
	close(devnet, lease);
}

fn never_well(devnet: &Devnet) {
	let health = "      health: { http: { port: 8080, path: /panic }, interval: 1s, timeout: 1s, retries: 2 }\n";
	let services = vec![Service("web", hostile(), OPEN, health)];
	let (record, code) = deploy(devnet, &write(devnet, services));
	assert_eq!(code, 7, "{record}");
	assert_eq!(record["close_reason"], "WorkloadFailed", "{record}");
}

fn refused(devnet: &Devnet) {
	let udp = "    expose:\n      - port: 53\n        proto: udp\n        to: [{ global: true }]\n";
	let command = "      health: { exec: [ls], interval: 1s }\n";
	for (more, said, why) in [
		(udp, "", "answers HTTP only"),
		(OPEN, command, "runs no command to see"),
	] {
		let path = write(devnet, vec![Service("web", hostile(), more, said)]);
		let output = devnet.tenant(&["deploy", &path, "--yes"]).unwrap();
		let output = { output }.output().unwrap();
		let error = String::from_utf8_lossy(&output.stderr);
		assert_eq!(output.status.code(), Some(2), "{error}");
		assert!(error.contains(why), "{error}");
	}
	// What only the provider finds out ends the lease, and says why.
	let health = "      health: { tcp: 8080, interval: 1s }\n";
	for (module, said, why) in [
		(wasm("(component)"), "", "exports neither"),
		(sleeper(100), health, "answers no health check"),
	] {
		let path = write(devnet, vec![Service("web", module, OPEN, said)]);
		let (record, code) = deploy(devnet, &path);
		assert_eq!(code, 7, "{record}");
		let lease = record["lease"].as_u64().unwrap();
		assert_eq!(record["close_reason"], "WorkloadFailed", "{record}");
		let told = devnet.tenant(&["events", &lease.to_string()]).unwrap();
		let told = { told }.output().unwrap();
		let told = String::from_utf8_lossy(&told.stdout);
		assert!(told.contains("cannot be loaded"), "{why}: {told}");
	}
}

/// By its name a service of two replicas has each asked as often as the other; its port leads to the first.
fn in_turn(devnet: &Devnet) {
	let more = "    env: [NAME=web]\n    expose:\n      - port: 8080\n        as: 80\n        to: [{ global: true }]\n";
	let file = write(devnet, vec![Service("web", hostile(), more, "")]);
	let one = std::fs::read_to_string(&file).unwrap();
	std::fs::write(&file, one.replace("count: 1", "count: 2")).unwrap();
	let (lease, json) = start(devnet, &file);
	let runtime = tokio::runtime::Runtime::new().unwrap();
	runtime.block_on(async {
		let me = provider(devnet).await;
		let client = gateway::client(&me.tls_keys).unwrap();
		let url = format!("https://{}/name", address_of(&me));
		let host = format!("web-{lease}.provider-0.localhost");
		for _ in 0..10 {
			let answer = client.get(&url).header("host", &host).send().await.unwrap();
			assert_eq!(answer.text().await.unwrap(), "web");
		}
	});

	let of = |n: u32| {
		let (lease, n) = (lease.to_string(), n.to_string());
		let arguments = ["logs", &lease, "--replica", &n];
		let output = devnet.tenant(&arguments).unwrap().output().unwrap();
		let text = String::from_utf8(output.stdout).unwrap();
		text.matches("/name: 3 bytes").count()
	};
	for _ in 0..2 {
		assert_eq!(said(&address(&json, "web"), "/name"), "web");
	}
	wait_until(Duration::from_secs(10), "all of it is written", || {
		(of(0), of(1)) == (7, 5)
	})
	.unwrap_or_else(|error| panic!("{error}: {} and {}", of(0), of(1)));
	close(devnet, lease);
}

/// The daemon ends as for an upgrade, and another begins, with the socket that systemd holds: requests by host name, by
/// one connection and by many, are all answered.
pub fn upgraded(devnet: &Devnet) {
	let lease = open_service(devnet, "web", &[]);
	let runtime = tokio::runtime::Runtime::new().unwrap();
	let me = runtime.block_on(provider(devnet));
	let (listen, keys) = (address_of(&me), &me.tls_keys);
	kill_daemon(devnet);
	let socket = TcpListener::bind(listen).unwrap();
	// As systemd does.
	let begin = || {
		let hand_over = "exec 3<&0 </dev/null; export LISTEN_PID=$$ LISTEN_FDS=1; exec \"$@\"";
		let daemon = devnet.daemon(0).unwrap();
		let log = devnet.provider_folder(0).join("daemon.log");
		let log = std::fs::File::options().append(true).open(log).unwrap();
		let mut command = Command::new("sh");
		command
			.args(["-c", hand_over, "sh"])
			.arg(daemon.get_program())
			.args(daemon.get_args())
			.stdin(Stdio::from(OwnedFd::from(socket.try_clone().unwrap())))
			.stdout(Stdio::null())
			.stderr(log);
		*DAEMON.lock().unwrap() = Some(Owned(command.spawn().unwrap()));
	};
	begin();
	let (host, asked) = (
		format!("web-{lease}.provider-0.localhost"),
		AtomicU32::new(0),
	);
	let is_over = AtomicBool::new(false);
	let ask = |anew: bool| {
		let all = async {
			let mut client = gateway::client(keys).unwrap();
			while !is_over.load(Ordering::Relaxed) {
				if anew {
					client = gateway::client(keys).unwrap();
					// Both together stay below what the gateway lets one address have, 200 handshakes a second.
					tokio::time::sleep(Duration::from_millis(15)).await;
				}
				let url = format!("https://{listen}/name");
				let mut sent = client.get(&url).header("host", &host).send().await;
				// A connection that is kept ends with the daemon: who finds that asks again, by another.
				if sent.is_err() && !anew {
					sent = client.get(&url).header("host", &host).send().await;
				}
				let answer = sent.unwrap();
				let (code, said) = (answer.status().as_u16(), answer.text().await.unwrap());
				assert_eq!((code, said.as_str()), (200, "web"));
				asked.fetch_add(1, Ordering::Relaxed);
			}
		};
		tokio::runtime::Runtime::new().unwrap().block_on(all);
	};
	std::thread::scope(|scope| {
		let ask = &ask;
		let asking = [false, true, true].map(|anew| scope.spawn(move || ask(anew)));
		for _ in 0..2 {
			std::thread::sleep(Duration::from_secs(5));
			let mut daemon = DAEMON.lock().unwrap().take().unwrap();
			signal(i32::try_from(daemon.0.id()).unwrap(), Signal::TERM);
			daemon.0.wait().unwrap();
			begin();
		}
		std::thread::sleep(Duration::from_secs(5));
		is_over.store(true, Ordering::Relaxed);
		for one in asking {
			one.join().unwrap();
		}
	});
	let asked = asked.into_inner();
	assert!(asked > 100, "{asked} requests");
	assert_eq!(replica(devnet, lease, 0)["restarts"], 0);
	kill_daemon(devnet);
	drop(socket);
	start_daemon(devnet);
	close(devnet, lease);
}

/// A daemon is ended and started again under requests: none of them fails.
pub fn no_request_is_dropped(devnet: &Devnet) {
	let more = format!("{OPEN}    env: [NAME=web]\n");
	let services = vec![Service("web", hostile(), &more, "")];
	let (lease, json) = start(devnet, &write(devnet, services));
	let web = &address(&json, "web");
	let begun = Instant::now();
	let mut asked = 0;
	std::thread::scope(|scope| {
		let restart = scope.spawn(|| {
			kill_daemon(devnet);
			std::thread::sleep(Duration::from_secs(2));
			start_daemon(devnet);
		});
		while !restart.is_finished() || begun.elapsed() < Duration::from_secs(10) {
			assert_eq!(said(web, "/name"), "web");
			asked += 1;
		}
	});
	assert!(asked > 100, "{asked} requests");
	assert_eq!(
		status(devnet, lease)["workload"]["replicas"][0]["restarts"],
		0
	);
	close(devnet, lease);
}
