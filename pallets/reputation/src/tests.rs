//! Outcomes move scores.

use crate::{
	mock::*, score::ONE, sweep::LOOKED_AT, Event, PairFaults, Pairs, ProviderScores, Standing,
	Sweeping, TenantScores, TermsV2,
};
use leasehold_primitives::{Fault, Outcome, OutcomeObserver, Scores};

const TENANT: u64 = 7;
const LEASE: u128 = 1_000_000_000_000;

fn ended(fault: Fault, value: u128) {
	Reputation::observe(Outcome {
		provider: 0,
		tenant: TENANT,
		fault,
		paid: value,
		at_stake: value,
	});
}

fn scores() -> (u32, u32) {
	(
		<Reputation as Scores<u64>>::provider(0).deconstruct(),
		<Reputation as Scores<u64>>::tenant(&TENANT).deconstruct(),
	)
}

fn half_lives(n: u64) {
	System::set_block_number(u64::from(TermsV2::default().half_life) * n);
}

/// Both parties have served with each other for long.
fn known() {
	let standing = Standing {
		value: 5 * ONE,
		..Default::default()
	};
	ProviderScores::<Test>::insert(0, standing);
	TenantScores::<Test>::insert(TENANT, standing);
	half_lives(1);
}

#[test]
fn each_fault_moves_the_right_party() {
	let moved = |fault| {
		let mut signs = (0, 0);
		run(|| {
			known();
			let before = scores();
			ended(fault, 1_000 * LEASE);
			let after = scores();
			signs = (
				(after.0 > before.0) as i8 - (after.0 < before.0) as i8,
				(after.1 > before.1) as i8 - (after.1 < before.1) as i8,
			);
		});
		signs
	};
	assert_eq!(moved(Fault::Nobody), (1, 1));
	assert_eq!(moved(Fault::Mishap), (-1, 0));
	assert_eq!(moved(Fault::Tenant), (1, -1));
	assert_eq!(moved(Fault::Provider), (-1, 1));
	assert_eq!(moved(Fault::Undecided), (-1, -1));
}

#[test]
fn what_was_paid_counts_as_far_as_there_is_room() {
	run(|| {
		half_lives(1);
		ended(Fault::Nobody, 3 * LEASE / 2);
		assert_eq!(Reputation::provider_standing(0).value, 3 * ONE / 2);
		ended(Fault::Nobody, u128::MAX);
		// All that a half-life allows.
		let standing = Reputation::provider_standing(0);
		assert_eq!((standing.value, standing.room), (20 * ONE, 0));
		ended(Fault::Nobody, u128::MAX);
		assert_eq!(Reputation::provider_standing(0).value, 20 * ONE);
	});
}

#[test]
fn the_first_half_life_has_no_score() {
	run(|| {
		System::set_block_number(u64::from(TermsV2::default().half_life) - 1);
		ended(Fault::Nobody, 1_000 * LEASE);
		assert!(Reputation::provider_standing(0).value > 0);
		assert_eq!(scores(), (0, 0));
		half_lives(1);
		// The provider's began with its registration, the tenant's with its first lease.
		assert!(scores().0 > 0);
		assert_eq!(scores().1, 0);
	});
}

#[test]
fn faults_between_two_weigh_up_to_a_cap() {
	run(|| {
		known();
		for _ in 0..10 {
			ended(Fault::Provider, 1_000_000_000 * LEASE);
		}
		let pair = Pairs::<Test>::get(0, TENANT);
		assert_eq!(pair.weight, 2 * ONE);
		// Two full faults: a quarter of the 2.5 that were left after a half-life.
		let left = Reputation::provider_standing(0).value;
		assert!((620_000_000..=625_000_001).contains(&left), "{left}");
	});
}

#[test]
fn dust_weighs_next_to_nothing() {
	run(|| {
		half_lives(1);
		for _ in 0..100 {
			ended(Fault::Nobody, 1_000_000);
		}
		assert!(Reputation::provider_standing(0).value < ONE / 1_000);
		assert!(scores().0 < 100_000);
	});
}

#[test]
fn dealings_with_oneself_count_nothing() {
	run(|| {
		Reputation::observe(Outcome {
			provider: 0,
			tenant: 1,
			fault: Fault::Nobody,
			paid: u128::MAX,
			at_stake: u128::MAX,
		});
		assert_eq!(ProviderScores::<Test>::iter().count(), 0);
		assert_eq!(TenantScores::<Test>::iter().count(), 0);
	});
}

