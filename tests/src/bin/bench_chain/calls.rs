//! What is called.

use crate::signer::Signer;
use leasehold_primitives::{Balance, Resources, Score, WorkloadKind};
use leasehold_runtime::{AccountId, Hash, Runtime, LEASE};
use pallet_market::{Asset, Order, OrderV1, Quantity, Selection, TermsV1};

pub fn resources(share: u32) -> Resources {
	Resources {
		cpu: 100 * share,
		memory: 128 * share,
		ephemeral: 100 * share,
		unit_cpu: 100,
		unit_memory: 128,
		..Default::default()
	}
}

pub const RATE: Balance = 1_000_000;
/// Blocks: no lease ends while others are measured, and its tenant cannot withdraw what these ask for.
pub const NOTICE: u32 = 2_000;

/// The market's terms, blocks: up to a start, and for which a closed lease is kept.
pub fn terms(start_deadline: u32, closed_retention: u32) -> TermsV1 {
	TermsV1 {
		max_open_bids: 100_000,
		start_deadline,
		low_funds: 30,
		manifest_deadline: 5,
		closed_retention,
		agenda_horizon: closed_retention,
		..Default::default()
	}
}

/// The market's usual terms here.
pub const START: u32 = 2_000;
pub const RETAINED: u32 = 28_800;
/// Blocks for which a provider may be absent.
pub const DOWNTIME: u32 = 100_000;

pub fn set_terms(start_deadline: u32, closed_retention: u32) -> pallet_market::Call<Runtime> {
	let terms = pallet_market::Terms::V1(terms(start_deadline, closed_retention));
	pallet_market::Call::set_terms { terms }
}

pub fn set_downtime(max_downtime: u32) -> pallet_providers::Call<Runtime> {
	let terms = pallet_providers::Terms::V1(pallet_providers::TermsV1 {
		max_downtime,
		..Default::default()
	});
	pallet_providers::Call::set_terms { terms }
}

pub fn order(manifest: u64, selection: Selection, bidding: u32, notice: u32) -> Order<AccountId> {
	let mut manifest_hash = [0; 32];
	manifest_hash[..8].copy_from_slice(&manifest.to_be_bytes());
	Order::V1(OrderV1 {
		access: None,
		manifest_hash,
		kind: WorkloadKind::Job,
		resources: resources(1),
		attributes: Default::default(),
		attestors: Default::default(),
		max_rate: RATE,
		asset: Asset::Native,
		quantity: Quantity::ONE,
		min_score: Score::zero(),
		allowed: Default::default(),
		max_duration: 1_000_000,
		notice,
		selection,
		bidding,
		deposit: 10_000 * RATE,
	})
}

pub fn transfer(dest: &AccountId) -> pallet_balances::Call<Runtime> {
	pallet_balances::Call::transfer_keep_alive {
		dest: dest.clone().into(),
		value: LEASE / 1_000,
	}
}

/// A transfer of each tenant to another.
pub fn transfers(tenants: &mut [Signer], genesis: Hash) -> Vec<Vec<u8>> {
	let to: Vec<_> = tenants.iter().map(Signer::account).rev().collect();
	tenants
		.iter_mut()
		.zip(&to)
		.map(|(who, dest)| who.sign(transfer(dest), genesis))
		.collect()
}

pub fn now(manifest: u64, notice: u32) -> pallet_market::Call<Runtime> {
	pallet_market::Call::lease_now {
		order: order(
			manifest,
			Selection::Offer {
				provider: 0,
				version: 1,
			},
			0,
			notice,
		),
	}
}
