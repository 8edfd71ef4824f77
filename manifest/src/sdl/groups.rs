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
	manifest::{
		is_mount, is_volume_name, Gpu, Medium, Program, Unit, Volume, MAX_COUNT, MAX_SERVICES,
	},
	quantity, Kind,
};
use std::collections::{BTreeMap, BTreeSet};

/// The image of a module that the tenant hands in.
const MODULE: &str = "wasm:";
/// Akash's bounds of a group: as many of the largest replicas.
const LARGEST: u64 = 50;

/// The sections of a file.
struct Sections<'a> {
	services: BTreeMap<&'a str, RawService>,
	computes: BTreeMap<&'a str, RawCompute>,
	placements: BTreeMap<&'a str, RawPlacement>,
	extras: BTreeMap<&'a str, Extra>,
	addresses: Vec<&'a str>,
	/// 2.0 is stricter than 2.1 in places.
	strict: bool,
}

/// A placement while its services are found.
struct Group<'a> {
	services: Vec<Service<LocalFile>>,
	prices: Vec<(&'a RawPrice, u32)>,
	tee: Option<String>,
}

fn is_variable(name: &str) -> bool {
	!name.is_empty()
		&& !name.starts_with(|c: char| c.is_ascii_digit())
		&& name != "."
		&& !name.starts_with("..")
		&& name.chars().all(is_variable_char)
}

