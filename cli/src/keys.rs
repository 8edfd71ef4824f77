//! Keys: files that polkadot-js wallets read and write, too.

use crate::{
	output::{table, Failure},
	Context,
};
use clap::Subcommand;
use leasehold_client::{keystore, AccountId32, Keypair};
use std::{
	io::IsTerminal as _,
	path::{Path, PathBuf},
};

/// What a secret looks like.
const PHRASE: &str = "A phrase has 12 to 24 words of the list, with one space between two; a secret is 0x and 64 digits.";

#[derive(Debug, Subcommand)]
pub enum Command {
	/// Make a new key and keep it encrypted.
	Create {
		/// Its name.
		#[arg(default_value = "default")]
		name: String,
	},
	/// Keep a key that there is already: its phrase or secret is asked for, or taken from standard input.
	Import {
		/// Its name.
		name: String,
		/// A file that a wallet has exported, in place of the phrase; it keeps its password.
		#[arg(long, value_name = "FILE")]
		file: Option<PathBuf>,
	},
	/// List keys.
	List,
}

fn folder(context: &Context) -> PathBuf {
	context.dir.join("keys")
}

fn password(context: &Context, prompt: &str) -> Result<String, Failure> {
	match &context.password_file {
		Some(file) => std::fs::read_to_string(file)
			.map(|text| text.trim_end_matches(['\n', '\r']).to_owned())
			.map_err(|error| {
				Failure::new(
					2,
					format!("{}: {error}", file.display()),
					"Check --password-file.",
				)
			}),
		None => rpassword::prompt_password(prompt).map_err(|error| {
			let what = format!("the password cannot be asked for: {error}");
			Failure::new(2, what, "Name a file with it: --password-file.")
		}),
	}
}

/// The key pair of the account that the command acts for.
pub fn account(context: &Context) -> Result<Keypair, Failure> {
	if context.account.starts_with("//") {
		return keystore::from_uri(&context.account).map_err(|error| {
			let advice = "Write it as //Name, or name a key: `leasehold keys list`.";
			Failure::new(2, error.to_string(), advice)
		});
	}
	if context.account.parse::<AccountId32>().is_ok() {
		let what = format!(
			"{} is an address, and for this its key is needed",
			context.account
		);
		return Err(Failure::new(
			2,
			what,
			"Name the key: `leasehold keys list` shows those that are here.",
		));
	}
	let named = folder(context).join(format!("{}.json", context.account));
	let path = if named.exists() {
		named
	} else {
		PathBuf::from(&context.account)
	};
	if !path.exists() {
		let text = &context.account;
		if text.len() > 40 && text.bytes().all(|b| b.is_ascii_alphanumeric()) {
			let what = format!("`{text}` is neither an address nor a key");
			return Err(Failure::new(
				2,
				what,
				"Check the address for a typing error.",
			));
		}
		return Err(Failure::new(
			2,
			format!("there is no key `{}`", context.account),
			"Make one with `leasehold keys create`, or name another with --account.",
		));
	}
	let password = password(context, &format!("Password of {}: ", context.account))?;
	Ok(keystore::read(&path, &password)?)
}

/// An account by its address or by the name of a key.
pub fn named(context: &Context, text: &str) -> Result<AccountId32, Failure> {
	let found = match is_name(text) {
		true => lookup(context, text)?,
		false => None,
	};
	found.ok_or_else(|| {
		Failure::new(
			2,
			format!("`{text}` is neither an address nor the name of a key"),
			"`leasehold keys list` shows the names; check the address for a typing error.",
		)
	})
}

/// The account of an address, or of a key in the folder.
fn lookup(context: &Context, text: &str) -> Result<Option<AccountId32>, Failure> {
	if let Ok(account) = text.parse() {
		return Ok(Some(account));
	}
	let named = folder(context).join(format!("{text}.json"));
	match named.exists() {
		true => Ok(Some(keystore::describe(&named)?.0)),
		false => Ok(None),
	}
}

/// The account that the command reads for: needs no password.
pub fn address(context: &Context) -> Result<AccountId32, Failure> {
	match lookup(context, &context.account)? {
		Some(account) => Ok(account),
		None => Ok(keystore::account(&account(context)?)),
	}
}

fn is_name(name: &str) -> bool {
	!name.is_empty()
		&& name
			.chars()
			.all(|c| c.is_ascii_alphanumeric() || "-_".contains(c))
}

impl Command {
	pub fn run(self, context: &Context) -> Result<(), Failure> {
		match self {
			Self::Create { name } => create(context, &name),
			Self::Import { name, file: None } => import(context, &name),
			Self::Import {
				name,
				file: Some(file),
			} => import_file(context, &name, &file),
			Self::List => list(context),
		}
	}
}

