//! Damaged and hostile manifest files and manifests. Each starts from one in `corpus/`, is damaged at random,
//! and must be read or refused: without a panic, in bounded time, and the same way each time.
//!
//! Each target runs for `LEASEHOLD_FUZZ_SECONDS`, 20 if unset, from the seed `LEASEHOLD_FUZZ_SEED`, 1 if unset.
//! What fails is written into a file; put it into `corpus/` together with the mend, and it is tried first from
//! then on.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use leasehold_manifest::{
	compose,
	sdl::{self, Fault, Level, Sdl},
	totals, FileEntry, Manifest,
};
use rand::{seq::SliceRandom, Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::{
	convert::Infallible,
	panic::{catch_unwind, AssertUnwindSafe},
	path::{Path, PathBuf},
	sync::{Arc, Mutex},
	time::{Duration, Instant},
};

/// Longest input, bytes: what is found with more is found with less.
const LONGEST: usize = 64 << 10;
/// Nothing of that length takes longer, on the slowest of machines.
const HANGS: Duration = Duration::from_secs(10);

/// What files are made of, and what breaks readers.
const WORDS: &[&str] = &[
	"\n",
	" ",
	"  ",
	"\t",
	": ",
	"- ",
	"{",
	"}",
	"[",
	"]",
	",",
	"&a ",
	"*a",
	"<<: *a",
	"<<: ",
	"? ",
	"!!int ",
	"!!binary ",
	"---\n",
	"...\n",
	"# ",
	"|\n",
	">\n",
	"\"",
	"'",
	"\\",
	"~",
	"0",
	"-1",
	"1e999",
	".nan",
	"0x7f",
	"4294967295",
	"4294967296",
	"18446744073709551616",
	"340282366920938463463374607431768211456",
	"1e-9",
	"64Gi",
	"16777215Ti",
	"true",
	"version: \"2.1\"\n",
	"services: ",
	"count: ",
	"units: ",
	"size: ",
	"image: ",
	"expose: ",
	"port: ",
	"to: ",
	"global: true",
	"ip: ",
	"profile: ",
	"pricing: ",
	"denom: ",
	"amount: ",
	"params: ",
	"storage: ",
	"mount: /",
	"persistent: true",
	"class: beta3",
	"vendor: ",
	"nvidia: ",
	"depends_on: ",
	"x-leasehold: ",
	"kind: job",
	"inputs: ",
	"outputs: ",
	"max_duration: ",
	"wasm:",
	"..",
	"/",
	"\0",
	"\u{feff}",
	"\u{2028}",
	"日",
];

fn corpus(kind: &str) -> Vec<(PathBuf, Vec<u8>)> {
	let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(kind);
	let entries = std::fs::read_dir(&folder).unwrap();
	let mut files: Vec<_> = entries
		.map(|entry| entry.unwrap().path())
		.filter(|path| path.extension().is_none_or(|end| end != "hash"))
		.map(|path| (path.clone(), std::fs::read(path).unwrap()))
		.collect();
	assert!(!files.is_empty(), "{} is empty", folder.display());
	files.sort();
	files
}

/// A part of `0..length`, short more often than long.
fn part(rng: &mut ChaCha8Rng, length: usize) -> std::ops::Range<usize> {
	let from = rng.gen_range(0..=length);
	let most = (length - from).min(1 << rng.gen_range(0..12));
	from..from + rng.gen_range(0..=most)
}

/// Damages `input` once.
fn damage(rng: &mut ChaCha8Rng, input: &mut Vec<u8>, others: &[(PathBuf, Vec<u8>)]) {
	let at = rng.gen_range(0..=input.len());
	match rng.gen_range(0..9) {
		0 if at < input.len() => input[at] ^= 1 << rng.gen_range(0..8),
		1 if at < input.len() => input[at] = *[0, 1, 0x7f, 0x80, 0xff].choose(rng).unwrap(),
		2 => drop(input.drain(part(rng, input.len()))),
		3 => input.truncate(at),
		4 => {
			let word = WORDS.choose(rng).unwrap();
			input.splice(at..at, word.bytes());
		}
		5 => {
			let word = WORDS.choose(rng).unwrap().as_bytes();
			let times = 1usize << rng.gen_range(0..14);
			input.splice(at..at, word.repeat(times.min(LONGEST / word.len())));
		}
		6 => {
			let copy = input[part(rng, input.len())].to_vec();
			input.splice(at..at, copy);
		}
		7 => {
			let (_, other) = others.choose(rng).unwrap();
			let copy = other[part(rng, other.len())].to_vec();
			let gone = part(rng, input.len());
			input.splice(gone, copy);
		}
		_ => {
			let word = WORDS.choose(rng).unwrap();
			let gone = part(rng, input.len());
			input.splice(gone, word.bytes());
		}
	}
	input.truncate(LONGEST);
}

/// What is being tried, and since when.
type Trial = Arc<Mutex<Option<(Instant, Vec<u8>)>>>;

/// Ends the program if a trial takes for ever.
fn watch(name: &'static str, trial: &Trial) {
	let trial = Arc::downgrade(trial);
	std::thread::spawn(move || {
		while let Some(trial) = trial.upgrade() {
			if let Some((since, input)) = trial.lock().unwrap().as_ref() {
				if since.elapsed() > HANGS {
					println!("{name}: {} takes for ever", kept(name, input).display());
					std::process::abort();
				}
			}
			drop(trial);
			std::thread::sleep(Duration::from_secs(1));
		}
	});
}

/// Writes down what fails.
fn kept(name: &str, input: &[u8]) -> PathBuf {
	let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.failed"));
	std::fs::write(&path, input).unwrap();
	path
}

/// Tries the corpus as it is, then damaged. A target says whether it took what it was given.
fn fuzz(name: &'static str, corpus: &[(PathBuf, Vec<u8>)], target: impl Fn(&[u8]) -> bool) {
	let number = |name: &str| std::env::var(name).ok().map(|text| text.parse().unwrap());
	let time = Duration::from_secs(number("LEASEHOLD_FUZZ_SECONDS").unwrap_or(20));
	let seed: u64 = number("LEASEHOLD_FUZZ_SEED").unwrap_or(1);
	println!("{name}: seed {seed}");
	let trial = Trial::default();
	watch(name, &trial);
	let attempt = |input: &[u8]| {
		*trial.lock().unwrap() = Some((Instant::now(), input.to_vec()));
		let taken = catch_unwind(AssertUnwindSafe(|| target(input)));
		*trial.lock().unwrap() = None;
		taken.unwrap_or_else(|_| {
			panic!("{name}: {} fails, seed {seed}", kept(name, input).display())
		})
	};
	for (path, input) in corpus {
		println!("{name}: {}: {}", path.display(), attempt(input));
	}
	let mut rng = ChaCha8Rng::seed_from_u64(seed);
	let (started, mut tried, mut taken) = (Instant::now(), 0u64, 0u64);
	while started.elapsed() < time {
		let mut input = corpus.choose(&mut rng).unwrap().1.clone();
		for _ in 0..1 << rng.gen_range(0..5) {
			damage(&mut rng, &mut input, corpus);
		}
		tried += 1;
		taken += u64::from(attempt(&input));
	}
	println!("{name}: {tried} tried, {taken} taken");
	assert!(taken > 0, "most of the reader was never reached");
}

/// What the command line would hand in, with files of no content.
fn manifest(services: &[leasehold_manifest::Service<leasehold_manifest::LocalFile>]) -> Manifest {
	let file = |path: String| FileEntry {
		path,
		size: 0,
		sha256: [0; 32],
	};
	let services = services.iter().cloned().map(|service| {
		let Ok(service) = service.with_files(|local, _| Ok::<_, Infallible>(file(local.path)));
		service
	});
	Manifest {
		services: services.collect(),
	}
}

fn file(parse: fn(&str) -> (Option<Sdl>, Vec<Fault>), input: &[u8]) -> bool {
	let Ok(text) = std::str::from_utf8(input) else {
		return false;
	};
	let (sdl, faults) = parse(text);
	assert_eq!(parse(text), (sdl.clone(), faults.clone()));
	let refused = faults.iter().any(|fault| fault.level == Level::Error);
	assert_eq!(sdl.is_none(), refused, "{faults:?}");
	let lines = text.split(['\n', '\r']).count() + 1;
	for fault in &faults {
		assert!(
			(1..=lines).contains(&fault.line) && fault.column > 0,
			"{fault}"
		);
		assert!(!fault.key.is_empty() && !fault.reason.is_empty(), "{fault}");
		assert!(!fault.to_string().contains('\n'), "{fault}");
	}
	let Some(sdl) = sdl else { return false };
	for placement in &sdl.placements {
		let _ = totals(&placement.services);
		let manifest = manifest(&placement.services);
		// What the provider refuses is told before anything is paid for.
		let bytes = manifest.with_salt([7; 32]);
		if let Ok(opened) = Manifest::open(&bytes) {
			assert_eq!(opened, manifest);
			let _ = opened.can_be_run();
		}
	}
	true
}

#[test]
fn sdl_files() {
	fuzz("sdl", &corpus("corpus/sdl"), |input| {
		file(sdl::parse, input)
	});
}

#[test]
fn compose_files() {
	fuzz("compose", &corpus("corpus/compose"), |input| {
		file(compose::parse, input)
	});
}

#[test]
fn manifests() {
	let mut all = corpus("fixtures");
	all.extend(corpus("corpus/bytes"));
	fuzz("manifests", &all, |input| {
		let Ok(manifest) = Manifest::open(input) else {
			return false;
		};
		let salt = input[1..33].try_into().unwrap();
		let again = manifest.with_salt(salt);
		assert_eq!(Manifest::open(&again).as_ref(), Ok(&manifest));
		assert_eq!(manifest.in_order().unwrap().len(), manifest.services.len());
		let _ = manifest.totals();
		let _ = manifest.can_be_run();
		true
	});
}
