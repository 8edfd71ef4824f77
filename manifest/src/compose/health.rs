//! `healthcheck`: how it is found out whether a replica is well.

use crate::{
	manifest::{Health, Probe, MAX_HEALTH},
	quantity,
	sdl::{Map, Reader},
	yaml::NodeKind,
};

/// Seconds between two probes, and that one may take, if the file does not say: Compose's own.
const INTERVAL: u32 = 30;
const TIMEOUT: u32 = 30;

/// A text with `$$`, which stands for `$`; `None` if there is a `$` alone.
fn literal(text: &str) -> Option<String> {
	let parts: Vec<&str> = text.split("$$").collect();
	let plain = !parts.iter().any(|part| part.contains('$'));
	plain.then(|| parts.join("$"))
}

/// Whole seconds.
fn seconds(text: &str) -> Option<u32> {
	let time = quantity::long_duration(text).filter(|time| time.subsec_nanos() == 0)?;
	u32::try_from(time.as_secs())
		.ok()
		.filter(|seconds| *seconds <= MAX_HEALTH)
}

impl Reader {
	/// The check of a service; `None`: it names none, or takes it back.
	pub(super) fn healthcheck(&mut self, service: &Map) -> Option<Health> {
		let map = self.child(service, "healthcheck")?;
		let known = [
			"test",
			"interval",
			"timeout",
			"retries",
			"start_period",
			"start_interval",
			"disable",
		];
		self.only_known(&map, &known);
		if map.get("start_interval").is_some() {
			let (at, key) = (map.place("start_interval"), map.child("start_interval"));
			self.warn(at, &key, "is ignored: `interval` holds from the start");
		}
		if self.flag(&map, "disable") {
			self.no_check(&map, "disable");
			return None;
		}
		let command = self.test(&map)?;
		let how = "write `30s` or `1m30s`: whole seconds, at most 1h";
		let retries = self.retries(&map);
		Some(Health {
			probe: Probe::Exec(command),
			interval: self.quantity_or(&map, "interval", how, INTERVAL, seconds),
			timeout: self.quantity_or(&map, "timeout", how, TIMEOUT, seconds),
			retries,
			start_period: self.quantity_or(&map, "start_period", how, 0, |text| match text {
				"0" | "0s" => Some(0),
				_ => seconds(text),
			}),
		})
	}

	/// The command of a check; `None`: it names none, or one that is refused.
	fn test(&mut self, map: &Map) -> Option<Vec<String>> {
		let key = map.child("test");
		let Some(node) = map.get("test") else {
			let reason = "is ignored without a `test`: an image's own check has its own times";
			self.warn(map.at, &map.key, reason);
			return None;
		};
		let words = match &node.kind {
			NodeKind::Scalar { .. } => vec!["CMD-SHELL".to_owned(), self.text(node, &key)?],
			_ => self.texts(map, "test"),
		};
		let words: Option<Vec<String>> = words.iter().map(|word| literal(word)).collect();
		let Some(words) = words else {
			let reason = "nothing is interpolated: write `$$` for a `$`";
			self.error(node.at, &key, reason);
			return None;
		};
		let split = words.split_first();
		match split.map(|(kind, rest)| (kind.as_str(), rest)) {
			Some(("NONE", [])) => {
				self.no_check(map, "test");
				None
			}
			Some(("CMD", [program, ..])) if !program.is_empty() => {
				Some(words.iter().skip(1).cloned().collect())
			}
			Some(("CMD-SHELL", [line])) if !line.is_empty() => {
				Some(vec!["/bin/sh".into(), "-c".into(), line.clone()])
			}
			_ => {
				let reason = "write `[CMD, command, …]`, `[CMD-SHELL, text]`, `[NONE]` or a text";
				self.error(node.at, &key, reason);
				None
			}
		}
	}

