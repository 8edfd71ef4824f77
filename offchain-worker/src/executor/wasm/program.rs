//! Compiles a program and runs it: a module of WASI preview 1, or a component of preview 2.

use super::{
	super::{
		folders::{self, Source},
		Attempt, End,
	},
	http,
	limits::{Memory, Room, Stop, CALL, HANDLES, HEADERS},
	output::LogStream,
	peers::Peers,
	share,
};
use std::{fs::File, sync::Arc};
use wasmtime::{
	component::{Component, ResourceTable},
	Config, Engine, InstanceAllocationStrategy, Linker, Module, PoolingAllocationConfig, Store,
	Trap, UnknownImportError,
};
use wasmtime_wasi::{
	p2::bindings::CommandPre,
	preview1::{self, WasiP1Ctx},
	DirPerms, FilePerms, I32Exit, WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView,
};
use wasmtime_wasi_http::bindings::ProxyPre;

/// With what a component's bytes begin, unlike a module's.
const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";
/// Instances of core modules that a component may be made of.
const CORES: u32 = 16;
/// Bytes of tables that are written over for the next instance.
const TABLES: usize = 64 << 10;
/// Longest memory of one instance, bytes.
const LONGEST: usize = 1 << 32;

/// What a program writes to: standard output and error.
pub type Output = (LogStream, LogStream);

/// Runs the program of an attempt to its end.
pub fn execute(attempt: &Attempt, bytes: &[u8], output: Output) -> End {
	let ended = match bytes.starts_with(COMPONENT) {
		true => component(attempt, bytes, output),
		false => module(attempt, bytes, output),
	};
	// What goes wrong around the program is not its fault.
	ended.unwrap_or_else(|error| End::Internal {
		why: format!("{error:#}"),
	})
}

/// Whether a service that is a command, which answers nothing, is to be asked whether it is well.
fn asks_a_command(attempt: &Attempt) -> bool {
	!attempt.is_job() && attempt.service.health.is_some()
}

const ASKED: &str = "it is a command, and answers no health check";

fn invalid(why: String) -> anyhow::Result<End> {
	Ok(End::Invalid { why })
}

/// Millicores of a command, which computes on one core, if they are less than that.
fn part_of_a_core(attempt: &Attempt) -> Option<u32> {
	Some(attempt.service.unit.cpu).filter(|cpu| (1..1_000).contains(cpu))
}

/// What every program sees: its name and arguments, its variables, its output and its folders.
fn context(attempt: &Attempt, output: &Output) -> anyhow::Result<WasiCtxBuilder> {
	let service = &attempt.service;
	let mut wasi = WasiCtxBuilder::new();
	let name = service.module().map(|module| module.path.as_str());
	wasi.allow_blocking_current_thread(true)
		.arg(name.unwrap_or_default())
		.args(&service.args)
		.envs(&service.env)
		.max_random_size(u64::try_from(CALL)?)
		.stdout(output.0.clone())
		.stderr(output.1.clone());
	let places = folders::places(attempt, &[]).map_err(anyhow::Error::msg)?;
	for place in places {
		let Source::Folder(folder) = place.from else {
			anyhow::bail!("a volume in memory");
		};
		let (dirs, files) = match place.read_only {
			true => (DirPerms::READ, FilePerms::READ),
			false => (DirPerms::all(), FilePerms::all()),
		};
		wasi.preopened_dir(attempt.folder.join(folder), place.mount, dirs, files)?;
	}
	Ok(wasi)
}

struct Host {
	wasi: WasiP1Ctx,
	memory: Memory,
}

fn module(attempt: &Attempt, bytes: &[u8], output: Output) -> anyhow::Result<End> {
	if asks_a_command(attempt) {
		return invalid(ASKED.into());
	}
	let part = part_of_a_core(attempt);
	// A tenant's module is compiled on one core.
	let mut config = Config::new();
	config
		.parallel_compilation(false)
		// It costs a little at each turn of a loop.
		.epoch_interruption(part.is_some());
	let engine = Engine::new(&config)?;
	let module = match Module::new(&engine, bytes) {
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
	let mut store = Store::new(
		&engine,
		Host {
			wasi: context(attempt, &output)?.build_p1(),
			memory: Memory::new(Room::of(attempt), 1),
		},
	);
	store.limiter(|host| &mut host.memory);
	share::hold(&mut store, part)?;
	// From here on the tenant's code runs: a module may have a start section.
	File::create(attempt.file("started"))?;
	let mut run = || {
		let instance = ready.instantiate(&mut store)?;
		let start = instance.get_typed_func::<(), ()>(&mut store, "_start")?;
		start.call(&mut store, ())
	};
	Ok(match run() {
		Ok(()) => End::Exited { code: 0 },
		Err(error) => classify(&error),
	})
}

/// What a component's instance is given.
pub struct Guest {
	pub wasi: WasiCtx,
	pub http: wasmtime_wasi_http::WasiHttpCtx,
	pub table: ResourceTable,
	pub memory: Memory,
	pub peers: Peers,
}

impl WasiView for Guest {
	fn ctx(&mut self) -> WasiCtxView<'_> {
		WasiCtxView {
			ctx: &mut self.wasi,
			table: &mut self.table,
		}
	}
}

