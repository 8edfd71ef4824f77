//! What becomes of leases that are over, and of what was put aside.

use crate::{
	daemon::Shared,
	executor::{clear::remove_all, wasm},
	members,
	reconcile::{stop, unix_now},
	store::{LeaseRow, Phase},
};
use leasehold_client::{
	story,
	view::{Closed, LeaseRecordNow, View},
};
use std::{collections::BTreeSet, sync::Arc};

/// Removes the data of a closed lease when its retention is over.
pub async fn retire(shared: &Arc<Shared>, row: &LeaseRow) -> anyhow::Result<()> {
	let kept_until = row
		.closed_at
		.map(|at| at.saturating_add(shared.config.retention().as_secs()));
	if kept_until.is_some_and(|until| unix_now() > until) {
		tracing::info!(
			lease = row.lease,
			"results and logs are removed: retention is over"
		);
		let (shared, row) = (shared.clone(), row.clone());
		tokio::task::spawn_blocking(move || shared.store.wipe(&row)).await??;
	}
	Ok(())
}

/// What becomes of a lease that is no longer among the open ones.
pub async fn wind_up(
	shared: &Arc<Shared>,
	best: &View,
	finalized: &View,
	row: &LeaseRow,
) -> anyhow::Result<()> {
	// Reversible: the best chain says that it is over.
	let at_best = best.lease(row.lease).await?;
	match at_best {
		LeaseRecordNow::Closed(_) | LeaseRecordNow::Swept => {
			if !stop(shared, row).await? {
				return Ok(());
			}
		}
		// Its match was undone: it is stopped, and its data stays.
		LeaseRecordNow::Unknown => return stop(shared, row).await.map(|_| ()),
		LeaseRecordNow::Open(_) => return Ok(()),
	}
	// For good: finality says so too.
	let why = match finalized.lease(row.lease).await? {
		LeaseRecordNow::Closed(closed) => story::reason(&closed.reason),
		LeaseRecordNow::Swept => "it was closed while this daemon was away".into(),
		_ => return Ok(()),
	};
	tracing::info!(lease = row.lease, why, "the lease is closed");
	members::clear(shared, row).await?;
	shared.store.update(row.lease, |row| {
		row.phase = Phase::Closed { why };
		row.closed_at = Some(unix_now());
		true
	})?;
	Ok(())
}

/// Ends what runs for leases that this daemon knows nothing of, once finality says that they are closed: its store
/// may have been lost.
pub async fn remove_orphans(shared: &Shared, finalized: &View) -> anyhow::Result<()> {
	let rows = shared.store.leases()?;
	let known: BTreeSet<u64> = rows.iter().map(|row| row.lease).collect();
	let rows = rows.into_iter().filter(|row| row.closed_at.is_none());
	let open: BTreeSet<u64> = rows.map(|row| row.lease).collect();
	let folders = shared.store.folders()?;
	let mut forgotten = Vec::new();
	for lease in folders.difference(&known) {
		match finalized.lease(*lease).await? {
			// Its data goes as that of others does.
			LeaseRecordNow::Closed(closed) if closed.provider == shared.provider => {
				tracing::warn!(lease, "a closed lease is met that the index does not know");
				shared.store.put(&orphan(&closed))?;
			}
			// Nobody could be told from others who ask for it.
			LeaseRecordNow::Swept => forgotten.push(*lease),
			_ => {}
		}
	}
	for lease in folders.difference(&open) {
		let folder = shared.store.lease_folder(*lease);
		let runs = wasm::runs(&folder)?;
		if runs && is_closed(finalized, *lease).await? {
			tracing::warn!(lease, "runners of a closed lease are ended");
			wasm::end_all(&folder)?;
		}
	}
	if let Some(container) = &shared.executors.container {
		for lease in container.leases().await?.difference(&open) {
			if is_closed(finalized, *lease).await? {
				tracing::warn!(lease, "containers of a closed lease are removed");
				container.remove(*lease).await?;
			}
		}
		for (lease, image) in container.images().await? {
			if !open.contains(&lease) && is_closed(finalized, lease).await? {
				tracing::warn!(lease, image, "an image of a closed lease is removed");
				container.remove_image(&image).await?;
			}
		}
	}
	for lease in forgotten {
		tracing::warn!(
			lease,
			"what a lease has left is removed that neither index nor chain know"
		);
		let folder = shared.store.lease_folder(lease);
		tokio::task::spawn_blocking(move || remove_all(&folder)).await??;
	}
	Ok(())
}

/// The row of a closed lease that the index has lost.
fn orphan(closed: &Closed) -> LeaseRow {
	LeaseRow {
		version: 1,
		lease: closed.id,
		order: Some(closed.order),
		manifest_hash: [0; 32],
		next: None,
		former: None,
		since: 0,
		tenant: closed.tenant.0,
		access: closed.tenant.0,
		epoch: closed.epoch,
		// Something may have been begun.
		attempts: 1,
		phase: Phase::AwaitingManifest,
		closed_at: None,
	}
}

async fn is_closed(finalized: &View, lease: u64) -> anyhow::Result<bool> {
	let record = finalized.lease(lease).await?;
	Ok(matches!(
		record,
		LeaseRecordNow::Closed(_) | LeaseRecordNow::Swept
	))
}

/// How long data that was put aside is kept.
const QUARANTINE: std::time::Duration = std::time::Duration::from_secs(7 * 86_400);

/// Removes what was put aside long ago.
pub fn empty_quarantine(shared: &Shared) {
	let folder = shared.store.folder().join("quarantine");
	for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
		let age = entry
			.metadata()
			.and_then(|meta| meta.modified())
			.ok()
			.and_then(|t| t.elapsed().ok());
		if age.is_some_and(|age| age > QUARANTINE) {
			let _ = remove_all(&entry.path());
		}
	}
}
