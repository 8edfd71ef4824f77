//! Bidding, after reserving what a won order would take.

use crate::daemon::Shared;
use leasehold_client::{
	units,
	view::{OpenOrder, OrderNow, Provider, Terms, View},
	Call, WorkloadKind,
};
use leasehold_manifest::sdl;
use serde::Serialize;
use serde_json::{json, Value};
use std::{
	collections::{BTreeMap, BTreeSet},
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
	let (standing, others): (Vec<_>, Vec<_>) = orders.iter().partition(|order| {
		order.bid_of(shared.provider).is_some() || shared.is_under_way(&name(order.id), now)
	});
	// What standing bids would take if they all won.
	for order in standing {
		if let Some(sum) = me.reserved.checked_add(&order.resources) {
			me.reserved = sum;
		}
		let ours = order.bid_of(shared.provider);
		let rate = ours.map_or(order.max_rate, |(_, rate)| rate);
		let slice = terms.slice(rate, order.max_rate);
		me.slices = me.slices.saturating_add(slice);
	}
	let (no_containers, no_services) = shared.cannot_run();
	let biddable = match others.is_empty() {
		true => BTreeSet::new(),
		false => best.biddable(shared.provider).await?,
	};
	for order in others {
		if now.saturating_add(1) >= order.bidding_ends {
			continue;
		}
		let quote = match can_run(order, no_containers.as_deref(), no_services.as_deref()) {
			Ok(()) => shared.pricing.quote(shared, order, &terms, now),
			Err(why) => Some(Err(why)),
		};
		// The answer wakes the loop.
		let Some(quote) = quote else { continue };
		let decided = quote.and_then(|rate| decide(order, &me, rate, &terms));
		let no_room = || shared.has_no_room(&order.resources);
		let ruled_out = || {
			let why = "the chain takes no bid of ours: the order's auditors, its least score or whom we serve rule us out, or too \
			           many bids of ours are open";
			(!biddable.contains(&order.id)).then(|| why.to_owned())
		};
		let decided = decided.and_then(|asked| ruled_out().map_or(Ok(asked), Err));
		let why = match decided.and_then(|asked| no_room().map_or(Ok(asked), Err)) {
			Ok(asked) => {
				let call = Call::PlaceBid {
					order: order.id,
					rate: asked.rate,
				};
				if shared.tell(name(order.id), now, call) {
					if let Some(sum) = me.reserved.checked_add(&order.resources) {
						me.reserved = sum;
					}
					me.slices = me.slices.saturating_add(asked.slice);
					let rate = asked.rate;
					tracing::info!(order = order.id, rate = units::lease(rate), "bidding");
					shared.decisions.note(order.id, now, Decision::Bid { rate });
				}
				continue;
			}
			Err(why) => why,
		};
		let decision = Decision::Passed { why: why.clone() };
		if shared.decisions.note(order.id, now, decision) {
			tracing::info!(order = order.id, why, "not bidding");
		}
	}
	Ok(())
}

/// A bid that is worth placing, planck.
#[derive(Debug, PartialEq, Eq)]
struct Asked {
	rate: u128,
	/// Of the bond, should it win.
	slice: u128,
}

/// Whether this daemon runs what is ordered, if containers cannot run for the one reason, and services for the other.
fn can_run(
	order: &OpenOrder,
	no_containers: Option<&str>,
	no_services: Option<&str>,
) -> Result<(), String> {
	let container = order
		.attributes
		.iter()
		.any(|attribute| attribute.key.as_slice() == sdl::CONTAINER.as_bytes());
	if let (true, Some(why)) = (container, no_containers) {
		return Err(format!("containers cannot run: {why}"));
	}
	match (order.kind, container, no_services) {
		(WorkloadKind::Service, true, Some(why)) => Err(format!("services cannot run: {why}")),
		_ => Ok(()),
	}
}

