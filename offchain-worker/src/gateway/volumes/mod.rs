//! Files of services: what is in their volumes, out and in, while they run.

mod take;
mod tree;

use super::{
	access::{self, Lasting},
	flow::{header_text, named, STALL},
	internal,
	listener::Seat,
	path_of, refused, Gateway, Refused,
};
use crate::{
	diary,
	executor::{folders::folder_of, measure::measure},
	members,
	reconcile::manifest,
	store::{LeaseRow, Phase},
};
use axum::{
	body::{Body, Bytes},
	extract::{Path, Query, Request, State},
	http::{header, HeaderMap, HeaderName, StatusCode},
	response::{IntoResponse as _, Response},
	Json,
};
use futures::{stream, Stream, StreamExt as _};
use leasehold_client::{
	access::{Scope, EMPTY},
	query::{How, Want},
	volumes::{Volume, ASKED_FOR, MAX_ANNOUNCED},
};
use leasehold_manifest::{self as manifests, Kind, Medium, Service};
use std::{
	cell::RefCell,
	io::{self, Write},
	path::PathBuf,
	time::{Duration, Instant},
};
use take::Room;
use tokio::sync::mpsc;
use tokio_util::{
	io::{StreamReader, SyncIoBridge},
	sync::{CancellationToken, DropGuard},
};
use tree::{Found, Going, OVER};

/// Bytes that are sent at a time.
const CHUNK: usize = 128 << 10;
/// Such pieces that may wait for a client.
const WAITING: usize = 4;
/// How often it is looked whether what was granted holds still.
const LOOK: Duration = Duration::from_secs(5);

/// Which replica's files, and where.
type Place = (u64, String, u32, String);

/// Where files of a service lie.
struct Lies {
	/// The replica's folder.
	folder: PathBuf,
	volume: manifests::Volume,
	/// As the service sees it.
	path: String,
	/// Below the volume's folder.
	rest: String,
}

impl Lies {
	fn root(&self) -> PathBuf {
		self.folder.join(folder_of(&self.volume))
	}

	fn open(&self) -> Result<cap_std::fs::Dir, Refused> {
		tree::open(&self.root()).map_err(|error| match error.kind() {
			io::ErrorKind::NotFound => {
				refused(StatusCode::CONFLICT, "the replica has not begun yet")
			}
			_ => internal(error),
		})
	}
}

/// The services of a lease that has data of theirs.
fn services(gateway: &Gateway, row: &LeaseRow) -> Result<Vec<Service>, Refused> {
	if matches!(row.phase, Phase::Closed { .. }) {
		return Err(refused(
			StatusCode::GONE,
			"the lease is closed: its volumes are gone",
		));
	}
	let manifest = manifest(&gateway.shared, row).map_err(internal)?;
	let services = manifest
		.map(|manifest| manifest.services)
		.unwrap_or_default();
	match services.iter().any(|service| service.kind == Kind::Job) {
		true => Err(refused(
			StatusCode::CONFLICT,
			"a job has results, not volumes",
		)),
		false => Ok(services),
	}
}

/// Where the service sees a volume.
fn mount(volume: &manifests::Volume) -> Option<&str> {
	Some(volume.mount.as_ref()?.trim_end_matches('/'))
}

fn find(
	gateway: &Gateway,
	row: &LeaseRow,
	(name, replica, path): (&str, u32, &str),
) -> Result<Lies, Refused> {
	let services = services(gateway, row)?;
	let service = named(&services, Some(name), replica)?;
	let service =
		service.ok_or_else(|| refused(StatusCode::CONFLICT, "the manifest is not here"))?;
	let path = format!("/{}", path.trim_matches('/'));
	let below = |volume: &manifests::Volume| {
		let rest = path.strip_prefix(mount(volume)?)?;
		(rest.is_empty() || rest.starts_with('/')).then(|| rest.trim_matches('/').to_owned())
	};
	let all = &service.unit.volumes;
	let inside = all
		.iter()
		.filter_map(|volume| Some((volume, below(volume)?)));
	let nearest = inside.max_by_key(|(volume, _)| mount(volume).map(str::len));
	let Some((volume, rest)) = nearest else {
		let mounts: Vec<_> = all.iter().filter_map(mount).collect();
		let has = match mounts.is_empty() {
			true => "it has none".to_owned(),
			false => format!("it has {}", mounts.join(", ")),
		};
		let why = format!("`{path}` of `{name}` is in no volume: {has}");
		return Err(refused(StatusCode::NOT_FOUND, why));
	};
	if volume.medium == Medium::Memory {
		let why = format!("`{path}` of `{name}` is in memory, where only the service sees it");
		return Err(refused(StatusCode::CONFLICT, why));
	}
	if !rest.is_empty() && !manifests::files::is_safe_path(&rest) {
		return Err(refused(
			StatusCode::BAD_REQUEST,
			format!("`{path}` is no plain path"),
		));
	}
	Ok(Lies {
		folder: members::folder(&gateway.shared.store.lease_folder(row.lease), name, replica),
		volume: volume.clone(),
		path,
		rest,
	})
}

