//! A network for each lease, on which its services reach each other by name.

use super::{
	engine::{failed, is, Engine, GLANCE, PATIENCE},
	spec::Labels,
	Common,
};
use crate::executor::{other, ExecutorError};
use bollard::{
	errors::Error,
	models::{Ipam, IpamConfig, NetworkCreateRequest},
	query_parameters::ListNetworksOptions,
};
use ipnet::Ipv4Net;
use std::collections::HashMap;

/// Length of a lease's prefix: room for 29 containers beside the gateway.
pub const PREFIX: u8 = 27;
/// Ranges that are tried if the engine cannot use one.
const TRIES: usize = 8;

/// Where the search for a lease's range begins in a pool of so many.
fn first(lease: u64, ranges: usize) -> usize {
	let ranges = u64::try_from(ranges).unwrap_or(u64::MAX).max(1);
	usize::try_from(lease % ranges).unwrap_or(0)
}

/// A network of the engine.
#[derive(Clone, Debug, Default)]
pub struct Network {
	pub name: String,
	pub labels: HashMap<String, String>,
	pub nets: Vec<Ipv4Net>,
}

impl Common {
	/// Makes a lease's network if it is not there. One of another range is not shut off: it is made anew.
	pub async fn network(&self, labels: &Labels) -> Result<(), ExecutorError> {
		let name = labels.network();
		let _one_at_a_time = self.networks.lock().await;
		let there = self.engine.networks().await?;
		if let Some(ours) = there.iter().find(|one| one.name == name) {
			if ours.nets.iter().all(|net| self.pool.contains(net)) {
				return Ok(());
			}
			self.engine.remove_network(&name).await?;
		}
		let wrong = |why: String| other("making a network", why);
		let pool: Vec<Ipv4Net> = self
			.pool
			.subnets(PREFIX)
			.map_err(|error| wrong(error.to_string()))?
			.collect();
		let taken: Vec<&Ipv4Net> = there.iter().flat_map(|one| &one.nets).collect();
		let overlaps = |net: &Ipv4Net| {
			let over = |other: &Ipv4Net| net.contains(other) || other.contains(net);
			taken.iter().any(|other| over(other))
		};
		let begin = first(labels.lease, pool.len());
		let free = pool.iter().cycle().skip(begin).take(pool.len());
		let mut last = format!("all of {} is taken", self.pool);
		for net in free.filter(|net| !overlaps(net)).take(TRIES) {
			let labels = labels.of_network();
			match self.engine.make_network(&name, labels, *net).await? {
				Ok(()) => return Ok(()),
				Err(why) => last = why,
			}
		}
		Err(wrong(last))
	}
}

impl Engine {
	/// All networks.
	pub async fn networks(&self) -> Result<Vec<Network>, ExecutorError> {
		let client = self.client(GLANCE).await?;
		let found = client.list_networks(None::<ListNetworksOptions>).await;
		let found = found.map_err(failed("listing networks"))?;
		let found = found.into_iter().map(|one| {
			let config = one.ipam.and_then(|ipam| ipam.config).unwrap_or_default();
			let nets = config.into_iter().filter_map(|c| c.subnet?.parse().ok());
			Network {
				name: one.name.unwrap_or_default(),
				labels: one.labels.unwrap_or_default(),
				nets: nets.collect(),
			}
		});
		Ok(found.collect())
	}

	/// Makes a network; an inner error says what the engine said.
	pub async fn make_network(
		&self,
		name: &str,
		labels: HashMap<String, String>,
		net: Ipv4Net,
	) -> Result<Result<(), String>, ExecutorError> {
		let config = IpamConfig {
			subnet: Some(net.to_string()),
			..Default::default()
		};
		let request = NetworkCreateRequest {
			name: name.to_owned(),
			driver: Some("bridge".into()),
			enable_ipv6: Some(false),
			ipam: Some(Ipam {
				config: Some(vec![config]),
				..Default::default()
			}),
			labels: Some(labels),
			..Default::default()
		};
		match self.client(PATIENCE).await?.create_network(request).await {
			Ok(_) => Ok(Ok(())),
			Err(error) if is(&error, 409) => Ok(Ok(())),
			Err(Error::DockerResponseServerError { message, .. }) => Ok(Err(message)),
			Err(error) => Err(failed("making a network")(error)),
		}
	}

	/// Removes a network; done if there is none.
	pub async fn remove_network(&self, name: &str) -> Result<(), ExecutorError> {
		match self.client(PATIENCE).await?.remove_network(name).await {
			Ok(()) => Ok(()),
			Err(error) if is(&error, 404) => Ok(()),
			Err(error) => Err(failed("removing a network")(error)),
		}
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn leases_begin_at_ranges_of_their_own() {
		let pool: Ipv4Net = "10.213.0.0/16".parse().unwrap();
		let ranges: Vec<_> = pool.subnets(PREFIX).unwrap().collect();
		assert_eq!(ranges.len(), 2_048);
		assert_eq!(ranges[first(1, 2_048)].to_string(), "10.213.0.32/27");
		assert_eq!(first(2_048, 2_048), 0);
		assert_eq!(first(7, 0), 0);
		// The network, the gateway and the broadcast are none of theirs.
		assert_eq!(
			ranges[0].hosts().count(),
			leasehold_manifest::MAX_REPLICAS as usize + 1
		);
	}
}
