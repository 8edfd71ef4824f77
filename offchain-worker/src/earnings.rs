//! What leases have brought: a journal of the daemon's own, and the chain's word beside it.
//!
//! `earnings.jsonl` in the daemon's folder has a line for each payment that is final: what the chain says was paid in
//! all, less what stands in the lines before. So nothing is counted twice, and what the daemon was not there for is in
//! the next line. A last line that was not written whole is cut off and written again.

use crate::{config::Config, daemon::Shared};
use anyhow::{bail, Context as _};
use chrono::{DateTime, NaiveDate, Utc};
use clap::Args;
use leasehold_client::{
	story, units,
	view::{LeaseRecordNow, View},
	Chain,
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
				bail!("line {} is of a newer version of this program", n.saturating_add(1))
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
		let known = match read(folder) {
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
			let had = known.get(&lease).map(|known| known.sums).unwrap_or_default();
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

/// What the rows of a report stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum By {
	/// Each payment.
	Entry,
	Day,
	Month,
	Year,
	Lease,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Output {
	Text,
	Csv,
	Json,
}

/// Show what leases have brought, and hold that against the chain.
#[derive(Debug, Args)]
pub struct Command {
	/// From this day on, as 2026-01-01 (UTC).
	#[arg(long, value_name = "DAY")]
	from: Option<NaiveDate>,
	/// Up to this day, and with it.
	#[arg(long, value_name = "DAY")]
	to: Option<NaiveDate>,
	/// What each row stands for.
	#[arg(long, value_enum, default_value = "month")]
	by: By,
	/// Do not ask the chain whether the journal is right.
	#[arg(long)]
	offline: bool,
	/// How it is written.
	#[arg(long, value_enum, default_value = "text")]
	output: Output,
}

/// A row of a report.
#[derive(Debug, Serialize)]
struct Row {
	/// A day, month or year, or the time of one payment, UTC; of a lease when it was last paid for.
	date: String,
	first_block: u32,
	last_block: u32,
	leases: BTreeSet<u64>,
	/// Of one payment, or one lease.
	tenants: BTreeSet<String>,
	#[serde(flatten)]
	sums: Sums,
	/// Gross less fees and compensation, LEASE.
	net_lease: String,
}

fn date(time: u64) -> anyhow::Result<DateTime<Utc>> {
	let date = DateTime::from_timestamp(i64::try_from(time)?, 0);
	date.with_context(|| format!("{time} is no time"))
}

/// The rows of a report over some of the entries.
fn rows<'a>(entries: impl Iterator<Item = &'a Entry>, by: By) -> anyhow::Result<Vec<Row>> {
	let mut rows = BTreeMap::<(String, u64), Row>::new();
	for (n, entry) in entries.enumerate() {
		let when = date(entry.time)?;
		let (word, number) = match by {
			By::Entry => ("%Y-%m-%dT%H:%M:%SZ", u64::try_from(n)?),
			By::Day => ("%Y-%m-%d", 0),
			By::Month => ("%Y-%m", 0),
			By::Year => ("%Y", 0),
			By::Lease => ("%Y-%m-%d", entry.lease),
		};
		let when = when.format(word).to_string();
		let key = match by {
			By::Lease => (String::new(), number),
			_ => (when.clone(), number),
		};
		let row = rows.entry(key).or_insert_with(|| Row {
			date: when.clone(),
			first_block: entry.block,
			last_block: entry.block,
			leases: BTreeSet::new(),
			tenants: BTreeSet::new(),
			sums: Sums::default(),
			net_lease: String::new(),
		});
		row.date = when;
		row.first_block = row.first_block.min(entry.block);
		row.last_block = row.last_block.max(entry.block);
		row.leases.insert(entry.lease);
		row.tenants.insert(entry.tenant.clone());
		row.sums = row.sums.plus(entry.sums);
		row.net_lease = row.sums.net();
	}
	Ok(rows.into_values().collect())
}

/// Where journal and chain do not agree.
#[derive(Debug, Default, Serialize)]
struct Checked {
	/// Leases of which both say the same.
	agree: usize,
	/// Of which the chain says more: the daemon will write it down.
	behind: Vec<u64>,
	/// Which the chain does not know any more: closed, and swept.
	swept: Vec<u64>,
	/// Of which the journal says more than the chain, or something else of what is over.
	differ: Vec<u64>,
}

async fn check(folder: &Path, known: &BTreeMap<u64, Known>) -> anyhow::Result<Checked> {
	let config = Config::read(folder)?;
	let chain = Chain::connect(&config.node, None).await?;
	let finalized = chain.connection().await?.finalized().await?;
	let mut checked = Checked::default();
	for (lease, known) in known {
		let Some(said) = said(&finalized, *lease).await? else {
			checked.swept.push(*lease);
			continue;
		};
		let ours = Sums {
			energy_joules: 0,
			..known.sums
		};
		if ours == said.sums {
			checked.agree = checked.agree.saturating_add(1);
		} else if ours.beyond(said.sums) == Sums::default() && !known.closed {
			checked.behind.push(*lease);
		} else {
			checked.differ.push(*lease);
		}
	}
	Ok(checked)
}

impl Command {
	pub async fn run(self, folder: &Path) -> anyhow::Result<()> {
		let (entries, _) = read(folder)?;
		let within = |entry: &&Entry| {
			let day = date(entry.time).map(|when| when.date_naive()).unwrap_or_default();
			self.from.is_none_or(|from| day >= from) && self.to.is_none_or(|to| day <= to)
		};
		let rows = rows(entries.iter().filter(within), self.by)?;
		let total = rows.iter().fold(Sums::default(), |sum, row| sum.plus(row.sums));
		let checked = match self.offline {
			true => None,
			false => Some(check(folder, &known(&entries)).await?),
		};
		match self.output {
			Output::Json => {
				let json = serde_json::json!({
					"rows": rows, "total": total, "net_lease": total.net(), "checked": checked,
				});
				println!("{json:#}");
			}
			Output::Csv => csv(&rows),
			Output::Text => {
				if entries.is_empty() {
					println!("nothing has been paid yet");
				}
				in_words(&rows, &total);
			}
		}
		let Some(checked) = checked else {
			return Ok(());
		};
		if self.output == Output::Text {
			println!("the chain says the same of {} leases", checked.agree);
			for (leases, what) in [
				(&checked.behind, "more was paid, and is not written down yet, for leases"),
				(&checked.swept, "not on chain any more, so that only the journal tells, are leases"),
			] {
				if !leases.is_empty() {
					println!("{what} {}", list(leases));
				}
			}
		}
		if !checked.differ.is_empty() {
			bail!(
				"journal and chain do not agree about leases {}: was {FILE} of another daemon, or changed?",
				list(&checked.differ)
			);
		}
		Ok(())
	}
}

fn list<T: ToString>(all: impl IntoIterator<Item = T>) -> String {
	let all: Vec<_> = all.into_iter().map(|one| one.to_string()).collect();
	all.join(", ")
}

/// Kilowatt hours, with six decimals.
fn kilowatt_hours(joules: u64) -> String {
	let millionths = joules.saturating_mul(10) / 36;
	format!("{}.{:06}", millionths / 1_000_000, millionths % 1_000_000)
}

/// No field has a comma in it.
fn csv(rows: &[Row]) {
	println!(
		"date,first_block,last_block,leases,tenants,served_blocks,gross_lease,fees_lease,compensation_lease,\
		 net_lease,energy_kwh_estimate"
	);
	for row in rows {
		let Row {
			date,
			first_block,
			last_block,
			sums,
			net_lease,
			..
		} = row;
		let words = |text: String| text.replace(", ", " ");
		println!(
			"{date},{first_block},{last_block},{},{},{},{},{},{},{net_lease},{}",
			words(list(&row.leases)),
			words(list(&row.tenants)),
			sums.served_blocks,
			units::decimal(sums.gross),
			units::decimal(sums.fees),
			units::decimal(sums.compensation),
			kilowatt_hours(sums.energy_joules),
		);
	}
}

fn in_words(rows: &[Row], total: &Sums) {
	let line = |date: &str, blocks: String, leases: String, sums: &Sums| {
		println!(
			"{date:<21} {blocks:>19} {leases:>12} {:>20} {:>18} {:>18} {:>20} {:>12}",
			units::decimal(sums.gross),
			units::decimal(sums.fees),
			units::decimal(sums.compensation),
			sums.net(),
			kilowatt_hours(sums.energy_joules),
		);
	};
	if rows.is_empty() {
		return;
	}
	println!(
		"{:<21} {:>19} {:>12} {:>20} {:>18} {:>18} {:>20} {:>12}",
		"DATE (UTC)", "BLOCKS", "LEASES", "GROSS", "FEES", "COMPENSATION", "NET (LEASE)", "kWh (est.)"
	);
	for row in rows {
		let leases = match row.leases.len() {
			1 => list(&row.leases),
			n => format!("{n} leases"),
		};
		let blocks = format!("{}-{}", row.first_block, row.last_block);
		line(&row.date, blocks, leases, &row.sums);
	}
	line("in all", String::new(), String::new(), total);
}

#[cfg(test)]
mod tests {
	use super::*;

	/// A payment of 2026-02-10 and some days.
	fn entry(days: u64, lease: u64, gross: u128, closed: Option<&str>) -> Entry {
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
		let lines = entries.iter().map(|one| serde_json::to_string(one).unwrap() + "\n");
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
		let (good, newer) = (entry(0, 1, 5, None), Entry { version: 2, ..entry(0, 1, 5, None) });
		for text in [
			format!("rubbish\n{}", lines(&[good.clone()])),
			lines(&[newer, good.clone()]),
			lines(&[good.clone()]).replace("\"5\"", "\"-5\""),
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
	fn rows_are_by_what_is_asked_for() {
		let all = [
			entry(0, 1, 1_000, None),
			entry(0, 2, 500, None),
			entry(20, 1, 250, Some("done")),
		];
		let by = |by| {
			let rows = rows(all.iter(), by).unwrap();
			let row = |row: &Row| (row.date.clone(), row.leases.len(), row.sums.gross);
			rows.iter().map(row).collect::<Vec<_>>()
		};
		let row = |date: &str, leases, gross| (date.to_owned(), leases, gross);
		assert_eq!(by(By::Year), [row("2026", 2, 1_750)]);
		assert_eq!(by(By::Month), [row("2026-02", 2, 1_500), row("2026-03", 1, 250)]);
		assert_eq!(by(By::Day), [row("2026-02-10", 2, 1_500), row("2026-03-02", 1, 250)]);
		assert_eq!(by(By::Lease), [row("2026-03-02", 1, 1_250), row("2026-02-10", 1, 500)]);
		assert_eq!(by(By::Entry).len(), 3);
		assert!(by(By::Entry)[0].0.starts_with("2026-02-10T00:00:00Z"));
	}

	#[test]
	fn compensation_may_be_more_than_what_was_earned() {
		let mut sums = entry(0, 1, 50 * units::LEASE, None).sums;
		assert_eq!(sums.net(), "49");
		sums.compensation = 60 * units::LEASE;
		assert_eq!(sums.net(), "-11");
		assert_eq!(kilowatt_hours(3_600_000), "1.000000");
		assert_eq!(kilowatt_hours(36), "0.000010");
		assert_eq!(sums.plus(sums).beyond(sums), sums);
		assert_eq!(sums.beyond(sums.plus(sums)), Sums::default());
	}
}
