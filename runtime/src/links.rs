//! What the pallets know of each other besides what their traits say.

use crate::{AccountId, BlockNumber, Runtime, System};
use frame_support::traits::{Contains, Get};
use leasehold_primitives::ProviderId;
use sp_runtime::traits::Convert;

/// The market's term.
pub struct StartDeadline;
impl Get<BlockNumber> for StartDeadline {
	fn get() -> BlockNumber {
		let pallet_market::Terms::V1(terms) = pallet_market::CurrentTerms::<Runtime>::get();
		terms.start_deadline
	}
}

/// Those with open bids.
pub struct Bidders;
impl Contains<ProviderId> for Bidders {
	fn contains(provider: &ProviderId) -> bool {
		pallet_market::OpenBids::<Runtime>::contains_key(provider)
	}
}

/// A provider's own accounts: its owner and its operator.
pub struct SameParty;
impl Contains<(ProviderId, AccountId)> for SameParty {
	fn contains((provider, who): &(ProviderId, AccountId)) -> bool {
		pallet_providers::Providers::<Runtime>::get(provider)
			.is_some_and(|record| record.owner == *who || record.operator == *who)
	}
}

/// When a provider registered; now, if there is none.
pub struct RegisteredAt;
impl Convert<ProviderId, BlockNumber> for RegisteredAt {
	fn convert(provider: ProviderId) -> BlockNumber {
		pallet_providers::Providers::<Runtime>::get(provider)
			.map_or_else(System::block_number, |record| record.registered_at)
	}
}
