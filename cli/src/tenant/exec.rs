//! Commands beside a workload, and connections to its ports.

use super::{connect, session_to_use};
use crate::{gateway::Gateway, output::Failure, Context};
use clap::Args;
use futures::{Sink, SinkExt as _, Stream, StreamExt as _};
use leasehold_client::access::EMPTY;
use leasehold_client::exec::{
	message, Control, Outcome, Start, Terminal, CONTROL, MAX_MESSAGE, STDERR, STDIN, STDOUT,
};
use rustix::termios::{tcgetattr, tcgetwinsize, tcsetattr, OptionalActions, Termios};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use std::{
	io::{ErrorKind, IsTerminal as _, Read as _, Write as _},
	net::{IpAddr, Ipv4Addr},
	sync::Arc,
	time::Duration,
};
use tokio::{
	io::{AsyncReadExt as _, AsyncWriteExt as _},
	net::{TcpListener, TcpStream},
	signal::unix::{signal, SignalKind},
	sync::{mpsc, Notify},
	time::timeout,
};
use tokio_tungstenite::tungstenite::{Error, Message};

/// How often the gateway is told that somebody is here, and how long it may say nothing.
const PING: Duration = Duration::from_secs(15);
const SILENCE: Duration = Duration::from_secs(60);

#[derive(Debug, Args)]
pub struct Exec {
	/// Number of the lease.
	lease: u64,
	/// In which service, if the lease has several.
	#[arg(long)]
	service: Option<String>,
	/// In which of a service's replicas, from 0.
	#[arg(long, default_value_t = 0)]
	replica: u32,
	/// Without a terminal, even where there is one.
	#[arg(long)]
	no_terminal: bool,
	/// The program and its arguments, after `--`.
	#[arg(last = true, required = true, value_name = "COMMAND")]
	command: Vec<String>,
}

/// A terminal that passes on each key as it is pressed, until this is dropped.
struct Raw(Termios);

impl Raw {
	fn begin() -> std::io::Result<Self> {
		let stdin = std::io::stdin();
		let before = tcgetattr(&stdin)?;
		let mut raw = before.clone();
		raw.make_raw();
		tcsetattr(&stdin, OptionalActions::Now, &raw)?;
		Ok(Self(before))
	}
}

impl Drop for Raw {
	fn drop(&mut self) {
		let _ = tcsetattr(std::io::stdin(), OptionalActions::Flush, &self.0);
	}
}

/// (rows, columns) of the terminal.
fn size() -> (u16, u16) {
	let size = tcgetwinsize(std::io::stdout()).or_else(|_| tcgetwinsize(std::io::stdin()));
	size.map_or((24, 80), |size| (size.ws_row, size.ws_col))
}

/// What comes to standard input, as it comes.
fn input() -> mpsc::Receiver<Vec<u8>> {
	let (sender, receiver) = mpsc::channel(4);
	// A read cannot be given up: it ends with the program.
	std::thread::spawn(move || {
		let mut buffer = vec![0; MAX_MESSAGE.saturating_sub(1)];
		while let Ok(n @ 1..) = std::io::stdin().read(&mut buffer) {
			let bytes = buffer.get(..n).unwrap_or_default().to_vec();
			if sender.blocking_send(bytes).is_err() {
				return;
			}
		}
	});
	receiver
}

fn internal(error: impl std::fmt::Display) -> Failure {
	Failure::new(1, error.to_string(), "")
}

fn lost() -> Failure {
	let what = "the connection to the provider is lost; the command is ended there";
	Failure::new(6, what, "Run it again; the provider may be restarting.")
}

