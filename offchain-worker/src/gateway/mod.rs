//! The gateway: the daemon's public API towards tenants. One listener: `/rpc` for calls, plain HTTP
//! for what flows. Every answer carries `api: 1.0`.

mod access;
mod flow;
mod rpc;

use crate::daemon::Shared;
use access::Nonces;
use anyhow::Context as _;
use axum::{
	body::Body,
	error_handling::HandleError,
	http::{header, HeaderValue, Request, StatusCode},
	middleware::{self, Next},
	response::Response,
	routing::{get, put},
	Router,
};
use jsonrpsee::server::{stop_channel, BatchRequestConfig, Server};
use std::sync::Arc;
use tokio::sync::watch;

/// Version of the API: the last two majors are served.
pub const API: &str = "1.0";
/// Longest call, bytes: a manifest in hexadecimal and some.
const MAX_CALL: u32 = 3 << 20;

/// What the gateway's parts share.
#[derive(Clone)]
pub struct Gateway {
	pub shared: Arc<Shared>,
	nonces: Arc<Nonces>,
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

/// What a stranger learns, whatever the reason.
fn forbidden(why: impl std::fmt::Display) -> Refused {
	tracing::debug!(%why, "a request is refused");
	Refused(StatusCode::FORBIDDEN, format!("refused: {why}"))
}

async fn version(request: Request<Body>, next: Next) -> Response {
	let mut response = next.run(request).await;
	response
		.headers_mut()
		.insert("api", HeaderValue::from_static(API));
	response
}

async fn rpc_error(error: Box<dyn std::error::Error + Send + Sync>) -> (StatusCode, String) {
	(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
}

/// Starts to listen.
pub async fn serve(
	shared: Arc<Shared>,
	mut stopped: watch::Receiver<bool>,
) -> anyhow::Result<tokio::task::JoinHandle<()>> {
	let listen = shared.config.gateway.listen;
	let gateway = Gateway {
		shared,
		nonces: Arc::default(),
	};
	let (stop, handle) = stop_channel();
	let calls = Server::builder()
		.max_request_body_size(MAX_CALL)
		.max_response_body_size(1 << 20)
		.max_connections(256)
		.set_batch_request_config(BatchRequestConfig::Disabled)
		.http_only()
		.to_service_builder()
		.build(rpc::module(gateway.clone())?, stop);
	let router = Router::new()
		.route("/v1/leases/{lease}/files", get(flow::list))
		.route(
			"/v1/leases/{lease}/files/{*path}",
			put(flow::put_file).get(flow::get_file),
		)
		.route("/v1/leases/{lease}/logs", get(flow::logs))
		.with_state(gateway)
		.route_service("/rpc", HandleError::<_, _, ()>::new(calls, rpc_error))
		.layer(middleware::from_fn(version));
	let listener = tokio::net::TcpListener::bind(listen)
		.await
		.with_context(|| format!("the gateway cannot listen on {listen}"))?;
	tracing::info!(%listen, "the gateway listens");
	Ok(tokio::spawn(async move {
		let served = axum::serve(listener, router).with_graceful_shutdown(async move {
			let _ = stopped.wait_for(|stop| *stop).await;
		});
		if let Err(error) = served.await {
			tracing::error!(%error, "the gateway has stopped");
		}
		let _ = handle.stop();
	}))
}
