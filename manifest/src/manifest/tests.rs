//! Bytes of manifests, and what is refused of them.

use super::*;
use proptest::prelude::*;

fn manifest() -> Manifest {
	let file = |path: &str| FileEntry {
		path: path.into(),
		size: 3,
		sha256: [9; 32],
	};
	Manifest {
		services: vec![Service {
			name: "render".into(),
			kind: Kind::Job,
			program: Program::Module(file("render.wasm")),
			args: vec!["scene.json".into()],
			env: vec![("QUALITY".into(), "high".into())],
			count: 1,
			unit: Unit {
				cpu: 1_000,
				memory: 256,
				storage: 512,
				..Default::default()
			},
			expose: vec![],
			depends_on: vec![],
			health: None,
			inputs: vec![file("scene.json")],
			outputs: vec!["**".into()],
			max_duration: 600,
			attempts: 3,
			read_only: false,
		}],
	}
}

/// A service in a container, with all that a manifest can say.
fn web() -> Service {
	Service {
		name: "web".into(),
		kind: Kind::Service,
		program: Program::Image {
			reference: "registry.example/web:1".into(),
			command: vec!["/bin/web".into()],
			credentials: Some(Credentials {
				host: "registry.example".into(),
				username: "me".into(),
				password: "secret".into(),
			}),
		},
		args: vec![],
		env: vec![],
		count: 2,
		unit: Unit {
			cpu: 500,
			memory: 128,
			storage: 1_024,
			volumes: vec![
				Volume {
					name: "data".into(),
					size: 2_048,
					medium: Medium::Persistent("default".into()),
					mount: Some("/var/lib/data".into()),
					read_only: false,
				},
				Volume {
					name: "shm".into(),
					size: 64,
					medium: Medium::Memory,
					mount: Some("/dev-shm".into()),
					read_only: false,
				},
			],
			gpu: Some(Gpu {
				units: 1,
				vendor: "nvidia".into(),
				models: vec![GpuModel {
					name: "a100".into(),
					memory: 81_920,
				}],
			}),
		},
		expose: vec![
			Expose {
				port: 8_080,
				external: 80,
				protocol: Protocol::Tcp,
				global: true,
				ip: None,
				hosts: vec!["www.example".into()],
				http: HttpOptions {
					max_body_size: 1 << 20,
					..Default::default()
				},
			},
			Expose {
				port: 53,
				external: 53,
				protocol: Protocol::Udp,
				global: true,
				ip: None,
				hosts: vec![],
				http: HttpOptions {
					max_body_size: 1 << 20,
					..Default::default()
				},
			},
		],
		depends_on: vec![],
		health: Some(Health {
			probe: Probe::Http {
				port: 8_080,
				path: "/health".into(),
			},
			interval: 10,
			timeout: 2,
			retries: 3,
			start_period: 30,
		}),
		inputs: vec![],
		outputs: vec![],
		max_duration: 3_600,
		attempts: 1,
		read_only: false,
	}
}

#[test]
fn bytes_of_version_1_are_still_read() {
	let fixture = include_bytes!("../../fixtures/manifest-v1.bin");
	assert_eq!(Manifest::open(fixture), Ok(manifest()));
	assert_eq!(
		hex::encode(Manifest::hash(fixture)),
		include_str!("../../fixtures/manifest-v1.hash").trim()
	);
}

#[test]
fn bytes_of_versions_2_and_3_are_still_read_and_written() {
	let mut services = vec![web()];
	let web = Manifest {
		services: services.clone(),
	};
	services[0].read_only = true;
	let kept = Manifest { services };
	for (manifest, fixture) in [
		(
			manifest(),
			&include_bytes!("../../fixtures/manifest-v2-job.bin")[..],
		),
		(web, include_bytes!("../../fixtures/manifest-v2-web.bin")),
		(kept, include_bytes!("../../fixtures/manifest-v3-web.bin")),
	] {
		assert_eq!(Manifest::open(fixture), Ok(manifest.clone()));
		assert_eq!(manifest.with_salt([7; 32]), fixture);
	}
}

