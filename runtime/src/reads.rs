//! `LeaseholdApi`: what daemon, command line and web pages ask of the chain in one call each.
//!
//! Answers are enums by version; lists come in pages of at most 100, each with the cursor of the
//! next.

use crate::{AccountId, Balance, BlockNumber, Runtime};
use alloc::vec::Vec;
use codec::{Decode, Encode};
use leasehold_primitives::{LeaseId, OrderId, ProviderId, Score};
use pallet_market::{
	reads::{BidReport, Candidate, Page},
	ClosedLeaseOf, LeaseRecordOf, ManifestKey, OpenItem, Order, OrderRecordOf,
};
use scale_info::TypeInfo;

/// Open orders.
#[derive(Encode, Decode, Clone, PartialEq, Eq, Debug, TypeInfo)]
pub enum Orders {
	V1(Page<(OrderId, OrderRecordOf<Runtime>), OrderId>),
}

/// Providers for an order.
#[derive(Encode, Decode, Clone, PartialEq, Eq, Debug, TypeInfo)]
pub enum Candidates {
	V1(Page<Candidate, ProviderId>),
}

/// The bids on an open order, best first.
#[derive(Encode, Decode, Clone, PartialEq, Eq, Debug, TypeInfo)]
pub enum Bids {
	V1(Vec<BidReport>),
}

/// A lease, open or closed.
#[derive(Encode, Decode, Clone, PartialEq, Eq, Debug, TypeInfo)]
pub enum LeaseReport {
	V1(LeaseReportV1),
}

/// A lease, open or closed.
#[derive(Encode, Decode, Clone, PartialEq, Eq, Debug, TypeInfo)]
#[allow(clippy::large_enum_variant)]
pub enum LeaseReportV1 {
	/// It is open.
	Open {
		record: LeaseRecordOf<Runtime>,
		/// Planck a block.
		rate: Balance,
		/// Owed and not yet paid, planck.
		accrued: Balance,
		/// Paid so far, gross of fees, planck.
		paid: Balance,
		/// On hold, less what is owed, planck.
		remaining: Balance,
		/// The block in which it runs dry if the provider stays on duty; `None` while nothing accrues.
		dry_at: Option<BlockNumber>,
	},
	/// It is closed, and its record is still kept.
	Closed(ClosedLeaseOf<Runtime>),
}

/// What a tenant has open under one manifest.
#[derive(Encode, Decode, Clone, PartialEq, Eq, Debug, TypeInfo)]
pub enum TenantItems {
	V1(Page<(ManifestKey, OpenItem), ManifestKey>),
}

/// A score with its parts.
#[derive(Encode, Decode, Clone, PartialEq, Eq, Debug, TypeInfo)]
pub enum ScoreReport {
	#[codec(index = 1)]
	V2(ScoreReportV2),
}

/// A score with its parts.
#[derive(Encode, Decode, Clone, PartialEq, Eq, Debug, TypeInfo)]
pub struct ScoreReportV2 {
	/// What the market reads.
	pub score: Score,
	/// The standing it follows from, in parts per billion of one good outcome.
	pub standing: u64,
	/// What the standing may grow by now, in the same unit.
	pub room: u64,
	/// Block in which the party began.
	pub since: BlockNumber,
	/// Block from which on the standing counts.
	pub counts_from: BlockNumber,
}

sp_api::decl_runtime_apis! {
	/// Reads of the market.
	#[api_version(1)]
	pub trait LeaseholdApi {
		/// Open orders that a provider could bid on now.
		fn open_orders(provider: ProviderId, after: Option<OrderId>, limit: u32) -> Orders;
		/// All providers, with what each lacks for an order and what its offer asks.
		fn candidates(
			tenant: AccountId,
			order: Order<AccountId>,
			after: Option<ProviderId>,
			limit: u32,
		) -> Candidates;
		/// The bids on an order, as they would fare if it ended now; `None` if it is not open. At most sixteen.
		fn bids(order: OrderId) -> Option<Bids>;
		/// A lease; `None` if it was swept or never was.
		fn lease(id: LeaseId) -> Option<LeaseReport>;
		/// Open orders and leases of a tenant.
		fn tenant_items(tenant: AccountId, after: Option<ManifestKey>, limit: u32) -> TenantItems;
		/// A provider's score.
		fn provider_score(provider: ProviderId) -> ScoreReport;
		/// A tenant's score.
		fn tenant_score(tenant: AccountId) -> ScoreReport;
	}
}

/// The lease with this id.
pub fn lease(id: LeaseId) -> Option<LeaseReport> {
	let report = match pallet_market::Leases::<Runtime>::get(id) {
		Some(record) => {
			let stream = crate::Escrow::balance(id)?;
			LeaseReportV1::Open {
				record,
				rate: stream.rate,
				accrued: stream.accrued,
				paid: stream.paid,
				remaining: stream.remaining,
				dry_at: stream.dry_at,
			}
		}
		None => LeaseReportV1::Closed(pallet_market::ClosedLeases::<Runtime>::get(id)?),
	};
	Some(LeaseReport::V1(report))
}

/// A score with its parts.
pub fn score(standing: pallet_reputation::Standing) -> ScoreReport {
	let pallet_reputation::Terms::V2(terms) = pallet_reputation::CurrentTerms::<Runtime>::get();
	ScoreReport::V2(ScoreReportV2 {
		score: standing.score(&terms),
		standing: standing.value,
		room: standing.room,
		since: standing.since,
		counts_from: standing.since.saturating_add(terms.half_life),
	})
}
