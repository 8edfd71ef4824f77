//! What leases have brought: a journal of the daemon's own, and the chain's word beside it.
//!
//! `earnings.jsonl` in the daemon's folder has a line for each payment that is final: what the chain says was paid in
//! all, less what stands in the lines before. So nothing is counted twice, and what the daemon was not there for is in
//! the next line. A last line that was not written whole is cut off and written again.

mod report;

pub use report::Command;

use crate::daemon::Shared;
use anyhow::{bail, Context as _};
use leasehold_client::{
	story, units,
	view::{LeaseRecordNow, View},
};
use serde::{Deserialize, Serialize};
use std::{
	collections::{BTreeMap, BTreeSet},
	fs::File,
	io::{Seek as _, Write as _},
	path::{Path, PathBuf},
	sync::Mutex,
};

const FILE: &str = "earnings.jsonl";

/// A line of the journal: what has been added since the one before of the same lease.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
	pub version: u32,
	/// Unix seconds of the block.
	pub time: u64,
	/// The final block by which it was seen.
	pub block: u32,
	pub lease: u64,
	pub order: u64,
	pub tenant: String,
	#[serde(flatten)]
	pub sums: Sums,
	/// Why the lease was closed, once it is.
	#[serde(default, skip_serializing_if = "Option::is_none")]
	pub closed: Option<String>,
}

/// Amounts in planck; text in JSON, whose numbers have no room for them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sums {
	/// Paid by tenants, fees included.
	#[serde(with = "text")]
	pub gross: u128,
	/// The protocol's part of that.
	#[serde(with = "text")]
	pub fees: u128,
	/// Paid to tenants out of the bond.
	#[serde(with = "text")]
	pub compensation: u128,
	/// Blocks that were paid at the full rate.
	pub served_blocks: u64,
	/// An estimate; see `energy` in provider.toml.
	pub energy_joules: u64,
}

mod text {
	use serde::{de::Error, Deserialize, Deserializer, Serializer};

	pub fn serialize<S: Serializer>(value: &u128, to: S) -> Result<S::Ok, S::Error> {
		to.collect_str(value)
	}

	pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<u128, D::Error> {
		String::deserialize(from)?.parse().map_err(Error::custom)
	}
}

impl Sums {
	fn each(self, other: Self, of: fn(u128, u128) -> u128) -> Self {
		let small = |a: u64, b: u64| u64::try_from(of(a.into(), b.into())).unwrap_or(u64::MAX);
		Self {
			gross: of(self.gross, other.gross),
			fees: of(self.fees, other.fees),
			compensation: of(self.compensation, other.compensation),
			served_blocks: small(self.served_blocks, other.served_blocks),
			energy_joules: small(self.energy_joules, other.energy_joules),
		}
	}

	fn plus(self, other: Self) -> Self {
		self.each(other, u128::saturating_add)
	}

	/// What is more in this than in another.
	fn beyond(self, other: Self) -> Self {
		self.each(other, u128::saturating_sub)
	}

	/// Whether the chain has moved money or counted blocks.
	fn has_moved(&self) -> bool {
		(self.gross, self.fees, self.compensation, self.served_blocks) != (0, 0, 0, 0)
	}

	/// What is left, in LEASE: less than nothing, where compensation was more.
	fn net(&self) -> String {
		let (plus, minus) = (self.gross, self.fees.saturating_add(self.compensation));
		match plus.checked_sub(minus) {
			Some(net) => units::decimal(net),
			None => format!("-{}", units::decimal(minus.saturating_sub(plus))),
		}
	}
}

/// What stands in the journal of one lease.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Known {
	sums: Sums,
	closed: bool,
}

/// The journal's lines, and how many bytes of it are whole.
fn parse(text: &str) -> anyhow::Result<(Vec<Entry>, usize)> {
	let mut entries = Vec::new();
	let mut whole = 0usize;
	for (n, line) in text.split_inclusive('\n').enumerate() {
		let read = serde_json::from_str::<Entry>(line.trim_end());
		match read {
			// The daemon was killed as it wrote it.
			_ if !line.ends_with('\n') => break,
			Ok(entry) if entry.version != 1 => {
				bail!(
					"line {} is of a newer version of this program",
					n.saturating_add(1)
				)
			}
			Ok(entry) => entries.push(entry),
			Err(error) => bail!("line {}: {error}", n.saturating_add(1)),
		}
		whole = whole.saturating_add(line.len());
	}
	Ok((entries, whole))
}