impl Exec {
	/// Ends the program with the command's exit code.
	pub async fn run(self, context: &Context) -> Result<(), Failure> {
		let (chain, connection) = connect(context).await?;
		let gateway = session_to_use(context, &chain, &connection, self.lease).await?;
		let at_terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
		let terminal = (at_terminal && !self.no_terminal).then(|| {
			let (rows, columns) = size();
			let name = std::env::var("TERM").unwrap_or_else(|_| "xterm".into());
			Terminal {
				name,
				rows,
				columns,
			}
		});
		let start = Start {
			command: self.command,
			terminal,
		};
		let start_text = serde_json::to_string(&start).map_err(internal)?;
		let digest = hex::encode(Sha256::digest(&start_text));
		let path = gateway.path_for("exec", self.service.as_deref(), self.replica);
		let mut socket = gateway.socket(&path, &digest).await?;
		let sent = socket.send(Message::Text(start_text.into())).await;
		sent.map_err(|_| lost())?;
		let raw = start.terminal.map(|_| Raw::begin());
		let raw = raw.transpose().map_err(internal)?;
		let (sink, stream) = socket.split();
		let mut interrupt = signal(SignalKind::interrupt()).map_err(internal)?;
		let mut terminate = signal(SignalKind::terminate()).map_err(internal)?;
		let mut hangup = signal(SignalKind::hangup()).map_err(internal)?;
		let (pass_on, passed_on) = mpsc::channel(1);
		let mut heard = std::pin::pin!(hear(stream));
		let mut spoken = std::pin::pin!(speak(sink, raw.is_some(), passed_on));
		let mut once = false;
		let outcome = loop {
			let number = tokio::select! {
				outcome = heard.as_mut() => break outcome,
				failure = spoken.as_mut() => break Err(failure),
				_ = interrupt.recv() => 2,
				_ = terminate.recv() => 15,
				_ = hangup.recv() => 1,
			};
			// The command has it first, and may do with it as it likes; a terminal's own keys go there in any case.
			if raw.is_some() || number == 1 || std::mem::replace(&mut once, true) {
				break Ok(Outcome::Exited(128 + number));
			}
			let _ = pass_on.try_send(i32::try_from(number).unwrap_or(15));
		};
		drop(raw);
		match outcome? {
			// The command's own, whatever it says in this program's table of codes.
			Outcome::Exited(code) => std::process::exit(i32::try_from(code).unwrap_or(1)),
			Outcome::Failed(why) => {
				let advice = "`leasehold status` shows what runs.";
				Err(Failure::new(
					5,
					format!("the command cannot be run: {why}"),
					advice,
				))
			}
		}
	}
}

/// Writes what the command writes, until it ends.
async fn hear(
	mut stream: impl Stream<Item = Result<Message, Error>> + Unpin,
) -> Result<Outcome, Failure> {
	loop {
		// Each of our pings has an answer.
		let Ok(Some(Ok(message))) = timeout(SILENCE, stream.next()).await else {
			return Err(lost());
		};
		let Message::Binary(bytes) = message else {
			continue;
		};
		match bytes.first() {
			Some(&channel @ (STDOUT | STDERR)) => {
				// Who reads it may take a while; pings go on meanwhile.
				let written = tokio::task::spawn_blocking(move || {
					let bytes = bytes.get(1..).unwrap_or_default();
					match channel {
						STDERR => std::io::stderr().write_all(bytes),
						_ => {
							let mut out = std::io::stdout();
							out.write_all(bytes).and_then(|()| out.flush())
						}
					}
				});
				if !matches!(written.await, Ok(Ok(()))) && channel == STDOUT {
					// Nobody reads any more.
					return Ok(Outcome::Exited(141));
				}
			}
			Some(&CONTROL) => {
				let text = bytes.get(1..).unwrap_or_default();
				return serde_json::from_slice(text).map_err(|_| lost());
			}
			_ => {}
		}
	}
}

