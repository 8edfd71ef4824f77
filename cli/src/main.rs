//! `leasehold`: the tenant's and operator's command line.

#![forbid(unsafe_code)]

mod contexts;
mod deploy;
mod devnet;
mod doctor;
mod gateway;
mod keys;
mod output;
mod tenant;
mod validate;

use clap::{
	error::ErrorKind, parser::ValueSource, CommandFactory as _, FromArgMatches as _, Parser,
	Subcommand,
};
use contexts::{Contexts, One};
use output::{Failure, Format, Out};
use std::{io::IsTerminal as _, path::PathBuf, process::ExitCode};

/// Heading of the options that every command takes; `-h` leaves them out.
const GLOBAL: &str = "Options of every command";

/// Lease computing capacity, and live with what runs.
///
/// Try it on this machine: `leasehold devnet`, then in another terminal what it prints.
///
/// `-h` is short; `--help` also names the options of every command.
///
/// Exit codes: 0 done; 1 failed; 2 wrong arguments or a manifest with faults; 3 no funds; 4 no
/// provider; 5 refused by the chain or the provider; 6 the node or the gateway is away; 7 the lease
/// came to nothing, or its job ended with another exit code than 0; 130 interrupted.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
	/// RPC address of a chain node; ws://127.0.0.1:9944 if neither this nor a context names one.
	#[arg(
		long,
		global = true,
		help_heading = GLOBAL,
		hide_short_help = true,
		env = "LEASEHOLD_NODE"
	)]
	node: Option<String>,
	/// The account: a key's name, a key file, or a development URI as `//Alice`; for what only reads
	/// also an address. The key `default` if neither this nor a context names one.
	#[arg(
		long,
		global = true,
		help_heading = GLOBAL,
		hide_short_help = true,
		env = "LEASEHOLD_ACCOUNT"
	)]
	account: Option<String>,
	/// A context, which says what of this is left out: see `leasehold context`.
	#[arg(long, global = true, help_heading = GLOBAL, hide_short_help = true, value_name = "NAME", env = "LEASEHOLD_CONTEXT")]
	context: Option<String>,
	/// File with the key's password; asked for if left out.
	#[arg(long, global = true, help_heading = GLOBAL, hide_short_help = true, env = "LEASEHOLD_PASSWORD_FILE")]
	password_file: Option<PathBuf>,
	/// A grant that somebody has passed on (`leasehold grant`): goes by it, in place of the account, where a provider is
	/// spoken to.
	#[arg(long, global = true, value_name = "FILE", help_heading = GLOBAL, hide_short_help = true, env = "LEASEHOLD_GRANT")]
	grant: Option<PathBuf>,
	/// Where keys and open deployments are kept; `leasehold` in $XDG_DATA_HOME or ~/.local/share if left out.
	#[arg(long, global = true, help_heading = GLOBAL, hide_short_help = true, env = "LEASEHOLD_DIR", default_value_os_t = default_dir(), hide_default_value = true)]
	dir: PathBuf,
	/// How results are written.
	#[arg(long, global = true, help_heading = GLOBAL, hide_short_help = true, value_enum, default_value = "table")]
	output: Format,
	/// Show what is going on inside.
	#[arg(long, short, global = true, help_heading = GLOBAL, hide_short_help = true)]
	verbose: bool,
	#[command(subcommand)]
	command: Command,
}

fn default_dir() -> PathBuf {
	let home = std::env::var_os("HOME")
		.map(PathBuf::from)
		.unwrap_or_default();
	std::env::var_os("XDG_DATA_HOME")
		.map(PathBuf::from)
		.unwrap_or_else(|| home.join(".local/share"))
		.join("leasehold")
}

