//! Services that answer HTTP, by `wasi:http/incoming-handler`: each request has an instance of its own, from a pool.
//!
//! Each port of a replica is a socket in its folder, by which the lease's other services reach it, and for what is
//! open to the world a port of this machine besides. No instance has any other network.

use super::{
	super::{
		health::{until_ill, Probed},
		Attempt, End,
	},
	limits::Room,
	output::LogStream,
	peers::{connect, exchange, listen},
	program::{Guest, Output},
	runner::note_well,
	share::{Share, EPOCH},
};
use axum::body::Bytes;
use http_body_util::{combinators::UnsyncBoxBody, BodyExt as _, Empty, Full};
use hyper::{
	body::{Body, Frame, Incoming, SizeHint},
	header::HOST,
	Request, Response, StatusCode,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use leasehold_manifest::{Health, HttpOptions, Probe, Protocol};
use std::{
	collections::BTreeMap,
	convert::Infallible,
	fs::File,
	future::Future,
	net::Ipv4Addr,
	path::Path,
	pin::Pin,
	sync::Arc,
	task::{ready, Context, Poll},
	thread::Thread,
	time::Duration,
};
use tokio::{
	io::{AsyncRead, AsyncWrite},
	net::TcpListener,
	sync::{oneshot, OwnedSemaphorePermit, Semaphore},
	time::timeout,
};
use tokio_io_timeout::TimeoutStream;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use wasmtime::{component::ResourceTable, UpdateDeadline};
use wasmtime_wasi::runtime::spawn;
use wasmtime_wasi_http::{
	bindings::{
		http::types::{ErrorCode, Scheme},
		ProxyPre,
	},
	body::HyperOutgoingBody,
	types::{HostFutureIncomingResponse, OutgoingRequestConfig},
	HttpResult, WasiHttpCtx, WasiHttpView,
};

/// Requests that a replica answers at a time; more wait.
pub const AT_ONCE: usize = 128;
/// Connections at a port, from outside and from inside.
const CONNECTIONS: usize = 512;
/// How long a client may take for a request's head.
const HEAD: Duration = Duration::from_secs(30);
/// How long an instance may go on after the last of its answer.
const AFTER: Duration = Duration::from_secs(5);
/// Bytes of an answer that an instance is ahead of who reads it, and of a request's head at most.
const CHUNK: usize = 64 << 10;
/// How long what has begun may take once the replica is to end.
pub const GRACE: Duration = Duration::from_secs(8);

impl WasiHttpView for Guest {
	fn ctx(&mut self) -> &mut WasiHttpCtx {
		&mut self.http
	}

	fn table(&mut self) -> &mut ResourceTable {
		&mut self.table
	}

	fn outgoing_body_chunk_size(&mut self) -> usize {
		CHUNK
	}

	fn send_request(
		&mut self,
		request: Request<HyperOutgoingBody>,
		config: OutgoingRequestConfig,
	) -> HttpResult<HostFutureIncomingResponse> {
		let peers = self.peers.clone();
		let sent = spawn(async move { Ok(peers.send(request, config).await) });
		Ok(HostFutureIncomingResponse::pending(sent))
	}
}

/// A replica that answers.
struct Server {
	attempt: Attempt,
	handler: ProxyPre<Guest>,
	output: Output,
	room: Arc<Room>,
	/// Instances that are free.
	slots: Arc<Semaphore>,
	clients: TaskTracker,
	/// Cancelled when no more is to be begun.
	ending: CancellationToken,
	/// Counts epochs while there is something to answer.
	clock: Thread,
	/// Of all instances together, if that is no whole number of cores.
	share: Arc<Option<Share>>,
}

/// A request by name, and where to say what goes wrong with it.
struct Told {
	what: String,
	output: LogStream,
}

impl Told {
	fn note(&self, why: &str) {
		self.output.note(&format!("{}: {why}", self.what));
	}
}

/// An answer on its way, with the instance that makes it: that ends with whoever reads, and no other has its place
/// before.
struct Answer {
	body: HyperOutgoingBody,
	/// The instance at its work, until it has ended. Whoever reads drives it: no other thread has to be woken.
	call: Option<Pin<Box<dyn Call>>>,
	/// How it ended.
	ended: Option<anyhow::Result<()>>,
	/// Until when the instance may go on after the last of its answer.
	late: Option<Pin<Box<tokio::time::Sleep>>>,
	told: Told,
	_slot: OwnedSemaphorePermit,
}

impl Body for Answer {
	type Data = Bytes;
	type Error = ErrorCode;

	fn poll_frame(
		mut self: Pin<&mut Self>,
		context: &mut Context<'_>,
	) -> Poll<Option<Result<Frame<Bytes>, ErrorCode>>> {
		let this = &mut *self;
		if let Some(call) = &mut this.call {
			if let Poll::Ready(ended) = call.as_mut().poll(context) {
				(this.call, this.ended) = (None, Some(ended));
			}
		}
		if this.late.is_none() {
			match Pin::new(&mut this.body).poll_frame(context) {
				Poll::Ready(None) => {}
				more => return more,
			}
		}
		// Whether that was all is told by how the instance ends.
		let wrong = match (this.ended.take(), &this.call) {
			(Some(ended), _) => ended.err().map(|error| format!("{:#}", error.root_cause())),
			(None, None) => return Poll::Ready(None),
			(None, Some(_)) => {
				let late = || Box::pin(tokio::time::sleep(AFTER));
				let late = this.late.get_or_insert_with(late);
				ready!(late.as_mut().poll(context));
				this.call = None;
				Some("it goes on after its answer".into())
			}
		};
		Poll::Ready(wrong.map(|why| {
			this.told.note(&why);
			Err(ErrorCode::InternalError(Some(why)))
		}))
	}

	fn size_hint(&self) -> SizeHint {
		self.body.size_hint()
	}
}

/// An instance at its work.
trait Call: Future<Output = anyhow::Result<()>> + Send {}

impl<F: Future<Output = anyhow::Result<()>> + Send> Call for F {}

type Answered = Response<UnsyncBoxBody<Bytes, ErrorCode>>;

/// An answer of the runner's own.
fn plain(status: StatusCode, text: &str) -> Answered {
	let body = Full::new(Bytes::from(format!("{text}\n")));
	let mut answer = Response::new(body.map_err(|never| match never {}).boxed_unsync());
	*answer.status_mut() = status;
	answer
}

impl Server {
	/// Answers a request, whose head must come within a time.
	async fn answer(&self, request: Request<Incoming>, patience: Duration) -> Answered {
		let told = Told {
			what: format!("{} {}", request.method(), request.uri().path()),
			output: self.output.1.clone(),
		};
		let failed = |status, text, why: &str| {
			told.note(why);
			plain(status, text)
		};
		let slot = timeout(patience, self.slots.clone().acquire_owned()).await;
		let Ok(Ok(slot)) = slot else {
			let busy = StatusCode::SERVICE_UNAVAILABLE;
			return failed(busy, "busy", "all instances are taken");
		};
		self.clock.unpark();
		let (sender, mut receiver) = oneshot::channel();
		let mut call: Pin<Box<dyn Call>> = match self.call(request, sender) {
			Ok(call) => Box::pin(call),
			Err(error) => {
				let why = format!("{error:#}");
				return failed(StatusCode::INTERNAL_SERVER_ERROR, "failed", &why);
			}
		};
		// Its answer, or how it ended, or both.
		let begun = async {
			tokio::select! {
				biased;
				ended = &mut call => (receiver.try_recv().ok(), Some(ended)),
				answer = &mut receiver => match answer {
					Ok(answer) => (Some(answer), None),
					// There will be none.
					Err(_) => (None, Some(call.as_mut().await)),
				},
			}
		};
		let Ok((answer, ended)) = timeout(patience, begun).await else {
			let why = format!("no answer in {} ms", patience.as_millis());
			return failed(StatusCode::GATEWAY_TIMEOUT, "no answer in time", &why);
		};
		let wrong = match (answer, ended) {
			(Some(Ok(answer)), ended) => {
				let whole = |body| Answer {
					body,
					call: ended.is_none().then_some(call),
					ended,
					late: None,
					told,
					_slot: slot,
				};
				return answer.map(|body| whole(body).boxed_unsync());
			}
			(Some(Err(code)), _) => format!("{code:?}"),
			(None, Some(Err(error))) => format!("{:#}", error.root_cause()),
			(None, _) => "it gave no answer".into(),
		};
		failed(StatusCode::INTERNAL_SERVER_ERROR, "failed", &wrong)
	}

	/// An instance that answers one request.
	fn call(
		&self,
		request: Request<Incoming>,
		sender: oneshot::Sender<Result<Response<HyperOutgoingBody>, ErrorCode>>,
	) -> anyhow::Result<impl Call + 'static> {
		let engine = self.handler.engine();
		let mut store = Guest::store(engine, &self.attempt, &self.output, &self.room)?;
		let share = self.share.clone();
		store.epoch_deadline_callback(move |_| Ok(give_way(&share)));
		let request = store
			.data_mut()
			.new_incoming_request(Scheme::Http, request)?;
		let answer = store.data_mut().new_response_outparam(sender)?;
		let (handler, share) = (self.handler.clone(), self.share.clone());
		Ok(async move {
			// One that is answered within an epoch is not looked at again.
			if let Some(share) = &*share {
				tokio::time::sleep(share.owes()).await;
				store.set_epoch_deadline(1);
			}
			let proxy = handler.instantiate_async(&mut store).await?;
			let handler = proxy.wasi_http_incoming_handler();
			handler.call_handle(&mut store, request, answer).await
		})
	}

	/// Answers what comes over a connection. More of them wait for those before to end.
	fn attend<S>(self: &Arc<Self>, stream: S, place: OwnedSemaphorePermit, options: HttpOptions)
	where
		S: AsyncRead + AsyncWrite + Send + 'static,
	{
		let [patience, reader] = [options.read_timeout, options.send_timeout]
			.map(|millis| Duration::from_millis(millis.into()));
		let mut stream = TimeoutStream::new(stream);
		// Who does not read ends, and gives its instance's place to another.
		stream.set_write_timeout(Some(reader));
		let server = self.clone();
		let service = hyper::service::service_fn(move |request| {
			let server = server.clone();
			async move { Ok::<_, Infallible>(server.answer(request, patience).await) }
		});
		let connection = hyper::server::conn::http1::Builder::new()
			.timer(TokioTimer::new())
			.header_read_timeout(HEAD)
			.max_buf_size(CHUNK)
			.serve_connection(TokioIo::new(Box::pin(stream)), service);
		let ending = self.ending.clone();
		self.clients.spawn(async move {
			let mut connection = std::pin::pin!(connection);
			let ended = tokio::select! {
				ended = connection.as_mut() => ended,
				() = ending.cancelled() => {
					connection.as_mut().graceful_shutdown();
					connection.await
				}
			};
			if let Err(error) = ended {
				tracing::debug!(%error, "a client");
			}
			drop(place);
		});
	}
}

