//! Inputs that are damaged at random.

use rand::{seq::SliceRandom, Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::{
	panic::{catch_unwind, AssertUnwindSafe},
	path::{Path, PathBuf},
	sync::{Arc, Mutex},
	time::{Duration, Instant},
};

/// Longest input, bytes: what is found with more is found with less.
const LONGEST: usize = 64 << 10;
/// Nothing of that length takes longer, on the slowest of machines.
const HANGS: Duration = Duration::from_secs(10);

/// An input, and the file that it is of.
pub type Input = (PathBuf, Vec<u8>);

/// The files of a folder, seen from this crate's.
pub fn corpus(folder: &str) -> Vec<Input> {
	let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
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
fn damage(rng: &mut ChaCha8Rng, input: &mut Vec<u8>, words: &[&str], others: &[Input]) {
	let at = rng.gen_range(0..=input.len());
	match rng.gen_range(0..9) {
		0 if at < input.len() => input[at] ^= 1 << rng.gen_range(0..8),
		1 if at < input.len() => input[at] = *[0, 1, 0x7f, 0x80, 0xff].choose(rng).unwrap(),
		2 => drop(input.drain(part(rng, input.len()))),
		3 => input.truncate(at),
		4 => {
			let word = words.choose(rng).unwrap();
			input.splice(at..at, word.bytes());
		}
		5 => {
			let word = words.choose(rng).unwrap().as_bytes();
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
			let word = words.choose(rng).unwrap();
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

/// Tries the corpus as it is, then damaged, also by words that break readers. A target says whether it took what it was
/// given.
pub fn fuzz(name: &'static str, words: &[&str], corpus: &[Input], target: impl Fn(&[u8]) -> bool) {
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
			damage(&mut rng, &mut input, words, corpus);
		}
		tried += 1;
		taken += u64::from(attempt(&input));
	}
	println!("{name}: {tried} tried, {taken} taken");
	assert!(taken > 0, "most of the reader was never reached");
}