/// Sends what comes to standard input, how large the terminal is, signals, and that somebody is here; ends when it cannot.
async fn speak(
	mut sink: impl Sink<Message> + Unpin,
	has_terminal: bool,
	mut signals: mpsc::Receiver<i32>,
) -> Failure {
	let control = |what: &Control| {
		let text = serde_json::to_vec(what).unwrap_or_default();
		Message::Binary(message(CONTROL, &text).into())
	};
	let mut resized = match signal(SignalKind::window_change()) {
		Ok(resized) => resized,
		Err(error) => return internal(error),
	};
	let mut input = input();
	let mut ping = tokio::time::interval(PING);
	let mut more = true;
	loop {
		let message = tokio::select! {
			bytes = input.recv(), if more => match bytes {
				Some(bytes) => Message::Binary(message(STDIN, &bytes).into()),
				None => {
					more = false;
					control(&Control::EndOfInput)
				}
			},
			_ = resized.recv() => {
				if !has_terminal {
					continue;
				}
				let (rows, columns) = size();
				control(&Control::Resize { rows, columns })
			},
			Some(number) = signals.recv() => control(&Control::Signal(number)),
			_ = ping.tick() => Message::Ping(Default::default()),
		};
		if sink.send(message).await.is_err() {
			return lost();
		}
	}
}

#[derive(Debug, Args)]
pub struct PortForward {
	/// Number of the lease.
	lease: u64,
	/// Ports of the service, each with the local one before it if that is another: `8080:80`. 0 takes any.
	#[arg(required = true, value_name = "[LOCAL:]PORT", value_parser = ports)]
	ports: Vec<(u16, u16)>,
	/// Of which service, if the lease has several.
	#[arg(long)]
	service: Option<String>,
	/// Of which of its replicas, from 0.
	#[arg(long, default_value_t = 0)]
	replica: u32,
	/// The local address to listen at.
	#[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
	address: IpAddr,
}

fn ports(text: &str) -> Result<(u16, u16), String> {
	let (local, port) = text.split_once(':').unwrap_or((text, text));
	match (local.parse(), port.parse()) {
		(Ok(local), Ok(port @ 1..)) => Ok((local, port)),
		_ => Err(format!("`{text}` is no port; write it as 80 or 8080:80")),
	}
}

impl PortForward {
	pub async fn run(self, context: &Context) -> Result<(), Failure> {
		let (chain, connection) = connect(context).await?;
		let gateway = session_to_use(context, &chain, &connection, self.lease).await?;
		let service = match self.service {
			Some(service) => service,
			None => only_service(&gateway).await?,
		};
		let gateway = Arc::new(gateway);
		let to = |port: u16| {
			let path = format!("forward/{service}/{port}");
			gateway.path_for(&path, None, self.replica)
		};
		for (_, port) in &self.ports {
			// Whoever may not, or names what is not there, is told at once.
			let path = to(*port);
			match gateway.socket(&path, EMPTY).await {
				Ok(mut socket) => {
					let _ = socket.close(None).await;
				}
				Err(failure) if failure.what.ends_with("(502 Bad Gateway)") => {
					context.out.stage(failure.what)
				}
				Err(failure) => return Err(failure),
			}
		}
		let mut listening = Vec::new();
		let mut listeners = tokio::task::JoinSet::new();
		for &(local, port) in &self.ports {
			let listener = TcpListener::bind((self.address, local)).await;
			let listener = listener.map_err(|error| {
				let what = format!("{}:{local} cannot be listened at: {error}", self.address);
				let advice = match error.kind() {
					ErrorKind::AddrNotAvailable => "Name an address of this machine: --address.",
					_ => "Name another local port, as 8080:80.",
				};
				Failure::new(1, what, advice)
			})?;
			let at = listener.local_addr().map_err(internal)?;
			listening.push(json!({ "local": at.to_string(), "service": service, "port": port }));
			listeners.spawn(accept(listener, gateway.clone(), to(port)));
		}
		context.out.result(json!({ "listening": listening }), || {
			let lines = listening.iter().map(|one| {
				let text = |key: &str| one[key].as_str().unwrap_or_default().to_owned();
				format!("{} is {}:{}", text("local"), text("service"), one["port"])
			});
			lines
				.chain(["Ctrl-C ends it.".to_owned()])
				.collect::<Vec<_>>()
				.join("\n")
		});
		while listeners.join_next().await.is_some() {}
		Ok(())
	}
}

