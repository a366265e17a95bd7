//! The wire language: SMTP and LMTP as values and state machines. No sockets, no clock, no tasks.
//!
//! `accept` feeds a [`session::Session`], `deliver` feeds a [`dialogue::Dialogue`]; both only turn
//! bytes into steps and steps into bytes, so every test runs in memory and every split of the
//! stream can be tried.
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::as_conversions
    )
)]

pub mod command;
pub mod dialogue;
pub mod line;
pub mod proxy;
pub mod reply;
pub mod sasl;
pub mod session;

pub use reply::Reply;
