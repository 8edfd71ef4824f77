//! Standing offers and instant leases, private pools, picking by hand, orders for several leases,
//! attestations, and changes of a running lease.

use crate::harness::*;
use frame_support::{assert_noop, assert_ok, dispatch::DispatchResult};
use leasehold_primitives::{
	pricing, LeaseId, OrderId, PriceSheet, PriceSheetV1, Requirement, Resources,
};
use leasehold_runtime::{AccountId, Market, Providers, Runtime, RuntimeOrigin, System, LEASE};
use pallet_market::{
	Attestors, Error, Event, LeaseState, Leases, OpenItem, Order, OrderV1, Orders, Quantity,
	Selection,
};
use sp_runtime::DispatchError::BadOrigin;

type E = Error<Runtime>;
type P = pallet_providers::Error<Runtime>;
type Spec = OrderV1<AccountId>;

fn sheet(cpu: u128) -> PriceSheet {
	PriceSheet::V1(PriceSheetV1 {
		cpu,
		memory: 1_000,
		ephemeral: 0,
		..Default::default()
	})
}

/// An order for provider 0's offer in its first version.
fn instant(manifest: u8) -> Spec {
	Spec {
		selection: Selection::Offer {
			provider: 0,
			version: 1,
		},
		bidding: 0,
		..order(manifest)
	}
}

fn now_by(who: &str, spec: Spec) -> DispatchResult {
	Market::lease_now(signed(who), Order::V1(spec))
}

fn offering() {
	register(0);
	Providers::set_offer(signed("operator0"), Some(sheet(10_000))).unwrap();
}

#[test]
fn an_offer_is_leased_at_once() {
	run(|| {
		offering();
		let before = held("tenant");
		assert_ok!(now_by("tenant", instant(1)));
		let made = lease(0);
		// 1,000 milli-CPU at 10 planck and 1,024 MiB at 1.
		assert_eq!(stream(0).rate, 11_024);
		assert_eq!(made.slice, 100 * 11_024);
		assert!(matches!(made.state, LeaseState::Starting { .. }));
		let record = market_terms().record_deposit;
		assert_eq!(held("tenant") - before, order(1).deposit + record);
		Market::start_lease(signed("operator0"), 0).unwrap();
		// A new price is for new leases.
		Providers::set_offer(signed("owner0"), Some(sheet(20_000))).unwrap();
		to_block_on_duty(now() + 5, 0);
		settle(0);
		assert_eq!(stream(0).paid, 5 * 11_024);
	});
}

#[test]
fn an_instant_lease_is_refused_with_the_right_error() {
	run(|| {
		register(0);
		let with = |edit: fn(&mut Spec)| {
			let mut spec = instant(1);
			edit(&mut spec);
			now_by("tenant", spec)
		};
		let none = RuntimeOrigin::none();
		assert_noop!(Market::lease_now(none, Order::V1(instant(1))), BadOrigin);
		assert_noop!(with(|_| {}), E::NoOffer);
		Providers::set_offer(signed("operator0"), Some(sheet(10_000))).unwrap();
		assert_noop!(
			with(|o| o.selection = Selection::BestBid),
			E::WrongSelection
		);
		assert_noop!(with(|o| o.bidding = 1), E::InvalidBidding);
		assert_noop!(with(|o| o.max_rate = 11_023), E::RateTooHigh);
		assert_noop!(with(|o| o.deposit = 11_024 * 30), E::DepositTooLow);
		assert_noop!(with(|o| o.resources.cpu = 5_000), E::NotEligible);
		assert_noop!(with(|o| o.quantity.leases = 2), E::InvalidQuantity);
		assert_noop!(
			with(|o| o.deposit = ENDOWMENT),
			pallet_escrow::Error::<Runtime>::InsufficientFunds
		);
		let other = Selection::Offer {
			provider: 9,
			version: 1,
		};
		let mut spec = instant(1);
		spec.selection = other;
		assert_noop!(now_by("tenant", spec), E::NoOffer);
		assert_noop!(
			Market::place_order(signed("tenant"), Order::V1(instant(1))),
			E::InvalidBidding
		);
		// The price is raised in front of the tenant: it does not pay more than it agreed to.
		Providers::set_offer(signed("operator0"), Some(sheet(90_000))).unwrap();
		assert_noop!(with(|_| {}), E::OfferChanged);
		Providers::set_offer(signed("operator0"), None).unwrap();
		assert_noop!(with(|_| {}), E::NoOffer);
	});
	run(|| {
		offering();
		System::set_block_number(now() + 16);
		assert_noop!(now_by("tenant", instant(1)), E::NotOnDuty);
		assert_ok!(beat(0));
		assert_ok!(now_by("tenant", instant(1)));
		assert_noop!(now_by("tenant", instant(1)), E::ManifestInUse);
	});
}

