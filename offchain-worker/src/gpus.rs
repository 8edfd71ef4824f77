//! The GPUs of this machine, as the kernel and the drivers tell.

use leasehold_client::primitives::GpuVendor;
use std::{
	path::{Path, PathBuf},
	process::Command,
};

/// What can be told of a GPU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
	pub vendor: GpuVendor,
	/// Where it stands: `0000:01:00.0`.
	pub address: String,
	/// In short, as orders name it: `rtx4090`; `None` if the driver does not tell.
	pub model: Option<String>,
	/// MiB.
	pub memory: Option<u32>,
	/// The driver's name and version; `None` if there is none, and containers cannot use it.
	pub driver: Option<String>,
	/// What a container is given: names of the Container Device Interface, or paths.
	pub devices: Vec<String>,
}

impl Found {
	/// Whether containers can be leased with it.
	pub fn is_usable(&self) -> bool {
		self.lacks().is_none()
	}

	/// What of it is not known.
	fn lacks(&self) -> Option<&'static str> {
		match self {
			Self { driver: None, .. } => Some("its driver is not loaded"),
			Self { model: None, .. } => Some("its driver does not tell its model"),
			Self { memory: None, .. } => Some("its driver does not tell its memory"),
			Self { devices, .. } if devices.is_empty() => Some("it has no device for containers"),
			_ => None,
		}
	}

	/// For the operator.
	pub fn in_words(&self, with_engine: bool) -> String {
		let (model, address) = (
			self.model.as_deref().unwrap_or("of no known model"),
			&self.address,
		);
		let driver = self.driver.as_deref().unwrap_or("no driver");
		let why = match (with_engine, self.lacks()) {
			(_, Some(why)) => format!(": not leased out, {why}; see [[gpus]] in the file"),
			(false, None) => ": not leased out, only containers have GPUs".to_owned(),
			(true, None) => String::new(),
		};
		format!("GPU {model} at {address}, {driver}{why}")
	}
}

/// Words of a product's name that orders leave out.
const LEFT_OUT: [&str; 9] = [
	"nvidia", "amd", "ati", "geforce", "tesla", "quadro", "radeon", "instinct", "graphics",
];

/// A model as orders name it, of a product's name: `NVIDIA GeForce RTX 4090` is `rtx4090`, `NVIDIA A100-SXM4-80GB` is
/// `a100`, `AMD Instinct MI210` is `mi210`.
pub fn short(product: &str) -> Option<String> {
	let lower = product.to_ascii_lowercase();
	let words = lower
		.split(|c: char| c.is_whitespace() || c == '-' || c == '_')
		.filter(|word| !word.is_empty() && !LEFT_OUT.contains(word));
	let mut short = String::new();
	for word in words {
		// What follows the model: its form and its memory.
		let memory = word
			.strip_suffix("gb")
			.is_some_and(|n| n.parse::<u32>().is_ok());
		if memory
			|| [
				"pcie", "sxm", "sxm2", "sxm3", "sxm4", "sxm5", "nvl", "hbm2", "hbm2e", "hbm3",
			]
			.contains(&word)
		{
			break;
		}
		short.extend(word.chars().filter(char::is_ascii_alphanumeric));
	}
	(!short.is_empty() && short.len() <= 24).then_some(short)
}

fn text(path: &Path) -> Option<String> {
	let text = std::fs::read_to_string(path).ok()?;
	let text = text.trim();
	(!text.is_empty()).then(|| text.to_owned())
}

fn name_of(path: &Path) -> Option<String> {
	Some(path.file_name()?.to_str()?.to_owned())
}

/// What `nvidia-smi` says of each GPU: its address, its memory in MiB and its number.
fn nvidia_smi() -> Option<String> {
	// A driver that hangs keeps nobody waiting.
	let mut command = Command::new("timeout");
	command.args([
		"10",
		"nvidia-smi",
		"--query-gpu=pci.bus_id,memory.total,index",
		"--format=csv,noheader,nounits",
	]);
	let said = command
		.output()
		.ok()
		.filter(|output| output.status.success())?;
	String::from_utf8(said.stdout).ok()
}

