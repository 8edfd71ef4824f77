//! Heartbeats: reporting for duty while there are leases or an offer, once a period. Who is not on duty does nothing
//! else, either: another daemon with the same key runs the leases.

use crate::{daemon::Shared, store::write_whole};
use leasehold_client::{call, primitives::math, view::View, Connection};
use std::{os::unix::fs::MetadataExt as _, path::Path, sync::Arc};

/// Blocks after which an unincluded heartbeat is sent again.
const RESEND: u32 = 2;
/// File with the instances that last sent heartbeats from a folder.
const INSTANCE: &str = "INSTANCE";
/// How many of them, beside the newest.
const REMEMBERED: usize = 3;

/// What this life of the daemon knows of its heartbeats.
pub struct Duty {
	instance: [u8; 16],
	/// The daemons that had this folder before: they are dead, for the folder is locked.
	former: Vec<[u8; 16]>,
	/// The block of the last heartbeat of this life that was seen counted.
	counted: Option<u32>,
	/// (stored last beat, block in which it was sent)
	sent: Option<(u32, u32)>,
	/// Why no heartbeats are sent any more.
	ended: Option<&'static str>,
}

/// Where a folder is. A copied one is told by where it stands, and by the machine, which says which start of its own
/// this is: after another, the former daemon's turn is waited for.
fn place(folder: &Path) -> std::io::Result<String> {
	let place = std::fs::metadata(folder)?;
	let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
	let (boot, device, inode) = (boot.trim(), place.dev(), place.ino());
	Ok(format!("1 {boot} {device}:{inode}"))
}

/// The instances that last sent heartbeats from this very folder, the newest last.
fn former(folder: &Path) -> Vec<[u8; 16]> {
	let text = std::fs::read_to_string(folder.join(INSTANCE)).unwrap_or_default();
	let place = place(folder).map(|place| place + " ").ok();
	let theirs = place.and_then(|place| text.strip_prefix(&place));
	let words = theirs.unwrap_or_default().split_whitespace();
	let decoded = words.filter_map(|word| hex::decode(word).ok()?.try_into().ok());
	decoded.collect()
}

/// Writes an instance down beside those before it: its first heartbeat may never be counted.
fn note(folder: &Path, before: &[[u8; 16]], instance: [u8; 16]) -> std::io::Result<()> {
	let from = before.len().saturating_sub(REMEMBERED);
	let all = before.iter().skip(from).chain([&instance]);
	let mut text = place(folder)?;
	for one in all {
		text.push(' ');
		text.push_str(&hex::encode(one));
	}
	write_whole(&folder.join(INSTANCE), text.as_bytes())
}

impl Duty {
	/// A new life with an id of its own.
	pub fn new(folder: &Path) -> Self {
		let mut instance = [0u8; 16];
		let random = getrandom::fill(&mut instance);
		Self {
			instance,
			former: former(folder),
			counted: None,
			sent: None,
			ended: random.is_err().then_some("there are no random numbers"),
		}
	}

	/// Sends a heartbeat if it is `needed` and one is due; why this daemon is not on duty, if it is not.
	pub async fn turn(
		&mut self,
		shared: &Arc<Shared>,
		connection: &Connection,
		best: &View,
		needed: bool,
	) -> anyhow::Result<Option<String>> {
		let Some(stored) = best.heartbeat(shared.provider).await? else {
			return Ok(None);
		};
		let ours = stored.instance == self.instance;
		if ours {
			self.counted = Some(stored.last_beat);
		}
		// One before it may come back, if a block is undone.
		let overtaken = self.counted.is_some_and(|ours| stored.last_beat > ours);
		if overtaken && !ours && self.ended.is_none() {
			let why = "another daemon with the same key sends heartbeats; this one has stopped";
			tracing::error!("{why}");
			self.ended = Some(why);
		}
		if let Some(why) = self.ended {
			return Ok(Some(why.into()));
		}
		let never = stored.instance == [0; 16];
		let theirs = !ours && !never && !self.former.contains(&stored.instance);
		if !needed && !theirs {
			return Ok(None);
		}
		// Another life's beat may still be followed by its next: it must have missed its turn.
		let (terms, now) = (best.terms().await?, best.number());
		let margin = terms.heartbeat_grace.saturating_sub(terms.heartbeat_period) / 2;
		let wait = if ours || never { 0 } else { margin };
		let period = math::beat_period(terms.heartbeat_period, stored.grace);
		let due = stored.last_beat.saturating_add(period).saturating_add(wait);
		let early = now.saturating_add(1) < due;
		let waits = match (theirs, early) {
			(true, true) => Some(format!(
				"another daemon with the same key was on duty in block {}",
				stored.last_beat
			)),
			// Others may want to, too.
			(true, false) if needed => {
				Some("taking over from another daemon with the same key".into())
			}
			_ => None,
		};
		if !needed || early {
			return Ok(waits);
		}
		let fresh = self
			.sent
			.is_some_and(|(beat, at)| beat == stored.last_beat && now < at.saturating_add(RESEND));
		if fresh {
			return Ok(waits);
		}
		if self.sent.is_none() {
			note(shared.store.folder(), &self.former, self.instance)?;
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
		Ok(waits)
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn a_copied_folder_has_no_former_daemon() {
		let (here, copy) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
		let folder = here.path();
		assert!(former(folder).is_empty());
		note(folder, &[], [1; 16]).unwrap();
		for n in 2..=9 {
			note(folder, &former(folder), [n; 16]).unwrap();
		}
		let last = [[6; 16], [7; 16], [8; 16], [9; 16]];
		assert_eq!(former(folder), last);
		let text = std::fs::read_to_string(folder.join(INSTANCE)).unwrap();
		std::fs::write(copy.path().join(INSTANCE), &text).unwrap();
		assert!(former(copy.path()).is_empty());
		// Another start of the machine, another place of the folder, or rubbish.
		let words: Vec<&str> = text.split(' ').collect();
		for wrong in [
			["1", "another", words[2], words[3]].join(" "),
			["1", words[1], "1:2", words[3]].join(" "),
			"1 2 rubbish".to_owned(),
		] {
			std::fs::write(folder.join(INSTANCE), wrong).unwrap();
			assert!(former(folder).is_empty());
		}
	}
}
