//! What flows: files in and out, and the live log.

use super::{access, forbidden, internal, path_of, refused, Gateway, Refused};
use crate::{
	diary, log, members,
	reconcile::{input_path, manifest},
	results::kept,
	store::{LeaseRow, Phase},
	update::wanted,
};
use axum::{
	body::{Body, Bytes},
	extract::{Path, Query, Request, State},
	http::{header, HeaderMap, HeaderName, StatusCode},
	response::{IntoResponse as _, Response},
	Json,
};
use futures::StreamExt as _;
use leasehold_client::{
	access::{Scope, EMPTY},
	query,
};
use leasehold_manifest::{files::is_safe_path, result::Output, FileEntry, Kind, Service};
use sha2::{Digest as _, Sha256};
use std::{
	path::PathBuf,
	time::{Duration, Instant},
};
use tokio::{
	io::{AsyncReadExt as _, AsyncSeekExt as _, AsyncWriteExt as _},
	sync::mpsc::Sender,
};
use tokio_util::io::ReaderStream;

/// Bytes of a file that are sent at a time.
const CHUNK: usize = 512 << 10;
/// Bytes of a live log that are read at a time, and how many of these wait for a reader who is slow.
const LINES: usize = 64 << 10;
const WAITING: usize = 2;
/// How often a live log is looked at.
const LOOK: Duration = Duration::from_millis(200);
/// How often it is looked whether what was granted holds still, while something flows.
const GRANTED: Duration = Duration::from_secs(5);
/// How long an upload may stand still.
pub const STALL: Duration = Duration::from_secs(30);

/// The results of a lease.
pub async fn list(
	State(gateway): State<Gateway>,
	Path(lease): Path<u64>,
	request: Request,
) -> Result<Json<Vec<Output>>, Refused> {
	let path = path_of(request.uri());
	let facts = ("GET", path.as_str(), EMPTY);
	let row =
		access::check_headers(&gateway, lease, Scope::Files, request.headers(), facts).await?;
	Ok(Json(results(&gateway, &row).await?))
}

async fn results(gateway: &Gateway, row: &LeaseRow) -> Result<Vec<Output>, Refused> {
	if !matches!(
		row.phase,
		Phase::Ended { .. } | Phase::Closed { .. } | Phase::Failed { .. }
	) {
		return Err(refused(StatusCode::CONFLICT, "the job has not ended yet"));
	}
	let manifest = manifest(&gateway.shared, row).map_err(internal)?;
	let Some(service) = manifest.and_then(|manifest| manifest.job().cloned()) else {
		return Ok(Vec::new());
	};
	let (folder, attempt) = (gateway.shared.store.lease_folder(row.lease), row.attempts);
	let look = move || kept(&folder, attempt, &service.outputs);
	gateway.search(row.tenant, look).await?.map_err(internal)
}

