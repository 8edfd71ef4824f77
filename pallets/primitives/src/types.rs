//! What leases and deadlines are made of.

use crate::{AttestationId, LeaseId, OrderId, ProviderId};
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
	/// The stream ran dry, and its reserve is used up.
	OutOfFunds,
	/// The workload had not started by the start deadline.
	StartTimeout,
	/// The provider could not run the workload.
	WorkloadFailed(FailureCode),
	/// The provider says that it was never handed the manifest.
	ManifestMissing,
	/// The provider took its capacity back after the notice agreed in the order.
	Reclaimed,
	/// The provider ended the lease without notice.
	Abandoned,
	/// The provider was not on duty, or kept the lease paused, for too long.
	Offline,
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

/// How far a lease had come when it ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Progress {
	pub kind: WorkloadKind,
	/// The workload had been reported running.
	pub started: bool,
	/// The receipt for the manifest is on chain.
	pub receipt: bool,
}

impl CloseReason {
	/// The party at fault when a lease that had come this far ends for this reason.
	pub fn fault(&self, progress: Progress) -> Fault {
		match self {
			Self::TenantClosed | Self::Completed { .. } | Self::TermEnded | Self::Reclaimed => {
				Fault::Nobody
			}
			Self::OutOfFunds => Fault::Tenant,
			Self::StartTimeout if progress.receipt => Fault::Provider,
			Self::StartTimeout | Self::ManifestMissing => Fault::Undecided,
			Self::WorkloadFailed(_)
				if progress.kind == WorkloadKind::Service && progress.started =>
			{
				Fault::Provider
			}
			Self::WorkloadFailed(_) => Fault::Mishap,
			Self::Abandoned | Self::Offline => Fault::Provider,
		}
	}

	/// Whether the tenant is compensated out of the lease's slice of the bond.
	pub fn compensates(&self, progress: Progress) -> bool {
		match self {
			Self::Abandoned | Self::Offline => true,
			Self::WorkloadFailed(_) => progress.kind == WorkloadKind::Service && progress.started,
			_ => false,
		}
	}

	/// Whether the tenant pays for the blocks that the provider waited in vain.
	pub fn costs_the_wait(&self, progress: Progress) -> bool {
		let waited = matches!(
			self,
			Self::TenantClosed | Self::ManifestMissing | Self::StartTimeout
		);
		waited && !progress.started && !progress.receipt
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
	/// A lease: start deadline, running dry, notice, maximal duration.
	Lease(LeaseId),
	/// An order: the end of its bidding, or of the tenant's time to pick.
	Order(OrderId),
	/// A closed lease whose retention ends.
	Closed(LeaseId),
	/// A provider whose unbonding ends.
	Provider(ProviderId),
	/// A provider with leases: whether it is still on duty.
	Watch(ProviderId),
	/// An auditor's statement that expires.
	Attestation(AttestationId),
	/// Scores that have drifted back to the newcomer's.
	Scores,
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
	/// Leases, and the watch over their providers.
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
			Self::Lease(_) | Self::Watch(_) => AgendaClass::Money,
			Self::Order(_) => AgendaClass::Clearing,
			Self::Closed(_) | Self::Provider(_) | Self::Attestation(_) | Self::Scores => {
				AgendaClass::Sweeping
			}
		}
	}
}
