//! Where a host name leads.

use crate::{
	daemon::Shared,
	members::{self, Stream},
	reconcile::manifest,
	store::{LeaseRow, Phase},
};
use axum::http::{uri::Authority, Uri};
use futures::future::BoxFuture;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::{
	client::legacy::connect::{Connected, Connection},
	rt::TokioIo,
};
use leasehold_manifest::{hostname::Name, Expose, Service};
use std::{
	collections::HashMap,
	io,
	pin::Pin,
	sync::{Arc, Mutex},
	task::{Context, Poll},
	time::{Duration, Instant},
};

/// How long is remembered where the names of a lease lead, and of how many leases.
const REMEMBERED: (Duration, usize) = (Duration::from_secs(1), 4_096);

/// How long a daemon may take to meet what runs already, and how often it is looked whether it has.
const MEETING: Duration = Duration::from_secs(15);
const LOOK: Duration = Duration::from_millis(100);

/// Where a name leads.
pub struct Route {
	row: LeaseRow,
	service: Service,
	pub expose: Expose,
}

impl Route {
	pub fn lease(&self) -> u64 {
		self.row.lease
	}
}

/// The port of a service that goes by its host name.
fn by_name(service: &Service) -> Option<&Expose> {
	service.expose.iter().find(|expose| expose.is_http())
}

/// (service, URL) of what goes by host name in a lease; `url` is the gateway's.
pub fn urls(services: &[Service], lease: u64, domain: &str, url: &str) -> Vec<(String, String)> {
	let port = reqwest::Url::parse(url).ok().and_then(|url| url.port());
	let port = port.map(|port| format!(":{port}")).unwrap_or_default();
	let named = services
		.iter()
		.filter(|service| by_name(service).is_some())
		.filter_map(|service| {
			let host = Name::host(&service.name, lease, domain)?;
			Some((service.name.clone(), format!("https://{host}{port}/")))
		});
	named.collect()
}

/// When it was looked where the names of a lease lead, and where.
type Known = (Instant, Vec<Arc<Route>>);

/// What is known of names.
pub struct Routes {
	shared: Arc<Shared>,
	known: Mutex<HashMap<u64, Known>>,
	/// Counts requests to services: those with several replicas have them asked in turn.
	turns: Mutex<HashMap<(u64, String), usize>>,
	begun: Instant,
}

impl Routes {
	pub fn new(shared: Arc<Shared>) -> Self {
		Self {
			shared,
			known: Mutex::default(),
			turns: Mutex::default(),
			begun: Instant::now(),
		}
	}

	/// All routes of a lease.
	fn look_up(&self, lease: u64) -> anyhow::Result<Vec<Arc<Route>>> {
		let row = self.shared.store.lease(lease)?;
		// Of one that is suspended it is said that it does not run.
		let is_open = |row: &LeaseRow| !matches!(row.phase, Phase::Closed { .. });
		let Some(row) = row.filter(is_open) else {
			return Ok(Vec::new());
		};
		let manifest = manifest(&self.shared, &row)?;
		let services = manifest.into_iter().flat_map(|manifest| manifest.services);
		let routes = services.filter_map(|service| {
			let expose = by_name(&service)?.clone();
			let row = row.clone();
			Some(Arc::new(Route {
				row,
				service,
				expose,
			}))
		});
		Ok(routes.collect())
	}

	/// Where a name leads, if it does. It is asked once a second for each lease at most, whatever is asked for.
	pub fn find(&self, name: &Name) -> Option<Arc<Route>> {
		let now = Instant::now();
		let chosen = |routes: &[Arc<Route>]| {
			let mut routes = routes.iter();
			routes
				.find(|route| route.service.name == name.service)
				.cloned()
		};
		if let Some((since, routes)) = self.known.lock().ok()?.get(&name.lease) {
			if now.duration_since(*since) < REMEMBERED.0 {
				return chosen(routes);
			}
		}
		let routes = self.look_up(name.lease).unwrap_or_else(|error| {
			tracing::warn!(lease = name.lease, %error, "where names lead is not known");
			Vec::new()
		});
		let found = chosen(&routes);
		let mut known = self.known.lock().ok()?;
		if known.len() >= REMEMBERED.1 {
			known.clear();
		}
		known.insert(name.lease, (now, routes));
		found
	}

