//! What attacks on scores cost and yield at default terms, as `docs/reputation.md` says.
//!
//! A provider's half a year is played through with the runtime's own functions. What a score yields
//! is taken as high as it can be: the provider asks for as much more than a newcomer as ranks the
//! same, and loses no customer by it.

#![allow(clippy::as_conversions)]

use crate::{
	documents::says,
	fees::least_for_a_job,
	harness::*,
	ploys::{grown, half_life, reputed, served, wealth, won},
};
use leasehold_primitives::{math, Balance, FailureCode, Fault, Outcome, OutcomeObserver};
use leasehold_runtime::{AccountId, Market, Reputation, Runtime, System, LEASE};
use pallet_reputation::{score::ONE, Standing, TermsV2};
use proptest::prelude::*;
use sp_runtime::Perbill;

const DAY: u32 = 28_800;
const MONTH: u32 = 30 * DAY;
const LIFE: u32 = 6 * MONTH;

/// Leases with a tenant of one's own: planck paid in each, how many a month, from and up to when.
#[derive(Clone, Copy, Debug)]
struct Wash {
	paid: Balance,
	a_month: u32,
	from: u32,
	to: u32,
}

fn good(paid: Balance, terms: &TermsV2) -> u64 {
	u64::try_from(paid * Balance::from(ONE) / terms.reference_value).unwrap_or(u64::MAX)
}

/// What of `paid` comes in at this standing if a newcomer's rank is met.
fn with_premium(paid: Balance, open: u32, standing: &Standing, terms: &TermsV2) -> Balance {
	let weight = pallet_market::TermsV1::default().rank_weight;
	let newcomer = math::rank(paid, Perbill::zero(), weight);
	// Bids and leases that it has open count as much as this one.
	let at_stake = paid * Balance::from(open + 1);
	let own = math::rank(paid, standing.score_for(at_stake, terms), weight);
	paid * newcomer / own
}

/// A provider's trade: planck a month, in so many leases of equal worth.
#[derive(Clone, Copy, Debug)]
struct Trade {
	revenue: Balance,
	leases: u32,
	/// All leases of a month are open at once; else one after another.
	at_once: bool,
}

/// Planck that half a year brings in, less what washing costs.
fn profit(trade: Trade, wash: Option<Wash>, transactions: Balance) -> i128 {
	let terms = TermsV2::default();
	let fee = pallet_escrow::TermsV1::default().fee;
	let paid = trade.revenue / Balance::from(trade.leases);
	let (batch, batches) = match trade.at_once {
		true => (trade.leases, 6),
		false => (1, 6 * trade.leases),
	};
	let mut events: Vec<(u32, bool)> = (1..=batches)
		.map(|n| (n * (LIFE / batches), true))
		.collect();
	if let Some(wash) = wash {
		let step = MONTH / wash.a_month;
		let times = (1..).map(|n| wash.from + n * step);
		events.extend(times.take_while(|at| *at <= wash.to).map(|at| (at, false)));
	}
	events.sort_unstable();
	let (mut standing, mut sum) = (Standing::new(0), 0i128);
	for (at, real) in events {
		standing = standing.at(at, &terms);
		match (real, wash) {
			(false, Some(wash)) => {
				sum -= (math::fee_on(wash.paid, fee) + transactions) as i128;
				standing = standing.after_good(good(wash.paid, &terms));
			}
			_ => {
				for open in 0..batch {
					let brought = with_premium(paid, open, &standing, &terms);
					sum += (brought - math::fee_on(brought, fee)) as i128;
				}
				for _ in 0..batch {
					standing = standing.after_good(good(paid, &terms));
				}
			}
		}
	}
	sum
}

/// The most that any of many ways to wash adds to half a year's profit, planck.
fn best_wash(trade: Trade, transactions: Balance) -> i128 {
	let honest = profit(trade, None, transactions);
	let mut best = i128::MIN;
	for paid in [LEASE / 10, LEASE, 3 * LEASE, 10 * LEASE, 20 * LEASE] {
		for a_month in [1, 2, 4, 10, 30] {
			for from in [0, 20 * DAY, 29 * DAY - 1] {
				for to in [from + 2 * DAY, from + 10 * DAY, from + MONTH, LIFE] {
					let wash = Wash {
						paid,
						a_month,
						from,
						to,
					};
					// One that never comes to it costs and yields nothing.
					if from + MONTH / a_month <= to {
						best = best.max(profit(trade, Some(wash), transactions) - honest);
					}
				}
			}
		}
	}
	best
}

