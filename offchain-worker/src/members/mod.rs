//! The replicas of a lease's services: each is kept running until the lease ends.

mod gpus;
mod ports;
mod reach;
mod record;
mod replace;

pub use gpus::{devices, forget as forget_gpus, gpus, unit};
pub use reach::{reach, Stream};
pub use replace::{adopt, clear_others, has_room, keep_modules, made_of};

use crate::{
	daemon::Shared,
	diary,
	executor::{
		clear::remove_all, container::Isolation, uptime, Attempt, End, Executor as _, Observed,
		Port,
	},
	reconcile::{
		give_up, give_up_without_image, is_last_call, note_running, tell_running, unix_now,
	},
	store::{LeaseRow, Phase},
};
use gpus::Given;
use leasehold_client::{
	view::{OpenLease, State},
	Call, FailureCode,
};
use leasehold_manifest::{Manifest, Service};
use ports::ports;
use record::{Made, Record};
use replace::{as_begun, clear_replica, end_others};
use serde::Serialize;
use std::{
	collections::BTreeSet,
	io::ErrorKind::NotFound,
	path::{Path, PathBuf},
	sync::{atomic::Ordering, Arc},
};

/// What a tenant sees of a replica.
#[derive(Clone, Debug, Serialize)]
pub struct Replica {
	pub service: String,
	pub replica: u32,
	/// `waiting` (for others, or to be started again), `starting`, `unready`, `running` or `replaced` (by one that
	/// another manifest names).
	pub state: &'static str,
	pub restarts: u32,
	/// How it ended last.
	pub last: Option<String>,
	/// Unix seconds before which it is not started again.
	#[serde(skip_serializing_if = "Option::is_none")]
	pub not_before: Option<u64>,
}

/// What a tenant sees of the services of a lease.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Replicas {
	pub replicas: Vec<Replica>,
	/// Ports of this machine, and what stands behind them.
	pub ports: Vec<Port>,
}

/// How the replicas of a lease stand together.
#[derive(Debug, Default)]
pub struct Standing {
	/// All run and are well.
	pub all_run: bool,
	/// One cannot be loaded, and why.
	pub invalid: Option<String>,
	/// How one that does not run ended, as far as that is the tenant's.
	pub fails: Option<String>,
	/// What does not run does not by this machine's fault.
	pub machine_fails: bool,
}

/// The folder of a replica, with its log, in its lease's.
pub fn folder(lease: &Path, service: &str, replica: u32) -> PathBuf {
	lease
		.join("services")
		.join(service)
		.join(replica.to_string())
}

/// All replicas, those first that others depend on.
fn all(manifest: &Manifest) -> anyhow::Result<Vec<(&Service, u32)>> {
	let services = manifest.in_order()?.into_iter();
	Ok(services
		.flat_map(|service| (0..service.count).map(move |replica| (service, replica)))
		.collect())
}

/// One turn for a lease of services.
pub async fn serve(
	shared: &Arc<Shared>,
	now: u32,
	lease: &OpenLease,
	open: &[OpenLease],
	mut row: LeaseRow,
	manifest: &Manifest,
) -> anyhow::Result<()> {
	if row.attempts == 0 || row.phase == Phase::Suspended {
		let begun = shared.store.update(row.lease, |row| {
			let open = !matches!(row.phase, Phase::Closed { .. });
			if open {
				(row.attempts, row.phase) = (1, Phase::Starting);
			}
			open
		})?;
		let Some(begun) = begun else { return Ok(()) };
		tracing::info!(lease = row.lease, "starting the services");
		let word = if row.phase == Phase::Suspended {
			"started again"
		} else {
			"started"
		};
		let folder = shared.store.lease_folder(row.lease);
		diary::note(&folder, format!("the services are {word}"));
		row = begun;
	}
	// Modules have no network that could be open.
	let networks = match manifest.has_images() {
		true => shared.networks(),
		false => Isolation::Closed,
	};
	let given = gpus(shared, lease, open, manifest);
	if let Err(error) = &given {
		tracing::debug!(lease = row.lease, %error, "the services have no GPUs");
	}
	let standing = match given {
		Ok(given) if networks != Isolation::Open => {
			let may_start = networks == Isolation::Closed;
			turn(shared, &row, manifest, &given, may_start).await?
		}
		// What runs harms others, until the networks are closed, or would share their GPUs.
		given => {
			let stopped = stop(shared, &row, manifest).await?;
			if stopped && given.is_err() {
				forget_gpus(shared, row.lease)?;
			}
			Standing {
				machine_fails: true,
				..Default::default()
			}
		}
	};
	match lease.state {
		State::Starting { .. } if !standing.all_run => {
			let late = is_last_call(now, &lease.state);
			return match (standing.invalid, standing.fails) {
				(Some(why), _) => give_up(shared, row.lease, FailureCode::InvalidModule, why),
				(None, Some(why)) if late => give_up(shared, row.lease, FailureCode::Crashed, why),
				(None, None) if late => give_up_without_image(shared, row.lease),
				_ => Ok(()),
			};
		}
		State::Active { .. } if standing.machine_fails => pause(shared, now, lease.id),
		State::Active { .. } => forget_failing(shared, lease.id),
		State::Starting { .. } | State::Suspended { .. } if standing.all_run => {
			tell_running(shared, now, lease);
		}
		State::Starting { .. } | State::Suspended { .. } => {}
	}
	match standing.all_run {
		true => note_running(shared, row.lease),
		false => Ok(()),
	}
}

