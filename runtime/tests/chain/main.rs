//! The pallets as the runtime puts them together, one file a feature. Each test ends with all
//! invariants checked.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod bids;
mod fees;
mod harness;
mod heartbeat;
mod invariants;
mod leases;
mod metadata;
mod orders;
mod providers;
mod proxies;
mod scores;
mod streams;
