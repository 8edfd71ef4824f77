//! Host names of tenants' own. A name leads to a service once whoever owns the name says so, in its DNS: by a `CNAME`
//! to the service's name here, or a `TXT` with that below `_leasehold`. So nobody takes a name that is another's, and
//! the number of a lease, which is in the service's name, never comes back.

use crate::{
	daemon::Shared,
	reconcile::manifest,
	store::{LeaseRow, Phase},
};
use futures::{stream, StreamExt as _};
use hickory_resolver::{
	config::{ConnectionConfig, NameServerConfig, ResolverConfig},
	net::runtime::TokioRuntimeProvider,
	proto::rr::{RData, RecordType},
	TokioResolver,
};
use leasehold_manifest::{
	hostname::{without_port, Name},
	Service,
};
use serde::Serialize;
use std::{
	collections::{BTreeMap, BTreeSet, HashMap},
	net::SocketAddr,
	sync::{
		atomic::{AtomicU64, Ordering},
		Arc, RwLock,
	},
	time::{Duration, Instant},
};

/// How often it is looked which names there are.
const LOOK: Duration = Duration::from_secs(5);
/// How often DNS is asked about a name that leads nowhere yet, and about one that leads here.
const AGAIN: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(30));
/// How long DNS may take about a name, after how long at most one is asked about again of which it told nothing, and
/// about how many it is asked at a time.
const PATIENCE: Duration = Duration::from_secs(5);
const LONGEST_WAIT: Duration = Duration::from_secs(600);
const AT_A_TIME: usize = 64;
/// Longest name, bytes: a file is called by it.
const LONGEST: usize = 240;
/// Most names of one lease, and of all.
const MOST: (usize, usize) = (16, 2_048);

/// A name of a service, and how it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Own {
	pub service: String,
	pub host: String,
	/// Why it does not lead here, as long as it does not.
	pub why_not: Option<String>,
	/// Why browsers are shown no certificate for it, where one is wanted.
	pub no_certificate: Option<String>,
}

/// What is known of a name.
#[derive(Debug)]
struct Known {
	/// The services that want it.
	wanted: BTreeSet<(u64, String)>,
	/// The one that it leads to.
	leads: Option<(u64, String)>,
	said: Heard,
	no_certificate: Option<String>,
	due: Instant,
	/// How often DNS has told nothing, one after the other.
	silent: u32,
	/// The how many-th name it was that came to lead here.
	nth: u64,
}

/// The names of all tenants.
#[derive(Debug, Default)]
pub struct Names {
	all: RwLock<BTreeMap<String, Known>>,
	/// How many have come to lead here so far.
	led: AtomicU64,
	/// All that leases want that are not closed, once they are known.
	held: RwLock<Option<BTreeSet<String>>>,
}

/// What DNS has said of a name last.
#[derive(Debug, Default)]
enum Heard {
	/// It has not been asked.
	#[default]
	Unasked,
	Nothing(String),
	/// So many services here.
	Services(usize),
}

/// What DNS says of a name.
#[derive(Debug, PartialEq, Eq)]
enum Said {
	/// The services here that it names.
	Services(BTreeSet<(u64, String)>),
	/// It gives no answer.
	Nothing(String),
}

impl Known {
	/// Takes in what DNS has said.
	fn heard(&mut self, said: Said) {
		match said {
			// What is not known does not change what was.
			Said::Nothing(why) => {
				self.silent = self.silent.saturating_add(1);
				self.said = Heard::Nothing(why);
			}
			Said::Services(named) => {
				self.silent = 0;
				let mut all = named.iter();
				let one = match (all.next(), all.next()) {
					(Some(one), None) => Some(one),
					_ => None,
				};
				self.leads = one.filter(|one| self.wanted.contains(one)).cloned();
				self.said = Heard::Services(named.len());
			}
		}
		let again = if self.leads.is_some() {
			AGAIN.1
		} else {
			AGAIN.0
		};
		// One whose servers are silent does not hold the others up.
		let slower = 1u32.checked_shl(self.silent.min(10)).unwrap_or(1);
		let again = again.saturating_mul(slower).min(LONGEST_WAIT);
		let now = Instant::now();
		self.due = now.checked_add(again).unwrap_or(now);
	}
}

