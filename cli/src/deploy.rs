//! `deploy`: from a manifest file to a running workload, by one verb.

use crate::{
	gateway::Gateway,
	keys,
	output::{table, Failure},
	tenant, Context,
};
use clap::Args;
use leasehold_client::{
	keystore,
	signer::Wait,
	story, units,
	view::{Closed, LeaseRecordNow, OpenLease, OrderNow, Provider, State, Terms},
	Attribute, Call, Chain, CloseReason, Connection, OrderRequest, Resources, WorkloadKind,
};
use leasehold_manifest::{files, sdl, FileEntry, Kind, Level, Manifest, Sdl, Service};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::{
	io::IsTerminal as _,
	path::{Path, PathBuf},
	time::Duration,
};

/// How often the chain is looked at.
const LOOK: Duration = Duration::from_millis(300);
/// Kept free for transaction fees, planck.
const FEES: u128 = units::LEASE / 10;

#[derive(Debug, Args)]
pub struct Deploy {
	/// The manifest file (SDL).
	#[arg(required_unless_present = "resume")]
	file: Option<PathBuf>,
	/// Stay until the job has ended, and show its log.
	#[arg(long)]
	wait: bool,
	/// Go on with an order of an earlier `deploy` that was interrupted.
	#[arg(long, value_name = "ORDER")]
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
	/// Blocks for which bids are taken.
	#[arg(long, default_value_t = 5)]
	bidding: u32,
	/// Place the order although no provider fits it now.
	#[arg(long)]
	anyway: bool,
}

/// A manifest file with its files on this disk.
pub struct Prepared {
	pub sdl: Sdl,
	manifest: Manifest,
	/// (place at the gateway, entry, file on this disk)
	files: Vec<(String, FileEntry, PathBuf)>,
}

impl Prepared {
	/// What the order requires.
	pub fn requirements(&self) -> Result<(Resources, Vec<Attribute>), Failure> {
		let totals = self.manifest.totals().ok_or_else(|| {
			Failure::new(2, "the sums over all replicas overflow", "Ask for less.")
		})?;
		let resources = Resources {
			cpu: totals.cpu,
			memory: totals.memory,
			ephemeral: totals.storage,
			unit_cpu: totals.unit_cpu,
			unit_memory: totals.unit_memory,
			..Default::default()
		};
		let attributes = self
			.sdl
			.attributes
			.iter()
			.map(|(key, value)| {
				let bounded = |text: &str| text.as_bytes().to_vec().try_into().ok();
				Some(Attribute {
					key: bounded(key)?,
					value: bounded(value)?,
				})
			})
			.collect::<Option<_>>()
			.ok_or_else(|| Failure::new(2, "an attribute is too long", "Use at most 64 bytes."))?;
		Ok((resources, attributes))
	}
}

