//! What rarely happens: a fork, a node that lies, a clock that is set, two daemons on one engine. `scripts/test-faults`
//! runs these cases, `scripts/test` does not: they take long.

use crate::{
	chosen,
	containers::{self, setting},
	faults::{
		believed, dots, job, kill_daemon, kill_node, lease_folder, runner, said_from_now_on,
		start_daemon, start_node, status_of, validator, DAEMON,
	},
	forger, is_full, services,
	setting::{closed, number, status, text, with_functions, File},
	suite, sum, Case, ONE,
};
use codec::Encode as _;
use frame_system::{EventRecord, Phase};
use leasehold_primitives::{CloseReason, Fault};
use leasehold_runtime::{AccountId, Hash, RuntimeEvent};
use leasehold_tests::devnet::{is_alive, signal, wait_until, Devnet, Owned};
use rand::{RngCore as _, SeedableRng as _};
use rustix::process::Signal;
use serde_json::Value;
use std::{
	path::PathBuf,
	process::{Command, Stdio},
	time::Duration,
};

const FORKS: &[Case] = &[
	("a_node_that_forges_events_misleads_nobody", forged),
	("a_fork_runs_what_its_longer_branch_says", fork),
];
const MODULES: &[Case] = &[(
	"a_module_that_takes_minutes_to_compile_is_given_up",
	slow_module,
)];
const CLOCKS: &[Case] = &[("a_clock_that_is_set_ends_nothing", clock)];
const ENGINES: &[Case] = &[(
	"two_daemons_on_one_engine_leave_each_other_alone",
	one_engine,
)];

const PULLS: &[Case] = &[
	("an_image_that_is_too_large_is_not_pulled", too_large),
	("a_daemon_killed_while_it_pulls_begins_anew", killed_pull),
];

/// Runs the cases without an engine.
pub fn forks() -> (usize, usize) {
	if !is_full() {
		return (0, 0);
	}
	let patient = [&ONE[..], &["--start-deadline", "300"]].concat();
	sum(&[
		suite("forks", &ONE, 1, FORKS),
		suite("modules that take long", &patient, 1, MODULES),
	])
}

/// All of them, where they are tried.
pub fn cases() -> Vec<Case> {
	match is_full() {
		true => [FORKS, MODULES, CLOCKS, ENGINES, PULLS].concat(),
		false => Vec::new(),
	}
}

/// Whether any of those with an engine was asked for.
pub fn any() -> bool {
	is_full() && !chosen(&[CLOCKS, ENGINES, PULLS].concat()).is_empty()
}

/// Runs the cases with an engine; `arguments` are those of a devnet with one.
pub fn run(arguments: &[&str]) -> (usize, usize) {
	if !any() {
		return (0, 0);
	}
	let one = [&ONE[..], arguments].concat();
	let clocks = suite("clocks", &one, 1, CLOCKS);
	let pulls = suite("pulls", &one, 1, PULLS);
	let two = [&["--for-seconds", "900"][..], arguments].concat();
	let engines = suite("engines", &two, 1, ENGINES);
	sum(&[clocks, pulls, engines])
}

/// The daemon is told of no events at all, then of ends that never were: it goes by what the chain's state says.
fn forged(devnet: &Devnet) {
	let runtime = tokio::runtime::Runtime::new().unwrap();
	let events = forger::Events::default();
	let address = forger::begin(&runtime, devnet.node(), events.clone());
	let file = devnet.provider_folder(0).join("provider.toml");
	let before = std::fs::read_to_string(&file).unwrap();
	let honest = format!("node = {:?}", devnet.node());
	assert!(before.contains(&honest));
	let lying = before.replace(&honest, &format!("node = \"ws://{address}\""));
	std::fs::write(&file, lying).unwrap();
	let restart = || {
		kill_daemon(devnet);
		start_daemon(devnet);
		believed(devnet);
	};
	restart();
	let record = |event: RuntimeEvent| EventRecord::<RuntimeEvent, Hash> {
		phase: Phase::ApplyExtrinsic(1),
		event,
		topics: Vec::new(),
	};
	let end = |lease: u64| {
		let closed = pallet_market::Event::LeaseClosed {
			lease,
			order: lease,
			tenant: AccountId::new([1; 32]),
			provider: 0,
			reason: CloseReason::TenantClosed,
			fault: Fault::Nobody,
			served_blocks: 1,
			paid: 1,
			fees: 0,
			refunded: 0,
			compensation: 0,
		};
		record(RuntimeEvent::Market(closed))
	};
	let success = record(RuntimeEvent::System(
		frame_system::Event::ExtrinsicSuccess {
			dispatch_info: Default::default(),
		},
	));
	// Of whatever number the next leases are.
	let ends: Vec<_> = (0..64).map(end).chain([success]).collect();
	let none: Vec<EventRecord<RuntimeEvent, Hash>> = Vec::new();
	for told in [none.encode(), ends.encode(), vec![0xff; 64]] {
		events.lock().unwrap().0 = told;
		let (json, code) = job(5, 1).run(devnet);
		assert_eq!(code, 0, "{json}");
		assert_eq!(json["close_reason"], "Completed", "{json}");
		let lease = json["lease"].as_u64().unwrap();
		assert_eq!(dots(devnet, lease), 5, "it ran once");
		let lies = std::mem::take(&mut events.lock().unwrap().1);
		assert!(lies > 0, "the daemon has asked for no events");
	}
	std::fs::write(&file, before).unwrap();
	restart();
}

