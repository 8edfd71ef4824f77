//! Reading the chain's records at one block.

use crate::{
	chain::At,
	error::ChainError,
	runtime::{self, runtime_types as types},
	AccountId32,
};
use leasehold_primitives::{
	heartbeat::Instance, math, resources::has_attributes, Attribute, Attributes, CloseReason,
	Fault, Requirement, Resources, WorkloadKind,
};
use subxt::utils::H256;
use types::{
	pallet_escrow::types::StreamRecord,
	pallet_market::types::{ClosedLease, LeaseRecord, LeaseState, OpenItem, Order, OrderRecord},
	pallet_providers::types::{ProviderInfo, ProviderRecord, Status, Terms as ProvidersTerms},
};

/// The chain as of one block.
pub struct View {
	/// The client at that block, for reads that have no method here.
	pub at: At,
}

/// An account's balances, planck.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Account {
	pub free: u128,
	/// On hold, for whatever reason.
	pub held: u128,
	pub frozen: u128,
	/// Transactions sent.
	pub nonce: u32,
}

/// A provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provider {
	pub id: u32,
	pub owner: AccountId32,
	pub operator: AccountId32,
	/// Takes new leases.
	pub accepting: bool,
	/// Leaves; the bond is free in this block at the earliest.
	pub unbonding_until: Option<u32>,
	/// Planck.
	pub bond: u128,
	/// Planck, reserved of the bond by open leases.
	pub slices: u128,
	/// Open leases.
	pub leases: u32,
	pub reserved: Resources,
	pub capacity: Resources,
	pub attributes: Vec<Attribute>,
	pub gateways: Vec<String>,
}

/// A provider's heartbeats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heartbeat {
	pub counter: u32,
	pub last_beat: u32,
	pub grace: u32,
	pub instance: Instance,
}

/// An open order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenOrder {
	pub id: u64,
	pub tenant: AccountId32,
	pub access: AccountId32,
	pub manifest_hash: [u8; 32],
	pub kind: WorkloadKind,
	pub resources: Resources,
	pub attributes: Vec<Attribute>,
	/// Planck per served block.
	pub max_rate: u128,
	/// Parts per billion.
	pub min_score: u32,
	/// Blocks.
	pub max_duration: u32,
	/// Planck.
	pub deposit: u128,
	/// Block in which bidding ends.
	pub bidding_ends: u32,
	/// (provider, rate in planck per served block), best first.
	pub bids: Vec<(u32, u128)>,
}

/// Where an open lease stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
	/// Waits for manifest and workload, at most until this block.
	Starting { deadline: u32 },
	/// Runs, at most until this block.
	Active { term_end: u32 },
}

/// An open lease and its stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenLease {
	pub id: u64,
	pub order: u64,
	pub tenant: AccountId32,
	pub access: AccountId32,
	pub provider: u32,
	pub manifest_hash: [u8; 32],
	pub kind: WorkloadKind,
	pub taken: Resources,
	/// Blocks.
	pub max_duration: u32,
	pub state: State,
	/// Planck per served block, gross.
	pub rate: u128,
	/// Planck that a running workload does not use up.
	pub reserve: u128,
	/// Planck on hold.
	pub held: u128,
	/// Planck paid so far, gross.
	pub paid: u128,
	/// Blocks paid so far.
	pub served_blocks: u32,
	/// (served base, base, deadline) of the accrual, blocks.
	pub accrual: Option<(u32, u32, u32)>,
}

impl OpenLease {
	/// Blocks that the balance above the reserve pays for, counted from the last settlement.
	pub fn funded_blocks(&self) -> u32 {
		math::funded_blocks(self.rate, self.held.saturating_sub(self.reserve))
	}

	/// The block from which on nothing is paid any more if the provider is always on duty: dry or
	/// at the end of the term.
	pub fn runs_until(&self) -> Option<u32> {
		let (_, base, deadline) = self.accrual?;
		Some(base.saturating_add(self.funded_blocks()).min(deadline))
	}
}

