//! The configuration of each pallet.

use crate::{
	deadlines::Deadlines, fees, links, slots, weights, AccountId, Agenda, Babe, Balance, Balances,
	Block, BlockNumber, Escrow, Hash, Historical, Market, Migrations, Nonce, Offences,
	OriginCaller, Providers, Reputation, Runtime, RuntimeCall, RuntimeEvent, RuntimeFreezeReason,
	RuntimeHoldReason, Session, SessionKeys, Signature, System, UncheckedExtrinsic, EPOCH_SLOTS,
	EXISTENTIAL_DEPOSIT, LEASE, VERSION,
};
use crate::{PalletInfo, RuntimeOrigin, RuntimeTask};
use alloc::vec::Vec;
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use frame_support::{
	derive_impl,
	dispatch::DispatchClass,
	parameter_types,
	traits::{
		tokens::imbalance::ResolveTo, ConstU128, ConstU32, ConstU64, ConstU8, Get, InstanceFilter,
		KeyOwnerProofSystem, TypedGet, VariantCountOf,
	},
	weights::{constants::WEIGHT_REF_TIME_PER_MILLIS, RuntimeDbWeight, Weight},
	PalletId,
};
use frame_system::{
	limits::{BlockLength, BlockWeights},
	EnsureRoot,
};
use scale_info::TypeInfo;
use sp_core::crypto::KeyTypeId;
use sp_runtime::{
	traits::{AccountIdConversion, BlakeTwo256, Convert, ConvertInto, OpaqueKeys, Verify},
	Perbill,
};
use sp_version::RuntimeVersion;

/// The part of a block that ordinary transactions may fill.
const NORMAL: Perbill = Perbill::from_percent(88);

parameter_types! {
	pub const BlockHashCount: BlockNumber = 2400;
	pub const SS58Prefix: u16 = 42;
	pub const Version: RuntimeVersion = VERSION;
	pub const DatabaseWeight: RuntimeDbWeight = weights::database::DATABASE;
	/// 1.5 s of a 3 s slot.
	pub RuntimeBlockWeights: BlockWeights = block_weights();
	pub RuntimeBlockLength: BlockLength = BlockLength::builder()
		.max_length(5 * 1024 * 1024)
		.modify_max_length_for_class(DispatchClass::Normal, |max| *max = NORMAL * *max)
		.build();
}

/// Items of the database that each block reads and writes: number, hashes, slot and randomness, time, the agenda's
/// cursors, and what all its transactions share (the issuance, the fees' multiplier, the pots that they pay into).
pub const BLOCK_ITEMS: (u64, u64) = (35, 30);

/// Ordinary transactions up to their part, operational ones up to the rest as well, of
/// which the part above the ordinary is theirs alone.
fn block_weights() -> BlockWeights {
	let whole = Weight::from_parts(WEIGHT_REF_TIME_PER_MILLIS.saturating_mul(1_500), u64::MAX);
	let (reads, writes) = BLOCK_ITEMS;
	let block_items = DatabaseWeight::get().reads_writes(reads, writes);
	BlockWeights::builder()
		.base_block(weights::overhead::BLOCK_EXECUTION.saturating_add(block_items))
		.for_class(DispatchClass::all(), |class| {
			class.base_extrinsic = weights::overhead::EXTRINSIC_BASE;
		})
		.for_class(DispatchClass::Normal, |class| {
			class.max_total = Some(NORMAL * whole);
		})
		.for_class(DispatchClass::Operational, |class| {
			class.max_total = Some(whole);
			class.reserved = Some(whole.saturating_sub(NORMAL * whole));
		})
		.avg_block_initialization(Perbill::from_percent(10))
		.build_or_panic()
}

#[derive_impl(frame_system::config_preludes::SolochainDefaultConfig)]
impl frame_system::Config for Runtime {
	type Block = Block;
	type AccountId = AccountId;
	type Nonce = Nonce;
	type Hash = Hash;
	type BlockHashCount = BlockHashCount;
	type BlockWeights = RuntimeBlockWeights;
	type BlockLength = RuntimeBlockLength;
	type DbWeight = DatabaseWeight;
	type Version = Version;
	type SS58Prefix = SS58Prefix;
	type AccountData = pallet_balances::AccountData<Balance>;
	type SystemWeightInfo = weights::frame_system::WeightInfo<Self>;
	type ExtensionsWeightInfo = weights::frame_system_extensions::WeightInfo<Self>;
	type SingleBlockMigrations = ();
	type MultiBlockMigrator = Migrations;
}

impl pallet_timestamp::Config for Runtime {
	type Moment = u64;
	type OnTimestampSet = Babe;
	type MinimumPeriod = slots::HalfSlot;
	type WeightInfo = weights::pallet_timestamp::WeightInfo<Self>;
}

