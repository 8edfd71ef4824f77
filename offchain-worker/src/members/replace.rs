//! What an earlier manifest of the lease began, and this one says otherwise.

use super::{
	attempt, folder, folders,
	record::{Made, Record},
};
use crate::{
	daemon::Shared,
	diary,
	executor::{clear::remove_all, folders as places, module_path, Executor as _},
	log,
	store::LeaseRow,
};
use leasehold_manifest::{FileEntry, Manifest, Program, Service, Volume};
use std::{
	collections::BTreeSet,
	io::ErrorKind::NotFound,
	path::{Path, PathBuf},
};

/// The service as an attempt of it was begun, as far as is needed to end that: what runs it now may be something else.
pub fn as_begun(record: &Record, service: &Service) -> Service {
	let image = record.made.as_ref().map(|made| made.image.is_some());
	let program = match (image, &service.program) {
		(Some(true), Program::Module(_)) => Some(Program::Image {
			reference: String::new(),
			command: Vec::new(),
			credentials: None,
		}),
		(Some(false), Program::Image { .. }) => Some(Program::Module(FileEntry {
			path: String::new(),
			size: 0,
			sha256: [0; 32],
		})),
		_ => None,
	};
	Service {
		program: program.unwrap_or_else(|| service.program.clone()),
		..service.clone()
	}
}

/// Service and replica of a replica's folder.
fn member_of(folder: &Path) -> Option<(String, u32)> {
	let replica = folder.file_name()?.to_str()?.parse().ok()?;
	let service = folder.parent()?.file_name()?.to_str()?;
	Some((service.to_owned(), replica))
}

/// A replica that has a folder.
struct Known<'a> {
	folder: PathBuf,
	record: Record,
	name: String,
	replica: u32,
	/// The manifest's, if that names it.
	service: Option<&'a Service>,
}

/// All replicas of a lease that have a folder.
fn known<'a>(lease: &Path, manifest: &'a Manifest) -> std::io::Result<Vec<Known<'a>>> {
	let mut found = Vec::new();
	for folder in folders(lease) {
		let Some((name, replica)) = member_of(&folder) else {
			continue;
		};
		let mut services = manifest.services.iter();
		let service = services.find(|service| service.name == name && replica < service.count);
		found.push(Known {
			record: Record::read(&folder)?,
			folder,
			name,
			replica,
			service,
		});
	}
	Ok(found)
}

/// Ends the replicas that the manifest does not name, or names otherwise than they were begun; whether all are gone.
/// Their data stays.
pub async fn end_others(
	shared: &Shared,
	row: &LeaseRow,
	manifest: &Manifest,
) -> anyhow::Result<bool> {
	let lease = shared.store.lease_folder(row.lease);
	let mut all_gone = true;
	let any = manifest.services.first();
	for one in known(&lease, manifest)? {
		let (mut record, replica) = (one.record, one.replica);
		let stays = |service| record.another(service).is_none();
		let (false, true, Some(service)) = (
			one.service.is_some_and(stays),
			record.is_begun(),
			one.service.or(any),
		) else {
			continue;
		};
		let begun = Service {
			name: one.name,
			..as_begun(&record, service)
		};
		let tried = attempt(row, &lease, (&begun, replica), &record);
		if !shared.executors.stop(&tried).await? {
			all_gone = false;
			continue;
		}
		record.was_stopped();
		record.write(&one.folder)?;
		let (lease, service) = (row.lease, &begun.name);
		tracing::info!(
			lease,
			service,
			replica,
			"ended: the manifest says otherwise"
		);
	}
	Ok(all_gone)
}

/// Takes note of what replicas of a daemon of before are made of, which knew of no other manifest.
pub fn adopt(lease: &Path, hash: [u8; 32], manifest: &Manifest) -> std::io::Result<()> {
	for mut one in known(lease, manifest)? {
		if one
			.service
			.is_some_and(|service| one.record.adopt(hash, service))
		{
			one.record.write(&one.folder)?;
		}
	}
	Ok(())
}