	/// The replica of a service that is asked next, if one can be: of those that are well, or else of those that run,
	/// one after the other.
	pub fn next(&self, route: &Route) -> Option<u32> {
		let all = self.shared.replicas.lock().ok()?;
		let of = all.get(&route.row.lease)?.replicas.iter();
		let ours = of.filter(|one| one.service == route.service.name);
		let in_state = |state: &str| {
			let those = ours.clone().filter(|one| one.state == state);
			those.map(|one| one.replica).collect::<Vec<_>>()
		};
		let running = in_state("running");
		let those = match running.is_empty() {
			true => in_state("unready"),
			false => running,
		};
		let mut turns = self.turns.lock().ok()?;
		if turns.len() >= REMEMBERED.1 {
			turns.clear();
		}
		let of = (route.row.lease, route.service.name.clone());
		let turn = turns.entry(of).or_default();
		*turn = turn.wrapping_add(1);
		those.get(turn.checked_rem(those.len())?).copied()
	}

	/// The same, waited for while the daemon has just begun: it meets its replicas one after the other.
	pub async fn next_soon(&self, route: &Route) -> Option<u32> {
		loop {
			let next = self.next(route);
			if next.is_some() || self.begun.elapsed() > MEETING {
				return next;
			}
			tokio::time::sleep(LOOK).await;
		}
	}
}

/// Connects to services, by addresses `REPLICA.SERVICE.LEASE:PORT` of our own.
#[derive(Clone)]
pub struct Connector(pub Arc<Routes>);

/// The address of a service's replica.
pub fn authority(route: &Route, replica: u32) -> Option<Authority> {
	let Route {
		row,
		service,
		expose,
	} = route;
	let text = format!("{replica}.{}.{}:{}", service.name, row.lease, expose.port);
	text.parse().ok()
}

impl tower::Service<Uri> for Connector {
	type Response = Link;
	type Error = io::Error;
	type Future = BoxFuture<'static, io::Result<Link>>;

	fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
		Poll::Ready(Ok(()))
	}

	fn call(&mut self, uri: Uri) -> Self::Future {
		let routes = self.0.clone();
		Box::pin(async move {
			let read = || {
				let (replica, rest) = uri.host()?.split_once('.')?;
				let (service, lease) = rest.split_once('.')?;
				let name = Name {
					service: service.to_owned(),
					lease: lease.parse().ok()?,
				};
				Some((name, replica.parse().ok()?, uri.port_u16()?))
			};
			let (name, replica, port) = read().ok_or(io::ErrorKind::InvalidInput)?;
			let route = routes.find(&name).ok_or(io::ErrorKind::NotFound)?;
			let Route { row, service, .. } = &*route;
			let stream = members::reach(&routes.shared, row, service, replica, port).await?;
			Ok(Link(TokioIo::new(stream)))
		})
	}
}

/// A connection to a service.
pub struct Link(TokioIo<Box<dyn Stream>>);

impl Connection for Link {
	fn connected(&self) -> Connected {
		Connected::new()
	}
}

impl Read for Link {
	fn poll_read(
		mut self: Pin<&mut Self>,
		context: &mut Context<'_>,
		buffer: ReadBufCursor<'_>,
	) -> Poll<io::Result<()>> {
		Pin::new(&mut self.0).poll_read(context, buffer)
	}
}

impl Write for Link {
	fn poll_write(
		mut self: Pin<&mut Self>,
		context: &mut Context<'_>,
		bytes: &[u8],
	) -> Poll<io::Result<usize>> {
		Pin::new(&mut self.0).poll_write(context, bytes)
	}

	fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
		Pin::new(&mut self.0).poll_flush(context)
	}

	fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
		Pin::new(&mut self.0).poll_shutdown(context)
	}

	fn is_write_vectored(&self) -> bool {
		self.0.is_write_vectored()
	}

	fn poll_write_vectored(
		mut self: Pin<&mut Self>,
		context: &mut Context<'_>,
		parts: &[io::IoSlice<'_>],
	) -> Poll<io::Result<usize>> {
		Pin::new(&mut self.0).poll_write_vectored(context, parts)
	}
}
