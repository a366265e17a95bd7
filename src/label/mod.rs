//! Security labels, clearances and the policies that give them meaning. Pure: no I/O, no cryptography.
//!
//! A label and a clearance are plain values ([`Label`], [`Clearance`]); one file per syntax turns them
//! into octets and back; a [`Policy`] is a compiled SPIF; [`access::authorize`] is the decision.
//!
//! Where to read, first to last:
//! - `value` (what a label is), `policy` (what gives it meaning), `validity` (may it be so), `access` (who may
//!   read it, and why), `compiled` with `bits` (the same over masks, without reasons).
//! - A SPIF becomes a policy: `xml` (elements with line and column), `spif_head`, `spif`, `spif_items`,
//!   `spif_fields` (each element and attribute once), `spif_link` (references, then the masks).
//! - Octets: `der` and `ber`, `ess` (labels), `clearance`, and the three syntaxes of categories inside
//!   both: `category` (ACP 145, and which one a policy names), `missi`, `named` (RFC 3114).
//! - Text: `nato` with `nato_write`, `xmpp`, `sio` with `parameters` and `history`, `naming` (the text form),
//!   `text` (markings by a table), `detect` (which of all these it is).
//! - Several policies, labels or clearances: `equivalence`, `combine`, `update`, `intersection`.
//! - For people: `marking`, `explain`, `cases`; `lint*` and `diff` with their `search`.
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
pub mod intersection;
pub mod lint;
mod lint_clearances;
mod lint_mapping;
mod lint_pair;
pub mod explain;
pub mod marked;
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
