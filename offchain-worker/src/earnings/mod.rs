//! What leases have brought: a journal of the daemon's own, and the chain's word beside it.
//!
//! `earnings.jsonl` in the daemon's folder has a line for each payment that is final: what the chain says was paid in
//! all, less what stands in the lines before. So nothing is counted twice, and what the daemon was not there for is in
//! the next line, as long as the chain keeps the lease's record: that is swept a day after the close. A last line that
//! was not written whole is cut off and written again.

mod report;

pub use report::Command;

use crate::daemon::Shared;
use anyhow::{bail, Context as _};
use leasehold_client::{
	story, units,
	view::{Closed, LeaseRecordNow, OpenLease, View},
	ChainError,
};
use serde::{Deserialize, Serialize};
use std::{
	collections::{BTreeMap, BTreeSet},
	fs::File,
	io::{Seek as _, SeekFrom, Write as _},
	path::{Path, PathBuf},
	sync::Arc,
	time::Duration,
};

const FILE: &str = "earnings.jsonl";
/// What stands for the reason of a close that nobody was there to see.
const UNSEEN: &str =
	"its record was swept while this daemon was away: what was paid at last is not known";
/// Until the chain has been looked at for the first time.
const SOON: Duration = Duration::from_secs(1);

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
	/// Its end was not seen: it was swept before.
	unseen: bool,
}

impl Known {
	fn add(&mut self, entry: &Entry) {
		self.sums = self.sums.plus(entry.sums);
		self.closed |= entry.closed.is_some();
		self.unseen |= entry.closed.as_deref() == Some(UNSEEN);
	}
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
		all.entry(entry.lease).or_default().add(entry);
	}
	all
}

/// What the chain says of a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Said {
	lease: u64,
	order: u64,
	tenant: String,
	sums: Sums,
	closed: Option<String>,
}

impl From<&OpenLease> for Said {
	fn from(open: &OpenLease) -> Self {
		Self {
			lease: open.id,
			order: open.order,
			tenant: open.tenant.to_string(),
			sums: Sums {
				gross: open.paid,
				fees: open.fees,
				served_blocks: open.served_blocks.into(),
				..Default::default()
			},
			closed: None,
		}
	}
}

impl From<&Closed> for Said {
	fn from(closed: &Closed) -> Self {
		Self {
			lease: closed.id,
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
		}
	}
}

/// What has become of a lease that was a provider's.
enum Found {
	Said(Said),
	/// It was closed, and its record is not on chain any more.
	Swept,
	/// Another's, or none that there is.
	NotOurs,
}

async fn find(view: &View, provider: u32, lease: u64) -> Result<Found, ChainError> {
	Ok(match view.lease(lease).await? {
		LeaseRecordNow::Open(open) if open.provider == provider => Found::Said((&*open).into()),
		LeaseRecordNow::Closed(closed) if closed.provider == provider => {
			Found::Said((&closed).into())
		}
		LeaseRecordNow::Swept => Found::Swept,
		_ => Found::NotOurs,
	})
}

/// All of a provider's leases that the chain still knows: those that are open, and those that were closed of late.
async fn all_said(view: &View, provider: u32) -> Result<Vec<Said>, ChainError> {
	let open = view.leases_of(provider).await?;
	let closed = view.closed_leases().await?;
	let closed = closed.iter().filter(|closed| closed.provider == provider);
	Ok(open
		.iter()
		.map(Said::from)
		.chain(closed.map(Said::from))
		.collect())
}

/// What is to be written down of a lease, if anything is.
fn entry(said: Said, had: &Known, energy_joules: u64, (time, block): (u64, u32)) -> Option<Entry> {
	let more = Sums {
		energy_joules,
		..said.sums.beyond(had.sums)
	};
	let news = more.has_moved() || said.closed.is_some();
	(news && !had.closed).then_some(Entry {
		version: 1,
		time,
		block,
		lease: said.lease,
		order: said.order,
		tenant: said.tenant,
		sums: more,
		closed: said.closed,
	})
}

/// The journal, as the daemon keeps it.
struct Journal {
	path: PathBuf,
	known: BTreeMap<u64, Known>,
	/// Bytes of the file that are whole; what stands behind them is written over.
	whole: u64,
	/// Joules of each lease that are written down, or were used before this life of the daemon.
	energy: BTreeMap<u64, u64>,
}

