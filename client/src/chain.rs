//! Connecting to a node, and connecting again.

use crate::{error::ChainError, units, view::View, Config};
use std::{sync::Arc, time::Duration};
use subxt::{
	backend::LegacyBackend,
	client::OnlineClientAtBlock,
	config::RpcConfigFor,
	ext::jsonrpsee::ws_client::{PingConfig, WsClient, WsClientBuilder},
	rpcs::{LegacyRpcMethods, RpcClient},
	utils::H256,
	OnlineClient,
};
use tokio::sync::{watch, Mutex};

/// The client at one block.
pub type At = OnlineClientAtBlock<Config>;

/// How often the heads are asked for.
const POLL: Duration = Duration::from_millis(250);

/// One living connection to a node.
#[derive(Clone)]
pub struct Connection {
	api: OnlineClient<Config>,
	ws: Arc<WsClient>,
	/// Plain RPC calls.
	pub rpc: LegacyRpcMethods<RpcConfigFor<Config>>,
	/// The chain's genesis.
	pub genesis: H256,
}

/// Where the chain stands, as the node sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heads {
	/// Number and hash of the best block.
	pub best: (u32, H256),
	/// Number and hash of the last finalized block.
	pub finalized: (u32, H256),
	/// Whether the node is still catching up.
	pub syncing: bool,
}

/// How long it may take to connect, with all that is asked for first: the runtime's metadata is large.
const OPEN: Duration = Duration::from_secs(30);

impl Connection {
	async fn open(url: &str) -> Result<Self, ChainError> {
		let late = |_| ChainError::Unreachable {
			url: url.into(),
			why: format!("nothing within {} s", OPEN.as_secs()),
		};
		let opened = tokio::time::timeout(OPEN, Self::ask(url)).await;
		opened.map_err(late)?
	}

	async fn ask(url: &str) -> Result<Self, ChainError> {
		let lost = |why: String| ChainError::Unreachable {
			url: url.into(),
			why,
		};
		let ws = WsClientBuilder::new()
			.request_timeout(Duration::from_secs(20))
			.connection_timeout(Duration::from_secs(5))
			.max_response_size(64 * 1024 * 1024)
			.enable_ws_ping(PingConfig::new())
			.build(url)
			.await
			.map_err(|error| lost(error.to_string()))?;
		let ws = Arc::new(ws);
		let rpc = RpcClient::new(ws.clone());
		let backend = Arc::new(LegacyBackend::builder().build(rpc.clone()));
		// A config of its own: it caches metadata, and another node may serve another chain.
		let api = OnlineClient::from_backend_with_config(Config::default(), backend)
			.await
			.map_err(|error| lost(error.to_string()))?;
		let rpc = LegacyRpcMethods::new(rpc);
		let genesis = rpc
			.genesis_hash()
			.await
			.map_err(|error| lost(error.to_string()))?;
		Ok(Self {
			api,
			ws,
			rpc,
			genesis,
		})
	}

	/// The client at the block with this hash.
	pub async fn at(&self, hash: H256) -> Result<At, ChainError> {
		Ok(self.api.at_block(hash).await?)
	}

	/// The state as of the best block.
	pub async fn best(&self) -> Result<View, ChainError> {
		let hash = self.rpc.chain_get_block_hash(None).await?;
		let hash = hash.ok_or_else(|| ChainError::Refused("no best block".into()))?;
		Ok(View::from(self.at(hash).await?))
	}

	/// The state as of the last finalized block.
	pub async fn finalized(&self) -> Result<View, ChainError> {
		let hash = self.rpc.chain_get_finalized_head().await?;
		Ok(View::from(self.at(hash).await?))
	}

	/// The state as of block `number` of the best chain.
	pub async fn at_number(&self, number: u32) -> Result<View, ChainError> {
		let hash = self.rpc.chain_get_block_hash(Some(number.into())).await?;
		let hash = hash.ok_or_else(|| ChainError::Refused(format!("no block {number}")))?;
		Ok(View::from(self.at(hash).await?))
	}

