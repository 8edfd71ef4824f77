//! One task owns an account's nonce, and sees each transaction through to finality.
//!
//! Signed bytes are stored before they are sent and live for 64 blocks. The same bytes are sent
//! again until they are finalized or expired, also by the next life of the program.

mod journal;

pub use journal::{Journal, Stored};

use crate::{
	call::Call, chain::Chain, error::ChainError, keystore, units, view::View, AccountId32,
	Connection, Heads, Keypair, H256,
};

use std::{collections::HashSet, sync::Arc};
use subxt::{config::DefaultExtrinsicParamsBuilder, events::Phase};
use tokio::sync::{mpsc, oneshot, watch};

/// Blocks for which a transaction may be included.
pub const LIFE: u32 = 64;

/// Changes of the heads after which an unincluded transaction is sent again.
const RESEND: u32 = 8;

/// What is offered beyond the fee after a transaction expired, planck; doubled each time up to 1.28 LEASE.
const FIRST_TIP: u128 = units::LEASE / 100;

/// The tip after transactions expired so many times in a row. Who fills blocks must offer as much for each of the
/// transactions that he fills them with, or ours come first.
fn tip(expired: u32) -> u128 {
	match expired.checked_sub(1) {
		None => 0,
		Some(doublings) => FIRST_TIP.saturating_mul(1 << doublings.min(7)),
	}
}

/// How often a call is signed, because its nonce was taken or its tip refused.
const ATTEMPTS: u32 = 8;
/// Pause before it is signed anew, times the attempt.
const NONCE_PAUSE: std::time::Duration = std::time::Duration::from_millis(150);

/// How far a transaction must have come before its sender is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
	/// In the best chain: may still be undone.
	Best,
	/// Finalized.
	Finalized,
}

/// Where a transaction was included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
	/// Number and hash of the block.
	pub block: (u32, H256),
	/// Place of the transaction in the block.
	pub index: u32,
}

struct Request {
	call: Call,
	wait: Wait,
	answer: oneshot::Sender<Result<Receipt, ChainError>>,
}

/// A handle to the task.
#[derive(Clone)]
pub struct Signer {
	requests: mpsc::Sender<Request>,
	account: AccountId32,
}

impl Signer {
	/// Starts the task for an account.
	pub fn start(
		chain: Chain,
		pair: Keypair,
		journal: Journal,
		heads: watch::Receiver<Result<Heads, Arc<ChainError>>>,
	) -> Self {
		let (requests, incoming) = mpsc::channel(64);
		let account = keystore::account(&pair);
		let pending = journal.all().into_iter().map(Pending::restored).collect();
		let task = Task {
			chain,
			pair,
			account,
			journal,
			pending,

			finalized_scanned: None,
			best_scanned: HashSet::new(),
			changes: 0,
			expired: 0,
		};
		tokio::spawn(task.run(incoming, heads));
		Self { requests, account }
	}

	/// The account that signs.
	pub fn account(&self) -> AccountId32 {
		self.account
	}

	/// Signs, stores and sends a call, and waits until it is included.
	pub async fn submit(&self, call: Call, wait: Wait) -> Result<Receipt, ChainError> {
		let (answer, answered) = oneshot::channel();
		let request = Request { call, wait, answer };
		self.requests
			.send(request)
			.await
			.map_err(|_| ChainError::Stopped)?;
		answered.await.map_err(|_| ChainError::Stopped)?
	}
}

/// The first nonce from `next` on that none of ours has.
fn first_free(next: u64, ours: &HashSet<u64>) -> u64 {
	let mut nonces = next..=u64::MAX;
	nonces.find(|nonce| !ours.contains(nonce)).unwrap_or(next)
}

/// Why the node did not take a transaction.
struct Refusal {
	/// Another transaction has the nonce.
	nonce_taken: bool,
	/// It was signed for another branch, or another version of the runtime.
	bad_proof: bool,
	error: ChainError,
}

struct Pending {
	stored: Stored,
	wait: Wait,
	answer: Option<oneshot::Sender<Result<Receipt, ChainError>>>,
}

impl Pending {
	fn restored(stored: Stored) -> Self {
		Self {
			stored,
			wait: Wait::Finalized,
			answer: None,
		}
	}

	fn answer(&mut self, result: Result<Receipt, ChainError>) {
		if let Some(answer) = self.answer.take() {
			let _ = answer.send(result);
		}
	}
}

struct Task {
	chain: Chain,
	pair: Keypair,
	account: AccountId32,
	journal: Journal,
	pending: Vec<Pending>,

