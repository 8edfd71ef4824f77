//! What a job leaves in `/out`.

use leasehold_manifest::{files, result::Output};
use std::path::Path;

/// A job's results: regular files below a folder that match a pattern. Links are not followed.
pub fn outputs(folder: &Path, patterns: &[String]) -> std::io::Result<Vec<Output>> {
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
