//! `update`: another manifest for a running lease of services.

use super::{
	ask_at_terminal,
	follow::{deliver, tell_away, LAG},
	prepare::{Deployment, Leased},
	understand, LOOK,
};
use crate::{gateway::Gateway, keys, output::Failure, tenant, Context};
use clap::Args;
use leasehold_client::{
	keystore,
	signer::Wait,
	story, units,
	view::{LeaseRecordNow, OpenLease, State},
	Call, Chain, Requirement, Resources, WorkloadKind,
};
use leasehold_manifest::{Manifest, Medium, Volume};
use serde_json::{json, Value};
use std::{path::PathBuf, time::Instant};

#[derive(Debug, Args)]
pub struct Update {
	/// Number of the lease.
	lease: u64,
	/// The manifest file (SDL), changed.
	file: PathBuf,
	/// Which placement of the file, if it has several.
	#[arg(long, value_name = "NAME")]
	placement: Option<String>,
	/// Do not ask at a terminal.
	#[arg(long, short)]
	yes: bool,
}

/// What goes with an update: what is kept for services, or on volumes, that the new manifest does not have.
fn lost(before: &Manifest, after: &Manifest) -> Vec<String> {
	let mut all = Vec::new();
	for service in &before.services {
		let same = after.services.iter().find(|one| one.name == service.name);
		let kept = |volume: &&Volume| matches!(volume.medium, Medium::Persistent(_));
		let gone = service.unit.volumes.iter().filter(kept).filter(|volume| {
			let mut volumes = same.into_iter().flat_map(|same| &same.unit.volumes);
			!volumes.any(|one| one.name == volume.name && kept(&one))
		});
		all.extend(
			gone.map(|volume| format!("the volume `{}` of `{}`", volume.name, service.name)),
		);
		let left = same.map_or(0, |same| same.count);
		let has_any = service.unit.volumes.iter().any(|volume| kept(&volume));
		if (1..service.count).contains(&left) && has_any {
			let replicas = units::count(service.count.saturating_sub(left), "replica");
			all.push(format!("what {replicas} of `{}` have kept", service.name));
		}
	}
	all
}

impl Update {
	pub async fn run(self, context: &Context) -> Result<(), Failure> {
		let prepared = understand(context, &self.file, self.placement.as_deref())?;
		prepared.can_be_run()?;
		let pair = keys::account(context)?;
		let (chain, connection) = tenant::connect(context).await?;
		let view = connection.best().await?;
		let id = self.lease;
		let lease = tenant::open_lease(&view, id).await?;
		let who = keystore::account(&pair);
		if prepared.manifest.job().is_some() && lease.kind == WorkloadKind::Service {
			let what = format!(
				"{} is of a job, and lease {id} of services",
				self.file.display()
			);
			return Err(Failure::new(
				2,
				what,
				"`leasehold deploy FILE` orders a job.",
			));
		}
		may_be_updated(&lease, who == lease.tenant, &prepared.requirements()?.0)?;
		let genesis = connection.genesis;
		let provider = view.provider(lease.provider).await?;
		let session = (id, lease.epoch);
		let entry = tenant::to_hand_in(context, genesis, &lease, &pair)?;
		let gateway = tenant::gateway(&chain, genesis, provider, lease.provider, entry, session)?;
		let kept = Deployment::of_hash(context, &lease.manifest_hash);
		let before = kept
			.as_ref()
			.and_then(|kept| Manifest::open(&kept.bytes()).ok());
		let same = kept.filter(|_| before.as_ref() == Some(&prepared.manifest));
		let deployment = match same {
			// Named before, and perhaps not handed in.
			Some(kept) => Deployment {
				files: prepared.on_disk(),
				..kept
			},
			None => {
				if let Some(before) = &before {
					self.ask(context, &lost(before, &prepared.manifest))?;
				}
				let bytes = prepared.seal()?;
				let deployment = Deployment {
					version: 1,
					genesis: format!("{genesis:?}"),
					account: who.to_string(),
					manifest: hex::encode(&bytes),
					order: Some(lease.order),
					lease: Some(Leased::from(&lease)),
					files: prepared.on_disk(),
				};
				deployment.save(context)?;
				context.out.waiting("telling the chain");
				let call = Call::UpdateManifest {
					lease: id,
					manifest_hash: Manifest::hash(&bytes),
				};
				let receipt = tenant::submit(context, &chain, &pair, call, Wait::Best).await?;
				context.out.stage(format!(
					"the chain knows of the new manifest since block {}",
					receipt.block.0
				));
				deployment
			}
		};
		context.out.if_interrupted(format!(
			"what runs goes on; the same `leasehold update {id}` again hands the new manifest in"
		));
		let hash = Manifest::hash(&deployment.bytes());
		let said = loop {
			deliver(context, &chain, &gateway, &deployment).await?;
			context.out.if_interrupted(format!(
				"the update goes on; `leasehold status {id}` shows it"
			));
			if let Some(said) = until_updated(context, &chain, &gateway, hash).await? {
				break said;
			}
		};
		let hash = hex::encode(hash);
		let addresses = gateway.addresses(&said);
		for line in &addresses {
			context.out.stage(line.to_string());
		}
		let json = json!({ "lease": id, "manifest_hash": hash, "addresses": addresses });
		context
			.out
			.result(json, || format!("lease {id} runs as its new manifest says"));
		Ok(())
	}

