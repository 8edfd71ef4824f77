//! `deploy`: from a manifest file to a running workload, by one verb.

mod follow;
mod prepare;
mod update;

pub use prepare::{read, understand, Leased};
pub use update::Update;

use crate::{gateway, keys, output::Failure, tenant, Context};
use clap::Args;
use follow::{deliver, matched, over, until_ended, until_running, Outcome};
use leasehold_client::{
	keystore,
	signer::Wait,
	units,
	view::{LeaseRecordNow, OpenLease, Terms, View},
	AccountId32, Call, Chain, OrderRequest, Selection, WorkloadKind, H256,
};
use leasehold_manifest::{Kind, Manifest};
use prepare::{Deployment, Prepared};
use serde_json::json;
use std::{io::IsTerminal as _, path::PathBuf, time::Duration};

/// How often the chain is looked at.
const LOOK: Duration = Duration::from_millis(300);
/// How long services may run, if it is not said.
const LONGEST: Duration = Duration::from_secs(30 * 86_400);
/// Kept free for transaction fees, planck.
pub const FEES: u128 = units::LEASE / 10;

#[derive(Debug, Args)]
pub struct Deploy {
	/// The manifest file (SDL or Compose).
	#[arg(required_unless_present = "resume")]
	file: Option<PathBuf>,
	/// Which placement of the file, if it has several: each is an order of its own.
	#[arg(long, value_name = "NAME")]
	placement: Option<String>,
	/// Stay until the job has ended, and show its log.
	#[arg(long)]
	wait: bool,
	/// Go on with an order of an earlier `deploy` that was interrupted.
	#[arg(long, value_name = "ORDER", conflicts_with_all = ["file", "placement", "instant", "bidding", "max_price", "deposit"])]
	resume: Option<u64>,
	/// Do not ask before spending.
	#[arg(long, short)]
	yes: bool,
	/// Price ceiling, LEASE an hour; overrules the file's.
	#[arg(long, value_name = "LEASE")]
	max_price: Option<String>,
	/// First deposit, LEASE; what is not spent comes back.
	#[arg(long, value_name = "LEASE")]
	deposit: Option<String>,
	/// How long services may run at most, as `12h` or `30d`, which it is if left out. A job runs as long as its file allows.
	#[arg(long, value_name = "TIME", value_parser = duration)]
	max_duration: Option<Duration>,
	/// Account whose grants the provider takes, if it is not the one that pays: its wallet is asked to sign one.
	#[arg(long, value_name = "ADDRESS", conflicts_with = "resume")]
	access: Option<String>,
	/// Blocks for which bids are taken.
	#[arg(long, value_name = "BLOCKS", default_value_t = 5)]
	bidding: u32,
	/// Take the cheapest standing offer at once, and wait for no bids.
	#[arg(long, conflicts_with_all = ["bidding", "anyway"])]
	instant: bool,
	/// Place the order although no provider fits it now.
	#[arg(long)]
	anyway: bool,
}

pub fn duration(text: &str) -> Result<Duration, String> {
	let time = leasehold_manifest::quantity::duration(text);
	time.ok_or_else(|| format!("`{text}` is no time; write it as 90m, 12h or 30d"))
}

/// The manifest's hash of an order of this account that is open or has an open lease.
async fn hash_on_chain(
	context: &Context,
	chain: &Chain,
	pair: &leasehold_client::Keypair,
	order: u64,
) -> Result<Option<[u8; 32]>, Failure> {
	let who = keystore::account(pair);
	tenant::patiently(context, chain, async |connection| {
		let (orders, leases) = connection.best().await?.open_items(&who).await?;
		let orders = orders.iter().map(|o| (o.id, o.manifest_hash));
		let mut all = orders.chain(leases.iter().map(|l| (l.order, l.manifest_hash)));
		Ok(all.find(|(id, _)| *id == order).map(|(_, hash)| hash))
	})
	.await
}

