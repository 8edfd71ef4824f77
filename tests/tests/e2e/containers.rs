//! Jobs in containers: a real engine, a real registry with passwords, images made on the spot.

use crate::{
	chosen,
	faults::{self, daemon_pid, kill_daemon, runner, start_daemon, tell_chain},
	jobs::{fails, fetch},
	rare, services,
	setting::{closed, status, text, File},
	suite, sum, Case, ONE, SIDE_BY_SIDE,
};
use leasehold_tests::{
	devnet::{is_alive, signal, wait_until, Devnet, Owned},
	engine::{output_of, Engine, PASSWORD},
};
use rustix::process::Signal;
use serde_json::Value;
use std::{
	io::Read as _,
	process::{Command, Stdio},
	sync::OnceLock,
	time::Duration,
};

const CASES: &[Case] = &[
	(
		"a_container_runs_and_its_result_matches_the_chain",
		goes_well,
	),
	("a_container_has_no_powers_and_no_network", confined),
	("an_exit_code_of_a_container_reaches_the_chain", exit_code),
	("a_private_image_needs_its_credentials", private),
	(
		"an_address_that_is_not_public_is_not_pulled_from",
		not_public,
	),
	(
		"a_command_that_is_not_in_the_image_cannot_be_loaded",
		no_command,
	),
	("an_image_that_cannot_be_had_yet_is_told_of", not_yet),
	("a_user_beyond_those_of_a_lease_cannot_be_run", beyond),
	("an_image_for_other_machines_cannot_be_run", foreign),
	("a_huge_environment_is_given_or_refused", huge_environment),
	("a_container_is_stopped_at_its_memory_limit", memory),
	("a_container_is_stopped_at_its_storage_limit", storage),
	("a_zip_bomb_as_input_is_stopped_as_it_unfolds", bomb),
	("a_container_that_floods_its_log_is_stopped", flood),
	("an_endless_line_counts_before_its_end", endless_line),
	("what_an_image_declares_as_volumes_counts_too", volume),
	("files_without_a_name_count_as_storage", unlinked),
	("empty_files_count_as_storage", empty_files),
	("a_container_that_forks_without_end_is_held", forks),
	("links_among_the_results_lead_nowhere", links),
	("a_container_is_stopped_at_its_time_limit", time),
];
/// One after the other: they end the daemon and the engine under everybody.
const FAULTS: &[Case] = &[
	("a_killed_daemon_adopts_its_container", killed_daemon),
	(
		"an_engine_that_is_started_anew_loses_nothing",
		killed_engine,
	),
	("an_end_that_the_engine_does_not_tell_is_seen", untold),
	("a_container_that_was_removed_is_run_anew", removed),
	("orphans_of_an_older_life_are_removed", orphans),
	("a_closed_lease_leaves_no_container", stopped),
	(
		"what_is_killed_for_another_reason_has_not_lacked_memory",
		killed,
	),
	("a_container_gets_the_gpu_that_was_leased", gpu),
];

static SETTING: OnceLock<Engine> = OnceLock::new();

pub fn setting() -> &'static Engine {
	SETTING.get().unwrap()
}

/// All of them.
pub fn cases() -> Vec<Case> {
	[CASES, FAULTS].concat()
}

/// How a devnet is started that has this process' engine.
pub fn engine() -> [String; 4] {
	engine_of(Engine::start_both)
}

/// The same, if the engine is to be started otherwise.
pub fn engine_of(start: fn() -> Engine) -> [String; 4] {
	let setting = SETTING.get_or_init(start);
	let (engine, registry) = (setting.socket(), format!("http://{}", setting.registry));
	["--engine".into(), engine, "--registry".into(), registry]
}

/// Those that are tried with Docker, too: side by side, and one after the other.
pub fn with_docker() -> (Vec<Case>, Vec<Case>) {
	let of_podman = [
		"an_end_that_the_engine_does_not_tell_is_seen",
		"a_user_beyond_those_of_a_lease_cannot_be_run",
	];
	let others = |cases: &[Case]| {
		let others = cases.iter().filter(|(name, _)| !of_podman.contains(name));
		others.copied().collect()
	};
	(others(CASES), others(FAULTS))
}

