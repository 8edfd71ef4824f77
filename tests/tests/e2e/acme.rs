//! Certificates for browsers, from an ACME server: Pebble, on loopback.

use crate::{
	faults::{daemon_status, job, kill_daemon, start_daemon},
	gateway::provider,
	modules::open_service,
	services::close,
	setting::{closed, status},
};
use leasehold_tests::{
	devnet::{wait_until, Devnet, Owned},
	engine::output_of,
	gateway,
};
use rcgen::{CertificateParams, KeyPair};
use serde_json::{json, Value};
use std::{
	collections::HashMap,
	net::{SocketAddr, TcpListener, UdpSocket},
	path::{Path, PathBuf},
	process::{Command, Stdio},
	sync::{Arc, Mutex},
	time::Duration,
};
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

/// The program that `scripts/pebble` has built.
fn pebble() -> PathBuf {
	let this = std::env::current_exe().unwrap();
	let found = this
		.ancestors()
		.map(|folder| folder.join("tools/bin/pebble"));
	let mut found = found.filter(|path| path.exists());
	found.next().expect("scripts/pebble has been run")
}

/// A port that nobody listens at, and what keeps others from taking it meanwhile.
fn free_port() -> (u16, TcpListener) {
	let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
	(tcp.local_addr().unwrap().port(), tcp)
}

/// A name server to which every name is this machine's, with records of other kinds beside. It answers until the tests
/// end.
struct Zone {
	address: SocketAddr,
	records: Arc<Mutex<Records>>,
}

/// (name, kind) and what the record says.
type Records = HashMap<(String, u16), Vec<u8>>;

const ADDRESS: u16 = 1;
const CNAME: u16 = 5;
const TXT: u16 = 16;

/// A name as it travels.
fn labels(name: &str) -> Vec<u8> {
	let labels = name.split('.').flat_map(|label| {
		let length = u8::try_from(label.len()).unwrap();
		[&[length], label.as_bytes()].concat()
	});
	labels.chain([0]).collect()
}

impl Zone {
	fn serve() -> Self {
		let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
		let zone = Self {
			address: socket.local_addr().unwrap(),
			records: Arc::default(),
		};
		let records = zone.records.clone();
		std::thread::spawn(move || {
			let mut question = [0; 1_500];
			while let Ok((n, peer)) = socket.recv_from(&mut question) {
				// Twelve bytes of head, the name, a zero, type and class.
				let Some(name) = question[12..n].iter().position(|byte| *byte == 0) else {
					continue;
				};
				let asked = &question[12..(12 + name + 5).min(n)];
				let kind = u16::from_be_bytes([asked[name + 1], asked[name + 2]]);
				let known = records.lock().unwrap();
				let mut found = known.iter().filter(|((of, is), _)| {
					*is == kind && labels(of).eq_ignore_ascii_case(&asked[..=name])
				});
				let record = match found.next() {
					Some((_, record)) => Some(record.clone()),
					None => (kind == ADDRESS).then(|| vec![127, 0, 0, 1]),
				};
				let mut answer = question[..2].to_vec();
				answer.extend([0x81, 0x80, 0, 1, 0, record.is_some().into(), 0, 0, 0, 0]);
				answer.extend(asked);
				if let Some(record) = record {
					answer.extend([0xc0, 12]);
					answer.extend(kind.to_be_bytes());
					answer.extend([0, 1, 0, 0, 0, 1]);
					answer.extend(u16::try_from(record.len()).unwrap().to_be_bytes());
					answer.extend(record);
				}
				let _ = socket.send_to(&answer, peer);
			}
		});
		zone
	}

	fn cname(&self, name: &str, to: &str) {
		let mut records = self.records.lock().unwrap();
		records.insert((name.to_owned(), CNAME), labels(to));
	}

	fn txt(&self, name: &str, text: &str) {
		let length = u8::try_from(text.len()).unwrap();
		let record = [&[length], text.as_bytes()].concat();
		let mut records = self.records.lock().unwrap();
		records.insert((name.to_owned(), TXT), record);
	}