/// What is kept of a closed lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closed {
	pub id: u64,
	pub order: u64,
	pub tenant: AccountId32,
	pub provider: u32,
	pub reason: CloseReason,
	pub fault: Fault,
	pub served_blocks: u32,
	/// Planck, gross.
	pub paid: u128,
	/// Planck, the protocol's part of `paid`.
	pub fees: u128,
	/// Planck.
	pub refunded: u128,
	pub closed_at: u32,
}

/// What has become of a lease id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LeaseRecordNow {
	Open(Box<OpenLease>),
	Closed(Closed),
	/// Was closed and swept.
	Swept,
	/// Was never given.
	Unknown,
}

/// What has become of an order id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OrderNow {
	Open(Box<OpenOrder>),
	/// Matched, cancelled, expired or never placed.
	Gone,
}

/// The terms that clients reckon with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
	pub heartbeat_period: u32,
	pub heartbeat_grace: u32,
	pub min_bond: u128,
	pub start_deadline: u32,
	pub min_bidding: u32,
	pub max_bidding: u32,
	pub max_duration: u32,
	pub bid_lock: u32,
	pub record_deposit: u128,
	pub compensation_blocks: u32,
	pub max_slice: u128,
	pub min_funded_blocks: u32,
	/// Parts per billion.
	pub storage_rate: u32,
	pub suspension_period: u32,
	/// Parts per billion.
	pub fee: u32,
	pub slot_millis: u64,
	/// Least balance of an account, planck.
	pub existential_deposit: u128,
}

impl Terms {
	/// The part of the deposit that running does not use up, planck.
	pub fn reserve(&self, rate: u128) -> u128 {
		let share = sp_perbill(self.storage_rate);
		math::storage_rate(rate, share).saturating_mul(self.suspension_period.into())
	}

	/// The least first deposit, planck. `None` on overflow.
	pub fn minimal_deposit(&self, rate: u128) -> Option<u128> {
		math::minimal_deposit(
			rate,
			self.min_funded_blocks,
			self.start_deadline,
			self.reserve(rate),
		)
	}

	/// The part of a provider's bond that a lease reserves, planck.
	pub fn slice(&self, rate: u128) -> u128 {
		math::bond_slice(rate, self.compensation_blocks, self.max_slice)
	}
}

fn sp_perbill(parts: u32) -> leasehold_primitives::Score {
	leasehold_primitives::Score::from_parts(parts)
}

impl Provider {
	fn new(id: u32, record: ProviderRecord<AccountId32>, info: ProviderInfo) -> Self {
		let ProviderInfo::V1(info) = info;
		Self {
			id,
			owner: record.owner,
			operator: record.operator,
			accepting: record.status == Status::Active,
			unbonding_until: match record.status {
				Status::Unbonding { until, .. } => Some(until),
				_ => None,
			},
			bond: record.bond,
			slices: record.slices,
			leases: record.leases,
			reserved: record.reserved.0,
			capacity: info.capacity.0,
			attributes: info.attributes.0.into_iter().map(|a| a.0).collect(),
			gateways: info
				.gateways
				.0
				.into_iter()
				.map(|url| String::from_utf8_lossy(&url.0).into_owned())
				.collect(),
		}
	}

	/// What the provider lacks for such an order at `rate`, as the chain would see it; the score
	/// aside.
	pub fn lacks(
		&self,
		resources: &Resources,
		attributes: &[Attribute],
		rate: u128,
		terms: &Terms,
	) -> Vec<Requirement> {
		let mut lacks = Vec::new();
		if !self.accepting {
			lacks.push(Requirement::Accepting);
		}
		if terms.slice(rate) > self.bond.saturating_sub(self.slices) || self.bond < terms.min_bond {
			lacks.push(Requirement::Bond);
		}
		let list = |l: &[Attribute]| Attributes::try_from(l.to_vec()).unwrap_or_default();
		if !has_attributes(&list(&self.attributes), &list(attributes)) {
			lacks.push(Requirement::Attributes);
		}
		if let Err(requirement) = self.capacity.take(&self.reserved, resources) {
			lacks.push(requirement);
		}
		lacks
	}
}

