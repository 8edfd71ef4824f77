//! The users of containers: a lease's root is a number on this machine that is neither root's nor another lease's.

use super::{
	engine::{failed, Engine, GLANCE},
	spec::{network_of, Labels, USERS},
	Common,
};
use crate::executor::ExecutorError;
use bollard::{models::ContainerSummary, query_parameters::ListContainersOptions};
use rustix::process::geteuid;
use std::{
	collections::{BTreeSet, HashMap},
	os::unix::fs::MetadataExt as _,
};

/// What Podman calls itself.
pub const PODMAN: &str = "Podman Engine";

/// Users of a lease; an image that has others cannot be run.
const EACH: u32 = 1 << 16;
/// The first number: above those that systems give to accounts, services and containers of their own (systemd ends
/// below), and below those that Podman's manual has for its own choice.
const FIRST: u32 = 0x7000_0000;
/// Leases at a time.
const LEASES: u32 = 4_094;

/// Which number of this machine root of a lease's containers is to have, while others have these.
pub fn root_of(lease: u64, taken: &BTreeSet<u32>) -> u32 {
	let first = lease.checked_rem(LEASES.into()).unwrap_or_default();
	let first = u32::try_from(first).unwrap_or_default();
	let root = |nth: u32| FIRST.saturating_add(nth.saturating_mul(EACH));
	let mut roots = (first..LEASES).chain(0..first).map(root);
	// Where all are taken, two share one.
	let free = roots.find(|root| !taken.contains(root));
	free.unwrap_or(root(first))
}

/// A user namespace in Podman's words.
pub fn namespace(root: u32) -> String {
	// Without a size Podman would look for the greatest user of the image, whatever it says that one is.
	format!("auto:size={EACH},uidmapping=0:{root}:{EACH},gidmapping=0:{root}:{EACH}")
}

/// Whether this process knows all these users and may give files to them.
pub fn are_known() -> bool {
	let all_of = |map: &str| std::fs::read_to_string(map).is_ok_and(|map| covers(&map));
	geteuid().is_root()
		&& ["/proc/self/uid_map", "/proc/self/gid_map"]
			.into_iter()
			.all(all_of)
}

/// Whether a process with this map of users knows all of them.
fn covers(map: &str) -> bool {
	let end = u64::from(FIRST).saturating_add(u64::from(LEASES).saturating_mul(EACH.into()));
	map.lines().any(|line| {
		let mut fields = line.split_whitespace().map(str::parse::<u64>);
		let (first, count) = (fields.next(), fields.nth(1));
		let (Some(Ok(first)), Some(Ok(count))) = (first, count) else {
			return false;
		};
		first <= FIRST.into() && first.saturating_add(count) >= end
	})
}

impl Engine {
	/// Whether containers get the users that the engine is told, and this process can give them their folders.
	pub async fn maps_users(&self) -> Result<bool, ExecutorError> {
		let look = || async {
			let (name, _) = self.name().await?;
			// Docker has one map for all, if it has one; that of an engine without root's rights is within its own.
			let is_roots = std::fs::metadata(&self.socket).is_ok_and(|socket| socket.uid() == 0);
			Ok::<_, ExecutorError>(name == PODMAN && is_roots && are_known())
		};
		self.maps_users.get_or_try_init(look).await.copied()
	}

	/// (a lease's network, root's number) of all containers whose users are mapped, whoever made them.
	pub async fn users(&self) -> Result<Vec<(String, u32)>, ExecutorError> {
		let options = ListContainersOptions {
			all: true,
			filters: Some(HashMap::from([(
				"label".to_owned(),
				vec![USERS.to_owned()],
			)])),
			..Default::default()
		};
		let client = self.client(GLANCE).await?;
		let found = client.list_containers(Some(options)).await;
		let found = found.map_err(failed("listing containers"))?.into_iter();
		let of = |one: ContainerSummary| {
			let labels = one.labels?;
			Some((network_of(&labels)?, labels.get(USERS)?.parse().ok()?))
		};
		Ok(found.filter_map(of).collect())
	}
}

impl Common {
	/// Which number of this machine root of a lease's containers is to have: none that another lease's has.
	pub async fn users(&self, labels: &Labels) -> Result<Option<u32>, ExecutorError> {
		if !self.engine.maps_users().await? {
			return Ok(None);
		}
		let mut given = self.users.lock().await;
		let there = self.engine.users().await?;
		let own = labels.network();
		let known = there.iter().find(|(network, _)| *network == own);
		let known = known.map(|(_, root)| *root).or(given.get(&own).copied());
		let root = known.unwrap_or_else(|| {
			let there = there.iter().map(|(_, root)| *root);
			let taken = there.chain(given.values().copied()).collect();
			root_of(labels.lease, &taken)
		});
		given.insert(own, root);
		Ok(Some(root))
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn leases_share_no_users() {
		let mut taken = BTreeSet::new();
		for lease in 0..u64::from(LEASES) {
			// Two chains may give the same number.
			let root = root_of(lease / 2, &taken);
			assert!((FIRST..=0x7fff_ffff - EACH).contains(&root) && root.is_multiple_of(EACH));
			assert!(taken.insert(root), "{root}");
		}
		assert_eq!(root_of(7, &taken), root_of(7, &BTreeSet::new()));
		assert_eq!(
			namespace(root_of(u64::from(LEASES) + 1, &BTreeSet::new())),
			"auto:size=65536,uidmapping=0:1879113728:65536,gidmapping=0:1879113728:65536"
		);
	}

	#[test]
	fn a_map_is_read() {
		assert!(covers("         0          0 4294967295\n"));
		assert!(!covers("         0     100000      65536\n"));
		assert!(!covers(""));
		assert!(!covers("0 0\nx y z"));
	}
}
