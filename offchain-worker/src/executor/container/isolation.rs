//! Whether a service's network is shut off, looked at from inside.
//!
//! Three containers run this very program, with this machine's own libraries: one looks, one is its neighbour in the
//! same lease's network, one is in another's. The first must reach its neighbour, or the look has shown nothing, and
//! nothing else: not the other lease, not this machine, not a cloud's metadata.

use super::{
	engine::{failed, Engine, PATIENCE},
	quota::fill,
	spec::{in_network, list, sysctls, Labels},
	Container,
};
use crate::{
	executor::{fault, other, ExecutorError},
	fetch::own_addresses,
};
use bollard::{
	models::{ContainerCreateBody, HostConfig},
	query_parameters::CreateImageOptions,
};
use futures::StreamExt as _;
use serde::Serialize;
use std::{
	collections::BTreeSet,
	io::ErrorKind,
	net::{IpAddr, Ipv4Addr},
	time::Duration,
};
use tokio::net::{TcpListener, TcpStream};

/// An image of nothing.
const NOTHING: &str = "localhost/leasehold-probe:latest";
/// Where clouds tell a machine its secrets.
const METADATA: [&str; 2] = ["169.254.169.254:80", "168.63.129.16:80"];
/// Ports of this machine that are tried beside one that surely listens: a firewall of another's may leave them open.
const USUAL: [u16; 3] = [22, 80, 443];
/// Stand for leases; no lease has these numbers.
const LOOKS: u64 = u64::MAX - 1;
const OTHER: u64 = u64::MAX;
/// Where the neighbours listen.
const PORT: u16 = 4_242;
/// How long one target may take.
const TARGET: Duration = Duration::from_secs(2);
/// How long the look may take.
const LOOK: Duration = Duration::from_secs(40);
/// What it is called when it fails.
const LOOKING: &str = "looking from inside a container";
/// What makes it fill its disk instead.
pub const FILL: &str = "fill";
/// What is reached, in the words of the look.
const NEIGHBOUR: &str = "neighbour";
const NAME: &str = "name";

/// Whether services are shut off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Isolation {
	/// Nobody has looked, or could.
	#[default]
	Unknown,
	/// They get through to what they should not.
	Open,
	Closed,
}

/// What runs in the containers: without targets it listens, with targets it says which it reaches.
pub async fn probe(targets: &[String]) -> anyhow::Result<()> {
	if targets == [FILL] {
		return fill();
	}
	if targets.is_empty() {
		let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, PORT)).await?;
		let serve = async {
			loop {
				let _ = listener.accept().await;
			}
		};
		// It never stays for longer than the look.
		let _ = tokio::time::timeout(LOOK.saturating_mul(2), serve).await;
		return Ok(());
	}
	let looks = targets.iter().map(|target| async move {
		let (word, address) = target.split_once('=')?;
		let connected = tokio::time::timeout(TARGET, TcpStream::connect(address)).await;
		match connected.ok()? {
			Ok(_) => Some(word),
			// Who refuses has been reached.
			Err(error) if error.kind() == ErrorKind::ConnectionRefused => Some(word),
			Err(_) => None,
		}
	});
	for word in futures::future::join_all(looks).await.into_iter().flatten() {
		println!("{word}");
	}
	println!("done");
	Ok(())
}

impl Container {
	/// What services get through to and should not; an error says why that is not known.
	pub async fn isolated(&self) -> Result<Vec<String>, ExecutorError> {
		let looked = tokio::time::timeout(LOOK, self.look()).await;
		for lease in [LOOKS, OTHER] {
			self.remove(lease).await?;
		}
		let wrong = |why: String| other(LOOKING, why);
		let reached = looked.map_err(|_| wrong("it takes too long".into()))??;
		let may = |word: &&String| [NEIGHBOUR, NAME].contains(&word.as_str());
		let through: BTreeSet<_> = reached.iter().filter(|word| !may(word)).cloned().collect();
		if !through.is_empty() {
			return Ok(through.into_iter().collect());
		}
		for (word, what) in [
			(NEIGHBOUR, "reach another of its lease"),
			(
				NAME,
				"find another of its lease by name (does the engine have a name server? Docker's is not reached from within gVisor)",
			),
		] {
			if !reached.iter().any(|one| one == word) {
				return Err(wrong(format!("a container cannot {what}")));
			}
		}
		Ok(Vec::new())
	}

