//! Attributes of Enhanced Security Services, and the signature type of domain security.
//!
//! Duty: make each attribute in DER, and read the value of each one.
//! Promises: a security label is carried as the octets that the label room wrote or will read.
//! Refuses: values that break their own size rules; trailing octets.
//! Standards: RFC 2634 sections 1.3.4, 2.7 to 2.11, 3.2, 3.4, 4.4; RFC 8551 section 2.5; RFC 5035 (signing certificate);
//! RFC 3183 section 3.1.2 and RFC 7107 (signature type).

mod capabilities;
mod mail_list;
mod receipt;
mod receipt_request;
mod secure_headers;
mod signing_certificate;

use const_oid::ObjectIdentifier;

use crate::crypto::ber::{BerError, BerErrorKind, Limits, Node, Reader, Tag};
use crate::crypto::cms::attribute::AttributeDer;

pub use capabilities::{
    Capability, EncryptionKeyPreference, own_capabilities, read_smime_capabilities,
    smime_capabilities,
};
pub use mail_list::{
    MOST_LISTS, MailListExpansion, MailListHistory, MailListIdentifier, MailListReceipts,
};
pub use receipt::ContentReference;
pub use receipt_request::{GeneralName, ReceiptRequest, ReceiptsFrom};
pub use secure_headers::{
    Canonicalisation, FieldStatus, SECURE_HEADER_FIELDS, SecureField, SecureHeaderFields,
};
pub use signing_certificate::{CertificateHash, SigningCertificate};

/// id-aa-receiptRequest. RFC 2634 §2.7.
pub const RECEIPT_REQUEST: ObjectIdentifier = aa("1.2.840.113549.1.9.16.2.1");
/// id-aa-securityLabel. RFC 2634 §3.2.
pub const SECURITY_LABEL: ObjectIdentifier = aa("1.2.840.113549.1.9.16.2.2");
/// id-aa-mlExpandHistory. RFC 2634 §4.4.
pub const ML_EXPANSION_HISTORY: ObjectIdentifier = aa("1.2.840.113549.1.9.16.2.3");
/// id-aa-contentHint. RFC 2634 §2.9.
pub const CONTENT_HINTS: ObjectIdentifier = aa("1.2.840.113549.1.9.16.2.4");
/// id-aa-msgSigDigest. RFC 2634 §2.10.
pub const MESSAGE_SIGNATURE_DIGEST: ObjectIdentifier = aa("1.2.840.113549.1.9.16.2.5");
/// id-aa-contentIdentifier. RFC 2634 §2.8.
pub const CONTENT_IDENTIFIER: ObjectIdentifier = aa("1.2.840.113549.1.9.16.2.7");
/// id-aa-equivalentLabels. RFC 2634 §3.4.
pub const EQUIVALENT_LABELS: ObjectIdentifier = aa("1.2.840.113549.1.9.16.2.9");
/// id-aa-contentReference. RFC 2634 §2.11.
pub const CONTENT_REFERENCE: ObjectIdentifier = aa("1.2.840.113549.1.9.16.2.10");
/// id-aa-encrypKeyPref. RFC 8551 §2.5.3.
pub const ENCRYPTION_KEY_PREFERENCE: ObjectIdentifier = aa("1.2.840.113549.1.9.16.2.11");
/// smimeCapabilities. RFC 8551 §2.5.2.
pub const SMIME_CAPABILITIES: ObjectIdentifier = aa("1.2.840.113549.1.9.15");
/// id-aa-signingCertificate. RFC 5035 §5.
pub const SIGNING_CERTIFICATE: ObjectIdentifier = aa("1.2.840.113549.1.9.16.2.12");
/// id-aa-signatureType. RFC 7107 §3.5.
pub const SIGNATURE_TYPE: ObjectIdentifier = aa("1.2.840.113549.1.9.16.2.28");
/// id-aa-signingCertificateV2. RFC 5035 §3.
pub const SIGNING_CERTIFICATE_V2: ObjectIdentifier = aa("1.2.840.113549.1.9.16.2.47");