#[test]
fn offers_are_set_by_their_provider() {
	run(|| {
		register(0);
		let set = |who: &str, sheet| Providers::set_offer(signed(who), sheet);
		assert_noop!(Providers::set_offer(RuntimeOrigin::root(), None), BadOrigin);
		assert_noop!(set("tenant", Some(sheet(1))), P::NotProvider);
		assert_noop!(set("owner0", None), P::NothingToDo);
		assert_ok!(set("owner0", Some(sheet(1))));
		assert_ok!(set("operator0", Some(sheet(2))));
		assert_ok!(set("operator0", None));
		assert_eq!(provider(0).offer_version, 3);
	});
}

#[test]
fn private_pools_bind_both_sides() {
	run(|| {
		register(0);
		register(1);
		let mut spec = order(1);
		spec.allowed = vec![1].try_into().unwrap();
		let id = place(spec);
		assert_noop!(bid(0, id, 5), E::NotEligible);
		assert_ok!(bid(1, id, 5));
		let serve = |who: &str, whom: Option<Vec<&str>>| {
			let whom = whom.map(|names| {
				names
					.into_iter()
					.map(account)
					.collect::<Vec<_>>()
					.try_into()
					.unwrap()
			});
			Providers::set_served(signed(who), whom)
		};
		assert_noop!(
			Providers::set_served(RuntimeOrigin::root(), None),
			BadOrigin
		);
		assert_noop!(serve("tenant", None), P::NotProvider);
		assert_ok!(serve("operator0", Some(vec!["friend"])));
		let id = place(order(2));
		assert_noop!(bid(0, id, 5), E::NotEligible);
		assert_ok!(serve("owner0", Some(vec!["friend", "tenant"])));
		assert_ok!(bid(0, id, 5));
		assert_noop!(serve("owner0", None), P::BidsStand);
		Market::withdraw_bid(signed("operator0"), id).unwrap();
		assert_ok!(serve("owner0", None));
	});
}

/// The runners-up of an order's leases.
fn runners_up(of: OrderId) -> Vec<Option<u32>> {
	let events = market_events().into_iter();
	let matched = events.filter_map(|event| match event {
		Event::OrderMatched {
			order, runner_up, ..
		} if order == of => Some(runner_up.map(|other| other.provider)),
		_ => None,
	});
	matched.collect()
}

fn pick(who: &str, order: OrderId, providers: &[u32]) -> DispatchResult {
	let picks = providers.to_vec().try_into().unwrap();
	plain(Market::pick(signed(who), order, picks))
}

#[test]
fn the_tenant_picks_by_hand_or_pays_the_fee() {
	run(|| {
		for n in 0..3 {
			register(n);
		}
		let manual = |manifest| Spec {
			selection: Selection::Manual,
			..order(manifest)
		};
		let id = place(manual(1));
		bid(0, id, 5).unwrap();
		bid(1, id, 9).unwrap();
		let root = RuntimeOrigin::root();
		assert_noop!(Market::pick(root, id, Default::default()), BadOrigin);
		assert_noop!(pick("friend", id, &[1]), E::NotTenant);
		assert_noop!(pick("tenant", id + 1, &[1]), E::UnknownOrder);
		assert_noop!(pick("tenant", id, &[]), E::InvalidQuantity);
		assert_noop!(pick("tenant", id, &[0, 1]), E::InvalidQuantity);
		assert_noop!(pick("tenant", id, &[2]), E::NoBid);
		let two = place(Spec {
			selection: Selection::Manual,
			..several(9, 2, 1, true)
		});
		bid(0, two, 5).unwrap();
		bid(1, two, 9).unwrap();
		bid(2, two, 7).unwrap();
		assert_noop!(pick("tenant", two, &[1, 1]), E::InvalidQuantity);
		assert_ok!(pick("tenant", two, &[1, 2]));
		assert_eq!(
			runners_up(two),
			[Some(0), Some(0)],
			"the best that was not picked"
		);
		assert_eq!((lease(0).provider, lease(1).provider), (2, 1));
		for lease in [0, 1] {
			Market::close_lease(signed("tenant"), lease).unwrap();
		}
		to_block(now() + 8);
		assert!(
			Orders::<Runtime>::contains_key(id),
			"bidding is over, picking is not"
		);
		assert_ok!(pick("tenant", id, &[1]));
		assert_eq!((lease(2).provider, stream(2).rate), (1, 9));
		Market::close_lease(signed("tenant"), 2).unwrap();
		let best = place(order(2));
		bid(0, best, 5).unwrap();
		assert_noop!(pick("tenant", best, &[0]), E::WrongSelection);
		Market::cancel_order(signed("tenant"), best).unwrap();

		let id = place(manual(3));
		bid(0, id, 5).unwrap();
		let before = free("tenant") + held("tenant");
		to_block(now() + 15);
		let fee = market_terms().cancel_fee;
		System::assert_has_event(Event::OrderExpired { order: id, fee }.into());
		assert_eq!(before - free("tenant") - held("tenant"), fee);
		let lonely = place(manual(4));
		to_block(now() + 15);
		System::assert_has_event(
			Event::OrderExpired {
				order: lonely,
				fee: 0,
			}
			.into(),
		);
	});
}

