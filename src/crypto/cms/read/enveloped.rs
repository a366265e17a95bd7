//! EnvelopedData and AuthEnvelopedData.
//!
//! Promises: a recipient of a kind that we do not read stays in the list, so that people can see it.
//! Standards: RFC 5652 section 6; RFC 5083 section 2.

use std::borrow::Cow;

use const_oid::ObjectIdentifier;

use crate::crypto::ber::{BerError, Element, Tag};
use crate::crypto::cms::attribute::Attribute;

use super::{AlgorithmIdentifier, CertificateIdentifier, CmsError, Limits, attributes, members};

/// What an EnvelopedData says.
#[derive(Clone, Debug)]
pub struct EnvelopedData<'a> {
    /// Certificates in originatorInfo, as received.
    pub originator_certificates: Vec<&'a [u8]>,
    /// recipientInfos.
    pub recipients: Vec<RecipientInfo<'a>>,
    /// encryptedContentInfo.
    pub content: EncryptedContent<'a>,
    /// unprotectedAttrs: anybody may have written them.
    pub unprotected: Vec<Attribute<'a>>,
}

/// What an AuthEnvelopedData says.
#[derive(Clone, Debug)]
pub struct AuthEnvelopedData<'a> {
    /// Certificates in originatorInfo, as received.
    pub originator_certificates: Vec<&'a [u8]>,
    /// recipientInfos.
    pub recipients: Vec<RecipientInfo<'a>>,
    /// authEncryptedContentInfo.
    pub content: EncryptedContent<'a>,
    /// authAttrs as received, with the tag `[1]`.
    pub authenticated_attributes: Option<&'a [u8]>,
    /// The attributes in authAttrs. They are worth something only after decryption.
    pub authenticated: Vec<Attribute<'a>>,
    /// mac: the tag of the cipher.
    pub mac: Cow<'a, [u8]>,
    /// unauthAttrs: anybody may have written them.
    pub unauthenticated: Vec<Attribute<'a>>,
}

/// EncryptedContentInfo.
#[derive(Clone, Debug)]
pub struct EncryptedContent<'a> {
    /// contentType: what the decrypted octets are.
    pub content_type: ObjectIdentifier,
    /// contentEncryptionAlgorithm.
    pub algorithm: AlgorithmIdentifier<'a>,
    /// encryptedContent; absent when it travels elsewhere.
    pub octets: Option<Cow<'a, [u8]>>,
}

/// RecipientInfo.
#[derive(Clone, Debug)]
pub enum RecipientInfo<'a> {
    /// ktri.
    KeyTransport(KeyTransport<'a>),
    /// kari.
    KeyAgreement(KeyAgreement<'a>),
    /// kekri.
    KeyEncryption(KeyEncryption<'a>),
    /// pwri.
    Password(PasswordRecipient<'a>),
    /// ori, or one of these that could not be read.
    Unsupported {
        /// Its tag: SEQUENCE, or `[1]` to `[4]`.
        tag: Tag,
    },
}

/// KeyTransRecipientInfo.
#[derive(Clone, Debug)]
pub struct KeyTransport<'a> {
    /// rid.
    pub rid: CertificateIdentifier<'a>,
    /// keyEncryptionAlgorithm.
    pub algorithm: AlgorithmIdentifier<'a>,
    /// encryptedKey.
    pub encrypted_key: Cow<'a, [u8]>,
}

/// KeyAgreeRecipientInfo with the originator's ephemeral key in it.
#[derive(Clone, Debug)]
pub struct KeyAgreement<'a> {
    /// originatorKey.
    pub originator: cms::enveloped_data::OriginatorPublicKey,
    /// ukm.
    pub user_keying_material: Option<Cow<'a, [u8]>>,
    /// keyEncryptionAlgorithm: how the key is agreed and derived.
    pub algorithm: AlgorithmIdentifier<'a>,
    /// Its parameter: the key wrap algorithm, as received.
    pub wrap: AlgorithmIdentifier<'a>,
    /// recipientEncryptedKeys.
    pub keys: Vec<RecipientKey<'a>>,
}

/// KEKRecipientInfo: for those who hold a key beforehand.
#[derive(Clone, Debug)]
pub struct KeyEncryption<'a> {
    /// kekid.keyIdentifier.
    pub identifier: Cow<'a, [u8]>,
    /// keyEncryptionAlgorithm: the key wrap.
    pub algorithm: AlgorithmIdentifier<'a>,
    /// encryptedKey.
    pub encrypted_key: Cow<'a, [u8]>,
}

/// PasswordRecipientInfo: for those who know a password.
#[derive(Clone, Debug)]
pub struct PasswordRecipient<'a> {
    /// keyDerivationAlgorithm, an AlgorithmIdentifier in DER; absent when the key is known itself.
    pub derivation: Option<Vec<u8>>,
    /// keyEncryptionAlgorithm.
    pub algorithm: AlgorithmIdentifier<'a>,
    /// encryptedKey.
    pub encrypted_key: Cow<'a, [u8]>,
}

