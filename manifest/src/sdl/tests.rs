//! Good files, each fault with its place, and what a hostile file may try.

use super::*;
use crate::{
	manifest::{Medium, Probe, Program, Protocol},
	Kind,
};
use proptest::prelude::*;

const JOB: &str = r#"version: "2.0"
services:
  render:
    image: "wasm:./render.wasm"
    args: ["scene.json", "--out", "/out/image.png"]
    env: ["QUALITY=high", "EMPTY="]
profiles:
  compute:
    small:
      resources:
        cpu: { units: 0.5 }
        memory: { size: 256Mi }
        storage: { size: 1Gi }
  placement:
    anywhere:
      attributes: { region: eu }
      pricing:
        small: { denom: ulease, amount: 2.5 }
deployment:
  render:
    anywhere: { profile: small, count: 1 }
x-leasehold:
  version: 1
  services:
    render:
      kind: job
      inputs: [{ from: ./scene.json, path: scene.json }]
      outputs: ["**"]
      max_duration: 10m
      attempts: 3
"#;

/// All that SDL can say, in two placements.
const SHOP: &str = r#"version: "2.1"
include: []
services:
  web:
    image: registry.example/web:1
    command: ["/bin/web"]
    args: ["--port", "8080"]
    env: ["MODE=fast", "BARE"]
    depends_on: [db]
    credentials: { host: registry.example, username: me, password: secret }
    expose:
      - port: 8080
        as: 80
        accept: [shop.example]
        http_options: { max_body_size: 5000, read_timeout: 1000, next_cases: [off] }
        to: [{ global: true }]
      - port: 53
        proto: udp
        to: [{ global: true, ip: here }]
  db:
    image: postgres
    expose: [{ port: 5432, to: [{ service: web }] }]
    params:
      storage:
        data: { mount: /var/lib/postgresql }
        shm: { mount: /dev/shm }
  gpu:
    image: vllm
    dependencies: [{ service: db }]
    params: { tee: cpu-gpu }
    expose: [{ port: 22, to: [{ global: true }] }]
profiles:
  compute:
    small:
      resources:
        cpu: { units: 250m, attributes: { arch: amd64 } }
        memory: { size: 256Mi }
        storage:
          - size: 1.1Gi
          - { name: data, size: 10Gi, attributes: { persistent: true, class: beta3 } }
          - { name: shm, size: 64Mi, attributes: { class: ram } }
    web:
      resources:
        cpu: { units: 1 }
        memory: { size: 1G }
        storage: { size: 512Mi }
    large:
      resources:
        cpu: { units: 8 }
        memory: { size: 64Gi }
        storage: { size: 100Gi }
        gpu: { units: 2, attributes: { vendor: { nvidia: [{ model: h100, ram: 80Gi }] } } }
  placement:
    west:
      attributes: { host: akash, region: west }
      pricing: &prices
        small: { denom: uakt, amount: 100 }
        web: { denom: uakt, amount: 100 }
        large: { denom: uakt, amount: 100 }
    vault:
      signedBy: { anyOf: [akash1abc, 5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY] }
      pricing: *prices
deployment:
  web: { west: { profile: web, count: 3 } }
  db: { west: { profile: small, count: 1 } }
  gpu: { vault: { profile: large, count: 1 } }
endpoints: { here: { kind: ip } }
reclamation: { min_window: 1h30m }
x-leasehold:
  version: 1
  services:
    web: { health: { http: { port: 8080, path: /up }, interval: 10s, retries: 2 }, read_only: true }
"#;

