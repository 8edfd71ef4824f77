//! `LeaseholdApi`: what the chain answers in one call.

use crate::harness::*;
use frame_support::{assert_noop, assert_ok};
use leasehold_primitives::{PriceSheet, PriceSheetV1, Requirement};
use leasehold_runtime::{
	reads::{LeaseReport, LeaseReportV1, ScoreReport},
	Market, Providers, Runtime, LEASE,
};
use pallet_market::{OpenItem, Order, OrderV1};

type E = pallet_market::Error<Runtime>;

fn open_items(tenant: &str) -> Vec<OpenItem> {
	let page = Market::open_items(account(tenant), None, 100);
	page.items.into_iter().map(|(_, item)| item).collect()
}

fn wanted() -> pallet_market::OrderOf<Runtime> {
	pallet_market::Order::V1(order(1))
}

#[test]
fn view_functions_answer_by_their_id() {
	use codec::{Decode, Encode};
	use frame_support::view_functions::ViewFunction;
	run(|| {
		let id = active_lease(1_000);
		to_block_on_duty(now() + 5, 0);
		let call = pallet_escrow::BalanceViewFunction::<Runtime>::id();
		let answer = Runtime::execute_view_function(call, id.encode()).unwrap();
		let balance = Option::<pallet_escrow::StreamBalance>::decode(&mut &answer[..])
			.unwrap()
			.unwrap();
		assert_eq!(
			(balance.rate, balance.accrued, balance.paid),
			(1_000, 5_000, 0)
		);
		assert_eq!(balance.remaining, stream(id).held() - 5_000);
		let call = pallet_reputation::ProviderStandingViewFunction::<Runtime>::id();
		let answer = Runtime::execute_view_function(call, 0u32.encode()).unwrap();
		let standing = pallet_reputation::Standing::decode(&mut &answer[..]).unwrap();
		assert_eq!(
			standing,
			leasehold_runtime::Reputation::provider_standing(0)
		);
	});
}

#[test]
fn a_provider_is_shown_what_it_could_bid_on() {
	run(|| {
		register(0);
		for n in 0..5 {
			let mut spec = order(n);
			spec.bidding = 40;
			if n == 2 {
				spec.resources.cpu = 9_000;
			}
			place(spec);
		}
		bid(0, 4, 5).unwrap();
		let ids = |page: &pallet_market::reads::Page<_, _>| -> Vec<u64> {
			page.items
				.iter()
				.map(|(id, _): &(u64, pallet_market::OrderRecordOf<Runtime>)| *id)
				.collect()
		};
		let all = Market::biddable(0, None, 100);
		assert_eq!((ids(&all), all.next), (vec![0, 1, 3], None));
		// No more than it may have open.
		set_market(|terms| terms.max_open_bids = 1);
		assert_eq!(Market::biddable(0, None, 100).items.len(), 0);
		assert_noop!(bid(0, 0, 5), E::TooManyBids);
		set_market(|terms| terms.max_open_bids = 256);
		let first = Market::biddable(0, None, 2);
		assert_eq!(ids(&first), [0, 1]);
		let second = Market::biddable(0, first.next, 2);
		assert_eq!((ids(&second), second.next), (vec![3], None));
		assert_eq!(Market::biddable(9, None, 100).items.len(), 0);
		for id in ids(&all) {
			assert_ok!(bid(0, id, 5));
		}
		assert_eq!(Market::biddable(0, None, 100).items.len(), 0);
	});
}

