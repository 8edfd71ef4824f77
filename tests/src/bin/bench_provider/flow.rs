//! What goes through the gateway: pages by host name, a log, a file, each against a bare server.

use crate::{deploy, offered, run, text, Bench, File, MODULE};
use anyhow::{ensure, Context as _};
use axum::body::Body;
use hyper::{body::Incoming, service::service_fn, Request, Response, Uri};
use hyper_util::{
	client::legacy::{connect::HttpConnector, Client},
	rt::{TokioExecutor, TokioIo},
};
use leasehold_client::{keystore, view::Provider, Chain, H256};
use leasehold_tests::{
	devnet::{resident, Devnet},
	figures::{median, Figure},
	gateway::{self, Gateway, EMPTY},
};
use rcgen::{CertificateParams, KeyPair};
use reqwest::Method;
use serde_json::Value;
use std::{
	future::Future,
	net::SocketAddr,
	path::Path,
	process::Command,
	sync::Arc,
	time::{Duration, Instant},
};
use tokio::{net::TcpListener, runtime::Runtime};
use tokio_rustls::{
	rustls::{pki_types::PrivateKeyDer, ServerConfig},
	server::TlsStream,
	TlsAcceptor,
};

/// Bytes of the file, and about as many of the log.
const MIB: usize = 256;

/// Writes its argument of MiB of lines, and as much into a file.
const WRITER: &str = r#"(module
	(import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
	(import "wasi_snapshot_preview1" "path_open"
		(func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
	(memory (export "memory") 2)
	(data (i32.const 96) "large")
	(func (export "_start") (local $n i32)
		;; a line each 128 bytes
		(loop $fill
			(i32.store8 (i32.add (i32.const 1024) (local.get $n))
				(select (i32.const 10) (i32.const 97)
					(i32.eq (i32.and (local.get $n) (i32.const 127)) (i32.const 127))))
			(local.set $n (i32.add (local.get $n) (i32.const 1)))
			(br_if $fill (i32.lt_u (local.get $n) (i32.const 65536))))
		(drop (call $open (i32.const 4) (i32.const 0) (i32.const 96) (i32.const 5) (i32.const 1)
			(i64.const 64) (i64.const 0) (i32.const 0) (i32.const 20)))
		(i32.store (i32.const 0) (i32.const 1024))
		(i32.store (i32.const 4) (i32.const 65536))
		(local.set $n (i32.const 0))
		(loop $again
			(drop (call $write (i32.load (i32.const 20)) (i32.const 0) (i32.const 1) (i32.const 16)))
			(drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 16)))
			(local.set $n (i32.add (local.get $n) (i32.const 1)))
			(br_if $again (i32.lt_u (local.get $n) (i32.const BLOCKS))))))"#;

/// Listens with a key of its own, and has each connection served.
async fn listen<F: Future<Output = ()> + Send + 'static>(
	serve: impl Fn(TlsStream<tokio::net::TcpStream>) -> F + Send + 'static,
) -> anyhow::Result<SocketAddr> {
	let pair = KeyPair::generate()?;
	let certificate = CertificateParams::new(vec!["localhost".to_owned()])?.self_signed(&pair)?;
	let key = PrivateKeyDer::Pkcs8(pair.serialize_der().into());
	let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
	let config = ServerConfig::builder_with_provider(provider)
		.with_safe_default_protocol_versions()?
		.with_no_client_auth()
		.with_single_cert(vec![certificate.der().clone()], key)?;
	let acceptor = TlsAcceptor::from(Arc::new(config));
	let listener = TcpListener::bind("127.0.0.1:0").await?;
	let address = listener.local_addr()?;
	tokio::spawn(async move {
		while let Ok((stream, _)) = listener.accept().await {
			let _ = stream.set_nodelay(true);
			if let Ok(stream) = acceptor.accept(stream).await {
				tokio::spawn(serve(stream));
			}
		}
	});
	Ok(address)
}

