//! The ACME server Pebble, and a name server for it.

use leasehold_tests::devnet::{wait_until, Owned};
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
use x509_parser::prelude::{FromDer as _, X509Certificate};

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
pub struct Zone {
	pub address: SocketAddr,
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
	pub fn serve() -> Self {
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

	pub fn cname(&self, name: &str, to: &str) {
		let mut records = self.records.lock().unwrap();
		records.insert((name.to_owned(), CNAME), labels(to));
	}

	pub fn txt(&self, name: &str, text: &str) {
		let length = u8::try_from(text.len()).unwrap();
		let record = [&[length], text.as_bytes()].concat();
		let mut records = self.records.lock().unwrap();
		records.insert((name.to_owned(), TXT), record);
	}

	pub fn clear(&self) {
		self.records.lock().unwrap().clear();
	}
}

/// Pebble.
pub struct Server {
	_process: Owned,
	pub directory: String,
	/// Of the server itself.
	pub root: PathBuf,
	management: u16,
}

impl Server {
	/// Certificates of so many seconds, for hosts that are asked at this port.
	pub fn start(folder: &Path, zone: &Zone, tls_port: u16, seconds: u32) -> Self {
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
	pub async fn authority(&self) -> Vec<u8> {
		let sent = self.asked("roots/0").await;
		sent.bytes().await.unwrap().to_vec()
	}

	/// What it says of a certificate.
	pub async fn status_of(&self, certificate: &[u8]) -> String {
		let serial = X509Certificate::from_der(certificate).unwrap().1;
		let serial = hex::encode(serial.raw_serial());
		let sent = self.asked(&format!("cert-status-by-serial/{serial}")).await;
		let said: Value = sent.json().await.unwrap();
		said["Status"].as_str().unwrap().to_owned()
	}
}
