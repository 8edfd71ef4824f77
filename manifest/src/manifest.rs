//! What the tenant hands to the provider: exact bytes whose hash is on chain.

use crate::{
	files::{is_safe_path, MAX_PATTERN, MAX_PATTERNS},
	result::blake2_256,
	Kind,
};
use codec::{Decode, Encode};

/// Version of the manifest's bytes.
const VERSION: u8 = 1;
/// Length of the salt.
const SALT: usize = 32;
/// Most attempts of a job.
pub const MAX_ATTEMPTS: u32 = 10;
/// Longest attempt of a job, seconds.
pub const MAX_SECONDS: u64 = 30 * 86_400;
/// Longest manifest, bytes.
pub const MAX_BYTES: usize = 1 << 20;

/// A file that the tenant hands in, named by its content.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct FileEntry {
	/// Relative to `/in`; for a module its name.
	pub path: String,
	/// Bytes.
	pub size: u64,
	pub sha256: [u8; 32],
}

/// One service of a manifest.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Service {
	pub name: String,
	pub kind: Kind,
	/// The WASM module.
	pub module: FileEntry,
	pub args: Vec<String>,
	pub env: Vec<(String, String)>,
	/// Replicas.
	pub count: u32,
	/// milli-CPU of one replica.
	pub cpu: u32,
	/// MiB of one replica.
	pub memory: u32,
	/// MiB of one replica; what module, inputs, outputs and logs count against.
	pub storage: u32,
	pub inputs: Vec<FileEntry>,
	/// Patterns of the files in `/out` that are results.
	pub outputs: Vec<String>,
	/// Seconds that one attempt may take.
	pub max_duration: u64,
	/// Attempts before the job counts as crashed.
	pub attempts: u32,
}

/// What to run.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Manifest {
	pub services: Vec<Service>,
}

/// Sums over all replicas.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
	/// milli-CPU.
	pub cpu: u32,
	/// MiB.
	pub memory: u32,
	/// MiB.
	pub storage: u32,
	/// milli-CPU of the largest replica.
	pub unit_cpu: u32,
	/// MiB of the largest replica.
	pub unit_memory: u32,
}

/// Why bytes are no manifest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
	/// Longer than [`MAX_BYTES`].
	#[error("the manifest is longer than {MAX_BYTES} bytes")]
	TooLong,
	/// The first byte names a version that this program does not know.
	#[error("manifest version {0} is not known to this program")]
	UnknownVersion(u8),
	/// Cut off or damaged.
	#[error("the manifest is malformed: {0}")]
	Malformed(&'static str),
	/// No random numbers for the salt.
	#[error("no random numbers: {0}")]
	NoRandomness(String),
}

impl Manifest {
	/// The manifest's bytes with a new salt: version, 32 random bytes, SCALE.
	pub fn seal(&self) -> Result<Vec<u8>, ManifestError> {
		let mut salt = [0u8; SALT];
		getrandom::fill(&mut salt)
			.map_err(|error| ManifestError::NoRandomness(error.to_string()))?;
		Ok(self.with_salt(salt))
	}

	/// The manifest's bytes with a given salt.
	pub fn with_salt(&self, salt: [u8; SALT]) -> Vec<u8> {
		let mut bytes = vec![VERSION];
		bytes.extend_from_slice(&salt);
		self.encode_to(&mut bytes);
		bytes
	}

	/// The hash that stands in the order: blake2-256 of the bytes as they are.
	pub fn hash(bytes: &[u8]) -> [u8; 32] {
		blake2_256(bytes)
	}

	/// Reads a manifest's bytes and checks what a daemon relies on.
	pub fn open(bytes: &[u8]) -> Result<Self, ManifestError> {
		if bytes.len() > MAX_BYTES {
			return Err(ManifestError::TooLong);
		}
		let (version, rest) = bytes
			.split_first()
			.ok_or(ManifestError::Malformed("it is empty"))?;
		if *version != VERSION {
			return Err(ManifestError::UnknownVersion(*version));
		}
		let mut body = rest
			.get(SALT..)
			.ok_or(ManifestError::Malformed("it is cut off"))?;
		let manifest = Self::decode(&mut body)
			.map_err(|_| ManifestError::Malformed("it is cut off or damaged"))?;
		if !body.is_empty() {
			return Err(ManifestError::Malformed("bytes follow its end"));
		}
		manifest.check()?;
		Ok(manifest)
	}