#[derive(Debug, Subcommand)]
enum Command {
	/// Make and list keys.
	#[command(subcommand)]
	Keys(keys::Command),
	/// Order capacity for a manifest file, hand it to the winner, and see it run.
	Deploy(deploy::Deploy),
	/// Change what runs in a lease of services: only what the file says otherwise is started anew.
	Update(deploy::Update),
	/// Check manifest files, without a chain.
	Validate(validate::Validate),
	/// Show what a manifest file would cost at most, without a chain.
	Price(validate::Price),
	/// List orders and leases of the account.
	Leases(tenant::Leases),
	/// Show what a job or a service writes.
	Logs(tenant::Logs),
	/// Show what a lease does.
	Status(tenant::Status),
	/// Run a command in a container of a lease, with a terminal where there is one. Ends with the command's exit code.
	Exec(tenant::Exec),
	/// Have ports of this machine lead to ports of a lease's service.
	PortForward(tenant::PortForward),
	/// Results of jobs, and files of running services.
	#[command(subcommand)]
	Files(tenant::Files),
	/// Tell in words what happened to a lease, on chain and on the provider's machine.
	Events(tenant::Events),
	/// Put more money into a lease, so that it lasts longer.
	TopUp(tenant::TopUp),
	/// Take money that a lease does not need out of it.
	Withdraw(tenant::Withdraw),
	/// Let a lease take money from the account by itself whenever it runs low, or no longer.
	Refill(tenant::Refill),
	/// Let somebody else, or a program, do a part of what you may do with a lease.
	Grant(tenant::Grant),
	/// Make all access grants of a lease void.
	Revoke(tenant::Revoke),
	/// End a lease, or take an open order back.
	Close(tenant::Close),
	/// Send LEASE to an account.
	Transfer(tenant::Transfer),
	/// List open orders.
	Orders(tenant::Orders),
	/// Show the bids on an open order, and who would win and why.
	Bids(tenant::Bids),
	/// List providers, and what each lacks for a manifest file.
	Providers(tenant::Providers),
	/// Show the account's balances.
	Balance,
	/// Look whether all that is needed is there, and say how to mend what is not.
	Doctor,
	/// Networks and accounts under names of their own.
	#[command(subcommand)]
	Context(contexts::Command),
	/// Start a chain, providers and a funded tenant on this machine.
	Devnet(devnet::Devnet),
	/// Write what lets a shell complete the commands: `leasehold completions bash > /etc/bash_completion.d/leasehold`.
	Completions { shell: clap_complete::Shell },
	/// Write man pages into a folder.
	Man { folder: PathBuf },
}

/// What every command needs.
pub struct Context {
	pub node: String,
	pub account: String,
	pub password_file: Option<PathBuf>,
	pub grant: Option<PathBuf>,
	pub dir: PathBuf,
	pub out: Out,
}

/// Says what is wrong with the arguments; as JSON, if that is wanted. Help is no error.
fn misused(error: &clap::Error) -> ExitCode {
	let words = std::env::args_os();
	let words: Vec<_> = words
		.map(|word| word.to_string_lossy().into_owned())
		.collect();
	let is_wanted = |pair: &[String]| pair == ["--output", "json"];
	let json = words.windows(2).any(is_wanted) || words.iter().any(|word| word == "--output=json");
	if json && error.use_stderr() {
		let text = error.render().to_string();
		let what = text.split("\n\nUsage").next().unwrap_or_default();
		let what = what.trim_start_matches("error: ");
		let what = what.split_whitespace().collect::<Vec<_>>().join(" ");
		let value = serde_json::json!({
			"error": what, "advice": "`--help` shows how it is called.", "code": 2,
		});
		output::print(&format!("{value:#}"));
	}
	if error.kind() == ErrorKind::MissingRequiredArgument {
		// The line with the usage takes what the environment says for given, and so for asked.
		let text = error.render().to_string();
		let lines = text.lines().filter(|line| !line.starts_with("Usage: "));
		let text = lines
			.collect::<Vec<_>>()
			.join("\n")
			.replace("\n\n\n", "\n\n");
		eprintln!("{text}");
	} else {
		// What cannot be written cannot be told either.
		let _ = error.print();
	}
	ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}

