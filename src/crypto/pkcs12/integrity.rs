//! The MAC over a PKCS #12 file.
//!
//! Promises: rounds are bounded before they are run; the comparison takes the same time wherever
//! the first difference is. Standards: RFC 7292 §4.

use der::asn1::OctetStringRef;
use der::{Decode, Reader, SliceReader};
use spki::AlgorithmIdentifierOwned;

use super::derivation::{Purpose, Text, derive};
use super::{LONGEST_SALT, MOST_ITERATIONS, Pkcs12Error};
use crate::crypto::algorithm::Digest;
use crate::crypto::certificate::sequence_of;
use crate::crypto::pbes2::{OUR_ITERATIONS, PasswordError};
use crate::crypto::provider::{self, CryptoError};
use crate::crypto::tlv;

/// Checks MacData over the authenticated safe. Returns the form of the password that is right: an
/// empty one has two.
pub(super) fn check(mac_data: &[u8], safe: &[u8], password: &str) -> Result<Text, Pkcs12Error> {
    let malformed = |_| Pkcs12Error::Malformed("the integrity check");
    let mut fields =
        SliceReader::new(sequence_of(mac_data).map_err(malformed)?).map_err(malformed)?;
    let info = fields.tlv_bytes().map_err(malformed)?;
    let mut info = SliceReader::new(sequence_of(info).map_err(malformed)?).map_err(malformed)?;
    let algorithm = AlgorithmIdentifierOwned::decode(&mut info).map_err(malformed)?;
    let expected = <&OctetStringRef>::decode(&mut info).map_err(malformed)?;
    let salt = <&OctetStringRef>::decode(&mut fields).map_err(malformed)?;
    let iterations = match fields.is_finished() {
        true => 1,
        false => u32::decode(&mut fields).map_err(malformed)?,
    };
    let digest = Digest::from_algorithm(&algorithm)
        .map_err(|error| Pkcs12Error::Unsupported(format!("a MAC with {}", error.oid)))?;
    if iterations > MOST_ITERATIONS {
        return Err(PasswordError::Costly(iterations).into());
    }
    if salt.as_bytes().len() > LONGEST_SALT {
        return Err(Pkcs12Error::Malformed("the salt is too long"));
    }
    let is_right = |text: &Text| {
        let computed = mac(digest, safe, text, salt.as_bytes(), iterations);
        let differs = computed
            .iter()
            .zip(expected.as_bytes())
            .fold(0u8, |differs, (left, right)| differs | (left ^ right));
        differs == 0 && computed.len() == expected.as_bytes().len()
    };
    let text = Text::of(password);
    if is_right(&text) {
        return Ok(text);
    }
    let absent = Text::absent();
    if password.is_empty() && is_right(&absent) {
        return Ok(absent);
    }
    Err(Pkcs12Error::WrongPassword)
}

/// Makes MacData with HMAC-SHA-256.
pub(super) fn make(safe: &[u8], password: &str) -> Result<Vec<u8>, CryptoError> {
    let mut salt = [0; 16];
    provider::default().random(&mut salt)?;
    let computed = mac(
        Digest::Sha256,
        safe,
        &Text::of(password),
        &salt,
        OUR_ITERATIONS,
    );
    let algorithm = tlv::sequence(&[&tlv::oid(&Digest::Sha256.oid()), tlv::NULL]);
    let info = tlv::sequence(&[&algorithm, &tlv::element(tlv::OCTET_STRING, &[&computed])]);
    Ok(tlv::sequence(&[
        &info,
        &tlv::element(tlv::OCTET_STRING, &[&salt]),
        &tlv::integer(u64::from(OUR_ITERATIONS)),
    ]))
}

fn mac(digest: Digest, safe: &[u8], text: &Text, salt: &[u8], iterations: u32) -> Vec<u8> {
    let key = derive(
        digest,
        Purpose::Mac,
        text,
        salt,
        iterations,
        digest.length(),
    );
    provider::default().hmac(digest, &key, &[safe])
}
