//! Desired state (my leases on chain) and actual state (what the executor reports), together.

use crate::{
	daemon::Shared,
	executor::{Attempt, End, Observed},
	store::{LeaseRow, Phase},
};
use leasehold_client::{
	story,
	view::{LeaseRecordNow, OpenLease, State, View},
	Call, Connection, FailureCode, Heads,
};
use leasehold_manifest::{
	files,
	result::{result_hash, Output},
	FileEntry, Manifest, Service,
};
use std::{
	path::{Path, PathBuf},
	sync::Arc,
	time::{SystemTime, UNIX_EPOCH},
};

/// Now, in Unix seconds.
pub fn unix_now() -> u64 {
	SystemTime::now()
		.duration_since(UNIX_EPOCH)
		.unwrap_or_default()
		.as_secs()
}

/// The service of a lease whose manifest has been handed in.
pub fn service(shared: &Shared, row: &LeaseRow) -> anyhow::Result<Option<Service>> {
	let Some(bytes) = shared.store.manifest(row.lease, &row.manifest_hash)? else {
		return Ok(None);
	};
	Ok(Manifest::open(&bytes)?.services.into_iter().next())
}

/// Where a file that the tenant hands in stands.
pub fn input_path(folder: &Path, service: &Service, entry: &FileEntry) -> PathBuf {
	if *entry == service.module {
		folder.join("module.wasm")
	} else {
		folder.join("in").join(&entry.path)
	}
}

/// Files that are still to be handed in.
pub fn missing<'a>(folder: &Path, service: &'a Service) -> Vec<&'a FileEntry> {
	service
		.inputs
		.iter()
		.chain([&service.module])
		.filter(|entry| {
			let there = std::fs::metadata(input_path(folder, service, entry));
			!there.is_ok_and(|meta| meta.is_file() && meta.len() == entry.size)
		})
		.collect()
}

/// One turn: each lease a step, then what is no longer desired.
pub async fn turn(
	shared: &Arc<Shared>,
	connection: &Connection,
	best: &View,
	heads: Heads,
	leases: &[OpenLease],
) -> anyhow::Result<()> {
	for lease in leases {
		if let Err(error) = step(shared, best.number(), lease).await {
			tracing::warn!(lease = lease.id, %error, "the lease waits");
		}
	}
	let mut finalized = None;
	for row in shared.store.leases()? {
		if leases
			.iter()
			.any(|l| l.id == row.lease && l.manifest_hash == row.manifest_hash)
		{
			continue;
		}
		if let Some(closed_at) = row.closed_at {
			if unix_now() > closed_at.saturating_add(shared.config.retention().as_secs()) {
				tracing::info!(
					lease = row.lease,
					"results and logs are removed: retention is over"
				);
				shared.store.wipe(&row)?;
			}
			continue;
		}
		// Reversible: the best chain says that it is over.
		let at_best = best.lease(row.lease).await?;
		if !matches!(at_best, LeaseRecordNow::Closed(_) | LeaseRecordNow::Swept) {
			continue;
		}
		stop(shared, &row)?;
		// For good: finality says so too.
		if finalized.is_none() {
			finalized = Some(View::from(connection.at(heads.finalized.1).await?));
		}
		let Some(finalized) = &finalized else {
			continue;
		};
		let why = match finalized.lease(row.lease).await? {
			LeaseRecordNow::Closed(closed) => story::reason(&closed.reason),
			LeaseRecordNow::Swept => "it was closed while this daemon was away".into(),
			_ => continue,
		};
		tracing::info!(lease = row.lease, why, "the lease is closed");
		let closed = LeaseRow {
			phase: Phase::Closed { why },
			closed_at: Some(unix_now()),
			..row
		};
		shared.store.put(&closed)?;
	}
	Ok(())
}

fn attempt(shared: &Shared, row: &LeaseRow, service: Service) -> Attempt {
	Attempt {
		number: row.attempts,
		folder: shared.store.lease_folder(row.lease),
		service,
	}
}

fn stop(shared: &Shared, row: &LeaseRow) -> anyhow::Result<()> {
	if row.attempts == 0 {
		return Ok(());
	}
	let Some(service) = service(shared, row)? else {
		return Ok(());
	};
	Ok(shared.executor.stop(&attempt(shared, row, service))?)
}

/// The row of a lease, made if this daemon meets it for the first time.
pub fn row(shared: &Shared, lease: &OpenLease) -> anyhow::Result<LeaseRow> {
	if let Some(row) = shared.store.lease(lease.id)? {
		return Ok(row);
	}
	let row = LeaseRow {
		version: 1,
		lease: lease.id,
		manifest_hash: lease.manifest_hash,
		tenant: lease.tenant.0,
		access: lease.access.0,
		manifest: shared
			.store
			.manifest(lease.id, &lease.manifest_hash)?
			.is_some(),
		attempts: attempts_on_disk(&shared.store.lease_folder(lease.id)),
		phase: Phase::AwaitingManifest,
		closed_at: None,
	};
	shared.store.put(&row)?;
	Ok(row)
}

/// Attempts that were begun, by their files: the index may have been lost.
fn attempts_on_disk(folder: &Path) -> u32 {
	(1..=64)
		.take_while(|n| folder.join("run").join(format!("{n}.json")).exists())
		.count() as u32
}

