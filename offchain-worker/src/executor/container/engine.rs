//! The calls to the engine.

use super::{
	quota::Quota,
	spec::{member_of, Labels, GENESIS, LEASE, PROVIDER, RUNTIME},
	Image,
};
use crate::executor::{other, ExecutorError};
use bollard::{
	auth::DockerCredentials,
	container::LogOutput,
	errors::Error,
	models::{
		ContainerCreateBody, ContainerStateStatusEnum, ContainerSummary, ContainerSummaryStateEnum,
		HealthConfig,
	},
	query_parameters::{
		CreateContainerOptions, CreateImageOptions, InspectContainerOptions, KillContainerOptions,
		ListContainersOptions, LogsOptions, RemoveContainerOptions, RemoveImageOptions,
		StopContainerOptions,
	},
	ClientVersion, Docker, API_DEFAULT_VERSION,
};
use futures::{Stream, StreamExt as _};
use leasehold_client::H256;
use std::{
	collections::HashMap,
	net::IpAddr,
	path::{Path, PathBuf},
	sync::atomic::AtomicU32,
};
use tokio::sync::OnceCell;

/// Seconds that the answer to a question may take: others wait for it.
pub const GLANCE: u64 = 5;
/// Seconds that what changes something may take.
pub const PATIENCE: u64 = 120;
/// Seconds until the first answer to a pull.
const PULL_PATIENCE: u64 = 300;
/// Seconds that a service has between the signal that ends it and the one that kills it.
const FAREWELL: i32 = 10;
/// Where a container stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stage {
	/// Made, and not started yet.
	Fresh,
	Runs,
	/// Its program has ended by itself, or was killed.
	Exited,
	/// Anything else, in the engine's word.
	Other(String),
}

/// How a container stands.
#[derive(Clone, Debug)]
pub struct State {
	pub stage: Stage,
	/// Of its first process, while it runs.
	pub pid: i32,
	pub exit_code: i64,
	pub out_of_memory: bool,
	/// The engine's own file of its output.
	pub log: PathBuf,
	/// In the lease's network.
	pub address: Option<IpAddr>,
	/// Where it writes what it changes of its image, if the engine's storage has such a place.
	pub layer: Option<PathBuf>,
	/// The engine's own files that it sees, and may write.
	pub files: Vec<PathBuf>,
	/// The OCI runtime that it was made for, if one was named.
	pub runtime: Option<String>,
}

/// A container of ours.
#[derive(Clone, Debug)]
pub struct Ours {
	pub lease: u64,
	/// Service and replica.
	pub member: String,
	pub name: String,
	pub runs: bool,
}

/// What is of interest about an image.
#[derive(Clone, Debug)]
pub struct Found {
	pub id: String,
	pub digests: String,
	pub architecture: String,
	/// Unpacked.
	pub bytes: u64,
	/// Where it declares volumes.
	pub volumes: Vec<String>,
	/// How it says that it is found out whether it is well.
	pub health: Option<HealthConfig>,
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
	pub socket: PathBuf,
	/// The OCI runtime that containers of leases are to have, if it is not to be just the engine's own.
	pub wanted_runtime: Option<String>,
	/// The version of the API that the engine and this program both speak.
	version: OnceCell<ClientVersion>,
	/// Whether containers get the users that it is told.
	pub maps_users: OnceCell<bool>,
	/// What its storage keeps to.
	pub quota: OnceCell<Quota>,
	/// How many pulls are under way.
	pub pulls: AtomicU32,
}

pub fn failed(what: &'static str) -> impl Fn(Error) -> ExecutorError {
	move |error| other(what, error)
}

pub fn is(error: &Error, code: u16) -> bool {
	matches!(error, Error::DockerResponseServerError { status_code, .. } if *status_code == code)
}

impl Engine {
	pub fn new(socket: &Path, wanted_runtime: Option<String>) -> Self {
		Self {
			socket: socket.to_owned(),
			wanted_runtime,
			version: OnceCell::new(),
			maps_users: OnceCell::new(),
			quota: OnceCell::new(),
			pulls: AtomicU32::new(0),
		}
	}

