//! Measures what a read and a write of the node's database cost: see `scripts/bench-weights`.
//!
//! The state has a million items in ParityDB. A read is one item at random, without any cache but the
//! system's: the way through the trie. A write is one of a thousand items that a block has read and
//! changes: its part in the new root, in removing what is no longer kept and in the commit. What the
//! database's own threads write to disk beside that no block waits for.

use clap::Parser;
use leasehold_runtime::{Block, Hash, Header};
use sc_client_api::{Backend as _, BlockImportOperation, NewBlockState, TrieCacheContext};
use sc_client_db::{Backend, BlocksPruning, DatabaseSettings, DatabaseSource, PruningMode};
use sp_io::hashing::blake2_256;
use sp_runtime::{traits::Header as _, StateVersion, Storage};
use sp_state_machine::Backend as _;
use std::{
	path::Path,
	time::{Duration, Instant},
};

/// Measures reads and writes of the database.
#[derive(Parser)]
struct Arguments {
	/// Items in the state.
	#[arg(long, default_value_t = 1_000_000)]
	items: u32,
	/// Items that are read, one by one.
	#[arg(long, default_value_t = 50_000)]
	reads: u32,
	/// Blocks that are written.
	#[arg(long, default_value_t = 200)]
	blocks: u32,
	/// Items that a block changes.
	#[arg(long, default_value_t = 1_000)]
	changes: u32,
}

/// The node's own cache of the trie, bytes.
const CACHE: usize = 64 << 20;

/// Blocks whose states are kept; the first ones that are written only fill that window.
const KEPT: u32 = 32;

/// Bytes of a value: most of our records have about as many.
const VALUE: usize = 128;

fn key(n: u32) -> Vec<u8> {
	let mut key = blake2_256(&(n % 40).to_le_bytes()).to_vec();
	key.extend_from_slice(&blake2_256(&n.to_le_bytes())[..16]);
	key
}

fn value(n: u32, block: u32) -> Vec<u8> {
	let seed = blake2_256(&[n.to_le_bytes(), block.to_le_bytes()].concat());
	seed.iter().copied().cycle().take(VALUE).collect()
}

/// A number below `most` that looks like a random one.
fn pick(seed: u32, most: u32) -> u32 {
	let bytes = blake2_256(&seed.to_be_bytes());
	u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]) % most
}

fn open(path: &Path, cache: Option<usize>) -> anyhow::Result<Backend<Block>> {
	let settings = DatabaseSettings {
		trie_cache_maximum_size: cache,
		state_pruning: Some(PruningMode::blocks_pruning(KEPT)),
		source: DatabaseSource::ParityDb { path: path.into() },
		blocks_pruning: BlocksPruning::KeepFinalized,
		pruning_filters: Vec::new(),
		metrics_registry: None,
	};
	Ok(Backend::new(settings, 0)?)
}

fn genesis(backend: &Backend<Block>, items: u32) -> anyhow::Result<Hash> {
	let mut operation = backend.begin_operation()?;
	let state = Storage {
		top: (0..items).map(|n| (key(n), value(n, 0))).collect(),
		children_default: Default::default(),
	};
	let root = operation.set_genesis_state(state, true, StateVersion::V1)?;
	let header = Header::new(0, Hash::zero(), root, Hash::zero(), Default::default());
	let hash = header.hash();
	operation.set_block_data(header, Some(vec![]), None, None, NewBlockState::Final, true)?;
	backend.commit_operation(operation)?;
	Ok(hash)
}

/// Makes the next block, with these changes; it is final. The time that it took, once the items were
/// read.
fn block(
	backend: &Backend<Block>,
	(number, parent): (u32, Hash),
	changes: &[(Vec<u8>, Vec<u8>)],
) -> anyhow::Result<(Hash, Duration)> {
	let state = backend.state_at(parent, TrieCacheContext::Trusted)?;
	for (key, _) in changes {
		state.storage(key).map_err(anyhow::Error::msg)?;
	}
	let begun = Instant::now();
	let mut operation = backend.begin_operation()?;
	backend.begin_state_operation(&mut operation, parent)?;
	let changed = changes
		.iter()
		.map(|(key, value)| (&key[..], Some(&value[..])));
	let (root, update) = state.storage_root(changed, StateVersion::V1);
	operation.update_db_storage(update)?;
	let header = Header::new(number, Hash::zero(), root, parent, Default::default());
	let hash = header.hash();
	operation.set_block_data(header, Some(vec![]), None, None, NewBlockState::Final, true)?;
	backend.commit_operation(operation)?;
	Ok((hash, begun.elapsed()))
}

/// Nanoseconds of each.
fn nanos(all: Duration, count: u32) -> u128 {
	all.as_nanos().div_ceil(u128::from(count))
}

fn main() -> anyhow::Result<()> {
	let arguments = Arguments::parse();
	let folder = tempfile::tempdir()?;
	println!("-- writing a state of {} items", arguments.items);
	let backend = open(folder.path(), None)?;
	let head = genesis(&backend, arguments.items)?;
	let (mut head, _) = block(&backend, (1, head), &[(key(0), value(0, 1))])?;

	// What is still to be written is on disk when it is closed.
	drop(backend);
	println!("-- reading {} of them", arguments.reads);
	let backend = open(folder.path(), None)?;
	let wanted: Vec<_> = (0..arguments.reads)
		.map(|n| key(pick(n, arguments.items)))
		.collect();
	let state = backend.state_at(head, TrieCacheContext::Trusted)?;
	let begun = Instant::now();
	for key in &wanted {
		let found = state.storage(key).map_err(anyhow::Error::msg)?;
		anyhow::ensure!(
			found.is_some_and(|value| value.len() == VALUE),
			"an item is not there"
		);
	}
	let read = nanos(begun.elapsed(), arguments.reads);
	drop(state);
	drop(backend);

	let (blocks, changes) = (arguments.blocks, arguments.changes);
	println!("-- writing {blocks} blocks of {changes} changes");
	let backend = open(folder.path(), Some(CACHE))?;
	let mut spent = Duration::ZERO;
	for number in 2..blocks.saturating_add(KEPT + 2) {
		let changed: Vec<_> = (0..changes)
			.map(|n| {
				let n = pick(
					number.wrapping_mul(1_000_003).wrapping_add(n),
					arguments.items,
				);
				(key(n), value(n, number))
			})
			.collect();
		let (hash, time) = block(&backend, (number, head), &changed)?;
		head = hash;
		if number >= KEPT + 2 {
			spent += time;
		}
	}
	let write = nanos(spent, blocks.saturating_mul(changes));

	println!("read {read} ns, write {write} ns");
	Ok(())
}
