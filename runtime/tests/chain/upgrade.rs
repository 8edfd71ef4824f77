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
use leasehold_primitives::{CloseReason, FailureCode};
use leasehold_runtime::{
	invariants, AccountId, Balances, Escrow, Market, Migrations, Providers, Reputation, Runtime,
	LEASE, VERSION,
};
use pallet_market::WeightInfo as _;
use pallet_market::{LeaseState, Leases, Order, OrderV1, Orders, Quantity, Resizes, Selection};
use pallet_providers::WeightInfo as _;
use pallet_reputation::WeightInfo as _;
use std::path::{Path, PathBuf};

type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

fn fixture(spec_version: u32) -> PathBuf {
	Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/state-{spec_version}.scale"))
}

/// Providers with an offer, a private pool and a statement; orders with bids, also for several leases and to be
/// picked from; leases in every state, closed ones with scores on both sides.
fn history() {
	for n in 0..3 {
		register(n);
	}
	let dear = |manifest| {
		let mut order = order(manifest);
		(order.resources.cpu, order.resources.unit_cpu) = (100, 100);
		(order.resources.memory, order.resources.unit_memory) = (128, 128);
		order.max_rate = LEASE / 10;
		order.deposit = 100 * order.max_rate;
		order
	};
	let won = |spec: OrderV1<AccountId>, n: u32| {
		let lease = pallet_market::NextLeaseId::<Runtime>::get();
		let id = place(spec);
		bid(n, id, LEASE / 10).unwrap();
		to_block(now() + 5);
		Market::start_lease(signed(&format!("operator{n}")), lease).unwrap();
		lease
	};
	let (done, failed, running, paused) = (
		won(dear(1), 0),
		won(dear(2), 1),
		won(dear(3), 0),
		won(dear(4), 1),
	);
	to_block(now() + 8);
	Market::complete_lease(signed("operator0"), done, 0, [7; 32]).unwrap();
	Market::fail_lease(signed("operator1"), failed, FailureCode::Crashed).unwrap();
	Market::pause_lease(signed("operator1"), paused).unwrap();
	Escrow::deposit(signed("friend"), running, LEASE).unwrap();
	offer_cpu(1_000);
	let tenants = vec![account("tenant"), account("friend")];
	Providers::set_served(signed("owner1"), Some(tenants.try_into().unwrap())).unwrap();
	let eu = attributes(&[("region", "eu")]);
	Providers::attest(signed("f1"), 0, eu, 250).unwrap();
	// Dry, and one whose provider gave notice.
	let dry = OrderV1 {
		deposit: 32 * LEASE / 10,
		..dear(6)
	};
	won(dry, 0);
	let noticed = won(
		OrderV1 {
			notice: 90,
			..dear(7)
		},
		0,
	);
	Market::reclaim_lease(signed("operator0"), noticed).unwrap();
	to_block_on_duty(now() + 26, 0);
	// A change of size that waits, and a refill.
	let mut larger = dear(3).resources;
	larger.cpu = 200;
	Market::propose_resize(signed("tenant"), running, larger).unwrap();
	let refill = pallet_escrow::Refill {
		amount: 5 * LEASE,
		budget: 20 * LEASE,
	};
	Escrow::set_refill(signed("tenant"), running, Some(refill)).unwrap();
	Providers::deregister(signed("owner2")).unwrap();
	// By the offer: it waits for its start.
	let at_once = Order::V1(by_offer(dear(8)));
	Market::lease_now(signed("tenant"), at_once).unwrap();
	let several = OrderV1 {
		quantity: Quantity {
			leases: 2,
			at_least: 1,
			spread: true,
		},
		bidding: 20,
		..dear(9)
	};
	let by_hand = OrderV1 {
		selection: Selection::Manual,
		bidding: 3,
		..dear(10)
	};
	for spec in [several, by_hand] {
		let id = place(spec);
		for n in 0..2 {
			bid(n, id, LEASE / 20).unwrap();
		}
	}
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
		// What each was in the midst of goes on.
		let (running, paused, dry, noticed, starting) = (2, 3, 4, 5, 6);
		let larger = Resizes::<Runtime>::get(running).unwrap().resources;
		Market::accept_resize(signed("operator0"), running, larger).unwrap();
		assert_eq!(lease(running).taken.cpu, 200);
		assert_eq!(stream(running).refill.unwrap().budget, 20 * LEASE);
		Market::resume_lease(signed("operator1"), paused).unwrap();
		assert!(matches!(stream(dry).phase, pallet_escrow::Phase::Stored(_)));
		Escrow::deposit(signed("tenant"), dry, 5 * LEASE).unwrap();
		assert!(matches!(lease(dry).state, LeaseState::Active { .. }));
		Market::start_lease(signed("operator0"), starting).unwrap();
		assert!(lease(noticed).reclaim_at.is_some());
		let by_hand = pallet_market::NextOrderId::<Runtime>::get() - 2;
		let picks = vec![1].try_into().unwrap();
		Market::pick(signed("tenant"), by_hand, picks).unwrap();
		assert_eq!(pallet_providers::Attestations::<Runtime>::iter().count(), 1);
		assert!(pallet_providers::Served::<Runtime>::contains_key(1));
		bid(0, by_hand + 1, LEASE / 20).unwrap();
		to_block_on_duty(now() + 20, 0);
		assert_eq!(Orders::<Runtime>::iter().count(), 0);
		let made = pallet_market::NextLeaseId::<Runtime>::get() - starting - 1;
		assert_eq!(made, 4, "one by hand, two of one order, one more");
		invariants::check().unwrap();
		to_block_on_duty(now() + 100, 0);
		assert_eq!(closed(noticed).reason, CloseReason::Reclaimed);
		// And all comes back.
		for id in Leases::<Runtime>::iter_keys().collect::<Vec<_>>() {
			Market::close_lease(signed("tenant"), id).unwrap();
		}
		to_block(now() + market_terms().closed_retention + 200);
		invariants::check().unwrap();
		let all = ["tenant", "friend", "f1", "owner2"].map(held);
		assert_eq!(all, [0; 4]);
		assert_eq!(Balances::total_issuance(), issuance, "I7");
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
				.max(<Runtime as pallet_providers::Config>::WeightInfo::to_v2())
				.max(<Runtime as pallet_reputation::Config>::WeightInfo::to_v2());
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
