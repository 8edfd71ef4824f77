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
	story, units,
	view::{Closed, LeaseRecordNow, OpenLease, OrderNow, State, Suspension},
	Call, Chain, CloseReason, Connection,
};
use leasehold_manifest::Manifest;
use std::collections::HashSet;

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
				return Err(Failure::new(2, what, "Name its account: --account."));
			}
			OrderNow::Open(open) => {
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
					return Err(Failure::new(
						4,
						format!("order {order} ended without a lease"),
						"Its deposit is back. It was taken back, or nobody bid: those that fit (`leasehold providers --for FILE`) ask for more \
						 than your ceiling, or their daemons are away: raise --max-price, or try again.",
					));
				}
			}
		}
		tokio::time::sleep(LOOK).await;
	}
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
			Ok(proof) => return Ok(proof),
			Err(failure) if failure.code == 6 => {
				context
					.out
					.waiting(format!("{}; trying again", failure.what));
				let record = tenant::patiently(context, chain, async |connection| {
					connection.best().await?.lease(gateway.lease).await
				})
				.await?;
				if let LeaseRecordNow::Closed(closed) = record {
					let why = story::reason(&closed.reason);
					return Err(Failure::new(5, format!("the lease was closed: {why}"), ""));
				}
				tokio::time::sleep(LOOK.saturating_mul(3)).await;
			}
			Err(failure) => return Err(failure),
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
	lease: u64,
	mut proof: Option<Proof>,
) -> Result<LeaseRecordNow, Failure> {
	context.out.waiting("the provider starts the workload");
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
		tokio::time::sleep(LOOK).await;
	}
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
			LeaseRecordNow::Closed(closed) => return over(context, &closed),
			LeaseRecordNow::Swept => {
				return Err(Failure::new(1, "the lease's record is gone already", ""));
			}
			_ => tokio::time::sleep(LOOK).await,
		}
	}
}

/// Shows how a lease ended; a failure if its job did not succeed.
pub(super) fn over(context: &Context, closed: &Closed) -> Result<(), Failure> {
	let lease = closed.id;
	let succeeded = matches!(closed.reason, CloseReason::Completed { exit_code: 0, .. });
	context.out.result(tenant::closed_json(closed), || {
		let text = format!(
			"lease {lease} is over: {}\n{} served, {} paid, {} returned",
			story::reason(&closed.reason),
			units::count(closed.served_blocks, "block"),
			units::lease(closed.paid),
			units::lease(closed.refunded),
		);
		match succeeded {
			true => format!("{text}\nnext: leasehold files get {lease}"),
			false => text,
		}
	});
	if succeeded {
		return Ok(());
	}
	let what = format!(
		"the lease came to nothing: {}",
		story::reason(&closed.reason)
	);
	let advice = format!(
		"`leasehold events {lease}` says what happened, `leasehold logs {lease}` what it wrote, and `leasehold files get \
		 {lease}` fetches what it left."
	);
	Err(Failure::new(7, what, advice))
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
