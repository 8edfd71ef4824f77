//! Leases of the account: list, look, close.

use super::{connect, may_run, session, state, submit, swept, unknown};
use crate::{
	deploy::{ask_at_terminal, Leased},
	keys,
	output::{table, Failure},
	Context,
};
use clap::Args;
use leasehold_client::{
	keystore,
	signer::Wait,
	story, units,
	view::{Closed, LeaseRecordNow, OrderNow},
	Call, ChainError, CloseReason,
};
use serde_json::{json, Value};
use std::time::Duration;

#[derive(Debug, Args)]
pub struct Leases {
	/// Closed ones too, while the chain keeps them.
	#[arg(long)]
	all: bool,
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
				let bids = format!(
					"{}, ends in block {}",
					units::count(o.bids.len(), "bid"),
					o.bidding_ends
				);
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
					format!("lease {} (order {})", l.id, l.order),
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
		"compensation": closed.compensation.to_string(), "closed_at": closed.closed_at,
	})
}

#[derive(Debug, Args)]
pub struct Status {
	/// Number of the lease.
	lease: u64,
	/// Show it anew every so many seconds, until the lease is closed.
	#[arg(long, short, value_name = "SECONDS", num_args = 0..=1, require_equals = true, default_missing_value = "2")]
	watch: Option<u64>,
}

impl Status {
	pub async fn run(self, context: &Context) -> Result<(), Failure> {
		let Some(seconds) = self.watch else {
			let (json, text, _) = self.look(context).await?;
			context.out.result(json, || text);
			return Ok(());
		};
		loop {
			let over = match self.look(context).await {
				Ok((json, text, over)) => {
					context.out.frame(json, || text);
					over
				}
				// A node that is away comes back.
				Err(failure) if failure.code == 6 => {
					context.out.stage(failure.what);
					false
				}
				Err(failure) => return Err(failure),
			};
			if over {
				return Ok(());
			}
			tokio::time::sleep(Duration::from_secs(seconds.max(1))).await;
		}
	}

	/// How it stands, for programs and in words, and whether it is over.
	async fn look(&self, context: &Context) -> Result<(Value, String, bool), Failure> {
		let (chain, connection) = connect(context).await?;
		let view = connection.best().await?;
		let terms = view.terms().await?;
		let record = view.lease(self.lease).await?;
		let (said_on_chain, text) = match &record {
			LeaseRecordNow::Open(lease) => {
				let (name, until) = state(lease);
				let left = until.saturating_sub(view.number());
				let served = view.served(lease.provider).await?;
				let (owed_blocks, owed) = lease.owed(served);
				let withdrawable = lease.withdrawable(&lease.tenant, served);
				let refill = lease.refill.map(|(amount, budget)| {
					let (amount, budget) = (units::lease(amount), units::lease(budget));
					format!("\nrefilled with {amount} at a time, {budget} more in all")
				});
				let json = json!({
					"lease": lease.id, "order": lease.order, "provider": lease.provider,
					"state": name, "until": until, "rate": lease.rate.to_string(),
					"held": lease.held.to_string(), "paid": lease.paid.to_string(),
					"served_blocks": lease.served_blocks, "owed": owed.to_string(),
					"owed_blocks": owed_blocks, "withdrawable": withdrawable.to_string(),
					"refill": lease.refill.map(|(amount, budget)| json!({
						"amount": amount.to_string(), "budget": budget.to_string(),
					})),
				});
				let dry = match may_run(lease) {
					Ok(()) => String::new(),
					Err(failure) => format!(
						"\n{}, and in block {until} it is closed, with its data\nnext: {}",
						failure.what, failure.advice
					),
				};
				let text = format!(
					"lease {} is {name} on provider {} until block {until} (about {})\n{} a block ({} an \
					 hour)\n{} held: {} owed since the last settlement ({}), {withdrawable} can be withdrawn; {} \
					 paid before that{}{dry}",
					lease.id,
					lease.provider,
					units::blocks_as_time(left, terms.slot_millis),
					units::lease(lease.rate),
					units::lease(
						units::hourly(lease.rate, terms.slot_millis)
					),
					units::lease(lease.held),
					units::lease(owed),
					units::count(owed_blocks, "block"),
					units::lease(lease.paid),
					refill.unwrap_or_default(),
					withdrawable = units::lease(withdrawable),
				);
				(json, text)
			}
			LeaseRecordNow::Closed(closed) => (
				closed_json(closed),
				format!(
					"lease {} is closed: {}\n{} served, {} paid, {} returned in all",
					closed.id,
					story::reason(&closed.reason),
					units::count(closed.served_blocks, "block"),
					units::lease(closed.paid),
					units::lease(closed.refunded),
				),
			),
			LeaseRecordNow::Swept => return Err(swept(self.lease)),
			LeaseRecordNow::Unknown => return Err(unknown(self.lease)),
		};
		// What the provider says besides; the chain's word stands without it.
		let (gateway, _) = session(context, &chain, &connection, self.lease).await?;
		let said = gateway.call("lease_status", String::new()).await;
		let workload = match &said {
			Ok(value) => value.clone(),
			Err(failure) => json!({ "error": failure.what }),
		};
		let addresses = match record {
			LeaseRecordNow::Open(_) => gateway.addresses(&workload),
			_ => Vec::new(),
		};
		let json = json!({ "chain": said_on_chain, "workload": workload, "addresses": addresses });
		let over = matches!(record, LeaseRecordNow::Closed(_));
		let words = || {
			let says = match &said {
				Ok(value) if over && value["phase"] != "closed" => {
					"workload: the provider is about to hear that the lease is closed".to_owned()
				}
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
			let replicas = replicas(&workload);
			let used = used(&workload);
			let addresses = addresses.iter().map(ToString::to_string).collect();
			let update = workload["next"].as_str().map(|next| {
				let next = next.get(..8).unwrap_or(next);
				let lacks = match workload["next_is_here"] == true {
					true => "some of its files",
					false => "it",
				};
				format!(
					"another manifest ({next}) is to take its place, and the provider waits for {lacks}: \
					 `leasehold update {} FILE` hands it in",
					self.lease
				)
			});
			let next = match (&record, workload["manifest"] == false) {
				_ if update.is_some() => update.into_iter().collect(),
				(LeaseRecordNow::Open(lease), true) => vec![format!(
					"the provider has no manifest, or has lost it: `leasehold deploy --resume {}` hands it in",
					lease.order
				)],
				_ => Vec::new(),
			};
			[vec![text, says], replicas, used, addresses, next]
				.concat()
				.join("\n")
		};
		let text = words();
		Ok((json, text, over))
	}
}

/// That of several which is about a service's replica.
fn about<'a>(all: &'a Value, one: &Value) -> Option<&'a Value> {
	let member = (&one["service"], &one["replica"]);
	let mut all = all.as_array()?.iter();
	all.find(|other| (&other["service"], &other["replica"]) == member)
}