/// Ends the engine, if there is one.
pub fn end() {
	if let Some(setting) = SETTING.get() {
		setting.end();
	}
}

/// Runs the cases on an engine of their own.
pub fn run() -> (usize, usize) {
	if chosen(&cases()).is_empty() && !rare::any() {
		return (0, 0);
	}
	let engine = engine();
	let more = engine.each_ref().map(String::as_str);
	let arguments = [&ONE[..], &more].concat();
	let suites = [
		suite("containers", &arguments, SIDE_BY_SIDE, CASES),
		suite("container faults", &arguments, 1, FAULTS),
		rare::run(&more),
	];
	sum(&suites)
}

/// A job that runs a shell script, with the credentials that the image needs.
pub fn job(script: &str) -> File {
	of(script, PASSWORD)
}

fn of(script: &str, password: &str) -> File {
	let setting = setting();
	let credentials = format!(
		"    command: [\"/bin/sh\", \"-c\"]\n    credentials: {{ host: {:?}, username: tenant, password: {password} }}\n",
		setting.registry
	);
	File {
		args: serde_json::to_string(&[script]).unwrap(),
		image: Some((setting.image(), credentials)),
		..Default::default()
	}
}

fn log(devnet: &Devnet, lease: &Value) -> String {
	let log = devnet
		.tenant(&["logs", &lease.to_string()])
		.unwrap()
		.output()
		.unwrap();
	String::from_utf8(log.stdout).unwrap()
}

fn completes(devnet: &Devnet, file: &File) -> Value {
	let (json, code) = file.run(devnet);
	assert_eq!(code, 0, "{json}");
	assert_eq!(json["close_reason"], "Completed", "{json}");
	json
}

fn goes_well(devnet: &Devnet) {
	let file = File {
		inputs: vec![("name.txt", b"Ada\n".to_vec())],
		..job("read name < /in/name.txt; echo hello $name; echo oops >&2; cat /in/name.txt > /out/name.txt")
	};
	let json = completes(devnet, &file);
	assert_eq!(log(devnet, &json["lease"]), "hello Ada\n");
	let lease = json["lease"].to_string();
	let to = fetch(devnet, &lease);
	assert_eq!(std::fs::read(to.join("name.txt")).unwrap(), b"Ada\n");
	let (told, _) = devnet.json("//Tenant", &["events", &lease]).unwrap();
	let told = told.to_string();
	assert!(told.contains(": image "), "{told}");
	assert!(told.contains("manifest sha256:"), "{told}");
	assert_eq!(setting().container_of(&lease), None);
}

fn confined(devnet: &Devnet) {
	let script = "grep -E 'CapEff|NoNewPrivs|Seccomp:' /proc/self/status
cat /proc/self/uid_map
busybox chown 7:7 /out && echo given
touch /x && echo root-written
touch /in/x && echo in-written
mount -t tmpfs none /tmp && echo mounted
ip -o addr | grep -v ' lo ' && echo network
touch /out/x /tmp/x && echo written";
	let json = completes(devnet, &job(script));
	let said = log(devnet, &json["lease"]);
	// CHOWN, DAC_OVERRIDE, FOWNER, FSETID, KILL, SETGID, SETUID, SETPCAP, NET_BIND_SERVICE.
	assert!(said.contains("CapEff:\t00000000000005fb"), "{said}");
	assert!(said.contains("NoNewPrivs:\t1"), "{said}");
	assert!(said.contains("Seccomp:\t2"), "{said}");
	// Its root is nobody on this machine, but may do with its own folders as it likes.
	let map = said.lines().find_map(|line| {
		let fields: Vec<u32> = line
			.split_whitespace()
			.map_while(|n| n.parse().ok())
			.collect();
		<[u32; 3]>::try_from(fields).ok()
	});
	let [0, root, all] = map.unwrap() else {
		panic!("{said}");
	};
	match setting().maps_users() {
		true => assert!(root >= 0x7000_0000 && all == 65_536, "{said}"),
		false => assert_eq!((root, all), (0, u32::MAX), "{said}"),
	}
	assert!(said.contains("given\n"), "{said}");
	for forbidden in ["root-written", "in-written", "mounted", "network"] {
		assert!(!said.contains(forbidden), "{said}");
	}
	assert!(said.ends_with("written\n"), "{said}");
}

