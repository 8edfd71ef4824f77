//! The operator's commands.

use crate::{
	config::Config,
	daemon::operator_key,
	executor::{container::Container, wasm},
	identity::Identity,
	store::Store,
};
use anyhow::{bail, Context as _};
use clap::Args;
use leasehold_client::{
	keystore,
	signer::{Journal, Signer, Wait},
	units, Call, Chain, Keypair,
};
use std::{
	io::{IsTerminal as _, Write as _},
	path::{Path, PathBuf},
	sync::Arc,
	time::Duration,
};

/// The owner's key, in whatever way it is named.
#[derive(Debug, Args)]
pub struct Owner {
	/// The owner's key file (see `leasehold keys create`).
	#[arg(long, required_unless_present = "owner_uri")]
	owner_key: Option<PathBuf>,
	/// File with the password of the owner's key.
	#[arg(long, env = "LEASEHOLD_PASSWORD_FILE")]
	password_file: Option<PathBuf>,
	/// Secret URI of the owner, as `//Alice`; for development chains.
	#[arg(long, conflicts_with = "owner_key")]
	owner_uri: Option<String>,
}

impl Owner {
	fn pair(&self) -> anyhow::Result<Keypair> {
		if let Some(uri) = &self.owner_uri {
			return Ok(keystore::from_uri(uri)?);
		}
		let path = self.owner_key.as_ref().context("--owner-key is missing")?;
		let password = match &self.password_file {
			Some(file) => std::fs::read_to_string(file)
				.with_context(|| file.display().to_string())?
				.trim_end_matches('\n')
				.to_owned(),
			None => bail!("name the file with the key's password: --password-file"),
		};
		Ok(keystore::read(path, &password)?)
	}
}

#[derive(Debug, Args)]
pub struct Register {
	#[command(flatten)]
	owner: Owner,
	/// The bond, LEASE.
	#[arg(long)]
	bond: String,
}

impl Register {
	pub async fn run(self, folder: &Path) -> anyhow::Result<()> {
		let config = Config::read(folder)?;
		let operator = keystore::account(&operator_key(folder)?);
		let owner = self.owner.pair()?;
		let bond = units::parse_amount(&self.bond).map_err(anyhow::Error::msg)?;
		let chain = Chain::connect(&config.node, None).await?;
		let view = chain.connection().await?.best().await?;
		let terms = view.terms().await?;
		if bond < terms.min_bond {
			bail!("the bond must be at least {}", units::lease(terms.min_bond));
		}
		let account = keystore::account(&owner);
		if view.owned_by(&account).await?.is_some() {
			bail!("{account} owns a provider already");
		}
		let free = view.account(&account).await?.free;
		if free < bond.saturating_add(terms.existential_deposit) {
			bail!(
				"{account} has {}, which does not cover the bond",
				units::lease(free)
			);
		}
		let info = config.info(&Identity::open(folder, &config.gateway)?)?;
		let journal = Journal::open(&folder.join("owner-transactions"))?;
		let signer = Signer::start(chain.clone(), owner, journal, chain.follow());
		eprintln!("registering; this takes a few blocks …");
		let call = Call::Register {
			operator,
			bond,
			info,
		};
		let receipt = signer.submit(call, Wait::Finalized).await?;
		let view = chain.connection().await?.finalized().await?;
		let provider = view
			.operated_by(&operator)
			.await?
			.context("not registered")?;
		// The daemon serves no other owner: anybody may name this operator on chain.
		let note = folder.join(crate::store::OWNER);
		crate::store::write_whole(&note, account.to_string().as_bytes())
			.with_context(|| note.display().to_string())?;
		println!(
			"provider {provider} is registered in block {}",
			receipt.block.0
		);
		Ok(())
	}
}

