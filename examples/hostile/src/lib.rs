//! A service that misbehaves as its request's path asks: the tests run it.

use std::{fs, io::Write as _};
use wasip2::{
	http::{
		outgoing_handler,
		types::{
			Fields, IncomingRequest, OutgoingBody, OutgoingRequest, OutgoingResponse,
			ResponseOutparam, Scheme,
		},
	},
	io::streams::StreamError,
};

struct Hostile;

wasip2::http::proxy::export!(Hostile);

/// What another host answers.
fn fetch(authority: &str, path: &str) -> Result<String, String> {
	let request = OutgoingRequest::new(Fields::new());
	let wrong = |()| "it cannot be asked for".to_owned();
	request.set_scheme(Some(&Scheme::Http)).map_err(wrong)?;
	request.set_authority(Some(authority)).map_err(wrong)?;
	request.set_path_with_query(Some(path)).map_err(wrong)?;
	let sent = outgoing_handler::handle(request, None).map_err(|code| format!("{code:?}"))?;
	sent.subscribe().block();
	let answer = sent.get().ok_or("nothing")?.map_err(|()| "taken")?;
	let answer = answer.map_err(|code| format!("{code:?}"))?;
	let body = answer.consume().map_err(wrong)?;
	let stream = body.stream().map_err(wrong)?;
	let mut text = Vec::new();
	loop {
		match stream.blocking_read(4_096) {
			Ok(more) => text.extend(more),
			Err(StreamError::Closed) => break,
			Err(error) => return Err(error.to_string()),
		}
	}
	Ok(String::from_utf8_lossy(&text).into_owned())
}

fn answer_to(path: &str) -> String {
	let (what, rest) = path[1..].split_once('/').unwrap_or((&path[1..], ""));
	match what {
		"name" => std::env::var("NAME").unwrap_or_default(),
		"spin" => loop {
			std::hint::black_box(0);
		},
		"panic" => panic!("as it was asked to"),
		"memory" => {
			let mut all: Vec<Vec<u8>> = Vec::new();
			loop {
				all.push(vec![1; 1 << 20]);
				std::hint::black_box(&all);
			}
		}
		"disk" => {
			// One that is too large, or many that are not.
			for n in 0..64 {
				let path = format!("/tmp/{}", if rest == "one" { 0 } else { n });
				let file = fs::File::options().create(true).append(true).open(path);
				let written = file.and_then(|mut file| file.write_all(&vec![1; 1 << 20]));
				if let Err(error) = written {
					return error.to_string();
				}
			}
			"written".into()
		}
		"write" => match fs::write("/data/note", rest) {
			Ok(()) => "written".into(),
			Err(error) => error.to_string(),
		},
		"read" => fs::read_to_string(format!("/data/{}", rest.replace('+', "/")))
			.unwrap_or_else(|error| error.to_string()),
		"fetch" => {
			let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
			fetch(authority, &format!("/{path}")).unwrap_or_else(|why| format!("error: {why}"))
		}
		"large" | "half" => "a beginning".into(),
		_ => format!("no such thing: {what}"),
	}
}

impl wasip2::exports::http::incoming_handler::Guest for Hostile {
	fn handle(request: IncomingRequest, answer: ResponseOutparam) {
		let path = request.path_with_query().unwrap_or_else(|| "/".into());
		let text = answer_to(&path);
		println!("{path}: {} bytes", text.len());
		let response = OutgoingResponse::new(Fields::new());
		let body = response.body().expect("it is new");
		ResponseOutparam::set(answer, Ok(response));
		let mut stream = body.write().expect("it is new");
		let _ = stream.write_all(text.as_bytes());
		match path.as_str() {
			"/large" => {
				let part = vec![b'x'; 1 << 16];
				let _ = (0..1_024).try_for_each(|_| stream.write_all(&part));
			}
			"/half" => {
				let _ = stream.flush();
				panic!("in the middle");
			}
			_ => {}
		}
		drop(stream);
		let _ = OutgoingBody::finish(body, None);
	}
}
