//! The key that wraps the content key, out of an agreed secret.
//!
//! Duty: ECC-CMS-SharedInfo, and the key derivations over it, for both directions.
//! Promises: SharedInfo holds the wrap algorithm's octets exactly as they stand in the message.
//! Standards: RFC 5753 sections 7.1.4, 7.2; RFC 8418 section 2.2; SEC 1 section 3.6.1.

use const_oid::ObjectIdentifier;

use crate::crypto::algorithm::{Digest, KeyDerivation, KeyWrap};
use crate::crypto::ber::Node;
use crate::crypto::hkdf;
use crate::crypto::keys::Secret;
use crate::crypto::provider::{self, CryptoError};

/// The derivation of a key agreement algorithm that we read: with SHA-2, after standard or cofactor
/// Diffie-Hellman, which are the same on curves of prime order.
pub(super) fn derivation(algorithm: &ObjectIdentifier) -> Option<KeyDerivation> {
    KeyDerivation::from_oid(algorithm).filter(|derivation| derivation.digest() != Digest::Sha1)
}

/// The key-encryption key.
pub(super) fn key_encryption_key(
    derivation: KeyDerivation,
    secret: &Secret,
    wrap: KeyWrap,
    wrap_algorithm: &[u8],
    user_keying_material: Option<&[u8]>,
) -> Result<Secret, CryptoError> {
    let length = wrap.key_length();
    let info = shared_info(wrap_algorithm, user_keying_material, length);
    match derivation {
        KeyDerivation::X963(digest) | KeyDerivation::X963Cofactor(digest) => {
            Ok(x963(digest, secret, &info, length))
        }
        // RFC 8418 §2.2: ukm, where there is one, is the salt too.
        KeyDerivation::Hkdf(digest) => hkdf::derive(
            digest,
            user_keying_material.unwrap_or_default(),
            secret.as_bytes(),
            &info,
            length,
        ),
    }
}

fn x963(digest: Digest, secret: &Secret, info: &[u8], length: usize) -> Secret {
    let mut key = zeroize::Zeroizing::new(Vec::with_capacity(length));
    let mut counter = 0_u32;
    // SEC 1 §3.6.1: hash(Z || counter || SharedInfo), counter from 1.
    while key.len() < length {
        counter = counter.saturating_add(1);
        let block = zeroize::Zeroizing::new(
            provider::default().digest(digest, &[secret.as_bytes(), &counter.to_be_bytes(), info]),
        );
        let wanted = length.saturating_sub(key.len());
        key.extend(block.iter().take(wanted));
    }
    Secret::new(key.to_vec())
}

// RFC 5753 §7.2
fn shared_info(
    wrap_algorithm: &[u8],
    user_keying_material: Option<&[u8]>,
    length: usize,
) -> Vec<u8> {
    let bits = u32::try_from(length.saturating_mul(8)).unwrap_or(u32::MAX);
    let mut fields = vec![Node::encoded(wrap_algorithm)];
    if let Some(material) = user_keying_material {
        fields.push(Node::explicit(0, Node::octet_string(material)));
    }
    fields.push(Node::explicit(
        2,
        Node::octet_string(bits.to_be_bytes().to_vec()),
    ));
    Node::sequence(fields).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_info_is_the_published_octets() {
        let aes256 = KeyWrap::Aes256.algorithm_der();
        assert_eq!(
            shared_info(&aes256, None, 32),
            [
                0x30, 0x15, 0x30, 0x0b, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x01,
                0x2d, 0xa2, 0x06, 0x04, 0x04, 0, 0, 1, 0
            ]
        );
        assert_eq!(
            shared_info(&aes256, Some(&[1, 2, 3, 4]), 32),
            [
                0x30, 0x1d, 0x30, 0x0b, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x01,
                0x2d, 0xa0, 0x06, 0x04, 0x04, 1, 2, 3, 4, 0xa2, 0x06, 0x04, 0x04, 0, 0, 1, 0
            ]
        );
    }

    #[test]
    fn every_input_changes_the_key_and_its_length_is_the_wraps() {
        let secret = Secret::new(vec![7; 48]);
        let key = |derivation, material: Option<&[u8]>, wrap: KeyWrap| {
            key_encryption_key(derivation, &secret, wrap, &wrap.algorithm_der(), material)
                .unwrap()
                .as_bytes()
                .to_vec()
        };
        let x963 = KeyDerivation::X963;
        let first = key(x963(Digest::Sha384), None, KeyWrap::Aes256);
        assert_eq!(first.len(), 32);
        assert_ne!(first, key(x963(Digest::Sha256), None, KeyWrap::Aes256));
        assert_ne!(
            first,
            key(x963(Digest::Sha384), Some(b"u"), KeyWrap::Aes256)
        );
        assert_ne!(first, key(x963(Digest::Sha384), None, KeyWrap::Aes256Pad));
        let hkdf = KeyDerivation::Hkdf(Digest::Sha384);
        assert_ne!(first, key(hkdf, None, KeyWrap::Aes256));
        assert_ne!(
            key(hkdf, None, KeyWrap::Aes256),
            key(hkdf, Some(b"u"), KeyWrap::Aes256)
        );
        let cofactor = KeyDerivation::X963Cofactor(Digest::Sha384);
        assert_eq!(first, key(cofactor, None, KeyWrap::Aes256));
        assert_eq!(key(x963(Digest::Sha256), None, KeyWrap::Aes128).len(), 16);
        assert_eq!(key(x963(Digest::Sha256), None, KeyWrap::Aes192).len(), 24);
    }

    #[test]
    fn sha_1_and_unknown_agreements_are_not_read() {
        let read = |oid: &str| derivation(&ObjectIdentifier::new_unwrap(oid));
        let sha384 = Digest::Sha384;
        assert_eq!(read("1.3.132.1.11.2"), Some(KeyDerivation::X963(sha384)));
        assert_eq!(
            read("1.3.132.1.14.2"),
            Some(KeyDerivation::X963Cofactor(sha384))
        );
        assert_eq!(
            read("1.2.840.113549.1.9.16.3.20"),
            Some(KeyDerivation::Hkdf(sha384))
        );
        assert_eq!(read("1.3.133.16.840.63.0.2"), None);
        assert_eq!(read("1.2.840.113549.1.1.1"), None);
    }
}
