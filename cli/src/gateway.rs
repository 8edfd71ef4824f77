//! Talking to a provider's gateway.

mod door;
mod files;
mod volumes;

pub use door::answers;
pub use files::{is_ours, part_of};
pub use volumes::Place as VolumePlace;

use crate::{output::Failure, Context};
use door::{away, bounded, reason, Door, PATIENCE};
use leasehold_client::{
	access::{Call, Grant, Refusal, RequestFacts, Session, EMPTY},
	exec::MAX_MESSAGE,
	query::{self, Which},
	seal::{self, Place},
	view::Provider,
	AccountId32, Chain, Keypair, H256,
};
use reqwest::{header::HeaderMap, Method, Response, StatusCode};
use serde::Serialize;
use serde_json::{json, Value};
use sha2::{Digest as _, Sha256};
use std::{
	path::Path,
	sync::{Arc, PoisonError, RwLock},
	time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::{
	client_async_with_config,
	tungstenite::{client::ClientRequestBuilder, protocol::WebSocketConfig, Error},
	WebSocketStream,
};

/// Seconds after which a session is opened anew: its grant is for a day.
const RENEW: u64 = 12 * 3_600;
/// How long it may take to open a WebSocket.
const OPEN: Duration = Duration::from_secs(15);

/// What messages go over.
pub type Socket = WebSocketStream<TlsStream<TcpStream>>;

/// From where on a log is wanted.
pub enum From {
	/// Bytes to skip.
	Offset(u64),
	/// The last so many records.
	Last(u64),
	/// Unix milliseconds.
	Time(u64),
}

/// Where a service is reached.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Address {
	/// By its host name.
	Url {
		service: String,
		url: String,
		/// Why browsers are not content with it.
		#[serde(skip_serializing_if = "Option::is_none")]
		no_certificate: Option<String>,
	},
	/// By a name of the tenant's own, once its owner says so.
	Waiting {
		service: String,
		host: String,
		why_not: String,
	},
	/// By a port of the provider.
	Port {
		service: String,
		port: Value,
		/// `HOST:PORT`.
		address: String,
		udp: bool,
	},
}

impl std::fmt::Display for Address {
	fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
		match self {
			Self::Url {
				service,
				url,
				no_certificate,
			} => {
				write!(f, "{service} is {url}")?;
				match no_certificate {
					Some(why) => write!(f, " (browsers are shown no certificate for it: {why})"),
					None => Ok(()),
				}
			}
			Self::Waiting {
				service,
				host,
				why_not,
			} => write!(f, "{service} is not https://{host}/ yet: {why_not}"),
			Self::Port {
				service,
				port,
				address,
				udp,
			} => {
				let udp = if *udp { " (UDP)" } else { "" };
				write!(f, "{service}:{port} is {address}{udp}")
			}
		}
	}
}

/// A lease's gateway, with a session of the tenant.
pub struct Gateway {
	chain: Chain,
	door: RwLock<Arc<Door>>,
	/// The access account and the lease's epoch, if sessions can be opened anew.
	account: Option<(Keypair, u32)>,
	/// And when it was opened.
	session: RwLock<(u64, Arc<Session>)>,
	operator: AccountId32,
	place: Place,
	pub lease: u64,
}

/// By what a session is had.
pub enum Entry {
	/// The access account opens it.
	Account(Keypair),
	/// Somebody has granted it.
	Grant(Session),
}

/// The session that the command goes by in place of an account, and what it grants.
pub fn kept(context: &Context, lease: u64) -> Result<(Session, Grant), Failure> {
	let file = context.grant.as_deref().unwrap_or(Path::new(""));
	let wrong = |what: String| {
		let advice = "`leasehold grant` writes such files.";
		Failure::new(2, format!("{}: {what}", file.display()), advice)
	};
	let text = std::fs::read_to_string(file).map_err(|error| wrong(error.to_string()))?;
	let (session, grant) = Session::from_text(&text).map_err(|error| wrong(error.to_string()))?;
	if grant.lease != lease {
		return Err(wrong(format!(
			"it is for lease {}, not {lease}",
			grant.lease
		)));
	}
	if now() >= grant.expires {
		return Err(wrong("the grant has expired".into()));
	}
	Ok((session, grant))
}

/// A provider's text without what a terminal would not show but do.
pub fn shown(text: &str) -> String {
	text.chars().filter(|c| !c.is_control()).collect()
}

