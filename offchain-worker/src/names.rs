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
	pub fn of(&self, lease: u64, services: &[Service], domain: &str) -> Vec<Own> {
		let Ok(known) = self.all.read() else {
			return Vec::new();
		};
		let all = services.iter().flat_map(|service| {
			let hosts = hosts(service);
			hosts.map(move |host| (service.name.as_str(), host))
		});
		let each = all.map(|(service, host)| {
			let known = known.get(host);
			let leads = known.and_then(|known| known.leads.as_ref());
			let leads = leads.is_some_and(|(of, name)| *of == lease && name == service);
			let said = known.map_or(&Heard::Unasked, |known| &known.said);
			let why = why_not(said, (lease, service), host, domain);
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

/// The names that a lease's services want, once its manifest is here.
fn wanted(shared: &Shared, row: &LeaseRow, domain: &str) -> anyhow::Result<Option<Pairs>> {
	let Some(manifest) = manifest(shared, row)? else {
		return Ok(None);
	};
	let own = shared.identity.host();
	let all = manifest.services.iter().flat_map(|service| {
		let name = &service.name;
		hosts(service).map(move |host| (host.to_owned(), name.clone()))
	});
	// What is the provider's is no tenant's.
	let ours = |host: &str| host == own || host == domain || host.ends_with(&format!(".{domain}"));
	// That it is a host's name the manifest has been looked at for.
	let sound = |host: &str| host.contains('.') && host.len() <= LONGEST;
	let all = all.filter(|(host, _)| !ours(host) && sound(host));
	Ok(Some(all.take(MOST.0).collect()))
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
mod tests {
	use super::*;

	const DOMAIN: &str = "leases.example.org";
	const HOST: &str = "shop.example.com";

	fn services(all: &[(u64, &str)]) -> BTreeSet<(u64, String)> {
		all.iter()
			.map(|(lease, service)| (*lease, (*service).to_owned()))
			.collect()
	}

	fn names(wanted: &[(u64, &str)]) -> Names {
		let names = Names::default();
		let due = names.want(BTreeMap::from([(HOST.to_owned(), services(wanted))]));
		assert_eq!(due, [HOST]);
		names
	}

	fn leads(names: &Names) -> Option<u64> {
		names.lead(HOST).map(|name| name.lease)
	}

	#[test]
	fn a_name_leads_to_the_service_that_its_owner_names_and_to_no_other() {
		let names = names(&[(7, "web"), (8, "web")]);
		let hear = |said: Said| {
			names.heard(HOST, said);
			leads(&names)
		};
		assert_eq!(leads(&names), None, "it is asked first");
		assert_eq!(hear(Said::Services(services(&[]))), None);
		let why = |lease| {
			let known = names.all.read().unwrap();
			why_not(&known[HOST].said, (lease, "web"), HOST, DOMAIN)
		};
		assert!(
			why(7).contains("CNAME to web-7.leases.example.org"),
			"{}",
			why(7)
		);
		assert!(
			why(8).contains("CNAME to web-8.leases.example.org"),
			"{}",
			why(8)
		);
		assert_eq!(hear(Said::Services(services(&[(7, "web")]))), Some(7));
		assert!(why(8).contains("another service"));
		// What cannot be found out changes nothing; what is found out does.
		assert_eq!(hear(Said::Nothing("timeout".into())), Some(7));
		let both = services(&[(7, "web"), (8, "web")]);
		assert_eq!(hear(Said::Services(both)), None);
		assert_eq!(hear(Said::Services(services(&[(9, "web")]))), None);
		assert_eq!(hear(Said::Services(services(&[(7, "other")]))), None);
		assert_eq!(hear(Said::Nothing("timeout".into())), None);
		assert_eq!(hear(Said::Services(services(&[(8, "web")]))), Some(8));
	}

	#[test]
	fn a_lease_that_is_gone_takes_its_names_with_it() {
		let names = names(&[(7, "web")]);
		names.heard(HOST, Said::Services(services(&[(7, "web")])));
		assert_eq!(names.leading(), [(7, HOST.to_owned())]);
		assert!(!names.is_forgotten(HOST), "it is not known yet");
		names.hold(Some([HOST.to_owned()].into()));
		assert!(!names.is_forgotten(HOST) && names.is_forgotten("other.example.com"));
		// Another one wants it now; it is its owner's turn to say so.
		let due = names.want(BTreeMap::from([(HOST.to_owned(), services(&[(8, "web")]))]));
		assert_eq!(due, [HOST]);
		assert_eq!(names.leading(), []);
		assert!(names.want(BTreeMap::new()).is_empty());
		names.hold(Some(BTreeSet::new()));
		assert!(names.is_forgotten(HOST));
	}

	#[test]
	fn records_name_services_in_one_way() {
		use hickory_resolver::proto::rr::{rdata, Name as DnsName};
		let cname = |text: &str| {
			let name = DnsName::from_ascii(text).unwrap();
			named(&RData::CNAME(rdata::CNAME(name)), DOMAIN)
		};
		let txt = |text: &str| named(&RData::TXT(rdata::TXT::new(vec![text.into()])), DOMAIN);
		let web = Some((7, "web".to_owned()));
		assert_eq!(cname("Web-7.Leases.example.org."), web);
		assert_eq!(txt("web-7.leases.example.org"), web);
		for other in [
			"web-7.leases.example.com.",
			"x.web-7.leases.example.org.",
			"web-07.leases.example.org.",
		] {
			assert_eq!(cname(other), None, "{other}");
		}
		for other in [
			"",
			"web-7",
			"v=spf1 -all",
			"web-7.leases.example.org web-8.leases.example.org",
		] {
			assert_eq!(txt(other), None, "{other}");
		}
	}
}
