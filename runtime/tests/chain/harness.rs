//! A chain in memory: accounts, providers and tenants, and blocks that pass.

use frame_support::{
	dispatch::{DispatchResult, DispatchResultWithPostInfo, RawOrigin},
	traits::{Authorize, Hooks},
	weights::{Weight, WeightMeter},
};
use leasehold_primitives::{
	heartbeat, math, resources::Attributes, AgendaClass, Attribute, Balance, LeaseId, OrderId,
	PriceSheet, PriceSheetV1, ProviderId, Resources, Score, WorkloadKind,
};
use leasehold_runtime::{
	configs::{ProtocolFees, TransactionFees},
	invariants, AccountId, Agenda, Balances, BalancesConfig, Escrow, EscrowConfig, Market,
	MarketConfig, Providers, ProvidersConfig, ReputationConfig, Runtime, RuntimeCall, RuntimeEvent,
	RuntimeGenesisConfig, RuntimeOrigin, Signature, System, EXISTENTIAL_DEPOSIT, LEASE,
};
use pallet_market::{Asset, Order, OrderV1, Quantity, Selection};
use pallet_providers::{ProviderInfo, ProviderInfoV1};
use sp_core::{sr25519, Pair, H256};
use sp_runtime::{transaction_validity::TransactionValidityError, BuildStorage};
use std::{cell::RefCell, collections::HashMap};

/// What each account owns at genesis, planck.
pub const ENDOWMENT: Balance = 10_000 * LEASE;

thread_local! {
	/// Deriving a key takes most of a millisecond.
	static PAIRS: RefCell<HashMap<String, sr25519::Pair>> = RefCell::default();
}

/// A key pair by its name.
pub fn pair(name: &str) -> sr25519::Pair {
	PAIRS.with_borrow_mut(|pairs| {
		let derive = || sr25519::Pair::from_string(&format!("//{name}"), None).unwrap();
		pairs.entry(name.to_owned()).or_insert_with(derive).clone()
	})
}

/// An account by its name.
pub fn account(name: &str) -> AccountId {
	pair(name).public().into()
}

pub fn signed(name: &str) -> RuntimeOrigin {
	RawOrigin::Signed(account(name)).into()
}

pub fn providers_terms() -> pallet_providers::TermsV1 {
	pallet_providers::TermsV1 {
		min_bond: 100 * LEASE,
		unbonding_period: 100,
		heartbeat_period: 10,
		heartbeat_grace: 15,
		max_downtime: 300,
		max_attestation: 300,
		..Default::default()
	}
}

pub fn escrow_terms() -> pallet_escrow::TermsV1 {
	pallet_escrow::TermsV1 {
		suspension_period: 20,
		min_funded_blocks: 10,
		min_top_up: 1_000,
		..Default::default()
	}
}

pub fn market_terms() -> pallet_market::TermsV1 {
	pallet_market::TermsV1 {
		min_bidding: 3,
		max_bidding: 50,
		bid_lock: 1,
		max_open_bids: 4,
		selection_deadline: 10,
		start_deadline: 20,
		manifest_deadline: 8,
		low_funds: 15,
		max_notice: 100,
		resize_window: 10,
		compensation_blocks: 100,
		closed_retention: 100,
		max_duration: 10_000,
		agenda_horizon: 100,
		..Default::default()
	}
}

/// Puts [`market_terms`] with a change into force.
pub fn set_market(change: impl FnOnce(&mut pallet_market::TermsV1)) {
	let mut terms = market_terms();
	change(&mut terms);
	Market::set_terms(RuntimeOrigin::root(), pallet_market::Terms::V1(terms)).unwrap();
}

/// All accounts that have money.
pub const NAMES: [&str; 14] = [
	"tenant",
	"friend",
	"stranger",
	"owner0",
	"operator0",
	"owner1",
	"operator1",
	"owner2",
	"operator2",
	"f1",
	"f2",
	"f3",
	"f4",
	"f5",
];

/// Externalities at block 1 of a new chain with short times.
pub fn externalities() -> sp_io::TestExternalities {
	externalities_with(providers_terms(), escrow_terms(), market_terms())
}

