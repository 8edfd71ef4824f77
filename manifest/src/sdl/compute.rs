//! `profiles.compute`: what one replica takes.

use super::*;
use crate::{manifest::GpuModel, quantity, yaml::NodeKind};
use std::collections::{BTreeMap, BTreeSet};

const MIB: u64 = 1 << 20;
/// Akash's own bounds of one replica: from, to.
pub(crate) const CPU: (u32, u32) = (10, 384_000);
pub(crate) const MEMORY: (u64, u64) = (MIB, 2 << 40);
const STORAGE: (u64, u64) = (5 * MIB, 32 << 40);
pub(super) const MAX_GPUS: u64 = 24;
const SIZE: &str = "write `512Mi` or `1Gi`";

/// A profile, as it stands in the file; what is not there is 0.
pub(super) struct RawCompute {
	pub at: Place,
	pub key: String,
	pub cpu: u32,
	pub cpu_at: Place,
	/// Bytes.
	pub memory: u64,
	pub memory_at: Place,
	pub volumes: Vec<RawVolume>,
	pub volumes_at: Place,
	pub gpu: RawGpu,
	pub gpu_at: Place,
}

#[derive(Clone)]
pub(super) struct RawVolume {
	pub at: Place,
	pub name: String,
	pub bytes: u64,
	pub persistent: bool,
	pub class: Option<String>,
}

#[derive(Default)]
pub(super) struct RawGpu {
	pub units: u64,
	/// Whether attributes are there.
	pub described: bool,
	pub vendor: String,
	pub models: Vec<GpuModel>,
}

