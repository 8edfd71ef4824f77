//! Desired state (my leases on chain) and actual state (what the executor reports), together.

use crate::{
	closing,
	daemon::Shared,
	diary,
	executor::{module_path, wasm, Attempt, End, Executor as _, Observed},
	members,
	results::kept,
	store::{LeaseRow, Phase},
	update,
};
use leasehold_client::{
	view::{OpenLease, State, Suspension, View},
	Call, Connection, FailureCode, Heads, WorkloadKind,
};
use leasehold_manifest::{result::result_hash, FileEntry, Manifest, Service};
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

/// The manifest of a lease, once it has been handed in.
pub fn manifest(shared: &Shared, row: &LeaseRow) -> anyhow::Result<Option<Manifest>> {
	match shared.store.manifest(row.lease, &row.manifest_hash)? {
		Some(bytes) => Ok(Some(Manifest::open(&bytes)?)),
		None => Ok(None),
	}
}

/// Where a file that the tenant hands in stands.
pub fn input_path(folder: &Path, service: &Service, entry: &FileEntry) -> PathBuf {
	match service.module() {
		Some(module) if module == entry => module_path(folder, service.kind, module),
		_ => folder.join("in").join(&entry.path),
	}
}

/// Files that are still to be handed in.
pub fn missing<'a>(folder: &Path, manifest: &'a Manifest) -> Vec<&'a FileEntry> {
	let missing = manifest.files().filter(|(service, entry)| {
		let there = std::fs::metadata(input_path(folder, service, entry));
		!there.is_ok_and(|meta| meta.is_file() && meta.len() == entry.size)
	});
	missing.map(|(_, entry)| entry).collect()
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
		if let Err(error) = step(shared, best.number(), lease, leases).await {
			tracing::warn!(lease = lease.id, %error, "the lease waits");
		}
	}
	let mut rows = shared.store.leases()?;
	let updated = rows.iter().filter(|row| row.former.is_some());
	let updated: Vec<_> = updated.map(|row| row.lease).collect();
	rows.retain(|row| {
		let open = |l: &OpenLease| l.id == row.lease && row.is_of(l);
		!leases.iter().any(open)
	});
	let (closed, vanished): (Vec<_>, Vec<_>) =
		rows.into_iter().partition(|row| row.closed_at.is_some());
	for row in &closed {
		if let Err(error) = closing::retire(shared, row).await {
			tracing::warn!(lease = row.lease, %error, "the lease's data stays");
		}
	}
	if !vanished.is_empty() || !updated.is_empty() {
		let finalized = View::from(connection.at(heads.finalized.1).await?);
		for lease in updated {
			if let Err(error) = update::settle(shared, &finalized, lease).await {
				tracing::warn!(lease, %error, "what a former manifest left waits");
			}
		}
		// One lease that cannot be handled never keeps the others waiting.
		for row in &vanished {
			if let Err(error) = closing::wind_up(shared, best, &finalized, row).await {
				tracing::warn!(lease = row.lease, %error, "the lease's data waits");
			}
		}
	}
	Ok(())
}

fn attempt(shared: &Shared, row: &LeaseRow, service: Service, devices: Vec<String>) -> Attempt {
	Attempt {
		lease: row.lease,
		manifest_hash: row.manifest_hash,
		replica: 0,
		number: row.attempts,
		folder: shared.store.lease_folder(row.lease),
		service,
		ports: Vec::new(),
		devices,
	}
}

