//! From a placed order to a running workload, and to its end.

use super::{prepare::Deployment, LOOK};
use crate::{
	gateway::{From, Gateway},
	output::{table, Failure},
	tenant, Context,
};
use leasehold_client::{
	keystore,
	signer::Wait,
	story::{self, Told},
	units,
	view::{Closed, LeaseRecordNow, OpenLease, OrderNow, State, Suspension},
	Call, Chain, ChainError, CloseReason, Connection,
};
use leasehold_manifest::Manifest;
use serde_json::Value;
use std::{
	collections::HashSet,
	ops::RangeInclusive,
	time::{Duration, Instant},
};

/// How far back the end of an order is looked for that was not seen, blocks.
const LOOK_BACK: u32 = 200;

/// What has become of an order.
pub(super) enum Outcome {
	Lease(Box<OpenLease>),
	Over(Closed),
}

/// Waits until the chain has cleared the order.
pub(super) async fn matched(
	context: &Context,
	chain: &Chain,
	pair: &leasehold_client::Keypair,
	order: u64,
) -> Result<Outcome, Failure> {
	let who = keystore::account(pair);
	let mut bids = Vec::new();
	let mut gone_since = None;
	let mut open_at = None;
	loop {
		let read = async |connection: &Connection| {
			let view = connection.best().await?;
			let record = view.order(order).await?;
			let (leases, closed) = match &record {
				OrderNow::Open(_) => (Vec::new(), Vec::new()),
				OrderNow::Gone | OrderNow::Unknown => {
					(view.open_items(&who).await?.1, view.closed_leases().await?)
				}
			};
			let finalized = connection.heads().await?.finalized.0;
			Ok((view.number(), record, leases, closed, finalized))
		};
		let (now, record, leases, closed, finalized) =
			tenant::patiently(context, chain, read).await?;
		match record {
			OrderNow::Open(open) if open.tenant != who => {
				let what = format!("order {order} is of another account: {}", open.tenant);
				return Err(Failure::new(5, what, "Name its account: --account."));
			}
			OrderNow::Open(open) => {
				open_at = Some(now);
				context.out.waiting(format!(
					"{}, bidding ends in block {}, now is {now}",
					units::count(open.bids.len(), "bid"),
					open.bidding_ends,
				));
				bids = open.bids;
				gone_since = None;
			}
			OrderNow::Gone | OrderNow::Unknown => {
				if let Some(lease) = leases.into_iter().find(|lease| lease.order == order) {
					show_bids(context, &bids, &lease);
					return Ok(Outcome::Lease(Box::new(lease)));
				}
				let mine = |closed: &Closed| closed.order == order && closed.tenant == who;
				if let Some(closed) = closed.into_iter().find(mine) {
					return Ok(Outcome::Over(closed));
				}
				// A block may still be undone: it is over when finality says so.
				let since = *gone_since.get_or_insert(now);
				if finalized >= since {
					let oldest = since.saturating_sub(LOOK_BACK).max(1);
					let first = open_at.unwrap_or(oldest).max(oldest);
					let end = async |connection: &Connection| {
						without_lease(connection, order, first..=since, !bids.is_empty()).await
					};
					// That it is over is known, if not why.
					let why = tenant::patiently(context, chain, end).await;
					return Err(why.unwrap_or_else(|failure| {
						tracing::debug!(failure.what, "why an order ended is not known");
						let what = format!("order {order} ended without a lease");
						Failure::new(
							4,
							what,
							"Its deposit is back; `leasehold deploy FILE` orders anew.",
						)
					}));
				}
			}
		}
		tokio::time::sleep(LOOK).await;
	}
}

