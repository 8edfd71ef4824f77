//! Certificates for the gateway's own host name, and for those of tenants that lead here, by ACME (RFC 8555), so that
//! browsers go by the name. The key is the gateway's and stays: whoever goes by that notices nothing. That the name leads here is shown over TLS (RFC 8737), on
//! the gateway's own port.

use crate::{
	config::Acme,
	daemon::Shared,
	identity::Identity,
	reconcile::unix_now,
	store::{write_secret, write_whole},
};
use anyhow::{bail, Context as _};
use http_body_util::BodyExt as _;
use hyper::Request;
use instant_acme::{
	Account, AccountCredentials, AuthorizationStatus, BodyWrapper, BytesResponse, ChallengeType,
	Error, HttpClient, Identifier, NewAccount, NewOrder, OrderStatus, RetryPolicy,
	RevocationReason, RevocationRequest,
};
use serde::{Deserialize, Serialize};
use std::{
	collections::HashMap,
	future::Future,
	path::{Path, PathBuf},
	pin::Pin,
	sync::Arc,
	time::{Duration, Instant},
};
use tokio::time::timeout;

/// How often it is looked whether a certificate is due, and which names there are.
const LOOK: Duration = Duration::from_secs(10);
/// For how many names of a lease certificates are fetched, and how many are asked for in an hour.
const OF_A_LEASE: usize = 4;
const ORDERS: usize = 60;
const HOUR: Duration = Duration::from_secs(3_600);
/// How long to wait after a failure, at first and at most: servers count them.
const RETRY: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(6 * 3_600));
/// How long to wait after a certificate could not be revoked, at first.
const AGAIN: Duration = Duration::from_secs(600);
/// How long to wait after a success.
const FLOOR: Duration = Duration::from_secs(10);
/// How long all of it may take, and one request.
const PATIENCE: Duration = Duration::from_secs(300);
const REQUEST: Duration = Duration::from_secs(30);
/// Bytes of an answer.
const ANSWER: usize = 1 << 20;
/// What a server says of an account that it does not have.
const NO_ACCOUNT: &str = "urn:ietf:params:acme:error:accountDoesNotExist";
const REVOKED: &str = "urn:ietf:params:acme:error:alreadyRevoked";
/// The account at the server, in the folder of keys.
const ACCOUNT: &str = "acme.json";

/// What is asked by.
struct Http(reqwest::Client);

impl Http {
	fn new(roots: Option<&Path>) -> anyhow::Result<Self> {
		let mut client = reqwest::Client::builder().timeout(REQUEST).https_only(true);
		let trusted = match roots {
			Some(path) => {
				let pem = std::fs::read(path).with_context(|| path.display().to_string())?;
				let all = reqwest::Certificate::from_pem_bundle(&pem);
				all.with_context(|| path.display().to_string())?
			}
			None => crate::fetch::roots().map_err(anyhow::Error::msg)?.to_vec(),
		};
		if trusted.is_empty() {
			bail!("this machine trusts no certificates: install its package `ca-certificates`, or name `roots`");
		}
		for root in trusted {
			client = client.add_root_certificate(root);
		}
		Ok(Self(client.build()?))
	}
}

fn other(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
	Error::Other(error.into())
}

impl HttpClient for Http {
	fn request(
		&self,
		request: Request<BodyWrapper<axum::body::Bytes>>,
	) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
		let client = self.0.clone();
		Box::pin(async move {
			let (parts, body) = request.into_parts();
			let body = body.collect().await.map_err(other)?.to_bytes();
			let sent = client
				.request(parts.method, parts.uri.to_string())
				.headers(parts.headers)
				.body(body)
				.send();
			let answer = hyper::Response::from(sent.await.map_err(other)?);
			let (parts, body) = answer.into_parts();
			let limited = http_body_util::Limited::new(body, ANSWER);
			let body = limited.collect().await.map_err(other)?.to_bytes();
			let body = http_body_util::Full::new(body);
			Ok(hyper::Response::from_parts(parts, body).into())
		})
	}
}

/// What is kept of an account.
#[derive(Serialize, Deserialize)]
struct Kept {
	directory: String,
	credentials: AccountCredentials,
}

