//! What the chain keeps, as a client sees it.

use crate::{call::ProviderRequest, runtime::runtime_types as types, AccountId32};
use leasehold_primitives::{
	heartbeat::Instance, math, resources::has_attributes, Attribute, Attributes, CloseReason,
	Fault, Requirement, Resources, WorkloadKind,
};

use types::{
	pallet_escrow::types::{Phase, StreamRecord},
	pallet_market::types::{ClosedLease, LeaseRecord, LeaseState, Order, OrderRecord},
	pallet_providers::types::{ProviderInfo, ProviderRecord, Status},
};

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
	/// Takes new leases, unless it was absent.
	pub accepting: bool,
	/// Was absent for too long from this block on: until the leases of that time have ended it gets no others.
	pub absent_from: Option<u32>,
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
	/// Hashes of the gateway's TLS keys.
	pub tls_keys: Vec<[u8; 32]>,
	/// X25519 key that manifests are sealed to.
	pub sealing_key: Option<[u8; 32]>,
}

/// A provider's heartbeats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heartbeat {
	pub counter: u32,
	pub last_beat: u32,
	pub grace: u32,
	pub instance: Instance,
}

/// What a provider says to an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
	pub provider: u32,
	/// Whether its daemon is on duty: otherwise its offer cannot be taken.
	pub on_duty: bool,
	/// The first requirement that it does not meet.
	pub lacks: Option<Requirement>,
	/// The version of its standing offer, and the rate that it asks, planck a block.
	pub offer: Option<(u32, u128)>,
}

/// A bid on an open order, as it would fare if the order ended now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bid {
	pub provider: u32,
	/// Planck per served block.
	pub rate: u128,
	/// Parts per billion: the score that it ranks with.
	pub score: u32,
	/// What it ranks by; lower is better.
	pub rank: u128,
	/// The first requirement that keeps it from having a lease.
	pub lacks: Option<Requirement>,
	/// Leases that it would have; none where the tenant picks.
	pub leases: u8,
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
	/// What it costs to take it back once there are bids, planck.
	pub cancel_fee: u128,
	/// Leases wanted, and how many of them will do.
	pub leases: u8,
	pub at_least: u8,
	/// Whether the tenant picks by hand.
	pub manual: bool,
	/// Block in which bidding ends.
	pub bidding_ends: u32,
	/// (provider, rate in planck per served block), best first.
	pub bids: Vec<(u32, u128)>,
}

impl OpenOrder {
	/// The place of a provider's bid among the others, best first from 0, and its rate.
	pub fn bid_of(&self, provider: u32) -> Option<(usize, u128)> {
		let place = self.bids.iter().position(|(who, _)| *who == provider)?;
		Some((place, self.bids.get(place)?.1))
	}
}

/// Where an open lease stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
	/// Waits for manifest and workload since block `since`, at most until block `deadline`.
	Starting {
		since: u32,
		deadline: u32,
		/// The receipt for the manifest is on chain.
		receipt: bool,
	},
	/// Runs, at most until this block.
	Active { term_end: u32 },
	/// Does not run, and keeps its data.
	Suspended {
		why: Suspension,
		since: u32,
		term_end: u32,
	},
}

/// Why a lease is suspended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suspension {
	/// Its balance is down to the reserve.
	Dry,
	/// Its provider paused it.
	ProviderPaused,
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
	pub state: State,
	/// Block in which the provider takes its capacity back.
	pub reclaim_at: Option<u32>,
	/// Access grants of an earlier epoch are void.
	pub epoch: u32,
	/// Planck per served block, gross.
	pub rate: u128,
	/// Planck per served block while it is suspended.
	pub storage_rate: u128,
	/// Planck that a running workload does not use up.
	pub reserve: u128,
	/// Planck on hold.
	pub held: u128,
	/// Planck paid so far, gross.
	pub paid: u128,
	/// Planck, the protocol's part of `paid`.
	pub fees: u128,
	/// Blocks paid so far.
	pub served_blocks: u32,
	/// What accrues at present.
	pub accrual: Accrues,
	/// (who, planck on hold) of all who have put money in; the first are paid out of first.
	pub funders: Vec<(AccountId32, u128)>,
	/// Blocks at the rate that cannot be withdrawn.
	pub notice: u32,
	/// Planck that the stream takes from the tenant's account when it is short, at a time and still in all.
	pub refill: Option<(u128, u128)>,
}