/// RecipientEncryptedKey.
#[derive(Clone, Debug)]
pub struct RecipientKey<'a> {
    /// rid.
    pub rid: CertificateIdentifier<'a>,
    /// encryptedKey.
    pub encrypted_key: Cow<'a, [u8]>,
}

impl<'a> EnvelopedData<'a> {
    pub(super) fn read(element: &Element<'a>, limits: &Limits) -> Result<Self, CmsError> {
        let mut fields = element.reader()?;
        fields.unsigned()?;
        let originator = fields.optional(Tag::context_constructed(0))?;
        let recipients = fields.expect(Tag::SET)?;
        let content = fields.expect(Tag::SEQUENCE)?;
        let unprotected = fields.optional(Tag::context_constructed(1))?;
        fields.finish()?;
        Ok(Self {
            originator_certificates: originator_certificates(originator.as_ref(), limits)?,
            recipients: recipient_infos(&recipients, limits)?,
            content: EncryptedContent::read(&content)?,
            unprotected: optional_attributes(unprotected.as_ref(), limits)?,
        })
    }
}

impl<'a> AuthEnvelopedData<'a> {
    pub(super) fn read(element: &Element<'a>, limits: &Limits) -> Result<Self, CmsError> {
        let mut fields = element.reader()?;
        fields.unsigned()?;
        let originator = fields.optional(Tag::context_constructed(0))?;
        let recipients = fields.expect(Tag::SET)?;
        let content = fields.expect(Tag::SEQUENCE)?;
        let authenticated = fields.optional(Tag::context_constructed(1))?;
        let mac = fields.expect_string(Tag::OCTET_STRING)?;
        let unauthenticated = fields.optional(Tag::context_constructed(2))?;
        fields.finish()?;
        Ok(Self {
            originator_certificates: originator_certificates(originator.as_ref(), limits)?,
            recipients: recipient_infos(&recipients, limits)?,
            content: EncryptedContent::read(&content)?,
            authenticated_attributes: authenticated.as_ref().map(Element::whole),
            authenticated: optional_attributes(authenticated.as_ref(), limits)?,
            mac: mac.octets()?,
            unauthenticated: optional_attributes(unauthenticated.as_ref(), limits)?,
        })
    }
}

impl<'a> EncryptedContent<'a> {
    fn read(element: &Element<'a>) -> Result<Self, CmsError> {
        let mut fields = element.reader()?;
        let content_type = fields.oid()?;
        let algorithm = AlgorithmIdentifier::read(&fields.expect(Tag::SEQUENCE)?)?;
        // RFC 5652 §6.1: [0] IMPLICIT OCTET STRING, in one piece or several.
        let octets = match fields.peek() {
            Some(tag) if tag.primitive() == Tag::context(0) => {
                Some(fields.expect_string(Tag::context(0))?.octets()?)
            }
            _ => None,
        };
        fields.finish()?;
        Ok(Self {
            content_type,
            algorithm,
            octets,
        })
    }
}

impl<'a> RecipientInfo<'a> {
    fn read(element: &Element<'a>, limits: &Limits) -> Result<Self, CmsError> {
        let unsupported = RecipientInfo::Unsupported { tag: element.tag() };
        // RFC 5652 §6.2. What cannot be read here is somebody else's concern, unless it is over a
        // limit.
        let read = if element.tag() == Tag::SEQUENCE {
            KeyTransport::read(element).map(RecipientInfo::KeyTransport)
        } else if element.tag() == Tag::context_constructed(1) {
            return Ok(KeyAgreement::read(element, limits)?
                .map_or(unsupported, RecipientInfo::KeyAgreement));
        } else if element.tag() == Tag::context_constructed(2) {
            KeyEncryption::read(element).map(RecipientInfo::KeyEncryption)
        } else if element.tag() == Tag::context_constructed(3) {
            PasswordRecipient::read(element).map(RecipientInfo::Password)
        } else {
            return Ok(unsupported);
        };
        Ok(read.unwrap_or(unsupported))
    }
}

impl<'a> KeyEncryption<'a> {
    // RFC 5652 §6.2.3
    fn read(element: &Element<'a>) -> Result<Self, BerError> {
        let mut fields = element.reader()?;
        fields.unsigned()?;
        // date and other, behind the identifier, help to find an old key.
        let identifier = fields.sequence()?.expect_string(Tag::OCTET_STRING)?;
        let algorithm = fields.expect(Tag::SEQUENCE)?;
        let encrypted_key = fields.expect_string(Tag::OCTET_STRING)?;
        fields.finish()?;
        Ok(Self {
            identifier: identifier.octets()?,
            algorithm: AlgorithmIdentifier::read(&algorithm)?,
            encrypted_key: encrypted_key.octets()?,
        })
    }
}

impl<'a> PasswordRecipient<'a> {
    // RFC 5652 §6.2.4
    fn read(element: &Element<'a>) -> Result<Self, BerError> {
        let mut fields = element.reader()?;
        fields.unsigned()?;
        let derivation = match fields.optional(Tag::context_constructed(0))? {
            Some(tagged) => {
                let mut der = tagged.to_der()?.into_owned();
                if let Some(first) = der.first_mut() {
                    *first = Tag::SEQUENCE.0;
                }
                Some(der)
            }
            None => None,
        };
        let algorithm = fields.expect(Tag::SEQUENCE)?;
        let encrypted_key = fields.expect_string(Tag::OCTET_STRING)?;
        fields.finish()?;
        Ok(Self {
            derivation,
            algorithm: AlgorithmIdentifier::read(&algorithm)?,
            encrypted_key: encrypted_key.octets()?,
        })
    }
}