/// Ends all that runs for the leases of a provider with this folder, and removes what the engine has of them.
pub async fn end_leases(folder: &Path, provider: u32) -> anyhow::Result<()> {
	let ended = wasm::end_below(folder);
	let genesis = Store::open(folder)?.genesis()?;
	if let (Some(configured), Some(genesis)) = (Config::read(folder)?.containers, genesis) {
		let container = Container::new(&configured, genesis, provider, Arc::default());
		for lease in container.leases().await? {
			container.remove(lease).await?;
		}
		for (_, image) in container.images().await? {
			container.remove_image(&image).await?;
		}
	}
	ended
}

#[derive(Debug, Args)]
pub struct Deregister {
	#[command(flatten)]
	owner: Owner,
}

impl Deregister {
	pub async fn run(self, folder: &Path) -> anyhow::Result<()> {
		let config = Config::read(folder)?;
		let owner = self.owner.pair()?;
		let account = keystore::account(&owner);
		let chain = Chain::connect(&config.node, None).await?;
		let view = chain.connection().await?.best().await?;
		let terms = view.terms().await?;
		let Some(id) = view.owned_by(&account).await? else {
			bail!("{account} owns no provider");
		};
		let journal = Journal::open(&folder.join("owner-transactions"))?;
		let signer = Signer::start(chain.clone(), owner, journal, chain.follow());
		eprintln!("deregistering; this takes a few blocks …");
		signer.submit(Call::Deregister, Wait::Finalized).await?;
		let view = chain.connection().await?.finalized().await?;
		let Some(provider) = view.provider(id).await? else {
			println!("provider {id} is gone; its bond is back");
			return Ok(());
		};
		let until = provider.unbonding_until.unwrap_or_default();
		println!(
			"provider {id} takes no new leases; the bond of {} comes back by itself after block {until} (in about \
			 {}), once its last lease has ended",
			units::lease(provider.bond),
			units::blocks_as_time(until.saturating_sub(view.number()), terms.slot_millis)
		);
		let leases = provider.leases;
		if leases > 0 {
			println!("leases that are open: {leases}; keep the daemon running for as long as there are any");
		}
		Ok(())
	}
}

#[derive(Debug, Args)]
pub struct Drain {
	/// Take new leases again.
	#[arg(long)]
	off: bool,
}

impl Drain {
	pub async fn run(self, folder: &Path) -> anyhow::Result<()> {
		let word = if self.off { "undrain" } else { "drain" };
		let answer = ask(folder, word).await?;
		if let Some(why) = answer["error"].as_str() {
			bail!("{why}");
		}
		let since = match answer["block"].as_u64() {
			Some(block) => format!("as of block {block}"),
			None => "as it did already".to_owned(),
		};
		match self.off {
			true => println!("this provider takes new leases again, {since}"),
			false => println!(
				"this provider takes no new leases, {since}; those that it has go on until they end: {}",
				answer["leases"]
			),
		}
		Ok(())
	}
}

#[derive(Debug, Args)]
pub struct Status {
	/// `text` or `json`.
	#[arg(long, default_value = "text", value_parser = ["text", "json"])]
	output: String,
	/// Show it anew every so many seconds, until Ctrl-C.
	#[arg(long, short, value_name = "SECONDS", num_args = 0..=1, require_equals = true, default_missing_value = "2")]
	watch: Option<u64>,
}

impl Status {
	pub async fn run(self, folder: &Path) -> anyhow::Result<()> {
		let Some(seconds) = self.watch else {
			let status = ask(folder, "status").await?;
			match self.output.as_str() {
				"json" => println!("{status:#}"),
				_ => print!("{}", standing(&status)),
			}
			return Ok(());
		};
		// What was never there will not come back.
		ask(folder, "status").await?;
		let at_terminal = std::io::stdout().is_terminal();
		loop {
			// A daemon that is away comes back.
			let now = match (ask(folder, "status").await, self.output.as_str()) {
				(Ok(status), "json") => format!("{status}\n"),
				(Ok(status), _) => standing(&status),
				(Err(error), "json") => {
					format!("{}\n", serde_json::json!({ "error": format!("{error:#}") }))
				}
				(Err(error), _) => format!("{error:#}\n"),
			};
			// The cursor goes home, and what was below is cleared.
			let home = if at_terminal { "\u{1b}[H\u{1b}[2J" } else { "" };
			let mut out = std::io::stdout();
			if write!(out, "{home}{now}")
				.and_then(|()| out.flush())
				.is_err()
			{
				// Nobody reads any more.
				return Ok(());
			}
			tokio::time::sleep(Duration::from_secs(seconds.max(1))).await;
		}
	}
}

