//! Bidding by price sheet, after reserving what a won order would take.

use crate::daemon::Shared;
use leasehold_client::{
	units,
	view::{OrderNow, View},
	Call, WorkloadKind,
};
use serde::Serialize;
use serde_json::{json, Value};
use std::{
	collections::BTreeMap,
	sync::{Arc, Mutex},
};

/// Orders whose decision is remembered.
const REMEMBERED: usize = 1_000;

/// What was decided about an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "decision", rename_all = "lowercase")]
pub enum Decision {
	/// Bid, at `rate` planck a block.
	Bid {
		#[serde(serialize_with = "as_text")]
		rate: u128,
	},
	/// Not bid on.
	Passed { why: String },
	/// The chain did not take the bid.
	Refused { why: String },
}

/// JSON's numbers are too small for planck.
fn as_text<S: serde::Serializer>(rate: &u128, to: S) -> Result<S::Ok, S::Error> {
	to.collect_str(rate)
}

/// A decision, and the block in which it was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Decided {
	pub block: u32,
	#[serde(flatten)]
	pub decision: Decision,
}

/// The newest decisions about orders.
#[derive(Default)]
pub struct Decisions(Mutex<BTreeMap<u64, Decided>>);

impl Decisions {
	/// Remembers a decision; whether it is another than before.
	pub fn note(&self, order: u64, block: u32, decision: Decision) -> bool {
		let Ok(mut all) = self.0.lock() else {
			return false;
		};
		if all.get(&order).is_some_and(|old| old.decision == decision) {
			return false;
		}
		all.insert(order, Decided { block, decision });
		while all.len() > REMEMBERED {
			all.pop_first();
		}
		true
	}

	/// What was decided about an order, if that is remembered.
	pub fn of(&self, order: u64) -> Option<Decided> {
		self.0.lock().ok()?.get(&order).cloned()
	}
}

/// Bids on what fits.
pub async fn turn(shared: &Arc<Shared>, best: &View) -> anyhow::Result<()> {
	let orders = best.orders().await?;
	if orders.is_empty() {
		return Ok(());
	}
	let Some(mut me) = best.provider(shared.provider).await? else {
		return Ok(());
	};
	let terms = best.terms().await?;
	let now = best.number();
	let name = |id: u64| format!("bid on order {id}");
	// What standing bids would take if they all won.
	for order in &orders {
		let ours = order.bid_of(shared.provider);
		if ours.is_some() || shared.is_under_way(&name(order.id), now) {
			if let Some(sum) = me.reserved.checked_add(&order.resources) {
				me.reserved = sum;
			}
			let rate = ours.map_or(order.max_rate, |(_, rate)| rate);
			me.slices = me.slices.saturating_add(terms.slice(rate));
		}
	}
	for order in &orders {
		let bid = order.bid_of(shared.provider).is_some();
		if bid || now.saturating_add(1) >= order.bidding_ends {
			continue;
		}
		let why_not = match shared.prices.rate(&order.resources, terms.slot_millis) {
			_ if order.kind != WorkloadKind::Job => Some("this daemon runs jobs only".into()),
			None => Some("its price overflows".into()),
			Some(rate) if rate > order.max_rate => Some(format!(
				"our price of {} a block is above its ceiling of {}",
				units::lease(rate),
				units::lease(order.max_rate)
			)),
			Some(rate) => {
				let lacks = me.lacks_in_words(&order.resources, &order.attributes, rate, &terms);
				if lacks.is_empty() {
					let call = Call::PlaceBid {
						order: order.id,
						rate,
					};
					if shared.tell(name(order.id), now, call) {
						if let Some(sum) = me.reserved.checked_add(&order.resources) {
							me.reserved = sum;
						}
						me.slices = me.slices.saturating_add(terms.slice(rate));
						tracing::info!(order = order.id, rate = units::lease(rate), "bidding");
						shared.decisions.note(order.id, now, Decision::Bid { rate });
					}
					None
				} else {
					Some(format!("we lack {}", lacks.join("; ")))
				}
			}
		};
		if let Some(why) = why_not {
			let decision = Decision::Passed { why: why.clone() };
			if shared.decisions.note(order.id, now, decision) {
				tracing::info!(order = order.id, why, "not bidding");
			}
		}
	}
	Ok(())
}

/// What is to be said about an order: what was decided, and where the order stands now, if the chain can be
/// asked.
pub async fn explain(shared: &Shared, order: u64) -> Value {
	let (open, unasked) = match stand(shared, order).await {
		Ok(open) => (open, None),
		Err(error) => (Value::Null, Some(format!("{error:#}"))),
	};
	json!({
		"order": order,
		"decided": shared.decisions.of(order),
		"open": open,
		"unasked": unasked,
	})
}

/// Where an open order stands; null if it is not open.
async fn stand(shared: &Shared, order: u64) -> anyhow::Result<Value> {
	let best = shared.chain.connection().await?.best().await?;
	let OrderNow::Open(open) = best.order(order).await? else {
		return Ok(Value::Null);
	};
	let place = open.bid_of(shared.provider).map(|(place, _)| place);
	Ok(json!({
		"now": best.number(),
		"biddingEnds": open.bidding_ends,
		"bids": open.bids.len(),
		"place": place.map(|place| place.saturating_add(1)),
	}))
}
