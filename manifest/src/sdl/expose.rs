//! `services.*.expose`: which ports are opened to whom.

use super::*;
use crate::{
	hostname::is_host,
	manifest::{Expose, HttpOptions, Protocol},
};

/// Largest body that the proxy lets through, bytes.
const MAX_BODY: u32 = 100 << 20;
/// Longest timeout of the proxy, milliseconds.
const MAX_TIMEOUT: u32 = 60_000;
/// Largest buffer for an answer's header, bytes.
const MAX_BUFFER: u32 = 1 << 20;
/// When the proxy may ask another replica.
const NEXT_CASES: [&str; 10] = [
	"off", "error", "timeout", "500", "502", "503", "504", "403", "404", "429",
];

/// A port, as it stands in the file.
pub(super) struct RawExpose {
	at: Place,
	key: String,
	port: u32,
	/// 0: as `port`.
	external: u32,
	protocol: String,
	to: Vec<RawTo>,
	accept: Vec<(String, Place)>,
	http: HttpOptions,
	/// What is wrong with the options; it counts if the service is deployed.
	http_faults: Vec<(Place, String, String)>,
}

struct RawTo {
	at: Place,
	service: String,
	global: bool,
	ip: String,
}

/// What is seen of the whole file while services are put together.
#[derive(Default)]
pub(super) struct Seen {
	/// Host names that are taken.
	hosts: std::collections::BTreeSet<String>,
	/// Whether anything is opened to the world.
	pub global: bool,
	/// Declared addresses that are used.
	pub addresses: std::collections::BTreeSet<String>,
	/// (address, port, protocol), by whom it is used.
	ports: std::collections::BTreeMap<(String, u32, String), String>,
}

impl Reader {
	pub(super) fn exposes(&mut self, service: &Map) -> Vec<RawExpose> {
		let path = service.child("expose");
		let mut all = Vec::new();
		for item in self.list(service, "expose") {
			let Some(map) = self.map(item, &path, item.at) else {
				continue;
			};
			self.only_known(
				&map,
				&["port", "as", "proto", "to", "accept", "http_options"],
			);
			let (port, external) = (self.number(&map, "port"), self.number(&map, "as"));
			let mut to = Vec::new();
			for item in self.list(&map, "to") {
				let Some(map) = self.map(item, &map.child("to"), item.at) else {
					continue;
				};
				self.only_known(&map, &["service", "global", "ip"]);
				to.push(RawTo {
					at: map.at,
					service: self.text_at(&map, "service"),
					global: self.flag(&map, "global"),
					ip: self.text_at(&map, "ip"),
				});
			}
			let mut accept = Vec::new();
			for item in self.list(&map, "accept") {
				if let Some(host) = self.text(item, &map.child("accept")) {
					accept.push((host, item.at));
				}
			}
			let (http, http_faults) = self.http_options(&map);
			let (Some(port), Some(external)) = (port, external) else {
				continue;
			};
			all.push(RawExpose {
				at: map.place("port"),
				key: map.key.clone(),
				port,
				external,
				protocol: self.text_at(&map, "proto"),
				to,
				accept,
				http,
				http_faults,
			});
		}
		all
	}

	#[allow(clippy::type_complexity)]
	fn http_options(&mut self, expose: &Map) -> (HttpOptions, Vec<(Place, String, String)>) {
		let mut options = HttpOptions::default();
		let mut faults = Vec::new();
		let Some(map) = self.child(expose, "http_options") else {
			return (options, faults);
		};
		let known = ["max_body_size", "read_timeout", "send_timeout"];
		let unheeded = [
			"proxy_buffer_size",
			"next_tries",
			"next_timeout",
			"next_cases",
		];
		self.only_known(&map, &[known.as_slice(), unheeded.as_slice()].concat());
		for (key, most, slot) in [
			("max_body_size", MAX_BODY, Some(&mut options.max_body_size)),
			("read_timeout", MAX_TIMEOUT, Some(&mut options.read_timeout)),
			("send_timeout", MAX_TIMEOUT, Some(&mut options.send_timeout)),
			("proxy_buffer_size", MAX_BUFFER, None),
			("next_tries", u32::MAX, None),
			("next_timeout", u32::MAX, None),
		] {
			let Some(value) = self.number(&map, key) else {
				continue;
			};
			if value > most {
				let reason = format!("must be at most {most}");
				faults.push((map.place(key), map.child(key), reason));
			} else if let (Some(slot), true) = (slot, value > 0) {
				*slot = value;
			}
		}
		let cases = self.texts(&map, "next_cases");
		let unknown = cases
			.iter()
			.find(|case| !NEXT_CASES.contains(&case.as_str()));
		let reason = match unknown {
			Some(case) => Some(format!("`{case}` is not one of {}", NEXT_CASES.join(", "))),
			None if cases.len() > 1 && cases.iter().any(|case| case == "off") => {
				Some("`off` stands alone".into())
			}
			None => None,
		};
		if let Some(reason) = reason {
			faults.push((map.place("next_cases"), map.child("next_cases"), reason));
		}
		for key in unheeded.iter().filter(|key| map.get(key).is_some()) {
			let reason = "is ignored: the proxy asks one replica and buffers nothing";
			self.warn(map.place(key), &map.child(key), reason);
		}
		(options, faults)
	}

