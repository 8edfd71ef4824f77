//! Orders, bids and leases.

use super::{
	providers::{sign, signer},
	setting::{
		active_lease, at, attest, attestors, bid, caller, go_offline, held, now, operator, order,
		order_of_v1, order_with_bids, place, provider, provider_of, provider_of_lease, resources,
		rich, root, run_dry, serve, short_terms, shrink, signed, starting_lease, MAX_RATE,
	},
};
use crate::{Balances, Market, Providers, Runtime, System};
use alloc::vec::Vec;
use frame_benchmarking::v2::*;
use frame_support::{migrations::SteppedMigration, weights::WeightMeter};
use leasehold_primitives::{receipt, AgendaItem, FailureCode, LeaseId, ProviderRegistry};
use pallet_market::{
	migrations::ToV2, LeaseState, Order, OrderV1, Quantity, Selection, Terms, TermsV1, WeightInfo,
};

use pallet_providers::FormerOperator;

pub struct Pallet<T: Config>(core::marker::PhantomData<T>);
pub trait Config: frame_system::Config {}
impl Config for Runtime {}

fn is_closed(lease: LeaseId) -> bool {
	pallet_market::ClosedLeases::<Runtime>::contains_key(lease)
}

#[benchmarks]
mod benchmarks {
	use super::*;

	#[benchmark]
	fn place_order() {
		short_terms();
		let tenant = caller();
		let spec = OrderV1 {
			attestors: attestors(8),
			..order(8)
		};
		let id = pallet_market::NextOrderId::<Runtime>::get();
		#[block]
		{
			Market::place_order(signed(&tenant), Order::V1(spec)).unwrap();
		}
		assert!(pallet_market::Orders::<Runtime>::contains_key(id));
	}

	/// Takes back an order with `b` bids.
	#[benchmark]
	fn cancel_order(b: Linear<0, 16>) {
		short_terms();
		let tenant = caller();
		let (leases, others) = (b.min(8), b.saturating_sub(8));
		let (id, _) = order_with_bids(&tenant, leases.max(1), others, Selection::Manual);
		if b == 0 {
			pallet_market::Orders::<Runtime>::mutate(id, |order| {
				order.as_mut().unwrap().bids.clear()
			});
		}
		#[block]
		{
			Market::cancel_order(signed(&tenant), id).unwrap();
		}
		assert!(!pallet_market::Orders::<Runtime>::contains_key(id));
	}

	/// The best bid on an order that has sixteen, in the last block: bidding goes on.
	#[benchmark]
	fn place_bid() {
		short_terms();
		let tenant = rich("tenant", 0);
		let (id, _) = order_with_bids(&tenant, 8, 8, Selection::Manual);
		let operator = caller();
		let last = provider_of(17, operator.clone(), &tenant);
		pallet_market::Orders::<Runtime>::mutate(id, |order| {
			let pallet_market::Order::V1(spec) = &mut order.as_mut().unwrap().spec;
			*spec.allowed.last_mut().unwrap() = last;
		});
		let ends = pallet_market::Orders::<Runtime>::get(id)
			.unwrap()
			.bidding_ends;
		at(ends - 1);
		#[block]
		{
			Market::place_bid(signed(&operator), id, 1).unwrap();
		}
		let bids = pallet_market::Orders::<Runtime>::get(id).unwrap().bids;
		assert_eq!(bids.len(), 16);
		assert_eq!(bids.first().unwrap().provider, last);
		let later = pallet_market::Orders::<Runtime>::get(id)
			.unwrap()
			.bidding_ends;
		assert!(later > ends);
	}

	#[benchmark]
	fn withdraw_bid() {
		short_terms();
		let tenant = rich("tenant", 0);
		let (id, providers) = order_with_bids(&tenant, 8, 8, Selection::Manual);
		let operator = operator(*providers.last().unwrap());
		#[block]
		{
			Market::withdraw_bid(signed(&operator), id).unwrap();
		}
		let bids = pallet_market::Orders::<Runtime>::get(id).unwrap().bids;
		assert_eq!(bids.len(), 15);
	}

	/// Picks `l` of the bids, of which there are `b` more.
	#[benchmark]
	fn pick(l: Linear<1, 8>, b: Linear<0, 8>) {
		short_terms();
		let tenant = caller();
		let (id, winners) = order_with_bids(&tenant, l, b, Selection::Manual);
		let first = pallet_market::NextLeaseId::<Runtime>::get();
		#[block]
		{
			Market::pick(signed(&tenant), id, winners.try_into().unwrap()).unwrap();
		}
		assert_eq!(
			pallet_market::NextLeaseId::<Runtime>::get() - first,
			u64::from(l)
		);
	}

