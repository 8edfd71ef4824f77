//! The gateway towards peers that lie, hang, or come in masses.

use crate::{
	faults::{kill_daemon, start_daemon},
	flood::{self, Said},
	setting::{self, sleeper, status},
	Case,
};
use leasehold_client::{tls, view::Provider, Chain};
use leasehold_tests::{
	devnet::{last_json, resident, wait_until, Devnet, Owned},
	gateway,
};
use serde_json::json;
use std::{
	fs::File,
	future::Future,
	net::SocketAddr,
	sync::Arc,
	time::{Duration, Instant},
};
use tokio::{
	io::{AsyncReadExt as _, AsyncWriteExt as _},
	net::{TcpListener, TcpStream},
	time::timeout,
};
use tokio_rustls::{
	client::TlsStream,
	rustls::{
		crypto::ring,
		pki_types::{PrivateKeyDer, ServerName},
		server::{ClientHello, ResolvesServerCert},
		sign::CertifiedKey,
		ServerConfig,
	},
	TlsAcceptor, TlsConnector,
};

pub const CASES: &[Case] = &[
	("a_gateway_goes_by_its_key_alone", another_key),
	(
		"who_shows_anothers_key_without_having_it_is_told_nothing",
		impostor,
	),
	("who_is_slow_is_cut_off", slow),
	("a_body_beyond_the_limit_is_refused", too_large),
	("a_flood_of_connections_leaves_others_be", one_floods),
	("a_flood_from_many_addresses_leaves_others_be", many_flood),
	("a_flood_of_requests_leaves_others_be", requests),
];

/// An address of loopback that nobody else uses.
const ASKER: &str = "127.0.0.8";

fn block_on<T>(future: impl Future<Output = T>) -> T {
	tokio::runtime::Runtime::new().unwrap().block_on(future)
}

pub async fn provider(devnet: &Devnet) -> Provider {
	let chain = Chain::connect(&devnet.node(), None).await.unwrap();
	let view = chain.connection().await.unwrap().best().await.unwrap();
	view.provider(0).await.unwrap().unwrap()
}

/// Where a provider's gateway listens.
pub fn address(provider: &Provider) -> SocketAddr {
	let url = provider.gateways[0].strip_prefix("https://").unwrap();
	url.parse().unwrap()
}

/// A connection of TLS, to be spoken to by hand.
async fn by_hand(provider: &Provider) -> TlsStream<TcpStream> {
	let tls = tls::pinned(&provider.tls_keys).unwrap();
	let stream = TcpStream::connect(address(provider)).await.unwrap();
	let name = ServerName::try_from("anything.example").unwrap();
	let connector = TlsConnector::from(Arc::new(tls));
	connector.connect(name, stream).await.unwrap()
}

/// Whether the other side ends a connection within a time, whatever it says before.
async fn is_ended(stream: &mut (impl tokio::io::AsyncRead + Unpin), within: Duration) -> bool {
	let mut said = Vec::new();
	// However it ends.
	timeout(within, stream.read_to_end(&mut said)).await.is_ok()
}

fn another_key(devnet: &Devnet) {
	block_on(async {
		let provider = provider(devnet).await;
		let url = &provider.gateways[0];
		let good = gateway::client(&provider.tls_keys).unwrap();
		assert_eq!(good.get(url).send().await.unwrap().status(), 404);
		// The right one may be either of two.
		let either = gateway::client(&[[9; 32], provider.tls_keys[0]]).unwrap();
		assert_eq!(either.get(url).send().await.unwrap().status(), 404);
		for pins in [&[[9; 32]][..], &[]] {
			let other = gateway::client(pins).unwrap();
			let error = format!("{:?}", other.get(url).send().await.unwrap_err());
			assert!(error.contains(tls::WRONG_KEY), "{error}");
		}
		let plain = url.replace("https://", "http://");
		assert!(reqwest::get(plain).await.is_err());
	});
}