impl Deploy {
	pub async fn run(self, context: &Context) -> Result<(), Failure> {
		if self.resume.is_none() && context.grant.is_some() {
			let what = "a grant is for a lease that there is, and this is to be a new one";
			let advice = "Leave out --grant (LEASEHOLD_GRANT); with --resume it may be named.";
			return Err(Failure::new(2, what, advice));
		}
		let prepared = match &self.file {
			Some(file) if self.resume.is_none() => {
				let prepared = understand(context, file, self.placement.as_deref())?;
				prepared.can_be_run()?;
				Some(prepared)
			}
			_ => None,
		};
		let pair = keys::account(context)?;
		let (chain, connection) = tenant::connect(context).await?;
		let genesis = format!("{:?}", connection.genesis);
		let deployment = match (self.resume, prepared) {
			(Some(order), _) => {
				let hash = hash_on_chain(context, &chain, &pair, order).await?;
				let who = keystore::account(&pair).to_string();
				Deployment::of_order(context, order, (&genesis, &who), hash)?
			}
			(None, Some(prepared)) => {
				self.order(context, &chain, &pair, prepared, genesis)
					.await?
			}
			(None, None) => return Err(Failure::new(2, "name a manifest file", "See --help.")),
		};
		let order = deployment.order.unwrap_or_default();
		context.out.if_interrupted(format!(
			"order {order} stands; `leasehold deploy --resume {order}` goes on with it"
		));
		let lease = match matched(context, &chain, &pair, order).await? {
			Outcome::Lease(lease) => lease,
			Outcome::Over(closed) => return over(context, None, &closed).await,
		};
		let id = lease.id;
		let left = format!(
			"lease {id} stands: `leasehold deploy --resume {order}` goes on with it, `leasehold close {id}` ends it"
		);
		context.out.if_interrupted(left.as_str());
		let led = self.lead(
			context,
			&chain,
			&pair,
			(connection.genesis, *lease),
			deployment,
		);
		led.await.map_err(|failure| match failure.code {
			// It is over, or that is said already.
			7 => failure,
			_ if failure.advice.contains(&format!("lease {id}")) => failure,
			_ => {
				let advice = format!("{} What is left: {left}.", failure.advice);
				Failure { advice, ..failure }
			}
		})
	}

	/// From a lease to its workload.
	async fn lead(
		&self,
		context: &Context,
		chain: &Chain,
		pair: &leasehold_client::Keypair,
		(genesis, lease): (H256, OpenLease),
		mut deployment: Deployment,
	) -> Result<(), Failure> {
		let provider = tenant::patiently(context, chain, async |connection| {
			connection.best().await?.provider(lease.provider).await
		})
		.await?;
		deployment.lease = Some(Leased::from(&lease));
		deployment.save(context)?;
		let entry = tenant::to_hand_in(context, genesis, &lease, pair)?;
		let place = (lease.id, lease.epoch);
		let gateway = tenant::gateway(chain, genesis, provider, lease.provider, entry, place)?;
		// Again, if need be: the provider may have lost it.
		let proof = deliver(context, chain, &gateway, &deployment).await?;
		let id = lease.id;
		context.out.if_interrupted(format!(
			"lease {id} goes on; `leasehold status {id}` shows it, `leasehold close {id}` ends it"
		));
		let record = until_running(context, chain, pair, &gateway, proof).await?;
		if let LeaseRecordNow::Closed(closed) = &record {
			return over(context, Some(&gateway), closed).await;
		}
		if self.wait {
			return until_ended(context, chain, &gateway, lease.id).await;
		}
		// Where the services are reached; the provider's word.
		let said = match &record {
			LeaseRecordNow::Open(_) => gateway.call("lease_status", String::new()).await.ok(),
			_ => None,
		};
		let addresses = gateway.addresses(&said.unwrap_or_default());
		let json = json!({
			"order": lease.order, "lease": lease.id, "provider": lease.provider, "addresses": addresses,
		});
		for line in &addresses {
			context.out.stage(line.to_string());
		}
		context.out.result(json, || {
			let word = match record {
				LeaseRecordNow::Open(_) => "runs",
				_ => "is over",
			};
			let id = lease.id;
			let files = match lease.kind {
				WorkloadKind::Job => format!("leasehold files get {id} · "),
				WorkloadKind::Service => String::new(),
			};
			format!(
				"lease {id} {word}\nnext: leasehold logs -f {id} · leasehold status {id} · {files}leasehold \
				 close {id}"
			)
		});
		Ok(())
	}

