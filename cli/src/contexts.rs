//! Contexts: a network and an account under one name, in one file.

use crate::output::{table, Failure};
use clap::Subcommand;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::{
	collections::BTreeMap,
	path::{Path, PathBuf},
};

/// Name of the file, in the folder with the keys.
const FILE: &str = "config.toml";

/// What stands in the file.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contexts {
	/// The one that counts where none is named.
	#[serde(skip_serializing_if = "Option::is_none")]
	current: Option<String>,
	#[serde(default)]
	contexts: BTreeMap<String, One>,
}

/// What a context says; what it leaves out is as if there were none.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct One {
	#[serde(skip_serializing_if = "Option::is_none")]
	pub node: Option<String>,
	#[serde(skip_serializing_if = "Option::is_none")]
	pub account: Option<String>,
	#[serde(skip_serializing_if = "Option::is_none")]
	pub password_file: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub enum Command {
	/// List contexts.
	List,
	/// Make a context of --node, --account and --password-file, or change those that are named of one.
	Set { name: String },
	/// Have a context count where none is named.
	Use { name: String },
	/// Forget a context; keys stay.
	Remove { name: String },
}

impl Contexts {
	/// Those in a folder.
	pub fn read(folder: &Path) -> Result<Self, Failure> {
		let path = folder.join(FILE);
		let wrong = |why: String| {
			let what = format!("{}: {why}", path.display());
			Failure::new(
				2,
				what,
				"Correct the file, or remove it: `leasehold context set` writes it anew.",
			)
		};
		match std::fs::read_to_string(&path) {
			Ok(text) => toml::from_str(&text).map_err(|error| wrong(error.to_string())),
			Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
			Err(error) => Err(wrong(error.to_string())),
		}
	}

	fn write(&self, folder: &Path) -> Result<(), Failure> {
		let path = folder.join(FILE);
		let write = || -> std::io::Result<()> {
			let text = toml::to_string_pretty(self).map_err(std::io::Error::other)?;
			std::fs::create_dir_all(folder)?;
			let part = path.with_extension("part");
			std::fs::write(&part, text)?;
			std::fs::rename(&part, &path)
		};
		write().map_err(|error| {
			let what = format!("{}: {error}", path.display());
			Failure::new(1, what, "Check --dir.")
		})
	}

	/// The context of a name, or else the current one.
	pub fn chosen(&self, name: Option<&str>) -> Result<One, Failure> {
		let Some(name) = name.or(self.current.as_deref()) else {
			return Ok(One::default());
		};
		self.contexts
			.get(name)
			.cloned()
			.ok_or_else(|| unknown(name))
	}
}

fn unknown(name: &str) -> Failure {
	let what = format!("there is no context `{name}`");
	let advice = "`leasehold context list` shows them, `leasehold context set` makes one.";
	Failure::new(2, what, advice)
}

impl Command {
	/// `named`: what the command line or the environment says.
	pub fn run(self, folder: &Path, named: One, out: &crate::output::Out) -> Result<(), Failure> {
		let mut all = Contexts::read(folder)?;
		let name = match self {
			Self::List => {
				list(&all, out);
				return Ok(());
			}
			Self::Set { name } => {
				if name.is_empty() || name.contains(char::is_whitespace) {
					let what = format!("`{name}` is no name for a context");
					return Err(Failure::new(2, what, "Choose a word."));
				}
				let is_url =
					|node: &String| node.starts_with("ws://") || node.starts_with("wss://");
				if let Some(node) = named.node.as_ref().filter(|node| !is_url(node)) {
					let what = format!("`{node}` is no node");
					return Err(Failure::new(
						2,
						what,
						"Write it as wss://HOST:PORT or ws://HOST:PORT.",
					));
				}
				let had = all.contexts.remove(&name).unwrap_or_default();
				let one = One {
					node: named.node.or(had.node),
					account: named.account.or(had.account),
					// It is found from everywhere.
					password_file: match named.password_file {
						Some(file) => Some(std::path::absolute(&file).unwrap_or(file)),
						None => had.password_file,
					},
				};
				all.contexts.insert(name.clone(), one);
				// The first one counts at once.
				all.current.get_or_insert(name.clone());
				name
			}
			Self::Use { name } => {
				if !all.contexts.contains_key(&name) {
					return Err(unknown(&name));
				}
				all.current = Some(name.clone());
				name
			}
			Self::Remove { name } => {
				all.contexts.remove(&name).ok_or_else(|| unknown(&name))?;
				all.current = all.current.filter(|current| *current != name);
				name
			}
		};
		all.write(folder)?;
		let current = all.current.as_deref();
		let json = json!({ "context": name, "current": current });
		out.result(json, || match current {
			Some(current) => format!("done; where no --context is named `{current}` counts"),
			None => "done; no context counts: `leasehold context use NAME` names one".into(),
		});
		Ok(())
	}
}

fn list(all: &Contexts, out: &crate::output::Out) {
	let is_current = |name: &String| all.current.as_ref() == Some(name);
	let json: Vec<_> = all
		.contexts
		.iter()
		.map(|(name, one)| {
			json!({
				"context": name, "current": is_current(name), "node": one.node,
				"account": one.account, "password_file": one.password_file,
			})
		})
		.collect();
	out.result(json!(json), || {
		if all.contexts.is_empty() {
			return "no contexts yet: `leasehold context set main --node URL --account NAME`"
				.into();
		}
		let rows = all.contexts.iter().map(|(name, one)| {
			let mark = if is_current(name) { "*" } else { "" };
			let text = |said: &Option<String>| said.clone().unwrap_or_else(|| "-".into());
			vec![
				mark.into(),
				name.clone(),
				text(&one.node),
				text(&one.account),
			]
		});
		table(&["", "CONTEXT", "NODE", "ACCOUNT"], rows.collect())
	});
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn the_file_reads_back_and_a_wrong_one_is_told() {
		let folder = tempfile::tempdir().unwrap();
		assert!(Contexts::read(folder.path()).unwrap().contexts.is_empty());
		let one = One {
			node: Some("ws://127.0.0.1:1".into()),
			..Default::default()
		};
		let contexts = Contexts {
			current: Some("here".into()),
			contexts: BTreeMap::from([("here".to_owned(), one)]),
		};
		contexts.write(folder.path()).unwrap();
		let again = Contexts::read(folder.path()).unwrap();
		for name in [None, Some("here")] {
			let chosen = again.chosen(name).unwrap();
			assert_eq!(chosen.node.as_deref(), Some("ws://127.0.0.1:1"));
			assert_eq!(chosen.account, None);
		}
		assert_eq!(again.chosen(Some("there")).unwrap_err().code, 2);
		for text in ["rubbish", "[contexts.a]\nnodes = \"x\"\n", "current = 1\n"] {
			std::fs::write(folder.path().join(FILE), text).unwrap();
			assert_eq!(Contexts::read(folder.path()).unwrap_err().code, 2, "{text}");
		}
	}
}
