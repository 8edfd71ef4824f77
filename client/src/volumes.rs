//! Files of services that run: what the gateway and its clients tell each other.
//!
//! What is in a volume goes by the path that the service sees it at. A folder travels as a tar stream in the order of
//! [`Entry::path`], part by part, so that whoever was cut off goes on at a path and a byte. What is put is announced
//! first: the [`Entry`]s, over whose SHA-256 the request is signed, are the first file of the stream.

use serde::{Deserialize, Serialize};
use std::{
	cmp::Ordering,
	io::{self, Read},
};

/// The name of a stream's first file: what comes in it.
pub const ANNOUNCED: &str = ".leasehold-announced";
/// Most bytes of what is announced. What is more goes in several streams.
pub const MAX_ANNOUNCED: usize = 4 << 20;
/// Longest name in a stream, bytes.
const MAX_NAME: u64 = 4_096;
/// Most entries that are told of.
pub const MAX_LISTED: usize = 100_000;
/// The field of an answer's head that says whether a `folder` or a `file` was asked for.
pub const ASKED_FOR: &str = "leasehold-kind";
/// Deepest nesting of folders.
pub const MAX_DEPTH: usize = 64;

/// A volume of a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Volume {
	pub service: String,
	pub replicas: u32,
	pub name: String,
	/// Where the service sees it.
	pub path: String,
	pub size_mib: u32,
	/// Whether it outlives a restart.
	pub persistent: bool,
}

/// What something in a volume is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
	File,
	Folder,
	/// A link; nobody follows it.
	Link,
	/// A pipe, a socket, or what has a name that cannot be told.
	Other,
}

/// Something in a volume.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
	/// Below the folder that was asked for; of a file that was asked for, its name.
	pub path: String,
	pub kind: Kind,
	/// Bytes of a file.
	pub size: u64,
	/// Who may read, write and run it.
	pub mode: u32,
	/// Unix seconds.
	pub modified: u64,
	/// Of a file, in hexadecimal, where it was asked for.
	#[serde(default, skip_serializing_if = "Option::is_none")]
	pub sha256: Option<String>,
}

/// What of the announced is there already, and what room there is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
	/// Bytes of each, in the order announced; `None`: nothing. Who has all of a file has it with that digest.
	pub had: Vec<Option<u64>>,
}

/// What has become of what was put.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Put {
	pub files: u64,
	pub bytes: u64,
}

/// The order in which entries travel: a folder before what is in it.
pub fn order(a: &str, b: &str) -> Ordering {
	a.split('/').cmp(b.split('/'))
}

/// What comes in a tar stream of somebody who is not trusted: names are bounded, and nothing but files and folders is
/// taken.
pub struct Coming<'a, R: Read>(tar::Entries<'a, R>);

impl<'a, R: Read> Coming<'a, R> {
	pub fn of(archive: &'a mut tar::Archive<R>) -> io::Result<Self> {
		Ok(Self(archive.entries()?.raw(true)))
	}

	/// The next one, with its name.
	pub fn next_one(&mut self) -> io::Result<Option<(String, tar::Entry<'a, R>)>> {
		let strange = |why: &str| io::Error::new(io::ErrorKind::InvalidData, why);
		let mut long: Option<Vec<u8>> = None;
		for entry in self.0.by_ref() {
			let entry = entry?;
			match entry.header().entry_type() {
				tar::EntryType::GNULongName if long.is_none() && entry.size() <= MAX_NAME => {
					let mut name = Vec::new();
					entry.take(MAX_NAME).read_to_end(&mut name)?;
					while name.last() == Some(&0) {
						name.pop();
					}
					long = Some(name);
				}
				tar::EntryType::Regular | tar::EntryType::Directory => {
					let name = long.unwrap_or_else(|| entry.path_bytes().into_owned());
					let name = String::from_utf8(name).map_err(|_| strange("a name is no text"))?;
					return Ok(Some((name.trim_end_matches('/').to_owned(), entry)));
				}
				_ => return Err(strange("it has what is neither a file nor a folder")),
			}
		}
		Ok(None)
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn a_folder_comes_before_what_is_in_it_and_whole() {
		let mut paths = ["a.txt", "a/b", "a", "b", "a/b/c", "a-b"];
		paths.sort_by(|a, b| order(a, b));
		assert_eq!(paths, ["a", "a/b", "a/b/c", "a-b", "a.txt", "b"]);
	}

	#[test]
	fn a_stream_tells_names_of_any_length_and_nothing_but_files_and_folders() {
		let header = |kind, size| {
			let mut header = tar::Header::new_gnu();
			header.set_entry_type(kind);
			header.set_size(size);
			header
		};
		let read = |bytes: &[u8]| {
			let mut archive = tar::Archive::new(bytes);
			let mut coming = Coming::of(&mut archive)?;
			let mut all = Vec::new();
			while let Some((name, mut entry)) = coming.next_one()? {
				let mut text = String::new();
				entry.read_to_string(&mut text)?;
				all.push((name, text));
			}
			io::Result::Ok(all)
		};
		let long = ["x".repeat(200), "y".repeat(250)].join("/");
		let mut archive = tar::Builder::new(Vec::new());
		let folder = &mut header(tar::EntryType::Directory, 0);
		archive.append_data(folder, "folder", io::empty()).unwrap();
		for name in ["a", &long] {
			let file = &mut header(tar::EntryType::Regular, 2);
			archive.append_data(file, name, &b"ok"[..]).unwrap();
		}
		let bytes = archive.into_inner().unwrap();
		let pair = |name: &str, text: &str| (name.to_owned(), text.to_owned());
		let all = [pair("folder", ""), pair("a", "ok"), pair(&long, "ok")];
		assert_eq!(read(&bytes).unwrap(), all);
		assert!(
			read(&bytes[..bytes.len() - 1_600]).is_err(),
			"it is cut off"
		);

		let mut archive = tar::Builder::new(Vec::new());
		let link = &mut header(tar::EntryType::Symlink, 0);
		archive.append_link(link, "a", "/etc").unwrap();
		assert!(read(&archive.into_inner().unwrap()).is_err());

		let mut archive = tar::Builder::new(Vec::new());
		let mut endless = header(tar::EntryType::GNULongName, 1 << 40);
		endless.set_cksum();
		archive
			.append(&endless, io::repeat(b'x').take(1 << 16))
			.unwrap();
		assert!(read(&archive.into_inner().unwrap()).is_err());
	}
}