	async fn order(
		&self,
		context: &Context,
		chain: &Chain,
		pair: &leasehold_client::Keypair,
		prepared: Prepared,
		genesis: String,
	) -> Result<Deployment, Failure> {
		let view = chain.connection().await?.best().await?;
		let terms = view.terms().await?;
		let slots = |time: Duration| {
			let slots = time
				.as_millis()
				.div_ceil(u128::from(terms.slot_millis.max(1)));
			u32::try_from(slots).unwrap_or(u32::MAX)
		};
		let first = prepared.manifest.services.first();
		let first = first.ok_or_else(|| Failure::new(2, "no service", ""))?;
		let (attempt, attempts) = match first.kind {
			Kind::Job => (
				slots(Duration::from_secs(first.max_duration)),
				first.attempts,
			),
			Kind::Service => (slots(self.max_duration.unwrap_or(LONGEST)), 1),
		};
		if let (Kind::Job, Some(_)) = (first.kind, self.max_duration) {
			let what = "--max-duration is for services: how long a job may take its file says";
			return Err(Failure::new(
				2,
				what,
				"Leave it out, or change `max_duration` in the file.",
			));
		}
		if self.max_duration.is_some() && attempt > terms.max_duration {
			context.out.stage(format!(
				"the chain allows {} at most: that is how long it may run",
				units::blocks_as_time(terms.max_duration, terms.slot_millis)
			));
		}
		let max_duration = attempt
			.saturating_mul(attempts)
			.saturating_add(20)
			.min(terms.max_duration);
		let bytes = prepared.seal()?;
		let (resources, attributes) = prepared.requirements()?;
		let (any_of, all_of) = prepared.auditors()?;
		let mut request = OrderRequest {
			access: self
				.access
				.as_deref()
				.map(|who| keys::named(context, who))
				.transpose()?,
			manifest_hash: Manifest::hash(&bytes),
			kind: match first.kind {
				Kind::Job => WorkloadKind::Job,
				Kind::Service => WorkloadKind::Service,
			},
			resources,
			attributes,
			any_of,
			all_of,
			max_rate: self.ceiling(prepared.placement.max_rate, &terms)?,
			min_score: 0,
			max_duration,
			notice: prepared.notice.map_or(0, slots),
			selection: Selection::Bids {
				blocks: self.bidding,
			},
			deposit: 0,
		};
		let who = keystore::account(pair);
		match self.instant {
			true => take_offer(context, &view, &who, &mut request, &terms).await?,
			false => {
				self.may_be_bid_on(context, &view, &who, &request, &terms)
					.await?
			}
		}
		let max_rate = request.max_rate;
		let least = terms.minimal_deposit(max_rate);
		let deposit = match &self.deposit {
			Some(text) => Some(units::parse_amount(text).map_err(|why| Failure::new(2, why, ""))?),
			// Enough for one attempt, or for an hour.
			None => least.and_then(|least| {
				let blocks = attempt.min(slots(Duration::from_secs(3_600)));
				least.checked_add(max_rate.checked_mul(blocks.into())?)
			}),
		};
		let overflow = || Failure::new(2, "the deposit overflows", "Lower the price ceiling.");
		let (deposit, least) = (deposit.ok_or_else(overflow)?, least.ok_or_else(overflow)?);
		if deposit < least {
			let what = format!("the deposit must be at least {}", units::lease(least));
			return Err(Failure::new(
				2,
				what,
				"Raise --deposit, or lower the price ceiling.",
			));
		}
		request.deposit = deposit;
		let parts = [
			(deposit, "deposit"),
			(terms.record_deposit, "for the records"),
			(terms.existential_deposit, "to stay in the account"),
			(FEES, "for fees"),
		];
		tenant::ensure_funds(&view, &who, &parts).await?;
		let hour = units::hourly(max_rate, terms.slot_millis);
		context.out.stage(format!(
			"at most {} an hour ({}); deposit {}, of which the rest comes back; at the ceiling it lasts {}",
			units::lease(hour),
			match first.kind {
				Kind::Job => {
					let whole = max_rate.saturating_mul(max_duration.into());
					format!("{} if it takes all of its time", units::lease(whole))
				}
				Kind::Service => format!("{} in 30 days", units::lease(hour.saturating_mul(720))),
			},
			units::lease(deposit),
			units::blocks_as_time(
				leasehold_client::primitives::math::funded_blocks(
					max_rate,
					deposit.saturating_sub(terms.reserve(max_rate))
				),
				terms.slot_millis
			),
		));
		context.out.stage(format!(
			"besides: {} are held for the records until they are swept, and transactions cost fees, for which {} are kept free",
			units::lease(terms.record_deposit),
			units::lease(FEES)
		));
		if !self.yes {
			confirm("deploy?", "not deployed")?;
		}
		let mut deployment = Deployment {
			version: 1,
			genesis,
			account: who.to_string(),
			manifest: hex::encode(&bytes),
			order: None,
			lease: None,
			files: prepared.on_disk(),
		};
		deployment.save(context)?;
		context.out.waiting("placing the order");
		context.out.if_interrupted(
			"the order may be on its way: `leasehold leases` lists it as soon as a block has taken it, \
			 within some seconds; `leasehold deploy --resume ORDER` goes on",
		);
		let call = Call::PlaceOrder(Box::new(request));
		let receipt = tenant::submit(context, chain, pair, call, Wait::Best).await?;
		let order = tenant::patiently(context, chain, async |connection| {
			let view = View::from(connection.at(receipt.block.1).await?);
			view.order_placed(&receipt).await
		})
		.await?
		.ok_or_else(|| {
			let advice = "`leasehold leases` shows it; `leasehold deploy --resume ORDER` goes on.";
			Failure::new(1, "the order's event is not in its block", advice)
		})?;
		deployment.order = Some(order);
		deployment.save(context)?;
		context.out.stage(format!(
			"order {order} is placed in block {}",
			receipt.block.0
		));
		Ok(deployment)
	}

