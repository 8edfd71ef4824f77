//! The GPUs that leases have.

use crate::{
	config::{sorts, Gpu, SHARED},
	daemon::Shared,
	store::write_whole,
};
use leasehold_client::{
	primitives::{GpuUnits, GpuVendor},
	view::{OpenLease, State},
};
use leasehold_manifest::{Gpu as Wanted, Manifest};
use serde::{Deserialize, Serialize};
use std::{
	collections::BTreeSet,
	io::ErrorKind::NotFound,
	path::{Path, PathBuf},
};

/// What a replica was given: of each GPU its devices.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Given {
	service: String,
	replica: u32,
	gpus: Vec<Vec<String>>,
}

/// What is kept of a lease's GPUs, in a file of its folder.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
	version: u32,
	given: Vec<Given>,
}

fn read(path: &Path) -> anyhow::Result<Vec<Given>> {
	match std::fs::read(path) {
		Ok(bytes) => {
			let kept: Kept = serde_json::from_slice(&bytes)?;
			anyhow::ensure!(
				kept.version == 1,
				"the GPUs of a lease have version {}: install a newer daemon",
				kept.version
			);
			Ok(kept.given)
		}
		Err(error) if error.kind() == NotFound => Ok(Vec::new()),
		Err(error) => Err(error.into()),
	}
}

/// What a replica asks for, as the chain says it.
pub fn unit(wanted: &Wanted) -> GpuUnits {
	let (model, memory) = wanted.asked();
	GpuUnits {
		vendor: match wanted.vendor.as_str() {
			"amd" => GpuVendor::Amd,
			_ => GpuVendor::Nvidia,
		},
		model: model.and_then(|name| name.to_ascii_lowercase().into_bytes().try_into().ok()),
		memory: (memory > 0).then_some(memory),
		units: wanted.units,
	}
}

/// Whether two GPUs have a device in common that is one card's alone.
fn share(one: &[String], other: &[String]) -> bool {
	one.iter()
		.any(|device| other.contains(device) && !SHARED.contains(&device.as_str()))
}

/// Gives each replica its GPUs: of the sorts that the lease has `taken`, those that nobody has. `None`: there are not
/// enough.
fn give(
	manifest: &Manifest,
	taken: &[GpuUnits],
	all: &[Gpu],
	had_by_others: &[Vec<String>],
) -> Option<Vec<Given>> {
	let mut free: Vec<&Gpu> = all
		.iter()
		.filter(|gpu| !had_by_others.iter().any(|had| share(had, &gpu.devices)))
		.collect();
	let mut left = taken.to_vec();
	let mut wants: Vec<_> = manifest
		.services
		.iter()
		.filter_map(|service| Some((service, unit(service.unit.gpu.as_ref()?))))
		.flat_map(|(service, wanted)| (0..service.count).map(move |n| (service, n, wanted.clone())))
		.collect();
	wants.sort_by_key(|(_, _, wanted)| wanted.precedence());
	let mut given = Vec::new();
	for (service, replica, wanted) in wants {
		let mut gpus = Vec::new();
		for _ in 0..wanted.units {
			let fit = free.iter().enumerate().filter_map(|(place, gpu)| {
				let unit = gpu.unit();
				let has = |sort: &GpuUnits| sort.units > 0 && sort.is_sort_of(&unit);
				let sort = left.iter().position(has)?;
				wanted.accepts(&unit).then_some((unit.memory, place, sort))
			});
			let (_, place, sort) = fit.min()?;
			gpus.push(free.remove(place).devices.clone());
			let sort = left.get_mut(sort)?;
			sort.units = sort.units.saturating_sub(1);
		}
		given.push(Given {
			service: service.name.clone(),
			replica,
			gpus,
		});
	}
	Some(given)
}

