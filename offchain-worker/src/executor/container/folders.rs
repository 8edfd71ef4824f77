//! The folders of a lease that its container sees.

use super::held::unlinked;
use crate::executor::{fault, runner::measure, Attempt, ExecutorError};
use leasehold_manifest::is_mount;
use std::{io::ErrorKind::NotFound, path::Path};

/// They count as the lease's storage, with the log.
const FOLDERS: [&str; 4] = ["in", "out", "tmp", "volumes"];

/// Makes the lease's folders anew, but for what the tenant has handed in, and lets the image's user, whoever
/// that is, read and write there. The folder around them keeps others out.
pub fn empty(attempt: &Attempt) -> Result<(), ExecutorError> {
	let wrong = fault("emptying the lease's folders");
	let folder = &attempt.folder;
	for name in FOLDERS {
		let path = folder.join(name);
		if name != "in" {
			match std::fs::remove_dir_all(&path) {
				Err(error) if error.kind() != NotFound => return Err(wrong(error)),
				_ => {}
			}
		}
		std::fs::create_dir_all(&path).map_err(&wrong)?;
		allow(&path, if name == "in" { 0o755 } else { 0o777 }).map_err(&wrong)?;
	}
	readable(&folder.join("in")).map_err(&wrong)
}

/// (folder of the lease, path in the container) for what an image declares as volumes, which would be room without
/// a limit; an error says what is wrong with them.
pub fn volumes(declared: &[String]) -> Result<Vec<(String, String)>, String> {
	let own = ["/in", "/out", "/tmp"];
	let mounts = declared.iter().map(|mount| mount.trim_end_matches('/'));
	mounts
		.filter(|mount| !own.contains(mount))
		.enumerate()
		.map(|(n, mount)| match is_mount(mount) {
			true => Ok((format!("volumes/{n}"), mount.to_owned())),
			false => Err(format!("the image declares a volume at `{mount}`")),
		})
		.collect()
}

/// Makes the folders for volumes.
pub fn make(attempt: &Attempt, volumes: &[(String, String)]) -> Result<(), ExecutorError> {
	let wrong = fault("making the lease's folders");
	for (name, _) in volumes {
		let path = attempt.folder.join(name);
		std::fs::create_dir_all(&path).map_err(&wrong)?;
		allow(&path, 0o777).map_err(&wrong)?;
	}
	Ok(())
}

/// (bytes, files) that a lease takes whose container's first process is `pid`; the engine has a copy of its output
/// in `engine_log`, which may be ahead of the lease's log.
pub fn used(folder: &Path, pid: i32, engine_log: &Path) -> (u64, u64) {
	let engine_log = std::fs::metadata(engine_log).map_or(0, |meta| meta.len());
	let (logs, _) = measure(&folder.join("logs"));
	let begin = logs.max(engine_log).saturating_add(unlinked(pid, folder));
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

	#[test]
	fn volumes_of_an_image_go_into_the_lease() {
		let declared = |paths: &[&str]| {
			let paths: Vec<String> = paths.iter().map(|path| (*path).to_owned()).collect();
			volumes(&paths)
		};
		let pair = |n: u32, path: &str| (format!("volumes/{n}"), path.to_owned());
		assert_eq!(declared(&[]), Ok(vec![]));
		let found = declared(&["/tmp", "/data/", "/var/lib/x"]);
		assert_eq!(found, Ok(vec![pair(0, "/data"), pair(1, "/var/lib/x")]));
		for wrong in ["data", "/", "/proc/x", "/a/../b", "/a:b", ""] {
			assert!(declared(&[wrong]).is_err(), "{wrong}");
		}
	}
}
