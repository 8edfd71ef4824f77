//! An estimate of the energy that leases use.
//!
//! Where the processor counts its energy (RAPL), what its packages used is shared out by computing time: each lease has
//! the part of it that it had of all time that the machine computed. Elsewhere each second of a core counts for as many
//! watts as the operator has named.

use super::process::{micros, number};
use std::{
	collections::BTreeMap,
	path::{Path, PathBuf},
};

const POWERCAP: &str = "/sys/class/powercap";

/// A package of the processor.
struct Package {
	counter: PathBuf,
	/// Where the counter begins anew, microjoules.
	range: u64,
	last: u64,
}

pub struct Energy {
	packages: Vec<Package>,
	/// Microseconds that the machine had computed.
	busy: u64,
	milliwatts_per_core: u64,
}

/// The packages whose counters may be read.
fn packages(powercap: &Path) -> Vec<Package> {
	let entries = std::fs::read_dir(powercap).into_iter().flatten().flatten();
	let packages = entries.filter_map(|entry| {
		let name = entry.file_name();
		// `intel-rapl:0` is a package, `intel-rapl:0:1` a part of it. AMD's have the same name.
		let number_of_it = name.to_str()?.strip_prefix("intel-rapl:")?;
		number_of_it.parse::<u32>().ok()?;
		// Of some machines all of it is counted, too, in a zone beside its packages.
		let zone = std::fs::read_to_string(entry.path().join("name")).ok()?;
		if !zone.starts_with("package") {
			return None;
		}
		let counter = entry.path().join("energy_uj");
		Some(Package {
			last: number(&counter)?,
			range: number(&entry.path().join("max_energy_range_uj"))?,
			counter,
		})
	});
	packages.collect()
}

/// Microseconds that all cores have computed, by `/proc/stat`.
fn busy(text: &str) -> u64 {
	let line = text.lines().find_map(|line| line.strip_prefix("cpu "));
	let fields: Vec<u64> = line
		.unwrap_or_default()
		.split_whitespace()
		.map(|field| field.parse().unwrap_or(0))
		.collect();
	// All but idle and waiting for disks; guests are in the first two already.
	let ticks = [0, 1, 2, 5, 6, 7].iter().fold(0u64, |sum, n| {
		sum.saturating_add(fields.get(*n).copied().unwrap_or(0))
	});
	micros(ticks)
}

fn busy_now() -> u64 {
	busy(&std::fs::read_to_string("/proc/stat").unwrap_or_default())
}

impl Energy {
	pub fn new(milliwatts_per_core: u64) -> Self {
		Self::with(Path::new(POWERCAP), milliwatts_per_core)
	}

	fn with(powercap: &Path, milliwatts_per_core: u64) -> Self {
		Self {
			packages: packages(powercap),
			busy: busy_now(),
			milliwatts_per_core,
		}
	}

	/// How it is estimated, in words.
	pub fn method(&self) -> String {
		match self.packages.len() {
			0 => {
				let watts = self.milliwatts_per_core;
				format!(
					"an estimate: {}.{:03} W for each core that computes",
					watts / 1_000,
					watts % 1_000
				)
			}
			n => format!(
				"the processor's own count (RAPL, {n} packages), shared out by computing time"
			),
		}
	}

	/// Microjoules that the packages have used since the last look.
	fn used(&mut self) -> u64 {
		self.packages.iter_mut().fold(0, |sum, package| {
			let Some(now) = number(&package.counter) else {
				return sum;
			};
			let more = match now.checked_sub(package.last) {
				Some(more) => more,
				None => package
					.range
					.saturating_sub(package.last)
					.saturating_add(now),
			};
			package.last = now;
			u64::saturating_add(sum, more)
		})
	}

	/// Microjoules of each lease since the last look, by the microseconds that it has computed.
	pub fn shared_out(&mut self, computed: &BTreeMap<u64, u64>) -> BTreeMap<u64, u64> {
		self.share(computed, busy_now())
	}

	fn share(&mut self, computed: &BTreeMap<u64, u64>, busy: u64) -> BTreeMap<u64, u64> {
		let all = computed
			.values()
			.fold(0u64, |sum, more| sum.saturating_add(*more));
		// The clocks differ by a tick: nobody has more than there is.
		let machine = busy.saturating_sub(self.busy).max(all).max(1);
		self.busy = busy;
		let part = match self.packages.is_empty() {
			// Microseconds times milliwatts are nanojoules.
			true => (self.milliwatts_per_core, 1_000),
			false => (self.used(), machine),
		};
		let of = |micros: u64| {
			let energy = u128::from(micros).saturating_mul(part.0.into());
			let energy = energy.checked_div(part.1.into()).unwrap_or(0);
			u64::try_from(energy).unwrap_or(u64::MAX)
		};
		computed
			.iter()
			.map(|(lease, micros)| (*lease, of(*micros)))
			.collect()
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	fn leases() -> BTreeMap<u64, u64> {
		BTreeMap::from([(1, 3_000_000), (2, 1_000_000)])
	}

	#[test]
	fn a_core_that_computes_counts_for_its_watts() {
		let none = tempfile::tempdir().unwrap();
		let mut energy = Energy::with(none.path(), 7_500);
		assert!(energy.method().contains("7.500 W"), "{}", energy.method());
		let shares = energy.share(&leases(), 0);
		assert_eq!(shares, BTreeMap::from([(1, 22_500_000), (2, 7_500_000)]));
	}

	#[test]
	fn what_the_packages_used_is_shared_out() {
		let folder = tempfile::tempdir().unwrap();
		let write = |package: &str, name: &str, n: u64| {
			let at = folder.path().join(package);
			std::fs::create_dir_all(&at).unwrap();
			std::fs::write(at.join(name), format!("{n}\n")).unwrap();
		};
		for (zone, name) in [
			("intel-rapl:0", "package-0"),
			("intel-rapl:1", "package-1"),
			("intel-rapl:2", "psys"),
			("intel-rapl:0:0", "core"),
		] {
			write(zone, "max_energy_range_uj", 1_000);
			write(zone, "energy_uj", 900);
			std::fs::write(folder.path().join(zone).join("name"), format!("{name}\n")).unwrap();
		}
		std::fs::create_dir_all(folder.path().join("intel-rapl")).unwrap();
		let mut energy = Energy::with(folder.path(), 7_500);
		assert!(
			energy.method().contains("2 packages"),
			"{}",
			energy.method()
		);
		energy.busy = 0;
		write("intel-rapl:0", "energy_uj", 950);
		// This one has begun anew.
		write("intel-rapl:1", "energy_uj", 50);
		let shares = energy.share(&leases(), 8_000_000);
		assert_eq!(shares, BTreeMap::from([(1, 75), (2, 25)]));
		// More than the machine is said to have computed.
		write("intel-rapl:0", "energy_uj", 990);
		let shares = energy.share(&leases(), 8_000_000);
		assert_eq!(shares, BTreeMap::from([(1, 30), (2, 10)]));
	}

	#[test]
	fn idle_time_is_not_computing() {
		let text = "cpu  100 10 20 9999 888 1 2 3 50 0\ncpu0 1 1 1 1\n";
		let hertz = rustix::param::clock_ticks_per_second();
		assert_eq!(busy(text), 136 * 1_000_000 / hertz);
		assert_eq!(busy("rubbish"), 0);
	}
}
