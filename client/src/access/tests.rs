use super::*;
use crate::keystore::{account, from_seed};

fn setting() -> (Session, Expected, AccountId32) {
	let tenant = from_seed([1; 32]).unwrap();
	let gateway = account(&from_seed([2; 32]).unwrap());
	let expected = Expected {
		genesis: H256([3; 32]),
		provider: 4,
		lease: 5,
		access: account(&tenant),
		epoch: 0,
		now: 1_000_000,
	};
	let session = Session::open(&tenant, expected.genesis, 4, (5, 0), 1_000_000).unwrap();
	(session, expected, gateway)
}

fn facts(gateway: AccountId32) -> RequestFacts<'static> {
	RequestFacts {
		method: "GET",
		path: "/v1/leases/5/logs",
		digest: "00",
		gateway,
	}
}

#[test]
fn a_good_request_passes() {
	let (session, expected, gateway) = setting();
	let proof = session.sign(facts(gateway), expected.now).unwrap();
	let checked = check(
		session.grant(),
		&proof,
		facts(gateway),
		Scope::Logs,
		&expected,
	);
	assert_eq!(checked, Ok(()));
}

#[test]
fn every_other_request_is_refused_with_its_reason() {
	let (session, good, gateway) = setting();
	let with = |edit: &dyn Fn(&mut Expected)| {
		let mut expected = good;
		edit(&mut expected);
		let proof = session.sign(facts(gateway), good.now).unwrap();
		check(
			session.grant(),
			&proof,
			facts(gateway),
			Scope::Logs,
			&expected,
		)
	};
	assert_eq!(with(&|e| e.lease = 6), Err(Refusal::Foreign));
	assert_eq!(with(&|e| e.provider = 6), Err(Refusal::Foreign));
	assert_eq!(with(&|e| e.genesis = H256([9; 32])), Err(Refusal::Foreign));
	assert_eq!(with(&|e| e.epoch = 1), Err(Refusal::Revoked));
	assert_eq!(with(&|e| e.now += 90_000), Err(Refusal::Expired));
	assert_eq!(with(&|e| e.now += 1_000), Err(Refusal::Late));
	assert_eq!(with(&|e| e.now -= 1_000), Err(Refusal::Expired));
	assert_eq!(
		with(&|e| e.access = AccountId32([8; 32])),
		Err(Refusal::BadGrant)
	);

	let proof = session.sign(facts(gateway), good.now).unwrap();
	let other = RequestFacts {
		path: "/v1/leases/6/logs",
		..facts(gateway)
	};
	let checked = check(session.grant(), &proof, other, Scope::Logs, &good);
	assert_eq!(checked, Err(Refusal::BadSignature));
	let mut widened = session.grant().clone();
	widened.text = widened.text.replace("expires: 1", "expires: 2");
	let checked = check(&widened, &proof, facts(gateway), Scope::Logs, &good);
	assert!(matches!(checked, Err(Refusal::Expired | Refusal::BadGrant)));
	let rubbish = SignedGrant {
		text: "x".into(),
		signature: "y".into(),
		from: None,
	};
	let checked = check(&rubbish, &proof, facts(gateway), Scope::Logs, &good);
	assert_eq!(checked, Err(Refusal::Malformed));
}

/// Asks for a log by a session.
fn asks(session: &Session, expected: &Expected, gateway: AccountId32) -> Result<(), Refusal> {
	let proof = session.sign(facts(gateway), expected.now).unwrap();
	check(
		session.grant(),
		&proof,
		facts(gateway),
		Scope::Logs,
		expected,
	)
}

fn asked(expected: &Expected, scopes: &[Scope], life: u64) -> Asked {
	let place = (expected.genesis, expected.provider, expected.lease, 0);
	Asked::new(place, scopes, expected.now, life).unwrap()
}

#[test]
fn a_grant_is_passed_on_for_a_part() {
	let (session, expected, gateway) = setting();
	let two = [Scope::Logs, Scope::Status];
	let passed = asked(&expected, &two, 600).passed_on(&session).unwrap();
	assert_eq!(asks(&passed, &expected, gateway), Ok(()));
	let again = asked(&expected, &two[..1], 60).passed_on(&passed).unwrap();
	assert_eq!(asks(&again, &expected, gateway), Ok(()));
	let later = |seconds| Expected {
		now: expected.now + seconds,
		..expected
	};
	assert_eq!(asks(&again, &later(61), gateway), Err(Refusal::Expired));
	assert_eq!(asks(&passed, &later(61), gateway), Ok(()));
	let revoked = Expected {
		epoch: 1,
		..expected
	};
	assert_eq!(asks(&again, &revoked, gateway), Err(Refusal::Revoked));
	let other = asked(&expected, &two[1..], 60).passed_on(&passed).unwrap();
	assert_eq!(asks(&other, &expected, gateway), Err(Refusal::OutOfScope));
}

