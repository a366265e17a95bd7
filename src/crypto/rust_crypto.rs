//! The second provider: RustCrypto, for machines without a C compiler and as a second opinion.
//!
//! Promises: where both providers do an operation, the results agree (`differential`).
//! Refuses: Ed25519 and X25519 keys (`Unsupported`). RSA private-key operations are blinded, but not
//! proven constant in time: prefer aws-lc-rs where keys are used on a network's command. So PKCS #1
//! v1.5 is not decrypted here at all.
//! Standards: as [`super::provider`].

use std::convert::Infallible;
use std::sync::Arc;

use aes::cipher::KeyInit;
use aes::cipher::consts::{U12, U16};
use aes::{Aes128, Aes192, Aes256};
use aes_gcm::AesGcm;
use aes_gcm::aead::AeadInOut;
use aes_kw::{AesKw, AesKwp};
use hmac::{Hmac, Mac};
use pkcs8::{DecodePrivateKey, EncodePrivateKey};
use rsa::pkcs1::{DecodeRsaPublicKey, EncodeRsaPublicKey};
use rsa::rand_core::{TryCryptoRng, TryRng};
use rsa::traits::PublicKeyParts;
use rsa::{Oaep, Pkcs1v15Sign, Pss, RsaPrivateKey, RsaPublicKey};
use sha1::Sha1;
use sha2::{Digest as _, Sha256, Sha384, Sha512};
use zeroize::Zeroizing;

use super::algorithm::{
    ContentCipher, Curve, Digest, ID_EC, ID_ED25519, ID_RSA, ID_X25519, KeyKind, KeyWrap,
    SignatureScheme, rsa_public_key_der,
};
use super::certificate::PublicKey;
use super::keys::{PrivateKey, Secret, pkcs8_kind};
use super::provider::{BadSignature, CryptoError, GcmSealed, Provider};

mod ciphers;
mod curves;
mod keys;

use ciphers::{check_cbc, check_gcm, decrypt_blocks, encrypt_blocks, open_blocks};
use keys::{EcKey, RsaKey};

/// Operations by the RustCrypto crates.
pub struct RustCrypto;

const NO_25519: &str = "Ed25519 and X25519 in the pure Rust provider";

/// Runs `$body` with the type name `$hash` standing for the hash of `$digest`.
macro_rules! with_hash {
    ($digest:expr, $hash:ident => $body:expr) => {
        match $digest {
            Digest::Sha1 => {
                type $hash = Sha1;
                $body
            }
            Digest::Sha256 => {
                type $hash = Sha256;
                $body
            }
            Digest::Sha384 => {
                type $hash = Sha384;
                $body
            }
            Digest::Sha512 => {
                type $hash = Sha512;
                $body
            }
        }
    };
}

use with_hash;

/// Runs `$body` with the type name `$aes` standing for AES with a key of `$length` octets.
macro_rules! with_aes {
    ($length:expr, $aes:ident => $body:expr) => {
        match $length {
            16 => {
                type $aes = Aes128;
                $body
            }
            24 => {
                type $aes = Aes192;
                $body
            }
            _ => {
                type $aes = Aes256;
                $body
            }
        }
    };
}