/// Why a name does not lead to a service, and what its owner has to do.
fn why_not(said: &Heard, (lease, service): (u64, &str), host: &str, domain: &str) -> String {
	let here = Name::host(service, lease, domain).unwrap_or_else(|| domain.to_owned());
	let needed = format!("a CNAME to {here}, or at _leasehold.{host} a TXT with that name");
	match said {
		Heard::Unasked => format!("its DNS has not been asked yet; it needs {needed}"),
		Heard::Nothing(why) => format!("its DNS tells nothing: {why}; it needs {needed}"),
		Heard::Services(0) => format!("its DNS needs {needed}"),
		Heard::Services(1) => format!("its DNS names another service; it needs {needed}"),
		Heard::Services(_) => format!("its DNS names several services; it needs {needed}"),
	}
}

impl Names {
	/// The service that a host leads to.
	pub fn lead(&self, host: &str) -> Option<Name> {
		let known = self.all.read().ok()?;
		let (lease, service) = known.get(host)?.leads.clone()?;
		Some(Name { service, lease })
	}

	/// (lease, host) of all hosts that lead to services, the first to do so first.
	pub fn leading(&self) -> Vec<(u64, String)> {
		let Ok(known) = self.all.read() else {
			return Vec::new();
		};
		let leading = known.iter().filter_map(|(host, known)| {
			let (lease, _) = known.leads.as_ref()?;
			Some((known.nth, *lease, host))
		});
		let mut leading: Vec<_> = leading.collect();
		leading.sort_unstable();
		let leading = leading.into_iter();
		leading
			.map(|(_, lease, host)| (lease, host.clone()))
			.collect()
	}

	/// Whether no lease wants a name any more.
	pub fn is_forgotten(&self, host: &str) -> bool {
		let held = self.held.read();
		held.is_ok_and(|held| held.as_ref().is_some_and(|held| !held.contains(host)))
	}

	/// The names of a lease's services.
	pub fn of(&self, lease: u64, services: &[Service], (own, domain): (&str, &str)) -> Vec<Own> {
		let Ok(known) = self.all.read() else {
			return Vec::new();
		};
		let all = listed(services, own, domain);
		let each = all.map(|(host, service, not_asked)| {
			let known = known.get(host);
			let leads = known.and_then(|known| known.leads.as_ref());
			let leads = leads.is_some_and(|(of, name)| *of == lease && name == service);
			let said = known.map_or(&Heard::Unasked, |known| &known.said);
			let why = || why_not(said, (lease, service), host, domain);
			let why = not_asked.unwrap_or_else(why);
			let no_certificate = known.and_then(|known| known.no_certificate.clone());
			Own {
				service: service.to_owned(),
				host: host.to_owned(),
				why_not: (!leads).then_some(why),
				no_certificate: no_certificate.filter(|_| leads),
			}
		});
		each.collect()
	}

	/// Notes why there is no certificate for a name, or that there is one.
	pub fn certified(&self, host: &str, no_certificate: Option<String>) {
		if let Ok(mut all) = self.all.write() {
			if let Some(known) = all.get_mut(host) {
				known.no_certificate = no_certificate;
			}
		}
	}

