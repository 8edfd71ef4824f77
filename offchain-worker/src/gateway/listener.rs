//! The listener: TLS, and what one address may have of it.

use super::{
	proxy::{plain, Asked, Proxy},
	Refused, API,
};
use crate::{daemon::Shared, identity::ACME_TLS};
use anyhow::Context as _;
use axum::{
	http::{HeaderValue, StatusCode},
	middleware::Next,
	response::{IntoResponse as _, Response},
	Router,
};
use governor::{clock::DefaultClock, state::keyed::HashMapStateStore, Quota, RateLimiter};
use hyper::{body::Incoming, service::service_fn, Request};
use hyper_util::rt::{TokioIo, TokioTimer};
use listenfd::ListenFd;
use rustix::process::{getrlimit, setrlimit, Resource, Rlimit};
use std::{
	collections::HashMap,
	convert::Infallible,
	hash::Hash,
	net::{IpAddr, Ipv6Addr, SocketAddr},
	num::NonZeroU32,
	sync::{atomic::Ordering, Arc, Mutex},
	time::Duration,
};
use tokio::{
	net::{TcpListener, TcpStream},
	sync::{watch, Notify, OwnedSemaphorePermit, Semaphore},
	task::JoinHandle,
	time::timeout,
};
use tokio_io_timeout::TimeoutStream;
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt as _;

/// Connections at a time, of all and of one address.
const CONNECTIONS: usize = 4_096;
const CONNECTIONS_OF_ONE: usize = 256;
/// Which part of the files that this process may have open: a place may take two of them, and others need some.
const PART_OF_FILES: u64 = 4;
/// Large calls at a time, of all and of one address: the body of each is in memory, of whomever it comes.
const CALLS: (usize, usize) = (256, 8);
/// Up to so many bytes a call is a small one.
const SMALL_CALL: u64 = 64 << 10;
/// After how long a client that says nothing is asked whether it is there, how long after one another, and how often.
const ALIVE: (Duration, Duration, u32) = (Duration::from_secs(30), Duration::from_secs(10), 3);
/// Requests a second of one address, and how many it may save up.
const REQUESTS: NonZeroU32 = NonZeroU32::new(200).unwrap();
const BURST: NonZeroU32 = NonZeroU32::new(2_000).unwrap();
/// How long a handshake may take, and the head of a request or the pause before it.
const HANDSHAKE: Duration = Duration::from_secs(10);
const HEAD: Duration = Duration::from_secs(20);
/// How long who has not asked for anything may take to, when the daemon ends.
const PARTING: Duration = Duration::from_secs(2);
/// How long a client may take nothing of what is sent to it.
const STALL: Duration = Duration::from_secs(120);
/// Bytes of a request's head, and its header fields.
const MAX_HEAD: usize = 32 << 10;
const MAX_FIELDS: usize = 64;
/// How often addresses that have been quiet are forgotten.
const FORGET: Duration = Duration::from_secs(10);
/// How long it waits when the system has no more sockets.
const EXHAUSTED: Duration = Duration::from_millis(200);

/// Has as many files open as the system allows, and takes a part of them for connections.
fn places() -> usize {
	let limit = getrlimit(Resource::Nofile);
	let raised = Rlimit {
		current: limit.maximum,
		..limit
	};
	if let Err(error) = setrlimit(Resource::Nofile, raised) {
		tracing::debug!(%error, "no more files may be open than before");
	}
	let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
	let places = usize::try_from(files / PART_OF_FILES).unwrap_or(CONNECTIONS);
	let places = places.min(CONNECTIONS);
	if places < CONNECTIONS {
		tracing::warn!(
			files,
			places,
			"few files may be open: the gateway takes fewer connections"
		);
	}
	places
}

/// Who is counted together: an address, of IPv6 the network that one customer has.
fn counted(address: IpAddr) -> IpAddr {
	match address.to_canonical() {
		IpAddr::V6(address) => {
			let network = address.to_bits() & !u128::from(u64::MAX);
			IpAddr::V6(Ipv6Addr::from_bits(network))
		}
		address => address,
	}
}

/// Places, so many in all and so many for each.
pub struct Seats<K> {
	all: Arc<Semaphore>,
	each: usize,
	taken: Mutex<HashMap<K, usize>>,
}

