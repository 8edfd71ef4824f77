//! What an operator signs to say that its daemon is on duty.

use crate::{BlockNumber, ProviderId};
use codec::Encode;
use sp_core::H256;

/// Id of a daemon's life, drawn anew at each start, so that two daemons with one key notice.
pub type Instance = [u8; 16];

/// The bytes that the operator signs for a heartbeat: a fixed prefix, then SCALE of
/// (genesis hash, provider, instance, the `last_beat` stored on chain).
pub fn payload(
	genesis: &H256,
	provider: ProviderId,
	instance: &Instance,
	last_beat: BlockNumber,
) -> alloc::vec::Vec<u8> {
	(
		*b"leasehold heartbeat v1",
		genesis,
		provider,
		instance,
		last_beat,
	)
		.encode()
}