	/// Takes in which names are wanted, and says which of them DNS is to be asked about.
	fn want(&self, wanted: BTreeMap<String, BTreeSet<(u64, String)>>) -> Vec<String> {
		let Ok(mut all) = self.all.write() else {
			return Vec::new();
		};
		all.retain(|host, _| wanted.contains_key(host));
		let now = Instant::now();
		for (host, services) in wanted {
			let known = all.entry(host).or_insert_with(|| Known {
				wanted: BTreeSet::new(),
				leads: None,
				said: Heard::Unasked,
				no_certificate: None,
				due: now,
				silent: 0,
				nth: 0,
			});
			if known.wanted != services {
				known.leads = known.leads.take().filter(|one| services.contains(one));
				known.wanted = services;
				known.due = now;
				known.silent = 0;
			}
		}
		let due = all.iter().filter(|(_, known)| known.due <= now);
		let mut due: Vec<_> = due.collect();
		// Those first that could lead to whom they are no longer meant for, and those last of which nothing is told.
		due.sort_by_key(|(_, known)| (known.leads.is_none(), known.silent));
		due.into_iter().map(|(host, _)| host.clone()).collect()
	}

	/// Takes in which names are wanted, whether their services run or not.
	fn hold(&self, held: Option<BTreeSet<String>>) {
		if let Ok(mut had) = self.held.write() {
			*had = held;
		}
	}

	fn heard(&self, host: &str, said: Said) {
		let Ok(mut all) = self.all.write() else {
			return;
		};
		let Some(known) = all.get_mut(host) else {
			return;
		};
		let before = known.leads.clone();
		known.heard(said);
		if known.leads != before {
			if before.is_none() {
				known.nth = self.led.fetch_add(1, Ordering::Relaxed);
			}
			match &known.leads {
				Some((lease, service)) => {
					tracing::info!(host, lease, service, "a name leads to a service");
				}
				None => tracing::info!(host, said = ?known.said, "a name leads nowhere any more"),
			}
		}
	}
}

/// Who is asked about names.
fn resolver(server: Option<SocketAddr>) -> anyhow::Result<TokioResolver> {
	let mut builder = match server {
		None => TokioResolver::builder_tokio()?,
		Some(server) => {
			let (mut udp, mut tcp) = (ConnectionConfig::udp(), ConnectionConfig::tcp());
			(udp.port, tcp.port) = (server.port(), server.port());
			let server = NameServerConfig::new(server.ip(), true, vec![udp, tcp]);
			let config = ResolverConfig::from_parts(None, Vec::new(), vec![server]);
			TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
		}
	};
	let options = builder.options_mut();
	options.timeout = PATIENCE;
	// An owner who takes a name away is heard.
	options.cache_size = 0;
	Ok(builder.build()?)
}

/// What a record names here.
fn named(record: &RData, domain: &str) -> Option<(u64, String)> {
	let text = match record {
		RData::CNAME(name) => name.0.to_ascii(),
		RData::TXT(text) => {
			let bytes: Vec<u8> = text
				.txt_data
				.iter()
				.flat_map(|part| part.iter().copied())
				.collect();
			String::from_utf8(bytes).ok()?
		}
		_ => return None,
	};
	let Name { service, lease } = Name::read(&without_port(text.trim()), domain)?;
	Some((lease, service))
}

/// Asks DNS which service here a host is to lead to.
async fn ask(resolver: &TokioResolver, host: &str, domain: &str) -> Said {
	let questions = [
		(format!("{host}."), RecordType::CNAME),
		(format!("_leasehold.{host}."), RecordType::TXT),
	];
	let mut services = BTreeSet::new();
	for (name, kind) in questions {
		match resolver.lookup(name.as_str(), kind).await {
			Ok(answer) => {
				// What stands elsewhere, where an alias leads, its owner has not said.
				let own = answer.answers().iter();
				let own = own.filter(|one| one.name.to_ascii().eq_ignore_ascii_case(&name));
				services.extend(own.filter_map(|record| named(&record.data, domain)));
			}
			Err(error) if error.is_no_records_found() => {}
			Err(error) => return Said::Nothing(error.to_string()),
		}
	}
	Said::Services(services)
}

/// (host, service)
type Pairs = Vec<(String, String)>;

/// The names that a service wants.
fn hosts(service: &Service) -> impl Iterator<Item = &str> {
	let by_name = service.expose.iter().filter(|expose| expose.is_http());
	by_name.flat_map(|expose| expose.hosts.iter().map(String::as_str))
}

