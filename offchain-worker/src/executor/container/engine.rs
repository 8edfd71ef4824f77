//! The calls to the engine.

use super::{fault, Image};
use crate::executor::{Attempt, ExecutorError};
use bollard::{
	auth::DockerCredentials,
	container::LogOutput,
	errors::Error,
	models::{
		ContainerCreateBody, ContainerStateStatusEnum, HostConfig, HostConfigLogConfig,
		ImageInspect,
	},
	query_parameters::{
		CreateContainerOptions, CreateImageOptions, KillContainerOptions, ListContainersOptions,
		LogsOptions, RemoveContainerOptions,
	},
	ClientVersion, Docker,
};
use futures::{Stream, StreamExt as _};
use leasehold_client::H256;
use leasehold_manifest::{Program, Service};
use std::{
	collections::HashMap,
	path::{Path, PathBuf},
	time::Duration,
};

/// The API version that is spoken: Docker 20.10 and Podman 4 have it.
const API: ClientVersion = ClientVersion {
	major_version: 1,
	minor_version: 41,
};
/// Seconds that the answer to a question may take: others wait for it.
const GLANCE: u64 = 5;
/// Seconds that what changes something may take.
const PATIENCE: u64 = 120;
/// Seconds that a pull may take between two signs of life.
const PULL_PATIENCE: u64 = 600;
const MIB: i64 = 1 << 20;
/// Most processes and threads of a container.
const PIDS: i64 = 1_024;
/// What ordinary images need as they drop root's rights: no more of root's powers than these.
const CAPABILITIES: [&str; 9] = [
	"CHOWN",
	"DAC_OVERRIDE",
	"FOWNER",
	"FSETID",
	"KILL",
	"NET_BIND_SERVICE",
	"SETGID",
	"SETPCAP",
	"SETUID",
];

/// Whose a container is.
#[derive(Clone, Debug)]
pub struct Labels {
	genesis: H256,
	provider: u32,
	lease: u64,
	manifest: [u8; 32],
	service: String,
	attempt: u32,
}

impl Labels {
	pub fn new(genesis: H256, provider: u32, attempt: &Attempt) -> Self {
		Self {
			genesis,
			provider,
			lease: attempt.lease,
			manifest: attempt.manifest_hash,
			service: attempt.service.name.clone(),
			attempt: attempt.number,
		}
	}

	/// The container's name, by which it is found again: no other attempt of any lease has it.
	pub fn name(&self) -> String {
		let short = |bytes: &[u8]| hex::encode(bytes.get(..4).unwrap_or_default());
		format!(
			"leasehold-{}-{}-{}-{}-{}-{}",
			short(&self.genesis.0),
			self.provider,
			self.lease,
			short(&self.manifest),
			self.service,
			self.attempt,
		)
	}

	fn all(&self) -> HashMap<String, String> {
		[
			(GENESIS, hex::encode(self.genesis.0)),
			(PROVIDER, self.provider.to_string()),
			(LEASE, self.lease.to_string()),
			("leasehold.manifest", hex::encode(self.manifest)),
			("leasehold.service", self.service.clone()),
			("leasehold.attempt", self.attempt.to_string()),
		]
		.into_iter()
		.map(|(key, value)| (key.to_owned(), value))
		.collect()
	}
}

const GENESIS: &str = "leasehold.genesis";
const PROVIDER: &str = "leasehold.provider";
const LEASE: &str = "leasehold.lease";

/// How a container stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
	pub id: String,
	/// Made, and not started yet.
	pub fresh: bool,
	pub runs: bool,
	pub pid: i32,
	pub exit_code: i64,
	pub out_of_memory: bool,
}

/// Why a pull came to nothing.
#[derive(Debug)]
pub enum PullError {
	/// It will not come to more if it is tried again.
	Refused(String),
	/// The engine, the network or the registry failed.
	Failed(String),
}

/// Docker or Podman.
pub struct Engine {
	socket: PathBuf,
	runtime: Option<String>,
}

fn failed(what: &'static str) -> impl Fn(Error) -> ExecutorError {
	move |error| fault(what)(std::io::Error::other(error))
}

fn is(error: &Error, code: u16) -> bool {
	matches!(error, Error::DockerResponseServerError { status_code, .. } if *status_code == code)
}

impl Engine {
	pub fn new(socket: &Path, runtime: Option<String>) -> Self {
		Self {
			socket: socket.to_owned(),
			runtime,
		}
	}

	/// A client; the engine may have been started anew since the last one.
	fn client(&self, patience: u64) -> Result<Docker, ExecutorError> {
		let path = self.socket.to_string_lossy();
		Docker::connect_with_unix(&path, patience, &API)
			.map_err(failed("reaching the container engine"))
	}

