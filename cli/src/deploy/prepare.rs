//! A manifest file with the files it names, and what is kept of a deployment on this disk.

use crate::{output::Failure, Context};
use leasehold_client::{
	primitives::{GpuUnits, GpuVendor, PersistentStorage},
	storage_class,
	view::OpenLease,
	AccountId32, Attribute, Resources, H256,
};
use leasehold_manifest::{files, sdl, FileEntry, Level, Manifest, Placement, Sdl, Service, Totals};
use serde::{Deserialize, Serialize};
use std::{
	path::{Path, PathBuf},
	time::Duration,
};

/// One placement of a manifest file, with its files on this disk.
pub struct Prepared {
	pub placement: Placement,
	/// Least notice before the provider may take its capacity back.
	pub(super) notice: Option<Duration>,
	pub(super) manifest: Manifest,
	/// (place at the gateway, entry, file on this disk)
	pub(super) files: Vec<(String, FileEntry, PathBuf)>,
}

/// The chain's resources for the sums of a manifest; what they cannot say is an error.
fn resources(totals: &Totals) -> Result<Resources, Failure> {
	let unsaid = |what: String| Failure::new(2, what, "Change the file.");
	let mut resources = Resources {
		cpu: totals.cpu,
		memory: totals.memory,
		ephemeral: totals.ephemeral,
		ports: totals.ports,
		ips: totals.ips,
		unit_cpu: totals.unit_cpu,
		unit_memory: totals.unit_memory,
		..Default::default()
	};
	for (class, size) in &totals.persistent {
		let class = storage_class(class)
			.ok_or_else(|| unsaid(format!("the storage class `{class}` is not known")))?;
		let alike = resources
			.persistent
			.iter_mut()
			.find(|one| one.class == class);
		let size = *size;
		let placed = match alike {
			Some(one) => one.size.checked_add(size).map(|sum| one.size = sum),
			None => resources
				.persistent
				.try_push(PersistentStorage { class, size })
				.ok(),
		};
		placed.ok_or_else(|| unsaid("too much persistent storage".into()))?;
	}
	for gpu in &totals.gpu {
		let model = match &gpu.model {
			Some(model) => {
				let model = model.to_ascii_lowercase().into_bytes().try_into();
				Some(model.map_err(|_| unsaid("a GPU's name is longer than 24 bytes".into()))?)
			}
			None => None,
		};
		let units = GpuUnits {
			vendor: match gpu.vendor.as_str() {
				"amd" => GpuVendor::Amd,
				_ => GpuVendor::Nvidia,
			},
			model,
			memory: (gpu.memory > 0).then_some(gpu.memory),
			units: gpu.units,
		};
		let pushed = resources.gpu.try_push(units);
		pushed.map_err(|_| unsaid("more than four sorts of GPUs".into()))?;
	}
	Ok(resources)
}

impl Prepared {
	/// What the order requires.
	pub fn requirements(&self) -> Result<(Resources, Vec<Attribute>), Failure> {
		let totals = self.manifest.totals().ok_or_else(|| {
			Failure::new(2, "the sums over all replicas overflow", "Ask for less.")
		})?;
		let image = |service: &Service| service.module().is_none();
		let container = (sdl::CONTAINER.to_owned(), "true".to_owned());
		let container = Some(&container).filter(|_| self.manifest.services.iter().any(image));
		let asked = &self.placement.attributes;
		let implied = container.filter(|(key, _)| asked.iter().all(|(asked, _)| asked != key));
		let attributes = asked
			.iter()
			.chain(implied)
			.map(|(key, value)| {
				let bounded = |text: &str| text.as_bytes().to_vec().try_into().ok();
				Some(Attribute {
					key: bounded(key)?,
					value: bounded(value)?,
				})
			})
			.collect::<Option<_>>()
			.ok_or_else(|| Failure::new(2, "an attribute is too long", "Use at most 64 bytes."))?;
		Ok((resources(&totals)?, attributes))
	}

