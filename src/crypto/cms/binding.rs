//! A content key that is bound to its cipher.
//!
//! Duty: the key that encrypts, out of the key that travels and the cipher's AlgorithmIdentifier.
//! Promises: the same key under another cipher is another key, so that content made for GCM cannot
//! be had decrypted, block by block, under CBC.
//! Standards: RFC 9709 section 3.

use crate::crypto::algorithm::Digest;
use crate::crypto::hkdf;
use crate::crypto::keys::Secret;
use crate::crypto::provider::CryptoError;

/// RFC 9709 §3
const SALT: &[u8] = b"The Cryptographic Message Syntax";

/// The key of `length` octets that encrypts with the cipher of this AlgorithmIdentifier.
pub(super) fn bound_key(
    key: &Secret,
    algorithm: &[u8],
    length: usize,
) -> Result<Secret, CryptoError> {
    hkdf::derive(Digest::Sha256, SALT, key.as_bytes(), algorithm, length)
}
