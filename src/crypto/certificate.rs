//! A certificate: its octets as received, and what they say.
//!
//! Promises: `der()` is what was read, and everything that is compared or hashed (names, serial
//! number, key) is a slice of it, never a re-encoding; cloning is cheap.
//! Refuses: trailing octets, an extension twice, an extension known here that does not parse.
//! Does not judge: that is [`super::trust`]. Standards: RFC 5280 §4, 8550 §3, 9598, 4514.

use std::net::IpAddr;
use std::sync::Arc;

use der::Decode;
use der::asn1::{ObjectIdentifier, Utf8StringRef};
use spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoRef};
use x509_cert::ext::pkix::name::{GeneralName, GeneralNames};
use x509_cert::name::Name;

use super::algorithm::{
    Curve, Digest, ID_EC, ID_ED25519, ID_RSA, ID_X25519, SignatureScheme, UnknownAlgorithm,
};
use super::pem::{self, PemError};
use super::{provider, tlv};
use crate::clock::Timestamp;

mod reading;
#[cfg(test)]
mod tests;

pub(crate) use reading::{read_extensions, read_time, sequence_of};
pub use x509_cert::ext::pkix::KeyUsage;

/// id-on-SmtpUTF8Mailbox (RFC 9598 §3).
const SMTP_UTF8_MAILBOX: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.8.9");
/// commonName (RFC 4519 §2.3).
const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");
/// domainComponent (RFC 4519 §2.4).
const DOMAIN_COMPONENT: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("0.9.2342.19200300.100.1.25");
/// emailAddress in a distinguished name (RFC 2985 §5.2.1).
const EMAIL_ADDRESS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.1");

/// Why octets are not a certificate.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum CertificateError {
    /// The structure is wrong; the source says where.
    #[error("the certificate's {field} is malformed")]
    Malformed {
        /// Which part.
        field: &'static str,
        /// The decoder's reason, with its position in that part.
        #[source]
        source: der::Error,
    },
    /// The text encoding is wrong.
    #[error("the PEM file is malformed")]
    Pem(#[from] PemError),
    /// RFC 5280 §4.2: an extension is there once at most.
    #[error("the certificate has the extension {0} twice")]
    RepeatedExtension(ObjectIdentifier),
    /// The two places of the signature algorithm differ (RFC 5280 §4.1.1.2).
    #[error("the certificate names two different signature algorithms")]
    TwoAlgorithms,
}

/// An X.509 certificate. Clones share one copy.
#[derive(Clone)]
pub struct Certificate(Arc<Parsed>);

struct Parsed {
    der: Vec<u8>,
    tbs: Vec<u8>,
    algorithm: AlgorithmIdentifierOwned,
    signature: Vec<u8>,
    serial: Vec<u8>,
    issuer: Vec<u8>,
    subject: Vec<u8>,
    subject_name: Name,
    issuer_name: Name,
    not_before: Timestamp,
    not_after: Timestamp,
    spki: Vec<u8>,
    public_key: PublicKey,
    extensions: Vec<Extension>,
    subject_key_id: Option<Vec<u8>>,
    authority_key_id: Option<Vec<u8>>,
    key_usage: Option<KeyUsage>,
    extended_key_usage: Option<Vec<ObjectIdentifier>>,
    basic_constraints: Option<BasicConstraints>,
    alternative_names: GeneralNames,
}

/// One extension, its value still encoded.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Extension {
    /// Which extension.
    pub oid: ObjectIdentifier,
    /// Must be understood or the certificate refused.
    pub critical: bool,
    /// The DER inside the OCTET STRING.
    pub value: Vec<u8>,
}

impl Extension {
    /// `Extensions` in DER, as in a certificate, a CRL or a request.
    // RFC 5280 §4.1
    pub(crate) fn list_der(extensions: &[Self]) -> Vec<u8> {
        let encoded: Vec<Vec<u8>> = extensions.iter().map(Self::to_der).collect();
        let encoded: Vec<&[u8]> = encoded.iter().map(Vec::as_slice).collect();
        tlv::sequence(&encoded)
    }

