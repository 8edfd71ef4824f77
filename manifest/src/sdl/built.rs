//! A deployed service: what its sections make of it together.

use super::{
	compute::RawCompute, expose::Seen, extra::Extra, groups::Sections, service::RawService, *,
};
use crate::{
	manifest::{is_mount, is_volume_name, Gpu, Medium, Program, Unit, Volume},
	quantity, Kind,
};
use std::collections::BTreeSet;

/// The image of a module that the tenant hands in.
const MODULE: &str = "wasm:";

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

impl Reader {
	/// A deployed service; faults stand where the service does.
	pub(super) fn built(
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
		if let (Some(_), Some(at)) = (module, extra.read_only) {
			let reason = "a module has no image that could be written over";
			self.error(at, &format!("{}.read_only", extra.key), reason);
		}
		let program = match module {
			_ if raw.image.is_empty() => {
				self.error(raw.at, &key("image"), "is missing");
				return None;
			}
			Some(path) => {
				self.module(raw, path, kind, &expose);
				if unit.gpu.is_some() || (kind == Kind::Job && !unit.volumes.is_empty()) {
					let reason = "a WASM job has one disk, and no module has a GPU";
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
			expose: match (module, kind) {
				(Some(_), Kind::Job) => Vec::new(),
				_ => expose,
			},
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
			read_only: extra.read_only.is_some(),
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
		if raw.credentials.is_some() {
			let reason = "is ignored: a module is handed in, not pulled";
			self.warn(raw.at, &key("credentials"), reason);
		}
		if kind == Kind::Job && !expose.is_empty() {
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
}
