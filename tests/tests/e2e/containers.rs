//! Jobs in containers: a real engine, a real registry with passwords, images made on the spot.

use crate::{
	chosen,
	faults::{kill_daemon, start_daemon, Owned, DAEMON},
	jobs::{fails, fetch},
	services,
	setting::{closed, status, File},
	suite, Case, ONE,
};
use leasehold_tests::devnet::{program, wait_until, Devnet};
use serde_json::Value;
use std::{
	net::TcpListener,
	os::unix::fs::symlink,
	path::Path,
	process::{Command, Stdio},
	sync::{Mutex, OnceLock},
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
	("a_container_is_stopped_at_its_memory_limit", memory),
	("a_container_is_stopped_at_its_storage_limit", storage),
	("a_container_that_floods_its_log_is_stopped", flood),
	("an_endless_line_counts_before_its_end", endless_line),
	("what_an_image_declares_as_volumes_counts_too", volume),
	("files_without_a_name_count_as_storage", unlinked),
	("a_container_is_stopped_at_its_time_limit", time),
];
/// One after the other: they end the daemon and the engine under everybody.
const FAULTS: &[Case] = &[
	("a_killed_daemon_adopts_its_container", killed_daemon),
	(
		"an_engine_that_is_started_anew_loses_nothing",
		killed_engine,
	),
	("a_container_that_was_removed_is_run_anew", removed),
	("a_closed_lease_leaves_no_container", stopped),
	("a_container_gets_the_gpu_that_was_leased", gpu),
];

pub const PASSWORD: &str = "correct-horse";

/// Everything that containers need, in a folder of its own.
pub struct Setting {
	folder: tempfile::TempDir,
	/// The registry's address.
	pub registry: String,
	/// The engine and the registry.
	processes: [Mutex<Option<Owned>>; 2],
}

static SETTING: OnceLock<Setting> = OnceLock::new();

pub fn setting() -> &'static Setting {
	SETTING.get().unwrap()
}

/// Runs the cases, and those of services, on an engine of their own.
pub fn run() -> (usize, usize) {
	let none = [CASES, FAULTS].concat();
	if chosen(&none).is_empty() && !services::any() {
		return (0, 0);
	}
	let setting = SETTING.get_or_init(Setting::new);
	let (engine, registry) = (setting.socket(), setting.registry.clone());
	let more = ["--engine", engine.as_str(), "--registry", registry.as_str()];
	let arguments = [&ONE[..], &more].concat();
	let (passed, failed) = suite("containers", &arguments, 6, CASES);
	let (more, worse) = suite("container faults", &arguments, 1, FAULTS);
	*DAEMON.lock().unwrap() = None;
	let (served, unserved) = services::run(&arguments);
	setting.end();
	(passed + more + served, failed + worse + unserved)
}

fn output_of(command: &mut Command) -> Vec<u8> {
	let output = command.stdin(Stdio::null()).output().unwrap();
	let error = String::from_utf8_lossy(&output.stderr);
	assert!(output.status.success(), "{command:?}: {error}");
	output.stdout
}

impl Setting {
	fn new() -> Self {
		let folder = tempfile::tempdir().unwrap();
		let at = |name: &str| folder.path().join(name);
		let networks = at("networks");
		std::fs::create_dir(&networks).unwrap();
		std::fs::write(
			at("containers.conf"),
			format!(
				"[engine]\nruntime = \"runc\"\ncgroup_manager = \"cgroupfs\"\nevents_logger = \"file\"\n\
				 [network]\nnetwork_config_dir = {networks:?}\n\
				 [containers]\ndefault_ulimits = [\"nofile=1024:1024\", \"nproc=1024:1024\"]\n"
			),
		)
		.unwrap();
		let insecure = "[[registry]]\nlocation = \"127.0.0.1\"\ninsecure = true\n";
		std::fs::write(at("registries.conf"), insecure).unwrap();
		let port = TcpListener::bind("127.0.0.1:0")
			.and_then(|listener| listener.local_addr())
			.unwrap()
			.port();
		let registry = format!("127.0.0.1:{port}");
		let entry = output_of(Command::new("htpasswd").args(["-nbB", "tenant", PASSWORD]));
		std::fs::write(at("htpasswd"), entry).unwrap();
		let config = format!(
			"version: 0.1\nlog: {{ level: error }}\nstorage: {{ filesystem: {{ rootdirectory: {0}/images }} }}\n\
			 http: {{ addr: {registry} }}\nauth: {{ htpasswd: {{ realm: here, path: {0}/htpasswd }} }}\n",
			folder.path().display()
		);
		std::fs::write(at("registry.yml"), config).unwrap();
		let child = Command::new("docker-registry")
			.arg("serve")
			.arg(at("registry.yml"))
			.stdin(Stdio::null())
			.stdout(Stdio::null())
			.stderr(std::fs::File::create(at("registry.log")).unwrap())
			.spawn()
			.unwrap();
		wait_until(Duration::from_secs(20), "the registry is up", || {
			std::net::TcpStream::connect(&registry).is_ok()
		})
		.unwrap();
		let setting = Self {
			folder,
			registry,
			processes: [Mutex::default(), Mutex::new(Some(Owned(child)))],
		};
		setting.push();
		setting.start_engine();
		setting
	}