	/// A client; the engine may have been started anew since the last one.
	pub async fn client(&self, patience: u64) -> Result<Docker, ExecutorError> {
		let unreached = failed("reaching the container engine");
		let path = self.socket.to_string_lossy();
		let agree = || async {
			let newest = Docker::connect_with_unix(&path, GLANCE, API_DEFAULT_VERSION)?;
			Ok(newest.negotiate_version().await?.client_version())
		};
		let version = self
			.version
			.get_or_try_init(agree)
			.await
			.map_err(&unreached)?;
		Docker::connect_with_unix(&path, patience, version).map_err(&unreached)
	}

	/// How a container stands; `None` if there is none of this name.
	pub async fn state(&self, labels: &Labels) -> Result<Option<State>, ExecutorError> {
		let what = "looking at a container";
		let client = self.client(GLANCE).await?;
		let found = match client.inspect_container(&labels.name(), None).await {
			Ok(found) => found,
			Err(error) if is(&error, 404) => return Ok(None),
			Err(error) => return Err(failed(what)(error)),
		};
		let theirs = found
			.config
			.and_then(|config| config.labels)
			.unwrap_or_default();
		if labels
			.all()
			.iter()
			.any(|(key, value)| theirs.get(key) != Some(value))
		{
			let why = format!("{} is somebody else's", labels.name());
			return Err(other(what, why));
		}
		let files = [
			found.hosts_path,
			found.hostname_path,
			found.resolv_conf_path,
		];
		let state = found.state.unwrap_or_default();
		let status = state.status.unwrap_or(ContainerStateStatusEnum::EMPTY);
		let stage = match status {
			ContainerStateStatusEnum::CREATED => Stage::Fresh,
			ContainerStateStatusEnum::RUNNING | ContainerStateStatusEnum::PAUSED => Stage::Runs,
			ContainerStateStatusEnum::EXITED => Stage::Exited,
			other => Stage::Other(other.to_string()),
		};
		let pid = state.pid.and_then(|pid| pid.try_into().ok());
		Ok(Some(State {
			stage,
			pid: pid.unwrap_or_default(),
			exit_code: state.exit_code.unwrap_or(-1),
			out_of_memory: state.oom_killed.unwrap_or(false),
			log: found.log_path.unwrap_or_default().into(),
			address: found
				.network_settings
				.and_then(|settings| settings.networks)
				.and_then(|mut networks| networks.remove(&labels.network()))
				.and_then(|network| network.ip_address?.parse().ok()),
			layer: found
				.graph_driver
				.and_then(|mut driver| driver.data.remove("UpperDir"))
				.map(PathBuf::from),
			files: files.into_iter().flatten().map(PathBuf::from).collect(),
			runtime: theirs.get(RUNTIME).filter(|one| !one.is_empty()).cloned(),
		}))
	}

	/// Bytes of what a container has changed of its image, by the engine's own count.
	pub async fn changed(&self, name: &str) -> Result<u64, ExecutorError> {
		let options = InspectContainerOptions { size: true };
		let client = self.client(PATIENCE).await?;
		let found = client.inspect_container(name, Some(options)).await;
		let found = found.map_err(failed("measuring a container"))?;
		Ok(found.size_rw.and_then(|n| n.try_into().ok()).unwrap_or(0))
	}

	/// All containers of a provider, or of one of its leases. The engine tells of a container once it has done with it
	/// what it does: who asks for one lease does not wait for the others.
	pub async fn ours(
		&self,
		genesis: H256,
		provider: u32,
		lease: Option<u64>,
	) -> Result<Vec<Ours>, ExecutorError> {
		let options = ListContainersOptions {
			all: true,
			filters: Some(filter(genesis, provider, lease)),
			..Default::default()
		};
		let patience = if lease.is_some() { PATIENCE } else { GLANCE };
		let client = self.client(patience).await?;
		let found = client.list_containers(Some(options)).await;
		let found = found.map_err(failed("listing containers"))?;
		let found = found.into_iter().filter_map(|one| {
			let labels = one.labels.as_ref()?;
			Some(Ours {
				lease: labels.get(LEASE)?.parse().ok()?,
				member: member_of(labels)?,
				runs: one.state == Some(ContainerSummaryStateEnum::RUNNING),
				name: name_of(one)?,
			})
		});
		Ok(found.collect())
	}

