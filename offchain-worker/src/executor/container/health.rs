//! Whether a container is well.

use super::{
	engine::{failed, Engine, PATIENCE},
	life::Life,
};
use crate::executor::{
	health::{self, Probed},
	ExecutorError,
};
use bollard::{
	errors::Error,
	exec::StartExecResults,
	models::{ExecConfig, HealthConfig},
};
use futures::StreamExt as _;
use leasehold_manifest::{Health, Probe};
use rustix::process::{kill_process, Pid, Signal};
use std::{
	net::{IpAddr, SocketAddr},
	time::Duration,
};

/// Most bytes of what a probe says that are kept.
const SAID: usize = 512;
/// What an image that names no numbers is probed with, as Docker does: seconds, and failures.
const IMAGE: Health = Health {
	probe: Probe::Exec(Vec::new()),
	interval: 30,
	timeout: 30,
	retries: 3,
	start_period: 0,
};

/// The check that an image asks for, if it does.
pub fn of_image(asked: &HealthConfig) -> Option<Health> {
	let (kind, rest) = asked.test.as_ref()?.split_first()?;
	let command = match (kind.as_str(), rest) {
		("CMD", [_, ..]) => rest.to_vec(),
		("CMD-SHELL", [line]) => vec!["/bin/sh".into(), "-c".into(), line.clone()],
		_ => return None,
	};
	// Of nanoseconds; 0 stands for the usual.
	let seconds = |nanos: Option<i64>, usual: u32| match nanos.unwrap_or(0) {
		0 => usual,
		nanos => u32::try_from(nanos.unsigned_abs().div_ceil(1_000_000_000)).unwrap_or(u32::MAX),
	};
	Some(Health {
		probe: Probe::Exec(command),
		interval: seconds(asked.interval, IMAGE.interval),
		timeout: seconds(asked.timeout, IMAGE.timeout),
		retries: match asked.retries.unwrap_or(0) {
			0 => IMAGE.retries,
			retries => u32::try_from(retries).unwrap_or(IMAGE.retries),
		},
		start_period: seconds(asked.start_period, IMAGE.start_period),
	})
}

/// Probes a container as its manifest or its image says, for as long as it is well; what is wrong with it once it
/// is not. `since`: how long it has run.
pub async fn until_ill(
	engine: &Engine,
	life: &Life,
	name: &str,
	address: Option<IpAddr>,
	health: &Health,
	since: Duration,
) -> String {
	let patience = Duration::from_secs(health.timeout.into());
	let probe = || async move {
		match &health.probe {
			Probe::Exec(command) => match engine.probe(name, command, patience).await {
				Ok(probed) => Some(probed),
				// The engine is away: that says nothing about the replica.
				Err(error) => {
					tracing::debug!(name, %error, "not probed");
					None
				}
			},
			Probe::Tcp(port) => Some(tcp(address, *port, patience).await),
			Probe::Http { port, path } => Some(http(address, *port, path, patience).await),
		}
	};
	health::until_ill(health, since, probe, || life.is_well()).await
}

async fn tcp(address: Option<IpAddr>, port: u16, patience: Duration) -> Probed {
	let address = address.ok_or("it has no address")?;
	let connect = tokio::net::TcpStream::connect(SocketAddr::new(address, port));
	match tokio::time::timeout(patience, connect).await {
		Ok(Ok(_)) => Ok(()),
		Ok(Err(error)) => Err(format!("port {port}: {error}")),
		Err(_) => Err(format!(
			"port {port}: no answer in {} s",
			patience.as_secs()
		)),
	}
}

