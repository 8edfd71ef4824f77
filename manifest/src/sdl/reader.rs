//! From YAML to [`super::Sdl`], section by section.

use super::*;
use crate::{
	files::{is_safe_path, MAX_PATTERN, MAX_PATTERNS},
	manifest::MAX_ATTEMPTS,
	quantity,
	yaml::{Node, NodeKind},
	Kind,
};
use std::time::Duration;

impl Reader {
	pub(super) fn file(&mut self, root: &Node) -> Option<Sdl> {
		let root = self.map(root, "")?;
		let top = [
			"version",
			"services",
			"profiles",
			"deployment",
			"x-leasehold",
			"endpoints",
		];
		self.known(&root, &top, Level::Error, "is not a key of this format");
		match root
			.get("version")
			.map(|node| (node.at, self.text(node, "version")))
		{
			Some((_, Some(version))) if version == "2.0" || version == "2.1" => {}
			Some((at, _)) => self.error(at, "version", "must be \"2.0\" or \"2.1\""),
			None => self.error(root.at, "version", "is missing"),
		}
		if let Some(node) = root.get("endpoints") {
			self.error(
				node.at,
				"endpoints",
				"leased addresses are not offered by this release",
			);
		}
		let services = self.need(&root, "services");
		let profiles = self.need(&root, "profiles");
		let deployment = self.need(&root, "deployment");
		let (services, profiles, deployment) = (services?, profiles?, deployment?);
		let (name, service) = self.only(&services, "service")?;
		if !is_label(name) {
			self.error(
				service.at,
				&services.child(name),
				"names are a-z, 0-9 and `-`, at most 63",
			);
		}
		let service = self.map(service, &services.child(name))?;
		let (module, args, env) = self.service(&service);
		let (placement, profile, count) = self.deployment(&deployment, name)?;
		self.only_known(&profiles, &["compute", "placement"]);
		let compute = self.need(&profiles, "compute")?;
		let compute = self.need(&compute, &profile)?;
		self.only_known(&compute, &["resources"]);
		let resources = self.need(&compute, "resources")?;
		let cpu = self.need(&resources, "cpu").and_then(|cpu| {
			self.only_known(&cpu, &["units"]);
			self.quantity(&cpu, "units", "write `0.5` or `500m`", quantity::cpu_millis)
		});
		let memory = self.need(&resources, "memory").and_then(|memory| {
			self.only_known(&memory, &["size"]);
			self.quantity(
				&memory,
				"size",
				"write `512Mi` or `1Gi`",
				quantity::mebibytes,
			)
		});
		let storage = self.storage(&resources);
		if let Some(gpu) = resources.get("gpu") {
			self.error(
				gpu.at,
				&resources.child("gpu"),
				"GPUs are not offered by this release",
			);
		}
		let known = ["cpu", "memory", "storage", "gpu"];
		self.known(&resources, &known, Level::Warning, "is ignored");
		let placements = self.need(&profiles, "placement")?;
		let (attributes, max_rate) = self.placement(&placements, &placement, &profile);
		let extra = self.extra(&root, name);
		let (kind, inputs, outputs, max_duration, attempts) = extra;
		Some(Sdl {
			name: name.to_owned(),
			placement,
			module: module?,
			args,
			env,
			count,
			cpu: cpu?,
			memory: memory?,
			storage: storage?,
			attributes,
			max_rate,
			kind,
			inputs,
			outputs,
			max_duration,
			attempts,
		})
	}

	/// (module, arguments, environment)
	#[allow(clippy::type_complexity)]
	fn service(&mut self, service: &Map) -> (Option<String>, Vec<String>, Vec<(String, String)>) {
		for (key, at, _) in service.items {
			let path = service.child(key);
			match key.as_str() {
				"image" | "args" | "env" => {}
				"command" => self.error(*at, &path, "a WASM module has no command; use `args`"),
				"expose" => {
					let reason = "is ignored: a WASM job has no network";
					self.fault(Level::Warning, *at, &path, reason);
				}
				_ => self.fault(Level::Warning, *at, &path, "is ignored"),
			}
		}
		let path = service.child("image");
		let module = match service.get("image") {
			Some(node) => self.text(node, &path).and_then(|image| {
				let module = image.strip_prefix("wasm:").map(str::to_owned);
				if module.as_ref().is_none_or(String::is_empty) {
					let reason = "this release runs WASM modules: write `wasm:./module.wasm`";
					self.error(node.at, &path, reason);
				}
				module
			}),
			None => {
				self.error(service.at, &path, "is missing");
				None
			}
		};
		let args = self.texts(service, "args");
		let mut env = Vec::new();
		let path = service.child("env");
		let list = service
			.get("env")
			.map_or(&[][..], |node| self.list(node, &path));
		for item in list {
			let Some(text) = self.text(item, &path) else {
				continue;
			};
			match text.split_once('=') {
				Some((key, value)) if !key.is_empty() => {
					env.push((key.to_owned(), value.to_owned()))
				}
				_ => self.error(item.at, &path, format!("`{text}` must be NAME=value")),
			}
		}
		(module, args, env)
	}