/// The same of all texts in a value.
fn without_controls(value: &mut Value) {
	match value {
		Value::String(text) => *text = shown(text),
		Value::Array(all) => all.iter_mut().for_each(without_controls),
		Value::Object(all) => all.values_mut().for_each(without_controls),
		_ => {}
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

/// Unix seconds.
pub fn now() -> u64 {
	SystemTime::now()
		.duration_since(UNIX_EPOCH)
		.unwrap_or_default()
		.as_secs()
}

/// What a gateway's answer to a request means that it refuses.
fn refused(status: StatusCode, text: String) -> Failure {
	let why = serde_json::from_str::<Value>(&text)
		.ok()
		.and_then(|value| value["error"].as_str().map(str::to_owned))
		.unwrap_or(text);
	let why = match shown(&why) {
		why if why.is_empty() => "the provider's gateway refuses it without a word".to_owned(),
		why => why,
	};
	let Failure { code, what, advice } = told(status, why);
	let what = match code {
		6 => what,
		_ => format!("{what} ({status})"),
	};
	Failure { code, what, advice }
}

/// What a refusal means, and what to do about it.
fn told(status: StatusCode, why: String) -> Failure {
	let is = |refusal: Refusal| why.contains(&refusal.to_string());
	let advice = match status {
		StatusCode::CONFLICT if why.ends_with("is a file") => {
			"The last argument is the folder that files go into."
		}
		StatusCode::CONFLICT if why.contains("is the volume itself") => {
			"`leasehold files ls` shows what is in it."
		}
		StatusCode::CONFLICT if why.contains("already") => "`leasehold files ls` shows what is there.",
		StatusCode::PAYLOAD_TOO_LARGE if why.contains("the volume has room") => {
			"`leasehold files ls` shows what is there and `files rm` removes it; `leasehold update` cannot make a volume larger \
			 than the lease has."
		}
		StatusCode::GONE => "Results of jobs are kept for a while; volumes are not.",
		StatusCode::NOT_IMPLEMENTED => "Only containers run commands.",
		StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
			return Failure::new(6, why, "Try again in a moment.")
		}
		StatusCode::CONFLICT | StatusCode::BAD_GATEWAY => {
			"`leasehold status` shows how far the workload is."
		}
		StatusCode::FORBIDDEN if is(Refusal::BadGrant) || is(Refusal::OutOfScope) => {
			"Only the order's access account may do this, and whom it was granted to: `leasehold grant`."
		}
		StatusCode::FORBIDDEN if is(Refusal::Revoked) => {
			"Grants were revoked since: ask the tenant for a new one."
		}
		StatusCode::FORBIDDEN => "Check this machine's clock, and the account or the grant.",
		_ if status.is_server_error() => "Try again; the provider's log tells more.",
		_ => "Correct what the message names.",
	};
	Failure::new(5, why, advice)
}

impl Gateway {
	/// Opens a session with a lease's provider.
	pub fn open(
		chain: &Chain,
		provider: &Provider,
		entry: Entry,
		genesis: H256,
		(lease, epoch): (u64, u32),
	) -> Result<Self, Failure> {
		let (account, session) = match entry {
			Entry::Grant(session) => (None, session),
			Entry::Account(pair) => {
				let place = (lease, epoch);
				let session = Session::open(&pair, genesis, provider.id, place, now())?;
				(Some((pair, epoch)), session)
			}
		};
		Ok(Self {
			chain: chain.clone(),
			door: RwLock::new(Arc::new(Door::to(provider, None)?)),
			account,
			session: RwLock::new((now(), Arc::new(session))),
			operator: provider.operator,
			place: Place {
				genesis,
				provider: provider.id,
				lease,
			},
			lease,
		})
	}

	fn door(&self) -> Arc<Door> {
		let door = self.door.read();
		door.unwrap_or_else(PoisonError::into_inner).clone()
	}

	/// A session that has long to go.
	fn session(&self) -> Result<Arc<Session>, Failure> {
		let had = self.session.read().unwrap_or_else(PoisonError::into_inner);
		let (since, session) = (had.0, had.1.clone());
		drop(had);
		let Some((account, epoch)) = &self.account else {
			return Ok(session);
		};
		if now().saturating_sub(since) < RENEW {
			return Ok(session);
		}
		let Place {
			genesis, provider, ..
		} = self.place;
		let lease = (self.lease, *epoch);
		let session = Session::open(account, genesis, provider, lease, now())?;
		let session = Arc::new(session);
		let mut had = self.session.write().unwrap_or_else(PoisonError::into_inner);
		*had = (now(), session.clone());
		Ok(session)
	}

	/// Why the gateway was not reached. It may have moved, or have changed its key, since the chain was asked.
	async fn away(&self, door: &Door, reason: &str) -> Failure {
		let asked = async {
			let view = self.chain.connection().await?.best().await?;
			view.provider(self.place.provider).await
		};
		let now = match tokio::time::timeout(PATIENCE, asked).await {
			Ok(Ok(Some(provider))) => Door::to(&provider, None).ok(),
			_ => None,
		};
		match now {
			Some(now) if (&now.url, &now.tls_keys) != (&door.url, &door.tls_keys) => {
				let what =
					format!("the provider has just changed its address or its key: {reason}");
				let mut door = self.door.write().unwrap_or_else(PoisonError::into_inner);
				*door = Arc::new(now);
				Failure::new(6, what, "Try again.")
			}
			_ => away(&door.url, reason),
		}
	}

	/// Hands in a manifest's bytes, sealed to the provider.
	pub async fn hand_in(&self, manifest: &[u8]) -> Result<Value, Failure> {
		let sealed = seal::seal(&self.door().sealing_key, self.place, manifest);
		let sealed = sealed.map_err(|error| {
			let advice = "The provider must run `leasehold-provider update`.";
			Failure::new(5, error.to_string(), advice)
		})?;
		self.call("lease_submitManifest", hex::encode(sealed)).await
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
		let session = self.session()?;
		let proof = session.sign(self.facts("RPC", method, &digest), now())?;
		let request = json!({
			"jsonrpc": "2.0", "id": 1, "method": method,
			"params": [Call {
				lease: self.lease,
				grant: session.grant().clone(),
				proof,
				body,
			}],
		});
		let door = self.door();
		let sent = door
			.client
			.post(format!("{}/rpc", door.url))
			.json(&request)
			.timeout(Duration::from_secs(60))
			.send();
		let answer = match sent.await {
			Ok(answer) => answer,
			Err(error) => return Err(self.away(&door, &reason(&error)).await),
		};
		let status = answer.status();
		let text = match bounded(answer).await {
			Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
			Err(why) => return Err(self.away(&door, &why).await),
		};
		if !status.is_success() {
			return Err(refused(status, text));
		}
		let mut answer: Value = serde_json::from_str(&text).map_err(|_| {
			let said = shown(&text);
			let what = format!("the provider's gateway says what is no answer: {said:.200}");
			Failure::new(6, what, "Try again in a moment.")
		})?;
		without_controls(&mut answer);
		if let Some(error) = answer.get("error").filter(|error| !error.is_null()) {
			let what = error["message"]
				.as_str()
				.unwrap_or("the gateway refused")
				.to_owned();
			// Not now, but perhaps later.
			let status = error["code"]
				.as_u64()
				.and_then(|code| u16::try_from(code).ok());
			let status = status.and_then(|code| StatusCode::from_u16(code).ok());
			return Err(told(status.unwrap_or(StatusCode::BAD_REQUEST), what));
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
		let session = self.session()?;
		let proof = session.sign(self.facts(method.as_str(), path, digest), now())?;
		let header = |value: Value| hex::encode(value.to_string());
		let door = self.door();
		let mut request = door
			.client
			.request(method, format!("{}{path}", door.url))
			.header("leasehold-grant", header(json!(session.grant())))
			.header("leasehold-proof", header(json!(proof)))
			.header("leasehold-digest", digest)
			.headers(more);
		if let Some(body) = body {
			request = request.body(body);
		}
		let answer = match request.send().await {
			Ok(answer) => answer,
			Err(error) => return Err(self.away(&door, &reason(&error)).await),
		};
		if answer.status().is_success() {
			return Ok(answer);
		}
		let status = answer.status();
		let text = bounded(answer).await.unwrap_or_default();
		Err(refused(status, String::from_utf8_lossy(&text).into_owned()))
	}

	/// Opens a WebSocket.
	pub async fn socket(&self, path: &str, digest: &str) -> Result<Socket, Failure> {
		let session = self.session()?;
		let proof = session.sign(self.facts("GET", path, digest), now())?;
		let header = |value: Value| hex::encode(value.to_string());
		let door = self.door();
		let internal = |error: String| Failure::new(1, error, "");
		let url = format!("{}{path}", door.url.replacen("https://", "wss://", 1));
		let uri = url
			.parse()
			.map_err(|error| internal(format!("{url}: {error}")))?;
		let request = ClientRequestBuilder::new(uri)
			.with_header("leasehold-grant", header(json!(session.grant())))
			.with_header("leasehold-proof", header(json!(proof)))
			.with_header("leasehold-digest", digest);
		let opened = async {
			let stream = door.connect().await.map_err(Error::Io)?;
			let config = WebSocketConfig::default().max_message_size(Some(2 * MAX_MESSAGE));
			client_async_with_config(request, stream, Some(config)).await
		};
		match tokio::time::timeout(OPEN, opened).await {
			Err(_) => {
				let why = format!("nothing within {} s", OPEN.as_secs());
				Err(self.away(&door, &why).await)
			}
			Ok(Ok((socket, _))) => Ok(socket),
			Ok(Err(Error::Http(answer))) => {
				let text = answer.body().as_deref().map(String::from_utf8_lossy);
				Err(refused(answer.status(), text.unwrap_or_default().into()))
			}
			Ok(Err(error)) => Err(self.away(&door, &error.to_string()).await),
		}
	}

	/// Where something of the lease is found.
	fn path(&self, rest: &str) -> String {
		format!("/v1/leases/{}/{}", self.lease, encoded(rest))
	}

	/// The same, for a replica of a service.
	pub fn path_for(&self, rest: &str, service: Option<&str>, replica: u32) -> String {
		let service = service.map(str::to_owned);
		query::with(&self.path(rest), &Which { service, replica })
	}

	/// Where what a lease opens to the world is reached, as the provider's status says.
	pub fn addresses(&self, said: &Value) -> Vec<Address> {
		let url = reqwest::Url::parse(&self.door().url).ok();
		let host = url.as_ref().and_then(reqwest::Url::host_str);
		let host = host.unwrap_or("?");
		let port = url.as_ref().and_then(reqwest::Url::port);
		let port = port.map(|port| format!(":{port}")).unwrap_or_default();
		let service = |one: &Value| one["service"].as_str().unwrap_or("?").to_owned();
		let text = |value: &Value| value.as_str().map(str::to_owned);
		let urls = said["urls"].as_array().into_iter().flatten();
		let urls = urls.filter_map(|one| {
			Some(Address::Url {
				service: service(one),
				url: one["url"].as_str()?.to_owned(),
				no_certificate: text(&one["no_certificate"]),
			})
		});
		let names = said["names"].as_array().into_iter().flatten();
		let names = names.filter_map(|one| {
			let host = one["host"].as_str()?;
			Some(match text(&one["why_not"]) {
				Some(why_not) => Address::Waiting {
					service: service(one),
					host: host.to_owned(),
					why_not,
				},
				None => Address::Url {
					service: service(one),
					url: format!("https://{host}{port}/"),
					no_certificate: text(&one["no_certificate"]),
				},
			})
		});
		let ports = said["ports"].as_array().into_iter().flatten();
		let ports = ports.map(|one| Address::Port {
			service: service(one),
			port: one["port"].clone(),
			address: format!("{host}:{}", one["host"]),
			udp: one["udp"] == true,
		});
		urls.chain(names).chain(ports).collect()
	}

	/// A log from somewhere on, of a service's replica if one is named. With `follow` until the lease is over.
	pub async fn log(
		&self,
		from: &From,
		follow: bool,
		(service, replica): &(Option<String>, u32),
	) -> Result<Response, Failure> {
		let mut asked = query::Log {
			follow,
			service: service.clone(),
			replica: *replica,
			..query::Log::default()
		};
		match from {
			From::Offset(bytes) => asked.from = *bytes,
			From::Last(records) => asked.tail = Some(*records),
			From::Time(millis) => asked.since = Some(*millis),
		}
		let path = query::with(&self.path("logs"), &asked);
		self.request(Method::GET, &path, EMPTY, HeaderMap::new(), None)
			.await
	}
}

#[cfg(test)]
mod tests;