/// Whether the chain has the GPUs of `lease` for it: those of a suspended lease may be others' by now.
fn are_left(lease: &OpenLease, open: &[OpenLease], all: &[Gpu]) -> bool {
	let runs = |other: &&OpenLease| !matches!(other.state, State::Suspended { .. });
	let taken = |sort: &GpuUnits| {
		let others = open
			.iter()
			.filter(|other| other.id != lease.id)
			.filter(runs);
		let units = others.map(|other| other.taken.gpus_of(sort));
		units.fold(lease.taken.gpus_of(sort), u32::saturating_add)
	};
	sorts(all).iter().all(|sort| taken(sort) <= sort.units)
}

/// The devices of a replica.
pub fn devices(given: &[Given], service: &str, replica: u32) -> Vec<String> {
	let theirs = |one: &&Given| one.service == service && one.replica == replica;
	let all = given
		.iter()
		.find(theirs)
		.into_iter()
		.flat_map(|one| one.gpus.iter().flatten());
	let mut devices: Vec<String> = Vec::new();
	for device in all {
		// Those of one vendor may share some.
		if !devices.contains(device) {
			devices.push(device.clone());
		}
	}
	devices
}

fn path(shared: &Shared, lease: u64) -> PathBuf {
	shared.store.lease_folder(lease).join("gpus.json")
}

/// Lets go of a lease's GPUs: nothing of it runs.
pub fn forget(shared: &Shared, lease: u64) -> std::io::Result<()> {
	match std::fs::remove_file(path(shared, lease)) {
		Err(error) if error.kind() != NotFound => Err(error),
		_ => Ok(()),
	}
}

/// The GPUs of a lease, one of the `open` ones, chosen once for each time that it runs. An error: it cannot have them
/// now, and what runs of it must be stopped.
pub fn gpus(
	shared: &Shared,
	lease: &OpenLease,
	open: &[OpenLease],
	manifest: &Manifest,
) -> anyhow::Result<Vec<Given>> {
	if manifest
		.services
		.iter()
		.all(|service| service.unit.gpu.is_none())
	{
		return Ok(Vec::new());
	}
	let all = &shared.config.gpus;
	let suspended = matches!(lease.state, State::Suspended { .. });
	anyhow::ensure!(
		!suspended || are_left(lease, open, all),
		"other leases have its GPUs by now"
	);
	let had = read(&path(shared, lease.id))?;
	if !had.is_empty() {
		return Ok(had);
	}
	// Those of leases that the chain, or this daemon, has not ended.
	let rows = shared.store.leases()?;
	let rows = rows
		.iter()
		.filter(|row| row.closed_at.is_none())
		.map(|row| row.lease);
	let others: BTreeSet<u64> = open.iter().map(|other| other.id).chain(rows).collect();
	let mut had = Vec::new();
	for other in others {
		let given = read(&path(shared, other))?;
		had.extend(given.into_iter().flat_map(|one| one.gpus));
	}
	let known = |had: &Vec<String>| all.iter().any(|gpu| share(had, &gpu.devices));
	if let Some(unknown) = had.iter().find(|had| !known(had)) {
		anyhow::bail!("another lease has {unknown:?}, which is not in provider.toml any more");
	}
	let given = give(manifest, &lease.taken.gpu, all, &had).ok_or_else(|| {
		anyhow::anyhow!("its GPUs are not in provider.toml, or others have them still")
	})?;
	std::fs::create_dir_all(shared.store.lease_folder(lease.id))?;
	let kept = Kept { version: 1, given };
	write_whole(&path(shared, lease.id), &serde_json::to_vec(&kept)?)?;
	Ok(kept.given)
}

#[cfg(test)]
mod tests {
	use super::*;
	use crate::executor::tests::attempt;
	use leasehold_manifest::{GpuModel, Kind};

	fn gpu(model: &str, number: u32) -> Gpu {
		toml::from_str(&format!(
			"vendor = \"nvidia\"\nmodel = {model:?}\nmemory_mib = 8192\ndevices = [\"nvidia.com/gpu={number}\"]"
		))
		.unwrap()
	}