/// A reverse proxy of nothing but hyper.
async fn bare_proxy(to: SocketAddr) -> anyhow::Result<SocketAddr> {
	let mut connector = HttpConnector::new();
	connector.set_nodelay(true);
	let client: Client<_, Incoming> = Client::builder(TokioExecutor::new()).build(connector);
	listen(move |stream| {
		let client = client.clone();
		async move {
			let service = service_fn(move |mut request: Request<Incoming>| {
				let client = client.clone();
				async move {
					let path = request.uri().path_and_query().cloned();
					let uri = Uri::builder().scheme("http").authority(to.to_string());
					if let Ok(uri) = uri
						.path_and_query(path.map_or("/".into(), |p| p.to_string()))
						.build()
					{
						*request.uri_mut() = uri;
					}
					client.request(request).await
				}
			});
			let connection = hyper::server::conn::http1::Builder::new();
			let _ = connection
				.serve_connection(TokioIo::new(stream), service)
				.await;
		}
	})
	.await
}

/// A server of one file.
async fn bare_server(file: &Path) -> anyhow::Result<SocketAddr> {
	let file = file.to_owned();
	listen(move |stream| {
		let file = file.clone();
		async move {
			let service = service_fn(move |_: Request<Incoming>| {
				let file = file.clone();
				async move {
					let file = tokio::fs::File::open(file).await?;
					let size = file.metadata().await?.len();
					let body = Body::from_stream(tokio_util::io::ReaderStream::with_capacity(
						file,
						128 << 10,
					));
					let answer = Response::builder().header("content-length", size);
					answer.body(body).map_err(std::io::Error::other)
				}
			});
			let connection = hyper::server::conn::http1::Builder::new();
			let _ = connection
				.serve_connection(TokioIo::new(stream), service)
				.await;
		}
	})
	.await
}

/// (requests answered a second, milliseconds within which 99 of 100 were).
fn asked(address: SocketAddr, host: &str, seconds: u32) -> anyhow::Result<(f64, f64)> {
	let output = run(Command::new("wrk")
		.args([
			"-t",
			"1",
			"-c",
			"16",
			"--latency",
			"-d",
			&seconds.to_string(),
		])
		.args(["-H", &format!("Host: {host}")])
		.arg(format!("https://{address}/name")))?;
	let text = String::from_utf8(output.stdout)?;
	ensure!(
		!text.contains("Non-2xx") && !text.contains("Socket errors"),
		"{text}"
	);
	let field = |name: &str| {
		let mut lines = text.lines().map(str::trim);
		lines.find_map(|line| line.strip_prefix(name).map(str::trim).map(str::to_owned))
	};
	let rate = field("Requests/sec:").with_context(|| text.clone())?;
	let late = field("99%").with_context(|| text.clone())?;
	let number = |unit: &str| late.strip_suffix(unit).and_then(|n| n.parse::<f64>().ok());
	let late = number("us")
		.map(|n| n / 1e3)
		.or(number("ms"))
		.or(number("s").map(|n| n * 1e3));
	Ok((rate.parse()?, late.with_context(|| text.clone())?))
}