#[test]
fn a_job_is_understood() {
	let (sdl, faults) = parse(JOB);
	assert_eq!(faults, []);
	let sdl = sdl.unwrap();
	let placement = &sdl.placements[0];
	let service = &placement.services[0];
	let unit = &service.unit;
	assert_eq!((unit.cpu, unit.memory, unit.storage), (500, 256, 1_024));
	assert_eq!(placement.max_rate, Some(2_500_000));
	assert_eq!(placement.attributes, [("region".into(), "eu".into())]);
	assert_eq!(service.module().unwrap().from, "./render.wasm");
	assert_eq!(service.module().unwrap().path, "render.wasm");
	assert_eq!((service.kind, service.count), (Kind::Job, 1));
	assert_eq!(service.args.len(), 3);
	assert_eq!(service.env[1], ("EMPTY".into(), "".into()));
	assert_eq!(service.inputs[0].path, "scene.json");
	assert_eq!((service.max_duration, service.attempts), (600, 3));
	assert_eq!(sdl.unserved, []);
}

#[test]
fn a_module_may_be_a_service_with_ports_and_volumes() {
	let expose = "    expose:\n      - port: 8080\n        to: [{ global: true }]\n    params: { storage: { \
	              data: { mount: /data } } }\nprofiles:";
	let storage =
		"storage: [{ size: 1Gi }, { name: data, size: 5Mi, attributes: { persistent: true, \
	               class: beta2 } }]";
	let file = JOB
		.replace("kind: job", "kind: service")
		.replace(
			"      inputs: [{ from: ./scene.json, path: scene.json }]\n",
			"",
		)
		.replacen("profiles:", expose, 1)
		.replacen("storage: { size: 1Gi }", storage, 1);
	let (sdl, faults) = parse(&file);
	assert_eq!(faults, []);
	let service = &sdl.unwrap().placements[0].services[0];
	assert_eq!(
		(service.kind, service.expose[0].port),
		(Kind::Service, 8080)
	);
	assert_eq!(service.unit.volumes[0].mount.as_deref(), Some("/data"));
	let gpu = file.replacen(
		"storage: [",
		"gpu: { units: 1, attributes: { vendor: { nvidia: } } }\n        storage: [",
		1,
	);
	let (none, faults) = parse(&gpu);
	assert!(
		none.is_none()
			&& faults
				.iter()
				.any(|fault| fault.reason.contains("no module has a GPU")),
		"{faults:?}"
	);
}

