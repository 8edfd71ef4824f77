//! `x-leasehold`: what Akash's SDL has no words for.

use super::*;
use crate::{
	files::{is_safe_path, MAX_PATTERN, MAX_PATTERNS},
	manifest::{Health, Probe, MAX_ATTEMPTS, MAX_SECONDS},
	quantity,
	yaml::NodeKind,
	Kind,
};
use std::{collections::BTreeMap, time::Duration};

/// What one attempt of a job may take if the file does not say.
const DEFAULT_DURATION: Duration = Duration::from_secs(3_600);

/// What is said of a service beyond SDL.
#[derive(Clone)]
pub(crate) struct Extra {
	pub at: Place,
	pub key: String,
	pub kind: Option<Kind>,
	pub inputs: Vec<LocalFile>,
	pub outputs: Vec<String>,
	pub max_duration: u64,
	pub attempts: u32,
	pub health: Option<Health>,
	/// Where it is said, if nothing may be written over its image.
	pub read_only: Option<Place>,
}

impl Extra {
	/// For a service of which nothing is said.
	pub fn none(at: Place) -> Self {
		Self {
			at,
			key: String::new(),
			kind: None,
			inputs: Vec::new(),
			outputs: vec!["**".into()],
			max_duration: DEFAULT_DURATION.as_secs(),
			attempts: 1,
			health: None,
			read_only: None,
		}
	}
}

