//! The figures in the documents are those of the runtime.

use leasehold_primitives::{math, Score};
use sp_runtime::Perbill;

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

#[test]
fn the_example_of_money_is_right() {
	let escrow = pallet_escrow::TermsV1::default();
	let market = pallet_market::TermsV1::default();
	let rate = 1_000_000;
	let storage = math::storage_rate(rate, escrow.storage_rate);
	let reserve = storage * u128::from(escrow.suspension_period);
	let least = math::minimal_deposit(
		rate,
		escrow.min_funded_blocks,
		market.start_deadline,
		reserve,
	);
	says("money.md", "| storage rate", &[storage]);
	says("money.md", "| reserve", &[reserve]);
	says("money.md", "| least deposit", &[least.unwrap()]);
	let slice = math::bond_slice(rate, market.compensation_blocks, market.max_slice);
	says("money.md", "| bond slice", &[slice]);
	let wait = math::waiting_cost(rate, market.start_rate, market.manifest_deadline);
	says("money.md", "| a start in vain after 100 blocks", &[wait]);
	let deposit: u128 = 4_880_000_000;
	let blocks = math::funded_blocks(rate, deposit - reserve);
	assert_eq!(blocks, 2_000);
	let low = u128::from(blocks - market.low_funds) * rate;
	for (start, paid) in [
		("| 800 blocks served", low),
		("| 2,000 blocks served", u128::from(blocks) * rate),
		("| 28,800 blocks later", deposit),
	] {
		says("money.md", start, &[paid, math::fee_on(paid, escrow.fee)]);
	}
}

#[test]
fn the_example_of_the_market_is_right() {
	let weight = pallet_market::TermsV1::default().rank_weight;
	let newcomer = pallet_reputation::score::lower_bound(0);
	assert_eq!(newcomer, Score::zero());
	for (start, rate, score) in [
		("| A, a newcomer", 1_000_000, newcomer),
		("| B", 1_080_000, Perbill::from_percent(90)),
		("| C", 1_075_000, Perbill::from_percent(80)),
	] {
		let figures = [rate, math::rank(rate, score, weight)];
		says("market.md", start, &figures);
		let score = format!("| 0.{:09} |", score.deconstruct());
		assert!(lines("market.md", start)[0].contains(&score));
	}
}