impl Provider for RustCrypto {
    fn name(&self) -> &'static str {
        "RustCrypto"
    }

    fn random(&self, out: &mut [u8]) -> Result<(), CryptoError> {
        getrandom::fill(out).map_err(|_| CryptoError::NoRandomness)
    }

    fn digest(&self, digest: Digest, parts: &[&[u8]]) -> Vec<u8> {
        with_hash!(digest, Hash => {
            let mut hash = Hash::new();
            for part in parts {
                hash.update(part);
            }
            hash.finalize().to_vec()
        })
    }

    fn hmac(&self, digest: Digest, key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
        with_hash!(digest, Hash => {
            // A key of any length is good for HMAC; the fallback cannot come to pass.
            let Ok(mut mac) = <Hmac<Hash> as KeyInit>::new_from_slice(key) else {
                return Vec::new();
            };
            for part in parts {
                mac.update(part);
            }
            mac.finalize().into_bytes().to_vec()
        })
    }

    fn verify(
        &self,
        spki_der: &[u8],
        scheme: &SignatureScheme,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), BadSignature> {
        let key =
            PublicKey::from_spki(spki_der).map_err(|_| BadSignature::BadKey("it is malformed"))?;
        match (scheme, &key) {
            (SignatureScheme::Ecdsa(digest), PublicKey::Ec(curve, point)) => {
                let hashed = self.digest(*digest, &[message]);
                curves::verify(*curve, point, &hashed, signature)
            }
            (SignatureScheme::RsaPkcs1(digest), PublicKey::Rsa { bits, der }) => {
                let key = rsa_public(*bits, der).map_err(|_| BadSignature::BadKey(RSA_SIZE))?;
                let hashed = self.digest(*digest, &[message]);
                with_hash!(digest, Hash => {
                    key.verify(Pkcs1v15Sign::new::<Hash>(), &hashed, signature)
                })
                .map_err(|_| BadSignature::Invalid)
            }
            (
                SignatureScheme::RsaPss {
                    digest,
                    salt_length,
                },
                PublicKey::Rsa { bits, der },
            ) => {
                let key = rsa_public(*bits, der).map_err(|_| BadSignature::BadKey(RSA_SIZE))?;
                let hashed = self.digest(*digest, &[message]);
                with_hash!(digest, Hash => {
                    key.verify(Pss::<Hash>::new_with_salt(*salt_length), &hashed, signature)
                })
                .map_err(|_| BadSignature::Invalid)
            }
            (SignatureScheme::Ed25519, PublicKey::Ed25519(_)) => {
                Err(BadSignature::Unsupported(NO_25519))
            }
            _ => Err(BadSignature::BadKey(
                "key and scheme are of different kinds",
            )),
        }
    }

    fn agree_ephemeral_each(
        &self,
        curve: Curve,
        peer_points: &[&[u8]],
    ) -> Result<(Vec<u8>, Vec<Secret>), CryptoError> {
        let scalar = curves::fresh_scalar(curve)?;
        let secrets = peer_points
            .iter()
            .map(|peer| curves::agree(curve, &scalar, peer))
            .collect::<Result<_, _>>()?;
        Ok((curves::public_point(curve, &scalar)?, secrets))
    }

    fn agree_x25519_each(&self, _: &[&[u8]]) -> Result<(Vec<u8>, Vec<Secret>), CryptoError> {
        Err(CryptoError::Unsupported(NO_25519))
    }

    fn wrap_key(&self, wrap: KeyWrap, kek: &[u8], key: &[u8]) -> Result<Vec<u8>, CryptoError> {
        check_kek(wrap, kek)?;
        // RFC 3394 §2: at least two blocks of 64 bits. RFC 5649 §3: at least one octet.
        if key.len() < if wrap.is_padded() { 1 } else { 16 } {
            return Err(CryptoError::Failed);
        }
        let mut out = vec![0; key.len().next_multiple_of(8).saturating_add(8)];
        with_aes!(wrap.key_length(), Aes => match wrap.is_padded() {
            false => AesKw::<Aes>::new_from_slice(kek)
                .map_err(failed)?
                .wrap_key(key, &mut out)
                .map(|_| ()),
            true => AesKwp::<Aes>::new_from_slice(kek)
                .map_err(failed)?
                .wrap_key(key, &mut out)
                .map(|_| ()),
        })
        .map_err(failed)?;
        Ok(out)
    }

    fn unwrap_key(&self, wrap: KeyWrap, kek: &[u8], wrapped: &[u8]) -> Result<Secret, CryptoError> {
        check_kek(wrap, kek)?;
        let length = wrapped.len().checked_sub(8).ok_or(CryptoError::Failed)?;
        if length < if wrap.is_padded() { 8 } else { 16 } {
            return Err(CryptoError::Failed);
        }
        let mut out = Zeroizing::new(vec![0; length]);
        let key = with_aes!(wrap.key_length(), Aes => match wrap.is_padded() {
            false => AesKw::<Aes>::new_from_slice(kek)
                .map_err(failed)?
                .unwrap_key(wrapped, &mut out)
                .map(<[u8]>::to_vec),
            true => AesKwp::<Aes>::new_from_slice(kek)
                .map_err(failed)?
                .unwrap_key(wrapped, &mut out)
                .map(<[u8]>::to_vec),
        })
        .map_err(failed)?;
        Ok(Secret::new(key))
    }

    fn cbc_encrypt_owned(
        &self,
        cipher: ContentCipher,
        key: &[u8],
        iv: &[u8],
        plaintext: Vec<u8>,
    ) -> Result<Vec<u8>, CryptoError> {
        check_cbc(cipher, key, iv)?;
        // RFC 5652 §6.3
        let count = 16usize.saturating_sub(plaintext.len() & 15);
        let mut out = plaintext;
        let octet = u8::try_from(count).map_err(failed)?;
        out.reserve_exact(count);
        out.resize(out.len().saturating_add(count), octet);
        with_aes!(cipher.key_length(), Aes => encrypt_blocks::<Aes>(key, iv, &mut out)?);
        Ok(out)
    }

    fn cbc_decrypt_blocks(
        &self,
        cipher: ContentCipher,
        key: &[u8],
        iv: &[u8],
        ciphertext: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
        check_cbc(cipher, key, iv)?;
        let mut out = Zeroizing::new(ciphertext.to_vec());
        with_aes!(cipher.key_length(), Aes => decrypt_blocks::<Aes>(key, iv, &mut out)?);
        Ok(out)
    }

    fn gcm_seal_owned(
        &self,
        cipher: ContentCipher,
        key: &[u8],
        nonce: &[u8],
        associated: &[u8],
        plaintext: Vec<u8>,
    ) -> Result<GcmSealed, CryptoError> {
        check_gcm(cipher, key)?;
        let nonce: [u8; 12] = nonce
            .try_into()
            .map_err(|_| CryptoError::BadKey("a nonce has 12 octets"))?;
        let mut ciphertext = plaintext;
        let tag: [u8; 16] = with_aes!(cipher.key_length(), Aes => {
            AesGcm::<Aes, U12, U16>::new_from_slice(key)
                .map_err(failed)?
                .encrypt_inout_detached(&nonce.into(), associated, ciphertext.as_mut_slice().into())
                .map_err(failed)?
                .into()
        });
        Ok(GcmSealed { ciphertext, tag })
    }

    fn gcm_open(
        &self,
        cipher: ContentCipher,
        key: &[u8],
        nonce: &[u8],
        associated: &[u8],
        ciphertext: &[u8],
        tag: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
        check_gcm(cipher, key)?;
        let nonce: [u8; 12] = nonce.try_into().map_err(failed)?;
        let mut out = Zeroizing::new(ciphertext.to_vec());
        // RFC 5084 §3.2 allows 12 to 16 octets; a shorter tag is a weaker one.
        with_aes!(cipher.key_length(), Aes => {
            open_blocks::<Aes>(key, nonce, associated, &mut out, tag)
        })?;
        Ok(out)
    }

    fn oaep_encrypt(
        &self,
        spki_der: &[u8],
        digest: Digest,
        secret: &[u8],
    ) -> Result<Vec<u8>, CryptoError> {
        let Ok(PublicKey::Rsa { bits, der }) = PublicKey::from_spki(spki_der) else {
            return Err(CryptoError::BadKey("is not an RSA key"));
        };
        let key = rsa_public(bits, &der)?;
        with_hash!(digest, Hash => key.encrypt(&mut System, Oaep::<Hash>::new(), secret))
            .map_err(failed)
    }

    fn generate_key(&self, kind: KeyKind) -> Result<Arc<dyn PrivateKey>, CryptoError> {
        match kind {
            KeyKind::Ec(curve) => {
                let scalar = curves::fresh_scalar(curve)?;
                self.load_key(&curves::pkcs8(curve, &scalar)?)
            }
            KeyKind::Rsa(bits @ (2048 | 3072 | 4096)) => {
                let bits = usize::try_from(bits).map_err(failed)?;
                let key = RsaPrivateKey::new(&mut System, bits).map_err(failed)?;
                self.load_key(key.to_pkcs8_der().map_err(failed)?.as_bytes())
            }
            KeyKind::Rsa(_) => Err(CryptoError::Unsupported("RSA keys of this length")),
            KeyKind::Ed25519 | KeyKind::X25519 => Err(CryptoError::Unsupported(NO_25519)),
        }
    }

    fn load_key(&self, pkcs8_der: &[u8]) -> Result<Arc<dyn PrivateKey>, CryptoError> {
        let rejected = CryptoError::BadKey("it is malformed, weak or inconsistent");
        let pkcs8 = Secret::new(pkcs8_der.to_vec());
        match pkcs8_kind(pkcs8_der)? {
            (ID_EC, Some(curve)) => {
                let scalar = curves::scalar_of(curve, pkcs8_der).map_err(|_| rejected)?;
                let spki = curve.public_key_der(&curves::public_point(curve, &scalar)?);
                Ok(Arc::new(EcKey {
                    curve,
                    scalar,
                    spki,
                    pkcs8,
                }))
            }
            (ID_RSA, _) => {
                let key = RsaPrivateKey::from_pkcs8_der(pkcs8_der).map_err(|_| rejected)?;
                key.validate().map_err(|_| rejected)?;
                let public = key.to_public_key();
                if public.size() < 256 {
                    return Err(CryptoError::BadKey(RSA_SIZE));
                }
                let spki = public.to_pkcs1_der().map_err(|_| rejected)?;
                let spki = rsa_public_key_der(spki.as_bytes());
                Ok(Arc::new(RsaKey { key, spki, pkcs8 }))
            }
            (ID_ED25519 | ID_X25519, _) => Err(CryptoError::Unsupported(NO_25519)),
            _ => Err(CryptoError::Unsupported("private keys of this kind")),
        }
    }

    fn pbkdf2(
        &self,
        digest: Digest,
        password: &[u8],
        salt: &[u8],
        iterations: u32,
        length: usize,
    ) -> Result<Secret, CryptoError> {
        if iterations == 0 {
            return Err(CryptoError::Failed);
        }
        let mut out = Zeroizing::new(vec![0; length]);
        with_hash!(digest, Hash => {
            pbkdf2::pbkdf2_hmac::<Hash>(password, salt, iterations, &mut out);
        });
        Ok(Secret::new(out.to_vec()))
    }
}

