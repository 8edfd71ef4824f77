//! The state of a running chain, read over RPC: all of it, held against the invariants, and what a block touches.

use anyhow::{anyhow, ensure, Context as _};
use jsonrpsee::{
	core::client::ClientT,
	http_client::{HttpClient, HttpClientBuilder},
	rpc_params,
};
use serde_json::Value;
use std::collections::HashSet;

/// How many items of the database the execution of a block reads and how many it writes.
pub fn items(port: u64, number: u32) -> anyhow::Result<(usize, usize)> {
	let trace = async {
		let client = client(port)?;
		let hash: Value = client
			.request("chain_getBlockHash", rpc_params![number])
			.await?;
		let every = "";
		let parameters = rpc_params![hash, "state", every, every];
		client
			.request::<Value, _>("state_traceBlock", parameters)
			.await
			.context("the node does not trace a block")
	};
	let trace = tokio::runtime::Runtime::new()?.block_on(trace)?;
	let events = trace.pointer("/blockTrace/events");
	let events = events
		.and_then(Value::as_array)
		.context("the trace has another shape than expected")?;
	let (mut met, mut read, mut written) = (HashSet::new(), 0, HashSet::new());
	for event in events {
		let of = |field| event["data"]["stringValues"][field].as_str();
		let (Some(key), Some(method)) = (of("key"), of("method")) else {
			continue;
		};
		// The execution's own notes, such as how many transactions it is in: none of the database's.
		if hex::decode(key)?.starts_with(b":") {
			continue;
		}
		// What is met again is in memory.
		if met.insert(key) && method != "Put" {
			read += 1;
		}
		if ["Put", "Append"].contains(&method) {
			written.insert(key);
		}
	}
	ensure!(read > 0, "a block that reads nothing");
	Ok((read, written.len()))
}

/// Leaves room for the runtime's own code, in hexadecimal.
const LARGEST: u32 = 256 << 20;

/// Checks the state of the best block of the node at this RPC port; how many keys there were.
pub fn check(port: u64) -> anyhow::Result<usize> {
	let runtime = tokio::runtime::Runtime::new()?;
	let pairs = runtime.block_on(read(port))?;
	let count = pairs.len();
	ensure!(count > 100, "a state of {count} keys is none");
	let mut storage = sp_runtime::Storage::default();
	storage.top.extend(pairs);
	sp_io::TestExternalities::new(storage)
		.execute_with(leasehold_runtime::invariants::check)
		.map_err(|error| anyhow!("an invariant does not hold: {error:?}"))?;
	Ok(count)
}

fn client(port: u64) -> anyhow::Result<HttpClient> {
	let client = HttpClientBuilder::default()
		.max_response_size(LARGEST)
		.build(format!("http://127.0.0.1:{port}"))?;
	Ok(client)
}

async fn read(port: u64) -> anyhow::Result<Vec<(Vec<u8>, Vec<u8>)>> {
	let pairs: Vec<(String, String)> = client(port)?
		.request("state_getPairs", rpc_params!["0x"])
		.await
		.context("the node does not give its state")?;
	let bytes = |text: &str| hex::decode(text.trim_start_matches("0x"));
	pairs
		.iter()
		.map(|(key, value)| Ok((bytes(key)?, bytes(value)?)))
		.collect()
}
