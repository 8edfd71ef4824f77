//! What a tenant does with leases: list, look, fetch, close.

mod account;
mod exec;
mod files;
mod grant;
mod leases;
mod logs;
mod market;
mod money;
mod status;

pub use account::{balance, Events, Providers, Transfer};
pub use exec::{Exec, PortForward};
pub use files::Files;
pub use grant::Grant;
pub use leases::{closed_json, Close, Leases, Revoke};
pub use logs::{show_log, Logs};
pub use market::{Bids, Orders};
pub use money::{Refill, TopUp, Withdraw};
pub use status::{last_of, unpulled, Status};

use crate::{
	deploy::Leased,
	gateway::{kept, Entry, Gateway},
	keys,
	output::{self, Failure},
	Context,
};
use grant::by_wallet;
use leasehold_client::{
	access::Scope,
	call::Call,
	keystore,
	signer::{Journal, Receipt, Signer, Wait},
	story, units,
	view::{LeaseRecordNow, OpenLease, State, Suspension, View},
	AccountId32, Chain, ChainError, Connection, Keypair, H256,
};
use std::time::{Duration, Instant};

/// How often a call is signed; the last time with a tip of 0.04 LEASE.
const ATTEMPTS: u32 = 4;

/// A connection, with the failure that a missing node is.
pub async fn connect(context: &Context) -> Result<(Chain, Connection), Failure> {
	let url = &context.node;
	let is_address = |begin: &str| url.strip_prefix(begin).is_some_and(|host| !host.is_empty());
	if !["ws://", "wss://"].into_iter().any(is_address) {
		let what = format!("`{url}` is no address of a node");
		return Err(Failure::new(
			2,
			what,
			"Write it as wss://HOST:PORT or ws://HOST:PORT.",
		));
	}
	let chain = Chain::connect(&context.node, None).await?;
	let connection = chain.connection().await?;
	Ok((chain, connection))
}

/// How long a node may be away before the command gives up.
const PATIENCE: Duration = Duration::from_secs(120);

/// Reads from the chain, and waits for the node where it is away, up to [`PATIENCE`].
pub async fn patiently<T>(
	context: &Context,
	chain: &Chain,
	read: impl AsyncFn(&Connection) -> Result<T, ChainError>,
) -> Result<T, Failure> {
	let mut away: Option<Instant> = None;
	loop {
		let result = match chain.connection().await {
			Ok(connection) => read(&connection).await,
			Err(error) => Err(error),
		};
		match result {
			Err(error) if error.is_transient() => {
				let since = away.get_or_insert_with(|| {
					let (url, patience) = (chain.url(), PATIENCE.as_secs());
					context.out.stage(format!(
						"the node at {url} is away; trying again for up to {patience} s"
					));
					Instant::now()
				});
				if since.elapsed() > PATIENCE {
					let Failure { code, what, advice } = error.into();
					let advice = [advice, output::said(&context.out.interruption())].join(" ");
					return Err(Failure::new(code, what, advice.trim()));
				}
				context.out.waiting("the node is away; trying again");
				tokio::time::sleep(Duration::from_millis(500)).await;
			}
			other => {
				if away.is_some() {
					context.out.stage("the node answers again");
				}
				return Ok(other?);
			}
		}
	}
}

/// Ends when the node has been away for too long.
pub async fn node_lost(context: &Context, chain: &Chain) -> Failure {
	loop {
		let read =
			async |connection: &Connection| Ok(connection.rpc.chain_get_finalized_head().await?);
		if let Err(failure) = patiently(context, chain, read).await {
			return failure;
		}
		tokio::time::sleep(Duration::from_secs(5)).await;
	}
}

/// Signs and sends a call of the command's account, with a journal of its own; and anew, each time with a higher
/// tip, where no block takes it.
pub async fn submit(
	context: &Context,
	chain: &Chain,
	pair: &Keypair,
	call: Call,
	wait: Wait,
) -> Result<Receipt, Failure> {
	let account = keystore::account(pair);
	let journal = Journal::open(&context.dir.join("transactions").join(account.to_string()))?;
	let signer = Signer::start(chain.clone(), pair.clone(), journal, chain.follow());
	for _ in 1..ATTEMPTS {
		match signer.submit(call.clone(), wait).await {
			Err(ChainError::Expired(blocks)) => context.out.stage(format!(
				"no block took the transaction within {blocks} blocks; again, with a tip"
			)),
			other => return Ok(other?),
		}
	}
	Ok(signer.submit(call, wait).await?)
}

/// Refuses what the account does not cover: amounts, each with what it is for.
pub async fn ensure_funds(
	view: &View,
	who: &AccountId32,
	parts: &[(u128, &str)],
) -> Result<(), Failure> {
	let needed = parts
		.iter()
		.fold(0u128, |sum, (part, _)| sum.saturating_add(*part));
	let free = view.account(who).await?.free;
	if free >= needed {
		return Ok(());
	}
	let listed: Vec<_> = parts
		.iter()
		.map(|(part, what)| format!("{} {what}", units::lease(*part)))
		.collect();
	let what = format!(
		"{who} has {}, but {} are needed ({}): {} are missing",
		units::lease(free),
		units::lease(needed),
		listed.join(", "),
		units::lease(needed.saturating_sub(free)),
	);
	Err(Failure::new(3, what, "Fund the account; nothing was sent."))
}

