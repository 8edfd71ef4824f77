//! `/rpc`: manifest, status, info.

use super::{access, internal, proxy, Gateway, Refused, API};
use crate::{
	diary,
	executor::{
		container::{has_quota, Pulling},
		measure::measure,
	},
	members::{self, Replicas},
	names::Own,
	reconcile::{self, missing},
	store::{LeaseRow, Phase},
	update::{self, wanted},
	usage::Used,
};
use axum::http::StatusCode;
use jsonrpsee::{
	types::{ErrorObjectOwned, Params},
	RpcModule,
};
use leasehold_client::{
	access::{Call, Scope},
	primitives::receipt,
	seal::Place,
	storage_class,
	view::State,
	WorkloadKind,
};
use leasehold_manifest::{result::Output, Kind, Manifest, Service, MAX_REPLICAS};
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use std::{
	path::{Path, PathBuf},
	sync::Arc,
};

/// The gateway's answer to the hand-in of a manifest, signed by the operator.
#[derive(Debug, Clone, Serialize)]
struct Receipt {
	api: &'static str,
	genesis: String,
	lease: u64,
	manifest_hash: String,
	/// Best block when it was handed in.
	block: u32,
	/// The operator's, as the chain takes it: should the lease not start, the tenant may put it there.
	signature: String,
	/// Files that are still to be handed in, and their digests: several may have the same name.
	missing: Vec<String>,
	missing_digests: Vec<String>,
}

#[derive(Debug, Clone, Serialize)]
struct Status {
	api: &'static str,
	lease: u64,
	attempts: u32,
	#[serde(flatten)]
	phase: Phase,
	/// Whether the manifest is here: it may have been lost.
	manifest: bool,
	/// The hash of the manifest that is run.
	running: String,
	/// And of one that takes its place once all of it is here, and whether it is, but for its files.
	next: Option<String>,
	next_is_here: bool,
	/// Files that are still to be handed in.
	missing: Vec<String>,
	/// Bytes of the lease's folder.
	used: u64,
	/// What keeps it to its storage: `watch`, the daemon's, or, for what is written over images, `quota`, the engine's.
	storage_limit: Option<&'static str>,
	outputs: Vec<Output>,
	/// Of services that go by their host names.
	urls: Vec<Url>,
	/// Host names of the tenant's own.
	names: Vec<Own>,
	/// Of a lease of services.
	#[serde(flatten)]
	replicas: Replicas,
	/// Images that are being pulled, or are to be pulled again.
	pulling: Vec<Pulling>,
	/// Computing time, memory, network and energy.
	usage: Used,
}

#[derive(Debug, Clone, Serialize)]
struct Events {
	api: &'static str,
	events: Vec<diary::Note>,
}

#[derive(Debug, Clone, Serialize)]
struct Url {
	service: String,
	url: String,
	/// Why browsers are not content with it.
	#[serde(skip_serializing_if = "Option::is_none")]
	no_certificate: Option<&'static str>,
}

#[derive(Debug, Clone, Serialize)]
struct Info {
	api: &'static str,
	genesis: String,
	provider: u32,
	operator: String,
}

fn error(refused: Refused) -> ErrorObjectOwned {
	ErrorObjectOwned::owned(i32::from(refused.0.as_u16()), refused.1, None::<()>)
}

fn bad(why: impl std::fmt::Display) -> Refused {
	Refused(StatusCode::BAD_REQUEST, why.to_string())
}

async fn checked(
	gateway: &Gateway,
	method: &str,
	scope: Scope,
	signed: &Call,
) -> Result<LeaseRow, Refused> {
	let digest = hex::encode(Sha256::digest(signed.body.as_bytes()));
	let facts = ("RPC", method, digest.as_str());
	access::check(
		gateway,
		signed.lease,
		scope,
		&signed.grant,
		&signed.proof,
		facts,
	)
	.await
}

/// The calls.
pub fn module(gateway: Gateway) -> anyhow::Result<RpcModule<Gateway>> {
	let mut module = RpcModule::new(gateway);
	module.register_method("provider_info", |_, gateway, _| {
		let shared = &gateway.shared;
		Ok::<_, ErrorObjectOwned>(Info {
			api: API,
			genesis: format!("{:?}", shared.genesis),
			provider: shared.provider,
			operator: shared.operator.to_string(),
		})
	})?;
	module.register_async_method("lease_submitManifest", |params, gateway, _| async move {
		submit(params, gateway).await.map_err(error)
	})?;
	module.register_async_method("lease_status", |params, gateway, _| async move {
		status(params, gateway).await.map_err(error)
	})?;
	module.register_async_method("lease_events", |params, gateway, _| async move {
		events(params, gateway).await.map_err(error)
	})?;
	Ok(module)
}

fn paths(files: Vec<&leasehold_manifest::FileEntry>) -> Vec<String> {
	files.into_iter().map(|file| file.path.clone()).collect()
}

