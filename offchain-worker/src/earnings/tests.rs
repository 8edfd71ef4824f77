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
		energy_method: "by watts, each".into(),
		closed: closed.map(str::to_owned),
		unseen: false,
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
fn energy_goes_on_where_it_was_written_down_or_was_forgotten() {
	let folder = tempfile::tempdir().unwrap();
	let mut journal = Journal::open(folder.path()).unwrap();
	journal.write(&[entry(0, 1, 5, None)]).unwrap();
	let begins = |all: u64| {
		let mut journal = Journal::open(folder.path()).unwrap();
		journal.begin_energy(|_| all);
		journal.energy[&1]
	};
	assert_eq!(begins(50), 36, "14 more were used since the last line");
	assert_eq!(begins(0), 0, "all that comes is new");
	assert_eq!(begins(10), 10);
}

#[test]
fn an_end_that_nobody_saw_is_told_apart() {
	let folder = tempfile::tempdir().unwrap();
	let mut journal = Journal::open(folder.path()).unwrap();
	journal
		.write(&[entry(0, 1, 5, None), super::unseen(1, None, (7, 8))])
		.unwrap();
	let known = Journal::open(folder.path()).unwrap().known;
	assert!(known[&1].closed && known[&1].unseen);
	assert_eq!(known[&1].sums.gross, 5);
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