/// A place that is given back at the end.
pub struct Seat<K: Eq + Hash> {
	seats: Arc<Seats<K>>,
	who: K,
	_one: OwnedSemaphorePermit,
}

impl<K: Copy + Eq + Hash> Seats<K> {
	pub fn new(all: usize, each: usize) -> Arc<Self> {
		Arc::new(Self {
			all: Arc::new(Semaphore::new(all)),
			each,
			taken: Mutex::default(),
		})
	}

	/// A place, if there is one left. Nobody takes more than half of what is free: the fewer there are the fewer for each,
	/// so that a few who take all they may have leave others some.
	pub fn take(self: &Arc<Self>, who: K) -> Option<Seat<K>> {
		let one = self.all.clone().try_acquire_owned().ok()?;
		let mut taken = self.taken.lock().ok()?;
		let fair = self.all.available_permits().div_ceil(2).max(1);
		let theirs = taken.get(&who).copied().unwrap_or_default();
		if theirs >= self.each.min(fair) {
			return None;
		}
		taken.insert(who, theirs.saturating_add(1));
		Some(Seat {
			seats: self.clone(),
			who,
			_one: one,
		})
	}
}

impl<K: Eq + Hash> Drop for Seat<K> {
	fn drop(&mut self) {
		let Ok(mut taken) = self.seats.taken.lock() else {
			return;
		};
		if let Some(theirs) = taken.get_mut(&self.who) {
			*theirs = theirs.saturating_sub(1);
			if *theirs == 0 {
				taken.remove(&self.who);
			}
		}
	}
}

type Rates = RateLimiter<IpAddr, HashMapStateStore<IpAddr>, DefaultClock>;

/// What all connections share.
struct Door {
	tls: TlsAcceptor,
	shared: Arc<Shared>,
	router: Router,
	/// To services by their names, if there are any.
	proxy: Option<Proxy>,
	seats: Arc<Seats<IpAddr>>,
	/// For as many as there are seats.
	places: usize,
	calls: Arc<Seats<IpAddr>>,
	rates: Rates,
}

/// The socket that systemd listens with and hands over (`LISTEN_FDS`), if it does: what comes while the daemon is started
/// anew waits in it.
fn handed_over(listen: SocketAddr) -> std::io::Result<Option<TcpListener>> {
	let mut all = ListenFd::from_env();
	if all.len() > 1 {
		let why = "several sockets were handed over, and it listens at one: [::] is for IPv4, too";
		return Err(std::io::Error::other(why));
	}
	let Some(listener) = all.take_tcp_listener(0)? else {
		return Ok(None);
	};
	// It is for this process alone.
	rustix::io::fcntl_setfd(&listener, rustix::io::FdFlags::CLOEXEC)?;
	let at = listener.local_addr()?;
	if at.port() != listen.port() {
		let why = format!("{at} was handed over, and provider.toml says otherwise");
		return Err(std::io::Error::other(why));
	}
	listener.set_nonblocking(true)?;
	TcpListener::from_std(listener).map(Some)
}

/// Listens; the task ends when all that was asked has been answered.
pub async fn serve(
	listen: SocketAddr,
	tls: rustls::ServerConfig,
	shared: Arc<Shared>,
	router: Router,
	proxy: Option<Proxy>,
	mut stopped: watch::Receiver<bool>,
) -> anyhow::Result<JoinHandle<()>> {
	let cannot = || format!("the gateway cannot listen on {listen}");
	let listener = match handed_over(listen).with_context(cannot)? {
		Some(listener) => listener,
		None => TcpListener::bind(listen).await.with_context(cannot)?,
	};
	tracing::info!(%listen, "the gateway listens");
	let places = places();
	let door = Arc::new(Door {
		tls: TlsAcceptor::from(Arc::new(tls)),
		shared,
		router,
		proxy,
		seats: Seats::new(places, CONNECTIONS_OF_ONE),
		places,
		calls: Seats::new(CALLS.0, CALLS.1),
		rates: RateLimiter::hashmap(Quota::per_second(REQUESTS).allow_burst(BURST)),
	});
	Ok(tokio::spawn(async move {
		let mut forget = tokio::time::interval(FORGET);
		loop {
			let accepted = tokio::select! {
				accepted = listener.accept() => accepted,
				_ = forget.tick() => {
					door.rates.retain_recent();
					continue;
				},
				_ = stopped.wait_for(|stop| *stop) => break,
			};
			let (stream, peer) = match accepted {
				Ok(accepted) => accepted,
				Err(error) => {
					tracing::warn!(%error, "a connection cannot be taken");
					tokio::time::sleep(EXHAUSTED).await;
					continue;
				}
			};
			let address = counted(peer.ip());
			let counted = &door.shared.counted;
			// A handshake costs more than most requests.
			let may = door.rates.check_key(&address).is_ok();
			let seat = door.seats.take(address).filter(|_| may);
			let Some(seat) = seat else {
				counted.turned_away.fetch_add(1, Ordering::Relaxed);
				tracing::debug!(%peer, "too many connections");
				continue;
			};
			counted.connections.fetch_add(1, Ordering::Relaxed);
			let peer = peer.ip().to_canonical();
			tokio::spawn(connection(
				door.clone(),
				stream,
				peer,
				seat,
				stopped.clone(),
			));
		}
		drop(listener);
		// Each of them ends with the request that it is at.
		let all = u32::try_from(door.places).unwrap_or(u32::MAX);
		let _ = door.seats.all.acquire_many(all).await;
	}))
}