	finalized_scanned: Option<u32>,
	best_scanned: HashSet<(u32, H256)>,
	changes: u32,
	/// How many times in a row transactions expired that somebody waited for.
	expired: u32,
}

impl Task {
	async fn run(
		mut self,
		mut incoming: mpsc::Receiver<Request>,
		mut heads: watch::Receiver<Result<Heads, Arc<ChainError>>>,
	) {
		loop {
			tokio::select! {
				request = incoming.recv() => match request {
					Some(request) => self.accept(request).await,
					None => return,
				},
				changed = heads.changed() => {
					if changed.is_err() {
						return;
					}
					let now = heads.borrow_and_update().as_ref().ok().copied();
					if let Some(now) = now {
						if let Err(error) = self.follow(now).await {
							tracing::debug!(%error, "looking for transactions");
						}
					}
				},
			}
		}
	}

	async fn accept(&mut self, request: Request) {
		let Request { call, wait, answer } = request;
		for attempt in 1..=ATTEMPTS {
			let stored = match self.sign(&call).await {
				Ok(stored) => stored,
				Err(error) => {
					let _ = answer.send(Err(error));
					return;
				}
			};
			match self.send(&stored).await {
				Ok(()) => {
					self.pending.push(Pending {
						stored,
						wait,
						answer: Some(answer),
					});
					return;
				}
				Err(refusal) => {
					self.journal.remove(&stored);
					let last = attempt == ATTEMPTS;
					if refusal.nonce_taken && !last {
						// Another process of the same account was faster.
						tokio::time::sleep(NONCE_PAUSE.saturating_mul(attempt)).await;
					} else if self.expired > 0 && !last {
						// Perhaps the account cannot pay the tip.
						self.expired = 0;
					} else {
						let _ = answer.send(Err(refusal.error));
						return;
					}
				}
			}
		}
	}

	/// Pending transactions of this chain. Those of another wait until its node is back.
	fn of_chain(&self, genesis: H256) -> impl Iterator<Item = &Pending> {
		self.pending
			.iter()
			.filter(move |pending| pending.stored.genesis == genesis.0)
	}

	/// Signs the call with the next nonce and stores the bytes.
	async fn sign(&mut self, call: &Call) -> Result<Stored, ChainError> {
		let connection = self.chain.connection().await?;
		let view = birth(&connection).await?;
		let on_chain = connection
			.rpc
			.system_account_next_index(&self.account)
			.await?;
		let ours = self.of_chain(connection.genesis);
		let ours: HashSet<u64> = ours.map(|pending| pending.stored.nonce).collect();
		let nonce = first_free(on_chain, &ours);
		let data = call.encode(&view.at)?;
		let payload = view.at.tx().from_call_data_bytes(&data)?;
		let params = DefaultExtrinsicParamsBuilder::<crate::Config>::new()
			.nonce(nonce)
			.tip(tip(self.expired))
			.mortal_from_unchecked(u64::from(LIFE), view.number().into(), view.hash())
			.build();
		let signed = view
			.at
			.tx()
			.create_signable_offline(&payload, params)?
			.sign(&self.pair)?;
		let stored = Stored {
			bytes: signed.encoded().to_vec(),
			genesis: connection.genesis.0,
			nonce,
			expires: view.number().saturating_add(LIFE),
			what: format!("{call:?}"),
		};
		self.journal.put(&stored)?;
		Ok(stored)
	}

	/// Sends stored bytes. A refusal means that the node will not take them.
	async fn send(&self, stored: &Stored) -> Result<(), Refusal> {
		let Ok(connection) = self.chain.connection().await else {
			return Ok(());
		};
		if connection.genesis.0 != stored.genesis {
			return Ok(());
		}
		match connection.rpc.author_submit_extrinsic(&stored.bytes).await {
			Ok(_) => Ok(()),
			// The node has it already, or had it and will have it again.
			// A full or busy pool takes it later.
			Err(subxt::rpcs::Error::User(e)) if !matches!(e.code, 1010 | 1014) => Ok(()),
			Err(subxt::rpcs::Error::User(e)) => {
				let detail = e
					.data
					.as_ref()
					.map(|data| data.get().trim_matches('"').to_owned());
				let why = detail.unwrap_or(e.message);
				let nonce_taken = e.code == 1014 || why.contains("outdated");
				Err(Refusal {
					nonce_taken,
					bad_proof: why.contains("bad signature"),
					error: ChainError::Refused(why),
				})
			}
			Err(_) => Ok(()),
		}
	}

