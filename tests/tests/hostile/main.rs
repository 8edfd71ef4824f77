//! What comes from somebody else, damaged: manifest files, manifests, and what the gateway is sent. Each trial starts from
//! something in `corpus/`, damages it at random, and it must be read or refused: without a panic, in bounded time, and
//! the same way each time.
//!
//! Each target runs for `LEASEHOLD_FUZZ_SECONDS`, 20 if unset, from the seed `LEASEHOLD_FUZZ_SEED`, 1 if unset.
//! What fails is written into a file; put it into `corpus/` together with the mend, and it is tried first from
//! then on.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod fuzz;
mod gateway;
mod manifests;