/// Why an order has ended without a lease, by what these blocks tell.
async fn without_lease(
	connection: &Connection,
	order: u64,
	blocks: RangeInclusive<u32>,
	mut had_bids: bool,
) -> Result<Failure, ChainError> {
	let mut passed_over = Vec::new();
	let mut is_known = false;
	for number in blocks {
		let view = connection.at_number(number).await?;
		for Told { event, text, .. } in story::told(&view, order, None).await? {
			match event.as_str() {
				"OrderCancelled" => {
					let what = format!("order {order} was taken back by its tenant");
					let advice = "Its deposit is back; `leasehold deploy FILE` orders anew.";
					return Ok(Failure::new(1, what, advice));
				}
				"BidPlaced" => had_bids = true,
				"BidSkipped" => passed_over.push(text),
				"OrderExpired" => is_known = true,
				_ => {}
			}
		}
	}
	let (why, advice) = match (is_known, had_bids) {
		(true, false) => (
			": nobody bid on it",
			"Its deposit is back. Of those that fit (`leasehold providers --for FILE`) some may run no such workload at present \
			 (containers need an engine), be away, or ask for more than your ceiling: try again, or raise --max-price.",
		),
		(true, true) if passed_over.is_empty() => (
			": it had bids, and none could be taken",
			"Its deposit is back; the same command orders anew.",
		),
		(true, true) => (": ", "Its deposit is back; the same command orders anew."),
		(false, _) => ("", "Its deposit is back; `leasehold deploy FILE` orders anew."),
	};
	let what = format!(
		"order {order} ended without a lease{why}{}",
		passed_over.join("; ")
	);
	Ok(Failure::new(4, what, advice))
}

fn show_bids(context: &Context, bids: &[(u32, u128)], lease: &OpenLease) {
	let rows = bids
		.iter()
		.map(|(provider, rate)| {
			let won = if *provider == lease.provider {
				"won"
			} else {
				""
			};
			vec![provider.to_string(), units::lease(*rate), won.to_owned()]
		})
		.collect();
	if !bids.is_empty() {
		for line in table(&["PROVIDER", "A BLOCK", ""], rows).lines() {
			context.out.stage(line);
		}
	}
	context.out.stage(format!(
		"lease {} with provider {} at {} a block",
		lease.id,
		lease.provider,
		units::lease(lease.rate)
	));
}

/// How often a provider is asked how far a workload is.
const ASK: Duration = Duration::from_secs(1);
/// How long a provider's node may be behind.
pub(super) const LAG: Duration = Duration::from_secs(30);

/// Whether a gateway refuses what its node may not have heard of yet, or what it has looked at as of a block before.
fn is_behind(failure: &Failure) -> bool {
	let words = [
		"for another chain, provider or lease",
		"whose hash stands",
		"the digest is not the manifest's",
		"the manifest names no such file",
	];
	words.iter().any(|words| failure.what.contains(words))
}

/// Says, once, that the gateway is away.
pub(super) fn tell_away(context: &Context, failure: &Failure, away: &mut bool) {
	if !std::mem::replace(away, true) {
		let what = format!("{}; trying again until it answers", failure.what);
		context.out.stage(what);
	}
}

/// Hands in manifest and files, however often the gateway is away in between.
pub(super) async fn deliver(
	context: &Context,
	chain: &Chain,
	gateway: &Gateway,
	deployment: &Deployment,
) -> Result<Option<Proof>, Failure> {
	let bytes = deployment.bytes();
	let manifest =
		Manifest::open(&bytes).map_err(|error| Failure::new(1, error.to_string(), ""))?;
	let (mut behind, mut away) = (None, false);
	loop {
		let handed_in = async {
			context.out.waiting("handing in the manifest");
			let receipt = gateway.hand_in(&bytes).await?;
			let missing = receipt["missing_digests"].as_array();
			let missing = missing.cloned().unwrap_or_default();
			let mut sent = HashSet::new();
			// They are kept in the manifest's order.
			for ((_, entry), (place, disk)) in manifest.files().zip(&deployment.files) {
				let digest = hex::encode(entry.sha256);
				// Several services may have the same.
				let is_missing = missing.iter().any(|one| *one == digest);
				if is_missing && sent.insert((place, digest)) {
					context
						.out
						.waiting(format!("uploading {} ({} bytes)", entry.path, entry.size));
					gateway.put(place, entry, disk).await?;
				}
			}
			Ok::<_, Failure>(Proof::of(&receipt))
		};
		match handed_in.await {
			Ok(proof) => {
				context.out.stage("the manifest is delivered");
				return Ok(proof);
			}
			Err(failure) => {
				let id = gateway.lease;
				let (now, final_) = tenant::patiently(context, chain, async |connection| {
					let now = connection.best().await?.lease(id).await?;
					Ok((now, connection.finalized().await?.lease(id).await?))
				})
				.await?;
				if let LeaseRecordNow::Closed(_) = final_ {
					// How it ended is told by who follows it.
					return Ok(None);
				}
				let is_closed = matches!(now, LeaseRecordNow::Closed(_));
				let is_away = failure.code == 6;
				let goes_on = is_closed
					|| is_away || (is_behind(&failure)
					&& behind.get_or_insert_with(Instant::now).elapsed() < LAG);
				if !goes_on {
					return Err(failure);
				}
				if is_away {
					behind = None;
					tell_away(context, &failure, &mut away);
				}
				context
					.out
					.waiting("the provider is away, or has not heard of it yet; trying again");
				tokio::time::sleep(LOOK.saturating_mul(3)).await;
			}
		}
	}
}

