//! What the events say happened, held against what the chain stores.

use crate::{
	books::{ledger, left_over, Earned, Item, Ledger, Life, Reason},
	harness::*,
};
use frame_support::{
	traits::{fungible::InspectHold, Contains, Hooks},
	weights::{Weight, WeightMeter},
};
use leasehold_primitives::{AgendaItem, Balance, Fault, LeaseId, OrderId, ProviderId, Resources};
use leasehold_runtime::{
	configs::ProtocolFees, invariants, links::SameParty, AccountId, Agenda, Balances, Market,
	Providers, Runtime, RuntimeEvent, System,
};
use std::collections::{BTreeMap, BTreeSet};

/// All close reasons.
pub const REASONS: [&str; 10] = [
	"TenantClosed",
	"Completed",
	"TermEnded",
	"OutOfFunds",
	"StartTimeout",
	"WorkloadFailed",
	"ManifestMissing",
	"Reclaimed",
	"Abandoned",
	"Offline",
];

/// Whom an outcome is counted for.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Party {
	Provider(ProviderId),
	Tenant(AccountId),
}

/// How many were counted, and between what that had to be.
#[derive(Default)]
struct Outcomes {
	counted: u32,
	least: u32,
	most: u32,
}

/// A chain with its history so far.
pub struct History {
	/// The keys of the state when it began.
	genesis: BTreeMap<Vec<u8>, Vec<u8>>,
	pub issuance: Balance,
	/// Holds by item, as of when it was last touched, and their sums.
	ledgers: BTreeMap<Item, Ledger>,
	sums: BTreeMap<(AccountId, Reason), Balance>,
	earned: BTreeMap<LeaseId, Earned>,
	lives: BTreeMap<LeaseId, Life>,
	/// Outcomes that were counted for a provider or a tenant since the last check, and how many had to be.
	outcomes: BTreeMap<Party, Outcomes>,
	/// The first thing that events said and that must not be.
	wrong: Option<String>,
	/// Open items, so that operations find some.
	pub orders: BTreeSet<OrderId>,
	pub leases: BTreeSet<LeaseId>,
	pub closed: BTreeSet<LeaseId>,
	pub attestations: BTreeSet<u64>,
	pub providers: BTreeSet<ProviderId>,
	touched: BTreeSet<Item>,
	pub reasons: BTreeMap<String, u64>,
}

impl History {
	pub fn new() -> Self {
		Self {
			genesis: state().into_iter().collect(),
			issuance: Balances::total_issuance(),
			ledgers: BTreeMap::new(),
			sums: BTreeMap::new(),
			earned: BTreeMap::new(),
			lives: BTreeMap::new(),
			outcomes: BTreeMap::new(),
			wrong: None,
			orders: BTreeSet::new(),
			leases: BTreeSet::new(),
			closed: BTreeSet::new(),
			attestations: BTreeSet::new(),
			providers: BTreeSet::new(),
			touched: BTreeSet::new(),
			reasons: BTreeMap::new(),
		}
	}

	/// Lets a block pass. What leases may earn in it is noted before the agenda works, with no more than
	/// `budget`, and as much again of what transactions leave.
	pub fn next_block(&mut self, budget: Weight) {
		let served: BTreeMap<ProviderId, u32> =
			self.providers.iter().map(|id| (*id, served(*id))).collect();
		System::set_block_number(now() + 1);
		for id in &self.leases {
			let stream = stream(*id);
			// Nothing is earned while nothing accrues, nor past dry.
			let Some((accrual, rate, left)) = stream.accrual() else {
				continue;
			};
			let before = served.get(&stream.provider).copied().unwrap_or_default();
			let more = Balance::from(crate::model::served(stream.provider) - before);
			let earned = self.earned.entry(*id).or_default();
			if now() > accrual.deadline {
				earned.late += rate * more;
			} else if earned.least + rate * more <= stream.paid + left {
				earned.least += rate * more;
			}
		}
		let mut meter = WeightMeter::with_limit(budget);
		Agenda::on_poll(now(), &mut meter);
		let used = meter
			.consumed()
			.saturating_add(Agenda::on_idle(now(), budget));
		if budget != Weight::MAX && !used.all_lte(budget.saturating_mul(2)) {
			self.wrong = Some(format!("the agenda used {used} of twice {budget}"));
		}
		self.read_events();
	}

