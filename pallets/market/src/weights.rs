//! What the calls and visits cost.

use frame_support::weights::Weight;
use leasehold_primitives::terms::hand;

/// Weights of the calls and visits of this pallet.
pub trait WeightInfo {
	fn place_order() -> Weight;
	fn cancel_order() -> Weight;
	fn place_bid() -> Weight;
	fn withdraw_bid() -> Weight;
	fn pick() -> Weight;
	fn lease_now() -> Weight;
	fn start_lease() -> Weight;
	fn submit_receipt() -> Weight;
	fn change_lease() -> Weight;
	fn resize_lease() -> Weight;
	fn resume_lease() -> Weight;
	fn close_lease() -> Weight;
	fn set_terms() -> Weight;
	fn visit_order(leases: u32) -> Weight;
	fn visit_lease() -> Weight;
	fn visit_closed() -> Weight;
	fn visit_watch() -> Weight;
}

/// Hand figures, not measured: what each call touches at its worst (sixteen bids, eight leases,
/// eight funders), at RocksDB's prices.
impl WeightInfo for () {
	fn place_order() -> Weight {
		hand(150, 8, 8)
	}
	fn cancel_order() -> Weight {
		hand(250, 25, 25)
	}
	fn place_bid() -> Weight {
		hand(200, 20, 4)
	}
	fn withdraw_bid() -> Weight {
		hand(100, 4, 2)
	}
	fn pick() -> Weight {
		hand(2_000, 150, 100)
	}
	fn lease_now() -> Weight {
		hand(300, 25, 15)
	}
	fn start_lease() -> Weight {
		hand(150, 10, 8)
	}
	fn submit_receipt() -> Weight {
		hand(120, 4, 1)
	}
	fn change_lease() -> Weight {
		hand(900, 30, 28)
	}
	fn resize_lease() -> Weight {
		hand(1_000, 32, 30)
	}
	fn resume_lease() -> Weight {
		hand(150, 8, 6)
	}
	fn close_lease() -> Weight {
		hand(1_900, 54, 54)
	}
	fn set_terms() -> Weight {
		hand(20, 1, 1)
	}
	fn visit_order(leases: u32) -> Weight {
		let lease = hand(300, 20, 14);
		hand(500, 90, 20).saturating_add(lease.saturating_mul(leases.into()))
	}
	fn visit_lease() -> Weight {
		hand(1_900, 54, 54)
	}
	fn visit_closed() -> Weight {
		hand(80, 3, 3)
	}
	fn visit_watch() -> Weight {
		hand(300, 40, 40)
	}
}