/// The part of a GPU is played by a device of the test's own.
fn gpu(devnet: &Devnet) {
	let folder = devnet.provider_folder(0);
	let file = folder.join("provider.toml");
	let before = std::fs::read_to_string(&file).unwrap();
	let devices = [0, 1].map(|n| folder.join(format!("gpu{n}")));
	for device in &devices {
		// As `/dev/zero`.
		output_of(Command::new("mknod").arg(device).args(["c", "1", "5"]));
	}
	let sections = devices.each_ref().map(|device| {
		format!("\n[[gpus]]\nvendor = \"amd\"\nmodel = \"mi210\"\nmemory_mib = 65520\ndevices = [{device:?}]\n")
	});
	let price = "# gpu = { rtx4090 = \"0.8\", default = \"0.5\" }";
	assert!(before.contains(price));
	let text = before.replace(price, "gpu = { mi210 = \"0.01\" }") + &sections.concat();
	std::fs::write(&file, text).unwrap();
	kill_daemon(devnet);
	start_daemon(devnet);
	tell_chain(devnet);
	let with = |script: &str, more: &'static str| File {
		more,
		..job(script)
	};
	let one = "        gpu: { units: 1, attributes: { vendor: { amd: [{ model: mi210, ram: 32Gi }] } } }\n";
	let [first, second] = devices.each_ref().map(|device| device.display());
	let script =
		format!("test -c {first} && head -c 3 {first} | wc -c; test -e {second} || echo alone");
	let json = completes(devnet, &with(&script, one));
	assert_eq!(log(devnet, &json["lease"]), "3\nalone\n");
	let both = one.replace("units: 1", "units: 2").leak();
	let json = completes(devnet, &with(&format!("head -c 3 {second} | wc -c"), both));
	assert_eq!(log(devnet, &json["lease"]), "3\n");
	// Who has leased none sees none.
	let json = completes(devnet, &job(&format!("test -e {first} || echo none")));
	assert_eq!(log(devnet, &json["lease"]), "none\n");
	let three = one.replace("units: 1", "units: 3").leak();
	let (json, code) = with("true", three).run(devnet);
	assert_eq!(code, 4, "{json}");
	// The chain is not told of what the daemon does not know yet.
	std::fs::write(&file, before).unwrap();
	let early = devnet.provider(0, &["update"]).unwrap().output().unwrap();
	let said = String::from_utf8_lossy(&early.stderr).into_owned();
	assert!(
		!early.status.success() && said.contains("start it anew"),
		"{said}"
	);
	kill_daemon(devnet);
	start_daemon(devnet);
	tell_chain(devnet);
}

fn exit_code(devnet: &Devnet) {
	let (json, code) = job("exit 9").run(devnet);
	assert_eq!(code, 7, "{json}");
	assert_eq!(json["exit_code"], 9, "{json}");
}

fn private(devnet: &Devnet) {
	fails(devnet, of("exit 0", "wrong"), "cannot be loaded");
	let mut without = job("exit 0");
	without.image = Some((setting().image(), String::new()));
	fails(devnet, without, "cannot be loaded");
}

fn not_public(devnet: &Devnet) {
	let mut file = job("exit 0");
	// The same registry by another name is not on the list.
	let port = setting().registry.trim_start_matches("127.0.0.1");
	let host = format!("localhost{port}");
	file.image = Some((format!("{host}/box:1"), String::new()));
	fails(devnet, file, "cannot be loaded");
	let said = std::fs::read_to_string(devnet.provider_folder(0).join("daemon.log")).unwrap();
	let why = format!("`{host}` has the address");
	assert!(said.contains(&why) && said.contains("which is not public"));
}

fn beyond(devnet: &Devnet) {
	let mut file = job("exit 0");
	let (image, more) = file.image.take().unwrap();
	file.image = Some((image.replace("/box:1", "/box:beyond"), more));
	fails(devnet, file, "cannot be loaded");
}

