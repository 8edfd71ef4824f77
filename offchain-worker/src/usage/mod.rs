//! What leases use: computing time, memory, network and energy, and a small history of that.

mod energy;
mod process;

pub use process::{value, Process};

use crate::{daemon::Shared, reconcile::unix_now, store::write_whole};
use energy::Energy;
use process::{Counters, Read};
use serde::{Deserialize, Serialize};
use std::{
	collections::{BTreeMap, HashMap, VecDeque},
	path::{Path, PathBuf},
	sync::{Arc, Mutex, PoisonError},
	time::{Duration, Instant},
};

/// How often it is looked what is used.
const LOOK: Duration = Duration::from_secs(5);
/// A shorter time counts for so much: of less no rate can be told.
const MOMENT: Duration = Duration::from_millis(250);
/// Looks that make a point of the history, and points that are kept: an hour.
const LOOKS: u32 = 12;
const POINTS: usize = 60;
/// Seconds for which all that a process has used counts when it is met.
const YOUNG: u64 = 10;
/// File with what leases have used in all.
const FILE: &str = "usage.json";

/// What was used on average over some time, or at its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Point {
	/// Unix seconds of the time's end.
	pub time: u64,
	pub cpu_millis: u64,
	pub memory_bytes: u64,
	/// Bytes a second; of a module it is not told.
	#[serde(skip_serializing_if = "Option::is_none")]
	pub received: Option<u64>,
	#[serde(skip_serializing_if = "Option::is_none")]
	pub sent: Option<u64>,
}

/// What a lease has used since it began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Total {
	/// Microseconds of a core.
	pub cpu_micros: u64,
	pub energy_microjoules: u64,
}

/// What a tenant sees of it.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Used {
	pub cpu_seconds: u64,
	pub energy_joules: u64,
	/// How the energy is estimated.
	pub energy_method: String,
	/// Of what runs.
	pub members: Vec<Member>,
}

/// A job, or a replica of a service.
#[derive(Clone, Debug, Serialize)]
pub struct Member {
	pub service: String,
	pub replica: u32,
	#[serde(flatten)]
	pub now: Point,
	/// A minute each, the newest last.
	pub history: Vec<Point>,
}

/// What is known of something that runs.
struct Meter {
	attempt: u32,
	process: Arc<Process>,
	last: (Instant, Counters),
	now: Point,
	/// Where the next point of the history begins.
	since: (Instant, Counters),
	looks: u32,
	history: VecDeque<Point>,
}

impl Meter {
	/// Takes note of what has been used up to now; microseconds since the last time.
	fn take(&mut self, counters: Counters, at: Instant) -> u64 {
		let more = counters.cpu_micros.saturating_sub(self.last.1.cpu_micros);
		self.now = point(&self.last, &counters, at);
		self.last = (at, counters);
		self.looks = self.looks.saturating_add(1);
		if self.looks >= LOOKS {
			self.looks = 0;
			self.history.push_back(point(&self.since, &counters, at));
			self.since = (at, counters);
			while self.history.len() > POINTS {
				self.history.pop_front();
			}
		}
		more
	}
}

/// Lease, service, replica.
type Key = (u64, String, u32);

/// What all leases of this daemon use.
pub struct Usage {
	file: PathBuf,
	meters: Mutex<HashMap<Key, Meter>>,
	totals: Mutex<BTreeMap<u64, Total>>,
	energy: Mutex<Energy>,
	method: String,
}

/// What happened between two looks, from `then` on.
fn point(then: &(Instant, Counters), now: &Counters, at: Instant) -> Point {
	let elapsed = at.saturating_duration_since(then.0).max(MOMENT).as_micros();
	let rate = |now: u64, then: u64, unit: u128| {
		let more = u128::from(now.saturating_sub(then)).saturating_mul(unit);
		u64::try_from(more.checked_div(elapsed).unwrap_or(0)).unwrap_or(u64::MAX)
	};
	let cores = std::thread::available_parallelism().map_or(u64::MAX, |n| n.get() as u64);
	let flow = |now: Option<u64>, then: Option<u64>| Some(rate(now?, then?, 1_000_000));
	Point {
		time: unix_now(),
		// No more than the machine has.
		cpu_millis: rate(now.cpu_micros, then.1.cpu_micros, 1_000).min(cores.saturating_mul(1_000)),
		memory_bytes: now.memory_bytes,
		received: flow(now.received, then.1.received),
		sent: flow(now.sent, then.1.sent),
	}
}

impl Usage {
	/// How energy is estimated, in words.
	pub fn method(&self) -> &str {
		&self.method
	}

