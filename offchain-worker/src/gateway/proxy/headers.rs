//! What of a request's and an answer's head goes through the proxy.

use axum::http::{
	header::{self, HeaderName, HOST},
	HeaderMap, HeaderValue, Request,
};
use std::net::IpAddr;

/// What is between two neighbours, and goes no further (RFC 9110, section 7.6.1).
const HOP_BY_HOP: [HeaderName; 8] = [
	header::CONNECTION,
	HeaderName::from_static("keep-alive"),
	header::PROXY_AUTHENTICATE,
	header::PROXY_AUTHORIZATION,
	header::TE,
	header::TRAILER,
	header::TRANSFER_ENCODING,
	header::UPGRADE,
];
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
/// What a connection may be made to, besides what it is.
const WEBSOCKET: &str = "websocket";

/// The host that a request names, as it stands there; `Err`: none that could be told.
pub fn host_of<B>(request: &Request<B>) -> Result<Option<HeaderValue>, ()> {
	let mut named = request.headers().get_all(HOST).iter();
	let authority = request.uri().authority();
	match (named.next(), named.next(), authority) {
		(_, Some(_), _) => Err(()),
		(_, _, Some(authority)) => authority.as_str().parse().map(Some).map_err(|_| ()),
		(Some(host), ..) => Ok(Some(host.clone())),
		(None, ..) => Ok(None),
	}
}

/// Whether a WebSocket is asked for, or agreed to.
pub fn is_websocket(headers: &HeaderMap) -> bool {
	let asks = headers.get_all(header::CONNECTION).iter();
	let mut words = asks
		.filter_map(|value| value.to_str().ok())
		.flat_map(|text| text.split(','));
	let asked = words.any(|word| word.trim().eq_ignore_ascii_case("upgrade"));
	let to = headers.get(header::UPGRADE);
	asked && to.is_some_and(|to| to.as_bytes().eq_ignore_ascii_case(WEBSOCKET.as_bytes()))
}

/// Asks for a WebSocket, or agrees to it.
pub fn to_websocket(headers: &mut HeaderMap) {
	headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
	headers.insert(header::UPGRADE, HeaderValue::from_static(WEBSOCKET));
}

/// Removes what is between two neighbours.
pub fn strip(headers: &mut HeaderMap) {
	let named: Vec<HeaderName> = headers
		.get_all(header::CONNECTION)
		.iter()
		.filter_map(|value| value.to_str().ok())
		.flat_map(|text| text.split(','))
		.filter_map(|word| word.trim().parse().ok())
		.collect();
	for name in named.iter().chain(&HOP_BY_HOP) {
		headers.remove(name);
	}
}

/// Whether it says who asks. What serves programs by variables takes `_` for `-`.
fn says_who(name: &HeaderName) -> bool {
	let name = name.as_str().replace('_', "-");
	name.starts_with("x-forwarded-") || ["forwarded", "x-real-ip"].contains(&name.as_str())
}

/// Says who asks and for what, in place of whatever the client says of that.
pub fn forwarded(headers: &mut HeaderMap, peer: IpAddr, host: HeaderValue) {
	let theirs: Vec<_> = headers
		.keys()
		.filter(|name| says_who(name))
		.cloned()
		.collect();
	for name in theirs {
		headers.remove(name);
	}
	if let Ok(peer) = peer.to_string().parse() {
		headers.insert(FORWARDED_FOR, peer);
	}
	headers.insert(FORWARDED_PROTO, HeaderValue::from_static("https"));
	headers.insert(FORWARDED_HOST, host.clone());
	headers.insert(HOST, host);
}

