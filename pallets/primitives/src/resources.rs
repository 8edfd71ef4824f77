//! Capacity: what an order asks for and what a provider declares, and how one fits the other.

use alloc::vec::Vec;
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use frame_support::{traits::ConstU32, BoundedVec};
use scale_info::TypeInfo;

/// What persistent storage is made of.
#[derive(
	Encode,
	Decode,
	DecodeWithMemTracking,
	Clone,
	Copy,
	PartialEq,
	Eq,
	PartialOrd,
	Ord,
	Debug,
	TypeInfo,
	MaxEncodedLen,
)]
pub enum StorageClass {
	/// Rotating disks (SDL: `beta1`).
	Hdd,
	/// Solid-state disks (SDL: `beta2`).
	Ssd,
	/// NVMe disks (SDL: `beta3`).
	Nvme,
	/// Memory (SDL: `ram`).
	Ram,
}

/// Who makes a GPU.
#[derive(
	Encode,
	Decode,
	DecodeWithMemTracking,
	Clone,
	Copy,
	PartialEq,
	Eq,
	Debug,
	TypeInfo,
	MaxEncodedLen,
)]
pub enum GpuVendor {
	Nvidia,
	Amd,
}

/// Persistent storage of one class.
#[derive(
	Encode, Decode, DecodeWithMemTracking, Clone, PartialEq, Eq, Debug, TypeInfo, MaxEncodedLen,
)]
pub struct PersistentStorage {
	pub class: StorageClass,
	/// MiB.
	#[codec(compact)]
	pub size: u32,
}

/// GPUs of one sort. In a request, `None` means "any".
#[derive(
	Encode, Decode, DecodeWithMemTracking, Clone, PartialEq, Eq, Debug, TypeInfo, MaxEncodedLen,
)]
pub struct GpuUnits {
	pub vendor: GpuVendor,
	/// Model in lower case, `rtx4090`.
	pub model: Option<BoundedVec<u8, ConstU32<24>>>,
	/// Memory of one unit, MiB.
	pub memory: Option<u32>,
	#[codec(compact)]
	pub units: u32,
}

impl GpuUnits {
	/// Who chooses first: who asks for one model before those who take any, and for much memory before little; each takes
	/// of what fits that with the least memory.
	pub fn precedence(&self) -> impl Ord {
		(self.model.is_none(), core::cmp::Reverse(self.memory))
	}

	/// Whether these are of the same sort.
	pub fn is_sort_of(&self, other: &Self) -> bool {
		self.vendor == other.vendor && self.model == other.model && self.memory == other.memory
	}

	/// Whether units of the sort `have` satisfy this request.
	pub fn accepts(&self, have: &Self) -> bool {
		self.vendor == have.vendor
			&& (self.model.is_none() || self.model == have.model)
			&& self
				.memory
				.is_none_or(|need| have.memory.is_some_and(|m| m >= need))
	}
}

/// Resources: in an order the sums over its services and replicas, in a provider's record all that
/// it offers.
#[derive(
	Encode,
	Decode,
	DecodeWithMemTracking,
	Clone,
	PartialEq,
	Eq,
	Debug,
	Default,
	TypeInfo,
	MaxEncodedLen,
)]
pub struct Resources {
	/// milli-CPU: 1000 is one core.
	#[codec(compact)]
	pub cpu: u32,
	/// MiB.
	#[codec(compact)]
	pub memory: u32,
	/// Storage that goes with the workload, MiB.
	#[codec(compact)]
	pub ephemeral: u32,
	/// Storage that outlives a restart, at most one entry a class.
	pub persistent: BoundedVec<PersistentStorage, ConstU32<4>>,
	pub gpu: BoundedVec<GpuUnits, ConstU32<4>>,
	/// Ports of the provider's address.
	#[codec(compact)]
	pub ports: u32,
	/// Addresses of their own.
	#[codec(compact)]
	pub ips: u32,
	/// CPU of the largest unit that runs in one piece, milli-CPU.
	#[codec(compact)]
	pub unit_cpu: u32,
	/// Memory of the largest unit that runs in one piece, MiB.
	#[codec(compact)]
	pub unit_memory: u32,
}

/// Longest key of an attribute, bytes.
pub type AttributeKey = BoundedVec<u8, ConstU32<64>>;
/// Longest value of an attribute, bytes.
pub type AttributeValue = BoundedVec<u8, ConstU32<64>>;

