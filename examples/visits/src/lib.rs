//! Counts its visits. The count stands in `/data`, and outlives restarts of the service.

use std::{fs, io::Write as _};
use wasip2::http::types::{
	Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam,
};

struct Visits;

wasip2::http::proxy::export!(Visits);

const FILE: &str = "/data/visits";

impl wasip2::exports::http::incoming_handler::Guest for Visits {
	fn handle(_: IncomingRequest, answer: ResponseOutparam) {
		let before: u64 = match fs::read_to_string(FILE) {
			Ok(text) => text.trim().parse().unwrap_or(0),
			Err(_) => 0,
		};
		let count = before + 1;
		let text = match fs::write(FILE, count.to_string()) {
			Ok(()) => format!("visit {count}\n"),
			Err(error) => format!("{FILE}: {error}\n"),
		};
		print!("{text}");
		let response = OutgoingResponse::new(Fields::new());
		let body = response.body().expect("it is new");
		ResponseOutparam::set(answer, Ok(response));
		let mut stream = body.write().expect("it is new");
		// Whoever asked may be gone.
		let _ = stream.write_all(text.as_bytes());
		drop(stream);
		let _ = OutgoingBody::finish(body, None);
	}
}
