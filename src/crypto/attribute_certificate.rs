//! An attribute certificate: what an attribute authority says of the holder of a certificate.
//!
//! Promises: what is signed or compared is a copy of the received octets; cloning is cheap.
//! Refuses: version 1, an issuer or holder in a form that RFC 5755 does not allow, a holder who is not
//! named at all, extensions twice. Does not judge: that is [`super::trust`].
//! Standards: RFC 5755 §4.

use std::sync::Arc;

use der::asn1::ObjectIdentifier;
use spki::AlgorithmIdentifierOwned;
use x509_cert::ext::pkix::name::{GeneralName, GeneralNames};
use x509_cert::name::Name;

use super::algorithm::{Digest, SignatureScheme, UnknownAlgorithm};
use super::certificate::{Certificate, CertificateError, Extension, hex};
use super::clearance::{self, Attribute, ClearanceError};
use super::pem::{self, PemError};
use super::provider;
use crate::clock::Timestamp;
use crate::label::Policies;
use crate::label::clearance::Decoded;

mod reading;
#[cfg(test)]
mod tests;

/// The label of its PEM block.
pub const PEM_LABEL: &str = "ATTRIBUTE CERTIFICATE";

/// Why octets are not an attribute certificate.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum AttributeCertificateError {
    /// Its extensions are not right.
    #[error("the attribute certificate's extensions cannot be read")]
    Extensions(#[from] CertificateError),
    /// The structure is wrong; the source says where.
    #[error("the attribute certificate's {field} is malformed")]
    Malformed {
        /// Which part.
        field: &'static str,
        /// The decoder's reason.
        #[source]
        source: der::Error,
    },
    /// The text encoding is wrong.
    #[error("the PEM file is malformed")]
    Pem(#[from] PemError),
    /// A form that RFC 5755 does not allow.
    #[error("the attribute certificate {0}")]
    Profile(&'static str),
}

/// An attribute certificate. Clones share one copy.
#[derive(Clone)]
pub struct AttributeCertificate(Arc<Parsed>);

struct Parsed {
    der: Vec<u8>,
    tbs: Vec<u8>,
    algorithm: AlgorithmIdentifierOwned,
    signature: Vec<u8>,
    serial: Vec<u8>,
    holder: Holder,
    issuer: Name,
    not_before: Timestamp,
    not_after: Timestamp,
    attributes: Vec<Attribute>,
    extensions: Vec<Extension>,
}

/// Whom it is about. Every part that is there must fit.
// RFC 5755 §4.2.2
#[derive(Debug, Default)]
struct Holder {
    /// Issuer and serial number (contents octets) of the holder's certificate.
    base: Option<(Name, Vec<u8>)>,
    names: Option<GeneralNames>,
    digest: Option<ObjectDigest>,
}

// RFC 5755 §4.2.2, §7.3
#[derive(Debug)]
struct ObjectDigest {
    of: Digested,
    algorithm: Digest,
    value: Vec<u8>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Digested {
    Certificate,
    PublicKey,
}

impl AttributeCertificate {
    /// Reads one; nothing may follow it.
    ///
    /// # Errors
    /// When it is not one by RFC 5755.
    pub fn from_der(der: &[u8]) -> Result<Self, AttributeCertificateError> {
        Ok(Self(Arc::new(reading::parse(der)?)))
    }

    /// Every one of a file: DER, or PEM blocks; other blocks are passed over.
    ///
    /// # Errors
    /// As [`AttributeCertificate::from_der`], and when the PEM is malformed.
    pub fn from_file(octets: &[u8]) -> Result<Vec<Self>, AttributeCertificateError> {
        if octets.first() == Some(&super::tlv::SEQUENCE) {
            return Ok(vec![Self::from_der(octets)?]);
        }
        pem::blocks(octets)?
            .iter()
            .filter(|block| block.label == PEM_LABEL)
            .map(|block| Self::from_der(&block.der))
            .collect()
    }

    /// PEM of it.
    pub fn to_pem(&self) -> String {
        pem::encode(PEM_LABEL, self.der())
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
    ///
    /// # Errors
    /// When the algorithm is unknown.
    pub fn signature_scheme(&self) -> Result<SignatureScheme, UnknownAlgorithm> {
        SignatureScheme::from_algorithm(&self.0.algorithm)
    }

    /// The attribute authority's signature.
    pub fn signature(&self) -> &[u8] {
        &self.0.signature
    }

    /// The attribute authority's name in the form of RFC 4514.
    pub fn issuer(&self) -> String {
        self.0.issuer.to_string()
    }

    pub(super) fn issuer_name(&self) -> &Name {
        &self.0.issuer
    }

    pub(super) fn serial_bytes(&self) -> &[u8] {
        &self.0.serial
    }

    /// The serial number in hexadecimal.
    pub fn serial_hex(&self) -> String {
        hex(match self.serial_bytes() {
            [0, rest @ ..] if !rest.is_empty() => rest,
            whole => whole,
        })
    }

    /// Valid from this instant.
    pub fn not_before(&self) -> Timestamp {
        self.0.not_before
    }

    /// Valid up to and with this instant.
    pub fn not_after(&self) -> Timestamp {
        self.0.not_after
    }

    /// All extensions, in order.
    pub fn extensions(&self) -> &[Extension] {
        &self.0.extensions
    }

    /// The extension with this identifier.
    pub fn extension(&self, oid: &ObjectIdentifier) -> Option<&Extension> {
        self.extensions()
            .iter()
            .find(|extension| extension.oid == *oid)
    }

    /// What it is called in explanations.
    pub fn name(&self) -> String {
        format!("serial {} of {}", self.serial_hex(), self.issuer())
    }

    /// Whether it is about the holder of this certificate.
    // RFC 5755 §5: "the holder's PKC"; §4.2.2: every part that is there
    pub fn is_about(&self, certificate: &Certificate) -> bool {
        let holder = &self.0.holder;
        let base = holder.base.as_ref().is_none_or(|(issuer, serial)| {
            super::trust::same_name(issuer, certificate.issuer_name())
                && serial == certificate.serial_bytes()
        });
        let named = holder.names.as_ref().is_none_or(|names| {
            names.iter().any(|name| match name {
                GeneralName::DirectoryName(name) => {
                    !name.is_empty() && super::trust::same_name(name, certificate.subject_name())
                }
                other => certificate.alternative_names().contains(other),
            })
        });
        let digest = holder.digest.as_ref().is_none_or(|wanted| {
            let object = match wanted.of {
                Digested::Certificate => certificate.der(),
                Digested::PublicKey => certificate.spki_der(),
            };
            provider::default().digest(wanted.algorithm, &[object]) == wanted.value
        });
        base && named && digest
    }

    /// The clearance among its attributes; none when it has none.
    ///
    /// # Errors
    /// When there are several, or it cannot be read.
    // RFC 5755 §4.4.6, RFC 5913 §2
    pub fn clearance(&self, policies: &Policies) -> Result<Option<Decoded>, ClearanceError> {
        clearance::of_attributes(&self.0.attributes, &self.name(), policies)
    }
}

impl PartialEq for AttributeCertificate {
    fn eq(&self, other: &Self) -> bool {
        self.der() == other.der()
    }
}

impl Eq for AttributeCertificate {}

impl std::fmt::Debug for AttributeCertificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "AttributeCertificate({})", self.name())
    }
}
