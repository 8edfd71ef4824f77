//! What the measurements start from: accounts with funds, and providers, orders and leases that are
//! as large as they may be.

use crate::{
	AccountId, Balance, Balances, Escrow, Market, Providers, Runtime, RuntimeOrigin, Session,
	SessionKeys, System, LEASE,
};
use alloc::{format, vec, vec::Vec};
use codec::Encode;
use frame_benchmarking::{account, whitelisted_caller};
use frame_support::{
	dispatch::RawOrigin,
	storage::unhashed,
	traits::{
		fungible::{Mutate, MutateHold},
		StorageVersion,
	},
};
use leasehold_primitives::{
	AgendaItem, Attribute, Attributes, GpuUnits, GpuVendor, LeaseId, OrderId, PersistentStorage,
	PriceSheet, PriceSheetV1, ProviderId, ProviderRegistry, Resources, Score, StorageClass,
	Streams, WorkloadKind,
};
use pallet_market::{
	migrations::v1, Asset, Attestors, HoldReason, Order, OrderV1, Quantity, Selection,
};
use pallet_providers::{ProviderInfo, ProviderInfoV1};
use sp_core::H256;
use sp_io::hashing::blake2_256;
use sp_runtime::BoundedVec;

/// Price ceiling of all orders, planck a block.
pub const MAX_RATE: Balance = 1_000_000;

const HALF_LIFE: u32 = 864_000;

pub fn signed(who: &AccountId) -> RuntimeOrigin {
	RawOrigin::Signed(who.clone()).into()
}

pub fn root() -> RuntimeOrigin {
	RawOrigin::Root.into()
}

/// An account with more than it needs.
pub fn rich(name: &'static str, n: u32) -> AccountId {
	funded(account(name, n, 0))
}

/// The account whose reads and writes an extrinsic's base weight has paid for.
pub fn caller() -> AccountId {
	funded(whitelisted_caller())
}

fn funded(who: AccountId) -> AccountId {
	let _ = Balances::mint_into(&who, 10_000_000 * LEASE);
	who
}

pub fn at(block: u32) {
	System::set_block_number(block);
}

pub fn now() -> u32 {
	System::block_number()
}

fn full<const N: u32>(byte: u8) -> BoundedVec<u8, frame_support::traits::ConstU32<N>> {
	vec![byte; N as usize].try_into().unwrap()
}

fn list<T, const N: u32>(
	items: impl Iterator<Item = T>,
) -> BoundedVec<T, frame_support::traits::ConstU32<N>> {
	let Ok(list) = items.collect::<Vec<T>>().try_into() else {
		panic!("too many items");
	};
	list
}

/// Short deadlines, so that a few steps reach them; what they cost does not depend on them.
pub fn short_terms() {
	let providers = pallet_providers::TermsV1 {
		heartbeat_period: 10,
		heartbeat_grace: 15,
		max_downtime: 300,
		..Default::default()
	};
	pallet_providers::CurrentTerms::<Runtime>::put(pallet_providers::Terms::V1(providers));
	let escrow = pallet_escrow::TermsV1 {
		suspension_period: 20,
		min_funded_blocks: 10,
		min_top_up: 1_000,
		..Default::default()
	};
	pallet_escrow::CurrentTerms::<Runtime>::put(pallet_escrow::Terms::V1(escrow));
	let market = pallet_market::TermsV1 {
		start_deadline: 20,
		manifest_deadline: 8,
		low_funds: 15,
		..Default::default()
	};
	pallet_market::CurrentTerms::<Runtime>::put(pallet_market::Terms::V1(market));
	// Late enough for scores to count.
	if now() < HALF_LIFE {
		at(HALF_LIFE);
	}
}

pub fn attributes() -> Attributes {
	list((0..8).map(|n| Attribute {
		key: full(b'a' + n),
		value: full(b'v'),
	}))
}

