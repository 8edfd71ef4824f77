//! The pallets as the runtime puts them together, one file a feature. Each test ends with all
//! invariants checked.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod agenda;
mod attacks;
mod bids;
mod documents;
mod edges;
mod extremes;
mod fees;
mod harness;
mod heartbeat;
mod leases;
mod metadata;
mod offers;
mod orders;
mod origins;
mod ploys;
mod promises;
mod providers;
mod proxies;
mod reads;
mod refills;
mod refusals;
mod reputation;
mod scores;
mod siege;
mod states;
mod streams;
mod terms;
mod upgrade;