	/// Notes what the events since the last look touched.
	pub fn read_events(&mut self) {
		for record in System::read_events_no_consensus().collect::<Vec<_>>() {
			match record.event {
				RuntimeEvent::Market(event) => self.market(event),
				RuntimeEvent::Escrow(event) => self.escrow(event),
				RuntimeEvent::Providers(event) => self.registry(event),
				RuntimeEvent::Reputation(event) => self.reputation(event),
				_ => {}
			}
		}
		System::reset_events();
	}

	fn reputation(&mut self, event: pallet_reputation::Event<Runtime>) {
		use pallet_reputation::Event::*;
		let party = match event {
			ProviderScored { provider, .. } => Party::Provider(provider),
			TenantScored { tenant, .. } => Party::Tenant(tenant),
			_ => return,
		};
		self.outcomes.entry(party).or_default().counted += 1;
	}

	/// What an end has to leave with each side: by whose fault it was, and how much was at stake.
	fn owe_outcomes(
		&mut self,
		provider: ProviderId,
		tenant: AccountId,
		fault: Fault,
		served: Balance,
		paid: Balance,
	) {
		// Dealings with oneself count nothing good.
		let good = !SameParty::contains(&(provider, tenant.clone()));
		let (for_provider, for_tenant) = match fault {
			Fault::Nobody => (good, good),
			Fault::Mishap => (true, false),
			Fault::Tenant => (good, true),
			Fault::Provider => (true, good),
			Fault::Undecided => (true, true),
		};
		// Less than a billionth of the reference and it weighs nothing; a slice may be at stake, too.
		let at_stake = if fault == Fault::Nobody { served } else { paid };
		let surely = at_stake > 2_000;
		let perhaps = surely || at_stake > 500 || fault == Fault::Provider;
		for (party, due) in [
			(Party::Provider(provider), for_provider),
			(Party::Tenant(tenant), for_tenant),
		] {
			let of = self.outcomes.entry(party).or_default();
			of.least += u32::from(due && surely);
			of.most += u32::from(due && perhaps);
		}
	}