/// What accrues on a stream, with (served base, base, deadline), blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accrues {
	Nothing,
	/// The rate, out of what is above the reserve.
	Rate(u32, u32, u32),
	/// The storage rate, out of all that is left.
	Storage(u32, u32, u32),
}

impl OpenLease {
	/// Whether its balance is down to the reserve: nothing of it runs.
	pub fn is_dry(&self) -> bool {
		let dry = Suspension::Dry;
		matches!(self.state, State::Suspended { why, .. } if why == dry)
	}

	/// (blocks, planck) owed and not yet paid when the provider's counter stands at `served`.
	pub fn owed(&self, served: u32) -> (u32, u128) {
		let ((served_base, base, deadline), rate, left) = match self.accrual {
			Accrues::Nothing => return (0, 0),
			Accrues::Rate(a, b, c) => {
				((a, b, c), self.rate, self.held.saturating_sub(self.reserve))
			}
			Accrues::Storage(a, b, c) => ((a, b, c), self.storage_rate, self.held),
		};
		let accrual = math::Accrual {
			served_base,
			base,
			deadline,
		};
		let blocks = math::owed_blocks(accrual, served, rate, left);
		(blocks, rate.saturating_mul(blocks.into()))
	}

	/// Planck that an account can take back when the provider's counter stands at `served`.
	pub fn withdrawable(&self, who: &AccountId32, served: u32) -> u128 {
		let mut owed = self.owed(served).1;
		let left = self.funders.iter().map(|(funder, held)| {
			let part = owed.min(*held);
			owed = owed.saturating_sub(part);
			(funder, held.saturating_sub(part))
		});
		let mut own = left.filter(|(funder, _)| *funder == who);
		let own = own.next().map_or(0, |(_, left)| left);
		let all = match (self.state, self.accrual) {
			(State::Starting { .. }, _) | (_, Accrues::Storage(..)) => 0,
			_ => self
				.held
				.saturating_sub(self.reserve)
				.saturating_sub(self.owed(served).1)
				.saturating_sub(self.rate.saturating_mul(self.notice.into())),
		};
		all.min(own)
	}

	/// Blocks that the balance pays for as it accrues now, counted from the last settlement.
	pub fn funded_blocks(&self) -> u32 {
		match self.accrual {
			Accrues::Storage(..) => math::funded_blocks(self.storage_rate, self.held),
			_ => math::funded_blocks(self.rate, self.held.saturating_sub(self.reserve)),
		}
	}

	/// The block from which on nothing is paid any more if the provider is always on duty: dry or
	/// at the end of the term.
	pub fn runs_until(&self) -> Option<u32> {
		match self.accrual {
			Accrues::Nothing => None,
			Accrues::Rate(_, base, deadline) | Accrues::Storage(_, base, deadline) => {
				Some(base.saturating_add(self.funded_blocks()).min(deadline))
			}
		}
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
	/// Planck paid to the tenant out of the provider's bond.
	pub compensation: u128,
	/// Access grants of an earlier epoch are void.
	pub epoch: u32,
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
	/// Matched, cancelled or expired.
	Gone,
	/// Was never placed.
	Unknown,
}

/// The terms that clients reckon with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
	pub heartbeat_period: u32,
	pub heartbeat_grace: u32,
	/// Blocks of a dead workload after which its provider pauses the lease.
	pub pause_after: u32,
	/// Blocks from the match after which a provider may say that the manifest is missing.
	pub manifest_deadline: u32,
	pub min_bond: u128,
	pub start_deadline: u32,
	pub min_bidding: u32,
	pub max_bidding: u32,
	pub max_duration: u32,
	pub bid_lock: u32,
	/// Blocks before a lease runs dry in which it is refilled.
	pub low_funds: u32,
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