	/// Ends what runs: asks first, and kills it after a while.
	pub async fn end(&self, name: &str) -> Result<(), ExecutorError> {
		let options = StopContainerOptions {
			t: Some(FAREWELL),
			..Default::default()
		};
		let client = self.client(PATIENCE).await?;
		if let Err(error) = client.stop_container(name, Some(options)).await {
			// It may have ended meanwhile: the caller looks.
			tracing::debug!(name, %error, "not ended");
		}
		Ok(())
	}

	/// Pulls an image, even if the engine has it: who may not pull it must not run it. Says what goes on, and how many
	/// bytes of how many are here. One that turns out to be larger is given up.
	pub async fn pull(
		&self,
		image: &Image,
		largest: u64,
		say: impl Fn(&str),
		at: impl Fn(u64, u64),
	) -> Result<(), PullError> {
		let client = self
			.client(PULL_PATIENCE)
			.await
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
		// By layer: bytes that are here, and all.
		let mut layers: HashMap<String, (u64, u64)> = HashMap::new();
		while let Some(step) = progress.next().await {
			let step = step.map_err(|error| pull_error(&error))?;
			if let Some(status) = step.status {
				say(&status);
			}
			let detail = step.progress_detail.unwrap_or_default();
			if let (Some(layer), Some(total)) = (step.id, detail.total) {
				let total = u64::try_from(total).unwrap_or(0);
				let here = detail.current.and_then(|here| u64::try_from(here).ok());
				layers.insert(layer, (here.unwrap_or(0).min(total), total));
				let (here, sum) = layers.values().fold((0u64, 0u64), |(a, b), (here, total)| {
					(a.saturating_add(*here), b.saturating_add(*total))
				});
				at(here, sum);
				if sum > largest {
					return Err(PullError::Refused(
						"the image is too large for this provider".into(),
					));
				}
			}
		}
		Ok(())
	}

	/// An image that the engine has; `None` if it has none of this name.
	pub async fn image(&self, name: &str) -> Result<Option<Found>, ExecutorError> {
		let found = match self.client(PATIENCE).await?.inspect_image(name).await {
			Ok(found) => found,
			Err(error) if is(&error, 404) => return Ok(None),
			Err(error) => return Err(failed("looking at an image")(error)),
		};
		let config = found.config.unwrap_or_default();
		Ok(Some(Found {
			id: found.id.unwrap_or_default(),
			digests: found.repo_digests.unwrap_or_default().join(" "),
			architecture: found.architecture.unwrap_or_default(),
			bytes: found
				.size
				.and_then(|size| size.try_into().ok())
				.unwrap_or(u64::MAX),
			volumes: config.volumes.unwrap_or_default(),
			health: config.healthcheck,
		}))
	}

	/// Removes an image unless something uses it.
	pub async fn remove_image(&self, id: &str) {
		let Ok(client) = self.client(PATIENCE).await else {
			return;
		};
		let removed = client
			.remove_image(id, None::<RemoveImageOptions>, None)
			.await;
		if let Err(error) = removed {
			tracing::debug!(id, %error, "the image stays");
		}
	}

	/// Makes a container; one of this name that is there already will do. The inner error says what the
	/// engine said.
	pub async fn create(
		&self,
		name: &str,
		body: ContainerCreateBody,
	) -> Result<Result<(), String>, ExecutorError> {
		let options = CreateContainerOptions {
			name: Some(name.to_owned()),
			..Default::default()
		};
		let client = self.client(PATIENCE).await?;
		match client.create_container(Some(options), body).await {
			Ok(_) => Ok(Ok(())),
			Err(error) if is(&error, 409) => Ok(Ok(())),
			Err(Error::DockerResponseServerError { message, .. }) => Ok(Err(message)),
			Err(error) => Err(failed("making a container")(error)),
		}
	}

