//! A container engine, Podman or Docker, and a registry with a password, each a process of its own.

// What measurements and tests start from: they end where it cannot be made.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use crate::devnet::{signal, wait_until, Owned};
use rustix::process::Signal;
use std::{
	net::TcpListener,
	os::unix::fs::symlink,
	path::{Path, PathBuf},
	process::{Command, Stdio},
	sync::Mutex,
	time::Duration,
};

/// Of the registry's one account, `tenant`.
pub const PASSWORD: &str = "correct-horse";

/// A runtime's other name.
pub const OTHER: &str = "other";

/// Everything that containers need, in a folder of its own.
pub struct Engine {
	folder: tempfile::TempDir,
	/// The registry's address.
	pub registry: String,
	/// Whether the engine is Docker's. Images are made by Podman all the same.
	is_docker: bool,
	/// The engine and the registry.
	processes: [Mutex<Option<Owned>>; 2],
}

/// Runs a command that must succeed; what it writes.
pub fn output_of(command: &mut Command) -> Vec<u8> {
	let output = command.stdin(Stdio::null()).output().unwrap();
	let error = String::from_utf8_lossy(&output.stderr);
	assert!(output.status.success(), "{command:?}: {error}");
	output.stdout
}

impl Engine {
	/// Starts both, with one image in the registry.
	pub fn start_both() -> Self {
		Self::start_with_registry(false)
	}

	/// The same with Docker's engine.
	pub fn start_docker() -> Self {
		Self::start_with_registry(true)
	}

