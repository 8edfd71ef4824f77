//! The folders that a workload sees.

use super::{
	clear::remove_all,
	fault,
	measure::{measure, MAX_FILES},
	Attempt, ExecutorError,
};
use leasehold_manifest::{is_mount, Medium, Volume};
use std::{
	collections::BTreeSet,
	io::ErrorKind::NotFound,
	path::{Path, PathBuf},
	time::Duration,
};

/// What a workload sees at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
	/// In the workload.
	pub mount: String,
	pub from: Source,
	pub read_only: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
	/// A folder of the lease, or of the replica.
	Folder(String),
	/// MiB of memory.
	Memory(u32),
}

/// How long a service may take to make volumes smaller that were too large already as it started.
pub const SHRINK: Duration = Duration::from_secs(60);

/// They count as storage, with the log.
const FOLDERS: [&str; 4] = ["in", "out", "tmp", "declared"];
/// What is gone with an attempt.
const FLEETING: [&str; 4] = ["out", "tmp", "declared", VOLUMES];
/// Volumes that are gone with an attempt, and those that outlive it.
const VOLUMES: &str = "volumes";
const KEPT: &str = "kept";

/// Makes the folders anew, but for what the tenant has handed in and what outlives an attempt.
pub fn empty(attempt: &Attempt) -> Result<(), ExecutorError> {
	let wrong = fault("emptying the lease's folders");
	for name in FLEETING {
		match remove_all(&attempt.folder.join(name)) {
			Err(error) if error.kind() != NotFound => return Err(wrong(error)),
			_ => {}
		}
	}
	let input = attempt.folder.join("in");
	std::fs::create_dir_all(&input).map_err(&wrong)?;
	allow(&input, 0o755).map_err(&wrong)?;
	readable(&input).map_err(&wrong)
}

/// What a workload sees of the lease's folders and in memory; an error says what is wrong with what its image
/// declares as volumes, which would be room without a limit.
pub fn places(attempt: &Attempt, declared: &[String]) -> Result<Vec<Place>, String> {
	let place = |mount: &str, folder: String, read_only| Place {
		mount: mount.to_owned(),
		from: Source::Folder(folder),
		read_only,
	};
	let mut places = match attempt.is_job() {
		true => vec![
			place("/in", "in".into(), true),
			place("/out", "out".into(), false),
			place("/tmp", "tmp".into(), false),
		],
		false => Vec::new(),
	};
	let volumes = &attempt.service.unit.volumes;
	let own_tmp = volumes.iter().any(|v| {
		let mount = v.mount.as_deref().unwrap_or_default();
		mount.trim_end_matches('/') == "/tmp"
	});
	// An image has a place for what is in the way, if it may be written over; a module has none of its own.
	let has_place = attempt.service.module().is_none() && !attempt.service.read_only;
	if !attempt.is_job() && !has_place && !own_tmp {
		places.push(place("/tmp", "tmp".into(), false));
	}
	for volume in volumes {
		let Some(mount) = &volume.mount else { continue };
		let from = match volume.medium {
			Medium::Memory => Source::Memory(volume.size),
			_ => Source::Folder(folder_of(volume)),
		};
		places.push(Place {
			mount: mount.trim_end_matches('/').to_owned(),
			from,
			read_only: volume.read_only,
		});
	}
	for (n, mount) in declared.iter().enumerate() {
		let mount = mount.trim_end_matches('/');
		if places.iter().any(|place| place.mount == mount) {
			continue;
		}
		if !is_mount(mount) {
			return Err(format!("the image declares a volume at `{mount}`"));
		}
		places.push(place(mount, format!("declared/{n}"), false));
	}
	Ok(places)
}

/// Where a volume lies.
pub fn folder_of(volume: &Volume) -> String {
	match volume.medium {
		Medium::Persistent(_) => format!("{KEPT}/{}", volume.name),
		_ => format!("{VOLUMES}/{}", volume.name),
	}
}

/// Which volume that is kept holds more than its size, in the folder of a replica that may have had other ones.
pub fn too_large<'a>(folder: &Path, volumes: &'a [Volume]) -> Option<&'a Volume> {
	let mut kept = volumes
		.iter()
		.filter(|v| matches!(v.medium, Medium::Persistent(_)));
	kept.find(|volume| {
		let size = u64::from(volume.size).saturating_mul(1 << 20);
		measure(&folder.join(folder_of(volume))).0 > size
	})
}

