//! Services in containers: what is kept running, what reaches what, and what does not.

use crate::{
	chosen,
	containers::{self, setting},
	faults::{daemon_status, kill_daemon, lease_folder, start_daemon},
	is_full, is_lane,
	setting::{status, text, File},
	suite, Case, ONE,
};
use leasehold_tests::{
	devnet::{wait_until, Devnet, Owned},
	engine::{output_of, OTHER, PASSWORD},
};
use serde_json::Value;
use std::{
	io::{Read as _, Write as _},
	net::{SocketAddr, TcpListener, TcpStream},
	process::{Command, Stdio},
	sync::{
		atomic::{AtomicBool, AtomicU32, Ordering},
		Arc,
	},
	time::Duration,
};

/// The first: no table closes the networks yet.
const OPEN: &[Case] = &[(
	"an_open_network_is_found_out_and_closed",
	found_out_and_closed,
)];
const CASES: &[Case] = &[
	("services_reach_each_other_and_nothing_else", reach),
	(
		"a_replica_that_ends_is_started_again_with_its_volume",
		again,
	),
	("an_update_starts_anew_only_what_it_changes", updated),
	("a_replica_that_is_not_well_is_started_again", unwell),
	("an_images_own_check_is_made", unwell_by_image),
	(
		"what_answers_at_its_port_is_well_and_else_started_again",
		answers,
	),
	("services_that_are_never_well_end_the_lease", never_well),
	(
		"what_does_not_come_in_time_is_no_fault_of_the_provider",
		not_in_time,
	),
	("a_service_that_fills_its_disk_is_started_again", disk),
	("a_flood_of_output_leaves_a_gap_and_no_full_disk", flood),
	(
		"a_service_that_ignores_sigterm_is_ended_all_the_same",
		stubborn,
	),
	("what_is_read_only_is_not_written_over", read_only),
	(
		"a_computing_service_is_accounted_for",
		crate::operate::service,
	),
	("secrets_stay_where_they_belong", crate::operate::secrets),
	("a_service_goes_by_its_name", crate::names::names),
	(
		"files_go_into_a_service_and_out_of_it",
		crate::volumes::files,
	),
	("a_command_runs_beside_a_service", crate::sessions::commands),
	(
		"a_port_of_a_service_is_reached_from_here",
		crate::sessions::ports,
	),
	(
		"what_is_not_served_is_refused_before_it_is_paid_for",
		refused,
	),
];
/// One after the other: they end the daemon and the engine under everybody.
const FAULTS: &[Case] = &[
	("a_killed_daemon_drops_no_service", killed_daemon),
	("an_update_waits_for_a_daemon_that_is_away", updated_late),
	(
		"an_engine_that_is_started_anew_drops_no_service",
		killed_engine,
	),
	(
		"services_in_an_open_network_are_stopped_and_not_paid_for",
		opened,
	),
	(
		"a_service_whose_container_was_removed_is_started_again",
		removed,
	),
	("a_closed_lease_leaves_nothing_at_the_engine", nothing_left),
	("a_provider_that_leaves_takes_no_new_leases", leaves),
];

/// Before those, where what takes long is tried, too.
const LONG: &[Case] = &[("an_engine_with_another_runtime_runs_nothing", runtime)];

fn faults() -> Vec<Case> {
	match is_full() {
		true => [LONG, FAULTS].concat(),
		false => FAULTS.into(),
	}
}

/// All of them, but for those that take too long for now.
pub fn cases() -> Vec<Case> {
	[OPEN, CASES, &faults()].concat()
}

/// Runs the cases on an engine of their own; how many passed and failed.
pub fn run() -> (usize, usize) {
	if chosen(&cases()).is_empty() {
		return (0, 0);
	}
	let engine = containers::engine();
	let arguments = [&ONE[..], &engine.each_ref().map(String::as_str)].concat();
	let (mut passed, mut failed) = (0, 0);
	let mut add = |(p, f): (usize, usize)| {
		passed += p;
		failed += f;
	};
	remove_table();
	add(suite("networks", &arguments, 1, OPEN));
	let arguments = [&arguments[..], &["--start-deadline", "30"]].concat();
	// While other lanes have many cases at a time.
	add(suite("service faults", &arguments, 1, &faults()));
	// The last of its leases was open.
	add(nothing_behind());
	add(suite("services", &arguments, 8, CASES));
	remove_table();
	(passed, failed)
}

/// Whether the engine has nothing of a devnet's any more.
pub fn nothing_behind() -> (usize, usize) {
	let left = setting().has_container("leasehold-");
	if left {
		println!("the devnet has left a container behind");
	}
	(0, usize::from(left))
}

/// Those that are tried with Docker, too: first, one after the other, and side by side.
pub fn with_docker() -> (Vec<Case>, Vec<Case>, Vec<Case>) {
	(OPEN.into(), FAULTS.into(), CASES.into())
}

