//! What flows: files in and out, and the live log.

use super::{access, internal, path_of, refused, Gateway, Refused};
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
use leasehold_client::access::{Scope, EMPTY};
use leasehold_manifest::{files::is_safe_path, result::Output, FileEntry, Kind, Service};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use std::{path::PathBuf, time::Duration};
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _, AsyncWriteExt as _};
use tokio_util::io::ReaderStream;

/// Bytes of a file that are sent at a time.
const CHUNK: usize = 128 << 10;
/// Bytes of a live log that are read at a time, and how many of these wait for a reader who is slow.
const LINES: usize = 64 << 10;
const WAITING: usize = 2;
/// How often a live log is looked at.
const LOOK: Duration = Duration::from_millis(200);
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
	tokio::task::spawn_blocking(move || kept(&folder, attempt, &service.outputs))
		.await
		.map_err(internal)?
		.map_err(internal)
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
	let parent = target.parent().unwrap_or(&folder);
	tokio::fs::create_dir_all(parent).await.map_err(internal)?;
	let mut mark = [0u8; 8];
	getrandom::fill(&mut mark).map_err(internal)?;
	let part = folder.join(format!("{}.upload", hex::encode(mark)));
	let taken = take(request.into_body(), &part, entry).await;
	match taken {
		Ok(()) => {
			// Another upload of the same file may have been first, and its job begun.
			let now = gateway.shared.store.lease(lease).map_err(internal)?;
			if now.is_some_and(|row| row.attempts > 0) && target.exists() {
				let _ = tokio::fs::remove_file(&part).await;
				return Ok(StatusCode::NO_CONTENT);
			}
			tokio::fs::rename(&part, &target).await.map_err(internal)?;
			diary::note(&folder, format!("`{}` was handed in", entry.path));
			gateway.shared.wake.notify_one();
			Ok(StatusCode::NO_CONTENT)
		}
		Err(why) => {
			let _ = tokio::fs::remove_file(&part).await;
			Err(why)
		}
	}
}

async fn take(body: Body, part: &std::path::Path, entry: &FileEntry) -> Result<(), Refused> {
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
		Some(from) if from > output.size => {
			return Err(refused(
				StatusCode::RANGE_NOT_SATISFIABLE,
				"the file is shorter",
			));
		}
		Some(from) => {
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
		None => answer.header(header::CONTENT_LENGTH, output.size),
	};
	answer
		.body(Body::from_stream(ReaderStream::with_capacity(file, CHUNK)))
		.map_err(internal)
}

/// What part of a log is wanted.
#[derive(Debug, Deserialize)]
pub struct LogQuery {
	/// Bytes to skip: an offset that an earlier answer led to.
	#[serde(default)]
	from: u64,
	/// In place of that: the last so many records.
	tail: Option<u64>,
	/// In place of that: what was written from this time on, Unix milliseconds.
	since: Option<u64>,
	/// Whether to go on until the lease is closed.
	#[serde(default)]
	follow: bool,
	/// Whose log, in a lease of several services.
	service: Option<String>,
	#[serde(default)]
	replica: u32,
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
fn log_folder(gateway: &Gateway, row: &LeaseRow, query: &LogQuery) -> Result<PathBuf, Refused> {
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
	Query(query): Query<LogQuery>,
	request: Request,
) -> Result<Response, Refused> {
	let path = path_of(request.uri());
	let facts = ("GET", path.as_str(), EMPTY);
	let row = access::check_headers(&gateway, lease, Scope::Logs, request.headers(), facts).await?;
	let lasting = access::Lasting::of(&row, request.headers())?;
	let folder = log_folder(&gateway, &row, &query)?;
	let from = tokio::task::spawn_blocking({
		let folder = folder.clone();
		move || match (query.tail, query.since) {
			// There may be no log yet.
			(Some(records), _) => log::before_last(&folder, records).unwrap_or(0),
			(None, Some(time)) => log::before_time(&folder, time).unwrap_or(0),
			(None, None) => query.from,
		}
	});
	let from = from.await.map_err(internal)?;
	let (sender, receiver) = tokio::sync::mpsc::channel::<std::io::Result<Bytes>>(WAITING);
	tokio::spawn(async move {
		let mut at = from;
		// Who may read no more is told so by a log that breaks off.
		let is_cut = async || {
			let row = gateway.shared.store.lease(lease).ok().flatten();
			let Err(why) = lasting.holds(row.as_ref()) else {
				return false;
			};
			let _ = sender
				.send(Err(std::io::Error::other(why.to_string())))
				.await;
			true
		};
		loop {
			// Looked at before reading, so that nothing written in between is missed.
			let over = match gateway.shared.store.lease(lease) {
				Ok(Some(row)) => !query.follow || row.is_over(),
				_ => true,
			};
			// One segment after the other, for as long as there is a next one.
			while let Some((start, path, is_last)) = log::segment_at(&folder, at) {
				if is_cut().await {
					return;
				}
				let before = at;
				if at < start {
					let gap = start.saturating_sub(at);
					at = start;
					let line = Bytes::from(format!("{{\"gap\":{gap}}}\n"));
					if sender.send(Ok(line)).await.is_err() {
						return;
					}
				}
				let Ok(mut file) = tokio::fs::File::open(&path).await else {
					// It was thrown away a moment ago.
					continue;
				};
				let skip = std::io::SeekFrom::Start(at.saturating_sub(start));
				let _ = file.seek(skip).await;
				let mut buffer = vec![0u8; LINES];
				while let Ok(n @ 1..) = file.read(&mut buffer).await {
					at = at.saturating_add(u64::try_from(n).unwrap_or(0));
					let bytes = Bytes::copy_from_slice(buffer.get(..n).unwrap_or_default());
					if sender.send(Ok(bytes)).await.is_err() {
						return;
					}
				}
				if is_last || at == before {
					break;
				}
			}
			if over || sender.is_closed() || is_cut().await {
				return;
			}
			tokio::time::sleep(LOOK).await;
		}
	});
	let body = Body::from_stream(tokio_stream::wrappers::ReceiverStream::new(receiver));
	let headers = [
		(header::CONTENT_TYPE, "application/x-ndjson".to_owned()),
		(
			HeaderName::from_static("leasehold-offset"),
			from.to_string(),
		),
	];
	Ok((headers, body).into_response())
}
