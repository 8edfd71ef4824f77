//! The standing offer: an order may be matched to it at once, at the rate of the price sheet.

use crate::{daemon::Shared, room::Use};
use leasehold_client::{view::View, Call, Resources};
use std::sync::{atomic::Ordering, Arc};

impl Shared {
	/// Brings the offer on chain in step with the sheet. It is taken back while containers cannot run or nothing is
	/// taken, for nobody looks at an order before it is matched.
	pub async fn keep_offer(
		self: &Arc<Self>,
		best: &View,
		slot_millis: u64,
		drained: Option<String>,
	) -> anyhow::Result<()> {
		let used = self.used();
		if used == Use::Unknown {
			// It stays as it is until somebody has looked.
			return Ok(());
		}
		let stands = best.offer(self.provider).await?;
		let at_once = used != Use::Idle || drained.is_some();
		let unwell = drained.or_else(|| self.unwell());
		// Not for an engine that is just being started anew, or memory that is short for a moment.
		let twice = self.was_unwell.swap(unwell.is_some(), Ordering::Relaxed);
		let wanted = match (&unwell, self.config.is_instant()) {
			(_, false) => None,
			(Some(_), true) if twice || at_once => None,
			(Some(_), true) => stands.clone(),
			(None, true) => self.pricing.offer(&self.config.resources(), slot_millis),
		};
		let word = match (&wanted, unwell) {
			(Some(_), _) => "stands".to_owned(),
			(None, Some(why)) if self.config.is_instant() => format!("taken back: {why}"),
			(None, _) => "none, by provider.toml".to_owned(),
		};
		self.note(|s| s.offer = Some(word));
		if stands != wanted {
			self.tell("offer".into(), best.number(), Call::SetOffer(wanted));
		}
		Ok(())
	}

	fn unwell(&self) -> Option<String> {
		let none = Resources::default();
		if let Some(why) = self.has_no_room(&none) {
			return Some(why);
		}
		self.config.containers.as_ref()?;
		let (no_containers, no_services) = self.cannot_run();
		no_containers.or(no_services)
	}
}