/// While finality stands still the node goes on from an earlier block, by another branch, without a lease that runs.
fn fork(devnet: &Devnet) {
	let spec = devnet.folder().join("chain.json");
	let own = devnet.folder().join("node");
	let copy = devnet.folder().join("earlier");
	let validator = validator(text(&spec));
	let no_finality = [&validator[..], &["--no-grandpa"]].concat();
	believed(devnet);
	kill_node(devnet);
	// The last of its threads holds the database for a moment longer.
	std::thread::sleep(Duration::from_secs(2));
	let mut node = start_node(devnet, &own, &no_finality);
	believed(devnet);
	let stays = job(150, 1).start(devnet);
	let lasting = runner(devnet, stays, 1);
	// What it has told is on disk.
	std::thread::sleep(Duration::from_secs(3));
	node.kill();
	let copied = Command::new("cp").arg("-r").args([&own, &copy]).status();
	assert!(copied.unwrap().success());
	let mut node = start_node(devnet, &own, &no_finality);
	believed(devnet);
	let undone = job(100, 1).start(devnet);
	let pid = runner(devnet, undone, 1);
	assert!(is_alive(pid) && is_alive(lasting));
	node.kill();
	std::fs::remove_dir_all(&own).unwrap();
	std::fs::rename(&copy, &own).unwrap();
	let _node = start_node(devnet, &own, &validator);
	believed(devnet);
	wait_until(
		Duration::from_secs(40),
		"what was undone is stopped",
		|| !is_alive(pid),
	)
	.unwrap();
	assert!(is_alive(lasting), "what both branches have goes on");
	let module = lease_folder(devnet, undone).join("module.wasm");
	assert!(module.exists(), "nothing is wiped that is not closed");
	// The number goes to another's lease: nothing of the first is mixed up with it.
	let path = job(5, 1).write(devnet);
	let (json, code) = devnet
		.json("//Stranger", &["deploy", text(&path), "--yes", "--wait"])
		.unwrap();
	assert_eq!(code, 0, "{json}");
	assert_eq!(json["lease"].as_u64(), Some(undone), "{json}");
	assert_eq!(json["close_reason"], "Completed", "{json}");
	let arguments = ["logs", &undone.to_string()];
	let log = devnet.command("//Stranger", &arguments).unwrap().output();
	assert_eq!(log.unwrap().stdout, b".\n".repeat(5));
	let record = closed(devnet, stays, 200);
	assert_eq!(record["close_reason"], "Completed", "{record}");
	assert_eq!(dots(devnet, stays), 150);
	leasehold_tests::state::check(devnet.rpc_port()).unwrap();
	assert_eq!(status(devnet, stays)["workload"]["attempts"], 1);
}

/// The library that lets a process see another time.
fn faketime() -> PathBuf {
	let folders = std::fs::read_dir("/usr/lib").unwrap().flatten();
	let mut found = folders.map(|folder| folder.path().join("faketime/libfaketimeMT.so.1"));
	found
		.find(|path| path.exists())
		.expect("the package `faketime` is installed")
}

