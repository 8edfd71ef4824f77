//! Metrics for Prometheus: what `status` shows, in numbers, and what the gateway counts.

use crate::{daemon::Shared, executor::container::Isolation};
use anyhow::Context as _;
use axum::{
	http::{header, StatusCode},
	response::IntoResponse,
	routing::get,
	Router,
};
use leasehold_client::{units, Resources};
use prometheus_client::{
	encoding::text::encode,
	metrics::{
		counter::{ConstCounter, Counter},
		family::Family,
		gauge::Gauge,
		info::Info,
	},
	registry::{Registry, Unit},
};
use std::{
	collections::BTreeMap,
	sync::{
		atomic::{AtomicU64, Ordering},
		Arc,
	},
};
use tokio::sync::watch;

/// What the gateway counts since the daemon's start.
#[derive(Debug, Default)]
pub struct Counted {
	pub connections: AtomicU64,
	/// Those that were closed at once: there were too many.
	pub turned_away: AtomicU64,
	/// Answers to requests, by the hundreds of their status.
	answers: [AtomicU64; 5],
	/// To services by their host names.
	proxied: [AtomicU64; 5],
}

impl Counted {
	/// Notes an answer, to a service by its name or not.
	pub fn answered(&self, status: StatusCode, proxied: bool) {
		let all = if proxied {
			&self.proxied
		} else {
			&self.answers
		};
		let class = usize::from(status.as_u16() / 100).saturating_sub(1);
		if let Some(counter) = all.get(class) {
			counter.fetch_add(1, Ordering::Relaxed);
		}
	}
}