impl Guest {
	/// An instance's own, of a service that shares its memory.
	fn new(attempt: &Attempt, output: &Output, room: &Arc<Room>) -> anyhow::Result<Self> {
		let mut http = wasmtime_wasi_http::WasiHttpCtx::new();
		http.set_field_size_limit(HEADERS);
		let mut table = ResourceTable::new();
		table.set_max_capacity(HANDLES);
		Ok(Self {
			wasi: context(attempt, output)?.build(),
			http,
			table,
			memory: Memory::new(room.clone(), usize::try_from(CORES)?),
			peers: Peers::of(attempt),
		})
	}

	/// A store for one instance, under its limits.
	pub fn store(
		engine: &Engine,
		attempt: &Attempt,
		output: &Output,
		room: &Arc<Room>,
	) -> anyhow::Result<Store<Self>> {
		let mut store = Store::new(engine, Self::new(attempt, output, room)?);
		store.limiter(|guest| &mut guest.memory);
		store.set_hostcall_fuel(CALL);
		store.set_max_component_handles(HANDLES);
		store.set_epoch_deadline(1);
		Ok(store)
	}
}

/// An engine for components. A service's instances come from a pool: each request has one of its own.
fn engine(attempt: &Attempt, room: &Room) -> anyhow::Result<Engine> {
	let mut config = Config::new();
	config
		.parallel_compilation(false)
		.async_support(true)
		.epoch_interruption(!attempt.is_job() || part_of_a_core(attempt).is_some());
	if attempt.is_job() {
		return Engine::new(&config);
	}
	let mut pool = PoolingAllocationConfig::new();
	let at_once = u32::try_from(http::AT_ONCE)?;
	let cores = at_once.saturating_mul(CORES);
	pool.total_component_instances(at_once)
		.max_core_instances_per_component(CORES)
		.total_core_instances(cores)
		.total_stacks(at_once)
		.max_memories_per_component(2)
		.total_memories(at_once.saturating_mul(2))
		.max_tables_per_component(CORES)
		// To write over small tables costs less than to have the system take them back.
		.table_keep_resident(TABLES)
		.total_tables(cores)
		.max_memory_size(room.cap().min(LONGEST));
	config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
	Engine::new(&config)
}

fn component(attempt: &Attempt, bytes: &[u8], output: Output) -> anyhow::Result<End> {
	let room = Room::of(attempt);
	let engine = engine(attempt, &room)?;
	let component = match Component::from_binary(&engine, bytes) {
		Ok(component) => component,
		Err(error) => return invalid(format!("{error:#}")),
	};
	let mut linker = wasmtime::component::Linker::<Guest>::new(&engine);
	wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
	wasmtime_wasi_http::add_only_http_to_linker_async(&mut linker)?;
	let ready = match linker.instantiate_pre(&component) {
		Ok(ready) => ready,
		Err(error) => return invalid(format!("{error:#}")),
	};
	let workers = usize::try_from(attempt.service.unit.cpu.div_ceil(1_000))?;
	let runtime = tokio::runtime::Builder::new_multi_thread()
		.worker_threads(workers.max(1))
		.max_blocking_threads(16)
		.enable_all()
		.build()?;
	if let (false, Ok(handler)) = (attempt.is_job(), ProxyPre::new(ready.clone())) {
		return runtime.block_on(http::serve(attempt, handler, output, room));
	}
	let command = match CommandPre::new(ready) {
		Ok(command) => command,
		Err(_) if attempt.is_job() => {
			return invalid("it does not export `wasi:cli/run`: it is no command".into());
		}
		Err(_) => {
			return invalid(
				"it exports neither `wasi:http/incoming-handler` nor `wasi:cli/run`".into(),
			);
		}
	};
	if asks_a_command(attempt) {
		return invalid(ASKED.into());
	}
	let mut store = Guest::store(&engine, attempt, &output, &room)?;
	share::hold(&mut store, part_of_a_core(attempt))?;
	File::create(attempt.file("started"))?;
	let ended = runtime.block_on(async {
		let command = command.instantiate_async(&mut store).await?;
		command.wasi_cli_run().call_run(&mut store).await
	});
	Ok(match ended {
		Ok(ended) => End::Exited {
			code: i32::from(ended.is_err()),
		},
		Err(error) => classify(&error),
	})
}

/// How a program ended that did not return.
fn classify(error: &anyhow::Error) -> End {
	if let Some(exit) = error.downcast_ref::<I32Exit>() {
		return End::Exited { code: exit.0 };
	}
	match error.downcast_ref::<Stop>() {
		Some(Stop::Memory) => return End::MemoryLimit,
		Some(Stop::Storage) => return End::StorageLimit,
		None => {}
	}
	let why = match error.downcast_ref::<Trap>() {
		Some(trap) => trap.to_string(),
		None => format!("{error:#}"),
	};
	End::Crashed { why }
}