/// Who shows a provider's own certificate, and does not have its key.
#[derive(Debug)]
struct Impostor(Arc<CertifiedKey>);

impl ResolvesServerCert for Impostor {
	fn resolve(&self, _: ClientHello) -> Option<Arc<CertifiedKey>> {
		Some(self.0.clone())
	}
}

fn impostor(devnet: &Devnet) {
	block_on(async {
		let provider = provider(devnet).await;
		let seen = by_hand(&provider).await;
		let theirs = seen.get_ref().1.peer_certificates().unwrap().to_vec();
		let own = rcgen::KeyPair::generate().unwrap().serialize_der();
		let own = PrivateKeyDer::Pkcs8(own.into());
		let crypto = Arc::new(ring::default_provider());
		let key = ring::sign::any_supported_type(&own).unwrap();
		let shown = Impostor(Arc::new(CertifiedKey::new(theirs, key)));
		let config = ServerConfig::builder_with_provider(crypto)
			.with_safe_default_protocol_versions()
			.unwrap()
			.with_no_client_auth()
			.with_cert_resolver(Arc::new(shown));
		let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
		let url = format!("https://{}/", listener.local_addr().unwrap());
		let heard = tokio::spawn(async move {
			let (stream, _) = listener.accept().await.unwrap();
			let accepted = TlsAcceptor::from(Arc::new(config)).accept(stream).await;
			let mut heard = Vec::new();
			if let Ok(mut stream) = accepted {
				let _ = stream.read_to_end(&mut heard).await;
			}
			heard
		});
		let client = gateway::client(&provider.tls_keys).unwrap();
		let error = format!("{:?}", client.get(url).send().await.unwrap_err());
		assert!(error.contains("BadSignature"), "{error}");
		assert_eq!(heard.await.unwrap(), b"", "nothing is said to it");
	});
}

fn slow(devnet: &Devnet) {
	block_on(async {
		let provider = provider(devnet).await;
		let silent = async {
			let mut stream = TcpStream::connect(address(&provider)).await.unwrap();
			is_ended(&mut stream, Duration::from_secs(15)).await
		};
		let half = async {
			let mut stream = by_hand(&provider).await;
			stream.write_all(b"POST /rpc HTTP/1.1\r\n").await.unwrap();
			let begun = Instant::now();
			// A field now and then does not help.
			let (mut reader, mut writer) = tokio::io::split(stream);
			let drip = async {
				for n in 0..60 {
					tokio::time::sleep(Duration::from_secs(1)).await;
					let field = format!("x-{n}: y\r\n");
					if writer.write_all(field.as_bytes()).await.is_err() {
						break;
					}
				}
			};
			let ended = is_ended(&mut reader, Duration::from_secs(30));
			tokio::select! {
				ended = ended => ended && begun.elapsed() > Duration::from_secs(10),
				() = drip => false,
			}
		};
		let idle = async {
			let mut stream = by_hand(&provider).await;
			is_ended(&mut stream, Duration::from_secs(30)).await
		};
		let (silent, half, idle) = tokio::join!(silent, half, idle);
		assert!(silent, "without a handshake");
		assert!(half, "with half a head");
		assert!(idle, "without a request");
	});
}