#[test]
fn a_tenant_is_shown_who_fits_and_what_it_asks() {
	run(|| {
		register(0);
		register(1);
		register(2);
		let sheet = PriceSheetV1 {
			cpu: 10_000,
			..Default::default()
		};
		Providers::set_offer(signed("operator1"), Some(PriceSheet::V1(sheet))).unwrap();
		Providers::set_paused(signed("operator2"), true).unwrap();
		let page = Market::candidates(account("tenant"), wanted(), None, 100);
		let mut all = page.items;
		all.sort_by_key(|candidate| candidate.provider);
		assert_eq!((all[0].lacks, all[0].offer), (None, None));
		assert_eq!((all[1].lacks, all[1].offer), (None, Some((1, 10_000))));
		assert_eq!(all[2].lacks, Some(Requirement::Accepting));
		// By offer who has none, or asks for more, lacks that.
		for (max_rate, second) in [(10_000, None), (9_999, Some(Requirement::Offer))] {
			let spec = by_offer(OrderV1 {
				max_rate,
				..order(1)
			});
			let page = Market::candidates(account("tenant"), Order::V1(spec), None, 100);
			let mut all = page.items;
			all.sort_by_key(|candidate| candidate.provider);
			let lacks: Vec<_> = all.iter().map(|candidate| candidate.lacks).collect();
			let paused = Some(Requirement::Accepting);
			assert_eq!(lacks, [Some(Requirement::Offer), second, paused]);
		}
		let mut seen = Vec::new();
		let mut after = None;
		loop {
			let page = Market::candidates(account("tenant"), wanted(), after, 1);
			seen.extend(page.items.iter().map(|candidate| candidate.provider));
			after = page.next;
			if after.is_none() {
				break;
			}
		}
		seen.sort();
		assert_eq!(seen, [0, 1, 2], "every page once");
	});
}

#[test]
fn what_is_free_of_a_bond_is_held_against_what_a_lease_takes_of_it() {
	run(|| {
		register(0);
		let dear = |manifest, max_rate| OrderV1 {
			max_rate,
			deposit: 33 * max_rate,
			..order(manifest)
		};
		// All of the bond but 30 LEASE is taken.
		let most = LEASE;
		pallet_providers::Providers::<Runtime>::mutate(0, |record| {
			record.as_mut().unwrap().slices = 970 * LEASE;
		});
		// The lowest bid takes 20 LEASE, one at the ceiling 50.
		let id = place(dear(1, most));
		assert_eq!(Market::biddable(0, None, 100).items.len(), 1);
		assert_noop!(bid(0, id, most), E::NotEligible);
		// At a ceiling of 2 LEASE each bid takes 40.
		let other = place(dear(2, 2 * most));
		assert_eq!(Market::biddable(0, None, 100).items.len(), 1);
		assert_noop!(bid(0, other, 1), E::NotEligible);
		assert_ok!(bid(0, id, most / 4));
		// An offer takes a hundred blocks at its rate.
		for (rate, fits) in [(3 * LEASE / 10, true), (3 * LEASE / 10 + 1, false)] {
			offer_cpu(rate);
			let version = provider(0).offer_version;
			let spec = || Order::V1(by_offer(dear(3, most)));
			let all = Market::candidates(account("tenant"), spec(), None, 100).items;
			let lacks = (!fits).then_some(Requirement::Bond);
			assert_eq!(all[0].lacks, lacks);
			assert_eq!(all[0].offer, fits.then_some((version, rate)));
			let lease_now = || Market::lease_now(signed("friend"), spec());
			if fits {
				assert_ok!(lease_now());
				assert_ok!(Market::close_lease(signed("friend"), 0));
			} else {
				assert_noop!(lease_now(), E::NotEligible);
			}
		}
		// By bids the ceiling counts, whatever the offer.
		let seen = |spec| {
			let page = Market::candidates(account("tenant"), Order::V1(spec), None, 100);
			(page.items[0].lacks, page.items[0].offer.is_some())
		};
		assert_eq!(seen(dear(4, most)), (None, false));
		offer_cpu(LEASE / 10);
		assert_eq!(seen(dear(4, most)), (None, true));
		let too_high = Some(Requirement::Bond);
		assert_eq!(seen(dear(4, 2 * most)), (too_high, true));
		assert_eq!(seen(by_offer(dear(4, 2 * most))), (None, true));
		pallet_providers::Providers::<Runtime>::mutate(0, |record| {
			record.as_mut().unwrap().slices = 0;
		});
	});
}

#[test]
fn a_lease_is_shown_with_what_it_owes() {
	run(|| {
		let id = active_lease(MAX_RATE);
		let begin = now();
		to_block_on_duty(begin + 10, 0);
		let Some(LeaseReport::V1(LeaseReportV1::Open {
			accrued,
			paid,
			remaining,
			dry_at,
			..
		})) = leasehold_runtime::reads::lease(id)
		else {
			panic!("not open");
		};
		assert_eq!((accrued, paid), (10 * MAX_RATE, 0));
		assert_eq!(remaining, 90 * MAX_RATE);
		// A hundred deposited, two in the reserve.
		assert_eq!(dry_at, Some(begin + 98));
		assert_eq!(
			open_items("tenant"),
			vec![OpenItem::Leases {
				order: 0,
				leases: vec![id].try_into().unwrap(),
			}]
		);
		Market::close_lease(signed("tenant"), id).unwrap();
		let report = leasehold_runtime::reads::lease(id);
		assert!(matches!(
			report,
			Some(LeaseReport::V1(LeaseReportV1::Closed(_)))
		));
		assert_eq!(leasehold_runtime::reads::lease(99), None);
	});
}