/// Removes cookies that are meant for other services below the domain, too.
pub fn drop_shared_cookies(headers: &mut HeaderMap, domain: &str) {
	let is_shared = |cookie: &HeaderValue| {
		let text = String::from_utf8_lossy(cookie.as_bytes()).to_ascii_lowercase();
		let mut attributes = text.split(';').skip(1).map(str::trim);
		attributes.any(|attribute| {
			let of = attribute
				.strip_prefix("domain")
				.and_then(|rest| rest.trim_start().strip_prefix('='));
			let of = of.map(|of| of.trim().trim_start_matches('.'));
			of.is_some_and(|of| {
				let above = domain.strip_suffix(of);
				above.is_some_and(|above| above.is_empty() || above.ends_with('.'))
			})
		})
	};
	let cookies = headers.get_all(header::SET_COOKIE).iter();
	let own: Vec<_> = cookies
		.filter(|cookie| !is_shared(cookie))
		.cloned()
		.collect();
	headers.remove(header::SET_COOKIE);
	for cookie in own {
		headers.append(header::SET_COOKIE, cookie);
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	fn of(pairs: &[(&str, &str)]) -> HeaderMap {
		let mut headers = HeaderMap::new();
		for (name, value) in pairs {
			let name: HeaderName = name.parse().unwrap();
			headers.append(name, value.parse().unwrap());
		}
		headers
	}

	#[test]
	fn a_request_names_one_host_or_none() {
		let named = |address: &str, hosts: &[&[u8]]| {
			let mut request = Request::builder().uri(address);
			for host in hosts {
				request = request.header(HOST, HeaderValue::from_bytes(host).unwrap());
			}
			host_of(&request.body(()).unwrap())
		};
		let is = |text: &'static str| Ok(Some(HeaderValue::from_static(text)));
		assert_eq!(named("/", &[b"a.b"]), is("a.b"));
		assert_eq!(named("/", &[]), Ok(None));
		// What stands in the address counts (RFC 9112, section 3.2.2).
		assert_eq!(named("http://c.d:8/x", &[b"a.b"]), is("c.d:8"));
		assert_eq!(named("/", &[b"a.b", b"a.b"]), Err(()));
		assert_eq!(named("http://c.d/", &[b"a.b", b"c.d"]), Err(()));
	}

	#[test]
	fn what_is_between_neighbours_goes_no_further() {
		let mut headers = of(&[
			("connection", "close, X-Secret"),
			("connection", "keep-alive"),
			("x-secret", "1"),
			("keep-alive", "timeout=5"),
			("transfer-encoding", "chunked"),
			("te", "trailers"),
			("upgrade", "websocket"),
			("x-kept", "1"),
		]);
		assert!(!is_websocket(&headers), "it is not asked for");
		strip(&mut headers);
		let left: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
		assert_eq!(left, ["x-kept"]);
	}

	#[test]
	fn a_connection_is_made_to_a_websocket_and_nothing_else() {
		let asks = |to: &str| is_websocket(&of(&[("connection", "Upgrade, x"), ("upgrade", to)]));
		assert!(asks("websocket") && asks("WebSocket"));
		assert!(!asks("h2c") && !asks("websocket, h2c") && !asks(""));
	}

	#[test]
	fn nobody_but_the_proxy_says_who_asks() {
		let mut headers = of(&[
			("x-forwarded-for", "6.6.6.6"),
			("x-forwarded-for", "7.7.7.7"),
			("X_Forwarded_For", "6.6.6.6"),
			("x-forwarded-port", "1"),
			("forwarded", "for=6.6.6.6"),
			("x-real-ip", "6.6.6.6"),
			("x_kept", "1"),
		]);
		let peer = "2001:db8:1:2::3".parse().unwrap();
		forwarded(&mut headers, peer, HeaderValue::from_static("a.b"));
		let mut left: Vec<_> = headers
			.iter()
			.map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
			.collect();
		left.sort();
		assert_eq!(
			left,
			[
				"host: a.b",
				"x-forwarded-for: 2001:db8:1:2::3",
				"x-forwarded-host: a.b",
				"x-forwarded-proto: https",
				"x_kept: 1",
			]
		);
	}

	#[test]
	fn a_request_names_one_host() {
		let request = |hosts: &[&str], uri: &str| {
			let mut request = Request::builder().uri(uri);
			for host in hosts {
				request = request.header(HOST, *host);
			}
			let host = host_of(&request.body(()).unwrap())?;
			Ok(host.map(|host| host.to_str().unwrap().to_owned()))
		};
		assert_eq!(request(&["A.b.:80"], "/"), Ok(Some("A.b.:80".into())));
		assert_eq!(request(&["a.b"], "http://c.d:1/"), Ok(Some("c.d:1".into())));
		assert_eq!(request(&["a.b", "c.d"], "/"), Err(()));
		assert_eq!(request(&[], "/"), Ok(None));
	}

	#[test]
	fn no_service_sets_cookies_for_others() {
		let mut headers = of(&[
			("set-cookie", "own=1; Path=/; HttpOnly"),
			("set-cookie", "own=2; Domain=web-1.leases.example.org"),
			("set-cookie", "all=1; domain = .Leases.example.org; Secure"),
			("set-cookie", "all=2;Domain=example.org"),
			("set-cookie", "all=3; Domain=org"),
			("set-cookie", "own=3; Domain=ses.example.org"),
			("set-cookie", "domain=leases.example.org"),
		]);
		drop_shared_cookies(&mut headers, "leases.example.org");
		let left = headers.get_all(header::SET_COOKIE).iter();
		let left: Vec<_> = left
			.map(|cookie| cookie.to_str().unwrap().split(';').next().unwrap())
			.collect();
		assert_eq!(
			left,
			["own=1", "own=2", "own=3", "domain=leases.example.org"]
		);
	}
}