	/// As it was left in a daemon's folder. Without it what was used before is forgotten.
	pub fn open(folder: &Path, milliwatts_per_core: u64) -> Self {
		let file = folder.join(FILE);
		let read = match std::fs::read(&file) {
			Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(BTreeMap::new()),
			Err(error) => Err(error),
			Ok(bytes) => serde_json::from_slice(&bytes).map_err(std::io::Error::other),
		};
		let totals = read.map_err(|error| {
			let aside = file.with_extension("json.damaged");
			tracing::warn!(%error, aside = %aside.display(), "what leases have used is forgotten");
			let _ = std::fs::rename(&file, &aside);
		});
		let energy = Energy::new(milliwatts_per_core);
		Self {
			file,
			meters: Mutex::default(),
			totals: Mutex::new(totals.unwrap_or_default()),
			method: energy.method(),
			energy: Mutex::new(energy),
		}
	}

	/// Takes note of an attempt that runs, by its first process.
	pub fn meet(&self, key: Key, attempt: u32, process: impl FnOnce() -> Option<Process>) {
		let is_known = |known: &Meter| known.attempt == attempt;
		let met = self.meters.lock();
		if met.map_or(true, |meters| meters.get(&key).is_some_and(is_known)) {
			return;
		}
		let Some(process) = process() else { return };
		let Read::Counters(counters) = process.read() else {
			return;
		};
		// What an old one has used was counted, or was not, by an earlier life of the daemon.
		let at = Instant::now();
		let (begin, age) = match process.age() {
			age @ 0..YOUNG => (
				Counters {
					cpu_micros: 0,
					..counters
				},
				Duration::from_secs(age),
			),
			_ => (counters, Duration::ZERO),
		};
		let at = at.checked_sub(age).unwrap_or(at);
		let Ok(mut meters) = self.meters.lock() else {
			return;
		};
		let history = meters.remove(&key).map(|former| former.history);
		let meter = Meter {
			attempt,
			process: Arc::new(process),
			last: (at, begin),
			now: Point {
				time: unix_now(),
				memory_bytes: counters.memory_bytes,
				..Default::default()
			},
			since: (at, begin),
			looks: 0,
			history: history.unwrap_or_default(),
		};
		meters.insert(key, meter);
	}

	/// Looks once at all that runs. Nobody waits while files are read.
	fn look(&self) {
		let Ok(meters) = self.meters.lock() else {
			return;
		};
		let all = meters.iter();
		let all = all.map(|(key, meter)| (key.clone(), meter.attempt, meter.process.clone()));
		let all: Vec<_> = all.collect();
		drop(meters);
		let read = all.into_iter().map(|(key, attempt, process)| {
			let read = process.read();
			(key, attempt, Instant::now(), read)
		});
		let read: Vec<_> = read.collect();
		let Ok(mut meters) = self.meters.lock() else {
			return;
		};
		let mut computed = BTreeMap::<u64, u64>::new();
		for (key, attempt, at, read) in read {
			let counters = match read {
				Read::Counters(counters) => counters,
				Read::Unknown => continue,
				Read::Gone => {
					if meters
						.get(&key)
						.is_some_and(|meter| meter.attempt == attempt)
					{
						meters.remove(&key);
					}
					continue;
				}
			};
			let meter = meters
				.get_mut(&key)
				.filter(|meter| meter.attempt == attempt);
			if let Some(meter) = meter {
				let sum = computed.entry(key.0).or_default();
				*sum = sum.saturating_add(meter.take(counters, at));
			}
		}
		drop(meters);
		let (Ok(mut totals), Ok(mut energy)) = (self.totals.lock(), self.energy.lock()) else {
			return;
		};
		let shares = energy.shared_out(&computed);
		for (lease, cpu_micros) in computed {
			let total = totals.entry(lease).or_default();
			total.cpu_micros = total.cpu_micros.saturating_add(cpu_micros);
			let joules = shares.get(&lease).copied().unwrap_or(0);
			total.energy_microjoules = total.energy_microjoules.saturating_add(joules);
		}
	}

	/// What a lease has used in all.
	pub fn total(&self, lease: u64) -> Total {
		let totals = self.totals.lock();
		totals.map_or_else(
			|_| Total::default(),
			|all| all.get(&lease).copied().unwrap_or_default(),
		)
	}

	/// What a tenant sees of a lease.
	pub fn of(&self, lease: u64) -> Used {
		let total = self.total(lease);
		let meters = self.meters.lock().unwrap_or_else(PoisonError::into_inner);
		let mut members: Vec<_> = meters
			.iter()
			.filter(|((of, ..), _)| *of == lease)
			.map(|((_, service, replica), meter)| Member {
				service: service.clone(),
				replica: *replica,
				now: meter.now,
				history: meter.history.iter().copied().collect(),
			})
			.collect();
		members.sort_by(|a, b| (&a.service, a.replica).cmp(&(&b.service, b.replica)));
		Used {
			cpu_seconds: total.cpu_micros / 1_000_000,
			energy_joules: total.energy_microjoules / 1_000_000,
			energy_method: self.method.clone(),
			members,
		}
	}

