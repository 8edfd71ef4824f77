//! Bidding by price sheet, after reserving what a won order would take.

use crate::daemon::Shared;
use leasehold_client::{units, view::View, Call, WorkloadKind};
use std::{collections::BTreeSet, sync::Arc};

/// What has been decided about orders.
#[derive(Default)]
pub struct Bidding {
	/// Orders that were looked at and not bid on, so that each is mentioned once.
	passed_over: BTreeSet<u64>,
}

impl Bidding {
	/// Bids on what fits.
	pub async fn turn(&mut self, shared: &Arc<Shared>, best: &View) -> anyhow::Result<()> {
		let orders = best.orders().await?;
		self.passed_over
			.retain(|id| orders.iter().any(|order| order.id == *id));
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
			let bid = order
				.bids
				.iter()
				.any(|(provider, _)| *provider == shared.provider);
			if bid || shared.is_under_way(&name(order.id), now) {
				if let Some(sum) = me.reserved.checked_add(&order.resources) {
					me.reserved = sum;
				}
				let ours = order.bids.iter().find(|(id, _)| *id == shared.provider);
				let rate = ours.map_or(order.max_rate, |(_, rate)| *rate);
				me.slices = me.slices.saturating_add(terms.slice(rate));
			}
		}
		for order in &orders {
			let bid = order
				.bids
				.iter()
				.any(|(provider, _)| *provider == shared.provider);
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
					let lacks =
						me.lacks_in_words(&order.resources, &order.attributes, rate, &terms);
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
						}
						None
					} else {
						Some(format!("we lack {}", lacks.join("; ")))
					}
				}
			};
			if let Some(why) = why_not {
				if self.passed_over.insert(order.id) {
					tracing::info!(order = order.id, why, "not bidding");
				}
			}
		}
		Ok(())
	}
}