/// Externalities at block 1 of a new chain with these terms.
fn externalities_with(
	providers: pallet_providers::TermsV1,
	escrow: pallet_escrow::TermsV1,
	market: pallet_market::TermsV1,
) -> sp_io::TestExternalities {
	let mut balances: Vec<(AccountId, Balance)> = NAMES
		.iter()
		.map(|name| (account(name), ENDOWMENT))
		.collect();
	balances.push((ProtocolFees::account(), EXISTENTIAL_DEPOSIT));
	balances.push((TransactionFees::account(), EXISTENTIAL_DEPOSIT));
	let storage = RuntimeGenesisConfig {
		balances: BalancesConfig {
			balances,
			..Default::default()
		},
		providers: ProvidersConfig {
			terms: providers,
			..Default::default()
		},
		escrow: EscrowConfig {
			terms: escrow,
			fee_destination: Some(ProtocolFees::account()),
		},
		market: MarketConfig {
			terms: market,
			..Default::default()
		},
		reputation: ReputationConfig::default(),
		..Default::default()
	}
	.build_storage()
	.unwrap();
	let mut externalities = sp_io::TestExternalities::new(storage);
	externalities.execute_with(|| System::set_block_number(1));
	externalities
}

/// Runs a test on a new chain; in the end all invariants hold and no planck is lost or made.
pub fn run(test: impl FnOnce()) {
	run_on(externalities(), test);
}

/// The same at default terms.
pub fn run_at_default_terms(test: impl FnOnce()) {
	let chain = externalities_with(Default::default(), Default::default(), Default::default());
	run_on(chain, test);
}

fn run_on(mut chain: sp_io::TestExternalities, test: impl FnOnce()) {
	chain.execute_with(|| {
		let issuance = Balances::total_issuance();
		test();
		invariants::check().unwrap();
		assert_eq!(Balances::total_issuance(), issuance, "I7");
	});
}

pub fn now() -> u32 {
	System::block_number()
}

/// Goes to a block far ahead, while nothing waits in the agenda.
pub fn leap(block: u32) {
	System::set_block_number(block);
	for class in [
		AgendaClass::Money,
		AgendaClass::Clearing,
		AgendaClass::Sweeping,
	] {
		pallet_agenda::Cursor::<Runtime>::insert(class, block);
	}
}

/// Lets one block pass: the agenda works, nothing else does.
pub fn next_block() {
	let next = now() + 1;
	System::set_block_number(next);
	Agenda::on_poll(next, &mut WeightMeter::with_limit(Weight::MAX));
}

pub fn to_block(block: u32) {
	while now() < block {
		next_block();
	}
}

/// Lets much time pass: only blocks in which something is due are made.
pub fn pass(blocks: u32) {
	let to = now() + blocks;
	let next = || {
		let due = pallet_agenda::PageCount::<Runtime>::iter_keys();
		due.map(|(_, at)| at).min().filter(|at| *at <= to)
	};
	while let Some(at) = next() {
		leap(at);
		Agenda::on_poll(at, &mut WeightMeter::with_limit(Weight::MAX));
	}
	leap(to);
}

/// Lets blocks pass while a provider's daemon beats as often as it may.
pub fn to_block_on_duty(block: u32, provider: ProviderId) {
	let pallet_providers::Terms::V1(terms) = pallet_providers::CurrentTerms::<Runtime>::get();
	while now() < block {
		next_block();
		let last = pallet_providers::Heartbeats::<Runtime>::get(provider);
		let early = last.is_some_and(|beat| {
			let period = math::beat_period(terms.heartbeat_period, beat.grace);
			now() < beat.last_beat + period
		});
		if !early {
			let _ = beat(provider);
		}
	}
}

pub fn machine() -> Resources {
	Resources {
		cpu: 4_000,
		memory: 8_192,
		ephemeral: 20_000,
		unit_cpu: 4_000,
		unit_memory: 8_192,
		..Default::default()
	}
}

pub fn attribute(key: &str, value: &str) -> Attribute {
	Attribute {
		key: key.as_bytes().to_vec().try_into().unwrap(),
		value: value.as_bytes().to_vec().try_into().unwrap(),
	}
}

pub fn attributes(list: &[(&str, &str)]) -> Attributes {
	list.iter()
		.map(|(k, v)| attribute(k, v))
		.collect::<Vec<_>>()
		.try_into()
		.unwrap()
}

pub fn info() -> ProviderInfoV1 {
	ProviderInfoV1 {
		gateways: vec![b"http://127.0.0.1:8443".to_vec().try_into().unwrap()]
			.try_into()
			.unwrap(),
		tls_keys: Default::default(),
		sealing_key: None,
		attributes: attributes(&[("region", "eu")]),
		capacity: machine(),
	}
}

/// Registers provider number `n` by `owner{n}` and `operator{n}` with ten times the least bond.
pub fn register(n: u32) -> ProviderId {
	let provider = pallet_providers::NextProviderId::<Runtime>::get();
	let (owner, operator) = (format!("owner{n}"), account(&format!("operator{n}")));
	Providers::register(
		signed(&owner),
		operator,
		1_000 * LEASE,
		ProviderInfo::V1(info()),
	)
	.unwrap();
	provider
}

pub const MAX_RATE: Balance = 1_000_000;