    fn to_der(&self) -> Vec<u8> {
        // DER leaves the default, which is false, out.
        let critical: &[u8] = if self.critical { &[1, 1, 0xff] } else { &[] };
        let value = tlv::element(tlv::OCTET_STRING, &[&self.value]);
        tlv::sequence(&[&tlv::oid(&self.oid), critical, &value])
    }
}

/// The basicConstraints extension (RFC 5280 §4.2.1.9).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct BasicConstraints {
    /// May issue certificates.
    pub ca: bool,
    /// How many intermediate authorities may follow.
    pub path_length: Option<u8>,
}

/// A public key, as far as it is of a kind known here.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum PublicKey {
    /// A point on a NIST curve, as encoded in the key.
    Ec(Curve, Vec<u8>),
    /// Ed25519.
    Ed25519(Vec<u8>),
    /// RSA: the length of the modulus, and RSAPublicKey in DER.
    Rsa {
        /// Length of the modulus in bits.
        bits: usize,
        /// PKCS #1 form.
        der: Vec<u8>,
    },
    /// Something else, or a malformed key of a known kind.
    Other(ObjectIdentifier),
    /// X25519.
    X25519(Vec<u8>),
}

impl PublicKey {
    /// Reads a SubjectPublicKeyInfo. Fails only where its outer structure is broken.
    pub fn from_spki(spki_der: &[u8]) -> Result<Self, CertificateError> {
        let malformed = |source| CertificateError::Malformed {
            field: "public key",
            source,
        };
        let spki = SubjectPublicKeyInfoRef::from_der(spki_der).map_err(malformed)?;
        let oid = spki.algorithm.oid;
        let other = Self::Other(oid);
        let Some(key) = spki.subject_public_key.as_bytes() else {
            return Ok(other);
        };
        if oid == ID_RSA {
            return Ok(match rsa::pkcs1::RsaPublicKeyRef::from_der(key) {
                Ok(rsa) => Self::Rsa {
                    bits: reading::bit_length(rsa.modulus.as_bytes()),
                    der: key.to_vec(),
                },
                Err(_) => other,
            });
        }
        if oid == ID_ED25519 && spki.algorithm.parameters.is_none() && key.len() == 32 {
            return Ok(Self::Ed25519(key.to_vec()));
        }
        if oid == ID_X25519 && spki.algorithm.parameters.is_none() && key.len() == 32 {
            return Ok(Self::X25519(key.to_vec()));
        }
        if oid == ID_EC {
            // RFC 5480 §2.1.1: only a named curve.
            let curve = spki
                .algorithm
                .parameters
                .and_then(|any| any.decode_as::<ObjectIdentifier>().ok())
                .and_then(|oid| Curve::from_oid(&oid));
            if let Some(curve) = curve {
                return Ok(Self::Ec(curve, key.to_vec()));
            }
        }
        Ok(other)
    }

    /// What kind of key it is, for people.
    pub fn name(&self) -> String {
        match self {
            Self::Ec(curve, _) => format!("EC {}", curve.name()),
            Self::Ed25519(_) => "Ed25519".to_owned(),
            Self::Rsa { bits, .. } => format!("RSA {bits} bits"),
            Self::Other(oid) => format!("key of unknown kind {oid}"),
            Self::X25519(_) => "X25519".to_owned(),
        }
    }
}

impl Certificate {
    /// Reads one certificate; nothing may follow it.
    pub fn from_der(der: &[u8]) -> Result<Self, CertificateError> {
        Ok(Self(Arc::new(reading::parse(der)?)))
    }

    /// Every certificate of a PEM file; other blocks are passed over.
    pub fn from_pem_many(text: &[u8]) -> Result<Vec<Self>, CertificateError> {
        pem::blocks(text)?
            .iter()
            .filter(|block| block.label == "CERTIFICATE")
            .map(|block| Self::from_der(&block.der))
            .collect()
    }