impl Reader {
	pub(super) fn computes<'a>(&mut self, profiles: &Map<'a>) -> BTreeMap<&'a str, RawCompute> {
		let mut all = BTreeMap::new();
		let Some(compute) = self.child(profiles, "compute") else {
			return all;
		};
		for (name, at, node) in compute.items() {
			let Some(profile) = self.map(node, &compute.child(name), at) else {
				continue;
			};
			self.only_known(&profile, &["resources"]);
			let Some(resources) = self.need(&profile, "resources") else {
				continue;
			};
			self.only_known(&resources, &["cpu", "memory", "storage", "gpu"]);
			let volumes = self.volumes(&resources);
			let gpu = self.gpu(&resources);
			all.insert(
				name,
				RawCompute {
					at: resources.at,
					key: resources.key.clone(),
					cpu: self.cpu(&resources),
					cpu_at: resources.place("cpu"),
					memory: self.memory(&resources),
					memory_at: resources.place("memory"),
					volumes,
					volumes_at: resources.place("storage"),
					gpu,
					gpu_at: resources.place("gpu"),
				},
			);
		}
		all
	}

	fn cpu(&mut self, resources: &Map) -> u32 {
		let Some(cpu) = self.need(resources, "cpu") else {
			return 0;
		};
		self.only_known(&cpu, &["units", "attributes"]);
		if let Some(attributes) = self.child(&cpu, "attributes") {
			self.only(&attributes, &["arch"]);
			if attributes.get("arch").is_some() {
				let _ = self.text_at(&attributes, "arch");
				let reason = "is ignored: the image's platform decides";
				self.warn(attributes.place("arch"), &attributes.child("arch"), reason);
			}
		}
		self.quantity(&cpu, "units", "write `0.5` or `500m`", quantity::cpu_millis)
			.unwrap_or(CPU.0)
	}

	fn memory(&mut self, resources: &Map) -> u64 {
		let Some(memory) = self.need(resources, "memory") else {
			return 0;
		};
		self.only_known(&memory, &["size"]);
		self.quantity(&memory, "size", SIZE, quantity::bytes)
			.unwrap_or(MEMORY.0)
	}

	fn volumes(&mut self, resources: &Map) -> Vec<RawVolume> {
		let path = resources.child("storage");
		let Some(node) = resources.get("storage") else {
			self.missing(resources, "storage");
			return Vec::new();
		};
		let (items, single) = match &node.kind {
			NodeKind::List(items) => (items.iter().collect(), false),
			_ => (vec![node], true),
		};
		let mut names = BTreeSet::new();
		let mut volumes = Vec::new();
		for item in items {
			let at = if single {
				resources.place("storage")
			} else {
				item.at
			};
			let Some(map) = self.map(item, &path, at) else {
				continue;
			};
			self.only_known(&map, &["size", "name", "attributes"]);
			let mut name = self.text_at(&map, "name");
			if name.is_empty() || single {
				name = "default".into();
			}
			if !names.insert(name.clone()) {
				self.error(at, &map.child("name"), format!("`{name}` stands twice"));
			}
			let bytes = self.quantity(&map, "size", SIZE, quantity::bytes);
			let (persistent, class) = self.storage_attributes(&map);
			volumes.push(RawVolume {
				at,
				name,
				bytes: bytes.unwrap_or(STORAGE.0),
				persistent,
				class,
			});
		}
		if volumes.is_empty() {
			self.error(resources.place("storage"), &path, "has no volume");
		}
		volumes
	}

	/// (persistent, class)
	fn storage_attributes(&mut self, volume: &Map) -> (bool, Option<String>) {
		let Some(map) = self.child(volume, "attributes") else {
			return (false, None);
		};
		self.only(&map, &["persistent", "class"]);
		let written = match map.get("persistent") {
			Some(_) => self.text_at(&map, "persistent"),
			None => "false".into(),
		};
		let persistent = match written.as_str() {
			"true" | "on" | "yes" => true,
			"false" | "off" | "no" => false,
			_ => {
				let reason = "must be `true` or `false`";
				self.error(map.place("persistent"), &map.child("persistent"), reason);
				false
			}
		};
		let (at, key) = (map.place("class"), map.child("class"));
		let class = map.names("class").then(|| self.text_at(&map, "class"));
		match class.as_deref() {
			None if persistent => return (true, Some("default".into())),
			None => {}
			Some("") if persistent => return (true, Some("default".into())),
			Some("ram") if written != "false" => {
				self.error(at, &key, "memory cannot be persistent");
			}
			Some("ram") => {}
			Some("default" | "beta1" | "beta2" | "beta3") if written == "false" => {
				self.error(
					at,
					&key,
					"is for persistent storage: add `persistent: true`",
				);
			}
			Some("default" | "beta1" | "beta2" | "beta3") => {}
			Some(other) => {
				let known = "default, beta1 (HDD), beta2 (SSD), beta3 (NVMe), ram";
				self.error(at, &key, format!("`{other}` is not a class: {known}"));
			}
		}
		(persistent, class)
	}

	fn gpu(&mut self, resources: &Map) -> RawGpu {
		let mut gpu = RawGpu::default();
		let Some(map) = self.child(resources, "gpu") else {
			return gpu;
		};
		self.only(&map, &["units", "attributes"]);
		let how = "write a whole number";
		gpu.units = self.quantity_or(&map, "units", how, 0, |text| {
			let digits = text.bytes().all(|b| b.is_ascii_digit());
			text.parse::<u64>().ok().filter(|_| digits)
		});
		let Some(attributes) = self.child(&map, "attributes") else {
			if gpu.units > 0 {
				self.missing(&map, "attributes");
			}
			return gpu;
		};
		gpu.described = true;
		self.only(&attributes, &["vendor"]);
		let Some(vendor) = self.need(&attributes, "vendor") else {
			return gpu;
		};
		self.only_known(&vendor, &["nvidia", "amd"]);
		gpu.vendor = match (vendor.names("nvidia"), vendor.names("amd")) {
			(true, true) => {
				let reason = "two vendors: only NVIDIA is asked for";
				self.warn(vendor.at, &vendor.key, reason);
				"nvidia"
			}
			(_, false) => "nvidia",
			(false, true) => "amd",
		}
		.into();
		let mut seen = BTreeSet::new();
		let path = vendor.child(&gpu.vendor);
		for item in self.list(&vendor, &gpu.vendor.clone()) {
			let Some(model) = self.map(item, &path, item.at) else {
				continue;
			};
			self.only_known(&model, &["model", "ram", "interface"]);
			let name = self.text_at(&model, "model");
			let how = "write `24Gi`";
			let memory = self.quantity_or(&model, "ram", how, 0, |text| {
				let binary = text.ends_with('i') || text.bytes().all(|b| b.is_ascii_digit());
				quantity::bytes(text).filter(|_| binary)
			});
			let interface = self.text_at(&model, "interface");
			let (at, key) = (model.place("interface"), model.child("interface"));
			match interface.as_str() {
				"" => {}
				"pcie" | "sxm" => {
					self.warn(at, &key, "is ignored: orders do not tell interfaces apart");
				}
				other => self.error(at, &key, format!("`{other}` is neither `pcie` nor `sxm`")),
			}
			let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '/' | '.' | '-');
			let inner = name.strip_suffix('*').unwrap_or(&name);
			if name.len() > 64 || !inner.chars().all(allowed) {
				let reason = format!("`{name}` is no name of a model");
				self.error(model.place("model"), &model.child("model"), reason);
			}
			if !seen.insert((name.clone(), memory >> 30, interface)) {
				self.error(item.at, &path, format!("`{name}` stands twice"));
			}
			if memory > 0 && (name.is_empty() || name.ends_with('*')) {
				let reason = "goes with the name of one model";
				self.error(model.place("ram"), &model.child("ram"), reason);
			}
			if !matches!(name.as_str(), "" | "*") {
				gpu.models.push(GpuModel {
					name,
					memory: quantity::mebibytes(memory).unwrap_or(u32::MAX),
				});
			}
		}
		gpu
	}

	/// Holds a profile that is used against Akash's bounds.
	pub(super) fn bounded(&mut self, compute: &RawCompute) {
		let key = |key: &str| format!("{}.{key}", compute.key);
		if !(CPU.0..=CPU.1).contains(&compute.cpu) {
			let reason = format!("must be {}m to {}m", CPU.0, CPU.1);
			self.error(compute.cpu_at, &key("cpu"), reason);
		}
		if !(MEMORY.0..=MEMORY.1).contains(&compute.memory) {
			self.error(compute.memory_at, &key("memory"), "must be 1Mi to 2Ti");
		}
		for volume in &compute.volumes {
			if !(STORAGE.0..=STORAGE.1).contains(&volume.bytes) {
				self.error(volume.at, &key("storage.size"), "must be 5Mi to 32Ti");
			}
		}
		if compute.gpu.units > MAX_GPUS {
			let reason = format!("must be at most {MAX_GPUS}");
			self.error(compute.gpu_at, &key("gpu.units"), reason);
		}
		if compute.gpu.units == 0 && compute.gpu.described {
			let reason = "attributes of no GPU: name `units`";
			self.error(compute.gpu_at, &key("gpu"), reason);
		}
	}
}
