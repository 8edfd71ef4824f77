//! What transactions cost, and that `docs/fees.md` says the same; and what a wallet signs.

use crate::harness::*;
use codec::Encode;
use frame_support::dispatch::{DispatchInfo, GetDispatchInfo};
use leasehold_primitives::FailureCode;
use leasehold_runtime::{
	AccountId, Runtime, RuntimeCall, TransactionPayment, TxExtension, UncheckedExtrinsic, LEASE,
};
use pallet_market::Order;
use sp_runtime::{generic::Era, MultiAddress};
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

/// The fee of a signed transaction of this call at rest, planck.
fn fee(call: RuntimeCall) -> u128 {
	use sp_runtime::traits::TransactionExtension;
	let mut info: DispatchInfo = call.get_dispatch_info();
	let extension = extension(None);
	info.extension_weight = extension.weight(&call);
	let signature = leasehold_runtime::Signature::Sr25519([0; 64].into());
	let address = MultiAddress::<AccountId, ()>::Id(account("tenant"));
	let length = UncheckedExtrinsic::new_signed(call, address, signature, extension).encoded_size();
	TransactionPayment::compute_fee(u32::try_from(length).unwrap(), &info, 0)
}

fn table() -> String {
	use pallet_market::Call;
	let calls: [(&str, RuntimeCall); 7] = [
		(
			"transfer",
			pallet_balances::Call::transfer_keep_alive {
				dest: account("friend").into(),
				value: LEASE,
			}
			.into(),
		),
		(
			"tenant: place an order",
			Call::place_order {
				order: Order::V1(order(1)),
			}
			.into(),
		),
		(
			"tenant: close a lease",
			Call::close_lease { lease: 0 }.into(),
		),
		(
			"tenant: deposit",
			pallet_escrow::Call::deposit {
				lease: 0,
				amount: LEASE,
			}
			.into(),
		),
		(
			"provider: bid",
			Call::place_bid {
				order: 0,
				rate: LEASE,
			}
			.into(),
		),
		(
			"provider: start a lease",
			Call::start_lease { lease: 0 }.into(),
		),
		(
			"provider: complete a job",
			Call::complete_lease {
				lease: 0,
				exit_code: 0,
				result_hash: [0; 32],
			}
			.into(),
		),
	];
	let fail = fee(Call::fail_lease {
		lease: 0,
		code: FailureCode::Crashed,
	}
	.into());
	assert!(fail > 0);
	calls
		.into_iter()
		.map(|(name, call)| {
			let milli = fee(call).div_ceil(LEASE / 100_000);
			format!("| {name} | {}.{:05} |\n", milli / 100_000, milli % 100_000)
		})
		.collect()
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
