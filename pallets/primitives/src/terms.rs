//! What the records of parameters have in common.

use crate::BlockNumber;
use codec::{Decode, Encode, MaxEncodedLen};
use scale_info::TypeInfo;

/// The first relation that does not hold, if there is one.
pub fn all_hold(relations: &[(bool, &'static str)]) -> Result<(), &'static str> {
	relations
		.iter()
		.find(|(holds, _)| !holds)
		.map_or(Ok(()), |(_, why)| Err(why))
}

/// A number of blocks that the terms have lowered: what began before that goes by the greater one.
#[derive(Encode, Decode, Clone, Copy, PartialEq, Eq, Debug, TypeInfo, MaxEncodedLen)]
pub struct Former {
	blocks: BlockNumber,
	lowered_at: BlockNumber,
}

impl Former {
	/// What is to be kept when the terms change from `old` to `new` blocks in block `now`.
	pub fn noted(
		former: Option<Self>,
		old: BlockNumber,
		new: BlockNumber,
		now: BlockNumber,
	) -> Option<Self> {
		// What began just before the last change may not have ended; an absence begins after a grace.
		let matters = |f: &Self| now < f.lowered_at.saturating_add(f.blocks.saturating_mul(2));
		let earlier = former.filter(matters);
		if new >= old {
			return earlier;
		}
		let blocks = earlier.map_or(old, |earlier| earlier.blocks.max(old));
		Some(Self {
			blocks,
			lowered_at: now,
		})
	}

	/// The blocks that hold for what began in block `since`.
	pub fn of(former: Option<Self>, current: BlockNumber, since: BlockNumber) -> BlockNumber {
		let before = former.filter(|former| since <= former.lowered_at);
		before.map_or(current, |former| former.blocks.max(current))
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn what_began_before_goes_by_the_greater_number() {
		let at = |former, since| Former::of(former, 300, since);
		let lowered = Former::noted(None, 1_200, 300, 50);
		assert_eq!([at(lowered, 50), at(lowered, 51)], [1_200, 300]);
		// Lowered twice, while what began under the first is under way; and after that.
		let twice = Former::noted(lowered, 300, 200, 60);
		assert_eq!([at(twice, 55), at(twice, 61)], [1_200, 300]);
		let later = Former::noted(lowered, 300, 200, 2_450);
		assert_eq!(at(later, 55), 300);
		// Raising lets go of nothing that matters.
		assert_eq!(Former::noted(lowered, 300, 400, 60), lowered);
		assert_eq!(Former::noted(lowered, 300, 400, 2_450), None);
		assert_eq!(Former::noted(None, 300, 400, 60), None);
		assert_eq!(at(None, 7), 300);
		// What is in force now is never less.
		assert_eq!(Former::of(lowered, 2_000, 50), 2_000);
	}
}