fn open_order(id: u64, record: OrderRecord<AccountId32>) -> OpenOrder {
	let Order::V1(spec) = record.spec;
	OpenOrder {
		id,
		tenant: record.tenant,
		access: spec.access.unwrap_or(record.tenant),
		manifest_hash: spec.manifest_hash,
		kind: spec.kind.0,
		resources: spec.resources.0,
		attributes: spec.attributes.0.into_iter().map(|a| a.0).collect(),
		max_rate: spec.max_rate,
		min_score: spec.min_score.0,
		max_duration: spec.max_duration,
		deposit: spec.deposit,
		bidding_ends: record.bidding_ends,
		bids: record
			.bids
			.0
			.into_iter()
			.map(|bid| (bid.provider, bid.rate))
			.collect(),
	}
}

fn open_lease(
	id: u64,
	record: LeaseRecord<AccountId32>,
	stream: StreamRecord<AccountId32>,
) -> OpenLease {
	OpenLease {
		id,
		order: record.order,
		tenant: record.tenant,
		access: record.access.unwrap_or(record.tenant),
		provider: record.provider,
		manifest_hash: record.manifest_hash,
		kind: record.kind.0,
		taken: record.taken.0,
		max_duration: record.max_duration,
		state: match record.state {
			LeaseState::Starting { deadline } => State::Starting { deadline },
			LeaseState::Active { term_end } => State::Active { term_end },
		},
		rate: stream.rate,
		reserve: stream.reserve,
		held: stream
			.funders
			.0
			.iter()
			.fold(0, |sum, f| sum.saturating_add(f.held)),
		paid: stream.paid,
		served_blocks: stream.served_blocks,
		accrual: stream.accrual.map(|a| (a.served_base, a.base, a.deadline)),
	}
}

fn closed_lease(id: u64, record: ClosedLease<AccountId32>) -> Closed {
	Closed {
		id,
		order: record.order,
		tenant: record.tenant,
		provider: record.provider,
		reason: record.reason.0,
		fault: record.fault.0,
		served_blocks: record.served_blocks,
		paid: record.paid,
		fees: record.fees,
		refunded: record.refunded,
		closed_at: record.closed_at,
	}
}

impl From<At> for View {
	fn from(at: At) -> Self {
		Self { at }
	}
}

impl View {
	/// The block's number.
	pub fn number(&self) -> u32 {
		u32::try_from(self.at.block_number()).unwrap_or(u32::MAX)
	}

	/// The block's hash.
	pub fn hash(&self) -> H256 {
		self.at.block_hash()
	}

	/// An account's balances; zero if there is no such account.
	pub async fn account(&self, who: &AccountId32) -> Result<Account, ChainError> {
		let address = runtime::storage().system().account();
		let found = self.at.storage().try_fetch(address, (*who,)).await?;
		let Some(value) = found else {
			return Ok(Account::default());
		};
		let info = value.decode()?;
		Ok(Account {
			free: info.data.free,
			held: info.data.reserved,
			frozen: info.data.frozen,
			nonce: info.nonce,
		})
	}

	/// What of an account is on hold: (as bond, for everything else), planck.
	pub async fn holds(&self, who: &AccountId32) -> Result<(u128, u128), ChainError> {
		use types::{leasehold_runtime::RuntimeHoldReason, pallet_providers::pallet::HoldReason};
		let address = runtime::storage().balances().holds();
		let Some(value) = self.at.storage().try_fetch(address, (*who,)).await? else {
			return Ok((0, 0));
		};
		let bond = RuntimeHoldReason::Providers(HoldReason::Bond);
		let (mut bonded, mut other) = (0u128, 0u128);
		for hold in value.decode()?.0 {
			let sum = if hold.id == bond {
				&mut bonded
			} else {
				&mut other
			};
			*sum = sum.saturating_add(hold.amount);
		}
		Ok((bonded, other))
	}

	/// Transaction fees that were paid in this block: (account, planck).
	pub async fn fees_paid(&self) -> Result<Vec<(AccountId32, u128)>, ChainError> {
		use runtime::transaction_payment::events::TransactionFeePaid;
		let events = self.at.events().fetch().await?;
		let mut fees = Vec::new();
		for event in events.iter() {
			if let Some(Ok(paid)) = event?.decode_fields_as::<TransactionFeePaid>() {
				fees.push((paid.who, paid.actual_fee));
			}
		}
		Ok(fees)
	}

