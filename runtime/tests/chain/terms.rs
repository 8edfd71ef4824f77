//! Terms: what root sets, what is refused, and that the document names them all.

use crate::harness::*;
use frame_support::{assert_noop, assert_ok, dispatch::DispatchResult};
use leasehold_runtime::{
	configs::ProtocolFees, Balances, Escrow, Market, Providers, Reputation, Runtime, RuntimeOrigin,
};
use sp_runtime::DispatchError::BadOrigin;
use std::collections::BTreeMap;

type M = pallet_market::TermsV1;
type P = pallet_providers::TermsV1;
type S = pallet_escrow::TermsV1;
type R = pallet_reputation::TermsV2;

fn market(origin: RuntimeOrigin, terms: M) -> DispatchResult {
	Market::set_terms(origin, pallet_market::Terms::V1(terms))
}

fn providers(origin: RuntimeOrigin, terms: P) -> DispatchResult {
	Providers::set_terms(origin, pallet_providers::Terms::V1(terms))
}

fn escrow(origin: RuntimeOrigin, terms: S) -> DispatchResult {
	Escrow::set_terms(origin, pallet_escrow::Terms::V1(terms))
}

fn reputation(origin: RuntimeOrigin, terms: R) -> DispatchResult {
	Reputation::set_terms(origin, pallet_reputation::Terms::V2(terms))
}

#[test]
fn only_root_sets_terms() {
	run(|| {
		for origin in [signed("tenant"), RuntimeOrigin::none()] {
			assert_noop!(market(origin.clone(), M::default()), BadOrigin);
			assert_noop!(providers(origin.clone(), P::default()), BadOrigin);
			assert_noop!(escrow(origin.clone(), S::default()), BadOrigin);
			assert_noop!(reputation(origin.clone(), R::default()), BadOrigin);
			let destination = account("tenant");
			assert_noop!(Escrow::set_fee_destination(origin, destination), BadOrigin);
		}
		let root = RuntimeOrigin::root;
		assert_ok!(market(root(), M::default()));
		assert_ok!(providers(root(), P::default()));
		assert_ok!(escrow(root(), S::default()));
		assert_ok!(reputation(root(), R::default()));
	});
}

#[test]
fn terms_that_contradict_each_other_are_refused() {
	run(|| {
		let root = RuntimeOrigin::root;
		let wrong: [fn(&mut M); 9] = [
			|t| t.record_deposit = 0,
			|t| t.cancel_fee = t.record_deposit + 1,
			|t| t.min_bidding = t.max_bidding + 1,
			|t| t.bid_lock = t.min_bidding,
			|t| t.max_open_bids = 0,
			|t| t.selection_deadline = 0,
			|t| t.manifest_deadline = t.start_deadline,
			|t| t.low_funds = 0,
			|t| t.agenda_horizon = t.closed_retention + 1,
		];
		for edit in wrong {
			let mut terms = M::default();
			edit(&mut terms);
			let error = pallet_market::Error::<Runtime>::TermsContradict;
			assert_noop!(market(root(), terms), error);
		}
		let wrong: [fn(&mut P); 6] = [
			|t| t.min_bond = 0,
			|t| t.heartbeat_grace = t.heartbeat_period,
			|t| t.heartbeat_grace = 2 * t.heartbeat_period + 1,
			|t| t.heartbeat_period = u32::MAX,
			|t| t.max_downtime = 2 * t.heartbeat_period,
			|t| t.max_attestation = 0,
		];
		for edit in wrong {
			let mut terms = P::default();
			edit(&mut terms);
			let error = pallet_providers::Error::<Runtime>::TermsContradict;
			assert_noop!(providers(root(), terms), error);
		}
		let wrong: [fn(&mut S); 3] = [
			|t| t.fee = sp_runtime::Perbill::from_percent(51),
			|t| t.suspension_period = 0,
			|t| t.min_top_up = 0,
		];
		for edit in wrong {
			let mut terms = S::default();
			edit(&mut terms);
			let error = pallet_escrow::Error::<Runtime>::TermsContradict;
			assert_noop!(escrow(root(), terms), error);
		}
		let terms = R {
			half_life: 0,
			..R::default()
		};
		let error = pallet_reputation::Error::<Runtime>::TermsContradict;
		assert_noop!(reputation(root(), terms), error);
	});
}

#[test]
fn new_terms_leave_running_leases_alone() {
	run(|| {
		let id = active_lease(MAX_RATE);
		let before = (stream(id), lease(id));
		let dear = S {
			fee: sp_runtime::Perbill::from_percent(50),
			storage_rate: sp_runtime::Perbill::from_percent(90),
			suspension_period: 1_000,
			..escrow_terms()
		};
		assert_ok!(escrow(RuntimeOrigin::root(), dear));
		let slices = M {
			compensation_blocks: 1,
			..market_terms()
		};
		assert_ok!(market(RuntimeOrigin::root(), slices));
		assert_eq!((stream(id), lease(id)), before);
		to_block_on_duty(now() + 10, 0);
		settle(id);
		assert_eq!(
			stream(id).fees,
			10 * MAX_RATE / 50,
			"two per cent, as agreed"
		);
	});
}

#[test]
fn a_fee_destination_must_exist() {
	run(|| {
		let set = |who| Escrow::set_fee_destination(RuntimeOrigin::root(), account(who));
		let error = pallet_escrow::Error::<Runtime>::EmptyFeeDestination;
		assert_noop!(set("nobody"), error);
		assert_ok!(set("friend"));
		let id = active_lease(1_000);
		let fees = Balances::free_balance(ProtocolFees::account());
		to_block(now() + 5);
		settle(id);
		assert_eq!(free("friend"), ENDOWMENT + 100);
		assert_eq!(Balances::free_balance(ProtocolFees::account()), fees);
	});
}

#[test]
fn the_document_names_every_parameter_with_its_default() {
	let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/terms.md");
	let text = std::fs::read_to_string(path).unwrap();
	let mut documented = BTreeMap::new();
	for line in text.lines().filter(|line| line.starts_with("| `")) {
		let cells: Vec<_> = line.split('|').map(str::trim).collect();
		let [_, name, unit, default, why, _] = cells[..] else {
			panic!("{line}")
		};
		assert!(!unit.is_empty() && why.len() > 5, "{line}");
		documented.insert(name.trim_matches('`').to_owned(), default.to_owned());
	}
	let mut defaults = BTreeMap::new();
	for terms in [
		serde_json::to_value(M::default()).unwrap(),
		serde_json::to_value(P::default()).unwrap(),
		serde_json::to_value(S::default()).unwrap(),
		serde_json::to_value(R::default()).unwrap(),
	] {
		for (name, value) in terms.as_object().unwrap() {
			let mut snake = String::new();
			for c in name.chars() {
				if c.is_uppercase() {
					snake.push('_');
				}
				snake.push(c.to_ascii_lowercase());
			}
			defaults.insert(snake, value.to_string());
		}
	}
	assert_eq!(documented, defaults);
}
