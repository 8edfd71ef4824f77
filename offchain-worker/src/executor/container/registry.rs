//! Images, brought from their registries.
//!
//! The daemon asks the registry itself, at addresses that it has judged, and hands the engine an archive: an engine
//! would ask for the name's addresses again, and go wherever it is sent. Credentials stay with the registry's own host
//! and its token service; a registry may send for a layer elsewhere, and for all of it where there are none.

mod archive;

use super::engine::PullError;
use crate::fetch::{self, Rule};
pub use archive::{too_large, Sent, UNWANTED};
use base64::{engine::general_purpose::STANDARD, Engine as _};
use bollard::models::HealthConfig;
use http_auth::parse_challenges;
use leasehold_manifest::image::Image;
use oci_spec::image::{Descriptor, DigestAlgorithm, ImageIndex, ImageManifest};
use reqwest::{header, redirect, Client, RequestBuilder, Response, StatusCode, Url};
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::{
	collections::{BTreeMap, HashMap},
	time::Duration,
};

/// Longest manifest, and description of an image, bytes: as registries have it.
const MAX_MANIFEST: u64 = 4 << 20;
/// Longest answer of a token service, bytes.
const MAX_TOKEN: u64 = 256 << 10;
/// Most layers: more than any engine mounts.
const MAX_LAYERS: usize = 256;
/// How often one may be sent elsewhere for a blob.
const REDIRECTS: usize = 5;
/// How long a connection may take, and how long nothing may come.
const CONNECT: Duration = Duration::from_secs(15);
const SILENCE: Duration = Duration::from_secs(60);
/// Manifests, of the Open Container Initiative and of Docker.
const MANIFESTS: &str = "application/vnd.oci.image.index.v1+json, \
                         application/vnd.oci.image.manifest.v1+json, \
                         application/vnd.docker.distribution.manifest.list.v2+json, \
                         application/vnd.docker.distribution.manifest.v2+json";

/// A registry, asked about one image.
pub struct Registry<'a> {
	rule: &'a Rule,
	image: &'a Image,
	/// Where it is asked.
	base: Url,
	/// By host and port: each goes to the addresses that were judged.
	clients: HashMap<String, Client>,
	/// What it wants to be shown.
	authorization: Option<String>,
}

/// An image as its registry describes it.
#[derive(Clone, Debug)]
pub struct Described {
	/// Of the index, if there are several images of the name, and of the one for this machine.
	pub index: Option<String>,
	pub manifest: String,
	/// The digest of what describes it: its id. And that itself.
	pub config: (String, Vec<u8>),
	pub layers: Vec<Layer>,
	/// By layer, in hexadecimal: the digests of what comes out of them.
	pub contents: Vec<String>,
}

/// A layer, packed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
	/// In hexadecimal, of SHA-256.
	pub digest: String,
	pub size: u64,
}

impl Described {
	/// How it is found out whether it is well, if it says so.
	pub fn health(&self) -> Option<HealthConfig> {
		#[derive(Deserialize)]
		struct Outer {
			config: Option<Inner>,
		}
		#[derive(Deserialize)]
		struct Inner {
			#[serde(rename = "Healthcheck")]
			health: Option<HealthConfig>,
		}
		let read = serde_json::from_slice::<Outer>(&self.config.1);
		read.ok()?.config?.health
	}

	/// Bytes of all layers, packed: of each once.
	pub fn packed(&self) -> u64 {
		let layers: BTreeMap<_, _> = self
			.layers
			.iter()
			.map(|layer| (&layer.digest, layer.size))
			.collect();
		layers
			.values()
			.fold(0, |sum, size| sum.saturating_add(*size))
	}
}

/// What an image says that it is for.
#[derive(Deserialize)]
struct About {
	#[serde(default)]
	architecture: String,
	#[serde(default)]
	os: String,
	#[serde(default)]
	rootfs: Files,
}

#[derive(Default, Deserialize)]
struct Files {
	#[serde(default)]
	diff_ids: Vec<String>,
}

/// By either name, or by both.
#[derive(Deserialize)]
struct Token {
	token: Option<String>,
	access_token: Option<String>,
}

fn refused(why: impl Into<String>) -> PullError {
	PullError::Refused(why.into())
}

fn failed(why: impl Into<String>) -> PullError {
	PullError::Failed(why.into())
}