impl Journal {
	fn open(folder: &Path) -> anyhow::Result<Self> {
		let (entries, whole) = read(folder)?;
		Ok(Self {
			path: folder.join(FILE),
			known: known(&entries),
			whole: u64::try_from(whole)?,
			energy: BTreeMap::new(),
		})
	}

	/// Adds lines, for good, all or none.
	fn write(&mut self, entries: &[Entry]) -> anyhow::Result<()> {
		let mut lines = Vec::new();
		for entry in entries {
			serde_json::to_writer(&mut lines, entry)?;
			lines.push(b'\n');
		}
		let write = || -> std::io::Result<()> {
			let mut file = File::options();
			let mut file = file
				.create(true)
				.truncate(false)
				.write(true)
				.open(&self.path)?;
			file.set_len(self.whole)?;
			file.seek(SeekFrom::End(0))?;
			file.write_all(&lines)?;
			file.sync_all()
		};
		write().with_context(|| self.path.display().to_string())?;
		self.whole = self.whole.saturating_add(u64::try_from(lines.len())?);
		for entry in entries {
			self.known.entry(entry.lease).or_default().add(entry);
		}
		Ok(())
	}

	/// Joules of a lease since the last line, of so many in all.
	fn more_energy(&mut self, lease: u64, all: u64) -> u64 {
		let known = self
			.known
			.get(&lease)
			.map_or(0, |known| known.sums.energy_joules);
		// What was used may have been forgotten since: then it begins anew.
		let seen = self.energy.entry(lease).or_insert(known.min(all));
		let more = all.saturating_sub(*seen);
		*seen = all;
		more
	}

	/// One look at what is final. `every`: also at leases that this daemon may never have met.
	async fn look(&mut self, shared: &Shared, finalized: &View, every: bool) -> anyhow::Result<()> {
		let provider = shared.provider;
		let mut all: BTreeMap<u64, Said> = match every {
			true => all_said(finalized, provider).await?,
			false => {
				let open = finalized.leases_of(provider).await?;
				open.iter().map(Said::from).collect()
			}
		}
		.into_iter()
		.map(|said| (said.lease, said))
		.collect();
		let rows = shared.store.leases()?;
		let rows = rows.iter().map(|row| row.lease);
		let ours: BTreeSet<u64> = rows.chain(self.known.keys().copied()).collect();
		let at = (finalized.time().await? / 1_000, finalized.number());
		let mut entries = Vec::new();
		for lease in ours {
			let closed = self.known.get(&lease).is_some_and(|known| known.closed);
			if closed || all.contains_key(&lease) {
				continue;
			}
			match find(finalized, provider, lease).await? {
				Found::Said(said) => drop(all.insert(lease, said)),
				Found::Swept if self.known.contains_key(&lease) => entries.push(Entry {
					version: 1,
					time: at.0,
					block: at.1,
					lease,
					order: 0,
					tenant: String::new(),
					sums: Sums::default(),
					closed: Some(UNSEEN.to_owned()),
				}),
				Found::Swept | Found::NotOurs => {}
			}
		}
		for (lease, said) in all {
			let had = self.known.get(&lease).cloned().unwrap_or_default();
			let news = said.sums.beyond(had.sums).has_moved() || said.closed.is_some();
			if had.closed || !news {
				continue;
			}
			let joules = shared.usage.total(lease).energy_microjoules / 1_000_000;
			let energy = self.more_energy(lease, joules);
			entries.extend(entry(said, &had, energy, at));
		}
		match entries.is_empty() {
			true => Ok(()),
			false => self.write(&entries),
		}
	}
}

/// How often it is looked what has become final, and in how many looks also at what this daemon may not have met.
const LOOK: Duration = Duration::from_secs(20);
const EVERY: u32 = 90;