parameter_types! {
	pub const EpochDuration: u64 = EPOCH_SLOTS;
	/// How long an equivocation can be reported: a day of slots.
	pub const ReportLongevity: u64 = 28_800;
}

/// Most validators.
type MaxAuthorities = ConstU32<100>;

/// Weights of reports of equivocations. The trie of all validators is made before it is looked at how many
/// the reporter says there are, so each costs what it would with as many as there may be.
pub struct Reports;

impl pallet_babe::WeightInfo for Reports {
	fn plan_config_change() -> Weight {
		weights::pallet_babe::WeightInfo::<Runtime>::plan_config_change()
	}
	fn report_equivocation(validators: u32, _nominators: u32) -> Weight {
		let validators = validators.max(<MaxAuthorities as Get<u32>>::get());
		weights::pallet_babe::WeightInfo::<Runtime>::report_equivocation(validators, 1)
	}
}

impl pallet_grandpa::WeightInfo for Reports {
	fn note_stalled() -> Weight {
		weights::pallet_grandpa::WeightInfo::<Runtime>::note_stalled()
	}
	fn report_equivocation(validators: u32, _nominators: u32) -> Weight {
		let validators = validators.max(<MaxAuthorities as Get<u32>>::get());
		weights::pallet_grandpa::WeightInfo::<Runtime>::report_equivocation(validators, 1)
	}
}

impl pallet_babe::Config for Runtime {
	type EpochDuration = EpochDuration;
	type ExpectedBlockTime = slots::Slot;
	type EpochChangeTrigger = pallet_babe::ExternalTrigger;
	type DisabledValidators = Session;
	type WeightInfo = Reports;
	type MaxAuthorities = MaxAuthorities;
	type MaxNominators = ConstU32<0>;
	type KeyOwnerProof =
		<Historical as KeyOwnerProofSystem<(KeyTypeId, pallet_babe::AuthorityId)>>::Proof;
	type EquivocationReportSystem =
		pallet_babe::EquivocationReportSystem<Self, Offences, Historical, ReportLongevity>;
}

impl pallet_grandpa::Config for Runtime {
	type RuntimeEvent = RuntimeEvent;
	type WeightInfo = Reports;
	type MaxAuthorities = MaxAuthorities;
	type MaxNominators = ConstU32<0>;
	type MaxSetIdSessionEntries = ConstU64<168>;
	type KeyOwnerProof =
		<Historical as KeyOwnerProofSystem<(KeyTypeId, pallet_grandpa::AuthorityId)>>::Proof;
	type EquivocationReportSystem =
		pallet_grandpa::EquivocationReportSystem<Self, Offences, Historical, ReportLongevity>;
}

impl pallet_authority_discovery::Config for Runtime {
	type MaxAuthorities = MaxAuthorities;
}

/// Every account may be proven a validator; nobody is exposed to more than its own name.
pub struct NoExposure;
impl Convert<AccountId, Option<()>> for NoExposure {
	fn convert(_: AccountId) -> Option<()> {
		Some(())
	}
}

/// The validators of genesis, for ever; they may change their keys.
pub struct GenesisValidators;

impl pallet_session::SessionManager<AccountId> for GenesisValidators {
	fn new_session(_: u32) -> Option<Vec<AccountId>> {
		None
	}
	fn start_session(_: u32) {}
	fn end_session(_: u32) {}
}

impl pallet_session::historical::SessionManager<AccountId, ()> for GenesisValidators {
	fn new_session_genesis(_: u32) -> Option<Vec<(AccountId, ())>> {
		Some(
			pallet_session::NextKeys::<Runtime>::iter_keys()
				.map(|who| (who, ()))
				.collect(),
		)
	}
	fn new_session(_: u32) -> Option<Vec<(AccountId, ())>> {
		let changed = pallet_session::QueuedKeys::<Runtime>::get()
			.iter()
			.any(|(who, keys)| {
				pallet_session::NextKeys::<Runtime>::get(who).as_ref() != Some(keys)
			});
		changed.then(|| {
			Session::validators()
				.into_iter()
				.map(|who| (who, ()))
				.collect()
		})
	}
	fn start_session(_: u32) {}
	fn end_session(_: u32) {}
}

impl pallet_session::Config for Runtime {
	type RuntimeEvent = RuntimeEvent;
	type ValidatorId = AccountId;
	type ValidatorIdOf = ConvertInto;
	type ShouldEndSession = Babe;
	type NextSessionRotation = Babe;
	type SessionManager = pallet_session::historical::NoteHistoricalRoot<Self, GenesisValidators>;
	type SessionHandler = <SessionKeys as OpaqueKeys>::KeyTypeIdProviders;
	type Keys = SessionKeys;
	type DisablingStrategy = ();
	type WeightInfo = weights::pallet_session::WeightInfo<Self>;
	type Currency = Balances;
	type KeyDeposit = ConstU128<{ LEASE / 10 }>;
}

