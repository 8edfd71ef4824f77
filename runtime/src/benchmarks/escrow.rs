//! Streams.

use super::setting::{
	active_lease, caller, rich, root, run_dry, serve, short_terms, signed, MAX_RATE,
};
use crate::{configs::ProtocolFees, Escrow, Market, Runtime};
use frame_benchmarking::v2::*;
use leasehold_primitives::AgendaItem;
use pallet_escrow::{Refill, StreamsOf, Terms, TermsV1};

pub struct Pallet<T: Config>(core::marker::PhantomData<T>);
pub trait Config: frame_system::Config {}
impl Config for Runtime {}

#[benchmarks]
mod benchmarks {
	use super::*;

	/// The deposit of the last funder that a stream may have.
	#[benchmark]
	fn deposit() {
		let (tenant, who) = (rich("tenant", 0), caller());
		let lease = active_lease(&tenant, rich("operator", 0), 7);
		serve(lease, MAX_RATE);
		#[block]
		{
			Escrow::deposit(signed(&who), lease, MAX_RATE).unwrap();
		}
		let stream = StreamsOf::<Runtime>::get(lease).unwrap();
		assert_eq!((stream.funders.len(), stream.paid), (8, 0));
	}

	/// Another deposit of the last of `f` funders, when the money of all is owed.
	#[benchmark]
	fn deposit_dry(f: Linear<1, 8>) {
		let (who, operator) = (caller(), rich("operator", 0));
		let lease = match f {
			1 => active_lease(&who, operator, 1),
			_ => {
				let lease = active_lease(&rich("tenant", 0), operator, f - 1);
				Escrow::deposit(signed(&who), lease, 50 * MAX_RATE).unwrap();
				lease
			}
		};
		run_dry(lease);
		#[block]
		{
			Escrow::deposit(signed(&who), lease, MAX_RATE).unwrap();
		}
		let stream = StreamsOf::<Runtime>::get(lease).unwrap();
		assert_eq!(stream.funders.len(), f as usize);
		assert!(stream.paid > 0);
	}

	/// A deposit that resumes a suspended lease.
	#[benchmark]
	fn resume() {
		let tenant = caller();
		let lease = active_lease(&tenant, rich("operator", 0), 1);
		run_dry(lease);
		Market::visit(AgendaItem::Lease(lease)).unwrap();
		let paid = |lease| StreamsOf::<Runtime>::get(lease).unwrap().paid;
		let before = paid(lease);
		serve(lease, 5 * MAX_RATE);
		#[block]
		{
			Escrow::deposit(signed(&tenant), lease, 100 * MAX_RATE).unwrap();
		}
		assert!(paid(lease) > before);
		let state = pallet_market::Leases::<Runtime>::get(lease).unwrap().state;
		assert!(matches!(state, pallet_market::LeaseState::Active { .. }));
	}

	#[benchmark]
	fn settle(f: Linear<1, 8>) {
		let lease = active_lease(&rich("tenant", 0), rich("operator", 0), f);
		let who = caller();
		run_dry(lease);
		#[block]
		{
			Escrow::settle(signed(&who), lease).unwrap();
		}
		assert_eq!(StreamsOf::<Runtime>::get(lease).unwrap().spendable(), 0);
	}

	/// The last of all funders takes back what it may, so that the next visit comes sooner.
	#[benchmark]
	fn withdraw() {
		let (tenant, who) = (rich("tenant", 0), caller());
		let lease = active_lease(&tenant, rich("operator", 0), 7);
		Escrow::deposit(signed(&who), lease, 5_000 * MAX_RATE).unwrap();
		serve(lease, MAX_RATE);
		Market::visit(AgendaItem::Lease(lease)).unwrap();
		serve(lease, MAX_RATE);
		let due = |lease| pallet_market::Leases::<Runtime>::get(lease).unwrap().due;
		let before = due(lease);
		#[block]
		{
			Escrow::withdraw(signed(&who), lease, 5_000 * MAX_RATE).unwrap();
		}
		assert!(due(lease) < before);
		assert_eq!(StreamsOf::<Runtime>::get(lease).unwrap().funders.len(), 7);
	}

	#[benchmark]
	fn set_refill() {
		let tenant = caller();
		let lease = active_lease(&tenant, rich("operator", 0), 8);
		let refill = Refill {
			amount: 100 * MAX_RATE,
			budget: 100 * MAX_RATE,
		};
		#[block]
		{
			Escrow::set_refill(signed(&tenant), lease, Some(refill)).unwrap();
		}
	}

	#[benchmark]
	fn set_terms() {
		#[block]
		{
			Escrow::set_terms(root(), Terms::V1(TermsV1::default())).unwrap();
		}
	}

	#[benchmark]
	fn set_fee_destination() {
		short_terms();
		let to = rich("destination", 0);
		#[block]
		{
			Escrow::set_fee_destination(root(), to.clone()).unwrap();
		}
		assert_ne!(to, ProtocolFees::account());
	}

	impl_benchmark_test_suite!(
		Pallet,
		crate::benchmarks::setting::externalities(),
		crate::Runtime
	);
}