fn too_large(devnet: &Devnet) {
	block_on(async {
		let provider = provider(devnet).await;
		let client = gateway::client(&provider.tls_keys).unwrap();
		let url = format!("{}/rpc", provider.gateways[0]);
		let call = |size: usize| {
			let head = json!({
				"jsonrpc": "2.0", "id": 1, "method": "provider_info", "params": [],
			});
			// Blanks after a value are no fault of it.
			let mut body = head.to_string();
			body.push_str(&" ".repeat(size.saturating_sub(body.len())));
			let json = ("content-type", "application/json");
			client.post(&url).header(json.0, json.1).body(body).send()
		};
		let largest = 3 << 20;
		assert_eq!(call(largest).await.unwrap().status(), 200);
		// What is announced as larger is not even read.
		let mut stream = by_hand(&provider).await;
		let head = format!(
			"POST /rpc HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
			largest + 1
		);
		stream.write_all(head.as_bytes()).await.unwrap();
		let mut said = [0; 12];
		stream.read_exact(&mut said).await.unwrap();
		assert_eq!(&said, b"HTTP/1.1 413");
		let mut stream = by_hand(&provider).await;
		let head = format!(
			"GET / HTTP/1.1\r\nhost: a\r\nx: {}\r\n\r\n",
			"y".repeat(200_000)
		);
		// It may be told off before all is sent.
		let _ = stream.write_all(head.as_bytes()).await;
		let _ = stream.flush().await;
		let mut said = [0; 12];
		stream.read_exact(&mut said).await.unwrap();
		assert_eq!(&said, b"HTTP/1.1 431");
	});
}

fn one_floods(devnet: &Devnet) {
	flooded(devnet, 1, 256);
}

fn many_flood(devnet: &Devnet) {
	// Of each less than an address may have: together they meet the limit of all.
	flooded(devnet, 100, 4_096);
}

/// 10,000 connections from so many addresses, of which no more than these stay: whoever else comes is answered all the
/// while.
fn flooded(devnet: &Devnet, addresses: usize, most: usize) {
	const CONNECTIONS: usize = 10_000;
	let pid = devnet.provider_pid(0).unwrap();
	let before = resident(pid).unwrap();
	let provider = block_on(provider(devnet));
	let begun = Instant::now();
	let (_flood, says) = flood::start(address(&provider), CONNECTIONS, addresses);
	let (mut opened, mut peak, mut answers, mut slowest) = (None, 0, 0, Duration::ZERO);
	loop {
		assert!(begun.elapsed() < Duration::from_secs(60), "{opened:?}");
		// Each time from the handshake on.
		let client = gateway::client(&provider.tls_keys).unwrap();
		let asked = Instant::now();
		let answer = block_on(async {
			let answer = client.get(&provider.gateways[0]).send();
			timeout(Duration::from_secs(5), answer).await
		});
		assert_eq!(answer.expect("in time").unwrap().status(), 404);
		(answers, slowest) = (answers + 1, slowest.max(asked.elapsed()));
		let Ok(said) = says.recv_timeout(Duration::from_millis(100)) else {
			continue;
		};
		match said {
			Said::Opened(count) => opened = Some((count, begun.elapsed())),
			Said::Alive(0) => break,
			Said::Alive(count) => {
				peak = peak.max(count);
				let grown = resident(pid).unwrap().saturating_sub(before);
				assert!(grown < 128 << 20, "the daemon has grown by {grown} bytes");
			}
		}
	}
	println!("{opened:?} from {addresses}: {peak} kept, {answers} others answered in {slowest:?}");
	let (opened, _) = opened.unwrap();
	assert!(opened > CONNECTIONS / 2, "{opened} came about");
	assert!(peak <= most + 64, "{peak} of them were kept");
	assert!(peak > most / 4, "the limit was never met: {peak} were kept");
	let status = devnet.provider(0, &["status"]).unwrap().output().unwrap();
	assert!(status.status.success());
}

fn requests(devnet: &Devnet) {
	block_on(async {
		let provider = provider(devnet).await;
		let tls = tls::pinned(&provider.tls_keys).unwrap();
		let asker = reqwest::Client::builder()
			.use_preconfigured_tls(tls)
			.local_address(Some(ASKER.parse().unwrap()))
			.build()
			.unwrap();
		let mut refused = false;
		for _ in 0..6_000 {
			let answer = asker.get(&provider.gateways[0]).send().await.unwrap();
			if answer.status() == 429 {
				refused = answer.text().await.unwrap().contains("too many requests");
				break;
			}
		}
		assert!(refused);
		let other = gateway::client(&provider.tls_keys).unwrap();
		let answer = other.get(&provider.gateways[0]).send().await.unwrap();
		assert_eq!(answer.status(), 404);
		tokio::time::sleep(Duration::from_secs(1)).await;
		let answer = asker.get(&provider.gateways[0]).send().await.unwrap();
		assert_eq!(answer.status(), 404, "it may again after a moment");
	});
}