/// Stops what runs for a lease; whether nothing does any more.
pub async fn stop(shared: &Shared, row: &LeaseRow) -> anyhow::Result<bool> {
	let manifest = match row.attempts {
		0 => None,
		// One that is damaged tells nothing, either.
		_ => manifest(shared, row).unwrap_or_default(),
	};
	let Some(manifest) = manifest else {
		// Nothing was begun, as far as is known: the index or the manifest may have been lost.
		wasm::end_all(&shared.store.lease_folder(row.lease))?;
		if let Some(container) = &shared.executors.container {
			match container.remove(row.lease).await {
				// What was begun may run: it is looked again.
				Err(error) if row.attempts > 0 => return Err(error.into()),
				Err(error) => {
					tracing::debug!(lease = row.lease, %error, "not looked for containers");
				}
				Ok(()) => {}
			}
		}
		return Ok(true);
	};
	let Some(service) = manifest.job().cloned() else {
		return members::stop(shared, row, &manifest).await;
	};
	let attempt = attempt(shared, row, service, Vec::new());
	Ok(shared.executors.stop(&attempt).await?)
}

/// The row of a lease, made if this daemon meets it for the first time.
pub async fn row(shared: &Shared, lease: &OpenLease) -> anyhow::Result<LeaseRow> {
	if let Some(row) = shared.store.lease(lease.id)? {
		if row.is_of(lease) {
			return update::noted(shared, lease, row);
		}
		let stopped = stop(shared, &row).await?;
		anyhow::ensure!(stopped, "what ran in it before is being stopped");
		// What was before is kept aside: of the jobs that a tenant names one after the other, the last one.
		let same = (row.tenant, row.order) == (lease.tenant.0, Some(lease.order));
		let name = match same {
			true => "job".to_owned(),
			false => hex::encode(row.manifest_hash),
		};
		tracing::warn!(
			lease = lease.id,
			"the chain has another lease of this id than before, or another job in it"
		);
		shared.store.set_aside(&row, &name)?;
	}
	// Of what it was begun with, if the index has been lost, something may run.
	let begun = members::made_of(&shared.store.lease_folder(lease.id))?;
	let other = begun.into_iter().find(|made| *made != lease.manifest_hash);
	let other = other.filter(|_| lease.kind == WorkloadKind::Service);
	let row = LeaseRow {
		version: 1,
		lease: lease.id,
		order: Some(lease.order),
		manifest_hash: other.unwrap_or(lease.manifest_hash),
		next: other.map(|_| lease.manifest_hash),
		former: None,
		since: 0,
		tenant: lease.tenant.0,
		access: lease.access.0,
		epoch: lease.epoch,
		attempts: attempts_on_disk(&shared.store.lease_folder(lease.id)),
		phase: Phase::AwaitingManifest,
		closed_at: None,
	};
	shared.store.put(&row)?;
	Ok(row)
}

/// Attempts that were begun, by their files: the index may have been lost.
fn attempts_on_disk(folder: &Path) -> u32 {
	let begun = |folder: PathBuf| folder.join("replica.json").exists();
	if members::folders(folder).into_iter().any(begun) {
		return 1;
	}
	(1..=64)
		.take_while(|n| folder.join("run").join(format!("{n}.json")).exists())
		.count() as u32
}