	fn clear(&self) {
		self.records.lock().unwrap().clear();
	}
}

/// Pebble.
struct Server {
	_process: Owned,
	directory: String,
	/// Of the server itself.
	root: PathBuf,
	management: u16,
}

impl Server {
	/// Certificates of so many seconds, for hosts that are asked at this port.
	fn start(folder: &Path, zone: &Zone, tls_port: u16, seconds: u32) -> Self {
		let ports = [(); 3].map(|()| free_port());
		let [listen, management, http] = [0, 1, 2].map(|n: usize| ports[n].0);
		let pair = KeyPair::generate().unwrap();
		let own = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
		let own = own.self_signed(&pair).unwrap();
		let at = |name: &str| folder.join(name);
		std::fs::write(at("pebble.pem"), own.pem()).unwrap();
		std::fs::write(at("pebble.key"), pair.serialize_pem()).unwrap();
		let config = json!({ "pebble": {
			"listenAddress": format!("127.0.0.1:{listen}"),
			"managementListenAddress": format!("127.0.0.1:{management}"),
			"certificate": at("pebble.pem"), "privateKey": at("pebble.key"),
			"httpPort": http, "tlsPort": tls_port, "ocspResponderURL": "",
			"externalAccountBindingRequired": false, "certificateValidityPeriod": seconds,
			"profiles": { "default": { "description": "short", "validityPeriod": seconds } },
		}});
		std::fs::write(at("pebble.json"), config.to_string()).unwrap();
		let log = std::fs::File::create(at("pebble.log")).unwrap();
		drop(ports);
		let pebble = Command::new(pebble())
			.arg("-config")
			.arg(at("pebble.json"))
			.args(["-dnsserver", &zone.address.to_string()])
			// No mischief: neither waits nor made-up errors.
			.env("PEBBLE_VA_NOSLEEP", "1")
			.env("PEBBLE_WFE_NONCEREJECT", "0")
			.stdin(Stdio::null())
			.stdout(log.try_clone().unwrap())
			.stderr(log)
			.spawn();
		let on = |port: u16| format!("127.0.0.1:{port}");
		wait_until(Duration::from_secs(20), "Pebble is up", || {
			std::net::TcpStream::connect(on(management)).is_ok()
		})
		.unwrap_or_else(|error| {
			let log = std::fs::read_to_string(at("pebble.log"));
			panic!("{error}: {}", log.unwrap_or_default())
		});
		Self {
			_process: Owned(pebble.unwrap()),
			directory: format!("https://{}/dir", on(listen)),
			root: at("pebble.pem"),
			management,
		}
	}

	async fn asked(&self, path: &str) -> reqwest::Response {
		let own = reqwest::Certificate::from_pem(&std::fs::read(&self.root).unwrap());
		let client = reqwest::Client::builder().add_root_certificate(own.unwrap());
		let url = format!("https://127.0.0.1:{}/{path}", self.management);
		client.build().unwrap().get(url).send().await.unwrap()
	}

	/// The authority that its certificates go back to.
	async fn authority(&self) -> Vec<u8> {
		let sent = self.asked("roots/0").await;
		sent.bytes().await.unwrap().to_vec()
	}

	/// What it says of a certificate.
	async fn status_of(&self, certificate: &[u8]) -> String {
		let serial = X509Certificate::from_der(certificate).unwrap().1;
		let serial = hex::encode(serial.raw_serial());
		let sent = self.asked(&format!("cert-status-by-serial/{serial}")).await;
		let said: Value = sent.json().await.unwrap();
		said["Status"].as_str().unwrap().to_owned()
	}
}

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

pub fn names(devnet: &Devnet) {
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

pub fn certificate(devnet: &Devnet) {
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
	let mut update = devnet.provider(0, &["update"]).unwrap();
	wait_until(Duration::from_secs(30), "the chain is told", || {
		update.output().unwrap().status.success()
	})
	.unwrap();
}
