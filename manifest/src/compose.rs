//! A subset of Compose files, by the same rule: each key is honoured, warned about or refused.
//!
//! Compose says nothing of prices, and seldom of sizes: what is missing is assumed, and said.

use crate::{
	manifest::{Expose, HttpOptions, Medium, Program, Protocol, Unit, Volume, MAX_SERVICES},
	quantity,
	sdl::{
		compute::{CPU as CPU_BOUNDS, MEMORY as MEMORY_BOUNDS},
		parse_with, unserved, Fault, LocalFile, Map, Placement, Reader, Sdl, Sums,
	},
	yaml::{NodeKind, Place},
	Kind, Service,
};
use std::path::Path;

mod health;

/// What a service gets that names no limits: milli-CPU, MiB of memory and of disk.
const CPU: u32 = 500;
const MEMORY: u64 = 512 << 20;
const STORAGE: u64 = 1 << 30;
/// What a named volume gets.
const VOLUME: u64 = 1 << 30;

/// Whether a file's name is one of Compose's own.
pub fn is_compose(path: &Path) -> bool {
	let name = path.file_name().and_then(|name| name.to_str());
	matches!(
		name,
		Some("compose.yaml" | "compose.yml" | "docker-compose.yaml" | "docker-compose.yml")
	)
}

/// Reads a Compose file: one placement of all its services.
pub fn parse(text: &str) -> (Option<Sdl>, Vec<Fault>) {
	parse_with(text, |reader, root| reader.compose(root))
}

/// Sizes as Compose writes them: `512m`, `1gb`, `64k`; all binary.
fn compose_bytes(text: &str) -> Option<u64> {
	let lower = text.to_ascii_lowercase();
	let number = lower.trim_end_matches(|c: char| c.is_ascii_alphabetic());
	let scale: u64 = match lower.strip_prefix(number)? {
		"" | "b" => 1,
		"k" | "kb" => 1 << 10,
		"m" | "mb" => 1 << 20,
		"g" | "gb" => 1 << 30,
		_ => return None,
	};
	number.parse::<u64>().ok()?.checked_mul(scale)
}

impl Reader {
	fn compose(&mut self, root: &Map) -> Option<Sdl> {
		for (key, at, _) in root.items() {
			match key {
				"services" | "volumes" => {}
				"version" | "name" => {}
				"x-leasehold" => self.warn(at, key, "is ignored: it is for SDL files"),
				_ if key.starts_with("x-") => {}
				"networks" => self.warn(
					at,
					key,
					"is ignored: all services of a lease reach each other",
				),
				_ => self.error(at, key, "is not understood here"),
			}
		}
		let services = self.need(root, "services")?;
		let declared: Vec<&str> = match self.child(root, "volumes") {
			Some(volumes) => volumes.items().map(|(name, ..)| name).collect(),
			None => Vec::new(),
		};
		let mut all: Vec<Service<LocalFile>> = Vec::new();
		let mut sums = Sums::default();
		for (name, at, node) in services.items() {
			let Some(map) = self.map(node, &services.child(name), at) else {
				continue;
			};
			if let Some(service) = self.compose_service(name, &map, &declared, &mut sums) {
				all.push(service);
			}
		}
		if all.is_empty() || all.len() > MAX_SERVICES {
			let reason = format!("1 to {MAX_SERVICES} services are allowed");
			self.error(services.at, "services", reason);
			return None;
		}
		all.sort_by(|a, b| a.name.cmp(&b.name));
		let names: Vec<String> = all.iter().map(|service| service.name.clone()).collect();
		for service in &mut all {
			if let Some(other) = service
				.depends_on
				.iter()
				.find(|other| !names.contains(other))
			{
				let key = format!("services.{}.depends_on", service.name);
				self.error(services.at, &key, format!("there is no service `{other}`"));
			}
		}
		if crate::manifest::in_order(&all).is_none() {
			self.error(
				services.at,
				"services",
				"they depend on each other in a circle",
			);
		}
		sums.services = all.len();
		let refused = unserved(&all, |service| match service {
			Some(name) => (services.place(name), services.child(name)),
			None => (services.at, services.key.clone()),
		});
		Some(Sdl {
			placements: vec![Placement {
				name: "compose".into(),
				attributes: Vec::new(),
				any_of: Vec::new(),
				all_of: Vec::new(),
				max_rate: None,
				services: all,
			}],
			notice: None,
			sums,
			unserved: refused.into_iter().collect(),
		})
	}