fn pages(bench: &mut Bench, devnet: &Devnet, runtime: &Runtime) -> anyhow::Result<()> {
	let module = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/hostile.wasm");
	let bytes = std::fs::read(&module).context("scripts/examples builds the examples")?;
	let file = File {
		image: MODULE,
		more: "    env: [NAME=hello]\n    expose:\n      - port: 8080\n        as: 80\n        to: [{ global: true }]\n",
		kind: "service",
		unit: (2_000, 512),
	};
	let json = deploy(devnet, &file.write(devnet, &bytes)?, &[])?;
	let said = |key: &str| {
		let mut all = json["addresses"].as_array().into_iter().flatten();
		all.find_map(|one| one[key].as_str().map(str::to_owned))
	};
	let (url, port) = (said("url"), said("address"));
	let url: reqwest::Url = url.with_context(|| json.to_string())?.parse()?;
	let port: SocketAddr = port.with_context(|| json.to_string())?.parse()?;
	let host = url.host_str().context("no host")?.to_owned();
	let own = SocketAddr::from(([127, 0, 0, 1], url.port().context("no port")?));
	let bare = runtime.block_on(bare_proxy(port))?;
	let seconds = if bench.quick { 5 } else { 10 };
	let (mut owns, mut bares) = ((Vec::new(), Vec::new()), (Vec::new(), Vec::new()));
	for _ in 0..if bench.quick { 1 } else { 3 } {
		for (address, (rates, lates)) in [(own, &mut owns), (bare, &mut bares)] {
			let (rate, late) = asked(address, &host, seconds)?;
			rates.push(rate);
			lates.push(late);
		}
	}
	bench.figures.push(Figure {
		figure: "a service by its host name: requests, against a bare reverse proxy".into(),
		value: median(owns.0),
		unit: "1/s",
		baseline: Some(median(bares.0)),
		goal: Some(0.8),
		rising: true,
	});
	bench.figures.push(Figure {
		figure: "a service by its host name: 99 of 100 within, against the same".into(),
		value: median(owns.1),
		unit: "ms",
		baseline: Some(median(bares.1)),
		goal: None,
		rising: false,
	});
	let lease = json["lease"].to_string();
	devnet.json("//Tenant", &["close", &lease])?;
	Ok(())
}

fn flows(bench: &mut Bench, devnet: &Devnet, runtime: &Runtime) -> anyhow::Result<()> {
	let mib = if bench.quick { MIB / 8 } else { MIB };
	let blocks = (mib * 16).to_string();
	let module = wat::parse_str(WRITER.replace("BLOCKS", &blocks))?;
	let path = File {
		image: MODULE,
		more: "",
		kind: "job",
		unit: (1_000, 64),
	}
	.write(devnet, &module)?;
	let lines = std::fs::read_to_string(&path)?;
	std::fs::write(&path, lines.replace("size: 16Mi }", "size: 2Gi }"))?;
	let begun = Instant::now();
	let json = deploy(devnet, &path, &["--wait"])?;
	let alone = begun.elapsed().as_secs_f64();
	let lease = json["lease"].as_u64().context("no lease")?;
	let to = devnet.folder().join("fetched");
	let id = lease.to_string();
	let fetch = ["files", "get", &id, "--to", text(&to)?];
	let begun = Instant::now();
	run(&mut devnet.tenant(&fetch)?)?;
	let own = begun.elapsed().as_secs_f64();
	let large = to.join("large");
	ensure!(std::fs::metadata(&large)?.len() == (mib << 20) as u64);
	let bare = runtime.block_on(bare_server(&large))?;
	let begun = Instant::now();
	run(Command::new("curl")
		.args(["--silent", "--insecure", "--fail", "--output"])
		.arg(devnet.folder().join("curled"))
		.arg(format!("https://{bare}/")))?;
	let curl = begun.elapsed().as_secs_f64();
	bench.figures.push(Figure {
		figure: format!("a file of {mib} MiB by `files get`, against curl and a bare server"),
		value: mib as f64 / own,
		unit: "MiB/s",
		baseline: Some(mib as f64 / curl),
		goal: Some(0.7),
		rising: true,
	});
	let (bytes, seconds) = runtime.block_on(log(devnet, lease))?;
	bench.figures.push(Figure {
		figure: format!("a log of {} MiB by the gateway", bytes >> 20),
		value: bytes as f64 / 1e6 / seconds,
		unit: "MB/s",
		baseline: None,
		goal: Some(100.0),
		rising: true,
	});
	let pid = devnet.provider_pid(0).context("no daemon")?;
	let before = resident(pid)?;
	let mut slow = runtime.block_on(stalled(devnet, lease))?;
	// Until all that is passed on without being read has been.
	std::thread::sleep(Duration::from_secs(5));
	let grown = resident(pid)?.saturating_sub(before);
	bench.figures.push(Figure {
		figure: format!("memory of the daemon for each of {SLOW} readers of a log who stopped"),
		value: grown as f64 / (1 << 20) as f64 / SLOW as f64,
		unit: "MiB",
		baseline: None,
		goal: Some(1.0),
		rising: false,
	});
	// Whoever goes on misses nothing.
	let rest = runtime.block_on(async {
		let mut rest = 0u64;
		let mut one = slow.pop().context("nobody reads")?;
		while let Some(chunk) = one.1.chunk().await? {
			rest += chunk.len() as u64;
		}
		Ok::<_, anyhow::Error>(rest + one.0)
	})?;
	ensure!(rest == bytes, "{rest} of {bytes} bytes came");
	let begun = Instant::now();
	deploy(devnet, &path, &["--wait"])?;
	bench.figures.push(Figure {
		figure: format!("the job that writes all that, beside {SLOW} readers who stopped"),
		value: begun.elapsed().as_secs_f64(),
		unit: "s",
		baseline: Some(alone),
		goal: Some(1.25),
		rising: false,
	});
	drop(slow);
	Ok(())
}

