//! Services by host name: `SERVICE-LEASE.DOMAIN` leads to the port of a service that is open to the world as port 80.
//!
//! What is said goes through as it comes, of any size, WebSockets included. hyper frames it anew on either side, so that
//! nothing of one request can be taken for another by the service.

use super::listener::Seat;
use crate::{
	daemon::Shared,
	members::{self, Stream},
	reconcile::manifest,
	store::LeaseRow,
};
use axum::{
	body::Body,
	http::{
		header::{self, HeaderName, HOST},
		uri::{Authority, PathAndQuery},
		HeaderMap, HeaderValue, Request, Response, StatusCode, Uri,
	},
};
use futures::future::BoxFuture;
use http_body_util::Limited;
use hyper::{
	body::{Body as _, Incoming},
	rt::{Read, ReadBufCursor, Write},
	upgrade::OnUpgrade,
};
use hyper_util::{
	client::legacy::{
		connect::{Connected, Connection},
		Client, Error,
	},
	rt::{TokioExecutor, TokioIo, TokioTimer},
};
use leasehold_manifest::{Expose, Service};
use std::{
	collections::HashMap,
	io,
	net::IpAddr,
	pin::Pin,
	sync::{
		atomic::{AtomicUsize, Ordering},
		Arc, Mutex,
	},
	task::{Context, Poll},
	time::{Duration, Instant},
};
use tokio::{sync::watch, time::timeout};

/// How long is remembered where a name leads, and how many names.
const REMEMBERED: (Duration, usize) = (Duration::from_secs(1), 4_096);
/// How long a connection to a service is kept for the next request, and how many of one replica.
const KEPT: (Duration, usize) = (Duration::from_secs(30), 64);
/// What is between two neighbours, and goes no further (RFC 9110, section 7.6.1).
const HOP_BY_HOP: [HeaderName; 8] = [
	header::CONNECTION,
	HeaderName::from_static("keep-alive"),
	header::PROXY_AUTHENTICATE,
	header::PROXY_AUTHORIZATION,
	header::TE,
	header::TRAILER,
	header::TRANSFER_ENCODING,
	header::UPGRADE,
];
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Where a name leads.
struct Route {
	row: LeaseRow,
	service: Service,
	expose: Expose,
}

/// What a host name says, below the provider's domain.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Name {
	service: String,
	lease: u64,
}

impl Name {
	/// A host name without port, below a domain.
	fn read(host: &str, domain: &str) -> Option<Self> {
		let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
		let label = host.strip_suffix(domain)?.strip_suffix('.')?;
		let (service, lease) = label.rsplit_once('-')?;
		let number: u64 = lease.parse().ok()?;
		// One name each.
		(lease == number.to_string() && leasehold_manifest::is_label(service)).then(|| Self {
			service: service.to_owned(),
			lease: number,
		})
	}

	/// The host name below a domain; `None` if that is longer than names may be.
	fn host(service: &str, lease: u64, domain: &str) -> Option<String> {
		let label = format!("{service}-{lease}");
		(label.len() <= 63).then(|| format!("{label}.{domain}"))
	}
}

/// The port of a service that goes by its host name.
fn by_name(service: &Service) -> Option<&Expose> {
	service.expose.iter().find(|expose| expose.is_http())
}

/// (service, URL) of what goes by host name in a lease; `url` is the gateway's.
pub fn urls(services: &[Service], lease: u64, domain: &str, url: &str) -> Vec<(String, String)> {
	let port = reqwest::Url::parse(url).ok().and_then(|url| url.port());
	let port = port.map(|port| format!(":{port}")).unwrap_or_default();
	let named = services
		.iter()
		.filter(|service| by_name(service).is_some())
		.filter_map(|service| {
			let host = Name::host(&service.name, lease, domain)?;
			Some((service.name.clone(), format!("https://{host}{port}/")))
		});
	named.collect()
}

/// When it was looked where a name leads, and where.
type Known = (Instant, Option<Arc<Route>>);

/// What is known of names.
struct Routes {
	shared: Arc<Shared>,
	known: Mutex<HashMap<Name, Known>>,
}

