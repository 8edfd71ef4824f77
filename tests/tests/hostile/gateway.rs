//! What the gateway is sent: grants, signed requests, messages, host names.

use crate::fuzz::{corpus, fuzz, Input};
use axum::{extract::Query, http::Uri};
use leasehold_client::{
	access::{
		check, Call, Expected, Grant, RequestFacts, RequestProof, Scope, Session, SignedGrant,
	},
	exec::{Control, Outcome, Start},
	query::{self, How, Log, Want, Which},
	seal::{self, Place},
	volumes::{Coming, Entry, Plan, Put},
	AccountId32, H256,
};
use leasehold_manifest::hostname::{without_port, Name};
use serde::{de::DeserializeOwned, Serialize};
use sha2::{Digest as _, Sha256};
use std::{fmt::Debug, io::Read as _};

/// What JSON, grants and names are made of, and what breaks readers.
const WORDS: &[&str] = &[
	"{",
	"}",
	"[",
	"]",
	",",
	":",
	"\"",
	"\\u0000",
	"\\ud800",
	"null",
	"true",
	"-1",
	"1e999",
	"4294967296",
	"18446744073709551616",
	"\"lease\":",
	"\"grant\":",
	"\"proof\":",
	"\"from\":",
	"\"from\":{",
	"\"text\":",
	"\"signature\":",
	"\"command\":",
	"\"terminal\":",
	"\"resize\":",
	"\"rows\":",
	"\"signal\":",
	"\"end_of_input\"",
	"\"exited\":",
	"\"failed\":",
	"<Bytes>",
	"</Bytes>",
	"\\n",
	"scopes: ",
	"deploy,exec,files,forward,logs,status",
	"expires: ",
	"epoch: 1",
	"lease: 5",
	"0x",
	"00",
	"-",
	".",
	"..",
	"web-7",
	"leases.example.org",
	"xn--",
	"%00",
	"\0",
	"\n",
	"\u{feff}",
	"\u{2028}",
	"İ",
];

/// The gateway, and the lease that the calls in `corpus/calls` are about.
const GATEWAY: AccountId32 = AccountId32([6; 32]);
const NOW: u64 = 1_800_000_000;

/// By the name of the file: whose grants count.
fn access(name: &str) -> AccountId32 {
	let accounts = include_str!("../../corpus/accounts.txt");
	let mut lines = accounts.lines().filter_map(|line| line.split_once(' '));
	let (_, account) = lines.find(|(kind, _)| name.contains(kind)).unwrap();
	account.parse().unwrap()
}

fn expected(access: AccountId32) -> Expected {
	Expected {
		genesis: H256([3; 32]),
		provider: 4,
		lease: 5,
		access,
		epoch: 0,
		now: NOW,
	}
}

/// Whether a call would be answered.
fn is_allowed(call: &Call, access: AccountId32) -> bool {
	let digest = hex::encode(Sha256::digest(&call.body));
	let facts = RequestFacts {
		method: "RPC",
		path: "lease_status",
		digest: &digest,
		gateway: GATEWAY,
	};
	let scope = Scope::Status;
	let checked = check(&call.grant, &call.proof, facts, scope, &expected(access));
	let again = check(&call.grant, &call.proof, facts, scope, &expected(access));
	assert_eq!(checked, again);
	checked.is_ok()
}

/// What of a call is signed, all links of its grant with it.
fn signed(call: &Call) -> Vec<String> {
	let RequestProof { time, nonce, .. } = &call.proof;
	let mut all = vec![time.to_string(), nonce.clone(), call.body.clone()];
	let mut link = Some(&call.grant);
	while let Some(grant) = link {
		all.push(grant.text.clone());
		link = grant.from.as_deref();
	}
	all
}

/// Whatever is damaged of a call, it says what was signed, or is refused.
#[test]
fn calls() {
	let all = corpus("corpus/calls");
	let name = |(path, _): &Input| path.file_name().unwrap().to_str().unwrap().to_owned();
	let good: Vec<(AccountId32, Vec<String>)> = all
		.iter()
		.filter(|input| name(input).starts_with("good-"))
		.map(|input| {
			let (call, who) = (
				serde_json::from_slice(&input.1).unwrap(),
				access(&name(input)),
			);
			assert!(is_allowed(&call, who), "{}", name(input));
			(who, signed(&call))
		})
		.collect();
	assert!(
		good.len() >= 4,
		"each kind of key, and one that was passed on"
	);
	fuzz("calls", WORDS, &all, |input| {
		// In headers it is hexadecimal.
		let decoded = hex::decode(input);
		let input = decoded.as_deref().unwrap_or(input);
		if serde_json::from_slice::<SignedGrant>(input).is_ok() {
			return true;
		}
		let Ok(call) = serde_json::from_slice::<Call>(input) else {
			return false;
		};
		for (who, _) in &good {
			if is_allowed(&call, *who) {
				let said = (*who, signed(&call));
				assert!(good.contains(&said), "{said:?} was never signed");
			}
		}
		if let Some(grant) = Grant::parse(&call.grant.text) {
			assert_eq!(grant.text(), call.grant.text);
		}
		true
	});
}

