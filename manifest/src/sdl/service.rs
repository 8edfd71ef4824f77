//! `services`: what runs.

use super::{expose::RawExpose, *};
use crate::manifest::Credentials;
use std::collections::BTreeMap;

/// A service, as it stands in the file.
pub(super) struct RawService {
	pub at: Place,
	pub key: String,
	pub image: String,
	pub image_at: Place,
	pub command: Vec<String>,
	pub args: Vec<String>,
	pub env: Vec<(String, Place)>,
	pub expose: Vec<RawExpose>,
	/// Services that are started first.
	pub after: Vec<(String, Place)>,
	/// (volume, mount, read only, place)
	pub mounts: Vec<(String, String, bool, Place)>,
	pub tee: Option<(String, Place)>,
	pub credentials: Option<(Credentials, Place)>,
}

impl Reader {
	pub(super) fn services<'a>(&mut self, services: &Map<'a>) -> BTreeMap<&'a str, RawService> {
		let mut all = BTreeMap::new();
		for (name, at, node) in services.items() {
			if let Some(service) = self.map(node, &services.child(name), at) {
				all.insert(name, self.service(&service));
			}
		}
		all
	}

	fn service(&mut self, service: &Map) -> RawService {
		let known = [
			"image",
			"command",
			"args",
			"env",
			"expose",
			"dependencies",
			"depends_on",
			"params",
			"credentials",
		];
		self.only_known(service, &known);
		let mut env = Vec::new();
		for item in self.list(service, "env") {
			if let Some(text) = self.text(item, &service.child("env")) {
				env.push((text, item.at));
			}
		}
		let mut after = Vec::new();
		for item in self.list(service, "dependencies") {
			let path = service.child("dependencies");
			if let Some(map) = self.map(item, &path, item.at) {
				self.only_known(&map, &["service"]);
				after.push((self.text_at(&map, "service"), item.at));
			}
		}
		self.depends_on(service, &mut after);
		let (mounts, tee) = self.params(service);
		let credentials = self.child(service, "credentials").map(|map| {
			self.only_known(&map, &["host", "email", "username", "password"]);
			let credentials = Credentials {
				host: self.text_at(&map, "host"),
				username: self.text_at(&map, "username"),
				password: self.text_at(&map, "password"),
			};
			(credentials, map.at)
		});
		RawService {
			at: service.at,
			key: service.key.clone(),
			image: self.text_at(service, "image"),
			image_at: service.place("image"),
			command: self.texts(service, "command"),
			args: self.texts(service, "args"),
			env,
			expose: self.exposes(service),
			after,
			mounts,
			tee,
			credentials,
		}
	}

	/// `depends_on`, which Akash ignores: what is not understood is warned about, not refused.
	pub(crate) fn depends_on(&mut self, service: &Map, after: &mut Vec<(String, Place)>) {
		use crate::yaml::NodeKind;
		let Some(node) = service.get("depends_on") else {
			return;
		};
		let path = service.child("depends_on");
		match &node.kind {
			NodeKind::List(items) => {
				for item in items {
					match &item.kind {
						NodeKind::Scalar { text, .. } => after.push((text.clone(), item.at)),
						_ => self.warn(item.at, &path, "is not a service's name: ignored"),
					}
				}
			}
			NodeKind::Map(items) => {
				after.extend(items.iter().map(|(name, at, _)| (name.clone(), *at)));
			}
			NodeKind::Scalar { text, .. } => after.push((text.clone(), node.at)),
		}
	}

	#[allow(clippy::type_complexity)]
	fn params(
		&mut self,
		service: &Map,
	) -> (Vec<(String, String, bool, Place)>, Option<(String, Place)>) {
		let Some(params) = self.child(service, "params") else {
			return Default::default();
		};
		self.only_known(&params, &["storage", "permissions", "tee"]);
		let mut mounts = Vec::new();
		if let Some(storage) = self.child(&params, "storage") {
			for (name, at, node) in storage.items() {
				let Some(map) = self.map(node, &storage.child(name), at) else {
					continue;
				};
				self.only_known(&map, &["mount", "readOnly"]);
				let mount = self.text_at(&map, "mount");
				mounts.push((name.to_owned(), mount, self.flag(&map, "readOnly"), at));
			}
		}
		if let Some(permissions) = self.child(&params, "permissions") {
			let _ = self.texts(&permissions, "read");
			let reason = "is ignored: workloads see nothing of the cluster they run in";
			self.warn(permissions.at, &permissions.key, reason);
		}
		let tee = self.text_at(&params, "tee");
		let tee = (!tee.is_empty()).then(|| (tee, params.place("tee")));
		(mounts, tee)
	}
}