#[test]
fn bids_are_shown_as_they_would_fare() {
	use pallet_market::{Attestors, Quantity};
	run(|| {
		for n in 0..3 {
			register(n);
		}
		let shown = |id| -> Vec<_> {
			let all = Market::bids(id).unwrap().into_iter();
			all.map(|bid| (bid.provider, bid.rate, bid.lacks, bid.leases))
				.collect()
		};
		assert_eq!(Market::bids(0), None);
		let tier = || attributes(&[("region", "eu")]);
		for n in 0..3 {
			Providers::attest(signed("f1"), n, tier(), 200).unwrap();
		}
		let audited = |manifest, leases, at_least, spread| OrderV1 {
			attestors: Attestors {
				all_of: vec![account("f1")].try_into().unwrap(),
				any_of: Default::default(),
			},
			quantity: Quantity {
				leases,
				at_least,
				spread,
			},
			bidding: 40,
			..order(manifest)
		};
		let id = place(audited(1, 2, 2, true));
		assert_eq!(shown(id), []);
		for (n, rate) in [(0, 7), (1, 5), (2, 9)] {
			bid(n, id, rate).unwrap();
		}
		let before = sp_io::storage::root(sp_runtime::StateVersion::V1);
		let won = [(1, 5, None, 1), (0, 7, None, 1), (2, 9, None, 0)];
		assert_eq!(shown(id), won);
		// Whoever lacks something is passed over, whatever keeps it.
		let of_first = pallet_providers::AttestedBy::<Runtime>::get(1, account("f1")).unwrap();
		Providers::revoke_attestation(signed("f1"), of_first).unwrap();
		let unattested = Some(Requirement::Attestations);
		let won = [(1, 5, unattested, 0), (0, 7, None, 1), (2, 9, None, 1)];
		assert_eq!(shown(id), won);
		Providers::set_paused(signed("operator2"), true).unwrap();
		assert_eq!(shown(id)[2], (2, 9, None, 1), "a bid binds who has paused");
		// Looking changes nothing.
		let seen = sp_io::storage::root(sp_runtime::StateVersion::V1);
		assert_ne!(seen, before);
		let _ = shown(id);
		assert_eq!(sp_io::storage::root(sp_runtime::StateVersion::V1), seen);
		// What was shown is what comes.
		let wins: Vec<_> = shown(id)
			.into_iter()
			.filter(|(.., leases)| *leases > 0)
			.map(|(provider, ..)| provider)
			.collect();
		to_block_on_duty(now() + 40, 0);
		let leases: Vec<_> = (0..2).map(|n| lease(n).provider).collect();
		assert_eq!(leases, wins);
	});
	// Too few, and by hand.
	run(|| {
		register(0);
		register(1);
		let two = Quantity {
			leases: 2,
			at_least: 2,
			spread: true,
		};
		let id = place(OrderV1 {
			quantity: two,
			..order(1)
		});
		bid(0, id, 5).unwrap();
		let fare = |id| {
			let all = Market::bids(id).unwrap().into_iter();
			all.map(|bid| (bid.lacks, bid.leases)).collect::<Vec<_>>()
		};
		assert_eq!(fare(id), [(None, 0)]);
		bid(1, id, 5).unwrap();
		assert_eq!(fare(id), [(None, 1), (None, 1)]);
		let by_hand = place(OrderV1 {
			selection: pallet_market::Selection::Manual,
			..order(2)
		});
		bid(0, by_hand, 5).unwrap();
		assert_eq!(fare(by_hand), [(None, 0)]);
	});
}

