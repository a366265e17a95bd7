//! What a signer can read, and with which key: smimeCapabilities and the encryption key preference.
//!
//! Duty: make and read both attributes. Whom to believe is for the caller: only what stands in a
//! good signature counts, and the newest one.
//! Refuses: more than 64 capabilities; trailing octets.
//! Standards: RFC 8551 sections 2.5.2, 2.5.3.

use const_oid::ObjectIdentifier;

use crate::crypto::algorithm::{ContentCipher, Digest, KeyDerivation, KeyWrap};
use crate::crypto::ber::{BerError, BerErrorKind, Node, Tag};
use crate::crypto::certificate::Certificate;
use crate::crypto::cms::attribute::AttributeDer;

use super::{ENCRYPTION_KEY_PREFERENCE, SMIME_CAPABILITIES, value_reader};
use crate::crypto::ber::{Limits, Reader};

/// What one attribute may list.
const MOST_CAPABILITIES: usize = 64;

/// One capability.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capability {
    /// capabilityID.
    pub id: ObjectIdentifier,
    /// parameters: one whole element.
    pub parameters: Option<Vec<u8>>,
}

/// What this switch can read, the preferred first.
// RFC 8551 §2.5.2: no NULL where the algorithm itself has none; key agreement names its wrap.
pub fn own_capabilities() -> Vec<Capability> {
    let plain = |id| Capability {
        id,
        parameters: None,
    };
    let agreement = |digest, wrap: KeyWrap| Capability {
        id: KeyDerivation::X963(digest).oid(),
        parameters: Some(wrap.algorithm_der()),
    };
    vec![
        plain(ContentCipher::Aes256Gcm.oid()),
        plain(ContentCipher::Aes128Gcm.oid()),
        plain(ContentCipher::Aes256Cbc.oid()),
        plain(ContentCipher::Aes128Cbc.oid()),
        agreement(Digest::Sha384, KeyWrap::Aes256),
        agreement(Digest::Sha256, KeyWrap::Aes128),
    ]
}

/// The attribute with these capabilities.
pub fn smime_capabilities(capabilities: &[Capability]) -> AttributeDer {
    let entries = capabilities
        .iter()
        .map(|capability| {
            let mut fields = vec![Node::oid(&capability.id)];
            fields.extend(capability.parameters.as_deref().map(Node::encoded));
            Node::sequence(fields)
        })
        .collect();
    AttributeDer::new(SMIME_CAPABILITIES, Node::sequence(entries))
}

/// The capabilities in the value of the attribute.
pub fn read_smime_capabilities(value: &[u8]) -> Result<Vec<Capability>, BerError> {
    let mut reader = value_reader(value, Tag::SEQUENCE)?;
    let mut capabilities = Vec::new();
    while !reader.is_empty() {
        if capabilities.len() >= MOST_CAPABILITIES {
            return Err(reader.error(BerErrorKind::Elements));
        }
        let mut fields = reader.sequence()?;
        let id = fields.oid()?;
        let parameters = fields.next_element()?.map(|p| p.whole().to_vec());
        fields.finish()?;
        capabilities.push(Capability { id, parameters });
    }
    Ok(capabilities)
}

/// Which certificate a signer wants to be encrypted for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EncryptionKeyPreference {
    /// issuerAndSerialNumber, one whole element in DER.
    IssuerAndSerial(Vec<u8>),
    /// receipentKeyId, or subjectAltKeyIdentifier: the identifier of the key.
    SubjectKeyId(Vec<u8>),
}

impl EncryptionKeyPreference {
    /// This certificate, by who issued it.
    pub fn of(certificate: &Certificate) -> Self {
        Self::IssuerAndSerial(certificate.issuer_and_serial_der())
    }

    /// Whether this certificate is meant.
    pub fn matches(&self, certificate: &Certificate) -> bool {
        match self {
            Self::IssuerAndSerial(element) => certificate.issuer_and_serial_der() == *element,
            Self::SubjectKeyId(key) => certificate.subject_key_id() == Some(key),
        }
    }

    /// The attribute.
    pub fn attribute(&self) -> AttributeDer {
        let value = match self {
            Self::IssuerAndSerial(element) => {
                let mut element = element.clone();
                // RFC 8551 App. A: IMPLICIT tags.
                if let Some(first) = element.first_mut() {
                    *first = Tag::context_constructed(0).0;
                }
                Node::from(element)
            }
            Self::SubjectKeyId(key) => Node::tagged_bytes(Tag::context(2), key.as_slice()),
        };
        AttributeDer::new(ENCRYPTION_KEY_PREFERENCE, value)
    }

    /// Reads the value of the attribute.
    pub fn read(value: &[u8]) -> Result<Self, BerError> {
        let mut reader = Reader::new(value, Limits::default());
        let missing = reader.error(BerErrorKind::Missing {
            expected: Tag::context_constructed(0),
        });
        let choice = reader.next_element()?.ok_or(missing)?;
        reader.finish()?;
        if choice.tag() == Tag::context_constructed(0) {
            let mut element = choice.to_der()?.into_owned();
            if let Some(first) = element.first_mut() {
                *first = Tag::SEQUENCE.0;
            }
            return Ok(Self::IssuerAndSerial(element));
        }
        if choice.tag() == Tag::context_constructed(1) {
            let mut fields = choice.reader()?;
            let key = fields.expect_string(Tag::OCTET_STRING)?.octets()?;
            return Ok(Self::SubjectKeyId(key.into_owned()));
        }
        if choice.tag().primitive() == Tag::context(2) {
            return Ok(Self::SubjectKeyId(choice.octets()?.into_owned()));
        }
        Err(BerErrorKind::Contents(choice.tag()).at(choice.position()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{hex, value_of};
    use super::*;

    #[test]
    fn capabilities_come_back_as_written() {
        let own = own_capabilities();
        let value = value_of(&smime_capabilities(&own));
        assert_eq!(read_smime_capabilities(&value), Ok(own));
        // AES-256-GCM without parameters, exactly.
        assert!(
            value
                .windows(13)
                .any(|w| w == hex("30 0b 06 09 60864801650304012e"))
        );
        assert!(read_smime_capabilities(&hex("30 02 30 00")).is_err());
        let many = vec![own_capabilities().remove(0); MOST_CAPABILITIES + 1];
        assert!(read_smime_capabilities(&value_of(&smime_capabilities(&many))).is_err());
    }

    #[test]
    fn the_three_forms_of_a_preference_are_read() {
        let by_key = EncryptionKeyPreference::SubjectKeyId(vec![1, 2, 3]);
        let value = value_of(&by_key.attribute());
        assert_eq!(value, hex("82 03 010203"));
        assert_eq!(EncryptionKeyPreference::read(&value), Ok(by_key.clone()));
        let recipient = hex("a1 05 04 03 010203");
        assert_eq!(EncryptionKeyPreference::read(&recipient), Ok(by_key));
        let named = EncryptionKeyPreference::IssuerAndSerial(hex("30 05 30 00 02 01 05"));
        let value = value_of(&named.attribute());
        assert_eq!(value, hex("a0 05 30 00 02 01 05"));
        assert_eq!(EncryptionKeyPreference::read(&value), Ok(named));
        for wrong in ["", "04 01 aa", "82 01 aa 00", "a3 00"] {
            assert!(
                EncryptionKeyPreference::read(&hex(wrong)).is_err(),
                "{wrong}"
            );
        }
    }
}
