//! What a CMS layer says, as slices of the octets received.
//!
//! Duty: the structure of SignedData, EnvelopedData, AuthEnvelopedData and CompressedData.
//! Promises: BER is read; nothing received is decoded further than needed or re-encoded:
//! certificates, signed attributes, names and serial numbers stay the octets that came. One odd
//! certificate or one recipient of an unknown kind does not stop the layer.
//! Refuses: more signers, certificates, recipients, attributes or depth than [`Limits`] allows,
//! octets after the structure.
//! Standards: RFC 5652 sections 3, 5, 6, 10; RFC 5083; RFC 3274.

mod compressed;
mod enveloped;
mod signed;

use std::borrow::Cow;

use const_oid::ObjectIdentifier;
use thiserror::Error;

use crate::crypto::ber::{self, BerError, BerErrorKind, Element, Reader, Tag};

use super::oid;

pub use compressed::CompressedData;
pub use enveloped::{
    AuthEnvelopedData, EncryptedContent, EnvelopedData, KeyAgreement, KeyEncryption, KeyTransport,
    PasswordRecipient, RecipientInfo, RecipientKey,
};
pub use signed::{SignedData, SignerInfo};
pub(crate) use signed::{SignedParts, SignerParts};

/// What one layer may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Nesting and pieces.
    pub ber: ber::Limits,
    /// SignerInfos in one SignedData.
    pub signers: usize,
    /// Certificates in one layer.
    pub certificates: usize,
    /// Revocation lists in one layer.
    pub revocation_lists: usize,
    /// Attributes in one set.
    pub attributes: usize,
    /// Values in one attribute.
    pub attribute_values: usize,
    /// RecipientInfos in one layer, and keys in one of them.
    pub recipients: usize,
    /// Digest algorithms in one SignedData.
    pub digest_algorithms: usize,
    /// Countersignatures upon one signature, those upon them included.
    pub countersignatures: usize,
    /// Levels of countersignatures upon one signature.
    pub countersignature_depth: usize,
}

impl Default for Limits {
    /// Generous for people, small for machines.
    fn default() -> Self {
        Self {
            ber: ber::Limits::default(),
            signers: 32,
            certificates: 256,
            revocation_lists: 64,
            attributes: 64,
            attribute_values: 32,
            recipients: 2_000,
            digest_algorithms: 32,
            countersignatures: 64,
            countersignature_depth: 8,
        }
    }
}

/// Why octets are not a CMS layer that we read, and where.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("CMS, octet {position}: {kind}")]
pub struct CmsError {
    /// What is wrong.
    pub kind: CmsErrorKind,
    /// Offset from the start of the input.
    pub position: usize,
}