/// A job's order that any provider of [`register`] meets.
pub fn order(manifest: u8) -> OrderV1<AccountId> {
	OrderV1 {
		access: None,
		manifest_hash: [manifest; 32],
		kind: WorkloadKind::Job,
		resources: Resources {
			cpu: 1_000,
			memory: 1_024,
			ephemeral: 1_000,
			unit_cpu: 1_000,
			unit_memory: 1_024,
			..Default::default()
		},
		attributes: attributes(&[("region", "eu")]),
		attestors: Default::default(),
		max_rate: MAX_RATE,
		asset: Asset::Native,
		quantity: Quantity::ONE,
		min_score: Score::zero(),
		allowed: Default::default(),
		max_duration: 1_000,
		notice: 0,
		selection: Selection::BestBid,
		bidding: 5,
		deposit: 100 * MAX_RATE,
	}
}

/// An order that takes all CPU of a provider of [`register`].
pub fn whole(manifest: u8) -> OrderV1<AccountId> {
	let mut order = order(manifest);
	(order.resources.cpu, order.resources.unit_cpu) = (machine().cpu, machine().cpu);
	order
}

/// So little that a provider can hold hundreds of leases.
pub fn tiny() -> Resources {
	Resources {
		cpu: 10,
		memory: 10,
		unit_cpu: 10,
		unit_memory: 10,
		..Default::default()
	}
}

/// Has provider 0 offer a milli-CPU at so many thousandths of a planck a block, and the rest for nothing.
pub fn offer_cpu(price: Balance) {
	let sheet = PriceSheet::V1(PriceSheetV1 {
		cpu: price,
		..Default::default()
	});
	Providers::set_offer(signed("operator0"), Some(sheet)).unwrap();
}

/// The same order, for the offer of provider 0 as it stands.
pub fn by_offer(spec: OrderV1<AccountId>) -> OrderV1<AccountId> {
	OrderV1 {
		selection: Selection::Offer {
			provider: 0,
			version: provider(0).offer_version,
		},
		bidding: 0,
		..spec
	}
}

/// Fills provider 0 with a lease of another order before the end of `order`, on which it has bid `rate`.
pub fn bid_and_fill_up(order: OrderId, rate: Balance) -> LeaseId {
	let lease = pallet_market::NextLeaseId::<Runtime>::get();
	let mut soon = whole(99);
	soon.bidding = market_terms().min_bidding;
	let soon = place(soon);
	bid(0, soon, 1).unwrap();
	bid(0, order, rate).unwrap();
	to_block(now() + market_terms().min_bidding);
	assert!(pallet_market::Leases::<Runtime>::contains_key(lease));
	lease
}

/// Places an order of `tenant`.
pub fn place(order: OrderV1<AccountId>) -> OrderId {
	let id = pallet_market::NextOrderId::<Runtime>::get();
	Market::place_order(signed("tenant"), Order::V1(order)).unwrap();
	id
}

/// The result of a call, without what it is charged.
pub fn plain(result: DispatchResultWithPostInfo) -> DispatchResult {
	result.map(|_| ()).map_err(|error| error.error)
}

pub fn bid(n: u32, order: OrderId, rate: Balance) -> DispatchResult {
	plain(Market::place_bid(
		signed(&format!("operator{n}")),
		order,
		rate,
	))
}

/// Registers provider 0 and brings a lease at `rate` to `Starting`.
pub fn starting_lease(rate: Balance) -> LeaseId {
	register(0);
	lease_from(order(1), rate)
}

/// Has provider 0 win an order at `rate`.
pub fn lease_from(order: OrderV1<AccountId>, rate: Balance) -> LeaseId {
	let lease = pallet_market::NextLeaseId::<Runtime>::get();
	let id = place(order);
	bid(0, id, rate).unwrap();
	to_block(now() + 5);
	assert!(pallet_market::Leases::<Runtime>::contains_key(lease));
	lease
}

/// Registers provider 0 and brings a lease at `rate` to `Active`.
pub fn active_lease(rate: Balance) -> LeaseId {
	let lease = starting_lease(rate);
	Market::start_lease(signed("operator0"), lease).unwrap();
	lease
}

/// Registers provider 0 and brings a lease at the highest rate to `Active`, with the least deposit: thirty
/// blocks beyond the reserve.
pub fn poor_lease() -> LeaseId {
	register(0);
	let mut poor = order(1);
	poor.deposit = 32 * MAX_RATE;
	let lease = lease_from(poor, MAX_RATE);
	Market::start_lease(signed("operator0"), lease).unwrap();
	lease
}

