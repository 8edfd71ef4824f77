use super::{super::Refused, take, tree};
use axum::http::StatusCode;
use leasehold_client::volumes::{Coming, Entry, Kind, Plan, ANNOUNCED};
use sha2::{Digest as _, Sha256};
use std::{
	io::{self, Read as _},
	os::unix::fs::symlink,
	path::Path,
};

fn hash(bytes: &[u8]) -> String {
	hex::encode(Sha256::digest(bytes))
}

/// A file to be put, or a folder.
fn coming(path: &str, bytes: Option<&[u8]>) -> Entry {
	Entry {
		path: path.into(),
		kind: if bytes.is_some() {
			Kind::File
		} else {
			Kind::Folder
		},
		size: bytes.map_or(0, |bytes| bytes.len() as u64),
		mode: 0o4755,
		modified: 0,
		sha256: bytes.map(hash),
	}
}

/// A stream: what is announced in it, and (name, bytes; `None`: a folder).
fn stream(announced: &[Entry], sent: &[(&str, Option<&[u8]>)]) -> (Vec<u8>, String) {
	let listed = serde_json::to_vec(announced).unwrap();
	let mut archive = tar::Builder::new(Vec::new());
	let mut add = |name: &str, bytes: Option<&[u8]>| {
		let mut header = tar::Header::new_gnu();
		header.set_size(bytes.map_or(0, |bytes| bytes.len() as u64));
		if bytes.is_none() {
			header.set_entry_type(tar::EntryType::Directory);
		}
		let bytes = bytes.unwrap_or_default();
		archive.append_data(&mut header, name, bytes).unwrap();
	};
	add(ANNOUNCED, Some(&listed));
	for (name, bytes) in sent {
		add(name, *bytes);
	}
	(archive.into_inner().unwrap(), hash(&listed))
}

fn put(
	root: &Path,
	rest: &str,
	announced: &[Entry],
	sent: &[(&str, Option<&[u8]>)],
) -> Result<u64, StatusCode> {
	let (bytes, signed) = stream(announced, sent);
	let dir = tree::open(root).unwrap();
	let room = room(root, 1 << 20);
	let taken = take::take(&dir, rest, &signed, &*bytes, room, &mut || Ok(()));
	taken.map(|put| put.files).map_err(|refused| refused.0)
}

/// Of a volume that has so much left.
fn room(root: &Path, left: u64) -> take::Room {
	let (bytes, files) = crate::executor::measure::measure(root);
	take::Room::of(bytes + left, (bytes, files))
}

fn plan(root: &Path, rest: &str, announced: &[Entry], bytes: u64) -> Result<Plan, Refused> {
	let dir = tree::open(root).unwrap();
	take::plan(&dir, rest, announced, room(root, bytes), &mut || Ok(()))
}

fn names(root: &Path) -> Vec<String> {
	let found = tree::find(tree::open(root).unwrap(), "").unwrap();
	let mut out = Vec::new();
	tree::list(&found, true, true, &mut out, &mut || Ok(())).unwrap();
	let lines = out.split(|b| *b == b'\n').filter(|line| !line.is_empty());
	let entries = lines.map(|line| serde_json::from_slice::<Entry>(line).unwrap());
	entries
		.map(|entry| format!("{:?} {}", entry.kind, entry.path))
		.collect()
}

/// What comes from a place on: (name, bytes).
fn got(root: &Path, rest: &str, at: &str, from: u64) -> Vec<(String, Vec<u8>)> {
	let found = tree::find(tree::open(root).unwrap(), rest).unwrap();
	let mut bytes = Vec::new();
	tree::send(&found, at, from, &mut bytes).unwrap();
	let mut archive = tar::Archive::new(&*bytes);
	let mut coming = Coming::of(&mut archive).unwrap();
	let mut all = Vec::new();
	while let Some((name, mut entry)) = coming.next_one().unwrap() {
		let mut text = Vec::new();
		entry.read_to_end(&mut text).unwrap();
		all.push((name, text));
	}
	all
}

