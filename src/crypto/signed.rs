//! SIGNED{} of X.509: what certificates, CRLs and requests have outermost.
//!
//! Promises: each part is the received octets, so what is verified is what came.
//! Refuses: trailing octets. Standards: RFC 5280 §4.1.1, §5.1.1, 2986 §4.2.

use der::asn1::BitStringRef;
use der::{Decode, Reader, SliceReader};

use super::certificate::sequence_of;

/// The three parts, as received.
pub(super) struct Signed<'a> {
    /// What is signed, whole.
    pub(super) content: &'a [u8],
    /// The AlgorithmIdentifier, whole.
    pub(super) algorithm: &'a [u8],
    /// The octets of the signature; none when it is not made of octets.
    pub(super) signature: &'a [u8],
}

/// Which part cannot be read, and why.
pub(super) type Wrong = (&'static str, der::Error);

impl<'a> Signed<'a> {
    /// Takes one apart; nothing may follow it.
    pub(super) fn from_der(der: &'a [u8]) -> Result<Self, Wrong> {
        let at = |field| move |source| (field, source);
        let whole = sequence_of(der).map_err(at("outer structure"))?;
        let mut outer = SliceReader::new(whole).map_err(at("outer structure"))?;
        let content = outer.tlv_bytes().map_err(at("signed part"))?;
        let algorithm = outer.tlv_bytes().map_err(at("signature algorithm"))?;
        let signature = BitStringRef::decode(&mut outer).map_err(at("signature"))?;
        outer.finish().map_err(at("end"))?;
        Ok(Self {
            content,
            algorithm,
            // All signatures known here are octets. Unused bits would give one signature a second
            // form: what has them verifies with no key.
            signature: signature.as_bytes().unwrap_or_default(),
        })
    }
}