#[test]
fn all_that_can_be_said_is_understood() {
	let (sdl, faults) = parse(SHOP);
	let warned: Vec<_> = faults.iter().map(|fault| fault.key.as_str()).collect();
	assert!(
		faults.iter().all(|fault| fault.level == Level::Warning),
		"{faults:#?}"
	);
	for key in [
		"include",
		"profiles.compute.small.resources.cpu.attributes.arch",
		"profiles.placement.west.attributes.host",
		"profiles.placement.west.pricing.web.denom",
		"profiles.placement.vault.signedBy.anyOf",
		"services.gpu.depends_on",
		"services.web.expose.http_options.next_cases",
	] {
		let here = key == "services.gpu.depends_on" || warned.contains(&key);
		assert!(here, "no warning of {key} in {warned:?}");
	}
	let sdl = sdl.unwrap();
	assert_eq!(sdl.notice, Some(Duration::from_secs(5_400)));
	let [vault, west] = sdl.placements.as_slice() else {
		panic!("two placements are expected")
	};
	assert_eq!(vault.attributes, [("tee/type".into(), "cpu-gpu".into())]);
	assert_eq!(vault.any_of.len(), 1);
	assert_eq!(west.max_rate, None);
	let gpu = vault.services[0].unit.gpu.as_ref().unwrap();
	assert_eq!((gpu.units, gpu.models[0].memory), (2, 81_920));
	// Another lease is not waited for.
	assert_eq!(vault.services[0].depends_on, Vec::<String>::new());
	let (db, web) = (&west.services[0], &west.services[1]);
	let volumes: Vec<_> = db
		.unit
		.volumes
		.iter()
		.map(|volume| &volume.medium)
		.collect();
	assert_eq!(
		volumes,
		[&Medium::Persistent("beta3".into()), &Medium::Memory]
	);
	// A tenth of a GiB more than one, rounded up.
	assert_eq!(db.unit.storage, 1_127);
	assert_eq!(web.depends_on, ["db"]);
	assert_eq!(web.env[1], ("BARE".into(), "".into()));
	assert!(web.expose[0].is_http());
	assert_eq!(web.expose[0].hosts, ["shop.example"]);
	assert_eq!(web.expose[0].http.max_body_size, 5_000);
	assert_eq!(web.expose[0].http.send_timeout, 60_000);
	assert_eq!(web.expose[1].protocol, Protocol::Udp);
	assert_eq!(web.expose[1].ip.as_deref(), Some("here"));
	assert!(web.read_only);
	let health = web.health.as_ref().unwrap();
	assert_eq!(
		(health.interval, health.timeout, health.retries),
		(10, 5, 2)
	);
	assert!(matches!(&health.probe, Probe::Http { port: 8_080, path } if path == "/up"));
	assert!(
		matches!(&web.program, Program::Image { command, credentials: Some(_), .. }
		if command == &["/bin/web"])
	);
	let [refused] = sdl.unserved.as_slice() else {
		panic!("one reason is expected: {:?}", sdl.unserved)
	};
	assert_eq!((refused.line, refused.column), (4, 3));
	assert_eq!(refused.key, "services.web");
	assert!(
		refused.reason.contains("an address of its own"),
		"{refused}"
	);
	let totals = crate::totals(&west.services).unwrap();
	assert_eq!((totals.cpu, totals.ports, totals.ips), (3_250, 1, 1));
	assert_eq!(totals.persistent["beta3"], 10_240);
	// In bytes, over all placements, as Akash adds them up.
	assert_eq!(
		sdl.sums,
		Sums {
			services: 3,
			cpu_millis: 11_250,
			memory_bytes: 3 * 1_000_000_000 + (256 << 20) + (64 << 30),
			storage_bytes: 3 * (512 << 20) + 1_181_116_006 + (10 << 30) + (64 << 20) + (100 << 30),
			gpu_units: 2,
		}
	);
}

/// The first error of a file with `from` replaced by `to`; if there is none, the first warning.
fn fault_in(file: &str, from: &str, to: &str) -> Fault {
	assert!(file.contains(from), "{from}");
	let (sdl, faults) = parse(&file.replacen(from, to, 1));
	let refused = faults.iter().find(|fault| fault.level == Level::Error);
	assert_eq!(sdl.is_none(), refused.is_some());
	let first = refused.or(faults.first()).cloned();
	first.unwrap_or_else(|| panic!("no fault for {to}"))
}

#[test]
fn each_fault_says_where_it_stands() {
	let at = |from: &str, to: &str| {
		let fault = fault_in(JOB, from, to);
		(fault.line, fault.column, fault.key, fault.level)
	};
	let error = Level::Error;
	assert_eq!(at("\"2.0\"", "\"1.0\""), (1, 10, "version".into(), error));
	let size = "profiles.compute.small.resources.memory.size";
	assert_eq!(at("256Mi", "4GB"), (12, 25, size.into(), error));
	let path = "x-leasehold.services.render.inputs.path";
	assert_eq!(
		at("path: scene.json", "path: ../x"),
		(27, 44, path.into(), error)
	);
	let unknown = at("x-leasehold:\n", "x-other: 1\nx-leasehold:\n");
	assert_eq!(unknown, (22, 1, "x-other".into(), error));
	let ignored = at("    args:", "    shoes: 1\n    args:");
	assert_eq!(
		ignored,
		(5, 5, "services.render.shoes".into(), Level::Warning)
	);
	// What is missing is said where its parent stands.
	let image = at("    image: \"wasm:./render.wasm\"\n", "");
	assert_eq!(image, (3, 3, "services.render.image".into(), error));
	let units = at("{ units: 0.5 }", "{ }");
	let key = "profiles.compute.small.resources.cpu.units";
	assert_eq!(units, (11, 9, key.into(), error));
	let version = at("version: \"2.0\"\n", "");
	assert_eq!(version, (1, 1, "version".into(), error));
	let foreign = fault_in(JOB, "denom: ulease", "denom: uakt");
	assert_eq!(foreign.level, Level::Warning);
}