#[test]
fn what_is_put_is_there_whole_and_comes_back() {
	use std::os::unix::fs::PermissionsExt as _;
	let root = tempfile::tempdir().unwrap();
	let root = root.path();
	let announced = [
		coming("site", None),
		coming("site/a", Some(b"one")),
		coming("site/empty", None),
		coming("z", Some(b"")),
	];
	let sent: Vec<_> = [
		("site", None),
		("site/a", Some(&b"one"[..])),
		("site/empty", None),
		("z", Some(&b""[..])),
	]
	.into();
	assert_eq!(put(root, "in/here", &announced, &sent), Ok(2));
	let at = root.join("in/here/site/a");
	assert_eq!(std::fs::read(&at).unwrap(), b"one");
	let mode = std::fs::metadata(&at).unwrap().permissions().mode();
	assert_eq!(mode & 0o7777, 0o755, "nothing gains rights on its way");
	let all = got(root, "in/here", "", 0);
	let names: Vec<_> = all.iter().map(|(name, _)| name.as_str()).collect();
	assert_eq!(names, ["site", "site/a", "site/empty", "z"]);
	let rest = got(root, "in/here", "site/a", 1);
	assert_eq!(rest.first(), Some(&("site/a".to_owned(), b"ne".to_vec())));
	assert_eq!(rest.len(), 3);
	assert_eq!(
		got(root, "in/here/site/a", "", 0),
		[("a".to_owned(), b"one".to_vec())]
	);
	let known = plan(root, "in/here", &announced, 0).unwrap();
	assert_eq!(known.had, [Some(0), Some(3), Some(0), Some(0)]);
}

#[test]
fn what_was_cut_off_goes_on_where_it_was() {
	let root = tempfile::tempdir().unwrap();
	let root = root.path();
	let announced = [coming("big", Some(b"0123456789"))];
	let plan = |room| plan(root, "", &announced, room).map(|plan| plan.had);
	assert_eq!(plan(4_096).unwrap(), [None], "a file counts for so much");
	assert_eq!(plan(4_095).unwrap_err().0, StatusCode::PAYLOAD_TOO_LARGE);
	let (bytes, signed) = stream(&announced, &[("big", Some(b"0123456789"))]);
	// All but the end of the file's bytes.
	let cut = bytes.windows(10).position(|w| w == b"0123456789").unwrap() + 4;
	let dir = tree::open(root).unwrap();
	let taken = take::take(
		&dir,
		"",
		&signed,
		&bytes[..cut],
		room(root, 4_096),
		&mut || Ok(()),
	);
	assert_eq!(taken.unwrap_err().0, StatusCode::BAD_REQUEST);
	assert!(!root.join("big").exists());
	assert_eq!(plan(6).unwrap(), [Some(4)]);
	assert_eq!(plan(0).unwrap(), [Some(4)], "its block is there");
	assert_eq!(
		put(root, "", &announced, &[("big", Some(b"456789"))]),
		Ok(1)
	);
	assert_eq!(std::fs::read(root.join("big")).unwrap(), b"0123456789");
	assert_eq!(names(root), ["File big"]);
	// Another end is not the announced file; nor is a part that is not there.
	let other = [coming("other", Some(b"abc"))];
	let bad = put(root, "", &other, &[("other", Some(b"abd"))]);
	assert_eq!(bad, Err(StatusCode::BAD_REQUEST));
	let gap = put(root, "", &other, &[("other", Some(b"c"))]);
	assert_eq!(gap, Err(StatusCode::CONFLICT));
	assert!(!root.join("other").exists());
}

