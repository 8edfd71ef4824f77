//! `doctor`: whether all that a tenant needs is there, and how to mend what is not.

use crate::{
	gateway::{answers, now},
	keys,
	output::Failure,
	Context,
};
use leasehold_client::{units, view::State, Standing};
use serde::Serialize;
use serde_json::json;
use std::{path::Path, time::Duration};
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(10);
/// Seconds that this machine's clock and the newest block may differ.
const SKEW: u64 = 30;

#[derive(Debug, Serialize)]
struct Finding {
	what: &'static str,
	/// Whether it can be used.
	ok: bool,
	says: String,
	#[serde(skip_serializing_if = "Option::is_none")]
	mend: Option<String>,
}

#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
	fn add(&mut self, what: &'static str, says: impl Into<String>, mend: &str) {
		self.0.push(Finding {
			what,
			ok: mend.is_empty(),
			says: says.into(),
			mend: (!mend.is_empty()).then(|| mend.to_owned()),
		});
	}
}

/// Looks at all of it.
pub async fn run(context: &Context) -> Result<(), Failure> {
	let mut found = Findings::default();
	folder(&context.dir, &mut found);
	// With a file that has the password it is tried, too.
	let account = match context.password_file {
		Some(_) => keys::account(context).map(|pair| leasehold_client::keystore::account(&pair)),
		None => keys::address(context),
	};
	let account = match account {
		Ok(account) => {
			found.add("account", format!("{} is {account}", context.account), "");
			Some(account)
		}
		Err(failure) => {
			found.add("account", failure.what, &failure.advice);
			None
		}
	};
	context.out.waiting("asking the node");
	if let Err(failure) = chain(context, account, &mut found).await {
		let Failure { what, advice, .. } = failure;
		found.add(
			"node",
			what,
			if advice.is_empty() {
				"Try again."
			} else {
				&advice
			},
		);
	}
	let wrong = found.0.iter().filter(|one| !one.ok).count();
	context.out.result(json!(found.0), || {
		let lines = found.0.iter().map(|one| {
			let word = if one.ok { "ok" } else { "FAILS" };
			let mend = one
				.mend
				.as_ref()
				.map(|mend| format!("\n{:<18} mend: {mend}", ""));
			format!(
				"{word:<6} {:<11} {}{}",
				one.what,
				one.says,
				mend.unwrap_or_default()
			)
		});
		lines.collect::<Vec<_>>().join("\n")
	});
	match wrong {
		0 => Ok(()),
		n => Err(Failure::new(
			1,
			format!("{} to be mended", units::count(n, "thing")),
			"Do what stands behind `mend`, then `leasehold doctor` again.",
		)),
	}
}

/// Whether keys and deployments can be kept, by nobody else.
fn folder(dir: &Path, found: &mut Findings) {
	use std::os::unix::fs::PermissionsExt as _;
	let at = dir.display();
	let probe = dir.join(".doctor");
	let tried = std::fs::create_dir_all(dir)
		.and_then(|()| std::fs::write(&probe, []))
		.and_then(|()| std::fs::remove_file(&probe));
	if let Err(error) = tried {
		let says = format!("{at} cannot be written: {error}");
		return found.add("folder", says, "Name another: --dir.");
	}
	let keys = std::fs::read_dir(dir.join("keys"))
		.into_iter()
		.flatten()
		.flatten();
	let open = keys.map(|entry| entry.path()).find(|path| {
		let mode = std::fs::metadata(path).map(|meta| meta.permissions().mode());
		path.extension().is_some_and(|ending| ending == "json")
			&& mode.is_ok_and(|mode| mode & 0o077 != 0)
	});
	match open {
		Some(key) => {
			let says = format!("others may read {}", key.display());
			found.add("folder", says, &format!("chmod 600 {}", key.display()));
		}
		None => found.add("folder", at.to_string(), ""),
	}
}

async fn chain(
	context: &Context,
	account: Option<leasehold_client::AccountId32>,
	found: &mut Findings,
) -> Result<(), Failure> {
	let late = |_| {
		let what = format!("the node at {} gives no answer", context.node);
		Failure::new(6, what, "Start it, or name another: --node.")
	};
	let stands = timeout(PATIENCE, Standing::of(&context.node))
		.await
		.map_err(late)??;
	let genesis = stands.connection.genesis;
	let says = format!("{}: {}, chain {genesis:?}", context.node, stands.in_words());
	let best = &stands.best;
	let behind = "It is not in step yet: wait, or name another: --node.";
	found.add("node", says, if stands.heads.syncing { behind } else { "" });
	let away = now().abs_diff(stands.time);
	let mend = match away > SKEW {
		true => "Either this clock is wrong (`timedatectl` tells), and grants are refused, or the chain stands.",
		false => "",
	};
	found.add(
		"clock",
		format!("{away} s from the newest block's time"),
		mend,
	);
	let Some(account) = account else {
		return Ok(());
	};
	let free = best.account(&account).await?.free;
	let mend = if free == 0 {
		"Have somebody send it some LEASE."
	} else {
		""
	};
	found.add("funds", format!("{} are free", units::lease(free)), mend);
	let (_, leases) = best.open_items(&account).await?;
	if leases.is_empty() {
		found.add("leases", "none is open", "");
	}
	for lease in leases {
		context
			.out
			.waiting(format!("asking the provider of lease {}", lease.id));
		let provider = best.provider(lease.provider).await?;
		let (id, provider_id) = (lease.id, lease.provider);
		let is_there = match &provider {
			Some(provider) => answers(provider).await,
			None => false,
		};
		let stands = match lease.state {
			State::Active { .. } => String::new(),
			State::Starting { deadline, .. } => {
				format!(" has not started yet, and must by block {deadline} (`leasehold status {id}` says why)")
			}
			State::Suspended { .. } => {
				format!(" is paused by its provider, unbilled (`leasehold status {id}` says why)")
			}
		};
		let top_up = format!(
			"`leasehold top-up {id} --until 12h`: it is closed otherwise, and its data goes."
		);
		let (says, mend) = match is_there {
			_ if lease.is_dry() => (format!("lease {id} has run dry: nothing of it runs"), top_up.as_str()),
			true => (format!("lease {id}{stands}: provider {provider_id} answers"), ""),
			false => (
				format!("lease {id}{stands}: provider {provider_id} does not answer"),
				"It may be restarting; while it misses its heartbeats nothing is paid, and the lease ends if that lasts.",
			),
		};
		found.add("leases", says, mend);
	}
	Ok(())
}
