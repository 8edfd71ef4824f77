//! What the demo and the end-to-end tests share: a devnet in processes of its own, the command line
//! run against it, and a ledger of who paid what.

#![forbid(unsafe_code)]

pub mod devnet;
pub mod engine;
pub mod figures;
pub mod gateway;
pub mod ledger;
pub mod state;