#[test]
fn links_of_a_service_lead_nowhere_else() {
	let around = tempfile::tempdir().unwrap();
	let root = around.path().join("volume");
	std::fs::create_dir_all(root.join("own")).unwrap();
	std::fs::write(around.path().join("secret"), "secret").unwrap();
	std::fs::create_dir(around.path().join("outside")).unwrap();
	symlink("../secret", root.join("file")).unwrap();
	symlink("../outside", root.join("folder")).unwrap();
	symlink("/etc", root.join("absolute")).unwrap();
	symlink("own", root.join("inside")).unwrap();
	let find = |rest: &str| tree::find(tree::open(&root).unwrap(), rest).map(|_| ());
	for out in ["file", "folder", "folder/x", "absolute/passwd", "../secret"] {
		let kind = find(out).unwrap_err().kind();
		let shut = [io::ErrorKind::PermissionDenied, io::ErrorKind::NotFound];
		assert!(shut.contains(&kind), "{out}: {kind:?}");
		let refused = tree::wrong(out)(kind.into());
		assert_eq!(refused.0, StatusCode::NOT_FOUND);
	}
	assert!(find("inside").is_ok());
	let listed = names(&root);
	let all = [
		"Link absolute",
		"Link file",
		"Link folder",
		"Link inside",
		"Folder own",
	];
	assert_eq!(listed, all);
	assert_eq!(got(&root, "", "", 0), [("own".to_owned(), Vec::new())]);
	for path in ["folder/x", "absolute/x"] {
		let announced = [coming(path, Some(b"x"))];
		let into = put(&root, "", &announced, &[(path, Some(b"x"))]);
		assert_eq!(into, Err(StatusCode::NOT_FOUND), "{path}");
	}
	// Over a link, not through it.
	let announced = [coming("file", Some(b"new"))];
	assert_eq!(put(&root, "", &announced, &[("file", Some(b"new"))]), Ok(1));
	assert_eq!(
		std::fs::read(around.path().join("secret")).unwrap(),
		b"secret"
	);
	assert_eq!(std::fs::read(root.join("file")).unwrap(), b"new");
	assert_eq!(
		std::fs::read_dir(around.path().join("outside"))
			.unwrap()
			.count(),
		0
	);
}

#[test]
fn what_is_no_file_is_not_waited_for() {
	let root = tempfile::tempdir().unwrap();
	let root = root.path();
	rustix::fs::mknodat(
		rustix::fs::CWD,
		root.join("pipe"),
		rustix::fs::FileType::Fifo,
		0o666.into(),
		0,
	)
	.unwrap();
	assert_eq!(names(root), ["Other pipe"]);
	assert_eq!(got(root, "", "", 0), []);
	let announced = [coming("pipe", Some(b"x"))];
	assert_eq!(plan(root, "", &announced, 1 << 20).unwrap().had, [None]);
	assert_eq!(put(root, "", &announced, &[("pipe", Some(b"x"))]), Ok(1));
	assert_eq!(names(root), ["File pipe"]);
}

#[test]
fn a_stream_that_lies_is_refused() {
	let root = tempfile::tempdir().unwrap();
	let root = root.path();
	let one = [coming("a", Some(b"x"))];
	let bad = Err(StatusCode::BAD_REQUEST);
	assert_eq!(
		put(root, "", &one, &[("b", Some(b"x"))]),
		bad,
		"not announced"
	);
	assert_eq!(put(root, "", &one, &[("a", Some(b"xy"))]), bad, "longer");
	let twice = [("a", Some(&b"x"[..])), ("a", Some(&b"x"[..]))];
	assert_eq!(put(root, "", &one, &twice), bad, "twice");
	for path in ["/etc/x", "../x", "a//b", ""] {
		assert_eq!(
			put(root, "", &[coming(path, Some(b"x"))], &[]),
			bad,
			"{path}"
		);
	}
	let mut link = coming("a", Some(b"x"));
	link.kind = Kind::Link;
	assert_eq!(put(root, "", &[link], &[]), bad, "a link");
	let mut no_digest = coming("a", Some(b"x"));
	no_digest.sha256 = Some("../../x".into());
	assert_eq!(put(root, "", &[no_digest], &[("a", Some(b"x"))]), bad);
	let (bytes, _) = stream(&one, &[]);
	let take = |bytes: &[u8]| {
		let dir = tree::open(root).unwrap();
		take::take(&dir, "", &hash(b"other"), bytes, room(root, 9), &mut || {
			Ok(())
		})
		.unwrap_err()
		.0
	};
	assert_eq!(take(&bytes), StatusCode::BAD_REQUEST, "not what was signed");
	assert_eq!(take(b"no tar at all"), StatusCode::BAD_REQUEST);
	assert_eq!(take(b""), StatusCode::BAD_REQUEST);
	let large = vec![1u8; 2 << 20];
	let announced = [coming("large", Some(&large))];
	let full = put(root, "", &announced, &[("large", Some(&large))]);
	assert_eq!(full, Err(StatusCode::PAYLOAD_TOO_LARGE));
}