/// The daemon's clock goes forward and back by hours, under a job in a container and a service in WASM.
fn clock(devnet: &Devnet) {
	let offset = devnet.folder().join("offset");
	let set = |to: &str| std::fs::write(&offset, format!("{to}\n")).unwrap();
	set("+0");
	kill_daemon(devnet);
	let mut daemon = devnet.daemon(0).unwrap();
	daemon
		.env("LD_PRELOAD", faketime())
		.env("FAKETIME_TIMESTAMP_FILE", &offset)
		.env("FAKETIME_NO_CACHE", "1")
		// What counts from the machine's start is not set by anybody.
		.env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
		.env("DONT_FAKE_MONOTONIC", "1");
	*DAEMON.lock().unwrap() = Some(Owned(daemon.spawn().unwrap()));
	believed(devnet);
	let contained =
		containers::job("n=0; while [ $n -lt 30 ]; do sleep 1; echo .; n=$((n+1)); done");
	let contained = contained.start(devnet);
	let (module, _) = services::start(devnet, &crate::modules::sleeping(devnet));
	let run = lease_folder(devnet, module).join("services/web/0/run");
	set("+3h");
	wait_until(Duration::from_secs(20), "the clock is set", || {
		let output = devnet
			.tenant(&["logs", &contained.to_string()])
			.unwrap()
			.output()
			.unwrap();
		String::from_utf8_lossy(&output.stderr).contains("check the clock")
	})
	.unwrap();
	std::thread::sleep(Duration::from_secs(5));
	// What ends now is to wait a second; then the clock is set back, and it is started again all the same.
	let pid = std::fs::read_to_string(run.join("1.lock")).unwrap();
	signal(pid.trim().parse().unwrap(), Signal::KILL);
	let replica = run.with_file_name("replica.json");
	wait_until(Duration::from_secs(20), "its end is met", || {
		std::fs::read_to_string(&replica)
			.unwrap()
			.contains("\"ended\":1")
	})
	.unwrap();
	set("-3h");
	wait_until(Duration::from_secs(30), "it runs again", || {
		run.join("2.lock").exists()
	})
	.unwrap();
	std::thread::sleep(Duration::from_secs(5));
	set("+0");
	services::until(devnet, module, "it runs again", |seen| {
		seen["restarts"] == 1 && seen["state"] == "running"
	});
	let record = closed(devnet, contained, 90);
	assert_eq!(record["close_reason"], "Completed", "{record}");
	assert_eq!(dots(devnet, contained), 30);
	services::close(devnet, module);
	kill_daemon(devnet);
	start_daemon(devnet);
}

/// A job that runs this image.
fn of_image(image: &str) -> File {
	let mut file = containers::job("echo here");
	file.image.as_mut().unwrap().0 = image.to_owned();
	file
}

fn events(devnet: &Devnet, lease: &Value) -> String {
	let arguments = ["events", &lease.to_string()];
	devnet.json("//Tenant", &arguments).unwrap().0.to_string()
}

/// Bytes that cannot be packed.
fn noise(bytes: usize) -> Vec<u8> {
	let mut noise = vec![0; bytes];
	rand_chacha::ChaCha8Rng::seed_from_u64(7).fill_bytes(&mut noise);
	noise
}

/// Packed, or unpacked.
fn too_large(devnet: &Devnet) {
	let file = devnet.provider_folder(0).join("provider.toml");
	let before = std::fs::read_to_string(&file).unwrap();
	let usual = "# max_image_mib = 16384";
	assert!(before.contains(usual));
	std::fs::write(&file, before.replace(usual, "max_image_mib = 8")).unwrap();
	kill_daemon(devnet);
	start_daemon(devnet);
	believed(devnet);
	let noise = setting().push_with("noise", &noise(9 << 20));
	let zeros = setting().push_with("zeros", &vec![0; 9 << 20]);
	for (image, why) in [
		(noise, "the image is too large for this provider\""),
		(
			zeros,
			"the image is too large for this provider, unpacked\"",
		),
	] {
		let (json, code) = of_image(&image).run(devnet);
		assert_eq!(code, 7, "{json}");
		let told = events(devnet, &json["lease"]);
		assert!(told.contains(why), "{told}");
	}
	let (json, code) = of_image(&setting().image()).run(devnet);
	assert_eq!(code, 0, "{json}");
	assert_eq!(ours(), Vec::<String>::new(), "nothing of them is left");
	std::fs::write(&file, before).unwrap();
	kill_daemon(devnet);
	start_daemon(devnet);
	believed(devnet);
}

/// Many values that live long, and many branches in which they may change: more than a second for each function.
fn slow() -> Vec<u8> {
	const VALUES: usize = 5_000;
	const BRANCHES: usize = 5_000;
	let mut random = rand::rngs::StdRng::seed_from_u64(1);
	let mut value = || number(1 + random.next_u32() as usize % VALUES);
	// So many locals of type i32.
	let mut body = [&[1][..], &number(VALUES), &[0x7f]].concat();
	for _ in 0..BRANCHES {
		let changed = [&[0x20][..], &value(), &[0x21], &value()].concat();
		body.extend([&[0x20, 0, 0x04, 0x40][..], &changed, &[0x0b]].concat());
	}
	body.extend([0x20, 0]);
	for n in 1..=VALUES {
		body.extend([&[0x20][..], &number(n), &[0x6a]].concat());
	}
	body.push(0x0b);
	with_functions(250, &body)
}

