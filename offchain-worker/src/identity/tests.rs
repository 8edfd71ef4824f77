use super::*;
use leasehold_client::H256;

fn open(folder: &Path) -> anyhow::Result<Identity> {
	Identity::open(folder, &config(None))
}

fn config(files: Option<(PathBuf, PathBuf)>) -> Gateway {
	let (certificate, certificate_key) = files.unzip();
	Gateway {
		listen: "127.0.0.1:8443".parse().unwrap(),
		url: "https://127.0.0.1:8443".into(),
		domain: Some("leases.example.org".into()),
		certificate,
		certificate_key,
		acme: None,
		resolver: None,
		origins: Vec::new(),
	}
}

fn folder() -> tempfile::TempDir {
	let folder = tempfile::tempdir().unwrap();
	std::fs::create_dir(folder.path().join("keys")).unwrap();
	folder
}

#[test]
fn keys_outlive_a_restart_and_are_nobody_elses_to_read() {
	use std::os::unix::fs::PermissionsExt as _;
	let folder = folder();
	let first = open(folder.path()).unwrap();
	let again = open(folder.path()).unwrap();
	assert_eq!(first.tls_keys().unwrap(), again.tls_keys().unwrap());
	assert_eq!(first.sealing_key().unwrap(), again.sealing_key().unwrap());
	for file in std::fs::read_dir(folder.path().join("keys")).unwrap() {
		let file = file.unwrap();
		let mode = file.metadata().unwrap().permissions().mode();
		assert_eq!(mode & 0o777, 0o600, "{:?}", file.path());
	}
}

#[test]
fn a_rotation_has_both_keys_known_before_the_next_is_used() {
	let folder = folder();
	let identity = open(folder.path()).unwrap();
	let before = identity.tls_keys().unwrap();
	identity.draw_next().unwrap();
	let both = identity.tls_keys().unwrap();
	assert_eq!((both.len(), both[0]), (2, before[0]));
	// Drawn once, however often it is asked for.
	identity.draw_next().unwrap();
	assert_eq!(identity.tls_keys().unwrap(), both);
	let served = || identity.served.read().unwrap().key.cert[0].to_vec();
	let certificate = served();
	assert!(identity.advance([0; 32]).is_err());
	assert_eq!(served(), certificate);
	identity.advance(both[1]).unwrap();
	assert_ne!(served(), certificate);
	assert_eq!(identity.tls_keys().unwrap(), [both[1]]);
	assert!(identity.advance(both[1]).is_err());
	// What is served counts, whatever becomes of the file.
	std::fs::remove_file(folder.path().join("keys").join(CURRENT)).unwrap();
	assert_eq!(identity.tls_keys().unwrap(), [both[1]]);
}

#[test]
fn damaged_keys_are_named() {
	let folder = folder();
	open(folder.path()).unwrap();
	for name in [CURRENT, SEALING] {
		let path = folder.path().join("keys").join(name);
		let good = std::fs::read(&path).unwrap();
		std::fs::write(&path, &good[..good.len() / 2]).unwrap();
		let error = open(folder.path()).unwrap_err();
		assert!(format!("{error:#}").contains(name), "{error:#}");
		std::fs::write(&path, &good).unwrap();
	}
}

#[test]
fn a_manifest_sealed_to_the_key_opens() {
	let folder = folder();
	let identity = open(folder.path()).unwrap();
	let place = Place {
		genesis: H256([1; 32]),
		provider: 2,
		lease: 3,
	};
	let key = identity.sealing_key().unwrap();
	let sealed = seal::seal(&key, place, b"plain").unwrap();
	assert_eq!(identity.unseal(place, &sealed).unwrap(), b"plain");
}

#[test]
fn a_certificate_for_names_is_read_anew_and_a_bad_one_is_not_taken() {
	let folder = folder();
	let place = |name: &str| folder.path().join(name);
	let put = |name: &str| {
		let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
		let names = vec!["*.leases.example.org".to_owned()];
		let made = CertificateParams::new(names).unwrap();
		let made = made.self_signed(&pair).unwrap();
		std::fs::write(place(name), made.pem()).unwrap();
		std::fs::write(place("key"), pair.serialize_pem()).unwrap();
		made.der().to_vec()
	};
	let first = put("chain");
	let files = Some((place("chain"), place("key")));
	let identity = Identity::open(folder.path(), &config(files)).unwrap();
	let names = identity.names.as_ref().unwrap();
	let served = || names.served.read().unwrap().1.cert[0].to_vec();
	assert_eq!(served(), first);
	let later = |seconds| {
		let file = std::fs::File::options().write(true).open(place("chain"));
		let time = SystemTime::now() + std::time::Duration::from_secs(seconds);
		file.unwrap().set_modified(time).unwrap();
	};
	let second = put("chain");
	later(10);
	identity.renew_names();
	assert_eq!(served(), second);
	// A certificate whose key is not there yet.
	put("other");
	later(20);
	identity.renew_names();
	assert_eq!(served(), second);
	assert!(names.has("web-1.leases.example.org"));
	assert!(!names.has("leases.example.org") && !names.has("webleases.example.org"));
}

