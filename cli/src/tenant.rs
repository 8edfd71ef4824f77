//! What a tenant does with leases: list, look, fetch, close.

use crate::{
	gateway::Gateway,
	keys,
	output::{table, Failure},
	Context,
};
use clap::{Args, Subcommand};
use futures::StreamExt as _;
use leasehold_client::{
	keystore,
	signer::{Journal, Signer, Wait},
	story, units,
	view::{Closed, LeaseRecordNow, OpenLease, State},
	AccountId32, Call, Chain, ChainError, CloseReason, Connection,
};
use leasehold_manifest::result::result_hash;
use serde_json::json;
use std::{io::Write as _, path::PathBuf};

/// A connection, with the failure that a missing node is.
pub async fn connect(context: &Context) -> Result<(Chain, Connection), Failure> {
	let chain = Chain::connect(&context.node, None).await?;
	let connection = chain.connection().await?;
	Ok((chain, connection))
}

/// Reads from the chain, and waits for the node where it is away.
pub async fn patiently<T>(
	context: &Context,
	chain: &Chain,
	read: impl AsyncFn(&Connection) -> Result<T, ChainError>,
) -> Result<T, Failure> {
	loop {
		let result = match chain.connection().await {
			Ok(connection) => read(&connection).await,
			Err(error) => Err(error),
		};
		match result {
			Err(error) if error.is_transient() => {
				context.out.waiting("the node is away; trying again");
				tokio::time::sleep(std::time::Duration::from_millis(500)).await;
			}
			other => return Ok(other?),
		}
	}
}

/// The signer of the command's account, with a journal of its own.
pub fn signer(
	context: &Context,
	chain: &Chain,
	pair: &leasehold_client::Keypair,
) -> Result<Signer, Failure> {
	let account = keystore::account(pair);
	let journal = Journal::open(&context.dir.join("transactions").join(account.to_string()))?;
	Ok(Signer::start(
		chain.clone(),
		pair.clone(),
		journal,
		chain.follow(),
	))
}

fn unknown(lease: u64) -> Failure {
	Failure::new(
		5,
		format!("there is no lease {lease}"),
		"`leasehold leases` lists yours.",
	)
}

fn swept(lease: u64) -> Failure {
	let what = format!("lease {lease} was closed, and its record is no longer kept on chain");
	Failure::new(5, what, "An archive node still knows it.")
}

/// A session with the provider of a lease, open or closed.
pub async fn session(
	context: &Context,
	connection: &Connection,
	lease: u64,
) -> Result<(Gateway, LeaseRecordNow), Failure> {
	let view = connection.best().await?;
	let record = view.lease(lease).await?;
	let provider = match &record {
		LeaseRecordNow::Open(open) => open.provider,
		LeaseRecordNow::Closed(closed) => closed.provider,
		LeaseRecordNow::Swept => return Err(swept(lease)),
		LeaseRecordNow::Unknown => return Err(unknown(lease)),
	};
	let pair = keys::account(context)?;
	let found = view.provider(provider).await?;
	Ok((
		gateway(connection.genesis, found, provider, &pair, lease)?,
		record,
	))
}

/// A session with a provider.
pub fn gateway(
	genesis: leasehold_client::H256,
	provider: Option<leasehold_client::view::Provider>,
	id: u32,
	pair: &leasehold_client::Keypair,
	lease: u64,
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
	let url = provider.gateways.first().ok_or_else(gone)?;
	Gateway::open(url, pair, genesis, (provider.id, provider.operator), lease)
}

#[derive(Debug, Args)]
pub struct Leases {
	/// Closed ones too, while the chain keeps them.
	#[arg(long)]
	all: bool,
}

fn state(lease: &OpenLease) -> (&'static str, u32) {
	match lease.state {
		State::Starting { deadline } => ("starting", deadline),
		State::Active { term_end } => ("active", lease.runs_until().unwrap_or(term_end)),
	}
}

