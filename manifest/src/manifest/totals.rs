//! What all replicas of a manifest ask for.

use super::{Medium, Service};
use std::collections::{BTreeMap, BTreeSet};

/// GPUs that are asked for in one piece.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GpuTotal {
	pub vendor: String,
	/// `None`: any.
	pub model: Option<String>,
	/// MiB; 0: any.
	pub memory: u32,
	pub units: u32,
}

/// Sums over all replicas.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
	/// milli-CPU.
	pub cpu: u32,
	/// MiB, with volumes in memory.
	pub memory: u32,
	/// MiB.
	pub ephemeral: u32,
	/// MiB by class.
	pub persistent: BTreeMap<String, u32>,
	pub gpu: Vec<GpuTotal>,
	/// Ports of the provider's address.
	pub ports: u32,
	/// Addresses of their own.
	pub ips: u32,
	/// milli-CPU of the largest replica.
	pub unit_cpu: u32,
	/// MiB of the largest replica.
	pub unit_memory: u32,
}

/// Sums over all replicas. `None` on overflow.
pub fn totals<F>(services: &[Service<F>]) -> Option<Totals> {
	let mut sum = Totals::default();
	let mut addresses = BTreeSet::new();
	for Service {
		count,
		unit,
		expose,
		..
	} in services
	{
		let times = |each: u32| each.checked_mul(*count);
		let (mut memory, mut disk) = (unit.memory, unit.storage);
		for volume in &unit.volumes {
			match &volume.medium {
				Medium::Ephemeral => disk = disk.checked_add(volume.size)?,
				Medium::Memory => memory = memory.checked_add(volume.size)?,
				Medium::Persistent(class) => {
					let all = sum.persistent.entry(class.clone()).or_default();
					*all = all.checked_add(times(volume.size)?)?;
				}
			}
		}
		sum.cpu = sum.cpu.checked_add(times(unit.cpu)?)?;
		sum.memory = sum.memory.checked_add(times(memory)?)?;
		sum.ephemeral = sum.ephemeral.checked_add(times(disk)?)?;
		sum.unit_cpu = sum.unit_cpu.max(unit.cpu);
		sum.unit_memory = sum.unit_memory.max(memory);
		if let Some(gpu) = &unit.gpu {
			let (model, memory) = gpu.asked();
			let wanted = GpuTotal {
				vendor: gpu.vendor.clone(),
				model: model.map(str::to_owned),
				memory,
				units: times(gpu.units)?,
			};
			let alike = |other: &&mut GpuTotal| {
				(&other.vendor, &other.model, other.memory)
					== (&wanted.vendor, &wanted.model, wanted.memory)
			};
			match sum.gpu.iter_mut().find(alike) {
				Some(same) => same.units = same.units.checked_add(wanted.units)?,
				None => sum.gpu.push(wanted),
			}
		}
		for port in expose.iter().filter(|port| port.global) {
			match &port.ip {
				Some(ip) => {
					addresses.insert(ip);
				}
				// Also what will go by host name, once there is a proxy.
				None => sum.ports = sum.ports.checked_add(1)?,
			}
		}
	}
	sum.ips = u32::try_from(addresses.len()).ok()?;
	Some(sum)
}