/// The account at the server, made if there is none yet.
async fn account(keys: &Path, config: &Acme) -> anyhow::Result<Account> {
	let path = keys.join(ACCOUNT);
	let builder = || -> anyhow::Result<_> {
		let http = Http::new(config.roots.as_deref())?;
		Ok(Account::builder_with_http(Box::new(http)))
	};
	let named = || path.display().to_string();
	let kept: Option<Kept> = match std::fs::read(&path) {
		Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
		Err(error) => return Err(error).with_context(named),
		Ok(bytes) => Some(
			serde_json::from_slice(&bytes)
				.with_context(|| format!("{}: remove it to have another account made", named()))?,
		),
	};
	if let Some(kept) = kept.filter(|kept| kept.directory == config.directory) {
		return Ok(builder()?.from_credentials(kept.credentials).await?);
	}
	// Servers count accounts: none is made that could not be kept.
	let probe = keys.join("acme.probe");
	write_whole(&probe, ACCOUNT.as_bytes())
		.and_then(|()| std::fs::remove_file(&probe))
		.with_context(named)?;
	let contact: Vec<_> = config.contact.iter().map(String::as_str).collect();
	let new = NewAccount {
		contact: &contact,
		terms_of_service_agreed: config.terms_agreed,
		only_return_existing: false,
	};
	let directory = config.directory.clone();
	let (account, credentials) = builder()?.create(&new, directory.clone(), None).await?;
	let kept = Kept {
		directory,
		credentials,
	};
	write_secret(&path, &serde_json::to_vec(&kept)?)?;
	Ok(account)
}

/// Takes the answer to the server's question away again.
struct Asked<'a>(&'a Identity);

impl Drop for Asked<'_> {
	fn drop(&mut self) {
		self.0.no_challenge();
	}
}

/// Gets a certificate for the key that the gateway has.
async fn obtain(
	identity: &Identity,
	host: &str,
	keys: PathBuf,
	config: &Acme,
) -> anyhow::Result<()> {
	let (csr, key) = identity.request(host)?;
	let account = account(&keys, config).await?;
	let names = [Identifier::Dns(host.to_owned())];
	let mut order = match account.new_order(&NewOrder::new(&names)).await {
		Err(Error::Api(problem)) if problem.r#type.as_deref() == Some(NO_ACCOUNT) => {
			return Err(unknown_account(&keys)?);
		}
		order => order?,
	};
	let asked = Asked(identity);
	let mut all = order.authorizations();
	while let Some(authorization) = all.next().await {
		let mut authorization = authorization?;
		match authorization.status {
			AuthorizationStatus::Valid => continue,
			AuthorizationStatus::Pending => {}
			status => bail!("the server says of the name: {status:?}"),
		}
		let challenge = authorization.challenge(ChallengeType::TlsAlpn01);
		let mut challenge = challenge.context("the server does not ask over TLS (tls-alpn-01)")?;
		identity.challenged(host, challenge.key_authorization().digest().as_ref())?;
		challenge.set_ready().await?;
	}
	let retry = RetryPolicy::new().timeout(PATIENCE);
	match order.poll_ready(&retry).await? {
		OrderStatus::Ready => {}
		status => {
			let mut why = Vec::new();
			let mut all = order.authorizations();
			while let Some(Ok(authorization)) = all.next().await {
				let errors = authorization.challenges.iter();
				let errors = errors.filter_map(|challenge| challenge.error.as_ref());
				why.extend(errors.filter_map(|problem| problem.detail.clone()));
			}
			bail!(
				"the server has not found the name to lead here ({status:?}): {}",
				why.join("; ")
			);
		}
	}
	drop(asked);
	order.finalize_csr(&csr).await?;
	let chain = order.poll_certificate(&retry).await?;
	identity.certify(host, &chain, key)
}

/// Has certificates revoked whose key the gateway has no more.
async fn revoke(identity: &Identity, keys: &Path, config: &Acme) -> anyhow::Result<()> {
	let former = identity.former()?;
	let mut last = former.unread.map_or(Ok(()), Err);
	if former.valid.is_empty() {
		return last;
	}
	let account = account(keys, config).await?;
	for (path, certificate) in former.valid {
		let asked = RevocationRequest {
			certificate: &certificate,
			reason: Some(RevocationReason::Superseded),
		};
		match account.revoke(&asked).await {
			Err(Error::Api(problem)) if problem.r#type.as_deref() == Some(REVOKED) => {}
			Err(Error::Api(problem)) if problem.r#type.as_deref() == Some(NO_ACCOUNT) => {
				return Err(unknown_account(keys)?);
			}
			Err(error) => {
				last = Err(error.into());
				continue;
			}
			Ok(()) => tracing::info!("a certificate for the former key is revoked"),
		}
		std::fs::remove_file(&path).with_context(|| path.display().to_string())?;
		// Its folder goes with the last.
		let _ = path.parent().map(std::fs::remove_dir);
	}
	last
}

/// Puts an account aside that the server does not know.
fn unknown_account(keys: &Path) -> anyhow::Result<anyhow::Error> {
	let kept = keys.join(ACCOUNT);
	std::fs::rename(&kept, kept.with_extension("json.former"))?;
	Ok(anyhow::anyhow!(
		"the server does not know the account any more: another is made next time"
	))
}