	fn market(&mut self, event: pallet_market::Event<Runtime>) {
		use pallet_market::Event::*;
		let touched = match event {
			OrderPlaced { order, .. } => {
				self.orders.insert(order);
				Item::Order(order)
			}
			OrderCancelled { order, .. }
			| OrderExpired { order, .. }
			| BiddingExtended { order, .. }
			| BidPlaced { order, .. }
			| BidWithdrawn { order, .. }
			| BidEvicted { order, .. }
			| BidSkipped { order, .. } => Item::Order(order),
			OrderMatched {
				order,
				lease,
				provider,
				rate,
				start_deadline,
				..
			} => {
				self.touched
					.extend([Item::Order(order), Item::Provider(provider)]);
				self.leases.insert(lease);
				let life = self.lives.entry(lease).or_default();
				(life.rate, life.since, life.deadline) = (rate, now(), start_deadline);
				Item::Lease(lease)
			}
			LeaseClosed {
				lease,
				provider,
				tenant,
				reason,
				fault,
				paid,
				fees,
				refunded,
				..
			} => {
				let life = self.lives.remove(&lease).unwrap_or_default();
				if let Err(why) = life.ensure(reason, paid, fees, refunded) {
					self.wrong = Some(format!("{why}: lease {lease}, {reason:?}"));
				}
				self.owe_outcomes(
					provider,
					tenant,
					fault,
					if life.started { paid } else { 0 },
					paid,
				);
				let name = format!("{reason:?}");
				let name = name
					.split([' ', '(', '{'])
					.next()
					.unwrap_or_default()
					.to_owned();
				*self.reasons.entry(name).or_default() += 1;
				self.leases.remove(&lease);
				self.closed.insert(lease);
				self.touched.insert(Item::Provider(provider));
				Item::Lease(lease)
			}
			LeaseSwept { lease, .. } => {
				self.closed.remove(&lease);
				Item::Lease(lease)
			}
			LeaseStarted { lease, .. } => {
				self.lives.entry(lease).or_default().started = true;
				Item::Lease(lease)
			}
			ReceiptSubmitted { lease, .. } => {
				self.lives.entry(lease).or_default().receipt = true;
				Item::Lease(lease)
			}
			FundsLow { lease, .. }
			| LeaseReclaimed { lease, .. }
			| ManifestUpdated { lease, .. }
			| ResizeProposed { lease, .. }
			| ResizeWithdrawn { lease }
			| SliceKept { lease, .. }
			| AccessRevoked { lease, .. } => Item::Lease(lease),
			LeaseSuspended { lease, .. }
			| LeaseResumed { lease }
			| LeaseResized { lease, .. }
			| SliceReduced { lease, .. } => {
				let provider = pallet_market::Leases::<Runtime>::get(lease).map(|l| l.provider);
				self.touched.extend(provider.map(Item::Provider));
				Item::Lease(lease)
			}
			// Its provider may be any.
			SliceFreed { .. } => {
				self.touched
					.extend(self.providers.iter().copied().map(Item::Provider));
				return;
			}
			TermsSet { .. } | __Ignore(..) => return,
		};
		self.touched.insert(touched);
	}

	fn escrow(&mut self, event: pallet_escrow::Event<Runtime>) {
		use pallet_escrow::Event::*;
		let deposited = match &event {
			StreamOpened { deposit, .. } => *deposit,
			Deposited { amount, .. } | Refilled { amount, .. } => *amount,
			_ => 0,
		};
		let lease = match event {
			StreamOpened { lease, .. }
			| StreamRuns { lease, .. }
			| StreamStored { lease, .. }
			| StreamRests { lease }
			| StreamResized { lease, .. }
			| Deposited { lease, .. }
			| Withdrawn { lease, .. }
			| RefillSet { lease, .. }
			| Refilled { lease, .. }
			| Settled { lease, .. }
			| StreamClosed { lease, .. } => lease,
			TermsSet { .. } | FeeDestinationSet { .. } | RefillMissed { .. } | __Ignore(..) => {
				return
			}
		};
		if deposited > 0 {
			self.lives.entry(lease).or_default().deposited += deposited;
		}
		self.touched.insert(Item::Lease(lease));
	}

	fn registry(&mut self, event: pallet_providers::Event<Runtime>) {
		use pallet_providers::Event::*;
		let touched = match event {
			Registered { provider, .. } => {
				self.providers.insert(provider);
				Item::Provider(provider)
			}
			Deregistered { provider, .. } => {
				self.providers.remove(&provider);
				Item::Provider(provider)
			}
			OperatorRotated { provider, .. }
			| Updated { provider, .. }
			| PauseSet { provider, .. }
			| BondRaised { provider, .. }
			| UnbondingStarted { provider, .. }
			| HeartbeatReceived { provider, .. }
			| DutyBegan { provider, .. }
			| AbsenceTooLong { provider, .. }
			| AbsenceOver { provider }
			| Compensated { provider, .. }
			| OfferSet { provider, .. }
			| ServedSet { provider, .. } => Item::Provider(provider),
			Attested { attestation, .. } => {
				self.attestations.insert(attestation);
				Item::Attestation(attestation)
			}
			AttestationEnded { attestation, .. } => {
				self.attestations.remove(&attestation);
				Item::Attestation(attestation)
			}
			TermsSet { .. } | __Ignore(..) => return,
		};
		self.touched.insert(touched);
	}

