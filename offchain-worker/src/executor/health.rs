//! Whether a replica is well.

use leasehold_manifest::Health;
use std::{future::Future, time::Duration};
use tokio::time::Instant;

/// How long a service that names no check must have run to be well.
pub const STEADY: Duration = Duration::from_secs(3);

/// `Err`: why it is not well.
pub type Probed = Result<(), String>;

/// Probes a replica for as long as it is well; what is wrong with it once it is not. `since`: how long it has run;
/// `probe` answers with `None` if nothing can be said.
pub async fn until_ill<F: Future<Output = Option<Probed>>>(
	health: &Health,
	since: Duration,
	mut probe: impl FnMut() -> F,
	is_well: impl Fn(),
) -> String {
	let begun = Instant::now();
	let mut failures = 0u32;
	loop {
		let probed = probe().await;
		let starting = since.saturating_add(begun.elapsed()).as_secs() < health.start_period.into();
		match probed {
			None => {}
			Some(Ok(())) => {
				failures = 0;
				is_well();
			}
			Some(Err(why)) if starting => tracing::debug!(why, "not well yet"),
			Some(Err(why)) => {
				failures = failures.saturating_add(1);
				tracing::debug!(why, failures, "not well");
				if failures >= health.retries {
					return why;
				}
			}
		}
		tokio::time::sleep(Duration::from_secs(health.interval.into())).await;
	}
}
