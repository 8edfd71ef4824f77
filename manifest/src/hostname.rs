//! Host names of services: `SERVICE-LEASE.DOMAIN`, one for each.

use crate::is_label;

/// Longest label of a host name, bytes.
const LONGEST: usize = 63;

/// What a host name says, below the provider's domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
	pub service: String,
	pub lease: u64,
}

impl Name {
	/// Reads a host name, in small letters, below a domain.
	pub fn read(host: &str, domain: &str) -> Option<Self> {
		let label = host.strip_suffix(domain)?.strip_suffix('.')?;
		let (service, lease) = label.rsplit_once('-')?;
		let number: u64 = lease.parse().ok()?;
		// One name each.
		(label.len() <= LONGEST && lease == number.to_string() && is_label(service)).then(|| Self {
			service: service.to_owned(),
			lease: number,
		})
	}

	/// The host name below a domain; `None` if that is longer than names may be.
	pub fn host(service: &str, lease: u64, domain: &str) -> Option<String> {
		let label = format!("{service}-{lease}");
		(label.len() <= LONGEST).then(|| format!("{label}.{domain}"))
	}
}

/// A host without port, in small letters and without the last dot. No address is meant.
pub fn without_port(host: &str) -> String {
	let host = host.split_once(':').map_or(host, |(host, _)| host);
	host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase()
}

/// Whether a name can be a host's.
pub fn is_host(name: &str) -> bool {
	let label = |label: &str| {
		!label.is_empty()
			&& label
				.bytes()
				.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
			&& !label.starts_with('-')
			&& !label.ends_with('-')
	};
	name.len() <= 253 && name.split('.').all(label)
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn a_name_is_read_back_and_has_one_form() {
		let read = |host: &str| Name::read(host, "leases.example.org");
		let name = |service: &str, lease| {
			Some(Name {
				service: service.into(),
				lease,
			})
		};
		assert_eq!(read("web-7.leases.example.org"), name("web", 7));
		assert_eq!(read("my-web-7.leases.example.org"), name("my-web", 7));
		for none in [
			"web.leases.example.org",
			"web-07.leases.example.org",
			"web-+7.leases.example.org",
			"web-.leases.example.org",
			"-7.leases.example.org",
			"a.web-7.leases.example.org",
			"leases.example.org",
			".leases.example.org",
			"web-7.leases.example.com",
			"web-7evil.leases.example.org",
			"web-7xleases.example.org",
			"web-99999999999999999999.leases.example.org",
			&format!("{}-7.leases.example.org", "w".repeat(62)),
			"",
		] {
			assert_eq!(read(none), None, "{none}");
		}
		assert_eq!(
			without_port("My-Web-7.Example.ORG.:80"),
			"my-web-7.example.org"
		);
		let host = Name::host("my-web", 7, "leases.example.org").unwrap();
		assert_eq!(read(&host), name("my-web", 7));
		assert_eq!(Name::host(&"w".repeat(62), 7, "x"), None);
	}
}
