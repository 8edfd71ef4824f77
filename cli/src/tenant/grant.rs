//! `grant`: a part of what the tenant may do, for somebody else.

use super::{connect, swept, unknown};
use crate::{
	deploy::duration,
	gateway::{kept, now},
	keys,
	output::Failure,
	Context,
};
use clap::Args;
use leasehold_client::{
	access::{Asked, Scope, Session, MAX_LIFE, MAX_LINKS},
	keystore, units,
	view::{LeaseRecordNow, OpenLease},
	AccountId32, H256,
};
use serde_json::json;
use std::{path::PathBuf, time::Duration};

#[derive(Debug, Args)]
pub struct Grant {
	/// Number of the lease.
	lease: u64,
	/// The file that it is written to. Whoever has it may do what it allows.
	#[arg(long, value_name = "FILE")]
	to: PathBuf,
	/// What it allows, with commas: of deploy, exec, files, forward, logs and status.
	#[arg(long, value_name = "SCOPES", value_delimiter = ',', value_parser = scope, default_value = "logs,status")]
	scopes: Vec<Scope>,
	/// For how long, as `12h`; 30 days at most.
	#[arg(long = "for", value_name = "TIME", value_parser = duration, default_value = "24h")]
	life: Duration,
	/// Have it signed by a wallet, where the lease's access account is in one: shows the text, and asks for the signature.
	#[arg(long)]
	wallet: bool,
}

fn scope(name: &str) -> Result<Scope, String> {
	let names = Scope::ALL.map(Scope::name).join(", ");
	Scope::from_name(name).ok_or_else(|| format!("`{name}` is none of {names}"))
}

impl Grant {
	pub async fn run(self, context: &Context) -> Result<(), Failure> {
		let life = self.life.as_secs();
		if !(1..=MAX_LIFE).contains(&life) {
			let what = "a grant holds for 30 days at most, and for a second at least";
			return Err(Failure::new(2, what, "Change --for."));
		}
		if self.to.exists() {
			let what = format!("{} is there already", self.to.display());
			return Err(Failure::new(2, what, "Name another file."));
		}
		let folder = self
			.to
			.parent()
			.filter(|folder| !folder.as_os_str().is_empty());
		if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
			let what = format!("there is no folder {}", folder.display());
			return Err(Failure::new(2, what, "Make it, or name another file."));
		}
		let (session, grant) = match &context.grant {
			Some(_) => self.passed_on(context)?,
			None => self.signed(context).await?,
		};
		keystore::write_secret_file(&self.to, session.to_text()?.as_bytes())?;
		let (file, lease) = (self.to.display(), self.lease);
		let scopes: Vec<_> = grant.scopes.iter().map(|scope| scope.name()).collect();
		let life = u32::try_from(grant.expires.saturating_sub(now())).unwrap_or(u32::MAX);
		let json = json!({
			"lease": lease, "file": file.to_string(), "scopes": scopes, "issued": grant.issued,
			"expires": grant.expires, "epoch": grant.epoch,
		});
		context.out.result(json, || {
			format!(
				"{file} allows {} of lease {lease}, for about {}\nnext: `--grant {file}` goes by it, in place of an \
				 account · `leasehold revoke {lease}` makes all grants void",
				scopes.join(", "),
				units::blocks_as_time(life, 1_000),
			)
		});
		Ok(())
	}

	/// A part of the grant that the command goes by. Nobody needs to be asked.
	fn passed_on(
		&self,
		context: &Context,
	) -> Result<(Session, leasehold_client::access::Grant), Failure> {
		let (from, had) = kept(context, self.lease)?;
		if let Some(more) = self.scopes.iter().find(|scope| !had.scopes.contains(scope)) {
			let names: Vec<_> = had.scopes.iter().map(|scope| scope.name()).collect();
			let what = format!("the grant does not allow `{}` itself", more.name());
			let advice = format!("Of what it allows name a part: {}.", names.join(", "));
			return Err(Failure::new(2, what, advice));
		}
		if self.wallet {
			let what = "a grant is passed on by its own key, and no wallet is asked";
			return Err(Failure::new(2, what, "Leave out --wallet, or --grant."));
		}
		if !from.may_be_passed_on() {
			let what = format!("the grant was passed on {MAX_LINKS} times already");
			return Err(Failure::new(
				2,
				what,
				"Ask for another one, nearer to the tenant.",
			));
		}
		let now = now();
		let left = had.expires.saturating_sub(now);
		let place = (had.genesis, had.provider, had.lease, had.epoch);
		let asked = Asked::new(place, &self.scopes, now, self.life.as_secs().min(left))?;
		let grant = asked.grant.clone();
		Ok((asked.passed_on(&from)?, grant))
	}

	/// One that the lease's access account signs.
	async fn signed(
		&self,
		context: &Context,
	) -> Result<(Session, leasehold_client::access::Grant), Failure> {
		let (_, connection) = connect(context).await?;
		let lease = self.lease;
		let (provider, epoch, access) = match connection.best().await?.lease(lease).await? {
			LeaseRecordNow::Open(open) => (open.provider, open.epoch, open.access),
			// Its access account is no longer on chain.
			LeaseRecordNow::Closed(closed) => {
				(closed.provider, closed.epoch, keys::address(context)?)
			}
			LeaseRecordNow::Swept => return Err(swept(lease)),
			LeaseRecordNow::Unknown => return Err(unknown(lease)),
		};
		let place = (connection.genesis, provider, lease, epoch);
		let asked = Asked::new(place, &self.scopes, now(), self.life.as_secs())?;
		let grant = asked.grant.clone();
		let session = match self.wallet {
			true => signed_by_wallet(&asked, access)?,
			false => {
				let pair = keys::account(context)?;
				if keystore::account(&pair) != access {
					let what = format!("lease {lease} is granted by {access} alone");
					let advice = "Name its key, --account, or have its wallet sign: --wallet.";
					return Err(Failure::new(2, what, advice));
				}
				asked.signed(&pair)?
			}
		};
		Ok((session, grant))
	}
}

/// A session with all scopes for as long as may be, that the wallet of the lease's access account signs.
pub fn by_wallet(genesis: H256, lease: &OpenLease) -> Result<Session, Failure> {
	let place = (genesis, lease.provider, lease.id, lease.epoch);
	let asked = Asked::new(place, &Scope::ALL, now(), MAX_LIFE)?;
	signed_by_wallet(&asked, lease.access)
}

/// Shows what is to be signed, and takes the signature from standard input; again, until it is right.
fn signed_by_wallet(asked: &Asked, access: AccountId32) -> Result<Session, Failure> {
	eprintln!(
		"Sign this text, raw and with both of its marks, by the wallet with the account {access}:\n\n{}\n\nThe signature, \
		 0x and hexadecimal:",
		asked.grant.text()
	);
	loop {
		let mut line = String::new();
		let read = std::io::stdin().read_line(&mut line).map_err(|error| {
			Failure::new(1, format!("the signature cannot be read: {error}"), "")
		})?;
		if let Some(session) = asked.signed_by(&access, line.trim())? {
			return Ok(session);
		}
		let what = format!("that is no signature of {access} over this text");
		if read == 0 {
			return Err(Failure::new(5, what, "Hand it in by standard input."));
		}
		eprintln!("{what}; once more, 0x and hexadecimal:");
	}
}