#[test]
fn a_score_drifts_back_to_the_newcomers() {
	run(|| {
		half_lives(1);
		ended(Fault::Nobody, u128::MAX);
		let high = scores().0;
		System::assert_has_event(
			Event::ProviderScored {
				provider: 0,
				standing: Reputation::provider_standing(0),
				score: sp_runtime::Perbill::from_parts(high),
			}
			.into(),
		);
		assert!(high > 800_000_000);
		half_lives(2);
		assert!(scores().0 < high);
		half_lives(40);
		assert_eq!(scores().0, 0);
	});
}

/// Visits the sweep whenever it is due, so many times; the blocks in which it was.
fn sweep(times: usize) -> Vec<u32> {
	let mut met = Vec::new();
	for _ in 0..times {
		let Some(due) = Reputation::due() else { break };
		System::set_block_number(due.into());
		met.push(due);
		Reputation::visit();
	}
	met
}

fn rich() -> Standing {
	Standing {
		value: 5 * ONE,
		at: System::block_number() as u32,
		..Default::default()
	}
}

fn forgotten() -> usize {
	let events = System::events().into_iter();
	let ours = events.filter(|record| {
		matches!(
			record.event,
			RuntimeEvent::Reputation(
				Event::ProviderForgotten { .. }
					| Event::TenantForgotten { .. }
					| Event::FaultsForgotten { .. }
			)
		)
	});
	ours.count()
}

#[test]
fn spent_records_of_all_three_sorts_are_swept_and_others_stay() {
	run(|| {
		half_lives(10);
		ProviderScores::<Test>::insert(1, Standing::default());
		ProviderScores::<Test>::insert(2, rich());
		TenantScores::<Test>::insert(TENANT, Standing::default());
		TenantScores::<Test>::insert(8, rich());
		Pairs::<Test>::insert(1, TENANT, PairFaults::default());
		let weight = u64::from(u32::MAX);
		let at = System::block_number() as u32;
		Pairs::<Test>::insert(2, 8, PairFaults { weight, at });
		Reputation::begin_sweeping();
		sweep(6);
		assert_eq!(forgotten(), 3);
		assert!(
			!ProviderScores::<Test>::contains_key(1) && ProviderScores::<Test>::contains_key(2)
		);
		assert!(
			!TenantScores::<Test>::contains_key(TENANT) && TenantScores::<Test>::contains_key(8)
		);
		assert!(!Pairs::<Test>::contains_key(1, TENANT) && Pairs::<Test>::contains_key(2, 8));
		// It goes on for as long as there are any, and no longer.
		assert!(Reputation::due().is_some());
		ProviderScores::<Test>::remove(2);
		TenantScores::<Test>::remove(8);
		Pairs::<Test>::remove(2, 8);
		assert!(sweep(10).len() <= 3);
		assert_eq!(Reputation::due(), None);
		Reputation::begin_sweeping();
		assert!(Reputation::due().is_some());
	});
}

#[test]
fn a_sweep_looks_at_a_few_each_time_and_faster_while_it_finds_some() {
	run(|| {
		half_lives(10);
		let many = 3 * LOOKED_AT as u32;
		for id in 0..many {
			ProviderScores::<Test>::insert(id, Standing::default());
		}
		Reputation::begin_sweeping();
		let met = sweep(3);
		assert_eq!(ProviderScores::<Test>::iter().count(), 0);
		assert_eq!(forgotten(), many as usize);
		assert!(met.windows(2).all(|two| two[1] == two[0] + 1), "{met:?}");
		// With nothing to remove it takes its time.
		for id in 0..many {
			ProviderScores::<Test>::insert(id, rich());
		}
		let met = sweep(5);
		assert!(
			met.windows(2).skip(1).all(|two| two[1] == two[0] + 100),
			"{met:?}"
		);
		assert_eq!(ProviderScores::<Test>::iter().count(), many as usize);
	});
}

#[test]
fn a_record_that_is_removed_under_the_sweep_does_not_stop_it() {
	run(|| {
		half_lives(10);
		for id in 0..2 * LOOKED_AT as u32 {
			ProviderScores::<Test>::insert(id, rich());
		}
		Reputation::begin_sweeping();
		sweep(1);
		let from = Sweeping::<Test>::get().unwrap().key.unwrap();
		let last = ProviderScores::<Test>::iter_keys()
			.find(|id| ProviderScores::<Test>::hashed_key_for(id) == from.to_vec());
		ProviderScores::<Test>::remove(last.unwrap());
		let rest: Vec<u32> = ProviderScores::<Test>::iter_from(from.to_vec())
			.map(|(id, _)| id)
			.collect();
		assert_eq!(rest.len(), LOOKED_AT);
		for id in &rest {
			ProviderScores::<Test>::insert(id, Standing::default());
		}
		sweep(1);
		assert!(rest
			.iter()
			.all(|id| !ProviderScores::<Test>::contains_key(id)));
	});
}
