//! Layers of the Cryptographic Message Syntax, opened and made.
//!
//! - [`read`]: what a layer says, as slices of the octets received; nothing is believed yet.
//! - [`inflate`]: compressed layers, within bounds.
//! - [`verify`]: one report for each signer and countersigner. [`decrypt`]: content for a recipient.
//! - [`sign`], [`add_signer`], [`countersign`], [`envelope`]: layers of ours, in DER.
//! - [`receipt`]: signed receipts, made and held against what was sent.
//! - [`attribute`], [`oid`]: what these share; `identify`, `agreement`, `binding` and `rebuild`
//!   are theirs alone.
//!
//! Standards: RFC 5652 (CMS), 5083 and 5084 (AuthEnvelopedData, GCM), 5753 (elliptic curves),
//! 4055 and 4056 (PSS), 3560 (OAEP), 6211 and 8933 (algorithm protection).

pub mod add_signer;
mod agreement;
pub mod attribute;
mod binding;
pub mod countersign;
pub mod decrypt;
pub mod envelope;
mod identify;
pub mod inflate;
pub mod oid;
pub mod read;
pub mod receipt;
mod rebuild;
pub mod sign;
pub mod verify;