#[test]
fn a_password_is_not_shown() {
	assert!(!format!("{:?}", web()).contains("secret"));
}

#[test]
fn totals_are_sums_over_all_replicas() {
	let web = web();
	let mut worker = web.clone();
	worker.name = "worker".into();
	worker.count = 1;
	worker.expose.clear();
	let sum = totals(&[web, worker]).unwrap();
	assert_eq!((sum.cpu, sum.memory, sum.ephemeral), (1_500, 576, 3_072));
	assert_eq!(sum.persistent["default"], 6_144);
	assert_eq!((sum.unit_cpu, sum.unit_memory), (500, 192));
	assert_eq!((sum.ports, sum.ips), (2, 0));
	assert_eq!(sum.gpu.len(), 1);
	assert_eq!(sum.gpu[0].units, 3);
	assert_eq!(sum.gpu[0].model.as_deref(), Some("a100"));
}

#[test]
fn one_model_of_gpu_is_asked_for_or_any() {
	let model = |name: &str, memory| GpuModel {
		name: name.into(),
		memory,
	};
	for (models, asked) in [
		(vec![], (None, 0)),
		(vec![model("a100", 0)], (Some("a100"), 0)),
		(vec![model("", 24_576)], (None, 24_576)),
		// One of them is as good as another, and the chain knows no lists.
		(vec![model("a100", 81_920), model("h100", 0)], (None, 0)),
	] {
		let mut service = web();
		service.count = 1;
		service.unit.gpu.as_mut().unwrap().models = models;
		let services = vec![service];
		let manifest = Manifest { services };
		let sum = manifest.totals().unwrap();
		assert_eq!((sum.gpu[0].model.as_deref(), sum.gpu[0].memory), asked);
		assert_eq!(manifest.can_be_run(), Ok(()));
	}
}

#[test]
fn what_has_no_image_cannot_be_run() {
	let refused = |edit: fn(&mut String, &mut Credentials)| {
		let mut service = web();
		service.count = 1;
		let Program::Image {
			reference,
			credentials: Some(credentials),
			..
		} = &mut service.program
		else {
			unreachable!()
		};
		edit(reference, credentials);
		let services = vec![service];
		Manifest { services }.can_be_run().err().unwrap_or_default()
	};
	assert_eq!(refused(|_, _| {}), "");
	let wrong = refused(|image, _| *image = "registry.example/Web:1".into());
	assert!(wrong.contains("is no name of an image"), "{wrong}");
	let other = refused(|_, credentials| credentials.host = "ghcr.io".into());
	assert!(other.contains("the credentials are for ghcr.io"), "{other}");
}

#[test]
fn services_come_after_those_they_depend_on() {
	let named = |name: &str, after: &[&str]| Service {
		name: name.into(),
		depends_on: after.iter().map(|name| (*name).to_owned()).collect(),
		..web()
	};
	let services = vec![
		named("web", &["api"]),
		named("api", &["db"]),
		named("db", &[]),
	];
	let manifest = Manifest { services };
	let order: Vec<_> = manifest.in_order().unwrap();
	let order: Vec<_> = order.iter().map(|service| service.name.as_str()).collect();
	assert_eq!(order, ["db", "api", "web"]);
	for services in [
		vec![named("a", &["b"]), named("b", &["a"])],
		vec![named("a", &["a"])],
		vec![named("a", &["c"])],
		vec![named("a", &[]), named("a", &[])],
	] {
		let bytes = Manifest { services }.with_salt([0; 32]);
		assert!(Manifest::open(&bytes).is_err());
	}
}

#[test]
fn each_sealing_has_another_hash() {
	let (a, b) = (manifest().seal().unwrap(), manifest().seal().unwrap());
	assert_ne!(Manifest::hash(&a), Manifest::hash(&b));
	assert_eq!(Manifest::open(&a), Manifest::open(&b));
}

