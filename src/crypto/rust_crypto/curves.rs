//! The NIST curves of RustCrypto behind one name each.
//!
//! Promises: a point is on its curve before a secret touches it; a digest shorter than the curve is
//! padded as FIPS 186-5 says, not refused.
//! Refuses: hybrid and described points. Standards: FIPS 186-5 §6, SEC 1 §2.3, RFC 5480 §2.2.

use zeroize::Zeroizing;

use super::{RustCrypto, failed};
use crate::crypto::algorithm::Curve;
use crate::crypto::keys::Secret;
use crate::crypto::provider::{BadSignature, CryptoError, Provider};

/// Runs `$body` with the crate of `$curve` under the name `$crate_name`.
macro_rules! with_curve {
    ($curve:expr, $crate_name:ident => $body:expr) => {
        match $curve {
            Curve::P256 => {
                use p256 as $crate_name;
                $body
            }
            Curve::P384 => {
                use p384 as $crate_name;
                $body
            }
            Curve::P521 => {
                use p521 as $crate_name;
                $body
            }
        }
    };
}

// RFC 5480 §2.2: uncompressed or compressed; the hybrid form is not allowed.
fn is_plain_point(point: &[u8]) -> bool {
    matches!(point.first(), Some(2..=4))
}

/// Whether the key at `point` made this DER signature over something with this digest.
pub(super) fn verify(
    curve: Curve,
    point: &[u8],
    hashed: &[u8],
    signature: &[u8],
) -> Result<(), BadSignature> {
    use p384::ecdsa::signature::hazmat::PrehashVerifier;
    if !is_plain_point(point) {
        return Err(BadSignature::BadKey("the point has an unusual form"));
    }
    // FIPS 186-5 §6.4.2: the digest as a number; the crate refuses those below half the curve.
    let mut number = vec![0; curve.field_length().saturating_sub(hashed.len())];
    number.extend_from_slice(hashed);
    with_curve!(curve, curve => {
        let key = curve::ecdsa::VerifyingKey::from_sec1_bytes(point)
            .map_err(|_| BadSignature::BadKey("the point is not on the curve"))?;
        let signature = curve::ecdsa::Signature::from_der(signature)
            .map_err(|_| BadSignature::Invalid)?;
        key.verify_prehash(&number, &signature)
    })
    .map_err(|_| BadSignature::Invalid)
}

/// The DER signature over something with this digest.
pub(super) fn sign(curve: Curve, scalar: &Secret, hashed: &[u8]) -> Result<Vec<u8>, CryptoError> {
    use p384::ecdsa::signature::hazmat::PrehashSigner;
    with_curve!(curve, curve => {
        let key = curve::SecretKey::from_slice(scalar.as_bytes()).map_err(failed)?;
        let key = curve::ecdsa::SigningKey::from(&key);
        let signature: curve::ecdsa::DerSignature = key.sign_prehash(hashed).map_err(failed)?;
        Ok(signature.as_bytes().to_vec())
    })
}

/// The secret shared with the key at `peer_point`.
pub(super) fn agree(
    curve: Curve,
    scalar: &Secret,
    peer_point: &[u8],
) -> Result<Secret, CryptoError> {
    if !is_plain_point(peer_point) {
        return Err(CryptoError::BadKey("the peer's point has an unusual form"));
    }
    with_curve!(curve, curve => {
        let key = curve::SecretKey::from_slice(scalar.as_bytes()).map_err(failed)?;
        let peer = curve::PublicKey::from_sec1_bytes(peer_point).map_err(failed)?;
        let shared: curve::ecdh::SharedSecret =
            curve::ecdh::diffie_hellman(key.to_nonzero_scalar(), peer.as_affine());
        Ok(Secret::new(shared.raw_secret_bytes().to_vec()))
    })
}

/// The uncompressed point of this scalar.
pub(super) fn public_point(curve: Curve, scalar: &Secret) -> Result<Vec<u8>, CryptoError> {
    use p384::elliptic_curve::sec1::ToSec1Point;
    with_curve!(curve, curve => {
        let key = curve::SecretKey::from_slice(scalar.as_bytes()).map_err(failed)?;
        Ok(key.public_key().to_sec1_point(false).as_bytes().to_vec())
    })
}

/// A fresh scalar.
pub(super) fn fresh_scalar(curve: Curve) -> Result<Secret, CryptoError> {
    // A random string is a scalar in range but for a chance of about 2^-32 or less.
    for _ in 0..8 {
        let mut scalar = Zeroizing::new(vec![0; curve.field_length()]);
        RustCrypto.random(&mut scalar)?;
        if let (Curve::P521, Some(first)) = (curve, scalar.first_mut()) {
            *first &= 1;
        }
        let is_scalar = with_curve!(curve, curve => curve::SecretKey::from_slice(&scalar).is_ok());
        if is_scalar {
            return Ok(Secret::new(scalar.to_vec()));
        }
    }
    Err(CryptoError::NoRandomness)
}

/// The scalar in a PKCS #8 key of this curve.
pub(super) fn scalar_of(curve: Curve, pkcs8_der: &[u8]) -> Result<Secret, CryptoError> {
    use pkcs8::DecodePrivateKey;
    with_curve!(curve, curve => {
        let key = curve::SecretKey::from_pkcs8_der(pkcs8_der).map_err(failed)?;
        Ok(Secret::new(key.to_bytes().to_vec()))
    })
}

/// PKCS #8 of this scalar.
pub(super) fn pkcs8(curve: Curve, scalar: &Secret) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
    use pkcs8::EncodePrivateKey;
    with_curve!(curve, curve => {
        let key = curve::SecretKey::from_slice(scalar.as_bytes()).map_err(failed)?;
        let der = key.to_pkcs8_der().map_err(failed)?;
        Ok(Zeroizing::new(der.as_bytes().to_vec()))
    })
}
