//! What items hold, what leases earn and come to, and what may be left in the end.

use crate::{harness::*, model::ensure};
use leasehold_primitives::{math, Balance, CloseReason, LeaseId, OrderId, ProviderId};
use leasehold_runtime::{AccountId, Balances, Runtime, RuntimeHoldReason};
use std::collections::BTreeMap;

/// What is on hold for one item: (account, reason) → planck.
pub type Ledger = BTreeMap<(AccountId, Reason), Balance>;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Reason {
	/// Orders, streams and records.
	Lease,
	Bond,
	Attestation,
}

impl Reason {
	pub const ALL: [Self; 3] = [Self::Lease, Self::Bond, Self::Attestation];

	pub fn hold(self) -> RuntimeHoldReason {
		match self {
			Self::Lease => RuntimeHoldReason::Escrow(pallet_escrow::HoldReason::Stream),
			Self::Bond => RuntimeHoldReason::Providers(pallet_providers::HoldReason::Bond),
			Self::Attestation => {
				RuntimeHoldReason::Providers(pallet_providers::HoldReason::Attestation)
			}
		}
	}
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Item {
	Order(OrderId),
	Lease(LeaseId),
	Provider(ProviderId),
	Attestation(u64),
}

/// What a lease has earned, reckoned block by block: planck, gross.
#[derive(Default, Clone, Copy)]
pub struct Earned {
	pub least: Balance,
	/// In blocks past its deadline: they may stand in for blocks of absence before it, if it is
	/// visited late.
	pub late: Balance,
}

impl Earned {
	pub fn ensure(self, paid: Balance) -> Result<(), String> {
		let Self { least, late } = self;
		if (least..=least + late).contains(&paid) {
			return Ok(());
		}
		Err(format!(
			"I6: paid and owed {paid}, earned {least} (+ {late})"
		))
	}
}

/// What the events have said of a lease so far.
#[derive(Default, Clone, Copy)]
pub struct Life {
	/// All deposits and refills.
	pub deposited: Balance,
	pub rate: Balance,
	pub since: u32,
	pub deadline: u32,
	pub receipt: bool,
	pub started: bool,
}

impl Life {
	/// What its end must have come to: I4, and I6 of a start that came to nothing.
	pub fn ensure(
		self,
		reason: CloseReason,
		paid: Balance,
		fees: Balance,
		refunded: Balance,
	) -> Result<(), String> {
		ensure(fees <= paid, "more fees than was paid")?;
		ensure(self.deposited == paid + refunded, "I4: at the close")?;
		if self.started {
			return Ok(());
		}
		use CloseReason::{ManifestMissing, StartTimeout, TenantClosed};
		let costs = matches!(reason, TenantClosed | ManifestMissing | StartTimeout);
		let cost = match costs && !self.receipt {
			true => {
				let waited = now().min(self.deadline) - self.since;
				let cost = math::waiting_cost(self.rate, market_terms().start_rate, waited);
				cost.min(self.deposited)
			}
			false => 0,
		};
		// A destination that cannot take it gets nothing.
		ensure(
			paid == fees && (paid == cost || paid == 0),
			"I6: a failed start",
		)?;
		let alive = pallet_escrow::FeeDestination::<Runtime>::get()
			.is_some_and(|to| Balances::free_balance(to) >= leasehold_runtime::EXISTENTIAL_DEPOSIT);
		ensure(
			paid == cost || !alive,
			"I6: a failed start was not paid for",
		)
	}
}

/// I9: what differs from the state at genesis is a counter, a score, a term that root has set, or the system's own.
pub fn left_over(genesis: &BTreeMap<Vec<u8>, Vec<u8>>) -> Result<(), String> {
	let hash = |text: &str| sp_io::hashing::twox_128(text.as_bytes());
	let prefix = |(pallet, item): (&str, &str)| [hash(pallet), hash(item)].concat();
	let kept = [
		("Agenda", "Cursor"),
		("Market", "NextOrderId"),
		("Market", "NextLeaseId"),
		("Providers", "NextProviderId"),
		("Providers", "NextAttestationId"),
		("Providers", "FormerDowntime"),
		("Market", "FormerManifestDeadline"),
		("Reputation", "ProviderScores"),
		("Reputation", "TenantScores"),
		("Reputation", "Pairs"),
		("Reputation", "Sweeping"),
	]
	.map(prefix);
	let (system, accounts) = (hash("System"), prefix(("System", "Account")));
	// The sweep of scores goes on for as long as there are any.
	let agenda = ["Pages", "PageCount"].map(|item| prefix(("Agenda", item)));
	// Set by root in these histories.
	let set = ["Providers", "Market", "Escrow", "Reputation"];
	let terms = set.map(|pallet| prefix((pallet, "CurrentTerms")));
	let destination = prefix(("Escrow", "FeeDestination"));
	let mut entries = [0usize; 2];
	let now: BTreeMap<_, _> = state().into_iter().collect();
	for key in genesis.keys().chain(now.keys()) {
		let begins = |with: &[u8]| key.starts_with(with);
		let may_differ = kept.iter().chain(&terms).any(|prefix| begins(prefix));
		let (before, after) = (genesis.get(key), now.get(key));
		if may_differ || begins(&destination) || before == after {
			continue;
		}
		// Block number, events and nonces; the balances of accounts are counted elsewhere.
		if before.is_some() && begins(&system) {
			continue;
		}
		if let Some(nth) = agenda.iter().position(|prefix| begins(prefix)) {
			entries[nth] += 1;
		} else if !begins(&system) || begins(&accounts) {
			return Err(format!("I9: left: {key:02x?}"));
		}
	}
	let sweeping = usize::from(pallet_reputation::Sweeping::<Runtime>::exists());
	let stale = entries.iter().any(|count| *count > sweeping);
	ensure(!stale, "I9: stale agenda entries")
}

pub fn ledger(item: Item) -> Ledger {
	let mut ledger = Ledger::new();
	let mut add = |who: &AccountId, reason, amount: Balance| {
		if amount > 0 {
			*ledger.entry((who.clone(), reason)).or_default() += amount;
		}
	};
	match item {
		Item::Order(id) => {
			if let Some(order) = pallet_market::Orders::<Runtime>::get(id) {
				let spec = order.spec.v1();
				let leases = Balance::from(spec.quantity.leases);
				let each = spec.deposit + order.record_deposit;
				add(&order.tenant, Reason::Lease, each * leases);
			}
		}
		Item::Lease(id) => {
			if let Some(lease) = pallet_market::Leases::<Runtime>::get(id) {
				add(&lease.tenant, Reason::Lease, lease.record_deposit);
			}
			if let Some(closed) = pallet_market::ClosedLeases::<Runtime>::get(id) {
				add(&closed.tenant, Reason::Lease, closed.record_deposit);
			}
			if let Some(stream) = pallet_escrow::StreamsOf::<Runtime>::get(id) {
				for funder in &stream.funders {
					add(&funder.who, Reason::Lease, funder.held);
				}
			}
		}
		Item::Provider(id) => {
			if let Some(record) = pallet_providers::Providers::<Runtime>::get(id) {
				add(&record.owner, Reason::Bond, record.bond);
			}
		}
		Item::Attestation(id) => {
			if let Some(record) = pallet_providers::Attestations::<Runtime>::get(id) {
				add(&record.auditor, Reason::Attestation, record.deposit);
			}
		}
	}
	ledger
}
