//! What a workload takes of the disk.

use std::path::Path;

/// Most files that a job, or a volume, may have.
pub const MAX_FILES: u64 = 100_000;

/// Deepest nesting of a job's folders, and of a volume's.
pub use leasehold_client::volumes::MAX_DEPTH;

/// Bytes that an entry counts for at least: a name takes room, too.
pub const ENTRY: u64 = 4_096;

/// Bytes that a file counts for: what it says, or what it takes if that is more.
pub fn on_disk(meta: &std::fs::Metadata) -> u64 {
	use std::os::unix::fs::MetadataExt as _;
	meta.len().max(meta.blocks().saturating_mul(512))
}

/// Bytes and entries below a folder; links are not followed. What cannot be measured, or is nested
/// too deeply, counts as endless.
pub fn measure(folder: &Path) -> (u64, u64) {
	measure_to(folder, MAX_DEPTH).unwrap_or((u64::MAX, u64::MAX))
}

fn measure_to(folder: &Path, depth: usize) -> Option<(u64, u64)> {
	use std::io::ErrorKind::NotFound;
	let entries = match std::fs::read_dir(folder) {
		Ok(entries) => entries,
		Err(error) if error.kind() == NotFound => return Some((0, 0)),
		Err(_) => return None,
	};
	let (mut bytes, mut files) = (0u64, 0u64);
	for entry in entries {
		let path = entry.ok()?.path();
		let (more, inside) = match std::fs::symlink_metadata(&path) {
			Ok(meta) if meta.is_dir() => measure_to(&path, depth.checked_sub(1)?)?,
			Ok(meta) => (on_disk(&meta), 0),
			Err(error) if error.kind() == NotFound => (0, 0),
			Err(_) => return None,
		};
		bytes = bytes.saturating_add(more.max(ENTRY));
		files = files.saturating_add(inside).saturating_add(1);
	}
	Some((bytes, files))
}