impl Leases {
	pub async fn run(self, context: &Context) -> Result<(), Failure> {
		let (_, connection) = connect(context).await?;
		let who = keys::address(context)?;
		let view = connection.best().await?;
		let (orders, leases) = view.open_items(&who).await?;
		let closed: Vec<Closed> = if self.all {
			view.closed_leases()
				.await?
				.into_iter()
				.filter(|c| c.tenant == who)
				.collect()
		} else {
			Vec::new()
		};
		let json = json!({
			"orders": orders.iter().map(|o| json!({
				"order": o.id, "bids": o.bids.len(), "bidding_ends": o.bidding_ends,
			})).collect::<Vec<_>>(),
			"leases": leases.iter().map(|l| json!({
				"lease": l.id, "order": l.order, "provider": l.provider, "state": state(l).0,
				"until": state(l).1, "rate": l.rate.to_string(), "held": l.held.to_string(),
				"paid": l.paid.to_string(),
			})).collect::<Vec<_>>(),
			"closed": closed.iter().map(closed_json).collect::<Vec<_>>(),
		});
		context.out.result(json, || {
			if orders.is_empty() && leases.is_empty() && closed.is_empty() {
				return "nothing is open; `leasehold deploy FILE` orders capacity".into();
			}
			let mut rows = Vec::new();
			for o in &orders {
				let bids = format!("{} bids, ends in block {}", o.bids.len(), o.bidding_ends);
				rows.push(vec![
					format!("order {}", o.id),
					"open".into(),
					"-".into(),
					"-".into(),
					bids,
				]);
			}
			for l in &leases {
				let (name, until) = state(l);
				rows.push(vec![
					format!("lease {}", l.id),
					name.into(),
					l.provider.to_string(),
					units::lease(l.rate),
					format!("until block {until}, {} held", units::lease(l.held)),
				]);
			}
			for c in &closed {
				let text = format!(
					"{}; {} paid",
					story::reason(&c.reason),
					units::lease(c.paid)
				);
				let id = format!("lease {}", c.id);
				rows.push(vec![
					id,
					"closed".into(),
					c.provider.to_string(),
					"-".into(),
					text,
				]);
			}
			table(&["WHAT", "STATE", "PROVIDER", "A BLOCK", "MORE"], rows)
		});
		Ok(())
	}
}

/// A closed lease for programs.
pub fn closed_json(closed: &Closed) -> serde_json::Value {
	let (exit_code, hash) = match closed.reason {
		CloseReason::Completed {
			exit_code,
			result_hash,
		} => (Some(exit_code), Some(hex::encode(result_hash))),
		_ => (None, None),
	};
	json!({
		"lease": closed.id, "order": closed.order, "provider": closed.provider, "state": "closed",
		"close_reason": story::reason_name(&closed.reason), "why": story::reason(&closed.reason),
		"fault": story::fault(&closed.fault), "exit_code": exit_code, "result_hash": hash,
		"served_blocks": closed.served_blocks, "paid": closed.paid.to_string(),
		"fees": closed.fees.to_string(), "refunded": closed.refunded.to_string(),
		"closed_at": closed.closed_at,
	})
}

#[derive(Debug, Args)]
pub struct Logs {
	lease: u64,
	/// Go on until the job has ended.
	#[arg(long, short)]
	follow: bool,
}

impl Logs {
	pub async fn run(self, context: &Context) -> Result<(), Failure> {
		let (_, connection) = connect(context).await?;
		let (gateway, _) = session(context, &connection, self.lease).await?;
		show_log(context, &gateway, self.follow).await
	}
}

/// Writes a log to standard output and standard error as the job did; as JSON records if wanted.
pub async fn show_log(context: &Context, gateway: &Gateway, follow: bool) -> Result<(), Failure> {
	let mut offset = 0u64;
	let mut tries = 0u32;
	loop {
		let answer = match gateway.log(offset, follow).await {
			Ok(answer) => answer,
			// A provider that restarts comes back; the offset keeps the place.
			Err(failure) if failure.code == 6 && follow && tries < 30 => {
				tries = tries.saturating_add(1);
				tokio::time::sleep(std::time::Duration::from_secs(1)).await;
				continue;
			}
			Err(failure) => return Err(failure),
		};
		let mut stream = answer.bytes_stream();
		let mut rest = Vec::new();
		let mut broken = false;
		while let Some(chunk) = stream.next().await {
			let Ok(chunk) = chunk else {
				broken = true;
				break;
			};
			tries = 0;
			rest.extend_from_slice(&chunk);
			while let Some(end) = rest.iter().position(|b| *b == b'\n') {
				let line: Vec<u8> = rest.drain(..=end).collect();
				offset = offset.saturating_add(u64::try_from(line.len()).unwrap_or(0));
				show_record(context, &line);
			}
		}
		if !(broken && follow) {
			return Ok(());
		}
	}
}

