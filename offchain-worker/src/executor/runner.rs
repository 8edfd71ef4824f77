//! The runner: the process in which one attempt's module is compiled and run.
//!
//! It has no keys, no store, no environment and no network; it sees the lease's own folder only. It
//! limits its own files, time and memory, writes the program's output to the lease's log, and its
//! end to a file.

use super::{Attempt, End};
use crate::{log::LogWriter, store::write_whole};
use axum::body::Bytes;
use rustix::{
	fs::{flock, FlockOperation},
	process::{setrlimit, Resource, Rlimit},
};
use serde::{Deserialize, Serialize};
use std::{
	fs::File,
	io::Write as _,
	path::{Path, PathBuf},
	pin::Pin,
	sync::{
		mpsc::{channel, RecvTimeoutError},
		Arc, Mutex,
	},
	task::{Context, Poll},
	time::{Duration, Instant},
};
use tokio::io::AsyncWrite;
use wasmtime::{Config, Engine, Linker, Module, ResourceLimiter, Store, Trap, UnknownImportError};
use wasmtime_wasi::{
	async_trait,
	cli::{IsTerminal, StdoutStream},
	p2::{OutputStream, Pollable, StreamError, StreamResult},
	preview1::{self, WasiP1Ctx},
	DirPerms, FilePerms, I32Exit, WasiCtxBuilder,
};

const MIB: u64 = 1 << 20;
/// How often the lease's folder is measured.
const MEASURE: Duration = Duration::from_millis(100);
/// How long a module may take to be compiled.
const PREPARE: Duration = Duration::from_secs(120);
/// Bytes that an element of a table counts for.
const TABLE_ELEMENT: usize = 16;
/// Most files that a job may leave.
pub const MAX_FILES: u64 = 100_000;

/// What a runner is told to do.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Spec {
	pub version: u32,
	pub service: String,
	/// The module's name, the program's argument 0.
	pub module: String,
	pub args: Vec<String>,
	pub env: Vec<(String, String)>,
	pub memory_mib: u32,
	pub storage_mib: u32,
	pub max_seconds: u64,
}

impl Spec {
	/// The task for an attempt.
	pub fn of(attempt: &Attempt) -> Self {
		let service = &attempt.service;
		Self {
			version: 1,
			service: service.name.clone(),
			module: service
				.module()
				.map(|module| module.path.clone())
				.unwrap_or_default(),
			args: service.args.clone(),
			env: service.env.clone(),
			memory_mib: service.unit.memory,
			storage_mib: service.unit.storage,
			max_seconds: service.max_duration,
		}
	}
}

#[derive(Debug, thiserror::Error)]
enum Stop {
	#[error("memory")]
	Memory,
	#[error("storage")]
	Storage,
}

/// Runs one attempt in this process, and says how it ended in the attempt's file.
pub fn run(folder: &Path, number: u32) -> std::io::Result<()> {
	let file = |ending: &str| folder.join("run").join(format!("{number}.{ending}"));
	// Not truncated before it is ours: another runner's number may stand in it.
	let mut lock = File::options()
		.create(true)
		.truncate(false)
		.write(true)
		.open(file("lock"))?;
	take_lock(&lock)?;
	lock.set_len(0)?;
	write!(lock, "{}", std::process::id())?;
	lock.sync_all()?;
	let spec: Spec = serde_json::from_slice(&std::fs::read(file("json"))?)?;
	let end = attempt(folder, &spec, &file("started")).unwrap_or_else(|error| End::Internal {
		why: error.to_string(),
	});
	write_whole(&file("end"), &serde_json::to_vec(&end)?)?;
	// The module may still sit in a host call that nothing interrupts.
	std::process::exit(0)
}

/// How long a look at the lock may be in the way.
const LOCK_PATIENCE: Duration = Duration::from_secs(2);