/// A statement of a provider about itself, or what an order requires of it.
#[derive(
	Encode, Decode, DecodeWithMemTracking, Clone, PartialEq, Eq, Debug, TypeInfo, MaxEncodedLen,
)]
pub struct Attribute {
	pub key: AttributeKey,
	pub value: AttributeValue,
}

/// At most eight attributes.
pub type Attributes = BoundedVec<Attribute, ConstU32<8>>;

/// What of an order a provider does not meet.
#[derive(
	Encode,
	Decode,
	DecodeWithMemTracking,
	Clone,
	Copy,
	PartialEq,
	Eq,
	Debug,
	TypeInfo,
	MaxEncodedLen,
)]
pub enum Requirement {
	/// The provider exists and takes new leases (it is neither paused nor unbonding).
	Accepting,
	/// CPU in sum.
	Cpu,
	/// Memory in sum.
	Memory,
	/// Ephemeral storage.
	Ephemeral,
	/// Persistent storage of a class.
	Persistent,
	/// GPUs.
	Gpu,
	/// Ports.
	Ports,
	/// Addresses.
	Ips,
	/// CPU of the largest unit.
	UnitCpu,
	/// Memory of the largest unit.
	UnitMemory,
	/// An attribute.
	Attributes,
	/// The minimal score.
	Score,
	/// Bond that no other lease has reserved.
	Bond,
	/// The provider is one of those that the order allows.
	Allowed,
	/// The tenant is one of those that the provider serves.
	Tenant,
	/// The auditors' statements.
	Attestations,
	/// A price sheet with all that is asked for, at most at the price ceiling.
	Offer,
}

fn within(used: u32, more: u32, all: u32) -> bool {
	used.checked_add(more).is_some_and(|sum| sum <= all)
}

impl Resources {
	/// Whether nothing stands twice, no entry is empty, and a unit is no larger than the sum.
	pub fn is_well_formed(&self) -> bool {
		let classes_differ = self.persistent.iter().enumerate().all(|(i, p)| {
			p.size > 0
				&& self
					.persistent
					.iter()
					.skip(i + 1)
					.all(|q| q.class != p.class)
		});
		let sorts_differ = self
			.gpu
			.iter()
			.enumerate()
			.all(|(i, g)| g.units > 0 && self.gpu.iter().skip(i + 1).all(|h| !h.is_sort_of(g)));
		classes_differ
			&& sorts_differ
			&& self.unit_cpu <= self.cpu
			&& self.unit_memory <= self.memory
	}

	/// Whether something can run on this, and it is well formed.
	pub fn is_sound(&self) -> bool {
		self.cpu > 0 && self.memory > 0 && self.is_well_formed()
	}

	fn persistent_of(&self, class: StorageClass) -> u32 {
		self.persistent
			.iter()
			.find(|p| p.class == class)
			.map_or(0, |p| p.size)
	}

	pub fn gpus_of(&self, sort: &GpuUnits) -> u32 {
		self.gpu
			.iter()
			.find(|g| g.is_sort_of(sort))
			.map_or(0, |g| g.units)
	}

	/// What `request` takes from a provider that declares `self` and has `reserved` already:
	/// the request with each GPU pinned to a sort that the provider has. The first requirement
	/// that cannot be met is the error.
	pub fn take(
		&self,
		reserved: &Resources,
		request: &Resources,
	) -> Result<Resources, Requirement> {
		let need = |ok: bool, requirement| if ok { Ok(()) } else { Err(requirement) };
		need(
			within(reserved.cpu, request.cpu, self.cpu),
			Requirement::Cpu,
		)?;
		need(
			within(reserved.memory, request.memory, self.memory),
			Requirement::Memory,
		)?;
		need(
			within(reserved.ephemeral, request.ephemeral, self.ephemeral),
			Requirement::Ephemeral,
		)?;
		need(
			within(reserved.ports, request.ports, self.ports),
			Requirement::Ports,
		)?;
		need(
			within(reserved.ips, request.ips, self.ips),
			Requirement::Ips,
		)?;
		need(request.unit_cpu <= self.unit_cpu, Requirement::UnitCpu)?;
		need(
			request.unit_memory <= self.unit_memory,
			Requirement::UnitMemory,
		)?;
		for p in &request.persistent {
			let (used, all) = (reserved.persistent_of(p.class), self.persistent_of(p.class));
			need(within(used, p.size, all), Requirement::Persistent)?;
		}
		let mut taken = Resources {
			gpu: BoundedVec::new(),
			..request.clone()
		};
		let mut all: Vec<&GpuUnits> = request.gpu.iter().collect();
		all.sort_by_key(|wanted| wanted.precedence());
		for wanted in all {
			let fit = self.gpu.iter().filter(|have| {
				let used = reserved.gpus_of(have).saturating_add(taken.gpus_of(have));
				wanted.accepts(have) && within(used, wanted.units, have.units)
			});
			let sort = fit.min_by_key(|have| have.memory).ok_or(Requirement::Gpu)?;
			let more = GpuUnits {
				units: wanted.units,
				..sort.clone()
			};
			match taken.gpu.iter_mut().find(|g| g.is_sort_of(&more)) {
				Some(g) => g.units = g.units.saturating_add(more.units),
				None => taken.gpu.try_push(more).map_err(|_| Requirement::Gpu)?,
			}
		}
		Ok(taken)
	}