/// `share` parts of all that a provider has.
pub fn resources(share: u32) -> Resources {
	let classes = [
		StorageClass::Hdd,
		StorageClass::Ssd,
		StorageClass::Nvme,
		StorageClass::Ram,
	];
	Resources {
		cpu: 1_000 * share,
		memory: 1_000 * share,
		ephemeral: 1_000 * share,
		persistent: list(classes.into_iter().map(|class| PersistentStorage {
			class,
			size: 1_000 * share,
		})),
		gpu: list((0..4).map(|n| GpuUnits {
			vendor: GpuVendor::Nvidia,
			model: Some(full(b'm' + n)),
			memory: Some(1_000),
			units: share,
		})),
		ports: share,
		ips: share,
		unit_cpu: 1_000,
		unit_memory: 1_000,
	}
}

pub fn info(capacity: u32) -> ProviderInfo {
	ProviderInfo::V1(ProviderInfoV1 {
		gateways: list((0..4).map(|_| full(b'u'))),
		tls_keys: list((0..2).map(|n| [n; 32])),
		sealing_key: Some([7; 32]),
		attributes: attributes(),
		capacity: resources(capacity),
	})
}

/// A price sheet that prices all of [`resources`] at 1 planck in sum.
pub fn sheet() -> PriceSheet {
	let one = |class| (class, 0);
	PriceSheet::V1(PriceSheetV1 {
		cpu: 1,
		memory: 0,
		ephemeral: 0,
		persistent: list(
			[
				StorageClass::Ram,
				StorageClass::Nvme,
				StorageClass::Ssd,
				StorageClass::Hdd,
			]
			.into_iter()
			.map(one),
		),
		gpu: list((0..8).map(|n| (full(b'm' + 7 - n), 0))),
		port: 0,
		ip: 0,
	})
}

/// Provider `n`, operated by `operator`, that serves 32 tenants by name, `tenant` the last of them.
pub fn provider_of(n: u32, operator: AccountId, tenant: &AccountId) -> ProviderId {
	let id = pallet_providers::NextProviderId::<Runtime>::get();
	let owner = rich("owner", n);
	Providers::register(signed(&owner), operator, 100_000 * LEASE, info(100)).unwrap();
	let served = list(
		(0..31)
			.map(|n| account("served", n, 0))
			.chain([tenant.clone()]),
	);
	Providers::set_served(signed(&owner), Some(served)).unwrap();
	Providers::set_offer(signed(&owner), Some(sheet())).unwrap();
	let standing = pallet_reputation::Standing {
		value: 20_000_000_000,
		at: HALF_LIFE,
		..Default::default()
	};
	pallet_reputation::ProviderScores::<Runtime>::insert(id, standing);
	id
}

pub fn provider(n: u32, tenant: &AccountId) -> ProviderId {
	provider_of(n, rich("operator", n), tenant)
}

pub fn operator(provider: ProviderId) -> AccountId {
	pallet_providers::Providers::<Runtime>::get(provider)
		.unwrap()
		.operator
}

/// Takes the last sort of GPUs from a provider: from now on it fails the last check of an order.
pub fn shrink(provider: ProviderId) {
	let mut less = resources(100);
	if let Some(last) = less.gpu.last_mut() {
		last.vendor = GpuVendor::Amd;
	}
	let ProviderInfo::V1(all) = info(100);
	let info = ProviderInfo::V1(ProviderInfoV1 {
		capacity: less,
		..all
	});
	pallet_providers::Infos::<Runtime>::insert(provider, info);
}

/// `count` auditors, the first four of which must all have attested, and one of the others.
pub fn attestors(count: u32) -> Attestors<AccountId> {
	let who = |n| account("auditor", n, 0);
	Attestors {
		all_of: list((0..count.min(4)).map(who)),
		any_of: list((4..count).map(who)),
	}
}