	/// Where the chain stands.
	pub async fn heads(&self) -> Result<Heads, ChainError> {
		let finalized = self.rpc.chain_get_finalized_head().await?;
		let number = |header: Option<_>| {
			header
				.and_then(|h: subxt::config::substrate::SubstrateHeader<H256>| {
					u32::try_from(h.number).ok()
				})
				.ok_or_else(|| ChainError::Refused("the node does not know its own head".into()))
		};
		let finalized_number = number(self.rpc.chain_get_header(Some(finalized)).await?)?;
		let best = self.rpc.chain_get_block_hash(None).await?;
		let best = best.ok_or_else(|| ChainError::Refused("no best block".into()))?;
		let best_number = number(self.rpc.chain_get_header(Some(best)).await?)?;
		let health = self.rpc.system_health().await?;
		Ok(Heads {
			best: (best_number, best),
			finalized: (finalized_number, finalized),
			syncing: health.is_syncing,
		})
	}
}

/// How a node stands, for who looks whether it can be used.
pub struct Standing {
	pub connection: Connection,
	pub heads: Heads,
	pub peers: usize,
	pub best: View,
	/// Unix seconds of the best block.
	pub time: u64,
}

impl Standing {
	/// Asks the node at an address.
	pub async fn of(url: &str) -> Result<Self, ChainError> {
		let connection = Chain::connect(url, None).await?.connection().await?;
		let heads = connection.heads().await?;
		let best = View::from(connection.at(heads.best.1).await?);
		Ok(Self {
			time: best.time().await? / 1_000,
			peers: connection.rpc.system_health().await?.peers,
			heads,
			best,
			connection,
		})
	}

	/// Its blocks and peers, in words.
	pub fn in_words(&self) -> String {
		let (best, finalized) = (self.heads.best.0, self.heads.finalized.0);
		let peers = units::count(self.peers, "peer");
		format!("best {best}, finalized {finalized}, {peers}")
	}
}

/// A node, over as many connections as it takes.
#[derive(Clone)]
pub struct Chain {
	url: Arc<str>,
	expected: Arc<Mutex<Option<H256>>>,
	connection: Arc<Mutex<Option<Connection>>>,
}

impl Chain {
	/// A node that is not connected to yet. With `genesis`, a node of another chain is refused;
	/// without, the first chain met is the one expected from then on.
	pub fn new(url: &str, genesis: Option<H256>) -> Self {
		Self {
			url: url.into(),
			expected: Arc::new(Mutex::new(genesis)),
			connection: Arc::default(),
		}
	}

	/// Connects now, so that a wrong address is noticed at once.
	pub async fn connect(url: &str, genesis: Option<H256>) -> Result<Self, ChainError> {
		let chain = Self::new(url, genesis);
		chain.connection().await?;
		Ok(chain)
	}

	/// The node's address.
	pub fn url(&self) -> &str {
		&self.url
	}

	/// The living connection, or a new one.
	pub async fn connection(&self) -> Result<Connection, ChainError> {
		let mut slot = self.connection.lock().await;
		if let Some(connection) = slot.as_ref().filter(|c| c.ws.is_connected()) {
			return Ok(connection.clone());
		}
		*slot = None;
		let connection = Connection::open(&self.url).await?;
		let mut expected = self.expected.lock().await;
		let wanted = *expected.get_or_insert(connection.genesis);
		if wanted != connection.genesis {
			return Err(ChainError::ForeignChain {
				url: self.url.to_string(),
				found: connection.genesis,
				expected: wanted,
			});
		}
		*slot = Some(connection.clone());
		Ok(connection)
	}

	/// Follows the heads until the receiver is dropped. An error stands for the time during which
	/// the node is away or foreign; heads come again by themselves.
	pub fn follow(&self) -> watch::Receiver<Result<Heads, Arc<ChainError>>> {
		let lost = ChainError::Unreachable {
			url: self.url.to_string(),
			why: "not tried yet".into(),
		};
		let (sender, receiver) = watch::channel(Err(Arc::new(lost)));
		let chain = self.clone();
		tokio::spawn(async move {
			while !sender.is_closed() {
				let heads = match chain.connection().await {
					Ok(connection) => connection.heads().await,
					Err(error) => Err(error),
				};
				let pause = if heads.is_ok() {
					POLL
				} else {
					POLL.saturating_mul(4)
				};
				let heads = heads.map_err(Arc::new);
				sender.send_if_modified(|last| {
					let changed = match (&*last, &heads) {
						(Ok(a), Ok(b)) => a != b,
						(Err(a), Err(b)) => a.to_string() != b.to_string(),
						_ => true,
					};
					if changed {
						*last = heads;
					}
					changed
				});
				tokio::time::sleep(pause).await;
			}
		});
		receiver
	}
}