/// How the daemon stands, in words.
fn standing(status: &serde_json::Value) -> String {
	let mut lines: Vec<String> = Vec::new();
	let mut tell = |line: String| lines.push(line);
	let text = |key: &str| match &status[key] {
		serde_json::Value::String(text) => text.clone(),
		serde_json::Value::Null => "-".into(),
		other => other.to_string(),
	};
	tell(format!("provider    {}", text("provider")));
	tell(format!("operator    {}", text("operator")));
	tell(format!("node        {}", text("node")));
	tell(format!(
		"best        {}   finalized {}",
		text("best"),
		text("finalized")
	));
	let distrust = status["distrust"].as_str();
	let chain = distrust.map_or_else(
		|| "in step".to_owned(),
		|why| format!("not believed at present: {why}"),
	);
	tell(format!("chain       {chain}"));
	let duty = match (status["duty"].as_str(), distrust) {
		(Some(why), _) => why,
		(None, Some(_)) => "no heartbeats and no bids while the chain is not believed",
		(None, None) => "on duty",
	};
	tell(format!("duty        {duty}"));
	let free = status["free_planck"].as_str().and_then(|n| n.parse().ok());
	let advice = match status["short"] == true {
		true => "; too little for fees: send the operator some",
		false => "",
	};
	tell(format!(
		"funds       {}{advice}",
		units::lease(free.unwrap_or(0))
	));
	let containers = match (status["containers"].as_str(), &status["no_containers"]) {
		(Some(engine), _) => format!("run on {engine}"),
		(None, serde_json::Value::String(why)) => format!("cannot run at present: {why}"),
		(None, _) => "none: no engine is configured".to_owned(),
	};
	tell(format!("containers  {containers}"));
	let services = match (
		status["networks"] == "closed",
		status["no_services"].as_str(),
	) {
		(true, _) => Some("run: their networks are shut off".to_owned()),
		(false, Some(why)) => Some(format!("cannot run at present: {why}")),
		(false, None) => None,
	};
	if let Some(services) = services {
		tell(format!("services    {services}"));
	}
	for (name, key) in [
		("drained", "drained"),
		("offer", "offer"),
		("in use", "in_use"),
		("certificate", "no_certificate"),
		("not revoked", "not_revoked"),
		("refused", "refusal"),
		("differs", "differs"),
	] {
		if let Some(what) = status[key].as_str() {
			tell(format!("{name:<11} {what}"));
		}
	}
	tell(format!(
		"heartbeats  {}   bids {}",
		text("heartbeats"),
		text("bids")
	));
	for lease in status["leases"].as_array().into_iter().flatten() {
		let why = lease["why"].as_str().map(|why| format!(": {why}"));
		let why = why.unwrap_or_default();
		let when = distrust.map_or("", |_| " (when the chain was last believed)");
		let used = &lease["usage"];
		let uses = match lease["phase"] == "running" {
			true => format!(
				"; {} milli-CPU and {} MiB now, {} s of a core and {} J so far",
				used["cpu_millis"],
				used["memory_bytes"].as_u64().unwrap_or(0) >> 20,
				used["cpu_seconds"],
				used["energy_joules"]
			),
			false => String::new(),
		};
		tell(format!(
			"lease {}: {}{why}{uses}{when}",
			lease["lease"],
			lease["phase"].as_str().unwrap_or("?").replace('_', " ")
		));
	}
	lines.push(String::new());
	lines.join("\n")
}

