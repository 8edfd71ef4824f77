//! One random operation: any call of the market's pallets by any account, or a few blocks.

use crate::{
	harness::{provider as provider_record, *},
	model::History,
};
use frame_support::{
	dispatch::{DispatchResult, RawOrigin},
	storage::with_storage_layer,
	traits::ConstU32,
	weights::Weight,
	BoundedVec,
};
use leasehold_primitives::{
	receipt, FailureCode, GpuUnits, GpuVendor, LeaseId, PersistentStorage, PriceSheet,
	PriceSheetV1, Resources, StorageClass, WorkloadKind,
};
use leasehold_runtime::{
	configs::ProxyType, AccountId, Balances, Escrow, Market, Providers, Proxy, Reputation, Runtime,
	RuntimeCall, RuntimeOrigin, Signature, System, LEASE,
};
use pallet_escrow::Refill;
use pallet_market::{Attestors, LeaseState, Order, OrderV1, Quantity, Selection};
use pallet_providers::ProviderInfo;
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use sp_core::{Pair, H256};
use sp_runtime::Perbill;
use std::collections::BTreeSet;

/// All operations.
pub const ALL: [&str; 46] = [
	"pass blocks",
	"register",
	"rotate_operator",
	"update",
	"set_paused",
	"raise_bond",
	"deregister",
	"heartbeat",
	"set_offer",
	"set_served",
	"attest",
	"revoke_attestation",
	"providers set_terms",
	"place_order",
	"cancel_order",
	"place_bid",
	"withdraw_bid",
	"pick",
	"lease_now",
	"start_lease",
	"submit_receipt",
	"report_missing_manifest",
	"complete_lease",
	"fail_lease",
	"close_lease",
	"pause_lease",
	"resume_lease",
	"reclaim_lease",
	"abandon_lease",
	"report_offline",
	"update_manifest",
	"propose_resize",
	"accept_resize",
	"revoke_access",
	"market set_terms",
	"deposit",
	"settle",
	"withdraw",
	"set_refill",
	"escrow set_terms",
	"set_fee_destination",
	"reputation set_terms",
	"somebody else's",
	"transfer",
	"freeze",
	"by proxy",
];

/// Calls of ours that no operation makes: they would never be tried.
pub fn untried() -> Vec<String> {
	use frame_support::traits::GetCallName as _;
	let pallets = [
		(
			"providers",
			pallet_providers::Call::<Runtime>::get_call_names(),
		),
		("market", pallet_market::Call::<Runtime>::get_call_names()),
		("escrow", pallet_escrow::Call::<Runtime>::get_call_names()),
		(
			"reputation",
			pallet_reputation::Call::<Runtime>::get_call_names(),
		),
	];
	let all = pallets
		.into_iter()
		.flat_map(|(pallet, names)| names.iter().map(move |name| (pallet, name)));
	let tried = |name: &str| ALL.contains(&name);
	all.map(|(pallet, name)| (name, format!("{pallet} {name}")))
		.filter(|(name, whole)| !tried(name) && !tried(whole))
		.map(|(_, whole)| whole)
		.collect()
}

/// How often each is tried, in the order of [`ALL`].
const WEIGHTS: [u32; 46] = [
	150, 12, 3, 8, 6, 4, 1, 110, 12, 3, 4, 3, 1, 60, 5, 110, 6, 8, 25, 110, 8, 6, 10, 4, 8, 10, 12,
	4, 2, 6, 5, 8, 14, 4, 1, 40, 40, 12, 8, 1, 1, 1, 8, 6, 3, 3,
];

const TENANTS: [&str; 4] = ["tenant", "friend", "stranger", "owner0"];
const AUDITORS: [&str; 2] = ["f1", "f2"];

fn any<'a, T>(random: &mut ChaCha8Rng, list: &'a [T]) -> &'a T {
	&list[random.gen_range(0..list.len())]
}

