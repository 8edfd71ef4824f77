use super::*;
use axum::{
	body::Bytes,
	extract::Request,
	http::{HeaderMap, HeaderValue},
	response::{IntoResponse, Response as Answer},
	Router,
};
use futures::StreamExt as _;
use leasehold_manifest::Credentials;
use serde_json::json;
use std::{
	io::{Read as _, Write as _},
	net::SocketAddr,
	sync::{Arc, Mutex},
};

/// What a server was asked: path with query, and what it was shown.
type Asked = Arc<Mutex<Vec<(String, Option<String>)>>>;

/// A server that answers so; each has a port of its own.
async fn server(
	answer: impl Fn(&str, Option<&str>) -> Answer + Clone + Send + Sync + 'static,
) -> (SocketAddr, Asked) {
	let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
	let (address, asked) = (listener.local_addr().unwrap(), Asked::default());
	let seen = asked.clone();
	let router = Router::new().fallback(move |request: Request| async move {
		let path = request.uri().to_string();
		let shown = request.headers().get(header::AUTHORIZATION);
		let shown = shown.map(|shown| shown.to_str().unwrap().to_owned());
		seen.lock().unwrap().push((path.clone(), shown.clone()));
		answer(&path, shown.as_deref())
	});
	tokio::spawn(async move { axum::serve(listener, router).await });
	(address, asked)
}

fn with(status: StatusCode, name: header::HeaderName, value: String) -> Answer {
	let mut headers = HeaderMap::new();
	headers.insert(name, HeaderValue::from_str(&value).unwrap());
	(status, headers).into_response()
}

fn hash(bytes: &[u8]) -> String {
	hex::encode(Sha256::digest(bytes))
}

/// A layer of one file, packed and not.
struct Layered {
	packed: Vec<u8>,
	content: Vec<u8>,
}

fn plain(file: &[u8]) -> Layered {
	let mut builder = tar::Builder::new(Vec::new());
	let mut header = tar::Header::new_ustar();
	header.set_size(file.len() as u64);
	builder.append_data(&mut header, "file", file).unwrap();
	let content = builder.into_inner().unwrap();
	Layered {
		packed: content.clone(),
		content,
	}
}

fn gzip(file: &[u8]) -> Layered {
	let content = plain(file).content;
	let mut encoder = flate2::write::GzEncoder::new(Vec::new(), Default::default());
	encoder.write_all(&content).unwrap();
	let packed = encoder.finish().unwrap();
	Layered { packed, content }
}

/// What a registry has: by digest, and what its tag leads to.
#[derive(Clone, Default)]
struct Contents {
	all: HashMap<String, Vec<u8>>,
	tag: Vec<u8>,
}

impl Contents {
	fn put(&mut self, bytes: &[u8]) -> serde_json::Value {
		self.all.insert(hash(bytes), bytes.to_vec());
		json!({
			"mediaType": "application/octet-stream",
			"digest": format!("sha256:{}", hash(bytes)), "size": bytes.len(),
		})
	}

	/// An image with these layers, for this architecture.
	fn new(layers: &[&Layered], architecture: &str) -> Self {
		let ids = layers.iter().map(|layer| hash(&layer.content));
		let ids: Vec<_> = ids.map(|id| format!("sha256:{id}")).collect();
		Self::with(layers, architecture, &ids)
	}

	/// The same, that says of its layers what it likes.
	fn with(layers: &[&Layered], architecture: &str, ids: &[String]) -> Self {
		let mut new = Self::default();
		let about = json!({
			"architecture": architecture, "os": "linux", "rootfs": { "type": "layers", "diff_ids": ids },
			"config": { "Healthcheck": { "Test": ["CMD", "well"], "Retries": 2 } },
		});
		let config = new.put(about.to_string().as_bytes());
		let layers: Vec<_> = layers.iter().map(|layer| new.put(&layer.packed)).collect();
		let manifest = json!({ "schemaVersion": 2, "config": config, "layers": layers });
		new.tag = manifest.to_string().into_bytes();
		new
	}

	/// The same behind an index.
	fn indexed(mut self) -> Self {
		let (mut ours, mut other) = (self.put(&self.tag.clone()), self.put(b"other"));
		let mut newer = self.put(b"for newer machines");
		newer["platform"] =
			json!({ "os": "linux", "architecture": super::ours(), "variant": "v3" });
		ours["platform"] = json!({ "os": "linux", "architecture": super::ours() });
		other["platform"] = json!({ "os": "unknown", "architecture": "unknown" });
		let index = json!({ "schemaVersion": 2, "manifests": [other, newer, ours] });
		self.tag = index.to_string().into_bytes();
		self
	}