/// Registers so many providers `many{n}` with operators `hand{n}` and the least bond. The operators have
/// no money: they need none.
pub fn crowd(size: u32, info: impl Fn() -> ProviderInfoV1) {
	let bond = providers_terms().min_bond;
	for n in 0..size {
		let payer = if n % 2 == 0 { "friend" } else { "stranger" };
		let (owner, operator) = (format!("many{n}"), account(&format!("hand{n}")));
		let to = account(&owner).into();
		Balances::transfer_keep_alive(signed(payer), to, bond + LEASE).unwrap();
		Providers::register(signed(&owner), operator, bond, ProviderInfo::V1(info())).unwrap();
	}
}

/// Locks all that an account owns, as vesting or a vote may.
pub fn lock(who: &str) {
	use frame_support::traits::{LockableCurrency, WithdrawReasons};
	let all = WithdrawReasons::all();
	Balances::set_lock(*b"vesting0", &account(who), u128::MAX, all);
}

/// All keys and values of the state.
pub fn state() -> Vec<(Vec<u8>, Vec<u8>)> {
	let (mut pairs, mut key) = (Vec::new(), Vec::new());
	while let Some(next) = sp_io::storage::next_key(&key) {
		let value = sp_io::storage::get(&next).unwrap().to_vec();
		pairs.push((next.clone(), value));
		key = next;
	}
	pairs
}

/// Those of some pallets.
pub fn state_of(pallets: &[&str]) -> Vec<(Vec<u8>, Vec<u8>)> {
	let prefixes: Vec<_> = pallets
		.iter()
		.map(|pallet| sp_io::hashing::twox_128(pallet.as_bytes()))
		.collect();
	let ours = |key: &[u8]| prefixes.iter().any(|prefix| key.starts_with(prefix));
	state().into_iter().filter(|(key, _)| ours(key)).collect()
}

pub fn stream(lease: LeaseId) -> pallet_escrow::StreamRecordOf<Runtime> {
	pallet_escrow::StreamsOf::<Runtime>::get(lease).unwrap()
}

pub fn closed(lease: LeaseId) -> pallet_market::ClosedLeaseOf<Runtime> {
	pallet_market::ClosedLeases::<Runtime>::get(lease).unwrap()
}

pub fn lease(id: LeaseId) -> pallet_market::LeaseRecordOf<Runtime> {
	pallet_market::Leases::<Runtime>::get(id).unwrap()
}

pub fn provider(id: ProviderId) -> pallet_providers::ProviderRecordOf<Runtime> {
	pallet_providers::Providers::<Runtime>::get(id).unwrap()
}

pub fn settle(lease: LeaseId) {
	Escrow::settle(signed("stranger"), lease).unwrap();
}

/// A heartbeat as the operator of `provider` signs it now.
pub fn heartbeat_call(provider: ProviderId, instance: [u8; 16], signer: &str) -> RuntimeCall {
	let last_beat = pallet_providers::Heartbeats::<Runtime>::get(provider)
		.map(|beat| beat.last_beat)
		.unwrap_or_default();
	heartbeat_of(provider, instance, last_beat, signer)
}

/// A heartbeat over any stored block.
pub fn heartbeat_of(
	provider: ProviderId,
	instance: [u8; 16],
	last_beat: u32,
	signer: &str,
) -> RuntimeCall {
	let genesis: H256 = System::block_hash(0);
	let payload = heartbeat::payload(&genesis, provider, &instance, last_beat);
	RuntimeCall::Providers(pallet_providers::Call::heartbeat {
		provider,
		instance,
		last_beat,
		signature: Signature::Sr25519(pair(signer).sign(&payload)),
	})
}

/// Validates an authorised call and dispatches it as a block would.
pub fn submit(call: RuntimeCall) -> Result<(), TransactionValidityError> {
	use sp_runtime::{traits::Dispatchable, transaction_validity::TransactionSource};
	call.authorize(TransactionSource::External)
		.expect("an authorised call")?;
	call.dispatch(RawOrigin::Authorized.into())
		.expect("an authorised call succeeds");
	Ok(())
}

/// Sends a heartbeat of the provider by its own operator.
pub fn beat(provider: ProviderId) -> Result<(), TransactionValidityError> {
	submit(heartbeat_call(
		provider,
		[provider as u8; 16],
		&format!("operator{provider}"),
	))
}

pub fn free(name: &str) -> Balance {
	Balances::free_balance(account(name))
}

pub fn held(name: &str) -> Balance {
	use frame_support::traits::fungible::InspectHold;
	<Balances as InspectHold<AccountId>>::total_balance_on_hold(&account(name))
}

/// The market's events so far.
pub fn market_events() -> Vec<pallet_market::Event<Runtime>> {
	System::events()
		.into_iter()
		.filter_map(|record| match record.event {
			RuntimeEvent::Market(event) => Some(event),
			_ => None,
		})
		.collect()
}