    /// PEM of this certificate.
    pub fn to_pem(&self) -> String {
        pem::encode("CERTIFICATE", self.der())
    }

    /// The octets as received.
    pub fn der(&self) -> &[u8] {
        &self.0.der
    }

    /// The part that is signed.
    pub fn tbs_der(&self) -> &[u8] {
        &self.0.tbs
    }

    /// How it is signed; an error where the algorithm is unknown.
    pub fn signature_scheme(&self) -> Result<SignatureScheme, UnknownAlgorithm> {
        SignatureScheme::from_algorithm(&self.0.algorithm)
    }

    /// The issuer's signature.
    pub fn signature(&self) -> &[u8] {
        &self.0.signature
    }

    /// The subject's name in the form of RFC 4514.
    pub fn subject(&self) -> String {
        self.0.subject_name.to_string()
    }

    /// The issuer's name in the form of RFC 4514.
    pub fn issuer(&self) -> String {
        self.0.issuer_name.to_string()
    }

    /// The subject's name, encoded.
    pub fn subject_der(&self) -> &[u8] {
        &self.0.subject
    }

    /// The issuer's name, encoded.
    pub fn issuer_der(&self) -> &[u8] {
        &self.0.issuer
    }

    pub(crate) fn subject_name(&self) -> &Name {
        &self.0.subject_name
    }

    pub(crate) fn issuer_name(&self) -> &Name {
        &self.0.issuer_name
    }

    pub(crate) fn alternative_names(&self) -> &GeneralNames {
        &self.0.alternative_names
    }

    /// The contents octets of the serial number.
    pub fn serial_bytes(&self) -> &[u8] {
        &self.0.serial
    }

    /// The serial number in hexadecimal, as other tools print it.
    pub fn serial_hex(&self) -> String {
        hex(match self.serial_bytes() {
            [0, rest @ ..] if !rest.is_empty() => rest,
            whole => whole,
        })
    }

    /// IssuerAndSerialNumber of CMS.
    // RFC 5652 §10.2.4
    pub fn issuer_and_serial_der(&self) -> Vec<u8> {
        tlv::sequence(&[
            self.issuer_der(),
            &tlv::element(tlv::INTEGER, &[self.serial_bytes()]),
        ])
    }

    /// Valid from this instant.
    pub fn not_before(&self) -> Timestamp {
        self.0.not_before
    }

    /// Valid up to and with this instant.
    pub fn not_after(&self) -> Timestamp {
        self.0.not_after
    }

    /// SubjectPublicKeyInfo in DER.
    pub fn spki_der(&self) -> &[u8] {
        &self.0.spki
    }

    /// The public key.
    pub fn public_key(&self) -> &PublicKey {
        &self.0.public_key
    }

    /// subjectKeyIdentifier.
    pub fn subject_key_id(&self) -> Option<&[u8]> {
        self.0.subject_key_id.as_deref()
    }

    /// keyIdentifier of authorityKeyIdentifier.
    pub fn authority_key_id(&self) -> Option<&[u8]> {
        self.0.authority_key_id.as_deref()
    }

    /// keyUsage; none means unrestricted.
    pub fn key_usage(&self) -> Option<KeyUsage> {
        self.0.key_usage
    }

    /// extendedKeyUsage; none means unrestricted.
    pub fn extended_key_usage(&self) -> Option<&[ObjectIdentifier]> {
        self.0.extended_key_usage.as_deref()
    }

    /// basicConstraints; none means an end entity.
    pub fn basic_constraints(&self) -> Option<BasicConstraints> {
        self.0.basic_constraints
    }

    /// All extensions, in order.
    pub fn extensions(&self) -> &[Extension] {
        &self.0.extensions
    }

