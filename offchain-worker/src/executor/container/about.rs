//! What the engine is, and whether it can be used as it is set.

use super::engine::{failed, Engine, GLANCE};
use crate::executor::{other, ExecutorError};
use bollard::models::SystemInfo;

/// What Docker's own daemon is called among the engine's components.
const DOCKER: &str = "Engine";
/// What names of runtimes begin with that Docker needs not be told of.
const SHIM: &str = "io.containerd.";

impl Engine {
	/// (name, version)
	pub async fn name(&self) -> Result<(String, String), ExecutorError> {
		let client = self.client(GLANCE).await?;
		let what = "asking the container engine for its version";
		let version = client.version().await.map_err(failed(what))?;
		let first = version.components.into_iter().flatten().next();
		let name = first.map(|component| component.name).unwrap_or_default();
		Ok((name, version.version.unwrap_or_default()))
	}

	pub async fn info(&self) -> Result<SystemInfo, ExecutorError> {
		let client = self.client(GLANCE).await?;
		let what = "asking the container engine for its settings";
		client.info().await.map_err(failed(what))
	}

	/// What the engine calls itself; an error says why it cannot be used.
	pub async fn describe(&self) -> Result<String, ExecutorError> {
		let (name, version) = self.name().await?;
		let is_docker = name == DOCKER;
		// Podman looks at all containers for it, whoever has made them.
		let info = match is_docker || self.wanted_runtime.is_some() {
			true => self.info().await?,
			false => SystemInfo::default(),
		};
		self.told_runtime(is_docker, &info)?;
		if is_docker && info.live_restore_enabled != Some(true) {
			let why = "Docker would end all containers when its daemon is restarted, and say that they had ended by \
			           themselves: set `\"live-restore\": true` in its daemon.json";
			return Err(other("looking at Docker's settings", why));
		}
		let name = if is_docker { "Docker".into() } else { name };
		let runtime = self.wanted_runtime.as_ref();
		let runtime = runtime.map(|runtime| format!(" with {runtime}"));
		let users = match self.maps_users().await? {
			true => ", users of its own for each lease",
			false => "",
		};
		let disk = match self.quota.get() {
			Some(quota) if quota.holds() => ", disk by its storage's quota",
			Some(_) => ", disk by watching",
			None => "",
		};
		let runtime = runtime.unwrap_or_default();
		Ok(format!("{name} {version}{runtime}{users}{disk}"))
	}

	/// The OCI runtime that the engine is told for a container; an error says why it would not be the right one.
	pub async fn runtime(&self) -> Result<Option<&str>, ExecutorError> {
		if self.wanted_runtime.is_none() {
			return Ok(None);
		}
		let is_docker = self.name().await?.0 == DOCKER;
		self.told_runtime(is_docker, &self.info().await?)
	}

	fn told_runtime(
		&self,
		is_docker: bool,
		info: &SystemInfo,
	) -> Result<Option<&str>, ExecutorError> {
		let Some(wanted) = self.wanted_runtime.as_deref() else {
			return Ok(None);
		};
		let known = info.runtimes.as_ref();
		let known = known.is_some_and(|known| known.contains_key(wanted));
		let own = info.default_runtime.as_deref().unwrap_or_default();
		let why = match is_docker {
			true if known || wanted.starts_with(SHIM) => return Ok(Some(wanted)),
			true => format!(
				"Docker has none called `{wanted}`: name it under `runtimes` in its daemon.json"
			),
			// It takes none for a container by this API, and does not say so.
			false if own == wanted => return Ok(None),
			false => format!(
				"Podman takes its own alone, `{own}`: set `runtime = \"{wanted}\"` under [engine] in its containers.conf, \
				 and start it anew"
			),
		};
		Err(other(
			"looking for the OCI runtime that [containers] names",
			why,
		))
	}
}