fn show_record(context: &Context, line: &[u8]) {
	if context.out.is_json() {
		let _ = std::io::stdout().write_all(line);
		return;
	}
	let Ok(record) = serde_json::from_slice::<serde_json::Value>(line) else {
		return;
	};
	let bytes = match (record["text"].as_str(), record["bytes"].as_str()) {
		(Some(text), _) => text.as_bytes().to_vec(),
		(None, Some(bytes)) => hex::decode(bytes).unwrap_or_default(),
		(None, None) => return,
	};
	let _ = if record["stream"] == "stderr" {
		std::io::stderr().write_all(&bytes)
	} else {
		std::io::stdout()
			.write_all(&bytes)
			.and_then(|()| std::io::stdout().flush())
	};
}

#[derive(Debug, Args)]
pub struct Status {
	lease: u64,
}

impl Status {
	pub async fn run(self, context: &Context) -> Result<(), Failure> {
		let (_, connection) = connect(context).await?;
		let view = connection.best().await?;
		let terms = view.terms().await?;
		let record = view.lease(self.lease).await?;
		let (chain, text) = match &record {
			LeaseRecordNow::Open(lease) => {
				let (name, until) = state(lease);
				let left = until.saturating_sub(view.number());
				let json = json!({
					"lease": lease.id, "order": lease.order, "provider": lease.provider,
					"state": name, "until": until, "rate": lease.rate.to_string(),
					"held": lease.held.to_string(), "paid": lease.paid.to_string(),
					"served_blocks": lease.served_blocks,
				});
				let text = format!(
					"lease {} is {name} on provider {} until block {until} (about {})\n{} a block; {} \
					 held, {} paid so far",
					lease.id,
					lease.provider,
					units::blocks_as_time(left, terms.slot_millis),
					units::lease(lease.rate),
					units::lease(lease.held),
					units::lease(lease.paid),
				);
				(json, text)
			}
			LeaseRecordNow::Closed(closed) => (
				closed_json(closed),
				format!(
					"lease {} is closed: {}\n{} blocks served, {} paid, {} returned",
					closed.id,
					story::reason(&closed.reason),
					closed.served_blocks,
					units::lease(closed.paid),
					units::lease(closed.refunded),
				),
			),
			LeaseRecordNow::Swept => return Err(swept(self.lease)),
			LeaseRecordNow::Unknown => return Err(unknown(self.lease)),
		};
		// What the provider says besides; the chain's word stands without it.
		let (gateway, _) = session(context, &connection, self.lease).await?;
		let said = gateway.call("lease_status", String::new()).await;
		let workload = match &said {
			Ok(value) => value.clone(),
			Err(failure) => json!({ "error": failure.what }),
		};
		let json = json!({ "chain": chain, "workload": workload });
		context.out.result(json, || {
			let says = match &said {
				Ok(value) => format!(
					"workload: {} (attempt {}){}",
					value["phase"].as_str().unwrap_or("?"),
					value["attempts"],
					value["why"]
						.as_str()
						.map(|why| format!(": {why}"))
						.unwrap_or_default(),
				),
				Err(failure) => format!("workload: not known: {}", failure.what),
			};
			format!("{text}\n{says}")
		});
		Ok(())
	}
}

#[derive(Debug, Subcommand)]
pub enum Files {
	/// List the results.
	Ls { lease: u64 },
	/// Fetch the results, and check them against the hash on chain.
	Get {
		lease: u64,
		/// Where to.
		#[arg(long, default_value = ".")]
		to: PathBuf,
	},
}

impl Files {
	pub async fn run(self, context: &Context) -> Result<(), Failure> {
		let (lease, to) = match self {
			Self::Ls { lease } => (lease, None),
			Self::Get { lease, to } => (lease, Some(to)),
		};
		let (_, connection) = connect(context).await?;
		let (gateway, record) = session(context, &connection, lease).await?;
		let outputs = gateway.outputs().await?;
		let mut checked = None;
		if let LeaseRecordNow::Closed(Closed {
			reason: CloseReason::Completed {
				exit_code,
				result_hash: on_chain,
			},
			..
		}) = record
		{
			if result_hash(&outputs, exit_code) != on_chain {
				let what = "the results are not those whose hash the provider put on chain";
				return Err(Failure::new(
					5,
					what,
					"Do not trust them; ask the provider.",
				));
			}
			checked = Some(true);
		}
		if let Some(to) = &to {
			for output in &outputs {
				context.out.waiting(format!("fetching {}", output.path));
				gateway.fetch(output, &to.join(&output.path)).await?;
			}
		}
		let json = json!({ "lease": lease, "files": outputs, "matches_chain": checked });
		context.out.result(json, || {
			let rows = outputs
				.iter()
				.map(|o| vec![o.path.clone(), o.size.to_string()])
				.collect();
			let word = match checked {
				_ if outputs.is_empty() => "there are no results",
				Some(_) => "the results match the hash on chain",
				None => "the lease is not completed on chain yet: nothing to check against",
			};
			format!("{}\n{word}", table(&["FILE", "BYTES"], rows))
		});
		Ok(())
	}
}

