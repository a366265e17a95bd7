//! The smallest DER writer: tag, length and parts. For the structures that this half of the room
//! makes itself (algorithm identifiers, PKCS #12, issuer-and-serial).
//!
//! Promises: lengths are minimal, so the output is DER as long as the parts are.
//! Refuses nothing: it is not a parser. Standards: X.690 §8, §10.

use der::Encode;
use der::oid::ObjectIdentifier;

/// INTEGER.
pub(crate) const INTEGER: u8 = 0x02;
/// OCTET STRING.
pub(crate) const OCTET_STRING: u8 = 0x04;
/// UTCTime.
pub(crate) const UTC_TIME: u8 = 0x17;
/// GeneralizedTime.
pub(crate) const GENERALIZED_TIME: u8 = 0x18;
/// SEQUENCE.
pub(crate) const SEQUENCE: u8 = 0x30;
/// SET.
pub(crate) const SET: u8 = 0x31;
/// `[0]`, constructed.
pub(crate) const CONTEXT_0: u8 = 0xa0;
/// `[1]`, constructed.
pub(crate) const CONTEXT_1: u8 = 0xa1;
/// `[2]`, constructed.
pub(crate) const CONTEXT_2: u8 = 0xa2;
/// NULL, whole.
pub(crate) const NULL: &[u8] = &[0x05, 0x00];

/// One element: `tag`, the length of all `parts` together, the parts.
pub(crate) fn element(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let length = parts
        .iter()
        .fold(0usize, |sum, part| sum.saturating_add(part.len()));
    let mut out = Vec::with_capacity(length.saturating_add(10));
    out.push(tag);
    match u8::try_from(length) {
        Ok(short) if short < 0x80 => out.push(short),
        _ => {
            let octets = length.to_be_bytes();
            let significant: Vec<u8> = octets.iter().copied().skip_while(|o| *o == 0).collect();
            out.push(0x80 | u8::try_from(significant.len()).unwrap_or(0x7e));
            out.extend_from_slice(&significant);
        }
    }
    for part in parts {
        out.extend_from_slice(part);
    }
    out
}

/// SEQUENCE of whole elements.
pub(crate) fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    element(SEQUENCE, parts)
}

/// OBJECT IDENTIFIER.
pub(crate) fn oid(oid: &ObjectIdentifier) -> Vec<u8> {
    element(0x06, &[oid.as_bytes()])
}

/// INTEGER that is not negative.
pub(crate) fn integer(value: u64) -> Vec<u8> {
    // `der` writes a u64 without fail; the fallback is the value zero's encoding.
    value.to_der().unwrap_or_else(|_| vec![INTEGER, 1, 0])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_minimal() {
        assert_eq!(element(OCTET_STRING, &[&[1; 3]]), [4, 3, 1, 1, 1]);
        assert_eq!(element(OCTET_STRING, &[&[1; 127]])[..2], [4, 127]);
        assert_eq!(element(OCTET_STRING, &[&[1; 128]])[..3], [4, 0x81, 128]);
        assert_eq!(
            element(OCTET_STRING, &[&[1; 200], &[2; 100]])[..4],
            [4, 0x82, 1, 0x2c]
        );
        assert_eq!(integer(0), [2, 1, 0]);
        assert_eq!(integer(128), [2, 2, 0, 128]);
    }
}