#[test]
fn damaged_bytes_are_refused() {
	let good = manifest().with_salt([7; 32]);
	for length in 0..good.len() {
		assert!(Manifest::open(&good[..length]).is_err(), "cut at {length}");
	}
	let mut longer = good.clone();
	longer.push(0);
	assert_eq!(
		Manifest::open(&longer),
		Err(ManifestError::Malformed("bytes follow its end"))
	);
	let mut newer = good.clone();
	newer[0] = 4;
	assert_eq!(
		Manifest::open(&newer),
		Err(ManifestError::UnknownVersion(4))
	);
	assert_eq!(
		Manifest::open(&vec![1; MAX_BYTES + 1]),
		Err(ManifestError::TooLong)
	);
}

#[test]
fn what_is_not_written_over_is_named_at_the_end_and_only_then() {
	let of = |read_only: &[bool]| Manifest {
		services: (0..)
			.zip(read_only)
			.map(|(n, read_only)| Service {
				name: format!("web{n}"),
				read_only: *read_only,
				..web()
			})
			.collect(),
	};
	let plain = of(&[false, false]).with_salt([0; 32]);
	assert_eq!(plain[0], 2);
	let mut named = plain.clone();
	named[0] = 3;
	named.extend(vec![1u32].encode());
	assert_eq!(of(&[false, true]).with_salt([0; 32]), named);
	assert_eq!(Manifest::open(&named), Ok(of(&[false, true])));
	let all = of(&[true, true]);
	assert_eq!(Manifest::open(&all.with_salt([0; 32])), Ok(all));
	for wrong in [vec![], vec![2u32], vec![1, 0], vec![0, 0]] {
		let mut bytes = plain.clone();
		bytes[0] = 3;
		bytes.extend(wrong.encode());
		assert!(Manifest::open(&bytes).is_err(), "{wrong:?}");
	}
	let (before, after) = (of(&[false]), of(&[true]));
	assert_ne!(before.services[0].digest(), after.services[0].digest());
	let mut module = manifest();
	module.services[0].read_only = true;
	assert!(Manifest::open(&module.with_salt([0; 32])).is_err());
}

#[test]
fn a_manifest_that_would_leave_its_bounds_is_refused() {
	let refused = |edit: fn(&mut Service)| {
		let mut bad = manifest();
		edit(&mut bad.services[0]);
		assert!(Manifest::open(&bad.with_salt([0; 32])).is_err());
	};
	refused(|service| service.unit.cpu = 0);
	refused(|service| service.unit.memory = 0);
	refused(|s| s.inputs[0].path = "../x".into());
	refused(|s| match &mut s.program {
		Program::Module(file) => file.path = "/etc/passwd".into(),
		Program::Image { .. } => unreachable!(),
	});
	let mount = |mount: &str| Volume {
		name: "data".into(),
		size: 1,
		medium: Medium::Ephemeral,
		mount: Some(mount.into()),
		read_only: false,
	};
	for path in ["data", "/", "/proc/1", "/a/../b", "/dev", "/a:b", "//a"] {
		let mut bad = manifest();
		bad.services[0].unit.volumes.push(mount(path));
		assert!(Manifest::open(&bad.with_salt([0; 32])).is_err(), "{path}");
	}
	refused(|s| s.inputs.push(s.inputs[0].clone()));
	refused(|s| s.env[0].0 = "A=B".into());
	refused(|s| s.args[0] = "a\0b".into());
	refused(|s| s.count = 0);
	refused(|s| s.attempts = 0);
	assert!(Manifest::open(&Manifest { services: vec![] }.with_salt([0; 32])).is_err());
}

#[test]
fn totals_do_not_wrap() {
	let mut big = manifest();
	big.services[0].count = 2;
	assert_eq!(big.totals().unwrap().cpu, 2_000);
	assert_eq!(big.totals().unwrap().unit_cpu, 1_000);
	big.services[0].count = u32::MAX;
	assert_eq!(big.totals(), None);
}

proptest! {
	#[test]
	fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
		let _ = Manifest::open(&bytes);
	}
}