#[test]
fn a_pick_that_is_no_longer_eligible_is_refused_and_not_picking_it_costs_nothing() {
	run(|| {
		register(0);
		let id = place(Spec {
			selection: Selection::Manual,
			..order(1)
		});
		bid_and_fill_up(id, 5);
		assert_noop!(pick("tenant", id, &[0]), E::NotEligible);
		assert_noop!(pick("tenant", id, &[0]), E::NotEligible);
		to_block(now() + 15);
		System::assert_has_event(Event::OrderExpired { order: id, fee: 0 }.into());
	});
}

fn several(manifest: u8, leases: u8, at_least: u8, spread: bool) -> Spec {
	Spec {
		quantity: Quantity {
			leases,
			at_least,
			spread,
		},
		..order(manifest)
	}
}

#[test]
fn an_order_for_several_leases_is_filled_on_distinct_providers() {
	run(|| {
		for n in 0..3 {
			register(n);
		}
		let record = market_terms().record_deposit;
		let id = place(several(1, 2, 2, true));
		assert_eq!(held("tenant"), 2 * (order(1).deposit + record));
		for (n, rate) in [(0, 7), (1, 5), (2, 9)] {
			bid(n, id, rate).unwrap();
		}
		to_block(now() + 5);
		assert_eq!((lease(0).provider, lease(1).provider), (1, 0));
		assert_eq!(runners_up(id), [Some(2), Some(2)], "the best that got none");
		assert_eq!(held("tenant"), 2 * (order(1).deposit + record));
		let item = pallet_market::OpenManifests::<Runtime>::iter_values()
			.next()
			.unwrap();
		let OpenItem::Leases { leases, .. } = item else {
			panic!()
		};
		assert_eq!(leases.to_vec(), [0, 1]);
		// The hash is theirs until the last of them is closed.
		Market::close_lease(signed("tenant"), 0).unwrap();
		assert_noop!(
			Market::place_order(signed("tenant"), Order::V1(order(1))),
			E::ManifestInUse
		);
		Market::close_lease(signed("tenant"), 1).unwrap();
		assert_ok!(Market::place_order(signed("tenant"), Order::V1(order(1))));
	});
}

#[test]
fn too_few_bids_fill_nothing_unless_fewer_will_do() {
	run(|| {
		register(0);
		register(1);
		let before = free("tenant");
		let id = place(several(1, 3, 3, true));
		bid(0, id, 5).unwrap();
		bid(1, id, 5).unwrap();
		to_block(now() + 5);
		System::assert_has_event(Event::OrderExpired { order: id, fee: 0 }.into());
		assert_eq!(free("tenant"), before);
		assert_eq!(Leases::<Runtime>::iter().count(), 0);
		assert_eq!(
			pallet_market::NextLeaseId::<Runtime>::get(),
			0,
			"no trace of the attempt"
		);
		let id = place(several(2, 3, 2, true));
		bid(0, id, 5).unwrap();
		bid(1, id, 5).unwrap();
		to_block(now() + 5);
		assert_eq!(Leases::<Runtime>::iter().count(), 2);
		let record = market_terms().record_deposit;
		assert_eq!(held("tenant"), 2 * (order(1).deposit + record));
	});
	run(|| {
		register(0);
		let id = place(several(1, 3, 2, false));
		bid(0, id, 5).unwrap();
		to_block(now() + 5);
		assert_eq!(
			Leases::<Runtime>::iter().count(),
			3,
			"one provider takes all three"
		);
		for id in 0..3 {
			Market::start_lease(signed("operator0"), id).unwrap();
		}
	});
}

