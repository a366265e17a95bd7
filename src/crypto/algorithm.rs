//! Names of algorithms: enums for what Ravelin can do, and their identifiers in ASN.1.
//!
//! Promises: an identifier that is not in these tables never becomes one that is; parameters are
//! checked, not skipped (PSS and OAEP hashes and mask functions agree, salts are in range).
//! Refuses: unknown identifiers, explicit curve parameters, mixed hashes. SHA-1 is only read.
//! Standards: RFC 5480, 5754, 4055; in the two files below this one also 4056, 3560, 5753, 8419,
//! 5084, 3565.

use der::asn1::{Any, ObjectIdentifier};
use spki::AlgorithmIdentifierOwned;

use super::tlv;

mod encryption;
mod signature;

pub use encryption::{
    ContentCipher, ID_OAEP, KeyDerivation, KeyWrap, Mode, oaep_algorithm_der, oaep_digest,
};
pub use signature::{RsaPadding, SignatureScheme};

/// An algorithm identifier that is not in the tables, or whose parameters are not acceptable.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{role} {oid}: {problem}")]
pub struct UnknownAlgorithm {
    /// What the algorithm was to be used for.
    pub role: &'static str,
    /// The identifier as received.
    pub oid: ObjectIdentifier,
    /// What is wrong with it.
    pub problem: &'static str,
}

/// Hash functions. SHA-1 is only ever read (old signatures shown to a person), never made.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Digest {
    /// SHA-1, broken: read only.
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

/// The NIST curves of CMS.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Curve {
    /// secp256r1.
    P256,
    /// secp384r1.
    P384,
    /// secp521r1.
    P521,
}

/// The kinds of key that can be made.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum KeyKind {
    /// A key on a NIST curve.
    Ec(Curve),
    /// Ed25519, for signatures.
    Ed25519,
    /// RSA with a modulus of 2048, 3072 or 4096 bits.
    Rsa(u32),
    /// X25519, for key agreement.
    X25519,
}

const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const MGF1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.8");
const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
const X25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.110");

/// The identifier of RSA keys (and of a bare "RSA" signature in CMS).
pub const ID_RSA: ObjectIdentifier = RSA_ENCRYPTION;
/// The identifier of elliptic-curve keys.
pub const ID_EC: ObjectIdentifier = EC_PUBLIC_KEY;
/// The identifier of Ed25519 keys and signatures.
pub const ID_ED25519: ObjectIdentifier = ED25519;
/// The identifier of X25519 keys.
pub const ID_X25519: ObjectIdentifier = X25519;

impl Digest {
    const ALL: [Self; 4] = [Self::Sha1, Self::Sha256, Self::Sha384, Self::Sha512];

    /// Its object identifier.
    pub fn oid(self) -> ObjectIdentifier {
        match self {
            Self::Sha1 => ObjectIdentifier::new_unwrap("1.3.14.3.2.26"),
            Self::Sha256 => ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1"),
            Self::Sha384 => ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.2"),
            Self::Sha512 => ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.3"),
        }
    }

    /// The digest with this identifier.
    pub fn from_oid(oid: &ObjectIdentifier) -> Option<Self> {
        Self::ALL.into_iter().find(|digest| digest.oid() == *oid)
    }

    /// The digest of an AlgorithmIdentifier whose parameters are absent or NULL.
    // RFC 5754 §2: implementations MUST accept both.
    pub fn from_algorithm(algorithm: &AlgorithmIdentifierOwned) -> Result<Self, UnknownAlgorithm> {
        let unknown = |problem| UnknownAlgorithm {
            role: "digest algorithm",
            oid: algorithm.oid,
            problem,
        };
        let digest = Self::from_oid(&algorithm.oid).ok_or(unknown("not one that is known here"))?;
        if !absent_or_null(algorithm.parameters.as_ref()) {
            return Err(unknown("parameters must be absent or NULL"));
        }
        Ok(digest)
    }

    /// Octets of output.
    pub fn length(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }

