//! Files of services that run, as their provider's gateway has them.

use super::{away, reason, Gateway};
use crate::output::Failure;
use futures::StreamExt as _;
use leasehold_client::{
	access::EMPTY,
	volumes::{Entry, Kind, Plan, Put, Volume, MAX_ENTRIES},
};
use leasehold_manifest::files::is_safe_path;
use reqwest::{header::HeaderMap, Body, Method, Response};
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};

/// Longest line about a file, bytes.
const MAX_LINE: usize = 16 << 10;

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

/// As it stands in an address.
fn encoded(text: &str) -> String {
	let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.~/".contains(&b);
	let each = text.bytes().map(|b| match plain(b) {
		true => char::from(b).to_string(),
		false => format!("%{b:02X}"),
	});
	each.collect()
}

impl Gateway {
	fn place(&self, place: &Place, query: &str) -> String {
		let (service, replica) = (&place.service, place.replica);
		let path = encoded(place.path.trim_matches('/'));
		let lease = self.lease;
		format!("/v1/leases/{lease}/volumes/{service}/{replica}/{path}?{query}")
	}

	async fn read<T: DeserializeOwned>(&self, answer: Response) -> Result<T, Failure> {
		let read = answer.json().await;
		read.map_err(|error| away(&self.door().url, &reason(&error)))
	}

	/// The volumes of the lease's services.
	pub async fn volumes(&self) -> Result<Vec<Volume>, Failure> {
		let path = self.path("volumes");
		let none = HeaderMap::new();
		let answer = self.request(Method::GET, &path, EMPTY, none, None).await?;
		self.read(answer).await
	}

	/// What there is at a path.
	pub async fn entries(
		&self,
		place: &Place,
		is_deep: bool,
		with_digests: bool,
	) -> Result<Vec<Entry>, Failure> {
		let query = format!("list=true&recursive={is_deep}&digests={with_digests}");
		let path = self.place(place, &query);
		let none = HeaderMap::new();
		let answer = self.request(Method::GET, &path, EMPTY, none, None).await?;
		let strange = |what: &str| {
			let what = format!("the provider tells of files what cannot be: {what}");
			Failure::new(5, what, "Do not trust this provider.")
		};
		let mut stream = answer.bytes_stream();
		let (mut rest, mut entries) = (Vec::new(), Vec::new());
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
				let entry: Entry =
					serde_json::from_slice(&rest).map_err(|error| strange(&error.to_string()))?;
				let travels = matches!(entry.kind, Kind::File | Kind::Folder);
				let is_known = !with_digests || entry.kind != Kind::File || entry.sha256.is_some();
				// The provider is not trusted with where files go on this machine.
				if (travels && !is_safe_path(&entry.path)) || !is_known {
					return Err(strange(&format!("{:?}", entry.path)));
				}
				entries.push(entry);
				if entries.len() > MAX_ENTRIES {
					return Err(strange("there are too many"));
				}
				rest.clear();
			}
		}
		match rest.is_empty() {
			true => Ok(entries),
			false => Err(away(&self.door().url, "the answer is cut off")),
		}
	}

	/// A stream of what there is at a path, from an entry and a byte of it on.
	pub async fn files_from(
		&self,
		place: &Place,
		(at, from): (&str, u64),
	) -> Result<Response, Failure> {
		let path = self.place(place, &format!("at={}&from={from}", encoded(at)));
		let none = HeaderMap::new();
		self.request(Method::GET, &path, EMPTY, none, None).await
	}

	/// What of the announced files is at a path already.
	pub async fn plan(&self, place: &Place, announced: &[u8]) -> Result<Plan, Failure> {
		let path = self.place(place, "plan=true");
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
		let path = self.place(place, "plan=false");
		let digest = hex::encode(Sha256::digest(announced));
		let none = HeaderMap::new();
		let answer = self
			.request(Method::PUT, &path, &digest, none, Some(stream))
			.await?;
		self.read(answer).await
	}
}