	/// (any of, all of): the auditors whose word is asked for.
	pub(super) fn auditors(&self) -> Result<(Vec<AccountId32>, Vec<AccountId32>), Failure> {
		let accounts = |texts: &[String]| {
			texts
				.iter()
				.map(|text| {
					text.parse().map_err(|_| {
						let what = format!("`signedBy` names `{text}`, which is no address");
						Failure::new(2, what, "Name auditors of this chain.")
					})
				})
				.collect::<Result<Vec<AccountId32>, _>>()
		};
		let (any_of, all_of) = (
			accounts(&self.placement.any_of)?,
			accounts(&self.placement.all_of)?,
		);
		if any_of.is_empty() && all_of.is_empty() {
			if let Some((key, _)) = self
				.placement
				.attributes
				.iter()
				.find(|(k, _)| k == sdl::TEE)
			{
				let what = format!("`{key}` without an auditor is any provider's own word");
				let advice = "Name an auditor whom you trust: profiles.placement.*.signedBy.";
				return Err(Failure::new(2, what, advice));
			}
		}
		Ok((any_of, all_of))
	}
}

/// Reads a manifest file; shows its faults.
pub fn read(context: &Context, file: &Path) -> Result<Sdl, Failure> {
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
	sdl.ok_or_else(|| {
		let what = format!("{} cannot be used", file.display());
		Failure::new(2, what, "Correct the faults named above.")
	})
}

fn unreadable(path: &Path, error: std::io::Error) -> Failure {
	Failure::new(2, format!("{}: {error}", path.display()), "Check the path.")
}

/// Whether a file begins as modules and components do.
fn is_wasm(path: &Path) -> bool {
	use std::io::Read as _;
	let mut begin = [0; 4];
	let read = std::fs::File::open(path).and_then(|mut file| file.read_exact(&mut begin));
	read.is_ok() && begin == *b"\0asm"
}

/// Reads a placement of a manifest file, and the files that it names.
pub fn understand(
	context: &Context,
	file: &Path,
	placement: Option<&str>,
) -> Result<Prepared, Failure> {
	let sdl = read(context, file)?;
	let names: Vec<String> = sdl.placements.iter().map(|p| p.name.clone()).collect();
	let mut placements = sdl.placements;
	placements.retain(|found| placement.is_none_or(|name| found.name == name));
	let (Some(placement), None) = (placements.pop(), placements.pop()) else {
		let what = format!("{} has the placements {}", file.display(), names.join(", "));
		let advice = "Name one: --placement. Each is an order of its own.";
		return Err(Failure::new(2, what, advice));
	};
	let base = file.parent().unwrap_or(Path::new("."));
	let mut files = Vec::new();
	let mut services = Vec::new();
	for service in placement.services.clone() {
		let room = u64::from(service.unit.storage).saturating_mul(1 << 20);
		let service = service.with_files(|local, is_module| {
			let disk = base.join(&local.from);
			context.out.waiting(format!("reading {}", disk.display()));
			let (size, sha256) = files::digest(&disk).map_err(|error| {
				let what = format!("{}: {error}; {} names it", disk.display(), file.display());
				Failure::new(2, what, "Paths in the file are seen from its own folder.")
			})?;
			if is_module && !is_wasm(&disk) {
				let what = format!("{} is no WebAssembly module", disk.display());
				let advice =
					"Name the compiled file, as `cargo build --target wasm32-wasip1` writes it.";
				return Err(Failure::new(2, what, advice));
			}
			let path = local.path;
			let entry = FileEntry { path, size, sha256 };
			let place = if is_module { "module" } else { "in" };
			files.push((format!("{place}/{}", entry.path), entry.clone(), disk));
			Ok::<_, Failure>(entry)
		})?;
		let size = service
			.files()
			.fold(0u64, |sum, f| sum.saturating_add(f.size));
		if size > room {
			return Err(Failure::new(
				2,
				format!("module and inputs have {size} bytes, the storage ordered has {room}"),
				"Order more storage: profiles.compute.*.resources.storage.size.",
			));
		}
		services.push(service);
	}
	context.out.done();
	Ok(Prepared {
		placement,
		notice: sdl.notice,
		manifest: Manifest { services },
		files,
	})
}

impl Prepared {
	/// The manifest's bytes. What the provider would refuse is not signed for.
	pub(super) fn seal(&self) -> Result<Vec<u8>, Failure> {
		let sealed = self.manifest.seal();
		let bytes = sealed.map_err(|error| Failure::new(1, error.to_string(), ""))?;
		Manifest::open(&bytes)
			.map_err(|error| Failure::new(2, error.to_string(), "Change the file."))?;
		Ok(bytes)
	}

	/// (place at the gateway, file on this disk), wherever the next command is run.
	pub(super) fn on_disk(&self) -> Vec<(String, PathBuf)> {
		let files = self.files.iter().map(|(place, _, disk)| {
			let whole = std::path::absolute(disk).unwrap_or_else(|_| disk.clone());
			(place.clone(), whole)
		});
		files.collect()
	}

