//! When the chain's silence about a lease may be believed.
//!
//! A lease that is not among the open ones is closed only if a trustworthy node *says* so. Until
//! then what runs is kept, nothing is started, and `status` says why.

use leasehold_client::{Heads, H256};
use std::time::{Duration, Instant};

/// Finality further behind than this is not recent, blocks.
pub const MAX_LAG: u32 = 100;

/// Why the node is not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Distrust {
	#[error("the node cannot be reached: {0}")]
	Unreachable(String),
	#[error("the node serves another chain ({found:?}) than this folder belongs to ({stored:?})")]
	ForeignChain { stored: H256, found: H256 },
	#[error(
		"the node's last finalized block is {finalized}, but {highest} was seen before: it has \
		 lost blocks or is another node that still catches up"
	)]
	Behind { finalized: u32, highest: u32 },
	#[error("the node is still catching up")]
	Syncing,
	#[error("finality is {0} blocks behind the best block")]
	Stalled(u32),
	#[error("the node has had no new block for {0} s: it has lost its peers, or the chain stands")]
	Stands(u64),
}

/// Without a new block for longer a node is not believed.
const STANDS: Duration = Duration::from_secs(300);

/// When a node last had a new block, by a clock that nobody sets.
pub struct Moves {
	best: u32,
	since: Instant,
}

impl Moves {
	pub fn begin(now: Instant) -> Self {
		Self {
			best: 0,
			since: now,
		}
	}

	/// Meets the node's best block.
	pub fn meet(&mut self, best: u32, now: Instant) -> Result<(), Distrust> {
		if best != self.best {
			*self = Self { best, since: now };
		}
		match now.duration_since(self.since) {
			still if still > STANDS => Err(Distrust::Stands(still.as_secs())),
			_ => Ok(()),
		}
	}
}

/// Whether a node in this state may be believed.
pub fn judge(
	stored: H256,
	genesis: H256,
	highest_finalized: u32,
	heads: &Heads,
) -> Result<(), Distrust> {
	if stored != genesis {
		return Err(Distrust::ForeignChain {
			stored,
			found: genesis,
		});
	}
	let finalized = heads.finalized.0;
	if finalized < highest_finalized {
		return Err(Distrust::Behind {
			finalized,
			highest: highest_finalized,
		});
	}
	if heads.syncing {
		return Err(Distrust::Syncing);
	}
	let lag = heads.best.0.saturating_sub(finalized);
	if lag > MAX_LAG {
		return Err(Distrust::Stalled(lag));
	}
	Ok(())
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn a_node_without_new_blocks_is_not_believed_until_there_is_one() {
		let begin = Instant::now();
		let at = |seconds| begin + Duration::from_secs(seconds);
		let mut moves = Moves::begin(begin);
		assert_eq!(moves.meet(7, at(1)), Ok(()));
		assert_eq!(moves.meet(7, at(301)), Ok(()));
		assert_eq!(moves.meet(7, at(302)), Err(Distrust::Stands(301)));
		// Also one before the last, after a fork.
		assert_eq!(moves.meet(6, at(303)), Ok(()));
	}

	#[test]
	fn only_a_healthy_node_of_the_right_chain_is_believed() {
		let (ours, other) = (H256([1; 32]), H256([2; 32]));
		let heads = |best, finalized, syncing| Heads {
			best: (best, ours),
			finalized: (finalized, ours),
			syncing,
		};
		assert_eq!(judge(ours, ours, 10, &heads(12, 10, false)), Ok(()));
		let foreign = Distrust::ForeignChain {
			stored: ours,
			found: other,
		};
		assert_eq!(judge(ours, other, 10, &heads(12, 10, false)), Err(foreign));
		let behind = Distrust::Behind {
			finalized: 0,
			highest: 10,
		};
		assert_eq!(judge(ours, ours, 10, &heads(1, 0, false)), Err(behind));
		assert_eq!(
			judge(ours, ours, 10, &heads(12, 10, true)),
			Err(Distrust::Syncing)
		);
		assert_eq!(
			judge(ours, ours, 10, &heads(111, 10, false)),
			Err(Distrust::Stalled(101))
		);
	}
}
