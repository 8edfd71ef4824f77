//! What a job leaves in `/out`.

use crate::store::write_whole;
use leasehold_manifest::{files, result::Output};
use std::path::Path;

/// The results of a job that has ended with this attempt. Their digests are reckoned once: that takes as long as to
/// read them all.
pub fn kept(lease: &Path, attempt: u32, patterns: &[String]) -> std::io::Result<Vec<Output>> {
	let note = lease.join(format!("results-{attempt}.json"));
	let noted = std::fs::read(&note).ok();
	if let Some(found) = noted.and_then(|bytes| serde_json::from_slice(&bytes).ok()) {
		return Ok(found);
	}
	let folder = lease.join("out");
	if !folder.exists() {
		return Ok(Vec::new());
	}
	let found = outputs(&folder, patterns)?;
	// They are reckoned again where this cannot be kept.
	if let Err(error) = write_whole(&note, &serde_json::to_vec(&found)?) {
		tracing::debug!(%error, "the digests of results are not kept");
	}
	Ok(found)
}

/// A job's results: regular files below a folder that match a pattern. Links are not followed.
fn outputs(folder: &Path, patterns: &[String]) -> std::io::Result<Vec<Output>> {
	fn walk(
		root: &Path,
		below: &str,
		patterns: &[String],
		found: &mut Vec<Output>,
		depth: usize,
	) -> std::io::Result<()> {
		let Some(deeper) = depth.checked_sub(1) else {
			return Err(std::io::Error::other("folders are nested too deeply"));
		};
		for entry in std::fs::read_dir(root.join(below))? {
			let entry = entry?;
			let Ok(name) = entry.file_name().into_string() else {
				continue;
			};
			let path = if below.is_empty() {
				name
			} else {
				format!("{below}/{name}")
			};
			let kind = entry.file_type()?;
			if kind.is_dir() {
				walk(root, &path, patterns, found, deeper)?;
			} else if kind.is_file() && patterns.iter().any(|p| files::matches(p, &path)) {
				let (size, sha256) = files::digest(&entry.path())?;
				found.push(Output { path, size, sha256 });
			}
		}
		Ok(())
	}
	let mut found = Vec::new();
	walk(
		folder,
		"",
		patterns,
		&mut found,
		crate::executor::measure::MAX_DEPTH,
	)?;
	found.sort();
	Ok(found)
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn results_are_reckoned_once_for_each_attempt() {
		let lease = tempfile::tempdir().unwrap();
		let all = ["**".to_owned()];
		let of = |attempt| {
			let found = kept(lease.path(), attempt, &all).unwrap();
			found.into_iter().map(|one| one.size).collect::<Vec<_>>()
		};
		assert_eq!(of(1), [0; 0]);
		std::fs::create_dir(lease.path().join("out")).unwrap();
		std::fs::write(lease.path().join("out/a"), b"one").unwrap();
		assert_eq!(of(1), [3]);
		std::fs::write(lease.path().join("out/a"), b"three").unwrap();
		assert_eq!((of(1), of(2)), (vec![3], vec![5]));
		// One that cannot be read is made anew.
		std::fs::write(lease.path().join("results-1.json"), b"[{").unwrap();
		assert_eq!(of(1), [5]);
	}
}
