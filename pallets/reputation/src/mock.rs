//! A runtime with reputation and a registry of one provider.

use crate as pallet_reputation;
use frame_support::{derive_impl, traits::Contains, weights::Weight};
use leasehold_primitives::{Agenda, AgendaItem, BlockNumber, ProviderId};
use sp_runtime::{traits::Convert, BuildStorage};

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
impl Contains<(ProviderId, u64)> for OneOwner {
	fn contains((_, who): &(ProviderId, u64)) -> bool {
		*who == 1
	}
}

/// Every provider registered in block 0.
pub struct AtGenesis;
impl Convert<ProviderId, BlockNumber> for AtGenesis {
	fn convert(_: ProviderId) -> BlockNumber {
		0
	}
}

/// Everything is due in the block it was put down for.
pub struct Punctual;
impl Agenda for Punctual {
	fn schedule(_: AgendaItem, at: BlockNumber) -> BlockNumber {
		at
	}
	fn look() -> Weight {
		Weight::zero()
	}
}

pub struct Free;
impl pallet_reputation::WeightInfo for Free {
	fn set_terms() -> Weight {
		Weight::zero()
	}
	fn visit() -> Weight {
		Weight::zero()
	}

	fn to_v2() -> Weight {
		Weight::zero()
	}
}

impl pallet_reputation::Config for Test {
	type SameParty = OneOwner;
	type RegisteredAt = AtGenesis;
	type Agenda = Punctual;
	type AdminOrigin = frame_system::EnsureRoot<u64>;
	type WeightInfo = Free;
}

pub fn run(test: impl FnOnce()) {
	let storage = RuntimeGenesisConfig::default().build_storage().unwrap();
	sp_io::TestExternalities::new(storage).execute_with(|| {
		System::set_block_number(1);
		test();
		Reputation::do_try_state().unwrap();
	});
}