fn one_of<T: Copy + Ord>(random: &mut ChaCha8Rng, set: &BTreeSet<T>) -> Option<T> {
	match set.len() {
		0 => None,
		n => set.iter().nth(random.gen_range(0..n)).copied(),
	}
}

fn by(who: &AccountId) -> RuntimeOrigin {
	frame_support::dispatch::RawOrigin::Signed(who.clone()).into()
}

/// Zero, one, the most, or something between.
fn amount(random: &mut ChaCha8Rng, most: u128) -> u128 {
	match random.gen_range(0..20) {
		0 => 0,
		1 => 1,
		2 => u128::MAX,
		_ => random.gen_range(0..=most),
	}
}

fn size(random: &mut ChaCha8Rng) -> Resources {
	let cpu = random.gen_range(1..1_500);
	let memory = random.gen_range(1..2_000);
	let plain = Resources {
		cpu,
		memory,
		ephemeral: random.gen_range(0..3_000),
		unit_cpu: cpu,
		unit_memory: memory,
		..Default::default()
	};
	if random.gen_ratio(4, 5) {
		return plain;
	}
	let class = *any(
		random,
		&[StorageClass::Hdd, StorageClass::Ssd, StorageClass::Ram],
	);
	let volumes = vec![PersistentStorage {
		class,
		size: random.gen_range(1..1_000),
	}];
	let gpus = vec![GpuUnits {
		vendor: GpuVendor::Nvidia,
		model: random.gen::<bool>().then(model),
		memory: random.gen::<bool>().then_some(40_960),
		units: random.gen_range(1..4),
	}];
	Resources {
		persistent: match random.gen() {
			true => volumes.try_into().unwrap(),
			false => Default::default(),
		},
		gpu: match random.gen() {
			true => gpus.try_into().unwrap(),
			false => Default::default(),
		},
		ports: random.gen_range(0..4),
		ips: random.gen_range(0..2),
		..plain
	}
}

fn model() -> BoundedVec<u8, ConstU32<24>> {
	b"a100".to_vec().try_into().unwrap()
}

/// What a provider says of itself: with GPUs and two classes of storage, and now and then with less CPU or
/// without the attribute that orders ask for.
fn rich_info(random: &mut ChaCha8Rng) -> ProviderInfo {
	let mut info = info();
	let all = &mut info.capacity;
	all.cpu = random.gen_range(1_000..9_000);
	all.unit_cpu = all.cpu.min(4_000);
	let volume = |class| PersistentStorage { class, size: 3_000 };
	let volumes = [StorageClass::Hdd, StorageClass::Ssd].map(volume);
	all.persistent = volumes.to_vec().try_into().unwrap();
	let gpus = vec![GpuUnits {
		vendor: GpuVendor::Nvidia,
		model: Some(model()),
		memory: Some(81_920),
		units: 8,
	}];
	all.gpu = gpus.try_into().unwrap();
	(all.ports, all.ips) = (20, 4);
	if random.gen_ratio(1, 8) {
		info.attributes = Default::default();
	}
	ProviderInfo::V1(info)
}

