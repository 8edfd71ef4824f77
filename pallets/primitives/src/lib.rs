//! Ids, types, traits and money mathematics that the Leasehold pallets share. It has no storage.
//!
//! Pallets never import each other: they meet through the traits here, and the runtime ties them
//! together.

#![cfg_attr(not(feature = "std"), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod heartbeat;
pub mod math;
pub mod migration;
pub mod pricing;
pub mod receipt;
pub mod resources;
pub mod terms;
pub mod traits;
pub mod types;

pub use pricing::{PriceSheet, PriceSheetV1};
pub use resources::{
	Attribute, Attributes, GpuUnits, GpuVendor, PersistentStorage, Requirement, Resources,
	StorageClass,
};
pub use traits::{
	Agenda, AgendaHandler, Demand, Outcome, OutcomeObserver, ProviderRegistry, Scores,
	StreamObserver, StreamOpening, StreamTotals, Streams, MAX_FUNDERS,
};
pub use types::{
	AgendaClass, AgendaItem, CloseReason, FailureCode, Fault, ManifestHash, Progress, ResultHash,
	WorkloadKind,
};

/// A chain's genesis hash as signatures cover it; a shorter hash is padded with zeros.
pub fn genesis(hash: impl AsRef<[u8]>) -> sp_core::H256 {
	let mut bytes = [0u8; 32];
	for (to, from) in bytes.iter_mut().zip(hash.as_ref()) {
		*to = *from;
	}
	sp_core::H256(bytes)
}

/// A block number. 32 bits last 400 years at 3 s a block.
pub type BlockNumber = u32;
/// An amount in planck: 10^12 planck are one LEASE.
pub type Balance = u128;
/// Index of a provider, given at its registration and never reused.
pub type ProviderId = u32;
/// Index of an order, never reused.
pub type OrderId = u64;
/// Index of an auditor's statement, never reused.
pub type AttestationId = u64;
/// Index of a lease, never reused.
pub type LeaseId = u64;
/// A reputation score in parts per billion: 0 is worst, 1,000,000,000 is best.
pub type Score = sp_runtime::Perbill;
