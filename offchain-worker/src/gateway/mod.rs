//! The gateway: the daemon's public API towards tenants. One listener, of TLS: `/rpc` for calls, plain HTTP
//! for what flows. Every answer carries `api: 1.0`.

mod access;
mod exec;
mod flow;
mod listener;
mod proxy;
mod rpc;
mod volumes;

use crate::daemon::Shared;
use access::{Asked, Nonces};
use axum::{
	error_handling::HandleError,
	http::{header, HeaderName, HeaderValue, Method, StatusCode, Uri},
	response::Response,
	routing::{get, put},
	Router,
};
use jsonrpsee::server::{stop_channel, BatchRequestConfig, Server};
use listener::Seats;
use proxy::Proxy;
use std::{sync::Arc, time::Duration};
use tokio::sync::{watch, Semaphore};
use tower_http::{cors::CorsLayer, timeout::TimeoutLayer};

/// Version of the API: the last two majors are served.
pub const API: &str = "1.0";
/// Longest call, bytes: a manifest in hexadecimal and some.
const MAX_CALL: u32 = 3 << 20;
/// Sessions at a time, of all tenants and of one.
const SESSIONS: (usize, usize) = (1_024, 64);
/// Transfers out of volumes at a time, of all tenants and of one, and into volumes.
const TRANSFERS: (usize, usize) = (64, 8);
const PUTS: usize = 32;
/// Modules and inputs that are handed in at a time, of all leases.
const UPLOADS: usize = 256;
/// Looks through logs and folders at a time, and of one tenant, with those that wait for their turn.
const SEARCHES: (usize, usize) = (8, 16);
/// How long a call may take, with its body.
const CALL: Duration = Duration::from_secs(20);

/// What the gateway's parts share.
#[derive(Clone)]
pub struct Gateway {
	pub shared: Arc<Shared>,
	nonces: Arc<Nonces>,
	asked: Arc<Asked>,
	/// Of tenants: commands and connections to ports.
	sessions: Arc<Seats<[u8; 32]>>,
	/// Of tenants: files of volumes that are on their way.
	transfers: Arc<Seats<[u8; 32]>>,
	/// Files that are put into volumes of a lease: one after the other.
	puts: Arc<Seats<u64>>,
	/// Modules and inputs that are handed in for a lease: the same.
	uploads: Arc<Seats<u64>>,
	/// What reads much to answer little: at a time, and for one tenant.
	searches: Arc<Semaphore>,
	searching: Arc<Seats<[u8; 32]>>,
	stopped: watch::Receiver<bool>,
}

impl Gateway {
	/// Looks through what may be much on disk, for a tenant. What has begun counts until it has ended, whether somebody
	/// still waits for it or not.
	async fn search<T: Send + 'static>(
		&self,
		tenant: [u8; 32],
		look: impl FnOnce() -> T + Send + 'static,
	) -> Result<T, Refused> {
		let seat = self.searching.take(tenant).ok_or_else(|| {
			let why = "too much of yours is being looked through; wait a moment";
			refused(StatusCode::TOO_MANY_REQUESTS, why)
		})?;
		let turn = self.searches.clone().acquire_owned().await;
		let turn = turn.map_err(internal)?;
		tokio::task::spawn_blocking(move || {
			let _held = (seat, turn);
			look()
		})
		.await
		.map_err(internal)
	}
}

/// A refusal, as every path answers it.
#[derive(Debug)]
pub struct Refused(pub StatusCode, pub String);

impl axum::response::IntoResponse for Refused {
	fn into_response(self) -> Response {
		let body = serde_json::json!({ "error": self.1 }).to_string();
		(self.0, [(header::CONTENT_TYPE, "application/json")], body).into_response()
	}
}

fn refused(status: StatusCode, why: impl Into<String>) -> Refused {
	Refused(status, why.into())
}

/// What is not the asker's fault, and not told to it.
fn internal(why: impl std::fmt::Display) -> Refused {
	tracing::error!(%why, "the gateway failed");
	refused(
		StatusCode::INTERNAL_SERVER_ERROR,
		"the provider's gateway failed",
	)
}

