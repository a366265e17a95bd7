//! The door to cryptographic operations: one trait, two implementations, one default.
//!
//! Promises: both providers give the same answers (differential tests in `differential`);
//! a failure of decryption never says which check failed; keys come out as [`Secret`].
//! Refuses: what an implementation cannot do is [`CryptoError::Unsupported`], never a weaker way.
//! Standards: FIPS 180-4, 186-5, RFC 3394, 5084, 5649, 5652 §6.3, 7748, 8017.

use std::sync::Arc;

use zeroize::Zeroizing;

use super::algorithm::{ContentCipher, Curve, Digest, KeyKind, KeyWrap, SignatureScheme};
use super::keys::{PrivateKey, Secret};
use super::padding;

/// Why an operation did not give a result.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum CryptoError {
    /// The token that holds the key does not answer or does not do it: our own fault, and of no
    /// message.
    #[error("the token that holds the key is away, or does not do this")]
    Away,
    /// The key has the wrong kind, size or form for the operation.
    #[error("the key does not fit: {0}")]
    BadKey(&'static str),
    /// The operation failed. Deliberately says no more: padding, tag and length look alike.
    #[error("the cryptographic operation failed")]
    Failed,
    /// The operating system or the library gave no random octets.
    #[error("no randomness is to be had")]
    NoRandomness,
    /// This provider does not do this.
    #[error("not supported by this provider: {0}")]
    Unsupported(&'static str),
}

/// Why a signature is not accepted.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum BadSignature {
    /// The public key is malformed, or not of the scheme's kind.
    #[error("the public key does not fit the signature: {0}")]
    BadKey(&'static str),
    /// The signature does not belong to this message and key.
    #[error("the signature does not verify")]
    Invalid,
    /// Neither this provider nor its fallback knows the scheme.
    #[error("the signature cannot be verified here: {0}")]
    Unsupported(&'static str),
}

/// Ciphertext of GCM and its tag, apart, as CMS wants them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct GcmSealed {
    /// As long as the plaintext.
    pub ciphertext: Vec<u8>,
    /// The full tag.
    pub tag: [u8; 16],
}

/// Octets of a GCM nonce.
pub const GCM_NONCE: usize = 12;
/// Octets of a GCM tag that is made here.
pub const GCM_TAG: usize = 16;
/// Octets of a CBC initialisation vector.
pub const CBC_IV: usize = 16;

/// What a cryptographic library must do for Ravelin.
pub trait Provider: Send + Sync {
    /// Its name for people and for `inspect`.
    fn name(&self) -> &'static str;

    /// Fills `out` with random octets fit for keys.
    fn random(&self, out: &mut [u8]) -> Result<(), CryptoError>;

    /// Digest of the parts, one after the other.
    fn digest(&self, digest: Digest, parts: &[&[u8]]) -> Vec<u8>;

    /// HMAC of the parts, one after the other.
    fn hmac(&self, digest: Digest, key: &[u8], parts: &[&[u8]]) -> Vec<u8>;

    /// Verifies `signature` over `message` with the key in this SubjectPublicKeyInfo.
    fn verify(
        &self,
        spki_der: &[u8],
        scheme: &SignatureScheme,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), BadSignature>;

    /// One fresh key on `curve`, agreed with every peer: its uncompressed point, and one shared
    /// secret for each peer, as long as a field element.
    fn agree_ephemeral_each(
        &self,
        curve: Curve,
        peer_points: &[&[u8]],
    ) -> Result<(Vec<u8>, Vec<Secret>), CryptoError>;

    /// As [`Provider::agree_ephemeral_each`], for one peer.
    fn agree_ephemeral(
        &self,
        curve: Curve,
        peer_point: &[u8],
    ) -> Result<(Vec<u8>, Secret), CryptoError> {
        let (point, secrets) = self.agree_ephemeral_each(curve, &[peer_point])?;
        let secret = secrets.into_iter().next().ok_or(CryptoError::Failed)?;
        Ok((point, secret))
    }

    /// As [`Provider::agree_ephemeral_each`], on X25519: public keys and secrets have 32 octets.
    fn agree_x25519_each(&self, peer_keys: &[&[u8]])
    -> Result<(Vec<u8>, Vec<Secret>), CryptoError>;

    /// Wraps `key`: of a multiple of 8 octets and at least 16, or, by a wrap that pads, of at least
    /// one.
    fn wrap_key(&self, wrap: KeyWrap, kek: &[u8], key: &[u8]) -> Result<Vec<u8>, CryptoError>;

    /// Unwraps what [`Provider::wrap_key`] made.
    fn unwrap_key(&self, wrap: KeyWrap, kek: &[u8], wrapped: &[u8]) -> Result<Secret, CryptoError>;

    /// Encrypts with PKCS #7 padding.
    fn cbc_encrypt(
        &self,
        cipher: ContentCipher,
        key: &[u8],
        iv: &[u8],
        plaintext: &[u8],
    ) -> Result<Vec<u8>, CryptoError> {
        // The padding has at most one block: the copy has room for it.
        let mut copy = Vec::with_capacity(plaintext.len().saturating_add(16));
        copy.extend_from_slice(plaintext);
        self.cbc_encrypt_owned(cipher, key, iv, copy)
    }

    /// As [`Provider::cbc_encrypt`], in the vector of the plaintext.
    fn cbc_encrypt_owned(
        &self,
        cipher: ContentCipher,
        key: &[u8],
        iv: &[u8],
        plaintext: Vec<u8>,
    ) -> Result<Vec<u8>, CryptoError>;

    /// Decrypts whole blocks; what padding there is stays on.
    fn cbc_decrypt_blocks(
        &self,
        cipher: ContentCipher,
        key: &[u8],
        iv: &[u8],
        ciphertext: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, CryptoError>;

    /// Decrypts and takes the padding off, in constant time. Every failure is
    /// [`CryptoError::Failed`].
    fn cbc_decrypt(
        &self,
        cipher: ContentCipher,
        key: &[u8],
        iv: &[u8],
        ciphertext: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
        let mut out = self.cbc_decrypt_blocks(cipher, key, iv, ciphertext)?;
        padding::remove(&mut out)?;
        Ok(out)
    }

    /// Seals with a 12-octet nonce, which must never come twice under one key.
    fn gcm_seal(
        &self,
        cipher: ContentCipher,
        key: &[u8],
        nonce: &[u8],
        associated: &[u8],
        plaintext: &[u8],
    ) -> Result<GcmSealed, CryptoError> {
        self.gcm_seal_owned(cipher, key, nonce, associated, plaintext.to_vec())
    }

    /// As [`Provider::gcm_seal`], in the vector of the plaintext.
    fn gcm_seal_owned(
        &self,
        cipher: ContentCipher,
        key: &[u8],
        nonce: &[u8],
        associated: &[u8],
        plaintext: Vec<u8>,
    ) -> Result<GcmSealed, CryptoError>;

    /// Opens; the tag has 16 octets. Nothing is released before the tag is right.
    fn gcm_open(
        &self,
        cipher: ContentCipher,
        key: &[u8],
        nonce: &[u8],
        associated: &[u8],
        ciphertext: &[u8],
        tag: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, CryptoError>;

    /// RSAES-OAEP of a short secret, with `digest` for hash and mask and no label.
    fn oaep_encrypt(
        &self,
        spki_der: &[u8],
        digest: Digest,
        secret: &[u8],
    ) -> Result<Vec<u8>, CryptoError>;

    /// Makes a key.
    fn generate_key(&self, kind: KeyKind) -> Result<Arc<dyn PrivateKey>, CryptoError>;

    /// Takes an unencrypted PKCS #8 key: EC, RSA, Ed25519 or X25519.
    fn load_key(&self, pkcs8_der: &[u8]) -> Result<Arc<dyn PrivateKey>, CryptoError>;

    /// PBKDF2 with HMAC (RFC 8018 §5.2).
    fn pbkdf2(
        &self,
        digest: Digest,
        password: &[u8],
        salt: &[u8],
        iterations: u32,
        length: usize,
    ) -> Result<Secret, CryptoError>;

    /// AES-256-GCM for records at rest: makes a nonce and returns nonce, ciphertext and tag as one.
    fn aead_seal(
        &self,
        key: &[u8; 32],
        associated: &[u8],
        plaintext: &[u8],
    ) -> Result<Vec<u8>, CryptoError> {
        let mut nonce = [0; GCM_NONCE];
        self.random(&mut nonce)?;
        let sealed = self.gcm_seal(ContentCipher::Aes256Gcm, key, &nonce, associated, plaintext)?;
        let mut out = nonce.to_vec();
        out.extend_from_slice(&sealed.ciphertext);
        out.extend_from_slice(&sealed.tag);
        Ok(out)
    }

    /// Opens what [`Provider::aead_seal`] made.
    fn aead_open(
        &self,
        key: &[u8; 32],
        associated: &[u8],
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
        let (nonce, rest) = sealed
            .split_at_checked(GCM_NONCE)
            .ok_or(CryptoError::Failed)?;
        let body = rest.len().checked_sub(GCM_TAG).ok_or(CryptoError::Failed)?;
        let (ciphertext, tag) = rest.split_at_checked(body).ok_or(CryptoError::Failed)?;
        self.gcm_open(
            ContentCipher::Aes256Gcm,
            key,
            nonce,
            associated,
            ciphertext,
            tag,
        )
    }
}

/// The provider that the switch uses: aws-lc-rs, or RustCrypto under the feature `pure-rust`.
#[cfg(not(feature = "pure-rust"))]
pub fn default() -> &'static dyn Provider {
    &super::aws_lc::AwsLc
}

/// The provider that the switch uses: aws-lc-rs, or RustCrypto under the feature `pure-rust`.
#[cfg(feature = "pure-rust")]
pub fn default() -> &'static dyn Provider {
    &super::rust_crypto::RustCrypto
}
