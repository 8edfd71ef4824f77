//! What the daemon looks after beside its leases: the engine, the networks, its balance and its file.

use super::{Shared, LOW_FUNDS};
use crate::{closing, config::Config, executor::container::Isolation};
use leasehold_client::{
	units,
	view::{Provider, View},
};
use std::sync::Arc;

/// How long it may be looked for the engine's quotas.
const QUOTA: std::time::Duration = std::time::Duration::from_secs(60);

impl Shared {
	/// Whether the container engine answers: nobody bids on containers without it.
	async fn look_at_engine(&self) {
		let Some(container) = &self.executors.container else {
			return;
		};
		let (engine, fault) = match container.engine(&self.config.gpus).await {
			Ok(engine) => (Some(engine), None),
			Err(error) => (None, Some(error.to_string())),
		};
		self.note(|s| {
			match (&engine, &fault) {
				(Some(engine), _) if s.containers.is_none() => {
					tracing::info!("containers run on {engine}");
				}
				(_, Some(why)) if s.no_containers.is_none() => {
					tracing::warn!("containers cannot run: {why}");
				}
				_ => {}
			}
			(s.containers, s.no_containers) = (engine, fault);
		});
	}

	/// Whether containers that have a network are shut off: nobody bids on services otherwise.
	pub(super) async fn look_at_networks(&self) -> bool {
		let Some(container) = &self.executors.container else {
			return false;
		};
		let (networks, why) = match container.isolated().await {
			Ok(through) if through.is_empty() => (Isolation::Closed, None),
			Ok(through) => {
				let why = format!(
					"a container gets through to {}: `sudo leasehold-provider --dir {} setup-network` closes that",
					through.join(", "),
					self.store.folder().display()
				);
				(Isolation::Open, Some(why))
			}
			Err(error) => (Isolation::Unknown, Some(error.to_string())),
		};
		// Before the first service is started.
		if networks == Isolation::Closed {
			let looked = tokio::time::timeout(QUOTA, container.look_for_quota()).await;
			let why = match looked {
				Ok(Ok(())) => None,
				Ok(Err(error)) => Some(error.to_string()),
				Err(_) => Some("it takes too long".into()),
			};
			if let Some(why) = why {
				tracing::warn!(why, "whether the engine has quotas is not known yet");
			}
		}
		self.note(|s| {
			match &why {
				None if s.networks != networks => {
					tracing::info!("services are shut off from this machine");
				}
				Some(why) if s.no_services.as_ref() != Some(why) => {
					tracing::warn!("services cannot run: {why}");
				}
				_ => {}
			}
			(s.networks, s.no_services) = (networks, why);
		});
		networks == Isolation::Closed
	}

	/// Which image of a lease has not come, if one has not, and why.
	pub fn not_had(&self, lease: u64) -> Option<String> {
		self.executors.container.as_ref()?.not_had(lease)
	}

	/// Why containers cannot run at present, and why services cannot.
	pub fn cannot_run(&self) -> (Option<String>, Option<String>) {
		let because = |why: Option<&String>, unknown: &str| {
			Some(why.map_or_else(|| unknown.to_owned(), String::clone))
		};
		let (engine, networks) = ("no engine is known", "not probed yet");
		let Ok(s) = self.status.lock() else {
			return (because(None, engine), because(None, networks));
		};
		let no_containers = match s.containers {
			Some(_) => None,
			None => because(s.no_containers.as_ref(), engine),
		};
		let no_services = match s.networks {
			Isolation::Closed => None,
			_ => because(s.no_services.as_ref(), networks),
		};
		(no_containers, no_services)
	}

	/// Whether services may be started.
	pub fn networks(&self) -> Isolation {
		self.status
			.lock()
			.map_or(Isolation::Unknown, |status| status.networks)
	}

	/// Looks after what an operator easily overlooks: its balance, and a file that was changed.
	pub(super) async fn look_after(self: &Arc<Self>, best: &View) -> anyhow::Result<()> {
		closing::empty_quarantine(self);
		self.identity.renew_names();
		self.look_at_engine().await;
		let terms = best.terms().await?;
		for (here, there) in [
			(&self.manifest_deadline, terms.manifest_deadline),
			(&self.pause_after, terms.pause_after),
		] {
			here.store(there, std::sync::atomic::Ordering::Relaxed);
		}
		let on_chain = best.provider(self.provider).await?;
		let drained = on_chain
			.as_ref()
			.and_then(|provider| match provider.unbonding_until {
				Some(until) => Some(format!(
					"no new leases: the provider leaves, its bond is back after block {until}"
				)),
				None if provider.accepting => None,
				None => Some("no new leases; `drain --off` ends that".into()),
			});
		self.keep_offer(best, terms.slot_millis, drained.clone())
			.await?;
		let free = best.account(&self.operator).await?.free;
		let short = free < LOW_FUNDS;
		let wanted = Config::read(self.store.folder())
			.map_err(anyhow::Error::from)
			.and_then(|config| config.info(&self.identity));
		let resources = |p: &Provider| (p.capacity.clone(), p.reserved.clone());
		let resources = on_chain.as_ref().map(resources);
		let differs = match (wanted, on_chain) {
			(Err(error), _) => Some(format!("{error:#}")),
			(Ok(info), Some(on_chain)) if !on_chain.says(&info) => Some(
				"this machine says other capacity, attributes, URL or keys than the chain; \
				 `leasehold-provider update` puts them on chain"
					.into(),
			),
			_ => None,
		};
		self.note(|s| {
			if short && !s.short {
				let funds = units::lease(free);
				tracing::warn!(operator = %self.operator, funds, "the operator has too little for fees");
			}
			if let (None, Some(differs)) = (&s.differs, &differs) {
				tracing::warn!("{differs}");
			}
			(s.free_planck, s.short, s.differs) = (free, short, differs);
			s.on_chain = resources;
			s.drained = drained;
		});
		Ok(())
	}
}
