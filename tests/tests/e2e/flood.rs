//! A process that opens connections, and does nothing with them.

use rustix::process::{getrlimit, setrlimit, Resource, Rlimit};
use std::{
	io::{BufRead as _, BufReader},
	net::{Ipv4Addr, SocketAddr},
	process::{Command, Stdio},
	sync::mpsc::{channel, Receiver},
	time::Duration,
};
use tokio::{
	net::{TcpSocket, TcpStream},
	time::timeout,
};

use leasehold_tests::devnet::Owned;

/// The argument with which this program is one.
pub const WORD: &str = "--flood";
/// How often it says how many of its connections are alive.
const SAY: Duration = Duration::from_millis(200);

/// What the process says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
	/// How many have come about: all that it wanted, or could get.
	Opened(usize),
	/// How many of them have not been ended.
	Alive(usize),
}

/// Starts a process that opens so many connections, from so many addresses.
pub fn start(to: SocketAddr, connections: usize, addresses: usize) -> (Owned, Receiver<Said>) {
	let program = std::env::current_exe().unwrap();
	let mut child = Command::new(program)
		.args([WORD, &to.to_string()])
		.args([connections.to_string(), addresses.to_string()])
		.stdout(Stdio::piped())
		.spawn()
		.unwrap();
	let lines = BufReader::new(child.stdout.take().unwrap()).lines();
	let (sender, receiver) = channel();
	std::thread::spawn(move || {
		for line in lines.map_while(Result::ok) {
			let (what, count) = line.split_once(' ').unwrap();
			let count = count.parse().unwrap();
			let said = match what {
				"opened" => Said::Opened(count),
				_ => Said::Alive(count),
			};
			if sender.send(said).is_err() {
				break;
			}
		}
	});
	(Owned(child), receiver)
}

/// The process itself, until it is ended.
pub fn run(mut arguments: impl Iterator<Item = String>) {
	let mut next = || arguments.next().unwrap();
	let to: SocketAddr = next().parse().unwrap();
	let (connections, addresses): (usize, u32) = (next().parse().unwrap(), next().parse().unwrap());
	let limit = getrlimit(Resource::Nofile);
	let raised = Rlimit {
		current: limit.maximum,
		..limit
	};
	setrlimit(Resource::Nofile, raised).unwrap();
	tokio::runtime::Runtime::new().unwrap().block_on(async {
		let mut held = Vec::new();
		// Loopback addresses that nobody else uses.
		let first = u32::from(Ipv4Addr::new(127, 9, 0, 1));
		for address in (first..first + addresses).cycle().take(connections) {
			let socket = TcpSocket::new_v4().unwrap();
			let from = SocketAddr::from((Ipv4Addr::from(address), 0));
			socket.bind(from).unwrap();
			// Who comes when too many wait is told to come again.
			if let Ok(Ok(stream)) = timeout(Duration::from_secs(2), socket.connect(to)).await {
				held.push(stream);
			}
		}
		println!("opened {}", held.len());
		let is_alive = |stream: &&TcpStream| {
			let ended = stream.try_read(&mut [0; 1]);
			ended.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
		};
		loop {
			println!("alive {}", held.iter().filter(is_alive).count());
			tokio::time::sleep(SAY).await;
		}
	});
}