async fn submit(params: Params<'static>, gateway: Arc<Gateway>) -> Result<Receipt, Refused> {
	let signed: Call = params.one().map_err(bad)?;
	checked(&gateway, "lease_submitManifest", Scope::Deploy, &signed).await?;
	let shared = &gateway.shared;
	if !shared.is_on_duty() {
		let why = "this daemon is not on duty".to_owned();
		return Err(Refused(StatusCode::SERVICE_UNAVAILABLE, why));
	}
	let Some(lease) = access::open_lease(&gateway, signed.lease).await? else {
		return Err(bad("the lease is not open"));
	};
	let sealed = hex::decode(&signed.body).map_err(|_| bad("the manifest is not hexadecimal"))?;
	let place = Place {
		genesis: shared.genesis,
		provider: shared.provider,
		lease: lease.id,
	};
	let bytes = shared.identity.unseal(place, &sealed).map_err(bad)?;
	if Manifest::hash(&bytes) != lease.manifest_hash {
		return Err(bad(
			"the manifest is not the one whose hash stands in the order",
		));
	}
	let manifest = Manifest::open(&bytes).map_err(bad)?;
	let asked = manifest
		.totals()
		.ok_or_else(|| bad("the manifest's sums overflow"))?;
	let had = &lease.taken;
	for (what, asked, ordered) in [
		("CPU (milli)", asked.cpu, had.cpu),
		("memory (MiB)", asked.memory, had.memory),
		("storage (MiB)", asked.ephemeral, had.ephemeral),
		("CPU of one unit (milli)", asked.unit_cpu, had.unit_cpu),
		(
			"memory of one unit (MiB)",
			asked.unit_memory,
			had.unit_memory,
		),
		("ports", asked.ports, had.ports),
		("addresses", asked.ips, had.ips),
	] {
		if asked > ordered {
			let why =
				format!("the manifest asks for more {what} than was ordered: {asked} > {ordered}");
			return Err(bad(why));
		}
	}
	let mut kept = had.persistent.to_vec();
	for (class, size) in &asked.persistent {
		let room = storage_class(class)
			.and_then(|class| kept.iter_mut().find(|had| had.class == class))
			.and_then(|had| had.size.checked_sub(*size).map(|rest| had.size = rest));
		room.ok_or_else(|| {
			let why = "the manifest asks for more persistent storage than was ordered";
			bad(format!("{why}: {size} MiB of {class}"))
		})?;
	}
	// Of the sorts that the lease has, those first that one model is asked of.
	let mut had = lease.taken.gpu.to_vec();
	let mut wanted: Vec<_> = manifest
		.services
		.iter()
		.filter_map(|service| Some((service.count, members::unit(service.unit.gpu.as_ref()?))))
		.flat_map(|(count, unit)| (0..count.min(MAX_REPLICAS)).map(move |_| unit.clone()))
		.collect();
	wanted.sort_by_key(leasehold_client::primitives::GpuUnits::precedence);
	for unit in wanted {
		for _ in 0..unit.units {
			let fit = had
				.iter_mut()
				.filter(|sort| sort.units > 0 && unit.accepts(sort));
			let sort = fit
				.min_by_key(|sort| sort.memory)
				.ok_or_else(|| bad("the manifest asks for more GPUs than were ordered"))?;
			sort.units = sort.units.saturating_sub(1);
		}
	}
	manifest.can_be_run().map_err(bad)?;
	if manifest.job().is_some() != (lease.kind == WorkloadKind::Job) {
		return Err(bad(
			"the order is for a job and the manifest for services, or the reverse",
		));
	}
	for service in &manifest.services {
		if service.module().is_none() && shared.executors.container.is_none() {
			return Err(bad("this provider runs no containers"));
		}
		let files = service.files();
		let size = files.fold(0u64, |sum, f| sum.saturating_add(f.size));
		if size > u64::from(service.unit.storage).saturating_mul(1 << 20) {
			return Err(bad(format!(
				"module and inputs have {size} bytes, more than the {} MiB of storage leased",
				service.unit.storage
			)));
		}
	}
	// The loop may not have met another manifest of the lease yet.
	let met = reconcile::row(shared, &lease).await;
	let row = met.map_err(|error| Refused(StatusCode::SERVICE_UNAVAILABLE, error.to_string()))?;
	let (hash, folder) = (lease.manifest_hash, shared.store.lease_folder(row.lease));
	if row.next == Some(hash) {
		let runs = reconcile::manifest(shared, &row).unwrap_or_default();
		members::has_room(&folder, runs.as_ref(), &manifest).map_err(bad)?;
	}
	// One that has been damaged is replaced, too.
	let had = shared.store.manifest(row.lease, &hash);
	if !matches!(had, Ok(Some(_))) {
		shared
			.store
			.put_manifest(row.lease, &hash, &bytes)
			.map_err(internal)?;
		// What was named in between, and never begun.
		update::sweep(shared, row.lease).map_err(internal)?;
		shared.wake.notify_one();
		tracing::info!(lease = row.lease, "the manifest is handed in");
		diary::note(&folder, "the manifest was handed in");
	}
	let best = shared.status.lock().map(|status| status.best);
	let block = receipt_block(best.unwrap_or_default(), &lease.state);
	let missing = missing(&folder, &manifest);
	let payload = receipt::payload(&shared.genesis.0.into(), row.lease, &hash, block);
	Ok(Receipt {
		api: API,
		genesis: format!("{:?}", shared.genesis),
		lease: row.lease,
		manifest_hash: hex::encode(hash),
		block,
		signature: hex::encode(shared.pair.sign(&payload).0),
		missing_digests: missing
			.iter()
			.map(|entry| hex::encode(entry.sha256))
			.collect(),
		missing: paths(missing),
	})
}

