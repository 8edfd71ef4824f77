//! What calls and visits cost, measured.
//!
//! The measurements are the runtime's, not the pallets': what a call of one pallet costs depends on
//! how the runtime ties it to the others. `scripts/bench-weights` runs them and writes
//! `runtime/src/weights/`.

#![allow(
	clippy::unwrap_used,
	clippy::expect_used,
	clippy::panic,
	clippy::arithmetic_side_effects,
	// The list below is read in this crate.
	clippy::crate_in_macro_def
)]

pub mod agenda;
pub mod babe;
pub mod escrow;
pub mod grandpa;
pub mod market;
pub mod payment;
pub mod providers;
pub mod reputation;
pub mod session;
mod setting;

frame_benchmarking::define_benchmarks!(
	[frame_system, frame_system_benchmarking::Pallet::<Runtime>]
	[frame_system_extensions, frame_system_benchmarking::extensions::Pallet::<Runtime>]
	[pallet_timestamp, Timestamp]
	[pallet_balances, Balances]
	[pallet_babe, crate::benchmarks::babe::Pallet::<Runtime>]
	[pallet_grandpa, crate::benchmarks::grandpa::Pallet::<Runtime>]
	[pallet_session, crate::benchmarks::session::Pallet::<Runtime>]
	[pallet_transaction_payment, crate::benchmarks::payment::Pallet::<Runtime>]
	[pallet_utility, Utility]
	[pallet_proxy, Proxy]
	[pallet_multisig, Multisig]
	[pallet_sudo, Sudo]
	[pallet_migrations, Migrations]
	[pallet_agenda, crate::benchmarks::agenda::Pallet::<Runtime>]
	[pallet_providers, crate::benchmarks::providers::Pallet::<Runtime>]
	[pallet_market, crate::benchmarks::market::Pallet::<Runtime>]
	[pallet_escrow, crate::benchmarks::escrow::Pallet::<Runtime>]
	[pallet_reputation, crate::benchmarks::reputation::Pallet::<Runtime>]
);

use crate::{
	configs::{ProtocolFees, TransactionFees},
	AllPalletsWithSystem, Balances, Migrations, Multisig, Proxy, Runtime, Sudo, Timestamp, Utility,
};
use alloc::{string::String, vec::Vec};
use frame_benchmarking::{BenchmarkBatch, BenchmarkConfig, BenchmarkList};
use frame_support::traits::{StorageInfo, StorageInfoTrait, WhitelistedStorageKeys};

impl frame_system_benchmarking::Config for Runtime {}

/// What can be measured.
pub fn metadata(extra: bool) -> (Vec<BenchmarkList>, Vec<StorageInfo>) {
	let mut list = Vec::new();
	list_benchmarks!(list, extra);
	(list, AllPalletsWithSystem::storage_info())
}

/// Measures.
pub fn dispatch(config: BenchmarkConfig) -> Result<Vec<BenchmarkBatch>, String> {
	let mut whitelist = AllPalletsWithSystem::whitelisted_storage_keys();
	// Every transaction pays into one of these: they are read and written once a block.
	for pot in [TransactionFees::account(), ProtocolFees::account()] {
		whitelist.push(frame_system::Account::<Runtime>::hashed_key_for(pot).into());
	}
	let mut batches = Vec::new();
	let params = (&config, &whitelist);
	add_benchmarks!(params, batches);
	Ok(batches)
}