/// (host, service, why its DNS is not asked) of all names that services list.
fn listed<'a>(
	services: &'a [Service],
	own: &'a str,
	domain: &'a str,
) -> impl Iterator<Item = (&'a str, &'a str, Option<String>)> {
	let all = services
		.iter()
		.flat_map(|service| hosts(service).map(|host| (host, service.name.as_str())));
	let mut asked = 0usize;
	all.map(move |(host, service)| {
		let below = host
			.strip_suffix(domain)
			.is_some_and(|name| name.ends_with('.'));
		// What is the provider's is no tenant's.
		let not_asked = match () {
			() if below || [own, domain].contains(&host) => {
				Some("it is the provider's own".to_owned())
			}
			() if !host.contains('.') || host.len() > LONGEST => {
				Some("it is no host's name".to_owned())
			}
			() if asked >= MOST.0 => Some(format!("a lease may have {} names", MOST.0)),
			() => None,
		};
		asked = asked.saturating_add(usize::from(not_asked.is_none()));
		(host, service, not_asked)
	})
}

/// The names that a lease's services want, once its manifest is here.
fn wanted(shared: &Shared, row: &LeaseRow, domain: &str) -> anyhow::Result<Option<Pairs>> {
	let Some(manifest) = manifest(shared, row)? else {
		return Ok(None);
	};
	let all = listed(&manifest.services, shared.identity.host(), domain);
	let asked = all.filter(|(_, _, not_asked)| not_asked.is_none());
	let pairs = asked.map(|(host, service, _)| (host.to_owned(), service.to_owned()));
	Ok(Some(pairs.collect()))
}

/// Finds out where names lead, as long as the daemon runs.
pub async fn watch(shared: Arc<Shared>) {
	let Some(domain) = shared.config.gateway.domain.clone() else {
		return;
	};
	let resolver = match resolver(shared.config.gateway.resolver) {
		Ok(resolver) => resolver,
		Err(error) => {
			tracing::warn!("host names of tenants' own lead nowhere: {error:#}");
			return;
		}
	};
	// Manifests are not opened each time.
	let mut read: HashMap<(u64, [u8; 32]), Pairs> = HashMap::new();
	loop {
		match shared.store.leases() {
			Ok(rows) => {
				let mut all: BTreeMap<String, BTreeSet<(u64, String)>> = BTreeMap::new();
				let (mut met, mut held) = (HashMap::new(), Some(BTreeSet::new()));
				let open = |row: &&LeaseRow| !matches!(row.phase, Phase::Closed { .. });
				for row in rows.iter().filter(open) {
					let key = (row.lease, row.manifest_hash);
					let names = match read.remove(&key) {
						Some(names) => names,
						None => match wanted(&shared, row, &domain) {
							Ok(Some(names)) => names,
							// It has not been handed in yet.
							Ok(None) => continue,
							Err(error) => {
								tracing::debug!(lease = row.lease, %error, "its names are not known");
								held = None;
								continue;
							}
						},
					};
					for (host, service) in &names {
						if let Some(held) = &mut held {
							held.insert(host.clone());
						}
						if row.phase.runs() && (all.len() < MOST.1 || all.contains_key(host)) {
							let services = all.entry(host.clone()).or_default();
							services.insert((row.lease, service.clone()));
						}
					}
					met.insert(key, names);
				}
				shared.names.hold(held);
				read = met;
				let due = shared.names.want(all);
				let (resolver, shared, domain) = (&resolver, &shared, &domain);
				let asked = stream::iter(due).for_each_concurrent(AT_A_TIME, async |host| {
					let asked = tokio::time::timeout(PATIENCE, ask(resolver, &host, domain)).await;
					let said = asked.unwrap_or_else(|_| Said::Nothing("it takes too long".into()));
					shared.names.heard(&host, said);
				});
				asked.await;
			}
			Err(error) => tracing::warn!(%error, "the names that are wanted are not known"),
		}
		tokio::time::sleep(LOOK).await;
	}
}

#[cfg(test)]
mod tests;
