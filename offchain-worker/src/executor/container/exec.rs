//! Commands that a tenant runs in a container beside its workload.

use super::{
	engine::{failed, is, PATIENCE},
	Container,
};
use crate::executor::ExecutorError;
use bollard::{
	container::LogOutput,
	errors::Error,
	exec::{ResizeExecOptions, StartExecOptions, StartExecResults},
	models::ExecConfig,
	Docker,
};
use futures::{stream::BoxStream, StreamExt as _};
use leasehold_client::exec::{Start, Terminal};
use rustix::process::{getpgid, kill_process, kill_process_group, Pid, Signal};
use std::{pin::Pin, time::Duration};
use tokio::io::AsyncWrite;

const WHAT: &str = "running a command in a container";
/// How often, and how long after one another, a command that begins is told how large its terminal is.
const TRIES: u32 = 20;
const MOMENT: Duration = Duration::from_millis(25);

/// The standard input of a command.
pub type Input = Pin<Box<dyn AsyncWrite + Send>>;

/// A command that runs.
pub struct Inside {
	pub handle: Handle,
	/// Whether it is standard error, and what was written.
	pub output: BoxStream<'static, Result<(bool, Vec<u8>), Error>>,
	pub input: Input,
}

/// How a command is steered.
pub struct Handle {
	client: Docker,
	id: String,
}

impl Container {
	/// Runs a command in the container of a member of a lease, as its image's user. The inner error is for the tenant.
	pub async fn enter(
		&self,
		lease: u64,
		member: &str,
		start: &Start,
	) -> Result<Result<Inside, String>, ExecutorError> {
		let ours = self.common.engine.ours(self.genesis, self.provider).await?;
		let mut ours = ours.into_iter();
		let Some(found) = ours.find(|one| one.lease == lease && one.member == member && one.runs)
		else {
			return Ok(Err("it does not run at present".into()));
		};
		let terminal = start.terminal.as_ref();
		let config = ExecConfig {
			cmd: Some(start.command.clone()),
			attach_stdin: Some(true),
			attach_stdout: Some(true),
			attach_stderr: Some(true),
			tty: Some(terminal.is_some()),
			env: terminal.map(|terminal| vec![format!("TERM={}", terminal.name)]),
			..Default::default()
		};
		let client = self.common.engine.client(PATIENCE).await?;
		let made = match client.create_exec(&found.name, config).await {
			Ok(made) => made,
			// It has just ended.
			Err(error) if is(&error, 404) || is(&error, 409) => {
				return Ok(Err("it does not run at present".into()))
			}
			Err(Error::DockerResponseServerError { message, .. }) => return Ok(Err(message)),
			Err(error) => return Err(failed(WHAT)(error)),
		};
		let options = StartExecOptions {
			tty: terminal.is_some(),
			..Default::default()
		};
		let (output, input) = match client.start_exec(&made.id, Some(options)).await {
			Ok(StartExecResults::Attached { output, input }) => (output, input),
			Ok(StartExecResults::Detached) => return Ok(Err("it cannot be spoken with".into())),
			Err(Error::DockerResponseServerError { message, .. }) => return Ok(Err(message)),
			Err(error) => return Err(failed(WHAT)(error)),
		};
		let output = output.map(|part| {
			part.map(|part| {
				let is_error = matches!(part, LogOutput::StdErr { .. });
				(is_error, part.into_bytes().to_vec())
			})
		});
		let handle = Handle {
			client,
			id: made.id,
		};
		if let Some(Terminal { rows, columns, .. }) = terminal {
			// Podman takes it only once the command has begun, and Docker's own way not at all.
			let mut tries = 0u32;
			while tries < TRIES && !handle.resize(*rows, *columns).await {
				tries = tries.saturating_add(1);
				tokio::time::sleep(MOMENT).await;
			}
		}
		Ok(Ok(Inside {
			handle,
			output: output.boxed(),
			input,
		}))
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

	/// Its process, while it runs.
	async fn process(&self) -> Option<Pid> {
		let found = self.client.inspect_exec(&self.id).await.ok()?;
		let pid = found.pid.filter(|_| found.running == Some(true))?;
		i32::try_from(pid)
			.ok()
			.filter(|pid| *pid > 1)
			.and_then(Pid::from_raw)
	}

	/// Sends it a signal, and to all that it has begun in its own process group.
	pub async fn signal(&self, signal: Signal) {
		let Some(pid) = self.process().await else {
			return;
		};
		let _ = match getpgid(Some(pid)) {
			Ok(group) if group == pid => kill_process_group(pid, signal),
			_ => kill_process(pid, signal),
		};
	}

	/// Its exit code, once its output has ended.
	pub async fn exit_code(&self) -> Result<i64, ExecutorError> {
		let found = self.client.inspect_exec(&self.id).await;
		let found = found.map_err(failed(WHAT))?;
		Ok(found.exit_code.unwrap_or(-1))
	}
}
