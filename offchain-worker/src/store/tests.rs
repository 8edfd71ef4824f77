use super::*;

fn row() -> LeaseRow {
	LeaseRow {
		version: 1,
		lease: 3,
		order: Some(5),
		manifest_hash: [1; 32],
		next: None,
		former: None,
		since: 0,
		tenant: [2; 32],
		access: [2; 32],
		epoch: 0,
		attempts: 1,
		phase: Phase::Running,
		closed_at: None,
	}
}

#[test]
fn rows_and_manifests_outlive_a_restart() {
	let folder = tempfile::tempdir().unwrap();
	let store = Store::open(folder.path()).unwrap();
	store.put(&row()).unwrap();
	store.put_manifest(3, &[1; 32], b"secret").unwrap();
	store.note_finalized(7).unwrap();
	store.set_genesis(H256([5; 32])).unwrap();
	assert!(matches!(
		Store::open(folder.path()),
		Err(StoreError::InUse(_))
	));
	drop(store);
	let store = Store::open(folder.path()).unwrap();
	assert_eq!(store.leases().unwrap(), [row()]);
	assert_eq!(store.manifest(3, &[1; 32]).unwrap().unwrap(), b"secret");
	assert_eq!(store.manifest(4, &[1; 32]).unwrap(), None);
	assert_eq!(store.highest_finalized().unwrap(), 7);
	assert_eq!(store.genesis().unwrap(), Some(H256([5; 32])));
	let on_disk = std::fs::read(store.manifest_path(3, &[1; 32])).unwrap();
	assert!(!on_disk.windows(6).any(|w| w == b"secret"));
	store.wipe(&row()).unwrap();
	assert_eq!(store.leases().unwrap(), []);
	assert_eq!(store.manifest(3, &[1; 32]).unwrap(), None);
}

#[test]
fn what_is_set_aside_is_kept_and_forgotten() {
	let folder = tempfile::tempdir().unwrap();
	let store = Store::open(folder.path()).unwrap();
	store.put(&row()).unwrap();
	let results = store.lease_folder(3).join("out");
	std::fs::create_dir_all(&results).unwrap();
	std::fs::write(results.join("a"), b"data").unwrap();
	store.set_aside(&row(), "x").unwrap();
	assert_eq!(store.leases().unwrap(), []);
	assert!(!store.lease_folder(3).exists());
	let aside = "quarantine/3-x/out/a";
	assert_eq!(std::fs::read(folder.path().join(aside)).unwrap(), b"data");
	store.set_aside(&row(), "x").unwrap();
}

#[test]
fn a_row_of_version_1_is_still_read() {
	let fixture = include_str!("../../fixtures/lease-row-v1.json");
	let known = LeaseRow {
		order: None,
		..row()
	};
	assert_eq!(serde_json::from_str::<LeaseRow>(fixture).unwrap(), known);
}

#[test]
fn damage_is_noticed() {
	let folder = tempfile::tempdir().unwrap();
	let store = Store::open(folder.path()).unwrap();
	store.put_manifest(3, &[1; 32], b"secret").unwrap();
	let path = store.manifest_path(3, &[1; 32]);
	let good = std::fs::read(&path).unwrap();
	for length in [0, 1, 10, good.len() - 1] {
		std::fs::write(&path, &good[..length]).unwrap();
		assert!(store.manifest(3, &[1; 32]).is_err());
	}
	drop(store);
	let index = folder.path().join("store.redb");
	// As a killed daemon leaves it, and as one that has ended does.
	let store = Store::open(folder.path()).unwrap();
	let of = |lease| LeaseRow { lease, ..row() };
	for lease in 0..50 {
		store.put(&of(lease)).unwrap();
	}
	let open = std::fs::read(&index).unwrap();
	drop(store);
	let ended = std::fs::read(&index).unwrap();
	let cuts = |whole: &[u8]| {
		let short = [0, 1, 8, 9, 64, 319, 320, 512, 4_095, 4_096, 8_192, 12_288];
		let long = [whole.len() / 4, whole.len() / 2, whole.len() - 1];
		let lengths = [&short[..], &long].concat().into_iter();
		let cut = lengths.map(|length| whole[..length.min(whole.len())].to_vec());
		cut.collect::<Vec<_>>()
	};
	let mut damaged = [cuts(&open), cuts(&ended), vec![b"rubbish".to_vec()]].concat();
	for from in (0..ended.len()).step_by(ended.len() / 60 + 1) {
		let mut zeroed = ended.clone();
		zeroed[from..(from + 200).min(ended.len())].fill(0);
		damaged.push(zeroed);
	}
	for bytes in damaged {
		std::fs::write(&index, &bytes).unwrap();
		let store = Store::open(folder.path());
		let store = store.unwrap_or_else(|error| panic!("{} bytes: {error}", bytes.len()));
		// What it had, or nothing: never a mixture that cannot be read.
		store.leases().unwrap();
		store.put(&of(7)).unwrap();
		assert!(store.lease(7).unwrap().is_some());
	}
	std::fs::write(folder.path().join("VERSION"), "2").unwrap();
	assert!(matches!(
		Store::open(folder.path()),
		Err(StoreError::Newer(_))
	));
}