	/// Nothing that is kept goes unsaid.
	fn ask(&self, context: &Context, lost: &[String]) -> Result<(), Failure> {
		for what in lost {
			let text = format!("{what} goes, with all that is in it: the file has it no more");
			context.out.stage(text);
		}
		match lost.is_empty() || self.yes {
			true => Ok(()),
			false => ask_at_terminal("update?", "not updated"),
		}
	}
}

/// What the chain or the provider would refuse.
fn may_be_updated(lease: &OpenLease, is_tenant: bool, asked: &Resources) -> Result<(), Failure> {
	let id = lease.id;
	if !is_tenant {
		let what = format!("lease {id} is of another account: {}", lease.tenant);
		return Err(Failure::new(5, what, "Name its account: --account."));
	}
	if lease.kind == WorkloadKind::Job {
		let what = format!("lease {id} is a job, which is not updated");
		return Err(Failure::new(2, what, "Close it, and deploy the new one."));
	}
	tenant::may_run(lease)?;
	if let State::Starting { .. } = lease.state {
		let what = format!("lease {id} has not started yet");
		return Err(Failure::new(5, what, "Try again when it runs."));
	}
	match lease.taken.take(&Resources::default(), asked) {
		Ok(_) => Ok(()),
		Err(lacks) => {
			let has = &lease.taken;
			let more = match lacks {
				Requirement::Cpu => format!("{} milli-CPU, not {}", asked.cpu, has.cpu),
				Requirement::Memory => {
					format!("{} MiB of memory, not {}", asked.memory, has.memory)
				}
				Requirement::Ephemeral => {
					format!("{} MiB of storage, not {}", asked.ephemeral, has.ephemeral)
				}
				Requirement::Ports => format!("{} ports, not {}", asked.ports, has.ports),
				other => format!("{other:?}"),
			};
			let what = format!("the file asks for more than lease {id} has: {more}");
			let advice = "Ask for no more than before, or deploy it as a lease of its own.";
			Err(Failure::new(2, what, advice))
		}
	}
}

/// Waits until all that the manifest names runs, and nothing else. `None`: the provider has lost the manifest.
async fn until_updated(
	context: &Context,
	chain: &Chain,
	gateway: &Gateway,
	hash: [u8; 32],
) -> Result<Option<Value>, Failure> {
	let (id, name) = (gateway.lease, hex::encode(hash));
	let mut other_since = None;
	let mut away = false;
	loop {
		let record = tenant::patiently(context, chain, async |connection| {
			connection.best().await?.lease(id).await
		})
		.await?;
		match record {
			LeaseRecordNow::Open(lease) => {
				tenant::may_run(&lease)?;
				if lease.manifest_hash == hash {
					other_since = None;
				} else if other_since.get_or_insert_with(Instant::now).elapsed() > LAG {
					let what = format!("lease {id} was given yet another manifest");
					return Err(Failure::new(5, what, "`leasehold events` tells when."));
				}
			}
			LeaseRecordNow::Closed(closed) => {
				let why = story::reason(&closed.reason);
				return Err(Failure::new(5, format!("the lease was closed: {why}"), ""));
			}
			LeaseRecordNow::Swept | LeaseRecordNow::Unknown => {}
		}
		match gateway.call("lease_status", String::new()).await {
			Ok(said) => {
				away = false;
				let none = Vec::new();
				let replicas = said["replicas"].as_array().unwrap_or(&none);
				let runs = |one: &&Value| one["state"] == "running";
				let count = replicas.iter().filter(runs).count();
				let all = !replicas.is_empty() && count == replicas.len();
				if said["running"] == name && said["phase"] == "running" && all {
					return Ok(Some(said));
				}
				if said["running"] != name && said["next_is_here"] == false {
					return Ok(None);
				}
				let unusable = replicas
					.iter()
					.filter(|one| one["state"] != "replaced")
					.filter_map(|one| one["last"].as_str())
					.find(|last| last.starts_with("it cannot be loaded"));
				if let Some(why) = unusable.filter(|_| said["running"] == name) {
					let what = format!("the new manifest does not run: {why}");
					let advice =
						"Correct the file, and update again: the lease goes on being paid for.";
					return Err(Failure::new(7, what, advice));
				}
				let failing = replicas.iter().filter(|one| !runs(one)).find_map(|one| {
					Some(format!(
						": {} {}",
						one["service"].as_str()?,
						one["last"].as_str()?
					))
				});
				context.out.waiting(format!(
					"{count} of {} replicas run{}",
					replicas.len(),
					failing.unwrap_or_default()
				));
			}
			Err(failure) if failure.code == 6 => {
				tell_away(context, &failure, &mut away);
				context.out.waiting("the provider is away; trying again");
			}
			Err(failure) => return Err(failure),
		}
		tokio::time::sleep(LOOK).await;
	}
}