	/// Whether bids may be taken for so long, and a provider could bid.
	async fn may_be_bid_on(
		&self,
		context: &Context,
		view: &View,
		who: &AccountId32,
		request: &OrderRequest,
		terms: &Terms,
	) -> Result<(), Failure> {
		let (least, most) = (terms.min_bidding, terms.max_bidding);
		if !(least..=most).contains(&self.bidding) {
			let what = format!(
				"bidding may take {least} to {most} blocks, not {}",
				self.bidding
			);
			return Err(Failure::new(2, what, "Change --bidding."));
		}
		if !fits(context, view, who, request, terms).await? && !self.anyway {
			return Err(Failure::new(
				4,
				"no provider fits this order at present",
				"What each lacks stands above; `leasehold providers --for FILE` shows it, too. --anyway places it: it expires and the \
				 deposit returns.",
			));
		}
		let (offers, _) = offers(view, who, request).await?;
		if let Some((cheapest, ..)) = offers.first() {
			let word = match *cheapest > request.max_rate {
				true => ", above the ceiling",
				false => ": --instant takes it without bidding",
			};
			let asks = an_hour(*cheapest, terms);
			context.out.stage(format!(
				"the cheapest standing offer asks {asks} an hour{word}"
			));
		}
		Ok(())
	}

	/// The price ceiling, planck a block.
	fn ceiling(&self, in_file: Option<u128>, terms: &Terms) -> Result<u128, Failure> {
		if let Some(text) = &self.max_price {
			let hour = units::parse_amount(text).map_err(|why| Failure::new(2, why, ""))?;
			let blocks = units::blocks_per_hour(terms.slot_millis).max(1);
			if hour < blocks {
				let what = format!("--max-price {text} is less than a planck a block");
				return Err(Failure::new(
					2,
					what,
					"Say what you would pay at most, LEASE an hour.",
				));
			}
			return Ok(hour.checked_div(blocks).unwrap_or(0).max(1));
		}
		in_file.ok_or_else(|| {
			let what = "the file sets no price ceiling in `ulease`";
			let advice = "Say what you would pay at most: --max-price LEASE-AN-HOUR.";
			Failure::new(2, what, advice)
		})
	}
}

/// Asks before something is spent.
pub fn confirm(question: &str, refused: &str) -> Result<(), Failure> {
	if !std::io::stdin().is_terminal() {
		let what = "the price has not been confirmed";
		return Err(Failure::new(
			2,
			what,
			"Add --yes where nobody can be asked.",
		));
	}
	ask(question, refused)
}

/// Asks before something is done that costs no more than what is there, where somebody can be asked.
pub fn ask_at_terminal(question: &str, refused: &str) -> Result<(), Failure> {
	match std::io::stdin().is_terminal() && std::io::stderr().is_terminal() {
		true => ask(question, refused),
		false => Ok(()),
	}
}

fn ask(question: &str, refused: &str) -> Result<(), Failure> {
	eprint!("  {question} [y/N] ");
	let mut answer = String::new();
	let read = std::io::stdin().read_line(&mut answer);
	if read.is_ok() && matches!(answer.trim(), "y" | "Y" | "yes") {
		return Ok(());
	}
	Err(Failure::new(
		1,
		refused,
		"Nothing has been done; the same command asks again.",
	))
}

