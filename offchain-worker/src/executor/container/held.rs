//! Room that files take which have no name any more.

use crate::executor::measure::on_disk;
use std::{
	collections::HashSet,
	fs::Metadata,
	os::unix::fs::MetadataExt as _,
	path::{Path, PathBuf},
};

/// Bytes of files without a name, on the disk of `folder`, that a container's processes hold open or mapped.
/// The processes are those in the control group of its first one, whatever namespaces they have made.
pub fn unlinked(first: i32, folder: &Path) -> u64 {
	let group = |process: &Path| std::fs::read_to_string(process.join("cgroup")).ok();
	let space = |process: &Path| std::fs::read_link(process.join("ns/pid")).ok();
	if first <= 1 {
		return 0;
	}
	let ours = PathBuf::from(format!("/proc/{first}"));
	let (Some(group_of_it), Ok(disk)) = (group(&ours), std::fs::metadata(folder)) else {
		return 0;
	};
	// What is written over the image may lie on another disk.
	let root = std::fs::metadata(ours.join("root")).map_or(disk.dev(), |root| root.dev());
	// An engine may leave its containers in its own group.
	let shared = group(Path::new("/proc/self")).as_ref() == Some(&group_of_it);
	let space_of_it = space(&ours);
	let belongs = |process: &Path| match shared {
		true => space(process) == space_of_it,
		false => group(process).as_ref() == Some(&group_of_it),
	};
	let (mut seen, mut sum) = (HashSet::new(), 0u64);
	let mut count = |meta: Metadata| {
		let nameless =
			meta.is_file() && meta.nlink() == 0 && [disk.dev(), root].contains(&meta.dev());
		if nameless && seen.insert(meta.ino()) {
			sum = sum.saturating_add(on_disk(&meta));
		}
	};
	let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
	for process in processes
		.map(|entry| entry.path())
		.filter(|path| belongs(path))
	{
		for held in ["fd", "map_files"] {
			let held = std::fs::read_dir(process.join(held));
			for file in held.into_iter().flatten().flatten() {
				if let Ok(meta) = std::fs::metadata(file.path()) {
					count(meta);
				}
			}
		}
	}
	sum
}
