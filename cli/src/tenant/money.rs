//! Money into a lease, and out of it.

use super::{connect, ensure_funds, open_lease, state, submit};
use crate::{
	deploy::{confirm, FEES},
	keys,
	output::Failure,
	Context,
};
use clap::Args;
use leasehold_client::{
	keystore,
	signer::Wait,
	units,
	view::{Accrues, OpenLease, State, Terms},
	Call, Chain, Keypair,
};
use serde_json::json;
use std::time::Duration;

#[derive(Debug, Args)]
pub struct TopUp {
	/// Number of the lease.
	lease: u64,
	/// LEASE, as `12.5`.
	#[arg(required_unless_present = "until")]
	amount: Option<String>,
	/// As much as the lease lacks to last so long from now, as `12h` or `30d`.
	#[arg(long, value_name = "TIME", conflicts_with = "amount", value_parser = crate::deploy::duration)]
	until: Option<Duration>,
	/// Do not ask before spending.
	#[arg(long, short)]
	yes: bool,
}

/// Blocks by which a dry lease is given more than it needs to resume: it goes on paying for its storage meanwhile.
const MARGIN: u32 = 50;

/// What a lease lacks to be paid for so many blocks from `now` on, but not beyond its term.
#[derive(Debug, PartialEq, Eq)]
struct Lack {
	/// Planck.
	amount: u128,
	/// The block in which it ends in any case, if that comes first.
	ends: Option<u32>,
}

/// `None`: it overflows, or has not started.
fn lacking(lease: &OpenLease, now: u32, blocks: u32, min_funded: u32) -> Option<Lack> {
	let term_end = match lease.state {
		State::Starting { .. } => return None,
		State::Active { term_end } | State::Suspended { term_end, .. } => term_end,
	};
	let wanted = now.checked_add(blocks)?;
	// Its provider may have given notice.
	let end = lease.reclaim_at.map_or(term_end, |at| at.min(term_end));
	let ends = (wanted > end).then_some(end);
	let blocks = wanted.min(end).saturating_sub(now);
	let (blocks, owed) = match (lease.is_dry(), lease.accrual) {
		(true, Accrues::Storage(_, base, deadline)) => {
			let since = now.min(deadline).saturating_sub(base);
			let owed = lease.storage_rate.checked_mul(since.into())?;
			(blocks.max(min_funded.saturating_add(MARGIN)), owed)
		}
		(_, Accrues::Rate(_, base, deadline)) => {
			let since = now.min(deadline).saturating_sub(base);
			(blocks, lease.rate.checked_mul(since.into())?)
		}
		_ => (blocks, 0),
	};
	let needed = lease.rate.checked_mul(blocks.into())?;
	let needed = needed.checked_add(lease.reserve)?.checked_add(owed)?;
	Some(Lack {
		amount: needed.saturating_sub(lease.held),
		ends,
	})
}

/// Planck of an amount that is more than nothing.
fn amount_of(text: &str) -> Result<u128, Failure> {
	match units::parse_amount(text) {
		Ok(0) => Err(Failure::new(2, "nothing would be moved", "Name an amount.")),
		amount => amount.map_err(|why| Failure::new(2, why, "")),
	}
}

impl TopUp {
	/// Planck, and what is to be said of it.
	fn amount(
		&self,
		lease: &OpenLease,
		now: u32,
		terms: &Terms,
	) -> Result<(u128, Option<String>), Failure> {
		let lack = |blocks| lacking(lease, now, blocks, terms.min_funded_blocks);
		if let Some(text) = &self.amount {
			let amount = amount_of(text)?;
			let needed = match lease.is_dry() {
				true => lack(0).map_or(0, |lack| lack.amount),
				false => 0,
			};
			let short = format!(
				"with less than {} more it may not resume",
				units::lease(needed)
			);
			return Ok((amount, (amount < needed).then_some(short)));
		}
		let time = self.until.unwrap_or_default();
		let slots = time
			.as_millis()
			.div_ceil(u128::from(terms.slot_millis.max(1)));
		let blocks = u32::try_from(slots).unwrap_or(u32::MAX);
		let Lack { amount, ends } = lack(blocks).ok_or_else(|| {
			let what = "the lease has not started, or the amount overflows";
			Failure::new(2, what, "Try again when it runs, or name a shorter time.")
		})?;
		let said = ends.map(|end| {
			format!("it ends before, in block {end}: no more than that can be paid for")
		});
		Ok((amount, said))
	}

