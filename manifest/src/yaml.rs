//! A YAML document as a tree that knows where everything stands. Aliases and merge keys are expanded,
//! up to a size, but for a merge key of the top level, which is a key like others; refused are
//! duplicate keys, tags beyond YAML's own, and deep nesting, which a manifest does not need and an
//! attacker would.

use saphyr_parser::{Event, Marker, Parser, ScalarStyle};
use std::collections::{HashMap, HashSet};

/// Deepest nesting of a manifest.
const MAX_DEPTH: usize = 32;
/// Largest size of a manifest, aliases expanded: each node counts 64 bytes besides its text.
const MAX_SIZE: usize = 4 << 20;
const NODE: usize = 64;
/// Longest key, bytes.
const MAX_KEY: usize = 256;

/// Where something stands: line and column, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
	pub line: usize,
	pub column: usize,
}

impl From<Marker> for Place {
	fn from(marker: Marker) -> Self {
		Self {
			line: marker.line(),
			column: marker.col().saturating_add(1),
		}
	}
}

#[derive(Clone, Debug)]
pub(crate) struct Node {
	pub at: Place,
	pub kind: NodeKind,
}

#[derive(Clone, Debug)]
pub(crate) enum NodeKind {
	/// Text as written; `plain` if it was not quoted.
	Scalar {
		text: String,
		plain: bool,
	},
	List(Vec<Node>),
	Map(Vec<(String, Place, Node)>),
}

impl Node {
	/// Whether nothing stands here.
	pub fn is_null(&self) -> bool {
		let NodeKind::Scalar { text, plain: true } = &self.kind else {
			return false;
		};
		matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL")
	}

	/// Of this node and all below it, see [`MAX_SIZE`].
	fn size(&self) -> usize {
		let below: usize = match &self.kind {
			NodeKind::Scalar { text, .. } => text.len(),
			NodeKind::List(items) => items.iter().map(Node::size).sum(),
			NodeKind::Map(items) => items
				.iter()
				.map(|(key, _, node)| key.len().saturating_add(node.size()))
				.sum(),
		};
		below.saturating_add(NODE)
	}
}

#[derive(Debug)]
pub(crate) struct YamlError {
	pub at: Place,
	pub what: String,
}

fn bad<T>(at: Place, what: impl Into<String>) -> Result<T, YamlError> {
	Err(YamlError {
		at,
		what: what.into(),
	})
}

/// A list or mapping that has not ended yet, with its anchor.
struct Open {
	anchor: usize,
	at: Place,
	what: Items,
}

enum Items {
	List(Vec<Node>),
	Map {
		items: Vec<(String, Place, Node)>,
		keys: HashSet<String>,
		/// A key whose value comes next.
		key: Option<(String, Place)>,
	},
}

#[derive(Default)]
struct Tree {
	open: Vec<Open>,
	anchors: HashMap<usize, Node>,
	size: usize,
}

/// Puts what a mapping takes over by `<<` where it names nothing itself.
fn merge(items: Vec<(String, Place, Node)>) -> Result<Vec<(String, Place, Node)>, YamlError> {
	let (merges, mut own): (Vec<_>, Vec<_>) =
		items.into_iter().partition(|(key, _, _)| key == "<<");
	let mut keys: HashSet<String> = match merges.is_empty() {
		true => return Ok(own),
		false => own.iter().map(|(key, _, _)| key.clone()).collect(),
	};
	for (_, at, node) in merges {
		let sources = match node.kind {
			NodeKind::Map(items) => vec![items],
			NodeKind::List(list) => list
				.into_iter()
				.map(|node| match node.kind {
					NodeKind::Map(items) => Ok(items),
					_ => bad(at, "`<<` merges mappings only"),
				})
				.collect::<Result<_, _>>()?,
			NodeKind::Scalar { .. } => return bad(at, "`<<` merges mappings only"),
		};
		for (key, key_at, value) in sources.into_iter().flatten() {
			if keys.insert(key.clone()) {
				own.push((key, key_at, value));
			}
		}
	}
	Ok(own)
}

fn count(size: &mut usize, at: Place, more: usize) -> Result<(), YamlError> {
	*size = size.saturating_add(more);
	match *size > MAX_SIZE {
		true => bad(at, "too large, with its aliases expanded"),
		false => Ok(()),
	}
}