	/// What a container reaches.
	async fn look(&self) -> Result<Vec<String>, ExecutorError> {
		let engine = &self.common.engine;
		engine.import_nothing().await?;
		let labels =
			|lease, member: &str| Labels::of_probe(self.genesis, self.provider, lease, member);
		let (looks, near) = (labels(LOOKS, "looks"), labels(LOOKS, "near"));
		let far = labels(OTHER, "far");
		for lease in [LOOKS, OTHER] {
			self.remove(lease).await?;
		}
		for labels in [&near, &far] {
			self.common.network(labels).await?;
			engine.run_self(labels, Vec::new()).await?;
		}
		let here = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0))
			.await
			.map_err(fault("listening for a container"))?;
		let port = here
			.local_addr()
			.map_err(fault("listening for a container"))?
			.port();
		let accept = async {
			loop {
				let _ = here.accept().await;
			}
		};
		let ask = async {
			let (near_at, far_at) = (engine.address(&near).await?, engine.address(&far).await?);
			for address in [near_at, far_at] {
				// What does not listen yet is not reached either.
				while TcpStream::connect((address, PORT)).await.is_err() {
					tokio::time::sleep(Duration::from_millis(100)).await;
				}
			}
			let mut targets = vec![
				format!("{NEIGHBOUR}={near_at}:{PORT}"),
				format!("{NAME}=near:{PORT}"),
				format!("another lease={far_at}:{PORT}"),
			];
			targets.extend(METADATA.map(|address| format!("the cloud's metadata={address}")));
			let own = own_addresses();
			// The lease's gateway at least: otherwise nothing of this machine would be tried.
			if !own
				.iter()
				.any(|ip| matches!(ip, IpAddr::V4(ip) if self.common.pool.contains(ip)))
			{
				let why = "the gateway of a lease's network is no address of this machine";
				return Err(other(LOOKING, why));
			}
			for ip in own.iter().filter(|ip| !ip.is_loopback() && ip.is_ipv4()) {
				let ports = USUAL.iter().chain([&port]);
				targets.extend(ports.map(|port| format!("this machine at {ip}={ip}:{port}")));
			}
			engine.run_self(&looks, targets).await?;
			engine.said(&looks, true).await
		};
		tokio::select! {
			said = ask => said,
			() = accept => Ok(Vec::new()),
		}
	}
}

/// A container in which this program, with this machine's libraries, looks at something.
pub fn self_in(
	labels: &Labels,
	host: HostConfig,
	targets: Vec<String>,
) -> Result<ContainerCreateBody, ExecutorError> {
	let own = std::env::current_exe().map_err(fault(LOOKING))?;
	let libraries = ["/lib", "/lib64", "/usr/lib", "/usr/lib64"];
	let there = libraries
		.iter()
		.filter(|path| std::path::Path::new(path).exists());
	let mut binds: Vec<_> = there.map(|path| format!("{path}:{path}:ro")).collect();
	binds.push(format!("{}:/leasehold-provider:ro", own.display()));
	Ok(ContainerCreateBody {
		image: Some(NOTHING.to_owned()),
		entrypoint: list(&["/leasehold-provider", "probe"]),
		cmd: Some(targets),
		labels: Some(labels.all()),
		host_config: Some(HostConfig {
			binds: Some(binds),
			cap_drop: list(&["ALL"]),
			// This machine's files are not labelled anew.
			security_opt: list(&["no-new-privileges", "label=disable"]),
			..host
		}),
		..Default::default()
	})
}

impl Engine {
	/// Has an image of nothing.
	pub async fn import_nothing(&self) -> Result<(), ExecutorError> {
		if self.image(NOTHING).await?.is_some() {
			return Ok(());
		}
		let repository = NOTHING.trim_end_matches(":latest");
		let options = CreateImageOptions {
			from_src: Some("-".into()),
			repo: Some(repository.to_owned()),
			tag: Some("latest".into()),
			..Default::default()
		};
		// The end of an archive.
		let archive = bollard::body_full(vec![0u8; 1_024].into());
		let client = self.client(PATIENCE).await?;
		let mut steps = client.create_image(Some(options), Some(archive), None);
		while let Some(step) = steps.next().await {
			step.map_err(failed("importing an image of nothing"))?;
		}
		Ok(())
	}

	/// Runs this program in a container of a lease's network.
	async fn run_self(&self, labels: &Labels, targets: Vec<String>) -> Result<(), ExecutorError> {
		let host = HostConfig {
			readonly_rootfs: Some(true),
			network_mode: Some(labels.network()),
			sysctls: Some(sysctls()),
			runtime: self.runtime().await?.map(str::to_owned),
			..Default::default()
		};
		let mut body = self_in(labels, host, targets)?;
		body.networking_config = Some(in_network(labels));
		let name = labels.name();
		let refused = |why: String| other(LOOKING, why);
		self.create(&name, body).await?.map_err(refused)?;
		self.start(&name).await?.map_err(refused)
	}

	/// The address of a container that runs.
	async fn address(&self, labels: &Labels) -> Result<IpAddr, ExecutorError> {
		let address = self.state(labels).await?.and_then(|state| state.address);
		let missing = || other("looking for a container's address", "it has none");
		address.ok_or_else(missing)
	}

	/// The lines that a container says before its last: to its end, or until now.
	pub async fn said(&self, labels: &Labels, follow: bool) -> Result<Vec<String>, ExecutorError> {
		let mut output = self.output(&labels.name(), follow, None).await?;
		let mut said = Vec::new();
		while let Some(part) = output.next().await {
			let (_, bytes) = part.map_err(failed("reading what a container says"))?;
			said.extend_from_slice(&bytes);
		}
		let text = String::from_utf8_lossy(&said);
		let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
		match lines.pop() {
			Some(last) if last == "done" => Ok(lines),
			_ => {
				let why = format!("it did not look: {}", text.trim());
				Err(other("reading what a container says", why))
			}
		}
	}
}