/// What a pull has come to, in words.
fn pulling(pull: &Value) -> String {
	match pull["percent"].as_u64() {
		Some(percent) => format!("pulling, {percent} %"),
		None => "pulling".to_owned(),
	}
}

/// Bytes in a fitting unit.
fn bytes(value: &Value) -> String {
	let Some(bytes) = value.as_u64() else {
		return "-".into();
	};
	match bytes {
		0..=9_999 => format!("{bytes} B"),
		10_000..=9_999_999 => format!("{} KiB", bytes >> 10),
		_ => format!("{} MiB", bytes >> 20),
	}
}

/// How the replicas of a lease's services stand and what they use, a table.
fn replicas(workload: &Value) -> Vec<String> {
	let all = workload["replicas"].as_array().cloned().unwrap_or_default();
	if all.is_empty() {
		return Vec::new();
	}
	let rows = all.iter().map(|one| {
		let text = |key: &str| one[key].as_str().unwrap_or_default().to_owned();
		let state = about(&workload["pulling"], one).map(pulling);
		let used = about(&workload["usage"]["members"], one);
		let used = used.unwrap_or(&Value::Null);
		let cpu = used["cpu_millis"].as_u64();
		vec![
			format!("{}.{}", text("service"), one["replica"]),
			state.unwrap_or_else(|| text("state").replace('_', " ")),
			one["restarts"].to_string(),
			cpu.map_or_else(|| "-".into(), |millis| millis.to_string()),
			bytes(&used["memory_bytes"]),
			bytes(&used["received"]),
			bytes(&used["sent"]),
			text("last"),
		]
	});
	let header = [
		"REPLICA",
		"STATE",
		"RESTARTS",
		"CPU (m)",
		"MEMORY",
		"IN A SECOND",
		"OUT A SECOND",
		"ENDED LAST",
	];
	vec![table(&header, rows.collect())]
}

/// What a lease uses: a job now, and all leases in all.
fn used(workload: &Value) -> Vec<String> {
	let mut lines = Vec::new();
	let is_job = workload["replicas"].as_array().is_none_or(Vec::is_empty);
	let all = |key: &str| workload[key].as_array().into_iter().flatten();
	if is_job {
		lines.extend(all("pulling").map(|pull| format!("image: {}", pulling(pull))));
		let members = workload["usage"]["members"].as_array();
		lines.extend(members.into_iter().flatten().map(|one| {
			format!(
				"uses {} milli-CPU and {} of memory",
				one["cpu_millis"],
				bytes(&one["memory_bytes"])
			)
		}));
	}
	if let Some(limit) = workload["storage_limit"].as_str() {
		let by = match limit {
			"quota" => "for what is written over images by the engine's quota, else by watching",
			_ => "by watching",
		};
		lines.push(format!("kept to its disk {by}"));
	}
	let usage = &workload["usage"];
	let (seconds, joules) = (&usage["cpu_seconds"], usage["energy_joules"].as_u64());
	if let (Some(seconds), Some(joules)) = (seconds.as_u64(), joules) {
		let method = usage["energy_method"].as_str().unwrap_or("not told how");
		let hundredths = joules.saturating_mul(100) / 3_600;
		let energy = match joules {
			0..=3_599 => format!("{joules} J"),
			_ => format!("{}.{:02} Wh", hundredths / 100, hundredths % 100),
		};
		lines.push(format!(
			"{seconds} s of a core so far, about {energy} ({method})"
		));
	}
	lines
}

