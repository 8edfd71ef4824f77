//! The daemon: one loop that brings what runs together with what the chain says.

mod look;
mod status;

pub use status::{LeaseStatus, Status};

use crate::{
	acme,
	bidding::{self, Decision, Decisions},
	closing,
	config::Config,
	duty::Duty,
	earnings,
	executor::{container::Container, wasm::Wasm, Executors},
	gateway,
	identity::Identity,
	members::Replicas,
	metrics::{self, Counted},
	names::{self, Names},
	pricing::Pricing,
	reconcile, room,
	store::Store,
	trust::{self, Distrust, Moves},
	usage::{self, Usage},
};
use anyhow::{bail, Context as _};
use leasehold_client::{
	keystore,
	signer::{Journal, Signer, Wait},
	units,
	view::View,
	AccountId32, Call, Chain, Heads, Keypair, H256,
};
use std::{
	collections::HashMap,
	path::Path,
	sync::{atomic::Ordering, Arc, Mutex},
	time::{Duration, Instant},
};
use tokio::sync::Notify;

/// How long open requests may take to finish at the end.
const GRACE: Duration = Duration::from_secs(10);
/// Blocks after which a refused transaction is tried again.
const RETRY: u32 = 10;
/// Below this the operator's balance is short, planck: about ten leases, each with a bid, a start
/// and a report.
const LOW_FUNDS: u128 = units::LEASE * 2;
/// Blocks between two looks at what an operator easily overlooks.
const LOOK_AFTER: u32 = 10;

/// What all parts of the daemon share.
pub struct Shared {
	pub store: Store,
	pub config: Config,
	pub identity: Arc<Identity>,
	pub pricing: Pricing,
	pub chain: Chain,
	pub genesis: H256,
	pub provider: u32,
	pub operator: AccountId32,
	pub pair: Keypair,
	pub executors: Executors,
	/// Wakes the loop before the next block.
	pub wake: Arc<Notify>,
	pub status: Mutex<Status>,
	/// Host names of tenants' own.
	pub names: Names,
	/// What leases use of this machine.
	pub usage: Usage,
	/// What the gateway counts.
	pub counted: Counted,
	/// What was decided about orders, for `why`.
	pub decisions: Decisions,
	/// Blocks from the match after which a manifest counts as missing; 0 until the terms are read.
	pub manifest_deadline: std::sync::atomic::AtomicU32,
	/// Blocks of a dead workload after which its lease is paused; 0 until the terms are read.
	pub pause_after: std::sync::atomic::AtomicU32,
	/// Whether what is looked at now and then is looked at next.
	pub look_soon: std::sync::atomic::AtomicBool,
	/// Whether containers could not run when that was last looked at.
	pub was_unwell: std::sync::atomic::AtomicBool,
	/// Since which block the workload of a lease does not run by this machine's fault.
	pub failing: Mutex<HashMap<u64, u32>>,
	/// How the services of each lease stood when they were last looked at.
	pub replicas: Mutex<HashMap<u64, Replicas>>,
	signer: Signer,
	/// Held by who tells the chain what this provider is.
	telling: tokio::sync::Mutex<()>,
	/// What is being told to the chain, and from which block on it may be tried again.
	under_way: Mutex<HashMap<String, Option<u32>>>,
}

impl Shared {
	/// Changes the status.
	pub fn note(&self, change: impl FnOnce(&mut Status)) {
		if let Ok(mut status) = self.status.lock() {
			change(&mut status);
		}
	}

	/// Whether this daemon is the one with its key that serves.
	pub fn is_on_duty(&self) -> bool {
		let status = self.status.lock();
		status.is_ok_and(|status| status.on_duty == Some(true))
	}

	/// Whether something of this name is under way, or was refused a moment ago.
	pub fn is_under_way(&self, name: &str, now: u32) -> bool {
		let Ok(under_way) = self.under_way.lock() else {
			return true;
		};
		match under_way.get(name) {
			Some(None) => true,
			Some(Some(from)) => now < *from,
			None => false,
		}
	}

	/// Marks something as under way; `false` if it is already.
	pub fn begin_work(&self, name: &str) -> bool {
		let Ok(mut under_way) = self.under_way.lock() else {
			return false;
		};
		under_way.insert(name.to_owned(), None) != Some(None)
	}