#[test]
fn nobody_passes_on_what_is_not_theirs() {
	let (session, expected, gateway) = setting();
	let (logs, all) = ([Scope::Logs], Scope::ALL);
	let passed = asked(&expected, &logs, 600).passed_on(&session).unwrap();
	let wider = asked(&expected, &all, 600).passed_on(&passed).unwrap();
	assert_eq!(asks(&wider, &expected, gateway), Err(Refusal::Widened));
	let longer = asked(&expected, &logs, 601).passed_on(&passed).unwrap();
	assert_eq!(asks(&longer, &expected, gateway), Err(Refusal::Widened));
	// By another key than the one that was granted something.
	let stranger = from_seed([7; 32]).unwrap();
	let mut forged = asked(&expected, &logs, 60).signed(&stranger).unwrap();
	forged.grant.from = Some(Box::new(session.grant().clone()));
	assert_eq!(asks(&forged, &expected, gateway), Err(Refusal::BadGrant));
	// From a grant that is none of the access account's.
	let theirs = asked(&expected, &all, 600).signed(&stranger).unwrap();
	let passed = asked(&expected, &logs, 60).passed_on(&theirs).unwrap();
	assert_eq!(asks(&passed, &expected, gateway), Err(Refusal::BadGrant));
	assert!(!is_signed_by(passed.grant(), expected.access));
	// From one for another lease.
	let elsewhere = Expected {
		lease: 6,
		..expected
	};
	let tenant = from_seed([1; 32]).unwrap();
	let foreign = asked(&elsewhere, &all, 600).signed(&tenant).unwrap();
	let passed = asked(&expected, &logs, 60).passed_on(&foreign).unwrap();
	assert_eq!(asks(&passed, &expected, gateway), Err(Refusal::Foreign));
	// More often than may be.
	let mut last = session;
	for link in 0..=MAX_LINKS {
		last = asked(&expected, &logs, 60).passed_on(&last).unwrap();
		let wanted = match link < MAX_LINKS {
			true => Ok(()),
			false => Err(Refusal::TooLong),
		};
		assert_eq!(asks(&last, &expected, gateway), wanted, "link {link}");
	}
}

#[test]
fn a_wallet_signs_and_a_session_is_kept_in_a_file() {
	use ed25519_dalek::Signer as _;
	let (_, expected, gateway) = setting();
	let wallet = ed25519_dalek::SigningKey::from_bytes(&[5; 32]);
	let access = AccountId32(wallet.verifying_key().to_bytes());
	let expected = Expected { access, ..expected };
	let wanted = asked(&expected, &[Scope::Logs], 60);
	let signature = wallet.sign(wanted.grant.text().as_bytes()).to_bytes();
	let signature = format!("0x{}", hex::encode(signature));
	let session = wanted.signed_by(&access, &signature).unwrap().unwrap();
	assert_eq!(asks(&session, &expected, gateway), Ok(()));
	let none = asked(&expected, &[Scope::Logs], 60).signed_by(&access, &signature);
	assert!(none.unwrap().is_none(), "a signature is over one text");

	let text = session.to_text().unwrap();
	let (again, grant) = Session::from_text(&text).unwrap();
	assert_eq!((again.grant(), grant.lease), (session.grant(), 5));
	assert_eq!(asks(&again, &expected, gateway), Ok(()));
	for (from, to) in [
		("\"version\": 1", "\"version\": 2"),
		("lease: 5", "lease: 05"),
		("\"secret\": \"", "\"secret\": \"00"),
		("}", ""),
		("\"version\"", "\"other\": 1, \"version\""),
	] {
		assert!(text.contains(from), "{from}");
		assert!(Session::from_text(&text.replace(from, to)).is_err(), "{to}");
	}
	let stranger = Session::open(&from_seed([9; 32]).unwrap(), expected.genesis, 4, (5, 0), 1);
	let stranger = stranger.unwrap().to_text().unwrap();
	let secret = |text: &str| text.split("\"secret\": \"").nth(1).unwrap()[..64].to_owned();
	let swapped = text.replace(&secret(&text), &secret(&stranger));
	assert!(Session::from_text(&swapped).is_err(), "another key");
}

#[test]
fn a_grant_reads_back_and_only_its_exact_form_counts() {
	let (session, ..) = setting();
	let text = &session.grant().text;
	assert_eq!(Grant::parse(text).unwrap().text(), *text);
	assert_eq!(Grant::parse(&text.replace("lease: 5", "lease: 05")), None);
	assert_eq!(Grant::parse(&text.replace("files", "everything")), None);
	assert_eq!(Grant::parse(text.trim_end_matches("</Bytes>")), None);
}