/// Has the system end a connection whose other side is gone without a word.
fn stay_alive(stream: &TcpStream) {
	use rustix::net::sockopt;
	let set = || {
		sockopt::set_socket_keepalive(stream, true)?;
		sockopt::set_tcp_keepidle(stream, ALIVE.0)?;
		sockopt::set_tcp_keepintvl(stream, ALIVE.1)?;
		sockopt::set_tcp_keepcnt(stream, ALIVE.2)
	};
	if let Err(error) = set() {
		tracing::debug!(%error, "a connection may outlive its other side");
	}
}

async fn connection(
	door: Arc<Door>,
	stream: TcpStream,
	peer: IpAddr,
	seat: Seat<IpAddr>,
	mut stopped: watch::Receiver<bool>,
) {
	let _ = stream.set_nodelay(true);
	stay_alive(&stream);
	let address = seat.who;
	// What it is made to something else for goes on counting.
	let seat = Arc::new(seat);
	let mut stream = TimeoutStream::new(stream);
	stream.set_write_timeout(Some(STALL));
	let stream = match timeout(HANDSHAKE, door.tls.accept(Box::pin(stream))).await {
		Ok(Ok(stream)) => stream,
		Ok(Err(error)) => return tracing::debug!(%address, %error, "no handshake"),
		Err(_) => return tracing::debug!(%address, "a handshake that takes too long"),
	};
	// It has seen what it wanted to see.
	if stream.get_ref().1.alpn_protocol() == Some(ACME_TLS) {
		return;
	}
	let asks = Notify::new();
	let service = service_fn(|request: Request<Incoming>| {
		asks.notify_one();
		let (door, seat) = (door.clone(), seat.clone());
		async move { Ok::<_, Infallible>(door.answer(peer, seat, request).await) }
	});
	let connection = hyper::server::conn::http1::Builder::new()
		.timer(TokioTimer::new())
		.header_read_timeout(HEAD)
		.max_buf_size(MAX_HEAD)
		.max_headers(MAX_FIELDS)
		.serve_connection(TokioIo::new(stream), service)
		.with_upgrades();
	let mut connection = std::pin::pin!(connection);
	let parting = async {
		let _ = stopped.wait_for(|stop| *stop).await;
		// Who has just come may ask once: a connection on which nothing was said would be closed at once. That somebody
		// has asked is kept until it is waited for.
		let _ = timeout(PARTING, asks.notified()).await;
	};
	let ended = tokio::select! {
		ended = connection.as_mut() => Some(ended),
		() = parting => None,
	};
	let ended = match ended {
		Some(ended) => ended,
		None => {
			connection.as_mut().graceful_shutdown();
			connection.await
		}
	};
	if let Err(error) = ended {
		tracing::debug!(%address, %error, "a connection broke off");
	}
}

/// Stands with a request that is one too many: pages are to learn of that as they do of other answers.
#[derive(Clone, Copy)]
struct TooMany;

/// Answers what is one too many.
pub async fn turned_away(request: axum::extract::Request, next: Next) -> Response {
	if request.extensions().get::<TooMany>().is_none() {
		return next.run(request).await;
	}
	let why = "too many requests at a time; wait a moment".to_owned();
	Refused(StatusCode::TOO_MANY_REQUESTS, why).into_response()
}