	/// Marks something as done.
	pub fn end_work(&self, name: &str) {
		if let Ok(mut under_way) = self.under_way.lock() {
			under_way.remove(name);
		}
	}

	/// Tells the chain something, unless that is under way already.
	pub fn tell(self: &Arc<Self>, name: String, now: u32, call: Call) -> bool {
		if self.is_under_way(&name, now) {
			return false;
		}
		if let Ok(mut under_way) = self.under_way.lock() {
			under_way.insert(name.clone(), None);
		}
		let shared = self.clone();
		let bid_on = match call {
			Call::PlaceBid { order, .. } => Some(order),
			_ => None,
		};
		tokio::spawn(async move {
			let result = shared.signer.submit(call, Wait::Best).await;
			let from = match result {
				// Not again before a block that knows of it has been looked at.
				Ok(receipt) => {
					tracing::info!(name, block = receipt.block.0, "told the chain");
					shared.note(|s| {
						s.bids = s.bids.saturating_add(bid_on.is_some().into());
						s.refusal = None;
					});
					receipt.block.0.saturating_add(1)
				}
				Err(error) => {
					tracing::warn!(name, %error, advice = error.advice(), "the chain refused");
					shared.note(|s| s.refusal = Some(format!("block {now}: {name}: {error}")));
					if let Some(order) = bid_on {
						let why = error.to_string();
						shared.decisions.note(order, now, Decision::Refused { why });
					}
					now.saturating_add(RETRY)
				}
			};
			if let Ok(mut under_way) = shared.under_way.lock() {
				under_way.retain(|_, from| from.is_none_or(|from| from >= now));
				under_way.insert(name, Some(from));
			}
			shared.wake.notify_one();
		});
		true
	}
}

impl Shared {
	fn must_be_on_duty(&self) -> anyhow::Result<()> {
		if !self.is_on_duty() {
			bail!("this daemon is not on duty: see `leasehold-provider status`");
		}
		Ok(())
	}

	/// The configuration as it stands now, as a call that puts on chain what the chain is to know of it.
	fn told(&self) -> anyhow::Result<Call> {
		self.must_be_on_duty()?;
		let config = Config::read(self.store.folder())?;
		if config.gpus != self.config.gpus || config.ports() != self.config.ports() {
			bail!("the file names other GPUs or ports than this daemon runs with: start it anew first");
		}
		let info = config.info(&self.identity)?;
		Ok(Call::Update { info })
	}

	/// Puts another TLS key in the place of the present one; the block from which on the chain knows it alone. Begun
	/// and not ended it goes on where it was.
	pub async fn rotate_key(&self) -> anyhow::Result<u32> {
		let _alone = self.telling.lock().await;
		self.must_be_on_duty()?;
		let view = self.chain.connection().await?.best().await?;
		let known = view.provider(self.provider).await?;
		let known = known.map(|known| known.tls_keys).unwrap_or_default();
		let has_changed = known.len() > 1 && known.last() == Some(&self.identity.tls_key()?);
		if !has_changed || self.identity.next_tls_key()?.is_some() {
			let next = self.identity.draw_next()?;
			// Nobody meets a key that the chain might not know.
			self.signer.submit(self.told()?, Wait::Finalized).await?;
			self.identity.advance(next)?;
			tracing::info!("the gateway has another TLS key");
		}
		let receipt = self.signer.submit(self.told()?, Wait::Best).await?;
		Ok(receipt.block.0)
	}

	/// Reads the configuration again and puts on chain what the chain is to know of it; the block.
	pub async fn update(&self) -> anyhow::Result<u32> {
		let _alone = self.telling.lock().await;
		let receipt = self.signer.submit(self.told()?, Wait::Best).await?;
		self.note(|s| s.differs = None);
		self.wake.notify_one();
		Ok(receipt.block.0)
	}