/// What the daemon that runs in a folder answers.
async fn ask(folder: &Path, words: &str) -> anyhow::Result<serde_json::Value> {
	crate::socket::ask(folder, words).await.with_context(|| {
		format!(
			"no daemon answers in {}; start it with `run`",
			folder.display()
		)
	})
}

#[derive(Debug, Args)]
pub struct Why {
	/// The order's number.
	order: u64,
	/// `text` or `json`.
	#[arg(long, default_value = "text", value_parser = ["text", "json"])]
	output: String,
}

impl Why {
	pub async fn run(self, folder: &Path) -> anyhow::Result<()> {
		let answer = ask(folder, &format!("why {}", self.order)).await?;
		if let Some(why) = answer["error"].as_str() {
			bail!("{why}");
		}
		if self.output == "json" {
			println!("{answer:#}");
			return Ok(());
		}
		println!("{}", in_words(&answer));
		Ok(())
	}
}

/// What the daemon decided about an order, and where that stands, as it is said to the operator.
fn in_words(answer: &serde_json::Value) -> String {
	let (order, decided) = (&answer["order"], &answer["decided"]);
	let why = decided["why"].as_str().unwrap_or("?");
	let block = &decided["block"];
	let decision = match decided["decision"].as_str() {
		Some("bid") => {
			let rate = decided["rate"].as_str().and_then(|rate| rate.parse().ok());
			let rate = units::lease(rate.unwrap_or(0));
			format!("order {order}: bid {rate} a block, in block {block}")
		}
		Some("passed") => format!("order {order}: not bid on, as of block {block}: {why}"),
		Some("refused") => {
			format!("order {order}: the chain refused the bid of block {block}: {why}")
		}
		_ if answer["open"] == "unknown" => {
			return format!("there is no order {order}: no such number has been given yet")
		}
		_ => format!(
			"order {order}: this daemon has decided nothing about it since its start: it was never open \
			 meanwhile, or for less time than a bid takes, or was matched at once to a standing offer"
		),
	};
	let open = &answer["open"];
	if let Some(error) = answer["unasked"].as_str() {
		return format!("{decision}\nthe chain cannot be asked where it stands: {error}");
	}
	let stand = match (open.is_null(), open["place"].as_u64()) {
		(true, _) => "it is not open any more".to_owned(),
		(false, Some(place)) => format!(
			"our bid is number {place} of {}; bidding ends in block {}, now is {}",
			open["bids"], open["bidding_ends"], open["now"]
		),
		(false, None) => format!(
			"it has {} bids, none of them ours; bidding ends in block {}, now is {}",
			open["bids"], open["bidding_ends"], open["now"]
		),
	};
	format!("{decision}\n{stand}")
}

/// Has the running daemon read its file again and put on chain what the chain is to know of it.
pub async fn update(folder: &Path) -> anyhow::Result<()> {
	Config::read(folder)?;
	let answer = ask(folder, "update").await?;
	match (answer["block"].as_u64(), answer["error"].as_str()) {
		(Some(block), _) => {
			println!("capacity, attributes, URL and keys are on chain as of block {block}");
			println!("prices and the gateway's address are read at the next start of `run`");
			Ok(())
		}
		(None, why) => bail!("{}", why.unwrap_or("the daemon gave no answer")),
	}
}

/// Has the running daemon put another TLS key in the place of the gateway's.
pub async fn rotate_key(folder: &Path) -> anyhow::Result<()> {
	eprintln!(
		"both keys must be final on chain before the new one is used; this takes a few blocks …"
	);
	let answer = ask(folder, "rotate-key").await?;
	let why = answer["error"].as_str();
	let block = answer["block"].as_u64().with_context(|| {
		let why = why.unwrap_or("the daemon gave no answer");
		format!("{why}; to go on, call it again")
	})?;
	println!("the gateway has a new TLS key; the former one is off the chain as of block {block}");
	Ok(())
}