/// Removes the volumes of a replica that it has no longer; the names of their folders.
pub fn keep_volumes(folder: &Path, volumes: &[Volume]) -> std::io::Result<Vec<String>> {
	let kept = volumes.iter().map(|v| folder.join(folder_of(v)));
	keep_only(&folder.join(KEPT), &kept.collect())
}

/// Removes all that is in a folder, if there is one, but these; the names of what is gone.
pub fn keep_only(folder: &Path, kept: &BTreeSet<PathBuf>) -> std::io::Result<Vec<String>> {
	let mut gone = Vec::new();
	let entries = match std::fs::read_dir(folder) {
		Err(error) if error.kind() == NotFound => return Ok(gone),
		entries => entries?,
	};
	for entry in entries {
		let entry = entry?;
		let path = entry.path();
		match entry.file_type()?.is_dir() {
			_ if kept.contains(&path) => continue,
			true => remove_all(&path)?,
			false => std::fs::remove_file(path)?,
		}
		gone.push(entry.file_name().to_string_lossy().into_owned());
	}
	Ok(gone)
}

/// Whether there is a volume that outlives an attempt.
pub fn has_kept(attempt: &Attempt) -> bool {
	attempt.folder.join(KEPT).exists()
}

/// Makes the folders, gives them to `root`, if the program's root is not this machine's, and lets the image's user,
/// whoever that is, write there. The folder around them keeps others out.
pub fn make(attempt: &Attempt, places: &[Place], root: Option<u32>) -> Result<(), ExecutorError> {
	let wrong = fault("making the lease's folders");
	for place in places {
		let Source::Folder(name) = &place.from else {
			continue;
		};
		let path = attempt.folder.join(name);
		let there = path.exists();
		std::fs::create_dir_all(&path).map_err(&wrong)?;
		// What outlives an attempt has been given to whom its program wants.
		if !there {
			std::os::unix::fs::chown(&path, root, root).map_err(&wrong)?;
			allow(&path, 0o777).map_err(&wrong)?;
		}
	}
	Ok(())
}

/// Bytes of each volume on disk.
pub fn sizes(folder: &Path, volumes: &[Volume]) -> Vec<u64> {
	let size = |volume: &Volume| measure(&folder.join(folder_of(volume))).0;
	on_disk(volumes).map(size).collect()
}

fn on_disk(volumes: &[Volume]) -> impl Iterator<Item = &Volume> {
	volumes.iter().filter(|v| v.medium != Medium::Memory)
}

/// Whether a volume on disk has outgrown its size, and what it may have in any case.
pub fn overfull(folder: &Path, volumes: &[Volume], had: &[u64]) -> bool {
	let had = had.iter().copied().chain(std::iter::repeat(0));
	on_disk(volumes).zip(had).any(|(volume, had)| {
		let (bytes, files) = measure(&folder.join(folder_of(volume)));
		let size = u64::from(volume.size).saturating_mul(1 << 20);
		// It may have been too large already, but not ever larger.
		let most = size.saturating_mul(2).saturating_add(16 << 20);
		bytes > size.max(had.min(most)) || files > MAX_FILES
	})
}

/// (bytes, files) that a workload takes in its folders, with its log or another's copy of that, whichever is longer,
/// and what it has beside.
pub fn used(folder: &Path, log: u64, beside: u64) -> (u64, u64) {
	let (logs, _) = measure(&folder.join("logs"));
	let begin = logs.max(log).saturating_add(beside);
	FOLDERS.iter().fold((begin, 0u64), |(bytes, files), name| {
		let (more, inside) = measure(&folder.join(name));
		(bytes.saturating_add(more), files.saturating_add(inside))
	})
}

fn allow(path: &Path, mode: u32) -> std::io::Result<()> {
	use std::os::unix::fs::PermissionsExt as _;
	std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
}

/// Lets everybody who gets there read what was handed in, whatever this process's mask is.
fn readable(folder: &Path) -> std::io::Result<()> {
	for entry in std::fs::read_dir(folder)? {
		let entry = entry?;
		if entry.file_type()?.is_dir() {
			allow(&entry.path(), 0o755)?;
			readable(&entry.path())?;
		} else {
			allow(&entry.path(), 0o644)?;
		}
	}
	Ok(())
}

#[cfg(test)]
mod tests {
	use super::*;
	use crate::executor::tests::attempt;
	use leasehold_manifest::Kind;