impl pallet_session::historical::Config for Runtime {
	type RuntimeEvent = RuntimeEvent;
	type FullIdentification = ();
	type FullIdentificationOf = NoExposure;
}

impl pallet_offences::Config for Runtime {
	type RuntimeEvent = RuntimeEvent;
	type IdentificationTuple = pallet_session::historical::IdentificationTuple<Self>;
	type OnOffenceHandler = ();
}

impl pallet_authorship::Config for Runtime {
	type FindAuthor = pallet_session::FindAccountFromAuthorIndex<Self, Babe>;
	type EventHandler = ();
}

impl pallet_balances::Config for Runtime {
	type RuntimeEvent = RuntimeEvent;
	type RuntimeHoldReason = RuntimeHoldReason;
	type RuntimeFreezeReason = RuntimeFreezeReason;
	type WeightInfo = weights::pallet_balances::WeightInfo<Self>;
	type Balance = Balance;
	type DustRemoval = ();
	type ExistentialDeposit = ConstU128<EXISTENTIAL_DEPOSIT>;
	type AccountStore = System;
	type ReserveIdentifier = [u8; 8];
	type FreezeIdentifier = RuntimeFreezeReason;
	type MaxLocks = ConstU32<50>;
	type MaxReserves = ConstU32<50>;
	type MaxFreezes = VariantCountOf<RuntimeFreezeReason>;
	type DoneSlashHandler = ();
}

/// The pot of transaction fees.
pub struct TransactionFees;
impl TransactionFees {
	/// Its account.
	pub fn account() -> AccountId {
		PalletId(*b"lh/txfee").into_account_truncating()
	}
}
impl TypedGet for TransactionFees {
	type Type = AccountId;
	fn get() -> AccountId {
		Self::account()
	}
}

/// The fee destination of a new network.
pub struct ProtocolFees;
impl ProtocolFees {
	/// Its account.
	pub fn account() -> AccountId {
		PalletId(*b"lh/lsfee").into_account_truncating()
	}
}

impl pallet_transaction_payment::Config for Runtime {
	type RuntimeEvent = RuntimeEvent;
	type OnChargeTransaction =
		pallet_transaction_payment::FungibleAdapter<Balances, ResolveTo<TransactionFees, Balances>>;
	type OperationalFeeMultiplier = ConstU8<5>;
	type WeightToFee = fees::WeightToFee;
	type LengthToFee = fees::LengthToFee;
	type FeeMultiplierUpdate = fees::FeeMultiplierUpdate;
	type WeightInfo = weights::pallet_transaction_payment::WeightInfo<Self>;
}

impl pallet_utility::Config for Runtime {
	type RuntimeEvent = RuntimeEvent;
	type RuntimeCall = RuntimeCall;
	type PalletsOrigin = OriginCaller;
	type WeightInfo = weights::pallet_utility::WeightInfo<Self>;
}

/// What a proxy may do for its account.
#[derive(
	Copy,
	Clone,
	Eq,
	PartialEq,
	Ord,
	PartialOrd,
	Encode,
	Decode,
	DecodeWithMemTracking,
	Debug,
	MaxEncodedLen,
	TypeInfo,
	Default,
)]
pub enum ProxyType {
	/// Anything.
	#[default]
	Any,
	/// Anything but moving balances, or holding them for more than a record of the SDK.
	NonTransfer,
	/// Orders, leases and their deposits.
	Tenant,
}

impl InstanceFilter<RuntimeCall> for ProxyType {
	fn filter(&self, call: &RuntimeCall) -> bool {
		match self {
			Self::Any => true,
			Self::NonTransfer => !matches!(
				call,
				RuntimeCall::Balances(..)
					| RuntimeCall::Market(..)
					| RuntimeCall::Escrow(..)
					| RuntimeCall::Sudo(..)
					| RuntimeCall::Providers(
						pallet_providers::Call::register { .. }
							| pallet_providers::Call::raise_bond { .. }
							| pallet_providers::Call::attest { .. }
					)
			),
			Self::Tenant => matches!(call, RuntimeCall::Market(..) | RuntimeCall::Escrow(..)),
		}
	}
	fn is_superset(&self, other: &Self) -> bool {
		self == other || matches!(self, Self::Any)
	}
}

/// Deposit for `items` storage items of `bytes` bytes, planck.
const fn deposit(items: u32, bytes: u32) -> Balance {
	items as Balance * (LEASE / 10) + bytes as Balance * (LEASE / 1_000)
}

