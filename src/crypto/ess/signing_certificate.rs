//! SigningCertificate and SigningCertificateV2: which certificate the signer means.
//!
//! Duty: make the V2 attribute; read both. Whether a hash is that of a certificate is for
//! `cms::verify`.
//! Promises: an absent hash algorithm is read as SHA-256, and SHA-256 is written by absence.
//! Standards: RFC 5035 sections 3 to 5.

use const_oid::ObjectIdentifier;

use crate::crypto::ber::{BerError, BerErrorKind, Node, Reader, Tag};
use crate::crypto::cms::attribute::AttributeDer;
use crate::crypto::cms::read::AlgorithmIdentifier;

use super::{SIGNING_CERTIFICATE_V2, value_reader};

const SHA1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.14.3.2.26");
const SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");
/// What one attribute may list; a path is shorter.
const MOST_CERTIFICATES: usize = 32;

/// What either attribute says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SigningCertificate {
    /// certs: the first one is the signer's, further ones limit the path. Not empty.
    pub certificates: Vec<CertificateHash>,
}

/// ESSCertID or ESSCertIDv2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateHash {
    /// hashAlgorithm; SHA-1 in the first version.
    pub algorithm: ObjectIdentifier,
    /// certHash: over the whole certificate.
    pub hash: Vec<u8>,
    /// issuerSerial: the issuer's Name (one DER element) and the contents of the serial number.
    pub issuer_and_serial: Option<(Vec<u8>, Vec<u8>)>,
}

impl SigningCertificate {
    /// The V2 attribute for one certificate.
    pub fn attribute_v2(signer: &CertificateHash) -> AttributeDer {
        let mut fields = Vec::new();
        // X.690 §11.5: the default value is not written.
        if signer.algorithm != SHA256 {
            fields.push(Node::sequence(vec![Node::oid(&signer.algorithm)]));
        }
        fields.push(Node::octet_string(&signer.hash));
        if let Some((issuer, serial)) = &signer.issuer_and_serial {
            // RFC 5035 §4: exactly one directoryName ([4], explicit because Name is a CHOICE).
            fields.push(Node::sequence(vec![
                Node::sequence(vec![Node::explicit(4, Node::encoded(issuer))]),
                Node::tagged_bytes(Tag::INTEGER, serial.as_slice()),
            ]));
        }
        AttributeDer::new(
            SIGNING_CERTIFICATE_V2,
            Node::sequence(vec![Node::sequence(vec![Node::sequence(fields)])]),
        )
    }

    /// Reads the value of the V2 attribute.
    pub fn read_v2(value: &[u8]) -> Result<Self, BerError> {
        Self::read(value, |fields| {
            match fields.optional(Tag::SEQUENCE)? {
                // RFC 5035 §4: DEFAULT {algorithm id-sha256}.
                None => Ok(SHA256),
                Some(algorithm) => Ok(AlgorithmIdentifier::read(&algorithm)?.oid),
            }
        })
    }

    /// Reads the value of the first version's attribute.
    pub fn read_v1(value: &[u8]) -> Result<Self, BerError> {
        Self::read(value, |_| Ok(SHA1))
    }

    fn read<'a>(
        value: &'a [u8],
        algorithm: impl Fn(&mut Reader<'a>) -> Result<ObjectIdentifier, BerError>,
    ) -> Result<Self, BerError> {
        let mut fields = value_reader(value, Tag::SEQUENCE)?;
        let holder = fields.expect(Tag::SEQUENCE)?;
        // policies: which policies the path may use. They are for path validation, not for us.
        fields.optional(Tag::SEQUENCE)?;
        fields.finish()?;
        let mut list = holder.reader()?;
        let mut certificates = Vec::new();
        while !list.is_empty() {
            if certificates.len() >= MOST_CERTIFICATES {
                return Err(list.error(BerErrorKind::Elements));
            }
            let mut entry = list.sequence()?;
            let algorithm = algorithm(&mut entry)?;
            let hash = entry
                .expect_string(Tag::OCTET_STRING)?
                .octets()?
                .into_owned();
            let issuer_and_serial = match entry.optional(Tag::SEQUENCE)? {
                Some(named) => Some(issuer_and_serial(named.reader()?)?),
                None => None,
            };
            entry.finish()?;
            certificates.push(CertificateHash {
                algorithm,
                hash,
                issuer_and_serial,
            });
        }
        if certificates.is_empty() {
            return Err(BerErrorKind::Contents(Tag::SEQUENCE).at(holder.position()));
        }
        Ok(Self { certificates })
    }
}

fn issuer_and_serial(mut fields: Reader<'_>) -> Result<(Vec<u8>, Vec<u8>), BerError> {
    let names = fields.expect(Tag::SEQUENCE)?;
    let serial = fields.expect(Tag::INTEGER)?;
    fields.finish()?;
    let name = names.only()?;
    if name.tag() != Tag::context_constructed(4) {
        return Err(BerErrorKind::UnexpectedTag {
            expected: Tag::context_constructed(4),
            found: name.tag(),
        }
        .at(name.position()));
    }
    let issuer = name.only()?.to_der()?.into_owned();
    Ok((issuer, serial.contents().to_vec()))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{hex, value_of};
    use super::*;

    #[test]
    fn sha256_is_written_by_absence_and_sha384_by_name() {
        let sha256 = CertificateHash {
            algorithm: SHA256,
            hash: vec![7; 32],
            issuer_and_serial: None,
        };
        let attribute = SigningCertificate::attribute_v2(&sha256);
        let mut expected = hex("30 37 06 0b 2a864886f70d010910022f 31 28 30 26 30 24 30 22 04 20");
        expected.extend([7; 32]);
        assert_eq!(attribute.der(), expected);
        let read = SigningCertificate::read_v2(&value_of(&attribute)).unwrap();
        assert_eq!(read.certificates, [sha256]);

        let sha384 = CertificateHash {
            algorithm: ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.2"),
            hash: vec![9; 48],
            issuer_and_serial: Some((hex("30 00"), vec![5])),
        };
        let attribute = SigningCertificate::attribute_v2(&sha384);
        let inner = hex("30 0b 06 09 608648016503040202");
        assert!(attribute.der().windows(inner.len()).any(|w| w == inner));
        let read = SigningCertificate::read_v2(&value_of(&attribute)).unwrap();
        assert_eq!(read.certificates, [sha384]);
    }

    #[test]
    fn an_empty_list_or_another_kind_of_name_is_refused() {
        assert!(SigningCertificate::read_v2(&hex("30 02 30 00")).is_err());
        let email = hex("30 12 30 10 30 0e 04 01 aa 30 09 30 04 81 02 6140 02 01 05");
        assert!(SigningCertificate::read_v1(&email).is_err());
        let none = hex("30 07 30 05 30 03 04 01 aa");
        assert!(SigningCertificate::read_v1(&none).is_ok());
    }
}
