//! Standing price sheets, and what a lease costs when it changes size.

use crate::{math, Balance, Resources, StorageClass};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use frame_support::{traits::ConstU32, BoundedVec};
use scale_info::TypeInfo;

/// A provider's price sheet, by version.
#[derive(
	Encode, Decode, DecodeWithMemTracking, Clone, PartialEq, Eq, Debug, TypeInfo, MaxEncodedLen,
)]
pub enum PriceSheet {
	V1(PriceSheetV1),
}

/// Parts of a planck that a price sheet counts in: prices of small units are small.
pub const PARTS: Balance = 1_000;

/// Prices in thousandths of a planck, per unit and block.
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
pub struct PriceSheetV1 {
	/// A milli-CPU.
	#[codec(compact)]
	pub cpu: Balance,
	/// A MiB of memory.
	#[codec(compact)]
	pub memory: Balance,
	/// A MiB of ephemeral storage.
	#[codec(compact)]
	pub ephemeral: Balance,
	/// A MiB of persistent storage, by class; a class that is missing is not offered.
	pub persistent: BoundedVec<(StorageClass, Balance), ConstU32<4>>,
	/// A GPU, by model in lower case; one without its model's price is not offered. The empty model
	/// stands for all that are not named.
	pub gpu: BoundedVec<(BoundedVec<u8, ConstU32<24>>, Balance), ConstU32<8>>,
	/// A port.
	#[codec(compact)]
	pub port: Balance,
	/// An address.
	#[codec(compact)]
	pub ip: Balance,
}

impl PriceSheet {
	/// Planck a block for `taken`, as a provider reserves it: the sum over all units, rounded up
	/// once, at least 1. `None` if something is not on the sheet, or on overflow.
	pub fn rate(&self, taken: &Resources) -> Option<Balance> {
		let Self::V1(sheet) = self;
		let times = |price: Balance, units: u32| price.checked_mul(units.into());
		let mut parts = times(sheet.cpu, taken.cpu)?
			.checked_add(times(sheet.memory, taken.memory)?)?
			.checked_add(times(sheet.ephemeral, taken.ephemeral)?)?
			.checked_add(times(sheet.port, taken.ports)?)?
			.checked_add(times(sheet.ip, taken.ips)?)?;
		for storage in &taken.persistent {
			let (_, price) = sheet
				.persistent
				.iter()
				.find(|(class, _)| *class == storage.class)?;
			parts = parts.checked_add(times(*price, storage.size)?)?;
		}
		for gpu in &taken.gpu {
			let model = gpu.model.as_ref();
			let named = sheet.gpu.iter().find(|(name, _)| Some(name) == model);
			let (_, price) =
				named.or_else(|| sheet.gpu.iter().find(|(name, _)| name.is_empty()))?;
			parts = parts.checked_add(times(*price, gpu.units)?)?;
		}
		Some(parts.div_ceil(PARTS).max(1))
	}
}

/// What a lease at `rate` costs when its resources change from `old` to `new`: its rate is spread
/// over its resources by the fixed proportions of [`weigh`], so that each unit keeps its price;
/// rounded up once. `None` on overflow.
pub fn resized_rate(rate: Balance, old: &Resources, new: &Resources) -> Option<Balance> {
	math::mul_div_ceil(rate, weigh(new)?, weigh(old)?.max(1)).map(|rate| rate.max(1))
}

/// Resources as one number: a core (1,000) weighs as much as 4 GiB of memory, 100 GiB of storage,
/// 50 GiB of persistent storage, a tenth of a GPU, 100 ports or 2 addresses.
pub fn weigh(resources: &Resources) -> Option<Balance> {
	let share = |units: u32, of_core: u32, a_core: u32| {
		Balance::from(units)
			.checked_mul(of_core.into())
			.map(|weight| weight.div_ceil(Balance::from(a_core).max(1)))
	};
	let mut sum = Balance::from(resources.cpu)
		.checked_add(share(resources.memory, 1_000, 4_096)?)?
		.checked_add(share(resources.ephemeral, 1_000, 102_400)?)?
		.checked_add(share(resources.ports, 10, 1)?)?
		.checked_add(share(resources.ips, 500, 1)?)?;
	for storage in &resources.persistent {
		sum = sum.checked_add(share(storage.size, 1_000, 51_200)?)?;
	}
	for gpu in &resources.gpu {
		sum = sum.checked_add(share(gpu.units, 10_000, 1)?)?;
	}
	Some(sum)
}

