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

pub mod access;
pub mod ber;
mod bits;
pub mod cases;
mod category;
pub mod clearance;
pub mod combine;
pub mod compiled;
pub mod der;
pub mod detect;
pub mod diff;
pub mod equivalence;
pub mod history;
pub mod ess;
pub mod lint;
mod lint_clearances;
mod lint_mapping;
mod lint_pair;
pub mod explain;
pub mod marking;
mod missi;
mod named;
pub mod naming;
pub mod nato;
mod nato_write;
mod parameters;
mod policy;
mod reason;
mod search;
pub mod sio;
mod spif;
mod spif_fields;
mod spif_head;
mod spif_items;
mod spif_link;
pub mod update;
pub mod validity;
pub mod text;
mod value;
mod xml;
pub mod xmpp;

pub use access::{Access, authorize};
pub use category::CategorySyntax;
pub use const_oid::ObjectIdentifier;
pub use der::{SyntaxError, SyntaxProblem};
pub use equivalence::{Direction, Translation, translate};
pub use marking::{Location, marking};
pub use parameters::FieldError;
pub use policy::{Options, Policies, Policy, PolicyConflict, PolicyError, Warning};
pub use reason::Reason;
pub use value::{Categories, Category, Clearance, DuplicateCategory, Kind, Label, PrivacyMark};
pub use xml::Place;
