//! Commands that a tenant runs in a container beside its workload.

use super::{
	engine::{failed, is, PATIENCE},
	Container,
};
use crate::executor::{fault, other, ExecutorError};
use axum::body::Bytes;
use bollard::{errors::Error, exec::ResizeExecOptions, models::ExecConfig, Docker};
use http_body_util::{BodyExt as _, Full};
use hyper::{header, upgrade::Upgraded, Request, StatusCode};
use hyper_util::rt::TokioIo;
use leasehold_client::exec::{Start, Terminal};
use rustix::{
	net::sockopt::set_socket_send_buffer_size,
	process::{
		getpgid, kill_process_group, pidfd_open, pidfd_send_signal, Pid, PidfdFlags, Signal,
	},
};
use std::{io, path::PathBuf, time::Duration};
use tokio::{
	io::{AsyncReadExt as _, ReadHalf, WriteHalf},
	net::UnixStream,
	time::timeout,
};

const WHAT: &str = "running a command in a container";
/// How often, and how long after one another, a command that begins is told how large its terminal is.
const TRIES: u32 = 20;
const MOMENT: Duration = Duration::from_millis(25);
/// How long it may take in all.
const SIZED: Duration = Duration::from_secs(2);
/// How long the engine may take to see the end of a command whose output has ended.
const SEEN: Duration = Duration::from_secs(2);
/// Bytes of input that the engine may not have taken yet, which the kernel doubles. Where more than 32 KiB wait behind a
/// byte that could begin a row of detach keys, Podman hands both on at once, and conmon loses the last byte of that.
const ON_THE_WAY: usize = 8 << 10;
/// Bytes of output at a time.
const CHUNK: usize = 32 << 10;
/// Keys of which a long row, that nobody knows, would have the engine let go of a terminal.
const RARE: [&str; 4] = ["ctrl-@", "ctrl-^", "ctrl-_", "ctrl-]"];

/// The standard input of a command.
pub type Input = WriteHalf<TokioIo<Upgraded>>;

/// A command that runs.
pub struct Inside {
	pub handle: Handle,
	pub output: Output,
	pub input: Input,
}

/// How a command is steered.
pub struct Handle {
	client: Docker,
	id: String,
	/// The space of processes that its container has: no other process is meant.
	space: Option<PathBuf>,
}

/// What a command writes. Without a terminal the engine puts eight bytes before each part: the stream, three zeros, and
/// how long the part is. However long that says it is, it is read as it comes.
pub struct Output {
	reader: ReadHalf<TokioIo<Upgraded>>,
	has_terminal: bool,
	head: [u8; 8],
	/// Bytes of the head that are here.
	had: usize,
	/// Bytes of the part that are still to come.
	left: u32,
	buffer: Vec<u8>,
}

impl Output {
	/// Whether it is standard error, and what was written; `None` at the end. Nothing is lost if it is not waited for.
	pub async fn next(&mut self) -> io::Result<Option<(bool, Vec<u8>)>> {
		loop {
			let in_head = !self.has_terminal && self.left == 0;
			let room = match in_head {
				true => self.head.get_mut(self.had..),
				false if self.has_terminal => Some(self.buffer.as_mut_slice()),
				false => {
					let left = usize::try_from(self.left).unwrap_or(CHUNK);
					self.buffer.get_mut(..left.min(CHUNK))
				}
			};
			let n = match self.reader.read(room.unwrap_or_default()).await {
				// The engine lets go of a command that has left input unread: the end, too.
				Err(error) if error.kind() == io::ErrorKind::ConnectionReset => 0,
				read => read?,
			};
			if n == 0 {
				return match self.left == 0 && self.had == 0 {
					true => Ok(None),
					false => Err(io::ErrorKind::UnexpectedEof.into()),
				};
			}
			if in_head {
				self.had = self.had.saturating_add(n);
				if self.had == self.head.len() {
					let [.., a, b, c, d] = self.head;
					(self.had, self.left) = (0, u32::from_be_bytes([a, b, c, d]));
				}
				continue;
			}
			if !self.has_terminal {
				self.left = self
					.left
					.saturating_sub(u32::try_from(n).unwrap_or(u32::MAX));
			}
			let is_error = !self.has_terminal && self.head.first() == Some(&2);
			let bytes = self.buffer.get(..n).unwrap_or_default();
			return Ok(Some((is_error, bytes.to_vec())));
		}
	}
}

/// A row of keys that nobody types.
fn detach_keys() -> Result<String, ExecutorError> {
	let mut bytes = [0u8; 24];
	getrandom::fill(&mut bytes).map_err(|error| other(WHAT, error.to_string()))?;
	let keys = bytes
		.iter()
		.filter_map(|byte| RARE.get(usize::from(byte % 4)).copied());
	Ok(keys.collect::<Vec<_>>().join(","))
}

/// Which space of processes a process is in.
fn space(pid: i32) -> Option<PathBuf> {
	std::fs::read_link(format!("/proc/{pid}/ns/pid")).ok()
}

