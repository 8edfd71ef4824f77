//! Events of a lease, told in plain words.

use crate::{
	error::ChainError,
	runtime,
	units::{count, lease as amount},
	view::View,
};
use leasehold_primitives::{CloseReason, FailureCode, Fault};

/// One event in words.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Told {
	pub block: u32,
	/// The name of the event on chain.
	pub event: String,
	/// What happened and why.
	pub text: String,
}

/// Why a lease ended, in words.
pub fn reason(reason: &CloseReason) -> String {
	match reason {
		CloseReason::TenantClosed => "the tenant closed it".into(),
		CloseReason::Completed { exit_code: 0, .. } => "the job completed (exit code 0)".into(),
		CloseReason::Completed { exit_code, .. } => {
			format!("the job ended by itself with exit code {exit_code}")
		}
		CloseReason::TermEnded => "it reached its maximal duration".into(),
		CloseReason::OutOfFunds => "its balance was used up".into(),
		CloseReason::ManifestMissing => "the provider was never handed the manifest".into(),
		CloseReason::Reclaimed => "the provider took its capacity back after notice".into(),
		CloseReason::Abandoned => "the provider left without notice".into(),
		CloseReason::Offline => "the provider was away for too long".into(),
		CloseReason::StartTimeout => "its workload had not started by the deadline".into(),
		CloseReason::WorkloadFailed(code) => format!("the workload failed: {}", failure(code)),
	}
}

/// The name of a close reason.
pub fn reason_name(reason: &CloseReason) -> &'static str {
	match reason {
		CloseReason::TenantClosed => "TenantClosed",
		CloseReason::Completed { .. } => "Completed",
		CloseReason::TermEnded => "TermEnded",
		CloseReason::OutOfFunds => "OutOfFunds",
		CloseReason::StartTimeout => "StartTimeout",
		CloseReason::ManifestMissing => "ManifestMissing",
		CloseReason::Reclaimed => "Reclaimed",
		CloseReason::Abandoned => "Abandoned",
		CloseReason::Offline => "Offline",
		CloseReason::WorkloadFailed(_) => "WorkloadFailed",
	}
}

/// What a failure code means.
pub fn failure(code: &FailureCode) -> &'static str {
	match code {
		FailureCode::InvalidModule => "the module or image cannot be loaded",
		FailureCode::Crashed => {
			"the program crashed, or never passed its health check, at every attempt"
		}
		FailureCode::TimeLimit => "the program ran longer than the manifest allows",
		FailureCode::MemoryLimit => "the program needed more memory than was leased",
		FailureCode::StorageLimit => "files, outputs and logs outgrew the storage leased",
		FailureCode::Internal => "the provider's own machine failed",
	}
}

/// What does not come back with a deposit, in words.
fn but_for(fee: u128) -> String {
	match fee {
		0 => String::new(),
		fee => format!(", but for a fee of {}", amount(fee)),
	}
}

/// Who was at fault.
pub fn fault(fault: &Fault) -> &'static str {
	match fault {
		Fault::Nobody | Fault::Mishap => "nobody",
		Fault::Tenant => "the tenant",
		Fault::Provider => "the provider",
		Fault::Undecided => "the tenant or the provider",
	}
}

/// What a lease was paid for and how much, in words: one that was never served has cost its wait at most.
pub fn paid(served_blocks: u32, paid: u128) -> String {
	let (served, amount) = (count(served_blocks, "block"), amount(paid));
	match (served_blocks, paid) {
		(0, 1..) => format!("{served} served, {amount} paid for the time that its capacity waited"),
		_ => format!("{served} served, {amount} paid"),
	}
}

