//! Signature schemes and their identifiers, in certificates and in CMS.
//!
//! Promises: a scheme carries all of its parameters; a SignerInfo's two algorithms agree.
//! Refuses: PSS with a mask function over another hash, digests that contradict each other.
//! Standards: RFC 5754, 4055 §3, 4056, 8410, 8419, 8933.

use der::asn1::{Any, ObjectIdentifier};
use rsa::pkcs1::{RsaPssParamsOwned, TrailerField};
use serde::Deserialize;
use spki::AlgorithmIdentifierOwned;

use super::{Digest, ED25519, MGF1, RSA_ENCRYPTION, UnknownAlgorithm, absent_or_null, tlv};

const RSA_PSS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.10");

/// How an RSA key signs.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
pub enum RsaPadding {
    /// RSASSA-PSS.
    #[default]
    #[serde(rename = "pss")]
    Pss,
    /// RSASSA-PKCS1-v1_5: for a far side that takes nothing else.
    #[serde(rename = "pkcs1")]
    Pkcs1,
}

/// A signature algorithm with all its parameters.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum SignatureScheme {
    /// ECDSA over the digest; the value is DER `SEQUENCE { r, s }`.
    Ecdsa(Digest),
    /// Ed25519, pure.
    Ed25519,
    /// RSASSA-PKCS1-v1_5.
    RsaPkcs1(Digest),
    /// RSASSA-PSS with MGF1 over the same digest.
    RsaPss {
        /// Hash of the message and of the mask function.
        digest: Digest,
        /// Octets of salt.
        salt_length: usize,
    },
}

impl SignatureScheme {
    /// PSS as it is made here: the salt is as long as the digest (RFC 4056 §3, RFC 8755 §6).
    pub fn pss(digest: Digest) -> Self {
        Self::RsaPss {
            digest,
            salt_length: digest.length(),
        }
    }

    /// The digest over the message; none where the scheme has its own.
    pub fn digest(&self) -> Option<Digest> {
        match self {
            Self::Ecdsa(digest) | Self::RsaPkcs1(digest) | Self::RsaPss { digest, .. } => {
                Some(*digest)
            }
            Self::Ed25519 => None,
        }
    }

    /// The digestAlgorithm of a SignerInfo with this scheme: the digest of the content.
    // RFC 8419 §3.1: SHA-512 with Ed25519.
    pub fn content_digest(&self) -> Digest {
        self.digest().unwrap_or(Digest::Sha512)
    }

    /// The scheme of a signatureAlgorithm that stands for itself, as in certificates and CRLs.
    pub fn from_algorithm(algorithm: &AlgorithmIdentifierOwned) -> Result<Self, UnknownAlgorithm> {
        let unknown = |problem| UnknownAlgorithm {
            role: "signature algorithm",
            oid: algorithm.oid,
            problem,
        };
        let parameters = algorithm.parameters.as_ref();
        if algorithm.oid == RSA_PSS {
            return pss_from_parameters(parameters).map_err(unknown);
        }
        if algorithm.oid == ED25519 {
            // RFC 8410 §3
            return match parameters {
                None => Ok(Self::Ed25519),
                Some(_) => Err(unknown("parameters must be absent")),
            };
        }
        for digest in Digest::ALL {
            if algorithm.oid == ecdsa_oid(digest) {
                // RFC 5754 §3.3: parameters MUST be absent. Some signers put NULL; it is harmless.
                return match absent_or_null(parameters) {
                    true => Ok(Self::Ecdsa(digest)),
                    false => Err(unknown("parameters must be absent")),
                };
            }
            if algorithm.oid == rsa_oid(digest) {
                // RFC 5754 §3.2: MUST accept NULL and absent.
                return match absent_or_null(parameters) {
                    true => Ok(Self::RsaPkcs1(digest)),
                    false => Err(unknown("parameters must be NULL")),
                };
            }
        }
        Err(unknown("not one that is known here"))
    }