/// What of a request's address is signed.
fn path_of(uri: &Uri) -> String {
	let path = uri.path_and_query();
	path.map(ToString::to_string).unwrap_or_default()
}

/// What a stranger learns, whatever the reason.
fn forbidden(why: impl std::fmt::Display) -> Refused {
	tracing::debug!(%why, "a request is refused");
	Refused(StatusCode::FORBIDDEN, format!("refused: {why}"))
}

async fn rpc_error(error: Box<dyn std::error::Error + Send + Sync>) -> (StatusCode, String) {
	(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
}

/// Starts to listen.
pub async fn serve(
	shared: Arc<Shared>,
	stopped: watch::Receiver<bool>,
) -> anyhow::Result<tokio::task::JoinHandle<()>> {
	let listen = shared.config.gateway.listen;
	let tls = shared.identity.server_config()?;
	let cors = cors(&shared.config.gateway.origins)?;
	let proxy = Proxy::of(&shared, stopped.clone())?;
	let all = shared.clone();
	let gateway = Gateway {
		shared,
		nonces: Arc::default(),
		asked: Arc::default(),
		sessions: Seats::new(SESSIONS.0, SESSIONS.1),
		transfers: Seats::new(TRANSFERS.0, TRANSFERS.1),
		puts: Seats::new(PUTS, 1),
		uploads: Seats::new(UPLOADS, 1),
		searches: Arc::new(Semaphore::new(SEARCHES.0)),
		searching: Seats::new(Semaphore::MAX_PERMITS, SEARCHES.1),
		stopped: stopped.clone(),
	};
	let (stop, handle) = stop_channel();
	let calls = Server::builder()
		.max_request_body_size(MAX_CALL)
		.max_response_body_size(1 << 20)
		// The listener counts them.
		.max_connections(u32::MAX)
		.set_batch_request_config(BatchRequestConfig::Disabled)
		.http_only()
		.to_service_builder()
		.build(rpc::module(gateway.clone())?, stop);
	let in_time = TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, CALL);
	let calls = tower::ServiceBuilder::new()
		.layer(in_time)
		.service(HandleError::<_, _, ()>::new(calls, rpc_error));
	let router = Router::new()
		.route("/v1/leases/{lease}/files", get(flow::list).layer(in_time))
		.route(
			"/v1/leases/{lease}/files/{*path}",
			put(flow::put_file).get(flow::get_file),
		)
		.route(
			"/v1/leases/{lease}/volumes",
			get(volumes::all).layer(in_time),
		)
		.route(
			"/v1/leases/{lease}/volumes/{service}/{replica}/{*path}",
			get(volumes::get).put(volumes::put).delete(volumes::remove),
		)
		.route("/v1/leases/{lease}/logs", get(flow::logs))
		.route("/v1/leases/{lease}/exec", get(exec::exec))
		.route(
			"/v1/leases/{lease}/forward/{service}/{port}",
			get(exec::forward),
		)
		.with_state(gateway)
		.route_service("/rpc", calls)
		.layer(axum::middleware::from_fn(listener::turned_away))
		.layer(cors);
	let listening = listener::serve(listen, tls, all, router, proxy, stopped).await?;
	Ok(tokio::spawn(async move {
		if let Err(error) = listening.await {
			tracing::error!(%error, "the gateway has stopped");
		}
		let _ = handle.stop();
	}))
}

/// Which pages of others a browser lets talk to this gateway.
fn cors(origins: &[String]) -> anyhow::Result<CorsLayer> {
	let origins = origins.iter().map(|origin| origin.parse());
	let own = ["leasehold-grant", "leasehold-proof", "leasehold-digest"];
	let own = own.map(HeaderName::from_static);
	Ok(CorsLayer::new()
		.allow_origin(origins.collect::<Result<Vec<HeaderValue>, _>>()?)
		.allow_methods([Method::GET, Method::PUT, Method::POST, Method::DELETE])
		.allow_headers([&own[..], &[header::CONTENT_TYPE, header::RANGE]].concat())
		.expose_headers([
			HeaderName::from_static("api"),
			HeaderName::from_static("leasehold-digest"),
			HeaderName::from_static("leasehold-offset"),
			header::CONTENT_RANGE,
		]))
}
