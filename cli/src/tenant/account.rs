//! The account, the providers, and what happened.

use super::{connect, ensure_funds, session, submit, swept, unknown};
use crate::{
	deploy::{ask_at_terminal, FEES},
	keys,
	output::{table, Failure},
	Context,
};
use clap::Args;
use leasehold_client::{
	keystore,
	signer::Wait,
	story::{self, Told},
	units,
	view::LeaseRecordNow,
	Call, Chain, Connection,
};
use serde_json::json;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub struct Transfer {
	/// The account that receives: an address, or the name of a key.
	to: String,
	/// LEASE, as `12.5`.
	#[arg(allow_negative_numbers = true)]
	amount: String,
	/// Do not ask at a terminal.
	#[arg(long, short)]
	yes: bool,
}

impl Transfer {
	pub async fn run(self, context: &Context) -> Result<(), Failure> {
		let amount = units::parse_amount(&self.amount).map_err(|why| Failure::new(2, why, ""))?;
		if amount == 0 {
			return Err(Failure::new(2, "nothing would be sent", "Name an amount."));
		}
		let to = keys::named(context, &self.to)?;
		let pair = keys::account(context)?;
		let (chain, connection) = connect(context).await?;
		let who = keystore::account(&pair);
		let parts = [(amount, "to send"), (FEES, "for fees")];
		let view = connection.best().await?;
		ensure_funds(&view, &who, &parts).await?;
		let least = view.terms().await?.existential_deposit;
		let had = view.account(&to).await?;
		if had.free.saturating_add(had.held).saturating_add(amount) < least {
			let what = format!(
				"{to} would have less than {}, the least that an account may have",
				units::lease(least)
			);
			return Err(Failure::new(2, what, "Send more."));
		}
		if !self.yes {
			let question = format!("send {} to {to}?", units::lease(amount));
			ask_at_terminal(&question, "not sent")?;
		}
		context.out.waiting("sending");
		let call = Call::Transfer { to, amount };
		let receipt = submit(context, &chain, &pair, call, Wait::Finalized).await?;
		let json = json!({
			"to": to.to_string(), "amount": amount.to_string(), "block": receipt.block.0,
		});
		context.out.result(json, || {
			format!(
				"{} are sent to {to} in block {}",
				units::lease(amount),
				receipt.block.0
			)
		});
		Ok(())
	}
}

#[derive(Debug, Args)]
pub struct Events {
	/// Number of the lease.
	lease: u64,
	/// Only what the chain says: for that nobody's key is needed.
	#[arg(long)]
	chain: bool,
}

/// How far back events are looked for, blocks.
const LOOK_BACK: u32 = 5_000;

impl Events {
	pub async fn run(self, context: &Context) -> Result<(), Failure> {
		let (chain, connection) = connect(context).await?;
		let newest = connection.best().await?;
		let order = match newest.lease(self.lease).await? {
			LeaseRecordNow::Open(lease) => lease.order,
			LeaseRecordNow::Closed(closed) => closed.order,
			LeaseRecordNow::Swept => return Err(swept(self.lease)),
			LeaseRecordNow::Unknown => return Err(unknown(self.lease)),
		};
		let (mut told, mut whole) = (Vec::new(), false);
		let oldest = newest.number().saturating_sub(LOOK_BACK).max(1);
		for number in (oldest..=newest.number()).rev() {
			context.out.waiting(format!("reading block {number}"));
			let view = connection.at_number(number).await?;
			let here = story::told(&view, order, Some(self.lease)).await?;
			if here.is_empty() {
				continue;
			}
			let time = view.time().await?;
			let placed = here.iter().any(|event| event.event == "OrderPlaced");
			// The newest block comes first, and what is in it in its order.
			told.extend(
				here.into_iter()
					.rev()
					.map(|event| (time, Some(event), String::new())),
			);
			if placed {
				whole = true;
				break;
			}
		}
		if !whole {
			context.out.stage(format!(
				"the chain was read back to block {oldest}: what came before is left out"
			));
		}
		told.reverse();
		if !self.chain {
			match self.workload(context, &chain, &connection).await {
				Ok(notes) => told.extend(notes.into_iter().map(|(time, text)| (time, None, text))),
				Err(failure) => context.out.stage(format!(
					"what happened on the provider's machine is not told: {}",
					failure.what
				)),
			}
		}
		told.sort_by_key(|(time, ..)| *time);
		let json = told.iter().map(|(time, event, text)| match event {
			Some(Told { block, event, text }) => json!({
				"time": time, "source": "chain", "block": block, "event": event, "text": text,
			}),
			None => json!({ "time": time, "source": "workload", "text": text }),
		});
		context.out.result(json.collect(), || {
			let lines = told.iter().map(|(time, event, text)| {
				let when = units::date(time / 1_000);
				match event {
					Some(event) => format!("{when}  block {:<8} {}", event.block, event.text),
					None => format!("{when}  {:<14} {text}", "workload"),
				}
			});
			lines.collect::<Vec<_>>().join("\n")
		});
		Ok(())
	}