    /// The scheme of a SignerInfo: its signatureAlgorithm together with its digestAlgorithm.
    pub fn from_cms(
        algorithm: &AlgorithmIdentifierOwned,
        digest: Digest,
    ) -> Result<Self, UnknownAlgorithm> {
        let unknown = |problem| UnknownAlgorithm {
            role: "signature algorithm",
            oid: algorithm.oid,
            problem,
        };
        if algorithm.oid == RSA_ENCRYPTION {
            // RFC 5754 §3.2: the bare key identifier is legal here and takes the signer's digest.
            return match absent_or_null(algorithm.parameters.as_ref()) {
                true => Ok(Self::RsaPkcs1(digest)),
                false => Err(unknown("parameters must be NULL")),
            };
        }
        let scheme = Self::from_algorithm(algorithm)?;
        match scheme.digest() {
            // RFC 8933 §3: one digest for the content and for the attributes.
            Some(own) if own != digest => Err(unknown("its digest is not the digestAlgorithm")),
            // RFC 8419 §3: Ed25519 goes with SHA-512.
            None if digest != Digest::Sha512 => Err(unknown("needs SHA-512 as digestAlgorithm")),
            _ => Ok(scheme),
        }
    }

    /// Its object identifier.
    pub fn oid(&self) -> ObjectIdentifier {
        match self {
            Self::Ecdsa(digest) => ecdsa_oid(*digest),
            Self::Ed25519 => ED25519,
            Self::RsaPkcs1(digest) => rsa_oid(*digest),
            Self::RsaPss { .. } => RSA_PSS,
        }
    }

    /// AlgorithmIdentifier in DER.
    pub fn algorithm_der(&self) -> Vec<u8> {
        let oid = tlv::oid(&self.oid());
        match self {
            Self::Ecdsa(_) | Self::Ed25519 => tlv::sequence(&[&oid]),
            // RFC 5754 §3.2: MUST emit NULL.
            Self::RsaPkcs1(_) => tlv::sequence(&[&oid, tlv::NULL]),
            // RFC 4055 §3.1
            Self::RsaPss {
                digest,
                salt_length,
            } => {
                let salt = tlv::integer(u64::try_from(*salt_length).unwrap_or(u64::MAX));
                let parameters = tlv::sequence(&[
                    &tlv::element(tlv::CONTEXT_0, &[&digest.algorithm_der_null()]),
                    &tlv::element(tlv::CONTEXT_1, &[&digest.mask_der()]),
                    &tlv::element(tlv::CONTEXT_2, &[&salt]),
                ]);
                tlv::sequence(&[&oid, &parameters])
            }
        }
    }

    /// Its name for people.
    pub fn name(&self) -> String {
        match self {
            Self::Ecdsa(digest) => format!("ECDSA with {}", digest.name()),
            Self::Ed25519 => "Ed25519".to_owned(),
            Self::RsaPkcs1(digest) => format!("RSA PKCS #1 v1.5 with {}", digest.name()),
            Self::RsaPss { digest, .. } => format!("RSA-PSS with {}", digest.name()),
        }
    }
}

fn ecdsa_oid(digest: Digest) -> ObjectIdentifier {
    match digest {
        Digest::Sha1 => ObjectIdentifier::new_unwrap("1.2.840.10045.4.1"),
        Digest::Sha256 => ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2"),
        Digest::Sha384 => ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.3"),
        Digest::Sha512 => ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.4"),
    }
}

fn rsa_oid(digest: Digest) -> ObjectIdentifier {
    match digest {
        Digest::Sha1 => ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.5"),
        Digest::Sha256 => ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.11"),
        Digest::Sha384 => ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.12"),
        Digest::Sha512 => ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.13"),
    }
}

// RFC 4055 §3.1, RFC 4056 §3
fn pss_from_parameters(parameters: Option<&Any>) -> Result<SignatureScheme, &'static str> {
    let parameters = parameters
        .and_then(|any| any.decode_as::<RsaPssParamsOwned>().ok())
        .ok_or("parameters are absent or malformed")?;
    let digest = Digest::from_oid(&parameters.hash.oid).ok_or("its hash is not one known here")?;
    let mask = parameters.mask_gen.parameters.map(|inner| inner.oid);
    if parameters.mask_gen.oid != MGF1 || mask != Some(digest.oid()) {
        return Err("its mask function is not MGF1 over its hash");
    }
    if parameters.trailer_field != TrailerField::BC {
        return Err("its trailer field is not 1");
    }
    Ok(SignatureScheme::RsaPss {
        digest,
        salt_length: usize::from(parameters.salt_len),
    })
}