#[test]
fn a_certificate_is_asked_for_one_name_and_taken_for_the_same_key_alone() {
	use x509_parser::{
		certification_request::X509CertificationRequest,
		extensions::{GeneralName, ParsedExtension},
	};
	let folder = folder();
	let gateway = Gateway {
		url: "https://gateway.example.org:8443".into(),
		..config(None)
	};
	let identity = Identity::open(folder.path(), &gateway).unwrap();
	let host = identity.host().to_owned();
	let (csr, key) = identity.request(&host).unwrap();
	let (_, asked) = X509CertificationRequest::from_der(&csr).unwrap();
	let info = &asked.certification_request_info;
	assert_eq!(info.subject.iter().count(), 0, "{}", info.subject);
	assert_eq!(tls::key_hash(info.subject_pki.raw), key);
	let names: Vec<_> = asked
		.requested_extensions()
		.unwrap()
		.filter_map(|extension| match extension {
			ParsedExtension::SubjectAlternativeName(names) => Some(names.general_names.clone()),
			_ => None,
		})
		.flatten()
		.collect();
	assert_eq!(names, [GeneralName::DNSName(&host)]);

	let own = pair(&folder.path().join("keys").join(CURRENT))
		.unwrap()
		.unwrap();
	let other = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
	let made = |name: &str, pair: &KeyPair, year| {
		let mut made = CertificateParams::new(vec![name.to_owned()]).unwrap();
		made.not_before = rcgen::date_time_ymd(2020, 1, 1);
		made.not_after = rcgen::date_time_ymd(year, 1, 1);
		made.self_signed(pair).unwrap().pem()
	};
	assert_eq!(identity.certificate_due(&host), 0);
	for (why, chain) in [
		("another key", made(&host, &other, 4000)),
		("is not for", made("other.example.org", &own, 4000)),
		("has run out", made(&host, &own, 2021)),
		("no certificate", String::new()),
	] {
		let error = identity.certify(&host, &chain, key).unwrap_err();
		assert!(format!("{error:#}").contains(why), "{why}: {error:#}");
		assert_eq!(identity.certificate_due(&host), 0);
	}
	let good = made(&host, &own, 4000);
	assert!(
		identity.certify(&host, &good, [0; 32]).is_err(),
		"the key has changed"
	);
	identity.certify(&host, &good, key).unwrap();
	let due = identity.certificate_due(&host);
	assert!(due > unix_now() && due < u64::MAX);
	// Names of tenants' own have certificates of their own, which outlive the daemon.
	let shop = "shop.example.com";
	assert_eq!(identity.certificate_due(shop), 0);
	assert!(identity.certify(shop, &good, key).is_err());
	identity
		.certify(shop, &made(shop, &own, 4000), key)
		.unwrap();
	let again = Identity::open(folder.path(), &gateway).unwrap();
	assert_eq!(again.certificate_due(shop), identity.certificate_due(shop));
	assert!(again.certificate_due(shop) > unix_now());
	// What was issued for a key is revoked once the key is another, whatever has become of it.
	let former = || {
		let former = identity.former().unwrap();
		assert!(former.unread.is_none());
		let former = former.valid;
		former.into_iter().map(|(path, certificate)| {
			let read: CertificateDer = std::fs::read(&path).unwrap().into();
			assert_eq!(read, certificate);
			path
		})
	};
	let aside = |key: [u8; 32]| folder.path().join("keys/issued").join(hex::encode(key));
	assert!(former().all(|path| path.starts_with(aside([0; 32]))));
	assert_eq!(former().count(), 1);
	// Another key has another certificate.
	let next = identity.draw_next().unwrap();
	identity.advance(next).unwrap();
	assert_eq!(identity.certificate_due(&host), 0);
	assert_eq!(identity.certificate_due(shop), 0);
	let of_it = former().filter(|path| path.starts_with(aside(key)));
	assert_eq!(of_it.count(), 4, "all that have not run out");
	former().for_each(|path| std::fs::remove_file(path).unwrap());
	assert_eq!(former().count(), 0);
	assert!(!aside(key).exists());
}
