//! Commands in containers, and connections to ports of services, over WebSockets.

use super::{
	access::{self, Lasting},
	flow, internal,
	listener::Seat,
	path_of, refused, Gateway, Refused,
};
use crate::{
	executor::container::{Handle, Input, Inside},
	members::{self, Stream},
	reconcile::manifest,
	store::LeaseRow,
};
use axum::{
	extract::{
		ws::{Message, WebSocket},
		Extension, Path, Query, State, WebSocketUpgrade,
	},
	http::{HeaderMap, StatusCode, Uri},
	response::Response,
};
use futures::{Sink, SinkExt as _, StreamExt as _};
use leasehold_client::{
	access::{Scope, EMPTY},
	exec::{message, Control, Outcome, Start, CONTROL, MAX_MESSAGE, STDERR, STDIN, STDOUT},
	query::Which,
};
use leasehold_manifest::{Kind, Program, Service};
use rustix::process::Signal;
use sha2::{Digest as _, Sha256};
use std::{
	future::Future,
	sync::{
		atomic::{AtomicBool, Ordering},
		Arc,
	},
	time::Duration,
};
use tokio::{
	io::{AsyncReadExt as _, AsyncWriteExt as _},
	time::timeout,
};

/// How long a client may take to say what is to be run.
const FIRST: Duration = Duration::from_secs(10);
/// How long a client may say nothing, not even a ping.
const SILENCE: Duration = Duration::from_secs(60);
/// How often a client is told that the gateway is here, whatever it waits for.
const PING: Duration = Duration::from_secs(15);
/// How often it is looked whether a session may go on.
const LOOK: Duration = Duration::from_secs(5);
/// Pause after what is asked of a command beside its input: each of it is a call to the engine.
const PACE: Duration = Duration::from_millis(50);
/// How long a command has between the signal that it is left alone and the one that kills it.
const FAREWELL: Duration = Duration::from_secs(2);

/// The service that is meant, of those that run.
fn service(gateway: &Gateway, row: &LeaseRow, which: &Which) -> Result<Service, Refused> {
	if !row.phase.runs() {
		let why = format!("nothing of the lease runs: {}", row.phase.name());
		return Err(refused(StatusCode::CONFLICT, why));
	}
	let manifest = manifest(&gateway.shared, row).map_err(internal)?;
	let services = manifest
		.map(|manifest| manifest.services)
		.unwrap_or_default();
	let named = flow::named(&services, which.service.as_deref(), which.replica)?;
	let found = named.cloned();
	found.ok_or_else(|| refused(StatusCode::CONFLICT, "the manifest is not here"))
}

/// What a session is with, if it may begin, and for how long it may go on.
async fn admitted(
	gateway: &Gateway,
	(lease, scope): (u64, Scope),
	which: &Which,
	(uri, headers, digest): (&Uri, &HeaderMap, &str),
) -> Result<(LeaseRow, Lasting, Service), Refused> {
	let path = path_of(uri);
	let facts = ("GET", path.as_str(), digest);
	let row = access::check_headers(gateway, lease, scope, headers, facts).await?;
	let lasting = Lasting::of(&row, headers)?;
	let service = service(gateway, &row, which)?;
	Ok((row, lasting, service))
}

/// A place for a tenant's session.
fn seat(gateway: &Gateway, row: &LeaseRow) -> Result<Seat<[u8; 32]>, Refused> {
	gateway.sessions.take(row.tenant).ok_or_else(|| {
		let why =
			"too many commands and forwarded connections are open, of yours or of all tenants";
		refused(StatusCode::TOO_MANY_REQUESTS, why)
	})
}

/// What is heard of a client.
struct Heard {
	/// Whether anything was, since that was last looked at.
	lately: AtomicBool,
	/// Whether what it said is still being passed on: who waits for us says nothing more.
	waits: AtomicBool,
}

impl Heard {
	fn new() -> Self {
		Self {
			lately: AtomicBool::new(true),
			waits: AtomicBool::new(false),
		}
	}