/// Keeps certificates, if the operator wants them.
pub async fn keep(shared: Arc<Shared>) {
	let Some(config) = &shared.config.gateway.acme else {
		return;
	};
	let identity = &shared.identity;
	let own = identity.host().to_owned();
	let keys = shared.store.folder().join("keys");
	// What failed is tried again then, and how much later after that.
	let mut waits: HashMap<String, (Instant, Duration)> = HashMap::new();
	let mut orders = Vec::new();
	// When it is looked next for what is to be revoked, if it is.
	let (mut revoke_at, mut revoke_wait, mut key) = (None, AGAIN, None);
	loop {
		// The key is another one, or this is the begin.
		let present = identity.tls_key().ok();
		if std::mem::replace(&mut key, present) != present {
			waits.clear();
			(revoke_at, revoke_wait) = (Some(Instant::now()), AGAIN);
		}
		let mut of: HashMap<u64, usize> = HashMap::new();
		let mut hosts = vec![own.clone()];
		for (lease, host) in shared.names.leading() {
			let theirs = of.entry(lease).or_default();
			if *theirs < OF_A_LEASE && hosts.len() <= config.names {
				*theirs = theirs.saturating_add(1);
				if identity.certificate_due(&host) > unix_now() {
					shared.names.certified(&host, None);
				}
				hosts.push(host);
				continue;
			}
			let why = format!(
				"it is fetched for {} names, those that led here first, and for {OF_A_LEASE} of a lease",
				config.names
			);
			shared.names.certified(&host, Some(why));
		}
		identity.forget(|host| shared.names.is_forgotten(host));
		let now = Instant::now();
		// A name that comes and goes is not tried the more often for it.
		waits.retain(|host, (until, _)| hosts.contains(host) || *until > now);
		orders.retain(|since: &Instant| since.elapsed() < HOUR);
		let waiting = |host: &String| {
			let until = waits.get(host).map(|(until, _)| *until);
			let left = until.map_or(Duration::ZERO, |until| until.saturating_duration_since(now));
			let due = identity.certificate_due(host);
			let left = left.max(Duration::from_secs(due.saturating_sub(unix_now())));
			// Servers count orders, and one is left for the gateway's own.
			match *host != own && orders.len() >= ORDERS {
				true => left.max(LOOK),
				false => left,
			}
		};
		// After the gateway's own host, and before tenants' names.
		if revoke_at.is_some_and(|at| at <= now) && waiting(&own) > Duration::ZERO {
			let revoked = timeout(PATIENCE, revoke(identity, &keys, config)).await;
			let revoked = revoked.unwrap_or_else(|_| Err(anyhow::anyhow!("it takes too long")));
			let why = revoked.err().map(|error| format!("{error:#}"));
			if let Some(why) = &why {
				tracing::warn!("certificates for a former key are not revoked yet: {why}");
			}
			revoke_at = why.as_ref().and_then(|_| now.checked_add(revoke_wait));
			revoke_wait = revoke_wait.saturating_mul(2).min(RETRY.1);
			shared.note(|s| s.not_revoked = why);
		}
		let first = hosts
			.iter()
			.map(|host| (waiting(host), host))
			.min_by_key(|(wait, _)| *wait);
		let Some((Duration::ZERO, host)) = first else {
			let pause = first.map_or(LOOK, |(wait, _)| wait).min(LOOK);
			tokio::select! {
				() = tokio::time::sleep(pause) => {},
				// The key is another one.
				() = identity.changed.notified() => {},
			}
			continue;
		};
		tracing::info!(
			server = config.directory,
			host,
			"a certificate is asked for"
		);
		orders.push(now);
		let obtained = timeout(PATIENCE, obtain(identity, host, keys.clone(), config)).await;
		let obtained = obtained.unwrap_or_else(|_| Err(anyhow::anyhow!("it takes too long")));
		let wait = waits
			.get(host)
			.map(|(_, wait)| wait.saturating_mul(2).min(RETRY.1));
		let (wait, why) = match obtained {
			Ok(()) => {
				tracing::info!(host, "there is another certificate");
				// However short its life is, it is not asked for all the time.
				(FLOOR, None)
			}
			Err(error) => {
				let why = format!("{error:#}");
				let wait = wait.unwrap_or(RETRY.0).max(RETRY.0);
				tracing::warn!(host, wait = wait.as_secs(), "no certificate: {why}");
				(wait, Some(why))
			}
		};
		let now = Instant::now();
		waits.insert(host.clone(), (now.checked_add(wait).unwrap_or(now), wait));
		match *host == own {
			true => shared.note(|s| s.no_certificate = why),
			false => shared.names.certified(host, why),
		}
	}
}
