//! The figures in the documents are those of the runtime.

use crate::harness::*;
use frame_support::assert_noop;
use leasehold_primitives::{CloseReason, Fault, LeaseId, Outcome, OutcomeObserver};
use leasehold_runtime::{
	configs::ProtocolFees, AccountId, Balances, Market, Reputation, Runtime, LEASE,
};
use pallet_market::{Error, Event, Leases, Order, OrderV1, Orders, Suspension};

fn grouped(number: u128) -> String {
	let digits = number.to_string();
	let mut text = String::new();
	for (place, digit) in digits.chars().enumerate() {
		if place > 0 && (digits.len() - place).is_multiple_of(3) {
			text.push(',');
		}
		text.push(digit);
	}
	text
}

/// The lines of a document that begin with `start`.
fn lines(document: &str, start: &str) -> Vec<String> {
	let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
		.join("../docs")
		.join(document);
	let text = std::fs::read_to_string(path).unwrap();
	text.lines()
		.filter(|line| line.starts_with(start))
		.map(str::to_owned)
		.collect()
}

pub fn says(document: &str, start: &str, figures: &[u128]) {
	let found = lines(document, start);
	assert_eq!(found.len(), 1, "one line of {document} begins with {start}");
	for figure in figures {
		let cell = format!("| {} |", grouped(*figure));
		assert!(found[0].contains(&cell), "{} should say {cell}", found[0]);
	}
}

fn served(blocks: u32, rate: u128) -> [u128; 2] {
	let paid = u128::from(blocks) * rate;
	[paid, paid / 50]
}

#[test]
fn the_example_of_money_runs() {
	run_at_default_terms(|| {
		let (rate, deposit) = (1_000_000, 4_880_000_000);
		let of = |manifest, deposit| OrderV1 {
			max_rate: rate,
			max_duration: 1_000_000,
			deposit,
			..order(manifest)
		};
		register(0);
		let least = 3_180_000_000;
		let order = |deposit| Order::V1(of(1, deposit));
		assert_noop!(
			Market::place_order(signed("tenant"), order(least - 1)),
			Error::<Runtime>::DepositTooLow
		);
		says("money.md", "| least deposit", &[least]);
		let poor = lease_from(of(2, least), rate);
		let fees = free_of(&ProtocolFees::account());
		to_block(now() + 95);
		assert_noop!(
			plain(Market::report_missing_manifest(signed("operator0"), poor)),
			Error::<Runtime>::TooEarly
		);
		to_block(now() + 5);
		Market::report_missing_manifest(signed("operator0"), poor).unwrap();
		let wait = free_of(&ProtocolFees::account()) - fees;
		says("money.md", "| a start in vain after 100 blocks", &[wait]);
		let id = lease_from(of(1, deposit), rate);
		says("money.md", "| storage rate", &[stream(id).storage_rate]);
		says("money.md", "| reserve", &[stream(id).reserve]);
		says("money.md", "| bond slice", &[lease(id).slice]);
		Market::start_lease(signed("operator0"), id).unwrap();
		let begin = now();
		let dry_at = begin + 2_000;
		let low = Event::FundsLow { lease: id, dry_at };
		to_block_on_duty(begin + 799, 0);
		assert!(!market_events().contains(&low));
		to_block_on_duty(begin + 800, 0);
		assert!(market_events().contains(&low));
		says("money.md", "| 800 blocks served", &totals(id));
		assert_eq!(totals(id), served(800, rate));
		to_block_on_duty(dry_at, 0);
		let why = Suspension::Dry;
		assert!(market_events().contains(&Event::LeaseSuspended { lease: id, why }));
		says("money.md", "| 2,000 blocks served", &totals(id));
		assert_eq!(totals(id), served(2_000, rate));
		to_block_on_duty(dry_at + 28_799, 0);
		assert!(Leases::<Runtime>::contains_key(id));
		to_block_on_duty(dry_at + 28_800, 0);
		let record = closed(id);
		assert_eq!(record.reason, CloseReason::OutOfFunds);
		let paid = [record.paid, record.fees];
		assert_eq!(paid, [deposit, deposit / 50]);
		says("money.md", "| 28,800 blocks later", &paid);
	});
}

fn free_of(who: &AccountId) -> u128 {
	Balances::free_balance(who)
}

/// Paid on a stream so far, and the fee on it.
fn totals(id: LeaseId) -> [u128; 2] {
	settle(id);
	[stream(id).paid, stream(id).fees]
}

#[test]
fn the_example_of_the_market_runs() {
	run_at_default_terms(|| {
		(0..3).for_each(|n| {
			register(n);
		});
		leap(pallet_reputation::TermsV2::default().half_life + 1);
		for (provider, paid) in [(1, 20 * LEASE), (2, 5 * LEASE)] {
			Reputation::observe(Outcome {
				provider,
				tenant: account("friend"),
				fault: Fault::Nobody,
				paid,
				at_stake: paid,
			});
		}
		let id = place(OrderV1 {
			max_rate: 1_500_000,
			deposit: 4_880_000_000,
			..order(1)
		});
		let bids = [
			("| A, a newcomer", 1_000_000),
			("| B", 1_005_000),
			("| C", 1_004_000),
		];
		for (n, (_, rate)) in (0..).zip(bids) {
			bid(n, id, rate).unwrap();
		}
		let order = Orders::<Runtime>::get(id).unwrap();
		for (provider, (start, rate)) in (0..).zip(bids) {
			let bid = order.bids.iter().find(|bid| bid.provider == provider);
			let bid = bid.unwrap();
			says("market.md", start, &[rate, bid.rank(order.rank_weight)]);
			let score = format!("| 0.{:09} |", bid.score.deconstruct());
			assert!(lines("market.md", start)[0].contains(&score), "{score}");
		}
		to_block(now() + 5);
		let second = market_events().into_iter().find_map(|event| match event {
			Event::OrderMatched { runner_up, .. } => runner_up,
			_ => None,
		});
		assert_eq!(second.unwrap().provider, 2);
		assert_eq!((lease(0).provider, stream(0).rate), (1, 1_005_000));
	});
}
