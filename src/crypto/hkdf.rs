//! HKDF over the provider's HMAC.
//!
//! Promises: as many octets as are asked for, up to what the digest allows.
//! Refuses: more than 255 digests of output. Standards: RFC 5869 section 2.

use super::algorithm::Digest;
use super::keys::Secret;
use super::provider::{self, CryptoError};
use zeroize::Zeroizing;

/// `length` octets out of `secret`, bound to `info`. An empty `salt` is the standard's default.
pub(crate) fn derive(
    digest: Digest,
    salt: &[u8],
    secret: &[u8],
    info: &[u8],
    length: usize,
) -> Result<Secret, CryptoError> {
    let provider = provider::default();
    // RFC 5869 §2.2: without a salt, as many zeros as the digest has octets; HMAC pads the same.
    let key = Zeroizing::new(provider.hmac(digest, salt, &[secret]));
    // RFC 5869 §2.3
    let mut out = Zeroizing::new(Vec::with_capacity(length));
    let mut block = Zeroizing::new(Vec::new());
    let mut counter = 0_u8;
    while out.len() < length {
        counter = counter.checked_add(1).ok_or(CryptoError::Failed)?;
        block = Zeroizing::new(provider.hmac(digest, &key, &[&block, info, &[counter]]));
        let wanted = length.saturating_sub(out.len());
        out.extend(block.iter().take(wanted));
    }
    Ok(Secret::new(out.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::certificate::hex;

    #[test]
    fn the_published_octets_come_out() {
        // RFC 5869 A.1
        let salt: Vec<u8> = (0..13).collect();
        let info: Vec<u8> = (0xf0..0xfa).collect();
        let out = derive(Digest::Sha256, &salt, &[0x0b; 22], &info, 42).unwrap();
        assert_eq!(
            hex(out.as_bytes()),
            "3CB25F25FAACD57A90434F64D0362F2A2D2D0A90CF1A5A4C5DB02D56ECC4C5BF34007208D5B887185865"
        );
        // RFC 5869 A.3: neither salt nor info
        let out = derive(Digest::Sha256, &[], &[0x0b; 22], &[], 42).unwrap();
        assert_eq!(
            hex(out.as_bytes()),
            "8DA4E775A563C18F715F802A063C5A31B8A11F5C5EE1879EC3454E5F3C738D2D9D201395FAA4B61A96C8"
        );
        assert!(derive(Digest::Sha256, &[], b"x", &[], 255 * 32).is_ok());
        assert!(derive(Digest::Sha256, &[], b"x", &[], 255 * 32 + 1).is_err());
    }
}
