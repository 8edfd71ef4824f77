//! What the operator is shown of the journal.

use super::{all_said, known, read, Entry, Known, Said, Sums, FILE};
use crate::{config::Config, daemon::operator_key};
use anyhow::{bail, ensure, Context as _};
use chrono::{DateTime, NaiveDate, Utc};
use clap::Args;
use leasehold_client::{keystore, units, Chain};
use serde::Serialize;
use std::{
	collections::{BTreeMap, BTreeSet},
	path::Path,
};

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
	/// How its energy was estimated; earlier payments may not say so.
	energy_methods: BTreeSet<String>,
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
			energy_methods: BTreeSet::new(),
			net_lease: String::new(),
		});
		row.date = when;
		row.first_block = row.first_block.min(entry.block);
		row.last_block = row.last_block.max(entry.block);
		row.leases.insert(entry.lease);
		row.tenants.insert(entry.tenant.clone());
		row.sums = row.sums.plus(entry.sums);
		let method = Some(&entry.energy_method).filter(|method| !method.is_empty());
		row.energy_methods.extend(method.cloned());
		row.net_lease = row.sums.net();
	}
	Ok(rows.into_values().collect())
}

/// How journal and chain stand to each other.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
struct Checked {
	/// Leases of which both say the same.
	agree: usize,
	/// Of which the chain says more: the daemon will write it down.
	behind: Vec<u64>,
	/// Which the chain does not know any more, and whose end stands in the journal.
	swept: Vec<u64>,
	/// Whose end nobody saw: what was paid at last is not in the journal.
	unseen: Vec<u64>,
	/// Of which the journal says more than the chain, or something else of what is over.
	differ: Vec<u64>,
}

/// Holds the journal against all that the chain says.
fn compare(known: &BTreeMap<u64, Known>, said: &[Said]) -> Checked {
	let mut checked = Checked::default();
	let said: BTreeMap<u64, &Said> = said.iter().map(|said| (said.lease, said)).collect();
	for (lease, said) in &said {
		let had = known.get(lease).cloned().unwrap_or_default();
		let ours = Sums {
			energy_joules: 0,
			..had.sums
		};
		if ours == said.sums && had.closed == said.closed.is_some() {
			checked.agree = checked.agree.saturating_add(1);
		} else if ours.beyond(said.sums) == Sums::default() && !had.closed {
			checked.behind.push(*lease);
		} else {
			checked.differ.push(*lease);
		}
	}
	for (lease, known) in known.iter().filter(|(lease, _)| !said.contains_key(lease)) {
		match known.closed && !known.unseen {
			true => checked.swept.push(*lease),
			false => checked.unseen.push(*lease),
		}
	}
	checked
}

async fn check(folder: &Path, known: &BTreeMap<u64, Known>) -> anyhow::Result<Checked> {
	let config = Config::read(folder)?;
	let operator = keystore::account(&operator_key(folder)?);
	let chain = Chain::connect(&config.node, None).await?;
	let connection = chain.connection().await?;
	let own = std::fs::read_to_string(folder.join("GENESIS")).unwrap_or_default();
	// A folder that has not been run in belongs to no chain yet.
	if !own.is_empty() && own.trim() != hex::encode(connection.genesis.0) {
		bail!(
			"the node at {} is of another chain than this folder",
			config.node
		);
	}
	let finalized = connection.finalized().await?;
	let provider = finalized.operated_by(&operator).await?;
	let Some(provider) = provider else {
		ensure!(
			known.is_empty(),
			"no provider is registered with this operator any more"
		);
		return Ok(Checked::default());
	};
	Ok(compare(known, &all_said(&finalized, provider).await?))
}