/// Others run beside it, and its tenant is told why it came to nothing.
fn slow_module(devnet: &Devnet) {
	let file = File {
		module: slow(),
		storage: "128Mi",
		..Default::default()
	};
	std::thread::scope(|scope| {
		let slow = scope.spawn(|| file.run(devnet));
		for _ in 0..3 {
			let (json, code) = job(5, 1).run(devnet);
			assert_eq!(code, 0, "{json}");
			assert_eq!(json["close_reason"], "Completed", "{json}");
		}
		assert!(!slow.is_finished(), "it is being compiled all the while");
		let (json, code) = slow.join().unwrap();
		assert_eq!(code, 7, "{json}");
		assert_eq!(json["close_reason"], "WorkloadFailed", "{json}");
		let said = json["error"].as_str().unwrap();
		assert!(
			said.contains("it took longer than 120s to compile"),
			"{said}"
		);
	});
}

/// Images that were brought for leases.
fn ours() -> Vec<String> {
	let mut all = setting().images();
	all.retain(|name| name.starts_with("localhost/") && !name.contains("-probe"));
	all
}

/// The daemon is killed with half of an image on its way.
fn killed_pull(devnet: &Devnet) {
	believed(devnet);
	let heavy = of_image(&setting().push_with("heavy", &noise(192 << 20)));
	let path = heavy.write(devnet);
	let mut deploy = devnet
		.tenant(&["deploy", text(&path), "--wait", "--yes"])
		.unwrap();
	let deploy = deploy.stdout(Stdio::piped()).stderr(Stdio::null());
	let deploy = deploy.spawn().unwrap();
	let said = said_from_now_on(devnet);
	wait_until(Duration::from_secs(60), "it pulls", || {
		said().contains("pulling")
	})
	.unwrap();
	std::thread::sleep(Duration::from_millis(700));
	kill_daemon(devnet);
	assert!(!said().contains("pulled"), "it was half there");
	start_daemon(devnet);
	let ended = deploy.wait_with_output().unwrap();
	let json: Value = serde_json::from_slice(&ended.stdout).unwrap_or_default();
	assert_eq!(ended.status.code(), Some(0), "{json}");
	assert!(said().contains("pulled"));
	assert_eq!(ours(), Vec::<String>::new(), "nothing of it is left");
}

/// Two providers of one machine share an engine; the first loses its daemon, then its index, then its lease.
fn one_engine(devnet: &Devnet) {
	services::ready(devnet);
	wait_until(Duration::from_secs(60), "the second knows, too", || {
		status_of(&devnet.provider_folder(1))["networks"] == "closed"
	})
	.unwrap();
	let of = |n: usize| {
		let path = services::write(
			devnet,
			&[services::Service("web", "sleep 1000", "")],
			services::SMALL,
		);
		let text = std::fs::read_to_string(&path).unwrap();
		let ours = format!("region: local, provider: number-{n}");
		std::fs::write(&path, text.replace("region: local", &ours)).unwrap();
		let (lease, json) = services::start(devnet, &path);
		assert_eq!(json["provider"], n, "{json}");
		lease
	};
	let (first, second) = (of(0), of(1));
	let name = |n: usize, lease: u64| services::name_of(devnet, n, lease);
	let (ours, theirs) = (name(0, first), name(1, second));
	let there =
		|name: &str| setting().has_container(&format!("{name}-")) && setting().has_network(name);
	assert!(there(&ours) && there(&theirs));
	kill_daemon(devnet);
	let folder = devnet.provider_folder(0);
	std::fs::remove_file(folder.join("store.redb")).unwrap();
	start_daemon(devnet);
	believed(devnet);
	// It looks for orphans every ten blocks.
	std::thread::sleep(Duration::from_secs(15));
	assert!(there(&ours) && there(&theirs));
	services::close(devnet, first);
	wait_until(Duration::from_secs(40), "nothing is left of it", || {
		!setting().has_container(&format!("{ours}-")) && !setting().has_network(&ours)
	})
	.unwrap();
	assert!(there(&theirs), "the other's goes on");
	let seen = services::replica(devnet, second, 0);
	assert_eq!(
		(&seen["restarts"], &seen["state"]),
		(&0.into(), &"running".into()),
		"{seen}"
	);
	services::close(devnet, second);
	wait_until(Duration::from_secs(40), "nothing is left", || {
		!setting().has_container(&format!("{theirs}-"))
	})
	.unwrap();
}
