//! Genesis presets: what a new network begins with.

use crate::{
	configs::{ProtocolFees, TransactionFees},
	AccountId, Balance, BalancesConfig, EscrowConfig, RuntimeGenesisConfig, SessionConfig,
	SessionKeys, SudoConfig, EXISTENTIAL_DEPOSIT, LEASE,
};
use alloc::{vec, vec::Vec};
use frame_support::build_struct_json_patch;
use serde_json::Value;
use sp_genesis_builder::{PresetId, DEV_RUNTIME_PRESET, LOCAL_TESTNET_RUNTIME_PRESET};
use sp_keyring::Sr25519Keyring;

/// What each well-known development account owns, planck.
const ENDOWMENT: Balance = 1_000_000 * LEASE;

fn session_keys(who: Sr25519Keyring) -> SessionKeys {
	let ed = match who {
		Sr25519Keyring::Bob => sp_keyring::Ed25519Keyring::Bob,
		_ => sp_keyring::Ed25519Keyring::Alice,
	};
	SessionKeys {
		babe: who.public().into(),
		grandpa: ed.public().into(),
		authority_discovery: who.public().into(),
	}
}

fn testnet(validators: &[Sr25519Keyring]) -> Value {
	let endowed: Vec<(AccountId, Balance)> = [
		Sr25519Keyring::Alice,
		Sr25519Keyring::Bob,
		Sr25519Keyring::Charlie,
		Sr25519Keyring::Dave,
		Sr25519Keyring::Eve,
		Sr25519Keyring::Ferdie,
	]
	.iter()
	.map(|who| (who.to_account_id(), ENDOWMENT))
	.chain([
		(ProtocolFees::account(), EXISTENTIAL_DEPOSIT),
		(TransactionFees::account(), EXISTENTIAL_DEPOSIT),
	])
	.collect();
	build_struct_json_patch!(RuntimeGenesisConfig {
		balances: BalancesConfig { balances: endowed },
		session: SessionConfig {
			keys: validators
				.iter()
				.map(|who| (who.to_account_id(), who.to_account_id(), session_keys(*who)))
				.collect::<Vec<_>>(),
		},
		escrow: EscrowConfig {
			fee_destination: Some(ProtocolFees::account())
		},
		sudo: SudoConfig {
			key: Some(Sr25519Keyring::Alice.to_account_id())
		},
	})
}

/// The preset with this name.
pub fn get_preset(id: &PresetId) -> Option<Vec<u8>> {
	let preset = match id.as_str() {
		DEV_RUNTIME_PRESET => testnet(&[Sr25519Keyring::Alice]),
		LOCAL_TESTNET_RUNTIME_PRESET => testnet(&[Sr25519Keyring::Alice, Sr25519Keyring::Bob]),
		_ => return None,
	};
	serde_json::to_vec(&preset).ok()
}

/// The names of all presets.
pub fn preset_names() -> Vec<PresetId> {
	vec![
		PresetId::from(DEV_RUNTIME_PRESET),
		PresetId::from(LOCAL_TESTNET_RUNTIME_PRESET),
	]
}
