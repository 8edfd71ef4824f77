//! Manifest files, and manifests.

use crate::fuzz::{corpus, fuzz};
use leasehold_manifest::{
	compose,
	sdl::{self, Fault, Level, Sdl},
	totals, FileEntry, Manifest,
};
use std::convert::Infallible;

/// What files are made of, and what breaks readers.
const WORDS: &[&str] = &[
	"\n",
	" ",
	"  ",
	"\t",
	": ",
	"- ",
	"{",
	"}",
	"[",
	"]",
	",",
	"&a ",
	"*a",
	"<<: *a",
	"<<: ",
	"? ",
	"!!int ",
	"!!binary ",
	"---\n",
	"...\n",
	"# ",
	"|\n",
	">\n",
	"\"",
	"'",
	"\\",
	"~",
	"0",
	"-1",
	"1e999",
	".nan",
	"0x7f",
	"4294967295",
	"4294967296",
	"18446744073709551616",
	"340282366920938463463374607431768211456",
	"1e-9",
	"64Gi",
	"16777215Ti",
	"true",
	"version: \"2.1\"\n",
	"services: ",
	"count: ",
	"units: ",
	"size: ",
	"image: ",
	"expose: ",
	"port: ",
	"to: ",
	"global: true",
	"ip: ",
	"profile: ",
	"pricing: ",
	"denom: ",
	"amount: ",
	"params: ",
	"storage: ",
	"mount: /",
	"persistent: true",
	"class: beta3",
	"vendor: ",
	"nvidia: ",
	"depends_on: ",
	"x-leasehold: ",
	"kind: job",
	"inputs: ",
	"outputs: ",
	"max_duration: ",
	"wasm:",
	"..",
	"/",
	"\0",
	"\u{feff}",
	"\u{2028}",
	"日",
];

/// What the command line would hand in, with files of no content.
fn manifest(services: &[leasehold_manifest::Service<leasehold_manifest::LocalFile>]) -> Manifest {
	let file = |path: String| FileEntry {
		path,
		size: 0,
		sha256: [0; 32],
	};
	let services = services.iter().cloned().map(|service| {
		let Ok(service) = service.with_files(|local, _| Ok::<_, Infallible>(file(local.path)));
		service
	});
	Manifest {
		services: services.collect(),
	}
}

fn file(parse: fn(&str) -> (Option<Sdl>, Vec<Fault>), input: &[u8]) -> bool {
	let Ok(text) = std::str::from_utf8(input) else {
		return false;
	};
	let (sdl, faults) = parse(text);
	assert_eq!(parse(text), (sdl.clone(), faults.clone()));
	let refused = faults.iter().any(|fault| fault.level == Level::Error);
	assert_eq!(sdl.is_none(), refused, "{faults:?}");
	let lines = text.split(['\n', '\r']).count() + 1;
	for fault in &faults {
		assert!(
			(1..=lines).contains(&fault.line) && fault.column > 0,
			"{fault}"
		);
		assert!(!fault.key.is_empty() && !fault.reason.is_empty(), "{fault}");
		assert!(!fault.to_string().contains('\n'), "{fault}");
	}
	let Some(sdl) = sdl else { return false };
	for placement in &sdl.placements {
		let _ = totals(&placement.services);
		let manifest = manifest(&placement.services);
		// What the provider refuses is told before anything is paid for.
		let bytes = manifest.with_salt([7; 32]);
		if let Ok(opened) = Manifest::open(&bytes) {
			assert_eq!(opened, manifest);
			let _ = opened.can_be_run();
		}
	}
	true
}

#[test]
fn sdl_files() {
	fuzz("sdl", WORDS, &corpus("corpus/sdl"), |input| {
		file(sdl::parse, input)
	});
}

#[test]
fn compose_files() {
	fuzz("compose", WORDS, &corpus("corpus/compose"), |input| {
		file(compose::parse, input)
	});
}

#[test]
fn manifests() {
	let mut all = corpus("../manifest/fixtures");
	all.extend(corpus("corpus/bytes"));
	fuzz("manifests", WORDS, &all, |input| {
		let Ok(manifest) = Manifest::open(input) else {
			return false;
		};
		let salt = input[1..33].try_into().unwrap();
		let again = manifest.with_salt(salt);
		assert_eq!(Manifest::open(&again).as_ref(), Ok(&manifest));
		assert_eq!(manifest.in_order().unwrap().len(), manifest.services.len());
		let _ = manifest.totals();
		let _ = manifest.can_be_run();
		true
	});
}