#[test]
fn what_stands_in_the_way_of_a_part_is_put_aside() {
	let root = tempfile::tempdir().unwrap();
	let root = root.path();
	let announced = [coming("a", Some(b"x"))];
	let part = root.join(format!(".leasehold-{}.part", &hash(b"x")[..32]));
	std::fs::write(root.join("other"), "other").unwrap();
	let put = || put(root, "", &announced, &[("a", Some(b"x"))]);
	symlink("other", &part).unwrap();
	assert_eq!(put(), Ok(1));
	std::fs::hard_link(root.join("other"), &part).unwrap();
	assert_eq!(put(), Ok(1));
	rustix::fs::mknodat(
		rustix::fs::CWD,
		&part,
		rustix::fs::FileType::Fifo,
		0o666.into(),
		0,
	)
	.unwrap();
	assert_eq!(put(), Ok(1));
	assert_eq!(std::fs::read(root.join("other")).unwrap(), b"other");
	assert_eq!(names(root), ["File a", "File other"]);
}

#[test]
fn what_counts_is_what_is_measured() {
	let root = tempfile::tempdir().unwrap();
	let root = root.path();
	let many: Vec<_> = (0..100)
		.map(|n| coming(&n.to_string(), Some(b"x")))
		.collect();
	assert!(plan(root, "", &many, 100 << 12).is_ok());
	assert_eq!(
		plan(root, "", &many, 99 << 12).unwrap_err().0,
		StatusCode::PAYLOAD_TOO_LARGE
	);
	let few = take::Room::of(1 << 30, (0, crate::executor::measure::MAX_FILES - 99));
	let dir = tree::open(root).unwrap();
	let full = take::plan(&dir, "", &many, few, &mut || Ok(())).unwrap_err();
	assert_eq!(full.0, StatusCode::PAYLOAD_TOO_LARGE);
	let deep = [coming(&["d"; 60].join("/"), Some(b"x"))];
	assert!(plan(root, "a/b", &deep, 1 << 20).is_ok());
	assert_eq!(
		plan(root, "a/b/c/d/e", &deep, 1 << 20).unwrap_err().0,
		StatusCode::BAD_REQUEST
	);
}

#[test]
fn what_may_not_go_on_ends() {
	let root = tempfile::tempdir().unwrap();
	let root = root.path();
	std::fs::File::create(root.join("endless"))
		.unwrap()
		.set_len(1 << 40)
		.unwrap();
	let mut asked = 0;
	let mut goes_on = || {
		asked += 1;
		match asked > 10 {
			true => Err(tree::OVER.into()),
			false => Ok(()),
		}
	};
	let found = tree::find(tree::open(root).unwrap(), "").unwrap();
	let listed = tree::list(&found, true, true, &mut Vec::new(), &mut goes_on);
	assert_eq!(listed.unwrap_err().kind(), tree::OVER);
	let over = || Err(tree::OVER.into());
	let sent = tree::send(&found, "", 0, tree::Going(io::sink(), over));
	assert_eq!(sent.unwrap_err().kind(), tree::OVER);
	let read = tree::Going(io::empty(), over).read_to_end(&mut Vec::new());
	assert_eq!(read.unwrap_err().kind(), tree::OVER);
}

