//! What can go wrong between a client and the chain.

/// An error of the client. `Display` says what happened; [`ChainError::advice`] what to do.
#[derive(Debug, thiserror::Error)]
pub enum ChainError {
	/// No connection to the node.
	#[error("the node at {url} does not answer: {why}")]
	Unreachable { url: String, why: String },
	/// The node serves another chain than before.
	#[error("the node at {url} serves another chain: its genesis is {found:?}, not {expected:?}")]
	ForeignChain {
		url: String,
		found: crate::H256,
		expected: crate::H256,
	},
	/// The node's runtime has calls or records that this client does not know.
	#[error("the chain's runtime does not fit this program: {0}")]
	Incompatible(String),
	/// The node answered with an error.
	#[error("the node refused: {0}")]
	Refused(String),
	/// The chain executed the call and refused it.
	#[error("the chain refuses it: {} ({pallet}.{name})", in_a_sentence(docs))]
	Failed {
		pallet: String,
		name: String,
		docs: String,
	},
	/// The transaction was not included within its life.
	#[error("the transaction expired: no block took it within {0} blocks")]
	Expired(u32),
	/// The branch on which the transaction was signed is no more.
	#[error("the transaction was undone: the chain went over to a branch that does not know what it was signed on")]
	Undone,
	/// A file could not be read or written.
	#[error("{0}")]
	File(String),
	/// A key file that this password does not open.
	#[error("{0}: the password does not open this key")]
	Password(String),
	/// The signer has stopped.
	#[error("the signer has stopped")]
	Stopped,
}

impl ChainError {
	/// What to do next.
	pub fn advice(&self) -> &'static str {
		match self {
			Self::Unreachable { url, .. } if !url.starts_with("ws://") && !url.starts_with("wss://") => {
				"Write it as wss://HOST:PORT or ws://HOST:PORT."
			}
			Self::Unreachable { why, .. } if why.contains("status code: 403") => {
				"A node takes calls by the port at which it listens alone: have the same port at both ends of a tunnel, or \
				 start the node with `--rpc-cors all`. A proxy before it may refuse, too."
			}
			Self::Unreachable { .. } => {
				"Check that the node runs and that --node names its address."
			}
			Self::ForeignChain { .. } => "Point --node at a node of the right chain.",
			Self::Incompatible(_) => "Install the release that fits the chain's runtime.",
			Self::Refused(_) => "Read the node's answer; a balance too low for the fee is common.",
			Self::Failed { name, .. } => match name.as_str() {
				"NotTenant" => "Use the account that placed the order: --account.",
				"UnknownLease" | "UnknownStream" | "UnknownOrder" => {
					"`leasehold leases` and `leasehold orders` list yours."
				}
				"InsufficientFunds" => "`leasehold balance` shows what the account has free.",
				"ManifestInUse" => {
					"Close the lease that has it, or go on with its order: `leasehold deploy --resume ORDER`."
				}
				"OfferChanged" | "NoOffer" | "NotOnDuty" | "CapacityTaken" => {
					"Try again: another provider may take it."
				}
				_ => "Correct what the message names and try again.",
			},
			Self::Expired(_) => {
				"Try again later; if it recurs, look whether the node is in step with the chain."
			}
			Self::Undone => "Send it again.",
			Self::File(_) => "Check the path and its permissions.",
			Self::Password(_) => "Check the password; a file with it is named by --password-file.",
			Self::Stopped => "Start the program again.",
		}
	}

	/// Whether the same request may succeed later without anybody's doing.
	pub fn is_transient(&self) -> bool {
		matches!(self, Self::Unreachable { .. })
	}
}

/// The documentation of an error as a part of a sentence.
fn in_a_sentence(docs: &str) -> String {
	let docs = docs.trim().trim_end_matches('.');
	let mut letters = docs.chars();
	let first = letters.next().map(char::to_lowercase);
	first.into_iter().flatten().chain(letters).collect()
}

/// What the transport says when a connection is gone; subxt hides the cause behind many types.
const LOST: [&str; 5] = [
	"connection was closed",
	"restart required",
	"request timeout",
	"background task",
	"transport",
];

impl From<subxt::Error> for ChainError {
	fn from(error: subxt::Error) -> Self {
		let text = error.to_string();
		let lower = text.to_lowercase();
		if LOST.iter().any(|word| lower.contains(word)) {
			Self::Unreachable {
				url: "its address".into(),
				why: text,
			}
		} else if text.contains("IncompatibleCodegen") || text.contains("not compatible") {
			Self::Incompatible(text)
		} else {
			Self::Refused(text)
		}
	}
}

macro_rules! through_subxt {
	($($error:ty),* $(,)?) => {$(
		impl From<$error> for ChainError {
			fn from(error: $error) -> Self {
				subxt::Error::from(error).into()
			}
		}
	)*};
}

through_subxt!(
	subxt::error::StorageError,
	subxt::error::StorageValueError,
	subxt::error::StorageKeyError,
	subxt::error::OnlineClientAtBlockError,
	subxt::error::EventsError,
	subxt::error::ExtrinsicError,
	subxt::error::ConstantError,
	subxt::error::RuntimeApiError,
	subxt::rpcs::Error,
);
