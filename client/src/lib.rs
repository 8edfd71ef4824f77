//! The typed chain client: the only door of daemon, command line and tests to the chain.
//!
//! [`chain::Chain`] connects, and connects again; [`view::View`] reads one block; [`signer::Signer`]
//! owns an account's nonce and sees each transaction through; [`story`] tells events in words.

#![forbid(unsafe_code)]

pub mod access;
pub mod call;
pub mod chain;
pub mod error;
pub mod exec;
pub mod keystore;
pub mod query;
pub mod seal;
pub mod signature;
pub mod signer;
pub mod story;
pub mod tls;
pub mod units;
pub mod view;
pub mod volumes;

pub use call::{Call, OrderRequest, ProviderRequest, Selection};
pub use chain::{Chain, Connection, Heads, Standing};
pub use error::ChainError;
pub use leasehold_primitives::{
	self as primitives, Attribute, CloseReason, FailureCode, Fault, PriceSheet, Requirement,
	Resources, WorkloadKind,
};
pub use subxt::utils::{AccountId32, H256};
pub use subxt_signer::sr25519::Keypair;

/// The chain's word for a manifest's class of persistent storage.
pub fn storage_class(name: &str) -> Option<primitives::StorageClass> {
	use primitives::StorageClass;
	match name {
		"beta1" => Some(StorageClass::Hdd),
		"default" | "beta2" => Some(StorageClass::Ssd),
		"beta3" => Some(StorageClass::Nvme),
		_ => None,
	}
}

/// The chain as its metadata describes it. `tests/` fails when it drifts from the runtime.
#[allow(clippy::all, missing_docs, rustdoc::all)]
#[subxt::subxt(
	runtime_metadata_path = "metadata.scale",
	derive_for_all_types = "Clone, PartialEq, Eq",
	substitute_type(
		path = "leasehold_primitives::resources::Resources",
		with = "::subxt::utils::Static<::leasehold_primitives::Resources>"
	),
	substitute_type(
		path = "leasehold_primitives::resources::Attribute",
		with = "::subxt::utils::Static<::leasehold_primitives::Attribute>"
	),
	substitute_type(
		path = "leasehold_primitives::resources::Requirement",
		with = "::subxt::utils::Static<::leasehold_primitives::Requirement>"
	),
	substitute_type(
		path = "leasehold_primitives::pricing::PriceSheet",
		with = "::subxt::utils::Static<::leasehold_primitives::PriceSheet>"
	),
	substitute_type(
		path = "leasehold_primitives::types::CloseReason",
		with = "::subxt::utils::Static<::leasehold_primitives::CloseReason>"
	),
	substitute_type(
		path = "leasehold_primitives::types::FailureCode",
		with = "::subxt::utils::Static<::leasehold_primitives::FailureCode>"
	),
	substitute_type(
		path = "leasehold_primitives::types::Fault",
		with = "::subxt::utils::Static<::leasehold_primitives::Fault>"
	),
	substitute_type(
		path = "leasehold_primitives::types::WorkloadKind",
		with = "::subxt::utils::Static<::leasehold_primitives::WorkloadKind>"
	),
	substitute_type(
		path = "sp_runtime::MultiSignature",
		with = "::subxt::utils::MultiSignature"
	)
)]
pub mod runtime {}

/// The chain's types.
pub type Config = subxt::SubstrateConfig;
