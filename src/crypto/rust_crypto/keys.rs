//! Private keys in memory, used by RustCrypto.
//!
//! Promises: RSA is blinded; ECDSA nonces are derived from key and message (RFC 6979).
//! Refuses: signing with SHA-1, ECDSA with a digest that is not the curve's.
//! Standards: FIPS 186-5, RFC 8017.

use rsa::{Oaep, Pkcs1v15Sign, Pss, RsaPrivateKey};
use sha1::Sha1;
use sha2::{Sha256, Sha384, Sha512};

use super::{RustCrypto, System, curves, failed, with_hash};
use crate::crypto::algorithm::{Curve, Digest, SignatureScheme};
use crate::crypto::keys::{PrivateKey, Secret};
use crate::crypto::provider::{CryptoError, Provider};

pub(super) struct EcKey {
    pub(super) curve: Curve,
    pub(super) scalar: Secret,
    pub(super) spki: Vec<u8>,
    pub(super) pkcs8: Secret,
}

impl PrivateKey for EcKey {
    fn sign(&self, scheme: &SignatureScheme, message: &[u8]) -> Result<Vec<u8>, CryptoError> {
        let digest = self.curve.digest();
        if *scheme != SignatureScheme::Ecdsa(digest) {
            return Err(CryptoError::Unsupported("this scheme with this curve"));
        }
        let hashed = RustCrypto.digest(digest, &[message]);
        curves::sign(self.curve, &self.scalar, &hashed)
    }

    fn agree(&self, peer_point: &[u8]) -> Result<Secret, CryptoError> {
        curves::agree(self.curve, &self.scalar, peer_point)
    }

    fn decrypt_oaep(&self, _: Digest, _: &[u8]) -> Result<Secret, CryptoError> {
        Err(CryptoError::BadKey("an EC key does not decrypt"))
    }

    fn public_spki(&self) -> &[u8] {
        &self.spki
    }

    fn pkcs8(&self) -> Option<Secret> {
        Some(self.pkcs8.clone())
    }
}

pub(super) struct RsaKey {
    pub(super) key: RsaPrivateKey,
    pub(super) spki: Vec<u8>,
    pub(super) pkcs8: Secret,
}

impl PrivateKey for RsaKey {
    fn sign(&self, scheme: &SignatureScheme, message: &[u8]) -> Result<Vec<u8>, CryptoError> {
        let Some(digest @ (Digest::Sha256 | Digest::Sha384 | Digest::Sha512)) = scheme.digest()
        else {
            return Err(CryptoError::Unsupported("this scheme with an RSA key"));
        };
        let hashed = RustCrypto.digest(digest, &[message]);
        with_hash!(digest, Hash => match scheme {
            SignatureScheme::RsaPkcs1(_) => {
                self.key.sign_with_rng(&mut System, Pkcs1v15Sign::new::<Hash>(), &hashed)
            }
            SignatureScheme::RsaPss { salt_length, .. } => self.key.sign_with_rng(
                &mut System,
                Pss::<Hash>::new_blinded_with_salt(*salt_length),
                &hashed,
            ),
            _ => return Err(CryptoError::Unsupported("this scheme with an RSA key")),
        })
        .map_err(failed)
    }

    fn agree(&self, _: &[u8]) -> Result<Secret, CryptoError> {
        Err(CryptoError::BadKey("an RSA key does not agree"))
    }

    fn decrypt_oaep(&self, digest: Digest, ciphertext: &[u8]) -> Result<Secret, CryptoError> {
        with_hash!(digest, Hash => {
            self.key.decrypt_blinded(&mut System, Oaep::<Hash>::new(), ciphertext)
        })
        .map(Secret::new)
        .map_err(failed)
    }

    fn public_spki(&self) -> &[u8] {
        &self.spki
    }

    fn pkcs8(&self) -> Option<Secret> {
        Some(self.pkcs8.clone())
    }
}
