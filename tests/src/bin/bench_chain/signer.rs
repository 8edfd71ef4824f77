//! Who signs.

use codec::Encode;
use leasehold_runtime::{
	AccountId, Hash, Runtime, RuntimeCall, Signature, SignedPayload, TxExtension,
	UncheckedExtrinsic, VERSION,
};
use sp_core::{sr25519, Pair};
use sp_runtime::{generic::Era, MultiAddress};

pub fn key(name: &str, n: usize) -> sr25519::Pair {
	let mut seed = [0u8; 32];
	let text = format!("bench {name} {n}");
	seed[..text.len()].copy_from_slice(text.as_bytes());
	sr25519::Pair::from_seed(&seed)
}

pub fn account(pair: &sr25519::Pair) -> AccountId {
	pair.public().into()
}

pub fn extension(nonce: u32) -> TxExtension {
	(
		frame_system::AuthorizeCall::new(),
		frame_system::CheckNonZeroSender::new(),
		frame_system::CheckSpecVersion::new(),
		frame_system::CheckTxVersion::new(),
		frame_system::CheckGenesis::new(),
		frame_system::CheckEra::from(Era::Immortal),
		frame_system::CheckNonce::from(nonce),
		frame_system::CheckWeight::new(),
		pallet_transaction_payment::ChargeTransactionPayment::<Runtime>::from(0),
		frame_metadata_hash_extension::CheckMetadataHash::new(false),
		frame_system::WeightReclaim::new(),
	)
}

/// Somebody who signs, and the nonce that comes next.
pub struct Signer {
	pub pair: sr25519::Pair,
	pub nonce: u32,
}

impl Signer {
	pub fn new(name: &str, n: usize) -> Self {
		Self {
			pair: key(name, n),
			nonce: 0,
		}
	}

	pub fn account(&self) -> AccountId {
		account(&self.pair)
	}

	pub fn sign(&mut self, call: impl Into<RuntimeCall>, genesis: Hash) -> Vec<u8> {
		let extension = extension(self.nonce);
		self.nonce += 1;
		let implicit = (
			(),
			(),
			VERSION.spec_version,
			VERSION.transaction_version,
			genesis,
			genesis,
			(),
			(),
			(),
			None,
			(),
		);
		let call = call.into();
		let payload = SignedPayload::from_raw(call.clone(), extension.clone(), implicit);
		let signature = Signature::Sr25519(payload.using_encoded(|bytes| self.pair.sign(bytes)));
		let address = MultiAddress::Id(self.account());
		UncheckedExtrinsic::new_signed(call, address, signature, extension).encode()
	}
}