fn take_lock(lock: &File) -> std::io::Result<()> {
	let begun = Instant::now();
	loop {
		match flock(lock, FlockOperation::NonBlockingLockExclusive) {
			Ok(()) => return Ok(()),
			Err(error) if begun.elapsed() > LOCK_PATIENCE => return Err(error.into()),
			Err(_) => std::thread::sleep(Duration::from_millis(5)),
		}
	}
}

fn limit_self(spec: &Spec) -> std::io::Result<()> {
	let cap = |n| Rlimit {
		current: Some(n),
		maximum: Some(n),
	};
	// Above the storage leased, so that the measurement sees it first unless it is far too fast.
	let bytes = u64::from(spec.storage_mib)
		.saturating_mul(MIB)
		.saturating_add(16 * MIB);
	setrlimit(Resource::Fsize, cap(bytes))?;
	setrlimit(Resource::Core, cap(0))?;
	setrlimit(Resource::Nofile, cap(256))?;
	Ok(())
}

/// Deepest nesting of a job's folders.
pub const MAX_DEPTH: usize = 64;

/// Bytes that a file counts for: what it says, or what it takes if that is more.
pub fn on_disk(meta: &std::fs::Metadata) -> u64 {
	use std::os::unix::fs::MetadataExt as _;
	meta.len().max(meta.blocks().saturating_mul(512))
}

/// Bytes and entries below a folder; links are not followed. What cannot be measured, or is nested
/// too deeply, counts as endless.
pub fn measure(folder: &Path) -> (u64, u64) {
	measure_to(folder, MAX_DEPTH).unwrap_or((u64::MAX, u64::MAX))
}

fn measure_to(folder: &Path, depth: usize) -> Option<(u64, u64)> {
	use std::io::ErrorKind::NotFound;
	let entries = match std::fs::read_dir(folder) {
		Ok(entries) => entries,
		Err(error) if error.kind() == NotFound => return Some((0, 0)),
		Err(_) => return None,
	};
	let (mut bytes, mut files) = (0u64, 0u64);
	for entry in entries {
		let path = entry.ok()?.path();
		let (more, inside) = match std::fs::symlink_metadata(&path) {
			Ok(meta) if meta.is_dir() => measure_to(&path, depth.checked_sub(1)?)?,
			Ok(meta) => (on_disk(&meta), 0),
			Err(error) if error.kind() == NotFound => (0, 0),
			Err(_) => return None,
		};
		bytes = bytes.saturating_add(more);
		files = files.saturating_add(inside).saturating_add(1);
	}
	Some((bytes, files))
}

/// Bytes of files that this process holds open although they have no name any more.
fn unlinked() -> u64 {
	use std::os::unix::fs::MetadataExt as _;
	let Ok(open) = std::fs::read_dir("/proc/self/fd") else {
		return 0;
	};
	open.flatten()
		.filter_map(|entry| std::fs::metadata(entry.path()).ok())
		.filter(|meta| meta.is_file() && meta.nlink() == 0)
		.fold(0, |sum, meta| sum.saturating_add(on_disk(&meta)))
}