/// The volumes of a lease's services.
pub async fn all(
	State(gateway): State<Gateway>,
	Path(lease): Path<u64>,
	request: Request,
) -> Result<Json<Vec<Volume>>, Refused> {
	let path = path_of(request.uri());
	let facts = ("GET", path.as_str(), EMPTY);
	let row =
		access::check_headers(&gateway, lease, Scope::Files, request.headers(), facts).await?;
	let services = services(&gateway, &row)?;
	let all = services.iter().flat_map(|service| {
		let volumes = service.unit.volumes.iter();
		let on_disk = volumes.filter(|volume| volume.medium != Medium::Memory);
		on_disk.filter_map(|volume| {
			Some(Volume {
				service: service.name.clone(),
				replicas: service.count,
				name: volume.name.clone(),
				path: mount(volume)?.to_owned(),
				size_mib: volume.size,
				persistent: matches!(volume.medium, Medium::Persistent(_)),
			})
		})
	});
	Ok(Json(all.collect()))
}

/// A place for a transfer.
fn seat(gateway: &Gateway, row: &LeaseRow) -> Result<Seat<[u8; 32]>, Refused> {
	gateway.transfers.take(row.tenant).ok_or_else(|| {
		let why = "too many files are on their way, of yours or of all tenants";
		refused(StatusCode::TOO_MANY_REQUESTS, why)
	})
}

/// Whether something may go on, looked at now and then: what was granted holds, and the lease has its data.
struct Granted {
	gateway: Gateway,
	lasting: Lasting,
	/// Whether its workload must run.
	while_it_runs: bool,
	/// Whether who asked is gone, where that is known.
	gone: CancellationToken,
	looked: Instant,
}

impl Granted {
	fn of(
		gateway: &Gateway,
		row: &LeaseRow,
		headers: &HeaderMap,
		while_it_runs: bool,
	) -> Result<Self, Refused> {
		Ok(Self {
			gateway: gateway.clone(),
			lasting: Lasting::of(row, headers)?,
			while_it_runs,
			gone: CancellationToken::new(),
			looked: Instant::now(),
		})
	}

	/// Dropped once who asked is gone, before there is an answer.
	fn asker(&self) -> DropGuard {
		self.gone.clone().drop_guard()
	}

	fn goes_on(&mut self) -> io::Result<()> {
		let over = |why: String| Err(io::Error::new(OVER, why));
		if self.gone.is_cancelled() {
			return over("nobody waits for it any more".into());
		}
		if *self.gateway.stopped.borrow() {
			return over("the gateway ends".into());
		}
		if self.looked.elapsed() < LOOK {
			return Ok(());
		}
		self.looked = Instant::now();
		let Ok(row) = self.gateway.shared.store.lease(self.lasting.lease) else {
			return Ok(());
		};
		match &row {
			Some(row) if row.phase.runs() => {}
			Some(row) if !self.while_it_runs && !matches!(row.phase, Phase::Closed { .. }) => {}
			_ => return over("the lease does not run any more".into()),
		}
		match self.lasting.holds(row.as_ref()) {
			Ok(()) => Ok(()),
			Err(why) => over(why.to_string()),
		}
	}
}

/// What is written for a client.
struct Out {
	sender: mpsc::Sender<io::Result<Bytes>>,
	_seat: Seat<[u8; 32]>,
}

