//! The invariants of the whole: what no pallet can check alone.

extern crate alloc;

use crate::{Agenda, Balances, Escrow, Market, Providers, Reputation, Runtime, RuntimeHoldReason};
use frame_support::ensure;
use leasehold_primitives::{AgendaItem, Balance, BlockNumber};
use pallet_escrow::Phase;
use pallet_market::{LeaseState, Suspension};
use sp_runtime::TryRuntimeError;

/// I1, I2, I3, I5, I6, I7 and I10 across pallets, after each pallet's own checks. What a state alone cannot show, that
/// a state before it does (I4, I6 over time, I8's "once", I9), is held by random histories.
pub fn check() -> Result<(), TryRuntimeError> {
	Agenda::do_try_state()?;
	Providers::do_try_state()?;
	Market::do_try_state()?;
	Escrow::do_try_state()?;
	Reputation::do_try_state()?;
	crate::Slots::do_try_state()?;
	issued_is_the_sum_of_accounts()?;
	held_is_the_sum_of_items()?;
	reserved_is_the_sum_of_leases()?;
	leases_and_streams_are_one_to_one()?;
	everything_has_a_deadline()
}

fn issued_is_the_sum_of_accounts() -> Result<(), TryRuntimeError> {
	let mut sum: Balance = 0;
	for (_, account) in frame_system::Account::<Runtime>::iter() {
		let own = account.data.free.checked_add(account.data.reserved);
		let more = own.and_then(|own| sum.checked_add(own));
		sum = more.ok_or("balances overflow")?;
	}
	ensure!(
		sum == Balances::total_issuance(),
		"I7: the issuance is not the sum over accounts"
	);
	Ok(())
}

fn held_is_the_sum_of_items() -> Result<(), TryRuntimeError> {
	let mut sums = Escrow::held_by_streams()?;
	for (who, amount) in Market::held_for_tenants()? {
		let sum = sums.entry(who).or_default();
		*sum = sum.checked_add(amount).ok_or("holds overflow")?;
	}
	sums.retain(|_, sum| *sum > 0);
	let reason = RuntimeHoldReason::Escrow(pallet_escrow::HoldReason::Stream);
	for (who, holds) in pallet_balances::Holds::<Runtime>::iter() {
		for hold in holds.iter().filter(|hold| hold.id == reason) {
			let sum = sums.remove(&who).unwrap_or_default();
			ensure!(
				hold.amount == sum,
				"I1: the amount on hold is not the sum over orders, streams and records"
			);
		}
	}
	ensure!(sums.is_empty(), "I1: an item with nothing on hold");
	Ok(())
}

fn reserved_is_the_sum_of_leases() -> Result<(), TryRuntimeError> {
	let mut by_leases = Market::reserved_by_leases()?;
	for (id, record) in pallet_providers::Providers::<Runtime>::iter() {
		let sum = by_leases.remove(&id).unwrap_or_default();
		ensure!(
			record.leases == sum.leases,
			"a provider's leases are miscounted"
		);
		ensure!(
			record.slices == sum.slices,
			"I10: slices are not the sum over leases and what failed ones keep"
		);
		let same = record.reserved.covers(&sum.taken) && sum.taken.covers(&record.reserved);
		ensure!(same, "I2: reserved capacity is not the sum over leases");
	}
	ensure!(by_leases.is_empty(), "a lease without its provider");
	Ok(())
}

fn leases_and_streams_are_one_to_one() -> Result<(), TryRuntimeError> {
	let mut leases = 0usize;
	for (id, lease) in pallet_market::Leases::<Runtime>::iter() {
		leases = leases.saturating_add(1);
		let stream =
			pallet_escrow::StreamsOf::<Runtime>::get(id).ok_or("I3: a lease without stream")?;
		ensure!(
			stream.provider == lease.provider,
			"I3: a stream of another provider"
		);
		let first = stream
			.funders
			.first()
			.ok_or("I3: a stream without funder")?;
		ensure!(
			first.who == lease.tenant,
			"I3: the tenant is not the first funder"
		);
		let fits = match (lease.state, stream.phase) {
			(LeaseState::Starting { .. }, Phase::Starting { .. }) => stream.paid == 0,
			(LeaseState::Active { .. }, Phase::Running(_)) => true,
			(LeaseState::Suspended { why, .. }, phase) => match why {
				Suspension::Dry => matches!(phase, Phase::Stored(_)),
				Suspension::ProviderPaused => phase == Phase::Resting,
			},
			_ => false,
		};
		ensure!(fits, "I6: the stream accrues what the lease does not earn");
	}
	let streams = pallet_escrow::StreamsOf::<Runtime>::iter().count();
	ensure!(streams == leases, "I3: a stream without lease");
	Ok(())
}

fn everything_has_a_deadline() -> Result<(), TryRuntimeError> {
	let entry = |item: AgendaItem, due: BlockNumber| -> Result<(), TryRuntimeError> {
		ensure!(
			Agenda::has_entry(item, due),
			"I5: an open item without its agenda entry"
		);
		Ok(())
	};
	for (id, order) in pallet_market::Orders::<Runtime>::iter() {
		entry(AgendaItem::Order(id), order.due)?;
	}
	for (id, lease) in pallet_market::Leases::<Runtime>::iter() {
		entry(AgendaItem::Lease(id), lease.due)?;
	}
	for (id, kept) in pallet_market::KeptSlices::<Runtime>::iter() {
		entry(AgendaItem::Lease(id), kept.due)?;
	}
	for (id, lease) in pallet_market::ClosedLeases::<Runtime>::iter() {
		entry(AgendaItem::Closed(id), lease.due)?;
	}
	for (id, watch) in pallet_market::Watches::<Runtime>::iter() {
		entry(AgendaItem::Watch(id), watch.due)?;
	}
	for (id, _) in pallet_providers::Providers::<Runtime>::iter() {
		let item = AgendaItem::Provider(id);
		if let Some(due) = Providers::due(item) {
			entry(item, due)?;
		}
	}
	for (id, record) in pallet_providers::Attestations::<Runtime>::iter() {
		entry(AgendaItem::Attestation(id), record.due)?;
	}
	if let Some(due) = Reputation::due() {
		entry(AgendaItem::Scores, due)?;
	}
	Ok(())
}