const RSA_SIZE: &str = "is not an RSA key of 2048 to 8192 bits";

/// The operating system's randomness in the shape that RustCrypto asks for.
struct System;

impl TryRng for System {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut octets = [0; 4];
        self.try_fill_bytes(&mut octets)?;
        Ok(u32::from_le_bytes(octets))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut octets = [0; 8];
        self.try_fill_bytes(&mut octets)?;
        Ok(u64::from_le_bytes(octets))
    }

    // Without randomness no key is safe: stop, as `clock` does.
    #[allow(clippy::expect_used)]
    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        getrandom::fill(out).expect("the operating system gives random octets");
        Ok(())
    }
}

impl TryCryptoRng for System {}

fn failed<E>(_: E) -> CryptoError {
    CryptoError::Failed
}

fn check_kek(wrap: KeyWrap, kek: &[u8]) -> Result<(), CryptoError> {
    if kek.len() == wrap.key_length() {
        return Ok(());
    }
    Err(CryptoError::BadKey(
        "the key-encryption key has the wrong length",
    ))
}

/// Whether an RSA key of a historic size, 1024 to 2047 bits, made this signature: for old messages
/// that a person looks at. Says nothing of keys of today's sizes.
pub(crate) fn verifies_historic(
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
    let Ok(key) = RsaPublicKey::from_pkcs1_der(der) else {
        return false;
    };
    let Some(digest) = scheme.digest() else {
        return false;
    };
    let hashed = RustCrypto.digest(digest, &[message]);
    with_hash!(digest, Hash => match scheme {
        SignatureScheme::RsaPkcs1(_) => {
            key.verify(Pkcs1v15Sign::new::<Hash>(), &hashed, signature)
        }
        SignatureScheme::RsaPss { salt_length, .. } => {
            key.verify(Pss::<Hash>::new_with_salt(*salt_length), &hashed, signature)
        }
        _ => return false,
    })
    .is_ok()
}

fn rsa_public(bits: usize, pkcs1: &[u8]) -> Result<RsaPublicKey, CryptoError> {
    if !(2048..=8192).contains(&bits) {
        return Err(CryptoError::BadKey(RSA_SIZE));
    }
    RsaPublicKey::from_pkcs1_der(pkcs1).map_err(|_| CryptoError::BadKey(RSA_SIZE))
}
