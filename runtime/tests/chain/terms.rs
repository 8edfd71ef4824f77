//! Terms: what root sets, what is refused, and that the document names them all.

use crate::harness::*;
use frame_support::{assert_noop, assert_ok, dispatch::DispatchResult};
use leasehold_primitives::CloseReason;
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

/// Each relation between the terms of a pallet, broken alone.
macro_rules! refused {
	($set:ident, $terms:ty, $error:ident, [$($what:literal: $edit:expr),* $(,)?]) => {
		for (what, edit) in [$(($what, $edit as fn(&mut $terms))),*] {
			let mut terms = <$terms>::default();
			edit(&mut terms);
			assert_eq!(terms.check().map_err(|why| why.starts_with(what)), Err(true), "{what}");
			let error = $error::Error::<Runtime>::TermsContradict;
			assert_noop!($set(RuntimeOrigin::root(), terms), error);
		}
	};
}

#[test]
fn terms_that_contradict_each_other_are_refused() {
	run(|| {
		refused!(market, M, pallet_market, [
			"record_deposit must not": |t| (t.record_deposit, t.cancel_fee) = (0, 0),
			"cancel_fee": |t| t.cancel_fee = t.record_deposit + 1,
			"min_bidding must not": |t| (t.min_bidding, t.bid_lock) = (0, 0),
			"min_bidding must be at most": |t| t.min_bidding = t.max_bidding + 1,
			"bid_lock": |t| t.bid_lock = t.min_bidding,
			"max_open_bids": |t| t.max_open_bids = 0,
			"selection_deadline": |t| t.selection_deadline = 0,
			"manifest_deadline": |t| t.manifest_deadline = t.start_deadline,
			"low_funds": |t| t.low_funds = 0,
			"resize_window": |t| t.resize_window = 0,
			"compensation_blocks": |t| t.compensation_blocks = 0,
			"max_slice": |t| t.max_slice = 0,
			"max_duration": |t| t.max_duration = 0,
			"closed_retention": |t| {
				(t.closed_retention, t.agenda_horizon, t.start_deadline) = (0, 0, 1);
				t.manifest_deadline = 0;
			},
			"agenda_horizon must not": |t| t.agenda_horizon = 0,
			"agenda_horizon must be at most": |t| t.agenda_horizon = t.closed_retention + 1,
			"start_deadline": |t| t.start_deadline = t.closed_retention + 1,
		]);
		refused!(providers, P, pallet_providers, [
			"min_bond": |t| t.min_bond = 0,
			"unbonding_period": |t| t.unbonding_period = 0,
			"heartbeat_period must not": |t| t.heartbeat_period = 0,
			"heartbeat_period is too long": |t| t.heartbeat_period = u32::MAX,
			"heartbeat_grace must be longer": |t| t.heartbeat_grace = t.heartbeat_period,
			"heartbeat_grace must be at most": |t| t.heartbeat_grace = 2 * t.heartbeat_period + 1,
			"max_downtime": |t| t.max_downtime = 2 * t.heartbeat_period,
			"pause_after": |t| t.pause_after = 0,
			"attestation_deposit": |t| t.attestation_deposit = 0,
			"max_attestation": |t| t.max_attestation = 0,
		]);
		refused!(escrow, S, pallet_escrow, [
			"fee": |t| t.fee = sp_runtime::Perbill::from_percent(51),
			"suspension_period": |t| t.suspension_period = 0,
			"min_funded_blocks": |t| t.min_funded_blocks = 0,
			"min_top_up": |t| t.min_top_up = 0,
		]);
		// Across pallets: whichever is set last.
		let downtime = providers_terms().max_downtime;
		let start_deadline = downtime + 1;
		let late = M {
			start_deadline,
			..market_terms()
		};
		let error = pallet_market::Error::<Runtime>::TermsContradict;
		assert_noop!(market(RuntimeOrigin::root(), late), error);
		let latest = M {
			start_deadline: downtime,
			closed_retention: downtime,
			..market_terms()
		};
		assert_ok!(market(RuntimeOrigin::root(), latest));
		let max_downtime = downtime - 1;
		let short = P {
			max_downtime,
			..providers_terms()
		};
		let error = pallet_providers::Error::<Runtime>::TermsContradict;
		assert_noop!(providers(RuntimeOrigin::root(), short), error);
		refused!(reputation, R, pallet_reputation, [
			"half_life": |t| t.half_life = 0,
			"reference_value": |t| t.reference_value = 0,
			"growth": |t| t.growth = 0,
			"pair_cap": |t| t.pair_cap = 0,
		]);
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
fn what_is_under_way_keeps_the_time_that_it_had() {
	let short = || P {
		max_downtime: 60,
		..providers_terms()
	};
	// A lease that is paused.
	run(|| {
		let id = active_lease(1_000);
		Market::pause_lease(signed("operator0"), id).unwrap();
		let since = now();
		to_block_on_duty(since + 50, 0);
		assert_ok!(providers(RuntimeOrigin::root(), short()));
		to_block_on_duty(since + 299, 0);
		assert_noop!(
			Market::report_offline(signed("stranger"), id),
			pallet_market::Error::<Runtime>::NotOffline
		);
		to_block_on_duty(since + 300, 0);
		assert_eq!(closed(id).reason, CloseReason::Offline);
		// Who pauses now has the shorter time.
		let id = lease_from(order(2), 1_000);
		Market::start_lease(signed("operator0"), id).unwrap();
		Market::pause_lease(signed("operator0"), id).unwrap();
		to_block_on_duty(now() + 60, 0);
		assert_eq!(closed(id).reason, CloseReason::Offline);
	});
	// A provider that is away.
	run(|| {
		let id = active_lease(1_000);
		let away = now() + 15;
		to_block(away + 50);
		assert_ok!(providers(RuntimeOrigin::root(), short()));
		to_block(away + 200);
		assert_ok!(beat(0));
		assert!(
			pallet_market::Leases::<Runtime>::contains_key(id),
			"it came back in time"
		);
		to_block(now() + 15 + 60);
		assert_ok!(Market::report_offline(signed("stranger"), id));
	});
	// A tenant that has still to hand in its manifest.
	run(|| {
		let id = starting_lease(1_000);
		let since = now();
		set_market(|terms| terms.manifest_deadline = 2);
		let report = || plain(Market::report_missing_manifest(signed("operator0"), id));
		to_block_on_duty(since + 7, 0);
		assert_noop!(report(), pallet_market::Error::<Runtime>::TooEarly);
		to_block_on_duty(since + 8, 0);
		assert_ok!(report());
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