/// An instance that computes lets others go on, and waits if all together have computed too much.
fn give_way(share: &Option<Share>) -> UpdateDeadline {
	match share.as_ref().map(Share::owes) {
		Some(wait) if !wait.is_zero() => {
			UpdateDeadline::YieldCustom(1, Box::pin(tokio::time::sleep(wait)))
		}
		_ => UpdateDeadline::Yield(1),
	}
}

/// Lets instances that compute give way, while there are any.
fn clock(engine: wasmtime::Engine, slots: Arc<Semaphore>) -> std::io::Result<Thread> {
	let clock = std::thread::Builder::new().name("clock".into());
	let clock = clock.spawn(move || loop {
		if slots.available_permits() == AT_ONCE {
			std::thread::park();
		}
		std::thread::sleep(EPOCH);
		engine.increment_epoch();
	})?;
	Ok(clock.thread().clone())
}

/// Whether a replica is well, by its own socket.
async fn probe(run: &Path, name: &str, health: &Health) -> Probed {
	let patience = Duration::from_secs(health.timeout.into());
	let asked = async {
		let (port, path) = match &health.probe {
			Probe::Exec(_) => return Err("a module runs no command".into()),
			Probe::Tcp(port) => (*port, None),
			Probe::Http { port, path } => (*port, Some(path)),
		};
		let wrong = |error: &dyn std::fmt::Display| format!("port {port}: {error}");
		let stream = connect(run, port).await.map_err(|error| wrong(&error))?;
		let Some(path) = path else { return Ok(()) };
		let request = Request::get(path.as_str())
			.header(HOST, name)
			.body(Empty::<Bytes>::new())
			.map_err(|error| wrong(&error))?;
		let (answer, _worker) = exchange(stream, request)
			.await
			.map_err(|error| wrong(&error))?;
		match answer.status().as_u16() {
			200..400 => Ok(()),
			_ => Err(format!("port {port}, {path}: {}", answer.status())),
		}
	};
	let late = format!("no answer in {} s", patience.as_secs());
	timeout(patience, asked).await.unwrap_or(Err(late))
}

