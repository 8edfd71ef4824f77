//! What the index knows about a lease.

use leasehold_client::{view::OpenLease, AccountId32, WorkloadKind};
use serde::{Deserialize, Serialize};

/// What is known about a lease that this daemon has served or serves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseRow {
	pub version: u32,
	pub lease: u64,
	/// The order that it was made for; daemons of before did not note it.
	#[serde(default)]
	pub order: Option<u64>,
	pub manifest_hash: [u8; 32],
	/// Of the manifest that the tenant has named since: it takes the other's place once all of it is here.
	#[serde(default)]
	pub next: Option<[u8; 32]>,
	/// Of the one before, until finality says that it is not to be run any more.
	#[serde(default)]
	pub former: Option<[u8; 32]>,
	/// The best block when it took the other's place.
	#[serde(default)]
	pub since: u32,
	pub tenant: [u8; 32],
	pub access: [u8; 32],
	/// Grants of an earlier epoch are void.
	#[serde(default)]
	pub epoch: u32,
	/// Attempts begun; written before an attempt starts.
	pub attempts: u32,
	pub phase: Phase,
	/// Unix seconds; when the close was seen finalized.
	pub closed_at: Option<u64>,
}

/// How far a lease has come on this provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "phase")]
pub enum Phase {
	/// Waits for the manifest or for files.
	AwaitingManifest,
	/// The workload is being started.
	Starting,
	/// The workload runs.
	Running,
	/// The workload is stopped, and its data kept, while the lease is suspended.
	Suspended,
	/// The job has ended; the chain is being told.
	Ended {
		exit_code: i32,
		result_hash: [u8; 32],
	},
	/// The workload cannot be run; the chain is being told.
	Failed { code: String, why: String },
	/// The lease is closed.
	Closed { why: String },
}

impl Phase {
	/// Whether the workload may be running.
	pub fn runs(&self) -> bool {
		matches!(self, Self::Starting | Self::Running)
	}

	/// Its word in JSON and metrics.
	pub fn word(&self) -> &'static str {
		match self {
			Self::AwaitingManifest => "awaiting_manifest",
			Self::Starting => "starting",
			Self::Running => "running",
			Self::Suspended => "suspended",
			Self::Ended { .. } => "ended",
			Self::Failed { .. } => "failed",
			Self::Closed { .. } => "closed",
		}
	}

	/// In words.
	pub fn name(&self) -> &'static str {
		match self {
			Self::AwaitingManifest => "it waits for its manifest",
			Self::Starting => "it starts",
			Self::Running => "it runs",
			Self::Suspended => "it is suspended",
			Self::Ended { .. } => "the job has ended",
			Self::Failed { .. } => "it could not be run",
			Self::Closed { .. } => "it is closed",
		}
	}
}

impl LeaseRow {
	/// The account whose grants count.
	pub fn access(&self) -> AccountId32 {
		AccountId32(self.access)
	}

	/// Whether it is of this lease: a fork may give the number to another. Services may get another manifest; to a
	/// job that is another job.
	pub fn is_of(&self, lease: &OpenLease) -> bool {
		let is_updated = || {
			let order = self.order.is_none_or(|order| order == lease.order);
			order && lease.kind == WorkloadKind::Service
		};
		(self.tenant, self.access) == (lease.tenant.0, lease.access.0)
			&& (self.manifest_hash == lease.manifest_hash || is_updated())
	}

	/// Whether the workload has come to its end.
	pub fn is_over(&self) -> bool {
		matches!(
			self.phase,
			Phase::Ended { .. } | Phase::Failed { .. } | Phase::Closed { .. }
		)
	}
}
