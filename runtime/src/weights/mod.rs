//! What calls, visits and extensions cost; `scripts/bench-weights` measures it and writes the files.

pub mod database;
pub mod frame_system;
pub mod frame_system_extensions;
pub mod overhead;
pub mod pallet_agenda;
pub mod pallet_babe;
pub mod pallet_balances;
pub mod pallet_escrow;
pub mod pallet_grandpa;
pub mod pallet_market;
pub mod pallet_migrations;
pub mod pallet_multisig;
pub mod pallet_providers;
pub mod pallet_proxy;
pub mod pallet_reputation;
pub mod pallet_session;
pub mod pallet_sudo;
pub mod pallet_timestamp;
pub mod pallet_transaction_payment;
pub mod pallet_utility;
