//! Who handles what the agenda finds due.

use crate::{Market, Providers, Reputation};
use frame_support::{dispatch::DispatchResult, weights::Weight};
use leasehold_primitives::{AgendaHandler, AgendaItem, BlockNumber};

/// Hands each item to the pallet that keeps its record.
pub struct Deadlines;

impl AgendaHandler for Deadlines {
	fn due(item: AgendaItem) -> Option<BlockNumber> {
		match item {
			AgendaItem::Provider(_) | AgendaItem::Attestation(_) => Providers::due(item),
			AgendaItem::Scores => Reputation::due(),
			other => Market::due(other),
		}
	}

	fn visit(item: AgendaItem) -> DispatchResult {
		match item {
			AgendaItem::Provider(_) | AgendaItem::Attestation(_) => Providers::visit(item),
			AgendaItem::Scores => {
				Reputation::visit();
				Ok(())
			}
			other => Market::visit(other),
		}
	}

	fn postpone(item: AgendaItem, due: BlockNumber) {
		match item {
			AgendaItem::Provider(_) | AgendaItem::Attestation(_) => Providers::postpone(item, due),
			AgendaItem::Scores => Reputation::postpone(due),
			other => Market::postpone(other, due),
		}
	}

	fn weight(item: AgendaItem) -> Weight {
		match item {
			AgendaItem::Lease(_) => <() as pallet_market::WeightInfo>::visit_lease(),
			AgendaItem::Order(_) => {
				<() as pallet_market::WeightInfo>::visit_order(pallet_market::MAX_LEASES)
			}
			AgendaItem::Closed(_) => <() as pallet_market::WeightInfo>::visit_closed(),
			AgendaItem::Watch(_) => <() as pallet_market::WeightInfo>::visit_watch(),
			AgendaItem::Provider(_) => <() as pallet_providers::WeightInfo>::visit(),
			AgendaItem::Attestation(_) => <() as pallet_providers::WeightInfo>::visit_attestation(),
			AgendaItem::Scores => <() as pallet_reputation::WeightInfo>::visit(),
		}
	}
}