#[test]
fn quantities_are_bounded() {
	run(|| {
		let place = |l, k| Market::place_order(signed("tenant"), Order::V1(several(1, l, k, true)));
		for (leases, at_least) in [(0, 0), (0, 1), (1, 0), (9, 1), (2, 3)] {
			assert_noop!(place(leases, at_least), E::InvalidQuantity);
		}
		let mut spec = order(1);
		spec.notice = 101;
		assert_noop!(
			Market::place_order(signed("tenant"), Order::V1(spec)),
			E::InvalidNotice
		);
	});
}

#[test]
fn not_picking_costs_nothing_if_the_bids_could_not_have_filled_the_order() {
	run(|| {
		register(0);
		let mut spec = several(1, 3, 3, false);
		(spec.resources.cpu, spec.resources.unit_cpu) = (3_000, 3_000);
		spec.selection = Selection::Manual;
		// There is room for one of three.
		let id = place(spec);
		bid(0, id, 5).unwrap();
		let before = state_of(&["Providers"]).len();
		to_block(now() + 5 + market_terms().selection_deadline);
		System::assert_has_event(Event::OrderExpired { order: id, fee: 0 }.into());
		assert_eq!((provider(0).leases, provider(0).slices), (0, 0));
		assert_eq!(state_of(&["Providers"]).len(), before);
		assert_eq!(Leases::<Runtime>::iter().count(), 0);
	});
}

#[test]
fn a_skipped_bid_is_named_even_if_nothing_is_filled() {
	run(|| {
		register(0);
		let id = place(order(1));
		bid_and_fill_up(id, 5);
		to_block(now() + 5);
		System::assert_has_event(
			Event::BidSkipped {
				order: id,
				provider: 0,
				requirement: Requirement::Cpu,
			}
			.into(),
		);
	});
}

#[test]
fn attestations_are_asked_for_and_expire() {
	run(|| {
		register(0);
		let attest = |who: &str, provider, life| {
			Providers::attest(
				signed(who),
				provider,
				attributes(&[("region", "eu"), ("tier", "3")]),
				life,
			)
		};
		let audited = |manifest, all: &[&str], any: &[&str]| {
			let list = |names: &[&str]| {
				names
					.iter()
					.map(|n| account(n))
					.collect::<Vec<_>>()
					.try_into()
					.unwrap()
			};
			Spec {
				attestors: Attestors {
					all_of: list(all),
					any_of: list(any),
				},
				..order(manifest)
			}
		};
		let root = RuntimeOrigin::root();
		assert_noop!(
			Providers::attest(root, 0, attributes(&[("a", "b")]), 5),
			BadOrigin
		);
		assert_noop!(attest("f1", 9, 5), P::UnknownProvider);
		assert_noop!(attest("f1", 0, 0), P::InvalidAttestation);
		assert_noop!(attest("f1", 0, 301), P::InvalidAttestation);
		assert_noop!(
			Providers::attest(signed("f1"), 0, Default::default(), 5),
			P::InvalidAttestation
		);
		assert_noop!(attest("nobody", 0, 5), P::InsufficientFunds);

		let id = place(audited(1, &["f1"], &["f2", "f3"]));
		assert_noop!(bid(0, id, 5), E::NotEligible);
		assert_ok!(attest("f1", 0, 50));
		assert_noop!(bid(0, id, 5), E::NotEligible);
		assert_ok!(attest("f3", 0, 50));
		assert_ok!(bid(0, id, 5));
		// Revoked before the match: the bid no longer stands.
		let revoke = |who: &str, id| Providers::revoke_attestation(signed(who), id);
		assert_noop!(
			Providers::revoke_attestation(RuntimeOrigin::root(), 1),
			BadOrigin
		);
		assert_noop!(revoke("f1", 1), P::NotAuditor);
		assert_noop!(revoke("f1", 7), P::UnknownAttestation);
		assert_ok!(revoke("f3", 1));
		assert_eq!(held("f3"), 0);
		to_block(now() + 5);
		let requirement = Requirement::Attestations;
		System::assert_has_event(
			Event::BidSkipped {
				order: id,
				provider: 0,
				requirement,
			}
			.into(),
		);

		// A second statement replaces the first, and ends by itself.
		assert_ok!(attest("f1", 0, 10));
		assert_eq!(held("f1"), providers_terms().attestation_deposit);
		let id = place(audited(2, &["f1"], &[]));
		assert_ok!(bid(0, id, 5));
		to_block(now() + 11);
		assert_eq!(held("f1"), 0);
		assert_eq!(pallet_providers::Attestations::<Runtime>::iter().count(), 0);
		assert!(
			Leases::<Runtime>::contains_key(0),
			"a running lease goes on"
		);
	});
}

