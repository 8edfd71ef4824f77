//! What transactions cost, and that `docs/fees.md` says the same; and what a wallet signs.

use crate::harness::*;
use codec::Encode;
use frame_support::dispatch::{DispatchInfo, GetDispatchInfo, PostDispatchInfo};
use leasehold_runtime::{
	AccountId, Runtime, RuntimeCall, TransactionPayment, TxExtension, UncheckedExtrinsic, LEASE,
};
use pallet_market::{Call, Order};
use sp_runtime::{generic::Era, traits::Dispatchable, MultiAddress};
use std::path::Path;

fn extension(hash: Option<[u8; 32]>) -> TxExtension {
	use frame_metadata_hash_extension::CheckMetadataHash;
	(
		frame_system::AuthorizeCall::new(),
		frame_system::CheckNonZeroSender::new(),
		frame_system::CheckSpecVersion::new(),
		frame_system::CheckTxVersion::new(),
		frame_system::CheckGenesis::new(),
		frame_system::CheckEra::from(Era::mortal(64, 0)),
		frame_system::CheckNonce::from(0),
		frame_system::CheckWeight::new(),
		pallet_transaction_payment::ChargeTransactionPayment::from(0),
		match hash {
			Some(hash) => CheckMetadataHash::new_with_custom_hash(hash),
			None => CheckMetadataHash::new(false),
		},
		frame_system::WeightReclaim::new(),
	)
}

/// What a signed transaction of this call declares, and its bytes.
fn declared(call: RuntimeCall) -> (DispatchInfo, usize) {
	use sp_runtime::traits::TransactionExtension;
	let mut info: DispatchInfo = call.get_dispatch_info();
	let extension = extension(None);
	info.extension_weight = extension.weight(&call);
	let signature = leasehold_runtime::Signature::Sr25519([0; 64].into());
	let address = MultiAddress::<AccountId, ()>::Id(account("tenant"));
	let length = UncheckedExtrinsic::new_signed(call, address, signature, extension).encoded_size();
	(info, length)
}

/// The fee of a signed transaction of this call at rest, planck: up front, and what is kept of it after
/// this result.
fn fees(call: RuntimeCall, result: PostDispatchInfo) -> (u128, u128) {
	let (info, length) = declared(call);
	let length = u32::try_from(length).unwrap();
	// The extensions keep theirs.
	let whole = PostDispatchInfo {
		actual_weight: result
			.actual_weight
			.map(|call| call.saturating_add(info.extension_weight)),
		..result
	};
	(
		TransactionPayment::compute_fee(length, &info, 0),
		TransactionPayment::compute_actual_fee(length, &info, &whole, 0),
	)
}

/// A transaction and what it costs: up front, and what is kept.
type Line = (&'static str, u128, u128);

/// The transactions of a job's life, both sides, at the least that the price of weight falls to, planck.
pub fn least_for_a_job() -> u128 {
	let part = |name| {
		["order", "bid", "start", "complete"]
			.iter()
			.any(|w| str::contains(name, w))
	};
	let of_a_job = life().into_iter().filter(|(name, ..)| part(name));
	of_a_job.map(|(_, _, kept)| kept).sum::<u128>() / 10
}

fn table() -> String {
	let text = |fee: u128| {
		let parts = fee.div_ceil(LEASE / 100_000);
		format!("{}.{:05}", parts / 100_000, parts % 100_000)
	};
	life()
		.into_iter()
		.map(|(name, up_front, kept)| format!("| {name} | {} | {} |\n", text(up_front), text(kept)))
		.collect()
}

/// A lease's life, with what each of its transactions costs.
fn life() -> Vec<Line> {
	let mut lines = Vec::new();
	let mut line = |name: &'static str, who: &str, call: RuntimeCall| {
		let result = call.clone().dispatch(signed(who)).unwrap();
		let (up_front, kept) = fees(call, result);
		lines.push((name, up_front, kept));
	};
	let transfer = pallet_balances::Call::transfer_keep_alive {
		dest: account("friend").into(),
		value: LEASE,
	};
	line("transfer", "tenant", transfer.into());
	register(0);
	let place = Call::place_order {
		order: Order::V1(order(1)),
	};
	line("tenant: place an order", "tenant", place.into());
	let bid = Call::place_bid { order: 0, rate: 5 };
	line("provider: bid", "operator0", bid.into());
	to_block(now() + 5);
	let start = Call::start_lease { lease: 0 };
	line("provider: start a lease", "operator0", start.into());
	let deposit = pallet_escrow::Call::deposit {
		lease: 0,
		amount: LEASE,
	};
	line("tenant: deposit", "tenant", deposit.into());
	let close = Call::close_lease { lease: 0 };
	line("tenant: close a lease", "tenant", close.into());
	let lease = lease_from(order(2), 5);
	leasehold_runtime::Market::start_lease(signed("operator0"), lease).unwrap();
	let complete = Call::complete_lease {
		lease,
		exit_code: 0,
		result_hash: [0; 32],
	};
	line("provider: complete a job", "operator0", complete.into());
	lines
}