/// Takes the module or an input. Only what the manifest names is taken, and only as it names it.
pub async fn put_file(
	State(gateway): State<Gateway>,
	Path((lease, path)): Path<(u64, String)>,
	request: Request,
) -> Result<StatusCode, Refused> {
	let signed_path = path_of(request.uri());
	let headers = request.headers().clone();
	let digest = header_text(&headers, "leasehold-digest").unwrap_or_default();
	let facts = ("PUT", signed_path.as_str(), digest.as_str());
	let row = access::check_headers(&gateway, lease, Scope::Deploy, &headers, facts).await?;
	let open = !matches!(row.phase, Phase::Closed { .. });
	let manifest = wanted(&gateway.shared, &row).map_err(internal)?;
	let Some(manifest) = manifest.filter(|_| open) else {
		return Err(refused(StatusCode::CONFLICT, "hand in the manifest first"));
	};
	// Modules of several services may have the same name.
	let named: Vec<_> = manifest
		.files()
		.filter(|(service, entry)| {
			let place = match service.module() == Some(entry) {
				true => "module",
				false => "in",
			};
			path.split_once('/') == Some((place, entry.path.as_str()))
		})
		.collect();
	if named.is_empty() {
		return Err(refused(
			StatusCode::NOT_FOUND,
			"the manifest names no such file",
		));
	}
	let mut named = named.into_iter();
	let Some((service, entry)) = named.find(|(_, entry)| digest == hex::encode(entry.sha256))
	else {
		return Err(refused(
			StatusCode::BAD_REQUEST,
			"the digest is not the manifest's",
		));
	};
	let folder = gateway.shared.store.lease_folder(lease);
	let target = input_path(&folder, service, entry);
	if service.kind == Kind::Service && target.exists() {
		// It is called by its content.
		return Ok(StatusCode::NO_CONTENT);
	}
	if row.attempts > 0 && target.exists() {
		return Err(refused(
			StatusCode::CONFLICT,
			"the workload has begun with this file",
		));
	}
	// One at a time: all of a lease's uploads never take more room than one of its files.
	let Some(seat) = gateway.uploads.take(lease) else {
		let why =
			"another file of the lease, or too many of others, are being handed in; wait a moment";
		return Err(refused(StatusCode::TOO_MANY_REQUESTS, why));
	};
	let lasting = access::Lasting::of(&row, &headers)?;
	let parent = target.parent().unwrap_or(&folder);
	tokio::fs::create_dir_all(parent).await.map_err(internal)?;
	let part = Part(folder.join("upload"));
	take(&gateway, &lasting, request.into_body(), &part.0, entry).await?;
	// A job may have begun meanwhile.
	let now = gateway.shared.store.lease(lease).map_err(internal)?;
	if now.is_some_and(|row| row.attempts > 0) && target.exists() {
		return Ok(StatusCode::NO_CONTENT);
	}
	// The next upload begins once this is done, whoever still waits for it.
	let placed = tokio::task::spawn_blocking(move || {
		let held = (part, seat);
		std::fs::rename(&held.0 .0, &target)
	});
	placed.await.map_err(internal)?.map_err(internal)?;
	diary::note(&folder, format!("`{}` was handed in", entry.path));
	gateway.shared.wake.notify_one();
	Ok(StatusCode::NO_CONTENT)
}

/// A file on its way, which goes with who sends it, unless it has its own place by then. What a daemon that was killed has
/// left is written over by the next.
struct Part(PathBuf);

impl Drop for Part {
	fn drop(&mut self) {
		let _ = std::fs::remove_file(&self.0);
	}
}

async fn take(
	gateway: &Gateway,
	lasting: &access::Lasting,
	body: Body,
	part: &std::path::Path,
	entry: &FileEntry,
) -> Result<(), Refused> {
	let mut looked = Instant::now();
	let mut file = tokio::fs::File::create(part).await.map_err(internal)?;
	let mut stream = body.into_data_stream();
	let (mut size, mut hasher) = (0u64, Sha256::new());
	loop {
		let next = tokio::time::timeout(STALL, stream.next())
			.await
			.map_err(|_| {
				refused(
					StatusCode::REQUEST_TIMEOUT,
					"the upload stood still for too long",
				)
			})?;
		let Some(chunk) = next else { break };
		if looked.elapsed() >= GRANTED {
			looked = Instant::now();
			let row = gateway
				.shared
				.store
				.lease(lasting.lease)
				.map_err(internal)?;
			lasting.holds(row.as_ref()).map_err(forbidden)?;
			if row.is_none_or(|row| matches!(row.phase, Phase::Closed { .. })) {
				return Err(refused(StatusCode::GONE, "the lease is closed"));
			}
		}
		let chunk: Bytes =
			chunk.map_err(|_| refused(StatusCode::BAD_REQUEST, "the upload broke off"))?;
		size = size.saturating_add(u64::try_from(chunk.len()).unwrap_or(u64::MAX));
		if size > entry.size {
			let why = format!(
				"the file is longer than the manifest says: {} bytes",
				entry.size
			);
			return Err(refused(StatusCode::PAYLOAD_TOO_LARGE, why));
		}
		hasher.update(&chunk);
		file.write_all(&chunk).await.map_err(internal)?;
	}
	file.sync_all().await.map_err(internal)?;
	let sha256: [u8; 32] = hasher.finalize().into();
	if size != entry.size || sha256 != entry.sha256 {
		return Err(refused(
			StatusCode::BAD_REQUEST,
			"the file is not the one the manifest names",
		));
	}
	Ok(())
}

pub fn header_text(headers: &HeaderMap, name: &str) -> Option<String> {
	headers.get(name)?.to_str().ok().map(str::to_owned)
}

