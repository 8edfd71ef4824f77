//! `deployment`: which service runs where, how often, and what that makes of each placement.

use super::{
	compute::{RawCompute, CPU, MAX_GPUS, MEMORY},
	expose::Seen,
	extra::Extra,
	placement::{RawPlacement, RawPrice},
	service::RawService,
	*,
};
use crate::{
	manifest::{MAX_COUNT, MAX_SERVICES},
	quantity, Kind,
};
use std::collections::{BTreeMap, BTreeSet};

/// Akash's bounds of a group: as many of the largest replicas.
const LARGEST: u64 = 50;

/// The sections of a file.
pub(super) struct Sections<'a> {
	pub(super) services: BTreeMap<&'a str, RawService>,
	pub(super) computes: BTreeMap<&'a str, RawCompute>,
	pub(super) placements: BTreeMap<&'a str, RawPlacement>,
	pub(super) extras: BTreeMap<&'a str, Extra>,
	pub(super) addresses: Vec<&'a str>,
	/// 2.0 is stricter than 2.1 in places.
	pub(super) strict: bool,
}

/// A placement while its services are found.
struct Group<'a> {
	services: Vec<Service<LocalFile>>,
	prices: Vec<(&'a RawPrice, u32)>,
	tee: Option<String>,
}

fn is_address_name(name: &str) -> bool {
	name.len() >= 2
		&& name.starts_with(|c: char| c.is_ascii_lowercase())
		&& name
			.bytes()
			.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_'))
}

impl Reader {
	pub(super) fn file(&mut self, root: &Map) -> Option<Sdl> {
		let top = [
			"version",
			"include",
			"services",
			"profiles",
			"deployment",
			"endpoints",
			"reclamation",
			"x-leasehold",
		];
		self.only(root, &top);
		let strict = self.version(root)?;
		if root.get("include").is_some() {
			let _ = self.texts(root, "include");
			self.warn(root.place("include"), "include", "is ignored");
		}
		let services = self.child(root, "services");
		let profiles = self.child(root, "profiles");
		if let Some(profiles) = &profiles {
			self.only_known(profiles, &["compute", "placement"]);
		}
		let sections = Sections {
			services: services.map(|map| self.services(&map)).unwrap_or_default(),
			computes: profiles
				.as_ref()
				.map(|map| self.computes(map))
				.unwrap_or_default(),
			placements: profiles
				.map(|map| self.placements(&map))
				.unwrap_or_default(),
			extras: self.extras(root),
			addresses: self.addresses(root),
			strict,
		};
		for (name, extra) in &sections.extras {
			if !sections.services.contains_key(name) {
				let reason = format!("there is no service `{name}`");
				self.error(extra.at, &extra.key, reason);
			}
		}
		// Nothing behind the key is a window that is missing.
		let reclamation = root.items().find(|(key, ..)| *key == "reclamation");
		let notice = reclamation.and_then(|(key, at, node)| {
			let map = self.map(node, key, at)?;
			self.only_known(&map, &["min_window"]);
			let how = "write `24h` or `1h30m`";
			self.quantity(&map, "min_window", how, quantity::long_duration)
		});
		let deployment = self.need(root, "deployment")?;
		let (groups, sums) = self.deployment(root, &deployment, &sections);
		let placements: Vec<Placement> = groups
			.into_iter()
			.filter_map(|(name, group)| self.placement(name, group, sections.placements.get(name)?))
			.collect();
		let refused = placements.iter().filter_map(|placement| {
			unserved(&placement.services, |service| {
				match service.and_then(|name| sections.services.get(name)) {
					Some(service) => (service.at, service.key.clone()),
					None => {
						let key = format!("deployment.*.{}", placement.name);
						(deployment.at, key)
					}
				}
			})
		});
		Some(Sdl {
			unserved: refused.collect(),
			placements,
			notice,
			sums,
		})
	}

	/// Whether it is 2.0; `None` if there is no version that can be read.
	fn version(&mut self, root: &Map) -> Option<bool> {
		let has = |key| root.get(key).is_some();
		if has("services") && !has("version") && !has("profiles") && !has("deployment") {
			let why = "is missing: a Compose file is known by its name, `compose.yaml`";
			self.error(root.at, "version", why);
			return None;
		}
		let how = "this program knows \"2.0\" and \"2.1\"";
		let (major, minor) = self.quantity(root, "version", how, |text| {
			let text = text.trim();
			let numbers = text.strip_prefix('v').unwrap_or(text);
			let mut parts = numbers.split('.').map(|part| part.parse::<u32>().ok());
			let major = parts.next()??;
			let minor = parts.next().unwrap_or(Some(0))?;
			let patch = parts.next().unwrap_or(Some(0))?;
			let known = (major == 2 && (minor > 0 || patch == 0)) || major > 2;
			(known && parts.next().is_none()).then_some((major, minor))
		})?;
		if (major, minor) > (2, 1) {
			self.warn(root.place("version"), "version", "is read as 2.1");
		}
		Some((major, minor) == (2, 0))
	}