/// Reads a manifest file and the files it names; shows its faults.
pub fn understand(context: &Context, file: &Path) -> Result<Prepared, Failure> {
	let unreadable = |path: &Path, error: std::io::Error| {
		Failure::new(2, format!("{}: {error}", path.display()), "Check the path.")
	};
	let (sdl, faults) = sdl::read(file).map_err(|error| unreadable(file, error))?;
	for fault in &faults {
		let level = if fault.level == Level::Error {
			""
		} else {
			"warning: "
		};
		context
			.out
			.stage(format!("{level}{}:{fault}", file.display()));
	}
	let Some(sdl) = sdl else {
		let what = format!("{} cannot be used", file.display());
		return Err(Failure::new(2, what, "Correct the faults named above."));
	};
	let base = file.parent().unwrap_or(Path::new("."));
	let entry = |from: &str, path: String| {
		let disk = base.join(from);
		context.out.waiting(format!("reading {}", disk.display()));
		let (size, sha256) = files::digest(&disk).map_err(|error| unreadable(&disk, error))?;
		Ok::<_, Failure>((FileEntry { path, size, sha256 }, disk))
	};
	let name = Path::new(&sdl.module)
		.file_name()
		.and_then(|name| name.to_str())
		.unwrap_or("module.wasm")
		.to_owned();
	let (module, disk) = entry(&sdl.module, name)?;
	let mut files = vec![(format!("module/{}", module.path), module.clone(), disk)];
	let mut inputs = Vec::new();
	for input in &sdl.inputs {
		let (entry, disk) = entry(&input.from, input.path.clone())?;
		files.push((format!("in/{}", entry.path), entry.clone(), disk));
		inputs.push(entry);
	}
	let size = inputs
		.iter()
		.fold(module.size, |sum, file| sum.saturating_add(file.size));
	let room = u64::from(sdl.storage).saturating_mul(1 << 20);
	if size > room {
		return Err(Failure::new(
			2,
			format!("module and inputs have {size} bytes, the storage ordered has {room}"),
			"Order more storage: profiles.compute.*.resources.storage.size.",
		));
	}
	let manifest = Manifest {
		services: vec![Service {
			name: sdl.name.clone(),
			kind: sdl.kind,
			module,
			args: sdl.args.clone(),
			env: sdl.env.clone(),
			count: sdl.count,
			cpu: sdl.cpu,
			memory: sdl.memory,
			storage: sdl.storage,
			inputs,
			outputs: sdl.outputs.clone(),
			max_duration: sdl.max_duration.as_secs(),
			attempts: sdl.attempts,
		}],
	};
	context.out.done();
	Ok(Prepared {
		sdl,
		manifest,
		files,
	})
}

/// What is on disk before anything is signed, so that `--resume` can go on.
#[derive(Debug, Serialize, Deserialize)]
struct Deployment {
	version: u32,
	genesis: String,
	/// The manifest's bytes, hexadecimal.
	manifest: String,
	order: Option<u64>,
	/// (place at the gateway, file on this disk)
	files: Vec<(String, PathBuf)>,
}

impl Deployment {
	fn path(context: &Context, hash: &[u8; 32]) -> PathBuf {
		context
			.dir
			.join("deployments")
			.join(format!("{}.json", hex::encode(hash)))
	}

	fn bytes(&self) -> Vec<u8> {
		hex::decode(&self.manifest).unwrap_or_default()
	}

	fn save(&self, context: &Context) -> Result<(), Failure> {
		let path = Self::path(context, &Manifest::hash(&self.bytes()));
		let write = || -> std::io::Result<()> {
			use std::os::unix::fs::OpenOptionsExt as _;
			let folder = path.parent().unwrap_or(Path::new("."));
			std::fs::create_dir_all(folder)?;
			let part = path.with_extension("part");
			let mut options = std::fs::OpenOptions::new();
			// The environment may hold secrets.
			options.write(true).create(true).truncate(true).mode(0o600);
			let mut file = options.open(&part)?;
			serde_json::to_writer_pretty(&mut file, self)?;
			file.sync_all()?;
			std::fs::rename(&part, &path)
		};
		write().map_err(|error| {
			Failure::new(1, format!("{}: {error}", path.display()), "Check --dir.")
		})
	}

