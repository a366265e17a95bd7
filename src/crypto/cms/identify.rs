//! Which certificate an identifier in a layer means.
//!
//! Promises: names and serial numbers are compared octet for octet, as received.
//! Standards: RFC 5652 sections 5.3, 6.2.1, 10.2.4.

use crate::crypto::certificate::Certificate;

use super::read::CertificateIdentifier;

impl CertificateIdentifier<'_> {
    /// Whether this certificate is meant. Several certificates can have the same key identifier.
    pub fn matches(&self, certificate: &Certificate) -> bool {
        match self {
            Self::IssuerAndSerial { issuer, serial } => {
                certificate.issuer_der() == issuer.as_ref() && certificate.serial_bytes() == *serial
            }
            Self::SubjectKeyId(identifier) => {
                certificate.subject_key_id() == Some(identifier.as_ref())
            }
        }
    }
}

/// Whom a SignerInfo names: kept as it came, and put into words only for who asks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SignerName {
    /// By who issued the certificate (a whole Name) under which number.
    IssuerAndSerial(Vec<u8>, Vec<u8>),
    /// By the identifier of the key.
    SubjectKeyId(Vec<u8>),
    /// The SignerInfo was not read.
    #[default]
    Unread,
}

impl From<&CertificateIdentifier<'_>> for SignerName {
    fn from(identifier: &CertificateIdentifier<'_>) -> Self {
        match identifier {
            CertificateIdentifier::IssuerAndSerial { issuer, serial } => {
                Self::IssuerAndSerial(issuer.to_vec(), serial.to_vec())
            }
            CertificateIdentifier::SubjectKeyId(identifier) => {
                Self::SubjectKeyId(identifier.to_vec())
            }
        }
    }
}

impl std::fmt::Display for SignerName {
    /// As the identifier; nothing where it was not read.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::IssuerAndSerial(issuer, serial) => {
                let issuer = issuer.into();
                CertificateIdentifier::IssuerAndSerial { issuer, serial }.fmt(f)
            }
            Self::SubjectKeyId(identifier) => {
                CertificateIdentifier::SubjectKeyId(identifier.into()).fmt(f)
            }
            Self::Unread => Ok(()),
        }
    }
}

impl std::fmt::Display for CertificateIdentifier<'_> {
    /// For people: the issuer's name and the serial number, or the key identifier, in hexadecimal.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        use der::Decode;
        let octets = match self {
            Self::IssuerAndSerial { issuer, serial } => {
                match x509_cert::name::Name::from_der(issuer) {
                    Ok(name) => write!(f, "{name}, serial ")?,
                    Err(_) => f.write_str("an issuer that cannot be read, serial ")?,
                }
                serial
            }
            Self::SubjectKeyId(identifier) => {
                f.write_str("key identifier ")?;
                identifier.as_ref()
            }
        };
        octets.iter().try_for_each(|octet| write!(f, "{octet:02X}"))
    }
}