	fn socket(&self) -> String {
		format!(
			"unix://{}",
			self.folder.path().join("engine.sock").display()
		)
	}

	fn podman(&self) -> Command {
		let at = |name: &str| self.folder.path().join(name);
		let mut command = Command::new("podman");
		command
			.env("CONTAINERS_CONF", at("containers.conf"))
			.env("CONTAINERS_REGISTRIES_CONF", at("registries.conf"))
			.arg("--root")
			.arg(at("root"))
			.arg("--runroot")
			.arg(at("run"))
			.args(["--storage-driver", "vfs"])
			// Its helpers leave notes where they stand.
			.current_dir(self.folder.path());
		command
	}

	/// Makes an image of a static shell, and puts it into the registry.
	fn push(&self) {
		let root = self.folder.path().join("image");
		std::fs::create_dir_all(root.join("bin")).unwrap();
		std::fs::copy("/bin/busybox", root.join("bin/busybox")).unwrap();
		for name in [
			"cat", "cut", "dd", "grep", "httpd", "id", "ip", "ls", "mkdir", "mount", "nc", "rm",
			"sh", "sleep", "tail", "touch", "wc", "wget",
		] {
			symlink("busybox", root.join("bin").join(name)).unwrap();
		}
		let tar = self.folder.path().join("image.tar");
		output_of(
			Command::new("tar")
				.arg("-C")
				.arg(&root)
				.arg("-cf")
				.arg(&tar)
				.arg("."),
		);
		let name = self.image();
		let who = format!("tenant:{PASSWORD}");
		for (name, more) in [
			(name.clone(), None),
			(name.replace("/box:1", "/box:volume"), Some("VOLUME /data")),
		] {
			let change = more.iter().flat_map(|more| ["--change", more]);
			output_of(
				self.podman()
					.arg("import")
					.args(change)
					.arg(&tar)
					.arg(&name),
			);
			output_of(self.podman().args(["push", "--creds", &who, &name]));
			output_of(self.podman().args(["rmi", &name]));
		}
	}

	pub fn image(&self) -> String {
		format!("{}/box:1", self.registry)
	}

	pub fn start_engine(&self) {
		let socket = self.socket();
		let _ = std::fs::remove_file(socket.trim_start_matches("unix://"));
		let log = std::fs::File::options()
			.create(true)
			.append(true)
			.open(self.folder.path().join("engine.log"))
			.unwrap();
		let child = self
			.podman()
			.args(["system", "service", "--time", "0", &socket])
			.stdin(Stdio::null())
			.stdout(Stdio::null())
			.stderr(log)
			.spawn()
			.unwrap();
		*self.processes[0].lock().unwrap() = Some(Owned(child));
		wait_until(Duration::from_secs(20), "the engine is up", || {
			Path::new(socket.trim_start_matches("unix://")).exists()
		})
		.unwrap();
	}

	pub fn kill_engine(&self) {
		*self.processes[0].lock().unwrap() = None;
	}

	/// Ends and removes all of it.
	fn end(&self) {
		let _ = self.podman().args(["rm", "-fa", "-t", "0"]).output();
		for process in &self.processes {
			*process.lock().unwrap() = None;
		}
		let _ = std::fs::remove_dir_all(self.folder.path());
	}