	fn manifest(wanted: &[(&str, u32, u32)]) -> Manifest {
		let services = wanted.iter().map(|(model, units, count)| {
			let mut service = attempt(Kind::Service).service;
			service.name = format!("s-{model}");
			service.count = *count;
			let models = match *model {
				"any" => Vec::new(),
				name => vec![GpuModel {
					name: name.into(),
					memory: 0,
				}],
			};
			service.unit.gpu = Some(Wanted {
				units: *units,
				vendor: "nvidia".into(),
				models,
			});
			service
		});
		Manifest {
			services: services.collect(),
		}
	}

	fn taken(all: &[Gpu], counts: &[(usize, u32)]) -> Vec<GpuUnits> {
		let of = |(place, units): &(usize, u32)| GpuUnits {
			units: *units,
			..all[*place].unit()
		};
		counts.iter().map(of).collect()
	}

	#[test]
	fn each_replica_gets_gpus_of_its_own() {
		let all = [gpu("t4", 0), gpu("a100", 1), gpu("a100", 2), gpu("a100", 3)];
		// One takes any, and stands before the one that wants the t4.
		let wanted = manifest(&[("any", 1, 2), ("t4", 1, 1)]);
		let sorts = taken(&all, &[(0, 1), (1, 2)]);
		let given = give(&wanted, &sorts, &all, &[]).unwrap();
		assert_eq!(devices(&given, "s-t4", 0), ["nvidia.com/gpu=0"]);
		assert_eq!(devices(&given, "s-any", 0), ["nvidia.com/gpu=1"]);
		assert_eq!(devices(&given, "s-any", 1), ["nvidia.com/gpu=2"]);
		assert!(devices(&given, "s-any", 2).is_empty());
		// Others have one.
		let theirs = [vec!["nvidia.com/gpu=1".to_owned()]];
		let given = give(&wanted, &sorts, &all, &theirs).unwrap();
		assert_eq!(devices(&given, "s-any", 0), ["nvidia.com/gpu=2"]);
		// No more than the lease has taken, whatever else is free.
		assert_eq!(
			give(&wanted, &taken(&all, &[(0, 1), (1, 1)]), &all, &[]),
			None
		);
		let three = manifest(&[("a100", 3, 1)]);
		let given = give(&three, &taken(&all, &[(1, 3)]), &all, &[]).unwrap();
		assert_eq!(devices(&given, "s-a100", 0).len(), 3);
		assert_eq!(give(&three, &taken(&all, &[(1, 3)]), &all, &theirs), None);
	}

	#[test]
	fn devices_that_gpus_share_are_given_once() {
		let given = [Given {
			service: "web".into(),
			replica: 0,
			gpus: vec![
				vec!["/dev/kfd".into(), "/dev/dri/renderD128".into()],
				vec!["/dev/kfd".into(), "/dev/dri/renderD129".into()],
			],
		}];
		let wanted = ["/dev/kfd", "/dev/dri/renderD128", "/dev/dri/renderD129"];
		assert_eq!(devices(&given, "web", 0), wanted);
	}

	#[test]
	fn a_card_is_taken_by_whatever_name_it_shares() {
		let share = |one: &[&str], other: &[&str]| {
			let texts = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
			super::share(&texts(one), &texts(other))
		};
		let card = ["/dev/kfd", "/dev/dri/renderD128"];
		assert!(share(&card, &["/dev/dri/renderD128", "/dev/x"]));
		assert!(!share(&card, &["/dev/kfd", "/dev/dri/renderD129"]));
	}

	#[test]
	fn gpus_of_the_first_version_are_still_read() {
		let folder = tempfile::tempdir().unwrap();
		let path = folder.path().join("gpus.json");
		assert_eq!(read(&path).unwrap(), []);
		let text = r#"{"version":1,"given":[{"service":"web","replica":0,"gpus":[["nvidia.com/gpu=0"]]}]}"#;
		std::fs::write(&path, text).unwrap();
		assert_eq!(
			devices(&read(&path).unwrap(), "web", 0),
			["nvidia.com/gpu=0"]
		);
		std::fs::write(&path, text.replace("n\":1", "n\":2")).unwrap();
		assert!(read(&path).is_err());
	}
}