pub fn remove_table() {
	let _ = Command::new("nft")
		.args(["delete", "table", "inet", "leasehold_10_213_0_0_16"])
		.output();
}

fn close_networks(devnet: &Devnet) {
	let mut setup = devnet.provider(0, &["setup-network"]).unwrap();
	let output = setup.output().unwrap();
	let error = String::from_utf8_lossy(&output.stderr);
	assert!(output.status.success(), "{error}");
}

pub fn ready(devnet: &Devnet) {
	close_networks(devnet);
	wait_until(Duration::from_secs(60), "the networks are closed", || {
		daemon_status(devnet)["networks"] == "closed"
	})
	.unwrap_or_else(|error| panic!("{error}: {}", daemon_status(devnet)));
}

/// A service: its name, its script, and more lines of it.
pub struct Service<'a>(pub &'a str, pub &'a str, pub &'a str);

/// Writes a manifest file of services, with more lines of its compute profile's resources.
pub fn write(devnet: &Devnet, services: &[Service], storage: &str) -> String {
	static NEXT: AtomicU32 = AtomicU32::new(0);
	let n = NEXT.fetch_add(1, Ordering::SeqCst);
	let path = devnet.folder().join(format!("services-{n}.yaml"));
	let (image, registry) = (setting().image(), &setting().registry);
	let mut text = "version: \"2.0\"\nservices:\n".to_owned();
	let mut deployment = "deployment:\n".to_owned();
	// A manifest without a port that is open to the world is none.
	let open = services.iter().any(|service| service.2.contains("expose"));
	let port = "    expose:\n      - port: 9\n        to: [{ global: true }]\n";
	for (n, Service(name, script, more)) in services.iter().enumerate() {
		let port = if n == 0 && !open { port } else { "" };
		let script = serde_json::to_string(&[script]).unwrap();
		text += &format!(
			"  {name}:\n    image: {image:?}\n    command: [\"/bin/sh\", \"-c\"]\n    args: {script}\n    \
			 credentials: {{ host: {registry:?}, username: tenant, password: {PASSWORD} }}\n{port}{more}"
		);
		deployment += &format!("  {name}:\n    here: {{ profile: p, count: 1 }}\n");
	}
	text += &format!(
		"profiles:\n  compute:\n    p:\n      resources:\n        cpu: {{ units: 0.1 }}\n        memory: \
		 {{ size: 32Mi }}\n        storage: {storage}\n  placement:\n    here:\n      attributes: {{ \
		 region: local }}\n      pricing:\n        p: {{ denom: ulease, amount: 500 }}\n{deployment}"
	);
	std::fs::write(&path, text).unwrap();
	path.to_str().unwrap().to_owned()
}

pub const SMALL: &str = "{ size: 16Mi }";

pub fn deploy(devnet: &Devnet, path: &str) -> (Value, i32) {
	let arguments = ["deploy", path, "--yes", "--max-duration", "1h"];
	devnet.json("//Tenant", &arguments).unwrap()
}

pub fn start(devnet: &Devnet, path: &str) -> (u64, Value) {
	let (json, code) = deploy(devnet, path);
	assert_eq!(code, 0, "{json}");
	(json["lease"].as_u64().unwrap(), json)
}

pub fn log(devnet: &Devnet, lease: u64, service: &str) -> String {
	let arguments = ["logs", &lease.to_string(), "--service", service];
	let log = devnet.tenant(&arguments).unwrap().output().unwrap();
	String::from_utf8(log.stdout).unwrap()
}

pub fn replica(devnet: &Devnet, lease: u64, n: usize) -> Value {
	status(devnet, lease)["workload"]["replicas"][n].take()
}

/// Waits until a replica is as it should be.
pub fn until(devnet: &Devnet, lease: u64, what: &str, is: impl Fn(&Value) -> bool) -> Value {
	let mut last = Value::Null;
	wait_until(Duration::from_secs(60), what, || {
		last = replica(devnet, lease, 0);
		is(&last)
	})
	.unwrap_or_else(|error| panic!("{error}; last seen: {last}"));
	last
}

pub fn close(devnet: &Devnet, lease: u64) {
	let (json, code) = devnet
		.json("//Tenant", &["close", &lease.to_string()])
		.unwrap();
	assert_eq!(code, 0, "{json}");
}

/// Where clouds tell a machine its secrets.
const METADATA: &str = "169.254.169.254:80";

/// Answers whoever connects, until it is dropped.
struct Answering {
	address: SocketAddr,
	over: Arc<AtomicBool>,
}

impl Answering {
	fn at(address: &str) -> Self {
		let listener = TcpListener::bind(address).unwrap();
		let address = listener.local_addr().unwrap();
		let over = Arc::new(AtomicBool::new(false));
		let is_over = over.clone();
		std::thread::spawn(move || {
			while let Ok((mut stream, _)) = listener.accept() {
				if is_over.load(Ordering::SeqCst) {
					return;
				}
				let _ = stream.write_all(b"here\n");
			}
		});
		Self { address, over }
	}