	/// (Unix milliseconds, text) of what the provider has noted.
	async fn workload(
		&self,
		context: &Context,
		chain: &Chain,
		connection: &Connection,
	) -> Result<Vec<(u64, String)>, Failure> {
		let (gateway, _) = session(context, chain, connection, self.lease).await?;
		let said = gateway.call("lease_events", String::new()).await?;
		let notes = said["events"].as_array().into_iter().flatten();
		let notes = notes
			.filter_map(|note| Some((note["time"].as_u64()?, note["text"].as_str()?.to_owned())));
		Ok(notes.collect())
	}
}

#[derive(Debug, Args)]
pub struct Providers {
	/// A manifest file; shows what each provider lacks for it, and asks for it at once.
	#[arg(long = "for", value_name = "FILE")]
	manifest: Option<PathBuf>,
	/// Which placement of the file, if it has several.
	#[arg(long, value_name = "NAME", requires = "manifest")]
	placement: Option<String>,
}

impl Providers {
	pub async fn run(self, context: &Context) -> Result<(), Failure> {
		let wanted = match &self.manifest {
			Some(file) => {
				let placement = self.placement.as_deref();
				Some(crate::deploy::understand(context, file, placement)?)
			}
			None => None,
		};
		let (_, connection) = connect(context).await?;
		let view = connection.best().await?;
		let terms = view.terms().await?;
		let mut rows = Vec::new();
		let mut all = Vec::new();
		for provider in view.providers().await? {
			let (lacks, asks) = match &wanted {
				Some(prepared) => {
					let (resources, attributes) = prepared.requirements()?;
					let slice = terms.slice(1, prepared.placement.max_rate.unwrap_or(1));
					let offer = view.offer(provider.id).await?;
					(
						Some(provider.lacks_in_words(&resources, &attributes, slice, &terms)),
						offer.and_then(|sheet| sheet.rate(&resources)),
					)
				}
				None => (None, None),
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
				(true, _) if provider.absent_from.is_some() => "absent",
				(true, _) => "accepting",
				(false, Some(_)) => "leaving",
				(false, None) => "paused",
			};
			let lacks_text = lacks.as_ref().map(|l| match l.is_empty() {
				true => "nothing".to_owned(),
				false => l.join("; "),
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
				"gpus": have.gpu.iter().map(|sort| json!({
					"model": sort.model.as_ref().map(|model| String::from_utf8_lossy(model)),
					"memory_mib": sort.memory, "units": sort.units,
					"free": sort.units.saturating_sub(used.gpus_of(sort)),
				})).collect::<Vec<_>>(),
				"lacks": lacks, "asks": asks.map(|rate| rate.to_string()),
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
			if let Some(lacks) = lacks_text {
				let hour = |rate: u128| units::lease(units::hourly(rate, terms.slot_millis));
				row.extend([asks.map_or_else(|| "-".into(), hour), lacks]);
			}
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
			header.extend(["AT ONCE, AN HOUR", "LACKS"]);
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