#[cfg(test)]
mod tests {
	use super::*;
	use crate::{GpuUnits, GpuVendor, PersistentStorage};
	use proptest::prelude::*;

	fn sheet() -> PriceSheet {
		PriceSheet::V1(PriceSheetV1 {
			cpu: 1_500,
			memory: 10,
			ephemeral: 1,
			persistent: vec![(StorageClass::Ssd, 20)].try_into().unwrap(),
			gpu: vec![(b"a100".to_vec().try_into().unwrap(), 5_000_000)]
				.try_into()
				.unwrap(),
			port: 3_000,
			ip: 7_000,
		})
	}

	fn gpus(units: u32, model: Option<&[u8]>) -> Resources {
		let gpu = GpuUnits {
			vendor: GpuVendor::Nvidia,
			model: model.map(|model| model.to_vec().try_into().unwrap()),
			memory: None,
			units,
		};
		Resources {
			gpu: vec![gpu].try_into().unwrap(),
			..Default::default()
		}
	}

	#[test]
	fn a_sheet_rounds_up_once() {
		let of = |cpu, memory| Resources {
			cpu,
			memory,
			..Default::default()
		};
		assert_eq!(sheet().rate(&of(1, 0)), Some(2));
		assert_eq!(sheet().rate(&of(2, 0)), Some(3));
		assert_eq!(sheet().rate(&of(1_000, 1_024)), Some(1_511));
		assert_eq!(sheet().rate(&of(0, 0)), Some(1));
	}

	#[test]
	fn ports_addresses_and_gpus_of_no_name_have_prices_of_their_own() {
		let of = |ports, ips| Resources {
			ports,
			ips,
			..Default::default()
		};
		assert_eq!(sheet().rate(&of(2, 0)), Some(6));
		assert_eq!(sheet().rate(&of(0, 2)), Some(14));
		let PriceSheet::V1(mut any) = sheet();
		any.gpu.try_push((Default::default(), 9_000)).unwrap();
		let any = PriceSheet::V1(any);
		assert_eq!(any.rate(&gpus(3, Some(b"mi300x"))), Some(27));
		assert_eq!(any.rate(&gpus(3, None)), Some(27));
		assert_eq!(any.rate(&gpus(3, Some(b"a100"))), Some(15_000));
	}

	#[test]
	fn what_is_not_on_the_sheet_is_not_offered() {
		assert_eq!(sheet().rate(&gpus(2, Some(b"a100"))), Some(10_000));
		assert_eq!(sheet().rate(&gpus(2, Some(b"h100"))), None);
		let disk = |class| Resources {
			persistent: vec![PersistentStorage { class, size: 100 }]
				.try_into()
				.unwrap(),
			..Default::default()
		};
		assert_eq!(sheet().rate(&disk(StorageClass::Ssd)), Some(2));
		assert_eq!(sheet().rate(&disk(StorageClass::Hdd)), None);
		let dear = PriceSheet::V1(PriceSheetV1 {
			cpu: Balance::MAX,
			..Default::default()
		});
		assert_eq!(
			dear.rate(&Resources {
				cpu: 2,
				..Default::default()
			}),
			None
		);
	}

	proptest! {
		#[test]
		fn resizing_keeps_the_price_of_a_unit(
			rate in 1u128..1 << 80, cpu in 1u32..1_000_000, memory in 0u32..10_000_000, more in 1u32..1_000,
		) {
			let old = Resources { cpu, memory, ..Default::default() };
			prop_assert_eq!(resized_rate(rate, &old, &old), Some(rate));
			let new = Resources { cpu: cpu + more, memory, ..Default::default() };
			let up = resized_rate(rate, &old, &new).unwrap();
			prop_assert!(up >= rate);
			prop_assert!(resized_rate(up, &new, &old).unwrap() >= rate);
		}
	}
}