async fn step(
	shared: &Arc<Shared>,
	now: u32,
	lease: &OpenLease,
	open: &[OpenLease],
) -> anyhow::Result<()> {
	let mut row = row(shared, lease).await?;
	match row.phase.clone() {
		Phase::Ended {
			exit_code,
			result_hash,
		} => {
			if let State::Starting { .. } = lease.state {
				tell_running(shared, now, lease);
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
		Phase::AwaitingManifest | Phase::Starting | Phase::Running | Phase::Suspended => {}
	}
	if let Some(next) = row.next {
		row = update::renewed(shared, row, next, now).await?;
	}
	let found = manifest(shared, &row);
	let Ok(Some(manifest)) = found else {
		without_manifest(shared, now, lease, &row).await?;
		return found.map(|_| ());
	};
	if row.phase == Phase::AwaitingManifest && row.attempts > 0 {
		// The index had been lost, or the manifest.
		let begun = move_on(shared, row.lease, &Phase::AwaitingManifest, Phase::Starting)?;
		row = begun.unwrap_or(row);
	}
	let job = manifest.job().cloned();
	// What this daemon has paused is brought up again.
	let rests = match lease.state {
		State::Suspended {
			why: Suspension::Dry,
			..
		} => true,
		State::Active { .. } | State::Suspended { .. } => {
			shared.pauses() && job.as_ref().is_none_or(|job| row.attempts < job.attempts)
		}
		// It would be ended for not starting.
		State::Starting { .. } => false,
	};
	if rests {
		return rest(shared, now, lease, row, job).await;
	}
	let folder = shared.store.lease_folder(lease.id);
	// What has begun had all of them.
	let lacks = match row.attempts {
		0 => missing(&folder, &manifest),
		_ => Vec::new(),
	};
	if let Some(first) = lacks.first() {
		return match is_last_call(now, &lease.state) {
			true => {
				let why = format!("`{}` was not handed in in time", first.path);
				give_up(shared, lease.id, FailureCode::InvalidModule, why)
			}
			false => Ok(()),
		};
	}
	let Some(service) = job else {
		return members::serve(shared, now, lease, open, row, &manifest).await;
	};
	let given = match members::gpus(shared, lease, open, &manifest) {
		Ok(given) => given,
		Err(error) => {
			if let State::Active { .. } = lease.state {
				let name = format!("lease {} is paused: it has no GPU", lease.id);
				shared.tell(name, now, Call::PauseLease { lease: lease.id });
			}
			return Err(error);
		}
	};
	let devices = members::devices(&given, &service.name, 0);
	if row.phase == Phase::Suspended {
		tracing::info!(lease = lease.id, "the lease runs again");
		return begin(shared, &mut row, service, devices).await;
	}
	if row.attempts == 0 {
		return begin(shared, &mut row, service, devices).await;
	}
	let tried = attempt(shared, &row, service.clone(), devices.clone());
	let observed = shared.executors.observe(&tried).await?;
	if let State::Active { .. } = lease.state {
		// Nobody pays for a job that waits for the engine.
		let waits = matches!(observed, Observed::Absent | Observed::Preparing)
			&& !tried.has_started_since_boot();
		let no_engine = service.module().is_none() && shared.cannot_run().0.is_some();
		match waits && no_engine {
			true => members::pause(shared, now, lease.id),
			false => members::forget_failing(shared, lease.id),
		}
	}
	match observed {
		// Written down, but the daemon ended before it could start it.
		Observed::Absent => {
			shared.executors.start(&tried).await?;
			Ok(())
		}
		Observed::Preparing | Observed::Unready if is_last_call(now, &lease.state) => {
			give_up_without_image(shared, lease.id)
		}
		Observed::Preparing | Observed::Unready => Ok(()),
		Observed::Running => {
			let key = (row.lease, tried.service.name.clone(), 0);
			let process = || shared.executors.process(&tried);
			shared.usage.meet(key, tried.number, process);
			tell_running(shared, now, lease);
			note_running(shared, row.lease)
		}
		Observed::Ended(end) => ended(shared, row, service, devices, end).await,
	}
}

/// Blocks before the last in which a lease may start: until then what fails may still come right.
const LAST_CALL: u32 = 3;

/// Whether what has not come right by now will not.
pub fn is_last_call(now: u32, state: &State) -> bool {
	match state {
		State::Starting { deadline, .. } => now.saturating_add(LAST_CALL) >= *deadline,
		_ => false,
	}
}

/// A lease is given up that does not start for what its tenant has named: at its deadline it would count against this
/// provider.
pub fn give_up(shared: &Shared, lease: u64, code: FailureCode, why: String) -> anyhow::Result<()> {
	tracing::info!(lease, why, "the workload cannot be run");
	let note = format!("the workload cannot be run: {why}");
	diary::note(&shared.store.lease_folder(lease), note);
	shared.store.update(lease, |row| {
		let open = !matches!(row.phase, Phase::Closed { .. });
		if open {
			row.phase = Phase::Failed {
				code: format!("{code:?}"),
				why,
			};
		}
		open
	})?;
	Ok(())
}

/// The same, if an image of it has not come.
pub fn give_up_without_image(shared: &Shared, lease: u64) -> anyhow::Result<()> {
	match shared.not_had(lease) {
		Some(why) => give_up(shared, lease, FailureCode::InvalidModule, why),
		None => Ok(()),
	}
}

/// Takes a lease from one phase to the next; nothing, if it is in another.
fn move_on(
	shared: &Shared,
	lease: u64,
	from: &Phase,
	to: Phase,
) -> anyhow::Result<Option<LeaseRow>> {
	Ok(shared.store.update(lease, |row| {
		let there = row.phase == *from;
		if there {
			row.phase = to;
		}
		there
	})?)
}

/// What was being started runs.
pub fn note_running(shared: &Shared, lease: u64) -> anyhow::Result<()> {
	move_on(shared, lease, &Phase::Starting, Phase::Running)?;
	Ok(())
}

/// Nothing of a lease is to run for a while. A job that has ended is not begun anew for that.
async fn rest(
	shared: &Arc<Shared>,
	now: u32,
	lease: &OpenLease,
	row: LeaseRow,
	job: Option<Service>,
) -> anyhow::Result<()> {
	if let (Some(job), Phase::Starting | Phase::Running) = (job, &row.phase) {
		let tried = attempt(shared, &row, job.clone(), Vec::new());
		if let Observed::Ended(end) = shared.executors.observe(&tried).await? {
			if !end.is_worth_another_attempt() {
				return ended(shared, row, job, Vec::new(), end).await;
			}
		}
	}
	if let State::Active { .. } = lease.state {
		let name = format!("lease {} is paused: this machine is in use", lease.id);
		shared.tell(name, now, Call::PauseLease { lease: lease.id });
	}
	suspend(shared, &row).await
}

/// Stops what runs; its data stays.
async fn suspend(shared: &Shared, row: &LeaseRow) -> anyhow::Result<()> {
	if row.phase == Phase::Suspended {
		return Ok(());
	}
	if !stop(shared, row).await? {
		return Ok(());
	}
	members::forget_gpus(shared, row.lease)?;
	let suspended = shared.store.update(row.lease, |row| {
		// One that has not begun, as far as is known, waits for its files as before.
		let began = row.attempts > 0;
		if began {
			row.phase = Phase::Suspended;
		}
		began
	})?;
	if suspended.is_some() {
		let folder = shared.store.lease_folder(row.lease);
		diary::note(
			&folder,
			"the workload is stopped while the lease is suspended; its data stays",
		);
		tracing::info!(
			lease = row.lease,
			"the lease is suspended: the workload is stopped"
		);
	}
	Ok(())
}

/// One whose manifest was never handed in, or is lost: what runs goes on, and nobody pays for what does not.
async fn without_manifest(
	shared: &Arc<Shared>,
	now: u32,
	lease: &OpenLease,
	row: &LeaseRow,
) -> anyhow::Result<()> {
	match lease.state {
		State::Starting { .. } => report_missing_manifest(shared, now, lease),
		State::Active { .. } if !runs(shared, row).await? => {
			let name = format!("lease {} is paused: its manifest is lost", lease.id);
			shared.tell(name, now, Call::PauseLease { lease: lease.id });
		}
		State::Suspended {
			why: Suspension::Dry,
			..
		} => suspend(shared, row).await?,
		State::Active { .. } | State::Suspended { .. } => {}
	}
	Ok(())
}

/// Whether anything runs for a lease, by its folder and the engine alone.
async fn runs(shared: &Shared, row: &LeaseRow) -> anyhow::Result<bool> {
	if wasm::runs(&shared.store.lease_folder(row.lease))? {
		return Ok(true);
	}
	match &shared.executors.container {
		Some(container) => Ok(container.runs(row.lease).await?),
		None => Ok(false),
	}
}

/// Ends a lease whose tenant never handed in a manifest.
fn report_missing_manifest(shared: &Arc<Shared>, now: u32, lease: &OpenLease) {
	let State::Starting {
		since,
		receipt: false,
		deadline: start,
	} = lease.state
	else {
		return;
	};
	let deadline = shared
		.manifest_deadline
		.load(std::sync::atomic::Ordering::Relaxed);
	if deadline > 0 && now >= since.saturating_add(deadline) && now <= start {
		let call = Call::ReportMissingManifest { lease: lease.id };
		shared.tell(
			format!("the manifest of lease {} is missing", lease.id),
			now,
			call,
		);
	}
}

/// Tells the chain that a lease's workload runs, if it does not know.
pub fn tell_running(shared: &Arc<Shared>, now: u32, lease: &OpenLease) {
	let id = lease.id;
	let (name, call) = match lease.state {
		State::Starting { .. } => (format!("lease {id} runs"), Call::StartLease { lease: id }),
		State::Suspended {
			why: Suspension::ProviderPaused,
			..
		} => (
			format!("lease {id} runs again"),
			Call::ResumeLease { lease: id },
		),
		State::Active { .. } | State::Suspended { .. } => return,
	};
	shared.tell(name, now, call);
}

/// Begins the next attempt; it is written down first.
async fn begin(
	shared: &Shared,
	row: &mut LeaseRow,
	service: Service,
	devices: Vec<String>,
) -> anyhow::Result<()> {
	let before = row.attempts;
	let written = shared.store.update(row.lease, |now| {
		let same = now.attempts == before && !matches!(now.phase, Phase::Closed { .. });
		if same {
			now.attempts = now.attempts.saturating_add(1);
			now.phase = Phase::Starting;
		}
		same
	})?;
	let Some(written) = written else {
		return Ok(());
	};
	*row = written;
	let attempt = attempt(shared, row, service, devices);
	tracing::info!(
		lease = row.lease,
		attempt = row.attempts,
		"starting the workload"
	);
	let what = format!("the job is started, attempt {}", row.attempts);
	diary::note(&attempt.folder, what);
	shared.executors.start(&attempt).await?;
	Ok(())
}

async fn ended(
	shared: &Arc<Shared>,
	mut row: LeaseRow,
	service: Service,
	devices: Vec<String>,
	end: End,
) -> anyhow::Result<()> {
	let name = format!("results of lease {}", row.lease);
	if !shared.begin_work(&name) {
		return Ok(());
	}
	tracing::info!(
		lease = row.lease,
		attempt = row.attempts,
		"the workload ended: {}",
		end.why()
	);
	let folder = shared.store.lease_folder(row.lease);
	let what = format!("attempt {} ended: {}", row.attempts, end.why());
	diary::note(&folder, what);
	if end.is_worth_another_attempt() && row.attempts < service.attempts {
		let begun = begin(shared, &mut row, service, devices).await;
		shared.end_work(&name);
		return begun;
	}
	// Results may be large: they are read beside the loop.
	let shared = shared.clone();
	tokio::task::spawn_blocking(move || {
		let phase = match (&end, end.failure()) {
			(End::Exited { code }, _) => {
				let folder = shared.store.lease_folder(row.lease);
				match kept(&folder, row.attempts, &service.outputs) {
					Ok(found) => Phase::Ended {
						exit_code: *code,
						result_hash: result_hash(&found, *code),
					},
					Err(error) => Phase::Failed {
						code: format!("{:?}", FailureCode::StorageLimit),
						why: format!("its results cannot be read: {error}"),
					},
				}
			}
			(_, code) => Phase::Failed {
				code: format!("{:?}", code.unwrap_or(FailureCode::Internal)),
				why: end.why(),
			},
		};
		let stored = shared.store.update(row.lease, |now| {
			// Only if nothing has happened to it meanwhile.
			let same = now.attempts == row.attempts
				&& matches!(now.phase, Phase::Starting | Phase::Running);
			if same {
				now.phase = phase;
			}
			same
		});
		if let Err(error) = stored {
			tracing::error!(%error, "the end of a workload cannot be stored");
		}
		shared.end_work(&name);
		shared.wake.notify_one();
	});
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
