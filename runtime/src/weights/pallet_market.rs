//! Hand figures, not measured, until `scripts/bench-weights` writes this file.

use core::marker::PhantomData;
use frame_support::{traits::Get, weights::Weight};

/// Weights by hand.
pub struct WeightInfo<T>(PhantomData<T>);

impl<T: frame_system::Config> pallet_market::WeightInfo for WeightInfo<T> {
	fn place_order() -> Weight {
		Weight::from_parts(150_000_000, 0).saturating_add(T::DbWeight::get().reads_writes(8, 8))
	}
	fn cancel_order(b: u32) -> Weight {
		Weight::from_parts(150_000_000, 0)
			.saturating_add(T::DbWeight::get().reads_writes(8, 8))
			.saturating_add(
				Weight::from_parts(10_000_000, 0)
					.saturating_add(T::DbWeight::get().reads_writes(1, 1))
					.saturating_mul(b.into()),
			)
	}
	fn place_bid() -> Weight {
		Weight::from_parts(200_000_000, 0).saturating_add(T::DbWeight::get().reads_writes(20, 4))
	}
	fn withdraw_bid() -> Weight {
		Weight::from_parts(100_000_000, 0).saturating_add(T::DbWeight::get().reads_writes(4, 2))
	}
	fn pick(l: u32, b: u32) -> Weight {
		Weight::from_parts(300_000_000, 0)
			.saturating_add(T::DbWeight::get().reads_writes(20, 12))
			.saturating_add(
				Weight::from_parts(300_000_000, 0)
					.saturating_add(T::DbWeight::get().reads_writes(20, 14))
					.saturating_mul(l.into()),
			)
			.saturating_add(
				Weight::from_parts(20_000_000, 0)
					.saturating_add(T::DbWeight::get().reads_writes(2, 1))
					.saturating_mul(b.into()),
			)
	}
	fn lease_now() -> Weight {
		Weight::from_parts(300_000_000, 0).saturating_add(T::DbWeight::get().reads_writes(25, 15))
	}
	fn start_lease() -> Weight {
		Weight::from_parts(150_000_000, 0).saturating_add(T::DbWeight::get().reads_writes(10, 8))
	}
	fn submit_receipt() -> Weight {
		Weight::from_parts(200_000_000, 0).saturating_add(T::DbWeight::get().reads_writes(4, 1))
	}
	fn complete_lease(f: u32) -> Weight {
		Weight::from_parts(400_000_000, 0)
			.saturating_add(T::DbWeight::get().reads_writes(20, 18))
			.saturating_add(
				Weight::from_parts(190_000_000, 0)
					.saturating_add(T::DbWeight::get().reads_writes(5, 5))
					.saturating_mul(f.into()),
			)
	}
	fn fail_lease(f: u32) -> Weight {
		Weight::from_parts(400_000_000, 0)
			.saturating_add(T::DbWeight::get().reads_writes(20, 18))
			.saturating_add(
				Weight::from_parts(190_000_000, 0)
					.saturating_add(T::DbWeight::get().reads_writes(5, 5))
					.saturating_mul(f.into()),
			)
	}
	fn close_lease(f: u32) -> Weight {
		Weight::from_parts(400_000_000, 0)
			.saturating_add(T::DbWeight::get().reads_writes(20, 18))
			.saturating_add(
				Weight::from_parts(190_000_000, 0)
					.saturating_add(T::DbWeight::get().reads_writes(5, 5))
					.saturating_mul(f.into()),
			)
	}
	fn report_missing_manifest(f: u32) -> Weight {
		Weight::from_parts(400_000_000, 0)
			.saturating_add(T::DbWeight::get().reads_writes(20, 18))
			.saturating_add(
				Weight::from_parts(190_000_000, 0)
					.saturating_add(T::DbWeight::get().reads_writes(5, 5))
					.saturating_mul(f.into()),
			)
	}
	fn pause_lease(f: u32) -> Weight {
		Weight::from_parts(250_000_000, 0)
			.saturating_add(T::DbWeight::get().reads_writes(14, 12))
			.saturating_add(
				Weight::from_parts(90_000_000, 0)
					.saturating_add(T::DbWeight::get().reads_writes(3, 3))
					.saturating_mul(f.into()),
			)
	}
	fn resume_lease() -> Weight {
		Weight::from_parts(150_000_000, 0).saturating_add(T::DbWeight::get().reads_writes(8, 6))
	}
	fn reclaim_lease(f: u32) -> Weight {
		Weight::from_parts(250_000_000, 0)
			.saturating_add(T::DbWeight::get().reads_writes(14, 12))
			.saturating_add(
				Weight::from_parts(90_000_000, 0)
					.saturating_add(T::DbWeight::get().reads_writes(3, 3))
					.saturating_mul(f.into()),
			)
	}
	fn abandon_lease(f: u32) -> Weight {
		Weight::from_parts(400_000_000, 0)
			.saturating_add(T::DbWeight::get().reads_writes(20, 18))
			.saturating_add(
				Weight::from_parts(190_000_000, 0)
					.saturating_add(T::DbWeight::get().reads_writes(5, 5))
					.saturating_mul(f.into()),
			)
	}
	fn report_offline(f: u32) -> Weight {
		Weight::from_parts(400_000_000, 0)
			.saturating_add(T::DbWeight::get().reads_writes(20, 18))
			.saturating_add(
				Weight::from_parts(190_000_000, 0)
					.saturating_add(T::DbWeight::get().reads_writes(5, 5))
					.saturating_mul(f.into()),
			)
	}
	fn update_manifest() -> Weight {
		Weight::from_parts(100_000_000, 0).saturating_add(T::DbWeight::get().reads_writes(5, 4))
	}
	fn propose_resize() -> Weight {
		Weight::from_parts(80_000_000, 0).saturating_add(T::DbWeight::get().reads_writes(3, 2))
	}
	fn accept_resize(f: u32) -> Weight {
		Weight::from_parts(250_000_000, 0)
			.saturating_add(T::DbWeight::get().reads_writes(14, 12))
			.saturating_add(
				Weight::from_parts(90_000_000, 0)
					.saturating_add(T::DbWeight::get().reads_writes(3, 3))
					.saturating_mul(f.into()),
			)
	}
	fn revoke_access() -> Weight {
		Weight::from_parts(60_000_000, 0).saturating_add(T::DbWeight::get().reads_writes(2, 1))
	}
	fn set_terms() -> Weight {
		Weight::from_parts(20_000_000, 0).saturating_add(T::DbWeight::get().reads_writes(1, 1))
	}
	fn visit_order(l: u32, b: u32) -> Weight {
		Weight::from_parts(300_000_000, 0)
			.saturating_add(T::DbWeight::get().reads_writes(15, 10))
			.saturating_add(
				Weight::from_parts(300_000_000, 0)
					.saturating_add(T::DbWeight::get().reads_writes(20, 14))
					.saturating_mul(l.into()),
			)
			.saturating_add(
				Weight::from_parts(60_000_000, 0)
					.saturating_add(T::DbWeight::get().reads_writes(6, 1))
					.saturating_mul(b.into()),
			)
	}
	fn visit_lease(f: u32) -> Weight {
		Weight::from_parts(400_000_000, 0)
			.saturating_add(T::DbWeight::get().reads_writes(20, 18))
			.saturating_add(
				Weight::from_parts(190_000_000, 0)
					.saturating_add(T::DbWeight::get().reads_writes(5, 5))
					.saturating_mul(f.into()),
			)
	}
	fn visit_closed() -> Weight {
		Weight::from_parts(80_000_000, 0).saturating_add(T::DbWeight::get().reads_writes(3, 3))
	}
	fn visit_watch() -> Weight {
		Weight::from_parts(300_000_000, 0).saturating_add(T::DbWeight::get().reads_writes(40, 40))
	}
	fn eligible(a: u32) -> Weight {
		Weight::from_parts(60_000_000, 0)
			.saturating_add(T::DbWeight::get().reads_writes(6, 0))
			.saturating_add(
				Weight::from_parts(20_000_000, 0)
					.saturating_add(T::DbWeight::get().reads_writes(2, 0))
					.saturating_mul(a.into()),
			)
	}
}