	/// The deployment of an order: by its number, or by its manifest's hash on chain, if the command
	/// ended before it had seen the number.
	fn of_order(
		context: &Context,
		order: u64,
		genesis: &str,
		hash: Option<[u8; 32]>,
	) -> Result<Self, Failure> {
		let folder = context.dir.join("deployments");
		std::fs::read_dir(&folder)
			.into_iter()
			.flatten()
			.flatten()
			.filter_map(|entry| std::fs::read(entry.path()).ok())
			.filter_map(|bytes| serde_json::from_slice::<Self>(&bytes).ok())
			.find(|deployment| {
				let by_hash =
					|| hash.is_some_and(|hash| Manifest::hash(&deployment.bytes()) == hash);
				deployment.genesis == genesis && (deployment.order == Some(order) || by_hash())
			})
			.map(|deployment| Self {
				order: Some(order),
				..deployment
			})
			.ok_or_else(|| {
				let what = format!(
					"no deployment of order {order} is kept in {}",
					folder.display()
				);
				Failure::new(2, what, "Its manifest is needed; name the right --dir.")
			})
	}
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
		let prepared = match &self.file {
			Some(file) if self.resume.is_none() => Some(understand(context, file)?),
			_ => None,
		};
		let pair = keys::account(context)?;
		let (chain, connection) = tenant::connect(context).await?;
		let genesis = format!("{:?}", connection.genesis);
		let deployment = match (self.resume, prepared) {
			(Some(order), _) => {
				let hash = hash_on_chain(context, &chain, &pair, order).await?;
				Deployment::of_order(context, order, &genesis, hash)?
			}
			(None, Some(prepared)) => {
				self.order(context, &chain, &pair, prepared, genesis)
					.await?
			}
			(None, None) => return Err(Failure::new(2, "name a manifest file", "See --help.")),
		};
		let order = deployment.order.unwrap_or_default();
		let lease = match matched(context, &chain, &pair, order).await? {
			Outcome::Lease(lease) => lease,
			Outcome::Over(closed) => return over(context, &closed),
		};
		let provider = tenant::patiently(context, &chain, async |connection| {
			connection.best().await?.provider(lease.provider).await
		})
		.await?;
		let genesis = connection.genesis;
		let gateway = tenant::gateway(genesis, provider, lease.provider, &pair, lease.id)?;
		if let State::Starting { .. } = lease.state {
			deliver(context, &chain, &gateway, &deployment).await?;
		}
		context.out.stage("the manifest is delivered");
		if self.wait {
			return until_ended(context, &chain, &gateway, lease.id).await;
		}
		let record = until_running(context, &chain, lease.id).await?;
		let json = json!({ "order": order, "lease": lease.id, "provider": lease.provider });
		context.out.result(json, || {
			let word = match record {
				LeaseRecordNow::Open(_) => "runs".to_owned(),
				LeaseRecordNow::Closed(closed) => {
					format!("ended: {}", story::reason(&closed.reason))
				}
				_ => "is over".to_owned(),
			};
			let id = lease.id;
			format!(
				"lease {id} {word}\nnext: leasehold logs -f {id} · leasehold status {id} · leasehold \
				 files get {id} · leasehold close {id}"
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
		let (resources, attributes) = prepared.requirements()?;
		let max_rate = self.ceiling(&prepared.sdl, &terms)?;
		let providers = view.providers().await?;
		if !fits(
			context,
			&providers,
			&resources,
			&attributes,
			max_rate,
			&terms,
		) && !self.anyway
		{
			return Err(Failure::new(
				4,
				"no provider fits this order at present",
				"Ask for less, pay more, or place it --anyway: it expires and the deposit returns.",
			));
		}
		let slots = |time: Duration| {
			let slots = time
				.as_millis()
				.div_ceil(u128::from(terms.slot_millis.max(1)));
			u32::try_from(slots).unwrap_or(u32::MAX)
		};
		let attempt = slots(prepared.sdl.max_duration);
		let max_duration = attempt
			.saturating_mul(prepared.sdl.attempts)
			.saturating_add(20)
			.min(terms.max_duration);
		let least = terms.minimal_deposit(max_rate);
		let deposit = match &self.deposit {
			Some(text) => Some(units::parse_amount(text).map_err(|why| Failure::new(2, why, ""))?),
			// Enough for one attempt, or for an hour of it.
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
		let who = keystore::account(pair);
		let needed = [
			deposit,
			terms.record_deposit,
			terms.existential_deposit,
			FEES,
		]
		.into_iter()
		.fold(0u128, u128::saturating_add);
		let free = view.account(&who).await?.free;
		if free < needed {
			return Err(Failure::new(
				3,
				format!(
					"{who} has {}, but {} are needed: {} are missing",
					units::lease(free),
					units::lease(needed),
					units::lease(needed.saturating_sub(free)),
				),
				"Fund the account; nothing was sent.",
			));
		}
		let hour = max_rate.saturating_mul(units::blocks_per_hour(terms.slot_millis));
		context.out.stage(format!(
			"at most {} an hour ({} in 30 days); deposit {}, of which the rest comes back; at the \
			 ceiling it lasts {}",
			units::lease(hour),
			units::lease(hour.saturating_mul(720)),
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
			"besides: {} are held for the records until they are swept, and transaction fees",
			units::lease(terms.record_deposit)
		));
		if !self.yes {
			confirm()?;
		}
		let bytes = prepared
			.manifest
			.seal()
			.map_err(|error| Failure::new(1, error.to_string(), ""))?;
		let files = prepared
			.files
			.iter()
			.map(|(place, _, disk)| {
				(
					place.clone(),
					std::path::absolute(disk).unwrap_or_else(|_| disk.clone()),
				)
			})
			.collect();
		let mut deployment = Deployment {
			version: 1,
			genesis,
			manifest: hex::encode(&bytes),
			order: None,
			files,
		};
		deployment.save(context)?;
		let request = OrderRequest {
			access: None,
			manifest_hash: Manifest::hash(&bytes),
			kind: match prepared.sdl.kind {
				Kind::Job => WorkloadKind::Job,
				Kind::Service => WorkloadKind::Service,
			},
			resources,
			attributes,
			max_rate,
			min_score: 0,
			max_duration,
			bidding: self.bidding.clamp(terms.min_bidding, terms.max_bidding),
			deposit,
		};
		context.out.waiting("placing the order");
		let signer = tenant::signer(context, chain, pair)?;
		let receipt = signer
			.submit(Call::PlaceOrder(Box::new(request)), Wait::Best)
			.await?;
		let view = chain.connection().await?.at_number(receipt.block.0).await?;
		let order = view.order_placed(&receipt).await?.ok_or_else(|| {
			Failure::new(
				1,
				"the order's block was undone",
				"`leasehold leases` shows the order.",
			)
		})?;
		deployment.order = Some(order);
		deployment.save(context)?;
		context.out.stage(format!(
			"order {order} is placed in block {}",
			receipt.block.0
		));
		Ok(deployment)
	}

	/// The price ceiling, planck a block.
	fn ceiling(&self, sdl: &Sdl, terms: &Terms) -> Result<u128, Failure> {
		if let Some(text) = &self.max_price {
			let hour = units::parse_amount(text).map_err(|why| Failure::new(2, why, ""))?;
			let blocks = units::blocks_per_hour(terms.slot_millis).max(1);
			return Ok(hour.checked_div(blocks).unwrap_or(0).max(1));
		}
		sdl.max_rate
			.and_then(|rate| rate.checked_mul(sdl.count.into()))
			.ok_or_else(|| {
				let what = "the file sets no price ceiling in `ulease`";
				Failure::new(
					2,
					what,
					"Say what you would pay at most: --max-price LEASE-AN-HOUR.",
				)
			})
	}
}

fn confirm() -> Result<(), Failure> {
	if !std::io::stdin().is_terminal() {
		let what = "the price has not been confirmed";
		return Err(Failure::new(
			2,
			what,
			"Add --yes where nobody can be asked.",
		));
	}
	eprint!("  deploy? [y/N] ");
	let mut answer = String::new();
	let read = std::io::stdin().read_line(&mut answer);
	if read.is_ok() && matches!(answer.trim(), "y" | "Y" | "yes") {
		return Ok(());
	}
	Err(Failure::new(1, "not deployed", ""))
}

/// Whether a provider fits; says why each other does not.
fn fits(
	context: &Context,
	providers: &[Provider],
	resources: &Resources,
	attributes: &[Attribute],
	rate: u128,
	terms: &Terms,
) -> bool {
	let lacking: Vec<_> = providers
		.iter()
		.map(|p| (p.id, p.lacks(resources, attributes, rate, terms)))
		.collect();
	let fitting = lacking.iter().filter(|(_, lacks)| lacks.is_empty()).count();
	context.out.stage(format!(
		"{fitting} of {} providers fit (their prices are not known before they bid)",
		providers.len()
	));
	if fitting == 0 {
		for (id, lacks) in &lacking {
			context.out.stage(format!("provider {id} lacks {lacks:?}"));
		}
	}
	fitting > 0
}

/// What has become of an order.
enum Outcome {
	Lease(Box<OpenLease>),
	Over(Closed),
}

/// Waits until the chain has cleared the order.
async fn matched(
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
				OrderNow::Gone => (view.open_items(&who).await?.1, view.closed_leases().await?),
			};
			let finalized = connection.heads().await?.finalized.0;
			Ok((view.number(), record, leases, closed, finalized))
		};
		let (now, record, leases, closed, finalized) =
			tenant::patiently(context, chain, read).await?;
		match record {
			OrderNow::Open(open) => {
				context.out.waiting(format!(
					"{} bids, bidding ends in block {}, now is {now}",
					open.bids.len(),
					open.bidding_ends,
				));
				bids = open.bids;
				gone_since = None;
			}
			OrderNow::Gone => {
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
						"Its deposit is back. If providers fit (`leasehold providers --for FILE`), none \
						 bid below your ceiling: raise it.",
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
	for line in table(&["PROVIDER", "A BLOCK", ""], rows).lines() {
		context.out.stage(line);
	}
	context.out.stage(format!(
		"lease {} with provider {} at {} a block",
		lease.id,
		lease.provider,
		units::lease(lease.rate)
	));
}

/// Hands in manifest and files, however often the gateway is away in between.
async fn deliver(
	context: &Context,
	chain: &Chain,
	gateway: &Gateway,
	deployment: &Deployment,
) -> Result<(), Failure> {
	let manifest = Manifest::open(&deployment.bytes())
		.map_err(|error| Failure::new(1, error.to_string(), ""))?;
	let service = manifest
		.services
		.first()
		.ok_or_else(|| Failure::new(1, "no service", ""))?;
	loop {
		let handed_in = async {
			context.out.waiting("handing in the manifest");
			let receipt = gateway
				.call("lease_submitManifest", deployment.manifest.clone())
				.await?;
			let missing = receipt["missing"].as_array().cloned().unwrap_or_default();
			for (place, disk) in &deployment.files {
				let entry = match place.split_once('/') {
					Some(("module", _)) => Some(&service.module),
					Some((_, path)) => service.inputs.iter().find(|input| input.path == path),
					None => None,
				};
				let Some(entry) = entry else { continue };
				if missing
					.iter()
					.any(|path| path.as_str() == Some(entry.path.as_str()))
				{
					context
						.out
						.waiting(format!("uploading {} ({} bytes)", entry.path, entry.size));
					gateway.put(place, entry, disk).await?;
				}
			}
			Ok::<_, Failure>(())
		};
		match handed_in.await {
			Ok(()) => return Ok(()),
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

async fn until_running(
	context: &Context,
	chain: &Chain,
	lease: u64,
) -> Result<LeaseRecordNow, Failure> {
	context.out.waiting("the provider starts the workload");
	loop {
		let record = tenant::patiently(context, chain, async |connection| {
			connection.best().await?.lease(lease).await
		})
		.await?;
		let starting = matches!(
			&record,
			LeaseRecordNow::Open(open) if matches!(open.state, State::Starting { .. })
		);
		if !starting {
			return Ok(record);
		}
		tokio::time::sleep(LOOK).await;
	}
}

async fn until_ended(
	context: &Context,
	chain: &Chain,
	gateway: &Gateway,
	lease: u64,
) -> Result<(), Failure> {
	until_running(context, chain, lease).await?;
	context.out.stage("the workload runs; its log follows");
	// The log is a help; how the lease ends is the chain's word.
	if let Err(failure) = tenant::show_log(context, gateway, true).await {
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
fn over(context: &Context, closed: &Closed) -> Result<(), Failure> {
	let lease = closed.id;
	context.out.result(tenant::closed_json(closed), || {
		format!(
			"lease {lease} is over: {}\n{} blocks served, {} paid, {} returned\nnext: leasehold files \
			 get {lease}",
			story::reason(&closed.reason),
			closed.served_blocks,
			units::lease(closed.paid),
			units::lease(closed.refunded),
		)
	});
	match closed.reason {
		CloseReason::Completed { exit_code: 0, .. } => Ok(()),
		reason => {
			let what = format!("the job did not succeed: {}", story::reason(&reason));
			Err(Failure::new(
				7,
				what,
				format!("`leasehold logs {lease}` shows what it wrote."),
			))
		}
	}
}
