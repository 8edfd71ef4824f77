//! What an earlier manifest of the lease began, and this one says otherwise.

use super::{
	attempt, folder, folders,
	record::{Made, Record},
};
use crate::{
	daemon::Shared,
	executor::{folders as places, module_path, Executor as _},
	log,
	store::LeaseRow,
	update::of_hash,
};
use leasehold_manifest::{FileEntry, Manifest, Program, Service};
use std::{
	collections::BTreeSet,
	io::ErrorKind::NotFound,
	path::{Path, PathBuf},
};

/// The service that a replica's attempt is one of: what runs is held to what it was begun with.
pub fn as_begun(shared: &Shared, row: &LeaseRow, record: &Record, service: &Service) -> Service {
	let Some(made) = record.made.as_ref().filter(|made| !made.is_of(service)) else {
		return service.clone();
	};
	let from = of_hash(shared, row.lease, &made.manifest);
	let named = from.and_then(|from| {
		let mut services = from.services.into_iter();
		services.find(|known| known.name == service.name)
	});
	named.unwrap_or_else(|| unknown(made, service))
}

/// A service of which no more is known than what runs it, so that it can be ended.
fn unknown(made: &Made, service: &Service) -> Service {
	let program = match made.image {
		Some(_) => Program::Image {
			reference: String::new(),
			command: Vec::new(),
			credentials: None,
		},
		None => Program::Module(FileEntry {
			path: String::new(),
			size: 0,
			sha256: [0; 32],
		}),
	};
	Service {
		program,
		health: None,
		..service.clone()
	}
}

/// Service and replica of a replica's folder.
fn member_of(folder: &Path) -> Option<(String, u32)> {
	let replica = folder.file_name()?.to_str()?.parse().ok()?;
	let service = folder.parent()?.file_name()?.to_str()?;
	Some((service.to_owned(), replica))
}

/// The folders of replicas that the manifest does not name, with their records and what they are.
fn unnamed(
	lease: &Path,
	manifest: &Manifest,
) -> anyhow::Result<Vec<(PathBuf, Record, Service, u32)>> {
	let mut found = Vec::new();
	let Some(any) = manifest.services.first() else {
		return Ok(found);
	};
	for folder in folders(lease) {
		let Some((name, replica)) = member_of(&folder) else {
			continue;
		};
		let mut services = manifest.services.iter();
		if !services.any(|service| service.name == name && replica < service.count) {
			let record = Record::read(&folder)?;
			let service = Service {
				name,
				..any.clone()
			};
			found.push((folder, record, service, replica));
		}
	}
	Ok(found)
}

/// Ends the replicas that the manifest does not name; whether all are gone. Their data stays.
pub async fn end_unnamed(
	shared: &Shared,
	row: &LeaseRow,
	manifest: &Manifest,
) -> anyhow::Result<bool> {
	let lease = shared.store.lease_folder(row.lease);
	let mut all_gone = true;
	for (folder, mut record, service, replica) in unnamed(&lease, manifest)? {
		if !record.is_begun() {
			continue;
		}
		let service = as_begun(shared, row, &record, &service);
		let tried = attempt(row, &lease, (&service, replica), &record);
		if !shared.executors.stop(&tried).await? {
			all_gone = false;
			continue;
		}
		record.was_stopped();
		record.write(&folder)?;
		let (service, lease) = (&service.name, row.lease);
		tracing::info!(
			lease,
			service,
			replica,
			"a replica is not named any more: ended"
		);
	}
	Ok(all_gone)
}

/// Removes what replicas had that the manifest does not name, and volumes that it does not; whether none of them runs.
pub async fn clear_unnamed(
	shared: &Shared,
	row: &LeaseRow,
	manifest: &Manifest,
) -> anyhow::Result<bool> {
	if !end_unnamed(shared, row, manifest).await? {
		return Ok(false);
	}
	let lease = shared.store.lease_folder(row.lease);
	let mut gone = Vec::new();
	for (folder, ..) in unnamed(&lease, manifest)? {
		remove_image(shared, row, &folder).await?;
		gone.push(folder);
	}
	let services = manifest.services.clone();
	tokio::task::spawn_blocking(move || {
		for folder in gone {
			match std::fs::remove_dir_all(folder) {
				Err(error) if error.kind() != NotFound => return Err(error),
				_ => {}
			}
		}
		for service in &services {
			for replica in 0..service.count {
				let folder = folder(&lease, &service.name, replica);
				places::keep_volumes(&folder, &service.unit.volumes)?;
			}
		}
		Ok(())
	})
	.await??;
	Ok(true)
}

/// Removes the image that was brought for a replica, unless another one needs it: then that one has brought it.
async fn remove_image(shared: &Shared, row: &LeaseRow, of: &Path) -> anyhow::Result<()> {
	let Some(container) = &shared.executors.container else {
		return Ok(());
	};
	let mut others = Vec::new();
	for other in shared.store.leases()? {
		if other.closed_at.is_none() {
			others.extend(folders(&shared.store.lease_folder(other.lease)));
		}
	}
	others.retain(|other| other != of);
	container.remove_images(&[of.to_owned()], &others).await;
	let mut neighbours = folders(&shared.store.lease_folder(row.lease));
	neighbours.retain(|other| other != of);
	Ok(container.hand_image_on(of, &neighbours)?)
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
		remove_image(shared, row, &folder).await?;
	}
	if let Some(keep) = attempt(row, &lease, (service, replica), &Record::default()).kept_log() {
		log::trim(&folder.join("logs"), keep)?;
	}
	Ok(())
}

/// Whether what the replicas have kept fits into the volumes of a manifest; an error says what does not.
pub fn has_room(lease: &Path, manifest: &Manifest) -> Result<(), String> {
	for service in &manifest.services {
		for replica in 0..service.count {
			let folder = folder(lease, &service.name, replica);
			let volumes = &service.unit.volumes;
			if let Some(volume) = places::too_large(&folder, volumes) {
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

/// Those of them that say otherwise of what runs than the manifest of now.
pub fn outdated(lease: &Path, manifest: &Manifest) -> std::io::Result<BTreeSet<[u8; 32]>> {
	let mut all = BTreeSet::new();
	for folder in folders(lease) {
		let record = Record::read(&folder)?;
		let Some(made) = record.made.as_ref().filter(|_| record.is_begun()) else {
			continue;
		};
		let name = member_of(&folder).map(|(name, _)| name);
		let mut services = manifest.services.iter();
		let service = services.find(|service| Some(&service.name) == name.as_ref());
		if !service.is_some_and(|service| made.is_of(service)) {
			all.insert(made.manifest);
		}
	}
	Ok(all)
}

/// Removes the modules that none of these manifests names.
pub fn keep_modules(lease: &Path, manifests: &[Manifest]) -> std::io::Result<()> {
	let services = manifests.iter().flat_map(|manifest| &manifest.services);
	let named: BTreeSet<_> = services
		.filter_map(|service| Some(module_path(lease, service.kind, service.module()?)))
		.collect();
	let entries = match std::fs::read_dir(lease.join("modules")) {
		Err(error) if error.kind() == NotFound => return Ok(()),
		entries => entries?,
	};
	for entry in entries {
		let path = entry?.path();
		if !named.contains(&path) {
			std::fs::remove_file(path)?;
		}
	}
	Ok(())
}
