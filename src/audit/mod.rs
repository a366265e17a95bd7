//! What happened, who did it, and proof that nobody changed the tale afterwards.
//!
//! - [`event`]: one act and its facts.
//! - [`chain`]: events as numbered, hash-linked lines of JSON, and the check of such lines.
//! - [`export`]: the append-only file that leaves the switch.
//!
//! Promises: an event is committed by `store` together with the state change that it tells of;
//! the exported file holds the same lines, in the same order, and is completed from the store at
//! start. A local chain alone does not stop an administrator who rewrites all of it: ship the head
//! hash to another machine.

pub mod chain;
pub mod event;
pub mod export;

pub use chain::{Chain, ChainError, Head, Record, Summary, verify, verify_after};
pub use event::{Act, Event};