    /// Its name for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "SHA-1",
            Self::Sha256 => "SHA-256",
            Self::Sha384 => "SHA-384",
            Self::Sha512 => "SHA-512",
        }
    }

    /// Its name in a `micalg` parameter.
    // RFC 8551 §3.5.3.2
    pub fn micalg(self) -> &'static str {
        match self {
            Self::Sha1 => "sha-1",
            Self::Sha256 => "sha-256",
            Self::Sha384 => "sha-384",
            Self::Sha512 => "sha-512",
        }
    }

    /// AlgorithmIdentifier in DER, parameters absent (RFC 5754 §2).
    pub fn algorithm_der(self) -> Vec<u8> {
        tlv::sequence(&[&tlv::oid(&self.oid())])
    }

    /// AlgorithmIdentifier in DER, parameters NULL: what RFC 4055 prints inside PSS and OAEP.
    fn algorithm_der_null(self) -> Vec<u8> {
        tlv::sequence(&[&tlv::oid(&self.oid()), tlv::NULL])
    }

    /// AlgorithmIdentifier of MGF1 over this digest, in DER.
    fn mask_der(self) -> Vec<u8> {
        tlv::sequence(&[&tlv::oid(&MGF1), &self.algorithm_der_null()])
    }
}

impl Curve {
    const ALL: [Self; 3] = [Self::P256, Self::P384, Self::P521];

    /// Its object identifier as a named curve.
    pub fn oid(self) -> ObjectIdentifier {
        match self {
            Self::P256 => ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7"),
            Self::P384 => ObjectIdentifier::new_unwrap("1.3.132.0.34"),
            Self::P521 => ObjectIdentifier::new_unwrap("1.3.132.0.35"),
        }
    }

    /// The curve with this identifier.
    pub fn from_oid(oid: &ObjectIdentifier) -> Option<Self> {
        Self::ALL.into_iter().find(|curve| curve.oid() == *oid)
    }

    /// Octets of a field element, and of a shared secret.
    pub fn field_length(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }

    /// The digest of matching strength.
    pub fn digest(self) -> Digest {
        match self {
            Self::P256 => Digest::Sha256,
            Self::P384 => Digest::Sha384,
            Self::P521 => Digest::Sha512,
        }
    }

    /// Its name for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::P256 => "P-256",
            Self::P384 => "P-384",
            Self::P521 => "P-521",
        }
    }

    /// The curve of an `id-ecPublicKey` AlgorithmIdentifier.
    // RFC 5480 §2.1.1: only namedCurve; explicit parameters are refused.
    pub fn from_algorithm(algorithm: &AlgorithmIdentifierOwned) -> Result<Self, UnknownAlgorithm> {
        let unknown = |problem| UnknownAlgorithm {
            role: "elliptic-curve key",
            oid: algorithm.oid,
            problem,
        };
        if algorithm.oid != EC_PUBLIC_KEY {
            return Err(unknown("is not id-ecPublicKey"));
        }
        let parameters = algorithm
            .parameters
            .as_ref()
            .ok_or(unknown("names no curve"))?;
        let oid = parameters
            .decode_as::<ObjectIdentifier>()
            .map_err(|_| unknown("describes its curve instead of naming it"))?;
        Self::from_oid(&oid).ok_or(UnknownAlgorithm {
            role: "elliptic curve",
            oid,
            problem: "not P-256, P-384 or P-521",
        })
    }

    /// SubjectPublicKeyInfo in DER for an uncompressed point on this curve.
    pub fn public_key_der(self, point: &[u8]) -> Vec<u8> {
        let algorithm = tlv::sequence(&[&tlv::oid(&EC_PUBLIC_KEY), &tlv::oid(&self.oid())]);
        tlv::sequence(&[&algorithm, &tlv::element(0x03, &[&[0], point])])
    }
}

/// SubjectPublicKeyInfo in DER around an RSAPublicKey of PKCS #1.
// RFC 3279 §2.3.1: parameters NULL.
pub fn rsa_public_key_der(pkcs1: &[u8]) -> Vec<u8> {
    let algorithm = tlv::sequence(&[&tlv::oid(&RSA_ENCRYPTION), tlv::NULL]);
    tlv::sequence(&[&algorithm, &tlv::element(0x03, &[&[0], pkcs1])])
}

/// SubjectPublicKeyInfo in DER of a key whose identifier says all: Ed25519, X25519.
// RFC 8410 §4: parameters absent.
pub fn plain_public_key_der(oid: &ObjectIdentifier, key: &[u8]) -> Vec<u8> {
    let algorithm = tlv::sequence(&[&tlv::oid(oid)]);
    tlv::sequence(&[&algorithm, &tlv::element(0x03, &[&[0], key])])
}

