//! A private key on a token, as the rest of the house sees it.
//!
//! Promises: a signature that the token made verifies before it is given away; a point that is not on
//! the curve never reaches the token; every ciphertext that a present token does not open is one and
//! the same failure; a token that is away is told apart from that.
//! Refuses: what a software key refuses too (see `aws_lc::keys`).
//! Standards: PKCS #11 §6.1 (RSA), §6.3 (EC); RFC 8017 §7.1, §8, §9.2; FIPS 186-5.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};

use cryptoki::error::Error;
use cryptoki::mechanism::elliptic_curve::{EcKdf, Ecdh1DeriveParams};
use cryptoki::mechanism::rsa::{PkcsMgfType, PkcsOaepParams, PkcsOaepSource, PkcsPssParams};
use cryptoki::mechanism::{Mechanism, MechanismType};
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::Session;

use super::module::{self, Token, locked};
use super::session::Stopped;
use super::{TokenError, TokenUri, ecdsa, oaep, objects};
use crate::crypto::algorithm::{Curve, Digest, SignatureScheme};
use crate::crypto::certificate::PublicKey;
use crate::crypto::keys::{PrivateKey, Secret};
use crate::crypto::provider::{self, CryptoError};
use crate::crypto::tlv;

/// A key on a token. The key itself is not here.
pub(super) struct TokenKey {
    token: Arc<Token>,
    uri: TokenUri,
    spki: Vec<u8>,
    kind: Kind,
    /// Where the key is, and since which start of the module.
    handle: Mutex<Option<(u64, ObjectHandle)>>,
    /// The digests, one bit each, for which the token does not take OAEP off itself.
    bare: AtomicU8,
}

enum Kind {
    Ec(Curve),
    /// With the octets of its modulus.
    Rsa(usize),
}

impl TokenKey {
    /// The key that the name fits.
    pub fn find(uri: &TokenUri, pin: Option<&str>) -> Result<Self, TokenError> {
        let token = module::token(uri, pin)?;
        let spki = token.lookup(|session| {
            let key = objects::private_key(session, uri)?;
            objects::spki(session, key)
        })?;
        let malformed = TokenError::Form("its public half is malformed");
        let kind = match PublicKey::from_spki(&spki).map_err(|_| malformed)? {
            PublicKey::Ec(curve, _) => Kind::Ec(curve),
            PublicKey::Rsa { bits, .. } => Kind::Rsa(bits.div_ceil(8)),
            _ => return Err(TokenError::Form("it is neither RSA nor on a NIST curve")),
        };
        Ok(Self {
            token,
            uri: uri.clone(),
            spki,
            kind,
            handle: Mutex::new(None),
            bare: AtomicU8::new(0),
        })
    }

    fn run<T>(
        &self,
        work: impl Fn(&Session, ObjectHandle) -> Result<T, Error>,
    ) -> Result<T, Stopped> {
        let gone = || {
            Error::Pkcs11(
                cryptoki::error::RvError::KeyHandleInvalid,
                cryptoki::context::Function::FindObjects,
            )
        };
        self.token.run(
            |session, start| {
                let handle = self.handle(session, start).ok_or_else(gone)?;
                let done = work(session, handle);
                if done.is_err() {
                    // It may have been put on the token anew.
                    *locked(&self.handle) = None;
                }
                done
            },
            |session, start| {
                // Found again and readable: then it is not the token that is at fault.
                self.handle(session, start).is_some_and(|handle| {
                    session
                        .get_attributes(handle, &[AttributeType::KeyType])
                        .is_ok_and(|found| !found.is_empty())
                })
            },
        )
    }

    fn handle(&self, session: &Session, start: u64) -> Option<ObjectHandle> {
        let known = *locked(&self.handle);
        if let Some((since, handle)) = known
            && since == start
        {
            return Some(handle);
        }
        let found = objects::private_key(session, &self.uri).ok()?;
        *locked(&self.handle) = Some((start, found));
        Some(found)
    }

