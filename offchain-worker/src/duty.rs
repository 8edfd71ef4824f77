//! Heartbeats: reporting for duty while there are leases, once a period.

use crate::daemon::Shared;
use leasehold_client::{call, primitives::math, view::View, Connection};
use std::sync::Arc;

/// Blocks after which an unincluded heartbeat is sent again.
const RESEND: u32 = 2;

/// What this life of the daemon knows of its heartbeats.
pub struct Duty {
	instance: [u8; 16],
	/// Whether a heartbeat of this life has been counted.
	counted: bool,
	/// (stored last beat, block in which it was sent)
	sent: Option<(u32, u32)>,
	ended: bool,
}

impl Duty {
	/// A new life with an id of its own.
	pub fn new() -> Self {
		let mut instance = [0u8; 16];
		let ended = getrandom::fill(&mut instance).is_err();
		Self {
			instance,
			counted: false,
			sent: None,
			ended,
		}
	}

	/// Sends a heartbeat if one is due.
	pub async fn turn(
		&mut self,
		shared: &Arc<Shared>,
		connection: &Connection,
		best: &View,
		has_leases: bool,
	) -> anyhow::Result<()> {
		let Some(stored) = best.heartbeat(shared.provider).await? else {
			return Ok(());
		};
		let ours = stored.instance == self.instance;
		if ours && !self.counted {
			self.counted = true;
		}
		if self.counted && !ours && !self.ended {
			self.ended = true;
			let why = "another daemon with the same key sends heartbeats; this one has stopped";
			tracing::error!("{why}");
			shared.note(|s| s.duty = Some(why.into()));
		}
		if self.ended || !has_leases {
			return Ok(());
		}
		let terms = best.terms().await?;
		let now = best.number();
		// Another life's beat may still be followed by its next: it must have missed its turn.
		let never = stored.instance == [0; 16];
		let margin = terms.heartbeat_grace.saturating_sub(terms.heartbeat_period) / 2;
		let wait = if ours || never { 0 } else { margin };
		let period = math::beat_period(terms.heartbeat_period, stored.grace);
		let due = stored.last_beat.saturating_add(period).saturating_add(wait);
		if now.saturating_add(1) < due {
			return Ok(());
		}
		let fresh = self
			.sent
			.is_some_and(|(beat, at)| beat == stored.last_beat && now < at.saturating_add(RESEND));
		if fresh {
			return Ok(());
		}
		let bytes = call::heartbeat(
			&best.at,
			shared.genesis,
			&shared.pair,
			shared.provider,
			self.instance,
			stored.last_beat,
		)?;
		match connection.rpc.author_submit_extrinsic(&bytes).await {
			Ok(_) => {
				tracing::debug!(block = now, "heartbeat sent");
				self.sent = Some((stored.last_beat, now));
				shared.note(|s| s.heartbeats = s.heartbeats.saturating_add(1));
			}
			Err(error) => tracing::debug!(%error, "heartbeat not taken"),
		}
		Ok(())
	}
}