	/// Sends all again. What was signed on a branch that is no more no block takes, and what comes after it would wait.
	async fn send_all(&mut self) {
		let mut at = 0;
		while let Some(pending) = self.pending.get(at) {
			let refused = self.send(&pending.stored).await.err();
			if let Some(refusal) = &refused {
				tracing::debug!(error = %refusal.error, what = pending.stored.what, "sent again");
			}
			if refused.is_some_and(|refusal| refusal.bad_proof) {
				let mut undone = self.pending.remove(at);
				self.journal.remove(&undone.stored);
				tracing::warn!(what = undone.stored.what, "a transaction was undone");
				undone.answer(Err(ChainError::Undone));
			} else {
				at = at.saturating_add(1);
			}
		}
	}

	/// Looks for pending transactions in new blocks, and sends again what is not yet in one.
	async fn follow(&mut self, heads: Heads) -> Result<(), ChainError> {
		let connection = self.chain.connection().await?;
		let genesis = connection.genesis;
		if self.of_chain(genesis).next().is_none() {
			self.finalized_scanned = Some(heads.finalized.0);
			self.best_scanned.clear();
			return Ok(());
		}
		let births = self
			.of_chain(genesis)
			.map(|p| p.stored.expires.saturating_sub(LIFE));
		let from = self
			.finalized_scanned
			.or(births.min())
			.unwrap_or(heads.finalized.0);
		let last = self
			.of_chain(genesis)
			.map(|p| p.stored.expires)
			.max()
			.unwrap_or(0);
		// Bodies are kept when states are pruned, so this works after any absence.
		for number in from.saturating_add(1)..=heads.finalized.0.min(last) {
			let hash = connection
				.rpc
				.chain_get_block_hash(Some(number.into()))
				.await?;
			if let Some(hash) = hash {
				self.scan(&connection, (number, hash), Wait::Finalized)
					.await?;
			}
			self.finalized_scanned = Some(number);
		}
		self.finalized_scanned = Some(heads.finalized.0.max(from));
		self.scan_best(&connection, heads).await?;
		let (mut at, mut missed) = (0, false);
		while let Some(pending) = self.pending.get(at) {
			let ours = pending.stored.genesis == genesis.0;
			if ours && pending.stored.expires < heads.finalized.0 {
				let mut expired = self.pending.remove(at);
				self.journal.remove(&expired.stored);
				tracing::warn!(what = expired.stored.what, "a transaction expired");
				// Those of an earlier life may never have been sent.
				missed |= expired.answer.is_some();
				expired.answer(Err(ChainError::Expired(LIFE)));
			} else {
				at = at.saturating_add(1);
			}
		}
		if missed {
			self.expired = self.expired.saturating_add(1);
			let tip = units::lease(tip(self.expired));
			tracing::warn!(tip, "blocks may be full: the next transaction offers a tip");
		}
		// Also at the first look: an earlier life may have left some to a node that forgot them.
		if self.changes.is_multiple_of(RESEND) {
			self.send_all().await;
		}
		self.changes = self.changes.wrapping_add(1);
		Ok(())
	}

	/// Walks the best chain back to the finalized block.
	async fn scan_best(&mut self, connection: &Connection, heads: Heads) -> Result<(), ChainError> {
		let (mut number, mut hash) = heads.best;
		while number > heads.finalized.0 && !self.best_scanned.contains(&(number, hash)) {
			self.scan(connection, (number, hash), Wait::Best).await?;
			self.best_scanned.insert((number, hash));
			let Some(header) = connection.rpc.chain_get_header(Some(hash)).await? else {
				break;
			};
			hash = header.parent_hash;
			number = number.saturating_sub(1);
		}
		self.best_scanned
			.retain(|(number, _)| *number > heads.finalized.0);
		Ok(())
	}

	/// Looks for pending transactions in one block.
	async fn scan(
		&mut self,
		connection: &Connection,
		block: (u32, H256),
		reached: Wait,
	) -> Result<(), ChainError> {
		let Some(body) = connection.rpc.chain_get_block(Some(block.1)).await? else {
			return Ok(());
		};
		for (index, bytes) in (0u32..).zip(body.block.extrinsics) {
			let found = self.pending.iter().position(|p| p.stored.bytes == bytes.0);
			let Some(place) = found else { continue };
			self.expired = 0;
			let told = match connection.at(block.1).await {
				Ok(at) => outcome(&View::from(at), index).await,
				Err(error) => Err(error),
			};
			let result = match told {
				Ok(outcome) => outcome.map(|()| Receipt { block, index }),
				// The node is away: looked at again when it is back.
				Err(error) if error.is_transient() => return Err(error),
				// Included, but its state is pruned or the node does not tell: how it went is not known.
				Err(error) => Err(error),
			};
			if reached == Wait::Finalized {
				let mut pending = self.pending.remove(place);
				self.journal.remove(&pending.stored);
				pending.answer(result);
			} else if let Some(pending) = self.pending.get_mut(place) {
				if pending.wait == Wait::Best {
					pending.answer(result);
				}
			}
		}
		Ok(())
	}
}

