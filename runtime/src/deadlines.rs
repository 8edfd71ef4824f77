//! Who handles what the agenda finds due.

use crate::{Escrow, Market, Providers, Reputation, Runtime};
use frame_support::{dispatch::DispatchResult, weights::Weight};
use leasehold_primitives::{
	AgendaHandler, AgendaItem, BlockNumber, StreamObserver, Streams, MAX_FUNDERS,
};
use pallet_market::WeightInfo as _;
use pallet_providers::WeightInfo as _;
use pallet_reputation::WeightInfo as _;

type MarketWeights = <Runtime as pallet_market::Config>::WeightInfo;
type ProviderWeights = <Runtime as pallet_providers::Config>::WeightInfo;
type ReputationWeights = <Runtime as pallet_reputation::Config>::WeightInfo;

/// Hands each item to the pallet that keeps its record.
pub struct Deadlines;

impl Deadlines {
	/// What the visit of an item costs that does not depend on its record.
	fn fixed_weight(item: AgendaItem) -> Weight {
		match item {
			AgendaItem::Closed(_) => MarketWeights::visit_closed(),
			AgendaItem::Watch(_) => MarketWeights::visit_watch(),
			AgendaItem::Provider(_) => ProviderWeights::visit(),
			AgendaItem::Attestation(_) => ProviderWeights::visit_attestation(),
			AgendaItem::Scores => ReputationWeights::visit(),
			AgendaItem::Lease(_) | AgendaItem::Order(_) => Self::weight(item),
		}
	}
}

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
			AgendaItem::Lease(id) => Market::visit_weight(Escrow::funders(id)),
			AgendaItem::Order(id) => Market::order_weight(id),
			other => Self::fixed_weight(other),
		}
	}

	fn dearest() -> Weight {
		let fixed = [
			AgendaItem::Closed(0),
			AgendaItem::Watch(0),
			AgendaItem::Provider(0),
			AgendaItem::Attestation(0),
			AgendaItem::Scores,
		];
		fixed
			.into_iter()
			.map(Self::fixed_weight)
			.chain([Market::visit_weight(MAX_FUNDERS), Market::dearest_order()])
			.fold(Weight::zero(), |dearest, weight| dearest.max(weight))
	}
}