    fn raw_signature(
        &self,
        mechanism: &Mechanism<'_>,
        data: &[u8],
    ) -> Result<Vec<u8>, CryptoError> {
        self.run(|session, key| session.sign(mechanism, key, data))
            .map_err(|stopped| self.told(stopped, "sign"))
    }

    /// What a caller hears; the log hears why.
    fn told(&self, stopped: Stopped, act: &'static str) -> CryptoError {
        match stopped {
            Stopped::Input => CryptoError::Failed,
            Stopped::Token(error) => {
                tracing::warn!(key = %self.uri, %error, "a token could not {act}");
                CryptoError::Away
            }
            // A key without the right to it, or a token that has no such operation: no message can
            // help it.
            Stopped::Way(error) => {
                tracing::warn!(key = %self.uri, error, "a token does not {act} with this key");
                CryptoError::Away
            }
        }
    }

    /// The bare operation on the token, the padding here.
    fn decrypt_bare(&self, digest: Digest, ciphertext: &[u8]) -> Result<Secret, CryptoError> {
        let Kind::Rsa(length) = self.kind else {
            return Err(CryptoError::BadKey("an EC key does not decrypt"));
        };
        let block = self
            .run(|session, key| {
                session
                    .decrypt(&Mechanism::RsaX509, key, ciphertext)
                    .map(Secret::new)
            })
            .map_err(|stopped| self.told(stopped, "decrypt"))?;
        oaep::decoded(block.as_bytes(), length, digest).ok_or(CryptoError::Failed)
    }
}

impl PrivateKey for TokenKey {
    fn sign(&self, scheme: &SignatureScheme, message: &[u8]) -> Result<Vec<u8>, CryptoError> {
        let signature = match (&self.kind, scheme) {
            (Kind::Ec(curve), SignatureScheme::Ecdsa(digest)) if *digest == curve.digest() => {
                let hash = provider::default().digest(*digest, &[message]);
                let raw = self.raw_signature(&Mechanism::Ecdsa, &hash)?;
                ecdsa::signature_der(*curve, &raw).ok_or(CryptoError::Failed)?
            }
            (_, SignatureScheme::RsaPkcs1(Digest::Sha1))
            | (
                _,
                SignatureScheme::RsaPss {
                    digest: Digest::Sha1,
                    ..
                },
            ) => {
                return Err(CryptoError::Unsupported("signing with SHA-1"));
            }
            (Kind::Rsa(_), SignatureScheme::RsaPkcs1(digest)) => {
                self.raw_signature(&Mechanism::RsaPkcs, &digest_info(*digest, message))?
            }
            (
                Kind::Rsa(_),
                SignatureScheme::RsaPss {
                    digest,
                    salt_length,
                },
            ) if *salt_length == digest.length() => {
                let hash = provider::default().digest(*digest, &[message]);
                let (hash_alg, mgf) = hash_names(*digest);
                let salt = u64::try_from(*salt_length).map_err(|_| CryptoError::Failed)?;
                let parameters = PkcsPssParams {
                    hash_alg,
                    mgf,
                    s_len: salt.into(),
                };
                self.raw_signature(&Mechanism::RsaPkcsPss(parameters), &hash)?
            }
            _ => return Err(CryptoError::Unsupported("this scheme with this key")),
        };
        // A faulty signature can tell the key (RFC 8017 §5.2.1 by the remainders); none goes out.
        match provider::default().verify(&self.spki, scheme, message, &signature) {
            Ok(()) => Ok(signature),
            Err(_) => {
                tracing::error!(key = %self.uri, "a token made a signature that does not verify");
                Err(CryptoError::Away)
            }
        }
    }