	/// What of this stays taken while the lease is suspended: its storage.
	pub fn storage_only(&self) -> Resources {
		Resources {
			ephemeral: self.ephemeral,
			persistent: self.persistent.clone(),
			..Default::default()
		}
	}

	/// Adds what a lease took. `None` on overflow.
	pub fn checked_add(&self, taken: &Resources) -> Option<Resources> {
		self.combine(taken, u32::checked_add)
	}

	/// Takes off what a lease gives back. `None` if it was never added.
	pub fn checked_sub(&self, taken: &Resources) -> Option<Resources> {
		self.combine(taken, u32::checked_sub)
	}

	fn combine(&self, other: &Resources, op: fn(u32, u32) -> Option<u32>) -> Option<Resources> {
		let mut persistent: Vec<PersistentStorage> = self.persistent.to_vec();
		for p in &other.persistent {
			match persistent.iter_mut().find(|q| q.class == p.class) {
				Some(q) => q.size = op(q.size, p.size)?,
				None => persistent.push(PersistentStorage {
					class: p.class,
					size: op(0, p.size)?,
				}),
			}
		}
		persistent.retain(|p| p.size > 0);
		let mut gpu: Vec<GpuUnits> = self.gpu.to_vec();
		for g in &other.gpu {
			match gpu.iter_mut().find(|h| h.is_sort_of(g)) {
				Some(h) => h.units = op(h.units, g.units)?,
				None => gpu.push(GpuUnits {
					units: op(0, g.units)?,
					..g.clone()
				}),
			}
		}
		gpu.retain(|g| g.units > 0);
		Some(Resources {
			cpu: op(self.cpu, other.cpu)?,
			memory: op(self.memory, other.memory)?,
			ephemeral: op(self.ephemeral, other.ephemeral)?,
			persistent: persistent.try_into().ok()?,
			gpu: gpu.try_into().ok()?,
			ports: op(self.ports, other.ports)?,
			ips: op(self.ips, other.ips)?,
			// The units are bounds, not sums.
			unit_cpu: 0,
			unit_memory: 0,
		})
	}

	/// Whether whatever fits `other` fits `self`, too.
	pub fn is_at_least(&self, other: &Self) -> bool {
		self.covers(other)
			&& other.unit_cpu <= self.unit_cpu
			&& other.unit_memory <= self.unit_memory
	}

	/// Whether all of `reserved` is covered by `self`.
	pub fn covers(&self, reserved: &Resources) -> bool {
		reserved.cpu <= self.cpu
			&& reserved.memory <= self.memory
			&& reserved.ephemeral <= self.ephemeral
			&& reserved.ports <= self.ports
			&& reserved.ips <= self.ips
			&& reserved
				.persistent
				.iter()
				.all(|p| p.size <= self.persistent_of(p.class))
			&& reserved.gpu.iter().all(|g| g.units <= self.gpus_of(g))
	}
}

/// Whether `has` contains each attribute of `required`, key and value.
pub fn has_attributes(has: &Attributes, required: &Attributes) -> bool {
	required.iter().all(|wanted| has.contains(wanted))
}

#[cfg(test)]
mod tests {
	use super::*;

	fn gpu(model: Option<&str>, memory: Option<u32>, units: u32) -> GpuUnits {
		GpuUnits {
			vendor: GpuVendor::Nvidia,
			model: model.map(|m| m.as_bytes().to_vec().try_into().unwrap()),
			memory,
			units,
		}
	}