type Labels = Vec<(&'static str, String)>;
type Gauges = Family<Labels, Gauge<f64, AtomicU64>>;

/// Metrics under construction.
struct Book(Registry);

impl Book {
	fn gauge(&mut self, name: &str, help: &str, value: f64) {
		let gauge = Gauge::<f64, AtomicU64>::default();
		gauge.set(value);
		self.0.register(name, help, gauge);
	}

	fn is(&mut self, name: &str, help: &str, value: bool) {
		self.gauge(name, help, if value { 1.0 } else { 0.0 });
	}

	fn count(&mut self, name: &str, help: &str, value: u64) {
		self.0.register(name, help, ConstCounter::new(value));
	}

	/// One gauge for each value of a label.
	fn gauges<'a>(
		&mut self,
		(name, label): (&str, &'static str),
		help: &str,
		values: impl IntoIterator<Item = (&'a str, f64)>,
	) {
		let family = Gauges::default();
		for (kind, value) in values {
			let labels = vec![(label, kind.to_owned())];
			family.get_or_create(&labels).set(value);
		}
		self.0.register(name, help, family);
	}
}

/// Resources by their names, in the units of the field: cores, bytes, pieces.
fn named(resources: &Resources) -> [(&'static str, f64); 6] {
	let mib = |mib: u64| (mib << 20) as f64;
	let persistent = resources.persistent.iter().map(|one| u64::from(one.size));
	let gpus: u32 = resources.gpu.iter().map(|one| one.units).sum();
	[
		("cpu_cores", f64::from(resources.cpu) / 1e3),
		("memory_bytes", mib(resources.memory.into())),
		("storage_bytes", mib(resources.ephemeral.into())),
		("persistent_bytes", mib(persistent.sum())),
		("gpus", f64::from(gpus)),
		("ports", f64::from(resources.ports)),
	]
}

const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// Bytes of memory, open files and seconds of computing of this process.
fn of_process() -> (u64, usize, f64) {
	let pages = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
	let pages = pages.split(' ').nth(1).and_then(|n| n.parse::<u64>().ok());
	let page = u64::try_from(rustix::param::page_size()).unwrap_or(4_096);
	let files = std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
	let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
	let seconds = time.tv_sec as f64 + time.tv_nsec as f64 / 1e9;
	(pages.unwrap_or(0).saturating_mul(page), files, seconds)
}

/// All metrics as they are now, as text.
fn text(shared: &Shared) -> anyhow::Result<String> {
	let status = shared.status.lock();
	let status = status.map(|status| status.clone()).ok();
	let status = status.context("the status is locked")?;
	let mut book = Book(Registry::with_prefix("leasehold_provider"));
	let build = Gauges::default();
	let labels = vec![
		("version", env!("CARGO_PKG_VERSION").to_owned()),
		("provider", status.provider.to_string()),
		("operator", status.operator.clone()),
	];
	build.get_or_create(&labels).set(1.0);
	book.0.register("build_info", "Which daemon this is", build);
	book.is(
		"on_duty",
		"Whether this daemon is the one with its key that serves",
		status.on_duty == Some(true),
	);
	book.is(
		"chain_believed",
		"Whether the node is in step and of the right chain",
		status.distrust.is_none() && status.best > 0,
	);
	book.is(
		"drained",
		"Whether no new leases are taken",
		status.drained.is_some(),
	);
	book.is(
		"offer_stands",
		"Whether orders may be matched at once",
		status.offer.as_deref() == Some("stands"),
	);
	book.is(
		"containers_usable",
		"Whether the container engine answers",
		status.containers.is_some(),
	);
	book.is(
		"networks_closed",
		"Whether services in containers are shut off from this machine",
		status.networks == Isolation::Closed,
	);
	let blocks = [
		("best", f64::from(status.best)),
		("finalized", f64::from(status.finalized)),
	];
	book.gauges(("block_height", "block"), "The node's blocks", blocks);
	// Of money nothing is reckoned with it.
	let free = status.free_planck as f64 / units::LEASE as f64;
	book.gauge(
		"operator_free_lease",
		"The operator's free balance, LEASE",
		free,
	);
	book.is(
		"operator_funds_low",
		"Whether the operator has too little for fees",
		status.short,
	);
	book.count("heartbeats", "Heartbeats sent", status.heartbeats);
	book.count("bids", "Bids that the chain took", status.bids);
	let mut leases = BTreeMap::<&str, f64>::new();
	for lease in &status.leases {
		*leases.entry(lease.phase.word()).or_default() += 1.0;
	}
	book.gauges(("leases", "phase"), "Leases that the daemon knows", leases);
	let (mut replicas, mut restarts) = (BTreeMap::<&str, f64>::new(), 0.0);
	if let Ok(all) = shared.replicas.lock() {
		for one in all.values().flat_map(|seen| &seen.replicas) {
			*replicas.entry(one.state).or_default() += 1.0;
			restarts += f64::from(one.restarts);
		}
	}
	book.gauges(("replicas", "state"), "Replicas of services", replicas);
	book.gauge(
		"replica_restarts",
		"Restarts of the replicas that there are, in all",
		restarts,
	);
	if let Some((capacity, reserved)) = &status.on_chain {
		for (what, help, resources) in [
			("capacity", "What is leased out on chain", capacity),
			(
				"reserved",
				"What open leases have of the capacity",
				reserved,
			),
		] {
			for (name, value) in named(resources) {
				book.gauge(&format!("{what}_{name}"), help, value);
			}
		}
	}
	let (totals, memory) = shared.usage.all();
	let of = |lease: &u64| vec![("lease", lease.to_string())];
	let cpu = Family::<Labels, Counter<f64, AtomicU64>>::default();
	let energy = Family::<Labels, Counter<f64, AtomicU64>>::default();
	for (lease, total) in &totals {
		let (seconds, joules) = (total.cpu_micros, total.energy_microjoules);
		cpu.get_or_create(&of(lease)).inc_by(seconds as f64 / 1e6);
		energy.get_or_create(&of(lease)).inc_by(joules as f64 / 1e6);
	}
	let help = "Computing time of a lease";
	book.0
		.register_with_unit("lease_cpu", help, Unit::Seconds, cpu);
	let help = "Energy of a lease; how it is estimated is told by energy_method_info";
	book.0
		.register_with_unit("lease_energy", help, Unit::Joules, energy);
	let method = vec![("method", shared.usage.method().to_owned())];
	let help = "How the energy of leases is estimated";
	book.0.register("energy_method", help, Info::new(method));
	let resident = Gauges::default();
	for (lease, bytes) in &memory {
		resident.get_or_create(&of(lease)).set(*bytes as f64);
	}
	let help = "Memory that a lease uses at present";
	book.0
		.register_with_unit("lease_memory", help, Unit::Bytes, resident);
	let counted = &shared.counted;
	let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
	let connections = read(&counted.connections);
	book.count("gateway_connections", "Connections taken", connections);
	book.count(
		"gateway_turned_away",
		"Connections that were closed at once, for there were too many",
		read(&counted.turned_away),
	);
	for (name, help, counters) in [
		(
			"gateway_answers",
			"Answers of the gateway",
			&counted.answers,
		),
		(
			"proxy_answers",
			"Answers of services by their host names",
			&counted.proxied,
		),
	] {
		let family = Family::<Labels, Counter>::default();
		for (class, counter) in CLASSES.iter().zip(counters) {
			let labels = vec![("class", (*class).to_owned())];
			family.get_or_create(&labels).inc_by(read(counter));
		}
		book.0.register(name, help, family);
	}
	let mut process = Book(Registry::with_prefix("process"));
	let (memory, files, seconds) = of_process();
	let resident = Gauge::<f64, AtomicU64>::default();
	resident.set(memory as f64);
	process.0.register_with_unit(
		"resident_memory",
		"Memory of the daemon itself",
		Unit::Bytes,
		resident,
	);
	process.gauge("open_fds", "Files that the daemon has open", files as f64);
	process.0.register_with_unit(
		"cpu",
		"Time that the daemon itself has computed",
		Unit::Seconds,
		ConstCounter::new(seconds),
	);
	let mut text = String::new();
	encode(&mut text, &book.0)?;
	// One end for both.
	text = text.trim_end_matches("# EOF\n").to_owned();
	encode(&mut text, &process.0)?;
	Ok(text)
}

/// Listens for who collects metrics, if the operator wants that.
pub async fn serve(shared: Arc<Shared>, mut stopped: watch::Receiver<bool>) -> anyhow::Result<()> {
	let Some(metrics) = &shared.config.metrics else {
		return Ok(());
	};
	let listen = metrics.listen;
	let listener = tokio::net::TcpListener::bind(listen).await;
	let listener =
		listener.with_context(|| format!("metrics cannot be listened for on {listen}"))?;
	tracing::info!(%listen, "metrics are served");
	let answer = move || async move {
		match text(&shared) {
			Ok(text) => {
				let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
				([(header::CONTENT_TYPE, kind)], text).into_response()
			}
			Err(error) => {
				tracing::warn!("no metrics: {error:#}");
				StatusCode::INTERNAL_SERVER_ERROR.into_response()
			}
		}
	};
	let router = Router::new().route("/metrics", get(answer));
	tokio::spawn(async move {
		let served = axum::serve(listener, router).with_graceful_shutdown(async move {
			let _ = stopped.wait_for(|stop| *stop).await;
		});
		if let Err(error) = served.await {
			tracing::error!(%error, "no more metrics are served");
		}
	});
	Ok(())
}
