//! `leasehold-node`: the chain node.

#![forbid(unsafe_code)]
// The SDK's error types are what they are.
#![allow(clippy::result_large_err)]

mod chain_spec;
mod cli;
mod command;
mod rpc;
mod service;

fn main() -> sc_cli::Result<()> {
	command::run()
}