/// Removes what replicas had that the manifest does not name, and volumes that it does not; whether none of them runs.
pub async fn clear_others(
	shared: &Shared,
	row: &LeaseRow,
	manifest: &Manifest,
) -> anyhow::Result<bool> {
	if !end_others(shared, row, manifest).await? {
		return Ok(false);
	}
	let lease = shared.store.lease_folder(row.lease);
	let mut gone = Vec::new();
	for one in known(&lease, manifest)? {
		if one.service.is_none() {
			if let Some(container) = &shared.executors.container {
				container.forget_image(&one.folder).await?;
			}
			gone.push(one.folder);
		}
	}
	let services = manifest.services.clone();
	tokio::task::spawn_blocking(move || {
		for folder in gone {
			match remove_all(&folder) {
				Err(error) if error.kind() == NotFound => {}
				removed => removed?,
			}
			if let Some((name, replica)) = member_of(&folder) {
				let what = format!(
					"{name}.{replica} and all it had are removed: the manifest has it no more"
				);
				diary::note(&lease, what);
			}
		}
		for service in &services {
			for replica in 0..service.count {
				let folder = folder(&lease, &service.name, replica);
				for volume in places::keep_volumes(&folder, &service.unit.volumes)? {
					let (name, why) = (&service.name, "the manifest has it no more");
					let what = format!("the volume {volume} of {name}.{replica} is removed: {why}");
					diary::note(&lease, what);
				}
			}
		}
		Ok::<_, std::io::Error>(())
	})
	.await??;
	Ok(true)
}

/// Readies the folder of a replica for its next attempt, which is of another service than the last one.
pub async fn clear_replica(
	shared: &Shared,
	row: &LeaseRow,
	(service, replica): (&Service, u32),
	last: &Made,
) -> anyhow::Result<()> {
	let lease = shared.store.lease_folder(row.lease);
	let folder = folder(&lease, &service.name, replica);
	if last.image.is_some() && last.image != Made::of(row.manifest_hash, service).image {
		if let Some(container) = &shared.executors.container {
			container.forget_image(&folder).await?;
		}
	}
	if let Some(keep) = attempt(row, &lease, (service, replica), &Record::default()).kept_log() {
		log::trim(&folder.join("logs"), keep)?;
	}
	Ok(())
}

/// Whether what the replicas have kept fits into volumes that a manifest makes smaller; an error says what does not.
pub fn has_room(lease: &Path, from: Option<&Manifest>, to: &Manifest) -> Result<(), String> {
	for service in &to.services {
		let mut services = from.into_iter().flat_map(|from| &from.services);
		let before = services.find(|before| before.name == service.name);
		let shrinks = |volume: &Volume| {
			let mut volumes = before.into_iter().flat_map(|before| &before.unit.volumes);
			let before = volumes.find(|before| before.name == volume.name);
			before.is_none_or(|before| before.size > volume.size)
		};
		let smaller: Vec<_> = service
			.unit
			.volumes
			.iter()
			.filter(|v| shrinks(v))
			.cloned()
			.collect();
		for replica in 0..service.count {
			let folder = folder(lease, &service.name, replica);
			if let Some(volume) = places::too_large(&folder, &smaller) {
				return Err(format!(
					"the volume `{}` of `{}` holds more than the {} MiB that the new manifest gives it",
					volume.name, service.name, volume.size
				));
			}
		}
	}
	Ok(())
}

/// The manifests with which the replicas of a lease were begun.
pub fn made_of(lease: &Path) -> std::io::Result<BTreeSet<[u8; 32]>> {
	let mut all = BTreeSet::new();
	for folder in folders(lease) {
		let made = Record::read(&folder)?.made;
		all.extend(made.map(|made| made.manifest));
	}
	Ok(all)
}

/// Removes the modules that none of these manifests names.
pub fn keep_modules(lease: &Path, manifests: &[Manifest]) -> std::io::Result<()> {
	let services = manifests.iter().flat_map(|manifest| &manifest.services);
	let named =
		services.filter_map(|service| Some(module_path(lease, service.kind, service.module()?)));
	places::keep_only(&lease.join("modules"), &named.collect()).map(|_| ())
}