fn an_order(random: &mut ChaCha8Rng) -> OrderV1<AccountId> {
	let max_rate = match random.gen_range(0..20) {
		0 => 0,
		1 => u128::MAX,
		2 => 1,
		_ => random.gen_range(1..2_000_000),
	};
	let least = max_rate.saturating_mul(32).saturating_add(20);
	let leases = if random.gen_ratio(1, 4) {
		random.gen_range(1..4)
	} else {
		1
	};
	let auditors = |names: &[&str]| {
		let all: Vec<_> = names.iter().map(|name| account(name)).collect();
		all.try_into().unwrap()
	};
	OrderV1 {
		kind: match random.gen() {
			true => WorkloadKind::Job,
			false => WorkloadKind::Service,
		},
		resources: size(random),
		max_rate,
		deposit: least.saturating_add(random.gen_range(0..100_000_000)),
		max_duration: random.gen_range(1..400),
		notice: if random.gen() {
			random.gen_range(0..60)
		} else {
			0
		},
		bidding: random.gen_range(3..15),
		selection: match random.gen_ratio(1, 5) {
			true => Selection::Manual,
			false => Selection::BestBid,
		},
		quantity: Quantity {
			leases,
			at_least: random.gen_range(1..=leases),
			spread: random.gen(),
		},
		allowed: match random.gen_ratio(1, 15) {
			true => vec![random.gen_range(0..4)].try_into().unwrap(),
			false => Default::default(),
		},
		attestors: match random.gen_range(0..30) {
			0 => Attestors {
				all_of: auditors(&AUDITORS[..1]),
				any_of: Default::default(),
			},
			1 => Attestors {
				all_of: Default::default(),
				any_of: auditors(&AUDITORS),
			},
			_ => Default::default(),
		},
		min_score: match random.gen_ratio(1, 30) {
			true => Perbill::from_percent(random.gen_range(1..60)),
			false => Perbill::zero(),
		},
		attributes: match random.gen_ratio(1, 4) {
			true => Default::default(),
			false => attributes(&[("region", "eu")]),
		},
		access: random.gen_ratio(1, 8).then(|| account("f5")),
		..order(random.gen())
	}
}

/// A lease that is in the wanted state, if there is one among a few.
fn lease_where(
	random: &mut ChaCha8Rng,
	history: &History,
	wanted: impl Fn(&LeaseState) -> bool,
) -> Option<LeaseId> {
	let mut found = one_of(random, &history.leases);
	for _ in 0..8 {
		let id = one_of(random, &history.leases)?;
		if wanted(&lease(id).state) {
			return Some(id);
		}
		found = Some(id);
	}
	found
}

fn operator_of(id: LeaseId) -> RuntimeOrigin {
	let provider = lease(id).provider;
	by(&provider_record(provider).operator)
}

fn tenant_of(id: LeaseId) -> RuntimeOrigin {
	by(&lease(id).tenant)
}

fn starting(state: &LeaseState) -> bool {
	matches!(state, LeaseState::Starting { .. })
}

fn active(state: &LeaseState) -> bool {
	matches!(state, LeaseState::Active { .. })
}

fn suspended(state: &LeaseState) -> bool {
	matches!(state, LeaseState::Suspended { .. })
}

/// What one account does to a stream changes nothing of what the other funders have left in it.
fn leaving_others_alone(
	id: LeaseId,
	who: &AccountId,
	operation: impl FnOnce() -> DispatchResult,
) -> DispatchResult {
	let others = || {
		let stream = pallet_escrow::StreamsOf::<Runtime>::get(id)?;
		let served = <Providers as leasehold_primitives::ProviderRegistry<AccountId>>::served(
			stream.provider,
		);
		let (_, owed) = stream.owed(served);
		let all = stream.funders.iter().zip(stream.left(owed));
		// Who has nothing left has nothing to lose: its place may go to another.
		let others = all.filter(|(funder, left)| funder.who != *who && *left > 0);
		Some(
			others
				.map(|(funder, left)| (funder.who.clone(), left))
				.collect::<Vec<_>>(),
		)
	};
	let before = others();
	let result = operation();
	assert_eq!(others(), before, "another funder's money was touched");
	result
}

/// Locks all that an account owns, or frees it.
pub fn set_frozen(who: &AccountId, frozen: bool) {
	use frame_support::traits::{LockableCurrency, WithdrawReasons};
	const ID: [u8; 8] = *b"vesting0";
	match frozen {
		// There is nothing to lock on an account that is gone.
		true if System::account(who).providers == 0 => {}
		true => Balances::set_lock(ID, who, u128::MAX, WithdrawReasons::all()),
		false => Balances::remove_lock(ID, who),
	}
}