	fn start_with_registry(is_docker: bool) -> Self {
		let folder = tempfile::tempdir().unwrap();
		let at = |name: &str| folder.path().join(name);
		let networks = at("networks");
		std::fs::create_dir(&networks).unwrap();
		std::fs::write(
			at("containers.conf"),
			format!(
				"[engine]\nruntime = \"runc\"\ncgroup_manager = \"cgroupfs\"\nevents_logger = \"file\"\n\
				 [engine.runtimes]\n{OTHER} = [\"/usr/bin/runc\", \"/usr/sbin/runc\"]\n\
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
		let engine = Self {
			folder,
			registry,
			is_docker,
			processes: [Mutex::default(), Mutex::new(Some(Owned(child)))],
		};
		engine.push();
		engine.start();
		engine
	}

	/// Where the engine listens.
	pub fn socket(&self) -> String {
		format!(
			"unix://{}",
			self.folder.path().join("engine.sock").display()
		)
	}

	/// The engine's own command line.
	pub fn tool(&self) -> Command {
		if !self.is_docker {
			return self.podman();
		}
		let mut command = Command::new("docker");
		command
			.env("DOCKER_CONFIG", self.folder.path().join("docker"))
			.args(["--host", &self.socket()]);
		command
	}

	/// Whether each lease has users of its own, who are nobody on this machine: Docker has them for all containers or none.
	pub fn maps_users(&self) -> bool {
		!self.is_docker
	}

	/// Removes a container, whatever it does; whether the engine did.
	pub fn remove(&self, container: &str) -> bool {
		let mut command = self.tool();
		command.args(["rm", "-f"]);
		if !self.is_docker {
			command.args(["-t", "0"]);
		}
		command.arg(container).output().unwrap().status.success()
	}

	/// Podman itself, with the same storage.
	pub fn podman(&self) -> Command {
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
			"cat", "cut", "dd", "grep", "httpd", "id", "ip", "ln", "ls", "mkdir", "mount", "nc",
			"rm", "sh", "sleep", "tail", "touch", "wc", "wget",
		] {
			symlink("busybox", root.join("bin").join(name)).unwrap();
		}
		let tar = self.packed();
		let name = self.image();
		// Of no machine that tests are run on.
		let foreign = ["--arch", "s390x"];
		for (name, more) in [
			(name.clone(), &[] as &[&str]),
			(
				name.replace("/box:1", "/box:volume"),
				&["--change", "VOLUME /data"][..],
			),
			(
				name.replace("/box:1", "/box:beyond"),
				&["--change", "USER 70000"][..],
			),
			(name.replace("/box:1", "/box:foreign"), &foreign[..]),
		] {
			output_of(self.podman().arg("import").args(more).arg(&tar).arg(&name));
			self.hand_over(&name);
		}
		// One that says itself how it is found out whether it is well, in the format that can say so.
		let recipe = "FROM scratch\nADD image.tar /\nHEALTHCHECK --interval=1s --retries=2 CMD [\"ls\", \"/well\"]\n";
		std::fs::write(self.folder.path().join("Containerfile"), recipe).unwrap();
		let name = name.replace("/box:1", "/box:health");
		output_of(
			self.podman()
				.args(["build", "--format", "docker", "--tag", &name, "."]),
		);
		self.hand_over(&name);
	}

	/// Puts an image into the registry, from where alone it is had from now on.
	fn hand_over(&self, name: &str) {
		let who = format!("tenant:{PASSWORD}");
		output_of(self.podman().args(["push", "--creds", &who, name]));
		output_of(self.podman().args(["rmi", name]));
	}

	/// The files of the image, as they are now.
	fn packed(&self) -> PathBuf {
		let tar = self.folder.path().join("image.tar");
		let mut command = Command::new("tar");
		command.arg("-C").arg(self.folder.path().join("image"));
		output_of(command.arg("-cf").arg(&tar).arg("."));
		tar
	}

	/// Puts the same image with one more file into the registry; its name.
	pub fn push_with(&self, tag: &str, file: &[u8]) -> String {
		let name = self.image().replace("/box:1", &format!("/box:{tag}"));
		let more = self.folder.path().join("image/more");
		std::fs::write(&more, file).unwrap();
		let tar = self.packed();
		std::fs::remove_file(&more).unwrap();
		output_of(self.podman().arg("import").arg(&tar).arg(&name));
		self.hand_over(&name);
		name
	}

	/// The names of all images that the engine has.
	pub fn images(&self) -> Vec<String> {
		let format = "{{.Repository}}:{{.Tag}}";
		let names = output_of(self.tool().args(["images", "-a", "--format", format]));
		let names = String::from_utf8(names).unwrap();
		names.lines().map(str::to_owned).collect()
	}

	/// An image with a shell.
	pub fn image(&self) -> String {
		format!("{}/box:1", self.registry)
	}

	/// Starts the engine, once more if need be.
	pub fn start(&self) {
		match self.is_docker {
			true => self.start_dockerd(),
			false => self.start_with(&[]),
		}
	}

	/// Where the engine writes what it does, in all its lives.
	fn log(&self) -> std::fs::File {
		let path = self.folder.path().join("engine.log");
		let mut options = std::fs::File::options();
		options.create(true).append(true).open(path).unwrap()
	}

	/// What is started by it outlives it, and it has folders of its own.
	fn start_dockerd(&self) {
		let at = |name: &str| self.folder.path().join(name);
		std::fs::write(at("dockerd.json"), "{}").unwrap();
		let mut command = Command::new("dockerd");
		for (option, name) in [
			("--config-file", "dockerd.json"),
			("--data-root", "data"),
			("--exec-root", "exec"),
			("--pidfile", "dockerd.pid"),
		] {
			command.arg(option).arg(at(name));
		}
		let child = command
			.args(["--host", &self.socket(), "--live-restore"])
			.args(["--storage-driver", "vfs", "--log-level", "warn"])
			.stdin(Stdio::null())
			.stdout(Stdio::null())
			.stderr(self.log())
			.spawn()
			.unwrap();
		*self.processes[0].lock().unwrap() = Some(Owned(child));
		wait_until(Duration::from_secs(60), "the engine answers", || {
			let info = self.tool().arg("info").output().unwrap();
			info.status.success()
		})
		.unwrap();
	}

	/// With another OCI runtime.
	pub fn start_with_other_runtime(&self) {
		self.start_with(&["--runtime", OTHER]);
	}

	/// As if nothing were ever heard of a container's end: whoever follows its output waits for ever.
	pub fn start_deaf(&self) {
		self.start_with(&["--events-backend", "none"]);
	}

	fn start_with(&self, options: &[&str]) {
		let socket = self.socket();
		let _ = std::fs::remove_file(socket.trim_start_matches("unix://"));
		let child = self
			.podman()
			.args(options)
			.args(["system", "service", "--time", "0", &socket])
			.stdin(Stdio::null())
			.stdout(Stdio::null())
			.stderr(self.log())
			.spawn()
			.unwrap();
		*self.processes[0].lock().unwrap() = Some(Owned(child));
		wait_until(Duration::from_secs(20), "the engine is up", || {
			Path::new(socket.trim_start_matches("unix://")).exists()
		})
		.unwrap();
	}

	/// Kills the engine; what it started goes on.
	pub fn kill(&self) {
		*self.processes[0].lock().unwrap() = None;
	}

	/// Docker's engine ends its own helper, which writes into the folder.
	fn ask_to_end(&self) {
		let Some(mut engine) = self.processes[0].lock().unwrap().take() else {
			return;
		};
		signal(i32::try_from(engine.0.id()).unwrap(), Signal::TERM);
		let ended = || matches!(engine.0.try_wait(), Ok(Some(_)));
		let _ = wait_until(Duration::from_secs(20), "the engine ends", ended);
	}

	/// Ends and removes all of it.
	pub fn end(&self) {
		if self.is_docker && self.listed().is_none() {
			// What it has started outlives it.
			self.start_dockerd();
		}
		for container in self.listed().unwrap_or_default() {
			self.remove(&container);
		}
		if self.is_docker {
			self.ask_to_end();
		}
		for process in &self.processes {
			*process.lock().unwrap() = None;
		}
		let networks = self.folder.path().join("exec/netns/default");
		if networks.exists() {
			let _ = Command::new("umount").arg(networks).output();
		}
		let _ = std::fs::remove_dir_all(self.folder.path());
	}

	/// Whether there is a network of this name.
	pub fn has_network(&self, name: &str) -> bool {
		let names = output_of(self.tool().args(["network", "ls", "--format", "{{.Name}}"]));
		let names = String::from_utf8(names).unwrap();
		names.lines().any(|one| one == name)
	}

	/// The names of all containers, if the engine answers.
	fn listed(&self) -> Option<Vec<String>> {
		let mut list = self.tool();
		let listed = list
			.args(["ps", "-a", "--format", "{{.Names}}"])
			.output()
			.ok()?;
		let names = String::from_utf8(listed.stdout).ok()?;
		let names = names.lines().map(str::to_owned).collect();
		listed.status.success().then_some(names)
	}

	fn containers(&self) -> Vec<String> {
		self.listed().unwrap()
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

impl Drop for Engine {
	fn drop(&mut self) {
		self.end();
	}
}