fn foreign(devnet: &Devnet) {
	let mut file = job("exit 0");
	let (image, more) = file.image.take().unwrap();
	file.image = Some((image.replace("/box:1", "/box:foreign"), more));
	let (json, code) = file.run(devnet);
	assert_eq!(code, 7, "{json}");
	let lease = json["lease"].to_string();
	let (told, _) = devnet.json("//Tenant", &["events", &lease]).unwrap();
	let (status, _) = devnet.json("//Tenant", &["status", &lease]).unwrap();
	for said in [&told, &json["error"], &status["last_event"]] {
		let said = said.to_string();
		assert!(said.contains("the image is for linux s390x"), "{said}");
	}
}

/// Its registry has no address: that may come right.
fn not_yet(devnet: &Devnet) {
	let mut file = job("exit 0");
	file.image = Some(("nothing.invalid/box:1".into(), String::new()));
	let path = file.write(devnet);
	let who = "//Charlie";
	let mut deploy = devnet
		.command(who, &["deploy", text(&path), "--yes"])
		.unwrap();
	let deploy = deploy.stdout(Stdio::null()).stderr(Stdio::piped());
	let mut waits = Owned(deploy.spawn().unwrap());
	let json = |arguments: &[&str]| devnet.json(who, arguments).unwrap().0;
	let mut lease = Value::Null;
	wait_until(Duration::from_secs(30), "the order is matched", || {
		lease = json(&["leases"])["leases"][0]["lease"].clone();
		lease.is_u64()
	})
	.unwrap();
	let lease = lease.to_string();
	let mut pulling = Value::Null;
	wait_until(Duration::from_secs(30), "it is told why it waits", || {
		pulling = json(&["status", &lease])["workload"]["pulling"][0].clone();
		pulling["why"].is_string()
	})
	.unwrap();
	assert_eq!(pulling["service"], "job", "{pulling}");
	let mut shown = devnet.command(who, &["status", &lease]).unwrap();
	let shown = output_of(&mut shown);
	let shown = String::from_utf8_lossy(&shown);
	let words = "the image of job cannot be pulled yet, and is tried again: ";
	assert!(shown.contains(words), "{shown}");
	// Who deploys asks every second.
	std::thread::sleep(Duration::from_secs(3));
	assert_eq!(json(&["close", &lease])["close_reason"], "TenantClosed");
	let mut said = String::new();
	let mut stderr = waits.0.stderr.take().unwrap();
	stderr.read_to_string(&mut said).unwrap();
	assert_eq!(waits.0.wait().unwrap().code(), Some(7), "{said}");
	assert!(said.contains(words), "{said}");
}

fn no_command(devnet: &Devnet) {
	let mut file = job("exit 0");
	let (image, more) = file.image.take().unwrap();
	file.image = Some((image, more.replace("/bin/sh", "/bin/nothing")));
	fails(devnet, file, "cannot be loaded");
}

/// As much as a program can be given; more is refused before it is paid for.
fn huge_environment(devnet: &Devnet) {
	let of = |bytes: usize, count: usize| {
		let mut file = job("env | wc -c");
		let (image, more) = file.image.take().unwrap();
		let value = "x".repeat(bytes);
		let all: Vec<_> = (0..count).map(|n| format!("\"V{n}={value}\"")).collect();
		let env = format!("{more}    env: [{}]\n", all.join(", "));
		file.image = Some((image, env));
		file
	};
	let json = completes(devnet, &of(100_000, 8));
	let said = log(devnet, &json["lease"]);
	let bytes: usize = said.trim().parse().unwrap();
	assert!(bytes > 800_000, "{said}");
	let (json, code) = of(200_000, 1).run(devnet);
	assert_eq!(code, 2, "{json}");
	assert!(
		json["error"].as_str().unwrap().contains("131071 bytes"),
		"{json}"
	);
}

fn memory(devnet: &Devnet) {
	// `tail` keeps what it has not seen the end of.
	fails(devnet, job("tail /dev/zero"), "more memory than was leased");
}

fn storage(devnet: &Devnet) {
	let script = "while :; do dd if=/dev/zero of=/out/$((n=n+1)) bs=1M count=4 2>/dev/null; done";
	fails(devnet, job(script), "outgrew the storage");
}