impl Command {
	pub async fn run(self, folder: &Path) -> anyhow::Result<()> {
		if self.from.zip(self.to).is_some_and(|(from, to)| from > to) {
			bail!("--from is after --to");
		}
		anyhow::ensure!(
			folder.join(crate::config::FILE).exists(),
			"{} is no provider's folder: name it by --dir",
			folder.display()
		);
		let (entries, _) = read(folder)?;
		let within = |entry: &&Entry| {
			let day = date(entry.time)
				.map(|when| when.date_naive())
				.unwrap_or_default();
			self.from.is_none_or(|from| day >= from) && self.to.is_none_or(|to| day <= to)
		};
		let rows = rows(entries.iter().filter(within), self.by)?;
		let total = rows
			.iter()
			.fold(Sums::default(), |sum, row| sum.plus(row.sums));
		let checked = match self.offline {
			true => None,
			false => Some(check(folder, &known(&entries)).await),
		};
		let (checked, unchecked) = match checked {
			Some(Ok(checked)) => (Some(checked), None),
			Some(Err(error)) => (None, Some(error)),
			None => (None, None),
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
				} else if rows.is_empty() {
					println!("nothing was paid in this time");
				}
				in_words(&rows, &total);
			}
		}
		if let Some(error) = unchecked {
			return Err(error.context("the journal was not held against the chain"));
		}
		let Some(checked) = checked else {
			return Ok(());
		};
		if self.output == Output::Text {
			println!(
				"the chain says the same of {}",
				units::count(checked.agree, "lease")
			);
			for (leases, what) in [
				(
					&checked.behind,
					"the chain has gone on, and it is not written down yet, for lease",
				),
				(
					&checked.swept,
					"not on chain any more, so that only the journal tells, is lease",
				),
			] {
				if !leases.is_empty() {
					println!("{what} {}", list(leases));
				}
			}
		}
		if !checked.unseen.is_empty() {
			bail!(
				"what was paid at last for leases {} is not known: they were closed and swept while this daemon was \
				 away; an archive node still knows it",
				list(&checked.unseen)
			);
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
		 net_lease,energy_kwh_estimate,energy_method"
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
			"{date},{first_block},{last_block},{},{},{},{},{},{},{net_lease},{},{}",
			words(list(&row.leases)),
			words(list(&row.tenants)),
			sums.served_blocks,
			units::decimal(sums.gross),
			units::decimal(sums.fees),
			units::decimal(sums.compensation),
			kilowatt_hours(sums.energy_joules),
			methods(&row.energy_methods).replace(',', ";"),
		);
	}
}

fn methods(all: &BTreeSet<String>) -> String {
	let all: Vec<_> = all.iter().map(String::as_str).collect();
	all.join("; ")
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
		"DATE (UTC)",
		"BLOCKS",
		"LEASES",
		"GROSS",
		"FEES",
		"COMPENSATION",
		"NET (LEASE)",
		"kWh (est.)"
	);
	for row in rows {
		let leases = match row.leases.len() {
			1 => format!("lease {}", list(&row.leases)),
			n => format!("{n} leases"),
		};
		let blocks = format!("{}-{}", row.first_block, row.last_block);
		line(&row.date, blocks, leases, &row.sums);
	}
	line("in all", String::new(), String::new(), total);
	let all = rows.iter().flat_map(|row| row.energy_methods.clone());
	let all: BTreeSet<_> = all.collect();
	if !all.is_empty() {
		println!("kWh: {}", methods(&all));
	}
}

#[cfg(test)]
mod tests {
	use super::{super::tests::entry, *};

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
		assert_eq!(
			by(By::Month),
			[row("2026-02", 2, 1_500), row("2026-03", 1, 250)]
		);
		assert_eq!(
			by(By::Day),
			[row("2026-02-10", 2, 1_500), row("2026-03-02", 1, 250)]
		);
		assert_eq!(
			by(By::Lease),
			[row("2026-03-02", 1, 1_250), row("2026-02-10", 1, 500)]
		);
		assert_eq!(by(By::Entry).len(), 3);
		assert!(by(By::Entry)[0].0.starts_with("2026-02-10T00:00:00Z"));
	}

	#[test]
	fn how_energy_was_estimated_is_told() {
		let all = [entry(0, 1, 1_000, None), entry(20, 1, 250, None)];
		let rows = rows(all.iter(), By::Year).unwrap();
		assert_eq!(methods(&rows[0].energy_methods), "by watts, each");
	}

	#[test]
	fn whatever_does_not_agree_is_named() {
		let said = |lease, gross, closed: bool| Said {
			lease,
			order: 0,
			tenant: String::new(),
			sums: Sums {
				gross,
				fees: gross / 50,
				served_blocks: 10,
				..Default::default()
			},
			closed: closed.then(|| "done".into()),
		};
		let journal = [
			entry(0, 1, 100, None),
			entry(0, 2, 100, None),
			entry(0, 3, 100, Some("done")),
			entry(0, 4, 100, Some("done")),
			entry(0, 5, 100, None),
			super::super::unseen(6, None, (0, 0)),
			entry(0, 7, 100, None),
		];
		let chain = [
			said(1, 100, false),
			said(2, 150, false),
			said(3, 150, true),
			said(7, 50, false),
			said(8, 100, true),
		];
		let wanted = Checked {
			agree: 1,
			behind: vec![2, 8],
			swept: vec![4],
			unseen: vec![5, 6],
			differ: vec![3, 7],
		};
		assert_eq!(compare(&known(&journal), &chain), wanted);
	}

	#[test]
	fn energy_is_shown_as_bills_do() {
		assert_eq!(kilowatt_hours(3_600_000), "1.000000");
		assert_eq!(kilowatt_hours(36), "0.000010");
	}
}
