//! The default provider: aws-lc-rs for nearly all, RustCrypto for what it leaves out.
//!
//! Promises: private-key operations never leave aws-lc-rs. The second provider stands in only for
//! 192-bit key wrap, and for verifying what is old: PSS with an unusual salt, ECDSA with SHA-1, RSA
//! keys of 1024 to 2047 bits where the caller asks for these.
//! Refuses: RSA below 2048 bits, hybrid points, nonces other than 12 octets.
//! Standards: as [`super::provider`].

use std::sync::Arc;

use aws_lc_rs::aead::{self, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::agreement::{self, ECDH_P256, ECDH_P384, ECDH_P521, X25519};
use aws_lc_rs::cipher::{
    AES_128, AES_192, AES_256, DecryptingKey, DecryptionContext, EncryptionContext,
    PaddedBlockEncryptingKey, UnboundCipherKey,
};
use aws_lc_rs::encoding::{AsBigEndian, EcPublicKeyUncompressedBin};
use aws_lc_rs::key_wrap::{
    self, AesBlockCipher, KeyEncryptionKey, KeyWrap as _, KeyWrapPadded as _,
};
use aws_lc_rs::rsa::{
    OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256, OAEP_SHA384_MGF1SHA384, OAEP_SHA512_MGF1SHA512,
    OaepAlgorithm, OaepPublicEncryptingKey, PublicEncryptingKey,
};
use aws_lc_rs::signature::{self, EcdsaSigningAlgorithm, UnparsedPublicKey, VerificationAlgorithm};
use aws_lc_rs::{digest, hmac, pbkdf2};
use zeroize::Zeroizing;

use super::algorithm::{ContentCipher, Curve, Digest, KeyKind, KeyWrap, Mode, SignatureScheme};
use super::certificate::PublicKey;
use super::keys::{PrivateKey, Secret};
use super::provider::{BadSignature, CryptoError, GCM_TAG, GcmSealed, Provider};
use super::rust_crypto::RustCrypto;

mod keys;

/// Operations by aws-lc-rs.
pub struct AwsLc;

impl Provider for AwsLc {
    fn name(&self) -> &'static str {
        "aws-lc-rs"
    }

    fn random(&self, out: &mut [u8]) -> Result<(), CryptoError> {
        aws_lc_rs::rand::fill(out).map_err(|_| CryptoError::NoRandomness)
    }

    fn digest(&self, digest: Digest, parts: &[&[u8]]) -> Vec<u8> {
        let mut context = digest::Context::new(match digest {
            Digest::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            Digest::Sha256 => &digest::SHA256,
            Digest::Sha384 => &digest::SHA384,
            Digest::Sha512 => &digest::SHA512,
        });
        for part in parts {
            context.update(part);
        }
        context.finish().as_ref().to_vec()
    }

    fn hmac(&self, digest: Digest, key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
        let algorithm = match digest {
            Digest::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            Digest::Sha256 => hmac::HMAC_SHA256,
            Digest::Sha384 => hmac::HMAC_SHA384,
            Digest::Sha512 => hmac::HMAC_SHA512,
        };
        let mut context = hmac::Context::with_key(&hmac::Key::new(algorithm, key));
        for part in parts {
            context.update(part);
        }
        context.sign().as_ref().to_vec()
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
        let (algorithm, octets): (&'static dyn VerificationAlgorithm, &[u8]) = match (scheme, &key)
        {
            // aws-lc-rs leaves it out; verification touches no secret.
            (SignatureScheme::Ecdsa(Digest::Sha1), _) => {
                return RustCrypto.verify(spki_der, scheme, message, signature);
            }
            (SignatureScheme::Ecdsa(digest), PublicKey::Ec(curve, point)) => {
                if !is_plain_point(point) {
                    return Err(BadSignature::BadKey("the point has an unusual form"));
                }
                (ecdsa_verification(*curve, *digest)?, point)
            }
            (SignatureScheme::Ed25519, PublicKey::Ed25519(point)) => (&signature::ED25519, point),
            (SignatureScheme::RsaPkcs1(digest), PublicKey::Rsa { der, .. }) => {
                (rsa_verification(*digest), der)
            }
            (
                SignatureScheme::RsaPss {
                    digest,
                    salt_length,
                },
                PublicKey::Rsa { der, .. },
            ) => {
                match pss_verification(*digest) {
                    Some(algorithm) if *salt_length == digest.length() => (algorithm, der),
                    // aws-lc-rs fixes the salt when it is built; verification touches no secret.
                    _ => return RustCrypto.verify(spki_der, scheme, message, signature),
                }
            }
            _ => {
                return Err(BadSignature::BadKey(
                    "key and scheme are of different kinds",
                ));
            }
        };
        UnparsedPublicKey::new(algorithm, octets)
            .verify(message, signature)
            .map_err(|_| BadSignature::Invalid)
    }

    fn agree_ephemeral_each(
        &self,
        curve: Curve,
        peer_points: &[&[u8]],
    ) -> Result<(Vec<u8>, Vec<Secret>), CryptoError> {
        let key = agreement::PrivateKey::generate(ecdh(curve)).map_err(failed)?;
        let public = key.compute_public_key().map_err(failed)?;
        let point: EcPublicKeyUncompressedBin<'_> = public.as_be_bytes().map_err(failed)?;
        let secrets = peer_points
            .iter()
            .map(|peer| agree(&key, curve, peer))
            .collect::<Result<_, _>>()?;
        Ok((point.as_ref().to_vec(), secrets))
    }

    fn agree_x25519_each(
        &self,
        peer_keys: &[&[u8]],
    ) -> Result<(Vec<u8>, Vec<Secret>), CryptoError> {
        let key = agreement::PrivateKey::generate(&X25519).map_err(failed)?;
        let public = key.compute_public_key().map_err(failed)?;
        let secrets = peer_keys
            .iter()
            .map(|peer| agree_x25519(&key, peer))
            .collect::<Result<_, _>>()?;
        Ok((public.as_ref().to_vec(), secrets))
    }

    fn wrap_key(&self, wrap: KeyWrap, kek: &[u8], key: &[u8]) -> Result<Vec<u8>, CryptoError> {
        let Some(cipher) = wrap_cipher(wrap) else {
            return RustCrypto.wrap_key(wrap, kek, key);
        };
        let kek = wrapping_key(wrap, cipher, kek)?;
        let mut out = vec![0; key.len().next_multiple_of(8).saturating_add(8)];
        let wrapped = match wrap.is_padded() {
            false => kek.wrap(key, &mut out).map(|wrapped| wrapped.len()),
            true => kek
                .wrap_with_padding(key, &mut out)
                .map(|wrapped| wrapped.len()),
        }
        .map_err(failed)?;
        out.truncate(wrapped);
        Ok(out)
    }

    fn unwrap_key(&self, wrap: KeyWrap, kek: &[u8], wrapped: &[u8]) -> Result<Secret, CryptoError> {
        let Some(cipher) = wrap_cipher(wrap) else {
            return RustCrypto.unwrap_key(wrap, kek, wrapped);
        };
        let kek = wrapping_key(wrap, cipher, kek)?;
        let mut out = Zeroizing::new(vec![0; wrapped.len()]);
        let length = match wrap.is_padded() {
            false => kek.unwrap(wrapped, &mut out).map(|key| key.len()),
            true => kek
                .unwrap_with_padding(wrapped, &mut out)
                .map(|key| key.len()),
        }
        .map_err(failed)?;
        let key = out.get(..length).ok_or(CryptoError::Failed)?;
        Ok(Secret::new(key.to_vec()))
    }

    fn cbc_encrypt_owned(
        &self,
        cipher: ContentCipher,
        key: &[u8],
        iv: &[u8],
        plaintext: Vec<u8>,
    ) -> Result<Vec<u8>, CryptoError> {
        let key = PaddedBlockEncryptingKey::cbc_pkcs7(cbc_key(cipher, key)?).map_err(failed)?;
        let iv = cbc_iv(iv)?;
        let mut out = plaintext;
        out.reserve_exact(16);
        key.less_safe_encrypt(&mut out, EncryptionContext::Iv128(iv.into()))
            .map_err(failed)?;
        Ok(out)
    }

    fn cbc_decrypt_blocks(
        &self,
        cipher: ContentCipher,
        key: &[u8],
        iv: &[u8],
        ciphertext: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
        let key = DecryptingKey::cbc(cbc_key(cipher, key)?).map_err(failed)?;
        let iv = cbc_iv(iv)?;
        let mut out = Zeroizing::new(ciphertext.to_vec());
        key.decrypt(&mut out, DecryptionContext::Iv128(iv.into()))
            .map_err(failed)?;
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
        let key = LessSafeKey::new(gcm_key(cipher, key)?);
        let nonce = Nonce::try_assume_unique_for_key(nonce)
            .map_err(|_| CryptoError::BadKey("a nonce has 12 octets"))?;
        let mut ciphertext = plaintext;
        let tag = key
            .seal_in_place_separate_tag(nonce, Aad::from(associated), &mut ciphertext)
            .map_err(failed)?;
        let tag = tag.as_ref().try_into().map_err(|_| CryptoError::Failed)?;
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
        // RFC 5084 §3.2 allows 12 to 16; a shorter tag is a weaker one.
        if tag.len() != GCM_TAG {
            return Err(CryptoError::Failed);
        }
        let key = LessSafeKey::new(gcm_key(cipher, key)?);
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(failed)?;
        let mut out = Zeroizing::new(vec![0; ciphertext.len()]);
        key.open_separate_gather(nonce, Aad::from(associated), ciphertext, tag, &mut out)
            .map_err(failed)?;
        Ok(out)
    }

    fn oaep_encrypt(
        &self,
        spki_der: &[u8],
        digest: Digest,
        secret: &[u8],
    ) -> Result<Vec<u8>, CryptoError> {
        let key = PublicEncryptingKey::from_der(spki_der)
            .map_err(|_| CryptoError::BadKey("is not an RSA key of 2048 to 8192 bits"))?;
        let key = OaepPublicEncryptingKey::new(key).map_err(failed)?;
        let mut out = vec![0; key.ciphertext_size()];
        let length = key
            .encrypt(oaep(digest), secret, &mut out, None)
            .map_err(failed)?
            .len();
        out.truncate(length);
        Ok(out)
    }

    fn generate_key(&self, kind: KeyKind) -> Result<Arc<dyn PrivateKey>, CryptoError> {
        keys::generate(kind)
    }

    fn load_key(&self, pkcs8_der: &[u8]) -> Result<Arc<dyn PrivateKey>, CryptoError> {
        keys::load(pkcs8_der)
    }

    fn pbkdf2(
        &self,
        digest: Digest,
        password: &[u8],
        salt: &[u8],
        iterations: u32,
        length: usize,
    ) -> Result<Secret, CryptoError> {
        let algorithm = match digest {
            Digest::Sha1 => pbkdf2::PBKDF2_HMAC_SHA1,
            Digest::Sha256 => pbkdf2::PBKDF2_HMAC_SHA256,
            Digest::Sha384 => pbkdf2::PBKDF2_HMAC_SHA384,
            Digest::Sha512 => pbkdf2::PBKDF2_HMAC_SHA512,
        };
        let iterations = iterations.try_into().map_err(|_| CryptoError::Failed)?;
        let mut out = Zeroizing::new(vec![0; length]);
        pbkdf2::derive(algorithm, iterations, salt, password, &mut out);
        Ok(Secret::new(out.to_vec()))
    }
}

fn failed(_: aws_lc_rs::error::Unspecified) -> CryptoError {
    CryptoError::Failed
}

// RFC 5480 §2.2: uncompressed or compressed; the hybrid form is not allowed.
fn is_plain_point(point: &[u8]) -> bool {
    matches!(point.first(), Some(2..=4))
}

fn agree(
    key: &agreement::PrivateKey,
    curve: Curve,
    peer_point: &[u8],
) -> Result<Secret, CryptoError> {
    if !is_plain_point(peer_point) {
        return Err(CryptoError::BadKey("the peer's point has an unusual form"));
    }
    // The library checks that the point is on the curve and is not the point at infinity.
    let peer = agreement::UnparsedPublicKey::new(ecdh(curve), peer_point);
    agreement::agree(key, peer, CryptoError::Failed, |shared| {
        Ok(Secret::new(shared.to_vec()))
    })
}

fn ecdh(curve: Curve) -> &'static agreement::Algorithm {
    match curve {
        Curve::P256 => &ECDH_P256,
        Curve::P384 => &ECDH_P384,
        Curve::P521 => &ECDH_P521,
    }
}