/// Pauses a lease whose workload has not run for too long by this machine's fault: nobody pays for that.
pub fn pause(shared: &Arc<Shared>, now: u32, lease: u64) {
	let Ok(mut failing) = shared.failing.lock() else {
		return;
	};
	let since = *failing.entry(lease).or_insert(now);
	let after = shared.pause_after.load(Ordering::Relaxed);
	if after > 0 && now >= since.saturating_add(after) {
		let call = Call::PauseLease { lease };
		shared.tell(format!("lease {lease} is paused"), now, call);
	}
}

pub fn forget_failing(shared: &Shared, lease: u64) {
	if let Ok(mut failing) = shared.failing.lock() {
		failing.remove(&lease);
	}
}

fn attempt(
	row: &LeaseRow,
	lease: &Path,
	(service, replica): (&Service, u32),
	record: &Record,
) -> Attempt {
	Attempt {
		lease: row.lease,
		manifest_hash: record
			.made
			.as_ref()
			.map_or(row.manifest_hash, |made| made.manifest),
		replica,
		number: record.attempt,
		folder: folder(lease, &service.name, replica),
		service: service.clone(),
		ports: Vec::new(),
		devices: Vec::new(),
	}
}

/// When an attempt was first seen to run, in seconds of [`uptime`].
fn ran_since(attempt: &Attempt) -> Option<u64> {
	let text = std::fs::read_to_string(attempt.file("running")).ok()?;
	text.trim().parse().ok()
}

/// Removes the notes about earlier attempts: a service has no end of them.
fn forget_notes(attempt: &Attempt) {
	let notes = std::fs::read_dir(attempt.folder.join("run"));
	for entry in notes.into_iter().flatten().flatten() {
		let name = entry.file_name();
		let number = name.to_str().and_then(|name| name.split('.').next());
		let number = number.and_then(|number| number.parse::<u32>().ok());
		if number.is_some_and(|number| number < attempt.number) {
			let _ = std::fs::remove_file(entry.path());
		}
	}
}

