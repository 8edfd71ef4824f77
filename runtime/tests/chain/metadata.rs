//! The metadata that the client is generated from is the runtime's.

use crate::harness::externalities;
use leasehold_runtime::Runtime;
use std::path::Path;

/// Set to write the metadata instead of comparing it.
const UPDATE: &str = "LEASEHOLD_UPDATE_METADATA";

#[test]
fn the_clients_metadata_is_the_runtimes() {
	let current = externalities().execute_with(|| {
		Runtime::metadata_at_version(16)
			.expect("version 16 is stable")
			.to_vec()
	});
	let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../client/metadata.scale");
	if std::env::var_os(UPDATE).is_some() {
		std::fs::write(&path, &current).unwrap();
	}
	let committed = std::fs::read(&path).unwrap();
	assert!(
		committed == current,
		"client/metadata.scale is not the runtime's metadata; if the change is wanted, run \
		 {UPDATE}=1 cargo test --profile checked --workspace --test chain metadata",
	);
}
