//! What the daemon says about itself.

use crate::{executor::container::Isolation, room::Use, store::LeaseRow};
use leasehold_client::Resources;
use serde::{Serialize, Serializer};

/// What `status` shows.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Status {
	pub provider: u32,
	pub operator: String,
	pub node: String,
	pub best: u32,
	pub finalized: u32,
	/// Why the chain is not believed at present.
	pub distrust: Option<String>,
	/// Whether this daemon is the one with its key that serves; not known before the chain has been asked.
	pub on_duty: Option<bool>,
	/// Why it is not.
	pub duty: Option<String>,
	/// The operator's free balance; text in JSON.
	#[serde(serialize_with = "as_text")]
	pub free_planck: u128,
	/// What the chain last refused.
	pub refusal: Option<String>,
	/// The operator's balance is short.
	pub short: bool,
	/// Where the configuration and the chain differ.
	pub differs: Option<String>,
	/// (capacity, what of it is reserved) on chain.
	#[serde(skip)]
	pub on_chain: Option<(Resources, Resources)>,
	/// Why it takes no new leases, if its operator or owner wants that.
	pub drained: Option<String>,
	/// Whether orders may be matched at once; not known before the chain has been asked.
	pub offer: Option<String>,
	/// Why this machine counts as in use, if it serves only while it is idle.
	pub in_use: Use,
	/// The container engine, if it can be used.
	pub containers: Option<String>,
	/// Why it cannot be used at present.
	pub no_containers: Option<String>,
	/// Whether containers that have a network are shut off from this machine and from each other.
	pub networks: Isolation,
	/// Why there is no certificate for browsers, if there is to be one.
	pub no_certificate: Option<String>,
	/// Why certificates for a former key are still valid.
	pub not_revoked: Option<String>,
	/// Why no services are run at present.
	pub no_services: Option<String>,
	/// Heartbeats sent since the start.
	pub heartbeats: u64,
	/// Bids that the chain took since the start.
	pub bids: u64,
	pub leases: Vec<LeaseStatus>,
}

/// Numbers that a JSON number has no room for.
fn as_text<S: Serializer>(value: &u128, to: S) -> Result<S::Ok, S::Error> {
	to.collect_str(value)
}

/// One lease in `status`.
#[derive(Clone, Debug, Serialize)]
pub struct LeaseStatus {
	pub lease: u64,
	pub attempts: u32,
	#[serde(flatten)]
	pub phase: crate::store::Phase,
}

impl From<&LeaseRow> for LeaseStatus {
	fn from(row: &LeaseRow) -> Self {
		Self {
			lease: row.lease,
			attempts: row.attempts,
			phase: row.phase.clone(),
		}
	}
}