fn trades(at_once: bool) -> impl Iterator<Item = Trade> {
	let of = |leases| [1, 3, 10, 30, 100, 300, 1_000, 10_000, 100_000].map(|each| (leases, each));
	[1, 2, 3, 5, 10, 30]
		.into_iter()
		.flat_map(of)
		.map(move |(leases, revenue)| Trade {
			revenue: revenue * LEASE,
			leases,
			at_once,
		})
}

#[test]
fn washing_never_pays() {
	let transactions = externalities().execute_with(least_for_a_job);
	let most = pallet_market::TermsV1::default().max_open_bids;
	let many = [10, 1_000, 100_000].map(|revenue| Trade {
		revenue: revenue * LEASE,
		leases: most,
		at_once: true,
	});
	for trade in trades(false).chain(trades(true)).chain(many) {
		let best = best_wash(trade, transactions);
		assert!(best < 0, "{trade:?}: washing adds {best} planck");
	}
}

#[test]
fn the_scores_of_the_document_are_right() {
	let terms = TermsV2::default();
	let parts = |standing: u64| {
		let later = Standing {
			value: standing,
			at: terms.half_life,
			..Default::default()
		};
		Balance::from(later.score(&terms).deconstruct())
	};
	for (start, standing) in [
		("| nothing yet", 0),
		("| 1 LEASE", ONE),
		("| 5 LEASE", 5 * ONE),
		("| 20 LEASE", 20 * ONE),
	] {
		says("reputation.md", start, &[parts(standing)]);
	}
}

/// The standing of provider 0 is what the document says, but for what a few blocks took off.
fn stands_at(figure: u128) {
	let standing = u128::from(Reputation::provider_standing(0).value);
	let off = standing.abs_diff(figure);
	assert!(off * 1_000 < figure, "{standing}, not {figure}");
}

/// Provider 0 serves a friend, as far as the chain can see; what that cost both, planck.
fn wash(rate: Balance, blocks: u32) -> Balance {
	let both = ["friend", "owner0"];
	let before = wealth(&both);
	served("friend", rate, blocks);
	before - wealth(&both)
}

#[test]
fn the_attacks_of_the_document_run() {
	let row = |start: &str, figures: &[u128]| {
		says("reputation.md", start, figures);
		if let Some(standing) = figures.last() {
			stands_at(*standing);
		}
	};
	run_at_default_terms(|| {
		grown();
		let bond = pallet_providers::TermsV1::default().min_bond;
		says("reputation.md", "| a fresh identity", &[bond, 0]);
		assert_eq!(Reputation::provider_standing(0).value, 0);
	});
	run_at_default_terms(|| {
		reputed();
		let both = ["owner0", "operator0"];
		let before = wealth(&both);
		let id = won("owner0", LEASE / 100, 10);
		Market::start_lease(signed("operator0"), id).unwrap();
		to_block(now() + 10);
		Market::complete_lease(signed("operator0"), id, 0, [0; 32]).unwrap();
		let cost = before - wealth(&both);
		row(
			"| a lease of 0.1 LEASE with oneself",
			&[cost, 20_000_000_000],
		);
	});
	run_at_default_terms(|| {
		grown();
		let cost = wash(2 * LEASE, 500);
		row("| one huge lease of 1,000 LEASE", &[cost, 20_000_000_000]);
	});
	run_at_default_terms(|| {
		grown();
		let cost = (0..100).map(|_| wash(LEASE / 1_000, 1)).sum();
		row(
			"| a hundred dust leases of 0.001 LEASE",
			&[cost, 100_000_000],
		);
	});
	run_at_default_terms(|| {
		grown();
		let cost = wash(LEASE, 20);
		row("| a month's wait", &[cost, 20_000_000_000]);
	});
	run_at_default_terms(|| {
		reputed();
		let before = wealth(&["owner0", "operator0"]);
		let id = won("tenant", LEASE / 100, 10);
		Market::fail_lease(signed("operator0"), id, FailureCode::Internal).unwrap();
		let cost = before - wealth(&["owner0", "operator0"]);
		row(
			"| bidding low, and failing before the start",
			&[cost, 20_000_000_000],
		);
		pass(half_life());
		row("| a month of idleness", &[10_000_000_000]);
	});
	run_at_default_terms(|| {
		reputed();
		let (before, owner) = (wealth(&["tenant"]), free("owner0"));
		let id = won("tenant", LEASE / 100, 10);
		to_block(now() + 100);
		Market::report_missing_manifest(signed("operator0"), id).unwrap();
		let cost = before - wealth(&["tenant"]);
		assert_eq!(free("owner0"), owner, "nobody earns by it");
		row("| an order without a manifest", &[cost, 19_166_666_680]);
		// The same, whoever says it.
		row("| saying that no manifest came", &[0, 19_166_666_680]);
	});
	run_at_default_terms(|| {
		reputed();
		let before = held("owner0");
		let id = won("tenant", LEASE / 400, 10);
		Market::start_lease(signed("operator0"), id).unwrap();
		Market::abandon_lease(signed("operator0"), id).unwrap();
		row(
			"| abandoning a lease with a slice of 3 LEASE",
			&[before - held("owner0"), 12_500_000_000],
		);
	});
}