impl Routes {
	fn look_up(&self, name: &Name) -> anyhow::Result<Option<Arc<Route>>> {
		let Some(row) = self.shared.store.lease(name.lease)? else {
			return Ok(None);
		};
		let manifest = match row.phase.runs() {
			true => manifest(&self.shared, &row)?,
			false => None,
		};
		let services = manifest
			.map(|manifest| manifest.services)
			.unwrap_or_default();
		let service = services.into_iter().find(|one| one.name == name.service);
		Ok(service.and_then(|service| {
			let expose = by_name(&service)?.clone();
			Some(Arc::new(Route {
				row,
				service,
				expose,
			}))
		}))
	}

	/// Where a name leads, if it does.
	fn find(&self, name: &Name) -> Option<Arc<Route>> {
		let now = Instant::now();
		let is_fresh = |since: &Instant| now.duration_since(*since) < REMEMBERED.0;
		if let Some((since, route)) = self.known.lock().ok()?.get(name) {
			if is_fresh(since) {
				return route.clone();
			}
		}
		let route = self.look_up(name).unwrap_or_else(|error| {
			tracing::warn!(lease = name.lease, %error, "where a name leads is not known");
			None
		});
		let mut known = self.known.lock().ok()?;
		if known.len() >= REMEMBERED.1 {
			known.retain(|_, (since, _)| is_fresh(since));
		}
		if known.len() < REMEMBERED.1 {
			known.insert(name.clone(), (now, route.clone()));
		}
		route
	}

	/// Replicas of a service that can be asked, those that are well before others.
	fn replicas(&self, route: &Route) -> Vec<u32> {
		let Ok(all) = self.shared.replicas.lock() else {
			return Vec::new();
		};
		let of = all.get(&route.row.lease);
		let of = of.into_iter().flat_map(|seen| &seen.replicas);
		let ours = of.filter(|one| one.service == route.service.name);
		let mut found: Vec<_> = ours
			.filter(|one| ["running", "unready"].contains(&one.state))
			.map(|one| (one.state != "running", one.replica))
			.collect();
		found.sort_unstable();
		let well = found.iter().take_while(|(unready, _)| !unready).count();
		found.truncate(if well == 0 { found.len() } else { well });
		found.into_iter().map(|(_, replica)| replica).collect()
	}
}

/// Connects to replicas, by addresses `REPLICA.SERVICE.LEASE:PORT` of our own.
#[derive(Clone)]
struct Connector(Arc<Routes>);

/// The address of a replica's port.
fn authority(route: &Route, replica: u32) -> Option<Authority> {
	let Route {
		row,
		service,
		expose,
	} = route;
	let text = format!("{replica}.{}.{}:{}", service.name, row.lease, expose.port);
	text.parse().ok()
}

impl tower::Service<Uri> for Connector {
	type Response = Link;
	type Error = io::Error;
	type Future = BoxFuture<'static, io::Result<Link>>;

	fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
		Poll::Ready(Ok(()))
	}

	fn call(&mut self, uri: Uri) -> Self::Future {
		let routes = self.0.clone();
		Box::pin(async move {
			let read = || {
				let mut parts = uri.host()?.split('.');
				let replica = parts.next()?.parse().ok()?;
				let service = parts.next()?.to_owned();
				let lease = parts.next()?.parse().ok()?;
				Some((replica, Name { service, lease }, uri.port_u16()?))
			};
			let (replica, name, port) = read().ok_or(io::ErrorKind::InvalidInput)?;
			let route = routes.find(&name).ok_or(io::ErrorKind::NotFound)?;
			let Route { row, service, .. } = &*route;
			let stream = members::reach(&routes.shared, row, service, replica, port).await?;
			Ok(Link(TokioIo::new(stream)))
		})
	}
}

/// A connection to a replica.
struct Link(TokioIo<Box<dyn Stream>>);

impl Connection for Link {
	fn connected(&self) -> Connected {
		Connected::new()
	}
}