	pub async fn describe(&self) -> Result<String, ExecutorError> {
		let client = self.client(GLANCE)?;
		let version = client
			.version()
			.await
			.map_err(failed("asking the container engine for its version"))?;
		let first = version.components.into_iter().flatten().next();
		let name = first.map(|component| component.name);
		Ok(format!(
			"{} {}",
			name.as_deref().unwrap_or("container engine"),
			version.version.as_deref().unwrap_or("?"),
		))
	}

	/// How a container stands; `None` if there is none of this name.
	pub async fn state(&self, name: &str) -> Result<Option<State>, ExecutorError> {
		let found = match self.client(GLANCE)?.inspect_container(name, None).await {
			Ok(found) => found,
			Err(error) if is(&error, 404) => return Ok(None),
			Err(error) => return Err(failed("looking at a container")(error)),
		};
		let id = found.id.unwrap_or_default();
		let state = found.state.unwrap_or_default();
		let status = state.status.unwrap_or(ContainerStateStatusEnum::EMPTY);
		Ok(Some(State {
			id,
			fresh: status == ContainerStateStatusEnum::CREATED,
			runs: state.running.unwrap_or(false),
			pid: state
				.pid
				.and_then(|pid| pid.try_into().ok())
				.unwrap_or_default(),
			exit_code: state.exit_code.unwrap_or_default(),
			out_of_memory: state.oom_killed.unwrap_or(false),
		}))
	}

	/// Containers of other attempts of the same lease, by their names.
	pub async fn others(&self, labels: &Labels) -> Result<Vec<String>, ExecutorError> {
		let ours = labels.all();
		let of_the_lease = [GENESIS, PROVIDER, LEASE]
			.iter()
			.filter_map(|key| Some(format!("{key}={}", ours.get(*key)?)))
			.collect();
		let options = ListContainersOptions {
			all: true,
			filters: Some(HashMap::from([("label".to_owned(), of_the_lease)])),
			..Default::default()
		};
		let found = self
			.client(PATIENCE)?
			.list_containers(Some(options))
			.await
			.map_err(failed("listing containers"))?;
		let names = found
			.into_iter()
			.flat_map(|one| one.names.unwrap_or_default());
		let names = names.map(|name| name.trim_start_matches('/').to_owned());
		Ok(names.filter(|name| *name != labels.name()).collect())
	}

	/// Pulls an image, even if the engine has it: who may not pull it must not run it. Says what goes on.
	pub async fn pull(&self, image: &Image, say: impl Fn(&str)) -> Result<(), PullError> {
		let client = self
			.client(PULL_PATIENCE)
			.map_err(|error| PullError::Failed(error.to_string()))?;
		let credentials = image.credentials.as_ref().map(|theirs| DockerCredentials {
			username: Some(theirs.username.clone()),
			password: Some(theirs.password.clone()),
			serveraddress: Some(image.host.clone()),
			..Default::default()
		});
		let options = CreateImageOptions {
			from_image: Some(image.name.clone()),
			..Default::default()
		};
		let mut progress = client.create_image(Some(options), None, credentials);
		let patience = Duration::from_secs(PULL_PATIENCE);
		loop {
			let step = tokio::time::timeout(patience, progress.next()).await;
			let step = step.map_err(|_| PullError::Failed("the registry is silent".into()))?;
			let Some(step) = step else { return Ok(()) };
			match step {
				Ok(step) => {
					if let Some(status) = step.status {
						say(&status);
					}
				}
				Err(error) => return Err(pull_error(&error)),
			}
		}
	}

	pub async fn image(&self, name: &str) -> Result<ImageInspect, ExecutorError> {
		self.client(PATIENCE)?
			.inspect_image(name)
			.await
			.map_err(failed("looking at an image"))
	}

	/// Makes a container for a job; one of this name that is there already will do.
	pub async fn create(
		&self,
		labels: &Labels,
		image_id: &str,
		attempt: &Attempt,
	) -> Result<(), ExecutorError> {
		let options = CreateContainerOptions {
			name: Some(labels.name()),
			..Default::default()
		};
		let body = self.body(labels, image_id, attempt);
		match self
			.client(PATIENCE)?
			.create_container(Some(options), body)
			.await
		{
			Ok(_) => Ok(()),
			Err(error) if is(&error, 409) => Ok(()),
			Err(error) => Err(failed("making a container")(error)),
		}
	}

