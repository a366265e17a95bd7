//! What tokens write differently: ECDSA signatures, points, numbers.
//!
//! Promises: DER comes out; a signature of another length than the curve's is nothing.
//! Standards: PKCS #11 §6.3 (r and s side by side), RFC 3279 §2.2.3, RFC 5480 §2.2.

use der::asn1::OctetStringRef;
use der::{Decode, Encode};

use crate::crypto::algorithm::Curve;
use crate::crypto::tlv;

/// `SEQUENCE { r, s }` from r and s side by side.
// RFC 3279 §2.2.3
pub(super) fn signature_der(curve: Curve, raw: &[u8]) -> Option<Vec<u8>> {
    let (r, s) = raw.split_at_checked(curve.field_length())?;
    if s.len() != curve.field_length() {
        return None;
    }
    Some(tlv::sequence(&[&unsigned(r), &unsigned(s)]))
}

/// INTEGER from the octets of a number without a sign.
// X.690 §8.3.2: no leading zeros but the one that keeps it positive.
pub(super) fn unsigned(number: &[u8]) -> Vec<u8> {
    let start = number.iter().position(|octet| *octet != 0);
    let digits = start.and_then(|start| number.get(start..)).unwrap_or(&[0]);
    match digits.first() {
        Some(first) if *first >= 0x80 => tlv::element(tlv::INTEGER, &[&[0], digits]),
        _ => tlv::element(tlv::INTEGER, &[digits]),
    }
}

/// The uncompressed point in CKA_EC_POINT: an OCTET STRING in DER, or as some tokens have it, bare.
pub(super) fn point(curve: Curve, value: &[u8]) -> Option<Vec<u8>> {
    let bare = match <&OctetStringRef>::from_der(value) {
        Ok(inner) => inner.as_bytes(),
        Err(_) => value,
    };
    is_point(curve, bare).then(|| bare.to_vec())
}

/// Whether the octets are an uncompressed point of this curve: a token is asked nothing about others.
pub(super) fn is_point(curve: Curve, octets: &[u8]) -> bool {
    let on_curve = match curve {
        Curve::P256 => p256::PublicKey::from_sec1_bytes(octets).is_ok(),
        Curve::P384 => p384::PublicKey::from_sec1_bytes(octets).is_ok(),
        Curve::P521 => p521::PublicKey::from_sec1_bytes(octets).is_ok(),
    };
    let length = curve.field_length().saturating_mul(2).saturating_add(1);
    on_curve && octets.len() == length && octets.first() == Some(&4)
}

/// CKA_EC_PARAMS of a curve: its name.
pub(super) fn parameters(curve: Curve) -> Vec<u8> {
    curve.oid().to_der().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::algorithm::KeyKind;
    use crate::crypto::certificate::PublicKey;
    use crate::crypto::provider;

    #[test]
    fn numbers_are_minimal_and_positive() {
        assert_eq!(unsigned(&[0, 0, 0x7f]), [2, 1, 0x7f]);
        assert_eq!(unsigned(&[0, 0x80]), [2, 2, 0, 0x80]);
        assert_eq!(unsigned(&[0, 0]), [2, 1, 0]);
        assert_eq!(unsigned(&[]), [2, 1, 0]);
        let mut raw = [0; 64];
        raw[31] = 1;
        raw[32] = 0xff;
        let der = signature_der(Curve::P256, &raw).unwrap();
        assert_eq!(der[..8], [0x30, 38, 2, 1, 1, 2, 33, 0]);
        for wrong in [&raw[..63], &raw[..31], &[0; 65]] {
            assert!(signature_der(Curve::P256, wrong).is_none());
        }
    }

    #[test]
    fn points_are_on_their_curve() {
        for curve in [Curve::P256, Curve::P384, Curve::P521] {
            let key = provider::default()
                .generate_key(KeyKind::Ec(curve))
                .unwrap();
            let Ok(PublicKey::Ec(_, bare)) = PublicKey::from_spki(key.public_spki()) else {
                panic!("an EC key");
            };
            let wrapped = tlv::element(tlv::OCTET_STRING, &[&bare]);
            assert_eq!(point(curve, &wrapped), Some(bare.clone()));
            assert_eq!(point(curve, &bare), Some(bare.clone()));
            let mut off = bare.clone();
            *off.last_mut().unwrap() ^= 1;
            assert!(!is_point(curve, &off));
            assert!(!is_point(curve, &bare[1..]));
            assert!(!is_point(curve, &[]));
            assert!(!is_point(curve, &[0]));
        }
    }
}