/// The service of a lease that has one.
async fn only_service(gateway: &Gateway) -> Result<String, Failure> {
	let said = gateway.call("lease_status", String::new()).await?;
	let replicas = said["replicas"].as_array().cloned().unwrap_or_default();
	let mut names: Vec<_> = replicas
		.iter()
		.filter_map(|one| one["service"].as_str())
		.collect();
	names.sort_unstable();
	names.dedup();
	match names.as_slice() {
		[name] => Ok((*name).to_owned()),
		[] => {
			let what = "no service of the lease runs";
			Err(Failure::new(5, what, "`leasehold status` shows what does."))
		}
		_ => {
			let what = format!("the lease has several services: {}", names.join(", "));
			Err(Failure::new(2, what, "Name one with --service."))
		}
	}
}

async fn accept(listener: TcpListener, gateway: Arc<Gateway>, path: String) {
	loop {
		let Ok((stream, _)) = listener.accept().await else {
			// No more sockets are to be had for now.
			tokio::time::sleep(std::time::Duration::from_millis(200)).await;
			continue;
		};
		let _ = stream.set_nodelay(true);
		let (gateway, path) = (gateway.clone(), path.clone());
		tokio::spawn(async move {
			if let Err(failure) = pass(stream, &gateway, &path).await {
				eprintln!("a connection failed: {}", failure.what);
			}
		});
	}
}

/// Passes a connection on, until both directions have ended. Where one breaks off the local one is reset: nobody takes
/// the half of something for the whole.
async fn pass(mut stream: TcpStream, gateway: &Gateway, path: &str) -> Result<(), Failure> {
	let socket = match gateway.socket(path, EMPTY).await {
		// It may have been the provider's former key.
		Err(failure) if failure.code == 6 => gateway.socket(path, EMPTY).await,
		opened => opened,
	};
	let Ok(socket) = socket else {
		let _ = stream.set_zero_linger();
		return socket.map(|_| ());
	};
	let (mut sink, mut messages) = socket.split();
	let (mut reader, mut writer) = stream.split();
	let (said_all, heard_all) = (Notify::new(), Notify::new());
	let out = async {
		let mut buffer = vec![0; MAX_MESSAGE];
		let mut ping = tokio::time::interval(PING);
		let mut more = true;
		loop {
			let message = tokio::select! {
				read = reader.read(&mut buffer), if more => {
					// Who is gone has nothing more to say.
					let n = read.unwrap_or(0);
					more = n > 0;
					Message::Binary(buffer.get(..n).unwrap_or_default().to_vec().into())
				}
				_ = ping.tick() => Message::Ping(Default::default()),
			};
			if sink.send(message).await.is_err() {
				return;
			}
			if !more {
				said_all.notify_one();
			}
		}
	};
	let into = async {
		let mut more = true;
		loop {
			let Ok(Some(Ok(message))) = timeout(SILENCE, messages.next()).await else {
				return;
			};
			let Message::Binary(bytes) = message else {
				continue;
			};
			let done = match bytes.is_empty() {
				true => writer.shutdown().await,
				false => writer.write_all(&bytes).await,
			};
			if done.is_err() && more {
				return;
			}
			if bytes.is_empty() {
				more = false;
				heard_all.notify_one();
			}
		}
	};
	let whole = async {
		tokio::join!(said_all.notified(), heard_all.notified());
	};
	let is_whole = tokio::select! {
		() = whole => true,
		() = out => false,
		() = into => false,
	};
	if !is_whole {
		let _ = stream.set_zero_linger();
	}
	Ok(())
}