/// The GPUs of this machine, by where they stand.
pub fn detect() -> Vec<Found> {
	detect_in(Path::new("/"), nvidia_smi)
}

/// The same by the files below `root`, as in `/sys` and `/proc`, and what the driver's program says.
fn detect_in(root: &Path, nvidia_smi: impl FnOnce() -> Option<String>) -> Vec<Found> {
	let devices = std::fs::read_dir(root.join("sys/bus/pci/devices"));
	let mut paths: Vec<PathBuf> = devices
		.into_iter()
		.flatten()
		.flatten()
		.map(|entry| entry.path())
		.collect();
	paths.sort();
	let gpus = paths.iter().filter_map(|path| {
		let class = text(&path.join("class"))?;
		// Displays that compute, and processing accelerators; no audio function of the same card.
		let computes = ["0x0300", "0x0302", "0x0380", "0x1200"]
			.iter()
			.any(|one| class.starts_with(one));
		let vendor = match text(&path.join("vendor"))?.as_str() {
			"0x10de" => GpuVendor::Nvidia,
			"0x1002" => GpuVendor::Amd,
			_ => return None,
		};
		Some((path, vendor)).filter(|_| computes)
	});
	let gpus: Vec<_> = gpus.collect();
	let nvidia = gpus.iter().any(|(_, vendor)| *vendor == GpuVendor::Nvidia);
	let smi = match nvidia {
		true => nvidia_smi().unwrap_or_default(),
		false => String::new(),
	};
	let found = gpus.into_iter().filter_map(|(path, vendor)| match vendor {
		GpuVendor::Nvidia => of_nvidia(root, path, &smi),
		GpuVendor::Amd => of_amd(root, path),
	});
	found.collect()
}

fn of_nvidia(root: &Path, path: &Path, smi: &str) -> Option<Found> {
	let address = name_of(path)?;
	let driver = root.join("proc/driver/nvidia");
	let information = text(&driver.join("gpus").join(&address).join("information"));
	let product = information.as_deref().and_then(|text| {
		let line = text.lines().find_map(|line| line.strip_prefix("Model:"))?;
		Some(line.trim().to_owned())
	});
	// Its own way of writing the same address has eight digits before the first colon.
	let ours = |line: &&str| {
		let first = line.split(',').next().unwrap_or_default();
		first.trim().to_ascii_lowercase().ends_with(&address)
	};
	let mut told = smi
		.lines()
		.find(ours)
		.unwrap_or_default()
		.split(',')
		.map(str::trim)
		.skip(1);
	let memory = told.next().and_then(|mib| mib.parse().ok());
	let number = told.next().and_then(|number| number.parse::<u32>().ok());
	let version = text(&root.join("sys/module/nvidia/version"));
	Some(Found {
		vendor: GpuVendor::Nvidia,
		model: product.as_deref().and_then(short),
		memory,
		driver: version
			.map(|version| format!("nvidia {version}"))
			.filter(|_| information.is_some()),
		devices: number
			.map(|number| format!("nvidia.com/gpu={number}"))
			.into_iter()
			.collect(),
		address,
	})
}

fn of_amd(root: &Path, path: &Path) -> Option<Found> {
	let driver = std::fs::canonicalize(path.join("driver"))
		.ok()
		.and_then(|path| name_of(&path));
	let driver = driver.filter(|name| name == "amdgpu").map(|name| {
		let version = text(&root.join("sys/module/amdgpu/version"));
		[Some(name), version]
			.into_iter()
			.flatten()
			.collect::<Vec<_>>()
			.join(" ")
	});
	let nodes = std::fs::read_dir(path.join("drm"))
		.into_iter()
		.flatten()
		.flatten();
	let render = nodes
		.filter_map(|node| name_of(&node.path()))
		.find(|name| name.starts_with("renderD"));
	let bytes = text(&path.join("mem_info_vram_total")).and_then(|bytes| bytes.parse::<u64>().ok());
	let devices = match (&driver, render) {
		(Some(_), Some(node)) => vec!["/dev/kfd".into(), format!("/dev/dri/{node}")],
		_ => Vec::new(),
	};
	Some(Found {
		vendor: GpuVendor::Amd,
		address: name_of(path)?,
		model: text(&path.join("product_name")).as_deref().and_then(short),
		memory: bytes.and_then(|bytes| u32::try_from(bytes >> 20).ok()),
		driver,
		devices,
	})
}

