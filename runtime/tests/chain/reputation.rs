//! What attacks on scores cost and yield at default terms, as `docs/reputation.md` says.
//!
//! A provider's half a year is played through with the runtime's own functions. What a score yields
//! is taken as high as it can be: the provider asks for as much more than a newcomer as ranks the
//! same, and loses no customer by it.

#![allow(clippy::as_conversions)]

use crate::{documents::says, fees::least_for_a_job, harness::externalities};
use leasehold_primitives::{math, Balance, Fault, Outcome, OutcomeObserver};
use leasehold_runtime::{AccountId, Reputation, Runtime, System, LEASE};
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
fn with_premium(paid: Balance, standing: &Standing, terms: &TermsV2) -> Balance {
	let weight = pallet_market::TermsV1::default().rank_weight;
	let newcomer = math::rank(paid, Perbill::zero(), weight);
	let own = math::rank(paid, standing.score(terms), weight);
	paid * newcomer / own
}

/// Planck that half a year brings in, less what washing costs.
fn profit(revenue: Balance, leases: u32, wash: Option<Wash>, transactions: Balance) -> i128 {
	let terms = TermsV2::default();
	let fee = pallet_escrow::TermsV1::default().fee;
	let paid = revenue / Balance::from(leases);
	let mut events: Vec<(u32, bool)> = (1..=6 * leases)
		.map(|n| (n * (MONTH / leases), true))
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
		let value = match (real, wash) {
			(false, Some(wash)) => {
				sum -= (math::fee_on(wash.paid, fee) + transactions) as i128;
				wash.paid
			}
			_ => {
				let brought = with_premium(paid, &standing, &terms);
				sum += (brought - math::fee_on(brought, fee)) as i128;
				paid
			}
		};
		standing = standing.after_good(good(value, &terms));
	}
	sum
}

/// The most that any of many ways to wash adds to half a year's profit, planck.
fn best_wash(revenue: Balance, leases: u32, transactions: Balance) -> i128 {
	let honest = profit(revenue, leases, None, transactions);
	let mut best = i128::MIN;
	for paid in [LEASE / 10, LEASE, 3 * LEASE, 10 * LEASE, 20 * LEASE] {
		for a_month in [4, 10, 30] {
			for from in [0, 20 * DAY, 29 * DAY] {
				for to in [from + 10 * DAY, from + MONTH, LIFE] {
					let wash = Wash {
						paid,
						a_month,
						from,
						to,
					};
					let gained = profit(revenue, leases, Some(wash), transactions) - honest;
					best = best.max(gained);
				}
			}
		}
	}
	best
}

#[test]
fn washing_adds_next_to_nothing() {
	let transactions = externalities().execute_with(least_for_a_job);
	for leases in [10, 30] {
		for revenue in [1, 3, 10, 30, 100, 300, 1_000, 10_000, 100_000] {
			let best = best_wash(revenue * LEASE, leases, transactions);
			let half_a_year = (6 * revenue * LEASE) as i128;
			assert!(
				best * 1_000 <= half_a_year,
				"{revenue} LEASE and {leases} leases a month: washing adds {best} planck"
			);
		}
	}
}

#[test]
fn the_figures_of_the_document_are_right() {
	let terms = TermsV2::default();
	let fee = pallet_escrow::TermsV1::default().fee;
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
	let after = |standing: Standing, value: Balance, share: u32| {
		let weight = Perbill::from_rational(value, value + terms.reference_value) / share;
		standing.after_fault(weight).value
	};
	let full = Standing {
		value: 20 * ONE,
		..Default::default()
	};
	// A huge wash lease; dust; a fault of a provider, and one that is undecided, over 3 LEASE.
	let ready = Standing::new(0).at(terms.half_life, &terms);
	let huge = ready.after_good(good(1_000 * LEASE, &terms)).value;
	let huge_fee = math::fee_on(1_000 * LEASE, fee);
	says(
		"reputation.md",
		"| one huge lease",
		&[huge_fee, huge.into()],
	);
	let dust = ready.after_good(100 * good(LEASE / 1_000, &terms)).value;
	says("reputation.md", "| a hundred dust leases", &[dust.into()]);
	let fault = after(full, 3 * LEASE, 1);
	says(
		"reputation.md",
		"| abandoning a lease of 3 LEASE",
		&[fault.into()],
	);
	let market = pallet_market::TermsV1::default();
	let rate = 10_000_000_000;
	let waiting = math::waiting_cost(rate, market.start_rate, market.manifest_deadline);
	let blamed = after(full, waiting, 4);
	let gate = good(20 * LEASE, &terms);
	says(
		"reputation.md",
		"| a month's wait",
		&[math::fee_on(20 * LEASE, fee), gate.into()],
	);
	says(
		"reputation.md",
		"| an order without a manifest",
		&[waiting, blamed.into()],
	);
	says(
		"reputation.md",
		"| a month of idleness",
		&[(full.value / 2).into()],
	);
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

fn live(steps: &[(u32, Fault, Balance)], mut now: u32, provider: u32, tenants: u8) {
	for (n, (wait, fault, value)) in steps.iter().enumerate() {
		now += wait;
		System::set_block_number(now);
		Reputation::observe(Outcome {
			provider,
			tenant: AccountId::new([tenants + n as u8; 32]),
			fault: *fault,
			paid: *value,
			at_stake: *value,
		});
	}
}

proptest! {
	#![proptest_config(ProptestConfig::with_cases(64))]

	/// Whatever one has done, and whatever one will do: an identity that one has is never worth
	/// less than a new one.
	#[test]
	fn registering_anew_never_pays(past in steps(), future in steps()) {
		externalities().execute_with(|| -> Result<(), TestCaseError> {
			live(&past, 1, 0, 0);
			let now = System::block_number();
			// Provider 1 has registered just now.
			let fresh = Standing::new(now);
			pallet_reputation::ProviderScores::<Runtime>::insert(1, fresh);
			if !past.is_empty() {
				live(&future, now, 0, 100);
				let old = Reputation::provider_standing(0);
				live(&future, now, 1, 100);
				let new = Reputation::provider_standing(1);
				let terms = TermsV2::default();
				prop_assert!(old.value >= new.value && old.room >= new.room);
				prop_assert!(old.score(&terms) >= new.score(&terms));
			}
			Ok(())
		})?;
	}
}