	pub async fn run(self, context: &Context) -> Result<(), Failure> {
		let (chain, connection) = connect(context).await?;
		let pair = keys::account(context)?;
		let view = connection.best().await?;
		let (terms, now, id) = (view.terms().await?, view.number(), self.lease);
		let lease = open_lease(&view, id).await?;
		let (amount, said) = self.amount(&lease, now, &terms)?;
		let (name, until) = state(&lease);
		let lasts = units::blocks_as_time(until.saturating_sub(now), terms.slot_millis);
		if let Some(said) = said {
			context.out.stage(said);
		}
		if amount == 0 {
			let json = json!({ "lease": id, "amount": "0", "until": until });
			context.out.result(json, || {
				format!("lease {id} is {name} and lasts {lasts} as it is: nothing is needed")
			});
			return Ok(());
		}
		let who = keystore::account(&pair);
		let parts = [
			(amount, "to put on hold"),
			(FEES, "for fees"),
			(terms.existential_deposit, "that stay"),
		];
		ensure_funds(&view, &who, &parts).await?;
		let whose = match who == lease.tenant {
			true => String::new(),
			false => format!(", another's ({})", lease.tenant),
		};
		context.out.stage(format!(
			"lease {id}{whose} is {name}, until block {until} (about {lasts}); {} more are put on hold on your account; \
			 what is not spent comes back",
			units::lease(amount)
		));
		if !self.yes {
			confirm("top up?", "not topped up")?;
		}
		context.out.waiting("topping up");
		let call = Call::Deposit { lease: id, amount };
		moved(context, &chain, &pair, call, (id, amount)).await
	}
}

/// Moves money into a lease or out of it, and shows how long that lasts then.
async fn moved(
	context: &Context,
	chain: &Chain,
	pair: &Keypair,
	call: Call,
	(id, amount): (u64, u128),
) -> Result<(), Failure> {
	let receipt = submit(context, chain, pair, call, Wait::Finalized).await?;
	let view = chain.connection().await?.finalized().await?;
	let (terms, lease) = (view.terms().await?, open_lease(&view, id).await?);
	let (name, until) = state(&lease);
	let left = until.saturating_sub(view.number());
	let json = json!({
		"lease": id, "amount": amount.to_string(), "block": receipt.block.0, "state": name,
		"until": until, "held": lease.held.to_string(),
	});
	context.out.result(json, || {
		format!(
			"lease {id} is {name} until block {until} (about {}); {} held",
			units::blocks_as_time(left, terms.slot_millis),
			units::lease(lease.held)
		)
	});
	Ok(())
}

#[derive(Debug, Args)]
pub struct Withdraw {
	/// Number of the lease.
	lease: u64,
	/// LEASE, as `12.5`: of what this account has put in, and is not needed for reserve and notice.
	amount: String,
}

impl Withdraw {
	pub async fn run(self, context: &Context) -> Result<(), Failure> {
		let amount = amount_of(&self.amount)?;
		let (chain, connection) = connect(context).await?;
		let pair = keys::account(context)?;
		let id = self.lease;
		let view = connection.best().await?;
		let lease = open_lease(&view, id).await?;
		let served = view.served(lease.provider).await?;
		let free = lease.withdrawable(&keystore::account(&pair), served);
		let who = keystore::account(&pair);
		if lease.funders.iter().all(|(funder, _)| *funder != who) {
			let what = format!("{who} has put nothing into lease {id}");
			return Err(Failure::new(
				5,
				what,
				"Use the account that has: --account.",
			));
		}
		if amount > free {
			let what = format!(
				"{} of lease {id} can be taken out by this account at present, not {}",
				units::lease(free),
				units::lease(amount)
			);
			let advice = "The rest is owed, or kept for the reserve and the notice; it comes back when the lease is closed.";
			return Err(Failure::new(5, what, advice));
		}
		context.out.waiting("taking it out");
		let call = Call::Withdraw { lease: id, amount };
		moved(context, &chain, &pair, call, (id, amount)).await
	}
}

#[derive(Debug, Args)]
pub struct Refill {
	/// Number of the lease.
	lease: u64,
	/// LEASE that are taken from the account whenever the lease runs low; how much that is at least goes by its rate.
	#[arg(long, value_name = "LEASE", required_unless_present = "off")]
	amount: Option<String>,
	/// LEASE that may be taken in all.
	#[arg(long, value_name = "LEASE", required_unless_present = "off")]
	budget: Option<String>,
	/// Take no more.
	#[arg(long, conflicts_with_all = ["amount", "budget"])]
	off: bool,
	/// Do not ask before agreeing.
	#[arg(long, short)]
	yes: bool,
}