/// One step for each replica, and how they stand. `may_start`: whether those that do not run are started.
async fn turn(
	shared: &Shared,
	row: &LeaseRow,
	manifest: &Manifest,
	given: &[Given],
	may_start: bool,
) -> anyhow::Result<Standing> {
	let lease = shared.store.lease_folder(row.lease);
	let ports = ports(shared, row, manifest)?;
	// What takes the place of others waits until these are gone.
	let may_start = end_others(shared, row, manifest).await? && may_start;
	let (mut standing, mut not_up) = (Standing::default(), BTreeSet::new());
	let no_engine = shared.cannot_run().0.is_some();
	standing.all_run = true;
	let mut seen = Replicas {
		ports: ports.clone(),
		..Default::default()
	};
	for member in all(manifest)? {
		let (service, replica) = member;
		let waits = service.depends_on.iter().any(|name| not_up.contains(name));
		let folder = folder(&lease, &service.name, replica);
		let mut record = Record::read(&folder)?;
		if record.adopt(row.manifest_hash, service) {
			record.write(&folder)?;
		}
		let another = record.another(service).cloned();
		if another.is_some() && !record.is_begun() {
			// How the other one ended says nothing of this one.
			record.was_stopped();
		}
		let mut tried = attempt(row, &lease, member, &record);
		// A port of this machine leads to the first; by its name a service's replicas are asked in turn.
		let theirs = ports.iter().filter(|port| port.service == service.name);
		tried.ports = theirs.filter(|_| replica == 0).cloned().collect();
		tried.devices = devices(given, &service.name, replica);
		// One that is to be replaced is being ended.
		let outdated = another.is_some() && record.is_begun();
		let observed = match outdated || !record.is_begun() {
			// Its end has been met; the next attempt begins when it may.
			true => None,
			false => Some(shared.executors.observe(&tried).await?),
		};
		if let Some(Observed::Running | Observed::Unready) = observed {
			let key = (row.lease, service.name.clone(), replica);
			let process = || shared.executors.process(&tried);
			shared.usage.meet(key, tried.number, process);
		}
		let now = unix_now();
		let mut state = match observed {
			_ if outdated => "replaced",
			Some(Observed::Running) => "running",
			Some(Observed::Unready) => "unready",
			Some(_) => "starting",
			None => "waiting",
		};
		match observed {
			_ if outdated => {}
			Some(Observed::Running | Observed::Preparing | Observed::Unready) => {}
			// Written down, but the daemon ended before it could start it.
			Some(Observed::Absent) if may_start => shared.executors.start(&tried).await?,
			Some(Observed::Ended(end)) => {
				let ran = ran_since(&tried).map_or(0, |since| uptime().saturating_sub(since));
				record.met(&end, ran, now);
				record.write(&folder)?;
				let (lease, service) = (row.lease, &service.name);
				let wait = record.not_before.saturating_sub(now);
				let why = end.why();
				tracing::info!(lease, service, replica, wait, "a replica ended: {why}");
				let next = match wait {
					0 => String::new(),
					wait => format!("; it is started again in {wait} s"),
				};
				let what = format!("{service}.{replica} ended: {why}{next}");
				diary::note(tried.lease_folder(), what);
			}
			// What runs is not stopped for what it depends on.
			None if may_start && !waits && record.may_start(now) => {
				if let Some(other) = &another {
					clear_replica(shared, row, member, other).await?;
				}
				record.attempt = record.attempt.saturating_add(1);
				record.made = Some(Made::of(row.manifest_hash, service));
				record.write(&folder)?;
				tried = Attempt {
					ports: tried.ports,
					devices: tried.devices,
					..attempt(row, &lease, member, &record)
				};
				forget_notes(&tried);
				shared.executors.start(&tried).await?;
				state = "starting";
			}
			Some(Observed::Absent) | None => {}
		}
		if state != "running" {
			standing.all_run = false;
			not_up.insert(service.name.clone());
			let why = |end: &End| format!("`{}`: {}", service.name, end.why());
			match &record.last {
				_ if !may_start => standing.machine_fails = true,
				_ if state == "unready" => {
					standing.fails = Some(format!("`{}` runs and is not well", service.name));
				}
				Some(end @ End::Invalid { .. }) => standing.invalid = Some(why(end)),
				_ if no_engine && service.module().is_none() => standing.machine_fails = true,
				Some(End::Internal { .. }) => standing.machine_fails = true,
				Some(end) => standing.fails = Some(why(end)),
				None => {}
			}
		}
		seen.replicas.push(Replica {
			service: service.name.clone(),
			replica,
			state,
			restarts: record.restarts(),
			last: record.last.as_ref().map(End::why),
			not_before: (record.not_before > now).then_some(record.not_before),
		});
	}
	let runs = |seen: &Replicas| {
		let runs = seen.replicas.iter().filter(|one| one.state == "running");
		runs.map(|one| (one.service.clone(), one.replica))
			.collect::<BTreeSet<_>>()
	};
	let now = runs(&seen);
	let before = match shared.replicas.lock() {
		Ok(mut all) => all.insert(row.lease, seen),
		Err(_) => None,
	};
	// What ran under an earlier life of the daemon is no news.
	if let Some(before) = before {
		for (service, replica) in now.difference(&runs(&before)) {
			diary::note(&lease, format!("{service}.{replica} runs"));
		}
	}
	Ok(standing)
}

/// Ends all replicas; whether none runs any more.
pub async fn stop(shared: &Shared, row: &LeaseRow, manifest: &Manifest) -> anyhow::Result<bool> {
	let lease = shared.store.lease_folder(row.lease);
	if let Ok(mut seen) = shared.replicas.lock() {
		seen.remove(&row.lease);
	}
	let mut all_ended = end_others(shared, row, manifest).await?;
	for (service, replica) in all(manifest)?.into_iter().rev() {
		let folder = folder(&lease, &service.name, replica);
		let mut record = Record::read(&folder)?;
		if record.attempt == 0 {
			continue;
		}
		let begun = as_begun(&record, service);
		let tried = attempt(row, &lease, (&begun, replica), &record);
		if !shared.executors.stop(&tried).await? {
			all_ended = false;
			continue;
		}
		if record.is_begun() || record.failures > 0 {
			record.was_stopped();
			record.write(&folder)?;
		}
	}
	if all_ended && manifest.has_images() {
		if let Some(container) = &shared.executors.container {
			container.remove(row.lease).await?;
		}
	}
	Ok(all_ended)
}

/// The folders of all replicas in a lease's folder.
pub fn folders(lease: &Path) -> Vec<PathBuf> {
	let below = |path: PathBuf| {
		let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
		entries.map(|entry| entry.path()).collect::<Vec<_>>()
	};
	let services = below(lease.join("services"));
	services.into_iter().flat_map(below).collect()
}

/// Removes what a closed lease's services had: their data, and the images that were brought for them. The logs stay.
pub async fn clear(shared: &Shared, row: &LeaseRow) -> anyhow::Result<()> {
	if let Ok(mut all) = shared.replicas.lock() {
		all.remove(&row.lease);
	}
	forget_failing(shared, row.lease);
	let of = folders(&shared.store.lease_folder(row.lease));
	if of.is_empty() {
		return Ok(());
	}
	if let Some(container) = &shared.executors.container {
		container.remove_images(&of).await?;
	}
	tokio::task::spawn_blocking(move || {
		let data = ["kept", "volumes", "declared", "tmp"];
		for path in of
			.iter()
			.flat_map(|folder| data.map(|name| folder.join(name)))
		{
			match remove_all(&path) {
				Err(error) if error.kind() != NotFound => return Err(error),
				_ => {}
			}
		}
		Ok(())
	})
	.await??;
	Ok(())
}