	/// As a cloud's metadata, if this is a lane: elsewhere the address may be a real one's.
	fn metadata() -> Option<Self> {
		let add = ["addr", "add", "169.254.169.254/32", "dev", "lo"];
		is_lane().then(|| {
			// It may have it already.
			let _ = Command::new("ip").args(add).output();
			Self::at(METADATA)
		})
	}
}

impl Drop for Answering {
	fn drop(&mut self) {
		self.over.store(true, Ordering::SeqCst);
		// It waits for somebody.
		let _ = TcpStream::connect(self.address);
	}
}

fn found_out_and_closed(devnet: &Devnet) {
	let metadata = Answering::metadata();
	wait_until(Duration::from_secs(60), "the holes are found", || {
		let said = daemon_status(devnet);
		let why = said["no_services"].as_str().unwrap_or_default();
		let finds = |hole: &str| why.contains(hole);
		let all = metadata.is_none() || finds("the cloud's metadata");
		all && finds("this machine at") && finds("setup-network")
	})
	.unwrap_or_else(|error| panic!("{error}: {}", daemon_status(devnet)));
	assert_eq!(daemon_status(devnet)["networks"], "open");
	let path = write(devnet, &[Service("web", "sleep 1000", "")], SMALL);
	let (json, code) = deploy(devnet, &path);
	assert_eq!(code, 4, "nobody bids: {json}");
	// They count as closed once nothing of all that is reached any more; the metadata still answer.
	ready(devnet);
	assert!(daemon_status(devnet)["no_services"].is_null());
	let (lease, _) = start(devnet, &path);
	close(devnet, lease);
}

/// The address of a lease's one container in its network.
fn address_of(lease: u64) -> String {
	let name = setting().container_of(&lease.to_string()).unwrap();
	let format = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
	let mut inspect = setting().tool();
	let address = output_of(inspect.args(["inspect", "--format", format, &name]));
	String::from_utf8(address).unwrap().trim().to_owned()
}

/// What a page at a port of this machine says.
pub fn page(address: &str, path: &str) -> std::io::Result<String> {
	let mut stream = TcpStream::connect(address)?;
	stream.set_read_timeout(Some(Duration::from_secs(5)))?;
	write!(stream, "GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n")?;
	let mut text = String::new();
	stream.read_to_string(&mut text)?;
	Ok(text)
}

/// A registry that gives no image, or a tenant who hands in no files, would otherwise cost the provider its name.
fn not_in_time(devnet: &Devnet) {
	ready(devnet);
	let away = "nothing.invalid";
	let service = write(devnet, &[Service("web", "sleep 1000", "")], SMALL);
	let file = std::fs::read_to_string(&service).unwrap();
	std::fs::write(&service, file.replace(&setting().registry, away)).unwrap();
	let job = File {
		image: Some((format!("{away}/box:1"), String::new())),
		..Default::default()
	};
	std::thread::scope(|scope| {
		let service = scope.spawn(|| deploy(devnet, &service));
		let job = scope.spawn(|| job.run(devnet));
		let files = scope.spawn(|| not_handed_in(devnet));
		for one in [service, job] {
			let (json, code) = one.join().unwrap();
			assert_eq!(code, 7, "{json}");
			assert_eq!(json["close_reason"], "WorkloadFailed", "{json}");
			assert_eq!(json["fault"], "nobody", "{json}");
			let said = json["error"].as_str().unwrap();
			assert!(said.contains("has not come in time"), "{said}");
		}
		files.join().unwrap();
	});
}

/// A file is changed between the order and its hand-in.
fn not_handed_in(devnet: &Devnet) {
	let who = "//Charlie";
	let json = |arguments: &[&str]| devnet.json(who, arguments).unwrap().0;
	let file = File::default().write(devnet);
	let mut deploy = devnet
		.command(who, &["deploy", text(&file), "--yes"])
		.unwrap();
	let deploy = deploy.stdout(Stdio::null()).stderr(Stdio::piped());
	let mut deploy = Owned(deploy.spawn().unwrap());
	wait_until(Duration::from_secs(30), "the order is placed", || {
		json(&["leases"])["orders"][0]["order"].is_u64()
	})
	.unwrap();
	std::fs::write(file.with_file_name("module.wasm"), "another").unwrap();
	let mut said = String::new();
	let mut stderr = deploy.0.stderr.take().unwrap();
	stderr.read_to_string(&mut said).unwrap();
	assert_ne!(deploy.0.wait().unwrap().code(), Some(0), "{said}");
	let number = json(&["leases"])["leases"][0]["lease"].clone();
	let lease = number.to_string();
	let next = format!("`leasehold close {lease}` ends it");
	assert!(said.contains(&next), "{said}");
	let mut record = Value::Null;
	wait_until(Duration::from_secs(60), "the lease is over", || {
		record = json(&["leases", "--all"])["closed"][0].clone();
		record["lease"] == number
	})
	.unwrap();
	assert_eq!(record["close_reason"], "WorkloadFailed", "{record}");
	let told = json(&["events", &lease]).to_string();
	assert!(told.contains("was not handed in in time"), "{told}");
}