/// Keeps the journal.
pub async fn keep(shared: Arc<Shared>) {
	let mut journal = match Journal::open(shared.store.folder()) {
		Ok(journal) => journal,
		Err(error) => {
			let next = "put the file aside, and start anew";
			return tracing::error!("no earnings are written down: {error:#}; {next}");
		}
	};
	let (mut looks, mut seen) = (0u32, 0);
	loop {
		let now = shared.status.lock();
		let now = now.map_or(0, |status| match status.distrust {
			Some(_) => 0,
			None => status.finalized,
		});
		if now > seen {
			let looked = async {
				let finalized = shared.chain.connection().await?.finalized().await?;
				journal
					.look(&shared, &finalized, looks.is_multiple_of(EVERY))
					.await
			};
			match looked.await {
				Ok(()) => (looks, seen) = (looks.wrapping_add(1), now),
				Err(error) => tracing::warn!("earnings wait: {error:#}"),
			}
		}
		tokio::time::sleep(if seen == 0 { SOON } else { LOOK }).await;
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
		let open = || Journal::open(folder.path()).unwrap();
		let large = u128::MAX / 2;
		let all = [entry(0, 1, large, None), entry(1, 2, 500, Some("done"))];
		open().write(&all).unwrap();
		assert_eq!(read(folder.path()).unwrap().0, all);
		let path = folder.path().join(FILE);
		let whole = std::fs::read_to_string(&path).unwrap();
		for cut in 1..lines(&all[1..]).len() {
			std::fs::write(&path, &whole[..whole.len() - cut]).unwrap();
			let mut journal = open();
			assert_eq!(journal.known.len(), 1, "{cut}");
			journal.write(&all[1..]).unwrap();
			assert_eq!(std::fs::read_to_string(&path).unwrap(), whole, "{cut}");
		}
		// What was written and not known to be is written once.
		let mut journal = open();
		std::fs::write(&path, whole.clone() + &lines(&all[..1])).unwrap();
		journal.write(&all[..1]).unwrap();
		assert_eq!(read(folder.path()).unwrap().0.len(), 3);
	}

	#[test]
	fn a_damaged_journal_is_neither_read_nor_written() {
		let folder = tempfile::tempdir().unwrap();
		let path = folder.path().join(FILE);
		let good = entry(0, 1, 5, None);
		let newer = Entry {
			version: 2,
			..good.clone()
		};
		for text in [
			format!("rubbish\n{}", lines(std::slice::from_ref(&good))),
			lines(&[newer, good.clone()]),
			lines(std::slice::from_ref(&good)).replace("\"5\"", "\"-5\""),
		] {
			std::fs::write(&path, &text).unwrap();
			let error = format!("{:#}", Journal::open(folder.path()).err().unwrap());
			assert!(error.contains("line 1"), "{error}");
			assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
		}
	}

	#[test]
	fn a_line_says_what_has_been_added() {
		let said = |gross, closed: Option<&str>| Said {
			lease: 1,
			order: 2,
			tenant: "5x".into(),
			sums: Sums {
				gross,
				fees: gross / 50,
				..Default::default()
			},
			closed: closed.map(str::to_owned),
		};
		let mut had = Known::default();
		let mut add = |said: Said| {
			let line = super::entry(said, &had, 7, (5, 6));
			if let Some(line) = &line {
				had.add(line);
			}
			line.map(|line| (line.sums.gross, line.sums.fees, line.closed.is_some()))
		};
		assert_eq!(add(said(0, None)), None, "nothing was paid");
		assert_eq!(add(said(100, None)), Some((100, 2, false)));
		assert_eq!(add(said(100, None)), None, "nothing more was");
		assert_eq!(add(said(150, None)), Some((50, 1, false)));
		assert_eq!(add(said(150, Some("done"))), Some((0, 0, true)));
		assert_eq!(add(said(900, Some("done"))), None, "it is over");
	}

	#[test]
	fn energy_is_counted_once_and_goes_on_where_it_was_forgotten() {
		let folder = tempfile::tempdir().unwrap();
		let mut journal = Journal::open(folder.path()).unwrap();
		assert_eq!(journal.more_energy(1, 40), 40);
		assert_eq!(journal.more_energy(1, 50), 10);
		journal.write(&[entry(0, 1, 5, None)]).unwrap();
		let mut again = Journal::open(folder.path()).unwrap();
		assert_eq!(again.more_energy(1, 50), 14, "36 stand in the journal");
		let mut forgotten = Journal::open(folder.path()).unwrap();
		assert_eq!(forgotten.more_energy(1, 10), 0);
		assert_eq!(forgotten.more_energy(1, 25), 15);
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