	/// Whether there is a network of this name.
	pub fn has_network(&self, name: &str) -> bool {
		let names = output_of(
			self.podman()
				.args(["network", "ls", "--format", "{{.Name}}"]),
		);
		let names = String::from_utf8(names).unwrap();
		names.lines().any(|one| one == name)
	}

	fn containers(&self) -> Vec<String> {
		let names = output_of(self.podman().args(["ps", "-a", "--format", "{{.Names}}"]));
		let names = String::from_utf8(names).unwrap();
		names.lines().map(str::to_owned).collect()
	}

	/// The container of a lease, whatever it does.
	pub fn container_of(&self, lease: &str) -> Option<String> {
		let mark = format!("-0-{lease}-");
		let mut names = self.containers().into_iter();
		names.find(|name| name.contains(&mark))
	}

	/// Whether there is a container whose name begins so.
	pub fn has_container(&self, begin: &str) -> bool {
		self.containers().iter().any(|name| name.starts_with(begin))
	}
}

/// A job that runs a shell script, with the credentials that the image needs.
fn job(script: &str) -> File {
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
	assert_eq!(setting().container_of(&lease), None);
}

fn confined(devnet: &Devnet) {
	let script = "grep -E 'CapEff|NoNewPrivs|Seccomp:' /proc/self/status
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
	let mut update = Command::new(program("leasehold-provider").unwrap());
	update.arg("--dir").arg(&folder).arg("update");
	wait_until(Duration::from_secs(30), "the chain is told", || {
		update.output().unwrap().status.success()
	})
	.unwrap();
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
	let early = update.output().unwrap();
	let said = String::from_utf8_lossy(&early.stderr).into_owned();
	assert!(
		!early.status.success() && said.contains("start it anew"),
		"{said}"
	);
	kill_daemon(devnet);
	start_daemon(devnet);
	wait_until(Duration::from_secs(30), "the chain is told", || {
		update.output().unwrap().status.success()
	})
	.unwrap();
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

fn no_command(devnet: &Devnet) {
	let mut file = job("exit 0");
	let (image, more) = file.image.take().unwrap();
	file.image = Some((image, more.replace("/bin/sh", "/bin/nothing")));
	fails(devnet, file, "cannot be loaded");
}

fn memory(devnet: &Devnet) {
	// `tail` keeps what it has not seen the end of.
	fails(devnet, job("tail /dev/zero"), "more memory than was leased");
}

fn storage(devnet: &Devnet) {
	let script = "while :; do dd if=/dev/zero of=/out/$((n=n+1)) bs=1M count=4 2>/dev/null; done";
	fails(devnet, job(script), "outgrew the storage");
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

/// A job that goes on while something is away for a while.
fn interrupted(devnet: &Devnet, ends: impl Fn(), returns: impl Fn()) {
	let lease = counter(14, 1).start(devnet);
	std::thread::sleep(Duration::from_secs(3));
	ends();
	std::thread::sleep(Duration::from_secs(4));
	returns();
	let record = closed(devnet, lease, 60);
	assert_eq!(record["close_reason"], "Completed", "{record}");
	let said = log(devnet, &lease.into());
	let wanted: String = (1..=14).map(|n| format!("{n}\n")).collect();
	assert_eq!(said, wanted, "each line is there, once");
	assert_eq!(status(devnet, lease)["workload"]["attempts"], 1);
}

fn killed_daemon(devnet: &Devnet) {
	interrupted(devnet, || kill_daemon(devnet), || start_daemon(devnet));
}

fn killed_engine(devnet: &Devnet) {
	let setting = setting();
	interrupted(devnet, || setting.kill_engine(), || setting.start_engine());
}

fn removed(devnet: &Devnet) {
	let lease = counter(12, 2).start(devnet);
	let name = &setting().container_of(&lease.to_string()).unwrap();
	output_of(setting().podman().args(["rm", "-f", "-t", "0", name]));
	let record = closed(devnet, lease, 60);
	assert_eq!(record["close_reason"], "Completed", "{record}");
	assert_eq!(status(devnet, lease)["workload"]["attempts"], 2);
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