fn update(who: &str, id: LeaseId, manifest: u8) -> DispatchResult {
	Market::update_manifest(signed(who), id, [manifest; 32])
}

#[test]
fn a_running_lease_takes_another_manifest() {
	run(|| {
		let id = active_lease(5);
		let other = lease_from(order(2), 5);
		assert_noop!(
			Market::update_manifest(RuntimeOrigin::root(), id, [3; 32]),
			BadOrigin
		);
		assert_noop!(update("friend", id, 3), E::NotTenant);
		assert_noop!(update("tenant", id + 9, 3), E::UnknownLease);
		assert_noop!(update("tenant", id, 1), E::NothingToDo);
		assert_noop!(update("tenant", id, 2), E::ManifestInUse);
		assert_noop!(update("tenant", other, 3), E::NotStarted);
		assert_ok!(update("tenant", id, 3));
		assert_eq!(lease(id).manifest_hash, [3; 32]);
		assert_ok!(Market::place_order(signed("tenant"), Order::V1(order(1))));
		assert_noop!(
			Market::place_order(signed("tenant"), Order::V1(order(3))),
			E::ManifestInUse
		);
	});
}

#[test]
fn a_lease_changes_its_size_if_both_agree() {
	run(|| {
		let id = active_lease(MAX_RATE);
		let size = |cpu: u32| Resources {
			cpu,
			unit_cpu: cpu,
			..order(1).resources
		};
		let propose = |who: &str, cpu| Market::propose_resize(signed(who), id, size(cpu));
		let accept = |who: &str, cpu| Market::accept_resize(signed(who), id, size(cpu));
		let root = RuntimeOrigin::root();
		assert_noop!(Market::propose_resize(root.clone(), id, size(1)), BadOrigin);
		assert_noop!(Market::accept_resize(root, id, size(1)), BadOrigin);
		assert_noop!(propose("friend", 2_000), E::NotTenant);
		assert_noop!(propose("tenant", 0), E::InvalidResources);
		assert_noop!(accept("operator0", 2_000), E::NoProposal);
		assert_ok!(propose("tenant", 2_000));
		assert_noop!(accept("tenant", 2_000), E::NotProvider);
		assert_noop!(accept("operator0", 3_000), E::NoProposal);
		to_block_on_duty(now() + 5, 0);
		assert_ok!(accept("operator0", 2_000));
		let rate = pricing::resized_rate(MAX_RATE, &size(1_000), &size(2_000)).unwrap();
		assert!(rate > MAX_RATE && rate < 2 * MAX_RATE);
		assert_eq!(stream(id).rate, rate);
		assert_eq!(
			(lease(id).slice, provider(0).slices),
			(100 * rate, 100 * rate)
		);
		assert_eq!(provider(0).reserved.cpu, 2_000);
		to_block_on_duty(now() + 5, 0);
		settle(id);
		assert_eq!(
			stream(id).paid,
			5 * MAX_RATE + 5 * rate,
			"each block at its own rate"
		);
		// More than the machine has.
		assert_ok!(propose("tenant", 5_000));
		assert_noop!(accept("operator0", 5_000), P::CannotReserve);
		// A proposal does not stand for ever.
		assert_ok!(propose("tenant", 500));
		to_block_on_duty(now() + 11, 0);
		assert_noop!(accept("operator0", 500), E::NoProposal);
		assert_ok!(propose("tenant", 500));
		assert_ok!(accept("operator0", 500));
		assert!(stream(id).rate < MAX_RATE);
	});
	run(|| {
		let id = starting_lease(5);
		let size = order(1).resources;
		let propose = || Market::propose_resize(signed("tenant"), id, size.clone());
		assert_noop!(propose(), E::NotActive);
	});
	run(|| {
		// The balance must carry the new rate.
		let id = poor_lease();
		to_block_on_duty(now() + 15, 0);
		let size = Resources {
			cpu: 4_000,
			unit_cpu: 4_000,
			..order(1).resources
		};
		Market::propose_resize(signed("tenant"), id, size.clone()).unwrap();
		assert_noop!(
			plain(Market::accept_resize(signed("operator0"), id, size)),
			pallet_escrow::Error::<Runtime>::DepositTooLow
		);
	});
}