impl pallet_proxy::Config for Runtime {
	type RuntimeEvent = RuntimeEvent;
	type RuntimeCall = RuntimeCall;
	type Currency = Balances;
	type ProxyType = ProxyType;
	type ProxyDepositBase = ConstU128<{ deposit(1, 8) }>;
	type ProxyDepositFactor = ConstU128<{ deposit(0, 33) }>;
	type MaxProxies = ConstU32<32>;
	type WeightInfo = weights::pallet_proxy::WeightInfo<Self>;
	type MaxPending = ConstU32<32>;
	type CallHasher = BlakeTwo256;
	type AnnouncementDepositBase = ConstU128<{ deposit(1, 8) }>;
	type AnnouncementDepositFactor = ConstU128<{ deposit(0, 66) }>;
	type BlockNumberProvider = System;
}

impl pallet_multisig::Config for Runtime {
	type RuntimeEvent = RuntimeEvent;
	type RuntimeCall = RuntimeCall;
	type Currency = Balances;
	type DepositBase = ConstU128<{ deposit(1, 88) }>;
	type DepositFactor = ConstU128<{ deposit(0, 32) }>;
	type MaxSignatories = ConstU32<100>;
	type WeightInfo = weights::pallet_multisig::WeightInfo<Self>;
	type BlockNumberProvider = System;
}

impl pallet_sudo::Config for Runtime {
	type RuntimeEvent = RuntimeEvent;
	type RuntimeCall = RuntimeCall;
	type WeightInfo = weights::pallet_sudo::WeightInfo<Self>;
}

parameter_types! {
	pub MigrationWeight: Weight = Perbill::from_percent(80) * RuntimeBlockWeights::get().max_block;
}

impl pallet_migrations::Config for Runtime {
	type RuntimeEvent = RuntimeEvent;
	#[cfg(not(feature = "runtime-benchmarks"))]
	type Migrations = (
		pallet_providers::migrations::ToV2<Runtime>,
		pallet_reputation::migrations::ToV2<Runtime>,
		pallet_market::migrations::ToV2<Runtime, Balances>,
	);
	#[cfg(feature = "runtime-benchmarks")]
	type Migrations = pallet_migrations::mock_helpers::MockedMigrations;
	type CursorMaxLen = ConstU32<65_536>;
	type IdentifierMaxLen = ConstU32<256>;
	type MigrationStatusHandler = ();
	type FailedMigrationHandler = frame_support::migrations::FreezeChainOnFailedMigration;
	type MaxServiceWeight = MigrationWeight;
	type WeightInfo = weights::pallet_migrations::WeightInfo<Self>;
}

impl<C> frame_system::offchain::CreateTransactionBase<C> for Runtime
where
	RuntimeCall: From<C>,
{
	type Extrinsic = UncheckedExtrinsic;
	type RuntimeCall = RuntimeCall;
}

impl<C> frame_system::offchain::CreateBare<C> for Runtime
where
	RuntimeCall: From<C>,
{
	fn create_bare(call: RuntimeCall) -> UncheckedExtrinsic {
		UncheckedExtrinsic::new_bare(call)
	}
}

impl slots::Config for Runtime {}

parameter_types! {
	pub const AgendaShare: Perbill = Perbill::from_percent(25);
}

impl pallet_agenda::Config for Runtime {
	type Handler = Deadlines;
	type BlockShare = AgendaShare;
	type WeightInfo = weights::pallet_agenda::WeightInfo<Self>;
}

impl pallet_providers::Config for Runtime {
	type Currency = Balances;
	type RuntimeHoldReason = RuntimeHoldReason;
	type Agenda = Agenda;
	type StartDeadline = links::StartDeadline;
	type Bidders = links::Bidders;
	type Signer = <Signature as Verify>::Signer;
	type Signature = Signature;
	type AdminOrigin = EnsureRoot<AccountId>;
	type WeightInfo = weights::pallet_providers::WeightInfo<Self>;
}

impl pallet_escrow::Config for Runtime {
	type Currency = Balances;
	type RuntimeHoldReason = RuntimeHoldReason;
	type Registry = Providers;
	type Observer = Market;
	type AdminOrigin = EnsureRoot<AccountId>;
	type WeightInfo = weights::pallet_escrow::WeightInfo<Self>;
}

impl pallet_market::Config for Runtime {
	type Registry = Providers;
	type Streams = Escrow;
	type Agenda = Agenda;
	type Reputation = Reputation;
	type Signer = <Signature as Verify>::Signer;
	type Signature = Signature;
	type AdminOrigin = EnsureRoot<AccountId>;
	type WeightInfo = weights::pallet_market::WeightInfo<Self>;
}

impl pallet_reputation::Config for Runtime {
	type SameParty = links::SameParty;
	type RegisteredAt = links::RegisteredAt;
	type Agenda = Agenda;
	type AdminOrigin = EnsureRoot<AccountId>;
	type WeightInfo = weights::pallet_reputation::WeightInfo<Self>;
}
