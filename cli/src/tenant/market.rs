//! What is asked for and offered at present: orders, and the bids on one.

use super::connect;
use crate::{
	keys,
	output::{table, Failure},
	Context,
};
use clap::Args;
use leasehold_client::{
	units,
	view::{OpenOrder, OrderNow, Provider, Terms},
	WorkloadKind,
};
use serde_json::json;

#[derive(Debug, Args)]
pub struct Orders {
	/// Only those of the account.
	#[arg(long)]
	mine: bool,
}

fn kind(order: &OpenOrder) -> &'static str {
	match order.kind {
		WorkloadKind::Job => "job",
		WorkloadKind::Service => "service",
	}
}

impl Orders {
	pub async fn run(self, context: &Context) -> Result<(), Failure> {
		let (_, connection) = connect(context).await?;
		let view = connection.best().await?;
		let terms = view.terms().await?;
		let mut orders = view.orders().await?;
		if self.mine {
			let who = keys::address(context)?;
			orders.retain(|order| order.tenant == who);
		}
		let json: Vec<_> = orders
			.iter()
			.map(|order| {
				json!({
					"order": order.id, "tenant": order.tenant.to_string(), "kind": kind(order),
					"cpu_millis": order.resources.cpu, "memory_mib": order.resources.memory,
					"storage_mib": order.resources.ephemeral, "max_rate": order.max_rate.to_string(),
					"leases": order.leases, "bids": order.bids.len(), "by_hand": order.manual,
					"bidding_ends": order.bidding_ends,
				})
			})
			.collect();
		let now = view.number();
		context.out.result(json!(json), || {
			if orders.is_empty() {
				return "no order is open".into();
			}
			let rows = orders.iter().map(|order| {
				let left = order.bidding_ends.saturating_sub(now);
				vec![
					order.id.to_string(),
					kind(order).into(),
					order.resources.cpu.to_string(),
					order.resources.memory.to_string(),
					order.resources.ephemeral.to_string(),
					an_hour(order.max_rate, &terms),
					order.bids.len().to_string(),
					units::blocks_as_time(left, terms.slot_millis),
					order.tenant.to_string(),
				]
			});
			let header = [
				"ORDER",
				"KIND",
				"CPU (m)",
				"MiB",
				"DISK MiB",
				"AT MOST, AN HOUR",
				"BIDS",
				"ENDS IN",
				"TENANT",
			];
			table(&header, rows.collect())
		});
		Ok(())
	}
}

fn an_hour(rate: u128, terms: &Terms) -> String {
	units::lease(units::hourly(rate, terms.slot_millis))
}

#[derive(Debug, Args)]
pub struct Bids {
	/// Number of the open order.
	order: u64,
}

/// A bid, as it stands among the others.
struct Standing {
	provider: u32,
	rate: u128,
	/// Why it could not have the lease now.
	lacks: Vec<String>,
	why: String,
}

/// Why a bid stands before the next one.
fn before(rate: u128, next: Option<u128>) -> &'static str {
	match next {
		None => "the only one left",
		Some(next) if rate < next => "it asks for less than the next",
		Some(next) if rate == next => {
			"it asks for the same as the next, and its score is better or it came first"
		}
		Some(_) => "it asks for a little more than the next, which its better score makes up for",
	}
}

/// The bids of an order, best first, by what the chain would say of them now.
fn standings(order: &OpenOrder, providers: &[Provider], terms: &Terms) -> Vec<Standing> {
	let mut all: Vec<_> = order
		.bids
		.iter()
		.map(|(id, rate)| {
			let slice = terms.slice(*rate, order.max_rate);
			let provider = providers.iter().find(|one| one.id == *id);
			let lacks = provider
				.map(|one| one.lacks_in_words(&order.resources, &order.attributes, slice, terms));
			Standing {
				provider: *id,
				rate: *rate,
				lacks: lacks.unwrap_or_else(|| vec!["it is not registered any more".into()]),
				why: String::new(),
			}
		})
		.collect();
	let mut wins = usize::from(order.leases.max(1));
	let rates: Vec<_> = all
		.iter()
		.map(|one| (one.lacks.is_empty(), one.rate))
		.collect();
	for (n, one) in all.iter_mut().enumerate() {
		let behind = rates.iter().skip(n.saturating_add(1));
		let next = behind
			.filter(|(able, _)| *able)
			.map(|(_, rate)| *rate)
			.next();
		one.why = match (one.lacks.is_empty(), order.manual, wins) {
			(false, ..) => format!("cannot have it: {}", one.lacks.join("; ")),
			(true, true, _) => "may be picked: the tenant chooses by hand".into(),
			(true, false, 0) => "would not win: others are before it".into(),
			(true, false, _) => {
				wins = wins.saturating_sub(1);
				format!("would win: {}", before(one.rate, next))
			}
		};
	}
	all
}

impl Bids {
	pub async fn run(self, context: &Context) -> Result<(), Failure> {
		let (_, connection) = connect(context).await?;
		let view = connection.best().await?;
		let id = self.order;
		let order = match view.order(id).await? {
			OrderNow::Open(order) => order,
			OrderNow::Gone => {
				let what = format!("order {id} is not open any more");
				return Err(Failure::new(
					5,
					what,
					"`leasehold leases --all` shows what came of yours.",
				));
			}
			OrderNow::Unknown => {
				let what = format!("there is no order {id}");
				return Err(Failure::new(
					5,
					what,
					"`leasehold orders` lists those that are open.",
				));
			}
		};
		let terms = view.terms().await?;
		let all = standings(&order, &view.providers().await?, &terms);
		let json: Vec<_> = all
			.iter()
			.map(|one| {
				json!({
					"provider": one.provider, "rate": one.rate.to_string(), "lacks": one.lacks, "why": one.why,
				})
			})
			.collect();
		let left = order.bidding_ends.saturating_sub(view.number());
		let json = json!({
			"order": id, "bidding_ends": order.bidding_ends, "max_rate": order.max_rate.to_string(), "bids": json,
		});
		context.out.result(json, || {
			let left = units::blocks_as_time(left, terms.slot_millis);
			let ends = format!("bidding ends in block {}, in {left}", order.bidding_ends);
			if all.is_empty() {
				return format!("no bids on order {id} yet; {ends}");
			}
			let rows = all.iter().map(|one| {
				vec![
					one.provider.to_string(),
					units::lease(one.rate),
					an_hour(one.rate, &terms),
					one.why.clone(),
				]
			});
			let header = ["PROVIDER", "A BLOCK", "AN HOUR", ""];
			format!("{}\n{ends}", table(&header, rows.collect()))
		});
		Ok(())
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn it_is_said_why_a_bid_stands_before_the_next() {
		assert!(before(5, None).contains("only"));
		assert!(before(5, Some(6)).contains("less"));
		assert!(before(5, Some(5)).contains("same"));
		assert!(before(6, Some(5)).contains("score"));
	}
}