/// The kinds of [`CmsError`].
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum CmsErrorKind {
    /// The octets are not the BER that belongs here.
    #[error(transparent)]
    Ber(BerErrorKind),
    /// More members of one kind than [`Limits`] allows.
    #[error("more {0} than the limit; raise the limit or refuse the sender")]
    TooMany(&'static str),
    /// The structure has no content where it must have one.
    #[error("the layer has no {0}")]
    Missing(&'static str),
    /// There is no SignerInfo of that number.
    #[error("the layer has no signer {0} (the first one is 0)")]
    NoSuchSigner(usize),
    /// The layer is not of the type that this operation works on.
    #[error("the layer is not {0}")]
    WrongType(&'static str),
}

impl From<BerError> for CmsError {
    fn from(error: BerError) -> Self {
        Self {
            kind: CmsErrorKind::Ber(error.kind),
            position: error.position,
        }
    }
}

/// One layer.
#[derive(Clone, Debug)]
pub enum ContentInfo<'a> {
    /// Signed, by any number of signers, also none.
    Signed(SignedData<'a>),
    /// Encrypted.
    Enveloped(EnvelopedData<'a>),
    /// Encrypted with authentication.
    AuthEnveloped(AuthEnvelopedData<'a>),
    /// Compressed.
    Compressed(CompressedData<'a>),
    /// Another type, which we do not open.
    Other {
        /// contentType.
        oid: ObjectIdentifier,
    },
}

/// An AlgorithmIdentifier as received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlgorithmIdentifier<'a> {
    /// algorithm.
    pub oid: ObjectIdentifier,
    /// parameters: one whole element, as received.
    pub parameters: Option<&'a [u8]>,
    /// The whole AlgorithmIdentifier as received.
    pub raw: &'a [u8],
}

/// Which certificate a signer or recipient is named by: issuerAndSerialNumber or
/// subjectKeyIdentifier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificateIdentifier<'a> {
    /// By who issued it under which number.
    IssuerAndSerial {
        /// The issuer's Name: one whole element.
        issuer: Cow<'a, [u8]>,
        /// The contents of the serial number's INTEGER.
        serial: &'a [u8],
    },
    /// By the identifier of its key.
    SubjectKeyId(Cow<'a, [u8]>),
}

/// Reads the layer that `input` is, all of it.
pub fn parse<'a>(input: &'a [u8], limits: &Limits) -> Result<ContentInfo<'a>, CmsError> {
    let mut outer = Reader::new(input, limits.ber);
    let mut fields = outer.sequence()?;
    outer.finish()?;
    let content_type = fields.oid()?;
    if ![
        oid::SIGNED_DATA,
        oid::ENVELOPED_DATA,
        oid::AUTH_ENVELOPED_DATA,
        oid::COMPRESSED_DATA,
    ]
    .contains(&content_type)
    {
        return Ok(ContentInfo::Other { oid: content_type });
    }
    let content = fields.expect(Tag::context_constructed(0))?.only()?;
    fields.finish()?;
    // RFC 5652 §3: content is [0] EXPLICIT, of the type that contentType names.
    Ok(match content_type {
        oid::SIGNED_DATA => ContentInfo::Signed(SignedData::read(&content, limits)?),
        oid::ENVELOPED_DATA => ContentInfo::Enveloped(EnvelopedData::read(&content, limits)?),
        oid::COMPRESSED_DATA => ContentInfo::Compressed(CompressedData::read(&content)?),
        _ => ContentInfo::AuthEnveloped(AuthEnvelopedData::read(&content, limits)?),
    })
}

impl<'a> AlgorithmIdentifier<'a> {
    pub(crate) fn read(element: &Element<'a>) -> Result<Self, BerError> {
        if element.tag() != Tag::SEQUENCE {
            return Err(BerErrorKind::UnexpectedTag {
                expected: Tag::SEQUENCE,
                found: element.tag(),
            }
            .at(element.position()));
        }
        let mut fields = element.reader()?;
        let oid = fields.oid()?;
        let parameters = fields.next_element()?.map(|element| element.whole());
        fields.finish()?;
        Ok(Self {
            oid,
            parameters,
            raw: element.whole(),
        })
    }

    /// Reads the AlgorithmIdentifier that `input` is.
    pub fn parse(input: &'a [u8], limits: ber::Limits) -> Result<Self, BerError> {
        let mut reader = Reader::new(input, limits);
        let element = reader.expect(Tag::SEQUENCE)?;
        reader.finish()?;
        Self::read(&element)
    }

    /// Parameters, where NULL counts as absent. RFC 5754 §2: hash algorithms are read both ways.
    pub fn parameters_but_null(&self) -> Option<&'a [u8]> {
        self.parameters.filter(|parameters| *parameters != [5, 0])
    }

    /// Whether both name the same algorithm with the same parameters; NULL and absent are the same.
    pub fn means_same(&self, other: &AlgorithmIdentifier<'_>) -> bool {
        self.oid == other.oid && self.parameters_but_null() == other.parameters_but_null()
    }

    /// The same in the form of the `spki` crate; `None` if the parameters are not DER.
    pub fn to_spki(&self) -> Option<spki::AlgorithmIdentifierOwned> {
        use der::Decode;
        let parameters = match self.parameters {
            Some(parameters) => Some(der::Any::from_der(parameters).ok()?),
            None => None,
        };
        Some(spki::AlgorithmIdentifierOwned {
            oid: self.oid,
            parameters,
        })
    }
}

impl<'a> CertificateIdentifier<'a> {
    /// SignerIdentifier and RecipientIdentifier: SEQUENCE, or [0] IMPLICIT OCTET STRING.
    pub(crate) fn read(element: &Element<'a>) -> Result<Self, BerError> {
        // RFC 5652 §5.3, §6.2.1
        if element.tag().primitive() == Tag::context(0) {
            return Ok(Self::SubjectKeyId(element.octets()?));
        }
        let mut reader = element.reader()?;
        if element.tag() != Tag::SEQUENCE {
            return Err(BerErrorKind::UnexpectedTag {
                expected: Tag::SEQUENCE,
                found: element.tag(),
            }
            .at(element.position()));
        }
        let issuer = reader.expect(Tag::SEQUENCE)?;
        let serial = reader.expect(Tag::INTEGER)?;
        reader.finish()?;
        Ok(Self::IssuerAndSerial {
            issuer: issuer.to_der()?,
            serial: serial.contents(),
        })
    }

    /// KeyAgreeRecipientIdentifier: SEQUENCE, or [0] IMPLICIT RecipientKeyIdentifier.
    pub(crate) fn read_key_agreement(element: &Element<'a>) -> Result<Self, BerError> {
        if element.tag() == Tag::context_constructed(0) {
            // RFC 5652 §6.2.2: date and other help find an old key; the identifier is enough.
            let mut fields = element.reader()?;
            let identifier = fields.expect_string(Tag::OCTET_STRING)?;
            return Ok(Self::SubjectKeyId(identifier.octets()?));
        }
        Self::read(element)
    }
}

/// Every member of a SET or SEQUENCE OF, at most `most`.
pub(crate) fn members<'a>(
    holder: &Element<'a>,
    most: usize,
    what: &'static str,
) -> Result<Vec<Element<'a>>, CmsError> {
    let mut reader = holder.reader()?;
    let mut members = Vec::new();
    while let Some(member) = reader.next_element()? {
        if members.len() >= most {
            return Err(CmsError {
                kind: CmsErrorKind::TooMany(what),
                position: member.position(),
            });
        }
        members.push(member);
    }
    Ok(members)
}