impl<'a> KeyTransport<'a> {
    fn read(element: &Element<'a>) -> Result<Self, BerError> {
        let mut fields = element.reader()?;
        fields.unsigned()?;
        let rid = fields.next_element()?.ok_or(fields.error(
            crate::crypto::ber::BerErrorKind::Missing {
                expected: Tag::SEQUENCE,
            },
        ))?;
        let algorithm = fields.expect(Tag::SEQUENCE)?;
        let encrypted_key = fields.expect_string(Tag::OCTET_STRING)?;
        fields.finish()?;
        Ok(Self {
            rid: CertificateIdentifier::read(&rid)?,
            algorithm: AlgorithmIdentifier::read(&algorithm)?,
            encrypted_key: encrypted_key.octets()?,
        })
    }
}

impl<'a> KeyAgreement<'a> {
    /// `None` if it is not of the form that we read; an error only over a limit.
    fn read(element: &Element<'a>, limits: &Limits) -> Result<Option<Self>, CmsError> {
        let Ok((parts, keys)) = Self::parts(element) else {
            return Ok(None);
        };
        let mut agreement = parts;
        for member in members(&keys, limits.recipients, "recipients")? {
            let Ok(key) = RecipientKey::read(&member) else {
                return Ok(None);
            };
            agreement.keys.push(key);
        }
        Ok(Some(agreement))
    }

    fn parts(element: &Element<'a>) -> Result<(Self, Element<'a>), BerError> {
        use crate::crypto::ber::BerErrorKind;
        use der::Decode;
        let wrong = |tag: Tag| BerErrorKind::Contents(tag).at(element.position());
        let mut fields = element.reader()?;
        fields.unsigned()?;
        let originator = fields.expect(Tag::context_constructed(0))?.only()?;
        let ukm = match fields.optional(Tag::context_constructed(1))? {
            Some(explicit) => Some(explicit.only()?.octets()?),
            None => None,
        };
        let algorithm = AlgorithmIdentifier::read(&fields.expect(Tag::SEQUENCE)?)?;
        let keys = fields.expect(Tag::SEQUENCE)?;
        fields.finish()?;
        // RFC 5753 §3.1.1: the originator's key is ephemeral and stands here itself.
        let originator =
            match cms::enveloped_data::OriginatorIdentifierOrKey::from_der(&originator.to_der()?) {
                Ok(cms::enveloped_data::OriginatorIdentifierOrKey::OriginatorKey(key)) => key,
                _ => return Err(wrong(originator.tag())),
            };
        // RFC 5753 §7.1.4: the parameter names the key wrap.
        let wrap = AlgorithmIdentifier::parse(
            algorithm.parameters.ok_or(wrong(Tag::SEQUENCE))?,
            Default::default(),
        )?;
        Ok((
            Self {
                originator,
                user_keying_material: ukm,
                algorithm,
                wrap,
                keys: Vec::new(),
            },
            keys,
        ))
    }
}

impl<'a> RecipientKey<'a> {
    fn read(element: &Element<'a>) -> Result<Self, BerError> {
        let mut fields = element.reader()?;
        let rid = fields.next_element()?.ok_or(fields.error(
            crate::crypto::ber::BerErrorKind::Missing {
                expected: Tag::SEQUENCE,
            },
        ))?;
        let encrypted_key = fields.expect_string(Tag::OCTET_STRING)?;
        fields.finish()?;
        Ok(Self {
            rid: CertificateIdentifier::read_key_agreement(&rid)?,
            encrypted_key: encrypted_key.octets()?,
        })
    }
}

fn recipient_infos<'a>(
    holder: &Element<'a>,
    limits: &Limits,
) -> Result<Vec<RecipientInfo<'a>>, CmsError> {
    members(holder, limits.recipients, "recipients")?
        .iter()
        .map(|member| RecipientInfo::read(member, limits))
        .collect()
}

fn originator_certificates<'a>(
    originator: Option<&Element<'a>>,
    limits: &Limits,
) -> Result<Vec<&'a [u8]>, CmsError> {
    let Some(originator) = originator else {
        return Ok(Vec::new());
    };
    let Some(certificates) = originator.reader()?.optional(Tag::context_constructed(0))? else {
        return Ok(Vec::new());
    };
    Ok(members(&certificates, limits.certificates, "certificates")?
        .iter()
        .filter(|member| member.tag() == Tag::SEQUENCE)
        .map(Element::whole)
        .collect())
}

fn optional_attributes<'a>(
    holder: Option<&Element<'a>>,
    limits: &Limits,
) -> Result<Vec<Attribute<'a>>, CmsError> {
    match holder {
        Some(holder) => attributes(holder, limits),
        None => Ok(Vec::new()),
    }
}