	/// (placement, profile, count)
	fn deployment(&mut self, deployment: &Map, name: &str) -> Option<(String, String, u32)> {
		let (service, entry) = self.only(deployment, "service")?;
		if service != name {
			let reason = format!("there is no service `{service}`");
			self.error(entry.at, &deployment.child(service), reason);
			return None;
		}
		let entry = self.map(entry, &deployment.child(service))?;
		let (placement, target) = self.only(&entry, "placement")?;
		let target = self.map(target, &entry.child(placement))?;
		self.only_known(&target, &["profile", "count"]);
		let how = "name a profile of `profiles.compute`";
		let profile = self.quantity(&target, "profile", how, |text| Some(text.to_owned()))?;
		let how = "write a number from 1 to 1000";
		let count = self.quantity(&target, "count", how, |text| {
			text.parse::<u32>().ok().filter(|n| (1..=1_000).contains(n))
		})?;
		if count > 1 {
			let reason = "this release runs one replica of a WASM job";
			self.error(target.at, &target.child("count"), reason);
		}
		Some((placement.to_owned(), profile, count))
	}

	fn storage(&mut self, resources: &Map) -> Option<u32> {
		let path = resources.child("storage");
		let Some(node) = resources.get("storage") else {
			self.error(resources.at, &path, "is missing");
			return None;
		};
		let volumes = match &node.kind {
			NodeKind::List(items) => items.iter().collect(),
			_ => vec![node],
		};
		let mut sum = 0u32;
		for volume in volumes {
			let volume = self.map(volume, &path)?;
			self.only_known(&volume, &["size", "name", "attributes"]);
			let how = "write `512Mi` or `1Gi`";
			let size = self.quantity(&volume, "size", how, quantity::mebibytes)?;
			sum = sum.saturating_add(size);
			if let Some(attributes) = volume.get("attributes") {
				let reason = "persistent storage is not offered by this release";
				self.error(attributes.at, &volume.child("attributes"), reason);
			}
		}
		Some(sum)
	}

	/// (attributes, price ceiling)
	fn placement(
		&mut self,
		placements: &Map,
		name: &str,
		profile: &str,
	) -> (Vec<(String, String)>, Option<u128>) {
		let Some(placement) = self.need(placements, name) else {
			return Default::default();
		};
		self.only_known(&placement, &["attributes", "signedBy", "pricing"]);
		let mut attributes = Vec::new();
		let wanted = placement.get("attributes").and_then(|node| {
			let path = placement.child("attributes");
			self.map(node, &path)
		});
		if let Some(wanted) = wanted {
			for (key, at, value) in wanted.items {
				let path = wanted.child(key);
				let Some(value) = self.text(value, &path) else {
					continue;
				};
				if key == "host" && value == "akash" {
					self.fault(Level::Warning, *at, &path, "`host: akash` is dropped");
				} else {
					attributes.push((key.clone(), value));
				}
			}
		}
		if attributes.len() > 8 {
			self.error(
				placement.at,
				&placement.child("attributes"),
				"at most eight are allowed",
			);
		}
		if attributes.iter().any(|(k, v)| k.len() > 64 || v.len() > 64) {
			let reason = "keys and values have at most 64 bytes";
			self.error(placement.at, &placement.child("attributes"), reason);
		}
		if let Some(node) = placement.get("signedBy") {
			let path = placement.child("signedBy");
			self.error(
				node.at,
				&path,
				"attestations are not offered by this release",
			);
		}
		let rate = self.need(&placement, "pricing").and_then(|pricing| {
			let price = self.need(&pricing, profile)?;
			self.only_known(&price, &["denom", "amount"]);
			let path = price.child("denom");
			let node = price.get("denom");
			let denomination = node.and_then(|node| self.text(node, &path));
			if denomination.as_deref() != Some("ulease") {
				let at = node.map_or(price.at, |node| node.at);
				let other = denomination.unwrap_or_default();
				let reason = format!("`{other}` is not `ulease`: the price sets no ceiling");
				self.fault(Level::Warning, at, &path, reason);
				return None;
			}
			self.quantity(
				&price,
				"amount",
				"write an amount in ulease a block",
				quantity::ulease,
			)
			.filter(|rate| *rate > 0)
		});
		(attributes, rate)
	}