	#[test]
	fn only_volumes_that_are_no_longer_named_are_removed() {
		let folder = tempfile::tempdir().unwrap();
		let volume = |name: &str, medium| Volume {
			name: name.into(),
			size: 1,
			medium,
			mount: None,
			read_only: false,
		};
		let beta = || Medium::Persistent("beta2".into());
		keep_volumes(folder.path(), &[]).unwrap();
		for name in ["kept/data", "kept/old", "kept/tmp", "volumes/tmp"] {
			std::fs::create_dir_all(folder.path().join(name)).unwrap();
		}
		let volumes = [volume("data", beta()), volume("tmp", Medium::Ephemeral)];
		keep_volumes(folder.path(), &volumes).unwrap();
		let there = |name: &str| folder.path().join(name).exists();
		assert!(there("kept/data") && there("volumes/tmp"));
		assert_eq!(too_large(folder.path(), &volumes), None);
		let file = folder.path().join("kept/data/file");
		std::fs::write(file, vec![1; (1 << 20) + 1]).unwrap();
		assert_eq!(too_large(folder.path(), &volumes), volumes.first());
		assert!(!there("kept/old") && !there("kept/tmp"));
	}

	#[test]
	fn volumes_of_an_image_go_into_the_lease() {
		let job = attempt(Kind::Job);
		let declared = |paths: &[&str]| {
			let paths: Vec<String> = paths.iter().map(|path| (*path).to_owned()).collect();
			let found = places(&job, &paths)?;
			let folders = found.into_iter().skip(3).map(|place| match place.from {
				Source::Folder(folder) => (folder, place.mount),
				Source::Memory(_) => unreachable!(),
			});
			Ok::<Vec<_>, String>(folders.collect())
		};
		let pair = |n: u32, path: &str| (format!("declared/{n}"), path.to_owned());
		assert_eq!(declared(&[]), Ok(vec![]));
		let found = declared(&["/tmp", "/data/", "/var/lib/x"]);
		assert_eq!(found, Ok(vec![pair(1, "/data"), pair(2, "/var/lib/x")]));
		for wrong in ["data", "/", "/proc/x", "/a/../b", "/a:b", ""] {
			assert!(declared(&[wrong]).is_err(), "{wrong}");
		}
	}

	#[test]
	fn a_services_volumes_lie_where_they_live_as_long_as_they_should() {
		let mut service = attempt(Kind::Service);
		let volume = |name: &str, medium, mount: Option<&str>| Volume {
			name: name.into(),
			size: 3,
			medium,
			mount: mount.map(str::to_owned),
			read_only: false,
		};
		service.service.unit.volumes = vec![
			volume("db", Medium::Persistent("beta2".into()), Some("/data/")),
			volume("cache", Medium::Ephemeral, Some("/cache")),
			volume("shm", Medium::Memory, Some("/dev/shm")),
			volume("unused", Medium::Ephemeral, None),
		];
		let found = places(&service, &["/data".into(), "/more".into()]).unwrap();
		let found: Vec<_> = found.into_iter().map(|p| (p.mount, p.from)).collect();
		let at = |mount: &str, folder: &str| (mount.to_owned(), Source::Folder(folder.into()));
		assert_eq!(
			found,
			[
				at("/data", "kept/db"),
				at("/cache", "volumes/cache"),
				("/dev/shm".into(), Source::Memory(3)),
				at("/more", "declared/1"),
			]
		);
	}

	#[test]
	fn only_what_outlives_an_attempt_is_still_there_after_it() {
		let mut service = attempt(Kind::Service);
		let folder = tempfile::tempdir().unwrap();
		service.folder = folder.path().to_owned();
		let volume = |name: &str, medium| Volume {
			name: name.into(),
			size: 1,
			medium,
			mount: Some(format!("/{name}")),
			read_only: false,
		};
		let volumes = vec![
			volume("db", Medium::Persistent("beta2".into())),
			volume("cache", Medium::Ephemeral),
		];
		service.service.unit.volumes = volumes.clone();
		let found = places(&service, &[]).unwrap();
		make(&service, &found, None).unwrap();
		for name in ["kept/db/a", "volumes/cache/a"] {
			std::fs::write(folder.path().join(name), vec![1u8; 2 << 20]).unwrap();
		}
		let sizes = sizes(folder.path(), &volumes);
		assert!(sizes.iter().all(|size| *size >= 2 << 20), "{sizes:?}");
		assert!(overfull(folder.path(), &volumes, &[]));
		assert!(overfull(folder.path(), &volumes, &sizes[..1]));
		assert!(!overfull(folder.path(), &volumes, &sizes), "as it was");
		empty(&service).unwrap();
		make(&service, &found, None).unwrap();
		assert!(folder.path().join("kept/db/a").exists());
		assert!(!folder.path().join("volumes/cache/a").exists());
		assert!(!overfull(folder.path(), &volumes[1..], &[]));
	}
}
