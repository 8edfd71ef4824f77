//! Certificates for browsers, from an ACME server: Pebble, on loopback.

use crate::{
	faults::{daemon_status, job, kill_daemon, start_daemon},
	gateway::provider,
	setting::{closed, status},
};
use leasehold_tests::{
	devnet::{wait_until, Devnet, Owned},
	gateway,
};
use rcgen::{CertificateParams, KeyPair};
use serde_json::json;
use std::{
	net::{SocketAddr, TcpListener, UdpSocket},
	path::{Path, PathBuf},
	process::{Command, Stdio},
	sync::Arc,
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

/// A name server to which every name is this machine's: its address. It answers until the tests end.
fn name_server() -> SocketAddr {
	/// An address is asked for, in the class of the Internet.
	const ADDRESS: &[u8] = &[0, 1, 0, 1];
	let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
	let address = socket.local_addr().unwrap();
	std::thread::spawn(move || {
		let mut question = [0; 1_500];
		while let Ok((n, peer)) = socket.recv_from(&mut question) {
			// Twelve bytes of head, the name, a zero, type and class.
			let Some(name) = question[12..n].iter().position(|byte| *byte == 0) else {
				continue;
			};
			let asked = &question[12..(12 + name + 5).min(n)];
			let found = asked.ends_with(ADDRESS);
			let mut answer = question[..2].to_vec();
			answer.extend([0x81, 0x80, 0, 1, 0, found.into(), 0, 0, 0, 0]);
			answer.extend(asked);
			if found {
				answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4, 127, 0, 0, 1]);
			}
			let _ = socket.send_to(&answer, peer);
		}
	});
	address
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
	fn start(folder: &Path, tls_port: u16, seconds: u32) -> Self {
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
			.args(["-dnsserver", &name_server().to_string()])
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

	/// The authority that its certificates go back to.
	async fn authority(&self) -> Vec<u8> {
		let own = reqwest::Certificate::from_pem(&std::fs::read(&self.root).unwrap());
		let client = reqwest::Client::builder().add_root_certificate(own.unwrap());
		let url = format!("https://127.0.0.1:{}/roots/0", self.management);
		let sent = client.build().unwrap().get(url).send().await.unwrap();
		sent.bytes().await.unwrap().to_vec()
	}
}

/// The certificate that a browser is shown, if it is content with it.
async fn shown(at: SocketAddr, authority: &[u8], protocol: &[u8]) -> Option<Vec<u8>> {
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
	let name = ServerName::try_from(HOST).unwrap();
	let stream = TlsConnector::from(Arc::new(config))
		.connect(name, stream)
		.await
		.ok()?;
	let first = stream.get_ref().1.peer_certificates()?.first()?;
	Some(first.to_vec())
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

pub fn certificate(devnet: &Devnet) {
	const BROWSER: &[u8] = b"http/1.1";
	let folder = tempfile::tempdir().unwrap();
	let path = devnet.provider_folder(0).join("provider.toml");
	let before = std::fs::read_to_string(&path).unwrap();
	let listen = before
		.lines()
		.find_map(|line| line.strip_prefix("listen = "));
	let listen: SocketAddr = listen.unwrap().trim_matches('"').parse().unwrap();
	let server = Server::start(folder.path(), listen.port(), 75);
	let runtime = tokio::runtime::Runtime::new().unwrap();
	let authority = runtime.block_on(server.authority());
	let see = |protocol: &[u8]| runtime.block_on(shown(listen, &authority, protocol));
	assert_eq!(see(BROWSER), None, "no browser is content yet");

	kill_daemon(devnet);
	let (own, named) = (
		format!("https://{listen}"),
		format!("https://{HOST}:{}", listen.port()),
	);
	let (directory, root) = (&server.directory, &server.root);
	let acme = format!(
		"\n[gateway.acme]\nterms_agreed = true\ncontact = \"mailto:us@leasehold.test\"\ndirectory = \
		 {directory:?}\nroots = {root:?}\n"
	);
	assert!(before.contains(&own), "{before}");
	std::fs::write(&path, before.replace(&own, &named) + &acme).unwrap();
	start_daemon(devnet);
	let mut first = None;
	wait_until(Duration::from_secs(150), "a browser is content", || {
		first = see(BROWSER);
		first.is_some()
	})
	.unwrap_or_else(|error| panic!("{error}: {}", daemon_status(devnet)));
	// Whoever goes by the key on chain still does.
	let keys = runtime.block_on(provider(devnet)).tls_keys;
	let goes_by_key = || {
		let asked = async {
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
}
