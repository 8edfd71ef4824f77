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
	/// What keeps it from having the lease, as far as that is known.
	lacks: Vec<String>,
	why: String,
}

/// Why a bid stands before the next one.
fn before(rate: u128, next: Option<u128>) -> &'static str {
	match next {
		None => "no other is left",
		Some(next) if rate < next => "it asks for less than the next",
		Some(next) if rate == next => {
			"it asks for the same as the next, and its score is better or it came first"
		}
		Some(_) => "it asks for a little more than the next, which its better score makes up for",
	}
}

/// Bids in the chain's order, each with its rate and what it lacks, and what is to be said of them.
fn standings(order: &OpenOrder, bids: Vec<(u32, u128, Vec<String>)>) -> Vec<Standing> {
	let able: Vec<_> = bids
		.iter()
		.map(|(_, rate, lacks)| (lacks.is_empty(), *rate))
		.collect();
	let first = able.iter().position(|(able, _)| *able);
	let said = bids
		.into_iter()
		.enumerate()
		.map(|(n, (provider, rate, lacks))| {
			let mut behind = able.iter().skip(n.saturating_add(1));
			let next = behind.find(|(able, _)| *able).map(|(_, rate)| *rate);
			let why = match (lacks.is_empty(), order.manual, order.leases) {
				(false, ..) => format!("cannot have it: {}", lacks.join("; ")),
				(true, true, _) => "may be picked: the tenant chooses by hand".into(),
				(true, false, 0..=1) if first == Some(n) => {
					format!("would win: {}", before(rate, next))
				}
				(true, false, 0..=1) => "would not win: another is before it".into(),
				(true, false, leases) if first == Some(n) => {
					format!(
						"would win first, of {leases} leases: {}",
						before(rate, next)
					)
				}
				(true, false, leases) => {
					format!("may win one of {leases} leases, after those before it")
				}
			};
			Standing {
				provider,
				rate,
				lacks,
				why,
			}
		});
	said.collect()
}

/// What keeps a bidder from having the order's lease, in words.
fn lacks(order: &OpenOrder, provider: Option<&Provider>, rate: u128, terms: &Terms) -> Vec<String> {
	let Some(provider) = provider else {
		return vec!["it is not registered any more".into()];
	};
	let slice = terms.slice(rate, order.max_rate);
	// A bid stands although its provider takes no others, unless it leaves.
	let standing = Provider {
		accepting: provider.unbonding_until.is_none(),
		..provider.clone()
	};
	standing.lacks_in_words(&order.resources, &order.attributes, slice, terms)
}

impl Bids {
	pub async fn run(self, context: &Context) -> Result<(), Failure> {
		let (_, connection) = connect(context).await?;
		let view = connection.best().await?;
		let id = self.order;
		let order =
			match view.order(id).await? {
				OrderNow::Open(order) => order,
				OrderNow::Gone => {
					let what = format!("order {id} is not open any more");
					return Err(Failure::new(
					5,
					what,
					format!("`leasehold deploy --resume {id}` says what came of it, if it is yours."),
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
		let providers = view.providers().await?;
		let bids = order.bids.iter().map(|(id, rate)| {
			let provider = providers.iter().find(|one| one.id == *id);
			(*id, *rate, lacks(&order, provider, *rate, &terms))
		});
		let all = standings(&order, bids.collect());
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
			let aside =
				"attestations, a least score and whom a provider serves are not looked at here";
			format!("{}\n{ends}; {aside}", table(&header, rows.collect()))
		});
		Ok(())
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	fn order(leases: u8, manual: bool) -> OpenOrder {
		OpenOrder {
			id: 1,
			tenant: leasehold_client::AccountId32([1; 32]),
			access: leasehold_client::AccountId32([1; 32]),
			manifest_hash: [0; 32],
			kind: WorkloadKind::Job,
			resources: Default::default(),
			attributes: Vec::new(),
			max_rate: 10,
			min_score: 0,
			max_duration: 1,
			deposit: 1,
			leases,
			manual,
			bidding_ends: 9,
			bids: Vec::new(),
		}
	}

	fn said(order: &OpenOrder, bids: &[(u128, bool)]) -> Vec<String> {
		let bids = bids.iter().map(|(rate, able)| {
			let lacks = if *able {
				Vec::new()
			} else {
				vec!["CPU".to_owned()]
			};
			(7, *rate, lacks)
		});
		let all = standings(order, bids.collect()).into_iter();
		all.map(|one| one.why).collect()
	}

	#[test]
	fn the_first_who_can_wins_and_it_is_said_why() {
		let one = order(1, false);
		let why = said(&one, &[(4, false), (5, true), (6, false), (7, true)]);
		assert!(why[0].starts_with("cannot have it: CPU"), "{why:?}");
		assert_eq!(why[1], "would win: it asks for less than the next");
		assert!(why[3].starts_with("would not win"), "{why:?}");
		assert!(said(&one, &[(5, true)])[0].ends_with("no other is left"));
		assert!(said(&one, &[(5, true), (5, true)])[0].contains("the same"));
		assert!(said(&one, &[(6, true), (5, true)])[0].contains("better score"));
		let several = said(&order(3, false), &[(4, true), (5, true)]);
		assert!(several[0].starts_with("would win first"), "{several:?}");
		assert!(several[1].starts_with("may win one of 3"), "{several:?}");
		let by_hand = said(&order(1, true), &[(4, true), (5, true)]);
		assert!(
			by_hand.iter().all(|why| why.starts_with("may be picked")),
			"{by_hand:?}"
		);
	}
}
