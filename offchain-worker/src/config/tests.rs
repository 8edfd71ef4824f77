//! Files that are read, and files that are refused.

use super::*;
use crate::gpus::Found;

pub fn template() -> String {
	template_with(None, None)
}

fn template_with(engine: Option<&str>, ports: Option<(u16, u16)>) -> String {
	rendered(engine, ports, &[])
}

fn rendered(engine: Option<&str>, ports: Option<(u16, u16)>, gpus: &[Found]) -> String {
	Template {
		node: "ws://127.0.0.1:9944",
		listen: "127.0.0.1:8443".parse().unwrap(),
		url: "https://127.0.0.1:8443",
		domain: None,
		cpu_millis: 1_500,
		memory_mib: 2_048,
		storage_mib: 10_000,
		cpu_core: "0.5",
		attributes: &[("region".into(), "eu".into())],
		engine,
		registries: &[],
		persistent_mib: None,
		ports,
		gpus,
	}
	.render()
}

fn read(text: &str) -> Result<Config, ConfigError> {
	let folder = tempfile::tempdir().unwrap();
	std::fs::write(folder.path().join(FILE), text).unwrap();
	Config::read(folder.path())
}

#[test]
fn what_init_writes_is_read_back() {
	let config = read(&template()).unwrap();
	assert_eq!(config.resources().cpu, 1_500);
	assert_eq!(config.attribute_list().unwrap().len(), 1);
	assert_eq!(config.prices().unwrap().cpu_core, units::LEASE / 2);
	assert!(config.containers.is_none());
	let ports = Some((7, 9));
	let with = template_with(None, ports);
	assert_eq!(read(&with).unwrap().ports(), 7..=9);
	let wrong = template_with(None, Some((9, 8)));
	let error = read(&wrong).unwrap_err().to_string();
	assert!(error.contains("capacity.ports"), "{error}");
}

#[test]
fn an_engine_is_said_on_chain() {
	let mut text = template();
	text.push_str("[containers]\nengine = \"unix:///run/engine.sock\"\n");
	let config = read(&text).unwrap();
	let containers = config.containers.as_ref().unwrap();
	assert_eq!(containers.socket(), Path::new("/run/engine.sock"));
	let said = config.attribute_list().unwrap();
	assert!(said
		.iter()
		.any(|a| a.key.as_slice() == CONTAINER.as_bytes()));
	assert_eq!(
		(config.resources().ports, config.ports().count()),
		(2_768, 2_768)
	);
	for (wrong, says) in [
		(
			text.replace("unix:///run", "tcp://host"),
			"containers.engine",
		),
		(
			format!("{text}networks = \"10.0.0.1/16\"\n"),
			"containers.networks",
		),
		(
			format!("{text}networks = \"10.0.0.0/27\"\n"),
			"containers.networks",
		),
	] {
		let error = read(&wrong).unwrap_err().to_string();
		assert!(error.contains(says), "{error}");
	}
	let former = read(&format!("{text}ports = [40000, 40001]\n")).unwrap();
	assert_eq!(former.ports(), 40_000..=40_001);
	let twice = text.replace(
		"[attributes]",
		"[attributes]\n\"executor/container\" = \"true\"",
	);
	assert!(read(&twice).is_err());
}

#[test]
fn a_wrong_file_is_refused_with_its_place() {
	for (from, to, says) in [
		("version = 1", "version = 2", "version 2 is not known"),
		("[gateway]", "shoes = 1\n[gateway]", "shoes"),
		("cpu_millis = 1500", "cpu_millis = -1", "cpu_millis"),
		("\"0.5\"", "\"cheap\"", "pricing.cpu_core"),
		(
			"[results]",
			"program = \"price\"\n[results]",
			"pricing.program",
		),
		("127.0.0.1:8443\"\n# How", "nowhere\"\n# How", "listen"),
		("\"https://127.0.0.1:8443\"", "\"nowhere\"", "gateway.url"),
		("cpu_millis = 1500", "cpu_millis = 0", "capacity.cpu_millis"),
		(
			"# persistent_mib = { beta2 = 10000 }",
			"persistent_mib = { floppy = 1 }",
			"capacity.persistent_mib",
		),
	] {
		let text = template();
		assert!(text.contains(from), "{from}");
		let error = read(&text.replacen(from, to, 1)).unwrap_err().to_string();
		assert!(error.contains(says), "{error} should name {says}");
	}
	assert!(read("").is_err());
}

