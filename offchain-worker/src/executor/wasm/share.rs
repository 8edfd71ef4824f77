//! The CPU that a program is leased, where that is no whole number of cores: what has computed more than its share
//! waits. Whoever has been idle is ahead by a little only.

use rustix::time::{clock_gettime, ClockId};
use std::{
	sync::{
		atomic::{AtomicU64, Ordering},
		Mutex,
	},
	time::{Duration, Instant},
};
use wasmtime::{Engine, Store, UpdateDeadline};

/// How often a program that computes is looked at, and one that has not computed for long.
pub const EPOCH: Duration = Duration::from_millis(10);
const LONGEST: Duration = Duration::from_millis(640);
/// One that computes less than this between two looks does not compute.
pub const LITTLE: Duration = Duration::from_millis(1);
/// How far a program may be ahead of its share.
const AHEAD: Duration = Duration::from_millis(100);

/// Of this process.
pub struct Share {
	/// Millicores.
	cpu: u32,
	begun: Instant,
	account: Mutex<Account>,
}

/// Both since the beginning.
#[derive(Default)]
struct Account {
	/// What was granted and not used in time.
	forfeited: Duration,
	/// Computed when the account was opened: the module was compiled.
	before: Duration,
}

/// What the runner itself has computed beside its program, nanoseconds.
static BESIDE: AtomicU64 = AtomicU64::new(0);

fn time(of: ClockId) -> Duration {
	let time = clock_gettime(of);
	let (seconds, nanos) = (u64::try_from(time.tv_sec), u32::try_from(time.tv_nsec));
	Duration::new(seconds.unwrap_or(0), nanos.unwrap_or(0))
}

/// What this thread computes is not its program's.
pub fn is_beside() {
	let nanos = time(ClockId::ThreadCPUTime).as_nanos();
	BESIDE.store(u64::try_from(nanos).unwrap_or(u64::MAX), Ordering::Relaxed);
}

/// What the program has computed so far, its compilation included.
pub fn computed() -> Duration {
	let beside = Duration::from_nanos(BESIDE.load(Ordering::Relaxed));
	time(ClockId::ProcessCPUTime).saturating_sub(beside)
}

impl Account {
	/// How long whoever has so many millicores is to wait, after so long a time and so much computing.
	fn owes(&mut self, cpu: u32, elapsed: Duration, computed: Duration) -> Duration {
		let used = computed.saturating_sub(self.before);
		let granted = elapsed
			.saturating_mul(cpu)
			.checked_div(1_000)
			.unwrap_or_default();
		let left = granted.saturating_sub(self.forfeited).saturating_sub(used);
		self.forfeited = self.forfeited.saturating_add(left.saturating_sub(AHEAD));
		let over = used.saturating_sub(granted.saturating_sub(self.forfeited));
		let over = over.saturating_sub(AHEAD);
		over.saturating_mul(1_000)
			.checked_div(cpu)
			.unwrap_or_default()
	}
}

impl Share {
	/// Of so many millicores; nothing, if they are whole cores.
	pub fn of(cpu: u32) -> Option<Self> {
		(cpu > 0 && !cpu.is_multiple_of(1_000)).then(|| Self {
			cpu,
			begun: Instant::now(),
			account: Mutex::new(Account {
				before: computed(),
				..Default::default()
			}),
		})
	}

	/// How long to wait before computing goes on.
	pub fn owes(&self) -> Duration {
		let Ok(mut account) = self.account.lock() else {
			return EPOCH;
		};
		account.owes(self.cpu, self.begun.elapsed(), computed())
	}
}

/// Counts epochs for as long as the process lives: often only while it computes, for there may be many that do not.
fn count(engine: Engine) -> std::io::Result<()> {
	let counter = std::thread::Builder::new().name("epochs".into());
	counter.spawn(move || {
		let (mut wait, mut before) = (EPOCH, computed());
		loop {
			std::thread::sleep(wait);
			engine.increment_epoch();
			let now = computed();
			wait = match now.saturating_sub(before) < LITTLE {
				true => wait.saturating_mul(2).min(LONGEST),
				false => EPOCH,
			};
			before = now;
		}
	})?;
	Ok(())
}

/// Holds a command, which has its process to itself, to so many millicores if it is to be held to any.
pub fn hold<T>(store: &mut Store<T>, part: Option<u32>) -> std::io::Result<()> {
	let Some(share) = part.and_then(Share::of) else {
		return Ok(());
	};
	count(store.engine().clone())?;
	store.set_epoch_deadline(1);
	store.epoch_deadline_callback(move |_| {
		std::thread::sleep(share.owes());
		Ok(UpdateDeadline::Continue(1))
	});
	Ok(())
}

#[cfg(test)]
mod tests {
	use super::*;

	fn ms(millis: u64) -> Duration {
		Duration::from_millis(millis)
	}

	#[test]
	fn who_is_over_waits_and_who_was_idle_is_ahead_by_little() {
		let mut account = Account {
			before: ms(500),
			..Default::default()
		};
		// A fifth of a core.
		let mut owes =
			|elapsed: u64, computed: u64| account.owes(200, ms(elapsed), ms(500 + computed));
		assert_eq!(owes(1_000, 200), ms(0));
		assert_eq!(owes(1_000, 300), ms(0));
		assert_eq!(owes(1_000, 340), ms(200));
		assert_eq!(owes(1_200, 340), ms(0));
		// Idle for a hundred seconds.
		assert_eq!(owes(101_200, 340), ms(0));
		assert_eq!(owes(101_200, 540), ms(0));
		assert_eq!(owes(101_200, 560), ms(100));
		assert_eq!(owes(101_300, 560), ms(0));
	}

	#[test]
	fn whole_cores_are_not_looked_at() {
		assert!([0, 1_000, 4_000]
			.into_iter()
			.all(|cpu| Share::of(cpu).is_none()));
		assert!(Share::of(1_500).is_some());
	}

	#[test]
	fn what_computes_is_held_to_its_share() {
		let share = Share::of(1).unwrap();
		let begun = Instant::now();
		while begun.elapsed() < ms(300) {
			std::hint::black_box(begun);
		}
		assert!(share.owes() > ms(1_000));
	}
}
