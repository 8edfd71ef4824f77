//! How a provider's gateway is reached.

use crate::output::Failure;
use leasehold_client::{tls, view::Provider};
use reqwest::Response;
use serde_json::{json, Value};
use std::{sync::Arc, time::Duration};
use tokio::net::TcpStream;
use tokio_rustls::{
	client::TlsStream,
	rustls::{pki_types::ServerName, ClientConfig},
	TlsConnector,
};

/// How long a gateway may take to say whose it is.
pub const PATIENCE: Duration = Duration::from_secs(3);
/// Bytes of a short answer: a provider is not trusted to be brief.
const MAX_ANSWER: usize = 4 << 20;
/// How long it may take to be reached.
const CONNECT: Duration = Duration::from_secs(5);

/// How a provider's gateway is reached, by what stands on chain.
pub struct Door {
	pub url: String,
	pub tls_keys: Vec<[u8; 32]>,
	/// What manifests are sealed to.
	pub sealing_key: [u8; 32],
	pub client: reqwest::Client,
	pub tls: Arc<ClientConfig>,
}

/// The innermost reason of an error.
pub fn reason(error: &reqwest::Error) -> String {
	let mut reason: &dyn std::error::Error = error;
	while let Some(source) = reason.source() {
		reason = source;
	}
	reason.to_string()
}

/// A short answer; why there is none, if it breaks off or is too long.
pub async fn bounded(mut answer: Response) -> Result<Vec<u8>, String> {
	let mut bytes = Vec::new();
	loop {
		match answer.chunk().await {
			Ok(Some(chunk)) => bytes.extend_from_slice(&chunk),
			Ok(None) => return Ok(bytes),
			Err(error) => return Err(reason(&error)),
		}
		if bytes.len() > MAX_ANSWER {
			return Err("its answer is too long".into());
		}
	}
}

/// Why nobody was reached at an address.
pub fn away(url: &str, reason: &str) -> Failure {
	if reason.contains(tls::WRONG_KEY) {
		let what = format!("at {url} is not the provider's gateway: {reason}");
		let advice = "Nothing was sent. Somebody may stand in between, or the provider has lost its key: it must run \
		              `leasehold-provider update` then.";
		return Failure::new(5, what, advice);
	}
	let what = format!("the provider's gateway at {url} does not answer: {reason}");
	Failure::new(6, what, "Try again; the provider may be restarting.")
}

impl Door {
	pub fn to(provider: &Provider, limit: Option<Duration>) -> Result<Self, Failure> {
		let id = provider.id;
		let lacks = |what: &str| {
			let what = format!("provider {id} has no {what} on chain");
			let advice = "It must run `leasehold-provider update`; until then choose another.";
			Failure::new(5, what, advice)
		};
		let url = provider.gateways.first().map(String::as_str);
		let url = url.filter(|url| url.starts_with("https://"));
		let url = url.ok_or_else(|| lacks("gateway with TLS"))?;
		if provider.tls_keys.is_empty() {
			return Err(lacks("TLS key"));
		}
		let sealing_key = provider.sealing_key;
		let sealing_key = sealing_key.ok_or_else(|| lacks("key to seal manifests to"))?;
		let internal = |error: String| Failure::new(1, error, "");
		let tls = tls::pinned(&provider.tls_keys).map_err(|error| internal(error.to_string()))?;
		let client = reqwest::Client::builder()
			.use_preconfigured_tls(tls.clone())
			// A grant is for this gateway, and nobody else.
			.redirect(reqwest::redirect::Policy::none())
			.https_only(true)
			.connect_timeout(CONNECT);
		let client = match limit {
			Some(limit) => client.timeout(limit),
			None => client,
		};
		Ok(Self {
			url: url.trim_end_matches('/').to_owned(),
			tls_keys: provider.tls_keys.clone(),
			sealing_key,
			client: client
				.build()
				.map_err(|error| internal(error.to_string()))?,
			tls: Arc::new(tls),
		})
	}

	/// A connection, once it is known to be with the provider.
	pub async fn connect(&self) -> std::io::Result<TlsStream<TcpStream>> {
		let wrong = |_| std::io::Error::from(std::io::ErrorKind::InvalidInput);
		let url = reqwest::Url::parse(&self.url).map_err(wrong)?;
		let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
		let name = ServerName::try_from(host.to_owned())
			.map_err(|_| std::io::Error::from(std::io::ErrorKind::InvalidInput))?;
		let port = url.port_or_known_default().unwrap_or(443);
		let stream = TcpStream::connect((host, port)).await?;
		stream.set_nodelay(true)?;
		TlsConnector::from(self.tls.clone())
			.connect(name, stream)
			.await
	}
}

/// Whether a provider's gateway answers.
pub async fn answers(provider: &Provider) -> bool {
	let asked = async {
		let Door { url, client, .. } = Door::to(provider, Some(PATIENCE)).ok()?;
		let request = json!({ "jsonrpc": "2.0", "id": 1, "method": "provider_info", "params": [] });
		let sent = client.post(format!("{url}/rpc")).json(&request).send();
		let answer = bounded(sent.await.ok()?).await.ok()?;
		let answer: Value = serde_json::from_slice(&answer).ok()?;
		Some(answer["result"]["provider"] == provider.id)
	};
	asked.await.unwrap_or(false)
}