	/// A `/tmp` there is; other folders are volumes.
	fn tmpfs(&mut self, map: &Map, at: Place) {
		let all = self.words(map, "tmpfs");
		let folder = |word: &String| {
			let folder = word.split(':').next().unwrap_or_default();
			folder.trim_end_matches('/') == "/tmp"
		};
		match all.iter().all(folder) {
			true => {
				let reason =
					"is ignored: /tmp is the image's own, and with `read_only` one on the lease's disk";
				self.warn(at, &map.child("tmpfs"), reason);
			}
			false => {
				let reason = "is understood for /tmp alone: name a volume for other folders";
				self.error(at, &map.child("tmpfs"), reason);
			}
		}
	}

	fn compose_service(
		&mut self,
		name: &str,
		map: &Map,
		declared: &[&str],
		sums: &mut Sums,
	) -> Option<Service<LocalFile>> {
		let honoured = [
			"image",
			"command",
			"entrypoint",
			"environment",
			"ports",
			"expose",
			"volumes",
			"depends_on",
			"healthcheck",
			"deploy",
			"cpus",
			"mem_limit",
			"read_only",
		];
		let harmless = [
			"restart",
			"container_name",
			"hostname",
			"labels",
			"networks",
			"links",
			"logging",
			"stdin_open",
			"tty",
			"init",
			"stop_grace_period",
			"platform",
			"pull_policy",
		];
		for (key, at, _) in map.items() {
			if harmless.contains(&key) {
				self.warn(at, &map.child(key), "is ignored");
			} else if key == "tmpfs" {
				self.tmpfs(map, at);
			} else if !honoured.contains(&key) {
				self.error(at, &map.child(key), "is not understood here");
			}
		}
		self.label(map.at, &map.key, name);
		let image = self.text_at(map, "image");
		if image.is_empty() {
			self.missing(map, "image");
		}
		if image.contains('$') || image.starts_with("wasm:") {
			let reason =
				"must be an image: nothing is interpolated, and a module needs an SDL file";
			self.error(map.place("image"), &map.child("image"), reason);
		}
		let (command, args) = (self.words(map, "entrypoint"), self.words(map, "command"));
		let env = self.environment(map);
		let expose = self.ports(map);
		let mut depends_on = Vec::new();
		self.depends_on(map, &mut depends_on);
		if matches!(map.get("depends_on"), Some(node) if matches!(node.kind, NodeKind::Map(_))) {
			let reason = "conditions are ignored: it starts once the others have started";
			self.warn(map.place("depends_on"), &map.child("depends_on"), reason);
		}
		let health = self.healthcheck(map);
		let (unit, memory, disk) = self.compose_unit(map, declared);
		let deploy = self.child(map, "deploy");
		let count = deploy.map_or(Some(1), |deploy| match deploy.get("replicas") {
			Some(_) => self.number(&deploy, "replicas"),
			None => Some(1),
		})?;
		if !(1..=crate::manifest::MAX_COUNT).contains(&count) {
			self.error(
				map.place("deploy"),
				&map.child("deploy.replicas"),
				"must be 1 to 1000",
			);
		}
		let replica = Sums {
			cpu_millis: unit.cpu.into(),
			memory_bytes: memory,
			storage_bytes: disk,
			..Default::default()
		};
		sums.add(count, replica);
		Some(Service {
			name: name.to_owned(),
			kind: Kind::Service,
			program: Program::Image {
				reference: image,
				command,
				credentials: None,
			},
			args,
			env,
			count,
			unit,
			expose,
			depends_on: depends_on.into_iter().map(|(name, _)| name).collect(),
			health,
			inputs: Vec::new(),
			outputs: Vec::new(),
			max_duration: 3_600,
			attempts: 1,
			read_only: self.flag(map, "read_only"),
		})
	}

