//! RSA keys that the provider refuses for their size.
//!
//! Duty: tell a weak signature from a forged one, for old messages that a person looks at.
//! Promises: only PKCS#1 v1.5 and only keys from 1024 to 2047 bits are looked at here; the report
//! names the weakness, and policy refuses it.
//! Standards: RFC 8551 section 4.4 (historic key sizes).

use aws_lc_rs::signature::{
    RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
    RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY, UnparsedPublicKey, VerificationAlgorithm,
};

use crate::crypto::algorithm::{Digest, SignatureScheme};
use crate::crypto::certificate::PublicKey;

/// Whether this is a signature by a key of a historic size.
pub(super) fn verifies(
    key: &PublicKey,
    scheme: &SignatureScheme,
    message: &[u8],
    signature: &[u8],
) -> bool {
    let PublicKey::Rsa {
        bits: 1024..=2047,
        der,
    } = key
    else {
        return false;
    };
    let algorithm: &'static dyn VerificationAlgorithm = match scheme {
        SignatureScheme::RsaPkcs1(Digest::Sha1) => &RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY,
        SignatureScheme::RsaPkcs1(Digest::Sha256) => {
            &RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY
        }
        SignatureScheme::RsaPkcs1(Digest::Sha512) => {
            &RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY
        }
        _ => return false,
    };
    UnparsedPublicKey::new(algorithm, der)
        .verify(message, signature)
        .is_ok()
}