/// A step of a provider's life: blocks that pass, and an outcome.
fn steps() -> impl Strategy<Value = Vec<(u32, Fault, Balance)>> {
	let fault = prop_oneof![
		3 => Just(Fault::Nobody),
		1 => Just(Fault::Mishap),
		1 => Just(Fault::Tenant),
		1 => Just(Fault::Provider),
		1 => Just(Fault::Undecided),
	];
	prop::collection::vec((0..MONTH, fault, 0..100 * LEASE), 0..12)
}

/// Plays a life through, each step of it with the parties that its number has.
fn live(steps: &[(u32, Fault, Balance)], mut now: u32, parties: impl Fn(u8) -> (u32, AccountId)) {
	for (n, (wait, fault, value)) in (0..).zip(steps) {
		now += wait;
		System::set_block_number(now);
		let (provider, tenant) = parties(n);
		Reputation::observe(Outcome {
			provider,
			tenant,
			fault: *fault,
			paid: *value,
			at_stake: *value,
		});
	}
}

/// A provider's customers, from one on.
fn with_tenants(provider: u32, first: u8) -> impl Fn(u8) -> (u32, AccountId) {
	move |n| (provider, AccountId::new([first + n; 32]))
}

/// The providers of a tenant, from one on.
fn with_providers(tenant: &AccountId, first: u32) -> impl Fn(u8) -> (u32, AccountId) + '_ {
	move |n| (first + u32::from(n), tenant.clone())
}

proptest! {
	#![proptest_config(ProptestConfig::with_cases(64))]

	/// Whatever one has done, and whatever one will do: an identity that one has is never worth
	/// less than a new one.
	#[test]
	fn registering_anew_never_pays(past in steps(), future in steps()) {
		externalities().execute_with(|| -> Result<(), TestCaseError> {
			live(&past, 1, with_tenants(0, 0));
			let now = System::block_number();
			// Provider 1 has registered just now.
			let fresh = Standing::new(now);
			pallet_reputation::ProviderScores::<Runtime>::insert(1, fresh);
			if !past.is_empty() {
				live(&future, now, with_tenants(0, 100));
				let old = Reputation::provider_standing(0);
				live(&future, now, with_tenants(1, 100));
				let new = Reputation::provider_standing(1);
				let terms = TermsV2::default();
				prop_assert!(old.value >= new.value && old.room >= new.room);
				prop_assert!(old.score(&terms) >= new.score(&terms));
			}
			Ok(())
		})?;
	}

	/// The same of a tenant's account.
	#[test]
	fn another_account_never_pays(past in steps(), future in steps()) {
		externalities().execute_with(|| -> Result<(), TestCaseError> {
			let (old, new) = ([1; 32].into(), [2; 32].into());
			live(&past, 1, with_providers(&old, 0));
			let now = System::block_number();
			if !past.is_empty() {
				live(&future, now, with_providers(&old, 100));
				let old = Reputation::tenant_standing(old);
				live(&future, now, with_providers(&new, 100));
				let new = Reputation::tenant_standing(new);
				let terms = TermsV2::default();
				prop_assert!(old.value >= new.value && old.room >= new.room);
				prop_assert!(old.score(&terms) >= new.score(&terms));
			}
			Ok(())
		})?;
	}
}