#[test]
fn rates_round_up_once() {
	let sheet = PriceSheet {
		cpu_core: 3_600_000,
		..Default::default()
	};
	let cpu = |cpu| Resources {
		cpu,
		..Default::default()
	};
	assert_eq!(sheet.rate(&cpu(1_000), 1_000), Some(1_000));
	assert_eq!(sheet.rate(&cpu(1), 1_000), Some(1));
	assert_eq!(sheet.rate(&cpu(1_001), 1_000), Some(1_001));
	let free = PriceSheet::default();
	assert_eq!(
		free.rate(&cpu(1), 1_000),
		Some(1),
		"a rate is at least one planck"
	);
	let storage = PriceSheet {
		storage_gib: 3_600_000 * 1_024,
		..Default::default()
	};
	let kept = Resources {
		ephemeral: 1,
		persistent: vec![PersistentStorage {
			class: storage_class("beta3").unwrap(),
			size: 2,
		}]
		.try_into()
		.unwrap(),
		..Default::default()
	};
	assert_eq!(storage.rate(&kept, 1_000), Some(3_000));
	let dear = PriceSheet {
		cpu_core: u128::MAX,
		..Default::default()
	};
	assert_eq!(dear.rate(&cpu(1_000), 1_000), None);
	assert_eq!(dear.offer(&kept, 1_000), None);
}

#[test]
fn an_offer_asks_what_a_bid_asks() {
	let config = read(&template_with(None, None)).unwrap();
	let prices = config.prices().unwrap();
	let asked = Resources {
		cpu: 1_500,
		memory: 700,
		ephemeral: 99,
		..Default::default()
	};
	for slot in [1_000, 6_000] {
		let offer = prices.offer(&config.resources(), slot).unwrap();
		let (bid, offer) = (
			prices.rate(&asked, slot).unwrap(),
			offer.rate(&asked).unwrap(),
		);
		// Three prices are rounded up, by a thousandth of a planck each.
		assert!((bid..=bid + 3).contains(&offer), "{bid} {offer}");
	}
	assert!(config.is_instant());
	let program = "program = \"/bin/price\"\n[results]";
	let by_program = template().replacen("[results]", program, 1);
	assert!(!read(&by_program).unwrap().is_instant());
	let both = by_program.replacen("program = \"/bin", "instant = true\nprogram = \"/bin", 1);
	let error = read(&both).unwrap_err().to_string();
	assert!(error.contains("pricing.instant"), "{error}");
}

const GPUS: &str = "
[containers]
engine = \"unix:///run/engine.sock\"