    /// The extension with this identifier.
    pub fn extension(&self, oid: &ObjectIdentifier) -> Option<&Extension> {
        self.0
            .extensions
            .iter()
            .find(|extension| extension.oid == *oid)
    }

    /// Every mail address: rfc822Name, SmtpUTF8Mailbox, and emailAddress in the subject.
    // RFC 8550 §3
    pub fn emails(&self) -> Vec<String> {
        let mut found = Vec::new();
        for name in self.alternative_names() {
            match name {
                GeneralName::Rfc822Name(mailbox) => found.push(mailbox.as_str().to_owned()),
                // RFC 9598 §3
                GeneralName::OtherName(other) if other.type_id == SMTP_UTF8_MAILBOX => {
                    // It is there for local parts beyond ASCII, and is never another spelling of an
                    // rfc822Name; what begins with a byte order mark is not one.
                    if let Ok(mailbox) = other.value.decode_as::<Utf8StringRef<'_>>()
                        && let Some((local, _)) = mailbox.as_str().rsplit_once('@')
                        && !local.is_ascii()
                        && !local.starts_with('\u{feff}')
                    {
                        found.push(mailbox.as_str().to_owned());
                    }
                }
                _ => {}
            }
        }
        for address in self.subject_emails() {
            if !found.contains(&address) {
                found.push(address);
            }
        }
        found
    }

    /// emailAddress attributes of the subject: the legacy place.
    pub(crate) fn subject_emails(&self) -> Vec<String> {
        self.subject_texts(&EMAIL_ADDRESS)
    }

    fn subject_texts(&self, oid: &ObjectIdentifier) -> Vec<String> {
        self.0
            .subject_name
            .iter()
            .filter(|attribute| attribute.oid == *oid)
            .filter_map(|attribute| String::from_utf8(attribute.value.value().to_vec()).ok())
            .collect()
    }

    /// commonName attributes of the subject.
    pub fn common_names(&self) -> Vec<String> {
        self.subject_texts(&COMMON_NAME)
    }

    /// The domain that the subject's domain components spell (RFC 2247), if there are any.
    pub fn domain_components(&self) -> Option<String> {
        let mut labels = self.subject_texts(&DOMAIN_COMPONENT);
        // The most significant stands first in the name, and last in the domain.
        labels.reverse();
        (!labels.is_empty()).then(|| labels.join("."))
    }

    /// dNSName entries.
    pub fn dns_names(&self) -> Vec<String> {
        self.alternative_names()
            .iter()
            .filter_map(|name| match name {
                GeneralName::DnsName(name) => Some(name.as_str().to_owned()),
                _ => None,
            })
            .collect()
    }

    /// iPAddress entries.
    pub fn ip_addresses(&self) -> Vec<IpAddr> {
        self.alternative_names()
            .iter()
            .filter_map(|name| match name {
                GeneralName::IpAddress(octets) => {
                    let octets = octets.as_bytes();
                    let four = <[u8; 4]>::try_from(octets).map(IpAddr::from);
                    four.or_else(|_| <[u8; 16]>::try_from(octets).map(IpAddr::from))
                        .ok()
                }
                _ => None,
            })
            .collect()
    }

    /// SHA-256 over the whole certificate.
    pub fn fingerprint(&self) -> [u8; 32] {
        let digest = provider::default().digest(Digest::Sha256, &[self.der()]);
        digest.try_into().unwrap_or([0; 32])
    }

    /// Issuer and subject have the same name.
    pub fn is_self_issued(&self) -> bool {
        self.0.subject == self.0.issuer
    }
}

impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        self.der() == other.der()
    }
}

impl Eq for Certificate {}

impl std::hash::Hash for Certificate {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.der().hash(state);
    }
}

impl std::fmt::Debug for Certificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Certificate({}, serial {})",
            self.subject(),
            self.serial_hex()
        )
    }
}

/// Octets in hexadecimal, capitals.
pub(crate) fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02X}")).collect()
}
