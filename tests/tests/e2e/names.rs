//! Services by their host names, through the provider's proxy.

use crate::services::{close, ready, start, write, Service};
use leasehold_client::tls;
use leasehold_tests::devnet::{resident, Devnet};
use reqwest::{Client, StatusCode, Url};
use serde_json::Value;
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
	io::{AsyncReadExt as _, AsyncWriteExt as _},
	net::TcpStream,
	time::timeout,
};
use tokio_rustls::{client::TlsStream, rustls::pki_types::ServerName, TlsConnector};

/// Shows what it is told, counts what it is sent, and has a large file.
const SHOWS: &str = r##"mkdir -p /www/cgi-bin; cd /www
printf '#!/bin/sh\necho; busybox env\n' > cgi-bin/env; printf '#!/bin/sh\necho; cat | wc -c\n' > cgi-bin/count; printf '#!/bin/sh\nsleep 20; echo\n' > cgi-bin/slow
busybox chmod +x cgi-bin/*; dd if=/dev/zero of=large bs=1M count=48 2>/dev/null; exec httpd -f -p 8080 -h /www"##;

/// Takes the connection for something else, and says back what it hears.
const SWITCHES: &str = r##"echo 'while read line && [ ${#line} -gt 1 ]; do :; done
printf "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"; exec cat' > /do
exec nc -ll -p 8080 -e sh /do"##;

const BY_NAME: &str =
	"    expose:\n      - port: 8080\n        as: 80\n        to: [{ global: true }]\n";

/// The provider's gateway, by whatever name it is called.
struct Door {
	address: SocketAddr,
	keys: Vec<[u8; 32]>,
}

impl Door {
	async fn of(devnet: &Devnet) -> Self {
		let provider = crate::gateway::provider(devnet).await;
		Self {
			address: crate::gateway::address(&provider),
			keys: provider.tls_keys,
		}
	}

	fn client(&self, url: &Url) -> Client {
		let host = url.host_str().unwrap();
		Client::builder()
			.use_preconfigured_tls(tls::pinned(&self.keys).unwrap())
			.resolve(host, self.address)
			.build()
			.unwrap()
	}

	async fn by_hand(&self, name: &str) -> TlsStream<TcpStream> {
		let tls = Arc::new(tls::pinned(&self.keys).unwrap());
		let stream = TcpStream::connect(self.address).await.unwrap();
		let name = ServerName::try_from(name.to_owned()).unwrap();
		TlsConnector::from(tls).connect(name, stream).await.unwrap()
	}
}

/// The URL of a service, as `deploy` says.
fn url(json: &Value, service: &str) -> Url {
	let addresses = json["addresses"].as_array().unwrap();
	let found = addresses
		.iter()
		.find(|one| one["service"] == service && one["url"].is_string());
	let url = found.and_then(|one| one["url"].as_str());
	url.unwrap_or_else(|| panic!("{json}")).parse().unwrap()
}

async fn heard(stream: &mut TlsStream<TcpStream>, until: &str) -> String {
	let mut said = Vec::new();
	let read = async {
		let mut byte = [0];
		while !said.ends_with(until.as_bytes()) && stream.read_exact(&mut byte).await.is_ok() {
			said.push(byte[0]);
		}
	};
	// What was heard until then is told.
	let _ = timeout(Duration::from_secs(10), read).await;
	String::from_utf8_lossy(&said).into_owned()
}

pub fn names(devnet: &Devnet) {
	ready(devnet);
	let hidden = "    expose:\n      - port: 8080\n        to: [{ service: web }]\n";
	let options =
		format!("{BY_NAME}        http_options: {{ max_body_size: 4096, read_timeout: 1500 }}\n");
	let services = [
		Service("web", SHOWS, BY_NAME),
		Service("small", SHOWS, &options),
		Service("hidden", "exec httpd -f -p 8080 -h /", hidden),
		Service("my-echo", SWITCHES, BY_NAME),
	];
	let path = write(devnet, &services, "{ size: 96Mi }");
	let (lease, json) = start(devnet, &path);
	let web = url(&json, "web");
	let runtime = tokio::runtime::Runtime::new().unwrap();
	runtime.block_on(async {
		let door = Door::of(devnet).await;
		let client = door.client(&web);
		let env = web.join("cgi-bin/env?a=b").unwrap();
		let asked = client
			.get(env)
			.header("x-forwarded-for", "6.6.6.6")
			.header("connection", "x-secret")
			.header("x-secret", "none");
		let answer = asked.send().await.unwrap();
		assert_eq!(answer.status(), StatusCode::OK);
		let said = answer.text().await.unwrap();
		let host = web.host_str().unwrap().to_owned();
		let port = web.port().unwrap();
		for line in [
			"QUERY_STRING=a=b".to_owned(),
			format!("HTTP_HOST={host}:{port}"),
			"HTTP_X_FORWARDED_FOR=127.0.0.1".to_owned(),
			"HTTP_X_FORWARDED_PROTO=https".to_owned(),
		] {
			assert!(said.lines().any(|one| one == line), "{line}: {said}");
		}
		assert!(!said.contains("SECRET"), "{said}");
		// The gateway's own host is no service's, and neither are others.
		for other in ["127.0.0.1", "nobody.example"] {
			let asked = client.get(web.join("cgi-bin/env").unwrap());
			let answer = asked.header("host", other).send().await.unwrap();
			assert_eq!(answer.status(), StatusCode::NOT_FOUND);
			assert!(answer.headers().contains_key("api"), "{answer:?}");
		}
		// Never mind how much is said to be there.
		let small = url(&json, "small").join("cgi-bin/count").unwrap();
		let client = door.client(&small);
		let post = |size: usize| client.post(small.clone()).body(vec![7u8; size]).send();
		let answer = post(4_000).await.unwrap();
		assert_eq!(answer.text().await.unwrap().trim(), "4000");
		let most = post(4_096).await.unwrap();
		assert_eq!(most.text().await.unwrap().trim(), "4096");
		let large = post(4_097).await;
		assert!(large.is_err() || large.unwrap().status() == 413);
		// Nor is there for ever for it.
		let name = small.host_str().unwrap();
		let mut stands = door.by_hand(name).await;
		let head = format!(
			"POST /cgi-bin/count HTTP/1.1\r\nHost: {name}\r\nContent-Length: 100\r\n\r\nhalf of it"
		);
		stands.write_all(head.as_bytes()).await.unwrap();
		let standing = async {
			let mut said = vec![0; 1_024];
			let read = timeout(Duration::from_secs(60), stands.read(&mut said));
			let n = read.await.expect("it is cut off").unwrap_or(0);
			String::from_utf8_lossy(&said[..n]).into_owned()
		};
		let answer = client
			.get(small.join("slow").unwrap())
			.send()
			.await
			.unwrap();
		assert_eq!(answer.status(), StatusCode::GATEWAY_TIMEOUT);
		let said = standing.await;
		assert!(said.starts_with("HTTP/1.1 408 "), "{said}");
		let client = door.client(&web);

		// Of any size, and nothing of it is kept here.
		let pid = devnet.provider_pid(0).unwrap();
		let before = resident(pid).unwrap();
		let count = web.join("cgi-bin/count").unwrap();
		let body = vec![7u8; 48 << 20];
		let answer = client.post(count).body(body).send().await.unwrap();
		assert_eq!(answer.text().await.unwrap().trim(), (48 << 20).to_string());
		let large = client.get(web.join("large").unwrap()).send().await.unwrap();
		assert_eq!(large.bytes().await.unwrap().len(), 48 << 20);
		let grown = resident(pid).unwrap().saturating_sub(before);
		assert!(grown < 24 << 20, "the daemon has grown by {grown} bytes");

		// Whatever else there may be is not here.
		for other in [
			format!("hidden-{lease}"),
			format!("nobody-{lease}"),
			format!("web-{}", lease + 1),
			format!("web-0{lease}"),
			"web".to_owned(),
		] {
			let other = host.replace(&format!("web-{lease}"), &other);
			let url: Url = format!("https://{other}:{port}/cgi-bin/env")
				.parse()
				.unwrap();
			let answer = door.client(&url).get(url).send().await.unwrap();
			assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{other}");
			let said = answer.text().await.unwrap();
			assert_eq!(said, "there is no such service here\n", "{other}");
		}

		let echo = url(&json, "my-echo");
		let echo = echo.host_str().unwrap();
		let mut stream = door.by_hand(echo).await;
		let asks = format!(
			"GET / HTTP/1.1\r\nHost: {echo}\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"
		);
		stream.write_all(asks.as_bytes()).await.unwrap();
		let said = heard(&mut stream, "\r\n\r\n").await;
		assert!(said.starts_with("HTTP/1.1 101 "), "{said}");
		assert!(said.to_lowercase().contains("upgrade: websocket"), "{said}");
		stream.write_all(b"to and fro").await.unwrap();
		assert_eq!(heard(&mut stream, "to and fro").await, "to and fro");

		smuggled(&door, &host).await;
	});
	close(devnet, lease);
	runtime.block_on(async {
		let door = Door::of(devnet).await;
		let env = web.join("cgi-bin/env").unwrap();
		let client = door.client(&web);
		let none = [StatusCode::NOT_FOUND, StatusCode::SERVICE_UNAVAILABLE];
		// The daemon hears of it with the next block, and the container has a moment then.
		let gone = async {
			while !none.contains(&client.get(env.clone()).send().await.unwrap().status()) {
				tokio::time::sleep(Duration::from_millis(200)).await;
			}
		};
		let in_time = timeout(Duration::from_secs(40), gone).await;
		in_time.expect("the name leads nowhere any more");
	});
}

/// What two servers might take for another number of requests than the first one does.
async fn smuggled(door: &Door, host: &str) {
	let hidden = "GET /cgi-bin/env?smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
	// The length counts for nothing beside chunks, and what follows them is a request of its own, to another host.
	let both = format!(
		"POST /cgi-bin/count HTTP/1.1\r\nHost: {host}\r\nContent-Length: {}\r\nTransfer-Encoding: chunked\r\n\r\n\
		 0\r\n\r\n{hidden}",
		5 + hidden.len()
	);
	let mut stream = door.by_hand(host).await;
	stream.write_all(both.as_bytes()).await.unwrap();
	let said = heard(&mut stream, "404 Not Found").await;
	assert!(said.starts_with("HTTP/1.1 200 OK"), "{said}");
	assert!(!said.contains("smuggled"), "{said}");
	for bad in [
		format!("POST /cgi-bin/env HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
		format!(
			"POST /cgi-bin/env HTTP/1.1\r\nHost: {host}\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"
		),
		format!("GET /cgi-bin/env HTTP/1.1\r\nHost: {host}\r\nHost: other\r\n\r\n"),
		format!("GET /cgi-bin/env HTTP/1.1\r\nHost: {host}\r\nX : y\r\n\r\n"),
	] {
		let mut stream = door.by_hand(host).await;
		stream.write_all(bad.as_bytes()).await.unwrap();
		let said = heard(&mut stream, "\r\n").await;
		assert!(said.starts_with("HTTP/1.1 400 "), "{bad}: {said}");
	}
}
