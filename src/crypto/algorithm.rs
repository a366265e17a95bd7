//! Names of algorithms: enums for what Ravelin can do, and their identifiers in ASN.1.
//!
//! Promises: an identifier that is not in these tables never becomes one that is; parameters are
//! checked, not skipped (PSS and OAEP hashes and mask functions agree, salts are in range).
//! Refuses: unknown identifiers, explicit curve parameters, mixed hashes. SHA-1 is only read.
//! Standards: RFC 5480, 5754, 4055, 4056, 3560, 5753, 8419, 5084, 3565.

use der::asn1::{Any, ObjectIdentifier};
use rsa::pkcs1::{RsaOaepParamsOwned, RsaPssParamsOwned, TrailerField};
use spki::AlgorithmIdentifierOwned;

use super::tlv;

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

/// A signature algorithm with all its parameters.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum SignatureScheme {
    /// ECDSA over the digest; the value is DER `SEQUENCE { r, s }`.
    Ecdsa(Digest),
    /// Ed25519, pure. Verified, never made.
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

/// Content encryption.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum ContentCipher {
    /// AES-128-CBC.
    Aes128Cbc,
    /// AES-192-CBC.
    Aes192Cbc,
    /// AES-256-CBC.
    Aes256Cbc,
    /// AES-128-GCM.
    Aes128Gcm,
    /// AES-192-GCM.
    Aes192Gcm,
    /// AES-256-GCM.
    Aes256Gcm,
}

/// How a content cipher works.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Mode {
    /// Cipher block chaining with PKCS #7 padding: no integrity.
    Cbc,
    /// Galois counter mode: authenticated.
    Gcm,
}

/// AES key wrap (RFC 3394).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum KeyWrap {
    /// Under a 128-bit key.
    Aes128,
    /// Under a 192-bit key.
    Aes192,
    /// Under a 256-bit key.
    Aes256,
}

/// How a key-encryption key comes from a shared secret.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum KeyDerivation {
    /// ANSI X9.63 with the digest: dhSinglePass-stdDH.
    X963(Digest),
}

/// The kinds of key that can be made.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum KeyKind {
    /// A key on a NIST curve.
    Ec(Curve),
    /// RSA with a modulus of 2048, 3072 or 4096 bits.
    Rsa(u32),
}

const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const RSA_OAEP: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.7");
const MGF1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.8");
const P_SPECIFIED: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.9");
const RSA_PSS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.10");
const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

/// The identifier of RSA keys (and of a bare "RSA" signature in CMS).
pub const ID_RSA: ObjectIdentifier = RSA_ENCRYPTION;
/// The identifier of elliptic-curve keys.
pub const ID_EC: ObjectIdentifier = EC_PUBLIC_KEY;
/// The identifier of RSAES-OAEP.
pub const ID_OAEP: ObjectIdentifier = RSA_OAEP;
/// The identifier of Ed25519 keys and signatures.
pub const ID_ED25519: ObjectIdentifier = ED25519;

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

impl ContentCipher {
    const ALL: [Self; 6] = [
        Self::Aes128Cbc,
        Self::Aes192Cbc,
        Self::Aes256Cbc,
        Self::Aes128Gcm,
        Self::Aes192Gcm,
        Self::Aes256Gcm,
    ];

    /// Its object identifier.
    // RFC 3565 §4.1, RFC 5084 §3.2
    pub fn oid(self) -> ObjectIdentifier {
        match self {
            Self::Aes128Cbc => ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.1.2"),
            Self::Aes128Gcm => ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.1.6"),
            Self::Aes192Cbc => ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.1.22"),
            Self::Aes192Gcm => ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.1.26"),
            Self::Aes256Cbc => ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.1.42"),
            Self::Aes256Gcm => ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.1.46"),
        }
    }

    /// The cipher with this identifier.
    pub fn from_oid(oid: &ObjectIdentifier) -> Option<Self> {
        Self::ALL.into_iter().find(|cipher| cipher.oid() == *oid)
    }

    /// Octets of key.
    pub fn key_length(self) -> usize {
        match self {
            Self::Aes128Cbc | Self::Aes128Gcm => 16,
            Self::Aes192Cbc | Self::Aes192Gcm => 24,
            Self::Aes256Cbc | Self::Aes256Gcm => 32,
        }
    }

    /// How it works.
    pub fn mode(self) -> Mode {
        match self {
            Self::Aes128Cbc | Self::Aes192Cbc | Self::Aes256Cbc => Mode::Cbc,
            Self::Aes128Gcm | Self::Aes192Gcm | Self::Aes256Gcm => Mode::Gcm,
        }
    }

    /// Its name for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Aes128Cbc => "AES-128-CBC",
            Self::Aes192Cbc => "AES-192-CBC",
            Self::Aes256Cbc => "AES-256-CBC",
            Self::Aes128Gcm => "AES-128-GCM",
            Self::Aes192Gcm => "AES-192-GCM",
            Self::Aes256Gcm => "AES-256-GCM",
        }
    }
}