/// The block that a transaction's life counts from: the finalized one, or where finality lags a
/// block that is unlikely to be undone.
async fn birth(connection: &Connection) -> Result<View, ChainError> {
	let heads = connection.heads().await?;
	let lag = heads.best.0.saturating_sub(heads.finalized.0);
	if lag < LIFE / 2 {
		return Ok(View::from(connection.at(heads.finalized.1).await?));
	}
	connection
		.at_number(heads.best.0.saturating_sub(LIFE / 8))
		.await
}

/// Whether the transaction at `index` of the view's block succeeded. The outer error means that
/// this could not be found out.
async fn outcome(view: &View, index: u32) -> Result<Result<(), ChainError>, ChainError> {
	use crate::runtime::system::events::{ExtrinsicFailed, ExtrinsicSuccess};
	let events = view.at.events().fetch().await?;
	for event in events.iter() {
		let event = event?;
		if event.phase() != Phase::ApplyExtrinsic(index) {
			continue;
		}
		if event.decode_fields_as::<ExtrinsicSuccess>().is_some() {
			return Ok(Ok(()));
		}
		if event.decode_fields_as::<ExtrinsicFailed>().is_some() {
			let decoded =
				subxt::error::DispatchError::decode_from(event.field_bytes(), view.at.metadata());
			return Ok(Err(dispatch_error(decoded)));
		}
	}
	Err(ChainError::Refused(
		"the block has no outcome for the transaction".into(),
	))
}

fn dispatch_error<E: std::fmt::Display>(
	error: Result<subxt::error::DispatchError, E>,
) -> ChainError {
	match error {
		Ok(subxt::error::DispatchError::Module(module)) => match module.details() {
			Ok(details) => ChainError::Failed {
				pallet: details.pallet.name().to_owned(),
				name: details.variant.name.clone(),
				docs: details.variant.docs.join(" ").trim().to_owned(),
			},
			Err(error) => ChainError::Incompatible(error.to_string()),
		},
		Ok(other) => ChainError::Refused(other.to_string()),
		Err(error) => ChainError::Incompatible(error.to_string()),
	}
}

impl View {
	/// The id of the order that the transaction at this receipt placed.
	pub async fn order_placed(&self, receipt: &Receipt) -> Result<Option<u64>, ChainError> {
		use crate::runtime::market::events::OrderPlaced;
		let placed = self.event::<OrderPlaced>(receipt).await?;
		Ok(placed.map(|placed| placed.order))
	}

	/// What the transaction at this receipt has cost that took an order back, planck.
	pub async fn cancel_fee(&self, receipt: &Receipt) -> Result<Option<u128>, ChainError> {
		use crate::runtime::market::events::OrderCancelled;
		let cancelled = self.event::<OrderCancelled>(receipt).await?;
		Ok(cancelled.map(|cancelled| cancelled.fee))
	}

	/// The first event of a sort that a transaction has caused.
	async fn event<E: subxt::events::DecodeAsEvent>(
		&self,
		receipt: &Receipt,
	) -> Result<Option<E>, ChainError> {
		let events = self.at.events().fetch().await?;
		for event in events.iter() {
			let event = event?;
			if event.phase() == Phase::ApplyExtrinsic(receipt.index) {
				if let Some(Ok(found)) = event.decode_fields_as() {
					return Ok(Some(found));
				}
			}
		}
		Ok(None)
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn a_gap_of_nonces_is_filled_first() {
		let ours = HashSet::from([3, 5, 6]);
		assert_eq!(
			[0, 3, 4, 5].map(|next| first_free(next, &ours)),
			[0, 4, 4, 7]
		);
	}

	#[test]
	fn a_tip_is_offered_after_an_expiry_only_and_has_a_limit() {
		let tips = [0, 1, 2, 3, 8, 9, u32::MAX].map(tip);
		let hundredths = [0, 1, 2, 4, 128, 128, 128].map(|n| n * units::LEASE / 100);
		assert_eq!(tips, hundredths);
	}
}
