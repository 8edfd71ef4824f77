//! A runtime with the agenda and a handler that keeps a diary.

use crate as pallet_agenda;
use core::cell::RefCell;
use frame_support::{derive_impl, dispatch::DispatchResult, parameter_types, weights::Weight};
use leasehold_primitives::{Agenda as _, AgendaHandler, AgendaItem, BlockNumber};
use sp_runtime::{BuildStorage, DispatchError, Perbill};
use std::collections::BTreeMap;

type Block = frame_system::mocking::MockBlock<Test>;

#[frame_support::runtime]
mod runtime {
	#[runtime::runtime]
	#[runtime::derive(RuntimeCall, RuntimeEvent, RuntimeError, RuntimeOrigin, RuntimeTask)]
	pub struct Test;

	#[runtime::pallet_index(0)]
	pub type System = frame_system::Pallet<Test>;
	#[runtime::pallet_index(50)]
	pub type Agenda = pallet_agenda::Pallet<Test>;
}

#[derive_impl(frame_system::config_preludes::TestDefaultConfig)]
impl frame_system::Config for Test {
	type Block = Block;
}

thread_local! {
	pub static DUE: RefCell<BTreeMap<AgendaItem, BlockNumber>> = const { RefCell::new(BTreeMap::new()) };
	pub static VISITS: RefCell<Vec<(BlockNumber, AgendaItem)>> = const { RefCell::new(Vec::new()) };
	pub static FAILING: RefCell<Vec<AgendaItem>> = const { RefCell::new(Vec::new()) };
	pub static VISIT_WEIGHT: RefCell<Weight> = const { RefCell::new(Weight::from_parts(1_000, 0)) };
}

pub struct Diary;
impl AgendaHandler for Diary {
	fn due(item: AgendaItem) -> Option<BlockNumber> {
		DUE.with_borrow(|d| d.get(&item).copied())
	}
	fn visit(item: AgendaItem) -> DispatchResult {
		VISITS.with_borrow_mut(|v| v.push((Agenda::now(), item)));
		if FAILING.with_borrow(|f| f.contains(&item)) {
			return Err(DispatchError::Unavailable);
		}
		DUE.with_borrow_mut(|d| d.remove(&item));
		Ok(())
	}
	fn postpone(item: AgendaItem, due: BlockNumber) {
		DUE.with_borrow_mut(|d| d.insert(item, due));
	}
	fn weight(_item: AgendaItem) -> Weight {
		Self::dearest()
	}
	fn dearest() -> Weight {
		VISIT_WEIGHT.with_borrow(|w| *w)
	}
}

parameter_types! {
	pub const Quarter: Perbill = Perbill::from_percent(25);
}

pub struct Cheap;
impl pallet_agenda::WeightInfo for Cheap {
	fn turn_page() -> Weight {
		Weight::from_parts(100, 0)
	}
	fn look() -> Weight {
		Weight::from_parts(10, 0)
	}
	fn retry() -> Weight {
		Weight::from_parts(100, 0)
	}
}

impl pallet_agenda::Config for Test {
	type Handler = Diary;
	type BlockShare = Quarter;
	type WeightInfo = Cheap;
}

/// Puts an item down as its pallet would.
pub fn put(item: AgendaItem, at: BlockNumber) {
	let due = Agenda::schedule(item, at);
	DUE.with_borrow_mut(|d| d.insert(item, due));
}

pub fn visits() -> Vec<(BlockNumber, AgendaItem)> {
	VISITS.with_borrow(|v| v.clone())
}

pub fn run(test: impl FnOnce()) {
	let storage = frame_system::GenesisConfig::<Test>::default()
		.build_storage()
		.unwrap();
	sp_io::TestExternalities::new(storage).execute_with(|| {
		System::set_block_number(1);
		test();
		Agenda::do_try_state().unwrap();
	});
}