	fn answer(&self, path: &str) -> Answer {
		let name = path.rsplit(['/', ':']).next().unwrap_or_default();
		if path == "/v2/a/b/manifests/1" {
			return self.tag.clone().into_response();
		}
		match self.all.get(name) {
			Some(bytes) => bytes.clone().into_response(),
			None => StatusCode::NOT_FOUND.into_response(),
		}
	}
}

fn image(reference: String, credentials: Option<&str>) -> Image {
	Image::of(&leasehold_manifest::Program::<()>::Image {
		reference,
		command: Vec::new(),
		credentials: credentials.map(|host| Credentials {
			host: host.into(),
			username: "tenant".into(),
			password: "secret".into(),
		}),
	})
	.unwrap()
}

fn listed(all: &[SocketAddr]) -> Rule {
	let all: Vec<_> = all.iter().map(|one| format!("http://{one}")).collect();
	Rule::new(&all)
}

/// What is said of an image at a registry.
async fn describe(rule: &Rule, image: &Image) -> Result<Described, PullError> {
	Registry::new(rule, image)?.describe().await
}

/// The archive of an image, as far as it comes.
async fn bring(
	rule: &Rule,
	image: &Image,
	largest: u64,
) -> (Result<(), PullError>, Vec<std::io::Result<Bytes>>) {
	let mut registry = Registry::new(rule, image).unwrap();
	let described = registry.describe().await.unwrap();
	let (to, archive) = Sent::channel();
	tokio::join!(
		registry.bring(&described, "localhost/x:latest", largest, to, |_| {}),
		archive.collect::<Vec<_>>()
	)
}

fn why<T: std::fmt::Debug>(result: Result<T, PullError>) -> String {
	match result {
		Err(PullError::Refused(why)) => why,
		other => panic!("{other:?}"),
	}
}

#[tokio::test]
async fn an_image_comes_as_its_registry_describes_it() {
	let (large, small) = (gzip(&[0; 100_000]), plain(b"plain"));
	let layers = [&large, &small, &large];
	for is_indexed in [false, true] {
		let mut there = Contents::new(&layers, ours());
		let manifest = hash(&there.tag);
		if is_indexed {
			there = there.indexed();
		}
		let (tag, served) = (hash(&there.tag), there.clone());
		let (at, _) = server(move |path, _| served.answer(path)).await;
		let (rule, image) = (listed(&[at]), image(format!("{at}/a/b:1"), None));
		let described = describe(&rule, &image).await.unwrap();
		assert_eq!(described.manifest, format!("sha256:{manifest}"));
		let index = is_indexed.then(|| format!("sha256:{tag}"));
		assert_eq!(described.index, index);
		assert_eq!(described.health().unwrap().retries, Some(2));
		let (brought, archive) = bring(&rule, &image, 1 << 20).await;
		brought.unwrap();
		let archive: Vec<u8> = archive.into_iter().flat_map(Result::unwrap).collect();
		let mut files = Vec::new();
		for entry in tar::Archive::new(&archive[..]).entries().unwrap() {
			let mut entry = entry.unwrap();
			let mut contents = Vec::new();
			entry.read_to_end(&mut contents).unwrap();
			files.push((entry.path().unwrap().display().to_string(), contents));
		}
		// What is there twice is sent once, and what names it all comes last.
		assert_eq!(files.len(), 4);
		let (name, last) = files.last().unwrap();
		assert_eq!(name, "manifest.json");
		let all: serde_json::Value = serde_json::from_slice(last).unwrap();
		let named = |n: usize| format!("{}.tar", hash(&layers[n].packed));
		assert_eq!(all[0]["Layers"], json!([named(0), named(1), named(0)]));
		assert_eq!(all[0]["RepoTags"], json!(["localhost/x:latest"]));
		assert_eq!(all[0]["Config"], json!(files[2].0));
		assert_eq!(files[0], (named(0), large.packed.clone()));
		assert_eq!(files[1], (named(1), small.packed.clone()));
	}
}

