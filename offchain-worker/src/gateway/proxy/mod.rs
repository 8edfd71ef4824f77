//! Services by host name: `SERVICE-LEASE.DOMAIN` leads to the port of a service that is open to the world as port 80.
//!
//! What is said goes through as it comes, of any size, WebSockets included. hyper frames it anew on either side, so that
//! nothing of one request can be taken for another by the service.

mod headers;
mod route;

pub use route::urls;

use super::listener::{Seat, Seats};
use crate::{daemon::Shared, identity};
use axum::{
	body::Body,
	http::{header, uri::PathAndQuery, HeaderValue, Request, Response, StatusCode, Uri},
	BoxError,
};
use headers::{drop_shared_cookies, forwarded, host_of, is_websocket, strip, to_websocket};
use http_body_util::{LengthLimitError, Limited};
use hyper::{
	body::{Body as HttpBody, Frame, Incoming, SizeHint},
	upgrade::OnUpgrade,
};
use hyper_util::{
	client::legacy::{Client, Error},
	rt::{TokioExecutor, TokioIo, TokioTimer},
};
use leasehold_manifest::hostname::{without_port, Name};
use route::{authority, Connector, Route, Routes};
use std::{
	future::Future,
	net::IpAddr,
	pin::{pin, Pin},
	sync::Arc,
	task::{Context, Poll},
	time::Duration,
};
use tokio::{
	io::{copy, AsyncWriteExt as _},
	sync::{oneshot, watch},
	time::{timeout, Sleep},
};

/// How long a connection to a service is kept for the next request, and how many of one service.
const KEPT: (Duration, usize) = (Duration::from_secs(30), 16);
/// Requests and WebSockets at a time, of all leases and of one.
const REQUESTS: (usize, usize) = (4_096, 1_024);
/// How long the body of a request may stand still: it holds a place that others want.
const STILL: Duration = Duration::from_secs(30);
/// How long one direction of a WebSocket may go on after the other.
const FAREWELL: Duration = Duration::from_secs(10);
/// What a manifest says that names no largest size.
const ANY_SIZE: u32 = u32::MAX;

/// Leads requests to services.
pub struct Proxy {
	domain: String,
	/// The gateway's own host, which may stand below the domain.
	own: String,
	shared: Arc<Shared>,
	routes: Arc<Routes>,
	client: Client<Connector, Body>,
	requests: Arc<Seats<u64>>,
	stopped: watch::Receiver<bool>,
}

/// What a request below the domain is for.
pub enum Asked {
	/// For a service, by this host.
	Service(Arc<Route>, HeaderValue),
	/// For nothing that there is, whatever the reason: a stranger does not learn which names there could be.
	Nothing,
	/// For more than one host, or one that is none.
	Malformed,
}

/// A body, with what is given back when it is over.
struct Held<B, T> {
	body: B,
	_held: T,
}

impl<B: HttpBody + Unpin, T: Unpin> HttpBody for Held<B, T> {
	type Data = B::Data;
	type Error = B::Error;

	fn poll_frame(
		mut self: Pin<&mut Self>,
		context: &mut Context<'_>,
	) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
		Pin::new(&mut self.body).poll_frame(context)
	}

	fn is_end_stream(&self) -> bool {
		self.body.is_end_stream()
	}

	fn size_hint(&self) -> SizeHint {
		self.body.size_hint()
	}
}

/// A body that does not stand still for long.
struct Flowing<B> {
	body: B,
	/// Until when there is to be more of it, if there was none when it was last asked for.
	until: Option<Pin<Box<Sleep>>>,
}

#[derive(Debug, thiserror::Error)]
#[error("the request stood still for too long")]
struct StoodStill;

impl<B: HttpBody + Unpin> HttpBody for Flowing<B>
where
	B::Error: Into<BoxError>,
{
	type Data = B::Data;
	type Error = BoxError;

	fn poll_frame(
		mut self: Pin<&mut Self>,
		context: &mut Context<'_>,
	) -> Poll<Option<Result<Frame<B::Data>, BoxError>>> {
		// What is there counts, however late it is asked for.
		if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
			self.until = None;
			return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
		}
		let until = self
			.until
			.get_or_insert_with(|| Box::pin(tokio::time::sleep(STILL)));
		let late = until.as_mut().poll(context);
		late.map(|()| Some(Err(StoodStill.into())))
	}

	fn is_end_stream(&self) -> bool {
		self.body.is_end_stream()
	}

	fn size_hint(&self) -> SizeHint {
		self.body.size_hint()
	}
}