/// Has a provider attested by [`attestors`]: of those of which one will do, all but the last vouch for
/// something else.
pub fn attest(provider: ProviderId, count: u32) {
	for n in 0..count {
		let auditor = rich("auditor", n);
		let mut about = attributes();
		if n >= 4 && n + 1 < count {
			if let Some(last) = about.last_mut() {
				last.value = full(b'w');
			}
		}
		Providers::attest(signed(&auditor), provider, about, 1_000).unwrap();
	}
}

/// An order as large as may be, for `leases` leases on one provider each.
pub fn order(leases: u8) -> OrderV1<AccountId> {
	OrderV1 {
		access: Some(account("access", 0, 0)),
		manifest_hash: [1; 32],
		kind: WorkloadKind::Job,
		resources: resources(1),
		attributes: attributes(),
		attestors: Default::default(),
		max_rate: MAX_RATE,
		asset: Asset::Native,
		quantity: Quantity {
			leases,
			at_least: leases,
			spread: true,
		},
		min_score: Score::from_parts(1),
		allowed: list((0..16).map(|n| n + next_provider())),
		max_duration: 1_000_000,
		notice: 100,
		selection: Selection::BestBid,
		bidding: 50,
		deposit: 40 * MAX_RATE,
	}
}

fn next_provider() -> ProviderId {
	pallet_providers::NextProviderId::<Runtime>::get().saturating_sub(16)
}

/// Places an order.
pub fn place(tenant: &AccountId, order: OrderV1<AccountId>) -> OrderId {
	let id = pallet_market::NextOrderId::<Runtime>::get();
	Market::place_order(signed(tenant), Order::V1(order)).unwrap();
	id
}

/// Has a provider bid.
pub fn bid(provider: ProviderId, order: OrderId, rate: Balance) {
	Market::place_bid(signed(&operator(provider)), order, rate).unwrap();
}

/// An order with all bids that it may have, as version 1 of the market stored it.
pub fn order_of_v1() -> OrderId {
	short_terms();
	let tenant = rich("tenant", 0);
	let (id, _) = order_with_bids(&tenant, 8, 8, Selection::Manual);
	let mut order = pallet_market::Orders::<Runtime>::take(id).unwrap();
	// Each bid may come to all of its leases.
	let Order::V1(spec) = &mut order.spec;
	spec.quantity.spread = false;
	let (deposits, records) = (8 * spec.deposit, 8 * order.record_deposit);
	Escrow::release(&tenant, deposits + records).unwrap();
	for (reason, amount) in [(HoldReason::Order, deposits), (HoldReason::Record, records)] {
		Balances::hold(&reason.into(), &tenant, amount).unwrap();
	}
	let old = v1::OrderRecord {
		tenant,
		spec: order.spec.clone(),
		record_deposit: order.record_deposit.into(),
		bidding_ends: order.bidding_ends.into(),
		ends: order.ends.into(),
		due: order.due.into(),
		bids: order.bids,
	};
	let key = pallet_market::Orders::<Runtime>::hashed_key_for(id);
	unhashed::put(&key, &old);
	StorageVersion::new(1).put::<Market>();
	id
}

/// An order for `leases` with `others` bids before those that win it.
pub fn order_with_bids(
	tenant: &AccountId,
	leases: u32,
	others: u32,
	selection: Selection,
) -> (OrderId, Vec<ProviderId>) {
	let providers: Vec<_> = (0..16).map(|n| provider(n, tenant)).collect();
	let id = place(
		tenant,
		OrderV1 {
			selection,
			..order(leases as u8)
		},
	);
	let (fail, win) = providers.split_at(others as usize);
	let win = &win[..leases as usize];
	for (n, provider) in fail.iter().chain(win).enumerate() {
		bid(*provider, id, MAX_RATE / 2 + n as Balance);
	}
	if selection == Selection::BestBid {
		fail.iter().for_each(|provider| shrink(*provider));
	}
	(id, win.to_vec())
}

