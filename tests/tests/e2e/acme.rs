//! Certificates for browsers, from an ACME server: Pebble, on loopback.

mod server;

use crate::{
	faults::{daemon_status, job, kill_daemon, start_daemon, tell_chain},
	gateway::provider,
	modules::open_service,
	services::close,
	setting::{closed, status},
	suite, Case, ONE,
};
use leasehold_tests::{
	devnet::{wait_until, Devnet},
	engine::output_of,
	gateway,
};
use server::{Server, Zone};
use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};
use tokio_rustls::{
	rustls::{
		client::{
			danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
			WebPkiServerVerifier,
		},
		crypto::CryptoProvider,
		pki_types::{CertificateDer, ServerName, UnixTime},
		ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
	},
	TlsConnector,
};
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// What the gateway is called.
const HOST: &str = "gateway.leasehold.test";

/// The certificate that a browser is shown for a host, if it is content with it.
async fn shown(at: SocketAddr, host: &str, authority: &[u8], protocol: &[u8]) -> Option<Vec<u8>> {
	use tokio_rustls::rustls::pki_types::pem::PemObject as _;
	let mut roots = RootCertStore::empty();
	roots
		.add(CertificateDer::from_pem_slice(authority).unwrap())
		.unwrap();
	let crypto = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
	let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), crypto.clone());
	let config = ClientConfig::builder_with_provider(crypto)
		.with_safe_default_protocol_versions()
		.unwrap()
		.with_webpki_verifier(verifier.build().unwrap());
	let mut config = config.with_no_client_auth();
	config.alpn_protocols = vec![protocol.to_vec()];
	let stream = tokio::net::TcpStream::connect(at).await.ok()?;
	let name = ServerName::try_from(host.to_owned()).unwrap();
	let stream = TlsConnector::from(Arc::new(config))
		.connect(name, stream)
		.await
		.ok()?;
	let first = stream.get_ref().1.peer_certificates()?.first()?;
	Some(first.to_vec())
}

fn key_of(certificate: &[u8]) -> Vec<u8> {
	let certificate = X509Certificate::from_der(certificate).unwrap().1;
	certificate.public_key().raw.to_vec()
}

/// Takes every certificate.
#[derive(Debug)]
struct Credulous(Arc<CryptoProvider>);

impl ServerCertVerifier for Credulous {
	fn verify_server_cert(
		&self,
		_: &CertificateDer<'_>,
		_: &[CertificateDer<'_>],
		_: &ServerName<'_>,
		_: &[u8],
		_: UnixTime,
	) -> Result<ServerCertVerified, tokio_rustls::rustls::Error> {
		Ok(ServerCertVerified::assertion())
	}

	fn verify_tls12_signature(
		&self,
		_: &[u8],
		_: &CertificateDer<'_>,
		_: &DigitallySignedStruct,
	) -> Result<HandshakeSignatureValid, tokio_rustls::rustls::Error> {
		Ok(HandshakeSignatureValid::assertion())
	}

	fn verify_tls13_signature(
		&self,
		_: &[u8],
		_: &CertificateDer<'_>,
		_: &DigitallySignedStruct,
	) -> Result<HandshakeSignatureValid, tokio_rustls::rustls::Error> {
		Ok(HandshakeSignatureValid::assertion())
	}

	fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
		self.0.signature_verification_algorithms.supported_schemes()
	}
}

/// Whether who speaks this is answered at all, whatever the certificate.
async fn answers(at: SocketAddr, protocol: &[u8]) -> bool {
	let crypto = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
	let config = ClientConfig::builder_with_provider(crypto.clone())
		.with_safe_default_protocol_versions()
		.unwrap()
		.dangerous()
		.with_custom_certificate_verifier(Arc::new(Credulous(crypto)));
	let mut config = config.with_no_client_auth();
	config.alpn_protocols = vec![protocol.to_vec()];
	let stream = tokio::net::TcpStream::connect(at).await.unwrap();
	let name = ServerName::try_from(HOST).unwrap();
	let connected = TlsConnector::from(Arc::new(config)).connect(name, stream);
	connected.await.is_ok()
}

pub const CASES: &[Case] = &[
	(
		"a_certificate_is_had_and_renewed_for_the_same_key",
		certificate,
	),
	("a_name_of_ones_own_leads_where_its_owner_says", names),
];

/// Runs the cases: they wait for the most part, for certificates to run out.
pub fn run() -> (usize, usize) {
	suite("certificates", &ONE, 1, CASES)
}

/// What a browser speaks.
const BROWSER: &[u8] = b"http/1.1";