impl Container {
	/// Runs a command in the container of a member of a lease, as its image's user. The inner error is for the tenant.
	pub async fn enter(
		&self,
		lease: u64,
		member: &str,
		start: &Start,
	) -> Result<Result<Inside, String>, ExecutorError> {
		const AWAY: &str = "it does not run at present";
		let engine = &self.common.engine;
		let ours = engine
			.ours(self.genesis, self.provider, Some(lease))
			.await?;
		let mut ours = ours.into_iter();
		let Some(found) = ours.find(|one| one.member == member && one.runs) else {
			return Ok(Err(AWAY.into()));
		};
		let terminal = start.terminal.as_ref();
		let config = ExecConfig {
			cmd: Some(start.command.clone()),
			attach_stdin: Some(true),
			attach_stdout: Some(true),
			attach_stderr: Some(true),
			detach_keys: Some(detach_keys()?),
			tty: Some(terminal.is_some()),
			env: terminal.map(|terminal| vec![format!("TERM={}", terminal.name)]),
			..Default::default()
		};
		let client = engine.client(PATIENCE).await?;
		let first = client.inspect_container(&found.name, None).await;
		let first = first.ok().and_then(|found| found.state?.pid);
		let first = first.and_then(|pid| i32::try_from(pid).ok());
		let made = match client.create_exec(&found.name, config).await {
			Ok(made) => made,
			// It has just ended.
			Err(error) if is(&error, 404) || is(&error, 409) => return Ok(Err(AWAY.into())),
			Err(Error::DockerResponseServerError { message, .. }) => return Ok(Err(message)),
			Err(error) => return Err(failed(WHAT)(error)),
		};
		let upgraded = match self.begin(&made.id, terminal.is_some()).await? {
			Ok(upgraded) => upgraded,
			Err(why) => return Ok(Err(why)),
		};
		let handle = Handle {
			client,
			id: made.id,
			space: first.and_then(space),
		};
		if let Some(Terminal { rows, columns, .. }) = terminal {
			// Podman takes it only once the command has begun.
			let sized = async {
				for _ in 0..TRIES {
					if handle.resize(*rows, *columns).await {
						break;
					}
					tokio::time::sleep(MOMENT).await;
				}
			};
			let _ = timeout(SIZED, sized).await;
		}
		let (reader, input) = tokio::io::split(TokioIo::new(upgraded));
		Ok(Ok(Inside {
			handle,
			output: Output {
				reader,
				has_terminal: terminal.is_some(),
				head: [0; 8],
				had: 0,
				left: 0,
				buffer: vec![0; CHUNK],
			},
			input,
		}))
	}

	/// Begins a command that was made ready: the connection that it is spoken with by.
	async fn begin(
		&self,
		id: &str,
		has_terminal: bool,
	) -> Result<Result<Upgraded, String>, ExecutorError> {
		let wrong = |error: hyper::Error| other(WHAT, error);
		let stream = UnixStream::connect(&self.common.engine.socket).await;
		let stream = stream.map_err(fault(WHAT))?;
		set_socket_send_buffer_size(&stream, ON_THE_WAY).map_err(|error| other(WHAT, error))?;
		let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
			.await
			.map_err(wrong)?;
		tokio::spawn(connection.with_upgrades());
		let body = serde_json::json!({ "Detach": false, "Tty": has_terminal });
		let request = Request::post(format!("/exec/{id}/start"))
			.header(header::HOST, "engine")
			.header(header::CONTENT_TYPE, "application/json")
			.header(header::CONNECTION, "Upgrade")
			.header(header::UPGRADE, "tcp")
			.body(Full::new(Bytes::from(body.to_string())))
			.map_err(|error| other(WHAT, error))?;
		let sent = timeout(Duration::from_secs(PATIENCE), sender.send_request(request));
		let late = |_| other(WHAT, "the engine gives no answer");
		let mut answer = sent.await.map_err(late)?.map_err(wrong)?;
		if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
			let text = answer.into_body().collect().await.map_err(wrong)?;
			let said: serde_json::Value =
				serde_json::from_slice(&text.to_bytes()).unwrap_or_default();
			let why = said["message"].as_str().or(said["cause"].as_str());
			return Ok(Err(why.unwrap_or("the engine refuses it").to_owned()));
		}
		let upgraded = hyper::upgrade::on(&mut answer).await.map_err(wrong)?;
		Ok(Ok(upgraded))
	}
}

impl Handle {
	/// Tells the command how large its terminal is now; whether that was heard.
	pub async fn resize(&self, rows: u16, columns: u16) -> bool {
		let size = ResizeExecOptions {
			height: rows,
			width: columns,
		};
		let resized = self.client.resize_exec(&self.id, size).await;
		if let Err(error) = &resized {
			tracing::debug!(%error, "a terminal keeps its size");
		}
		resized.is_ok()
	}

	/// Sends it a signal, and to all that it has begun in its own process group.
	pub async fn signal(&self, signal: Signal) {
		let Ok(found) = self.client.inspect_exec(&self.id).await else {
			return;
		};
		let pid = found.pid.filter(|_| found.running == Some(true));
		let pid = pid.and_then(|pid| i32::try_from(pid).ok());
		let Some(pid) = pid.filter(|pid| *pid > 1).and_then(Pid::from_raw) else {
			return;
		};
		// An engine that was started anew may name a process of long ago, whose number another has.
		let Ok(held) = pidfd_open(pid, PidfdFlags::empty()) else {
			return;
		};
		if self.space.is_none() || space(pid.as_raw_nonzero().get()) != self.space {
			return;
		}
		if getpgid(Some(pid)).is_ok_and(|group| group == pid) {
			let _ = kill_process_group(pid, signal);
		}
		let _ = pidfd_send_signal(&held, signal);
	}

	/// Its exit code, once its output has ended; `None` if it goes on all the same.
	pub async fn exit_code(&self) -> Result<Option<i64>, ExecutorError> {
		let ended = async {
			loop {
				let found = self.client.inspect_exec(&self.id).await;
				let found = found.map_err(failed(WHAT))?;
				if found.running == Some(false) {
					return Ok(found.exit_code);
				}
				tokio::time::sleep(MOMENT).await;
			}
		};
		timeout(SEEN, ended).await.unwrap_or(Ok(None))
	}
}
