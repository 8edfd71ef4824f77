//! The calls that daemon and command line make, typed.

use crate::{
	chain::At,
	error::ChainError,
	runtime::{self, runtime_types as types},
	AccountId32, H256,
};
use leasehold_primitives::{
	heartbeat::{self, Instance},
	Attribute, FailureCode, PriceSheet, Resources, WorkloadKind,
};
use subxt::{
	config::{ClientState, DefaultExtrinsicParamsBuilder, TransactionExtensions},
	error::ExtrinsicError,
	ext::frame_decode::extrinsics::encode_v5_general,
	tx::Payload,
	utils::{MultiSignature, Static},
};
use types::bounded_collections::bounded_vec::BoundedVec;

/// What a provider says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderRequest {
	/// URLs of the gateway.
	pub gateways: Vec<String>,
	/// Hashes of the gateway's TLS keys, at most two: see [`crate::tls::key_hash`].
	pub tls_keys: Vec<[u8; 32]>,
	/// X25519 key that manifests are sealed to.
	pub sealing_key: Option<[u8; 32]>,
	pub attributes: Vec<Attribute>,
	pub capacity: Resources,
}

/// A tenant's call for capacity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderRequest {
	/// The account whose signature the gateway honours; the tenant if `None`.
	pub access: Option<AccountId32>,
	pub manifest_hash: [u8; 32],
	pub kind: WorkloadKind,
	pub resources: Resources,
	pub attributes: Vec<Attribute>,
	/// Auditors of whom one must have attested the attributes; at most four.
	pub any_of: Vec<AccountId32>,
	/// Auditors who all must have attested them; at most four.
	pub all_of: Vec<AccountId32>,
	/// Planck per served block.
	pub max_rate: u128,
	/// Parts per billion.
	pub min_score: u32,
	/// Blocks.
	pub max_duration: u32,
	/// Blocks of notice after which the provider may take its capacity back; 0: it may not.
	pub notice: u32,
	/// Who takes it.
	pub selection: Selection,
	/// Planck.
	pub deposit: u128,
}

/// How the provider of an order is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Selection {
	/// The best bid after so many blocks.
	Bids { blocks: u32 },
	/// A standing offer, at once: its provider, and its version.
	Offer { provider: u32, version: u32 },
}

/// A call to the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
	Register {
		operator: AccountId32,
		bond: u128,
		info: ProviderRequest,
	},
	Update {
		info: ProviderRequest,
	},
	SetPaused {
		paused: bool,
	},
	Deregister,
	/// `None`: the offer is taken back.
	SetOffer(Option<PriceSheet>),
	/// Matched at once, if it names an offer.
	PlaceOrder(Box<OrderRequest>),
	CancelOrder {
		order: u64,
	},
	PlaceBid {
		order: u64,
		rate: u128,
	},
	StartLease {
		lease: u64,
	},
	CompleteLease {
		lease: u64,
		exit_code: i32,
		result_hash: [u8; 32],
	},
	FailLease {
		lease: u64,
		code: FailureCode,
	},
	PauseLease {
		lease: u64,
	},
	ResumeLease {
		lease: u64,
	},
	CloseLease {
		lease: u64,
	},
	UpdateManifest {
		lease: u64,
		manifest_hash: [u8; 32],
	},
	SubmitReceipt {
		lease: u64,
		block: u32,
		/// An sr25519 signature of the operator.
		signature: [u8; 64],
	},
	ReportMissingManifest {
		lease: u64,
	},
	Deposit {
		lease: u64,
		amount: u128,
	},
	Withdraw {
		lease: u64,
		amount: u128,
	},
	/// (planck at a time, planck in all); `None`: no longer.
	SetRefill {
		lease: u64,
		refill: Option<(u128, u128)>,
	},
	RevokeAccess {
		lease: u64,
	},
	Transfer {
		to: AccountId32,
		amount: u128,
	},
}

fn bounded(text: &str) -> BoundedVec<u8> {
	BoundedVec(text.as_bytes().to_vec())
}

fn attributes(list: &[Attribute]) -> BoundedVec<Static<Attribute>> {
	BoundedVec(list.iter().cloned().map(Static).collect())
}

fn info(request: &ProviderRequest) -> types::pallet_providers::types::ProviderInfo {
	use types::pallet_providers::types::{ProviderInfo, ProviderInfoV1};
	ProviderInfo::V1(ProviderInfoV1 {
		gateways: BoundedVec(request.gateways.iter().map(|url| bounded(url)).collect()),
		tls_keys: BoundedVec(request.tls_keys.clone()),
		sealing_key: request.sealing_key,
		attributes: attributes(&request.attributes),
		capacity: Static(request.capacity.clone()),
	})
}

pub(crate) fn order(request: &OrderRequest) -> types::pallet_market::types::Order<AccountId32> {
	use types::{
		pallet_market::types::{Asset, Attestors, Order, OrderV1, Quantity, Selection as By},
		sp_arithmetic::per_things::Perbill,
	};
	let (selection, bidding) = match request.selection {
		Selection::Bids { blocks } => (By::BestBid, blocks),
		Selection::Offer { provider, version } => (By::Offer { provider, version }, 0),
	};
	Order::V1(OrderV1 {
		access: request.access,
		manifest_hash: request.manifest_hash,
		kind: Static(request.kind),
		resources: Static(request.resources.clone()),
		attributes: attributes(&request.attributes),
		attestors: Attestors {
			all_of: BoundedVec(request.all_of.clone()),
			any_of: BoundedVec(request.any_of.clone()),
		},
		max_rate: request.max_rate,
		asset: Asset::Native,
		quantity: Quantity {
			leases: 1,
			at_least: 1,
			spread: true,
		},
		min_score: Perbill(request.min_score),
		allowed: BoundedVec(Vec::new()),
		max_duration: request.max_duration,
		notice: request.notice,
		selection,
		bidding,
		deposit: request.deposit,
	})
}