/// A megabyte that becomes a gigabyte.
fn bomb(devnet: &Devnet) {
	let packed = "head -c 1073741824 /dev/zero | gzip -9";
	let packed = output_of(Command::new("sh").args(["-c", packed]));
	assert!(packed.len() < 2 << 20, "{} bytes", packed.len());
	let mut file = job("busybox zcat /in/bomb.gz > /out/all");
	file.inputs = vec![("bomb.gz", packed)];
	fails(devnet, file, "outgrew the storage");
}

fn flood(devnet: &Devnet) {
	fails(
		devnet,
		job("while :; do echo a line of the log; done"),
		"outgrew the storage",
	);
}

fn endless_line(devnet: &Devnet) {
	fails(devnet, job("cat /dev/zero"), "outgrew the storage");
}

fn volume(devnet: &Devnet) {
	let script = "while :; do dd if=/dev/zero of=/data/$((n=n+1)) bs=1M count=4 2>/dev/null; done";
	let job = |script: &str| {
		let mut file = job(script);
		let (image, more) = file.image.take().unwrap();
		file.image = Some((image.replace("/box:1", "/box:volume"), more));
		file
	};
	fails(devnet, job(script), "outgrew the storage");
	let file = job("echo kept > /data/x && cat /data/x");
	let json = completes(devnet, &file);
	assert_eq!(log(devnet, &json["lease"]), "kept\n");
}

fn unlinked(devnet: &Devnet) {
	// One file that has no name any more, in pieces that are small enough for any limit on files.
	let script =
		"exec 3> /tmp/x; rm /tmp/x; dd if=/dev/zero bs=1M count=24 >&3 2>/dev/null; sleep 60";
	fails(devnet, job(script), "outgrew the storage");
}

fn empty_files(devnet: &Devnet) {
	let script = "while :; do : > /out/$((n=n+1)); done";
	fails(devnet, job(script), "outgrew the storage");
}

fn forks(devnet: &Devnet) {
	let file = File {
		memory: "512Mi",
		..job("while :; do sleep 1000 & done")
	};
	let (json, code) = file.run(devnet);
	assert_eq!(code, 7, "{json}");
	// Whichever comes first: its memory, or the shell's own word in its log.
	let why = json["why"].as_str().unwrap_or_default();
	let arguments = ["logs", &json["lease"].to_string()];
	let output = devnet.tenant(&arguments).unwrap().output().unwrap();
	let said = String::from_utf8_lossy(&output.stderr);
	assert!(
		why.contains("more memory") || said.contains("can't fork"),
		"{json} {said}"
	);
}

fn links(devnet: &Devnet) {
	let script =
		"ln -s /etc/passwd /out/file; ln -s / /out/folder; ln -s .. /out/up; echo kept > /out/kept";
	let json = completes(devnet, &job(script));
	let to = fetch(devnet, &json["lease"].to_string());
	let names: Vec<_> = std::fs::read_dir(to)
		.unwrap()
		.map(|entry| entry.unwrap().file_name())
		.collect();
	assert_eq!(names, ["kept"]);
}

fn time(devnet: &Devnet) {
	let file = File {
		max_duration: "4s",
		..job("sleep 100")
	};
	fails(devnet, file, "longer than the manifest allows");
}

/// Writes a numbered line each second.
fn counter(seconds: u32, attempts: u32) -> File {
	File {
		attempts,
		max_duration: "5m",
		..job(&format!(
			"n=0; while [ $n -lt {seconds} ]; do n=$((n+1)); echo $n; sleep 1; done"
		))
	}
}

/// A counter comes to its end as if nothing had happened.
fn is_undisturbed(devnet: &Devnet, lease: u64, seconds: u32) {
	let record = closed(devnet, lease, 120);
	assert_eq!(record["close_reason"], "Completed", "{record}");
	let said = log(devnet, &lease.into());
	let wanted: String = (1..=seconds).map(|n| format!("{n}\n")).collect();
	assert_eq!(said, wanted, "each line is there, once");
	assert_eq!(status(devnet, lease)["workload"]["attempts"], 1);
}