fn ecdsa_signing(curve: Curve) -> &'static EcdsaSigningAlgorithm {
    match curve {
        Curve::P256 => &signature::ECDSA_P256_SHA256_ASN1_SIGNING,
        Curve::P384 => &signature::ECDSA_P384_SHA384_ASN1_SIGNING,
        Curve::P521 => &signature::ECDSA_P521_SHA512_ASN1_SIGNING,
    }
}

fn ecdsa_verification(
    curve: Curve,
    digest: Digest,
) -> Result<&'static dyn VerificationAlgorithm, BadSignature> {
    Ok(match (curve, digest) {
        (Curve::P256, Digest::Sha256) => &signature::ECDSA_P256_SHA256_ASN1,
        (Curve::P256, Digest::Sha384) => &signature::ECDSA_P256_SHA384_ASN1,
        (Curve::P256, Digest::Sha512) => &signature::ECDSA_P256_SHA512_ASN1,
        (Curve::P384, Digest::Sha256) => &signature::ECDSA_P384_SHA256_ASN1,
        (Curve::P384, Digest::Sha384) => &signature::ECDSA_P384_SHA384_ASN1,
        (Curve::P384, Digest::Sha512) => &signature::ECDSA_P384_SHA512_ASN1,
        (Curve::P521, Digest::Sha256) => &signature::ECDSA_P521_SHA256_ASN1,
        (Curve::P521, Digest::Sha384) => &signature::ECDSA_P521_SHA384_ASN1,
        (Curve::P521, Digest::Sha512) => &signature::ECDSA_P521_SHA512_ASN1,
        (_, Digest::Sha1) => return Err(BadSignature::Unsupported("ECDSA with SHA-1")),
    })
}