/// The daemon's file, and where its gateway listens.
fn configured(devnet: &Devnet) -> (PathBuf, String, SocketAddr) {
	let path = devnet.provider_folder(0).join("provider.toml");
	let before = std::fs::read_to_string(&path).unwrap();
	let listen = before
		.lines()
		.find_map(|line| line.strip_prefix("listen = "));
	let listen = listen.unwrap().trim_matches('"').parse().unwrap();
	(path, before, listen)
}

/// Starts the daemon anew, with certificates of a server, and a name server.
fn with_certificates(devnet: &Devnet, server: &Server, zone: &Zone) {
	let (path, before, listen) = configured(devnet);
	kill_daemon(devnet);
	let own = format!("url = \"https://{listen}\"");
	let named = format!(
		"url = \"https://{HOST}:{}\"\nresolver = \"{}\"",
		listen.port(),
		zone.address
	);
	let (directory, root) = (&server.directory, &server.root);
	let acme = format!(
		"\n[gateway.acme]\nterms_agreed = true\ncontact = \"mailto:us@leasehold.test\"\ndirectory = \
		 {directory:?}\nroots = {root:?}\n"
	);
	assert!(before.contains(&own), "{before}");
	std::fs::write(&path, before.replace(&own, &named) + &acme).unwrap();
	start_daemon(devnet);
}

fn names(devnet: &Devnet) {
	const SHOP: &str = "shop.tenant.test";
	const BARE: &str = "tenant.test";
	let folder = tempfile::tempdir().unwrap();
	let (path, before, listen) = configured(devnet);
	let zone = Zone::serve();
	let server = Server::start(folder.path(), &zone, listen.port(), 3_600);
	let runtime = tokio::runtime::Runtime::new().unwrap();
	let authority = runtime.block_on(server.authority());
	with_certificates(devnet, &server, &zone);
	let keys = runtime.block_on(provider(devnet)).tls_keys;
	let first = open_service(devnet, "first", &[SHOP, BARE]);
	let second = open_service(devnet, "second", &[SHOP]);
	// What is said there by a service; none, if the name leads nowhere.
	let said = |host: &str| {
		let asked = async {
			let client = gateway::client(&keys).unwrap();
			let url = format!("https://{listen}/name");
			// A daemon that has just begun listens in a moment.
			let answer = client.get(url).header("host", host).send().await.ok()?;
			let ok = answer.status().is_success();
			let text = answer.text().await.unwrap();
			ok.then_some(text)
		};
		runtime.block_on(asked)
	};
	let leads = |host: &str, to: Option<&str>| {
		wait_until(
			Duration::from_secs(90),
			&format!("{host} leads to {to:?}"),
			|| said(host).as_deref() == to,
		)
		.unwrap_or_else(|error| panic!("{error}: {}", status(devnet, first)["addresses"]));
	};
	let why = |lease: u64, host: &str| {
		let said = status(devnet, lease);
		let all = said["addresses"].as_array().unwrap();
		let mut of = all.iter().filter(|one| one["host"] == host);
		of.next()
			.map(|one| one["why_not"].as_str().unwrap().to_owned())
	};
	let here = |lease: u64| format!("web-{lease}.provider-0.localhost");
	wait_until(
		Duration::from_secs(20),
		"it is said what is to be done",
		|| why(first, BARE).is_some_and(|why| why.contains(&format!("CNAME to {}", here(first)))),
	)
	.unwrap_or_else(|error| panic!("{error}: {:?}", why(first, BARE)));
	assert_eq!(
		[SHOP, BARE].map(said),
		[None, None],
		"nobody has said that they lead here"
	);

	// Each is led where its owner says, and nowhere else, whoever else wants it.
	zone.cname(SHOP, &here(first));
	zone.txt(&format!("_leasehold.{BARE}"), &here(first));
	leads(SHOP, Some("first"));
	leads(BARE, Some("first"));
	assert_eq!(why(first, SHOP), None);
	let other = why(second, SHOP).unwrap();
	assert!(other.contains("another service"), "{other}");
	wait_until(Duration::from_secs(60), "a browser is content", || {
		let of = |host| runtime.block_on(shown(listen, host, &authority, BROWSER));
		of(SHOP).is_some() && of(BARE).is_some() && of(HOST).is_some()
	})
	.unwrap_or_else(|error| panic!("{error}: {}", status(devnet, first)["addresses"]));
	// They lead there over a restart of the daemon, and until the owner says otherwise.
	kill_daemon(devnet);
	start_daemon(devnet);
	leads(SHOP, Some("first"));
	zone.cname(SHOP, &here(second));
	leads(SHOP, Some("second"));
	zone.clear();
	leads(SHOP, None);
	assert_eq!(
		said(&here(second)).as_deref(),
		Some("second"),
		"only the name is gone"
	);
	for lease in [first, second] {
		close(devnet, lease);
	}
	kill_daemon(devnet);
	std::fs::write(&path, before).unwrap();
	start_daemon(devnet);
}

