//! What leases have brought: a journal of the daemon's own, and the chain's word beside it.
//!
//! `earnings.jsonl` in the daemon's folder has a line for each payment that is final: what the chain says was paid in
//! all, less what stands in the lines before. So nothing is counted twice, and what the daemon was not there for is in
//! the next line, as long as the chain keeps the lease's record: that is swept a day after the close. A last line that
//! was not written whole is cut off and written again.

mod report;

pub use report::Command;

use crate::{daemon::Shared, store::LeaseRow};
use anyhow::{bail, Context as _};
use leasehold_client::{
	story, units,
	view::{Closed, LeaseRecordNow, OpenLease, View},
	AccountId32, ChainError,
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
	/// How the energy was estimated.
	#[serde(default, skip_serializing_if = "String::is_empty")]
	pub energy_method: String,
	/// Why the lease was closed, once it is.
	#[serde(default, skip_serializing_if = "Option::is_none")]
	pub closed: Option<String>,
	/// Nobody was there to see its end, and the chain does not know it any more.
	#[serde(default, skip_serializing_if = "std::ops::Not::not")]
	pub unseen: bool,
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
	/// An estimate.
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
		self.unseen |= entry.unseen;
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
	let (entries, whole) = parse(&text).with_context(|| path.display().to_string())?;
	if whole < text.len() {
		let path = path.display();
		tracing::warn!("the last line of {path} was not written whole: it is left out, and the daemon writes it again");
	}
	Ok((entries, whole))
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

/// What is written down of a lease whose end nobody saw.
fn unseen(lease: u64, row: Option<&LeaseRow>, (time, block): (u64, u32)) -> Entry {
	let tenant = row.map(|row| AccountId32(row.tenant).to_string());
	Entry {
		version: 1,
		time,
		block,
		lease,
		order: row.and_then(|row| row.order).unwrap_or(0),
		tenant: tenant.unwrap_or_default(),
		sums: Sums::default(),
		energy_method: String::new(),
		closed: Some("its record was swept before: what was paid at last is not known".into()),
		unseen: true,
	}
}

/// Joules that a lease has used, as far as is known.
fn joules(shared: &Shared, lease: u64) -> u64 {
	shared.usage.total(lease).energy_microjoules / 1_000_000
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
		energy_method: String::new(),
		closed: said.closed,
		unseen: false,
	})
}

/// The journal, as the daemon keeps it.
struct Journal {
	path: PathBuf,
	known: BTreeMap<u64, Known>,
	/// Bytes of the file that are whole; what stands behind them is written over.
	whole: u64,
	/// Joules of each lease that are written down, as the daemon counts them.
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

	/// Takes note of what was used before: what is written down of it, or what is known of it still.
	fn begin_energy(&mut self, all: impl Fn(u64) -> u64) {
		let known = self.known.iter();
		let begin = known.map(|(lease, known)| (*lease, known.sums.energy_joules.min(all(*lease))));
		self.energy = begin.collect();
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
		let rows: BTreeMap<u64, LeaseRow> = rows.into_iter().map(|row| (row.lease, row)).collect();
		let ours: BTreeSet<u64> = rows.keys().chain(self.known.keys()).copied().collect();
		let at = (finalized.time().await? / 1_000, finalized.number());
		let mut entries = Vec::new();
		for lease in ours {
			let closed = self.known.get(&lease).is_some_and(|known| known.closed);
			if closed || all.contains_key(&lease) {
				continue;
			}
			match find(finalized, provider, lease).await? {
				Found::Said(said) => drop(all.insert(lease, said)),
				Found::Swept => entries.push(unseen(lease, rows.get(&lease), at)),
				Found::NotOurs => {}
			}
		}
		let mut energy = Vec::new();
		for (lease, said) in all {
			let had = self.known.get(&lease).cloned().unwrap_or_default();
			let joules = joules(shared, lease);
			let more = joules.saturating_sub(self.energy.get(&lease).copied().unwrap_or(0));
			if let Some(entry) = entry(said, &had, more, at) {
				energy.push((lease, joules));
				let energy_method = match entry.sums.energy_joules {
					0 => String::new(),
					_ => shared.usage.method().to_owned(),
				};
				entries.push(Entry {
					energy_method,
					..entry
				});
			}
		}
		if !entries.is_empty() {
			self.write(&entries)?;
			self.energy.extend(energy);
		}
		Ok(())
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
	journal.begin_energy(|lease| joules(&shared, lease));
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
pub(super) mod tests;
