//! The calls to the engine.

use super::{
	quota::Quota,
	spec::{member_of, Labels, GENESIS, LEASE, PROVIDER, RUNTIME},
};
use crate::executor::{other, ExecutorError};
use axum::body::Bytes;
use bollard::{
	container::LogOutput,
	errors::Error,
	models::{ContainerCreateBody, ContainerStateStatusEnum},
	query_parameters::{
		CreateContainerOptions, ImportImageOptions, InspectContainerOptions, KillContainerOptions,
		ListImagesOptions, LogsOptions, RemoveContainerOptions, RemoveImageOptions,
		StopContainerOptions, TagImageOptions,
	},
	ClientVersion, Docker, API_DEFAULT_VERSION,
};
use futures::{Stream, StreamExt as _};
use http_body_util::{BodyExt as _, Empty};
use hyper::{client::conn::http1, header, Request, StatusCode};
use hyper_util::rt::TokioIo;
use leasehold_client::H256;
use serde::{de::DeserializeOwned, Deserialize};
use std::{
	collections::HashMap,
	io,
	net::IpAddr,
	path::{Path, PathBuf},
	sync::atomic::AtomicU32,
	time::Duration,
};
use tokio::{net::UnixStream, sync::OnceCell};

/// Seconds that the answer to a question may take: others wait for it.
pub const GLANCE: u64 = 5;
/// Seconds that what changes something may take.
pub const PATIENCE: u64 = 120;
/// Seconds that the engine may take to load an image.
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

/// What the engine's list says of a container.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Listed {
	#[serde(default)]
	names: Vec<String>,
	#[serde(default)]
	labels: HashMap<String, String>,
	#[serde(default)]
	state: String,
}

/// What is of interest about an image.
#[derive(Clone, Debug)]
pub struct Found {
	pub id: String,
	/// Unpacked.
	pub bytes: u64,
	/// Where it declares volumes.
	pub volumes: Vec<String>,
}

/// Why a pull came to nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
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

	/// Reads an answer of the engine that the client has no type for.
	async fn read<T: DeserializeOwned>(
		&self,
		path: &str,
		patience: u64,
		what: &'static str,
	) -> Result<T, ExecutorError> {
		let wrong = |error: hyper::Error| other(what, error);
		let asked = async {
			let stream = UnixStream::connect(&self.socket).await;
			let away = |error| other(what, format!("{}: {error}", self.socket.display()));
			let stream = TokioIo::new(stream.map_err(away)?);
			let (mut sender, connection) = http1::handshake(stream).await.map_err(wrong)?;
			tokio::spawn(connection);
			let request = Request::get(path)
				.header(header::HOST, "engine")
				.body(Empty::<Bytes>::new())
				.map_err(|error| other(what, error))?;
			let answer = sender.send_request(request).await.map_err(wrong)?;
			if answer.status() != StatusCode::OK {
				return Err(other(what, answer.status().to_string()));
			}
			let text = answer.into_body().collect().await.map_err(wrong)?;
			serde_json::from_slice(&text.to_bytes()).map_err(|error| other(what, error))
		};
		let late = |_| other(what, "the engine gives no answer");
		let limit = Duration::from_secs(patience);
		tokio::time::timeout(limit, asked).await.map_err(late)?
	}

	/// All containers of a provider, or of one of its leases. The engine tells of a container once it has done with it
	/// what it does: who asks for one lease does not wait for the others.
	pub async fn ours(
		&self,
		genesis: H256,
		provider: u32,
		lease: Option<u64>,
	) -> Result<Vec<Ours>, ExecutorError> {
		let filter = serde_json::json!(filter(genesis, provider, lease)).to_string();
		let query = [("all", "true"), ("filters", filter.as_str())];
		let path = leasehold_client::query::with("/containers/json", &query);
		let patience = if lease.is_some() { PATIENCE } else { GLANCE };
		// Podman tells of states that Docker has not.
		let found: Vec<Listed> = self.read(&path, patience, "listing containers").await?;
		let found = found.into_iter().filter_map(|one| {
			let name = one.names.into_iter().next()?;
			Some(Ours {
				lease: one.labels.get(LEASE)?.parse().ok()?,
				member: member_of(&one.labels)?,
				runs: one.state == "running",
				name: name.trim_start_matches('/').to_owned(),
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

	/// Has an image out of an archive.
	pub async fn load(
		&self,
		archive: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
	) -> Result<(), PullError> {
		let client = self.client(PULL_PATIENCE).await;
		let client = client.map_err(|error| PullError::Failed(error.to_string()))?;
		let options = ImportImageOptions {
			quiet: true,
			..Default::default()
		};
		let mut steps = client.import_image_stream(options, archive, None);
		while let Some(step) = steps.next().await {
			step.map_err(|error| load_error(&error))?;
		}
		Ok(())
	}

	/// Has an image that the engine has by another name, too.
	pub async fn tag(&self, id: &str, name: &str) -> Result<(), ExecutorError> {
		let (repository, tag) = name.rsplit_once(':').unwrap_or((name, "latest"));
		let options = TagImageOptions {
			repo: Some(repository.to_owned()),
			tag: Some(tag.to_owned()),
		};
		let client = self.client(PATIENCE).await?;
		let tagged = client.tag_image(id, Some(options)).await;
		tagged.map_err(failed("naming an image"))
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
			bytes: found
				.size
				.and_then(|size| size.try_into().ok())
				.unwrap_or(u64::MAX),
			volumes: config.volumes.unwrap_or_default(),
		}))
	}

	/// The names of images that begin so.
	pub async fn images(&self, begin: &str) -> Result<Vec<String>, ExecutorError> {
		let client = self.client(PATIENCE).await?;
		let all = client.list_images(None::<ListImagesOptions>).await;
		let all = all.map_err(failed("listing images"))?.into_iter();
		let mut names: Vec<_> = all.flat_map(|image| image.repo_tags).collect();
		names.retain(|name| name.starts_with(begin));
		Ok(names)
	}

	/// Removes an image by this name, and all of it unless it has others, or something uses it; done if there is none.
	pub async fn remove_image(&self, name: &str) -> Result<(), ExecutorError> {
		let client = self.client(PATIENCE).await?;
		let options = None::<RemoveImageOptions>;
		match client.remove_image(name, options, None).await {
			Ok(_) => Ok(()),
			Err(error) if is(&error, 404) => Ok(()),
			Err(error) => Err(failed("removing an image")(error)),
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
		let state = client.inspect_container(name, None).await;
		let state = state.ok().and_then(|found| found.state?.status);
		// Podman removes one that it is just ending, and leaves its processes be.
		if state == Some(ContainerStateStatusEnum::STOPPING) {
			self.kill(name).await?;
		}
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

/// Whether one of these words, in small letters, is in a text.
pub fn says(text: &str, words: &[&str]) -> bool {
	let lower = text.to_lowercase();
	words.iter().any(|word| lower.contains(word))
}

/// What the engine says of an archive stays in the daemon's log. It may pass: one that just removes another image misses the
/// layers that both have.
fn load_error(error: &Error) -> PullError {
	tracing::info!(%error, "the engine does not load the image");
	PullError::Failed("the engine does not load the image".into())
}