fn certificate(devnet: &Devnet) {
	let folder = tempfile::tempdir().unwrap();
	let (path, before, listen) = configured(devnet);
	let own = format!("https://{listen}");
	let zone = Zone::serve();
	let server = Server::start(folder.path(), &zone, listen.port(), 75);
	let runtime = tokio::runtime::Runtime::new().unwrap();
	let authority = runtime.block_on(server.authority());
	let see = |protocol: &[u8]| runtime.block_on(shown(listen, HOST, &authority, protocol));
	assert_eq!(see(BROWSER), None, "no browser is content yet");

	with_certificates(devnet, &server, &zone);
	let mut first = None;
	wait_until(Duration::from_secs(150), "a browser is content", || {
		first = see(BROWSER);
		first.is_some()
	})
	.unwrap_or_else(|error| panic!("{error}: {}", daemon_status(devnet)));
	// Whoever goes by the key on chain still does.
	let goes_by_key = || {
		let asked = async {
			let keys = provider(devnet).await.tls_keys;
			let client = gateway::client(&keys).unwrap();
			client.get(&own).send().await.map(|answer| answer.status())
		};
		runtime.block_on(asked).unwrap();
	};
	goes_by_key();
	// Nothing is shown to who asks as the server does, once it has asked.
	assert!(runtime.block_on(answers(listen, BROWSER)));
	assert!(!runtime.block_on(answers(listen, b"acme-tls/1")));
	let lease = job(3, 1).start(devnet);
	closed(devnet, lease, 60);
	assert!(status(devnet, lease)["workload"]["phase"].is_string());

	// It is kept over a restart, as is the account, and another takes its place in time.
	let account = || std::fs::read(devnet.provider_folder(0).join("keys/acme.json")).unwrap();
	let (known, before_it) = (account(), see(BROWSER));
	kill_daemon(devnet);
	start_daemon(devnet);
	let mut again = None;
	wait_until(Duration::from_secs(20), "it is shown again", || {
		again = see(BROWSER);
		again.is_some()
	})
	.unwrap();
	assert_eq!(again, before_it);
	let mut second = None;
	wait_until(Duration::from_secs(120), "it is renewed", || {
		second = see(BROWSER);
		second.is_some() && second != before_it
	})
	.unwrap();
	goes_by_key();
	assert_eq!(account(), known, "the account is the same");
	// Another key has another certificate, and the former one's is worth nothing any more.
	let former = see(BROWSER).unwrap();
	let mut rotate = devnet.provider(0, &["rotate-key"]).unwrap();
	output_of(&mut rotate);
	wait_until(Duration::from_secs(60), "the former one is revoked", || {
		runtime.block_on(server.status_of(&former)) == "Revoked"
	})
	.unwrap();
	wait_until(
		Duration::from_secs(60),
		"the other key has one, too",
		|| {
			let now = see(BROWSER);
			now.is_some_and(|now| key_of(&now) != key_of(&former))
		},
	)
	.unwrap();
	let issued = devnet.provider_folder(0).join("keys/issued");
	wait_until(
		Duration::from_secs(20),
		"only the other key's are left",
		|| std::fs::read_dir(&issued).unwrap().count() == 1,
	)
	.unwrap();
	assert!(daemon_status(devnet)["not_revoked"].is_null());
	goes_by_key();
	// The server goes; what there is goes on, until it runs out, and then the key alone.
	drop(server);
	wait_until(Duration::from_secs(120), "it is said what is wrong", || {
		daemon_status(devnet)["no_certificate"].is_string()
	})
	.unwrap();
	goes_by_key();
	let keys_folder = devnet.provider_folder(0).join("keys");
	for name in ["acme.json", "gateway.pem"] {
		use std::os::unix::fs::PermissionsExt as _;
		let mode = std::fs::metadata(keys_folder.join(name))
			.unwrap()
			.permissions()
			.mode();
		assert_eq!(mode & 0o777, 0o600, "{name}");
	}
	kill_daemon(devnet);
	std::fs::write(&path, before).unwrap();
	start_daemon(devnet);
	// With the key the address went on chain that the file had then.
	tell_chain(devnet);
}