#[cfg(test)]
mod tests {
	use super::*;

	/// A tree of files as `find -type f` would list it: a path and its content a line; `PATH -> PATH` is a link.
	fn tree(recorded: &str) -> tempfile::TempDir {
		let root = tempfile::tempdir().unwrap();
		for line in recorded
			.lines()
			.filter(|line| !line.starts_with('#') && !line.is_empty())
		{
			let (path, content) = line.split_once(char::is_whitespace).unwrap();
			let path = root.path().join(path);
			std::fs::create_dir_all(path.parent().unwrap()).unwrap();
			match content.trim().strip_prefix("-> ") {
				Some(to) => {
					let to = root.path().join(to);
					std::fs::create_dir_all(&to).unwrap();
					std::os::unix::fs::symlink(to, path).unwrap();
				}
				None => std::fs::write(path, content.trim().replace("\\n", "\n") + "\n").unwrap(),
			}
		}
		root
	}

	#[test]
	fn two_of_nvidia_are_found_with_memory_and_driver() {
		let root = tree(include_str!("../fixtures/gpus/nvidia.txt"));
		let smi = include_str!("../fixtures/gpus/nvidia-smi.csv");
		let found = detect_in(root.path(), || Some(smi.into()));
		let gpu = |address: &str, model: &str, memory, number| Found {
			vendor: GpuVendor::Nvidia,
			address: address.into(),
			model: Some(model.into()),
			memory: Some(memory),
			driver: Some("nvidia 535.183.01".into()),
			devices: vec![format!("nvidia.com/gpu={number}")],
		};
		assert_eq!(
			found,
			[
				gpu("0000:01:00.0", "rtx4090", 24_564, 0),
				gpu("0000:41:00.0", "a100", 81_920, 1),
			]
		);
		// The driver's own program may be missing.
		let untold = detect_in(root.path(), || None);
		assert_eq!(untold.len(), 2);
		assert!(untold
			.iter()
			.all(|gpu| gpu.memory.is_none() && gpu.devices.is_empty()));
	}

	#[test]
	fn one_of_amd_is_found_and_one_without_a_driver_is_told_from_it() {
		let root = tree(include_str!("../fixtures/gpus/amd.txt"));
		let found = detect_in(root.path(), || panic!("there is none of NVIDIA"));
		let with = Found {
			vendor: GpuVendor::Amd,
			address: "0000:c3:00.0".into(),
			model: Some("mi210".into()),
			memory: Some(65_520),
			driver: Some("amdgpu 6.3.6".into()),
			devices: vec!["/dev/kfd".into(), "/dev/dri/renderD128".into()],
		};
		let without = Found {
			address: "0000:c6:00.0".into(),
			model: None,
			memory: None,
			driver: None,
			devices: Vec::new(),
			..with.clone()
		};
		assert_eq!(found, [with, without]);
	}

	#[test]
	fn models_are_named_as_orders_name_them() {
		for (product, model) in [
			("NVIDIA GeForce RTX 4090", "rtx4090"),
			("NVIDIA GeForce RTX 3060 Ti", "rtx3060ti"),
			("NVIDIA A100-SXM4-80GB", "a100"),
			("NVIDIA A100 80GB PCIe", "a100"),
			("NVIDIA H100 80GB HBM3", "h100"),
			("Tesla T4", "t4"),
			("NVIDIA RTX A6000", "rtxa6000"),
			("AMD Instinct MI210", "mi210"),
			("AMD Radeon RX 7900 XTX", "rx7900xtx"),
		] {
			assert_eq!(short(product).as_deref(), Some(model), "{product}");
		}
		assert_eq!(short(""), None);
		assert_eq!(short("NVIDIA Graphics"), None);
		assert_eq!(short(&"x".repeat(25)), None);
	}

	#[test]
	fn a_machine_without_any_has_none() {
		let root = tempfile::tempdir().unwrap();
		assert_eq!(detect_in(root.path(), || None), []);
	}
}
