//! The RPC beside what every Substrate node serves: accounts, fees, BABE and GRANDPA.

use crate::service::{FullBackend, FullClient, FullPool, FullSelectChain};
use jsonrpsee::RpcModule;
use leasehold_runtime::opaque::Block;
use sc_consensus_babe::BabeWorkerHandle;
use sc_consensus_grandpa::{
	FinalityProofProvider, GrandpaJustificationStream, SharedAuthoritySet, SharedVoterState,
};
use sc_rpc::SubscriptionTaskExecutor;
use sp_keystore::KeystorePtr;
use sp_runtime::traits::{Block as BlockT, NumberFor};
use std::sync::Arc;

/// What the RPC reads from.
pub struct FullDeps {
	pub client: Arc<FullClient>,
	pub pool: Arc<FullPool>,
	pub select_chain: FullSelectChain,
	pub babe_worker_handle: BabeWorkerHandle<Block>,
	pub keystore: KeystorePtr,
	pub shared_voter_state: SharedVoterState,
	pub shared_authority_set: SharedAuthoritySet<<Block as BlockT>::Hash, NumberFor<Block>>,
	pub justification_stream: GrandpaJustificationStream<Block>,
	pub subscription_executor: SubscriptionTaskExecutor,
	pub finality_provider: Arc<FinalityProofProvider<FullBackend, Block>>,
}

/// Puts the RPC together.
pub fn create_full(
	deps: FullDeps,
) -> Result<RpcModule<()>, Box<dyn std::error::Error + Send + Sync>> {
	use pallet_transaction_payment_rpc::{TransactionPayment, TransactionPaymentApiServer};
	use sc_consensus_babe_rpc::{Babe, BabeApiServer};
	use sc_consensus_grandpa_rpc::{Grandpa, GrandpaApiServer};
	use substrate_frame_rpc_system::{System, SystemApiServer};
	let FullDeps {
		client,
		pool,
		select_chain,
		babe_worker_handle,
		keystore,
		shared_voter_state,
		shared_authority_set,
		justification_stream,
		subscription_executor,
		finality_provider,
	} = deps;
	let mut io = RpcModule::new(());
	io.merge(System::new(client.clone(), pool).into_rpc())?;
	io.merge(TransactionPayment::new(client.clone()).into_rpc())?;
	io.merge(Babe::new(client, babe_worker_handle, keystore, select_chain).into_rpc())?;
	io.merge(
		Grandpa::new(
			subscription_executor,
			shared_authority_set,
			shared_voter_state,
			justification_stream,
			finality_provider,
		)
		.into_rpc(),
	)?;
	Ok(io)
}