	/// Refuses what no provider runs yet.
	pub(super) fn can_be_run(&self) -> Result<(), Failure> {
		self.manifest.can_be_run().map_err(|what| {
			let advice = "`leasehold price FILE` shows what it would ask for. Nothing was sent.";
			Failure::new(2, what, advice)
		})
	}
}

/// What is on disk before anything is signed, so that `--resume` can go on.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Deployment {
	pub version: u32,
	pub genesis: String,
	/// The account that placed the order.
	pub account: String,
	/// The manifest's bytes, hexadecimal.
	pub manifest: String,
	pub order: Option<u64>,
	/// The lease that came of it, for when the chain does not know it any more.
	#[serde(default)]
	pub lease: Option<Leased>,
	/// (place at the gateway, file on this disk)
	pub files: Vec<(String, PathBuf)>,
}

/// A lease, and whom its gateway belongs to.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Leased {
	pub lease: u64,
	pub provider: u32,
	pub epoch: u32,
}

impl Leased {
	/// Of a lease that was deployed from here.
	pub fn known(context: &Context, genesis: H256, lease: u64) -> Option<Self> {
		let found = Deployment::of_lease(context, genesis, lease).next();
		found.map(|(known, _)| known)
	}

	/// Notes that grants of earlier epochs are void.
	pub fn revoked(context: &Context, genesis: H256, lease: u64, epoch: u32) {
		for (known, mut of) in Deployment::of_lease(context, genesis, lease) {
			of.lease = Some(Self { epoch, ..known });
			if let Err(failure) = of.save(context) {
				tracing::debug!(failure.what, "a deployment is not noted");
			}
		}
	}
}

impl From<&OpenLease> for Leased {
	fn from(lease: &OpenLease) -> Self {
		Self {
			lease: lease.id,
			provider: lease.provider,
			epoch: lease.epoch,
		}
	}
}

impl Deployment {
	/// All that are kept here.
	fn all(context: &Context) -> impl Iterator<Item = Self> {
		let entries = std::fs::read_dir(context.dir.join("deployments"));
		let all = entries.into_iter().flatten().flatten();
		all.filter_map(|entry| Self::read(&entry.path()))
	}

	/// All of which a lease has come.
	fn of_lease(
		context: &Context,
		genesis: H256,
		lease: u64,
	) -> impl Iterator<Item = (Leased, Self)> {
		let genesis = format!("{genesis:?}");
		Self::all(context)
			.filter(move |one| one.genesis == genesis)
			.filter_map(|one| Some((one.lease?, one)))
			.filter(move |(known, _)| known.lease == lease)
	}

	fn path(context: &Context, hash: &[u8; 32]) -> PathBuf {
		context
			.dir
			.join("deployments")
			.join(format!("{}.json", hex::encode(hash)))
	}

	fn read(path: &Path) -> Option<Self> {
		serde_json::from_slice(&std::fs::read(path).ok()?).ok()
	}

	/// The deployment of a manifest with this hash, if it is kept here.
	pub fn of_hash(context: &Context, hash: &[u8; 32]) -> Option<Self> {
		Self::read(&Self::path(context, hash))
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

	/// The deployment of an order: by its manifest's hash on chain; once the order is over, by its number.
	pub fn of_order(
		context: &Context,
		order: u64,
		(genesis, account): (&str, &str),
		hash: Option<[u8; 32]>,
	) -> Result<Self, Failure> {
		let folder = context.dir.join("deployments");
		let by_number = || {
			Self::all(context).find(|known| known.order == Some(order) && known.genesis == genesis)
		};
		// An order may have had several, one after the other.
		let found = match hash {
			Some(hash) => Self::of_hash(context, &hash).filter(|known| known.genesis == genesis),
			None => by_number(),
		};
		let found = found
			.map(|deployment| Self {
				order: Some(order),
				..deployment
			})
			.ok_or_else(|| {
				let what = format!(
					"no deployment of order {order} is kept in {}",
					folder.display()
				);
				let advice = "It is over (`leasehold leases --all` shows its lease), or its \
				              manifest is elsewhere: name the right --dir.";
				Failure::new(2, what, advice)
			})?;
		if found.account != account {
			let what = format!("order {order} is of another account: {}", found.account);
			return Err(Failure::new(2, what, "Name its account: --account."));
		}
		Ok(found)
	}
}