/// Does one operation; its name, and whether the chain accepted it.
pub fn step(
	random: &mut ChaCha8Rng,
	history: &mut History,
) -> Result<(&'static str, bool), String> {
	let all: u32 = WEIGHTS.iter().sum();
	let mut at = random.gen_range(0..all);
	let nth = WEIGHTS
		.iter()
		.position(|weight| match at.checked_sub(*weight) {
			Some(rest) => {
				at = rest;
				false
			}
			None => true,
		})
		.unwrap();
	let name = ALL[nth];
	if name == "pass blocks" {
		// Now and then nobody does anything for long, and the last blocks are full.
		let (blocks, full) = match random.gen_ratio(1, 60) {
			true => (330, 12),
			false => (random.gen_range(1..8), 0),
		};
		for block in 0..blocks {
			let budget = match block + full >= blocks && full > 0 {
				true => Weight::zero(),
				// Now and then just enough for some of the entries.
				false if random.gen_ratio(1, 20) => {
					Weight::from_parts(random.gen_range(0..3_000_000_000), u64::MAX)
				}
				false => Weight::MAX,
			};
			history.next_block(budget);
		}
		return Ok((name, true));
	}
	// The agenda is as fast as anybody, unless the blocks are full.
	if name == "report_offline" && random.gen_ratio(1, 20) {
		for _ in 0..330 {
			history.next_block(Weight::zero());
		}
	}
	// What a block does to a call that fails.
	let issuance = Balances::total_issuance();
	let accepted = with_storage_layer(|| call(name, random, history)).is_ok();
	if name == "transfer" {
		// An account that is left with less than the existential deposit goes, and what it had.
		history.issuance -= issuance - Balances::total_issuance();
	}
	Ok((name, accepted))
}

