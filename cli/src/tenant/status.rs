//! How a lease stands: what the chain says, and what its provider says besides.

use super::{closed_json, connect, may_run, session, state, swept, unknown};
use crate::{
	gateway::Gateway,
	keys,
	output::{table, Failure},
	Context,
};
use clap::Args;
use leasehold_client::{
	story, units,
	view::{Closed, LeaseRecordNow},
	CloseReason,
};
use leasehold_manifest::MAX_SERVICES;
use serde_json::{json, Value};
use std::{collections::BTreeSet, time::Duration};

/// How long a provider may take to say something of a lease that is over.
const LAST_WORD: Duration = Duration::from_secs(5);
/// Letters of a provider's text.
const LONGEST: usize = 500;

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
				let who = keys::address(context).unwrap_or(lease.tenant);
				let withdrawable = lease.withdrawable(&who, served);
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
					 hour)\n{} held: {} owed since the last settlement ({}), {withdrawable} of it you can withdraw; {} \
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
					"lease {} is closed: {}\n{}, {} returned in all",
					closed.id,
					story::reason(&closed.reason),
					story::paid(closed.served_blocks, closed.paid),
					units::lease(closed.refunded),
				),
			),
			LeaseRecordNow::Swept => return Err(swept(self.lease)),
			LeaseRecordNow::Unknown => return Err(unknown(self.lease)),
		};
		// What the provider says besides; the chain's word stands without it.
		let (gateway, _) = session(context, &chain, &connection, self.lease).await?;
		let over = matches!(record, LeaseRecordNow::Closed(_));
		let asked = gateway.call("lease_status", String::new());
		let said = match over {
			// What it has used, and no more.
			true => in_time(asked).await,
			false => asked.await,
		};
		let workload = match &said {
			Ok(value) => value.clone(),
			Err(failure) => json!({ "error": failure.what }),
		};
		let addresses = match record {
			LeaseRecordNow::Open(_) => gateway.addresses(&workload),
			_ => Vec::new(),
		};
		let last = match (&record, &said) {
			(LeaseRecordNow::Closed(closed), Ok(_)) => last_of(&gateway, closed).await,
			_ => Ok(None),
		};
		let json = json!({
			"chain": said_on_chain, "workload": workload, "addresses": addresses,
			"last_event": last.as_ref().ok(),
		});
		let words = || {
			if over {
				let last = match said.and(last) {
					Ok(last) => last.map(|last| format!("last on the provider's machine: {last}")),
					Err(failure) => Some(format!(
						"what happened on the provider's machine is not told: {}",
						failure.what
					)),
				};
				let lines = [Some(text), last, in_all(&workload)];
				return lines.into_iter().flatten().collect::<Vec<_>>().join("\n");
			}
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
	match (pull["percent"].as_u64(), pull["why"].as_str()) {
		(_, Some(_)) => "waiting".to_owned(),
		(Some(percent), None) => format!("pulling, {percent} %"),
		(None, None) => "pulling".to_owned(),
	}
}

/// Why images cannot be had yet: each reason once.
pub fn unpulled(workload: &Value) -> Vec<String> {
	let all = workload["pulling"].as_array().into_iter().flatten();
	let lines = all
		.take(MAX_SERVICES)
		.filter_map(|pull| Some((pull["service"].as_str()?, pull["why"].as_str()?)))
		.map(|(service, why)| {
			let (service, why) = (part(service), part(why));
			format!("the image of {service} cannot be pulled yet, and is tried again: {why}")
		});
	BTreeSet::from_iter(lines).into_iter().collect()
}

/// As much of a provider's text as it has reason to send.
fn part(text: &str) -> String {
	text.chars().take(LONGEST).collect()
}

/// Whether a lease ended for something that its provider knows more about than the chain.
fn came_to_nothing(reason: &CloseReason) -> bool {
	matches!(
		reason,
		CloseReason::WorkloadFailed(_) | CloseReason::StartTimeout
	)
}

/// What a provider says of a lease that is over: nobody waits for it for long.
async fn in_time(
	asked: impl std::future::Future<Output = Result<Value, Failure>>,
) -> Result<Value, Failure> {
	let late = |_| Failure::new(6, "the provider gives no answer", "");
	tokio::time::timeout(LAST_WORD, asked).await.map_err(late)?
}

/// What the provider has noted last about a lease that came to nothing.
pub async fn last_of(gateway: &Gateway, closed: &Closed) -> Result<Option<String>, Failure> {
	if !came_to_nothing(&closed.reason) {
		return Ok(None);
	}
	let said = in_time(gateway.call("lease_events", String::new())).await?;
	let last = said["events"].as_array().and_then(|events| events.last());
	Ok(last.and_then(|last| last["text"].as_str()).map(part))
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
		let pulls = all("pulling").filter(|pull| pull["why"].is_null());
		lines.extend(pulls.map(|pull| format!("image: {}", pulling(pull))));
		let members = workload["usage"]["members"].as_array();
		lines.extend(members.into_iter().flatten().map(|one| {
			format!(
				"uses {} milli-CPU and {} of memory",
				one["cpu_millis"],
				bytes(&one["memory_bytes"])
			)
		}));
	}
	lines.extend(unpulled(workload));
	if let Some(limit) = workload["storage_limit"].as_str() {
		let by = match limit {
			"quota" => "for what is written over images by the engine's quota, else by watching",
			_ => "by watching",
		};
		lines.push(format!("kept to its disk {by}"));
	}
	lines.extend(in_all(workload));
	lines
}

/// What a lease has used in all.
fn in_all(workload: &Value) -> Option<String> {
	let usage = &workload["usage"];
	let (seconds, joules) = (&usage["cpu_seconds"], usage["energy_joules"].as_u64());
	let (seconds, joules) = (seconds.as_u64()?, joules?);
	let method = usage["energy_method"].as_str().unwrap_or("not told how");
	let hundredths = joules.saturating_mul(100) / 3_600;
	let energy = match joules {
		0..=3_599 => format!("{joules} J"),
		_ => format!("{}.{:02} Wh", hundredths / 100, hundredths % 100),
	};
	Some(format!(
		"{seconds} s of a core in all, about {energy} ({method})"
	))
}