impl KeyWrap {
    const ALL: [Self; 3] = [Self::Aes128, Self::Aes192, Self::Aes256];

    /// Its object identifier.
    // RFC 3565 §4.2
    pub fn oid(self) -> ObjectIdentifier {
        match self {
            Self::Aes128 => ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.1.5"),
            Self::Aes192 => ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.1.25"),
            Self::Aes256 => ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.1.45"),
        }
    }

    /// The wrap with this identifier.
    pub fn from_oid(oid: &ObjectIdentifier) -> Option<Self> {
        Self::ALL.into_iter().find(|wrap| wrap.oid() == *oid)
    }

    /// Octets of the key-encryption key.
    pub fn key_length(self) -> usize {
        match self {
            Self::Aes128 => 16,
            Self::Aes192 => 24,
            Self::Aes256 => 32,
        }
    }

    /// AlgorithmIdentifier in DER, parameters absent.
    pub fn algorithm_der(self) -> Vec<u8> {
        tlv::sequence(&[&tlv::oid(&self.oid())])
    }
}

impl KeyDerivation {
    /// Its object identifier: dhSinglePass-stdDH with this hash.
    // RFC 5753 §7.1.4
    pub fn oid(self) -> ObjectIdentifier {
        match self {
            Self::X963(Digest::Sha1) => ObjectIdentifier::new_unwrap("1.3.133.16.840.63.0.2"),
            Self::X963(Digest::Sha256) => ObjectIdentifier::new_unwrap("1.3.132.1.11.1"),
            Self::X963(Digest::Sha384) => ObjectIdentifier::new_unwrap("1.3.132.1.11.2"),
            Self::X963(Digest::Sha512) => ObjectIdentifier::new_unwrap("1.3.132.1.11.3"),
        }
    }

    /// The derivation with this identifier.
    pub fn from_oid(oid: &ObjectIdentifier) -> Option<Self> {
        Digest::ALL
            .into_iter()
            .map(Self::X963)
            .find(|derivation| derivation.oid() == *oid)
    }
}

/// SubjectPublicKeyInfo in DER around an RSAPublicKey of PKCS #1.
// RFC 3279 §2.3.1: parameters NULL.
pub fn rsa_public_key_der(pkcs1: &[u8]) -> Vec<u8> {
    let algorithm = tlv::sequence(&[&tlv::oid(&RSA_ENCRYPTION), tlv::NULL]);
    tlv::sequence(&[&algorithm, &tlv::element(0x03, &[&[0], pkcs1])])
}

/// RSAES-OAEP AlgorithmIdentifier in DER: `digest` for hash and mask, no label.
// RFC 4055 §4.1: the default pSource is omitted.
pub fn oaep_algorithm_der(digest: Digest) -> Vec<u8> {
    let parameters = tlv::sequence(&[
        &tlv::element(tlv::CONTEXT_0, &[&digest.algorithm_der_null()]),
        &tlv::element(tlv::CONTEXT_1, &[&digest.mask_der()]),
    ]);
    tlv::sequence(&[&tlv::oid(&RSA_OAEP), &parameters])
}

/// The digest of an RSAES-OAEP AlgorithmIdentifier: same for hash and mask, and no label.
pub fn oaep_digest(algorithm: &AlgorithmIdentifierOwned) -> Result<Digest, UnknownAlgorithm> {
    let unknown = |problem| UnknownAlgorithm {
        role: "key transport algorithm",
        oid: algorithm.oid,
        problem,
    };
    if algorithm.oid != RSA_OAEP {
        return Err(unknown("is not RSAES-OAEP"));
    }
    let parameters = algorithm
        .parameters
        .as_ref()
        .and_then(|any| any.decode_as::<RsaOaepParamsOwned>().ok())
        .ok_or(unknown("parameters are absent or malformed"))?;
    let digest =
        Digest::from_oid(&parameters.hash.oid).ok_or(unknown("its hash is not one known here"))?;
    let mask = parameters.mask_gen.parameters.map(|inner| inner.oid);
    if parameters.mask_gen.oid != MGF1 || mask != Some(digest.oid()) {
        return Err(unknown("its mask function is not MGF1 over its hash"));
    }
    let label_is_empty = match parameters.p_source.parameters {
        None => true,
        Some(label) => label.value().is_empty(),
    };
    if parameters.p_source.oid != P_SPECIFIED || !label_is_empty {
        return Err(unknown("has a label"));
    }
    Ok(digest)
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

fn absent_or_null(parameters: Option<&Any>) -> bool {
    parameters.is_none_or(Any::is_null)
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
            let derivation = KeyDerivation::X963(digest);
            assert_eq!(KeyDerivation::from_oid(&derivation.oid()), Some(derivation));
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
        let pss = parse(&tlv::sequence(&[&tlv::oid(&RSA_PSS), &parameters]));
        assert!(SignatureScheme::from_algorithm(&pss).is_err());
        let oaep = parse(&tlv::sequence(&[&tlv::oid(&RSA_OAEP), &parameters]));
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
