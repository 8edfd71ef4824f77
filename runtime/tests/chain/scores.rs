//! Outcomes reach the scores of both parties.

use crate::harness::*;
use leasehold_primitives::Scores;
use leasehold_runtime::{AccountId, Market, Reputation};

fn provider() -> u32 {
	<Reputation as Scores<AccountId>>::provider(0).deconstruct()
}

fn tenant() -> u32 {
	<Reputation as Scores<AccountId>>::tenant(&account("tenant")).deconstruct()
}

#[test]
fn a_completed_job_raises_both_scores() {
	run(|| {
		let mut dear = order(1);
		dear.max_rate = leasehold_runtime::LEASE;
		dear.deposit = 100 * dear.max_rate;
		register(0);
		let before = (provider(), tenant());
		let lease = lease_from(dear, leasehold_runtime::LEASE);
		Market::start_lease(signed("operator0"), lease).unwrap();
		to_block(now() + 10);
		Market::complete_lease(signed("operator0"), lease, 0, [0; 32]).unwrap();
		assert!(provider() > before.0 && tenant() > before.1);
	});
}

#[test]
fn running_dry_lowers_the_tenants_score_only() {
	run(|| {
		let mut dear = order(1);
		dear.max_rate = leasehold_runtime::LEASE;
		dear.deposit = 32 * dear.max_rate;
		register(0);
		let before = (provider(), tenant());
		let lease = lease_from(dear, leasehold_runtime::LEASE);
		Market::start_lease(signed("operator0"), lease).unwrap();
		to_block_on_duty(now() + 60, 0);
		assert_eq!(
			closed(lease).reason,
			leasehold_primitives::CloseReason::OutOfFunds
		);
		assert!(provider() > before.0 && tenant() < before.1);
	});
}
