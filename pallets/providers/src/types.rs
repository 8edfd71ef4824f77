//! What the registry stores.

use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use frame_support::{traits::ConstU32, weights::Weight, BoundedVec};
use leasehold_primitives::{
	heartbeat::Instance, terms, Attributes, Balance, BlockNumber, ProviderId, Resources,
};
use scale_info::TypeInfo;

/// One LEASE in planck.
const LEASE: Balance = 1_000_000_000_000;

/// The parameters of this pallet, by version.
#[derive(
	Encode, Decode, DecodeWithMemTracking, Clone, PartialEq, Eq, Debug, TypeInfo, MaxEncodedLen,
)]
pub enum Terms {
	V1(TermsV1),
}

impl Default for Terms {
	fn default() -> Self {
		Self::V1(TermsV1::default())
	}
}

/// The parameters of this pallet.
#[derive(
	Encode,
	Decode,
	DecodeWithMemTracking,
	Clone,
	PartialEq,
	Eq,
	Debug,
	TypeInfo,
	MaxEncodedLen,
	serde::Serialize,
	serde::Deserialize,
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TermsV1 {
	/// Least bond, planck.
	pub min_bond: Balance,
	/// Blocks between the owner's wish to leave and the return of the bond.
	pub unbonding_period: BlockNumber,
	/// Blocks between two heartbeats, at least.
	pub heartbeat_period: BlockNumber,
	/// Blocks after a heartbeat during which the provider still counts as on duty.
	pub heartbeat_grace: BlockNumber,
	/// Blocks for which a provider may serve nothing, or keep a lease paused, before the lease ends
	/// as `Offline`.
	pub max_downtime: BlockNumber,
	/// Blocks for which a workload may be down before its provider must pause the lease. Read by the
	/// daemon; the chain cannot see workloads.
	pub pause_after: BlockNumber,
	/// Held of an auditor for a statement, planck.
	pub attestation_deposit: Balance,
	/// Longest life of a statement, blocks.
	pub max_attestation: BlockNumber,
}

impl Default for TermsV1 {
	fn default() -> Self {
		Self {
			min_bond: 100 * LEASE,
			// A week of 3 s blocks.
			unbonding_period: 201_600,
			heartbeat_period: 20,
			heartbeat_grace: 30,
			// An hour.
			max_downtime: 1_200,
			pause_after: 20,
			attestation_deposit: LEASE,
			// A year.
			max_attestation: 10_512_000,
		}
	}
}

impl TermsV1 {
	/// The relations that must hold between the parameters.
	pub fn check(&self) -> Result<(), &'static str> {
		let twice = self
			.heartbeat_period
			.checked_mul(2)
			.ok_or("heartbeat_period is too long")?;
		let relations = [
			(self.min_bond > 0, "min_bond must not be 0"),
			(self.unbonding_period > 0, "unbonding_period must not be 0"),
			(self.heartbeat_period > 0, "heartbeat_period must not be 0"),
			(
				self.heartbeat_period < self.heartbeat_grace,
				"heartbeat_grace must be longer than heartbeat_period",
			),
			(
				self.heartbeat_grace <= twice,
				"heartbeat_grace must be at most twice heartbeat_period",
			),
			(
				twice < self.max_downtime,
				"max_downtime must be longer than twice heartbeat_period",
			),
			(self.pause_after > 0, "pause_after must not be 0"),
			(
				self.attestation_deposit > 0,
				"attestation_deposit must not be 0",
			),
			(self.max_attestation > 0, "max_attestation must not be 0"),
		];
		terms::all_hold(&relations)
	}
}

/// What a provider says about itself, by version.
#[derive(
	Encode, Decode, DecodeWithMemTracking, Clone, PartialEq, Eq, Debug, TypeInfo, MaxEncodedLen,
)]
pub enum ProviderInfo {
	V1(ProviderInfoV1),
}

/// A URL, at most 128 bytes of printable ASCII.
pub type Url = BoundedVec<u8, ConstU32<128>>;

/// What a provider says about itself.
#[derive(
	Encode, Decode, DecodeWithMemTracking, Clone, PartialEq, Eq, Debug, TypeInfo, MaxEncodedLen,
)]
pub struct ProviderInfoV1 {
	/// Where the gateway is reached; at least one.
	pub gateways: BoundedVec<Url, ConstU32<4>>,
	/// Hashes of the gateway's TLS keys; two during a rotation.
	pub tls_keys: BoundedVec<[u8; 32], ConstU32<2>>,
	/// X25519 key that manifests are sealed to.
	pub sealing_key: Option<[u8; 32]>,
	pub attributes: Attributes,
	/// All that the provider offers.
	pub capacity: Resources,
}

impl ProviderInfo {
	pub(crate) fn v1(&self) -> &ProviderInfoV1 {
		let Self::V1(info) = self;
		info
	}

