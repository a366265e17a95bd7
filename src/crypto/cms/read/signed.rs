//! SignedData and SignerInfo.
//!
//! Promises: [`SignerInfo::signed_attributes`] are the octets that were signed, but for their first
//! one; [`SignerInfo::raw`] are all octets of the SignerInfo.
//! Standards: RFC 5652 sections 5.1 to 5.3, 11.4.

use std::borrow::Cow;

use const_oid::ObjectIdentifier;

use crate::crypto::ber::{self, BerErrorKind, Element, Reader, Tag};
use crate::crypto::cms::attribute::Attribute;
use crate::crypto::cms::oid;

use super::{
    AlgorithmIdentifier, CertificateIdentifier, CmsError, CmsErrorKind, Limits, attributes, members,
};

/// What a SignedData says.
#[derive(Clone, Debug)]
pub struct SignedData<'a> {
    /// eContentType.
    pub content_type: ObjectIdentifier,
    /// eContent: the octets that were signed; absent when the signature is detached.
    pub content: Option<Cow<'a, [u8]>>,
    /// digestAlgorithms.
    pub digest_algorithms: Vec<AlgorithmIdentifier<'a>>,
    /// Every member of certificates that is tagged as an X.509 certificate, as received.
    pub certificates: Vec<&'a [u8]>,
    /// Attribute certificates and other members of certificates, as received.
    pub other_certificates: Vec<&'a [u8]>,
    /// Revocation lists, as received.
    pub revocation_lists: Vec<&'a [u8]>,
    /// Other revocation information (OCSP responses), as received.
    pub other_revocation: Vec<&'a [u8]>,
    /// signerInfos. When empty, nobody has signed.
    pub signers: Vec<SignerInfo<'a>>,
}

/// What a SignerInfo says.
#[derive(Clone, Debug)]
pub struct SignerInfo<'a> {
    /// version.
    pub version: u64,
    /// sid: whose signature this is meant to be.
    pub sid: CertificateIdentifier<'a>,
    /// digestAlgorithm.
    pub digest_algorithm: AlgorithmIdentifier<'a>,
    /// signedAttrs as received, with the tag `[0]`.
    pub signed_attributes: Option<&'a [u8]>,
    /// The attributes in signedAttrs.
    pub signed: Vec<Attribute<'a>>,
    /// signatureAlgorithm.
    pub signature_algorithm: AlgorithmIdentifier<'a>,
    /// signature.
    pub signature: Cow<'a, [u8]>,
    /// The attributes in unsignedAttrs.
    pub unsigned: Vec<Attribute<'a>>,
    /// The whole SignerInfo as received.
    pub raw: &'a [u8],
}

impl<'a> SignedData<'a> {
    pub(super) fn read(element: &Element<'a>, limits: &Limits) -> Result<Self, CmsError> {
        let parts = SignedParts::read(element)?;
        let mut content_fields = parts.encapsulated.reader()?;
        let content_type = content_fields.oid()?;
        let content = match content_fields.optional(Tag::context_constructed(0))? {
            // RFC 5652 §5.4: the octets of the string alone are the content, however it is cut.
            Some(explicit) => {
                let mut inner = explicit.reader()?;
                let string = inner.expect_string(Tag::OCTET_STRING)?;
                inner.finish()?;
                Some(string.octets()?)
            }
            None => None,
        };
        content_fields.finish()?;

        let mut signed = Self {
            content_type,
            content,
            digest_algorithms: members(
                &parts.digest_algorithms,
                limits.digest_algorithms,
                "digest algorithms",
            )?
            .iter()
            .map(AlgorithmIdentifier::read)
            .collect::<Result<_, _>>()?,
            certificates: Vec::new(),
            other_certificates: Vec::new(),
            revocation_lists: Vec::new(),
            other_revocation: Vec::new(),
            signers: Vec::new(),
        };
        if let Some(certificates) = &parts.certificates {
            for member in members(certificates, limits.certificates, "certificates")? {
                // RFC 5652 §10.2.2: a certificate is the choice without a tag of its own.
                if member.tag() == Tag::SEQUENCE {
                    signed.certificates.push(member.whole());
                } else {
                    signed.other_certificates.push(member.whole());
                }
            }
        }
        if let Some(lists) = &parts.revocation {
            for member in members(lists, limits.revocation_lists, "revocation lists")? {
                if member.tag() == Tag::SEQUENCE {
                    signed.revocation_lists.push(member.whole());
                } else {
                    signed.other_revocation.push(member.whole());
                }
            }
        }
        for signer in members(&parts.signers, limits.signers, "signers")? {
            signed.signers.push(SignerInfo::read(&signer, limits)?);
        }
        Ok(signed)
    }
}

/// The fields of a SignedData as elements: what is read, and what is laid out anew around a
/// countersignature.
pub(crate) struct SignedParts<'a> {
    pub(crate) version: Element<'a>,
    pub(crate) digest_algorithms: Element<'a>,
    pub(crate) encapsulated: Element<'a>,
    pub(crate) certificates: Option<Element<'a>>,
    pub(crate) revocation: Option<Element<'a>>,
    pub(crate) signers: Element<'a>,
}

impl<'a> SignedParts<'a> {
    pub(crate) fn read(element: &Element<'a>) -> Result<Self, CmsError> {
        let mut fields = sequence(element)?;
        let parts = Self {
            version: fields.expect(Tag::INTEGER)?,
            digest_algorithms: fields.expect(Tag::SET)?,
            encapsulated: fields.expect(Tag::SEQUENCE)?,
            certificates: fields.optional(Tag::context_constructed(0))?,
            revocation: fields.optional(Tag::context_constructed(1))?,
            signers: fields.expect(Tag::SET)?,
        };
        fields.finish()?;
        Ok(parts)
    }