impl Read for Link {
	fn poll_read(
		mut self: Pin<&mut Self>,
		context: &mut Context<'_>,
		buffer: ReadBufCursor<'_>,
	) -> Poll<io::Result<()>> {
		Pin::new(&mut self.0).poll_read(context, buffer)
	}
}

impl Write for Link {
	fn poll_write(
		mut self: Pin<&mut Self>,
		context: &mut Context<'_>,
		bytes: &[u8],
	) -> Poll<io::Result<usize>> {
		Pin::new(&mut self.0).poll_write(context, bytes)
	}

	fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
		Pin::new(&mut self.0).poll_flush(context)
	}

	fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
		Pin::new(&mut self.0).poll_shutdown(context)
	}

	fn is_write_vectored(&self) -> bool {
		self.0.is_write_vectored()
	}

	fn poll_write_vectored(
		mut self: Pin<&mut Self>,
		context: &mut Context<'_>,
		parts: &[io::IoSlice<'_>],
	) -> Poll<io::Result<usize>> {
		Pin::new(&mut self.0).poll_write_vectored(context, parts)
	}
}

/// Leads requests to services.
pub struct Proxy {
	domain: String,
	routes: Arc<Routes>,
	client: Client<Connector, Body>,
	/// Whose turn it is.
	turn: AtomicUsize,
	stopped: watch::Receiver<bool>,
}

/// An answer of the proxy's own.
fn plain(status: StatusCode, why: &str) -> Response<Body> {
	let mut answer = Response::new(Body::from(format!("{why}\n")));
	*answer.status_mut() = status;
	let text = HeaderValue::from_static("text/plain; charset=utf-8");
	answer.headers_mut().insert(header::CONTENT_TYPE, text);
	answer
}

/// The host that a request names; `Err`: more than one.
fn host_of<B>(request: &Request<B>) -> Result<Option<&str>, ()> {
	let mut named = request.headers().get_all(HOST).iter();
	let host = match (named.next(), named.next(), request.uri().authority()) {
		(_, Some(_), _) => return Err(()),
		(_, _, Some(authority)) => Some(authority.as_str()),
		(Some(host), ..) => Some(host.to_str().map_err(|_| ())?),
		(None, ..) => None,
	};
	// Without the port; names below a domain are no addresses.
	Ok(host.map(|host| host.split_once(':').map_or(host, |(host, _)| host)))
}

/// What a connection is to be made to, if that is asked.
fn upgrade_of(headers: &HeaderMap) -> Option<HeaderValue> {
	let asks = headers.get_all(header::CONNECTION).iter();
	let mut words = asks
		.filter_map(|value| value.to_str().ok())
		.flat_map(|text| text.split(','));
	let asked = words.any(|word| word.trim().eq_ignore_ascii_case("upgrade"));
	headers.get(header::UPGRADE).filter(|_| asked).cloned()
}

/// Removes what is between two neighbours.
fn strip(headers: &mut HeaderMap) {
	let named: Vec<HeaderName> = headers
		.get_all(header::CONNECTION)
		.iter()
		.filter_map(|value| value.to_str().ok())
		.flat_map(|text| text.split(','))
		.filter_map(|word| word.trim().parse().ok())
		.collect();
	for name in named.iter().chain(&HOP_BY_HOP) {
		headers.remove(name);
	}
}

fn is_too_long(error: &Error) -> bool {
	let mut reason: Option<&dyn std::error::Error> = Some(error);
	while let Some(error) = reason {
		if error.is::<http_body_util::LengthLimitError>() {
			return true;
		}
		reason = error.source();
	}
	false
}

impl Proxy {
	pub fn new(shared: Arc<Shared>, domain: &str, stopped: watch::Receiver<bool>) -> Self {
		let routes = Arc::new(Routes {
			shared,
			known: Mutex::default(),
		});
		let client = Client::builder(TokioExecutor::new())
			.pool_timer(TokioTimer::new())
			.pool_idle_timeout(KEPT.0)
			.pool_max_idle_per_host(KEPT.1)
			.build(Connector(routes.clone()));
		Self {
			domain: domain.to_ascii_lowercase(),
			routes,
			client,
			turn: AtomicUsize::new(0),
			stopped,
		}
	}