impl Refill {
	pub async fn run(self, context: &Context) -> Result<(), Failure> {
		let planck = |text: &Option<String>| {
			let amount = units::parse_amount(text.as_deref().unwrap_or_default());
			amount.map_err(|why| Failure::new(2, why, ""))
		};
		let refill = match self.off {
			true => None,
			false => Some((planck(&self.amount)?, planck(&self.budget)?)),
		};
		if refill.is_some_and(|(amount, budget)| budget < amount) {
			let what = "less may be taken in all than at a time";
			return Err(Failure::new(2, what, "Raise --budget, or lower --amount."));
		}
		let (chain, connection) = connect(context).await?;
		let pair = keys::account(context)?;
		let id = self.lease;
		let view = connection.best().await?;
		let lease = open_lease(&view, id).await?;
		let least = view.terms().await?.minimal_refill(lease.rate);
		if refill.is_some_and(|(amount, _)| amount < least) {
			let least = units::lease(least);
			let what =
				format!("lease {id} takes no less than {least} at a time: that is gone too soon");
			return Err(Failure::new(2, what, "Raise --amount."));
		}
		let said = match refill {
			Some((amount, budget)) => format!(
				"whenever lease {id} runs low {} are taken from your account, or more if it needs more, and {} in all at \
				 most",
				units::lease(amount),
				units::lease(budget)
			),
			None => format!("nothing more is taken from your account for lease {id}"),
		};
		if refill.is_some() && !self.yes {
			context.out.stage(&said);
			confirm("agree?", "not agreed")?;
		}
		context.out.waiting("telling the chain");
		let call = Call::SetRefill { lease: id, refill };
		let receipt = submit(context, &chain, &pair, call, Wait::Finalized).await?;
		let json = json!({
			"lease": id, "block": receipt.block.0,
			"amount": refill.map(|(amount, _)| amount.to_string()),
			"budget": refill.map(|(_, budget)| budget.to_string()),
		});
		context.out.result(json, || match (lease.is_dry(), refill) {
			(true, Some(_)) => format!(
				"{said}\nit has run dry: `leasehold top-up {id} --until 12h` brings it up at once, a refill within an hour"
			),
			_ => said,
		});
		Ok(())
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use leasehold_client::{view::Suspension, AccountId32, Resources, WorkloadKind};

	fn lease(state: State, accrual: Accrues, held: u128) -> OpenLease {
		OpenLease {
			id: 1,
			order: 1,
			tenant: AccountId32([1; 32]),
			access: AccountId32([1; 32]),
			provider: 0,
			manifest_hash: [0; 32],
			kind: WorkloadKind::Service,
			taken: Resources::default(),
			state,
			reclaim_at: None,
			epoch: 0,
			rate: 100,
			storage_rate: 10,
			reserve: 5_000,
			held,
			fees: 0,
			paid: 0,
			served_blocks: 0,
			accrual,
			funders: vec![(AccountId32([1; 32]), held)],
			notice: 0,
			refill: None,
		}
	}

	fn amount(lease: &OpenLease, now: u32, blocks: u32) -> (u128, Option<u32>) {
		let lack = lacking(lease, now, blocks, 100).unwrap();
		(lack.amount, lack.ends)
	}

	#[test]
	fn a_running_lease_lacks_what_its_time_costs_and_no_more_than_its_term() {
		let state = State::Active { term_end: 10_000 };
		// 200 blocks are owed of what is held, 300 are left above the reserve.
		let runs = lease(state, Accrues::Rate(0, 800, 10_000), 5_000 + 50_000);
		assert_eq!(runs.runs_until(), Some(1_300));
		assert_eq!(amount(&runs, 1_000, 300), (0, None));
		assert_eq!(amount(&runs, 1_000, 301), (100, None));
		assert_eq!(amount(&runs, 1_000, 20_000), (870_000, Some(10_000)));
		assert_eq!(lacking(&runs, 1_000, u32::MAX, 100), None);
		let reclaimed = OpenLease {
			reclaim_at: Some(1_400),
			..runs
		};
		assert_eq!(amount(&reclaimed, 1_000, 20_000), (10_000, Some(1_400)));
		let starts = State::Starting {
			since: 0,
			receipt: false,
			deadline: 9,
		};
		let starts = lease(starts, Accrues::Nothing, 0);
		assert_eq!(lacking(&starts, 0, 1, 100), None);
	}

	#[test]
	fn a_dry_lease_lacks_enough_to_resume() {
		let state = State::Suspended {
			why: Suspension::Dry,
			since: 800,
			term_end: 10_000,
		};
		// 20 blocks of storage are owed.
		let dry = lease(state, Accrues::Storage(0, 980, 2_000), 5_000);
		assert_eq!(amount(&dry, 1_000, 1), (150 * 100 + 200, None));
		assert_eq!(amount(&dry, 1_000, 500), (500 * 100 + 200, None));
		assert_eq!(amount(&dry, 9_990, 500), (150 * 100 + 10_200, Some(10_000)));
	}
}
