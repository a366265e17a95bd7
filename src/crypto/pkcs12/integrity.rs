//! The MAC over a PKCS #12 file, and the key derivation that belongs to it.
//!
//! Promises: rounds are bounded before they are run; the comparison takes the same time wherever
//! the first difference is. Standards: RFC 7292 §4, B.2, B.3.

use der::asn1::OctetStringRef;
use der::{Decode, Reader, SliceReader};
use spki::AlgorithmIdentifierOwned;
use zeroize::Zeroizing;

use super::Pkcs12Error;
use crate::crypto::algorithm::Digest;
use crate::crypto::certificate::sequence_of;
use crate::crypto::pbes2::{OUR_ITERATIONS, PasswordError};
use crate::crypto::provider::{self, CryptoError};
use crate::crypto::tlv;

const MOST_ITERATIONS: u32 = 10_000_000;

/// Checks MacData over the authenticated safe.
pub(super) fn check(mac_data: &[u8], safe: &[u8], password: &str) -> Result<(), Pkcs12Error> {
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
    if salt.as_bytes().len() > 1024 {
        return Err(Pkcs12Error::Malformed("the salt is too long"));
    }
    let computed = mac(digest, safe, password, salt.as_bytes(), iterations);
    let differs = computed
        .iter()
        .zip(expected.as_bytes())
        .fold(0u8, |differs, (left, right)| differs | (left ^ right));
    if differs != 0 || computed.len() != expected.as_bytes().len() {
        return Err(Pkcs12Error::WrongPassword);
    }
    Ok(())
}

/// Makes MacData with HMAC-SHA-256.
pub(super) fn make(safe: &[u8], password: &str) -> Result<Vec<u8>, CryptoError> {
    let mut salt = [0; 16];
    provider::default().random(&mut salt)?;
    let computed = mac(Digest::Sha256, safe, password, &salt, OUR_ITERATIONS);
    let algorithm = tlv::sequence(&[&tlv::oid(&Digest::Sha256.oid()), tlv::NULL]);
    let info = tlv::sequence(&[&algorithm, &tlv::element(tlv::OCTET_STRING, &[&computed])]);
    Ok(tlv::sequence(&[
        &info,
        &tlv::element(tlv::OCTET_STRING, &[&salt]),
        &tlv::integer(u64::from(OUR_ITERATIONS)),
    ]))
}

fn mac(digest: Digest, safe: &[u8], password: &str, salt: &[u8], iterations: u32) -> Vec<u8> {
    let key = derive(digest, password, salt, iterations);
    provider::default().hmac(digest, &key, &[safe])
}

/// As many octets as the digest has, for the MAC.
// RFC 7292 B.2 with ID 3: one block of output suffices, so that step 6 C never comes.
fn derive(digest: Digest, password: &str, salt: &[u8], iterations: u32) -> Zeroizing<Vec<u8>> {
    let block = match digest {
        Digest::Sha1 | Digest::Sha256 => 64usize,
        Digest::Sha384 | Digest::Sha512 => 128,
    };
    // B.1: BMPString with its closing zero.
    let mut text = Zeroizing::new(Vec::with_capacity(
        password.len().saturating_mul(2).saturating_add(2),
    ));
    text.extend(password.encode_utf16().flat_map(u16::to_be_bytes));
    text.extend([0, 0]);
    let diversifier = vec![3; block];
    let salt = repeated(salt, block);
    let text = repeated(&text, block);
    let provider = provider::default();
    let mut out = Zeroizing::new(provider.digest(digest, &[&diversifier, &salt, &text]));
    for _ in 1..iterations {
        *out = provider.digest(digest, &[&out]);
    }
    out
}

/// `octets` over and over, up to the next multiple of `block`.
fn repeated(octets: &[u8], block: usize) -> Zeroizing<Vec<u8>> {
    let length = octets.len().div_ceil(block).saturating_mul(block);
    let mut out = Zeroizing::new(Vec::with_capacity(length));
    out.extend(octets.iter().copied().cycle().take(length));
    out
}