	/// The ports of a service that is deployed.
	pub(super) fn opened(
		&mut self,
		name: &str,
		raw: &[RawExpose],
		services: &[&str],
		addresses: &[&str],
		seen: &mut Seen,
	) -> Vec<Expose> {
		let mut all = Vec::new();
		let opened: usize = raw.iter().map(|expose| expose.to.len().max(1)).sum();
		let hosts: usize = raw.iter().map(|expose| expose.accept.len()).sum();
		if let Some(first) = raw.first().filter(|_| opened > 256 || hosts > 256) {
			let reason = "at most 256 ports and 256 host names are allowed";
			self.error(first.at, &first.key, reason);
			return Vec::new();
		}
		for expose in raw {
			seen.global |= expose.to.iter().any(|to| to.global);
			for (at, key, reason) in &expose.http_faults {
				self.error(*at, key, reason);
			}
			let key = |key: &str| format!("{}.{key}", expose.key);
			let protocol = match expose.protocol.to_uppercase().as_str() {
				"" | "TCP" => Protocol::Tcp,
				"UDP" => Protocol::Udp,
				other => {
					let reason = format!("`{other}` is neither `tcp` nor `udp`");
					self.error(expose.at, &key("proto"), reason);
					continue;
				}
			};
			let external = if expose.external == 0 {
				expose.port
			} else {
				expose.external
			};
			let in_range = |port: u32| u16::try_from(port).ok().filter(|port| *port > 0);
			let (Some(port), Some(external)) = (in_range(expose.port), in_range(external)) else {
				let reason = "ports are numbers from 1 to 65535";
				self.error(expose.at, &key("port"), reason);
				continue;
			};
			let to_itself = [RawTo {
				at: expose.at,
				service: String::new(),
				global: false,
				ip: String::new(),
			}];
			let to = if expose.to.is_empty() {
				&to_itself[..]
			} else {
				&expose.to
			};
			for RawTo {
				at,
				service,
				global,
				ip,
			} in to
			{
				if !service.is_empty() {
					let reason = match services.contains(&service.as_str()) {
						true => format!(
							"is open to all services of the lease, not to `{service}` alone"
						),
						false => format!("there is no service `{service}`: ignored"),
					};
					self.warn(*at, &key("to.service"), reason);
				}
				if !ip.is_empty() {
					if !global {
						let reason = "an address of its own needs `global: true`";
						self.error(*at, &key("to.ip"), reason);
					}
					if !addresses.contains(&ip.as_str()) {
						let reason = format!("`endpoints` declares no `{ip}`");
						self.error(*at, &key("to.ip"), reason);
					}
					let (as_written, proto) = (expose.external, expose.protocol.clone());
					let place = (ip.clone(), as_written, proto);
					if let Some(other) = seen.ports.insert(place, name.to_owned()) {
						let reason = format!("this port of `{ip}` is taken by `{other}`");
						self.error(*at, &key("to.ip"), reason);
					}
					seen.addresses.insert(ip.clone());
				}
				for (host, at) in &expose.accept {
					if !is_host(host) {
						let reason = format!("`{host}` is no host name in small letters");
						self.error(*at, &key("accept"), reason);
					} else if !seen.hosts.insert(host.clone()) {
						let reason = format!("the host name `{host}` is used twice");
						self.error(*at, &key("accept"), reason);
					} else if !(*global && external == 80 && protocol == Protocol::Tcp) {
						let reason = "only what is global as port 80 goes by host names";
						self.warn(*at, &key("accept"), reason);
					}
				}
				all.push(Expose {
					port,
					external,
					protocol,
					global: *global,
					ip: (!ip.is_empty()).then(|| ip.clone()),
					hosts: expose.accept.iter().map(|(host, _)| host.clone()).collect(),
					http: expose.http,
				});
			}
		}
		all
	}
}
