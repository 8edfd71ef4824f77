//! Outcomes reach the standings of both parties.

use crate::harness::*;
use leasehold_runtime::{Market, Reputation, LEASE};

fn provider() -> u64 {
	Reputation::provider_standing(0).value
}

fn tenant() -> u64 {
	Reputation::tenant_standing(account("tenant")).value
}

/// Both have been here for a half-life, and have a standing.
fn known() {
	register(0);
	let standing = pallet_reputation::Standing {
		value: 4_000_000_000,
		..Default::default()
	};
	pallet_reputation::ProviderScores::<leasehold_runtime::Runtime>::insert(0, standing);
	pallet_reputation::TenantScores::<leasehold_runtime::Runtime>::insert(
		account("tenant"),
		standing,
	);
	leap(pallet_reputation::TermsV2::default().half_life);
}

fn dear(deposit: u128) -> u64 {
	let mut dear = order(1);
	dear.max_rate = LEASE;
	dear.deposit = deposit * dear.max_rate;
	let lease = lease_from(dear, LEASE);
	Market::start_lease(signed("operator0"), lease).unwrap();
	lease
}

#[test]
fn a_completed_job_raises_both_standings() {
	run(|| {
		known();
		let lease = dear(100);
		let before = (provider(), tenant());
		to_block(now() + 10);
		Market::complete_lease(signed("operator0"), lease, 0, [0; 32]).unwrap();
		assert!(provider() > before.0 && tenant() > before.1);
	});
}

#[test]
fn running_dry_lowers_the_tenants_standing_only() {
	run(|| {
		known();
		let lease = dear(32);
		let before = (provider(), tenant());
		to_block_on_duty(now() + 60, 0);
		assert_eq!(
			closed(lease).reason,
			leasehold_primitives::CloseReason::OutOfFunds
		);
		assert!(provider() > before.0 && tenant() < before.1);
	});
}
