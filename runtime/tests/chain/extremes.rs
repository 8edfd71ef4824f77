//! Lists as long as they may be, the smallest and the greatest prices, parties that are the same, a bond
//! that is too small.

use crate::harness::*;
use frame_support::{assert_noop, assert_ok};
use leasehold_primitives::{
	CloseReason, GpuUnits, GpuVendor, LeaseId, PersistentStorage, PriceSheet, PriceSheetV1,
	Requirement, Resources, StorageClass,
};
use leasehold_runtime::{
	invariants, AccountId, Balances, Escrow, Market, Providers, Runtime, RuntimeOrigin, LEASE,
};
use pallet_escrow::Refill;
use pallet_market::{
	Attestors, ClosedLeases, Event, Leases, Order, OrderV1, Orders, Quantity, Terms, TermsV1,
};
use pallet_providers::{ProviderInfoV1, Status};

type Spec = OrderV1<AccountId>;
type E = pallet_market::Error<Runtime>;

#[test]
fn a_sheet_of_the_greatest_prices_offers_nothing() {
	run(|| {
		register(0);
		let lease_now = || Market::lease_now(signed("tenant"), Order::V1(by_offer(order(1))));
		for dear in [u128::MAX, u128::MAX / 999] {
			offer_cpu(dear);
			assert_noop!(lease_now(), E::NotOffered);
		}
		// A thousand units of a thousandth each: as dear as there is, and above any ceiling.
		offer_cpu(u128::MAX / 1_000);
		assert_noop!(lease_now(), E::RateTooHigh);
	});
}

/// A provider with this capacity and every attribute that an order may ask for.
fn eager(capacity: Resources) -> ProviderInfoV1 {
	ProviderInfoV1 {
		capacity,
		attributes: eight(),
		..info()
	}
}

fn eight() -> leasehold_primitives::Attributes {
	let keys: Vec<String> = (0..8).map(|n| format!("key{n}")).collect();
	let list: Vec<(&str, &str)> = keys.iter().map(|key| (key.as_str(), "value")).collect();
	attributes(&list)
}

fn by_hand(n: u32, order: u64, rate: u128) {
	let operator = signed(&format!("hand{n}"));
	Market::place_bid(operator, order, rate).unwrap();
}

#[test]
fn eight_leases_on_eight_providers_with_every_list_full() {
	run(|| {
		crowd(16, || eager(machine()));
		let auditors = ["f1", "f2", "f3", "f4", "f5", "owner0", "owner1", "owner2"];
		for provider in 0..16 {
			// All of the first four, and the last of the others.
			for auditor in [0, 1, 2, 3, 7] {
				let who = signed(auditors[auditor]);
				Providers::attest(who, provider, eight(), 200).unwrap();
			}
			let mut tenants: Vec<AccountId> =
				(0..31).map(|n| account(&format!("served{n}"))).collect();
			tenants.push(account("tenant"));
			let owner = signed(&format!("many{provider}"));
			Providers::set_served(owner, Some(tenants.try_into().unwrap())).unwrap();
		}
		let some = |names: &[&str]| {
			let all: Vec<AccountId> = names.iter().map(|name| account(name)).collect();
			all.try_into().unwrap()
		};
		let id = place(Spec {
			attributes: eight(),
			attestors: Attestors {
				all_of: some(&auditors[..4]),
				any_of: some(&auditors[4..]),
			},
			allowed: (0..16).collect::<Vec<_>>().try_into().unwrap(),
			quantity: Quantity {
				leases: 8,
				at_least: 8,
				spread: true,
			},
			..order(1)
		});
		for n in 0..16 {
			by_hand(n, id, 1_000 + u128::from(n));
		}
		to_block(now() + 5);
		let providers: Vec<u32> = (0..8).map(|id| lease(id).provider).collect();
		assert_eq!(providers, (0..8).collect::<Vec<_>>());
		for n in 0..8u32 {
			let operator = signed(&format!("hand{n}"));
			assert_ok!(plain(Market::start_lease(operator, n.into())));
		}
		to_block(now() + 5);
		for id in 0..8 {
			assert_ok!(plain(Market::close_lease(signed("tenant"), id)));
			assert_eq!(closed(id).paid, 5 * (1_000 + u128::from(id)));
		}
	});
}

#[test]
fn eight_leases_on_one_provider() {
	run(|| {
		register(0);
		let mut spec = order(1);
		spec.resources = Resources {
			cpu: 500,
			memory: 1_024,
			unit_cpu: 500,
			unit_memory: 1_024,
			..Default::default()
		};
		spec.quantity = Quantity {
			leases: 8,
			at_least: 8,
			spread: false,
		};
		set_market(|terms| terms.max_open_bids = 8);
		let id = place(spec);
		bid(0, id, 1_000).unwrap();
		to_block(now() + 5);
		assert_eq!(provider(0).leases, 8);
		assert_eq!(provider(0).reserved.cpu, 4_000);
		for id in 0..8 {
			Market::start_lease(signed("operator0"), id).unwrap();
			Market::close_lease(signed("tenant"), id).unwrap();
		}
		assert_eq!(provider(0).leases, 0);
	});
}

