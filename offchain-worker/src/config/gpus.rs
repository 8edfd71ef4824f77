//! The GPUs that are leased out.

use super::Config;
use leasehold_client::primitives::{GpuUnits, GpuVendor};
use serde::Deserialize;
use std::os::unix::fs::FileTypeExt as _;

/// Devices that all GPUs of a vendor share.
pub const SHARED: [&str; 1] = ["/dev/kfd"];

/// One GPU of this machine.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gpu {
	pub vendor: Vendor,
	/// As orders name it: `rtx4090`.
	pub model: String,
	/// MiB.
	pub memory_mib: u32,
	/// What a container is given: names of the Container Device Interface, or paths.
	pub devices: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Vendor {
	Nvidia,
	Amd,
}

impl Gpu {
	/// Whether a container is given it by a name of the Container Device Interface.
	pub fn is_by_cdi(&self) -> bool {
		self.devices.iter().any(|device| !device.starts_with('/'))
	}

	/// One of its sort, as the chain says it.
	pub fn unit(&self) -> GpuUnits {
		GpuUnits {
			vendor: match self.vendor {
				Vendor::Nvidia => GpuVendor::Nvidia,
				Vendor::Amd => GpuVendor::Amd,
			},
			model: self.model.clone().into_bytes().try_into().ok(),
			memory: Some(self.memory_mib),
			units: 1,
		}
	}
}

/// How many there are of each sort.
pub fn sorts(gpus: &[Gpu]) -> Vec<GpuUnits> {
	let mut sorts: Vec<GpuUnits> = Vec::new();
	for gpu in gpus {
		let unit = gpu.unit();
		match sorts.iter_mut().find(|sort| sort.is_sort_of(&unit)) {
			Some(sort) => sort.units = sort.units.saturating_add(1),
			None => sorts.push(unit),
		}
	}
	sorts
}

/// Whether what is named by a path is a device.
pub fn are_there(gpus: &[Gpu]) -> Result<(), String> {
	let paths = gpus.iter().flat_map(|gpu| &gpu.devices);
	for path in paths.filter(|device| device.starts_with('/')) {
		let meta = std::fs::metadata(path).map_err(|error| format!("gpus: {path}: {error}"))?;
		if !meta.file_type().is_char_device() {
			return Err(format!("gpus: `{path}` is no device"));
		}
	}
	Ok(())
}

/// What the chain would refuse, too, or no container could be given.
pub fn sound(config: &Config) -> Result<(), String> {
	let gpus = &config.gpus;
	if gpus.is_empty() {
		return Ok(());
	}
	if config.containers.is_none() {
		return Err("gpus: only containers have them, and there is no section [containers]".into());
	}
	for gpu in gpus {
		let model = &gpu.model;
		let named = model
			.bytes()
			.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
		if !named || model.is_empty() || model.len() > 24 {
			return Err(format!(
				"gpus: `{model}` is no model; write it in lower case, as rtx4090"
			));
		}
		let device = |text: &String| text.starts_with('/') || text.contains('=');
		if gpu.devices.is_empty() || !gpu.devices.iter().all(device) || gpu.memory_mib == 0 {
			return Err(format!(
				"gpus: `{model}` needs its memory_mib, and its devices: [\"nvidia.com/gpu=0\"], or paths as \
				 [\"/dev/kfd\", \"/dev/dri/renderD128\"]"
			));
		}
		let own = gpu
			.devices
			.iter()
			.filter(|one| !SHARED.contains(&one.as_str()));
		for device in own.clone() {
			let count = |gpu: &Gpu| gpu.devices.iter().filter(|one| *one == device).count();
			if gpus.iter().map(count).sum::<usize>() > 1 {
				return Err(format!("gpus: `{device}` stands twice"));
			}
			if device.ends_with("=all") {
				return Err(format!("gpus: `{device}` is more than one: name each"));
			}
		}
		if own.count() == 0 {
			return Err(format!("gpus: `{model}` has no device of its own"));
		}
		let prices = &config.pricing.gpu;
		if !prices.contains_key(model) && !prices.contains_key("default") {
			return Err(format!(
				"pricing.gpu: `{model}` has no price; write it as {{ {model} = \"0.8\" }}"
			));
		}
	}
	match sorts(gpus).len() {
		0..=4 => Ok(()),
		more => Err(format!("gpus: {more} sorts; at most four are allowed")),
	}
}