    fn agree(&self, peer_point: &[u8]) -> Result<Secret, CryptoError> {
        let Kind::Ec(curve) = self.kind else {
            return Err(CryptoError::BadKey("an RSA key does not agree"));
        };
        if !ecdsa::is_point(curve, peer_point) {
            return Err(CryptoError::Failed);
        }
        let length = u64::try_from(curve.field_length()).map_err(|_| CryptoError::Failed)?;
        // RFC 5753 §7.1.4: the x coordinate, whole; the derivation is done by the caller.
        let template = [
            Attribute::Class(ObjectClass::SECRET_KEY),
            Attribute::KeyType(KeyType::GENERIC_SECRET),
            Attribute::Token(false),
            Attribute::Private(true),
            Attribute::Sensitive(false),
            Attribute::Extractable(true),
            Attribute::ValueLen(length.into()),
        ];
        let secret = self
            .run(|session, key| {
                let mechanism =
                    Mechanism::Ecdh1Derive(Ecdh1DeriveParams::new(EcKdf::null(), peer_point));
                let derived = session.derive_key(&mechanism, key, &template)?;
                let value = session.get_attributes(derived, &[AttributeType::Value]);
                // Gone with the session at the latest.
                let _ = session.destroy_object(derived);
                Ok(value?.into_iter().find_map(|attribute| match attribute {
                    Attribute::Value(octets) => Some(Secret::new(octets)),
                    _ => None,
                }))
            })
            .map_err(|stopped| self.told(stopped, "agree"))?;
        secret
            .filter(|secret| secret.len() == curve.field_length())
            .ok_or(CryptoError::Failed)
    }

    fn decrypt_oaep(&self, digest: Digest, ciphertext: &[u8]) -> Result<Secret, CryptoError> {
        let Kind::Rsa(length) = self.kind else {
            return Err(CryptoError::BadKey("an EC key does not decrypt"));
        };
        if ciphertext.len() != length {
            return Err(CryptoError::Failed);
        }
        if self.bare.load(Ordering::Relaxed) & bit(digest) == 0 {
            let opened = self.run(|session, key| {
                let (hash, mask) = hash_names(digest);
                let parameters = PkcsOaepParams::new(hash, mask, PkcsOaepSource::empty());
                session
                    .decrypt(&Mechanism::RsaPkcsOaep(parameters), key, ciphertext)
                    .map(Secret::new)
            });
            match opened {
                Ok(secret) => return Ok(secret),
                // This digest is not the token's: said before anything was decrypted.
                Err(Stopped::Way(_)) => {
                    self.bare.fetch_or(bit(digest), Ordering::Relaxed);
                }
                Err(other) => return Err(self.told(other, "decrypt")),
            }
        }
        self.decrypt_bare(digest, ciphertext)
    }

    fn public_spki(&self) -> &[u8] {
        &self.spki
    }
}

fn bit(digest: Digest) -> u8 {
    match digest {
        Digest::Sha1 => 1,
        Digest::Sha256 => 2,
        Digest::Sha384 => 4,
        Digest::Sha512 => 8,
    }
}

fn hash_names(digest: Digest) -> (MechanismType, PkcsMgfType) {
    match digest {
        Digest::Sha1 => (MechanismType::SHA1, PkcsMgfType::MGF1_SHA1),
        Digest::Sha256 => (MechanismType::SHA256, PkcsMgfType::MGF1_SHA256),
        Digest::Sha384 => (MechanismType::SHA384, PkcsMgfType::MGF1_SHA384),
        Digest::Sha512 => (MechanismType::SHA512, PkcsMgfType::MGF1_SHA512),
    }
}

// RFC 8017 §9.2: the token pads, and writes no DigestInfo.
fn digest_info(digest: Digest, message: &[u8]) -> Vec<u8> {
    let hash = provider::default().digest(digest, &[message]);
    tlv::sequence(&[
        &tlv::sequence(&[&tlv::oid(&digest.oid()), tlv::NULL]),
        &tlv::element(tlv::OCTET_STRING, &[&hash]),
    ])
}
