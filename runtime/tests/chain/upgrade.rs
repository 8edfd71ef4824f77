//! A state that an earlier version wrote goes through the upgrade, and is sound.
//!
//! `LEASEHOLD_WRITE_STATE=1 cargo test … --test chain upgrade` writes the state of the version at hand;
//! that is done once for each version that a network runs, before what it stores changes.

use crate::harness::*;
use codec::{Decode, Encode};
use frame_support::{
	migrations::{MultiStepMigrator, SteppedMigration},
	traits::GetStorageVersion,
	weights::{Weight, WeightMeter},
};
use leasehold_primitives::FailureCode;
use leasehold_runtime::{
	invariants, Balances, Escrow, Market, Migrations, Providers, Reputation, Runtime, LEASE,
	VERSION,
};
use pallet_market::WeightInfo as _;
use pallet_providers::WeightInfo as _;
use std::path::{Path, PathBuf};

type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

fn fixture(spec_version: u32) -> PathBuf {
	Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/state-{spec_version}.scale"))
}

/// Providers, orders, leases in several states, closed ones with scores on both sides.
fn history() {
	for n in 0..3 {
		register(n);
	}
	let dear = |manifest| {
		let mut order = order(manifest);
		order.max_rate = LEASE / 10;
		order.deposit = 100 * order.max_rate;
		order
	};
	let won = |manifest, n: u32| {
		let lease = pallet_market::NextLeaseId::<Runtime>::get();
		let id = place(dear(manifest));
		bid(n, id, LEASE / 10).unwrap();
		to_block(now() + 5);
		Market::start_lease(signed(&format!("operator{n}")), lease).unwrap();
		lease
	};
	let (done, failed, running, paused) = (won(1, 0), won(2, 1), won(3, 0), won(4, 1));
	to_block(now() + 8);
	Market::complete_lease(signed("operator0"), done, 0, [7; 32]).unwrap();
	Market::fail_lease(signed("operator1"), failed, FailureCode::Crashed).unwrap();
	Market::pause_lease(signed("operator1"), paused).unwrap();
	Escrow::deposit(signed("friend"), running, LEASE).unwrap();
	Providers::deregister(signed("owner2")).unwrap();
	place(dear(5));
}

#[test]
fn the_state_of_this_version_is_written_when_asked_for() {
	if std::env::var_os("LEASEHOLD_WRITE_STATE").is_none() {
		return;
	}
	run(|| {
		history();
		frame_system::LastRuntimeUpgrade::<Runtime>::put(
			frame_system::LastRuntimeUpgradeInfo::from(VERSION),
		);
		let path = fixture(VERSION.spec_version);
		std::fs::create_dir_all(path.parent().unwrap()).unwrap();
		std::fs::write(path, state().encode()).unwrap();
	});
}

fn written_by(spec_version: u32) -> sp_io::TestExternalities {
	let bytes = std::fs::read(fixture(spec_version)).unwrap();
	let pairs = Pairs::decode(&mut &bytes[..]).unwrap();
	let mut storage = sp_runtime::Storage::default();
	storage.top.extend(pairs);
	sp_io::TestExternalities::new(storage)
}

/// Runs the upgrade as a block does, and the migrations' steps as the next blocks do.
fn upgrade() {
	assert_eq!(Market::on_chain_storage_version(), 1);
	leasehold_runtime::Executive::execute_on_runtime_upgrade();
	let mut blocks = 0;
	while <Migrations as MultiStepMigrator>::ongoing() {
		frame_system::Pallet::<Runtime>::set_block_number(now() + 1);
		<Migrations as MultiStepMigrator>::step();
		blocks += 1;
		assert!(blocks < 100, "the migrations come to an end");
	}
	assert_eq!(Providers::on_chain_storage_version(), 2);
	assert_eq!(Reputation::on_chain_storage_version(), 2);
	assert_eq!(Market::on_chain_storage_version(), 2);
	invariants::check().unwrap();
}