impl Write for Out {
	fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
		let sent = self.sender.blocking_send(Ok(Bytes::copy_from_slice(bytes)));
		sent.map_err(|_| io::ErrorKind::BrokenPipe)?;
		Ok(bytes.len())
	}

	fn flush(&mut self) -> io::Result<()> {
		Ok(())
	}
}

/// Sends files, or lines about them.
pub async fn get(
	State(gateway): State<Gateway>,
	Path((lease, service, replica, path)): Path<Place>,
	Query(want): Query<Want>,
	request: Request,
) -> Result<Response, Refused> {
	let signed = path_of(request.uri());
	let headers = request.headers();
	let facts = ("GET", signed.as_str(), EMPTY);
	let row = access::check_headers(&gateway, lease, Scope::Files, headers, facts).await?;
	let mut granted = Granted::of(&gateway, &row, headers, false)?;
	let seat = seat(&gateway, &row)?;
	let lies = find(&gateway, &row, (&service, replica, &path))?;
	let found = tokio::task::spawn_blocking(move || {
		tree::find(lies.open()?, &lies.rest).map_err(tree::wrong(&lies.path))
	});
	let found: Found = found.await.map_err(internal)??;
	let asked_for = match &found {
		Found::Folder(_) => "folder",
		Found::File(..) => "file",
	};
	let (sender, receiver) = mpsc::channel(WAITING);
	let kind = match want.list {
		true => "application/x-ndjson",
		false => "application/x-tar",
	};
	tokio::task::spawn_blocking(move || {
		let failed = sender.clone();
		let client = sender.clone();
		let mut goes_on = move || match client.is_closed() {
			true => Err(io::ErrorKind::BrokenPipe.into()),
			false => granted.goes_on(),
		};
		let out = Out {
			sender,
			_seat: seat,
		};
		let mut out = io::BufWriter::with_capacity(CHUNK, out);
		let sent = match want.list {
			true => {
				let listed =
					tree::list(&found, want.recursive, want.digests, &mut out, &mut goes_on);
				match listed {
					Err(error) if error.kind() == io::ErrorKind::Other => {
						let line = serde_json::json!({ "error": error.to_string() });
						writeln!(out, "{line}")
					}
					listed => listed,
				}
			}
			false => tree::send(&found, &want.at, want.from, Going(&mut out, goes_on)),
		};
		if let Err(error) = sent.and_then(|()| out.flush()) {
			tracing::debug!(lease, %error, "files are sent in part");
			// A stream that ends early must not be taken for a whole one.
			let _ = failed.blocking_send(Err(error));
		}
	});
	let body = Body::from_stream(tokio_stream::wrappers::ReceiverStream::new(receiver));
	let headers = [
		(header::CONTENT_TYPE, kind),
		(HeaderName::from_static(ASKED_FOR), asked_for),
	];
	Ok((headers, body).into_response())
}

/// What a client sends, until it stands still for too long, or the gateway ends.
fn patiently(
	body: Body,
	gateway: &Gateway,
) -> impl Stream<Item = io::Result<Bytes>> + Send + use<> {
	let begin = (body.into_data_stream(), gateway.stopped.clone());
	stream::unfold(Some(begin), |going| async move {
		let (mut body, mut stopped) = going?;
		let next = tokio::select! {
			next = tokio::time::timeout(STALL, body.next()) => next,
			_ = stopped.wait_for(|stop| *stop) => {
				return Some((Err(io::Error::other("the gateway ends")), None));
			}
		};
		let chunk = match next {
			Err(_) => Err(io::Error::other("it stood still for too long")),
			Ok(None) => return None,
			Ok(Some(Err(error))) => Err(io::Error::other(error)),
			Ok(Some(Ok(chunk))) => Ok(chunk),
		};
		let more = chunk.is_ok();
		Some((chunk, more.then_some((body, stopped))))
	})
}

