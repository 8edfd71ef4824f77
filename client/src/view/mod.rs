//! Reading the chain's records at one block.

mod records;

pub use records::*;
use records::{closed_lease, open_lease, open_order};

use crate::{
	call::{order, OrderRequest},
	chain::At,
	error::ChainError,
	runtime::{self, runtime_types as types},
	AccountId32,
};
use leasehold_primitives::{math, PriceSheet};
use std::collections::BTreeSet;
use subxt::utils::H256;
use types::{pallet_market::types::OpenItem, pallet_providers::types::Terms as ProvidersTerms};

/// Entries asked for at a time.
const PAGE: u32 = 100;

/// The chain as of one block.
pub struct View {
	/// The client at that block, for reads that have no method here.
	pub at: At,
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

	/// When it was made, by its author's clock: Unix milliseconds.
	pub async fn time(&self) -> Result<u64, ChainError> {
		let address = runtime::storage().timestamp().now();
		Ok(self.at.storage().fetch(address, ()).await?.decode()?)
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
			pause_after: providers.pause_after,
			manifest_deadline: market.manifest_deadline,
			min_bond: providers.min_bond,
			start_deadline: market.start_deadline,
			min_bidding: market.min_bidding,
			max_bidding: market.max_bidding,
			max_duration: market.max_duration,
			bid_lock: market.bid_lock,
			low_funds: market.low_funds,
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
		let absence = storage.try_fetch(s.providers().absences(), (id,)).await?;
		let absent_from = absence.map(|block| block.decode()).transpose()?;
		let (record, info) = (record.decode()?, info.decode()?);
		Ok(Some(Provider::new(id, record, info, absent_from)))
	}

	/// A provider's standing price sheet.
	pub async fn offer(&self, provider: u32) -> Result<Option<PriceSheet>, ChainError> {
		let address = runtime::storage().providers().offers();
		let found = self.at.storage().try_fetch(address, (provider,)).await?;
		Ok(found
			.map(|value| value.decode())
			.transpose()?
			.map(|sheet| sheet.0))
	}

	/// What each provider says to an order of `tenant`.
	pub async fn candidates(
		&self,
		tenant: &AccountId32,
		request: &OrderRequest,
	) -> Result<Vec<Candidate>, ChainError> {
		use types::{leasehold_runtime::reads::Candidates, pallet_market::reads::Page};
		let (mut all, mut after) = (Vec::new(), None);
		loop {
			let api = runtime::runtime_apis().leasehold_api();
			let asked = api.candidates(*tenant, order(request), after, PAGE);
			let Candidates::V1(Page { items, next }) = self.at.runtime_apis().call(asked).await?;
			all.extend(items.into_iter().map(|found| Candidate {
				provider: found.provider,
				on_duty: found.on_duty,
				lacks: found.lacks.map(|requirement| requirement.0),
				offer: found.offer,
			}));
			after = next;
			if after.is_none() {
				return Ok(all);
			}
		}
	}

	/// The open orders that a provider could bid on now, as the chain sees it: auditors, scores and tenants included.
	pub async fn biddable(&self, provider: u32) -> Result<BTreeSet<u64>, ChainError> {
		use types::{leasehold_runtime::reads::Orders, pallet_market::reads::Page};
		let (mut all, mut after) = (BTreeSet::new(), None);
		loop {
			let api = runtime::runtime_apis().leasehold_api();
			let asked = api.open_orders(provider, after, PAGE);
			let Orders::V1(Page { items, next }) = self.at.runtime_apis().call(asked).await?;
			all.extend(items.into_iter().map(|(id, _)| id));
			after = next;
			if after.is_none() {
				return Ok(all);
			}
		}
	}

	/// The bids on an order, best first, as they would fare if it ended now; `None` if it is not open.
	pub async fn bids(&self, order: u64) -> Result<Option<Vec<Bid>>, ChainError> {
		use types::leasehold_runtime::reads::Bids;
		let asked = runtime::runtime_apis().leasehold_api().bids(order);
		let Some(Bids::V1(bids)) = self.at.runtime_apis().call(asked).await? else {
			return Ok(None);
		};
		let bids = bids.into_iter().map(|bid| Bid {
			provider: bid.provider,
			rate: bid.rate,
			score: bid.score.0,
			rank: bid.rank,
			lacks: bid.lacks.map(|requirement| requirement.0),
			leases: bid.leases,
		});
		Ok(Some(bids.collect()))
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
			None => {
				let next = runtime::storage().market().next_order_id();
				let next = self.at.storage().fetch(next, ()).await?.decode()?;
				if id < next {
					OrderNow::Gone
				} else {
					OrderNow::Unknown
				}
			}
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
				OpenItem::Leases { leases: ids, .. } => {
					for id in ids.0 {
						if let LeaseRecordNow::Open(lease) = self.lease(id).await? {
							leases.push(*lease);
						}
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