fn read(folder: &Path) -> anyhow::Result<(Vec<Entry>, usize)> {
	let path = folder.join(FILE);
	let text = match std::fs::read_to_string(&path) {
		Ok(text) => text,
		Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
		Err(error) => return Err(error).with_context(|| path.display().to_string()),
	};
	parse(&text).with_context(|| path.display().to_string())
}

fn known(entries: &[Entry]) -> BTreeMap<u64, Known> {
	let mut all = BTreeMap::<u64, Known>::new();
	for entry in entries {
		let known = all.entry(entry.lease).or_default();
		known.sums = known.sums.plus(entry.sums);
		known.closed |= entry.closed.is_some();
	}
	all
}

/// The journal, as the daemon keeps it.
pub struct Earnings {
	folder: PathBuf,
	/// `None` while the file cannot be used.
	known: Mutex<Option<BTreeMap<u64, Known>>>,
}

/// What the chain says of a lease.
struct Said {
	order: u64,
	tenant: String,
	sums: Sums,
	closed: Option<String>,
}

/// What the chain says was paid for a lease in all; `None` if it is not known there, or not any more.
async fn said(view: &View, lease: u64) -> anyhow::Result<Option<Said>> {
	Ok(match view.lease(lease).await? {
		LeaseRecordNow::Open(open) => Some(Said {
			order: open.order,
			tenant: open.tenant.to_string(),
			sums: Sums {
				gross: open.paid,
				fees: open.fees,
				served_blocks: open.served_blocks.into(),
				..Default::default()
			},
			closed: None,
		}),
		LeaseRecordNow::Closed(closed) => Some(Said {
			order: closed.order,
			tenant: closed.tenant.to_string(),
			sums: Sums {
				gross: closed.paid,
				fees: closed.fees,
				compensation: closed.compensation,
				served_blocks: closed.served_blocks.into(),
				energy_joules: 0,
			},
			closed: Some(story::reason(&closed.reason)),
		}),
		LeaseRecordNow::Swept | LeaseRecordNow::Unknown => None,
	})
}

impl Earnings {
	/// The journal in a daemon's folder.
	pub fn open(folder: &Path) -> Self {
		let known =
			match read(folder) {
				Ok((entries, _)) => Some(known(&entries)),
				Err(error) => {
					tracing::error!("no earnings are written down: {error:#}; put the file aside, and start anew");
					None
				}
			};
		Self {
			folder: folder.to_owned(),
			known: Mutex::new(known),
		}
	}

	/// Writes down what has become final since the last time.
	pub async fn turn(&self, shared: &Shared, finalized: &View) {
		if let Err(error) = self.look(shared, finalized).await {
			tracing::warn!("earnings wait: {error:#}");
		}
	}

	async fn look(&self, shared: &Shared, finalized: &View) -> anyhow::Result<()> {
		let known = self.known.lock().ok().and_then(|known| known.clone());
		let Some(known) = known else { return Ok(()) };
		let is_closed = |lease: &u64| known.get(lease).is_some_and(|known| known.closed);
		let open = finalized.leases_of(shared.provider).await?;
		let open = open.iter().map(|lease| lease.id);
		// Those that were closed since.
		let rows = shared.store.leases()?;
		let rows = rows.iter().map(|row| row.lease);
		let leases: BTreeSet<u64> = open.chain(rows).chain(known.keys().copied()).collect();
		let mut time = None;
		for lease in leases.into_iter().filter(|lease| !is_closed(lease)) {
			let Some(Said {
				order,
				tenant,
				mut sums,
				closed,
			}) = said(finalized, lease).await?
			else {
				continue;
			};
			sums.energy_joules = shared.usage.total(lease).energy_microjoules / 1_000_000;
			let had = known
				.get(&lease)
				.map(|known| known.sums)
				.unwrap_or_default();
			let more = sums.beyond(had);
			if !more.has_moved() && closed.is_none() {
				continue;
			}
			let time = match time {
				Some(time) => time,
				None => *time.insert(finalized.time().await? / 1_000),
			};
			self.write(Entry {
				version: 1,
				time,
				block: finalized.number(),
				lease,
				order,
				tenant,
				sums: more,
				closed,
			})?;
		}
		Ok(())
	}

