//! From where this machine fetches what a tenant names: public addresses only, or what the operator lists. Who fetches
//! goes to the addresses that were judged, and to no others.

use std::{
	net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
	sync::OnceLock,
};

/// The rule.
#[derive(Clone, Debug, Default)]
pub struct Rule {
	/// What may have any address.
	listed: Vec<Listed>,
}

/// A host that an operator lists.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Listed {
	host: String,
	port: u16,
	/// Spoken to without TLS.
	is_plain: bool,
}

/// What an entry begins with whose host is spoken to without TLS.
const PLAIN: &str = "http://";

/// Host and port; `otherwise`, if there is none.
fn host_and_port(text: &str, otherwise: u16) -> (&str, u16) {
	let parts = text.rsplit_once(':');
	let parts = parts.and_then(|(host, port)| Some((host, port.parse().ok()?)));
	parts.unwrap_or((text, otherwise))
}

/// Why nothing is fetched from a host.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Forbidden {
	#[error("`{host}` has the address {address}, which is not public")]
	NotPublic { host: String, address: IpAddr },
	#[error("`{host}` is this machine itself: {address}")]
	Own { host: String, address: IpAddr },
	#[error("`{host}` cannot be resolved: {why}")]
	Unresolved { host: String, why: String },
}

impl Forbidden {
	/// Whether it may be otherwise in a while.
	pub fn may_pass(&self) -> bool {
		matches!(self, Self::Unresolved { .. })
	}
}

impl Rule {
	/// The rule of an operator who lists these hosts.
	pub fn new(allow: &[String]) -> Self {
		let listed = allow.iter().map(|entry| {
			let bare = entry.strip_prefix(PLAIN);
			let otherwise = if bare.is_some() { 80 } else { 443 };
			let (host, port) = host_and_port(bare.unwrap_or(entry), otherwise);
			Listed {
				host: host.to_owned(),
				port,
				is_plain: bare.is_some(),
			}
		});
		Self {
			listed: listed.collect(),
		}
	}

	/// Whether a host is spoken to without TLS, as an image names it: with the usual port, if it names none.
	pub fn is_plain(&self, host: &str) -> bool {
		let (host, port) = host_and_port(host, 80);
		let mut listed = self.listed.iter();
		listed.any(|one| one.is_plain && (one.host.as_str(), one.port) == (host, port))
	}

	/// Whether the operator lists a host, with a port.
	pub fn lists(&self, host: &str) -> bool {
		let (host, port) = host_and_port(host, 443);
		let mut listed = self.listed.iter();
		listed.any(|one| (one.host.as_str(), one.port) == (host, port))
	}

	/// The addresses of `host`, which may end with a port, if something may be fetched from it. They have no port.
	pub async fn resolve(&self, host: &str) -> Result<Vec<SocketAddr>, Forbidden> {
		let unresolved = |why: String| Forbidden::Unresolved {
			host: host.to_owned(),
			why,
		};
		let (name, _) = host_and_port(host, 0);
		let resolved: Vec<SocketAddr> = tokio::net::lookup_host(format!("{name}:0"))
			.await
			.map_err(|error| unresolved(error.to_string()))?
			.collect();
		if resolved.is_empty() {
			return Err(unresolved("it has no address".into()));
		}
		if self.lists(host) {
			return Ok(resolved);
		}
		let own = own_addresses();
		for address in resolved.iter().map(SocketAddr::ip) {
			let host = host.to_owned();
			if !is_public(address) {
				return Err(Forbidden::NotPublic { host, address });
			}
			if own.contains(&address.to_canonical()) {
				return Err(Forbidden::Own { host, address });
			}
		}
		Ok(resolved)
	}
}

/// The certificates that this machine trusts.
pub fn roots() -> Result<&'static [reqwest::Certificate], String> {
	static ROOTS: OnceLock<Vec<reqwest::Certificate>> = OnceLock::new();
	let roots = ROOTS.get_or_init(|| {
		let all = rustls_native_certs::load_native_certs().certs;
		let read = all.iter().map(|der| reqwest::Certificate::from_der(der));
		read.filter_map(Result::ok).collect()
	});
	match roots.is_empty() {
		true => {
			Err("this machine trusts no certificates: install its package `ca-certificates`".into())
		}
		false => Ok(roots),
	}
}

/// The addresses of this machine.
pub fn own_addresses() -> Vec<IpAddr> {
	let all = if_addrs::get_if_addrs().unwrap_or_default().into_iter();
	all.map(|one| one.ip().to_canonical()).collect()
}

