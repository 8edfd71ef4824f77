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
	view::{Bid, OpenOrder, OrderNow, Terms},
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

/// Why a bid stands before the next one that could win.
fn before(bid: &Bid, next: Option<&Bid>) -> &'static str {
	match next {
		None => "no other is left",
		Some(next) if bid.rate < next.rate => "it asks for less than the next",
		Some(next) if bid.rate == next.rate && bid.rank == next.rank => {
			"it asks for the same as the next, and came first"
		}
		Some(next) if bid.rate == next.rate => {
			"it asks for the same as the next, and its score is better"
		}
		Some(_) => "it asks for a little more than the next, which its better score makes up for",
	}
}

/// What is to be said of each bid.
fn said(order: &OpenOrder, bids: &[Bid], lacks: impl Fn(&Bid) -> Option<String>) -> Vec<String> {
	let filled = bids.iter().any(|bid| bid.leases > 0);
	let said = bids.iter().enumerate().map(|(n, bid)| {
		let mut behind = bids.iter().skip(n.saturating_add(1));
		let next = behind.find(|other| other.lacks.is_none() && other.leases == 0);
		match (lacks(bid), bid.leases, order.leases) {
			(Some(lacks), ..) => format!("cannot have it: {lacks}"),
			(None, ..) if order.manual => "may be picked: the tenant chooses by hand".into(),
			(None, 0, _) if filled => "would not win: others are before it".into(),
			(None, 0, _) => format!(
				"would not win: as these bids stand they do not fill the order, which asks for at least {} leases",
				order.at_least
			),
			(None, _, 1) => format!("would win: {}", before(bid, next)),
			(None, won, all) => format!("would win {won} of {all} leases: {}", before(bid, next)),
		}
	});
	said.collect()
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
		let all = view.bids(id).await?.unwrap_or_default();
		let lacks = |bid: &Bid| {
			let provider = providers.iter().find(|one| one.id == bid.provider);
			let slice = terms.slice(bid.rate, order.max_rate);
			let said = |lacks| match provider {
				Some(one) => one.in_words(lacks, &order.resources, &order.attributes, slice),
				None => "it is not registered any more".into(),
			};
			bid.lacks.map(said)
		};
		let why = said(&order, &all, lacks);
		let json: Vec<_> = all
			.iter()
			.zip(&why)
			.map(|(bid, why)| {
				json!({
					"provider": bid.provider, "rate": bid.rate.to_string(), "score": bid.score,
					"rank": bid.rank.to_string(),					"lacks": Vec::from_iter(lacks(bid)), "leases": bid.leases, "why": why,
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
			let rows = all.iter().zip(&why).map(|(bid, why)| {
				vec![
					bid.provider.to_string(),
					units::lease(bid.rate),
					an_hour(bid.rate, &terms),
					format!("{} %", bid.score / 10_000_000),
					bid.rank.to_string(),
					why.clone(),
				]
			});
			let header = ["PROVIDER", "A BLOCK", "AN HOUR", "SCORE", "RANK", ""];
			format!("{}\n{ends}", table(&header, rows.collect()))
		});
		Ok(())
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use leasehold_client::Requirement;

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
			cancel_fee: 0,
			leases,
			at_least: leases,
			manual,
			bidding_ends: 9,
			bids: Vec::new(),
		}
	}

	/// (rate, rank, leases, whether it lacks something)
	fn why(order: &OpenOrder, bids: &[(u128, u128, u8, bool)]) -> Vec<String> {
		let bids = bids.iter().map(|&(rate, rank, leases, lacks)| Bid {
			provider: 7,
			rate,
			score: 0,
			rank,
			lacks: lacks.then_some(Requirement::Cpu),
			leases,
		});
		let bids: Vec<_> = bids.collect();
		said(order, &bids, |bid| bid.lacks.map(|_| "CPU".into()))
	}

	#[test]
	fn who_wins_is_told_and_why() {
		let one = order(1, false);
		let all = [
			(4, 4, 0, true),
			(5, 5, 1, false),
			(6, 6, 0, true),
			(7, 7, 0, false),
		];
		let all = why(&one, &all);
		assert_eq!(all[0], "cannot have it: CPU");
		assert_eq!(all[1], "would win: it asks for less than the next");
		assert_eq!(all[2], "cannot have it: CPU");
		assert!(all[3].starts_with("would not win: others"), "{all:?}");
		let first = |bids: &[_]| why(&one, bids).remove(0);
		assert!(first(&[(5, 5, 1, false)]).ends_with("no other is left"));
		assert!(first(&[(5, 5, 1, false), (5, 5, 0, false)]).ends_with("came first"));
		assert!(first(&[(5, 4, 1, false), (5, 5, 0, false)]).ends_with("its score is better"));
		assert!(first(&[(6, 4, 1, false), (5, 5, 0, false)]).ends_with("makes up for"));
		let several = why(&order(3, false), &[(4, 4, 2, false), (5, 5, 1, false)]);
		assert!(
			several[0].starts_with("would win 2 of 3 leases"),
			"{several:?}"
		);
		assert!(
			several[1].starts_with("would win 1 of 3 leases"),
			"{several:?}"
		);
		let too_few = why(&order(3, false), &[(4, 4, 0, false)]);
		assert!(too_few[0].contains("at least 3 leases"), "{too_few:?}");
		let by_hand = why(&order(1, true), &[(4, 4, 0, false), (5, 5, 0, true)]);
		assert!(by_hand[0].starts_with("may be picked"), "{by_hand:?}");
		assert!(by_hand[1].starts_with("cannot have it"), "{by_hand:?}");
	}
}