	/// Takes no new leases from now on, or does so again: the block, unless it did before, and how many leases there
	/// are.
	pub async fn drain(&self, drains: bool) -> anyhow::Result<(Option<u32>, u32)> {
		self.must_be_on_duty()?;
		let best = self.chain.connection().await?.best().await?;
		let provider = best.provider(self.provider).await?;
		let provider = provider.context("the provider is not registered any more")?;
		if provider.unbonding_until.is_some() {
			bail!("the provider leaves: it takes no new leases any more");
		}
		if provider.accepting != drains {
			return Ok((None, provider.leases));
		}
		let call = Call::SetPaused { paused: drains };
		let receipt = self.signer.submit(call, Wait::Best).await?;
		self.look_soon.store(true, Ordering::Relaxed);
		self.wake.notify_one();
		Ok((Some(receipt.block.0), provider.leases))
	}
}

/// The operator's key in a daemon's folder.
pub fn operator_key(folder: &Path) -> anyhow::Result<Keypair> {
	let password_file = folder.join("keys/operator.password");
	let password = std::fs::read_to_string(&password_file)
		.with_context(|| format!("{}: run `init` first", password_file.display()))?;
	Ok(keystore::read(
		&folder.join("keys/operator.json"),
		password.trim_end(),
	)?)
}

/// Runs the daemon until it is told to end. Workloads go on without it.
pub async fn run(folder: &Path) -> anyhow::Result<()> {
	// An engine takes whole paths only, and `:` divides them.
	let folder = &std::path::absolute(folder)?;
	let config = Config::read(folder)?;
	if config.containers.is_some() && folder.to_string_lossy().contains(':') {
		bail!(
			"{}: containers cannot be given folders with `:` in their paths",
			folder.display()
		);
	}
	config.has_devices().map_err(anyhow::Error::msg)?;
	let prices = config.prices().map_err(anyhow::Error::msg)?;
	let pricing = Pricing::new(prices, config.pricing.program.as_deref());
	let pair = operator_key(folder)?;
	let store = Store::open(folder)?;
	let identity = Arc::new(Identity::open(folder, &config.gateway)?);
	let operator = keystore::account(&pair);
	let stored = store.genesis()?;
	let chain = Chain::new(&config.node, stored);
	let heads = chain.follow();
	let mut signals = Signals::new()?;
	let (genesis, provider) = tokio::select! {
		found = identify(&chain, &store, operator) => found?,
		name = signals.next() => {
			tracing::info!(signal = name, "ending");
			return Ok(());
		}
	};
	let journal = Journal::open(&folder.join("transactions"))?;
	let signer = Signer::start(chain.clone(), pair.clone(), journal, heads.clone());
	let wake = Arc::new(Notify::new());
	let executors = Executors {
		wasm: Wasm(wake.clone()),
		container: config
			.containers
			.as_ref()
			.map(|containers| Container::new(containers, genesis, provider, wake.clone())),
	};
	let status = Status {
		provider,
		operator: operator.to_string(),
		node: config.node.clone(),
		..Default::default()
	};
	let shared = Arc::new(Shared {
		store,
		identity,
		pricing,
		chain,
		genesis,
		provider,
		operator,
		pair,
		executors,
		wake,
		status: Mutex::new(status),
		counted: Counted::default(),
		names: Names::default(),
		usage: Usage::open(folder, config.energy.milliwatts()),
		decisions: Decisions::default(),
		manifest_deadline: Default::default(),
		pause_after: Default::default(),
		look_soon: Default::default(),
		was_unwell: Default::default(),
		failing: Mutex::default(),
		replicas: Mutex::default(),
		signer,
		telling: tokio::sync::Mutex::default(),
		under_way: Mutex::default(),
		config,
	});
	tokio::spawn({
		let shared = shared.clone();
		async move {
			loop {
				let wait = match shared.look_at_networks().await {
					true => LOOK_AT_NETWORKS.1,
					false => LOOK_AT_NETWORKS.0,
				};
				tokio::time::sleep(wait).await;
			}
		}
	});
	tokio::spawn(room::watch(shared.clone()));
	tokio::spawn(usage::watch(shared.clone()));
	tokio::spawn(earnings::keep(shared.clone()));
	let (stop, stopped) = tokio::sync::watch::channel(false);
	let gateway = gateway::serve(shared.clone(), stopped.clone()).await?;
	tokio::spawn(names::watch(shared.clone()));
	tokio::spawn(acme::keep(shared.clone()));
	metrics::serve(shared.clone(), stopped.clone()).await?;
	let socket = crate::socket::serve(shared.clone(), stopped)?;
	tracing::info!(provider, operator = %operator, "serving");
	tokio::select! {
		() = work(shared.clone(), heads.clone()) => {},
		() = on_duty(shared.clone(), heads) => {},
		name = signals.next() => tracing::info!(signal = name, "ending; workloads go on"),
	}
	usage::save(&shared);
	let _ = stop.send(true);
	let _ = tokio::time::timeout(GRACE, gateway).await;
	socket.abort();
	Ok(())
}