/// What the market held is held by the escrow now, and an open order keeps the terms it was placed under.
fn holds_are_handed_over() {
	let old = [
		pallet_market::HoldReason::Order,
		pallet_market::HoldReason::Record,
	];
	for (_, holds) in pallet_balances::Holds::<Runtime>::iter() {
		let left = holds
			.iter()
			.any(|hold| old.iter().any(|reason| hold.id == (*reason).into()));
		assert!(!left, "{holds:?}");
	}
	let (_, order) = pallet_market::Orders::<Runtime>::iter().next().unwrap();
	let pallet_market::Terms::V1(terms) = pallet_market::CurrentTerms::<Runtime>::get();
	assert_eq!(order.cancel_fee, terms.cancel_fee);
	assert_eq!(order.rank_weight, terms.rank_weight);
	assert_eq!(order.record_deposit, terms.record_deposit);
}

#[test]
fn the_second_version_comes_through_the_upgrade() {
	written_by(2).execute_with(|| {
		let issuance = Balances::total_issuance();
		let before = (free("tenant"), held("tenant"));
		upgrade();
		assert_eq!(Balances::total_issuance(), issuance, "I7");
		assert_eq!((free("tenant"), held("tenant")), before);
		holds_are_handed_over();
		let order = pallet_market::NextOrderId::<Runtime>::get() - 1;
		bid(0, order, LEASE / 20).unwrap();
		to_block(now() + 5);
		let id = pallet_market::NextLeaseId::<Runtime>::get() - 1;
		Market::start_lease(signed("operator0"), id).unwrap();
		to_block(now() + 200);
		invariants::check().unwrap();
	});
}

#[test]
fn the_first_version_comes_through_the_upgrade() {
	written_by(1).execute_with(|| {
		let issuance = Balances::total_issuance();
		upgrade();
		holds_are_handed_over();
		assert_eq!(Balances::total_issuance(), issuance, "I7");
		// What was there before still is.
		assert_eq!(pallet_providers::Providers::<Runtime>::iter().count(), 3);
		assert!(provider(0).registered_at > 0);
		assert_eq!(provider(0).bond, 1_000 * LEASE);
		// 2.3 LEASE of service by the rules of version 1; the other one failed.
		let good = Reputation::provider_standing(0).value;
		assert!((1..1_000_000_000).contains(&good), "{good}");
		assert_eq!(Reputation::provider_standing(1).value, 0);
		let pallet_reputation::Terms::V2(terms) = pallet_reputation::CurrentTerms::<Runtime>::get();
		assert_eq!(terms, pallet_reputation::TermsV2::default());
		// And life goes on: the running lease is settled and closed, the paused one resumes.
		assert_eq!(closed(0).paid, 23 * LEASE / 10);
		settle(2);
		Market::close_lease(signed("tenant"), 2).unwrap();
		Market::resume_lease(signed("operator1"), 3).unwrap();
		to_block(now() + 20);
		invariants::check().unwrap();
	});
}

/// Takes a migration to its end, with so much weight a step; how many it took.
fn steps_of<M: SteppedMigration>(weight: Weight) -> u32 {
	let (mut steps, mut cursor) = (0, None);
	loop {
		steps += 1;
		cursor = M::step(cursor, &mut WeightMeter::with_limit(weight)).unwrap();
		if cursor.is_none() {
			return steps;
		}
	}
}

#[test]
fn migrations_stop_where_the_block_ends_and_go_on_in_the_next() {
	let whole = |each: u64| {
		let mut ext = written_by(1);
		ext.execute_with(|| {
			// At least what one record of each may cost, and less than two of the market's.
			let most = <Runtime as pallet_market::Config>::WeightInfo::to_v2()
				.max(<Runtime as pallet_providers::Config>::WeightInfo::register());
			let most = most * each;
			let steps = steps_of::<pallet_providers::migrations::ToV2<Runtime>>(most)
				+ steps_of::<pallet_reputation::migrations::ToV2<Runtime>>(most)
				+ steps_of::<pallet_market::migrations::ToV2<Runtime, Balances>>(most);
			invariants::check().unwrap();
			let none = &mut WeightMeter::with_limit(Weight::zero());
			let done = pallet_providers::migrations::ToV2::<Runtime>::step(None, none);
			assert!(matches!(done, Ok(None)), "a second time does nothing");
			(steps, state())
		})
	};
	let ((few, all_at_once), (many, one_by_one)) = (whole(1_000), whole(1));
	assert!(many > few);
	assert_eq!(all_at_once, one_by_one);
}