/// (planck a block, provider, version) of the standing offers that could be taken now, the cheapest first, and how many
/// providers there are.
async fn offers(
	view: &View,
	who: &AccountId32,
	request: &OrderRequest,
) -> Result<(Vec<(u128, u32, u32)>, usize), Failure> {
	// By which of them is told by the answer.
	let by_any = OrderRequest {
		selection: Selection::Offer {
			provider: 0,
			version: 0,
		},
		..request.clone()
	};
	let all = view.candidates(who, &by_any).await?;
	let there = all.iter().filter(|one| one.on_duty);
	let mut offers: Vec<_> = there
		.filter_map(|one| {
			one.offer
				.map(|(version, rate)| (rate, one.provider, version))
		})
		.collect();
	offers.sort_unstable();
	Ok((offers, all.len()))
}

fn an_hour(rate: u128, terms: &Terms) -> String {
	units::lease(units::hourly(rate, terms.slot_millis))
}

/// Asks for the cheapest standing offer whose provider answers, at its own rate: should it have changed by then, the
/// order is refused.
async fn take_offer(
	context: &Context,
	view: &View,
	who: &AccountId32,
	request: &mut OrderRequest,
	terms: &Terms,
) -> Result<(), Failure> {
	let (offers, providers) = offers(view, who, request).await?;
	let Some((cheapest, ..)) = offers.first() else {
		let some_fit = fits(context, view, who, request, terms).await?;
		let (what, advice) = match some_fit {
			true => (
				"some providers fit, and none offers it at once at present",
				"Leave out --instant: they may bid.",
			),
			false => (
				"no provider fits this order at present",
				"What each lacks stands above: ask for less, or for something else.",
			),
		};
		return Err(Failure::new(4, what, advice));
	};
	if *cheapest > request.max_rate {
		let (asks, most) = (an_hour(*cheapest, terms), an_hour(request.max_rate, terms));
		let what =
			format!("the cheapest standing offer asks {asks} an hour, the ceiling is {most}");
		return Err(Failure::new(
			4,
			what,
			"Raise --max-price, or leave out --instant: others may bid.",
		));
	}
	for (rate, provider, version) in &offers {
		if *rate > request.max_rate {
			break;
		}
		let answers = match &view.provider(*provider).await? {
			Some(found) => gateway::answers(found).await,
			None => false,
		};
		if !answers {
			context.out.stage(format!(
				"provider {provider} offers it, but its gateway does not answer: passed over"
			));
			continue;
		}
		context.out.stage(format!(
			"{} of {providers} providers offer it at once; provider {provider} takes it at {} an hour",
			offers.len(),
			an_hour(*rate, terms)
		));
		request.selection = Selection::Offer {
			provider: *provider,
			version: *version,
		};
		request.max_rate = *rate;
		return Ok(());
	}
	let what = "no provider with a standing offer below the ceiling answers at its gateway";
	Err(Failure::new(
		4,
		what,
		"Try again, or leave out --instant: others may bid.",
	))
}

/// Whether a provider fits; says why each other does not.
async fn fits(
	context: &Context,
	view: &View,
	who: &AccountId32,
	request: &OrderRequest,
	terms: &Terms,
) -> Result<bool, Failure> {
	let (resources, attributes) = (&request.resources, &request.attributes);
	let slice = terms.slice(1, request.max_rate);
	let (providers, said) = (
		view.providers().await?,
		view.candidates(who, request).await?,
	);
	let lacking = providers.iter().map(|one| {
		let mut lacks = one.lacks_in_words(resources, attributes, slice, terms);
		// The chain says one thing, but knows of tenants, auditors and scores.
		let said = said.iter().find(|candidate| candidate.provider == one.id);
		let said = said.and_then(|candidate| candidate.lacks);
		if let (true, Some(said)) = (lacks.is_empty(), said) {
			lacks.push(one.in_words(said, resources, attributes, slice));
		}
		(one.id, lacks)
	});
	let lacking: Vec<_> = lacking.collect();
	let fitting = lacking.iter().filter(|(_, lacks)| lacks.is_empty()).count();
	context.out.stage(format!(
		"{fitting} of {} providers fit, whatever they ask",
		providers.len()
	));
	if fitting == 0 {
		for (id, lacks) in &lacking {
			context
				.out
				.stage(format!("provider {id} lacks {}", lacks.join("; ")));
		}
	}
	Ok(fitting > 0)
}