/// What concerns one order and its lease in the block of this view.
pub async fn told(view: &View, order: u64, lease: Option<u64>) -> Result<Vec<Told>, ChainError> {
	use runtime::{escrow, market};
	let events = view.at.events().fetch().await?;
	let block = view.number();
	let mut told = Vec::new();
	let mut lease = lease;
	let mut tell = |event: &str, text: String| {
		told.push(Told {
			block,
			event: event.to_owned(),
			text,
		});
	};
	for event in events.iter() {
		let event = event?;
		if let Some(Ok(e)) = event.decode_fields_as::<market::events::OrderPlaced>() {
			if e.order == order {
				let ends = e.bidding_ends;
				tell(
					"OrderPlaced",
					format!("order {order} is open for bids until block {ends}"),
				);
			}
		} else if let Some(Ok(e)) = event.decode_fields_as::<market::events::BidPlaced>() {
			if e.order == order {
				let rate = amount(e.rate);
				tell(
					"BidPlaced",
					format!("provider {} bids {rate} a block", e.provider),
				);
			}
		} else if let Some(Ok(e)) = event.decode_fields_as::<market::events::BidSkipped>() {
			if e.order == order {
				let why = e.requirement.0;
				let text = format!("the bid of provider {} is passed over: {why:?}", e.provider);
				tell("BidSkipped", text);
			}
		} else if let Some(Ok(e)) = event.decode_fields_as::<market::events::OrderCancelled>() {
			if e.order == order {
				let fee = but_for(e.fee);
				let text =
					format!("the tenant took order {order} back; all deposits are back{fee}");
				tell("OrderCancelled", text);
			}
		} else if let Some(Ok(e)) = event.decode_fields_as::<market::events::OrderExpired>() {
			if e.order == order {
				let fee = but_for(e.fee);
				let text =
					format!("order {order} ended without a lease; all deposits are back{fee}");
				tell("OrderExpired", text);
			}
		} else if let Some(Ok(e)) = event.decode_fields_as::<market::events::OrderMatched>() {
			if e.order == order {
				lease = Some(e.lease);
				let second = e.runner_up.as_ref().map_or(String::new(), |r| {
					format!(
						"; runner-up: provider {} with {}",
						r.provider,
						amount(r.rate)
					)
				});
				let text = format!(
					"lease {} goes to provider {} at {} a block (rank {}){second}",
					e.lease,
					e.provider,
					amount(e.rate),
					e.rank,
				);
				tell("OrderMatched", text);
			}
		} else if let Some(Ok(e)) = event.decode_fields_as::<market::events::LeaseStarted>() {
			if Some(e.lease) == lease {
				let text = format!(
					"the workload runs and is paid from here on, until block {} at most",
					e.term_end
				);
				tell("LeaseStarted", text);
			}
		} else if let Some(Ok(e)) = event.decode_fields_as::<market::events::SliceReduced>() {
			if Some(e.lease) == lease {
				let text = format!("{} of the provider's bond back it", amount(e.slice));
				tell("SliceReduced", text);
			}
		} else if let Some(Ok(e)) = event.decode_fields_as::<market::events::SliceKept>() {
			if Some(e.lease) == lease {
				let text = format!(
					"{} of the provider's bond stay reserved until block {}",
					amount(e.slice),
					e.until
				);
				tell("SliceKept", text);
			}
		} else if let Some(Ok(e)) = event.decode_fields_as::<escrow::events::Settled>() {
			if Some(e.lease) == lease {
				let text = format!(
					"{} served blocks are paid: {}, of which {} is the protocol's fee",
					e.blocks,
					amount(e.paid),
					amount(e.fee),
				);
				tell("Settled", text);
			}
		} else if let Some(Ok(e)) = event.decode_fields_as::<market::events::FundsLow>() {
			if Some(e.lease) == lease {
				let text = format!("funds are low: they last until block {}", e.dry_at);
				tell("FundsLow", text);
			}
		} else if let Some(Ok(e)) = event.decode_fields_as::<market::events::LeaseSuspended>() {
			use runtime::runtime_types::pallet_market::types::Suspension;
			if Some(e.lease) == lease {
				let why = match e.why {
					Suspension::Dry => "the balance is down to the reserve, which keeps the data",
					Suspension::ProviderPaused => "the provider paused it",
				};
				tell("LeaseSuspended", format!("the workload stops: {why}"));
			}
		} else if let Some(Ok(e)) = event.decode_fields_as::<market::events::LeaseResumed>() {
			if Some(e.lease) == lease {
				tell("LeaseResumed", "the workload may run again".into());
			}
		} else if let Some(Ok(e)) = event.decode_fields_as::<escrow::events::Deposited>() {
			if Some(e.lease) == lease {
				let text = format!("{} puts {} more on hold for it", e.who, amount(e.amount));
				tell("Deposited", text);
			}
		} else if let Some(Ok(e)) = event.decode_fields_as::<escrow::events::Withdrawn>() {
			if Some(e.lease) == lease {
				let text = format!("{} takes {} out of it", e.who, amount(e.amount));
				tell("Withdrawn", text);
			}
		} else if let Some(Ok(e)) = event.decode_fields_as::<escrow::events::RefillSet>() {
			if Some(e.lease) == lease {
				let text = match &e.refill {
					Some(refill) => format!(
						"the tenant lets it take {} whenever it runs low, {} in all at most",
						amount(refill.amount),
						amount(refill.budget)
					),
					None => "it takes no more from the tenant's account by itself".into(),
				};
				tell("RefillSet", text);
			}
		} else if let Some(Ok(e)) = event.decode_fields_as::<escrow::events::Refilled>() {
			if Some(e.lease) == lease {
				let (taken, left) = (amount(e.amount), amount(e.left));
				let text =
					format!("{taken} are taken from the tenant's account, {left} may still be");
				tell("Refilled", text);
			}
		} else if let Some(Ok(e)) = event.decode_fields_as::<market::events::AccessRevoked>() {
			if Some(e.lease) == lease {
				tell(
					"AccessRevoked",
					"all grants of access so far are void".into(),
				);
			}
		} else if let Some(Ok(e)) = event.decode_fields_as::<market::events::ManifestUpdated>() {
			if Some(e.lease) == lease {
				let hash = hex::encode(e.manifest_hash);
				tell(
					"ManifestUpdated",
					format!("the tenant names another manifest: {hash}"),
				);
			}
		} else if let Some(Ok(e)) = event.decode_fields_as::<market::events::LeaseReclaimed>() {
			if Some(e.lease) == lease {
				let text = format!("the provider takes its capacity back in block {}", e.ends);
				tell("LeaseReclaimed", text);
			}
		} else if let Some(Ok(e)) = event.decode_fields_as::<market::events::ReceiptSubmitted>() {
			if Some(e.lease) == lease {
				let text = format!(
					"the receipt for the manifest, of block {}, is on chain",
					e.block
				);
				tell("ReceiptSubmitted", text);
			}
		} else if let Some(Ok(e)) = event.decode_fields_as::<market::events::LeaseClosed>() {
			if Some(e.lease) == lease {
				let compensation = match e.compensation {
					0 => String::new(),
					paid => format!(", {} compensation out of the provider's bond", amount(paid)),
				};
				let text = format!(
					"the lease ended: {}; at fault: {}; {}, {} returned{compensation}",
					reason(&e.reason.0),
					fault(&e.fault.0),
					paid(e.served_blocks, e.paid),
					amount(e.refunded),
				);
				tell("LeaseClosed", text);
			}
		}
	}
	Ok(told)
}
