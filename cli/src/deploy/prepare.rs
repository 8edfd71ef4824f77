//! A manifest file with the files it names, and what is kept of a deployment on this disk.

use crate::{output::Failure, Context};
use leasehold_client::{Attribute, Resources};
use leasehold_manifest::{files, sdl, FileEntry, Level, Manifest, Sdl, Service};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// A manifest file with its files on this disk.
pub struct Prepared {
	pub sdl: Sdl,
	pub(super) manifest: Manifest,
	/// (place at the gateway, entry, file on this disk)
	pub(super) files: Vec<(String, FileEntry, PathBuf)>,
}

impl Prepared {
	/// What the order requires.
	pub fn requirements(&self) -> Result<(Resources, Vec<Attribute>), Failure> {
		let totals = self.manifest.totals().ok_or_else(|| {
			Failure::new(2, "the sums over all replicas overflow", "Ask for less.")
		})?;
		let resources = Resources {
			cpu: totals.cpu,
			memory: totals.memory,
			ephemeral: totals.storage,
			unit_cpu: totals.unit_cpu,
			unit_memory: totals.unit_memory,
			..Default::default()
		};
		let attributes = self
			.sdl
			.attributes
			.iter()
			.map(|(key, value)| {
				let bounded = |text: &str| text.as_bytes().to_vec().try_into().ok();
				Some(Attribute {
					key: bounded(key)?,
					value: bounded(value)?,
				})
			})
			.collect::<Option<_>>()
			.ok_or_else(|| Failure::new(2, "an attribute is too long", "Use at most 64 bytes."))?;
		Ok((resources, attributes))
	}
}

/// Reads a manifest file and the files it names; shows its faults.
pub fn understand(context: &Context, file: &Path) -> Result<Prepared, Failure> {
	let unreadable = |path: &Path, error: std::io::Error| {
		Failure::new(2, format!("{}: {error}", path.display()), "Check the path.")
	};
	let (sdl, faults) = sdl::read(file).map_err(|error| unreadable(file, error))?;
	for fault in &faults {
		let level = if fault.level == Level::Error {
			""
		} else {
			"warning: "
		};
		context
			.out
			.stage(format!("{level}{}:{fault}", file.display()));
	}
	let Some(sdl) = sdl else {
		let what = format!("{} cannot be used", file.display());
		return Err(Failure::new(2, what, "Correct the faults named above."));
	};
	let base = file.parent().unwrap_or(Path::new("."));
	let entry = |from: &str, path: String| {
		let disk = base.join(from);
		context.out.waiting(format!("reading {}", disk.display()));
		let (size, sha256) = files::digest(&disk).map_err(|error| {
			let what = format!("{}: {error}; {} names it", disk.display(), file.display());
			Failure::new(2, what, "Paths in the file are seen from its own folder.")
		})?;
		Ok::<_, Failure>((FileEntry { path, size, sha256 }, disk))
	};
	let name = Path::new(&sdl.module)
		.file_name()
		.and_then(|name| name.to_str())
		.unwrap_or("module.wasm")
		.to_owned();
	let (module, disk) = entry(&sdl.module, name)?;
	let mut files = vec![(format!("module/{}", module.path), module.clone(), disk)];
	let mut inputs = Vec::new();
	for input in &sdl.inputs {
		let (entry, disk) = entry(&input.from, input.path.clone())?;
		files.push((format!("in/{}", entry.path), entry.clone(), disk));
		inputs.push(entry);
	}
	let size = inputs
		.iter()
		.fold(module.size, |sum, file| sum.saturating_add(file.size));
	let room = u64::from(sdl.storage).saturating_mul(1 << 20);
	if size > room {
		return Err(Failure::new(
			2,
			format!("module and inputs have {size} bytes, the storage ordered has {room}"),
			"Order more storage: profiles.compute.*.resources.storage.size.",
		));
	}
	let manifest = Manifest {
		services: vec![Service {
			name: sdl.name.clone(),
			kind: sdl.kind,
			module,
			args: sdl.args.clone(),
			env: sdl.env.clone(),
			count: sdl.count,
			cpu: sdl.cpu,
			memory: sdl.memory,
			storage: sdl.storage,
			inputs,
			outputs: sdl.outputs.clone(),
			max_duration: sdl.max_duration.as_secs(),
			attempts: sdl.attempts,
		}],
	};
	context.out.done();
	Ok(Prepared {
		sdl,
		manifest,
		files,
	})
}

/// What is on disk before anything is signed, so that `--resume` can go on.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Deployment {
	pub version: u32,
	pub genesis: String,
	/// The manifest's bytes, hexadecimal.
	pub manifest: String,
	pub order: Option<u64>,
	/// (place at the gateway, file on this disk)
	pub files: Vec<(String, PathBuf)>,
}

impl Deployment {
	fn path(context: &Context, hash: &[u8; 32]) -> PathBuf {
		context
			.dir
			.join("deployments")
			.join(format!("{}.json", hex::encode(hash)))
	}

	pub fn bytes(&self) -> Vec<u8> {
		hex::decode(&self.manifest).unwrap_or_default()
	}

	pub fn save(&self, context: &Context) -> Result<(), Failure> {
		let path = Self::path(context, &Manifest::hash(&self.bytes()));
		let write = || -> std::io::Result<()> {
			use std::os::unix::fs::OpenOptionsExt as _;
			let folder = path.parent().unwrap_or(Path::new("."));
			std::fs::create_dir_all(folder)?;
			let part = path.with_extension("part");
			let mut options = std::fs::OpenOptions::new();
			// The environment may hold secrets.
			options.write(true).create(true).truncate(true).mode(0o600);
			let mut file = options.open(&part)?;
			serde_json::to_writer_pretty(&mut file, self)?;
			file.sync_all()?;
			std::fs::rename(&part, &path)
		};
		write().map_err(|error| {
			Failure::new(1, format!("{}: {error}", path.display()), "Check --dir.")
		})
	}

	/// The deployment of an order: by its number, or by its manifest's hash on chain, if the command
	/// ended before it had seen the number.
	pub fn of_order(
		context: &Context,
		order: u64,
		genesis: &str,
		hash: Option<[u8; 32]>,
	) -> Result<Self, Failure> {
		let folder = context.dir.join("deployments");
		std::fs::read_dir(&folder)
			.into_iter()
			.flatten()
			.flatten()
			.filter_map(|entry| std::fs::read(entry.path()).ok())
			.filter_map(|bytes| serde_json::from_slice::<Self>(&bytes).ok())
			.find(|deployment| {
				let by_hash =
					|| hash.is_some_and(|hash| Manifest::hash(&deployment.bytes()) == hash);
				deployment.genesis == genesis && (deployment.order == Some(order) || by_hash())
			})
			.map(|deployment| Self {
				order: Some(order),
				..deployment
			})
			.ok_or_else(|| {
				let what = format!(
					"no deployment of order {order} is kept in {}",
					folder.display()
				);
				Failure::new(2, what, "Its manifest is needed; name the right --dir.")
			})
	}
}