	/// Passes on what was said.
	async fn pass<T>(&self, passed: impl Future<Output = T>) -> T {
		self.waits.store(true, Ordering::Relaxed);
		let done = passed.await;
		self.waits.store(false, Ordering::Relaxed);
		self.lately.store(true, Ordering::Relaxed);
		done
	}
}

/// Ends when a session may not go on: nobody is there any more, the grant is void or over, or the daemon ends.
async fn over(gateway: &Gateway, lasting: &Lasting, heard: &Heard) {
	let mut stopped = gateway.stopped.clone();
	let looks = async {
		let mut silent = Duration::ZERO;
		loop {
			tokio::time::sleep(LOOK).await;
			if let Err(why) = lasting.holds_now(gateway) {
				return tracing::debug!(%why, "a session is ended");
			}
			let here = heard.lately.swap(false, Ordering::Relaxed);
			silent = match here || heard.waits.load(Ordering::Relaxed) {
				true => Duration::ZERO,
				false => silent.saturating_add(LOOK),
			};
			if silent >= SILENCE {
				return;
			}
		}
	};
	tokio::select! {
		() = looks => {},
		_ = stopped.wait_for(|stop| *stop) => {},
	}
}

/// What a connection counts for, until its session has ended.
type Counted = Extension<Arc<Seat<std::net::IpAddr>>>;

/// Runs a command in a container of a lease.
pub async fn exec(
	State(gateway): State<Gateway>,
	Path(lease): Path<u64>,
	Query(which): Query<Which>,
	Extension(counted): Counted,
	uri: Uri,
	headers: HeaderMap,
	socket: WebSocketUpgrade,
) -> Result<Response, Refused> {
	let digest = flow::header_text(&headers, "leasehold-digest").unwrap_or_default();
	let signed = (&uri, &headers, digest.as_str());
	let asked = (lease, Scope::Exec);
	let (row, lasting, service) = admitted(&gateway, asked, &which, signed).await?;
	if matches!(service.program, Program::Module(_)) {
		let why = "a module has nothing that a command could be run in; its log tells what it does";
		return Err(refused(StatusCode::NOT_IMPLEMENTED, why));
	}
	let member = match service.kind {
		Kind::Job => service.name,
		Kind::Service => format!("{}-{}", service.name, which.replica),
	};
	let seat = seat(&gateway, &row)?;
	let socket = socket
		.max_message_size(MAX_MESSAGE)
		.max_frame_size(MAX_MESSAGE);
	Ok(socket.on_upgrade(async move |socket| {
		let (_seat, _counted) = (seat, counted);
		session(&gateway, &lasting, &member, &digest, socket).await;
	}))
}

/// Sends a message; whether somebody takes it. Who takes nothing for too long is cut off by the listener.
async fn send(socket: &mut (impl Sink<Message> + Unpin), message: Message) -> bool {
	socket.send(message).await.is_ok()
}

async fn end(socket: &mut WebSocket, outcome: &Outcome) {
	let text = serde_json::to_vec(outcome).unwrap_or_default();
	let last = Message::Binary(message(CONTROL, &text).into());
	if send(socket, last).await && send(socket, Message::Close(None)).await {
		// It has been heard when the other side closes, too.
		let rest = async { while let Some(Ok(_)) = socket.recv().await {} };
		let _ = timeout(FAREWELL, rest).await;
	}
}

/// What is to be run; it must be what the request was signed for.
async fn first(socket: &mut WebSocket, digest: &str) -> Result<Start, String> {
	let Ok(Some(Ok(Message::Text(text)))) = timeout(FIRST, socket.recv()).await else {
		return Err("the first message must say what is to be run".into());
	};
	if hex::encode(Sha256::digest(text.as_str())) != digest {
		return Err("the request was signed for another command".into());
	}
	let start: Start = serde_json::from_str(&text).map_err(|error| error.to_string())?;
	match start.command.is_empty() {
		true => Err("name the command that is to be run".into()),
		false => Ok(start),
	}
}