fn rsa_verification(digest: Digest) -> &'static dyn VerificationAlgorithm {
    match digest {
        Digest::Sha1 => &signature::RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY,
        Digest::Sha256 => &signature::RSA_PKCS1_2048_8192_SHA256,
        Digest::Sha384 => &signature::RSA_PKCS1_2048_8192_SHA384,
        Digest::Sha512 => &signature::RSA_PKCS1_2048_8192_SHA512,
    }
}

fn pss_verification(digest: Digest) -> Option<&'static dyn VerificationAlgorithm> {
    match digest {
        Digest::Sha1 => None,
        Digest::Sha256 => Some(&signature::RSA_PSS_2048_8192_SHA256),
        Digest::Sha384 => Some(&signature::RSA_PSS_2048_8192_SHA384),
        Digest::Sha512 => Some(&signature::RSA_PSS_2048_8192_SHA512),
    }
}

fn agree_x25519(key: &agreement::PrivateKey, peer_key: &[u8]) -> Result<Secret, CryptoError> {
    if peer_key.len() != 32 {
        return Err(CryptoError::BadKey("an X25519 key has 32 octets"));
    }
    // RFC 7748 §6.1: the library refuses a secret of zeros.
    let peer = agreement::UnparsedPublicKey::new(&X25519, peer_key);
    agreement::agree(key, peer, CryptoError::Failed, |shared| {
        Ok(Secret::new(shared.to_vec()))
    })
}

