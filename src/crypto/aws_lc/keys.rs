//! Private keys in memory, used by aws-lc-rs.
//!
//! Promises: a key that is loaded is consistent; what it cannot do it refuses.
//! Refuses: signing with SHA-1, ECDSA with a digest that is not the curve's, RSA below 2048 bits.
//! Standards: RFC 5958, 8410 §7, 8017; FIPS 186-5.

use std::sync::Arc;

use aws_lc_rs::agreement::{self, X25519};
use aws_lc_rs::encoding::{AsBigEndian, AsDer, Curve25519SeedBin, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{
    self, OaepPrivateDecryptingKey, Pkcs1PrivateDecryptingKey, PrivateDecryptingKey,
};
use aws_lc_rs::signature::{self, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RsaEncoding};
use zeroize::Zeroizing;

use super::{agree, agree_x25519, ecdh, ecdsa_signing, failed, oaep};
use crate::crypto::algorithm::{
    Curve, Digest, ID_EC, ID_ED25519, ID_RSA, ID_X25519, KeyKind, SignatureScheme,
    plain_public_key_der, rsa_public_key_der,
};
use crate::crypto::keys::{PrivateKey, Secret, pkcs8_kind, plain_pkcs8, plain_pkcs8_key};
use crate::crypto::provider::CryptoError;

/// Makes a key.
pub(super) fn generate(kind: KeyKind) -> Result<Arc<dyn PrivateKey>, CryptoError> {
    match kind {
        KeyKind::Ec(curve) => {
            let pair = EcdsaKeyPair::generate(ecdsa_signing(curve)).map_err(failed)?;
            let pkcs8 = pair.to_pkcs8v1().map_err(failed)?;
            load(pkcs8.as_ref())
        }
        KeyKind::Ed25519 => {
            let pair = Ed25519KeyPair::generate().map_err(failed)?;
            let pkcs8 = pair.to_pkcs8v1().map_err(failed)?;
            load(pkcs8.as_ref())
        }
        KeyKind::Rsa(bits) => {
            let size = match bits {
                2048 => rsa::KeySize::Rsa2048,
                3072 => rsa::KeySize::Rsa3072,
                4096 => rsa::KeySize::Rsa4096,
                _ => return Err(CryptoError::Unsupported("RSA keys of this length")),
            };
            let pair = rsa::KeyPair::generate(size).map_err(failed)?;
            let pkcs8: Pkcs8V1Der<'_> = pair.as_der().map_err(failed)?;
            load(pkcs8.as_ref())
        }
        KeyKind::X25519 => {
            let key = agreement::PrivateKey::generate(&X25519).map_err(failed)?;
            let seed: Curve25519SeedBin<'_> = key.as_be_bytes().map_err(failed)?;
            load(&plain_pkcs8(&ID_X25519, seed.as_ref()))
        }
    }
}

/// Takes a key from PKCS #8.
pub(super) fn load(pkcs8_der: &[u8]) -> Result<Arc<dyn PrivateKey>, CryptoError> {
    const REJECTED: CryptoError = CryptoError::BadKey("it is malformed, weak or inconsistent");
    let pkcs8 = Secret::new(pkcs8_der.to_vec());
    match pkcs8_kind(pkcs8_der)? {
        (ID_EC, Some(curve)) => {
            let pair =
                EcdsaKeyPair::from_pkcs8(ecdsa_signing(curve), pkcs8_der).map_err(|_| REJECTED)?;
            let agreement = agreement::PrivateKey::from_private_key_der(ecdh(curve), pkcs8_der)
                .map_err(|_| REJECTED)?;
            let spki = curve.public_key_der(pair.public_key().as_ref());
            Ok(Arc::new(EcKey {
                curve,
                pair,
                agreement,
                spki,
                pkcs8,
            }))
        }
        (ID_ED25519, _) => {
            let pair =
                Ed25519KeyPair::from_pkcs8_maybe_unchecked(pkcs8_der).map_err(|_| REJECTED)?;
            let spki = plain_public_key_der(&ID_ED25519, pair.public_key().as_ref());
            Ok(Arc::new(Ed25519Key { pair, spki, pkcs8 }))
        }
        (ID_RSA, _) => {
            let pair = rsa::KeyPair::from_pkcs8(pkcs8_der).map_err(|_| REJECTED)?;
            let private = || PrivateDecryptingKey::from_pkcs8(pkcs8_der).map_err(|_| REJECTED);
            let decrypting = OaepPrivateDecryptingKey::new(private()?).map_err(failed)?;
            let old = Pkcs1PrivateDecryptingKey::new(private()?).map_err(failed)?;
            let spki = rsa_public_key_der(pair.public_key().as_ref());
            Ok(Arc::new(RsaKey {
                pair,
                decrypting,
                old,
                spki,
                pkcs8,
            }))
        }
        (ID_X25519, _) => {
            let scalar = plain_pkcs8_key(pkcs8_der)?;
            let key = agreement::PrivateKey::from_private_key(&X25519, scalar.as_bytes())
                .map_err(|_| REJECTED)?;
            let public = key.compute_public_key().map_err(failed)?;
            let spki = plain_public_key_der(&ID_X25519, public.as_ref());
            Ok(Arc::new(X25519Key { key, spki, pkcs8 }))
        }
        _ => Err(CryptoError::Unsupported("private keys of this kind")),
    }
}

struct EcKey {
    curve: Curve,
    pair: EcdsaKeyPair,
    agreement: agreement::PrivateKey,
    spki: Vec<u8>,
    pkcs8: Secret,
}

impl PrivateKey for EcKey {
    fn sign(&self, scheme: &SignatureScheme, message: &[u8]) -> Result<Vec<u8>, CryptoError> {
        // One digest for each curve: the one of its strength (RFC 8755 §4 for P-384).
        if *scheme != SignatureScheme::Ecdsa(self.curve.digest()) {
            return Err(CryptoError::Unsupported("this scheme with this curve"));
        }
        let signature = self
            .pair
            .sign(&SystemRandom::new(), message)
            .map_err(failed)?;
        Ok(signature.as_ref().to_vec())
    }

    fn agree(&self, peer_point: &[u8]) -> Result<Secret, CryptoError> {
        agree(&self.agreement, self.curve, peer_point)
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

struct RsaKey {
    pair: rsa::KeyPair,
    decrypting: OaepPrivateDecryptingKey,
    old: Pkcs1PrivateDecryptingKey,
    spki: Vec<u8>,
    pkcs8: Secret,
}

impl PrivateKey for RsaKey {
    fn sign(&self, scheme: &SignatureScheme, message: &[u8]) -> Result<Vec<u8>, CryptoError> {
        let encoding: &'static dyn RsaEncoding = match scheme {
            SignatureScheme::RsaPkcs1(Digest::Sha256) => &signature::RSA_PKCS1_SHA256,
            SignatureScheme::RsaPkcs1(Digest::Sha384) => &signature::RSA_PKCS1_SHA384,
            SignatureScheme::RsaPkcs1(Digest::Sha512) => &signature::RSA_PKCS1_SHA512,
            SignatureScheme::RsaPss {
                digest,
                salt_length,
            } if *salt_length == digest.length() => match digest {
                Digest::Sha256 => &signature::RSA_PSS_SHA256,
                Digest::Sha384 => &signature::RSA_PSS_SHA384,
                Digest::Sha512 => &signature::RSA_PSS_SHA512,
                Digest::Sha1 => return Err(CryptoError::Unsupported("signing with SHA-1")),
            },
            _ => return Err(CryptoError::Unsupported("this scheme with an RSA key")),
        };
        let mut out = vec![0; self.pair.public_modulus_len()];
        self.pair
            .sign(encoding, &SystemRandom::new(), message, &mut out)
            .map_err(failed)?;
        Ok(out)
    }

    fn agree(&self, _: &[u8]) -> Result<Secret, CryptoError> {
        Err(CryptoError::BadKey("an RSA key does not agree"))
    }

    fn decrypt_oaep(&self, digest: Digest, ciphertext: &[u8]) -> Result<Secret, CryptoError> {
        let mut out = Zeroizing::new(vec![0; self.decrypting.min_output_size()]);
        let length = self
            .decrypting
            .decrypt(oaep(digest), ciphertext, &mut out, None)
            .map_err(failed)?
            .len();
        let secret = out.get(..length).ok_or(CryptoError::Failed)?;
        Ok(Secret::new(secret.to_vec()))
    }

    // RFC 3218 §2.3: the caller goes on alike after either outcome.
    fn decrypt_pkcs1(&self, ciphertext: &[u8]) -> Result<Secret, CryptoError> {
        let mut out = Zeroizing::new(vec![0; self.old.min_output_size()]);
        let length = self
            .old
            .decrypt(ciphertext, &mut out)
            .map_err(failed)?
            .len();
        let secret = out.get(..length).ok_or(CryptoError::Failed)?;
        Ok(Secret::new(secret.to_vec()))
    }

    fn public_spki(&self) -> &[u8] {
        &self.spki
    }

    fn pkcs8(&self) -> Option<Secret> {
        Some(self.pkcs8.clone())
    }
}

struct Ed25519Key {
    pair: Ed25519KeyPair,
    spki: Vec<u8>,
    pkcs8: Secret,
}

impl PrivateKey for Ed25519Key {
    fn sign(&self, scheme: &SignatureScheme, message: &[u8]) -> Result<Vec<u8>, CryptoError> {
        if *scheme != SignatureScheme::Ed25519 {
            return Err(CryptoError::Unsupported("this scheme with an Ed25519 key"));
        }
        let signature = self.pair.try_sign(message).map_err(failed)?;
        Ok(signature.as_ref().to_vec())
    }

    fn agree(&self, _: &[u8]) -> Result<Secret, CryptoError> {
        Err(CryptoError::BadKey("an Ed25519 key does not agree"))
    }

    fn decrypt_oaep(&self, _: Digest, _: &[u8]) -> Result<Secret, CryptoError> {
        Err(CryptoError::BadKey("an Ed25519 key does not decrypt"))
    }

    fn public_spki(&self) -> &[u8] {
        &self.spki
    }

    fn pkcs8(&self) -> Option<Secret> {
        Some(self.pkcs8.clone())
    }
}

struct X25519Key {
    key: agreement::PrivateKey,
    spki: Vec<u8>,
    pkcs8: Secret,
}

impl PrivateKey for X25519Key {
    fn sign(&self, _: &SignatureScheme, _: &[u8]) -> Result<Vec<u8>, CryptoError> {
        Err(CryptoError::BadKey("an X25519 key does not sign"))
    }

    fn agree(&self, peer_key: &[u8]) -> Result<Secret, CryptoError> {
        agree_x25519(&self.key, peer_key)
    }

    fn decrypt_oaep(&self, _: Digest, _: &[u8]) -> Result<Secret, CryptoError> {
        Err(CryptoError::BadKey("an X25519 key does not decrypt"))
    }

    fn public_spki(&self) -> &[u8] {
        &self.spki
    }

    fn pkcs8(&self) -> Option<Secret> {
        Some(self.pkcs8.clone())
    }
}