/// How often it is looked whether the networks are closed by now, and whether they still are.
const LOOK_AT_NETWORKS: (Duration, Duration) = (Duration::from_secs(15), Duration::from_secs(600));

struct Signals {
	terminate: tokio::signal::unix::Signal,
	interrupt: tokio::signal::unix::Signal,
}

impl Signals {
	fn new() -> std::io::Result<Self> {
		use tokio::signal::unix::{signal, SignalKind};
		Ok(Self {
			terminate: signal(SignalKind::terminate())?,
			interrupt: signal(SignalKind::interrupt())?,
		})
	}

	async fn next(&mut self) -> &'static str {
		tokio::select! {
			_ = self.terminate.recv() => "SIGTERM",
			_ = self.interrupt.recv() => "SIGINT",
		}
	}
}

/// How often it is said what the daemon waits for.
const REMIND: Duration = Duration::from_secs(30);

/// Learns which chain this is and which provider the operator serves. Waits for the node, and for
/// the registration.
async fn identify(
	chain: &Chain,
	store: &Store,
	operator: AccountId32,
) -> anyhow::Result<(H256, u32)> {
	let mut last = (String::new(), Instant::now());
	loop {
		let found = async {
			let connection = chain.connection().await?;
			let best = connection.best().await?;
			let provider = match best.operated_by(&operator).await? {
				Some(id) => best.provider(id).await?,
				None => None,
			};
			Ok::<_, leasehold_client::ChainError>((connection.genesis, provider))
		};
		let waiting = match found.await {
			Ok((_, Some(provider))) if is_foreign(store, &provider.owner)? => format!(
				"provider {} names this operator, but its owner {} is not the one in {}",
				provider.id,
				provider.owner,
				crate::store::OWNER
			),
			Ok((genesis, Some(provider))) => {
				if store.genesis()?.is_none() {
					store.set_genesis(genesis)?;
				}
				return Ok((genesis, provider.id));
			}
			Ok((_, None)) => format!("no provider is registered with the operator {operator} yet"),
			Err(error) => error.to_string(),
		};
		if waiting != last.0 || last.1.elapsed() > REMIND {
			tracing::warn!("waiting: {waiting}");
			last = (waiting, Instant::now());
		}
		tokio::time::sleep(Duration::from_millis(500)).await;
	}
}

fn is_foreign(store: &Store, owner: &AccountId32) -> anyhow::Result<bool> {
	Ok(store.owner()?.is_some_and(|ours| ours != owner.to_string()))
}

/// How often a running workload is looked at between blocks.
const LOOK: Duration = Duration::from_millis(500);

