//! Security labels, clearances and the policies that give them meaning. Pure: no I/O, no cryptography.
//!
//! A label and a clearance are plain values ([`Label`], [`Clearance`]); one file per syntax turns them
//! into octets and back; a [`Policy`] is a compiled SPIF; [`access::authorize`] is the decision.
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

mod category;
pub mod clearance;
pub mod der;
pub mod ess;
mod value;

pub use const_oid::ObjectIdentifier;
pub use der::{SyntaxError, SyntaxProblem};
pub use value::{Categories, Category, Clearance, DuplicateCategory, Kind, Label, PrivacyMark};