impl Call {
	/// The call's bytes for the runtime at this block; an error if the runtime has another idea of
	/// the call.
	pub fn encode(&self, at: &At) -> Result<Vec<u8>, ChainError> {
		let tx = runtime::tx();
		match self {
			Self::Register {
				operator,
				bond,
				info: i,
			} => checked(at, &tx.providers().register(*operator, *bond, info(i))),
			Self::Update { info: i } => checked(at, &tx.providers().update(info(i))),
			Self::SetPaused { paused } => checked(at, &tx.providers().set_paused(*paused)),
			Self::Deregister => checked(at, &tx.providers().deregister()),
			Self::SetOffer(sheet) => {
				let sheet = sheet.clone().map(Static);
				checked(at, &tx.providers().set_offer(sheet))
			}
			Self::PlaceOrder(request) => match request.selection {
				Selection::Bids { .. } => checked(at, &tx.market().place_order(order(request))),
				Selection::Offer { .. } => checked(at, &tx.market().lease_now(order(request))),
			},
			Self::CancelOrder { order } => checked(at, &tx.market().cancel_order(*order)),
			Self::PlaceBid { order, rate } => checked(at, &tx.market().place_bid(*order, *rate)),
			Self::StartLease { lease } => checked(at, &tx.market().start_lease(*lease)),
			Self::CompleteLease {
				lease,
				exit_code,
				result_hash,
			} => checked(
				at,
				&tx.market().complete_lease(*lease, *exit_code, *result_hash),
			),
			Self::FailLease { lease, code } => {
				checked(at, &tx.market().fail_lease(*lease, Static(*code)))
			}
			Self::PauseLease { lease } => checked(at, &tx.market().pause_lease(*lease)),
			Self::ResumeLease { lease } => checked(at, &tx.market().resume_lease(*lease)),
			Self::CloseLease { lease } => checked(at, &tx.market().close_lease(*lease)),
			Self::UpdateManifest {
				lease,
				manifest_hash,
			} => checked(at, &tx.market().update_manifest(*lease, *manifest_hash)),
			Self::SubmitReceipt {
				lease,
				block,
				signature,
			} => {
				let signature = MultiSignature::Sr25519(*signature);
				checked(at, &tx.market().submit_receipt(*lease, *block, signature))
			}
			Self::ReportMissingManifest { lease } => {
				checked(at, &tx.market().report_missing_manifest(*lease))
			}
			Self::Deposit { lease, amount } => checked(at, &tx.escrow().deposit(*lease, *amount)),
			Self::Withdraw { lease, amount } => checked(at, &tx.escrow().withdraw(*lease, *amount)),
			Self::SetRefill { lease, refill } => {
				use types::pallet_escrow::types::Refill;
				let refill = refill.map(|(amount, budget)| Refill { amount, budget });
				checked(at, &tx.escrow().set_refill(*lease, refill))
			}
			Self::RevokeAccess { lease } => checked(at, &tx.market().revoke_access(*lease)),
			Self::Transfer { to, amount } => checked(
				at,
				&tx.balances().transfer_keep_alive((*to).into(), *amount),
			),
		}
	}
}

fn checked<C: Payload>(at: &At, call: &C) -> Result<Vec<u8>, ChainError> {
	at.tx()
		.validate(call)
		.map_err(|error| ChainError::Incompatible(format!("{}: {error}", call.call_name())))?;
	Ok(at.tx().call_data(call)?)
}

/// A heartbeat, ready to be sent: an authorised call carries the operator's signature inside and
/// travels as a general transaction.
pub fn heartbeat(
	at: &At,
	genesis: H256,
	operator: &crate::Keypair,
	provider: u32,
	instance: Instance,
	last_beat: u32,
) -> Result<Vec<u8>, ChainError> {
	let payload = heartbeat::payload(&genesis.0.into(), provider, &instance, last_beat);
	let signature = MultiSignature::Sr25519(operator.sign(&payload).0);
	let call = runtime::tx()
		.providers()
		.heartbeat(provider, instance, last_beat, signature);
	checked(at, &call)?;
	Ok(general_transaction(at, &call)?)
}

fn general_transaction<C: Payload>(at: &At, call: &C) -> Result<Vec<u8>, ExtrinsicError> {
	let state = ClientState::<crate::Config> {
		genesis_hash: at
			.genesis_hash()
			.ok_or(ExtrinsicError::GenesisHashNotProvided)?,
		spec_version: at.spec_version(),
		transaction_version: at.transaction_version(),
		metadata: at.metadata(),
	};
	let params = DefaultExtrinsicParamsBuilder::<crate::Config>::new()
		.immortal()
		.nonce(0)
		.build();
	type Extensions = <crate::Config as subxt::Config>::TransactionExtensions;
	let extensions = <Extensions as TransactionExtensions<crate::Config>>::new(&state, params)?;
	let metadata = at.metadata_ref();
	Ok(encode_v5_general(
		call.pallet_name(),
		call.call_name(),
		call.call_data(),
		0,
		&extensions,
		metadata,
		metadata.types(),
	)?)
}