[[gpus]]
vendor = \"nvidia\"
model = \"a100\"
memory_mib = 81920
devices = [\"nvidia.com/gpu=0\"]

[[gpus]]
vendor = \"nvidia\"
model = \"a100\"
memory_mib = 81920
devices = [\"nvidia.com/gpu=1\"]

[[gpus]]
vendor = \"amd\"
model = \"mi210\"
memory_mib = 65520
devices = [\"/dev/kfd\", \"/dev/dri/renderD129\"]
";

#[test]
fn gpus_are_counted_by_their_sort_and_have_a_price() {
	let priced = "gpu = { a100 = \"2\", default = \"1\" }\n[results]";
	let text = template().replacen("[results]", priced, 1) + GPUS;
	let config = read(&text).unwrap();
	let sorts: Vec<_> = config
		.resources()
		.gpu
		.iter()
		.map(|sort| {
			(
				sort.model.clone().unwrap().to_vec(),
				sort.memory,
				sort.units,
			)
		})
		.collect();
	assert_eq!(
		sorts,
		[
			(b"a100".to_vec(), Some(81_920), 2),
			(b"mi210".to_vec(), Some(65_520), 1)
		]
	);
	let prices = config.prices().unwrap();
	let asked = |model: Option<&str>, units| Resources {
		gpu: vec![leasehold_client::primitives::GpuUnits {
			vendor: leasehold_client::primitives::GpuVendor::Nvidia,
			model: model.map(|model| model.as_bytes().to_vec().try_into().unwrap()),
			memory: None,
			units,
		}]
		.try_into()
		.unwrap(),
		..Default::default()
	};
	// Two LEASE an hour, in blocks of an hour.
	let rate = |model, units| prices.rate(&asked(model, units), 3_600_000);
	assert_eq!(rate(Some("a100"), 3), Some(6 * units::LEASE));
	assert_eq!(rate(Some("mi210"), 1), Some(units::LEASE));
	assert_eq!(rate(None, 1), Some(2 * units::LEASE), "any: the dearest");
	let offer = prices.offer(&config.resources(), 3_600_000).unwrap();
	assert_eq!(offer.rate(&asked(Some("a100"), 3)), rate(Some("a100"), 3));
	for (from, to, says) in [
		(priced, "[results]", "pricing.gpu"),
		(
			"\"a100\"\nmemory_mib = 81920\ndevices = [\"nvidia.com/gpu=1\"]",
			"\"A 100\"\nmemory_mib = 81920\ndevices = [\"nvidia.com/gpu=1\"]",
			"is no model",
		),
		("gpu=1", "gpu=0", "stands twice"),
		("gpu=1", "gpu=all", "more than one"),
		("/dev/dri/renderD129\"", "/dev/kfd\"", "of its own"),
		("[\"nvidia.com/gpu=1\"]", "[]", "devices"),
		(
			"\n[containers]\nengine = \"unix:///run/engine.sock\"\n",
			"\n",
			"only containers",
		),
		("\"amd\"", "\"intel\"", "intel"),
	] {
		assert!(text.contains(from), "{from}");
		let error = read(&text.replacen(from, to, 1)).unwrap_err().to_string();
		assert!(error.contains(says), "{error} should name {says}");
	}
}

#[test]
fn a_gpu_that_init_finds_is_read_back() {
	let found = Found {
		vendor: leasehold_client::primitives::GpuVendor::Nvidia,
		address: "0000:01:00.0".into(),
		model: Some("rtx4090".into()),
		memory: Some(24_564),
		driver: Some("nvidia 535".into()),
		devices: vec!["nvidia.com/gpu=0".into()],
	};
	let unknown = Found {
		memory: None,
		..found.clone()
	};
	assert!(found.is_usable() && !unknown.is_usable());
	let text = rendered(Some("unix:///run/engine.sock"), None, &[found]);
	let config = read(&text).unwrap();
	assert_eq!(config.gpus.len(), 1);
	assert_eq!(config.gpus[0].devices, ["nvidia.com/gpu=0"]);
	assert_eq!(config.resources().gpu[0].memory, Some(24_564));
}

#[test]
fn capacity_is_leased_out_several_times_over() {
	let config = |line: &str| read(&template().replace("# overcommit = ", line));
	let line = "overcommit = { cpu = 2.5 }\n# ";
	let resources = config(line).unwrap().resources();
	assert_eq!((resources.cpu, resources.memory), (3_750, 2_048));
	assert_eq!((resources.unit_cpu, resources.ephemeral), (1_500, 10_000));
	for wrong in ["0.5", "16.5", "nan", "inf"] {
		let error = config(&format!("overcommit = {{ memory = {wrong} }}\n# "));
		let error = error.unwrap_err().to_string();
		assert!(error.contains("capacity.overcommit.memory"), "{error}");
	}
	assert_eq!(times(u32::MAX, MOST_TIMES), u32::MAX);
}

#[test]
fn what_serves_idle_machines_only_is_read() {
	let idle = |more: &str| {
		read(&format!(
			"{}\n[idle]\nafter_seconds = 900\n{more}",
			template()
		))
	};
	assert!(!idle("").unwrap().idle.unwrap().pauses());
	let paused = idle("on_return = \"pause\"\nprogram = \"/bin/true\"\n").unwrap();
	assert!(paused.idle.unwrap().pauses());
	for (wrong, says) in [
		("on_return = \"sleep\"", "on_return"),
		("program = \"true\"", "idle.program"),
		("sometimes = 1", "sometimes"),
	] {
		let error = idle(wrong).unwrap_err().to_string();
		assert!(error.contains(says), "{error}");
	}
}