	/// A list of words; one text is split at blanks, and refused if it has quotes.
	fn words(&mut self, map: &Map, key: &str) -> Vec<String> {
		let Some(node) = map.get(key) else {
			return Vec::new();
		};
		let NodeKind::Scalar { text, .. } = &node.kind else {
			let words = self.texts(map, key);
			if words.iter().any(|word| word.contains('$')) {
				let reason = "nothing is interpolated: write no `$`";
				self.error(node.at, &map.child(key), reason);
			}
			return words;
		};
		if text.contains(['"', '\'', '\\', '$']) {
			let reason = "write a list: quotes and variables are not interpreted";
			self.error(node.at, &map.child(key), reason);
		}
		text.split_whitespace().map(str::to_owned).collect()
	}

	fn environment(&mut self, map: &Map) -> Vec<(String, String)> {
		let Some(node) = map.get("environment") else {
			return Vec::new();
		};
		let key = map.child("environment");
		let mut all = Vec::new();
		let pairs: Vec<_> = match &node.kind {
			NodeKind::Map(items) => items
				.iter()
				.map(|(name, at, node)| (name.clone(), self.text(node, &key), *at))
				.collect(),
			_ => self
				.texts(map, "environment")
				.into_iter()
				.map(|text| match text.split_once('=') {
					Some((name, value)) => (name.to_owned(), Some(value.to_owned()), node.at),
					None => {
						let reason =
							format!("`{text}` is left empty: nothing comes from your shell");
						self.warn(node.at, &key, reason);
						(text, Some(String::new()), node.at)
					}
				})
				.collect(),
		};
		for (name, value, at) in pairs {
			let value = value.unwrap_or_default();
			if value.contains('$') {
				let reason = format!("`{name}` has a `$`: nothing is interpolated");
				self.error(at, &key, reason);
			}
			if name.is_empty() || name.contains(['=', '\0', ' ']) {
				self.error(at, &key, format!("`{name}` is no name of a variable"));
			}
			all.push((name, value));
		}
		all
	}

	/// `ports` are open to the world, `expose` to the other services.
	fn ports(&mut self, map: &Map) -> Vec<Expose> {
		let mut all = Vec::new();
		for (key, global) in [("ports", true), ("expose", false)] {
			let path = map.child(key);
			for item in self.list(map, key) {
				let Some(text) = self.text(item, &path) else {
					continue;
				};
				let (ports, protocol) = match text.split_once('/') {
					Some((ports, "udp")) => (ports, Protocol::Udp),
					Some((ports, "tcp")) => (ports, Protocol::Tcp),
					None => (text.as_str(), Protocol::Tcp),
					Some(_) => ("", Protocol::Tcp),
				};
				let mut parts = ports.rsplit(':');
				let number = |text: Option<&str>| {
					text.and_then(|text| text.parse::<u16>().ok())
						.filter(|port| *port > 0)
				};
				let inner = number(parts.next());
				let outer = match parts.next() {
					Some(text) => number(Some(text)),
					None => inner,
				};
				let (Some(port), Some(external)) = (inner, outer) else {
					let reason =
						format!("`{text}` is not understood: write `8080:80` or `53:53/udp`");
					self.error(item.at, &path, reason);
					continue;
				};
				match parts.next() {
					None => {}
					Some("0.0.0.0") => self.warn(item.at, &path, "the address is ignored"),
					Some(_) => {
						let reason =
							"would be open to the world: use `expose` for the other services";
						self.error(item.at, &path, reason);
					}
				}
				all.push(Expose {
					port,
					external,
					protocol,
					global,
					ip: None,
					hosts: Vec::new(),
					http: HttpOptions::default(),
				});
			}
		}
		all
	}

