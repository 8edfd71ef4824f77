//! The whole state of a running chain, read over RPC and held against the invariants.

use anyhow::{anyhow, ensure, Context as _};
use jsonrpsee::{
	core::client::ClientT,
	http_client::{HttpClient, HttpClientBuilder},
	rpc_params,
};

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

async fn read(port: u64) -> anyhow::Result<Vec<(Vec<u8>, Vec<u8>)>> {
	let client: HttpClient = HttpClientBuilder::default()
		.max_response_size(LARGEST)
		.build(format!("http://127.0.0.1:{port}"))?;
	let pairs: Vec<(String, String)> = client
		.request("state_getPairs", rpc_params!["0x"])
		.await
		.context("the node does not give its state")?;
	let bytes = |text: &str| hex::decode(text.trim_start_matches("0x"));
	pairs
		.iter()
		.map(|(key, value)| Ok((bytes(key)?, bytes(value)?)))
		.collect()
}