fn absent_or_null(parameters: Option<&Any>) -> bool {
    parameters.is_none_or(Any::is_null)
}

#[cfg(test)]
mod tests {
    use super::*;
    use der::Decode;

    fn parse(der: &[u8]) -> AlgorithmIdentifierOwned {
        AlgorithmIdentifierOwned::from_der(der).unwrap()
    }

    #[test]
    fn every_scheme_reads_back_as_itself() {
        for digest in Digest::ALL {
            for scheme in [
                SignatureScheme::Ecdsa(digest),
                SignatureScheme::RsaPkcs1(digest),
                SignatureScheme::pss(digest),
                SignatureScheme::RsaPss {
                    digest,
                    salt_length: 20,
                },
            ] {
                let algorithm = parse(&scheme.algorithm_der());
                assert_eq!(SignatureScheme::from_algorithm(&algorithm), Ok(scheme));
                assert_eq!(SignatureScheme::from_cms(&algorithm, digest), Ok(scheme));
                let other = if digest == Digest::Sha256 {
                    Digest::Sha512
                } else {
                    Digest::Sha256
                };
                assert!(SignatureScheme::from_cms(&algorithm, other).is_err());
            }
            assert_eq!(oaep_digest(&parse(&oaep_algorithm_der(digest))), Ok(digest));
            assert_eq!(
                Digest::from_algorithm(&parse(&digest.algorithm_der())),
                Ok(digest)
            );
        }
        for derivation in KeyDerivation::ALL {
            assert_eq!(KeyDerivation::from_oid(&derivation.oid()), Some(derivation));
        }
        for wrap in KeyWrap::ALL {
            assert_eq!(KeyWrap::from_oid(&wrap.oid()), Some(wrap));
        }
    }

    #[test]
    fn ed25519_needs_sha_512_in_cms() {
        let algorithm = parse(&SignatureScheme::Ed25519.algorithm_der());
        assert!(SignatureScheme::from_cms(&algorithm, Digest::Sha512).is_ok());
        assert!(SignatureScheme::from_cms(&algorithm, Digest::Sha256).is_err());
    }

    #[test]
    fn bare_rsa_takes_the_signers_digest() {
        let algorithm = parse(&tlv::sequence(&[&tlv::oid(&RSA_ENCRYPTION), tlv::NULL]));
        assert_eq!(
            SignatureScheme::from_cms(&algorithm, Digest::Sha384),
            Ok(SignatureScheme::RsaPkcs1(Digest::Sha384))
        );
        assert!(SignatureScheme::from_algorithm(&algorithm).is_err());
    }

    #[test]
    fn mixed_hashes_are_refused() {
        let parameters = tlv::sequence(&[
            &tlv::element(tlv::CONTEXT_0, &[&Digest::Sha384.algorithm_der_null()]),
            &tlv::element(tlv::CONTEXT_1, &[&Digest::Sha256.mask_der()]),
        ]);
        let pss = parse(&tlv::sequence(&[
            &tlv::oid(&SignatureScheme::pss(Digest::Sha384).oid()),
            &parameters,
        ]));
        assert!(SignatureScheme::from_algorithm(&pss).is_err());
        let oaep = parse(&tlv::sequence(&[&tlv::oid(&ID_OAEP), &parameters]));
        assert!(oaep_digest(&oaep).is_err());
    }

    #[test]
    fn a_described_curve_is_refused() {
        let named = parse(&tlv::sequence(&[
            &tlv::oid(&ID_EC),
            &tlv::oid(&Curve::P384.oid()),
        ]));
        assert_eq!(Curve::from_algorithm(&named), Ok(Curve::P384));
        let described = parse(&tlv::sequence(&[&tlv::oid(&ID_EC), &tlv::sequence(&[])]));
        assert!(Curve::from_algorithm(&described).is_err());
        let other = ObjectIdentifier::new_unwrap("1.3.132.0.10");
        let other = parse(&tlv::sequence(&[&tlv::oid(&ID_EC), &tlv::oid(&other)]));
        assert!(Curve::from_algorithm(&other).is_err());
    }
}