	/// What a request names below the domain. `Some(None)`: nothing that there could be.
	pub fn name<B>(&self, request: &Request<B>) -> Option<Option<Name>> {
		let Ok(host) = host_of(request) else {
			return Some(None);
		};
		let host = host?;
		let plain = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
		let below = plain.strip_suffix(&self.domain)?;
		below
			.ends_with('.')
			.then(|| Name::read(&plain, &self.domain))
	}

	/// Answers a request for a name.
	pub async fn answer(
		&self,
		name: Option<Name>,
		mut request: Request<Incoming>,
		seat: Arc<Seat<IpAddr>>,
	) -> Response<Body> {
		let route = name.as_ref().and_then(|name| self.routes.find(name));
		// Whatever the reason: a stranger does not learn which names there could be.
		let Some(route) = route else {
			return plain(StatusCode::NOT_FOUND, "there is no such service here");
		};
		let replicas = self.routes.replicas(&route);
		let turn = self.turn.fetch_add(1, Ordering::Relaxed);
		let chosen = turn.checked_rem(replicas.len());
		let Some(replica) = chosen.and_then(|at| replicas.get(at)) else {
			return plain(
				StatusCode::SERVICE_UNAVAILABLE,
				"the service does not run at present",
			);
		};
		let most = u64::from(route.expose.http.max_body_size);
		if request.body().size_hint().lower() > most {
			return plain(StatusCode::PAYLOAD_TOO_LARGE, "the request is too large");
		}
		let upgrade = upgrade_of(request.headers());
		let ours = upgrade.as_ref().map(|_| hyper::upgrade::on(&mut request));
		let Some(asked) = self.asked(request, &route, *replica, upgrade, seat.who()) else {
			return plain(StatusCode::BAD_REQUEST, "the request is malformed");
		};
		let patience = Duration::from_millis(route.expose.http.read_timeout.into());
		let mut answer = match timeout(patience, self.client.request(asked)).await {
			Err(_) => {
				return plain(
					StatusCode::GATEWAY_TIMEOUT,
					"the service gives no answer in time",
				)
			}
			Ok(Err(error)) if is_too_long(&error) => {
				return plain(StatusCode::PAYLOAD_TOO_LARGE, "the request is too large")
			}
			Ok(Err(error)) => {
				tracing::debug!(lease = route.row.lease, %error, "a service does not answer");
				return plain(StatusCode::BAD_GATEWAY, "the service does not answer");
			}
			Ok(Ok(answer)) => answer,
		};
		let upgrade = upgrade_of(answer.headers());
		strip(answer.headers_mut());
		if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
			let (Some(ours), Some(to)) = (ours, upgrade) else {
				return plain(
					StatusCode::BAD_GATEWAY,
					"the service answers what was not asked",
				);
			};
			let theirs = hyper::upgrade::on(&mut answer);
			tokio::spawn(pass(ours, theirs, seat, self.stopped.clone()));
			let headers = answer.headers_mut();
			headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
			headers.insert(header::UPGRADE, to);
		}
		answer.map(Body::new)
	}

	/// The request as a replica gets it.
	fn asked(
		&self,
		request: Request<Incoming>,
		route: &Route,
		replica: u32,
		upgrade: Option<HeaderValue>,
		peer: IpAddr,
	) -> Option<Request<Body>> {
		let (mut parts, body) = request.into_parts();
		let host = match parts.uri.authority() {
			Some(authority) => authority.as_str().parse().ok()?,
			None => parts.headers.get(HOST)?.clone(),
		};
		let path = parts.uri.path_and_query().cloned();
		parts.uri = Uri::builder()
			.scheme("http")
			.authority(authority(route, replica)?)
			.path_and_query(path.unwrap_or(PathAndQuery::from_static("/")))
			.build()
			.ok()?;
		strip(&mut parts.headers);
		parts.headers.insert(HOST, host.clone());
		parts.headers.insert(FORWARDED_HOST, host);
		let from = peer.to_string().parse().ok()?;
		parts.headers.insert(FORWARDED_FOR, from);
		let proto = HeaderValue::from_static("https");
		parts.headers.insert(FORWARDED_PROTO, proto);
		if let Some(to) = upgrade {
			let asks = HeaderValue::from_static("upgrade");
			parts.headers.insert(header::CONNECTION, asks);
			parts.headers.insert(header::UPGRADE, to);
		}
		// It says nothing to the service.
		parts.extensions.clear();
		let body = match usize::try_from(route.expose.http.max_body_size) {
			Ok(most) if most < ANY_SIZE && !body.is_end_stream() => {
				Body::new(Limited::new(body, most))
			}
			_ => Body::new(body),
		};
		Some(Request::from_parts(parts, body))
	}
}