impl Reader {
	/// By service.
	pub(crate) fn extras<'a>(&mut self, root: &Map<'a>) -> BTreeMap<&'a str, Extra> {
		let mut all = BTreeMap::new();
		let Some(extra) = self.child(root, "x-leasehold") else {
			return all;
		};
		self.only(&extra, &["version", "services"]);
		let how = "this program knows version 1";
		self.quantity(&extra, "version", how, |text| (text == "1").then_some(()));
		let Some(services) = self.child(&extra, "services") else {
			return all;
		};
		for (name, at, node) in services.items() {
			if let Some(service) = self.map(node, &services.child(name), at) {
				all.insert(name, self.extra(&service));
			}
		}
		all
	}

	fn extra(&mut self, service: &Map) -> Extra {
		let known = [
			"kind",
			"inputs",
			"outputs",
			"max_duration",
			"attempts",
			"health",
			"read_only",
		];
		self.only(service, &known);
		let none = Extra::none(service.at);
		let kind =
			self.quantity_or(
				service,
				"kind",
				"write `job` or `service`",
				None,
				|text| match text {
					"job" => Some(Some(Kind::Job)),
					"service" => Some(Some(Kind::Service)),
					_ => None,
				},
			);
		let outputs = match service.get("outputs") {
			Some(_) => self.texts(service, "outputs"),
			None => none.outputs,
		};
		let long = |pattern: &String| pattern.len() > MAX_PATTERN;
		if outputs.len() > MAX_PATTERNS || outputs.iter().any(long) {
			let reason = "at most 64 patterns of at most 512 bytes are allowed";
			self.error(service.place("outputs"), &service.child("outputs"), reason);
		}
		let how = "write `90s`, `10m`, `2h` or `1d`, at most 30d";
		let most = Duration::from_secs(MAX_SECONDS);
		let time = self.quantity_or(service, "max_duration", how, DEFAULT_DURATION, |text| {
			quantity::duration(text).filter(|time| *time <= most)
		});
		let how = "write a number from 1 to 10";
		let attempts = self.quantity_or(service, "attempts", how, 1, |text| {
			text.parse().ok().filter(|n| (1..=MAX_ATTEMPTS).contains(n))
		});
		let health = self.child(service, "health");
		let read_only = self.flag(service, "read_only");
		Extra {
			at: service.at,
			key: service.key.clone(),
			kind,
			inputs: self.inputs(service),
			outputs,
			max_duration: time.as_secs(),
			attempts,
			health: health.and_then(|health| self.health(&health)),
			read_only: read_only.then(|| service.place("read_only")),
		}
	}

	fn health(&mut self, map: &Map) -> Option<Health> {
		let probes = ["exec", "tcp", "http"];
		let numbers = ["interval", "timeout", "retries", "start_period"];
		self.only(map, &[probes.as_slice(), numbers.as_slice()].concat());
		let named: Vec<_> = probes.iter().filter(|key| map.get(key).is_some()).collect();
		let [probe] = named.as_slice() else {
			let reason = "needs one of `exec: [command]`, `tcp: port`, `http: {port, path}`";
			self.error(map.at, &map.key, reason);
			return None;
		};
		let port = |reader: &mut Self, map: &Map, key: &str| {
			let how = "write a port, 1 to 65535";
			reader.quantity(map, key, how, |text| {
				text.parse::<u16>().ok().filter(|port| *port > 0)
			})
		};
		let probe = match **probe {
			"exec" => {
				let command = self.texts(map, "exec");
				if command.is_empty() {
					self.error(map.place("exec"), &map.child("exec"), "needs a command");
				}
				Probe::Exec(command)
			}
			"tcp" => Probe::Tcp(port(self, map, "tcp")?),
			_ => {
				let http = self.child(map, "http")?;
				self.only(&http, &["port", "path"]);
				let how = "write a path that begins with `/`";
				let path = self.quantity_or(&http, "path", how, "/".to_owned(), |text| {
					let plain = text.bytes().all(|b| b.is_ascii_graphic());
					(text.starts_with('/') && plain).then(|| text.to_owned())
				});
				let port = port(self, &http, "port")?;
				Probe::Http { port, path }
			}
		};
		let mut seconds = |key: &str, otherwise: u32| {
			let how = "write `10s` or `1m`, at most 1h";
			self.quantity_or(map, key, how, otherwise, |text| {
				let seconds = quantity::duration(text)?.as_secs();
				u32::try_from(seconds).ok().filter(|n| *n <= 3_600)
			})
		};
		let (interval, timeout) = (seconds("interval", 30), seconds("timeout", 5));
		let start_period = seconds("start_period", 0);
		Some(Health {
			probe,
			interval,
			timeout,
			retries: self.retries(map),
			start_period,
		})
	}

	/// Failures in a row of a health check after which a replica is restarted.
	pub(crate) fn retries(&mut self, check: &Map) -> u32 {
		let how = "write a number from 1 to 100";
		self.quantity_or(check, "retries", how, 3, |text| {
			text.parse().ok().filter(|n| (1..=100).contains(n))
		})
	}

	fn inputs(&mut self, service: &Map) -> Vec<LocalFile> {
		let path = service.child("inputs");
		let mut inputs: Vec<LocalFile> = Vec::new();
		for item in self.list(service, "inputs") {
			if !matches!(item.kind, NodeKind::Map(_)) {
				let reason = "must be `{ from: ./file, path: name }`";
				self.error(item.at, &path, reason);
				continue;
			}
			let Some(entry) = self.map(item, &path, item.at) else {
				continue;
			};
			self.only(&entry, &["from", "path"]);
			let from = self.quantity(&entry, "from", "name a file", |text| {
				(!text.is_empty()).then(|| text.to_owned())
			});
			let how = "name a relative path without `..`";
			let to = self.quantity(&entry, "path", how, |text| {
				is_safe_path(text).then(|| text.to_owned())
			});
			let (Some(from), Some(to)) = (from, to) else {
				continue;
			};
			if from.starts_with('/') || from.split('/').any(|part| part == "..") {
				let reason = format!("`{from}` stands outside the file's own folder, and is sent");
				self.warn(entry.at, &entry.child("from"), reason);
			}
			if inputs.iter().any(|input| input.path == to) {
				let reason = format!("`{to}` stands twice");
				self.error(entry.at, &entry.child("path"), reason);
			}
			inputs.push(LocalFile { from, path: to });
		}
		inputs
	}
}
