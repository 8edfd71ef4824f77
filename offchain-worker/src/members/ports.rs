//! The ports of this machine that leases open to the world.

use crate::{
	daemon::Shared,
	executor::Port,
	store::{write_whole, LeaseRow},
};
use leasehold_manifest::{Expose, Manifest, Protocol, Service};
use serde::{Deserialize, Serialize};
use std::{
	collections::BTreeSet,
	io::ErrorKind::NotFound,
	net::{Ipv4Addr, TcpListener, UdpSocket},
	path::Path,
};

/// What is kept of a lease's ports, in a file of its folder.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
	version: u32,
	ports: Vec<Port>,
}

fn read(path: &Path) -> anyhow::Result<Vec<Port>> {
	match std::fs::read(path) {
		Ok(bytes) => {
			let kept: Kept = serde_json::from_slice(&bytes)?;
			anyhow::ensure!(
				kept.version == 1,
				"the ports of a lease have version {}: install a newer daemon",
				kept.version
			);
			Ok(kept.ports)
		}
		Err(error) if error.kind() == NotFound => Ok(Vec::new()),
		Err(error) => Err(error.into()),
	}
}

/// Whether nobody else has a port.
fn is_free(port: u16, udp: bool) -> bool {
	let at = (Ipv4Addr::UNSPECIFIED, port);
	match udp {
		true => UdpSocket::bind(at).is_ok(),
		false => TcpListener::bind(at).is_ok(),
	}
}

/// The ports of this machine for what a lease opens to the world, chosen once.
pub fn ports(shared: &Shared, row: &LeaseRow, manifest: &Manifest) -> anyhow::Result<Vec<Port>> {
	let path = |lease: u64| shared.store.lease_folder(lease).join("ports.json");
	let mut had = read(&path(row.lease))?;
	let wanted: Vec<(&Service, &Expose)> = manifest
		.services
		.iter()
		.flat_map(|service| service.expose.iter().map(move |port| (service, port)))
		.filter(|(_, port)| port.global)
		.collect();
	let has = |had: &[Port], (service, port): (&Service, &Expose)| {
		had.iter().any(|one| one.serves(&service.name, port))
	};
	// An earlier manifest may have opened others.
	let before = had.len();
	had.retain(|one| {
		let serves = |(service, port): &(&Service, &Expose)| one.serves(&service.name, port);
		wanted.iter().any(serves)
	});
	if had.len() == before && wanted.iter().all(|one| has(&had, *one)) {
		return Ok(had);
	}
	let mut taken = BTreeSet::new();
	for other in shared.store.leases()? {
		if other.closed_at.is_none() {
			taken.extend(read(&path(other.lease))?.into_iter().map(|port| port.host));
		}
	}
	let range = shared.config.ports();
	for (service, port) in wanted {
		if has(&had, (service, port)) {
			continue;
		}
		let udp = port.protocol == Protocol::Udp;
		let mut free = range.clone();
		let free = free.find(|port| taken.insert(*port) && is_free(*port, udp));
		let host = free.ok_or_else(|| anyhow::anyhow!("all ports for leases are taken"))?;
		had.push(Port {
			service: service.name.clone(),
			port: port.port,
			udp,
			host,
		});
	}
	std::fs::create_dir_all(shared.store.lease_folder(row.lease))?;
	let kept = Kept {
		version: 1,
		ports: had,
	};
	write_whole(&path(row.lease), &serde_json::to_vec(&kept)?)?;
	Ok(kept.ports)
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn ports_of_the_first_version_are_still_read() {
		let folder = tempfile::tempdir().unwrap();
		let path = folder.path().join("ports.json");
		assert_eq!(read(&path).unwrap(), []);
		let text =
			r#"{"version":1,"ports":[{"service":"web","port":80,"udp":false,"host":30007}]}"#;
		std::fs::write(&path, text).unwrap();
		let web = Port {
			service: "web".into(),
			port: 80,
			udp: false,
			host: 30_007,
		};
		assert_eq!(read(&path).unwrap(), [web]);
		std::fs::write(&path, text.replace("n\":1", "n\":2")).unwrap();
		assert!(read(&path).is_err());
	}

	#[test]
	fn a_port_that_somebody_else_has_is_not_free() {
		let theirs = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
		let port = theirs.local_addr().unwrap().port();
		assert!(!is_free(port, false));
		drop(theirs);
		assert!(is_free(port, false));
	}
}