/// Takes files, or says what of them is there.
pub async fn put(
	State(gateway): State<Gateway>,
	Path((lease, service, replica, path)): Path<Place>,
	Query(how): Query<How>,
	request: Request,
) -> Result<Response, Refused> {
	let signed = path_of(request.uri());
	let headers = request.headers().clone();
	let digest = header_text(&headers, "leasehold-digest").unwrap_or_default();
	let facts = ("PUT", signed.as_str(), digest.as_str());
	// What is put may be run.
	let row = access::check_headers(&gateway, lease, Scope::Deploy, &headers, facts).await?;
	let granted = Granted::of(&gateway, &row, &headers, true)?;
	let busy = || {
		let why = "files are being put into the lease already, or into too many others";
		refused(StatusCode::TOO_MANY_REQUESTS, why)
	};
	let seat = (
		seat(&gateway, &row)?,
		gateway.puts.take(lease).ok_or_else(busy)?,
	);
	if !row.phase.runs() {
		let why = format!("nothing can be put now: {}", row.phase.name());
		return Err(refused(StatusCode::CONFLICT, why));
	}
	let lies = find(&gateway, &row, (&service, replica, &path))?;
	let stream = patiently(request.into_body(), &gateway);
	let reader = StreamReader::new(Box::pin(stream));
	let reader = SyncIoBridge::new(reader);
	let folder = gateway.shared.store.lease_folder(lease);
	let _here = granted.asker();
	let done = tokio::task::spawn_blocking(move || {
		let _seat = seat;
		let granted = RefCell::new(granted);
		let goes_on = || granted.borrow_mut().goes_on();
		let mut reader = Going(reader, &goes_on);
		let root = lies.open()?;
		let size = u64::from(lies.volume.size).saturating_mul(1 << 20);
		let room = Room::of(size, measure(&lies.root()));
		if how.plan {
			let mut announced = Vec::new();
			let most = u64::try_from(MAX_ANNOUNCED).unwrap_or(u64::MAX);
			let mut first = io::Read::take(&mut reader, most.saturating_add(1));
			io::Read::read_to_end(&mut first, &mut announced)
				.map_err(|error| refused(StatusCode::BAD_REQUEST, error.to_string()))?;
			if announced.len() > MAX_ANNOUNCED {
				let why = "too many files at a time";
				return Err(refused(StatusCode::PAYLOAD_TOO_LARGE, why));
			}
			let entries = take::announced(&announced, &digest)?;
			drop(announced);
			let plan = take::plan(&root, &lies.rest, &entries, room, &mut &goes_on)?;
			return Ok(Json(plan).into_response());
		}
		let put = take::take(&root, &lies.rest, &digest, reader, room, &mut &goes_on)?;
		if put.files > 0 {
			let (n, bytes) = (put.files, put.bytes);
			let what = if n == 1 { "file was" } else { "files were" };
			let text = format!(
				"{n} {what} put into {} of `{service}`: {bytes} bytes",
				lies.path
			);
			diary::note(&folder, text);
		}
		Ok(Json(put).into_response())
	});
	done.await.map_err(internal)?
}

/// Removes a file, or a folder with all that is in it.
pub async fn remove(
	State(gateway): State<Gateway>,
	Path((lease, service, replica, path)): Path<Place>,
	request: Request,
) -> Result<StatusCode, Refused> {
	let signed = path_of(request.uri());
	let facts = ("DELETE", signed.as_str(), EMPTY);
	let row =
		access::check_headers(&gateway, lease, Scope::Deploy, request.headers(), facts).await?;
	let seat = seat(&gateway, &row)?;
	let lies = find(&gateway, &row, (&service, replica, &path))?;
	let mut granted = Granted::of(&gateway, &row, request.headers(), false)?;
	let _here = granted.asker();
	let folder = gateway.shared.store.lease_folder(lease);
	let done = tokio::task::spawn_blocking(move || {
		let _seat = seat;
		let mut goes_on = || granted.goes_on();
		let path = &lies.path;
		if lies.rest.is_empty() {
			let why = format!("`{path}` is the volume itself: name what is in it");
			return Err(refused(StatusCode::CONFLICT, why));
		}
		take::remove(&lies.open()?, &lies.rest, &mut goes_on).map_err(tree::wrong(path))?;
		diary::note(&folder, format!("{path} of `{service}` was removed"));
		Ok(StatusCode::NO_CONTENT)
	});
	done.await.map_err(internal)?
}

#[cfg(test)]
mod tests;
