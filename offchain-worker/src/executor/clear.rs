//! Removes what workloads have left behind, however deep they have nested it: nothing here recurses, and two folders are
//! open at a time.

use cap_std::{ambient_authority, fs::Dir};
use std::{io, path::Path};

/// Empties a folder. What is in a folder in it is moved up first, so that each is one level deep when it goes. It may
/// go on for as long as `goes_on` says: whoever can write there may add to it all the time.
pub fn empty(top: &Dir, goes_on: &mut dyn FnMut() -> io::Result<()>) -> io::Result<()> {
	// Another life may have moved some, and have come no further.
	let mut mark = [0u8; 8];
	getrandom::fill(&mut mark).map_err(|error| io::Error::other(error.to_string()))?;
	let (mark, mut moved) = (hex::encode(mark), 0u64);
	loop {
		let mut is_empty = true;
		for entry in top.entries()? {
			goes_on()?;
			is_empty = false;
			let entry = entry?;
			let name = entry.file_name();
			if !entry.file_type()?.is_dir() {
				gone(top.remove_file(&name))?;
				continue;
			}
			let inner = match top.open_dir(&name) {
				Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
				inner => inner?,
			};
			for entry in inner.entries()? {
				goes_on()?;
				let entry = entry?;
				let below = entry.file_name();
				if entry.file_type()?.is_dir() {
					moved = moved.saturating_add(1);
					gone(inner.rename(&below, top, format!(".removed-{mark}-{moved}")))?;
				} else {
					gone(inner.remove_file(&below))?;
				}
			}
			drop(inner);
			match top.remove_dir(&name) {
				// Something was added to it meanwhile: it is looked at again.
				Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {}
				removed => gone(removed)?,
			}
		}
		if is_empty {
			return Ok(());
		}
	}
}

/// What is there no more need not be removed.
fn gone(removed: io::Result<()>) -> io::Result<()> {
	match removed {
		Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
		removed => removed,
	}
}

/// Removes a folder and all that is in it; of a link the link.
pub fn remove_all(path: &Path) -> io::Result<()> {
	if !std::fs::symlink_metadata(path)?.is_dir() {
		return std::fs::remove_file(path);
	}
	empty(
		&Dir::open_ambient_dir(path, ambient_authority())?,
		&mut || Ok(()),
	)?;
	std::fs::remove_dir(path)
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn what_is_nested_without_end_is_removed_with_little() {
		let around = tempfile::tempdir().unwrap();
		let root = around.path().join("root");
		std::fs::create_dir(&root).unwrap();
		std::fs::write(around.path().join("kept"), "kept").unwrap();
		let mut at = Dir::open_ambient_dir(&root, ambient_authority()).unwrap();
		// Deeper than paths are long, and than a stack of recursion may be.
		for n in 0..20_000 {
			at.create_dir("d").unwrap();
			if n % 1_000 == 0 {
				at.write("file", "x").unwrap();
				std::os::unix::fs::symlink("../../kept", root.join(format!("link-{n}"))).unwrap();
			}
			at = at.open_dir("d").unwrap();
		}
		drop(at);
		let small = std::thread::Builder::new().stack_size(64 << 10);
		let removed = small.spawn(move || remove_all(&root).map(|()| root.exists()));
		assert!(!removed.unwrap().join().unwrap().unwrap());
		assert!(around.path().join("kept").exists());
		assert!(remove_all(&around.path().join("none")).is_err());
	}
}