	#[benchmark]
	fn lease_now() {
		short_terms();
		let tenant = caller();
		let id = provider(0, &tenant);
		let spec = OrderV1 {
			bidding: 0,
			allowed: Default::default(),
			selection: Selection::Offer {
				provider: id,
				version: 1,
			},
			..order(1)
		};
		let lease = pallet_market::NextLeaseId::<Runtime>::get();
		#[block]
		{
			Market::lease_now(signed(&tenant), Order::V1(spec)).unwrap();
		}
		assert!(pallet_market::Leases::<Runtime>::contains_key(lease));
	}

	#[benchmark]
	fn start_lease() {
		let operator = caller();
		let lease = starting_lease(&rich("tenant", 0), operator.clone());
		let record = || pallet_market::Leases::<Runtime>::get(lease).unwrap();
		// As after a bid far below the ceiling.
		let (provider, taken, slice) = (record().provider, record().taken, record().slice);
		Providers::exchange(provider, (&taken, slice), (&taken, slice + 1)).unwrap();
		pallet_market::Leases::<Runtime>::mutate(lease, |lease| {
			lease.as_mut().unwrap().slice = slice + 1;
		});
		#[block]
		{
			Market::start_lease(signed(&operator), lease).unwrap();
		}
		assert!(matches!(record().state, LeaseState::Active { .. }));
		assert!(record().slice <= slice);
	}

	#[benchmark]
	fn submit_receipt() {
		let tenant = caller();
		let (operator, key) = signer();
		let lease = starting_lease(&tenant, operator);
		let provider = provider_of_lease(lease);
		let former = (0..4).map(|n| FormerOperator {
			who: rich("former", n),
			until: 0,
		});
		pallet_providers::FormerOperators::<Runtime>::mutate(provider, |kept| {
			*kept = former.collect::<Vec<_>>().try_into().unwrap();
		});
		let genesis = leasehold_primitives::genesis(System::block_hash(0));
		let manifest = pallet_market::Leases::<Runtime>::get(lease)
			.unwrap()
			.manifest_hash;
		let signature = sign(&key, &receipt::payload(&genesis, lease, &manifest, now()));
		#[block]
		{
			Market::submit_receipt(signed(&tenant), lease, now(), signature).unwrap();
		}
	}

	#[benchmark]
	fn complete_lease(f: Linear<1, 8>) {
		let operator = caller();
		let lease = active_lease(&rich("tenant", 0), operator.clone(), f);
		run_dry(lease);
		go_offline();
		#[block]
		{
			Market::complete_lease(signed(&operator), lease, 0, [1; 32]).unwrap();
		}
		assert!(is_closed(lease));
	}

	/// The dearest failure: a running service, whose tenant is compensated.
	#[benchmark]
	fn fail_lease(f: Linear<1, 8>) {
		let operator = caller();
		let lease = active_lease(&rich("tenant", 0), operator.clone(), f);
		pallet_market::Leases::<Runtime>::mutate(lease, |lease| {
			lease.as_mut().unwrap().kind = leasehold_primitives::WorkloadKind::Service;
		});
		run_dry(lease);
		go_offline();
		#[block]
		{
			Market::fail_lease(signed(&operator), lease, FailureCode::Internal).unwrap();
		}
		assert!(is_closed(lease));
	}

	#[benchmark]
	fn close_lease(f: Linear<1, 8>) {
		let tenant = caller();
		let lease = active_lease(&tenant, rich("operator", 0), f);
		run_dry(lease);
		#[block]
		{
			Market::close_lease(signed(&tenant), lease).unwrap();
		}
		assert!(is_closed(lease));
	}

	#[benchmark]
	fn report_missing_manifest(f: Linear<1, 8>) {
		let operator = caller();
		let lease = starting_lease(&rich("tenant", 0), operator.clone());
		for n in 1..f {
			crate::Escrow::deposit(signed(&rich("funder", n)), lease, 50 * MAX_RATE).unwrap();
		}
		at(now() + 10);
		#[block]
		{
			Market::report_missing_manifest(signed(&operator), lease).unwrap();
		}
		assert!(is_closed(lease));
	}

	#[benchmark]
	fn pause_lease(f: Linear<1, 8>) {
		let operator = caller();
		let lease = active_lease(&rich("tenant", 0), operator.clone(), f);
		run_dry(lease);
		#[block]
		{
			Market::pause_lease(signed(&operator), lease).unwrap();
		}
	}

	#[benchmark]
	fn resume_lease() {
		let operator = caller();
		let lease = active_lease(&rich("tenant", 0), operator.clone(), 8);
		Market::pause_lease(signed(&operator), lease).unwrap();
		#[block]
		{
			Market::resume_lease(signed(&operator), lease).unwrap();
		}
	}