/// What to bid on an order, or why not to.
fn decide(order: &OpenOrder, me: &Provider, rate: u128, terms: &Terms) -> Result<Asked, String> {
	if rate > order.max_rate {
		return Err(format!(
			"our price of {} a block is above its ceiling of {}",
			units::lease(rate),
			units::lease(order.max_rate)
		));
	}
	let slice = terms.slice(rate, order.max_rate);
	let lacks = me.lacks_in_words(&order.resources, &order.attributes, slice, terms);
	if !lacks.is_empty() {
		return Err(format!("we lack {}", lacks.join("; ")));
	}
	Ok(Asked { rate, slice })
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

/// Where an open order stands; null if it is not open any more, `"unknown"` if it never was.
async fn stand(shared: &Shared, order: u64) -> anyhow::Result<Value> {
	let best = shared.chain.connection().await?.best().await?;
	let open = match best.order(order).await? {
		OrderNow::Open(open) => open,
		OrderNow::Gone => return Ok(Value::Null),
		OrderNow::Unknown => return Ok("unknown".into()),
	};
	let place = open.bid_of(shared.provider).map(|(place, _)| place);
	Ok(json!({
		"now": best.number(),
		"bidding_ends": open.bidding_ends,
		"bids": open.bids.len(),
		"place": place.map(|place| place.saturating_add(1)),
	}))
}

#[cfg(test)]
mod tests {
	use super::*;
	use leasehold_client::{AccountId32, Attribute, Resources};

	const TERMS: Terms = Terms {
		heartbeat_period: 10,
		heartbeat_grace: 15,
		pause_after: 20,
		manifest_deadline: 100,
		min_bond: 1_000,
		start_deadline: 200,
		min_bidding: 2,
		max_bidding: 100,
		max_duration: 1_000_000,
		bid_lock: 1,
		low_funds: 20,
		record_deposit: 1,
		compensation_blocks: 1_200,
		max_slice: u128::MAX,
		min_funded_blocks: 1,
		storage_rate: 0,
		suspension_period: 1,
		fee: 0,
		slot_millis: 3_600_000,
		existential_deposit: 1,
	};

	fn cores(cpu: u32) -> Resources {
		Resources {
			cpu,
			..Default::default()
		}
	}

	fn provider(bond: u128, slices: u128) -> Provider {
		Provider {
			id: 7,
			owner: AccountId32([1; 32]),
			operator: AccountId32([2; 32]),
			accepting: true,
			absent_from: None,
			unbonding_until: None,
			bond,
			slices,
			leases: 0,
			reserved: cores(0),
			capacity: Resources {
				unit_cpu: 4_000,
				..cores(4_000)
			},
			attributes: Vec::new(),
			gateways: Vec::new(),
			tls_keys: Vec::new(),
			sealing_key: None,
		}
	}

	fn order(max_rate: u128) -> OpenOrder {
		OpenOrder {
			id: 1,
			tenant: AccountId32([3; 32]),
			access: AccountId32([3; 32]),
			manifest_hash: [0; 32],
			kind: WorkloadKind::Job,
			resources: cores(100),
			attributes: Vec::new(),
			max_rate,
			min_score: 0,
			max_duration: 100,
			deposit: 1,
			cancel_fee: 0,
			leases: 1,
			at_least: 1,
			manual: false,
			bidding_ends: 10,
			bids: Vec::new(),
		}
	}

	#[test]
	fn a_bid_must_fit_into_the_free_bond_at_the_orders_ceiling_too() {
		// At its own rate it takes 120,000 of the bond.
		let asked = |slice| Ok(Asked { rate: 100, slice });
		let decide = |order: &OpenOrder, bond, slices| {
			super::decide(order, &provider(bond, slices), 100, &TERMS)
		};
		assert_eq!(decide(&order(100), 120_000, 0), asked(120_000));
		assert_eq!(decide(&order(600), 120_000, 0), asked(120_000));
		// At a ceiling of 1,000 the wait for a start is worth more.
		assert_eq!(decide(&order(1_000), 200_000, 0), asked(200_000));
		let short = decide(&order(1_000), 199_999, 0).unwrap_err();
		assert!(short.starts_with("we lack bond: "), "{short}");
		let taken = decide(&order(1_000), 300_000, 100_001).unwrap_err();
		assert!(taken.starts_with("we lack bond: "), "{taken}");
	}

	#[test]
	fn a_bid_is_not_placed_in_vain() {
		let decide = |order: &OpenOrder| {
			super::decide(order, &provider(u128::MAX, 0), 100, &TERMS).unwrap_err()
		};
		assert!(decide(&order(99)).contains("above its ceiling"));
		let mut large = order(u128::MAX);
		large.resources = cores(4_001);
		assert!(decide(&large).contains("CPU"), "{}", decide(&large));
	}

	#[test]
	fn only_what_can_be_run_is_bid_on() {
		let mut container = order(100);
		container.attributes.push(Attribute {
			key: sdl::CONTAINER.as_bytes().to_vec().try_into().unwrap(),
			value: b"true".to_vec().try_into().unwrap(),
		});
		let (engine, open) = (Some("no answer"), Some("a hole"));
		assert_eq!(can_run(&container, None, open), Ok(()));
		let why = can_run(&container, engine, None).unwrap_err();
		assert!(why.contains("no answer"), "{why}");
		assert_eq!(can_run(&order(100), engine, open), Ok(()));
		let mut module = order(100);
		(module.kind, container.kind) = (WorkloadKind::Service, WorkloadKind::Service);
		assert_eq!(can_run(&container, None, None), Ok(()));
		let why = can_run(&container, None, open).unwrap_err();
		assert!(why.contains("a hole"), "{why}");
		assert_eq!(can_run(&module, engine, open), Ok(()));
	}
}