/// The block that a receipt names: that of the match, if what was last looked at is older. The chain takes none of before.
fn receipt_block(best: u32, state: &State) -> u32 {
	match state {
		State::Starting { since, .. } => best.max(*since),
		_ => best,
	}
}

/// What happened to a lease's workload.
async fn events(params: Params<'static>, gateway: Arc<Gateway>) -> Result<Events, Refused> {
	let signed: Call = params.one().map_err(bad)?;
	let row = checked(&gateway, "lease_events", Scope::Status, &signed).await?;
	let folder = gateway.shared.store.lease_folder(row.lease);
	let events = tokio::task::spawn_blocking(move || diary::read(&folder));
	Ok(Events {
		api: API,
		events: events.await.map_err(internal)?,
	})
}

/// The folders of replicas that are made of images.
fn of_images(lease: &Path, services: &[Service]) -> Vec<PathBuf> {
	let mut all = Vec::new();
	for service in services {
		if service.kind == Kind::Service && service.module().is_none() {
			let replicas = 0..service.count.min(MAX_REPLICAS);
			all.extend(replicas.map(|n| members::folder(lease, &service.name, n)));
		}
	}
	all
}

async fn status(params: Params<'static>, gateway: Arc<Gateway>) -> Result<Status, Refused> {
	let signed: Call = params.one().map_err(bad)?;
	let row = checked(&gateway, "lease_status", Scope::Status, &signed).await?;
	let shared = &gateway.shared;
	let folder = shared.store.lease_folder(row.lease);
	// One that is damaged is to be handed in again, too.
	let manifest = wanted(shared, &row).unwrap_or_default();
	let has_manifest = manifest.is_some();
	let over = matches!(row.phase, Phase::Ended { .. } | Phase::Closed { .. });
	let next = row.next.filter(|_| !over).map(hex::encode);
	let next_is_here = update::next(shared, &row).is_some();
	let replicas = shared.replicas.lock();
	let replicas = replicas.map_or_else(|_| None, |all| all.get(&row.lease).cloned());
	let replicas = replicas.filter(|_| !over).unwrap_or_default();
	let missing = manifest
		.as_ref()
		.map(|manifest| paths(missing(&folder, manifest)))
		.unwrap_or_default();
	let services = manifest
		.map(|manifest| manifest.services)
		.unwrap_or_default();
	let domain = shared.config.gateway.domain.as_deref();
	let urls = domain.filter(|_| !over).map(|domain| {
		let url = &shared.config.gateway.url;
		proxy::urls(&services, row.lease, domain, url)
	});
	let urls = urls.into_iter().flatten();
	let no_certificate = match shared.config.gateway.certificate {
		Some(_) => None,
		None => Some("the provider has none for all names below its domain"),
	};
	let urls = urls.map(|(service, url)| Url {
		service,
		url,
		no_certificate,
	});
	let names = domain.filter(|_| !over).map(|domain| {
		let theirs = (shared.identity.host(), domain);
		shared.names.of(row.lease, &services, theirs)
	});
	let of_images = of_images(&folder, &services);
	let service = services.into_iter().next();
	let container = shared.executors.container.as_ref().filter(|_| !over);
	let pulls = container.map(|container| container.pulls(row.lease));
	let look = {
		let (folder, attempt) = (folder.clone(), row.attempts);
		move || {
			let outputs = match service {
				Some(service) if over => {
					crate::results::kept(&folder, attempt, &service.outputs).unwrap_or_default()
				}
				_ => Vec::new(),
			};
			let has_quota = !of_images.is_empty() && of_images.iter().all(|one| has_quota(one));
			(measure(&folder).0, outputs, has_quota)
		}
	};
	let (used, outputs, has_quota) = gateway.search(row.tenant, look).await?;
	Ok(Status {
		api: API,
		lease: row.lease,
		attempts: row.attempts,
		phase: row.phase,
		manifest: has_manifest,
		running: hex::encode(row.manifest_hash),
		next,
		next_is_here,
		missing: if over { Vec::new() } else { missing },
		used,
		storage_limit: (!over).then_some(if has_quota { "quota" } else { "watch" }),
		outputs,
		urls: urls.collect(),
		names: names.unwrap_or_default(),
		replicas,
		pulling: pulls.unwrap_or_default(),
		usage: shared.usage.of(row.lease),
	})
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn a_receipt_is_for_no_block_before_the_match() {
		let starting = State::Starting {
			since: 40,
			deadline: 100,
			receipt: false,
		};
		assert_eq!(receipt_block(39, &starting), 40);
		assert_eq!(receipt_block(41, &starting), 41);
		let active = State::Active { term_end: 90 };
		assert_eq!(receipt_block(39, &active), 39);
	}
}
