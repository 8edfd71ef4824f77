//! What calls, visits and extensions cost; `scripts/bench-weights` measures it and writes the files.

pub mod database;
pub mod overhead;
pub mod pallet_agenda;
pub mod pallet_escrow;
pub mod pallet_market;
pub mod pallet_providers;
pub mod pallet_reputation;