/// id-sti-originatorSig: the originator's own signature. RFC 3183 §3.1.2.
pub const ORIGINATOR_SIGNATURE: ObjectIdentifier = aa("1.2.840.113549.1.9.16.9.1");
/// id-sti-domainSig: the signature of a domain for its originators.
pub const DOMAIN_SIGNATURE: ObjectIdentifier = aa("1.2.840.113549.1.9.16.9.2");
/// id-sti-addAttribSig: a signature that adds attributes.
pub const ADDITIONAL_ATTRIBUTES_SIGNATURE: ObjectIdentifier = aa("1.2.840.113549.1.9.16.9.3");
/// id-sti-reviewSig: the signature of a reviewer.
pub const REVIEW_SIGNATURE: ObjectIdentifier = aa("1.2.840.113549.1.9.16.9.4");

const fn aa(oid: &str) -> ObjectIdentifier {
    ObjectIdentifier::new_unwrap(oid)
}

/// eSSSecurityLabel with this label, which is one DER SET.
pub fn security_label(label_der: &[u8]) -> AttributeDer {
    AttributeDer::from_value(SECURITY_LABEL, label_der)
}

/// equivalentLabels with these labels, each one DER SET.
pub fn equivalent_labels<'a>(labels_der: impl IntoIterator<Item = &'a [u8]>) -> AttributeDer {
    let labels = labels_der.into_iter().map(Node::encoded).collect();
    AttributeDer::new(EQUIVALENT_LABELS, Node::sequence(labels))
}

/// The labels in the value of equivalentLabels, each as received.
pub fn read_equivalent_labels(value: &[u8]) -> Result<Vec<&[u8]>, BerError> {
    let mut labels = Vec::new();
    let mut reader = value_reader(value, Tag::SEQUENCE)?;
    while !reader.is_empty() {
        labels.push(reader.expect(Tag::SET)?.whole());
    }
    Ok(labels)
}

/// msgSigDigest: the digest over the signed attributes of the message that is receipted.
pub fn message_signature_digest(digest: &[u8]) -> AttributeDer {
    AttributeDer::new(MESSAGE_SIGNATURE_DIGEST, Node::octet_string(digest))
}

/// The policy that a label names: the one OBJECT IDENTIFIER directly in its SET.
pub fn label_policy(label_der: &[u8]) -> Result<ObjectIdentifier, BerError> {
    let mut fields = value_reader(label_der, Tag::SET)?;
    let missing = fields.error(BerErrorKind::Missing { expected: Tag::OID });
    let mut policy = None;
    while !fields.is_empty() {
        if fields.peek() == Some(Tag::OID) {
            let again = fields.error(BerErrorKind::Elements);
            if policy.replace(fields.oid()?).is_some() {
                return Err(again);
            }
        } else {
            fields.next_element()?;
        }
    }
    policy.ok_or(missing)
}

/// signatureType: what the signature is for.
pub fn signature_type(types: &[ObjectIdentifier]) -> AttributeDer {
    AttributeDer::new(
        SIGNATURE_TYPE,
        Node::sequence(types.iter().map(Node::oid).collect()),
    )
}

/// The types in one value of signatureType.
pub fn read_signature_type(value: &[u8]) -> Result<Vec<ObjectIdentifier>, BerError> {
    let mut types = Vec::new();
    let mut reader = value_reader(value, Tag::SEQUENCE)?;
    while !reader.is_empty() {
        types.push(reader.oid()?);
    }
    Ok(types)
}

/// ContentHints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContentHints {
    /// contentDescription: a sentence for people, not empty.
    pub description: Option<String>,
    /// contentType of what is inside.
    pub content_type: ObjectIdentifier,
}

impl ContentHints {
    /// The attribute.
    pub fn attribute(&self) -> AttributeDer {
        let mut fields = Vec::new();
        // RFC 2634 §2.9: SIZE (1..MAX).
        if let Some(description) = self.description.as_deref().filter(|text| !text.is_empty()) {
            fields.push(Node::utf8(description));
        }
        fields.push(Node::oid(&self.content_type));
        AttributeDer::new(CONTENT_HINTS, Node::sequence(fields))
    }

