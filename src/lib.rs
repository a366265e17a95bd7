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
pub mod audit;
pub mod clock;
pub mod config;
pub mod crypto;
pub mod decision;
pub mod label;
pub mod message;
pub mod smtp;
pub mod store;
pub mod tls;
// The eight steps.
pub mod accept;
pub mod check;
pub mod deliver;
pub mod open;
pub mod queue;
pub mod report;
pub mod review;
pub mod seal;
// The line, and the windows that look in.
pub mod admin;
pub mod cli;
pub mod switch;