fn main() -> ExitCode {
	let matches = match Arguments::command().try_get_matches() {
		Ok(matches) => matches,
		Err(error) => return misused(&error),
	};
	let mut arguments = match Arguments::from_arg_matches(&matches) {
		Ok(arguments) => arguments,
		Err(error) => return misused(&error),
	};
	// A context that is named overrules what the environment says.
	let is_from = |name: &str, source| matches.value_source(name) == Some(source);
	if is_from("context", ValueSource::CommandLine) {
		let overruled = |name: &str| is_from(name, ValueSource::EnvVariable);
		arguments.node = arguments.node.filter(|_| !overruled("node"));
		arguments.account = arguments.account.filter(|_| !overruled("account"));
		let file = arguments
			.password_file
			.filter(|_| !overruled("password_file"));
		arguments.password_file = file;
	}
	let level = if arguments.verbose {
		"debug,jsonrpsee=info,hyper=info"
	} else {
		"warn"
	};
	let logs = tracing_subscriber::fmt()
		.with_env_filter(
			tracing_subscriber::EnvFilter::try_from_default_env()
				.unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(level)),
		)
		.with_writer(std::io::stderr);
	// In colours at a terminal, unless NO_COLOR is set.
	match std::io::stderr().is_terminal() {
		true => logs.init(),
		false => logs.with_ansi(false).init(),
	}
	let out = Out::new(arguments.output);
	let named = One {
		node: arguments.node,
		account: arguments.account,
		password_file: arguments.password_file,
	};
	// Contexts are looked at, and all is done that needs none, also where one of them is wrong.
	let dir = arguments.dir;
	let chosen = match &arguments.command {
		Command::Context(_)
		| Command::Keys(_)
		| Command::Validate(_)
		| Command::Price(_)
		| Command::Devnet(_)
		| Command::Completions { .. }
		| Command::Man { .. } => Ok(One::default()),
		_ => Contexts::read(&dir).and_then(|all| all.chosen(arguments.context.as_deref())),
	};
	let chosen = match chosen {
		Ok(chosen) => chosen,
		Err(failure) => {
			out.failure(&failure);
			return ExitCode::from(failure.code);
		}
	};
	let context = Context {
		node: named
			.node
			.clone()
			.filter(|node| !node.is_empty())
			.or(chosen.node)
			.unwrap_or_else(|| "ws://127.0.0.1:9944".into()),
		account: named
			.account
			.clone()
			.or(chosen.account)
			.unwrap_or_else(|| "default".into()),
		// It is the password of the context's own account.
		password_file: named.password_file.clone().or(match named.account {
			Some(_) => None,
			None => chosen.password_file,
		}),
		grant: arguments.grant,
		dir,
		out,
	};
	let signs = matches!(
		arguments.command,
		Command::TopUp(_)
			| Command::Withdraw(_)
			| Command::Refill(_)
			| Command::Revoke(_)
			| Command::Close(_)
			| Command::Transfer(_)
	);
	if signs && is_from("grant", ValueSource::CommandLine) {
		let what = "a grant is for what the provider does; this the account itself must sign";
		let failure = Failure::new(
			2,
			what,
			"Name the account (--account), and leave out --grant.",
		);
		context.out.failure(&failure);
		return ExitCode::from(failure.code);
	}
	let runtime = match tokio::runtime::Builder::new_multi_thread()
		.enable_all()
		.build()
	{
		Ok(runtime) => runtime,
		Err(error) => {
			eprintln!("error: {error}");
			return ExitCode::FAILURE;
		}
	};
	// The devnet takes its parts down by itself, and a command's signals are passed on to it.
	let ends_itself = matches!(arguments.command, Command::Devnet(_) | Command::Exec(_));
	let command = async {
		match arguments.command {
			Command::Keys(command) => command.run(&context),
			Command::Deploy(deploy) => deploy.run(&context).await,
			Command::Update(update) => update.run(&context).await,
			Command::Validate(validate) => validate.run(&context),
			Command::Price(price) => price.run(&context),
			Command::Leases(leases) => leases.run(&context).await,
			Command::Logs(logs) => logs.run(&context).await,
			Command::Status(status) => status.run(&context).await,
			Command::Exec(exec) => exec.run(&context).await,
			Command::PortForward(forward) => forward.run(&context).await,
			Command::Files(files) => files.run(&context).await,
			Command::Events(events) => events.run(&context).await,
			Command::TopUp(top_up) => top_up.run(&context).await,
			Command::Withdraw(withdraw) => withdraw.run(&context).await,
			Command::Refill(refill) => refill.run(&context).await,
			Command::Grant(grant) => grant.run(&context).await,
			Command::Revoke(revoke) => revoke.run(&context).await,
			Command::Close(close) => close.run(&context).await,
			Command::Transfer(transfer) => transfer.run(&context).await,
			Command::Providers(providers) => providers.run(&context).await,
			Command::Orders(orders) => orders.run(&context).await,
			Command::Bids(bids) => bids.run(&context).await,
			Command::Doctor => doctor::run(&context).await,
			Command::Context(command) => command.run(&context.dir, named, &context.out),
			Command::Balance => tenant::balance(&context).await,
			Command::Devnet(devnet) => devnet.run(&context).await,
			Command::Completions { shell } => {
				let (mut command, mut text) = (Arguments::command(), Vec::new());
				clap_complete::generate(shell, &mut command, "leasehold", &mut text);
				output::print(&String::from_utf8_lossy(&text));
				Ok(())
			}
			Command::Man { folder } => std::fs::create_dir_all(&folder)
				.and_then(|()| clap_mangen::generate_to(Arguments::command(), &folder))
				.map_err(|error| {
					let what = format!("{}: {error}", folder.display());
					Failure::new(1, what, "Name a folder that you may write to.")
				}),
		}
	};
	// In a task of its own: it also comes through while a question waits for its answer.
	if !ends_itself {
		let interruption = context.out.interruption();
		let json = context.out.is_json();
		runtime.spawn(async move {
			if tokio::signal::ctrl_c().await.is_ok() {
				let advice = output::said(&interruption);
				if json && !output::has_answered() {
					let value = serde_json::json!({
						"error": "interrupted", "advice": advice, "code": 130,
					});
					output::print(&format!("{value:#}"));
				}
				eprintln!("\nerror: interrupted");
				if !advice.is_empty() {
					eprintln!("  next: {advice}");
				}
				std::process::exit(130);
			}
		});
	}
	let result: Result<(), Failure> = runtime.block_on(command);
	runtime.shutdown_timeout(std::time::Duration::from_millis(200));
	match result {
		Ok(()) => ExitCode::SUCCESS,
		Err(failure) => {
			context.out.failure(&failure);
			ExitCode::from(failure.code)
		}
	}
}
