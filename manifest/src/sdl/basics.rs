//! Reading one node: a text, a number, a list, a mapping, as Akash's parser takes them.

use super::*;
use crate::yaml::{Node, NodeKind, Place};

/// A whole number as YAML writes one.
fn whole(text: &str) -> Option<u64> {
	let text: String = text.strip_prefix('+').unwrap_or(text).replace('_', "");
	for (prefix, radix) in [("0x", 16), ("0o", 8), ("0b", 2)] {
		if let Some(digits) = text.strip_prefix(prefix) {
			return u64::from_str_radix(digits, radix).ok();
		}
	}
	match text.strip_prefix('0') {
		Some(octal) if !octal.is_empty() => u64::from_str_radix(octal, 8).ok(),
		_ => text.parse().ok(),
	}
}

/// On one line, whatever stands in the file.
fn one_line(text: &str) -> String {
	match text.chars().any(char::is_control) {
		true => text.escape_debug().to_string(),
		false => text.to_owned(),
	}
}

impl Fault {
	pub(crate) fn new(level: Level, at: Place, key: &str, reason: impl Into<String>) -> Self {
		Self {
			level,
			line: at.line,
			column: at.column,
			// One of no name is seen by its quotes.
			key: one_line(if key.is_empty() { "\"\"" } else { key }),
			reason: one_line(&reason.into()),
		}
	}
}

impl Reader {
	pub fn error(&mut self, at: Place, key: &str, reason: impl Into<String>) {
		self.faults.push(Fault::new(Level::Error, at, key, reason));
	}

	pub fn warn(&mut self, at: Place, key: &str, reason: impl Into<String>) {
		self.faults
			.push(Fault::new(Level::Warning, at, key, reason));
	}

	/// Refuses a service's name that is no label.
	pub fn label(&mut self, at: Place, key: &str, name: &str) {
		if !crate::manifest::is_label(name) {
			let reason = "names begin with a-z and go on with a-z, 0-9 and `-`, at most 63";
			self.error(at, key, reason);
		}
	}

	pub fn has_errors(&self) -> bool {
		self.faults.iter().any(|fault| fault.level == Level::Error)
	}

	/// A mapping; an empty one, if nothing stands there.
	pub fn map<'a>(&mut self, node: &'a Node, key: &str, at: Place) -> Option<Map<'a>> {
		let items: &[_] = match &node.kind {
			NodeKind::Map(items) => items,
			_ if node.is_null() => &[],
			_ => {
				let key = if key.is_empty() { "file" } else { key };
				self.error(node.at, key, "must be a mapping");
				return None;
			}
		};
		Some(Map {
			at,
			key: key.to_owned(),
			items,
		})
	}

	/// The mapping under a key, if it is there.
	pub fn child<'a>(&mut self, map: &Map<'a>, key: &str) -> Option<Map<'a>> {
		let node = map.get(key)?;
		self.map(node, &map.child(key), map.place(key))
	}

	/// The mapping under a key that must be there.
	pub fn need<'a>(&mut self, map: &Map<'a>, key: &str) -> Option<Map<'a>> {
		if map.get(key).is_none() {
			self.missing(map, key);
			return None;
		}
		self.child(map, key)
	}

	/// What is missing is said at its parent.
	pub fn missing(&mut self, map: &Map, key: &str) {
		self.error(map.at, &map.child(key), "is missing");
	}

	pub fn text(&mut self, node: &Node, key: &str) -> Option<String> {
		match &node.kind {
			NodeKind::Scalar { text, .. } if !text.contains('\0') => Some(if node.is_null() {
				String::new()
			} else {
				text.clone()
			}),
			_ => {
				self.error(node.at, key, "must be text");
				None
			}
		}
	}

	/// The text under a key; empty, if it is not there.
	pub fn text_at(&mut self, map: &Map, key: &str) -> String {
		let node = map.get(key);
		node.and_then(|node| self.text(node, &map.child(key)))
			.unwrap_or_default()
	}

	/// The items of a list; those with nothing in them are left out, as Akash does.
	pub fn list<'a>(&mut self, map: &Map<'a>, key: &str) -> impl Iterator<Item = &'a Node> {
		let items: &[Node] = match map.get(key).map(|node| (node, &node.kind)) {
			None => &[],
			Some((_, NodeKind::List(items))) => items,
			Some((node, _)) => {
				self.error(node.at, &map.child(key), "must be a list");
				&[]
			}
		};
		items.iter().filter(|item| !item.is_null())
	}

	pub fn texts(&mut self, map: &Map, key: &str) -> Vec<String> {
		let path = map.child(key);
		self.list(map, key)
			.filter_map(|item| self.text(item, &path))
			.collect()
	}

	/// A whole number under a key, written without quotes; 0, if it is not there.
	pub fn number(&mut self, map: &Map, key: &str) -> Option<u32> {
		let Some(node) = map.get(key) else {
			return Some(0);
		};
		let number = match &node.kind {
			NodeKind::Scalar { text, plain: true } => whole(text),
			_ => None,
		};
		let number = number.and_then(|number| u32::try_from(number).ok());
		if number.is_none() {
			self.error(
				node.at,
				&map.child(key),
				"must be a whole number, without quotes",
			);
		}
		number
	}

	/// Yes or no under a key; no, if it is not there.
	pub fn flag(&mut self, map: &Map, key: &str) -> bool {
		let Some(node) = map.get(key) else {
			return false;
		};
		let flag = match &node.kind {
			NodeKind::Scalar { text, plain } => match text.as_str() {
				"true" | "True" | "TRUE" if *plain => Some(true),
				"false" | "False" | "FALSE" if *plain => Some(false),
				"y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => Some(true),
				"n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => Some(false),
				_ => None,
			},
			_ => None,
		};
		if flag.is_none() {
			self.error(node.at, &map.child(key), "must be `true` or `false`");
		}
		flag.unwrap_or(false)
	}

	/// A value by `read`, or an error that says how it is written.
	pub fn quantity<T>(
		&mut self,
		map: &Map,
		key: &str,
		how: &str,
		read: impl Fn(&str) -> Option<T>,
	) -> Option<T> {
		let path = map.child(key);
		let Some(node) = map.get(key) else {
			self.missing(map, key);
			return None;
		};
		let text = self.text(node, &path)?;
		let value = read(&text);
		if value.is_none() {
			self.error(node.at, &path, format!("`{text}` is not understood: {how}"));
		}
		value
	}

	/// As [`Self::quantity`], with a value for where nothing stands.
	pub fn quantity_or<T>(
		&mut self,
		map: &Map,
		key: &str,
		how: &str,
		otherwise: T,
		read: impl Fn(&str) -> Option<T>,
	) -> T {
		match map.get(key) {
			Some(_) => self.quantity(map, key, how, read).unwrap_or(otherwise),
			None => otherwise,
		}
	}

	/// Refuses every other key.
	pub fn only(&mut self, map: &Map, known: &[&str]) {
		for (key, at, _) in map.items() {
			if !known.contains(&key) {
				self.error(at, &map.child(key), "is not a key of this format");
			}
		}
	}

	/// Warns about every other key: a misspelt one must not vanish without a word.
	pub fn only_known(&mut self, map: &Map, known: &[&str]) {
		for (key, at, _) in map.items() {
			if !known.contains(&key) {
				self.warn(at, &map.child(key), "is not known here and is ignored");
			}
		}
	}
}