/// An answer of the proxy's own.
pub fn plain(status: StatusCode, why: &str) -> Response<Body> {
	let mut answer = Response::new(Body::from(format!("{why}\n")));
	*answer.status_mut() = status;
	let text = HeaderValue::from_static("text/plain; charset=utf-8");
	answer.headers_mut().insert(header::CONTENT_TYPE, text);
	answer
}

/// Whether it came to an error by one of this kind.
fn is_by<E: std::error::Error + 'static>(error: &Error) -> bool {
	let mut reason: Option<&dyn std::error::Error> = Some(error);
	while let Some(error) = reason {
		if error.is::<E>() {
			return true;
		}
		reason = error.source();
	}
	false
}

impl Proxy {
	/// To services below the domain that the operator names, if any.
	pub fn of(
		shared: &Arc<Shared>,
		stopped: watch::Receiver<bool>,
	) -> anyhow::Result<Option<Self>> {
		let gateway = &shared.config.gateway;
		let Some(domain) = gateway.domain.clone() else {
			return Ok(None);
		};
		let routes = Arc::new(Routes::new(shared.clone()));
		let client = Client::builder(TokioExecutor::new())
			.pool_timer(TokioTimer::new())
			.pool_idle_timeout(KEPT.0)
			.pool_max_idle_per_host(KEPT.1)
			.build(Connector(routes.clone()));
		Ok(Some(Self {
			domain,
			own: identity::host(&gateway.url)?,
			shared: shared.clone(),
			routes,
			client,
			requests: Seats::new(REQUESTS.0, REQUESTS.1),
			stopped,
		}))
	}

	/// What a request is for, if it is for a host below the domain, or for one that leads to a service.
	pub fn asked<B>(&self, request: &Request<B>) -> Option<Asked> {
		let Ok(host) = host_of(request) else {
			return Some(Asked::Malformed);
		};
		let named = host?;
		let host = without_port(named.to_str().ok()?);
		if host == self.own {
			return None;
		}
		let above = host.strip_suffix(&self.domain);
		let name = match above.is_some_and(|above| above.ends_with('.')) {
			true => Name::read(&host, &self.domain),
			false => Some(self.shared.names.lead(&host)?),
		};
		let route = name.and_then(|name| self.routes.find(&name));
		Some(route.map_or(Asked::Nothing, |route| Asked::Service(route, named)))
	}

