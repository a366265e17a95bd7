//! Algorithms of enveloping: content ciphers, key wrap, key derivation, key transport.
//!
//! Promises: identifiers and key lengths come from these tables only.
//! Refuses: OAEP with a label, or with a mask function over another hash.
//! Standards: RFC 3565, 5084, 5753 §7.1, 3560, 4055 §4.

use der::asn1::ObjectIdentifier;
use rsa::pkcs1::RsaOaepParamsOwned;
use spki::AlgorithmIdentifierOwned;

use super::{Digest, MGF1, UnknownAlgorithm, tlv};

/// The identifier of RSAES-OAEP.
pub const ID_OAEP: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.7");
const P_SPECIFIED: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.9");

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

/// AES key wrap (RFC 3394), and AES key wrap with padding (RFC 5649).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum KeyWrap {
    /// Under a 128-bit key.
    Aes128,
    /// Under a 128-bit key, with padding.
    Aes128Pad,
    /// Under a 192-bit key.
    Aes192,
    /// Under a 192-bit key, with padding.
    Aes192Pad,
    /// Under a 256-bit key.
    Aes256,
    /// Under a 256-bit key, with padding.
    Aes256Pad,
}

/// How a key-encryption key comes from a shared secret.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum KeyDerivation {
    /// ANSI X9.63 with the digest: dhSinglePass-stdDH.
    X963(Digest),
    /// The same after cofactor Diffie-Hellman, which on curves of prime order is the same.
    X963Cofactor(Digest),
    /// HKDF with the digest: dhSinglePass-stdDH-hkdf (RFC 8418).
    Hkdf(Digest),
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
    pub(super) const ALL: [Self; 6] = [
        Self::Aes128,
        Self::Aes128Pad,
        Self::Aes192,
        Self::Aes192Pad,
        Self::Aes256,
        Self::Aes256Pad,
    ];

    /// Its object identifier.
    // RFC 3565 §4.2, RFC 5649 §5
    pub fn oid(self) -> ObjectIdentifier {
        match self {
            Self::Aes128 => ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.1.5"),
            Self::Aes128Pad => ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.1.8"),
            Self::Aes192 => ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.1.25"),
            Self::Aes192Pad => ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.1.28"),
            Self::Aes256 => ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.1.45"),
            Self::Aes256Pad => ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.1.48"),
        }
    }

    /// The wrap with this identifier.
    pub fn from_oid(oid: &ObjectIdentifier) -> Option<Self> {
        Self::ALL.into_iter().find(|wrap| wrap.oid() == *oid)
    }

    /// Octets of the key-encryption key.
    pub fn key_length(self) -> usize {
        match self {
            Self::Aes128 | Self::Aes128Pad => 16,
            Self::Aes192 | Self::Aes192Pad => 24,
            Self::Aes256 | Self::Aes256Pad => 32,
        }
    }

    /// Whether it pads (RFC 5649).
    pub fn is_padded(self) -> bool {
        matches!(self, Self::Aes128Pad | Self::Aes192Pad | Self::Aes256Pad)
    }

    /// The wrap with a key of this many octets.
    pub fn of_length(octets: usize, padded: bool) -> Self {
        match (octets, padded) {
            (16, false) => Self::Aes128,
            (16, true) => Self::Aes128Pad,
            (24, false) => Self::Aes192,
            (24, true) => Self::Aes192Pad,
            (_, false) => Self::Aes256,
            (_, true) => Self::Aes256Pad,
        }
    }

    /// AlgorithmIdentifier in DER, parameters absent.
    pub fn algorithm_der(self) -> Vec<u8> {
        tlv::sequence(&[&tlv::oid(&self.oid())])
    }
}

impl KeyDerivation {
    pub(super) const ALL: [Self; 10] = [
        Self::X963(Digest::Sha1),
        Self::X963(Digest::Sha256),
        Self::X963(Digest::Sha384),
        Self::X963(Digest::Sha512),
        Self::X963Cofactor(Digest::Sha256),
        Self::X963Cofactor(Digest::Sha384),
        Self::X963Cofactor(Digest::Sha512),
        Self::Hkdf(Digest::Sha256),
        Self::Hkdf(Digest::Sha384),
        Self::Hkdf(Digest::Sha512),
    ];

    /// Its object identifier.
    // RFC 5753 §7.1.4, RFC 8418 §2. There is no HKDF with SHA-1, and no cofactor with SHA-1 that
    // anybody writes.
    pub fn oid(self) -> ObjectIdentifier {
        match self {
            Self::X963(Digest::Sha1) | Self::X963Cofactor(Digest::Sha1) => {
                ObjectIdentifier::new_unwrap("1.3.133.16.840.63.0.2")
            }
            Self::X963(Digest::Sha256) => ObjectIdentifier::new_unwrap("1.3.132.1.11.1"),
            Self::X963(Digest::Sha384) => ObjectIdentifier::new_unwrap("1.3.132.1.11.2"),
            Self::X963(Digest::Sha512) => ObjectIdentifier::new_unwrap("1.3.132.1.11.3"),
            Self::X963Cofactor(Digest::Sha256) => ObjectIdentifier::new_unwrap("1.3.132.1.14.1"),
            Self::X963Cofactor(Digest::Sha384) => ObjectIdentifier::new_unwrap("1.3.132.1.14.2"),
            Self::X963Cofactor(Digest::Sha512) => ObjectIdentifier::new_unwrap("1.3.132.1.14.3"),
            Self::Hkdf(Digest::Sha1 | Digest::Sha256) => {
                ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.3.19")
            }
            Self::Hkdf(Digest::Sha384) => {
                ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.3.20")
            }
            Self::Hkdf(Digest::Sha512) => {
                ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.3.21")
            }
        }
    }

    /// The derivation with this identifier.
    pub fn from_oid(oid: &ObjectIdentifier) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|derivation| derivation.oid() == *oid)
    }

    /// Its name for people, with the agreement before it.
    pub fn name(self) -> String {
        match self {
            Self::X963(digest) => format!("ECDH, X9.63 KDF with {}", digest.name()),
            Self::X963Cofactor(digest) => {
                format!("cofactor ECDH, X9.63 KDF with {}", digest.name())
            }
            Self::Hkdf(digest) => format!("ECDH, HKDF with {}", digest.name()),
        }
    }

    /// Its digest.
    pub fn digest(self) -> Digest {
        match self {
            Self::X963(digest) | Self::X963Cofactor(digest) | Self::Hkdf(digest) => digest,
        }
    }
}

/// RSAES-OAEP AlgorithmIdentifier in DER: `digest` for hash and mask, no label.
// RFC 4055 §4.1: the default pSource is omitted.
pub fn oaep_algorithm_der(digest: Digest) -> Vec<u8> {
    let parameters = tlv::sequence(&[
        &tlv::element(tlv::CONTEXT_0, &[&digest.algorithm_der_null()]),
        &tlv::element(tlv::CONTEXT_1, &[&digest.mask_der()]),
    ]);
    tlv::sequence(&[&tlv::oid(&ID_OAEP), &parameters])
}

/// The digest of an RSAES-OAEP AlgorithmIdentifier: same for hash and mask, and no label.
pub fn oaep_digest(algorithm: &AlgorithmIdentifierOwned) -> Result<Digest, UnknownAlgorithm> {
    let unknown = |problem| UnknownAlgorithm {
        role: "key transport algorithm",
        oid: algorithm.oid,
        problem,
    };
    if algorithm.oid != ID_OAEP {
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