pub(crate) fn unknown(lease: u64) -> Failure {
	Failure::new(
		5,
		format!("there is no lease {lease}"),
		"`leasehold leases` lists yours; an order is another number: `close --order`, `deploy --resume`.",
	)
}

pub(crate) fn swept(lease: u64) -> Failure {
	let what = format!("lease {lease} was closed, and its record is no longer kept on chain");
	let advice = "An archive node still knows it. Logs and results are had where it was deployed from (--dir), as long as the \
	              provider keeps them.";
	Failure::new(5, what, advice)
}

/// A lease that is still open.
pub async fn open_lease(view: &View, id: u64) -> Result<OpenLease, Failure> {
	match view.lease(id).await? {
		LeaseRecordNow::Open(lease) => Ok(*lease),
		LeaseRecordNow::Closed(closed) => {
			let what = format!("lease {id} is closed: {}", story::reason(&closed.reason));
			Err(Failure::new(
				5,
				what,
				"`leasehold deploy FILE` orders anew.",
			))
		}
		LeaseRecordNow::Swept => Err(swept(id)),
		LeaseRecordNow::Unknown => Err(unknown(id)),
	}
}

/// Nothing of a dry lease runs.
pub fn may_run(lease: &OpenLease) -> Result<(), Failure> {
	if !lease.is_dry() {
		return Ok(());
	}
	let id = lease.id;
	let what = format!("lease {id} has run dry: nothing of it runs");
	let advice =
		format!("`leasehold top-up {id} --until 12h` brings it up again; then the same command.");
	Err(Failure::new(5, what, advice))
}

/// A session with a lease of which something may run.
pub async fn session_to_use(
	context: &Context,
	chain: &Chain,
	connection: &Connection,
	lease: u64,
) -> Result<Gateway, Failure> {
	let (gateway, record) = session(context, chain, connection, lease).await?;
	match record {
		LeaseRecordNow::Open(open) => may_run(&open).map(|()| gateway),
		_ => Ok(gateway),
	}
}

/// A session with the provider of a lease, open or closed.
pub async fn session(
	context: &Context,
	chain: &Chain,
	connection: &Connection,
	lease: u64,
) -> Result<(Gateway, LeaseRecordNow), Failure> {
	let view = connection.best().await?;
	let record = view.lease(lease).await?;
	let (provider, epoch) = match &record {
		LeaseRecordNow::Open(open) => (open.provider, open.epoch),
		LeaseRecordNow::Closed(closed) => (closed.provider, closed.epoch),
		// The provider keeps what it has left for longer than the chain keeps its record.
		LeaseRecordNow::Swept if context.grant.is_some() => {
			let grant = kept(context, lease)?.1;
			(grant.provider, grant.epoch)
		}
		LeaseRecordNow::Swept => {
			let known = Leased::known(context, connection.genesis, lease);
			let known = known.ok_or_else(|| swept(lease))?;
			(known.provider, known.epoch)
		}
		LeaseRecordNow::Unknown => return Err(unknown(lease)),
	};
	let entry = match context.grant {
		Some(_) => Entry::Grant(kept(context, lease)?.0),
		None => Entry::Account(keys::account(context)?),
	};
	let found = view.provider(provider).await?;
	Ok((
		gateway(
			chain,
			connection.genesis,
			found,
			provider,
			entry,
			(lease, epoch),
		)?,
		record,
	))
}

/// By what a manifest is handed in to a lease's gateway: a grant that is named and allows it, or the account, or else the
/// wallet of the access account, which is asked.
pub fn to_hand_in(
	context: &Context,
	genesis: H256,
	lease: &OpenLease,
	pair: &Keypair,
) -> Result<Entry, Failure> {
	if context.grant.is_some() {
		let (session, grant) = kept(context, lease.id)?;
		// How it goes is looked at, too.
		let needed = [Scope::Deploy, Scope::Status];
		if !needed.iter().all(|scope| grant.scopes.contains(scope)) {
			let what = "the grant does not allow `deploy` and `status`";
			return Err(Failure::new(
				2,
				what,
				"Ask for one that does: `leasehold grant --scopes deploy,status`.",
			));
		}
		return Ok(Entry::Grant(session));
	}
	match lease.access == keystore::account(pair) {
		true => Ok(Entry::Account(pair.clone())),
		false => Ok(Entry::Grant(by_wallet(genesis, lease)?)),
	}
}

/// A session with a provider, for (lease, epoch).
pub fn gateway(
	chain: &Chain,
	genesis: leasehold_client::H256,
	provider: Option<leasehold_client::view::Provider>,
	id: u32,
	entry: Entry,
	lease: (u64, u32),
) -> Result<Gateway, Failure> {
	let gone = || {
		let what = format!("provider {id} is no longer registered");
		Failure::new(
			5,
			what,
			"Its results are lost to you unless you know its gateway.",
		)
	};
	let provider = provider.ok_or_else(gone)?;
	Gateway::open(chain, &provider, entry, genesis, lease)
}

pub(crate) fn state(lease: &OpenLease) -> (&'static str, u32) {
	match lease.state {
		State::Starting { deadline, .. } => ("starting", deadline),
		State::Active { term_end } => ("active", lease.runs_until().unwrap_or(term_end)),
		State::Suspended {
			why: Suspension::Dry,
			term_end,
			..
		} => ("suspended (dry)", lease.runs_until().unwrap_or(term_end)),
		State::Suspended { term_end, .. } => ("suspended (paused)", term_end),
	}
}