async fn http(address: Option<IpAddr>, port: u16, path: &str, patience: Duration) -> Probed {
	let address = address.ok_or("it has no address")?;
	let base = format!("http://{}/", SocketAddr::new(address, port));
	let mut url = reqwest::Url::parse(&base).map_err(|error| error.to_string())?;
	let (file, query) = path
		.split_once('?')
		.map_or((path, None), |(f, q)| (f, Some(q)));
	url.set_path(file);
	url.set_query(query);
	// A redirect is an answer; it is never followed.
	let client = reqwest::Client::builder()
		.redirect(reqwest::redirect::Policy::none())
		.no_proxy()
		.timeout(patience)
		.build()
		.map_err(|error| error.to_string())?;
	match client.get(url).send().await {
		Ok(answer) if (200..400).contains(&answer.status().as_u16()) => Ok(()),
		Ok(answer) => Err(format!("port {port}, {path}: {}", answer.status())),
		Err(error) => Err(format!("port {port}, {path}: {}", error.without_url())),
	}
}

impl Engine {
	/// Runs a command in a container that runs.
	pub async fn probe(
		&self,
		name: &str,
		command: &[String],
		patience: Duration,
	) -> Result<Probed, ExecutorError> {
		let what = "running a command in a container";
		let client = self.client(PATIENCE).await?;
		let config = ExecConfig {
			cmd: Some(command.to_vec()),
			attach_stdout: Some(true),
			attach_stderr: Some(true),
			..Default::default()
		};
		let made = match client.create_exec(name, config).await {
			Ok(made) => made,
			Err(Error::DockerResponseServerError { message, .. }) => return Ok(Err(message)),
			Err(error) => return Err(failed(what)(error)),
		};
		let mut said = Vec::new();
		let run = async {
			let started = client.start_exec(&made.id, None).await?;
			if let StartExecResults::Attached { mut output, .. } = started {
				while let Some(part) = output.next().await {
					let part = part?.into_bytes();
					let room = SAID.saturating_sub(said.len()).min(part.len());
					said.extend_from_slice(part.get(..room).unwrap_or_default());
				}
			}
			Ok::<_, Error>(())
		};
		let in_time = tokio::time::timeout(patience, run).await;
		let ended = client.inspect_exec(&made.id).await.map_err(failed(what))?;
		match in_time {
			Err(_) => {
				// Not every engine ends it with the connection.
				let pid = ended.pid.and_then(|pid| i32::try_from(pid).ok());
				let pid = pid.filter(|pid| *pid > 1 && ended.running == Some(true));
				if let Some(pid) = pid.and_then(Pid::from_raw) {
					let _ = kill_process(pid, Signal::KILL);
				}
				return Ok(Err(format!("no answer in {} s", patience.as_secs())));
			}
			Ok(Err(Error::DockerResponseServerError { message, .. })) => return Ok(Err(message)),
			Ok(Err(error)) => return Err(failed(what)(error)),
			Ok(Ok(())) => {}
		}
		match ended.exit_code {
			Some(0) => Ok(Ok(())),
			code => {
				let said = String::from_utf8_lossy(&said);
				let code = code.unwrap_or(-1);
				Ok(Err(format!("exit code {code}: {}", said.trim())))
			}
		}
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn an_images_check_is_read() {
		let check = |test: &[&str], interval| {
			of_image(&HealthConfig {
				test: Some(test.iter().map(|text| (*text).to_owned()).collect()),
				interval,
				..Default::default()
			})
		};
		for none in [&[][..], &["NONE"], &["CMD"], &["CMD-SHELL"], &["ls"]] {
			assert_eq!(check(none, None), None, "{none:?}");
		}
		let shell = check(&["CMD-SHELL", "curl -f x || exit 1"], None).unwrap();
		let command = ["/bin/sh", "-c", "curl -f x || exit 1"].map(str::to_owned);
		assert_eq!(shell.probe, Probe::Exec(command.to_vec()));
		assert_eq!((shell.interval, shell.timeout, shell.retries), (30, 30, 3));
		let fast = check(&["CMD", "/ready"], Some(500_000_000)).unwrap();
		assert_eq!((fast.interval, fast.start_period), (1, 0));
	}
}
