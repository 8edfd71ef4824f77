//! A runtime with reputation and a registry of one provider.

use crate as pallet_reputation;
use frame_support::{derive_impl, dispatch::DispatchResult};
use leasehold_primitives::{
	Attributes, Balance, BlockNumber, ProviderId, ProviderRegistry, Requirement, Resources,
};
use sp_runtime::{BuildStorage, DispatchError};

type Block = frame_system::mocking::MockBlock<Test>;

#[frame_support::runtime]
mod runtime {
	#[runtime::runtime]
	#[runtime::derive(RuntimeCall, RuntimeEvent, RuntimeError, RuntimeOrigin, RuntimeTask)]
	pub struct Test;

	#[runtime::pallet_index(0)]
	pub type System = frame_system::Pallet<Test>;
	#[runtime::pallet_index(54)]
	pub type Reputation = pallet_reputation::Pallet<Test>;
}

#[derive_impl(frame_system::config_preludes::TestDefaultConfig)]
impl frame_system::Config for Test {
	type Block = Block;
}

/// Account 1 owns every provider.
pub struct OneOwner;
impl ProviderRegistry<u64> for OneOwner {
	fn of_operator(_: &u64) -> Option<ProviderId> {
		None
	}
	fn owner(_: ProviderId) -> Option<u64> {
		Some(1)
	}
	fn is_self(_: ProviderId, who: &u64) -> bool {
		*who == 1
	}
	fn eligible(
		_: ProviderId,
		_: &Resources,
		_: &Attributes,
		_: Balance,
		_: bool,
	) -> Result<(), Requirement> {
		Ok(())
	}
	fn reserve(_: ProviderId, _: &Resources, _: Balance) -> Result<Resources, DispatchError> {
		Ok(Resources::default())
	}
	fn release(_: ProviderId, _: &Resources, _: Balance) -> DispatchResult {
		Ok(())
	}
	fn served(_: ProviderId) -> BlockNumber {
		0
	}
	fn beat(_: ProviderId) {}
	fn heartbeat_period() -> BlockNumber {
		1
	}
}

impl pallet_reputation::Config for Test {
	type Registry = OneOwner;
}

pub fn run(test: impl FnOnce()) {
	let storage = RuntimeGenesisConfig::default().build_storage().unwrap();
	sp_io::TestExternalities::new(storage).execute_with(|| {
		System::set_block_number(1);
		test();
		Reputation::do_try_state().unwrap();
	});
}