	/// The fee destination.
	pub async fn fee_destination(&self) -> Result<Option<AccountId32>, ChainError> {
		let address = runtime::storage().escrow().fee_destination();
		let found = self.at.storage().try_fetch(address, ()).await?;
		Ok(found.map(|value| value.decode()).transpose()?)
	}

	/// The terms that clients reckon with.
	pub async fn terms(&self) -> Result<Terms, ChainError> {
		let storage = self.at.storage();
		let s = runtime::storage();
		let ProvidersTerms::V1(providers) = storage
			.fetch(s.providers().current_terms(), ())
			.await?
			.decode()?;
		let types::pallet_market::types::Terms::V1(market) = storage
			.fetch(s.market().current_terms(), ())
			.await?
			.decode()?;
		let types::pallet_escrow::types::Terms::V1(escrow) = storage
			.fetch(s.escrow().current_terms(), ())
			.await?
			.decode()?;
		let slot_millis = storage.fetch(s.slots().slot_millis(), ()).await?.decode()?;
		let deposit = runtime::constants().balances().existential_deposit();
		Ok(Terms {
			heartbeat_period: providers.heartbeat_period,
			heartbeat_grace: providers.heartbeat_grace,
			min_bond: providers.min_bond,
			start_deadline: market.start_deadline,
			min_bidding: market.min_bidding,
			max_bidding: market.max_bidding,
			max_duration: market.max_duration,
			bid_lock: market.bid_lock,
			record_deposit: market.record_deposit,
			compensation_blocks: market.compensation_blocks,
			max_slice: market.max_slice,
			min_funded_blocks: escrow.min_funded_blocks,
			storage_rate: escrow.storage_rate.0,
			suspension_period: escrow.suspension_period,
			fee: escrow.fee.0,
			slot_millis,
			existential_deposit: self.at.constants().entry(deposit)?,
		})
	}

	/// The provider with this id.
	pub async fn provider(&self, id: u32) -> Result<Option<Provider>, ChainError> {
		let s = runtime::storage();
		let storage = self.at.storage();
		let record = storage.try_fetch(s.providers().providers(), (id,)).await?;
		let info = storage.try_fetch(s.providers().infos(), (id,)).await?;
		let (Some(record), Some(info)) = (record, info) else {
			return Ok(None);
		};
		Ok(Some(Provider::new(id, record.decode()?, info.decode()?)))
	}

	/// The provider that `who` operates.
	pub async fn operated_by(&self, who: &AccountId32) -> Result<Option<u32>, ChainError> {
		let address = runtime::storage().providers().by_operator();
		let found = self.at.storage().try_fetch(address, (*who,)).await?;
		Ok(found.map(|value| value.decode()).transpose()?)
	}

	/// The provider that `who` owns.
	pub async fn owned_by(&self, who: &AccountId32) -> Result<Option<u32>, ChainError> {
		let address = runtime::storage().providers().by_owner();
		let found = self.at.storage().try_fetch(address, (*who,)).await?;
		Ok(found.map(|value| value.decode()).transpose()?)
	}

	/// All providers, by id.
	pub async fn providers(&self) -> Result<Vec<Provider>, ChainError> {
		let mut all = Vec::new();
		let storage = self.at.storage();
		let mut records = storage
			.iter(runtime::storage().providers().providers(), ())
			.await?;
		while let Some(entry) = records.next().await {
			let (id,) = entry?.key()?.decode()?;
			all.extend(self.provider(id).await?);
		}
		all.sort_by_key(|provider| provider.id);
		Ok(all)
	}

	/// A provider's heartbeats.
	pub async fn heartbeat(&self, provider: u32) -> Result<Option<Heartbeat>, ChainError> {
		let address = runtime::storage().providers().heartbeats();
		let Some(value) = self.at.storage().try_fetch(address, (provider,)).await? else {
			return Ok(None);
		};
		let beat = value.decode()?;
		Ok(Some(Heartbeat {
			counter: beat.counter,
			last_beat: beat.last_beat,
			grace: beat.grace,
			instance: beat.instance,
		}))
	}

