//! Commands in containers, and connections to ports of services, over WebSockets.

use super::{access, flow, listener::Seat, Gateway, Refused};
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
	access::Scope,
	exec::{message, Control, Outcome, Start, CONTROL, MAX_MESSAGE, STDERR, STDIN, STDOUT},
};
use leasehold_manifest::{Kind, Program, Protocol, Service};
use rustix::process::Signal;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use std::{
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
/// How long a client may take nothing of what is sent to it.
const STALL: Duration = Duration::from_secs(60);
/// How often a client that says nothing is asked whether it is there.
const PING: Duration = Duration::from_secs(20);
/// How long a command has between the signal that it is left alone and the one that kills it.
const FAREWELL: Duration = Duration::from_secs(2);

fn refused(status: StatusCode, why: impl Into<String>) -> Refused {
	Refused(status, why.into())
}

/// Which replica is meant.
#[derive(Debug, Deserialize)]
pub struct Which {
	service: Option<String>,
	#[serde(default)]
	replica: u32,
}

/// The service that is meant, of those that run.
fn service(gateway: &Gateway, row: &LeaseRow, which: &Which) -> Result<Service, Refused> {
	if !row.phase.runs() {
		let why = format!("nothing of the lease runs: {}", row.phase.name());
		return Err(refused(StatusCode::CONFLICT, why));
	}
	let manifest = manifest(&gateway.shared, row).map_err(flow::internal)?;
	let services = manifest
		.map(|manifest| manifest.services)
		.unwrap_or_default();
	let named = flow::named(&services, which.service.as_deref(), which.replica)?;
	let found = named.cloned();
	found.ok_or_else(|| refused(StatusCode::CONFLICT, "the manifest is not here"))
}

/// A place for a lease's session.
fn seat(gateway: &Gateway, lease: u64) -> Result<Seat<u64>, Refused> {
	gateway.sessions.take(lease).ok_or_else(|| {
		let why = "too many sessions of this lease are open";
		refused(StatusCode::TOO_MANY_REQUESTS, why)
	})
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
	let path = uri.path_and_query().map(ToString::to_string);
	let path = path.unwrap_or_default();
	let digest = flow::header_text(&headers, "leasehold-digest").unwrap_or_default();
	let facts = ("GET", path.as_str(), digest.as_str());
	let row = access::check_headers(&gateway, lease, Scope::Exec, &headers, facts).await?;
	let service = service(&gateway, &row, &which)?;
	if matches!(service.program, Program::Module(_)) {
		let why = "a module has nothing that a command could be run in; its log tells what it does";
		return Err(refused(StatusCode::NOT_IMPLEMENTED, why));
	}
	let member = match service.kind {
		Kind::Job => service.name,
		Kind::Service => format!("{}-{}", service.name, which.replica),
	};
	let seat = seat(&gateway, lease)?;
	let socket = socket
		.max_message_size(MAX_MESSAGE)
		.max_frame_size(MAX_MESSAGE);
	Ok(socket.on_upgrade(async move |socket| {
		let (_seat, _counted) = (seat, counted);
		session(&gateway, lease, &member, &digest, socket).await;
	}))
}

/// Sends a message; whether somebody takes it.
async fn send(socket: &mut (impl Sink<Message> + Unpin), message: Message) -> bool {
	matches!(timeout(STALL, socket.send(message)).await, Ok(Ok(())))
}

/// Asks now and then whether somebody is there; ends when nobody is.
async fn alone(heard: &AtomicBool, asks: &tokio::sync::mpsc::Sender<()>) {
	let mut ping = tokio::time::interval(PING);
	loop {
		ping.tick().await;
		if !heard.swap(false, Ordering::Relaxed) || asks.send(()).await.is_err() {
			return;
		}
	}
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

async fn session(gateway: &Gateway, lease: u64, member: &str, digest: &str, mut socket: WebSocket) {
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
	match attend(gateway, &mut inside, &mut socket).await {
		true => {
			let outcome = match inside.handle.exit_code().await {
				Ok(code) => Outcome::Exited(code),
				Err(error) => {
					tracing::warn!(lease, member, %error, "how a command ended is not known");
					Outcome::Failed("how it ended is not known".into())
				}
			};
			end(&mut socket, &outcome).await;
		}
		false => {
			drop(socket);
			inside.handle.signal(Signal::HUP).await;
			tokio::time::sleep(FAREWELL).await;
			inside.handle.signal(Signal::KILL).await;
		}
	}
}

/// Passes on what is said on either side, each at its own pace; whether the command has ended, and not who speaks with
/// it.
async fn attend(gateway: &Gateway, inside: &mut Inside, socket: &mut WebSocket) -> bool {
	let Inside {
		handle,
		output,
		input,
	} = inside;
	let (mut sink, mut stream) = socket.split();
	let heard = AtomicBool::new(true);
	let (asks, mut asked) = tokio::sync::mpsc::channel(1);
	let out = async {
		loop {
			tokio::select! {
				part = output.next() => {
					let Some(Ok((is_error, bytes))) = part else { return true };
					let channel = if is_error { STDERR } else { STDOUT };
					for bytes in bytes.chunks(MAX_MESSAGE.saturating_sub(1)) {
						let part = Message::Binary(message(channel, bytes).into());
						if !send(&mut sink, part).await {
							return false;
						}
					}
				}
				Some(()) = asked.recv() => {
					if !send(&mut sink, Message::Ping(Default::default())).await {
						return false;
					}
				}
			}
		}
	};
	let into = async {
		loop {
			match stream.next().await {
				Some(Ok(Message::Binary(bytes))) if take(handle, input, &bytes).await => {}
				Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
				_ => return,
			}
			heard.store(true, Ordering::Relaxed);
		}
	};
	let mut stopped = gateway.stopped.clone();
	tokio::select! {
		ended = out => ended,
		() = into => false,
		() = alone(&heard, &asks) => false,
		() = gone(&mut stopped) => false,
	}
}

async fn gone(stopped: &mut tokio::sync::watch::Receiver<bool>) {
	let _ = stopped.wait_for(|stop| *stop).await;
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
				true
			}
			Ok(Control::Signal(number)) => match Signal::from_named_raw(number) {
				Some(signal) => {
					handle.signal(signal).await;
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
	let path = uri.path_and_query().map(ToString::to_string);
	let path = path.unwrap_or_default();
	let facts = ("GET", path.as_str(), flow::EMPTY);
	let row = access::check_headers(&gateway, lease, Scope::Forward, &headers, facts).await?;
	let which = Which {
		service: Some(name),
		replica: which.replica,
	};
	let service = service(&gateway, &row, &which)?;
	let is_udp =
		|one: &leasehold_manifest::Expose| one.port == port && one.protocol == Protocol::Udp;
	if service.kind == Kind::Job || service.expose.iter().any(is_udp) {
		let why = "only ports of TCP, of services, can be connected to";
		return Err(refused(StatusCode::BAD_REQUEST, why));
	}
	let seat = seat(&gateway, lease)?;
	let reached = members::reach(&gateway.shared, &row, &service, which.replica, port).await;
	let stream = reached.map_err(|error| {
		let why = format!("`{}` does not answer at port {port}: {error}", service.name);
		refused(StatusCode::BAD_GATEWAY, why)
	})?;
	let socket = socket
		.max_message_size(MAX_MESSAGE)
		.max_frame_size(MAX_MESSAGE);
	Ok(socket.on_upgrade(async move |socket| {
		let (_seat, _counted) = (seat, counted);
		pass(&gateway, socket, stream).await;
	}))
}

async fn pass(gateway: &Gateway, socket: WebSocket, stream: Box<dyn Stream>) {
	let (mut reader, mut writer) = tokio::io::split(stream);
	let (mut sink, mut messages) = socket.split();
	let heard = AtomicBool::new(true);
	let (asks, mut asked) = tokio::sync::mpsc::channel(1);
	let out = async {
		let mut buffer = vec![0; MAX_MESSAGE];
		let mut more = true;
		loop {
			tokio::select! {
				read = reader.read(&mut buffer), if more => {
					let Ok(n) = read else { return };
					more = n > 0;
					let bytes = buffer.get(..n).unwrap_or_default().to_vec();
					if !send(&mut sink, Message::Binary(bytes.into())).await {
						return;
					}
				}
				Some(()) = asked.recv() => {
					if !send(&mut sink, Message::Ping(Default::default())).await {
						return;
					}
				}
			}
		}
	};
	let into = async {
		loop {
			let done = match messages.next().await {
				Some(Ok(Message::Binary(bytes))) if bytes.is_empty() => writer.shutdown().await,
				Some(Ok(Message::Binary(bytes))) => writer.write_all(&bytes).await,
				Some(Ok(Message::Ping(_) | Message::Pong(_))) => Ok(()),
				_ => return,
			};
			if done.is_err() {
				return;
			}
			heard.store(true, Ordering::Relaxed);
		}
	};
	let mut stopped = gateway.stopped.clone();
	// Who has heard the end of both directions closes.
	tokio::select! {
		() = out => {},
		() = into => {},
		() = alone(&heard, &asks) => {},
		() = gone(&mut stopped) => {},
	}
}