	/// Has a service answer.
	pub async fn answer(
		&self,
		(route, host): (&Route, HeaderValue),
		mut request: Request<Incoming>,
		peer: IpAddr,
		seat: Arc<Seat<IpAddr>>,
	) -> Response<Body> {
		let Some(place) = self.requests.take(route.lease()) else {
			let why = "the service has too many requests at a time";
			return plain(StatusCode::SERVICE_UNAVAILABLE, why);
		};
		let Some(replica) = self.routes.next_soon(route).await else {
			let why = "the service does not run at present";
			return plain(StatusCode::SERVICE_UNAVAILABLE, why);
		};
		let most = route.expose.http.max_body_size;
		if most < ANY_SIZE && request.body().size_hint().lower() > u64::from(most) {
			return plain(StatusCode::PAYLOAD_TOO_LARGE, "the request is too large");
		}
		let ours = is_websocket(request.headers()).then(|| hyper::upgrade::on(&mut request));
		let (sent, is_sent) = oneshot::channel();
		let to = (route, replica, host);
		let Some(asked) = self.to_service(request, to, ours.is_some(), peer, sent) else {
			return plain(StatusCode::BAD_REQUEST, "the request is malformed");
		};
		// From when all of the request is there on.
		let patience = async {
			let _: Result<(), _> = is_sent.await;
			let millis = route.expose.http.read_timeout.into();
			tokio::time::sleep(Duration::from_millis(millis)).await;
		};
		let answer = tokio::select! {
			answer = self.client.request(asked) => answer,
			() = patience => {
				let why = "the service gives no answer in time";
				return plain(StatusCode::GATEWAY_TIMEOUT, why);
			}
		};
		let mut answer = match answer {
			Ok(answer) => answer,
			Err(error) if is_by::<LengthLimitError>(&error) => {
				return plain(StatusCode::PAYLOAD_TOO_LARGE, "the request is too large")
			}
			Err(error) if is_by::<StoodStill>(&error) => {
				let why = "the request stood still for too long";
				return plain(StatusCode::REQUEST_TIMEOUT, why);
			}
			Err(error) => {
				tracing::debug!(lease = route.lease(), %error, "a service does not answer");
				return plain(StatusCode::BAD_GATEWAY, "the service does not answer");
			}
		};
		let agrees = is_websocket(answer.headers());
		strip(answer.headers_mut());
		drop_shared_cookies(answer.headers_mut(), &self.domain);
		if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
			let Some(ours) = ours.filter(|_| agrees) else {
				let why = "the service answers what was not asked";
				return plain(StatusCode::BAD_GATEWAY, why);
			};
			let theirs = hyper::upgrade::on(&mut answer);
			tokio::spawn(pass(ours, theirs, (place, seat), self.stopped.clone()));
			to_websocket(answer.headers_mut());
			return answer.map(Body::new);
		}
		answer.map(|body| Body::new(Held { body, _held: place }))
	}

	/// The request as a service gets it; `sent` is dropped when all of it has gone there.
	fn to_service(
		&self,
		request: Request<Incoming>,
		(route, replica, host): (&Route, u32, HeaderValue),
		to_be_websocket: bool,
		peer: IpAddr,
		sent: oneshot::Sender<()>,
	) -> Option<Request<Body>> {
		let (mut parts, body) = request.into_parts();
		let path = parts.uri.path_and_query().cloned();
		parts.uri = Uri::builder()
			.scheme("http")
			.authority(authority(route, replica)?)
			.path_and_query(path.unwrap_or(PathAndQuery::from_static("/")))
			.build()
			.ok()?;
		strip(&mut parts.headers);
		forwarded(&mut parts.headers, peer, host);
		if to_be_websocket {
			to_websocket(&mut parts.headers);
		}
		// It says nothing to the service.
		parts.extensions.clear();
		let body = Flowing { body, until: None };
		let body = Held { body, _held: sent };
		let most = route.expose.http.max_body_size;
		let body = match usize::try_from(most) {
			Ok(bytes) if most < ANY_SIZE && !body.is_end_stream() => {
				Body::new(Limited::new(body, bytes))
			}
			_ => Body::new(body),
		};
		Some(Request::from_parts(parts, body))
	}
}

/// Passes on what is said over a WebSocket.
async fn pass<T>(
	ours: OnUpgrade,
	theirs: OnUpgrade,
	_places: T,
	mut stopped: watch::Receiver<bool>,
) {
	let Ok((ours, theirs)) = tokio::try_join!(ours, theirs) else {
		return;
	};
	let (mut from_client, mut to_client) = tokio::io::split(TokioIo::new(ours));
	let (mut from_service, mut to_service) = tokio::io::split(TokioIo::new(theirs));
	// A WebSocket that is closed in one direction is over: what is still on its way in the other has a moment.
	let in_time = async |rest: Pin<&mut (dyn Future<Output = std::io::Result<u64>> + Send)>| {
		let _ = timeout(FAREWELL, rest).await;
	};
	let into = async {
		let copied = copy(&mut from_client, &mut to_service).await;
		let _ = to_service.shutdown().await;
		copied
	};
	let out = async {
		let copied = copy(&mut from_service, &mut to_client).await;
		let _ = to_client.shutdown().await;
		copied
	};
	let (mut into, mut out) = (pin!(into), pin!(out));
	let over = async {
		tokio::select! {
			_ = into.as_mut() => in_time(out.as_mut()).await,
			_ = out.as_mut() => in_time(into.as_mut()).await,
		}
	};
	tokio::select! {
		() = over => {},
		_ = stopped.wait_for(|stop| *stop) => {},
	}
}
