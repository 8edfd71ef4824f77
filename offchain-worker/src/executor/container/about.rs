//! What the engine is, and whether it can be used as it is set.

use super::engine::{failed, Engine, GLANCE};
use crate::executor::{other, ExecutorError};
use bollard::models::SystemInfo;
use std::{
	sync::atomic::{AtomicU32, Ordering},
	time::Duration,
};

/// How often it is looked how much room a pull takes.
const LOOK: Duration = Duration::from_millis(500);
/// What Docker's own daemon is called among the engine's components.
const DOCKER: &str = "Engine";
/// What names of runtimes begin with that Docker needs not be told of.
const SHIM: &str = "io.containerd.";

/// A pull that is under way.
struct Pull<'a>(&'a AtomicU32);

impl<'a> Pull<'a> {
	fn begin(all: &'a AtomicU32) -> Self {
		all.fetch_add(1, Ordering::Relaxed);
		Self(all)
	}
}

impl Drop for Pull<'_> {
	fn drop(&mut self) {
		self.0.fetch_sub(1, Ordering::Relaxed);
	}
}

/// Whether an engine of this version gives a container what is named by the Container Device Interface.
fn takes_cdi(is_docker: bool, version: &str) -> bool {
	let mut numbers = version.split('.').map(|part| part.parse::<u32>().ok());
	let number = (numbers.next().flatten(), numbers.next().flatten());
	let least = if is_docker { (25, 0) } else { (5, 4) };
	matches!(number, (Some(major), Some(minor)) if (major, minor) >= least)
}

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

	/// What the engine calls itself; an error says why it cannot be used. `by_cdi`: whether devices are named by the
	/// Container Device Interface.
	pub async fn describe(&self, by_cdi: bool) -> Result<String, ExecutorError> {
		let (name, version) = self.name().await?;
		let is_docker = name == DOCKER;
		// Podman looks at all containers for it, whoever has made them.
		let info = match is_docker || self.wanted_runtime.is_some() {
			true => self.info().await?,
			false => SystemInfo::default(),
		};
		self.told_runtime(is_docker, &info)?;
		// Docker says where it looks for them; nowhere, if that is switched off.
		let specified = info
			.cdi_spec_dirs
			.as_ref()
			.is_some_and(|all| !all.is_empty());
		if by_cdi && !(takes_cdi(is_docker, &version) && (specified || !is_docker)) {
			let why = format!(
				"[[gpus]] names devices of the Container Device Interface, which {name} {version} does not take as it is: \
				 Docker does from 25 on, where `features` in its daemon.json have `cdi`, Podman by this API from 5.4 on. \
				 Name paths below /dev instead"
			);
			return Err(other("looking at how containers get their GPUs", why));
		}
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

	/// Ends once there is less room where the engine keeps its images than there was, by so many bytes for each pull that
	/// is under way: that is more than their layers come to, as they were measured. Where that place is not seen it never
	/// ends.
	pub async fn filled_by(&self, bytes: u64) {
		let _this = Pull::begin(&self.pulls);
		let root = async { Ok::<_, ExecutorError>(self.info().await?.docker_root_dir) };
		let root = root.await.ok().flatten();
		let free = || {
			let disk = rustix::fs::statvfs(root.as_deref()?).ok()?;
			Some(disk.f_bavail.saturating_mul(disk.f_frsize))
		};
		let Some(begin) = free() else {
			return std::future::pending().await;
		};
		loop {
			tokio::time::sleep(LOOK).await;
			let pulls = u64::from(self.pulls.load(Ordering::Relaxed));
			let least = begin.saturating_sub(bytes.saturating_mul(pulls));
			if free().is_some_and(|free| free < least) {
				return;
			}
		}
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

#[cfg(test)]
mod tests {
	use super::takes_cdi;

	#[test]
	fn devices_by_name_are_for_engines_that_know_them() {
		let cases = [
			(true, "28.0.1", true),
			(true, "25.0.0", true),
			(true, "24.0.9", false),
			(false, "4.3.1", false),
			(false, "5.3.2", false),
			(false, "5.4.0-dev", true),
			(false, "5.10.1", true),
			(false, "", false),
		];
		for (is_docker, version, takes) in cases {
			assert_eq!(takes_cdi(is_docker, version), takes, "{version}");
		}
	}
}