	#[benchmark]
	fn reclaim_lease(f: Linear<1, 8>) {
		let operator = caller();
		let lease = active_lease(&rich("tenant", 0), operator.clone(), f);
		run_dry(lease);
		#[block]
		{
			Market::reclaim_lease(signed(&operator), lease).unwrap();
		}
	}

	#[benchmark]
	fn abandon_lease(f: Linear<1, 8>) {
		let operator = caller();
		let lease = active_lease(&rich("tenant", 0), operator.clone(), f);
		run_dry(lease);
		go_offline();
		#[block]
		{
			Market::abandon_lease(signed(&operator), lease).unwrap();
		}
		assert!(is_closed(lease));
	}

	#[benchmark]
	fn report_offline(f: Linear<1, 8>) {
		let reporter = caller();
		let lease = active_lease(&rich("tenant", 0), rich("operator", 0), f);
		run_dry(lease);
		go_offline();
		#[block]
		{
			Market::report_offline(signed(&reporter), lease).unwrap();
		}
		assert!(is_closed(lease));
	}

	#[benchmark]
	fn update_manifest() {
		let tenant = caller();
		let lease = active_lease(&tenant, rich("operator", 0), 1);
		#[block]
		{
			Market::update_manifest(signed(&tenant), lease, [2; 32]).unwrap();
		}
	}

	#[benchmark]
	fn propose_resize() {
		let tenant = caller();
		let lease = active_lease(&tenant, rich("operator", 0), 1);
		#[block]
		{
			Market::propose_resize(signed(&tenant), lease, resources(2)).unwrap();
		}
	}

	#[benchmark]
	fn accept_resize(f: Linear<1, 8>) {
		let (tenant, operator) = (rich("tenant", 0), caller());
		let lease = active_lease(&tenant, operator.clone(), f);
		Market::propose_resize(signed(&tenant), lease, resources(2)).unwrap();
		let before = held(lease);
		let last = rich("funder", f.saturating_sub(1));
		let last = if f == 1 { tenant } else { last };
		crate::Escrow::deposit(signed(&last), lease, 1_000 * MAX_RATE).unwrap();
		serve(lease, before);
		#[block]
		{
			Market::accept_resize(signed(&operator), lease, resources(2)).unwrap();
		}
	}

	#[benchmark]
	fn revoke_access() {
		let tenant = caller();
		let lease = active_lease(&tenant, rich("operator", 0), 1);
		// A closed one is looked for last.
		Market::close_lease(signed(&tenant), lease).unwrap();
		#[block]
		{
			Market::revoke_access(signed(&tenant), lease).unwrap();
		}
	}

	#[benchmark]
	fn set_terms() {
		#[block]
		{
			Market::set_terms(root(), Terms::V1(TermsV1::default())).unwrap();
		}
	}

	/// Clears an order into `l` leases, after `b` better bids that fail its last requirement.
	#[benchmark]
	fn visit_order(l: Linear<1, 8>, b: Linear<0, 8>) {
		short_terms();
		let tenant = rich("tenant", 0);
		let (id, _) = order_with_bids(&tenant, l, b, Selection::BestBid);
		let first = pallet_market::NextLeaseId::<Runtime>::get();
		#[block]
		{
			Market::visit(AgendaItem::Order(id)).unwrap();
		}
		assert_eq!(
			pallet_market::NextLeaseId::<Runtime>::get() - first,
			u64::from(l)
		);
	}

	/// Ends an order whose tenant picked none of the `l` bids that would have filled it, after `b` better ones that
	/// fail its last requirement: it is filled, and all of that undone.
	#[benchmark]
	fn visit_unpicked(l: Linear<1, 8>, b: Linear<0, 8>) {
		short_terms();
		let tenant = rich("tenant", 0);
		let (id, _) = order_with_bids(&tenant, l, b, Selection::Manual);
		#[block]
		{
			Market::visit(AgendaItem::Order(id)).unwrap();
		}
		assert!(!pallet_market::Orders::<Runtime>::contains_key(id));
		let paid = pallet_market::Event::OrderExpired {
			order: id,
			fee: pallet_market::TermsV1::default().cancel_fee,
		};
		frame_system::Pallet::<Runtime>::assert_last_event(paid.into());
	}

	/// The dearest visit of a lease with `f` funders: all are due, and the provider is offline.
	#[benchmark]
	fn visit_lease(f: Linear<1, 8>) {
		let lease = active_lease(&rich("tenant", 0), rich("operator", 0), f);
		run_dry(lease);
		go_offline();
		#[block]
		{
			Market::visit(AgendaItem::Lease(lease)).unwrap();
		}
		assert!(is_closed(lease));
	}

