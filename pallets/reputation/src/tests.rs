//! Outcomes move scores.

use crate::{mock::*, Event, ProviderScores, TenantScores, TermsV1};
use leasehold_primitives::{Fault, Outcome, OutcomeObserver, Scores};

const TENANT: u64 = 7;

fn ended(fault: Fault, value: u128) {
	Reputation::observe(Outcome {
		provider: 0,
		tenant: TENANT,
		fault,
		value,
	});
}

fn scores() -> (u32, u32) {
	(
		<Reputation as Scores<u64>>::provider(0).deconstruct(),
		<Reputation as Scores<u64>>::tenant(&TENANT).deconstruct(),
	)
}

#[test]
fn each_fault_moves_the_right_party() {
	let moved = |fault| {
		let mut signs = (0, 0);
		run(|| {
			let before = scores();
			ended(fault, 1_000_000_000_000_000);
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
fn dust_weighs_next_to_nothing() {
	run(|| {
		let before = scores();
		for _ in 0..100 {
			ended(Fault::Nobody, 1_000);
		}
		assert!(scores().0 - before.0 < 1_000);
	});
}

#[test]
fn dealings_with_oneself_count_nothing() {
	run(|| {
		Reputation::observe(Outcome {
			provider: 0,
			tenant: 1,
			fault: Fault::Nobody,
			value: u128::MAX,
		});
		assert_eq!(ProviderScores::<Test>::iter().count(), 0);
		assert_eq!(TenantScores::<Test>::iter().count(), 0);
	});
}

#[test]
fn a_score_drifts_back_to_the_newcomers() {
	run(|| {
		let newcomer = scores().0;
		for _ in 0..20 {
			ended(Fault::Nobody, u128::MAX);
		}
		let high = scores().0;
		System::assert_has_event(
			Event::ProviderScored {
				provider: 0,
				score: sp_runtime::Perbill::from_parts(high),
			}
			.into(),
		);
		System::set_block_number(u64::from(TermsV1::default().half_life) * 40);
		assert!(high > newcomer);
		assert_eq!(scores().0, newcomer);
	});
}
