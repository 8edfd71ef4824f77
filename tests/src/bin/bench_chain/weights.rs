//! The weights of what is called.

use frame_support::weights::Weight;
use leasehold_runtime::{
	weights::{pallet_escrow::WeightInfo as Escrow, pallet_market::WeightInfo as Market},
	Runtime,
};
use pallet_escrow::WeightInfo as _;
use pallet_market::WeightInfo as _;

/// The step of the agenda among the calls.
pub const CLEAR: &str = "clear an order";

/// The weight of what a call itself does, in blocks with one funder and one bid; `None` for a transfer.
pub fn own_weight(name: &str) -> Option<Weight> {
	Some(match name {
		"place an order" => Market::<Runtime>::place_order(),
		"bid" => Market::<Runtime>::place_bid(),
		CLEAR => Market::<Runtime>::visit_order(1, 1),
		"start a lease" => Market::<Runtime>::start_lease(),
		"settle" => Escrow::<Runtime>::settle(1),
		"deposit" => Escrow::<Runtime>::deposit(),
		"withdraw" => Escrow::<Runtime>::withdraw(),
		"close a lease" => Market::<Runtime>::close_lease(1),
		"complete a job" => Market::<Runtime>::complete_lease(1),
		"instant lease" => Market::<Runtime>::lease_now(),
		"another manifest" => Market::<Runtime>::update_manifest(),
		"void all grants" => Market::<Runtime>::revoke_access(),
		"agree a refill" => Escrow::<Runtime>::set_refill(),
		"propose a size" => Market::<Runtime>::propose_resize(),
		"accept a size" => Market::<Runtime>::accept_resize(1),
		"pause a lease" => Market::<Runtime>::pause_lease(1),
		"resume a lease" => Market::<Runtime>::resume_lease(),
		"give notice" => Market::<Runtime>::reclaim_lease(1),
		"abandon a lease" => Market::<Runtime>::abandon_lease(1),
		"fail a lease" => Market::<Runtime>::fail_lease(1),
		"take a bid back" => Market::<Runtime>::withdraw_bid(),
		"cancel an order" => Market::<Runtime>::cancel_order(1),
		"pick a bid" => Market::<Runtime>::pick(1, 0),
		"submit a receipt" => Market::<Runtime>::submit_receipt(),
		"report no manifest" => Market::<Runtime>::report_missing_manifest(1),
		"report an absence" => Market::<Runtime>::report_offline(1),
		_ => return None,
	})
}