/// Where a new key of this name is to be kept.
fn place(context: &Context, name: &str) -> Result<PathBuf, Failure> {
	if !is_name(name) {
		let advice = "Use letters, digits, `-` and `_`.";
		return Err(Failure::new(
			2,
			format!("`{name}` is no name for a key"),
			advice,
		));
	}
	let path = folder(context).join(format!("{name}.json"));
	if path.exists() {
		let what = format!("{} is there already", path.display());
		return Err(Failure::new(2, what, "Choose another name."));
	}
	Ok(path)
}

/// A password for a new key, asked for twice.
fn new_password(context: &Context) -> Result<String, Failure> {
	let first = password(context, "New password: ")?;
	if first.is_empty() {
		return Err(Failure::new(2, "the password is empty", "Choose one."));
	}
	if context.password_file.is_none() && password(context, "Again: ")? != first {
		return Err(Failure::new(2, "the passwords differ", "Try again."));
	}
	Ok(first)
}

fn create(context: &Context, name: &str) -> Result<(), Failure> {
	let path = place(context, name)?;
	keep(context, name, &path, keystore::random_seed()?)
}

fn import(context: &Context, name: &str) -> Result<(), Failure> {
	let path = place(context, name)?;
	let unread = |error: std::io::Error| {
		let what = format!("the phrase cannot be read: {error}");
		Failure::new(2, what, "Hand it in by standard input.")
	};
	// Neither the command line nor the terminal shows it.
	let text = match std::io::stdin().is_terminal() {
		true => rpassword::prompt_password("Phrase, or 0x and the secret: ").map_err(unread)?,
		false => {
			let mut text = String::new();
			std::io::stdin().read_line(&mut text).map_err(unread)?;
			text
		}
	};
	let seed = keystore::seed_of(&text).map_err(|error| {
		let advice = match text.trim_start().starts_with('{') {
			true => "This is a wallet's file: `leasehold keys import NAME --file FILE` takes it.",
			false => PHRASE,
		};
		Failure::new(2, error.to_string(), advice)
	})?;
	keep(context, name, &path, seed)
}

/// Keeps a wallet's file, once it opens.
fn import_file(context: &Context, name: &str, file: &Path) -> Result<(), Failure> {
	let path = place(context, name)?;
	let password = password(context, &format!("Password of {}: ", file.display()))?;
	let account = keystore::account(&keystore::read(file, &password)?);
	if keystore::describe(file)?.0 != account {
		let what = format!("{} names another account than its key's", file.display());
		return Err(Failure::new(2, what, "Export it from the wallet anew."));
	}
	let bytes = std::fs::read(file).map_err(|error| {
		Failure::new(2, format!("{}: {error}", file.display()), "Check the path.")
	})?;
	keystore::write_secret_file(&path, &bytes)?;
	kept(context, name, &path, account);
	Ok(())
}

fn keep(context: &Context, name: &str, path: &Path, seed: [u8; 32]) -> Result<(), Failure> {
	let account = keystore::write(path, seed, &new_password(context)?, name)?;
	kept(context, name, path, account);
	Ok(())
}

fn kept(context: &Context, name: &str, path: &Path, account: AccountId32) {
	let json = serde_json::json!({
		"name": name, "account": account.to_string(), "file": path.display().to_string(),
	});
	context.out.result(json, || {
		format!(
			"{account}\nkept in {}; without the file and its password the account is lost",
			path.display()
		)
	});
}

fn list(context: &Context) -> Result<(), Failure> {
	let mut keys = Vec::new();
	let entries = std::fs::read_dir(folder(context))
		.into_iter()
		.flatten()
		.flatten();
	for path in entries.map(|entry| entry.path()) {
		if path.extension().is_some_and(|ending| ending == "json") {
			match describe(&path) {
				Some(key) => keys.push(key),
				None => context
					.out
					.stage(format!("{} holds no key that can be read", path.display())),
			}
		}
	}
	keys.sort();
	let json = keys
		.iter()
		.map(|(name, account)| serde_json::json!({ "name": name, "account": account }))
		.collect();
	context.out.result(json, || {
		if keys.is_empty() {
			return "no keys yet; make one with `leasehold keys create`".into();
		}
		table(
			&["NAME", "ACCOUNT"],
			keys.into_iter().map(|(n, a)| vec![n, a]).collect(),
		)
	});
	Ok(())
}

fn describe(path: &Path) -> Option<(String, String)> {
	let name = path.file_stem()?.to_str()?.to_owned();
	let (account, _) = keystore::describe(path).ok()?;
	Some((name, account.to_string()))
}