fn attempt(folder: &Path, spec: &Spec, started: &Path) -> std::io::Result<End> {
	limit_self(spec)?;
	let cap = u64::from(spec.storage_mib).saturating_mul(MIB);
	let module = std::fs::read(folder.join("module.wasm"))?;
	let (fixed, _) = measure(&folder.join("in"));
	let fixed = fixed.saturating_add(u64::try_from(module.len()).unwrap_or(u64::MAX));
	if fixed > cap {
		return Ok(End::StorageLimit);
	}
	let log = Arc::new(Mutex::new(LogWriter::open(
		&folder.join("logs"),
		&spec.service,
		None,
	)?));
	let (sender, receiver) = channel();
	let (task, owned, report) = (spec.clone(), folder.to_owned(), started.to_owned());
	std::thread::Builder::new()
		.name("module".into())
		.spawn(move || {
			let _ = sender.send(execute(
				&owned,
				&task,
				&module,
				log,
				cap.saturating_sub(fixed),
				&report,
			));
		})?;
	let born = Instant::now();
	let mut deadline: Option<Instant> = None;
	loop {
		match receiver.recv_timeout(MEASURE) {
			Ok(end) => return Ok(end),
			Err(RecvTimeoutError::Disconnected) => {
				return Ok(End::Crashed {
					why: "the runner's thread ended".into(),
				})
			}
			Err(RecvTimeoutError::Timeout) => {}
		}
		if deadline.is_none() && started.exists() {
			let limit = spec.max_seconds.min(leasehold_manifest::MAX_SECONDS);
			deadline = Instant::now().checked_add(Duration::from_secs(limit));
		}
		if deadline.is_none() && born.elapsed() > PREPARE {
			return Ok(End::Invalid {
				why: format!("it took longer than {PREPARE:?} to compile"),
			});
		}
		if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
			return Ok(End::TimeLimit);
		}
		let used = ["out", "tmp", "logs"]
			.iter()
			.map(|sub| measure(&folder.join(sub)));
		let (bytes, files) = used.fold((fixed, 0u64), |(b, f), (c, g)| {
			(b.saturating_add(c), f.saturating_add(g))
		});
		if bytes.saturating_add(unlinked()) > cap || files > MAX_FILES {
			return Ok(End::StorageLimit);
		}
	}
}

struct Host {
	wasi: WasiP1Ctx,
	/// Bytes that all memories and tables together may have.
	memory: usize,
	used: usize,
}

impl Host {
	fn grow(&mut self, by: usize) -> anyhow::Result<bool> {
		self.used = self.used.saturating_add(by);
		if self.used > self.memory {
			return Err(Stop::Memory.into());
		}
		Ok(true)
	}
}

impl ResourceLimiter for Host {
	fn memory_growing(
		&mut self,
		current: usize,
		desired: usize,
		_maximum: Option<usize>,
	) -> anyhow::Result<bool> {
		self.grow(desired.saturating_sub(current))
	}

	fn table_growing(
		&mut self,
		current: usize,
		desired: usize,
		_maximum: Option<usize>,
	) -> anyhow::Result<bool> {
		self.grow(
			desired
				.saturating_sub(current)
				.saturating_mul(TABLE_ELEMENT),
		)
	}

	fn instances(&self) -> usize {
		1
	}

	fn tables(&self) -> usize {
		16
	}

	fn memories(&self) -> usize {
		8
	}
}

fn execute(
	folder: &Path,
	spec: &Spec,
	module: &[u8],
	log: Arc<Mutex<LogWriter>>,
	log_cap: u64,
	started: &PathBuf,
) -> End {
	match prepare_and_run(folder, spec, module, log, log_cap, started) {
		Ok(end) => end,
		Err(error) => classify(&error),
	}
}