/// Whether an address belongs to the public internet.
pub fn is_public(address: IpAddr) -> bool {
	match address.to_canonical() {
		IpAddr::V4(v4) => is_public_v4(v4),
		IpAddr::V6(v6) => is_public_v6(v6),
	}
}

fn is_public_v4(address: Ipv4Addr) -> bool {
	let [a, b, c, _] = address.octets();
	let shared = a == 100 && (b & 0b1100_0000) == 64;
	let protocols = (a, b, c) == (192, 0, 0);
	let relays = (a, b, c) == (192, 88, 99);
	// A cloud's own, from within its machines.
	let wire = address == Ipv4Addr::new(168, 63, 129, 16);
	let benchmarks = a == 198 && (b & 0b1111_1110) == 18;
	!(a == 0
		|| a >= 240
		|| shared
		|| protocols
		|| relays
		|| wire
		|| benchmarks
		|| address.is_loopback()
		|| address.is_private()
		|| address.is_link_local()
		|| address.is_multicast()
		|| address.is_documentation())
}

fn is_public_v6(address: Ipv6Addr) -> bool {
	let [a, b, ..] = address.segments();
	let [.., y, z] = address.segments();
	let last = |high: u16, low: u16| {
		let ([w, x], [y, z]) = (high.to_be_bytes(), low.to_be_bytes());
		Ipv4Addr::new(w, x, y, z)
	};
	match (a, b) {
		// Translated to IPv4 (RFC 6052), and 6to4: as public as the address within.
		(0x64, 0xff9b) => address.segments()[2..6] == [0; 4] && is_public_v4(last(y, z)),
		(0x2002, _) => is_public_v4(last(b, address.segments()[2])),
		// Teredo and other protocols' own, documentation.
		(0x2001, 0..=0x01ff | 0x0db8) => false,
		(0x3fff, 0..=0x0fff) => false,
		// Global unicast: 2000::/3.
		_ => a & 0xe000 == 0x2000,
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn only_the_public_internet_is_public() {
		for text in [
			"1.1.1.1",
			"9.9.9.9",
			"172.32.0.1",
			"100.128.0.1",
			"2606:4700::1111",
			"::ffff:1.1.1.1",
		] {
			assert!(is_public(text.parse().unwrap()), "{text}");
		}
		for text in [
			"0.0.0.0",
			"127.0.0.1",
			"127.8.9.10",
			"10.0.0.1",
			"172.16.0.1",
			"192.168.1.1",
			"169.254.169.254",
			"100.64.0.1",
			"100.127.255.255",
			"192.0.0.1",
			"192.0.2.1",
			"198.18.0.1",
			"203.0.113.1",
			"224.0.0.1",
			"240.0.0.1",
			"255.255.255.255",
			"::",
			"::1",
			"::ffff:127.0.0.1",
			"::ffff:10.0.0.1",
			"::7f00:1",
			"64:ff9b::a00:1",
			"64:ff9b:1::808:808",
			"2002:a00:1::",
			"2001::1",
			"2001:db8::1",
			"fc00::1",
			"fd12:3456::1",
			"fe80::1",
			"fec0::1",
			"ff02::1",
		] {
			assert!(!is_public(text.parse().unwrap()), "{text}");
		}
	}

	#[tokio::test]
	async fn hosts_are_judged_by_every_address_unless_they_are_listed() {
		let entries = [
			"127.0.0.1:5000",
			"http://127.0.0.2:5002",
			"http://127.0.0.3",
			"127.0.0.4",
		];
		let rule = Rule::new(&entries.map(str::to_owned));
		for (host, is_plain) in [
			("127.0.0.1:5000", false),
			("127.0.0.2:5002", true),
			("127.0.0.3:80", true),
			("127.0.0.4", false),
			("127.0.0.4:443", false),
		] {
			let found = rule.resolve(host).await.unwrap();
			let all: Vec<_> = found.iter().map(|one| one.to_string()).collect();
			assert_eq!(all, [format!("{}:0", host.split(':').next().unwrap())]);
			assert_eq!(rule.is_plain(host), is_plain, "{host}");
		}
		assert!(rule.is_plain("127.0.0.3") && !rule.is_plain("127.0.0.3:8080"));
		for host in [
			"127.0.0.1",
			"127.0.0.1:5001",
			"127.0.0.2",
			"127.0.0.4:80",
			"localhost",
			"[::1]:5000",
			"169.254.169.254",
		] {
			let refused = rule.resolve(host).await;
			assert!(
				matches!(refused, Err(Forbidden::NotPublic { .. })),
				"{host}: {refused:?}"
			);
		}
		let unknown = rule.resolve("no-such-host.invalid").await.unwrap_err();
		assert!(unknown.may_pass(), "{unknown}");
	}
}