#[test]
fn eight_funders_are_consumed_in_their_order() {
	run(|| {
		let id = active_lease(MAX_RATE);
		// The tenant's own pays for 98 blocks beyond the reserve; each of the others for ten.
		let others = ["friend", "stranger", "f1", "f2", "f3", "f4", "f5"];
		for who in others {
			assert_ok!(Escrow::deposit(signed(who), id, 10 * MAX_RATE));
		}
		assert_noop!(
			Escrow::deposit(signed("owner2"), id, LEASE),
			pallet_escrow::Error::<Runtime>::TooManyFunders
		);
		to_block_on_duty(now() + 135, 0);
		settle(id);
		let left: Vec<u128> = stream(id).funders.iter().map(|f| f.held).collect();
		let tens = [0, 0, 0, 5, 10, 10, 10].map(|blocks| blocks * MAX_RATE);
		assert_eq!(left[0], 0, "the tenant's is consumed first");
		assert_eq!(&left[1..], tens);
		// Three places are free again.
		assert_ok!(Escrow::deposit(signed("owner2"), id, LEASE));
		assert_eq!(stream(id).funders.len(), 6);
		assert_ok!(plain(Market::close_lease(signed("tenant"), id)));
		assert_eq!(held("f2") + held("f5") + held("owner2"), 0);
	});
}

/// A machine with four sorts of GPU and four classes of storage, and all of it.
fn rich_machine() -> Resources {
	let classes = [
		StorageClass::Hdd,
		StorageClass::Ssd,
		StorageClass::Nvme,
		StorageClass::Ram,
	];
	let disks: Vec<_> = classes
		.into_iter()
		.map(|class| PersistentStorage {
			class,
			size: 1_000_000,
		})
		.collect();
	let gpus: Vec<_> = (0..4)
		.map(|n| GpuUnits {
			vendor: GpuVendor::Nvidia,
			model: Some(vec![b'a' + n; 24].try_into().unwrap()),
			memory: Some(81_920),
			units: 8,
		})
		.collect();
	Resources {
		persistent: disks.try_into().unwrap(),
		gpu: gpus.try_into().unwrap(),
		ports: 100,
		ips: 4,
		..machine()
	}
}

/// Bytes of market and escrow, keys and values. Pages of the agenda are shared by many: an entry in one is
/// what a lease adds to it.
fn state_bytes() -> usize {
	let pairs = state_of(&["Market", "Escrow"]).into_iter();
	pairs.map(|(key, value)| key.len() + value.len()).sum()
}

#[test]
fn the_largest_lease_at_rest_is_not_much_larger() {
	run(|| {
		crowd(1, || eager(rich_machine()));
		// The first has the watch, the counters and the cursors made.
		let lease_by_hand = |spec: Spec| -> LeaseId {
			let lease = pallet_market::NextLeaseId::<Runtime>::get();
			let id = place(spec);
			by_hand(0, id, 1_000_000);
			to_block(now() + 5);
			Market::start_lease(signed("hand0"), lease).unwrap();
			lease
		};
		let small = || Spec {
			attributes: Default::default(),
			..order(1)
		};
		let first = lease_by_hand(small());
		let before = state_bytes();
		let plain_one = lease_by_hand(Spec {
			manifest_hash: [2; 32],
			..small()
		});
		let entry = pallet_agenda::Entry {
			item: leasehold_primitives::AgendaItem::Lease(plain_one),
			failures: 0,
		};
		let entry = codec::Encode::encoded_size(&entry);
		let usual = state_bytes() - before + entry;
		for id in [first, plain_one] {
			Market::close_lease(signed("tenant"), id).unwrap();
		}
		to_block(now() + market_terms().closed_retention + 1);
		let before = state_bytes();
		let largest = lease_by_hand(Spec {
			access: Some(account("friend")),
			resources: rich_machine(),
			attributes: eight(),
			notice: 90,
			max_rate: LEASE / 10,
			deposit: 10 * LEASE,
			manifest_hash: [3; 32],
			..order(3)
		});
		let refill = Refill {
			amount: LEASE,
			budget: 1_000 * LEASE,
		};
		Escrow::set_refill(signed("tenant"), largest, Some(refill)).unwrap();
		let most = state_bytes() - before + entry;
		println!("a lease at rest: {usual} bytes, the largest {most}");
		assert!(usual <= 512, "{usual}");
		assert!(most <= 800, "{most}");
		assert_eq!(lease(largest).taken.gpu.len(), 4);
	});
}