/// Without what the address asks with: it may be a secret.
fn unreached(error: reqwest::Error) -> PullError {
	let error = error.without_url();
	let mut why = error.to_string();
	let mut source = std::error::Error::source(&error);
	while let Some(inner) = source {
		why = format!("{why}: {inner}");
		source = inner.source();
	}
	if why.contains("InvalidContentType") {
		why.push_str(
			": what answers there does not speak TLS, which only hosts need not that the provider lists with `http://`",
		);
	}
	failed(why)
}

/// Nothing else is known of what the image is made of.
fn damaged(what: &str) -> PullError {
	refused(format!("{what} is not what the registry says it is"))
}

/// The architecture of this machine, as images name it.
pub fn ours() -> &'static str {
	match std::env::consts::ARCH {
		"x86_64" => "amd64",
		"aarch64" => "arm64",
		other => other,
	}
}

/// In hexadecimal; other algorithms than SHA-256 are not in use.
fn sha256_of(descriptor: &Descriptor) -> Result<String, PullError> {
	let digest = descriptor.digest();
	match digest.algorithm() {
		DigestAlgorithm::Sha256 => Ok(digest.digest().to_owned()),
		other => Err(refused(format!("its digests are of {other}, not sha256"))),
	}
}

/// Reads an answer that is not long.
async fn short(mut answer: Response, most: u64) -> Result<Vec<u8>, PullError> {
	let mut read = Vec::new();
	while let Some(chunk) = answer.chunk().await.map_err(unreached)? {
		let all = u64::try_from(read.len().saturating_add(chunk.len())).unwrap_or(u64::MAX);
		if all > most {
			return Err(refused("the registry's answer is too long"));
		}
		read.extend_from_slice(&chunk);
	}
	Ok(read)
}

/// What a registry's refusal means.
fn status(status: StatusCode) -> PullError {
	match status {
		StatusCode::NOT_FOUND => refused("the registry has no such image"),
		StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
			refused("the registry refuses it: the image may be private, or the credentials wrong")
		}
		StatusCode::TOO_MANY_REQUESTS => failed("the registry has had too many requests"),
		other if other.is_redirection() => {
			refused("the registry sends elsewhere for it, which is not followed with credentials")
		}
		other => failed(format!("the registry answers {other}")),
	}
}

/// Asks for what is there from a byte on.
fn part(request: RequestBuilder, from: u64) -> RequestBuilder {
	match from {
		0 => request,
		from => request.header(header::RANGE, format!("bytes={from}-")),
	}
}

