//! Commands in containers, and connections to the ports of services.

use crate::services::{close, page, ready, start, write, Service, SMALL};
use leasehold_client::{keystore, Chain};
use leasehold_tests::{
	devnet::{resident, signal, wait_until, Devnet, Owned},
	gateway::{self, Gateway, EMPTY},
};
use reqwest::Method;
use rustix::process::Signal;
use serde_json::Value;
use std::{
	io::{ErrorKind, Read as _, Write as _},
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

	// What looks like the engine's own words is the command's.
	let before = resident(devnet.provider_pid(0).unwrap()).unwrap();
	let odd = r"printf '\001aaa\377\377\377\377\020\021'; i=0; while [ $i -lt 3000 ]; do echo much of it; i=$((i+1)); done";
	for more in [&[][..], &["--no-terminal"]] {
		let said = at_terminal(devnet, lease, "true", more, &["sh", "-c", odd]);
		let said = fed(said, Vec::new());
		assert_eq!(said.status.code(), Some(0), "{more:?}");
		let lines = text(&said.stdout).matches("much of it").count();
		assert_eq!(lines, 3_000, "{more:?}");
	}
	let grown = resident(devnet.provider_pid(0).unwrap()).unwrap();
	let grown = grown.saturating_sub(before);
	assert!(grown < 16 << 20, "the daemon has grown by {grown} bytes");

	// Who takes long to read what it is sent is not taken for gone, nor is who sends it.
	if crate::is_full() {
		let slow = run(&["sh", "-c", "sleep 75; wc -c"], &much);
		assert_eq!(
			text(&slow.stdout).trim(),
			much.len().to_string(),
			"{slow:?}"
		);
	}

	// It may no more than the workload may.
	let rights = "grep -E '^(Cap|NoNewPrivs|Seccomp)' /proc/1/status > /www/a; grep -E '^(Cap|NoNewPrivs|Seccomp)' \
	              /proc/self/status > /www/b; busybox cmp /www/a /www/b && cat /www/b";
	let said = run(&["sh", "-c", rights], b"");
	assert_eq!(said.status.code(), Some(0), "{said:?}");
	assert!(text(&said.stdout).contains("NoNewPrivs:\t1"), "{said:?}");

	let said = run(&["no-such-program"], b"");
	assert_ne!(said.status.code(), Some(0), "{said:?}");
	// Docker says so where the command would write, Podman beside it.
	let told = [text(&said.stdout), text(&said.stderr)].concat();
	assert!(told.contains("no-such-program"), "{told}");
	let arguments = ["exec", &lease.to_string(), "--", "true"];
	let mut stranger = devnet.command("//Stranger", &[]).unwrap();
	let said = stranger.args(arguments).output().unwrap();
	assert_eq!(said.status.code(), Some(5), "{said:?}");
	assert!(text(&said.stderr).contains("refused"), "{said:?}");

	// Without a terminal the client's signals are the command's, too.
	let traps = "trap 'echo got; exit 9' INT; echo up; while :; do sleep 1; done";
	let mut client = exec(devnet, lease, &["sh", "-c", traps]).spawn().unwrap();
	let mut up = [0; 3];
	client.stdout.as_mut().unwrap().read_exact(&mut up).unwrap();
	signal(i32::try_from(client.id()).unwrap(), Signal::INT);
	let said = client.wait_with_output().unwrap();
	assert_eq!(
		(said.status.code(), &*said.stdout),
		(Some(9), &b"got\n"[..]),
		"{said:?}"
	);

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
	// The daemon hears of it with the next block, and the container has a moment then.
	wait_until(Duration::from_secs(40), "nothing can be run", || {
		run(&["true"], b"").status.code() == Some(5)
	})
	.unwrap();
}

/// A command of somebody at a terminal, which `script` plays.
fn at_terminal(
	devnet: &Devnet,
	lease: u64,
	prepare: &str,
	more: &[&str],
	command: &[&str],
) -> Child {
	let mut whole = devnet.tenant(&["exec", &lease.to_string()]).unwrap();
	whole.args(more).arg("--").args(command);
	let words: Vec<_> = [whole.get_program()]
		.into_iter()
		.chain(whole.get_args())
		.map(|word| format!("'{}'", word.to_str().unwrap().replace('\'', "'\\''")))
		.collect();
	let line = format!("{prepare}; exec {}", words.join(" "));
	let mut script = Command::new("script");
	script
		.args(["--quiet", "--return", "--flush", "--command", &line])
		.arg("/dev/null");
	script.stdin(Stdio::piped()).stdout(Stdio::piped());
	script.spawn().unwrap()
}