	fn machine() -> Resources {
		Resources {
			cpu: 4000,
			memory: 8192,
			ephemeral: 10_000,
			persistent: vec![PersistentStorage {
				class: StorageClass::Ssd,
				size: 500,
			}]
			.try_into()
			.unwrap(),
			gpu: vec![
				gpu(Some("a100"), Some(40_960), 2),
				gpu(Some("t4"), Some(16_384), 1),
			]
			.try_into()
			.unwrap(),
			ports: 10,
			ips: 0,
			unit_cpu: 2000,
			unit_memory: 4096,
		}
	}

	#[test]
	fn each_shortage_is_named() {
		let none = Resources::default();
		let short = |edit: fn(&mut Resources)| {
			let mut request = none.clone();
			edit(&mut request);
			machine().take(&none, &request).unwrap_err()
		};
		assert_eq!(short(|r| r.cpu = 4001), Requirement::Cpu);
		assert_eq!(short(|r| r.memory = 8193), Requirement::Memory);
		assert_eq!(short(|r| r.ephemeral = 10_001), Requirement::Ephemeral);
		assert_eq!(short(|r| r.ports = 11), Requirement::Ports);
		assert_eq!(short(|r| r.ips = 1), Requirement::Ips);
		assert_eq!(short(|r| r.unit_cpu = 2001), Requirement::UnitCpu);
		assert_eq!(short(|r| r.unit_memory = 4097), Requirement::UnitMemory);
		assert_eq!(
			short(|r| r.persistent = vec![PersistentStorage {
				class: StorageClass::Nvme,
				size: 1
			}]
			.try_into()
			.unwrap()),
			Requirement::Persistent
		);
		assert_eq!(
			short(|r| r.gpu = vec![gpu(Some("h100"), None, 1)].try_into().unwrap()),
			Requirement::Gpu
		);
	}

	#[test]
	fn any_gpu_is_pinned_to_one_that_is_free() {
		let mut request = Resources {
			gpu: vec![gpu(None, None, 2)].try_into().unwrap(),
			..Default::default()
		};
		let taken = machine().take(&Resources::default(), &request).unwrap();
		assert_eq!(taken.gpu.to_vec(), vec![gpu(Some("a100"), Some(40_960), 2)]);
		let reserved = Resources::default().checked_add(&taken).unwrap();
		request.gpu = vec![gpu(None, None, 1)].try_into().unwrap();
		let second = machine().take(&reserved, &request).unwrap();
		assert_eq!(second.gpu.to_vec(), vec![gpu(Some("t4"), Some(16_384), 1)]);
		let reserved = reserved.checked_add(&second).unwrap();
		assert_eq!(machine().take(&reserved, &request), Err(Requirement::Gpu));
		let back = reserved
			.checked_sub(&second)
			.unwrap()
			.checked_sub(&taken)
			.unwrap();
		assert_eq!(back, Resources::default());
	}

	#[test]
	fn what_was_not_taken_cannot_be_given_back() {
		let one = Resources {
			cpu: 1,
			..Default::default()
		};
		assert_eq!(Resources::default().checked_sub(&one), None);
	}

	#[test]
	fn who_asks_for_one_model_gets_it_before_who_takes_any() {
		let has = machine();
		let take = |wanted: Vec<GpuUnits>| {
			let request = Resources {
				gpu: wanted.try_into().unwrap(),
				..Default::default()
			};
			has.take(&Resources::default(), &request)
		};
		// Any of them would do for the first, but for what the second asks for.
		let taken = take(vec![gpu(None, None, 1), gpu(Some("a100"), None, 2)]).unwrap();
		assert_eq!(taken.gpu.to_vec(), [has.gpu[0].clone(), has.gpu[1].clone()]);
		let taken = take(vec![gpu(None, None, 1), gpu(None, Some(40_000), 2)]).unwrap();
		assert_eq!(taken.gpu.iter().map(|sort| sort.units).sum::<u32>(), 3);
		assert_eq!(
			take(vec![gpu(None, None, 2), gpu(Some("a100"), None, 2)]),
			Err(Requirement::Gpu)
		);
	}

	#[test]
	fn a_class_may_stand_once() {
		let p = PersistentStorage {
			class: StorageClass::Ssd,
			size: 1,
		};
		let twice = Resources {
			persistent: vec![p.clone(), p].try_into().unwrap(),
			..Default::default()
		};
		assert!(!twice.is_well_formed());
		assert!(machine().is_well_formed());
	}
}