/// A lease that is `Starting`, with a provider that `operator` operates.
pub fn starting_lease(tenant: &AccountId, operator: AccountId) -> LeaseId {
	short_terms();
	let lease = pallet_market::NextLeaseId::<Runtime>::get();
	let provider = provider_of(100, operator, tenant);
	let id = place(
		tenant,
		OrderV1 {
			allowed: Default::default(),
			..order(1)
		},
	);
	bid(provider, id, MAX_RATE);
	Market::visit(AgendaItem::Order(id)).unwrap();
	lease
}

/// An active lease with `funders` of its stream.
pub fn active_lease(tenant: &AccountId, operator: AccountId, funders: u32) -> LeaseId {
	let lease = starting_lease(tenant, operator.clone());
	Market::start_lease(signed(&operator), lease).unwrap();
	for n in 1..funders {
		Escrow::deposit(signed(&rich("funder", n)), lease, 50 * MAX_RATE).unwrap();
	}
	lease
}

/// What a lease's stream holds, planck.
pub fn held(lease: LeaseId) -> Balance {
	pallet_escrow::StreamsOf::<Runtime>::get(lease)
		.unwrap()
		.held()
}

/// Lets time pass with the provider on duty until all funders' money is owed.
pub fn run_dry(lease: LeaseId) {
	serve(lease, held(lease));
}

/// Lets time pass with the provider on duty until `amount` is owed.
pub fn serve(lease: LeaseId, amount: Balance) {
	let provider = provider_of_lease(lease);
	let end = now() + u32::try_from(amount / MAX_RATE).unwrap();
	while now() < end {
		at(now() + 10);
		Providers::beat(provider);
	}
}

/// Lets the provider be away for as long as it takes to be offline.
pub fn go_offline() {
	at(now() + 400);
}

pub fn provider_of_lease(lease: LeaseId) -> ProviderId {
	pallet_market::Leases::<Runtime>::get(lease)
		.unwrap()
		.provider
}

/// The `nth` session keys of `who`, and the proof that it has them.
pub fn session_keys(who: &AccountId, nth: u32) -> (SessionKeys, Vec<u8>) {
	// A seed in hex: to derive one from words takes long.
	let seed = H256::from(blake2_256(&(who, nth).encode()));
	let made = SessionKeys::generate(&who.encode(), Some(format!("{seed:?}").into_bytes()));
	(made.keys, made.proof.encode())
}

/// Makes `count` validators of the session; the keys of the last.
pub fn validators(count: u32) -> SessionKeys {
	let mut last = None;
	let all = (0..count).map(|n| {
		let who = rich("validator", n);
		let (keys, proof) = session_keys(&who, 0);
		Session::set_keys(signed(&who), keys.clone(), proof).unwrap();
		last = Some(keys);
		who
	});
	let all: Vec<_> = all.collect();
	pallet_session::Validators::<Runtime>::put(all);
	last.unwrap()
}

/// A new chain in memory, in which keys can be made.
#[cfg(test)]
pub fn externalities() -> sp_io::TestExternalities {
	use crate::configs::{ProtocolFees, TransactionFees};
	use sp_runtime::BuildStorage;
	let storage = crate::RuntimeGenesisConfig {
		balances: crate::BalancesConfig {
			balances: vec![
				(ProtocolFees::account(), crate::EXISTENTIAL_DEPOSIT),
				(TransactionFees::account(), crate::EXISTENTIAL_DEPOSIT),
			],
			..Default::default()
		},
		escrow: crate::EscrowConfig {
			fee_destination: Some(ProtocolFees::account()),
			..Default::default()
		},
		..Default::default()
	}
	.build_storage()
	.unwrap();
	let mut new = sp_io::TestExternalities::new(storage);
	new.register_extension(sp_keystore::KeystoreExt::new(
		sp_keystore::testing::MemoryKeystore::new(),
	));
	new
}