/// The key is rotated while a log is followed; then it is lost, and another drawn that the chain does not know.
pub fn keys(devnet: &Devnet) {
	let lease = setting::File {
		module: sleeper(90),
		..Default::default()
	}
	.start(devnet);
	let id = lease.to_string();
	let followed = devnet.folder().join("followed");
	let mut follower = devnet.tenant(&["logs", "-f", &id]).unwrap();
	let follower = follower.stdout(File::create(&followed).unwrap());
	let mut follower = Owned(follower.spawn().unwrap());
	let before = block_on(provider(devnet)).tls_keys;
	let output = devnet.provider(0, &["rotate-key"]).unwrap().output();
	let output = output.unwrap();
	assert!(output.status.success(), "{output:?}");
	let after = block_on(async {
		let provider = provider(devnet).await;
		assert_eq!(provider.tls_keys.len(), 1);
		assert_ne!(provider.tls_keys, before);
		let former = gateway::client(&before).unwrap();
		let error = former.get(&provider.gateways[0]).send().await.unwrap_err();
		assert!(format!("{error:?}").contains(tls::WRONG_KEY), "{error:?}");
		provider.tls_keys
	});
	let said = status(devnet, lease);
	assert_eq!(said["workload"]["phase"], "running", "{said}");
	// Who followed the log by the former key does so by the new one.
	kill_daemon(devnet);
	start_daemon(devnet);
	let dots = || {
		let said = std::fs::read(&followed).unwrap();
		said.iter().filter(|byte| **byte == b'.').count()
	};
	let then = dots();
	wait_until(Duration::from_secs(30), "the log goes on", || {
		dots() > then + 5
	})
	.unwrap();
	assert!(follower.0.try_wait().unwrap().is_none());
	follower.kill();

	kill_daemon(devnet);
	std::fs::remove_file(devnet.provider_folder(0).join("keys/gateway.pem")).unwrap();
	start_daemon(devnet);
	let mut last = json!(null);
	wait_until(Duration::from_secs(30), "the key is refused", || {
		last = status(devnet, lease);
		let error = last["workload"]["error"].as_str().unwrap_or_default();
		error.contains("not the provider's gateway")
	})
	.unwrap_or_else(|error| panic!("{error}: {last}"));
	let (said, code) = devnet.json("//Tenant", &["files", "ls", &id]).unwrap();
	assert_eq!(code, 5, "{said}");
	assert!(
		said["advice"]
			.as_str()
			.unwrap()
			.contains("Nothing was sent"),
		"{said}"
	);
	let mut said = json!(null);
	wait_until(Duration::from_secs(60), "the daemon knows", || {
		let output = devnet.provider(0, &["status", "--output", "json"]);
		let output = output.unwrap().output().unwrap();
		said = last_json(&output).unwrap_or_default();
		let differs = said["differs"].as_str().unwrap_or_default();
		differs.contains("leasehold-provider update")
	})
	.unwrap_or_else(|error| panic!("{error}: {said}"));
	let output = devnet.provider(0, &["update"]).unwrap().output().unwrap();
	assert!(output.status.success(), "{output:?}");
	wait_until(Duration::from_secs(30), "the key is known", || {
		last = status(devnet, lease);
		last["workload"]["phase"] == "running"
	})
	.unwrap_or_else(|error| panic!("{error}: {last}"));
	assert_ne!(block_on(provider(devnet)).tls_keys, after);
	let (_, code) = devnet.json("//Tenant", &["close", &id]).unwrap();
	assert_eq!(code, 0);
}