#[test]
fn one_extrinsic_voids_all_grants() {
	run(|| {
		register(0);
		let mut spec = order(1);
		spec.access = Some(account("friend"));
		let id = lease_from(spec, 5);
		let revoke = |who: &str, id| Market::revoke_access(signed(who), id);
		assert_noop!(Market::revoke_access(RuntimeOrigin::root(), id), BadOrigin);
		assert_noop!(revoke("stranger", id), E::NotTenant);
		assert_noop!(revoke("operator0", id), E::NotTenant);
		assert_noop!(revoke("tenant", id + 1), E::UnknownLease);
		assert_ok!(revoke("tenant", id));
		assert_ok!(revoke("friend", id));
		assert_eq!(lease(id).epoch, 2);
		System::assert_last_event(
			Event::AccessRevoked {
				lease: id,
				epoch: 2,
			}
			.into(),
		);
		// Its results can be fetched for a while after its end.
		Market::close_lease(signed("tenant"), id).unwrap();
		assert_noop!(revoke("stranger", id), E::NotTenant);
		assert_ok!(revoke("tenant", id));
		assert_eq!(closed(id).epoch, 3);
		pallet_market::ClosedLeases::<Runtime>::mutate(id, |closed| {
			closed.as_mut().unwrap().epoch = u32::MAX;
		});
		assert_noop!(revoke("tenant", id), E::Overflow);
	});
}

#[test]
fn a_lease_at_rest_is_small() {
	use codec::Encode;
	run(|| {
		register(0);
		let mut spec = order(1);
		spec.kind = leasehold_primitives::WorkloadKind::Service;
		spec.max_rate = LEASE;
		spec.deposit = 1_000 * LEASE;
		spec.notice = 90;
		let before: std::collections::BTreeMap<_, _> = state().into_iter().collect();
		let id = lease_from(spec, LEASE);
		Market::start_lease(signed("operator0"), id).unwrap();
		let hash = |text: &str| sp_io::hashing::twox_128(text.as_bytes());
		// What a lease has of its own; its provider's watch and the counters serve others, too.
		let own = [
			("Market", "Leases"),
			("Market", "OpenManifests"),
			("Market", "ProviderLeases"),
			("Escrow", "StreamsOf"),
		]
		.map(|(pallet, item)| [hash(pallet), hash(item)].concat());
		let of_its_own = |key: &Vec<u8>| own.iter().any(|prefix| key.starts_with(prefix));
		let entry = pallet_agenda::Entry {
			item: leasehold_primitives::AgendaItem::Lease(id),
			failures: 0,
		};
		let size = state()
			.into_iter()
			.filter(|(key, _)| !before.contains_key(key) && of_its_own(key))
			.fold(entry.encoded_size(), |sum, (key, value)| {
				sum + key.len() + value.len()
			});
		println!(
			"a lease at rest: {size} bytes, its record {}",
			lease(id).encoded_size()
		);
		assert!(size <= 512, "{size}");
		Market::close_lease(signed("tenant"), id).unwrap();
	});
}

#[test]
fn a_closed_record_takes_at_most_160_bytes() {
	use codec::Encode;
	// A thousand million LEASE: more than there are.
	let all = 1_000_000_000 * LEASE;
	let record = pallet_market::ClosedLease {
		tenant: account("tenant"),
		order: u64::MAX,
		provider: u32::MAX,
		reason: leasehold_primitives::CloseReason::Completed {
			exit_code: -1,
			result_hash: [255; 32],
		},
		fault: leasehold_primitives::Fault::Undecided,
		served_blocks: u32::MAX,
		paid: all,
		fees: all,
		refunded: all,
		compensation: all,
		epoch: u32::MAX,
		record_deposit: all,
		closed_at: u32::MAX,
		due: u32::MAX,
	};
	assert!(record.encoded_size() <= 160, "{}", record.encoded_size());
}