#[test]
fn what_is_replaced_gives_its_room_back() {
	let root = tempfile::tempdir().unwrap();
	let root = root.path();
	let (one, two) = (vec![1; 5_000], vec![2; 5_000]);
	let names = ["a", "b", "c"];
	let of = |bytes: &[u8]| names.map(|name| coming(name, Some(bytes)));
	let send = |bytes: &[u8], room: u64| {
		let sent = names.map(|name| (name, Some(bytes)));
		let (stream, signed) = stream(&of(bytes), &sent);
		let dir = tree::open(root).unwrap();
		let room = self::room(root, room);
		let taken = take::take(&dir, "", &signed, &*stream, room, &mut || Ok(()));
		taken.map(|put| put.files).map_err(|refused| refused.0)
	};
	let full = Err(StatusCode::PAYLOAD_TOO_LARGE);
	assert!(
		plan(root, "", &of(&one), 3 << 13).is_ok(),
		"two blocks each"
	);
	assert!(plan(root, "", &of(&one), (3 << 13) - 1).is_err());
	assert_eq!(send(&one, 3 << 13), Ok(3));
	// One after the other they need room for one beside those that are there.
	assert!(plan(root, "", &of(&two), 1 << 13).is_ok());
	assert!(plan(root, "", &of(&two), (1 << 13) - 1).is_err());
	assert_eq!(send(&two, (1 << 13) - 1), full);
	assert_eq!(send(&two, 1 << 13), Ok(3));
	// A file is no folder, and a folder no file.
	std::fs::create_dir(root.join("d")).unwrap();
	let folder = plan(root, "", &[coming("a", None)], 1 << 20);
	assert_eq!(folder.unwrap_err().0, StatusCode::CONFLICT);
	let file = plan(root, "", &[coming("d", Some(b"x"))], 1 << 20);
	assert_eq!(file.unwrap_err().0, StatusCode::CONFLICT);
	// A link is replaced, wherever it leads, and one within the volume is gone through.
	symlink("/nowhere", root.join("link")).unwrap();
	let entries = [coming("link", Some(b"x")), coming("d/up/y", Some(b"x"))];
	symlink("..", root.join("d/up")).unwrap();
	assert_eq!(plan(root, "", &entries, 1 << 20).unwrap().had, [None, None]);
	let sent = [("link", Some(&b"x"[..])), ("d/up/y", Some(&b"x"[..]))];
	assert_eq!(put(root, "", &entries, &sent), Ok(2));
	assert_eq!(std::fs::read(root.join("y")).unwrap(), b"x");
	assert_eq!(std::fs::read(root.join("link")).unwrap(), b"x");
}

#[test]
fn what_is_removed_is_in_the_volume() {
	let around = tempfile::tempdir().unwrap();
	let root = around.path().join("volume");
	std::fs::create_dir_all(root.join("a/b")).unwrap();
	std::fs::create_dir(around.path().join("outside")).unwrap();
	std::fs::write(around.path().join("outside/x"), "x").unwrap();
	std::fs::write(root.join("a/b/c"), "c").unwrap();
	symlink("../outside", root.join("out")).unwrap();
	symlink("../../../outside", root.join("a/b/out")).unwrap();
	let remove = |path: &str| take::remove(&tree::open(&root).unwrap(), path, &mut || Ok(()));
	assert!(remove("out/x").is_err());
	assert!(remove("none").is_err());
	remove("out").unwrap();
	remove("a").unwrap();
	assert_eq!(names(&root), [""; 0]);
	assert!(around.path().join("outside/x").exists());
}