fn prepare_and_run(
	folder: &Path,
	spec: &Spec,
	module: &[u8],
	log: Arc<Mutex<LogWriter>>,
	log_cap: u64,
	started: &PathBuf,
) -> anyhow::Result<End> {
	let invalid = |why: String| Ok(End::Invalid { why });
	// A tenant's module is compiled on one core.
	let mut config = Config::new();
	config.parallel_compilation(false);
	let engine = Engine::new(&config)?;
	let module = match Module::new(&engine, module) {
		Ok(module) => module,
		Err(error) => return invalid(format!("{error:#}")),
	};
	if module.get_export("_start").is_none() {
		return invalid("it has no `_start`: it is a library, not a command".into());
	}
	let mut linker: Linker<Host> = Linker::new(&engine);
	preview1::add_to_linker_sync(&mut linker, |host: &mut Host| &mut host.wasi)?;
	// WASI's own refuses codes from 126 on, which programs do use.
	linker.allow_shadowing(true);
	linker.func_wrap(
		"wasi_snapshot_preview1",
		"proc_exit",
		|code: i32| -> anyhow::Result<()> { Err(I32Exit(code).into()) },
	)?;
	let ready = match linker.instantiate_pre(&module) {
		Ok(ready) => ready,
		Err(error) => {
			return match error.downcast_ref::<UnknownImportError>() {
				Some(import) => invalid(format!(
					"it imports `{}::{}`, which WASI preview 1 does not have",
					import.module(),
					import.name()
				)),
				None => invalid(format!("{error:#}")),
			};
		}
	};
	let stdout = LogStream {
		log: log.clone(),
		stream: "stdout",
		cap: log_cap,
	};
	let stderr = LogStream {
		log,
		stream: "stderr",
		cap: log_cap,
	};
	let mut wasi = WasiCtxBuilder::new();
	wasi.allow_blocking_current_thread(true)
		.arg(&spec.module)
		.args(&spec.args)
		.envs(&spec.env)
		.stdout(stdout)
		.stderr(stderr);
	wasi.preopened_dir(folder.join("in"), "/in", DirPerms::READ, FilePerms::READ)?;
	wasi.preopened_dir(
		folder.join("out"),
		"/out",
		DirPerms::all(),
		FilePerms::all(),
	)?;
	wasi.preopened_dir(
		folder.join("tmp"),
		"/tmp",
		DirPerms::all(),
		FilePerms::all(),
	)?;
	let memory = usize::try_from(u64::from(spec.memory_mib).saturating_mul(MIB))?;
	let mut store = Store::new(
		&engine,
		Host {
			wasi: wasi.build_p1(),
			memory,
			used: 0,
		},
	);
	store.limiter(|host| host);
	// From here on the tenant's code runs: a module may have a start section.
	File::create(started)?;
	let instance = ready.instantiate(&mut store)?;
	let start = instance.get_typed_func::<(), ()>(&mut store, "_start")?;
	start.call(&mut store, ())?;
	Ok(End::Exited { code: 0 })
}

fn classify(error: &anyhow::Error) -> End {
	if let Some(exit) = error.downcast_ref::<I32Exit>() {
		return End::Exited { code: exit.0 };
	}
	match error.downcast_ref::<Stop>() {
		Some(Stop::Memory) => return End::MemoryLimit,
		Some(Stop::Storage) => return End::StorageLimit,
		None => {}
	}
	match error.downcast_ref::<Trap>() {
		Some(trap) => End::Crashed {
			why: trap.to_string(),
		},
		None => End::Crashed {
			why: format!("{error:#}"),
		},
	}
}

/// Standard output or error, into the lease's log.
#[derive(Clone)]
struct LogStream {
	log: Arc<Mutex<LogWriter>>,
	stream: &'static str,
	cap: u64,
}

impl LogStream {
	fn put(&self, bytes: &[u8]) -> Result<(), StreamError> {
		let Ok(mut log) = self.log.lock() else {
			return Err(StreamError::Closed);
		};
		if log
			.written()
			.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX))
			> self.cap
		{
			return Err(StreamError::Trap(Stop::Storage.into()));
		}
		log.write(self.stream, bytes)
			.map_err(|error| StreamError::LastOperationFailed(error.into()))
	}
}

impl IsTerminal for LogStream {
	fn is_terminal(&self) -> bool {
		false
	}
}

impl StdoutStream for LogStream {
	fn p2_stream(&self) -> Box<dyn OutputStream> {
		Box::new(self.clone())
	}
	fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
		Box::new(self.clone())
	}
}

#[async_trait]
impl Pollable for LogStream {
	async fn ready(&mut self) {}
}

#[async_trait]
impl OutputStream for LogStream {
	fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
		self.put(&bytes)
	}
	fn flush(&mut self) -> StreamResult<()> {
		Ok(())
	}
	fn check_write(&mut self) -> StreamResult<usize> {
		Ok(1 << 16)
	}
}

impl AsyncWrite for LogStream {
	fn poll_write(
		self: Pin<&mut Self>,
		_: &mut Context<'_>,
		bytes: &[u8],
	) -> Poll<std::io::Result<usize>> {
		Poll::Ready(
			self.put(bytes)
				.map(|()| bytes.len())
				.map_err(std::io::Error::other),
		)
	}
	fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
		Poll::Ready(Ok(()))
	}
	fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
		Poll::Ready(Ok(()))
	}
}
