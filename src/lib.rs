//! Ravelin: a store-and-forward message switch for classified enclaves.
//!
//! ```text
//!  peer ─▶ accept ─▶ open ─▶ check ─▶ review ─▶ seal ─▶ queue ─▶ deliver ─▶ peer
//!             │        │        │        │         │       │         │
//!             │        └ refuse ┴ refuse └ hold    └───────┤         ├ retry, expire
//!             │                                            │         └─▶ report ─▶ sender
//!             └───────── 250 is said after ── store.commit(entry, event) ──┘
//! ```
//!
//! Things are nouns, steps are verbs, and [`switch`] is the line that joins the verbs: read it
//! first. A module imports only what stands before it in this order:
//! clock < message < label < decision < crypto < smtp < audit < store < config < tls < open <
//! check < review < seal < queue < deliver < report < accept < switch < admin < cli.
//! `tests/layers.rs` fails when a `use crate::` line goes the other way.

// Things.
pub mod clock;
pub mod message;
pub mod label;
pub mod decision;
pub mod crypto;
pub mod smtp;
pub mod audit;
pub mod store;
pub mod config;
pub mod tls;
// The eight steps.
pub mod open;
pub mod check;
pub mod review;
pub mod seal;
pub mod queue;
pub mod deliver;
pub mod report;
pub mod accept;
// The line, and the windows that look in.
pub mod switch;
pub mod admin;
pub mod cli;