	fn body(&self, labels: &Labels, image_id: &str, attempt: &Attempt) -> ContainerCreateBody {
		let service = &attempt.service;
		let bind = |folder: &str, mode: &str| {
			format!("{}/{folder}:/{folder}:{mode}", attempt.folder.display())
		};
		let memory = i64::from(service.unit.memory).saturating_mul(MIB);
		let list = |texts: &[&str]| Some(texts.iter().map(|text| (*text).to_owned()).collect());
		let (entrypoint, cmd) = command_of(service);
		ContainerCreateBody {
			image: Some(image_id.to_owned()),
			entrypoint,
			cmd,
			env: Some(
				service
					.env
					.iter()
					.map(|(name, value)| format!("{name}={value}"))
					.collect(),
			),
			labels: Some(labels.all()),
			host_config: Some(HostConfig {
				binds: Some(vec![bind("in", "ro"), bind("out", "rw"), bind("tmp", "rw")]),
				readonly_rootfs: Some(true),
				network_mode: Some("none".into()),
				memory: Some(memory),
				// No swap on top.
				memory_swap: Some(memory),
				nano_cpus: Some(i64::from(service.unit.cpu).saturating_mul(1_000_000)),
				pids_limit: Some(PIDS),
				privileged: Some(false),
				cap_drop: list(&["ALL"]),
				cap_add: list(&CAPABILITIES),
				security_opt: list(&["no-new-privileges"]),
				// Read from where it was left, however long the daemon was away.
				log_config: Some(HostConfigLogConfig {
					typ: Some("json-file".into()),
					config: None,
				}),
				runtime: self.runtime.clone(),
				..Default::default()
			}),
			..Default::default()
		}
	}

	/// Starts a container; an error says what the engine said.
	pub async fn start(&self, name: &str) -> Result<Result<(), String>, ExecutorError> {
		match self.client(PATIENCE)?.start_container(name, None).await {
			Ok(()) => Ok(Ok(())),
			// It runs already.
			Err(error) if is(&error, 304) => Ok(Ok(())),
			Err(Error::DockerResponseServerError { message, .. }) => Ok(Err(message)),
			Err(error) => Err(failed("starting a container")(error)),
		}
	}

	/// Kills what runs; done if nothing does.
	pub async fn kill(&self, name: &str) -> Result<(), ExecutorError> {
		let options = KillContainerOptions {
			signal: "KILL".into(),
		};
		match self
			.client(PATIENCE)?
			.kill_container(name, Some(options))
			.await
		{
			Ok(()) => Ok(()),
			Err(error) => match self.state(name).await? {
				Some(state) if state.runs => Err(failed("killing a container")(error)),
				_ => Ok(()),
			},
		}
	}

	/// Removes a container, even if it runs; done if there is none.
	pub async fn remove(&self, name: &str) -> Result<(), ExecutorError> {
		let options = RemoveContainerOptions {
			force: true,
			v: true,
			link: false,
		};
		match self
			.client(PATIENCE)?
			.remove_container(name, Some(options))
			.await
		{
			Ok(()) => Ok(()),
			Err(error) if is(&error, 404) => Ok(()),
			Err(error) => Err(failed("removing a container")(error)),
		}
	}

	/// What a container has written from its start on: (stream, bytes).
	pub fn output(
		&self,
		name: &str,
		follow: bool,
	) -> Result<impl Stream<Item = Result<(&'static str, Vec<u8>), Error>> + Unpin, ExecutorError>
	{
		let options = LogsOptions {
			follow,
			stdout: true,
			stderr: true,
			tail: "all".into(),
			..Default::default()
		};
		// A job may be silent for as long as it likes.
		let client = self.client(u64::from(u32::MAX))?;
		let stream = client.logs(name, Some(options));
		let read = |entry: Result<LogOutput, Error>| {
			entry.map(|output| match output {
				LogOutput::StdErr { message } => ("stderr", message.to_vec()),
				LogOutput::StdOut { message }
				| LogOutput::StdIn { message }
				| LogOutput::Console { message } => ("stdout", message.to_vec()),
			})
		};
		Ok(Box::pin(stream.map(read)))
	}
}

/// (entry point, arguments): where a command is named the image's own arguments do not count.
fn command_of(service: &Service) -> (Option<Vec<String>>, Option<Vec<String>>) {
	let named = |texts: &[String]| (!texts.is_empty()).then(|| texts.to_vec());
	match &service.program {
		Program::Image { command, .. } => (named(command), named(&service.args)),
		Program::Module(_) => (None, None),
	}
}

fn pull_error(error: &Error) -> PullError {
	let text = error.to_string();
	let lower = text.to_lowercase();
	let final_word = [
		"manifest unknown",
		"name unknown",
		"not found",
		"unauthorized",
		"authentication required",
		"denied",
		"no image found",
		"no matching manifest",
		"invalid reference",
		"unsupported manifest",
	]
	.iter()
	.any(|word| lower.contains(word));
	match final_word {
		true => PullError::Refused(text),
		false => PullError::Failed(text),
	}
}