	/// The least amount of a refill, planck.
	pub fn minimal_refill(&self, rate: u128) -> u128 {
		rate.saturating_mul(self.low_funds.saturating_mul(2).into())
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

	/// The part of a provider's bond that the lease of a bid on an order with this ceiling reserves, planck.
	pub fn slice(&self, rate: u128, max_rate: u128) -> u128 {
		let (blocks, start) = (self.compensation_blocks, self.start_deadline);
		math::bid_slice(rate, max_rate, blocks, start, self.max_slice)
	}
}

fn sp_perbill(parts: u32) -> leasehold_primitives::Score {
	leasehold_primitives::Score::from_parts(parts)
}

impl Provider {
	pub(super) fn new(
		id: u32,
		record: ProviderRecord<AccountId32>,
		info: ProviderInfo,
		absent_from: Option<u32>,
	) -> Self {
		let ProviderInfo::V1(info) = info;
		Self {
			id,
			owner: record.owner,
			operator: record.operator,
			accepting: record.status == Status::Active,
			absent_from,
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
			tls_keys: info.tls_keys.0,
			sealing_key: info.sealing_key,
			gateways: info
				.gateways
				.0
				.into_iter()
				.map(|url| String::from_utf8_lossy(&url.0).into_owned())
				.collect(),
		}
	}

	/// Whether the chain knows of the provider what `info` says.
	pub fn says(&self, info: &ProviderRequest) -> bool {
		self.gateways == info.gateways
			&& self.tls_keys == info.tls_keys
			&& self.sealing_key == info.sealing_key
			&& self.attributes == info.attributes
			&& self.capacity == info.capacity
	}