/// Every list of a provider and its sheet is full, and a lease takes of each entry.
#[test]
fn a_provider_with_every_list_full_is_leased_at_its_sheet() {
	run(|| {
		let full = || ProviderInfoV1 {
			gateways: vec![vec![b'u'; 128].try_into().unwrap(); 4]
				.try_into()
				.unwrap(),
			tls_keys: vec![[1; 32], [2; 32]].try_into().unwrap(),
			sealing_key: Some([3; 32]),
			..eager(rich_machine())
		};
		crowd(1, full);
		assert_ok!(Providers::update(
			signed("many0"),
			pallet_providers::ProviderInfo::V1(full())
		));
		let disks = rich_machine().persistent;
		let mut models: Vec<_> = (0..7)
			.map(|n| (vec![b'a' + n; 24].try_into().unwrap(), 1_000))
			.collect();
		models.push((Default::default(), 2_000));
		let sheet = PriceSheetV1 {
			cpu: 1_000,
			memory: 0,
			ephemeral: 0,
			persistent: disks
				.iter()
				.map(|disk| (disk.class, 1))
				.collect::<Vec<_>>()
				.try_into()
				.unwrap(),
			gpu: models.try_into().unwrap(),
			port: 1_000,
			ip: 1_000,
		};
		assert!(sheet.persistent.is_full() && sheet.gpu.is_full());
		assert_ok!(Providers::set_offer(
			signed("hand0"),
			Some(PriceSheet::V1(sheet))
		));
		let all = Spec {
			resources: rich_machine(),
			attributes: eight(),
			..by_offer(order(1))
		};
		assert_ok!(Market::lease_now(signed("tenant"), Order::V1(all)));
		// A planck a milli-CPU, a thousandth a MiB of four disks, a GPU, a port, an address.
		let cpu = u128::from(rich_machine().cpu);
		assert_eq!(stream(0).rate, cpu + 4 * 1_000 + 4 * 8 + 100 + 4);
		Market::start_lease(signed("hand0"), 0).unwrap();
		Market::close_lease(signed("tenant"), 0).unwrap();
	});
}

#[test]
fn eight_picks_are_the_most() {
	run(|| {
		crowd(8, info);
		let id = place(Spec {
			selection: pallet_market::Selection::Manual,
			quantity: Quantity {
				leases: 8,
				at_least: 8,
				spread: true,
			},
			..order(1)
		});
		for n in 0..8 {
			by_hand(n, id, 5);
		}
		let picks: pallet_market::Picks = (0..8).collect::<Vec<_>>().try_into().unwrap();
		assert!(picks.is_full());
		assert_ok!(Market::pick(signed("tenant"), id, picks));
		assert_eq!(Leases::<Runtime>::iter().count(), 8);
	});
}

#[test]
fn a_planck_a_block_is_a_price() {
	run(|| {
		register(0);
		let mut spec = order(1);
		(spec.max_rate, spec.deposit) = (1, 200);
		let id = lease_from(spec, 1);
		Market::start_lease(signed("operator0"), id).unwrap();
		let owner = free("owner0");
		for _ in 0..120 {
			next_block();
			let _ = beat(0);
			assert_ok!(plain(Escrow::deposit(signed("tenant"), id, 1)));
		}
		assert_ok!(plain(Market::close_lease(signed("tenant"), id)));
		let end = closed(id);
		assert_eq!((end.paid, end.fees, end.refunded), (120, 2, 200));
		assert_eq!(free("owner0") - owner, 118);
	});
}

#[test]
fn the_greatest_prices_are_refused_or_held_in_full() {
	run(|| {
		register(0);
		let place_at = |max_rate, deposit| {
			let spec = Spec {
				max_rate,
				deposit,
				..order(1)
			};
			Market::place_order(signed("tenant"), Order::V1(spec))
		};
		// The least deposit, or what is to be held in all, is beyond the type; or beyond what anybody has.
		let overflow = pallet_escrow::Error::<Runtime>::Overflow;
		assert_noop!(place_at(u128::MAX, u128::MAX), overflow);
		let overflow = pallet_escrow::Error::<Runtime>::Overflow;
		assert_noop!(place_at(u128::MAX / 30, u128::MAX), overflow);
		assert_noop!(place_at(LEASE, u128::MAX), E::Overflow);
		let dear = u128::MAX / 40;
		assert_noop!(place_at(dear, 32 * dear - 1), E::DepositTooLow);
		let nobody_has = pallet_escrow::Error::<Runtime>::InsufficientFunds;
		assert_noop!(place_at(dear, 33 * dear), nobody_has);
		let mut spec = order(1);
		spec.max_rate = 250 * LEASE;
		spec.deposit = 33 * spec.max_rate;
		let id = lease_from(spec, 250 * LEASE);
		assert_eq!(lease(id).slice, market_terms().max_slice, "capped");
		Market::start_lease(signed("operator0"), id).unwrap();
		to_block_on_duty(now() + 31, 0);
		assert_ok!(plain(Market::close_lease(signed("tenant"), id)));
		assert_eq!(closed(id).paid, 31 * 250 * LEASE);
	});
}