	/// Starts a container; an error says what the engine said.
	pub async fn start(&self, name: &str) -> Result<Result<(), String>, ExecutorError> {
		match self
			.client(PATIENCE)
			.await?
			.start_container(name, None)
			.await
		{
			Ok(()) => Ok(Ok(())),
			// It runs already.
			Err(error) if is(&error, 304) => Ok(Ok(())),
			Err(Error::DockerResponseServerError { message, .. }) => Ok(Err(message)),
			Err(error) => Err(failed("starting a container")(error)),
		}
	}

	/// Kills what runs; whether it did is to be looked at.
	pub async fn kill(&self, name: &str) -> Result<(), ExecutorError> {
		let options = KillContainerOptions {
			signal: "KILL".into(),
		};
		let client = self.client(PATIENCE).await?;
		if let Err(error) = client.kill_container(name, Some(options)).await {
			// It may have ended meanwhile: the caller looks.
			tracing::debug!(name, %error, "not killed");
		}
		Ok(())
	}

	/// Removes a container, even if it runs; done if there is none.
	pub async fn remove(&self, name: &str) -> Result<(), ExecutorError> {
		let client = self.client(PATIENCE).await?;
		match client.remove_container(name, Some(with_all())).await {
			Ok(()) => Ok(()),
			Err(error) if is(&error, 404) => Ok(()),
			Err(error) => Err(failed("removing a container")(error)),
		}
	}

	/// What a container has written: (stream, bytes). From its start on, or since a second of Unix time; then each
	/// begins with its own time.
	pub async fn output(
		&self,
		name: &str,
		follow: bool,
		since: Option<i32>,
	) -> Result<impl Stream<Item = Result<(&'static str, Vec<u8>), Error>> + Unpin, ExecutorError>
	{
		let options = LogsOptions {
			follow,
			stdout: true,
			stderr: true,
			tail: "all".into(),
			since: since.unwrap_or(0),
			timestamps: since.is_some(),
			..Default::default()
		};
		// A program may be silent for as long as it likes.
		let client = self.client(u64::from(u32::MAX)).await?;
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

/// A container, whatever it does, and its volumes.
pub fn with_all() -> RemoveContainerOptions {
	RemoveContainerOptions {
		force: true,
		v: true,
		link: false,
	}
}

/// What is ours.
fn filter(genesis: H256, provider: u32, lease: Option<u64>) -> HashMap<String, Vec<String>> {
	let labels = [
		format!("{GENESIS}={}", hex::encode(genesis.0)),
		format!("{PROVIDER}={provider}"),
	];
	let lease = lease.map(|lease| format!("{LEASE}={lease}"));
	let labels = labels.into_iter().chain(lease).collect();
	HashMap::from([("label".to_owned(), labels)])
}

fn name_of(one: ContainerSummary) -> Option<String> {
	let name = one.names?.into_iter().next()?;
	Some(name.trim_start_matches('/').to_owned())
}

/// Whether one of these words, in small letters, is in a text.
pub fn says(text: &str, words: &[&str]) -> bool {
	let lower = text.to_lowercase();
	words.iter().any(|word| lower.contains(word))
}

/// The engine's words stay in the daemon's log: they may quote what a host in its network has answered.
fn pull_error(error: &Error) -> PullError {
	let text = error.to_string();
	let says = |words: &[&str]| says(&text, words);
	let refused = |why: &str| {
		tracing::info!(error = text, "the registry refuses the image");
		PullError::Refused(why.to_owned())
	};
	if says(&[
		"manifest unknown",
		"name unknown",
		"no image found",
		"no matching manifest",
	]) {
		return refused("the registry has no such image for this machine");
	}
	let denied = [
		"unauthorized",
		"authentication required",
		"access to the resource is denied",
		"invalid username/password",
	];
	if says(&denied) {
		return refused(
			"the registry refuses it: the image may be private, or the credentials wrong",
		);
	}
	PullError::Failed(text)
}