/// Whether a request says that its body is small.
fn is_small(request: &Request<Incoming>) -> bool {
	let size = hyper::body::Body::size_hint(request.body());
	size.upper().is_some_and(|most| most <= SMALL_CALL)
}

impl Door {
	async fn answer(
		&self,
		peer: IpAddr,
		seat: Arc<Seat<IpAddr>>,
		mut request: Request<Incoming>,
	) -> Response {
		let asked = self.proxy.as_ref().and_then(|proxy| {
			let asked = proxy.asked(&request)?;
			Some((proxy, asked))
		});
		let counted = &self.shared.counted;
		if let Some((proxy, asked)) = asked {
			let answer = match asked {
				// How often a service is asked is its tenant's affair.
				Asked::Service(route, host) => {
					let to = (&*route, host);
					proxy.answer(to, request, peer, seat).await
				}
				_ if self.rates.check_key(&seat.who).is_err() => {
					plain(StatusCode::TOO_MANY_REQUESTS, "too many requests")
				}
				Asked::Nothing => plain(StatusCode::NOT_FOUND, "there is no such service here"),
				Asked::Malformed => {
					plain(StatusCode::BAD_REQUEST, "the request must name one host")
				}
			};
			counted.answered(answer.status(), true);
			return answer;
		}
		let address = seat.who;
		request.extensions_mut().insert(seat);
		// Given back with the answer.
		let call = match request.uri().path() {
			"/rpc" if !is_small(&request) => self.calls.take(address).map(Some),
			_ => Some(None),
		};
		let may = self.rates.check_key(&address).ok().and(call);
		if may.is_none() {
			request.extensions_mut().insert(TooMany);
		}
		let mut answer = match self.router.clone().oneshot(request).await {
			Ok(answer) => answer,
			Err(never) => match never {},
		};
		drop(may);
		counted.answered(answer.status(), false);
		let version = HeaderValue::from_static(API);
		answer.headers_mut().insert("api", version);
		answer
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use std::net::Ipv4Addr;

	fn address(n: u32) -> IpAddr {
		Ipv4Addr::from_bits(n).into()
	}

	#[test]
	fn one_address_has_its_share_of_the_connections_and_gives_it_back() {
		let seats = Seats::new(CONNECTIONS, CONNECTIONS_OF_ONE);
		let mut taken: Vec<_> = (0..CONNECTIONS_OF_ONE)
			.map(|_| seats.take(address(1)).unwrap())
			.collect();
		assert!(seats.take(address(1)).is_none());
		assert!(seats.take(address(2)).is_some());
		taken.pop();
		assert!(seats.take(address(1)).is_some());
		drop(taken);
		assert!(seats.taken.lock().unwrap().is_empty());
	}

	#[test]
	fn who_takes_all_they_may_leave_some_for_others() {
		for (all, addresses) in [(CONNECTIONS, 20), (CONNECTIONS, 1_000), (64, 20)] {
			let seats = Seats::new(all, CONNECTIONS_OF_ONE);
			let mut taken = Vec::new();
			for _ in 0..CONNECTIONS_OF_ONE {
				taken.extend((0..addresses).filter_map(|n| seats.take(address(n))));
			}
			assert!(taken.len() > all / 2, "{} of {all}", taken.len());
			assert!(seats.take(address(addresses)).is_some());
			drop(taken);
			assert_eq!(seats.all.available_permits(), all);
			assert!(seats.taken.lock().unwrap().is_empty());
		}
	}

	#[test]
	fn who_is_refused_a_place_is_not_remembered() {
		let seats = Seats::new(1, 1);
		let _one = seats.take(address(1)).unwrap();
		assert!(seats.take(address(2)).is_none());
		assert_eq!(seats.taken.lock().unwrap().len(), 1);
	}

	#[test]
	fn a_network_of_ipv6_counts_as_one_and_mapped_addresses_as_what_they_are() {
		let address = |text: &str| counted(text.parse().unwrap());
		assert_eq!(address("2001:db8:1:2:3::4"), address("2001:db8:1:2:9::1"));
		assert_ne!(address("2001:db8:1:2::1"), address("2001:db8:1:3::1"));
		assert_eq!(address("::ffff:1.2.3.4"), address("1.2.3.4"));
	}
}
