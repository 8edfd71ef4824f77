//! What a gateway signs when it has been handed a manifest.

use crate::{BlockNumber, LeaseId, ManifestHash};
use codec::Encode;
use sp_core::H256;

/// The bytes that the operator signs for a receipt: a fixed prefix, then SCALE of
/// (genesis hash, lease, manifest hash, block in which it was handed in).
pub fn payload(
	genesis: &H256,
	lease: LeaseId,
	manifest_hash: &ManifestHash,
	block: BlockNumber,
) -> alloc::vec::Vec<u8> {
	(
		*b"leasehold receipt v1",
		genesis,
		lease,
		manifest_hash,
		block,
	)
		.encode()
}
