//! What goes through the gateway: pages by host name, a file, a log, each against a bare server; and a live log whose
//! readers stop.

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
	figures::{median, say, Figure},
	gateway::{self, Gateway, EMPTY},
};
use rcgen::{CertificateParams, KeyPair};
use reqwest::Method;
use serde_json::Value;
use std::{
	future::Future,
	net::SocketAddr,
	path::{Path, PathBuf},
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

/// How both fill what they write: a line each 128 bytes.
const FILL: &str = "(loop $fill
			(i32.store8 (i32.add (i32.const 1024) (local.get $n))
				(select (i32.const 10) (i32.const 97)
					(i32.eq (i32.and (local.get $n) (i32.const 127)) (i32.const 127))))
			(local.set $n (i32.add (local.get $n) (i32.const 1)))
			(br_if $fill (i32.lt_u (local.get $n) (i32.const SIZE))))";

/// Writes its argument of MiB of lines, and as much into a file.
const WRITER: &str = r#"(module
	(import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
	(import "wasi_snapshot_preview1" "path_open"
		(func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
	(memory (export "memory") 2)
	(data (i32.const 96) "large")
	(func (export "_start") (local $n i32)
		FILL
		(drop (call $open (i32.const 4) (i32.const 0) (i32.const 96) (i32.const 5) (i32.const 1)
			(i64.const 64) (i64.const 0) (i32.const 0) (i32.const 20)))
		(i32.store (i32.const 0) (i32.const 1024))
		(i32.store (i32.const 4) (i32.const SIZE))
		(local.set $n (i32.const 0))
		(loop $again
			(drop (call $write (i32.load (i32.const 20)) (i32.const 0) (i32.const 1) (i32.const 16)))
			(drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 16)))
			(local.set $n (i32.add (local.get $n) (i32.const 1)))
			(br_if $again (i32.lt_u (local.get $n) (i32.const BLOCKS))))))"#;

/// Writes half a MiB of lines, rests for three milliseconds, and so on.
const SPEAKER: &str = r#"(module
	(import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
	(import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
	(memory (export "memory") 9)
	(func (export "_start") (local $n i32)
		FILL
		(i32.store (i32.const 0) (i32.const 1024))
		(i32.store (i32.const 4) (i32.const SIZE))
		(i32.store (i32.const 216) (i32.const 1))
		(i64.store (i32.const 224) (i64.const 3000000))
		(loop $again
			(drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 16)))
			(drop (call $poll (i32.const 200) (i32.const 320) (i32.const 1) (i32.const 400)))
			(br $again))))"#;

/// What it leases, and how many bytes of its log are kept of that.
const STORAGE: &str = "256Mi";
const KEPT: u64 = 64 << 20;

/// Readers who stop, and those of them who read on.
const SLOW: usize = 200;
const GO_ON: usize = 10;
/// How long one of these may take to come to what is written now.
const PATIENCE: Duration = Duration::from_secs(20);

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
		goal: Some(1.25),
		rising: false,
	});
	let lease = json["lease"].to_string();
	devnet.json("//Tenant", &["close", &lease])?;
	Ok(())
}

/// A file for `deploy` of a program that writes much.
fn writing(
	devnet: &Devnet,
	kind: &str,
	(program, size): (&str, usize),
	storage: &str,
) -> anyhow::Result<PathBuf> {
	let program = program.replace("FILL", FILL);
	let program = program.replace("SIZE", &size.to_string());
	let file = File {
		image: MODULE,
		more: "",
		kind,
		unit: (1_000, 64),
	};
	let path = file.write(devnet, &wat::parse_str(program)?)?;
	let lines = std::fs::read_to_string(&path)?;
	let size = format!("size: {storage} }}");
	std::fs::write(&path, lines.replace("size: 16Mi }", &size))?;
	Ok(path)
}