#[tokio::test]
async fn what_is_not_for_this_machine_or_not_there_is_refused() {
	let there = Contents::new(&[], "vax");
	let (at, _) = server(move |path, _| there.answer(path)).await;
	let rule = listed(&[at]);
	let of = |reference: &str| image(format!("{at}/a/b{reference}"), None);
	let said = why(describe(&rule, &of(":1")).await);
	assert!(said.contains("is for linux vax, this machine is"), "{said}");
	let said = why(describe(&rule, &of(":2")).await);
	assert_eq!(said, "the registry has no such image");
	let there = Contents::default();
	let (at, _) = server(move |path, _| match path.contains("manifests") {
		true => br#"{ "schemaVersion": 2, "manifests": [] }"#
			.to_vec()
			.into_response(),
		false => there.answer(path),
	})
	.await;
	let said = why(describe(&listed(&[at]), &image(format!("{at}/a/b:1"), None)).await);
	assert!(said.contains("no such image for"), "{said}");
}

#[tokio::test]
async fn what_lies_is_not_believed() {
	let all = gzip(&vec![0; 10 << 20]);
	let layer = all.packed.clone();
	let there = Contents::new(&[&all], ours());
	let (manifest, id) = (hash(&there.tag), hash(&layer));
	let wrong = "not what the registry says";
	for (gives, largest, refused) in [
		(layer.clone(), 1 << 10, "too large for this provider"),
		(
			layer.clone(),
			1 << 20,
			"too large for this provider, unpacked",
		),
		([&layer[..], b"more"].concat(), 1 << 30, wrong),
		([&layer[..layer.len() - 1], b"x"].concat(), 1 << 30, wrong),
		(vec![b'x'; layer.len()], 1 << 30, wrong),
		(Vec::new(), 1 << 30, "broke off"),
	] {
		let (served, id) = (there.clone(), id.clone());
		let (at, _) = server(move |path, _| match path.ends_with(&id) {
			true => gives.clone().into_response(),
			false => served.answer(path),
		})
		.await;
		let image = image(format!("{at}/a/b:1"), None);
		let (brought, archive) = bring(&listed(&[at]), &image, largest).await;
		let (PullError::Refused(said) | PullError::Failed(said)) = brought.unwrap_err();
		assert!(said.contains(refused), "{said}");
		// Nothing names what has come.
		assert!(archive.last().is_none_or(Result::is_err));
		let archive: Vec<u8> = archive.into_iter().flatten().flatten().collect();
		assert!(!archive.windows(13).any(|part| part == b"manifest.json"));
	}
	// What is there often is unpacked as often.
	let often = Contents::new(&[&all, &all, &all], ours());
	let (at, _) = server(move |path, _| often.answer(path)).await;
	let image_at = |at: SocketAddr| image(format!("{at}/a/b:1"), None);
	let (brought, _) = bring(&listed(&[at]), &image_at(at), 25 << 20).await;
	assert!(why(brought).contains("too large for this provider, unpacked"));
	let (brought, _) = bring(&listed(&[at]), &image_at(at), 32 << 20).await;
	brought.unwrap();
	// Other layers than those that describe it, or more of them.
	let other = vec![format!("sha256:{}", "1".repeat(64))];
	let lies = Contents::with(&[&all], ours(), &other);
	let (at, _) = server(move |path, _| lies.answer(path)).await;
	let (brought, _) = bring(&listed(&[at]), &image_at(at), 1 << 30).await;
	assert!(why(brought).contains(wrong));
	let lies = Contents::with(&[], ours(), &other);
	let (at, _) = server(move |path, _| lies.answer(path)).await;
	let said = why(describe(&listed(&[at]), &image_at(at)).await);
	assert!(said.contains(wrong), "{said}");
	// By digest it is that, or nothing.
	let (at, _) = server(move |_, _| there.tag.clone().into_response()).await;
	let right = image(format!("{at}/a/b@sha256:{manifest}"), None);
	assert!(!why(describe(&listed(&[at]), &right).await).contains("manifest"));
	let wrong = image(format!("{at}/a/b@sha256:{}", "0".repeat(64)), None);
	let said = why(describe(&listed(&[at]), &wrong).await);
	assert!(said.starts_with("the manifest is not what"), "{said}");
	// Nor is there an end to what it says.
	let (at, _) = server(|_, _| vec![b' '; 5 << 20].into_response()).await;
	let said = why(describe(&listed(&[at]), &image(format!("{at}/a/b:1"), None)).await);
	assert!(said.contains("too long"), "{said}");
}

