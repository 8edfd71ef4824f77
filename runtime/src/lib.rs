//! The Leasehold runtime: FRAME's pallets and ours, put together.

#![cfg_attr(not(feature = "std"), no_std)]
#![recursion_limit = "256"]

extern crate alloc;

#[cfg(feature = "std")]
include!(concat!(env!("OUT_DIR"), "/wasm_binary.rs"));

pub mod apis;
#[cfg(feature = "runtime-benchmarks")]
mod benchmarks;
pub mod configs;
pub mod deadlines;
pub mod fees;
pub mod invariants;
pub mod links;
pub mod presets;
pub mod reads;
pub mod slots;
pub mod weights;

use alloc::vec::Vec;
use sp_runtime::{
	generic, impl_opaque_keys,
	traits::{BlakeTwo256, IdentifyAccount, Verify},
	MultiAddress, MultiSignature,
};
use sp_version::RuntimeVersion;

pub use leasehold_primitives::{Balance, BlockNumber};

/// Signature of an extrinsic.
pub type Signature = MultiSignature;
/// An account.
pub type AccountId = <<Signature as Verify>::Signer as IdentifyAccount>::AccountId;
/// Transactions that an account has sent.
pub type Nonce = u32;
/// A hash.
pub type Hash = sp_core::H256;
/// How extrinsics name an account.
pub type Address = MultiAddress<AccountId, ()>;
/// A block's header.
pub type Header = generic::Header<BlockNumber, BlakeTwo256>;
/// A block.
pub type Block = generic::Block<Header, UncheckedExtrinsic>;
/// What each transaction carries besides its call.
pub type TxExtension = (
	frame_system::AuthorizeCall<Runtime>,
	frame_system::CheckNonZeroSender<Runtime>,
	frame_system::CheckSpecVersion<Runtime>,
	frame_system::CheckTxVersion<Runtime>,
	frame_system::CheckGenesis<Runtime>,
	frame_system::CheckEra<Runtime>,
	frame_system::CheckNonce<Runtime>,
	frame_system::CheckWeight<Runtime>,
	pallet_transaction_payment::ChargeTransactionPayment<Runtime>,
	frame_metadata_hash_extension::CheckMetadataHash<Runtime>,
	frame_system::WeightReclaim<Runtime>,
);
/// A transaction.
pub type UncheckedExtrinsic =
	generic::UncheckedExtrinsic<Address, RuntimeCall, Signature, TxExtension>;
/// What a transaction's signature covers.
pub type SignedPayload = generic::SignedPayload<RuntimeCall, TxExtension>;
/// Executes blocks.
pub type Executive = frame_executive::Executive<
	Runtime,
	Block,
	frame_system::ChainContext<Runtime>,
	Runtime,
	AllPalletsWithSystem,
>;

/// Types for code that does not look into extrinsics, such as the node's.
pub mod opaque {
	use super::*;

	/// A block whose extrinsics are bytes.
	pub type Block = generic::Block<Header, sp_runtime::OpaqueExtrinsic>;
	/// Id of a block.
	pub type BlockId = generic::BlockId<Block>;
}

impl_opaque_keys! {
	pub struct SessionKeys {
		pub babe: Babe,
		pub grandpa: Grandpa,
		pub authority_discovery: AuthorityDiscovery,
	}
}

/// One LEASE in planck.
pub const LEASE: Balance = 1_000_000_000_000;
/// The least balance of an account, planck.
pub const EXISTENTIAL_DEPOSIT: Balance = LEASE / 100;
/// Slots of an epoch.
pub const EPOCH_SLOTS: u64 = 200;

#[sp_version::runtime_version]
pub const VERSION: RuntimeVersion = RuntimeVersion {
	spec_name: alloc::borrow::Cow::Borrowed("leasehold"),
	impl_name: alloc::borrow::Cow::Borrowed("leasehold"),
	authoring_version: 1,
	spec_version: 3,
	impl_version: 1,
	apis: apis::RUNTIME_API_VERSIONS,
	transaction_version: 2,
	system_version: 1,
};

#[frame_support::runtime]
mod runtime {
	#[runtime::runtime]
	#[runtime::derive(
		RuntimeCall,
		RuntimeEvent,
		RuntimeError,
		RuntimeOrigin,
		RuntimeFreezeReason,
		RuntimeHoldReason,
		RuntimeSlashReason,
		RuntimeLockId,
		RuntimeTask,
		RuntimeViewFunction
	)]
	pub struct Runtime;

	#[runtime::pallet_index(0)]
	pub type System = frame_system::Pallet<Runtime>;
	#[runtime::pallet_index(1)]
	pub type Timestamp = pallet_timestamp::Pallet<Runtime>;
	#[runtime::pallet_index(2)]
	pub type Babe = pallet_babe::Pallet<Runtime>;
	#[runtime::pallet_index(3)]
	pub type Authorship = pallet_authorship::Pallet<Runtime>;
	#[runtime::pallet_index(4)]
	pub type Balances = pallet_balances::Pallet<Runtime>;
	#[runtime::pallet_index(5)]
	pub type TransactionPayment = pallet_transaction_payment::Pallet<Runtime>;
	#[runtime::pallet_index(6)]
	pub type Offences = pallet_offences::Pallet<Runtime>;
	#[runtime::pallet_index(7)]
	pub type Historical = pallet_session::historical::Pallet<Runtime>;
	#[runtime::pallet_index(8)]
	pub type Session = pallet_session::Pallet<Runtime>;
	#[runtime::pallet_index(9)]
	pub type Grandpa = pallet_grandpa::Pallet<Runtime>;
	#[runtime::pallet_index(10)]
	pub type AuthorityDiscovery = pallet_authority_discovery::Pallet<Runtime>;
	#[runtime::pallet_index(11)]
	pub type Utility = pallet_utility::Pallet<Runtime>;
	#[runtime::pallet_index(12)]
	pub type Proxy = pallet_proxy::Pallet<Runtime>;
	#[runtime::pallet_index(13)]
	pub type Multisig = pallet_multisig::Pallet<Runtime>;
	#[runtime::pallet_index(14)]
	pub type Sudo = pallet_sudo::Pallet<Runtime>;
	#[runtime::pallet_index(15)]
	pub type Migrations = pallet_migrations::Pallet<Runtime>;

	#[runtime::pallet_index(50)]
	pub type Agenda = pallet_agenda::Pallet<Runtime>;
	#[runtime::pallet_index(51)]
	pub type Providers = pallet_providers::Pallet<Runtime>;
	#[runtime::pallet_index(52)]
	pub type Market = pallet_market::Pallet<Runtime>;
	#[runtime::pallet_index(53)]
	pub type Escrow = pallet_escrow::Pallet<Runtime>;
	#[runtime::pallet_index(54)]
	pub type Reputation = pallet_reputation::Pallet<Runtime>;
	#[runtime::pallet_index(55)]
	pub type Slots = crate::slots::Pallet<Runtime>;
}
