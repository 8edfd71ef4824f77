//! Names of images.

use crate::manifest::{Credentials, Program};
use oci_spec::distribution::Reference;

/// The registry behind names without one.
const HUB: &str = "docker.io";

/// An image as its registry is asked for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
	/// With registry, and tag or digest.
	pub name: String,
	/// Where it is in the registry.
	pub repository: String,
	/// Its digest, or its tag.
	pub reference: String,
	/// Who answers for it, with a port if it has one.
	pub host: String,
	pub credentials: Option<Credentials>,
}

/// The host that a registry's name stands for.
fn host_of(registry: &str) -> &str {
	let bare = registry
		.strip_prefix("https://")
		.or_else(|| registry.strip_prefix("http://"))
		.unwrap_or(registry);
	let bare = bare.split('/').next().unwrap_or(bare);
	match bare {
		"docker.io" | "index.docker.io" | "registry-1.docker.io" | "registry.hub.docker.com" => HUB,
		other => other,
	}
}

impl Image {
	/// The image of a program; an error says what is wrong with it. Credentials go to their own host only.
	pub fn of<F>(program: &Program<F>) -> Result<Self, String> {
		let Program::Image {
			reference,
			credentials,
			..
		} = program
		else {
			return Err("it is a WASM module".into());
		};
		let read: Reference = reference
			.parse()
			.map_err(|error| format!("`{reference}` is no name of an image: {error}"))?;
		let host = host_of(read.registry()).to_owned();
		if let Some(theirs) = credentials.as_ref().map(|c| host_of(&c.host)) {
			if theirs != host {
				return Err(format!(
					"the credentials are for {theirs}, but `{reference}` is at {host}"
				));
			}
		}
		Ok(Self {
			name: read.whole(),
			repository: read.repository().to_owned(),
			reference: read.digest().or(read.tag()).unwrap_or("latest").to_owned(),
			host,
			credentials: credentials.clone(),
		})
	}

	/// The name by which the host's address is found.
	pub fn address(&self) -> &str {
		match self.host.as_str() {
			HUB => "registry-1.docker.io",
			other => other,
		}
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	fn image(reference: &str, host: Option<&str>) -> Result<Image, String> {
		Image::of(&Program::<()>::Image {
			reference: reference.into(),
			command: Vec::new(),
			credentials: host.map(|host| Credentials {
				host: host.into(),
				username: "u".into(),
				password: "p".into(),
			}),
		})
	}

	#[test]
	fn names_are_completed() {
		for (text, name, host) in [
			("alpine", "docker.io/library/alpine:latest", "docker.io"),
			("bitnami/redis:7", "docker.io/bitnami/redis:7", "docker.io"),
			("ghcr.io/a/b:1", "ghcr.io/a/b:1", "ghcr.io"),
			("localhost/box:1", "localhost/box:1", "localhost"),
			(
				"127.0.0.1:5000/a",
				"127.0.0.1:5000/a:latest",
				"127.0.0.1:5000",
			),
		] {
			let read = image(text, None).unwrap();
			assert_eq!((read.name.as_str(), read.host.as_str()), (name, host));
		}
		for wrong in ["", "a/UPPER", "a b", "ghcr.io/a:b:c", "a@sha256:12"] {
			assert!(image(wrong, None).is_err(), "{wrong}");
		}
	}

	#[test]
	fn credentials_go_to_their_own_host_only() {
		assert!(image("alpine", Some("https://index.docker.io/v1/")).is_ok());
		assert!(image("ghcr.io/a/b", Some("ghcr.io")).is_ok());
		let error = image("evil.example/a", Some("ghcr.io")).unwrap_err();
		assert!(error.contains("ghcr.io") && error.contains("evil.example"));
	}
}