fn flows(bench: &mut Bench, devnet: &Devnet, runtime: &Runtime) -> anyhow::Result<()> {
	let mib = if bench.quick { MIB / 8 } else { MIB };
	let blocks = (mib * 16).to_string();
	let program = WRITER.replace("BLOCKS", &blocks);
	let path = writing(devnet, "job", (&program, 64 << 10), "2Gi")?;
	let json = deploy(devnet, &path, &["--wait"])?;
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
	Ok(())
}

/// Bytes that were written to a log, with those that are gone: each part is named by what stands before it.
fn written(folder: &Path) -> anyhow::Result<u64> {
	let mut newest = (0u64, 0u64);
	for entry in std::fs::read_dir(folder)? {
		let entry = entry?;
		let name = entry.file_name();
		let name = name.to_str().and_then(|name| name.strip_suffix(".jsonl"));
		let start = name.and_then(|name| name.parse::<u64>().ok());
		// The oldest may have been thrown away a moment ago.
		if let (Some(start), Ok(about)) = (start, entry.metadata()) {
			newest = newest.max((start, about.len()));
		}
	}
	Ok(newest.0 + newest.1)
}

/// Bytes that are written to a log a second, for so many seconds.
fn rate(folder: &Path, seconds: u64) -> anyhow::Result<f64> {
	let (begun, before) = (Instant::now(), written(folder)?);
	std::thread::sleep(Duration::from_secs(seconds));
	let more = written(folder)?.saturating_sub(before);
	Ok(more as f64 / begun.elapsed().as_secs_f64())
}

/// A service that never stops writing, and who follows its log: one who keeps up, and many who stop.
fn followed(bench: &mut Bench, devnet: &Devnet, runtime: &Runtime) -> anyhow::Result<()> {
	let path = writing(devnet, "service", (SPEAKER, 512 << 10), STORAGE)?;
	let json = deploy(devnet, &path, &[])?;
	let lease = json["lease"].as_u64().context("no lease")?;
	let folder = devnet.provider_folder(0);
	let folder = folder.join(format!("leases/{lease}/services/main/0/logs"));
	let seconds = if bench.quick { 10 } else { 20 };
	let alone = rate(&folder, seconds)?;
	let (came, wrote) = runtime.block_on(live(devnet, lease, &folder, seconds))?;
	bench.figures.push(Figure {
		figure: "a live log by the gateway, against what is written meanwhile".into(),
		value: came / 1e6,
		unit: "MB/s",
		baseline: Some(wrote / 1e6),
		// 100 MB/s, or nearly all if that is less.
		goal: Some((1e8 / wrote).min(0.9)),
		rising: true,
	});
	let pid = devnet.provider_pid(0).context("no daemon")?;
	let before = resident(pid)?;
	let mut slow = runtime.block_on(followers(devnet, lease, SLOW))?;
	// Until all that is passed on without being read has been.
	std::thread::sleep(Duration::from_secs(5));
	let beside = rate(&folder, seconds)?;
	let grown = resident(pid)?.saturating_sub(before);
	bench.figures.push(Figure {
		figure: format!("memory of the daemon for each of {SLOW} readers of a log who stopped"),
		value: grown as f64 / (1 << 20) as f64 / SLOW as f64,
		unit: "MiB",
		baseline: None,
		goal: Some(1.0),
		rising: false,
	});
	bench.figures.push(Figure {
		figure: format!("what a service writes beside {SLOW} readers who stopped, against alone"),
		value: beside / 1e6,
		unit: "MB/s",
		baseline: Some(alone / 1e6),
		goal: Some(0.8),
		rising: true,
	});
	let rotated = beside * seconds as f64 / KEPT as f64;
	ensure!(
		rotated > 2.0,
		"too little was written for anybody to miss it: {beside:.0} bytes a second"
	);
	let told = runtime.block_on(async {
		let mut told = 0u32;
		for one in slow.iter_mut().rev().take(GO_ON) {
			match tokio::time::timeout(PATIENCE, one.go_on()).await {
				Ok(Ok(())) => told += 1,
				Ok(Err(error)) => say(format!("one who reads on: {error:#}")),
				Err(_) => say("one who reads on comes to nothing that is new"),
			}
		}
		told
	});
	bench.figures.push(Figure {
		figure: format!("of {GO_ON} of them who read on: told of the gap, then of what is new"),
		value: f64::from(told),
		unit: "readers",
		baseline: None,
		goal: Some(GO_ON as f64),
		rising: true,
	});
	drop(slow);
	devnet.json("//Tenant", &["close", &lease.to_string()])?;
	Ok(())
}

