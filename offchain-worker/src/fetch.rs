//! From where this machine fetches what a tenant names: public addresses only, or what the operator lists.
//!
//! The engine resolves the name again when it pulls, and follows redirects: a host that answers differently
//! the second time is kept out by the machine's own firewall only.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The rule.
#[derive(Clone, Debug, Default)]
pub struct Rule {
	/// Hosts, with their ports if they have any, that may have any address.
	allow: Vec<String>,
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
		Self {
			allow: allow.to_vec(),
		}
	}

	/// Whether something may be fetched from `host`, which may end with a port.
	pub async fn check(&self, host: &str) -> Result<(), Forbidden> {
		if self.allow.iter().any(|allowed| allowed == host) {
			return Ok(());
		}
		let unresolved = |why: String| Forbidden::Unresolved {
			host: host.to_owned(),
			why,
		};
		let has_port = host
			.rsplit_once(':')
			.is_some_and(|(_, port)| port.parse::<u16>().is_ok());
		let with_port = match has_port {
			true => host.to_owned(),
			false => format!("{host}:443"),
		};
		let resolved: Vec<SocketAddr> = tokio::net::lookup_host(&with_port)
			.await
			.map_err(|error| unresolved(error.to_string()))?
			.collect();
		if resolved.is_empty() {
			return Err(unresolved("it has no address".into()));
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
		Ok(())
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
		let rule = Rule::new(&["127.0.0.1:5000".to_owned()]);
		assert_eq!(rule.check("127.0.0.1:5000").await, Ok(()));
		for host in [
			"127.0.0.1",
			"127.0.0.1:5001",
			"localhost",
			"[::1]:5000",
			"169.254.169.254",
		] {
			let refused = rule.check(host).await;
			assert!(
				matches!(refused, Err(Forbidden::NotPublic { .. })),
				"{host}: {refused:?}"
			);
		}
		let unknown = rule.check("no-such-host.invalid").await.unwrap_err();
		assert!(unknown.may_pass(), "{unknown}");
	}
}
