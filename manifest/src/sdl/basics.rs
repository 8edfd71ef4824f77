//! Reading one node: a text, a list, a mapping, a quantity.

use super::*;
use crate::yaml::{Node, NodeKind, Place};

impl Reader {
	pub(super) fn fault(&mut self, level: Level, at: Place, key: &str, reason: impl Into<String>) {
		self.faults.push(Fault {
			level,
			line: at.line,
			column: at.column,
			key: key.to_owned(),
			reason: reason.into(),
		});
	}

	pub(super) fn error(&mut self, at: Place, key: &str, reason: impl Into<String>) {
		self.fault(Level::Error, at, key, reason);
	}

	pub(super) fn map<'a>(&mut self, node: &'a Node, key: &str) -> Option<Map<'a>> {
		match &node.kind {
			NodeKind::Map(items) => Some(Map {
				at: node.at,
				key: key.to_owned(),
				items,
			}),
			_ => {
				self.error(node.at, key, "must be a mapping");
				None
			}
		}
	}

	/// The mapping under a key that must be there.
	pub(super) fn need<'a>(&mut self, map: &Map<'a>, key: &str) -> Option<Map<'a>> {
		let path = map.child(key);
		match map.get(key) {
			Some(node) => self.map(node, &path),
			None => {
				self.error(map.at, &path, "is missing");
				None
			}
		}
	}

	/// The one entry of a mapping of which this release takes exactly one.
	pub(super) fn only<'a>(&mut self, map: &Map<'a>, what: &str) -> Option<(&'a str, &'a Node)> {
		match map.items {
			[(name, _, node)] => Some((name, node)),
			[] => {
				self.error(map.at, &map.key, format!("needs one {what}"));
				None
			}
			[_, (name, at, _), ..] => {
				let reason = format!("this release takes one {what} a file");
				self.error(*at, &map.child(name), reason);
				None
			}
		}
	}

	pub(super) fn text(&mut self, node: &Node, key: &str) -> Option<String> {
		match &node.kind {
			NodeKind::Scalar { text, .. } if !text.contains('\0') => Some(text.clone()),
			_ => {
				self.error(node.at, key, "must be text");
				None
			}
		}
	}

	pub(super) fn list<'a>(&mut self, node: &'a Node, key: &str) -> &'a [Node] {
		match &node.kind {
			NodeKind::List(items) => items,
			NodeKind::Scalar { text, plain: true } if text.is_empty() || text == "~" => &[],
			_ => {
				self.error(node.at, key, "must be a list");
				&[]
			}
		}
	}

	pub(super) fn texts(&mut self, map: &Map, key: &str) -> Vec<String> {
		let path = map.child(key);
		let Some(node) = map.get(key) else {
			return Vec::new();
		};
		self.list(node, &path)
			.iter()
			.filter_map(|item| self.text(item, &path))
			.collect()
	}

	/// A value by `read`, or an error that says how it is written.
	pub(super) fn quantity<T>(
		&mut self,
		map: &Map,
		key: &str,
		how: &str,
		read: impl Fn(&str) -> Option<T>,
	) -> Option<T> {
		let path = map.child(key);
		let Some(node) = map.get(key) else {
			self.error(map.at, &path, "is missing");
			return None;
		};
		let text = self.text(node, &path)?;
		let value = read(&text);
		if value.is_none() {
			self.error(node.at, &path, format!("`{text}` is not understood: {how}"));
		}
		value
	}

	pub(super) fn known(&mut self, map: &Map, known: &[&str], level: Level, reason: &str) {
		for (key, at, _) in map.items {
			if !known.contains(&key.as_str()) {
				self.fault(level, *at, &map.child(key), reason);
			}
		}
	}

	/// Warns about every other key: a misspelt one must not vanish without a word.
	pub(super) fn only_known(&mut self, map: &Map, known: &[&str]) {
		self.known(
			map,
			known,
			Level::Warning,
			"is not known here and is ignored",
		);
	}
}
