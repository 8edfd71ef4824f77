//! What the records of parameters have in common.

/// The first relation that does not hold, if there is one.
pub fn all_hold(relations: &[(bool, &'static str)]) -> Result<(), &'static str> {
	relations
		.iter()
		.find(|(holds, _)| !holds)
		.map_or(Ok(()), |(_, why)| Err(why))
}
