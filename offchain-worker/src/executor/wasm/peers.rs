//! The lease's services, as one of them reaches another: by the socket of each port, in the replica's folder.

use super::super::Attempt;
use http_body_util::BodyExt as _;
use hyper::{
	body::{Body, Incoming},
	header::{HeaderValue, HOST},
	Request, Response, Uri,
};
use hyper_util::rt::TokioIo;
use leasehold_manifest::is_label;
use std::{
	fs::File,
	io::ErrorKind,
	os::fd::AsRawFd as _,
	path::{Path, PathBuf},
	sync::atomic::{AtomicUsize, Ordering},
};
use tokio::{
	net::{UnixListener, UnixStream},
	time::timeout,
};
use wasmtime_wasi::runtime::{spawn, AbortOnDropJoinHandle};
use wasmtime_wasi_http::{
	bindings::http::types::ErrorCode,
	body::HyperOutgoingBody,
	hyper_request_error,
	types::{IncomingResponse, OutgoingRequestConfig},
};

/// The socket of a port, in a replica's folder.
fn socket(run: &Path, port: u16) -> PathBuf {
	run.join(format!("port-{port}.sock"))
}

/// The same socket by a path that is short enough for the system, and the folder that it is good for.
fn short(run: &Path, port: u16) -> std::io::Result<(PathBuf, File)> {
	let folder = File::open(run)?;
	let path = PathBuf::from(format!("/proc/self/fd/{}", folder.as_raw_fd()));
	Ok((socket(&path, port), folder))
}

/// Listens at a port.
pub fn listen(run: &Path, port: u16) -> std::io::Result<UnixListener> {
	match std::fs::remove_file(socket(run, port)) {
		Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
		_ => {}
	}
	let (path, _folder) = short(run, port)?;
	UnixListener::bind(path)
}

/// Connects to a port.
pub async fn connect(run: &Path, port: u16) -> std::io::Result<UnixStream> {
	let (path, _folder) = short(run, port)?;
	UnixStream::connect(path).await
}

/// Sends a request over a connection of its own; what works that lives as long as the answer.
pub async fn exchange<B>(
	stream: UnixStream,
	request: Request<B>,
) -> Result<(Response<Incoming>, AbortOnDropJoinHandle<()>), hyper::Error>
where
	B: Body + Send + 'static,
	B::Data: Send,
	B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
	let (mut sender, connection) =
		hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
	let worker = spawn(async move {
		if let Err(error) = connection.await {
			tracing::debug!(%error, "a connection to another service");
		}
	});
	Ok((sender.send_request(request).await?, worker))
}

/// The lease's services, as one of them reaches them.
#[derive(Clone)]
pub struct Peers {
	lease: PathBuf,
}

impl Peers {
	pub fn of(attempt: &Attempt) -> Self {
		Self {
			lease: attempt.lease_folder().to_owned(),
		}
	}

	/// A connection to one of a service's replicas, in turn.
	async fn connect(&self, service: &str, port: u16) -> std::io::Result<UnixStream> {
		static TURN: AtomicUsize = AtomicUsize::new(0);
		// It is the tenant's word, and becomes a path.
		if !is_label(service) {
			return Err(ErrorKind::NotFound.into());
		}
		let mut replicas = Vec::new();
		for entry in std::fs::read_dir(self.lease.join("services").join(service))? {
			replicas.push(entry?.path().join("run"));
		}
		replicas.sort();
		let first = TURN.fetch_add(1, Ordering::Relaxed);
		let first = first.checked_rem(replicas.len()).unwrap_or(0);
		replicas.rotate_left(first);
		for run in replicas {
			if let Ok(stream) = connect(&run, port).await {
				return Ok(stream);
			}
		}
		Err(ErrorKind::ConnectionRefused.into())
	}

	/// Sends a program's request to another service of the lease; there is nothing else that it reaches.
	pub async fn send(
		&self,
		mut request: Request<HyperOutgoingBody>,
		config: OutgoingRequestConfig,
	) -> Result<IncomingResponse, ErrorCode> {
		let authority = request.uri().authority().cloned();
		let authority = authority.ok_or(ErrorCode::HttpRequestUriInvalid)?;
		if config.use_tls {
			return Err(ErrorCode::HttpRequestDenied);
		}
		let port = authority.port_u16().unwrap_or(80);
		let stream = timeout(config.connect_timeout, self.connect(authority.host(), port))
			.await
			.map_err(|_| ErrorCode::ConnectionTimeout)?
			.map_err(|error| match error.kind() {
				ErrorKind::NotFound => ErrorCode::HttpRequestDenied,
				_ => ErrorCode::ConnectionRefused,
			})?;
		let host = HeaderValue::from_str(authority.as_str());
		let host = host.map_err(|_| ErrorCode::HttpRequestUriInvalid)?;
		request.headers_mut().insert(HOST, host);
		let path = request.uri().path_and_query().map(|path| path.as_str());
		let path: Result<Uri, _> = path.unwrap_or("/").parse();
		*request.uri_mut() = path.map_err(|_| ErrorCode::HttpRequestUriInvalid)?;
		let (answer, worker) = timeout(config.first_byte_timeout, exchange(stream, request))
			.await
			.map_err(|_| ErrorCode::ConnectionReadTimeout)?
			.map_err(hyper_request_error)?;
		Ok(IncomingResponse {
			resp: answer.map(|body| body.map_err(hyper_request_error).boxed()),
			worker: Some(worker),
			between_bytes_timeout: config.between_bytes_timeout,
		})
	}
}
