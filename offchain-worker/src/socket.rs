//! The daemon's local socket, through which the operator's commands reach it.

use crate::daemon::Shared;
use std::{
	path::{Path, PathBuf},
	sync::Arc,
};
use tokio::{
	io::{AsyncReadExt as _, AsyncWriteExt as _},
	net::{UnixListener, UnixStream},
	sync::watch,
};

fn path(folder: &Path) -> PathBuf {
	folder.join("daemon.sock")
}

/// Answers each connection with the status, as JSON.
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
			let status = shared.status.lock().map(|status| status.clone()).ok();
			let bytes = serde_json::to_vec(&status).unwrap_or_default();
			let _ = stream.write_all(&bytes).await;
		}
	}))
}

/// The status of the daemon that runs in a folder, as JSON.
pub async fn ask(folder: &Path) -> std::io::Result<serde_json::Value> {
	let mut stream = UnixStream::connect(path(folder)).await?;
	let mut bytes = Vec::new();
	stream.read_to_end(&mut bytes).await?;
	Ok(serde_json::from_slice(&bytes)?)
}