	/// (what a replica takes, bytes of memory, bytes of disk)
	fn compose_unit(&mut self, map: &Map, declared: &[&str]) -> (Unit, u64, u64) {
		let deploy = self.child(map, "deploy");
		let resources = deploy.and_then(|deploy| {
			self.only_known(&deploy, &["resources", "replicas"]);
			self.child(&deploy, "resources")
		});
		let limits = resources.and_then(|resources| {
			self.only_known(&resources, &["limits"]);
			self.child(&resources, "limits")
		});
		if let Some(limits) = &limits {
			self.only_known(limits, &["cpus", "memory"]);
		}
		let cores = "write `0.5`";
		let size = "write `512m` or `1g`";
		let cpu = match &limits {
			Some(limits) if limits.get("cpus").is_some() => {
				self.quantity(limits, "cpus", cores, quantity::cpu_millis)
			}
			_ if map.get("cpus").is_some() => {
				self.quantity(map, "cpus", cores, quantity::cpu_millis)
			}
			_ => None,
		};
		let memory = match &limits {
			Some(limits) if limits.get("memory").is_some() => {
				self.quantity(limits, "memory", size, compose_bytes)
			}
			_ if map.get("mem_limit").is_some() => {
				self.quantity(map, "mem_limit", size, compose_bytes)
			}
			_ => None,
		};
		if cpu.is_none() || memory.is_none() {
			let reason =
				format!("no limits: {CPU}m CPU and 512 MiB are assumed where one is missing");
			self.warn(map.at, &map.child("deploy.resources.limits"), reason);
		}
		let memory = memory.unwrap_or(MEMORY);
		if !(MEMORY_BOUNDS.0..=MEMORY_BOUNDS.1).contains(&memory)
			|| cpu.is_some_and(|cpu| !(CPU_BOUNDS.0..=CPU_BOUNDS.1).contains(&cpu))
		{
			let reason = "limits are 10m to 384 cores, and 1 MiB to 2 TiB";
			self.error(map.at, &map.child("deploy.resources.limits"), reason);
		}
		let volumes = self.compose_volumes(map, declared);
		let disk = STORAGE.saturating_add(VOLUME.saturating_mul(volumes.len() as u64));
		let unit = Unit {
			cpu: cpu.unwrap_or(CPU),
			memory: quantity::mebibytes(memory).unwrap_or(u32::MAX),
			storage: quantity::mebibytes(STORAGE).unwrap_or(u32::MAX),
			volumes,
			gpu: None,
		};
		(unit, memory, disk)
	}