#[tokio::test]
async fn credentials_go_to_the_registrys_own_hosts_alone() {
	let (elsewhere, heard) = server(|_, _| StatusCode::OK.into_response()).await;
	let other = format!("localhost:{}", elsewhere.port());
	let named = other.clone();
	let (at, asked) = server(move |_, _| {
		let value = format!("Bearer realm=\"http://{named}/token\",service=\"s\"");
		with(StatusCode::UNAUTHORIZED, header::WWW_AUTHENTICATE, value)
	})
	.await;
	let rule = Rule::new(&[format!("http://{at}"), format!("http://{other}")]);
	let image = image(format!("{at}/a/b:1"), Some(&at.to_string()));
	let said = why(describe(&rule, &image).await);
	assert!(said.contains("which is not its own"), "{said}");
	assert!(asked
		.lock()
		.unwrap()
		.iter()
		.all(|(_, shown)| shown.is_none()));
	assert!(heard.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_token_is_asked_for_and_shown() {
	let there = Contents::new(&[&gzip(b"layer")], ours());
	let port = Arc::new(Mutex::new(0u16));
	let own = port.clone();
	let (at, asked) = server(
		move |path, shown| match (path.starts_with("/token"), shown) {
			(true, Some("Basic dGVuYW50OnNlY3JldA==")) => json!({ "access_token": "good" })
				.to_string()
				.into_response(),
			(true, _) => StatusCode::UNAUTHORIZED.into_response(),
			(false, Some("Bearer good")) => there.answer(path),
			(false, _) => {
				let own = *own.lock().unwrap();
				let value =
					format!("Bearer realm=\"http://127.0.0.1:{own}/token\",service=\"a b\"");
				with(StatusCode::UNAUTHORIZED, header::WWW_AUTHENTICATE, value)
			}
		},
	)
	.await;
	*port.lock().unwrap() = at.port();
	let (rule, host) = (listed(&[at]), at.to_string());
	let (brought, _) = bring(&rule, &image(format!("{at}/a/b:1"), Some(&host)), 1 << 20).await;
	brought.unwrap();
	let asked = asked.lock().unwrap().clone();
	let tokens: Vec<_> = asked
		.iter()
		.filter(|(path, _)| path.starts_with("/token"))
		.collect();
	let path = "/token?service=a+b&scope=repository%3Aa%2Fb%3Apull";
	assert_eq!(tokens.len(), 1, "it is good for all");
	assert_eq!(tokens[0].0, path);
	// Who has none is told so.
	let said = why(describe(&rule, &image(format!("{at}/a/b:1"), None)).await);
	assert!(said.contains("may be private"), "{said}");
}

#[tokio::test]
async fn layers_may_lie_elsewhere_and_nothing_is_shown_there() {
	let there = Contents::new(&[&gzip(b"layer")], ours());
	let blobs = there.clone();
	let (elsewhere, heard) = server(move |path, _| blobs.answer(path)).await;
	let registry = |is_manifest: bool| {
		let there = there.clone();
		move |path: &str, shown: Option<&str>| match shown {
			None => {
				let value = "Basic realm=\"here\"".to_owned();
				with(StatusCode::UNAUTHORIZED, header::WWW_AUTHENTICATE, value)
			}
			Some(_) if path.contains(if is_manifest { "manifests" } else { "blobs" }) => {
				let to = format!("http://{elsewhere}{path}");
				with(StatusCode::TEMPORARY_REDIRECT, header::LOCATION, to)
			}
			Some(_) => there.answer(path),
		}
	};
	let (at, _) = server(registry(false)).await;
	let host = at.to_string();
	let image_at = |at: SocketAddr| image(format!("{at}/a/b:1"), Some(&at.to_string()));
	let both = listed(&[at, elsewhere]);
	let (brought, _) = bring(&both, &image_at(at), 1 << 20).await;
	brought.unwrap();
	let shown = heard.lock().unwrap().clone();
	assert!(
		shown.len() == 2 && shown.iter().all(|(_, shown)| shown.is_none()),
		"{shown:?}"
	);
	// Where the rule has something against it, nothing is fetched; nor without TLS, whoever is listed.
	for (rule, because) in [
		(listed(&[at]), "without TLS"),
		(
			Rule::new(&[format!("http://{host}"), elsewhere.to_string()]),
			"without TLS",
		),
	] {
		let said = why(describe(&rule, &image_at(at)).await);
		assert!(said.contains(because), "{said}");
	}
	let (at, _) = server(registry(true)).await;
	let said = why(describe(&listed(&[at, elsewhere]), &image_at(at)).await);
	assert!(said.contains("sends elsewhere"), "{said}");
	assert_eq!(heard.lock().unwrap().len(), 2);
	// Without credentials there is nothing to be shown.
	let (at, _) = server(move |path, _| {
		let to = format!("http://{elsewhere}{path}");
		with(StatusCode::TEMPORARY_REDIRECT, header::LOCATION, to)
	})
	.await;
	let both = listed(&[at, elsewhere]);
	let (brought, _) = bring(&both, &image(format!("{at}/a/b:1"), None), 1 << 20).await;
	brought.unwrap();
}

#[tokio::test]
async fn what_breaks_off_goes_on_where_it_was() {
	let layer = gzip(&noise(300_000));
	let there = Contents::new(&[&layer], ours());
	let (packed, asked) = (layer.packed.clone(), Arc::new(Mutex::new(Vec::new())));
	let seen = asked.clone();
	let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
	let at = listener.local_addr().unwrap();
	// At most 100,000 bytes at a time.
	let router = Router::new().fallback(move |request: Request| async move {
		let path = request.uri().to_string();
		if !path.ends_with(&hash(&packed)) {
			return there.answer(&path);
		}
		let range = request.headers().get(header::RANGE);
		let range = range.map(|range| range.to_str().unwrap().to_owned());
		seen.lock().unwrap().push(range.clone());
		let from = range.as_deref().map_or(0, |range| {
			let from = range.strip_prefix("bytes=").unwrap();
			from.strip_suffix('-').unwrap().parse().unwrap()
		});
		let rest = Bytes::copy_from_slice(&packed[from..]);
		let most = rest.len().min(100_000);
		let pieces = [Ok(rest.slice(..most)), Err(std::io::Error::other("cut"))];
		let pieces = pieces
			.into_iter()
			.take(if most == rest.len() { 1 } else { 2 });
		// What was sent is on its way before it is cut.
		let pieces = futures::stream::iter(pieces).then(|piece| async {
			tokio::time::sleep(Duration::from_millis(50)).await;
			piece
		});
		let body = axum::body::Body::from_stream(pieces);
		let status = if from == 0 {
			StatusCode::OK
		} else {
			StatusCode::PARTIAL_CONTENT
		};
		let mut answer = Answer::new(body);
		*answer.status_mut() = status;
		let length = HeaderValue::from(rest.len());
		answer.headers_mut().insert(header::CONTENT_LENGTH, length);
		answer
	});
	tokio::spawn(async move { axum::serve(listener, router).await });
	let image = image(format!("{at}/a/b:1"), None);
	let (brought, archive) = bring(&listed(&[at]), &image, 1 << 20).await;
	brought.unwrap();
	let archive: Vec<u8> = archive.into_iter().flat_map(Result::unwrap).collect();
	let mut archive = tar::Archive::new(&archive[..]);
	let mut first = archive.entries().unwrap().next().unwrap().unwrap();
	let mut came = Vec::new();
	first.read_to_end(&mut came).unwrap();
	assert!(came == layer.packed);
	assert_eq!(asked.lock().unwrap().len(), 4, "{asked:?}");
}

/// Bytes that cannot be packed.
fn noise(bytes: usize) -> Vec<u8> {
	let mut noise = vec![0; bytes];
	getrandom::fill(&mut noise).unwrap();
	noise
}

#[tokio::test]
async fn an_address_that_is_not_public_is_not_asked() {
	let (at, asked) = server(|_, _| StatusCode::OK.into_response()).await;
	for reference in [
		format!("localhost:{}/a/b:1", at.port()),
		format!("{at}/a/b:1"),
		"169.254.169.254/a/b:1".into(),
	] {
		let said = why(describe(&Rule::default(), &image(reference.clone(), None)).await);
		assert!(said.contains("which is not public"), "{reference}: {said}");
	}
	assert!(asked.lock().unwrap().is_empty());
}

#[test]
fn a_token_service_is_the_registrys_own_or_beside_it() {
	for (service, registry, theirs) in [
		("ghcr.io", "ghcr.io", true),
		("auth.docker.io", "registry-1.docker.io", true),
		("gitlab.com", "registry.gitlab.com", true),
		("gitlab.example.com", "registry.gitlab.example.com", true),
		("evil.io", "ghcr.io", false),
		("evildocker.io", "registry-1.docker.io", false),
		("docker.io.evil.net", "registry-1.docker.io", false),
		("10.0.0.2", "10.0.0.1", false),
		("127.0.0.1", "127.0.0.1", true),
		("", "localhost", false),
	] {
		assert_eq!(
			is_theirs(service, registry),
			theirs,
			"{service} of {registry}"
		);
	}
}