impl Tree {
	/// Takes a whole node; the document, if nothing is open any more.
	fn take(&mut self, node: Node, anchor: usize) -> Result<Option<Node>, YamlError> {
		if anchor > 0 {
			count(&mut self.size, node.at, node.size())?;
			self.anchors.insert(anchor, node.clone());
		}
		let Some(open) = self.open.last_mut() else {
			return Ok(Some(node));
		};
		match &mut open.what {
			Items::List(items) => items.push(node),
			Items::Map { items, keys, key } => match key.take() {
				Some((key, key_at)) => items.push((key, key_at, node)),
				None => {
					let NodeKind::Scalar { text, .. } = node.kind else {
						return bad(node.at, "a key must be plain text");
					};
					if text.len() > MAX_KEY {
						return bad(node.at, format!("a key has at most {MAX_KEY} bytes"));
					}
					if !keys.insert(text.clone()) && text != "<<" {
						return bad(node.at, format!("the key `{text}` stands twice"));
					}
					*key = Some((text, node.at));
				}
			},
		}
		Ok(None)
	}

	fn begin(&mut self, at: Place, anchor: usize, what: Items) -> Result<(), YamlError> {
		if self.open.len() >= MAX_DEPTH {
			return bad(at, "nested too deeply");
		}
		if let Some(Open {
			what: Items::Map { key: None, .. },
			..
		}) = self.open.last()
		{
			return bad(at, "a key must be plain text");
		}
		self.open.push(Open { anchor, at, what });
		Ok(())
	}

	fn end(&mut self, at: Place) -> Result<Option<Node>, YamlError> {
		let Some(Open { anchor, at, what }) = self.open.pop() else {
			return bad(at, "unbalanced document");
		};
		let kind = match what {
			Items::List(items) => NodeKind::List(items),
			// Akash reads the keys of the top level one by one, and merges nothing into them.
			Items::Map { items, .. } if self.open.is_empty() => NodeKind::Map(items),
			Items::Map { items, .. } => NodeKind::Map(merge(items)?),
		};
		let node = Node { at, kind };
		count(&mut self.size, node.at, NODE)?;
		self.take(node, anchor)
	}

	fn event(&mut self, event: Event, at: Place) -> Result<Option<Node>, YamlError> {
		match event {
			Event::Alias(anchor) => {
				let Some(node) = self.anchors.get(&anchor) else {
					return bad(at, "an alias of what has not ended yet");
				};
				// Counted before it is copied.
				count(&mut self.size, at, node.size())?;
				let node = node.clone();
				self.take(node, 0)
			}
			Event::Scalar(text, style, anchor, tag) => {
				let own = tag.as_ref().is_none_or(|tag| tag.is_yaml_core_schema());
				if !own {
					return bad(at, "tags other than YAML's own are not allowed");
				}
				let text = text.into_owned();
				// A tag says what it is as quotes do.
				let plain = style == ScalarStyle::Plain && tag.is_none();
				let node = Node {
					at,
					kind: NodeKind::Scalar { text, plain },
				};
				count(&mut self.size, at, node.size())?;
				self.take(node, anchor)
			}
			Event::SequenceStart(_, tag) | Event::MappingStart(_, tag)
				if tag.as_ref().is_some_and(|tag| !tag.is_yaml_core_schema()) =>
			{
				bad(at, "tags other than YAML's own are not allowed")
			}
			Event::SequenceStart(anchor, _) => {
				self.begin(at, anchor, Items::List(Vec::new()))?;
				Ok(None)
			}
			Event::MappingStart(anchor, _) => {
				let what = Items::Map {
					items: Vec::new(),
					keys: HashSet::new(),
					key: None,
				};
				self.begin(at, anchor, what)?;
				Ok(None)
			}
			Event::SequenceEnd | Event::MappingEnd => self.end(at),
			_ => Ok(None),
		}
	}
}

/// Parses the first document; says where another one begins, which is not read.
pub(crate) fn parse(source: &str) -> Result<(Node, Option<Place>), YamlError> {
	let source = source.strip_prefix('\u{feff}').unwrap_or(source);
	let mut tree = Tree::default();
	let mut document = None;
	for item in Parser::new_from_str(source) {
		let (event, at) = match item {
			Ok((event, span)) => (event, Place::from(span.start)),
			// Beyond the first document nothing is read.
			Err(_) if document.is_some() => break,
			Err(error) => return bad((*error.marker()).into(), error.info()),
		};
		match document {
			Some(first) if matches!(event, Event::DocumentStart(_)) => {
				return Ok((first, Some(at)))
			}
			Some(_) => {}
			None => document = tree.event(event, at)?,
		}
	}
	match document {
		Some(document) => Ok((document, None)),
		None => bad(Place { line: 1, column: 1 }, "the file is empty"),
	}
}
