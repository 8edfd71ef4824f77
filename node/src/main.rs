//! `leasehold-node`: the chain node.

#![forbid(unsafe_code)]
// The SDK's error types are what they are.
#![allow(clippy::result_large_err)]

mod chain_spec;
mod cli;
mod command;
mod rpc;
mod service;

/// A fifth more transfers a second than with the C library's: a node allocates much, on many threads.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> sc_cli::Result<()> {
	command::run()
}