	/// What the provider lacks for such an order if its lease reserves `slice` planck of the bond, as the
	/// chain would see it; the score aside.
	pub fn lacks(
		&self,
		resources: &Resources,
		attributes: &[Attribute],
		slice: u128,
		terms: &Terms,
	) -> Vec<Requirement> {
		let mut lacks = Vec::new();
		if !self.accepting || self.absent_from.is_some() {
			lacks.push(Requirement::Accepting);
		}
		if slice > self.bond.saturating_sub(self.slices) || self.bond < terms.min_bond {
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

	/// [`Self::lacks`] for people.
	pub fn lacks_in_words(
		&self,
		resources: &Resources,
		attributes: &[Attribute],
		slice: u128,
		terms: &Terms,
	) -> Vec<String> {
		self.lacks(resources, attributes, slice, terms)
			.into_iter()
			.map(|one| self.in_words(one, resources, attributes, slice))
			.collect()
	}

	/// What it lacks, for people: what such an order asks for, and what is free.
	pub fn in_words(
		&self,
		lacks: Requirement,
		resources: &Resources,
		attributes: &[Attribute],
		slice: u128,
	) -> String {
		let of = |name: &str, unit: &str, asked: u32, used: u32, all: u32| {
			format!(
				"{name}: {asked} {unit} asked, {} of {all} free",
				all.saturating_sub(used)
			)
		};
		let (all, used) = (&self.capacity, &self.reserved);
		match lacks {
			Requirement::Accepting if self.absent_from.is_some() => {
				"readiness: leases of its absence have not ended yet".into()
			}
			Requirement::Accepting => "readiness: it takes no new leases".into(),
			Requirement::Cpu => of("CPU", "milli-CPU", resources.cpu, used.cpu, all.cpu),
			Requirement::Memory => of("memory", "MiB", resources.memory, used.memory, all.memory),
			Requirement::Ephemeral => of(
				"storage",
				"MiB",
				resources.ephemeral,
				used.ephemeral,
				all.ephemeral,
			),
			Requirement::UnitCpu => of(
				"CPU of one unit",
				"milli-CPU",
				resources.unit_cpu,
				0,
				all.unit_cpu,
			),
			Requirement::UnitMemory => of(
				"memory of one unit",
				"MiB",
				resources.unit_memory,
				0,
				all.unit_memory,
			),
			Requirement::Attributes => {
				let missing = attributes.iter().filter(|a| !self.attributes.contains(a));
				let text = |a: &Attribute| {
					let utf8 = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
					format!("{}={}", utf8(&a.key), utf8(&a.value))
				};
				format!(
					"attribute {}",
					missing.map(text).collect::<Vec<_>>().join(", ")
				)
			}
			Requirement::Bond => format!(
				"bond: {} are reserved, {} are free",
				crate::units::lease(slice),
				crate::units::lease(self.bond.saturating_sub(self.slices)),
			),
			Requirement::Score => "score: it is below the least that the order asks for".into(),
			Requirement::Allowed => "choice: the order is for other providers".into(),
			Requirement::Tenant => "tenants: it does not serve this one".into(),
			Requirement::Attestations => {
				"attestations: too few of the auditors that the order names vouch for it".into()
			}
			Requirement::Offer => "offer: it has none for this at such a price".into(),
			Requirement::Persistent => "persistent storage of a class".into(),
			Requirement::Gpu => "GPUs".into(),
			Requirement::Ports => "ports".into(),
			Requirement::Ips => "addresses".into(),
		}
	}
}

pub(super) fn open_order(id: u64, record: OrderRecord<AccountId32>) -> OpenOrder {
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
		cancel_fee: record.cancel_fee,
		leases: spec.quantity.leases,
		at_least: spec.quantity.at_least,
		manual: matches!(
			spec.selection,
			types::pallet_market::types::Selection::Manual
		),
		bidding_ends: record.bidding_ends,
		bids: record
			.bids
			.0
			.into_iter()
			.map(|bid| (bid.provider, bid.rate))
			.collect(),
	}
}

pub(super) fn open_lease(
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
		state: match record.state {
			LeaseState::Starting {
				since,
				deadline,
				receipt,
				..
			} => State::Starting {
				since,
				deadline,
				receipt,
			},
			LeaseState::Active { term_end } => State::Active { term_end },
			LeaseState::Suspended {
				why,
				since,
				term_end,
			} => State::Suspended {
				why: match why {
					types::pallet_market::types::Suspension::Dry => Suspension::Dry,
					types::pallet_market::types::Suspension::ProviderPaused => {
						Suspension::ProviderPaused
					}
				},
				since,
				term_end,
			},
		},
		reclaim_at: record.reclaim_at,
		epoch: record.epoch,
		rate: stream.rate,
		storage_rate: stream.storage_rate,
		reserve: stream.reserve,
		held: stream
			.funders
			.0
			.iter()
			.fold(0, |sum, f| sum.saturating_add(f.held)),
		paid: stream.paid,
		fees: stream.fees,
		served_blocks: stream.served_blocks,
		funders: stream
			.funders
			.0
			.iter()
			.map(|funder| (funder.who, funder.held))
			.collect(),
		notice: stream.notice,
		refill: stream.refill.map(|refill| (refill.amount, refill.budget)),
		accrual: match stream.phase {
			Phase::Running(a) => Accrues::Rate(a.served_base, a.base, a.deadline),
			Phase::Stored(a) => Accrues::Storage(a.served_base, a.base, a.deadline),
			Phase::Starting { .. } | Phase::Resting => Accrues::Nothing,
		},
	}
}

pub(super) fn closed_lease(id: u64, record: ClosedLease<AccountId32>) -> Closed {
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
		compensation: record.compensation,
		epoch: record.epoch,
		closed_at: record.closed_at,
	}
}
