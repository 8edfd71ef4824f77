//! Talking to a provider's gateway.

use crate::output::Failure;
use futures::StreamExt as _;
use leasehold_client::{
	access::{RequestFacts, Session},
	AccountId32, Keypair, H256,
};
use leasehold_manifest::{files::is_safe_path, result::Output, FileEntry};
use reqwest::{header::HeaderMap, Method, Response, StatusCode};
use serde_json::{json, Value};
use sha2::{Digest as _, Sha256};
use std::{
	path::Path,
	time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::io::AsyncWriteExt as _;

/// How long a gateway may take to say whose it is.
const PATIENCE: Duration = Duration::from_secs(3);
/// SHA-256 of nothing.
const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// A lease's gateway, with a session of the tenant.
pub struct Gateway {
	url: String,
	client: reqwest::Client,
	session: Session,
	operator: AccountId32,
	pub lease: u64,
}

fn now() -> u64 {
	SystemTime::now()
		.duration_since(UNIX_EPOCH)
		.unwrap_or_default()
		.as_secs()
}

fn away(url: &str, error: reqwest::Error) -> Failure {
	let what = format!("the provider's gateway at {url} does not answer: {error}");
	Failure::new(6, what, "Try again; the provider may be restarting.")
}

/// Whether a provider's gateway answers at this address.
pub async fn answers(url: &str, provider: u32) -> bool {
	let asked = async {
		let client = reqwest::Client::builder().timeout(PATIENCE).build().ok()?;
		let request = json!({ "jsonrpc": "2.0", "id": 1, "method": "provider_info", "params": [] });
		let url = format!("{}/rpc", url.trim_end_matches('/'));
		let answer: Value = client
			.post(url)
			.json(&request)
			.send()
			.await
			.ok()?
			.json()
			.await
			.ok()?;
		Some(answer["result"]["provider"] == provider)
	};
	asked.await.unwrap_or(false)
}

impl Gateway {
	/// Opens a session with a lease's provider.
	pub fn open(
		url: &str,
		account: &Keypair,
		genesis: H256,
		(provider, operator): (u32, AccountId32),
		(lease, epoch): (u64, u32),
	) -> Result<Self, Failure> {
		let client = reqwest::Client::builder()
			.connect_timeout(Duration::from_secs(5))
			.build()
			.map_err(|error| Failure::new(1, error.to_string(), ""))?;
		let session = Session::open(account, genesis, provider, (lease, epoch), now())?;
		let url = url.trim_end_matches('/').to_owned();
		Ok(Self {
			url,
			client,
			session,
			operator,
			lease,
		})
	}

	fn facts<'a>(&self, method: &'a str, path: &'a str, digest: &'a str) -> RequestFacts<'a> {
		RequestFacts {
			method,
			path,
			digest,
			gateway: self.operator,
		}
	}

	/// A call over `/rpc`; `body` is in hexadecimal.
	pub async fn call(&self, method: &str, body: String) -> Result<Value, Failure> {
		let digest = hex::encode(Sha256::digest(body.as_bytes()));
		let proof = self
			.session
			.sign(self.facts("RPC", method, &digest), now())?;
		let request = json!({
			"jsonrpc": "2.0", "id": 1, "method": method,
			"params": [{
				"lease": self.lease, "grant": self.session.grant(), "proof": proof, "body": body,
			}],
		});
		let url = format!("{}/rpc", self.url);
		let sent = self
			.client
			.post(&url)
			.json(&request)
			.timeout(Duration::from_secs(60))
			.send();
		let answer = sent.await.map_err(|error| away(&self.url, error))?;
		let mut answer: Value = answer
			.json()
			.await
			.map_err(|error| away(&self.url, error))?;
		if let Some(error) = answer.get("error").filter(|error| !error.is_null()) {
			let what = error["message"]
				.as_str()
				.unwrap_or("the gateway refused")
				.to_owned();
			// Not now, but perhaps later.
			return Err(match error["code"] == 503 {
				true => Failure::new(6, what, "Try again; the provider may be restarting."),
				false => Failure::new(5, what, "Check the account and the lease."),
			});
		}
		Ok(answer["result"].take())
	}

	async fn request(
		&self,
		method: Method,
		path: &str,
		digest: &str,
		more: HeaderMap,
		body: Option<reqwest::Body>,
	) -> Result<Response, Failure> {
		let proof = self
			.session
			.sign(self.facts(method.as_str(), path, digest), now())?;
		let header = |value: Value| hex::encode(value.to_string());
		let mut request = self
			.client
			.request(method, format!("{}{path}", self.url))
			.header("leasehold-grant", header(json!(self.session.grant())))
			.header("leasehold-proof", header(json!(proof)))
			.header("leasehold-digest", digest)
			.headers(more);
		if let Some(body) = body {
			request = request.body(body);
		}
		let answer = request
			.send()
			.await
			.map_err(|error| away(&self.url, error))?;
		if answer.status().is_success() {
			return Ok(answer);
		}
		let status = answer.status();
		let text = answer.text().await.unwrap_or_default();
		let why = serde_json::from_str::<Value>(&text)
			.ok()
			.and_then(|value| value["error"].as_str().map(str::to_owned))
			.unwrap_or(text);
		let advice = match status {
			StatusCode::CONFLICT => {
				"Wait for the job to get there; `leasehold status` shows how far it is."
			}
			StatusCode::FORBIDDEN => "Only the order's access account may do this.",
			_ => "Correct what the message names.",
		};
		Err(Failure::new(5, format!("{why} ({status})"), advice))
	}

	/// Hands in the module or an input.
	pub async fn put(&self, place: &str, entry: &FileEntry, file: &Path) -> Result<(), Failure> {
		let open = tokio::fs::File::open(file).await.map_err(|error| {
			Failure::new(2, format!("{}: {error}", file.display()), "Check the path.")
		})?;
		let path = self.path(&format!("files/{place}"));
		let body = reqwest::Body::wrap_stream(tokio_util::io::ReaderStream::new(open));
		let digest = hex::encode(entry.sha256);
		let none = HeaderMap::new();
		self.request(Method::PUT, &path, &digest, none, Some(body))
			.await
			.map(|_| ())
	}

	fn path(&self, rest: &str) -> String {
		let encoded: String = rest
			.bytes()
			.map(|b| match b {
				b'a'..=b'z'
				| b'A'..=b'Z'
				| b'0'..=b'9'
				| b'-'
				| b'_'
				| b'.'
				| b'~'
				| b'/'
				| b'?'
				| b'='
				| b'&' => char::from(b).to_string(),
				other => format!("%{other:02X}"),
			})
			.collect();
		format!("/v1/leases/{}/{encoded}", self.lease)
	}

	/// The results of the job.
	pub async fn outputs(&self) -> Result<Vec<Output>, Failure> {
		let path = self.path("files");
		let answer = self
			.request(Method::GET, &path, EMPTY, HeaderMap::new(), None)
			.await?;
		let outputs: Vec<Output> = answer
			.json()
			.await
			.map_err(|error| away(&self.url, error))?;
		// The provider is not trusted with where files go on this machine.
		if let Some(bad) = outputs.iter().find(|output| !is_safe_path(&output.path)) {
			let what = format!(
				"the provider names a file outside the folder: {:?}",
				bad.path
			);
			return Err(Failure::new(5, what, "Do not trust this provider."));
		}
		Ok(outputs)
	}

	/// Fetches one result; it must be the one that was announced.
	pub async fn fetch(&self, output: &Output, to: &Path) -> Result<(), Failure> {
		let path = self.path(&format!("files/out/{}", output.path));
		let answer = self
			.request(Method::GET, &path, EMPTY, HeaderMap::new(), None)
			.await?;
		let broken = |error: std::io::Error| {
			Failure::new(
				1,
				format!("{}: {error}", to.display()),
				"Check the path and the disk.",
			)
		};
		if let Some(folder) = to.parent() {
			tokio::fs::create_dir_all(folder).await.map_err(broken)?;
		}
		let mark = hex::encode(&leasehold_client::keystore::random_seed()?[..8]);
		let part = to.with_file_name(format!(".{mark}.leasehold-part"));
		let received = self.receive(answer, output, &part, broken).await;
		if received.is_err() {
			let _ = tokio::fs::remove_file(&part).await;
		}
		received?;
		tokio::fs::rename(&part, to).await.map_err(broken)
	}

	async fn receive(
		&self,
		answer: Response,
		output: &Output,
		part: &Path,
		broken: impl Fn(std::io::Error) -> Failure,
	) -> Result<(), Failure> {
		let mut file = tokio::fs::File::create(part).await.map_err(&broken)?;
		let (mut size, mut hasher) = (0u64, Sha256::new());
		let mut stream = answer.bytes_stream();
		while let Some(chunk) = stream.next().await {
			let chunk = chunk.map_err(|error| away(&self.url, error))?;
			size = size.saturating_add(u64::try_from(chunk.len()).unwrap_or(u64::MAX));
			if size > output.size {
				break;
			}
			hasher.update(&chunk);
			file.write_all(&chunk).await.map_err(&broken)?;
		}
		file.sync_all().await.map_err(&broken)?;
		let sha256: [u8; 32] = hasher.finalize().into();
		if size != output.size || sha256 != output.sha256 {
			let what = format!(
				"{} is not the file that the provider announced",
				output.path
			);
			return Err(Failure::new(5, what, "Fetch it again."));
		}
		Ok(())
	}

	/// Where the ports that a lease opens to the world are reached, as `SERVICE:PORT is HOST:PORT`.
	pub fn addresses(&self, ports: &serde_json::Value) -> Vec<String> {
		let host = reqwest::Url::parse(&self.url).ok();
		let host = host.as_ref().and_then(reqwest::Url::host_str);
		let host = host.unwrap_or("?");
		let ports = ports.as_array().into_iter().flatten();
		ports
			.map(|port| {
				let (service, inner, outer) = (&port["service"], &port["port"], &port["host"]);
				let udp = if port["udp"] == true { " (UDP)" } else { "" };
				let service = service.as_str().unwrap_or("?");
				format!("{service}:{inner} is {host}:{outer}{udp}")
			})
			.collect()
	}

	/// The log from an offset on, of a service's replica if one is named. With `follow` until the lease is over.
	pub async fn log(
		&self,
		from: u64,
		follow: bool,
		replica: Option<&(String, u32)>,
	) -> Result<Response, Failure> {
		let which = replica.map(|(service, n)| format!("&service={service}&replica={n}"));
		let which = which.unwrap_or_default();
		let path = self.path(&format!("logs?from={from}&follow={follow}{which}"));
		self.request(Method::GET, &path, EMPTY, HeaderMap::new(), None)
			.await
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use leasehold_client::keystore;
	use tokio::{io::AsyncReadExt as _, net::TcpListener};

	/// A provider that answers every request with `body`.
	async fn provider(body: String) -> String {
		let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
		let url = format!("http://{}", listener.local_addr().unwrap());
		tokio::spawn(async move {
			while let Ok((mut stream, _)) = listener.accept().await {
				let mut request = [0; 8_192];
				let _ = stream.read(&mut request).await;
				let head = format!(
					"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
					body.len()
				);
				let _ = stream.write_all(head.as_bytes()).await;
				let _ = stream.write_all(body.as_bytes()).await;
			}
		});
		url
	}

	fn gateway(url: &str) -> Gateway {
		let tenant = keystore::from_uri("//Tenant").unwrap();
		let operator = keystore::account(&tenant);
		Gateway::open(url, &tenant, H256([1; 32]), (0, operator), (7, 0)).unwrap()
	}

	#[tokio::test]
	async fn a_provider_does_not_choose_where_files_go() {
		for path in [
			"../escaped",
			"/etc/escaped",
			"a/../../escaped",
			"",
			"a\\b",
			"a\nb",
		] {
			let output = Output {
				path: path.into(),
				size: 1,
				sha256: [0; 32],
			};
			let body = serde_json::to_string(&[output]).unwrap();
			let gateway = gateway(&provider(body).await);
			let failure = gateway.outputs().await.unwrap_err();
			assert_eq!(failure.code, 5, "{path:?}: {}", failure.what);
			assert!(
				failure.what.contains("outside the folder"),
				"{}",
				failure.what
			);
		}
	}

	#[tokio::test]
	async fn what_was_not_announced_is_not_kept() {
		let folder = tempfile::tempdir().unwrap();
		let to = folder.path().join("out.bin");
		let digest = Sha256::digest(b"four").into();
		for (sent, announced) in [
			(
				"five!",
				Output {
					path: "out.bin".into(),
					size: 4,
					sha256: digest,
				},
			),
			(
				"fore",
				Output {
					path: "out.bin".into(),
					size: 4,
					sha256: digest,
				},
			),
			(
				"fou",
				Output {
					path: "out.bin".into(),
					size: 4,
					sha256: digest,
				},
			),
		] {
			let gateway = gateway(&provider(sent.into()).await);
			assert_eq!(gateway.fetch(&announced, &to).await.unwrap_err().code, 5);
			assert_eq!(
				std::fs::read_dir(folder.path()).unwrap().count(),
				0,
				"{sent}"
			);
		}
		let gateway = gateway(&provider("four".into()).await);
		let honest = Output {
			path: "out.bin".into(),
			size: 4,
			sha256: digest,
		};
		gateway.fetch(&honest, &to).await.unwrap();
		assert_eq!(std::fs::read(&to).unwrap(), b"four");
	}
}
