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

/// What is missing: where, which key, and what is said of it.
type Lacking = Vec<(Place, String, &'static str)>;

/// A profile, as it stands in the file; what is not there is the least that may be.
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
	/// It counts if the profile is used.
	lacking: Lacking,
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

/// Whether a key is not there, which is noted.
fn lacks(map: &Map, key: &str, lacking: &mut Lacking) -> bool {
	let lacks = map.get(key).is_none();
	if lacks {
		lacking.push((map.at, map.child(key), "is missing"));
	}
	lacks
}

/// Whether Akash takes the name of an attribute: letters, digits, `_`, `/`, `.` and `-`, at most 128, and `*` at the end
/// alone.
fn is_attribute(name: &str) -> bool {
	let inner = name.strip_suffix('*').unwrap_or(name);
	name.len() <= 128
		&& inner
			.bytes()
			.all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'/' | b'.' | b'-'))
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
			let mut lacking = Lacking::new();
			if lacks(&profile, "resources", &mut lacking) {
				all.insert(
					name,
					RawCompute {
						at,
						key: profile.child("resources"),
						cpu: CPU.0,
						cpu_at: at,
						memory: MEMORY.0,
						memory_at: at,
						volumes: Vec::new(),
						volumes_at: at,
						gpu: RawGpu::default(),
						gpu_at: at,
						lacking,
					},
				);
				continue;
			}
			let Some(resources) = self.child(&profile, "resources") else {
				continue;
			};
			self.only_known(&resources, &["cpu", "memory", "storage", "gpu"]);
			let volumes = self.volumes(&resources, &mut lacking);
			let gpu = self.gpu(&resources);
			all.insert(
				name,
				RawCompute {
					at: resources.at,
					key: resources.key.clone(),
					cpu: self.cpu(&resources, &mut lacking),
					cpu_at: resources.place("cpu"),
					memory: self.memory(&resources, &mut lacking),
					memory_at: resources.place("memory"),
					volumes,
					volumes_at: resources.place("storage"),
					gpu,
					gpu_at: resources.place("gpu"),
					lacking,
				},
			);
		}
		all
	}

	fn cpu(&mut self, resources: &Map, lacking: &mut Lacking) -> u32 {
		if lacks(resources, "cpu", lacking) {
			return CPU.0;
		}
		let Some(cpu) = self.child(resources, "cpu") else {
			return CPU.0;
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
		if lacks(&cpu, "units", lacking) {
			return CPU.0;
		}
		self.quantity(&cpu, "units", "write `0.5` or `500m`", quantity::cpu_millis)
			.unwrap_or(CPU.0)
	}

	fn memory(&mut self, resources: &Map, lacking: &mut Lacking) -> u64 {
		if lacks(resources, "memory", lacking) {
			return MEMORY.0;
		}
		let Some(memory) = self.child(resources, "memory") else {
			return MEMORY.0;
		};
		self.only_known(&memory, &["size"]);
		if lacks(&memory, "size", lacking) {
			return MEMORY.0;
		}
		self.quantity(&memory, "size", SIZE, quantity::bytes)
			.unwrap_or(MEMORY.0)
	}

	fn volumes(&mut self, resources: &Map, lacking: &mut Lacking) -> Vec<RawVolume> {
		let path = resources.child("storage");
		let Some(node) = resources.get("storage") else {
			lacks(resources, "storage", lacking);
			return Vec::new();
		};
		let (items, single) = match &node.kind {
			NodeKind::List(items) => (items.iter().collect(), false),
			NodeKind::Map(_) => (vec![node], true),
			// Akash finds no volume in it, and says so where one is needed.
			NodeKind::Scalar { .. } => {
				lacking.push((node.at, path, "must be a mapping"));
				return Vec::new();
			}
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
			let bytes = match lacks(&map, "size", lacking) {
				true => None,
				false => self.quantity(&map, "size", SIZE, quantity::bytes),
			};
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
			lacking.push((resources.place("storage"), path, "has no volume"));
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
		let (mut seen, mut any) = (BTreeSet::new(), false);
		let path = vendor.child(&gpu.vendor);
		for item in self.list(&vendor, &gpu.vendor.clone()) {
			let Some(model) = self.map(item, &path, item.at) else {
				continue;
			};
			self.only_known(&model, &["model", "ram", "interface"]);
			let name = self.text_at(&model, "model");
			let how = "write `24Gi`";
			let memory = self.quantity_or(&model, "ram", how, None, |text| {
				let binary = text.ends_with('i') || text.bytes().all(|b| b.is_ascii_digit());
				quantity::bytes(text).filter(|_| binary).map(Some)
			});
			let (at, key) = (model.place("interface"), model.child("interface"));
			let written = model.get("interface");
			let written = written.and_then(|node| self.text(node, &key));
			let interface = match written.as_deref() {
				None => None,
				Some(known @ ("pcie" | "sxm")) => {
					self.warn(at, &key, "is ignored: orders do not tell interfaces apart");
					Some(known)
				}
				Some(other) => {
					let reason = format!("`{other}` is neither `pcie` nor `sxm`");
					self.error(at, &key, reason);
					None
				}
			};
			// As Akash makes one attribute of it.
			let mut attribute = format!("vendor/{}/model/{name}", gpu.vendor);
			if let Some(bytes) = memory {
				attribute.push_str(&format!("/ram/{}Gi", bytes >> 30));
			}
			if let Some(interface) = interface {
				attribute.push_str(&format!("/interface/{interface}"));
			}
			let after = ["ram", "interface"];
			let after = after.into_iter().find(|key| model.get(key).is_some());
			match after.filter(|_| name.ends_with('*')) {
				Some(key) => {
					let reason = "stands beside no `*`: name one model, or leave `model` out";
					self.error(model.place(key), &model.child(key), reason);
				}
				None if !is_attribute(&attribute) => {
					let reason = format!("`{name}` is no name of a model");
					self.error(model.place("model"), &model.child("model"), reason);
				}
				None => {}
			}
			if !seen.insert(attribute) {
				self.error(item.at, &path, "the same GPU stands twice");
			}
			let name = if name == "*" { String::new() } else { name };
			let memory = memory.unwrap_or(0);
			any |= name.is_empty() && memory == 0;
			if !name.is_empty() || memory > 0 {
				gpu.models.push(GpuModel {
					name,
					memory: quantity::mebibytes(memory).unwrap_or(u32::MAX),
				});
			}
		}
		// Beside one that will take any the others ask for nothing.
		if any {
			gpu.models.clear();
		}
		gpu
	}

	/// Tells what is missing of a profile that is used.
	pub(super) fn complete(&mut self, compute: &RawCompute) {
		for (at, key, reason) in &compute.lacking {
			self.error(*at, key, *reason);
		}
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