	/// Adds a line, whole and for good.
	fn write(&self, entry: Entry) -> anyhow::Result<()> {
		let Ok(mut known) = self.known.lock() else {
			bail!("the journal is locked");
		};
		let path = self.folder.join(FILE);
		let context = || path.display().to_string();
		let (_, whole) = read(&self.folder)?;
		let mut file = File::options()
			.create(true)
			.truncate(false)
			.write(true)
			.open(&path)
			.with_context(context)?;
		let whole = u64::try_from(whole)?;
		file.set_len(whole).with_context(context)?;
		file.seek(std::io::SeekFrom::End(0)).with_context(context)?;
		let mut line = serde_json::to_vec(&entry)?;
		line.push(b'\n');
		file.write_all(&line)
			.and_then(|()| file.sync_all())
			.with_context(context)?;
		if let Some(all) = known.as_mut() {
			let known = all.entry(entry.lease).or_default();
			known.sums = known.sums.plus(entry.sums);
			known.closed |= entry.closed.is_some();
		}
		Ok(())
	}
}

#[cfg(test)]
pub(super) mod tests {
	use super::*;

	/// A payment of 2026-02-10 and some days.
	pub fn entry(days: u64, lease: u64, gross: u128, closed: Option<&str>) -> Entry {
		Entry {
			version: 1,
			time: 1_770_681_600 + days * 86_400,
			block: 100 + u32::try_from(days).unwrap(),
			lease,
			order: lease + 1,
			tenant: "5x".into(),
			sums: Sums {
				gross,
				fees: gross / 50,
				compensation: 0,
				served_blocks: 10,
				energy_joules: 36,
			},
			closed: closed.map(str::to_owned),
		}
	}

	fn lines(entries: &[Entry]) -> String {
		let lines = entries
			.iter()
			.map(|one| serde_json::to_string(one).unwrap() + "\n");
		lines.collect()
	}

	#[test]
	fn what_is_written_reads_back_and_a_torn_line_is_written_again() {
		let folder = tempfile::tempdir().unwrap();
		let large = u128::MAX / 2;
		let all = [entry(0, 1, large, None), entry(1, 2, 500, Some("done"))];
		let journal = Earnings::open(folder.path());
		for one in &all {
			journal.write(one.clone()).unwrap();
		}
		assert_eq!(read(folder.path()).unwrap().0, all);
		let path = folder.path().join(FILE);
		let whole = std::fs::read_to_string(&path).unwrap();
		for cut in 1..lines(&all[1..]).len() {
			std::fs::write(&path, &whole[..whole.len() - cut]).unwrap();
			let journal = Earnings::open(folder.path());
			let known = journal.known.lock().unwrap().clone().unwrap();
			assert_eq!(known.len(), 1, "{cut}");
			journal.write(all[1].clone()).unwrap();
			assert_eq!(std::fs::read_to_string(&path).unwrap(), whole, "{cut}");
		}
	}

	#[test]
	fn a_damaged_journal_is_neither_read_nor_written() {
		let folder = tempfile::tempdir().unwrap();
		let path = folder.path().join(FILE);
		let (good, newer) = (
			entry(0, 1, 5, None),
			Entry {
				version: 2,
				..entry(0, 1, 5, None)
			},
		);
		for text in [
			format!("rubbish\n{}", lines(std::slice::from_ref(&good))),
			lines(&[newer, good.clone()]),
			lines(std::slice::from_ref(&good)).replace("\"5\"", "\"-5\""),
		] {
			std::fs::write(&path, &text).unwrap();
			let error = format!("{:#}", read(folder.path()).unwrap_err());
			assert!(error.contains("line 1"), "{error}");
			let journal = Earnings::open(folder.path());
			assert!(journal.known.lock().unwrap().is_none());
			assert!(journal.write(good.clone()).is_err());
			assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
		}
	}

	#[test]
	fn compensation_may_be_more_than_what_was_earned() {
		let mut sums = entry(0, 1, 50 * units::LEASE, None).sums;
		assert_eq!(sums.net(), "49");
		sums.compensation = 60 * units::LEASE;
		assert_eq!(sums.net(), "-11");
		assert_eq!(sums.plus(sums).beyond(sums), sums);
		assert_eq!(sums.beyond(sums.plus(sums)), Sums::default());
	}
}
