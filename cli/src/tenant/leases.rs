//! Leases of the account: list, close, revoke.

use super::{connect, state, submit, swept, unknown};
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
	view::{Closed, LeaseRecordNow, OrderNow, View},
	Call, ChainError, CloseReason,
};
use serde_json::json;

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
				true => String::new(),
				false => format!(
					" for a fee of {}: it has bids",
					units::lease(open.cancel_fee)
				),
			};
			if !self.yes {
				ask_at_terminal(&format!("take order {order} back{fee}?"), "not taken back")?;
			}
			context.out.waiting("taking the order back");
			let call = Call::CancelOrder { order };
			let receipt = submit(context, &chain, &pair, call, Wait::Finalized).await?;
			// It is taken back, whether or not it can be asked what that has cost.
			let fee = async {
				let at = chain.connection().await?.at(receipt.block.1).await?;
				View::from(at).cancel_fee(&receipt).await
			};
			let fee = fee.await.ok().flatten();
			let json = json!({
				"order": order, "state": "cancelled", "deposit": open.deposit.to_string(),
				"fee": fee.map(|fee| fee.to_string()), "block": receipt.block.0,
			});
			context.out.result(json, || {
				let fee = match fee {
					None => String::new(),
					Some(0) => ", without a fee".to_owned(),
					Some(fee) => format!(", for a fee of {}: there were bids", units::lease(fee)),
				};
				let deposit = units::lease(open.deposit);
				format!("order {order} is taken back{fee}; its deposit of {deposit} is free again")
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
				"lease {} is closed: {}, {} returned in all",
				closed.id,
				story::paid(closed.served_blocks, closed.paid),
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
