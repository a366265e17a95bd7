//! Bytes and what they say. Pure: no I/O, no cryptography, no policy.
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

pub mod address;
pub mod binary;
pub mod content_type;
pub mod domain;
pub mod encoded_word;
pub mod envelope;
pub mod header;
pub mod id;
pub mod line;
pub mod mailbox;
pub mod military;
pub mod mime;
pub mod precedence;
pub mod protection;
pub mod received;
pub mod service;
pub mod status;
pub mod text;
pub mod xtext;

pub use id::{DraftId, EntryId, MessageId};
pub use precedence::{Precedence, mt_priority};
