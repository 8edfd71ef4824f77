//! A YAML document as a tree that knows where everything stands. Refused: duplicate keys, anchors,
//! aliases, tags and deep nesting, which a manifest does not need and an attacker would.

use saphyr_parser::{Event, Marker, Parser, ScalarStyle};

/// Deepest nesting of a manifest.
const MAX_DEPTH: usize = 32;

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

#[derive(Debug)]
pub(crate) struct YamlError {
	pub at: Place,
	pub what: String,
}

enum Open {
	List(Place, Vec<Node>),
	Map(Place, Vec<(String, Place, Node)>, Option<(String, Place)>),
}

/// Parses exactly one document.
pub(crate) fn parse(source: &str) -> Result<Node, YamlError> {
	let source = source.strip_prefix('\u{feff}').unwrap_or(source);
	let bad = |at: Place, what: &str| {
		Err(YamlError {
			at,
			what: what.to_owned(),
		})
	};
	let mut documents: Vec<Node> = Vec::new();
	let mut stack: Vec<Open> = Vec::new();
	for item in Parser::new_from_str(source) {
		let (event, span) = match item {
			Ok(item) => item,
			Err(error) => return bad((*error.marker()).into(), error.info()),
		};
		let at = Place::from(span.start);
		let done = match event {
			Event::Alias(_) => return bad(at, "aliases are not allowed"),
			Event::Scalar(_, _, anchor, _)
			| Event::SequenceStart(anchor, _)
			| Event::MappingStart(anchor, _)
				if anchor > 0 =>
			{
				return bad(at, "anchors are not allowed")
			}
			Event::Scalar(_, _, _, Some(_))
			| Event::SequenceStart(_, Some(_))
			| Event::MappingStart(_, Some(_)) => return bad(at, "tags are not allowed"),
			Event::Scalar(text, style, _, None) => {
				let plain = style == ScalarStyle::Plain;
				Node {
					at,
					kind: NodeKind::Scalar {
						text: text.into_owned(),
						plain,
					},
				}
			}
			Event::SequenceStart(..) | Event::MappingStart(..) => {
				if stack.len() >= MAX_DEPTH {
					return bad(at, "nested too deeply");
				}
				if let Some(Open::Map(_, _, None)) = stack.last() {
					return bad(at, "a key must be plain text");
				}
				stack.push(match event {
					Event::SequenceStart(..) => Open::List(at, Vec::new()),
					_ => Open::Map(at, Vec::new(), None),
				});
				continue;
			}
			Event::SequenceEnd | Event::MappingEnd => match stack.pop() {
				Some(Open::List(at, items)) => Node {
					at,
					kind: NodeKind::List(items),
				},
				Some(Open::Map(at, items, _)) => Node {
					at,
					kind: NodeKind::Map(items),
				},
				None => return bad(at, "unbalanced document"),
			},
			_ => continue,
		};
		match stack.last_mut() {
			None => documents.push(done),
			Some(Open::List(_, items)) => items.push(done),
			Some(Open::Map(_, items, key)) => match key.take() {
				Some((key, key_at)) => items.push((key, key_at, done)),
				None => {
					let NodeKind::Scalar { text, .. } = done.kind else {
						return bad(done.at, "a key must be plain text");
					};
					if items.iter().any(|(key, _, _)| *key == text) {
						return bad(done.at, &format!("the key `{text}` stands twice"));
					}
					*key = Some((text, done.at));
				}
			},
		}
	}
	let start = Place { line: 1, column: 1 };
	let mut documents = documents.into_iter();
	match (documents.next(), documents.next()) {
		(Some(document), None) => Ok(document),
		(None, _) => bad(start, "the file is empty"),
		(Some(_), Some(second)) => bad(second.at, "only one document is allowed"),
	}
}