/// A job that goes on while something is away for a while.
fn interrupted(devnet: &Devnet, ends: impl Fn(), returns: impl Fn()) {
	let lease = counter(14, 1).start(devnet);
	std::thread::sleep(Duration::from_secs(3));
	ends();
	std::thread::sleep(Duration::from_secs(4));
	returns();
	is_undisturbed(devnet, lease, 14);
}

fn killed_daemon(devnet: &Devnet) {
	interrupted(devnet, || kill_daemon(devnet), || start_daemon(devnet));
}

fn killed_engine(devnet: &Devnet) {
	let setting = setting();
	interrupted(devnet, || setting.kill(), || setting.start());
}

fn untold(devnet: &Devnet) {
	let setting = setting();
	setting.kill();
	setting.start_deaf();
	let json = completes(devnet, &job("sleep 1; echo done"));
	assert_eq!(log(devnet, &json["lease"]), "done\n");
	setting.kill();
	setting.start();
}

/// Removes a lease's container. The daemon sees nothing of the moment between its end and its removal, in which the
/// engine may be at it, too.
pub fn remove_unseen(devnet: &Devnet, lease: u64) {
	let name = &setting().container_of(&lease.to_string()).unwrap();
	let daemon = daemon_pid(devnet);
	signal(daemon, Signal::STOP);
	let removed = wait_until(Duration::from_secs(20), "the container is removed", || {
		setting().remove(name)
	});
	signal(daemon, Signal::CONT);
	removed.unwrap();
}

/// How that is told.
pub const REMOVED: &str = "its container was removed by another hand";

fn removed(devnet: &Devnet) {
	let lease = counter(12, 2).start(devnet);
	remove_unseen(devnet, lease);
	let record = closed(devnet, lease, 60);
	assert_eq!(record["close_reason"], "Completed", "{record}");
	assert_eq!(status(devnet, lease)["workload"]["attempts"], 2);
	let (told, _) = devnet
		.json("//Tenant", &["events", &lease.to_string()])
		.unwrap();
	assert!(told.to_string().contains(REMOVED), "{told}");
}

/// The index is damaged while the daemon is away, and leases are closed of which it knows nothing then: only the engine
/// and a runner's lock tell of them.
fn orphans(devnet: &Devnet) {
	let stays = counter(60, 1).start(devnet);
	let contained = File {
		max_duration: "20m",
		..job("sleep 900")
	};
	let contained = contained.start(devnet);
	let module = faults::job(280, 1).start(devnet);
	let pid = runner(devnet, module, 1);
	let there = || setting().container_of(&contained.to_string()).is_some();
	kill_daemon(devnet);
	let index = devnet.provider_folder(0).join("store.redb");
	std::fs::write(&index, "rubbish").unwrap();
	for lease in [contained, module] {
		services::close(devnet, lease);
	}
	assert!(there() && is_alive(pid), "nobody has ended them");
	start_daemon(devnet);
	wait_until(Duration::from_secs(60), "they are ended", || {
		!there() && !is_alive(pid)
	})
	.unwrap();
	assert!(index.with_extension("redb.damaged").exists());
	// They are over as others are: logs stay for a while, and then go.
	wait_until(Duration::from_secs(40), "it is closed", || {
		status(devnet, module)["workload"]["phase"] == "closed"
	})
	.unwrap_or_else(|error| panic!("{error}: {}", status(devnet, module)));
	assert!(faults::dots(devnet, module) > 0);
	is_undisturbed(devnet, stays, 60);
}

fn killed(devnet: &Devnet) {
	let (json, code) = job("sh -c 'kill -9 $$'; exit $?").run(devnet);
	assert_eq!(code, 7, "{json}");
	assert_eq!(json["exit_code"], 137, "{json}");
}

fn stopped(devnet: &Devnet) {
	let lease = counter(100, 1).start(devnet);
	let there = || setting().container_of(&lease.to_string()).is_some();
	assert!(there());
	let (json, code) = devnet
		.json("//Tenant", &["close", &lease.to_string()])
		.unwrap();
	assert_eq!(code, 0, "{json}");
	wait_until(Duration::from_secs(30), "the container is gone", || {
		!there()
	})
	.unwrap();
}