/// Attends to all that comes to one listener, as many at a time as have place there: whoever comes from outside does
/// not take the place of a neighbour.
async fn accept<S, F>(server: Arc<Server>, options: HttpOptions, next: impl Fn() -> F)
where
	S: AsyncRead + AsyncWrite + Send + 'static,
	F: Future<Output = std::io::Result<S>>,
{
	let places = Arc::new(Semaphore::new(CONNECTIONS));
	while let Ok(place) = places.clone().acquire_owned().await {
		match next().await {
			Ok(stream) => server.attend(stream, place, options),
			// Too many files are open, for now.
			Err(_) => tokio::time::sleep(EPOCH).await,
		}
	}
}

/// Serves until it is asked to end, or is not well.
pub async fn serve(
	attempt: &Attempt,
	handler: ProxyPre<Guest>,
	output: Output,
	room: Arc<Room>,
) -> anyhow::Result<End> {
	let service = &attempt.service;
	let tcp = service.expose.iter();
	let tcp = tcp.filter(|expose| expose.protocol == Protocol::Tcp);
	let ports: BTreeMap<u16, _> = tcp.map(|expose| (expose.port, expose)).collect();
	if ports.is_empty() {
		let why = "it answers HTTP, and the manifest opens no port of it".into();
		return Ok(End::Invalid { why });
	}
	let mut ended = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
	let slots = Arc::new(Semaphore::new(AT_ONCE));
	let server = Arc::new(Server {
		attempt: attempt.clone(),
		clock: clock(handler.engine().clone(), slots.clone())?,
		handler,
		output,
		room,
		slots,
		share: Arc::new(Share::of(service.unit.cpu)),
		clients: TaskTracker::new(),
		ending: CancellationToken::new(),
	});
	let run = attempt.folder.join("run");
	let mut accepting = tokio::task::JoinSet::new();
	for (number, expose) in ports {
		let options = expose.http;
		let listener = Arc::new(listen(&run, number)?);
		accepting.spawn(accept(server.clone(), options, move || {
			let listener = listener.clone();
			async move { listener.accept().await.map(|(stream, _)| stream) }
		}));
		let mut outside = attempt.ports.iter();
		let Some(port) = outside.find(|port| port.serves(&service.name, expose)) else {
			continue;
		};
		let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port.host)).await?;
		let listener = Arc::new(listener);
		accepting.spawn(accept(server.clone(), options, move || {
			let listener = listener.clone();
			async move {
				let (stream, _) = listener.accept().await?;
				let _ = stream.set_nodelay(true);
				Ok(stream)
			}
		}));
	}
	File::create(attempt.file("started"))?;
	let ill = async {
		let Some(health) = &service.health else {
			return std::future::pending().await;
		};
		let is_well = || {
			let _ = note_well(attempt);
		};
		let ask = || async { Some(probe(&run, &service.name, health).await) };
		until_ill(health, Duration::ZERO, ask, is_well).await
	};
	tokio::select! {
		why = ill => Ok(End::Crashed { why: format!("it is not well: {why}") }),
		_ = ended.recv() => {
			accepting.shutdown().await;
			server.ending.cancel();
			server.clients.close();
			let _ = timeout(GRACE, server.clients.wait()).await;
			Ok(End::Exited { code: 0 })
		}
	}
}
