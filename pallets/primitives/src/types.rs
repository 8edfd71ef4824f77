//! What leases and deadlines are made of.

use crate::{LeaseId, OrderId, ProviderId};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;

/// blake2-256 of a manifest's bytes. The content never goes on chain.
pub type ManifestHash = [u8; 32];
/// blake2-256 over the sorted (path, length, sha256) of a job's outputs, then its exit code.
pub type ResultHash = [u8; 32];

/// How long a workload runs.
#[derive(
	Encode,
	Decode,
	DecodeWithMemTracking,
	Clone,
	Copy,
	PartialEq,
	Eq,
	Debug,
	TypeInfo,
	MaxEncodedLen,
)]
pub enum WorkloadKind {
	/// Until the lease is closed.
	Service,
	/// Until it exits.
	Job,
}

/// Why a provider could not run a workload.
#[derive(
	Encode,
	Decode,
	DecodeWithMemTracking,
	Clone,
	Copy,
	PartialEq,
	Eq,
	Debug,
	TypeInfo,
	MaxEncodedLen,
)]
pub enum FailureCode {
	/// The module or image cannot be loaded.
	InvalidModule,
	/// The program crashed at every attempt.
	Crashed,
	/// The program ran longer than the manifest allows.
	TimeLimit,
	/// The program needed more memory than was leased.
	MemoryLimit,
	/// Files, outputs and logs outgrew the storage leased.
	StorageLimit,
	/// The provider's own machine failed.
	Internal,
}

/// Why a lease ended.
#[derive(
	Encode,
	Decode,
	DecodeWithMemTracking,
	Clone,
	Copy,
	PartialEq,
	Eq,
	Debug,
	TypeInfo,
	MaxEncodedLen,
)]
pub enum CloseReason {
	/// The tenant closed it.
	TenantClosed,
	/// The job ended by itself.
	Completed {
		exit_code: i32,
		result_hash: ResultHash,
	},
	/// The lease reached its maximal duration.
	TermEnded,
	/// The balance of the stream was down to its reserve.
	OutOfFunds,
	/// The provider had not started the workload by the start deadline.
	StartTimeout,
	/// The provider could not run the workload.
	WorkloadFailed(FailureCode),
}

/// The party a close reason speaks against.
#[derive(
	Encode,
	Decode,
	DecodeWithMemTracking,
	Clone,
	Copy,
	PartialEq,
	Eq,
	Debug,
	TypeInfo,
	MaxEncodedLen,
)]
pub enum Fault {
	/// Nobody's: both kept their word.
	Nobody,
	/// Nobody's, but the lease did not do what it was made for: counts half.
	Mishap,
	/// The tenant's.
	Tenant,
	/// The provider's.
	Provider,
	/// One of the two, and the chain cannot tell which: a quarter weight against both.
	Undecided,
}

impl CloseReason {
	/// The party at fault when a lease of `kind` ends for this reason; `started` tells whether the
	/// workload had been reported running.
	pub fn fault(&self, kind: WorkloadKind, started: bool) -> Fault {
		match self {
			Self::TenantClosed | Self::Completed { .. } | Self::TermEnded => Fault::Nobody,
			Self::OutOfFunds => Fault::Tenant,
			Self::StartTimeout => Fault::Undecided,
			Self::WorkloadFailed(_) if kind == WorkloadKind::Service && started => Fault::Provider,
			Self::WorkloadFailed(_) => Fault::Mishap,
		}
	}
}

/// Something that falls due in a block.
#[derive(
	Encode,
	Decode,
	DecodeWithMemTracking,
	Clone,
	Copy,
	PartialEq,
	Eq,
	PartialOrd,
	Ord,
	Debug,
	TypeInfo,
	MaxEncodedLen,
)]
pub enum AgendaItem {
	/// A lease: start deadline, running dry, maximal duration.
	Lease(LeaseId),
	/// An order: the end of its bidding.
	Order(OrderId),
	/// A closed lease whose retention ends.
	Closed(LeaseId),
	/// A provider whose unbonding ends.
	Provider(ProviderId),
}

/// The order in which the agenda works within a block: money, then clearing, then sweeping.
#[derive(
	Encode,
	Decode,
	DecodeWithMemTracking,
	Clone,
	Copy,
	PartialEq,
	Eq,
	PartialOrd,
	Ord,
	Debug,
	TypeInfo,
	MaxEncodedLen,
)]
pub enum AgendaClass {
	/// Leases.
	Money,
	/// Orders.
	Clearing,
	/// What only waits to be removed.
	Sweeping,
}

impl AgendaItem {
	/// The class this item is worked off with.
	pub fn class(&self) -> AgendaClass {
		match self {
			Self::Lease(_) => AgendaClass::Money,
			Self::Order(_) => AgendaClass::Clearing,
			Self::Closed(_) | Self::Provider(_) => AgendaClass::Sweeping,
		}
	}
}