    /// Reads the value of the attribute.
    pub fn read(value: &[u8]) -> Result<Self, BerError> {
        let mut fields = value_reader(value, Tag::SEQUENCE)?;
        let description = match fields.optional(Tag::UTF8_STRING)? {
            Some(text) => Some(
                std::str::from_utf8(text.contents())
                    .ok()
                    .filter(|text| !text.is_empty())
                    .ok_or(BerErrorKind::Contents(Tag::UTF8_STRING).at(text.position()))?
                    .to_owned(),
            ),
            None => None,
        };
        let content_type = fields.oid()?;
        fields.finish()?;
        Ok(Self {
            description,
            content_type,
        })
    }
}

/// contentIdentifier.
pub fn content_identifier(identifier: &[u8]) -> AttributeDer {
    AttributeDer::new(CONTENT_IDENTIFIER, Node::octet_string(identifier))
}

/// The identifier in the value of contentIdentifier; also the digest in that of msgSigDigest or
/// messageDigest.
pub fn read_octets(value: &[u8]) -> Result<Vec<u8>, BerError> {
    let mut reader = Reader::new(value, Limits::default());
    let octets = reader.expect_string(Tag::OCTET_STRING)?.octets()?;
    reader.finish()?;
    Ok(octets.into_owned())
}

/// What stands inside the one element of this tag that `value` is.
pub(crate) fn value_reader(value: &[u8], tag: Tag) -> Result<Reader<'_>, BerError> {
    let mut outer = Reader::new(value, Limits::default());
    let inner = outer.expect(tag)?.reader()?;
    outer.finish()?;
    Ok(inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::cms::oid;

    pub(super) fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u32> = text.chars().filter_map(|c| c.to_digit(16)).collect();
        digits
            .chunks(2)
            .map(|pair| u8::try_from(pair[0] * 16 + pair[1]).unwrap())
            .collect()
    }

    pub(super) fn value_of(attribute: &AttributeDer) -> Vec<u8> {
        let mut reader = value_reader(attribute.der(), Tag::SEQUENCE).unwrap();
        assert_eq!(reader.oid().unwrap(), attribute.oid());
        let value = reader.expect(Tag::SET).unwrap().only().unwrap();
        value.whole().to_vec()
    }

    #[test]
    fn labels_and_signature_types_are_the_published_octets() {
        assert_eq!(
            security_label(&hex("31 06 02 01 03 06 01 29")).der(),
            hex("30 17 06 0b 2a864886f70d0109100202 31 08 31 06 02 01 03 06 01 29")
        );
        let domain = signature_type(&[DOMAIN_SIGNATURE]);
        assert_eq!(
            domain.der(),
            hex("30 1e 06 0b 2a864886f70d010910021c 31 0f 30 0d 06 0b 2a864886f70d0109100902")
        );
        assert_eq!(
            read_signature_type(&value_of(&domain)).unwrap(),
            [DOMAIN_SIGNATURE]
        );
        assert!(read_signature_type(&hex("30 03 02 01 05")).is_err());
    }

    #[test]
    fn equivalent_labels_come_back_as_written() {
        let label = hex("31 06 02 01 03 06 01 29");
        let attribute = equivalent_labels([label.as_slice(), label.as_slice()]);
        let value = value_of(&attribute);
        assert_eq!(read_equivalent_labels(&value).unwrap(), [&label[..]; 2]);
        assert!(read_equivalent_labels(&hex("30 02 05 00")).is_err());
    }

    #[test]
    fn content_hints_are_the_published_octets() {
        let hints = ContentHints {
            description: None,
            content_type: oid::RECEIPT,
        };
        assert_eq!(
            hints.attribute().der(),
            hex("30 1e 06 0b 2a864886f70d0109100204 31 0f 30 0d 06 0b 2a864886f70d0109100101")
        );
        let with_text = ContentHints {
            description: Some("the annex".into()),
            content_type: oid::DATA,
        };
        let value = value_of(&with_text.attribute());
        assert_eq!(ContentHints::read(&value).unwrap(), with_text);
        assert!(ContentHints::read(&hex("30 05 0c 00 06 01 29")).is_err());
    }

    #[test]
    fn identifiers_with_something_behind_them_are_refused() {
        let attribute = content_identifier(b"id1");
        assert_eq!(read_octets(&value_of(&attribute)).unwrap(), b"id1");
        assert!(read_octets(&hex("04 01 aa 05 00")).is_err());
    }
}