/// The provider's receipt for the manifest, as the chain takes it.
#[derive(Clone)]
pub(super) struct Proof {
	block: u32,
	signature: [u8; 64],
}

impl Proof {
	fn of(receipt: &serde_json::Value) -> Option<Self> {
		let signature = hex::decode(receipt["signature"].as_str()?).ok()?;
		Some(Self {
			block: u32::try_from(receipt["block"].as_u64()?).ok()?,
			signature: signature.try_into().ok()?,
		})
	}
}

/// Waits until the workload runs. Should it not in time, the receipt goes on chain: then it is the
/// provider's fault, and it cannot say that no manifest came.
pub(super) async fn until_running(
	context: &Context,
	chain: &Chain,
	pair: &leasehold_client::Keypair,
	gateway: &Gateway,
	mut proof: Option<Proof>,
) -> Result<LeaseRecordNow, Failure> {
	let lease = gateway.lease;
	context.out.waiting("the provider starts the workload");
	let (mut asked, mut told) = (Instant::now(), String::new());
	let terms = tenant::patiently(context, chain, async |connection| {
		connection.best().await?.terms().await
	})
	.await?;
	let mut attempts = 3u32;
	loop {
		let (now, record) = tenant::patiently(context, chain, async |connection| {
			let view = connection.best().await?;
			Ok((view.number(), view.lease(lease).await?))
		})
		.await?;
		let waiting = match &record {
			LeaseRecordNow::Open(open) => open.state,
			_ => return Ok(record),
		};
		let late = match waiting {
			State::Starting { since, .. } => now >= receipt_due(since, terms.manifest_deadline),
			State::Suspended {
				why: Suspension::ProviderPaused,
				..
			} => false,
			_ => return Ok(record),
		};
		if let Some(Proof { block, signature }) = proof.clone().filter(|_| late) {
			context
				.out
				.stage("the start is late: the provider's receipt goes on chain");
			let call = Call::SubmitReceipt {
				lease,
				block,
				signature,
			};
			attempts = attempts.saturating_sub(1);
			match tenant::submit(context, chain, pair, call, Wait::Best).await {
				Ok(_) => proof = None,
				Err(failure) => {
					context
						.out
						.stage(format!("the receipt was not taken: {}", failure.what));
					proof = proof.filter(|_| attempts > 0);
				}
			}
		}
		if asked.elapsed() >= ASK {
			// The chain's word stands without it.
			let said = gateway.call("lease_status", String::new());
			if let Ok(Ok(said)) = tokio::time::timeout(ASK, said).await {
				let (stage, now) = doing(&said);
				if stage != told {
					context.out.stage(&stage);
					told = stage;
				}
				context.out.waiting(now);
			}
			asked = Instant::now();
		}
		tokio::time::sleep(LOOK).await;
	}
}