#[test]
fn the_document_says_what_transactions_cost() {
	let table = externalities().execute_with(table);
	let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/fees.md");
	let text = std::fs::read_to_string(&path).unwrap();
	assert!(
		text.contains(&table),
		"docs/fees.md should contain:\n{table}"
	);
}

/// What the extension that charges takes from the tenant for a call of this origin, planck.
fn charged(origin: leasehold_runtime::RuntimeOrigin, call: &RuntimeCall) -> u128 {
	use sp_runtime::traits::DispatchTransaction;
	let payment = pallet_transaction_payment::ChargeTransactionPayment::<Runtime>::from(0);
	let before = free("tenant");
	let info = call.get_dispatch_info();
	let result = payment.dispatch_transaction(origin, call.clone(), &info, 150, 0);
	let _ = result.expect("the extension lets it pass");
	before - free("tenant")
}

#[test]
fn a_heartbeat_costs_nothing_unless_somebody_signs_it() {
	use frame_support::dispatch::RawOrigin;
	run(|| {
		active_lease(5);
		to_block(now() + 10);
		let call = heartbeat_call(0, [0; 16], "operator0");
		assert!(
			charged(signed("tenant"), &call) > 0,
			"a signed one fails and pays"
		);
		assert_eq!(charged(RawOrigin::Authorized.into(), &call), 0);
	});
}

#[test]
fn a_metadata_hash_is_part_of_what_is_signed() {
	use sp_runtime::traits::TransactionExtension;
	let implicit = |hash| {
		externalities().execute_with(|| {
			let (.., check, _) = extension(hash);
			TransactionExtension::<RuntimeCall>::implicit(&check).map(|i| i.encode())
		})
	};
	let signed = implicit(Some([7; 32])).unwrap();
	assert_eq!(signed, Some([7u8; 32]).encode());
	assert_eq!(implicit(None).unwrap(), None::<[u8; 32]>.encode());
}

#[test]
fn a_report_is_charged_for_all_validators_whatever_it_says() {
	type Babe = <Runtime as pallet_babe::Config>::WeightInfo;
	type Grandpa = <Runtime as pallet_grandpa::Config>::WeightInfo;
	let all = <Babe as pallet_babe::WeightInfo>::report_equivocation(100, 0);
	assert_eq!(
		<Babe as pallet_babe::WeightInfo>::report_equivocation(0, 0),
		all
	);
	let all = <Grandpa as pallet_grandpa::WeightInfo>::report_equivocation(100, 0);
	assert_eq!(
		<Grandpa as pallet_grandpa::WeightInfo>::report_equivocation(0, 0),
		all
	);
}

/// The priority of a signed transaction of this call in the pool, and how many such fit into a block.
fn standing(call: RuntimeCall, tip: u128) -> (u64, u128) {
	let (info, length) = declared(call);
	let priority = pallet_transaction_payment::ChargeTransactionPayment::<Runtime>::get_priority(
		&info, length, tip, 0,
	);
	let weights = leasehold_runtime::configs::RuntimeBlockWeights::get();
	let class = weights.get(info.class);
	let each = info.total_weight().saturating_add(class.base_extrinsic);
	let most = class.max_total.unwrap().ref_time() / each.ref_time();
	(priority, most.into())
}

#[test]
fn to_fill_blocks_costs_more_than_there_is_to_gain_and_a_tip_gets_past() {
	run_at_default_terms(|| {
		let transfer = || {
			let dest = account("friend").into();
			let call = pallet_balances::Call::<Runtime>::transfer_keep_alive { dest, value: 1 };
			RuntimeCall::from(call)
		};
		// At the lowest price of weight, and as if that did not rise.
		let (plain, count) = standing(transfer(), 0);
		let block = count * fees(transfer(), Default::default()).0 / 10;
		println!("a block of {count} transfers: {block} planck");
		assert!(block > 13 * LEASE / 10);
		// A lease that is paused cannot resume meanwhile, and ends with the compensation of its slice.
		let downtime = pallet_providers::TermsV1::default().max_downtime;
		let slice = pallet_market::TermsV1::default().max_slice;
		assert!(u128::from(downtime) * block > 30 * slice);
		// Who overtakes in the last block of an hour's bidding must keep the answers out of a quarter of it.
		let longest = pallet_market::TermsV1::default().max_bidding;
		assert!(u128::from(longest / 4) * block > 390 * LEASE);
		// Who offers a tip comes first, and is kept out only by as much for each of those in the block.
		let resume = || RuntimeCall::from(Call::<Runtime>::resume_lease { lease: 0 });
		let (tipped, _) = standing(resume(), LEASE / 100);
		assert!(tipped > plain);
		assert!(standing(resume(), 0).0 < standing(transfer(), 1).0);
		let enough = (0..64).map(|n| 1u128 << n);
		let tip = enough
			.clone()
			.find(|tip| standing(transfer(), *tip).0 >= tipped);
		assert!(count * tip.unwrap() > 3 * LEASE);
	});
}