/// The other end of what node and client speak: the calls of `LeaseholdApi` by their names and bytes.
#[test]
fn the_api_answers_by_name() {
	use codec::Encode;
	use leasehold_runtime::apis::api::dispatch;
	run(|| {
		let id = active_lease(1_000);
		let open = place(order(2));
		let ask = |method: &str, arguments: Vec<u8>| {
			dispatch(&format!("LeaseholdApi_{method}"), &arguments)
				.unwrap_or_else(|| panic!("no {method}"))
		};
		let biddable = Market::biddable(0, None, 100);
		assert_eq!(biddable.items[0].0, open);
		let page = (0u32, None::<u64>, 100u32).encode();
		assert!(ask("open_orders", page).ends_with(&biddable.encode()));
		assert_ok!(bid(0, open, 5));
		let bids = Market::bids(open);
		assert_eq!(bids.as_ref().map(Vec::len), Some(1));
		// One byte for what there is, one for the version.
		assert_eq!(ask("bids", open.encode())[2..], bids.unwrap().encode()[..]);
		let lease = ask("lease", id.encode());
		assert_eq!(lease, leasehold_runtime::reads::lease(id).encode());
		for (method, arguments) in [
			("provider_score", 0u32.encode()),
			("tenant_score", account("tenant").encode()),
		] {
			assert!(!ask(method, arguments).is_empty());
		}
		let items = (
			account("tenant"),
			None::<pallet_market::ManifestKey>,
			100u32,
		)
			.encode();
		let wanted = Market::open_items(account("tenant"), None, 100).encode();
		assert!(ask("tenant_items", items).ends_with(&wanted));
	});
}

#[test]
fn a_score_is_shown_with_its_parts() {
	run(|| {
		register(0);
		let value = 20_000_000_000;
		let standing = pallet_reputation::Standing {
			value,
			..Default::default()
		};
		pallet_reputation::ProviderScores::<Runtime>::insert(0, standing);
		leap(pallet_reputation::TermsV2::default().half_life);
		let standing = leasehold_runtime::Reputation::provider_standing(0);
		let ScoreReport::V2(report) = leasehold_runtime::reads::score(standing);
		assert_eq!(
			(report.standing, report.room),
			(standing.value, standing.room)
		);
		assert!(report.score.deconstruct() > 0);
	});
}

#[test]
fn a_newcomers_score_has_no_parts() {
	run(|| {
		let ScoreReport::V2(report) = leasehold_runtime::reads::score(Default::default());
		assert_eq!((report.standing, report.room), (0, 0));
		assert_eq!(report.score.deconstruct(), 0);
	});
}

/// What a type looks like to whoever decodes it, as a digest: names, order and types of all that is in it, wherever it
/// is declared.
fn shape<T: scale_info::TypeInfo + 'static>() -> u64 {
	use codec::Encode;
	use scale_info::{Field, PortableRegistry, Registry, TypeDef};
	let mut registry = Registry::new();
	registry.register_type(&scale_info::meta_type::<T>());
	let mut registry = PortableRegistry::from(registry);
	let plain = |fields: &mut Vec<Field<_>>| {
		for field in fields {
			field.docs.clear();
			field.type_name = None;
		}
	};
	for one in &mut registry.types {
		one.ty.docs.clear();
		one.ty.path.segments.clear();
		one.ty.type_params.clear();
		match &mut one.ty.type_def {
			TypeDef::Composite(composite) => plain(&mut composite.fields),
			TypeDef::Variant(variants) => {
				for variant in &mut variants.variants {
					variant.docs.clear();
					plain(&mut variant.fields);
				}
			}
			_ => {}
		}
	}
	u64::from_le_bytes(sp_io::hashing::twox_64(&registry.encode()))
}

#[test]
fn answers_keep_the_shape_of_their_version() {
	use leasehold_runtime::reads::*;
	let shapes = [
		("Orders", shape::<Orders>()),
		("Candidates", shape::<Candidates>()),
		("Bids", shape::<Bids>()),
		("LeaseReport", shape::<LeaseReport>()),
		("TenantItems", shape::<TenantItems>()),
		("ScoreReport", shape::<ScoreReport>()),
	];
	let known = [
		("Orders", 3_425_266_504_777_634_742),
		("Candidates", 8_480_632_510_038_289_224),
		("Bids", 8_303_230_895_722_060_701),
		("LeaseReport", 3_077_597_786_499_080_414),
		("TenantItems", 266_154_794_138_703_446),
		("ScoreReport", 15_166_572_106_566_505_535),
	];
	// They hold records as they are stored: a record that changes would change what others decode.
	assert_eq!(
		shapes, known,
		"the answers of a version never change: keep the old types for it, and add a version"
	);
}
