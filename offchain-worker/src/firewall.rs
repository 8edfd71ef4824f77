//! The firewall table that shuts services off from the provider's machine, its network and each other.

use crate::{config::Config, executor::container::LEASE_PREFIX};
use anyhow::{bail, Context as _};
use clap::Args;
use ipnet::Ipv4Net;
use std::{
	fmt::Write as _,
	io::Write as _,
	net::Ipv4Addr,
	path::Path,
	process::{Command, Stdio},
};

/// Where no service gets: what is not a public address.
const CLOSED: [&str; 16] = [
	"0.0.0.0/8",
	"10.0.0.0/8",
	"100.64.0.0/10",
	"127.0.0.0/8",
	"168.63.129.16/32",
	"169.254.0.0/16",
	"172.16.0.0/12",
	"192.0.0.0/24",
	"192.0.2.0/24",
	"192.88.99.0/24",
	"192.168.0.0/16",
	"198.18.0.0/15",
	"198.51.100.0/24",
	"203.0.113.0/24",
	"224.0.0.0/4",
	"240.0.0.0/4",
];

/// Close the networks of services off.
///
/// Installs the nftables table `leasehold_RANGE` anew. It does not outlive a restart of the machine: have it installed
/// before `run`, as by `ExecStartPre=` of its systemd unit.
#[derive(Debug, Args)]
pub struct SetupNetwork {
	/// Write the table to standard output and install nothing.
	#[arg(long)]
	print: bool,
	/// Remove the table.
	#[arg(long, conflicts_with = "print")]
	remove: bool,
}

impl SetupNetwork {
	pub fn run(self, folder: &Path) -> anyhow::Result<()> {
		let config = Config::read(folder)?;
		let Some(containers) = &config.containers else {
			bail!("there is no section [containers]: no containers are run here, and modules need no table");
		};
		let pool = containers.networks;
		let name = name(pool);
		if self.remove {
			install(&format!("table inet {name}\ndelete table inet {name}\n"))?;
			println!("the table `{name}` is removed: services are not shut off");
			return Ok(());
		}
		let table = table(pool, &resolvers())?;
		if self.print {
			print!("{table}");
			return Ok(());
		}
		install(&table)?;
		println!("the table `{name}` is installed; a running daemon finds out within a minute");
		Ok(())
	}
}

fn install(table: &str) -> anyhow::Result<()> {
	let mut child = Command::new("nft")
		.args(["-f", "-"])
		.stdin(Stdio::piped())
		.stdout(Stdio::null())
		.stderr(Stdio::piped())
		.spawn()
		.context("starting `nft`: install nftables first")?;
	let mut input = child.stdin.take().context("the input of `nft`")?;
	input.write_all(table.as_bytes()).context("telling `nft`")?;
	drop(input);
	let output = child.wait_with_output().context("waiting for `nft`")?;
	if !output.status.success() {
		let why = String::from_utf8_lossy(&output.stderr);
		bail!("`nft` refuses the table (are you root?): {}", why.trim());
	}
	Ok(())
}

/// The name of the table of a pool: each provider of a machine has its own.
fn name(pool: Ipv4Net) -> String {
	format!("leasehold_{}", pool.to_string().replace(['.', '/'], "_"))
}

/// The servers that this machine asks for names: Docker has containers ask them.
fn resolvers() -> Vec<Ipv4Addr> {
	let text = std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
	let servers = text
		.lines()
		.filter_map(|line| line.strip_prefix("nameserver"));
	let servers = servers.filter_map(|server| server.trim().parse().ok());
	servers.filter(|ip: &Ipv4Addr| !ip.is_loopback()).collect()
}

/// The table, for services whose leases have their networks in a pool.
fn table(pool: Ipv4Net, resolvers: &[Ipv4Addr]) -> anyhow::Result<String> {
	let name = name(pool);
	let names: String =
		resolvers
			.iter()
			.map(|ip| {
				format!("\t\tip daddr {ip} udp dport 53 accept\n\t\tip daddr {ip} tcp dport 53 accept\n")
			})
			.collect();
	let mut same = String::new();
	for lease in pool.subnets(LEASE_PREFIX)? {
		let comma = if same.is_empty() { "" } else { ",\n\t\t\t" };
		write!(same, "{comma}{lease} . {lease}")?;
	}
	let closed = CLOSED.join(",\n\t\t\t");
	Ok(format!(
		"table inet {name}\n\
		 delete table inet {name}\n\
		 table inet {name} {{\n\
		 \t# Where no service gets.\n\
		 \tset closed {{\n\
		 \t\ttype ipv4_addr\n\
		 \t\tflags interval\n\
		 \t\tauto-merge\n\
		 \t\telements = {{ {closed} }}\n\
		 \t}}\n\
		 \t# Services of one lease: they are bridged, and some hosts filter that, too.\n\
		 \tset same_lease {{\n\
		 \t\ttype ipv4_addr . ipv4_addr\n\
		 \t\tflags interval\n\
		 \t\telements = {{ {same} }}\n\
		 \t}}\n\
		 \tchain input {{\n\
		 \t\ttype filter hook input priority filter - 10; policy accept;\n\
		 \t\tip saddr != {pool} accept\n\
		 \t\tct state established,related accept\n\
		 \t\t# Names: the engine's own server on the lease's gateway.\n\
		 \t\tip daddr {pool} udp dport 53 accept\n\
		 \t\tip daddr {pool} tcp dport 53 accept\n\
		 \t\tip saddr {pool} counter drop\n\
		 \t}}\n\
		 \tchain forward {{\n\
		 \t\ttype filter hook forward priority filter - 10; policy accept;\n\
		 \t\tip saddr != {pool} accept\n\
		 \t\tct state established,related accept\n\
		 \t\tip saddr . ip daddr @same_lease accept\n\
		 {names}\
		 \t\tip daddr @closed counter drop\n\
		 \t}}\n\
		 }}\n"
	))
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn the_table_knows_every_lease_and_what_is_closed() {
		let pool = "10.213.0.0/24".parse().unwrap();
		let table = table(pool, &[Ipv4Addr::new(192, 168, 1, 1)]).unwrap();
		for part in [
			"10.213.0.0/27 . 10.213.0.0/27,",
			"10.213.0.224/27 . 10.213.0.224/27 }",
			"169.254.0.0/16",
			"delete table inet leasehold_10_213_0_0_24\n",
			"\t\tip daddr 192.168.1.1 udp dport 53 accept\n",
			"ip saddr 10.213.0.0/24 counter drop",
		] {
			assert!(table.contains(part), "{part} is not in\n{table}");
		}
		assert_eq!(table.matches(" . 10.").count(), 8);
		for range in CLOSED {
			let range: Ipv4Net = range.parse().unwrap();
			for at in [range.network(), range.broadcast()] {
				assert!(!crate::fetch::is_public(at.into()), "{at}");
			}
		}
	}
}