fn reach(devnet: &Devnet) {
	ready(devnet);
	let web = Service(
		"web",
		"mkdir /www; echo it is me > /www/page; exec httpd -f -p 8080 -h /www",
		"    expose:\n      - port: 8080\n        to: [{ global: true }]\n",
	);
	// Wherever the machine listens, where clouds tell their secrets, and what is another lease's.
	let here = Answering::at("0.0.0.0:0");
	let _metadata = Answering::metadata();
	let other = "mkdir /www; echo it is another > /www/page; exec httpd -f -p 8080 -h /www";
	let other = write(devnet, &[Service("other", other, "")], SMALL);
	let (other, _) = start(devnet, &other);
	let elsewhere = format!("{}:8080", address_of(other));
	let said = page(&elsewhere, "/page").unwrap();
	assert!(said.ends_with("it is another\n"), "{said}");
	let script = format!(
		"grep CapEff /proc/self/status
set -- $(cat /proc/self/uid_map); [ $2 -ge {1} ] && echo root is nobody; busybox df /dev/shm | grep -o 65536 | head -n 1
wget -q -O - http://web:8080/page
for at in web:8080 $(ip route | grep default | cut -d' ' -f3):{0} {METADATA} {elsewhere}; do
nc -w 2 ${{at%:*}} ${{at#*:}} < /dev/null > /dev/null 2>&1 && echo through to $at; done
ip -o addr | grep inet6 && echo IPv6
echo looked; sleep 1000",
		here.address.port(),
		0x7000_0000
	);
	let client = Service("client", &script, "    depends_on: [web]\n");
	let path = write(devnet, &[client, web], SMALL);
	let (lease, json) = start(devnet, &path);
	let address = json["addresses"][0]["address"].as_str().unwrap();
	let said = page(address, "/page").unwrap();
	assert!(said.ends_with("it is me\n"), "{said}");
	wait_until(Duration::from_secs(30), "the client has looked", || {
		log(devnet, lease, "client").ends_with("looked\n")
	})
	.unwrap();
	let part = |arguments: &[&str]| {
		let mut logs = devnet.tenant(&["logs", &lease.to_string()]).unwrap();
		let logs = logs.args(["--service", "client"]).args(arguments);
		String::from_utf8(logs.output().unwrap().stdout).unwrap()
	};
	assert_eq!(part(&["--tail", "1"]), "looked\n");
	assert_eq!(part(&["--tail", "100"]), part(&["--since", "1h"]));
	let said = log(devnet, lease, "client");
	assert_eq!(part(&["--since", "1h"]), said);
	let nobody = match setting().maps_users() {
		true => "root is nobody\n",
		false => "",
	};
	assert_eq!(
		said,
		format!(
			"CapEff:\t00000000000005fb\n{nobody}65536\nit is me\nthrough to web:8080\nlooked\n"
		),
		"it reaches its neighbour and nothing else"
	);
	close(devnet, other);
	close(devnet, lease);
	wait_until(Duration::from_secs(40), "the port is closed", || {
		page(address, "/page").is_err()
	})
	.unwrap();
}

/// Storage with a volume that is kept, and where a service has it.
const KEPT: &str =
	"[{ size: 16Mi }, { name: data, size: 8Mi, attributes: { persistent: true, class: beta2 } }]";
const DATA: &str = "    params: { storage: { data: { mount: /data } } }\n";

fn update(devnet: &Devnet, lease: u64, path: &str) -> (Value, i32) {
	let arguments = ["update", &lease.to_string(), path];
	devnet.json("//Tenant", &arguments).unwrap()
}

fn updated(devnet: &Devnet) {
	ready(devnet);
	let web = |word: &str| format!("echo x >> /data/n; echo {word} $(wc -l < /data/n); sleep 1000");
	let still = Service("still", "echo begun; sleep 1000", DATA);
	let old = Service("old", "sleep 1000", DATA);
	let services = [Service("web", &web("first"), DATA), still, old];
	let (lease, _) = start(devnet, &write(devnet, &services, KEPT));
	let replicas = devnet
		.provider_folder(0)
		.join(format!("leases/{lease}/services"));
	assert!(replicas.join("old/0").exists());
	let [_, still, _] = services;
	let larger = "{ size: 64Mi }";
	let file = write(devnet, &[Service("web", "sleep 1000", "")], larger);
	let (json, code) = update(devnet, lease, &file);
	assert_eq!(code, 2, "it asks for more than it has: {json}");
	let second = web("second");
	let new = Service("new", "echo new; sleep 1000", DATA);
	let services = [Service("web", &second, DATA), new, still];
	let (json, code) = update(devnet, lease, &write(devnet, &services, KEPT));
	assert_eq!(code, 0, "{json}");
	assert_eq!(
		log(devnet, lease, "web"),
		"first 1\nsecond 2\n",
		"its volume is kept"
	);
	assert_eq!(log(devnet, lease, "new"), "new\n");
	assert_eq!(log(devnet, lease, "still"), "begun\n");
	let restarts = |n| {
		let one = replica(devnet, lease, n);
		(one["service"].to_string(), one["restarts"].to_string())
	};
	let wanted = [("new", "0"), ("still", "0"), ("web", "1")];
	let wanted = wanted.map(|(name, n)| (format!("{name:?}"), n.to_owned()));
	assert_eq!([0, 1, 2].map(restarts), wanted);
	wait_until(
		Duration::from_secs(30),
		"the old one's data is removed",
		|| !replicas.join("old/0").exists(),
	)
	.unwrap();
	close(devnet, lease);
}

fn updated_late(devnet: &Devnet) {
	ready(devnet);
	let path = write(
		devnet,
		&[Service("web", "echo first; sleep 1000", "")],
		SMALL,
	);
	let (lease, _) = start(devnet, &path);
	kill_daemon(devnet);
	let path = write(
		devnet,
		&[Service("web", "echo second; sleep 1000", "")],
		SMALL,
	);
	let mut late = devnet
		.tenant(&["update", &lease.to_string(), &path])
		.unwrap();
	let mut late = late.stderr(std::process::Stdio::null()).spawn().unwrap();
	std::thread::sleep(Duration::from_secs(5));
	assert!(late.try_wait().unwrap().is_none(), "it waits");
	start_daemon(devnet);
	assert!(late.wait().unwrap().success());
	assert_eq!(log(devnet, lease, "web"), "first\nsecond\n");
	close(devnet, lease);
}

fn again(devnet: &Devnet) {
	ready(devnet);
	let script = "test -e /here && echo stale; touch /here; busybox chown 7 /data && echo x >> /data/n; wc -l < /data/n; sleep 5; exit 3";
	let path = write(devnet, &[Service("web", script, DATA)], KEPT);
	let (lease, _) = start(devnet, &path);
	let seen = until(devnet, lease, "two restarts", |seen| {
		seen["restarts"].as_u64() >= Some(2)
	});
	assert_eq!(seen["last"], "it exited with code 3", "{seen}");
	let said = log(devnet, lease, "web");
	let numbers: Vec<_> = said.lines().filter(|l| l.parse::<u32>().is_ok()).collect();
	let count = u32::try_from(numbers.len()).unwrap();
	let wanted: Vec<_> = (1..=count).map(|n| n.to_string()).collect();
	assert!(count >= 2 && numbers == wanted, "{said}");
	assert!(!said.contains("stale"), "{said}");
	close(devnet, lease);
}

/// A service whose check soon fails is started again for that.
fn is_found_unwell(devnet: &Devnet, path: &str) {
	let (lease, _) = start(devnet, path);
	let seen = until(devnet, lease, "a restart", |seen| {
		seen["restarts"].as_u64() >= Some(1) && seen["state"] == "running"
	});
	let last = seen["last"].as_str().unwrap();
	assert!(last.contains("it is not well: exit code 1"), "{last}");
	close(devnet, lease);
}

/// The image's own check, which the manifest does not name.
fn unwell_by_image(devnet: &Devnet) {
	ready(devnet);
	let script = "touch /well; sleep 6; rm /well; sleep 1000";
	let path = write(devnet, &[Service("web", script, "")], SMALL);
	let text = std::fs::read_to_string(&path).unwrap();
	std::fs::write(&path, text.replace("/box:1", "/box:health")).unwrap();
	is_found_unwell(devnet, &path);
}

fn unwell(devnet: &Devnet) {
	ready(devnet);
	let more = "";
	let script = "touch /ok; sleep 3; rm /ok; sleep 1000";
	let path = write(devnet, &[Service("web", script, more)], SMALL);
	let text = std::fs::read_to_string(&path).unwrap();
	let health =
		"x-leasehold:\n  version: 1\n  services:\n    web:\n      health: { exec: [/bin/ls, /ok], \
	              interval: 1s, timeout: 2s, retries: 2, start_period: 2s }\n";
	std::fs::write(&path, text + health).unwrap();
	is_found_unwell(devnet, &path);
}

/// By the page that it has, and by the port alone.
fn answers(devnet: &Devnet) {
	ready(devnet);
	let script = "mkdir /www; echo up > /www/up; exec httpd -f -p 8080 -h /www";
	let services = [
		Service("page", script, ""),
		Service("port", "exec nc -ll -p 9000 -e cat", ""),
	];
	let path = write(devnet, &services, SMALL);
	let text = std::fs::read_to_string(&path).unwrap();
	let times = "interval: 1s, timeout: 2s, retries: 2, start_period: 5s";
	let health = format!(
		"x-leasehold:\n  version: 1\n  services:\n    page:\n      health: {{ http: {{ port: 8080, path: \
		 /up }}, {times} }}\n    port:\n      health: {{ tcp: 9000, {times} }}\n"
	);
	std::fs::write(&path, text + &health).unwrap();
	let (lease, _) = start(devnet, &path);
	let goes_on = |n: usize| {
		let seen = replica(devnet, lease, n);
		let state = (&seen["restarts"], &seen["state"]);
		assert_eq!(state, (&0.into(), &"running".into()), "{seen}");
	};
	// Long enough to be started again, were one found ill.
	std::thread::sleep(Duration::from_secs(8));
	goes_on(0);
	goes_on(1);
	let number = lease.to_string();
	let command = ["--service", "page", "--no-terminal", "--", "rm", "/www/up"];
	let mut exec = devnet.tenant(&[]).unwrap();
	output_of(exec.args(["exec", &number]).args(command));
	let seen = until(devnet, lease, "a restart", |seen| {
		seen["restarts"].as_u64() >= Some(1) && seen["state"] == "running"
	});
	let last = seen["last"].as_str().unwrap();
	let why = "it is not well: port 8080, /up: 404 Not Found";
	assert!(last.contains(why), "{last}");
	goes_on(1);
	close(devnet, lease);
}

fn never_well(devnet: &Devnet) {
	ready(devnet);
	let path = write(devnet, &[Service("web", "exit 1", "")], SMALL);
	let (record, code) = deploy(devnet, &path);
	assert_eq!(code, 7, "{record}");
	assert_eq!(record["close_reason"], "WorkloadFailed", "{record}");
}

fn disk(devnet: &Devnet) {
	ready(devnet);
	let script = "sleep 2; while :; do dd if=/dev/zero of=/$((n=n+1)) bs=1M count=4 2>/dev/null; sleep 1; done";
	let path = write(devnet, &[Service("web", script, "")], SMALL);
	let (lease, _) = start(devnet, &path);
	until(devnet, lease, "a restart for its storage", |seen| {
		let last = seen["last"].as_str().unwrap_or_default();
		last.contains("outgrew the storage")
	});
	assert_eq!(status(devnet, lease)["workload"]["storage_limit"], "watch");
	close(devnet, lease);
}

fn flood(devnet: &Devnet) {
	ready(devnet);
	let script = "n=0; while [ $n -lt 60000 ]; do n=$((n+1)); echo line $n of a long log; done; \
	              echo the end; sleep 1000";
	let path = write(devnet, &[Service("web", script, "")], SMALL);
	let (lease, _) = start(devnet, &path);
	wait_until(Duration::from_secs(90), "the end is in the log", || {
		log(devnet, lease, "web").ends_with("the end\n")
	})
	.unwrap();
	let arguments = ["logs", &lease.to_string(), "--output", "json"];
	let records = devnet.tenant(&arguments).unwrap().output().unwrap();
	let records = String::from_utf8(records.stdout).unwrap();
	let first: Value = serde_json::from_str(records.lines().next().unwrap()).unwrap();
	assert!(first["gap"].as_u64() > Some(0), "{first}");
	assert!(records.len() < 5 << 20, "{}", records.len());
	let seen = replica(devnet, lease, 0);
	assert_eq!(
		(&seen["restarts"], &seen["state"]),
		(&0.into(), &"running".into())
	);
	close(devnet, lease);
}

fn refused(devnet: &Devnet) {
	let more =
		"    expose:\n      - port: 80\n        as: 81\n        to: [{ service: other }]\n      \
	            - port: 9\n        to: [{ global: true }]\n";
	let services = [
		Service("web", "sleep 1", more),
		Service("other", "sleep 1", ""),
	];
	let path = write(devnet, &services, SMALL);
	let output = devnet.tenant(&["deploy", &path, "--yes"]).unwrap().output();
	let output = output.unwrap();
	let error = String::from_utf8_lossy(&output.stderr);
	assert_eq!(output.status.code(), Some(2), "{error}");
	assert!(error.contains("as 81"), "{error}");
}

/// A service goes on while something is away for a while.
fn interrupted(devnet: &Devnet, ends: impl Fn(), returns: impl Fn()) {
	ready(devnet);
	let script = "n=0; while :; do n=$((n+1)); echo $n; sleep 1; done";
	let path = write(devnet, &[Service("web", script, "")], SMALL);
	let (lease, _) = start(devnet, &path);
	std::thread::sleep(Duration::from_secs(3));
	ends();
	std::thread::sleep(Duration::from_secs(4));
	returns();
	wait_until(Duration::from_secs(60), "it goes on", || {
		log(devnet, lease, "web").lines().count() > 14
	})
	.unwrap();
	let said = log(devnet, lease, "web");
	let count = said.lines().count();
	let wanted: String = (1..=count).map(|n| format!("{n}\n")).collect();
	assert_eq!(said, wanted, "each line is there, once");
	assert_eq!(replica(devnet, lease, 0)["restarts"], 0);
	close(devnet, lease);
}

fn killed_daemon(devnet: &Devnet) {
	interrupted(devnet, || kill_daemon(devnet), || start_daemon(devnet));
}

fn killed_engine(devnet: &Devnet) {
	let setting = setting();
	interrupted(devnet, || setting.kill(), || setting.start());
}

/// What all that the engine has of a lease is called, at the beginning: other devnets have leases of this number.
fn names_of(devnet: &Devnet, lease: u64) -> String {
	name_of(devnet, 0, lease)
}

/// With what the names of a lease's containers begin, and the name of its network.
pub fn name_of(devnet: &Devnet, provider: usize, lease: u64) -> String {
	let genesis = devnet.provider_folder(provider).join("GENESIS");
	let genesis = std::fs::read_to_string(genesis).unwrap();
	format!("leasehold-{}-{provider}-{lease}", &genesis[..8])
}

fn stubborn(devnet: &Devnet) {
	ready(devnet);
	let script = "trap '' TERM; while :; do sleep 1; done";
	let path = write(devnet, &[Service("web", script, "")], SMALL);
	let (lease, _) = start(devnet, &path);
	let name = format!("{}-", names_of(devnet, lease));
	assert!(setting().has_container(&name));
	close(devnet, lease);
	wait_until(Duration::from_secs(60), "it is gone", || {
		!setting().has_container(&name)
	})
	.unwrap();
}

fn read_only(devnet: &Devnet) {
	ready(devnet);
	let script = "touch /x && echo image; touch /tmp/x && echo tmp; touch /data/x && echo volume; sleep 1000";
	let services = ["web", "other"].map(|name| Service(name, script, DATA));
	let path = write(devnet, &services, KEPT);
	let text = std::fs::read_to_string(&path).unwrap();
	let own = "x-leasehold: { version: 1, services: { web: { read_only: true } } }\n";
	std::fs::write(&path, text + own).unwrap();
	let (lease, _) = start(devnet, &path);
	let said = |service: &str| {
		wait_until(Duration::from_secs(20), "it has tried", || {
			log(devnet, lease, service).contains("volume")
		})
		.unwrap();
		let lines = log(devnet, lease, service);
		lines.lines().map(str::to_owned).collect::<Vec<_>>()
	};
	assert_eq!(said("web"), ["tmp", "volume"]);
	// Its image has no such folder.
	assert_eq!(said("other"), ["image", "volume"]);
	close(devnet, lease);
}

fn opened(devnet: &Devnet) {
	ready(devnet);
	// Its volume outlives that it is suspended.
	let script = "echo x >> /data/n; echo begun $(wc -l < /data/n); sleep 1000";
	let path = write(devnet, &[Service("web", script, DATA)], KEPT);
	let (lease, _) = start(devnet, &path);
	let state = || status(devnet, lease)["chain"]["state"].take();
	assert_eq!(state(), "active");
	// As after a restart of the machine.
	kill_daemon(devnet);
	remove_table();
	start_daemon(devnet);
	let name = names_of(devnet, lease);
	let runs = || setting().has_container(&format!("{name}-"));
	wait_until(Duration::from_secs(40), "it is stopped", || !runs()).unwrap();
	wait_until(Duration::from_secs(60), "the lease is paused", || {
		state() == "suspended (paused)"
	})
	.unwrap_or_else(|error| panic!("{error}: {}", status(devnet, lease)));
	let paid = status(devnet, lease)["chain"]["paid"].take();
	std::thread::sleep(Duration::from_secs(4));
	assert_eq!(status(devnet, lease)["chain"]["paid"], paid);
	ready(devnet);
	wait_until(Duration::from_secs(40), "the lease is resumed", || {
		state() == "active"
	})
	.unwrap_or_else(|error| panic!("{error}: {}", status(devnet, lease)));
	assert!(runs());
	let said = log(devnet, lease, "web");
	assert!(said.ends_with("begun 1\nbegun 2\n"), "{said}");
	close(devnet, lease);
}

/// Podman takes no runtime by the container: where its own is another than was named, nothing is started.
fn runtime(devnet: &Devnet) {
	let file = devnet.provider_folder(0).join("provider.toml");
	let before = std::fs::read_to_string(&file).unwrap();
	let unset = "# runtime = \"runsc\"";
	assert!(before.contains(unset), "{before}");
	std::fs::write(&file, before.replace(unset, "runtime = \"runc\"")).unwrap();
	kill_daemon(devnet);
	start_daemon(devnet);
	let says = |key: &str, words: &str| {
		wait_until(Duration::from_secs(60), words, || {
			daemon_status(devnet)[key].to_string().contains(words)
		})
		.unwrap_or_else(|error| panic!("{error}: {}", daemon_status(devnet)));
	};
	says("containers", "with runc");
	ready(devnet);
	// It ends by itself: that is the tenant's, and no reason to pause the lease.
	let path = write(devnet, &[Service("web", "sleep 30; exit 3", "")], SMALL);
	let (lease, _) = start(devnet, &path);
	let job = File {
		attempts: 2,
		max_duration: "20m",
		..containers::job("sleep 900")
	};
	let job = job.start(devnet);
	let container = setting().container_of(&job.to_string()).unwrap();
	setting().kill();
	let mut remove = setting().podman();
	output_of(remove.args(["rm", "-f", "-t", "0", &container]));
	setting().start_with_other_runtime();
	says("no_containers", &format!("takes its own alone, `{OTHER}`"));
	assert_eq!(deploy(devnet, &path).1, 4, "nobody takes it");
	let both = |state: &str| {
		let is = |lease: u64| status(devnet, lease)["chain"]["state"] == state;
		wait_until(Duration::from_secs(90), state, || is(lease) && is(job)).unwrap_or_else(
			|error| panic!("{error}: {} {}", status(devnet, lease), status(devnet, job)),
		);
	};
	both("suspended (paused)");
	let last = replica(devnet, lease, 0)["last"].to_string();
	assert!(last.contains('3'), "{last}");
	for lease in [lease, job] {
		assert_eq!(setting().container_of(&lease.to_string()), None);
	}
	setting().kill();
	setting().start();
	says("containers", "with runc");
	both("active");
	assert_eq!(status(devnet, job)["workload"]["attempts"], 2);
	for lease in [lease, job] {
		close(devnet, lease);
	}
	std::fs::write(&file, before).unwrap();
	kill_daemon(devnet);
	start_daemon(devnet);
	ready(devnet);
}

/// The last case: it does not come back.
fn leaves(devnet: &Devnet) {
	ready(devnet);
	let operate = |arguments: &[&str]| {
		let output = devnet.provider(0, arguments).unwrap().output().unwrap();
		let error = String::from_utf8_lossy(&output.stderr);
		assert!(output.status.success(), "{arguments:?}: {error}");
		String::from_utf8(output.stdout).unwrap()
	};
	let drained = |is: bool| {
		wait_until(Duration::from_secs(30), "the status tells", || {
			daemon_status(devnet)["drained"].is_string() == is
		})
		.unwrap();
	};
	let path = write(devnet, &[Service("web", "sleep 1000", "")], SMALL);
	let (lease, _) = start(devnet, &path);
	let said = operate(&["drain"]);
	assert!(said.contains("until they end: 1"), "{said}");
	drained(true);
	assert!(operate(&["drain"]).contains("as it did already"));
	let (json, code) = deploy(devnet, &path);
	assert_eq!(code, 4, "nobody takes it: {json}");
	assert_eq!(replica(devnet, lease, 0)["state"], "running");
	operate(&["drain", "--off"]);
	drained(false);
	let (other, _) = start(devnet, &path);
	close(devnet, other);
	let said = operate(&["deregister", "--owner-uri", "//Provider0"]);
	assert!(said.contains("leases that are open: 1"), "{said}");
	drained(true);
	let mut again = devnet.provider(0, &["drain", "--off"]).unwrap();
	assert!(!again.output().unwrap().status.success());
	let (providers, _) = devnet.json("//Tenant", &["providers"]).unwrap();
	assert_eq!(providers[0]["status"], "leaving", "{providers}");
	assert_eq!(replica(devnet, lease, 0)["state"], "running");
}

fn removed(devnet: &Devnet) {
	ready(devnet);
	let path = write(devnet, &[Service("web", "sleep 1000", "")], SMALL);
	let (lease, _) = start(devnet, &path);
	containers::remove_unseen(devnet, lease);
	let seen = until(devnet, lease, "a restart", |seen| {
		seen["restarts"] == 1 && seen["state"] == "running"
	});
	let last = seen["last"].as_str().unwrap();
	assert!(last.contains(containers::REMOVED), "{last}");
	close(devnet, lease);
}

fn nothing_left(devnet: &Devnet) {
	ready(devnet);
	let script = "echo begun; echo x > /data/n; sleep 1000";
	let path = write(devnet, &[Service("web", script, DATA)], KEPT);
	let (lease, _) = start(devnet, &path);
	let volume = lease_folder(devnet, lease).join("services/web/0/kept/data");
	assert!(volume.join("n").exists());
	let (setting, name) = (setting(), &names_of(devnet, lease));
	let there = || setting.has_container(&format!("{name}-")) || setting.has_network(name);
	assert!(setting.has_container(&format!("{name}-")) && setting.has_network(name));
	close(devnet, lease);
	wait_until(Duration::from_secs(40), "nothing is left", || {
		!there() && !volume.exists()
	})
	.unwrap();
	assert_eq!(log(devnet, lease, "web"), "begun\n", "its log stays");
}
