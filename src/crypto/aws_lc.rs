//! The default provider: aws-lc-rs for nearly all, RustCrypto for what it leaves out.
//!
//! Promises: private-key operations never leave aws-lc-rs. The second provider stands in only for
//! GCM tags shorter than 16 octets, 192-bit key wrap, and verifying PSS with an unusual salt.
//! Refuses: RSA below 2048 bits, hybrid points, nonces other than 12 octets.
//! Standards: as [`super::provider`].

use std::sync::Arc;

use aws_lc_rs::aead::{self, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::agreement::{self, ECDH_P256, ECDH_P384, ECDH_P521};
use aws_lc_rs::cipher::{
    AES_128, AES_192, AES_256, DecryptingKey, DecryptionContext, EncryptionContext,
    PaddedBlockEncryptingKey, UnboundCipherKey,
};
use aws_lc_rs::encoding::{AsBigEndian, AsDer, EcPublicKeyUncompressedBin, Pkcs8V1Der};
use aws_lc_rs::key_wrap::{self, AesBlockCipher, KeyEncryptionKey, KeyWrap as _};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{
    self, OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256, OAEP_SHA384_MGF1SHA384,
    OAEP_SHA512_MGF1SHA512, OaepAlgorithm, OaepPrivateDecryptingKey, OaepPublicEncryptingKey,
    PrivateDecryptingKey, PublicEncryptingKey,
};
use aws_lc_rs::signature::{
    self, EcdsaKeyPair, EcdsaSigningAlgorithm, KeyPair as _, RsaEncoding, UnparsedPublicKey,
    VerificationAlgorithm,
};
use aws_lc_rs::{digest, hmac, pbkdf2};
use zeroize::Zeroizing;

use super::algorithm::{
    ContentCipher, Curve, Digest, ID_EC, ID_RSA, KeyKind, KeyWrap, Mode, SignatureScheme,
    rsa_public_key_der,
};
use super::certificate::PublicKey;
use super::keys::{PrivateKey, Secret, pkcs8_kind};
use super::padding;
use super::provider::{BadSignature, CryptoError, GcmSealed, Provider};
use super::rust_crypto::RustCrypto;

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

    fn wrap_key(&self, wrap: KeyWrap, kek: &[u8], key: &[u8]) -> Result<Vec<u8>, CryptoError> {
        let Some(cipher) = wrap_cipher(wrap) else {
            return RustCrypto.wrap_key(wrap, kek, key);
        };
        if kek.len() != wrap.key_length() {
            return Err(CryptoError::BadKey(
                "the key-encryption key has the wrong length",
            ));
        }
        let mut out = vec![0; key.len().saturating_add(8)];
        let wrapped = KeyEncryptionKey::new(cipher, kek)
            .and_then(|kek| kek.wrap(key, &mut out).map(|wrapped| wrapped.len()))
            .map_err(failed)?;
        out.truncate(wrapped);
        Ok(out)
    }

    fn unwrap_key(&self, wrap: KeyWrap, kek: &[u8], wrapped: &[u8]) -> Result<Secret, CryptoError> {
        let Some(cipher) = wrap_cipher(wrap) else {
            return RustCrypto.unwrap_key(wrap, kek, wrapped);
        };
        if kek.len() != wrap.key_length() {
            return Err(CryptoError::BadKey(
                "the key-encryption key has the wrong length",
            ));
        }
        let mut out = Zeroizing::new(vec![0; wrapped.len()]);
        let length = KeyEncryptionKey::new(cipher, kek)
            .and_then(|kek| kek.unwrap(wrapped, &mut out).map(|key| key.len()))
            .map_err(failed)?;
        let key = out.get(..length).ok_or(CryptoError::Failed)?;
        Ok(Secret::new(key.to_vec()))
    }

    fn cbc_encrypt(
        &self,
        cipher: ContentCipher,
        key: &[u8],
        iv: &[u8],
        plaintext: &[u8],
    ) -> Result<Vec<u8>, CryptoError> {
        let key = PaddedBlockEncryptingKey::cbc_pkcs7(cbc_key(cipher, key)?).map_err(failed)?;
        let iv = cbc_iv(iv)?;
        let mut out = Vec::with_capacity(plaintext.len().saturating_add(16));
        out.extend_from_slice(plaintext);
        key.less_safe_encrypt(&mut out, EncryptionContext::Iv128(iv.into()))
            .map_err(failed)?;
        Ok(out)
    }

    fn cbc_decrypt(
        &self,
        cipher: ContentCipher,
        key: &[u8],
        iv: &[u8],
        ciphertext: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
        // Unpadded, so that the padding is taken off by our own code in constant time.
        let key = DecryptingKey::cbc(cbc_key(cipher, key)?).map_err(failed)?;
        let iv = cbc_iv(iv)?;
        let mut out = Zeroizing::new(ciphertext.to_vec());
        key.decrypt(&mut out, DecryptionContext::Iv128(iv.into()))
            .map_err(failed)?;
        padding::remove(&mut out)?;
        Ok(out)
    }

    fn gcm_seal(
        &self,
        cipher: ContentCipher,
        key: &[u8],
        nonce: &[u8],
        associated: &[u8],
        plaintext: &[u8],
    ) -> Result<GcmSealed, CryptoError> {
        let key = LessSafeKey::new(gcm_key(cipher, key)?);
        let nonce = Nonce::try_assume_unique_for_key(nonce)
            .map_err(|_| CryptoError::BadKey("a nonce has 12 octets"))?;
        let mut ciphertext = plaintext.to_vec();
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
        if tag.len() != 16 {
            // RFC 5084 §3.2 allows 12 to 16; aws-lc-rs knows 16 only.
            return RustCrypto.gcm_open(cipher, key, nonce, associated, ciphertext, tag);
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
        match kind {
            KeyKind::Ec(curve) => {
                let pair = EcdsaKeyPair::generate(ecdsa_signing(curve)).map_err(failed)?;
                let pkcs8 = pair.to_pkcs8v1().map_err(failed)?;
                self.load_key(pkcs8.as_ref())
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
                self.load_key(pkcs8.as_ref())
            }
        }
    }

    fn load_key(&self, pkcs8_der: &[u8]) -> Result<Arc<dyn PrivateKey>, CryptoError> {
        let rejected = |_| CryptoError::BadKey("it is malformed, weak or inconsistent");
        let pkcs8 = Secret::new(pkcs8_der.to_vec());
        match pkcs8_kind(pkcs8_der)? {
            (ID_EC, Some(curve)) => {
                let pair =
                    EcdsaKeyPair::from_pkcs8(ecdsa_signing(curve), pkcs8_der).map_err(rejected)?;
                let agreement = agreement::PrivateKey::from_private_key_der(ecdh(curve), pkcs8_der)
                    .map_err(rejected)?;
                let spki = curve.public_key_der(pair.public_key().as_ref());
                Ok(Arc::new(EcKey {
                    curve,
                    pair,
                    agreement,
                    spki,
                    pkcs8,
                }))
            }
            (ID_RSA, _) => {
                let pair = rsa::KeyPair::from_pkcs8(pkcs8_der).map_err(rejected)?;
                let decrypting = PrivateDecryptingKey::from_pkcs8(pkcs8_der).map_err(rejected)?;
                let decrypting = OaepPrivateDecryptingKey::new(decrypting).map_err(failed)?;
                let spki = rsa_public_key_der(pair.public_key().as_ref());
                Ok(Arc::new(RsaKey {
                    pair,
                    decrypting,
                    spki,
                    pkcs8,
                }))
            }
            _ => Err(CryptoError::Unsupported(
                "private keys other than EC and RSA",
            )),
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

    fn public_spki(&self) -> &[u8] {
        &self.spki
    }

    fn pkcs8(&self) -> Option<Secret> {
        Some(self.pkcs8.clone())
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

fn wrap_cipher(wrap: KeyWrap) -> Option<&'static AesBlockCipher> {
    match wrap {
        KeyWrap::Aes128 => Some(&key_wrap::AES_128),
        KeyWrap::Aes192 => None,
        KeyWrap::Aes256 => Some(&key_wrap::AES_256),
    }
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
