//! Commands in containers, and connections to the ports of services.

use crate::services::{close, page, ready, start, write, Service, SMALL};
use leasehold_tests::devnet::{wait_until, Devnet, Owned};
use serde_json::Value;
use std::{
	io::{Read as _, Write as _},
	net::{Shutdown, TcpStream},
	process::{Child, Command, Output, Stdio},
	time::Duration,
};

/// A command of the tenant in a lease, not started yet.
fn exec(devnet: &Devnet, lease: u64, command: &[&str]) -> Command {
	let lease = lease.to_string();
	// What comes after `--` is the command's.
	let mut whole = devnet.tenant(&["exec", &lease]).unwrap();
	whole.arg("--").args(command);
	whole
		.stdin(Stdio::piped())
		.stdout(Stdio::piped())
		.stderr(Stdio::piped());
	whole
}

/// Feeds a command while what it says is read.
fn fed(mut child: Child, input: Vec<u8>) -> Output {
	let mut stdin = child.stdin.take().unwrap();
	let feeder = std::thread::spawn(move || stdin.write_all(&input));
	let output = child.wait_with_output().unwrap();
	// It may have read as much as it wanted.
	let _ = feeder.join().unwrap();
	output
}

fn text(bytes: &[u8]) -> String {
	String::from_utf8_lossy(bytes).into_owned()
}

pub fn commands(devnet: &Devnet) {
	ready(devnet);
	let script = "mkdir /www; echo here > /www/page; exec httpd -f -p 8080 -h /www";
	let path = write(devnet, &[Service("web", script, "")], SMALL);
	let (lease, _) = start(devnet, &path);
	let run = |command: &[&str], input: &[u8]| {
		fed(
			exec(devnet, lease, command).spawn().unwrap(),
			input.to_vec(),
		)
	};
	let said = run(&["sh", "-c", "cat; echo oops >&2; exit 7"], b"hello\n");
	assert_eq!(text(&said.stdout), "hello\n", "{said:?}");
	assert_eq!(text(&said.stderr), "oops\n");
	assert_eq!(said.status.code(), Some(7));

	// Both ways at once, far more than anybody keeps.
	let much: Vec<u8> = (0..8u32 << 20).map(|n| (n / 251 + n) as u8).collect();
	let said = run(&["cat"], &much);
	assert_eq!(said.status.code(), Some(0), "{}", text(&said.stderr));
	assert!(said.stdout == much, "{} bytes", said.stdout.len());

	// It may no more than the workload may.
	let rights = "grep -E '^(Cap|NoNewPrivs|Seccomp)' /proc/1/status > /www/a; grep -E '^(Cap|NoNewPrivs|Seccomp)' \
	              /proc/self/status > /www/b; busybox cmp /www/a /www/b && cat /www/b";
	let said = run(&["sh", "-c", rights], b"");
	assert_eq!(said.status.code(), Some(0), "{said:?}");
	assert!(text(&said.stdout).contains("NoNewPrivs:\t1"), "{said:?}");

	let said = run(&["no-such-program"], b"");
	assert_ne!(said.status.code(), Some(0), "{said:?}");
	assert!(
		text(&said.stderr).contains("no-such-program"),
		"{}",
		text(&said.stderr)
	);
	let arguments = ["exec", &lease.to_string(), "--", "true"];
	let mut stranger = devnet.command("//Stranger", &[]).unwrap();
	let said = stranger.args(arguments).output().unwrap();
	assert_eq!(said.status.code(), Some(5), "{said:?}");
	assert!(text(&said.stderr).contains("refused"), "{said:?}");

	// Nothing is left of a command whose client is gone.
	let mut client = exec(devnet, lease, &["sh", "-c", "echo up; sleep 987"]);
	let mut client = Owned(client.spawn().unwrap());
	let mut up = [0; 3];
	let stdout = client.0.stdout.as_mut().unwrap();
	stdout.read_exact(&mut up).unwrap();
	client.kill();
	wait_until(Duration::from_secs(15), "the command is gone", || {
		let said = run(&["busybox", "ps"], b"");
		said.status.success() && !text(&said.stdout).contains("sleep 987")
	})
	.unwrap();

	terminal(devnet, lease);
	close(devnet, lease);
	let said = run(&["true"], b"");
	assert_eq!(said.status.code(), Some(5), "{said:?}");
}

