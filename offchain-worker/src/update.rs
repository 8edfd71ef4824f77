//! Another manifest for a lease of services: what runs goes on until all of the new one is here, and what is the same
//! in both goes on then.

use crate::{
	daemon::Shared,
	diary, members,
	reconcile::{manifest, missing, stop},
	store::{LeaseRow, Phase},
};
use leasehold_client::view::{LeaseRecordNow, OpenLease, View};
use leasehold_manifest::{Gpu, Manifest};
use std::collections::BTreeSet;

/// Takes down what the chain says of a lease that is known.
pub fn noted(shared: &Shared, lease: &OpenLease, row: LeaseRow) -> anyhow::Result<LeaseRow> {
	let next_of =
		|row: &LeaseRow| (row.manifest_hash != lease.manifest_hash).then_some(lease.manifest_hash);
	let is_new =
		|row: &LeaseRow| row.epoch < lease.epoch || row.next != next_of(row) || row.order.is_none();
	if !is_new(&row) {
		return Ok(row);
	}
	let noted = shared.store.update(row.lease, |row| {
		row.epoch = row.epoch.max(lease.epoch);
		row.next = next_of(row);
		row.order = Some(lease.order);
		true
	})?;
	let (before, row) = (row.next, noted.unwrap_or(row));
	if let Some(next) = row.next.filter(|next| before != Some(*next)) {
		let next = hex::encode(next);
		tracing::info!(lease = row.lease, next, "the tenant names another manifest");
	}
	Ok(row)
}

/// The manifest that files are handed in for: the next one, once it is here.
pub fn wanted(shared: &Shared, row: &LeaseRow) -> anyhow::Result<Option<Manifest>> {
	match next(shared, row) {
		Some(next) => Ok(Some(next)),
		None => manifest(shared, row),
	}
}

/// The manifest that is to take the place of the one that runs, if it is here.
pub fn next(shared: &Shared, row: &LeaseRow) -> Option<Manifest> {
	of_hash(shared, row.lease, &row.next?)
}

/// A manifest that a lease had or is to have, if it is here. One that is damaged is not.
pub fn of_hash(shared: &Shared, lease: u64, hash: &[u8; 32]) -> Option<Manifest> {
	let bytes = shared.store.manifest(lease, hash).ok()??;
	Manifest::open(&bytes).ok()
}

/// What each replica asks for of the machine's GPUs.
fn gpus(manifest: &Manifest) -> Vec<(&str, u32, &Gpu)> {
	let services = manifest.services.iter();
	let asked = services.filter_map(|service| {
		let gpu = service.unit.gpu.as_ref()?;
		Some((service.name.as_str(), service.count, gpu))
	});
	asked.collect()
}

/// Goes over to the next manifest, once it is here with all its files.
pub async fn renewed(
	shared: &Shared,
	row: LeaseRow,
	hash: [u8; 32],
	now: u32,
) -> anyhow::Result<LeaseRow> {
	let Some(to) = next(shared, &row) else {
		return Ok(row);
	};
	// What the last one leaves behind is removed first, unless it comes back.
	let settled = row.former.is_none() || row.former == Some(hash);
	let folder = shared.store.lease_folder(row.lease);
	if !settled || !missing(&folder, &to).is_empty() {
		return Ok(row);
	}
	let from = manifest(shared, &row).unwrap_or_default();
	if let Err(why) = members::has_room(&folder, from.as_ref(), &to) {
		// Handed in again, it is looked at again.
		shared.store.remove_manifest(row.lease, &hash);
		anyhow::bail!("another manifest cannot take its place: {why}");
	}
	if let Some(from) = &from {
		members::adopt(&folder, row.manifest_hash, from)?;
	}
	// What is not known any more may have had some.
	let same_gpus = match &from {
		Some(from) => gpus(from) == gpus(&to),
		None => gpus(&to).is_empty(),
	};
	if !same_gpus {
		// They are given anew, and nobody has one twice.
		anyhow::ensure!(
			stop(shared, &row).await?,
			"its services are being stopped for other GPUs"
		);
		members::forget_gpus(shared, row.lease)?;
	}
	let before = row.manifest_hash;
	let renewed = shared.store.update(row.lease, |row| {
		let same = row.next == Some(hash) && row.manifest_hash == before && !row.is_over();
		if same {
			(row.manifest_hash, row.next, row.former) = (hash, None, Some(before));
			row.since = now;
			if row.phase == Phase::Running {
				row.phase = Phase::Starting;
			}
		}
		same
	})?;
	let Some(renewed) = renewed else {
		return Ok(row);
	};
	// How those of the former manifest ended says nothing of these.
	if let Ok(mut seen) = shared.replicas.lock() {
		let replicas = seen.get_mut(&row.lease).map(|seen| &mut seen.replicas);
		for one in replicas.into_iter().flatten() {
			one.last = None;
		}
	}
	let hash = hex::encode(hash);
	tracing::info!(lease = row.lease, hash, "the lease has another manifest");
	let what =
		"another manifest takes the place of the one before: what it changes is started anew";
	diary::note(&folder, what);
	Ok(renewed)
}

/// Removes what a former manifest leaves behind, once finality says that its turn is over.
pub async fn settle(shared: &Shared, finalized: &View, lease: u64) -> anyhow::Result<()> {
	let row = shared.store.lease(lease)?;
	// What finality said before may be about the block before.
	let Some(row) = row.filter(|row| finalized.number() >= row.since) else {
		return Ok(());
	};
	let LeaseRecordNow::Open(record) = finalized.lease(lease).await? else {
		return Ok(());
	};
	if Some(record.manifest_hash) == row.former {
		// It is its turn again: the best block says so soon.
		return Ok(());
	}
	// Another one yet may be final; then that one, once it is here, leaves nothing behind.
	if record.manifest_hash == row.manifest_hash {
		if let Some(manifest) = of_hash(shared, lease, &row.manifest_hash) {
			if !members::clear_others(shared, &row, &manifest).await? {
				return Ok(());
			}
		}
	}
	let settled = shared.store.update(lease, |now| {
		let same = (now.manifest_hash, now.since) == (row.manifest_hash, row.since);
		if same {
			now.former = None;
		}
		same
	})?;
	match settled {
		Some(_) => sweep(shared, lease),
		None => Ok(()),
	}
}

/// Removes the manifests that are not to be run, and the modules that none of the others names.
pub fn sweep(shared: &Shared, lease: u64) -> anyhow::Result<()> {
	let Some(row) = shared.store.lease(lease)? else {
		return Ok(());
	};
	let kept = [Some(row.manifest_hash), row.next, row.former];
	let kept: BTreeSet<_> = kept.into_iter().flatten().collect();
	shared.store.keep_manifests(lease, &kept)?;
	// One that is lost may name any module, and come back.
	if of_hash(shared, lease, &row.manifest_hash).is_none() {
		return Ok(());
	}
	let known = kept.iter().filter_map(|hash| of_hash(shared, lease, hash));
	let known: Vec<_> = known.collect();
	Ok(members::keep_modules(
		&shared.store.lease_folder(lease),
		&known,
	)?)
}