	/// Checks what was touched since the last check.
	pub fn check(&mut self) -> Result<(), String> {
		self.read_events();
		if let Some(why) = self.wrong.take() {
			return Err(why);
		}
		let as_owed = std::mem::take(&mut self.outcomes)
			.into_values()
			.all(|of| (of.least..=of.most).contains(&of.counted));
		ensure(as_owed, "I8: an outcome was counted twice, or not at all")?;
		let mut accounts = BTreeSet::new();
		for item in std::mem::take(&mut self.touched) {
			let ledger = ledger(item);
			let old = self.ledgers.remove(&item).unwrap_or_default();
			for (key, amount) in &old {
				*self.sums.entry(key.clone()).or_default() -= amount;
				accounts.insert(key.0.clone());
			}
			for (key, amount) in &ledger {
				*self.sums.entry(key.clone()).or_default() += amount;
				accounts.insert(key.0.clone());
			}
			if !ledger.is_empty() {
				self.ledgers.insert(item, ledger);
			}
			match item {
				Item::Lease(id) => self.check_lease(id)?,
				Item::Provider(id) => self.check_provider(id)?,
				Item::Order(id) => match pallet_market::Orders::<Runtime>::get(id) {
					Some(order) => {
						has_entry(AgendaItem::Order(id), order.due)?;
					}
					None => {
						self.orders.remove(&id);
					}
				},
				Item::Attestation(id) => {
					if let Some(record) = pallet_providers::Attestations::<Runtime>::get(id) {
						has_entry(AgendaItem::Attestation(id), record.due)?;
					}
				}
			}
		}
		for who in accounts {
			for reason in Reason::ALL {
				let held =
					<Balances as InspectHold<AccountId>>::balance_on_hold(&reason.hold(), &who);
				let sum = self
					.sums
					.get(&(who.clone(), reason))
					.copied()
					.unwrap_or_default();
				if held != sum {
					return Err(format!(
						"I1: {reason:?} of {who}: {held} on hold, {sum} in ledgers"
					));
				}
			}
		}
		ensure(Balances::total_issuance() == self.issuance, "I7: issuance")
	}

	fn check_lease(&self, id: LeaseId) -> Result<(), String> {
		if let Some(kept) = pallet_market::KeptSlices::<Runtime>::get(id) {
			has_entry(AgendaItem::Lease(id), kept.due)?;
		}
		let record = pallet_market::Leases::<Runtime>::get(id);
		let stream = pallet_escrow::StreamsOf::<Runtime>::get(id);
		ensure(record.is_some() == stream.is_some(), "I3: lease and stream")?;
		let earned = self.earned.get(&id).copied().unwrap_or_default();
		if let Some(closed) = pallet_market::ClosedLeases::<Runtime>::get(id) {
			ensure(record.is_none(), "open and closed")?;
			has_entry(AgendaItem::Closed(id), closed.due)?;
			// What a failed start costs was looked at when it ended.
			let failed_start = closed.paid == closed.fees && earned.least + earned.late == 0;
			if !failed_start {
				earned.ensure(closed.paid)?;
			}
		}
		let (Some(record), Some(stream)) = (record, stream) else {
			return Ok(());
		};
		let accounted = stream.paid + stream.withdrawn + stream.held();
		ensure(stream.deposited == accounted, "I4: deposits")?;
		let (_, owed) = stream.owed(served(stream.provider));
		earned.ensure(stream.paid + owed)?;
		has_entry(AgendaItem::Lease(id), record.due)
	}