	#[allow(clippy::type_complexity)]
	fn extra(&mut self, root: &Map, name: &str) -> (Kind, Vec<Input>, Vec<String>, Duration, u32) {
		let everything = || vec!["**".to_owned()];
		let plain = (Kind::Job, Vec::new(), everything(), DEFAULT_DURATION, 1);
		let Some(node) = root.get("x-leasehold") else {
			return plain;
		};
		let Some(extra) = self.map(node, "x-leasehold") else {
			return plain;
		};
		self.known(
			&extra,
			&["version", "services"],
			Level::Error,
			"is not a key of this format",
		);
		let how = "this program knows version 1";
		self.quantity(&extra, "version", how, |text| (text == "1").then_some(()));
		let Some(services) = extra
			.get("services")
			.and_then(|node| self.map(node, "x-leasehold.services"))
		else {
			return plain;
		};
		for (key, at, _) in services.items {
			if key != name {
				self.error(
					*at,
					&services.child(key),
					format!("there is no service `{key}`"),
				);
			}
		}
		let Some(node) = services.get(name) else {
			return plain;
		};
		let Some(service) = self.map(node, &services.child(name)) else {
			return plain;
		};
		let known = ["kind", "inputs", "outputs", "max_duration", "attempts"];
		self.known(
			&service,
			&known,
			Level::Error,
			"is not a key of this format",
		);
		if service.get("kind").is_some() {
			let how = "this release runs `job`";
			self.quantity(&service, "kind", how, |text| (text == "job").then_some(()));
		}
		let inputs = self.inputs(&service);
		let outputs = match service.get("outputs") {
			Some(node) => {
				let patterns = self.texts(&service, "outputs");
				let long = patterns.iter().any(|pattern| pattern.len() > MAX_PATTERN);
				if patterns.len() > MAX_PATTERNS || long {
					let reason = "at most 64 patterns of at most 512 bytes are allowed";
					self.error(node.at, &service.child("outputs"), reason);
				}
				patterns
			}
			None => everything(),
		};
		let max_duration = match service.get("max_duration") {
			Some(_) => self
				.quantity(
					&service,
					"max_duration",
					"write `90s`, `10m`, `2h` or `1d`, at most 30d",
					|t| quantity::duration(t).filter(|d| *d <= MAX_DURATION),
				)
				.unwrap_or(DEFAULT_DURATION),
			None => DEFAULT_DURATION,
		};
		let attempts = match service.get("attempts") {
			Some(_) => self
				.quantity(
					&service,
					"attempts",
					"write a number from 1 to 10",
					|text| text.parse().ok().filter(|n| (1..=MAX_ATTEMPTS).contains(n)),
				)
				.unwrap_or(1),
			None => 1,
		};
		(Kind::Job, inputs, outputs, max_duration, attempts)
	}

	fn inputs(&mut self, service: &Map) -> Vec<Input> {
		let path = service.child("inputs");
		let items = service
			.get("inputs")
			.map_or(&[][..], |node| self.list(node, &path));
		let mut inputs: Vec<Input> = Vec::new();
		for item in items {
			let Some(entry) = self.map(item, &path) else {
				continue;
			};
			self.known(
				&entry,
				&["from", "path"],
				Level::Error,
				"is not a key of this format",
			);
			let how = "name a file";
			let from = self.quantity(&entry, "from", how, |text| {
				(!text.is_empty()).then(|| text.to_owned())
			});
			let how = "name a relative path without `..`";
			let to = self.quantity(&entry, "path", how, |text| {
				is_safe_path(text).then(|| text.to_owned())
			});
			let (Some(from), Some(to)) = (from, to) else {
				continue;
			};
			if inputs.iter().any(|input| input.path == to) {
				self.error(
					entry.at,
					&entry.child("path"),
					format!("`{to}` stands twice"),
				);
			}
			inputs.push(Input { from, path: to });
		}
		inputs
	}
}