	/// The last visit of a dry lease that `f` funders have paid the storage of: a refill is taken, and given
	/// back when its provider has not got the capacity any more.
	#[benchmark]
	fn visit_dry(f: Linear<1, 8>) {
		let tenant = rich("tenant", 0);
		let lease = active_lease(&tenant, rich("operator", 0), 1);
		run_dry(lease);
		Market::visit(AgendaItem::Lease(lease)).unwrap();
		let stream = || pallet_escrow::StreamsOf::<Runtime>::get(lease).unwrap();
		let amount = stream().storage_rate;
		for n in 1..f {
			crate::Escrow::deposit(signed(&rich("funder", n)), lease, amount).unwrap();
		}
		let refill = pallet_escrow::Refill {
			amount: 1_000 * MAX_RATE,
			budget: 1_000 * MAX_RATE,
		};
		crate::Escrow::set_refill(signed(&tenant), lease, Some(refill)).unwrap();
		shrink(provider_of_lease(lease));
		while stream().funded_blocks(Providers::served(provider_of_lease(lease))) > 0 {
			serve(lease, MAX_RATE);
		}
		assert_eq!(stream().funders.len(), f as usize);
		assert!(matches!(stream().phase, pallet_escrow::Phase::Stored(_)));
		#[block]
		{
			Market::visit(AgendaItem::Lease(lease)).unwrap();
		}
		assert!(is_closed(lease));
	}

	/// One record's part of the migration to version 2: an order with all bids that it may have.
	#[benchmark]
	fn to_v2() {
		let id = order_of_v1();
		let each = <Runtime as pallet_market::Config>::WeightInfo::to_v2();
		#[block]
		{
			let meter = &mut WeightMeter::with_limit(each);
			let _ = ToV2::<Runtime, Balances>::step(None, meter);
		}
		let order = pallet_market::Orders::<Runtime>::get(id).unwrap();
		assert_eq!(order.bids.len(), 16);
	}

	#[benchmark]
	fn visit_closed() {
		let tenant = rich("tenant", 0);
		let lease = active_lease(&tenant, rich("operator", 0), 1);
		Market::close_lease(signed(&tenant), lease).unwrap();
		#[block]
		{
			Market::visit(AgendaItem::Closed(lease)).unwrap();
		}
		assert!(!is_closed(lease));
	}

	/// The dearest visit of a provider's watch: it is offline, and eight leases are called up.
	#[benchmark]
	fn visit_watch() {
		short_terms();
		let tenant = rich("tenant", 0);
		let id = provider(0, &tenant);
		for n in 0..8 {
			let spec = OrderV1 {
				manifest_hash: [n; 32],
				allowed: Default::default(),
				quantity: Quantity::ONE,
				..order(1)
			};
			let lease = pallet_market::NextLeaseId::<Runtime>::get();
			let order = place(&tenant, spec);
			bid(id, order, MAX_RATE);
			Market::visit(AgendaItem::Order(order)).unwrap();
			let operator = operator(id);
			Market::start_lease(signed(&operator), lease).unwrap();
			pallet_market::Leases::<Runtime>::mutate(lease, |lease| {
				lease.as_mut().unwrap().due = now() + 100_000;
			});
		}
		go_offline();
		#[block]
		{
			Market::visit(AgendaItem::Watch(id)).unwrap();
		}
		let lease = pallet_market::NextLeaseId::<Runtime>::get() - 1;
		assert_eq!(provider_of_lease(lease), id);
		let due = pallet_market::Leases::<Runtime>::get(lease).unwrap().due;
		assert_eq!(due, now() + 1);
	}

	/// What an order of `a` auditors' adds to the check of one bid.
	#[benchmark]
	fn eligible(a: Linear<0, 8>) {
		short_terms();
		let tenant = caller();
		let id = provider(0, &tenant);
		attest(id, a);
		let spec = OrderV1 {
			attestors: attestors(a),
			..order(1)
		};
		let demand = leasehold_primitives::Demand {
			tenant: &tenant,
			resources: &spec.resources,
			attributes: &spec.attributes,
			all_of: &spec.attestors.all_of,
			any_of: &spec.attestors.any_of,
			slice: 1,
			standing: true,
		};
		let found;
		#[block]
		{
			found = Providers::eligible(id, &demand);
		}
		assert!(found.is_ok());
	}

	impl_benchmark_test_suite!(
		Pallet,
		crate::benchmarks::setting::externalities(),
		crate::Runtime
	);
}