/// What a provider does with a workload that is not running yet: what stays so for a while, and how far it is.
fn doing(said: &Value) -> (String, String) {
	let unpulled = tenant::unpulled(said);
	if !unpulled.is_empty() {
		let stage = unpulled.join("; ");
		return (stage.clone(), stage);
	}
	let pulls = said["pulling"].as_array().into_iter().flatten();
	let mut names: Vec<_> = pulls
		.clone()
		.filter_map(|pull| pull["service"].as_str())
		.collect();
	names.dedup();
	if !names.is_empty() {
		let stage = format!("pulling the image of {}", names.join(", "));
		let percent = pulls.filter_map(|pull| pull["percent"].as_u64()).min();
		let percent = percent.map_or_else(String::new, |percent| format!(", {percent} %"));
		return (stage.clone(), stage + &percent);
	}
	let stage = match said["phase"].as_str() {
		Some("awaiting_manifest") => "the provider waits for files",
		_ => "the provider starts the workload",
	};
	let replicas = said["replicas"].as_array().into_iter().flatten();
	let (runs, all) = replicas.fold((0usize, 0usize), |(runs, all), one| {
		let runs = runs.saturating_add(usize::from(one["state"] == "running"));
		(runs, all.saturating_add(1))
	});
	let now = match all {
		0 => stage.to_owned(),
		_ => format!("{stage}: {runs} of {} run", units::count(all, "replica")),
	};
	(stage.to_owned(), now)
}

/// The block from which on a receipt belongs on chain: while the provider cannot yet say that no manifest
/// came.
fn receipt_due(since: u32, manifest_deadline: u32) -> u32 {
	since.saturating_add(manifest_deadline.saturating_sub(manifest_deadline / 4))
}

pub(super) async fn until_ended(
	context: &Context,
	chain: &Chain,
	gateway: &Gateway,
	lease: u64,
) -> Result<(), Failure> {
	context.out.stage("the workload runs; its log follows");
	// The log is a help; how the lease ends is the chain's word.
	let log = tokio::select! {
		log = tenant::show_log(context, gateway, From::Offset(0), true, &(None, 0), std::io::stderr()) => log,
		failure = tenant::node_lost(context, chain) => return Err(failure),
	};
	if let Err(failure) = log {
		context
			.out
			.stage(format!("the log is not to be had: {}", failure.what));
	}
	context.out.waiting("the job has ended; the chain settles");
	loop {
		let record = tenant::patiently(context, chain, async |connection| {
			connection.finalized().await?.lease(lease).await
		})
		.await?;
		match record {
			LeaseRecordNow::Closed(closed) => return over(context, Some(gateway), &closed).await,
			LeaseRecordNow::Swept => {
				return Err(Failure::new(1, "the lease's record is gone already", ""));
			}
			_ => tokio::time::sleep(LOOK).await,
		}
	}
}

/// Shows how a lease ended; a failure if its job did not succeed.
pub(super) async fn over(
	context: &Context,
	gateway: Option<&Gateway>,
	closed: &Closed,
) -> Result<(), Failure> {
	let lease = closed.id;
	let succeeded = matches!(closed.reason, CloseReason::Completed { exit_code: 0, .. });
	let mut what = format!(
		"the lease came to nothing: {}",
		story::reason(&closed.reason)
	);
	if let Some(gateway) = gateway {
		if let Ok(Some(last)) = tenant::last_of(gateway, closed).await {
			what = format!("{what}; last on the provider's machine: {last}");
		}
	}
	let advice = format!(
		"`leasehold events {lease}` says what happened, and `leasehold logs {lease}` what it wrote, if it ran."
	);
	let failure = Failure::new(7, what, advice);
	let mut json = tenant::closed_json(closed);
	if !succeeded {
		failure.add_to(&mut json);
	}
	context.out.result(json, || {
		let text = format!(
			"lease {lease} is over: {}\n{}, {} returned",
			story::reason(&closed.reason),
			story::paid(closed.served_blocks, closed.paid),
			units::lease(closed.refunded),
		);
		match succeeded {
			true => format!("{text}\nnext: leasehold files get {lease}"),
			false => text,
		}
	});
	match succeeded {
		true => Ok(()),
		false => Err(failure),
	}
}

#[cfg(test)]
mod tests {
	use super::receipt_due;

	#[test]
	fn a_receipt_is_on_chain_before_the_provider_may_deny_the_manifest() {
		// The default manifest deadline, and the shortest that the terms allow.
		for deadline in [100, 20, 4, 1] {
			let due = receipt_due(1_000, deadline);
			assert!((1_000..=1_000 + deadline).contains(&due), "{due}");
			assert!(deadline < 4 || due < 1_000 + deadline, "{due}");
		}
		assert_eq!(receipt_due(u32::MAX, 100), u32::MAX);
	}
}