	fn check_provider(&self, id: ProviderId) -> Result<(), String> {
		let Some(record) = pallet_providers::Providers::<Runtime>::get(id) else {
			return Ok(());
		};
		if let Some(watch) = pallet_market::Watches::<Runtime>::get(id) {
			has_entry(AgendaItem::Watch(id), watch.due)?;
		}
		let leaving = AgendaItem::Provider(id);
		if let Some(due) = Providers::due(leaving) {
			has_entry(leaving, due)?;
		}
		let (mut taken, mut slices, mut leases) = (Resources::default(), 0, 0);
		for lease_id in &self.leases {
			let lease = lease(*lease_id);
			if lease.provider == id {
				taken = taken.checked_add(&lease.reserved()).ok_or("I2: overflow")?;
				slices += lease.slice;
				leases += 1;
			}
		}
		for kept in pallet_market::KeptSlices::<Runtime>::iter_values() {
			if kept.provider == id {
				slices += kept.slice;
			}
		}
		let same = record.reserved.covers(&taken) && taken.covers(&record.reserved);
		ensure(same, "I2: reserved is not the sum over leases")?;
		let capacity = pallet_providers::Infos::<Runtime>::get(id).ok_or("no info")?;
		let pallet_providers::ProviderInfo::V1(info) = capacity;
		ensure(
			info.capacity.covers(&taken),
			"I2: more reserved than declared",
		)?;
		ensure(
			(record.slices, record.leases) == (slices, leases),
			"I10: slices",
		)?;
		ensure(slices <= record.bond, "I10: slices exceed the bond")
	}

	/// Checks the whole state.
	pub fn check_all(&mut self) -> Result<(), String> {
		self.check()?;
		invariants::check().map_err(|error| format!("{error:?}"))?;
		let money: Balance = NAMES.iter().map(|name| free(name) + held(name)).sum();
		let pots = Balances::free_balance(ProtocolFees::account())
			+ Balances::free_balance(leasehold_runtime::configs::TransactionFees::account());
		ensure(money + pots == self.issuance, "money went elsewhere")
	}

	/// Closes everything, lets retention pass, and compares the state with that of genesis.
	pub fn wind_up(&mut self) -> Result<(), String> {
		let market = market_terms();
		let wait = market.max_bidding + market.selection_deadline + market.start_deadline;
		for _ in 0..wait {
			self.next_block(Weight::MAX);
			self.check()?;
		}
		for id in self.leases.clone() {
			let tenant = frame_support::dispatch::RawOrigin::Signed(lease(id).tenant);
			Market::close_lease(tenant.into(), id).map_err(|error| format!("{error:?}"))?;
		}
		self.check()?;
		for id in self.providers.clone() {
			let owner = frame_support::dispatch::RawOrigin::Signed(provider(id).owner);
			let _ = Providers::deregister(owner.into());
		}
		let providers = providers_terms();
		let wait = market.closed_retention + providers.unbonding_period;
		for _ in 0..wait.max(providers.max_attestation) + providers.max_downtime + 40 {
			self.next_block(Weight::MAX);
			self.check()?;
		}
		self.check_all()?;
		for name in NAMES {
			crate::operations::set_frozen(&account(name), false);
			ensure(held(name) == 0, "I9: something is still on hold")?;
			let references = System::account(account(name));
			let clean = (references.consumers, references.sufficients) == (0, 0);
			ensure(clean, "I9: an account is still referred to")?;
			ensure(
				references.providers <= 1,
				"I9: an account is provided for twice",
			)?;
		}
		let holds = pallet_balances::Holds::<Runtime>::iter().count();
		ensure(holds == 0, "I9: a list of holds is left")?;
		left_over(&self.genesis)
	}
}

fn served(provider: ProviderId) -> u32 {
	<Providers as leasehold_primitives::ProviderRegistry<AccountId>>::served(provider)
}

/// I5: what is open has its entry in the agenda.
fn has_entry(item: AgendaItem, due: u32) -> Result<(), String> {
	match Agenda::has_entry(item, due) {
		true => Ok(()),
		false => Err(format!("I5: {item:?} has no entry for block {due}")),
	}
}

pub fn ensure(holds: bool, what: &str) -> Result<(), String> {
	match holds {
		true => Ok(()),
		false => Err(what.to_owned()),
	}
}
