//! Files of services that run, as their provider's gateway has them.

use super::{away, bounded, encoded, reason, shown, Gateway};
use crate::output::Failure;
use futures::StreamExt as _;
use leasehold_client::{
	access::EMPTY,
	query::{self, How, Want},
	volumes::{Entry, Kind, Plan, Put, Volume, ASKED_FOR, MAX_LISTED},
};
use leasehold_manifest::files::is_safe_path;
use reqwest::{header::HeaderMap, Body, Method, Response};
use serde::{de::DeserializeOwned, Deserialize};
use sha2::{Digest as _, Sha256};

/// Longest line about a file, and all names in them, bytes.
const MAX_LINE: usize = 16 << 10;
const MAX_NAMES: usize = 64 << 20;

/// What stands in a line.
#[derive(Deserialize)]
#[serde(untagged)]
enum Line {
	Entry(Entry),
	Error { error: String },
}

fn strange(what: &str) -> Failure {
	let what = format!(
		"the provider tells of files what cannot be: {}",
		shown(what)
	);
	Failure::new(5, what, "Do not trust this provider.")
}

/// A path in a replica.
#[derive(Clone, Debug)]
pub struct Place {
	pub service: String,
	pub replica: u32,
	/// From the root on.
	pub path: String,
}

impl std::fmt::Display for Place {
	fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
		write!(f, "{}:{}", self.service, self.path)
	}
}

impl Gateway {
	fn place(&self, place: &Place) -> String {
		let (service, replica) = (&place.service, place.replica);
		let path = encoded(place.path.trim_matches('/'));
		let lease = self.lease;
		format!("/v1/leases/{lease}/volumes/{service}/{replica}/{path}")
	}

	/// A short answer.
	pub(super) async fn read<T: DeserializeOwned>(&self, answer: Response) -> Result<T, Failure> {
		let bytes = bounded(answer).await;
		let bytes = bytes.map_err(|why| away(&self.door().url, &why))?;
		serde_json::from_slice(&bytes).map_err(|error| strange(&error.to_string()))
	}

	/// The volumes of the lease's services.
	pub async fn volumes(&self) -> Result<Vec<Volume>, Failure> {
		let path = self.path("volumes");
		let none = HeaderMap::new();
		let answer = self.request(Method::GET, &path, EMPTY, none, None).await?;
		self.read(answer).await
	}

	/// What there is at a path, and whether that is a folder.
	pub async fn entries(
		&self,
		place: &Place,
		is_deep: bool,
		with_digests: bool,
	) -> Result<(Vec<Entry>, bool), Failure> {
		let want = Want {
			list: true,
			recursive: is_deep,
			digests: with_digests,
			..Want::default()
		};
		let path = query::with(&self.place(place), &want);
		let none = HeaderMap::new();
		let answer = self.request(Method::GET, &path, EMPTY, none, None).await?;
		let of_folder = answer
			.headers()
			.get(ASKED_FOR)
			.is_some_and(|kind| kind == "folder");
		let mut stream = answer.bytes_stream();
		let (mut rest, mut entries, mut bytes) = (Vec::new(), Vec::new(), 0usize);
		while let Some(chunk) = stream.next().await {
			let chunk = chunk.map_err(|error| away(&self.door().url, &reason(&error)))?;
			for byte in chunk {
				if byte != b'\n' {
					rest.push(byte);
					if rest.len() > MAX_LINE {
						return Err(strange("a line is too long"));
					}
					continue;
				}
				let line: Line =
					serde_json::from_slice(&rest).map_err(|error| strange(&error.to_string()))?;
				let entry = match line {
					Line::Entry(entry) => entry,
					Line::Error { error } => {
						let what = format!("{place}: {}", shown(&error));
						return Err(Failure::new(5, what, "Name a part of it."));
					}
				};
				let travels = matches!(entry.kind, Kind::File | Kind::Folder);
				let is_known = !with_digests || entry.kind != Kind::File || entry.sha256.is_some();
				// The provider is not trusted with where files go on this machine.
				if (travels && !is_safe_path(&entry.path)) || !is_known {
					return Err(strange(&format!("{:?}", entry.path)));
				}
				bytes = bytes.saturating_add(entry.path.len());
				if entries.len() >= MAX_LISTED || bytes > MAX_NAMES {
					return Err(strange("there are too many"));
				}
				entries.push(entry);
				rest.clear();
			}
		}
		match rest.is_empty() {
			true => Ok((entries, of_folder)),
			false => Err(away(&self.door().url, "the answer is cut off")),
		}
	}

	/// A stream of what there is at a path, from an entry and a byte of it on.
	pub async fn files_from(
		&self,
		place: &Place,
		(at, from): (&str, u64),
	) -> Result<Response, Failure> {
		let want = Want {
			at: at.to_owned(),
			from,
			..Want::default()
		};
		let path = query::with(&self.place(place), &want);
		let none = HeaderMap::new();
		self.request(Method::GET, &path, EMPTY, none, None).await
	}

	/// What of the announced files is at a path already.
	pub async fn plan(&self, place: &Place, announced: &[u8]) -> Result<Plan, Failure> {
		let path = query::with(&self.place(place), &How { plan: true });
		let digest = hex::encode(Sha256::digest(announced));
		let (none, body) = (HeaderMap::new(), Body::from(announced.to_vec()));
		let answer = self
			.request(Method::PUT, &path, &digest, none, Some(body))
			.await?;
		self.read(answer).await
	}

	/// Puts a stream of the announced files there.
	pub async fn put_files(
		&self,
		place: &Place,
		announced: &[u8],
		stream: Body,
	) -> Result<Put, Failure> {
		let path = query::with(&self.place(place), &How { plan: false });
		let digest = hex::encode(Sha256::digest(announced));
		let none = HeaderMap::new();
		let answer = self
			.request(Method::PUT, &path, &digest, none, Some(stream))
			.await?;
		self.read(answer).await
	}

	/// Removes a file, or a folder with all that is in it.
	pub async fn remove_files(&self, place: &Place) -> Result<(), Failure> {
		let path = self.place(place);
		let none = HeaderMap::new();
		let removed = self.request(Method::DELETE, &path, EMPTY, none, None).await;
		removed.map(|_| ())
	}
}
