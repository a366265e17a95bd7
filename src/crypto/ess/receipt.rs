//! Receipt and ContentReference: the two that point at a signed content.
//!
//! Duty: make and read both. Making a signed receipt and holding it against what was sent is for
//! `cms::receipt`.
//! Refuses: another version than 1; trailing octets.
//! Standards: RFC 2634 sections 2.8 and 2.11.

use const_oid::ObjectIdentifier;

use crate::crypto::ber::{BerError, BerErrorKind, Node, Reader, Tag};
use crate::crypto::cms::attribute::AttributeDer;

use super::{CONTENT_REFERENCE, value_reader};

/// Which signed content is meant: the part that Receipt and ContentReference share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContentReference {
    /// contentType of the original content.
    pub content_type: ObjectIdentifier,
    /// signedContentIdentifier of the original receipt request or contentIdentifier.
    pub content_identifier: Vec<u8>,
    /// originatorSignatureValue: the signature over the original content.
    pub originator_signature: Vec<u8>,
}

impl ContentReference {
    /// The attribute.
    pub fn attribute(&self) -> AttributeDer {
        AttributeDer::new(CONTENT_REFERENCE, Node::sequence(self.fields()))
    }

    /// Reads the value of the attribute.
    pub fn read(value: &[u8]) -> Result<Self, BerError> {
        Self::read_fields(value_reader(value, Tag::SEQUENCE)?)
    }

    /// The content of a signed receipt for what this means: a Receipt in DER.
    pub fn receipt_der(&self) -> Vec<u8> {
        // RFC 2634 §2.11: Version ::= INTEGER { v1(1) }
        let mut fields = vec![Node::unsigned(1)];
        fields.extend(self.fields());
        Node::sequence(fields).to_vec()
    }

    /// Reads the content of a signed receipt.
    pub fn read_receipt(content: &[u8]) -> Result<Self, BerError> {
        let mut fields = value_reader(content, Tag::SEQUENCE)?;
        let version = fields.expect(Tag::INTEGER)?;
        if version.unsigned()? != 1 {
            return Err(BerErrorKind::Contents(Tag::INTEGER).at(version.position()));
        }
        Self::read_fields(fields)
    }

    fn fields(&self) -> Vec<Node<'_>> {
        vec![
            Node::oid(&self.content_type),
            Node::octet_string(&self.content_identifier),
            Node::octet_string(&self.originator_signature),
        ]
    }

    fn read_fields(mut fields: Reader<'_>) -> Result<Self, BerError> {
        let content_type = fields.oid()?;
        let mut octets = || -> Result<Vec<u8>, BerError> {
            Ok(fields
                .expect_string(Tag::OCTET_STRING)?
                .octets()?
                .into_owned())
        };
        let (content_identifier, originator_signature) = (octets()?, octets()?);
        fields.finish()?;
        Ok(Self {
            content_type,
            content_identifier,
            originator_signature,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{hex, value_of};
    use super::*;
    use crate::crypto::cms::oid;

    #[test]
    fn a_receipt_is_the_published_octets() {
        let receipt = ContentReference {
            content_type: oid::DATA,
            content_identifier: b"id1".to_vec(),
            originator_signature: vec![0xaa, 0xbb],
        };
        let der = hex("30 17 02 01 01 06 09 2a864886f70d010701 04 03 696431 04 02 aabb");
        assert_eq!(receipt.receipt_der(), der);
        assert_eq!(ContentReference::read_receipt(&der), Ok(receipt.clone()));
        let value = value_of(&receipt.attribute());
        assert_eq!(ContentReference::read(&value), Ok(receipt));
        let mut second = der.clone();
        second[4] = 2;
        assert!(ContentReference::read_receipt(&second).is_err());
        assert!(ContentReference::read_receipt(&value).is_err());
        assert!(ContentReference::read(&der).is_err());
        assert!(ContentReference::read_receipt(&[&der[..], &[0]].concat()).is_err());
    }
}
