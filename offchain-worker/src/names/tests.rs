use super::*;
use crate::executor::tests::attempt;
use leasehold_manifest::{Expose, HttpOptions, Kind, Protocol};

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

#[test]
fn what_is_not_asked_for_is_told() {
	let expose = |host: &str| Expose {
		port: 80,
		external: 80,
		protocol: Protocol::Tcp,
		global: true,
		ip: None,
		hosts: vec![host.to_owned()],
		http: HttpOptions::default(),
	};
	let mut web = attempt(Kind::Service).service;
	let own = "gateway.example.org";
	let mut hosts = vec![
		own.to_owned(),
		DOMAIN.into(),
		format!("x.{DOMAIN}"),
		"localhost".into(),
	];
	hosts.push(format!("not{DOMAIN}"));
	hosts.extend((1..MOST.0).map(|n| format!("n{n}.example.com")));
	hosts.push("late.example.com".into());
	web.expose = hosts.iter().map(|host| expose(host)).collect();
	let all = listed(std::slice::from_ref(&web), own, DOMAIN);
	let why: Vec<_> = all.map(|(_, _, why)| why.unwrap_or_default()).collect();
	assert_eq!(why[..3], ["it is the provider's own"; 3]);
	assert_eq!(why[3], "it is no host's name");
	assert!(why[4..4 + MOST.0].iter().all(String::is_empty), "{why:?}");
	assert_eq!(why[4 + MOST.0..], ["a lease may have 16 names"]);
	let told = Names::default().of(7, std::slice::from_ref(&web), (own, DOMAIN));
	assert_eq!(told[0].why_not.as_deref(), Some("it is the provider's own"));
}
