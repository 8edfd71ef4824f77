//! The price sheet.

use leasehold_client::{primitives, Resources};
use std::collections::BTreeMap;

/// A price sheet in planck an hour.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PriceSheet {
	pub cpu_core: u128,
	pub memory_gib: u128,
	pub storage_gib: u128,
	/// Of one, by model; `default` for all that are not named.
	pub gpu: BTreeMap<String, u128>,
}

/// MiB of storage that outlives a restart, of all classes.
pub fn persistent_mib(resources: &Resources) -> u64 {
	let sizes = resources.persistent.iter().map(|one| u64::from(one.size));
	sizes.fold(0, u64::saturating_add)
}

impl PriceSheet {
	/// The price of one GPU; of any, the dearest.
	fn gpu(&self, model: Option<&[u8]>) -> Option<u128> {
		let Some(model) = model else {
			return self.gpu.values().copied().max();
		};
		let named = core::str::from_utf8(model)
			.ok()
			.and_then(|model| self.gpu.get(model));
		named.or_else(|| self.gpu.get("default")).copied()
	}

	/// Planck a block for these resources, rounded up once. `None` on overflow, or for a GPU without a price.
	pub fn rate(&self, resources: &Resources, slot_millis: u64) -> Option<u128> {
		// Per hour, in 1000 × 1024 parts of a planck, so that every unit divides evenly.
		let cpu = self
			.cpu_core
			.checked_mul(resources.cpu.into())?
			.checked_mul(1_024)?;
		let memory = self
			.memory_gib
			.checked_mul(resources.memory.into())?
			.checked_mul(1_000)?;
		let stored = persistent_mib(resources).saturating_add(resources.ephemeral.into());
		let storage = self
			.storage_gib
			.checked_mul(stored.into())?
			.checked_mul(1_000)?;
		let mut hour = cpu.checked_add(memory)?.checked_add(storage)?;
		for gpu in &resources.gpu {
			let price = self.gpu(gpu.model.as_ref().map(|model| model.as_slice()))?;
			let parts = price
				.checked_mul(gpu.units.into())?
				.checked_mul(1_000 * 1_024)?;
			hour = hour.checked_add(parts)?;
		}
		let parts = hour.checked_mul(slot_millis.into())?;
		Some(parts.div_ceil(1_000 * 1_024 * 3_600_000).max(1))
	}

	/// The sheet as the chain takes it, for what `capacity` has; each price rounded up. `None` on overflow.
	pub fn offer(&self, capacity: &Resources, slot_millis: u64) -> Option<primitives::PriceSheet> {
		let price = |hour: u128, units: u128| {
			let parts = hour.checked_mul(slot_millis.into())?;
			let parts = parts.checked_mul(primitives::pricing::PARTS)?;
			Some(parts.div_ceil(units.saturating_mul(3_600_000).max(1)))
		};
		let storage = price(self.storage_gib, 1_024)?;
		let classes = capacity.persistent.iter();
		let persistent: Vec<_> = classes.map(|one| (one.class, storage)).collect();
		let mut gpu = Vec::new();
		for sort in &capacity.gpu {
			let model = sort.model.clone()?;
			let price = price(self.gpu(Some(&model))?, 1)?;
			// One model may stand with several sizes of memory.
			if gpu.iter().all(|(other, _)| *other != model) {
				gpu.push((model, price));
			}
		}
		Some(primitives::PriceSheet::V1(primitives::PriceSheetV1 {
			cpu: price(self.cpu_core, 1_000)?,
			memory: price(self.memory_gib, 1_024)?,
			ephemeral: storage,
			persistent: persistent.try_into().ok()?,
			gpu: gpu.try_into().ok()?,
			..Default::default()
		}))
	}
}
