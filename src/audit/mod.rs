//! What happened, who did it, and proof that nobody changed the tale afterwards.
//!
//! - [`event`]: one act and its facts.
//! - [`chain`]: events as numbered, hash-linked lines of JSON, and the check of such lines.
//! - [`checkpoint`]: the head of the chain under the signature of the switch.
//! - [`witness`]: the same heads in a file elsewhere. [`proof`]: what a third party checks, offline.
//! - [`export`]: the append-only file that leaves the switch. [`render`]: CEF and syslog.
//!
//! Promises: an event is committed by `store` together with the state change that it tells of;
//! the exported file holds the same lines, in the same order, and is completed from the store at
//! start. A local chain alone does not stop an administrator who rewrites all of it: the key of the
//! switch signs its head at intervals, and a witness on another machine sees what was cut off.

pub mod chain;
pub mod checkpoint;
pub mod event;
pub mod export;
pub mod proof;
pub mod render;
pub mod witness;

pub use chain::{Chain, ChainError, Head, Record, Summary, verify, verify_after};
pub use event::{Act, Event};