/// What a manifest says that names no largest size.
const ANY_SIZE: usize = u32::MAX as usize;

/// Passes on what is said once a connection has been made to something else.
async fn pass(
	ours: OnUpgrade,
	theirs: OnUpgrade,
	_seat: Arc<Seat<IpAddr>>,
	mut stopped: watch::Receiver<bool>,
) {
	let Ok((ours, theirs)) = tokio::try_join!(ours, theirs) else {
		return;
	};
	let (mut ours, mut theirs) = (TokioIo::new(ours), TokioIo::new(theirs));
	tokio::select! {
		_ = tokio::io::copy_bidirectional(&mut ours, &mut theirs) => {},
		_ = stopped.wait_for(|stop| *stop) => {},
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn a_name_is_read_back_and_has_one_form() {
		let read = |host: &str| Name::read(host, "leases.example.org");
		let name = |service: &str, lease| {
			Some(Name {
				service: service.into(),
				lease,
			})
		};
		assert_eq!(read("web-7.leases.example.org"), name("web", 7));
		assert_eq!(read("WEB-7.Leases.Example.org."), name("web", 7));
		assert_eq!(read("my-web-7.leases.example.org"), name("my-web", 7));
		for none in [
			"web.leases.example.org",
			"web-07.leases.example.org",
			"web-+7.leases.example.org",
			"web-.leases.example.org",
			"-7.leases.example.org",
			"a.web-7.leases.example.org",
			"leases.example.org",
			".leases.example.org",
			"web-7.leases.example.com",
			"web-7evil.leases.example.org",
			"web-7xleases.example.org",
			"web-99999999999999999999.leases.example.org",
			"",
		] {
			assert_eq!(read(none), None, "{none}");
		}
		let host = Name::host("my-web", 7, "leases.example.org").unwrap();
		assert_eq!(read(&host), name("my-web", 7));
		assert_eq!(Name::host(&"w".repeat(62), 7, "x"), None);
	}

	#[test]
	fn what_is_between_neighbours_goes_no_further() {
		let mut headers = HeaderMap::new();
		for (name, value) in [
			("connection", "close, X-Secret"),
			("connection", "keep-alive"),
			("x-secret", "1"),
			("keep-alive", "timeout=5"),
			("transfer-encoding", "chunked"),
			("te", "trailers"),
			("upgrade", "websocket"),
			("x-kept", "1"),
		] {
			headers.append(name, value.parse().unwrap());
		}
		assert_eq!(upgrade_of(&headers), None, "it is not asked for");
		strip(&mut headers);
		let left: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
		assert_eq!(left, ["x-kept"]);
	}

	#[test]
	fn a_request_names_one_host() {
		let request = |hosts: &[&str], uri: &str| {
			let mut request = Request::builder().uri(uri);
			for host in hosts {
				request = request.header(HOST, *host);
			}
			host_of(&request.body(()).unwrap()).map(|host| host.map(str::to_owned))
		};
		assert_eq!(request(&["a.b:80"], "/"), Ok(Some("a.b".into())));
		assert_eq!(request(&["a.b"], "http://c.d:1/"), Ok(Some("c.d".into())));
		assert_eq!(request(&["a.b", "c.d"], "/"), Err(()));
		assert_eq!(request(&[], "/"), Ok(None));
	}
}