/// The file with `from` replaced by `to` is refused for this key, if not for it alone.
fn refused(file: &str, from: &str, to: &str, key: &str) {
	assert!(file.contains(from), "{from}");
	let (sdl, faults) = parse(&file.replacen(from, to, 1));
	assert!(sdl.is_none(), "{from} -> {to}");
	let found = |fault: &Fault| fault.level == Level::Error && fault.key == key;
	assert!(faults.iter().any(found), "{from} -> {to}: {faults:#?}");
}

#[test]
fn what_cannot_be_is_refused() {
	let x = "x-leasehold.services.render";
	for (from, to, key) in [
		("kind: job", "kind: jog", format!("{x}.kind")),
		("attempts: 3", "attempts: 11", format!("{x}.attempts")),
		(
			"max_duration: 10m",
			"max_duration: 31d",
			format!("{x}.max_duration"),
		),
		("version: 1", "version: 2", "x-leasehold.version".into()),
		("count: 1", "count: 2", "profiles.placement.anywhere".into()),
		("QUALITY=high", "=high", "services.render.env".into()),
		("QUALITY=high", "1A=high", "services.render.env".into()),
		(
			"wasm:./render.wasm",
			"wasm:",
			"services.render.image".into(),
		),
		("wasm:./render.wasm", "", "services.render.image".into()),
		(
			"args:",
			"command: [sh]\n    args:",
			"services.render.command".into(),
		),
		(
			"    render:\n      kind",
			"    other:\n      kind",
			"x-leasehold.services.other".into(),
		),
	] {
		refused(JOB, from, to, &key);
	}
	let compute = "profiles.compute.small.resources";
	for (from, to, key) in [
		("250m", "9m", format!("{compute}.cpu")),
		("250m", "385", format!("{compute}.cpu")),
		(
			"arch: amd64",
			"model: x",
			format!("{compute}.cpu.attributes.model"),
		),
		("size: 64Mi", "size: 4Mi", format!("{compute}.storage.size")),
		(
			"class: ram",
			"class: tape",
			format!("{compute}.storage.attributes.class"),
		),
		(
			"class: ram",
			"class: beta1",
			format!("{compute}.storage.attributes.class"),
		),
		(
			"persistent: true",
			"persistent: perhaps",
			format!("{compute}.storage.attributes.persistent"),
		),
		("name: shm", "name: data", format!("{compute}.storage.name")),
		(
			"data: { mount: /var/lib/postgresql }",
			"data: { mount: rel }",
			"services.db.params.storage.data.mount".into(),
		),
		(
			"/var/lib/postgresql",
			"/dev/shm",
			"services.db.params.storage.shm.mount".into(),
		),
		(
			"/var/lib/postgresql",
			"/proc/x",
			"services.db.params.storage.data.mount".into(),
		),
		(
			"shm: { mount: /dev/shm }",
			"nix: { mount: /a }",
			"services.db.params.storage.nix".into(),
		),
		(
			"proto: udp",
			"proto: sctp",
			"services.web.expose.proto".into(),
		),
		("port: 53\n", "port: 0\n", "services.web.expose.port".into()),
		(
			"port: 53\n",
			"port: \"53\"\n",
			"services.web.expose.port".into(),
		),
		(
			"port: 53\n",
			"port: 65536\n",
			"services.web.expose.port".into(),
		),
		(
			"global: true, ip: here",
			"ip: here",
			"services.web.expose.to.ip".into(),
		),
		("ip: here", "ip: there", "services.web.expose.to.ip".into()),
		(
			"shop.example]",
			"Shop]",
			"services.web.expose.accept".into(),
		),
		(
			"shop.example]",
			"a.example, a.example]",
			"services.web.expose.accept".into(),
		),
		(
			"max_body_size: 5000",
			"max_body_size: 104857601",
			"services.web.expose.http_options.max_body_size".into(),
		),
		(
			"next_cases: [off]",
			"next_cases: [\"400\"]",
			"services.web.expose.http_options.next_cases".into(),
		),
		(
			"model: h100, ram",
			"model: \"*\", ram",
			"profiles.compute.large.resources.gpu.attributes.vendor.nvidia.ram".into(),
		),
		(
			"next_cases: [off]",
			"next_cases: [off, error]",
			"services.web.expose.http_options.next_cases".into(),
		),
		(
			"username: me, ",
			"",
			"services.web.credentials.username".into(),
		),
		("tee: cpu-gpu", "tee: all", "services.gpu.params.tee".into()),
		(
			"gpu: { units: 2",
			"gpu: { units: 25",
			"profiles.compute.large.resources.gpu.units".into(),
		),
		(
			"gpu: { units: 2",
			"gpu: { units: 0",
			"services.gpu.params.tee".into(),
		),
		(
			", attributes: { vendor: { nvidia: [{ model: h100, ram: 80Gi }] } }",
			"",
			"profiles.compute.large.resources.gpu.attributes".into(),
		),
		(
			"amount: 100 }",
			"amount: 0 }",
			"profiles.placement.west.pricing.small.amount".into(),
		),
		(
			"amount: 100 }",
			"amount: 10000001 }",
			"profiles.placement.west.pricing.small.amount".into(),
		),
		(
			"denom: uakt",
			"denom: usdc",
			"profiles.placement.west.pricing.small.amount".into(),
		),
		(
			"denom: uakt",
			"denom: u",
			"profiles.placement.west.pricing.small.denom".into(),
		),
		(
			"profile: web",
			"profile: none",
			"deployment.web.west.profile".into(),
		),
		("db: { west", "db: { east", "deployment.db.east".into()),
		("  db: { west", "  dc: { west", "deployment.dc".into()),
		(
			"min_window: 1h30m",
			"min_window: 0s",
			"reclamation.min_window".into(),
		),
		(
			"here: { kind: ip }",
			"here: { kind: ip }, more: { kind: ip }",
			"endpoints.more".into(),
		),
		(
			"here: { kind: ip }",
			"here: { kind: port }",
			"endpoints.here.kind".into(),
		),
		(
			"health: { http",
			"health: { tcp: 1, http",
			"x-leasehold.services.web.health".into(),
		),
		(
			"read_only: true",
			"read_only: often",
			"x-leasehold.services.web.read_only".into(),
		),
		(
			"path: /up",
			"path: up",
			"x-leasehold.services.web.health.http.path".into(),
		),
	] {
		refused(SHOP, from, to, &key);
	}
	// Services that wait for each other.
	let circle = fault_in(
		SHOP,
		"image: postgres\n",
		"image: postgres\n    depends_on: [web]\n",
	);
	assert_eq!(circle.key, "profiles.placement.west");
}