async fn step(shared: &Arc<Shared>, now: u32, lease: &OpenLease) -> anyhow::Result<()> {
	let mut row = row(shared, lease)?;
	match row.phase.clone() {
		Phase::Ended {
			exit_code,
			result_hash,
		} => {
			if let State::Starting { .. } = lease.state {
				tell_start(shared, now, lease);
			} else {
				let call = Call::CompleteLease {
					lease: lease.id,
					exit_code,
					result_hash,
				};
				shared.tell(format!("lease {} is complete", lease.id), now, call);
			}
			return Ok(());
		}
		Phase::Failed { code, .. } => {
			let code = failure_code(&code);
			let call = Call::FailLease {
				lease: lease.id,
				code,
			};
			shared.tell(format!("lease {} has failed", lease.id), now, call);
			return Ok(());
		}
		Phase::Closed { .. } => return Ok(()),
		Phase::AwaitingManifest | Phase::Starting | Phase::Running => {}
	}
	let Some(service) = service(shared, &row)? else {
		return Ok(());
	};
	if row.attempts == 0 {
		if missing(&shared.store.lease_folder(lease.id), &service).is_empty() {
			return begin(shared, &mut row, service).await;
		}
		return Ok(());
	}
	let tried = attempt(shared, &row, service.clone());
	match shared.executor.observe(&tried)? {
		// Written down, but the daemon ended before it could start it.
		Observed::Absent => {
			shared.executor.start(&tried).await?;
			Ok(())
		}
		Observed::Preparing => Ok(()),
		Observed::Running => {
			if let State::Starting { .. } = lease.state {
				tell_start(shared, now, lease);
			}
			if row.phase != Phase::Running {
				row.phase = Phase::Running;
				shared.store.put(&row)?;
			}
			Ok(())
		}
		Observed::Ended(end) => ended(shared, row, service, end).await,
	}
}

fn tell_start(shared: &Arc<Shared>, now: u32, lease: &OpenLease) {
	shared.tell(
		format!("lease {} runs", lease.id),
		now,
		Call::StartLease { lease: lease.id },
	);
}

/// Begins the next attempt; it is written down first.
async fn begin(shared: &Shared, row: &mut LeaseRow, service: Service) -> anyhow::Result<()> {
	row.attempts = row.attempts.saturating_add(1);
	row.phase = Phase::Starting;
	shared.store.put(row)?;
	let attempt = attempt(shared, row, service);
	tracing::info!(
		lease = row.lease,
		attempt = row.attempts,
		"starting the workload"
	);
	shared.executor.start(&attempt).await?;
	Ok(())
}

async fn ended(
	shared: &Shared,
	mut row: LeaseRow,
	service: Service,
	end: End,
) -> anyhow::Result<()> {
	tracing::info!(
		lease = row.lease,
		attempt = row.attempts,
		"the workload ended: {}",
		end.why()
	);
	if end.is_worth_another_attempt() && row.attempts < service.attempts {
		return begin(shared, &mut row, service).await;
	}
	row.phase = match (&end, end.failure()) {
		(End::Exited { code }, _) => {
			let folder = shared.store.lease_folder(row.lease).join("out");
			let (patterns, code) = (service.outputs.clone(), *code);
			let found = tokio::task::spawn_blocking(move || outputs(&folder, &patterns)).await??;
			Phase::Ended {
				exit_code: code,
				result_hash: result_hash(&found, code),
			}
		}
		(_, Some(code)) => Phase::Failed {
			code: format!("{code:?}"),
			why: end.why(),
		},
		(_, None) => Phase::Failed {
			code: "Internal".into(),
			why: end.why(),
		},
	};
	shared.store.put(&row)?;
	shared.wake.notify_one();
	Ok(())
}

fn failure_code(name: &str) -> FailureCode {
	[
		FailureCode::InvalidModule,
		FailureCode::Crashed,
		FailureCode::TimeLimit,
		FailureCode::MemoryLimit,
		FailureCode::StorageLimit,
	]
	.into_iter()
	.find(|code| format!("{code:?}") == name)
	.unwrap_or(FailureCode::Internal)
}

/// A job's results: regular files below a folder that match a pattern. Links are not followed.
pub fn outputs(folder: &Path, patterns: &[String]) -> std::io::Result<Vec<Output>> {
	fn walk(
		root: &Path,
		below: &str,
		patterns: &[String],
		found: &mut Vec<Output>,
	) -> std::io::Result<()> {
		for entry in std::fs::read_dir(root.join(below))? {
			let entry = entry?;
			let Ok(name) = entry.file_name().into_string() else {
				continue;
			};
			let path = if below.is_empty() {
				name
			} else {
				format!("{below}/{name}")
			};
			let kind = entry.file_type()?;
			if kind.is_dir() {
				walk(root, &path, patterns, found)?;
			} else if kind.is_file() && patterns.iter().any(|p| files::matches(p, &path)) {
				let (size, sha256) = files::digest(&entry.path())?;
				found.push(Output { path, size, sha256 });
			}
		}
		Ok(())
	}
	let mut found = Vec::new();
	walk(folder, "", patterns, &mut found)?;
	found.sort();
	Ok(found)
}
