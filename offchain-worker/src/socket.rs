//! The daemon's local socket, through which the operator's commands reach it.

use crate::{daemon::Shared, usage::Point};
use serde_json::{json, Value};
use std::{
	path::{Path, PathBuf},
	sync::Arc,
	time::Duration,
};
use tokio::{
	io::{AsyncReadExt as _, AsyncWriteExt as _},
	net::{UnixListener, UnixStream},
	sync::watch,
};

fn path(folder: &Path) -> PathBuf {
	folder.join("daemon.sock")
}

/// How long a command may take to say what it wants.
const PATIENCE: Duration = Duration::from_secs(2);

/// Answers each connection, which sends a word or two, in JSON: `status` with the status, `update` with
/// the block in which the chain took the configuration, or why it did not, `rotate-key` with the block from which on
/// it knows the new TLS key alone, `drain` and `undrain` with the block in
/// which it took that and the number of leases, `why ORDER` with what was decided about an order.
pub fn serve(
	shared: Arc<Shared>,
	stopped: watch::Receiver<bool>,
) -> std::io::Result<tokio::task::JoinHandle<()>> {
	let path = path(shared.store.folder());
	// The folder's lock is ours, so a socket that is there is a dead one's.
	match std::fs::remove_file(&path) {
		Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
		_ => {}
	}
	let listener = UnixListener::bind(&path)?;
	Ok(tokio::spawn(async move {
		while !*stopped.borrow() {
			let Ok((mut stream, _)) = listener.accept().await else {
				continue;
			};
			let shared = shared.clone();
			tokio::spawn(async move {
				let mut word = String::new();
				let mut limited = (&mut stream).take(64);
				let read = limited.read_to_string(&mut word);
				if !matches!(tokio::time::timeout(PATIENCE, read).await, Ok(Ok(_))) {
					return;
				}
				let answer = answer(&shared, word.trim()).await;
				let _ = stream.write_all(answer.to_string().as_bytes()).await;
			});
		}
	}))
}

async fn answer(shared: &Shared, word: &str) -> Value {
	if let Some(order) = word.strip_prefix("why ") {
		return match order.parse() {
			Ok(order) => crate::bidding::explain(shared, order).await,
			Err(_) => json!({ "error": "an order is named by its number" }),
		};
	}
	match word {
		"status" => status(shared),
		"update" => block(shared.update().await),
		"rotate-key" => block(shared.rotate_key().await),
		"drain" => drain(shared, true).await,
		"undrain" => drain(shared, false).await,
		other => json!({ "error": format!("`{other}` is no command of this daemon") }),
	}
}

/// How the daemon stands, with what each lease uses.
fn status(shared: &Shared) -> Value {
	let mut status = json!(shared.status.lock().map(|status| status.clone()).ok());
	for lease in status["leases"].as_array_mut().into_iter().flatten() {
		let used = lease["lease"].as_u64().map(|id| shared.usage.of(id));
		let Some(used) = used else { continue };
		let sum = |of: fn(&Point) -> u64| {
			let now = used.members.iter().map(|member| of(&member.now));
			now.fold(0, u64::saturating_add)
		};
		lease["usage"] = json!({
			"cpu_millis": sum(|now| now.cpu_millis),
			"memory_bytes": sum(|now| now.memory_bytes),
			"cpu_seconds": used.cpu_seconds, "energy_joules": used.energy_joules,
			"energy_method": used.energy_method,
		});
	}
	status
}

fn block(done: anyhow::Result<u32>) -> Value {
	match done {
		Ok(block) => json!({ "block": block }),
		Err(error) => json!({ "error": format!("{error:#}") }),
	}
}

async fn drain(shared: &Shared, drains: bool) -> Value {
	match shared.drain(drains).await {
		Ok((block, leases)) => json!({ "block": block, "leases": leases }),
		Err(error) => json!({ "error": format!("{error:#}") }),
	}
}

/// What the daemon that runs in a folder answers to a word.
pub async fn ask(folder: &Path, word: &str) -> std::io::Result<Value> {
	let mut stream = UnixStream::connect(path(folder)).await?;
	stream.write_all(word.as_bytes()).await?;
	stream.shutdown().await?;
	let mut bytes = Vec::new();
	stream.read_to_end(&mut bytes).await?;
	Ok(serde_json::from_slice(&bytes)?)
}