	pub(crate) fn is_valid(&self) -> bool {
		let info = self.v1();
		let readable = |url: &Url| !url.is_empty() && url.iter().all(u8::is_ascii_graphic);
		!info.gateways.is_empty() && info.gateways.iter().all(readable) && info.capacity.is_sound()
	}
}

/// Whether a provider takes new leases.
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
pub enum Status {
	/// It does.
	Active,
	/// It does not, by its own wish.
	Paused,
	/// It leaves.
	Unbonding {
		/// The bond is free in this block at the earliest.
		until: BlockNumber,
		/// Block of the agenda entry that returns the bond.
		due: BlockNumber,
	},
}

/// A provider's record.
#[derive(Encode, Decode, Clone, PartialEq, Eq, Debug, TypeInfo, MaxEncodedLen)]
pub struct ProviderRecord<AccountId> {
	pub owner: AccountId,
	pub operator: AccountId,
	pub status: Status,
	/// On hold on the owner's account, planck.
	#[codec(compact)]
	pub bond: Balance,
	/// Reserved of the bond by open leases, planck.
	#[codec(compact)]
	pub slices: Balance,
	/// Open leases.
	#[codec(compact)]
	pub leases: u32,
	/// Capacity that open leases have taken.
	pub reserved: Resources,
	/// Price sheets so far; the last one's number.
	#[codec(compact)]
	pub offer_version: u32,
	#[codec(compact)]
	pub registered_at: BlockNumber,
}

/// Who operated a provider before.
#[derive(Encode, Decode, Clone, PartialEq, Eq, Debug, TypeInfo, MaxEncodedLen)]
pub struct FormerOperator<AccountId> {
	pub who: AccountId,
	/// The last block in which it did.
	#[codec(compact)]
	pub until: BlockNumber,
}

/// Former operators of a provider, oldest first.
pub type Former<AccountId> = BoundedVec<FormerOperator<AccountId>, ConstU32<4>>;

/// [`ProviderRecord`] in a runtime.
pub type ProviderRecordOf<T> = ProviderRecord<<T as frame_system::Config>::AccountId>;

/// Tenants that a provider serves.
pub type Tenants<AccountId> = BoundedVec<AccountId, ConstU32<32>>;

/// What an auditor says about a provider.
#[derive(Encode, Decode, Clone, PartialEq, Eq, Debug, TypeInfo, MaxEncodedLen)]
pub struct AttestationRecord<AccountId> {
	pub auditor: AccountId,
	#[codec(compact)]
	pub provider: ProviderId,
	/// What the auditor vouches for, key by key.
	pub attributes: Attributes,
	/// The last block in which it counts.
	#[codec(compact)]
	pub expires: BlockNumber,
	/// On hold on the auditor's account, planck.
	#[codec(compact)]
	pub deposit: Balance,
	/// Block of its agenda entry.
	#[codec(compact)]
	pub due: BlockNumber,
}

/// [`AttestationRecord`] in a runtime.
pub type AttestationRecordOf<T> = AttestationRecord<<T as frame_system::Config>::AccountId>;

/// A provider's heartbeats.
#[derive(
	Encode,
	Decode,
	DecodeWithMemTracking,
	Clone,
	PartialEq,
	Eq,
	Debug,
	Default,
	TypeInfo,
	MaxEncodedLen,
)]
pub struct Heartbeat {
	/// Blocks served when it last beat.
	pub counter: BlockNumber,
	/// Block in which it last beat.
	pub last_beat: BlockNumber,
	/// The grace in force when it last beat, blocks.
	pub grace: BlockNumber,
	/// The daemon that last signed a heartbeat.
	pub instance: Instance,
}

impl Heartbeat {
	/// The block from which on nothing more is served.
	pub(crate) fn on_duty_until(&self) -> BlockNumber {
		self.last_beat.saturating_add(self.grace)
	}

	/// Blocks served up to block `now`.
	pub fn served(&self, now: BlockNumber) -> BlockNumber {
		leasehold_primitives::math::served(self.counter, self.last_beat, self.grace, now)
	}
}

/// Weights of the calls of this pallet.
pub trait WeightInfo {
	fn register() -> Weight;
	fn rotate_operator() -> Weight;
	fn update() -> Weight;
	fn set_paused() -> Weight;
	fn raise_bond() -> Weight;
	fn deregister() -> Weight;
	fn heartbeat() -> Weight;
	fn authorize_heartbeat() -> Weight;
	fn set_offer() -> Weight;
	fn set_served() -> Weight;
	fn attest() -> Weight;
	fn revoke_attestation() -> Weight;
	fn set_terms() -> Weight;
	fn to_v2() -> Weight;
	fn visit() -> Weight;
	fn visit_attestation() -> Weight;
}

/// The account id of a runtime, for brevity.
pub(crate) type AccountIdOf<T> = <T as frame_system::Config>::AccountId;