/// Sends a result, whole or from an offset on.
pub async fn get_file(
	State(gateway): State<Gateway>,
	Path((lease, path)): Path<(u64, String)>,
	request: Request,
) -> Result<Response, Refused> {
	let signed_path = path_of(request.uri());
	let headers = request.headers().clone();
	let facts = ("GET", signed_path.as_str(), EMPTY);
	let row = access::check_headers(&gateway, lease, Scope::Files, &headers, facts).await?;
	let missing = || refused(StatusCode::NOT_FOUND, "there is no such result");
	let name = path
		.strip_prefix("out/")
		.filter(|name| is_safe_path(name))
		.ok_or_else(missing)?;
	let found = results(&gateway, &row).await?;
	let output = found
		.iter()
		.find(|output| output.path == name)
		.ok_or_else(missing)?;
	let file = gateway
		.shared
		.store
		.lease_folder(lease)
		.join("out")
		.join(name);
	let mut file = tokio::fs::File::open(file).await.map_err(|_| missing())?;
	let from = header_text(&headers, "range").and_then(|range| {
		range
			.strip_prefix("bytes=")?
			.strip_suffix('-')?
			.parse::<u64>()
			.ok()
	});
	let answer = Response::builder()
		.header(header::CONTENT_TYPE, "application/octet-stream")
		.header(header::ACCEPT_RANGES, "bytes")
		.header("leasehold-digest", hex::encode(output.sha256));
	let answer = match from {
		Some(from) if from > 0 && from >= output.size => {
			return Err(refused(
				StatusCode::RANGE_NOT_SATISFIABLE,
				"the file is shorter",
			));
		}
		Some(from @ 1..) => {
			file.seek(std::io::SeekFrom::Start(from))
				.await
				.map_err(internal)?;
			let last = output.size.saturating_sub(1);
			answer
				.status(StatusCode::PARTIAL_CONTENT)
				.header(
					header::CONTENT_RANGE,
					format!("bytes {from}-{last}/{}", output.size),
				)
				.header(header::CONTENT_LENGTH, output.size.saturating_sub(from))
		}
		Some(0) | None => answer.header(header::CONTENT_LENGTH, output.size),
	};
	answer
		.body(Body::from_stream(ReaderStream::with_capacity(file, CHUNK)))
		.map_err(internal)
}

/// The service that is named, of a lease with these; of one with a single service it need not be.
pub fn named<'a>(
	services: &'a [Service],
	name: Option<&str>,
	replica: u32,
) -> Result<Option<&'a Service>, Refused> {
	let found = match (name, services) {
		(None, [] | [_]) => services.first(),
		(name, all) => {
			let names: Vec<_> = all.iter().map(|service| service.name.as_str()).collect();
			let found = all
				.iter()
				.find(|service| Some(service.name.as_str()) == name);
			let why = format!("name one of the lease's services: {}", names.join(", "));
			Some(found.ok_or_else(|| refused(StatusCode::BAD_REQUEST, why))?)
		}
	};
	if let Some(service) = found.filter(|service| replica >= service.count) {
		let why = format!("`{}` has {} replicas, from 0", service.name, service.count);
		return Err(refused(StatusCode::BAD_REQUEST, why));
	}
	Ok(found)
}

/// The folder of the log that is wanted.
fn log_folder(gateway: &Gateway, row: &LeaseRow, query: &query::Log) -> Result<PathBuf, Refused> {
	let lease = gateway.shared.store.lease_folder(row.lease);
	let manifest = manifest(&gateway.shared, row).map_err(internal)?;
	let services = manifest
		.map(|manifest| manifest.services)
		.unwrap_or_default();
	let found = named(&services, query.service.as_deref(), query.replica)?;
	let Some(service) = found else {
		return Ok(lease.join("logs"));
	};
	Ok(match service.kind {
		Kind::Job => lease,
		Kind::Service => members::folder(&lease, &service.name, query.replica),
	}
	.join("logs"))
}