fn is_variable_char(c: char) -> bool {
	c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')
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
		let placements = groups
			.into_iter()
			.filter_map(|(name, group)| self.placement(name, group, sections.placements.get(name)?))
			.collect();
		Some(Sdl {
			placements,
			notice,
			sums,
		})
	}

	/// Whether it is 2.0; `None` if there is no version that can be read.
	fn version(&mut self, root: &Map) -> Option<bool> {
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

	/// A deployed service; faults stand where the service does.
	fn built(
		&mut self,
		name: &str,
		raw: &RawService,
		compute: &RawCompute,
		deployed: &[&str],
		sections: &Sections,
		seen: &mut Seen,
	) -> Option<Service<LocalFile>> {
		let key = |key: &str| format!("{}.{key}", raw.key);
		self.label(raw.at, &raw.key, name);
		let mut env = Vec::new();
		for (text, at) in &raw.env {
			let (variable, value) = text.split_once('=').unwrap_or((text, ""));
			if !is_variable(variable) {
				// Not more of it than a name could be: the rest may be a secret.
				let end = variable.find(|c| !is_variable_char(c)).unwrap_or(0);
				let shown = variable.get(..end).unwrap_or_default();
				let reason = format!("`{shown}…` is no NAME=value");
				self.error(*at, &key("env"), reason);
			}
			env.push((variable.to_owned(), value.to_owned()));
		}
		let expose = self.opened(name, &raw.expose, deployed, &sections.addresses, seen);
		let credentials = raw.credentials.clone().map(|(credentials, at)| {
			for (what, text) in [
				("host", &credentials.host),
				("username", &credentials.username),
				("password", &credentials.password),
			] {
				if text.trim().is_empty() {
					self.error(at, &key(&format!("credentials.{what}")), "is missing");
				}
			}
			credentials
		});
		let unit = self.unit(raw, compute, sections.strict);
		let mut depends_on: Vec<String> = Vec::new();
		for (other, at) in &raw.after {
			if !deployed.contains(&other.as_str()) || other == name {
				let reason = format!("there is no other service `{other}` to wait for: ignored");
				self.warn(*at, &key("depends_on"), reason);
			} else if !depends_on.contains(other) {
				depends_on.push(other.clone());
			}
		}
		let module = raw.image.strip_prefix(MODULE);
		let extra = sections.extras.get(name).cloned();
		let extra = extra.unwrap_or_else(|| Extra::none(raw.at));
		let kind = extra.kind.unwrap_or(match module {
			Some(_) => Kind::Job,
			None => Kind::Service,
		});
		let program = match module {
			_ if raw.image.is_empty() => {
				self.error(raw.at, &key("image"), "is missing");
				return None;
			}
			Some(path) => {
				self.module(raw, path, kind, &expose);
				if !unit.volumes.is_empty() || unit.gpu.is_some() {
					let reason = "a WASM job has one disk, and no GPU";
					self.error(compute.at, &compute.key, reason);
				}
				Program::Module(LocalFile {
					from: path.to_owned(),
					path: std::path::Path::new(path)
						.file_name()
						.and_then(|name| name.to_str())
						.unwrap_or("module.wasm")
						.to_owned(),
				})
			}
			None => Program::Image {
				reference: raw.image.clone(),
				command: raw.command.clone(),
				credentials,
			},
		};
		Some(Service {
			name: name.to_owned(),
			kind,
			// A WASM job has no network.
			expose: if module.is_some() { Vec::new() } else { expose },
			program,
			args: raw.args.clone(),
			env,
			count: 1,
			unit,
			depends_on,
			health: extra.health,
			inputs: extra.inputs,
			outputs: extra.outputs,
			max_duration: extra.max_duration,
			attempts: extra.attempts,
		})
	}

	/// What a WASM module cannot have.
	fn module(&mut self, raw: &RawService, path: &str, kind: Kind, expose: &[crate::Expose]) {
		let key = |key: &str| format!("{}.{key}", raw.key);
		if path.is_empty() {
			let reason = "names no module: write `wasm:./module.wasm`";
			self.error(raw.image_at, &key("image"), reason);
		}
		if !raw.command.is_empty() {
			let reason = "a WASM module has no command; use `args`";
			self.error(raw.at, &key("command"), reason);
		}
		if kind == Kind::Service {
			let reason = "this release runs WASM modules as jobs: write `kind: job`";
			self.error(raw.image_at, &key("image"), reason);
		}
		if raw.credentials.is_some() {
			let reason = "is ignored: a module is handed in, not pulled";
			self.warn(raw.at, &key("credentials"), reason);
		}
		if !expose.is_empty() {
			let reason = "is ignored: a WASM job has no network";
			self.warn(raw.at, &key("expose"), reason);
		}
	}

	fn unit(&mut self, raw: &RawService, compute: &RawCompute, strict: bool) -> Unit {
		let too_much = |reader: &mut Self, at: Place, key: &str| {
			reader.error(at, key, "is too much");
			0
		};
		let mebibytes = |reader: &mut Self, bytes: u64, at: Place| {
			quantity::mebibytes(bytes).unwrap_or_else(|| too_much(reader, at, &compute.key))
		};
		let mut unit = Unit {
			cpu: compute.cpu,
			memory: mebibytes(self, compute.memory, compute.memory_at),
			..Default::default()
		};
		let mut mounted = BTreeSet::new();
		for (name, mount, read_only, at) in &raw.mounts {
			let key = format!("{}.params.storage.{name}", raw.key);
			let volume = compute.volumes.iter().find(|volume| volume.name == *name);
			let Some(volume) = volume else {
				self.error(*at, &key, "the profile has no such volume");
				continue;
			};
			if !mount.starts_with('/') {
				self.error(*at, &format!("{key}.mount"), "must be an absolute path");
			} else if !is_mount(mount) {
				let reason = format!("nothing can be mounted at `{mount}`");
				self.error(*at, &format!("{key}.mount"), reason);
			}
			if !mounted.insert(mount) {
				let reason = format!("`{mount}` is used twice");
				self.error(*at, &format!("{key}.mount"), reason);
			}
			if volume.class.as_deref() == Some("ram") && *read_only && !strict {
				let reason = "memory that is only read is of no use";
				self.error(*at, &format!("{key}.readOnly"), reason);
			}
		}
		for volume in &compute.volumes {
			let size = mebibytes(self, volume.bytes, compute.volumes_at);
			let found = raw.mounts.iter().find(|(name, ..)| *name == volume.name);
			let medium = match volume.class.as_deref() {
				Some("ram") => Medium::Memory,
				Some(class) if volume.persistent => Medium::Persistent(class.to_owned()),
				_ => Medium::Ephemeral,
			};
			if volume.persistent && found.is_none() {
				let key = format!("{}.storage.{}", compute.key, volume.name);
				let reason = format!("is not mounted by {}: see `params.storage`", raw.key);
				match strict && raw.mounts.is_empty() {
					true => self.error(volume.at, &key, reason),
					false => self.warn(volume.at, &key, reason),
				}
			}
			if medium == Medium::Ephemeral && found.is_none() {
				unit.storage = unit.storage.saturating_add(size);
				continue;
			}
			if !is_volume_name(&volume.name) {
				let key = format!("{}.storage.name", compute.key);
				let reason = format!("`{}` is no name of a volume", volume.name);
				self.error(volume.at, &key, reason);
			}
			unit.volumes.push(Volume {
				name: volume.name.clone(),
				size,
				medium,
				mount: found.map(|(_, mount, ..)| mount.clone()),
				read_only: found.is_some_and(|(_, _, read_only, _)| *read_only),
			});
		}
		if compute.gpu.units > 0 {
			if compute.gpu.models.len() > 1 {
				let key = format!("{}.gpu", compute.key);
				let reason =
					"several models: orders name one or any, so any of the vendor may come";
				self.warn(compute.gpu_at, &key, reason);
			}
			unit.gpu = u32::try_from(compute.gpu.units).ok().map(|units| Gpu {
				units,
				vendor: compute.gpu.vendor.clone(),
				models: compute.gpu.models.clone(),
			});
		}
		unit
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
