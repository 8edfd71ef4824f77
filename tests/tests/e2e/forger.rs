//! A node that lies: it stands between a daemon and its node, and answers who asks for a block's events with others.

use futures::{SinkExt as _, StreamExt as _};
use serde_json::Value;
use std::{
	collections::HashSet,
	net::SocketAddr,
	sync::{Arc, Mutex},
};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::{accept_async, connect_async, tungstenite::Message};

/// A block's events, SCALE, and how often they were told.
pub type Events = Arc<Mutex<(Vec<u8>, usize)>>;

/// Where `System.Events` stands.
fn key() -> String {
	let key = frame_support::storage::storage_prefix(b"System", b"Events");
	format!("0x{}", hex::encode(key))
}

/// Begins to lie: the address at which it does, for as long as the runtime lives.
pub fn begin(runtime: &tokio::runtime::Runtime, node: String, events: Events) -> SocketAddr {
	let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
	let address = listener.local_addr().unwrap();
	runtime.spawn(async move {
		while let Ok((stream, _)) = listener.accept().await {
			tokio::spawn(between(stream, node.clone(), events.clone()));
		}
	});
	address
}

/// Passes all on, but for the events.
async fn between(stream: TcpStream, node: String, events: Events) {
	let (Ok(here), Ok((there, _))) = (accept_async(stream).await, connect_async(node).await) else {
		return;
	};
	let ((mut to_us, mut from_us), (mut to_node, mut from_node)) = (here.split(), there.split());
	let asked = Mutex::new(HashSet::new());
	let requests = async {
		while let Some(Ok(message)) = from_us.next().await {
			if let Some(request) = read(&message) {
				if request["params"][0] == key() {
					asked.lock().unwrap().insert(request["id"].to_string());
				}
			}
			if to_node.send(message).await.is_err() {
				return;
			}
		}
	};
	let answers = async {
		while let Some(Ok(message)) = from_node.next().await {
			let mut message = message;
			if let Some(mut answer) = read(&message) {
				if asked.lock().unwrap().remove(&answer["id"].to_string()) {
					let mut events = events.lock().unwrap();
					events.1 += 1;
					answer["result"] = format!("0x{}", hex::encode(&events.0)).into();
					message = Message::text(answer.to_string());
				}
			}
			if to_us.send(message).await.is_err() {
				return;
			}
		}
	};
	tokio::select! {
		() = requests => {},
		() = answers => {},
	}
}

fn read(message: &Message) -> Option<Value> {
	serde_json::from_str(message.to_text().ok()?).ok()
}