/// Sends the log, a JSON record a line; `{"gap": n}` stands for `n` bytes that are not kept any more.
pub async fn logs(
	State(gateway): State<Gateway>,
	Path(lease): Path<u64>,
	Query(query): Query<query::Log>,
	request: Request,
) -> Result<Response, Refused> {
	let path = path_of(request.uri());
	let facts = ("GET", path.as_str(), EMPTY);
	let row = access::check_headers(&gateway, lease, Scope::Logs, request.headers(), facts).await?;
	let lasting = access::Lasting::of(&row, request.headers())?;
	let folder = log_folder(&gateway, &row, &query)?;
	let place = folder.clone();
	// There may be no log yet.
	let from = match (query.tail, query.since) {
		(Some(records), _) => {
			let look = move || log::before_last(&place, records).unwrap_or(0);
			gateway.search(row.tenant, look).await?
		}
		(None, Some(time)) => {
			let look = move || log::before_time(&place, time).unwrap_or(0);
			gateway.search(row.tenant, look).await?
		}
		(None, None) => query.from,
	};
	let (sender, receiver) = tokio::sync::mpsc::channel(WAITING);
	let (cut, is_cut) = tokio::sync::oneshot::channel();
	tokio::spawn(async move {
		let follow = query.follow;
		if let Some(why) = pass_on(&gateway, &lasting, (&folder, follow), from, &sender).await {
			let _ = cut.send(why);
		}
	});
	let bytes = tokio_stream::wrappers::ReceiverStream::new(receiver).map(Ok);
	// Who may read no more is told so by a log that breaks off, however slowly it is read.
	let end = futures::stream::once(is_cut)
		.filter_map(async |why| Some(Err(std::io::Error::other(why.ok()?))));
	let body = Body::from_stream(bytes.chain(end));
	let headers = [
		(header::CONTENT_TYPE, "application/x-ndjson".to_owned()),
		(
			HeaderName::from_static("leasehold-offset"),
			from.to_string(),
		),
	];
	Ok((headers, body).into_response())
}

/// Passes a log on from a byte of it; why it is broken off, if it is.
async fn pass_on(
	gateway: &Gateway,
	lasting: &access::Lasting,
	(folder, follow): (&std::path::Path, bool),
	mut at: u64,
	sender: &Sender<Bytes>,
) -> Option<String> {
	let why_not = || match lasting.holds_now(gateway) {
		Ok(()) if follow && *gateway.stopped.borrow() => Some("the gateway ends".to_owned()),
		Ok(()) => None,
		Err(why) => Some(why.to_string()),
	};
	let (mut looked, mut in_record) = (Instant::now(), false);
	loop {
		// Looked at before reading, so that nothing written in between is missed.
		let over = match gateway.shared.store.lease(lasting.lease) {
			Ok(Some(row)) => !follow || row.is_over(),
			_ => true,
		};
		// One segment after the other, for as long as there is a next one.
		while let Some((start, path, is_last)) = log::segment_at(folder, at) {
			let before = at;
			if at < start {
				let gap = start.saturating_sub(at);
				at = start;
				// What was passed on last may be half a record: its end stands for one of the bytes.
				let line = match in_record {
					true => format!("\n{{\"gap\":{}}}\n", gap.saturating_sub(1)),
					false => format!("{{\"gap\":{gap}}}\n"),
				};
				in_record = false;
				give(gateway, follow, sender, line.into()).await?;
			}
			let Ok(mut file) = tokio::fs::File::open(&path).await else {
				// It was thrown away a moment ago.
				break;
			};
			let skip = std::io::SeekFrom::Start(at.saturating_sub(start));
			let _ = file.seek(skip).await;
			let mut buffer = vec![0u8; LINES];
			while let Ok(n @ 1..) = file.read(&mut buffer).await {
				if looked.elapsed() >= LOOK {
					looked = Instant::now();
					if let Some(why) = why_not() {
						return Some(why);
					}
				}
				at = at.saturating_add(u64::try_from(n).unwrap_or(0));
				let bytes = Bytes::copy_from_slice(buffer.get(..n).unwrap_or_default());
				in_record = bytes.last() != Some(&b'\n');
				give(gateway, follow, sender, bytes).await?;
			}
			if is_last || at == before {
				break;
			}
		}
		if over || sender.is_closed() {
			return None;
		}
		if let Some(why) = why_not() {
			return Some(why);
		}
		tokio::time::sleep(LOOK).await;
	}
}

/// Hands bytes on to who reads them; `None` if nobody does any more, or if who follows is slow as the daemon ends.
async fn give(gateway: &Gateway, follow: bool, sender: &Sender<Bytes>, bytes: Bytes) -> Option<()> {
	let mut stopped = gateway.stopped.clone();
	tokio::select! {
		sent = sender.send(bytes) => sent.ok(),
		_ = stopped.wait_for(|stop| *stop), if follow => None,
	}
}