/// As somebody at a terminal, which `script` plays.
fn terminal(devnet: &Devnet, lease: u64) {
	let at_terminal = |prepare: &str, command: &[&str]| {
		let command = exec(devnet, lease, command);
		let words: Vec<_> = [command.get_program()]
			.into_iter()
			.chain(command.get_args())
			.map(|word| format!("'{}'", word.to_str().unwrap()))
			.collect();
		let line = format!("{prepare}; exec {}", words.join(" "));
		let mut script = Command::new("script");
		script
			.args(["--quiet", "--return", "--flush", "--command", &line])
			.arg("/dev/null");
		script.stdin(Stdio::piped()).stdout(Stdio::piped());
		script.spawn().unwrap()
	};
	let sized = at_terminal(
		"stty rows 33 cols 111",
		&["sh", "-c", "sleep 1; busybox stty size; echo $TERM"],
	);
	let said = fed(sized, Vec::new());
	assert!(text(&said.stdout).contains("33 111"), "{said:?}");

	// Ctrl-C is the command's, and so is the exit code that comes of it.
	let mut asleep = at_terminal("true", &["sh", "-c", "echo up; exec sleep 100"]);
	let mut up = [0; 2];
	asleep.stdout.as_mut().unwrap().read_exact(&mut up).unwrap();
	asleep.stdin.as_mut().unwrap().write_all(&[3]).unwrap();
	let mut code = None;
	wait_until(Duration::from_secs(10), "it is interrupted", || {
		code = asleep.try_wait().unwrap();
		code.is_some()
	})
	.unwrap();
	assert_eq!(code.unwrap().code(), Some(130));
}

/// A forwarded port: who forwards it, and its local address.
pub fn forwarded(devnet: &Devnet, lease: u64, more: &[&str]) -> (Owned, String) {
	let lease = lease.to_string();
	let mut command = devnet.tenant(&["port-forward", &lease]).unwrap();
	command
		.args(more)
		.args(["--output", "json"])
		.stdout(Stdio::piped());
	let mut child = Owned(command.spawn().unwrap());
	let stdout = child.0.stdout.take().unwrap();
	let mut values = serde_json::Deserializer::from_reader(stdout).into_iter::<Value>();
	let said = values.next().unwrap().unwrap();
	let local = said["listening"][0]["local"].as_str();
	(child, local.unwrap_or_else(|| panic!("{said}")).to_owned())
}

pub fn ports(devnet: &Devnet) {
	ready(devnet);
	// What it listens at is in no file: any port can be reached.
	let script =
		"mkdir /www; echo here > /www/page; nc -ll -p 9000 -e cat & exec httpd -f -p 8080 -h /www";
	let path = write(devnet, &[Service("web", script, "")], SMALL);
	let (lease, _) = start(devnet, &path);
	let (_forwards, local) = forwarded(devnet, lease, &["0:8080"]);
	for _ in 0..3 {
		let said = page(&local, "/page").unwrap();
		assert!(said.ends_with("here\n"), "{said}");
	}
	let (_forwards, local) = forwarded(devnet, lease, &["0:9000", "--service", "web"]);
	let much: Vec<u8> = (0..4u32 << 20).map(|n| (n / 241 + n) as u8).collect();
	let mut stream = TcpStream::connect(&local).unwrap();
	let mut writer = stream.try_clone().unwrap();
	let sent = much.clone();
	let feeder = std::thread::spawn(move || {
		writer.write_all(&sent).unwrap();
		writer.shutdown(Shutdown::Write).unwrap();
	});
	let mut got = Vec::new();
	stream.read_to_end(&mut got).unwrap();
	feeder.join().unwrap();
	assert!(got == much, "{} bytes", got.len());

	// Nobody listens there: that connection ends, and no other.
	let (mut forwards, local) = forwarded(devnet, lease, &["0:9001"]);
	let mut stream = TcpStream::connect(&local).unwrap();
	let mut got = Vec::new();
	// However it ends.
	let _ = stream.read_to_end(&mut got);
	assert_eq!(got, b"");
	assert!(forwards.0.try_wait().unwrap().is_none());
	let bad = ["port-forward", &lease.to_string(), "80", "--service", "no"];
	let (said, code) = devnet.json("//Stranger", &bad[..3]).unwrap();
	assert_eq!(code, 5, "{said}");
	close(devnet, lease);
}