	/// What all leases have used in all, and (lease, bytes of memory) of what runs.
	pub fn all(&self) -> (BTreeMap<u64, Total>, BTreeMap<u64, u64>) {
		let totals = self
			.totals
			.lock()
			.map_or_else(|_| BTreeMap::new(), |all| all.clone());
		let mut memory = BTreeMap::<u64, u64>::new();
		let meters = self.meters.lock().unwrap_or_else(PoisonError::into_inner);
		for ((lease, ..), meter) in meters.iter() {
			let sum = memory.entry(*lease).or_default();
			*sum = sum.saturating_add(meter.now.memory_bytes);
		}
		(totals, memory)
	}

	/// Writes down what leases have used in all; what is not known any more is forgotten.
	pub fn save(&self, is_known: impl Fn(u64) -> bool) {
		let Ok(mut totals) = self.totals.lock() else {
			return;
		};
		totals.retain(|lease, _| is_known(*lease));
		let bytes = serde_json::to_vec(&*totals).unwrap_or_default();
		drop(totals);
		if let Err(error) = write_whole(&self.file, &bytes) {
			tracing::warn!(%error, "what leases use cannot be noted");
		}
	}
}

/// Looks at what runs from now on.
pub async fn watch(shared: Arc<Shared>) {
	let mut looks = 0u32;
	let mut look = tokio::time::interval(LOOK);
	look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
	loop {
		look.tick().await;
		looks = looks.wrapping_add(1);
		let (shared, saves) = (shared.clone(), looks.is_multiple_of(LOOKS));
		let looked = tokio::task::spawn_blocking(move || {
			shared.usage.look();
			if saves {
				save(&shared);
			}
		});
		let _ = looked.await;
	}
}

/// Writes down what the leases that the daemon knows have used.
pub fn save(shared: &Shared) {
	match shared.store.leases() {
		Ok(rows) => {
			let known: std::collections::HashSet<_> = rows.iter().map(|row| row.lease).collect();
			shared.usage.save(|lease| known.contains(&lease));
		}
		Err(error) => tracing::warn!(%error, "what leases use cannot be noted"),
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use std::process::{Command, Stdio};

	#[test]
	fn a_process_that_computes_is_seen_to() {
		let folder = tempfile::tempdir().unwrap();
		let usage = Usage::open(folder.path(), 5_000);
		let mut child = Command::new("sh")
			.args(["-c", "while :; do :; done"])
			.stdin(Stdio::null())
			.spawn()
			.unwrap();
		let pid = i32::try_from(child.id()).unwrap();
		let key = || (7, "web".to_owned(), 0);
		usage.meet(key(), 1, || Process::of(pid, false));
		usage.meet(key(), 1, || panic!("it is known"));
		std::thread::sleep(Duration::from_millis(400));
		usage.look();
		let used = usage.of(7);
		let now = used.members.first().unwrap().now;
		assert!((50..=1_500).contains(&now.cpu_millis), "{now:?}");
		assert!(now.memory_bytes > 0);
		let total = usage.total(7);
		assert!(total.cpu_micros > 20_000, "{total:?}");
		assert!(total.energy_microjoules > 0, "{total:?}");
		assert_eq!(usage.total(8), Total::default());
		for _ in 0..LOOKS {
			usage.look();
		}
		assert_eq!(usage.of(7).members.first().unwrap().history.len(), 1);
		child.kill().unwrap();
		child.wait().unwrap();
		usage.look();
		assert!(usage.of(7).members.is_empty());
		// What it has used in all outlives the daemon, and not the lease.
		let total = usage.total(7);
		usage.save(|lease| lease == 7);
		let again = Usage::open(folder.path(), 5_000);
		assert_eq!(again.total(7), total);
		again.save(|_| false);
		let none = Usage::open(folder.path(), 5_000);
		assert_eq!(none.total(7), Total::default());
		std::fs::write(folder.path().join(FILE), "rubbish").unwrap();
		assert_eq!(Usage::open(folder.path(), 5_000).total(7), Total::default());
	}

	#[test]
	fn a_point_is_the_mean_of_its_time() {
		let begin = Instant::now();
		let counters = |cpu_micros, received| Counters {
			cpu_micros,
			memory_bytes: 5,
			received: Some(received),
			sent: None,
		};
		let then = (begin, counters(1_000_000, 100));
		let end = begin + Duration::from_secs(2);
		let mean = point(&then, &counters(2_000_000, 4_100), end);
		assert_eq!((mean.cpu_millis, mean.memory_bytes), (500, 5));
		assert_eq!((mean.received, mean.sent), (Some(2_000), None));
		// Counters that begin anew are no use.
		let mean = point(&then, &counters(0, 0), end);
		assert_eq!((mean.cpu_millis, mean.received), (0, Some(0)));
		let mean = point(&then, &counters(u64::MAX, u64::MAX), begin);
		assert_eq!(mean.received, Some(u64::MAX));
	}
}