	fn no_check(&mut self, map: &Map, key: &str) {
		let reason = "names no check; one of the image's own counts nevertheless";
		self.warn(map.place(key), &map.child(key), reason);
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use crate::{compose::parse, Fault, Level};

	/// What becomes of a check that stands in line 4, and which of its keys are warned about.
	fn read(check: &str) -> (Option<Health>, Vec<String>) {
		let (sdl, faults) = parse(&file(check));
		let sdl = sdl.unwrap_or_else(|| panic!("{check}: {faults:#?}"));
		let warned = faults.into_iter().map(|fault| fault.key);
		let inner = warned.filter_map(|key| {
			let inner = key.strip_prefix("services.web.healthcheck")?;
			Some(inner.to_owned())
		});
		(
			sdl.placements[0].services[0].health.clone(),
			inner.collect(),
		)
	}

	fn file(check: &str) -> String {
		format!("services:\n  web:\n    image: nginx\n    healthcheck: {check}\n")
	}

	#[test]
	fn a_check_is_a_command_in_the_replica() {
		for (test, command) in [
			("[CMD, /ready, now]", &["/ready", "now"][..]),
			("[CMD-SHELL, \"a && b\"]", &["/bin/sh", "-c", "a && b"]),
			("wget -q localhost", &["/bin/sh", "-c", "wget -q localhost"]),
			("\"test $${UP} = 1\"", &["/bin/sh", "-c", "test ${UP} = 1"]),
		] {
			let (health, warned) = read(&format!("{{ test: {test} }}"));
			let health = health.unwrap();
			let command = command.iter().map(|word| (*word).to_owned()).collect();
			assert_eq!(health.probe, Probe::Exec(command));
			assert_eq!((health.interval, health.timeout), (30, 30));
			assert_eq!((health.retries, health.start_period), (3, 0));
			assert_eq!(warned, Vec::<String>::new());
		}
		let all = "{ test: [CMD, x], interval: 1m30s, timeout: 10s, retries: 5, start_period: 1h, \
		           start_interval: 5s, shoes: 1 }";
		let (health, warned) = read(all);
		let health = health.unwrap();
		assert_eq!((health.interval, health.timeout), (90, 10));
		assert_eq!((health.retries, health.start_period), (5, 3_600));
		assert_eq!(warned, [".start_interval", ".shoes"]);
		let (health, _) = read("{ test: [CMD, x], start_period: 0s, disable: false }");
		assert_eq!(health.unwrap().start_period, 0);
	}

	#[test]
	fn a_check_may_be_taken_back() {
		for (check, warned) in [
			("{ disable: true, test: [CMD, x] }", ".disable"),
			("{ test: [NONE] }", ".test"),
			("{ interval: 5s }", ""),
		] {
			assert_eq!(read(check), (None, vec![warned.to_owned()]), "{check}");
		}
		assert_eq!(read("~"), (None, Vec::new()));
	}

	#[test]
	fn what_is_no_check_is_refused() {
		for (check, key) in [
			("[CMD, x]", ""),
			("{ test: [] }", ".test"),
			("{ test: [CMD] }", ".test"),
			("{ test: [CMD-SHELL, a, b] }", ".test"),
			("{ test: [curl, x] }", ".test"),
			("{ test: { CMD: x } }", ".test"),
			("{ test: \"\" }", ".test"),
			("{ test: [CMD, echo, $HOME] }", ".test"),
			("{ test: x, interval: 0s }", ".interval"),
			("{ test: x, interval: 500ms }", ".interval"),
			("{ test: x, interval: 30 }", ".interval"),
			("{ test: x, timeout: 61m }", ".timeout"),
			("{ test: x, start_period: -1s }", ".start_period"),
			("{ test: x, retries: 0 }", ".retries"),
			("{ test: x, retries: 101 }", ".retries"),
			("{ test: x, disable: perhaps }", ".disable"),
		] {
			let (sdl, faults) = parse(&file(check));
			assert!(sdl.is_none(), "{check}");
			let key = format!("services.web.healthcheck{key}");
			let found = |fault: &Fault| fault.level == Level::Error && fault.key == key;
			assert!(faults.iter().any(found), "{check}: {faults:?}");
		}
		let (_, faults) = parse(&file("{ test: [CMD, x], interval: 2h }"));
		let fault = faults.iter().find(|fault| fault.level == Level::Error);
		let fault = fault.unwrap();
		assert_eq!((fault.line, fault.column), (4, 46));
	}
}