fn call(name: &str, random: &mut ChaCha8Rng, history: &History) -> DispatchResult {
	let nothing = Err(sp_runtime::DispatchError::Other("nothing to do it to"));
	let root = RuntimeOrigin::root;
	macro_rules! some {
		($option:expr) => {
			match $option {
				Some(value) => value,
				None => return nothing,
			}
		};
	}
	match name {
		"register" => {
			let n = random.gen_range(0..3);
			let operator = account(&format!("operator{n}"));
			let bond = 100 * LEASE + amount(random, 900 * LEASE).min(2_000 * LEASE);
			let info = rich_info(random);
			Providers::register(signed(&format!("owner{n}")), operator, bond, info)
		}
		"rotate_operator" => {
			let id = some!(one_of(random, &history.providers));
			let new = any(random, &["operator0", "operator1", "operator2", "f3", "f4"]);
			Providers::rotate_operator(by(&provider(id).owner), account(new))
		}
		"update" => {
			let id = some!(one_of(random, &history.providers));
			Providers::update(by(&provider(id).operator), rich_info(random))
		}
		"set_paused" => {
			let id = some!(one_of(random, &history.providers));
			Providers::set_paused(by(&provider(id).operator), random.gen_ratio(1, 3))
		}
		"raise_bond" => {
			let id = some!(one_of(random, &history.providers));
			Providers::raise_bond(by(&provider(id).owner), amount(random, LEASE))
		}
		"deregister" => {
			let id = some!(one_of(random, &history.providers));
			Providers::deregister(by(&provider(id).owner))
		}
		"heartbeat" => {
			let id = some!(one_of(random, &history.providers));
			let operator = provider(id).operator;
			let signer = some!(NAMES.iter().find(|name| account(name) == operator));
			submit(heartbeat_call(id, [1; 16], signer)).map_err(|_| "refused".into())
		}
		"set_offer" => {
			let id = some!(one_of(random, &history.providers));
			let sheet = PriceSheet::V1(PriceSheetV1 {
				cpu: amount(random, 1_000_000),
				memory: random.gen_range(0..100_000),
				persistent: vec![(StorageClass::Ssd, 1_000)].try_into().unwrap(),
				gpu: vec![(Default::default(), 1_000_000)].try_into().unwrap(),
				port: 1_000,
				..Default::default()
			});
			let sheet = (!random.gen_ratio(1, 8)).then_some(sheet);
			Providers::set_offer(by(&provider(id).operator), sheet)
		}
		"set_served" => {
			let id = some!(one_of(random, &history.providers));
			let tenants = vec![account(TENANTS[0]), account(TENANTS[1])]
				.try_into()
				.unwrap();
			Providers::set_served(
				by(&provider(id).owner),
				random.gen_ratio(1, 3).then_some(tenants),
			)
		}
		"attest" => {
			let id = some!(one_of(random, &history.providers));
			let life = random.gen_range(0..300);
			let who = any(random, &AUDITORS);
			Providers::attest(signed(who), id, attributes(&[("region", "eu")]), life)
		}
		"revoke_attestation" => {
			let id = some!(one_of(random, &history.attestations));
			let record = some!(pallet_providers::Attestations::<Runtime>::get(id));
			Providers::revoke_attestation(by(&record.auditor), id)
		}
		"providers set_terms" => {
			let mut terms = providers_terms();
			terms.heartbeat_period = random.gen_range(6..14);
			terms.heartbeat_grace = random.gen_range(9..23);
			terms.max_downtime = random.gen_range(40..=terms.max_downtime);
			Providers::set_terms(root(), pallet_providers::Terms::V1(terms))
		}
		"place_order" => {
			let who = any(random, &TENANTS);
			Market::place_order(signed(who), Order::V1(an_order(random)))
		}
		"cancel_order" => {
			let id = some!(one_of(random, &history.orders));
			let order = some!(pallet_market::Orders::<Runtime>::get(id));
			plain(Market::cancel_order(by(&order.tenant), id))
		}
		"place_bid" => {
			let id = some!(one_of(random, &history.orders));
			let order = some!(pallet_market::Orders::<Runtime>::get(id));
			let provider = some!(one_of(random, &history.providers));
			let most = order.spec.v1().max_rate.min(2_000_000);
			let rate = most - random.gen_range(0..=most / 2);
			plain(Market::place_bid(
				by(&provider_record(provider).operator),
				id,
				rate,
			))
		}
		"withdraw_bid" => {
			let id = some!(one_of(random, &history.orders));
			let order = some!(pallet_market::Orders::<Runtime>::get(id));
			let bid = some!(order.bids.first());
			let record = some!(pallet_providers::Providers::<Runtime>::get(bid.provider));
			Market::withdraw_bid(by(&record.operator), id)
		}
		"pick" => {
			let manual = |id: &&u64| {
				pallet_market::Orders::<Runtime>::get(**id).is_some_and(|order| {
					order.spec.v1().selection == Selection::Manual && !order.bids.is_empty()
				})
			};
			let id = *some!(history.orders.iter().find(manual));
			let order = some!(pallet_market::Orders::<Runtime>::get(id));
			let wanted = usize::from(order.spec.v1().quantity.at_least);
			let picks: Vec<u32> = order.bids.iter().map(|b| b.provider).take(wanted).collect();
			plain(Market::pick(
				by(&order.tenant),
				id,
				picks.try_into().unwrap(),
			))
		}
		"lease_now" => {
			let provider = some!(one_of(random, &history.providers));
			let mut spec = an_order(random);
			spec.max_rate = spec.max_rate.max(1_000_000);
			spec.deposit = 1_000_000 * 40 + u128::from(random.gen::<u32>());
			spec.quantity = Quantity::ONE;
			spec.bidding = 0;
			spec.selection = Selection::Offer {
				provider,
				version: provider_record(provider).offer_version,
			};
			let who = any(random, &TENANTS);
			Market::lease_now(signed(who), Order::V1(spec))
		}
		"start_lease" => {
			let id = some!(lease_where(random, history, starting));
			plain(Market::start_lease(operator_of(id), id))
		}
		"submit_receipt" => {
			let id = some!(lease_where(random, history, starting));
			let record = lease(id);
			let operator = provider(record.provider).operator;
			let signer = some!(NAMES.iter().find(|name| account(name) == operator));
			let genesis: H256 = System::block_hash(0);
			let payload = receipt::payload(&genesis, id, &record.manifest_hash, now());
			let signature = Signature::Sr25519(pair(signer).sign(&payload));
			Market::submit_receipt(tenant_of(id), id, now(), signature)
		}
		"report_missing_manifest" => {
			let id = some!(lease_where(random, history, starting));
			plain(Market::report_missing_manifest(operator_of(id), id))
		}
		"complete_lease" => {
			let id = some!(lease_where(random, history, active));
			plain(Market::complete_lease(
				operator_of(id),
				id,
				random.gen(),
				[1; 32],
			))
		}
		"fail_lease" => {
			let state = if random.gen() { active } else { starting };
			let id = some!(lease_where(random, history, state));
			plain(Market::fail_lease(
				operator_of(id),
				id,
				FailureCode::Crashed,
			))
		}
		"close_lease" => {
			let id = some!(one_of(random, &history.leases));
			plain(Market::close_lease(tenant_of(id), id))
		}
		"pause_lease" => {
			let id = some!(lease_where(random, history, active));
			plain(Market::pause_lease(operator_of(id), id))
		}
		"resume_lease" => {
			let id = some!(lease_where(random, history, suspended));
			plain(Market::resume_lease(operator_of(id), id))
		}
		"reclaim_lease" => {
			let id = some!(lease_where(random, history, active));
			plain(Market::reclaim_lease(operator_of(id), id))
		}
		"abandon_lease" => {
			let id = some!(lease_where(random, history, active));
			plain(Market::abandon_lease(operator_of(id), id))
		}
		"report_offline" => {
			let id = some!(one_of(random, &history.leases));
			plain(Market::report_offline(signed("stranger"), id))
		}
		"update_manifest" => {
			let id = some!(lease_where(random, history, active));
			Market::update_manifest(tenant_of(id), id, [random.gen(); 32])
		}
		"propose_resize" => {
			// The size that it has takes a proposal back.
			let proposed = pallet_market::Resizes::<Runtime>::iter_keys().next();
			if let Some(id) = proposed.filter(|_| random.gen_ratio(1, 6)) {
				return Market::propose_resize(tenant_of(id), id, lease(id).taken);
			}
			let id = some!(lease_where(random, history, active));
			Market::propose_resize(tenant_of(id), id, size(random))
		}
		"accept_resize" => {
			let id = some!(pallet_market::Resizes::<Runtime>::iter_keys().next());
			let proposed = some!(pallet_market::Resizes::<Runtime>::get(id));
			plain(Market::accept_resize(
				operator_of(id),
				id,
				proposed.resources,
			))
		}
		"revoke_access" => {
			let id = some!(one_of(random, &history.leases));
			Market::revoke_access(tenant_of(id), id)
		}
		"market set_terms" => {
			let mut terms = market_terms();
			terms.compensation_blocks = random.gen_range(0..200);
			terms.low_funds = random.gen_range(1..40);
			terms.rank_weight = Perbill::from_percent(random.gen_range(0..100));
			terms.cancel_fee = random.gen_range(0..=terms.record_deposit);
			terms.max_slice = random.gen_range(0..60 * LEASE);
			terms.start_deadline = random.gen_range(10..30);
			terms.bid_lock = random.gen_range(0..3);
			terms.max_open_bids = random.gen_range(1..6);
			terms.agenda_horizon = random.gen_range(1..=100);
			terms.manifest_deadline = random.gen_range(4..10);
			Market::set_terms(root(), pallet_market::Terms::V1(terms))
		}
		"deposit" => {
			let id = some!(one_of(random, &history.leases));
			let who = *any(random, &NAMES);
			let who = if random.gen() {
				pallet_market::Leases::<Runtime>::get(id).unwrap().tenant
			} else {
				account(who)
			};
			let amount = amount(random, 60_000_000);
			leaving_others_alone(id, &who, || plain(Escrow::deposit(by(&who), id, amount)))
		}
		"settle" => {
			let id = some!(one_of(random, &history.leases));
			let settle = || plain(Escrow::settle(signed("stranger"), id));
			leaving_others_alone(id, &account("nobody"), settle)
		}
		"withdraw" => {
			let id = some!(lease_where(random, history, active));
			let stream = stream(id);
			let funder = any(random, &stream.funders).who.clone();
			let amount = amount(random, stream.withdrawable(0));
			leaving_others_alone(id, &funder, || {
				plain(Escrow::withdraw(by(&funder), id, amount))
			})
		}
		"set_refill" => {
			let id = some!(one_of(random, &history.leases));
			let refill = Refill {
				amount: amount(random, 100_000_000),
				budget: amount(random, 300_000_000),
			};
			Escrow::set_refill(tenant_of(id), id, random.gen_ratio(4, 5).then_some(refill))
		}
		"escrow set_terms" => {
			let mut terms = escrow_terms();
			terms.fee = Perbill::from_percent(random.gen_range(0..70));
			terms.suspension_period = random.gen_range(0..40);
			terms.storage_rate = Perbill::from_percent(random.gen_range(0..30));
			Escrow::set_terms(root(), pallet_escrow::Terms::V1(terms))
		}
		"set_fee_destination" => {
			// One that may be emptied, too.
			let destination = match random.gen() {
				true => leasehold_runtime::configs::ProtocolFees::account(),
				false => account("f4"),
			};
			Escrow::set_fee_destination(root(), destination)
		}
		"reputation set_terms" => {
			let terms = pallet_reputation::TermsV2 {
				half_life: random.gen_range(0..10_000),
				..Default::default()
			};
			Reputation::set_terms(root(), pallet_reputation::Terms::V2(terms))
		}
		"transfer" => {
			let (from, to) = (any(random, &NAMES), any(random, &NAMES));
			let dest = account(to).into();
			match random.gen_ratio(1, 30) {
				true => Balances::transfer_all(signed(from), dest, random.gen()),
				false => {
					let value = amount(random, LEASE);
					Balances::transfer_allow_death(signed(from), dest, value)
				}
			}
		}
		"freeze" => {
			let who = *any(random, &NAMES);
			set_frozen(&account(who), random.gen());
			Ok(())
		}
		"by proxy" => {
			let id = some!(one_of(random, &history.leases));
			let tenant = lease(id).tenant;
			let by_tenant = RawOrigin::Signed(tenant.clone());
			let proxy = || account("f4");
			let call = RuntimeCall::Escrow(pallet_escrow::Call::deposit {
				lease: id,
				amount: amount(random, 1_000_000),
			});
			let (of, kind) = (tenant.into(), ProxyType::Tenant);
			Proxy::add_proxy(by_tenant.clone().into(), proxy().into(), kind, 0)?;
			let done = Proxy::proxy(by(&proxy()), of, None, Box::new(call));
			Proxy::remove_proxies(by_tenant.into())?;
			done
		}
		// Anything by somebody whose it is not; only what anybody may do is accepted.
		_ => {
			let who = || signed("f5");
			let lease = one_of(random, &history.leases).unwrap_or(u64::MAX);
			let order = one_of(random, &history.orders).unwrap_or(u64::MAX);
			match random.gen_range(0..12) {
				0 => plain(Market::cancel_order(who(), order)),
				1 => plain(Market::place_bid(who(), order, 5)),
				2 => Market::withdraw_bid(who(), order),
				3 => plain(Market::start_lease(who(), lease)),
				4 => plain(Market::complete_lease(who(), lease, 0, [0; 32])),
				5 => plain(Market::close_lease(who(), lease)),
				6 => plain(Market::pause_lease(who(), lease)),
				7 => plain(Market::abandon_lease(who(), lease)),
				8 => plain(Escrow::withdraw(who(), lease, 1)),
				9 => Providers::set_paused(who(), true),
				10 => plain(Market::report_offline(who(), lease)),
				_ => plain(Escrow::settle(who(), lease)),
			}
		}
	}
}