fn terminal(devnet: &Devnet, lease: u64) {
	let sized = at_terminal(
		devnet,
		lease,
		"stty rows 33 cols 111",
		&[],
		&["sh", "-c", "sleep 1; busybox stty size; echo $TERM"],
	);
	let said = fed(sized, Vec::new());
	assert!(text(&said.stdout).contains("33 111"), "{said:?}");

	// It is told when that changes.
	let resized = at_terminal(
		devnet,
		lease,
		"stty rows 33 cols 111; (sleep 2; stty rows 44 cols 122 </dev/tty) & true",
		&[],
		&["sh", "-c", "sleep 5; busybox stty size"],
	);
	let said = text(&fed(resized, Vec::new()).stdout);
	assert!(said.contains("44 122"), "{said}");

	// Ctrl-C is the command's, and so is the exit code that comes of it.
	let mut asleep = at_terminal(
		devnet,
		lease,
		"true",
		&[],
		&["sh", "-c", "echo up; exec sleep 100"],
	);
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
	strangers(devnet, lease);
	revoked(devnet, lease, &["0:9000"]);
	close(devnet, lease);
}

/// A connection as somebody's, or the refusal.
async fn forward(devnet: &Devnet, who: &str, lease: u64, rest: &str) -> (u16, String) {
	let chain = Chain::connect(&devnet.node(), None).await.unwrap();
	let connection = chain.connection().await.unwrap();
	let view = connection.best().await.unwrap();
	let provider = view.provider(0).await.unwrap().unwrap();
	let pair = keystore::from_uri(who).unwrap();
	let client = gateway::client(&provider.tls_keys).unwrap();
	let (genesis, place) = (connection.genesis, (lease, 0));
	let opened = Gateway::open(&provider, client, genesis, &pair, place).unwrap();
	let path = format!("/v1/leases/{lease}/{rest}");
	let proof = opened.sign("GET", &path, EMPTY).unwrap();
	let asked = opened.request(Method::GET, &path, EMPTY, &proof).unwrap();
	let asked = asked
		.header("connection", "upgrade")
		.header("upgrade", "websocket")
		.header("sec-websocket-version", "13")
		.header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
	let answer = asked.send().await.unwrap();
	let status = answer.status().as_u16();
	let text = match status {
		101 => String::new(),
		_ => answer.text().await.unwrap(),
	};
	(status, text)
}

/// Who has no grant of the tenant's gets nothing, and the tenant only what there is.
fn strangers(devnet: &Devnet, lease: u64) {
	tokio::runtime::Runtime::new().unwrap().block_on(async {
		for (who, rest, expected, why) in [
			("//Tenant", "forward/web/9000", 101, ""),
			("//Stranger", "forward/web/9000", 403, "another"),
			("//Stranger", "exec", 403, "another"),
			("//Tenant", "forward/no/9000", 400, "name one of"),
			("//Tenant", "forward/web/9000?replica=1", 400, "1 replicas"),
			("//Tenant", "forward/web/9001", 502, "does not answer"),
		] {
			let (status, said) = forward(devnet, who, lease, rest).await;
			assert_eq!(status, expected, "{who} {rest}: {said}");
			assert!(said.contains(why), "{who} {rest}: {said}");
		}
	});
}

/// What is open when the grants are made void ends.
fn revoked(devnet: &Devnet, lease: u64, port: &[&str]) {
	let (_forwards, local) = forwarded(devnet, lease, port);
	let mut stream = TcpStream::connect(&local).unwrap();
	stream.write_all(b"ping").unwrap();
	let mut said = [0; 4];
	stream.read_exact(&mut said).unwrap();
	let mut shell = exec(devnet, lease, &["sleep", "1000"]).spawn().unwrap();
	let lease = lease.to_string();
	let mut log = devnet.tenant(&["logs", "-f", &lease]).unwrap();
	let mut log = Owned(log.stdout(Stdio::null()).spawn().unwrap());
	let (json, code) = devnet.json("//Tenant", &["revoke", &lease]).unwrap();
	assert_eq!(code, 0, "{json}");
	stream
		.set_read_timeout(Some(Duration::from_secs(20)))
		.unwrap();
	let ended = stream.read(&mut said);
	assert!(
		matches!(&ended, Ok(0))
			|| ended
				.as_ref()
				.is_err_and(|e| e.kind() == ErrorKind::ConnectionReset),
		"{ended:?}"
	);
	let mut code = None;
	wait_until(Duration::from_secs(20), "the command is ended", || {
		code = shell.try_wait().unwrap();
		code.is_some()
	})
	.unwrap();
	assert_eq!(code.unwrap().code(), Some(6));
	let mut code = None;
	wait_until(Duration::from_secs(20), "the log ends", || {
		code = log.0.try_wait().unwrap();
		code.is_some()
	})
	.unwrap();
	assert!(!code.unwrap().success(), "as if the service had ended");
}
