//! Chain specifications, made from the runtime's genesis presets.

use sc_service::{ChainType, Properties};
/// A chain specification without extensions of our own.
pub type ChainSpec = sc_service::GenericChainSpec;

fn properties() -> Properties {
	let mut p = Properties::new();
	p.insert("tokenSymbol".into(), "LEASE".into());
	p.insert("tokenDecimals".into(), 12.into());
	p.insert("ss58Format".into(), 42.into());
	p
}
/// One validator: Alice.
pub fn development_chain_spec() -> Result<ChainSpec, String> {
	Ok(ChainSpec::builder(
		leasehold_runtime::WASM_BINARY.ok_or_else(|| "wasm not available".to_string())?,
		Default::default(),
	)
	.with_name("Leasehold Development")
	.with_id("dev")
	.with_protocol_id("leasehold")
	.with_chain_type(ChainType::Development)
	.with_genesis_config_preset_name(sp_genesis_builder::DEV_RUNTIME_PRESET)
	.with_properties(properties())
	.build())
}
/// Two validators: Alice and Bob.
pub fn local_chain_spec() -> Result<ChainSpec, String> {
	Ok(ChainSpec::builder(
		leasehold_runtime::WASM_BINARY.ok_or_else(|| "wasm not available".to_string())?,
		Default::default(),
	)
	.with_name("Leasehold Local Testnet")
	.with_id("local_testnet")
	.with_protocol_id("leasehold")
	.with_chain_type(ChainType::Local)
	.with_genesis_config_preset_name(sp_genesis_builder::LOCAL_TESTNET_RUNTIME_PRESET)
	.with_properties(properties())
	.build())
}