#[test]
fn a_lease_worth_more_than_all_money_is_paid_by_the_block() {
	// New money, which `run` would object to.
	externalities().execute_with(|| {
		let terms = TermsV1 {
			max_duration: u32::MAX / 2,
			..market_terms()
		};
		Market::set_terms(RuntimeOrigin::root(), Terms::V1(terms)).unwrap();
		let tenant = account("tenant").into();
		Balances::force_set_balance(RuntimeOrigin::root(), tenant, u128::MAX / 2).unwrap();
		register(0);
		let rate = u128::MAX / 128;
		let spec = Spec {
			max_rate: rate,
			deposit: 35 * rate,
			max_duration: u32::MAX / 2,
			..order(1)
		};
		assert_eq!(rate.checked_mul(spec.max_duration.into()), None);
		let id = lease_from(spec, rate);
		assert_eq!(lease(id).slice, market_terms().max_slice, "capped");
		assert_ok!(plain(Market::start_lease(signed("operator0"), id)));
		assert!(invariants::check().is_ok());
		to_block_on_duty(now() + 4, 0);
		settle(id);
		assert_eq!(stream(id).paid, 4 * rate);
		assert_ok!(plain(Market::close_lease(signed("tenant"), id)));
		assert_eq!(
			(closed(id).paid, closed(id).refunded),
			(4 * rate, 31 * rate)
		);
		invariants::check().unwrap();
	});
}

#[test]
fn a_sheet_without_prices_costs_a_planck_a_block() {
	run(|| {
		register(0);
		offer_cpu(0);
		to_block(now() + 10);
		beat(0).unwrap();
		assert_ok!(Market::lease_now(
			signed("tenant"),
			Order::V1(by_offer(order(1)))
		));
		assert_eq!(stream(0).rate, 1);
	});
}

#[test]
fn a_provider_that_leaves_serves_its_leases_to_their_end() {
	run(|| {
		let id = active_lease(1_000);
		Providers::deregister(signed("owner0")).unwrap();
		let Status::Unbonding { until, .. } = provider(0).status else {
			panic!("it leaves");
		};
		to_block_on_duty(until + 20, 0);
		assert_eq!(held("owner0"), 1_000 * LEASE, "the bond backs the lease");
		assert_ok!(plain(Market::close_lease(signed("tenant"), id)));
		assert!(closed(id).paid > 100_000);
		to_block(now() + providers_terms().unbonding_period);
		assert_eq!(held("owner0"), 0);
		assert!(!pallet_providers::Providers::<Runtime>::contains_key(0));
	});
}

#[test]
fn a_bond_below_the_least_binds_old_leases_and_makes_no_new_ones() {
	run(|| {
		crowd(1, || eager(machine()));
		let spec = |manifest| Spec {
			attributes: Default::default(),
			..order(manifest)
		};
		let mut ids = Vec::new();
		for manifest in [1, 2] {
			let lease = pallet_market::NextLeaseId::<Runtime>::get();
			let id = place(spec(manifest));
			by_hand(0, id, 1_000);
			to_block(now() + 5);
			Market::start_lease(signed("hand0"), lease).unwrap();
			ids.push(lease);
		}
		let id = place(spec(3));
		by_hand(0, id, 1_000);
		Market::abandon_lease(signed("hand0"), ids[0]).unwrap();
		assert!(provider(0).bond < providers_terms().min_bond);
		to_block(now() + 5);
		let skipped = Event::BidSkipped {
			order: id,
			provider: 0,
			requirement: Requirement::Bond,
		};
		assert!(market_events().contains(&skipped));
		assert!(!Orders::<Runtime>::contains_key(id));
		let next = place(spec(4));
		let again = || plain(Market::place_bid(signed("hand0"), next, 1_000));
		assert_noop!(again(), E::NotEligible);
		assert!(
			Leases::<Runtime>::contains_key(ids[1]),
			"the other one goes on"
		);
		Market::complete_lease(signed("hand0"), ids[1], 0, [0; 32]).unwrap();
		let reason = closed(ids[1]).reason;
		assert!(matches!(reason, CloseReason::Completed { .. }));
		to_block(now() + market_terms().closed_retention + 50);
		assert_eq!(ClosedLeases::<Runtime>::iter().count(), 0);
	});
}