/// Readers who stop.
const SLOW: usize = 200;

/// The chain's genesis, and the provider as the chain has it.
async fn provider(devnet: &Devnet) -> anyhow::Result<(H256, Provider)> {
	let chain = Chain::connect(&devnet.node(), None).await?;
	let connection = chain.connection().await?;
	let provider = connection.best().await?.provider(0).await?;
	Ok((connection.genesis, provider.context("no provider")?))
}

/// Begins to read a log many times over, and stops: the bytes that each has read.
async fn stalled(devnet: &Devnet, lease: u64) -> anyhow::Result<Vec<(u64, reqwest::Response)>> {
	let (genesis, provider) = provider(devnet).await?;
	let client = gateway::client(&provider.tls_keys)?;
	let pair = keystore::from_uri("//Tenant")?;
	let gateway = Gateway::open(&provider, client, genesis, &pair, (lease, 0))?;
	let path = format!("/v1/leases/{lease}/logs?from=0&follow=false");
	let mut all = Vec::new();
	for _ in 0..SLOW {
		let proof = gateway.sign("GET", &path, EMPTY)?;
		let asked = gateway.request(Method::GET, &path, EMPTY, &proof)?;
		let mut answer = asked.send().await?.error_for_status()?;
		let read = answer.chunk().await?.context("nothing came")?.len();
		all.push((read as u64, answer));
	}
	Ok(all)
}

/// Reads a whole log: its bytes, and how long that took. Each record must be there.
async fn log(devnet: &Devnet, lease: u64) -> anyhow::Result<(u64, f64)> {
	let (genesis, provider) = provider(devnet).await?;
	let client = gateway::client(&provider.tls_keys)?;
	let pair = keystore::from_uri("//Tenant")?;
	let place = (lease, 0);
	let gateway = Gateway::open(&provider, client, genesis, &pair, place)?;
	let path = format!("/v1/leases/{lease}/logs?from=0&follow=false");
	let proof = gateway.sign("GET", &path, EMPTY)?;
	let begun = Instant::now();
	let asked = gateway.request(Method::GET, &path, EMPTY, &proof)?;
	let mut answer = asked.send().await?.error_for_status()?;
	let (mut all, mut last) = (0u64, Vec::new());
	let mut lines = 0u64;
	while let Some(chunk) = answer.chunk().await? {
		all += chunk.len() as u64;
		lines += chunk.iter().filter(|byte| **byte == b'\n').count() as u64;
		last = [last, chunk.to_vec()].concat();
		let keep = last.len().saturating_sub(256 << 10);
		last.drain(..keep);
	}
	let seconds = begun.elapsed().as_secs_f64();
	let text = String::from_utf8_lossy(&last);
	let record = text.lines().last().context("no record")?;
	let record: Value = serde_json::from_str(record)?;
	ensure!(
		record["seq"].as_u64() == Some(lines - 1),
		"{lines} records, the last is {}",
		record["seq"]
	);
	Ok((all, seconds))
}

pub fn measure(bench: &mut Bench) -> anyhow::Result<()> {
	let devnet = Devnet::start(&["--providers", "1", "--for-seconds", "1800"])?;
	offered(&devnet)?;
	let runtime = Runtime::new()?;
	pages(bench, &devnet, &runtime)?;
	flows(bench, &devnet, &runtime)
}
