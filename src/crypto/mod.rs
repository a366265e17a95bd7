//! The only door to cryptography. Knows no mail words; no other room names a cryptographic crate.
//!
//! - Operations: [`algorithm`] (names), [`provider`] (the door), `aws_lc` and `rust_crypto`
//!   (behind it).
//! - Whose key: [`certificate`], [`directory`], [`keys`], [`pem`], [`pkcs12`], [`pbes2`], [`request`], [`token`],
//!   [`trust`], [`revocation`], [`clearance`] and [`attribute_certificate`] (what an authority says of
//!   a subject).
//! - Structures: `ber` (bounded reader, DER writer), [`cms`] (layers, opened and made), [`ess`]
//!   (attributes of RFC 2634 and RFC 5035).
//! - [`scram`]: what is kept of passwords, and the proof.
//! - [`lab`]: a small authority for demonstrations and tests.
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

pub mod algorithm;
pub mod attribute_certificate;
pub mod aws_lc;
pub mod ber;
pub mod certificate;
pub mod clearance;
pub mod cms;
#[cfg(test)]
mod differential;
pub mod directory;
pub mod ess;
mod hkdf;
pub mod keys;
pub mod lab;
mod padding;
pub mod pbes2;
pub mod pem;
pub mod pkcs12;
pub mod provider;
pub mod request;
pub mod revocation;
mod signed;
pub mod rust_crypto;
pub mod scram;
mod tlv;
pub mod token;
pub mod trust;