/// Whether a token service is of the same owner as a registry, as far as names tell: the same host, the one that it is
/// below, or one beside it.
fn is_theirs(service: &str, registry: &str) -> bool {
	let parent = registry.split_once('.').map_or("", |(_, parent)| parent);
	// What is below a top-level domain has nothing in common.
	let has_owner = parent.contains('.') && parent.parse::<std::net::Ipv4Addr>().is_err();
	let below = service.strip_suffix(parent).filter(|_| has_owner);
	service == registry || below.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

impl<'a> Registry<'a> {
	pub fn new(rule: &'a Rule, image: &'a Image) -> Result<Self, PullError> {
		let address = image.address();
		let scheme = if rule.is_plain(address) {
			"http"
		} else {
			"https"
		};
		let base = Url::parse(&format!("{scheme}://{address}/v2/{}/", image.repository));
		let base = base.map_err(|error| refused(format!("`{address}` is no host: {error}")))?;
		Ok(Self {
			rule,
			image,
			base,
			clients: HashMap::new(),
			authorization: None,
		})
	}

	/// A client for an address, if the rule has nothing against it.
	async fn client(&mut self, url: &Url) -> Result<Client, PullError> {
		let of = |url: &Url| {
			let port = url.port_or_known_default().unwrap_or(443);
			format!("{}:{port}", url.host_str().unwrap_or_default())
		};
		let (named, own) = (of(url), of(&self.base));
		// What the operator lists is for images that name it, and for where its own registries send.
		let public = Rule::default();
		let rule = match named == own || self.rule.lists(&own) {
			true => self.rule,
			false => &public,
		};
		let plain = url.scheme() == "http" && rule.is_plain(&named);
		if url.scheme() != "https" && !plain {
			return Err(refused(format!(
				"nothing is fetched from `{named}` without TLS"
			)));
		}
		if let Some(client) = self.clients.get(&named) {
			return Ok(client.clone());
		}
		let addresses = match rule.resolve(&named).await {
			Ok(addresses) => addresses,
			Err(why) if why.may_pass() => return Err(failed(why.to_string())),
			Err(why) => return Err(refused(why.to_string())),
		};
		let host = url.host_str().unwrap_or_default();
		let mut client = Client::builder()
			.redirect(redirect::Policy::none())
			.resolve_to_addrs(host, &addresses)
			.no_proxy()
			.connect_timeout(CONNECT)
			.read_timeout(SILENCE);
		for root in fetch::roots().map_err(failed)? {
			client = client.add_root_certificate(root.clone());
		}
		let client = client.build().map_err(unreached)?;
		self.clients.insert(named, client.clone());
		Ok(client)
	}

	/// Asks for something of the image, with what the registry wants to be shown; from a byte of it on.
	async fn ask(&mut self, what: &str, accept: &str, from: u64) -> Result<Response, PullError> {
		let url = self.base.join(what);
		let url = url.map_err(|error| refused(format!("`{what}`: {error}")))?;
		let client = self.client(&url).await?;
		let send = |shown: Option<&String>| {
			let request = part(client.get(url.clone()), from).header(header::ACCEPT, accept);
			match shown {
				Some(shown) => request.header(header::AUTHORIZATION, shown),
				None => request,
			}
			.send()
		};
		let said = send(self.authorization.as_ref()).await.map_err(unreached)?;
		if said.status() != StatusCode::UNAUTHORIZED {
			return Ok(said);
		}
		// Once more, now that it is known what is to be shown.
		let shown = self.authorized(&said).await?;
		let said = send(Some(&shown)).await.map_err(unreached)?;
		self.authorization = Some(shown);
		Ok(said)
	}

	/// What to show a registry that asks for it.
	async fn authorized(&mut self, said: &Response) -> Result<String, PullError> {
		let image = self.image;
		let asked = said.headers().get_all(header::WWW_AUTHENTICATE).iter();
		let asked = asked.filter_map(|value| value.to_str().ok());
		let asked: Vec<_> = asked
			.flat_map(|text| parse_challenges(text).unwrap_or_default())
			.collect();
		let basic = image.credentials.as_ref().map(|own| {
			let text = format!("{}:{}", own.username, own.password);
			format!("Basic {}", STANDARD.encode(text))
		});
		let by = |scheme: &str| {
			asked
				.iter()
				.find(|one| one.scheme.eq_ignore_ascii_case(scheme))
		};
		let Some(bearer) = by("bearer") else {
			let denied = || status(StatusCode::UNAUTHORIZED);
			return by("basic").and(basic).ok_or_else(denied);
		};
		let value = |name: &str| {
			let mut values = bearer.params.iter();
			let found = values.find(|(key, _)| key.eq_ignore_ascii_case(name));
			found.map(|(_, value)| value.to_unescaped())
		};
		let strange = || refused("the registry does not say where it is to be asked");
		let realm = value("realm").ok_or_else(strange)?;
		let mut url = Url::parse(&realm).map_err(|_| strange())?;
		let scope = format!("repository:{}:pull", image.repository);
		url.query_pairs_mut()
			.extend_pairs(value("service").map(|service| ("service", service)))
			.append_pair("scope", &scope);
		let service = url.host_str().unwrap_or_default();
		let registry = self.base.host_str().unwrap_or_default();
		if basic.is_some() && !is_theirs(service, registry) {
			let why = format!(
				"the registry asks for the credentials at `{service}`, which is not its own"
			);
			return Err(refused(why));
		}
		let mut request = self.client(&url).await?.get(url);
		if let Some(basic) = basic {
			request = request.header(header::AUTHORIZATION, basic);
		}
		let answer = request.send().await.map_err(unreached)?;
		if !answer.status().is_success() {
			return Err(status(answer.status()));
		}
		let text = short(answer, MAX_TOKEN).await?;
		let token: Token = serde_json::from_slice(&text).map_err(|_| strange())?;
		let token = [token.token, token.access_token].into_iter().flatten();
		let token = { token }.find(|token| !token.is_empty());
		Ok(format!("Bearer {}", token.ok_or_else(strange)?))
	}

	/// A manifest, and its digest.
	async fn manifest(&mut self, reference: &str) -> Result<(String, Vec<u8>), PullError> {
		let what = format!("manifests/{reference}");
		let mut answer = self.ask(&what, MANIFESTS, 0).await?;
		if self.image.credentials.is_none() {
			answer = self.followed(answer, MANIFESTS, 0).await?;
		}
		if answer.status() != StatusCode::OK {
			return Err(status(answer.status()));
		}
		let text = short(answer, MAX_MANIFEST).await?;
		let digest = format!("sha256:{}", hex::encode(Sha256::digest(&text)));
		if reference.contains(':') && reference != digest {
			return Err(damaged("the manifest"));
		}
		Ok((digest, text))
	}

	/// What the registry says of the image; the one for this machine, if there are several. Who is not told must not run
	/// it.
	pub async fn describe(&mut self) -> Result<Described, PullError> {
		let reference = self.image.reference.clone();
		let (mut digest, mut text) = self.manifest(&reference).await?;
		let mut index = None;
		let unknown = |error: serde_json::Error| {
			let why = "the registry describes it in a way that is not known here";
			refused(format!("{why}: {error}"))
		};
		let said: Value = serde_json::from_slice(&text).map_err(unknown)?;
		if said.get("manifests").is_some() {
			let all: ImageIndex = serde_json::from_value(said).map_err(unknown)?;
			let platform = |one: &Descriptor| {
				let platform = one.platform().as_ref()?;
				let (os, arch) = (
					platform.os().to_string(),
					platform.architecture().to_string(),
				);
				let fits = (os.as_str(), arch.as_str()) == ("linux", ours());
				fits.then(|| platform.variant().clone())
			};
			let found = all.manifests().iter();
			let found = found.filter_map(|one| Some((platform(one)?, one)));
			// None before the first, which asks for less than the next.
			let found = found.min_by(|(one, _), (other, _)| one.cmp(other));
			let none = || refused(format!("the registry has no such image for {}", ours()));
			let (_, found) = found.ok_or_else(none)?;
			let chosen = format!("sha256:{}", sha256_of(found)?);
			index = Some(digest);
			(digest, text) = self.manifest(&chosen).await?;
		}
		let manifest: ImageManifest = serde_json::from_slice(&text).map_err(unknown)?;
		let layers = manifest.layers().iter().map(|layer| {
			Ok(Layer {
				digest: sha256_of(layer)?,
				size: layer.size(),
			})
		});
		let layers = layers.collect::<Result<Vec<_>, PullError>>()?;
		if layers.len() > MAX_LAYERS {
			return Err(refused(format!("it has {} layers", layers.len())));
		}
		let id = sha256_of(manifest.config())?;
		let about = short(self.blob(&id, 0).await?, MAX_MANIFEST).await?;
		if hex::encode(Sha256::digest(&about)) != id {
			return Err(damaged("what describes the image"));
		}
		let says: About = serde_json::from_slice(&about).map_err(|_| damaged("the image"))?;
		if says.architecture.is_empty() {
			return Err(refused(
				"what the registry has there is no image of a machine",
			));
		}
		if says.architecture != ours() || !matches!(says.os.as_str(), "linux" | "") {
			let (theirs, ours) = (format!("{} {}", says.os, says.architecture), ours());
			return Err(refused(format!(
				"the image is for {}, this machine is linux {ours}",
				theirs.trim()
			)));
		}
		let contents = says.rootfs.diff_ids.iter();
		let contents = contents.map(|id| id.strip_prefix("sha256:").map(str::to_owned));
		let contents: Option<Vec<_>> = contents.collect();
		let contents = contents.filter(|all| all.len() == layers.len());
		Ok(Described {
			index,
			manifest: digest,
			config: (id, about),
			layers,
			contents: contents.ok_or_else(|| damaged("what describes the image"))?,
		})
	}

	/// What has this digest, from a byte of it on: from wherever the registry sends for it.
	async fn blob(&mut self, digest: &str, from: u64) -> Result<Response, PullError> {
		let what = format!("blobs/sha256:{digest}");
		let answer = self.ask(&what, "*/*", from).await?;
		let answer = self.followed(answer, "*/*", from).await?;
		match (answer.status(), from) {
			(StatusCode::OK, 0) | (StatusCode::PARTIAL_CONTENT, 1..) => Ok(answer),
			(StatusCode::OK, _) => Err(failed("a layer of the image broke off")),
			(other, _) => Err(status(other)),
		}
	}

	/// What is there where the registry sends; nothing is shown there.
	async fn followed(
		&mut self,
		mut answer: Response,
		accept: &str,
		from: u64,
	) -> Result<Response, PullError> {
		for _ in 0..REDIRECTS {
			if !answer.status().is_redirection() {
				break;
			}
			let to = answer.headers().get(header::LOCATION);
			let to = to.and_then(|to| to.to_str().ok()).unwrap_or_default();
			let to = answer.url().join(to);
			let to = to.map_err(|_| refused("the registry sends nowhere"))?;
			let client = self.client(&to).await?;
			let request = part(client.get(to), from).header(header::ACCEPT, accept);
			answer = request.send().await.map_err(unreached)?;
		}
		Ok(answer)
	}
}

#[cfg(test)]
mod tests;