/// Reads JSON, which reads back as what it is written as.
fn reads<T: DeserializeOwned + Serialize + PartialEq + Debug>(input: &[u8]) -> bool {
	let Ok(read) = serde_json::from_slice::<T>(input) else {
		return false;
	};
	let again = serde_json::to_vec(&read).unwrap();
	assert_eq!(serde_json::from_slice::<T>(&again).unwrap(), read);
	true
}

/// Reads what is asked for in an address, as the gateway does; it reads back as what it is written as.
fn asks<T: DeserializeOwned + Serialize + PartialEq + Debug>(address: &Uri) -> bool {
	let Ok(Query(read)) = Query::<T>::try_from_uri(address) else {
		return false;
	};
	let again = query::with("/", &read);
	// What is encoded is longer; there is an end to an address.
	let Ok(again) = again.parse::<Uri>() else {
		assert!(again.len() > 60_000, "{again}");
		return true;
	};
	assert_eq!(Query::<T>::try_from_uri(&again).unwrap().0, read);
	true
}

#[test]
fn queries() {
	let words = [
		WORDS,
		&[
			"?",
			"&",
			"=",
			"+",
			"%",
			"%2",
			"%C3%BC",
			"%ff",
			"replica=",
			"service=",
			"from=",
			"tail=",
			"since=",
			"follow=true",
			"list=",
			"recursive=",
			"digests=",
			"at=",
			"plan=",
			"&&",
			"==",
		],
	]
	.concat();
	fuzz("queries", &words, &corpus("corpus/queries"), |input| {
		let Ok(address) = Uri::try_from(input) else {
			return false;
		};
		let any = [
			asks::<Which>(&address),
			asks::<Log>(&address),
			asks::<Want>(&address),
			asks::<How>(&address),
		];
		any.contains(&true)
	});
}

#[test]
fn messages() {
	let place = Place {
		genesis: H256([3; 32]),
		provider: 4,
		lease: 5,
	};
	fuzz("messages", WORDS, &corpus("corpus/messages"), |input| {
		// Nothing that is not sealed to this key for this place opens.
		assert!(seal::open(&[9; 32], place, input).is_err());
		let text = std::str::from_utf8(input).unwrap_or_default();
		let kept = Session::from_text(text).is_ok();
		let any = [
			reads::<Start>(input),
			reads::<Control>(input),
			reads::<Outcome>(input),
			reads::<SignedGrant>(input),
			reads::<RequestProof>(input),
			reads::<Vec<Entry>>(input),
			reads::<Plan>(input),
			reads::<Put>(input),
		];
		kept || any.contains(&true)
	});
}

/// Whatever a stream of files says of itself, no more is read than there is, and no name grows without bound.
#[test]
fn streams() {
	fuzz("streams", WORDS, &corpus("corpus/streams"), |input| {
		let mut archive = tar::Archive::new(input);
		let mut coming = Coming::of(&mut archive).unwrap();
		let (mut read, mut buffer) = (0, Vec::new());
		loop {
			match coming.next_one() {
				Ok(Some((name, mut entry))) => {
					assert!(name.len() <= 4_096, "{} bytes", name.len());
					buffer.clear();
					let _ = entry.read_to_end(&mut buffer);
					read += buffer.len();
					assert!(read <= input.len());
				}
				Ok(None) => return true,
				Err(_) => return false,
			}
		}
	});
}

/// A name leads to one service of one lease, and no other name does.
#[test]
fn names() {
	const DOMAIN: &str = "leases.example.org";
	fuzz("names", WORDS, &corpus("corpus/names"), |input| {
		let host = without_port(&String::from_utf8_lossy(input));
		let Some(name) = Name::read(&host, DOMAIN) else {
			return false;
		};
		assert_eq!(Name::host(&name.service, name.lease, DOMAIN), Some(host));
		assert!(leasehold_manifest::is_label(&name.service));
		true
	});
}