#[derive(Debug, Args)]
pub struct Close {
	/// Number of the lease.
	#[arg(required_unless_present = "order")]
	lease: Option<u64>,
	/// Number of an open order, to take it back. Costs the cancel fee if there are bids.
	#[arg(long, conflicts_with = "lease")]
	order: Option<u64>,
}

impl Close {
	pub async fn run(self, context: &Context) -> Result<(), Failure> {
		let (chain, connection) = connect(context).await?;
		let pair = keys::account(context)?;
		if let Some(order) = self.order {
			context.out.waiting("taking the order back");
			let signer = signer(context, &chain, &pair)?;
			signer
				.submit(Call::CancelOrder { order }, Wait::Finalized)
				.await?;
			let json = json!({ "order": order, "state": "cancelled" });
			context.out.result(json, || {
				format!("order {order} is cancelled; its deposit is back")
			});
			return Ok(());
		}
		let id = self.lease.unwrap_or_default();
		match connection.best().await?.lease(id).await? {
			LeaseRecordNow::Open(_) => {}
			LeaseRecordNow::Closed(closed) => {
				let why = story::reason(&closed.reason);
				let what = format!("lease {id} is closed already: {why}");
				return Err(Failure::new(5, what, ""));
			}
			LeaseRecordNow::Swept => return Err(swept(id)),
			LeaseRecordNow::Unknown => return Err(unknown(id)),
		}
		context.out.waiting("closing the lease");
		let signer = signer(context, &chain, &pair)?;
		signer
			.submit(Call::CloseLease { lease: id }, Wait::Finalized)
			.await?;
		let view = chain.connection().await?.finalized().await?;
		let LeaseRecordNow::Closed(closed) = view.lease(id).await? else {
			return Err(swept(id));
		};
		context.out.result(closed_json(&closed), || {
			format!(
				"lease {} is closed: {} blocks served, {} paid, {} returned",
				closed.id,
				closed.served_blocks,
				units::lease(closed.paid),
				units::lease(closed.refunded),
			)
		});
		Ok(())
	}
}

#[derive(Debug, Args)]
pub struct Transfer {
	/// The account that receives.
	to: AccountId32,
	/// LEASE, as `12.5`.
	amount: String,
}

impl Transfer {
	pub async fn run(self, context: &Context) -> Result<(), Failure> {
		let amount = units::parse_amount(&self.amount).map_err(|why| Failure::new(2, why, ""))?;
		let pair = keys::account(context)?;
		let (chain, _) = connect(context).await?;
		context.out.waiting("sending");
		let signer = signer(context, &chain, &pair)?;
		let call = Call::Transfer {
			to: self.to,
			amount,
		};
		let receipt = signer.submit(call, Wait::Finalized).await?;
		let json = json!({
			"to": self.to.to_string(), "amount": amount.to_string(), "block": receipt.block.0,
		});
		context.out.result(json, || {
			format!(
				"{} are sent to {} in block {}",
				units::lease(amount),
				self.to,
				receipt.block.0
			)
		});
		Ok(())
	}
}

#[derive(Debug, Args)]
pub struct Events {
	lease: u64,
}

/// How far back events are looked for, blocks.
const LOOK_BACK: u32 = 5_000;

impl Events {
	pub async fn run(self, context: &Context) -> Result<(), Failure> {
		let (_, connection) = connect(context).await?;
		let newest = connection.best().await?;
		let order = match newest.lease(self.lease).await? {
			LeaseRecordNow::Open(lease) => lease.order,
			LeaseRecordNow::Closed(closed) => closed.order,
			LeaseRecordNow::Swept => return Err(swept(self.lease)),
			LeaseRecordNow::Unknown => return Err(unknown(self.lease)),
		};
		let mut told = Vec::new();
		let oldest = newest.number().saturating_sub(LOOK_BACK).max(1);
		for number in (oldest..=newest.number()).rev() {
			context.out.waiting(format!("reading block {number}"));
			let view = connection.at_number(number).await?;
			let mut here = story::told(&view, order, Some(self.lease)).await?;
			let placed = here.iter().any(|event| event.event == "OrderPlaced");
			here.append(&mut told);
			told = here;
			if placed {
				break;
			}
		}
		context.out.result(json!(told), || {
			let lines: Vec<_> = told
				.iter()
				.map(|t| format!("block {:>6}  {}", t.block, t.text))
				.collect();
			lines.join("\n")
		});
		Ok(())
	}
}