fn wrap_cipher(wrap: KeyWrap) -> Option<&'static AesBlockCipher> {
    match wrap {
        KeyWrap::Aes128 | KeyWrap::Aes128Pad => Some(&key_wrap::AES_128),
        KeyWrap::Aes192 | KeyWrap::Aes192Pad => None,
        KeyWrap::Aes256 | KeyWrap::Aes256Pad => Some(&key_wrap::AES_256),
    }
}

fn wrapping_key(
    wrap: KeyWrap,
    cipher: &'static AesBlockCipher,
    kek: &[u8],
) -> Result<KeyEncryptionKey<AesBlockCipher>, CryptoError> {
    if kek.len() != wrap.key_length() {
        return Err(CryptoError::BadKey(
            "the key-encryption key has the wrong length",
        ));
    }
    KeyEncryptionKey::new(cipher, kek).map_err(failed)
}

fn cbc_key(cipher: ContentCipher, key: &[u8]) -> Result<UnboundCipherKey, CryptoError> {
    if cipher.mode() != Mode::Cbc {
        return Err(CryptoError::Unsupported("this cipher in CBC mode"));
    }
    let algorithm = match cipher.key_length() {
        16 => &AES_128,
        24 => &AES_192,
        _ => &AES_256,
    };
    UnboundCipherKey::new(algorithm, key)
        .map_err(|_| CryptoError::BadKey("the content key has the wrong length"))
}

fn cbc_iv(iv: &[u8]) -> Result<[u8; 16], CryptoError> {
    iv.try_into()
        .map_err(|_| CryptoError::BadKey("an initialisation vector has 16 octets"))
}

fn gcm_key(cipher: ContentCipher, key: &[u8]) -> Result<UnboundKey, CryptoError> {
    let algorithm = match cipher {
        ContentCipher::Aes128Gcm => &aead::AES_128_GCM,
        ContentCipher::Aes192Gcm => &aead::AES_192_GCM,
        ContentCipher::Aes256Gcm => &aead::AES_256_GCM,
        _ => return Err(CryptoError::Unsupported("this cipher in GCM mode")),
    };
    UnboundKey::new(algorithm, key)
        .map_err(|_| CryptoError::BadKey("the content key has the wrong length"))
}

fn oaep(digest: Digest) -> &'static OaepAlgorithm {
    match digest {
        Digest::Sha1 => &OAEP_SHA1_MGF1SHA1,
        Digest::Sha256 => &OAEP_SHA256_MGF1SHA256,
        Digest::Sha384 => &OAEP_SHA384_MGF1SHA384,
        Digest::Sha512 => &OAEP_SHA512_MGF1SHA512,
    }
}
