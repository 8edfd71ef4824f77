//! Who handles what the agenda finds due.

use crate::{Market, Providers};
use frame_support::{dispatch::DispatchResult, weights::Weight};
use leasehold_primitives::{AgendaHandler, AgendaItem, BlockNumber};

/// Hands each item to the pallet that keeps its record.
pub struct Deadlines;

impl AgendaHandler for Deadlines {
	fn due(item: AgendaItem) -> Option<BlockNumber> {
		match item {
			AgendaItem::Provider(id) => Providers::due(id),
			other => Market::due(other),
		}
	}

	fn visit(item: AgendaItem) -> DispatchResult {
		match item {
			AgendaItem::Provider(id) => Providers::visit(id),
			other => Market::visit(other),
		}
	}

	fn postpone(item: AgendaItem, due: BlockNumber) {
		match item {
			AgendaItem::Provider(id) => Providers::postpone(id, due),
			other => Market::postpone(other, due),
		}
	}

	fn weight(item: AgendaItem) -> Weight {
		match item {
			AgendaItem::Lease(_) => <() as pallet_market::WeightInfo>::visit_lease(),
			AgendaItem::Order(_) => <() as pallet_market::WeightInfo>::visit_order(),
			AgendaItem::Closed(_) => <() as pallet_market::WeightInfo>::visit_closed(),
			AgendaItem::Provider(_) => <() as pallet_providers::WeightInfo>::visit(),
		}
	}
}