	/// Blocks that the provider has served, as of this block.
	pub async fn served(&self, provider: u32) -> Result<u32, ChainError> {
		let beat = self.heartbeat(provider).await?;
		Ok(beat.map_or(0, |b| {
			math::served(b.counter, b.last_beat, b.grace, self.number())
		}))
	}

	/// An order.
	pub async fn order(&self, id: u64) -> Result<OrderNow, ChainError> {
		let address = runtime::storage().market().orders();
		Ok(match self.at.storage().try_fetch(address, (id,)).await? {
			Some(value) => OrderNow::Open(Box::new(open_order(id, value.decode()?))),
			None => OrderNow::Gone,
		})
	}

	/// All open orders, by id.
	pub async fn orders(&self) -> Result<Vec<OpenOrder>, ChainError> {
		let mut all = Vec::new();
		let storage = self.at.storage();
		let mut records = storage
			.iter(runtime::storage().market().orders(), ())
			.await?;
		while let Some(entry) = records.next().await {
			let entry = entry?;
			let (id,) = entry.key()?.decode()?;
			all.push(open_order(id, entry.value().decode()?));
		}
		all.sort_by_key(|order| order.id);
		Ok(all)
	}

	/// A lease.
	pub async fn lease(&self, id: u64) -> Result<LeaseRecordNow, ChainError> {
		let s = runtime::storage();
		let storage = self.at.storage();
		if let Some(lease) = storage.try_fetch(s.market().leases(), (id,)).await? {
			let stream = storage
				.fetch(s.escrow().streams_of(), (id,))
				.await?
				.decode()?;
			let lease = open_lease(id, lease.decode()?, stream);
			return Ok(LeaseRecordNow::Open(Box::new(lease)));
		}
		if let Some(closed) = storage.try_fetch(s.market().closed_leases(), (id,)).await? {
			return Ok(LeaseRecordNow::Closed(closed_lease(id, closed.decode()?)));
		}
		let next = storage
			.fetch(s.market().next_lease_id(), ())
			.await?
			.decode()?;
		Ok(if id < next {
			LeaseRecordNow::Swept
		} else {
			LeaseRecordNow::Unknown
		})
	}

	/// Open leases of a provider, by id.
	pub async fn leases_of(&self, provider: u32) -> Result<Vec<OpenLease>, ChainError> {
		let mut all = Vec::new();
		let address = runtime::storage().market().provider_leases();
		let storage = self.at.storage();
		let mut records = storage.iter(address, (provider,)).await?;
		while let Some(entry) = records.next().await {
			let (_, id) = entry?.key()?.decode()?;
			if let LeaseRecordNow::Open(lease) = self.lease(id).await? {
				all.push(*lease);
			}
		}
		all.sort_by_key(|lease| lease.id);
		Ok(all)
	}

	/// What a tenant has open: orders and leases, by id.
	pub async fn open_items(
		&self,
		tenant: &AccountId32,
	) -> Result<(Vec<OpenOrder>, Vec<OpenLease>), ChainError> {
		let (mut orders, mut leases) = (Vec::new(), Vec::new());
		let address = runtime::storage().market().open_manifests();
		let storage = self.at.storage();
		let mut records = storage.iter(address, (*tenant,)).await?;
		while let Some(entry) = records.next().await {
			match entry?.value().decode()? {
				OpenItem::Order(id) => {
					if let OrderNow::Open(order) = self.order(id).await? {
						orders.push(*order);
					}
				}
				OpenItem::Lease(id) => {
					if let LeaseRecordNow::Open(lease) = self.lease(id).await? {
						leases.push(*lease);
					}
				}
			}
		}
		orders.sort_by_key(|order| order.id);
		leases.sort_by_key(|lease| lease.id);
		Ok((orders, leases))
	}

	/// Closed leases that are still kept, by id.
	pub async fn closed_leases(&self) -> Result<Vec<Closed>, ChainError> {
		let mut all = Vec::new();
		let storage = self.at.storage();
		let mut records = storage
			.iter(runtime::storage().market().closed_leases(), ())
			.await?;
		while let Some(entry) = records.next().await {
			let entry = entry?;
			let (id,) = entry.key()?.decode()?;
			all.push(closed_lease(id, entry.value().decode()?));
		}
		all.sort_by_key(|lease| lease.id);
		Ok(all)
	}
}