	/// The declared addresses.
	fn addresses<'a>(&mut self, root: &Map<'a>) -> Vec<&'a str> {
		let mut all = Vec::new();
		let Some(endpoints) = self.child(root, "endpoints") else {
			return all;
		};
		for (name, at, node) in endpoints.items() {
			let Some(map) = self.map(node, &endpoints.child(name), at) else {
				continue;
			};
			if !is_address_name(name) {
				let reason = "names are a-z, 0-9, `-` and `_`, two at least";
				self.error(at, &map.key, reason);
			}
			self.only_known(&map, &["kind"]);
			self.quantity(&map, "kind", "write `ip`", |text| {
				(text == "ip").then_some(())
			});
			all.push(name);
		}
		all
	}

	fn deployment<'a>(
		&mut self,
		root: &Map,
		deployment: &Map<'a>,
		sections: &'a Sections<'a>,
	) -> (BTreeMap<&'a str, Group<'a>>, Sums) {
		let mut groups: BTreeMap<&str, Group> = BTreeMap::new();
		let mut totals: BTreeMap<&str, Sums> = BTreeMap::new();
		let mut sums = Sums::default();
		let mut seen = Seen::default();
		let mut used = BTreeSet::new();
		let mut entries: Vec<_> = deployment.items().collect();
		entries.sort_by_key(|(name, ..)| *name);
		let deployed: Vec<&str> = entries.iter().map(|(name, ..)| *name).collect();
		for (name, at, node) in entries {
			let Some(entry) = self.map(node, &deployment.child(name), at) else {
				continue;
			};
			let Some(service) = sections.services.get(name) else {
				self.error(at, &entry.key, format!("there is no service `{name}`"));
				continue;
			};
			let mut targets: Vec<_> = entry.items().collect();
			targets.sort_by_key(|(name, ..)| *name);
			sums.services = sums
				.services
				.saturating_add(usize::from(!targets.is_empty()));
			for (placement, at, node) in targets {
				let Some(target) = self.map(node, &entry.child(placement), at) else {
					continue;
				};
				self.only_known(&target, &["profile", "count"]);
				let profile = self.text_at(&target, "profile");
				if let Some(compute) = sections.computes.get(profile.as_str()) {
					if used.insert(&compute.key) {
						self.complete(compute);
					}
				}
				let count = self.number(&target, "count");
				let found = self.profiles(&target, placement, &profile, sections);
				let (Some(count), Some((compute, price))) = (count, found) else {
					continue;
				};
				self.bounded(compute);
				let group = groups.entry(placement).or_insert_with(|| Group {
					services: Vec::new(),
					prices: Vec::new(),
					tee: None,
				});
				group.prices.push((price, count));
				self.confidential(service, compute, group);
				let disk = compute.volumes.iter().map(|volume| volume.bytes);
				let replica = Sums {
					services: 0,
					cpu_millis: compute.cpu.into(),
					memory_bytes: compute.memory,
					storage_bytes: disk.fold(0u64, u64::saturating_add),
					gpu_units: compute.gpu.units,
				};
				sums.add(count, replica);
				totals.entry(placement).or_default().add(count, replica);
				let place = (target.place("count"), target.child("count"));
				if count > MAX_COUNT {
					let reason = format!("at most {MAX_COUNT} replicas are allowed");
					self.error(place.0, &place.1, reason);
				}
				let built = self.built(name, service, compute, &deployed, sections, &mut seen);
				if count == 0 {
					self.warn(place.0, &place.1, "no replica: the service does not run");
				} else if let Some(service) = built {
					group.services.push(Service { count, ..service });
				}
			}
		}
		for (name, total) in &totals {
			let key = format!("deployment.*.{name}");
			let most = |each: u64| each.saturating_mul(LARGEST);
			if total.cpu_millis == 0 || total.memory_bytes == 0 {
				self.error(deployment.at, &key, "no replica of any service");
			} else if total.cpu_millis > most(CPU.1.into())
				|| total.memory_bytes > most(MEMORY.1)
				|| total.gpu_units > most(MAX_GPUS)
			{
				let reason = "asks for more than fifty of the largest replicas";
				self.error(deployment.at, &key, reason);
			}
		}
		self.whole(root, deployment, sections, &seen, &groups);
		(groups, sums)
	}

	/// What holds for the file as a whole.
	fn whole(
		&mut self,
		root: &Map,
		deployment: &Map,
		sections: &Sections,
		seen: &Seen,
		groups: &BTreeMap<&str, Group>,
	) {
		if groups.is_empty() {
			// What else is wrong may be why.
			if !self.has_errors() {
				self.error(deployment.at, "deployment", "deploys nothing");
			}
			return;
		}
		for name in &sections.addresses {
			if !seen.addresses.contains(*name) {
				let key = format!("endpoints.{name}");
				self.error(root.place("endpoints"), &key, "is never used");
			}
		}
		// Akash runs nothing that nobody can reach; a job needs nobody.
		let ours = |service: &Service<LocalFile>| {
			service.kind == Kind::Job || sections.extras.contains_key(service.name.as_str())
		};
		let reachable = seen.global || groups.values().any(|g| g.services.iter().any(ours));
		// What else is wrong may be why.
		if !reachable && !self.has_errors() {
			let reason =
				"no service is open to the world: add `expose` with `to: [{global: true}]`";
			self.error(root.place("services"), "services", reason);
		}
		let prices: Vec<_> = groups
			.values()
			.flat_map(|group| group.prices.iter().map(|(price, _)| *price))
			.collect();
		self.sound_prices(&prices);
		for (name, service) in &sections.services {
			if !deployment.names(name) {
				self.warn(service.at, &service.key, "is not deployed");
			}
		}
	}

	/// The profile and the price of a service in a placement.
	fn profiles<'a>(
		&mut self,
		target: &Map,
		placement: &str,
		profile: &str,
		sections: &'a Sections<'a>,
	) -> Option<(&'a RawCompute, &'a RawPrice)> {
		let compute = sections.computes.get(profile);
		if compute.is_none() {
			let reason = format!("`profiles.compute` has no `{profile}`");
			self.error(target.place("profile"), &target.child("profile"), reason);
		}
		let Some(found) = sections.placements.get(placement) else {
			let reason = format!("`profiles.placement` has no `{placement}`");
			self.error(target.at, &target.key, reason);
			return None;
		};
		let price = found.prices.get(profile);
		if price.is_none() && compute.is_some() && !found.faulty.contains(profile) {
			let key = format!("{}.pricing", found.key);
			let reason = format!("has no price for `{profile}`");
			self.error(found.at, &key, reason);
		}
		Some((compute?, price?))
	}

	fn confidential(&mut self, service: &RawService, compute: &RawCompute, group: &mut Group) {
		let Some((tee, at)) = &service.tee else {
			return;
		};
		let key = format!("{}.params.tee", service.key);
		match tee.as_str() {
			"cpu" => {}
			"cpu-gpu" if compute.gpu.units > 0 => {}
			"cpu-gpu" => {
				let reason = "needs a GPU in the profile";
				return self.error(*at, &key, reason);
			}
			other => {
				let reason = format!("`{other}` is neither `cpu` nor `cpu-gpu`");
				return self.error(*at, &key, reason);
			}
		}
		let before = group.tee.get_or_insert_with(|| tee.clone());
		if before != tee {
			let reason = format!("another service of the placement asks for `{before}`");
			self.error(*at, &key, reason);
		}
	}

	/// A placement whose services are known.
	fn placement(&mut self, name: &str, group: Group, raw: &RawPlacement) -> Option<Placement> {
		let key = |key: &str| format!("{}.{key}", raw.key);
		let mut attributes = raw.attributes.clone();
		if let Some(tee) = group.tee {
			attributes.retain(|(key, _)| key != TEE);
			attributes.push((TEE.to_owned(), tee));
			if raw.any_of.is_empty() && raw.all_of.is_empty() {
				let reason = "`tee` needs an auditor's word: without one `deploy` refuses";
				self.warn(raw.at, &key("signedBy"), reason);
			}
		}
		if attributes.len() > 8 {
			self.error(raw.at, &key("attributes"), "at most eight are allowed");
		}
		if attributes.iter().any(|(k, v)| k.len() > 64 || v.len() > 64) {
			let reason = "keys and values have at most 64 bytes";
			self.error(raw.at, &key("attributes"), reason);
		}
		if raw.any_of.len() > 4 || raw.all_of.len() > 4 {
			self.error(
				raw.at,
				&key("signedBy"),
				"at most four auditors are allowed",
			);
		}
		let mut services = group.services;
		services.sort_by(|a, b| a.name.cmp(&b.name));
		let names: BTreeSet<String> = services.iter().map(|s| s.name.clone()).collect();
		for service in &mut services {
			// Other placements are other leases: nothing is waited for across them.
			service.depends_on.retain(|other| names.contains(other));
		}
		if services.len() > MAX_SERVICES {
			let reason = format!("at most {MAX_SERVICES} services are allowed");
			self.error(raw.at, &raw.key, reason);
			return None;
		}
		if let Some(job) = services.iter().find(|service| service.kind == Kind::Job) {
			if services.len() > 1 || job.count > 1 {
				let reason = format!(
					"the job `{}` runs alone and once in its placement",
					job.name
				);
				self.error(raw.at, &raw.key, reason);
			}
		}
		if crate::manifest::in_order(&services).is_none() {
			self.error(
				raw.at,
				&raw.key,
				"its services depend on each other in a circle",
			);
		}
		let mut max_rate = Some(0u128);
		for (price, count) in &group.prices {
			let all = price.amount.checked_mul(u128::from(*count));
			let sum = max_rate
				.zip(all)
				.and_then(|(sum, all)| sum.checked_add(all));
			max_rate = sum.filter(|_| price.is_ours());
		}
		Some(Placement {
			name: name.to_owned(),
			attributes,
			any_of: raw.any_of.clone(),
			all_of: raw.all_of.clone(),
			max_rate: max_rate.map(quantity::planck),
			services,
		})
	}
}