#[test]
fn gpus_are_told_apart_as_akash_does() {
	let all = "[{ model: h100, ram: 80Gi }]";
	for (items, asked) in [
		("[{ ram: 24Gi }]", (None, 24_576)),
		("[{ model: ~, ram: 24Gi, interface: sxm }]", (None, 24_576)),
		("[{ model: \"*\" }]", (None, 0)),
		("[{ model: a100, interface: pcie }]", (Some("a100"), 0)),
		("[{ model: a100 }, { model: a100, ram: 0 }]", (None, 0)),
	] {
		let (sdl, faults) = parse(&SHOP.replacen(all, items, 1));
		let sdl = sdl.unwrap_or_else(|| panic!("{items}: {faults:#?}"));
		let gpu = sdl.placements[0].services[0].unit.gpu.as_ref().unwrap();
		assert_eq!(gpu.asked(), asked, "{items}");
	}
	let long = format!("[{{ model: {} }}]", "a".repeat(109));
	for (items, key) in [
		("[{ model: \"*\", ram: 24Gi }]", ".ram"),
		("[{ model: \"*\", ram: 0 }]", ".ram"),
		("[{ model: \"*\", interface: pcie }]", ".interface"),
		("[{ model: \"a*\", interface: sxm }]", ".interface"),
		("[{ model: a100, interface: \"\" }]", ".interface"),
		("[{ model: \"a*b\" }]", ".model"),
		(long.as_str(), ".model"),
		("[{ ram: 24Gi }, { ram: 24Gi }]", ""),
	] {
		let key = format!("profiles.compute.large.resources.gpu.attributes.vendor.nvidia{key}");
		refused(SHOP, all, items, &key);
	}
}