/// The attributes of a set.
pub(crate) fn attributes<'a>(
    holder: &Element<'a>,
    limits: &Limits,
) -> Result<Vec<super::attribute::Attribute<'a>>, CmsError> {
    members(holder, limits.attributes, "attributes")?
        .iter()
        .map(|member| {
            super::attribute::Attribute::read(member, limits.attribute_values).map_err(Into::into)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vector(name: &str) -> Option<Vec<u8>> {
        let path = format!(
            "{}/../shared/vectors/rfc4134/{name}",
            env!("CARGO_MANIFEST_DIR")
        );
        let read = std::fs::read(&path).ok();
        if read.is_none() {
            eprintln!("skipped: {path} is not there");
        }
        read
    }

    fn signed(input: &[u8]) -> SignedData<'_> {
        match parse(input, &Limits::default()) {
            Ok(ContentInfo::Signed(signed)) => signed,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn rfc_4134_signed_samples_say_what_the_rfc_says() {
        let Some(content) = vector("ExContent.bin") else {
            return;
        };
        for (name, signers, certificates) in [
            ("4.2.bin", 1, 1),
            ("4.3.bin", 1, 1),
            ("4.5.bin", 1, 1),
            ("4.6.bin", 2, 2),
        ] {
            let Some(file) = vector(name) else { return };
            let signed = signed(&file);
            assert_eq!(signed.content_type, oid::DATA, "{name}");
            assert_eq!(signed.signers.len(), signers, "{name}");
            assert!(signed.certificates.len() >= certificates, "{name}");
            match signed.content {
                None => assert_eq!(name, "4.3.bin"),
                Some(found) => assert_eq!(found.as_ref(), content, "{name}"),
            }
        }
        let Some(file) = vector("4.11.bin") else {
            return;
        };
        let only_certificates = signed(&file);
        assert!(only_certificates.signers.is_empty());
        assert_eq!(only_certificates.certificates.len(), 2);
    }

    #[test]
    fn rfc_4134_other_samples_are_told_apart() {
        let Some(file) = vector("5.1.bin") else {
            return;
        };
        let Ok(ContentInfo::Enveloped(enveloped)) = parse(&file, &Limits::default()) else {
            panic!("5.1 is EnvelopedData");
        };
        assert!(matches!(
            enveloped.recipients.as_slice(),
            [RecipientInfo::KeyTransport(ktri)] if ktri.algorithm.oid == oid::RSA_ENCRYPTION
        ));
        let Some(file) = vector("3.1.bin") else {
            return;
        };
        assert!(matches!(
            parse(&file, &Limits::default()),
            Ok(ContentInfo::Other { oid: oid::DATA })
        ));
    }

    #[test]
    fn cut_lengthened_and_limited_input_is_refused() {
        let Some(file) = vector("4.6.bin") else {
            return;
        };
        for end in 0..file.len() {
            assert!(parse(&file[..end], &Limits::default()).is_err(), "{end}");
        }
        let longer = [file.as_slice(), &[0]].concat();
        assert!(parse(&longer, &Limits::default()).is_err());
        let one = Limits {
            signers: 1,
            ..Limits::default()
        };
        assert_eq!(
            parse(&file, &one).unwrap_err().kind,
            CmsErrorKind::TooMany("signers")
        );
        let flat = Limits {
            ber: ber::Limits {
                depth: 4,
                ..Default::default()
            },
            ..Limits::default()
        };
        assert_eq!(
            parse(&file, &flat).unwrap_err().kind,
            CmsErrorKind::Ber(BerErrorKind::Depth)
        );
    }
}