#[derive(Debug, Args)]
pub struct Providers {
	/// A manifest file; shows what each provider lacks for it.
	#[arg(long = "for", value_name = "FILE")]
	manifest: Option<PathBuf>,
}

impl Providers {
	pub async fn run(self, context: &Context) -> Result<(), Failure> {
		let wanted = match &self.manifest {
			Some(file) => Some(crate::deploy::understand(context, file)?),
			None => None,
		};
		let (_, connection) = connect(context).await?;
		let view = connection.best().await?;
		let terms = view.terms().await?;
		let mut rows = Vec::new();
		let mut all = Vec::new();
		for provider in view.providers().await? {
			let lacks = match &wanted {
				Some(prepared) => {
					let (resources, attributes) = prepared.requirements()?;
					let rate = prepared.sdl.max_rate.unwrap_or(1);
					Some(provider.lacks(&resources, &attributes, rate, &terms))
				}
				None => None,
			};
			let (have, used) = (&provider.capacity, &provider.reserved);
			let free = |all: u32, used: u32| format!("{} / {all}", all.saturating_sub(used));
			let attributes: Vec<String> = provider
				.attributes
				.iter()
				.map(|a| {
					format!(
						"{}={}",
						String::from_utf8_lossy(&a.key),
						String::from_utf8_lossy(&a.value)
					)
				})
				.collect();
			let status = match (provider.accepting, provider.unbonding_until) {
				(true, _) => "accepting",
				(false, Some(_)) => "leaving",
				(false, None) => "paused",
			};
			let lacks_text = lacks.as_ref().map(|l| match l.is_empty() {
				true => "nothing".to_owned(),
				false => format!("{l:?}"),
			});
			all.push(json!({
				"provider": provider.id, "owner": provider.owner.to_string(),
				"operator": provider.operator.to_string(), "status": status,
				"bond": provider.bond.to_string(), "leases": provider.leases,
				"gateways": provider.gateways, "attributes": attributes,
				"cpu_millis": have.cpu, "memory_mib": have.memory, "storage_mib": have.ephemeral,
				"free": {
					"cpu_millis": have.cpu.saturating_sub(used.cpu),
					"memory_mib": have.memory.saturating_sub(used.memory),
					"storage_mib": have.ephemeral.saturating_sub(used.ephemeral),
				},
				"lacks": lacks.map(|l| l.iter().map(|r| format!("{r:?}")).collect::<Vec<_>>()),
			}));
			let mut row = vec![
				provider.id.to_string(),
				status.into(),
				free(have.cpu, used.cpu),
				free(have.memory, used.memory),
				free(have.ephemeral, used.ephemeral),
				provider.leases.to_string(),
				attributes.join(" "),
			];
			row.extend(lacks_text);
			rows.push(row);
		}
		let mut header = vec![
			"PROVIDER",
			"STATUS",
			"FREE CPU (m)",
			"FREE MiB",
			"FREE DISK MiB",
			"LEASES",
			"ATTRIBUTES",
		];
		if wanted.is_some() {
			header.push("LACKS");
		}
		context.out.result(json!(all), || {
			if rows.is_empty() {
				return "no provider is registered".into();
			}
			table(&header, rows)
		});
		Ok(())
	}
}

/// Shows the account's balances.
pub async fn balance(context: &Context) -> Result<(), Failure> {
	let (_, connection) = connect(context).await?;
	let who = keys::address(context)?;
	let account = connection.best().await?.account(&who).await?;
	let json = json!({
		"account": who.to_string(), "free": account.free.to_string(),
		"held": account.held.to_string(), "frozen": account.frozen.to_string(),
		"token": units::TOKEN, "decimals": units::DECIMALS,
	});
	context.out.result(json, || {
		format!(
			"{who}\nfree  {}\nheld  {}",
			units::lease(account.free),
			units::lease(account.held)
		)
	});
	Ok(())
}
