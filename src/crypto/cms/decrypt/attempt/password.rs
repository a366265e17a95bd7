//! A content key under a password.
//!
//! Promises: the work that a message can ask for is bounded.
//! Refuses: other derivations than PBKDF2, other ciphers than AES-CBC.
//! Standards: RFC 5652 section 6.2.4; RFC 3211 section 2.3.

use zeroize::Zeroizing;

use crate::crypto::algorithm::{ContentCipher, Mode};
use crate::crypto::ber::{Reader, Tag};
use crate::crypto::cms::oid;
use crate::crypto::cms::read::{AlgorithmIdentifier, PasswordRecipient};
use crate::crypto::keys::Secret;
use crate::crypto::pbes2;
use crate::crypto::provider::{self, CBC_IV};

/// Rounds that a message may ask for: about half a second.
const MOST_ITERATIONS: u32 = 1_000_000;
/// Octets of a cipher block.
const BLOCK: usize = 16;

/// The content key, or nothing.
pub(super) fn content_key(recipient: &PasswordRecipient<'_>, password: &Secret) -> Option<Secret> {
    if recipient.algorithm.oid != oid::PWRI_KEK {
        return None;
    }
    let inner = AlgorithmIdentifier::parse(recipient.algorithm.parameters?, Default::default());
    let inner = inner.ok()?;
    let cipher = ContentCipher::from_oid(&inner.oid).filter(|cipher| cipher.mode() == Mode::Cbc)?;
    let mut reader = Reader::new(inner.parameters?, Default::default());
    let iv = reader
        .expect_string(Tag::OCTET_STRING)
        .ok()?
        .octets()
        .ok()?;
    let kek = pbes2::derived_key(
        recipient.derivation.as_deref()?,
        password.as_bytes(),
        cipher.key_length(),
        MOST_ITERATIONS,
    )
    .ok()?;
    unwrap(cipher, kek.as_bytes(), &iv, &recipient.encrypted_key)
}

// RFC 3211 §2.3.2: the last block is the initialisation vector of a first pass, whose result is
// decrypted once more under the vector of the parameters.
fn unwrap(cipher: ContentCipher, kek: &[u8], iv: &[u8], wrapped: &[u8]) -> Option<Secret> {
    let provider = provider::default();
    if wrapped.len() < 2 * BLOCK || !wrapped.len().is_multiple_of(BLOCK) || iv.len() != CBC_IV {
        return None;
    }
    let decrypt =
        |iv: &[u8], octets: &[u8]| provider.cbc_decrypt_blocks(cipher, kek, iv, octets).ok();
    let (front, last) = wrapped.split_at_checked(wrapped.len().checked_sub(BLOCK)?)?;
    let before = front.get(front.len().checked_sub(BLOCK)?..)?;
    let last = decrypt(before, last)?;
    let mut once = Zeroizing::new(decrypt(&last, front)?.to_vec());
    once.extend_from_slice(&last);
    let twice = decrypt(iv, &once)?;
    // Length, three check octets, the key, padding.
    let (length, rest) = twice.split_first()?;
    let (check, rest) = rest.split_at_checked(3)?;
    let key = rest.get(..usize::from(*length))?;
    let wrong = check
        .iter()
        .zip(key.get(..3)?)
        .fold(0, |wrong, (check, octet)| wrong | (check ^ !octet));
    (wrong == 0).then(|| Secret::new(key.to_vec()))
}