#[test]
fn what_a_profile_lacks_counts_if_it_is_used() {
	let more = "    spare: { resources: { cpu: { }, storage: [] } }\n    none:\n  placement:\n";
	let file = JOB.replacen("  placement:\n", more, 1);
	let (sdl, faults) = parse(&file);
	assert_eq!(faults, []);
	assert!(sdl.is_some());
	let lacking = |profile: &str| {
		let used = file
			.replacen("profile: small", &format!("profile: {profile}"), 1)
			.replacen("small: { denom", &format!("{profile}: {{ denom"), 1);
		let (sdl, faults) = parse(&used);
		assert!(sdl.is_none(), "{profile}");
		faults
			.into_iter()
			.map(|fault| (fault.line, fault.column, fault.key))
			.collect::<Vec<_>>()
	};
	let key = |key: &str| format!("profiles.compute.{key}");
	assert_eq!(
		lacking("spare"),
		[
			(14, 14, key("spare.resources.memory")),
			(14, 27, key("spare.resources.cpu.units")),
			(14, 37, key("spare.resources.storage")),
		]
	);
	assert_eq!(lacking("none"), [(15, 5, key("none.resources"))]);
}

#[test]
fn version_2_0_wants_persistent_storage_mounted() {
	let file = SHOP
		.replace("    params:\n      storage:\n        data: { mount: /var/lib/postgresql }\n        shm: { mount: /dev/shm }\n", "");
	let (sdl, _) = parse(&file);
	assert!(sdl.is_some(), "2.1 warns");
	let (sdl, faults) = parse(&file.replacen("2.1", "2.0", 1));
	assert!(sdl.is_none());
	let key = "profiles.compute.small.resources.storage.data";
	assert!(faults
		.iter()
		.any(|f| f.key == key && f.level == Level::Error));
}

#[test]
fn a_service_that_nobody_can_reach_is_refused() {
	let plain = JOB.split("x-leasehold:").next().unwrap();
	let file = plain.replace("wasm:./render.wasm", "nginx");
	let (sdl, faults) = parse(&file);
	assert!(sdl.is_none());
	assert_eq!((faults[0].line, faults[0].key.as_str()), (2, "services"));
}

#[test]
fn aliases_and_merge_keys_are_expanded_up_to_a_size() {
	let merged = JOB.replace(
		"small: { denom: ulease, amount: 2.5 }",
		"base: &base { denom: ulease, amount: 9 }\n        small: { <<: *base, amount: 2.5 }",
	);
	let (sdl, faults) = parse(&merged);
	assert_eq!(
		sdl.unwrap().placements[0].max_rate,
		Some(2_500_000),
		"{faults:?}"
	);
	// Not into the top level, as Akash does not.
	let fault = fault_in(JOB, "x-leasehold:\n", "<<: { include: [] }\nx-leasehold:\n");
	assert_eq!((fault.line, fault.column), (22, 1));
	assert_eq!((fault.key.as_str(), fault.level), ("<<", Level::Error));
	let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
	for n in 1..12 {
		let before = format!("*a{}", n - 1);
		let list = vec![before; 9].join(", ");
		bomb.push_str(&format!("a{n}: &a{n} [{list}]\n"));
	}
	let (sdl, faults) = parse(&bomb);
	assert!(sdl.is_none());
	assert!(faults[0].reason.contains("too large"), "{faults:?}");
}