	fn check(&self) -> Result<(), ManifestError> {
		let malformed = |why| Err(ManifestError::Malformed(why));
		if self.services.is_empty() {
			return malformed("it has no service");
		}
		for service in &self.services {
			let files = service.inputs.iter().chain([&service.module]);
			if !files.clone().all(|file| is_safe_path(&file.path)) {
				return malformed("a file's path leaves its folder");
			}
			let mut paths: Vec<_> = service.inputs.iter().map(|file| &file.path).collect();
			paths.sort();
			if paths.windows(2).any(|pair| pair.first() == pair.last()) {
				return malformed("two inputs have the same path");
			}
			if service
				.env
				.iter()
				.any(|(k, v)| k.contains(['=', '\0']) || v.contains('\0'))
				|| service.args.iter().any(|arg| arg.contains('\0'))
			{
				return malformed("a variable or an argument contains a forbidden character");
			}
			if service.count == 0 || service.attempts == 0 || service.max_duration == 0 {
				return malformed("a count is 0");
			}
			if service.attempts > MAX_ATTEMPTS || service.max_duration > MAX_SECONDS {
				return malformed("too many attempts, or too long a time");
			}
			if service.outputs.len() > MAX_PATTERNS
				|| service
					.outputs
					.iter()
					.any(|pattern| pattern.len() > MAX_PATTERN)
			{
				return malformed("too many or too long patterns of outputs");
			}
			if service.name.len() > 63 || service.inputs.len() > 10_000 {
				return malformed("too long a name, or too many inputs");
			}
		}
		Ok(())
	}

	/// Sums over all replicas. `None` on overflow.
	pub fn totals(&self) -> Option<Totals> {
		self.services
			.iter()
			.try_fold(Totals::default(), |sum, service| {
				let times = |each: u32| each.checked_mul(service.count);
				Some(Totals {
					cpu: sum.cpu.checked_add(times(service.cpu)?)?,
					memory: sum.memory.checked_add(times(service.memory)?)?,
					storage: sum.storage.checked_add(times(service.storage)?)?,
					unit_cpu: sum.unit_cpu.max(service.cpu),
					unit_memory: sum.unit_memory.max(service.memory),
				})
			})
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use proptest::prelude::*;

	fn manifest() -> Manifest {
		let file = |path: &str| FileEntry {
			path: path.into(),
			size: 3,
			sha256: [9; 32],
		};
		Manifest {
			services: vec![Service {
				name: "render".into(),
				kind: Kind::Job,
				module: file("render.wasm"),
				args: vec!["scene.json".into()],
				env: vec![("QUALITY".into(), "high".into())],
				count: 1,
				cpu: 1_000,
				memory: 256,
				storage: 512,
				inputs: vec![file("scene.json")],
				outputs: vec!["**".into()],
				max_duration: 600,
				attempts: 3,
			}],
		}
	}

	#[test]
	fn bytes_of_version_1_are_still_read() {
		let fixture = include_bytes!("../fixtures/manifest-v1.bin");
		assert_eq!(Manifest::open(fixture), Ok(manifest()));
		assert_eq!(manifest().with_salt([7; 32]), fixture);
		assert_eq!(
			hex::encode(Manifest::hash(fixture)),
			include_str!("../fixtures/manifest-v1.hash").trim()
		);
	}

	#[test]
	fn each_sealing_has_another_hash() {
		let (a, b) = (manifest().seal().unwrap(), manifest().seal().unwrap());
		assert_ne!(Manifest::hash(&a), Manifest::hash(&b));
		assert_eq!(Manifest::open(&a), Manifest::open(&b));
	}

	#[test]
	fn damaged_bytes_are_refused() {
		let good = manifest().with_salt([7; 32]);
		for length in 0..good.len() {
			assert!(Manifest::open(&good[..length]).is_err(), "cut at {length}");
		}
		let mut longer = good.clone();
		longer.push(0);
		assert_eq!(
			Manifest::open(&longer),
			Err(ManifestError::Malformed("bytes follow its end"))
		);
		let mut newer = good.clone();
		newer[0] = 2;
		assert_eq!(
			Manifest::open(&newer),
			Err(ManifestError::UnknownVersion(2))
		);
		assert_eq!(
			Manifest::open(&vec![1; MAX_BYTES + 1]),
			Err(ManifestError::TooLong)
		);
	}

	#[test]
	fn a_manifest_that_would_leave_its_folder_is_refused() {
		let refused = |edit: fn(&mut Service)| {
			let mut bad = manifest();
			edit(&mut bad.services[0]);
			assert!(Manifest::open(&bad.with_salt([0; 32])).is_err());
		};
		refused(|s| s.inputs[0].path = "../x".into());
		refused(|s| s.module.path = "/etc/passwd".into());
		refused(|s| s.inputs.push(s.inputs[0].clone()));
		refused(|s| s.env[0].0 = "A=B".into());
		refused(|s| s.args[0] = "a\0b".into());
		refused(|s| s.count = 0);
		refused(|s| s.attempts = 0);
		assert!(Manifest::open(&Manifest { services: vec![] }.with_salt([0; 32])).is_err());
	}

	#[test]
	fn totals_do_not_wrap() {
		let mut big = manifest();
		big.services[0].count = 2;
		assert_eq!(big.totals().unwrap().cpu, 2_000);
		assert_eq!(big.totals().unwrap().unit_cpu, 1_000);
		big.services[0].count = u32::MAX;
		assert_eq!(big.totals(), None);
	}

	proptest! {
		#[test]
		fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
			let _ = Manifest::open(&bytes);
		}
	}
}