/// The chain's genesis, and the provider as the chain has it.
async fn provider(devnet: &Devnet) -> anyhow::Result<(H256, Provider)> {
	let chain = Chain::connect(&devnet.node(), None).await?;
	let connection = chain.connection().await?;
	let provider = connection.best().await?.provider(0).await?;
	Ok((connection.genesis, provider.context("no provider")?))
}

/// Who follows a log.
struct Reader {
	answer: reqwest::Response,
	/// What has come, and is not looked at yet.
	rest: Vec<u8>,
}

impl Reader {
	async fn line(&mut self) -> anyhow::Result<Value> {
		loop {
			if let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
				let line: Vec<u8> = self.rest.drain(..=end).collect();
				return Ok(serde_json::from_slice(&line)?);
			}
			let chunk = self.answer.chunk().await?.context("the log ended")?;
			self.rest.extend_from_slice(&chunk);
		}
	}

	/// Reads on until there is a line that was written since. What is missing before that must be told.
	async fn go_on(&mut self) -> anyhow::Result<()> {
		let now = (gateway::now() + 1) * 1_000;
		let mut missed = 0u64;
		let mut next: Option<u64> = None;
		loop {
			let line = self.line().await?;
			if let Some(gap) = line["gap"].as_u64() {
				missed += gap;
				next = None;
				continue;
			}
			let seq = line["seq"].as_u64().context("no number")?;
			ensure!(
				next.is_none_or(|next| next == seq),
				"record {seq} comes in place of {next:?}"
			);
			next = Some(seq + 1);
			if line["time"].as_u64() >= Some(now) {
				ensure!(missed > 0, "nobody told it of a gap");
				return Ok(());
			}
		}
	}
}

/// Follows a log many times over, from its last record on. Each has read a little.
async fn followers(devnet: &Devnet, lease: u64, many: usize) -> anyhow::Result<Vec<Reader>> {
	let (genesis, provider) = provider(devnet).await?;
	let client = gateway::client(&provider.tls_keys)?;
	let pair = keystore::from_uri("//Tenant")?;
	let gateway = Gateway::open(&provider, client, genesis, &pair, (lease, 0))?;
	let path = format!("/v1/leases/{lease}/logs?tail=1&follow=true");
	let mut all = Vec::new();
	for _ in 0..many {
		let proof = gateway.sign("GET", &path, EMPTY)?;
		let asked = gateway.request(Method::GET, &path, EMPTY, &proof)?;
		let mut answer = asked.send().await?.error_for_status()?;
		let rest = answer.chunk().await?.context("nothing came")?.to_vec();
		all.push(Reader { answer, rest });
	}
	Ok(all)
}

/// Bytes of a live log that come to one who keeps up a second, and those that are written meanwhile.
async fn live(
	devnet: &Devnet,
	lease: u64,
	folder: &Path,
	seconds: u64,
) -> anyhow::Result<(f64, f64)> {
	let mut one = followers(devnet, lease, 1).await?;
	let one = one.first_mut().context("nobody reads")?;
	let (begun, before) = (Instant::now(), written(folder)?);
	let mut came = 0u64;
	while begun.elapsed() < Duration::from_secs(seconds) {
		let chunk = one.answer.chunk().await?.context("the log ended")?;
		came += chunk.len() as u64;
	}
	let (more, seconds) = (
		written(folder)?.saturating_sub(before),
		begun.elapsed().as_secs_f64(),
	);
	Ok((came as f64 / seconds, more as f64 / seconds))
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
	flows(bench, &devnet, &runtime)?;
	followed(bench, &devnet, &runtime)
}
