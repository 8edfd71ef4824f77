//! `profiles.placement`: what is asked of providers, and what is paid.

use super::*;
use crate::quantity;
use std::collections::{BTreeMap, BTreeSet};

/// Akash's highest price of a replica, in 10^-18 parts.
const MAX_PRICE: u128 = 10_000_000 * 10u128.pow(18);
/// Our token's smallest unit in files.
const DENOMINATION: &str = "ulease";

/// A placement, as it stands in the file.
pub(super) struct RawPlacement {
	pub attributes: Vec<(String, String)>,
	pub any_of: Vec<String>,
	pub all_of: Vec<String>,
	pub prices: BTreeMap<String, RawPrice>,
	/// Profiles whose price is faulty.
	pub faulty: BTreeSet<String>,
	pub at: Place,
	pub key: String,
}

pub(super) struct RawPrice {
	pub at: Place,
	pub key: String,
	/// In 10^-18 parts of the denomination.
	pub amount: u128,
	pub denomination: String,
}

impl RawPrice {
	pub fn is_ours(&self) -> bool {
		self.denomination == DENOMINATION
	}
}

fn is_denomination(text: &str) -> bool {
	(3..=128).contains(&text.len())
		&& text.starts_with(|c: char| c.is_ascii_alphabetic())
		&& text
			.bytes()
			.all(|b| b.is_ascii_alphanumeric() || matches!(b, b'/' | b':' | b'.' | b'_' | b'-'))
}

impl Reader {
	pub(super) fn placements<'a>(&mut self, profiles: &Map<'a>) -> BTreeMap<&'a str, RawPlacement> {
		let mut all = BTreeMap::new();
		let Some(placements) = self.child(profiles, "placement") else {
			return all;
		};
		for (name, at, node) in placements.items() {
			let Some(map) = self.map(node, &placements.child(name), at) else {
				continue;
			};
			self.only_known(&map, &["attributes", "signedBy", "pricing"]);
			let attributes = self.attributes(&map);
			let (any_of, all_of) = self.signed_by(&map);
			let (prices, faulty) = self.prices(&map);
			all.insert(
				name,
				RawPlacement {
					attributes,
					any_of,
					all_of,
					prices,
					faulty,
					at,
					key: map.key.clone(),
				},
			);
		}
		all
	}

	fn attributes(&mut self, placement: &Map) -> Vec<(String, String)> {
		let mut attributes = Vec::new();
		let Some(map) = self.child(placement, "attributes") else {
			return attributes;
		};
		for (key, at, node) in map.items() {
			let path = map.child(key);
			let Some(value) = self.text(node, &path) else {
				continue;
			};
			if key == "host" && value == "akash" {
				self.warn(at, &path, "`host: akash` is dropped");
			} else {
				attributes.push((key.to_owned(), value));
			}
		}
		attributes
	}

	/// (any of, all of)
	fn signed_by(&mut self, placement: &Map) -> (Vec<String>, Vec<String>) {
		let Some(map) = self.child(placement, "signedBy") else {
			return Default::default();
		};
		self.only_known(&map, &["anyOf", "allOf"]);
		let mut ours = |key: &str| {
			let all = self.texts(&map, key);
			let (foreign, ours): (Vec<_>, Vec<_>) =
				all.into_iter().partition(|who| who.starts_with("akash1"));
			if !foreign.is_empty() {
				let reason = "auditors of Akash are dropped: name auditors of this chain";
				self.warn(map.place(key), &map.child(key), reason);
			}
			ours
		};
		(ours("anyOf"), ours("allOf"))
	}

	/// By profile, and those that are faulty.
	fn prices(&mut self, placement: &Map) -> (BTreeMap<String, RawPrice>, BTreeSet<String>) {
		let mut prices = BTreeMap::new();
		let mut faulty = BTreeSet::new();
		let Some(pricing) = self.child(placement, "pricing") else {
			return (prices, faulty);
		};
		for (profile, at, node) in pricing.items() {
			let Some(map) = self.map(node, &pricing.child(profile), at) else {
				continue;
			};
			self.only_known(&map, &["denom", "amount"]);
			let how = "write a positive amount without exponent, at most 18 decimals";
			let amount = self.quantity(&map, "amount", how, |text| {
				quantity::amount(text).filter(|amount| *amount > 0)
			});
			let how = "name `ulease`";
			let denomination = self.quantity(&map, "denom", how, |text| {
				is_denomination(text).then(|| text.to_owned())
			});
			let (Some(amount), Some(denomination)) = (amount, denomination) else {
				faulty.insert(profile.to_owned());
				continue;
			};
			let price = RawPrice {
				at: map.place("amount"),
				key: map.child("amount"),
				amount,
				denomination,
			};
			if !price.is_ours() {
				let reason = format!(
					"`{}` is not `ulease`: it sets no ceiling",
					price.denomination
				);
				self.warn(map.place("denom"), &map.child("denom"), reason);
			}
			prices.insert(profile.to_owned(), price);
		}
		(prices, faulty)
	}

	/// Holds the prices of a placement, those that are used, against Akash's bounds.
	pub(super) fn sound_prices(&mut self, prices: &[&RawPrice]) {
		for price in prices {
			if !price.is_ours() && price.amount > MAX_PRICE {
				self.error(price.at, &price.key, "must be at most 10000000");
			}
		}
		if let Some([_, other]) = prices.windows(2).find_map(|pair| {
			<&[_; 2]>::try_from(pair)
				.ok()
				.filter(|[a, b]| a.denomination != b.denomination)
		}) {
			let reason = "all prices of a file must have the same denomination";
			self.error(other.at, &other.key, reason);
		}
	}
}