async fn session(
	gateway: &Gateway,
	lasting: &Lasting,
	member: &str,
	digest: &str,
	mut socket: WebSocket,
) {
	let lease = lasting.lease;
	let start = match first(&mut socket, digest).await {
		Ok(start) => start,
		Err(why) => return end(&mut socket, &Outcome::Failed(why)).await,
	};
	let entered = match &gateway.shared.executors.container {
		Some(container) => container.enter(lease, member, &start).await,
		None => Ok(Err("the provider runs no containers any more".into())),
	};
	let mut inside = match entered {
		Ok(Ok(inside)) => inside,
		Ok(Err(why)) => return end(&mut socket, &Outcome::Failed(why)).await,
		Err(error) => {
			tracing::warn!(lease, member, %error, "no command is run");
			let why = "the provider's container engine does not answer".to_owned();
			return end(&mut socket, &Outcome::Failed(why)).await;
		}
	};
	tracing::info!(lease, member, "a command is run in the container");
	let ended = attend(gateway, lasting, &mut inside, &mut socket).await;
	if let Ended::Itself = ended {
		match inside.handle.exit_code().await {
			Ok(Some(code)) => return end(&mut socket, &Outcome::Exited(code)).await,
			Ok(None) => {}
			Err(error) => tracing::warn!(lease, member, %error, "how a command ended is not known"),
		}
	}
	// It goes on with nobody to speak with, or perhaps does.
	inside.handle.signal(Signal::HUP).await;
	tokio::time::sleep(FAREWELL).await;
	inside.handle.signal(Signal::KILL).await;
	if !matches!(ended, Ended::Alone) {
		let why = "the provider has lost it; whatever of it went on is ended".to_owned();
		end(&mut socket, &Outcome::Failed(why)).await;
	}
}

/// How it came that nothing more is passed on.
enum Ended {
	/// The output of the command ended, as it does when the command does.
	Itself,
	/// Not all of the output could be had.
	Lost,
	/// Nobody speaks with it any more.
	Alone,
}

/// Passes on what is said on either side, each at its own pace.
async fn attend(
	gateway: &Gateway,
	lasting: &Lasting,
	inside: &mut Inside,
	socket: &mut WebSocket,
) -> Ended {
	let lease = lasting.lease;
	let Inside {
		handle,
		output,
		input,
	} = inside;
	let (mut sink, mut stream) = socket.split();
	let heard = Heard::new();
	let out = async {
		let mut ping = tokio::time::interval(PING);
		loop {
			let part = tokio::select! {
				part = output.next() => {
					let (is_error, bytes) = match part {
						Ok(Some(part)) => part,
						Ok(None) => return Ended::Itself,
						Err(error) => {
							tracing::warn!(lease, %error, "the output of a command is lost");
							return Ended::Lost;
						}
					};
					let channel = if is_error { STDERR } else { STDOUT };
					Message::Binary(message(channel, &bytes).into())
				}
				_ = ping.tick() => Message::Ping(Default::default()),
			};
			if !send(&mut sink, part).await {
				return Ended::Alone;
			}
		}
	};
	let into = async {
		loop {
			let said = stream.next().await;
			let done = heard.pass(async {
				match said {
					Some(Ok(Message::Binary(bytes))) => take(handle, input, &bytes).await,
					Some(Ok(Message::Ping(_) | Message::Pong(_))) => true,
					_ => false,
				}
			});
			if !done.await {
				return;
			}
		}
	};
	tokio::select! {
		ended = out => ended,
		() = into => Ended::Alone,
		() = over(gateway, lasting, &heard) => Ended::Alone,
	}
}