async fn work(
	shared: Arc<Shared>,
	mut heads: tokio::sync::watch::Receiver<Result<Heads, Arc<leasehold_client::ChainError>>>,
) {
	let mut looked_after = 0;
	let mut moves = Moves::begin(Instant::now());
	loop {
		let now = heads
			.borrow_and_update()
			.as_ref()
			.copied()
			.map_err(|e| e.to_string());
		let trusted = match now {
			Ok(now) => {
				shared.note(|s| (s.best, s.finalized) = (now.best.0, now.finalized.0));
				let moves = moves.meet(now.best.0, Instant::now());
				let judged = judge(&shared, &now).await;
				judged.and(moves).map(|()| now)
			}
			Err(why) => Err(Distrust::Unreachable(why)),
		};
		shared.note(|s| {
			let why = trusted.as_ref().err().map(ToString::to_string);
			if s.distrust != why {
				match &why {
					Some(why) => tracing::warn!("the chain is not believed: {why}"),
					None => tracing::info!("the chain is believed again"),
				}
			}
			s.distrust = why;
		});
		// Another daemon may run the same leases.
		if let (Ok(heads), true) = (trusted, shared.is_on_duty()) {
			if let Err(error) = turn(&shared, heads).await {
				tracing::warn!(%error, "this turn is cut short");
			}
			let soon = shared.look_soon.swap(false, Ordering::Relaxed);
			if soon || heads.best.0 >= looked_after {
				looked_after = heads.best.0.saturating_add(LOOK_AFTER);
				if let Err(error) = look_after(&shared, heads).await {
					tracing::debug!(%error, "funds and file were not looked at");
				}
			}
		}
		tokio::select! {
			_ = heads.changed() => {},
			() = shared.wake.notified() => {},
			() = tokio::time::sleep(LOOK) => {},
		}
	}
}

/// Heartbeats have a task of their own: whatever the work is busy with, the daemon is on duty.
async fn on_duty(
	shared: Arc<Shared>,
	mut heads: tokio::sync::watch::Receiver<Result<Heads, Arc<leasehold_client::ChainError>>>,
) {
	let mut duty = Duty::new(shared.store.folder());
	loop {
		let now = heads.borrow_and_update().as_ref().ok().copied();
		if let Some(now) = now {
			if let Err(error) = report(&shared, now, &mut duty).await {
				tracing::debug!(%error, "no heartbeat");
			}
		}
		if heads.changed().await.is_err() {
			return;
		}
	}
}

async fn report(shared: &Arc<Shared>, heads: Heads, duty: &mut Duty) -> anyhow::Result<()> {
	judge(shared, &heads).await?;
	let connection = shared.chain.connection().await?;
	let best = View::from(connection.at(heads.best.1).await?);
	let me = best.provider(shared.provider).await?;
	let needed = match me.map_or(0, |me| me.leases) {
		0 => best.offer(shared.provider).await?.is_some(),
		_ => true,
	};
	let why = duty.turn(shared, &connection, &best, needed).await?;
	let stands = Some(why.is_none());
	shared.note(|s| {
		if s.on_duty != stands {
			match &why {
				Some(why) => tracing::warn!("not on duty: {why}"),
				None => tracing::info!("on duty"),
			}
			// What there is to do is done at once.
			shared.wake.notify_one();
		}
		(s.on_duty, s.duty) = (stands, why);
	});
	Ok(())
}

async fn judge(shared: &Shared, heads: &Heads) -> Result<(), Distrust> {
	let unreachable = |error: String| Distrust::Unreachable(error);
	let connection = shared
		.chain
		.connection()
		.await
		.map_err(|error| unreachable(error.to_string()))?;
	let highest = shared
		.store
		.highest_finalized()
		.map_err(|error| unreachable(error.to_string()))?;
	trust::judge(shared.genesis, connection.genesis, highest, heads)?;
	if heads.finalized.0 > highest {
		shared
			.store
			.note_finalized(heads.finalized.0)
			.map_err(|error| unreachable(error.to_string()))?;
	}
	Ok(())
}

async fn look_after(shared: &Arc<Shared>, heads: Heads) -> anyhow::Result<()> {
	let connection = shared.chain.connection().await?;
	let best = View::from(connection.at(heads.best.1).await?);
	let finalized = View::from(connection.at(heads.finalized.1).await?);
	if let Err(error) = closing::remove_orphans(shared, &finalized).await {
		tracing::debug!(%error, "orphans were not looked for");
	}
	shared.look_after(&best).await
}

async fn turn(shared: &Arc<Shared>, heads: Heads) -> anyhow::Result<()> {
	let connection = shared.chain.connection().await?;
	let best = View::from(connection.at(heads.best.1).await?);
	let leases = best.leases_of(shared.provider).await?;
	reconcile::turn(shared, &connection, &best, heads, &leases).await?;
	bidding::turn(shared, &best).await?;
	let rows = shared.store.leases()?;
	shared.note(|s| s.leases = rows.iter().map(LeaseStatus::from).collect());
	Ok(())
}