    /// The SignedData in the ContentInfo that `input` is.
    pub(crate) fn parse(input: &'a [u8], limits: &Limits) -> Result<Self, CmsError> {
        let mut outer = Reader::new(input, limits.ber);
        let mut fields = outer.sequence()?;
        outer.finish()?;
        let position = fields.position();
        if fields.oid()? != oid::SIGNED_DATA {
            return Err(CmsError {
                kind: CmsErrorKind::WrongType("SignedData"),
                position,
            });
        }
        let content = fields.expect(Tag::context_constructed(0))?.only()?;
        fields.finish()?;
        Self::read(&content)
    }
}

/// The fields of a SignerInfo as elements.
pub(crate) struct SignerParts<'a> {
    pub(crate) version: Element<'a>,
    pub(crate) sid: Element<'a>,
    pub(crate) digest_algorithm: Element<'a>,
    pub(crate) signed: Option<Element<'a>>,
    pub(crate) signature_algorithm: Element<'a>,
    pub(crate) signature: Element<'a>,
    pub(crate) unsigned: Option<Element<'a>>,
}

impl<'a> SignerParts<'a> {
    pub(crate) fn read(element: &Element<'a>) -> Result<Self, CmsError> {
        let mut fields = sequence(element)?;
        let version = fields.expect(Tag::INTEGER)?;
        let sid = fields
            .next_element()?
            .ok_or(fields.error(BerErrorKind::Missing {
                expected: Tag::SEQUENCE,
            }))?;
        let parts = Self {
            version,
            sid,
            digest_algorithm: fields.expect(Tag::SEQUENCE)?,
            signed: fields.optional(Tag::context_constructed(0))?,
            signature_algorithm: fields.expect(Tag::SEQUENCE)?,
            signature: fields.expect_string(Tag::OCTET_STRING)?,
            unsigned: fields.optional(Tag::context_constructed(1))?,
        };
        fields.finish()?;
        Ok(parts)
    }
}

impl<'a> SignerInfo<'a> {
    /// Reads the SignerInfo that `input` is: a countersignature, for example.
    pub fn parse(input: &'a [u8], limits: &Limits) -> Result<Self, CmsError> {
        let mut reader = Reader::new(input, limits.ber);
        let element = reader.expect(Tag::SEQUENCE)?;
        reader.finish()?;
        Self::read(&element, limits)
    }

    pub(super) fn read(element: &Element<'a>, limits: &Limits) -> Result<Self, CmsError> {
        let parts = SignerParts::read(element)?;
        Ok(Self {
            version: parts.version.unsigned()?,
            sid: CertificateIdentifier::read(&parts.sid)?,
            digest_algorithm: AlgorithmIdentifier::read(&parts.digest_algorithm)?,
            signed_attributes: parts.signed.as_ref().map(Element::whole),
            signed: match &parts.signed {
                Some(holder) => attributes(holder, limits)?,
                None => Vec::new(),
            },
            signature_algorithm: AlgorithmIdentifier::read(&parts.signature_algorithm)?,
            signature: parts.signature.octets()?,
            unsigned: match &parts.unsigned {
                Some(holder) => attributes(holder, limits)?,
                None => Vec::new(),
            },
            raw: element.whole(),
        })
    }

    /// Every signed attribute of this type.
    pub fn signed_of(&self, oid: &ObjectIdentifier) -> impl Iterator<Item = &Attribute<'a>> {
        let oid = *oid;
        self.signed.iter().filter(move |a| a.oid == oid)
    }

    /// The value of the signed attribute of this type, if there is exactly one attribute of it with
    /// exactly one value.
    pub fn signed_value(&self, oid: &ObjectIdentifier) -> Option<&'a [u8]> {
        let mut of_type = self.signed_of(oid);
        match (of_type.next(), of_type.next()) {
            (Some(attribute), None) => attribute.only_value(),
            _ => None,
        }
    }

    /// The countersignatures upon this signature, each a whole SignerInfo as received.
    pub fn countersignatures(&self) -> impl Iterator<Item = &'a [u8]> {
        // RFC 5652 §11.4: several values and several instances are allowed.
        self.unsigned
            .iter()
            .filter(|attribute| attribute.oid == oid::COUNTERSIGNATURE)
            .flat_map(|attribute| attribute.values.iter().copied())
    }

    /// The octets of signedAttrs as they were signed: the received ones under the tag SET.
    pub fn signed_octets(&self) -> Option<Vec<u8>> {
        // RFC 5652 §5.4: the IMPLICIT [0] tag is replaced by SET OF.
        let mut octets = self.signed_attributes?.to_vec();
        *octets.first_mut()? = Tag::SET.0;
        Some(octets)
    }

    /// signedAttrs laid out anew in DER: what a signer who followed the standard signed, when what
    /// arrived is not DER.
    pub fn signed_octets_sorted(&self) -> Option<Vec<u8>> {
        self.signed_attributes?;
        let attributes = self.signed.iter().map(Attribute::sorted_der).collect();
        Some(ber::set_of(Tag::SET, attributes).to_vec())
    }
}

fn sequence<'a>(element: &Element<'a>) -> Result<Reader<'a>, CmsError> {
    if element.tag() != Tag::SEQUENCE {
        return Err(BerErrorKind::UnexpectedTag {
            expected: Tag::SEQUENCE,
            found: element.tag(),
        }
        .at(element.position())
        .into());
    }
    Ok(element.reader()?)
}
