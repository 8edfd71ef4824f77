//! Connections to the ports of services.

use super::{attempt, folder, Record};
use crate::{daemon::Shared, executor::wasm, store::LeaseRow};
use leasehold_manifest::{Program, Service};
use std::{io, net::SocketAddr, time::Duration};
use tokio::{
	io::{AsyncRead, AsyncWrite},
	net::TcpStream,
	time::timeout,
};

/// How long it may take until a port answers.
const PATIENCE: Duration = Duration::from_secs(5);

/// A connection.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Connects to a port of a replica.
pub async fn reach(
	shared: &Shared,
	row: &LeaseRow,
	service: &Service,
	replica: u32,
	port: u16,
) -> io::Result<Box<dyn Stream>> {
	let lease = shared.store.lease_folder(row.lease);
	let folder = folder(&lease, &service.name, replica);
	let connected = async {
		if matches!(service.program, Program::Module(_)) {
			let stream = wasm::connect(&folder.join("run"), port).await?;
			return Ok(Box::new(stream) as Box<dyn Stream>);
		}
		let record = Record::read(&folder).map_err(io::Error::other)?;
		let tried = attempt(row, &lease, (service, replica), &record);
		let container = shared.executors.container.as_ref();
		let container = container.ok_or(io::ErrorKind::Unsupported)?;
		let address = container.address(&tried).await.map_err(io::Error::other)?;
		let address = address.ok_or(io::ErrorKind::NotConnected)?;
		let stream = TcpStream::connect(SocketAddr::new(address, port)).await?;
		let _ = stream.set_nodelay(true);
		Ok(Box::new(stream) as Box<dyn Stream>)
	};
	timeout(PATIENCE, connected).await?
}