#[test]
fn little_that_stands_for_much_is_refused() {
	let text = "x".repeat(100_000);
	let many = |item: &str, times: usize| vec![item; times].join(", ");
	let long = format!("a: &a {text}\nb: [{}]", many("*a", 1_000));
	let key = format!("? {text}\n: 1");
	for file in [long, key] {
		let (sdl, faults) = parse(&file);
		assert!(sdl.is_none());
		assert_eq!(faults.len(), 1);
		assert!(faults[0].reason.len() < 200);
	}
	let hosts: Vec<String> = (0..300).map(|n| format!("h{n}.example")).collect();
	refused(
		SHOP,
		"accept: [shop.example]",
		&format!("accept: [{}]", hosts.join(", ")),
		"services.web.expose",
	);
	let (_, faults) = parse(&"version: 1\n".replace('1', &"[".repeat(31)));
	assert_eq!(faults.len(), 1);
	let unknown: String = (0..5_000).map(|n| format!("k{n}: 1\n")).collect();
	assert_eq!(parse(&unknown).1.len(), MAX_FAULTS);
}

#[test]
fn a_secret_is_not_repeated() {
	let file = SHOP.replacen("\"BARE\"", "\"PASSWORD: hunter2\"", 1);
	let (sdl, faults) = parse(&file);
	assert!(sdl.is_none());
	assert!(faults.iter().any(|fault| fault.key == "services.web.env"));
	assert!(!format!("{faults:?}").contains("hunter2"));
}

#[test]
fn items_with_nothing_in_them_are_left_out() {
	let file = SHOP
		.replacen("\"BARE\"", "\"BARE\", ~", 1)
		.replacen("[shop.example]", "[shop.example, ]", 1)
		.replacen("to: [{ global: true }]", "to: [~, { global: Yes }]", 1);
	let (sdl, faults) = parse(&file);
	let sdl = sdl.unwrap_or_else(|| panic!("{faults:#?}"));
	let web = &sdl.placements[1].services[1];
	assert_eq!((web.env.len(), web.expose.len()), (2, 2));
}

#[test]
fn only_the_first_document_is_read() {
	let (sdl, faults) = parse(&format!("{JOB}---\nother: 1\n"));
	assert!(sdl.is_some());
	assert_eq!(faults[0].reason, "only the first document is read");
}

#[test]
fn what_a_hostile_file_may_try_is_refused() {
	for text in [
		"",
		"[]",
		"a: &x [*x]",
		"<<: 1",
		"<<: [1]",
		"version: \"2.0\"\nversion: \"2.0\"",
		"a: !custom 1",
		"\t",
		"{",
		"version: \"2.0\"\nservices: []\nprofiles: 1\ndeployment: \"\"",
		"version: \"2.0\"\ndeployment: { a: { b: { count: 99999999999 } } }",
		&"[".repeat(5_000),
		&"- ".repeat(5_000),
	] {
		let (sdl, faults) = parse(text);
		assert!(sdl.is_none());
		assert!(faults.iter().any(|f| f.level == Level::Error), "{text:.20}");
	}
}

proptest! {
	#![proptest_config(ProptestConfig::with_cases(2_000))]
	#[test]
	fn a_damaged_file_never_makes_the_reader_panic(
		shop: bool, at in 0usize..3_000, length in 0usize..40, insert in "\\PC{0,8}",
	) {
		let mut text = if shop { SHOP } else { JOB }.to_owned();
		let at = at % text.len();
		let end = (at + length).min(text.len());
		if text.is_char_boundary(at) && text.is_char_boundary(end) {
			text.replace_range(at..end, &insert);
		}
		let (sdl, faults) = parse(&text);
		prop_assert_eq!(sdl.is_none(), faults.iter().any(|fault| fault.level == Level::Error));
	}
}