	fn compose_volumes(&mut self, map: &Map, declared: &[&str]) -> Vec<Volume> {
		let path = map.child("volumes");
		let mut all: Vec<Volume> = Vec::new();
		for item in self.list(map, "volumes") {
			let Some(text) = self.text(item, &path) else {
				continue;
			};
			let mut parts = text.split(':');
			let (Some(name), Some(mount)) = (parts.next(), parts.next()) else {
				let reason = format!("`{text}` is not understood: write `name:/path`");
				self.error(item.at, &path, reason);
				continue;
			};
			if !declared.contains(&name) {
				let reason = format!(
					"`{name}` is no volume of the file's `volumes`: a provider has not your disk"
				);
				self.error(item.at, &path, reason);
				continue;
			}
			let twice = all
				.iter()
				.any(|v| v.name == name || v.mount.as_deref() == Some(mount));
			if twice || !crate::manifest::is_mount(mount) || !crate::manifest::is_volume_name(name)
			{
				self.error(item.at, &path, format!("`{text}` cannot be mounted"));
				continue;
			}
			self.warn(item.at, &path, "1 GiB is assumed for this volume");
			all.push(Volume {
				name: name.to_owned(),
				size: quantity::mebibytes(VOLUME).unwrap_or(u32::MAX),
				medium: Medium::Persistent("default".into()),
				mount: Some(mount.to_owned()),
				read_only: parts.next() == Some("ro"),
			});
		}
		all
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use crate::Level;

	const GOOD: &str = r#"services:
  web:
    image: docker.io/library/nginx:1
    ports: ["8080:80", "53:53/udp"]
    environment: { MODE: fast }
    depends_on: [db]
    deploy: { resources: { limits: { cpus: "1.5", memory: 1g } }, replicas: 2 }
  db:
    image: postgres
    command: postgres -c fsync=on
    volumes: ["data:/var/lib/postgresql"]
    restart: always
    read_only: true
volumes:
  data:
"#;

	#[test]
	fn what_is_for_sdl_files_is_warned_about() {
		let (sdl, faults) = parse(&format!("{GOOD}x-leasehold: {{ version: 1 }}\nx-mine: 1\n"));
		let told = |fault: &&crate::sdl::Fault| fault.key == "x-leasehold";
		assert!(sdl.is_some());
		assert_eq!(faults.iter().filter(told).count(), 1);
		assert!(faults.iter().all(|fault| fault.level == Level::Warning));
	}

	#[test]
	fn a_subset_of_compose_is_understood() {
		let (sdl, faults) = parse(GOOD);
		let sdl = sdl.unwrap();
		assert!(faults.iter().all(|fault| fault.level == Level::Warning));
		let services = &sdl.placements[0].services;
		let (db, web) = (&services[0], &services[1]);
		assert_eq!((db.unit.cpu, web.unit.cpu, web.count), (500, 1_500, 2));
		assert_eq!(db.args, ["postgres", "-c", "fsync=on"]);
		assert_eq!(db.unit.volumes[0].size, 1_024);
		assert_eq!((db.read_only, web.read_only), (true, false));
		assert_eq!(web.depends_on, ["db"]);
		assert_eq!((web.expose[0].port, web.expose[0].external), (80, 8_080));
		assert_eq!(web.expose[1].protocol, Protocol::Udp);
		assert_eq!(sdl.sums.services, 2);
		assert_eq!(sdl.sums.cpu_millis, 3_500);
		let [refused] = sdl.unserved.as_slice() else {
			panic!("one reason is expected: {:?}", sdl.unserved)
		};
		assert_eq!((refused.line, refused.column), (2, 3));
		assert_eq!(refused.key, "services.web");
	}

	#[test]
	fn a_tmp_is_there_without_being_asked_for() {
		for wanted in ["/tmp", "[]", "[/tmp/, '/tmp:size=64m']"] {
			let file = format!("services:\n  web: {{ image: nginx, tmpfs: {wanted} }}\n");
			let (sdl, faults) = parse(&file);
			assert!(sdl.is_some(), "{faults:?}");
			let told = faults.iter().find(|one| one.key == "services.web.tmpfs");
			assert_eq!(
				told.map(|one| one.level),
				Some(Level::Warning),
				"{faults:?}"
			);
		}
	}

	#[test]
	fn more_replicas_than_a_lease_has_room_for_are_told_of_the_whole() {
		let file = "services:\n  web: { image: nginx, deploy: { replicas: 30 } }\n";
		let (sdl, _) = parse(file);
		let sdl = sdl.unwrap();
		let refused = &sdl.unserved[0];
		assert_eq!((refused.line, refused.key.as_str()), (1, "services"));
		assert_eq!(refused.level, Level::Warning);
		assert!(refused.reason.contains("30 replicas"), "{refused}");
	}

	#[test]
	fn what_a_provider_cannot_do_is_refused() {
		for (from, to, key) in [
			("data:/var", "./data:/var", "services.db.volumes"),
			(
				"restart: always",
				"privileged: true",
				"services.db.privileged",
			),
			("restart: always", "build: .", "services.db.build"),
			("restart: always", "tmpfs: /run", "services.db.tmpfs"),
			(
				"restart: always",
				"tmpfs: [/tmp, /run]",
				"services.db.tmpfs",
			),
			(
				"MODE: fast",
				"MODE: \"${MODE}\"",
				"services.web.environment",
			),
			("8080:80", "8080:99999", "services.web.ports"),
			("8080:80", "127.0.0.1:8080:80", "services.web.ports"),
			(
				"image: postgres",
				"image: \"db:${TAG}\"",
				"services.db.image",
			),
			(
				"memory: 1g",
				"memory: \"0\"",
				"services.web.deploy.resources.limits",
			),
			("[db]", "[cache]", "services.web.depends_on"),
			("image: postgres", "entrypoint: db", "services.db.image"),
			("volumes:\n  data:", "secrets:\n  data:", "secrets"),
		] {
			assert!(GOOD.contains(from), "{from}");
			let (sdl, faults) = parse(&GOOD.replacen(from, to, 1));
			assert!(sdl.is_none(), "{to}");
			let found = |fault: &Fault| fault.level == Level::Error && fault.key == key;
			assert!(faults.iter().any(found), "{to}: {faults:?}");
		}
	}
}
