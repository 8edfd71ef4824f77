//! The manifest format: parse, validate, total, hash.
//!
//! A manifest file is Akash's SDL (versions 2.0 and 2.1); additions stand under `x-leasehold`.
//! [`sdl::parse`] reads one and says, with line and column, what it honours, warns about or refuses;
//! [`Manifest`] is what the tenant hands to the provider, and whose hash is on chain.

#![forbid(unsafe_code)]

pub mod compose;
pub mod files;
pub mod hostname;
pub mod image;
mod manifest;
pub mod quantity;
pub mod result;
pub mod sdl;
mod yaml;

pub use codec::{Decode, Encode};
pub use manifest::{
	is_label, is_mount, totals, Credentials, Expose, FileEntry, Gpu, GpuModel, GpuTotal, Health,
	HttpOptions, Manifest, ManifestError, Medium, Probe, Program, Protocol, Service, Totals, Unit,
	Volume, MAX_BYTES, MAX_REPLICAS, MAX_SECONDS, MAX_SERVICES,
};
pub use sdl::{Fault, Level, LocalFile, Placement, Sdl, Sums};

/// How long a workload runs.
#[derive(
	Clone,
	Copy,
	Debug,
	PartialEq,
	Eq,
	codec::Encode,
	codec::Decode,
	serde::Serialize,
	serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
	/// Until the lease is closed.
	Service,
	/// Until it exits.
	Job,
}
