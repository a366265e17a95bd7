//! The floor under algorithms and keys, by suite.
//!
//! Promises: every certificate of a path (the anchor's and the end entity's too), every CRL and
//! every OCSP response is held against it. Refuses: what the suite does not name.
//! Standards: RFC 8603 §4 (CNSA 1.0), 8550 §4.3 and §4.4.

use crate::crypto::algorithm::{Curve, Digest, SignatureScheme};
use crate::crypto::certificate::PublicKey;

/// Longer moduli only keep the verifier busy.
const LONGEST_MODULUS: usize = 8192;

/// Which algorithms and key sizes are good enough.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum Suite {
    /// CNSA 1.0: P-384 or RSA of 3072 bits and more, SHA-384.
    Cnsa1,
    /// What old mail was signed with: RSA from 1024 bits, SHA-1. For reading, never for deciding
    /// that something may pass today.
    LegacyRead,
    /// RSA from 2048 bits, the NIST curves, Ed25519; SHA-256 and longer.
    #[default]
    Modern,
}

impl Suite {
    /// Every suite.
    pub const ALL: [Self; 3] = [Self::Cnsa1, Self::LegacyRead, Self::Modern];

    /// Its name in configurations and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cnsa1 => "cnsa1",
            Self::LegacyRead => "legacy-read",
            Self::Modern => "modern",
        }
    }

    /// The suite of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|suite| suite.name() == name)
    }

    /// Whether a key of this kind and size is acceptable; if not, what the suite asks for.
    pub fn check_key(self, key: &PublicKey) -> Result<(), &'static str> {
        let good = match (self, key) {
            // RFC 8603 §4.1
            (Self::Cnsa1, PublicKey::Ec(curve, _)) => *curve == Curve::P384,
            (Self::Cnsa1, PublicKey::Rsa { bits, .. }) => (3072..=LONGEST_MODULUS).contains(bits),
            (Self::Cnsa1, _) => false,
            // RFC 8550 §4.4: below 1024 bits nothing is to be believed, below 2048 not any more.
            (Self::LegacyRead, PublicKey::Rsa { bits, .. }) => {
                (1024..=LONGEST_MODULUS).contains(bits)
            }
            (Self::Modern, PublicKey::Rsa { bits, .. }) => (2048..=LONGEST_MODULUS).contains(bits),
            (
                Self::LegacyRead | Self::Modern,
                PublicKey::Ec(..) | PublicKey::Ed25519(_) | PublicKey::X25519(_),
            ) => true,
            (Self::LegacyRead | Self::Modern, _) => false,
        };
        match (good, self) {
            (true, _) => Ok(()),
            (false, Self::Cnsa1) => Err("cnsa1 asks for P-384, or RSA of 3072 to 8192 bits"),
            (false, Self::LegacyRead) => {
                Err("legacy-read asks for a NIST curve, curve 25519, or RSA of 1024 to 8192 bits")
            }
            (false, Self::Modern) => {
                Err("modern asks for a NIST curve, curve 25519, or RSA of 2048 to 8192 bits")
            }
        }
    }

    /// Whether a certificate, CRL or OCSP response may be signed so; if not, what is asked for.
    pub fn check_signature(self, scheme: &SignatureScheme) -> Result<(), &'static str> {
        match self {
            // RFC 8603 §4.2: ecdsa-with-SHA384 or sha384WithRSAEncryption, never PSS.
            Self::Cnsa1 => match scheme {
                SignatureScheme::Ecdsa(Digest::Sha384)
                | SignatureScheme::RsaPkcs1(Digest::Sha384) => Ok(()),
                _ => Err("cnsa1 asks for ECDSA or RSA PKCS #1 v1.5 with SHA-384"),
            },
            Self::LegacyRead => Ok(()),
            // RFC 8550 §4.3: SHA-1 does not count any more.
            Self::Modern => match scheme.digest() {
                Some(Digest::Sha1) => Err("modern asks for SHA-256 or longer"),
                _ => Ok(()),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rsa(bits: usize) -> PublicKey {
        PublicKey::Rsa {
            bits,
            der: Vec::new(),
        }
    }

    #[test]
    fn each_suite_has_its_floor() {
        let ec = |curve| PublicKey::Ec(curve, Vec::new());
        let unknown = PublicKey::Other(crate::crypto::algorithm::ID_RSA);
        for (key, cnsa1, modern, legacy) in [
            (rsa(1023), false, false, false),
            (rsa(1024), false, false, true),
            (rsa(2047), false, false, true),
            (rsa(2048), false, true, true),
            (rsa(3071), false, true, true),
            (rsa(3072), true, true, true),
            (rsa(8193), false, false, false),
            (ec(Curve::P256), false, true, true),
            (ec(Curve::P384), true, true, true),
            (ec(Curve::P521), false, true, true),
            (PublicKey::Ed25519(Vec::new()), false, true, true),
            (PublicKey::X25519(Vec::new()), false, true, true),
            (unknown, false, false, false),
        ] {
            let found = [Suite::Cnsa1, Suite::Modern, Suite::LegacyRead]
                .map(|suite| suite.check_key(&key).is_ok());
            assert_eq!(found, [cnsa1, modern, legacy], "{key:?}");
        }
        for (scheme, cnsa1, modern, legacy) in [
            (SignatureScheme::Ecdsa(Digest::Sha384), true, true, true),
            (SignatureScheme::Ecdsa(Digest::Sha256), false, true, true),
            (SignatureScheme::RsaPkcs1(Digest::Sha384), true, true, true),
            (SignatureScheme::RsaPkcs1(Digest::Sha1), false, false, true),
            (SignatureScheme::pss(Digest::Sha384), false, true, true),
            (SignatureScheme::Ed25519, false, true, true),
        ] {
            let found = [Suite::Cnsa1, Suite::Modern, Suite::LegacyRead]
                .map(|suite| suite.check_signature(&scheme).is_ok());
            assert_eq!(found, [cnsa1, modern, legacy], "{scheme:?}");
        }
        for suite in Suite::ALL {
            assert_eq!(Suite::from_name(suite.name()), Some(suite));
        }
        assert_eq!(Suite::from_name("ancient"), None);
    }
}