/// Does what a message asks; `false` if it asks for nothing that there is.
async fn take(handle: &Handle, input: &mut Input, bytes: &[u8]) -> bool {
	match bytes.split_first() {
		// Who has closed its input reads no more of it.
		Some((&STDIN, bytes)) => {
			let _ = input.write_all(bytes).await;
			let _ = input.flush().await;
			true
		}
		Some((&CONTROL, text)) => match serde_json::from_slice(text) {
			Ok(Control::Resize { rows, columns }) => {
				handle.resize(rows, columns).await;
				tokio::time::sleep(PACE).await;
				true
			}
			Ok(Control::Signal(number)) => match Signal::from_named_raw(number) {
				Some(signal) => {
					handle.signal(signal).await;
					tokio::time::sleep(PACE).await;
					true
				}
				None => false,
			},
			Ok(Control::EndOfInput) => {
				let _ = input.shutdown().await;
				true
			}
			Err(_) => false,
		},
		_ => false,
	}
}

/// Passes a connection on to a port of a service: bytes in binary messages, of which an empty one says that no more
/// come.
pub async fn forward(
	State(gateway): State<Gateway>,
	Path((lease, name, port)): Path<(u64, String, u16)>,
	Query(which): Query<Which>,
	Extension(counted): Counted,
	uri: Uri,
	headers: HeaderMap,
	socket: WebSocketUpgrade,
) -> Result<Response, Refused> {
	let which = Which {
		service: Some(name),
		replica: which.replica,
	};
	let signed = (&uri, &headers, EMPTY);
	let asked = (lease, Scope::Forward);
	let (row, lasting, service) = admitted(&gateway, asked, &which, signed).await?;
	if service.kind == Kind::Job {
		let why = "a job has no network, and no ports";
		return Err(refused(StatusCode::BAD_REQUEST, why));
	}
	let seat = seat(&gateway, &row)?;
	let reached = members::reach(&gateway.shared, &row, &service, which.replica, port).await;
	let stream = reached.map_err(|error| {
		let named = service.expose.iter().map(|expose| expose.port.to_string());
		let named: Vec<_> = named.collect();
		let named = match named.is_empty() {
			true => String::new(),
			false => format!(" (its manifest names {})", named.join(", ")),
		};
		let name = &service.name;
		let why = format!("`{name}` does not answer at port {port}{named}: {error}");
		refused(StatusCode::BAD_GATEWAY, why)
	})?;
	let socket = socket
		.max_message_size(MAX_MESSAGE)
		.max_frame_size(MAX_MESSAGE);
	Ok(socket.on_upgrade(async move |socket| {
		let (_seat, _counted) = (seat, counted);
		pass(&gateway, &lasting, socket, stream).await;
	}))
}

async fn pass(gateway: &Gateway, lasting: &Lasting, socket: WebSocket, stream: Box<dyn Stream>) {
	let (mut reader, mut writer) = tokio::io::split(stream);
	let (mut sink, mut messages) = socket.split();
	let heard = Heard::new();
	let out = async {
		let mut buffer = vec![0; MAX_MESSAGE];
		let mut ping = tokio::time::interval(PING);
		let mut more = true;
		loop {
			let part = tokio::select! {
				read = reader.read(&mut buffer), if more => {
					let Ok(n) = read else { return };
					// The other direction may go on.
					more = n > 0;
					Message::Binary(buffer.get(..n).unwrap_or_default().to_vec().into())
				}
				_ = ping.tick() => Message::Ping(Default::default()),
			};
			if !send(&mut sink, part).await {
				return;
			}
		}
	};
	let into = async {
		loop {
			let said = messages.next().await;
			let done = heard.pass(async {
				match said {
					Some(Ok(Message::Binary(bytes))) if bytes.is_empty() => writer.shutdown().await,
					Some(Ok(Message::Binary(bytes))) => writer.write_all(&bytes).await,
					Some(Ok(Message::Ping(_) | Message::Pong(_))) => Ok(()),
					_ => Err(std::io::ErrorKind::ConnectionAborted.into()),
				}
			});
			if done.await.is_err() {
				return;
			}
		}
	};
	// Who has heard the end of both directions closes.
	tokio::select! {
		() = out => {},
		() = into => {},
		() = over(gateway, lasting, &heard) => {},
	}
}