#[derive(Debug, Args)]
pub struct Close {
	/// Number of the lease.
	#[arg(required_unless_present = "order")]
	lease: Option<u64>,
	/// Number of an open order, to take it back. Costs the cancel fee if there are bids.
	#[arg(long, conflicts_with = "lease")]
	order: Option<u64>,
	/// Do not ask at a terminal.
	#[arg(long, short)]
	yes: bool,
}

impl Close {
	pub async fn run(self, context: &Context) -> Result<(), Failure> {
		let (chain, connection) = connect(context).await?;
		let pair = keys::account(context)?;
		if let Some(order) = self.order {
			let OrderNow::Open(open) = connection.best().await?.order(order).await? else {
				let what = format!("there is no open order {order}");
				return Err(Failure::new(5, what, "`leasehold leases` lists yours."));
			};
			let fee = match open.bids.is_empty() {
				true => "",
				false => ", but for the cancel fee: there were bids",
			};
			if !self.yes {
				ask_at_terminal(&format!("take order {order} back{fee}?"), "not taken back")?;
			}
			context.out.waiting("taking the order back");
			let call = Call::CancelOrder { order };
			submit(context, &chain, &pair, call, Wait::Finalized).await?;
			let json = json!({ "order": order, "state": "cancelled" });
			context.out.result(json, || {
				format!("order {order} is cancelled; its deposit is back{fee}")
			});
			return Ok(());
		}
		let id = self.lease.unwrap_or_default();
		match connection.best().await?.lease(id).await? {
			LeaseRecordNow::Open(open) if open.tenant != keystore::account(&pair) => {
				let what = format!("lease {id} is another's: its tenant is {}", open.tenant);
				return Err(Failure::new(5, what, "Use that account: --account."));
			}
			LeaseRecordNow::Open(_) => {}
			LeaseRecordNow::Closed(closed) => {
				let why = story::reason(&closed.reason);
				let what = format!("lease {id} is closed already: {why}");
				return Err(Failure::new(5, what, ""));
			}
			LeaseRecordNow::Swept => return Err(swept(id)),
			LeaseRecordNow::Unknown => return Err(unknown(id)),
		}
		if !self.yes {
			let question = format!("end lease {id} for good, with all the data it has?");
			ask_at_terminal(&question, "not closed")?;
		}
		context.out.waiting("closing the lease");
		let call = Call::CloseLease { lease: id };
		submit(context, &chain, &pair, call, Wait::Finalized).await?;
		let view = chain.connection().await?.finalized().await?;
		let LeaseRecordNow::Closed(closed) = view.lease(id).await? else {
			return Err(swept(id));
		};
		context.out.result(closed_json(&closed), || {
			format!(
				"lease {} is closed: {} served, {} paid, {} returned in all",
				closed.id,
				units::count(closed.served_blocks, "block"),
				units::lease(closed.paid),
				units::lease(closed.refunded),
			)
		});
		Ok(())
	}
}

#[derive(Debug, Args)]
pub struct Revoke {
	/// Number of the lease.
	lease: u64,
}

impl Revoke {
	pub async fn run(self, context: &Context) -> Result<(), Failure> {
		let (chain, _) = connect(context).await?;
		let pair = keys::account(context)?;
		let id = self.lease;
		context.out.waiting("telling the chain");
		let call = Call::RevokeAccess { lease: id };
		let receipt = submit(context, &chain, &pair, call, Wait::Finalized).await?;
		let block = receipt.block.0;
		// For when the chain does not know the lease any more.
		let now = async {
			let connection = chain.connection().await?;
			let record = connection.best().await?.lease(id).await?;
			Ok::<_, ChainError>((connection.genesis, record))
		};
		match now.await {
			Ok((genesis, LeaseRecordNow::Open(open))) => {
				Leased::revoked(context, genesis, id, open.epoch);
			}
			Ok(_) => {}
			Err(error) => tracing::debug!(%error, "the new epoch is not noted"),
		}
		let json = json!({ "lease": id, "block": block });
		context.out.result(json, || {
			format!("all grants for lease {id} that were issued before block {block} are void")
		});
		Ok(())
	}
}
